//! Objects that say their value's name in another member:
//! `{"name": "X-Api-Key", "value": "…"}`.

use super::names::is_secret;
use super::scan::{skip_space, string_end, value_end};

/// Members of such an object that hold the name.
const LABELS: [&str; 11] = [
    "name",
    "key",
    "header",
    "headername",
    "header_name",
    "field",
    "param",
    "parameter",
    "variable",
    "k",
    "id",
];

/// Members of it that hold the value.
const VALUES: [&str; 5] = ["value", "val", "v", "data", "values"];

/// Most members of such an object.
const MOST_MEMBERS: usize = 64;

/// Longest label that is taken for a name, in bytes. Longer ones are prose.
const MOST_LABEL: usize = 64;

fn is_one_of(names: &[&str], name: &str) -> bool {
    name.len() <= 11 && names.iter().any(|known| name.eq_ignore_ascii_case(known))
}

/// Which part of such an object a member can be, by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Label,
    Value,
}

impl Part {
    pub(super) fn of(name: &str) -> Option<Self> {
        match name.len() {
            1..=11 if is_one_of(&LABELS, name) => Some(Self::Label),
            1..=11 if is_one_of(&VALUES, name) => Some(Self::Value),
            _ => None,
        }
    }
}

/// What the members further on say of the one whose value begins at `at`.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Siblings {
    Nothing,
    /// A label that promises a secret.
    Secret,
    /// Values, at these places.
    Values(Vec<usize>),
    /// There was no time to look.
    Unknown,
}

/// Looks at the members behind the one whose value begins at `at`: for values if
/// it is a label, for labels if it is a value. `budget` is how many bytes may be
/// looked at yet: objects in objects would each be read again for every one
/// about them.
pub(super) fn look(
    bytes: &[u8],
    text: &str,
    at: usize,
    part: Part,
    budget: &mut usize,
) -> Siblings {
    let mut values = Vec::new();
    let begin = skip_space(bytes, at);
    if part == Part::Label && !is_secret_label(bytes, text, begin) {
        return Siblings::Nothing;
    }
    let mut at = begin;
    for _ in 0..MOST_MEMBERS {
        let end = value_end(bytes, at);
        let Some(left) = budget.checked_sub(end - at) else { return Siblings::Unknown };
        *budget = left;
        let comma = skip_space(bytes, end);
        if bytes.get(comma) != Some(&b',') {
            break;
        }
        let name = skip_space(bytes, comma + 1);
        if bytes.get(name) != Some(&b'"') {
            break;
        }
        let name_end = string_end(bytes, name);
        let colon = skip_space(bytes, name_end);
        if bytes.get(colon) != Some(&b':') {
            break;
        }
        at = skip_space(bytes, colon + 1);
        match (part, Part::of(inside(text, name, name_end))) {
            (Part::Label, Some(Part::Value)) => values.push(at),
            (Part::Value, Some(Part::Label)) if is_secret_label(bytes, text, at) => {
                return Siblings::Secret;
            }
            _ => {}
        }
    }
    if values.is_empty() { Siblings::Nothing } else { Siblings::Values(values) }
}

fn is_secret_label(bytes: &[u8], text: &str, at: usize) -> bool {
    if bytes.get(at) != Some(&b'"') {
        return false;
    }
    let label = inside(text, at, string_end(bytes, at));
    label.len() <= MOST_LABEL && is_secret(label)
}

fn inside(text: &str, start: usize, end: usize) -> &str {
    text.get(start + 1..end.max(start + 2) - 1).unwrap_or_default()
}
