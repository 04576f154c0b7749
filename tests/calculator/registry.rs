//! `config/tools.yaml` next to what a service says of itself (C-55, T-22).

use std::process::Command;

use serde_json::{Value, json};
use support::tool::run;

/// The shipped entries of a backend are those its service prints, and these say
/// what it lists. `command` starts the service with its defaults.
pub(crate) fn assert_shipped(command: &mut Command, backend: &str, listed: &[Value]) {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/config/tools.yaml");
    let text = std::fs::read_to_string(file).unwrap();
    let (code, printed, err) = run(command.args(["--registry", backend]));
    assert_eq!(code, Some(0), "{err}");
    assert!(
        text.contains(printed.trim_end()),
        "config/tools.yaml is stale: put there what the service prints with --registry {backend}"
    );
    let shipped: Value = serde_yaml::from_str(&text).unwrap();
    let shipped: Vec<&Value> = shipped["tools"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|tool| tool["backend"] == backend)
        .collect();
    assert_eq!(shipped.len(), listed.len(), "{backend}");
    for (shipped, listed) in shipped.into_iter().zip(listed) {
        let told = json!({
            "name": shipped["name"], "title": shipped["title"],
            "description": shipped["description"], "annotations": shipped["annotations"],
            "inputSchema": shipped["input_schema"], "outputSchema": shipped["output_schema"],
        });
        assert_eq!(&told, listed);
        assert_eq!(shipped["scope"], backend, "{}", listed["name"]);
        assert_eq!(shipped["risk_level"], "low", "{}", listed["name"]);
    }
}
