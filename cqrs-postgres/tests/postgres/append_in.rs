//! Appends in the caller's own transaction, beside ordinary tables.

use std::time::Duration;

use cqrs_core::{
    Append, AppendError, Appended, EventStore, ExpectedVersion, Filter, GlobalPosition, InvalidAppend, Metadata,
    ReadAll, RecordedEvent, StreamFactsStore, StreamName, Version,
};
use cqrs_postgres::{PgEventStore, UnfitTransaction};
use futures::future::join_all;
use sqlx::{AssertSqlSafe, Connection, PgConnection, Postgres, Transaction};

use super::database::{Database, event};

/// A store, and a table of the caller's own.
async fn with_table() -> (Database, PgEventStore) {
    let database = Database::new();
    let store = database.migrated().await;
    database.execute("create table {schema}.transfers (id bigint primary key, state text)").await.unwrap();
    (database, store)
}

async fn insert(database: &Database, transaction: &mut Transaction<'_, Postgres>, id: i64) {
    let sql = format!("insert into {}.transfers values ({id}, 'paid')", database.schema);
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut **transaction).await.unwrap();
}

async fn rows(database: &Database) -> Vec<i64> {
    let sql = format!("select id from {}.transfers order by id", database.schema);
    sqlx::query_scalar(AssertSqlSafe(sql)).fetch_all(&mut database.connection().await).await.unwrap()
}

async fn log(store: &PgEventStore) -> Vec<RecordedEvent> {
    store.read_all(ReadAll::after(GlobalPosition::START).limit(100_000)).await.unwrap().events
}

fn to(stream: &str) -> Append {
    Append::new(vec![event(stream)])
}

fn expecting(stream: &str, expected: ExpectedVersion) -> Append {
    to(stream).expect(StreamName::new(stream).unwrap(), expected)
}

fn unfit(error: &AppendError) -> &UnfitTransaction {
    let AppendError::Permanent(failure) = error else { panic!("{error:?}") };
    failure.inner().downcast_ref().unwrap_or_else(|| panic!("{error:?}"))
}

/// Waits until a session of this application waits for a lock.
pub async fn until_waiting(watching: &mut PgConnection, application: &str) {
    let sql =
        "select exists (select from pg_stat_activity where application_name like $1 and wait_event_type = 'Lock')";
    while !sqlx::query_scalar::<_, bool>(sql).bind(application).fetch_one(&mut *watching).await.unwrap() {}
}

#[tokio::test]
async fn events_and_rows_are_committed_together() {
    let (database, store) = with_table().await;
    let mut connection = database.connection().await;
    let mut transaction = connection.begin().await.unwrap();
    insert(&database, &mut transaction, 1).await;
    let new = expecting("account-1", ExpectedVersion::NoStream);
    let appended = store.append_in(&mut transaction, new.clone()).await.unwrap();
    assert!(log(&store).await.is_empty(), "nobody sees them before the commit");
    transaction.commit().await.unwrap();
    assert_eq!(rows(&database).await, [1]);
    let log = log(&store).await;
    assert_eq!((log.len(), log[0].id, log[0].position), (1, new.events[0].id, appended.position));
    assert_eq!((appended.version(), appended.repeated), (Version::FIRST, false));
    assert_eq!(log[0].recorded_at, appended.recorded_at);
}

#[tokio::test]
async fn a_rollback_leaves_neither() {
    let (database, store) = with_table().await;
    let mut connection = database.connection().await;
    let new = to("account-1");
    let mut transaction = connection.begin().await.unwrap();
    insert(&database, &mut transaction, 1).await;
    let gone = store.append_in(&mut transaction, new.clone()).await.unwrap();
    transaction.rollback().await.unwrap();
    assert!(rows(&database).await.is_empty());
    assert!(log(&store).await.is_empty());
    assert!(store.outcome(&new.event_ids()).await.unwrap().is_none());
    let next = store.append(to("account-2")).await.unwrap();
    assert_eq!(next.position, gone.position, "the position goes to somebody else");
}

