//! The hash chain: each line holds the hash of the line before it.
//!
//! * `prev` of a line is the SHA-256 of the bytes of the line before, without
//!   its newline, in lower-case hexadecimal. The first line has [`genesis`].
//! * A checkpoint is a line of the chain that is signed: Ed25519 over
//!   [`SIGNING`] and the line's bytes without its member `signature`. So it
//!   vouches for its chain and number, its time, all lines before it (`prev`) and
//!   the checkpoint before (`checkpoint_seq`, `checkpoint_hash`).

use chrono::{DateTime, Utc};

use super::digest::Digest;
use super::ids::Ids;
use super::line::{Body, Hole, SIGNATURE_DIGITS};
use super::recover::End;
use super::signer::Signer;
use crate::clock::Clock;

/// Before what is signed, so that a signature can mean nothing else.
const SIGNING: &[u8] = b"scopegate audit checkpoint v1\n";

/// Before a chain's id, in the hash its first line holds.
const GENESIS: &[u8] = b"scopegate audit chain v1\n";

/// Longest name of a gateway, in bytes.
const MOST_INSTANCE: usize = 256;

/// Names of the kinds of events that only the chain itself has.
pub(super) mod kind {
    /// The first of a chain: who writes it.
    pub(in crate::audit) const CHAIN: &str = "chain";
    /// A chain that was found left behind, and where it ended.
    pub(in crate::audit) const FOUND: &str = "chain_found";
    /// A signed checkpoint.
    pub(in crate::audit) const CHECKPOINT: &str = "checkpoint";
    /// The beginning of a chain was removed, for its age.
    pub(in crate::audit) const RETENTION: &str = "retention";
    /// A chain of a gateway that did not chain its lines yet.
    pub(in crate::audit) const ADOPTED: &str = "adopted";
}

/// What the first line of a chain holds as the hash of the line before.
pub(super) fn genesis(chain_id: &str) -> Digest {
    Digest::of_all([GENESIS, chain_id.as_bytes()])
}

/// What the signature of a line is over: `None` when it has no place for one.
/// `signature_at` is where its digits begin.
pub(super) fn signed_bytes(line: &[u8], signature_at: usize) -> Option<Vec<u8>> {
    const NAME: &[u8] = b"\"signature\":\"";
    let before = line.get(..signature_at)?.strip_suffix(NAME)?;
    let after = line.get(signature_at.checked_add(SIGNATURE_DIGITS)?..)?.strip_prefix(b"\",")?;
    Some([SIGNING, before, after].concat())
}

/// How far a chain is.
#[derive(Clone, Debug)]
pub(super) struct Links {
    /// Hash of the last line.
    tip: Digest,
    /// Number and hash of the last checkpoint.
    checkpoint: Option<(i64, Digest)>,
    /// Lines since then.
    pub(super) since: u32,
}

impl Links {
    pub(super) fn begin(chain_id: &str) -> Self {
        Self { tip: genesis(chain_id), checkpoint: None, since: 0 }
    }

    /// Puts hashes and signatures into lines that follow, of which the first
    /// has the number `first_seq`. `None`: the library did not sign.
    pub(super) fn link(
        &mut self,
        lines: &mut [u8],
        holes: &[Hole],
        first_seq: i64,
        signer: &Signer,
    ) -> Option<()> {
        for (hole, seq) in holes.iter().zip(first_seq..) {
            if let Some(at) = hole.prev_at {
                lines[at..at + 64].copy_from_slice(&self.tip.to_hex());
            }
            if let Some(at) = hole.signature_at {
                let message = signed_bytes(&lines[hole.start..hole.end], at - hole.start)?;
                let signature = signer.sign(&message)?;
                lines[at..at + SIGNATURE_DIGITS].copy_from_slice(signature.as_bytes());
            }
            self.tip = Digest::of(&lines[hole.start..hole.end]);
            if hole.signature_at.is_some() {
                (self.checkpoint, self.since) = (Some((seq, self.tip)), 0);
            } else {
                self.since = self.since.saturating_add(1);
            }
        }
        Some(())
    }
}

/// Writes what the chain says of itself.
#[derive(Debug)]
pub(super) struct Notary {
    pub(super) signer: Signer,
    pub(super) ids: Ids,
    pub(super) clock: Clock,
    /// Lines after which a checkpoint is due, and seconds.
    pub(super) every_events: u32,
    pub(super) every_seconds: u64,
}

/// The beginning of a chain that is about to be removed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Removal<'a> {
    pub(super) chain_id: &'a str,
    /// The last line that goes: its number, hash and time.
    pub(super) seq: i64,
    pub(super) hash: Digest,
    pub(super) time: DateTime<Utc>,
    /// How many days lines are kept.
    pub(super) days: u32,
}

