//! What is to be charged, and the checks that come of it.

use std::fmt::Display;
use std::sync::Arc;

use super::check::{Check, Key, Of, Rule, Window};
use super::gcra::Gcra;
use super::name::{Name, Tag, shortened};
use super::{Inner, Store};
use crate::policy::{Asked, Limits, Measure, Per};
use crate::settings::TurnFallback;

/// How long the answer to a question may take, in µs: a day, since people
/// answer.
pub(super) const QUESTION: u64 = 86_400_000_000;

/// One call, as far as counting it depends on it.
#[derive(Clone, Copy)]
pub(crate) struct Charge<'a> {
    /// The limits of the policy that permits it.
    pub(crate) limits: &'a Arc<Limits>,
    /// Who calls: a name that is unique over all issuers.
    pub(crate) caller: &'a str,
    pub(crate) asked: Asked<'a>,
    /// What is called, as clients of the scope name it.
    pub(crate) subject: &'a str,
    /// The tool, by a name that is unique over all scopes; nothing for a
    /// request that calls none.
    pub(crate) tool: Option<&'a str>,
    pub(crate) occasion: Occasion<'a>,
}

/// On what occasion somebody calls.
#[derive(Clone, Copy, Default)]
pub(crate) struct Occasion<'a> {
    /// What is done to which kind of subject: no retry, and no answer, has
    /// another.
    pub(crate) form: &'static str,
    /// The session it is called in.
    pub(crate) session: Option<&'a (dyn Display + Sync)>,
    /// The turn that the client names.
    pub(crate) turn: Option<&'a str>,
    /// The job that the client names.
    pub(crate) job: Option<&'a str>,
    /// The request's id, where the client chose it.
    pub(crate) request_id: Option<&'a str>,
    /// The arguments, as they were written.
    pub(crate) arguments: &'a str,
    /// Set when the call answers questions.
    pub(crate) answers: Option<Answered<'a>>,
}

/// That a call answers questions.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Answered<'a> {
    /// The state that was to be sent back.
    pub(crate) state: Option<&'a str>,
}

/// What tells one question to a caller from another.
#[derive(Clone, Copy, Debug)]
pub(super) enum Known<'a> {
    /// The state that is to come back with the answer.
    State(&'a str),
    /// Where there is none, the [digest](super::name::shortened) of the call's
    /// arguments.
    Arguments(&'a str),
}

/// What identifies a question.
pub(super) fn question<'a>(
    scope: &'a str,
    caller: &'a str,
    (form, subject): (&'static str, &'a str),
    known: Known<'a>,
) -> Name<'a> {
    let (kind, what) = match known {
        Known::State(state) => ("state", state),
        Known::Arguments(digest) => ("arguments", digest),
    };
    Name { kind: "question", mark: scope, parts: [caller, form, subject, kind, what] }
}

/// Where a caller's counters lie.
pub(super) enum Place<'a> {
    Here(&'a super::memory::Memory),
    There(Tag),
}

impl Place<'_> {
    pub(super) fn key(&self, name: &Name<'_>) -> Key {
        match self {
            Self::Here(memory) => memory.key(name),
            Self::There(tag) => tag.key(name),
        }
    }
}

