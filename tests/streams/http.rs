//! HTTP/1.1 by hand, so that a test sees each byte when it comes, and leaves
//! when it likes.

use std::io::{BufRead, BufReader, Read, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;

use crate::events::Events;

/// Longest wait for something to arrive.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A request.
pub(crate) struct Request {
    line: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Request {
    /// `line` is method and path.
    pub(crate) fn new(line: impl Into<String>) -> Self {
        Self { line: line.into(), headers: Vec::new(), body: Vec::new() }
    }

    /// With a header, in place of one of that name.
    pub(crate) fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    pub(crate) fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// Sends it on a connection of its own, without waiting for an answer.
    pub(crate) fn send(&self, port: u16) -> Sent {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        let mut head = format!(
            "{} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Length: {}\r\n",
            self.line,
            self.body.len()
        );
        for (name, value) in &self.headers {
            head.extend([name, ": ", value, "\r\n"]);
        }
        head.push_str("\r\n");
        let bytes = [head.as_bytes(), &self.body].concat();
        stream.write_all(&bytes).unwrap();
        Sent(stream)
    }

    /// Sends it and waits for the head of the answer.
    pub(crate) fn answer(&self, port: u16) -> Answer {
        self.send(port).answer()
    }
}

/// A request on its way. Dropped, the client has left.
pub(crate) struct Sent(TcpStream);

impl Sent {
    /// Waits for the head of the answer.
    pub(crate) fn answer(self) -> Answer {
        let mut stream = BufReader::new(self.0);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            let read = stream.read_line(&mut head).expect("a head in time");
            assert!(read > 0, "the connection ended with {head:?}");
        }
        let status = head.split(' ').nth(1).and_then(|text| text.parse().ok());
        let status = status.unwrap_or_else(|| panic!("no status in {head:?}"));
        let mut answer =
            Answer { status, head, body: Body { stream, left: Left::Nothing, ended: false } };
        answer.body.left = if answer.header("Transfer-Encoding") == "chunked" {
            Left::Chunks(0)
        } else {
            Left::Length(answer.header("Content-Length").parse().unwrap_or(0))
        };
        answer
    }
}

/// The head of an answer, and its body as it comes. Dropped, the client has
/// left.
pub(crate) struct Answer {
    pub(crate) status: u16,
    head: String,
    body: Body,
}

impl Answer {
    /// The value of a header; empty when there is none.
    pub(crate) fn header(&self, name: &str) -> &str {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        let mut named = lines.filter(|(known, _)| known.eq_ignore_ascii_case(name));
        named.next().map_or("", |(_, value)| value)
    }

    pub(crate) fn is_stream(&self) -> bool {
        self.header("Content-Type").starts_with("text/event-stream")
    }

    /// The whole body.
    pub(crate) fn bytes(mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.body.read_to_end(&mut bytes).expect("a whole body in time");
        bytes
    }

    pub(crate) fn text(self) -> String {
        String::from_utf8(self.bytes()).expect("UTF-8")
    }

    /// The whole body as JSON.
    pub(crate) fn json(self) -> Value {
        let (status, text) = (self.status, self.text());
        serde_json::from_str(&text).unwrap_or_else(|_| panic!("not JSON, HTTP {status}: {text:?}"))
    }

    /// The body as events.
    pub(crate) fn events(self) -> Events {
        assert!(self.is_stream(), "not a stream: {}", self.head);
        Events::new(Box::new(BufReader::new(self.body)))
    }

    /// The response to the request: the body, or what comes last on the stream.
    pub(crate) fn response(self) -> Value {
        if self.is_stream() {
            let mut events = self.events();
            events.response()
        } else {
            self.json()
        }
    }
}

/// How much of a body is still to come.
enum Left {
    Nothing,
    Length(usize),
    /// In the chunk that has begun.
    Chunks(usize),
}

/// A body as it comes.
struct Body {
    stream: BufReader<TcpStream>,
    left: Left,
    ended: bool,
}

impl Read for Body {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.ended || buffer.is_empty() {
            return Ok(0);
        }
        if matches!(self.left, Left::Chunks(0)) {
            self.left = Left::Chunks(self.chunk()?);
        }
        let (Left::Length(left) | Left::Chunks(left)) = &mut self.left else { return Ok(0) };
        let most = buffer.len().min(*left);
        if most == 0 {
            self.ended = true;
            return Ok(0);
        }
        let read = self.stream.read(&mut buffer[..most])?;
        if read == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        *left -= read;
        if matches!(self.left, Left::Chunks(0)) {
            self.stream.read_exact(&mut [0; 2])?;
        }
        Ok(read)
    }
}

impl Body {
    /// The size of the next chunk; none is left after one of size nothing.
    fn chunk(&mut self) -> std::io::Result<usize> {
        let mut line = String::new();
        if self.stream.read_line(&mut line)? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        let size = usize::from_str_radix(line.trim_end(), 16);
        size.map_err(|_| std::io::ErrorKind::InvalidData.into())
    }
}
