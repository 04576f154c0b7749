//! What is charged once, what is not charged after all, and budgets.

use support::eventually::wait_until_async;

use super::*;

const PATIENCE: Duration = Duration::from_secs(20);

on_both! {
    a_retry_is_free_within_bounds
    an_answer_to_a_question_is_free_once
    a_refused_retry_with_an_answer_gives_nothing_back
    a_call_is_known_again_by_its_method_and_kind
    every_attempt_uses_up_budgets
    a_charge_that_a_retry_has_used_is_not_refunded
    a_charge_that_others_have_followed_is_not_refunded
    a_free_call_passes_an_exhausted_limit_but_no_concurrency
    refusals_are_refunded_whole
    calls_that_did_not_reach_their_backend_use_up_budgets_only
    where_the_settings_say_so_calls_count_that_did_not_reach_their_backend
    v_53_the_call_after_the_budget_is_refused
    turns_and_sessions_have_budgets_of_their_own
    without_a_turn_the_session_is_one
    the_budget_of_a_day_ends_at_midnight
    a_refund_of_yesterday_gives_nothing_to_today
    the_budget_of_a_job_is_the_jobs
    rates_are_told_before_budgets
}

fn with<'a>(who: Who<'a>, occasion: Occasion<'a>) -> Who<'a> {
    Who { occasion, ..who }
}

fn again(id: &str) -> Who<'_> {
    let occasion = Occasion { request_id: Some(id), arguments: "{}", ..Occasion::default() };
    with(call("ada", "add"), occasion)
}

async fn left(rig: &Rig) -> u32 {
    let checks = rig.checks(request("ada"));
    let seen = match &rig.quota.inner.store {
        Store::Memory(memory) => memory.look(&checks, rig.quota.inner.now()),
        Store::Redis(remote) => {
            let given = rig.quota.inner.given_time();
            remote.look(rig.io.0.as_deref(), &checks, given).await.unwrap()
        }
    };
    let Rule::Rate(gcra) = checks[0].rule else { panic!("a rate first") };
    gcra.remaining(seen.seen[0].value)
}

async fn a_retry_is_free_within_bounds(on: On) {
    let rig = on.rig_of("quotas: [{ per: user, rate: 1/min, burst: 100 }]");
    for _ in 0..3 {
        rig.passes(again("r-1")).await;
    }
    assert_eq!(left(&rig).await, 99, "two retries are free");
    rig.passes(again("r-1")).await;
    assert_eq!(left(&rig).await, 98, "the third is not");
    rig.passes(again("r-1")).await;
    assert_eq!(left(&rig).await, 98, "and begins anew");
    rig.passes(again("r-2")).await;
    let other = Occasion { arguments: "{\"n\":1}", ..again("r-1").occasion };
    rig.passes(with(call("ada", "add"), other)).await;
    rig.passes(Who { tool: Some("sub"), ..again("r-1") }).await;
    assert_eq!(left(&rig).await, 95, "another id, arguments, tool: another call");
    rig.passes(Who { user: "bob", ..again("r-1") }).await;
    assert_eq!(left(&rig).await, 95);
    rig.passes(again("r-3")).await;
    rig.hand.advance(Duration::from_secs(301));
    rig.passes(again("r-3")).await;
    assert_eq!(left(&rig).await, 98, "five minutes give five back, and cost both");
}

async fn an_answer_to_a_question_is_free_once(on: On) {
    let rig = on.rig_of("quotas: [{ per: user, rate: 1/min, burst: 100 }]");
    let answer = |state| {
        let occasion = Occasion {
            answers: Some(charge::Answered { state }),
            arguments: "{}",
            ..Occasion::default()
        };
        with(call("ada", "add"), occasion)
    };
    let question = rig.quota.credit(&rig.io, &rig.charge(answer(None)));
    rig.passes(answer(Some("s-1"))).await;
    assert_eq!(left(&rig).await, 99, "nobody asked that");
    question.grant(Some("s-1")).await;
    rig.passes(Who { user: "bob", ..answer(Some("s-1")) }).await;
    rig.passes(answer(Some("s-1"))).await;
    assert_eq!(left(&rig).await, 99, "nobody else had it");
    rig.passes(answer(Some("s-1"))).await;
    assert_eq!(left(&rig).await, 98, "once");
    question.grant(None).await;
    rig.passes(answer(None)).await;
    assert_eq!(left(&rig).await, 98, "without a state the arguments tell");
}

