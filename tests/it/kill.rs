//! Gateways that are killed in the middle of everything lose nothing of the audit
//! trail: each call the backend saw is in it, each event once, and it verifies.

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use rand::RngExt as _;
use serde_json::Value;
use support::eventually::wait_until;
use support::process::{PATIENCE, Server, on_free_port};
use support::scratch::Scratch;

use crate::harness::Backend;
use crate::harness::database::column;
use crate::harness::http;
use crate::harness::tokens::{AUDIENCE, ISSUER, SECRET, Token};

/// How often a gateway is killed: `AUDIT_KILLS`, else this. `./scripts/test --soak`
/// does it 200 times.
const KILLS: u32 = 4;

/// Calls at a time.
const CALLERS: u64 = 4;

const POLICY: &str = "default_action: deny\nroles: { developer: { allowed_tools: ['*'] } }\n";

#[test]
fn killed_gateways_lose_and_double_nothing_on_sqlite() {
    let folder = Scratch::new("sg-kill");
    let url = format!("sqlite://{}", folder.path().join("test.db").display());
    kill(&folder, &url);
}

#[test]
fn killed_gateways_lose_and_double_nothing_on_postgres() {
    let folder = Scratch::new("sg-kill");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let database = runtime.block_on(support::postgres::database());
    kill(&folder, database.url());
}

#[test]
fn the_command_line_tells_good_damaged_and_unreadable_apart() {
    let folder = Scratch::new("sg-verify");
    let url = format!("sqlite://{}", folder.path().join("test.db").display());
    let backend = Backend::start();
    prepare(folder.path(), &backend);
    // Before the first start there is no key to print.
    assert_eq!(command(folder.path(), &url, &["audit", "keys"]).0, Some(2));
    let (gateway, address) = start(folder.path(), &url);
    let token = Token::of("dora", &["developer"]).bearer();
    for number in 0..5 {
        ask(address, &token, number).unwrap();
    }
    let journal = folder.path().join("state/journal").display().to_string();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (keys, pem, export) = (path("keys.json"), path("keys.pem"), path("export.jsonl"));
    std::fs::write(&keys, command(folder.path(), &url, &["audit", "keys"]).1).unwrap();
    std::fs::write(&pem, command(folder.path(), &url, &["audit", "keys", "--pem"]).1).unwrap();
    let verify = |arguments: &[&str]| {
        command(folder.path(), &url, &[&["audit", "verify"], arguments].concat())
    };
    // While it runs.
    assert_eq!(verify(&["--keys", &keys, "--journal", &journal]).0, Some(0));
    assert_eq!(verify(&["--keys", &keys]).0, Some(0));
    gateway.signal("TERM");
    wait_until(PATIENCE, "the gateway to leave", || gateway.exit_code().is_some());
    let (code, out) = verify(&["--keys", &pem, "--database"]);
    assert_eq!(code, Some(0));
    assert!(out.ends_with("good: 13 events in 1 chains\n") && out.contains(", ended\n"), "{out}");

    // What is exported are the lines themselves.
    let lines = column(&url, "SELECT line FROM audit_events ORDER BY seq").join("\n") + "\n";
    let exported = command(folder.path(), &url, &["audit", "export", "--format", "jsonl"]);
    assert_eq!(exported, (Some(0), lines.clone()));
    std::fs::write(&export, &lines).unwrap();
    assert_eq!(verify(&["--keys", &keys, "--file", &export]).0, Some(0));
    std::fs::write(&export, lines.replacen("echo", "ecko", 1)).unwrap();
    let (code, out) = verify(&["--keys", &keys, "--file", &export]);
    assert_eq!(code, Some(1));
    assert!(out.contains(", 3: changed: ") && out.contains("\nDAMAGED: "), "{out}");
    let (code, out) = verify(&["--keys", &keys, "--file", &export, "--json"]);
    let verdict: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &verdict["good"]), (Some(1), &Value::Bool(false)));
    assert_eq!(
        (&verdict["findings"][0]["damage"], &verdict["findings"][0]["seq"]),
        (&"changed".into(), &3.into())
    );
    // What lies before an export that begins later is not missed with `--part`.
    let later: String = lines.lines().skip(3).flat_map(|line| [line, "\n"]).collect();
    std::fs::write(&export, later).unwrap();
    assert_eq!(verify(&["--keys", &keys, "--file", &export]).0, Some(1));
    assert_eq!(verify(&["--keys", &keys, "--file", &export, "--part"]).0, Some(0));
    // What a report has had must still be there.
    let report = path("report.json");
    std::fs::write(&export, &lines).unwrap();
    let file = ["--keys", &keys, "--file", &export];
    std::fs::write(&report, verify(&[&file[..], &["--json"]].concat()).1).unwrap();
    let since = [&file[..], &["--since-report", &report]].concat();
    assert_eq!(verify(&since).0, Some(0));
    let shorter: String = lines.lines().take(12).flat_map(|line| [line, "\n"]).collect();
    std::fs::write(&export, shorter).unwrap();
    assert_eq!(verify(&file).0, Some(0));
    let (code, out) = verify(&since);
    assert!(code == Some(1) && out.contains(", 13: truncated: an earlier report"), "{out}");
    // Nothing proves nothing; and whoever only looks makes no database.
    let empty = path("empty.jsonl");
    std::fs::write(&empty, "").unwrap();
    assert_eq!(verify(&["--keys", &keys, "--file", &empty]).0, Some(2));
    let none = folder.path().join("none.db");
    let elsewhere = format!("sqlite://{}", none.display());
    let line = ["audit", "verify", "--keys", &keys];
    assert_eq!(command(folder.path(), &elsewhere, &line).0, Some(2));
    assert!(!none.exists());
    for unreadable in [
        &["--keys", &path("none"), "--database"][..],
        &["--keys", &export],
        &["--keys", &keys, "--file", &path("none")],
        &["--keys", &keys, "--journal", &path("none")],
        &["--keys", &keys, "--journal", &journal, "--database"],
        &["--keys", &keys, "--part"],
        &["--database"],
    ] {
        assert_eq!(verify(unreadable).0, Some(2), "{unreadable:?}");
    }
}

