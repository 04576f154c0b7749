//! The life of tools (C-33, C-34).

use std::time::Duration;

use super::*;

on_both!(
    tools_come_change_go_and_return,
    an_empty_list_changes_nothing,
    a_tool_named_twice_changes_nothing,
    gateways_may_synchronize_at_once,
);

fn tool(name: &str) -> ToolRecord {
    ToolRecord {
        scope: "calculator".to_owned(),
        name: name.to_owned(),
        description: "Exact \u{1f9ee} decimals; it's exact".to_owned(),
        backend_url: "http://calculator:8000/mcp".to_owned(),
        risk_level: "low".to_owned(),
        required_roles: vec!["a,b".to_owned(), "c\"d".to_owned()],
        categories: Vec::new(),
        input_schema: Some(r#"{"maximum":1.10,"type":"object"}"#.to_owned()),
        is_active: true,
    }
}

async fn active(store: &Store) -> Vec<(String, bool)> {
    let tools = store.list_tools().await.unwrap();
    tools.into_iter().map(|stored| (stored.tool.name, stored.tool.is_active)).collect()
}

fn report(inserted: usize, updated: usize, deactivated: usize, reactivated: usize) -> SyncReport {
    SyncReport { inserted, updated, deactivated, reactivated }
}

async fn tools_come_change_go_and_return(db: TestDb) {
    let start = chrono::DateTime::from_timestamp(1_763_700_000, 123_456_000).unwrap();
    let (clock, hand) = Clock::manual(start);
    let store = Store::connect(&db.settings(), clock).await.unwrap();
    store.migrate(true).await.unwrap();
    let (add, log) = (tool("add"), tool("log"));

    assert_eq!(store.sync_tools(&[add.clone(), log.clone()]).await.unwrap(), report(2, 0, 0, 0));
    let first = store.list_tools().await.unwrap();
    assert_eq!(first.iter().map(|one| &one.tool).collect::<Vec<_>>(), [&add, &log]);
    assert!(first.iter().all(|one| one.created_at == start && one.updated_at == start));

    hand.advance(Duration::from_secs(1));
    assert_eq!(store.sync_tools(&[log.clone(), add.clone()]).await.unwrap(), report(0, 0, 0, 0));
    assert_eq!(store.list_tools().await.unwrap(), first);

    let better = ToolRecord { description: "Better".to_owned(), ..add.clone() };
    assert_eq!(store.sync_tools(std::slice::from_ref(&better)).await.unwrap(), report(0, 1, 1, 0));
    assert_eq!(active(&store).await, [("add".to_owned(), true), ("log".to_owned(), false)]);
    let changed = store.list_tools().await.unwrap();
    assert_eq!((changed[0].id, &changed[0].tool), (first[0].id, &better));
    assert_eq!(
        (changed[0].created_at, changed[0].updated_at),
        (start, start + Duration::from_secs(1))
    );

    // Gone already: that is no change any more.
    assert_eq!(store.sync_tools(std::slice::from_ref(&better)).await.unwrap(), report(0, 0, 0, 0));
    assert_eq!(store.sync_tools(&[better.clone(), log]).await.unwrap(), report(0, 0, 0, 1));
    assert_eq!(active(&store).await, [("add".to_owned(), true), ("log".to_owned(), true)]);
    assert_eq!(store.list_tools().await.unwrap()[1].id, first[1].id);

    // Switched off by hand, and of the same name in another scope.
    let off = ToolRecord { is_active: false, ..better };
    let other = ToolRecord { scope: "docs".to_owned(), ..add };
    assert_eq!(store.sync_tools(&[off, other]).await.unwrap(), report(1, 0, 2, 0));
}

async fn an_empty_list_changes_nothing(db: TestDb) {
    let store = db.store().await;
    store.sync_tools(&[tool("add")]).await.unwrap();
    assert_eq!(store.sync_tools(&[]).await.unwrap(), SyncReport::default());
    assert_eq!(active(&store).await, [("add".to_owned(), true)]);
}

async fn a_tool_named_twice_changes_nothing(db: TestDb) {
    let store = db.store().await;
    let error = store.sync_tools(&[tool("log"), tool("add"), tool("add")]).await.unwrap_err();
    assert!(matches!(error, StoreError::Rejected(_)), "{error}");
    assert!(active(&store).await.is_empty());
}

async fn gateways_may_synchronize_at_once(db: TestDb) {
    let (one, other) = (db.store().await, db.connect().await);
    let tools: Vec<ToolRecord> = (0..20).map(|number| tool(&format!("tool{number:02}"))).collect();
    let (first, second) = tokio::join!(one.sync_tools(&tools), other.sync_tools(&tools));
    assert_eq!(first.unwrap().inserted + second.unwrap().inserted, 20);
    assert_eq!(active(&one).await.len(), 20);
}
