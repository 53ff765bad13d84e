//! Tags: in the table, from before there were any, between versions, and whoever writes to the table.

use std::collections::BTreeSet;

use cqrs_core::{
    Append, AppendError, EventQuery, EventStore, Filter, GlobalPosition, ImportEvents, NewEvent, QueryItem, ReadAll,
    RecordedEvent,
};
use cqrs_postgres::{PgEventStore, PgOptions};
use futures::future::join_all;
use sqlx::{AssertSqlSafe, Connection, Row};

use super::database::{Database, event};
use super::role::Role;

fn tagged(stream: &str, tags: &[&str]) -> NewEvent {
    let mut event = event(stream);
    event.metadata.tags = tags.iter().map(|tag| (*tag).to_owned()).collect();
    event
}

fn course(name: &str) -> EventQuery {
    QueryItem::new().tag(format!("course:{name}")).into()
}

fn guarded(course_name: &str) -> Append {
    Append::new(vec![tagged("course-1", &[&format!("course:{course_name}")])])
        .expect_none_matching(course(course_name), GlobalPosition::START)
}

async fn read(store: &PgEventStore, filter: Filter) -> Vec<RecordedEvent> {
    store.read_all(ReadAll::after(GlobalPosition::START).filter(filter).limit(100_000)).await.unwrap().events
}

async fn found(store: &PgEventStore, query: EventQuery) -> Vec<u64> {
    read(store, Filter::Query(query)).await.iter().map(|event| event.position.get()).collect()
}

async fn assert_tags_follow_from_the_log(database: &Database, store: &PgEventStore) {
    let sql = format!("select tag, position, event_type from {}.event_tags", database.schema);
    let rows = sqlx::raw_sql(AssertSqlSafe(sql)).fetch_all(&mut database.connection().await).await.unwrap();
    let table: BTreeSet<(String, i64, String)> = rows.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect();
    let mut derived = BTreeSet::new();
    for event in read(store, Filter::All).await {
        for tag in event.tags().unwrap() {
            derived.insert((tag, event.position.get().cast_signed(), event.event_type.to_string()));
        }
    }
    assert_eq!(table, derived);
}

/// The functions as they were before there were tags.
async fn without_tags(database: &Database) {
    let (events, facts) =
        (include_str!("../../migrations/0001_events.sql"), include_str!("../../migrations/0004_stream_facts.sql"));
    let trigger = "create function {schema}.require_append_events()";
    let trigger = &events[events.find(trigger).unwrap()..];
    let trigger = &trigger[..trigger.find("$require_append_events$;").unwrap() + "$require_append_events$;".len()];
    let append = &facts[facts.find("create or replace function {schema}.append_events").unwrap()..];
    let sql = format!(
        "drop table {{schema}}.event_tags;
         drop function {{schema}}.append_tagged, {{schema}}.matching_events, {{schema}}.tags_of;
         delete from {{schema}}.migrations where version >= 9;
         {}; {append}",
        trigger.replacen("create function", "create or replace function", 1),
    );
    database.execute(&sql).await.unwrap();
}

/// As a process of an older version appends.
async fn append_as_before(database: &Database, stream: &str, tags: &str) -> Result<(), sqlx::Error> {
    let sql = format!(
        r#"select * from {{schema}}.append_events(array['{stream}'], array[0::bigint], array[1000::bigint],
              array[gen_random_uuid()], array['{stream}'], array[1], array[1::bigint], array['course.defined.v1'],
              array[null::timestamptz], array['{{}}'], array['{{"actor":"ann","tags":{tags}}}'])"#
    );
    database.execute(&sql).await
}

async fn until_so_many_wait(database: &Database, count: i64) {
    let sql = "select count(*) from pg_locks
                where locktype = 'advisory' and not granted
                  and ((classid::bigint << 32) | objid::bigint) = hashtextextended($1, 0)";
    let mut connection = database.connection().await;
    let name = format!("cqrs:{}", database.schema);
    while sqlx::query_scalar::<_, i64>(sql).bind(&name).fetch_one(&mut connection).await.unwrap() < count {}
}

