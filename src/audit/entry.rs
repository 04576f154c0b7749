//! The record of one request, from its first byte to its last.

use std::borrow::Cow;
use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use serde_json::value::RawValue;
use uuid::Uuid;

use super::digest::Digest;
use super::facts::{
    CallerFacts, Decision, Event, Facts, Kind, MOST_NAME, Opening, Outcome, Surface, TargetFacts,
};
use super::flood::Attempt;
use super::journal::Room;
use super::line::bounded;
use super::redact::{self, Keeping};
use super::{Auditor, note_open};
use crate::error::{Reason, Refusal};
use crate::protocol::json_path::JsonPaths;
use crate::settings::ArgumentsKept;

/// What was written down before it takes effect: only the audit trail makes
/// one, and nothing goes to a backend without.
#[derive(Debug)]
pub(crate) struct Recorded<T>(T);

impl<T> AsRef<T> for Recorded<T> {
    fn as_ref(&self) -> &T {
        &self.0
    }
}

/// The open record of a request. Opened before authentication, filled while
/// the request goes through the stages, sealed once. One that is dropped
/// unsealed (the caller went away) records that it was aborted.
#[derive(Debug)]
pub(crate) struct Entry {
    auditor: Arc<Auditor>,
    facts: Box<Facts>,
    /// Set once the decision to go on is written.
    call_id: Option<Uuid>,
    sealed: bool,
}

/// The event that ends an entry.
struct End<'a> {
    event: Event<'a>,
    room: Room,
    /// Reason and decision of a refused attempt.
    attempt: Option<(&'static str, Decision)>,
}

impl Entry {
    pub(super) fn open(auditor: Arc<Auditor>, mut opening: Opening) -> Self {
        if let Cow::Owned(shown) = redact::name(&opening.request_id) {
            opening.request_id = shown;
        }
        if let Cow::Owned(shown) = redact::name(&opening.endpoint_path) {
            opening.endpoint_path = shown.into();
        }
        let began = auditor.clock.monotonic();
        let facts = Box::new(Facts::new(opening, began));
        note_open(|open| open.saturating_add(1));
        Self { auditor, facts, call_id: None, sealed: false }
    }

    /// Who is calling.
    pub(crate) fn caller(&mut self, caller: CallerFacts) {
        self.facts.caller = Some(caller);
    }

    /// The program that calls, as it introduced itself, without what is secret in
    /// that.
    pub(crate) fn client(&mut self, name: Option<&str>, version: Option<&str>) {
        self.facts.client_name = name.map(|name| kept(&redact::name(name)));
        self.facts.client_version = version.map(|version| kept(&redact::name(version)));
    }

    /// The method of the protocol, such as `tools/call`; never a client's text.
    pub(crate) fn method(&mut self, method: &'static str) {
        self.facts.method = Some(method);
    }

    /// The scope the request is in, where no tool is found in it.
    pub(crate) fn scope(&mut self, scope: Arc<str>) {
        self.facts.scope = Some(scope);
    }

    /// The legacy session the request is made in. Its name inside the gateway,
    /// not the sealed one that a client shows.
    pub(crate) fn session(&mut self, id: &impl Display) {
        self.facts.session = Some(id.to_string().into());
    }

    /// The name of the tool that is asked for, before (or without) its being
    /// found. From here on, this is a call. A URI is kept without what is secret
    /// in it.
    pub(crate) fn asked(&mut self, tool: &str) {
        self.facts.asked = Some(kept(&redact::name(tool)));
    }

    /// The tool that is asked for is one that the registry declares. Its first
    /// refusal is never hidden in a flood.
    pub(crate) fn declared(&mut self) {
        self.facts.declared = true;
    }

    /// The tool that was found.
    pub(crate) fn target(&mut self, mut target: TargetFacts) {
        if let Cow::Owned(shown) = redact::name(&target.tool) {
            target.tool = shown.into();
        }
        self.facts.target = Some(target);
    }

