//! Many clients at once, over two gateways and one Redis, of all kinds of
//! limits, with calls that end and are refunded: against a model that does one
//! thing after the other.
//!
//! Redis does one thing after the other, too, and says in which order
//! (`MONITOR`). In that order the model must come to every single decision and
//! every number in it.

mod clients;
mod monitor;
mod sequence;

use std::collections::{BTreeMap, HashMap};
use std::sync::Barrier;

use support::redis::Redis;

use super::*;
use clients::run_replica;
use monitor::Monitor;
use sequence::check_against_model;

const CLIENTS: usize = 64;
const CALLS: usize = 12;

/// What is limited, and tight limits of it.
const TIGHT: [(&str, u64); 9] = [
    ("user", 12),
    ("tool", 60),
    ("global", 150),
    ("user in progress", 4),
    ("tool in progress", 10),
    ("global in progress", 25),
    ("turn", 5),
    ("day", 20),
    ("job", 6),
];

/// A limit that nobody reaches.
const LOOSE: u64 = 10_000;

/// The limits of one run.
#[derive(Clone, Copy)]
struct Most([u64; TIGHT.len()]);

impl Most {
    fn of(self, kind: &str) -> u64 {
        let place = TIGHT.iter().position(|(name, _)| *name == kind);
        place.map_or(u64::MAX, |place| self.0[place])
    }

    fn policy(self) -> Arc<Limits> {
        let [user, tool, global, user_now, tool_now, global_now, turn, day, job] = self.0;
        let policy = format!(
            "quotas:\n\
             - {{ per: user, rate: 1/min, burst: {user}, concurrency: {user_now} }}\n\
             - {{ per: tool, rate: 1/min, burst: {tool}, concurrency: {tool_now} }}\n\
             - {{ per: global, rate: 1/min, burst: {global}, concurrency: {global_now} }}\n\
             budgets: {{ maxToolCallsPerTurn: {turn}, maxToolCallsPerDay: {day}, \
             maxToolCallsPerJob: {job} }}"
        );
        Limits::for_test(&policy, None)
    }
}

#[test]
fn every_kind_of_limit_decides_as_one_and_gets_back_what_is_its_own() {
    let server = Redis::start();
    let mut all: BTreeMap<_, usize> = BTreeMap::new();
    for (place, (kind, most)) in TIGHT.into_iter().enumerate() {
        let mut limits = [LOOSE; TIGHT.len()];
        limits[place] = most;
        let seen = run(&server, Most(limits));
        assert!(seen.get(kind).is_some_and(|count| *count > 5), "{kind} in {seen:?}");
        for (what, count) in seen {
            *all.entry(what).or_default() += count;
        }
    }
    // None of this was in vain.
    for what in ["charged", "free", "refused", "ended", "rates", "everything"] {
        assert!(all.get(what).is_some_and(|count| *count > 100), "{what} in {all:?}");
    }
}

#[test]
fn all_limits_together_decide_as_one() {
    let server = Redis::start();
    for _ in 0..3 {
        run(&server, Most(TIGHT.map(|(_, most)| 2 * most)));
    }
}

/// Everybody calls; how often what has happened.
fn run(server: &Redis, most: Most) -> BTreeMap<&'static str, usize> {
    let (redis, limits) = (redis_settings(Some(server.url())), most.policy());
    let begin = Barrier::new(3);
    let (decided, order) = std::thread::scope(|scope| {
        let replicas: Vec<_> = (0..2)
            .map(|replica| {
                let (redis, limits, begin) = (&redis, &limits, &begin);
                scope.spawn(move || run_replica(replica, redis, limits, begin))
            })
            .collect();
        // Both have made their scripts known, and wait.
        begin.wait();
        let monitor = Monitor::of(server.port());
        let watching = scope.spawn(move || monitor.order());
        begin.wait();
        let decided: HashMap<_, _> =
            replicas.into_iter().flat_map(|replica| replica.join().unwrap()).collect();
        Monitor::end(server.port());
        (decided, watching.join().unwrap())
    });
    assert_eq!(decided.len(), CLIENTS * CALLS);
    check_against_model(most, &decided, &order)
}
