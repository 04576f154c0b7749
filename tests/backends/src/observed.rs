//! What has been seen: every HTTP exchange, and every call of a tool with its
//! end. `GET /observed` tells it as JSON; all times are milliseconds since
//! 1970.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use http::HeaderMap;
use rmcp::model::RequestId;
use serde::Serialize;
use serde_json::{Map, Value, json};

/// Now.
#[expect(clippy::disallowed_methods, reason = "a program of its own, with no clock to pass")]
fn now() -> u128 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis())
}

/// How far something has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum State {
    /// Not ended yet.
    Running,
    /// Ended by itself.
    Completed,
    /// Ended from outside: the other side left or cancelled.
    Aborted,
}

/// A call of a tool.
#[derive(Debug, Serialize)]
struct Call {
    tool: String,
    arguments: Value,
    /// The id of the request, as this server got it.
    id: RequestId,
    /// `legacy` or `modern`.
    era: &'static str,
    headers: Value,
    state: State,
    began_ms: u128,
    ended_ms: Option<u128>,
}

/// An HTTP request and its answer.
#[derive(Debug, Serialize)]
struct Exchange {
    method: String,
    /// The method of the message; nothing for answers of a client, and for
    /// requests without a message.
    message: Option<String>,
    headers: Value,
    status: Option<u16>,
    content_type: Option<String>,
    /// The session that the answer names.
    session: Option<String>,
    state: State,
    began_ms: u128,
    answered_ms: Option<u128>,
    ended_ms: Option<u128>,
}

/// Everything seen so far. A handle: clones tell of the same.
#[derive(Clone, Debug, Default)]
pub(crate) struct Observed(Arc<Mutex<Seen>>);

#[derive(Debug, Default)]
struct Seen {
    calls: Vec<Call>,
    exchanges: Vec<Exchange>,
}

impl Observed {
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// As JSON.
    pub(crate) fn report(&self) -> Value {
        let seen = self.seen();
        json!({ "now_ms": now(), "calls": seen.calls, "exchanges": seen.exchanges })
    }

    /// A call begins.
    pub(crate) fn call(
        &self,
        tool: &str,
        arguments: Value,
        id: RequestId,
        era: &'static str,
        headers: Option<&HeaderMap>,
    ) -> Open {
        let call = Call {
            tool: tool.to_owned(),
            arguments,
            id,
            era,
            headers: headers.map_or(Value::Null, plain),
            state: State::Running,
            began_ms: now(),
            ended_ms: None,
        };
        let mut seen = self.seen();
        seen.calls.push(call);
        let index = seen.calls.len() - 1;
        Open { observed: self.clone(), what: What::Call, index, state: State::Aborted }
    }

    /// A request has arrived.
    pub(crate) fn exchange(&self, method: &str, message: &Value, headers: &HeaderMap) -> Open {
        let exchange = Exchange {
            method: method.to_owned(),
            message: message["method"].as_str().map(str::to_owned),
            headers: plain(headers),
            status: None,
            content_type: None,
            session: None,
            state: State::Running,
            began_ms: now(),
            answered_ms: None,
            ended_ms: None,
        };
        let mut seen = self.seen();
        seen.exchanges.push(exchange);
        let index = seen.exchanges.len() - 1;
        Open { observed: self.clone(), what: What::Exchange, index, state: State::Aborted }
    }
}

#[derive(Clone, Copy, Debug)]
enum What {
    Call,
    Exchange,
}

/// Something that has begun. Dropped before it is completed, it counts as
/// aborted.
#[derive(Debug)]
pub(crate) struct Open {
    observed: Observed,
    what: What,
    index: usize,
    state: State,
}

impl Open {
    /// The head of the answer is known.
    pub(crate) fn answered(&self, status: http::StatusCode, headers: &HeaderMap) {
        let value = |name: &str| headers.get(name)?.to_str().ok().map(str::to_owned);
        let mut seen = self.observed.seen();
        let exchange = &mut seen.exchanges[self.index];
        exchange.status = Some(status.as_u16());
        exchange.content_type = value("content-type");
        exchange.session = value("mcp-session-id");
        exchange.answered_ms = Some(now());
    }

    /// It ends by itself.
    pub(crate) fn complete(&mut self) {
        self.state = State::Completed;
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let mut seen = self.observed.seen();
        let (state, ended) = match self.what {
            What::Call => {
                let call = &mut seen.calls[self.index];
                (&mut call.state, &mut call.ended_ms)
            }
            What::Exchange => {
                let exchange = &mut seen.exchanges[self.index];
                (&mut exchange.state, &mut exchange.ended_ms)
            }
        };
        *state = self.state;
        *ended = Some(now());
    }
}

/// Headers as an object; values of one name are joined by commas.
fn plain(headers: &HeaderMap) -> Value {
    let one = |name: &http::HeaderName| {
        let values = headers.get_all(name).iter();
        let values: Vec<_> =
            values.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()).collect();
        (name.as_str().to_owned(), Value::from(values.join(", ")))
    };
    headers.keys().map(one).collect::<Map<_, _>>().into()
}