    /// The call's arguments: their digest, and as much of them as the setting
    /// wants kept. `hidden` points at what the registry hides of this tool's.
    pub(crate) fn arguments(&mut self, arguments: &RawValue, hidden: Option<&JsonPaths>) {
        let raw = arguments.get();
        self.facts.arguments_digest = Some(Digest::of(raw.as_bytes()));
        self.facts.arguments = self.auditor.keeping.keep(raw, hidden);
    }

    /// The call's arguments as they may be kept, where the policy hides some. The
    /// digest stays that of the arguments as they came.
    pub(crate) fn shown_arguments(&mut self, arguments: &RawValue, hidden: Option<&JsonPaths>) {
        self.facts.arguments = self.auditor.keeping.keep(arguments.get(), hidden);
    }

    /// What an administrator asks for, as JSON: kept whatever the setting says of
    /// arguments, without values of secret-looking names.
    pub(crate) fn question(&mut self, asked: &str) {
        let keeping = Keeping { kept: ArgumentsKept::Redacted, ..self.auditor.keeping };
        self.facts.arguments = keeping.keep(asked, None);
    }

    /// The rule that decided, and the policy it is of.
    pub(crate) fn rule(
        &mut self,
        path: Option<Arc<str>>,
        policy_digest: Arc<str>,
        policy_generation: u64,
    ) {
        self.facts.rule_path = path;
        self.facts.policy_digest = Some(policy_digest);
        self.facts.policy_generation = Some(policy_generation);
    }

    /// What the shadow policy would have done otherwise.
    pub(crate) fn shadow(&mut self, told: String) {
        self.facts.shadow = Some(told.into());
    }

    /// Time spent deciding the quota.
    pub(crate) fn quota_took(&mut self, took: Duration) {
        self.facts.quota_took = Some(took);
    }

    /// Writes down that the call goes on, before a byte of it does.
    ///
    /// # Errors
    /// [`Reason::AuditUnavailable`] when it cannot be written down. The call
    /// must not go on then; the entry stays open, to be sealed with that.
    pub(crate) async fn intent<T>(&mut self, token: T) -> Result<Recorded<T>, Refusal> {
        let now = self.auditor.clock.now();
        let call_id = self.auditor.ids.next(now);
        let event = Event {
            kind: Kind::Decision,
            decision: Decision::Allow,
            time: now,
            id: self.auditor.ids.next(now),
            call_id: Some(call_id),
            end: None,
        };
        // Should the caller leave while this is waited for, the line may be
        // written, and then wants an end.
        self.call_id = Some(call_id);
        let appended = self.auditor.append_together(&self.facts, &event, Room::Limited).await;
        if appended.is_err() {
            self.call_id = None;
        }
        appended.map(|()| Recorded(token))
    }

    /// Ends the record.
    ///
    /// # Errors
    /// [`Reason::AuditUnavailable`] when it cannot be written down. What was
    /// done before is done; nothing more may be given to the caller.
    pub(crate) async fn seal(mut self, outcome: &Outcome) -> Result<(), Refusal> {
        let decision = Decision::of(outcome.reason, self.call_id.is_some());
        let Some(End { event, room, attempt }) = self.end(decision, outcome) else { return Ok(()) };
        let appended = self.auditor.append_together(&self.facts, &event, room).await;
        self.missed(attempt, appended)
    }

    /// Ends the record, at once: for ends that come where nothing can be
    /// waited for.
    ///
    /// # Errors
    /// As [`seal`](Self::seal).
    pub(crate) fn seal_now(mut self, outcome: &Outcome) -> Result<(), Refusal> {
        let decision = Decision::of(outcome.reason, self.call_id.is_some());
        let Some(End { event, room, attempt }) = self.end(decision, outcome) else { return Ok(()) };
        let appended = self.auditor.append(&self.facts, &event, room);
        self.missed(attempt, appended)
    }

