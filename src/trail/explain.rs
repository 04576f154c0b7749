//! The story of a call, in words.

use std::fmt::Write as _;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::text::shown;
use crate::clock::{Clock, Rfc3339, rfc3339};
use crate::store::{Line, Store, StoreError};

/// Most events of a story.
const MOST: u64 = 200;

/// Longest time to look back.
const LONGEST: Duration = Duration::from_mins(1);

/// How far from a time its events are looked for.
const NEAR: TimeDelta = TimeDelta::minutes(2);

/// An event, read.
pub(super) struct Event {
    members: Map<String, Value>,
    line: Line,
}

impl Event {
    /// Reads a line; one that is damaged has no members.
    pub(super) fn read(line: Line) -> Self {
        Self { members: serde_json::from_str(&line.text).unwrap_or_default(), line }
    }

    /// A member that is text.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.members.get(name).and_then(Value::as_str)
    }

    fn number(&self, name: &str) -> Option<u64> {
        self.members.get(name).and_then(Value::as_u64)
    }

    /// The line as it is stored.
    pub(super) fn line(&self) -> &Line {
        &self.line
    }
}

/// What is told of an id; `None` when there is nothing of it.
pub(super) async fn story(
    store: &Store,
    id: &str,
    clock: &Clock,
) -> Result<Option<String>, StoreError> {
    let mut search = Search { store, events: Vec::new(), since: None, more: false };
    search.find(id, clock).await?;
    // An event leads to its call and its request, and those to all of theirs.
    let mut asked: Vec<(String, DateTime<Utc>)> = Vec::new();
    for event in &search.events {
        let known = |name: &str| event.text(name).map(str::to_owned);
        let call = known("call_id").and_then(|call| made(&call).map(|made| (call, made)));
        let request = known("request_id").zip(time(event));
        for other in [call, request].into_iter().flatten() {
            if other.0 != id && asked.iter().all(|(name, _)| *name != other.0) {
                asked.push(other);
            }
        }
    }
    for (other, about) in asked {
        search.look(&other, near(about)).await?;
    }
    let Search { mut events, more, since, .. } = search;
    let calls: Vec<String> =
        events.iter().filter_map(|event| event.text("call_id")).map(str::to_owned).collect();
    let calls: Vec<&str> = calls.iter().map(String::as_str).collect();
    let outcomes = store.audit_outcome_lines(&calls).await?;
    events.extend(outcomes.into_iter().map(|(_, line)| Event::read(line)));
    events.sort_by(|one, other| {
        let place = |event: &Event| (event.line.chain_id.clone(), event.line.seq);
        place(one).cmp(&place(other))
    });
    events.dedup_by(|one, other| one.line == other.line);
    events.sort_by_key(|event| (event.text("time").map(str::to_owned), event.line.seq));
    if events.is_empty() {
        return Ok(None);
    }
    let mut text = String::new();
    if more {
        warn(&events, &mut text);
    }
    if let Some(since) = since {
        let _ =
            writeln!(text, "Nothing before {} was looked at: it takes too long", since.as_str());
    }
    let mut told: Vec<usize> = Vec::new();
    for (place, event) in events.iter().enumerate() {
        if told.contains(&place) || event.text("kind") == Some("outcome") {
            continue;
        }
        let outcome = event.text("call_id").and_then(|call| {
            events.iter().position(|other| {
                other.text("kind") == Some("outcome") && other.text("call_id") == Some(call)
            })
        });
        told.extend(outcome);
        if !text.is_empty() {
            text.push('\n');
        }
        tell(event, outcome.map(|place| &events[place]), &mut text);
    }
    for (place, event) in events.iter().enumerate() {
        if event.text("kind") == Some("outcome") && !told.contains(&place) {
            text.push_str("\nAn outcome whose decision is not on record (before the retention?)\n");
            came(event, &mut text);
            place_of(&[event], &mut text);
        }
    }
    Ok(Some(text))
}

/// Events gathered for a story.
struct Search<'a> {
    store: &'a Store,
    events: Vec<Event>,
    /// Where looking back was given up.
    since: Option<Rfc3339>,
    /// Whether there are more than were taken.
    more: bool,
}

