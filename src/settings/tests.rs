//! Loading as a whole.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde_yaml::Value;

use super::*;
use crate::secret::Secret;

const SHARED: &str = "7f3c9a52e1b84d06a9d2c4f8e0b17365aa01";
const KEY: &str = "b1946ac92492d2347c6235b4d2611184c0de";
const SESSION_KEY: &str = "0a5c3e7f9b1d2846a0c4e8f1b3d5f7092b4d";

/// A folder of this test alone, removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let path =
            std::env::temp_dir().join(format!("scopegate-settings-{}", uuid::Uuid::new_v4()));
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        self.file_with_mode(name, text, 0o600)
    }

    fn file_with_mode(&self, name: &str, text: &str, mode: u32) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        path
    }

    /// A text without this folder's name.
    fn relative(&self, text: &str) -> String {
        text.replace(&format!("{}/", self.0.display()), "")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // Not being able to clean up is no reason to fail.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The least environment that a gateway starts with, and more.
fn environment(more: &[(&str, &str)]) -> Vec<(String, String)> {
    [("JWT_ISSUER", "https://id.company.org"), ("JWT_AUDIENCE", "mcp"), ("JWT_SECRET_KEY", KEY)]
        .into_iter()
        .chain([("TOOL_GATEWAY_SHARED_SECRET", SHARED)])
        .filter(|(name, _)| !more.iter().any(|(other, _)| other == name))
        .chain(more.iter().copied())
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

fn load_env(more: &[(&str, &str)]) -> Result<(Settings, Vec<Warning>), Problems> {
    Settings::load(&Sources { file: None, env: environment(more) })
}

fn load_file(path: &Path) -> Result<(Settings, Vec<Warning>), Problems> {
    Settings::load(&Sources { file: Some(path.to_owned()), env: environment(&[]) })
}

fn keys(value: &Value, path: &str, found: &mut BTreeSet<String>) {
    if let Value::Mapping(entries) = value {
        for (key, inner) in entries {
            let here = format!("{path}.{}", key.as_str().unwrap());
            found.insert(here.clone());
            keys(inner, &here, found);
        }
    }
}

#[test]
fn the_defaults_name_every_field() {
    let defaults: Value = serde_yaml::from_str(DEFAULTS).unwrap();
    let settings: Settings = serde_yaml::from_str(DEFAULTS).unwrap();
    let (mut written, mut typed) = (BTreeSet::new(), BTreeSet::new());
    keys(&defaults, "", &mut written);
    keys(&serde_yaml::to_value(&settings).unwrap(), "", &mut typed);
    assert_eq!(written, typed);
}

#[test]
fn a_further_issuer_has_the_defaults_of_the_first() {
    let settings: Settings = serde_yaml::from_str(DEFAULTS).unwrap();
    let shown = |issuer: &IssuerSettings| serde_yaml::to_string(issuer).unwrap();
    assert_eq!(shown(&settings.auth.default), shown(&IssuerSettings::default()));
}

#[test]
fn the_least_environment_is_enough_and_gives_no_warning() {
    let (settings, warnings) = load_env(&[]).unwrap();
    assert_eq!(warnings, []);
    assert_eq!(settings.auth.default.issuer, "https://id.company.org");
    assert_eq!(settings.server.listen.port(), 8080);
}

#[test]
fn nothing_configured_is_refused() {
    let problems = Settings::load(&Sources::default()).unwrap_err();
    insta::assert_snapshot!(problems.to_string(), @r"
    2 problems in the configuration:
      1. auth.default.issuer: no issuer is configured, so nobody could be let in (environment: JWT_ISSUER or SCOPEGATE__AUTH__DEFAULT__ISSUER)
      2. upstream.shared_secret: is missing: tools could not tell the gateway from anybody else (environment: TOOL_GATEWAY_SHARED_SECRET or SCOPEGATE__UPSTREAM__SHARED_SECRET)
    ");
}

type Row = (&'static str, &'static str, fn(&Settings) -> String);

/// C-18 and the names that extend it: each reaches its setting.
#[test]
fn every_environment_name_maps() {
    let rows: [Row; 25] = [
        ("JWT_ALGORITHM", "HS512", |s| s.auth.default.algorithm.clone()),
        ("JWT_ALLOWED_ALGORITHMS", "HS512, HS256", |s| s.auth.default.allowed_algorithms.join("+")),
        ("JWT_ISSUER", "https://i", |s| s.auth.default.issuer.clone()),
        ("JWT_AUDIENCE", "a,b", |s| s.auth.default.audience.join("+")),
        ("JWT_MAX_TOKEN_AGE_MINUTES", "0", |s| s.auth.default.max_token_age_minutes.to_string()),
        ("JWT_CLOCK_SKEW_SECONDS", "7", |s| s.auth.default.clock_skew_seconds.to_string()),
        ("JWT_USER_ID_CLAIM", "uid", |s| s.auth.default.claims.user_id.clone()),
        ("JWT_EXP_CLAIM", "expires", |s| s.auth.default.claims.exp.clone()),
        ("JWT_IAT_CLAIM", "issued", |s| s.auth.default.claims.iat.clone()),
        ("JWT_TENANT_CLAIM", "tenant", |s| s.auth.default.claims.tenant.clone()),
        ("JWT_API_VERSION_CLAIM", "ver", |s| s.auth.default.claims.api_version.clone()),
        ("JWT_ROLES_CLAIM", "realm_access.roles", |s| s.auth.default.claims.roles.clone()),
        ("JWT_AGENT_CLAIM", "azp", |s| s.auth.default.claims.agent.clone()),
        ("JWT_ALLOWED_API_VERSIONS", "1.1,1.10", |s| s.auth.default.allowed_api_versions.join("+")),
        ("JWT_PUBLIC_KEY_FILE", "/k.pem", |s| format!("{:?}", s.auth.default.public_key_file)),
        ("JWT_JWKS_FILE", "/k.json", |s| format!("{:?}", s.auth.default.jwks_file)),
        ("JWT_JWKS_URL", "https://i/keys", |s| format!("{:?}", s.auth.default.jwks_url)),
        ("JWT_OIDC_DISCOVERY", "True", |s| s.auth.default.oidc_discovery.to_string()),
        ("DATABASE_URL", "postgresql+asyncpg://u:p@h/d", |s| s.database.url.expose().to_owned()),
        ("REDIS_URL", "redis://h:1", |s| format!("{:?}", s.redis.url.as_ref().map(Secret::expose))),
        ("DEBUG", "true", |s| s.telemetry.log_level.clone()),
        ("MCP_LOG_LEVEL", "WARNING", |s| s.telemetry.log_level.clone()),
        ("GATEWAY_PUBLIC_URL", "https://g", |s| s.server.public_url.to_string()),
        ("APP_NAME", "Mine", |s| s.telemetry.app_name.clone()),
        ("SCOPEGATE__AUTH__DEFAULT__CLAIMS__ROLES", "groups", |s| {
            s.auth.default.claims.roles.clone()
        }),
    ];
    let mut seen = String::new();
    for (name, text, read) in rows {
        let settings = load_env(&[(name, text)]).unwrap().0;
        writeln!(seen, "{name} -> {}", read(&settings)).unwrap();
    }
    insta::assert_snapshot!(seen, @r#"
    JWT_ALGORITHM -> HS512
    JWT_ALLOWED_ALGORITHMS -> HS512+HS256
    JWT_ISSUER -> https://i
    JWT_AUDIENCE -> a+b
    JWT_MAX_TOKEN_AGE_MINUTES -> 0
    JWT_CLOCK_SKEW_SECONDS -> 7
    JWT_USER_ID_CLAIM -> uid
    JWT_EXP_CLAIM -> expires
    JWT_IAT_CLAIM -> issued
    JWT_TENANT_CLAIM -> tenant
    JWT_API_VERSION_CLAIM -> ver
    JWT_ROLES_CLAIM -> realm_access.roles
    JWT_AGENT_CLAIM -> azp
    JWT_ALLOWED_API_VERSIONS -> 1.1+1.10
    JWT_PUBLIC_KEY_FILE -> Some("/k.pem")
    JWT_JWKS_FILE -> Some("/k.json")
    JWT_JWKS_URL -> Some(Url { scheme: "https", cannot_be_a_base: false, username: "", password: None, host: Some(Domain("i")), port: None, path: "/keys", query: None, fragment: None })
    JWT_OIDC_DISCOVERY -> true
    DATABASE_URL -> postgres://u:p@h/d
    REDIS_URL -> Some("redis://h:1")
    DEBUG -> debug
    MCP_LOG_LEVEL -> warn
    GATEWAY_PUBLIC_URL -> https://g/
    APP_NAME -> Mine
    SCOPEGATE__AUTH__DEFAULT__CLAIMS__ROLES -> groups
    "#);
}

/// Every setting of the defaults can be set by its own name, to its default.
#[test]
fn every_setting_has_a_name_in_the_environment() {
    let schema = schema::Schema::of(&document::Node::parse(DEFAULTS).unwrap());
    let defaults: Value = serde_yaml::from_str(DEFAULTS).unwrap();
    for path in schema.paths() {
        let value = path.split('.').fold(&defaults, |value, key| &value[key]);
        let text = match value {
            Value::String(text) => text.clone(),
            Value::Null | Value::Sequence(_) => String::new(),
            Value::Bool(_) | Value::Number(_) | Value::Mapping(_) | Value::Tagged(_) => {
                serde_yaml::to_string(value).unwrap()
            }
        };
        let env = vec![(names::own_name(&path), text)];
        let problems = Settings::load(&Sources { file: None, env }).unwrap_err();
        // Only what is missing from the defaults anyway.
        assert_eq!(problems.len(), 2, "{path}: {problems}");
    }
}

/// V-86: the values reach the room that judges them, neither repaired nor
/// replaced by the default.
#[test]
fn v86_no_algorithm_and_the_algorithm_none_are_passed_on_as_they_are() {
    let allowed = |text| {
        let settings = load_env(&[("JWT_ALLOWED_ALGORITHMS", text)]).unwrap().0;
        settings.auth.default.allowed_algorithms
    };
    assert_eq!(allowed(""), Vec::<String>::new());
    assert_eq!(allowed(" , "), Vec::<String>::new());
    assert_eq!(allowed("none"), ["none"]);
}

#[test]
fn all_problems_of_all_layers_are_listed_at_once() {
    let folder = Folder::new();
    let file = folder.file(
        "gateway.yaml",
        "server:\n  listen: eighty\n  lisen: 1\n  max_body_bytes: 12\n  trusted_proxies: [10.0.0.0/8, nonsense]\n\
         quota:\n  user: { per_minute: 0, burst: -1 }\n  on_failure: perhaps\n\
         upstream:\n  shared_secret: 12345\n  timeout_ms: 0\n  timeout_ms: 5\n\
         auth:\n  issuers:\n    - issuer: https://other\n      claims: { rolls: x }\n      jwks_url: not a url\n\
         database: { url: mysql://root:hunter2@h/d }\n\
         telemetry: { app_name: 5 }\n",
    );
    let env = environment(&[
        ("TOOL_GATEWAY_SHARED_SECRET", "changeme"),
        ("SCOPEGATE__REDIS__URL", "http://:hunter2@cache"),
        ("SCOPEGATE__REDIS__TIMEOUT_MS", "soon"),
        ("SCOPEGATE__SERVER__LISTENN", "x"),
        ("JWT_SECRET_KEY", "short"),
        ("MCP_LOG_LEVEL", "chatty=very"),
    ]);
    let problems = Settings::load(&Sources { file: Some(file), env }).unwrap_err();
    let shown = folder.relative(&problems.to_string());
    assert!(!shown.contains("hunter2") && !shown.contains("12345"));
    insta::assert_snapshot!(shown);
}

#[test]
fn layers_lie_over_each_other() {
    let folder = Folder::new();
    let file = folder.file(
        "g.yaml",
        "telemetry: { app_name: file, log_level: warn }\nauth: { default: { audience: [file, two] } }\n",
    );
    let env = environment(&[("APP_NAME", "environment"), ("JWT_AUDIENCE", "environment")]);
    let (settings, _) = Settings::load(&Sources { file: Some(file), env }).unwrap();
    assert_eq!(settings.telemetry.app_name, "environment");
    assert_eq!(settings.telemetry.log_level, "warn");
    assert_eq!(settings.telemetry.log_format, LogFormat::Json);
    assert_eq!(settings.auth.default.audience, ["environment"]);
}

#[test]
fn secrets_are_taken_as_they_are() {
    // Weak on purpose: the complaint shows which text was judged.
    for odd in ["007", "1e5", "true", " x ", "[a, b]", "a: b"] {
        let settings = Settings::load_leniently(&Sources {
            file: None,
            env: environment(&[("JWT_SECRET_KEY", odd)]),
        });
        let secret = settings.settings.unwrap().auth.default.secret_key.unwrap();
        assert_eq!(secret.expose(), odd);
    }
}

#[test]
fn secrets_show_neither_in_the_effective_configuration_nor_in_debug() {
    let issuers = format!("[{{issuer: b, audience: [x], secret_key: {KEY}9}}]");
    let (settings, _) = load_env(&[
        ("DATABASE_URL", "postgres://u:hunter2@h/d"),
        ("REDIS_URL", "redis://:hunter2@h"),
        ("SCOPEGATE__AUTH__ISSUERS", &issuers),
        ("SCOPEGATE__SESSIONS__KEY", SESSION_KEY),
        ("SCOPEGATE__SESSIONS__PREVIOUS_KEYS", &format!("{KEY}8,{KEY}9")),
    ])
    .unwrap();
    let effective = settings.effective();
    for text in [&effective, &format!("{settings:?}"), &serde_yaml::to_string(&settings).unwrap()] {
        for secret in [SHARED, KEY, SESSION_KEY, "hunter2"] {
            assert!(!text.contains(secret), "{text}");
        }
    }
    insta::assert_snapshot!(effective);
    // What is shown is valid, and names every setting.
    let again: Value = serde_yaml::from_str(&effective).unwrap();
    let (mut shown, mut wanted) = (BTreeSet::new(), BTreeSet::new());
    keys(&again, "", &mut shown);
    keys(&serde_yaml::from_str(DEFAULTS).unwrap(), "", &mut wanted);
    assert_eq!(shown, wanted);
}

#[test]
fn a_secret_file_is_read_without_its_last_line_end() {
    let folder = Folder::new();
    let key = folder.file("key", &format!("{KEY}\r\n"));
    let shared = folder.file_with_mode("shared", &format!("{SHARED}\n"), 0o644);
    let file = folder.file(
        "g.yaml",
        &format!(
            "auth: {{default: {{issuer: i, audience: [a], secret_key_file: {}}}}}\n\
             upstream: {{shared_secret_file: {}}}\n",
            key.display(),
            shared.display()
        ),
    );
    let (settings, warnings) = Settings::load(&Sources { file: Some(file), env: vec![] }).unwrap();
    assert_eq!(settings.auth.default.secret_key.as_ref().unwrap().expose(), KEY);
    assert_eq!(settings.upstream.shared_secret.as_ref().unwrap().expose(), SHARED);
    // One source each, also for whoever counts them.
    assert_eq!(settings.auth.default.secret_key_file, None);
    assert!(settings.validate().is_empty());
    assert!(
        folder
            .relative(&settings.effective())
            .contains("shared_secret: \"********\"  # file shared")
    );
    let warnings: Vec<String> =
        warnings.iter().map(|warning| folder.relative(warning.message())).collect();
    assert_eq!(warnings, ["everybody on the machine may read shared"]);
}

#[test]
fn a_secret_file_that_is_missing_or_one_source_too_many_is_a_problem() {
    let folder = Folder::new();
    let key = folder.file("key", KEY).display().to_string();
    let problems = load_env(&[
        ("JWT_SECRET_KEY_FILE", &key),
        ("SCOPEGATE__UPSTREAM__SHARED_SECRET_FILE", "/x"),
    ])
    .unwrap_err();
    let messages: Vec<&str> = problems.iter().map(Problem::message).collect();
    assert_eq!(
        messages,
        [
            "is set as well as upstream.shared_secret_file; keep one of them",
            "is set as well as auth.default.secret_key_file; keep one of them"
        ]
    );
    let missing = folder.0.join("missing").display().to_string();
    let problems =
        load_env(&[("JWT_SECRET_KEY", ""), ("JWT_SECRET_KEY_FILE", &missing)]).unwrap_err();
    insta::assert_snapshot!(folder.relative(&problems.to_string()), @r"
    1 problem in the configuration:
      1. environment variable JWT_SECRET_KEY_FILE: auth.default.secret_key_file: missing cannot be read: No such file or directory (os error 2)
    ");
    let folder_itself = folder.0.display().to_string();
    let problems =
        load_env(&[("JWT_SECRET_KEY", ""), ("JWT_SECRET_KEY_FILE", &folder_itself)]).unwrap_err();
    assert!(problems.to_string().contains("is not a file"));
}

#[test]
fn a_half_written_file_is_refused() {
    let folder = Folder::new();
    for (name, text, complaint) in [
        ("empty", "", "holds no setting"),
        ("comment", "# nothing yet\n", "holds no setting"),
        ("cut-key", "server:\n  listen: 127.0.0.1:1\n  wor", "could not find expected ':'"),
        ("cut-section", "server:\n", "server: holds no setting"),
        ("cut-flow", "quota:\n  user: { per_minute: 5,", "did not find expected"),
        ("scalar", "serv", "must be a section with settings, not a text"),
        ("list", "[1, 2]", "must be a section with settings, not a list"),
        ("control", "server: \u{1}", "control characters"),
        (
            "duplicate",
            "quota: {}\nserver: {}\nquota: {}\n",
            "duplicate:3:1: quota: appears a second time",
        ),
    ] {
        let problems = load_file(&folder.file(name, text)).unwrap_err();
        let shown = folder.relative(&problems.to_string());
        assert!(shown.contains(complaint), "{name}: {shown}");
    }
}

#[test]
fn a_file_that_cannot_be_read_is_refused() {
    let folder = Folder::new();
    let shown = |path: &Path| load_file(path).unwrap_err().to_string();
    assert!(shown(&folder.0.join("missing")).contains("No such file"));
    assert!(shown(&folder.0).contains("is not a file"));
    let large = folder.file("large", &"#".repeat(1024 * 1024 + 1));
    assert!(shown(&large).contains("is larger than 1048576 bytes"));
    let binary = folder.0.join("binary");
    std::fs::write(&binary, [0xff, 0xfe, 0x00]).unwrap();
    assert!(shown(&binary).contains("valid UTF-8"));
}

#[test]
fn a_hostile_file_costs_little() {
    let folder = Folder::new();
    let mut text = String::from("server:\n");
    for number in 0..2_000 {
        writeln!(text, "  key{number}: x").unwrap();
    }
    let problems = load_file(&folder.file("many", &text)).unwrap_err();
    assert!(problems.len() >= 100);
    assert!(problems.to_string().lines().count() < 110);
    let bomb = "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\n\
                d: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: [*e,*e,*e,*e,*e,*e,*e,*e,*e]\n";
    assert!(load_file(&folder.file("bomb", bomb)).is_err());
}

#[test]
fn a_readable_configuration_file_with_a_secret_is_a_warning() {
    let folder = Folder::new();
    let text = format!("upstream: {{shared_secret: {SHARED}}}\n");
    let file = folder.file_with_mode("g.yaml", &text, 0o644);
    let (_, warnings) = load_file(&file).unwrap();
    assert_eq!(warnings.len(), 1, "{warnings:?}");
}

/// One bad value each, and the words about it.
#[test]
fn values_out_of_range_are_refused() {
    for (name, text, complaint) in [
        ("SCOPEGATE__SERVER__MAX_BODY_BYTES", "1023", "must be from 1024 to 67108864, not 1023"),
        ("SCOPEGATE__SERVER__MAX_BODY_BYTES", "67108865", "must be from 1024"),
        ("SCOPEGATE__SERVER__METRICS_LISTEN", "127.0.0.1:8080", "must not be the address of"),
        ("SCOPEGATE__SERVER__METRICS_LISTEN", "0.0.0.0:8080", "must not be the address of"),
        ("SCOPEGATE__SERVER__ALLOWED_HOSTS", "https://x", "must be a host name"),
        ("SCOPEGATE__SERVER__ALLOWED_HOSTS", "x:80", "without port"),
        ("SCOPEGATE__SERVER__ALLOWED_ORIGINS", "https://x/", "must be an origin"),
        ("SCOPEGATE__SERVER__ALLOWED_ORIGINS", "*", "must be an origin"),
        ("GATEWAY_PUBLIC_URL", "ftp://x", "must begin with http"),
        ("GATEWAY_PUBLIC_URL", "https://x/?a=b", "query"),
        ("GATEWAY_PUBLIC_URL", "https://x/#a", "fragment"),
        ("GATEWAY_PUBLIC_URL", "https://x/y/", "must not end with a slash"),
        ("GATEWAY_PUBLIC_URL", "https://u:p@x", "user name or password"),
        ("GATEWAY_PUBLIC_URL", "x", "relative URL"),
        ("JWT_JWKS_URL", "https://u:p@x", "user name or password"),
        ("JWT_CLOCK_SKEW_SECONDS", "601", "must be from 0 to 600"),
        ("JWT_CLOCK_SKEW_SECONDS", "-1", "expected a whole number"),
        ("JWT_CLOCK_SKEW_SECONDS", "99999999999999999999999", "expected a whole number"),
        ("JWT_USER_ID_CLAIM", "", "must not be empty"),
        ("SCOPEGATE__QUOTA__USER__PER_MINUTE", "0", "must be from 1"),
        ("SCOPEGATE__QUOTA__USER_TOOL__BURST", "0", "must be from 1"),
        ("SCOPEGATE__UPSTREAM__TIMEOUT_MS", "300001", "must be from 1 to 300000"),
        ("SCOPEGATE__UPSTREAM__CONNECT_TIMEOUT_MS", "0", "must be from 1"),
        ("SCOPEGATE__SESSIONS__IDLE_SECONDS", "0", "must be from 1 to 604800"),
        ("SCOPEGATE__SESSIONS__MAX_AGE_SECONDS", "59", "must be from 60 to 2592000"),
        ("SCOPEGATE__SESSIONS__MAX_PER_CALLER", "0", "must be from 1"),
        ("SCOPEGATE__SESSIONS__MAX_TRACKED", "10000001", "must be from 1"),
        ("SCOPEGATE__SESSIONS__KEY", "0123456789", "is shorter than 32 bytes"),
        ("SCOPEGATE__SESSIONS__KEY", SHARED, "must differ from upstream.shared_secret"),
        ("SCOPEGATE__SESSIONS__PREVIOUS_KEYS", "0123456789", "is shorter than 32 bytes"),
        (
            "SCOPEGATE__AUDIT__MAX_BACKLOG_BYTES",
            "4096",
            "must not be less than audit.segment_bytes",
        ),
        ("SCOPEGATE__AUDIT__ARGUMENTS", "everything", "unknown variant"),
        ("DATABASE_URL", "mysql://h/d", "must begin with sqlite:// or postgres://"),
        ("DATABASE_URL", "postgres://h", "must be postgres://USER"),
        ("REDIS_URL", "memcached://h", "must be redis[s]://"),
        ("SCOPEGATE__REDIS__KEY_PREFIX", "a{b}", "letters, digits"),
        ("MCP_LOG_LEVEL", "loud", "must be error, warn"),
        ("MCP_LOG_LEVEL", "", "must be error, warn"),
        ("APP_NAME", "a\nb", "one line"),
        ("TOOL_GATEWAY_SHARED_SECRET", "", "is missing"),
        ("TOOL_GATEWAY_SHARED_SECRET", "0123456789", "is shorter than 32 bytes"),
        ("TOOL_GATEWAY_SHARED_SECRET", KEY, "must differ from upstream.shared_secret"),
        ("JWT_SECRET_KEY", "your-secret-your-secret-your-secret", "looks like a sample value"),
    ] {
        let problems = load_env(&[(name, text)]).unwrap_err();
        let shown = problems.to_string();
        assert_eq!(problems.len(), 1, "{name}={text}: {shown}");
        assert!(shown.contains(complaint), "{name}={text}: {shown}");
        assert!(shown.contains(name) || shown.contains("JWT_SECRET_KEY"), "{shown}");
    }
}

#[test]
fn whoever_names_authorities_of_redis_asks_for_tls() {
    const NAME: &str = "SCOPEGATE__REDIS__CA_FILE";
    for url in ["redis://h:1", "redis+cluster://h:1", "redis+sentinel://h:1/main"] {
        let problems = load_env(&[("REDIS_URL", url), (NAME, "/ca.pem")]).unwrap_err();
        let shown = problems.to_string();
        assert_eq!(problems.len(), 1, "{url}: {shown}");
        assert!(shown.contains("is for TLS only") && shown.contains(NAME), "{url}: {shown}");
    }
    for url in ["rediss://h:1", "rediss+cluster://h:1", "rediss+sentinel://h:1/main"] {
        let (settings, warnings) = load_env(&[("REDIS_URL", url), (NAME, "/ca.pem")]).unwrap();
        assert_eq!(settings.redis.ca_file.as_deref(), Some(Path::new("/ca.pem")));
        assert_eq!(warnings, [], "{url}");
    }
    assert!(load_env(&[("REDIS_URL", "redis://h:1"), (NAME, "")]).is_ok());
}

#[test]
fn values_at_the_edge_of_their_range_are_accepted() {
    for (name, text) in [
        ("SCOPEGATE__SERVER__MAX_BODY_BYTES", "1024"),
        ("SCOPEGATE__SERVER__MAX_BODY_BYTES", "67108864"),
        ("SCOPEGATE__SERVER__METRICS_LISTEN", "127.0.0.1:0"),
        ("SCOPEGATE__SERVER__ALLOWED_HOSTS", "gateway.company.org,[::1]"),
        ("SCOPEGATE__SERVER__ALLOWED_ORIGINS", "https://app.company.org:8443"),
        ("GATEWAY_PUBLIC_URL", "https://company.org/gateway"),
        ("GATEWAY_PUBLIC_URL", "http://localhost:8000/"),
        ("JWT_CLOCK_SKEW_SECONDS", "600"),
        ("SCOPEGATE__QUOTA__USER__PER_MINUTE", "4294967295"),
        ("SCOPEGATE__UPSTREAM__TIMEOUT_MS", "300000"),
        ("DATABASE_URL", "sqlite::memory:"),
        ("REDIS_URL", ""),
        ("MCP_LOG_LEVEL", "info,scopegate=debug,sqlx=warn"),
    ] {
        let (_, warnings) = load_env(&[(name, text)]).unwrap();
        assert_eq!(warnings, [], "{name}={text}");
    }
}

#[test]
fn doubtful_values_are_warnings() {
    for (name, text, warning) in [
        ("SCOPEGATE__SERVER__METRICS_LISTEN", "0.0.0.0:9090", "metrics must not be published"),
        ("SCOPEGATE__SERVER__ALLOWED_HOSTS", "*", "Host header off"),
        ("SCOPEGATE__SERVER__TRUSTED_PROXIES", "0.0.0.0/0", "trusts everybody"),
        ("GATEWAY_PUBLIC_URL", "http://gateway.company.org", "is not https"),
        ("SCOPEGATE__QUOTA__ON_FAILURE", "allow", "uncounted"),
        ("SCOPEGATE__AUDIT__ARGUMENTS", "full", "secrets included"),
    ] {
        let (_, warnings) = load_env(&[(name, text)]).unwrap();
        assert_eq!(warnings.len(), 1, "{name}={text}: {warnings:?}");
        assert!(warnings[0].to_string().contains(warning), "{}", warnings[0]);
    }
}

#[test]
fn a_problem_of_another_room_is_located() {
    let (settings, _) = load_env(&[]).unwrap();
    let shown = |path: &str| settings.locate(Problem::new(path, "is wrong")).to_string();
    assert_eq!(
        shown("auth.default.secret_key"),
        "environment variable JWT_SECRET_KEY: auth.default.secret_key: is wrong"
    );
    assert_eq!(
        shown("auth.default.jwks_url"),
        "auth.default.jwks_url: is wrong (environment: JWT_JWKS_URL or \
         SCOPEGATE__AUTH__DEFAULT__JWKS_URL)"
    );
    let elsewhere = Problem::new("roles.x", "is wrong").in_file("policy.yaml", Some((1, 2)));
    assert_eq!(settings.locate(elsewhere.clone()), elsewhere);
}
