//! Tools that go on as tasks, for clients that have declared the extension.

use std::time::Duration;

use rmcp::model::{
    CallToolResponse, CallToolResult, ClientCapabilities, ContentBlock, CreateTaskResult,
    ErrorData, JsonObject,
};
use rmcp::service::{RequestContext, RoleServer};
use rmcp::task_manager::{TaskContext, TaskExit, TaskManager, TaskOptions};
use serde_json::{Value, json};

use crate::catalogue::typed;
use crate::questions::Answers;

/// How long a task is kept, and how often a client is to look, in
/// milliseconds.
const TTL: u64 = 300_000;
const POLL: u64 = 100;

/// Calls one of the tools that are tasks; `None` when `tool` is none of them.
pub(crate) async fn call(
    tasks: &TaskManager,
    tool: &str,
    arguments: &JsonObject,
    answers: &Answers,
    context: &RequestContext<RoleServer>,
) -> Option<Result<CallToolResponse, ErrorData>> {
    let may = context.client_capabilities().is_some_and(|declared| declared.supports_tasks());
    let seconds = arguments.get("seconds").and_then(Value::as_f64).unwrap_or_default();
    let pause = Duration::from_secs_f64(seconds.clamp(0.0, 3600.0));
    let answers = json!(answers).to_string();
    let options = TaskOptions::new().with_ttl_ms(TTL).with_poll_interval_ms(POLL);
    let task = match tool {
        "slow_compute" if !may => {
            tokio::time::sleep(pause).await;
            return Some(Ok(done("Computed.").into()));
        }
        "slow_compute"
        | "failing_job"
        | "protocol_error_job"
        | "confirm_delete"
        | "multi_input"
        | "test_tool_with_task"
            if !may =>
        {
            let needed = ClientCapabilities::builder().enable_tasks().build();
            return Some(Err(ErrorData::missing_required_client_capability(needed)));
        }
        "slow_compute" => tasks.spawn(options, move |task| {
            Box::pin(async move {
                tokio::select! {
                    () = tokio::time::sleep(pause) => Ok(done("Computed.")),
                    () = task.cancelled() => Err(TaskExit::Cancelled),
                }
            })
        }),
        "failing_job" => tasks.spawn(options, |_| {
            Box::pin(async {
                tokio::time::sleep(Duration::from_millis(200)).await;
                Ok(CallToolResult::error(vec![ContentBlock::text("The job has failed.")]))
            })
        }),
        "protocol_error_job" => tasks.spawn(options, |_| {
            Box::pin(async {
                Err(ErrorData::internal_error("The server has failed.", None).into())
            })
        }),
        "confirm_delete" => tasks.spawn(options, |task| {
            Box::pin(async move {
                confirm(&task, "confirm").await?;
                Ok(done("Confirmed."))
            })
        }),
        "multi_input" => tasks.spawn(options, |task| {
            Box::pin(async move {
                tokio::try_join!(confirm(&task, "first"), confirm(&task, "second"))?;
                Ok(done("Confirmed twice."))
            })
        }),
        "test_tool_with_task" => tasks
            .spawn(options, move |_| Box::pin(async move { Ok(done(&format!("From {answers}"))) })),
        _ => return None,
    };
    Some(Ok(CreateTaskResult::new(task).into()))
}

async fn confirm(task: &TaskContext, key: &str) -> Result<Value, TaskExit> {
    let schema = json!({ "type": "object", "properties": { "confirm": { "type": "boolean" } } });
    let params = json!({ "message": "Really?", "requestedSchema": schema });
    task.request_input(key, typed(json!({ "method": "elicitation/create", "params": params })))
        .await
}

fn done(text: &str) -> CallToolResult {
    CallToolResult::success(vec![ContentBlock::text(text)])
}
