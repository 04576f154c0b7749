//! Every metric: its name, labels, help and buckets.
//!
//! Handles are made once and kept; counting is an atomic addition, without a
//! look into a registry. Values of labels come from closed sets or from the
//! registry of tools, never from a request.

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use metrics::{Counter, Gauge, Histogram, Key, Label, Level, Metadata, Recorder};
use metrics_exporter_prometheus::{
    BuildError, Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder,
};

const REQUESTS: &str = "scopegate_requests_total";
const CALLS: &str = "scopegate_calls_total";
const REFUSALS: &str = "scopegate_refusals_total";
const AUTH_FAILURES: &str = "scopegate_auth_failures_total";
const CALL_DURATION: &str = "scopegate_call_duration_seconds";
const UPSTREAM_DURATION: &str = "scopegate_upstream_duration_seconds";
const QUOTA_DECISION: &str = "scopegate_quota_decision_seconds";
const QUOTA_DECISIONS: &str = "scopegate_quota_decisions_total";
const QUOTA_STORE_UP: &str = "scopegate_quota_store_up";
const QUOTA_LEASES: &str = "scopegate_quota_leases";
const INFLIGHT: &str = "scopegate_inflight_calls";
const AUDIT_BACKLOG: &str = "scopegate_audit_backlog_bytes";
const AUDIT_APPENDED: &str = "scopegate_audit_appended_total";
const AUDIT_FOLDED: &str = "scopegate_audit_folded_total";
const SHADOW_DIFFERENCES: &str = "scopegate_policy_shadow_differences_total";
const RELOADS: &str = "scopegate_reloads_total";
const GENERATION: &str = "scopegate_configuration_generation";
const STALE: &str = "scopegate_configuration_stale";
const LISTS_INCOMPLETE: &str = "scopegate_lists_incomplete_total";
const BUILD_INFO: &str = "scopegate_build_info";

const COUNTERS: [(&str, &str); 10] = [
    (REQUESTS, "HTTP requests answered, by surface and status."),
    (CALLS, "Tool calls, by scope, tool and outcome."),
    (REFUSALS, "Requests refused, by the code of the reason."),
    (AUTH_FAILURES, "Requests refused for their credentials, by reason."),
    (QUOTA_DECISIONS, "Decisions about limits, by limit and outcome."),
    (AUDIT_APPENDED, "Events appended to the audit journal."),
    (AUDIT_FOLDED, "Refused attempts of floods that were counted in one audit event."),
    (SHADOW_DIFFERENCES, "Calls that the shadow policy would have decided otherwise."),
    (RELOADS, "Reloads of policy, registry and keys, by outcome."),
    (LISTS_INCOMPLETE, "Parts of lists that a backend did not give."),
];

const GAUGES: [(&str, &str); 7] = [
    (INFLIGHT, "Requests to tool endpoints in progress."),
    (AUDIT_BACKLOG, "Bytes of the audit journal that the database has not taken yet."),
    (QUOTA_STORE_UP, "1 while limits can be counted where they should be, else 0."),
    (QUOTA_LEASES, "Calls in progress that hold a place in Redis."),
    (GENERATION, "Counts the configurations that have been in force."),
    (STALE, "1 while the files on disk are not fit and not in force, else 0."),
    (BUILD_INFO, "Always 1; the label names the version."),
];

/// Name, help, upper bounds of the buckets in seconds.
const HISTOGRAMS: [(&str, &str, &[f64]); 3] = [
    (CALL_DURATION, "Time from a tool call's arrival to the end of its answer.", &WHOLE_CALL),
    (UPSTREAM_DURATION, "Time a backend took to answer.", &WHOLE_CALL),
    (QUOTA_DECISION, "Time to decide about the quotas of one call.", &DECISION),
];

/// From a cached answer to the longest timeout that a tool may have.
const WHOLE_CALL: [f64; 17] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
    60.0, 300.0,
];

/// From memory (microseconds) to a Redis that is about to time out.
const DECISION: [f64; 12] = [
    0.000_001, 0.000_005, 0.000_01, 0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.005, 0.025, 0.1,
    0.25,
];

/// Raw samples of histograms are folded into their buckets this often.
const UPKEEP_EVERY: Duration = Duration::from_secs(5);

static METADATA: Metadata<'static> = Metadata::new("scopegate", Level::INFO, None);

/// The part of the gateway that answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Surface {
    /// `/{scope}/mcp` and `/{scope}/sse`.
    Mcp,
    /// `/mcp/invoke` and `/mcp/tools`.
    Rest,
    /// `/admin/…`.
    Admin,
    /// `/.well-known/…`.
    WellKnown,
    /// `/health`, `/healthz`, `/ready`.
    Health,
    /// `/docs`, `/openapi.json`.
    Docs,
    /// Everything else.
    Other,
}

