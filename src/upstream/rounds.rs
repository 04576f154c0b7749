//! Questions of a modern backend, put to a legacy client as requests on the
//! stream of its own request; and the request again, with the answers.

use std::sync::Arc;
use std::time::Duration;

use awc::http::header::{HeaderName, HeaderValue};
use bytes::Bytes;
use futures_util::future::try_join_all;
use serde_json::value::RawValue;

use super::exchange::Ask;
use super::questions::Asking;
use super::told::{self, Told};
use super::wire::Letter;
use super::{Trail, Upstream, nonce};
use crate::error::{Reason, Refusal};
use crate::protocol::raw::{self, Object, Unfit};
use crate::protocol::splice::Edits;
use crate::protocol::{ids, revision};
use crate::registry::Backend;
use crate::session::Uid;
use crate::translate::mrtr::{self, Declared, Kind, MAX_QUESTIONS, MAX_ROUNDS, ResultType, Round};
use crate::translate::to_legacy;

/// Longest wait for a person, in all questions of a round.
const PATIENCE: Duration = Duration::from_mins(10);

/// The rounds of one request.
#[derive(Debug)]
pub(super) struct Rounds {
    seat: Option<Uid>,
    declared: Declared,
    method: Box<str>,
    /// The request as it went to the backend first, and its id in there.
    message: Bytes,
    id: Box<RawValue>,
    mirrored: Vec<(HeaderName, HeaderValue)>,
    count: usize,
    waiting: Vec<Asked>,
    state: Option<Box<RawValue>>,
}

/// One question that was put.
#[derive(Debug)]
struct Asked {
    key: Box<str>,
    kind: Kind,
    answer: Asking,
}

/// The request once more.
pub(super) struct Retry {
    /// Another one each time: a retry is a request of its own.
    pub(super) id: Box<RawValue>,
    pub(super) message: Bytes,
}

/// What an answer of the backend leads to.
pub(super) enum Next {
    /// The client's answer.
    Answer(Bytes),
    /// Requests to the client.
    Questions(Vec<Bytes>),
}

impl Rounds {
    /// For a request that is about to go out as `message`.
    pub(super) fn new(
        ask: &Ask<'_>,
        message: Bytes,
        mirrored: Vec<(HeaderName, HeaderValue)>,
    ) -> Self {
        let declared = ask.seat.filter(|_| ask.streams);
        let declared = declared.and_then(|seat| Declared::read(seat.capabilities()).ok());
        Self {
            seat: ask.seat.map(|seat| seat.uid()),
            declared: declared.unwrap_or_default(),
            method: ask.method.into(),
            message,
            id: ask.id.to_owned(),
            mirrored,
            count: 0,
            waiting: Vec::new(),
            state: None,
        }
    }

    /// Reads an answer of the backend; `id` is the client's.
    pub(super) fn next(
        &mut self,
        upstream: &Arc<Upstream>,
        message: &Bytes,
        id: Option<&RawValue>,
    ) -> Result<Next, Refusal> {
        let (Told::Answer { result, error, .. }, Some(id)) = (Told::read(message), id) else {
            return Err(Refusal::new(Reason::Internal, "an answer that is none"));
        };
        let Some(result) = result else {
            let error = error.map(|error| to_legacy::error(&self.method, error).map_err(unfit));
            let error = error.transpose()?.unwrap_or_default();
            return Ok(Next::Answer(told::response(id, "error", &error)));
        };
        match mrtr::result_type(result).map_err(unfit)? {
            ResultType::InputRequired => {}
            ResultType::Complete => {
                let result = to_legacy::result(&self.method, result).map_err(unfit)?;
                return Ok(Next::Answer(told::response(id, "result", &result)));
            }
            // A task, most likely: nobody has asked for one, and legacy tasks
            // are other ones.
            ResultType::Other(_) => {
                return Err(Refusal::new(
                    Reason::BackendError,
                    "the backend gives a result of a type that was not asked for",
                ));
            }
        }
        let round = Round::read(result).map_err(unfit)?;
        if let Some(question) = round.undeclared(self.declared) {
            return Err(Refusal::telling(
                Reason::CannotBeAsked,
                format!(
                    "The server asks for `{}`, which this client has not declared.",
                    &question.method[..question.method.floor_char_boundary(64)]
                ),
            ));
        }
        self.count += 1;
        if self.count > MAX_ROUNDS || round.questions.len() > MAX_QUESTIONS {
            return Err(Refusal::new(Reason::BackendError, "the backend asks too many questions"));
        }
        self.state = round.state.map(ToOwned::to_owned);
        let (nonce, mut requests) = (nonce::fresh()?, Vec::new());
        for (number, question) in round.questions.iter().enumerate() {
            let (Some(seat), Some(kind)) = (self.seat, question.kind) else { continue };
            let name = format!("q{nonce}.{number}");
            requests.push(question.request(&raw::quote(&name)).map_err(unfit)?);
            let answer = upstream.ask_client(seat, &name);
            self.waiting.push(Asked { key: (&*question.key).into(), kind, answer });
        }
        Ok(Next::Questions(requests))
    }

