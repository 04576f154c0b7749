//! Why a request did not go through.
//!
//! A stage of the walk refuses with a [`Refusal`]. No stage knows a status
//! code: `ingress/respond.rs` turns each [`Reason`] into HTTP and JSON-RPC.
//! The [`Reason`]'s [`code`](Reason::code) is the audit column, the metric
//! label and (but for concealed tools) the code on the wire.

use std::borrow::Cow;
use std::time::Duration;

/// Everything that can stop a request. A closed set: each has one row in the
/// reply table, and adding one does not compile until it is placed there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Reason {
    // The edge.
    /// The `Host` header names no host this gateway answers for.
    ForbiddenHost,
    /// The `Origin` header names a site that may not call.
    ForbiddenOrigin,
    /// No route at all.
    NotFound,
    /// The route does not know this HTTP method.
    MethodNotAllowed,
    /// The path names no scope.
    UnknownScope,
    /// The `Content-Type` is not JSON.
    UnsupportedMediaType,
    /// The client accepts neither JSON nor an event stream.
    NotAcceptable,

    // Authentication.
    /// No `Authorization` header.
    MissingCredentials,
    /// An `Authorization` header that is not one bearer token.
    MalformedCredentials,
    /// A token in the query string, where it would be logged and cached.
    TokenInQuery,
    /// The token cannot be read, is signed with the wrong key or algorithm,
    /// or lacks a claim.
    InvalidToken,
    /// The token's `iss` is none of the configured issuers.
    UnknownIssuer,
    /// The token was made for somebody else.
    WrongAudience,
    /// The token's expiry time has passed.
    ExpiredToken,
    /// The token's start time has not come.
    TokenNotYetValid,
    /// The token was issued longer ago than is accepted.
    TokenTooOld,
    /// The token's API version is not accepted.
    UnsupportedApiVersion,
    /// The issuer's keys cannot be had at the moment.
    KeysUnavailable,

    // Reading.
    /// The body is larger than the limit.
    PayloadTooLarge,
    /// The body did not arrive in time.
    RequestTimeout,
    /// The body is not JSON.
    ParseError,
    /// The body is JSON, but not a request.
    InvalidRequest,
    /// A header disagrees with the body, is missing, or appears twice.
    HeaderMismatch,
    /// The protocol revision is not supported.
    UnsupportedVersion,
    /// The method does not exist, or not in this revision.
    MethodNotFound,
    /// The parameters have the wrong shape.
    InvalidParams,
    /// A tool of the first generation that was removed.
    RemovedTool,
    /// The session id was not given by this gateway to this caller for this
    /// scope, or the session is over.
    UnknownSession,

    // Resolving and deciding.
    /// No such tool anywhere.
    UnknownTool,
    /// The tool exists in another scope.
    ToolNotInScope,
    /// The caller's roles, or its workspace, do not reach the tool.
    ToolNotAllowed,
    /// The backend does not offer the tool as somebody has approved it.
    ToolQuarantined,
    /// A rule of the policy denies the call of a tool that the caller sees.
    DeniedByPolicy,
    /// A condition of the policy came to nothing, which denies.
    ConditionFailed,
    /// A person would have to approve the call, and nobody can be asked.
    ApprovalUnavailable,
    /// The caller has no agent profile, or one that is not its own or has no
    /// rules.
    InvalidAgentId,
    /// The agent profile of callers without one has no rules.
    FallbackAgentNotInRules,
    /// There is no agent profile for callers without one.
    NoFallbackConfigured,
    /// No backend of the scope can have the prompt.
    UnknownPrompt,
    /// The caller's roles, or its workspace, do not reach the prompt.
    PromptNotAllowed,
    /// No backend of the scope can have the resource.
    UnknownResource,
    /// The caller's roles, or its workspace, do not reach the resource.
    ResourceNotAllowed,
    /// No task of the caller's has this id.
    UnknownTask,
    /// The method needs the extension for tasks, which the client did not
    /// declare.
    TasksNotDeclared,
    /// Several scopes offer the tool and the request names none.
    AmbiguousTool,
    /// The arguments do not fit the tool's input schema.
    InvalidArguments,
    /// The operation needs the admin role.
    AdminRequired,
    /// The files of the configuration are not fit to be put in force.
    ReloadRefused,

    // Quota.
    /// A rate limit is exhausted, or too many calls are in progress.
    RateLimited,
    /// The calls of a turn, a day or a job are used up.
    BudgetExceeded,
    /// The caller, or its address, was denied too often.
    AbuseLimited,
    /// The store that counts cannot be reached.
    QuotaUnavailable,

    // Audit.
    /// The record cannot be written, so the call may not happen.
    AuditUnavailable,

    // Forwarding.
    /// No connection to the backend.
    BackendUnavailable,
    /// The backend did not answer in time.
    BackendTimeout,
    /// The backend answered something that is not an answer.
    BackendError,
    /// The backend's answer is larger than the limit.
    ReplyTooLarge,
    /// The client took its request back.
    Cancelled,
    /// The backend asks for something of the client that the client cannot
    /// give, or did not give in time.
    CannotBeAsked,
    /// The stream of the session is served to somebody already.
    StreamTaken,
    /// The caller holds as many streams as it may.
    TooManyStreams,

    /// A fault of the gateway's own.
    Internal,
}

