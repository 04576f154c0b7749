//! `tools.yaml`: reading it, and every complaint about it at once.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Value, json};

use super::model::{Backend, Record, RiskLevel, Scope, Snapshot, Tool};

/// First path segments that are not scopes.
const RESERVED: [&str; 4] = ["mcp", "admin", "files", "console"];
/// Meta-tools of the first generation; calling them says that they are gone.
pub(super) const REMOVED: [&str; 2] = ["find_tools", "call_tool"];
const MAX_NAME: usize = 128;
const MAX_TOOLS: usize = 10_000;

/// What the gateway allows a tool to ask for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// `timeout_ms` where a tool names none.
    pub(crate) default_timeout: Duration,
    /// The largest `timeout_ms`.
    pub(crate) max_timeout: Duration,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    backends: BTreeMap<String, BackendEntry>,
    #[serde(default)]
    scopes: BTreeMap<String, ScopeEntry>,
    #[serde(default)]
    tools: Vec<serde_yaml::Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BackendEntry {
    url: String,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct ScopeEntry {
    #[serde(default)]
    instructions: Option<Box<str>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ToolEntry {
    name: String,
    scope: String,
    #[serde(default)]
    title: Option<String>,
    #[serde(default)]
    description: String,
    backend: Option<String>,
    backend_url: Option<String>,
    #[serde(default = "low")]
    risk_level: RiskLevel,
    #[serde(default)]
    required_roles: Vec<String>,
    #[serde(default = "yes")]
    is_active: bool,
    input_schema: Option<Value>,
    output_schema: Option<Value>,
    annotations: Option<Value>,
    timeout_ms: Option<u64>,
}

fn low() -> RiskLevel {
    RiskLevel::Low
}

fn yes() -> bool {
    true
}

/// Reads the text of a registry file.
///
/// # Errors
/// Every complaint, each with the path of what it is about.
pub(crate) fn read(text: &str, bounds: Bounds) -> Result<Snapshot, Vec<String>> {
    // The untyped parse refuses duplicate keys, which a typed one would not see.
    let value: serde_yaml::Value = serde_yaml::from_str(text).map_err(|e| vec![e.to_string()])?;
    let file = if value.is_null() {
        File::default()
    } else {
        serde_yaml::from_value::<File>(value).map_err(|e| vec![e.to_string()])?
    };
    Builder::new(bounds).build(file)
}

struct Builder {
    bounds: Bounds,
    complaints: Vec<String>,
    backends: HashMap<String, Arc<Backend>>,
    scopes: Vec<Draft>,
    seen: HashSet<(String, String)>,
    records: Vec<Record>,
}

/// A scope in the making.
struct Draft {
    name: Arc<str>,
    instructions: Option<Box<str>>,
    tools: Vec<Arc<Tool>>,
}

impl Draft {
    fn new(name: &str, instructions: Option<Box<str>>) -> Self {
        Self { name: Arc::from(name), instructions, tools: Vec::new() }
    }
}

impl Builder {
    fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            complaints: Vec::new(),
            backends: HashMap::new(),
            scopes: Vec::new(),
            seen: HashSet::new(),
            records: Vec::new(),
        }
    }

    fn complain(&mut self, path: &str, what: impl std::fmt::Display) {
        self.complaints.push(format!("{path}: {what}"));
    }

    fn build(mut self, file: File) -> Result<Snapshot, Vec<String>> {
        for (name, entry) in file.backends {
            let path = format!("backends.{name}.url");
            if let Some(backend) = self.backend(&path, &name, &entry.url) {
                self.backends.insert(name, backend);
            }
        }
        for (name, entry) in file.scopes {
            if self.check_scope(&format!("scopes.{name}"), &name) {
                self.scopes.push(Draft::new(&name, entry.instructions));
            }
        }
        if file.tools.len() > MAX_TOOLS {
            self.complain("tools", format_args!("more than {MAX_TOOLS} entries"));
        }
        for (index, entry) in file.tools.into_iter().take(MAX_TOOLS).enumerate() {
            match serde_yaml::from_value::<ToolEntry>(entry) {
                Ok(entry) => self.tool(index, entry),
                Err(error) => self.complain(&format!("tools[{index}]"), error),
            }
        }
        if !self.complaints.is_empty() {
            return Err(self.complaints);
        }
        let order: Vec<Box<str>> =
            self.scopes.iter().map(|draft| Box::from(&*draft.name)).collect();
        let scopes = self
            .scopes
            .into_iter()
            .map(|Draft { name, instructions, tools }| {
                let by_name = tools.iter().map(|t| (Arc::clone(&t.name), Arc::clone(t))).collect();
                (Box::from(&*name), Arc::new(Scope { name, instructions, tools, by_name }))
            })
            .collect();
        Ok(Snapshot { scopes, order, records: self.records })
    }

    fn backend(&mut self, path: &str, name: &str, url: &str) -> Option<Arc<Backend>> {
        let parsed = match url.parse::<awc::http::Uri>() {
            Ok(uri)
                if matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some() =>
            {
                uri
            }
            Ok(_) | Err(_) => {
                self.complain(path, format_args!("`{url}` is not an http or https URL"));
                return None;
            }
        };
        if parsed.authority().is_some_and(|authority| authority.as_str().contains('@')) {
            self.complain(path, "a backend URL must not hold credentials");
            return None;
        }
        Some(Arc::new(Backend { name: Arc::from(name), url: parsed }))
    }

    fn check_scope(&mut self, path: &str, name: &str) -> bool {
        let fits = name.len() <= 63
            && name.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
            && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if !fits {
            self.complain(path, format_args!("scope `{name}`: use a-z, 0-9 and `-`, at most 63"));
        } else if RESERVED.contains(&name) {
            self.complain(path, format_args!("scope `{name}`: this path has another use"));
        } else {
            return true;
        }
        false
    }

    fn tool(&mut self, index: usize, entry: ToolEntry) {
        let at = format!("tools[{index}] ({})", entry.name.chars().take(64).collect::<String>());
        let before = self.complaints.len();
        if entry.name.is_empty()
            || entry.name.len() > MAX_NAME
            || entry.name.bytes().any(|b| !b.is_ascii_graphic())
        {
            self.complain(
                &format!("{at}.name"),
                format_args!("use 1 to {MAX_NAME} visible ASCII characters"),
            );
        }
        if REMOVED.contains(&&*entry.name) {
            self.complain(
                &format!("{at}.name"),
                "this name stands for a meta-tool that was removed",
            );
        }
        self.check_scope(&format!("{at}.scope"), &entry.scope);
        if !self.seen.insert((entry.scope.clone(), entry.name.clone())) {
            self.complain(
                &format!("{at}.name"),
                format_args!("scope `{}` has a tool of this name already", entry.scope),
            );
        }
        let backend = match (&entry.backend, &entry.backend_url) {
            (Some(name), None) => {
                let known = self.backends.get(name).cloned();
                if known.is_none() {
                    self.complain(
                        &format!("{at}.backend"),
                        format_args!("no backend `{name}` under `backends`"),
                    );
                }
                known
            }
            (None, Some(url)) => self.backend(&format!("{at}.backend_url"), url, url),
            (Some(_), Some(_)) | (None, None) => {
                self.complain(&at, "give exactly one of `backend` and `backend_url`");
                None
            }
        };
        let timeout = match entry.timeout_ms.map(Duration::from_millis) {
            None => self.bounds.default_timeout,
            Some(timeout) if !timeout.is_zero() && timeout <= self.bounds.max_timeout => timeout,
            Some(_) => {
                let most = self.bounds.max_timeout.as_millis();
                self.complain(&format!("{at}.timeout_ms"), format_args!("from 1 to {most}"));
                self.bounds.default_timeout
            }
        };
        let arguments = entry
            .input_schema
            .as_ref()
            .and_then(|schema| self.schema(&format!("{at}.input_schema"), schema));
        if let Some(schema) = &entry.input_schema
            && schema.get("type").and_then(Value::as_str) != Some("object")
        {
            self.complain(&format!("{at}.input_schema"), "`type` must be `object`");
        }
        if let Some(schema) = &entry.output_schema {
            self.schema(&format!("{at}.output_schema"), schema);
            if schema.get("type").and_then(Value::as_str) != Some("object") {
                self.complain(&format!("{at}.output_schema"), "`type` must be `object`");
            }
        }
        if entry.annotations.as_ref().is_some_and(|value| !value.is_object()) {
            self.complain(&format!("{at}.annotations"), "must be an object");
        }
        let (Some(backend), true) = (backend, self.complaints.len() == before) else { return };
        self.admit(entry, backend, timeout, arguments, &at);
    }

    fn schema(&mut self, path: &str, schema: &Value) -> Option<jsonschema::Validator> {
        match jsonschema::validator_for(schema) {
            Ok(validator) => Some(validator),
            Err(error) => {
                self.complain(path, error);
                None
            }
        }
    }

    fn admit(
        &mut self,
        entry: ToolEntry,
        backend: Arc<Backend>,
        timeout: Duration,
        arguments: Option<jsonschema::Validator>,
        at: &str,
    ) {
        let schema = entry.input_schema.clone().unwrap_or_else(|| json!({ "type": "object" }));
        let (Ok(listing), Ok(input_schema)) = (listing(&entry, &schema), to_raw_value(&schema))
        else {
            self.complain(at, "cannot be written as JSON");
            return;
        };
        let known = self.scopes.iter().position(|draft| *draft.name == *entry.scope);
        let scope = known.unwrap_or_else(|| {
            self.scopes.push(Draft::new(&entry.scope, None));
            self.scopes.len() - 1
        });
        self.records.push(Record {
            name: entry.name.clone(),
            scope: entry.scope.clone(),
            description: entry.description.clone(),
            backend_url: backend.url.to_string(),
            risk_level: entry.risk_level.as_str(),
            required_roles: entry.required_roles.clone(),
            is_active: entry.is_active,
            input_schema: input_schema.get().to_owned(),
        });
        if !entry.is_active {
            return;
        }
        let Draft { name, tools, .. } = &mut self.scopes[scope];
        tools.push(Arc::new(Tool {
            key: format!("{name}/{}", entry.name).into(),
            name: Arc::from(entry.name),
            scope: Arc::clone(name),
            backend,
            description: entry.description.into_boxed_str(),
            risk_level: entry.risk_level,
            required_roles: entry.required_roles.into_iter().map(Into::into).collect(),
            input_schema,
            arguments,
            has_output_schema: entry.output_schema.is_some(),
            listing,
            timeout,
        }));
    }
}

/// The entry of `tools/list`.
fn listing(entry: &ToolEntry, schema: &Value) -> serde_json::Result<Box<RawValue>> {
    let mut tool = serde_json::Map::new();
    tool.insert("name".to_owned(), json!(entry.name));
    if let Some(title) = &entry.title {
        tool.insert("title".to_owned(), json!(title));
    }
    tool.insert("description".to_owned(), json!(entry.description));
    tool.insert("inputSchema".to_owned(), schema.clone());
    if let Some(schema) = &entry.output_schema {
        tool.insert("outputSchema".to_owned(), schema.clone());
    }
    if let Some(annotations) = &entry.annotations {
        tool.insert("annotations".to_owned(), annotations.clone());
    }
    to_raw_value(&tool)
}
