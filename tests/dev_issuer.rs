//! `dev-issuer` as a process, over HTTP (C-60, C-65).
#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail the test")]

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde_json::{Map, Value, json};
use support::eventually::wait_until;
use support::process::{PATIENCE as START, Server};
use support::scratch::Scratch;

const SECRET: &str = "correct-horse-battery-staple-0123456789";
const ADMIN: &str = "only-the-admin-knows-this-9876543210-xyz";
/// Longest wait for an answer.
const PATIENCE: Duration = Duration::from_secs(20);

type Environment<'a> = &'a [(&'a str, &'a str)];

/// Arguments of `env` that run the program with nothing of our own
/// environment.
fn isolated(environment: Environment, arguments: &[&str]) -> Vec<String> {
    let usual =
        [("JWT_ISSUER", "the-issuer"), ("JWT_AUDIENCE", "the-gateway"), ("JWT_SECRET_KEY", SECRET)];
    let assignments =
        usual.iter().chain(environment).map(|(name, value)| format!("{name}={value}"));
    std::iter::once("-i".to_owned())
        .chain(assignments)
        .chain([env!("CARGO_BIN_EXE_dev-issuer").to_owned()])
        .chain(arguments.iter().map(ToString::to_string))
        .collect()
}

fn run(environment: Environment, arguments: &[&str]) -> Output {
    Command::new("env").args(isolated(environment, arguments)).output().expect("dev-issuer runs")
}

fn file_in(folder: &Scratch, name: &str) -> String {
    folder.path().join(name).display().to_string()
}

/// A running service.
struct Issuer {
    server: Server,
    address: SocketAddr,
}

impl Issuer {
    fn start(environment: Environment, arguments: &[&str]) -> Self {
        let arguments = [arguments, &["--listen", "127.0.0.1:0"]].concat();
        let arguments = isolated(environment, &arguments);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let server = Server::run(Path::new("/usr/bin/env"), &arguments, &[]);
        let mut address = None;
        wait_until(START, "the address in the log", || {
            address = server.log().lines().find_map(|line| {
                let event: Value = serde_json::from_str(line).ok()?;
                event["address"].as_str()?.parse().ok()
            });
            address.is_some() || server.exit_code().is_some()
        });
        let address = address.unwrap_or_else(|| panic!("it ended: {}", server.log()));
        Self { server, address }
    }

    /// Status and body.
    fn ask(&self, request: &str, headers: &[(&str, &str)], body: &[u8]) -> (u16, Value) {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut head = format!("{request} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n");
        for (name, value) in headers {
            head.extend([name, ": ", value, "\r\n"]);
        }
        write!(stream, "{head}Content-Length: {}\r\n\r\n", body.len()).unwrap();
        // The service may answer, and close, before it has read all of it.
        let _ = stream.write_all(body).and_then(|()| stream.shutdown(Shutdown::Write));
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        let answer = String::from_utf8(answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{answer:?}"));
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, serde_json::from_str(body).unwrap_or_else(|_| panic!("{body:?}")))
    }

    fn get(&self, path: &str) -> (u16, Value) {
        self.ask(&format!("GET {path}"), &[], b"")
    }

    fn post(&self, headers: &[(&str, &str)], body: &Value) -> (u16, Value) {
        let json = [("Content-Type", "application/json")];
        self.ask("POST /token", &[&json, headers].concat(), body.to_string().as_bytes())
    }
}

/// The claims, after a check as strict as a gateway's.
fn verify(token: &str, key: &DecodingKey, algorithm: Algorithm) -> Map<String, Value> {
    let mut validation = Validation::new(algorithm);
    validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
    validation.set_issuer(&["the-issuer"]);
    validation.set_audience(&["the-gateway"]);
    decode::<Map<String, Value>>(token, key, &validation).expect("a valid token").claims
}

fn hmac() -> DecodingKey {
    DecodingKey::from_secret(SECRET.as_bytes())
}