impl Reason {
    /// Every reason, for tests and tables.
    pub(crate) const ALL: [Self; 62] = [
        Self::ForbiddenHost,
        Self::ForbiddenOrigin,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::UnknownScope,
        Self::UnsupportedMediaType,
        Self::NotAcceptable,
        Self::MissingCredentials,
        Self::MalformedCredentials,
        Self::TokenInQuery,
        Self::InvalidToken,
        Self::UnknownIssuer,
        Self::WrongAudience,
        Self::ExpiredToken,
        Self::TokenNotYetValid,
        Self::TokenTooOld,
        Self::UnsupportedApiVersion,
        Self::KeysUnavailable,
        Self::PayloadTooLarge,
        Self::RequestTimeout,
        Self::ParseError,
        Self::InvalidRequest,
        Self::HeaderMismatch,
        Self::UnsupportedVersion,
        Self::MethodNotFound,
        Self::InvalidParams,
        Self::RemovedTool,
        Self::UnknownSession,
        Self::UnknownTool,
        Self::ToolNotInScope,
        Self::ToolNotAllowed,
        Self::ToolQuarantined,
        Self::DeniedByPolicy,
        Self::ConditionFailed,
        Self::ApprovalUnavailable,
        Self::InvalidAgentId,
        Self::FallbackAgentNotInRules,
        Self::NoFallbackConfigured,
        Self::UnknownPrompt,
        Self::PromptNotAllowed,
        Self::UnknownResource,
        Self::ResourceNotAllowed,
        Self::UnknownTask,
        Self::TasksNotDeclared,
        Self::AmbiguousTool,
        Self::InvalidArguments,
        Self::AdminRequired,
        Self::ReloadRefused,
        Self::RateLimited,
        Self::BudgetExceeded,
        Self::AbuseLimited,
        Self::QuotaUnavailable,
        Self::AuditUnavailable,
        Self::BackendUnavailable,
        Self::BackendTimeout,
        Self::BackendError,
        Self::ReplyTooLarge,
        Self::Cancelled,
        Self::CannotBeAsked,
        Self::StreamTaken,
        Self::TooManyStreams,
        Self::Internal,
    ];

