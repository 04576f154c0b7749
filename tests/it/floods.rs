//! A flood of refusals is counted, and the count is there when the gateway ends.

use serde_json::json;

use crate::harness::{Gateway, Token};

#[test]
fn a_flood_of_wrong_tokens_is_one_event_more() {
    let gateway = Gateway::builder().set("SCOPEGATE__AUDIT__REFUSALS_PER_MINUTE", "5").start();
    let forged = Token::of("mallory", &["admin"]).forged().bearer();
    for _ in 0..200 {
        gateway.post_raw("/main/mcp", &forged, &[], b"{}").assert_refused(401, "InvalidTokenError");
    }
    let reader = Token::of("rita", &["reader"]);
    for _ in 0..50 {
        gateway.call(&reader, "main", "wipe", json!({})).assert_refused(200, "TOOL_NOT_FOUND");
    }
    // Those that are allowed are all there.
    let developer = Token::of("dora", &["developer"]);
    for _ in 0..50 {
        gateway.call(&developer, "main", "echo", json!({ "text": "hi" }));
    }
    gateway.audit_rows("user_id=dora", 50);
    gateway.audit_rows("kind=authentication", 5);
    gateway.audit_rows("user_id=rita", 5);
    let counted = |metrics: &str| {
        let line = metrics.lines().find(|line| line.starts_with("scopegate_audit_folded_total "));
        line.and_then(|line| line.rsplit_once(' ')).map(|(_, count)| count.to_owned())
    };
    assert_eq!(counted(&gateway.metrics()).as_deref(), Some("240"));

    // It stops, and the next one finds what it has counted.
    let gateway = gateway.restart();
    let rows = gateway.audit_rows("kind=folded", 2);
    let of = |user: Option<&str>| rows.iter().find(|row| row["user_id"].as_str() == user).unwrap();
    let anonymous = of(None);
    assert_eq!(anonymous["client_addr"], "127.0.0.1");
    assert_eq!(
        (&anonymous["reason"], &anonymous["status"]),
        (&"invalid_token".into(), &"denied".into())
    );
    let detail = anonymous["detail"].as_str().unwrap();
    assert!(detail.starts_with("195 more refused attempts from "), "{detail}");
    assert!(detail.ends_with(": invalid_token 195"), "{detail}");
    let detail = of(Some("rita"))["detail"].as_str().unwrap();
    assert!(detail.ends_with(": tool_not_allowed 45; tools: wipe 45"), "{detail}");
}