#[test]
fn it_issues_what_is_asked_for() {
    let issuer = Issuer::start(&[], &[]);
    let body = json!({
        "user_id": "ann", "roles": ["developer", "auditor"], "workspace": "production",
        "api_version": "1.1", "expires_in_seconds": 600, "groups": ["g"], "agents": ["a"],
        "extra_claims": {"email": "ann@example.org"},
    });
    let (status, answer) = issuer.post(&[], &body);
    assert_eq!((status, &answer["token_type"]), (200, &json!("Bearer")), "{answer}");
    let claims = verify(answer["access_token"].as_str().unwrap(), &hmac(), Algorithm::HS256);
    assert_eq!(answer["claims"], Value::Object(claims.clone()));
    assert_eq!(answer["expires_at_epoch"], claims["exp"]);
    assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 600);
    for (name, value) in [
        ("sub", json!("ann")),
        ("roles", json!(["developer", "auditor"])),
        ("workspace", json!("production")),
        ("v", json!("1.1")),
        ("groups", json!(["g"])),
        ("agents", json!(["a"])),
        ("email", json!("ann@example.org")),
    ] {
        assert_eq!(claims[name], value, "{name}");
    }
}

#[test]
fn a_token_lasts_an_hour_unless_asked_otherwise() {
    let issuer = Issuer::start(&[], &[]);
    let (_, answer) = issuer.post(&[], &json!({"user_id": "ann"}));
    let claims = &answer["claims"];
    assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 3600);
}

#[test]
fn the_admin_token_is_asked_for_when_set() {
    let issuer = Issuer::start(&[("JWT_ISSUER_ADMIN_TOKEN", ADMIN)], &[]);
    let body = json!({"user_id": "ann"});
    for wrong in [None, Some(""), Some("guess"), Some(&ADMIN[1..])] {
        let header = wrong.map(|value| ("X-Issuer-Token", value));
        let (status, answer) = issuer.post(header.as_slice(), &body);
        assert_eq!((status, &answer["error"]), (401, &json!("unauthorized")), "{wrong:?}");
    }
    let (status, answer) = issuer.post(&[("X-Issuer-Token", ADMIN)], &body);
    assert_eq!(status, 200);
    let log = issuer.server.log();
    for secret in [ADMIN, SECRET, answer["access_token"].as_str().unwrap()] {
        assert!(!log.contains(secret), "a secret in the log");
    }
    assert!(log.contains("token issued"));
}

#[test]
fn bad_requests_are_told_what_is_wrong() {
    let issuer = Issuer::start(&[], &[]);
    for (body, part) in [
        (json!({}), "user_id"),
        (json!([]), "expected"),
        (json!({"user_id": 7}), "expected a string"),
        (json!({"user_id": "a", "role": "admin"}), "unknown field `role`"),
        (json!({"user_id": "a", "expires_in_seconds": 59}), "between 60 and 86400"),
        (json!({"user_id": "a", "expires_in_seconds": 86401}), "between 60 and 86400"),
        (json!({"user_id": "a", "expires_in_seconds": -1}), "invalid value"),
        (json!({"user_id": "", "roles": []}), "user_id"),
        (json!({"user_id": "a", "extra_claims": []}), "expected a map"),
    ] {
        let (status, answer) = issuer.post(&[], &body);
        assert_eq!((status, &answer["error"]), (400, &json!("invalid_request")), "{body}");
        assert!(answer["message"].as_str().unwrap().contains(part), "{body}: {answer}");
    }
}

