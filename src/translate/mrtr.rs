//! Multi round-trip requests: a modern backend answers with questions, and is
//! asked again with their answers. A legacy client is asked them one by one,
//! as requests on the stream of its own request.
//!
//! Source: `basic/patterns/mrtr`, revision 2026-07-28.

use std::borrow::Cow;

use bytes::Bytes;
use serde_json::value::RawValue;

use super::meta;
use crate::protocol::raw::{Object, Unfit, quote, text};
use crate::protocol::splice::Edits;

/// Most rounds of one call; a backend that asks for more never ends.
pub(crate) const MAX_ROUNDS: usize = 10;

/// Most questions of one round.
pub(crate) const MAX_QUESTIONS: usize = 8;

/// What a result is, by its `resultType`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ResultType {
    /// `complete`, or none.
    Complete,
    /// `input_required`.
    InputRequired,
    /// Anything else: a task, or what only the two ends know.
    Other(String),
}

/// The type of a result.
///
/// # Errors
/// [`Unfit`] when the result is no object, or its type ambiguous or no string.
pub(crate) fn result_type(result: &RawValue) -> Result<ResultType, Unfit> {
    let Some(kind) = Object::read(result)?.get("resultType")? else {
        return Ok(ResultType::Complete);
    };
    Ok(match &*text(kind).ok_or(Unfit::Missing("resultType"))? {
        "complete" => ResultType::Complete,
        "input_required" => ResultType::InputRequired,
        other => ResultType::Other(other.to_owned()),
    })
}

/// What a question asks of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Data of the user, by a form.
    Form,
    /// A visit of the user to an address.
    Url,
    /// A completion of the client's model.
    Sampling,
    /// The folders the client works on.
    Roots,
}

/// One question of a round.
#[derive(Debug)]
pub(crate) struct Question<'a> {
    /// The backend's name for it.
    pub(crate) key: Cow<'a, str>,
    /// The method of the request it becomes.
    pub(crate) method: Cow<'a, str>,
    /// The parameters of that request.
    pub(crate) params: Option<&'a RawValue>,
    /// What it asks of a client; `None` for a method nobody has to know.
    pub(crate) kind: Option<Kind>,
}

/// One round: a result that asks for input.
#[derive(Debug)]
pub(crate) struct Round<'a> {
    /// In the order of the result; perhaps none.
    pub(crate) questions: Vec<Question<'a>>,
    /// What the backend wants back, byte for byte.
    pub(crate) state: Option<&'a RawValue>,
}

impl<'a> Round<'a> {
    /// Reads a result of type `input_required`.
    ///
    /// # Errors
    /// [`Unfit`] when a question cannot be read, or there is neither a
    /// question nor a state.
    pub(crate) fn read(result: &'a RawValue) -> Result<Self, Unfit> {
        let object = Object::read(result)?;
        let state = object.get("requestState")?;
        let asked = object.get("inputRequests")?;
        if state.is_none() && asked.is_none() {
            return Err(Unfit::Missing("inputRequests"));
        }
        let mut questions = Vec::new();
        if let Some(asked) = asked {
            let asked = Object::read(asked)?;
            for member in asked.members() {
                let key = member.name();
                asked.exact(&key)?;
                let question = Object::read(member.value)?;
                let method = question.text("method")?;
                let params = question.get("params")?;
                let kind = kind(&method, params)?;
                questions.push(Question { key, method, params, kind });
            }
        }
        Ok(Self { questions, state })
    }

    /// The first question the client did not say it can answer. The call that
    /// led to it cannot go on.
    pub(crate) fn undeclared(&self, declared: Declared) -> Option<&Question<'a>> {
        self.questions
            .iter()
            .find(|question| !question.kind.is_some_and(|kind| declared.allows(kind)))
    }
}

impl Question<'_> {
    /// The question as a legacy request with this id, which is JSON text.
    /// Legacy clients want an id of a visit to an address, which modern
    /// backends do not give: it gets the request's.
    ///
    /// # Errors
    /// [`Unfit`] when the parameters are no object.
    pub(crate) fn request(&self, id: &str) -> Result<Bytes, Unfit> {
        let mut members: Vec<(&str, Cow<'_, [u8]>)> = vec![
            ("jsonrpc", Cow::Borrowed(b"\"2.0\"")),
            ("id", id.as_bytes().into()),
            ("method", quote(&self.method).into_bytes().into()),
        ];
        match self.params {
            Some(params) if self.kind == Some(Kind::Url) => {
                let mut edits = Edits::new(params.get().as_bytes());
                if Object::read(params)?.get("elicitationId")?.is_none() {
                    let named = if id.starts_with('"') { id.to_owned() } else { quote(id) };
                    edits = edits.set_member(params, "elicitationId", named.into_bytes());
                }
                members.push(("params", edits.finish()?.to_vec().into()));
            }
            Some(params) => members.push(("params", params.get().as_bytes().into())),
            None => {}
        }
        Ok(meta::object(&members).into())
    }
}

