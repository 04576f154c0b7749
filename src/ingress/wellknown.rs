//! Protected resource metadata (RFC 9728): tells a client which issuer can
//! give it a token for an endpoint.

use actix_web::http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL};
use actix_web::{HttpRequest, HttpResponse, web};

use super::respond::{self, Surroundings};
use super::{Site, Visit};
use crate::audit::Surface;
use crate::authn::{metadata_url, resource_metadata};
use crate::error::{Reason, Refusal};

/// The document of one scoped endpoint.
#[utoipa::path(
    get,
    path = "/.well-known/oauth-protected-resource/{scope}/mcp",
    tag = "metadata",
    params(("scope" = String, Path, description = "Name of the scope")),
    responses((status = 200, description = "RFC 9728 metadata"), (status = 404, description = "No such scope"))
)]
pub(super) async fn scope(request: HttpRequest, site: web::Data<Site>) -> HttpResponse {
    let visit = Visit::new(&site, &request, Surface::Rest, "GET");
    let leaf = request.match_info().get("leaf").unwrap_or("mcp");
    if site.gateway.now().registry.scope(visit.scope).is_err() {
        let refusal = Refusal::new(Reason::NotFound, "no metadata for this path");
        return respond::refuse(&refusal, visit.surroundings());
    }
    document(&site, &format!("/{}/{leaf}", visit.scope))
}

/// The document of the gateway as a whole.
#[utoipa::path(
    get,
    path = "/.well-known/oauth-protected-resource",
    tag = "metadata",
    responses((status = 200, description = "RFC 9728 metadata"))
)]
pub(super) async fn root(site: web::Data<Site>) -> HttpResponse {
    document(&site, "")
}

fn document(site: &Site, path: &str) -> HttpResponse {
    let issuers = site.gateway.authn.issuers();
    HttpResponse::Ok()
        .insert_header((ACCESS_CONTROL_ALLOW_ORIGIN, "*"))
        .insert_header((CACHE_CONTROL, "public, max-age=300"))
        .json(resource_metadata(site.edge.public_url(), path, issuers, &site.app_name))
}

/// Where the metadata of the endpoint that was asked lies. Built from the
/// configured public URL, never from the request's `Host`.
pub(super) fn url_of(around: Surroundings<'_>) -> String {
    let public = around.site.edge.public_url();
    if around.surface == Surface::Mcp {
        let leaf = around.endpoint.rsplit('/').next().unwrap_or_default();
        let scope = around.scope;
        let plain = !scope.is_empty()
            && scope.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if plain && matches!(leaf, "mcp" | "sse") {
            return metadata_url(public, &format!("/{scope}/{leaf}"));
        }
    }
    metadata_url(public, "/")
}
