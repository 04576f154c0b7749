//! Which era and revision a message speaks, and whether its headers say the
//! same as its body.
//!
//! The body decides and the headers must agree, so that no reader of either
//! can take the message for another one (MCP 2026-07-28, streamable HTTP,
//! "Server Validation").

use std::borrow::Cow;

use crate::error::{Reason, Refusal};
use crate::protocol::headers;
use crate::protocol::mcp::{Method, Params};
use crate::protocol::revision::{self, ASSUMED_LEGACY, Era};

use super::Head;

/// How a message speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Spoken {
    pub(crate) era: Era,
    pub(crate) revision: &'static str,
}

/// The era a message is to be answered in, also when it is refused: modern as
/// soon as its body or its header says so.
pub(super) fn era(head: Head<'_>, params: &Params<'_>) -> Era {
    let in_body = params.meta.as_ref().is_some_and(|meta| meta.protocol_version.is_some());
    let stated = head.lenient(headers::PROTOCOL_VERSION);
    if in_body || stated.and_then(revision::era_of) == Some(Era::Modern) {
        Era::Modern
    } else {
        Era::Legacy
    }
}

/// Classifies a message.
///
/// # Errors
/// [`Reason::HeaderMismatch`], [`Reason::UnsupportedVersion`],
/// [`Reason::InvalidParams`].
pub(super) fn classify(
    head: Head<'_>,
    method: Option<&str>,
    is_request: bool,
    params: &Params<'_>,
) -> Result<Spoken, Refusal> {
    let stated = head.one(headers::PROTOCOL_VERSION)?;
    let in_body = params.meta.as_ref().and_then(|meta| meta.protocol_version.as_deref());
    match in_body {
        Some(version) => modern(head, stated, version, method, is_request, params),
        None => legacy(stated, method),
    }
}

fn modern(
    head: Head<'_>,
    stated: Option<&str>,
    version: &str,
    method: Option<&str>,
    is_request: bool,
    params: &Params<'_>,
) -> Result<Spoken, Refusal> {
    if stated != Some(version) {
        return Err(mismatch(headers::PROTOCOL_VERSION, "the protocol version in `_meta`"));
    }
    let Some(revision) = revision::MODERN.into_iter().find(|known| *known == version) else {
        return Err(unsupported(version));
    };
    let mirrored = head.one(headers::METHOD)?;
    if mirrored.is_some_and(|header| Some(header) != method) || (mirrored.is_none() && is_request) {
        return Err(mismatch(headers::METHOD, "`method`"));
    }
    if is_request {
        let capable = params
            .meta
            .as_ref()
            .and_then(|meta| meta.client_capabilities)
            .is_some_and(|raw| raw.get().starts_with('{'));
        if !capable {
            return Err(Refusal::telling(
                Reason::InvalidParams,
                "`_meta` needs `io.modelcontextprotocol/clientCapabilities`, an object",
            ));
        }
    }
    let named = match method {
        Some("tools/call" | "prompts/get") => Some(params.name.as_deref()),
        Some("resources/read") => Some(params.uri.as_deref()),
        Some("tasks/get" | "tasks/update" | "tasks/cancel") => Some(params.task_id.as_deref()),
        _ => None,
    };
    if let Some(name) = named {
        let header = head.one(headers::NAME)?.and_then(headers::decode_mirrored);
        if header.as_deref() != name || name.is_none() {
            return Err(mismatch(headers::NAME, "what the body names"));
        }
    }
    Ok(Spoken { era: Era::Modern, revision })
}

fn legacy(stated: Option<&str>, method: Option<&str>) -> Result<Spoken, Refusal> {
    // `initialize` opens the negotiation, whatever a header claims.
    if method.map(Method::of) == Some(Method::Initialize) {
        return Ok(Spoken { era: Era::Legacy, revision: revision::LATEST_LEGACY });
    }
    let Some(version) = stated else {
        return Ok(Spoken { era: Era::Legacy, revision: ASSUMED_LEGACY });
    };
    match revision::era_of(version) {
        Some(Era::Legacy) => Ok(Spoken {
            era: Era::Legacy,
            revision: revision::known(version).unwrap_or(ASSUMED_LEGACY),
        }),
        Some(Era::Modern) => Err(Refusal::telling(
            Reason::InvalidParams,
            "this protocol version needs `io.modelcontextprotocol/protocolVersion` in `_meta`",
        )),
        None => Err(unsupported(version)),
    }
}

fn mismatch(header: &str, what: &str) -> Refusal {
    Refusal::telling(
        Reason::HeaderMismatch,
        format!("header `{header}` must be present and equal {what}"),
    )
}

fn unsupported(requested: &str) -> Refusal {
    const LONGEST: usize = 64;
    let shown = &requested[..requested.floor_char_boundary(LONGEST)];
    Refusal {
        reason: Reason::UnsupportedVersion,
        detail: Cow::Owned(format!("protocol version {shown:?}")),
        public: Some(Cow::Owned(shown.to_owned())),
        retry_after: None,
    }
}
