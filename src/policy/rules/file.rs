//! Reading the rules of `policy.yaml`.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use serde::Deserialize;
use serde_yaml::Value;

use super::condition::{Condition, large_stack};
use super::{Action, Actions, Redaction, Rule, SEPARATOR, When};
use crate::policy::lists;
use crate::policy::model::RulePath;
use crate::policy::names::{Builder, Names};
use crate::protocol::json_path::JsonPaths;
use crate::registry::SubjectKind;

/// Most rules of a file.
const MOST_RULES: usize = 100_000;

/// What the file says of actions, as it is written.
#[derive(Debug, Default)]
pub(in crate::policy) struct Section {
    /// In their order.
    pub(in crate::policy) rules: Vec<Value>,
    /// What becomes of what no rule fits.
    pub(in crate::policy) by_default: Option<String>,
    /// `read` or `write`, by tool.
    pub(in crate::policy) operations: BTreeMap<String, String>,
    /// Lists do not show what is denied whatever the arguments.
    pub(in crate::policy) hide_denied: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    tool: Option<String>,
    prompt: Option<String>,
    resource: Option<String>,
    server: Option<String>,
    action: String,
    when: Option<Condition_>,
    #[serde(default, alias = "redactFields")]
    redact_fields: Vec<String>,
    #[serde(default)]
    redact_audit_only: bool,
    #[serde(default)]
    redact_result: Vec<String>,
    /// For people.
    #[serde(default, rename = "description")]
    _description: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Condition_ {
    Expression(String),
    Equal(BTreeMap<String, serde_json::Value>),
}

/// Compiles the rules.
pub(in crate::policy) fn read(section: Section, complaints: &mut Vec<String>) -> Option<Actions> {
    let Section { rules, by_default, operations, hide_denied } = section;
    let default = match by_default.as_deref() {
        None | Some("deny") => Action::Deny,
        Some("allow") => Action::Allow,
        Some(other) => {
            complaints.push(format!("rules_default: `{other}` is neither allow nor deny"));
            Action::Deny
        }
    };
    if rules.is_empty() && by_default.is_none() {
        if hide_denied || !operations.is_empty() {
            complaints.push(
                "rules: without any, `hide_denied` and `operation_classes` mean \
                             nothing"
                    .to_owned(),
            );
        }
        return None;
    }
    if rules.len() > MOST_RULES {
        complaints.push(format!("rules: more than {MOST_RULES}"));
        return None;
    }
    let mut reader = Reader::default();
    let operations = reader.operations(operations);
    let entries: Vec<(RulePath, Entry)> = rules
        .into_iter()
        .enumerate()
        .filter_map(|(index, value)| {
            let path: RulePath = Arc::from(format!("rules[{index}]"));
            match serde_yaml::from_value(value) {
                Ok(entry) => Some((path, entry)),
                Err(error) => {
                    reader.complaints.push(format!("{path}: {error}"));
                    None
                }
            }
        })
        .collect();
    let conditioned =
        entries.iter().any(|(_, entry)| matches!(entry.when, Some(Condition_::Expression(_))));
    let reader = if conditioned {
        large_stack(move || reader.all(entries))
    } else {
        Some(reader.all(entries))
    };
    let Some(reader) = reader else {
        complaints.push("rules: the conditions cannot be compiled".to_owned());
        return None;
    };
    let Reader { rules, tools, prompts, resources, every_resource, complaints: found, .. } = reader;
    complaints.extend(found);
    let mut build = |names: Builder<usize>| {
        names.build().unwrap_or_else(|fault| {
            complaints.push(format!("rules: {fault}"));
            Names::default()
        })
    };
    let hides = |rule: &Rule| rule.redaction.as_ref().is_some_and(|it| it.kept.is_some());
    Some(Actions {
        redacts: rules.iter().any(hides),
        tools: build(tools),
        prompts: build(prompts),
        rules,
        resources,
        every_resource,
        by_default: default,
        default_path: Arc::from("rules_default"),
        operations,
        hide_denied,
    })
}

#[derive(Default)]
struct Reader {
    rules: Vec<Rule>,
    tools: Builder<usize>,
    prompts: Builder<usize>,
    resources: Vec<(crate::policy::model::Pattern, usize)>,
    every_resource: Vec<usize>,
    /// Conditions by their text: many rules often share one.
    conditions: HashMap<String, Arc<Condition>>,
    complaints: Vec<String>,
}

impl Reader {
    fn operations(
        &mut self,
        operations: BTreeMap<String, String>,
    ) -> HashMap<Box<str>, &'static str> {
        let mut read = HashMap::new();
        for (tool, class) in operations {
            match class.as_str() {
                _ if tool.is_empty() => {
                    self.complaints.push("operation_classes: an empty name".to_owned());
                }
                "read" => _ = read.insert(tool.into(), "read"),
                "write" => _ = read.insert(tool.into(), "write"),
                _ => self
                    .complaints
                    .push(format!("operation_classes.{tool}: `{class}` is neither read nor write")),
            }
        }
        read
    }

