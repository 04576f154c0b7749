//! The kernel's own jail (Landlock): from here on the process can read the
//! folders of its repositories, answer requests, and nothing else.
//!
//! It stands behind the checks of `jail`, for what those cannot see: a folder
//! that changes between check and use, or a fault in a library.

use std::path::PathBuf;

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, CompatLevel, Compatible as _, PathBeneath, PathFd,
    Ruleset, RulesetAttr as _, RulesetCreatedAttr as _, RulesetStatus, Scope,
};

/// The newest interface whose rights are asked for; an older kernel enforces
/// those it knows.
const INTERFACE: ABI = ABI::V6;

/// How far the kernel goes along.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Enforced {
    Fully,
    Partly,
    Not,
}

/// Restricts this thread, and all that it starts later, for good: of files,
/// only what lies below these folders may be read; nothing may be written or
/// executed, no connection opened, and no process outside be signalled.
pub(crate) fn enter(folders: &[PathBuf]) -> Result<Enforced, landlock::RulesetError> {
    let mut ruleset = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(INTERFACE))?
        .handle_access(AccessNet::ConnectTcp)?
        .scope(Scope::from_all(INTERFACE))?
        .create()?;
    for folder in folders {
        // One that is gone cannot be read anyway.
        if let Ok(opened) = PathFd::new(folder) {
            let readable = AccessFs::ReadFile | AccessFs::ReadDir;
            ruleset = ruleset.add_rule(PathBeneath::new(opened, readable))?;
        }
    }
    Ok(match ruleset.restrict_self()?.ruleset {
        RulesetStatus::FullyEnforced => Enforced::Fully,
        RulesetStatus::PartiallyEnforced => Enforced::Partly,
        RulesetStatus::NotEnforced => Enforced::Not,
    })
}