impl Search<'_> {
    /// The events that have this id. No index has ids, but one has the time: an id
    /// that holds one is looked for about it, any other from now back.
    async fn find(&mut self, id: &str, clock: &Clock) -> Result<(), StoreError> {
        if let Some(made) = made(id) {
            self.look(id, near(made)).await?;
            if !self.events.is_empty() {
                return Ok(());
            }
        }
        let Some(oldest) = self.store.oldest_audit_time().await? else { return Ok(()) };
        let mut end = clock.now() + NEAR;
        let mut slice = TimeDelta::hours(1);
        let began = clock.monotonic();
        // Whoever uses an id again, however often, must not hide what had it
        // before: all windows are looked into.
        while end >= oldest {
            if clock.monotonic().saturating_sub(began) > LONGEST {
                self.since = Some(rfc3339(end));
                return Ok(());
            }
            let start = end - slice;
            self.look(id, (start, end)).await?;
            end = start;
            slice = (slice * 4).min(TimeDelta::days(30));
        }
        Ok(())
    }

    async fn look(
        &mut self,
        id: &str,
        window: (DateTime<Utc>, DateTime<Utc>),
    ) -> Result<(), StoreError> {
        let mut lines = self.store.audit_lines_named(id, window, MOST + 1).await?;
        if lines.len() as u64 > MOST {
            lines.truncate(usize::try_from(MOST).unwrap_or(usize::MAX));
            self.more = true;
        }
        self.events.extend(lines.into_iter().map(Event::read));
        Ok(())
    }
}

/// There are more events than a story has.
fn warn(events: &[Event], text: &mut String) {
    let mut chains: Vec<&str> = events.iter().map(|event| &*event.line.chain_id).collect();
    chains.sort_unstable();
    chains.dedup();
    let times = || events.iter().filter_map(|event| event.text("time"));
    let (first, last) = (times().min().unwrap_or("?"), times().max().unwrap_or("?"));
    let _ = writeln!(
        text,
        "More than {MOST} events have this id. These are the newest, calls before all others: from \
         {} to {}, of chain {}. `scopegate audit query --filter request_id=ID` has calls only.\n",
        shown(first),
        shown(last),
        shown(&chains.join(", "))
    );
}

/// When an id was made, if it is one that says so.
fn made(id: &str) -> Option<DateTime<Utc>> {
    let (seconds, nanos) = Uuid::try_parse(id).ok()?.get_timestamp()?.to_unix();
    DateTime::from_timestamp(i64::try_from(seconds).ok()?, nanos)
}

/// Times about a time.
fn near(time: DateTime<Utc>) -> (DateTime<Utc>, DateTime<Utc>) {
    (time - NEAR, time + NEAR)
}

fn time(event: &Event) -> Option<DateTime<Utc>> {
    let time = DateTime::parse_from_rfc3339(event.text("time")?).ok()?;
    Some(time.with_timezone(&Utc))
}

/// A line of the story, where there is something to tell.
fn say(text: &mut String, label: &str, parts: &[Option<String>]) {
    let parts: Vec<&str> = parts.iter().flatten().map(String::as_str).collect();
    if !parts.is_empty() {
        let _ = writeln!(text, "  {label:<10} {}", shown(&parts.join(" ")));
    }
}

fn with(word: &str, value: Option<&str>) -> Option<String> {
    value.map(|value| format!("{word}{value}"))
}

