//! Lists of what a scope offers, as far as the caller may use it.
//!
//! A scope with one backend passes its list on, byte for byte but for what is
//! left out. Several backends are asked at once and make one list; one that
//! does not answer is named in `_meta` and does not keep the others' part from
//! the client.

use std::borrow::Cow;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use serde_json::value::RawValue;

use super::{Answer, Visitor, no_cursor, pinned};
use crate::error::{Reason, Refusal};
use crate::gateway::{Gateway, WorkerIo};
use crate::inbound::Message;
use crate::protocol::mcp::Method;
use crate::protocol::raw::{self, Object, Unfit};
use crate::protocol::revision::Era;
use crate::protocol::splice::Edits;
use crate::protocol::{codes, number};
use crate::registry::{SubjectKind, catalog};
use crate::translate::lists::{self, Cursor, List, Merge, Page, filter};
use crate::upstream::{Ask, UNMIRRORED, id_in};

/// Longest wait for a backend's part of a list.
const DEADLINE: Duration = Duration::from_secs(10);

/// `tools/list`, `prompts/list`, `resources/list`,
/// `resources/templates/list`.
pub(super) async fn list(
    gw: &Gateway,
    io: &WorkerIo,
    visitor: &Visitor<'_>,
    message: &Message<'_>,
    body: &Bytes,
) -> Result<Answer, Refusal> {
    if visitor.scope.is_open() {
        return Box::pin(offered(gw, io, visitor, message, body)).await;
    }
    if message.method != Method::ToolsList {
        return Err(super::no_such_method(&message.method_name));
    }
    no_cursor(message.params.cursor.as_deref())?;
    Ok(Answer::Result(declared(gw, visitor, message.spoken.era)))
}

/// The tools that the registry declares.
fn declared(gw: &Gateway, visitor: &Visitor<'_>, era: Era) -> Vec<u8> {
    let active = visitor.now.policy.active();
    let tools = visitor.scope.tools.iter().map(|tool| &**tool);
    let visible = tools.filter(|tool| {
        active.allows(&visitor.caller, tool) && pinned::shows_declared(gw, &visitor.now, tool)
    });
    catalog::list(visible, era, gw.handshake.server_info())
}

async fn offered(
    gw: &Gateway,
    io: &WorkerIo,
    visitor: &Visitor<'_>,
    message: &Message<'_>,
    body: &Bytes,
) -> Result<Answer, Refusal> {
    let (Some(list), Some(id)) = (message.method.name().and_then(List::of), message.id) else {
        return Err(super::no_such_method(&message.method_name));
    };
    let scope = &visitor.scope;
    let era = message.spoken.era;
    let wanted = Wanted { list, era, revision: message.spoken.revision };
    if scope.backends.len() == 1 && (scope.tools.is_empty() || list != List::Tools) {
        let mut whole = ask(gw, io, visitor, wanted, 0, id, body.clone()).await?;
        whole.message = visible_of(gw, visitor, wanted, &whole.message).map_err(unfit)?;
        return Ok(Answer::Forwarded(whole));
    }
    let asked = match message.params.cursor.as_deref() {
        None => None,
        Some(cursor) => Some(Cursor::decode(cursor).ok_or_else(|| {
            Refusal::telling(Reason::InvalidParams, "`cursor` is not one of this list")
        })?),
    };
    together(gw, io, visitor, wanted, body, asked.as_ref()).await.map(Answer::Result)
}

/// Which list, for whom.
#[derive(Clone, Copy)]
pub(super) struct Wanted {
    pub(super) list: List,
    pub(super) era: Era,
    pub(super) revision: &'static str,
}

impl Wanted {
    fn kind(self) -> SubjectKind {
        match self.list {
            List::Tools => SubjectKind::Tool,
            List::Prompts => SubjectKind::Prompt,
            List::Resources | List::Templates => SubjectKind::Resource,
        }
    }