/// A client's answer to a question, as the backend is told it: the result as
/// it came. A client that fails to ask its user has let the question pass
/// (`cancel`), and one whose user refused (error -1 of the specification's
/// sampling pages) has declined it. Sampling and roots have no such words:
/// `None`, and the call ends with the client's error.
///
/// # Errors
/// [`Unfit`] when the error is no object, or ambiguous.
pub(crate) fn answer<'a>(
    kind: Kind,
    result: Option<&'a RawValue>,
    error: Option<&RawValue>,
) -> Result<Option<&'a str>, Unfit> {
    const REFUSED: &str = "-1";
    if let Some(result) = result {
        return Ok(Some(result.get()));
    }
    let code = match error {
        Some(error) => Object::read(error)?.get("code")?.map(RawValue::get),
        None => None,
    };
    Ok(match kind {
        Kind::Form | Kind::Url if code == Some(REFUSED) => Some(r#"{"action":"decline"}"#),
        Kind::Form | Kind::Url => Some(r#"{"action":"cancel"}"#),
        Kind::Sampling | Kind::Roots => None,
    })
}

/// The call again, with answers and the state the backend gave. `message` is
/// the whole message of the first call, the text of `edits`; its id must be
/// made another one by the caller. Answers of an earlier round go.
///
/// # Errors
/// [`Unfit`] when the message has no parameters, or ambiguous ones.
pub(crate) fn retry<'t>(
    mut edits: Edits<'t>,
    message: &'t RawValue,
    answers: &[(&str, &str)],
    state: Option<&RawValue>,
) -> Result<Edits<'t>, Unfit> {
    let params = meta::params(message)?.ok_or(Unfit::Missing("params"))?;
    edits = if answers.is_empty() {
        edits.remove_member(params, "inputResponses")
    } else {
        edits.set_member(params, "inputResponses", meta::object(answers))
    };
    Ok(match state {
        Some(state) => edits.set_member(params, "requestState", state.get().as_bytes().to_vec()),
        None => edits.remove_member(params, "requestState"),
    })
}

/// Which questions a client said it can answer.
#[expect(clippy::struct_excessive_bools, reason = "one for each kind of question")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Declared {
    pub(crate) form: bool,
    pub(crate) url: bool,
    pub(crate) sampling: bool,
    pub(crate) roots: bool,
}

impl Declared {
    /// Reads a client's capabilities. An `elicitation` that names no mode
    /// means forms.
    ///
    /// # Errors
    /// [`Unfit`] when they are no object, or ambiguous.
    pub(crate) fn read(capabilities: &RawValue) -> Result<Self, Unfit> {
        let capabilities = Object::read(capabilities)?;
        let has = |object: &Object<'_>, name: &str| -> Result<bool, Unfit> {
            Ok(object.get(name)?.is_some_and(|value| value.get().starts_with('{')))
        };
        let mut declared = Self {
            sampling: has(&capabilities, "sampling")?,
            roots: has(&capabilities, "roots")?,
            ..Self::default()
        };
        if has(&capabilities, "elicitation")?
            && let Some(elicitation) = capabilities.get("elicitation")?
        {
            let modes = Object::read(elicitation)?;
            declared.url = has(&modes, "url")?;
            declared.form = has(&modes, "form")? || !declared.url;
        }
        Ok(declared)
    }

    /// Whether a question can be put.
    pub(crate) fn allows(self, kind: Kind) -> bool {
        match kind {
            Kind::Form => self.form,
            Kind::Url => self.url,
            Kind::Sampling => self.sampling,
            Kind::Roots => self.roots,
        }
    }
}

