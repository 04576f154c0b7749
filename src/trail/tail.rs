//! Events as they arrive.

use std::collections::{HashMap, VecDeque};

use super::Filters;
use super::explain::Event;
use crate::store::{Line, LineRange, Store, StoreError};

/// Lines read of a chain at once.
const ROWS: u64 = 500;

/// Most calls remembered, so that their outcomes are shown too.
const MOST_CALLS: usize = 10_000;

/// Most of the newest events that are looked through for those that fit.
const MOST_LOOKED_AT: u64 = 50_000;

/// Members that an outcome has of its own; all others are its decision's.
const OF_OUTCOMES: [&str; 3] = ["decision", "error_code", "reason"];

/// Follows all chains. Within a chain events arrive in their order; which of two
/// chains is first nobody knows.
pub(super) struct Tail {
    /// The number wanted next, by chain.
    next: HashMap<String, i64>,
    filters: Filters,
    /// What has arrived and was not given out yet: an error may come between.
    found: Vec<Event>,
    calls: Calls,
}

/// Calls whose decisions were seen.
#[derive(Default)]
struct Calls {
    /// Whether the decision itself was shown. Otherwise, it fits as far as an
    /// outcome does not say more.
    shown: HashMap<String, bool>,
    order: VecDeque<String>,
}

impl Tail {
    /// Stands at the end of what there is now.
    pub(super) async fn at_the_end(store: &Store, filters: Filters) -> Result<Self, StoreError> {
        let ranges = store.audit_ranges(None, None).await?;
        let next = ranges.into_iter().map(|range| (range.chain_id, range.last + 1)).collect();
        Ok(Self { next, filters, found: Vec::new(), calls: Calls::default() })
    }

    /// The newest events that fit, oldest first, at most `most`. What has arrived
    /// since [`at_the_end`](Self::at_the_end) comes with [`further`](Self::further).
    pub(super) async fn newest(
        &mut self,
        store: &Store,
        most: usize,
    ) -> Result<Vec<Event>, StoreError> {
        if most == 0 {
            return Ok(Vec::new());
        }
        let mut look = (most as u64).clamp(ROWS, MOST_LOOKED_AT);
        loop {
            let lines = store.newest_audit_lines(look).await?;
            let are_all = (lines.len() as u64) < look || look >= MOST_LOOKED_AT;
            // An outcome fits by its decision, which may be further back: all
            // are judged again from there.
            self.calls = Calls::default();
            let known =
                |line: &Line| self.next.get(&line.chain_id).is_some_and(|at| line.seq < *at);
            let lines: Vec<Line> = lines.into_iter().filter(known).collect();
            let mut found: Vec<Event> =
                lines.into_iter().filter_map(|line| self.fitting(line)).collect();
            if found.len() >= most || are_all {
                found.drain(..found.len().saturating_sub(most));
                return Ok(found);
            }
            look = (look * 8).min(MOST_LOOKED_AT);
        }
    }

    /// What has arrived since.
    ///
    /// # Errors
    /// The database's failure. Asking again goes on where it failed.
    pub(super) async fn further(&mut self, store: &Store) -> Result<Vec<Event>, StoreError> {
        for LineRange { chain_id, first, last } in store.audit_ranges(None, None).await? {
            let mut next = self.next.get(&chain_id).copied().unwrap_or(first);
            while next <= last {
                let range = LineRange { chain_id: chain_id.clone(), first: next, last };
                let lines = store.audit_lines(&range, ROWS).await?;
                next = lines.last().map_or(last, |line| line.seq) + 1;
                for line in lines {
                    let event = self.fitting(line);
                    self.found.extend(event);
                }
                self.next.insert(chain_id.clone(), next);
            }
            self.next.insert(chain_id, next);
        }
        let mut found = std::mem::take(&mut self.found);
        found.sort_by(|one, other| one.text("time").cmp(&other.text("time")));
        Ok(found)
    }

    /// The event, if it is to be shown. An outcome is with its decision, and also
    /// where it fits itself: `reason=backend_timeout` is only said at the end.
    fn fitting(&mut self, line: Line) -> Option<Event> {
        let event = Event::read(line);
        let is = |(name, value): &(&str, String)| {
            let member = if *name == "tool_name" { "tool" } else { name };
            event.text(member) == Some(value)
        };
        let (of_end, of_call): (Vec<_>, Vec<_>) =
            self.filters.given.iter().partition(|(name, _)| OF_OUTCOMES.contains(name));
        let call = event.text("call_id").map(str::to_owned);
        if event.text("kind") == Some("outcome") {
            let decision = call.and_then(|call| self.calls.shown.get(&call).copied());
            let fits_itself = !of_end.is_empty() && of_end.iter().all(|filter| is(filter));
            let fits = match decision {
                Some(shown) => shown || fits_itself,
                // Its decision does not fit, or is not known any more.
                None => of_call.is_empty() && (of_end.is_empty() || fits_itself),
            };
            return fits.then_some(event);
        }
        let may_fit = of_call.iter().all(|filter| is(filter));
        let fits = may_fit && of_end.iter().all(|filter| is(filter));
        if let Some(call) = call.filter(|_| may_fit) {
            self.calls.note(call, fits);
        }
        fits.then_some(event)
    }
}

impl Calls {
    fn note(&mut self, call: String, shown: bool) {
        if self.shown.insert(call.clone(), shown).is_none() {
            self.order.push_back(call);
            if self.order.len() > MOST_CALLS
                && let Some(oldest) = self.order.pop_front()
            {
                self.shown.remove(&oldest);
            }
        }
    }
}
