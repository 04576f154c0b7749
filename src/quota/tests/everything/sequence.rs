//! The model: plain counts, one thing after the other.

use std::collections::{BTreeMap, HashMap};

use super::Most;
use super::check::Free;
use super::clients::{Counter, Decided, FREE_RETRIES, Made, TOOLS, USERS};
use super::receipt::Refund;

/// Plain counts: nothing ends by itself while the clock stands still.
struct Model {
    most: Most,
    counts: BTreeMap<Counter, u64>,
}

impl Model {
    fn count(&mut self, counter: &Counter) -> &mut u64 {
        self.counts.entry(counter.clone()).or_default()
    }

    /// The counters of a call: rates, calls in progress, budgets.
    fn counters(made: Made) -> [Vec<Counter>; 3] {
        let (user, tool) = (USERS[made.user].to_owned(), TOOLS[made.tool].to_owned());
        let mut budgets = vec![("turn", format!("{user} {}", made.turn)), ("day", user.clone())];
        if made.job.is_some() {
            budgets.push(("job", format!("{user} {:?}", made.job)));
        }
        [
            vec![("user", user.clone()), ("tool", tool.clone()), ("global", String::new())],
            vec![
                ("user in progress", user),
                ("tool in progress", tool),
                ("global in progress", String::new()),
            ],
            budgets,
        ]
    }

    /// Whether the call passes, whether free of rates, and what is read then.
    fn decides(&mut self, made: Made) -> (bool, bool, BTreeMap<Counter, u64>) {
        let [rates, leases, budgets] = Self::counters(made);
        let known = made.id.map(|_| ("call", made.call()));
        let charged = known.as_ref().map(|known| *self.count(known)).unwrap_or_default();
        let free = (1..=FREE_RETRIES).contains(&charged);
        let most = self.most;
        let mut has_room = |counters: &[Counter]| {
            counters.iter().all(|counter| *self.count(counter) < most.of(counter.0))
        };
        let passes = has_room(&leases) && has_room(&budgets) && (free || has_room(&rates));
        if passes {
            let charged_now = leases.iter().chain(&budgets).chain(rates.iter().filter(|_| !free));
            for counter in charged_now {
                *self.count(counter) += 1;
            }
            if let Some(known) = &known {
                *self.count(known) = if free { charged + 1 } else { 1 };
            }
        }
        let all = rates.iter().chain(&leases).chain(&budgets).chain(&known);
        let read = all.map(|counter| (counter.clone(), *self.count(counter))).collect();
        (passes, free, read)
    }

    /// An admitted call is over. `free`: it had cost no rates.
    fn ends(&mut self, made: Made, free: bool) {
        let [rates, leases, budgets] = Self::counters(made);
        for lease in &leases {
            *self.count(lease) -= 1;
        }
        if made.refund == Refund::Everything {
            for budget in &budgets {
                *self.count(budget) -= 1;
            }
        }
        if made.refund == Refund::Nothing || free {
            return;
        }
        if made.id.is_some() {
            let known = ("call", made.call());
            // A retry has used the charge, or one that followed has been taken
            // back: it is not this call's any more.
            if *self.count(&known) != 1 {
                return;
            }
            *self.count(&known) = 0;
        }
        for rate in &rates {
            *self.count(rate) -= 1;
        }
    }
}

/// Plays everything in that order; how often what has happened.
pub(super) fn check_against_model(
    most: Most,
    decided: &HashMap<String, Decided>,
    order: &[String],
) -> BTreeMap<&'static str, usize> {
    let mut model = Model { most, counts: BTreeMap::new() };
    let mut begun: HashMap<&str, bool> = HashMap::new();
    let mut seen: BTreeMap<&'static str, usize> = BTreeMap::new();
    let mut note = |what| *seen.entry(what).or_default() += 1;
    for (number, lease) in order.iter().enumerate() {
        let one = &decided[lease];
        if let Some(free) = begun.get(lease.as_str()) {
            model.ends(one.made, *free);
            note(match one.made.refund {
                Refund::Nothing => "ended",
                Refund::Rates => "rates",
                Refund::Everything => "everything",
            });
            continue;
        }
        let (passes, free, read) = model.decides(one.made);
        let told = (one.outcome.admitted, one.free == Free::Retry, &one.read);
        assert_eq!(told, (passes, free, &read), "{:?} as number {number}", one.made);
        begun.insert(lease, free);
        note(match (passes, free) {
            (true, true) => "free",
            (true, false) => "charged",
            (false, _) => "refused",
        });
        for ((kind, _), _) in read.iter().filter(|((kind, _), count)| **count >= most.of(kind)) {
            note(kind);
        }
    }
    assert_eq!(begun.len(), decided.len());
    let in_progress = model.counts.iter().filter(|((kind, _), _)| kind.ends_with("in progress"));
    assert!(in_progress.map(|(_, count)| count).all(|count| *count == 0));
    seen
}
