//! News of lists and resources on their way to clients of the other era. Their
//! streams may last for days, so the gateway comes back for one that breaks
//! off, and tells everything as changed where something may have been missed.

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use bytes::Bytes;
use futures_util::FutureExt as _;
use serde_json::value::RawValue;
use tokio::time::Instant;

use super::events::Events;
use super::flow::Flow;
use super::lodging::Lodging;
use super::subscription::Subscribed;
use crate::error::Refusal;
use crate::protocol::sse::Event;
use crate::translate::news::{self, Wanted};

/// Says which resources, by their URIs, somebody may know of.
pub(crate) type Permits = Arc<dyn Fn(&str) -> bool + Send + Sync>;

/// Pause before the gateway comes back for a stream that it did not get, or
/// that did not last.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// Shortest pause, whatever a backend asks for.
const SHORTEST_PAUSE: Duration = Duration::from_millis(100);

/// A stream that lasted so long has come about.
const LASTED: Duration = Duration::from_mins(1);

/// Longest pause before the gateway comes back for a stream.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Time between two looks at what is wanted: a notice that it has changed can
/// be lost.
const LOOK_EVERY: Duration = Duration::from_mins(1);

/// Most events that are kept while another stream is opened.
const MOST_HEARD: usize = 1024;

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

    /// These resources, or everything, as changed.
    fn changed(&self, permits: Option<&Permits>, only: Option<&[Box<str>]>) -> Vec<Bytes> {
        let permitted = |uri: &str| permits.is_none_or(|permits| permits(uri));
        let mut wanted = match only {
            Some(uris) => Wanted { uris: uris.to_vec(), ..Wanted::default() },
            None => self.wanted.clone(),
        };
        wanted.uris.retain(|uri| permitted(uri));
        wanted.all_changed().iter().filter_map(|message| self.turned(message)).collect()
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
    origin: Origin,
    /// When to look at it again, without being told to.
    due: Option<Instant>,
    /// When the stream was opened.
    opened: Option<Instant>,
    /// How often in a row it could not be had, or did not last.
    failures: u32,
    /// It broke off, so something may have been missed.
    missed: bool,
}

/// What happened to a stream.
enum Happened {
    Arrived(Result<Option<Event>, Refusal>),
    Asked,
}

/// What there is after another look.
pub(super) enum Look {
    /// What there was before.
    Same,
    /// Nothing to listen to, for now.
    Nothing,
    /// Another stream, which tells what was missed if it goes on with the
    /// one before.
    Opened { events: Box<Events>, wanted: Option<Wanted>, goes_on: bool },
    /// Nothing any more.
    Over,
}

impl Source {
    pub(super) fn new(origin: Origin) -> Self {
        let due = Some(Instant::now() + LOOK_EVERY);
        Self { origin, due, opened: Some(Instant::now()), failures: 0, missed: false }
    }

    /// One that could not be had at once.
    pub(super) fn later(origin: Origin) -> Self {
        let mut source = Self::new(origin);
        source.fail(FIRST_PAUSE);
        source
    }

    /// Waits until it is to be looked at again.
    async fn asked(&mut self) {
        let due = self.due;
        let time = async {
            match due {
                Some(due) => tokio::time::sleep_until(due).await,
                None => std::future::pending().await,
            }
        };
        let told = async {
            match &mut self.origin {
                Origin::Subscription(subscribed) => subscribed.changed().await,
                Origin::Session(_) => std::future::pending().await,
            }
        };
        tokio::select! { () = time => {}, () = told => {} }
    }

    /// Comes back after a pause; later each time, but not all at once.
    fn fail(&mut self, first: Duration) {
        if self.opened.take().is_some_and(|opened| opened.elapsed() >= LASTED) {
            self.failures = 0;
        }
        let pause = match self.failures {
            0 => first.max(SHORTEST_PAUSE),
            n => first.max(FIRST_PAUSE).saturating_mul(1 << n.min(8)),
        };
        self.failures += 1;
        self.missed = true;
        self.due = Some(Instant::now() + spread(pause.min(LONGEST_PAUSE)));
    }

