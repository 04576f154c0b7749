//! An MCP server over HTTP that plays a script and remembers what it saw.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use support::eventually::wait_until;

/// Longest wait for something to happen.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// The session that [`standard`] opens.
pub(crate) const SESSION: &str = "session-1";

/// A request as the server saw it.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) verb: String,
    pub(crate) path: String,
    headers: Vec<(String, String)>,
    pub(crate) raw: Vec<u8>,
}

/// What becomes of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Done {
    Keep,
    Close,
}

/// The answer that a script gives.
pub(crate) struct Reply<'a>(&'a TcpStream);

/// An event stream.
pub(crate) struct Stream<'a>(&'a TcpStream);

type Script = dyn Fn(&Seen, Reply<'_>) -> Done + Send + Sync;

/// A listening server.
pub(crate) struct Server {
    pub(crate) addr: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    script: Arc<Mutex<Arc<Script>>>,
    /// Open connections, to be cut.
    open: Arc<Mutex<Vec<TcpStream>>>,
    /// Whether connections are accepted.
    alive: Arc<Mutex<bool>>,
}

impl Seen {
    /// The value of a header; empty when there is none.
    pub(crate) fn header(&self, name: &str) -> &str {
        let mut named = self.headers.iter().filter(|(known, _)| known == name);
        named.next().map_or("", |(_, value)| value)
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.raw).unwrap_or(Value::Null)
    }

    /// Verb and JSON-RPC method: `POST tools/call`, `POST` of an answer, `GET`.
    pub(crate) fn what(&self) -> String {
        let method = self.json()["method"].as_str().unwrap_or_default().to_owned();
        format!("{} {method}", self.verb).trim().to_owned()
    }

    /// The id of the request as JSON.
    pub(crate) fn id(&self) -> Value {
        self.json()["id"].clone()
    }
}

impl Server {
    pub(crate) fn start(script: impl Fn(&Seen, Reply<'_>) -> Done + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let script: Arc<Mutex<Arc<Script>>> = Arc::new(Mutex::new(Arc::new(script)));
        let server = Self {
            addr: listener.local_addr().unwrap(),
            seen: Arc::default(),
            script,
            open: Arc::default(),
            alive: Arc::new(Mutex::new(true)),
        };
        server.serve(listener);
        server
    }

    fn serve(&self, listener: TcpListener) {
        let (seen, script) = (Arc::clone(&self.seen), Arc::clone(&self.script));
        let (open, alive) = (Arc::clone(&self.open), Arc::clone(&self.alive));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if !*alive.lock().unwrap() {
                    return;
                }
                open.lock().unwrap().push(stream.try_clone().unwrap());
                let (seen, script) = (Arc::clone(&seen), Arc::clone(&script));
                thread::spawn(move || converse(&stream, &seen, &script));
            }
        });
    }

    /// The endpoint's URL.
    pub(crate) fn url(&self) -> String {
        format!("http://{}/calculator/mcp", self.addr)
    }

    /// Changes the script.
    pub(crate) fn play(&self, script: impl Fn(&Seen, Reply<'_>) -> Done + Send + Sync + 'static) {
        *self.script.lock().unwrap() = Arc::new(script);
    }

    /// Dies: connections break, and new ones are refused.
    pub(crate) fn die(&self) {
        *self.alive.lock().unwrap() = false;
        // The listener is waiting for one more connection.
        drop(TcpStream::connect(self.addr));
        self.cut();
        wait_until(PATIENCE, "the port to be closed", || TcpStream::connect(self.addr).is_err());
    }

    /// Breaks the open connections.
    pub(crate) fn cut(&self) {
        for stream in self.open.lock().unwrap().drain(..) {
            let _ = stream.shutdown(std::net::Shutdown::Both);
        }
    }

    /// Comes back on the same port.
    pub(crate) fn rise(&self) {
        *self.alive.lock().unwrap() = true;
        let mut listener = None;
        wait_until(PATIENCE, "the port to be free again", || {
            listener = TcpListener::bind(self.addr).ok();
            listener.is_some()
        });
        self.serve(listener.unwrap());
    }

    /// Every request so far.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// What they were.
    pub(crate) fn whats(&self) -> Vec<String> {
        self.seen().iter().map(Seen::what).collect()
    }

    /// The requests of a kind, once there are `count`.
    pub(crate) fn wait_for(&self, what: &str, count: usize) -> Vec<Seen> {
        let found = || -> Vec<Seen> {
            self.seen().into_iter().filter(|seen| seen.what() == what).collect()
        };
        let waited = format!("{count} × {what}; it saw {:?}", self.whats());
        wait_until(PATIENCE, &waited, || found().len() >= count);
        found()
    }
}

