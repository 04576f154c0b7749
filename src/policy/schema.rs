//! The JSON schema of policy files, published as `config/policy.schema.json`.
//!
//! Written by hand: half of the file is read entry by entry, so that all
//! complaints are told, and types alone would not show it. A test holds the
//! schema against what the reader accepts and refuses.

use serde_json::{Value, json};

/// The schema, as text.
pub(crate) fn schema() -> String {
    let mut text = serde_json::to_string_pretty(&value()).unwrap_or_default();
    text.push('\n');
    text
}

#[expect(clippy::too_many_lines, reason = "a table, to be read in one piece")]
fn value() -> Value {
    let names = |what: &str| {
        json!({
            "type": "array", "uniqueItems": true, "items": {"type": "string", "minLength": 1},
            "description": what,
        })
    };
    let side = |word: &str| {
        let lists = |kind: &str| {
            json!({
                "type": "object",
                "description": format!("{kind} {word}, by server; `*` is every server."),
                "additionalProperties": {"type": "array", "items": {"type": "string", "minLength": 1}},
            })
        };
        json!({
            "type": "object",
            "additionalProperties": false,
            "properties": {
                "servers": {
                    "type": "array",
                    "items": {"type": "string", "pattern": "^(\\*|[^*]+)$"},
                    "description": format!("Servers {word}; `*` is every one."),
                },
                "tools": lists("Tools"),
                "prompts": lists("Prompts"),
                "resources": lists("Resources"),
            },
        })
    };
    let paths = |what: &str| json!({"type": "array", "items": {"type": "string", "minLength": 1}, "description": what});
    let texts = json!({"type": "string", "minLength": 1});
    let rule = json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["action"],
        "oneOf": [{"required": ["tool"]}, {"required": ["prompt"]}, {"required": ["resource"]}],
        "properties": {
            "tool": texts, "prompt": texts, "resource": texts, "server": texts,
            "description": {"type": "string"},
            "action": {"enum": ["allow", "deny", "approvalRequired", "approval", "redact"]},
            "when": {
                "description": "A condition in CEL, or values that the arguments must have.",
                "type": ["string", "object"], "maxLength": 1024,
            },
            "redact_fields": paths("Members of the arguments, or JSON paths into them."),
            "redactFields": paths("As `redact_fields`."),
            "redact_audit_only": {
                "type": "boolean",
                "description": "The backend sees the fields; the audit trail does not.",
            },
            "redact_result": paths("JSON paths into the result of a tool."),
        },
    });
    let action = json!({
        "enum": ["allow", "deny"],
        "description": "What becomes of what no rule fits; deny when left out.",
    });
    let operations = json!({
        "type": "object", "additionalProperties": {"enum": ["read", "write"]},
        "description": "What tools do; conditions see it as `tool.operation`.",
    });
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Scopegate policy",
        "description": "Who may call what. What is not allowed is denied, and a deny wins.",
        "type": ["object", "null"],
        "additionalProperties": false,
        "properties": {
            "default_action": {"const": "deny"},
            "roles": {
                "type": "object",
                "additionalProperties": {
                    "type": "object",
                    "additionalProperties": false,
                    "properties": {
                        "allowed_tools": names("Names and patterns; or `*` alone."),
                        "allowed_prompts": names("Names and patterns; or `*` alone."),
                        "allowed_resources": names("URIs, and beginnings of URIs that end in `*`."),
                    },
                },
            },
            "workspaces": {
                "type": "object",
                "additionalProperties": {
                    "type": "object",
                    "additionalProperties": false,
                    "properties": {
                        "allowed_tools": names("`*` adds everything; others stand instead of the roles'."),
                        "denied_tools": names("Taken away from everybody."),
                        "allowed_prompts": names("As `allowed_tools`."),
                        "denied_prompts": names("As `denied_tools`."),
                        "allowed_resources": names("As `allowed_tools`."),
                        "denied_resources": names("As `denied_tools`."),
                    },
                },
            },
            "tools": {
                "type": "object",
                "additionalProperties": {
                    "type": "object",
                    "additionalProperties": false,
                    "properties": {
                        "required_roles": {"type": "array", "items": {"type": "string"}},
                        "risk_tier": {"type": ["string", "null"]},
                    },
                },
            },
            "agents": {
                "type": "object",
                "propertyNames": {"pattern": "^[a-zA-Z0-9_.-]+$"},
                "additionalProperties": {
                    "type": "object",
                    "additionalProperties": false,
                    "properties": {
                        "description": {"type": "string"},
                        "allow": side("allowed"),
                        "deny": side("denied"),
                    },
                },
            },
            "defaults": {
                "type": "object",
                "additionalProperties": false,
                "properties": {"deny_on_missing_agent": {"type": "boolean"}},
            },
            "precedence": {"enum": ["documented", "deny_first"]},
            "rules": {"type": "array", "items": rule},
            "rules_default": action,
            "defaultAction": action,
            "operation_classes": operations,
            "operationClasses": operations,
            "quotas": {
                "type": "array", "maxItems": 1000, "items": quota(),
                "description": "How much may be called; of each `per` the most specific wins.",
            },
            "budgets": {
                "type": "object",
                "additionalProperties": false,
                "properties": {
                    "maxToolCallsPerTurn": budget("turn"),
                    "maxToolCallsPerDay": budget("day"),
                    "maxToolCallsPerJob": budget("job"),
                },
            },
            "hide_denied": {
                "type": "boolean",
                "description": "Lists do not show what the rules deny whatever the arguments.",
            },
        },
    })
}

