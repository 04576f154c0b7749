//! One call as it will cross the wire to a backend.

use std::borrow::Cow;

use bytes::Bytes;
use serde_json::value::RawValue;

use super::mcp::{Method, Params, Reference};
use super::revision::Era;

/// What a client can reach by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SubjectKind {
    /// A tool, by its name.
    Tool,
    /// A prompt, by its name.
    Prompt,
    /// A resource by its URI, or a resource template by its text.
    Resource,
}

impl SubjectKind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::Tool, Self::Prompt, Self::Resource];

    /// The word for it, in the singular.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Tool => "tool",
            Self::Prompt => "prompt",
            Self::Resource => "resource",
        }
    }
}

/// A call whose name and arguments still lie in the message they came in.
/// The message that was judged is the message that is forwarded.
#[derive(Debug)]
pub struct Call<'a> {
    /// The request's id, as JSON text.
    pub id: &'a RawValue,
    /// What is to be done with the subject.
    pub method: Method,
    /// Of which kind the subject is.
    pub kind: SubjectKind,
    /// The subject: a name, or a URI.
    pub name: Cow<'a, str>,
    /// The arguments, unread.
    pub arguments: Option<&'a RawValue>,
    /// The whole JSON-RPC message.
    pub message: Bytes,
    /// Set when the call answers questions of an earlier round.
    pub answers: Option<Answers<'a>>,
    /// The request's id, where the client chose it; a retry has the same.
    pub request_id: Option<Cow<'a, str>>,
    /// The turn of an agent that the message names.
    pub turn_id: Option<Cow<'a, str>>,
    /// The job of an agent that the message names.
    pub job_id: Option<Cow<'a, str>>,
    /// How the message speaks.
    pub era: Era,
    /// The revision the message speaks.
    pub revision: &'static str,
    /// `Mcp-Param-*` headers, which mirror annotated arguments; modern only.
    pub mirrored: Vec<(Cow<'a, str>, Cow<'a, str>)>,
}

/// That a call answers questions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answers<'a> {
    /// The state that was to be sent back.
    pub state: Option<Cow<'a, str>>,
}

impl Call<'_> {
    /// What is done to which kind of subject, in a word: two calls that differ
    /// in it are never the same call.
    #[must_use]
    pub fn form(&self) -> &'static str {
        match (self.method, self.kind) {
            (Method::Complete, SubjectKind::Prompt) => "completion/complete prompt",
            (Method::Complete, _) => "completion/complete resource",
            // Each other method is about one kind of subject.
            (method, kind) => method.name().unwrap_or(kind.word()),
        }
    }

    /// Whether its answer may be a question, after which it is called again.
    #[must_use]
    pub fn may_be_asked(&self) -> bool {
        self.era == Era::Modern
            && matches!(self.method, Method::ToolsCall | Method::PromptsGet | Method::ResourcesRead)
    }
}

/// The state that goes with a question, and comes back with its answer: the
/// text of a string, however it was written; anything else as it was.
#[must_use]
pub fn state_text(raw: &RawValue) -> Cow<'_, str> {
    // Borrows what has no escapes.
    #[derive(serde::Deserialize)]
    struct Text<'t>(#[serde(borrow)] Cow<'t, str>);
    match serde_json::from_str::<Text<'_>>(raw.get()) {
        Ok(Text(text)) => text,
        Err(_) => Cow::Borrowed(raw.get()),
    }
}

/// What a request of this method names: the subject that is judged.
/// `Ok(None)`: the method names none.
///
/// # Errors
/// A sentence saying what is missing, for an `Invalid params` error.
pub fn named<'a>(
    method: Method,
    params: &Params<'a>,
) -> Result<Option<(SubjectKind, Cow<'a, str>)>, String> {
    let kind = match method {
        Method::ToolsCall => SubjectKind::Tool,
        Method::PromptsGet => SubjectKind::Prompt,
        Method::ResourcesRead | Method::ResourcesSubscribe | Method::ResourcesUnsubscribe => {
            SubjectKind::Resource
        }
        Method::Complete => {
            let raw = params.reference.ok_or("`params.ref` is missing")?;
            return Ok(Some(match Reference::read(raw)? {
                Reference::Prompt(name) => (SubjectKind::Prompt, name),
                Reference::Resource(uri) => (SubjectKind::Resource, uri),
            }));
        }
        Method::Initialize
        | Method::Ping
        | Method::Discover
        | Method::ToolsList
        | Method::PromptsList
        | Method::ResourcesList
        | Method::TemplatesList
        | Method::SetLevel
        | Method::Listen
        | Method::TasksGet
        | Method::TasksUpdate
        | Method::TasksCancel
        | Method::Notification
        | Method::Other => return Ok(None),
    };
    let (member, found) = match kind {
        SubjectKind::Tool | SubjectKind::Prompt => ("name", &params.name),
        SubjectKind::Resource => ("uri", &params.uri),
    };
    match found {
        Some(name) => Ok(Some((kind, name.clone()))),
        None => Err(format!("`params.{member}` is missing")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(method: &str, params: &str) -> Result<Option<(SubjectKind, String)>, String> {
        let raw: Box<RawValue> = serde_json::from_str(params).unwrap();
        let params = Params::read(Some(&raw))?;
        let named = named(Method::of(method), &params)?;
        Ok(named.map(|(kind, name)| (kind, name.into_owned())))
    }

    #[test]
    fn each_method_names_its_subject() {
        use SubjectKind::{Prompt, Resource, Tool};
        for (method, params, kind, name) in [
            ("tools/call", r#"{"name":"n","uri":"u:x"}"#, Tool, "n"),
            ("prompts/get", r#"{"name":"n","uri":"u:x"}"#, Prompt, "n"),
            ("resources/read", r#"{"name":"n","uri":"u:x"}"#, Resource, "u:x"),
            ("resources/subscribe", r#"{"uri":"u:x"}"#, Resource, "u:x"),
            ("resources/unsubscribe", r#"{"uri":"u:x"}"#, Resource, "u:x"),
            (
                "completion/complete",
                r#"{"ref":{"type":"ref/prompt","name":"n","title":"N"},"uri":"u:x"}"#,
                Prompt,
                "n",
            ),
            (
                "completion/complete",
                r#"{"ref":{"type":"ref/resource","uri":"u:{id}"},"name":"n"}"#,
                Resource,
                "u:{id}",
            ),
        ] {
            assert_eq!(found(method, params), Ok(Some((kind, name.to_owned()))), "{method}");
        }
        for method in ["tools/list", "prompts/list", "ping", "tasks/get", "vendor/x"] {
            assert_eq!(found(method, r#"{"name":"n","uri":"u:x"}"#), Ok(None), "{method}");
        }
    }

    #[test]
    fn a_subject_that_is_missing_is_named() {
        for (method, params, missing) in [
            ("tools/call", r#"{"uri":"u:x"}"#, "`params.name` is missing"),
            ("prompts/get", "{}", "`params.name` is missing"),
            ("resources/read", r#"{"name":"n"}"#, "`params.uri` is missing"),
            ("completion/complete", r#"{"name":"n"}"#, "`params.ref` is missing"),
        ] {
            assert_eq!(found(method, params), Err(missing.to_owned()), "{method}");
        }
    }
}
