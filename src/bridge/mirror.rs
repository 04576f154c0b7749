//! Headers that mirror members of modern requests, so that who stands between
//! can route without reading bodies (`basic/transports/streamable-http` and
//! `server/tools`, revision 2026-07-28). The client knows nothing of HTTP, so
//! the duties of an HTTP client are the bridge's: also to take a tool with an
//! illegal annotation out of a list.

use std::borrow::Cow;
use std::collections::HashMap;

use awc::http::header::{HeaderName, HeaderValue};
use bytes::{Bytes, BytesMut};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::incoming::{Params, Peek, text};
use super::road::Headers;
use crate::protocol::headers::{METHOD, NAME, PARAM_PREFIX, PROTOCOL_VERSION, encode_mirrored};

/// The annotation of a property whose value is mirrored.
const ANNOTATION: &str = "x-mcp-header";
/// Most tools with annotations that are remembered.
const MOST_TOOLS: usize = 10_000;

/// Tools with annotated arguments, from the lists that passed.
#[derive(Debug, Default)]
pub(super) struct Mirrors(HashMap<String, Vec<Mirrored>>);

/// An annotated argument.
#[derive(Debug, PartialEq, Eq)]
struct Mirrored {
    header: HeaderName,
    /// Where it lies in the arguments.
    path: Vec<String>,
}

/// An annotation that the specification does not allow.
#[derive(Debug, PartialEq, Eq)]
struct Illegal;

#[derive(Deserialize)]
struct Listed<'a> {
    #[serde(borrow)]
    tools: &'a RawValue,
}

#[derive(Deserialize)]
struct Tool<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(default, rename = "inputSchema")]
    input_schema: Value,
}

/// The headers of a modern message.
pub(super) fn headers(
    method: &str,
    revision: &str,
    params: &Params<'_>,
    mirrors: &Mirrors,
) -> Headers {
    let mut headers = Headers::new();
    let mut put = |name: &'static str, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.push((HeaderName::from_static(name), value));
        }
    };
    put(PROTOCOL_VERSION, revision);
    put(METHOD, &encode_mirrored(method));
    let named = match method {
        "tools/call" | "prompts/get" => params.name,
        "resources/read" => params.uri,
        "tasks/get" | "tasks/update" | "tasks/cancel" => params.task_id,
        _ => None,
    };
    let named = named.and_then(text);
    if let Some(named) = &named {
        put(NAME, &encode_mirrored(named));
    }
    if let (Some(tool), "tools/call") = (named, method) {
        headers.extend(mirrors.of(&tool, params.arguments));
    }
    headers
}

impl Mirrors {
    /// Learns from an answer to `tools/list`. Returns the answer without the
    /// tools that have an illegal annotation, if there are any.
    pub(super) fn learn(&mut self, answer: &Bytes) -> Option<Bytes> {
        let listed: Listed<'_> = serde_json::from_str(Peek::read(answer)?.result()?.get()).ok()?;
        let tools: Vec<&RawValue> = serde_json::from_str(listed.tools.get()).ok()?;
        let mut kept = Vec::with_capacity(tools.len());
        for raw in &tools {
            if self.learn_tool(raw).is_ok() {
                kept.push(raw.get());
            }
        }
        if kept.len() == tools.len() {
            return None;
        }
        tracing::warn!(
            tools = tools.len() - kept.len(),
            "taken out of the list: tools with an illegal {ANNOTATION}"
        );
        // The list lies in the answer; its neighbours stay as they are.
        let start = listed.tools.get().as_ptr() as usize - answer.as_ptr() as usize;
        let end = start + listed.tools.get().len();
        let mut shortened = BytesMut::from(&answer[..start]);
        shortened.extend_from_slice(format!("[{}]", kept.join(",")).as_bytes());
        shortened.extend_from_slice(&answer[end..]);
        Some(shortened.freeze())
    }

