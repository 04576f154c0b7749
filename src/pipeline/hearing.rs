//! Streams of legacy sessions: what backends say outside of requests.

use std::sync::Arc;
use std::time::Duration;

use super::seats::{everywhere, of};
use super::{Answer, Changes, Inbound, Visitor, Walked, authenticate, open, trail, turn_away};
use crate::audit::Entry;
use crate::authn::Caller;
use crate::error::{Reason, Refusal};
use crate::gateway::{Gateway, WorkerIo};
use crate::policy::Moment;
use crate::protocol::ids::{self, Stream};
use crate::protocol::revision::Era;
use crate::registry::Scope;
use crate::session::{CallerKey, Listener, Opened};
use crate::upstream::{Flow, Permits};

/// Longest event id that is looked at, in bytes.
const LONGEST_EVENT_ID: usize = 1024;

/// How long clients listen while a backend is missing.
pub(super) const WITHOUT_ALL: Duration = Duration::from_mins(1);

/// The stream of a session.
pub(crate) struct Overheard {
    /// What backends say.
    pub(crate) flows: Vec<Flow>,
    /// What the gateway itself says.
    pub(crate) changes: Changes,
    /// The session, which is in use as long as somebody listens.
    pub(crate) seat: Arc<Opened>,
    /// How long the caller's token lets it listen.
    pub(crate) at_most: Duration,
    /// The caller's place among listeners.
    pub(crate) listener: Listener,
}

/// `GET`: what backends say outside of requests, or the rest of a stream that
/// broke off.
pub(crate) async fn hear(gw: &Gateway, io: &WorkerIo, inbound: Inbound<'_>) -> Walked {
    let (known, mut entry) = open(gw, &inbound);
    let result = match walk_hear(gw, io, &inbound, &mut entry).await {
        Ok(answer) => Ok(answer),
        Err(refusal) => turn_away(inbound, refusal).await,
    };
    Walked { known, entry, result }
}

async fn walk_hear(
    gw: &Gateway,
    io: &WorkerIo,
    inbound: &Inbound<'_>,
    entry: &mut Entry,
) -> Result<Answer, Refusal> {
    let caller = authenticate(gw, inbound, entry).await?;
    entry.method("GET");
    let now = gw.now();
    let scope = now.registry.scope(inbound.scope)?;
    let seat = of(gw, inbound.head, &scope, &caller, Era::Legacy)?;
    let Some(seat) = seat else {
        return Err(Refusal::new(Reason::MethodNotAllowed, "a stream needs a session"));
    };
    if !inbound.head.accepts()?.event_stream {
        return Err(Refusal::new(Reason::NotAcceptable, "a stream is all there is here"));
    }
    let visitor = Visitor {
        now,
        caller,
        scope,
        seat: Some(Arc::clone(&seat)),
        client: None,
        trail: trail(inbound.head, inbound.request_id),
    };
    // Before anybody is waited for: a reload meanwhile is told, too.
    let changes = Changes::of_session(gw, &visitor.now, &visitor.scope, &visitor.caller);
    let listener = gw.sessions.listen(&CallerKey::of(visitor.caller.key()))?;
    let last = inbound.head.one("last-event-id")?.filter(|id| id.len() <= LONGEST_EVENT_ID);
    let last = last.and_then(|id| ids::event_from_client(id.as_bytes()));
    // What has changed here is told in any case, but never instead of an answer.
    let own = visitor.scope.declares() && !matches!(last, Some((_, Stream::Request, _)));
    let mut without_all = false;
    // A backend that is missing keeps nobody from what is told here.
    let mut do_without = |refusal: Refusal| {
        if !own || !is_down(refusal.reason) {
            return Err(refusal);
        }
        tells_none(&refusal);
        without_all = true;
        Ok(Vec::new())
    };
    let flows = match last {
        // The answer of a call, which a rule may have hidden parts of.
        Some((_, Stream::Request, _)) if visitor.now.policy.active().hides_results() => {
            return Err(Refusal::telling(
                Reason::MethodNotAllowed,
                "answers are not told again: the policy hides parts of some",
            ));
        }
        Some((place, stream, id)) => {
            let resumed = resume(gw, io, &visitor, &seat, (place, stream, id)).await;
            let mut flows = resumed.or_else(&mut do_without)?;
            if stream == Stream::Session {
                // The other backends have no say in where it goes on.
                let others = overhear(gw, io, &visitor, &seat, Some(place)).await;
                flows.extend(others.unwrap_or_default());
            }
            flows
        }
        None => overhear(gw, io, &visitor, &seat, None).await.or_else(&mut do_without)?,
    };
    if flows.is_empty() && !own {
        return Err(Refusal::new(Reason::MethodNotAllowed, "no backend has such a stream"));
    }
    let at_most = super::remaining(gw, &visitor.caller);
    // Whoever comes back finds the one that is missing now.
    let at_most = if without_all { at_most.min(WITHOUT_ALL) } else { at_most };
    Ok(Answer::Overheard(Overheard { flows, changes, seat, at_most, listener }))
}

