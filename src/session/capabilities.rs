//! What a client declared at `initialize`, small enough to travel along.

use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Map, Value};

/// Most bytes of capabilities that are kept as they came.
pub(super) const MOST_KEPT: usize = 2048;

/// Of longer ones only these are kept: the kinds of requests that a server
/// may make, each with the members that say which of them. (`elicitation`
/// without `form` or `url` means `form`: so they must not get lost.)
const KNOWN: [(&str, &[&str]); 4] = [
    ("elicitation", &["form", "url"]),
    ("sampling", &["context", "tools"]),
    ("roots", &["listChanged"]),
    ("tasks", &[]),
];

/// The capabilities as they came, if they are a JSON object of at most
/// [`MOST_KEPT`] bytes, else [`brief`].
pub(super) fn bounded(declared: &RawValue) -> Box<RawValue> {
    let text = declared.get();
    if text.len() <= MOST_KEPT && text.starts_with('{') {
        declared.to_owned()
    } else {
        brief(declared)
    }
}

/// Never more than what the client declared, and never more than a few
/// hundred bytes. What is no object declares nothing.
pub(super) fn brief(declared: &RawValue) -> Box<RawValue> {
    let declared: Map<String, Value> = serde_json::from_str(declared.get()).unwrap_or_default();
    let mut kept = Map::new();
    for (name, members) in KNOWN {
        if let Some(Value::Object(capability)) = declared.get(name) {
            let members = members.iter().filter_map(|member| {
                let value = match capability.get(*member)? {
                    Value::Object(_) => Value::Object(Map::new()),
                    Value::Bool(flag) => Value::Bool(*flag),
                    Value::Null | Value::Number(_) | Value::String(_) | Value::Array(_) => {
                        return None;
                    }
                };
                Some(((*member).to_owned(), value))
            });
            kept.insert(name.to_owned(), Value::Object(members.collect()));
        }
    }
    to_raw_value(&kept).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(text: &str) -> Box<RawValue> {
        RawValue::from_string(text.to_owned()).unwrap()
    }

    #[test]
    fn short_ones_stay_as_they_are_byte_by_byte() {
        let text = r#"{ "roots":{"listChanged":true}, "x":1e-400, "n":18446744073709551616 }"#;
        assert_eq!(bounded(&raw(text)).get(), text);
        let edge = format!("{{\"x\":\"{}\"}}", "y".repeat(MOST_KEPT - 8));
        assert_eq!((edge.len(), bounded(&raw(&edge)).get()), (MOST_KEPT, edge.as_str()));
    }

    #[test]
    fn of_long_ones_the_known_kinds_are_kept_and_nothing_is_made_up() {
        let long = format!(
            r#"{{"experimental":{{"x":"{}"}},"elicitation":{{"url":{{"a":1}},"z":{{}}}},
               "sampling":{{"tools":5}},"roots":{{"listChanged":false}},"tasks":true}}"#,
            "y".repeat(MOST_KEPT)
        );
        assert_eq!(
            bounded(&raw(&long)).get(),
            r#"{"elicitation":{"url":{}},"roots":{"listChanged":false},"sampling":{}}"#
        );
    }

    #[test]
    fn what_is_no_object_declares_nothing() {
        for odd in ["null", "[]", "5", "\"{}\"", "true"] {
            assert_eq!(bounded(&raw(odd)).get(), "{}", "{odd}");
        }
    }
}
