//! What has to come of a client with a backend.

use serde_json::{Value, json};

use crate::client::{Client, Driver, Era};
use crate::stack::Kind;

/// What is done, in this order.
pub(crate) const STEPS: [&str; 9] = [
    "connect",
    "list",
    "call",
    "progress",
    "elicitation",
    "sampling",
    "cancel",
    "resource",
    "prompt",
];

/// What a step has to come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It works.
    Works,
    /// The backend is told that this client cannot be asked, and says so in an
    /// error of its own: neither silence nor a call that hangs.
    Declined,
    /// The client cannot do it at all.
    Absent,
}

/// What a step of a client with a backend has to come to.
pub(crate) fn fate(client: Client, kind: Kind, step: &str) -> Fate {
    let command_line = client.driver == Driver::Inspector;
    match step {
        "connect" | "progress" | "elicitation" | "sampling" | "cancel" if command_line => {
            Fate::Absent
        }
        // A legacy backend asks in the middle of a call, on a stream of it; a
        // modern client has nowhere to be asked. So the gateway declares
        // nothing on its behalf.
        "elicitation" | "sampling"
            if client.era == Era::Modern && !kind.eras.contains(&Era::Modern) =>
        {
            Fate::Declined
        }
        _ => Fate::Works,
    }
}

/// What is wrong with a client's report; nothing when all is as it has to be.
pub(crate) fn faults(client: Client, kind: Kind, report: &Value) -> Vec<String> {
    let judged = STEPS.iter().filter_map(|step| {
        let told = &report[*step];
        let fault = match fate(client, kind, step) {
            Fate::Works => works(client, step, told),
            Fate::Declined => declined(told),
            Fate::Absent => return None,
        };
        fault.map(|fault| format!("{step}: {fault}; it reports {told}"))
    });
    judged.collect()
}

fn works(client: Client, step: &str, told: &Value) -> Option<String> {
    let Some(ok) = told.get("ok") else { return Some("fails".to_owned()) };
    let fits = match step {
        "connect" => return connected(client, ok),
        "list" if client.driver == Driver::Inspector => {
            ok.as_array().is_some_and(|tools| tools.len() >= 34)
        }
        "list" => {
            let count = |name: &str| ok[name].as_u64().unwrap_or_default();
            count("tools") >= 34
                && (count("prompts"), count("resources"), count("templates")) == (5, 3, 1)
        }
        "call" if client.driver == Driver::Inspector => ok["n"] == 42,
        "call" => *ok == json!({ "n": 42, "text": "é\u{2028}" }),
        // The last one comes at the same time as the answer, after which some
        // clients listen no more.
        "progress" => {
            let steps: Vec<f64> =
                ok.as_array().into_iter().flatten().filter_map(Value::as_f64).collect();
            [[0.0, 1.0].as_slice(), &[0.0, 1.0, 2.0]].contains(&&*steps)
        }
        "elicitation" => ok.as_str().is_some_and(|text| text.contains("Ann")),
        "sampling" => ok.as_str().is_some_and(|text| text.contains("Paris")),
        "cancel" => ok == "rejected",
        "resource" => ok == "This is the content of the static text resource.",
        "prompt" => ok == "This is a simple prompt for testing.",
        other => panic!("no such step: {other}"),
    };
    (!fits).then(|| "something else is expected".to_owned())
}

/// The revision, and the capabilities the client was told.
fn connected(client: Client, told: &Value) -> Option<String> {
    let expected = match client.era {
        Era::Legacy => "2025-11-25",
        Era::Modern => "2026-07-28",
    };
    let (revision, capabilities) = (&told["revision"], &told["capabilities"]);
    // What speaks to mcp-remote speaks the legacy era, whatever it makes of it;
    // over stdio, TypeScript 1.x does not say which revision.
    let says_nothing = match client.driver {
        Driver::McpRemote => true,
        Driver::Bridge { packages, .. } => packages == "ts-v1",
        Driver::Node { .. } | Driver::Python | Driver::Rmcp | Driver::Inspector => false,
    };
    if !says_nothing && revision != expected {
        return Some(format!("the revision is not {expected}"));
    }
    // A client that is pinned does not ask.
    if client.driver == Driver::Python && client.mode == "pinned" {
        return None;
    }
    for name in ["tools", "prompts", "resources", "completions"] {
        if !capabilities[name].is_object() {
            return Some(format!("`{name}` is not among the capabilities"));
        }
    }
    for flag in ["/tools/listChanged", "/resources/subscribe"] {
        if capabilities.pointer(flag) != Some(&json!(true)) {
            return Some(format!("`{flag}` is not promised"));
        }
    }
    None
}

fn declined(told: &Value) -> Option<String> {
    let error = told["error"].as_str().unwrap_or_default();
    let clear = error.contains("does not support") || error.contains("not support");
    (!clear).then(|| "the server's own words about it are expected".to_owned())
}
