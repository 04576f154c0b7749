//! News of lists and resources on their way to clients of the other era. Their
//! streams may last for days, so the gateway comes back for one that breaks
//! off, and tells everything as changed where something may have been missed.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde_json::value::RawValue;

use super::flow::Flow;
use super::lodging::Lodging;
use super::subscription::Subscribed;
use super::told::Told;
use crate::error::Refusal;
use crate::protocol::sse::Event;
use crate::translate::news::{self, RESOURCE_UPDATED, Wanted};

/// Says which resources, by their URIs, somebody may know of.
pub(crate) type Permits = Arc<dyn Fn(&str) -> bool + Send + Sync>;

/// Most tries to come back for a stream that does not last.
const MOST: u32 = 5;

/// A stream that lasted so long has come about: the next tries are counted
/// anew.
const LASTED: Duration = Duration::from_mins(1);

/// What a stream tells to a client of the other era.
#[derive(Debug)]
pub(super) struct Telling {
    /// A modern client's id of its subscription; none on the stream of a
    /// legacy session.
    pub(super) subscription: Option<Box<RawValue>>,
    pub(super) wanted: Wanted,
}

impl Telling {
    /// A notification as the client gets it; `None`: it does not.
    pub(super) fn told(&self, method: &str, message: &Bytes) -> Option<Bytes> {
        if !self.wanted.covers(method, message) {
            return None;
        }
        self.turned(message)
    }

    fn turned(&self, message: &Bytes) -> Option<Bytes> {
        match &self.subscription {
            Some(id) => news::to_modern(message, id).ok(),
            None => news::to_legacy(message).ok(),
        }
    }

    /// Everything as changed.
    fn all_changed(&self) -> Vec<Bytes> {
        self.wanted.all_changed().iter().filter_map(|message| self.turned(message)).collect()
    }
}

/// Where news come from.
#[derive(Debug)]
pub(super) enum Origin {
    /// A subscription at a modern backend, for a legacy session.
    Subscription(Subscribed),
    /// A session at a legacy backend, for a subscription.
    Session(Lodging),
}

/// How to come back for news.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) origin: Origin,
    /// When the stream was opened, and how often in a row it did not last.
    since: Duration,
    tries: u32,
}

impl Source {
    pub(super) fn new(origin: Origin, now: Duration) -> Self {
        Self { origin, since: now, tries: 0 }
    }

    /// Waits until what is wanted changes.
    async fn changed(&mut self) {
        match &mut self.origin {
            Origin::Subscription(subscribed) => subscribed.changed().await,
            Origin::Session(_) => std::future::pending().await,
        }
    }

    /// Whether to try again.
    fn tries_again(&mut self, now: Duration) -> bool {
        if now.saturating_sub(self.since) >= LASTED {
            self.tries = 0;
        }
        self.since = now;
        self.tries += 1;
        self.tries <= MOST
    }
}

impl Flow {
    /// Goes on by one event of the news. `false`: there will be no more.
    pub(super) async fn step_news(&mut self) -> Result<bool, Refusal> {
        let (Some(source), Some(events)) = (&mut self.source, &mut self.events) else {
            return Ok(false);
        };
        let arrived = tokio::select! {
            biased;
            () = source.changed() => None,
            arrived = events.next(None) => Some(arrived),
        };
        match arrived {
            // What was heard so far goes on where nothing better can be had.
            None => self.reopen().await.map(|_| true).or_else(|refusal| {
                self.note_missed(&refusal);
                Ok(true)
            }),
            Some(Ok(Some(event))) => {
                self.take(event).await?;
                Ok(true)
            }
            Some(Ok(None) | Err(_)) => Ok(self.come_back().await),
        }
    }

    /// Opens the stream again after it broke off. Whether there is one.
    async fn come_back(&mut self) -> bool {
        loop {
            let now = self.upstream.clock.monotonic();
            if !self.source.as_mut().is_some_and(|source| source.tries_again(now)) {
                return false;
            }
            tokio::time::sleep(self.thread.pause()).await;
            match self.reopen().await {
                // What was said meanwhile, nobody says again.
                Ok(Some(Missed::Nothing)) => return true,
                Ok(Some(Missed::Anything)) => {
                    let all = self.turn.telling().map(|telling| telling.all_changed());
                    self.push(all.unwrap_or_default().into_iter().map(Event::message));
                    return true;
                }
                Ok(None) => return false,
                Err(refusal) => self.note_missed(&refusal),
            }
        }
    }

    /// Another stream in the place of this one. `None`: there is none any
    /// more.
    async fn reopen(&mut self) -> Result<Option<Missed>, Refusal> {
        let Some(source) = &mut self.source else { return Ok(None) };
        match &mut source.origin {
            Origin::Subscription(subscribed) => {
                let Some((events, wanted)) = subscribed.open(&self.client).await? else {
                    return Ok(None);
                };
                self.events = Some(events);
                if let Some(telling) = self.turn.telling() {
                    telling.wanted = wanted;
                }
                Ok(Some(Missed::Anything))
            }
            Origin::Session(lodging) => {
                let last = self.thread.last();
                let Some(events) = lodging.open(&self.client, last.as_deref()).await? else {
                    return Ok(None);
                };
                self.events = Some(events);
                Ok(Some(if last.is_some() { Missed::Nothing } else { Missed::Anything }))
            }
        }
    }

    fn note_missed(&self, refusal: &Refusal) {
        tracing::debug!(
            backend = &*self.backend.name,
            detail = &*refusal.detail,
            "news cannot be had"
        );
    }

    /// Whether a notification is about a resource that the client may not know
    /// of.
    pub(super) fn withholds(&self, message: &[u8]) -> bool {
        let Some(permits) = &self.permits else { return false };
        match Told::read(message) {
            Told::Notification { method } if method == RESOURCE_UPDATED => {
                news::updated(message).is_none_or(|uri| !permits(&uri))
            }
            Told::Notification { .. }
            | Told::Answer { .. }
            | Told::Request { .. }
            | Told::Noise => false,
        }
    }
}

/// What may have been said between two streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Missed {
    Nothing,
    Anything,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn telling(subscription: Option<&str>) -> Telling {
        let raw = |text: &str| RawValue::from_string(text.to_owned()).unwrap();
        let wanted = Wanted { tools: true, uris: vec!["a://x".into()], ..Wanted::default() };
        Telling { subscription: subscription.map(raw), wanted }
    }

    #[test]
    fn news_come_with_the_id_of_the_subscription_if_there_is_one() {
        let changed = Bytes::from_static(br#"{"method":"notifications/tools/list_changed"}"#);
        let told = |telling: Telling| telling.told("notifications/tools/list_changed", &changed);
        assert_eq!(told(telling(None)).unwrap(), changed);
        let told = told(telling(Some("7"))).unwrap();
        let told: serde_json::Value = serde_json::from_slice(&told).unwrap();
        assert_eq!(told["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"], 7);
        assert_eq!(telling(None).told("notifications/prompts/list_changed", &changed), None);
        assert_eq!(telling(Some("7")).all_changed().len(), 2);
    }

    #[test]
    fn a_stream_that_does_not_last_is_given_up() {
        let tries = |source: &mut Source, from: u64| {
            (0..10).filter(|n| source.tries_again(Duration::from_secs(from + n))).count()
        };
        let mut source = Source::new(Origin::Session(Lodging::none()), Duration::ZERO);
        assert_eq!(tries(&mut source, 1), 5);
        assert_eq!(tries(&mut source, 100), 5, "it lasted meanwhile");
    }
}
