//! What a legacy backend says, for a modern client.

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::recall::Recall;
use super::told;
use crate::protocol::codes;
use crate::protocol::mcp::meta;
use crate::protocol::raw::Object;
use crate::translate::mrtr::Declared;
use crate::translate::to_modern;

/// Levels of log messages, from the least.
const LEVELS: [&str; 8] =
    ["debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"];

/// What the answer of a legacy backend to one request of a modern client
/// needs.
#[derive(Debug)]
pub(super) struct Down {
    method: Box<str>,
    server_info: Box<RawValue>,
    wishes: Wishes,
    /// Tells the backend when the client leaves.
    recall: Recall,
}

/// What a modern request says of its client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Wishes {
    /// The least level of the log messages it wants; none: it wants none.
    level: Option<usize>,
    declared: Declared,
}

impl Wishes {
    /// Reads a request, which has been judged before: what cannot be read is
    /// not there.
    pub(super) fn read(message: &RawValue) -> Self {
        fn inner<'a>(raw: &'a RawValue, name: &str) -> Option<&'a RawValue> {
            Object::read(raw).ok()?.get(name).ok()?
        }
        let Some(meta) = inner(message, "params").and_then(|params| inner(params, "_meta")) else {
            return Self::default();
        };
        let level = inner(meta, meta::LOG_LEVEL);
        let level = level.and_then(|raw| serde_json::from_str::<String>(raw.get()).ok());
        let declared = inner(meta, meta::CLIENT_CAPABILITIES);
        Self {
            level: level.and_then(|level| place(&level)),
            declared: declared.and_then(|raw| Declared::read(raw).ok()).unwrap_or_default(),
        }
    }

    /// Whether log messages are wanted at all.
    pub(super) fn logs(self) -> bool {
        self.level.is_some()
    }

    /// Whether the client wants a notification that comes before its answer.
    fn wants(self, method: &str, message: &[u8]) -> bool {
        #[derive(Deserialize)]
        struct Message {
            params: Params,
        }
        #[derive(Deserialize)]
        struct Params {
            level: String,
        }
        match (method, self.level) {
            ("notifications/progress", _) => true,
            ("notifications/message", Some(least)) => {
                let told = serde_json::from_slice::<Message>(message).ok();
                told.and_then(|told| place(&told.params.level)).is_none_or(|level| level >= least)
            }
            _ => false,
        }
    }
}

fn place(level: &str) -> Option<usize> {
    LEVELS.iter().position(|known| *known == level)
}

impl Down {
    pub(super) fn new(
        method: &str,
        server_info: Box<RawValue>,
        wishes: Wishes,
        recall: Recall,
    ) -> Self {
        Self { method: method.into(), server_info, wishes, recall }
    }

    /// The answer has come: there is nothing left to call back.
    pub(super) fn landed(&mut self) {
        self.recall.disarm();
    }

    /// Whether the client gets a notification.
    pub(super) fn passes(&self, method: &str, message: &[u8]) -> bool {
        self.wishes.wants(method, message)
    }

    /// The response the client gets, and the HTTP status it has.
    pub(super) fn translated(
        &self,
        id: &RawValue,
        result: Option<&RawValue>,
        error: Option<&RawValue>,
    ) -> Option<(Bytes, u16)> {
        let (member, value, status) = match (result, error) {
            (Some(result), _) => {
                let result = to_modern::result(&self.method, result, &self.server_info).ok()?;
                ("result", result, 200)
            }
            (None, Some(error)) => match to_modern::error(error, &self.server_info).ok()? {
                to_modern::Answer::Error(translated) => {
                    // Modern clients are told of unknown methods by HTTP too.
                    let unknown = told::code(error) == Some(codes::METHOD_NOT_FOUND.into());
                    ("error", translated, if unknown { 404 } else { 200 })
                }
                to_modern::Answer::InputRequired(result) if self.may_ask_to_visit() => {
                    ("result", result, 200)
                }
                to_modern::Answer::InputRequired(_) => ("error", cannot_visit(), 400),
            },
            (None, None) => return None,
        };
        Some((told::response(id, member, &value), status))
    }

