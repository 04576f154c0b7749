//! The server, as the SDK wants it.

use std::borrow::Cow;
use std::sync::{Arc, Mutex, PoisonError};

use http::request::Parts;
use rmcp::ServerHandler;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CancelTaskParams, CompleteRequestParams,
    CompleteResult, CompletionInfo, ErrorData, GetPromptRequestParams, GetPromptResponse,
    GetPromptResult, GetTaskParams, GetTaskResult, Implementation, ListPromptsResult,
    ListResourceTemplatesResult, ListResourcesResult, ListToolsResult, LoggingLevel,
    PaginatedRequestParams, ProtocolVersion, ReadResourceRequestParams, ReadResourceResponse,
    ReadResourceResult, ServerCapabilities, ServerConfig, SetLevelRequestParams,
    SubscribeRequestParams, SubscriptionFilter, Tool, UnsubscribeRequestParams, UpdateTaskParams,
};
use rmcp::service::{NotificationContext, RequestContext, RoleServer, SubscriptionContext};
use rmcp::task_manager::TaskManager;
use serde_json::json;

use crate::catalogue::{CATALOGUE, typed};
use crate::era::Era;
use crate::news::{News, Subscribed};
use crate::observed::Observed;
use crate::questions::{self, Outcome, Retry};
use crate::tools;

/// Whether a request is of 2026-07-28 or later.
pub(crate) fn is_modern(context: &RequestContext<RoleServer>) -> bool {
    let version = context.protocol_version();
    version.is_some_and(|version| version.as_str() >= ProtocolVersion::V_2026_07_28.as_str())
}

/// What all sessions and requests have in common.
pub(crate) struct Shared {
    pub(crate) observed: Observed,
    pub(crate) news: News,
    pub(crate) tasks: TaskManager,
}

impl Shared {
    pub(crate) fn new() -> Self {
        Self { observed: Observed::default(), news: News::new(), tasks: TaskManager::new() }
    }
}

/// The server of one session, or of one request without a session.
pub(crate) struct Everything {
    pub(crate) shared: Arc<Shared>,
    era: Era,
    log_level: Mutex<LoggingLevel>,
    subscribed: Subscribed,
}

impl Everything {
    pub(crate) fn new(shared: Arc<Shared>, era: Era) -> Self {
        let log_level = Mutex::new(LoggingLevel::Debug);
        Self { shared, era, log_level, subscribed: Subscribed::default() }
    }

    /// The lowest level a session wants to hear of.
    pub(crate) fn log_level(&self) -> LoggingLevel {
        *self.log_level.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ServerHandler for Everything {
    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder()
            .enable_completions()
            .enable_logging()
            .enable_prompts()
            .enable_prompts_list_changed()
            .enable_resources()
            .enable_resources_list_changed()
            .enable_resources_subscribe()
            .enable_tools()
            .enable_tool_list_changed()
            .enable_tasks()
            .build();
        ServerConfig::new(capabilities)
            .with_server_info(Implementation::new("everything-rust", "1.0.0"))
            .with_instructions(CATALOGUE.instructions.clone())
    }

    fn supported_protocol_versions(&self) -> Cow<'static, [ProtocolVersion]> {
        self.era.versions()
    }

    async fn on_initialized(&self, context: NotificationContext<RoleServer>) {
        self.shared.news.follow(context.peer, Arc::clone(&self.subscribed));
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let all = CATALOGUE.tools.iter().chain(&CATALOGUE.task_tools);
        Ok(ListToolsResult::with_all_items(all.cloned().collect()))
    }

