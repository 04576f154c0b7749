//! The steps, and what is reported of each.

use std::sync::PoisonError;
use std::time::Duration;

use rmcp::model::{
    CallToolRequest, CallToolRequestParams, CallToolResult, ClientRequest, GetPromptRequestParams,
    JsonObject, ReadResourceRequestParams,
};
use rmcp::service::{PeerRequestOptions, RoleClient, RunningService};
use serde_json::{Map, Value, json};

use crate::handler::{Handler, Progress};
use crate::{observed, told};

/// Longest time for a step: a step that hangs is a finding.
const PATIENCE: Duration = Duration::from_secs(20);

type Client = RunningService<RoleClient, Handler>;
type Outcome = Result<Value, String>;

/// What a handshake told of the server.
pub(crate) fn introduced(server: &Value) -> Value {
    json!({ "revision": server["protocolVersion"], "capabilities": server["capabilities"] })
}

/// Does all steps.
pub(crate) async fn run(client: &Client, told: &Progress, report: &mut Map<String, Value>) {
    keep(report, "list", list(client)).await;
    keep(report, "call", call(client)).await;
    keep(report, "progress", progress(client, told)).await;
    let question = json!({ "message": "Your name?" });
    keep(report, "elicitation", text(client, "ask", question)).await;
    let question = json!({ "prompt": "Which capital?" });
    keep(report, "sampling", text(client, "ask_model", question)).await;
    keep(report, "cancel", cancel(client)).await;
    keep(report, "resource", resource(client)).await;
    keep(report, "prompt", prompt(client)).await;
}

async fn keep(report: &mut Map<String, Value>, name: &str, work: impl Future<Output = Outcome>) {
    let outcome = match tokio::time::timeout(PATIENCE, work).await {
        Ok(Ok(value)) => json!({ "ok": value }),
        Ok(Err(error)) => json!({ "error": error }),
        Err(_) => json!({ "error": "hangs" }),
    };
    report.insert(name.to_owned(), outcome);
}

fn shown(error: impl std::error::Error) -> String {
    error.to_string()
}

fn params(tool: &'static str, arguments: Value) -> CallToolRequestParams {
    let arguments: JsonObject = serde_json::from_value(arguments).unwrap_or_default();
    CallToolRequestParams::new(tool).with_arguments(arguments)
}

async fn tool(client: &Client, name: &'static str, args: Value) -> Result<CallToolResult, String> {
    client.call_tool(params(name, args)).await.map_err(shown)
}

async fn list(client: &Client) -> Outcome {
    Ok(json!({
        "tools": client.list_all_tools().await.map_err(shown)?.len(),
        "prompts": client.list_all_prompts().await.map_err(shown)?.len(),
        "resources": client.list_all_resources().await.map_err(shown)?.len(),
        "templates": client.list_all_resource_templates().await.map_err(shown)?.len(),
    }))
}

async fn call(client: &Client) -> Outcome {
    let result = tool(client, "echo", json!({ "n": 42, "text": "é\u{2028}" })).await?;
    Ok(result.structured_content.unwrap_or_default())
}

async fn progress(client: &Client, told: &Progress) -> Outcome {
    let arguments = json!({ "count": 3, "interval_ms": 100 });
    told.lock().unwrap_or_else(PoisonError::into_inner).clear();
    tool(client, "count_progress", arguments).await?;
    Ok(json!(*told.lock().unwrap_or_else(PoisonError::into_inner)))
}

/// What a tool says; an error when it says that it failed.
async fn text(client: &Client, name: &'static str, arguments: Value) -> Outcome {
    let result = json!(tool(client, name, arguments).await?);
    let text = result["content"][0]["text"].clone();
    if result["isError"] == true {
        return Err(text.as_str().unwrap_or_default().to_owned());
    }
    Ok(text)
}

async fn cancel(client: &Client) -> Outcome {
    let tag = told("MCP_TAG");
    let request = CallToolRequest::new(params("slow_silent", json!({ "ms": 60_000, "tag": tag })));
    let request = ClientRequest::CallToolRequest(request);
    let options = PeerRequestOptions::no_options();
    let handle = client.send_cancellable_request(request, options).await.map_err(shown)?;
    observed::running(&told("MCP_OBSERVED"), &tag).await.map_err(shown)?;
    handle.cancel(Some("no longer wanted".to_owned())).await.map_err(shown)?;
    Ok(json!("rejected"))
}

async fn resource(client: &Client) -> Outcome {
    let params = ReadResourceRequestParams::new("test://static-text");
    let result = json!(client.read_resource(params).await.map_err(shown)?);
    Ok(result["contents"][0]["text"].clone())
}

async fn prompt(client: &Client) -> Outcome {
    let params = GetPromptRequestParams::new("test_simple_prompt");
    let result = json!(client.get_prompt(params).await.map_err(shown)?);
    Ok(result["messages"][0]["content"]["text"].clone())
}
