//! Legacy sessions: how they begin and end, and what clients say in them
//! outside of requests. What backends say is in `hearing`.

use std::sync::Arc;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Answer, Inbound, Visitor, Walked, authenticate, open, turn_away};
use crate::authn::Caller;
use crate::error::{Reason, Refusal};
use crate::gateway::{Gateway, WorkerIo};
use crate::handshake::{Backer, Offer, Way};
use crate::inbound::{Head, Message};
use crate::protocol::revision::{self, Era};
use crate::protocol::{headers, ids, raw, splice};
use crate::registry::Scope;
use crate::session::{BackendSession, CallerKey, Contents, Notice, Opened};
use crate::translate::capabilities::mask_client;
use crate::upstream::{Ask, Berth, Introduction, Presented, Seated, UNMIRRORED};

/// What a client that declares nothing can do.
const NOTHING: &str = "{}";

/// The session a request names. Modern requests have none, whatever they say.
pub(super) fn of(
    gw: &Gateway,
    head: Head<'_>,
    scope: &Scope,
    caller: &Caller,
    era: Era,
) -> Result<Option<Arc<Opened>>, Refusal> {
    if era == Era::Modern {
        return Ok(None);
    }
    let Some(id) = head.one(headers::SESSION_ID)? else { return Ok(None) };
    let seat = gw.sessions.open(id, scope.label(), &CallerKey::of(caller.key()))?;
    gw.sessions.touch(&seat);
    Ok(Some(seat))
}

/// `initialize`: introduces the client to every backend of the scope, and
/// seals what comes of it into the session's id.
pub(super) async fn initialize(
    gw: &Gateway,
    io: &WorkerIo,
    visitor: &Visitor<'_>,
    message: &Message<'_>,
) -> Result<Answer, Refusal> {
    #[derive(Default, Deserialize)]
    struct Info {
        #[serde(default)]
        name: String,
        #[serde(default)]
        version: String,
    }
    let params = &message.params;
    let requested = params.protocol_version.as_deref().unwrap_or(revision::LATEST_LEGACY);
    let revision = revision::negotiate(requested);
    let nothing = RawValue::from_string(NOTHING.to_owned())
        .map_err(|error| Refusal::new(Reason::Internal, error.to_string()))?;
    let capabilities = params.capabilities.unwrap_or(&nothing);
    let info = params.client_info.and_then(|raw| serde_json::from_str::<Info>(raw.get()).ok());
    let info = info.unwrap_or_default();
    // Tasks of the two eras do not translate, and are not carried.
    let shown = mask_client(capabilities, &["tasks"])
        .map_err(|fault| Refusal::telling(Reason::InvalidParams, fault.to_string()))?;
    let capabilities = raw::value(&shown)
        .map_err(|fault| Refusal::telling(Reason::InvalidParams, fault.to_string()))?;
    let presented = Presented { revision, capabilities, client: (&info.name, &info.version) };
    let Visitor { caller, scope, trail, .. } = visitor;
    let boarded = gw.upstream.board(&io.http, &scope.backends, caller, presented, *trail).await;
    let berths = aboard(scope, boarded)?;
    let aboard = berths.iter().flatten();
    let told = aboard.map(|berth| {
        (&berth.introduction, if berth.same_era { Way::Straight } else { Way::Translated })
    });
    let offer = offer(scope, told);
    let result = gw.handshake.initialize(revision, &offer);
    let backends = berths.iter().enumerate().filter_map(|(place, berth)| {
        let (id, revision) = berth.as_ref()?.session.as_ref()?;
        let index = u8::try_from(place).ok()?;
        Some(BackendSession { index, id: Some(id.as_str().into()), revision })
    });
    let started = gw
        .sessions
        .start(Contents {
            scope: scope.label(),
            caller: CallerKey::of(caller.key()),
            revision,
            capabilities,
            client_name: &info.name,
            client_version: &info.version,
            backends: backends.collect(),
        })
        .map_err(|error| Refusal::new(Reason::BackendError, error.to_string()))?;
    for evicted in &started.evicted {
        gw.part(&io.http, evicted, caller.user_id()).await;
    }
    Ok(Answer::Opened(result, started.id))
}

