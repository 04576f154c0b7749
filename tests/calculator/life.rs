//! Start, time limits, log and stop of the real process.

use serde_json::json;

use crate::process::{SECRET, Service, command, run};

#[test]
fn the_self_test_of_the_shipped_defaults_holds() {
    let (code, out, err) = run(command(&[("REQUEST_TIMEOUT_MS", "20000")]).arg("--self-test"));
    assert_eq!(code, Some(0), "{out}{err}");
    assert!(out.lines().count() > 20, "{out}");
    assert!(out.lines().all(|line| line.starts_with("ok ")), "{out}");
    assert!(out.contains("describes exact_evaluate whole"), "{out}");
}

#[test]
fn a_self_test_that_does_not_hold_ends_with_one() {
    // Two digits are fewer than the example asks for.
    let settings = [("REQUEST_TIMEOUT_MS", "20000"), ("MAX_PRECISION", "2")];
    let (code, out, _) = run(command(&settings).arg("--self-test"));
    assert_eq!(code, Some(1));
    assert!(out.contains("FAIL  rounds a quotient once"), "{out}");
}

#[test]
fn help_is_a_manual() {
    let (code, out, _) = run(command(&[]).arg("--help"));
    assert_eq!(code, Some(0));
    for part in [
        "Exact decimal",
        "Usage:",
        "Environment:",
        "Exit status:",
        "Examples:",
        "CALCULATOR_LISTEN",
        "/v1/compute",
    ] {
        assert!(out.contains(part), "{part}");
    }
    assert!(out.lines().all(|line| line.chars().count() <= 100), "{out}");
    assert_eq!(run(command(&[]).arg("--no-such-option")).0, Some(2));
}

#[test]
fn every_bad_setting_is_told_at_once() {
    let (code, _, err) = run(&mut command(&[
        ("MAX_PRECISION", "0"),
        ("REQUEST_TIMEOUT_MS", "soon"),
        ("MAX_BODY_BYTES", "-1"),
        ("CALCULATOR_LISTEN", "nowhere"),
        ("MCP_LOG_LEVEL", "loud"),
        ("TOOL_GATEWAY_SHARED_SECRET", "short-and-unique"),
    ]));
    assert_eq!(code, Some(2));
    for name in [
        "MAX_PRECISION",
        "REQUEST_TIMEOUT_MS",
        "MAX_BODY_BYTES",
        "CALCULATOR_LISTEN",
        "MCP_LOG_LEVEL",
        "TOOL_GATEWAY_SHARED_SECRET is shorter",
    ] {
        assert!(err.contains(name), "{name}: {err}");
    }
    assert!(!err.contains("short-and-unique"));
}

