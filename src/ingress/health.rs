//! Whether the process lives, and whether it can serve.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use actix_web::{HttpResponse, web};
use serde_json::{Map, Value, json};

use super::{Io, Site};
use crate::store::StoreError;

/// Longest wait for one dependency.
const PATIENCE: Duration = Duration::from_secs(2);

/// The process lives.
#[utoipa::path(
    get,
    path = "/health",
    tag = "operations",
    responses((status = 200, description = "`{status, app, service, version, uptime_seconds}`"))
)]
pub(super) async fn health(site: web::Data<Site>) -> HttpResponse {
    HttpResponse::Ok().json(json!({
        "status": "ok",
        "app": site.app_name,
        "service": env!("CARGO_PKG_NAME"),
        "version": env!("CARGO_PKG_VERSION"),
        "uptime_seconds": site.gateway.clock.monotonic().as_secs(),
    }))
}

/// The process lives, in one word.
pub(super) async fn healthz() -> HttpResponse {
    HttpResponse::Ok().content_type("text/plain; charset=utf-8").body("ok")
}

/// Why a check fails, in words fit for everybody.
mod word {
    pub(super) const NO_ANSWER: &str = "no answer";
    pub(super) const UNREACHABLE: &str = "unreachable";
    pub(super) const FAILED: &str = "failed";
    pub(super) const NO_KEYS: &str = "no keys";
    pub(super) const BACKLOG_FULL: &str = "backlog full";
    pub(super) const STALE: &str = "files are not fit, those before are in force";
    pub(super) const STOPPING: &str = "stopping";
}

/// A check that fails: its word for everybody, and the whole story for the log.
struct Failure {
    word: &'static str,
    story: String,
}

impl Failure {
    fn new(word: &'static str, story: impl Into<String>) -> Self {
        Self { word, story: story.into() }
    }
}

/// What failed when `/ready` was last asked, so that each change is logged
/// once, however often anybody asks.
#[derive(Debug, Default)]
pub(crate) struct Complaints(Mutex<BTreeMap<&'static str, &'static str>>);

impl Complaints {
    /// Notes how a check went. `true`: otherwise than the last time.
    fn changed(&self, check: &'static str, word: Option<&'static str>) -> bool {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let before = match word {
            Some(word) => known.insert(check, word),
            None => known.remove(check),
        };
        before != word
    }

    /// One check as `/ready` shows it; the log has the rest.
    fn note(&self, check: &'static str, outcome: Result<(), Failure>) -> Value {
        match outcome {
            Ok(()) => {
                if self.changed(check, None) {
                    tracing::info!(check, "a readiness check passes again");
                }
                json!({ "ok": true })
            }
            Err(Failure { word, story }) => {
                if self.changed(check, Some(word)) {
                    tracing::warn!(check, error = story, "a readiness check fails");
                }
                json!({ "ok": false, "reason": word })
            }
        }
    }
}

/// Every dependency answers. Reasons are fixed words; the log has the errors.
/// `audit_shipping` only informs: calls go on while events wait in the journal.
/// So does `quota` where `quota.on_failure` lets calls go on, and `configuration`:
/// files that are not fit are not in force, and those before are.
#[utoipa::path(
    get,
    path = "/ready",
    tag = "operations",
    responses(
        (status = 200, description = "`{status: \"ready\", checks}`"),
        (status = 503, description = "`{status: \"unready\", checks}`, with the reason of each failing check"),
    )
)]
pub(super) async fn ready(site: web::Data<Site>, io: Io) -> HttpResponse {
    let gateway = &site.gateway;
    let database = match tokio::time::timeout(PATIENCE, gateway.store.ping()).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(Failure::new(database_word(&error), error.to_string())),
        Err(_) => Err(Failure::new(word::NO_ANSWER, "no answer in time")),
    };
    let quota = match tokio::time::timeout(PATIENCE, gateway.quota.ping(&io.quota)).await {
        Ok(outcome) => outcome.map_err(|error| Failure::new(word::UNREACHABLE, error)),
        Err(_) => Err(Failure::new(word::NO_ANSWER, "no answer in time")),
    };
    let issuers = gateway.authn.key_health();
    let without_keys = issuers.iter().filter(|issuer| !issuer.ready).count();
    let keys = if without_keys < issuers.len() {
        Ok(())
    } else {
        Err(Failure::new(word::NO_KEYS, "no issuer's keys are at hand"))
    };
    let audit = gateway.audit.health();
    let shipping = match &audit.ship_error {
        None => Ok(()),
        Some(error) => Err(Failure::new(word::FAILED, error.as_str())),
    };
    let records = match (audit.records(), audit.write_error) {
        (true, _) => Ok(()),
        (false, Some(error)) => Err(Failure::new(word::FAILED, error)),
        (false, None) => Err(Failure::new(word::BACKLOG_FULL, "the backlog is full")),
    };
    let process = if site.is_stopping() {
        Err(Failure::new(word::STOPPING, "the process is stopping"))
    } else {
        Ok(())
    };
    let mut checks = Map::new();
    let mut all_pass = true;
    for (check, outcome) in [
        ("process", process),
        ("database", database),
        ("quota", quota),
        ("keys", keys),
        ("audit", records),
    ] {
        // Where calls go on without Redis, its absence informs only.
        all_pass &= outcome.is_ok() || (check == "quota" && !gateway.quota.fails_closed());
        checks.insert(check.to_owned(), site.complaints.note(check, outcome));
    }
    let configuration = match gateway.reload.error() {
        None => Ok(()),
        Some(error) => Err(Failure::new(word::STALE, error)),
    };
    checks.insert("configuration".to_owned(), site.complaints.note("configuration", configuration));
    checks.insert("audit_shipping".to_owned(), site.complaints.note("audit_shipping", shipping));
    if let Some(Value::Object(keys)) = checks.get_mut("keys") {
        keys.insert("issuers".to_owned(), issuers.len().into());
        keys.insert("issuers_without_keys".to_owned(), without_keys.into());
    }
    let (mut response, status) = if all_pass {
        (HttpResponse::Ok(), "ready")
    } else {
        (HttpResponse::ServiceUnavailable(), "unready")
    };
    response.json(json!({ "status": status, "checks": Value::Object(checks) }))
}

fn database_word(error: &StoreError) -> &'static str {
    match error {
        StoreError::Unavailable(_) => word::UNREACHABLE,
        StoreError::Timeout => word::NO_ANSWER,
        StoreError::Settings(_)
        | StoreError::Conflict(_)
        | StoreError::Rejected(_)
        | StoreError::Inconsistent(_)
        | StoreError::PendingMigrations(_) => word::FAILED,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failing_check_shows_its_word_and_not_its_error() {
        let error = StoreError::Inconsistent("canary".to_owned());
        let failure = Failure::new(database_word(&error), error.to_string());
        assert!(failure.story.contains("canary"));
        let shown = Complaints::default().note("database", Err(failure));
        assert_eq!(shown, json!({ "ok": false, "reason": "failed" }));
        let gone = StoreError::Unavailable("canary".to_owned());
        assert_eq!(database_word(&gone), "unreachable");
        assert_eq!(database_word(&StoreError::Timeout), "no answer");
    }

    #[test]
    fn only_changes_are_told() {
        let complaints = Complaints::default();
        let told = [None, Some("failed"), Some("failed"), Some("unreachable"), None, None]
            .map(|word| complaints.changed("database", word));
        assert_eq!(told, [false, true, false, true, true, false]);
        assert!(complaints.changed("quota", Some("failed")), "each check by itself");
    }
}
