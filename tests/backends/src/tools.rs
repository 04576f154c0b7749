//! What the tools do.

use std::time::Duration;

use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, ErrorData, JsonObject,
    LoggingLevel, LoggingMessageNotificationParam, ProgressNotificationParam, ResultType,
};
use rmcp::service::{RequestContext, RoleServer};
use serde_json::{Value, json};

use crate::catalogue::CATALOGUE;
use crate::everything::{Everything, is_modern};
use crate::news::Change;
use crate::questions::{self, Outcome, Retry};
use crate::sessions::AnswerStream;
use crate::tasks;

/// Pause between two messages of a tool.
const PAUSE: Duration = Duration::from_millis(50);

/// Calls a tool.
pub(crate) async fn call(
    server: &Everything,
    request: CallToolRequestParams,
    context: &RequestContext<RoleServer>,
) -> Result<CallToolResponse, ErrorData> {
    let name = request.name.as_ref();
    let arguments = request.arguments.unwrap_or_default();
    if let Some(answer) = CATALOGUE.answers.get(name) {
        let mut answer = answer.clone();
        // Taken away again by the SDK where the client knows no such thing.
        answer.result_type = Some(ResultType::COMPLETE);
        return Ok(answer.into());
    }
    let retry = Retry { responses: request.input_responses, state: request.request_state };
    let answers = match questions::ask(name, &arguments, retry, context).await? {
        Outcome::Answered(answers) => answers,
        Outcome::Ask(required) => return Ok(required.into()),
    };
    let task = tasks::call(&server.shared.tasks, name, &arguments, &answers, context).await;
    if let Some(response) = task {
        return response;
    }
    if !answers.is_empty() {
        return Ok(text(json!(answers).to_string()));
    }
    let number = |name: &str| arguments.get(name).and_then(Value::as_u64).unwrap_or_default();
    match name {
        "echo" => Ok(echo(arguments)),
        "greet" => Ok(text(format!("Hello, {}!", string(&arguments, "name")))),
        "slow_silent" => {
            tokio::time::sleep(Duration::from_millis(number("ms"))).await;
            Ok(text("Waited.".to_owned()))
        }
        "big" => {
            let bytes = usize::try_from(number("bytes")).unwrap_or(usize::MAX);
            Ok(text("x".repeat(bytes.min(1 << 30))))
        }
        "test_tool_with_progress" => {
            progress(context, 3, PAUSE, 50).await;
            Ok(text("Progressed.".to_owned()))
        }
        "count_progress" => {
            let pause = Duration::from_millis(number("interval_ms"));
            progress(context, number("count"), pause, 1).await;
            Ok(text("Counted.".to_owned()))
        }
        "test_tool_with_logging" => {
            for message in
                ["Tool execution started", "Tool processing data", "Tool execution completed"]
            {
                log(server, context, message).await;
                tokio::time::sleep(PAUSE).await;
            }
            Ok(text("Logged.".to_owned()))
        }
        "test_logging_tool" => {
            log(server, context, "Logged on demand").await;
            Ok(text("Logged.".to_owned()))
        }
        "test_reconnection" => {
            if let Some(stream) = context.extensions.get::<AnswerStream>() {
                stream.close().await;
                tokio::time::sleep(2 * PAUSE).await;
            }
            Ok(text("Answered after all.".to_owned()))
        }
        "test_trigger_tool_change" => Ok(tell(server, Change::Tools)),
        "test_trigger_prompt_change" => Ok(tell(server, Change::Prompts)),
        "trigger" => trigger(server, &arguments),
        _ => Err(ErrorData::invalid_params(format!("Unknown tool: {name}"), None)),
    }
}

fn text(text: String) -> CallToolResponse {
    CallToolResult::success(vec![ContentBlock::text(text)]).into()
}

fn string<'a>(arguments: &'a JsonObject, name: &str) -> &'a str {
    arguments.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn echo(arguments: JsonObject) -> CallToolResponse {
    let arguments = Value::Object(arguments);
    let mut result = CallToolResult::success(vec![ContentBlock::text(arguments.to_string())]);
    result.structured_content = Some(arguments);
    result.into()
}

fn tell(server: &Everything, change: Change) -> CallToolResponse {
    server.shared.news.tell(change);
    text("Told.".to_owned())
}

fn trigger(server: &Everything, arguments: &JsonObject) -> Result<CallToolResponse, ErrorData> {
    let change = match string(arguments, "what") {
        "tools" => Change::Tools,
        "prompts" => Change::Prompts,
        "resources" => Change::Resources,
        "resource" => Change::Resource(string(arguments, "uri").to_owned()),
        "end" => Change::End,
        other => return Err(ErrorData::invalid_params(format!("no such change: {other}"), None)),
    };
    Ok(tell(server, change))
}

/// Reports progress to whom gave a token for it; pauses in any case.
async fn progress(context: &RequestContext<RoleServer>, count: u64, pause: Duration, step: u32) {
    let token = context.meta.get_progress_token();
    // Small numbers: tests count to some hundreds.
    let value =
        |number: u64| f64::from(u32::try_from(number).unwrap_or(u32::MAX)) * f64::from(step);
    for number in 0..count {
        tokio::time::sleep(pause).await;
        if let Some(token) = token.clone() {
            let report = ProgressNotificationParam::new(token, value(number))
                .with_total(value(count.saturating_sub(1)))
                .with_message(format!("step {number}"));
            let _ = context.peer.notify_progress(report).await;
        }
    }
}

/// Logs at level info to whoever wants to hear of it: a session unless it has
/// set a higher level, a request of 2026-07-28 only when it names a level.
async fn log(server: &Everything, context: &RequestContext<RoleServer>, message: &str) {
    let wanted =
        if is_modern(context) { context.meta.log_level() } else { Some(server.log_level()) };
    if wanted.is_some_and(includes_info) {
        let message = LoggingMessageNotificationParam::new(LoggingLevel::Info, json!(message));
        let _ = context.peer.notify_logging_message(message.with_logger("everything")).await;
    }
}

fn includes_info(level: LoggingLevel) -> bool {
    matches!(level, LoggingLevel::Debug | LoggingLevel::Info)
}
