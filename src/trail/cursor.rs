//! Where the next page begins, as one opaque text for the client.
//!
//! It says after which row to go on, for which filters, what their times meant on
//! the first page (`2h` is another time a moment later), and how many rows there
//! were then; a MAC over all of it (HMAC-SHA256, cut to 16 bytes) shows that
//! a gateway wrote it. Replicas that share their keys read each other's.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};

use super::Filters;
use crate::secret::Secret;
use crate::store::{AuditQuery, CallPlace};

/// Keeps this key apart from any others made of the same secret.
const USE: &[u8] = b"scopegate audit cursor v1";

/// Longest text, in characters.
const MOST: usize = 512;

const MAC: usize = 16;
/// Bytes before the chain's id: filters, time, number, total, start, end.
const HEAD: usize = 8 * 6;

/// Stands for a time that is not given. No clock shows it.
const NO_TIME: i64 = i64::MIN;

/// Stands for a total that nobody knows.
const NO_TOTAL: u64 = u64::MAX;

/// Makes and reads cursors.
pub(crate) struct Cursors(hmac::Key);

/// The next page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cursor {
    pub(crate) place: CallPlace,
    /// How many rows fitted when the first page was read, if that was counted.
    pub(crate) total: Option<u64>,
    /// What the filters' times meant then.
    pub(crate) start_time: Option<DateTime<Utc>>,
    pub(crate) end_time: Option<DateTime<Utc>>,
}

impl Cursor {
    /// A place in a selection.
    pub(crate) fn at(place: CallPlace, total: Option<u64>, query: &AuditQuery) -> Self {
        Self { place, total, start_time: query.start_time, end_time: query.end_time }
    }

    /// The selection as it was on the first page.
    pub(crate) fn restore(&self, query: &mut AuditQuery) {
        (query.start_time, query.end_time) = (self.start_time, self.end_time);
    }
}

impl Cursors {
    /// With a key made of this secret.
    pub(crate) fn new(secret: &Secret) -> Self {
        let root = hmac::Key::new(hmac::HMAC_SHA256, secret.expose().as_bytes());
        Self(hmac::Key::new(hmac::HMAC_SHA256, hmac::sign(&root, USE).as_ref()))
    }

    /// The text for the client.
    pub(crate) fn write(&self, cursor: &Cursor, filters: &Filters) -> String {
        let CallPlace { timestamp, seq, chain_id } = &cursor.place;
        let mut bytes = Vec::with_capacity(HEAD + chain_id.len() + MAC);
        bytes.extend_from_slice(&fingerprint(filters));
        bytes.extend_from_slice(&timestamp.timestamp_micros().to_be_bytes());
        bytes.extend_from_slice(&seq.to_be_bytes());
        bytes.extend_from_slice(&cursor.total.unwrap_or(NO_TOTAL).to_be_bytes());
        for time in [cursor.start_time, cursor.end_time] {
            let micros = time.map_or(NO_TIME, |time| time.timestamp_micros());
            bytes.extend_from_slice(&micros.to_be_bytes());
        }
        bytes.extend_from_slice(chain_id.as_bytes());
        let mac = hmac::sign(&self.0, &bytes);
        bytes.extend_from_slice(mac.as_ref().get(..MAC).unwrap_or_default());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Reads what a client sent.
    ///
    /// # Errors
    /// A sentence for the client.
    pub(crate) fn read(&self, text: &str, filters: &Filters) -> Result<Cursor, &'static str> {
        const FOREIGN: &str =
            "`cursor` is none of this gateway's; take `next_cursor` of the page before as it is";
        const OTHER: &str = "`cursor` belongs to other filters; repeat those of the first page";
        if text.len() > MOST {
            return Err(FOREIGN);
        }
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| FOREIGN)?;
        let (said, mac) = bytes.split_last_chunk::<MAC>().ok_or(FOREIGN)?;
        let expected = hmac::sign(&self.0, said);
        let expected = expected.as_ref().get(..MAC).ok_or(FOREIGN)?;
        aws_lc_rs::constant_time::verify_slices_are_equal(expected, mac).map_err(|_| FOREIGN)?;
        let (head, chain_id) = said.split_at_checked(HEAD).ok_or(FOREIGN)?;
        let mut words = head.chunks_exact(8).map(|word| {
            let mut bytes = [0; 8];
            bytes.copy_from_slice(word);
            u64::from_be_bytes(bytes)
        });
        let mut word = || words.next().ok_or(FOREIGN);
        if word()?.to_be_bytes() != fingerprint(filters) {
            return Err(OTHER);
        }
        let time = |micros: u64| {
            DateTime::<Utc>::from_timestamp_micros(micros.cast_signed()).ok_or(FOREIGN)
        };
        let place = CallPlace {
            timestamp: time(word()?)?,
            seq: word()?.cast_signed(),
            chain_id: String::from_utf8(chain_id.to_vec()).map_err(|_| FOREIGN)?,
        };
        let total = Some(word()?).filter(|total| *total != NO_TOTAL);
        let mut bound = || match word()? {
            none if none.cast_signed() == NO_TIME => Ok(None),
            micros => time(micros).map(Some),
        };
        Ok(Cursor { place, total, start_time: bound()?, end_time: bound()? })
    }
}

/// What tells filters apart, as they were given, in whatever order; not how many
/// rows a page has.
fn fingerprint(filters: &Filters) -> [u8; 8] {
    let mut given: Vec<_> = filters.given.iter().collect();
    given.sort_unstable();
    let taken = digest(&SHA256, format!("{given:?}").as_bytes());
    let mut first = [0; 8];
    first.copy_from_slice(taken.as_ref().get(..8).unwrap_or(&[0; 8]));
    first
}
