//! Redis behind TLS, with a certificate of an authority that only the settings
//! name.

use support::authority::Authority;
use support::redis::{Cluster, WatchedWithTls, with_tls};
use support::scratch::Scratch;

use super::*;

/// The file that names an authority, as long as it is kept.
fn naming(authority: &Authority) -> (Scratch, std::path::PathBuf) {
    let folder = Scratch::new("sg-authority");
    let file = folder.path().join("ca.pem");
    std::fs::write(&file, authority.certificate()).unwrap();
    (folder, file)
}

fn trusting(url: &str, authority: Option<&Authority>) -> Rig {
    let named = authority.map(naming);
    let redis = RedisSettings {
        ca_file: named.as_ref().map(|(_, file)| file.clone()),
        ..redis_settings(Some(url.to_owned()))
    };
    Rig::new(&settings(), &redis, per_user(rate(1, 1000), rate(1, 1000)))
}

/// One server, a cluster, and a master that a sentinel names.
#[tokio::test]
async fn an_own_authority_is_trusted_and_no_other() {
    let (own, other) = (Authority::new(), Authority::new());
    let (_server, port) = with_tls(&own);
    let (_cluster, cluster) = Cluster::with_tls(3, &own);
    let watched = WatchedWithTls::start(&own);
    for url in [format!("rediss://127.0.0.1:{port}"), cluster, watched.url()] {
        let rig = trusting(&url, Some(&own));
        for left in (990..1000).rev() {
            assert_eq!(rig.passes(call("ada", "add")).await.remaining, left, "{url}");
        }
        assert_eq!(rig.quota.ping(&rig.io).await, Ok(()), "{url}");
        // Neither is what everybody trusts enough, nor just any authority.
        for wrong in [Some(&other), None] {
            let rig = trusting(&url, wrong);
            let denied = rig.denied(call("ada", "add")).await;
            assert_eq!(denied.refusal.reason, Reason::QuotaUnavailable, "{url}");
            let told = rig.quota.ping(&rig.io).await.unwrap_err();
            assert!(told.contains("certificate"), "{url}: {told}");
        }
    }
}

/// A name that the certificate does not hold is somebody else's server.
#[tokio::test]
async fn a_certificate_is_for_the_name_that_was_asked_for() {
    let own = Authority::new();
    let (_server, port) = with_tls(&own);
    assert!(
        trusting(&format!("rediss://localhost:{port}"), Some(&own))
            .decide(request("ada"))
            .await
            .is_ok()
    );
    let rig = trusting(&format!("rediss://127.0.0.2:{port}"), Some(&own));
    assert_eq!(rig.reason(request("ada")).await, Some(Reason::QuotaUnavailable));
}

#[test]
fn naming_an_authority_without_asking_for_tls_is_refused() {
    let (_folder, file) = naming(&Authority::new());
    for url in ["redis://127.0.0.1:1", "redis+cluster://127.0.0.1:1", "redis+sentinel://a:1/main"] {
        let redis =
            RedisSettings { ca_file: Some(file.clone()), ..redis_settings(Some(url.to_owned())) };
        let (clock, _) = Clock::manual(DateTime::default());
        let complaint = Quota::new(&settings(), &redis, clock).unwrap_err().to_string();
        assert!(complaint.starts_with("redis.ca_file: "), "{complaint}");
    }
}
