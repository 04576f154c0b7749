//! The command line of `scopegate`.

#[cfg(test)]
mod answering;
mod arguments;
mod audit;
mod healthcheck;
mod policy;
mod proof;
mod quota;
#[cfg(test)]
mod tests;
mod tools;

pub use arguments::{LimitsOf, Migration};
pub use audit::{Audit, AuditEnd, Format, Selection};
pub use policy::{Explain, Of, Policy, PolicyEnd};
pub use proof::{KeysAction, Proof, VerifyArguments};
pub use tools::{Tools, ToolsEnd, Which};

use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

use arguments::{Arguments, AuditCommand, Command};
use clap::Parser;

use crate::bridge;
use crate::clock::Clock;
use crate::settings::{Loaded, Problem, Problems, Settings, Sources, Warning};

/// How a command ended, as the process's exit code. Part of the interface:
/// supervisors and scripts depend on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// 0: done.
    Done,
    /// 1: something failed while running; of `audit verify`: the trail is
    /// damaged.
    Failed,
    /// 2: the configuration or the command line is wrong; starting again
    /// will not help. Of `audit`: what it was to look at cannot be read.
    Misconfigured,
    /// 3: what was asked about does not hold.
    Refuted,
    /// 4: there is nothing of the id that was asked for.
    Nothing,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        match exit {
            Exit::Done => Self::SUCCESS,
            Exit::Failed => Self::from(1),
            Exit::Misconfigured => Self::from(2),
            Exit::Refuted => Self::from(3),
            Exit::Nothing => Self::from(4),
        }
    }
}

/// Another room's look at the settings: registry and policy files, keys.
pub type Check<'a> = &'a dyn Fn(&Settings) -> Problems;

/// What the commands do, filled in by `main`.
pub struct Commands<'a> {
    /// Sets up logging; called once, before `serve` or `migrate`.
    pub logging: &'a dyn Fn(&Settings) -> anyhow::Result<()>,
    /// Runs the gateway until it is told to stop.
    pub serve: &'a dyn Fn(Settings) -> anyhow::Result<()>,
    /// Changes the database's schema, or writes its state to the writer.
    pub migrate: &'a dyn Fn(&Settings, Migration, &mut dyn Write) -> anyhow::Result<()>,
    /// The limits in force for a call, as text.
    pub limits: &'a dyn Fn(&Settings, &LimitsOf) -> Result<String, Problems>,
    /// Reads the audit trail.
    pub audit: &'a dyn Fn(&Settings, Audit, &mut Output<'_>) -> anyhow::Result<AuditEnd>,
    /// Asks a policy.
    pub policy: &'a dyn Fn(&Settings, Policy, &mut Output<'_>) -> anyhow::Result<PolicyEnd>,
    /// Proves the audit trail whole, or looks at its keys.
    pub prove: &'a dyn Fn(&Settings, &Proof, &mut dyn Write) -> anyhow::Result<Exit>,
    /// Compares tools with what was approved, or approves them.
    pub tools: &'a dyn Fn(&Settings, &Tools, &mut Output<'_>) -> anyhow::Result<ToolsEnd>,
    /// Runs the stdio bridge, logging included, until its input ends.
    pub bridge: &'a dyn Fn(bridge::Options) -> anyhow::Result<()>,
    /// Called by `check-config`, and by `serve` before it starts.
    pub checks: &'a [Check<'a>],
}

/// Where a command writes.
pub struct Output<'a> {
    /// Answers.
    pub out: &'a mut dyn Write,
    /// Problems and warnings.
    pub err: &'a mut dyn Write,
}

/// Runs one command line. The first argument is the program's name. Knows
/// nothing of the process's own environment, so that tests can give one.
pub fn run(
    arguments: impl IntoIterator<Item = OsString>,
    env: Vec<(String, String)>,
    commands: &Commands<'_>,
    output: &mut Output<'_>,
) -> Exit {
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(error) if error.use_stderr() => {
            say(output.err, &error.to_string());
            return Exit::Misconfigured;
        }
        // Help and version arrive as errors, too.
        Err(answer) => {
            say(output.out, &answer.to_string());
            return Exit::Done;
        }
    };
    let has_file = arguments.config.is_some();
    let named = env.iter().find(|(name, text)| name == "SCOPEGATE_CONFIG" && !text.is_empty());
    let file = arguments.config.or_else(|| named.map(|(_, text)| text.into()));
    let sources = Sources { file, env };
    match arguments.command.unwrap_or(Command::Serve) {
        Command::Serve => serve(&sources, commands, output),
        Command::CheckConfig(of) => check_config(&sources, &of, commands, output),
        Command::Quota { quota } => quotas(&sources, &quota, output),
        Command::Migrate { direction } => migrate(&sources, direction, commands, output),
        Command::Tools { action } => of_the_tools(&sources, &action, commands, output),
        Command::Policy { action } => of_the_policy(&sources, action, commands, output),
        Command::Audit { action: AuditCommand::Read(action) } => {
            audit_trail(&sources, action, commands, output)
        }
        Command::Audit { action: AuditCommand::Prove(proof) } => {
            prove(&sources, &proof, commands, output)
        }
        Command::Healthcheck { url } => healthcheck(&sources, url, output),
        Command::Bridge(flags) => run_bridge(*flags, has_file, &sources.env, commands, output),
        Command::Version => {
            say(output.out, concat!("scopegate ", env!("CARGO_PKG_VERSION"), "\n"));
            Exit::Done
        }
    }
}