async fn a_refused_retry_with_an_answer_gives_nothing_back(on: On) {
    let rig = on.rig_of("quotas: [{ per: user, rate: 1/min, burst: 100 }]");
    let answering = |id| {
        let answers = Some(charge::Answered { state: Some("never asked") });
        with(call("ada", "add"), Occasion { answers, ..again(id).occasion })
    };
    for (number, id) in (1..).zip(["r-1", "r-2", "r-3", "r-4", "r-5"]) {
        rig.passes(answering(id)).await;
        assert_eq!(left(&rig).await, 100 - number, "{id} is a call of its own");
        // Free as a retry, and then refused by the gateway: it had cost
        // nothing, so there is nothing to be had back.
        let mut receipt = rig.begins(answering(id)).await;
        receipt.refuse();
        drop(receipt);
    }
}

async fn a_call_is_known_again_by_its_method_and_kind(on: On) {
    let rig = on.rig_of("quotas: [{ per: user, rate: 1/min, burst: 100 }]");
    let of = |form, occasion| with(call("ada", "add"), Occasion { form, ..occasion });
    let retry = again("r-1").occasion;
    rig.passes(of("read", retry)).await;
    rig.passes(of("subscribe", retry)).await;
    assert_eq!(left(&rig).await, 98, "reading a resource pays for no subscription");
    rig.passes(of("read", retry)).await;
    assert_eq!(left(&rig).await, 98);
    let answers = Some(charge::Answered { state: Some("s") });
    let answer = Occasion { answers, ..Occasion::default() };
    rig.quota.credit(&rig.io, &rig.charge(of("prompt", answer))).grant(Some("s")).await;
    rig.passes(of("tool", answer)).await;
    assert_eq!(left(&rig).await, 97, "a prompt's question is none of a tool");
    rig.passes(of("prompt", answer)).await;
    assert_eq!(left(&rig).await, 97);
}

async fn every_attempt_uses_up_budgets(on: On) {
    let rig = on.rig_of(
        "quotas: [{ per: user, rate: 1/min, burst: 100 }]\nbudgets: { maxToolCallsPerTurn: 2 }",
    );
    rig.passes(again("r-1")).await;
    rig.passes(again("r-1")).await;
    assert_eq!(left(&rig).await, 99, "the retry is free of rates");
    assert_eq!(rig.reason(again("r-1")).await, Some(Reason::BudgetExceeded));
    // The answer to a question is no attempt of its own.
    let answers = Some(charge::Answered { state: Some("s") });
    let answer = with(call("ada", "add"), Occasion { answers, ..Occasion::default() });
    rig.quota.credit(&rig.io, &rig.charge(answer)).grant(Some("s")).await;
    rig.passes(answer).await;
    assert_eq!(rig.reason(answer).await, Some(Reason::BudgetExceeded));
}

async fn a_charge_that_a_retry_has_used_is_not_refunded(on: On) {
    let rig = on.rig_of("quotas: [{ per: user, rate: 1/min, burst: 100 }]");
    let mut first = rig.begins(again("r-1")).await;
    rig.passes(again("r-1")).await;
    first.refuse();
    drop(first);
    // The refund may come as late as it likes.
    rig.hand.advance(Duration::from_micros(1));
    rig.passes(again("r-1")).await;
    rig.passes(again("r-1")).await;
    assert_eq!(left(&rig).await, 98, "one charge, two retries, and a charge again");
}

/// A call that goes on while its charge is used up by retries, and the next
/// is charged: what it gives back late is not the other one's.
async fn a_charge_that_others_have_followed_is_not_refunded(on: On) {
    let rig = on.rig_of("quotas: [{ per: user, rate: 1/min, burst: 100, concurrency: 9 }]");
    let mut first = rig.begins(again("r-1")).await;
    rig.hand.advance(Duration::from_millis(1));
    for _ in 0..3 {
        rig.passes(again("r-1")).await;
    }
    assert_eq!(left(&rig).await, 98, "two were free, and the third was charged");
    first.refuse();
    drop(first);
    wait_until_async(PATIENCE, "all places to be free", || async {
        leases::held(&rig, call("ada", "add")).await == 0
    })
    .await;
    assert_eq!(left(&rig).await, 98);
    rig.passes(again("r-1")).await;
    assert_eq!(left(&rig).await, 98, "the charge that followed is still known");
}

