//! Locks, definitions and what is seen.

use std::time::Duration;

use serde_json::{Value, json};

use super::*;

fn definition(value: Value) -> Definition {
    Definition::of_value(value).unwrap()
}

fn tool() -> Value {
    json!({
        "name": "pay", "description": "Pays.",
        "inputSchema": { "type": "object", "properties": { "n": { "type": "number", "maximum": 1.5 } } },
        "annotations": { "readOnlyHint": false },
    })
}

#[test]
fn order_and_space_do_not_count_and_everything_else_does() {
    let digest = definition(tool()).digest();
    let text = r#"{ "annotations":{"readOnlyHint":false}, "_meta":{"x":1},
        "inputSchema":{"properties":{"n":{"maximum":1.5,"type":"number"}},"type":"object"},
        "execution":{"taskSupport":"optional"}, "description":"Pays.","name":"pay"}"#;
    let raw = serde_json::value::RawValue::from_string(text.to_owned()).unwrap();
    assert_eq!(Definition::of(&raw).unwrap().digest(), digest);
    for (member, value) in [
        ("description", json!("Pays!")),
        ("description", json!("P\u{0430}ys.")),
        ("annotations", json!({ "readOnlyHint": true })),
        ("inputSchema", json!({ "type": "object" })),
        ("title", json!("Pay")),
        ("outputSchema", json!({ "type": "object" })),
        ("icons", json!([])),
        ("name", json!("p\u{0430}y")),
    ] {
        let mut changed = tool();
        changed[member] = value;
        assert_ne!(definition(changed.clone()).digest(), digest, "{changed}");
    }
    for no_tool in [json!(7), json!({}), json!({ "name": 7 })] {
        assert_eq!(Definition::of_value(no_tool), None);
    }
}

#[test]
fn differences_are_told_in_ascii() {
    let mut changed = tool();
    changed["description"] = json!("P\u{0430}ys.\u{1b}[2J");
    changed["inputSchema"]["properties"]["to"] = json!({ "type": "string" });
    changed.as_object_mut().unwrap().remove("annotations");
    assert_eq!(
        differences(&definition(tool()), &definition(changed)),
        [
            "- annotations: {\"readOnlyHint\":false}",
            "- description: \"Pays.\"",
            "+ description: \"P\\u{430}ys.\\u001b[2J\"",
            "+ inputSchema.properties.to: {\"type\":\"string\"}",
        ]
    );
    assert_eq!(differences(&definition(tool()), &definition(tool())), Vec::<String>::new());
}

#[test]
fn a_lock_is_written_and_read_and_judges() {
    let mut lock = Lock::default();
    lock.approve("bank", definition(tool()));
    let text = lock.text();
    let read = Lock::read(&text).unwrap();
    assert_eq!(read.text(), text);
    let digest = definition(tool()).digest();
    let mut other = tool();
    other["description"] = json!("Pays twice.");
    let other = definition(other).digest();
    assert_eq!(read.judge("bank", "pay", Some(digest)), Standing::Approved);
    assert_eq!(read.judge("bank", "pay", Some(other)), Standing::Changed);
    assert_eq!(read.judge("bank", "pay", None), Standing::Gone);
    assert_eq!(read.judge("bank", "p\u{0430}y", Some(digest)), Standing::New);
    assert_eq!(read.judge("shop", "pay", Some(digest)), Standing::New, "of another backend");
    assert!(lock.revoke("bank", "pay") && !lock.revoke("bank", "pay"));
    assert_eq!(lock.judge("bank", "pay", Some(digest)), Standing::New);
}

#[test]
fn a_lock_that_was_meddled_with_is_refused() {
    let mut lock = Lock::default();
    lock.approve("bank", definition(tool()));
    let text = lock.text();
    for (from, to, told) in [
        ("Pays.", "Pays all.", "backends.bank.pay.digest"),
        ("\"version\": 1", "\"version\": 2", "version"),
        ("\"name\": \"pay\"", "\"name\": \"play\"", "backends.bank.pay.definition"),
        ("\"backends\"", "\"backend\"", "backend"),
        ("{", "[", ""),
    ] {
        let complaints = Lock::read(&text.replacen(from, to, 1)).unwrap_err().join("\n");
        assert!(complaints.contains(told), "{complaints}");
    }
}

#[test]
fn a_name_that_stands_twice_has_no_definition() {
    let mut other = tool();
    other["description"] = json!("Steals.");
    let found = Found::new(Duration::ZERO, vec![definition(tool()), definition(other)]);
    assert_eq!(found.digest("pay"), None);
}

#[test]
fn a_list_for_legacy_clients_may_leave_an_output_schema_out() {
    let mut whole = tool();
    whole["outputSchema"] = json!({ "type": "array" });
    let pinned = definition(whole.clone());
    assert!(pinned.covers(&definition(tool())) && pinned.covers(&pinned));
    whole["outputSchema"] = json!({ "type": "object" });
    assert!(!pinned.covers(&definition(whole)));
    assert!(!definition(tool()).covers(&pinned));
}

#[test]
fn what_was_seen_is_believed_for_a_while_and_until_it_shows_otherwise() {
    let known = Seen::default().of(3);
    assert!(known.fresh(Duration::ZERO).is_none());
    known.keep(std::sync::Arc::new(Found::new(Duration::from_secs(5), Vec::new())));
    assert!(known.fresh(Duration::from_secs(64)).is_some());
    assert!(known.fresh(Duration::from_secs(65)).is_none());
    known.doubt();
    assert!(known.fresh(Duration::from_secs(6)).is_none());
}