/// The files a gateway reads.
fn prepare(folder: &Path, backend: &Backend) {
    let tools = include_str!("../fixtures/tools.yaml");
    let tools = tools.replace("BACKEND", &format!("http://{}/mcp", backend.addr));
    std::fs::write(folder.join("tools.yaml"), tools).unwrap();
    std::fs::write(folder.join("policy.yaml"), POLICY).unwrap();
}

fn kill(folder: &Scratch, url: &str) {
    let kills = std::env::var("AUDIT_KILLS").map_or(KILLS, |kills| kills.parse().unwrap());
    let backend = Backend::start();
    prepare(folder.path(), &backend);
    let token = Token::of("dora", &["developer"]).bearer();
    let count = AtomicU64::new(0);
    for _ in 0..kills {
        let (gateway, address) = start(folder.path(), url);
        let over = AtomicBool::new(false);
        thread::scope(|scope| {
            for _ in 0..CALLERS {
                scope.spawn(|| {
                    while !over.load(Ordering::Relaxed) {
                        let number = count.fetch_add(1, Ordering::Relaxed);
                        // Whoever asks a gateway that is being killed gets no answer.
                        let _ = ask(address, &token, number);
                    }
                });
            }
            pause(Duration::from_millis(rand::rng().random_range(1..400)));
            gateway.kill();
            over.store(true, Ordering::Relaxed);
        });
    }
    // What they left behind is shipped by the last one, which leaves in order.
    let (gateway, address) = start(folder.path(), url);
    ask(address, &token, u64::MAX).unwrap();
    wait_until(PATIENCE, "what was left behind to be shipped", || {
        let ready = http::send(address, "GET", "/ready", &[], b"").json();
        ready["checks"]["audit_shipping"]["ok"] == true && left(folder.path()) == 1
    });
    gateway.signal("TERM");
    wait_until(PATIENCE, "the last gateway to leave", || gateway.exit_code().is_some());
    assert_eq!(gateway.exit_code(), Some(0), "{}", gateway.log());

    let keys = folder.path().join("keys.json");
    std::fs::write(&keys, command(folder.path(), url, &["audit", "keys"]).1).unwrap();
    let keys = keys.display().to_string();
    let line = ["audit", "verify", "--database", "--json", "--keys", &keys];
    let (code, verdict) = command(folder.path(), url, &line);
    let verdict: Value = serde_json::from_str(&verdict).unwrap();
    assert_eq!((code, &verdict["good"]), (Some(0), &Value::Bool(true)), "{verdict:#}");
    let chains = verdict["chains"].as_array().unwrap();
    assert_eq!(chains.len(), usize::try_from(kills).unwrap() + 1);
    assert_eq!(chains.last().unwrap()["end"], "signed");

    let intents = column(url, "SELECT request_id FROM audit_events WHERE kind = 'decision'");
    let intents: BTreeSet<String> = intents.into_iter().collect();
    let seen = backend.seen();
    assert!(seen.len() > usize::try_from(kills).unwrap(), "there was no load");
    for call in &seen {
        let id = call.all("x-request-id")[0];
        assert!(intents.contains(id), "{id} was called and not written down");
    }
    let doubled = "SELECT event_id FROM audit_events GROUP BY event_id HAVING count(*) > 1";
    assert!(column(url, doubled).is_empty());
    println!(
        "{kills} kills: {} calls reached the backend, {} were written down before; {} events in \
         {} chains verify",
        seen.len(),
        intents.len(),
        verdict["events"],
        chains.len()
    );
}

