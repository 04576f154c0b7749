//! What is known of a backend: which eras it speaks, and what it can do.
//!
//! Asked once (`server/discover`, then `initialize`), kept for a while. Slow
//! answers, failures and refused credentials are no verdict about the era:
//! they fail the request at hand and are asked again.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::{ArcSwap, ArcSwapOption};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;
use tokio::sync::Mutex;

use super::told::Told;
use super::wire::{Letter, Response, Shape};
use super::{Trail, Upstream};
use crate::error::{Reason, Refusal};
use crate::protocol::mcp::meta;
use crate::protocol::revision::{self, Era};
use crate::registry::{Backend, EraSetting};
use crate::session::Opened;

/// How long a verdict is kept.
const KEEP: Duration = Duration::from_mins(5);

/// How long a failure is kept, so that many calls to a dead backend do not
/// each wait for it.
const KEEP_FAILURE: Duration = Duration::from_secs(1);

/// How long a verdict is believed whatever the backend does.
const BELIEF: Duration = Duration::from_secs(5);

/// Longest time for one question.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// Largest handshake that is read, in bytes.
const LARGEST: usize = 1024 * 1024;

/// On whose behalf the gateway asks.
pub(super) const NOBODY: &str = "scopegate";

const PROBE_TRAIL: Trail<'static> =
    Trail { request_id: "scopegate-probe", traceparent: None, tracestate: None };

/// What a backend says of itself in a handshake.
#[derive(Clone, Debug, Default)]
pub(crate) struct Introduction {
    /// `capabilities`, an object.
    pub(crate) capabilities: Option<Box<RawValue>>,
    /// `instructions`.
    pub(crate) instructions: Option<String>,
}

/// How a backend speaks the legacy era.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Legacy {
    /// Every message stands alone.
    Stateless,
    /// It wants a session.
    Sessions,
}

/// The eras a backend speaks.
#[derive(Clone, Debug, Default)]
pub(crate) struct Facts {
    /// What it said in the modern handshake.
    pub(crate) modern: Option<Introduction>,
    /// How it speaks the legacy era, and what it said there.
    pub(crate) legacy: Option<(Legacy, Introduction)>,
}

impl Facts {
    /// The ways it can be spoken to.
    pub(super) fn ways(&self) -> (bool, Option<Legacy>) {
        (self.modern.is_some(), self.legacy.as_ref().map(|(legacy, _)| *legacy))
    }

    /// Whether it speaks an era.
    pub(crate) fn speaks(&self, era: Era) -> bool {
        match era {
            Era::Legacy => self.legacy.is_some(),
            Era::Modern => self.modern.is_some(),
        }
    }

    /// Whether it speaks the legacy era in sessions.
    pub(crate) fn has_sessions(&self) -> bool {
        self.legacy.as_ref().is_some_and(|(legacy, _)| *legacy == Legacy::Sessions)
    }

    /// Whether it says that it logs.
    pub(crate) fn logs(&self) -> bool {
        let told = self.introduction(Era::Legacy).and_then(|told| told.capabilities.as_ref());
        told.is_some_and(|told| told.get().contains("\"logging\""))
    }

    /// What it says of itself to a client of this era, or of the other.
    pub(crate) fn introduction(&self, era: Era) -> Option<&Introduction> {
        let legacy = self.legacy.as_ref().map(|(_, introduction)| introduction);
        match era {
            Era::Legacy => legacy.or(self.modern.as_ref()),
            Era::Modern => self.modern.as_ref().or(legacy),
        }
    }
}

#[derive(Clone, Debug)]
struct Known {
    at: Duration,
    facts: Result<Arc<Facts>, Refusal>,
}

/// What is known of each backend, by its id. Read by every call, and added to
/// when a backend is met first.
#[derive(Debug, Default)]
pub(super) struct Peers(ArcSwap<Vec<Arc<Peer>>>);

impl Peers {
    fn of(&self, id: usize) -> Arc<Peer> {
        if let Some(peer) = self.0.load().get(id) {
            return Arc::clone(peer);
        }
        self.0.rcu(|known| {
            let missing = (known.len()..=id).map(|_| Arc::default());
            known.iter().cloned().chain(missing).collect::<Vec<_>>()
        });
        self.0.load().get(id).cloned().unwrap_or_default()
    }
}

