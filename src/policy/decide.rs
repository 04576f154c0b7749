//! The decision: pure, total, deny by default. One function for lists, calls,
//! explanations, tests and replays.

use std::sync::Arc;

use super::agents::{self, Of};
use super::model::{RulePath, Rules, Wanted};
use super::question::{Question, What};
use super::roles::{self, BuiltIn, Facts};
use super::rules::{self, Action, Failure, Reach, Redaction};
use super::uri::Reading;
use crate::registry::SubjectKind;

/// Which part of the policy has spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Layer {
    /// Roles, workspaces and required roles.
    Roles,
    /// Agent profiles.
    Agents,
    /// Actions by tool and arguments.
    Rules,
}

impl Layer {
    /// In the order they are asked.
    const ALL: [Self; 3] = [Self::Roles, Self::Agents, Self::Rules];

    /// Its word in explanations.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Roles => "roles",
            Self::Agents => "agents",
            Self::Rules => "rules",
        }
    }
}

/// What is wrong with the agent profile of a caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AgentFault {
    /// There is none, or it is not one of the caller's, or has no rules.
    Invalid,
    /// The profile of callers without one has no rules.
    FallbackNotInRules,
    /// There is no profile for callers without one.
    NoFallback,
}

/// Why something is denied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Denial {
    /// The caller may not even see it.
    Hidden,
    /// The caller sees it, but this call is denied.
    Denied,
    /// A condition came to nothing.
    Condition(Failure),
    /// The caller's agent profile.
    Agent(AgentFault),
}

/// What becomes of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It goes on, with something hidden where that is said.
    Allow(Option<Arc<Redaction>>),
    /// A person must agree first.
    Approval,
    /// It does not go on.
    Deny(Denial),
}

impl Verdict {
    /// Its word in explanations, tests and replays.
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Self::Allow(None) => "allow",
            Self::Allow(Some(_)) => "redact",
            Self::Approval => "approval",
            Self::Deny(_) => "deny",
        }
    }
}

/// What is decided, and by what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Decision {
    /// What becomes of it.
    pub(crate) verdict: Verdict,
    /// The part of the policy that has decided.
    pub(crate) layer: Layer,
    /// The rule that has.
    pub(crate) rule: RulePath,
}

impl Decision {
    /// Whether it may be seen, whatever becomes of a call.
    pub(crate) fn visible(&self) -> bool {
        match self.verdict {
            Verdict::Allow(_)
            | Verdict::Approval
            | Verdict::Deny(Denial::Denied | Denial::Condition(_)) => true,
            Verdict::Deny(Denial::Hidden | Denial::Agent(_)) => false,
        }
    }
}

/// What one layer says, before anybody keeps it.
struct Said<'r> {
    verdict: Verdict,
    layer: Layer,
    rule: &'r RulePath,
}

impl Said<'_> {
    fn decision(self) -> Decision {
        Decision { verdict: self.verdict, layer: self.layer, rule: Arc::clone(self.rule) }
    }
}

/// Decides. The same question always gets the same decision.
pub(super) fn decide(rules: &Rules, built_in: &BuiltIn, question: &Question<'_>) -> Decision {
    let subject = match Subject::read(&question.what) {
        Ok(subject) => subject,
        Err(Unreadable) => return unreadable(built_in),
    };
    let mut last = None;
    for layer in Layer::ALL {
        let Some(said) = of_layer(layer, rules, built_in, question, &subject) else { continue };
        let goes_on = matches!(said.verdict, Verdict::Allow(_));
        last = Some(said);
        if !goes_on {
            break;
        }
    }
    let nothing = Said {
        verdict: Verdict::Deny(Denial::Hidden),
        layer: Layer::Roles,
        rule: &built_in.nothing_matches,
    };
    last.unwrap_or(nothing).decision()
}

/// How far calls of something get, whatever their arguments and surroundings.
/// The question is one without a call.
pub(super) fn reach(rules: &Rules, built_in: &BuiltIn, question: &Question<'_>) -> Reach {
    let Ok(subject) = Subject::read(&question.what) else { return Reach::Never };
    for layer in [Layer::Roles, Layer::Agents] {
        let said = of_layer(layer, rules, built_in, question, &subject);
        if said.is_some_and(|said| !matches!(said.verdict, Verdict::Allow(_))) {
            return Reach::Never;
        }
    }
    let actions = rules.actions.as_ref();
    actions.map_or(Reach::Always, |actions| actions.reach(&question.what, subject.uri()))
}

