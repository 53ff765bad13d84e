//! What is known of streams, among processes and roles.

use std::time::Duration;

use cqrs_core::{
    Append, AppendError, EventStore, ReadStream, StoreError, StreamFactsChange, StreamFactsError, StreamFactsStore,
    StreamName, Version,
};
use cqrs_postgres::PgOptions;

use super::database::{Database, event, message};
use super::role::Role;

#[tokio::test(flavor = "multi_thread")]
async fn what_another_process_says_of_a_stream_holds_here_at_once() {
    let database = Database::new();
    let (here, there) = (database.migrated().await, database.store().await);
    let stream = StreamName::new("account-1").unwrap();
    here.append(Append::new(vec![event("account-1"), event("account-1")])).await.unwrap();
    for _ in 0..5 {
        there.archive(&stream).await.unwrap();
        let refused = here.append(Append::new(vec![event("account-1")])).await.unwrap_err();
        assert!(matches!(refused, AppendError::Archived { .. }), "{refused:?}");
        there.restore(&stream).await.unwrap();
        here.append(Append::new(vec![event("account-1")])).await.unwrap();
    }
    let before = StreamFactsChange::TruncateBefore(Version::new(7).unwrap());
    there.change_facts(&stream, before).await.unwrap();
    assert_eq!(here.read_stream(ReadStream::new(stream)).await.unwrap().events.len(), 1);
}

#[tokio::test]
async fn a_change_that_does_not_get_the_lock_in_time_is_not_made() {
    let database = Database::new();
    let patient = database.migrated().await;
    let stream = StreamName::new("account-1").unwrap();
    patient.append(Append::new(vec![event("account-1")])).await.unwrap();
    let hasty = database.options().read_timeout(Duration::from_millis(50)).connect().await.unwrap();
    let lock = database.hold_lock().await;
    let error = hasty.archive(&stream).await.unwrap_err();
    assert!(matches!(error, StreamFactsError::Store(StoreError::Transient(_))), "{error:?}");
    drop(lock);
    // Behind whatever the given up session still does.
    patient.append(Append::new(vec![event("account-1")])).await.unwrap();
    assert!(patient.facts(&stream).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_role_that_appends_archives_nothing_and_one_that_archives_appends_nothing() {
    let database = Database::new();
    let store = database.migrated().await;
    let (appender, keeper) = (format!("a{}", &database.schema), format!("k{}", &database.schema));
    let _roles = [Role::create(&database, &appender).await, Role::create(&database, &keeper).await];
    store.grant(&appender).await.unwrap();
    store.grant_stream_facts(&keeper).await.unwrap();
    let as_role = async |role: &str| {
        let url = database.url.replacen("postgres@", &format!("{role}@"), 1);
        PgOptions::new(&url).unwrap().schema(&database.schema).unwrap().connect().await.unwrap()
    };
    let (service, house) = (as_role(&appender).await, as_role(&keeper).await);
    service.append(Append::new(vec![event("account-1"), event("account-1")])).await.unwrap();
    let stream = StreamName::new("account-1").unwrap();
    let before = StreamFactsChange::TruncateBefore(Version::new(2).unwrap());
    for change in [StreamFactsChange::Archive, before] {
        let error = service.change_facts(&stream, change).await.unwrap_err();
        assert!(matches!(error, StreamFactsError::Store(StoreError::Permanent(_))), "{error:?}");
        assert!(message(&error).contains("permission denied"), "{}", message(&error));
        house.change_facts(&stream, change).await.unwrap();
    }
    let refused = service.append(Append::new(vec![event("account-1")])).await.unwrap_err();
    assert!(matches!(refused, AppendError::Archived { .. }), "{refused:?}");
    assert!(service.restore(&stream).await.is_err());
    house.restore(&stream).await.unwrap();
    service.append(Append::new(vec![event("account-1")])).await.unwrap();
    let refused = house.append(Append::new(vec![event("account-1")])).await.unwrap_err();
    assert!(message(&refused).contains("permission denied"), "{}", message(&refused));
}

#[tokio::test]
async fn a_role_that_was_granted_before_facts_were_known_goes_on() {
    let database = Database::new();
    let store = database.migrated().await;
    let role = format!("r{}", &database.schema);
    let _role = Role::create(&database, &role).await;
    store.grant(&role).await.unwrap();
    // As it was before: the migration runs once more.
    let back = "drop table {schema}.stream_facts; delete from {schema}.migrations where version = 4";
    database.execute(back).await.unwrap();
    store.migrate().await.unwrap();
    let url = database.url.replacen("postgres@", &format!("{role}@"), 1);
    let service = PgOptions::new(&url).unwrap().schema(&database.schema).unwrap().connect().await.unwrap();
    service.append(Append::new(vec![event("account-1")])).await.unwrap();
    let page = service.read_stream(ReadStream::new(StreamName::new("account-1").unwrap())).await.unwrap();
    assert_eq!(page.events.len(), 1);
}
