//! What all of `/admin/…` has in common: who may ask, and that it is on record.

use actix_web::{HttpRequest, HttpResponse, web};

use super::{Site, Visit, respond};
use crate::audit::{Entry, Surface};
use crate::error::Refusal;
use crate::pipeline::{self, Answer, Known, Walked};

/// Answers a request, which is on record as `method`. `work` is done for
/// administrators only. `allow` names the methods of HTTP that the path knows.
pub(super) async fn answer(
    (request, body, site): (&HttpRequest, web::Payload, &web::Data<Site>),
    (allow, method): (&'static str, &'static str),
    work: impl AsyncFnOnce(&mut Entry) -> Result<Answer, Refusal>,
) -> HttpResponse {
    let visit = Visit::new(site, request, Surface::Admin, allow);
    let (mut entry, admitted) = pipeline::admin(&site.gateway, visit.inbound(body)).await;
    entry.method(method);
    let result = match admitted {
        Ok(_) => work(&mut entry).await,
        Err(refusal) => Err(refusal),
    };
    let walked = Walked { known: Known::default(), entry, result };
    respond::respond(walked, visit.surroundings(), None).await
}