fn tell(event: &Event, outcome: Option<&Event>, text: &mut String) {
    let kind = event.text("kind").unwrap_or("unreadable");
    let what = match kind {
        "decision" => "A call",
        "authentication" => "A caller who could not be authenticated",
        "list" => "A list",
        "admin" => "A request of the administration",
        "folded" => "Refused attempts, counted together",
        "damaged" => "A line of the journal that could not be read",
        "request" => "A request",
        other => other,
    };
    let name = |label: &str, id: &str| event.text(id).map(|id| format!("{label} {id}"));
    let ids = [name("request", "request_id"), name("call", "call_id"), name("trace", "trace_id")];
    let ids: Vec<String> = ids.into_iter().flatten().collect();
    let _ = writeln!(text, "{} ({})", shown(what), shown(&ids.join(", ")));
    say(text, "When", &[event.text("time").map(str::to_owned)]);
    let who = event.text("user_id").map(str::to_owned);
    say(
        text,
        "Who",
        &[
            who.or_else(|| Some("nobody known".to_owned())),
            with("of tenant ", event.text("tenant")),
            with("as agent ", event.text("agent")),
            with("according to ", event.text("issuer")),
        ],
    );
    say(
        text,
        "From",
        &[
            event.text("client_addr").map(str::to_owned),
            with("with ", event.text("client_name")),
            event.text("client_version").map(str::to_owned),
            with("in session ", event.text("session")),
            with("in turn ", event.text("turn")),
        ],
    );
    say(
        text,
        "What",
        &[
            event.text("method").map(str::to_owned),
            with("of ", event.text("tool")),
            with("in scope ", event.text("scope")),
            with("served by ", event.text("backend")),
            with("through ", event.text("endpoint_path")),
            event.text("surface").map(|surface| format!("({surface})")),
        ],
    );
    say(text, "Arguments", &[event.text("arguments").map(str::to_owned)]);
    say(text, "", &[with("SHA-256 ", event.text("arguments_digest"))]);
    let decision = event.text("decision").map(|word| match word {
        "allow" => "allowed".to_owned(),
        "deny" => "denied".to_owned(),
        "rateLimited" => "a limit was exhausted".to_owned(),
        "budgetExceeded" => "a budget is used up".to_owned(),
        other => other.to_owned(),
    });
    say(
        text,
        "Decision",
        &[
            decision,
            with("because of ", event.text("reason")),
            event.text("error_code").map(|code| format!("({code})")),
            with("by rule ", event.text("rule_path")),
        ],
    );
    say(
        text,
        "Policy",
        &[
            with("digest ", event.text("policy_digest")),
            event.number("policy_generation").map(|number| format!("generation {number}")),
        ],
    );
    say(text, "Detail", &[event.text("detail").map(str::to_owned)]);
    let end = outcome.unwrap_or(event);
    took(event, end, text);
    match outcome {
        Some(outcome) => came(outcome, text),
        None if kind == "decision" && event.text("decision") == Some("allow") => {
            let open = "no outcome is on record: it still runs, waits in the journal, or its \
                        gateway died";
            say(text, "Came of it", &[Some(open.to_owned())]);
        }
        None => say(
            text,
            "Answered",
            &[event.number("http_status").map(|status| format!("HTTP {status}"))],
        ),
    }
    let events: Vec<&Event> = std::iter::once(event).chain(outcome).collect();
    place_of(&events, text);
}

fn took(event: &Event, end: &Event, text: &mut String) {
    let total = end.number("duration_us");
    let (quota, upstream) = (event.number("quota_us"), end.number("upstream_us"));
    let millis = |label: &str, micros: Option<u64>| {
        micros.map(|micros| format!("{label} {}.{:03} ms", micros / 1000, micros % 1000))
    };
    let own = total.map(|total| {
        total.saturating_sub(quota.unwrap_or(0)).saturating_sub(upstream.unwrap_or(0))
    });
    let parts = [
        millis("in all", total),
        millis("| backend", upstream),
        millis("| quota", quota),
        millis("| gateway", own.filter(|_| upstream.is_some() || quota.is_some())),
    ];
    say(text, "Took", &parts);
}

fn came(outcome: &Event, text: &mut String) {
    let is_error = outcome.members.get("is_error").and_then(Value::as_bool);
    say(
        text,
        "Came of it",
        &[
            outcome.text("decision").map(str::to_owned),
            (is_error == Some(true)).then(|| "(the tool reports an error)".to_owned()),
            with("because of ", outcome.text("reason")),
            outcome.number("http_status").map(|status| format!("HTTP {status}")),
            outcome.number("result_bytes").map(|bytes| format!("{bytes} bytes")),
        ],
    );
    say(text, "", &[with("SHA-256 ", outcome.text("result_digest"))]);
    say(text, "Detail", &[outcome.text("detail").map(str::to_owned)]);
}

fn place_of(events: &[&Event], text: &mut String) {
    let places: Vec<String> = events
        .iter()
        .map(|event| {
            let id = event.text("event_id").unwrap_or("?");
            format!("chain {} seq {} (event {id})", event.line.chain_id, event.line.seq)
        })
        .collect();
    say(text, "On record", &[Some(places.join("; "))]);
}
