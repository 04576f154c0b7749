//! What a decision costs, and loading. The bars are the product's, and hold in
//! an optimised build only:
//! `cargo test --release --lib policy::tests::cost -- --nocapture`.

use std::fmt::Write as _;
use std::hint::black_box;
use std::time::Duration;

use serde_json::{Value, json};

use crate::clock::Clock;
use crate::policy::{Active, Beside, How, Question, What, Who};
use crate::registry::SubjectKind;

const OPTIMISED: bool = !cfg!(debug_assertions);

/// A policy with so many rules: of ten, seven name a tool, two have a pattern
/// and one a simple condition.
fn policy(rules: usize) -> String {
    let mut text = String::from(
        "roles:\n  viewer: { allowed_tools: [other] }\n  agent: { allowed_tools: ['*'] }\nrules:\n",
    );
    for rule in 0..rules {
        let _ = match rule % 10 {
            7 => writeln!(text, "  - {{ tool: 'group{rule}_*', action: deny }}"),
            8 => writeln!(text, "  - {{ tool: '*_of{rule}', action: deny }}"),
            9 => writeln!(text, "  - {{ tool: tool{rule}, when: {{ dry: true }}, action: allow }}"),
            _ => writeln!(text, "  - {{ tool: tool{rule}, action: allow }}"),
        };
    }
    text
}

