//! Many clients at once, over two gateways and one Redis, against a model that
//! decides one after the other.

use std::sync::atomic::{AtomicU64, Ordering};

use super::*;

const CLIENTS: usize = 64;
const CALLS: usize = 40;
const TOOLS: [&str; 4] = ["add", "sub", "mul", "div"];
const USERS: [&str; 8] = ["u0", "u1", "u2", "u3", "u4", "u5", "u6", "u7"];

const POLICY: &str = r"
quotas:
  - { per: user, rate: 1/min, burst: 150 }
  - { per: user_tool, rate: 1/min, burst: 60 }
  - { per: tool, rate: 1/min, burst: 260 }
  - { per: tenant, rate: 1/min, burst: 450 }
  - { per: global, rate: 1/min, burst: 800 }
";

/// What one decision was, with what was left of each limit by its answer.
struct Decided {
    user: usize,
    tool: usize,
    admitted: bool,
    left: Vec<u64>,
}

/// 64 clients over two replicas. The clock stands still, so that a sequential
/// model is exact: a call passes if and only if every one of its limits has
/// one left. Each admitted call says what it left of its limits, which puts
/// them in an order; played in that order, the model must agree with each.
#[test]
fn sixty_four_clients_over_two_replicas_decide_as_one() {
    let redis = shared_redis();
    let limits = Limits::for_test(POLICY, None);
    let tick = AtomicU64::new(0);
    let clients: Vec<_> = std::thread::scope(|scope| {
        let replicas: Vec<_> = (0..2)
            .map(|replica| {
                let (redis, limits, tick) = (&redis, &limits, &tick);
                scope.spawn(move || run_replica(replica, redis, limits, tick))
            })
            .collect();
        replicas.into_iter().flat_map(|replica| replica.join().unwrap()).collect()
    });
    check_against_model(clients);
}

/// The half of the clients that talk to one replica, all at once.
fn run_replica(
    replica: usize,
    redis: &RedisSettings,
    limits: &Arc<Limits>,
    tick: &AtomicU64,
) -> Vec<Decided> {
    let rig = Rig::new(&settings(), redis, Arc::clone(limits));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let clients = (0..CLIENTS / 2).map(|client| {
        let rig = &rig;
        async move {
            let mut decided = Vec::new();
            for number in 0..CALLS {
                // Every client in a course of its own, the same in each run.
                let course = (client * 2 + replica) * 31 + number * 17;
                let (user, tool) = (course % USERS.len(), course / 3 % TOOLS.len());
                let who = Who {
                    tenant: Some(["acme", "other"][user % 2]),
                    ..call(USERS[user], TOOLS[tool])
                };
                let checks = rig.checks(who);
                let outcome = rig
                    .remote()
                    .decide(
                        rig.io.0.as_deref(),
                        &checks,
                        Some(NO_LEASE),
                        rig.quota.inner.given_time(),
                        |_| (),
                    )
                    .await
                    .unwrap();
                let left = checks.iter().zip(&outcome.seen).map(|(check, seen)| match check.rule {
                    Rule::Rate(gcra) => u64::from(gcra.remaining(seen.value)),
                    Rule::Lease { .. }
                    | Rule::Budget { .. }
                    | Rule::Once { .. }
                    | Rule::Credit { .. } => panic!("rates only"),
                });
                decided.push(Decided {
                    user,
                    tool,
                    admitted: outcome.admitted,
                    left: left.collect(),
                });
                tick.fetch_add(1, Ordering::Relaxed);
            }
            decided
        }
    });
    let all = runtime.block_on(futures_util::future::join_all(clients));
    all.into_iter().flatten().collect()
}

fn check_against_model(mut decided: Vec<Decided>) {
    // Everybody shares the last limit, so what it has left tells the order of
    // those admitted; a refused call stands after the admitted one it saw.
    decided.sort_by_key(|one| (std::cmp::Reverse(*one.left.last().unwrap()), !one.admitted));
    let mut left = Model::default();
    let (mut admitted, mut refused) = (0, 0);
    for one in &decided {
        let expected = left.decides(one.user, one.tool);
        assert_eq!(one.admitted, expected.0, "after {admitted} calls");
        assert_eq!(one.left, expected.1, "after {admitted} calls");
        if one.admitted {
            admitted += 1;
        } else {
            refused += 1;
        }
    }
    assert_eq!(admitted + refused, CLIENTS * CALLS);
    assert!(admitted <= 800 && refused > 500, "{admitted} admitted, {refused} refused");
}

#[derive(Default)]
struct Model(std::collections::HashMap<(&'static str, usize, usize), u64>);

impl Model {
    fn decides(&mut self, user: usize, tool: usize) -> (bool, Vec<u64>) {
        let limits = [
            (("user", user, 0), 150),
            (("user_tool", user, tool), 60),
            (("tool", tool, 0), 260),
            (("tenant", user % 2, 0), 450),
            (("global", 0, 0), 800),
        ];
        let passes = limits.iter().all(|(key, most)| *self.0.entry(*key).or_insert(*most) > 0);
        let left = limits.map(|(key, most)| {
            let left = self.0.entry(key).or_insert(most);
            *left -= u64::from(passes);
            *left
        });
        (passes, left.to_vec())
    }
}
