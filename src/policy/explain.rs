//! Why a decision is what it is, for people and machines.

use std::fmt::Write as _;
use std::sync::Arc;

use super::Active;
use super::decide::{AgentFault, Decision, Denial, Layer, Verdict, each_layer};
use super::question::Question;

/// A decision with what each layer said of it.
#[derive(Clone, Debug, serde::Serialize)]
pub(crate) struct Explanation {
    /// `allow`, `redact`, `approval` or `deny`.
    pub(crate) decision: &'static str,
    /// Whether lists show it.
    pub(crate) visible: bool,
    /// The layer that decided, or `registry`.
    pub(crate) layer: &'static str,
    /// The rule that decided.
    pub(crate) rule: Arc<str>,
    /// More about a denial.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) why: Option<String>,
    /// What else to know.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) note: Option<String>,
    /// Each layer by itself.
    pub(crate) steps: Vec<Step>,
    /// SHA-256 of the policy, hexadecimal.
    pub(crate) policy_digest: Arc<str>,
    /// Counts the policies this process has had in force, from 1.
    pub(crate) policy_generation: u64,
}

/// What one layer says.
#[derive(Clone, Debug, serde::Serialize)]
pub(crate) struct Step {
    /// Which.
    pub(crate) layer: Layer,
    /// `allow`, `redact`, `approval` or `deny`.
    pub(crate) says: &'static str,
    /// Its rule.
    pub(crate) rule: Arc<str>,
    /// The condition of the rule.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) when: Option<String>,
    /// More about a denial.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) why: Option<String>,
}

impl Active {
    /// Decides, and says why. The decision is [`decide`](Self::decide)'s.
    pub(crate) fn explain(&self, question: &Question<'_>) -> Explanation {
        let decision = self.decide(question);
        let steps = each_layer(&self.rules, &self.built_in, question)
            .into_iter()
            .map(|said| Step {
                layer: said.layer,
                says: said.verdict.word(),
                when: self.rules.actions.as_ref().and_then(|it| it.condition(&said.rule)),
                why: why(&said),
                rule: said.rule,
            })
            .collect();
        Explanation {
            decision: decision.verdict.word(),
            visible: decision.visible(),
            layer: decision.layer.word(),
            note: None,
            why: why(&decision),
            rule: decision.rule,
            steps,
            policy_digest: Arc::clone(self.digest()),
            policy_generation: self.generation,
        }
    }
}

/// What the rule alone does not say of a denial.
fn why(decision: &Decision) -> Option<String> {
    let text = match (&decision.verdict, &*decision.rule) {
        (Verdict::Approval, _) => "a person must approve each such call",
        (Verdict::Deny(Denial::Condition(failure)), _) => {
            return Some(format!("its condition came to nothing: {failure}"));
        }
        (Verdict::Deny(Denial::Agent(AgentFault::Invalid)), _) => {
            "the caller has no agent profile, or one that has no rules"
        }
        (Verdict::Deny(Denial::Agent(AgentFault::FallbackNotInRules)), _) => {
            "the agent profile of callers without one has no rules"
        }
        (Verdict::Deny(Denial::Agent(AgentFault::NoFallback)), _) => {
            "there is no agent profile for callers without one"
        }
        (Verdict::Deny(_), "default_action") => "no rule of the caller's roles allows it",
        (Verdict::Deny(_), "roles") => "the policy knows none of the caller's roles",
        (Verdict::Deny(_), "registry.required_roles") => {
            "tools.yaml asks for a role that the caller does not have"
        }
        (Verdict::Deny(_), "unreadable_uri") => "such a URI could lead anywhere",
        (Verdict::Deny(_), "rules_default") => "no rule fits the call",
        (Verdict::Deny(_), rule) if rule.ends_with(".required_roles") => {
            "the caller has none of the roles it asks for"
        }
        (Verdict::Allow(_) | Verdict::Deny(Denial::Hidden | Denial::Denied), _) => return None,
    };
    Some(text.to_owned())
}

impl Explanation {
    /// The same of something that the registry keeps from everybody. What each
    /// layer says is what it would say otherwise.
    pub(crate) fn withheld(self, rule: &str, why: &str) -> Self {
        Self {
            decision: "deny",
            visible: false,
            layer: "registry",
            rule: Arc::from(rule),
            why: Some(why.to_owned()),
            ..self
        }
    }

    /// The same with something else to know.
    pub(crate) fn noting(self, note: &str) -> Self {
        Self { note: Some(note.to_owned()), ..self }
    }

    /// In words, a line each.
    pub(crate) fn in_words(&self) -> String {
        let mut text = String::new();
        let because =
            |why: &Option<String>| why.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
        let decided = match self.decision {
            "allow" => "ALLOWED",
            "redact" => "ALLOWED, with parts redacted",
            "approval" => "NEEDS APPROVAL",
            _ => "DENIED",
        };
        let _ = writeln!(text, "{decided} by {}{}", self.rule, because(&self.why));
        let seen = if self.visible { "shown in lists" } else { "not shown in lists" };
        let _ = writeln!(text, "  {seen}");
        if let Some(note) = &self.note {
            let _ = writeln!(text, "  {note}");
        }
        for step in &self.steps {
            let when = step.when.as_ref().map(|it| format!(" when {it}")).unwrap_or_default();
            let _ = writeln!(
                text,
                "  {:<7} {:<9} {}{when}{}",
                step.layer.word(),
                step.says,
                step.rule,
                because(&step.why)
            );
        }
        let _ = writeln!(
            text,
            "  policy  {} generation {}",
            self.policy_digest, self.policy_generation
        );
        text
    }
}
