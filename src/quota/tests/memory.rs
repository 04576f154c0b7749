//! Bounds and cleaning of the table in memory.

use super::*;

#[tokio::test]
async fn counters_at_rest_are_forgotten_and_no_others() {
    let rig = On::Memory.rig(per_user(rate(60, 5), rate(60, 5)));
    rig.passes(call("ada", "add")).await;
    rig.passes(call("ada", "add")).await;
    rig.passes(request("bob")).await;
    assert_eq!(rig.quota.purge(), 3);
    rig.hand.advance(Duration::from_secs(1));
    assert_eq!(rig.quota.purge(), 2, "bob's is at rest");
    assert_eq!(rig.passes(request("ada")).await.remaining, 3, "ada's was kept");
    rig.hand.advance(Duration::from_secs(5));
    assert_eq!(rig.quota.purge(), 0);
}

#[tokio::test]
async fn the_table_is_kept_tidy_in_the_background() {
    let rig = On::Memory.rig(per_user(rate(60, 5), rate(60, 5)));
    rig.passes(request("ada")).await;
    rig.hand.advance(Duration::from_secs(1));
    let memory = rig.memory();
    assert_eq!(memory.len(), 1);
    let empty = support::eventually::wait_until_async(
        Duration::from_secs(10),
        "an empty table",
        || async { memory.len() == 0 },
    );
    tokio::select! {
        () = empty => {}
        () = rig.quota.keep_tidy() => {}
    }
}

#[test]
fn a_full_table_counts_whom_it_knows_and_refuses_whom_it_does_not() {
    let memory = Memory::holding(64, 64);
    let gcra = gcra::Gcra::new(&Rate::per_minute(1, 3).unwrap(), 1);
    let names: Vec<String> = (0..1000).map(|number| format!("user {number}")).collect();
    let ask = |name: &str, now| {
        let name = name::Name { kind: "user", mark: "", parts: [name, "", "", "", ""] };
        memory
            .decide(&[Check { rule: Rule::Rate(gcra), key: memory.key(&name), of: Of::Call }], now)
    };
    let known: Vec<&String> = names.iter().filter(|name| ask(name, 0).is_ok()).collect();
    assert!((32..=64).contains(&known.len()), "one a shard: {}", known.len());
    assert!(known.iter().all(|name| ask(name, 0).unwrap().admitted));
    let strangers = || names.iter().filter(|name| !known.contains(name));
    assert!(strangers().all(|name| ask(name, 1).is_err()));
    // Two minutes later every counter is at rest, and gives way.
    assert!(strangers().any(|name| ask(name, 120_000_000).is_ok()));
    assert!(memory.len() <= 64);
}

fn named<'a>(user: &'a str, name: &'a str) -> Who<'a> {
    let (turn, job, request_id) = (Some(name), Some(name), Some(name));
    Who { occasion: Occasion { turn, job, request_id, ..Occasion::default() }, ..call(user, "add") }
}

/// Whoever names requests, turns and jobs without end keeps nobody from being
/// counted, and does not wipe out what others have used of theirs.
#[tokio::test]
async fn names_that_clients_choose_fill_no_table() {
    let policy = "quotas: [{ per: user, rate: 1000/s, burst: 100000 }]\n\
                  budgets: { maxToolCallsPerTurn: 3, maxToolCallsPerJob: 3 }";
    let mut rig = On::Memory.rig(Limits::for_test(policy, None));
    let small = Memory::holding(64 * 20, 64 * 20);
    Arc::get_mut(&mut rig.quota.inner).unwrap().store = Store::Memory(small);
    let calm =
        Who { occasion: Occasion { turn: Some("t"), ..Occasion::default() }, ..call("bob", "add") };
    for _ in 0..3 {
        rig.passes(calm).await;
    }
    for number in 0..3000 {
        rig.passes(named("ada", &format!("n {number}"))).await;
    }
    assert!(rig.memory().len() <= 64 * 20 + 2, "{}", rig.memory().len());
    assert_eq!(rig.reason(calm).await, Some(Reason::BudgetExceeded), "not forgotten");
    for number in 0..64 {
        assert_eq!(rig.reason(named(&format!("new {number}"), "n")).await, None, "{number}");
    }
}

#[tokio::test]
async fn what_cannot_be_counted_is_refused_unless_the_settings_say_otherwise() {
    let full = |on_failure| {
        let settings = QuotaSettings { on_failure, ..settings() };
        let mut rig = On::Memory.rig_with(&settings, per_user(rate(60, 5), rate(60, 5)));
        Arc::get_mut(&mut rig.quota.inner).unwrap().store = Store::Memory(Memory::holding(0, 0));
        rig
    };
    for on_failure in [OnQuotaFailure::Deny, OnQuotaFailure::Local] {
        let denied = full(on_failure).denied(request("ada")).await;
        assert_eq!(denied.refusal.reason, Reason::QuotaUnavailable);
        assert_eq!(denied.refusal.retry_after, Some(RETRY_UNCOUNTED));
        assert!(denied.standing.is_none());
    }
    let passes = full(OnQuotaFailure::Allow).decide(request("ada")).await.unwrap();
    assert!(passes.standing.is_none() && passes.receipt.is_none());
}

#[test]
fn senseless_settings_are_refused_by_name() {
    let (clock, _) = Clock::manual(DateTime::default());
    let wrong = |settings: &QuotaSettings, redis: &RedisSettings| {
        Quota::new(settings, redis, clock.clone()).unwrap_err().to_string()
    };
    let good = settings();
    let zero = QuotaSettings { user_tool: rate(0, 1), user: rate(1, 0), ..settings() };
    let complaints: Vec<_> = defaults(&zero).unwrap_err().iter().map(ToString::to_string).collect();
    assert!(complaints[0].starts_with("quota.user: "), "{complaints:?}");
    assert!(complaints[1].starts_with("quota.user_tool: "), "{complaints:?}");
    let abused = QuotaSettings { abuse: rate(0, 1), ..settings() };
    assert!(wrong(&abused, &redis_settings(None)).starts_with("quota.abuse: "));
    let redis = || redis_settings(Some("redis://localhost".to_owned()));
    let long = "x".repeat(65);
    for prefix in ["", "a{b}", "a b", "a\n", &long] {
        let redis = RedisSettings { key_prefix: prefix.to_owned(), ..redis() };
        assert!(wrong(&good, &redis).starts_with("redis.key_prefix"));
    }
    let none = RedisSettings { connections_per_worker: 0, ..redis() };
    assert!(wrong(&good, &none).starts_with("redis.connections_per_worker"));
    let none = RedisSettings { timeout_ms: 0, ..redis() };
    assert!(wrong(&good, &none).starts_with("redis.timeout_ms"));
    for url in ["http://hunter2@host", "redis://:hunter2@host/nonsense", "hunter2"] {
        let complaint = wrong(&good, &redis_settings(Some(url.to_owned())));
        assert!(complaint.starts_with("redis.url") && !complaint.contains("hunter2"));
    }
}