/// An entry of `quotas`.
fn quota() -> Value {
    let named = |what: &str| {
        json!({
            "type": "array", "maxItems": 1000, "items": {"type": "string", "minLength": 1},
            "description": format!("{what} it is for; left out, or `*` alone: any."),
        })
    };
    let weight = json!({"type": "integer", "minimum": 1, "maximum": u32::MAX});
    json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["per"],
        "anyOf": [{"required": ["rate"]}, {"required": ["concurrency"]}],
        "dependentRequired": {"burst": ["rate"], "weight": ["rate"]},
        "properties": {
            "per": {
                "enum": ["user", "user_tool", "tool", "tenant", "tenant_tool", "global"],
                "description": "What counts together.",
            },
            "rate": {
                "type": "string",
                "description": "A count and `s`, `min`, `h` or `d`, such as `1000/min`; or `unlimited`.",
            },
            "burst": {
                "type": "integer", "minimum": 1, "maximum": u32::MAX,
                "description": "Calls at once, from rest; the rate's count when left out.",
            },
            "concurrency": {
                "description": "Calls in progress; or `unlimited`.",
                "oneOf": [
                    {"type": "integer", "minimum": 1, "maximum": 1_000_000},
                    {"const": "unlimited"},
                ],
            },
            "weight": {
                "description": "For how many a call counts: a number, or one for each tool.",
                "oneOf": [weight, {"type": "object", "additionalProperties": weight}],
            },
            "roles": named("Roles"),
            "tenants": named("Workspaces"),
            "agents": named("Agent profiles"),
            "scopes": named("Scopes"),
            "tools": named("Tools, by name or pattern,"),
        },
    })
}

/// A budget of a turn, a day or a job.
fn budget(of: &str) -> Value {
    json!({
        "type": "integer", "minimum": 0, "maximum": 1_000_000,
        "description": format!("Tool calls a {of}; 0: no budget."),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{Active, Beside};

    /// `UPDATE_SCHEMA=1 cargo test --lib policy::schema` writes it anew.
    #[test]
    fn the_published_schema_is_this_one() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/config/policy.schema.json");
        if std::env::var_os("UPDATE_SCHEMA").is_some() {
            std::fs::write(file, schema()).unwrap();
        }
        assert_eq!(std::fs::read_to_string(file).unwrap(), schema());
    }

    #[test]
    fn what_the_reader_accepts_the_schema_accepts_and_of_the_rest_most_it_refuses() {
        let schema = jsonschema::validator_for(&value()).unwrap();
        let judge = |text: &str| {
            let json: Value = serde_yaml::from_str(text).unwrap();
            (schema.is_valid(&json), Active::read(text, Beside::default()).is_ok())
        };
        for text in [
            include_str!("../../config/policy.yaml"),
            "",
            "{}",
            "roles: { a: { allowed_tools: ['*'], allowed_resources: ['file:///x*'] } }",
            "agents: { a.b: { allow: { servers: ['*'], tools: { s: ['get_*'] } } } }\ndefaults: { deny_on_missing_agent: false }\nprecedence: deny_first",
            "defaultAction: deny\noperationClasses: { t: read }\nrules: [{ tool: t, action: redact, redactFields: [x], redact_audit_only: true }]",
            "rules: [{ resource: 'x:a*', action: deny, when: 'time.hour > 5' }, { prompt: p, server: s, action: approval, when: { a: 1 } }]\nhide_denied: true",
            "roles: { a: {} }\nquotas: [{ per: user, rate: 10/s, burst: 20, roles: [a], weight: { t: 2 } }, { per: global, concurrency: 2, tools: ['*'] }]\nbudgets: { maxToolCallsPerTurn: 5 }",
            "quotas: [{ per: tenant_tool, rate: unlimited, concurrency: unlimited }]",
        ] {
            assert_eq!(judge(text), (true, true), "{text}");
        }
        for text in [
            "default_action: allow",
            "rolez: {}",
            "roles: { a: { allowed_tool: [] } }",
            "roles: { a: { allowed_tools: [''] } }",
            "agents: { 'a b': {} }",
            "agents: { a: { allow: { servers: ['x*'] } } }",
            "precedence: sometimes",
            "rules: [{ tool: t }]",
            "rules: [{ tool: t, prompt: p, action: deny }]",
            "rules: [{ tool: t, action: maybe }]",
            "rules: [{ tool: '', action: deny }]",
            "rules_default: approvalRequired",
            "quotas: [{ per: user }]",
            "quotas: [{ per: everybody, rate: 1/s }]",
            "quotas: [{ per: user, concurrency: 1, burst: 2 }]",
            "quotas: [{ per: user, concurrency: 0 }]",
            "quotas: [{ per: user, rate: 1/s, weight: 0 }]",
            "budgets: { maxToolCallsPerYear: 5 }",
            "budgets: { maxToolCallsPerDay: 1000001 }",
        ] {
            assert_eq!(judge(text), (false, false), "{text}");
        }
    }
}
