//! Every statement finds what it wants by an index, also in a table that was never analysed.

use cqrs_core::in_memory::InMemoryPublisher;
use cqrs_core::{
    Append, AppendError, Category, ClaimKey, EventQuery, EventStore, EventType, ExpectedVersion, Failure, Filter,
    GlobalPosition, ListStreams, Message, NewEvent, PublishError, QueryItem, ReadAll, ReadStream, RecordedTypes,
    SnapshotQuery, SnapshotRetention, SnapshotStore, StreamFactsChange, StreamFactsStore, StreamName, Timestamp,
    Version,
};
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row};

use super::database::{Database, event};
use super::outbox::{commit, message, text};

const EVENTS: u64 = 100_000;

fn tagged(tags: &[&str]) -> EventQuery {
    tags.iter().fold(QueryItem::new(), |item, tag| item.tag(*tag)).into()
}

fn email(number: u64) -> ClaimKey {
    ClaimKey::new("email", number.to_string()).unwrap()
}

/// Half of the events in one stream, the others spread; one event in a thousand of a rare type and category, one in ten
/// claims a key. Two tags in three events of four: one that all of them have, one that few have.
async fn fill(database: &Database) {
    let store = database.migrated().await;
    for table in ["events", "claims", "event_tags"] {
        let sql = format!("alter table {{schema}}.{table} set (autovacuum_enabled = false)");
        database.execute(&sql).await.unwrap();
    }
    let rare = EventType::new("audit.kept.v1").unwrap();
    for start in (0..EVENTS).step_by(1_000) {
        let new = |number: u64| match number {
            _ if number.is_multiple_of(1_000) => NewEvent { event_type: rare.clone(), ..event("audit-1") },
            _ if number.is_multiple_of(10) => event("account-hot").claiming(email(number)),
            _ if number.is_multiple_of(2) => event("account-hot"),
            _ => event(&format!("account-{}", number % 5_000)),
        };
        let new = |number: u64| {
            let mut event = new(number);
            if !number.is_multiple_of(4) {
                event.metadata.tags = vec!["bank:1".to_owned(), format!("branch:{}", number % 1_000)];
            }
            event
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
async fn usage(database: &Database, tables: &str) -> Usage {
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
        "select sum(seq_scan)::bigint, sum(seq_tup_read + coalesce(idx_tup_fetch, 0))::bigint as rows
           from pg_stat_user_tables where schemaname = '{}' and relname in ({tables})",
        database.schema
    );
    let row = sqlx::raw_sql(AssertSqlSafe(sql)).fetch_one(&mut connection).await.unwrap();
    Usage { sequential_scans: row.get(0), rows: row.get(1) }
}

/// Of 20,000 other streams it is known that they are archived, of one that it is truncated.
async fn know(database: &Database) {
    let others = "insert into {schema}.stream_facts
                  select 'archived-' || number, 1, now(), null from generate_series(1, 20000) number";
    database.execute(others).await.unwrap();
    let store = database.store().await;
    let truncated = StreamName::new("account-1").unwrap();
    store.change_facts(&truncated, StreamFactsChange::TruncateBefore(Version::new(11).unwrap())).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn no_statement_scans_the_table_or_reads_more_than_it_gives() {
    let database = Database::new();
    fill(&database).await;
    know(&database).await;
    let before = usage(&database, "'events', 'event_tags', 'claims', 'stream_facts'").await;
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
        ReadStream::new(StreamName::new("account-1").unwrap()),
        ReadStream::new(StreamName::new("account-1").unwrap()).backward(),
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
        Filter::Query(EventQuery::all()),
        Filter::Query(tagged(&["bank:1"])),
        Filter::Query(tagged(&["bank:1", "branch:7"])),
        Filter::Query(tagged(&["branch:7"]).or(tagged(&["branch:9"]))),
        Filter::Query(QueryItem::new().types([EventType::new("audit.kept.v1").unwrap()]).into()),
    ] {
        given += store.read_all(all(filter.clone())).await.unwrap().events.len();
        given += store.read_all(all(filter.skip_archived())).await.unwrap().events.len();
    }
    for list in [
        ListStreams::new(Category::new("account").unwrap()).limit(100),
        ListStreams::new(Category::new("account").unwrap()).after(StreamName::new("account-4").unwrap()).limit(100),
        ListStreams::new(Category::new("audit").unwrap()),
    ] {
        given += 2 * store.list_streams(list).await.unwrap().streams.len();
    }
    given += store.recorded_types().await.unwrap().len();
    let rare = StreamName::new("audit-1").unwrap();
    store.archive(&rare).await.unwrap();
    store.facts(&rare).await.unwrap();
    given += store.list_facts(Some(&rare), 100).await.unwrap().streams.len();
    store.head().await.unwrap();
    let append = Append::new(vec![event("account-hot")]);
    store.append(append.clone()).await.unwrap();
    store.append(append.clone()).await.expect("a repetition");
    store.outcome(&append.event_ids()).await.unwrap();
    let conflict = Append::new(vec![event("account-hot")]).expect(hot.clone(), ExpectedVersion::NoStream);
    assert!(matches!(store.append(conflict.clone()).await, Err(AppendError::Conflict { .. })));
    store.append(Append::new(vec![event("account-hot").releasing(email(10)).claiming(email(1))])).await.unwrap();
    let claimed = Append::new(vec![event("account-1").claiming(email(20))]);
    assert!(matches!(store.append(claimed.clone()).await, Err(AppendError::Claimed { .. })));
    let unclaimed = Append::new(vec![event("account-1")]).expect_unclaimed(email(30));
    assert!(matches!(store.append(unclaimed.clone()).await, Err(AppendError::Claimed { .. })));
    let head = store.head().await.unwrap().position;
    let everywhere = EventQuery::any_of((0..50).map(|number| QueryItem::new().tag(format!("branch:{number}"))));
    let unseen = everywhere.clone().or(tagged(&["bank:1", "branch:7"])).or(tagged(&["bank:9", "branch:7"]));
    store.append(Append::new(vec![event("account-1")]).expect_none_matching(unseen.clone(), head)).await.unwrap();
    let never = tagged(&["bank:1", "branch:none"]);
    let start = GlobalPosition::START;
    store.append(Append::new(vec![event("account-1")]).expect_none_matching(never, start)).await.unwrap();
    let matched = Append::new(vec![event("account-1")]).expect_none_matching(everywhere, start);
    assert!(matches!(store.append(matched.clone()).await, Err(AppendError::Matched { .. })));
    let archived = Append::new(vec![event("audit-1")]);
    assert!(matches!(store.append(archived).await, Err(AppendError::Archived { .. })));
    store.restore(&rare).await.unwrap();
    // In a session that knows nothing of what suits these statements.
    let mut connection = database.connection().await;
    let mut transaction = connection.begin().await.unwrap();
    store.append_in(&mut transaction, append).await.expect("a repetition");
    for refused in [conflict, claimed, unclaimed, matched] {
        assert!(store.append_in(&mut transaction, refused).await.is_err());
    }
    let guarded = Append::new(vec![event("account-hot").claiming(email(2))]).expect_none_matching(unseen, head);
    store.append_in(&mut transaction, guarded).await.unwrap();
    transaction.commit().await.unwrap();
    connection.close().await.unwrap();
    drop(store);
    let loaded = given as i64;
    let after = usage(&database, "'events', 'event_tags', 'claims', 'stream_facts'").await;
    assert_eq!(after.sequential_scans, before.sequential_scans, "no sequential scan: {before:?}, {after:?}");
    let read = after.rows - before.rows;
    assert!(read < loaded * 4 + 500, "{read} rows were read to give {loaded}");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_statement_scans_the_snapshots() {
    let database = Database::new();
    let store = database.migrated().await;
    database.execute("alter table {schema}.snapshots set (autovacuum_enabled = false)").await.unwrap();
    let fill = "insert into {schema}.snapshots
                       (stream, state_version, fingerprint, version, position, event_id, recorded_at, happened_until, state)
                select 'account-' || stream, state_version, 1, version, version, gen_random_uuid(), now(), now(), '{}'
                  from generate_series(1, 5000) stream, generate_series(1, 2) state_version, generate_series(1, 5) version";
    database.execute(fill).await.unwrap();
    drop(store);
    let before = usage(&database, "'snapshots'").await;
    let snapshots = database.store().await.snapshots();
    let keep = SnapshotRetention { state_version: 1, fingerprint: 1, keep: 2 };
    let stream = StreamName::new("account-77").unwrap();
    let query = SnapshotQuery { stream: stream.clone(), as_of: None, state_version: 1, fingerprint: 1 };
    assert!(snapshots.newest(&query).await.unwrap().is_some());
    assert_eq!(snapshots.prune(&stream, keep).await.unwrap(), 3);
    let page = ListStreams::new(Category::new("account").unwrap()).after(stream).limit(20);
    let pruned = snapshots.prune_streams(&page, keep).await.unwrap();
    assert_eq!((pruned.streams, pruned.dropped, pruned.more), (20, 20 * 8, true));
    drop(snapshots);
    let after = usage(&database, "'snapshots'").await;
    assert_eq!(after.sequential_scans, before.sequential_scans, "no sequential scan: {before:?}, {after:?}");
    let read = after.rows - before.rows;
    assert!(read < 1_500, "{read} rows were read to look at 21 streams with 10 snapshots each");
}

#[tokio::test(flavor = "multi_thread")]
async fn neither_a_long_history_nor_a_backlog_behind_a_parked_message_slows_the_outbox_down() {
    let database = Database::new();
    let store = database.migrated().await;
    let poison = |message: &Message| match text(message).as_str() {
        "poison" => Err(PublishError::Permanent(Failure::new("poison"))),
        _ => Ok(()),
    };
    let relay = store.outbox().relay(InMemoryPublisher::new().answering(poison)).start();
    let mut connection = database.connection().await;
    commit(&store.outbox(), &mut connection, vec![message("order-1", "poison")]).await;
    while store.outbox().status().await.unwrap().parked == 0 {}
    relay.stop().await;
    // What was published, and what waits behind the parked message: none of it is to be read again.
    database
        .execute(
            "alter table {schema}.outbox set (autovacuum_enabled = false);
             insert into {schema}.outbox (message_id, status, topic, lane, keyed, payload, headers, settled_at)
             select gen_random_uuid(), 'published', 't', 'order-' || n % 5000, true, '1', '{}', clock_timestamp()
               from generate_series(1, 100000) n;
             insert into {schema}.outbox (message_id, topic, lane, keyed, payload, headers)
             select gen_random_uuid(), 't', 'order-1', true, '1', '{}' from generate_series(1, 20000)",
        )
        .await
        .unwrap();
    drop((store, connection));
    let before = [usage(&database, "'outbox'").await, usage(&database, "'outbox_lanes'").await];
    let store = database.store().await;
    let outbox = store.outbox();
    let mut connection = database.connection().await;
    let broker = InMemoryPublisher::new();
    let relay = outbox.relay(broker.clone()).start();
    for number in 0..20 {
        let messages = (0..20).map(|key| message(&format!("other-{key}"), number)).collect();
        commit(&outbox, &mut connection, messages).await;
        while broker.published().len() < (number + 1) * 20 {
            tokio::task::yield_now().await;
        }
    }
    relay.stop().await;
    connection.close().await.unwrap();
    drop((outbox, store));
    let after = [usage(&database, "'outbox'").await, usage(&database, "'outbox_lanes'").await];
    for (before, after) in before.iter().zip(&after) {
        assert_eq!(after.sequential_scans, before.sequential_scans, "{before:?}, {after:?}");
        let read = after.rows - before.rows;
        assert!(read < 5_000, "{read} rows were read to publish 400 messages");
    }
}