    /// Waits for all answers. The request again, with them.
    pub(super) async fn answers(&mut self) -> Result<Retry, Refusal> {
        let waiting = std::mem::take(&mut self.waiting);
        let coming = waiting.into_iter().map(|asked| async move {
            let message = asked.answer.wait().await?;
            let Told::Answer { result, error, .. } = Told::read(&message) else {
                return Err(Refusal::new(Reason::InvalidRequest, "a question was not answered"));
            };
            match mrtr::answer(asked.kind, result, error).map_err(unfit)? {
                Some(answer) => Ok((asked.key, answer.to_owned())),
                None => Err(Refusal::telling(
                    Reason::CannotBeAsked,
                    "The client did not answer the server's question.",
                )),
            }
        });
        let answers =
            tokio::time::timeout(PATIENCE, try_join_all(coming)).await.map_err(|_| {
                Refusal::telling(Reason::CannotBeAsked, "The client did not answer in time.")
            })??;
        let answers: Vec<(&str, &str)> =
            answers.iter().map(|(key, answer)| (&**key, answer.as_str())).collect();
        let id = ids::outgoing(&nonce::fresh()?, &self.id);
        let message = again(&self.message, &id, &answers, self.state.as_deref()).map_err(unfit)?;
        let id = RawValue::from_string(id)
            .map_err(|error| Refusal::new(Reason::Internal, error.to_string()))?;
        Ok(Retry { id, message })
    }

    /// What the envelope of the request says, each time.
    pub(super) fn envelope(&self) -> Envelope {
        Envelope { mirrored: self.mirrored.clone() }
    }
}

/// What the envelope of a request says.
pub(super) struct Envelope {
    mirrored: Vec<(HeaderName, HeaderValue)>,
}

impl Envelope {
    /// The envelope.
    pub(super) fn letter<'a>(self, backend: &'a Backend, user: &'a str) -> Letter<'a> {
        Letter {
            to: backend,
            user,
            trail: Trail::INTERNAL,
            revision: Some(revision::MODERN[0]),
            session: None,
            mirrored: self.mirrored,
        }
    }
}

/// A request again, under another id, with answers and state.
fn again(
    message: &[u8],
    id: &str,
    answers: &[(&str, &str)],
    state: Option<&RawValue>,
) -> Result<Bytes, Unfit> {
    let whole = raw::value(message)?;
    let old = Object::read(whole)?.get("id")?.ok_or(Unfit::Missing("id"))?;
    let edits = Edits::new(message).replace(old, id.as_bytes().to_vec());
    mrtr::retry(edits, whole, answers, state)?.finish()
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn unfit(fault: Unfit) -> Refusal {
    Refusal::new(Reason::BackendError, format!("the backend's answer cannot be read: {fault}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_retry_is_a_request_of_its_own() {
        let message = br#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"a"}}"#;
        let state = RawValue::from_string(r#""\u0061""#.to_owned()).unwrap();
        let retry = again(message, r#""n:7""#, &[("k", "{}")], Some(&state)).unwrap();
        let text = std::str::from_utf8(&retry).unwrap();
        assert!(text.starts_with(r#"{"jsonrpc":"2.0","id":"n:7","method""#), "{text}");
        assert!(text.contains(r#""requestState":"\u0061""#), "{text}");
        assert!(text.contains(r#""inputResponses":{"k":{}}"#), "{text}");
        assert_eq!(again(b"{}", "1", &[], None), Err(Unfit::Missing("id")));
    }
}
