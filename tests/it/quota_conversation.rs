//! Limits over the oldest transport (HTTP+SSE): a call is posted with its
//! headers at one gateway, and made by the one that holds the stream.

use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::{Value, json};
use support::redis::{shared_url, unique_prefix};

use crate::harness::Gateway;
use crate::quota_calls::{PATIENCE, dora, limited};
use crate::quota_replays::all_left;

const LIMITS: &str = "quotas: [{ per: user_tool, rate: 1/min, burst: 50 }]\n\
                      budgets: { maxToolCallsPerTurn: 2, maxToolCallsPerJob: 3 }";

struct Conversation {
    stream: TcpStream,
    received: String,
    address: String,
}

impl Conversation {
    fn open(gateway: &Gateway) -> Self {
        let mut stream = TcpStream::connect(gateway.addr).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        write!(
            stream,
            "GET /main/sse HTTP/1.1\r\nHost: localhost\r\nAuthorization: {}\r\n\
             Accept: text/event-stream\r\n\r\n",
            dora().bearer()
        )
        .unwrap();
        let mut conversation = Self { stream, received: String::new(), address: String::new() };
        conversation.address = conversation.data(|data| data.starts_with('/'));
        conversation
    }

    /// The data of the first event that fits.
    fn data(&mut self, fits: impl Fn(&str) -> bool) -> String {
        loop {
            let mut whole = self.received.split_inclusive('\n').filter(|line| line.ends_with('\n'));
            let found = whole.find_map(|line| {
                line.strip_prefix("data: ").map(str::trim_end).filter(|data| fits(data))
            });
            if let Some(found) = found {
                return found.to_owned();
            }
            let mut piece = [0; 4096];
            let size = self.stream.read(&mut piece).unwrap();
            assert!(size > 0, "{}", self.received);
            self.received.push_str(&String::from_utf8_lossy(&piece[..size]));
        }
    }

    /// Posts a message at a gateway, and waits for its answer on the stream.
    fn say(&mut self, at: &Gateway, headers: &[(&str, &str)], message: &Value) -> Value {
        let body = message.to_string();
        let reply = at.post_raw(&self.address, &dora().bearer(), headers, body.as_bytes());
        assert_eq!(reply.status, 202, "{}", reply.text());
        let id = &message["id"];
        let answers = |data: &str| {
            serde_json::from_str::<Value>(data).is_ok_and(|answer| answer["id"] == *id)
        };
        serde_json::from_str(&self.data(answers)).unwrap()
    }
}

#[test]
fn headers_of_a_post_go_with_its_call_to_whoever_makes_it() {
    let prefix = unique_prefix();
    let replica = || {
        limited(LIMITS)
            .set("REDIS_URL", &shared_url())
            .set("SCOPEGATE__REDIS__TIMEOUT_MS", "20000")
            .set("SCOPEGATE__REDIS__KEY_PREFIX", &prefix)
    };
    let holder = replica().start();
    // Replicas have the same registry, and so the same backend.
    let tools = std::fs::read_to_string(holder.folder.path().join("tools.yaml")).unwrap();
    let other = replica().tools(&tools).start();
    let mut conversation = Conversation::open(&holder);
    let hello = json!({
        "jsonrpc": "2.0", "id": 0, "method": "initialize",
        "params": {
            "protocolVersion": "2024-11-05", "capabilities": {},
            "clientInfo": { "name": "test", "version": "1" },
        },
    });
    assert!(conversation.say(&holder, &[], &hello)["result"].is_object());
    let mut number = 0;
    let mut call = |at: &Gateway, headers: &[(&str, &str)]| {
        number += 1;
        let params = json!({ "name": "wipe", "arguments": {} });
        let call =
            json!({ "jsonrpc": "2.0", "id": number, "method": "tools/call", "params": params });
        let answer = conversation.say(at, headers, &call);
        answer["result"]["structuredContent"]["error"]["code"].as_str().map(str::to_owned)
    };
    let over = Some("BUDGET_EXCEEDED".to_owned());
    // Of one turn, wherever it is posted.
    assert_eq!(call(&holder, &[("X-Mcp-Turn-Id", "t-1")]), None);
    assert_eq!(call(&other, &[("X-Mcp-Turn-Id", "t-1")]), None);
    assert_eq!(call(&other, &[("X-Mcp-Turn-Id", "t-1")]), over);
    assert_eq!(call(&holder, &[("X-Mcp-Turn-Id", "t-1")]), over);
    // Others have room; those without a turn have one together.
    assert_eq!(call(&other, &[]), None);
    assert_eq!(call(&holder, &[]), None);
    assert_eq!(call(&holder, &[]), over);
    // A job goes on over turns.
    for turn in ["t-2", "t-3", "t-4"] {
        assert_eq!(call(&other, &[("X-Mcp-Turn-Id", turn), ("X-Mcp-Job-Id", "j")]), None);
    }
    assert_eq!(call(&other, &[("X-Mcp-Turn-Id", "t-5"), ("X-Mcp-Job-Id", "j")]), over);
    // A retry costs no rate.
    let rate = |gateway: &Gateway| {
        let all = all_left(gateway).into_iter();
        all.filter(|(limit, _)| limit.contains("user_tool")).map(|(_, left)| left).next()
    };
    assert_eq!(call(&other, &[("X-Mcp-Turn-Id", "t-6"), ("X-Request-ID", "r-1")]), None);
    let before = rate(&holder);
    assert_eq!(before, Some(50 - 8));
    assert_eq!(call(&holder, &[("X-Mcp-Turn-Id", "t-6"), ("X-Request-ID", "r-1")]), None);
    assert_eq!(rate(&holder), before);
    let made = |gateway: &Gateway| {
        let seen = gateway.backend.seen();
        seen.iter().filter(|seen| seen.body.contains("tools/call")).count()
    };
    assert_eq!((made(&holder), made(&other)), (9, 0));
}