#[test]
fn requests_of_the_wrong_shape_are_refused() {
    let issuer = Issuer::start(&[], &[]);
    let json = ("Content-Type", "application/json");
    let body = json!({"user_id": "ann"}).to_string();
    let large = format!(r#"{{"user_id": "{}"}}"#, "a".repeat(64 * 1024));
    let page = ("Origin", "http://evil.example");
    for (request, headers, body, status, code) in [
        ("POST /token", &[json][..], "{", 400, "invalid_request"),
        ("POST /token", &[json], &large, 413, "PAYLOAD_TOO_LARGE"),
        ("POST /token", &[("Content-Type", "text/plain")], &body, 415, "unsupported_media_type"),
        ("POST /token", &[], &body, 415, "unsupported_media_type"),
        ("POST /token", &[json, page], &body, 403, "forbidden_origin"),
        ("GET /token", &[], "", 405, "method_not_allowed"),
        ("GET /nothing", &[], "", 404, "not_found"),
    ] {
        let (got, answer) = issuer.ask(request, headers, body.as_bytes());
        assert_eq!((got, &answer["error"]), (status, &json!(code)), "{request} {headers:?}");
    }
    assert_eq!(issuer.get("/health").0, 200, "it is still well");
}

#[test]
fn an_es256_token_is_verified_by_what_is_published() {
    let folder = Scratch::new("sg-issuer");
    let key_file = file_in(&folder, "new/key.pem");
    let environment = [("JWT_ALGORITHM", "ES256"), ("DEV_ISSUER_KEY_FILE", key_file.as_str())];
    let issuer = Issuer::start(&environment, &[]);

    let (_, discovery) = issuer.get("/.well-known/openid-configuration");
    assert_eq!(discovery["issuer"], json!("the-issuer"));
    assert_eq!(discovery["jwks_uri"], json!(format!("http://{}/jwks.json", issuer.address)));
    let (status, keys) = issuer.get("/jwks.json");
    assert_eq!(status, 200);
    assert_eq!(keys["keys"][0].get("d"), None, "the private half is not published");
    let keys: JwkSet = serde_json::from_value(keys).unwrap();

    let (_, answer) = issuer.post(&[], &json!({"user_id": "ann"}));
    let token = answer["access_token"].as_str().unwrap();
    let verify_published = |token: &str| {
        let key_id = decode_header(token).unwrap().kid.expect("a key id");
        let key = DecodingKey::from_jwk(keys.find(&key_id).expect("a published key")).unwrap();
        verify(token, &key, Algorithm::ES256)
    };
    assert_eq!(verify_published(token)["sub"], json!("ann"));

    // The key is private, and the same for whoever comes later.
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(Path::new(&key_file)), 0o600);
    assert_eq!(mode(Path::new(&key_file).parent().unwrap()), 0o700);
    let printed = run(&environment, &["token", "--user-id", "bob"]);
    let token = String::from_utf8(printed.stdout).unwrap();
    assert_eq!(verify_published(token.trim())["sub"], json!("bob"));
}

#[test]
fn a_shared_secret_is_never_published() {
    let issuer = Issuer::start(&[("JWT_ALGORITHM", "HS512")], &[]);
    assert_eq!(issuer.get("/jwks.json"), (200, json!({"keys": []})));
    let (_, answer) = issuer.post(&[], &json!({"user_id": "ann"}));
    verify(answer["access_token"].as_str().unwrap(), &hmac(), Algorithm::HS512);
}

#[test]
fn the_command_prints_a_token_of_the_demo_user() {
    let printed = run(&[], &["token"]);
    assert!(printed.status.success());
    let text = String::from_utf8(printed.stdout).unwrap();
    let claims = verify(text.strip_suffix('\n').unwrap(), &hmac(), Algorithm::HS256);
    assert_eq!(claims["sub"], json!("demo"));
    assert_eq!(claims["roles"], json!(["developer"]));
    assert_eq!(claims["workspace"], json!("demo"));
}

