//! The routes every service has.

use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::http::header::{ALLOW, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::json;

use super::answer::plain_error;
use super::service::Service;
use super::{endpoint, guard};

/// Puts the kit's routes, and the service's own, on an application.
///
/// `GET /health` is open: it tells nothing but that the process lives.
/// Everything else needs the gateway's secret.
pub fn configure(service: &Arc<Service>, app: &mut web::ServiceConfig) {
    app.app_data(web::Data::new(Arc::clone(service)))
        .service(
            web::resource("/health")
                .route(web::get().to(health))
                .default_service(web::to(async || only("GET"))),
        )
        .service(
            web::resource("/mcp")
                .route(web::post().to(endpoint::post))
                .default_service(web::to(async || only("POST"))),
        )
        .service(
            web::resource("/mcp/tools")
                .route(web::get().to(tools))
                .default_service(web::to(async || only("GET"))),
        )
        .configure(service.definition.routes)
        .default_service(web::to(not_found));
}

async fn health(service: web::Data<Arc<Service>>) -> HttpResponse {
    let uptime = service.clock.monotonic().saturating_sub(service.started);
    HttpResponse::Ok().json(json!({
        "status": "ok",
        "service": service.definition.name,
        "version": service.definition.version,
        "uptime_seconds": uptime.as_secs(),
    }))
}

async fn tools(service: web::Data<Arc<Service>>, request: HttpRequest) -> HttpResponse {
    match guard::authorize(&service, request.headers()) {
        Ok(()) => HttpResponse::Ok().json(&service.pages.rest_list),
        Err(refused) => refused.respond(),
    }
}

fn only(method: &'static str) -> HttpResponse {
    let mut response = plain_error(StatusCode::METHOD_NOT_ALLOWED, "method not allowed");
    response.headers_mut().insert(ALLOW, HeaderValue::from_static(method));
    response
}

async fn not_found() -> HttpResponse {
    plain_error(StatusCode::NOT_FOUND, "not found")
}
