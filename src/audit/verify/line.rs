//! A line as verification reads it, and what its own bytes say of it.

use std::borrow::Cow;

use chrono::{DateTime, Utc};
use serde::Deserialize;

use crate::audit::chain::signed_bytes;
use crate::audit::digest::{Digest, unhex};
use crate::audit::keys::{Endorsement, PublicKey, Trusted};

/// What verification reads of a line.
#[derive(Deserialize)]
pub(super) struct Line<'a> {
    #[serde(borrow)]
    pub(super) chain_id: Cow<'a, str>,
    pub(super) seq: i64,
    #[serde(borrow)]
    pub(super) kind: Cow<'a, str>,
    #[serde(borrow, default)]
    pub(super) prev: Option<Cow<'a, str>>,
    // Of checkpoints.
    #[serde(borrow, default)]
    pub(super) key_id: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    pub(super) signature: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    pub(super) checkpoint_hash: Option<Cow<'a, str>>,
    #[serde(default)]
    pub(super) checkpoint_seq: Option<i64>,
    #[serde(default)]
    pub(super) checkpoint_events: Option<i64>,
    #[serde(default)]
    pub(super) checkpoint_seconds: Option<i64>,
    #[serde(default)]
    pub(super) ended: bool,
    #[serde(borrow, default)]
    pub(super) time: Option<Cow<'a, str>>,
    // Of a chain's first event, and of checkpoints.
    #[serde(borrow, default)]
    pub(super) public_key: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    pub(super) endorsed_by: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    pub(super) endorsement: Option<Cow<'a, str>>,
    // Of what it tells of other chains.
    #[serde(borrow, default)]
    pub(super) found_chain_id: Option<Cow<'a, str>>,
    #[serde(default)]
    pub(super) found_seq: Option<i64>,
    #[serde(borrow, default)]
    pub(super) found_hash: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    pub(super) removed_chain_id: Option<Cow<'a, str>>,
    #[serde(default)]
    pub(super) removed_seq: Option<i64>,
    #[serde(borrow, default)]
    pub(super) removed_hash: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    pub(super) removed_time: Option<Cow<'a, str>>,
    #[serde(default)]
    pub(super) retention_days: Option<u32>,
    #[serde(borrow, default)]
    pub(super) adopted_chain_id: Option<Cow<'a, str>>,
    #[serde(default)]
    pub(super) adopted_seq: Option<i64>,
    #[serde(borrow, default)]
    pub(super) adopted_hash: Option<Cow<'a, str>>,
}

impl Line<'_> {
    pub(super) fn time(&self) -> Option<DateTime<Utc>> {
        self.time.as_deref().and_then(at)
    }
}

/// A time as lines have it.
pub(super) fn at(text: &str) -> Option<DateTime<Utc>> {
    text.parse().ok()
}

/// Whether a checkpoint is signed by this key.
pub(super) fn is_signed(line: &Line<'_>, bytes: &[u8], key: PublicKey) -> bool {
    let signed = line.signature.as_deref().and_then(|text| {
        let at = memchr::memmem::rfind(bytes, text.as_bytes())?;
        Some((signed_bytes(bytes, at)?, unhex::<64>(text)?))
    });
    signed.is_some_and(|(message, signature)| key.signed(&message, &signature))
}

/// Believes the key of a chain that a believed one has endorsed.
pub(super) fn introduce(line: &Line<'_>, trusted: &mut Trusted) {
    let (Some(key), Some(by), Some(endorsement)) =
        (&line.public_key, &line.endorsed_by, &line.endorsement)
    else {
        return;
    };
    let endorsement =
        Endorsement { endorsed_by: by.to_string(), endorsement: endorsement.to_string() };
    trusted.admit(key, &endorsement);
}

/// The hash of a line if it held the right one of the line before.
pub(super) fn mended(bytes: &[u8], prev: Option<&str>, right: Digest) -> Digest {
    let prev = prev.filter(|prev| prev.len() == 64);
    match prev.and_then(|prev| memchr::memmem::find(bytes, prev.as_bytes())) {
        Some(at) => Digest::of_all([&bytes[..at], &right.to_hex()[..], &bytes[at + 64..]]),
        None => Digest::of(bytes),
    }
}
