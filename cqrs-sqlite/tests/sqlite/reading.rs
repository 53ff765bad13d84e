//! Pages of the log: filters follow their indexes.

use cqrs_core::{Append, Category, EventStore, EventType, Filter, GlobalPosition, ReadAll};
use sqlx::{AssertSqlSafe, Row};

use super::file::{File, event};

#[tokio::test]
async fn a_wanted_category_or_type_that_is_named_twice_is_read_once() {
    let file = File::new();
    let store = file.store().await;
    store.append(Append::new(vec![event("account-1"), event("order-1"), event("account-2")])).await.unwrap();
    let account = Category::new("account").unwrap();
    let deposited = EventType::new("account.deposited.v1").unwrap();
    for (filter, expected) in [
        (Filter::Categories(vec![account.clone(), account]), vec![1, 3]),
        (Filter::EventTypes(vec![deposited.clone(), deposited]), vec![1, 2, 3]),
    ] {
        let page = store.read_all(ReadAll::after(GlobalPosition::START).filter(filter)).await.unwrap();
        assert_eq!(page.events.iter().map(|event| event.position.get()).collect::<Vec<_>>(), expected);
    }
}

#[tokio::test]
async fn no_statement_scans_the_events_or_sorts_them() {
    let file = File::new();
    let store = file.store().await;
    store.append(Append::new(vec![event("account-1")])).await.unwrap();
    let mut connection = file.connection().await;
    for (name, sql) in [
        ("read_all", include_str!("../../sql/event_store/read_all.sql")),
        ("read_categories", include_str!("../../sql/event_store/read_categories.sql")),
        ("read_event_types", include_str!("../../sql/event_store/read_event_types.sql")),
        ("list_streams", include_str!("../../sql/event_store/list_streams.sql")),
        ("read_stream_forward", include_str!("../../sql/event_store/read_stream_forward.sql")),
        ("read_stream_backward", include_str!("../../sql/event_store/read_stream_backward.sql")),
        ("begin", include_str!("../../sql/event_store/begin.sql")),
        ("find", include_str!("../../sql/event_store/find.sql")),
        ("imported", include_str!("../../sql/event_store/imported.sql")),
        ("newest", include_str!("../../sql/event_store/newest.sql")),
    ] {
        let sql = sql.rsplit_once("begin immediate;").map_or(sql, |(_, sql)| sql);
        let explain = format!("explain query plan {sql}");
        let rows = sqlx::query(AssertSqlSafe(explain)).fetch_all(&mut connection).await.unwrap();
        let plan: Vec<String> = rows.iter().map(|row| row.get::<String, _>("detail")).collect();
        assert!(plan.iter().any(|step| step.starts_with("SEARCH events")), "{name}: {plan:#?}");
        // The newest event is read from the end of the table.
        let bad = |step: &&String| (step.starts_with("SCAN events") && name != "begin") || step.contains("ORDER BY");
        assert_eq!(plan.iter().find(bad), None, "{name}: {plan:#?}");
    }
}
