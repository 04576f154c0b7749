//! HTTP/1.1 by hand: tests must be able to send what no client would.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

/// Longest wait for a reply.
const PATIENCE: Duration = Duration::from_secs(30);

/// A whole reply.
#[derive(Debug)]
pub(crate) struct Reply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Reply {
    /// The only value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str())
    }

    /// The body as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&self.body)))
    }

    /// The body as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The stable code, wherever this surface puts it.
    pub(crate) fn code(&self) -> Option<String> {
        let json = self.json();
        [
            &json["error"]["data"]["code"],
            &json["result"]["structuredContent"]["error"]["code"],
            &json["result"]["_meta"]["scopegate/error"]["code"],
            &json["error"],
        ]
        .into_iter()
        .find_map(|value| value.as_str().map(str::to_owned))
    }

    /// Fails unless the request was refused with this status and code.
    #[track_caller]
    pub(crate) fn assert_refused(&self, status: u16, code: &str) -> &Self {
        assert_eq!((self.status, self.code().as_deref()), (status, Some(code)), "{}", self.text());
        self
    }
}

/// Sends one request on a connection of its own.
pub(crate) fn send(
    to: SocketAddr,
    method: &str,
    target: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Reply {
    let mut head = format!("{method} {target} HTTP/1.1\r\n");
    if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
        head.push_str("Host: localhost\r\n");
    }
    for (name, value) in headers {
        head.extend([name, ": ", value, "\r\n"]);
    }
    if !headers.iter().any(|(name, _)| {
        name.eq_ignore_ascii_case("content-length")
            || name.eq_ignore_ascii_case("transfer-encoding")
    }) {
        head.extend(["Content-Length: ", &body.len().to_string(), "\r\n"]);
    }
    head.push_str("Connection: close\r\n\r\n");
    let mut bytes = head.into_bytes();
    bytes.extend_from_slice(body);
    raw(to, &bytes)
}

/// A reply that is read as it comes.
pub(crate) struct Following {
    stream: TcpStream,
    received: String,
}

/// Sends one request, and reads nothing yet.
pub(crate) fn follow(
    to: SocketAddr,
    method: &str,
    target: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Following {
    let mut stream = TcpStream::connect(to).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let lines: Vec<String> =
        headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let headers = lines.concat();
    let length = body.len();
    write!(
        stream,
        "{method} {target} HTTP/1.1\r\nHost: localhost\r\n{headers}Content-Length: {length}\r\n\r\n{body}"
    )
    .unwrap();
    Following { stream, received: String::new() }
}

impl Following {
    /// Reads until a text has come; everything up to and with it.
    ///
    /// # Panics
    /// When the reply ends before.
    #[track_caller]
    pub(crate) fn until(&mut self, text: &str) -> String {
        let mut chunk = [0; 4096];
        loop {
            if let Some(at) = self.received.find(text) {
                let rest = self.received.split_off(at + text.len());
                return std::mem::replace(&mut self.received, rest);
            }
            match self.stream.read(&mut chunk) {
                Ok(read @ 1..) => self.received.push_str(&String::from_utf8_lossy(&chunk[..read])),
                ended => panic!("no `{text}` ({ended:?}) in {}", self.received),
            }
        }
    }
}

/// Sends bytes as they are and reads one reply.
pub(crate) fn raw(to: SocketAddr, bytes: &[u8]) -> Reply {
    let mut stream = TcpStream::connect(to).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    // A server may answer and close before it has read everything.
    let _ = stream.write_all(bytes);
    let mut received = Vec::new();
    let mut chunk = vec![0; 64 * 1024];
    loop {
        match stream.read(&mut chunk) {
            Ok(0) => break,
            Ok(read) => received.extend_from_slice(&chunk[..read]),
            Err(_) if !received.is_empty() => break,
            Err(error) => panic!("no reply: {error}"),
        }
    }
    parse(&received)
}

fn parse(received: &[u8]) -> Reply {
    let end = received
        .windows(4)
        .position(|window| window == b"\r\n\r\n")
        .unwrap_or_else(|| panic!("no head: {}", String::from_utf8_lossy(received)));
    let head = String::from_utf8_lossy(&received[..end]).into_owned();
    let mut lines = head.split("\r\n");
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let headers: Vec<(String, String)> = lines
        .map(|line| line.split_once(':').unwrap())
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let rest = &received[end + 4..];
    let chunked = headers.iter().any(|(n, v)| n == "transfer-encoding" && v.contains("chunked"));
    let body = if chunked { dechunk(rest) } else { rest.to_vec() };
    Reply { status, headers, body }
}

fn dechunk(mut rest: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    while let Some(end) = rest.windows(2).position(|window| window == b"\r\n") {
        let size = String::from_utf8_lossy(&rest[..end]);
        let size = usize::from_str_radix(size.split(';').next().unwrap().trim(), 16).unwrap();
        if size == 0 {
            break;
        }
        body.extend_from_slice(&rest[end + 2..end + 2 + size]);
        rest = &rest[end + 4 + size..];
    }
    body
}