    /// Known to the SDK, which compares arguments with headers.
    fn get_tool(&self, name: &str) -> Option<Tool> {
        let mut all = CATALOGUE.tools.iter().chain(&CATALOGUE.task_tools);
        all.find(|tool| tool.name == name).cloned()
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let era = if is_modern(&context) { "modern" } else { "legacy" };
        let headers = context.extensions.get::<Parts>().map(|parts| &parts.headers);
        let mut open = self.shared.observed.call(
            &request.name,
            json!(request.arguments),
            context.id.clone(),
            era,
            headers,
        );
        let response = tokio::select! {
            response = tools::call(self, request, &context) => response,
            () = context.ct.cancelled() => {
                return Err(ErrorData::internal_error("The call was cancelled.", None));
            }
        };
        open.complete();
        response
    }

    async fn list_resources(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        Ok(ListResourcesResult::with_all_items(CATALOGUE.resources.clone()))
    }

    async fn list_resource_templates(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        Ok(ListResourceTemplatesResult::with_all_items(CATALOGUE.resource_templates.clone()))
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        let content = CATALOGUE.content(&request.uri).ok_or_else(|| {
            ErrorData::resource_not_found("Resource not found", Some(json!({ "uri": request.uri })))
        })?;
        Ok(ReadResourceResult::new(vec![typed(content)]).into())
    }

    async fn list_prompts(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListPromptsResult, ErrorData> {
        Ok(ListPromptsResult::with_all_items(CATALOGUE.prompts.clone()))
    }

    async fn get_prompt(
        &self,
        request: GetPromptRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<GetPromptResponse, ErrorData> {
        let arguments = request.arguments.unwrap_or_default();
        let retry = Retry { responses: request.input_responses, state: request.request_state };
        match questions::ask(&request.name, &arguments, retry, &context).await? {
            Outcome::Ask(required) => Ok(required.into()),
            Outcome::Answered(_) => {
                let messages = CATALOGUE.prompt(&request.name, &arguments);
                let messages = messages.ok_or_else(|| {
                    ErrorData::invalid_params(format!("Unknown prompt: {}", request.name), None)
                })?;
                Ok(GetPromptResult::new(messages).into())
            }
        }
    }

    async fn complete(
        &self,
        request: CompleteRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<CompleteResult, ErrorData> {
        let all = CATALOGUE.completions.get(&request.argument.name).into_iter().flatten();
        let fitting = all.filter(|value| value.starts_with(&request.argument.value));
        let values = CompletionInfo::new(fitting.cloned().collect());
        Ok(CompleteResult::new(values.map_err(|text| ErrorData::internal_error(text, None))?))
    }

    async fn set_level(
        &self,
        request: SetLevelRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        if is_modern(&context) {
            return Err(ErrorData::method_not_found::<rmcp::model::SetLevelRequestMethod>());
        }
        *self.log_level.lock().unwrap_or_else(PoisonError::into_inner) = request.level;
        Ok(())
    }

    async fn subscribe(
        &self,
        request: SubscribeRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        self.subscribed.lock().unwrap_or_else(PoisonError::into_inner).insert(request.uri);
        Ok(())
    }

    async fn unsubscribe(
        &self,
        request: UnsubscribeRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        self.subscribed.lock().unwrap_or_else(PoisonError::into_inner).remove(&request.uri);
        Ok(())
    }

    fn accepted_subscription_filter(
        &self,
        requested: &SubscriptionFilter,
    ) -> Option<SubscriptionFilter> {
        Some(requested.clone())
    }

    async fn listen(&self, subscription: SubscriptionContext) -> Result<(), ErrorData> {
        self.shared.news.serve(&subscription).await
    }

    async fn get_task(
        &self,
        request: GetTaskParams,
        _: RequestContext<RoleServer>,
    ) -> Result<GetTaskResult, ErrorData> {
        Ok(GetTaskResult::new(self.shared.tasks.get_task(&request.task_id)?))
    }

    async fn update_task(
        &self,
        request: UpdateTaskParams,
        _: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        self.shared.tasks.update_task(&request.task_id, request.input_responses)
    }

    async fn cancel_task(
        &self,
        request: CancelTaskParams,
        _: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        self.shared.tasks.cancel_task(&request.task_id)
    }
}
