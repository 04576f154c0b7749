//! An event stream as a client reads it.

use std::io::BufRead;

use serde_json::Value;

/// An event, or a comment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) id: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) retry: Option<String>,
    pub(crate) data: Option<String>,
    pub(crate) comment: Option<String>,
}

impl Event {
    /// Its data as JSON; nothing where it has none.
    pub(crate) fn message(&self) -> Value {
        match self.data.as_deref() {
            None | Some("") => Value::Null,
            Some(data) => serde_json::from_str(data).unwrap_or_else(|_| panic!("{self:?}")),
        }
    }
}

/// Events as they come. Dropped, the client has left.
pub(crate) struct Events {
    lines: Box<dyn BufRead + Send>,
}

impl Events {
    pub(crate) fn new(lines: Box<dyn BufRead + Send>) -> Self {
        Self { lines }
    }

    /// The next event or comment; nothing at the end of the stream.
    pub(crate) fn next(&mut self) -> Option<Event> {
        let mut event = Event::default();
        loop {
            let mut line = Vec::new();
            let read = self.lines.read_until(b'\n', &mut line).expect("an event in time");
            if read == 0 {
                return None;
            }
            let line = String::from_utf8(line).expect("UTF-8");
            let line = line.trim_end_matches(['\r', '\n']);
            if line.is_empty() {
                if event != Event::default() {
                    return Some(event);
                }
                continue;
            }
            let (field, value) = line.split_once(':').unwrap_or((line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value).to_owned();
            match field {
                "" => event.comment = Some(value),
                "id" => event.id = Some(value),
                "event" => event.name = Some(value),
                "retry" => event.retry = Some(value),
                "data" => match &mut event.data {
                    None => event.data = Some(value),
                    Some(data) => data.extend(["\n", &value]),
                },
                other => panic!("no field of an event: {other:?}"),
            }
        }
    }

    /// The next event that carries a message.
    pub(crate) fn message(&mut self) -> Option<Value> {
        loop {
            let message = self.next()?.message();
            if !message.is_null() {
                return Some(message);
            }
        }
    }

    /// The next message with this method.
    pub(crate) fn said(&mut self, method: &str) -> Value {
        loop {
            let message = self.message();
            let message = message.unwrap_or_else(|| panic!("the stream ended before {method}"));
            if message["method"] == method {
                return message;
            }
        }
    }

    /// The response, whatever comes before it left out.
    pub(crate) fn response(&mut self) -> Value {
        loop {
            let message = self.message().expect("a response before the end of the stream");
            if message.get("method").is_none() {
                return message;
            }
        }
    }

    /// Everything up to the end of the stream.
    pub(crate) fn rest(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.next()).collect()
    }
}
