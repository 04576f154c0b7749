//! The walk: the life of a request, a line a stage.
//!
//! Each stage returns what the next one needs, or a [`Refusal`]. The order is
//! the product's promise: nobody is judged before being known, nothing is
//! read before the caller is known, nothing is charged that was not allowed,
//! and nothing is forwarded that was not written down.

mod account;
mod changes;
mod conceal;
mod conversation;
mod files;
mod hearing;
mod listen;
mod lists;
mod offers;
mod pinned;
mod quotas;
mod rest;
mod seats;
mod tasks;
mod upkeep;

pub(crate) use account::remember;
pub(crate) use changes::Changes;
pub(crate) use conversation::{Begun, Line, begin, hang_up, reach, say};
pub(crate) use files::file;
pub(crate) use hearing::{Overheard, hear};
pub(crate) use listen::Listening;
pub(crate) use quotas::{Whom, quotas};
pub(crate) use rest::{invoke, tools};
pub(crate) use seats::leave;

use std::fmt::Display;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;

use crate::audit::{CallerFacts, Entry, Opening, Surface, TargetFacts};
use crate::authn::{Caller, Credentials};
use crate::error::{Reason, Refusal};
use crate::gateway::{Gateway, WorkerIo};
use crate::generation::Generation;
use crate::inbound::{self, Head, Message, Partial};
use crate::policy::{Moment, What};
use crate::protocol::accept::Accepts;
use crate::protocol::call::Call;
use crate::protocol::headers;
use crate::protocol::jsonrpc::Kind;
use crate::protocol::mcp::{ClientInfo, Method};
use crate::protocol::revision::Era;
use crate::quota::Account;
use crate::registry::{Scope, Subject, Tool};
use crate::session::Opened;
use crate::upstream::{Flow, Reply, Trail, Whole};

/// A request at the door: its headers, and its body unread.
pub(crate) struct Inbound<'a> {
    /// What the edge says of its `Host` and `Origin`.
    pub(crate) edge: Result<(), Refusal>,
    pub(crate) surface: Surface,
    /// The path as it was asked for.
    pub(crate) endpoint: &'a str,
    pub(crate) query: &'a str,
    /// The scope the path names, on scoped endpoints.
    pub(crate) scope: &'a str,
    pub(crate) head: Head<'a>,
    pub(crate) body: actix_web::web::Payload,
    pub(crate) request_id: &'a str,
    pub(crate) client_addr: Option<IpAddr>,
}

/// A request after the walk: what came of it, and what a reply needs to know.
/// The entry is sealed by the reply that leaves.
pub(crate) struct Walked {
    pub(crate) known: Known,
    pub(crate) entry: Entry,
    pub(crate) result: Result<Answer, Refusal>,
}

/// What has become known of a request on the way.
#[derive(Default)]
pub(crate) struct Known {
    /// Era and id, as far as they could be read.
    pub(crate) message: Partial,
    /// The tool asked for, also when it does not resolve.
    pub(crate) asked: Option<Box<str>>,
    /// The tool called, once it is allowed.
    pub(crate) tool: Option<Arc<Tool>>,
    /// What counting the call has left.
    pub(crate) account: Account,
    /// When the call began, by the monotonic clock.
    pub(crate) started: Option<Duration>,
    /// How long the decision about quotas took.
    pub(crate) quota_took: Option<Duration>,
    /// When the call was sent on, by the monotonic clock.
    pub(crate) sent: Option<Duration>,
    /// What the client can read; JSON, before that is known.
    pub(crate) accepts: Option<Accepts>,
}

impl Known {
    /// The client reads event streams only.
    pub(crate) fn events_only(&self) -> bool {
        self.accepts.is_some_and(|accepts| !accepts.json)
    }

    /// The client can read an event stream.
    fn takes_streams(&self) -> bool {
        self.accepts.is_some_and(|accepts| accepts.event_stream)
    }
}

/// What the walk leads to.
pub(crate) enum Answer {
    /// Taken note of; there is nothing to say.
    Accepted,
    /// The `result` of a response, made by the gateway.
    Result(Vec<u8>),
    /// The `result` of `initialize`, and the session it opens.
    Opened(Vec<u8>, String),
    /// A backend's answer.
    Forwarded(Whole),
    /// A backend's answer, event by event.
    Streamed(Box<Flow>),
    /// What changes, from several backends.
    Listening(Listening),
    /// What backends say outside of requests.
    Overheard(Overheard),
    /// The session has ended.
    Ended,
    /// Tools for REST, and whether an admin asks.
    Tools(Vec<Arc<Tool>>, bool),
    /// A whole body, on REST.
    Page(Vec<u8>),
}

