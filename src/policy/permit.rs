//! From a call whose subject is known to one that is permitted.

use std::fmt::Display;
use std::sync::Arc;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use serde_json::value::RawValue;

use super::decide::{AgentFault, Decision, Denial, Verdict};
use super::limits::Limits;
use super::model::RulePath;
use super::question::{Arguments, How, Question, What, Who};
use super::rules::Redaction;
use super::{Active, Policy};
use crate::error::{Reason, Refusal};
use crate::protocol::complete::Completion;
use crate::protocol::json_path::JsonPaths;
use crate::protocol::mask::{MASK, masked};
use crate::protocol::mcp::Method;
use crate::protocol::raw::{self, Object, Unfit};
use crate::protocol::splice::Edits;
use crate::registry::{SubjectKind, Target};

/// A call that the policy allows. Made only by [`Policy::authorize`].
pub(crate) struct Permit<'a> {
    target: Target<'a>,
    limits: Arc<Limits>,
    redaction: Option<Arc<Redaction>>,
    /// The call with what the rule hides hidden, where the backend must not
    /// see it.
    message: Option<Bytes>,
}

/// What the audit trail keeps of a decision, allowed or not.
#[derive(Clone, Debug)]
pub(crate) struct Ruling {
    /// The rule that decided.
    pub(crate) rule: RulePath,
    /// SHA-256 of the policy, hexadecimal.
    pub(crate) digest: Arc<str>,
    /// Counts the policies this process has had in force, from 1.
    pub(crate) generation: u64,
    /// The arguments as they may be kept, where the rule hides some.
    pub(crate) arguments: Option<Box<RawValue>>,
    /// What the shadow policy would have done otherwise.
    pub(crate) difference: Option<Difference>,
}

/// A decision that another policy would not have taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Difference {
    /// What was decided: `allow`, `redact`, `approval` or `deny`.
    pub(crate) from: &'static str,
    /// What the other would have decided.
    pub(crate) to: &'static str,
    /// The other's rule.
    pub(crate) rule: RulePath,
    /// SHA-256 of the other, hexadecimal.
    pub(crate) digest: Arc<str>,
}

impl Difference {
    /// Tells the log of this one, and how many there have been in all.
    pub(crate) fn log(&self, calls: u64) {
        tracing::info!(
            calls,
            from = self.from,
            to = self.to,
            rule = &*self.rule,
            "the shadow policy would decide otherwise"
        );
    }

    /// For the audit trail.
    pub(crate) fn in_words(&self) -> String {
        let digest = self.digest.get(..12).unwrap_or_default();
        format!("{} by {} of {digest}", self.to, self.rule)
    }
}

/// What surrounds a call.
#[derive(Clone, Copy)]
pub(crate) struct Moment<'a> {
    /// The time.
    pub(crate) now: DateTime<Utc>,
    /// Name and version that the client gave of itself.
    pub(crate) client: Option<(&'a str, &'a str)>,
    /// The session, where there is one.
    pub(crate) session: Option<&'a (dyn Display + Sync)>,
}

impl Arguments for Target<'_> {
    fn value(&self) -> Option<&serde_json::Value> {
        self.arguments().ok()
    }
}

impl<'a> What<'a> {
    /// A target.
    fn of(target: &'a Target<'_>) -> Self {
        let subject = target.subject();
        Self {
            kind: subject.kind,
            name: &subject.name,
            inner: &subject.inner,
            server: Some(&subject.backend.name),
            scope: &subject.scope,
            registry_roles: subject.required_roles(),
        }
    }
}

impl Policy {
    /// Decides about a call.
    ///
    /// # Errors
    /// [`Reason::ToolNotAllowed`], [`Reason::PromptNotAllowed`],
    /// [`Reason::ResourceNotAllowed`], [`Reason::InvalidAgentId`],
    /// [`Reason::FallbackAgentNotInRules`], [`Reason::NoFallbackConfigured`],
    /// [`Reason::DeniedByPolicy`], [`Reason::ConditionFailed`],
    /// [`Reason::ApprovalUnavailable`]. The ruling comes either way.
    pub(crate) fn authorize<'a>(
        &self,
        target: Target<'a>,
        moment: Moment<'_>,
    ) -> (Ruling, Result<Permit<'a>, Refusal>) {
        let active = self.active();
        let question = Question {
            who: Who::of(target.caller()),
            what: What::of(&target),
            call: Some(How {
                method: target.call().method.name().unwrap_or_default(),
                arguments: &target,
                now: moment.now,
                client: moment.client,
                session: moment.session,
                past: false,
            }),
        };
        let decision = active.decide(&question);
        let difference = self.shadow().and_then(|shadow| differing(&decision, shadow, &question));
        let mut ruling = Ruling {
            rule: Arc::clone(&decision.rule),
            digest: Arc::clone(active.digest()),
            generation: active.generation(),
            arguments: None,
            difference,
        };
        let permit = match decision.verdict {
            Verdict::Allow(None) => {
                let limits = Arc::clone(active.limits());
                Ok(Permit { target, limits, redaction: None, message: None })
            }
            Verdict::Allow(Some(redaction)) => {
                Permit::redacted(target, active.limits(), redaction, &mut ruling)
            }
            Verdict::Approval => Err(Refusal::new(
                Reason::ApprovalUnavailable,
                format!("{} wants a person to approve", decision.rule),
            )),
            Verdict::Deny(denial) => Err(refusal(denial, target.subject().kind, &decision.rule)),
        };
        (ruling, permit)
    }
}

