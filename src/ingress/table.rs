//! The reply table: what each [`Reason`] looks like on each surface.
//!
//! One row a reason, one `match` without a wildcard; `replies.snap` shows it
//! whole. Sources: the reference systems' C-7 and C-13, MCP 2026-07-28, and
//! what real clients do with each answer.

use crate::error::Reason;
use crate::protocol::codes::{self, gateway};

/// How a refusal answers an MCP request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// A JSON-RPC error, with this HTTP status.
    Error { status: u16, code: i32 },
    /// A tool result with `isError`, which the model reads and can act on.
    ToolError,
}

/// One row.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    /// HTTP status on REST, and of what is refused before a message is read.
    pub(crate) status: u16,
    /// On MCP endpoints, revisions up to 2025-11-25.
    pub(crate) legacy: Shape,
    /// On MCP endpoints, revision 2026-07-28.
    pub(crate) modern: Shape,
    /// What a person is told when the refusal has no words of its own.
    pub(crate) sentence: &'static str,
}

/// Legacy clients surface JSON-RPC errors only on HTTP 200; anything else
/// becomes a transport error that hides the code.
const LEGACY_STATUS: u16 = 200;

/// The row of a reason.
#[expect(clippy::too_many_lines, reason = "a table, to be read in one piece")]
pub(crate) fn row(reason: Reason) -> Row {
    match reason {
        Reason::ForbiddenHost => {
            door(403, gateway::FORBIDDEN, "This host name is not served here.")
        }
        Reason::ForbiddenOrigin => {
            door(403, gateway::FORBIDDEN, "Calls from this origin are not allowed.")
        }
        Reason::NotFound => door(404, gateway::NOT_FOUND, "There is nothing at this path."),
        Reason::MethodNotAllowed => {
            door(405, gateway::NOT_FOUND, "This path does not know this HTTP method.")
        }
        Reason::UnknownScope => Row {
            status: 404,
            legacy: Shape::Error { status: 404, code: codes::INVALID_SCOPE },
            modern: Shape::Error { status: 404, code: gateway::NOT_FOUND },
            sentence: "Invalid endpoint scope.",
        },
        Reason::UnsupportedMediaType => {
            door(415, gateway::MEDIA_TYPE, "Send the body as application/json.")
        }
        Reason::NotAcceptable => {
            door(406, gateway::MEDIA_TYPE, "Accept application/json and text/event-stream.")
        }
        Reason::MissingCredentials => {
            door(401, gateway::UNAUTHENTICATED, "Missing Authorization header.")
        }
        Reason::MalformedCredentials => door(
            401,
            gateway::UNAUTHENTICATED,
            "Invalid Authorization header format. Use: Bearer <token>.",
        ),
        Reason::TokenInQuery => door(
            401,
            gateway::UNAUTHENTICATED,
            "Send the token in the Authorization header, never in the URL.",
        ),
        Reason::InvalidToken => door(401, gateway::UNAUTHENTICATED, "Invalid JWT token."),
        Reason::UnknownIssuer => door(
            401,
            gateway::UNAUTHENTICATED,
            "Invalid JWT token: its issuer is not trusted here.",
        ),
        Reason::WrongAudience => door(
            401,
            gateway::UNAUTHENTICATED,
            "Invalid JWT token: it was issued for another audience.",
        ),
        Reason::ExpiredToken => door(401, gateway::UNAUTHENTICATED, "JWT token has expired."),
        Reason::TokenNotYetValid => door(401, gateway::UNAUTHENTICATED, "JWT token not yet valid."),
        Reason::TokenTooOld => door(401, gateway::UNAUTHENTICATED, "JWT token too old."),
        Reason::UnsupportedApiVersion => {
            door(401, gateway::UNAUTHENTICATED, "Invalid JWT token: unsupported api version.")
        }
        Reason::KeysUnavailable => door(
            503,
            gateway::UNAVAILABLE,
            "The keys to verify the token cannot be had at the moment. Try again.",
        ),
        Reason::PayloadTooLarge => door(413, gateway::PAYLOAD_TOO_LARGE, "The body is too large."),
        Reason::RequestTimeout => {
            door(408, gateway::REQUEST_TIMEOUT, "The body did not arrive in time.")
        }
        Reason::ParseError => door(400, codes::PARSE_ERROR, "The body is not valid JSON."),
        Reason::InvalidRequest => {
            door(400, codes::INVALID_REQUEST, "The body is not a JSON-RPC 2.0 message.")
        }
        Reason::HeaderMismatch => {
            door(400, codes::HEADER_MISMATCH, "A header disagrees with the body.")
        }
        Reason::UnsupportedVersion => {
            door(400, codes::UNSUPPORTED_VERSION, "Unsupported protocol version.")
        }
        Reason::MethodNotFound => message(404, codes::METHOD_NOT_FOUND, 404, "Method not found."),
        Reason::InvalidParams => message(400, codes::INVALID_PARAMS, 400, "Invalid params."),
        Reason::RemovedTool => Row {
            status: 404,
            legacy: Shape::Error { status: LEGACY_STATUS, code: codes::REMOVED_TOOL },
            modern: Shape::Error { status: 200, code: codes::INVALID_PARAMS },
            sentence: "This meta-tool was removed in v2. Use tools/list and tools/call of a scope.",
        },
        Reason::UnknownSession => Row {
            status: 404,
            legacy: Shape::Error { status: 404, code: codes::SESSION_NOT_FOUND },
            // Modern requests have no session: their header is ignored.
            modern: Shape::Error { status: 404, code: gateway::NOT_FOUND },
            sentence: "Session not found",
        },
        Reason::UnknownTool | Reason::ToolNotInScope | Reason::ToolNotAllowed => Row {
            status: 404,
            legacy: Shape::Error { status: LEGACY_STATUS, code: codes::TOOL_NOT_AVAILABLE },
            modern: Shape::Error { status: 200, code: codes::INVALID_PARAMS },
            sentence: "Unknown tool.",
        },
        Reason::DeniedByPolicy => result(403, "This call is denied by policy."),
        Reason::ConditionFailed => result(
            403,
            "This call is denied by policy: its arguments do not let a condition be evaluated.",
        ),
        Reason::ApprovalUnavailable => result(
            403,
            "This call needs the approval of a person, and nobody can be asked at the moment.",
        ),
        Reason::InvalidAgentId => {
            result(403, "The token names no agent profile that has rules here.")
        }
        Reason::FallbackAgentNotInRules => {
            result(403, "The agent profile of callers without one has no rules here.")
        }
        Reason::NoFallbackConfigured => {
            result(403, "There is no agent profile for callers whose token names none.")
        }
        Reason::UnknownPrompt | Reason::PromptNotAllowed => {
            message(404, codes::INVALID_PARAMS, 200, "Unknown prompt.")
        }
        Reason::UnknownResource | Reason::ResourceNotAllowed => Row {
            status: 404,
            legacy: Shape::Error { status: LEGACY_STATUS, code: codes::RESOURCE_NOT_FOUND },
            modern: Shape::Error { status: 200, code: codes::INVALID_PARAMS },
            sentence: "Resource not found.",
        },
        Reason::UnknownTask => message(404, codes::INVALID_PARAMS, 200, "Unknown task."),
        Reason::TasksNotDeclared => {
            message(400, codes::MISSING_CAPABILITY, 400, "The client did not declare tasks.")
        }
        Reason::AmbiguousTool => {
            door(400, codes::INVALID_PARAMS, "Several scopes offer this tool: say which.")
        }
        Reason::InvalidArguments => {
            result(400, "The arguments do not fit the tool's input schema.")
        }
        Reason::ToolQuarantined => result(
            403,
            "This tool is not as it was approved, so the call was not made. An administrator has to look at it.",
        ),
        Reason::AdminRequired => {
            door(403, gateway::FORBIDDEN, "Admin role required for this operation")
        }
        Reason::ReloadRefused => door(
            422,
            codes::INVALID_PARAMS,
            "The configuration on disk is not fit; the one before stays in force.",
        ),
        Reason::RateLimited => result(429, "Rate limit exceeded."),
        Reason::BudgetExceeded => result(429, "tool-call budget exceeded"),
        Reason::AbuseLimited => {
            door(429, gateway::RATE_LIMITED, "Too many attempts were denied. Try again later.")
        }
        Reason::QuotaUnavailable => message(
            503,
            gateway::UNAVAILABLE,
            200,
            "Limits cannot be checked at the moment, so the call was not made. Try again.",
        ),
        Reason::AuditUnavailable => message(
            503,
            gateway::UNAVAILABLE,
            200,
            "The call cannot be recorded at the moment, so it was not made. Try again.",
        ),
        Reason::BackendUnavailable => {
            message(502, codes::INTERNAL_ERROR, 502, "The tool's backend cannot be reached.")
        }
        Reason::BackendTimeout => {
            message(504, codes::INTERNAL_ERROR, 504, "The tool's backend did not answer in time.")
        }
        Reason::BackendError => {
            message(502, codes::INTERNAL_ERROR, 502, "The tool's backend failed.")
        }
        Reason::ReplyTooLarge => {
            message(502, codes::INTERNAL_ERROR, 502, "The tool's answer is too large.")
        }
        Reason::Cancelled => {
            message(499, gateway::CANCELLED, 200, "The client took the request back.")
        }
        Reason::CannotBeAsked => message(
            502,
            codes::INTERNAL_ERROR,
            200,
            "The server asks for what this client cannot give.",
        ),
        Reason::StreamTaken => {
            door(409, gateway::CONFLICT, "The session has such a stream already.")
        }
        Reason::TooManyStreams => door(
            429,
            gateway::RATE_LIMITED,
            "Too many streams are open. Close one, or let several share one.",
        ),
        Reason::Internal => {
            message(500, codes::INTERNAL_ERROR, 500, "Something failed in the gateway.")
        }
    }
}

