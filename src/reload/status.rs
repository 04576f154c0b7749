//! How reloads went, for people and for `/ready`.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, SecondsFormat, Utc};
use serde::Serialize;
use serde_json::{Value, json};

use crate::generation::Generation;
use crate::settings::{Place, Problem, Problems, Settings};

/// Most characters that are kept of what was wrong.
const MOST_ERROR: usize = 16 * 1024;

/// Attempts at one part of the configuration (B-36).
#[derive(Clone, Debug, Default, Serialize)]
struct Part {
    last_attempt: Option<String>,
    last_success: Option<String>,
    last_error: Option<String>,
    attempt_count: u64,
    success_count: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_warnings: Option<Vec<String>>,
}

impl Part {
    fn attempted(&mut self, at: &str, error: Option<String>, is_applied: bool) {
        self.last_attempt = Some(at.to_owned());
        self.attempt_count += 1;
        if is_applied {
            self.last_success = Some(at.to_owned());
            self.success_count += 1;
        }
        self.last_error = error;
    }
}

#[derive(Debug, Default)]
struct Attempts {
    registry: Part,
    policy: Part,
    keys: Part,
    origin: Option<&'static str>,
}

/// The state of `GET /admin/reload-status`.
#[derive(Debug)]
pub(crate) struct Status {
    attempts: Mutex<Attempts>,
    registry_file: PathBuf,
}

/// What `GET /admin/reload-status` shows.
pub(crate) type Page = Value;

/// What a problem is about.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Section {
    Registry,
    Policy,
    Keys,
}

impl Status {
    /// Nothing has been read yet.
    pub(crate) fn new(settings: &Settings) -> Self {
        let registry_file = settings.registry.file.clone();
        Self { attempts: Mutex::default(), registry_file }
    }

    /// Notes that everything was read at start.
    pub(crate) fn started(&self, at: DateTime<Utc>, warnings: Vec<String>) {
        self.note(at, "start", &Problems::new(), Some(warnings));
    }

    /// Notes an attempt; with warnings, it is in force.
    pub(super) fn note(
        &self,
        at: DateTime<Utc>,
        origin: &'static str,
        problems: &Problems,
        applied: Option<Vec<String>>,
    ) {
        let at = at.to_rfc3339_opts(SecondsFormat::Millis, true);
        let is_applied = applied.is_some();
        let mut attempts = self.attempts.lock().unwrap_or_else(PoisonError::into_inner);
        let Attempts { registry, policy, keys, origin: known } = &mut *attempts;
        let parts =
            [(Section::Registry, registry), (Section::Keys, keys), (Section::Policy, &mut *policy)];
        for (section, part) in parts {
            part.attempted(&at, self.told(problems, section), is_applied);
        }
        if let Some(warnings) = applied {
            policy.last_warnings = Some(warnings);
        }
        *known = Some(origin);
    }

    /// What is wrong with one section, a line each.
    fn told(&self, problems: &Problems, section: Section) -> Option<String> {
        let own = problems
            .iter()
            .filter(|problem| belongs(problem, &self.registry_file) == section)
            .map(ToString::to_string);
        let mut text = own.collect::<Vec<_>>().join("\n");
        text.truncate(text.floor_char_boundary(MOST_ERROR));
        (!text.is_empty()).then_some(text)
    }

    /// What is wrong with the files as they are now; `None` when they are in
    /// force.
    pub(crate) fn error(&self) -> Option<String> {
        let attempts = self.attempts.lock().unwrap_or_else(PoisonError::into_inner);
        let parts = [&attempts.registry, &attempts.policy, &attempts.keys];
        let errors: Vec<&str> =
            parts.into_iter().filter_map(|part| part.last_error.as_deref()).collect();
        (!errors.is_empty()).then(|| errors.join("\n"))
    }

    /// The page (B-36), with what is in force.
    pub(crate) fn page(&self, now: &Generation, settings: &Settings) -> Page {
        let attempts = self.attempts.lock().unwrap_or_else(PoisonError::into_inner);
        let Attempts { registry, policy, keys, origin } = &*attempts;
        let failed = [registry, policy, keys].iter().any(|part| part.last_error.is_some());
        let message = if failed {
            "The files on disk are not fit and not in force. See reload_status."
        } else {
            "Gateway is operational. Check reload_status for hot reload health."
        };
        let active = now.policy.active();
        let agents = active.agents().unwrap_or_default();
        let backends = now.registry.snapshot().backends();
        json!({
            "generation": now.number,
            "policy_digest": &**active.digest(),
            "registry_digest": now.registry.digest(),
            "last_origin": origin,
            "reload_status": { "mcp_config": registry, "gateway_rules": policy, "keys": keys },
            "policy_state": {
                "total_agents": agents.len(),
                "agent_ids": agents,
                "defaults": { "deny_on_missing_agent": active.denies_without_agent() },
            },
            "available_servers": backends.iter().map(|backend| &*backend.name).collect::<Vec<_>>(),
            "config_paths": {
                "mcp_config": settings.registry.file,
                "gateway_rules": settings.policy.file,
            },
            "message": message,
        })
    }
}

fn belongs(problem: &Problem, registry_file: &Path) -> Section {
    match problem.place() {
        Place::File { file, .. } if Path::new(file) == registry_file => Section::Registry,
        Place::File { .. } | Place::Nowhere | Place::Environment(_) => {
            if problem.path().starts_with("auth.") { Section::Keys } else { Section::Policy }
        }
    }
}
