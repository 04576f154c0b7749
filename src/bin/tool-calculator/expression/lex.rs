//! From text to words.

use super::{Bounds, LONGEST_NAME, Problem};
use crate::exact::Exact;

/// A word of an expression.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Word<'a> {
    Number(Exact),
    Name(&'a str),
    Plus,
    Minus,
    Times,
    Over,
    Power,
    Open,
    Close,
    Comma,
    End,
}

/// Gives an expression's words one after another. All of it is ASCII, so that
/// bytes and characters are the same.
pub(super) struct Words<'a> {
    text: &'a str,
    next: usize,
    digits: usize,
}

impl<'a> Words<'a> {
    pub(super) fn of(text: &'a str, bounds: &Bounds) -> Result<Self, Problem> {
        if text.len() > bounds.longest {
            return Err(Problem::Text {
                what: "the expression is too long",
                at: bounds.longest + 1,
            });
        }
        if let Some(odd) = text.chars().position(|one| !one.is_ascii()) {
            return Err(Problem::Text { what: "this character means nothing", at: odd + 1 });
        }
        Ok(Self { text, next: 0, digits: bounds.digits })
    }

    /// The next word, and where it begins, counted from 1.
    pub(super) fn take(&mut self) -> Result<(Word<'a>, usize), Problem> {
        self.take_while(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n'));
        let at = self.next + 1;
        let Some(&first) = self.text.as_bytes().get(self.next) else { return Ok((Word::End, at)) };
        let word = match first {
            b'0'..=b'9' | b'.' => Word::Number(self.number(at)?),
            b'a'..=b'z' | b'A'..=b'Z' | b'_' => Word::Name(self.name(at)?),
            _ => self.sign(first, at)?,
        };
        Ok((word, at))
    }

    fn number(&mut self, at: usize) -> Result<Exact, Problem> {
        let text = self.take_while(|byte| byte.is_ascii_digit() || byte == b'.');
        if text.bytes().filter(u8::is_ascii_digit).count() > self.digits {
            return Err(Problem::Text { what: "this number has too many digits", at });
        }
        let number = Exact::parse(text);
        number.ok_or(Problem::Text { what: "this is not a decimal number", at })
    }

    fn name(&mut self, at: usize) -> Result<&'a str, Problem> {
        let name = self.take_while(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if name.len() > LONGEST_NAME {
            return Err(Problem::Text { what: "this name is too long", at });
        }
        Ok(name)
    }

    fn sign(&mut self, first: u8, at: usize) -> Result<Word<'a>, Problem> {
        self.next += 1;
        Ok(match first {
            b'+' => Word::Plus,
            b'-' => Word::Minus,
            b'*' if self.text.as_bytes().get(self.next) == Some(&b'*') => {
                self.next += 1;
                Word::Power
            }
            b'*' => Word::Times,
            b'/' => Word::Over,
            b'^' => Word::Power,
            b'(' => Word::Open,
            b')' => Word::Close,
            b',' => Word::Comma,
            _ => return Err(Problem::Text { what: "this character means nothing", at }),
        })
    }

    fn take_while(&mut self, belongs: impl Fn(u8) -> bool) -> &'a str {
        let rest = &self.text[self.next..];
        let length = rest.bytes().take_while(|&byte| belongs(byte)).count();
        self.next += length;
        &rest[..length]
    }
}
