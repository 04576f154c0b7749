//! Headers that repeat members of a modern request's body, so that what lies
//! between client and server can route without reading it.
//!
//! `Mcp-Method` and `Mcp-Name` say what is asked; `Mcp-Param-*` repeat the
//! arguments a tool's input schema marks with `x-mcp-header`. Whoever reads
//! the body must refuse headers that say something else.
//!
//! Source: `basic/transports/streamable-http`, "Custom Headers from Tool
//! Parameters" and "Server Validation", revision 2026-07-28.

mod plan;
#[cfg(test)]
mod tests;
mod values;

use serde_json::value::RawValue;

pub use plan::{Annotated, Illegal, plan};
pub use values::{Mismatch, check, headers};

use super::headers::{METHOD, NAME, encode_mirrored};
use super::raw::{Object, Unfit};

/// The member of `params` that `Mcp-Name` repeats, for the methods that have
/// the header.
#[must_use]
pub fn named_member(method: &str) -> Option<&'static str> {
    match method {
        "tools/call" | "prompts/get" => Some("name"),
        "resources/read" => Some("uri"),
        "tasks/get" | "tasks/update" | "tasks/cancel" => Some("taskId"),
        _ => None,
    }
}

/// `Mcp-Method`, and `Mcp-Name` where the method has it, encoded.
///
/// # Errors
/// [`Unfit`] when the member that `Mcp-Name` repeats is missing, no string or
/// ambiguous.
pub fn routing(
    method: &str,
    params: Option<&RawValue>,
) -> Result<Vec<(&'static str, String)>, Unfit> {
    let mut headers = vec![(METHOD, encode_mirrored(method).into_owned())];
    if let Some(member) = named_member(method) {
        let params = params.ok_or(Unfit::Missing(member))?;
        let name = Object::read(params)?.text(member)?;
        headers.push((NAME, encode_mirrored(&name).into_owned()));
    }
    Ok(headers)
}