    /// The event that ends it; `None` where it is one of a flood, and counted.
    fn end<'a>(&mut self, decision: Decision, outcome: &'a Outcome) -> Option<End<'a>> {
        self.sealed = true;
        // What was allowed, went on, or failed is never counted only: that is for
        // what was refused, and for whoever comes and goes without a name.
        let is_refused = matches!(decision, Decision::Deny | Decision::RateLimited);
        let is_anonymous = self.facts.caller.is_none() && decision != Decision::Allow;
        let is_own = self.facts.opening.surface == Surface::Process;
        let is_attempt = self.call_id.is_none() && !is_own && (is_refused || is_anonymous);
        let reason = outcome.reason.map_or(decision.name(), Reason::name);
        if matches!(outcome.reason, Some(Reason::ToolNotInScope | Reason::AmbiguousTool)) {
            self.facts.declared = true;
        }
        let attempt = is_attempt.then_some((reason, decision));
        let now = self.auditor.clock.now();
        let took = self.auditor.clock.monotonic().saturating_sub(self.facts.began);
        let id = self.auditor.ids.next(now);
        let kind = self.derived_kind(outcome.reason);
        // A call that did not go on is named by its only event.
        let call_id = self.call_id.or((kind == Kind::Decision).then_some(id));
        let event = Event { kind, decision, time: now, id, call_id, end: Some((outcome, took)) };
        let room = if self.call_id.is_some() { Room::Granted } else { Room::Limited };
        if matches!(kind, Kind::Decision | Kind::Outcome) {
            self.log(&event, outcome, took);
        }
        if let Some((reason, decision)) = attempt
            && self.auditor.is_of_a_flood(Attempt { facts: &self.facts, reason, decision })
        {
            return None;
        }
        Some(End { event, room, attempt })
    }

    /// What could not be written is counted, where it is an attempt.
    fn missed(
        &self,
        attempt: Option<(&'static str, Decision)>,
        appended: Result<(), Refusal>,
    ) -> Result<(), Refusal> {
        if let (Some((reason, decision)), Err(_)) = (attempt, &appended) {
            self.auditor.count(Attempt { facts: &self.facts, reason, decision });
        }
        appended
    }

    fn derived_kind(&self, reason: Option<Reason>) -> Kind {
        if self.call_id.is_some() {
            Kind::Outcome
        } else if reason.is_some_and(Reason::is_authentication) {
            Kind::Authentication
        } else if self.facts.tool().is_some() {
            Kind::Decision
        } else if self.facts.opening.surface == Surface::Admin {
            Kind::Admin
        } else if self.facts.opening.surface == Surface::Process {
            Kind::Reload
        } else if self.facts.method == Some("tools/list") {
            Kind::List
        } else {
            Kind::Request
        }
    }

    /// One line for the log, with the columns of C-39 (C-40).
    fn log(&self, event: &Event<'_>, outcome: &Outcome, took: Duration) {
        let facts = &*self.facts;
        tracing::info!(
            target: "scopegate::call",
            request_id = bounded(&facts.opening.request_id, MOST_NAME),
            call_id = event.call_id.map(tracing::field::display),
            user_id = facts.caller.as_ref().map(|caller| bounded(&caller.user_id, MOST_NAME)),
            tenant = facts.caller.as_ref().and_then(|caller| caller.tenant.as_deref()),
            tool_name = facts.tool(),
            scope = facts.scope(),
            endpoint_path = bounded(&facts.opening.endpoint_path, MOST_NAME),
            status = event.decision.status(outcome.is_error),
            reason = outcome.reason.map(Reason::name),
            error_code = outcome.reason.map(Reason::code),
            http_status = outcome.http_status,
            duration_ms = took.as_secs_f64() * 1000.0,
            "tool_invocation"
        );
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        note_open(|open| open.saturating_sub(1));
        if !self.sealed {
            let outcome = Outcome::default();
            if let Some(End { event, room, attempt }) = self.end(Decision::Aborted, &outcome) {
                // Nobody is there to be refused; the journal has said what is
                // wrong.
                let left = self.auditor.leave(&self.facts, &event, room);
                let _ = self.missed(attempt, left);
            }
        }
    }
}

fn kept(text: &str) -> Box<str> {
    bounded(text, MOST_NAME).into()
}