    /// The precise name: the audit column `reason`.
    #[must_use]
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::ForbiddenHost => "forbidden_host",
            Self::ForbiddenOrigin => "forbidden_origin",
            Self::NotFound => "not_found",
            Self::MethodNotAllowed => "method_not_allowed",
            Self::UnknownScope => "unknown_scope",
            Self::UnsupportedMediaType => "unsupported_media_type",
            Self::NotAcceptable => "not_acceptable",
            Self::MissingCredentials => "missing_credentials",
            Self::MalformedCredentials => "malformed_credentials",
            Self::TokenInQuery => "token_in_query",
            Self::InvalidToken => "invalid_token",
            Self::UnknownIssuer => "unknown_issuer",
            Self::WrongAudience => "wrong_audience",
            Self::ExpiredToken => "expired_token",
            Self::TokenNotYetValid => "token_not_yet_valid",
            Self::TokenTooOld => "token_too_old",
            Self::UnsupportedApiVersion => "unsupported_api_version",
            Self::KeysUnavailable => "keys_unavailable",
            Self::PayloadTooLarge => "payload_too_large",
            Self::RequestTimeout => "request_timeout",
            Self::ParseError => "parse_error",
            Self::InvalidRequest => "invalid_request",
            Self::HeaderMismatch => "header_mismatch",
            Self::UnsupportedVersion => "unsupported_version",
            Self::MethodNotFound => "method_not_found",
            Self::InvalidParams => "invalid_params",
            Self::RemovedTool => "removed_tool",
            Self::UnknownSession => "unknown_session",
            Self::UnknownTool => "unknown_tool",
            Self::ToolNotInScope => "tool_not_in_scope",
            Self::ToolNotAllowed => "tool_not_allowed",
            Self::ToolQuarantined => "tool_quarantined",
            Self::DeniedByPolicy => "denied_by_policy",
            Self::ConditionFailed => "condition_failed",
            Self::ApprovalUnavailable => "approval_unavailable",
            Self::InvalidAgentId => "invalid_agent_id",
            Self::FallbackAgentNotInRules => "fallback_agent_not_in_rules",
            Self::NoFallbackConfigured => "no_fallback_configured",
            Self::UnknownPrompt => "unknown_prompt",
            Self::PromptNotAllowed => "prompt_not_allowed",
            Self::UnknownResource => "unknown_resource",
            Self::ResourceNotAllowed => "resource_not_allowed",
            Self::UnknownTask => "unknown_task",
            Self::TasksNotDeclared => "tasks_not_declared",
            Self::AmbiguousTool => "ambiguous_tool",
            Self::InvalidArguments => "invalid_arguments",
            Self::AdminRequired => "admin_required",
            Self::ReloadRefused => "reload_refused",
            Self::RateLimited => "rate_limited",
            Self::BudgetExceeded => "budget_exceeded",
            Self::AbuseLimited => "abuse_limited",
            Self::QuotaUnavailable => "quota_unavailable",
            Self::AuditUnavailable => "audit_unavailable",
            Self::BackendUnavailable => "backend_unavailable",
            Self::BackendTimeout => "backend_timeout",
            Self::BackendError => "backend_error",
            Self::ReplyTooLarge => "reply_too_large",
            Self::Cancelled => "cancelled",
            Self::CannotBeAsked => "cannot_be_asked",
            Self::StreamTaken => "stream_taken",
            Self::TooManyStreams => "too_many_streams",
            Self::Internal => "internal_error",
        }
    }

    /// The stable code: audit column `error_code`, metric label, and the
    /// `error.data.code` of MCP and `error` of REST, except that what is
    /// concealed shows [`public_code`](Self::public_code). The reference systems'
    /// spelling (C-13, C-41) is kept where they have one.
    #[must_use]
    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::MissingCredentials | Self::MalformedCredentials | Self::TokenInQuery => {
                "AuthenticationError"
            }
            Self::InvalidToken
            | Self::UnknownIssuer
            | Self::WrongAudience
            | Self::TokenNotYetValid
            | Self::TokenTooOld
            | Self::UnsupportedApiVersion => "InvalidTokenError",
            Self::ExpiredToken => "ExpiredTokenError",
            Self::PayloadTooLarge => "PAYLOAD_TOO_LARGE",
            Self::UnknownTool => "TOOL_NOT_FOUND",
            Self::ToolNotInScope => "TOOL_NOT_IN_SCOPE",
            Self::ToolNotAllowed => "TOOL_NOT_ALLOWED",
            Self::ToolQuarantined => "TOOL_QUARANTINED",
            Self::DeniedByPolicy => "DENIED_BY_POLICY",
            Self::InvalidAgentId => "INVALID_AGENT_ID",
            Self::FallbackAgentNotInRules => "FALLBACK_AGENT_NOT_IN_RULES",
            Self::NoFallbackConfigured => "NO_FALLBACK_CONFIGURED",
            Self::UnknownPrompt => "PROMPT_NOT_FOUND",
            Self::PromptNotAllowed => "PROMPT_NOT_ALLOWED",
            Self::UnknownResource => "RESOURCE_NOT_FOUND",
            Self::ResourceNotAllowed => "RESOURCE_NOT_ALLOWED",
            Self::InvalidArguments => "INVALID_ARGUMENTS",
            Self::RateLimited => "RATE_LIMIT_EXCEEDED",
            Self::BudgetExceeded => "BUDGET_EXCEEDED",
            Self::AbuseLimited => "ABUSE_LIMIT_EXCEEDED",
            Self::BackendUnavailable => "BACKEND_UNAVAILABLE",
            Self::BackendTimeout => "BACKEND_TIMEOUT",
            Self::BackendError | Self::ReplyTooLarge => "BACKEND_ERROR",
            Self::ForbiddenHost
            | Self::ForbiddenOrigin
            | Self::NotFound
            | Self::MethodNotAllowed
            | Self::UnknownScope
            | Self::UnsupportedMediaType
            | Self::NotAcceptable
            | Self::KeysUnavailable
            | Self::RequestTimeout
            | Self::ParseError
            | Self::InvalidRequest
            | Self::HeaderMismatch
            | Self::UnsupportedVersion
            | Self::MethodNotFound
            | Self::InvalidParams
            | Self::RemovedTool
            | Self::UnknownSession
            | Self::Cancelled
            | Self::CannotBeAsked
            | Self::StreamTaken
            | Self::TooManyStreams
            | Self::UnknownTask
            | Self::TasksNotDeclared
            | Self::AmbiguousTool
            | Self::ConditionFailed
            | Self::ApprovalUnavailable
            | Self::AdminRequired
            | Self::ReloadRefused
            | Self::QuotaUnavailable
            | Self::AuditUnavailable
            | Self::Internal => self.name(),
        }
    }

    /// The code a client sees.
    #[must_use]
    pub(crate) fn public_code(self) -> &'static str {
        self.face().code()
    }

    /// The reason a client is told. What the caller may not see answers
    /// exactly like what does not exist.
    #[must_use]
    pub(crate) fn face(self) -> Self {
        if matches!(self, Self::ToolNotInScope | Self::ToolNotAllowed) {
            Self::UnknownTool
        } else if self == Self::PromptNotAllowed {
            Self::UnknownPrompt
        } else if self == Self::ResourceNotAllowed {
            Self::UnknownResource
        } else {
            self
        }
    }

    /// Whether the request failed to say who is calling.
    #[must_use]
    pub(crate) fn is_authentication(self) -> bool {
        matches!(
            self,
            Self::MissingCredentials
                | Self::MalformedCredentials
                | Self::TokenInQuery
                | Self::InvalidToken
                | Self::UnknownIssuer
                | Self::WrongAudience
                | Self::ExpiredToken
                | Self::TokenNotYetValid
                | Self::TokenTooOld
                | Self::UnsupportedApiVersion
                | Self::KeysUnavailable
        )
    }
}

