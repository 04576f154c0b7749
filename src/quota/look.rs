//! Looking at counters, and forgetting them, for who runs the gateway.
//!
//! Counters cannot be listed: their names are hashed. So whoever looks says
//! whose, with the roles and the workspace of the token, since the limits
//! depend on those; each tool of the registry is then asked about by name.

use std::fmt::Display;
use std::sync::Arc;

use serde::Serialize;

use super::check::{Check, Of, Rule, Seen};
use super::remote::RemoteError;
use super::{Charge, Occasion, Quota, QuotaIo, Store};
use crate::error::{Reason, Refusal};
use crate::policy::{Asked, Limits, Measure};

/// Counters asked about in one round trip.
const AT_ONCE: usize = 256;

/// Whose counters.
#[derive(Clone, Copy)]
pub(crate) struct Whose<'a> {
    pub(crate) limits: &'a Arc<Limits>,
    /// Issuer and user, as they are counted.
    pub(crate) caller: &'a str,
    pub(crate) roles: &'a [String],
    pub(crate) tenant: Option<&'a str>,
    pub(crate) agent: Option<&'a str>,
    /// The session, turn and job whose budgets are meant, too; without them the
    /// turn is that of calls that name none.
    pub(crate) session: Option<&'a str>,
    pub(crate) turn: Option<&'a str>,
    pub(crate) job: Option<&'a str>,
}

/// One limit of somebody's, and how it stands.
#[derive(Debug, Serialize)]
pub(crate) struct Shown {
    /// `user`, `user_tool` …, `turn`, `day`, `job`.
    limit: &'static str,
    /// `rate`, `concurrency` or `budget`.
    kind: &'static str,
    /// The entry of the policy, or the setting.
    rule: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool: Option<String>,
    /// Calls in a window, in progress, or of a budget.
    most: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    window: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    burst: Option<u32>,
    /// Calls that could be made now.
    remaining: u32,
    /// Until nothing is used any more, in milliseconds.
    reset_ms: u64,
}

impl Quota {
    /// How the caller stands with every limit: those of its own, those of a
    /// tool only where something of them is used. Changes nothing.
    ///
    /// # Errors
    /// [`Reason::QuotaUnavailable`].
    pub(crate) async fn show<'t>(
        &self,
        io: &QuotaIo,
        whose: Whose<'_>,
        tools: impl Iterator<Item = Tool<'t>>,
    ) -> Result<Vec<Shown>, Refusal> {
        let checks = self.checks_of(whose, tools);
        self.look(io, &checks, |tool, seen| tool.is_none() || seen.value > 0).await
    }

    /// How the caller stands with what [`reset`](Self::reset) would forget, as
    /// far as something of it is used.
    ///
    /// # Errors
    /// [`Reason::QuotaUnavailable`].
    pub(crate) async fn used<'t>(
        &self,
        io: &QuotaIo,
        whose: Whose<'_>,
        tools: impl Iterator<Item = Tool<'t>>,
    ) -> Result<Vec<Shown>, Refusal> {
        let mut checks = self.checks_of(whose, tools);
        checks.retain(|(check, _)| is_own(check));
        self.look(io, &checks, |_, seen| seen.value > 0).await
    }

    /// Forgets what the caller has used: its rates, and its budgets of the day,
    /// and of the turn and job that are named.
    /// Calls in progress, and what it shares with others, stay.
    ///
    /// # Errors
    /// [`Reason::QuotaUnavailable`].
    pub(crate) async fn reset<'t>(
        &self,
        io: &QuotaIo,
        whose: Whose<'_>,
        tools: impl Iterator<Item = Tool<'t>>,
    ) -> Result<(), Refusal> {
        let mut checks = self.checks_of(whose, tools);
        checks.retain(|(check, _)| is_own(check));
        for some in checks.chunks(AT_ONCE) {
            let keys = some.iter().map(|(check, _)| &check.key);
            match &self.inner.store {
                Store::Memory(memory) => memory.forget(keys),
                Store::Redis(remote) => {
                    let forgotten = Box::pin(remote.forget(io.0.as_deref(), keys)).await;
                    forgotten.map_err(|error| unavailable(&error))?;
                }
            }
        }
        Ok(())
    }

    /// How those checks stand that are wanted.
    async fn look(
        &self,
        io: &QuotaIo,
        checks: &[(Check, Option<String>)],
        wanted: impl Fn(Option<&String>, Seen) -> bool,
    ) -> Result<Vec<Shown>, Refusal> {
        let mut shown = Vec::new();
        for some in checks.chunks(AT_ONCE) {
            let only: Vec<Check> = some.iter().map(|(check, _)| check.clone()).collect();
            let outcome = match &self.inner.store {
                Store::Memory(memory) => memory.look(&only, self.inner.now()),
                Store::Redis(remote) => {
                    Box::pin(remote.look(io.0.as_deref(), &only, self.inner.given_time()))
                        .await
                        .map_err(|error| unavailable(&error))?
                }
            };
            for ((check, tool), seen) in some.iter().zip(&outcome.seen) {
                if wanted(tool.as_ref(), *seen) {
                    shown.extend(describe(check, tool.as_ref(), *seen, outcome.now));
                }
            }
        }
        Ok(shown)
    }

    /// The caller's checks without a tool, and those of each tool.
    fn checks_of<'t>(
        &self,
        whose: Whose<'_>,
        tools: impl Iterator<Item = Tool<'t>>,
    ) -> Vec<(Check, Option<String>)> {
        let session = whose.session.as_ref().map(|session| session as &(dyn Display + Sync));
        let of = |tool: Option<Tool<'_>>| {
            let charge = Charge {
                limits: whose.limits,
                caller: whose.caller,
                asked: Asked {
                    roles: whose.roles,
                    tenant: whose.tenant,
                    agent: whose.agent,
                    scope: tool.map_or("", |tool| tool.scope),
                    tool: tool.map(|tool| tool.name),
                },
                subject: "",
                tool: tool.map(|tool| tool.key),
                occasion: Occasion {
                    session,
                    turn: whose.turn,
                    job: whose.job,
                    ..Occasion::default()
                },
            };
            self.inner.checks(&charge)
        };
        let mut found: Vec<_> = of(None).into_iter().map(|check| (check, None)).collect();
        let mut known: std::collections::HashSet<_> =
            found.iter().map(|(check, _)| check.key.clone()).collect();
        for tool in tools {
            for check in of(Some(tool)) {
                if known.insert(check.key.clone()) {
                    let of_tool = matches!(check.of, Of::Limit(_));
                    found.push((check, of_tool.then(|| tool.key.to_owned())));
                }
            }
        }
        found
    }
}

