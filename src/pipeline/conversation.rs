//! Conversations of the oldest transport (HTTP+SSE, revision 2024-11-05): the
//! client opens one stream, posts its messages to an address that the stream
//! names, and gets every answer on the stream.
//!
//! A post may reach another replica than the one that holds the stream; it is
//! handed over by the bus then. The address names a session of the caller's
//! own, so that nobody else can speak in it, and every post is authenticated.
//! It is bound to the caller's rights too: what is said is judged by those the
//! conversation was opened with, so whoever has others by now opens a new one.

use std::cell::RefCell;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use actix_web::http::header::HeaderMap;
use bytes::Bytes;
use serde_json::value::RawValue;
use tokio::sync::mpsc;

use super::{
    Answer, Changes, Inbound, Known, Said, Visitor, Walked, authenticate, hearing, open, turn_away,
    walk_message,
};
use crate::audit::{CallerFacts, Entry, Opening, Surface};
use crate::authn::Caller;
use crate::error::{Reason, Refusal};
use crate::gateway::{Gateway, WorkerIo};
use crate::inbound::{self, Head};
use crate::protocol::accept::Accepts;
use crate::registry::Scope;
use crate::session::{CallerKey, Contents, Listener, Notice, Opened};
use crate::upstream::{Flow, Trail};

/// The revision of this transport.
const REVISION: &str = "2024-11-05";

/// How messages for a conversation are marked on the bus.
pub(super) const KEY: &str = "conversation";

/// Longest session id in an address, in bytes.
const LONGEST: usize = 8 * 1024;

/// One side of a conversation: who speaks, and where.
pub(crate) struct Line {
    caller: Caller,
    scope: Arc<Scope>,
    own: Arc<Opened>,
    endpoint: Arc<str>,
    client_addr: Option<IpAddr>,
    /// The session that `initialize` began.
    seat: RefCell<Option<Arc<Opened>>>,
}

impl Line {
    /// What the gateway itself says on it.
    pub(crate) fn changes(&self, gw: &Gateway) -> Changes {
        Changes::of_session(gw, &self.scope)
    }
}

/// A conversation that has begun.
pub(crate) struct Begun {
    pub(crate) line: Line,
    /// The session id in the address to post to.
    pub(crate) session: String,
    /// What the client posts.
    pub(crate) inbox: mpsc::Receiver<Bytes>,
    /// How long the caller's token lets it listen.
    pub(crate) at_most: Duration,
    /// The caller's place among listeners.
    pub(crate) listener: Listener,
}

/// `GET`: begins a conversation.
pub(crate) async fn begin(
    gw: &Gateway,
    inbound: Inbound<'_>,
) -> (Known, Entry, Result<Begun, Refusal>) {
    let (known, mut entry) = open(gw, &inbound);
    let result = match walk_begin(gw, &inbound, &mut entry).await {
        Ok(begun) => Ok(begun),
        Err(refusal) => turn_away(inbound, refusal).await,
    };
    (known, entry, result)
}

async fn walk_begin(
    gw: &Gateway,
    inbound: &Inbound<'_>,
    entry: &mut Entry,
) -> Result<Begun, Refusal> {
    let caller = authenticate(gw, inbound, entry).await?;
    entry.method("GET");
    if !inbound.head.accepts()?.event_stream {
        return Err(Refusal::new(Reason::NotAcceptable, "a stream is all there is here"));
    }
    let scope = gw.now().registry.scope(inbound.scope)?;
    let listener = gw.sessions.listen(&CallerKey::of(caller.key()))?;
    let at_most = super::remaining(gw, &caller);
    let nothing = RawValue::from_string("{}".to_owned())
        .map_err(|error| Refusal::new(Reason::Internal, error.to_string()))?;
    let started = gw
        .sessions
        .start(Contents {
            scope: scope.label(),
            caller: with_rights(&caller),
            revision: REVISION,
            capabilities: &nothing,
            client_name: "",
            client_version: "",
            backends: Vec::new(),
        })
        .map_err(|error| Refusal::new(Reason::Internal, error.to_string()))?;
    let inbox = gw.conversations.begin(started.session.uid());
    let line = Line {
        caller,
        scope,
        own: started.session,
        endpoint: inbound.endpoint.into(),
        client_addr: inbound.client_addr,
        seat: RefCell::default(),
    };
    Ok(Begun { line, session: started.id, inbox, at_most, listener })
}

/// `POST` to the address of a conversation: hands the message over.
pub(crate) async fn reach(gw: &Gateway, inbound: Inbound<'_>, session: &str) -> Walked {
    let (mut known, mut entry) = open(gw, &inbound);
    let result = walk_reach(gw, inbound, session, &mut known, &mut entry).await;
    Walked { known, entry, result }
}

