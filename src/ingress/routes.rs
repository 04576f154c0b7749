//! The route table: every path the gateway answers, who may ask, and the
//! handler. A route exists only by a row here, and a test asks each row.

use actix_web::{HttpRequest, HttpResponse, Resource, guard, web};

use super::{Site, admin, docs, health, mcp, policy, quotas, reload, rest, wellknown};

/// Who may ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AuthClass {
    /// Anybody: the answer is the same for everybody.
    Public,
    /// A caller with a valid token.
    Caller,
    /// A caller with the admin role.
    Admin,
}

/// One row.
#[derive(Clone, Copy)]
pub(crate) struct Route {
    /// Path pattern.
    pub(crate) path: &'static str,
    /// The HTTP methods answered, as `Allow` lists them.
    pub(crate) methods: &'static str,
    /// Who may ask.
    pub(crate) auth: AuthClass,
    attach: fn(Resource) -> Resource,
}

/// Every route, most particular first.
pub(crate) const ROUTES: [Route; 18] = [
    Route {
        path: "/{scope}/mcp",
        methods: "GET, POST, DELETE",
        auth: AuthClass::Caller,
        attach: endpoint,
    },
    Route {
        path: "/{scope}/sse",
        methods: "GET, POST, DELETE",
        auth: AuthClass::Caller,
        attach: endpoint,
    },
    Route {
        path: "/mcp/invoke",
        methods: "POST",
        auth: AuthClass::Caller,
        attach: |r| r.route(web::post().to(rest::invoke)).default_service(web::to(only_post)),
    },
    Route {
        path: "/mcp/tools",
        methods: "GET",
        auth: AuthClass::Caller,
        attach: |r| r.route(web::get().to(rest::tools)).default_service(web::to(only_get)),
    },
    Route {
        path: "/admin/audit-logs",
        methods: "GET",
        auth: AuthClass::Admin,
        attach: |r| r.route(web::get().to(admin::audit_logs)).default_service(web::to(only_get)),
    },
    Route {
        path: "/admin/policy/explain",
        methods: "GET",
        auth: AuthClass::Admin,
        attach: |r| r.route(web::get().to(policy::explain)).default_service(web::to(only_get)),
    },
    Route {
        path: "/admin/quotas",
        methods: "GET, DELETE",
        auth: AuthClass::Admin,
        attach: |r| {
            r.route(web::get().to(quotas::show))
                .route(web::delete().to(quotas::reset))
                .default_service(web::to(only_get_and_delete))
        },
    },
    Route {
        path: "/admin/reload",
        methods: "POST",
        auth: AuthClass::Admin,
        attach: |r| r.route(web::post().to(reload::reload)).default_service(web::to(only_post)),
    },
    Route {
        path: "/admin/reload-status",
        methods: "GET",
        auth: AuthClass::Admin,
        attach: |r| r.route(web::get().to(reload::status)).default_service(web::to(only_get)),
    },
    Route {
        path: "/.well-known/oauth-protected-resource",
        methods: "GET",
        auth: AuthClass::Public,
        attach: |r| r.route(get_or_head().to(wellknown::root)).default_service(web::to(only_get)),
    },
    Route {
        path: "/.well-known/oauth-protected-resource/{scope}/{leaf:mcp|sse}",
        methods: "GET",
        auth: AuthClass::Public,
        attach: |r| r.route(get_or_head().to(wellknown::scope)).default_service(web::to(only_get)),
    },
    Route {
        path: "/health",
        methods: "GET",
        auth: AuthClass::Public,
        attach: |r| r.route(get_or_head().to(health::health)).default_service(web::to(only_get)),
    },
    Route {
        path: "/healthz",
        methods: "GET",
        auth: AuthClass::Public,
        attach: |r| r.route(get_or_head().to(health::healthz)).default_service(web::to(only_get)),
    },
    Route {
        path: "/ready",
        methods: "GET",
        auth: AuthClass::Public,
        attach: |r| r.route(get_or_head().to(health::ready)).default_service(web::to(only_get)),
    },
    Route {
        path: "/openapi.json",
        methods: "GET",
        auth: AuthClass::Public,
        attach: |r| r.route(get_or_head().to(docs::openapi)).default_service(web::to(only_get)),
    },
    Route {
        path: "/docs",
        methods: "GET",
        auth: AuthClass::Public,
        attach: |r| r.route(get_or_head().to(docs::index)).default_service(web::to(only_get)),
    },
    Route {
        path: "/docs/",
        methods: "GET",
        auth: AuthClass::Public,
        attach: |r| r.route(get_or_head().to(docs::index)).default_service(web::to(only_get)),
    },
    Route {
        path: "/docs/{file}",
        methods: "GET",
        auth: AuthClass::Public,
        attach: |r| r.route(get_or_head().to(docs::file)).default_service(web::to(only_get)),
    },
];

/// The MCP endpoint of a scope.
fn endpoint(resource: Resource) -> Resource {
    resource
        .route(web::post().to(mcp::post))
        .route(web::get().to(mcp::get))
        .route(web::delete().to(mcp::delete))
        .default_service(web::to(mcp::other))
}

/// Attaches every route; everything else is 404.
pub(crate) fn configure(config: &mut web::ServiceConfig) {
    for route in &ROUTES {
        config.service((route.attach)(web::resource(route.path)));
    }
    config.default_service(web::to(rest::not_found));
}

fn get_or_head() -> actix_web::Route {
    web::route().guard(guard::Any(guard::Get()).or(guard::Head()))
}

async fn only_get(request: HttpRequest, site: web::Data<Site>) -> HttpResponse {
    rest::wrong_method(&request, &site, "GET")
}

async fn only_get_and_delete(request: HttpRequest, site: web::Data<Site>) -> HttpResponse {
    rest::wrong_method(&request, &site, "GET, DELETE")
}

async fn only_post(request: HttpRequest, site: web::Data<Site>) -> HttpResponse {
    rest::wrong_method(&request, &site, "POST")
}
