//! What all lines together say: whether chains begin and end where they should, and
//! whether signatures vouch for them.

use super::chain::Chain;
use super::report::{Damage, Finding};
use super::{Adopted, Extent, Kept, Verifier};
use crate::audit::digest::Digest;

impl Verifier {
    pub(super) fn judge_beginnings(&mut self) {
        for (chain_id, chain) in &self.chains {
            let first = chain.first_seq();
            if first <= 1 || self.extent != Extent::Whole {
                continue;
            }
            let removed = self.removed.get(chain_id).into_iter().flatten();
            let cut = removed.filter(|cut| cut.is_due && self.is_signed(&cut.by)).find(|cut| {
                let hash = if cut.seq == first - 1 {
                    chain.first_prev()
                } else {
                    // While it is being removed, there is more.
                    chain.hash_of(cut.seq)
                };
                hash == Some(cut.hash)
            });
            if let Some(cut) = cut {
                self.report.anchored.push((chain_id.clone(), first, cut.by.clone()));
            } else {
                let gone = first - 1;
                let detail =
                    format!("1 to {gone} are not there, and no signed retention event says why");
                self.report.add(Finding::new(chain_id, 1, Damage::Missing, detail));
            }
        }
    }

    pub(super) fn judge_ends(&mut self) {
        // A chain that nobody has written says nothing (older gateways said so of
        // emptied folders).
        let found = std::mem::take(&mut self.found);
        for found in &found {
            if found.seq == 0 || !self.is_signed(&found.by) {
                continue;
            }
            let (by, by_seq) = &found.by;
            let told = format!("chain {by}, {by_seq}, found it ending with {}", found.seq);
            let Some(chain) = self.chains.get(&found.chain_id) else {
                let gone = self.is_removed(&found.chain_id, found.seq, found.hash);
                if !gone && self.extent == Extent::Whole {
                    let detail = format!("the whole chain is not there; {told}");
                    self.report.add(Finding::new(&found.chain_id, 1, Damage::Missing, detail));
                }
                continue;
            };
            let last = chain.last_seq();
            let (seq, damage) = if last < found.seq {
                (last + 1, Damage::Truncated)
            } else if last > found.seq {
                (found.seq + 1, Damage::Added)
            } else if chain.sum().is_none()
                && found.hash.is_some_and(|hash| chain.tip() != Some(hash))
            {
                (last, Damage::Changed)
            } else {
                continue;
            };
            self.report.add(Finding::new(&found.chain_id, seq, damage, told));
        }
        self.found = found;
        for (chain_id, cursor) in &self.cursors {
            let last = self.chains.get(chain_id).map_or(0, Chain::last_seq);
            let (before, after) = (cursor.before - 1, cursor.after - 1);
            if last < before && !(last == 0 && self.is_removed(chain_id, before, None)) {
                let detail = format!("the database has had up to {before}");
                self.report.add(Finding::new(chain_id, last + 1, Damage::Truncated, detail));
            } else if last > after {
                let detail = format!("the gateway has shipped up to {after} only");
                self.report.add(Finding::new(chain_id, after + 1, Damage::Added, detail));
            }
        }
    }

    /// Whatever no signature vouches for, though it should by now, may have been
    /// written by anybody.
    pub(super) fn judge_signatures(&mut self) {
        for (chain_id, chain) in &self.chains {
            let (first, signed) = (chain.first_seq(), chain.signed_seq());
            let anchored =
                || self.report.anchored.iter().any(|(anchored, ..)| anchored == chain_id);
            let damage = if chain.sum().is_some() {
                let told = "its lines hold no hashes, and no signed event has adopted it as it is";
                (!self.is_adopted(chain_id)).then(|| (first, told.to_owned()))
            } else if chain.has_unknown_key() {
                None
            } else if signed == 0
                && !anchored()
                && !chain.is_fresh()
                && (first <= 1 || self.extent != Extent::Journal)
            {
                Some((first, "nothing of this chain is signed".to_owned()))
            } else if self.is_vouched_to_the_end(chain_id, chain) {
                None
            } else {
                chain.overdue().map(|detail| (signed.max(first - 1) + 1, detail))
            };
            if let Some((seq, detail)) = damage {
                self.report.add(Finding::new(chain_id, seq, Damage::Unsigned, detail));
            }
        }
    }

    pub(super) fn judge_kept(&mut self) {
        for kept in std::mem::take(&mut self.kept) {
            let Kept { chain_id, last_seq, last_hash } = &kept;
            let expected = last_hash.as_deref().and_then(Digest::from_hex);
            let last = self.chains.get(chain_id).map_or(0, Chain::last_seq);
            let hash = self.chains.get(chain_id).and_then(|chain| chain.hash_of(*last_seq));
            let first = self.chains.get(chain_id).map_or(1, Chain::first_seq);
            let told = "an earlier report has had";
            let (seq, damage, detail) = if self.is_removed(chain_id, *last_seq, expected)
                && (last == 0 || first > *last_seq)
            {
                continue;
            } else if last == 0 && *last_seq > 0 {
                (1, Damage::Missing, format!("{told} this chain, up to {last_seq}"))
            } else if last < *last_seq {
                (last + 1, Damage::Truncated, format!("{told} it up to {last_seq}"))
            } else if expected.is_some() && hash != expected {
                (*last_seq, Damage::Changed, format!("{told} another line here"))
            } else {
                continue;
            };
            self.report.add(Finding::new(chain_id, seq, damage, detail));
        }
    }

    /// Whether a signed event says that a chain was removed up to here, or further.
    fn is_removed(&self, chain_id: &str, seq: i64, hash: Option<Digest>) -> bool {
        let removed = self.removed.get(chain_id).into_iter().flatten();
        let mut removed = removed.filter(|cut| cut.is_due && self.is_signed(&cut.by));
        removed
            .any(|cut| cut.seq > seq || cut.seq == seq && hash.is_none_or(|hash| hash == cut.hash))
    }

    /// Whether a signed event says where a chain ended.
    pub(super) fn is_followed(&self, chain_id: &str, chain: &Chain) -> bool {
        self.found.iter().any(|found| {
            let is_of_it = found.chain_id == *chain_id && found.seq == chain.last_seq();
            is_of_it && self.is_signed(&found.by)
        })
    }

    /// The same, and that it ended with the line that is its last one here.
    fn is_vouched_to_the_end(&self, chain_id: &str, chain: &Chain) -> bool {
        self.found.iter().any(|found| {
            let is_of_it = found.chain_id == *chain_id && found.seq == chain.last_seq();
            is_of_it
                && found.hash.is_some()
                && found.hash == chain.tip()
                && self.is_signed(&found.by)
        })
    }

    /// Whether a signed event vouches for all of a chain without hashes.
    pub(super) fn is_adopted(&self, chain_id: &str) -> bool {
        let Some(chain) = self.chains.get(chain_id) else { return false };
        let adopted = self.adopted.get(chain_id).into_iter().flatten();
        let is_it = |it: &Adopted| it.seq == chain.last_seq() && Some(it.hash) == chain.sum();
        adopted.filter(|it| self.is_signed(&it.by)).any(is_it)
    }

    fn is_signed(&self, (chain_id, seq): &(String, i64)) -> bool {
        self.chains.get(chain_id).is_some_and(|chain| chain.signed_seq() >= *seq)
    }
}