/// A request on a scoped MCP endpoint.
pub(crate) async fn mcp(gw: &Gateway, io: &WorkerIo, inbound: Inbound<'_>) -> Walked {
    let (mut known, mut entry) = open(gw, &inbound);
    let result = walk_mcp(gw, io, inbound, &mut known, &mut entry).await;
    Walked { known, entry, result }
}

/// A request that only has to be authenticated, such as one with a method the
/// endpoint does not know.
pub(crate) async fn refuse(gw: &Gateway, inbound: Inbound<'_>, reason: Reason) -> Walked {
    let (known, mut entry) = open(gw, &inbound);
    let refusal = match authenticate(gw, &inbound, &mut entry).await {
        Ok(_) => Refusal::new(reason, "refused at the door"),
        Err(refusal) => refusal,
    };
    let result = turn_away(inbound, refusal).await;
    Walked { known, entry, result }
}

/// A request on `/admin/…`: the caller, if it has the admin role.
pub(crate) async fn admin(gw: &Gateway, inbound: Inbound<'_>) -> (Entry, Result<Caller, Refusal>) {
    let (_, mut entry) = open(gw, &inbound);
    let result = match authenticate(gw, &inbound, &mut entry).await {
        Ok(caller) if caller.has_role(&gw.admin_role) => Ok(caller),
        Ok(caller) => {
            gw.quota.denied(caller.key());
            Err(Refusal::new(Reason::AdminRequired, "the caller lacks the admin role"))
        }
        Err(refusal) => Err(refusal),
    };
    (entry, result)
}

fn open(gw: &Gateway, inbound: &Inbound<'_>) -> (Known, Entry) {
    let entry = gw.audit.begin(Opening {
        request_id: inbound.request_id.to_owned(),
        surface: inbound.surface,
        endpoint_path: inbound.endpoint.into(),
        client_addr: inbound.client_addr,
        trace_id: inbound.head.lenient(headers::TRACEPARENT).and_then(trace_id),
    });
    (Known::default(), entry)
}

async fn authenticate(
    gw: &Gateway,
    inbound: &Inbound<'_>,
    entry: &mut Entry,
) -> Result<Caller, Refusal> {
    inbound.edge.clone()?;
    let credentials = Credentials::new(inbound.head.all("authorization"), Some(inbound.query));
    let caller = gw.authn.authenticate(credentials).await.map_err(|refusal| {
        let failed =
            refusal.reason.is_authentication() && refusal.reason != Reason::KeysUnavailable;
        let told = inbound.client_addr.filter(|_| failed).and_then(|addr| gw.quota.stranger(addr));
        told.unwrap_or(refusal)
    })?;
    entry.caller(CallerFacts {
        user_id: caller.shared_user_id(),
        issuer: Some(caller.shared_issuer()),
        tenant: caller.shared_tenant(),
        agent: caller.only_agent(),
        agents: caller.agents_text(),
        roles: caller.roles_text(),
    });
    Ok(caller)
}

/// What is judged by headers alone.
async fn greet(
    gw: &Gateway,
    inbound: &Inbound<'_>,
    known: &mut Known,
    entry: &mut Entry,
) -> Result<Caller, Refusal> {
    let caller = authenticate(gw, inbound, entry).await?;
    inbound.head.expect_json()?;
    if inbound.surface == Surface::Mcp {
        known.accepts = Some(inbound.head.accepts()?);
    }
    Ok(caller)
}

/// The caller, and then the body: nothing is read before the caller is known.
async fn receive(
    gw: &Gateway,
    inbound: Inbound<'_>,
    known: &mut Known,
    entry: &mut Entry,
) -> Result<(Caller, Bytes), Refusal> {
    match greet(gw, &inbound, known, entry).await {
        Ok(caller) => Ok((caller, inbound::read(inbound.body, gw.limits).await?)),
        Err(refusal) => turn_away(inbound, refusal).await,
    }
}

