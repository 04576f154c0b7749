//! Cases and invariants that a policy must pass before it is put in force.

use std::path::Path;

use chrono::{DateTime, Utc};

use super::files::in_file;
use crate::policy::Policy;
use crate::registry::Registry;
use crate::review;
use crate::settings::{PolicySettings, Problems};

/// Whether everything passes; what does not is added to `problems`.
pub(super) fn passes(
    settings: &PolicySettings,
    policy: &Policy,
    registry: &Registry,
    now: DateTime<Utc>,
    problems: &mut Problems,
) -> bool {
    let (active, snapshot) = (policy.active(), registry.snapshot());
    let mut passes = true;
    let mut judge = |file: &str, found: Result<Vec<String>, String>| {
        let complaints = found.unwrap_or_else(|fault| vec![fault]);
        passes &= complaints.is_empty();
        in_file(Path::new(file), complaints, problems);
    };
    for file in &settings.tests {
        judge(file, review::failing_cases(Path::new(file), active, snapshot, now));
    }
    for file in &settings.invariants {
        judge(file, review::broken_invariants(Path::new(file), active, snapshot));
    }
    passes
}
