//! Reading the files that the settings name.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::gate;
use crate::authn;
use crate::clock::Clock;
use crate::generation::Generation;
use crate::pins::Lock;
use crate::policy::{Policy, Sources, Weight, World};
use crate::quota::{self, QuotaError};
use crate::registry::{Bounds, Registry};
use crate::settings::{Problem, Problems, Settings};

/// Registry and policy as their files say, fit to be put in force.
pub(crate) struct Configured {
    pub(crate) registry: Registry,
    pub(crate) policy: Policy,
    /// The approved tools, where the settings name a lock.
    pub(crate) lock: Option<Lock>,
    /// What is odd about the policy, as `path: what`.
    pub(crate) warnings: Vec<String>,
}

/// Reads and judges registry and policy. Those that `before` has in force are
/// about to be replaced.
///
/// # Errors
/// Nothing, when complaints were added to `problems`.
pub(crate) fn rules(
    settings: &Settings,
    before: Option<&Generation>,
    clock: &Clock,
    problems: &mut Problems,
) -> Option<Configured> {
    let registry = Registry::load_after(
        &settings.registry.file,
        bounds(settings),
        before.map(|before| &before.registry),
    )
    .map_err(|complaints| in_file(&settings.registry.file, complaints, problems));
    let policy = policy(settings, before.is_some(), problems);
    let lock = lock(settings, problems);
    let (Ok(registry), Ok(policy), Ok(lock)) = (registry, policy, lock) else { return None };
    let fit = gate::passes(&settings.policy, &policy, &registry, clock.now(), problems);
    let warnings = warnings(&policy, &registry);
    fit.then_some(Configured { registry, policy, lock, warnings })
}

/// What a registry may ask for, by the settings.
pub(crate) fn bounds(settings: &Settings) -> Bounds {
    Bounds {
        default_timeout: Duration::from_millis(settings.upstream.timeout_ms),
        max_timeout: Duration::from_millis(settings.upstream.max_timeout_ms),
    }
}

/// The policy, with its shadow where the settings name one.
fn policy(settings: &Settings, is_again: bool, problems: &mut Problems) -> Result<Policy, ()> {
    let limits = quota::defaults(&settings.quota)
        .map_err(|errors| errors.iter().for_each(|error| problems.push(problem_of(error))))?;
    let settings = &settings.policy;
    // At the start a missing file denies everything. Under way it is most likely
    // one that is being written.
    if is_again && !settings.file.exists() {
        in_file(&settings.file, vec!["does not exist any more".to_owned()], problems);
        return Err(());
    }
    let sources = Sources {
        file: &settings.file,
        agent_rules: settings.agent_rules.as_deref(),
        default_agent: settings.default_agent.as_deref(),
        limits: Some(limits),
    };
    let policy = Policy::load(sources)
        .map_err(|complaints| in_file(&settings.file, complaints, problems))?;
    match &settings.shadow {
        None => Ok(policy),
        Some(file) => policy
            .with_shadow(Sources { file, ..sources })
            .map_err(|complaints| in_file(file, complaints, problems)),
    }
}

/// The approved tools, where tools are pinned.
fn lock(settings: &Settings, problems: &mut Problems) -> Result<Option<Lock>, ()> {
    let Some(file) = &settings.registry.lock else { return Ok(None) };
    let lock = Lock::load(file).map_err(|complaints| in_file(file, complaints, problems))?;
    Ok(Some(lock))
}

fn warnings(policy: &Policy, registry: &Registry) -> Vec<String> {
    let found = policy.active().findings(&World::of(registry.snapshot()));
    let odd = found.into_iter().filter(|finding| finding.weight == Weight::Warning);
    odd.map(|finding| format!("{}: {}", finding.path, finding.message)).collect()
}

impl From<authn::Problem> for Problem {
    fn from(problem: authn::Problem) -> Self {
        Self::new(problem.setting, problem.message).set_by(problem.env.into_iter().collect())
    }
}

/// A complaint about limits as one about a setting.
pub(crate) fn problem_of(error: &QuotaError) -> Problem {
    let complaint = error.to_string();
    let (path, message) = complaint.split_once(": ").unwrap_or(("quota", &complaint));
    Problem::new(path, message)
}

pub(super) fn in_file(file: &Path, complaints: Vec<String>, problems: &mut Problems) {
    for complaint in complaints {
        let (path, message) = complaint.split_once(": ").unwrap_or(("", &complaint));
        problems.push(Problem::new(path, message).in_file(file.display().to_string(), None));
    }
}

/// Every file that a reload reads.
pub(crate) fn all(settings: &Settings) -> Vec<PathBuf> {
    let policy = &settings.policy;
    let keys = settings.auth.configured().flat_map(|(_, issuer)| {
        [&issuer.secret_read_from, &issuer.public_key_file, &issuer.jwks_file]
    });
    let mut files = vec![settings.registry.file.clone(), policy.file.clone()];
    files.extend(settings.registry.lock.clone());
    files.extend([&policy.agent_rules, &policy.shadow].into_iter().flatten().cloned());
    files.extend(policy.tests.iter().chain(&policy.invariants).map(PathBuf::from));
    files.extend(keys.flatten().cloned());
    files.sort();
    files.dedup();
    files
}