    fn learn_tool(&mut self, raw: &RawValue) -> Result<(), Illegal> {
        if !raw.get().contains(ANNOTATION) {
            if !self.0.is_empty()
                && let Ok(tool) = serde_json::from_str::<Tool<'_>>(raw.get())
            {
                self.0.remove(&*tool.name);
            }
            return Ok(());
        }
        let Ok(tool) = serde_json::from_str::<Tool<'_>>(raw.get()) else { return Ok(()) };
        let mut found = Vec::new();
        let read = collect(&tool.input_schema, &mut Vec::new(), &mut found);
        self.0.remove(&*tool.name);
        read?;
        if !found.is_empty() && self.0.len() < MOST_TOOLS {
            self.0.insert(tool.name.into_owned(), found);
        }
        Ok(())
    }

    /// The headers that mirror the arguments of a call.
    fn of(&self, tool: &str, arguments: Option<&RawValue>) -> Headers {
        let (Some(mirrored), Some(arguments)) = (self.0.get(tool), arguments) else {
            return Headers::new();
        };
        let header = |one: &Mirrored| {
            let value = value_at(arguments, &one.path)?;
            let value = HeaderValue::from_str(&encode_mirrored(&value)).ok()?;
            Some((one.header.clone(), value))
        };
        mirrored.iter().filter_map(header).collect()
    }
}

/// Finds the annotations of a schema: on strings, integers and booleans that
/// a chain of `properties` alone leads to.
fn collect(
    schema: &Value,
    path: &mut Vec<String>,
    found: &mut Vec<Mirrored>,
) -> Result<(), Illegal> {
    let Some(schema) = schema.as_object() else { return Ok(()) };
    for (keyword, value) in schema {
        match (keyword.as_str(), value.as_object()) {
            ("properties", Some(properties)) => {
                for (name, property) in properties {
                    path.push(name.clone());
                    if let Some(annotation) = property.get(ANNOTATION) {
                        found.push(mirrored(annotation, property, path, found)?);
                    }
                    collect(property, path, found)?;
                    path.pop();
                }
            }
            // Data, not schemas.
            ("const" | "default" | "enum" | "examples" | ANNOTATION, _) => {}
            _ if is_annotated(value) => return Err(Illegal),
            _ => {}
        }
    }
    if path.is_empty() && schema.contains_key(ANNOTATION) { Err(Illegal) } else { Ok(()) }
}

fn mirrored(
    annotation: &Value,
    property: &Value,
    path: &[String],
    found: &[Mirrored],
) -> Result<Mirrored, Illegal> {
    let simple = matches!(property["type"].as_str(), Some("string" | "integer" | "boolean"));
    let name = annotation.as_str().filter(|name| simple && !name.is_empty()).ok_or(Illegal)?;
    // Header names are compared without regard to case, and so are these.
    let header =
        HeaderName::from_bytes(format!("{PARAM_PREFIX}{name}").as_bytes()).map_err(|_| Illegal)?;
    if found.iter().any(|other| other.header == header) {
        return Err(Illegal);
    }
    Ok(Mirrored { header, path: path.to_vec() })
}

