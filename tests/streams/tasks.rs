//! Tasks of 2026-07-28: of use to who began them, on any replica, and nobody
//! else.

use serde_json::{Value, json};
use support::eventually::wait_until;
use support::process::PATIENCE;

use crate::client::{Client, call, modern, request};
use crate::scripted::{Reply, Seen};
use crate::stack::Door;
use crate::world::WORLD;

const EXTENSION: &str = "io.modelcontextprotocol/tasks";
const CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";
const METHODS: [&str; 3] = ["tasks/get", "tasks/update", "tasks/cancel"];

/// A modern message of a client that has declared the extension.
fn declared(message: &Value) -> Value {
    let mut message = modern(message);
    message["params"]["_meta"][CAPABILITIES] = json!({ "extensions": { EXTENSION: {} } });
    message
}

fn about(method: &str, task: &str) -> Value {
    let answers = if method == "tasks/update" { json!({}) } else { Value::Null };
    let mut message = request(7, method, json!({ "taskId": task, "inputResponses": answers }));
    if answers.is_null() {
        message["params"].as_object_mut().unwrap().remove("inputResponses");
    }
    message
}

/// Begins a task; gives its id.
fn began(client: &Client<'_>, tool: &str, arguments: Value) -> String {
    let response = client.post_modern(&declared(&call(1, tool, arguments))).response();
    assert_eq!(response["result"]["resultType"], "task", "{response}");
    response["result"]["taskId"].as_str().unwrap().to_owned()
}

fn status(client: &Client<'_>, task: &str) -> String {
    let response = client.post_modern(&declared(&about("tasks/get", task))).response();
    assert_eq!(response["result"]["taskId"], task, "{response}");
    response["result"]["status"].as_str().unwrap().to_owned()
}

/// Nobody may tell whether there is such a task.
fn is_unknown(client: &Client<'_>, task: &str) {
    for method in METHODS {
        let answer = client.post_modern(&declared(&about(method, task)));
        assert_eq!(answer.status, 200, "{method} {task}");
        let error = json!({ "code": -32602, "message": format!("unknown task: {task}") });
        assert_eq!(answer.response(), json!({ "jsonrpc": "2.0", "id": 7, "error": error }));
    }
}

#[test]
fn a_task_is_its_owners_on_every_replica() {
    let owner = Client::new(&WORLD.stack, "rust");
    let task = began(&owner.through(Door::First), "slow_compute", json!({ "seconds": 1 }));
    assert!(task.starts_with("0."), "{task}");
    let thief = Client::new(&WORLD.stack, "rust");
    is_unknown(&thief, &task);
    is_unknown(&owner.on("other"), &task);
    let (place, rest) = task.split_once('.').unwrap();
    let own = rest.split_once('.').unwrap().1;
    for wrong in [own, "nonsense", &format!("1.{rest}"), &format!("7.{rest}"), &task[..9]] {
        is_unknown(&owner, wrong);
    }
    assert_eq!(place, "0");
    for door in [Door::First, Door::Second] {
        wait_until(PATIENCE, "the end of a task that nobody could cancel", || {
            status(&owner.through(door), &task) == "completed"
        });
        assert_eq!(status(&owner.refreshed().through(door), &task), "completed");
    }
    let task = began(&owner.through(Door::First), "slow_compute", json!({ "seconds": 600 }));
    let second = owner.through(Door::Second);
    let response = second.post_modern(&declared(&about("tasks/cancel", &task))).response();
    assert_eq!(response["result"]["resultType"], "complete", "{response}");
    wait_until(PATIENCE, "a cancelled task", || status(&second, &task) == "cancelled");
}

#[test]
fn every_request_about_a_task_is_on_record_and_not_charged() {
    let owner = Client::new(&WORLD.stack, "rust");
    let begin = declared(&call(1, "slow_compute", json!({ "seconds": 0 })));
    let answer = owner.post_modern(&begin);
    assert_ne!(answer.header("X-RateLimit-Remaining"), "", "the call itself is charged");
    let task = answer.response()["result"]["taskId"].as_str().unwrap().to_owned();
    for method in METHODS {
        let answer = owner.post_modern(&declared(&about(method, &task)));
        assert_eq!(answer.header("X-RateLimit-Remaining"), "");
        assert!(answer.response()["result"].is_object());
    }
    is_unknown(&owner, "nonsense");
    let rows = WORLD.stack.audited(&owner.user, 7);
    let of = |status: &str| rows.iter().filter(|row| row["status"] == status).count();
    assert_eq!((of("success"), of("denied")), (4, 3), "{rows:?}");
}

#[test]
fn who_has_not_declared_tasks_is_told_so() {
    let owner = Client::new(&WORLD.stack, "rust");
    let task = began(&owner, "slow_compute", json!({ "seconds": 0 }));
    for method in METHODS {
        // One is the gateway's answer, the other the backend's.
        for task in ["nonsense", &task] {
            let answer = owner.post_modern(&modern(&about(method, task)));
            assert_eq!(answer.status, 400, "{method}");
            let error = &answer.response()["error"];
            assert_eq!(error["code"], -32021, "{error}");
            let needed = &error["data"]["requiredCapabilities"]["extensions"];
            assert!(needed[EXTENSION].is_object(), "{error}");
        }
        let other = owner.modern_request(&declared(&about(method, &task)));
        let response = other.header("Mcp-Name", "other").answer(owner.port());
        assert_eq!(response.status, 400);
        assert_eq!(response.response()["error"]["code"], -32020);
    }
}

