//! Counters in Redis, shared by all gateways: one script call decides.

mod breaker;
mod brought;
mod link;

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use redis::{RedisError, RedisResult, Script};

use link::Lane;
pub(super) use link::Link;

use super::check::{Check, Key, Outcome, Rule, Seen, Undo, Window};
use super::error::QuotaError;
use super::gcra::Charged;
use crate::clock::Clock;
use crate::redis_link::{Place, Unopened, Unreadable, Wire};
use crate::settings::RedisSettings;
use breaker::{Breaker, Open};
use brought::Brought;

/// Longest key prefix, in bytes.
const LONGEST_PREFIX: usize = 64;

/// What part of the time limit a call waits longer when it has passed.
const GRACE: u32 = 10;

/// The scripts, hashed once.
static DECIDE: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("decide.lua")));
static SETTLE: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("settle.lua")));

/// Whether Redis can be written to.
static PROBE: LazyLock<Script> =
    LazyLock::new(|| Script::new("return redis.call('SET', KEYS[1], '1', 'PX', 1000)"));

/// What the scripts say of a counter that somebody else has written.
const NO_NUMBER: &str = "holds no number";

/// How long is waited for what no call waits for.
pub(super) const BACKGROUND: Duration = Duration::from_secs(5);

/// Stands for the name of a lease where nothing is to be changed.
const LOOKING: &str = "look";

/// Where the counters are and how they are reached. Holds no connection.
#[derive(Debug)]
pub(super) struct Remote {
    place: Place,
    connections: usize,
    pub(super) timeout: Duration,
    pub(super) prefix: String,
    breaker: Breaker,
    /// How long a lease lasts that nobody renews, in µs.
    lease: u64,
}

