//! What is advertised is what is accepted (C-55, T-22).

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::process::{Service, command, run};
use crate::registry::assert_shipped;

fn listed(service: &Service) -> BTreeMap<String, Value> {
    service
        .listed()
        .into_iter()
        .map(|tool| (tool["name"].as_str().unwrap().to_owned(), tool))
        .collect()
}

#[test]
fn the_shipped_registry_lists_what_the_service_lists() {
    assert_shipped(&mut command(&[]), "calculator", &Service::start(&[]).listed());
}

#[test]
fn a_scope_of_another_name_is_told_behind_a_colon() {
    let (code, out, _) = run(command(&[]).args(["--registry", "numbers:exact"]));
    assert_eq!(code, Some(0));
    let entries: Value = serde_yaml::from_str(&out).unwrap();
    for entry in entries.as_array().unwrap() {
        assert_eq!((&entry["backend"], &entry["scope"]), (&json!("numbers"), &json!("exact")));
        // The gateway waits longer than the service works.
        assert_eq!(entry["timeout_ms"], 2250);
    }
    let both = ["--registry", "x", "--self-test"];
    assert_eq!(run(command(&[]).args(both)).0, Some(2));
}

#[test]
fn the_plain_list_is_the_protocols_list() {
    let service = Service::patient();
    let plain = service.send("GET", "/mcp/tools", &[], b"").json();
    assert_eq!(plain["count"], 6);
    assert_eq!(plain["tools"], service.rpc("tools/list", json!({}))["result"]["tools"]);
}

#[test]
fn tools_say_that_they_change_nothing() {
    for (name, tool) in listed(&Service::patient()) {
        let expected = json!({"readOnlyHint": true, "destructiveHint": false,
                              "idempotentHint": true, "openWorldHint": false});
        assert_eq!(tool["annotations"], expected, "{name}");
        assert_eq!(tool["inputSchema"]["additionalProperties"], false, "{name}");
        assert_eq!(tool["outputSchema"]["additionalProperties"], false, "{name}");
        assert!(!tool["title"].as_str().unwrap().is_empty());
    }
}

#[test]
fn results_fit_the_output_schema() {
    let service = Service::patient();
    let listed = listed(&service);
    let calls = [
        ("exact_calculate", json!({"operator": "div", "operands": ["-1", "7"]})),
        ("exact_calculate", json!({"operator": "mul", "operands": ["100", "1000"]})),
        ("exact_statistics", json!({"function": "stdev", "values": ["1", "2"]})),
        ("exact_statistics", json!({"function": "sum", "values": ["-1", "1"]})),
        (
            "exact_statistics",
            json!({"function": "percentile", "values": ["1", "2"], "percent": "12.5"}),
        ),
        ("exact_regression", json!({"x": ["1", "2", "4"], "y": ["1", "0", "7"], "at": "-3"})),
        ("exact_regression", json!({"x": ["1", "2"], "y": ["5", "5"]})),
        ("exact_evaluate", json!({"expression": "-sqrt(2)"})),
        ("exact_evaluate", json!({"expression": "a^2", "variables": {"a": "0.5"}})),
        ("exact_convert_units", json!({"value": "-1", "from_unit": "ft", "to_unit": "mi"})),
        (
            "exact_unit_arithmetic",
            json!({"operator": "mul", "left": {"value": "1", "unit": "m"},
                                         "right": {"value": "2", "unit": "day"}}),
        ),
    ];
    assert!(listed.keys().all(|name| calls.iter().any(|(called, _)| called == name)));
    for (name, arguments) in calls {
        assert!(
            jsonschema::validator_for(&listed[name]["inputSchema"]).unwrap().is_valid(&arguments)
        );
        let schema = jsonschema::validator_for(&listed[name]["outputSchema"]).unwrap();
        let reply = service.call(name, arguments);
        let result = &reply["result"]["structuredContent"];
        assert!(schema.is_valid(result), "{name}: {result}");
    }
}

#[test]
fn other_limits_are_advertised_and_held() {
    let service = Service::start(&[
        ("MAX_LIST_ITEMS", "3"),
        ("MAX_NUMBER_DIGITS", "4"),
        ("MAX_PRECISION", "6"),
        ("DEFAULT_PRECISION", "2"),
        ("MAX_VALIDATION_ERRORS", "1"),
        ("REQUEST_TIMEOUT_MS", "20000"),
    ]);
    let schema = listed(&service)["exact_calculate"]["inputSchema"]["properties"].clone();
    assert_eq!(schema["operands"]["maxItems"], 3);
    assert_eq!(schema["operands"]["items"]["maxLength"], 6);
    assert_eq!(schema["precision"]["maximum"], 6);
    assert_eq!(schema["precision"]["default"], 2);
    let third = service.call("exact_calculate", json!({"operator": "div", "operands": ["1", "3"]}));
    assert_eq!(third["result"]["structuredContent"]["result"], "0.33");
    let over =
        service.call("exact_calculate", json!({"operator": "x", "operands": vec!["12345"; 4]}));
    assert_eq!(over["error"]["data"]["details"].as_array().unwrap().len(), 1);
}
