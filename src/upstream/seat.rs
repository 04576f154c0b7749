//! What a legacy client's own session needs of the backends of its scope:
//! opening sessions there, their streams, and what is said in them outside of
//! requests.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::join_all;

use super::flow::Flow;
use super::peer::{Introduction, Legacy, Presented};
use super::pool::{Held, Owner};
use super::turn::Turn;
use super::wire::{Letter, Shape, in_time};
use super::{Trail, Upstream};
use crate::authn::Caller;
use crate::error::{Reason, Refusal};
use crate::protocol::ids::Stream;
use crate::protocol::revision::Era;
use crate::registry::Backend;
use crate::session::Opened;

/// A backend that takes part in a session.
#[derive(Debug)]
pub(crate) struct Berth {
    /// The backend's own session, where it has one, and the revision spoken
    /// in it.
    pub(crate) session: Option<(String, &'static str)>,
    /// What the backend says of itself.
    pub(crate) introduction: Introduction,
    /// Whether the client is passed through to a backend of its own era.
    pub(crate) same_era: bool,
}

/// A client with its session, as a backend at some place sees it.
#[derive(Clone, Copy)]
pub(crate) struct Seated<'a> {
    pub(crate) caller: &'a Caller,
    pub(crate) seat: &'a Arc<Opened>,
    pub(crate) backend: &'a Arc<Backend>,
    pub(crate) place: usize,
    pub(crate) trail: Trail<'a>,
}

impl Upstream {
    /// Introduces a client to each backend, and opens sessions where they want
    /// one. In the order of `backends`.
    pub(crate) async fn board(
        &self,
        client: &awc::Client,
        backends: &[Arc<Backend>],
        caller: &Caller,
        presented: Presented<'_>,
        trail: Trail<'_>,
    ) -> Vec<Result<Berth, Refusal>> {
        let boarding = backends.iter().map(|backend| async move {
            let facts = self.facts(client, backend).await?;
            let same_era = facts.speaks(Era::Legacy);
            if let Some((Legacy::Sessions, _)) = facts.legacy {
                let user = caller.user_id();
                let opened = self.initialize(client, backend, user, trail, Some(presented));
                let opened =
                    tokio::time::timeout(super::peer::PATIENCE, opened).await.map_err(|_| {
                        Refusal::new(Reason::BackendTimeout, "no session was opened in time")
                    })??;
                let opened = opened.ok_or_else(|| {
                    Refusal::new(Reason::BackendError, "the backend opened no session")
                })?;
                return Ok(Berth {
                    session: opened.session.map(|id| (id, opened.revision)),
                    introduction: opened.introduction,
                    same_era,
                });
            }
            let introduction = facts.introduction(Era::Legacy).cloned().unwrap_or_default();
            Ok(Berth { session: None, introduction, same_era })
        });
        join_all(boarding).await
    }

    /// Passes on what a client says outside of a request: a notification, or
    /// the answer to a question.
    ///
    /// # Errors
    /// As the backend does not take it.
    pub(crate) async fn tell(
        &self,
        client: &awc::Client,
        seated: Seated<'_>,
        message: Bytes,
    ) -> Result<(), Refusal> {
        let Some(held) = self.berth(client, seated).await? else { return Ok(()) };
        let telling = self.post(client, letter(seated, &held), message);
        let response = in_time(super::peer::PATIENCE, telling).await?;
        match response.status {
            200..=299 => Ok(()),
            404 => Err(Refusal::new(Reason::UnknownSession, "the backend has lost the session")),
            status => Err(Refusal::new(
                Reason::BackendError,
                format!("the backend does not take it: HTTP {status}"),
            )),
        }
    }

    /// The stream of what a backend says outside of requests, or the rest of
    /// one that broke off: the stream, and the id of its last event. `None`:
    /// it has none.
    ///
    /// # Errors
    /// As it cannot be had.
    pub(crate) async fn hear(
        self: &Arc<Self>,
        client: &awc::Client,
        seated: Seated<'_>,
        last: Option<(Stream, &str)>,
    ) -> Result<Option<Flow>, Refusal> {
        let Some(held) = self.berth(client, seated).await? else {
            return Box::pin(self.hear_news(client, seated)).await;
        };
        let asking = self.get(client, letter(seated, &held), last.map(|(_, id)| id));
        let response =
            tokio::time::timeout(super::peer::PATIENCE, asking).await.map_err(|_| {
                Refusal::new(Reason::BackendTimeout, "the stream was not opened in time")
            })??;
        match (response.status, response.shape) {
            (200, Shape::Events) => {
                let events = response.events(self.max_reply_bytes);
                let turn = Turn::overheard(
                    seated.place,
                    last.map_or(Stream::Session, |(stream, _)| stream),
                    held,
                );
                let user = seated.caller.user_id();
                Ok(Some(Flow::hearing(self, client, seated.backend, user, Some(events), turn)))
            }
            (404, _) => {
                Err(Refusal::new(Reason::UnknownSession, "the backend has lost the session"))
            }
            (409, _) => Err(Refusal::new(
                Reason::StreamTaken,
                "the backend serves one stream a session, and it is taken",
            )),
            _ => Ok(None),
        }
    }

    /// The session at a backend that wants one.
    async fn berth(
        &self,
        client: &awc::Client,
        seated: Seated<'_>,
    ) -> Result<Option<Held>, Refusal> {
        let Seated { caller, seat, backend, place, trail } = seated;
        if let Some(held) = Held::sealed(seat, place) {
            return Ok(Some(held));
        }
        let facts = self.facts(client, backend).await?;
        let Some((Legacy::Sessions, _)) = facts.legacy else { return Ok(None) };
        let owner =
            Owner { backend: backend.id, caller: caller.key().into(), seat: Some(seat.uid()) };
        let presented = Presented::of(seat.as_ref());
        let user = caller.user_id();
        self.session(client, backend, &owner, user, trail, Some(presented)).await.map(Some)
    }
}

fn letter<'a>(seated: Seated<'a>, held: &'a Held) -> Letter<'a> {
    Letter {
        to: seated.backend,
        user: seated.caller.user_id(),
        trail: seated.trail,
        revision: Some(held.revision),
        session: held.id.as_deref(),
        mirrored: Vec::new(),
    }
}