async fn walk_reach(
    gw: &Gateway,
    inbound: Inbound<'_>,
    session: &str,
    known: &mut Known,
    entry: &mut Entry,
) -> Result<Answer, Refusal> {
    let greeted = async {
        let caller = authenticate(gw, &inbound, entry).await?;
        entry.method("POST");
        inbound.head.expect_json()?;
        if session.len() > LONGEST {
            return Err(Refusal::new(Reason::UnknownSession, "the session id is too long"));
        }
        let scope = gw.now().registry.scope(inbound.scope)?;
        let seat = gw.sessions.open(session, scope.label(), &with_rights(&caller))?;
        Ok(seat)
    };
    let seat = match greeted.await {
        Ok(greeted) => greeted,
        Err(refusal) => return turn_away(inbound, refusal).await,
    };
    // Answers are JSON on the stream; a refusal here is JSON too.
    known.accepts = Some(Accepts { json: true, event_stream: false });
    gw.sessions.touch(&seat);
    let body = inbound::read(inbound.body, gw.limits).await?;
    match gw.conversations.hand_over(seat.uid(), body.clone()) {
        Some(true) => {}
        Some(false) => {
            let detail = "too many messages of this conversation wait; wait for answers";
            return Err(Refusal::telling(Reason::RateLimited, detail));
        }
        None => {
            let notice = Notice::Answer { uid: seat.uid(), key: KEY.into(), message: body };
            gw.sessions.publish(&notice).map_err(|_| {
                let detail = "the message is too large for this transport";
                Refusal::telling(Reason::PayloadTooLarge, detail)
            })?;
        }
    }
    Ok(Answer::Accepted)
}

/// A caller together with what its token says that it may do: roles, tenant
/// and agents.
fn with_rights(caller: &Caller) -> CallerKey {
    // As JSON, in which no two lists of texts look alike.
    let rights = (caller.key(), caller.tenant(), caller.roles(), caller.agents());
    CallerKey::of(&serde_json::to_string(&rights).unwrap_or_default())
}

/// One message of a conversation. What comes of it goes on the stream.
pub(crate) async fn say(
    gw: &Gateway,
    io: &WorkerIo,
    line: &Line,
    body: Bytes,
    request_id: String,
) -> (Walked, Vec<Flow>) {
    let caller = line.caller.clone();
    let mut entry = gw.audit.begin(Opening {
        request_id: request_id.clone(),
        surface: Surface::Mcp,
        endpoint_path: Arc::clone(&line.endpoint),
        client_addr: line.client_addr,
        trace_id: None,
    });
    entry.caller(CallerFacts {
        user_id: caller.shared_user_id(),
        issuer: Some(caller.shared_issuer()),
        tenant: caller.shared_tenant(),
        agent: caller.only_agent(),
        agents: caller.agents_text(),
        roles: caller.roles_text(),
    });
    let accepts = Some(Accepts { json: true, event_stream: true });
    let mut known = Known { accepts, ..Known::default() };
    let headers = HeaderMap::new();
    let said = Said {
        caller,
        scope: &line.scope.name,
        head: Head::new(&headers),
        request_id: &request_id,
        seat: line.seat.borrow().clone(),
    };
    let result = walk_message(gw, io, said, &body, &mut known, &mut entry).await;
    let (result, flows) = match result {
        Ok(Answer::Opened(result, id)) => match gw.settle_in(io, line, &id).await {
            Ok(flows) => (Ok(Answer::Result(result)), flows),
            Err(refusal) => (Err(refusal), Vec::new()),
        },
        result => (result, Vec::new()),
    };
    (Walked { known, entry, result }, flows)
}

impl Gateway {
    /// The conversation goes on, though nothing is said. `false`: its session
    /// is over, and with it the conversation.
    pub(crate) fn stay(&self, line: &Line) -> bool {
        self.sessions.touch(&line.own);
        let seat = line.seat.borrow();
        if let Some(seat) = &*seat {
            self.sessions.touch(seat);
        }
        let mut both = std::iter::once(&line.own).chain(&*seat);
        // A reload may have taken the scope away, or given it other backends.
        let scope = self.now().registry.scope(&line.scope.name);
        scope.is_ok_and(|scope| scope.label() == line.scope.label())
            && both.all(|session| self.sessions.is_live(session))
    }

    /// The conversation has its session: what backends say outside of requests
    /// is heard from now on.
    async fn settle_in(&self, io: &WorkerIo, line: &Line, id: &str) -> Result<Vec<Flow>, Refusal> {
        let key = CallerKey::of(line.caller.key());
        let seat = self.sessions.open(id, line.scope.label(), &key)?;
        if line.seat.borrow().is_some() {
            // One conversation, one session: the second is nobody's.
            self.sessions.end(seat.uid());
            self.part(&io.http, &seat, line.caller.user_id()).await;
            let detail = "this conversation has been initialized already";
            return Err(Refusal::telling(Reason::InvalidRequest, detail));
        }
        line.seat.replace(Some(Arc::clone(&seat)));
        let visitor = Visitor {
            now: self.now(),
            caller: line.caller.clone(),
            scope: Arc::clone(&line.scope),
            seat: Some(Arc::clone(&seat)),
            client: None,
            trail: Trail::INTERNAL,
        };
        Ok(hearing::overhear(self, io, &visitor, &seat, None).await.unwrap_or_default())
    }
}

/// The stream is closed: the conversation is over.
pub(crate) async fn hang_up(gw: &Gateway, io: &WorkerIo, line: &Line) {
    gw.conversations.end(line.own.uid());
    gw.sessions.end(line.own.uid());
    let seat = line.seat.take();
    if let Some(seat) = seat {
        gw.sessions.end(seat.uid());
        gw.part(&io.http, &seat, line.caller.user_id()).await;
    }
}
