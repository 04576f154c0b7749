//! The clients: what they call, and what comes of it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Barrier;

use super::check::{Free, Key, Outcome, Undo};
use super::receipt::{Refund, undo};
use super::*;

const NOW: u64 = 1_800_000_000_000_000;

pub(super) const TOOLS: [&str; 3] = ["add", "sub", "mul"];
pub(super) const USERS: [&str; 8] = ["u0", "u1", "u2", "u3", "u4", "u5", "u6", "u7"];
const TURNS: [&str; 4] = ["t0", "t1", "t2", "t3"];
const JOBS: [&str; 2] = ["j0", "j1"];
const IDS: [&str; 12] = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11"];

/// How often a request that was charged is free when it comes again.
pub(super) const FREE_RETRIES: u64 = 2;

/// A call, by places in the lists above.
#[derive(Clone, Copy, Debug)]
pub(super) struct Made {
    pub(super) user: usize,
    pub(super) tool: usize,
    pub(super) turn: usize,
    pub(super) job: Option<usize>,
    pub(super) id: Option<usize>,
    pub(super) refund: Refund,
}

/// What came of it.
pub(super) struct Decided {
    pub(super) made: Made,
    pub(super) outcome: Outcome,
    pub(super) free: Free,
    /// What each check reads, by what it counts.
    pub(super) read: BTreeMap<Counter, u64>,
}

/// A counter, by its kind and whose it is.
pub(super) type Counter = (&'static str, String);

impl Made {
    /// Every client in a course of its own, the same in each run.
    pub(super) fn of(client: usize, number: usize) -> Self {
        let course = client * 131 + number * 17;
        Self {
            user: course % USERS.len(),
            tool: course / 3 % TOOLS.len(),
            turn: course / 5 % TURNS.len(),
            job: course.is_multiple_of(3).then_some(course / 7 % JOBS.len()),
            id: course.is_multiple_of(2).then_some(course / 11 % IDS.len()),
            refund: [Refund::Nothing, Refund::Rates, Refund::Everything][course / 13 % 3],
        }
    }

    pub(super) fn who(self) -> Who<'static> {
        let occasion = Occasion {
            turn: Some(TURNS[self.turn]),
            job: self.job.map(|job| JOBS[job]),
            request_id: self.id.map(|id| IDS[id]),
            ..Occasion::default()
        };
        Who { occasion, ..call(USERS[self.user], TOOLS[self.tool]) }
    }

    /// What a check of this call counts.
    pub(super) fn counter(self, check: &Check) -> Counter {
        let (user, tool) = (USERS[self.user], TOOLS[self.tool]);
        match (&check.of, check.rule) {
            (Of::Limit(limit), rule) => {
                let whose = match limit.per.name() {
                    "user" => user,
                    "tool" => tool,
                    _ => "",
                };
                let leased = matches!(rule, Rule::Lease { .. });
                let kind = match limit.per.name() {
                    "user" if leased => "user in progress",
                    "tool" if leased => "tool in progress",
                    _ if leased => "global in progress",
                    name => name,
                };
                (kind, whose.to_owned())
            }
            (Of::Turn, _) => ("turn", format!("{user} {}", self.turn)),
            (Of::Day, _) => ("day", user.to_owned()),
            (Of::Job, _) => ("job", format!("{user} {:?}", self.job)),
            (Of::Call, _) => ("call", self.call()),
        }
    }

    pub(super) fn call(self) -> String {
        format!("{} {} {:?}", self.user, self.tool, self.id)
    }
}

/// What checks read, in calls.
fn read(made: Made, checks: &[Check], outcome: &Outcome) -> BTreeMap<Counter, u64> {
    let each = checks.iter().zip(&outcome.seen).map(|(check, seen)| {
        let value = match check.rule {
            Rule::Rate(gcra) => {
                u64::from(gcra.remaining(0)) - u64::from(gcra.remaining(seen.value))
            }
            Rule::Lease { .. } | Rule::Budget { .. } | Rule::Once { .. } | Rule::Credit { .. } => {
                seen.value
            }
        };
        (made.counter(check), value)
    });
    each.collect()
}

/// The half of the clients that talk to one replica, all at once: what was
/// decided, by the name of the call's lease.
pub(super) fn run_replica(
    replica: usize,
    redis: &RedisSettings,
    limits: &Arc<Limits>,
    begin: &Barrier,
) -> Vec<(String, Decided)> {
    let settings =
        QuotaSettings { free_retries: u32::try_from(FREE_RETRIES).unwrap(), ..settings() };
    let rig = Rig::new(&settings, redis, Arc::clone(limits));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let checks = rig.checks(call("warm", "warm"));
        let outcome = decide(&rig, &checks, "warm").await;
        settle(&rig, &undo(&checks, &outcome, Refund::Everything), "warm").await;
        // By the thread: nothing else is to run on it.
        begin.wait();
        begin.wait();
        let clients = (0..CLIENTS / 2).map(|client| run_client(&rig, client * 2 + replica));
        futures_util::future::join_all(clients).await.into_iter().flatten().collect()
    })
}

/// One client, with up to three calls in progress.
pub(super) async fn run_client(rig: &Rig, client: usize) -> Vec<(String, Decided)> {
    let mut all = Vec::new();
    let mut open = VecDeque::new();
    for number in 0..CALLS {
        let made = Made::of(client, number);
        let lease = format!("call-{client}-{number}");
        let checks = rig.checks(made.who());
        let outcome = decide(rig, &checks, &lease).await;
        let (free, read) = (outcome.free(&checks), read(made, &checks, &outcome));
        if outcome.admitted {
            open.push_back((lease.clone(), checks, outcome.clone(), made.refund));
        }
        all.push((lease, Decided { made, outcome, free, read }));
        while open.len() > client % 3 {
            end(rig, open.pop_front().unwrap()).await;
        }
    }
    for one in open {
        end(rig, one).await;
    }
    all
}

async fn end(rig: &Rig, (lease, checks, outcome, refund): (String, Vec<Check>, Outcome, Refund)) {
    settle(rig, &undo(&checks, &outcome, refund), &lease).await;
}

async fn decide(rig: &Rig, checks: &[Check], lease: &str) -> Outcome {
    let link = rig.io.0.as_deref();
    rig.remote().decide(link, checks, Some(lease), Some(NOW), |_| ()).await.unwrap()
}

async fn settle(rig: &Rig, undo: &[(&Key, Undo)], lease: &str) {
    let (link, remote) = (rig.io.0.as_deref(), rig.remote());
    remote.settle(link, undo, lease, Some(NOW), remote.timeout).await.unwrap();
}
