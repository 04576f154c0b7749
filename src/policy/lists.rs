//! The lists of a policy file: names of tools and prompts, URIs of resources.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::model::{Grant, Pattern};
use super::uri::{self, Reading};
use crate::registry::SubjectKind;

const WILDCARD: &str = "*";

/// One entry of a list.
enum Entry {
    Everything,
    Name,
    Resource { uri: Reading, prefix: bool },
}

/// Reads a list; what is wrong with it becomes complaints with their paths.
pub(super) fn grant(
    kind: SubjectKind,
    path: &str,
    entries: &[String],
    complaints: &mut Vec<String>,
) -> Grant {
    let mut seen = HashSet::new();
    let mut everything = None;
    let mut names = HashMap::new();
    let mut patterns = Vec::new();
    for (index, entry) in entries.iter().enumerate() {
        let at = format!("{path}[{index}]");
        let read = match entry.as_str() {
            "" => Err("empty".to_owned()),
            WILDCARD if entries.len() > 1 => Err("`*` must stand alone".to_owned()),
            WILDCARD => Ok(Entry::Everything),
            _ => match kind {
                SubjectKind::Tool | SubjectKind::Prompt => name(kind, entry),
                SubjectKind::Resource => resource(entry),
            },
        };
        match read {
            Err(fault) => complaints.push(format!("{at}: {fault}")),
            Ok(_) if !seen.insert(entry) => {
                complaints.push(format!("{at}: `{entry}` appears twice"));
            }
            Ok(Entry::Everything) => everything = Some(Arc::from(at)),
            Ok(Entry::Name) => {
                names.insert(entry.clone(), Arc::from(at));
            }
            Ok(Entry::Resource { uri, prefix }) => {
                patterns.push(Pattern { uri, prefix, rule: Arc::from(at) });
            }
        }
    }
    match (everything, kind) {
        (Some(rule), _) => Grant::Everything(rule),
        (None, SubjectKind::Tool | SubjectKind::Prompt) => Grant::Named(names),
        (None, SubjectKind::Resource) => Grant::Resources(patterns),
    }
}

fn name(kind: SubjectKind, entry: &str) -> Result<Entry, String> {
    if entry.contains(WILDCARD) {
        let word = kind.word();
        return Err(format!(
            "`{entry}`: patterns are not read here; name the {word}, or `*` alone"
        ));
    }
    Ok(Entry::Name)
}

fn resource(entry: &str) -> Result<Entry, String> {
    let (text, prefix) = match entry.strip_suffix(WILDCARD) {
        Some(text) => (text, true),
        None => (entry, false),
    };
    if text.contains(WILDCARD) {
        return Err(format!("`{entry}`: `*` may stand at the end only"));
    }
    let Some((scheme, rest)) = uri::scheme(text) else {
        return Err(format!("`{entry}`: begin with a scheme, such as `file:`"));
    };
    // `https://company.org*` would reach `https://company.org.example`.
    let web = matches!(&*scheme, "http" | "https");
    if web && prefix && !rest.trim_start_matches('/').contains('/') {
        return Err(format!("`{entry}`: write the `/` after the host before `*`"));
    }
    let uri = if prefix { Reading::of_prefix(text) } else { Reading::of(text) };
    match uri {
        Ok(uri) => Ok(Entry::Resource { uri, prefix }),
        Err(fault) => Err(format!("`{entry}`: {fault}")),
    }
}
