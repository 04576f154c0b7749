//! The lists of a policy file: names of tools and prompts, URIs of resources.

use std::collections::HashSet;
use std::sync::Arc;

use super::model::{Grant, Pattern, RulePath};
use super::names::{Builder, Names};
use super::uri::{self, Reading};
use crate::registry::SubjectKind;

const WILDCARD: &str = "*";

/// One entry of a list.
enum Entry {
    Everything,
    Name,
    Resource(Pattern),
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
    let mut names = Builder::default();
    let mut patterns = Vec::new();
    for (index, entry) in entries.iter().enumerate() {
        let at: RulePath = Arc::from(format!("{path}[{index}]"));
        let read = match entry.as_str() {
            "" => Err("empty".to_owned()),
            WILDCARD if entries.len() > 1 => Err("`*` must stand alone".to_owned()),
            WILDCARD => Ok(Entry::Everything),
            _ => match kind {
                SubjectKind::Tool | SubjectKind::Prompt => Ok(Entry::Name),
                SubjectKind::Resource => uri(entry, Arc::clone(&at)).map(Entry::Resource),
            },
        };
        match read {
            Err(fault) => complaints.push(format!("{at}: {fault}")),
            Ok(_) if !seen.insert(entry) => {
                complaints.push(format!("{at}: `{entry}` appears twice"));
            }
            Ok(Entry::Everything) => everything = Some(at),
            Ok(Entry::Name) => {
                if let Err(fault) = names.add(entry, Arc::clone(&at)) {
                    complaints.push(format!("{at}: `{entry}` {fault}"));
                }
            }
            Ok(Entry::Resource(pattern)) => patterns.push(pattern),
        }
    }
    let names = names.build().unwrap_or_else(|fault| {
        complaints.push(format!("{path}: {fault}"));
        Names::default()
    });
    match (everything, kind) {
        (Some(rule), _) => Grant::Everything(rule),
        (None, SubjectKind::Tool | SubjectKind::Prompt) => Grant::Named(names),
        (None, SubjectKind::Resource) => Grant::Resources(patterns),
    }
}

/// Reads the URI of a resource, or the beginning of many.
///
/// # Errors
/// What is wrong with it.
pub(super) fn uri(entry: &str, rule: RulePath) -> Result<Pattern, String> {
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
        Ok(uri) => Ok(Pattern { uri, prefix, rule }),
        Err(fault) => Err(format!("`{entry}`: {fault}")),
    }
}
