//! What a client can read, from its `Accept` header (RFC 9110 §12.5.1).

/// The two shapes an MCP answer can have, as a client accepts them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accepts {
    /// `application/json`, directly or through a wildcard.
    pub json: bool,
    /// `text/event-stream`, directly or through a wildcard.
    pub event_stream: bool,
}

impl Accepts {
    /// Reads a header value. A range with `q=0` is not acceptable.
    #[must_use]
    pub fn parse(value: &str) -> Self {
        let mut accepts = Self { json: false, event_stream: false };
        for item in value.split(',') {
            let mut parts = item.split(';').map(str::trim);
            let range = parts.next().unwrap_or_default().to_ascii_lowercase();
            let refused = parts.any(|parameter| {
                let (name, weight) = parameter.split_once('=').unwrap_or((parameter, ""));
                name.trim().eq_ignore_ascii_case("q")
                    && weight.trim().parse::<f32>().is_ok_and(|weight| weight <= 0.0)
            });
            if refused {
                continue;
            }
            match range.as_str() {
                "*/*" => accepts = Self { json: true, event_stream: true },
                "application/json" | "application/*" => accepts.json = true,
                "text/event-stream" | "text/*" => accepts.event_stream = true,
                _ => {}
            }
        }
        accepts
    }

    /// Whether any answer at all can be read.
    #[must_use]
    pub fn anything(self) -> bool {
        self.json || self.event_stream
    }
}

/// Whether a `Content-Type` names JSON; parameters and case do not matter.
#[must_use]
pub fn is_json(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/json")
}

/// Whether a `Content-Type` names an event stream.
#[must_use]
pub fn is_event_stream(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("text/event-stream")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_weights_and_case() {
        let both = Accepts { json: true, event_stream: true };
        assert_eq!(Accepts::parse("application/json, text/event-stream"), both);
        assert_eq!(Accepts::parse("*/*"), both);
        assert_eq!(
            Accepts::parse("Application/JSON;q=0.5"),
            Accepts { json: true, event_stream: false }
        );
        assert_eq!(
            Accepts::parse("text/event-stream"),
            Accepts { json: false, event_stream: true }
        );
        assert!(!Accepts::parse("application/json;q=0, text/html").anything());
        assert!(!Accepts::parse("").anything());
    }

    #[test]
    fn content_types_are_compared_without_regard_to_case_and_parameters() {
        assert!(is_json("Application/Json; charset=utf-8"));
        assert!(!is_json("application/json-patch"));
        assert!(!is_json("text/plain"));
        assert!(is_event_stream("text/event-stream;charset=utf-8"));
    }
}
