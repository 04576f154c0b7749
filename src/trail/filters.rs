//! Filters in words, the same over HTTP and on the command line.

use chrono::{DateTime, NaiveDate, NaiveTime, TimeDelta, Utc};

use crate::store::{AuditQuery, CallKind, CallStatus};

/// Longest value of a filter, in bytes.
const MOST_VALUE: usize = 1024;

/// What a filter is called.
pub(super) const NAMES: [&str; 19] = [
    "kind",
    "user_id",
    "tool_name",
    "endpoint_path",
    "status",
    "decision",
    "reason",
    "error_code",
    "tenant",
    "scope",
    "backend",
    "agent",
    "client_addr",
    "request_id",
    "call_id",
    "arguments_digest",
    "policy_digest",
    "start_time",
    "end_time",
];

const KINDS: [CallKind; 7] = [
    CallKind::Decision,
    CallKind::Authentication,
    CallKind::List,
    CallKind::Admin,
    CallKind::Request,
    CallKind::Folded,
    CallKind::Reload,
];

const STATUSES: [CallStatus; 7] = [
    CallStatus::Success,
    CallStatus::Error,
    CallStatus::Timeout,
    CallStatus::RateLimited,
    CallStatus::Denied,
    CallStatus::Aborted,
    CallStatus::Pending,
];

/// What is wrong with a filter, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct FilterError(String);

/// Filters that were read, each at most once.
#[derive(Clone, Debug, Default)]
pub(crate) struct Filters {
    pub(crate) query: AuditQuery,
    /// Names and values as they were given.
    pub(crate) given: Vec<(&'static str, String)>,
}

impl Filters {
    /// Adds a filter. Relative times count from `now`.
    ///
    /// # Errors
    /// A sentence for whoever asked.
    pub(crate) fn add(
        &mut self,
        name: &str,
        value: &str,
        now: DateTime<Utc>,
    ) -> Result<(), FilterError> {
        let known = NAMES.into_iter().find(|known| *known == name);
        let name = known.ok_or_else(|| unknown(name))?;
        if self.given.iter().any(|(given, _)| *given == name) {
            return Err(FilterError(format!("`{name}` is given twice; give it once")));
        }
        if value.is_empty() || value.len() > MOST_VALUE {
            let message =
                format!("`{name}` must have 1 to {MOST_VALUE} bytes; leave it out to see all");
            return Err(FilterError(message));
        }
        let text = Some(value.to_owned());
        let query = &mut self.query;
        match name {
            "kind" => query.kind = Some(one_of(name, value, &KINDS, CallKind::name)?),
            "status" => query.status = Some(one_of(name, value, &STATUSES, CallStatus::name)?),
            "start_time" => query.start_time = Some(time(name, value, now)?),
            "end_time" => query.end_time = Some(time(name, value, now)?),
            "user_id" => query.user_id = text,
            "tool_name" => query.tool_name = text,
            "endpoint_path" => query.endpoint_path = text,
            "decision" => query.decision = text,
            "reason" => query.reason = text,
            "error_code" => query.error_code = text,
            "tenant" => query.tenant = text,
            "scope" => query.scope = text,
            "backend" => query.backend = text,
            "agent" => query.agent = text,
            "client_addr" => query.client_addr = text,
            "request_id" => query.request_id = text,
            "call_id" => query.call_id = text,
            "arguments_digest" => query.arguments_digest = text,
            "policy_digest" => query.policy_digest = text,
            _ => return Err(unknown(name)),
        }
        self.given.push((name, value.to_owned()));
        Ok(())
    }

    /// Whether nothing but the time narrows the selection.
    pub(crate) fn are_only_times(&self) -> bool {
        self.given.iter().all(|(name, _)| matches!(*name, "start_time" | "end_time"))
    }
}

/// A filter, or another parameter, that does not exist. The name is shown as
/// far as it can be one: it may hold anything.
pub(super) fn unknown(name: &str) -> FilterError {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let shown: String = name.chars().filter(|c| plain(*c)).take(32).collect();
    FilterError(format!("`{shown}` is no filter; there are {}", NAMES.join(", ")))
}

fn one_of<T: Copy>(
    name: &str,
    value: &str,
    all: &[T],
    spelled: impl Fn(T) -> &'static str,
) -> Result<T, FilterError> {
    all.iter().copied().find(|one| spelled(*one) == value).ok_or_else(|| {
        let words: Vec<&str> = all.iter().map(|one| spelled(*one)).collect();
        FilterError(format!("`{name}` must be one of {}", words.join(", ")))
    })
}

fn time(name: &str, value: &str, now: DateTime<Utc>) -> Result<DateTime<Utc>, FilterError> {
    when(value, now).ok_or_else(|| {
        FilterError(format!(
            "`{name}` must be a time such as 2026-11-25T08:30:00Z, a day such as 2026-11-25 (UTC), \
             or so long ago: 45s, 15m, 2h, 30d, 4w"
        ))
    })
}

/// A point in time: RFC 3339, a day (its beginning, in UTC), or so long before
/// `now`.
pub(crate) fn when(text: &str, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Some(time.with_timezone(&Utc));
    }
    if let Ok(day) = NaiveDate::parse_from_str(text, "%Y-%m-%d") {
        return Some(day.and_time(NaiveTime::MIN).and_utc());
    }
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        "w" => 604_800,
        _ => return None,
    };
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let ago = digits.parse::<i64>().ok()?.checked_mul(seconds)?;
    now.checked_sub_signed(TimeDelta::try_seconds(ago)?)
}
