//! `scopegate policy …`.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use chrono::DateTime;

use super::asked::Asked;
use super::{cases, invariants, junit, replay, schema};
use crate::cli::{Explain, Of, Output, Policy, PolicyEnd};
use crate::clock::Clock;
use crate::policy::{Active, Sources, World};
use crate::registry::{Bounds, Registry, SubjectKind};
use crate::settings::DatabaseSettings;
use crate::store::Store;
use crate::trail;

/// Largest file of cases or invariants, in bytes.
const MOST_TEXT: u64 = 16 * 1024 * 1024;

/// Where things are.
#[derive(Clone, Copy)]
pub(crate) struct Place<'a> {
    /// The policy of the settings.
    pub(crate) policy: Sources<'a>,
    /// The registry file.
    pub(crate) registry: &'a Path,
    /// What tools may ask for.
    pub(crate) bounds: Bounds,
    /// The audit database.
    pub(crate) database: &'a DatabaseSettings,
}

/// What stopped a command.
enum Stop {
    /// A file or an option is wrong.
    Wrong(String),
    Failed(anyhow::Error),
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Failed(error.into())
    }
}

/// Runs a command.
///
/// # Errors
/// What the database says, or whoever takes our output. One who has heard
/// enough (`| head`) is no error.
pub(crate) fn run(
    place: &Place<'_>,
    action: Policy,
    clock: &Clock,
    output: &mut Output<'_>,
) -> anyhow::Result<PolicyEnd> {
    let ended = match action {
        Policy::Explain(asked) => explain(place, *asked, clock, output),
        Policy::Check { of, json } => check(place, &of, json, output),
        Policy::Test { files, of, junit } => {
            test(place, &files, &of, junit.as_deref(), clock, output)
        }
        Policy::Invariants { files, of } => prove(place, &files, &of, output),
        Policy::Replay { candidate, since, until, samples, json } => {
            let times = (since.as_str(), until.as_deref());
            again(place, &candidate, times, (samples, json), clock, output)
        }
        Policy::Schema => say(output, &schema::text()).map(|()| PolicyEnd::Done),
    };
    match ended {
        Ok(end) => Ok(end),
        Err(Stop::Wrong(why)) => Ok(PolicyEnd::Wrong(why)),
        Err(Stop::Failed(error)) => {
            let closed = error
                .downcast_ref::<io::Error>()
                .is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe);
            if closed { Ok(PolicyEnd::Done) } else { Err(error) }
        }
    }
}

fn say(output: &mut Output<'_>, text: &str) -> Result<(), Stop> {
    output.out.write_all(text.as_bytes())?;
    Ok(output.out.flush()?)
}

fn load(place: &Place<'_>, file: Option<&Path>) -> Result<(Active, Registry), Stop> {
    let sources = Sources { file: file.unwrap_or(place.policy.file), ..place.policy };
    if file.is_some_and(|file| !file.exists()) {
        return Err(Stop::Wrong(format!("{}: does not exist", sources.file.display())));
    }
    let wrong = |file: &Path, complaints: Vec<String>| {
        let each = complaints.into_iter().map(|it| format!("\n  {}: {it}", file.display()));
        Stop::Wrong(each.collect())
    };
    let policy = Active::load(sources).map_err(|found| wrong(sources.file, found))?;
    let registry = Registry::load(place.registry, place.bounds)
        .map_err(|found| wrong(place.registry, found))?;
    Ok((policy, registry))
}

fn read(file: &Path) -> Result<String, Stop> {
    let told = |error: &dyn std::fmt::Display| Stop::Wrong(format!("{}: {error}", file.display()));
    let size = std::fs::metadata(file).map_err(|error| told(&error))?.len();
    if size > MOST_TEXT {
        return Err(told(&format!("is larger than {MOST_TEXT} bytes")));
    }
    std::fs::read_to_string(file).map_err(|error| told(&error))
}

fn explain(
    place: &Place<'_>,
    asked: Explain,
    clock: &Clock,
    output: &mut Output<'_>,
) -> Result<PolicyEnd, Stop> {
    let (policy, registry) = load(place, asked.of.file.as_deref())?;
    let (kind, name) = match (asked.tool, asked.prompt, asked.resource) {
        (Some(name), None, None) => (SubjectKind::Tool, name),
        (None, Some(name), None) => (SubjectKind::Prompt, name),
        (None, None, Some(uri)) => (SubjectKind::Resource, uri),
        _ => return Err(Stop::Wrong("say --tool, --prompt or --resource".to_owned())),
    };
    let arguments = serde_json::from_str(&asked.args)
        .map_err(|error| Stop::Wrong(format!("--args is no JSON: {error}")))?;
    let at = match asked.at.as_deref().map(DateTime::parse_from_rfc3339) {
        None => clock.now(),
        Some(Ok(at)) => at.to_utc(),
        Some(Err(_)) => return Err(Stop::Wrong("--at must be a time in RFC 3339".to_owned())),
    };
    let question = Asked {
        user: asked.user,
        issuer: asked.issuer,
        email: asked.email,
        roles: asked.roles,
        groups: asked.groups,
        tenant: asked.tenant,
        agents: asked.agents,
        scope: asked.scope,
        kind: Some(kind),
        name,
        server: asked.server,
        method: asked.method,
        arguments: Some(arguments),
        at,
        client: asked.client.map(|name| (name, asked.client_version.unwrap_or_default())),
        session: asked.session,
        past: false,
    };
    let told = question
        .explain(registry.snapshot(), &policy)
        .map_err(|error| Stop::Wrong(error.to_string()))?;
    if asked.json {
        let text = serde_json::to_string_pretty(&told).map_err(|it| Stop::Failed(it.into()))?;
        say(output, &format!("{text}\n"))?;
    } else {
        say(output, &told.in_words())?;
    }
    Ok(PolicyEnd::Done)
}

