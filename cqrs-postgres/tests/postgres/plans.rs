//! Every statement finds what it wants by an index, also in a table that was never analysed.

use cqrs_core::{
    Append, AppendError, Category, EventStore, EventType, ExpectedVersion, Filter, GlobalPosition, NewEvent, ReadAll,
    ReadStream, StreamName, Timestamp, Version,
};
use sqlx::{AssertSqlSafe, PgConnection, Row};

use super::database::{Database, event};

const EVENTS: u64 = 100_000;

/// Half of the events in one stream, the others spread; one event in a thousand of a rare type and category.
async fn fill(database: &Database) {
    let store = database.migrated().await;
    database.execute("alter table {schema}.events set (autovacuum_enabled = false)").await.unwrap();
    let rare = EventType::new("audit.kept.v1").unwrap();
    for start in (0..EVENTS).step_by(1_000) {
        let new = |number: u64| match number {
            _ if number.is_multiple_of(1_000) => NewEvent { event_type: rare.clone(), ..event("audit-1") },
            _ if number.is_multiple_of(2) => event("account-hot"),
            _ => event(&format!("account-{}", number % 5_000)),
        };
        store.append(Append::new((start..start + 1_000).map(new).collect())).await.unwrap();
    }
}

#[derive(Debug, Clone, Copy)]
struct Usage {
    sequential_scans: i64,
    rows: i64,
}

/// What the server has counted. A session reports its counts when it ends at the latest: those of the store must have ended.
async fn usage(database: &Database) -> Usage {
    let mut connection = database.connection().await;
    let sessions = format!(
        "select count(*) as sessions from pg_stat_activity where application_name like 'cqrs%:{}%'",
        database.schema
    );
    let still_there = async |connection: &mut PgConnection| {
        let row = sqlx::raw_sql(AssertSqlSafe(sessions.clone())).fetch_one(connection).await.unwrap();
        row.get::<i64, _>(0) > 0
    };
    while still_there(&mut connection).await {}
    let sql = format!(
        "select seq_scan, seq_tup_read + coalesce(idx_tup_fetch, 0) as rows
           from pg_stat_user_tables where schemaname = '{}' and relname = 'events'",
        database.schema
    );
    let row = sqlx::raw_sql(AssertSqlSafe(sql)).fetch_one(&mut connection).await.unwrap();
    Usage { sequential_scans: row.get(0), rows: row.get(1) }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_statement_scans_the_table_or_reads_more_than_it_gives() {
    let database = Database::new();
    fill(&database).await;
    let before = usage(&database).await;
    let store = database.store().await;
    let hot = StreamName::new("account-hot").unwrap();
    let mut given = 0;
    let half = Version::new(EVENTS / 4).unwrap();
    let window = || ReadStream::new(hot.clone()).limit(100);
    for read in [
        window(),
        window().from(half),
        window().backward(),
        window().to(half).backward(),
        window().recorded_until(Timestamp::MAX).until(GlobalPosition::MAX),
        ReadStream::new(StreamName::new("account-none").unwrap()),
    ] {
        given += store.read_stream(read).await.unwrap().events.len();
    }
    let all = |filter| ReadAll::after(GlobalPosition::new(EVENTS / 2)).filter(filter).limit(100);
    let rare = EventType::new("audit.kept.v1").unwrap();
    for filter in [
        Filter::All,
        Filter::EventTypes(vec![rare.clone()]),
        Filter::EventTypes(vec![rare, EventType::new("account.deposited.v1").unwrap()]),
        Filter::Categories(vec![Category::new("audit").unwrap()]),
        Filter::Categories(vec![Category::new("account").unwrap(), Category::new("none").unwrap()]),
    ] {
        given += store.read_all(all(filter)).await.unwrap().events.len();
    }
    store.head().await.unwrap();
    let append = Append::new(vec![event("account-hot")]);
    store.append(append.clone()).await.unwrap();
    store.append(append.clone()).await.expect("a repetition");
    store.outcome(&append.event_ids()).await.unwrap();
    let conflict = Append::new(vec![event("account-hot")]).expect(hot.clone(), ExpectedVersion::NoStream);
    assert!(matches!(store.append(conflict).await, Err(AppendError::Conflict { .. })));
    drop(store);
    let loaded = given as i64;
    let after = usage(&database).await;
    assert_eq!(after.sequential_scans, before.sequential_scans, "no sequential scan: {before:?}, {after:?}");
    let read = after.rows - before.rows;
    assert!(read < loaded * 4 + 500, "{read} rows were read to give {loaded}");
}
