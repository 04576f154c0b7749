//! A service: its tools, its limits, its secret.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use actix_web::web::ServiceConfig;
use jsonschema::Validator;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use super::limits::Limits;
use super::resources::Resources;
use super::self_test::Check;
use super::tool::Tool;
use crate::clock::Clock;
use crate::protocol::mcp::meta;
use crate::protocol::revision;
use crate::secret::{Secret, Weakness};

/// How long a client may keep a list of tools, in milliseconds. The list
/// changes with the process only.
const LIST_TTL_MS: u64 = 300_000;

/// What a service consists of.
pub struct Definition {
    /// The service's name, as in `serverInfo` and `GET /health`.
    pub name: &'static str,
    /// A name for people.
    pub title: &'static str,
    /// The service's version.
    pub version: &'static str,
    /// For the model: how to use the tools.
    pub instructions: &'static str,
    /// The tools, in the order they are listed.
    pub tools: Vec<Arc<dyn Tool>>,
    /// What users can read beside calling tools, where there is something.
    pub resources: Option<Arc<dyn Resources>>,
    /// The limits.
    pub limits: Limits,
    /// Routes the service has beside the kit's. They are the service's to
    /// guard, with [`authorize`](super::authorize).
    pub routes: fn(&mut ServiceConfig),
    /// What `--self-test` tries, beside the kit's own checks.
    pub checks: Vec<Check>,
}

/// Why a definition is no service.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Two tools share a name.
    #[error("two tools are named `{0}`")]
    DoubledName(&'static str),
    /// A schema is none.
    #[error("the {which} schema of `{tool}` is not a JSON schema: {problem}")]
    Schema {
        /// The tool.
        tool: &'static str,
        /// `input` or `output`.
        which: &'static str,
        /// What the schema library says.
        problem: String,
    },
    /// The shared secret is not good enough to start with.
    #[error("the shared secret {0}")]
    WeakSecret(#[from] Weakness),
    /// A part could not be written as JSON.
    #[error("the list of tools cannot be written: {0}")]
    Unwritable(String),
}

/// A service, ready to answer.
pub struct Service {
    pub(super) definition: Definition,
    pub(super) secret: Option<Secret>,
    pub(super) clock: Clock,
    pub(super) started: Duration,
    pub(super) tools: BTreeMap<&'static str, Entry>,
    pub(super) slots: Arc<Semaphore>,
    pub(super) pages: Pages,
}

/// A tool and the schema its arguments are judged by.
pub(super) struct Entry {
    pub(super) tool: Arc<dyn Tool>,
    pub(super) schema: Validator,
}

/// Answers that never change, written once.
pub(super) struct Pages {
    pub(super) server_info: Value,
    pub(super) legacy_list: Box<RawValue>,
    pub(super) modern_list: Box<RawValue>,
    pub(super) discover: Box<RawValue>,
    pub(super) rest_list: Box<RawValue>,
    /// Of legacy clients; modern ones read them in `discover`.
    pub(super) legacy_capabilities: Value,
}

impl Service {
    /// Checks a definition and makes a service of it. Without a secret the
    /// service starts and refuses every call.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn new(
        definition: Definition,
        secret: Option<Secret>,
        clock: Clock,
    ) -> Result<Arc<Self>, Fault> {
        if let Some(secret) = &secret {
            secret.check_strength()?;
        }
        let mut tools = BTreeMap::new();
        let mut listed = Vec::with_capacity(definition.tools.len());
        for tool in &definition.tools {
            let descriptor = tool.descriptor();
            let name = descriptor.name;
            let schema = compile(name, "input", &descriptor.input_schema)?;
            if let Some(output) = &descriptor.output_schema {
                compile(name, "output", output)?;
            }
            let entry = Entry { tool: Arc::clone(tool), schema };
            if tools.insert(name, entry).is_some() {
                return Err(Fault::DoubledName(name));
            }
            listed.push(
                serde_json::to_value(&descriptor)
                    .map_err(|error| Fault::Unwritable(error.to_string()))?,
            );
        }
        let pages = Pages::write(&definition, &listed)
            .map_err(|error| Fault::Unwritable(error.to_string()))?;
        let slots = Arc::new(Semaphore::new(definition.limits.max_concurrent_calls.max(1)));
        let started = clock.monotonic();
        Ok(Arc::new(Self { definition, secret, clock, started, tools, slots, pages }))
    }

    /// The service's limits.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.definition.limits
    }

    /// How many calls are at work now, timed-out ones that have not yet
    /// stopped included.
    #[must_use]
    pub fn calls_at_work(&self) -> usize {
        let all = self.definition.limits.max_concurrent_calls.max(1);
        all.saturating_sub(self.slots.available_permits())
    }
}

fn compile(tool: &'static str, which: &'static str, schema: &Value) -> Result<Validator, Fault> {
    jsonschema::validator_for(schema).map_err(|error| Fault::Schema {
        tool,
        which,
        problem: error.to_string(),
    })
}

impl Pages {
    fn write(definition: &Definition, tools: &[Value]) -> Result<Self, serde_json::Error> {
        let raw = |value: &Value| serde_json::value::to_raw_value(value);
        let info = json!({
            "name": definition.name,
            "title": definition.title,
            "version": definition.version,
        });
        let about = json!({ meta::SERVER_INFO: info });
        let mut capabilities = json!({"tools": {}});
        let mut legacy_capabilities = json!({"tools": {"listChanged": false}});
        if definition.resources.is_some() {
            capabilities["resources"] = json!({});
            legacy_capabilities["resources"] = json!({"listChanged": false, "subscribe": false});
        }
        Ok(Self {
            legacy_list: raw(&json!({"tools": tools}))?,
            modern_list: raw(&json!({
                "resultType": "complete", "tools": tools,
                "ttlMs": LIST_TTL_MS, "cacheScope": "public", "_meta": about,
            }))?,
            discover: raw(&json!({
                "resultType": "complete", "supportedVersions": revision::supported(),
                "capabilities": capabilities, "instructions": definition.instructions,
                "ttlMs": LIST_TTL_MS, "cacheScope": "public", "_meta": about,
            }))?,
            rest_list: raw(&json!({"tools": tools, "count": tools.len()}))?,
            server_info: info,
            legacy_capabilities,
        })
    }
}