impl Surface {
    const ALL: [Self; 7] = [
        Self::Mcp,
        Self::Rest,
        Self::Admin,
        Self::WellKnown,
        Self::Health,
        Self::Docs,
        Self::Other,
    ];

    fn label(self) -> &'static str {
        match self {
            Self::Mcp => "mcp",
            Self::Rest => "rest",
            Self::Admin => "admin",
            Self::WellKnown => "well_known",
            Self::Health => "health",
            Self::Docs => "docs",
            Self::Other => "other",
        }
    }
}

/// How a tool call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// With a result.
    Success,
    /// With a result that the tool calls an error.
    ToolError,
    /// The backend could not be reached or did not answer properly.
    UpstreamError,
    /// The backend did not answer in time.
    Timeout,
    /// Refused before it was forwarded.
    Refused,
    /// The caller left, or the gateway stopped.
    Aborted,
}

impl Outcome {
    const ALL: [Self; 6] = [
        Self::Success,
        Self::ToolError,
        Self::UpstreamError,
        Self::Timeout,
        Self::Refused,
        Self::Aborted,
    ];

    fn label(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::ToolError => "tool_error",
            Self::UpstreamError => "upstream_error",
            Self::Timeout => "timeout",
            Self::Refused => "refused",
            Self::Aborted => "aborted",
        }
    }
}

/// Statuses that have a series of their own; any other is `other`.
const STATUSES: [u16; 20] = [
    200, 202, 204, 301, 304, 400, 401, 403, 404, 405, 406, 408, 409, 413, 415, 429, 500, 502, 503,
    504,
];

/// The closed sets of label values that other rooms define.
#[derive(Clone, Copy, Debug)]
pub struct KnownLabels<'a> {
    /// Codes of refusals.
    pub refusals: &'a [&'static str],
    /// Reasons of failed authentication.
    pub auth_failures: &'a [&'static str],
}

/// A counter whose series appears when it first counts.
#[derive(Debug)]
struct LazyCounter {
    key: Key,
    counter: OnceLock<Counter>,
}

impl LazyCounter {
    fn new(name: &'static str, labels: Vec<Label>) -> Self {
        Self { key: Key::from_parts(name, labels), counter: OnceLock::new() }
    }

    fn count(&self, recorder: &PrometheusRecorder) {
        self.counter.get_or_init(|| recorder.register_counter(&self.key, &METADATA)).increment(1);
    }
}

/// All metrics of a process. Made once and shared; cheap to use from every
/// worker.
#[derive(Debug)]
pub struct Metrics {
    recorder: Arc<PrometheusRecorder>,
    handle: PrometheusHandle,
    requests: Vec<LazyCounter>,
    refusals: HashMap<&'static str, Counter>,
    auth_failures: HashMap<&'static str, Counter>,
    call_duration: Histogram,
    upstream_duration: Histogram,
    quota_decision: Histogram,
    inflight: Gauge,
    quota_store_up: Gauge,
    quota_leases: Gauge,
    audit_backlog: Gauge,
    audit_appended: Counter,
    audit_folded: Counter,
    shadow_differences: Counter,
    lists_incomplete: Counter,
    reloads: [Counter; 2],
    generation: Gauge,
    stale: Gauge,
}

