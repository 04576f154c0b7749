//! A backend that does as it is told and remembers what it saw.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;

use serde_json::{Value, json};
use support::greeting::greeting;

/// What to answer.
#[derive(Clone, Debug)]
pub(crate) enum Script {
    /// A JSON-RPC result, with the id of the request.
    Result(Value),
    /// A JSON-RPC error, with the id of the request.
    Error(Value),
    /// This text as an event stream; `ID` becomes the id of the request.
    Events(String),
    /// This status and body; `ID` becomes the id of the request.
    Plain(u16, &'static str, String),
    /// Begins an event stream with this text, and says nothing more.
    Hold(String),
    /// A small result, once the backend is told to go on.
    Wait,
    /// Takes the request and never answers.
    Stall,
    /// Takes the request and hangs up.
    HangUp,
    /// A result of this many bytes.
    Huge(usize),
}

/// A request as the backend saw it.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Seen {
    /// All values of a header.
    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        self.headers.iter().filter(|(n, _)| n == name).map(|(_, v)| v.as_str()).collect()
    }
}

/// A listening backend.
pub(crate) struct Backend {
    pub addr: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    script: Arc<Mutex<Script>>,
    released: Arc<(Mutex<bool>, Condvar)>,
}

impl Backend {
    /// Answers every call with a small result, until told otherwise.
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let done = json!({ "content": [{ "type": "text", "text": "done" }], "isError": false });
        let script = Arc::new(Mutex::new(Script::Result(done)));
        let released = Arc::new((Mutex::new(false), Condvar::new()));
        let (log, plan, go) = (Arc::clone(&seen), Arc::clone(&script), Arc::clone(&released));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (log, plan, go) = (Arc::clone(&log), Arc::clone(&plan), Arc::clone(&go));
                thread::spawn(move || converse(&stream, &log, &plan, &go));
            }
        });
        Self { addr, seen, script, released }
    }

    /// Changes what is answered from now on.
    pub(crate) fn answer(&self, script: Script) {
        *self.script.lock().unwrap() = script;
    }

    /// Lets those go on that wait.
    pub(crate) fn release(&self) {
        *self.released.0.lock().unwrap() = true;
        self.released.1.notify_all();
    }

    /// Every request so far.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }
}

fn converse(
    stream: &TcpStream,
    log: &Mutex<Vec<Seen>>,
    plan: &Mutex<Script>,
    (released, go): &(Mutex<bool>, Condvar),
) {
    let mut reader = BufReader::new(stream);
    while let Some(seen) = read_request(&mut reader) {
        let message = serde_json::from_str::<Value>(&seen.body).unwrap_or_default();
        let id = message["id"].clone();
        if let Some(result) = greeting(&message) {
            let told = json!({ "jsonrpc": "2.0", "id": id, "result": result }).to_string();
            if write(stream, 200, "application/json", &told).is_err() {
                return;
            }
            continue;
        }
        log.lock().unwrap().push(seen);
        let script = plan.lock().unwrap().clone();
        let with_id = |text: String| text.replace("ID", &id.to_string());
        let (status, content_type, body) = match script {
            Script::Result(result) => (
                200,
                "application/json",
                json!({ "jsonrpc": "2.0", "id": id, "result": result }).to_string(),
            ),
            Script::Error(error) => (
                200,
                "application/json",
                json!({ "jsonrpc": "2.0", "id": id, "error": error }).to_string(),
            ),
            Script::Events(text) => (200, "text/event-stream", with_id(text)),
            Script::Plain(status, content_type, text) => (status, content_type, with_id(text)),
            Script::Huge(bytes) => (
                200,
                "application/json",
                format!(
                    r#"{{"jsonrpc":"2.0","id":{id},"result":{{"x":"{}"}}}}"#,
                    "x".repeat(bytes)
                ),
            ),
            Script::Hold(text) => {
                let mut stream = stream;
                let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\
                            Transfer-Encoding: chunked\r\n\r\n";
                let text = with_id(text);
                let _ = write!(stream, "{head}{:x}\r\n{text}\r\n", text.len());
                let _ = reader.fill_buf();
                return;
            }
            Script::Wait => {
                let waiting = released.lock().unwrap();
                drop(go.wait_while(waiting, |released| !*released).unwrap());
                let result = json!({ "content": [], "isError": false });
                let told = json!({ "jsonrpc": "2.0", "id": id, "result": result });
                (200, "application/json", told.to_string())
            }
            Script::Stall => {
                // Until the other side gives up.
                let _ = reader.fill_buf();
                return;
            }
            Script::HangUp => return,
        };
        if write(stream, status, content_type, &body).is_err() {
            return;
        }
    }
}

fn write(
    mut stream: &TcpStream,
    status: u16,
    content_type: &str,
    body: &str,
) -> std::io::Result<()> {
    let head = format!(
        "HTTP/1.1 {status} Reply\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes())?;
    stream.write_all(body.as_bytes())
}

fn read_request(reader: &mut BufReader<&TcpStream>) -> Option<Seen> {
    let mut line = String::new();
    if reader.read_line(&mut line).ok()? == 0 {
        return None;
    }
    let mut headers = Vec::new();
    loop {
        line.clear();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let length = headers
        .iter()
        .find(|(name, _)| name == "content-length")
        .map_or(0, |(_, value)| value.parse().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Seen { headers, body: String::from_utf8(body).unwrap() })
}