    /// Whether the client can be asked, in this method, to visit an address.
    fn may_ask_to_visit(&self) -> bool {
        matches!(&*self.method, "tools/call" | "prompts/get" | "resources/read")
            && self.wishes.declared.url
    }
}

/// The error of a call that needs what its client has not declared.
fn cannot_visit() -> Bytes {
    format!(
        "{{\"code\":{},\"message\":\"The server wants the user to visit an address, which this \
         client has not declared.\",\
         \"data\":{{\"requiredCapabilities\":{{\"elicitation\":{{\"url\":{{}}}}}}}}}}",
        codes::MISSING_CAPABILITY,
    )
    .into()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn raw(text: &str) -> Box<RawValue> {
        RawValue::from_string(text.to_owned()).unwrap()
    }

    fn wishes(meta: &Value) -> Wishes {
        Wishes::read(&raw(&json!({ "params": { "_meta": meta } }).to_string()))
    }

    fn down(method: &str, meta: &Value) -> Down {
        Down::new(method, raw(r#"{"name":"s"}"#), wishes(meta), Recall::none())
    }

    fn logged(level: &str) -> Vec<u8> {
        let params = json!({ "level": level, "data": "x" });
        json!({ "method": "notifications/message", "params": params }).to_string().into()
    }

    #[test]
    fn log_messages_come_from_the_level_that_is_wanted() {
        let wished = wishes(&json!({ meta::LOG_LEVEL: "warning" }));
        assert!(wished.logs());
        for (level, wanted) in
            [("debug", false), ("notice", false), ("warning", true), ("emergency", true)]
        {
            assert_eq!(wished.wants("notifications/message", &logged(level)), wanted, "{level}");
        }
        // A level nobody knows may be important.
        assert!(wished.wants("notifications/message", &logged("panic")));
        let silent = wishes(&json!({}));
        assert!(!silent.logs() && !silent.wants("notifications/message", &logged("emergency")));
    }

    #[test]
    fn only_what_belongs_to_the_request_passes() {
        let wished = wishes(&json!({ meta::LOG_LEVEL: "debug" }));
        assert!(wished.wants("notifications/progress", b"{}"));
        for method in ["notifications/tools/list_changed", "notifications/cancelled", "x/y"] {
            assert!(!wished.wants(method, b"{}"), "{method}");
        }
        assert_eq!(Wishes::read(&raw("{}")), Wishes::default());
    }

    #[test]
    fn unknown_methods_have_a_status_of_their_own() {
        let down = down("completion/complete", &json!({}));
        let told = |error: &str| {
            let (message, status) = down.translated(&raw("7"), None, Some(&raw(error))).unwrap();
            (serde_json::from_slice::<Value>(&message).unwrap(), status)
        };
        let (message, status) = told(r#"{"code":-32601,"message":"m"}"#);
        assert_eq!((status, &message["id"]), (404, &json!(7)));
        assert_eq!(told(r#"{"code":-32602,"message":"m"}"#).1, 200);
        let (message, status) = told(r#"{"code":-32002,"message":"m"}"#);
        assert_eq!((status, &message["error"]["code"]), (200, &json!(-32602)));
    }

    #[test]
    fn addresses_are_to_be_visited_by_those_who_can() {
        let error = raw(
            r#"{"code":-32042,"message":"m","data":{"elicitations":[{"mode":"url","elicitationId":"e","url":"https://x","message":"p"}]}}"#,
        );
        let asked = |method: &str, capabilities: Value| {
            let down = down(method, &json!({ meta::CLIENT_CAPABILITIES: capabilities }));
            let (message, status) = down.translated(&raw("7"), None, Some(&error)).unwrap();
            (serde_json::from_slice::<Value>(&message).unwrap(), status)
        };
        let able = json!({ "elicitation": { "url": {} } });
        let (message, status) = asked("tools/call", able.clone());
        assert_eq!((status, &message["result"]["resultType"]), (200, &json!("input_required")));
        for (method, capabilities) in [("tools/call", json!({})), ("completion/complete", able)] {
            let (message, status) = asked(method, capabilities);
            assert_eq!((status, &message["error"]["code"]), (400, &json!(-32021)));
            let required = &message["error"]["data"]["requiredCapabilities"];
            assert_eq!(required, &json!({ "elicitation": { "url": {} } }));
        }
    }
}
