//! What a scrape shows.

use super::*;

fn metrics() -> Metrics {
    Metrics::new(KnownLabels { refusals: &["denied"], auth_failures: &["expired_token"] }).unwrap()
}

fn has(metrics: &Metrics, line: &str) {
    let text = metrics.render();
    assert!(text.lines().any(|other| other == line), "{line}\nis not in\n{text}");
}

#[test]
fn every_metric_is_rendered_with_its_help() {
    let metrics = metrics();
    metrics.request(Surface::Mcp, 200);
    metrics.tools([("calculator", "add")]).call("calculator", "add", Outcome::Success);
    metrics.call_took(Duration::from_millis(3));
    metrics.upstream_took(Duration::from_millis(3));
    metrics.quota_decided(Duration::from_micros(3));
    metrics.audit_backlog(1024);
    metrics.audit_appended(2);
    metrics.quota_decisions(&[("user", "admitted", 7)]);
    metrics.quota_store(true, 3);
    let text = metrics.render();
    let names = COUNTERS.iter().chain(&GAUGES).copied();
    let names = names.chain(HISTOGRAMS.map(|(name, help, _)| (name, help)));
    for (name, help) in names {
        assert!(text.contains(&format!("# HELP {name} {help}\n")), "{name}\n{text}");
    }
    has(&metrics, "scopegate_requests_total{surface=\"mcp\",status=\"200\"} 1");
    has(&metrics, "scopegate_audit_backlog_bytes 1024");
    has(&metrics, "scopegate_audit_appended_total 2");
    has(&metrics, "scopegate_quota_decisions_total{limit=\"user\",outcome=\"admitted\"} 7");
    has(&metrics, "scopegate_quota_store_up 1");
    has(&metrics, "scopegate_quota_leases 3");
    has(&metrics, "scopegate_call_duration_seconds_bucket{le=\"0.0025\"} 0");
    has(&metrics, "scopegate_call_duration_seconds_bucket{le=\"0.005\"} 1");
    has(&metrics, "scopegate_quota_decision_seconds_bucket{le=\"0.000005\"} 1");
    has(&metrics, concat!("scopegate_build_info{version=\"", env!("CARGO_PKG_VERSION"), "\"} 1"));
}

#[test]
fn rows_and_labels_agree() {
    let metrics = metrics();
    for surface in Surface::ALL {
        for status in STATUSES {
            metrics.request(surface, status);
            let label = surface.label();
            has(
                &metrics,
                &format!("scopegate_requests_total{{surface=\"{label}\",status=\"{status}\"}} 1"),
            );
        }
    }
    let tools = metrics.tools([("s", "t")]);
    for outcome in Outcome::ALL {
        tools.call("s", "t", outcome);
        let label = outcome.label();
        has(
            &metrics,
            &format!("scopegate_calls_total{{scope=\"s\",tool=\"t\",outcome=\"{label}\"}} 1"),
        );
    }
}

#[test]
fn requests_cannot_make_series() {
    let metrics = metrics();
    let tools = metrics.tools([("calculator", "add")]);
    for number in 0..100_u16 {
        let odd = format!("x{number}");
        tools.call(&odd, "add", Outcome::Refused);
        tools.call("calculator", &odd, Outcome::Refused);
        metrics.refusal(&odd);
        metrics.auth_failure(&odd);
        metrics.request(Surface::Other, 600 + number);
    }
    has(&metrics, "scopegate_calls_total{scope=\"-\",tool=\"-\",outcome=\"refused\"} 200");
    has(&metrics, "scopegate_refusals_total{code=\"other\"} 100");
    has(&metrics, "scopegate_auth_failures_total{reason=\"other\"} 100");
    has(&metrics, "scopegate_requests_total{surface=\"other\",status=\"other\"} 100");
    assert!(!metrics.render().contains("x99"));
}

#[test]
fn known_refusals_start_at_zero() {
    let metrics = metrics();
    has(&metrics, "scopegate_refusals_total{code=\"denied\"} 0");
    metrics.refusal("denied");
    metrics.auth_failure("expired_token");
    has(&metrics, "scopegate_refusals_total{code=\"denied\"} 1");
    has(&metrics, "scopegate_auth_failures_total{reason=\"expired_token\"} 1");
}

#[test]
fn counts_survive_a_change_of_the_registry() {
    let metrics = metrics();
    metrics.tools([("a", "b")]).call("a", "b", Outcome::Success);
    metrics.tools([("a", "b"), ("a", "c")]).call("a", "b", Outcome::Success);
    has(&metrics, "scopegate_calls_total{scope=\"a\",tool=\"b\",outcome=\"success\"} 2");
}

#[test]
fn calls_in_flight_end_with_their_guard() {
    let metrics = metrics();
    let first = metrics.call_in_flight();
    let second = metrics.call_in_flight();
    has(&metrics, "scopegate_inflight_calls 2");
    drop(first);
    has(&metrics, "scopegate_inflight_calls 1");
    drop(second);
    has(&metrics, "scopegate_inflight_calls 0");
}

#[test]
fn the_thread_does_not_keep_metrics_alive() {
    let metrics = metrics();
    let recorder = Arc::downgrade(&metrics.recorder);
    drop(metrics);
    // The thread holds it only while it works.
    let clock = crate::clock::Clock::system();
    let deadline = clock.monotonic() + Duration::from_secs(10);
    while recorder.upgrade().is_some() {
        assert!(clock.monotonic() < deadline, "the recorder is still alive");
        std::thread::yield_now();
    }
}