#[tokio::test]
async fn after_a_refusal_the_transaction_goes_on() {
    let (database, store) = with_table().await;
    let known = to("account-1");
    store.append(known.clone()).await.unwrap();
    let mut connection = database.connection().await;
    let mut transaction = connection.begin().await.unwrap();
    let refused = expecting("account-1", ExpectedVersion::NoStream);
    let error = store.append_in(&mut transaction, refused).await.unwrap_err();
    assert!(
        matches!(&error, AppendError::Conflict { stream, actual, .. }
            if stream.as_str() == "account-1" && *actual == Some(Version::FIRST)),
        "{error:?}"
    );
    let mut elsewhere = known.clone();
    elsewhere.events[0].stream = StreamName::new("account-2").unwrap();
    let error = store.append_in(&mut transaction, elsewhere).await.unwrap_err();
    assert!(matches!(error, AppendError::EventIdReused { id, .. } if id == known.events[0].id));
    let error = store.append_in(&mut transaction, Append::new(Vec::new())).await.unwrap_err();
    assert!(matches!(error, AppendError::Invalid(InvalidAppend::Empty)));
    insert(&database, &mut transaction, 1).await;
    let right = expecting("account-1", ExpectedVersion::Exact(Version::FIRST));
    store.append_in(&mut transaction, right).await.unwrap();
    transaction.commit().await.unwrap();
    assert_eq!((rows(&database).await.len(), log(&store).await.len()), (1, 2));
}

#[tokio::test]
async fn appends_of_one_transaction_build_on_each_other() {
    let (database, store) = with_table().await;
    let mut connection = database.connection().await;
    let mut transaction = connection.begin().await.unwrap();
    let first = expecting("account-1", ExpectedVersion::NoStream);
    let one = store.append_in(&mut transaction, first.clone()).await.unwrap();
    let second = expecting("account-1", ExpectedVersion::Exact(Version::FIRST));
    let two = store.append_in(&mut transaction, second).await.unwrap();
    let again = store.append_in(&mut transaction, first).await.unwrap();
    transaction.commit().await.unwrap();
    assert_eq!(two.position, one.position.next());
    assert!(two.recorded_at > one.recorded_at);
    assert_eq!(again, Appended { repeated: true, ..one });
    assert_eq!(log(&store).await.len(), 2);
}

#[tokio::test]
async fn a_savepoint_that_is_rolled_back_takes_its_events_with_it() {
    let (database, store) = with_table().await;
    let mut connection = database.connection().await;
    let mut transaction = connection.begin().await.unwrap();
    store.append_in(&mut transaction, to("account-1")).await.unwrap();
    let mut savepoint = transaction.begin().await.unwrap();
    let gone = store.append_in(&mut savepoint, to("account-2")).await.unwrap();
    savepoint.rollback().await.unwrap();
    let kept = store.append_in(&mut transaction, to("account-3")).await.unwrap();
    transaction.commit().await.unwrap();
    assert_eq!(kept.position, gone.position);
    let streams: Vec<_> = log(&store).await.iter().map(|event| event.stream.to_string()).collect();
    assert_eq!(streams, ["account-1", "account-3"]);
}

#[tokio::test]
async fn the_envelope_is_that_of_every_other_append() {
    let (database, store) = with_table().await;
    let described = || {
        let mut metadata = Metadata::default();
        metadata.actor = Some("teller-7".to_owned());
        metadata.headers.insert("channel".to_owned(), "branch".to_owned());
        let occurred = "2024-01-05T09:00:00Z".parse().unwrap();
        Append::new(vec![event("account-1").with_metadata(metadata).occurred_at(occurred), event("account-2")])
    };
    let (queued, own) = (described(), described());
    store.append(queued.clone()).await.unwrap();
    let mut connection = database.connection().await;
    let mut transaction = connection.begin().await.unwrap();
    store.append_in(&mut transaction, own.clone()).await.unwrap();
    transaction.commit().await.unwrap();
    let log = log(&store).await;
    for (one, other) in log[..2].iter().zip(&log[2..]) {
        let (mut expected, metadata) = (one.metadata().unwrap(), other.metadata().unwrap());
        assert_eq!((expected.append_id, metadata.append_id), (Some(queued.id), Some(own.id)));
        expected.append_id = metadata.append_id;
        assert_eq!(metadata, expected);
        assert_eq!((&other.payload, other.occurred_at), (&one.payload, one.occurred_at));
        assert_eq!(other.version, one.version.next());
    }
}

