//! The configuration as it is in force, for people: YAML in the order of the
//! defaults, secrets masked, and a comment where a value comes from.

use std::collections::BTreeMap;
use std::fmt::{self, Write};

use serde::{Serialize, Serializer};
use serde_yaml::Value;
use url::Url;

use super::Settings;
use super::problems::Place;
use crate::secret::Secret;

/// Stands for a secret that is set.
pub(super) const MASK: &str = "********";

/// Where values come from that are not defaults; by dotted path.
#[derive(Clone, Debug, Default)]
pub(crate) struct Origins(pub(super) BTreeMap<String, Place>);

/// Serializes a secret as its mask.
#[expect(clippy::ref_option, reason = "serde passes the field as it is")]
pub(super) fn masked<S: Serializer>(
    secret: &Option<Secret>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    secret.as_ref().map(|_| MASK).serialize(serializer)
}

/// Serializes a list of secrets as their masks.
pub(super) fn masked_list<S: Serializer>(
    secrets: &[Secret],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(secrets.iter().map(|_| MASK))
}

/// Serializes a URL that may hold a password with that masked.
pub(super) fn masked_url<S: Serializer>(url: &Secret, serializer: S) -> Result<S::Ok, S::Error> {
    without_password(url).serialize(serializer)
}

/// As [`masked_url`], for a URL that may be missing.
#[expect(clippy::ref_option, reason = "serde passes the field as it is")]
pub(super) fn masked_optional_url<S: Serializer>(
    url: &Option<Secret>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    url.as_ref().map(without_password).serialize(serializer)
}

/// A URL of several hosts, as Redis has: without all that stands before the
/// first of them. Anything else is masked as a whole.
fn without_user(text: &str) -> String {
    let Some((
        scheme @ ("redis+cluster" | "rediss+cluster" | "redis+sentinel" | "rediss+sentinel"),
        rest,
    )) = text.split_once("://")
    else {
        return MASK.to_owned();
    };
    match rest.rsplit_once('@') {
        Some((_, hosts)) => format!("{scheme}://{MASK}@{hosts}"),
        None => format!("{scheme}://{rest}"),
    }
}

/// A URL for people. What cannot be read as a URL is masked as a whole, and
/// so is every query parameter whose name speaks of a secret.
fn without_password(url: &Secret) -> String {
    let Ok(mut url) = Url::parse(url.expose()) else { return without_user(url.expose()) };
    if url.password().is_some() && url.set_password(Some(MASK)).is_err() {
        return MASK.to_owned();
    }
    let secret = |name: &str| {
        let name = name.to_ascii_lowercase();
        ["pass", "secret", "token", "key"].iter().any(|piece| name.contains(piece))
    };
    if url.query_pairs().any(|(name, _)| secret(&name)) {
        let pairs: Vec<(String, String)> = url
            .query_pairs()
            .map(|(name, value)| {
                let shown = if secret(&name) { MASK.to_owned() } else { value.into_owned() };
                (name.into_owned(), shown)
            })
            .collect();
        url.query_pairs_mut().clear().extend_pairs(pairs);
    }
    url.into()
}

impl Settings {
    /// The settings in force as YAML, secrets masked, each value that is not
    /// a default with a comment that says where it comes from.
    #[must_use]
    pub fn effective(&self) -> String {
        let mut text = String::new();
        let written = serde_yaml::to_value(self)
            .map_err(|_| fmt::Error)
            .and_then(|tree| write(&tree, "", 0, &self.origins, &mut text));
        match written {
            Ok(()) => text,
            Err(error) => format!("# cannot be shown: {error}\n"),
        }
    }
}

fn write(
    node: &Value,
    path: &str,
    depth: usize,
    origins: &Origins,
    text: &mut String,
) -> fmt::Result {
    let Value::Mapping(entries) = node else { return Ok(()) };
    for (key, value) in entries {
        let Some(key) = key.as_str() else { continue };
        let here = if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
        let indent = "  ".repeat(depth);
        match value {
            Value::Mapping(_) => {
                writeln!(text, "{indent}{key}:")?;
                write(value, &here, depth + 1, origins, text)?;
            }
            Value::Sequence(items) if items.iter().any(Value::is_mapping) => {
                writeln!(text, "{indent}{key}:")?;
                for (index, item) in items.iter().enumerate() {
                    writeln!(text, "{indent}  -")?;
                    write(item, &format!("{here}[{index}]"), depth + 2, origins, text)?;
                }
            }
            Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::String(_)
            | Value::Sequence(_)
            | Value::Tagged(_) => {
                let shown = flow(value);
                let origin = match origins.of(&here) {
                    None | Some(Place::Nowhere) => String::new(),
                    Some(Place::File { file, .. }) => format!("  # file {file}"),
                    Some(Place::Environment(name)) => format!("  # {name}"),
                };
                writeln!(text, "{indent}{key}: {shown}{origin}")?;
            }
        }
    }
    Ok(())
}

impl Origins {
    /// Where the value at a path comes from; for a list, its first item.
    pub(super) fn of(&self, path: &str) -> Option<&Place> {
        let item = format!("{path}[0]");
        self.0.get(path).or_else(|| self.0.get(&item))
    }
}

/// A value on one line. JSON is YAML, and plain texts are shown without
/// quotes where YAML reads them back as the same text.
fn flow(value: &Value) -> String {
    if let Value::String(text) = value {
        let plain = serde_yaml::to_string(text).unwrap_or_default();
        let plain = plain.trim_end();
        if !plain.contains('\n') && plain == text {
            return plain.to_owned();
        }
    }
    serde_json::to_string(value).unwrap_or_else(|_| "null".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_in_urls_are_masked() {
        let shown = |url: &str| without_password(&Secret::new(url));
        assert_eq!(shown("postgres://u:hunter2@h/d"), format!("postgres://u:{MASK}@h/d"));
        assert_eq!(shown("redis://:hunter2@h:6379/0"), format!("redis://:{MASK}@h:6379/0"));
        assert_eq!(
            shown("postgres://h/d?user=u&password=hunter2&sslmode=require"),
            "postgres://h/d?user=u&password=********&sslmode=require"
        );
        assert_eq!(shown("sqlite://.state/x.db"), "sqlite://.state/x.db");
        assert_eq!(shown("hunter2"), MASK);
    }

    #[test]
    fn texts_are_quoted_only_where_needed() {
        let text = |text: &str| flow(&Value::String(text.to_owned()));
        assert_eq!(text("info"), "info");
        assert_eq!(text("007 x"), "007 x");
        assert_eq!(text("true"), "\"true\"");
        assert_eq!(text(""), "\"\"");
        assert_eq!(text("a: b # c"), "\"a: b # c\"");
        assert_eq!(text("line\nline"), "\"line\\nline\"");
    }
}
