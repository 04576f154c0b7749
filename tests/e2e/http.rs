//! HTTP/1.1 by hand: no client library would send what these tests send.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;
use support::eventually::wait_until;

/// Longest wait for an answer.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: String,
}

impl Answer {
    /// The value of a header; empty when there is none.
    pub(crate) fn header(&self, name: &str) -> &str {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        let mut named = lines.filter(|(known, _)| known.eq_ignore_ascii_case(name));
        named.next().map_or("", |(_, value)| value)
    }

    /// Whether the connection ends with it.
    pub(crate) fn closes(&self) -> bool {
        self.header("Connection").eq_ignore_ascii_case("close")
    }

    /// The body as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("not JSON: {self:?}"))
    }
}

/// One request on a connection of its own: `line` is method and path.
pub(crate) fn ask(port: u16, line: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
    let length = body.len().to_string();
    let headers = [headers, &[("Content-Length", length.as_str())]].concat();
    raw(port, line, &headers, body)
}

/// Like [`ask`], with nothing said about the length of the body.
pub(crate) fn raw(port: u16, line: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
    let mut head = format!("{line} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n");
    for (name, value) in headers {
        head.extend([name, ": ", value, "\r\n"]);
    }
    head.push_str("\r\n");
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    // A refusal may come, and the connection end, before all is sent.
    let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body));
    let mut bytes = Vec::new();
    let ended = stream.read_to_end(&mut bytes);
    let text = String::from_utf8_lossy(&bytes);
    let (head, body) =
        text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer to {line}: {ended:?}"));
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let mut answer = Answer { status, head: head.to_owned(), body: body.to_owned() };
    if answer.header("Transfer-Encoding") == "chunked" {
        answer.body = unchunked(body);
    }
    answer
}

/// A connection that is kept for as long as the server keeps it.
pub(crate) struct Kept {
    stream: BufReader<TcpStream>,
    port: u16,
}

impl Kept {
    pub(crate) fn open(port: u16) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream: BufReader::new(stream), port }
    }

    /// One request, its head and its body sent apart. When the answer says
    /// `Connection: close`, the connection has ended in order, and the next
    /// request needs another one.
    ///
    /// # Errors
    /// Whatever is no whole answer: a reset, an early or an unannounced end.
    pub(crate) fn ask(
        &mut self,
        line: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> std::io::Result<Answer> {
        let (port, length) = (self.port, body.len());
        let mut head =
            format!("{line} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Length: {length}\r\n");
        for (name, value) in headers {
            head.extend([name, ": ", value, "\r\n"]);
        }
        head.push_str("\r\n");
        let stream = self.stream.get_mut();
        // Without Nagle's algorithm, each is a segment of its own.
        stream.write_all(head.as_bytes())?;
        let here = stream.local_addr()?.port();
        wait_until(PATIENCE, "nginx to have read the head", || has_read_all(port, here));
        self.stream.get_mut().write_all(body)?;

        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if self.stream.read_line(&mut head)? == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
        }
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let mut answer = Answer { status, head, body: String::new() };
        let length = answer.header("Content-Length");
        let length: usize = length.parse().unwrap_or_else(|_| panic!("no length: {answer:?}"));
        let mut bytes = vec![0; length];
        self.stream.read_exact(&mut bytes)?;
        answer.body = String::from_utf8(bytes).unwrap();
        if answer.closes() {
            let mut rest = Vec::new();
            self.stream.read_to_end(&mut rest)?;
            assert!(rest.is_empty(), "more than an answer: {answer:?} {rest:?}");
        }
        Ok(answer)
    }
}

/// Whether the listener's end of a connection between two ports of loopback
/// holds nothing that its program has not read; also when there is none.
fn has_read_all(listener: u16, client: u16) -> bool {
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let ends = (format!(":{listener:04X}"), format!(":{client:04X}"));
    // Columns: number, local, remote, state, unsent:unread.
    let mut rows = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let row = rows.find(|row| row[1].ends_with(&ends.0) && row[2].ends_with(&ends.1));
    row.is_none_or(|row| row[4].ends_with(":00000000"))
}

fn unchunked(mut rest: &str) -> String {
    let mut body = String::new();
    while let Some((size, after)) = rest.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16).unwrap();
        body.push_str(&after[..size]);
        rest = &after[size + 2..];
    }
    body
}
