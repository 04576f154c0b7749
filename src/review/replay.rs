//! The past decided anew.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use chrono::{DateTime, Utc};

use super::past::{self, Past, Was};
use crate::policy::{Active, Denial, Failure, Layer, Verdict};
use crate::registry::{Snapshot, SubjectKind};
use crate::store::{AuditQuery, CallKind, CallPlace, Order, Paging, Store, StoreError};

/// Calls that are read at a time.
const PAGE: i64 = 1000;

/// What came of it.
#[derive(Debug, Default, serde::Serialize)]
pub(super) struct Replayed {
    /// Calls that a policy had decided.
    pub(super) calls: u64,
    /// Decided as before.
    pub(super) same: u64,
    /// Too little of them is on record.
    pub(super) undecided: u64,
    /// How many differ, by `from->to`.
    pub(super) differences: BTreeMap<String, u64>,
    /// Some of those.
    pub(super) samples: Vec<Sample>,
    /// SHA-256 of the candidate, hexadecimal.
    pub(super) candidate_digest: String,
}

/// A call that would be decided otherwise.
#[derive(Debug, serde::Serialize)]
pub(super) struct Sample {
    pub(super) id: String,
    pub(super) time: String,
    pub(super) user: String,
    pub(super) subject: String,
    pub(super) from: &'static str,
    pub(super) to: &'static str,
    pub(super) rule_before: String,
    pub(super) rule_after: String,
}

/// Decides calls of a time anew.
///
/// # Errors
/// The database's failure.
pub(super) async fn replay(
    store: &Store,
    candidate: &Active,
    registry: &Snapshot,
    (since, until): (DateTime<Utc>, Option<DateTime<Utc>>),
    samples: u32,
) -> Result<Replayed, StoreError> {
    let mut replayed =
        Replayed { candidate_digest: candidate.digest().to_string(), ..Replayed::default() };
    let query = AuditQuery {
        kind: Some(CallKind::Decision),
        start_time: Some(since),
        end_time: until,
        paging: Paging::new(Some(PAGE), None).unwrap_or_default(),
        ..AuditQuery::default()
    };
    let mut after: Option<CallPlace> = None;
    loop {
        let calls = store.audit_calls_after(query.clone(), after.take(), Order::Oldest).await?;
        let Some(last) = calls.last() else { break };
        after = Some(CallPlace::from(last));
        for line in store.audit_lines_of(&calls).await? {
            if let Some(past) = past::read(&line.text) {
                replayed.count(&past, candidate, registry, samples);
            }
        }
    }
    Ok(replayed)
}

impl Replayed {
    fn count(&mut self, past: &Past, candidate: &Active, registry: &Snapshot, samples: u32) {
        self.calls += 1;
        let Some((now, rule)) = anew(past, candidate, registry) else {
            self.undecided += 1;
            return;
        };
        if now == past.was {
            self.same += 1;
            return;
        }
        let (from, to) = (past.was.word(), now.word());
        let count = self.differences.entry(format!("{from}->{to}")).or_default();
        *count += 1;
        if *count <= u64::from(samples) {
            let scope = past.asked.scope.as_deref().unwrap_or("-");
            self.samples.push(Sample {
                id: past.id.clone(),
                time: past.time.clone(),
                user: past.asked.user.clone(),
                subject: format!("{scope}/{}", past.asked.name),
                from,
                to,
                rule_before: past.rule.clone(),
                rule_after: rule,
            });
        }
    }

    /// How many calls would be decided otherwise.
    pub(super) fn differing(&self) -> u64 {
        self.differences.values().sum()
    }

    /// In words.
    pub(super) fn in_words(&self) -> String {
        let mut text = String::new();
        let _ = writeln!(
            text,
            "{} calls: {} as before, {} otherwise, {} undecided (too little on record)",
            self.calls,
            self.same,
            self.differing(),
            self.undecided
        );
        for (what, count) in &self.differences {
            let _ = writeln!(text, "  {what}  {count}");
            for it in &self.samples {
                if format!("{}->{}", it.from, it.to) == *what {
                    let _ = writeln!(
                        text,
                        "    {}  {}  {}  {} -> {}  {}",
                        it.time, it.user, it.subject, it.rule_before, it.rule_after, it.id
                    );
                }
            }
        }
        text
    }
}

/// What the candidate decides; `None` where nobody can know.
pub(super) fn anew(past: &Past, candidate: &Active, registry: &Snapshot) -> Option<(Was, String)> {
    let (was, rule) = anew_as(past, past.asked.kind, candidate, registry)?;
    if past.kind_unknown {
        let other = anew_as(past, Some(SubjectKind::Prompt), candidate, registry)?;
        return (other.0 == was).then_some((was, rule));
    }
    Some((was, rule))
}

fn anew_as(
    past: &Past,
    kind: Option<SubjectKind>,
    candidate: &Active,
    registry: &Snapshot,
) -> Option<(Was, String)> {
    if past.roles_unknown {
        return None;
    }
    let decide = |arguments: Option<&serde_json::Value>| {
        let mut asked = past.asked.clone();
        asked.arguments = arguments.cloned();
        asked.kind = kind;
        // The scope may be gone; the server is on record.
        if asked.scope.as_ref().is_some_and(|scope| registry.scope(scope).is_none()) {
            asked.scope = None;
        }
        let (decision, at_known) = asked
            .ask(registry, |question| (candidate.decide(question), question.what.server.is_some()))
            .ok()?;
        // The roles do not ask which backend it is.
        let denied = matches!(decision.verdict, Verdict::Deny(_));
        let of_roles = denied && decision.layer == Layer::Roles;
        (at_known || of_roles || !candidate.knows_servers()).then_some(decision)
    };
    // Without the arguments first: most rules do not look at them.
    let mut decision = decide(None)?;
    let unread = Verdict::Deny(Denial::Condition(Failure::Unreadable));
    if decision.verdict == unread {
        decision = decide(Some(past.arguments.as_ref()?))?;
        if decision.verdict == unread {
            return None;
        }
    }
    Some((Was::of(decision.verdict.word()), decision.rule.to_string()))
}
