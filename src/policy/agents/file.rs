//! Reading profiles: from `policy.yaml`, or from a `.mcp-gateway-rules.json`
//! as the agent gateway has it (B-8, B-15).

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use serde::Deserialize;
use serde_yaml::Value;

use super::{Agent, Agents, EVERY_SERVER, List, Precedence, Side};
use crate::policy::lists;
use crate::policy::model::{ByKind, RulePath};
use crate::policy::names::Builder;
use crate::registry::SubjectKind;

/// What both files say of profiles, as it is written.
#[derive(Debug, Default)]
pub(in crate::policy) struct Section {
    /// By id.
    pub(in crate::policy) agents: BTreeMap<String, Value>,
    /// What holds for all of them.
    pub(in crate::policy) defaults: Option<Value>,
    /// Which of two rules wins.
    pub(in crate::policy) precedence: Precedence,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rules {
    agents: BTreeMap<String, Value>,
    defaults: Option<Value>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Defaults {
    deny_on_missing_agent: Option<bool>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    #[serde(default)]
    allow: Sides,
    #[serde(default)]
    deny: Sides,
    /// For people.
    #[serde(default, rename = "description")]
    _description: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sides {
    #[serde(default)]
    servers: Vec<String>,
    #[serde(default)]
    tools: BTreeMap<String, Vec<String>>,
    #[serde(default)]
    prompts: BTreeMap<String, Vec<String>>,
    #[serde(default)]
    resources: BTreeMap<String, Vec<String>>,
}

/// Reads a `.mcp-gateway-rules.json`.
///
/// # Errors
/// What is wrong with the whole of it.
pub(in crate::policy) fn read_json(
    text: &str,
    precedence: Precedence,
) -> Result<Section, Vec<String>> {
    // Into a value that refuses duplicate keys.
    let value: Value = serde_json::from_str(text).map_err(|error| vec![error.to_string()])?;
    let rules: Rules = serde_yaml::from_value(value).map_err(|error| vec![error.to_string()])?;
    Ok(Section { agents: rules.agents, defaults: rules.defaults, precedence })
}

/// Compiles the profiles. `fallback` is the profile of callers without one, by
/// the settings.
pub(in crate::policy) fn read_section(
    section: Section,
    fallback: Option<&str>,
    complaints: &mut Vec<String>,
) -> Option<Agents> {
    let defaults = section.defaults.map(serde_yaml::from_value::<Defaults>).transpose();
    let defaults = defaults.unwrap_or_else(|error| {
        complaints.push(format!("defaults: {error}"));
        None
    });
    if section.agents.is_empty() && defaults.is_none() {
        return None;
    }
    let mut by_id = HashMap::new();
    for (id, entry) in section.agents {
        let path = format!("agents.{id}");
        let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
        if id.is_empty() || !id.chars().all(legal) {
            complaints.push(format!("{path}: an id has letters, digits, `_`, `.` and `-` only"));
        }
        match serde_yaml::from_value::<Entry>(entry) {
            Ok(entry) => {
                let allow = side(entry.allow, &format!("{path}.allow"), complaints);
                let deny = side(entry.deny, &format!("{path}.deny"), complaints);
                by_id.insert(id.into(), Agent { allow, deny, path: Arc::from(path) });
            }
            Err(error) => complaints.push(format!("{path}: {error}")),
        }
    }
    Some(Agents {
        by_id,
        deny_on_missing: defaults.and_then(|it| it.deny_on_missing_agent).unwrap_or(true),
        precedence: section.precedence,
        fallback: fallback.map(Into::into),
        missing: Arc::from("agents"),
    })
}

fn side(sides: Sides, path: &str, complaints: &mut Vec<String>) -> Side {
    let mut servers = HashMap::new();
    let mut every_server = None;
    for (index, server) in sides.servers.iter().enumerate() {
        let at = format!("{path}.servers[{index}]");
        match server.as_str() {
            "" => complaints.push(format!("{at}: empty")),
            EVERY_SERVER => every_server = Some(Arc::from(at)),
            name if name.contains('*') => {
                complaints.push(format!("{at}: `{name}`: `*` may only stand alone"));
            }
            name => _ = servers.insert(name.into(), Arc::from(at)),
        }
    }
    let mut lists_of = |kind: SubjectKind, by_server: BTreeMap<String, Vec<String>>| {
        let word = kind.word();
        let each = by_server.into_iter().map(|(server, entries)| {
            let at = format!("{path}.{word}s.{server}");
            let list = list(kind, &entries, &at, complaints);
            (server.into(), list)
        });
        each.collect::<HashMap<Box<str>, List>>()
    };
    let rules = ByKind {
        tools: lists_of(SubjectKind::Tool, sides.tools),
        prompts: lists_of(SubjectKind::Prompt, sides.prompts),
        resources: lists_of(SubjectKind::Resource, sides.resources),
    };
    Side { servers, every_server, rules }
}

fn list(kind: SubjectKind, entries: &[String], path: &str, complaints: &mut Vec<String>) -> List {
    let mut names = Builder::default();
    let mut uris = Vec::new();
    for (index, entry) in entries.iter().enumerate() {
        let at: RulePath = Arc::from(format!("{path}[{index}]"));
        let read = match (entry.as_str(), kind) {
            ("", _) => Err("empty".to_owned()),
            ("*", _) | (_, SubjectKind::Tool | SubjectKind::Prompt) => {
                one_star(entry).and_then(|()| names.add_simple(entry, Arc::clone(&at)))
            }
            (_, SubjectKind::Resource) => {
                lists::uri(entry, Arc::clone(&at)).map(|pattern| uris.push(pattern))
            }
        };
        if let Err(fault) = read {
            complaints.push(format!("{at}: {fault}"));
        }
    }
    let names = names.build().unwrap_or_else(|fault| {
        complaints.push(format!("{path}: {fault}"));
        crate::policy::names::Names::default()
    });
    List { names, uris }
}

/// B-15: at most one `*`, at the start, at the end, or alone.
fn one_star(entry: &str) -> Result<(), String> {
    let stars = entry.matches('*').count();
    let at_an_end = entry.starts_with('*') || entry.ends_with('*');
    match stars {
        0 => Ok(()),
        1 if at_an_end => Ok(()),
        _ => Err(format!("`{entry}`: one `*` at most, at the beginning or the end")),
    }
}
