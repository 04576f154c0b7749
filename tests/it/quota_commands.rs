//! The program's commands about limits, against a gateway that runs.

use std::process::{Command, Output};

use serde_json::{Value, json};

use crate::harness::tokens::{AUDIENCE, ISSUER, SECRET};
use crate::harness::{Gateway, Token};
use crate::quota_calls::{dora, limited, on_both, wipe};

/// Runs the program with the files of that gateway, and an admin's token.
fn scopegate(gateway: &Gateway, line: &str, token: Option<&Token>) -> Output {
    let file = |name: &str| gateway.folder.path().join(name);
    let mut command = Command::new(env!("CARGO_BIN_EXE_scopegate"));
    command.args(line.split(' ')).env_clear();
    command
        .env("JWT_SECRET_KEY", SECRET)
        .env("JWT_ISSUER", ISSUER)
        .env("JWT_AUDIENCE", AUDIENCE)
        .env("TOOL_GATEWAY_SHARED_SECRET", "7d5e1f0a94c2b8367d5e1f0a94c2b836")
        .env("SCOPEGATE__SERVER__LISTEN", gateway.addr.to_string())
        .env("SCOPEGATE__SERVER__STATE_DIR", file("state"))
        .env("SCOPEGATE__REGISTRY__FILE", file("tools.yaml"))
        .env("SCOPEGATE__POLICY__FILE", file("policy.yaml"));
    if let Some(token) = token {
        command.env("SCOPEGATE_TOKEN", token.sign());
    }
    command.output().unwrap()
}

fn printed(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[test]
fn limits_in_force_are_told_for_a_role_and_a_tool() {
    let gateway = Gateway::builder()
        .policy(
            "roles: { developer: { allowed_tools: ['*'] }, batch: { allowed_tools: ['*'] } }\n\
             quotas:\n\
             - { per: user, rate: 1000/min, burst: 2000 }\n\
             - { per: user_tool, roles: [batch], tools: [wipe], rate: 10/s, concurrency: 4 }\n\
             - { per: tool, tools: [wipe], rate: 500/h, weight: 5 }\n\
             budgets: { maxToolCallsPerDay: 300 }",
        )
        .start();
    let of = |line: &str| {
        let text = printed(&scopegate(&gateway, &format!("check-config {line}"), None));
        let (_, limits) = text.split_once("limits in force:\n").expect("limits");
        let lines = limits.lines().take_while(|line| line.starts_with("  "));
        let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
        lines.map(words).collect::<Vec<_>>()
    };
    assert_eq!(
        of("--role batch --tool wipe"),
        [
            "user 1000 calls a minute, 2000 at once quotas[0]",
            "user_tool 10 calls a second, 10 at once quotas[1]",
            "user_tool 4 calls in progress quotas[1]",
            "tool 500 calls an hour, 500 at once, this one counts for 5 quotas[2]",
            "day 300 tool calls a day budgets.maxToolCallsPerDay",
        ]
    );
    // Of another role, and of another tool, what stands behind them.
    assert_eq!(
        of("--role developer --tool wipe")[1],
        "user_tool 100 calls a minute, 200 at once quota.user_tool"
    );
    assert_eq!(of("--role batch --tool echo").len(), 3);
}

#[test]
fn an_admin_shows_and_resets_limits_from_the_command_line() {
    let admin = Token::of("root", &["admin"]);
    for gateway in on_both("quotas: [{ per: user_tool, rate: 60/h, burst: 3 }]") {
        for _ in 0..3 {
            assert_eq!(wipe(&gateway).code(), None);
        }
        wipe(&gateway).assert_refused(200, "RATE_LIMIT_EXCEEDED");
        let left = |output: &Output| {
            let shown: Value = serde_json::from_str(&printed(output)).unwrap();
            let limits = shown["limits"].as_array().unwrap();
            let one = limits.iter().find(|one| one["limit"] == "user_tool");
            one.map(|one| one["remaining"].clone())
        };
        let ran = |what: &str| {
            let line = format!("quota {what} --user dora --role developer");
            scopegate(&gateway, &line, Some(&admin))
        };
        assert_eq!(left(&ran("show")), Some(json!(0)));
        assert_eq!(left(&ran("reset")), None, "nothing of it is used");
        assert_eq!(wipe(&gateway).code(), None);
    }
}

#[test]
fn who_is_no_admin_resets_nothing() {
    let gateway = limited("quotas: [{ per: user_tool, rate: 60/h, burst: 1 }]").start();
    assert_eq!(wipe(&gateway).code(), None);
    for token in [Some(dora()), None] {
        let ran = scopegate(&gateway, "quota reset --user dora --role developer", token.as_ref());
        assert!(!ran.status.success() && ran.stdout.is_empty(), "{ran:?}");
    }
    wipe(&gateway).assert_refused(200, "RATE_LIMIT_EXCEEDED");
}