/// Refuses a request whose body was not read.
async fn turn_away<T>(inbound: Inbound<'_>, refusal: Refusal) -> Result<T, Refusal> {
    const SMALL: u64 = 64 * 1024;
    if inbound.head.announces_at_most(SMALL) {
        inbound::discard(inbound.body).await;
    }
    Err(refusal)
}

async fn walk_mcp(
    gw: &Gateway,
    io: &WorkerIo,
    inbound: Inbound<'_>,
    known: &mut Known,
    entry: &mut Entry,
) -> Result<Answer, Refusal> {
    let Inbound { scope, head, request_id, .. } = inbound;
    let (caller, body) = receive(gw, inbound, known, entry).await?;
    let said = Said { caller, scope, head, request_id, seat: None };
    walk_message(gw, io, said, &body, known, entry).await
}

/// A message in its surroundings.
struct Said<'a> {
    caller: Caller,
    scope: &'a str,
    head: Head<'a>,
    request_id: &'a str,
    /// The session it is said in, where no header names it.
    seat: Option<Arc<Opened>>,
}

async fn walk_message(
    gw: &Gateway,
    io: &WorkerIo,
    said: Said<'_>,
    body: &Bytes,
    known: &mut Known,
    entry: &mut Entry,
) -> Result<Answer, Refusal> {
    let Said { caller, scope, head, request_id, seat } = said;
    let message = Message::read(head, body, &mut known.message)?;
    // A name that nobody knows may be anything.
    entry.method(message.method.name().unwrap_or("other"));
    if let Some(client) = message.client() {
        entry.client(Some(&client.name), Some(&client.version));
    }
    let now = gw.now();
    let scope = now.registry.scope(scope)?;
    let seat = match seat {
        // A reload may have put other backends in the places of the scope.
        Some(seat) if seat.scope() == scope.label() => Some(seat),
        Some(_) => {
            return Err(Refusal::new(Reason::UnknownSession, "the scope is another by now"));
        }
        None => seats::of(gw, head, &scope, &caller, message.spoken.era)?,
    };
    if let Some(seat) = &seat {
        entry.session(&seat.uid());
    }
    let trail = trail(head, request_id);
    let visitor = Visitor { now, caller, scope, seat, client: message.client(), trail };
    // Whatever is not the usual way lies on the heap, so that the usual way
    // does not carry its size.
    match message.kind {
        Kind::Request => {}
        Kind::Notification => {
            return Box::pin(seats::notification(gw, io, &visitor, &message, body)).await;
        }
        Kind::Response => {
            return Box::pin(seats::answer(gw, io, &visitor, &message, body)).await;
        }
    }
    match (message.method, message.spoken.era) {
        (Method::ToolsCall | Method::PromptsGet | Method::ResourcesRead | Method::Complete, _)
        | (Method::ResourcesSubscribe | Method::ResourcesUnsubscribe, Era::Legacy) => {
            let call = message.into_call(head, body)?;
            call_subject(gw, io, visitor, call, known, entry).await
        }
        (
            Method::ToolsList | Method::PromptsList | Method::ResourcesList | Method::TemplatesList,
            _,
        ) => Box::pin(lists::list(gw, io, &visitor, &message, body)).await,
        (Method::Initialize, Era::Legacy) => {
            Box::pin(seats::initialize(gw, io, &visitor, &message)).await
        }
        (Method::SetLevel, Era::Legacy) => {
            Box::pin(seats::set_level(gw, io, &visitor, &message, body)).await
        }
        (Method::Listen, Era::Modern) => {
            Box::pin(listen::listen(gw, io, &visitor, &message, body, known)).await
        }
        (Method::TasksGet | Method::TasksUpdate | Method::TasksCancel, Era::Modern) => {
            Box::pin(tasks::tend(gw, io, &visitor, &message, body, (known, entry))).await
        }
        (Method::Ping, Era::Legacy) => Ok(Answer::Result(b"{}".to_vec())),
        (Method::Discover, Era::Modern) => {
            Ok(Answer::Result(Box::pin(seats::discover(gw, io, &visitor)).await))
        }
        (
            Method::Initialize
            | Method::Ping
            | Method::Discover
            | Method::ResourcesSubscribe
            | Method::ResourcesUnsubscribe
            | Method::SetLevel
            | Method::Listen
            | Method::TasksGet
            | Method::TasksUpdate
            | Method::TasksCancel
            | Method::Notification
            | Method::Other,
            _,
        ) => Err(no_such_method(&message.method_name)),
    }
}

