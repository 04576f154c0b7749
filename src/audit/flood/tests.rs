//! Windows, and what becomes of their counts.

use std::sync::Arc;

use super::*;
use crate::audit::Opening;
use crate::audit::facts::{CallerFacts, Decision, Surface};

fn facts(address: Option<&str>, user: Option<&str>) -> Facts {
    let opening = Opening {
        request_id: "r".to_owned(),
        surface: Surface::Mcp,
        endpoint_path: "/a/mcp".into(),
        client_addr: address.map(|address| address.parse().unwrap()),
        trace_id: None,
    };
    let mut facts = Facts::new(opening, Duration::ZERO);
    facts.caller = user.map(|user| CallerFacts {
        user_id: Arc::from(user),
        issuer: Some("https://issuer.example".into()),
        tenant: None,
        agent: None,
        agents: None,
        roles: None,
    });
    facts
}

fn time(second: u64) -> (DateTime<Utc>, Duration) {
    let mono = Duration::from_secs(second);
    (DateTime::from_timestamp(1_763_700_000, 0).unwrap() + mono, mono)
}

fn denied<'a>(facts: &'a Facts, reason: &'static str) -> Attempt<'a> {
    Attempt { facts, reason, decision: Decision::Deny }
}

fn judge(floods: &Floods, facts: &Facts, reason: &'static str, second: u64) -> Verdict {
    let (now, mono) = time(second);
    floods.judge(denied(facts, reason), now, mono).0
}

/// Asks for a tool that the registry has, or for one that nobody has.
fn asking(user: &str, tool: &str, declared: bool) -> Facts {
    let mut facts = facts(Some("192.0.2.7"), Some(user));
    facts.asked = Some(tool.into());
    facts.declared = declared;
    facts
}

/// The members of a count's event.
fn event(fold: &Fold) -> serde_json::Value {
    let mut body = crate::audit::line::Body::default();
    fold.write((time(0).0, uuid::Uuid::nil()), "chain", &mut body);
    let mut line = Vec::new();
    body.complete(1, &mut line);
    let read: serde_json::Map<_, _> = serde_json::from_slice(&line).unwrap();
    assert_eq!(serde_json::to_vec(&read).unwrap(), line.trim_ascii_end(), "canonical");
    read.into()
}

#[test]
fn so_many_are_written_and_the_rest_is_counted() {
    let floods = Floods::new(3);
    let from = facts(Some("192.0.2.7"), None);
    for number in 0..10 {
        let expected = if number < 3 { Verdict::Written } else { Verdict::Counted };
        assert_eq!(judge(&floods, &from, "invalid_token", number), expected);
    }
    // A reason not seen before is never hidden in the crowd.
    assert_eq!(judge(&floods, &from, "expired_token", 10), Verdict::Written);
    assert_eq!(judge(&floods, &from, "expired_token", 11), Verdict::Counted);
    assert!(floods.take_closed(Duration::from_secs(59)).is_empty());
    let closed = floods.take_closed(WINDOW);
    assert_eq!(closed.iter().map(Fold::count).collect::<Vec<_>>(), [8]);
    assert_eq!(floods.folded(), 8);
    assert!(floods.tables().addresses.is_empty());
}

#[test]
fn a_window_that_is_over_ends_with_the_next_attempt() {
    let floods = Floods::new(1);
    let from = facts(None, Some("ann"));
    for _ in 0..3 {
        judge(&floods, &from, "unknown_tool", 0);
    }
    let (now, mono) = time(60);
    let (verdict, closed) = floods.judge(denied(&from, "unknown_tool"), now, mono);
    assert_eq!((verdict, closed.unwrap().count()), (Verdict::Written, 2));
}

