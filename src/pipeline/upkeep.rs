//! What is done about sessions when nobody asks: the idle ones end, and what
//! other replicas tell is acted upon.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use serde_json::value::RawValue;
use tokio::sync::broadcast::error::RecvError;

use super::conversation;
use crate::gateway::Gateway;
use crate::registry::Scope;
use crate::session::{Notice, Opened};

/// On whose behalf the sessions of callers end who have left.
const NOBODY: &str = "scopegate";

/// Most idle sessions that are ended at backends at once.
const AT_ONCE: usize = 16;

impl Gateway {
    /// Ends at backends what a session that is over held there.
    pub(crate) async fn part(&self, client: &awc::Client, seat: &Opened, user: &str) {
        // After a change of its backends, nobody knows what the places meant.
        let scope = self.now().registry.scope(Scope::of_label(seat.scope())).ok();
        let scope = scope.filter(|scope| scope.label() == seat.scope());
        let ending = seat.backends().iter().filter_map(|session| {
            let backend = scope.as_ref()?.backend_at(usize::from(session.index))?;
            let id = session.id.as_deref()?;
            Some(self.upstream.end_one(client, backend, user, id, session.revision))
        });
        futures_util::future::join_all(ending).await;
        self.sessions.forget_subscribed(seat.uid()).await;
        self.upstream.end_seat(client, seat.uid()).await;
    }

    /// Looks after sessions, for ever: ends those nobody uses, and acts upon
    /// what other replicas tell. To be run once, in the background. What is
    /// said to backends is said by the way: one that is slow keeps nobody from
    /// being heard.
    pub(crate) async fn look_after_sessions(self: Arc<Self>) {
        const BETWEEN: Duration = Duration::from_secs(15);
        let client = self.upstream.client();
        let mut notices = self.sessions.notices();
        let mut ticks = tokio::time::interval(BETWEEN);
        loop {
            tokio::select! {
                _ = ticks.tick() => {
                    let (gw, client) = (Arc::clone(&self), client.clone());
                    let idle = futures_util::stream::iter(self.sessions.idle().await);
                    actix_web::rt::spawn(async move {
                        let part = async |seat: Arc<Opened>| gw.part(&client, &seat, NOBODY).await;
                        idle.for_each_concurrent(AT_ONCE, part).await;
                    });
                }
                notice = notices.recv() => match notice {
                    Ok(notice) => self.heed(&client, notice),
                    Err(RecvError::Lagged(missed)) => {
                        tracing::warn!(missed, "too much is told between replicas");
                    }
                    Err(RecvError::Closed) => return,
                },
            }
        }
    }

    /// Acts upon what another replica tells.
    fn heed(self: &Arc<Self>, client: &awc::Client, notice: Notice) {
        match notice {
            Notice::Answer { uid, key, message } if &*key == conversation::KEY => {
                if self.conversations.hand_over(uid, message) == Some(false) {
                    tracing::warn!("a conversation is too busy: a message for it is dropped");
                }
            }
            Notice::Answer { uid, key, message } => {
                self.upstream.answered(uid, &key, &message);
            }
            Notice::Cancel { uid, request_id } => {
                let (gw, client) = (Arc::clone(self), client.clone());
                actix_web::rt::spawn(async move {
                    if let Ok(id) = serde_json::from_str::<&RawValue>(&request_id) {
                        gw.upstream.call_back(&client, uid, id, None).await;
                    }
                });
            }
            Notice::Subscribed { uid } => self.upstream.resubscribe(uid),
            Notice::Ended { uid } => {
                self.upstream.resubscribe(uid);
                let (gw, client) = (Arc::clone(self), client.clone());
                actix_web::rt::spawn(async move { gw.upstream.end_seat(&client, uid).await });
            }
        }
    }
}
