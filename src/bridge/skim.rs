//! The id of a message that is too large to keep, found while it passes.

use crate::protocol::jsonrpc::MAX_ID_BYTES;

/// Follows a JSON text byte by byte and keeps the value of the top-level
/// member `id`, if that is a string or a number.
#[derive(Debug, Default)]
pub(super) struct Skim {
    depth: usize,
    text: Text,
    member: Member,
    /// The name of the member at the top level, or the beginning of a long one.
    name: Vec<u8>,
    id: Vec<u8>,
    found: bool,
}

/// Where the next byte lies with regard to strings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Text {
    #[default]
    Outside,
    Inside,
    Escaped,
}

/// Where the next byte lies within a member at the top level.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Member {
    #[default]
    Name,
    Value,
}

impl Skim {
    /// Takes the next bytes.
    pub(super) fn read(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.step(byte);
        }
    }

    /// The id as it was written.
    pub(super) fn id(self) -> Option<String> {
        let text = String::from_utf8(self.id).ok()?;
        let text = text.trim();
        let start = |letter: char| letter == '"' || letter == '-' || letter.is_ascii_digit();
        (self.found && text.starts_with(start)).then(|| text.to_owned())
    }

    fn step(&mut self, byte: u8) {
        let top = self.depth == 1;
        let of_id = top && self.member == Member::Value && self.name == b"id" && !self.found;
        match (self.text, byte) {
            (Text::Escaped, _) => self.text = Text::Inside,
            (Text::Inside, b'\\') => self.text = Text::Escaped,
            (Text::Inside, b'"') => self.text = Text::Outside,
            (Text::Inside, _) if top && self.member == Member::Name && self.name.len() < 8 => {
                self.name.push(byte);
            }
            (Text::Outside, b'"') => {
                self.text = Text::Inside;
                if top && self.member == Member::Name {
                    self.name.clear();
                }
            }
            (Text::Outside, b'{' | b'[') => self.depth += 1,
            (Text::Outside, b'}' | b']') => {
                self.found |= of_id;
                self.depth = self.depth.saturating_sub(1);
                return;
            }
            (Text::Outside, b',') if top => {
                self.found |= of_id;
                self.member = Member::Name;
                return;
            }
            (Text::Outside, b':') if top => {
                self.member = Member::Value;
                return;
            }
            (Text::Inside | Text::Outside, _) => {}
        }
        if of_id && self.id.len() <= MAX_ID_BYTES {
            self.id.push(byte);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Skim;

    fn id(text: &str) -> Option<String> {
        let mut skim = Skim::default();
        for byte in text.bytes() {
            skim.read(&[byte]);
        }
        skim.id()
    }

    #[test]
    fn the_top_level_id_is_found_wherever_it_stands() {
        assert_eq!(id(r#"{"id": 7 ,"method":"x"}"#).as_deref(), Some("7"));
        assert_eq!(
            id(r#"{"params":{"id":1,"a":["id",{"id":2}]},"jsonrpc":"2.0","id":"a,\"}b"}"#)
                .as_deref(),
            Some(r#""a,\"}b""#)
        );
        assert_eq!(id(r#"{"method":"id","x":"id\":1","id":-3}"#).as_deref(), Some("-3"));
    }

    #[test]
    fn what_is_no_id_is_none() {
        assert_eq!(id(r#"{"method":"x"}"#), None);
        assert_eq!(id(r#"{"id":null}"#), None);
        assert_eq!(id(r#"{"id":{"id":1}}"#), None);
        assert_eq!(id(r#"{"id":1"#), None);
        assert_eq!(id("nonsense"), None);
    }
}
