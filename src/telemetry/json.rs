//! Log lines as JSON, one object a line.
//!
//! `timestamp`, `level`, `target` and `message` come first, then the fields of
//! the event, then one object for each span around it, named after the span:
//!
//! ```json
//! {"timestamp":"…","level":"INFO","target":"…","message":"…","request":{"request_id":"…"}}
//! ```
//!
//! Fields of a span are written once, when they are recorded, and copied from
//! then on; the stock formatter parses and prints them again for every line.

use std::cell::RefCell;
use std::fmt::{self, Debug, Display, Write as _};
use std::io::Write as _;

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::{LookupSpan, Scope};

use crate::clock::{Clock, rfc3339};

/// Longest value of one field, in bytes; the rest is cut.
const LONGEST_VALUE: usize = 4096;

/// Most spans shown around an event; inner ones are left out.
const MOST_SPANS: usize = 8;

/// The layer that writes the lines.
pub(super) struct JsonLines<W> {
    clock: Clock,
    writer: W,
}

impl<W> JsonLines<W> {
    pub(super) fn new(clock: Clock, writer: W) -> Self {
        Self { clock, writer }
    }
}

/// A span's fields, already written: `"a":1,"b":"x"`.
struct SpanFields(String);

thread_local! {
    static LINE: RefCell<String> = const { RefCell::new(String::new()) };
}

impl<S, W> Layer<S> for JsonLines<W>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: for<'a> MakeWriter<'a> + 'static,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let mut fields = String::with_capacity(192);
        attributes.record(&mut Fields(&mut fields));
        span.extensions_mut().insert(SpanFields(fields));
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        if let Some(SpanFields(fields)) = span.extensions_mut().get_mut() {
            values.record(&mut Fields(fields));
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        LINE.with(|line| {
            // Formatting a value may log; such a line gets its own buffer.
            let mut own = String::new();
            let mut shared = line.try_borrow_mut().ok();
            let line = shared.as_deref_mut().unwrap_or(&mut own);
            line.clear();
            self.write(event, &context, line);
            // Nobody is left to tell that standard error is closed.
            let _ = self.writer.make_writer_for(event.metadata()).write_all(line.as_bytes());
        });
    }
}

impl<W> JsonLines<W> {
    fn write<S>(&self, event: &Event<'_>, context: &Context<'_, S>, line: &mut String)
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        let metadata = event.metadata();
        line.push_str("{\"timestamp\":\"");
        line.push_str(rfc3339(self.clock.now()).as_str());
        line.push_str("\",\"level\":\"");
        line.push_str(metadata.level().as_str());
        line.push_str("\",\"target\":\"");
        line.push_str(metadata.target());
        line.push('"');
        event.record(&mut Fields(line));
        let mut seen: [&str; MOST_SPANS] = [""; MOST_SPANS];
        let scope = context.event_scope(event).into_iter().flat_map(Scope::from_root);
        for (slot, span) in scope.enumerate() {
            let name = span.name();
            if slot >= MOST_SPANS || seen.contains(&name) {
                continue;
            }
            seen[slot] = name;
            if let Some(SpanFields(fields)) = span.extensions().get() {
                line.push_str(",\"");
                line.push_str(name);
                line.push_str("\":{");
                line.push_str(fields);
                line.push('}');
            }
        }
        line.push_str("}\n");
    }
}

/// Writes fields as members of a JSON object; after others, with a comma.
struct Fields<'a>(&'a mut String);

impl Fields<'_> {
    fn name(&mut self, field: &Field) {
        if !self.0.is_empty() {
            self.0.push(',');
        }
        self.0.push('"');
        self.0.push_str(field.name());
        self.0.push_str("\":");
    }

    fn bare(&mut self, field: &Field, value: impl Display) {
        self.name(field);
        // Writing to a string does not fail.
        let _ = write!(self.0, "{value}");
    }

    fn text(&mut self, field: &Field, value: fmt::Arguments<'_>) {
        self.name(field);
        self.0.push('"');
        // An error means that the value was cut.
        let _ = Escaped { text: self.0, left: LONGEST_VALUE }.write_fmt(value);
        self.0.push('"');
    }
}

