//! How messages lie in a stream of bytes: one a line, as MCP has it, or each
//! behind a `Content-Length` header, as older clients do. Each message is
//! recognised for itself, and answers take the form of the last one.

use std::io::{self, BufRead, Read as _};

use bytes::Bytes;
use memchr::{memchr, memchr2};

use super::skim::Skim;

/// Longest line of a header, in bytes.
const MAX_HEADER: usize = 8 * 1024;

/// The form of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// One message on one line.
    Lines,
    /// `Content-Length: N`, an empty line, N bytes.
    Headers,
}

/// What was read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Frame {
    /// The bytes of one message, not yet looked at.
    Message(Framing, Bytes),
    /// A message over the limit, thrown away; its id where it could be seen.
    TooLarge(Framing, Option<String>),
    /// A header that says no length; reading goes on behind it.
    NoLength,
}

/// Reads messages of at most `limit` bytes.
#[derive(Debug)]
pub(super) struct Reader<R> {
    input: R,
    limit: usize,
}

impl<R: BufRead> Reader<R> {
    pub(super) fn new(input: R, limit: usize) -> Self {
        Self { input, limit }
    }

    /// The next message; `None` at the end of the stream.
    ///
    /// # Errors
    /// What the stream says; `UnexpectedEof` when it ends within a message
    /// whose length was told.
    pub(super) fn next(&mut self) -> io::Result<Option<Frame>> {
        let Some(first) = self.skip_blanks()? else { return Ok(None) };
        if !first.eq_ignore_ascii_case(&b'c') {
            return self.line(Vec::new()).map(Some);
        }
        let start = self.header_line()?;
        if is_header(&start) {
            return self.counted(start).map(Some);
        }
        if start.ends_with(b"\n") {
            let text = Bytes::from(trimmed(start));
            return Ok(Some(Frame::Message(Framing::Lines, text)));
        }
        self.line(start).map(Some)
    }

    /// Passes white space and a byte order mark; the next byte after it.
    fn skip_blanks(&mut self) -> io::Result<Option<u8>> {
        loop {
            let buffer = self.input.fill_buf()?;
            if buffer.is_empty() {
                return Ok(None);
            }
            let blank = |byte: &u8| byte.is_ascii_whitespace() || [0xEF, 0xBB, 0xBF].contains(byte);
            if let Some(at) = buffer.iter().position(|byte| !blank(byte)) {
                let first = buffer[at];
                self.input.consume(at);
                return Ok(Some(first));
            }
            let all = buffer.len();
            self.input.consume(all);
        }
    }

    /// The rest of a line that begins with `text`.
    fn line(&mut self, mut text: Vec<u8>) -> io::Result<Frame> {
        let mut skim: Option<Skim> = None;
        loop {
            let buffer = self.input.fill_buf()?;
            let (piece, found) = match memchr(b'\n', buffer) {
                Some(at) => (&buffer[..at], true),
                None => (buffer, false),
            };
            let ended = found || buffer.is_empty();
            match &mut skim {
                Some(skim) => skim.read(piece),
                None if text.len() + piece.len() > self.limit.saturating_add(1) => {
                    let mut started = Skim::default();
                    started.read(&text);
                    started.read(piece);
                    text = Vec::new();
                    skim = Some(started);
                }
                None => text.extend_from_slice(piece),
            }
            let used = piece.len() + usize::from(found);
            self.input.consume(used);
            if ended {
                break;
            }
        }
        if let Some(skim) = skim {
            return Ok(Frame::TooLarge(Framing::Lines, skim.id()));
        }
        let text = trimmed(text);
        if text.len() > self.limit {
            let mut skim = Skim::default();
            skim.read(&text);
            return Ok(Frame::TooLarge(Framing::Lines, skim.id()));
        }
        Ok(Frame::Message(Framing::Lines, Bytes::from(text)))
    }

    /// One line of a header with its end, or as much as is tolerable.
    fn header_line(&mut self) -> io::Result<Vec<u8>> {
        let mut line = Vec::new();
        let most = u64::try_from(MAX_HEADER).unwrap_or(u64::MAX);
        (&mut self.input).take(most).read_until(b'\n', &mut line)?;
        Ok(line)
    }

