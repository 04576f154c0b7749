//! `POST /v1/compute`: the same tools without a protocol around them (C-54).

use std::borrow::Cow;
use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use scopegate::toolkit::{self, Caller, Service, ToolError};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;
use serde_json::{Value, json};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Computation<'a> {
    #[serde(borrow)]
    operation: Cow<'a, str>,
    #[serde(borrow)]
    params: &'a RawValue,
}

pub(crate) fn routes(app: &mut web::ServiceConfig) {
    app.service(
        web::resource("/v1/compute").route(web::post().to(compute)).default_service(web::to(only)),
    );
}

async fn only() -> HttpResponse {
    HttpResponse::MethodNotAllowed()
        .insert_header(("allow", "POST"))
        .json(json!({"error": "method not allowed"}))
}

async fn compute(
    service: web::Data<Arc<Service>>,
    request: HttpRequest,
    mut payload: web::Payload,
) -> HttpResponse {
    if let Err(refused) = toolkit::authorize(&service, request.headers()) {
        return refused.respond();
    }
    let body = match toolkit::read_body(&service, &request, &mut payload).await {
        Ok(body) => body,
        Err(response) => return response,
    };
    let Ok(Computation { operation, params }) = serde_json::from_slice(&body) else {
        return error(
            StatusCode::BAD_REQUEST,
            "body must be {\"operation\": ..., \"params\": {...}}",
        );
    };
    let Some(tool) = tool_of(&operation, params) else {
        return error(StatusCode::BAD_REQUEST, "unknown operation");
    };
    let outcome = match Caller::read(request.headers()) {
        Ok(caller) => service.call(tool, Some(params.get()), caller).await,
        Err(problem) => Err(problem),
    };
    match outcome {
        Ok(output) => HttpResponse::Ok().json(output.structured),
        Err(problem) => refuse(&problem),
    }
}

/// An operation is a tool's name, or the `operation` of a result.
fn tool_of(operation: &str, params: &RawValue) -> Option<&'static str> {
    #[derive(Deserialize)]
    struct Shape {
        operator: Option<IgnoredAny>,
    }
    match operation {
        "exact_calculate" | "arithmetic" => Some("exact_calculate"),
        "exact_statistics" | "statistics" => Some("exact_statistics"),
        "exact_regression" | "regression" => Some("exact_regression"),
        "exact_evaluate" | "expression" => Some("exact_evaluate"),
        "exact_convert_units" => Some("exact_convert_units"),
        "exact_unit_arithmetic" => Some("exact_unit_arithmetic"),
        "unit" => match serde_json::from_str(params.get()) {
            Ok(Shape { operator: Some(_) }) => Some("exact_unit_arithmetic"),
            _ => Some("exact_convert_units"),
        },
        _ => None,
    }
}

fn refuse(problem: &ToolError) -> HttpResponse {
    match problem {
        ToolError::InvalidArguments(details) => HttpResponse::BadRequest()
            .json(json!({"error": problem.to_string(), "details": details})),
        ToolError::Timeout => error(StatusCode::REQUEST_TIMEOUT, "timeout"),
        ToolError::Internal(_) => error(StatusCode::INTERNAL_SERVER_ERROR, "internal error"),
        ToolError::Refused(_) | ToolError::Failed { .. } | ToolError::UnknownTool(_) => {
            error(StatusCode::BAD_REQUEST, &problem.to_string())
        }
    }
}

fn error(status: StatusCode, message: &str) -> HttpResponse {
    HttpResponse::build(status).json(Value::from_iter([("error", message)]))
}
