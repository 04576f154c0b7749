//! HTTP/1.1 by hand, to send what no decent client would.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;

/// Longest wait for an answer.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Answer {
    /// All values of a header.
    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        let named = self.headers.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name));
        named.map(|(_, value)| value.as_str()).collect()
    }

    /// The body as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("not JSON: {self:?}"))
    }

    /// The stable code of an error body.
    pub(crate) fn error(&self) -> String {
        let body = self.json();
        assert!(body["message"].is_string(), "{self:?}");
        body["error"].as_str().unwrap_or_else(|| panic!("no code: {self:?}")).to_owned()
    }
}

/// A connection to `port`.
pub(crate) fn connect(port: u16) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

/// Sends these bytes and reads one answer.
pub(crate) fn raw(port: u16, request: &[u8]) -> Answer {
    let mut stream = connect(port);
    // An answer may come, and the connection end, before all is sent.
    let _ = stream.write_all(request);
    read(&mut BufReader::new(stream))
}

/// Sends a request line with headers and a body of known length.
pub(crate) fn ask(port: u16, line: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
    raw(port, &request(line, headers, body))
}

/// The bytes of a request.
pub(crate) fn request(line: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut text = format!("{line} HTTP/1.1\r\nHost: gateway.test:8000\r\n");
    for (name, value) in headers {
        text.extend([name, ": ", value, "\r\n"]);
    }
    if !body.is_empty() {
        text.extend(["Content-Length: ", &body.len().to_string(), "\r\n"]);
    }
    [text.as_bytes(), b"\r\n", body].concat()
}

/// Reads the head of an answer.
pub(crate) fn read_head(reader: &mut BufReader<TcpStream>) -> (u16, Vec<(String, String)>) {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        let count = reader.read_line(&mut line).expect("an answer");
        assert!(count > 0, "the connection ended in the head: {lines:?}");
        match line.trim_end() {
            "" => break,
            line => lines.push(line.to_owned()),
        }
    }
    let status = lines[0].split(' ').nth(1).unwrap().parse().unwrap();
    let headers = lines[1..].iter().filter_map(|line| line.split_once(": "));
    (status, headers.map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
}

/// Reads an answer whose length is told.
pub(crate) fn read(reader: &mut BufReader<TcpStream>) -> Answer {
    let (status, headers) = read_head(reader);
    let mut answer = Answer { status, headers, body: String::new() };
    let length = answer.all("Content-Length").first().map_or(0, |text| text.parse().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    answer.body = String::from_utf8(body).unwrap();
    answer
}