fn serve(sources: &Sources, commands: &Commands<'_>, output: &mut Output<'_>) -> Exit {
    let (settings, warnings) = match checked(sources, commands.checks) {
        Ok(checked) => checked,
        Err(problems) => return refuse(&problems, output),
    };
    let started = (commands.logging)(&settings);
    if started.is_ok() {
        // From here on they belong into the log, with the other lines.
        for warning in &warnings {
            tracing::warn!(setting = warning.path(), "configuration: {warning}");
        }
    }
    finish(started.and_then(|()| (commands.serve)(settings)), output)
}

fn check_config(
    sources: &Sources,
    of: &LimitsOf,
    commands: &Commands<'_>,
    output: &mut Output<'_>,
) -> Exit {
    let told = checked(sources, commands.checks).and_then(|(settings, warnings)| {
        let text = if *of == LimitsOf::default() {
            settings.effective()
        } else {
            (commands.limits)(&settings, of)?
        };
        Ok((text, warnings))
    });
    match told {
        Ok((text, warnings)) => {
            say(output.out, &text);
            warn(&warnings, output);
            Exit::Done
        }
        Err(problems) => refuse(&problems, output),
    }
}

/// A client of the gateway's admin API: of the settings it needs the address.
fn quotas(sources: &Sources, quota: &quota::Quota, output: &mut Output<'_>) -> Exit {
    let Loaded { settings, .. } = Settings::load_leniently(sources);
    let listen = settings.map(|settings| healthcheck::url_of(settings.server.listen));
    let listen = listen.unwrap_or_default();
    finish(quota::run(quota, &listen, &sources.env, output.out), output)
}

/// A migration job has no need of tokens and tools, so only what concerns
/// the database, or makes the whole configuration unreadable, stops it.
fn migrate(
    sources: &Sources,
    direction: Migration,
    commands: &Commands<'_>,
    output: &mut Output<'_>,
) -> Exit {
    match of_the_database(sources) {
        Ok(settings) => {
            let started = (commands.logging)(&settings);
            let migrated =
                started.and_then(|()| (commands.migrate)(&settings, direction, output.out));
            finish(migrated, output)
        }
        Err(problems) => refuse(&problems, output),
    }
}

/// The settings, of which those of the database are sound.
fn of_the_database(sources: &Sources) -> Result<Settings, Problems> {
    sound_in(sources, &["database"])
}

/// The settings, of which these sections are sound.
fn sound_in(sources: &Sources, sections: &[&str]) -> Result<Settings, Problems> {
    let Loaded { settings, problems, .. } = Settings::load_leniently(sources);
    let concerns = |problem: &&Problem| {
        let section = problem.path().split('.').next().unwrap_or_default();
        section.is_empty() || sections.contains(&section)
    };
    let problems: Problems = problems.iter().filter(concerns).cloned().collect();
    settings.filter(|_| problems.is_empty()).ok_or(problems)
}

/// Who reads the trail needs no keys and no tools either.
fn audit_trail(
    sources: &Sources,
    action: Audit,
    commands: &Commands<'_>,
    output: &mut Output<'_>,
) -> Exit {
    let settings = match of_the_database(sources) {
        Ok(settings) => settings,
        Err(problems) => return refuse(&problems, output),
    };
    match (commands.audit)(&settings, action, output) {
        Ok(AuditEnd::Done) => Exit::Done,
        Ok(AuditEnd::Wrong(why)) => {
            say(output.err, &format!("scopegate audit: {why}\n"));
            Exit::Misconfigured
        }
        Ok(AuditEnd::Nothing) => Exit::Nothing,
        Err(error) => finish(Err(error), output),
    }
}

/// Who asks a policy needs no keys.
fn of_the_policy(
    sources: &Sources,
    action: Policy,
    commands: &Commands<'_>,
    output: &mut Output<'_>,
) -> Exit {
    let sections: &[&str] = match action {
        Policy::Replay { .. } => &["policy", "registry", "database"],
        Policy::Explain(_)
        | Policy::Check { .. }
        | Policy::Test { .. }
        | Policy::Invariants { .. }
        | Policy::Schema => &["policy", "registry"],
    };
    let settings = match sound_in(sources, sections) {
        Ok(settings) => settings,
        Err(problems) => return refuse(&problems, output),
    };
    match (commands.policy)(&settings, action, output) {
        Ok(PolicyEnd::Done) => Exit::Done,
        Ok(PolicyEnd::Refuted) => Exit::Refuted,
        Ok(PolicyEnd::Wrong(why)) => {
            say(output.err, &format!("scopegate policy: {why}\n"));
            Exit::Misconfigured
        }
        Err(error) => finish(Err(error), output),
    }
}