#[tokio::test]
async fn events_from_before_there_were_tags_are_found_by_theirs() {
    let database = Database::new();
    let store = database.migrated().await;
    without_tags(&database).await;
    append_as_before(&database, "course-1", r#"["course:c1","course:c1","vip"]"#).await.unwrap();
    append_as_before(&database, "course-2", "[]").await.unwrap();
    let longest = format!(r#"["course:c1","","{}"]"#, "x".repeat(5_000));
    append_as_before(&database, "course-3", &longest).await.unwrap();
    store.migrate().await.unwrap();
    assert_eq!(found(&store, course("c1")).await, [1, 3]);
    assert_eq!(found(&store, QueryItem::new().tag("vip").tag("course:c1").into()).await, [1]);
    assert!(matches!(store.append(guarded("c1")).await, Err(AppendError::Matched { .. })));
}

#[tokio::test]
async fn processes_of_an_older_version_tag_what_they_write() {
    let database = Database::new();
    let store = database.migrated().await;
    append_as_before(&database, "course-1", r#"["course:c1","vip","vip"]"#).await.unwrap();
    append_as_before(&database, "course-2", "[]").await.unwrap();
    assert_eq!(found(&store, course("c1")).await, [1]);
    assert_tags_follow_from_the_log(&database, &store).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_append_that_waits_before_the_migration_is_tagged_by_it() {
    let database = Database::new();
    let store = database.migrated().await;
    without_tags(&database).await;
    let lock = database.hold_lock().await;
    let append = append_as_before(&database, "course-1", r#"["course:c1"]"#);
    let migration = async {
        until_so_many_wait(&database, 1).await;
        let release = async {
            until_so_many_wait(&database, 2).await;
            drop(lock);
        };
        let (migrated, ()) = tokio::join!(store.migrate(), release);
        migrated.unwrap();
    };
    let (appended, ()) = tokio::join!(append, migration);
    appended.unwrap();
    assert_eq!(found(&store, course("c1")).await, [1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_append_that_waits_behind_the_migration_is_to_be_sent_again() {
    let database = Database::new();
    let store = database.migrated().await;
    without_tags(&database).await;
    let lock = database.hold_lock().await;
    let append = async {
        until_so_many_wait(&database, 1).await;
        let release = async {
            until_so_many_wait(&database, 2).await;
            drop(lock);
        };
        tokio::join!(append_as_before(&database, "course-1", r#"["course:c1"]"#), release).0
    };
    let (migrated, appended) = tokio::join!(store.migrate(), append);
    migrated.unwrap();
    let error = appended.unwrap_err();
    assert_eq!(error.as_database_error().unwrap().code().unwrap(), "40001", "{error}");
    append_as_before(&database, "course-1", r#"["course:c1"]"#).await.unwrap();
    assert_eq!(found(&store, course("c1")).await, [1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_way_of_writing_tags_its_events() {
    let database = Database::new();
    let store = database.migrated().await;
    let append = |number: usize| {
        let tags = [format!("course:{}", number % 7), format!("student:{number}"), "all".to_owned()];
        let tags: Vec<&str> = tags[..number % 4].iter().map(String::as_str).collect();
        Append::new(vec![tagged("course-1", &tags), tagged(&format!("student-{number}"), &tags), event("course-2")])
    };
    let appends: Vec<_> = (0..40).map(append).collect();
    let twice = appends.iter().chain(&appends[..20]);
    assert!(join_all(twice.map(|append| store.append(append.clone()))).await.iter().all(Result::is_ok));
    let mut connection = database.connection().await;
    let mut transaction = connection.begin().await.unwrap();
    store.append_in(&mut transaction, append(43)).await.unwrap();
    transaction.commit().await.unwrap();
    let elsewhere = Database::new();
    let copy = elsewhere.migrated().await;
    copy.import(read(&store, Filter::All).await).await.unwrap();
    assert_eq!(read(&store, Filter::All).await.len(), 123);
    assert_tags_follow_from_the_log(&database, &store).await;
    assert_tags_follow_from_the_log(&elsewhere, &copy).await;
}

#[tokio::test]
async fn a_transaction_goes_on_after_a_condition_that_did_not_hold() {
    let database = Database::new();
    let store = database.migrated().await;
    store.append(guarded("c1")).await.unwrap();
    let mut connection = database.connection().await;
    let mut transaction = connection.begin().await.unwrap();
    let refused = store.append_in(&mut transaction, guarded("c1")).await;
    assert!(matches!(&refused, Err(AppendError::Matched { position, .. }) if position.get() == 1), "{refused:?}");
    store.append_in(&mut transaction, guarded("c2")).await.unwrap();
    let refused = store.append_in(&mut transaction, guarded("c2")).await;
    assert!(matches!(&refused, Err(AppendError::Matched { position, .. }) if position.get() == 2), "{refused:?}");
    transaction.commit().await.unwrap();
    assert_eq!(found(&store, course("c2")).await, [2]);
}

#[tokio::test]
async fn not_even_the_owner_can_change_tags_or_add_some() {
    let database = Database::new();
    let store = database.migrated().await;
    store.append(guarded("c1")).await.unwrap();
    for sql in [
        "update {schema}.event_tags set tag = 'course:c2'",
        "delete from {schema}.event_tags",
        "truncate {schema}.event_tags",
        "insert into {schema}.event_tags values ('course:c2', 1, 'account.deposited.v1')",
    ] {
        let error = database.execute(sql).await.expect_err(sql);
        assert_eq!(error.as_database_error().unwrap().code().unwrap(), "42501", "{sql}: {error}");
    }
}

#[tokio::test]
async fn a_role_that_appended_before_there_were_tags_goes_on() {
    let database = Database::new();
    let store = database.migrated().await;
    let name = format!("r{}", &database.schema);
    let _role = Role::create(&database, &name).await;
    store.grant(&name).await.unwrap();
    without_tags(&database).await;
    store.migrate().await.unwrap();
    let url = database.url.replacen("postgres@", &format!("{name}@"), 1);
    let service = PgOptions::new(&url).unwrap().schema(&database.schema).unwrap().connect().await.unwrap();
    service.append(guarded("c1")).await.unwrap();
    assert!(matches!(service.append(guarded("c1")).await, Err(AppendError::Matched { .. })));
    assert_eq!(found(&service, course("c1")).await, [1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_several_stores_that_race_on_one_condition_one_wins() {
    let database = Database::new();
    database.migrated().await;
    let stores = join_all((0..4).map(|_| database.store())).await;
    for round in 0..5 {
        let racers = (0..40).map(|number| {
            let (store, append) = (stores[number % 4].clone(), guarded(&round.to_string()));
            tokio::spawn(async move { store.append(append).await })
        });
        let outcomes: Vec<_> = join_all(racers).await.into_iter().map(Result::unwrap).collect();
        let won: Vec<_> = outcomes.iter().flatten().map(|appended| appended.position).collect();
        assert_eq!(won.len(), 1, "{outcomes:?}");
        let lost = |error: &AppendError| matches!(error, AppendError::Matched { position, .. } if *position == won[0]);
        assert!(outcomes.iter().filter_map(|outcome| outcome.as_ref().err()).all(lost), "{outcomes:?}");
    }
}
