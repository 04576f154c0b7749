//! Limits in words, for `check-config`.

use std::fmt::Write as _;

use super::check::Of;
use super::gcra::Gcra;
use crate::policy::{Asked, Limits, Measure};
use crate::settings::{OnQuotaFailure, QuotaSettings};

/// The limits in force for a call, a line each, with the rule that states it.
pub(crate) fn describe(limits: &Limits, asked: &Asked<'_>, settings: &QuotaSettings) -> String {
    let mut text = String::from("limits in force:\n");
    let mut line = |name: &str, what: String, rule: &str| {
        // Never fails: a String takes everything.
        let _ = writeln!(text, "  {name:<12} {what:<44} {rule}");
    };
    let mut slack = Vec::new();
    for limit in limits.of(asked) {
        let name = limit.per.name();
        let what = match &limit.measure {
            Measure::Rate(Some(rate), weight) => {
                let weight = weight.of(asked.tool);
                let share = Gcra::new(rate, weight).share(settings.replicas).remaining(0);
                // What all gateways let pass at once, when Redis goes and when
                // it has been forgotten meanwhile.
                let all = share.saturating_mul(settings.replicas);
                slack.push(format!("{name} {}", all.saturating_add(rate.burst() / weight.max(1))));
                let counts = match weight {
                    1 => String::new(),
                    weight => format!(", this one counts for {weight}"),
                };
                format!(
                    "{} calls {}, {} at once{counts}",
                    rate.count(),
                    rate.window(),
                    rate.burst()
                )
            }
            Measure::Concurrency(Some(most)) => {
                let all = shares(*most, settings.replicas);
                slack.push(format!("{name} {all} in progress"));
                format!("{most} calls in progress")
            }
            Measure::Rate(None, _) | Measure::Concurrency(None) => "without limit".to_owned(),
        };
        line(name, what, &limit.rule);
    }
    let budgets = limits.budgets;
    for (of, most, rule) in [
        (Of::Turn, budgets.turn, "budgets.maxToolCallsPerTurn"),
        (Of::Day, budgets.day, "budgets.maxToolCallsPerDay"),
        (Of::Job, budgets.job, "budgets.maxToolCallsPerJob"),
    ] {
        let Some(most) = most.filter(|_| asked.tool.is_some()) else { continue };
        let window = match of {
            Of::Turn => "turn",
            Of::Day => "day",
            Of::Job | Of::Limit(_) | Of::Call => "job",
        };
        slack.push(format!("{window} {}", shares(most, settings.replicas)));
        line(window, format!("{most} tool calls a {window}"), rule);
    }
    if settings.on_failure == OnQuotaFailure::Local {
        let replicas = settings.replicas;
        let _ = writeln!(
            text,
            "while Redis is away each of {replicas} gateways grants its share; an outage lets pass \
             at most so many calls more: {}\n\
             while some gateways reach Redis and others do not, those that do not add up to their \
             share of each rate, for as long as that lasts",
            slack.join(", ")
        );
    }
    text
}

/// What all gateways grant of a count, each its share.
fn shares(most: u32, replicas: u32) -> u32 {
    (most / replicas.max(1)).max(1).saturating_mul(replicas)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::{RateSettings, TurnFallback};

    #[test]
    fn the_slack_of_local_counting_is_told_for_every_kind_of_limit() {
        let rate = RateSettings { per_minute: 60, burst: 10 };
        let settings = QuotaSettings {
            user: rate,
            user_tool: rate,
            on_failure: OnQuotaFailure::Local,
            replicas: 3,
            lease_seconds: 30,
            refund_unreached: true,
            retry_seconds: 300,
            free_retries: 2,
            turn_fallback: TurnFallback::Session,
            turn_seconds: 3600,
            abuse: rate,
        };
        let limits = Limits::for_test(
            "quotas: [{ per: user, rate: 60/min, burst: 10, concurrency: 2 }]\n\
             budgets: { maxToolCallsPerTurn: 20 }",
            None,
        );
        let asked =
            Asked { roles: &[], tenant: None, agent: None, scope: "main", tool: Some("add") };
        let text = describe(&limits, &asked, &settings);
        for part in ["user 19", "user 3 in progress", "turn 18", "share of each rate"] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }
}