#[test]
fn stopping_takes_counts_of_open_windows_which_go_on() {
    let floods = Floods::new(1);
    let from = facts(Some("192.0.2.7"), None);
    (0..5).for_each(|_| _ = judge(&floods, &from, "invalid_token", 0));
    assert_eq!(floods.take_all(Duration::ZERO)[0].count(), 4);
    assert!(floods.take_all(Duration::ZERO).is_empty());
    assert_eq!(judge(&floods, &from, "invalid_token", 1), Verdict::Counted);
    let fold = floods.take_all(Duration::ZERO).remove(0);
    floods.put_back(fold);
    assert_eq!(floods.take_closed(Duration::ZERO)[0].count(), 1);
}

#[test]
fn a_host_is_one_source_however_many_addresses_it_has() {
    let floods = Floods::new(1);
    judge(&floods, &facts(Some("2001:db8:1:2::1"), None), "invalid_token", 0);
    for address in ["2001:db8:1:2::2", "2001:db8:1:2:ffff::"] {
        let verdict = judge(&floods, &facts(Some(address), None), "invalid_token", 0);
        assert_eq!(verdict, Verdict::Counted, "{address}");
    }
    let other = facts(Some("2001:db8:1:3::1"), None);
    assert_eq!(judge(&floods, &other, "invalid_token", 0), Verdict::Written);
    judge(&floods, &facts(Some("192.0.2.7"), None), "invalid_token", 0);
    let mapped = facts(Some("::ffff:192.0.2.7"), None);
    assert_eq!(judge(&floods, &mapped, "invalid_token", 0), Verdict::Counted);
    // A caller is itself, wherever it comes from.
    judge(&floods, &facts(Some("192.0.2.7"), Some("ann")), "unknown_tool", 0);
    let elsewhere = facts(Some("192.0.2.8"), Some("ann"));
    assert_eq!(judge(&floods, &elsewhere, "unknown_tool", 0), Verdict::Counted);
}

#[test]
fn many_addresses_take_no_more_memory_and_keep_no_caller_from_its_window() {
    let floods = Floods::new(2);
    let mut written = 0;
    for number in 0..100_000_u32 {
        let address = std::net::Ipv4Addr::from_bits(number).to_string();
        if judge(&floods, &facts(Some(&address), None), "invalid_token", 0) == Verdict::Written {
            written += 1;
        }
    }
    assert_eq!(floods.tables().addresses.len(), MOST_WINDOWS + 1);
    assert_eq!(written, 2 * CROWD as usize, "for all of them together");
    let ann = facts(Some("192.0.2.7"), Some("ann"));
    assert_eq!(judge(&floods, &ann, "unknown_tool", 0), Verdict::Written);
    let mut folds = floods.take_closed(WINDOW);
    assert_eq!(folds.len(), MOST_CROWD_FOLDS);
    folds.extend(floods.take_closed(2 * WINDOW));
    assert_eq!(folds.len(), MOST_CROWD_FOLDS + 1);
    let counts: u64 = folds.iter().map(Fold::count).sum();
    assert_eq!(counts, 100_000 - written as u64);
    assert!(floods.tables().addresses.is_empty());
    let last = event(folds.last().unwrap());
    assert!(last["folded_addresses"].as_str().unwrap().contains(", others "), "{last}");
    assert_eq!(last.get("client_addr"), None);
}

#[test]
fn counts_that_cannot_be_written_are_bounded_and_add_up() {
    let floods = Floods::new(1);
    let (now, _) = time(0);
    for _ in 0..MOST_WAITING + 10 {
        let facts = asking("ann", "a,b c", false);
        let mut fold = Fold::begin(source(&facts).1, Decision::Deny, now);
        fold.add(denied(&facts, "unknown_tool"), now);
        floods.put_back(fold);
    }
    let waiting = floods.take_all(Duration::ZERO);
    assert_eq!(waiting.len(), MOST_WAITING);
    assert_eq!(waiting.iter().map(Fold::count).sum::<u64>(), MOST_WAITING as u64 + 10);
}

#[test]
fn without_a_limit_everything_is_written() {
    let floods = Floods::new(0);
    let from = facts(None, None);
    assert!((0..1000).all(|_| judge(&floods, &from, "invalid_token", 0) == Verdict::Written));
}