/// What each layer says by itself, those that have nothing to say to anybody
/// left out.
pub(super) fn each_layer(
    rules: &Rules,
    built_in: &BuiltIn,
    question: &Question<'_>,
) -> Vec<Decision> {
    let Ok(subject) = Subject::read(&question.what) else { return vec![unreadable(built_in)] };
    let said = |layer| of_layer(layer, rules, built_in, question, &subject);
    Layer::ALL.into_iter().filter_map(said).map(Said::decision).collect()
}

/// What could climb out of a folder is denied to everybody.
fn unreadable(built_in: &BuiltIn) -> Decision {
    Decision {
        verdict: Verdict::Deny(Denial::Hidden),
        layer: Layer::Roles,
        rule: Arc::clone(&built_in.unreadable),
    }
}

/// What is wanted; a URI is read once for all layers.
enum Subject<'a> {
    Tool(&'a str),
    Prompt(&'a str),
    Resource(Reading),
}

/// The URI of a resource has no reading.
struct Unreadable;

impl<'a> Subject<'a> {
    fn read(what: &What<'a>) -> Result<Self, Unreadable> {
        Ok(match what.kind {
            SubjectKind::Tool => Self::Tool(what.name),
            SubjectKind::Prompt => Self::Prompt(what.name),
            SubjectKind::Resource => {
                Self::Resource(Reading::of(what.name).map_err(|_| Unreadable)?)
            }
        })
    }

    fn wanted(&self) -> Wanted<'_> {
        match self {
            Self::Tool(name) => Wanted::Tool(name),
            Self::Prompt(name) => Wanted::Prompt(name),
            Self::Resource(uri) => Wanted::Resource(uri),
        }
    }

    fn uri(&self) -> Option<&Reading> {
        match self {
            Self::Tool(_) | Self::Prompt(_) => None,
            Self::Resource(uri) => Some(uri),
        }
    }
}

/// What one layer says; `None` where it has nothing to say to anybody.
fn of_layer<'r>(
    layer: Layer,
    rules: &'r Rules,
    built_in: &'r BuiltIn,
    question: &Question<'_>,
    subject: &Subject<'_>,
) -> Option<Said<'r>> {
    let (who, what) = (&question.who, &question.what);
    let (verdict, rule) = match layer {
        Layer::Roles => {
            let judged = roles::judge(
                rules,
                built_in,
                Facts {
                    roles: who.roles,
                    tenant: who.tenant,
                    wanted: subject.wanted(),
                    inner: (what.inner != what.name).then_some(what.inner),
                    registry_roles: what.registry_roles,
                },
            );
            let denied = Verdict::Deny(Denial::Hidden);
            (if judged.allowed { Verdict::Allow(None) } else { denied }, judged.rule)
        }
        Layer::Agents => {
            let (server, inner, uri) = (what.server, what.inner, subject.uri());
            match rules.agents.as_ref()?.judge(who, Of { kind: what.kind, server, inner, uri }) {
                agents::Said::Allow(rule) => (Verdict::Allow(None), rule),
                agents::Said::Deny(rule) => (Verdict::Deny(Denial::Hidden), rule),
                agents::Said::Fault(fault, rule) => (Verdict::Deny(Denial::Agent(fault)), rule),
            }
        }
        Layer::Rules => {
            let (said, rule) = rules.actions.as_ref()?.judge(question, subject.uri());
            let verdict = match said {
                rules::Said::Do(Action::Allow, redaction) => Verdict::Allow(redaction),
                rules::Said::Do(Action::Approval, _) => Verdict::Approval,
                rules::Said::Do(Action::Deny, _) => Verdict::Deny(Denial::Denied),
                rules::Said::Hide => Verdict::Deny(Denial::Hidden),
                rules::Said::Failed(failure) => Verdict::Deny(Denial::Condition(failure)),
            };
            (verdict, rule)
        }
    };
    Some(Said { verdict, layer, rule })
}
