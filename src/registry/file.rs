//! `tools.yaml`: the shapes of its entries, and reading it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use super::build::Builder;
use super::model::{EraSetting, RiskLevel, Snapshot};
use super::scope::Namespace;

/// Largest file that is read, in bytes.
const MOST_TEXT: u64 = 16 * 1024 * 1024;

/// What the gateway allows a tool or a backend to ask for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// `timeout_ms` where neither a tool nor its backend names one.
    pub(crate) default_timeout: Duration,
    /// The largest `timeout_ms`.
    pub(crate) max_timeout: Duration,
}

/// Entries stay untyped until they are built, so that the complaints about
/// all of them can be told at once.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Entries {
    #[serde(default)]
    pub(super) backends: BTreeMap<String, serde_yaml::Value>,
    #[serde(default)]
    pub(super) scopes: BTreeMap<String, serde_yaml::Value>,
    #[serde(default)]
    pub(super) tools: Vec<serde_yaml::Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BackendEntry {
    pub(super) url: String,
    #[serde(default)]
    pub(super) era: EraSetting,
    #[serde(default)]
    pub(super) stateless: bool,
    pub(super) timeout_ms: Option<u64>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ScopeEntry {
    #[serde(default)]
    pub(super) instructions: Option<Box<str>>,
    #[serde(default)]
    pub(super) backends: Vec<String>,
    #[serde(default)]
    pub(super) namespace: Namespace,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ToolEntry {
    pub(super) name: String,
    pub(super) scope: String,
    #[serde(default)]
    pub(super) title: Option<String>,
    #[serde(default)]
    pub(super) description: String,
    pub(super) backend: Option<String>,
    pub(super) backend_url: Option<String>,
    #[serde(default = "low")]
    pub(super) risk_level: RiskLevel,
    #[serde(default)]
    pub(super) required_roles: Vec<String>,
    #[serde(default = "yes")]
    pub(super) is_active: bool,
    pub(super) input_schema: Option<Value>,
    pub(super) output_schema: Option<Value>,
    pub(super) annotations: Option<Value>,
    pub(super) timeout_ms: Option<u64>,
    #[serde(default)]
    pub(super) redact: Vec<String>,
}

fn low() -> RiskLevel {
    RiskLevel::Low
}

fn yes() -> bool {
    true
}

/// The text of a registry file.
///
/// # Errors
/// When it cannot be read, or is larger than 16 MiB.
pub(super) fn text(path: &Path) -> std::io::Result<String> {
    let mut text = String::new();
    let read = File::open(path)?.take(MOST_TEXT + 1).read_to_string(&mut text)?;
    if read as u64 > MOST_TEXT {
        return Err(std::io::Error::other(format!("is larger than {MOST_TEXT} bytes")));
    }
    Ok(text)
}

/// Reads the text of a registry file. Backends that `before` has, too, keep
/// their ids.
///
/// # Errors
/// Every complaint, each with the path of what it is about.
pub(crate) fn read(
    text: &str,
    bounds: Bounds,
    before: Option<&Snapshot>,
) -> Result<Snapshot, Vec<String>> {
    // The untyped parse refuses duplicate keys, which a typed one would not see.
    let value: serde_yaml::Value = serde_yaml::from_str(text).map_err(|e| vec![e.to_string()])?;
    let file = if value.is_null() {
        Entries::default()
    } else {
        serde_yaml::from_value::<Entries>(value).map_err(|e| vec![e.to_string()])?
    };
    Builder::new(bounds, before).build(file)
}
