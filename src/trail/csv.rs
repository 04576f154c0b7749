//! Calls as CSV (RFC 4180), safe to open in a spreadsheet.

use std::borrow::Cow;

use crate::clock::rfc3339;
use crate::store::AuditCall;

/// The columns, in their order.
pub(super) const COLUMNS: [&str; 39] = [
    "timestamp",
    "kind",
    "status",
    "decision",
    "user_id",
    "tenant",
    "issuer",
    "agent",
    "scope",
    "tool_name",
    "backend",
    "method",
    "surface",
    "endpoint_path",
    "reason",
    "error_code",
    "rule_path",
    "detail",
    "http_status",
    "is_error",
    "duration_ms",
    "quota_ms",
    "upstream_ms",
    "result_bytes",
    "result_digest",
    "arguments_digest",
    "arguments",
    "policy_digest",
    "policy_generation",
    "client_name",
    "client_version",
    "client_addr",
    "session",
    "turn",
    "request_id",
    "call_id",
    "trace_id",
    "chain_id",
    "seq",
];

/// The first line.
pub(super) fn header(out: &mut Vec<u8>) {
    out.extend_from_slice(COLUMNS.join(",").as_bytes());
    out.extend_from_slice(b"\r\n");
}

/// One line.
pub(super) fn row(call: &AuditCall, out: &mut Vec<u8>) {
    for (place, cell) in cells(call).into_iter().enumerate() {
        if place > 0 {
            out.push(b',');
        }
        if let Some(cell) = cell {
            field(&cell, out);
        }
    }
    out.extend_from_slice(b"\r\n");
}

fn cells(call: &AuditCall) -> [Option<Cow<'_, str>>; COLUMNS.len()] {
    fn text(value: Option<&String>) -> Option<Cow<'_, str>> {
        value.map(|value| Cow::Borrowed(value.as_str()))
    }
    fn number<T: ToString>(value: Option<T>) -> Option<Cow<'static, str>> {
        value.map(|value| Cow::Owned(value.to_string()))
    }
    [
        Some(Cow::Owned(rfc3339(call.timestamp).as_str().to_owned())),
        Some(Cow::Borrowed(&call.kind)),
        Some(Cow::Borrowed(&call.status)),
        text(call.decision.as_ref()),
        text(call.user_id.as_ref()),
        text(call.tenant.as_ref()),
        text(call.issuer.as_ref()),
        text(call.agent.as_ref()),
        text(call.scope.as_ref()),
        text(call.tool_name.as_ref()),
        text(call.backend.as_ref()),
        text(call.method.as_ref()),
        text(call.surface.as_ref()),
        text(call.endpoint_path.as_ref()),
        text(call.reason.as_ref()),
        text(call.error_code.as_ref()),
        text(call.rule_path.as_ref()),
        text(call.detail.as_ref()),
        number(call.http_status),
        number(call.is_error),
        number(call.duration_ms),
        number(call.quota_ms),
        number(call.upstream_ms),
        number(call.result_bytes),
        text(call.result_digest.as_ref()),
        text(call.arguments_digest.as_ref()),
        text(call.arguments.as_ref()),
        text(call.policy_digest.as_ref()),
        number(call.policy_generation),
        text(call.client_name.as_ref()),
        text(call.client_version.as_ref()),
        text(call.client_addr.as_ref()),
        text(call.session.as_ref()),
        text(call.turn.as_ref()),
        text(call.request_id.as_ref()),
        text(call.call_id.as_ref()),
        text(call.trace_id.as_ref()),
        Some(Cow::Borrowed(&call.chain_id)),
        number(Some(call.seq)),
    ]
}

/// A field. What a spreadsheet would take for a formula gets a `'` before it:
/// names of tools and users are their callers' own words.
pub(super) fn field(text: &str, out: &mut Vec<u8>) {
    let begins = text.trim_start_matches([' ', '\u{a0}']).chars().next();
    let is_formula = begins.is_some_and(|c| {
        matches!(
            c,
            '=' | '+' | '-' | '@' | '\t' | '\r' | '\n' | '|' | '%' | '＝' | '＋' | '－' | '＠'
        )
    });
    let quoted = is_formula || text.contains(['"', ',', '\r', '\n']) || text.starts_with(' ');
    if !quoted {
        return out.extend_from_slice(text.as_bytes());
    }
    out.push(b'"');
    if is_formula {
        out.push(b'\'');
    }
    out.extend_from_slice(text.replace('"', "\"\"").as_bytes());
    out.push(b'"');
}
