//! What the bridge reads of messages, in both directions. It changes none.

use std::borrow::Cow;

use bytes::Bytes;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::fault::Fault;
use crate::protocol::jsonrpc::{self, Kind, Malformed};
use crate::protocol::mcp::meta;

/// A request's id.
#[derive(Clone, Debug)]
pub(super) struct Id {
    /// As it was written, JSON text.
    text: String,
    /// The same for every spelling of one value, and different for a number
    /// and the string of its digits.
    key: String,
}

/// A message of the client's.
#[derive(Debug)]
pub(super) enum Incoming {
    /// Wants an answer.
    Request(Request),
    /// Wants none.
    Notification(Notification),
    /// Answers a request of the server's.
    Response(Bytes),
}

/// A request of the client's.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) id: Id,
    pub(super) method: String,
    /// The revision it names itself; that makes it a modern one.
    pub(super) revision: Option<String>,
    pub(super) message: Bytes,
}

/// A notification of the client's.
#[derive(Debug)]
pub(super) struct Notification {
    pub(super) method: String,
    pub(super) revision: Option<String>,
    /// Which request `notifications/cancelled` is about.
    pub(super) cancels: Option<Id>,
    pub(super) message: Bytes,
}

/// Members of `params` that decide over headers and order.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Params<'a> {
    #[serde(borrow, default)]
    pub(super) name: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) uri: Option<&'a RawValue>,
    #[serde(borrow, default, rename = "taskId")]
    pub(super) task_id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) arguments: Option<&'a RawValue>,
    #[serde(borrow, default, rename = "requestId")]
    request_id: Option<&'a RawValue>,
    #[serde(borrow, default, rename = "_meta")]
    meta: Option<&'a RawValue>,
}

/// A message of the endpoint's.
#[derive(Debug, Deserialize)]
pub(super) struct Peek<'a> {
    #[serde(borrow, default)]
    id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    method: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    result: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    error: Option<&'a RawValue>,
}

/// A member that counts also when it is null.
fn present<'de: 'a, 'a, D: Deserializer<'de>>(from: D) -> Result<Option<&'a RawValue>, D::Error> {
    <&RawValue>::deserialize(from).map(Some)
}

impl Id {
    /// From JSON text; `None` when it is neither a string nor a number.
    pub(super) fn of(raw: &RawValue) -> Option<Self> {
        let text = raw.get();
        let key = match text.as_bytes().first()? {
            b'"' => format!("s{}", serde_json::from_str::<String>(text).ok()?),
            b'-' | b'0'..=b'9' => match text.parse::<i128>() {
                Ok(whole) => format!("n{whole}"),
                Err(_) => format!("f{}", text.parse::<f64>().ok()?),
            },
            _ => return None,
        };
        Some(Self { text: text.to_owned(), key })
    }

    /// As it was written.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// What equal ids have in common.
    pub(super) fn key(&self) -> &str {
        &self.key
    }
}

impl PartialEq for Id {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

/// Reads one message of the client's.
///
/// # Errors
/// The answer to it, with its id where that can be told.
pub(super) fn read(message: Bytes) -> Result<Incoming, (Option<String>, Fault)> {
    let refuse = |fault: &Malformed| {
        let id = jsonrpc::salvage_id(&message).map(|id| id.get().to_owned());
        (id, Fault::Malformed(fault.code(), fault.to_string()))
    };
    let envelope = jsonrpc::parse(&message).map_err(|fault| refuse(&fault))?;
    let kind = envelope.kind().map_err(|fault| refuse(&fault))?;
    let method = envelope.method.unwrap_or_default().into_owned();
    let params = read_params(envelope.params);
    let revision = params.revision();
    let (id, cancels) = (envelope.id.and_then(Id::of), params.request_id.and_then(Id::of));
    Ok(match (kind, id) {
        (Kind::Request, Some(id)) => Incoming::Request(Request { id, method, revision, message }),
        (Kind::Request, None) => {
            return Err(refuse(&Malformed::Shape("`id` must be a string or a number".to_owned())));
        }
        (Kind::Notification, _) => {
            Incoming::Notification(Notification { method, revision, cancels, message })
        }
        (Kind::Response, _) => Incoming::Response(message),
    })
}

/// The messages of a batch, or `None` when it is none.
pub(super) fn split(batch: &Bytes) -> Option<Vec<Bytes>> {
    if batch.iter().find(|byte| !byte.is_ascii_whitespace()) != Some(&b'[') {
        return None;
    }
    let messages: Vec<&RawValue> = serde_json::from_slice(batch).ok()?;
    Some(messages.into_iter().map(|one| batch.slice_ref(one.get().as_bytes())).collect())
}

impl Request {
    /// The parameters, as far as they can be read.
    pub(super) fn params(&self) -> Params<'_> {
        read_params(jsonrpc::parse(&self.message).ok().and_then(|envelope| envelope.params))
    }
}