/// Refused by HTTP already: the same status for everybody.
fn door(status: u16, code: i32, sentence: &'static str) -> Row {
    let shape = Shape::Error { status, code };
    Row { status, legacy: shape, modern: shape, sentence }
}

/// An answer to a message: HTTP 200 for legacy clients.
fn message(status: u16, code: i32, modern: u16, sentence: &'static str) -> Row {
    Row {
        status,
        legacy: Shape::Error { status: LEGACY_STATUS, code },
        modern: Shape::Error { status: modern, code },
        sentence,
    }
}

/// An answer the model can act on.
fn result(status: u16, sentence: &'static str) -> Row {
    Row { status, legacy: Shape::ToolError, modern: Shape::ToolError, sentence }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt::Write;

    #[test]
    fn the_whole_table() {
        let mut table = String::new();
        for reason in Reason::ALL {
            let Row { status, legacy, modern, sentence } = row(reason);
            let shape = |shape| match shape {
                Shape::Error { status, code } => format!("{status} error {code}"),
                Shape::ToolError => "200 isError".to_owned(),
            };
            writeln!(
                table,
                "{:24} {:22} | REST {status} | legacy {} | modern {} | {sentence}",
                reason.name(),
                reason.public_code(),
                shape(legacy),
                shape(modern),
            )
            .unwrap();
        }
        insta::assert_snapshot!(table);
    }

    #[test]
    fn what_is_concealed_cannot_be_told_apart() {
        let concealed = Reason::ALL.into_iter().filter(|reason| reason.face() != *reason);
        for reason in concealed {
            let (a, b) = (row(reason), row(reason.face()));
            assert_eq!(
                (a.status, a.legacy, a.modern, a.sentence),
                (b.status, b.legacy, b.modern, b.sentence)
            );
        }
    }
}