    pub(super) fn method(self) -> &'static str {
        match self.list {
            List::Tools => "tools/list",
            List::Prompts => "prompts/list",
            List::Resources => "resources/list",
            List::Templates => "resources/templates/list",
        }
    }
}

/// One backend's answer to a list request.
async fn ask(
    gw: &Gateway,
    io: &WorkerIo,
    visitor: &Visitor<'_>,
    wanted: Wanted,
    place: usize,
    id: &RawValue,
    message: Bytes,
) -> Result<crate::upstream::Whole, Refusal> {
    let backend = &visitor.scope.backends[place];
    let ask = Ask {
        backend,
        place,
        caller: &visitor.caller,
        seat: visitor.seat.as_ref(),
        era: wanted.era,
        revision: wanted.revision,
        id,
        method: wanted.method(),
        name: None,
        message,
        mirrored: UNMIRRORED,
        timeout: backend.timeout.min(DEADLINE),
        idle: Some(DEADLINE),
        streams: false,
        trail: visitor.trail,
    };
    gw.upstream.consult(&io.http, ask).await?.whole().await
}

/// A backend's answer to a list request of the gateway's own.
pub(super) async fn ask_unread(
    gw: &Gateway,
    io: &WorkerIo,
    visitor: &Visitor<'_>,
    wanted: Wanted,
    place: usize,
    message: Bytes,
) -> Result<Bytes, Refusal> {
    let whole = ask(gw, io, visitor, wanted, place, id_in(&message)?, message.clone()).await?;
    Ok(whole.message)
}

/// A response with the entries the caller may use.
fn visible_of(
    gw: &Gateway,
    visitor: &Visitor<'_>,
    wanted: Wanted,
    message: &Bytes,
) -> Result<Bytes, Unfit> {
    let whole = Object::read(raw::value(message)?)?;
    let Some(result) = whole.get("result")? else { return Ok(message.clone()) };
    let visible = visible(gw, visitor, wanted, 0, result, |_| true)?;
    Edits::new(message).replace(result, visible.to_vec()).finish()
}

/// A result with the entries of a backend that the caller may use, under the
/// names that clients of the scope use.
fn visible(
    gw: &Gateway,
    visitor: &Visitor<'_>,
    wanted: Wanted,
    place: usize,
    result: &RawValue,
    mut own: impl FnMut(&str) -> bool,
) -> Result<Bytes, Unfit> {
    let Visitor { now, caller, scope, .. } = visitor;
    let (active, kind) = (now.policy.active(), wanted.kind());
    let lock = now.lock.as_ref().filter(|_| wanted.list == List::Tools);
    let pins = lock.zip(scope.backends.get(place));
    let keep = |name: &str, entry: &RawValue| {
        let outer = scope.outer_name(kind, place, name);
        own(&outer)
            && active.allows_at(caller, scope, place, kind, &outer)
            && pins.is_none_or(|(lock, backend)| pinned::shows(gw, lock, backend, entry))
    };
    let rename = |name: &str| match scope.outer_name(kind, place, name) {
        Cow::Owned(outer) => Some(outer),
        Cow::Borrowed(_) => None,
    };
    filter(wanted.list, result, keep, rename, wanted.era == Era::Modern)
}