impl Metrics {
    /// Makes all metrics, and a thread that folds histogram samples into
    /// their buckets (else they would pile up until somebody asks) and ends
    /// with the last reference to the metrics.
    ///
    /// # Errors
    /// Only when a table of this file is wrong, or no thread can be started.
    pub fn new(known: KnownLabels<'_>) -> Result<Self, MetricsError> {
        let mut builder = PrometheusBuilder::new();
        for (name, _, buckets) in HISTOGRAMS {
            builder = builder.set_buckets_for_metric(Matcher::Full(name.to_owned()), buckets)?;
        }
        let recorder = Arc::new(builder.build_recorder());
        describe(&recorder);
        let counter = |name: &'static str, labels| {
            recorder.register_counter(&Key::from_parts(name, labels), &METADATA)
        };
        let gauge = |name: &'static str, labels| {
            recorder.register_gauge(&Key::from_parts(name, labels), &METADATA)
        };
        let histogram =
            |name: &'static str| recorder.register_histogram(&Key::from_name(name), &METADATA);
        let family = |name, label: &'static str, values: &[&'static str]| {
            let series = |&value: &&'static str| {
                (value, counter(name, vec![Label::from_static_parts(label, value)]))
            };
            values.iter().chain(&["other"]).map(series).collect::<HashMap<_, _>>()
        };
        let version = Label::from_static_parts("version", env!("CARGO_PKG_VERSION"));
        gauge(BUILD_INFO, vec![version]).set(1.0);
        let metrics = Self {
            handle: recorder.handle(),
            requests: request_counters(),
            refusals: family(REFUSALS, "code", known.refusals),
            auth_failures: family(AUTH_FAILURES, "reason", known.auth_failures),
            call_duration: histogram(CALL_DURATION),
            upstream_duration: histogram(UPSTREAM_DURATION),
            quota_decision: histogram(QUOTA_DECISION),
            inflight: gauge(INFLIGHT, Vec::new()),
            quota_store_up: gauge(QUOTA_STORE_UP, Vec::new()),
            quota_leases: gauge(QUOTA_LEASES, Vec::new()),
            audit_backlog: gauge(AUDIT_BACKLOG, Vec::new()),
            audit_appended: counter(AUDIT_APPENDED, Vec::new()),
            audit_folded: counter(AUDIT_FOLDED, Vec::new()),
            shadow_differences: counter(SHADOW_DIFFERENCES, Vec::new()),
            lists_incomplete: counter(LISTS_INCOMPLETE, Vec::new()),
            reloads: ["applied", "refused"].map(|outcome| {
                counter(RELOADS, vec![Label::from_static_parts("outcome", outcome)])
            }),
            generation: gauge(GENERATION, Vec::new()),
            stale: gauge(STALE, Vec::new()),
            recorder: Arc::clone(&recorder),
        };
        keep_up(&recorder)?;
        Ok(metrics)
    }

    /// Everything counted so far, in the Prometheus text format.
    #[must_use]
    pub fn render(&self) -> String {
        self.handle.render()
    }

    /// Counts a request that was answered.
    pub fn request(&self, surface: Surface, status: u16) {
        let column = STATUSES.iter().position(|&known| known == status).unwrap_or(STATUSES.len());
        let row = surface as usize * (STATUSES.len() + 1);
        if let Some(counter) = self.requests.get(row + column) {
            counter.count(&self.recorder);
        }
    }

    /// Counts a refusal by its code.
    pub fn refusal(&self, code: &str) {
        count(&self.refusals, code);
    }

    /// Counts a failed authentication by its reason.
    pub fn auth_failure(&self, reason: &str) {
        count(&self.auth_failures, reason);
    }

    /// Notes how long a whole call took.
    pub fn call_took(&self, took: Duration) {
        self.call_duration.record(took);
    }

    /// Notes how long a backend took.
    pub fn upstream_took(&self, took: Duration) {
        self.upstream_duration.record(took);
    }

    /// Notes how long the decision about quotas took.
    pub fn quota_decided(&self, took: Duration) {
        self.quota_decision.record(took);
    }

    /// Notes how often each limit (by name) had each outcome so far. Both come
    /// from closed sets.
    pub fn quota_decisions(&self, rows: &[(&'static str, &'static str, u64)]) {
        for (limit, outcome, count) in rows {
            let labels = vec![
                Label::from_static_parts("limit", limit),
                Label::from_static_parts("outcome", outcome),
            ];
            let key = Key::from_parts(QUOTA_DECISIONS, labels);
            self.recorder.register_counter(&key, &METADATA).absolute(*count);
        }
    }

    /// Notes whether limits can be counted, and how many calls in progress
    /// hold a place in Redis.
    pub fn quota_store(&self, up: bool, leases: usize) {
        self.quota_store_up.set(f64::from(u8::from(up)));
        #[expect(clippy::cast_precision_loss, reason = "exact up to 2^53 calls")]
        self.quota_leases.set(leases as f64);
    }

    /// Counts a call as in progress until the guard is dropped.
    #[must_use]
    pub fn call_in_flight(&self) -> InFlight {
        self.inflight.increment(1.0);
        InFlight(self.inflight.clone())
    }

    /// Notes how many bytes of the journal the database has not taken yet.
    pub fn audit_backlog(&self, bytes: u64) {
        #[expect(clippy::cast_precision_loss, reason = "exact up to 2^53 bytes")]
        self.audit_backlog.set(bytes as f64);
    }

    /// Notes how many events this process has appended to the journal so far.
    pub fn audit_appended(&self, events: u64) {
        self.audit_appended.absolute(events);
    }

    /// Notes how many refused attempts were counted instead of written so far.
    pub fn audit_folded(&self, attempts: u64) {
        self.audit_folded.absolute(attempts);
    }

    /// Calls that the shadow policy would have decided otherwise, so far.
    pub fn shadow_differences(&self, calls: u64) {
        self.shadow_differences.absolute(calls);
    }

    /// Notes how often a reload was put in force and refused so far, which
    /// generation is in force, and whether the files say otherwise.
    pub fn reloads(&self, (applied, refused): (u64, u64), generation: u64, is_stale: bool) {
        self.reloads[0].absolute(applied);
        self.reloads[1].absolute(refused);
        #[expect(clippy::cast_precision_loss, reason = "nobody reloads so often")]
        self.generation.set(generation as f64);
        self.stale.set(f64::from(u8::from(is_stale)));
    }

    /// Notes how many parts of lists backends have not given so far.
    pub fn lists_incomplete(&self, parts: u64) {
        self.lists_incomplete.absolute(parts);
    }

    /// The counters of the tools that exist, as scope and tool. Made anew
    /// whenever the registry changes; counts go on where they were.
    pub fn tools<'a>(&self, tools: impl IntoIterator<Item = (&'a str, &'a str)>) -> ToolCounters {
        let mut known: HashMap<Box<str>, HashMap<Box<str>, Vec<LazyCounter>>> = HashMap::new();
        for (scope, tool) in tools {
            let of_scope = known.entry(scope.into()).or_default();
            of_scope.insert(tool.into(), tool_counters(scope, tool));
        }
        let unknown = tool_counters("-", "-");
        ToolCounters { recorder: Arc::clone(&self.recorder), known, unknown }
    }
}

