//! The configuration files we ship can be loaded as they are.

use std::path::{Path, PathBuf};

use scopegate::settings::{LogFormat, Problem, Settings, Sources};

fn shipped(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("config").join(name)
}

/// What each file says must come by environment.
fn environment(more: &[(&str, &str)]) -> Vec<(String, String)> {
    [("JWT_ISSUER", "https://id.company.org"), ("JWT_AUDIENCE", "mcp")]
        .iter()
        .chain(more)
        .map(|&(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

#[test]
fn development_loads_with_the_secrets_it_asks_for_and_nothing_else() {
    let sources = Sources {
        file: Some(shipped("development.yaml")),
        env: environment(&[
            ("JWT_SECRET_KEY", "b1946ac92492d2347c6235b4d2611184c0de"),
            ("TOOL_GATEWAY_SHARED_SECRET", "7f3c9a52e1b84d06a9d2c4f8e0b17365aa01"),
        ]),
    };
    let (settings, warnings) = Settings::load(&sources).unwrap();
    assert!(warnings.is_empty(), "{warnings:?}");
    assert_eq!(settings.telemetry.log_format, LogFormat::Text);
    assert!(settings.server.listen.ip().is_loopback());
}

#[test]
fn production_loads_with_the_environment_it_names() {
    // The secret's file exists only where it is deployed; an empty name
    // takes it away, and the secret comes by environment.
    let sources = Sources {
        file: Some(shipped("production.yaml")),
        env: environment(&[
            ("JWT_OIDC_DISCOVERY", "true"),
            ("DATABASE_URL", "postgres://gateway:word@db/scopegate?sslmode=verify-full"),
            ("REDIS_URL", "rediss://:word@cache:6379"),
            ("GATEWAY_PUBLIC_URL", "https://mcp.company.org"),
            ("SCOPEGATE__UPSTREAM__SHARED_SECRET_FILE", ""),
            ("TOOL_GATEWAY_SHARED_SECRET", "7f3c9a52e1b84d06a9d2c4f8e0b17365aa01"),
        ]),
    };
    let (settings, warnings) = Settings::load(&sources).unwrap();
    assert!(warnings.is_empty(), "{warnings:?}");
    assert!(!settings.database.auto_migrate);
    assert!(settings.auth.default.allowed_algorithms.iter().all(|name| !name.starts_with("HS")));
}

#[test]
fn production_does_not_start_with_nothing_in_the_environment() {
    let sources = Sources { file: Some(shipped("production.yaml")), env: Vec::new() };
    let problems = Settings::load(&sources).unwrap_err();
    let paths: Vec<&str> = problems.iter().map(Problem::path).collect();
    assert_eq!(paths, ["upstream.shared_secret_file", "auth.default.issuer"]);
}

#[test]
fn the_defaults_are_a_valid_file_themselves() {
    let sources = Sources {
        file: Some(shipped("default.yaml")),
        env: environment(&[
            ("JWT_SECRET_KEY", "b1946ac92492d2347c6235b4d2611184c0de"),
            ("TOOL_GATEWAY_SHARED_SECRET", "7f3c9a52e1b84d06a9d2c4f8e0b17365aa01"),
        ]),
    };
    assert!(Settings::load(&sources).is_ok());
}

#[test]
fn the_registry_and_the_policy_are_without_fault() {
    let sources = Sources {
        file: Some(shipped("development.yaml")),
        env: environment(&[
            ("JWT_SECRET_KEY", "b1946ac92492d2347c6235b4d2611184c0de"),
            ("TOOL_GATEWAY_SHARED_SECRET", "7f3c9a52e1b84d06a9d2c4f8e0b17365aa01"),
        ]),
    };
    let (settings, _) = Settings::load(&sources).unwrap();
    let problems = scopegate::app::check(&settings);
    assert!(problems.is_empty(), "{problems}");
}
