//! Resources of a service: things a user can read beside calling tools.

use std::sync::Arc;

use serde::Serialize;
use serde_json::{Value, json};

use super::answer::RpcError;
use super::call::Caller;
use super::service::Service;
use super::tool::ToolError;
use crate::protocol::codes;
use crate::protocol::mcp::meta;
use crate::protocol::revision::Era;

/// Longest URI, in bytes.
pub(super) const LONGEST_URI: usize = 2048;

/// What a service has to read. Both functions block.
pub trait Resources: Send + Sync + 'static {
    /// What `resources/list` shows a user (MCP `Resource`): one page, and only
    /// the user's own.
    ///
    /// # Errors
    /// [`ToolError`].
    fn list(&self, user: Option<&str>) -> Result<Vec<Value>, ToolError>;

    /// A resource of the user's (MCP `ResourceContents`); `None` where there is
    /// none, and where it is somebody else's.
    ///
    /// # Errors
    /// [`ToolError`].
    fn read(&self, user: Option<&str>, uri: &str) -> Result<Option<Value>, ToolError>;
}

/// The result of a list or of reading.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Found {
    #[serde(skip_serializing_if = "Option::is_none")]
    result_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resources: Option<Vec<Value>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resource_templates: Option<Vec<Value>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    contents: Option<[Value; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ttl_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_scope: Option<&'static str>,
    #[serde(rename = "_meta", skip_serializing_if = "Option::is_none")]
    meta: Option<Value>,
}

impl Found {
    fn new(service: &Service, era: Era) -> Self {
        let modern = era == Era::Modern;
        Self {
            result_type: modern.then_some("complete"),
            resources: None,
            resource_templates: None,
            contents: None,
            // It is one user's, and changes with every call.
            ttl_ms: modern.then_some(0),
            cache_scope: modern.then_some("private"),
            meta: modern.then(|| json!({ meta::SERVER_INFO: service.pages.server_info })),
        }
    }

    /// Services have resources, and no templates of them.
    pub(super) fn templates(service: &Service, era: Era) -> Self {
        Self { resource_templates: Some(Vec::new()), ..Self::new(service, era) }
    }
}

/// The list of the caller's resources.
pub(super) async fn list(
    service: &Arc<Service>,
    resources: &Arc<dyn Resources>,
    caller: Caller,
    era: Era,
) -> Result<Found, RpcError> {
    let resources = Arc::clone(resources);
    let user = caller.into_user_id();
    let listed = at_work(service, move || resources.list(user.as_deref())).await?;
    Ok(Found { resources: Some(listed), ..Found::new(service, era) })
}

/// One of the caller's resources.
pub(super) async fn read(
    service: &Arc<Service>,
    resources: &Arc<dyn Resources>,
    caller: Caller,
    uri: &str,
    era: Era,
) -> Result<Found, RpcError> {
    let resources = Arc::clone(resources);
    let (user, wanted) = (caller.into_user_id(), uri.to_owned());
    let found = at_work(service, move || resources.read(user.as_deref(), &wanted)).await?;
    let Some(contents) = found else {
        // The two eras have different codes for it.
        let code = match era {
            Era::Modern => codes::INVALID_PARAMS,
            Era::Legacy => codes::RESOURCE_NOT_FOUND,
        };
        let mut error = RpcError::new(code, "Resource not found");
        error.data = Some(json!({ "uri": uri }));
        return Err(error);
    };
    Ok(Found { contents: Some([contents]), ..Found::new(service, era) })
}

/// Does it as a call is done.
async fn at_work<T: Send + 'static>(
    service: &Service,
    work: impl FnOnce() -> Result<T, ToolError> + Send + 'static,
) -> Result<T, RpcError> {
    service.at_work(work).await.map_err(|error| {
        if let ToolError::Internal(problem) = &error {
            tracing::error!(problem, "a resource cannot be read");
        }
        error.into()
    })
}