    fn all(mut self, entries: Vec<(RulePath, Entry)>) -> Self {
        self.rules.reserve_exact(entries.len());
        for (path, entry) in entries {
            if let Err((member, fault)) = self.one(&path, entry) {
                let dot = if member.is_empty() { "" } else { "." };
                self.complaints.push(format!("{path}{dot}{member}: {fault}"));
            }
        }
        self
    }

    fn one(&mut self, path: &RulePath, entry: Entry) -> Result<(), (&'static str, String)> {
        let number = self.rules.len();
        let about = match (&entry.tool, &entry.prompt, &entry.resource) {
            (Some(name), None, None) => (SubjectKind::Tool, name),
            (None, Some(name), None) => (SubjectKind::Prompt, name),
            (None, None, Some(uri)) => (SubjectKind::Resource, uri),
            _ => return Err(("", "needs one of `tool`, `prompt`, `resource`".to_owned())),
        };
        let (kind, name) = about;
        if name.is_empty() {
            return Err((kind.word(), "empty".to_owned()));
        }
        let named = |fault| (kind.word(), fault);
        match kind {
            SubjectKind::Tool => self.tools.add(name, number).map_err(named)?,
            SubjectKind::Prompt => self.prompts.add(name, number).map_err(named)?,
            SubjectKind::Resource if name == "*" => self.every_resource.push(number),
            SubjectKind::Resource => {
                let pattern = lists::uri(name, Arc::clone(path)).map_err(named)?;
                self.resources.push((pattern, number));
            }
        }
        let (action, redaction) = redaction(&entry, kind)?;
        let when = match entry.when {
            None => When::Always,
            Some(Condition_::Equal(wanted)) if wanted.is_empty() => When::Always,
            Some(Condition_::Equal(wanted)) => {
                When::Equal(wanted.into_iter().map(|(name, value)| (name.into(), value)).collect())
            }
            Some(Condition_::Expression(text)) => {
                When::Holds(self.condition(text).map_err(|fault| ("when", fault))?)
            }
        };
        if entry.server.as_deref() == Some("") {
            return Err(("server", "empty".to_owned()));
        }
        self.rules.push(Rule {
            path: Arc::clone(path),
            action,
            when,
            server: entry.server.map(Into::into),
            spelled: name.contains(SEPARATOR),
            redaction: redaction.map(Arc::new),
        });
        Ok(())
    }

    fn condition(&mut self, text: String) -> Result<Arc<Condition>, String> {
        if let Some(known) = self.conditions.get(&text) {
            return Ok(Arc::clone(known));
        }
        let condition = Arc::new(Condition::compile(&text)?);
        self.conditions.insert(text, Arc::clone(&condition));
        Ok(condition)
    }
}

/// What a rule does, and what it hides.
fn redaction(
    entry: &Entry,
    kind: SubjectKind,
) -> Result<(Action, Option<Redaction>), (&'static str, String)> {
    let hides = !entry.redact_fields.is_empty() || entry.redact_audit_only;
    let action = match entry.action.as_str() {
        "allow" | "redact" => Action::Allow,
        "deny" => Action::Deny,
        "approvalRequired" | "approval" => Action::Approval,
        other => {
            let known = "allow, deny, approvalRequired (or approval), redact";
            return Err(("action", format!("`{other}` is none of {known}")));
        }
    };
    let redacts = entry.action == "redact";
    if hides && !redacts {
        return Err(("redact_fields", "only with `action: redact`".to_owned()));
    }
    if kind == SubjectKind::Resource && (redacts || !entry.redact_result.is_empty()) {
        return Err(("action", "nothing of a resource can be redacted; deny it".to_owned()));
    }
    if kind == SubjectKind::Prompt && !entry.redact_result.is_empty() {
        return Err(("redact_result", "of tools only".to_owned()));
    }
    if !entry.redact_result.is_empty() && action != Action::Allow {
        return Err(("redact_result", "only with `action: redact` or `allow`".to_owned()));
    }
    if redacts && entry.redact_fields.is_empty() && entry.redact_result.is_empty() {
        return Err(("action", "redact needs `redact_fields` or `redact_result`".to_owned()));
    }
    if entry.redact_audit_only && entry.redact_fields.is_empty() {
        return Err(("redact_audit_only", "only with `redact_fields`".to_owned()));
    }
    let arguments = paths(&entry.redact_fields, "redact_fields")?;
    let result = paths(&entry.redact_result, "redact_result")?;
    let redaction = (arguments.is_some() || result.is_some()).then(|| Redaction {
        sent: arguments.clone().filter(|_| !entry.redact_audit_only),
        kept: arguments,
        result,
    });
    Ok((action, redaction))
}

/// Paths; a name without `$` is a member of the whole.
fn paths(
    texts: &[String],
    member: &'static str,
) -> Result<Option<JsonPaths>, (&'static str, String)> {
    if texts.is_empty() {
        return Ok(None);
    }
    let written = |text: &String| {
        if text.starts_with('$') || text.is_empty() {
            text.clone()
        } else {
            format!("$['{}']", text.replace('\\', "\\\\").replace('\'', "\\'"))
        }
    };
    let written: Vec<String> = texts.iter().map(written).collect();
    JsonPaths::read(&written)
        .map(Some)
        .map_err(|fault| (member, format!("[{}] {fault}", fault.index)))
}
