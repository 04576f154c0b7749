//! What is offered, as the fixture says that this server and those in
//! `../node` share.

use std::collections::{BTreeMap, HashMap};
use std::sync::LazyLock;

use rmcp::model::{CallToolResult, Prompt, PromptMessage, Resource, ResourceTemplate, Tool};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// The fixture.
pub(crate) static CATALOGUE: LazyLock<Catalogue> = LazyLock::new(|| {
    serde_json::from_str(include_str!("../fixtures/everything.json")).expect("a valid fixture")
});

/// Questions by their keys, asked all at once.
pub(crate) type Round = BTreeMap<String, Value>;

/// Everything that is offered.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Catalogue {
    pub(crate) instructions: String,
    /// Tools in the order in which they are listed.
    pub(crate) tools: Vec<Tool>,
    /// Further tools, for servers with the extension for tasks.
    pub(crate) task_tools: Vec<Tool>,
    /// Results of tools that always answer the same.
    pub(crate) answers: HashMap<String, CallToolResult>,
    /// What tools and prompts ask before they answer, round by round.
    pub(crate) questions: HashMap<String, Vec<Round>>,
    /// Those of them that hand out a state.
    pub(crate) with_state: Vec<String>,
    pub(crate) resources: Vec<Resource>,
    pub(crate) resource_templates: Vec<ResourceTemplate>,
    /// Contents by URI or template of URIs.
    pub(crate) contents: HashMap<String, Value>,
    pub(crate) prompts: Vec<Prompt>,
    /// Messages of prompts, with names of arguments in braces.
    pub(crate) messages: HashMap<String, Value>,
    /// Completions by the name of the argument.
    pub(crate) completions: HashMap<String, Vec<String>>,
}

impl Catalogue {
    /// The messages of a prompt.
    pub(crate) fn prompt(
        &self,
        name: &str,
        arguments: &Map<String, Value>,
    ) -> Option<Vec<PromptMessage>> {
        self.messages.get(name).map(|messages| typed(filled(messages, arguments)))
    }

    /// The content of a resource.
    pub(crate) fn content(&self, uri: &str) -> Option<Value> {
        if let Some(content) = self.contents.get(uri) {
            return Some(content.clone());
        }
        let (template, content) = self.contents.iter().find(|(uri, _)| uri.contains('{'))?;
        let (before, after) = (template.split_once('{')?.0, template.split_once('}')?.1);
        let id = uri.strip_prefix(before)?.strip_suffix(after)?;
        let mut arguments = Map::new();
        arguments.insert("uri".to_owned(), uri.into());
        arguments.insert("id".to_owned(), id.into());
        Some(filled(content, &arguments))
    }
}

/// A value of the fixture as one of the SDK's types.
pub(crate) fn typed<T: DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).expect("the fixture holds what the SDK knows")
}

/// Puts arguments in for their names in braces, in every string.
pub(crate) fn filled(value: &Value, arguments: &Map<String, Value>) -> Value {
    match value {
        Value::String(text) => {
            let put = |text: String, (name, value): (&String, &Value)| {
                text.replace(&format!("{{{name}}}"), value.as_str().unwrap_or_default())
            };
            arguments.iter().fold(text.clone(), put).into()
        }
        Value::Array(values) => values.iter().map(|value| filled(value, arguments)).collect(),
        Value::Object(members) => members
            .iter()
            .map(|(name, value)| (name.clone(), filled(value, arguments)))
            .collect::<Map<_, _>>()
            .into(),
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
    }
}
