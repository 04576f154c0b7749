//! Laying one layer over another, with the `config` crate.

use std::error::Error;

use config::{Config, ConfigError, File, FileStoredFormat, Format, Map, Source, Value, ValueKind};

use super::document::Node;
use super::schema::Leaf;

/// The defaults, compiled into the binary.
pub(crate) const DEFAULTS: &str = include_str!("../../config/default.yaml");

/// YAML for the `config` crate, read by the same parser as all other files:
/// its own feature would bring a second one with other rules.
#[derive(Clone, Copy, Debug)]
struct Yaml;

impl Format for Yaml {
    fn parse(
        &self,
        _uri: Option<&String>,
        text: &str,
    ) -> Result<Map<String, Value>, Box<dyn Error + Send + Sync>> {
        let node = Node::parse(text).map_err(|(message, _)| message)?;
        table(node).ok_or_else(|| "the root must be a mapping".into())
    }
}

impl FileStoredFormat for Yaml {
    fn file_extensions(&self) -> &'static [&'static str] {
        &["yaml", "yml"]
    }
}

/// Values that were checked one by one, as a source.
#[derive(Clone, Debug)]
struct Layer(Map<String, Value>);

impl Source for Layer {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, Value>, ConfigError> {
        Ok(self.0.clone())
    }
}

impl Layer {
    fn of<'a>(leaves: impl IntoIterator<Item = &'a Leaf>) -> Self {
        let mut root = Node::Map(Vec::new());
        leaves.into_iter().for_each(|leaf| root.put(&leaf.path.0, leaf.value.clone()));
        Self(table(root).unwrap_or_default())
    }
}

/// The defaults, overlaid by the file's values and then by those of the
/// environment. Mappings are merged, lists and values replaced.
///
/// # Errors
/// Only when the compiled-in defaults do not parse.
pub(super) fn compose(leaves: &[Leaf]) -> Result<serde_yaml::Value, ConfigError> {
    Config::builder()
        .add_source(File::from_str(DEFAULTS, Yaml))
        .add_source(Layer::of(leaves.iter().filter(|leaf| leaf.variable.is_none())))
        .add_source(Layer::of(leaves.iter().filter(|leaf| leaf.variable.is_some())))
        .build()?
        .try_deserialize()
}

fn table(node: Node) -> Option<Map<String, Value>> {
    match node {
        Node::Map(entries) => {
            Some(entries.into_iter().map(|(key, node)| (key, value(node))).collect())
        }
        Node::Null
        | Node::Flag(_)
        | Node::Integer(_)
        | Node::Float(_)
        | Node::Text(_)
        | Node::List(_) => None,
    }
}

/// The same value for the `config` crate. Kinds stay as they are: a text is
/// never turned into a number or back.
fn value(node: Node) -> Value {
    let kind = match node {
        Node::Null => ValueKind::Nil,
        Node::Flag(flag) => ValueKind::Boolean(flag),
        Node::Integer(number) => i64::try_from(number)
            .map(ValueKind::I64)
            .or_else(|_| u64::try_from(number).map(ValueKind::U64))
            // Fits no setting: leave a value that every setting refuses.
            .unwrap_or(ValueKind::Float(f64::INFINITY)),
        Node::Float(number) => ValueKind::Float(number),
        Node::Text(text) => ValueKind::String(text),
        Node::List(items) => ValueKind::Array(items.into_iter().map(value).collect()),
        Node::Map(entries) => {
            ValueKind::Table(entries.into_iter().map(|(key, inner)| (key, value(inner))).collect())
        }
    };
    Value::new(None, kind)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::document::Path;

    fn leaf(path: &str, value: Node, variable: Option<&str>) -> Leaf {
        Leaf { path: Path::dotted(path), value, variable: variable.map(str::to_owned) }
    }

    #[test]
    fn the_environment_lies_over_the_file_and_the_file_over_the_defaults() {
        let text = |text: &str| Node::Text(text.to_owned());
        let composed = compose(&[
            leaf("telemetry.log_level", text("environment"), Some("MCP_LOG_LEVEL")),
            leaf("telemetry.log_level", text("file"), None),
            leaf("telemetry.app_name", text("file"), None),
            leaf("auth.default.allowed_algorithms", Node::List(Vec::new()), None),
        ])
        .unwrap();
        assert_eq!(composed["telemetry"]["log_level"], "environment");
        assert_eq!(composed["telemetry"]["app_name"], "file");
        assert_eq!(composed["telemetry"]["log_format"], "json");
        assert_eq!(
            composed["auth"]["default"]["allowed_algorithms"].as_sequence().unwrap().len(),
            0
        );
    }

    #[test]
    fn texts_that_look_like_numbers_stay_texts() {
        for odd in ["007", "1e5", "true", "null", "0x10", "1_000", " x "] {
            let leaf = leaf("upstream.shared_secret", Node::Text(odd.to_owned()), Some("X"));
            assert_eq!(compose(&[leaf]).unwrap()["upstream"]["shared_secret"], odd);
        }
    }
}
