//! Cases and invariants as what a policy must pass before it is in force.

use std::path::Path;

use chrono::{DateTime, Utc};

use super::{cases, invariants};
use crate::policy::Active;
use crate::registry::Snapshot;

/// Largest file that is read, in bytes.
const MOST_TEXT: u64 = 16 * 1024 * 1024;

/// The cases of a file that do not come out as expected, each with why.
///
/// # Errors
/// What is wrong with the file.
pub(crate) fn failing_cases(
    file: &Path,
    policy: &Active,
    registry: &Snapshot,
    now: DateTime<Utc>,
) -> Result<Vec<String>, String> {
    let ran = cases::run(&text(file)?, policy, registry, now)?;
    let failed = ran.outcomes.into_iter().filter_map(|outcome| {
        let failure = outcome.failure?;
        Some(format!("case `{}`: {failure}", outcome.name))
    });
    Ok(failed.collect())
}

/// The invariants of a file that do not hold, each with what it fails for.
///
/// # Errors
/// What is wrong with the file.
pub(crate) fn broken_invariants(
    file: &Path,
    policy: &Active,
    registry: &Snapshot,
) -> Result<Vec<String>, String> {
    let checked = invariants::check(&text(file)?, policy, registry)?;
    let broken = checked.into_iter().filter(|invariant| !invariant.against.is_empty());
    let told = broken.map(|invariant| {
        let (name, against) = (invariant.name, invariant.against.join("; "));
        format!("invariant `{name}`: does not hold: {against}")
    });
    Ok(told.collect())
}

fn text(file: &Path) -> Result<String, String> {
    let size = std::fs::metadata(file).map_err(|error| error.to_string())?.len();
    if size > MOST_TEXT {
        return Err(format!("is larger than {MOST_TEXT} bytes"));
    }
    std::fs::read_to_string(file).map_err(|error| error.to_string())
}