/// What is known of one backend.
#[derive(Debug, Default)]
pub(super) struct Peer {
    known: ArcSwapOption<Known>,
    /// Held by whoever asks; the others wait for the answer.
    asking: Mutex<()>,
}

impl Upstream {
    /// The eras a backend speaks, from memory or by asking.
    ///
    /// # Errors
    /// [`Reason::BackendUnavailable`], [`Reason::BackendTimeout`],
    /// [`Reason::BackendError`] when it cannot be told.
    pub(crate) async fn facts(
        &self,
        client: &awc::Client,
        backend: &Backend,
    ) -> Result<Arc<Facts>, Refusal> {
        if let Some(facts) = self.remembered(backend) {
            return facts;
        }
        // On the heap: the state of a handshake is large, and seldom needed.
        Box::pin(self.ask(client, backend)).await
    }

    /// What is known of a backend without asking, however old.
    pub(crate) fn last_known(&self, backend: &Backend) -> Option<Arc<Facts>> {
        let peer = self.peer(backend);
        let known = peer.known.load();
        known.as_ref().and_then(|known| known.facts.clone().ok())
    }

    /// Forgets what is known of a backend that has shown otherwise. `false`
    /// when it has been asked only just now, and would say the same again.
    pub(super) fn doubt(&self, backend: &Backend) -> bool {
        let peer = self.peer(backend);
        let known = peer.known.load();
        let now = self.clock.monotonic();
        if known.as_ref().is_some_and(|known| now.saturating_sub(known.at) < BELIEF) {
            return false;
        }
        tracing::info!(backend = &*backend.name, "backend does not speak as it introduced itself");
        peer.known.store(None);
        true
    }

    /// Forgets a backend that no registry has any more. Sessions at it end when
    /// they are idle.
    pub(crate) fn retire(&self, backend: &Backend) {
        self.peer(backend).known.store(None);
        self.schemas.forget(backend);
    }

    fn peer(&self, backend: &Backend) -> Arc<Peer> {
        self.peers.of(backend.id)
    }

    fn remembered(&self, backend: &Backend) -> Option<Result<Arc<Facts>, Refusal>> {
        let peer = self.peer(backend);
        let known = peer.known.load();
        let known = known.as_ref()?;
        let keep = if known.facts.is_ok() { KEEP } else { KEEP_FAILURE };
        let age = self.clock.monotonic().saturating_sub(known.at);
        (age < keep).then(|| known.facts.clone())
    }

    async fn ask(&self, client: &awc::Client, backend: &Backend) -> Result<Arc<Facts>, Refusal> {
        let peer = self.peer(backend);
        let _asking = peer.asking.lock().await;
        if let Some(facts) = self.remembered(backend) {
            return facts;
        }
        let facts = self.probe(client, backend).await.map(Arc::new);
        match &facts {
            Ok(facts) => tracing::info!(
                backend = &*backend.name,
                modern = facts.modern.is_some(),
                legacy = facts.legacy.is_some(),
                sessions = facts.has_sessions(),
                "backend introduced itself"
            ),
            Err(refusal) => tracing::warn!(
                backend = &*backend.name,
                reason = refusal.reason.name(),
                detail = &*refusal.detail,
                "backend does not introduce itself"
            ),
        }
        // No verdict changes nothing: what was known before is as true as it
        // was.
        let before = peer.known.load().as_ref().and_then(|known| known.facts.clone().ok());
        let facts = facts.or_else(|refusal| before.ok_or(refusal));
        let known = Known { at: self.clock.monotonic(), facts: facts.clone() };
        peer.known.store(Some(Arc::new(known)));
        facts
    }

