//! Declared tools.

use std::sync::Arc;
use std::time::Duration;

use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Value, json};

use super::build::Builder;
use super::file::ToolEntry;
use super::hidden::MOST_NAME;
use super::model::{Backend, Record, Tool};
use super::resolve::REMOVED;
use super::scope::Dormant;
use crate::protocol::json_path::JsonPaths;

const MAX_NAME: usize = MOST_NAME;

impl Builder {
    /// An entry of `tools`.
    pub(super) fn tool(&mut self, index: usize, entry: ToolEntry) {
        let at = format!("tools[{index}] ({})", entry.name.chars().take(64).collect::<String>());
        let before = self.faults();
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
            (Some(name), None) => self.backend_of_name(&format!("{at}.backend"), name),
            (None, Some(url)) => self.backend_of_url(&format!("{at}.backend_url"), url),
            (Some(_), Some(_)) | (None, None) => {
                self.complain(&at, "give exactly one of `backend` and `backend_url`");
                None
            }
        };
        let default = backend.as_ref().map_or(self.bounds.default_timeout, |b| b.timeout);
        let timeout = self.timeout(&format!("{at}.timeout_ms"), entry.timeout_ms, default);
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
        let paths = self.redactions(&at, &entry);
        let Some(backend) = backend else { return };
        self.check_prefix(&at, &entry, &backend);
        if self.faults() == before {
            if let Some(paths) = paths {
                let scope = self.scopes.iter().find(|scope| *scope.name == *entry.scope);
                let split = scope.and_then(|scope| scope.split(&entry.name));
                let inner = split.map_or(&*entry.name, |(_, inner)| inner);
                self.hidden.add(&backend, (&entry.name, inner), &paths);
            }
            self.admit(entry, backend, (timeout, arguments), &at);
        }
    }

    /// A name with a backend's prefix is that backend's.
    fn check_prefix(&mut self, at: &str, entry: &ToolEntry, backend: &Backend) {
        let scope = self.scopes.iter().find(|scope| *scope.name == *entry.scope);
        let prefix = scope.and_then(|scope| {
            let (index, _) = scope.split(&entry.name)?;
            scope.backend_at(index).map(Arc::clone)
        });
        if let Some(prefix) = prefix
            && prefix.id != backend.id
        {
            self.complain(
                &format!("{at}.backend"),
                format_args!("the name says that backend `{}` has this tool", prefix.name),
            );
        }
    }

    /// What the audit trail must not keep.
    fn redactions(&mut self, at: &str, entry: &ToolEntry) -> Option<JsonPaths> {
        if entry.redact.is_empty() {
            return None;
        }
        match JsonPaths::read(&entry.redact) {
            Ok(paths) => Some(paths),
            Err(error) => {
                self.complain(&format!("{at}.redact[{}]", error.index), error);
                None
            }
        }
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
        (timeout, arguments): (Duration, Option<jsonschema::Validator>),
        at: &str,
    ) {
        let schema = entry.input_schema.clone().unwrap_or_else(|| json!({ "type": "object" }));
        let (Ok(listing), Ok(input_schema)) = (listing(&entry, &schema), to_raw_value(&schema))
        else {
            self.complain(at, "cannot be written as JSON");
            return;
        };
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
        let scope = self.scope(&entry.scope);
        let name: Arc<str> = Arc::from(&*entry.name);
        let inner = match scope.split(&name) {
            Some((_, inner)) => Arc::from(inner),
            None => Arc::clone(&name),
        };
        let required_roles = entry.required_roles.into_iter().map(Into::into).collect();
        if !entry.is_active {
            scope.withhold(&name, Dormant { inner, backend, required_roles });
            return;
        }
        let tool = Tool {
            key: format!("{}/{name}", scope.name).into(),
            name,
            inner,
            scope: Arc::clone(&scope.name),
            backend_index: scope.place(&backend),
            backend,
            description: entry.description.into_boxed_str(),
            risk_level: entry.risk_level,
            required_roles,
            input_schema,
            arguments,
            has_output_schema: entry.output_schema.is_some(),
            listing,
            timeout,
        };
        scope.declare(Arc::new(tool));
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
