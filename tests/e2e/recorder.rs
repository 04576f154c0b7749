//! A backend that keeps what it was sent, and answers when told to.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::{Value, json};
use support::greeting::greeting;

use crate::http::PATIENCE;

/// A request as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Value,
}

impl Seen {
    /// All values of a header.
    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        let named = self.headers.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name));
        named.map(|(_, value)| value.as_str()).collect()
    }
}

/// The backend. A call whose argument `hold` is true waits for [`release`].
///
/// [`release`]: Recorder::release
pub(crate) struct Recorder {
    pub(crate) port: u16,
    seen: Arc<Mutex<Vec<Seen>>>,
    holding: Receiver<()>,
    go: Sender<()>,
}

impl Recorder {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (hold, holding) = channel();
        let (go, wait) = channel();
        let (record, wait) = (Arc::clone(&seen), Arc::new(Mutex::new(wait)));
        // The threads end with the test process.
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (record, hold, wait) = (Arc::clone(&record), hold.clone(), Arc::clone(&wait));
                thread::spawn(move || serve(stream.unwrap(), &record, &hold, &wait));
            }
        });
        Self { port, seen, holding, go }
    }

    /// Every request so far.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// Waits until a call is held.
    pub(crate) fn wait_for_hold(&self) {
        self.holding.recv_timeout(PATIENCE).expect("a call that is held");
    }

    /// Answers a held call.
    pub(crate) fn release(&self) {
        self.go.send(()).unwrap();
    }
}

fn serve(
    stream: TcpStream,
    record: &Mutex<Vec<Seen>>,
    hold: &Sender<()>,
    wait: &Mutex<Receiver<()>>,
) {
    let mut writer = stream.try_clone().unwrap();
    let mut reader = BufReader::new(stream);
    while let Some(seen) = read(&mut reader) {
        let greeting = greeting(&seen.body);
        if greeting.is_none() {
            record.lock().unwrap().push(seen.clone());
        }
        if seen.body["params"]["arguments"]["hold"] == true {
            let _ = hold.send(());
            if wait.lock().unwrap().recv_timeout(PATIENCE).is_err() {
                return;
            }
        }
        let recorded =
            json!({ "content": [{ "type": "text", "text": "recorded" }], "isError": false });
        let result = greeting.unwrap_or(recorded);
        let reply =
            json!({ "jsonrpc": "2.0", "id": seen.body["id"], "result": result }).to_string();
        let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: ";
        if write!(writer, "{head}{}\r\n\r\n{reply}", reply.len()).is_err() {
            return;
        }
    }
}

/// One request with a told length, or nothing at the end of the connection.
fn read(reader: &mut BufReader<TcpStream>) -> Option<Seen> {
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
    let headers = headers.map(|(name, value)| (name.to_owned(), value.trim().to_owned())).collect();
    let mut seen = Seen { headers, body: Value::Null };
    let length = seen.all("Content-Length").first().map_or(0, |text| text.parse().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    seen.body = serde_json::from_slice(&body).unwrap_or(Value::Null);
    Some(seen)
}