/// One list of the declared tools and all backends' parts.
async fn together(
    gw: &Gateway,
    io: &WorkerIo,
    visitor: &Visitor<'_>,
    wanted: Wanted,
    body: &Bytes,
    asked: Option<&Cursor>,
) -> Result<Vec<u8>, Refusal> {
    let scope = &visitor.scope;
    let places: Vec<(usize, Option<&RawValue>)> = match asked {
        None => (0..scope.backends.len()).map(|place| (place, None)).collect(),
        Some(cursor) => {
            let within = cursor.pending().filter(|(place, _)| *place < scope.backends.len());
            within.map(|(place, cursor)| (place, Some(cursor))).collect()
        }
    };
    let asking = places.iter().map(|&(place, cursor)| async move {
        let message = at_cursor(body, cursor).map_err(unfit)?;
        let whole = ask(gw, io, visitor, wanted, place, id_in(&message)?, message.clone()).await?;
        part(&whole.message)
    });
    let answers = join_all(asking).await;

    let mut parts: Vec<(usize, Bytes)> = Vec::new();
    let (mut unavailable, mut refused) = (Vec::new(), None);
    for (&(place, _), answer) in places.iter().zip(answers) {
        match answer {
            Ok(Some(result)) => parts.push((place, result)),
            // It has no such lists.
            Ok(None) => {}
            Err(refusal) => {
                let name = &*scope.backends[place].name;
                tracing::warn!(
                    backend = name,
                    scope = &*scope.name,
                    reason = refusal.reason.name(),
                    detail = &*refusal.detail,
                    "a list is given without the part of a backend"
                );
                gw.lists_incomplete.fetch_add(1, Ordering::Relaxed);
                unavailable.push(name);
                refused.get_or_insert(refusal);
            }
        }
    }
    let own_tools = wanted.list == List::Tools && !scope.tools.is_empty();
    if let Some(refusal) = refused
        && parts.is_empty()
        && !own_tools
    {
        // Nobody answered: an empty list would say that there is nothing.
        return Err(refusal);
    }
    let mut pages: Vec<(usize, Bytes)> = Vec::new();
    if own_tools && asked.is_none() {
        let declared = declared(gw, visitor, Era::Legacy);
        pages.push((usize::MAX, declared.into()));
    }
    // A name belongs to the first backend that offers it.
    let mut taken = std::collections::HashSet::new();
    for (place, result) in &parts {
        let result = raw::value(result).map_err(unfit)?;
        let shown = visible(gw, visitor, wanted, *place, result, |name| {
            let declared = wanted.list == List::Tools && scope.tool(name).is_some();
            !declared && taken.insert(name.to_owned())
        });
        pages.push((*place, shown.map_err(unfit)?));
    }
    let pages: Vec<Page<'_>> = pages
        .iter()
        .map(|(backend, result)| Ok(Page { backend: *backend, result: raw::value(result)? }))
        .collect::<Result<_, Unfit>>()
        .map_err(unfit)?;
    let modern = (wanted.era == Era::Modern).then(|| gw.handshake.server_info());
    let merge = Merge { list: wanted.list, asked, unavailable: &unavailable, modern };
    let merged = merge.of(&pages).map_err(unfit)?;
    for place in merged.stuck {
        tracing::warn!(
            backend = scope.backends.get(place).map(|backend| &*backend.name),
            "a backend's list goes in circles, and is cut off"
        );
    }
    Ok(merged.result.to_vec())
}

fn at_cursor(body: &Bytes, cursor: Option<&RawValue>) -> Result<Bytes, Unfit> {
    let whole = raw::value(body)?;
    lists::with_cursor(Edits::new(body), whole, cursor)?.finish()
}

/// A backend's part, from its response; `None` where it knows no such list.
pub(super) fn part(message: &Bytes) -> Result<Option<Bytes>, Refusal> {
    let whole = raw::value(message).and_then(Object::read).map_err(unfit)?;
    if let Some(result) = whole.get("result").map_err(unfit)? {
        return Ok(Some(Bytes::copy_from_slice(result.get().as_bytes())));
    }
    let error = whole.get("error").map_err(unfit)?;
    let code = error.and_then(|error| Object::read(error).ok()?.get("code").ok()?);
    let code = code.and_then(|code| number::integer(code.get()));
    if code == Some(codes::METHOD_NOT_FOUND.into()) {
        return Ok(None);
    }
    Err(Refusal::new(
        Reason::BackendError,
        format!("the backend answers a list with error {}", code.unwrap_or_default()),
    ))
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn unfit(fault: Unfit) -> Refusal {
    Refusal::new(Reason::BackendError, format!("the backend's list cannot be read: {fault}"))
}