/// Whether it counts what the caller alone uses up.
fn is_own(check: &Check) -> bool {
    match (&check.of, check.rule) {
        (Of::Limit(limit), Rule::Rate(_)) => limit.per.is_of_caller(),
        (Of::Day | Of::Turn | Of::Job, _) => true,
        (Of::Limit(_) | Of::Call, _) => false,
    }
}

fn unavailable(error: &RemoteError) -> Refusal {
    Refusal::new(Reason::QuotaUnavailable, error.to_string())
}

/// A tool whose counters are looked at.
#[derive(Clone, Copy)]
pub(crate) struct Tool<'t> {
    pub(crate) scope: &'t str,
    pub(crate) name: &'t str,
    /// As it is counted.
    pub(crate) key: &'t str,
}

fn describe(check: &Check, tool: Option<&String>, seen: Seen, now: u64) -> Option<Shown> {
    let left = |most: u32| most.saturating_sub(u32::try_from(seen.value).unwrap_or(u32::MAX));
    let millis = |micros: u64| micros.div_ceil(1000);
    let (budget, rule) = match check.of {
        Of::Turn => ("turn", "budgets.maxToolCallsPerTurn"),
        Of::Job => ("job", "budgets.maxToolCallsPerJob"),
        Of::Day | Of::Limit(_) | Of::Call => ("day", "budgets.maxToolCallsPerDay"),
    };
    let blank = Shown {
        limit: "",
        kind: "budget",
        rule: String::new(),
        tool: tool.cloned(),
        most: 0,
        window: None,
        burst: None,
        remaining: 0,
        reset_ms: 0,
    };
    Some(match (&check.of, check.rule) {
        (Of::Limit(limit), rule) => {
            let named = Shown { limit: limit.per.name(), rule: limit.rule.to_string(), ..blank };
            match (rule, &limit.measure) {
                (Rule::Rate(gcra), Measure::Rate(Some(rate), _)) => Shown {
                    kind: "rate",
                    most: rate.count(),
                    window: Some(rate.window()),
                    burst: Some(rate.burst()),
                    remaining: gcra.remaining(seen.value),
                    reset_ms: millis(seen.value),
                    ..named
                },
                (Rule::Lease { most }, _) => {
                    Shown { kind: "concurrency", most, remaining: left(most), ..named }
                }
                _ => return None,
            }
        }
        (Of::Turn | Of::Day | Of::Job, Rule::Budget { most, .. }) => Shown {
            limit: budget,
            rule: rule.to_owned(),
            most,
            remaining: left(most),
            reset_ms: millis(seen.until.saturating_sub(now)),
            ..blank
        },
        _ => return None,
    })
}
