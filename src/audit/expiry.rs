//! What of a chain may be removed for its age: only lines that verify, by what
//! they say themselves. The database is asked where they lie, and believed in
//! nothing else.

use aws_lc_rs::digest::{Context, SHA256};
use chrono::{DateTime, Utc};
use serde::Deserialize;

use super::digest::Digest;
use super::keys::{KeyRing, Trusted};
use super::verify::{Thread, Word};
use crate::store::{Cut, Store, StoreError, StoredLine};

/// The last line of a chain that may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Border {
    pub(super) seq: i64,
    pub(super) hash: Digest,
    pub(super) time: DateTime<Utc>,
}

/// Why nothing of a chain is removed.
#[derive(Debug, thiserror::Error)]
pub(super) enum Kept {
    /// The database does not say.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It does not verify.
    #[error("{seq} does not verify: {why}")]
    Damaged {
        /// The line.
        seq: i64,
        /// What is wrong with it.
        why: &'static str,
    },
}

/// Reads chains in the database and believes these keys.
#[derive(Debug)]
pub(super) struct Examiner<'a> {
    store: &'a Store,
    trusted: Trusted,
}

impl<'a> Examiner<'a> {
    pub(super) fn new(store: &'a Store, ring: &KeyRing) -> Self {
        Self { store, trusted: Trusted::of(ring) }
    }

    /// Up to where a chain is older than `cutoff` and verifies; `None`: nowhere.
    pub(super) async fn border(
        &mut self,
        chain_id: &str,
        cutoff: DateTime<Utc>,
    ) -> Result<Option<Border>, Kept> {
        let first = self.store.stored_lines(chain_id, i64::MIN).await?;
        let Some(first) = first.first() else { return Ok(None) };
        if first.seq == 1 && is_bare(&first.line) {
            return self.border_of_bare(chain_id, cutoff).await;
        }
        // The beginning may be gone, or half gone, if something signed says so.
        let mut anchor = None;
        if first.seq != 1 {
            let unexplained = || Kept::Damaged {
                seq: first.seq,
                why: "nothing signed says why the chain begins here",
            };
            let cut = self.store.audit_cut(chain_id).await?.ok_or_else(unexplained)?;
            let known = self.announced(&cut).await?.filter(|border| border.seq >= first.seq - 1);
            anchor = Some(known.ok_or_else(unexplained)?);
        }
        let store = self.store;
        let mut thread = match anchor {
            None => Thread::begin(chain_id, &mut self.trusted),
            Some(anchor) => {
                let tip = (anchor.seq == first.seq - 1).then_some(anchor.hash);
                Thread::at(chain_id, first.seq, tip, &mut self.trusted)
            }
        };
        let (mut border, mut is_open) = (None, true);
        let (mut signed, mut last) = (None, 0);
        let mut lines = Lines::of(store, chain_id, first.seq);
        while let Some(line) = lines.next().await? {
            let damaged = |why| Kept::Damaged { seq: line.seq, why };
            let followed = thread.follow(line.line.as_bytes()).map_err(damaged)?;
            let here = Border { seq: line.seq, hash: followed.hash, time: followed.time };
            if anchor.is_some_and(|anchor| anchor.seq == here.seq && anchor.hash != here.hash) {
                return Err(damaged("it is not the line that was announced"));
            }
            // Numbers count, times do not: a clock may have gone back.
            is_open &= followed.time < cutoff;
            last = line.seq;
            if is_open {
                border = Some(here);
            } else if border.is_none() {
                return Ok(None);
            }
            if followed.is_signed {
                if !is_open {
                    return Ok(border);
                }
                signed = Some(here);
            }
        }
        let Some(border) = border else { return Ok(None) };
        // Behind the last signature, another chain must vouch for the end.
        let whole = border.seq == last;
        if whole && signed != Some(border) && self.ended_with(chain_id, border).await? {
            return Ok(Some(border));
        }
        Ok(signed)
    }

    /// What a signed event says that was announced of a cut, if there is one.
    pub(super) async fn announced(&mut self, cut: &Cut) -> Result<Option<Border>, Kept> {
        let Some((by, by_seq)) = &cut.by else { return Ok(None) };
        let word = self.word(by, *by_seq).await?;
        let Some(Word::Removed { chain_id, seq, hash, time, .. }) = word else { return Ok(None) };
        let is_it = chain_id == cut.chain_id && seq == cut.seq && hash.to_string() == cut.hash;
        Ok(is_it.then_some(Border { seq, hash, time }))
    }

