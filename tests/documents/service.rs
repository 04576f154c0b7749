//! The real `tool-documents`, as a process of its own.

use std::net::SocketAddr;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use support::process::{Server, on_free_port};
use support::scratch::Scratch;

use crate::http::{Connection, Response};

/// The secret the service shares with its callers.
pub(crate) const SECRET: &str = "between-gateway-and-tools-0123456789";

/// A running service, and the folder it writes to.
pub(crate) struct Service {
    pub(crate) server: Server,
    pub(crate) address: SocketAddr,
    pub(crate) folder: Scratch,
}

/// A document that was made.
pub(crate) struct Made {
    /// What the tool says of it.
    pub(crate) said: Value,
    pub(crate) bytes: Vec<u8>,
}

impl Service {
    pub(crate) fn start() -> Self {
        Self::with(&[], &[])
    }

    /// With further arguments and settings, and so much time for a call that a
    /// busy machine does not change an answer.
    pub(crate) fn with(arguments: &[&str], settings: &[(&str, &str)]) -> Self {
        let folder = Scratch::new("sg-documents");
        let place = folder.path().join("files").display().to_string();
        let mut environment = vec![
            ("REQUEST_TIMEOUT_MS", "120000"),
            ("TOOL_GATEWAY_SHARED_SECRET", SECRET),
            ("DOCUMENTS_FOLDER", &place),
        ];
        // The last one counts.
        environment.extend_from_slice(settings);
        let (server, port) = on_free_port(|port| {
            let listen = format!("127.0.0.1:{port}");
            let arguments = [&["--listen", listen.as_str()], arguments].concat();
            Server::isolated(program(), &arguments, &environment)
        });
        Self { server, address: SocketAddr::from(([127, 0, 0, 1], port)), folder }
    }

    /// The folder that documents are in.
    pub(crate) fn files(&self) -> std::path::PathBuf {
        self.folder.path().join("files")
    }

    /// A request of the gateway's, for a user.
    pub(crate) fn send(&self, user: Option<&str>, body: &Value) -> Response {
        let mut headers = vec![("x-gateway-auth", SECRET), ("content-type", "application/json")];
        headers.extend(user.map(|user| ("x-user-id", user)));
        let body = body.to_string();
        Connection::open(self.address).send("POST", "/mcp", &headers, body.as_bytes())
    }

    /// A plain JSON-RPC request.
    pub(crate) fn rpc(&self, user: Option<&str>, method: &str, params: Value) -> Value {
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        let reply = self.send(user, &body);
        assert_eq!(reply.header("content-type"), Some("application/json"));
        reply.json()
    }

    /// The answer to a call.
    pub(crate) fn call(&self, user: Option<&str>, arguments: Value) -> Value {
        let params = json!({"name": "document_generate", "arguments": arguments});
        self.rpc(user, "tools/call", params)
    }

    /// Makes a document for `ann`, and reads it by its address.
    pub(crate) fn make(&self, format: &str, content: &str, options: Value) -> Made {
        let mut arguments = options;
        arguments["format"] = json!(format);
        arguments["content"] = json!(content);
        let answer = self.call(Some("ann"), arguments);
        let said = answer["result"]["structuredContent"].clone();
        assert!(said.is_object(), "{answer}");
        let bytes = self.read("ann", said["uri"].as_str().unwrap());
        assert_eq!(said["size_bytes"], bytes.len());
        Made { said, bytes }
    }

    /// The error of a call of `ann`'s: code and sentence.
    pub(crate) fn refusal(&self, arguments: Value) -> (i64, String) {
        let answer = self.call(Some("ann"), arguments);
        let error = &answer["error"];
        let message = error["message"].as_str().unwrap_or_else(|| panic!("{answer}"));
        (error["code"].as_i64().unwrap(), message.to_owned())
    }

    /// The bytes of a resource.
    pub(crate) fn read(&self, user: &str, uri: &str) -> Vec<u8> {
        let answer = self.rpc(Some(user), "resources/read", json!({ "uri": uri }));
        let contents = &answer["result"]["contents"][0];
        assert_eq!(contents["uri"], uri, "{answer}");
        match contents["text"].as_str() {
            Some(text) => text.as_bytes().to_vec(),
            None => STANDARD.decode(contents["blob"].as_str().unwrap()).unwrap(),
        }
    }
}

impl Made {
    pub(crate) fn warnings(&self) -> Vec<&str> {
        self.said["warnings"].as_array().unwrap().iter().filter_map(Value::as_str).collect()
    }
}

/// The program under test.
pub(crate) fn program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_tool-documents"))
}