    async fn probe(&self, client: &awc::Client, backend: &Backend) -> Result<Facts, Refusal> {
        let mut facts = Facts::default();
        if backend.era != EraSetting::Legacy {
            facts.modern = self.discover(client, backend).await?;
        }
        if backend.era != EraSetting::Modern {
            facts.legacy = match self.greet(client, backend).await {
                Ok(greeting) => greeting,
                // Its modern side works; whatever is wrong with the other may
                // stay its own business.
                Err(_) if facts.modern.is_some() => None,
                Err(refusal) => return Err(refusal),
            };
        }
        if facts.modern.is_none() && facts.legacy.is_none() {
            // A server without any handshake: calls are posted as they come.
            tracing::warn!(backend = &*backend.name, "backend knows no handshake");
            facts.legacy = Some((Legacy::Stateless, Introduction::default()));
            if backend.era != EraSetting::Legacy {
                facts.modern = Some(Introduction::default());
            }
        }
        Ok(facts)
    }

    /// The modern handshake: `None` when the backend does not know it.
    async fn discover(
        &self,
        client: &awc::Client,
        backend: &Backend,
    ) -> Result<Option<Introduction>, Refusal> {
        #[derive(Deserialize)]
        struct Discovered {
            #[serde(rename = "supportedVersions")]
            supported: Vec<String>,
            capabilities: Option<Box<RawValue>>,
            instructions: Option<String>,
        }
        let version = revision::MODERN[0];
        let body = json!({
            "jsonrpc": "2.0", "id": "scopegate-probe", "method": "server/discover",
            "params": { "_meta": {
                meta::PROTOCOL_VERSION: version,
                meta::CLIENT_CAPABILITIES: {},
                meta::CLIENT_INFO: { "name": NOBODY, "version": env!("CARGO_PKG_VERSION") },
            } },
        });
        let letter = Letter {
            to: backend,
            user: NOBODY,
            trail: PROBE_TRAIL,
            revision: Some(version),
            session: None,
            mirrored: super::mirror::of("server/discover", None, &[]),
        };
        let asking = async {
            let response = self.post(client, letter, body.to_string().into()).await?;
            verdict(response).await
        };
        let Some((result, _)) = in_time(asking).await? else { return Ok(None) };
        let found = serde_json::from_str::<Discovered>(result.get()).ok();
        Ok(found
            .filter(|found| found.supported.iter().any(|one| revision::MODERN.contains(&&**one)))
            .map(|found| Introduction {
                capabilities: found.capabilities,
                instructions: found.instructions,
            }))
    }

    /// The legacy handshake: `None` when the backend does not know it. A
    /// session that comes of it is ended again: it would be nobody's.
    async fn greet(
        &self,
        client: &awc::Client,
        backend: &Backend,
    ) -> Result<Option<(Legacy, Introduction)>, Refusal> {
        let opened = in_time(self.initialize(client, backend, NOBODY, PROBE_TRAIL, None)).await?;
        let Some(opened) = opened else { return Ok(None) };
        let legacy = if let Some(session) = &opened.session {
            let letter = Letter {
                to: backend,
                user: NOBODY,
                trail: PROBE_TRAIL,
                revision: Some(opened.revision),
                session: Some(session),
                mirrored: Vec::new(),
            };
            // Most servers end it by themselves some day.
            let _ = in_time(self.delete(client, letter)).await;
            Legacy::Sessions
        } else {
            Legacy::Stateless
        };
        Ok(Some((legacy, opened.introduction)))
    }
}

/// The `result` of a handshake, and the session named beside it; `None` when
/// the backend does not know the question.
pub(super) async fn verdict(
    response: Response,
) -> Result<Option<(Box<RawValue>, Option<String>)>, Refusal> {
    verdict_within(response, LARGEST).await
}

/// The same of an answer that may have so many bytes.
pub(super) async fn verdict_within(
    mut response: Response,
    largest: usize,
) -> Result<Option<(Box<RawValue>, Option<String>)>, Refusal> {
    let (status, session) = (response.status, response.session.take());
    let text = match (status, response.shape) {
        (401 | 403, _) => {
            return Err(Refusal::new(
                Reason::BackendError,
                format!("the backend refuses the gateway's credentials: HTTP {status}"),
            ));
        }
        (500.. | 408 | 429, _) => {
            return Err(Refusal::new(
                Reason::BackendUnavailable,
                format!("the backend is not ready: HTTP {status}"),
            ));
        }
        (200, Shape::Events) => {
            let mut events = response.events(largest);
            loop {
                let Some(event) = events.next(None).await? else { return Ok(None) };
                let Some(data) = event.data else { continue };
                if matches!(Told::read(&data), Told::Answer { .. }) {
                    break data;
                }
            }
        }
        (200, _) => response.whole(largest).await?,
        _ => return Ok(None),
    };
    Ok(match Told::read(&text) {
        Told::Answer { result: Some(result), .. } => Some((result.to_owned(), session)),
        Told::Answer { .. } | Told::Request { .. } | Told::Notification { .. } | Told::Noise => {
            None
        }
    })
}