impl Notary {
    /// The first event of a chain.
    pub(super) fn opening(&self, chain_id: &str) -> Body {
        let now = self.clock.now();
        let mut body = Body::default();
        let mut line = body.begin();
        let endorsement = self.signer.endorsement();
        line.text("chain_id", Some(chain_id), usize::MAX);
        line.text("endorsed_by", endorsement.map(|by| &*by.endorsed_by), usize::MAX);
        line.text("endorsement", endorsement.map(|by| &*by.endorsement), usize::MAX);
        line.id("event_id", Some(self.ids.next(now)));
        line.text("gateway", host_name().as_deref(), MOST_INSTANCE);
        line.text("key_id", Some(self.signer.key_id()), usize::MAX);
        line.text("kind", Some(kind::CHAIN), usize::MAX);
        line.prev();
        line.text("public_key", Some(&self.signer.public().to_string()), usize::MAX);
        line.seq();
        line.time("time", now);
        line.text("version", Some(env!("CARGO_PKG_VERSION")), usize::MAX);
        line.end();
        body
    }

    /// A chain that was left behind, and where it ended.
    pub(super) fn found(&self, chain_id: &str, found: &str, end: &End) -> Body {
        let now = self.clock.now();
        let mut body = Body::default();
        let mut line = body.begin();
        line.text("chain_id", Some(chain_id), usize::MAX);
        line.id("event_id", Some(self.ids.next(now)));
        line.text("found_chain_id", Some(found), usize::MAX);
        line.flag("found_ended", Some(end.ended));
        line.digest("found_hash", end.hash.as_ref());
        line.number("found_seq", Some(end.seq.unsigned_abs()));
        line.text("kind", Some(kind::FOUND), usize::MAX);
        line.prev();
        line.seq();
        line.time("time", now);
        line.number("torn_bytes", end.torn.map(|(bytes, _)| bytes));
        line.digest("torn_digest", end.torn.as_ref().map(|(_, digest)| digest));
        line.end();
        body
    }

    /// A chain whose lines hold no hashes: its last number, and the SHA-256 of all
    /// its lines, each with its newline.
    pub(super) fn adopted(&self, chain_id: &str, adopted: &str, seq: i64, hash: Digest) -> Body {
        let now = self.clock.now();
        let mut body = Body::default();
        let mut line = body.begin();
        line.text("adopted_chain_id", Some(adopted), usize::MAX);
        line.digest("adopted_hash", Some(&hash));
        line.number("adopted_seq", Some(seq.unsigned_abs()));
        line.text("chain_id", Some(chain_id), usize::MAX);
        line.id("event_id", Some(self.ids.next(now)));
        line.text("kind", Some(kind::ADOPTED), usize::MAX);
        line.prev();
        line.seq();
        line.time("time", now);
        line.end();
        body
    }

    /// A checkpoint; `ended` when nothing follows it. It says when the next one is
    /// due, so that a tail that is none of ours cannot be of any length, and who
    /// vouches for its key, since the chain's first line may be removed one day.
    pub(super) fn checkpoint(&self, chain_id: &str, links: &Links, ended: bool) -> Body {
        let now = self.clock.now();
        let mut body = Body::default();
        let mut line = body.begin();
        let endorsement = self.signer.endorsement();
        line.text("chain_id", Some(chain_id), usize::MAX);
        line.number("checkpoint_events", Some(self.every_events.into()));
        line.digest("checkpoint_hash", links.checkpoint.as_ref().map(|(_, hash)| hash));
        line.number("checkpoint_seconds", Some(self.every_seconds));
        line.number("checkpoint_seq", links.checkpoint.map(|(seq, _)| seq.unsigned_abs()));
        line.flag("ended", Some(ended));
        line.text("endorsed_by", endorsement.map(|by| &*by.endorsed_by), usize::MAX);
        line.text("endorsement", endorsement.map(|by| &*by.endorsement), usize::MAX);
        line.id("event_id", Some(self.ids.next(now)));
        line.text("key_id", Some(self.signer.key_id()), usize::MAX);
        line.text("kind", Some(kind::CHECKPOINT), usize::MAX);
        line.prev();
        let public_key = endorsement.map(|_| self.signer.public().to_string());
        line.text("public_key", public_key.as_deref(), usize::MAX);
        line.seq();
        line.signature();
        line.time("time", now);
        line.end();
        body
    }

    /// Everything of a chain up to a number is about to be removed.
    pub(super) fn retention(&self, chain_id: &str, cut: &Removal<'_>) -> Body {
        let now = self.clock.now();
        let mut body = Body::default();
        let mut line = body.begin();
        line.text("chain_id", Some(chain_id), usize::MAX);
        line.id("event_id", Some(self.ids.next(now)));
        line.text("kind", Some(kind::RETENTION), usize::MAX);
        line.prev();
        line.text("removed_chain_id", Some(cut.chain_id), usize::MAX);
        line.digest("removed_hash", Some(&cut.hash));
        line.number("removed_seq", Some(cut.seq.unsigned_abs()));
        line.time("removed_time", cut.time);
        line.number("retention_days", Some(cut.days.into()));
        line.seq();
        line.time("time", now);
        line.end();
        body
    }
}

/// The name of this machine, or of this container.
fn host_name() -> Option<String> {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").ok()?;
    Some(name.trim().to_owned()).filter(|name| !name.is_empty())
}
