//! `subscriptions/listen`: what changes, as far as the caller may know, from
//! all backends of the scope on one stream.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use tokio::time::error::Elapsed;

use super::hearing::{self, WITHOUT_ALL};
use super::{Answer, Changes, Known, Visitor, tasks};
use crate::error::{Reason, Refusal};
use crate::gateway::{Gateway, WorkerIo};
use crate::inbound::Message;
use crate::protocol::mcp::meta;
use crate::protocol::raw::{self, Object, Unfit, elements, text};
use crate::protocol::revision::Era;
use crate::protocol::splice::Edits;
use crate::session::{CallerKey, Listener};
use crate::translate::news::{self, Lists, Wanted};
use crate::upstream::{Ask, Flow, Piece, Reply, Subscriber, UNMIRRORED, id_in};

/// Longest wait for a backend to take a subscription.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a backend tells, and what that is, as it acknowledged it.
type News = (Flow, Map<String, Value>);

/// Subscriptions that the gateway holds together.
pub(crate) struct Listening {
    /// The first message: what is told. `None` where the only backend says it
    /// itself.
    pub(crate) acknowledged: Option<Bytes>,
    /// What the backends tell.
    pub(crate) flows: Vec<Flow>,
    /// What the gateway itself tells.
    pub(crate) changes: Changes,
    /// The last message.
    pub(crate) ended: Bytes,
    /// How long the caller's token lets it listen.
    pub(crate) at_most: Duration,
    /// The caller's place among listeners.
    pub(crate) listener: Arc<Listener>,
}

pub(super) async fn listen(
    gw: &Gateway,
    io: &WorkerIo,
    visitor: &Visitor<'_>,
    message: &Message<'_>,
    body: &Bytes,
    known: &Known,
) -> Result<Answer, Refusal> {
    if !known.takes_streams() {
        return Err(Refusal::new(Reason::NotAcceptable, "a stream is all there is here"));
    }
    let listener = Arc::new(gw.sessions.listen(&CallerKey::of(visitor.caller.key()))?);
    let id = id_in(body)?;
    let asked = wanted(body).map_err(unfit)?;
    let open = visitor.scope.is_open();
    // What only backends have does not change where none of them is open.
    let Lists { tools, prompts, resources } = asked.lists();
    let lists = Lists { tools, prompts: prompts && open, resources: resources && open };
    // Before anybody is waited for: a reload meanwhile is told, too.
    let changes = Changes::of_subscription(gw, visitor, lists, id);
    let permits = |place| hearing::permits(gw, &visitor.caller, &visitor.scope, place);
    let asking = visitor.scope.backends.iter().map(|backend| gw.upstream.facts(&io.http, backend));
    let facts = join_all(asking).await;
    let modern: Vec<Result<bool, Refusal>> =
        facts.into_iter().map(|facts| Ok(facts?.speaks(Era::Modern))).collect();
    let ended = ended(id);
    let at_most = super::remaining(gw, &visitor.caller);
    // A backend that is missing keeps nobody from what is told here.
    let do_without = |refusal: &Refusal| {
        visitor.scope.declares() && lists.tools && hearing::is_down(refusal.reason)
    };
    if let [Ok(true)] = &modern[..] {
        let body = permitted(gw, visitor, message, 0, body).map_err(unfit)?;
        let asked = ask(gw, io, visitor, message, 0, &body).await;
        if let Some(refusal) = asked.as_ref().err().filter(|refusal| do_without(refusal)) {
            hearing::tells_none(refusal);
            return Ok(Answer::Listening(Listening {
                acknowledged: Some(acknowledged(id, &own(lists))),
                flows: Vec::new(),
                changes,
                ended,
                at_most: at_most.min(WITHOUT_ALL),
                listener,
            }));
        }
        return Ok(match asked? {
            Reply::Stream(mut flow) => {
                let acknowledged = if lists.any() {
                    let told = acknowledgement(&mut flow).await?;
                    let mut all = told.ok_or_else(unacknowledged)?;
                    unite(&mut all, own(lists));
                    Some(acknowledged(id, &all))
                } else {
                    None
                };
                let flows = vec![flow.judged(permits(0))];
                Answer::Listening(Listening {
                    acknowledged,
                    flows,
                    changes,
                    ended,
                    at_most,
                    listener,
                })
            }
            Reply::Whole(whole) => Answer::Forwarded(whole),
        });
    }
    let asking = modern.into_iter().enumerate().map(|(place, modern)| {
        let listener = Arc::clone(&listener);
        async move {
            let body = permitted(gw, visitor, message, place, body).map_err(unfit)?;
            if modern? {
                return ask_one(gw, io, visitor, message, place, &body).await;
            }
            let wanted = wanted(&body).map_err(unfit)?;
            Box::pin(subscribe(gw, io, visitor, (place, id, listener), wanted)).await
        }
    });
    let mut all = Map::new();
    let mut flows = Vec::new();
    let mut failed = None;
    let backends = visitor.scope.backends.iter().enumerate();
    for ((place, backend), told) in backends.zip(join_all(asking).await) {
        match told {
            Ok(Some((flow, honoured))) => {
                flows.push(flow.judged(permits(place)));
                unite(&mut all, honoured);
            }
            Ok(None) => {}
            Err(refusal) => {
                tracing::warn!(
                    backend = &*backend.name,
                    reason = refusal.reason.name(),
                    detail = &*refusal.detail,
                    "a backend tells no news"
                );
                failed.get_or_insert(refusal);
            }
        }
    }
    let at_most = match failed {
        // An empty acknowledgement would say that there is nothing to tell.
        Some(refusal) if flows.is_empty() && !do_without(&refusal) => return Err(refusal),
        // Whoever subscribes anew finds the one that is missing now.
        Some(_) => at_most.min(WITHOUT_ALL),
        None => at_most,
    };
    unite(&mut all, own(lists));
    let acknowledged = Some(acknowledged(id, &all));
    Ok(Answer::Listening(Listening { acknowledged, flows, changes, ended, at_most, listener }))
}