/// Says in the log that a backend is missing from a stream.
pub(super) fn tells_none(refusal: &Refusal) {
    tracing::warn!(
        reason = refusal.reason.name(),
        detail = &*refusal.detail,
        "a backend tells no news"
    );
}

/// Whether a backend is to blame, and may be there again soon.
pub(super) fn is_down(reason: Reason) -> bool {
    matches!(reason, Reason::BackendUnavailable | Reason::BackendTimeout | Reason::BackendError)
}

/// Which resources of the backend at a place the caller may know of, by the
/// policy of each moment.
pub(super) fn permits(gw: &Gateway, caller: &Caller, scope: &Arc<Scope>, place: usize) -> Permits {
    let in_force = Arc::clone(&gw.in_force);
    let (caller, scope) = (caller.clone(), Arc::clone(scope));
    let clock = gw.clock.clone();
    Arc::new(move |uri| {
        let moment = Moment { now: clock.now(), client: None, session: None };
        in_force.now().policy.active().permits_news(&caller, &scope, place, uri, moment)
    })
}

/// The rest of a stream that broke off.
async fn resume(
    gw: &Gateway,
    io: &WorkerIo,
    visitor: &Visitor<'_>,
    seat: &Arc<Opened>,
    (place, stream, id): (usize, Stream, &[u8]),
) -> Result<Vec<Flow>, Refusal> {
    let Some(seated) = everywhere(visitor, seat).find(|seated| seated.place == place) else {
        return Ok(Vec::new());
    };
    let last = str::from_utf8(id).ok().map(|id| (stream, id));
    let flow = gw.upstream.hear(&io.http, seated, last).await?;
    Ok(flow
        .map(|flow| flow.judged(permits(gw, &visitor.caller, &visitor.scope, place)))
        .into_iter()
        .collect())
}

/// The streams of all backends that have one, but for the one at `except`.
pub(super) async fn overhear(
    gw: &Gateway,
    io: &WorkerIo,
    visitor: &Visitor<'_>,
    seat: &Arc<Opened>,
    except: Option<usize>,
) -> Result<Vec<Flow>, Refusal> {
    let places = everywhere(visitor, seat).filter(|seated| Some(seated.place) != except);
    let asking = places.map(|seated| async move {
        let permits = permits(gw, &visitor.caller, &visitor.scope, seated.place);
        let flow = gw.upstream.hear(&io.http, seated, None).await?;
        Ok::<_, Refusal>(flow.map(|flow| flow.judged(permits)))
    });
    let mut flows = Vec::new();
    let mut refused = None;
    for heard in futures_util::future::join_all(asking).await {
        match heard {
            Ok(flow) => flows.extend(flow),
            Err(refusal) => {
                refused.get_or_insert(refusal);
            }
        }
    }
    match refused {
        Some(refusal) if flows.is_empty() => Err(refusal),
        _ => Ok(flows),
    }
}
