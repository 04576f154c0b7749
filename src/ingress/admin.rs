//! `/admin/…`: what a security team reads over HTTP.

use std::sync::Arc;

use actix_web::http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE};
use actix_web::{HttpRequest, HttpResponse, web};
use bytes::Bytes;
use futures_util::stream;
use tokio::sync::OwnedSemaphorePermit;
use url::form_urlencoded;

use super::respond::{self, ACCEL_BUFFERING};
use super::{Site, Visit};
use crate::audit::{Outcome, Surface};
use crate::error::{Reason, Refusal};
use crate::pipeline::{self, Answer, Known, Walked};
use crate::store::{AuditCall, AuditQuery, CallPlace, Order, Paging, StoreError};
use crate::trail::{Cursor, Export, Filters, Format};

/// Most parameters that are looked at.
const MOST_PARAMETERS: usize = 64;

/// What is asked for.
struct Question {
    filters: Filters,
    format: Option<Format>,
    limit: Option<i64>,
    offset: Option<i64>,
    cursor: Option<String>,
}

/// A page of calls.
#[derive(serde::Serialize)]
struct Page {
    items: Vec<AuditCall>,
    /// `null` where counting would take too long.
    total: Option<u64>,
    limit: u64,
    offset: u64,
    /// Where the next page begins; `null` on the last.
    next_cursor: Option<String>,
}

/// Calls, denials and failed authentications on record, newest first; or all of
/// them as a stream.
///
/// Filters hold exactly and all together. One that does not exist is an error:
/// ignoring it would silently show too much. Asking is on record itself, with the
/// filters, before anything is answered.
#[utoipa::path(
    get,
    path = "/admin/audit-logs",
    tag = "admin",
    params(
        ("kind" = Option<String>, Query, description = "What was going on: `decision` (a tool call); `admin` (what administrators asked for); what was refused before it named a tool: `authentication`, `list`, `request`; `folded`, refusals of a flood that were counted; or `reload`, changes of the configuration", example = "authentication"),
        ("user_id" = Option<String>, Query, description = "Calls of this user"),
        ("tool_name" = Option<String>, Query, description = "Calls of this tool"),
        ("endpoint_path" = Option<String>, Query, description = "Calls on this path", example = "/calculator/mcp"),
        ("status" = Option<String>, Query, description = "How the call ended: `success`, `error`, `timeout`, `rate_limited`, `denied`, `aborted`, `pending`", example = "denied"),
        ("decision" = Option<String>, Query, description = "The decision: `allow`, `deny`, `rateLimited`, …"),
        ("reason" = Option<String>, Query, description = "The reason of a refusal", example = "tool_not_allowed"),
        ("error_code" = Option<String>, Query, description = "The code of a refusal or failure"),
        ("tenant" = Option<String>, Query, description = "Calls of this workspace"),
        ("scope" = Option<String>, Query, description = "Calls in this scope"),
        ("backend" = Option<String>, Query, description = "Calls served by this backend"),
        ("agent" = Option<String>, Query, description = "Calls of this agent profile"),
        ("client_addr" = Option<String>, Query, description = "Calls from this address"),
        ("request_id" = Option<String>, Query, description = "The call with this request id"),
        ("call_id" = Option<String>, Query, description = "The call with this id"),
        ("arguments_digest" = Option<String>, Query, description = "Calls whose arguments have this SHA-256 digest"),
        ("policy_digest" = Option<String>, Query, description = "Calls decided under this policy"),
        ("start_time" = Option<String>, Query, description = "At or after this time: RFC 3339, a day, or so long ago (`30d`, `2h`)"),
        ("end_time" = Option<String>, Query, description = "At or before this time"),
        ("limit" = Option<i64>, Query, description = "Rows wanted: 1 to 1000, by default 100"),
        ("offset" = Option<i64>, Query, description = "Rows skipped; for large trails use `cursor`"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before, with the same filters"),
        ("format" = Option<String>, Query, description = "`jsonl`, `csv` or `cef`: the whole selection as a stream, without pages", example = "csv"),
    ),
    responses(
        (status = 200, description = "`{items, total, limit, offset, next_cursor}`, or the export"),
        (status = 400, description = "`invalid_request`: a filter is unknown or has a wrong value; `message` says what to do"),
        (status = 403, description = "`admin_required`"),
        (status = 429, description = "Too many exports run already"),
    ),
    security(("bearer" = []))
)]
pub(super) async fn audit_logs(
    request: HttpRequest,
    body: web::Payload,
    site: web::Data<Site>,
) -> HttpResponse {
    let visit = Visit::new(&site, &request, Surface::Admin, "GET");
    let (mut entry, admitted) = pipeline::admin(&site.gateway, visit.inbound(body)).await;
    let asked = match admitted {
        Ok(_) => {
            entry.method("audit-logs");
            entry.question(&recorded(request.query_string()));
            read(&site, request.query_string())
        }
        Err(refusal) => Err(refusal),
    };
    let result = match asked {
        Ok(Question { filters, format: Some(format), .. }) => match place(&site) {
            Ok(permit) => {
                // On record before a byte of it leaves.
                return match entry.seal(&Outcome::done(200)).await {
                    Ok(()) => export(&visit, &filters, format, permit),
                    Err(unrecorded) => respond::refuse(&unrecorded, visit.surroundings()),
                };
            }
            Err(refusal) => Err(refusal),
        },
        Ok(question) => page(&site, question).await,
        Err(refusal) => Err(refusal),
    };
    let walked = Walked { known: Known::default(), entry, result };
    respond::respond(walked, visit.surroundings(), None).await
}