/// A stage's refusal.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{}: {detail}", reason.name())]
pub(crate) struct Refusal {
    /// Why.
    pub reason: Reason,
    /// For the operator: the audit trail. Never sent to a client.
    pub detail: Cow<'static, str>,
    /// For the client: what the fixed sentence of the reply table cannot
    /// know, such as the path of a wrong argument. Never a secret, never
    /// anything the caller did not send or may not see.
    pub public: Option<Cow<'static, str>>,
    /// When it makes sense to try again.
    pub retry_after: Option<Duration>,
}

impl Refusal {
    /// A refusal whose detail only the operator sees.
    #[must_use]
    pub(crate) fn new(reason: Reason, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { reason, detail: detail.into(), public: None, retry_after: None }
    }

    /// A refusal that also tells the client `text`.
    #[must_use]
    pub(crate) fn telling(reason: Reason, text: impl Into<Cow<'static, str>>) -> Self {
        let text = text.into();
        Self { reason, detail: text.clone(), public: Some(text), retry_after: None }
    }

    /// Adds when to try again.
    #[must_use]
    pub(crate) fn after(mut self, delay: Duration) -> Self {
        self.retry_after = Some(delay);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn names_are_unique() {
        let names: HashSet<_> = Reason::ALL.iter().map(|reason| reason.name()).collect();
        assert_eq!(names.len(), Reason::ALL.len());
    }

    #[test]
    fn concealed_reasons_share_one_public_code() {
        for (faces, code) in [
            (
                &[Reason::UnknownTool, Reason::ToolNotInScope, Reason::ToolNotAllowed][..],
                "TOOL_NOT_FOUND",
            ),
            (&[Reason::UnknownPrompt, Reason::PromptNotAllowed], "PROMPT_NOT_FOUND"),
            (&[Reason::UnknownResource, Reason::ResourceNotAllowed], "RESOURCE_NOT_FOUND"),
        ] {
            for reason in Reason::ALL {
                assert_eq!(faces.contains(&reason), reason.public_code() == code, "{reason:?}");
            }
        }
    }
}