impl<'a> Reply<'a> {
    /// A body of any kind.
    pub(crate) fn text(
        self,
        status: u16,
        kind: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Done {
        let mut head = format!(
            "HTTP/1.1 {status} Scripted\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n",
            body.len()
        );
        for (name, value) in headers {
            head.extend([name, ": ", value, "\r\n"]);
        }
        head.push_str("\r\n");
        head.push_str(body);
        let mut out = self.0;
        if out.write_all(head.as_bytes()).is_ok() { Done::Keep } else { Done::Close }
    }

    pub(crate) fn json(self, status: u16, body: &Value) -> Done {
        self.text(status, "application/json", &[], &body.to_string())
    }

    /// A result for a request.
    #[expect(clippy::needless_pass_by_value, reason = "reads better with json!")]
    pub(crate) fn result(self, seen: &Seen, result: Value) -> Done {
        self.json(200, &json!({ "jsonrpc": "2.0", "id": seen.id(), "result": result }))
    }

    /// A status without a body.
    pub(crate) fn status(self, status: u16) -> Done {
        let head = format!("HTTP/1.1 {status} Scripted\r\nContent-Length: 0\r\n\r\n");
        let mut out = self.0;
        if out.write_all(head.as_bytes()).is_ok() { Done::Keep } else { Done::Close }
    }

    /// A body that ends before its end.
    pub(crate) fn cut_short(self) -> Done {
        let head =
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n";
        let mut out = self.0;
        let _ = out.write_all(head.as_bytes()).and_then(|()| out.write_all(b"{}"));
        Done::Close
    }

    /// Begins an event stream.
    pub(crate) fn events(self, headers: &[(&str, &str)]) -> Stream<'a> {
        let mut head =
            "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n"
                .to_owned();
        for (name, value) in headers {
            head.extend([name, ": ", value, "\r\n"]);
        }
        head.push_str("\r\n");
        let mut out = self.0;
        let _ = out.write_all(head.as_bytes());
        Stream(self.0)
    }

    /// Waits until the client has hung up.
    pub(crate) fn abandoned(self) -> Done {
        Stream(self.0).abandoned()
    }
}

impl Stream<'_> {
    /// Sends text as it stands.
    pub(crate) fn raw(&self, text: &str) {
        let mut out = self.0;
        let _ = out.write_all(format!("{:x}\r\n{text}\r\n", text.len()).as_bytes());
    }

    /// Sends a message as an event.
    #[expect(clippy::needless_pass_by_value, reason = "reads better with json!")]
    pub(crate) fn message(&self, message: Value) {
        self.raw(&format!("event: message\ndata: {message}\n\n"));
    }

    /// Ends the stream in order.
    pub(crate) fn end(self) -> Done {
        let mut out = self.0;
        if out.write_all(b"0\r\n\r\n").is_ok() { Done::Keep } else { Done::Close }
    }

    /// Waits until the client has hung up.
    pub(crate) fn abandoned(self) -> Done {
        self.0.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut stream = self.0;
        let ended = stream.read(&mut [0]);
        assert!(
            matches!(ended, Ok(0))
                || ended.is_err_and(|e| e.kind() != std::io::ErrorKind::WouldBlock)
        );
        Done::Close
    }
}

/// A server of the legacy era with a session, which answers tool calls with
/// their arguments and has nothing to say unasked.
pub(crate) fn standard(seen: &Seen, reply: Reply<'_>) -> Done {
    match seen.what().as_str() {
        "POST initialize" => {
            let version = seen.json()["params"]["protocolVersion"].clone();
            let result = json!({
                "protocolVersion": version, "capabilities": { "tools": {} },
                "serverInfo": { "name": "scripted", "version": "1" },
            });
            let answer = json!({ "jsonrpc": "2.0", "id": seen.id(), "result": result });
            let session = [("Mcp-Session-Id", SESSION)];
            reply.text(200, "application/json", &session, &answer.to_string())
        }
        "POST tools/call" => {
            let echo = seen.json()["params"]["arguments"].clone();
            reply.result(seen, json!({ "echo": echo }))
        }
        "GET" => reply.status(405),
        "DELETE" => reply.status(200),
        _ if seen.id().is_null() || seen.json()["method"].is_null() => reply.status(202),
        _ => reply.result(seen, json!({})),
    }
}

fn converse(stream: &TcpStream, seen: &Mutex<Vec<Seen>>, script: &Mutex<Arc<Script>>) {
    let mut reader = BufReader::new(stream);
    while let Some(request) = read(&mut reader) {
        seen.lock().unwrap().push(request.clone());
        let script = Arc::clone(&script.lock().unwrap());
        if script(&request, Reply(stream)) == Done::Close {
            let _ = stream.shutdown(std::net::Shutdown::Both);
            return;
        }
    }
}

fn read(reader: &mut BufReader<&TcpStream>) -> Option<Seen> {
    let mut line = String::new();
    if reader.read_line(&mut line).ok()? == 0 {
        return None;
    }
    let mut words = line.split(' ');
    let (verb, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = Vec::new();
    loop {
        line.clear();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let mut seen = Seen { verb, path, headers, raw: Vec::new() };
    let length = seen.header("content-length").parse().unwrap_or(0);
    seen.raw = vec![0; length];
    reader.read_exact(&mut seen.raw).ok()?;
    Some(seen)
}