fn is_annotated(value: &Value) -> bool {
    match value {
        Value::Object(members) => {
            members.get(ANNOTATION).is_some_and(Value::is_string)
                || members.values().any(is_annotated)
        }
        Value::Array(items) => items.iter().any(is_annotated),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

/// The value that lies at a path, as a header shows it. Numbers stay as they
/// were written; null and what is no simple value have no header.
fn value_at(arguments: &RawValue, path: &[String]) -> Option<String> {
    let mut value = arguments;
    for name in path {
        let members: HashMap<Cow<'_, str>, &RawValue> = serde_json::from_str(value.get()).ok()?;
        value = *members.get(name.as_str())?;
    }
    match value.get().as_bytes().first()? {
        b'"' => text(value),
        b't' | b'f' | b'-' | b'0'..=b'9' => Some(value.get().to_owned()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn answer(tools: &Value) -> Bytes {
        let text = json!({ "jsonrpc": "2.0", "id": 1, "result": { "tools": tools, "ttlMs": 0 } });
        Bytes::from(text.to_string())
    }

    fn tool(name: &str, properties: &Value) -> Value {
        json!({ "name": name, "inputSchema": { "type": "object", "properties": properties } })
    }

    fn shown(mirrors: &Mirrors, tool: &str, arguments: &str) -> Vec<String> {
        let raw: Box<RawValue> = serde_json::from_str(arguments).unwrap();
        let headers = mirrors.of(tool, Some(&raw));
        headers.iter().map(|(name, value)| format!("{name}={}", value.to_str().unwrap())).collect()
    }

    #[test]
    fn annotated_arguments_are_mirrored_as_they_were_written() {
        let mut mirrors = Mirrors::default();
        let properties = json!({
            "region": { "type": "string", ANNOTATION: "Region" },
            "deep": { "type": "object", "properties": { "n": { "type": "integer", ANNOTATION: "N" } } },
            "flag": { "type": "boolean", ANNOTATION: "flag" },
            "plain": { "type": "string" },
        });
        let list = answer(&json!([tool("t", &properties), tool("u", &json!({}))]));
        assert_eq!(mirrors.learn(&list), None);
        let mut all = shown(
            &mirrors,
            "t",
            r#"{"region":"größe","deep":{"n":12345678901234567890123},"flag":false,"plain":"x"}"#,
        );
        all.sort();
        assert_eq!(
            all,
            [
                "mcp-param-flag=false",
                "mcp-param-n=12345678901234567890123",
                "mcp-param-region==?base64?Z3LDtsOfZQ==?=",
            ]
        );
        assert!(shown(&mirrors, "t", r#"{"region":null,"deep":[]}"#).is_empty());
        assert!(shown(&mirrors, "u", r#"{"region":"x"}"#).is_empty());
        // The next list counts.
        assert_eq!(mirrors.learn(&answer(&json!([tool("t", &json!({}))]))), None);
        assert!(shown(&mirrors, "t", r#"{"region":"x"}"#).is_empty());
    }

    #[test]
    fn tools_with_illegal_annotations_leave_the_list_and_nothing_else_changes() {
        let bad = [
            json!({ "a": { "type": "number", ANNOTATION: "A" } }),
            json!({ "a": { "type": "string", ANNOTATION: "two words" } }),
            json!({ "a": { "type": "string", ANNOTATION: "X" }, "b": { "type": "string", ANNOTATION: "x" } }),
            json!({ "a": { "type": "array", "items": { "type": "string", ANNOTATION: "A" } } }),
            json!({ "a": { "oneOf": [{ "type": "string", ANNOTATION: "A" }] } }),
        ];
        for properties in bad {
            let mut mirrors = Mirrors::default();
            let good = tool("good", &json!({ ANNOTATION: { "type": "string" } }));
            let list = answer(&json!([good, tool("bad", &properties)]));
            let expected = answer(&json!([good]));
            assert_eq!(mirrors.learn(&list), Some(expected), "{properties}");
        }
    }

    #[test]
    fn each_method_mirrors_its_own_member() {
        let of = |method: &str, params: &str| {
            let params: Params<'_> = serde_json::from_str(params).unwrap();
            let headers = headers(method, "2026-07-28", &params, &Mirrors::default());
            headers.iter().map(|(n, v)| format!("{n}={}", v.to_str().unwrap())).collect::<Vec<_>>()
        };
        assert_eq!(
            of("tools/call", r#"{"name":" add","uri":"x"}"#),
            [
                "mcp-protocol-version=2026-07-28",
                "mcp-method=tools/call",
                "mcp-name==?base64?IGFkZA==?="
            ]
        );
        assert_eq!(of("resources/read", r#"{"uri":"file:///a"}"#)[2], "mcp-name=file:///a");
        assert_eq!(of("tasks/get", r#"{"taskId":"7"}"#)[2], "mcp-name=7");
        assert_eq!(of("tools/list", r#"{"name":"x"}"#).len(), 2);
    }
}