async fn a_free_call_passes_an_exhausted_limit_but_no_concurrency(on: On) {
    let rig = on.rig_of("quotas: [{ per: user, rate: 1/min, burst: 1, concurrency: 2 }]");
    let _first = rig.begins(again("r-1")).await;
    assert_eq!(rig.reason(again("r-2")).await, Some(Reason::RateLimited));
    let _second = rig.begins(again("r-1")).await;
    let denied = rig.denied(again("r-1")).await;
    assert!(denied.refusal.detail.starts_with("concurrency"), "{denied}");
}

async fn refusals_are_refunded_whole(on: On) {
    let rig = on.rig_of(
        "quotas: [{ per: user, rate: 1/min, burst: 5, concurrency: 1 }]\n\
         budgets: { maxToolCallsPerTurn: 2 }",
    );
    for _ in 0..10 {
        let mut receipt = rig.begins(again("r-1")).await;
        receipt.refuse();
        drop(receipt);
        wait_until_async(PATIENCE, "a refund", || async { left(&rig).await == 5 }).await;
    }
    let mut account = rig.decide(again("r-1")).await.unwrap();
    account.receipt.take().unwrap().refuse();
    wait_until_async(PATIENCE, "a refund", || async { left(&rig).await == 5 }).await;
    drop(rig.begins(again("r-1")).await);
    assert_eq!(left(&rig).await, 4, "what was refunded is charged when it comes again");
}

async fn calls_that_did_not_reach_their_backend_use_up_budgets_only(on: On) {
    let rig = on.rig_of(
        "quotas: [{ per: user, rate: 1/min, burst: 50 }]\nbudgets: { maxToolCallsPerTurn: 5 }",
    );
    for _ in 0..5 {
        rig.begins(again("r-1")).await.unreached();
        wait_until_async(PATIENCE, "a refund", || async { left(&rig).await == 50 }).await;
    }
    assert_eq!(rig.reason(again("r-1")).await, Some(Reason::BudgetExceeded), "A-87");
}

async fn where_the_settings_say_so_calls_count_that_did_not_reach_their_backend(on: On) {
    let policy = "quotas: [{ per: user, rate: 1/min, burst: 50, concurrency: 1 }]";
    let settings = QuotaSettings { refund_unreached: false, ..settings() };
    let rig = on.rig_with(&settings, Limits::for_test(policy, None));
    for number in 1..=5 {
        rig.begins(call("ada", "add")).await.unreached();
        // Its place is free again all the same.
        wait_until_async(PATIENCE, "its place", || async {
            leases::held(&rig, call("ada", "add")).await == 0
        })
        .await;
        assert_eq!(left(&rig).await, 50 - number);
    }
    // The gateway's own refusals are refunded whatever the settings say.
    let mut receipt = rig.begins(call("ada", "add")).await;
    receipt.refuse();
    drop(receipt);
    wait_until_async(PATIENCE, "a refund", || async { left(&rig).await == 45 }).await;
}

fn turn<'a>(user: &'a str, turn: Option<&'a str>) -> Who<'a> {
    with(call(user, "add"), Occasion { turn, ..Occasion::default() })
}

async fn v_53_the_call_after_the_budget_is_refused(on: On) {
    let rig = on.rig_of(
        "quotas: [{ per: user, rate: 1/min, burst: 100 }]\nbudgets: { maxToolCallsPerTurn: 5 }",
    );
    for _ in 0..5 {
        rig.passes(turn("ada", Some("t-1"))).await;
    }
    let denied = rig.denied(turn("ada", Some("t-1"))).await;
    assert_eq!(denied.refusal.reason, Reason::BudgetExceeded);
    assert_eq!(denied.refusal.detail, "budgets.maxToolCallsPerTurn exceeded");
    assert!(denied.refusal.public.as_deref().unwrap().starts_with("tool-call budget exceeded"));
    assert_eq!(denied.refusal.retry_after, Some(Duration::from_hours(1)));
    assert_eq!(left(&rig).await, 95, "a refused call costs no rate");
    rig.passes(turn("ada", Some("t-2"))).await; // V-55
    rig.passes(request("ada")).await; // No tool: no budget.
    rig.hand.advance(Duration::from_hours(1));
    rig.passes(turn("ada", Some("t-1"))).await;
}