#[test]
fn the_first_refusal_of_a_tool_is_never_hidden() {
    let floods = Floods::new(3);
    // Names that nobody has make no news, however many there are.
    for number in 0..100 {
        judge(&floods, &asking("ann", &format!("no{number}"), false), "tool_not_allowed", 0);
    }
    let wipe = asking("ann", "wipe", true);
    assert_eq!(judge(&floods, &wipe, "tool_not_allowed", 1), Verdict::Written);
    for _ in 0..5 {
        assert_eq!(judge(&floods, &wipe, "tool_not_allowed", 2), Verdict::Counted);
    }
    // For a further reason, it is news again.
    assert_eq!(judge(&floods, &wipe, "rate_limited", 3), Verdict::Written);
    assert_eq!(judge(&floods, &wipe, "rate_limited", 3), Verdict::Counted);
    let count = event(&floods.take_closed(WINDOW)[0]);
    let tools = count["folded_tools"].as_str().unwrap();
    assert!(tools.starts_with("wipe 6, no3 1, ") && tools.ends_with(", others 89"), "{tools}");
    // There is an end to it.
    let mut written = 0;
    for number in 0..MOST_NEWS + 100 {
        let facts = asking("bob", &format!("t{number}"), true);
        written += usize::from(judge(&floods, &facts, "tool_not_allowed", 0) == Verdict::Written);
    }
    assert_eq!(written, MOST_NEWS - 1, "and one for the reason");
}

#[test]
fn a_count_says_only_what_all_its_attempts_have_in_common() {
    let floods = Floods::new(1);
    let from = |address: &str, tenant: &str, agent: &str| {
        let mut facts = facts(Some(address), Some("ann"));
        let caller = facts.caller.as_mut().unwrap();
        (caller.tenant, caller.agent) = (Some(tenant.into()), Some(agent.into()));
        facts
    };
    let one = from("192.0.2.7", "lab", "copilot");
    (0..4).for_each(|_| _ = judge(&floods, &one, "tool_not_allowed", 0));
    let count = event(&floods.take_all(Duration::ZERO)[0]);
    assert_eq!(
        (&count["client_addr"], &count["tenant"], &count["agent"], &count["user_id"]),
        (&"192.0.2.7".into(), &"lab".into(), &"copilot".into(), &"ann".into())
    );
    assert_eq!(count["folded_addresses"], "192.0.2.7 3");
    judge(&floods, &one, "tool_not_allowed", 1);
    (0..2).for_each(|_| {
        _ = judge(&floods, &from("2001:db8::1", "prod", "copilot"), "tool_not_allowed", 1);
    });
    let count = event(&floods.take_all(Duration::ZERO)[0]);
    assert_eq!((count.get("client_addr"), count.get("tenant")), (None, None), "{count}");
    assert_eq!((&count["agent"], &count["user_id"]), (&"copilot".into(), &"ann".into()));
    assert_eq!(count["folded_addresses"], "192.0.2.7 1, 2001:db8::/64 2");
    assert!(
        count["detail"].as_str().unwrap().ends_with("; addresses: 192.0.2.7 1, 2001:db8::/64 2")
    );
}

#[test]
fn a_count_has_the_decision_of_its_attempts() {
    let floods = Floods::new(1);
    let from = facts(None, Some("ann"));
    let (now, mono) = time(0);
    let limited = Attempt { decision: Decision::RateLimited, ..denied(&from, "rate_limited") };
    (0..3).for_each(|_| _ = floods.judge(limited, now, mono));
    let count = event(&floods.take_all(Duration::ZERO)[0]);
    assert_eq!(
        (&count["decision"], &count["reason"]),
        (&"rateLimited".into(), &"rate_limited".into())
    );
    floods.judge(limited, now, mono);
    judge(&floods, &from, "tool_not_allowed", 0);
    judge(&floods, &from, "tool_not_allowed", 0);
    assert_eq!(event(&floods.take_all(Duration::ZERO)[0])["decision"], "deny");
}