/// Who compares tools needs no keys of tokens, and no database.
fn of_the_tools(
    sources: &Sources,
    action: &Tools,
    commands: &Commands<'_>,
    output: &mut Output<'_>,
) -> Exit {
    let settings = match sound_in(sources, &["registry", "upstream"]) {
        Ok(settings) => settings,
        Err(problems) => return refuse(&problems, output),
    };
    match (commands.tools)(&settings, action, output) {
        Ok(ToolsEnd::Done) => Exit::Done,
        Ok(ToolsEnd::Differing) => Exit::Refuted,
        Ok(ToolsEnd::Wrong(why)) => {
            say(output.err, &format!("scopegate tools: {why}\n"));
            Exit::Misconfigured
        }
        Err(error) => finish(Err(error), output),
    }
}

/// An auditor's machine has no tokens and tools, and may have no configuration.
/// What fails here is told apart from what is found: both have codes of their own.
fn prove(
    sources: &Sources,
    command: &Proof,
    commands: &Commands<'_>,
    output: &mut Output<'_>,
) -> Exit {
    let Loaded { settings, problems, .. } = Settings::load_leniently(sources);
    let concerns = |problem: &&Problem| {
        let section = problem.path().split('.').next().unwrap_or_default();
        ["", "database", "audit"].contains(&section) || problem.path() == "server.state_dir"
    };
    let problems: Problems = problems.iter().filter(concerns).cloned().collect();
    let Some(settings) = settings.filter(|_| problems.is_empty()) else {
        return refuse(&problems, output);
    };
    (commands.prove)(&settings, command, output.out).unwrap_or_else(|error| {
        say(output.err, &format!("scopegate: {error:#}\n"));
        Exit::Misconfigured
    })
}

/// A client of the gateway: it has flags of its own and none of the settings.
fn run_bridge(
    flags: bridge::Arguments,
    has_file: bool,
    env: &[(String, String)],
    commands: &Commands<'_>,
    output: &mut Output<'_>,
) -> Exit {
    let read = bridge::Options::read(flags, env);
    let mut problems = read.as_ref().err().cloned().unwrap_or_default();
    if has_file {
        problems.push("--config: the bridge reads no file of settings".to_owned());
    }
    match read {
        Ok(options) if problems.is_empty() => finish((commands.bridge)(options), output),
        _ => {
            for problem in problems {
                say(output.err, &format!("scopegate bridge: {problem}\n"));
            }
            Exit::Misconfigured
        }
    }
}

fn healthcheck(sources: &Sources, url: Option<String>, output: &mut Output<'_>) -> Exit {
    // A running gateway is not ill because its configuration file is.
    let url = url.or_else(|| {
        let settings = Settings::load_leniently(sources).settings;
        settings.map(|settings| healthcheck::url_of(settings.server.listen))
    });
    let Some(target) = url.as_deref().and_then(healthcheck::Target::parse) else {
        say(output.err, "the health check needs a URL such as http://127.0.0.1:8080/health\n");
        return Exit::Misconfigured;
    };
    match healthcheck::ask(&target, &Clock::system()) {
        Ok(()) => {
            say(output.out, "healthy\n");
            Exit::Done
        }
        Err(why) => {
            say(output.err, &format!("unhealthy: {why}\n"));
            Exit::Failed
        }
    }
}

/// Loads the settings and lets the other rooms look at them, so that their
/// problems are in the same list.
fn checked(sources: &Sources, checks: &[Check<'_>]) -> Result<(Settings, Vec<Warning>), Problems> {
    let Loaded { settings, mut problems, warnings } = Settings::load_leniently(sources);
    let Some(settings) = settings else { return Err(problems) };
    for check in checks {
        for problem in &check(&settings) {
            // What is known to be wrong with a setting is said once.
            let known = !problem.path().is_empty()
                && problems.iter().any(|other| other.path() == problem.path());
            if !known {
                problems.push(settings.locate(problem.clone()));
            }
        }
    }
    if problems.is_empty() { Ok((settings, warnings)) } else { Err(problems) }
}

fn refuse(problems: &Problems, output: &mut Output<'_>) -> Exit {
    say(output.err, &problems.to_string());
    Exit::Misconfigured
}

fn warn(warnings: &[Warning], output: &mut Output<'_>) {
    for warning in warnings {
        say(output.err, &format!("warning: {warning}\n"));
    }
}

fn finish(result: anyhow::Result<()>, output: &mut Output<'_>) -> Exit {
    match result {
        Ok(()) => Exit::Done,
        Err(error) => {
            // Once logging works, the last line is a log line like the others.
            if tracing::enabled!(tracing::Level::ERROR) {
                tracing::error!("stopped: {error:#}");
            } else {
                say(output.err, &format!("scopegate: {error:#}\n"));
            }
            Exit::Failed
        }
    }
}

/// Nobody is left to tell when the reader of our output has gone.
fn say(writer: &mut dyn Write, text: &str) {
    let _ = writer.write_all(text.as_bytes()).and_then(|()| writer.flush());
}