async fn turns_and_sessions_have_budgets_of_their_own(on: On) {
    let rig = on.rig_of("budgets: { maxToolCallsPerTurn: 1 }");
    let sessions = ["s-1", "s-2"];
    let mut reasons = Vec::new();
    for (session, user) in [(0, "ada"), (1, "ada"), (0, "bob"), (0, "ada")] {
        let occasion =
            Occasion { turn: Some("t"), session: Some(&sessions[session]), ..Occasion::default() };
        reasons.push(rig.reason(with(call(user, "add"), occasion)).await);
    }
    assert_eq!(reasons, [None, None, None, Some(Reason::BudgetExceeded)]);
}

async fn without_a_turn_the_session_is_one(on: On) {
    let policy = "budgets: { maxToolCallsPerTurn: 1 }";
    let rig = on.rig_of(policy);
    rig.begins(turn("ada", None)).await;
    assert_eq!(rig.reason(turn("ada", None)).await, Some(Reason::BudgetExceeded));
    rig.begins(turn("bob", None)).await;
    let by_request = QuotaSettings { turn_fallback: TurnFallback::Request, ..settings() };
    let rig = on.rig_with(&by_request, Limits::for_test(policy, None));
    for _ in 0..5 {
        assert_eq!(rig.reason(turn("ada", None)).await, None);
    }
}

async fn the_budget_of_a_day_ends_at_midnight(on: On) {
    let rig = on.rig_of("budgets: { maxToolCallsPerDay: 2 }");
    // 2027-01-15T08:00:00Z.
    rig.begins(call("ada", "add")).await;
    rig.begins(call("ada", "sub")).await;
    let denied = rig.denied(call("ada", "add")).await;
    assert_eq!(denied.refusal.retry_after, Some(Duration::from_hours(16)));
    assert_eq!(denied.refusal.detail, "budgets.maxToolCallsPerDay exceeded");
    rig.hand.advance(Duration::from_hours(16).checked_sub(Duration::from_micros(1)).unwrap());
    assert_eq!(rig.reason(call("ada", "add")).await, Some(Reason::BudgetExceeded));
    rig.hand.advance(Duration::from_micros(1));
    rig.begins(call("ada", "add")).await;
}

async fn a_refund_of_yesterday_gives_nothing_to_today(on: On) {
    let rig = on.rig_of(
        "quotas: [{ per: user, rate: 1/min, burst: 100 }]\nbudgets: { maxToolCallsPerDay: 2 }",
    );
    // A millisecond before midnight.
    rig.hand.advance(Duration::from_hours(16).checked_sub(Duration::from_millis(1)).unwrap());
    let mut late = rig.begins(call("ada", "add")).await;
    rig.hand.advance(Duration::from_millis(2));
    rig.begins(call("ada", "add")).await;
    rig.begins(call("ada", "add")).await;
    assert_eq!(rig.reason(call("ada", "add")).await, Some(Reason::BudgetExceeded));
    assert_eq!(left(&rig).await, 97);
    late.refuse();
    drop(late);
    wait_until_async(PATIENCE, "the refund of its rate", || async { left(&rig).await == 98 }).await;
    assert_eq!(rig.reason(call("ada", "add")).await, Some(Reason::BudgetExceeded));
}

async fn the_budget_of_a_job_is_the_jobs(on: On) {
    let rig = on.rig_of("budgets: { maxToolCallsPerJob: 1 }");
    let job = |job| with(call("ada", "add"), Occasion { job, ..Occasion::default() });
    rig.begins(job(Some("j-1"))).await;
    assert_eq!(rig.reason(job(Some("j-1"))).await, Some(Reason::BudgetExceeded));
    rig.begins(job(Some("j-2"))).await;
    for _ in 0..3 {
        assert_eq!(rig.reason(job(None)).await, None);
    }
}

async fn rates_are_told_before_budgets(on: On) {
    let rig = on.rig_of(
        "quotas: [{ per: user, rate: 1/min, burst: 1 }]\nbudgets: { maxToolCallsPerTurn: 1 }",
    );
    rig.passes(call("ada", "add")).await;
    assert_eq!(rig.reason(call("ada", "add")).await, Some(Reason::RateLimited));
    rig.hand.advance(Duration::from_mins(1));
    assert_eq!(rig.reason(call("ada", "add")).await, Some(Reason::BudgetExceeded));
}