fn environment(folder: &Path, url: &str) -> Vec<(&'static str, String)> {
    let path = |name: &str| folder.join(name).display().to_string();
    vec![
        ("JWT_SECRET_KEY", SECRET.to_owned()),
        ("JWT_ISSUER", ISSUER.to_owned()),
        ("JWT_AUDIENCE", AUDIENCE.to_owned()),
        ("TOOL_GATEWAY_SHARED_SECRET", "7d5e1f0a94c2b8367d5e1f0a94c2b836".to_owned()),
        ("DATABASE_URL", url.to_owned()),
        ("SCOPEGATE__REGISTRY__FILE", path("tools.yaml")),
        ("SCOPEGATE__POLICY__FILE", path("policy.yaml")),
        ("SCOPEGATE__SERVER__STATE_DIR", path("state")),
        ("SCOPEGATE__SERVER__WORKERS", "2".to_owned()),
        ("SCOPEGATE__QUOTA__USER__PER_MINUTE", "1000000".to_owned()),
        ("SCOPEGATE__QUOTA__USER__BURST", "1000000".to_owned()),
        ("SCOPEGATE__QUOTA__USER_TOOL__PER_MINUTE", "1000000".to_owned()),
        ("SCOPEGATE__QUOTA__USER_TOOL__BURST", "1000000".to_owned()),
        ("SCOPEGATE__AUDIT__SHIP_INTERVAL_MS", "20".to_owned()),
        ("SCOPEGATE__AUDIT__CHECKPOINT_EVENTS", "50".to_owned()),
        ("SCOPEGATE__AUDIT__CHECKPOINT_SECONDS", "3600".to_owned()),
        ("SCOPEGATE__AUDIT__SEGMENT_BYTES", "65536".to_owned()),
    ]
}

fn start(folder: &Path, url: &str) -> (Server, SocketAddr) {
    let (server, port) = on_free_port(|port| {
        let mut environment = environment(folder, url);
        environment.push(("SCOPEGATE__SERVER__LISTEN", format!("127.0.0.1:{port}")));
        let metrics = format!("127.0.0.1:{}", support::ports::free());
        environment.push(("SCOPEGATE__SERVER__METRICS_LISTEN", metrics));
        let environment: Vec<_> = environment.iter().map(|(name, text)| (*name, &**text)).collect();
        Server::isolated(Path::new(env!("CARGO_BIN_EXE_scopegate")), &[], &environment)
    });
    (server, ([127, 0, 0, 1], port).into())
}

/// One call; whatever comes.
fn ask(to: SocketAddr, token: &str, number: u64) -> std::io::Result<String> {
    let body = format!(
        r#"{{"jsonrpc":"2.0","id":{number},"method":"tools/call","params":{{"name":"echo","arguments":{{"text":"{number}"}}}}}}"#
    );
    let mut stream = TcpStream::connect(to)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    write!(
        stream,
        "POST /main/mcp HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
         Authorization: {token}\r\nContent-Type: application/json\r\n\
         Accept: application/json, text/event-stream\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

/// Chains that lie in the journal.
fn left(folder: &Path) -> usize {
    let entries = folder.join("state/journal").read_dir().unwrap();
    entries.filter(|entry| entry.as_ref().is_ok_and(|entry| entry.path().is_dir())).count()
}

/// Runs the program to its end; its exit code and what it printed.
fn command(folder: &Path, url: &str, arguments: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_scopegate"));
    command.args(arguments).env_clear().envs(environment(folder, url));
    let output = command.output().unwrap();
    (output.status.code(), String::from_utf8(output.stdout).unwrap())
}

fn pause(time: Duration) {
    let (_sender, nothing) = mpsc::channel::<()>();
    let _ = nothing.recv_timeout(time);
}
