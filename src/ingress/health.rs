//! Whether the process lives, and whether it can serve.

use std::time::Duration;

use actix_web::{HttpResponse, web};
use serde_json::{Map, Value, json};

use super::{Io, Site};

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

/// Every dependency answers. Reasons are words, never addresses.
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
    let mut checks = Map::new();
    let mut note = |name: &str, outcome: Result<(), String>| {
        let entry = match &outcome {
            Ok(()) => json!({ "ok": true }),
            Err(why) => json!({ "ok": false, "reason": why }),
        };
        checks.insert(name.to_owned(), entry);
        outcome.is_ok()
    };
    let database = tokio::time::timeout(PATIENCE, gateway.store.ping()).await;
    let database = match database {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err("no answer in time".to_owned()),
    };
    let quota = match tokio::time::timeout(PATIENCE, gateway.quota.ping(&io.quota)).await {
        Ok(outcome) => outcome,
        Err(_) => Err("no answer in time".to_owned()),
    };
    let keys = gateway.authn.key_health();
    let keys = if keys.iter().any(|issuer| issuer.ready) {
        Ok(())
    } else {
        Err("no issuer's keys are at hand".to_owned())
    };
    let audit = gateway.audit.health();
    let audit = match (audit.records(), audit.write_error, audit.ship_error) {
        (false, Some(why), _) => Err(why),
        (false, None, _) => Err("the backlog is full".to_owned()),
        // Calls go on while the database is down; its own check says so.
        (true, ..) => Ok(()),
    };
    let process = if site.is_stopping() { Err("stopping".to_owned()) } else { Ok(()) };
    let all = [
        note("process", process),
        note("database", database),
        note("quota", quota),
        note("keys", keys),
        note("audit", audit),
    ];
    if all.into_iter().all(|ok| ok) {
        HttpResponse::Ok().json(json!({ "status": "ready", "checks": Value::Object(checks) }))
    } else {
        HttpResponse::ServiceUnavailable()
            .json(json!({ "status": "unready", "checks": Value::Object(checks) }))
    }
}
