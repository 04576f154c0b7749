//! `POST /mcp`: one JSON-RPC message in, one answer out.

use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::http::header::HeaderMap;
use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::json;
use serde_json::value::RawValue;

use super::answer::{Answer, CallResult, RpcError};
use super::call::Caller;
use super::era::{self, Refused};
use super::service::Service;
use super::tool::ToolError;
use super::{body, guard, resources};
use crate::protocol::codes;
use crate::protocol::jsonrpc::{self, Kind};
use crate::protocol::mcp::{Method, Params};
use crate::protocol::revision::{self, Era};

/// How much of a stranger's body is read, to answer with its id, in bytes.
const STRANGER_BYTES: usize = 16 * 1024;

pub(super) async fn post(
    service: web::Data<Arc<Service>>,
    request: HttpRequest,
    mut payload: web::Payload,
) -> HttpResponse {
    if let Err(refused) = guard::authorize(&service, request.headers()) {
        if refused == guard::NotAuthorized::ForeignOrigin {
            return refused.respond();
        }
        let peeked = body::peek(&service, &mut payload, STRANGER_BYTES).await;
        let id = peeked.as_ref().and_then(|body| jsonrpc::salvage_id(body));
        return Answer::error(StatusCode::OK, id, &refused.rpc()).respond();
    }
    match body::read(&service, &request, &mut payload).await {
        Ok(body) => answer(&service, request.headers(), &body).await.respond(),
        Err(response) => response,
    }
}

/// Answers a message from the gateway.
pub(super) async fn answer(service: &Arc<Service>, headers: &HeaderMap, body: &[u8]) -> Answer {
    let read = jsonrpc::parse(body).and_then(|message| Ok((message.kind()?, message)));
    let (kind, message) = match read {
        Ok(read) => read,
        Err(malformed) => {
            // What nests too deep is not parsed again.
            let readable = malformed != jsonrpc::Malformed::Depth;
            let id = readable.then(|| jsonrpc::salvage_id(body)).flatten();
            let error = RpcError::new(malformed.code(), malformed.to_string());
            return Answer::error(StatusCode::BAD_REQUEST, id, &error);
        }
    };
    let method = message.method.as_deref().unwrap_or_default();
    let id = match (kind, message.id) {
        (Kind::Request, Some(id)) => id,
        (Kind::Notification, _) => {
            return match era::check_notification(headers, method) {
                Ok(()) => Answer::accepted(),
                Err((status, error)) => Answer::error(status, None, &error),
            };
        }
        // This service asks clients nothing, so there is nothing to match.
        (Kind::Request | Kind::Response, _) => return Answer::accepted(),
    };
    let request = Request { service, headers, id, method };
    match request.answer(message.params).await {
        Ok(answer) => answer,
        Err((status, error)) => Answer::error(status, Some(id), &error),
    }
}

/// A request, its parameters not yet read.
struct Request<'a> {
    service: &'a Arc<Service>,
    headers: &'a HeaderMap,
    id: &'a RawValue,
    method: &'a str,
}

