//! `--self-test`: the service answers itself, without a network.

use std::sync::Arc;

use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Value, json};

use super::service::Service;
use super::tool::Descriptor;
use super::{endpoint, guard};
use crate::protocol::mcp::meta;
use crate::protocol::{codes, headers, revision};
use crate::secret::Secret;

/// One thing a service must be able to do.
pub struct Check {
    /// What is shown.
    what: &'static str,
    trial: Trial,
}

/// How it is tried.
enum Trial {
    /// A call of this tool with these arguments.
    Call(&'static str, Value, Expect),
    /// Something of the service's own, which tells what is wrong.
    Own(Box<dyn Fn() -> Result<(), String> + Send + Sync>),
}

/// What a call must give.
enum Expect {
    /// This structured content.
    Result(Value),
    /// `Invalid params`, with this message.
    Refusal(&'static str),
}

impl Check {
    /// A call of a tool gives this structured content.
    #[must_use]
    pub fn gives(
        what: &'static str,
        tool: &'static str,
        arguments: Value,
        structured: Value,
    ) -> Self {
        Self { what, trial: Trial::Call(tool, arguments, Expect::Result(structured)) }
    }

    /// A call of a tool is refused for its arguments, with this sentence.
    #[must_use]
    pub fn refuses(
        what: &'static str,
        tool: &'static str,
        arguments: Value,
        sentence: &'static str,
    ) -> Self {
        Self { what, trial: Trial::Call(tool, arguments, Expect::Refusal(sentence)) }
    }

    /// Something else holds; if not, it tells why.
    #[must_use]
    pub fn holds(
        what: &'static str,
        trial: impl Fn() -> Result<(), String> + Send + Sync + 'static,
    ) -> Self {
        Self { what, trial: Trial::Own(Box::new(trial)) }
    }
}

/// Runs every check and prints a line for each; true when all hold. The
/// service must have been made with `secret`.
pub(super) async fn run(service: &Arc<Service>, secret: &Secret) -> bool {
    let mut all = true;
    let mut show = |what: &str, problem: Option<String>| match problem {
        None => println!("ok    {what}"),
        Some(problem) => {
            all = false;
            println!("FAIL  {what}: {problem}");
        }
    };
    show("refuses a wrong secret", guard_refuses(service, Some("wrong")));
    show("refuses a missing secret", guard_refuses(service, None));
    show("accepts the gateway's secret", guard_accepts(service, secret));
    show("lists its tools, legacy", lists(service, false).await);
    show("lists its tools, modern", lists(service, true).await);
    let nonsense = endpoint::answer(service, &HeaderMap::new(), b"{").await;
    let code = parsed(nonsense.body.as_deref())["error"]["code"].clone();
    show("refuses what is not JSON", differs(&code, &json!(codes::PARSE_ERROR)));
    show("knows no other tool", knows_no_other(service).await);
    for tool in &service.definition.tools {
        let tool = tool.descriptor();
        show(&format!("describes {} whole", tool.name), description(service, &tool).await);
    }
    for check in &service.definition.checks {
        show(check.what, run_one(service, check).await);
    }
    all
}

async fn run_one(service: &Arc<Service>, check: &Check) -> Option<String> {
    let (tool, arguments, expect) = match &check.trial {
        Trial::Own(holds) => return holds().err(),
        Trial::Call(tool, arguments, expect) => (*tool, arguments, expect),
    };
    let params = json!({"name": tool, "arguments": arguments});
    let reply = ask(service, "tools/call", params, false).await;
    match expect {
        Expect::Result(expected) => {
            let found = &reply["result"]["structuredContent"];
            differs(found, expected).or_else(|| unfit(service, tool, found))
        }
        Expect::Refusal(sentence) => {
            differs(&reply["error"]["code"], &json!(codes::INVALID_PARAMS))
                .or_else(|| differs(&reply["error"]["message"], &json!(sentence)))
        }
    }
}

async fn knows_no_other(service: &Arc<Service>) -> Option<String> {
    let reply = ask(service, "tools/call", json!({"name": "no_such_tool"}), false).await;
    differs(&reply["error"]["code"], &json!(codes::tool::NOT_FOUND))
}

/// What is missing or wrong in how a tool presents itself.
async fn description(service: &Arc<Service>, tool: &Descriptor) -> Option<String> {
    let object = json!("object");
    if tool.title.is_empty() || tool.description.is_empty() {
        return Some("it has no title or no description".to_owned());
    }
    if tool.input_schema["additionalProperties"] != false || tool.input_schema["type"] != object {
        return Some("its input schema is not of an object with known members only".to_owned());
    }
    if tool.output_schema.as_ref().is_none_or(|schema| schema["type"] != object) {
        return Some("its output schema is not of an object".to_owned());
    }
    let params = json!({"name": tool.name, "arguments": {"no such argument": true}});
    let reply = ask(service, "tools/call", params, false).await;
    differs(&reply["error"]["code"], &json!(codes::INVALID_PARAMS))
}

/// What of a result is not as the tool says that results are.
fn unfit(service: &Service, name: &str, result: &Value) -> Option<String> {
    let mut tools = service.definition.tools.iter().map(|tool| tool.descriptor());
    let schema = tools.find(|tool| tool.name == name)?.output_schema?;
    match jsonschema::validator_for(&schema) {
        Ok(validator) => validator.iter_errors(result).next().map(|error| error.to_string()),
        Err(error) => Some(error.to_string()),
    }
}

async fn lists(service: &Arc<Service>, modern: bool) -> Option<String> {
    let reply = ask(service, "tools/list", json!({}), modern).await;
    let listed = reply["result"]["tools"].as_array().map_or(0, Vec::len);
    differs(&json!(listed), &json!(service.definition.tools.len()))
}

async fn ask(service: &Arc<Service>, method: &str, mut params: Value, modern: bool) -> Value {
    let mut sent = HeaderMap::new();
    if modern {
        let version = revision::MODERN[0];
        params["_meta"] = json!({meta::PROTOCOL_VERSION: version, meta::CLIENT_CAPABILITIES: {}});
        insert(&mut sent, headers::PROTOCOL_VERSION, version);
        insert(&mut sent, headers::METHOD, method);
    }
    let message = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
    let answer = endpoint::answer(service, &sent, message.to_string().as_bytes()).await;
    parsed(answer.body.as_deref())
}

fn guard_refuses(service: &Service, presented: Option<&str>) -> Option<String> {
    let mut sent = HeaderMap::new();
    if let Some(presented) = presented {
        insert(&mut sent, headers::GATEWAY_AUTH, presented);
    }
    guard::authorize(service, &sent).is_ok().then(|| "it was let in".to_owned())
}

fn guard_accepts(service: &Service, secret: &Secret) -> Option<String> {
    let mut sent = HeaderMap::new();
    insert(&mut sent, headers::GATEWAY_AUTH, secret.expose());
    guard::authorize(service, &sent).err().map(|refused| refused.to_string())
}

fn insert(sent: &mut HeaderMap, name: &'static str, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        sent.insert(HeaderName::from_static(name), value);
    }
}

fn parsed(body: Option<&[u8]>) -> Value {
    body.and_then(|body| serde_json::from_slice(body).ok()).unwrap_or_default()
}

fn differs(found: &Value, expected: &Value) -> Option<String> {
    (found != expected).then(|| format!("expected {expected}, got {found}"))
}
