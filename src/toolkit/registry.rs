//! A service's tools as entries of the gateway's `tools.yaml`, so that what the
//! gateway advertises is what the service says and is not written twice.

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::{Map, Value};

use super::service::Service;

/// How much longer the gateway waits than a call may take.
const MARGIN: Duration = Duration::from_secs(2);

/// Longest line that is not broken, in characters.
const WIDTH: usize = 90;

/// Words that are no strings in some version of YAML.
const RESERVED: [&str; 10] = ["true", "false", "null", "yes", "no", "on", "off", "y", "n", "~"];

/// The entries, for a backend and a scope of these names.
pub(super) fn entries(service: &Service, backend: &str, scope: &str) -> String {
    let limits = service.limits();
    let timeout = limits.call_timeout.saturating_add(MARGIN).as_millis();
    let mut text = String::new();
    for tool in &service.definition.tools {
        let tool = tool.descriptor();
        let risk = match tool.annotations {
            hints if hints.read_only_hint => "low",
            hints if hints.destructive_hint => "high",
            _ => "medium",
        };
        let mut entry = Lines { text: &mut text };
        entry.member(2, "- name", &Value::from(tool.name));
        entry.member(4, "title", &Value::from(tool.title));
        entry.member(4, "description", &Value::from(&*tool.description));
        entry.member(4, "backend", &Value::from(backend));
        entry.member(4, "scope", &Value::from(scope));
        entry.member(4, "risk_level", &Value::from(risk));
        entry.member(4, "required_roles", &Value::Array(Vec::new()));
        entry.member(4, "is_active", &Value::from(true));
        entry.member(4, "timeout_ms", &Value::from(u64::try_from(timeout).unwrap_or(u64::MAX)));
        let annotations = serde_json::to_value(tool.annotations).unwrap_or_default();
        entry.member(4, "annotations", &annotations);
        entry.member(4, "input_schema", &tool.input_schema);
        if let Some(schema) = &tool.output_schema {
            entry.member(4, "output_schema", schema);
        }
        text.push('\n');
    }
    text
}

/// YAML, line by line.
struct Lines<'a> {
    text: &'a mut String,
}

impl Lines<'_> {
    /// `name: value`, `indent` spaces from the left.
    fn member(&mut self, indent: usize, name: &str, value: &Value) {
        let _ = write!(self.text, "{:indent$}{name}:", "");
        // Behind a hyphen, members stand two further to the right.
        self.value(indent + 2, value);
    }

    fn value(&mut self, indent: usize, value: &Value) {
        if let Some(members) = value.as_object().filter(|members| !members.is_empty()) {
            self.text.push('\n');
            self.members(indent, members);
        } else if let Some(items) = value.as_array() {
            if items.iter().any(|item| item.is_object() || item.is_array()) {
                self.text.push('\n');
                for item in items {
                    self.item(indent, item);
                }
            } else {
                self.flow(indent, items);
            }
        } else if let Some(text) = value.as_str().filter(|text| folds(text)) {
            self.fold(indent, text);
        } else {
            let _ = writeln!(self.text, " {}", scalar(value));
        }
    }

    fn members(&mut self, indent: usize, members: &Map<String, Value>) {
        for (name, value) in members {
            self.member(indent, &plain(name), value);
        }
    }

    fn item(&mut self, indent: usize, item: &Value) {
        let before = self.text.len();
        if let Some(members) = item.as_object().filter(|members| !members.is_empty()) {
            self.members(indent + 2, members);
        } else {
            let _ = writeln!(self.text, "{:1$}{2}", "", indent + 2, scalar(item));
        }
        self.text.replace_range(before + indent..=before + indent, "-");
    }

    fn flow(&mut self, indent: usize, items: &[Value]) {
        let mut line = String::from(" [");
        let mut begun = 0;
        let start = self.text.rfind('\n').map_or(0, |at| at + 1);
        let first = self.text[start..].chars().count();
        for (index, item) in items.iter().enumerate() {
            let word = scalar(item);
            let used = if begun == 0 { first + line.len() } else { line.len() - begun };
            if used + word.len() + 3 > WIDTH && index > 0 {
                line.truncate(line.trim_end().len());
                line.push('\n');
                begun = line.len();
                let _ = write!(line, "{:indent$}", "");
            }
            line.push_str(&word);
            if index + 1 < items.len() {
                line.push_str(", ");
            }
        }
        let _ = writeln!(self.text, "{line}]");
    }

    /// A long text as a folded block.
    fn fold(&mut self, indent: usize, text: &str) {
        self.text.push_str(" >-\n");
        let mut used = 0;
        for word in text.split(' ') {
            if used > 0 && used + 1 + word.chars().count() > WIDTH {
                self.text.push('\n');
                used = 0;
            }
            if used == 0 {
                let _ = write!(self.text, "{:indent$}", "");
                used = indent;
            } else {
                self.text.push(' ');
                used += 1;
            }
            self.text.push_str(word);
            used += word.chars().count();
        }
        self.text.push('\n');
    }
}

/// Whether a text is long, and a folded block gives it back as it is.
fn folds(text: &str) -> bool {
    text.len() > WIDTH - 30
        && !text.chars().any(char::is_control)
        && text.split(' ').all(|word| !word.is_empty())
}

fn scalar(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), plain)
}

/// A text without quotes where no version of YAML takes it for something else.
fn plain(text: &str) -> String {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b' ');
    let simple = text.bytes().all(word)
        && text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.trim_end() == text
        && !RESERVED.contains(&&*text.to_ascii_lowercase());
    if simple { text.to_owned() } else { Value::from(text).to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_written_reads_as_it_was() {
        let long = "a sentence that is far too long for one line, with: a colon, # a hash, \"quotes\", \
                    'others', and so many words that it takes three lines of the file to hold it all";
        let value = json!({
            "y": "n", "no": "On", "plain": "two words", "odd": "", "space ": " x", "nul": "~",
            "number": "12", "hex": "0x1f", "date": "2026-01-01", "tab": "a\tb\n", "sign": "- x",
            "long": long, "long_odd": format!("{long}  twice "), "unicode": "größer → ü",
            "empty": {"list": [], "map": {}}, "nothing": null, "yes": true, "float": 1.5,
            "flow": (0..60).map(|n| format!("word{n}")).collect::<Vec<_>>(),
            "mixed": [1, "a", null, true, "a, b", "[x]"],
            "$ref": "#/x", "deep": {"any": [{"a": {"b": [1]}, "c": "d"}, {}, [2], "e"]},
        });
        let mut text = String::new();
        Lines { text: &mut text }.members(0, value.as_object().unwrap());
        let read: Value =
            serde_yaml::from_str(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
        assert_eq!(read, value, "{text}");
        let longest = text.lines().map(|line| line.chars().count()).max().unwrap();
        assert!(
            text.lines()
                .filter(|line| !line.contains("twice"))
                .all(|line| line.chars().count() <= 100),
            "{longest}: {text}"
        );
    }
}
