//! A backend that keeps what it was sent, and answers byte by byte as a test
//! says.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

/// A request as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) method: String,
    pub(crate) path: String,
    headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Seen {
    /// The value of a header; empty when there is none.
    pub(crate) fn header(&self, name: &str) -> &str {
        let mut named = self.headers.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name));
        named.next().map_or("", |(_, value)| value)
    }

    pub(crate) fn message(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }

    /// The message's id as it is written.
    pub(crate) fn id(&self) -> String {
        #[derive(Deserialize)]
        struct Message<'a> {
            #[serde(borrow)]
            id: &'a RawValue,
        }
        serde_json::from_str::<Message<'_>>(&self.body).unwrap().id.get().to_owned()
    }

    /// A response to it.
    pub(crate) fn response(&self, result: &str) -> String {
        format!(r#"{{"jsonrpc":"2.0","id":{},"result":{result}}}"#, self.id())
    }
}

/// Where an answer is written. At its end, the connection is closed.
pub(crate) struct Reply {
    pub(crate) to: TcpStream,
    chunked: bool,
}

impl Reply {
    /// A whole answer of one piece.
    pub(crate) fn json(&mut self, body: &str) {
        self.write(format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        ));
    }

    /// An error in one piece, by HTTP status 400.
    pub(crate) fn bad_request(&mut self, body: &str) {
        self.write(format!(
            "HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\n\
             Connection: close\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        ));
    }

    /// The head of a stream, which ends in order when the script does.
    pub(crate) fn stream(&mut self) {
        self.write(
            "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\
             Transfer-Encoding: chunked\r\n\r\n",
        );
        self.chunked = true;
    }

    /// An event with a message.
    pub(crate) fn event(&mut self, message: &str) {
        self.chunk(format!("data: {message}\n\n"));
    }

    /// Some bytes of a stream, as a segment of their own.
    pub(crate) fn chunk(&mut self, bytes: impl AsRef<[u8]>) {
        let bytes = bytes.as_ref();
        let size = format!("{:x}\r\n", bytes.len());
        self.write([size.as_bytes(), bytes, b"\r\n"].concat());
    }

    /// Some bytes, as a segment of their own. Whoever has left gets none.
    pub(crate) fn write(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = self.to.write_all(bytes.as_ref());
    }

    /// Waits until the client has left.
    pub(crate) fn until_left(&mut self) {
        let mut rest = [0; 256];
        while matches!(self.to.read(&mut rest), Ok(1..)) {}
    }

    fn status(&mut self, status: &str) {
        self.write(format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"));
    }
}

type Script = Arc<dyn Fn(&Seen, &mut Reply) + Send + Sync>;

#[derive(Default)]
struct State {
    seen: Mutex<Vec<Seen>>,
    scripts: Mutex<HashMap<String, Script>>,
    sessions: AtomicU32,
}

/// The backend. Everybody has a script of their own.
pub(crate) struct Scripted {
    port: u16,
    state: Arc<State>,
}

impl Scripted {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::<State>::default();
        let shared = Arc::clone(&state);
        // The threads end with the test process.
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let state = Arc::clone(&shared);
                thread::spawn(move || serve(stream, &state));
            }
        });
        Self { port, state }
    }

    /// Where a backend is found: under `plain` one without sessions, under
    /// `sessions` one with, under `refusing` one that refuses everybody, and
    /// under `tasks/…` some that have tasks.
    pub(crate) fn url(&self, kind: &str) -> String {
        format!("http://127.0.0.1:{}/{kind}", self.port)
    }

    /// What becomes of a user's requests, handshakes apart.
    pub(crate) fn script(
        &self,
        user: &str,
        script: impl Fn(&Seen, &mut Reply) + Send + Sync + 'static,
    ) {
        self.state.scripts.lock().unwrap().insert(user.to_owned(), Arc::new(script));
    }

    /// A user's requests so far.
    pub(crate) fn seen(&self, user: &str) -> Vec<Seen> {
        let seen = self.state.seen.lock().unwrap();
        seen.iter().filter(|seen| seen.header("X-User-ID") == user).cloned().collect()
    }
}

fn serve(stream: TcpStream, state: &State) {
    stream.set_nodelay(true).unwrap();
    let mut reply = Reply { to: stream.try_clone().unwrap(), chunked: false };
    let Some(seen) = read(&mut BufReader::new(stream)) else { return };
    state.seen.lock().unwrap().push(seen.clone());
    if seen.path == "/refusing" {
        return reply.status("401 Unauthorized");
    }
    let message = seen.message();
    let method = message["method"].as_str();
    match (seen.method.as_str(), method) {
        ("DELETE", _) => reply.status("204 No Content"),
        ("GET", _) if seen.path == "/plain" => reply.status("405 Method Not Allowed"),
        (_, Some("server/discover")) => reply.json(&seen.response(&discovered(&seen.path))),
        (_, Some("initialize")) => initialize(&seen, &mut reply, state),
        ("GET", _) | (_, Some(_)) if seen.method == "GET" || message.get("id").is_some() => {
            let user = seen.header("X-User-ID");
            let script = state.scripts.lock().unwrap().get(user).cloned();
            match script {
                Some(script) => {
                    script(&seen, &mut reply);
                    if reply.chunked {
                        reply.write("0\r\n\r\n");
                    }
                }
                None => reply.status("500 Internal Server Error"),
            }
        }
        _ => reply.status("202 Accepted"),
    }
}

fn discovered(path: &str) -> String {
    let mut capabilities = json!({ "tools": {}, "prompts": {}, "resources": {} });
    if path.starts_with("/tasks/") {
        capabilities["extensions"] = json!({ "io.modelcontextprotocol/tasks": {} });
    }
    json!({
        "resultType": "complete", "supportedVersions": ["2026-07-28"],
        "capabilities": capabilities,
        "serverInfo": { "name": "scripted", "version": "1" }, "ttlMs": 0, "cacheScope": "public",
    })
    .to_string()
}

fn initialize(seen: &Seen, reply: &mut Reply, state: &State) {
    let result = json!({
        "protocolVersion": seen.message()["params"]["protocolVersion"],
        "capabilities": { "tools": {}, "prompts": {}, "resources": {} },
        "serverInfo": { "name": "scripted", "version": "1" },
    });
    let body = seen.response(&result.to_string());
    let session = if seen.path == "/sessions" {
        format!("Mcp-Session-Id: s-{}\r\n", state.sessions.fetch_add(1, Ordering::Relaxed))
    } else {
        String::new()
    };
    reply.write(format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n{session}\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    ));
}

/// One request with a told length.
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
    let mut words = lines[0].split(' ');
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    let headers = lines[1..].iter().filter_map(|line| line.split_once(':'));
    let headers = headers.map(|(name, value)| (name.to_owned(), value.trim().to_owned())).collect();
    let mut seen = Seen { method, path, headers, body: String::new() };
    let mut body = vec![0; seen.header("Content-Length").parse().unwrap_or(0)];
    reader.read_exact(&mut body).ok()?;
    seen.body = String::from_utf8(body).ok()?;
    Some(seen)
}
