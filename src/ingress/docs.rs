//! Interactive API documents, served from the binary: no CDN, no build step.

use std::sync::{Arc, LazyLock};

use actix_web::http::header::{CONTENT_SECURITY_POLICY, LOCATION};
use actix_web::{HttpResponse, web};
use utoipa::OpenApi;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa_swagger_ui::Config;

use super::{admin, health, mcp, policy, quotas, reload, rest, wellknown};

/// Scripts and styles of this origin only; the pages try calls on it, too.
const POLICY: &str = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
                      frame-ancestors 'none'";

/// The description of the HTTP interface.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Scopegate",
        description = "An MCP gateway: one MCP endpoint per tool scope, and plain REST beside it."
    ),
    paths(
        mcp::post,
        mcp::get,
        mcp::delete,
        rest::invoke,
        rest::tools,
        admin::audit_logs,
        policy::explain,
        quotas::show,
        quotas::reset,
        reload::reload,
        reload::status,
        wellknown::root,
        wellknown::scope,
        health::health,
        health::ready,
    ),
    components(schemas(rest::InvokeRequest)),
    modifiers(&Bearer)
)]
struct Document;

struct Bearer;

impl utoipa::Modify for Bearer {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let scheme = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .bearer_format("JWT")
            .description(Some("A token of a configured issuer"))
            .build();
        document
            .components
            .get_or_insert_default()
            .add_security_scheme("bearer", SecurityScheme::Http(scheme));
    }
}

static JSON: LazyLock<String> = LazyLock::new(|| {
    // Built from constants; a test shows that it can be written.
    Document::openapi().to_json().unwrap_or_default()
});

static UI: LazyLock<Arc<Config<'static>>> =
    LazyLock::new(|| Arc::new(Config::from("/openapi.json")));

/// `GET /openapi.json`.
pub(super) async fn openapi() -> HttpResponse {
    HttpResponse::Ok().content_type("application/json").body(JSON.as_str())
}

/// `GET /docs` and `/docs/`.
pub(super) async fn index(request: actix_web::HttpRequest) -> HttpResponse {
    if request.path() == "/docs" {
        return HttpResponse::PermanentRedirect().insert_header((LOCATION, "/docs/")).finish();
    }
    asset("index.html")
}

/// `GET /docs/{file}`.
pub(super) async fn file(name: web::Path<String>) -> HttpResponse {
    asset(&name)
}

fn asset(name: &str) -> HttpResponse {
    match utoipa_swagger_ui::serve(name, Arc::clone(&UI)) {
        Ok(Some(file)) => HttpResponse::Ok()
            .content_type(file.content_type)
            .insert_header((CONTENT_SECURITY_POLICY, POLICY))
            .insert_header(("x-content-type-options", "nosniff"))
            .body(file.bytes.into_owned()),
        Ok(None) | Err(_) => HttpResponse::NotFound()
            .json(serde_json::json!({ "error": "not_found", "message": "There is nothing at this path." })),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_names_every_path_a_caller_can_use() {
        let document: serde_json::Value = serde_json::from_str(&JSON).unwrap();
        for path in [
            "/{scope}/mcp",
            "/mcp/invoke",
            "/mcp/tools",
            "/admin/audit-logs",
            "/admin/quotas",
            "/health",
        ] {
            assert!(document["paths"].get(path).is_some(), "{path}");
        }
        assert_eq!(document["components"]["securitySchemes"]["bearer"]["scheme"], "bearer");
    }

    #[test]
    fn the_pages_are_in_the_binary() {
        for name in ["index.html", "swagger-ui-bundle.js", "swagger-ui.css"] {
            assert_eq!(asset(name).status(), 200, "{name}");
        }
        assert_eq!(asset("../Cargo.toml").status(), 404);
    }
}