    /// A message behind a header whose first line is known.
    fn counted(&mut self, first: Vec<u8>) -> io::Result<Frame> {
        let mut length = None;
        let mut line = first;
        loop {
            let text = String::from_utf8_lossy(&line).trim().to_ascii_lowercase();
            if text.is_empty() {
                break;
            }
            if let Some(value) = text.strip_prefix("content-length:") {
                length = value.trim().parse::<u64>().ok();
            }
            line = self.header_line()?;
        }
        let Some(length) = length else { return Ok(Frame::NoLength) };
        let fits = usize::try_from(length).is_ok_and(|length| length <= self.limit);
        if !fits {
            return self.skip(length);
        }
        let mut text = Vec::new();
        if (&mut self.input).take(length).read_to_end(&mut text)? as u64 != length {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(Frame::Message(Framing::Headers, Bytes::from(text)))
    }

    fn skip(&mut self, length: u64) -> io::Result<Frame> {
        let (mut left, mut skim) = (length, Skim::default());
        while left > 0 {
            let buffer = self.input.fill_buf()?;
            if buffer.is_empty() {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let most = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
            skim.read(&buffer[..most]);
            self.input.consume(most);
            left -= most as u64;
        }
        Ok(Frame::TooLarge(Framing::Headers, skim.id()))
    }
}

/// Writes one message and flushes it.
///
/// # Errors
/// What the stream says.
pub(super) fn write(out: &mut impl io::Write, framing: Framing, message: &[u8]) -> io::Result<()> {
    match framing {
        Framing::Headers => {
            write!(out, "Content-Length: {}\r\n\r\n", message.len())?;
            out.write_all(message)?;
        }
        Framing::Lines => {
            // Between the tokens of a JSON text a blank means what a line
            // break means; within its strings there is none.
            let mut rest = message;
            while let Some(at) = memchr2(b'\n', b'\r', rest) {
                out.write_all(&rest[..at])?;
                out.write_all(b" ")?;
                rest = &rest[at + 1..];
            }
            out.write_all(rest)?;
            out.write_all(b"\n")?;
        }
    }
    out.flush()
}

/// Whether a line begins a header, and not a message.
fn is_header(line: &[u8]) -> bool {
    const NAMES: [&[u8]; 2] = [b"content-length:", b"content-type:"];
    NAMES
        .iter()
        .any(|name| line.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name)))
}

/// Without the white space at the end.
fn trimmed(mut text: Vec<u8>) -> Vec<u8> {
    text.truncate(text.trim_ascii_end().len());
    text
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use super::*;

    /// Everything in a stream, read a few bytes at a time.
    fn frames(text: &[u8], limit: usize) -> Vec<Frame> {
        let mut reader = Reader::new(BufReader::with_capacity(5, text), limit);
        let mut frames = Vec::new();
        while let Some(frame) = reader.next().unwrap() {
            frames.push(frame);
        }
        frames
    }

    fn line(text: &'static str) -> Frame {
        Frame::Message(Framing::Lines, Bytes::from_static(text.as_bytes()))
    }

    fn counted(text: &'static str) -> Frame {
        Frame::Message(Framing::Headers, Bytes::from_static(text.as_bytes()))
    }

    #[test]
    fn lines_with_every_ending_and_none() {
        let read = frames(b"\xEF\xBB\xBF{\"a\":1}\n\n  {\"b\":\"\xc3\xa4\"}\r\n\r\n{\"c\":1}", 100);
        assert_eq!(read, [line("{\"a\":1}"), line("{\"b\":\"ä\"}"), line("{\"c\":1}")]);
        assert!(frames(b" \n\r\n", 100).is_empty());
    }

    #[test]
    fn headers_are_recognised_for_each_message() {
        let text = b"Content-Length: 8\r\n\r\n{\n\"a\":1}{\"b\":1}\n\
            content-type: application/json\r\nCONTENT-LENGTH:7\n\n{\"c\":1}\r\ncat\ncontent\n";
        assert_eq!(
            frames(text, 100),
            [
                counted("{\n\"a\":1}"),
                line("{\"b\":1}"),
                counted("{\"c\":1}"),
                line("cat"),
                line("content")
            ]
        );
    }

    #[test]
    fn a_message_over_the_limit_is_thrown_away_and_the_next_is_read() {
        let long = format!("{{\"x\":\"{}\",\"id\":9}}", "y".repeat(50));
        let text =
            format!("{long}\n{{\"a\":1}}\nContent-Length: {}\r\n\r\n{long}{{\"b\":1}}", long.len());
        let id = Some("9".to_owned());
        assert_eq!(
            frames(text.as_bytes(), 20),
            [
                Frame::TooLarge(Framing::Lines, id.clone()),
                line("{\"a\":1}"),
                Frame::TooLarge(Framing::Headers, id),
                line("{\"b\":1}"),
            ]
        );
        // Exactly the limit passes, whatever ends the line.
        assert_eq!(frames(b"{\"a\":1}\r\n", 7), [line("{\"a\":1}")]);
        assert_eq!(frames(b"{\"a\":12}\n", 7), [Frame::TooLarge(Framing::Lines, None)]);
    }

    #[test]
    fn a_header_without_a_length_is_no_message() {
        assert_eq!(
            frames(b"Content-Length: many\r\n\r\n{\"a\":1}\n", 100),
            [Frame::NoLength, line("{\"a\":1}")]
        );
        let mut reader = Reader::new(&b"Content-Length: 9\r\n\r\n{}"[..], 100);
        assert_eq!(reader.next().unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }

    #[test]
    fn what_is_written_can_be_read_and_is_one_line_where_it_must_be() {
        let pretty = b"{\r\n  \"a\": [1e-400,\n 12345678901234567890]\n}";
        let mut lines = Vec::new();
        write(&mut lines, Framing::Lines, pretty).unwrap();
        assert_eq!(lines, b"{    \"a\": [1e-400,  12345678901234567890] }\n");
        let mut headers = Vec::new();
        write(&mut headers, Framing::Headers, pretty).unwrap();
        assert_eq!(
            frames(&headers, 100),
            [Frame::Message(Framing::Headers, Bytes::copy_from_slice(pretty))]
        );
    }
}