/// Asks about a call, with what it takes to decide on it.
fn ask<T>(
    tool: &str,
    arguments: &Value,
    clock: &Clock,
    then: impl FnOnce(&Question<'_>) -> T,
) -> T {
    let roles = ["viewer".to_owned(), "agent".to_owned()];
    let who = Who { user_id: "alice", roles: &roles, ..Who::default() };
    let (name, inner, server) = (tool, tool, Some("backend"));
    let kind = SubjectKind::Tool;
    let what = What { kind, name, inner, server, scope: "s", registry_roles: &[] };
    let (now, method) = (clock.now(), "tools/call");
    let call = How { method, arguments, now, client: None, session: None, past: false };
    then(&Question { who, what, call: Some(call) })
}

/// The mean time of a decision; the best of several rounds.
fn decision(active: &Active, clock: &Clock, tool: &str, arguments: &Value) -> Duration {
    const TIMES: u32 = if OPTIMISED { 20_000 } else { 200 };
    ask(tool, arguments, clock, |question| {
        let round = |_| {
            let begun = clock.monotonic();
            for _ in 0..TIMES {
                black_box(active.decide(black_box(question)));
            }
            clock.monotonic().saturating_sub(begun) / TIMES
        };
        (0..5).map(round).min().unwrap()
    })
}

/// How often a decision asks for memory. Not in an optimised build, whose costs are
/// measured with the allocator of the program.
#[cfg(debug_assertions)]
fn allocations(active: &Active, clock: &Clock, tool: &str, arguments: &Value) -> u64 {
    ask(tool, arguments, clock, |question| {
        allocation_counter::measure(|| drop(black_box(active.decide(question)))).count_total
    })
}

#[cfg(debug_assertions)]
#[test]
fn a_decision_asks_for_hardly_any_memory() {
    let clock = Clock::system();
    let arguments = json!({"dry": true, "amount": 150, "to": "bob"});
    let active = Active::read(&policy(1000), Beside::default()).unwrap();
    // What only the first one does.
    allocations(&active, &clock, "tool990", &arguments);
    for (what, tool, most) in [
        ("by name", "tool990", 0),
        ("simple condition", "tool999", 0),
        // The list of patterns that fit.
        ("by pattern", "group997_x", 1),
        ("no rule", "stranger", 0),
    ] {
        let times = allocations(&active, &clock, tool, &arguments);
        println!("{what:16}: {times} allocations");
        assert!(times <= most, "{what}: {times}");
    }
}

/// Every start and every reload looks for rules that never decide, too.
#[test]
fn loading_and_checking_many_rules_costs_little_whatever_they_are_about() {
    const RULES: usize = 10_000;
    let clock = Clock::system();
    let head = "roles: { agent: { allowed_tools: ['*'] } }\nrules:\n";
    let each = |rule: &dyn Fn(usize) -> String| {
        (0..RULES).fold(head.to_owned(), |mut text, number| {
            let _ = writeln!(text, "  - {{ {} }}", rule(number));
            text
        })
    };
    for (what, text) in [
        ("as usual", policy(RULES)),
        ("one name", each(&|_| "tool: t, action: deny".to_owned())),
        ("one name, conditions", each(&|at| format!("tool: t, when: {{ n: {at} }}, action: deny"))),
        ("one name, servers", each(&|at| format!("tool: t, server: s{at}, action: deny"))),
        ("everything", each(&|at| format!("tool: '*', when: {{ n: {at} }}, action: deny"))),
        ("resources", each(&|at| format!("resource: 'r:a/{at}/*', action: deny"))),
        ("one resource", each(&|_| "resource: 'r:a/*', action: deny".to_owned())),
    ] {
        let begun = clock.monotonic();
        let active = Active::read(&text, Beside::default()).unwrap();
        let loading = clock.monotonic().saturating_sub(begun);
        let begun = clock.monotonic();
        let found = active.rules.actions.as_ref().unwrap().shadowed(true).len();
        let checking = clock.monotonic().saturating_sub(begun);
        println!("{RULES} rules, {what}: loaded in {loading:?}, {found} shadowed in {checking:?}");
        let both = loading + checking;
        assert!(!OPTIMISED || both < Duration::from_millis(200), "{what}: {both:?}");
        // 10,000 times 10,000 comparisons would take longer than reading the text.
        assert!(checking < loading, "{what}: {checking:?} of {loading:?}");
    }
}

#[test]
fn a_decision_costs_little_however_many_rules_there_are() {
    let clock = Clock::system();
    let arguments = json!({"dry": true, "amount": 150, "to": "bob"});
    for (rules, bar) in [(10, 2), (1_000, 5), (10_000, 5)] {
        let text = policy(rules);
        let begun = clock.monotonic();
        let active = Active::read(&text, Beside::default()).unwrap();
        let loading = clock.monotonic().saturating_sub(begun);
        let last = format!("tool{}", rules - 4);
        for (what, tool) in [
            ("by name", last.as_str()),
            ("simple condition", &format!("tool{}", rules - 1)),
            ("by pattern", &format!("group{}_x", rules - 3)),
            ("no rule", "stranger"),
        ] {
            let took = decision(&active, &clock, tool, &arguments);
            println!("{rules:6} rules, {what:16}: {took:?}; loaded in {loading:?}");
            assert!(!OPTIMISED || took < Duration::from_micros(bar), "{rules} {what}");
        }
        assert!(!OPTIMISED || loading < Duration::from_millis(200), "{rules}: {loading:?}");
    }
    let condition = r#"args.amount > 100.0 && !("finance" in caller.roles)"#;
    let text = format!(
        "roles: {{ agent: {{ allowed_tools: ['*'] }} }}\nrules: [{{ tool: t, action: deny, when: {condition:?} }}]"
    );
    let active = Active::read(&text, Beside::default()).unwrap();
    println!("a CEL condition: {:?}", decision(&active, &clock, "t", &arguments));
    let conditions: String = (0..1000).fold(
        String::from("roles: { agent: { allowed_tools: ['*'] } }\nrules:\n"),
        |mut text, number| {
            let _ =
                writeln!(text, "  - {{ tool: t, action: deny, when: 'args.amount > {number}' }}");
            text
        },
    );
    let begun = clock.monotonic();
    Active::read(&conditions, Beside::default()).unwrap();
    println!(
        "1000 different CEL conditions loaded in {:?}",
        clock.monotonic().saturating_sub(begun)
    );
}