#[test]
fn weak_secrets_do_not_start() {
    for secret in
        ["", "  ", "changeme-changeme-changeme-changeme", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"]
    {
        let (code, ..) = run(&mut command(&[("TOOL_GATEWAY_SHARED_SECRET", secret)]));
        assert_eq!(code, Some(2), "{secret:?}");
    }
}

#[test]
fn the_secret_may_lie_in_a_file() {
    let file = std::path::Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join(format!("calculator-secret-{}", std::process::id()));
    std::fs::write(&file, format!("{SECRET}\n")).unwrap();
    let path = file.to_str().unwrap();
    let by_variable = Service::launch(&mut command(&[("TOOL_GATEWAY_SHARED_SECRET_FILE", path)]));
    assert_eq!(by_variable.rpc("ping", json!({}))["result"], json!({}));
    // The flag comes before the environment.
    let other = "another-secret-that-is-long-enough-9876";
    let by_flag = Service::launch(
        command(&[("TOOL_GATEWAY_SHARED_SECRET", other)]).args(["--shared-secret-file", path]),
    );
    assert_eq!(by_flag.rpc("ping", json!({}))["result"], json!({}));
    std::fs::write(&file, "short").unwrap();
    assert_eq!(run(&mut command(&[("TOOL_GATEWAY_SHARED_SECRET_FILE", path)])).0, Some(2));
    std::fs::remove_file(&file).unwrap();
}

/// A thousand operands of two hundred digits, each dividing: far more than a
/// millisecond of work.
#[test]
fn work_that_lasts_too_long_is_stopped() {
    let service = Service::start(&[
        ("REQUEST_TIMEOUT_MS", "1"),
        ("MAX_BODY_BYTES", "1048576"),
        ("MAX_CONCURRENT_CALLS", "1"),
    ]);
    let arguments = json!({"operator": "div", "operands": vec!["7".repeat(200); 1000]});
    for _ in 0..3 {
        let reply = service.call("exact_calculate", arguments.clone());
        assert_eq!(reply["error"], json!({"code": -32003, "message": "Timeout"}));
    }
    let body = json!({"operation": "arithmetic", "params": arguments}).to_string();
    let reply = service.send("POST", "/v1/compute", &[], body.as_bytes());
    assert_eq!((reply.status, reply.json()), (408, json!({"error": "timeout"})));
    // It lives, and still answers what needs no time.
    assert_eq!(service.rpc("ping", json!({}))["result"], json!({}));
}

#[test]
fn the_same_work_within_its_time_is_right() {
    let service = Service::start(&[("REQUEST_TIMEOUT_MS", "60000"), ("MAX_BODY_BYTES", "1048576")]);
    // 7…7 divided by itself once and then by ones.
    let mut operands = vec!["7".repeat(200); 2];
    operands.resize(1000, "1".to_owned());
    let reply = service.call("exact_calculate", json!({"operator": "div", "operands": operands}));
    assert_eq!(reply["result"]["structuredContent"]["result"], "1");
    let tiny = json!({"operator": "div", "operands": vec!["7".repeat(200); 1000]});
    let reply = service.call("exact_calculate", tiny);
    assert_eq!(reply["error"]["message"], "output exceeds size limit");
}

#[test]
fn both_signals_stop_it_in_order() {
    for signal in ["TERM", "INT"] {
        let service = Service::patient();
        assert_eq!(service.rpc("ping", json!({}))["result"], json!({}));
        service.signal(signal);
        assert_eq!(service.exit_code(), Some(0), "{signal}");
        let rest = service.rest_of_log();
        assert!(rest.iter().any(|line| line.contains("stopped")), "{rest:?}");
    }
}

#[test]
fn a_second_signal_does_not_wait_for_what_is_at_work() {
    let service = Service::patient();
    let mut connection = service.connect();
    // A body that never comes keeps the service from ending in order.
    connection.write(
        format!(
            "POST /mcp HTTP/1.1\r\nhost: test\r\nx-gateway-auth: {SECRET}\r\n\
             content-type: application/json\r\ncontent-length: 100\r\nexpect: 100-continue\r\n\r\n"
        )
        .as_bytes(),
    );
    assert_eq!(connection.read().status, 100);
    service.signal("TERM");
    service.wait_for_log("stopping");
    service.signal("INT");
    assert_eq!(service.exit_code(), Some(1));
    let rest = service.rest_of_log().join("\n");
    assert!(rest.contains("a second signal") && rest.contains("broken off"), "{rest}");
}

#[test]
fn the_log_tells_of_calls_but_not_of_their_arguments() {
    let service = Service::patient();
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {
        "name": "exact_calculate", "arguments": {"operator": "add", "operands": ["98765.4321"]}}});
    let headers = [("x-request-id", "way-1"), ("x-user-id", "alice")];
    let _ = service.send("POST", "/mcp", &headers, body.to_string().as_bytes());
    let line = service.wait_for_log("call finished");
    assert_eq!((&line["tool"], &line["outcome"]), (&json!("exact_calculate"), &json!("ok")));
    assert_eq!(line["request_id"], "way-1");
    assert!(line["elapsed_us"].is_u64());
    service.call("exact_calculate", json!({"operator": "add", "operands": ["not-98765.4321"]}));
    service.call("evil\"98765.4321", json!({}));
    service.signal("TERM");
    assert_eq!(service.exit_code(), Some(0));
    let log = service.rest_of_log().join("\n") + &line.to_string();
    assert!(log.contains("invalid_arguments") && log.contains("unknown_tool"), "{log}");
    assert!(!log.contains("98765") && !log.contains(SECRET), "{log}");
}
