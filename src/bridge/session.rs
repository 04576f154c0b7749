//! The legacy session between the client and the endpoint.
//!
//! When the endpoint no longer knows it (404), nothing was executed, and the
//! client is told so: every request that met the loss gets an error, and so
//! does the next one when no request met it. Then another session is opened
//! with the client's own `initialize`, since a stdio client has no way to do
//! so but to be started again. So a loss is never silent, no request is
//! repeated, and the client is never stuck.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use awc::http::StatusCode;
use awc::http::header::{HeaderMap, HeaderName, HeaderValue};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::task::AbortHandle;

use super::desk::Desk;
use super::events::Events;
use super::fault::Fault;
use super::incoming::{Id, Peek};
use super::listener;
use super::road::{Headers, Reply};
use super::single::Single;
use crate::protocol::headers;

const SESSION_ID: HeaderName = HeaderName::from_static(headers::SESSION_ID);
const PROTOCOL_VERSION: HeaderName = HeaderName::from_static(headers::PROTOCOL_VERSION);

/// The session.
pub(super) struct Session {
    phase: RefCell<Phase>,
    /// The client's `initialize`, and the revision it was answered with.
    opening: RefCell<Option<(Id, Bytes, Option<String>)>>,
    /// The client's `notifications/initialized`.
    initialized: RefCell<Option<Bytes>>,
    listener: RefCell<Option<AbortHandle>>,
    reopening: Single<Result<(), String>>,
    /// Whether there was ever one; a legacy client has said `initialize`.
    legacy: Cell<bool>,
}

enum Phase {
    /// None yet, or none any more.
    None,
    /// Open, with what goes with every message.
    Live(Headers),
    /// The endpoint has forgotten it; whether the client knows.
    Lost { told: bool },
}

/// A result of `initialize`, as far as it matters.
#[derive(Deserialize)]
struct Initialized {
    #[serde(rename = "protocolVersion")]
    protocol_version: String,
}

impl Session {
    pub(super) fn new() -> Self {
        Self {
            phase: RefCell::new(Phase::None),
            opening: RefCell::new(None),
            initialized: RefCell::new(None),
            listener: RefCell::new(None),
            reopening: Single::new(),
            legacy: Cell::new(false),
        }
    }

    /// Takes the client's `initialize`: whatever was before is over.
    pub(super) fn begin(&self, id: &Id, message: &Bytes) {
        self.stop_listening();
        self.phase.replace(Phase::None);
        self.opening.replace(Some((id.clone(), message.clone(), None)));
        self.initialized.replace(None);
        self.legacy.set(true);
    }

    /// Whether the client speaks the legacy era.
    pub(super) fn is_legacy(&self) -> bool {
        self.legacy.get()
    }

    /// Takes the good answer to `initialize`.
    pub(super) fn opened(&self, answer: &HeaderMap, result: &str) {
        let version = version_of(result);
        if let Some((_, _, agreed)) = &mut *self.opening.borrow_mut() {
            agreed.clone_from(&version);
        }
        self.phase.replace(Phase::Live(headers_of(answer, version.as_deref())));
    }

    /// Notes that the client has sent its `notifications/initialized`.
    pub(super) fn confirmed(&self, message: &Bytes) {
        self.initialized.replace(Some(message.clone()));
    }

    /// What goes with a message now.
    pub(super) fn headers(&self) -> Headers {
        match &*self.phase.borrow() {
            Phase::Live(headers) => headers.clone(),
            Phase::None | Phase::Lost { .. } => Headers::new(),
        }
    }

    /// Notes that the endpoint answered 404 to a message with these headers.
    /// `true` when they name a session, which has ended then.
    pub(super) fn lost(&self, used: &Headers, told: bool) -> bool {
        let Some(id) = session_id(used) else { return false };
        let mut phase = self.phase.borrow_mut();
        match &mut *phase {
            Phase::Live(headers) if session_id(headers) == Some(id) => {
                tracing::warn!("the endpoint has ended the session");
                *phase = Phase::Lost { told };
                self.stop_listening();
            }
            Phase::Lost { told: known } => *known |= told,
            Phase::Live(_) | Phase::None => {}
        }
        true
    }

    /// Listens for what the server says of itself, until the session ends.
    pub(super) fn listen(&self, desk: &Rc<Desk>) {
        if !matches!(&*self.phase.borrow(), Phase::Live(_)) {
            return;
        }
        let task = tokio::task::spawn_local(listener::listen(Rc::clone(desk), self.headers()));
        if let Some(before) = self.listener.replace(Some(task.abort_handle())) {
            before.abort();
        }
    }

