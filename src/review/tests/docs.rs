//! `docs/policy.md`, executed.

use std::ffi::OsString;
use std::time::Duration;

use chrono::DateTime;

use super::super::{cases, invariants};
use crate::cli::{self, Commands, Exit, Output};
use crate::policy::{Active, Beside};
use crate::registry::{Bounds, Registry};

const PAGE: &str = include_str!("../../../docs/policy.md");

/// The fenced blocks: what follows the fence, and the text.
fn blocks() -> Vec<(&'static str, String)> {
    let mut found = Vec::new();
    let mut lines = PAGE.lines();
    while let Some(line) = lines.next() {
        if let Some(info) = line.strip_prefix("```") {
            let body: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
            found.push((info, body.join("\n")));
        }
    }
    found
}

fn run(arguments: &[String], files: [&std::path::Path; 2]) -> (Exit, String) {
    let env = vec![
        ("SCOPEGATE__POLICY__FILE".to_owned(), files[0].display().to_string()),
        ("SCOPEGATE__REGISTRY__FILE".to_owned(), files[1].display().to_string()),
    ];
    let commands = Commands {
        logging: &|_| Ok(()),
        serve: &|_| Ok(()),
        migrate: &|_, _, _| Ok(()),
        limits: &|_, _| Ok(String::new()),
        audit: &|_, _, _| Ok(cli::AuditEnd::Done),
        prove: &|_, _, _| Ok(Exit::Done),
        policy: &|settings, action, output| crate::app::policy(settings, action, output),
        tools: &|_, _, _| Ok(cli::ToolsEnd::Done),
        bridge: &|_| Ok(()),
        checks: &[],
    };
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let mut output = Output { out: &mut out, err: &mut err };
    let exit = cli::run(arguments.iter().map(OsString::from), env, &commands, &mut output);
    let told = String::from_utf8(out).unwrap();
    assert_eq!(String::from_utf8(err).unwrap(), "", "{arguments:?}");
    (exit, told)
}

/// Words of a command line; `'` holds some together.
fn words(line: &str) -> Vec<String> {
    line.split('\'')
        .enumerate()
        .flat_map(|(place, part)| {
            if place % 2 == 1 {
                vec![part.to_owned()]
            } else {
                part.split_whitespace().map(str::to_owned).collect()
            }
        })
        .collect()
}

#[test]
fn every_example_of_the_page_does_what_it_says() {
    let folder = support::scratch::Scratch::new("policy-docs");
    let file = |name: &str| folder.path().join(name);
    let (policy_file, tools_file) = (file("policy.yaml"), file("tools.yaml"));
    let bounds =
        Bounds { default_timeout: Duration::from_secs(1), max_timeout: Duration::from_secs(9) };
    let mut registry = None;
    let mut policy = None;
    let mut met = std::collections::BTreeMap::<&str, usize>::new();
    for (info, text) in blocks() {
        *met.entry(info).or_default() += 1;
        match info {
            "yaml tools.yaml" => {
                std::fs::write(&tools_file, &text).unwrap();
                registry = Some(Registry::read(&text, bounds).unwrap());
            }
            "yaml policy.yaml" => {
                std::fs::write(&policy_file, &text).unwrap();
                policy = Some(Active::read(&text, Beside::default()).unwrap());
            }
            "yaml cases.yaml" => {
                let registry = registry.as_ref().unwrap().snapshot();
                let now = DateTime::UNIX_EPOCH;
                let ran = cases::run(&text, policy.as_ref().unwrap(), registry, now).unwrap();
                let failed: Vec<_> =
                    ran.outcomes.iter().filter(|it| it.failure.is_some()).collect();
                assert!(!ran.outcomes.is_empty() && failed.is_empty(), "{failed:#?}");
            }
            "yaml invariants.yaml" => {
                let registry = registry.as_ref().unwrap().snapshot();
                let checked = invariants::check(&text, policy.as_ref().unwrap(), registry).unwrap();
                for it in checked {
                    assert_eq!(it.against, Vec::<String>::new(), "{}", it.name);
                }
            }
            "json .mcp-gateway-rules.json" => {
                let beside = Beside { agent_rules: Some(&text), ..Beside::default() };
                Active::read("", beside).unwrap();
            }
            "console" => {
                let (line, expected) = text.split_once('\n').unwrap();
                let line = line.strip_prefix("$ ").unwrap();
                let mut arguments = words(line);
                if line.contains("explain") {
                    // What depends on the hour is told of a fixed one.
                    arguments.extend(["--at".to_owned(), "2026-11-25T08:30:00Z".to_owned()]);
                }
                let (exit, told) = run(&arguments, [&policy_file, &tools_file]);
                let shown: Vec<&str> = told
                    .lines()
                    .filter(|line| !line.trim_start().starts_with("policy  "))
                    .filter(|line| !line.starts_with("policy "))
                    .collect();
                assert_eq!((exit, shown.join("\n").as_str()), (Exit::Done, expected), "{line}");
            }
            "yaml" => {
                serde_yaml::from_str::<serde_yaml::Value>(&text).unwrap();
            }
            other => panic!("a block of kind {other:?} that nobody executes"),
        }
    }
    for kind in ["yaml policy.yaml", "yaml cases.yaml", "console", "yaml invariants.yaml"] {
        assert!(met.contains_key(kind), "{kind}");
    }
}