/// Counters of calls by scope, tool and outcome.
#[derive(Debug)]
pub struct ToolCounters {
    recorder: Arc<PrometheusRecorder>,
    known: HashMap<Box<str>, HashMap<Box<str>, Vec<LazyCounter>>>,
    unknown: Vec<LazyCounter>,
}

impl ToolCounters {
    /// Counts a call. A tool that does not exist in the scope counts as `-`,
    /// so that callers cannot make series.
    pub fn call(&self, scope: &str, tool: &str, outcome: Outcome) {
        let known = self.known.get(scope).and_then(|tools| tools.get(tool));
        if let Some(counter) = known.unwrap_or(&self.unknown).get(outcome as usize) {
            counter.count(&self.recorder);
        }
    }
}

/// A call in progress; dropping it ends it.
#[derive(Debug)]
pub struct InFlight(Gauge);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.decrement(1.0);
    }
}

/// Why metrics could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum MetricsError {
    /// A histogram without buckets.
    #[error("metrics cannot be built: {0}")]
    Build(#[from] BuildError),
    /// No thread.
    #[error("the thread for metrics cannot be started: {0}")]
    Thread(#[from] std::io::Error),
}

fn describe(recorder: &PrometheusRecorder) {
    for (name, help) in COUNTERS {
        recorder.describe_counter(name.into(), None, help.into());
    }
    for (name, help) in GAUGES {
        recorder.describe_gauge(name.into(), None, help.into());
    }
    for (name, help, _) in HISTOGRAMS {
        recorder.describe_histogram(name.into(), None, help.into());
    }
}

/// In the order of [`Surface::ALL`], one counter a status and one for others.
fn request_counters() -> Vec<LazyCounter> {
    let row = |surface: Surface| {
        let statuses = STATUSES.iter().map(ToString::to_string).chain(["other".to_owned()]);
        statuses.map(move |status| {
            let surface = Label::from_static_parts("surface", surface.label());
            LazyCounter::new(REQUESTS, vec![surface, Label::new("status", status)])
        })
    };
    Surface::ALL.into_iter().flat_map(row).collect()
}

/// In the order of [`Outcome::ALL`].
fn tool_counters(scope: &str, tool: &str) -> Vec<LazyCounter> {
    let series = |outcome: Outcome| {
        let labels = vec![
            Label::new("scope", scope.to_owned()),
            Label::new("tool", tool.to_owned()),
            Label::from_static_parts("outcome", outcome.label()),
        ];
        LazyCounter::new(CALLS, labels)
    };
    Outcome::ALL.into_iter().map(series).collect()
}

fn count(family: &HashMap<&'static str, Counter>, value: &str) {
    if let Some(counter) = family.get(value).or_else(|| family.get("other")) {
        counter.increment(1);
    }
}

fn keep_up(recorder: &Arc<PrometheusRecorder>) -> std::io::Result<()> {
    let recorder = Arc::downgrade(recorder);
    let work = move || {
        while let Some(recorder) = recorder.upgrade() {
            recorder.handle().run_upkeep();
            drop(recorder);
            std::thread::park_timeout(UPKEEP_EVERY);
        }
    };
    std::thread::Builder::new().name("metrics".to_owned()).spawn(work).map(|_| ())
}
