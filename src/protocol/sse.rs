//! Server-sent events: writing one message as one event.
//!
//! Source: the HTML Living Standard §9.2; MCP streamable HTTP sends one
//! JSON-RPC message per event, named `message`.

/// Wraps a JSON text as a single `message` event. JSON has no raw line
/// breaks inside strings; those between tokens become further `data:` lines.
#[must_use]
pub fn message_event(json: &[u8]) -> Vec<u8> {
    let mut event = Vec::with_capacity(json.len() + 32);
    event.extend_from_slice(b"event: message\n");
    for line in json.split(|byte| *byte == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        event.extend_from_slice(b"data: ");
        event.extend_from_slice(line);
        event.push(b'\n');
    }
    event.push(b'\n');
    event
}

#[cfg(test)]
mod tests {
    use super::message_event;

    #[test]
    fn line_breaks_stay_inside_the_event() {
        assert_eq!(
            String::from_utf8(message_event(b"{\r\n\"a\":1}")).unwrap(),
            "event: message\ndata: {\ndata: \"a\":1}\n\n"
        );
    }
}
