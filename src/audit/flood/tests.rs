//! Windows, and what becomes of their counts.

use std::sync::Arc;

use super::*;
use crate::audit::Opening;
use crate::audit::facts::{CallerFacts, Surface};

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
    });
    facts
}

fn time(second: u64) -> (DateTime<Utc>, Duration) {
    let mono = Duration::from_secs(second);
    (DateTime::from_timestamp(1_763_700_000, 0).unwrap() + mono, mono)
}

fn judge(floods: &Floods, facts: &Facts, reason: &'static str, second: u64) -> Verdict {
    let (now, mono) = time(second);
    floods.judge(facts, reason, now, mono).0
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
    let (verdict, closed) = floods.judge(&from, "unknown_tool", now, mono);
    assert_eq!((verdict, closed.unwrap().count()), (Verdict::Written, 2));
}

#[test]
fn stopping_takes_counts_of_open_windows_which_go_on() {
    let floods = Floods::new(1);
    let from = facts(Some("192.0.2.7"), None);
    (0..5).for_each(|_| _ = judge(&floods, &from, "invalid_token", 0));
    assert_eq!(floods.take_all()[0].count(), 4);
    assert!(floods.take_all().is_empty());
    assert_eq!(judge(&floods, &from, "invalid_token", 1), Verdict::Counted);
    let fold = floods.take_all().remove(0);
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
    assert_eq!(written, MOST_WINDOWS + 2);
    let ann = facts(Some("192.0.2.7"), Some("ann"));
    assert_eq!(judge(&floods, &ann, "unknown_tool", 0), Verdict::Written);
    let counts: u64 = floods.take_closed(WINDOW).iter().map(Fold::count).sum();
    assert_eq!(counts, 100_000 - written as u64);
    assert!(floods.tables().addresses.is_empty());
}

#[test]
fn counts_that_cannot_be_written_are_bounded_and_add_up() {
    let floods = Floods::new(1);
    let (now, _) = time(0);
    for _ in 0..MOST_WAITING + 10 {
        let mut fold = Fold::begin(source(&facts(None, Some("ann"))).1, now);
        fold.add("unknown_tool", Some("a,b c"), now);
        floods.put_back(fold);
    }
    let waiting = floods.take_all();
    assert_eq!(waiting.len(), MOST_WAITING);
    assert_eq!(waiting.iter().map(Fold::count).sum::<u64>(), MOST_WAITING as u64 + 10);
}

#[test]
fn without_a_limit_everything_is_written() {
    let floods = Floods::new(0);
    let from = facts(None, None);
    assert!((0..1000).all(|_| judge(&floods, &from, "invalid_token", 0) == Verdict::Written));
}