/// `server/discover`: from what is known of the backends. They are asked only
/// where nothing is known yet, and what they cannot say is left out: an answer
/// that failed would make clients change eras.
pub(super) async fn discover(gw: &Gateway, io: &WorkerIo, visitor: &Visitor<'_>) -> Vec<u8> {
    let Visitor { scope, .. } = visitor;
    let asking = scope.backends.iter().map(|backend| async move {
        match gw.upstream.last_known(backend) {
            Some(facts) => Some(facts),
            None => gw.upstream.facts(&io.http, backend).await.ok(),
        }
    });
    let known = futures_util::future::join_all(asking).await;
    let told = known.iter().flatten().filter_map(|facts| {
        let way = match (facts.speaks(Era::Modern), facts.has_sessions()) {
            (true, _) => Way::Straight,
            (false, true) => Way::Translated,
            (false, false) => Way::WithoutNews,
        };
        Some((facts.introduction(Era::Modern)?, way))
    });
    gw.handshake.discover(&offer(scope, told))
}

fn offer<'a>(scope: &'a Scope, told: impl Iterator<Item = (&'a Introduction, Way)>) -> Offer<'a> {
    let backends = told.map(|(introduction, way)| Backer {
        capabilities: introduction.capabilities.as_deref(),
        instructions: introduction.instructions.as_deref(),
        way,
    });
    Offer {
        tools: scope.declares(),
        instructions: scope.instructions.as_deref(),
        backends: backends.collect(),
    }
}

/// The backends that are aboard, in their places. One that is not does not
/// keep the client from the others.
fn aboard(
    scope: &Scope,
    boarded: Vec<Result<Berth, Refusal>>,
) -> Result<Vec<Option<Berth>>, Refusal> {
    let mut berths = Vec::with_capacity(boarded.len());
    let mut missing = None;
    for (backend, berth) in scope.backends.iter().zip(boarded) {
        berths.push(match berth {
            Ok(berth) => Some(berth),
            Err(refusal) => {
                tracing::warn!(
                    backend = &*backend.name,
                    scope = &*scope.name,
                    reason = refusal.reason.name(),
                    detail = &*refusal.detail,
                    "a session begins without one of its backends"
                );
                missing.get_or_insert(refusal);
                None
            }
        });
    }
    match missing {
        // Declared tools are there without any backend.
        Some(refusal) if berths.iter().all(Option::is_none) && scope.tools.is_empty() => {
            Err(refusal)
        }
        _ => Ok(berths),
    }
}

/// A notification of the client.
pub(super) async fn notification(
    gw: &Gateway,
    io: &WorkerIo,
    visitor: &Visitor<'_>,
    message: &Message<'_>,
    body: &Bytes,
) -> Result<Answer, Refusal> {
    #[derive(Deserialize)]
    struct Cancelled<'a> {
        #[serde(borrow, rename = "requestId")]
        request_id: &'a RawValue,
        #[serde(borrow, default)]
        reason: Option<&'a RawValue>,
    }
    let Some(seat) = &visitor.seat else { return Ok(Answer::Accepted) };
    match &*message.method_name {
        "notifications/cancelled" => {
            let cancelled = message
                .raw_params
                .and_then(|raw| serde_json::from_str::<Cancelled<'_>>(raw.get()).ok());
            let Some(Cancelled { request_id, reason }) = cancelled else {
                return Ok(Answer::Accepted);
            };
            if !gw.upstream.call_back(&io.http, seat.uid(), request_id, reason).await {
                // Another replica may have it.
                let request_id = request_id.get().into();
                let _ = gw.sessions.publish(&Notice::Cancel { uid: seat.uid(), request_id });
            }
        }
        // What else a client may tell servers.
        "notifications/progress" | "notifications/roots/list_changed" => {
            for seated in everywhere(visitor, seat) {
                if let Err(refusal) = gw.upstream.tell(&io.http, seated, body.clone()).await {
                    tracing::debug!(
                        backend = &*seated.backend.name,
                        detail = &*refusal.detail,
                        "a notification was not taken"
                    );
                }
            }
        }
        // Backends were told `notifications/initialized` when the session
        // began. Anything else without an id is dropped: a backend might take
        // it for a call, which nobody judged.
        _ => {}
    }
    Ok(Answer::Accepted)
}

/// The client's answer to a question of a backend.
pub(super) async fn answer(
    gw: &Gateway,
    io: &WorkerIo,
    visitor: &Visitor<'_>,
    message: &Message<'_>,
    body: &Bytes,
) -> Result<Answer, Refusal> {
    let (Some(seat), Some(id)) = (&visitor.seat, message.id) else {
        return Ok(Answer::Accepted);
    };
    if let Some((place, theirs)) = ids::from_client(id) {
        let Some(backend) = visitor.scope.backend_at(place) else { return Ok(Answer::Accepted) };
        let message = splice::with_id(body, id, theirs.get())
            .map_err(|fault| Refusal::new(Reason::InvalidRequest, fault.to_string()))?;
        let Visitor { caller, trail, .. } = visitor;
        let seated = Seated { caller, seat, backend, place, trail: *trail };
        gw.upstream.tell(&io.http, seated, message).await?;
    } else if let Ok(key) = serde_json::from_str::<String>(id.get())
        && !gw.upstream.answered(seat.uid(), &key, body)
    {
        // Another replica may wait for it.
        let notice = Notice::Answer { uid: seat.uid(), key: key.into(), message: body.clone() };
        gw.sessions.publish(&notice).map_err(|_| {
            Refusal::telling(Reason::PayloadTooLarge, "the answer to a question is too large")
        })?;
    }
    Ok(Answer::Accepted)
}

/// `logging/setLevel`: every backend that logs is told.
pub(super) async fn set_level(
    gw: &Gateway,
    io: &WorkerIo,
    visitor: &Visitor<'_>,
    message: &Message<'_>,
    body: &Bytes,
) -> Result<Answer, Refusal> {
    let (Some(id), true) = (message.id, visitor.scope.is_open()) else {
        return Err(super::no_such_method(&message.method_name));
    };
    let Some(level) = level_of(message) else {
        return Err(Refusal::telling(Reason::InvalidParams, "`params.level` is no log level"));
    };
    let mut refused = None;
    let mut taken = false;
    for (place, backend) in visitor.scope.backends.iter().enumerate() {
        let Ok(facts) = gw.upstream.facts(&io.http, backend).await else { continue };
        if !facts.logs() {
            continue;
        }
        if !facts.speaks(Era::Legacy) {
            // A modern backend is told with each request.
            if let Some(seat) = &visitor.seat {
                gw.upstream.set_level(seat.uid(), &level);
                taken = true;
            }
            continue;
        }
        let ask = Ask {
            backend,
            place,
            caller: &visitor.caller,
            seat: visitor.seat.as_ref(),
            era: Era::Legacy,
            revision: message.spoken.revision,
            id,
            method: "logging/setLevel",
            name: None,
            message: body.clone(),
            mirrored: UNMIRRORED,
            timeout: backend.timeout,
            idle: Some(backend.timeout),
            streams: false,
            trail: visitor.trail,
        };
        match gw.upstream.consult(&io.http, ask).await {
            Ok(reply) => {
                let whole = reply.whole().await?;
                if whole.is_error {
                    refused.get_or_insert(Answer::Forwarded(whole));
                } else {
                    taken = true;
                }
            }
            Err(refusal) => return Err(refusal),
        }
    }
    match refused {
        Some(answer) if !taken => Ok(answer),
        _ => Ok(Answer::Result(b"{}".to_vec())),
    }
}

/// `DELETE`: ends the session.
pub(crate) async fn leave(gw: &Gateway, io: &WorkerIo, inbound: Inbound<'_>) -> Walked {
    let (known, mut entry) = open(gw, &inbound);
    let result = match walk_leave(gw, io, &inbound, &mut entry).await {
        Ok(answer) => Ok(answer),
        Err(refusal) => turn_away(inbound, refusal).await,
    };
    Walked { known, entry, result }
}

async fn walk_leave(
    gw: &Gateway,
    io: &WorkerIo,
    inbound: &Inbound<'_>,
    entry: &mut crate::audit::Entry,
) -> Result<Answer, Refusal> {
    let caller = authenticate(gw, inbound, entry).await?;
    entry.method("DELETE");
    let scope = gw.now().registry.scope(inbound.scope)?;
    let Some(seat) = of(gw, inbound.head, &scope, &caller, Era::Legacy)? else {
        return Err(Refusal::new(Reason::MethodNotAllowed, "there is no session to end"));
    };
    gw.sessions.end(seat.uid());
    gw.part(&io.http, &seat, caller.user_id()).await;
    Ok(Answer::Ended)
}

/// A client with its session, before each backend of its scope.
pub(super) fn everywhere<'a>(
    visitor: &'a Visitor<'a>,
    seat: &'a Arc<Opened>,
) -> impl Iterator<Item = Seated<'a>> {
    let Visitor { caller, scope, trail, .. } = visitor;
    let places = scope.reachable().iter().enumerate();
    places.map(move |(place, backend)| Seated { caller, seat, backend, place, trail: *trail })
}

/// The level a `logging/setLevel` asks for; one of RFC 5424.
fn level_of(message: &Message<'_>) -> Option<String> {
    const LEVELS: [&str; 8] =
        ["debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"];
    let level: String = serde_json::from_str(message.params.level?.get()).ok()?;
    LEVELS.contains(&&*level).then_some(level)
}