    /// Whether a signed event says that a chain ended with this line.
    async fn ended_with(&mut self, chain_id: &str, last: Border) -> Result<bool, Kept> {
        let end = Word::Found { chain_id: chain_id.to_owned(), seq: last.seq, hash: last.hash };
        let name = "found_chain_id";
        let places = self.store.audit_words("chain_found", name, chain_id, Some(last.time)).await?;
        self.is_said(&places, &end).await
    }

    /// A chain without hashes goes as a whole or not at all.
    async fn border_of_bare(
        &mut self,
        chain_id: &str,
        cutoff: DateTime<Utc>,
    ) -> Result<Option<Border>, Kept> {
        let mut sum = Context::new(&SHA256);
        let mut last = None;
        let mut lines = Lines::of(self.store, chain_id, i64::MIN);
        while let Some(line) = lines.next().await? {
            let damaged = Kept::Damaged { seq: line.seq, why: "it holds no time" };
            let time = time_of(&line.line).ok_or(damaged)?;
            if time >= cutoff {
                return Ok(None);
            }
            sum.update(line.line.as_bytes());
            sum.update(b"\n");
            last = Some((line.seq, Digest::of(line.line.as_bytes()), time));
        }
        let Some((seq, hash, time)) = last else { return Ok(None) };
        let all = Word::Adopted { chain_id: chain_id.to_owned(), seq, hash: sum.into() };
        let places = self.store.audit_words("adopted", "adopted_chain_id", chain_id, None).await?;
        if self.is_said(&places, &all).await? {
            Ok(Some(Border { seq, hash, time }))
        } else {
            Err(Kept::Damaged { seq: 1, why: "no signed event has adopted its chain as it is" })
        }
    }

    async fn is_said(&mut self, places: &[(String, i64)], word: &Word) -> Result<bool, Kept> {
        for (by, by_seq) in places {
            if self.word(by, *by_seq).await?.as_ref() == Some(word) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// What a line says, if a signature further on vouches for it.
    async fn word(&mut self, chain_id: &str, seq: i64) -> Result<Option<Word>, Kept> {
        let store = self.store;
        let mut thread = Thread::at(chain_id, seq, None, &mut self.trusted);
        let mut lines = Lines::of(store, chain_id, seq);
        let mut word = None;
        while let Some(line) = lines.next().await? {
            let Ok(followed) = thread.follow(line.line.as_bytes()) else { return Ok(None) };
            if line.seq == seq {
                word = Word::of(line.line.as_bytes());
            }
            if followed.is_signed || word.is_none() {
                return Ok(word);
            }
        }
        Ok(None)
    }
}

/// The lines of a chain, a page at a time.
struct Lines<'a> {
    store: &'a Store,
    chain_id: String,
    from: i64,
    page: std::vec::IntoIter<StoredLine>,
}

impl<'a> Lines<'a> {
    fn of(store: &'a Store, chain_id: &str, from: i64) -> Self {
        Self { store, chain_id: chain_id.to_owned(), from, page: Vec::new().into_iter() }
    }

    async fn next(&mut self) -> Result<Option<StoredLine>, StoreError> {
        if let Some(line) = self.page.next() {
            return Ok(Some(line));
        }
        let page = self.store.stored_lines(&self.chain_id, self.from).await?;
        let Some(last) = page.last() else { return Ok(None) };
        self.from = last.seq.saturating_add(1);
        self.page = page.into_iter();
        Ok(self.page.next())
    }
}

/// What all lines of a chain without hashes amount to, and the last number.
pub(super) async fn sum_of(
    store: &Store,
    chain_id: &str,
) -> Result<Option<(i64, Digest)>, StoreError> {
    let mut sum = Context::new(&SHA256);
    let mut last = None;
    let mut lines = Lines::of(store, chain_id, i64::MIN);
    while let Some(line) = lines.next().await? {
        sum.update(line.line.as_bytes());
        sum.update(b"\n");
        last = Some(line.seq);
    }
    Ok(last.map(|seq| (seq, sum.into())))
}

/// Whether a line is of a gateway that did not chain its lines.
pub(super) fn is_bare(line: &str) -> bool {
    #[derive(Deserialize)]
    struct Linked {
        prev: Option<serde::de::IgnoredAny>,
    }
    serde_json::from_str::<Linked>(line).is_ok_and(|line| line.prev.is_none())
}

fn time_of(line: &str) -> Option<DateTime<Utc>> {
    #[derive(Deserialize)]
    struct Timed {
        time: DateTime<Utc>,
    }
    serde_json::from_str::<Timed>(line).ok().map(|line| line.time)
}