/// Why Redis did not decide. Its text never holds the URL.
#[derive(Debug, thiserror::Error)]
pub(super) enum RemoteError {
    #[error("no answer from Redis within {0:?}")]
    Slow(Duration),
    #[error("no connection to Redis: {0}")]
    Connection(#[from] Arc<Unopened>),
    #[error("Redis: {0}")]
    Command(#[from] RedisError),
    #[error("Redis answered something that is no decision")]
    Answer,
    #[error("Redis is away, and is not asked at the moment")]
    Open,
    #[error("this worker has no connections to Redis")]
    NoLink,
}

impl RemoteError {
    /// Whether Redis answered, and only this one question cannot be: another
    /// one may be.
    fn is_of_this_question(&self) -> bool {
        match self {
            Self::Answer => true,
            // Whatever else Redis says (READONLY, OOM, MISCONF …) it says to all.
            Self::Command(error) => {
                error.code() == Some("WRONGTYPE")
                    || error.detail().is_some_and(|text| text.contains(NO_NUMBER))
            }
            Self::Slow(_) | Self::Connection(_) | Self::Open | Self::NoLink => false,
        }
    }
}

impl Remote {
    /// Reads the settings; nothing is connected yet.
    ///
    /// # Errors
    /// When a setting makes no sense.
    pub(super) fn new(
        url: &str,
        settings: &RedisSettings,
        lease_seconds: u32,
        salt: u64,
    ) -> Result<Self, QuotaError> {
        let prefix = settings.key_prefix.as_str();
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-:".contains(&byte);
        if prefix.is_empty() || prefix.len() > LONGEST_PREFIX || !prefix.bytes().all(plain) {
            return Err(QuotaError::Prefix);
        }
        if settings.connections_per_worker == 0 {
            return Err(QuotaError::Zero("connections_per_worker"));
        }
        if settings.timeout_ms == 0 {
            return Err(QuotaError::Zero("timeout_ms"));
        }
        let timeout = Duration::from_millis(settings.timeout_ms);
        let place = Place::read(url, settings.ca_file.as_deref())?;
        place
            .opener(settings.connections_per_worker)
            .map_err(|error| Unreadable::Url(error.category().to_owned()))?;
        Ok(Self {
            place,
            connections: settings.connections_per_worker,
            timeout,
            prefix: prefix.to_owned(),
            // About a network, so by real time, whatever a test's clock says.
            breaker: Breaker::new(Clock::system(), salt),
            lease: u64::from(lease_seconds) * 1_000_000,
        })
    }

    /// Connections for the calling worker, opened when first needed.
    pub(super) fn link(&self) -> Option<Link> {
        let opener = self.place.opener(self.connections).ok()?;
        Some(Link::new(opener, self.connections))
    }

    /// Whether Redis is thought to be there.
    pub(super) fn is_up(&self) -> bool {
        !self.breaker.is_open()
    }

    /// What each check reads, without changing anything. Without `now`, which
    /// is for tests, by the server's clock.
    pub(super) async fn look(
        &self,
        link: Option<&Link>,
        checks: &[Check],
        now: Option<u64>,
    ) -> Result<Outcome, RemoteError> {
        self.decide(link, checks, None, now, |_| ()).await
    }

    /// Charges all counters, or none; without a `lease` it only looks.
    ///
    /// `late` is told the answer, for [`read`], when nobody waited
    /// for it any more; an error, when nobody knows what was decided.
    pub(super) async fn decide(
        &self,
        link: Option<&Link>,
        checks: &[Check],
        lease: Option<&str>,
        now: Option<u64>,
        late: impl FnOnce(RedisResult<Vec<u64>>) + Send + Unpin + 'static,
    ) -> Result<Outcome, RemoteError> {
        let mut call = DECIDE.prepare_invoke();
        call.arg(now.map(|now| now.to_string()).unwrap_or_default());
        call.arg(lease.unwrap_or(LOOKING));
        for check in checks {
            let (kind, first, second) = match check.rule {
                Rule::Rate(gcra) => ("r", gcra.cost, gcra.tolerance),
                Rule::Lease { most } => ("l", u64::from(most), self.lease),
                Rule::Budget { most, window: Window::Of(length) } => ("b", u64::from(most), length),
                Rule::Budget { most, window: Window::Day } => ("b", u64::from(most), 0),
                Rule::Once { retries, keep } => ("o", u64::from(retries), keep),
                Rule::Credit { .. } => ("c", 0, 0),
            };
            call.key(text(&check.key)).arg(kind).arg(first).arg(second);
        }
        let decided = |mut wire: Wire| {
            Brought::new(async move { call.invoke_async::<Vec<u64>>(&mut wire).await }, late)
        };
        let answer = self.within(link, self.timeout, decided).await?;
        read(&answer, checks).ok_or(RemoteError::Answer)
    }

    /// Takes charges of a call back, within that time.
    pub(super) async fn settle(
        &self,
        link: Option<&Link>,
        undo: &[(&Key, Undo)],
        lease: &str,
        now: Option<u64>,
        limit: Duration,
    ) -> Result<(), RemoteError> {
        let mut call = SETTLE.prepare_invoke();
        call.arg(now.map(|now| now.to_string()).unwrap_or_default()).arg(lease);
        for (key, undo) in undo {
            let (kind, numbers) = match undo {
                Undo::Rate(Charged { cost, at, rest, back }) => ("r", [*cost, *at, *rest, *back]),
                Undo::Lease => ("l", [0; 4]),
                Undo::Budget { until } => ("b", [*until, 0, 0, 0]),
                Undo::Once { until } => ("o", [*until, 0, 0, 0]),
                Undo::Credit { keep } => ("c", [*keep, 0, 0, 0]),
            };
            call.key(text(key)).arg(kind).arg(&numbers);
        }
        let settled = |mut wire: Wire| async move { call.invoke_async::<()>(&mut wire).await };
        self.within(link, limit, settled).await
    }

    /// Says that a call is still in progress. `late` is told when that may
    /// have been done after nobody waited for it any more.
    pub(super) async fn renew(
        &self,
        link: Option<&Link>,
        keys: &[Key],
        lease: &str,
        late: impl FnOnce(RedisResult<()>) + Send + Unpin + 'static,
    ) -> Result<(), RemoteError> {
        let mut call = SETTLE.prepare_invoke();
        call.arg("").arg(lease);
        for key in keys {
            call.key(text(key)).arg("n").arg(&[self.lease, 0, 0, 0]);
        }
        let renewed = |mut wire: Wire| {
            Brought::new(async move { call.invoke_async::<()>(&mut wire).await }, late)
        };
        self.within(link, self.timeout, renewed).await
    }

    /// Forgets counters, whatever they say.
    pub(super) async fn forget(
        &self,
        link: Option<&Link>,
        keys: impl Iterator<Item = &Key>,
    ) -> Result<(), RemoteError> {
        let mut command = redis::cmd("DEL");
        for key in keys {
            command.arg(text(key));
        }
        let forgotten = |mut wire: Wire| async move { command.query_async::<()>(&mut wire).await };
        self.within(link, self.timeout, forgotten).await
    }

    /// Whether Redis can count: one that answers, but takes nothing in, cannot.
    /// Asks also while the circuit is open.
    pub(super) async fn ping(&self, link: Option<&Link>) -> Result<(), RemoteError> {
        let mut call = PROBE.prepare_invoke();
        call.key(format!("{}:quota:{{probe}}:probe", self.prefix));
        let asked = |mut wire: Wire| async move { call.invoke_async::<()>(&mut wire).await };
        let answer = self.ask(link, self.timeout, asked).await;
        if answer.is_ok() {
            self.breaker.succeeded();
        }
        answer
    }

    /// Does `work` with a connection, all within the limit, unless Redis
    /// is known to be away.
    async fn within<T, F: Future<Output = RedisResult<T>>>(
        &self,
        link: Option<&Link>,
        limit: Duration,
        work: impl FnOnce(Wire) -> F,
    ) -> Result<T, RemoteError> {
        let pass = self.breaker.enter().map_err(|Open| RemoteError::Open)?;
        let answer = self.ask(link, limit, work).await;
        match &answer {
            Err(error) if !error.is_of_this_question() => self.breaker.failed(pass),
            Ok(_) | Err(_) => self.breaker.succeeded(),
        }
        answer
    }

    /// A connection on which something went wrong is given up.
    async fn ask<T, F: Future<Output = RedisResult<T>>>(
        &self,
        link: Option<&Link>,
        limit: Duration,
        work: impl FnOnce(Wire) -> F,
    ) -> Result<T, RemoteError> {
        let link = link.ok_or(RemoteError::NoLink)?;
        let lane = link.lane();
        let mut used = None;
        let result = {
            let working = async {
                let (wire, ticket) = Lane::connection(lane, link.opener()).await?;
                used = Some(ticket);
                Ok(work(wire).await?)
            };
            let mut working = std::pin::pin!(working);
            match tokio::time::timeout(limit, &mut working).await {
                Ok(result) => result,
                // It may be this worker that was late: then the answer is
                // there, and whoever reads it has not had a turn.
                Err(_) => tokio::time::timeout(limit / GRACE, working)
                    .await
                    .unwrap_or(Err(RemoteError::Slow(limit))),
            }
        };
        if let (Err(error), Some(ticket)) = (&result, used)
            && !error.is_of_this_question()
        {
            lane.doubt(ticket);
        }
        result
    }
}

/// Keys of memory are never asked of Redis.
fn text(key: &Key) -> &str {
    match key {
        Key::There(text) => text,
        Key::Here(_) => "",
    }
}

/// Reads the answer of `decide.lua`.
pub(super) fn read(answer: &[u64], checks: &[Check]) -> Option<Outcome> {
    let (&[admitted @ 0..=1, freed_by, now], mut rest) = answer.split_first_chunk()? else {
        return None;
    };
    let freed_by = match usize::try_from(freed_by).ok()? {
        0 => None,
        number if number <= checks.len() => Some(number - 1),
        _ => return None,
    };
    let mut next = || {
        let (first, others) = rest.split_first()?;
        rest = others;
        Some(*first)
    };
    let mut seen = Vec::with_capacity(checks.len());
    for check in checks {
        let value = next()?;
        seen.push(match check.rule {
            Rule::Rate(_) => Seen { value, back: next()?, until: 0 },
            Rule::Budget { .. } => Seen { value, until: next()?, back: 0 },
            Rule::Lease { .. } | Rule::Once { .. } | Rule::Credit { .. } => {
                Seen { value, ..Seen::default() }
            }
        });
    }
    rest.is_empty().then_some(Outcome { admitted: admitted == 1, freed_by, now, seen })
}
