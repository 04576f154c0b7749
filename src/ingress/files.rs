//! `/files/{user}/{file}`: what tools have made for a user.

use actix_files::NamedFile;
use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderMap,
    HeaderName, HeaderValue, X_CONTENT_TYPE_OPTIONS,
};
use actix_web::{HttpRequest, HttpResponse, web};

use super::{Site, Visit, respond};
use crate::audit::{Outcome, Surface};
use crate::error::{Reason, Refusal};
use crate::files::{Entry, Opened};
use crate::pipeline::{self, Known, Walked};

/// Should a browser show it after all, then without scripts, and as if it came
/// from nowhere.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox",
);
const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// A generated file, for its owner or an admin.
///
/// Ranges and conditional requests are answered. A file that has expired is not
/// found.
#[utoipa::path(
    get,
    path = "/files/{user}/{file}",
    tag = "files",
    params(
        ("user" = String, Path, description = "The user id of its owner", example = "demo"),
        ("file" = String, Path, description = "The name, as `download_url` has it",
         example = "2f1e2a54-8c0f-4a52-9c0d-5b0c1c3a7d11.pdf"),
        ("Range" = Option<String>, Header, description = "Part of it", example = "bytes=0-99"),
    ),
    responses(
        (status = 200, description = "The file, as an attachment"),
        (status = 206, description = "Part of it"),
        (status = 400, description = "`invalid_request`: the user id or the name cannot be one"),
        (status = 401, description = "No valid bearer token"),
        (status = 403, description = "`admin_required`: it is somebody else's"),
        (status = 404, description = "`not_found`: there is none, or it has expired"),
        (status = 416, description = "The file has no such part"),
    ),
    security(("bearer" = []))
)]
pub(super) async fn read(
    request: HttpRequest,
    body: web::Payload,
    site: web::Data<Site>,
) -> HttpResponse {
    let visit = Visit::new(&site, &request, Surface::Files, "GET");
    let part = |name: &str| request.match_info().get(name).unwrap_or_default();
    let inbound = visit.inbound(body);
    let (entry, found) = pipeline::file(&site.gateway, inbound, part("user"), part("file")).await;
    let refusal = match found.and_then(|opened| answer(&request, opened)) {
        Ok(response) => {
            let status = response.status();
            let outcome = Outcome {
                is_error: Some(!status.is_success() && !status.is_redirection()),
                result_bytes: length(&response),
                ..Outcome::done(status.as_u16())
            };
            // That it is given has been on record since it was found.
            return match entry.seal(&outcome).await {
                Ok(()) => {
                    let seen = (status.as_u16(), false);
                    respond::count(&site, Surface::Files, &Known::default(), seen, None, None);
                    response
                }
                Err(unrecorded) => respond::refuse(&unrecorded, visit.surroundings()),
            };
        }
        Err(refusal) => refusal,
    };
    let walked = Walked { known: Known::default(), entry, result: Err(refusal) };
    respond::respond(walked, visit.surroundings(), None).await
}

/// The whole of it, or the part that is asked for.
fn answer(request: &HttpRequest, opened: Opened) -> Result<HttpResponse, Refusal> {
    let Opened { file, entry } = opened;
    let file = NamedFile::from_file(file, entry.name.to_string()).map_err(|error| {
        tracing::error!(%error, "a file cannot be read");
        Refusal::new(Reason::Internal, "the file cannot be read")
    })?;
    // Its time is that of its end, see `files`.
    let file = file.use_last_modified(false).disable_content_disposition();
    let mut response = file.into_response(request);
    describe(response.headers_mut(), &entry);
    Ok(response)
}

fn describe(headers: &mut HeaderMap, entry: &Entry) {
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(entry.name.kind().media_type()));
    let disposition = format!("attachment; filename=\"{}\"", entry.name);
    if let Ok(disposition) = HeaderValue::from_str(&disposition) {
        headers.insert(CONTENT_DISPOSITION, disposition);
    }
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(CONTENT_SECURITY_POLICY, POLICY);
    headers.insert(RESOURCE_POLICY, HeaderValue::from_static("same-origin"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
}

/// How long the body is.
fn length(response: &HttpResponse) -> Option<u64> {
    use actix_web::body::{BodySize, MessageBody as _};
    match response.body().size() {
        BodySize::None => Some(0),
        BodySize::Sized(length) => Some(length),
        BodySize::Stream => None,
    }
}