#[test]
fn tasks_are_hidden_between_eras() {
    let discover = declared(&request(1, "server/discover", json!({})));
    for (scope, offered) in [("rust", true), ("both", true), ("typescript1", false)] {
        let client = Client::new(&WORLD.stack, scope);
        let response = client.post_modern(&discover).response();
        let extensions = &response["result"]["capabilities"]["extensions"];
        assert_eq!(extensions[EXTENSION].is_object(), offered, "{scope}: {response}");
        assert!(response["result"]["capabilities"].get("tasks").is_none());
    }
    let mut legacy = Client::new(&WORLD.stack, "rust");
    let result = legacy.initialize(json!({}));
    assert!(result["capabilities"].get("extensions").is_none(), "{result}");
    for method in METHODS {
        let response = legacy.post(&about(method, "nonsense")).response();
        assert_eq!(response["error"]["code"], -32601, "{response}");
        let client = Client::new(&WORLD.stack, "typescript1");
        let answer = client.post_modern(&declared(&about(method, "nonsense")));
        assert_eq!(answer.status, 404);
        assert_eq!(answer.response()["error"]["code"], -32601);
    }
}

/// Each backend has one task, and both call it the same.
fn same(seen: &Seen, reply: &mut Reply) {
    let message = seen.message();
    match message["method"].as_str() {
        Some("subscriptions/listen") => {
            reply.stream();
            let wanted = &message["params"]["notifications"];
            let params = json!({ "notifications": wanted });
            let method = "notifications/subscriptions/acknowledged";
            reply.event(
                &json!({ "jsonrpc": "2.0", "method": method, "params": params }).to_string(),
            );
            reply.event(
                r#"{"jsonrpc":"2.0","method":"notifications/tasks","params":{"n":1e-400,"taskId":"s.1"}}"#,
            );
            // The first stream that ends takes the others along.
            reply.until_left();
        }
        Some("tasks/get") => {
            reply.stream();
            let result = format!(
                r#"{{"taskId":"s.1", "status":"working","at":"{}","n":1e-400}}"#,
                seen.path
            );
            reply.event(&seen.response(&result));
        }
        _ => reply
            .json(&seen.response(
                r#"{"resultType":"task","n":1e-400, "taskId":"s.1","status":"working"}"#,
            )),
    }
}

#[test]
fn the_id_says_which_backend_has_the_task() {
    let client = Client::new(&WORLD.stack, "both");
    WORLD.scripted.script(&client.user, same);
    let tasks = ["left", "right"].map(|backend| {
        let message = declared(&call(1, &format!("{backend}__job"), json!({})));
        let text = client.post_modern(&message).text();
        let response: Value = serde_json::from_str(&text).unwrap();
        let task = response["result"]["taskId"].as_str().unwrap().to_owned();
        let result =
            format!(r#"{{"resultType":"task","n":1e-400, "taskId":"{task}","status":"working"}}"#);
        assert!(text.contains(&result), "{text}");
        task
    });
    for (place, (backend, task)) in ["left", "right"].iter().zip(&tasks).enumerate() {
        assert!(task.starts_with(&format!("{place}.")) && task.ends_with(".s.1"), "{task}");
        let answer = client.post_modern(&declared(&about("tasks/get", task)));
        assert!(answer.is_stream());
        let event = answer.events().next().unwrap().data.unwrap();
        let result = format!(
            r#"{{"taskId":"{task}", "status":"working","at":"/tasks/{backend}","n":1e-400}}"#
        );
        assert!(event.contains(&result), "{event}");
        let seen = WORLD.scripted.seen(&client.user).pop().unwrap();
        assert_eq!(
            (seen.path.as_str(), seen.header("Mcp-Name")),
            (&*format!("/tasks/{backend}"), "s.1")
        );
        let sent = declared(&about("tasks/get", task)).to_string();
        assert_eq!(seen.body, sent.replace(task.as_str(), "s.1"), "all else as it was");
    }
    // One's id with the other's place is nobody's.
    is_unknown(&client, &tasks[0].replacen('0', "1", 1));

    let wanted = json!({ "taskIds": [tasks[0], "nonsense", tasks[1]], "toolsListChanged": true });
    let listen = declared(&request(9, "subscriptions/listen", json!({ "notifications": wanted })));
    let mut events = client.post_modern(&listen).events();
    let told = events.said("notifications/subscriptions/acknowledged");
    assert_eq!(told["params"]["notifications"]["taskIds"], json!(tasks));
    let mut changed = [(); 2].map(|()| {
        let told = events.said("notifications/tasks");
        told["params"]["taskId"].as_str().unwrap().to_owned()
    });
    changed.sort();
    assert_eq!(changed, tasks);
    for seen in WORLD.scripted.seen(&client.user).iter().rev().take(2) {
        assert_eq!(seen.message()["params"]["notifications"]["taskIds"], json!(["s.1"]));
    }
}