    /// There is a stream, another one if it was `opened`, or nothing to listen
    /// to.
    fn succeed(&mut self, opened: bool) {
        if opened {
            self.opened = Some(Instant::now());
            self.missed = false;
        }
        self.due = match &self.origin {
            Origin::Subscription(_) => Some(Instant::now() + spread(LOOK_EVERY)),
            Origin::Session(_) => None,
        };
    }

    async fn look(
        &mut self,
        client: &awc::Client,
        is_open: bool,
        last: Option<String>,
    ) -> Result<Look, Refusal> {
        match &mut self.origin {
            Origin::Subscription(subscribed) => subscribed.look(client, is_open).await,
            Origin::Session(_) if is_open => Ok(Look::Same),
            Origin::Session(lodging) => {
                let goes_on = last.is_some();
                let opened = lodging.open(client, last.as_deref()).await?;
                Ok(opened.map_or(Look::Over, |events| Look::Opened {
                    events: Box::new(events),
                    wanted: None,
                    goes_on,
                }))
            }
        }
    }
}

/// A pause that is up to a quarter shorter: what broke off together does not
/// come back together.
fn spread(pause: Duration) -> Duration {
    let mut random = [0; 1];
    // Without random numbers it is merely not spread.
    let _ = SystemRandom::new().fill(&mut random);
    pause.saturating_sub(pause / 4 * u32::from(random[0]) / 256)
}

/// The next event of a stream; for ever, where there is none.
async fn arrives(events: &mut Option<Events>) -> Result<Option<Event>, Refusal> {
    match events {
        Some(events) => events.next(None).await,
        None => std::future::pending().await,
    }
}

/// What comes of something, while the stream is listened to all the same.
async fn meanwhile<T>(
    events: &mut Option<Events>,
    heard: &mut Vec<Event>,
    something: impl Future<Output = T>,
) -> T {
    let mut something = std::pin::pin!(something);
    loop {
        tokio::select! {
            biased;
            done = &mut something => return done,
            arrived = arrives(events), if heard.len() < MOST_HEARD => match arrived {
                Ok(Some(event)) => heard.push(event),
                Ok(None) | Err(_) => *events = None,
            },
        }
    }
}

impl Flow {
    /// Goes on by one event of the news. `false`: there will be no more.
    pub(super) async fn step_news(&mut self) -> Result<bool, Refusal> {
        let Some(source) = &mut self.source else { return Ok(false) };
        let happened = tokio::select! {
            arrived = arrives(&mut self.events) => Happened::Arrived(arrived),
            () = source.asked() => Happened::Asked,
        };
        match happened {
            Happened::Arrived(Ok(Some(event))) => {
                self.take(event).await?;
                Ok(true)
            }
            Happened::Arrived(Ok(None) | Err(_)) => {
                self.events = None;
                source.fail(self.thread.pause());
                Ok(true)
            }
            Happened::Asked => self.look_again().await,
        }
    }

    /// Looks whether there is something else to listen to, and how.
    async fn look_again(&mut self) -> Result<bool, Refusal> {
        let Some(source) = &mut self.source else { return Ok(false) };
        let (mut heard, is_open, last) = (Vec::new(), self.events.is_some(), self.thread.last());
        let looking = source.look(&self.client, is_open, last);
        let looked = meanwhile(&mut self.events, &mut heard, looking).await;
        if matches!(looked, Ok(Look::Opened { .. })) {
            // What the old stream has told by now is not told by the new one.
            while let Some(Ok(Some(event))) = arrives(&mut self.events).now_or_never() {
                heard.push(event);
            }
        }
        let broke_off = is_open && self.events.is_none();
        let missed = source.missed || broke_off;
        match &looked {
            Ok(Look::Opened { .. }) => source.succeed(true),
            Ok(Look::Same) if broke_off => source.fail(self.thread.pause()),
            Ok(Look::Same) => source.succeed(false),
            Ok(Look::Nothing) => {
                source.succeed(false);
                source.missed = missed || is_open;
            }
            Ok(Look::Over) => return Ok(false),
            Err(refusal) => {
                tracing::debug!(
                    backend = &*self.backend.name,
                    detail = &*refusal.detail,
                    "news cannot be had"
                );
                source.fail(self.thread.pause());
                // Whatever is still told may be told.
                source.missed = missed || self.events.is_none();
            }
        }
        for event in heard {
            self.take(event).await?;
        }
        match looked {
            Ok(Look::Opened { events, wanted, goes_on }) => {
                self.events = Some(*events);
                self.opened(wanted, missed && !goes_on);
            }
            Ok(Look::Nothing) => {
                self.events = None;
                self.opened(Some(Wanted::default()), false);
            }
            Ok(Look::Same | Look::Over) | Err(_) => {}
        }
        Ok(true)
    }