async fn in_time<T>(asking: impl Future<Output = Result<T, Refusal>>) -> Result<T, Refusal> {
    tokio::time::timeout(PATIENCE, asking).await.unwrap_or_else(|_| {
        Err(Refusal::new(Reason::BackendTimeout, "the backend did not introduce itself in time"))
    })
}

/// What `initialize` brought.
pub(super) struct Greeting {
    pub(super) session: Option<String>,
    pub(super) revision: &'static str,
    pub(super) introduction: Introduction,
}

/// What a legacy client told of itself, for `initialize` towards a backend.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Presented<'a> {
    /// The revision it speaks.
    pub(crate) revision: &'static str,
    /// Its capabilities, an object.
    pub(crate) capabilities: &'a RawValue,
    /// Who it is: name and version.
    pub(crate) client: (&'a str, &'a str),
}

impl<'a> Presented<'a> {
    /// As the client presented itself when its session began.
    pub(crate) fn of(seat: &'a Opened) -> Self {
        Self {
            revision: seat.revision(),
            capabilities: seat.capabilities(),
            client: (seat.client_name(), seat.client_version()),
        }
    }
}

impl Upstream {
    /// The legacy handshake, as a client of the backend: `initialize`, and
    /// `notifications/initialized` where it went well. `None` when the backend
    /// does not know it.
    pub(super) async fn initialize(
        &self,
        client: &awc::Client,
        backend: &Backend,
        user: &str,
        trail: Trail<'_>,
        presented: Option<Presented<'_>>,
    ) -> Result<Option<Greeting>, Refusal> {
        #[derive(Deserialize)]
        struct Initialized {
            #[serde(rename = "protocolVersion")]
            version: String,
            capabilities: Option<Box<RawValue>>,
            instructions: Option<String>,
        }
        let own = json!({ "name": NOBODY, "version": env!("CARGO_PKG_VERSION") });
        let mut params = json!({
            "protocolVersion": presented.map_or(revision::LATEST_LEGACY, |p| p.revision),
            "capabilities": {},
            "clientInfo": own,
        });
        if let Some(presented) = presented {
            params["capabilities"] = json!(presented.capabilities);
            if let (name, version) = presented.client
                && !name.is_empty()
            {
                params["clientInfo"] = json!({ "name": name, "version": version });
            }
        }
        let body = json!({
            "jsonrpc": "2.0", "id": "scopegate-initialize", "method": "initialize",
            "params": params,
        });
        let letter = Letter {
            to: backend,
            user,
            trail,
            revision: None,
            session: None,
            mirrored: Vec::new(),
        };
        let response = self.post(client, letter.clone(), Bytes::from(body.to_string())).await?;
        let (status, shape) = (response.status, response.shape);
        let Some((result, session)) = verdict(response).await? else {
            return match (status, shape) {
                (200, _) | (_, Shape::Json) => Ok(None),
                // Not even an error that a server of MCP would give.
                _ => Err(Refusal::new(
                    Reason::BackendError,
                    format!("nothing there speaks MCP: HTTP {status}"),
                )),
            };
        };
        let Ok(found) = serde_json::from_str::<Initialized>(result.get()) else { return Ok(None) };
        let revision = revision::LEGACY.into_iter().find(|known| *known == found.version);
        let Some(revision) = revision else { return Ok(None) };
        let ready = Letter { revision: Some(revision), session: session.as_deref(), ..letter };
        let note = Bytes::from_static(br#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#);
        self.post(client, ready, note).await?;
        let introduction =
            Introduction { capabilities: found.capabilities, instructions: found.instructions };
        Ok(Some(Greeting { session, revision, introduction }))
    }
}
