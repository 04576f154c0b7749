//! Random histories: memory, Redis and an independent model (plain token
//! buckets, as in C-37) must decide the same.

use std::collections::HashMap;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use super::check::{Outcome, Undo};
use super::receipt::Refund;
use super::*;

/// A time as Redis has it, in µs since 1970.
const TODAY: u64 = 1_800_000_000_000_000;

const NAMES: [&str; 3] = ["ada", "bob", "eve"];

#[derive(Clone, Debug)]
struct Step {
    /// Since the step before, in µs.
    pause: u64,
    user: usize,
    tool: Option<usize>,
}

fn rates() -> impl Strategy<Value = RateSettings> {
    (1..=5000_u32, 1..=12_u32).prop_map(|(per_minute, burst)| rate(per_minute, burst))
}

fn pauses() -> impl Strategy<Value = u64> {
    prop_oneof![4 => Just(0), 4 => 0..1_000_000_u64, 1 => 0..90_000_000_u64]
}

fn steps() -> impl Strategy<Value = Step> {
    (pauses(), 0..NAMES.len(), proptest::option::weighted(0.7, 0..NAMES.len()))
        .prop_map(|(pause, user, tool)| Step { pause, user, tool })
}

/// Two rigs with the same limits, one of each store.
struct Both {
    here: Rig,
    there: Rig,
}

impl Both {
    fn new(limits: &Arc<Limits>) -> Self {
        let settings = QuotaSettings { lease_seconds: 1_000_000, ..settings() };
        let [here, there] =
            [On::Memory, On::Redis].map(|on| on.rig_with(&settings, Arc::clone(limits)));
        Self { here, there }
    }

    async fn decide(&self, who: Who<'_>, lease: &str, now: u64) -> Twice {
        let (here, there) = (self.here.checks(who), self.there.checks(who));
        let first = self.here.memory().decide(&here, now).unwrap();
        let remote = self.there.remote();
        let second =
            remote.decide(self.there.io.0.as_deref(), &there, Some(lease), Some(now), |_| ()).await;
        [(here, first), (there, second.unwrap())]
    }
}

/// What each store was asked, and decided.
type Twice = [(Vec<Check>, Outcome); 2];

/// Full at first; each µs adds one µs' worth, each call takes an interval's.
#[derive(Default)]
struct Buckets(HashMap<(usize, Option<usize>), (u64, u64)>);

impl Buckets {
    fn admits(&mut self, step: &Step, rates: &[gcra::Gcra], now: u64) -> bool {
        let keys = [(step.user, None), (step.user, step.tool)];
        let mut all = true;
        for (key, gcra) in keys.iter().zip(rates) {
            let (level, last) = self.0.entry(*key).or_insert((gcra.tolerance, now));
            *level = gcra.tolerance.min(*level + (now - *last));
            *last = now;
            all &= *level >= gcra.cost;
        }
        if all {
            for (key, gcra) in keys.iter().zip(rates) {
                self.0.entry(*key).and_modify(|(level, _)| *level -= gcra.cost);
            }
        }
        all
    }
}