impl Request<'_> {
    async fn answer(&self, params: Option<&RawValue>) -> Result<Answer, Refused> {
        let params = Params::read(params).map_err(|problem| {
            let status = match era::of_headers(self.headers) {
                Era::Modern => StatusCode::BAD_REQUEST,
                Era::Legacy => StatusCode::OK,
            };
            (status, invalid_params(&[], problem))
        })?;
        let era = era::of_request(self.headers, self.method, &params)?;
        let pages = &self.service.pages;
        match (Method::of(self.method), era) {
            (Method::Initialize, Era::Legacy) => Ok(self.initialize(&params)),
            (Method::Ping, Era::Legacy) => Ok(Answer::result(self.id, &json!({}))),
            (Method::Discover, Era::Modern) => Ok(Answer::result(self.id, &pages.discover)),
            (Method::ToolsList, _) if params.cursor.is_some() => {
                // The list has one page, so no cursor was ever handed out.
                Ok(self.refuse(&invalid_params(&["cursor"], "is not a cursor of this list")))
            }
            (Method::ToolsList, Era::Legacy) => Ok(Answer::result(self.id, &pages.legacy_list)),
            (Method::ToolsList, Era::Modern) => Ok(Answer::result(self.id, &pages.modern_list)),
            (Method::ToolsCall, era) => Ok(self.call(&params, era).await),
            (
                method @ (Method::ResourcesList | Method::TemplatesList | Method::ResourcesRead),
                era,
            ) => self.resources(method, &params, era).await,
            (
                Method::Initialize
                | Method::Ping
                | Method::Discover
                | Method::PromptsList
                | Method::PromptsGet
                | Method::ResourcesSubscribe
                | Method::ResourcesUnsubscribe
                | Method::Complete
                | Method::SetLevel
                | Method::Listen
                | Method::TasksGet
                | Method::TasksUpdate
                | Method::TasksCancel
                | Method::Notification
                | Method::Other,
                era,
            ) => Err(no_such_method(era)),
        }
    }

    fn initialize(&self, params: &Params<'_>) -> Answer {
        let Some(requested) = params.protocol_version.as_deref() else {
            return self.refuse(&invalid_params(&["protocolVersion"], "is required"));
        };
        let definition = &self.service.definition;
        Answer::result(
            self.id,
            &json!({
                "protocolVersion": revision::negotiate(requested),
                "capabilities": self.service.pages.legacy_capabilities,
                "serverInfo": self.service.pages.server_info,
                "instructions": definition.instructions,
            }),
        )
    }

    async fn call(&self, params: &Params<'_>, era: Era) -> Answer {
        let Some(name) = params.name.as_deref() else {
            return self.refuse(&invalid_params(&["name"], "is required"));
        };
        let caller = match Caller::read(self.headers) {
            Ok(caller) => caller,
            Err(error) => return self.refuse(&error.into()),
        };
        let arguments = params.arguments.map(RawValue::get);
        match self.service.call(name, arguments, caller).await {
            Ok(output) => Answer::result(self.id, &CallResult::new(self.service, era, &output)),
            Err(error) => self.refuse(&error.into()),
        }
    }

    async fn resources(
        &self,
        method: Method,
        params: &Params<'_>,
        era: Era,
    ) -> Result<Answer, Refused> {
        let Some(all) = &self.service.definition.resources else {
            return Err(no_such_method(era));
        };
        if method != Method::ResourcesRead && params.cursor.is_some() {
            return Ok(self.refuse(&invalid_params(&["cursor"], "is not a cursor of this list")));
        }
        let caller = match Caller::read(self.headers) {
            Ok(caller) => caller,
            Err(error) => return Ok(self.refuse(&error.into())),
        };
        let found = match (method, params.uri.as_deref()) {
            (Method::TemplatesList, _) => Ok(resources::Found::templates(self.service, era)),
            (Method::ResourcesList, _) => resources::list(self.service, all, caller, era).await,
            (_, Some(uri)) if uri.len() <= resources::LONGEST_URI => {
                resources::read(self.service, all, caller, uri, era).await
            }
            (_, Some(_)) => Err(invalid_params(&["uri"], "is too long")),
            (_, None) => Err(invalid_params(&["uri"], "is required")),
        };
        Ok(match found {
            Ok(found) => Answer::result(self.id, &found),
            Err(error) => self.refuse(&error),
        })
    }

    /// An error inside a working exchange.
    fn refuse(&self, error: &RpcError) -> Answer {
        Answer::error(StatusCode::OK, Some(self.id), error)
    }
}

fn no_such_method(era: Era) -> Refused {
    let status = match era {
        Era::Modern => StatusCode::NOT_FOUND,
        Era::Legacy => StatusCode::OK,
    };
    (status, RpcError::new(codes::METHOD_NOT_FOUND, "Method not found"))
}

fn invalid_params(at: &[&str], problem: impl Into<String>) -> RpcError {
    let loc = at.iter().map(|&member| member.into()).collect();
    ToolError::invalid(loc, problem, "params").into()
}