    /// Another stream is open: what may have been missed is told as changed.
    fn opened(&mut self, wanted: Option<Wanted>, missed: bool) {
        let permits = self.turn.permits().cloned();
        let Some(telling) = self.turn.telling() else { return };
        let before = wanted.map(|wanted| std::mem::replace(&mut telling.wanted, wanted));
        let told = match before {
            _ if missed => telling.changed(permits.as_ref(), None),
            // It may have changed before the backend knew who wants to know.
            Some(before) => {
                let all = telling.wanted.uris.iter();
                let added: Vec<_> = all.filter(|uri| !before.uris.contains(uri)).cloned().collect();
                telling.changed(permits.as_ref(), Some(&added))
            }
            None => Vec::new(),
        };
        self.push(told.into_iter().map(Event::message));
    }
}

#[cfg(test)]
mod tests {
    use futures_util::StreamExt as _;

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
        let everything = telling(Some("7"));
        assert_eq!(everything.changed(None, None).len(), 2);
        assert_eq!(everything.changed(None, Some(&["a://y".into()])).len(), 1);
        let nobody: Permits = Arc::new(|_| false);
        assert_eq!(everything.changed(Some(&nobody), None).len(), 1, "the list alone");
    }

    /// The pauses after one failure, two, and so on.
    fn pauses(source: &mut Source, first: Duration) -> Vec<Duration> {
        let mut pause = || {
            source.fail(first);
            source.due.unwrap().saturating_duration_since(Instant::now())
        };
        (0..20).map(|_| pause()).collect()
    }

    #[test]
    fn the_gateway_comes_back_later_and_later() {
        for first in [Duration::ZERO, Duration::from_millis(10), Duration::from_secs(1)] {
            let mut source = Source::new(Origin::Session(Lodging::none()));
            for (n, pause) in (0..).zip(pauses(&mut source, first)) {
                let most =
                    if n == 0 { first.max(SHORTEST_PAUSE) } else { FIRST_PAUSE * (1 << n.min(8)) };
                let most = most.min(LONGEST_PAUSE);
                let least = (most / 4 * 3).saturating_sub(Duration::from_millis(50));
                assert!(pause <= most && pause >= least, "{n}: {pause:?}, {most:?}");
            }
            // One that opens and does not last changes nothing.
            source.succeed(true);
            assert!(!source.missed);
            source.fail(first);
            let pause = source.due.unwrap().saturating_duration_since(Instant::now());
            assert!(source.missed && pause > Duration::from_secs(20), "{pause:?}");
        }
    }

    #[tokio::test]
    async fn what_is_told_while_another_stream_is_opened_is_heard() {
        let chunks = [&b"data: 1\n\n"[..], b"data: 2\n\ndata: 3\n\n"];
        let chunks = chunks.map(|chunk| Ok(Bytes::from_static(chunk)));
        let chunks = futures_util::stream::iter(chunks).chain(futures_util::stream::pending());
        let mut events = Some(Events::new(Box::pin(chunks), 1024));
        let mut heard = Vec::new();
        let opening = tokio::time::sleep(Duration::from_millis(50));
        meanwhile(&mut events, &mut heard, opening).await;
        let told: Vec<_> = heard.into_iter().filter_map(|event| event.data).collect();
        assert_eq!(told, ["1", "2", "3"]);
        assert!(events.is_some());
    }
}