/// Somebody in a scope.
struct Visitor<'a> {
    /// What it is judged by.
    now: Arc<Generation>,
    caller: Caller,
    scope: Arc<Scope>,
    /// The legacy session, where the client has one.
    seat: Option<Arc<Opened>>,
    /// Who the client says it is, where the message does.
    client: Option<ClientInfo<'a>>,
    trail: Trail<'a>,
}

/// The stages every call takes, whichever door it came through.
async fn call_subject(
    gw: &Gateway,
    io: &WorkerIo,
    visitor: Visitor<'_>,
    call: Call<'_>,
    known: &mut Known,
    entry: &mut Entry,
) -> Result<Answer, Refusal> {
    known.started = Some(gw.clock.monotonic());
    known.asked = Some(call.name.as_ref().into());
    entry.scope(Arc::clone(&visitor.scope.name));
    entry.asked(&call.name);
    if let Some(turn) = &call.turn_id {
        entry.turn(turn);
    }
    let arguments = call.arguments;
    let what = What::in_scope(&visitor.scope, call.kind, &call.name);
    // What a rule would hide of a call that goes on is hidden of one that does not.
    let by_policy = visitor.now.policy.active().hidden_arguments(&what);
    let hides = by_policy.is_some();
    let by_registry = visitor.now.registry.snapshot().redactions(&visitor.scope, &call.name);
    if let Some(arguments) = arguments {
        entry.arguments(arguments, conceal::both(by_registry.as_deref(), by_policy).as_deref());
    }
    gw.quota.bars(visitor.caller.key())?;
    // A caller is not to blame for a backend that is down.
    let guessed = visitor.scope.needs_catalog(call.kind);
    let offered = offered_at(gw, io, &visitor, &call).await?;
    let Visitor { now, caller, scope, seat, client, trail } = visitor;
    let who = caller.clone();
    let denied = |_: &Refusal| gw.quota.denied(who.key());
    let target = now.registry.resolve(caller, &scope, call, |_| offered).inspect_err(denied)?;
    let subject = target.subject();
    if subject.tool.is_some() {
        entry.declared();
    }
    // A policy may decide by the backend. Where the name does not say which it is,
    // that of a call which is refused was not looked for.
    if !guessed || subject.tool.is_some() {
        entry.target(facts(subject));
    }
    let uid = seat.as_ref().map(|seat| seat.uid());
    let session = uid.as_ref().map(|uid| uid as &(dyn Display + Sync));
    let moment = Moment {
        now: gw.clock.now(),
        client: client
            .as_ref()
            .map(|it| (&*it.name, &*it.version))
            .or_else(|| seat.as_ref().map(|seat| (seat.client_name(), seat.client_version()))),
        session,
    };
    let (ruling, permit) = now.policy.authorize(target, moment);
    // Now the one rule is known.
    let shown = ruling.arguments.as_deref().or(arguments.filter(|_| hides && permit.is_ok()));
    if let Some(shown) = shown {
        entry.shown_arguments(shown, by_registry.as_deref());
    }
    if let Some(difference) = &ruling.difference {
        let calls = gw.shadow_differences.fetch_add(1, Ordering::Relaxed) + 1;
        if shadow_log_is_due(gw) {
            difference.log(calls);
        }
        entry.shadow(difference.in_words());
    }
    entry.rule(Some(ruling.rule), ruling.digest, ruling.generation);
    let permit = permit.inspect_err(denied)?;
    let subject = permit.target().subject();
    if guessed {
        entry.target(facts(subject));
    }
    known.tool.clone_from(&subject.tool);
    permit.target().check_arguments()?;
    permit.target().check_mirrored()?;
    let (backend, inner) = (&subject.backend, (subject.kind, &*subject.inner));
    pinned::check(gw, io, &now, backend, inner).await?;
    let asked_at = gw.clock.monotonic();
    let admission = gw.quota.admit(&io.quota, permit, session, &mut known.account).await;
    let elapsed = gw.clock.monotonic().saturating_sub(asked_at);
    entry.quota_took(elapsed);
    known.quota_took = Some(elapsed);
    let admission = admission?;
    let recorded = entry.intent(admission).await.inspect_err(|_| known.account.refuse())?;
    known.sent = Some(gw.clock.monotonic());
    // Of a stream nobody can say where the hidden values stand.
    let hidden = recorded.as_ref().permit().hidden_in_result();
    let streams = known.takes_streams() && hidden.is_none();
    let reply = gw
        .upstream
        .forward(&io.http, &recorded, seat.as_ref(), streams, trail)
        .await
        .inspect_err(|refusal| account::unsent(&mut known.account, refusal.reason))?;
    let target = recorded.as_ref().permit().target();
    let reply = if hidden.is_some() { reply } else { tasks::bound(gw, target, reply)? };
    let mut whole = match reply {
        Reply::Stream(mut flow) if streams => {
            // A legacy backend may tell of any resource on it.
            let place = target.subject().backend_index;
            flow.judge(hearing::permits(gw, target.caller(), &scope, place));
            return Ok(Answer::Streamed(flow));
        }
        Reply::Whole(whole) => whole,
        reply @ Reply::Stream(_) => Box::pin(reply.whole()).await?,
    };
    if let Some(credit) = &known.account.credit {
        account::remember(credit, &whole.message).await;
    }
    if let Some(hidden) = hidden {
        conceal::answer(&mut whole, hidden)?;
    }
    Ok(Answer::Forwarded(whole))
}