fn place(site: &Site) -> Result<OwnedSemaphorePermit, Refusal> {
    Arc::clone(&site.exports).try_acquire_owned().map_err(|_| Refusal {
        public: Some("Too many exports are running; wait until one is done.".into()),
        ..Refusal::new(Reason::TooManyStreams, "all places of exports are taken")
    })
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn wrong(sentence: impl ToString) -> Refusal {
    Refusal::telling(Reason::InvalidRequest, sentence.to_string())
}

fn read(site: &Site, query: &str) -> Result<Question, Refusal> {
    let now = site.gateway.clock.now();
    let mut asked = Question {
        filters: Filters::default(),
        format: None,
        limit: None,
        offset: None,
        cursor: None,
    };
    for (count, (name, value)) in form_urlencoded::parse(query.as_bytes()).enumerate() {
        if count >= MOST_PARAMETERS {
            return Err(wrong("there are more parameters than filters"));
        }
        let number = |known: Option<i64>| match value.parse::<i64>() {
            Ok(number) if known.is_none() => Ok(Some(number)),
            Ok(_) => Err(wrong(format!("`{name}` is given twice; give it once"))),
            Err(_) => Err(wrong(format!("`{name}` must be a whole number"))),
        };
        match &*name {
            "limit" => asked.limit = number(asked.limit)?,
            "offset" => asked.offset = number(asked.offset)?,
            "cursor" if asked.cursor.is_none() => asked.cursor = Some(value.into_owned()),
            "format" if asked.format.is_none() => {
                let format = Format::named(&value);
                asked.format =
                    Some(format.ok_or_else(|| wrong("`format` must be one of jsonl, csv, cef"))?);
            }
            "cursor" | "format" => {
                return Err(wrong(format!("`{name}` is given twice; give it once")));
            }
            _ => asked.filters.add(&name, &value, now).map_err(wrong)?,
        }
    }
    let pages = asked.limit.is_some() || asked.offset.is_some() || asked.cursor.is_some();
    if asked.format.is_some() && pages {
        return Err(wrong("an export has no pages: leave out `limit`, `offset` and `cursor`"));
    }
    if asked.cursor.is_some() && asked.offset.is_some() {
        return Err(wrong("`cursor` says where the page begins: leave out `offset`"));
    }
    Ok(asked)
}

/// The parameters as JSON, for the record. A cursor says nothing to anybody.
fn recorded(query: &str) -> String {
    let parameters = form_urlencoded::parse(query.as_bytes()).take(MOST_PARAMETERS);
    let told = parameters.filter(|(name, _)| name != "cursor");
    let members: serde_json::Map<_, _> =
        told.map(|(name, value)| (name.into_owned(), value.into_owned().into())).collect();
    serde_json::Value::Object(members).to_string()
}

async fn page(site: &Site, asked: Question) -> Result<Answer, Refusal> {
    let Question { filters, limit, offset, cursor, .. } = asked;
    let mut query = filters.query.clone();
    query.paging = Paging::new(limit, offset).map_err(wrong)?;
    let store = &site.gateway.store;
    // Few at a time: others wait here, and not for the connections that `/ready`
    // and exports need.
    let _place = site.pages.acquire().await;
    let page = match cursor {
        None => {
            let page = store.query_audit(query.clone()).await.map_err(|error| unread(&error))?;
            let seen = page.offset.saturating_add(page.items.len() as u64);
            let more = match page.total {
                Some(total) => seen < total,
                None => page.items.len() as u64 == page.limit,
            };
            Page {
                next_cursor: next(site, &page.items, page.total, more, (&filters, &query)),
                items: page.items,
                total: page.total,
                limit: page.limit,
                offset: page.offset,
            }
        }
        Some(text) => {
            let cursor = site.cursors.read(&text, &filters).map_err(wrong)?;
            cursor.restore(&mut query);
            let Cursor { place, total, .. } = cursor;
            let (limit, after) = (query.paging.limit(), Some(place));
            let items = store.audit_calls_after(query.clone(), after, Order::Newest).await;
            let items = items.map_err(|error| unread(&error))?;
            let more = items.len() as u64 == limit;
            Page {
                next_cursor: next(site, &items, total, more, (&filters, &query)),
                items,
                total,
                limit,
                offset: 0,
            }
        }
    };
    let body = serde_json::to_vec(&page)
        .map_err(|error| Refusal::new(Reason::Internal, error.to_string()))?;
    Ok(Answer::Page(body))
}

fn next(
    site: &Site,
    items: &[AuditCall],
    total: Option<u64>,
    more: bool,
    (filters, query): (&Filters, &AuditQuery),
) -> Option<String> {
    let place = CallPlace::from(items.last().filter(|_| more)?);
    Some(site.cursors.write(&Cursor::at(place, total, query), filters))
}

fn unread(error: &StoreError) -> Refusal {
    tracing::error!(%error, "the audit database cannot be read");
    Refusal::new(Reason::Internal, error.to_string())
}

/// The stream. The database is asked for the next piece when the client has
/// taken the one before; one that fails breaks the connection off, so that no
/// client takes a part for the whole.
fn export(
    visit: &Visit<'_>,
    filters: &Filters,
    format: Format,
    permit: OwnedSemaphorePermit,
) -> HttpResponse {
    let gateway = &visit.site.gateway;
    let export = Export::new(Arc::clone(&gateway.store), filters, format, gateway.clock.now());
    let pieces = stream::unfold(Some((export, permit)), |state| async {
        let (mut export, permit) = state?;
        match export.next().await {
            Ok(piece) => piece.map(|piece| (Ok(Bytes::from(piece.bytes)), Some((export, permit)))),
            Err(error) => {
                tracing::error!(%error, "an export of the audit trail broke off");
                let error = actix_web::error::ErrorInternalServerError("broken off");
                Some((Err(error), None))
            }
        }
    });
    respond::count(visit.site, Surface::Admin, &Known::default(), (200, false), None, None);
    let name = format!("attachment; filename=\"audit.{}\"", format.name());
    HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, format.media_type()))
        .insert_header((CONTENT_DISPOSITION, name))
        .insert_header((CACHE_CONTROL, "no-store"))
        .insert_header((ACCEL_BUFFERING, "no"))
        .streaming(Box::pin(pieces))
}