impl Visit for Fields<'_> {
    fn record_f64(&mut self, field: &Field, value: f64) {
        if value.is_finite() {
            self.bare(field, value);
        } else {
            self.bare(field, "null");
        }
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.bare(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.bare(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.bare(field, value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.text(field, format_args!("{value}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.text(field, format_args!("{value:?}"));
    }
}

/// Escapes what JSON does not allow in a string, up to a length.
struct Escaped<'a> {
    text: &'a mut String,
    left: usize,
}

impl fmt::Write for Escaped<'_> {
    fn write_str(&mut self, piece: &str) -> fmt::Result {
        let kept = &piece[..piece.floor_char_boundary(self.left)];
        let mut start = 0;
        for (index, byte) in kept.bytes().enumerate() {
            if byte >= 0x20 && byte != b'"' && byte != b'\\' {
                continue;
            }
            self.text.push_str(&kept[start..index]);
            start = index + 1;
            match byte {
                b'"' => self.text.push_str("\\\""),
                b'\\' => self.text.push_str("\\\\"),
                b'\n' => self.text.push_str("\\n"),
                control => write!(self.text, "\\u{control:04x}")?,
            }
        }
        self.text.push_str(&kept[start..]);
        self.left -= kept.len();
        if kept.len() == piece.len() { Ok(()) } else { Err(fmt::Error) }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use serde_json::Value;
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    /// A writer that keeps what was written.
    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// The lines logged while `run` runs.
    pub(in crate::telemetry) fn lines(run: impl FnOnce()) -> Vec<Value> {
        let kept = Kept::default();
        let (clock, _) = Clock::manual(chrono::DateTime::from_timestamp(1_800_000_000, 0).unwrap());
        let writer = kept.clone();
        let layer = JsonLines::new(clock, move || writer.clone());
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), run);
        let bytes = kept.0.lock().unwrap().clone();
        let text = String::from_utf8(bytes).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[test]
    fn a_line_holds_the_event_and_its_spans() {
        let lines = lines(|| {
            let request = tracing::info_span!("request", id = 7, status = tracing::field::Empty);
            let _entered = request.enter();
            let call = tracing::info_span!("call", tool = "exact_calculate");
            let _entered = call.enter();
            request.record("status", 200);
            tracing::info!(took_ms = 1.5, ok = true, nothing = f64::NAN, "done");
        });
        assert_eq!(
            lines,
            [serde_json::json!({
                "timestamp": "2027-01-15T08:00:00.000000Z",
                "level": "INFO",
                "target": "scopegate::telemetry::json::tests",
                "message": "done",
                "took_ms": 1.5,
                "ok": true,
                "nothing": null,
                "request": {"id": 7, "status": 200},
                "call": {"tool": "exact_calculate"},
            })]
        );
    }

    #[test]
    fn odd_values_neither_break_a_line_nor_forge_one() {
        let odd = "a\"b\\c\nd\u{1}e\u{1f600}{}";
        let lines = lines(|| {
            tracing::warn!(text = odd, shown = %odd, debug = ?odd, "{odd}");
            tracing::warn!("second");
        });
        assert_eq!(lines.len(), 2);
        assert_eq!(lines[0]["text"], odd);
        assert_eq!(lines[0]["shown"], odd);
        assert_eq!(lines[0]["debug"], format!("{odd:?}"));
        assert_eq!(lines[0]["message"], odd);
    }

    #[test]
    fn long_values_are_cut_between_characters() {
        let lines = lines(|| tracing::info!(text = "é".repeat(4000), "x"));
        assert_eq!(lines[0]["text"].as_str().unwrap().len(), LONGEST_VALUE);
        let lines = self::lines(|| tracing::info!(text = format!("x{}", "é".repeat(4000)), "x"));
        assert_eq!(lines[0]["text"].as_str().unwrap().len(), LONGEST_VALUE - 1);
    }

    #[test]
    fn a_value_that_logs_while_it_is_shown_does_no_harm() {
        struct Loud;
        impl Display for Loud {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                tracing::info!("inner");
                f.write_str("outer")
            }
        }
        let lines = lines(|| tracing::info!(value = %Loud, "line"));
        assert!(lines.iter().any(|line| line["value"] == "outer"));
    }
}
