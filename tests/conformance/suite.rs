//! One run of the suite, and what came of it.

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;
use support::eventually::wait_until;
use support::node;
use support::scratch::Scratch;

use crate::expected::Expected;

/// Longest time for a run; it takes about ten seconds.
const PATIENCE: Duration = Duration::from_mins(5);

/// Scenarios wait for so many milliseconds for something to happen: no other
/// run may take the processor from them.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// What a scenario found.
struct Scenario {
    name: String,
    passed: usize,
    failed: usize,
}

/// What a run found.
pub(crate) struct Report {
    pub(crate) exit_code: Option<i32>,
    scored: Vec<Scenario>,
    other: Vec<Scenario>,
    failures: Vec<Failure>,
}

/// A check that failed.
pub(crate) struct Failure {
    /// The folder of its scenario.
    folder: String,
    id: String,
    pub(crate) reason: String,
}

impl Report {
    /// Runs the scenarios that `revision` requires against a URL, with a
    /// header in each request if there is one.
    pub(crate) fn of(revision: &str, url: &str, header: Option<(&str, &str)>) -> Self {
        let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        let scratch = Scratch::new("sg-conformance");
        let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance");
        let (results, said) = (scratch.path().join("results"), scratch.path().join("said"));

        let mut command = Command::new(node::program());
        if let Some((name, value)) = header {
            command.arg("--import").arg(here.join("header.mjs"));
            command.env("MCP_HEADER_NAME", name).env("MCP_HEADER_VALUE", value);
        }
        command.arg(suite()).args(["server", "--url", url, "--requirements", revision]);
        command.arg("--output-dir").arg(&results);
        command.arg("--expected-failures").arg(here.join("expected-failures.yml"));
        let output = std::fs::File::create(&said).unwrap();
        command.stdin(Stdio::null()).stderr(output.try_clone().unwrap()).stdout(output);
        let mut child = command.spawn().unwrap();
        let mut status = None;
        wait_until(PATIENCE, "the end of the conformance suite", || {
            status = child.try_wait().unwrap();
            status.is_some()
        });
        let said = std::fs::read_to_string(said).unwrap();
        let all = scenarios(&said);
        assert!(!all.is_empty(), "no summary: {said}");
        let required = required(revision);
        let (scored, other) = all.into_iter().partition(|one| required.contains(&one.name));
        let exit_code = status.and_then(|status| status.code());
        Self { exit_code, scored, other, failures: failures(&results) }
    }

    /// Scenarios that count, and pass.
    pub(crate) fn scored(&self) -> usize {
        self.scored.iter().filter(|scenario| scenario.failed == 0).count()
    }

    /// Checks that passed in scenarios that count.
    pub(crate) fn scored_checks(&self) -> usize {
        self.scored.iter().map(|scenario| scenario.passed).sum()
    }

    /// Checks in scenarios that do not count, and pass.
    pub(crate) fn other_checks(&self) -> usize {
        let passing = self.other.iter().filter(|scenario| scenario.failed == 0);
        passing.map(|scenario| scenario.passed).sum()
    }

    /// Scenarios that do not count, and fail.
    pub(crate) fn failing(&self) -> BTreeSet<&str> {
        let failing = self.other.iter().filter(|scenario| scenario.failed > 0);
        failing.map(|scenario| scenario.name.as_str()).collect()
    }

    /// Scenarios that count, have checks, and pass.
    pub(crate) fn passing(&self) -> BTreeSet<&str> {
        let passing = self.scored.iter().filter(|one| one.failed == 0 && one.passed > 0);
        passing.map(|scenario| scenario.name.as_str()).collect()
    }

    /// What failed in scenarios that count.
    pub(crate) fn failures(&self) -> impl Iterator<Item = &Failure> {
        self.failures.iter().filter(|failure| {
            let mut scored = self.scored.iter();
            scored.any(|one| failure.folder.starts_with(&format!("server-{}-20", one.name)))
        })
    }

    /// How many checks of a scenario passed, and how many failed.
    pub(crate) fn checks(&self, name: &str) -> (usize, usize) {
        let mut named = self.scored.iter().filter(|scenario| scenario.name == name);
        named.next().map_or((0, 0), |scenario| (scenario.passed, scenario.failed))
    }

    /// Everything is as it has to be.
    pub(crate) fn assert(&self, expected: &Expected) {
        let found = (self.scored(), self.scored_checks(), self.other_checks(), self.failing());
        let failing = expected.failing.iter().copied().collect();
        let wanted = (expected.scored, expected.scored_checks, expected.other_checks, failing);
        assert_eq!(
            (self.exit_code, self.scored.len(), found),
            (Some(0), expected.scored, wanted),
            "{} {}\n{}",
            expected.name,
            expected.revision,
            self.failures.iter().map(Failure::to_string).collect::<String>()
        );
    }
}

/// The program.
fn suite() -> PathBuf {
    node::packages().join("node_modules/@modelcontextprotocol/conformance/dist/index.js")
}

/// The names of the scenarios that count for servers of a revision.
fn required(revision: &str) -> BTreeSet<String> {
    let mut command = Command::new(node::program());
    command.arg(suite()).args(["list", "--requirements", revision]);
    let output = command.output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let (_, servers) = said.split_once("Server scenarios").unwrap();
    let (servers, _) = servers.split_once("Client scenarios").unwrap();
    let names = servers.lines().filter_map(|line| line.trim().strip_prefix("- "));
    names.map(str::to_owned).collect()
}

/// The lines of the summary.
fn scenarios(said: &str) -> Vec<Scenario> {
    let (_, summary) = said.split_once("=== SUMMARY ===").unwrap_or_default();
    let scenario = |line: &str| {
        let (name, counts) = line.strip_prefix(['✓', '✗'])?.trim().split_once(": ")?;
        let (passed, failed) = counts.split_once(" passed, ")?;
        let failed = failed.split(' ').next()?;
        Some(Scenario {
            name: name.to_owned(),
            passed: passed.parse().ok()?,
            failed: failed.parse().ok()?,
        })
    };
    summary.lines().filter_map(scenario).collect()
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: {}: {}", self.folder, self.id, self.reason)
    }
}

/// Each failed check, from the files that the suite leaves.
fn failures(results: &Path) -> Vec<Failure> {
    let mut failures = Vec::new();
    let mut folders: Vec<PathBuf> =
        results.read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.sort();
    for path in folders {
        let folder = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let checks = std::fs::read(path.join("checks.json")).unwrap();
        let checks: Vec<Value> = serde_json::from_slice(&checks).unwrap();
        for check in checks.iter().filter(|check| check["status"] == "FAILURE") {
            let text = |member: &str| check[member].as_str().unwrap_or_default().to_owned();
            let (id, reason) = (text("id"), text("errorMessage"));
            failures.push(Failure { folder: folder.clone(), id, reason });
        }
    }
    failures
}
