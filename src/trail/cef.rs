//! Calls in the Common Event Format (`ArcSight` CEF, version 0), one a line.

use std::net::IpAddr;

use crate::store::AuditCall;

/// One line.
pub(super) fn row(call: &AuditCall, out: &mut Vec<u8>) {
    let (signature, severity) = signature(call);
    let name = match &call.tool_name {
        Some(tool) => format!("{} {}: {}", call.kind, call.status, tool),
        None => format!("{} {}", call.kind, call.status),
    };
    out.extend_from_slice(b"CEF:0|Scopegate|scopegate|");
    header(env!("CARGO_PKG_VERSION"), out);
    for part in [&*signature, &name, &severity.to_string()] {
        out.push(b'|');
        header(part, out);
    }
    out.push(b'|');
    let mut first = true;
    let mut put = |key: &str, value: &str| {
        if !std::mem::take(&mut first) {
            out.push(b' ');
        }
        out.extend_from_slice(key.as_bytes());
        out.push(b'=');
        extension(value, out);
    };
    put("rt", &call.timestamp.timestamp_millis().to_string());
    put("externalId", call.call_id.as_ref().unwrap_or(&format!("{}/{}", call.chain_id, call.seq)));
    put("outcome", &call.status);
    let address = call.client_addr.as_deref();
    match address.map(str::parse) {
        Some(Ok(IpAddr::V4(address))) => put("src", &address.to_string()),
        Some(Ok(IpAddr::V6(address))) => {
            put("c6a2", &address.to_string());
            put("c6a2Label", "Source IPv6 Address");
        }
        Some(Err(_)) | None => {}
    }
    for (key, value) in [
        ("act", &call.decision),
        ("reason", &call.reason),
        ("suser", &call.user_id),
        ("request", &call.endpoint_path),
        ("requestMethod", &call.method),
        ("requestClientApplication", &call.client_name),
        ("app", &call.surface),
        ("msg", &call.detail),
    ] {
        if let Some(value) = value {
            put(key, value);
        }
    }
    for (key, label, value) in [
        ("cs1", "tool", &call.tool_name),
        ("cs2", "scope", &call.scope),
        ("cs3", "tenant", &call.tenant),
        ("cs4", "rule", &call.rule_path),
        ("cs5", "argumentsDigest", &call.arguments_digest),
        ("cs6", "requestId", &call.request_id),
    ] {
        if let Some(value) = value {
            put(key, value);
            put(&format!("{key}Label"), label);
        }
    }
    if let Some(bytes) = call.result_bytes {
        put("out", &bytes.to_string());
    }
    if let Some(took) = call.duration_ms {
        put("cfp1", &took.to_string());
        put("cfp1Label", "durationMs");
    }
    put("deviceExternalId", &call.chain_id);
    put("cn1", &call.seq.to_string());
    put("cn1Label", "seq");
    out.push(b'\n');
}

/// What kind of event it is, and how grave, from 0 to 10.
fn signature(call: &AuditCall) -> (String, u8) {
    let severity = match (call.kind.as_str(), call.status.as_str()) {
        ("folded", _) => 8,
        ("authentication" | "admin", _) => 7,
        (_, "denied") => 6,
        (_, "rate_limited") => 5,
        (_, "error" | "timeout") => 4,
        (_, "success") => 1,
        _ => 2,
    };
    (format!("{}:{}", call.kind, call.status), severity)
}

/// Text of the head: `|` and `\` are escaped, line breaks have no place.
fn header(text: &str, out: &mut Vec<u8>) {
    for c in text.chars() {
        match c {
            '|' | '\\' => out.extend_from_slice(&[b'\\', c as u8]),
            '\n' | '\r' => out.push(b' '),
            c => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
}

/// A value: `=` and `\` are escaped, line breaks written out.
fn extension(text: &str, out: &mut Vec<u8>) {
    for c in text.chars() {
        match c {
            '=' | '\\' => out.extend_from_slice(&[b'\\', c as u8]),
            '\n' => out.extend_from_slice(b"\\n"),
            '\r' => out.extend_from_slice(b"\\r"),
            c => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
}