fn check(
    place: &Place<'_>,
    of: &Of,
    json: bool,
    output: &mut Output<'_>,
) -> Result<PolicyEnd, Stop> {
    let (policy, registry) = load(place, of.file.as_deref())?;
    let found = policy.findings(&World::of(registry.snapshot()));
    if json {
        let text = serde_json::to_string_pretty(&found).map_err(|it| Stop::Failed(it.into()))?;
        say(output, &format!("{text}\n"))?;
    } else {
        for finding in &found {
            let weight = finding.weight.word();
            say(output, &format!("{weight}: {}: {}\n", finding.path, finding.message))?;
        }
        say(output, &format!("policy {}\n", policy.digest()))?;
    }
    let odd = found.iter().any(|finding| finding.weight == crate::policy::Weight::Warning);
    Ok(if odd { PolicyEnd::Refuted } else { PolicyEnd::Done })
}

fn test(
    place: &Place<'_>,
    files: &[PathBuf],
    of: &Of,
    junit: Option<&Path>,
    clock: &Clock,
    output: &mut Output<'_>,
) -> Result<PolicyEnd, Stop> {
    let (policy, registry) = load(place, of.file.as_deref())?;
    let snapshot = registry.snapshot();
    let mut suites = Vec::new();
    for file in files {
        let ran = cases::run(&read(file)?, &policy, snapshot, clock.now())
            .map_err(|fault| Stop::Wrong(format!("{}: {fault}", file.display())))?;
        suites.push((file.display().to_string(), ran));
    }
    if let Some(file) = junit {
        std::fs::write(file, junit::written(&suites))
            .map_err(|error| Stop::Failed(error.into()))?;
    }
    let (mut all, mut failed) = (0, 0);
    let mut met = BTreeSet::new();
    for (file, ran) in &suites {
        all += ran.outcomes.len();
        failed += ran.failed();
        met.extend(ran.met.iter().map(String::as_str));
        for outcome in &ran.outcomes {
            if let Some(failure) = &outcome.failure {
                say(output, &format!("FAILED {file}: {}\n  {failure}\n", outcome.name))?;
            }
        }
    }
    let paths = policy.rule_paths();
    let unmet: Vec<&str> =
        paths.iter().map(|path| &**path).filter(|path| !met.contains(path)).collect();
    say(output, &format!("{all} cases, {failed} failed\n"))?;
    say(output, &format!("{} of {} rules met\n", paths.len() - unmet.len(), paths.len()))?;
    for path in unmet {
        say(output, &format!("  not met: {path}\n"))?;
    }
    Ok(if failed > 0 { PolicyEnd::Refuted } else { PolicyEnd::Done })
}

fn prove(
    place: &Place<'_>,
    files: &[PathBuf],
    of: &Of,
    output: &mut Output<'_>,
) -> Result<PolicyEnd, Stop> {
    let (policy, registry) = load(place, of.file.as_deref())?;
    let snapshot = registry.snapshot();
    let mut holds = true;
    for file in files {
        let checked = invariants::check(&read(file)?, &policy, snapshot)
            .map_err(|fault| Stop::Wrong(format!("{}: {fault}", file.display())))?;
        for invariant in checked {
            let held = invariant.against.is_empty();
            holds &= held;
            let word = if held { "holds" } else { "DOES NOT HOLD" };
            let (name, count) = (invariant.name, invariant.looked_at);
            say(output, &format!("{word}: {name} ({count} combinations)\n"))?;
            for against in invariant.against {
                say(output, &format!("  {against}\n"))?;
            }
        }
    }
    Ok(if holds { PolicyEnd::Done } else { PolicyEnd::Refuted })
}

fn again(
    place: &Place<'_>,
    candidate: &Path,
    (since, until): (&str, Option<&str>),
    (samples, json): (u32, bool),
    clock: &Clock,
    output: &mut Output<'_>,
) -> Result<PolicyEnd, Stop> {
    let (policy, registry) = load(place, Some(candidate))?;
    let now = clock.now();
    let time = |name: &str, text: &str| {
        trail::when(text, now).ok_or_else(|| {
            Stop::Wrong(format!("--{name} must be RFC 3339, a day, or so long ago (30d, 2h)"))
        })
    };
    let since = time("since", since)?;
    let until = until.map(|text| time("until", text)).transpose()?;
    let replayed = actix_web::rt::System::new().block_on(async {
        let store: Arc<Store> =
            Store::connect_to_read(place.database, clock.clone()).await.context("database")?;
        let snapshot = registry.snapshot();
        let ran = replay::replay(&store, &policy, snapshot, (since, until), samples).await;
        ran.context("the replay broke off")
    });
    let replayed = replayed.map_err(Stop::Failed)?;
    if json {
        let text = serde_json::to_string_pretty(&replayed).map_err(|it| Stop::Failed(it.into()))?;
        say(output, &format!("{text}\n"))?;
    } else {
        say(output, &replayed.in_words())?;
    }
    Ok(if replayed.differing() > 0 { PolicyEnd::Refuted } else { PolicyEnd::Done })
}
