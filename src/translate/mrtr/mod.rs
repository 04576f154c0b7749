//! Multi round-trip requests: a modern backend answers with questions, and is
//! asked again with their answers. A legacy client is asked them one by one,
//! as requests on the stream of its own request.
//!
//! Source: `basic/patterns/mrtr`, revision 2026-07-28.

mod declared;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

use bytes::Bytes;
use serde_json::value::RawValue;

pub(crate) use declared::{Declared, Kind};

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
                let kind = declared::kind(&method, params)?;
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
