//! What is known of a request: the vocabulary of the audit trail.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::digest::Digest;
use super::line::Body;
use crate::error::{Reason, Refusal};

/// Through which door a request came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Surface {
    /// A scoped MCP endpoint.
    Mcp,
    /// `/mcp/invoke`, `/mcp/tools`.
    Rest,
    /// `/mcp/jobs`.
    #[cfg_attr(not(test), expect(dead_code, reason = "the door is still to be built"))]
    Jobs,
    /// `/admin/…`.
    Admin,
    /// `/files/…`.
    #[cfg_attr(not(test), expect(dead_code, reason = "the door is still to be built"))]
    Files,
    /// The gateway itself: nobody has asked.
    Process,
    /// Anything else, such as metadata documents.
    #[cfg_attr(not(test), expect(dead_code, reason = "the door is still to be built"))]
    Other,
}

impl Surface {
    fn name(self) -> &'static str {
        match self {
            Self::Mcp => "mcp",
            Self::Rest => "rest",
            Self::Jobs => "jobs",
            Self::Admin => "admin",
            Self::Files => "files",
            Self::Process => "process",
            Self::Other => "other",
        }
    }
}

/// What an event tells of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Whether a tool call goes on. A call that does not has no other event.
    Decision,
    /// How a call that went on ended.
    Outcome,
    /// A caller who could not say who it is.
    Authentication,
    /// A list of tools was asked for.
    List,
    /// Something of the administration's.
    Admin,
    /// Policy, registry or keys were read anew.
    Reload,
    /// Any other request, such as a handshake, or one that was refused before
    /// it named a tool.
    Request,
    /// Refused attempts of one source, beyond those written one by one: how
    /// many, since when, and why.
    Folded,
    /// A line of the journal that cannot be read; its text is the detail.
    Damaged,
}

impl Kind {
    /// Its spelling in the database.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Decision => "decision",
            Self::Outcome => "outcome",
            Self::Authentication => "authentication",
            Self::List => "list",
            Self::Admin => "admin",
            Self::Reload => "reload",
            Self::Request => "request",
            Self::Folded => "folded",
            Self::Damaged => "damaged",
        }
    }
}

/// One word for what became of it: the column `decision`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    /// It may go on (a call), or was done (everything else).
    Allow,
    /// It was refused.
    Deny,
    /// A limit was exhausted.
    RateLimited,
    /// The calls of a turn, a day or a job are used up.
    BudgetExceeded,
    /// The backend could not be reached, or answered nonsense.
    UpstreamError,
    /// The backend did not answer in time.
    Timeout,
    /// The caller went away or took it back, or the gateway stopped.
    Aborted,
    /// The call went on and was answered.
    Success,
    /// The gateway itself failed.
    Error,
}

impl Decision {
    /// Its spelling in the database.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
            Self::RateLimited => "rateLimited",
            Self::BudgetExceeded => "budgetExceeded",
            Self::UpstreamError => "upstream_error",
            Self::Timeout => "timeout",
            Self::Aborted => "aborted",
            Self::Success => "success",
            Self::Error => "error",
        }
    }

    /// What a reason comes to, before or after the call was sent on.
    pub(super) fn of(reason: Option<Reason>, sent_on: bool) -> Self {
        use Reason::{
            AbuseLimited, BackendError, BackendTimeout, BackendUnavailable, BudgetExceeded,
            Cancelled, Internal, RateLimited, ReloadRefused, ReplyTooLarge,
        };
        match reason {
            None if sent_on => Self::Success,
            None => Self::Allow,
            Some(RateLimited | AbuseLimited) => Self::RateLimited,
            Some(BudgetExceeded) => Self::BudgetExceeded,
            Some(BackendTimeout) => Self::Timeout,
            Some(Cancelled) => Self::Aborted,
            Some(BackendUnavailable | BackendError | ReplyTooLarge) => Self::UpstreamError,
            Some(Internal | ReloadRefused) => Self::Error,
            Some(_) if sent_on => Self::Error,
            Some(_) => Self::Deny,
        }
    }

    /// The word for people who read logs (C-39); the view `audit_calls` has
    /// the same.
    pub(super) fn status(self, is_error: Option<bool>) -> &'static str {
        match self {
            Self::Success if is_error == Some(true) => "error",
            Self::Allow | Self::Success => "success",
            Self::Deny => "denied",
            Self::RateLimited | Self::BudgetExceeded => "rate_limited",
            Self::Timeout => "timeout",
            Self::Aborted => "aborted",
            Self::UpstreamError | Self::Error => "error",
        }
    }
}

