//! Random histories: memory, Redis and an independent model (plain token
//! buckets, as in C-37) must decide the same.

use std::collections::HashMap;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

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

fn history() -> impl Strategy<Value = Vec<Step>> {
    let pause = prop_oneof![4 => Just(0), 4 => 0..1_000_000_u64, 1 => 0..90_000_000_u64];
    let step = (pause, 0..NAMES.len(), proptest::option::weighted(0.7, 0..NAMES.len()));
    vec(step.prop_map(|(pause, user, tool)| Step { pause, user, tool }), 1..80)
}

/// Full at first; each µs adds one µs' worth, each call takes an interval's.
#[derive(Default)]
struct Buckets(HashMap<(usize, Option<usize>), (u64, u64)>);

impl Buckets {
    fn admits(&mut self, step: &Step, limits: &[Gcra], now: u64) -> bool {
        let keys = [(step.user, None), (step.user, step.tool)];
        let mut all = true;
        for (key, gcra) in keys.iter().zip(limits) {
            let (level, last) = self.0.entry(*key).or_insert((gcra.tolerance(), now));
            *level = gcra.tolerance().min(*level + (now - *last));
            *last = now;
            all &= *level >= gcra.interval();
        }
        if all {
            for (key, gcra) in keys.iter().zip(limits) {
                self.0.entry(*key).and_modify(|(level, _)| *level -= gcra.interval());
            }
        }
        all
    }
}

#[test]
fn memory_redis_and_token_buckets_decide_the_same() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let config = ProptestConfig { cases: 96, failure_persistence: None, ..Default::default() };
    TestRunner::new(config)
        .run(&(rates(), rates(), history()), |(user, user_tool, history)| {
            // A rig each: its key prefix is new.
            let rig = Rig::redis(user, user_tool);
            let limits = rig.quota.limits.map(|limit| limit.gcra);
            let (memory, mut buckets, mut now) = (Memory::new(), Buckets::default(), TODAY);
            for (number, step) in history.iter().enumerate() {
                now += step.pause;
                let tool = step.tool.map(|tool| NAMES[tool]);
                let charge = Charge { user: NAMES[step.user], tool };
                let limits = &limits[..=usize::from(tool.is_some())];
                let expected = buckets.admits(step, limits, now);
                let here = memory.decide(&charge, limits, now).unwrap();
                let deciding = rig.remote().decide(rig.io.0.as_ref(), &charge, limits, Some(now));
                let there = runtime.block_on(deciding).unwrap();
                prop_assert_eq!(here, there, "at step {}", number);
                prop_assert_eq!(here.admitted, expected, "at step {}", number);
                if number % 10 == 0 {
                    memory.purge(now);
                }
            }
            Ok(())
        })
        .unwrap();
}
