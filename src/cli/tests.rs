//! Whole command lines.

use std::cell::RefCell;

use super::*;

const ENVIRONMENT: [(&str, &str); 4] = [
    ("JWT_ISSUER", "https://id.company.org"),
    ("JWT_AUDIENCE", "mcp"),
    ("JWT_SECRET_KEY", "b1946ac92492d2347c6235b4d2611184c0de"),
    ("TOOL_GATEWAY_SHARED_SECRET", "7f3c9a52e1b84d06a9d2c4f8e0b17365aa01"),
];

/// What a command line led to.
struct Ran {
    exit: Exit,
    out: String,
    err: String,
    calls: Vec<String>,
}

fn run_with(line: &str, env: &[(&str, &str)], checks: &[Check<'_>], fails: bool) -> Ran {
    let calls = RefCell::new(Vec::new());
    let note = |call: String| {
        calls.borrow_mut().push(call);
        if fails { Err(anyhow::anyhow!("no port").context("cannot start")) } else { Ok(()) }
    };
    let commands = Commands {
        logging: &|_| Ok(()),
        serve: &|settings| note(format!("serve {}", settings.server.listen)),
        limits: &|_, of| Ok(format!("limits of {:?} {:?}\n", of.roles, of.tool)),
        audit: &|_, action, output| {
            writeln!(output.out, "{action:?}")?;
            note("audit".to_owned()).map(|()| AuditEnd::Done)
        },
        policy: &|_, action, output| {
            writeln!(output.out, "{action:?}")?;
            note("policy".to_owned()).map(|()| PolicyEnd::Refuted)
        },
        tools: &|_, action, output| {
            writeln!(output.out, "{action:?}")?;
            note("tools".to_owned()).map(|()| ToolsEnd::Differing)
        },
        prove: &|_, command, _| {
            note(format!("prove {command:?}"))?;
            Ok(Exit::Done)
        },
        bridge: &|_| note("bridge".to_owned()),
        migrate: &|_, direction, out| {
            writeln!(out, "migrated")?;
            note(format!("migrate {direction:?}"))
        },
        checks,
    };
    let arguments = std::iter::once("scopegate").chain(line.split_whitespace()).map(OsString::from);
    let env = env.iter().map(|&(name, text)| (name.to_owned(), text.to_owned())).collect();
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let exit = run(arguments, env, &commands, &mut Output { out: &mut out, err: &mut err });
    let calls = calls.into_inner();
    Ran { exit, out: String::from_utf8(out).unwrap(), err: String::from_utf8(err).unwrap(), calls }
}

fn run_line(line: &str) -> Ran {
    run_with(line, &ENVIRONMENT, &[], false)
}

#[test]
fn serving_is_what_happens_without_a_command() {
    for line in ["", "serve"] {
        let ran = run_line(line);
        assert_eq!((ran.exit, ran.calls), (Exit::Done, vec!["serve 127.0.0.1:8080".to_owned()]));
    }
}

#[test]
fn a_failure_while_running_is_exit_code_1_with_all_causes() {
    let ran = run_with("serve", &ENVIRONMENT, &[], true);
    assert_eq!(ran.exit, Exit::Failed);
    assert_eq!(ran.err, "scopegate: cannot start: no port\n");
}

#[test]
fn a_wrong_configuration_is_exit_code_2_and_nothing_runs() {
    for line in ["serve", "check-config"] {
        let ran = run_with(line, &[("SCOPEGATE__SERVER__WORKERS", "many")], &[], false);
        assert_eq!(ran.exit, Exit::Misconfigured);
        assert!(ran.calls.is_empty());
        assert!(ran.err.starts_with("3 problems in the configuration:\n"), "{}", ran.err);
        assert!(ran.out.is_empty());
    }
}

#[test]
fn check_config_prints_the_configuration_without_secrets() {
    let mut env = ENVIRONMENT.to_vec();
    env.push(("SCOPEGATE__AUDIT__ARGUMENTS", "full"));
    let ran = run_with("check-config", &env, &[], false);
    assert_eq!(ran.exit, Exit::Done);
    assert!(ran.out.contains("secret_key: \"********\"  # JWT_SECRET_KEY\n"), "{}", ran.out);
    for (_, secret) in &ENVIRONMENT[2..] {
        assert!(!ran.out.contains(secret) && !ran.err.contains(secret));
    }
    assert!(ran.err.starts_with("warning: environment variable SCOPEGATE__AUDIT__ARGUMENTS"));
    assert!(ran.calls.is_empty());
}

#[test]
fn check_config_tells_the_limits_of_a_role_and_a_tool() {
    let ran = run_line("check-config --role dev --role ops --tool add");
    assert_eq!(ran.exit, Exit::Done);
    assert_eq!(ran.out, "limits of [\"dev\", \"ops\"] Some(\"add\")\n");
}

#[test]
fn problems_of_other_rooms_are_in_the_same_list() {
    let policy: Check<'_> = &|_| {
        let problem = Problem::new("roles.admin", "has no rule");
        [problem.in_file("policy.yaml", Some((3, 1)))].into_iter().collect()
    };
    let keys: Check<'_> = &|_| {
        [
            Problem::new("auth.default.audience", "is missing"),
            Problem::new("auth.default.issuer", "is missing, says another room"),
        ]
        .into_iter()
        .collect()
    };
    let env = &ENVIRONMENT[2..];
    let ran = run_with("serve", env, &[policy, keys], false);
    assert_eq!(ran.exit, Exit::Misconfigured);
    insta::assert_snapshot!(ran.err, @r"
    3 problems in the configuration:
      1. auth.default.issuer: no issuer is configured, so nobody could be let in (environment: JWT_ISSUER or SCOPEGATE__AUTH__DEFAULT__ISSUER)
      2. policy.yaml:3:1: roles.admin: has no rule
      3. auth.default.audience: is missing (environment: JWT_AUDIENCE or SCOPEGATE__AUTH__DEFAULT__AUDIENCE)
    ");
    let ran = run_with("check-config", &ENVIRONMENT, &[policy], false);
    assert_eq!(ran.exit, Exit::Misconfigured);
}

