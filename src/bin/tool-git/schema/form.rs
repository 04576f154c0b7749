//! JSON Schema, as much of it as the tools need.

use serde_json::{Map, Value, json};

/// The result of a tool: the repository, its own members, and a cursor.
pub(super) fn result(required: &[&str], properties: Value) -> Value {
    let mut all = members(json!({
        "repo": string("The repository."),
        "next_cursor": nullable(string("For the next page; null on the last one. A page may be empty.")),
    }));
    all.extend(members(properties));
    let mut names = vec!["repo", "next_cursor"];
    names.extend(required);
    object(&names, all)
}

/// An object whose members are all required.
pub(super) fn exactly(properties: Value) -> Value {
    let properties = members(properties);
    let names: Vec<String> = properties.keys().cloned().collect();
    object(&names.iter().map(String::as_str).collect::<Vec<_>>(), properties)
}

#[expect(clippy::needless_pass_by_value, reason = "callers write the value in place")]
pub(super) fn object(required: &[&str], properties: Map<String, Value>) -> Value {
    json!({
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": false,
    })
}

pub(super) fn members(value: Value) -> Map<String, Value> {
    if let Value::Object(members) = value { members } else { Map::new() }
}

#[expect(clippy::needless_pass_by_value, reason = "callers write the value in place")]
pub(super) fn list(items: Value) -> Value {
    json!({"type": "array", "items": items})
}

pub(super) fn nullable(mut schema: Value) -> Value {
    schema["type"] = json!([schema["type"], "null"]);
    schema
}

pub(super) fn text(longest: usize, description: &str) -> Value {
    json!({"type": "string", "maxLength": longest, "description": description})
}

pub(super) fn flag(default: bool, description: &str) -> Value {
    json!({"type": "boolean", "default": default, "description": description})
}

pub(super) fn string(description: &str) -> Value {
    json!({"type": "string", "description": description})
}

pub(super) fn boolean(description: &str) -> Value {
    json!({"type": "boolean", "description": description})
}

pub(super) fn number(description: &str) -> Value {
    json!({"type": "integer", "minimum": 0, "description": description})
}

pub(super) fn id(description: &str) -> Value {
    json!({"type": "string", "pattern": "^[0-9a-f]{40}$", "description": description})
}