/// What is known when a request begins.
#[derive(Clone, Debug)]
pub(crate) struct Opening {
    /// The id of the request, as the client and nginx know it.
    pub(crate) request_id: String,
    /// Through which door it came.
    pub(crate) surface: Surface,
    /// The path that was asked for.
    pub(crate) endpoint_path: Arc<str>,
    /// Where it came from, behind trusted proxies.
    pub(crate) client_addr: Option<IpAddr>,
    /// The trace it belongs to.
    pub(crate) trace_id: Option<String>,
}

/// Who is calling, once that is proven.
#[derive(Clone, Debug)]
pub(crate) struct CallerFacts {
    /// The user.
    pub(crate) user_id: Arc<str>,
    /// Who vouches for the user.
    pub(crate) issuer: Option<Arc<str>>,
    /// The workspace.
    pub(crate) tenant: Option<Arc<str>>,
    /// The agent profile.
    pub(crate) agent: Option<Arc<str>>,
    /// The agent profiles, as a JSON array, where there are several.
    pub(crate) agents: Option<Arc<str>>,
    /// The roles, as a JSON array: the policy judged by them, and must be able to
    /// again.
    pub(crate) roles: Option<Arc<str>>,
}

/// What is called, once it is found.
#[derive(Clone, Debug)]
pub(crate) struct TargetFacts {
    /// The scope.
    pub(crate) scope: Arc<str>,
    /// The backend that serves the tool.
    pub(crate) backend: Arc<str>,
    /// The tool.
    pub(crate) tool: Arc<str>,
}

/// How a request ended.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outcome {
    /// Why it was refused, or failed. `None`: it did not.
    pub(crate) reason: Option<Reason>,
    /// More for the operator. Never an argument's value, never a secret.
    pub(crate) detail: Option<Cow<'static, str>>,
    /// What the client saw.
    pub(crate) http_status: Option<u16>,
    /// Whether the tool itself said that it failed.
    pub(crate) is_error: Option<bool>,
    /// Size of the result, in bytes.
    pub(crate) result_bytes: Option<u64>,
    /// Digest of the result.
    pub(crate) result_digest: Option<Digest>,
    /// Time spent waiting for the backend.
    pub(crate) upstream_took: Option<Duration>,
}

impl Outcome {
    /// It was done.
    pub(crate) fn done(http_status: u16) -> Self {
        Self { http_status: Some(http_status), ..Self::default() }
    }

    /// It was refused, or failed. Of a request that could not be read, the
    /// detail is kept only where it is a sentence of this program: a parser's
    /// complaint quotes what it stumbled over.
    pub(crate) fn refused(refusal: &Refusal, http_status: u16) -> Self {
        Self {
            reason: Some(refusal.reason),
            detail: Some(told(refusal)),
            ..Self::done(http_status)
        }
    }
}

/// What is told to the operator.
fn told(refusal: &Refusal) -> Cow<'static, str> {
    use Reason::{
        HeaderMismatch, InvalidArguments, InvalidParams, InvalidRequest, MethodNotFound,
        ParseError, UnsupportedVersion,
    };
    match (&refusal.detail, refusal.reason) {
        (
            Cow::Owned(_),
            ParseError | InvalidRequest | InvalidParams | InvalidArguments | HeaderMismatch
            | UnsupportedVersion | MethodNotFound,
        ) => Cow::Borrowed("not kept: it may quote the request"),
        (detail, _) => detail.clone(),
    }
}

