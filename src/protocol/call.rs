//! One tool call as it will cross the wire to a backend.

use std::borrow::Cow;

use bytes::Bytes;
use serde_json::value::RawValue;

use super::revision::Era;

/// A call whose name and arguments still lie in the message they came in.
/// The message that was judged is the message that is forwarded.
#[derive(Debug)]
pub struct Call<'a> {
    /// The request's id, as JSON text.
    pub id: &'a RawValue,
    /// The tool.
    pub name: Cow<'a, str>,
    /// The arguments, unread.
    pub arguments: Option<&'a RawValue>,
    /// The whole JSON-RPC message.
    pub message: Bytes,
    /// How the message speaks.
    pub era: Era,
    /// The revision the message speaks.
    pub revision: &'static str,
    /// `Mcp-Param-*` headers, which mirror annotated arguments; modern only.
    pub mirrored: Vec<(Cow<'a, str>, Cow<'a, str>)>,
}