/// What cannot be read is the endpoint's to refuse.
fn read_params(raw: Option<&RawValue>) -> Params<'_> {
    raw.and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or_default()
}

impl<'a> Params<'a> {
    fn revision(&self) -> Option<String> {
        #[derive(Deserialize)]
        struct Meta<'a> {
            #[serde(borrow, default, rename = "io.modelcontextprotocol/protocolVersion")]
            revision: Option<Cow<'a, str>>,
        }
        debug_assert_eq!(meta::PROTOCOL_VERSION, "io.modelcontextprotocol/protocolVersion");
        let meta: Meta<'a> = serde_json::from_str(self.meta?.get()).ok()?;
        meta.revision.map(Cow::into_owned)
    }
}

/// The string that a raw value is.
pub(super) fn text(raw: &RawValue) -> Option<String> {
    serde_json::from_str(raw.get()).ok()
}

impl<'a> Peek<'a> {
    /// Reads a message of the endpoint's; `None` when it is none.
    pub(super) fn read(message: &'a [u8]) -> Option<Self> {
        let peek: Self = serde_json::from_slice(message).ok()?;
        (peek.method.is_some() || peek.is_response()).then_some(peek)
    }

    /// Whether it answers a request.
    pub(super) fn is_response(&self) -> bool {
        self.method.is_none() && (self.result.is_some() || self.error.is_some())
    }

    /// The id, where there is one.
    pub(super) fn id(&self) -> Option<Id> {
        self.id.and_then(Id::of)
    }

    /// The error of an answer that names no request.
    pub(super) fn nameless_error(&self) -> Option<&'a str> {
        let error = self.error.filter(|error| error.get().starts_with('{'))?;
        (self.method.is_none() && self.id.is_none()).then_some(error.get())
    }

    /// The result of a good answer.
    pub(super) fn result(&self) -> Option<&'a RawValue> {
        self.result.filter(|_| self.error.is_none())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(text: &'static str) -> Request {
        match read(Bytes::from_static(text.as_bytes())) {
            Ok(Incoming::Request(request)) => request,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn ids_are_equal_in_every_spelling_and_keep_their_type() {
        let id = |text: &str| {
            let raw: Box<RawValue> = serde_json::from_str(text).unwrap();
            Id::of(&raw)
        };
        assert_eq!(id(r#""a""#), id(r#""\u0061""#));
        assert_ne!(id("1"), id(r#""1""#));
        assert_ne!(id("12345678901234567890"), id("12345678901234567891"));
        assert_eq!(id("1.50"), id("1.5"));
        assert!(id("null").is_none() && id("[1]").is_none());
    }

    #[test]
    fn the_envelope_tells_the_era() {
        let modern = request(
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","x":[]}}}"#,
        );
        assert_eq!(modern.revision.as_deref(), Some("2026-07-28"));
        let legacy =
            request(r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"_meta":7}}"#);
        assert_eq!(legacy.revision, None);
    }

    #[test]
    fn what_is_no_message_is_answered_under_its_id_if_it_has_one() {
        let fault = |text: &'static str| read(Bytes::from_static(text.as_bytes())).unwrap_err();
        let (id, fault_of_syntax) = fault("{nonsense");
        assert_eq!((id, fault_of_syntax.code()), (None, -32700));
        let (id, fault_of_shape) = fault(r#"{"jsonrpc":"2.0","id":"x","method":7}"#);
        assert_eq!((id.as_deref(), fault_of_shape.code()), (Some("\"x\""), -32600));
        assert_eq!(fault(r#"{"jsonrpc":"2.0","id":null,"method":"x"}"#).1.code(), -32600);
    }

    #[test]
    fn a_batch_falls_into_its_messages() {
        let batch = Bytes::from_static(br#" [{"a":1e-400}, {"b":2} ]"#);
        let parts = split(&batch).unwrap();
        assert_eq!(parts, [&br#"{"a":1e-400}"#[..], &br#"{"b":2}"#[..]]);
        assert_eq!(split(&Bytes::from_static(b"{}")), None);
        assert_eq!(split(&Bytes::from_static(b"[1,")), None);
    }

    #[test]
    fn answers_are_recognised_also_without_a_result_worth_the_name() {
        let peek = |text: &'static str| Peek::read(text.as_bytes());
        let null = peek(r#"{"jsonrpc":"2.0","id":3,"result":null}"#).unwrap();
        assert!(null.is_response() && null.result().is_some());
        let nameless = peek(r#"{"jsonrpc":"2.0","id":null,"error":{"code":-1}}"#).unwrap();
        assert_eq!(nameless.nameless_error(), Some(r#"{"code":-1}"#));
        assert!(peek(r#"{"error":"NOT_FOUND","message":"x"}"#).unwrap().nameless_error().is_none());
        assert!(peek("{}").is_none() && peek("7").is_none());
        assert!(!peek(r#"{"id":1,"method":"ping"}"#).unwrap().is_response());
    }
}