    pub(super) fn stop_listening(&self) {
        if let Some(task) = self.listener.take() {
            task.abort();
        }
    }

    /// What goes with a request. After a loss, the one that the client is told
    /// of it by gets the error, and later ones wait for the next session.
    pub(super) async fn enter(&self, desk: &Rc<Desk>) -> Result<Headers, Fault> {
        let lost = match &mut *self.phase.borrow_mut() {
            Phase::None | Phase::Live(_) => None,
            Phase::Lost { told } => Some(std::mem::replace(told, true)),
        };
        match lost {
            None => Ok(self.headers()),
            Some(false) => {
                reopen_in_background(desk);
                Err(Fault::SessionEnded)
            }
            Some(true) => {
                self.reopen(desk).await.map_err(Fault::NoSession)?;
                Ok(self.headers())
            }
        }
    }

    /// Opens another session in place of one that was lost.
    async fn reopen(&self, desk: &Rc<Desk>) -> Result<(), String> {
        self.reopening
            .run(async {
                if !matches!(&*self.phase.borrow(), Phase::Lost { .. }) {
                    return Ok(());
                }
                let opening = self.opening.borrow().clone();
                let Some((id, message, agreed)) = opening else {
                    return Err("the client has not said `initialize`".to_owned());
                };
                let headers = initialize_again(desk, &id, message, agreed.as_deref()).await?;
                let initialized = self.initialized.borrow().clone();
                if let Some(message) = initialized {
                    let reply = desk.road.post(&headers, message, None).await;
                    let reply = reply.map_err(|fault| fault.to_string())?;
                    if !reply.status.is_success() {
                        return Err(format!("HTTP {}", reply.status));
                    }
                }
                tracing::info!("another session is open");
                self.phase.replace(Phase::Live(headers));
                self.listen(desk);
                Ok(())
            })
            .await
    }
}

/// Opens the next session without anybody waiting for it.
pub(super) fn reopen_in_background(desk: &Rc<Desk>) {
    let desk = Rc::clone(desk);
    tokio::task::spawn_local(async move {
        if let Err(why) = desk.session.reopen(&desk).await {
            tracing::warn!("another session cannot be opened: {why}");
        }
    });
}

/// Says the client's `initialize` again. Another revision than the one the
/// client knows of would be a different conversation.
async fn initialize_again(
    desk: &Desk,
    id: &Id,
    message: Bytes,
    agreed: Option<&str>,
) -> Result<Headers, String> {
    let reply = desk.road.post(&Headers::new(), message, None).await;
    let reply = reply.map_err(|fault| fault.to_string())?;
    if reply.status != StatusCode::OK {
        return Err(format!("HTTP {}", reply.status));
    }
    let answer_headers = reply.headers.clone();
    let text = answer_to(reply, id, desk.max_message_bytes).await?;
    let result = Peek::read(&text).and_then(|peek| peek.result().map(RawValue::get));
    let version = result.and_then(version_of);
    if version.is_none() || version.as_deref() != agreed {
        return Err("the server answers `initialize` differently now".to_owned());
    }
    Ok(headers_of(&answer_headers, version.as_deref()))
}

/// The answer to a request, in either form; whatever comes before is passed.
async fn answer_to(reply: Reply, id: &Id, limit: usize) -> Result<Bytes, String> {
    if !reply.is_event_stream() {
        return reply.read(limit).await.map_err(|fault| fault.to_string());
    }
    let mut events = Events::of(reply.body, limit);
    loop {
        let Ok(event) = events.next().await else { return Err(Fault::StreamEnded.to_string()) };
        let Some(data) = event.data else { continue };
        let text = Bytes::from(data);
        if Peek::read(&text)
            .is_some_and(|peek| peek.is_response() && peek.id().as_ref() == Some(id))
        {
            return Ok(text);
        }
    }
}

fn version_of(result: &str) -> Option<String> {
    serde_json::from_str::<Initialized>(result).ok().map(|result| result.protocol_version)
}

fn headers_of(answer: &HeaderMap, version: Option<&str>) -> Headers {
    let mut headers = Headers::new();
    if let Some(id) = answer.get(SESSION_ID) {
        headers.push((SESSION_ID, id.clone()));
    }
    if let Some(version) = version.and_then(|version| HeaderValue::from_str(version).ok()) {
        headers.push((PROTOCOL_VERSION, version));
    }
    headers
}

/// The session that headers name.
pub(super) fn session_id(headers: &Headers) -> Option<&HeaderValue> {
    headers.iter().find(|(name, _)| *name == SESSION_ID).map(|(_, value)| value)
}