/// What the audit trail keeps of what is called.
fn facts(subject: &Subject) -> TargetFacts {
    TargetFacts {
        scope: Arc::clone(&subject.scope),
        backend: Arc::clone(&subject.backend.name),
        tool: Arc::clone(&subject.name),
    }
}

/// Whether the log may have another line about the shadow policy: one a second,
/// however many calls there are.
fn shadow_log_is_due(gw: &Gateway) -> bool {
    let second = gw.clock.monotonic().as_secs() + 1;
    gw.shadow_told.swap(second, Ordering::Relaxed) != second
}

/// The place of the backend that offers what is called, where the name does
/// not say it. Backends are not asked on behalf of callers whom the policy
/// keeps from it anyway.
async fn offered_at(
    gw: &Gateway,
    io: &WorkerIo,
    visitor: &Visitor<'_>,
    call: &Call<'_>,
) -> Result<Option<usize>, Refusal> {
    let Visitor { now, caller, scope, .. } = visitor;
    if !scope.needs_catalog(call.kind) || scope.tool(&call.name).is_some() {
        return Ok(None);
    }
    if !now.policy.active().allows_in(caller, scope, call.kind, &call.name) {
        return Ok(Some(0));
    }
    Box::pin(offers::place(gw, io, visitor, call.era, call.kind, &call.name)).await
}

/// How long a caller's token still holds, with the tolerance for clocks that a
/// new request would have.
fn remaining(gw: &Gateway, caller: &Caller) -> Duration {
    let left = caller.expires_at().signed_duration_since(gw.clock.now());
    left.to_std().unwrap_or_default().saturating_add(gw.authn.clock_skew(caller))
}

fn trail<'a>(head: Head<'a>, request_id: &'a str) -> Trail<'a> {
    Trail {
        request_id,
        traceparent: head.lenient(headers::TRACEPARENT),
        tracestate: head.lenient(headers::TRACESTATE),
    }
}

/// Lists fit one page, so the gateway has never handed out a cursor.
fn no_cursor(cursor: Option<&str>) -> Result<(), Refusal> {
    match cursor {
        None => Ok(()),
        Some(_) => Err(Refusal::telling(Reason::InvalidParams, "`cursor` is not one of this list")),
    }
}

fn no_such_method(name: &str) -> Refusal {
    const LONGEST: usize = 128;
    let shown = &name[..name.floor_char_boundary(LONGEST)];
    Refusal {
        public: Some(format!("Method not found: {shown}").into()),
        ..Refusal::new(Reason::MethodNotFound, "the method does not exist, or not in this revision")
    }
}

/// The trace id of a `traceparent` (W3C Trace Context §3.2).
fn trace_id(traceparent: &str) -> Option<String> {
    let id = traceparent.split('-').nth(1)?;
    (id.len() == 32 && id.bytes().all(|b| b.is_ascii_hexdigit())).then(|| id.to_owned())
}
