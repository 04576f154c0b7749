//! Cursors: where the next page of an answer begins.
//!
//! A cursor holds the commits the first page was made from, so that later
//! pages fit it though branches move, a position, and a digest of the other
//! arguments. It is not signed: what a made-up one can ask for, its maker can
//! ask for with arguments too, and it passes the same checks.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::Fault;

/// Longest cursor, in bytes.
pub(crate) const LONGEST: usize = 512;
/// Most commits one holds.
const MOST_COMMITS: usize = 2;
/// The form of cursors; another is refused.
const VERSION: &str = "1";

/// A place in an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cursor {
    /// Of the tool and its arguments.
    pub(crate) query: u64,
    /// The commits, as 40 hexadecimal digits each.
    pub(crate) commits: Vec<String>,
    /// How far it got, and within that one.
    pub(crate) at: (u64, u64),
}

impl Cursor {
    /// The text for a client, which is to give it back as it is.
    pub(crate) fn to_text(&self) -> String {
        let plain = format!(
            "{VERSION}.{:016x}.{}.{}.{}",
            self.query,
            self.commits.join("+"),
            self.at.0,
            self.at.1
        );
        URL_SAFE_NO_PAD.encode(plain)
    }

    /// Reads a text that [`to_text`](Self::to_text) made.
    ///
    /// # Errors
    /// [`Fault`] for any other text.
    pub(crate) fn parse(text: &str) -> Result<Self, Fault> {
        const FAULT: Fault = Fault("cursor is not one of this service");
        if text.len() > LONGEST {
            return Err(FAULT);
        }
        let plain = URL_SAFE_NO_PAD.decode(text).map_err(|_| FAULT)?;
        let plain = std::str::from_utf8(&plain).map_err(|_| FAULT)?;
        let parts: Vec<&str> = plain.split('.').collect();
        let &[VERSION, query, commits, first, second] = parts.as_slice() else {
            return Err(FAULT);
        };
        let commits: Vec<String> =
            commits.split('+').filter(|id| !id.is_empty()).map(str::to_owned).collect();
        let is_id = |id: &String| {
            id.len() == 40 && id.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
        };
        let cursor = Self {
            query: u64::from_str_radix(query, 16).map_err(|_| FAULT)?,
            commits,
            at: (first.parse().map_err(|_| FAULT)?, second.parse().map_err(|_| FAULT)?),
        };
        let well_formed = cursor.commits.len() <= MOST_COMMITS
            && cursor.commits.iter().all(is_id)
            // One spelling only: no sign, no leading zero, no padding.
            && cursor.to_text() == text;
        if well_formed { Ok(cursor) } else { Err(FAULT) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_comes_back_as_it_was() {
        for commits in [vec![], vec!["0".repeat(40)], vec!["a".repeat(40), "9".repeat(40)]] {
            let cursor = Cursor { query: 77, commits, at: (u64::MAX, 3) };
            assert_eq!(Cursor::parse(&cursor.to_text()), Ok(cursor));
        }
    }

    #[test]
    fn other_texts_are_refused() {
        let encode = |text: &str| URL_SAFE_NO_PAD.encode(text);
        for text in [
            String::new(),
            "x".repeat(513),
            "*".to_owned(),
            encode("1.0000000000000001..1"),
            encode("2.0000000000000001..1.0"),
            encode("1.1..1.0"),
            encode("1.0000000000000001..+1.0"),
            encode("1.0000000000000001..01.0"),
            encode("1.0000000000000001.HEAD.1.0"),
            encode("1.0000000000000001..99999999999999999999.0"),
            encode(&format!("1.0000000000000001.{0}+{0}+{0}.1.0", "a".repeat(40))),
        ] {
            assert!(Cursor::parse(&text).is_err(), "{text}");
        }
    }
}