/// Longest kept text of one kind, in bytes. Longer ones are cut.
mod most {
    /// Names and identifiers.
    pub(super) const NAME: usize = 256;
    /// A path of a request or a rule.
    pub(super) const PATH: usize = 512;
    /// A sentence.
    pub(super) const DETAIL: usize = 1024;
    /// The roles of a caller; more of them are left out whole.
    pub(super) const ROLES: usize = 4096;
}

/// Longest text kept from a request's name, in bytes.
pub(super) const MOST_NAME: usize = most::NAME;

/// All that is known of a request so far.
#[derive(Debug)]
pub(super) struct Facts {
    pub(super) opening: Opening,
    pub(super) caller: Option<CallerFacts>,
    pub(super) target: Option<TargetFacts>,
    pub(super) scope: Option<Arc<str>>,
    pub(super) session: Option<Box<str>>,
    pub(super) asked: Option<Box<str>>,
    /// Whether the tool is one that the registry declares.
    pub(super) declared: bool,
    pub(super) client_name: Option<Box<str>>,
    pub(super) client_version: Option<Box<str>>,
    pub(super) method: Option<&'static str>,
    pub(super) rule_path: Option<Arc<str>>,
    pub(super) policy_digest: Option<Arc<str>>,
    pub(super) policy_generation: Option<u64>,
    pub(super) shadow: Option<Box<str>>,
    pub(super) arguments_digest: Option<Digest>,
    pub(super) arguments: Option<String>,
    pub(super) quota_took: Option<Duration>,
    pub(super) began: Duration,
}

/// What one event adds to the facts.
pub(super) struct Event<'a> {
    pub(super) kind: Kind,
    pub(super) decision: Decision,
    pub(super) time: DateTime<Utc>,
    pub(super) id: Uuid,
    pub(super) call_id: Option<Uuid>,
    /// Set on the event that ends it.
    pub(super) end: Option<(&'a Outcome, Duration)>,
}

impl Facts {
    pub(super) fn new(opening: Opening, began: Duration) -> Self {
        Self {
            opening,
            caller: None,
            target: None,
            scope: None,
            session: None,
            asked: None,
            declared: false,
            client_name: None,
            client_version: None,
            method: None,
            rule_path: None,
            policy_digest: None,
            policy_generation: None,
            shadow: None,
            arguments_digest: None,
            arguments: None,
            quota_took: None,
            began,
        }
    }

    /// The tool: the one that was found, or else the name that was asked for.
    pub(super) fn tool(&self) -> Option<&str> {
        let found = self.target.as_ref().map(|target| &*target.tool);
        found.or(self.asked.as_deref())
    }

    /// The scope, as far as it is known.
    pub(super) fn scope(&self) -> Option<&str> {
        self.target.as_ref().map(|target| &*target.scope).or(self.scope.as_deref())
    }

