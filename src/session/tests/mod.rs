//! The room's tests: session ids, what is kept in memory, notices, and two
//! replicas with a real Redis.

mod ids;
mod notices;
mod outage;
mod replicas;
mod rotation;
mod tasks;
mod tracking;

use chrono::DateTime;
use serde_json::value::RawValue;

use super::*;
use crate::clock::ManualClock;
use crate::secret::Secret;
use crate::settings::DEFAULTS;

const SHARED: &str = "7f3c9a52e1b84d06a9d2c4f8e0b17365aa01";
const SCOPE: &str = "calculator";

/// What a replica is made of.
struct Parts {
    sessions: SessionSettings,
    upstream: UpstreamSettings,
    redis: RedisSettings,
    clock: Clock,
}

/// The defaults, without Redis, by a clock that moves by hand.
fn parts() -> (Parts, Arc<ManualClock>) {
    let settings: crate::settings::Settings = serde_yaml::from_str(DEFAULTS).unwrap();
    let (clock, hand) = Clock::manual(DateTime::from_timestamp(1_800_000_000, 0).unwrap());
    let mut upstream = settings.upstream;
    upstream.shared_secret = Some(Secret::new(SHARED));
    (Parts { sessions: settings.sessions, upstream, redis: settings.redis, clock }, hand)
}

impl Parts {
    fn build(&self) -> Arc<Sessions> {
        let Self { sessions, upstream, redis, clock } = self;
        Arc::new(Sessions::new(sessions, upstream, redis, clock.clone()).unwrap())
    }
}

fn ada() -> CallerKey {
    CallerKey::of("https://issuer.test\nada")
}

fn bob() -> CallerKey {
    CallerKey::of("https://issuer.test\nbob")
}

fn raw(text: &str) -> &RawValue {
    serde_json::from_str(text).unwrap()
}

/// A session of a caller, without sessions at backends.
fn contents(caller: CallerKey) -> Contents<'static> {
    Contents {
        scope: SCOPE,
        caller,
        revision: "2025-11-25",
        capabilities: raw("{}"),
        client_name: "",
        client_version: "",
        backends: Vec::new(),
    }
}

fn at_backend(index: u8, id: &str) -> BackendSession {
    BackendSession { index, id: Some(id.into()), revision: "2025-06-18" }
}

impl Sessions {
    fn begin(&self, caller: CallerKey) -> Started {
        self.start(contents(caller)).unwrap()
    }

    fn opens(&self, started: &Started, caller: CallerKey) -> bool {
        self.opens_id(&started.id, SCOPE, caller)
    }

    fn opens_id(&self, id: &str, scope: &str, caller: CallerKey) -> bool {
        match self.open(id, scope, &caller) {
            Ok(_) => true,
            Err(refusal) => {
                assert_eq!(refusal.reason, Reason::UnknownSession);
                assert!(refusal.public.is_none(), "why is not told");
                false
            }
        }
    }
}