impl Inner {
    /// Where the counters of a caller lie.
    pub(super) fn place(&self, limits: &Limits, caller: &str) -> Place<'_> {
        match &self.store {
            Store::Memory(memory) => Place::Here(memory),
            Store::Redis(remote) => {
                let own = limits.are_of_callers().then_some(caller);
                Place::There(Tag::new(&remote.prefix, own))
            }
        }
    }

    /// The checks of a call, in the order in which their refusals are told.
    pub(super) fn checks(&self, charge: &Charge<'_>) -> Vec<Check> {
        let place = self.place(charge.limits, charge.caller);
        let mut checks = Vec::with_capacity(4);
        for limit in charge.limits.of(&charge.asked) {
            let rule = match &limit.measure {
                Measure::Rate(Some(rate), weight) => {
                    Rule::Rate(Gcra::new(rate, weight.of(charge.asked.tool)))
                }
                Measure::Concurrency(Some(most)) => Rule::Lease { most: *most },
                Measure::Rate(None, _) | Measure::Concurrency(None) => continue,
            };
            let name = counter(limit.per, rule, &limit.mark, charge);
            checks.push(Check { rule, key: place.key(&name), of: Of::Limit(Arc::clone(limit)) });
        }
        if charge.tool.is_some() {
            self.budgets(charge, &place, &mut checks);
        }
        self.once(charge, &place, &mut checks);
        checks
    }

    fn budgets(&self, charge: &Charge<'_>, place: &Place<'_>, checks: &mut Vec<Check>) {
        let Charge { caller, occasion, limits, .. } = *charge;
        let budgets = limits.budgets;
        let session = occasion.session.filter(|_| budgets.turn.is_some());
        let session = session.map(ToString::to_string).unwrap_or_default();
        let mut add = |most, window, of, parts| {
            let kind = match of {
                Of::Turn => "turn",
                Of::Day => "day",
                Of::Job | Of::Limit(_) | Of::Call => "job",
            };
            let key = place.key(&Name { kind, mark: "", parts });
            checks.push(Check { rule: Rule::Budget { most, window }, key, of });
        };
        let long = Window::Of(self.turn);
        if let Some(most) = budgets.turn {
            match (occasion.turn, self.turn_fallback) {
                (Some(turn), _) => add(most, long, Of::Turn, [caller, &session, "turn", turn, ""]),
                (None, TurnFallback::Session) => {
                    add(most, long, Of::Turn, [caller, &session, "session", "", ""]);
                }
                (None, TurnFallback::Request) => {}
            }
        }
        if let Some(most) = budgets.day {
            add(most, Window::Day, Of::Day, [caller, "", "", "", ""]);
        }
        if let (Some(most), Some(job)) = (budgets.job, occasion.job) {
            add(most, long, Of::Job, [caller, job, "", "", ""]);
        }
    }

    /// Whether the call was charged before.
    fn once(&self, charge: &Charge<'_>, place: &Place<'_>, checks: &mut Vec<Check>) {
        let Charge { caller, occasion, asked, subject, .. } = *charge;
        if let Some(Answered { state }) = occasion.answers {
            let digest = state.is_none().then(|| shortened(occasion.arguments));
            let known =
                state.map_or(Known::Arguments(digest.as_deref().unwrap_or_default()), Known::State);
            let name = question(asked.scope, caller, (occasion.form, subject), known);
            let rule = Rule::Credit { keep: QUESTION };
            checks.push(Check { rule, key: place.key(&name), of: Of::Call });
        }
        if let Some(id) = occasion.request_id.filter(|_| self.retry.keep > 0 && self.retry.free > 0)
        {
            let parts = [caller, occasion.form, subject, id, occasion.arguments];
            let key = place.key(&Name { kind: "request", mark: asked.scope, parts });
            let rule = Rule::Once { retries: self.retry.free, keep: self.retry.keep };
            checks.push(Check { rule, key, of: Of::Call });
        }
    }
}

/// The counter of a limit.
pub(super) fn counter<'a>(per: Per, rule: Rule, mark: &'a str, charge: &Charge<'a>) -> Name<'a> {
    let tool = charge.tool.unwrap_or_default();
    let tenant = charge.asked.tenant.unwrap_or_default();
    let parts = match per {
        Per::User => [charge.caller, "", "", "", ""],
        Per::UserTool => [charge.caller, tool, "", "", ""],
        Per::Tool => [tool, "", "", "", ""],
        Per::Tenant => [tenant, "", "", "", ""],
        Per::TenantTool => [tenant, tool, "", "", ""],
        Per::Global => [""; 5],
    };
    let kind = match (rule, per) {
        (Rule::Lease { .. }, Per::User) => "user-now",
        (Rule::Lease { .. }, Per::UserTool) => "user_tool-now",
        (Rule::Lease { .. }, Per::Tool) => "tool-now",
        (Rule::Lease { .. }, Per::Tenant) => "tenant-now",
        (Rule::Lease { .. }, Per::TenantTool) => "tenant_tool-now",
        (Rule::Lease { .. }, Per::Global) => "global-now",
        (Rule::Rate(_) | Rule::Budget { .. } | Rule::Once { .. } | Rule::Credit { .. }, per) => {
            per.name()
        }
    };
    Name { kind, mark, parts }
}