#[tokio::test]
async fn a_transaction_under_another_isolation_is_told_so_and_locks_nothing() {
    let (database, store) = with_table().await;
    for isolation in ["repeatable read", "serializable"] {
        let mut connection = database.connection().await;
        let begin = AssertSqlSafe(format!("begin isolation level {isolation}"));
        let mut transaction = connection.begin_with(begin).await.unwrap();
        let error = store.append_in(&mut transaction, to("account-1")).await.unwrap_err();
        assert_eq!(*unfit(&error), UnfitTransaction::Isolation { isolation: isolation.to_owned() });
        store.append(to("account-2")).await.expect("nobody waits for it");
        insert(&database, &mut transaction, log(&store).await.len() as i64).await;
        transaction.commit().await.unwrap();
    }
    assert_eq!((rows(&database).await.len(), log(&store).await.len()), (2, 2));
}

#[tokio::test]
async fn a_transaction_in_the_database_of_another_store_is_told_so() {
    let (database, store) = with_table().await;
    let elsewhere = OtherDatabase::create(&database).await;
    let other = elsewhere.0.migrated().await;
    let mut connection = elsewhere.0.connection().await;
    let mut transaction = connection.begin().await.unwrap();
    let error = store.append_in(&mut transaction, to("account-1")).await.unwrap_err();
    let (actual, expected) = (other.head().await.unwrap().store_id, store.head().await.unwrap().store_id);
    assert_eq!(*unfit(&error), UnfitTransaction::OtherStore { actual, expected });
}

/// A database that has a schema of the same name; dropped with all sessions in it.
pub struct OtherDatabase(pub Database, String);

impl OtherDatabase {
    pub async fn create(database: &Database) -> Self {
        let name = format!("other_{}", database.schema);
        database.execute(&format!("create database {name}")).await.unwrap();
        let (server, _) = database.url.rsplit_once('/').unwrap();
        let there = Database { url: format!("{server}/{name}"), schema: database.schema.clone() };
        Self(there, database.url.clone())
    }
}

