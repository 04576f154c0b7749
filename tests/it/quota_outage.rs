//! A Redis that is slow, by the time limit that is shipped, or that is somebody
//! else's.

use std::time::Duration;

use serde_json::json;
use support::authority::Authority;
use support::chaos::Chaos;
use support::eventually::wait_until;
use support::redis::{Redis, unique_prefix, with_tls};
use support::scratch::Scratch;

use crate::harness::{Gateway, Reply, http};
use crate::quota_calls::{PATIENCE, dora, limited, wipe};

fn ready(gateway: &Gateway) -> Reply {
    http::send(gateway.addr, "GET", "/ready", &[], b"")
}

/// Calls that were refused since nothing could be counted.
fn unavailable(gateway: &Gateway) -> usize {
    let name = "scopegate_quota_decisions_total{limit=\"all\",outcome=\"unavailable\"} ";
    let metrics = gateway.metrics();
    let told = metrics.lines().find_map(|line| line.strip_prefix(name));
    told.map_or(0, |count| count.parse().unwrap())
}

/// Nothing here waits for the network, which takes forty seconds a round trip:
/// not calls, not readiness, not metrics.
#[test]
fn a_slow_redis_holds_up_nobody_at_the_time_limit_that_is_shipped() {
    const LATE: Duration = Duration::from_secs(20);
    let server = Redis::start();
    let network = Chaos::before(server.port());
    let gateway = limited("")
        .set("REDIS_URL", &format!("redis://127.0.0.1:{}", network.port()))
        .set("SCOPEGATE__REDIS__KEY_PREFIX", &unique_prefix())
        .start();
    let counted = || wipe(&gateway).header("x-ratelimit-remaining").is_some();
    wait_until(PATIENCE, "a call to be counted", counted);
    wait_until(PATIENCE, "a gateway that is ready", || ready(&gateway).status == 200);

    network.delay(LATE);
    // While the machine is busy, this may have come to a few at the start.
    let before = unavailable(&gateway);
    let seen = gateway.backend.seen().len();
    let late = Late::from_now(LATE);
    let invoke = json!({ "tool_name": "wipe" });
    for _ in 0..20 {
        wipe(&gateway).assert_refused(200, "quota_unavailable");
        let rest = gateway.post("/mcp/invoke", &dora(), &invoke);
        rest.assert_refused(503, "quota_unavailable");
        assert!(rest.header("retry-after").is_some());
    }
    assert!(!late.has_come(), "forty calls took as long as half a round trip");
    assert_eq!(gateway.backend.seen().len(), seen, "none of them was made");
    let told = ready(&gateway);
    assert_eq!((told.status, &told.json()["checks"]["quota"]["ok"]), (503, &json!(false)));
    let metrics = gateway.metrics();
    assert!(metrics.contains("scopegate_quota_store_up 0"), "{metrics}");
    assert_eq!(unavailable(&gateway), before + 40, "each, and each at once");
    let rows = gateway.audit_rows("reason=quota_unavailable", before + 40);
    assert!(rows.iter().all(|row| row["decision"] == "deny"), "{rows:?}");

    network.restore();
    wait_until(PATIENCE, "calls to be counted again", counted);
    wait_until(PATIENCE, "a gateway that is ready", || ready(&gateway).status == 200);
    assert!(gateway.metrics().contains("scopegate_quota_store_up 1"));
}

/// A moment to come.
struct Late(std::time::Instant, Duration);

#[expect(clippy::disallowed_methods, reason = "real time is what is not waited for")]
impl Late {
    fn from_now(after: Duration) -> Self {
        Self(std::time::Instant::now(), after)
    }

    fn has_come(&self) -> bool {
        self.0.elapsed() >= self.1
    }
}

#[test]
fn redis_is_believed_by_the_authority_that_is_named_and_by_no_other() {
    let (own, other) = (Authority::new(), Authority::new());
    let (_server, port) = with_tls(&own);
    let folder = Scratch::new("sg-authorities");
    let gateway = |name: &str, authority: &Authority| {
        let file = folder.path().join(name);
        std::fs::write(&file, authority.certificate()).unwrap();
        limited("")
            .set("REDIS_URL", &format!("rediss://127.0.0.1:{port}"))
            .set("SCOPEGATE__REDIS__CA_FILE", &file.display().to_string())
            .set("SCOPEGATE__REDIS__KEY_PREFIX", &unique_prefix())
            .set("SCOPEGATE__REDIS__TIMEOUT_MS", "20000")
            .start()
    };
    let trusting = gateway("own.pem", &own);
    assert!(wipe(&trusting).header("x-ratelimit-remaining").is_some());
    assert_eq!(ready(&trusting).status, 200);
    let deceived = gateway("other.pem", &other);
    wipe(&deceived).assert_refused(200, "quota_unavailable");
    assert!(deceived.backend.seen().is_empty());
    let told = ready(&deceived);
    assert_eq!(told.status, 503);
    assert_eq!(told.json()["checks"]["quota"]["ok"], false, "{}", told.text());
    let rows = deceived.audit_rows("reason=quota_unavailable", 1);
    assert!(rows[0]["detail"].as_str().unwrap().contains("certificate"), "{rows:?}");
}
