//! Answers that the bridge itself gives.

use bytes::Bytes;
use serde_json::json;

use super::fault::Fault;

/// The error that a fault is to the client. `id` is JSON text; without one,
/// the message it belongs to could not be read.
pub(super) fn error(id: Option<&str>, fault: &Fault) -> Bytes {
    let executed = if fault.may_be_executed() { "unknown" } else { "no" };
    let error = json!({
        "code": fault.code(),
        "message": fault.to_string(),
        "data": { "code": fault.name(), "executed": executed },
    });
    with_id(id.unwrap_or("null"), &error.to_string())
}

/// An error of the endpoint that names no request, under the id of the one it
/// answers.
pub(super) fn with_id(id: &str, error: &str) -> Bytes {
    Bytes::from(format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{error}}}"#))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_says_whose_it_is_and_whether_to_repeat() {
        let text = error(Some("\"a\""), &Fault::SessionEnded);
        let value: serde_json::Value = serde_json::from_slice(&text).unwrap();
        assert_eq!(value["id"], json!("a"));
        assert_eq!(value["error"]["data"], json!({ "code": "session_ended", "executed": "no" }));
        let value: serde_json::Value =
            serde_json::from_slice(&error(None, &Fault::Stopping)).unwrap();
        assert!(value["id"].is_null());
        assert_eq!(value["error"]["data"]["executed"], json!("unknown"));
    }
}
