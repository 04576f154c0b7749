//! What the gateway lists is what the services say of themselves (T-22).

use std::path::Path;

use serde_json::{Value, json};
use support::tool::{SECRET, Tool};

use crate::stack::Stack;

fn service(program: &str) -> Vec<Value> {
    Tool::start(Path::new(program), &[], &[("TOOL_GATEWAY_SHARED_SECRET", SECRET)]).listed()
}

#[test]
fn the_gateway_lists_tools_whole_as_they_describe_themselves() {
    let stack = Stack::start();
    let token = stack.token("ann", "developer");
    for (scope, own) in [
        ("calculator", service(env!("CARGO_BIN_EXE_tool-calculator"))),
        ("git", service(env!("CARGO_BIN_EXE_tool-git"))),
    ] {
        let list = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" });
        let answer = stack.post(&format!("/{scope}/mcp"), &token, &list).json();
        let mut listed = answer["result"]["tools"].as_array().unwrap().clone();
        // The stack's own tool stands in the scope, too.
        listed.retain(|tool| tool["name"] != "record");
        assert_eq!(listed.len(), own.len(), "{scope}: {answer}");
        for tool in &own {
            assert!(listed.contains(tool), "{scope}: {tool}");
            for member in ["title", "annotations", "outputSchema"] {
                assert!(!tool[member].is_null(), "{tool}");
            }
        }
    }
}
