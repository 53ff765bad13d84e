//! Tags: in the file, from before there were any, and whoever writes to the table.

use cqrs_core::{Append, AppendError, EventQuery, EventStore, Filter, GlobalPosition, NewEvent, QueryItem, ReadAll};
use cqrs_sqlite::SqliteEventStore;

use super::file::{File, event};

fn tagged(stream: &str, tags: &[&str]) -> NewEvent {
    let mut event = event(stream);
    event.metadata.tags = tags.iter().map(|tag| (*tag).to_owned()).collect();
    event
}

fn course(name: &str) -> EventQuery {
    QueryItem::new().tag(format!("course:{name}")).into()
}

async fn write(store: &SqliteEventStore, event: NewEvent) {
    store.append(Append::new(vec![event])).await.unwrap();
}

async fn found(store: &SqliteEventStore, query: EventQuery) -> Vec<u64> {
    let read = ReadAll::after(GlobalPosition::START).filter(Filter::Query(query));
    store.read_all(read).await.unwrap().events.iter().map(|event| event.position.get()).collect()
}

async fn assert_guarded(store: &SqliteEventStore) {
    let guarded = Append::new(vec![event("course-9")]).expect_none_matching(course("c1"), GlobalPosition::START);
    let refused = store.append(guarded).await;
    assert!(matches!(&refused, Err(AppendError::Matched { position, .. }) if position.get() == 1), "{refused:?}");
}

#[tokio::test]
async fn a_file_from_before_there_were_tags_is_brought_up_to_date() {
    let file = File::new();
    let store = file.store().await;
    write(&store, tagged("course-1", &["course:c1", "course:c1", "vip"])).await;
    write(&store, event("course-2")).await;
    write(&store, tagged("course-1", &["course:c1"])).await;
    store.close().await.unwrap();
    file.execute("drop table event_tags; drop trigger events_are_tagged; pragma user_version = 5").await.unwrap();
    let store = file.store().await;
    assert_eq!(found(&store, course("c1")).await, [1, 3]);
    assert_eq!(found(&store, QueryItem::new().tag("vip").tag("course:c1").into()).await, [1]);
    write(&store, tagged("course-1", &["course:c1"])).await;
    assert_eq!(found(&store, course("c1")).await, [1, 3, 4]);
    assert_guarded(&store).await;
}

#[tokio::test]
async fn tags_outlive_the_store_that_wrote_them() {
    let file = File::new();
    write(&file.store().await, tagged("course-1", &["course:c1"])).await;
    let store = file.store().await;
    assert_eq!(found(&store, course("c1")).await, [1]);
    assert_guarded(&store).await;
}

#[tokio::test]
async fn nobody_can_change_tags_or_add_some() {
    let file = File::new();
    write(&file.store().await, tagged("course-1", &["course:c1"])).await;
    for sql in [
        "update event_tags set tag = 'course:c2'",
        "delete from event_tags",
        "insert into event_tags values ('course:c2', 1, 'account.deposited.v1')",
        "insert into event_tags values ('course:c1', 7, 'account.deposited.v1')",
        "insert or replace into event_tags values ('course:c1', 1, 'account.opened.v1')",
    ] {
        let error = file.execute(sql).await.expect_err(sql);
        assert!(error.to_string().contains("tags follow from events"), "{sql}: {error}");
    }
}

#[tokio::test]
async fn no_statement_about_queries_scans_a_table() {
    let file = File::new();
    file.store().await;
    let mut connection = file.connection().await;
    for sql in [
        include_str!("../../sql/event_store/matching.sql"),
        include_str!("../../sql/event_store/read_positions.sql"),
        "select 1 from events e, json_each(e.metadata, '$.tags') said
          where e.position = 7 and e.event_type = 'a.happened.v1' and said.value = 'course:c1'",
    ] {
        let plan =
            sqlx::query_as::<_, (i64, i64, i64, String)>(sqlx::AssertSqlSafe(format!("explain query plan {sql}")))
                .fetch_all(&mut connection)
                .await
                .unwrap();
        let is_scan =
            |step: &&String| step.starts_with("SCAN") && !step.contains("VIRTUAL") && !step.contains("subquery");
        let scans: Vec<_> = plan.iter().map(|(.., step)| step).filter(is_scan).collect();
        assert!(scans.is_empty(), "{plan:?}");
    }
}
