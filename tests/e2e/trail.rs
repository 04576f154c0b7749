//! `scopegate audit …` as a process, beside a running gateway.

use std::io::Read as _;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

use crate::stack::{Stack, call};

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn done(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    text(&output.stdout)
}

#[test]
fn the_trail_is_read_beside_a_running_gateway() {
    let stack = Stack::start();
    let token = stack.token("ann", "developer");
    for number in 0..3 {
        stack.post("/git/mcp", &token, &call("record", json!({ "n": number })));
    }
    stack.post("/git/mcp", &token, &call("absent", json!({})));
    let rows = stack.audited("user_id=ann", 4);

    let out = done(&stack.command(&["audit", "query", "--filter", "user_id=ann", "--since", "1h"]));
    assert_eq!(out.lines().count(), 4, "{out}");
    let id = rows[1]["request_id"].as_str().unwrap();
    let out = done(&stack.command(&["audit", "explain", id]));
    for part in [
        "ann of tenant e2e",
        "tools/call of record in scope git",
        "roles.developer",
        "Came of it success",
    ] {
        assert!(out.contains(part), "{part}: {out}");
    }
    let out =
        done(&stack.command(&["audit", "export", "--format", "csv", "--filter", "user_id=ann"]));
    assert_eq!(out.matches("\r\n").count(), 5, "{out}");
    let out = done(&stack.command(&["audit", "export", "--format", "jsonl"]));
    let seqs: Vec<Value> = out
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["seq"].clone())
        .collect();
    assert!(seqs.len() >= 7 && (1..).zip(&seqs).all(|(place, seq)| *seq == place), "{seqs:?}");
    let out = done(&stack.command(&["audit", "tail", "-n", "2"]));
    assert_eq!(out.lines().count(), 2, "{out}");

    for (arguments, code, says) in [
        (&["audit", "explain", "absent"][..], 4, "nothing on record has the id absent"),
        (&["audit", "query", "--filter", "usr=ann"], 2, "`usr` is no filter; there are kind"),
        (&["audit", "query", "--since", "yesterday"], 2, "must be a time such as"),
        (&["audit", "export", "--format", "xml"], 2, "[possible values: jsonl, csv, cef]"),
        (&["audit", "export"], 2, "--format"),
    ] {
        let output = stack.command(arguments);
        let err = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {err}");
        assert!(err.contains(says) && output.stdout.is_empty(), "{arguments:?}: {err}");
    }
    // A database that is not there is not made.
    let missing = stack.folder().join("none.db");
    let output = Command::new(env!("CARGO_BIN_EXE_scopegate"))
        .env_clear()
        .env("DATABASE_URL", format!("sqlite://{}", missing.display()))
        .args(["audit", "query"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("there is no file") && !missing.exists());
}

#[test]
fn what_happens_is_followed_until_nobody_reads() {
    let stack = Stack::start();
    let token = stack.token("ann", "developer");
    let database = stack.folder().join("scopegate.db");
    let mut following = Command::new(env!("CARGO_BIN_EXE_scopegate"))
        .env_clear()
        .env("DATABASE_URL", format!("sqlite://{}", database.display()))
        .args(["audit", "tail", "-f", "-n", "0", "--filter", "user_id=ann", "--json"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut out = following.stdout.take().unwrap();
    // It follows from some moment on.
    let mut first = [0; 1];
    std::thread::scope(|scope| {
        let reading = scope.spawn(|| out.read_exact(&mut first).unwrap());
        support::eventually::wait_until(support::process::PATIENCE, "an event to be told", || {
            stack.post("/git/mcp", &token, &call("record", json!({})));
            reading.is_finished()
        });
    });
    assert_eq!(&first, b"{");
    drop(out);
    support::eventually::wait_until(support::process::PATIENCE, "it to end unread", || {
        stack.post("/git/mcp", &token, &call("record", json!({})));
        following.try_wait().unwrap().is_some()
    });
    assert_eq!(following.wait().unwrap().code(), Some(0), "nobody reads: that is no failure");
}