    /// Writes an event. Members in the order of RFC 8785, which for these
    /// names is the alphabet's.
    ///
    /// An outcome holds only what the decision before it could not know: they
    /// are joined by `call_id`, and bytes cost time.
    pub(super) fn write(&self, event: &Event<'_>, chain_id: &str, body: &mut Body) {
        let whole = event.kind != Kind::Outcome;
        let outcome = event.end.map(|(outcome, _)| outcome);
        let caller = self.caller.as_ref().filter(|_| whole);
        let target = self.target.as_ref().filter(|_| whole);
        let reason = outcome.and_then(|outcome| outcome.reason);
        let address = self.opening.client_addr.filter(|_| whole).map(|addr| addr.to_string());
        let mut line = body.begin();
        line.text("agent", caller.and_then(|caller| caller.agent.as_deref()), most::NAME);
        let agents = caller.and_then(|caller| caller.agents.as_deref());
        line.text("agents", agents.filter(|it| it.len() <= most::ROLES), most::ROLES);
        line.text("arguments", self.arguments.as_deref().filter(|_| whole), usize::MAX);
        line.digest("arguments_digest", self.arguments_digest.as_ref().filter(|_| whole));
        line.text("backend", target.map(|target| &*target.backend), most::NAME);
        line.id("call_id", event.call_id);
        line.text("chain_id", Some(chain_id), usize::MAX);
        line.text("client_addr", address.as_deref(), most::NAME);
        line.text("client_name", self.client_name.as_deref().filter(|_| whole), most::NAME);
        line.text("client_version", self.client_version.as_deref().filter(|_| whole), most::NAME);
        line.text("decision", Some(event.decision.name()), most::NAME);
        line.text("detail", outcome.and_then(|end| end.detail.as_deref()), most::DETAIL);
        line.number("duration_us", event.end.map(|(_, took)| micros(took)));
        let path = Some(&*self.opening.endpoint_path).filter(|_| whole);
        line.text("endpoint_path", path, most::PATH);
        line.text("error_code", reason.map(Reason::code), most::NAME);
        line.id("event_id", Some(event.id));
        line.number("http_status", outcome.and_then(|end| end.http_status).map(u64::from));
        line.flag("is_error", outcome.and_then(|end| end.is_error));
        line.text("issuer", caller.and_then(|caller| caller.issuer.as_deref()), most::PATH);
        line.text("kind", Some(event.kind.name()), most::NAME);
        line.text("method", self.method.filter(|_| whole), most::NAME);
        line.text("policy_digest", self.policy_digest.as_deref().filter(|_| whole), most::NAME);
        line.number("policy_generation", self.policy_generation.filter(|_| whole));
        line.prev();
        line.number("quota_us", self.quota_took.filter(|_| whole).map(micros));
        line.text("reason", reason.map(Reason::name), most::NAME);
        line.text("request_id", Some(&self.opening.request_id), most::NAME);
        line.number("result_bytes", outcome.and_then(|end| end.result_bytes));
        line.digest("result_digest", outcome.and_then(|end| end.result_digest.as_ref()));
        let roles = caller.and_then(|caller| caller.roles.as_deref());
        line.text("roles", roles.filter(|it| it.len() <= most::ROLES), most::ROLES);
        line.text("rule_path", self.rule_path.as_deref().filter(|_| whole), most::PATH);
        line.text("scope", self.scope().filter(|_| whole), most::NAME);
        line.seq();
        line.text("session", self.session.as_deref().filter(|_| whole), most::NAME);
        line.text("shadow", self.shadow.as_deref().filter(|_| whole), most::PATH);
        line.text("surface", Some(self.opening.surface.name()).filter(|_| whole), most::NAME);
        line.text("tenant", caller.and_then(|caller| caller.tenant.as_deref()), most::NAME);
        line.time("time", event.time);
        line.text("tool", self.tool().filter(|_| whole), most::NAME);
        line.text("trace_id", self.opening.trace_id.as_deref().filter(|_| whole), most::NAME);
        line.number("upstream_us", outcome.and_then(|end| end.upstream_took).map(micros));
        line.text("user_id", caller.map(|caller| &*caller.user_id), most::NAME);
        line.end();
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCUMENT: &str = include_str!("../../docs/audit.md");

    #[test]
    fn every_word_is_described() {
        let rows: Vec<&str> = DOCUMENT.lines().filter(|line| line.starts_with("| `")).collect();
        let described = |word: &str| {
            let named = format!("`{word}`");
            rows.iter().any(|row| row.split('|').nth(1).is_some_and(|cell| cell.contains(&named)))
        };
        for kind in [
            Kind::Decision,
            Kind::Outcome,
            Kind::Authentication,
            Kind::List,
            Kind::Admin,
            Kind::Request,
            Kind::Folded,
            Kind::Damaged,
        ] {
            assert!(described(kind.name()), "{kind:?}");
        }
        for decision in [
            Decision::Allow,
            Decision::Deny,
            Decision::RateLimited,
            Decision::BudgetExceeded,
            Decision::UpstreamError,
            Decision::Timeout,
            Decision::Aborted,
            Decision::Success,
            Decision::Error,
        ] {
            assert!(described(decision.name()), "{decision:?}");
            assert!(described(decision.status(Some(true))), "{decision:?}");
        }
        assert!(described("pending"));
    }
}