fn runner(cases: u32) -> TestRunner {
    TestRunner::new(ProptestConfig { cases, failure_persistence: None, ..Default::default() })
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

#[test]
fn memory_redis_and_token_buckets_decide_the_same() {
    let runtime = runtime();
    let histories = (rates(), rates(), vec(steps(), 1..80));
    runner(64)
        .run(&histories, |(user, user_tool, history)| {
            // Rigs each: their key prefix is new.
            let both = Both::new(&per_user(user, user_tool));
            let (mut buckets, mut now) = (Buckets::default(), TODAY);
            for (number, step) in history.iter().enumerate() {
                now += step.pause;
                let who = Who {
                    user: NAMES[step.user],
                    tool: step.tool.map(|tool| NAMES[tool]),
                    ..Who::default()
                };
                let rate = |check: &Check| match check.rule {
                    Rule::Rate(gcra) => gcra,
                    Rule::Lease { .. }
                    | Rule::Budget { .. }
                    | Rule::Once { .. }
                    | Rule::Credit { .. } => panic!("rates only"),
                };
                let rates: Vec<_> = both.here.checks(who).iter().map(rate).collect();
                let expected = buckets.admits(step, &rates, now);
                let [(_, here), (_, there)] = runtime.block_on(both.decide(who, NO_LEASE, now));
                prop_assert_eq!(&here, &there, "at step {}", number);
                prop_assert_eq!(here.admitted, expected, "at step {}", number);
                if number % 10 == 0 {
                    both.here.memory().purge(now);
                }
            }
            Ok(())
        })
        .unwrap();
}

/// One of every kind of limit.
const EVERYTHING: &str = r"
quotas:
  - { per: user, rate: 60/min, burst: 8, concurrency: 4 }
  - { per: user_tool, rate: 300/min, burst: 6, weight: { bob: 3 } }
  - { per: user_tool, tools: [eve], rate: unlimited, concurrency: 2 }
  - { per: tool, rate: 2/s, burst: 9 }
  - { per: tenant, concurrency: 5 }
  - { per: tenant_tool, tenants: [acme], rate: 30/min, burst: 7 }
  - { per: global, rate: 10/s, burst: 12, concurrency: 7 }
budgets: { maxToolCallsPerTurn: 9, maxToolCallsPerDay: 40, maxToolCallsPerJob: 3 }
";

#[derive(Clone, Debug)]
enum Act {
    /// A call; further: workspace, turn, job, request id, state that it
    /// answers.
    Call(Step, [Option<usize>; 5]),
    /// An earlier call ends, and is so refunded.
    End(usize, usize),
    /// A question is asked.
    Ask(usize, usize, usize),
}

fn acts() -> impl Strategy<Value = Act> {
    let some = || proptest::option::of(0..2_usize);
    let rarely = || proptest::option::weighted(0.3, 0..3_usize);
    prop_oneof![
        5 => (steps(), [some(), some(), some(), rarely(), rarely()])
            .prop_map(|(step, more)| Act::Call(step, more)),
        3 => (0..100_usize, 0..3_usize).prop_map(|(which, how)| Act::End(which, how)),
        1 => (0..3_usize, 0..3_usize, 0..3_usize).prop_map(|(a, b, c)| Act::Ask(a, b, c)),
    ]
}

#[test]
fn memory_and_redis_agree_about_everything() {
    let runtime = runtime();
    let limits = Limits::for_test(EVERYTHING, None);
    runner(64)
        .run(&vec(acts(), 1..120), |history| {
            let both = Both::new(&limits);
            let mut now = TODAY;
            let mut open: Vec<(String, Twice)> = Vec::new();
            for (number, act) in history.into_iter().enumerate() {
                match act {
                    Act::Call(step, [tenant, turn, job, id, state]) => {
                        now += step.pause;
                        let pick = |at: Option<usize>| at.map(|at| NAMES[at]);
                        let who = Who {
                            user: NAMES[step.user],
                            tool: pick(step.tool),
                            tenant: tenant.map(|at| ["acme", "other"][at]),
                            occasion: Occasion {
                                turn: pick(turn),
                                job: pick(job),
                                request_id: pick(id),
                                answers: state
                                    .map(|at| charge::Answered { state: Some(NAMES[at]) }),
                                ..Occasion::default()
                            },
                        };
                        let lease = format!("lease {number}");
                        let decided = runtime.block_on(both.decide(who, &lease, now));
                        prop_assert_eq!(&decided[0].1, &decided[1].1, "at {}", number);
                        if decided[0].1.admitted {
                            open.push((lease, decided));
                        }
                    }
                    Act::End(which, how) if !open.is_empty() => {
                        let (lease, decided) = open.swap_remove(which % open.len());
                        let how = [Refund::Nothing, Refund::Rates, Refund::Everything][how];
                        let [here, there] = decided
                            .each_ref()
                            .map(|(checks, outcome)| receipt::undo(checks, outcome, how));
                        both.here.memory().settle(here.into_iter(), now);
                        let link = both.there.io.0.as_deref();
                        let remote = both.there.remote();
                        runtime
                            .block_on(remote.settle(
                                link,
                                &there,
                                &lease,
                                Some(now),
                                remote.timeout,
                            ))
                            .unwrap();
                    }
                    Act::End(..) => {}
                    Act::Ask(user, tool, state) => {
                        for rig in [&both.here, &both.there] {
                            // Both at the same time of their own.
                            let place = rig.quota.inner.place(&limits, NAMES[user]);
                            let name = charge::question(
                                "main",
                                NAMES[user],
                                ("", NAMES[tool]),
                                charge::Known::State(NAMES[state]),
                            );
                            let (key, undo) = (place.key(&name), Undo::Credit { keep: 60_000_000 });
                            match &rig.quota.inner.store {
                                Store::Memory(memory) => {
                                    memory.settle([(&key, undo)].into_iter(), now);
                                }
                                Store::Redis(remote) => {
                                    let link = rig.io.0.as_deref();
                                    let asked = [(&key, undo)];
                                    let asking =
                                        remote.settle(link, &asked, "-", Some(now), remote.timeout);
                                    runtime.block_on(asking).unwrap();
                                }
                            }
                        }
                    }
                }
                if number % 10 == 0 {
                    both.here.memory().purge(now);
                }
            }
            Ok(())
        })
        .unwrap();
}
