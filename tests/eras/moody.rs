//! A backend that answers everything with one status, until it speaks as one
//! of 2025-11-25 without sessions.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::{Value, json};

/// The backend.
pub(crate) struct Moody {
    port: u16,
    /// The status of all answers, and their body; none: it speaks.
    mood: Arc<Mutex<Option<(&'static str, &'static str)>>>,
}

impl Moody {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let mood = Arc::new(Mutex::new(None));
        let shared = Arc::clone(&mood);
        // The threads end with the test process.
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let mood = Arc::clone(&shared);
                thread::spawn(move || serve(stream, &mood));
            }
        });
        Self { port, mood }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/mcp", self.port)
    }

    /// How it answers from now on.
    pub(crate) fn be(&self, mood: Option<(&'static str, &'static str)>) {
        *self.mood.lock().unwrap() = mood;
    }
}

fn serve(mut stream: TcpStream, mood: &Mutex<Option<(&'static str, &'static str)>>) {
    let Some(message) = read(&mut BufReader::new(stream.try_clone().unwrap())) else { return };
    let mood = *mood.lock().unwrap();
    let (status, body) = match mood {
        Some((status, body)) => (status, body.to_owned()),
        None => spoken(&message),
    };
    let kind = if body.starts_with('<') { "text/html" } else { "application/json" };
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nConnection: close\r\n\
         Content-Length: {}\r\n\r\n",
        body.len()
    );
    // Whoever has left gets nothing.
    let _ = stream.write_all(format!("{head}{body}").as_bytes());
}

fn spoken(message: &Value) -> (&'static str, String) {
    let result = match message["method"].as_str() {
        Some("initialize") => json!({
            "protocolVersion": "2025-11-25", "capabilities": { "tools": { "listChanged": true } },
            "serverInfo": { "name": "moody", "version": "1" },
        }),
        Some("tools/list") => {
            json!({ "tools": [{ "name": "smile", "inputSchema": { "type": "object" } }] })
        }
        Some("tools/call") => json!({ "content": [{ "type": "text", "text": "Smiles." }] }),
        _ if message.get("id").is_none() => return ("202 Accepted", String::new()),
        _ => {
            let error = json!({ "code": -32601, "message": "Method not found" });
            let response = json!({ "jsonrpc": "2.0", "id": message["id"], "error": error });
            return ("404 Not Found", response.to_string());
        }
    };
    let response = json!({ "jsonrpc": "2.0", "id": message["id"], "result": result });
    ("200 OK", response.to_string())
}

/// The message of one request.
fn read(reader: &mut BufReader<TcpStream>) -> Option<Value> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or(0) == 0 {
            return None;
        }
        let line = line.trim_end().to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(serde_json::from_slice(&body).unwrap_or_default())
}
