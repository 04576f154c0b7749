//! Asking for calls (C-42).

use super::*;
use chrono::{DateTime, Utc};

on_both!(
    calls_have_the_status_of_their_end,
    refusals_without_a_tool_are_rows_too,
    each_filter_narrows,
    pages_are_newest_first_and_do_not_overlap,
    input_that_looks_like_sql_is_only_a_value,
    a_large_selection_is_not_counted_to_its_end,
);

fn at(second: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_763_700_000 + second, 5000).unwrap()
}

fn event(kind: &str, call: i64, time: i64, rest: &str) -> String {
    let time = at(time).to_rfc3339_opts(chrono::SecondsFormat::Micros, true);
    format!(
        r#"{{"call_id":"call-{call:03}","event_id":"{kind}{call}","kind":"{kind}","time":"{time}",{rest}}}"#
    )
}

async fn ship(store: &Store, lines: &[String]) {
    let cursor = store.cursor("c").await.unwrap();
    let batch = Batch {
        chain_id: "c".to_owned(),
        cursor,
        first_seq: cursor,
        count: lines.len(),
        lines: lines.join("\n"),
    };
    store.ship(batch).await.unwrap();
}

async fn ask(store: &Store, query: AuditQuery) -> Vec<String> {
    let page = store.query_audit(query).await.unwrap();
    assert_eq!(page.total, Some(page.items.len() as u64));
    page.items.into_iter().filter_map(|call| call.call_id).collect()
}

