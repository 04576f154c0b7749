//! What one era says, in the words of the other, and what several backends
//! say, as one server. Pure: raw JSON in, JSON text out; everything that no
//! rule names stays byte for byte.
//!
//! | client | backend | to the backend | to the client |
//! |---|---|---|---|
//! | legacy | modern | [`request::stamp`], `protocol::mirror` | [`to_legacy`], [`mrtr`] |
//! | modern | legacy | [`request::strip`] | [`to_modern`] |
//!
//! What changes in lists and resources goes both ways: [`news`].
//!
//! Between equals nothing is translated; [`lists`] and [`capabilities`] serve
//! all four cells.

pub(crate) mod capabilities;
mod hello;
pub(crate) mod lists;
mod meta;
pub(crate) mod mrtr;
pub(crate) mod news;
pub(crate) mod request;
pub(crate) mod tasks;
pub(crate) mod to_legacy;
pub(crate) mod to_modern;

pub(crate) use hello::{discover_result, initialize_result};

/// Whether results of a method say how long they may be kept (revision
/// 2026-07-28, `server/utilities/caching`).
fn is_cacheable(method: &str) -> bool {
    matches!(
        method,
        "server/discover"
            | "tools/list"
            | "prompts/list"
            | "resources/list"
            | "resources/templates/list"
            | "resources/read"
    )
}

#[cfg(test)]
fn raw(text: &str) -> &serde_json::value::RawValue {
    crate::protocol::raw::value(text.as_bytes()).unwrap()
}

#[cfg(test)]
fn text(result: Result<bytes::Bytes, crate::protocol::raw::Unfit>) -> String {
    String::from_utf8(result.unwrap().to_vec()).unwrap()
}
