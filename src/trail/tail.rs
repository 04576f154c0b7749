//! Events as they arrive.

use std::collections::{HashMap, HashSet, VecDeque};

use super::Filters;
use super::explain::Event;
use crate::store::{Line, LineRange, Store, StoreError};

/// Lines read of a chain at once.
const ROWS: u64 = 500;

/// Most calls remembered, so that their outcomes are shown too.
const MOST_CALLS: usize = 10_000;

/// Follows all chains. Within a chain events arrive in their order; which of two
/// chains is first nobody knows.
pub(super) struct Tail {
    /// The number wanted next, by chain.
    next: HashMap<String, i64>,
    filters: Filters,
    shown: HashSet<String>,
    order: VecDeque<String>,
}

impl Tail {
    /// Stands at the end of what there is now.
    pub(super) async fn at_the_end(store: &Store, filters: Filters) -> Result<Self, StoreError> {
        let ranges = store.audit_ranges(None, None).await?;
        let next = ranges.into_iter().map(|range| (range.chain_id, range.last + 1)).collect();
        Ok(Self { next, filters, shown: HashSet::new(), order: VecDeque::new() })
    }

    /// What has arrived since.
    pub(super) async fn further(&mut self, store: &Store) -> Result<Vec<Event>, StoreError> {
        let mut found = Vec::new();
        for LineRange { chain_id, first, last } in store.audit_ranges(None, None).await? {
            let mut next = self.next.get(&chain_id).copied().unwrap_or(first);
            while next <= last {
                let range = LineRange { chain_id: chain_id.clone(), first: next, last };
                let lines = store.audit_lines(&range, ROWS).await?;
                next = lines.last().map_or(last, |line| line.seq) + 1;
                found.extend(lines.into_iter().filter_map(|line| self.fitting(line)));
            }
            self.next.insert(chain_id, next);
        }
        found.sort_by(|one, other| one.text("time").cmp(&other.text("time")));
        Ok(found)
    }

    /// The event, if it is to be shown.
    pub(super) fn fitting(&mut self, line: Line) -> Option<Event> {
        let event = Event::read(line);
        let call = event.text("call_id").map(str::to_owned);
        let is_outcome = event.text("kind") == Some("outcome");
        let fits = if is_outcome && !self.filters.given.is_empty() {
            call.as_ref().is_some_and(|call| self.shown.contains(call))
        } else {
            self.filters.given.iter().all(|(name, value)| {
                let member = if *name == "tool_name" { "tool" } else { name };
                event.text(member) == Some(value)
            })
        };
        if !fits {
            return None;
        }
        if let Some(call) = call.filter(|_| !is_outcome)
            && self.shown.insert(call.clone())
        {
            self.order.push_back(call);
            if self.order.len() > MOST_CALLS
                && let Some(oldest) = self.order.pop_front()
            {
                self.shown.remove(&oldest);
            }
        }
        Some(event)
    }
}