async fn calls_have_the_status_of_their_end(db: TestDb) {
    let store = db.store().await;
    let ends = [
        ("allow", Some(r#""decision":"success","is_error":false"#), "success"),
        ("allow", Some(r#""decision":"success""#), "success"),
        ("allow", Some(r#""decision":"success","is_error":true"#), "error"),
        ("allow", Some(r#""decision":"timeout","reason":"backend_timeout""#), "timeout"),
        ("allow", Some(r#""decision":"upstream_error""#), "error"),
        ("allow", Some(r#""decision":"aborted""#), "aborted"),
        ("allow", None, "pending"),
        ("deny", None, "denied"),
        ("rateLimited", None, "rate_limited"),
        ("budgetExceeded", None, "rate_limited"),
        ("aborted", None, "aborted"),
        ("error", None, "error"),
        ("upstream_error", None, "error"),
    ];
    let mut lines = Vec::new();
    for (call, (decision, end, _)) in (0..).zip(ends) {
        lines.push(event("decision", call, call, &format!("\"decision\":\"{decision}\"")));
        lines.extend(end.map(|end| event("outcome", call, call + 1, end)));
    }
    lines.push(event("list", 99, 0, r#""decision":"allow""#));
    ship(&store, &lines).await;
    let page = store.query_audit(AuditQuery::default()).await.unwrap();
    let found: Vec<&str> = page.items.iter().rev().map(|call| call.status.as_str()).collect();
    assert_eq!(found, ends.map(|(_, _, status)| status));
    for status in [
        CallStatus::Success,
        CallStatus::Error,
        CallStatus::Timeout,
        CallStatus::RateLimited,
        CallStatus::Denied,
        CallStatus::Aborted,
        CallStatus::Pending,
    ] {
        let expected = found.iter().filter(|found| **found == status.name()).count();
        let query = AuditQuery { status: Some(status), ..AuditQuery::default() };
        assert!(expected > 0);
        assert_eq!(ask(&store, query).await.len(), expected, "{status:?}");
    }
}

async fn refusals_without_a_tool_are_rows_too(db: TestDb) {
    let store = db.store().await;
    // Such events have no id of a call.
    let event = |kind: &str, time: i64, rest: &str| {
        let time = at(time).to_rfc3339_opts(chrono::SecondsFormat::Micros, true);
        format!(r#"{{"event_id":"{kind}{time}","kind":"{kind}","time":"{time}",{rest}}}"#)
    };
    let denied = r#""decision":"deny","reason":"invalid_token","endpoint_path":"/a/mcp","client_addr":"192.0.2.7""#;
    let kinds = [
        CallKind::Authentication,
        CallKind::List,
        CallKind::Admin,
        CallKind::Request,
        CallKind::Decision,
    ];
    let mut lines = Vec::new();
    for (time, kind) in (0..).zip(kinds) {
        lines.push(event(kind.name(), time, denied));
    }
    let failed = r#""decision":"error","reason":"audit_unavailable""#;
    lines.push(event("request", 10, failed));
    for unseen in ["list", "admin", "request"] {
        lines.push(event(unseen, 20, r#""decision":"allow""#));
    }
    lines.push(event("damaged", 21, r#""decision":"error""#));
    lines.push(event("outcome", 22, denied));
    ship(&store, &lines).await;
    let all = store.query_audit(AuditQuery::default()).await.unwrap();
    assert_eq!(all.total, Some(7), "with what an administrator was allowed");
    let newest: Vec<_> =
        all.items[..2].iter().map(|row| (row.kind.as_str(), row.status.as_str())).collect();
    assert_eq!(newest, [("admin", "success"), ("request", "error")]);
    for kind in kinds {
        let query = AuditQuery {
            kind: Some(kind),
            reason: Some("invalid_token".to_owned()),
            ..AuditQuery::default()
        };
        let page = store.query_audit(query).await.unwrap();
        assert_eq!((page.total, page.items.len()), (Some(1), 1), "{kind:?}");
        let row = &page.items[0];
        assert_eq!((row.kind.as_str(), row.status.as_str()), (kind.name(), "denied"));
        assert_eq!(row.client_addr.as_deref(), Some("192.0.2.7"));
        assert_eq!(row.endpoint_path.as_deref(), Some("/a/mcp"));
        assert_eq!((&row.tool_name, &row.call_id), (&None, &None));
    }
}

async fn each_filter_narrows(db: TestDb) {
    let store = db.store().await;
    let fields = [
        "user_id",
        "tool",
        "endpoint_path",
        "decision",
        "reason",
        "tenant",
        "scope",
        "request_id",
        "session",
        "turn",
    ];
    let mut lines = Vec::new();
    for (call, special) in (0..).zip(fields) {
        let rest = fields.map(|field| {
            let value = if field == special { "special" } else { "usual" };
            format!("\"{field}\":\"{value}\"")
        });
        lines.push(event("decision", call, call, &rest.join(",")));
    }
    let ended = r#""decision":"success","duration_us":1500,"http_status":200,"is_error":false,"result_bytes":7,"upstream_us":250"#;
    lines.push(event(
        "decision",
        50,
        50,
        r#""arguments":"{\"a\":1.10}","decision":"allow","policy_generation":3,"quota_us":4"#,
    ));
    lines.push(event("outcome", 50, 51, ended));
    ship(&store, &lines).await;
    let special = || Some("special".to_owned());
    let none = AuditQuery::default;
    let queries = [
        AuditQuery { user_id: special(), ..none() },
        AuditQuery { tool_name: special(), ..none() },
        AuditQuery { endpoint_path: special(), ..none() },
        AuditQuery { decision: special(), ..none() },
        AuditQuery { reason: special(), ..none() },
        AuditQuery { tenant: special(), ..none() },
        AuditQuery { scope: special(), ..none() },
        AuditQuery { request_id: special(), ..none() },
        AuditQuery { session: special(), ..none() },
        AuditQuery { turn: special(), ..none() },
    ];
    for (call, query) in queries.into_iter().enumerate() {
        assert_eq!(ask(&store, query).await, [format!("call-{call:03}")]);
    }
    let both = AuditQuery { user_id: special(), tenant: special(), ..none() };
    assert!(ask(&store, both).await.is_empty());
    // Both ends belong to the window.
    let window = AuditQuery { start_time: Some(at(2)), end_time: Some(at(4)), ..none() };
    assert_eq!(ask(&store, window).await, ["call-004", "call-003", "call-002"]);
    let page = store.query_audit(AuditQuery { decision: Some("allow".into()), ..none() }).await;
    let call = page.unwrap().items.remove(0);
    assert_eq!(call.timestamp, at(50));
    assert_eq!(call.arguments.as_deref(), Some("{\"a\":1.10}"));
    assert_eq!(
        (call.duration_ms, call.upstream_ms, call.quota_ms),
        (Some(1.5), Some(0.25), Some(0.004))
    );
    assert_eq!(
        (call.http_status, call.is_error, call.result_bytes),
        (Some(200), Some(false), Some(7))
    );
    assert_eq!((call.policy_generation, call.user_id), (Some(3), None));
}

async fn pages_are_newest_first_and_do_not_overlap(db: TestDb) {
    let store = db.store().await;
    // Several in one moment, and not in the order of their numbers.
    let lines: Vec<String> = (0..250)
        .map(|call| event("decision", call, (call * 7 % 250) / 3, r#""decision":"deny""#))
        .collect();
    ship(&store, &lines).await;
    let page = store.query_audit(AuditQuery::default()).await.unwrap();
    assert_eq!((page.items.len(), page.total, page.limit, page.offset), (100, Some(250), 100, 0));
    let mut seen = Vec::new();
    for offset in (0..300).step_by(60) {
        let paging = Paging::new(Some(60), Some(offset)).unwrap();
        let page = store.query_audit(AuditQuery { paging, ..AuditQuery::default() }).await.unwrap();
        assert_eq!(page.total, Some(250));
        seen.extend(page.items);
    }
    assert!(seen.is_sorted_by(|one, next| one.timestamp >= next.timestamp));
    let calls: std::collections::HashSet<_> = seen.iter().map(|call| call.seq).collect();
    assert_eq!((seen.len(), calls.len()), (250, 250));
    let far = Paging::new(Some(1000), Some(i64::MAX)).unwrap();
    let page =
        store.query_audit(AuditQuery { paging: far, ..AuditQuery::default() }).await.unwrap();
    assert!(page.items.is_empty() && page.total == Some(250));
}

async fn input_that_looks_like_sql_is_only_a_value(db: TestDb) {
    let store = db.store().await;
    let hostile = ["' OR '1'='1", "\"; DROP TABLE tools; --", "$1", "?1", "%", "\\", "a\0b", "🦀'"];
    for value in hostile {
        let query = AuditQuery { user_id: Some(value.to_owned()), ..AuditQuery::default() };
        assert!(ask(&store, query).await.is_empty(), "{value}");
    }
    let lines: Vec<String> = (0..)
        .zip(hostile)
        .map(|(call, value)| {
            let value = serde_json::to_string(&value.replace('\0', "\u{fffd}")).unwrap();
            event("decision", call, call, &format!("\"user_id\":{value}"))
        })
        .collect();
    ship(&store, &lines).await;
    for (call, value) in hostile.iter().enumerate() {
        let query = AuditQuery { user_id: Some((*value).to_owned()), ..AuditQuery::default() };
        assert_eq!(ask(&store, query).await, [format!("call-{call:03}")], "{value}");
    }
    assert!(store.list_tools().await.unwrap().is_empty());
}

async fn a_large_selection_is_not_counted_to_its_end(db: TestDb) {
    let store = db.store().await;
    let most = i64::try_from(super::super::audit_query::MOST_COUNTED).unwrap();
    let lines = |from: i64, to: i64| -> Vec<String> {
        (from..to).map(|call| event("decision", call, call, r#""decision":"deny""#)).collect()
    };
    ship(&store, &lines(0, most)).await;
    let total = || async { store.query_audit(AuditQuery::default()).await.unwrap().total };
    assert_eq!(total().await, Some(most.unsigned_abs()));
    ship(&store, &lines(most, most + 1)).await;
    assert_eq!(total().await, None);
}

#[test]
fn windows_are_bounded() {
    assert_eq!(Paging::new(None, None).unwrap(), Paging::default());
    for limit in [1, 1000] {
        assert!(Paging::new(Some(limit), Some(0)).is_ok());
    }
    for limit in [0, -1, 1001, i64::MAX, i64::MIN] {
        assert_eq!(Paging::new(Some(limit), None), Err(PagingError::Limit));
    }
    assert_eq!(Paging::new(None, Some(-1)), Err(PagingError::Offset));
}
