//! What a tool is, as far as models and people rely on it.

use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::secret::hex;

/// Members of an entry of `tools/list` that are pinned: all that says what the
/// tool is and does. `_meta` and what belongs to one era only (`execution`) may
/// differ from list to list.
const MEMBERS: [&str; 7] =
    ["name", "title", "description", "inputSchema", "outputSchema", "annotations", "icons"];

/// Most characters of one difference.
const MOST_SHOWN: usize = 400;

/// SHA-256 of a definition.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Digest([u8; 32]);

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{}", hex(&self.0))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The pinned members of a tool.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Definition(Map<String, Value>);

impl Definition {
    /// Reads an entry of `tools/list`; `None` where it is none, or has no name.
    pub(crate) fn of(entry: &RawValue) -> Option<Self> {
        let whole: Value = serde_json::from_str(entry.get()).ok()?;
        Self::of_value(whole)
    }

    /// The same of a value.
    pub(super) fn of_value(whole: Value) -> Option<Self> {
        let Value::Object(mut whole) = whole else { return None };
        whole.retain(|name, _| MEMBERS.contains(&name.as_str()));
        whole.get("name")?.as_str()?;
        Some(Self(whole))
    }

    /// The tool's name at its backend.
    pub(crate) fn name(&self) -> &str {
        self.0.get("name").and_then(Value::as_str).unwrap_or_default()
    }

    /// Its digest. Order of members and white space do not count; everything else
    /// does, the spelling of numbers included.
    pub(crate) fn digest(&self) -> Digest {
        let mut text = String::new();
        write_object(&self.0, &mut text);
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest(&SHA256, text.as_bytes()).as_ref());
        Digest(bytes)
    }

    /// Whether a list says the same of the tool. Legacy clients are not told of
    /// output schemas that they cannot read, so one may be left out.
    pub(crate) fn covers(&self, listed: &Self) -> bool {
        const LEFT_OUT: &str = "outputSchema";
        let counts =
            |(name, _): &(&String, &Value)| *name != LEFT_OUT || listed.0.contains_key(LEFT_OUT);
        self.0.iter().filter(counts).eq(listed.0.iter())
    }

    /// As JSON.
    pub(super) fn to_value(&self) -> Value {
        Value::Object(self.0.clone())
    }
}

/// Members sorted, no white space.
fn write(value: &Value, to: &mut String) {
    match value {
        Value::Object(members) => write_object(members, to),
        Value::Array(items) => {
            to.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    to.push(',');
                }
                write(item, to);
            }
            to.push(']');
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            to.push_str(&value.to_string());
        }
    }
}

fn write_object(members: &Map<String, Value>, to: &mut String) {
    let mut sorted: Vec<_> = members.iter().collect();
    sorted.sort_unstable_by_key(|(name, _)| *name);
    to.push('{');
    for (index, (name, value)) in sorted.into_iter().enumerate() {
        if index > 0 {
            to.push(',');
        }
        to.push_str(&Value::from(name.as_str()).to_string());
        to.push(':');
        write(value, to);
    }
    to.push('}');
}

/// What is different, a line each: `-` before, `+` now. Characters that could
/// move a terminal's cursor, or look like others, are escaped.
pub(crate) fn differences(before: &Definition, now: &Definition) -> Vec<String> {
    let mut found = Vec::new();
    let (before, now) = (before.to_value(), now.to_value());
    compare("", Some(&before), Some(&now), &mut found);
    found
}

fn compare(path: &str, before: Option<&Value>, now: Option<&Value>, found: &mut Vec<String>) {
    if before == now {
        return;
    }
    if let (Some(Value::Object(old)), Some(Value::Object(new))) = (before, now) {
        let mut names: Vec<&String> = old.keys().chain(new.keys()).collect();
        names.sort_unstable();
        names.dedup();
        for name in names {
            let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            compare(&path, old.get(name), new.get(name), found);
        }
        return;
    }
    for (sign, value) in [('-', before), ('+', now)] {
        if let Some(value) = value {
            let text = value.to_string();
            let shown = &text[..text.floor_char_boundary(MOST_SHOWN)];
            let more = if shown.len() < text.len() { "…" } else { "" };
            found.push(format!("{sign} {}: {}{more}", escaped(path), escaped(shown)));
        }
    }
}

/// ASCII as it is, everything else as its number: a letter of another alphabet
/// must not pass for one of this.
fn escaped(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_ascii_graphic() || c == ' ' {
            shown.push(c);
        } else {
            shown.extend(c.escape_unicode());
        }
    }
    shown
}
