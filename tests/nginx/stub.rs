//! A backend that tells what it was asked, and behaves as the path says.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::json;

use crate::client::PATIENCE;

/// A request as it reached the backend.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    /// Which connection brought it, counted from 0.
    pub(crate) connection: usize,
    pub(crate) line: String,
    pub(crate) headers: Vec<(String, String)>,
}

impl Seen {
    /// All values of a header.
    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        let named = self.headers.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name));
        named.map(|(_, value)| value.as_str()).collect()
    }

    fn chunked(&self) -> bool {
        !self.all("Transfer-Encoding").is_empty()
    }

    fn length(&self) -> usize {
        self.all("Content-Length").first().map_or(0, |text| text.parse().unwrap())
    }
}

/// The backend.
pub(crate) struct Stub {
    pub(crate) port: u16,
    seen: Arc<Mutex<Vec<Seen>>>,
    /// Tells a handler that waits to go on.
    pub(crate) go: Sender<()>,
    /// What a handler has to say.
    pub(crate) news: Receiver<&'static str>,
}

impl Stub {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (go, wait) = channel();
        let (tell, news) = channel();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (wait, record) = (Arc::new(Mutex::new(wait)), Arc::clone(&seen));
        // The threads end with the test process.
        thread::spawn(move || {
            for (connection, stream) in listener.incoming().enumerate() {
                let (record, wait, tell) = (Arc::clone(&record), Arc::clone(&wait), tell.clone());
                thread::spawn(move || serve(connection, stream.unwrap(), &record, &wait, &tell));
            }
        });
        Self { port, seen, go, news }
    }

    /// Every request so far.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// The only request so far.
    pub(crate) fn only(&self) -> Seen {
        let seen = self.seen();
        assert_eq!(seen.len(), 1, "{seen:?}");
        seen.into_iter().next().unwrap()
    }

    /// Waits for what a handler has to say.
    pub(crate) fn expect(&self, what: &str) {
        assert_eq!(self.news.recv_timeout(PATIENCE), Ok(what));
    }
}

fn serve(
    connection: usize,
    stream: TcpStream,
    record: &Mutex<Vec<Seen>>,
    wait: &Mutex<Receiver<()>>,
    tell: &Sender<&'static str>,
) {
    let mut writer = stream.try_clone().unwrap();
    let mut reader = BufReader::new(stream);
    while let Some(seen) = head(connection, &mut reader) {
        record.lock().unwrap().push(seen.clone());
        let path = seen.line.split(' ').nth(1).unwrap();
        let mode = path.rsplit(['?', '&']).next().unwrap().to_owned();
        if mode == "drop" {
            return;
        }
        if mode == "hold" {
            tell.send("holding").unwrap();
            wait.lock().unwrap().recv_timeout(PATIENCE).unwrap();
        }
        if mode == "silent" {
            // Says nothing until the other side leaves.
            tell.send("silent").unwrap();
            assert_eq!(reader.read(&mut [0]).unwrap_or(0), 0);
            let _ = tell.send("left");
            return;
        }
        if mode == "stream" {
            let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n";
            write!(writer, "{head}data: 1\n\n").unwrap();
            wait.lock().unwrap().recv_timeout(PATIENCE).unwrap();
            write!(writer, "data: 2\n\n").unwrap();
            return;
        }
        if mode == "upload" {
            tell.send("head").unwrap();
        }
        let Some(body) = body(&seen, &mut reader) else { return };
        let answer = match mode.as_str() {
            "refuse" => "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Bearer x=\"y\"\r\n\
                 X-Request-ID: the-gateways\r\nContent-Length: 9\r\n\r\n{\"own\":1}"
                .to_owned(),
            "seated" => {
                let session = seen.all("Mcp-Session-Id").join(",");
                format!("HTTP/1.1 200 OK\r\nMcp-Session-Id: {session}\r\nContent-Length: 0\r\n\r\n")
            }
            "steer" => "HTTP/1.1 200 OK\r\nX-Accel-Redirect: /admin/secrets\r\n\
                 Content-Length: 4\r\n\r\nmine"
                .to_owned(),
            _ => {
                let text = json!({"line": seen.line, "body": body}).to_string();
                format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{text}", text.len())
            }
        };
        if writer.write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}

fn head(connection: usize, reader: &mut BufReader<TcpStream>) -> Option<Seen> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or(0) == 0 {
            return None;
        }
        match line.trim_end() {
            "" => break,
            line => lines.push(line.to_owned()),
        }
    }
    let headers = lines[1..].iter().map(|line| line.split_once(':').unwrap());
    let headers = headers.map(|(name, value)| (name.to_owned(), value.trim().to_owned()));
    Some(Seen { connection, line: lines[0].clone(), headers: headers.collect() })
}

/// The length of the body, or nothing when it ends too early.
fn body(seen: &Seen, reader: &mut BufReader<TcpStream>) -> Option<usize> {
    let mut rest = vec![0; seen.length()];
    reader.read_exact(&mut rest).ok()?;
    let mut total = rest.len();
    while seen.chunked() {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let size = usize::from_str_radix(line.trim_end(), 16).ok()?;
        let mut chunk = vec![0; size + 2];
        reader.read_exact(&mut chunk).ok()?;
        total += size;
        if size == 0 {
            break;
        }
    }
    Some(total)
}