/// The first message: what is told. The id stands in it as the client wrote
/// it.
fn acknowledged(id: &RawValue, all: &Map<String, Value>) -> Bytes {
    let (name, all) = (meta::SUBSCRIPTION_ID, json!(all));
    let text = format!(
        "{{\"jsonrpc\":\"2.0\",\"method\":\"notifications/subscriptions/acknowledged\",\
         \"params\":{{\"_meta\":{{\"{name}\":{id}}},\"notifications\":{all}}}}}"
    );
    text.into()
}

/// The last message.
fn ended(id: &RawValue) -> Bytes {
    let name = meta::SUBSCRIPTION_ID;
    let text = format!(
        "{{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":{{\"resultType\":\"complete\",\
         \"_meta\":{{\"{name}\":{id}}}}}}}"
    );
    text.into()
}

/// The news of one modern backend among several, and what they are.
async fn ask_one(
    gw: &Gateway,
    io: &WorkerIo,
    visitor: &Visitor<'_>,
    message: &Message<'_>,
    place: usize,
    body: &Bytes,
) -> Result<Option<News>, Refusal> {
    let Reply::Stream(mut flow) = ask(gw, io, visitor, message, place, body).await? else {
        return Ok(None);
    };
    Ok(acknowledgement(&mut flow).await?.map(|told| (*flow, told)))
}

/// The first message of a subscription: what the backend tells.
async fn acknowledgement(flow: &mut Flow) -> Result<Option<Map<String, Value>>, Refusal> {
    let first = tokio::time::timeout(PATIENCE, flow.next()).await.map_err(late)?;
    Ok(match first.transpose()? {
        Some(Piece::Event(event)) => event.data.and_then(|data| news::acknowledged(&data)),
        Some(Piece::Answer { .. }) | None => None,
    })
}

/// What the gateway tells by itself, whatever backends do: lists change with the
/// policy.
fn own(lists: Lists) -> Map<String, Value> {
    let Lists { tools, prompts, resources } = lists;
    Wanted { tools, prompts, resources, uris: Vec::new() }.to_json()
}

/// The news of one legacy backend, and what they are.
async fn subscribe(
    gw: &Gateway,
    io: &WorkerIo,
    visitor: &Visitor<'_>,
    (place, id, listener): (usize, &RawValue, Arc<Listener>),
    wanted: Wanted,
) -> Result<Option<News>, Refusal> {
    let Some(backend) = visitor.scope.backends.get(place) else { return Ok(None) };
    let caller = visitor.caller.clone();
    let subscriber =
        Subscriber { caller, backend: Arc::clone(backend), place, id: id.to_owned(), listener };
    let subscribing = gw.upstream.subscribe(&io.http, subscriber, wanted);
    tokio::time::timeout(4 * PATIENCE, subscribing).await.map_err(late)?
}

fn unacknowledged() -> Refusal {
    Refusal::new(Reason::BackendError, "the backend does not acknowledge the subscription")
}

fn late(_: Elapsed) -> Refusal {
    Refusal::new(Reason::BackendTimeout, "the backend does not say in time what it tells")
}

/// What the request wants to be told.
fn wanted(body: &Bytes) -> Result<Wanted, Unfit> {
    let params = Object::read(raw::value(body)?)?.get("params")?;
    let notifications = params.map(Object::read).transpose()?;
    let notifications = notifications.map(|params| params.get("notifications")).transpose()?;
    notifications.flatten().map(Wanted::read).transpose().map(Option::unwrap_or_default)
}

async fn ask(
    gw: &Gateway,
    io: &WorkerIo,
    visitor: &Visitor<'_>,
    message: &Message<'_>,
    place: usize,
    body: &Bytes,
) -> Result<Reply, Refusal> {
    let backend = &visitor.scope.backends[place];
    let tasks = tasks::of(gw, visitor, place)
        .ok_or_else(|| Refusal::new(Reason::Internal, "no backend at this place"))?;
    let body = tasks::listened(&tasks, body).map_err(unfit)?;
    let id = id_in(&body)?;
    let ask = Ask {
        backend,
        place,
        caller: &visitor.caller,
        seat: None,
        era: Era::Modern,
        revision: message.spoken.revision,
        id,
        method: "subscriptions/listen",
        name: None,
        message: body.clone(),
        mirrored: UNMIRRORED,
        timeout: PATIENCE,
        idle: None,
        streams: true,
        trail: visitor.trail,
    };
    gw.upstream.consult(&io.http, ask).await?.binding(tasks)
}

/// The request without subscriptions to resources that the caller may not
/// subscribe to at the backend at that place.
fn permitted(
    gw: &Gateway,
    visitor: &Visitor<'_>,
    message: &Message<'_>,
    place: usize,
    body: &Bytes,
) -> Result<Bytes, Unfit> {
    let Some(wanted) = message.params.notifications else { return Ok(body.clone()) };
    let Some(uris) = Object::read(wanted)?.get("resourceSubscriptions")? else {
        return Ok(body.clone());
    };
    let permits = hearing::permits(gw, &visitor.caller, &visitor.scope, place);
    let mut kept = Vec::new();
    for uri in elements(uris)? {
        if text(uri).is_some_and(|name| permits(&name)) {
            kept.push(uri.get());
        }
    }
    Edits::new(body).replace(uris, format!("[{}]", kept.join(",")).into_bytes()).finish()
}

/// Adds what one backend tells to what the others do.
fn unite(all: &mut Map<String, Value>, one: Map<String, Value>) {
    for (name, value) in one {
        match (all.get_mut(&name), value) {
            (Some(Value::Array(known)), Value::Array(more)) => {
                for uri in more {
                    if !known.contains(&uri) {
                        known.push(uri);
                    }
                }
            }
            (Some(known), Value::Bool(true)) => *known = Value::Bool(true),
            (Some(_), _) => {}
            (None, value) => {
                all.insert(name, value);
            }
        }
    }
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn unfit(fault: Unfit) -> Refusal {
    Refusal::telling(Reason::InvalidParams, fault.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_is_what_any_backend_tells() {
        let map = |value: Value| value.as_object().unwrap().clone();
        let mut all = Map::new();
        unite(&mut all, map(json!({ "toolsListChanged": false, "resourceSubscriptions": ["a"] })));
        unite(
            &mut all,
            map(json!({ "toolsListChanged": true, "resourceSubscriptions": ["a", "b"] })),
        );
        assert_eq!(
            Value::Object(all),
            json!({ "toolsListChanged": true, "resourceSubscriptions": ["a", "b"] })
        );
    }

    #[test]
    fn the_id_stays_as_the_client_wrote_it() {
        for id in ["7", "1e2", "1e400", "123456789012345678901", r#""\u0061""#] {
            let raw = RawValue::from_string(id.to_owned()).unwrap();
            let name = "\"io.modelcontextprotocol/subscriptionId\"";
            assert_eq!(
                ended(&raw),
                format!(
                    r#"{{"jsonrpc":"2.0","id":{id},"result":{{"resultType":"complete","_meta":{{{name}:{id}}}}}}}"#
                )
            );
            let told = acknowledged(&raw, &Map::new());
            let told = str::from_utf8(&told).unwrap();
            assert!(
                told.contains(&format!(r#""_meta":{{{name}:{id}}},"notifications":{{}}"#)),
                "{told}"
            );
        }
    }
}