#[test]
fn a_migration_needs_only_the_database() {
    let ran = run_with("migrate up", &[("DATABASE_URL", "sqlite::memory:")], &[], false);
    assert_eq!((ran.exit, ran.out.as_str()), (Exit::Done, "migrated\n"), "{}", ran.err);
    assert_eq!(ran.calls, ["migrate Up"]);
    let ran = run_with("migrate down --steps 2", &[], &[], false);
    assert_eq!(ran.calls, ["migrate Down { steps: 2 }"]);
    assert_eq!(run_with("migrate status", &[], &[], false).calls, ["migrate Status"]);
    assert_eq!(run_with("migrate down --steps 0", &[], &[], false).exit, Exit::Misconfigured);
    let ran = run_with("migrate up", &[("DATABASE_URL", "mysql://h")], &[], false);
    assert_eq!((ran.exit, ran.calls.len()), (Exit::Misconfigured, 0));
    let ran = run_with("migrate up --config /does/not/exist", &[], &[], false);
    assert_eq!((ran.exit, ran.calls.len()), (Exit::Misconfigured, 0));
}

#[test]
fn a_bridge_needs_none_of_the_settings() {
    let ran = run_with("bridge --token-file f", &[], &[], false);
    assert_eq!((ran.exit, ran.calls.as_slice()), (Exit::Done, ["bridge".to_owned()].as_slice()));
    assert_eq!(run_with("bridge", &[("SCOPEGATE_TOKEN", "t")], &[], true).exit, Exit::Failed);
    let ran = run_with("bridge --endpoint nonsense --config f", &[], &[], false);
    assert_eq!((ran.exit, ran.calls.len(), ran.err.lines().count()), (Exit::Misconfigured, 0, 3));
}

#[test]
fn the_help_of_the_bridge_is_complete() {
    insta::assert_snapshot!(run_line("bridge --help").out);
}

#[test]
fn the_file_comes_from_the_flag_or_else_from_the_environment() {
    let ran = run_with("check-config", &[("SCOPEGATE_CONFIG", "/from/environment")], &[], false);
    assert!(ran.err.contains("/from/environment"));
    let env = [("SCOPEGATE_CONFIG", "/from/environment")];
    let ran = run_with("check-config --config /from/flag", &env, &[], false);
    assert!(ran.err.contains("/from/flag") && !ran.err.contains("/from/environment"));
    let mut env = ENVIRONMENT.to_vec();
    env.push(("SCOPEGATE_CONFIG", ""));
    assert_eq!(run_with("check-config", &env, &[], false).exit, Exit::Done);
}

#[test]
fn a_health_check_of_nobody_fails_and_of_nonsense_is_a_mistake() {
    // Held on one loopback address, the port is nobody's on the other.
    let held = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("127.0.0.2:{}", held.local_addr().unwrap().port());
    let env = [("SCOPEGATE__SERVER__LISTEN", address.as_str())];
    // The rest of the configuration is missing; that does not matter here.
    assert_eq!(run_with("healthcheck", &env, &[], false).exit, Exit::Failed);
    assert_eq!(run_line("healthcheck --url ftp://x").exit, Exit::Misconfigured);
}

#[test]
fn help_and_version_are_answers_and_mistakes_are_not() {
    let help = run_line("--help");
    assert_eq!(help.exit, Exit::Done);
    insta::assert_snapshot!(help.out);
    let version = concat!("scopegate ", env!("CARGO_PKG_VERSION"), "\n");
    assert_eq!(run_line("version").out, version);
    assert_eq!(run_line("--version").out, version);
    let mistake = run_line("sevre");
    assert_eq!(mistake.exit, Exit::Misconfigured);
    assert!(mistake.err.contains("serve"), "{}", mistake.err);
    assert!(mistake.out.is_empty());
}