/// What another policy would do otherwise.
fn differing(made: &Decision, other: &Active, question: &Question<'_>) -> Option<Difference> {
    let decision = other.decide(question);
    (decision.verdict.word() != made.verdict.word()).then(|| Difference {
        from: made.verdict.word(),
        to: decision.verdict.word(),
        rule: decision.rule,
        digest: Arc::clone(other.digest()),
    })
}

fn refusal(denial: Denial, kind: SubjectKind, rule: &RulePath) -> Refusal {
    let by = |reason| Refusal::new(reason, format!("denied by {rule}"));
    match (denial, kind) {
        (Denial::Hidden, SubjectKind::Tool) => by(Reason::ToolNotAllowed),
        (Denial::Hidden, SubjectKind::Prompt) => by(Reason::PromptNotAllowed),
        (Denial::Hidden, SubjectKind::Resource) => by(Reason::ResourceNotAllowed),
        (Denial::Denied, _) => by(Reason::DeniedByPolicy),
        (Denial::Condition(failure), _) => Refusal::new(
            Reason::ConditionFailed,
            format!("denied: the condition of {rule} came to nothing: {failure}"),
        ),
        (Denial::Agent(AgentFault::Invalid), _) => by(Reason::InvalidAgentId),
        (Denial::Agent(AgentFault::FallbackNotInRules), _) => by(Reason::FallbackAgentNotInRules),
        (Denial::Agent(AgentFault::NoFallback), _) => by(Reason::NoFallbackConfigured),
    }
}

impl<'a> Permit<'a> {
    /// What is permitted.
    pub(crate) fn target(&self) -> &Target<'a> {
        &self.target
    }

    /// The limits of the policy that permits it.
    pub(crate) fn limits(&self) -> &Arc<Limits> {
        &self.limits
    }

    /// The call without what a rule hides from the backend; `None` where that
    /// is the call as it came.
    pub(crate) fn redacted_message(&self) -> Option<&Bytes> {
        self.message.as_ref()
    }

    /// What of the result must not reach the caller.
    pub(crate) fn hidden_in_result(&self) -> Option<&JsonPaths> {
        self.redaction.as_ref()?.result.as_ref()
    }

    fn redacted(
        target: Target<'a>,
        limits: &Arc<Limits>,
        redaction: Arc<Redaction>,
        ruling: &mut Ruling,
    ) -> Result<Self, Refusal> {
        let unfit = |fault: Unfit| Refusal::new(Reason::Internal, fault.to_string());
        let (call, mut message) = (target.call(), None);
        if call.method == Method::Complete {
            // Of completions the audit trail keeps no arguments.
            if let Some(paths) = &redaction.sent {
                message = without(&call.message, paths).map_err(unfit)?;
            }
        } else if let Some(arguments) = call.arguments {
            let hide = |paths| masked(arguments.get().as_bytes(), paths).map_err(unfit);
            if let Some(hidden) = redaction.sent.as_ref().map(hide).transpose()?.flatten() {
                message = Some(with_arguments(&call.message, &hidden).map_err(unfit)?);
            }
            if let Some(hidden) = redaction.kept.as_ref().map(hide).transpose()?.flatten() {
                ruling.arguments = Some(raw::value(&hidden).map_err(unfit)?.to_owned());
            }
        }
        let limits = Arc::clone(limits);
        Ok(Self { target, limits, redaction: Some(redaction), message })
    }
}

/// A completion without what is hidden of its arguments; `None` where it has
/// nothing of that.
fn without(message: &Bytes, paths: &JsonPaths) -> Result<Option<Bytes>, Unfit> {
    let completion = Completion::read(message)?;
    let (mut edits, mut hides) = (Edits::new(message), false);
    if let Some(settled) = completion.settled()
        && let Some(hidden) = masked(settled.get().as_bytes(), paths)?
    {
        edits = edits.replace(settled, hidden.to_vec());
        hides = true;
    }
    if let Some((value, whole)) = completion.argument()
        && masked(whole.as_bytes(), paths)?.is_some()
    {
        edits = edits.replace(value, MASK.as_bytes());
        hides = true;
    }
    if hides { edits.finish().map(Some) } else { Ok(None) }
}

/// A call with other arguments.
fn with_arguments(message: &Bytes, arguments: &[u8]) -> Result<Bytes, Unfit> {
    const MISSING: Unfit = Unfit::Missing("params");
    let params = Object::read(raw::value(message)?)?.get("params")?.ok_or(MISSING)?;
    let old = Object::read(params)?.get("arguments")?.ok_or(Unfit::Missing("arguments"))?;
    Edits::new(message).replace(old, arguments.to_vec()).finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_completion_is_hidden_where_its_values_stand() {
        let hide = |params: &str| {
            let message = Bytes::from(format!(r#"{{"id":1,"params":{params}}}"#));
            let paths = JsonPaths::read(&["$.pin"]).unwrap();
            let hidden = without(&message, &paths).unwrap();
            hidden.map(|bytes| String::from_utf8(bytes.to_vec()).unwrap())
        };
        let params = r#"{"argument":{"name":"Pin","value":"12"},"context":{"arguments":{"pin":"34","to":"x"}}}"#;
        let hidden = hide(params).unwrap();
        assert!(!hidden.contains("12") && !hidden.contains("34"), "{hidden}");
        assert!(hidden.contains(r#""to":"x""#) && hidden.contains(r#""name":"Pin""#), "{hidden}");
        assert_eq!(hide(r#"{"argument":{"name":"to","value":"12"}}"#), None);
    }
}
