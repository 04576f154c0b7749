//! Which era a message speaks, and whether its headers agree with it.
//!
//! A message is modern when its `_meta` names a protocol version; then the
//! headers must mirror the body (`basic/transports/streamable-http`, revision
//! 2026-07-28). Everything else is legacy, a plain JSON-RPC request without
//! any header of MCP included.

use actix_web::http::StatusCode;
use actix_web::http::header::HeaderMap;
use serde_json::json;

use super::answer::RpcError;
use crate::protocol::mcp::{Meta, Method, Params};
use crate::protocol::revision::{self, Era};
use crate::protocol::{codes, headers};

/// A refusal before anything is called.
pub(super) type Refused = (StatusCode, RpcError);

/// The era of a request.
pub(super) fn of_request(
    headers: &HeaderMap,
    method: &str,
    params: &Params<'_>,
) -> Result<Era, Refused> {
    let version = single(headers, headers::PROTOCOL_VERSION)?;
    let envelope =
        params.meta.as_ref().and_then(|meta| Some((meta, meta.protocol_version.as_deref()?)));
    let Some((meta, spoken)) = envelope else {
        return legacy(version);
    };
    let Some(version) = version else {
        return Err(mismatch("MCP-Protocol-Version is missing"));
    };
    if version != spoken {
        return Err(mismatch("MCP-Protocol-Version differs from the body's protocolVersion"));
    }
    if revision::era_of(spoken) != Some(Era::Modern) {
        return Err(unsupported(spoken));
    }
    check_metadata(meta)?;
    check_mirrors(headers, method, params)?;
    Ok(Era::Modern)
}

/// A notification needs no headers, but those it has must not contradict it.
pub(super) fn check_notification(headers: &HeaderMap, method: &str) -> Result<(), Refused> {
    match single(headers, headers::METHOD)? {
        Some(mirrored) if mirrored != method => {
            Err(mismatch("Mcp-Method differs from the body's method"))
        }
        _ => Ok(()),
    }
}

/// Whether the headers alone name the modern era, for messages whose body
/// cannot be read that far.
pub(super) fn of_headers(headers: &HeaderMap) -> Era {
    let version = single(headers, headers::PROTOCOL_VERSION).ok().flatten();
    version.and_then(revision::era_of).unwrap_or(Era::Legacy)
}

fn legacy(version: Option<&str>) -> Result<Era, Refused> {
    match version.map(|version| (version, revision::era_of(version))) {
        None | Some((_, Some(Era::Legacy))) => Ok(Era::Legacy),
        Some((_, Some(Era::Modern))) => {
            Err(bad_params("`_meta` lacks io.modelcontextprotocol/protocolVersion"))
        }
        Some((version, None)) => Err(unsupported(version)),
    }
}

fn check_metadata(meta: &Meta<'_>) -> Result<(), Refused> {
    match meta.client_capabilities {
        Some(raw) if raw.get().starts_with('{') => Ok(()),
        Some(_) => Err(bad_params("clientCapabilities must be an object")),
        None => Err(bad_params("`_meta` lacks io.modelcontextprotocol/clientCapabilities")),
    }
}

fn check_mirrors(headers: &HeaderMap, method: &str, params: &Params<'_>) -> Result<(), Refused> {
    match single(headers, headers::METHOD)? {
        None => return Err(mismatch("Mcp-Method is missing")),
        Some(mirrored) if mirrored != method => {
            return Err(mismatch("Mcp-Method differs from the body's method"));
        }
        Some(_) => {}
    }
    let mirrored = single(headers, headers::NAME)?;
    let method = Method::of(method);
    let named = if method == Method::ToolsCall {
        params.name.as_deref()
    } else if method == Method::ResourcesRead {
        params.uri.as_deref()
    } else {
        return Ok(());
    };
    let Some(mirrored) = mirrored else {
        return Err(mismatch("Mcp-Name is missing"));
    };
    let Some(name) = headers::decode_mirrored(mirrored) else {
        return Err(mismatch("Mcp-Name is not properly encoded"));
    };
    if Some(name.as_ref()) != named {
        return Err(mismatch("Mcp-Name differs from the body's name"));
    }
    Ok(())
}

/// The value of a header that may appear once, without the white space around
/// it (RFC 9110 §5.5).
fn single<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, Refused> {
    let mut values = headers.get_all(name);
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(mismatch(&format!("{name} appears twice")));
    }
    value
        .to_str()
        .map(|text| Some(text.trim_matches([' ', '\t'])))
        .map_err(|_| mismatch(&format!("{name} is not visible ASCII")))
}

fn mismatch(problem: &str) -> Refused {
    let message = format!("Header mismatch: {problem}");
    (StatusCode::BAD_REQUEST, RpcError::new(codes::HEADER_MISMATCH, message))
}

fn bad_params(problem: &str) -> Refused {
    let message = format!("Invalid params: {problem}");
    (StatusCode::BAD_REQUEST, RpcError::new(codes::INVALID_PARAMS, message))
}

fn unsupported(requested: &str) -> Refused {
    let requested: String = requested.chars().take(64).collect();
    let mut error = RpcError::new(codes::UNSUPPORTED_VERSION, "Unsupported protocol version");
    error.data = Some(json!({ "supported": revision::supported(), "requested": requested }));
    (StatusCode::BAD_REQUEST, error)
}
