//! A body, read once into what the walk needs.

use std::borrow::Cow;

use bytes::Bytes;
use serde_json::value::RawValue;

use super::Head;
use super::classify::{self, Spoken};
use crate::error::{Reason, Refusal};
use crate::protocol::call::{self, Answers, Call};
use crate::protocol::headers;
use crate::protocol::jsonrpc::{self, Envelope, Kind, Malformed};
use crate::protocol::mcp::{ClientInfo, Method, Params};
use crate::protocol::revision::Era;

/// One JSON-RPC message, classified.
pub(crate) struct Message<'a> {
    pub(crate) kind: Kind,
    pub(crate) id: Option<&'a RawValue>,
    pub(crate) method: Method,
    pub(crate) method_name: Cow<'a, str>,
    pub(crate) params: Params<'a>,
    /// The parameters as they were written.
    pub(crate) raw_params: Option<&'a RawValue>,
    pub(crate) spoken: Spoken,
}

/// What a reply needs to know of a message, as far as it could be read.
#[derive(Debug)]
pub(crate) struct Partial {
    pub(crate) era: Era,
    pub(crate) id: Option<Box<RawValue>>,
}

impl Default for Partial {
    fn default() -> Self {
        Self { era: Era::Legacy, id: None }
    }
}

impl<'a> Message<'a> {
    /// Reads and classifies a body. `partial` learns what could be told even
    /// when the message is refused, so that the refusal can be addressed.
    ///
    /// # Errors
    /// [`Reason::ParseError`], [`Reason::InvalidRequest`],
    /// [`Reason::InvalidParams`], [`Reason::HeaderMismatch`],
    /// [`Reason::UnsupportedVersion`].
    pub(crate) fn read(
        head: Head<'_>,
        body: &'a Bytes,
        partial: &mut Partial,
    ) -> Result<Self, Refusal> {
        let Envelope { id, method, params, result, error } =
            jsonrpc::parse(body).map_err(|fault| {
                if !matches!(fault, Malformed::Depth) {
                    partial.id = jsonrpc::salvage_id(body).map(ToOwned::to_owned);
                }
                malformed(fault)
            })?;
        partial.id = id.map(ToOwned::to_owned);
        let envelope = Envelope { id, method, params, result, error };
        let kind = envelope.kind().map_err(malformed)?;
        let method_name = envelope.method.unwrap_or_default();
        let raw_params = params;
        let params = Params::read(params).map_err(|fault| {
            // A body that fails here may still have meant to be modern.
            if head.lenient(headers::METHOD).is_some() {
                partial.era = Era::Modern;
            }
            Refusal::telling(Reason::InvalidParams, fault)
        })?;
        partial.era = classify::era(head, &params);
        let named = (!method_name.is_empty()).then_some(&*method_name);
        let spoken = classify::classify(head, named, kind == Kind::Request, &params)?;
        let method = Method::of(&method_name);
        Ok(Self { kind, id, method, method_name, params, raw_params, spoken })
    }

    /// The message as a call of what it names.
    ///
    /// # Errors
    /// [`Reason::InvalidParams`] where the name is missing or wrong,
    /// [`Reason::MethodNotFound`] for a method that names nothing.
    pub(crate) fn into_call(self, head: Head<'a>, body: &Bytes) -> Result<Call<'a>, Refusal> {
        let named = call::named(self.method, &self.params)
            .map_err(|fault| Refusal::telling(Reason::InvalidParams, fault))?;
        let (Some(id), Some((kind, name))) = (self.id, named) else {
            return Err(Refusal::new(Reason::MethodNotFound, "the message calls nothing"));
        };
        let mirrored = match self.spoken.era {
            Era::Legacy => Vec::new(),
            Era::Modern => head
                .starting(headers::PARAM_PREFIX)
                .map(|(name, value)| (Cow::Borrowed(name), Cow::Borrowed(value)))
                .collect(),
        };
        let answers = self.params.input_responses.is_some() || self.params.request_state.is_some();
        let (turn_id, job_id) =
            self.params.meta.map(|meta| (meta.turn_id, meta.job_id)).unwrap_or_default();
        Ok(Call {
            answers: answers
                .then(|| Answers { state: self.params.request_state.map(call::state_text) }),
            request_id: head.chosen_request_id().map(Cow::Borrowed),
            turn_id: head.one(headers::TURN_ID)?.map(Cow::Borrowed).or(turn_id),
            job_id: head.one(headers::JOB_ID)?.map(Cow::Borrowed).or(job_id),
            id,
            method: self.method,
            kind,
            name,
            arguments: self.params.arguments,
            message: body.clone(),
            era: self.spoken.era,
            revision: self.spoken.revision,
            mirrored,
        })
    }

    /// Who the client says it is.
    pub(crate) fn client(&self) -> Option<ClientInfo<'a>> {
        let meta = self.params.meta.as_ref();
        let raw = meta.and_then(|meta| meta.client_info).or(self.params.client_info)?;
        serde_json::from_str(raw.get()).ok()
    }
}

fn malformed(fault: Malformed) -> Refusal {
    match fault {
        Malformed::Syntax(text) => Refusal::telling(Reason::ParseError, text),
        Malformed::Depth | Malformed::Batch | Malformed::Shape(_) => {
            Refusal::telling(Reason::InvalidRequest, fault.to_string())
        }
    }
}