#[test]
fn the_command_takes_every_claim() {
    let printed = run(
        &[("JWT_ROLES_CLAIM", "realm_access.roles"), ("JWT_AUDIENCE", "the-gateway, other")],
        &[
            "token",
            "--user-id",
            "ann",
            "--roles",
            "admin,viewer",
            "--workspace",
            "",
            "--api-version",
            "1.1",
            "--expires-in-seconds",
            "60",
            "--groups",
            "g",
            "--agents",
            "a,b",
            "--extra-claims",
            r#"{"email": "e"}"#,
        ],
    );
    let text = String::from_utf8(printed.stdout).unwrap();
    let claims = verify(text.trim(), &hmac(), Algorithm::HS256);
    assert_eq!(claims["realm_access"], json!({"roles": ["admin", "viewer"]}));
    assert_eq!(claims["aud"], json!(["the-gateway", "other"]));
    assert_eq!(claims.get("workspace"), None);
    assert_eq!((&claims["v"], &claims["groups"]), (&json!("1.1"), &json!(["g"])));
    assert_eq!((&claims["agents"], &claims["email"]), (&json!(["a", "b"]), &json!("e")));
}

#[test]
fn the_secret_may_lie_in_a_file() {
    let folder = Scratch::new("sg-issuer");
    let file = file_in(&folder, "secret");
    std::fs::write(&file, format!("{SECRET}\n")).unwrap();
    let environment = [("JWT_SECRET_KEY", ""), ("JWT_SECRET_KEY_FILE", file.as_str())];
    let printed = run(&environment, &["token"]);
    verify(String::from_utf8(printed.stdout).unwrap().trim(), &hmac(), Algorithm::HS256);
}

#[test]
fn it_does_not_start_half_configured() {
    let folder = Scratch::new("sg-issuer");
    let rubbish = file_in(&folder, "rubbish.pem");
    std::fs::write(&rubbish, "rubbish").unwrap();
    let key = ("DEV_ISSUER_KEY_FILE", rubbish.as_str());
    let missing = file_in(&folder, "missing");
    let cases: &[(Environment, &[&str], &str)] = &[
        (&[("JWT_ISSUER", "")], &[], "JWT_ISSUER is not set"),
        (&[("JWT_AUDIENCE", " , ")], &[], "JWT_AUDIENCE is not set"),
        (&[("JWT_SECRET_KEY", "")], &[], "the signing secret is empty"),
        (&[("JWT_SECRET_KEY", "short")], &[], "is shorter than 32 bytes"),
        (&[("JWT_SECRET_KEY_FILE", &missing)], &[], "are both set"),
        (&[("JWT_SECRET_KEY", ""), ("JWT_SECRET_KEY_FILE", &missing)], &[], "cannot read"),
        (&[("JWT_ALGORITHM", "none")], &[], "cannot sign with \"none\""),
        (&[("JWT_ALGORITHM", "ES256"), key], &[], "is not a P-256 private key"),
        (&[], &["--listen", "0.0.0.0:0"], "refusing to listen on 0.0.0.0:0"),
        (&[("DEV_ISSUER_LISTEN", "[::]:0")], &[], "refusing to listen on [::]:0"),
        (&[], &["--listen", "0.0.0.0:0", "--allow-non-loopback"], "needs JWT_ISSUER_ADMIN_TOKEN"),
        (
            &[("JWT_ISSUER_ADMIN_TOKEN", "weak")],
            &["--listen", "0.0.0.0:0", "--allow-non-loopback"],
            "JWT_ISSUER_ADMIN_TOKEN is shorter",
        ),
        (&[], &["token", "--expires-in-seconds", "59"], "between 60 and 86400"),
        (&[], &["token", "--extra-claims", "[]"], "--extra-claims is not a JSON object"),
    ];
    for (environment, arguments, part) in cases {
        let output = run(environment, arguments);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{environment:?} {arguments:?}: {said}");
        assert!(said.contains(part), "{environment:?} {arguments:?}: {said}");
        assert!(output.stdout.is_empty(), "nothing that looks like a token");
    }
}

#[test]
fn a_port_that_is_taken_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = run(&[("DEV_ISSUER_LISTEN", &address)], &[]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(said.contains(&format!("cannot listen on {address}")), "{said}");
}