impl Drop for OtherDatabase {
    fn drop(&mut self) {
        let database = Database { url: self.1.clone(), schema: self.0.schema.clone() };
        let sql = format!("drop database other_{} with (force)", self.0.schema);
        let dropped = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(std::mem::ManuallyDrop::new(database).execute(&sql))
        });
        let _ = dropped.join();
        // Its schema went with it.
        self.0.url.clone_from(&self.1);
        self.0.schema = "unused".to_owned();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn all_other_appends_wait_until_the_caller_commits_and_then_go_on() {
    let (database, store) = with_table().await;
    let mut connection = database.connection().await;
    let mut transaction = connection.begin().await.unwrap();
    let first = store.append_in(&mut transaction, to("account-1")).await.unwrap();
    let queued = tokio::spawn({
        let store = store.clone();
        async move { store.append(to("account-1")).await }
    });
    let mut watching = database.connection().await;
    until_waiting(&mut watching, &format!("cqrs-append:{}:%", database.schema)).await;
    assert!(!queued.is_finished());
    transaction.commit().await.unwrap();
    let next = queued.await.unwrap().unwrap();
    assert_eq!((next.position, next.version()), (first.position.next(), first.version().next()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_holder_that_is_killed_lets_the_others_go_on() {
    let (database, store) = with_table().await;
    let mut holder = database.connection().await;
    let pid: i32 = sqlx::query_scalar("select pg_backend_pid()").fetch_one(&mut holder).await.unwrap();
    let mut transaction = holder.begin().await.unwrap();
    let gone = to("account-1");
    store.append_in(&mut transaction, gone.clone()).await.unwrap();
    let queued = tokio::spawn({
        let store = store.clone();
        async move { store.append(to("account-2")).await }
    });
    let mut watching = database.connection().await;
    until_waiting(&mut watching, &format!("cqrs-append:{}:%", database.schema)).await;
    sqlx::query("select pg_terminate_backend($1)").bind(pid).execute(&mut watching).await.unwrap();
    queued.await.unwrap().unwrap();
    assert!(transaction.commit().await.is_err());
    assert!(store.outcome(&gone.event_ids()).await.unwrap().is_none());
    assert_eq!(log(&store).await.len(), 1);
}

#[tokio::test]
async fn the_wait_for_the_lock_is_bounded_and_leaves_the_callers_settings_alone() {
    let (database, _store) = with_table().await;
    let store = database.options().append_timeout(Duration::from_millis(100)).connect().await.unwrap();
    let mut connection = database.connection().await;
    for own in [0, 50] {
        let set = AssertSqlSafe(format!("set lock_timeout = {own}"));
        sqlx::raw_sql(set).execute(&mut connection).await.unwrap();
        let lock = database.hold_lock().await;
        let mut transaction = connection.begin().await.unwrap();
        let error = store.append_in(&mut transaction, to("account-1")).await.unwrap_err();
        assert!(matches!(error, AppendError::Transient(_)), "{error:?}");
        transaction.rollback().await.unwrap();
        lock.close().await.unwrap();
        let mut transaction = connection.begin().await.unwrap();
        let setting = "select setting::bigint from pg_settings where name = 'lock_timeout'";
        store.append_in(&mut transaction, to("account-1")).await.unwrap();
        assert_eq!(sqlx::query_scalar::<_, i64>(setting).fetch_one(&mut *transaction).await.unwrap(), own);
        transaction.commit().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn callers_that_write_the_same_streams_in_opposite_orders_all_get_through() {
    let (database, store) = with_table().await;
    let callers = (0..8).map(|caller| {
        let (store, url) = (store.clone(), database.url.clone());
        tokio::spawn(async move {
            let mut connection = PgConnection::connect(&url).await.unwrap();
            for _ in 0..10 {
                let mut streams = ["account-1", "account-2"];
                streams.rotate_left(caller % 2);
                let mut transaction = connection.begin().await.unwrap();
                for stream in streams {
                    store.append_in(&mut transaction, to(stream)).await.unwrap();
                }
                transaction.commit().await.unwrap();
            }
        })
    });
    for caller in join_all(callers).await {
        caller.unwrap();
    }
    assert_eq!(log(&store).await.len(), 160);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deadlock_with_the_callers_own_rows_is_transient() {
    let (database, store) = with_table().await;
    database.execute("insert into {schema}.transfers values (1, 'new')").await.unwrap();
    let update = format!("update {}.transfers set state = 'paid' where id = 1", database.schema);
    let (mut one, mut other, mut watching) =
        (database.connection().await, database.connection().await, database.connection().await);
    // The one that looks for deadlocks first is the one that is ended.
    sqlx::raw_sql("set deadlock_timeout = '1h'").execute(&mut one).await.unwrap();
    sqlx::raw_sql("set deadlock_timeout = '1ms'").execute(&mut other).await.unwrap();
    let name = format!("holder-{}", database.schema);
    sqlx::raw_sql(AssertSqlSafe(format!("set application_name = '{name}'"))).execute(&mut one).await.unwrap();
    let mut last = other.begin().await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(update.clone())).execute(&mut *last).await.unwrap();
    let holder = tokio::spawn({
        let store = store.clone();
        async move {
            let mut first = one.begin().await.unwrap();
            store.append_in(&mut first, to("account-1")).await.unwrap();
            sqlx::raw_sql(AssertSqlSafe(update)).execute(&mut *first).await.unwrap();
            first.commit().await.unwrap();
        }
    });
    until_waiting(&mut watching, &name).await;
    let error = store.append_in(&mut last, to("account-2")).await.unwrap_err();
    assert!(matches!(error, AppendError::Transient(_)), "{error:?}");
    last.rollback().await.unwrap();
    holder.await.unwrap();
    assert_eq!(log(&store).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_are_notified_at_the_commit() {
    let (database, writer) = with_table().await;
    let reader = database.options().poll(Duration::from_secs(3_600)).connect().await.unwrap();
    let mut subscription = reader.subscribe(GlobalPosition::START, Filter::All).await.unwrap();
    let next = tokio::spawn(async move { subscription.next().await });
    let mut connection = database.connection().await;
    // The listener starts with the subscription: commits go on until one of them is heard.
    while !next.is_finished() {
        let mut transaction = connection.begin().await.unwrap();
        writer.append_in(&mut transaction, to("account-1")).await.unwrap();
        transaction.commit().await.unwrap();
    }
    assert!(!next.await.unwrap().unwrap().events.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_miss_nothing_whoever_writes_and_whatever_is_rolled_back() {
    let (database, store) = with_table().await;
    let callers = (0..4).map(|caller: u32| {
        let (store, url) = (store.clone(), database.url.clone());
        tokio::spawn(async move {
            let mut connection = PgConnection::connect(&url).await.unwrap();
            let mut written = Vec::new();
            for round in 0..40u32 {
                let mut transaction = connection.begin().await.unwrap();
                let own = Append::new(vec![event("account-all"), event(&format!("account-{caller}"))]);
                let appended = store.append_in(&mut transaction, own.clone()).await.unwrap();
                if (round + caller).is_multiple_of(3) {
                    transaction.rollback().await.unwrap();
                } else {
                    transaction.commit().await.unwrap();
                    written.push((appended.position, own.events[1].id));
                }
                let queued = to("account-all");
                let appended = store.append(queued.clone()).await.unwrap();
                written.push((appended.position, queued.events[0].id));
            }
            written
        })
    });
    let callers = join_all(callers);
    let mut subscription = store.subscribe(GlobalPosition::START, Filter::All).await.unwrap();
    let following = tokio::spawn(async move {
        let mut seen = Vec::new();
        loop {
            for event in subscription.next().await.unwrap().events {
                if event.stream.category() == "end" {
                    return seen;
                }
                seen.push((event.position, event.id));
            }
        }
    });
    let mut written: Vec<_> = callers.await.into_iter().flat_map(Result::unwrap).collect();
    store.append(to("end-1")).await.unwrap();
    let seen = following.await.unwrap();
    assert!(seen.is_sorted_by(|one, next| one.0 < next.0));
    written.sort();
    let acknowledged: Vec<_> = seen.iter().filter(|one| written.binary_search(one).is_ok()).copied().collect();
    assert_eq!(acknowledged, written, "what was acknowledged was seen where it was said to be");
    assert_eq!(seen.len() + 1, log(&store).await.len(), "nothing came late");
}

#[tokio::test]
async fn events_for_an_archived_stream_are_refused_and_the_transaction_goes_on() {
    let (database, store) = with_table().await;
    store.append(to("account-1")).await.unwrap();
    store.archive(&StreamName::new("account-1").unwrap()).await.unwrap();
    let mut connection = database.connection().await;
    let mut transaction = connection.begin().await.unwrap();
    insert(&database, &mut transaction, 1).await;
    let refused = store.append_in(&mut transaction, to("account-1")).await.unwrap_err();
    assert!(matches!(&refused, AppendError::Archived { stream } if stream.as_str() == "account-1"), "{refused:?}");
    store.append_in(&mut transaction, to("account-2")).await.unwrap();
    transaction.commit().await.unwrap();
    assert_eq!((rows(&database).await, log(&store).await.len()), (vec![1], 2));
}