fn kind(method: &str, params: Option<&RawValue>) -> Result<Option<Kind>, Unfit> {
    Ok(match method {
        "elicitation/create" => {
            let mode = match params {
                Some(params) => Object::read(params)?.get("mode")?.and_then(text),
                None => None,
            };
            match mode.as_deref() {
                None | Some("form") => Some(Kind::Form),
                Some("url") => Some(Kind::Url),
                Some(_) => None,
            }
        }
        "sampling/createMessage" => Some(Kind::Sampling),
        "roots/list" => Some(Kind::Roots),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::translate::{raw, text};

    const ROUND: &str = r#"{"resultType":"input_required","inputRequests":{
        "login":{"method":"elicitation/create","params":{"message":"m","n":9223372036854775808}},
        "pay":{"method":"elicitation/create","params":{"mode":"url","url":"https://x","message":"p"}},
        "capital":{"method":"sampling/createMessage","params":{"messages":[]}},
        "folders":{"method":"roots/list"}},
        "requestState":"\u0061 \"opaque\""}"#;

    #[test]
    fn types_of_results() {
        for (result, expected) in [
            ("{}", ResultType::Complete),
            (r#"{"resultType":"complete"}"#, ResultType::Complete),
            (ROUND, ResultType::InputRequired),
            (r#"{"resultType":"task"}"#, ResultType::Other("task".into())),
        ] {
            assert_eq!(result_type(raw(result)).unwrap(), expected);
        }
        assert!(result_type(raw(r#"{"resultType":7}"#)).is_err());
        assert!(result_type(raw(r#"{"resultType":"complete","resultType":"task"}"#)).is_err());
    }

    #[test]
    fn a_round_is_read() {
        let round = Round::read(raw(ROUND)).unwrap();
        let found: Vec<_> =
            round.questions.iter().map(|question| (&*question.key, question.kind)).collect();
        assert_eq!(
            found,
            [
                ("login", Some(Kind::Form)),
                ("pay", Some(Kind::Url)),
                ("capital", Some(Kind::Sampling)),
                ("folders", Some(Kind::Roots)),
            ]
        );
        assert_eq!(round.state.unwrap().get(), r#""\u0061 \"opaque\"""#);
        assert!(Round::read(raw(r#"{"requestState":"s"}"#)).unwrap().questions.is_empty());
        for broken in [
            "{}",
            r#"{"inputRequests":[]}"#,
            r#"{"inputRequests":{"a":{}}}"#,
            r#"{"inputRequests":{"a":{"method":"roots/list"},"a":{"method":"roots/list"}}}"#,
        ] {
            assert!(Round::read(raw(broken)).is_err(), "{broken}");
        }
    }

    #[test]
    fn only_what_was_declared_is_asked() {
        let round = Round::read(raw(ROUND)).unwrap();
        for (capabilities, first) in [
            ("{}", Some("login")),
            (r#"{"elicitation":{}}"#, Some("pay")),
            (r#"{"elicitation":{"url":{}}}"#, Some("login")),
            (r#"{"elicitation":{"form":{},"url":{}}}"#, Some("capital")),
            (r#"{"elicitation":{"form":{},"url":{}},"sampling":{"tools":{}}}"#, Some("folders")),
            (
                r#"{"elicitation":{"form":{},"url":{}},"sampling":{},"roots":{"listChanged":true}}"#,
                None,
            ),
            (r#"{"elicitation":true,"sampling":null}"#, Some("login")),
        ] {
            let declared = Declared::read(raw(capabilities)).unwrap();
            let found = round.undeclared(declared).map(|question| &*question.key);
            assert_eq!(found, first, "{capabilities}");
        }
        let unknown = Round::read(raw(r#"{"inputRequests":{"a":{"method":"x/y"}}}"#)).unwrap();
        let all = Declared { form: true, url: true, sampling: true, roots: true };
        assert!(unknown.undeclared(all).is_some());
    }

    #[test]
    fn questions_become_requests() {
        let round = Round::read(raw(ROUND)).unwrap();
        let asked = |index: usize, id: &str| text(round.questions[index].request(id));
        assert_eq!(
            asked(0, "1"),
            r#"{"jsonrpc":"2.0","id":1,"method":"elicitation/create","params":{"message":"m","n":9223372036854775808}}"#
        );
        assert_eq!(
            asked(1, "\"g1\""),
            r#"{"jsonrpc":"2.0","id":"g1","method":"elicitation/create","params":{"elicitationId":"g1","mode":"url","url":"https://x","message":"p"}}"#
        );
        assert!(asked(1, "7").contains(r#""elicitationId":"7""#));
        assert_eq!(asked(3, "1"), r#"{"jsonrpc":"2.0","id":1,"method":"roots/list"}"#);
    }

    #[test]
    fn answers_are_told_as_they_came() {
        let accepted = raw(r#"{"action":"accept","content":{"n":1e-400}}"#);
        assert_eq!(answer(Kind::Form, Some(accepted), None), Ok(Some(accepted.get())));
        let refused = raw(r#"{"code":-1,"message":"no"}"#);
        let failed = raw(r#"{"code":-32603,"message":"broken"}"#);
        for (kind, error, expected) in [
            (Kind::Form, refused, Some(r#"{"action":"decline"}"#)),
            (Kind::Url, failed, Some(r#"{"action":"cancel"}"#)),
            (Kind::Sampling, refused, None),
            (Kind::Roots, failed, None),
        ] {
            assert_eq!(answer(kind, None, Some(error)), Ok(expected));
        }
    }

    #[test]
    fn the_retry_carries_answers_and_the_state_byte_for_byte() {
        let round = Round::read(raw(ROUND)).unwrap();
        let message = r#"{"id":1,"params":{"name":"a","arguments":{"x":1e-400},"requestState":"old","inputResponses":{"o":1}}}"#;
        let again = |answers: &[(&str, &str)], state| {
            let edits = retry(Edits::new(message.as_bytes()), raw(message), answers, state);
            text(edits.unwrap().finish())
        };
        assert_eq!(
            again(&[("login", r#"{"action":"accept"}"#), ("a\"b", "{}")], round.state),
            r#"{"id":1,"params":{"name":"a","arguments":{"x":1e-400},"requestState":"\u0061 \"opaque\"","inputResponses":{"login":{"action":"accept"},"a\"b":{}}}}"#
        );
        assert_eq!(again(&[], None), r#"{"id":1,"params":{"name":"a","arguments":{"x":1e-400}}}"#);
        assert!(retry(Edits::new(b"{}"), raw("{}"), &[], None).is_err());
    }
}
