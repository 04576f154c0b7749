//! What holds wherever counters are kept.

use std::sync::atomic::{AtomicU32, Ordering};

use super::*;

on_both! {
    v_99_the_call_after_the_burst_is_denied
    v_100_the_binding_limit_is_reported
    a_refused_call_is_charged_to_no_limit
    callers_and_tools_do_not_share_counters
    nobody_gets_more_than_the_burst_by_asking_at_once
    a_refusal_says_what_and_when
    defaults_hold_the_whole_burst
    a_call_passes_exactly_when_it_was_told_to_come_back
    sustained_calls_pass_at_the_rate
}

async fn v_99_the_call_after_the_burst_is_denied(on: On) {
    let rig = on.rig(per_user(rate(60, 5), rate(1000, 1000)));
    for left in (0..5).rev() {
        assert_eq!(rig.passes(request("ada")).await.remaining, left);
    }
    let denied = rig.denied(request("ada")).await;
    assert_eq!(denied.refusal.reason, Reason::RateLimited);
    let standing = denied.standing.unwrap();
    assert_eq!((standing.limit, standing.remaining), (60, 0));
    assert_eq!(standing.retry_after, Some(Duration::from_secs(1)));
    assert_eq!(denied.refusal.retry_after, standing.retry_after);
}

async fn v_100_the_binding_limit_is_reported(on: On) {
    let rig = on.rig(per_user(rate(1000, 2000), rate(100, 200)));
    assert_eq!(rig.passes(request("ada")).await.limit, 1000);
    let standing = rig.passes(call("ada", "add")).await;
    assert_eq!((standing.limit, standing.policy()), (100, "user_tool"));
}

async fn a_refused_call_is_charged_to_no_limit(on: On) {
    let rig = on.rig(per_user(rate(1, 10), rate(1, 2)));
    rig.passes(call("ada", "add")).await;
    rig.passes(call("ada", "add")).await;
    for _ in 0..5 {
        let denied = rig.denied(call("ada", "add")).await;
        assert_eq!(denied.standing.unwrap().policy(), "user_tool");
    }
    // Two of ten are gone, and now a third.
    assert_eq!(rig.passes(request("ada")).await.remaining, 7);
    // And the other way round: the user's limit refuses, the tool's is whole.
    for _ in 0..7 {
        rig.passes(request("ada")).await;
    }
    assert_eq!(rig.denied(call("ada", "sub")).await.standing.unwrap().policy(), "user");
}

async fn callers_and_tools_do_not_share_counters(on: On) {
    let rig = on.rig(per_user(rate(1, 1000), rate(1, 1)));
    let long = "x".repeat(100_000);
    let names = ["ada", "", "ada}", "{ada}", "ada:tool:add", "ada\0add", "ADA", " ada", &long];
    for user in names {
        for tool in names {
            rig.passes(call(user, tool)).await;
            assert_eq!(rig.reason(call(user, tool)).await, Some(Reason::RateLimited));
        }
    }
}

async fn nobody_gets_more_than_the_burst_by_asking_at_once(on: On) {
    const TASKS: usize = 32;
    let rig = Arc::new(on.rig(per_user(rate(1, 60), rate(1, 20))));
    let passed = Arc::new(AtomicU32::new(0));
    let tasks = (0..TASKS).map(|task| {
        let (rig, passed) = (Arc::clone(&rig), Arc::clone(&passed));
        tokio::spawn(async move {
            for _ in 0..20 {
                // Four tools of twenty calls each: the user's limit binds.
                let tool = ["add", "sub", "mul", "div"][task % 4];
                if rig.reason(call("ada", tool)).await.is_none() {
                    passed.fetch_add(1, Ordering::Relaxed);
                }
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    assert_eq!(passed.load(Ordering::Relaxed), 60, "neither more nor less than the burst");
}

async fn a_refusal_says_what_and_when(on: On) {
    let rig = on.rig(per_user(rate(1000, 1000), rate(6, 1)));
    rig.passes(call("ada", "add")).await;
    let denied = rig.denied(call("ada", "add")).await;
    assert_eq!(
        denied.refusal.public.as_deref(),
        Some("6 calls of this tool a minute are allowed; try again in 11 s") // V-101
    );
    assert_eq!(
        denied.to_string(),
        "rate_limited: limit user_tool of 6 a minute (quota.user_tool) is exhausted"
    );
    let refusal = Refusal::from(denied);
    assert_eq!(refusal.retry_after, Some(Duration::from_secs(10)));
    assert!(rig.quota.ping(&rig.io).await.is_ok());
}

async fn defaults_hold_the_whole_burst(on: On) {
    let rig = on.rig(per_user(rate(1000, 2000), rate(100, 200)));
    for _ in 0..200 {
        rig.passes(call("ada", "add")).await;
    }
    let standing = rig.denied(call("ada", "add")).await.standing.unwrap();
    assert_eq!((standing.limit, standing.remaining), (100, 0));
    assert_eq!(standing.reset, Duration::from_mins(2));
}

async fn a_call_passes_exactly_when_it_was_told_to_come_back(on: On) {
    let rig = on.rig(per_user(rate(7, 3), rate(1000, 1000)));
    for _ in 0..3 {
        rig.passes(request("ada")).await;
    }
    rig.hand.advance(Duration::from_millis(5));
    let wait = rig.denied(request("ada")).await.refusal.retry_after.unwrap();
    rig.hand.advance(wait.checked_sub(Duration::from_micros(1)).unwrap());
    assert_eq!(rig.reason(request("ada")).await, Some(Reason::RateLimited));
    rig.hand.advance(Duration::from_micros(1));
    rig.passes(request("ada")).await;
    assert_eq!(rig.reason(request("ada")).await, Some(Reason::RateLimited));
}

async fn sustained_calls_pass_at_the_rate(on: On) {
    let rig = on.rig(per_user(rate(60, 1), rate(1000, 1000)));
    for _ in 0..100 {
        rig.passes(request("ada")).await;
        assert_eq!(rig.reason(request("ada")).await, Some(Reason::RateLimited));
        rig.hand.advance(Duration::from_secs(1));
    }
}
