//! Where the next page begins, as one opaque text for the client.
//!
//! It says after which row to go on, for which filters, and how many rows there
//! were at first; a MAC over all of it (HMAC-SHA256, cut to 16 bytes) shows that
//! a gateway wrote it. Replicas that share their keys read each other's.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};

use crate::secret::Secret;
use crate::store::{AuditQuery, CallPlace, Paging};

/// Keeps this key apart from any others made of the same secret.
const USE: &[u8] = b"scopegate audit cursor v1";

/// Longest text, in characters.
const MOST: usize = 512;

const MAC: usize = 16;
/// Bytes before the chain's id: filters, time, number, total.
const HEAD: usize = 8 * 4;

/// Makes and reads cursors.
pub(crate) struct Cursors(hmac::Key);

/// The next page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cursor {
    pub(crate) place: CallPlace,
    /// How many rows fitted when the first page was read.
    pub(crate) total: u64,
}

impl Cursors {
    /// With a key made of this secret.
    pub(crate) fn new(secret: &Secret) -> Self {
        let root = hmac::Key::new(hmac::HMAC_SHA256, secret.expose().as_bytes());
        Self(hmac::Key::new(hmac::HMAC_SHA256, hmac::sign(&root, USE).as_ref()))
    }

    /// The text for the client.
    pub(crate) fn write(&self, cursor: &Cursor, query: &AuditQuery) -> String {
        let CallPlace { timestamp, seq, chain_id } = &cursor.place;
        let mut bytes = Vec::with_capacity(HEAD + chain_id.len() + MAC);
        bytes.extend_from_slice(&fingerprint(query));
        bytes.extend_from_slice(&timestamp.timestamp_micros().to_be_bytes());
        bytes.extend_from_slice(&seq.to_be_bytes());
        bytes.extend_from_slice(&cursor.total.to_be_bytes());
        bytes.extend_from_slice(chain_id.as_bytes());
        let mac = hmac::sign(&self.0, &bytes);
        bytes.extend_from_slice(mac.as_ref().get(..MAC).unwrap_or_default());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Reads what a client sent.
    ///
    /// # Errors
    /// A sentence for the client.
    pub(crate) fn read(&self, text: &str, query: &AuditQuery) -> Result<Cursor, &'static str> {
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
        if word()?.to_be_bytes() != fingerprint(query) {
            return Err(OTHER);
        }
        let timestamp = DateTime::<Utc>::from_timestamp_micros(word()?.cast_signed());
        Ok(Cursor {
            place: CallPlace {
                timestamp: timestamp.ok_or(FOREIGN)?,
                seq: word()?.cast_signed(),
                chain_id: String::from_utf8(chain_id.to_vec()).map_err(|_| FOREIGN)?,
            },
            total: word()?,
        })
    }
}

/// What tells filters apart; not how many rows a page has.
fn fingerprint(query: &AuditQuery) -> [u8; 8] {
    let query = AuditQuery { paging: Paging::default(), ..query.clone() };
    let taken = digest(&SHA256, format!("{query:?}").as_bytes());
    let mut first = [0; 8];
    first.copy_from_slice(taken.as_ref().get(..8).unwrap_or(&[0; 8]));
    first
}
