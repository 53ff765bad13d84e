//! Append-only is enforced by the file itself, whoever opens it.

use cqrs_core::{Append, EventStore};

use super::file::{File, event, log};

#[tokio::test]
async fn nobody_can_change_or_remove_events() {
    let file = File::new();
    let store = file.store().await;
    store.append(Append::new(vec![event("account-1"), event("account-1")])).await.unwrap();
    let before = log(&store).await;
    for sql in ["update events set payload = '{}'", "delete from events", "delete from events where position = 2"] {
        let error = file.execute(sql).await.expect_err(sql);
        assert!(error.to_string().contains("events are never changed"), "{sql}: {error}");
    }
    assert_eq!(log(&store).await, before);
}

#[tokio::test]
async fn an_insert_that_would_break_the_order_or_replace_an_event_is_refused() {
    let file = File::new();
    let store = file.store().await;
    store.append(Append::new(vec![event("account-1"), event("account-1")])).await.unwrap();
    let before = log(&store).await;
    let columns = "(position, version, recorded_at, event_id, stream, event_type, payload, metadata)";
    let late = i64::MAX;
    for (insert, values) in [
        ("insert", format!("(2, 3, {late}, randomblob(16), 'account-1', 'account.opened.v1', '{{}}', '{{}}')")),
        ("insert", format!("(3, 4, {late}, randomblob(16), 'account-1', 'account.opened.v1', '{{}}', '{{}}')")),
        ("insert", "(3, 3, 0, randomblob(16), 'account-1', 'account.opened.v1', '{}', '{}')".to_owned()),
        ("insert or replace", format!("(1, 1, {late}, randomblob(16), 'account-1', 'x.y.v1', '{{}}', '{{}}')")),
        ("insert or replace", format!("(3, 2, {late}, randomblob(16), 'account-1', 'x.y.v1', '{{}}', '{{}}')")),
        (
            "insert or replace",
            format!(
                "(3, 3, {late}, (select event_id from events limit 1), 'account-1', 'account.opened.v1', '{{}}', '{{}}')"
            ),
        ),
    ] {
        let sql = format!("{insert} into events {columns} values {values}");
        let error = file.execute(&sql).await.expect_err(&sql);
        assert!(error.to_string().contains("breaks their order"), "{sql}: {error}");
    }
    assert_eq!(log(&store).await, before);
}
