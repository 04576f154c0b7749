//! A request as it came: headers first, the body only when asked for.

mod classify;
mod message;
mod read;
#[cfg(test)]
mod tests;

use actix_web::http::header::{ACCEPT, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderValue};

pub(crate) use message::{Message, Partial};
pub(crate) use read::{BodyLimits, discard, read};

use crate::error::{Reason, Refusal};
use crate::protocol::accept::{Accepts, is_json};
use crate::protocol::headers;

/// The headers of a request, asked for by name. A header that decides
/// something and comes twice is refused, since two readers could pick
/// different ones.
#[derive(Clone, Copy)]
pub(crate) struct Head<'a> {
    headers: &'a HeaderMap,
}

impl<'a> Head<'a> {
    /// The headers of one request.
    pub(crate) fn new(headers: &'a HeaderMap) -> Self {
        Self { headers }
    }

    /// All values of a header.
    pub(crate) fn all(self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        self.headers.get_all(name).map(HeaderValue::as_bytes)
    }

    /// The only value of a header, without the white space around it.
    ///
    /// # Errors
    /// [`Reason::HeaderMismatch`] when it comes twice or is no visible ASCII.
    pub(crate) fn one(self, name: &'static str) -> Result<Option<&'a str>, Refusal> {
        let mut values = self.headers.get_all(name);
        let Some(value) = values.next() else { return Ok(None) };
        if values.next().is_some() {
            let text = format!("header `{name}` appears twice");
            return Err(Refusal::telling(Reason::HeaderMismatch, text));
        }
        let text = value.to_str().map_err(|_| {
            Refusal::telling(Reason::HeaderMismatch, format!("header `{name}` is not plain text"))
        })?;
        Ok(Some(text.trim_matches([' ', '\t'])))
    }

    /// The only value of a header that decides nothing, if it can be read.
    pub(crate) fn lenient(self, name: &str) -> Option<&'a str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The request's id, where the client chose it: nginx says whether the
    /// client brought it, or it made one itself.
    pub(crate) fn chosen_request_id(self) -> Option<&'a str> {
        let made = self.lenient(headers::REQUEST_ID_ORIGIN) == Some("nginx");
        self.lenient(headers::REQUEST_ID).filter(|id| !made && !id.is_empty())
    }

    /// Headers whose name starts with `prefix`, in lower case.
    pub(crate) fn starting(self, prefix: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.headers.iter().filter_map(move |(name, value)| {
            name.as_str().starts_with(prefix).then_some((name.as_str(), value.to_str().ok()?))
        })
    }

    /// Refuses a body that does not say it is JSON.
    ///
    /// # Errors
    /// [`Reason::UnsupportedMediaType`].
    pub(crate) fn expect_json(self) -> Result<(), Refusal> {
        let mut values = self.headers.get_all(CONTENT_TYPE);
        match (values.next().and_then(|value| value.to_str().ok()), values.next()) {
            (Some(value), None) if is_json(value) => Ok(()),
            _ => Err(Refusal::new(Reason::UnsupportedMediaType, "the body is not declared JSON")),
        }
    }

    /// Whether the body is announced to be no larger than `most` bytes.
    pub(crate) fn announces_at_most(self, most: u64) -> bool {
        let length = self.headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok());
        length.and_then(|length| length.parse::<u64>().ok()).is_some_and(|length| length <= most)
    }

    /// What the client can read.
    ///
    /// # Errors
    /// [`Reason::NotAcceptable`] when it is neither JSON nor an event stream.
    pub(crate) fn accepts(self) -> Result<Accepts, Refusal> {
        let mut accepts = Accepts { json: false, event_stream: false };
        for value in self.headers.get_all(ACCEPT).filter_map(|value| value.to_str().ok()) {
            let found = Accepts::parse(value);
            accepts.json |= found.json;
            accepts.event_stream |= found.event_stream;
        }
        if accepts.anything() {
            Ok(accepts)
        } else {
            Err(Refusal::new(Reason::NotAcceptable, "no acceptable answer"))
        }
    }
}
