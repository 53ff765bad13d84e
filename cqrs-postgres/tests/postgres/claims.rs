//! Unique keys: in the table, between processes, and whoever writes to the table.

use std::collections::HashMap;

use cqrs_core::{
    Append, AppendError, ClaimKey, EventStore, GlobalPosition, NewEvent, ReadAll, RecordedEvent, StreamName,
};
use cqrs_postgres::{PgEventStore, PgOptions};
use futures::future::join_all;
use sqlx::{AssertSqlSafe, Connection, Row};

use super::database::{Database, event, kill_appenders, message};
use super::role::Role;

fn email(value: impl ToString) -> ClaimKey {
    ClaimKey::new("email", value.to_string()).unwrap()
}

async fn write(store: &PgEventStore, event: NewEvent) -> Result<(), AppendError> {
    store.append(Append::new(vec![event])).await.map(|_| ())
}

async fn log(store: &PgEventStore) -> Vec<RecordedEvent> {
    store.read_all(ReadAll::after(GlobalPosition::START).limit(100_000)).await.unwrap().events
}

type Claims = HashMap<String, (Option<String>, i64)>;

/// The newest change of each key, by the log alone.
fn derived(log: &[RecordedEvent]) -> Claims {
    let mut claims = Claims::new();
    for event in log {
        let (stream, position) = (event.stream.to_string(), event.position.get().cast_signed());
        let said = event.claims().unwrap();
        for key in said.released {
            if claims.get(key.as_str()).is_some_and(|(holder, _)| holder.as_ref() == Some(&stream)) {
                claims.insert(key.as_str().to_owned(), (None, position));
            }
        }
        for key in said.taken {
            match claims.get(key.as_str()) {
                Some((Some(holder), _)) => assert_eq!(*holder, stream, "a key is held by one stream at a time"),
                _ => drop(claims.insert(key.as_str().to_owned(), (Some(stream.clone()), position))),
            }
        }
    }
    claims
}

async fn assert_claims_follow_from_the_log(database: &Database, store: &PgEventStore) {
    let mut connection = database.connection().await;
    let sql = format!("select key, stream, position from {}.claims", database.schema);
    let rows = sqlx::raw_sql(AssertSqlSafe(sql)).fetch_all(&mut connection).await.unwrap();
    let table: Claims = rows.iter().map(|row| (row.get(0), (row.get(1), row.get(2)))).collect();
    assert_eq!(table, derived(&log(store).await));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_several_stores_that_race_for_a_key_one_wins() {
    let database = Database::new();
    database.migrated().await;
    let stores = join_all((0..4).map(|_| database.store())).await;
    for round in 0..5 {
        let sign_ups = (0..52).map(|number| {
            let store = stores[number % 4].clone();
            tokio::spawn(async move {
                let claiming = event(&format!("user-{round}-{number}")).claiming(email(round));
                write(&store, claiming).await
            })
        });
        let outcomes: Vec<_> = join_all(sign_ups).await.into_iter().map(Result::unwrap).collect();
        let winners: Vec<_> = (0..52).filter(|number| outcomes[*number].is_ok()).collect();
        assert_eq!(winners.len(), 1);
        let winner = format!("user-{round}-{}", winners[0]);
        for error in outcomes.into_iter().filter_map(Result::err) {
            assert!(
                matches!(&error, AppendError::Claimed { key, holder }
                    if *key == email(round) && holder.as_str() == winner),
                "{error:?}"
            );
        }
    }
    assert_claims_follow_from_the_log(&database, &stores[0]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn claims_outlive_the_store_that_made_them() {
    let database = Database::new();
    let store = database.migrated().await;
    write(&store, event("user-1").claiming(email("ann"))).await.unwrap();
    drop(store);
    let store = database.store().await;
    let error = write(&store, event("user-2").claiming(email("ann"))).await.unwrap_err();
    assert!(matches!(&error, AppendError::Claimed { holder, .. } if holder.as_str() == "user-1"), "{error:?}");
    write(&store, event("user-1").releasing(email("ann"))).await.unwrap();
    drop(store);
    write(&database.store().await, event("user-2").claiming(email("ann"))).await.unwrap();
}

// On one thread: the appends are in the queue, in order, before the first of them is written.
#[tokio::test]
async fn a_key_goes_from_hand_to_hand_within_one_group() {
    let database = Database::new();
    let store = database.migrated().await;
    write(&store, event("user-0").claiming(email("ann"))).await.unwrap();
    let hand_over = (0..10).flat_map(|number| {
        [
            event(&format!("user-{number}")).releasing(email("ann")),
            event(&format!("user-{}", number + 1)).claiming(email("ann")),
            event(&format!("user-{number}")).claiming(email("ann")),
        ]
    });
    let outcomes = join_all(hand_over.map(|event| write(&store, event))).await;
    for (index, outcome) in outcomes.into_iter().enumerate() {
        let next = format!("user-{}", index / 3 + 1);
        match outcome {
            Ok(()) => assert_ne!(index % 3, 2),
            Err(AppendError::Claimed { holder, .. }) => assert_eq!((index % 3, holder.as_str()), (2, next.as_str())),
            Err(error) => panic!("{error:?}"),
        }
    }
    let times: Vec<_> = log(&store).await[1..].iter().map(|event| event.recorded_at).collect();
    assert!(times.windows(2).all(|pair| pair[0] == pair[1]), "they are one group: {times:?}");
    assert_claims_follow_from_the_log(&database, &store).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_that_the_database_refuses_fails_alone() {
    let database = Database::new();
    let store = database.migrated().await;
    let poison = "alter table {schema}.claims add constraint poison check (key not like 'poison:%')";
    database.execute(poison).await.unwrap();
    let lock = database.hold_lock().await;
    let appends = (0..60).map(|number| {
        let scope = if number % 20 == 7 { "poison" } else { "email" };
        let new = event(&format!("user-{number}")).claiming(ClaimKey::new(scope, number.to_string()).unwrap());
        let store = store.clone();
        tokio::spawn(async move { write(&store, new).await })
    });
    let appends: Vec<_> = appends.collect();
    drop(lock);
    for (number, outcome) in join_all(appends).await.into_iter().enumerate() {
        match outcome.unwrap() {
            Ok(()) => assert_ne!(number % 20, 7),
            Err(error) => assert!(number % 20 == 7 && matches!(error, AppendError::Permanent(_)), "{error:?}"),
        }
    }
    assert_eq!(log(&store).await.len(), 57);
    assert_claims_follow_from_the_log(&database, &store).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_are_cut_leave_claims_and_events_together() {
    let database = Database::new();
    let store = database.migrated().await;
    let writers: Vec<_> = (0..8)
        .map(|writer| {
            let store = store.clone();
            tokio::spawn(async move {
                let stream = StreamName::of("user", &writer).unwrap();
                let mut refused = 0;
                for number in 0..40 {
                    // A key of its own from one number to the next, and one that all want for a while.
                    let moved = event(stream.as_str()).claiming(email(format!("{writer}/{number}")));
                    let moved =
                        if number > 0 { moved.releasing(email(format!("{writer}/{}", number - 1))) } else { moved };
                    write(&store, moved).await.unwrap();
                    match write(&store, event(stream.as_str()).claiming(email("all"))).await {
                        Ok(()) => write(&store, event(stream.as_str()).releasing(email("all"))).await.unwrap(),
                        Err(AppendError::Claimed { holder, .. }) if holder != stream => refused += 1,
                        Err(error) => panic!("{error:?}"),
                    }
                }
                40 + (40 - refused) * 2
            })
        })
        .collect();
    let killer = tokio::spawn(kill_appenders(store.clone(), database.url.clone(), database.schema.clone()));
    let mut acknowledged = 0;
    for writer in writers {
        acknowledged += writer.await.unwrap();
    }
    killer.abort();
    assert_eq!(log(&store).await.len(), acknowledged);
    assert_claims_follow_from_the_log(&database, &store).await;
}

#[tokio::test]
async fn nobody_writes_a_claim_that_no_event_says() {
    let database = Database::new();
    let store = database.migrated().await;
    let (ann, bob) = (email("ann"), email("bob"));
    write(&store, event("user-1").claiming(ann.clone())).await.unwrap();
    write(&store, event("user-1").releasing(ann.clone()).claiming(bob.clone())).await.unwrap();
    write(&store, event("user-2").claiming(ann.clone())).await.unwrap();
    let role = format!("r{}", &database.schema);
    let _role = Role::create(&database, &role).await;
    store.grant(&role).await.unwrap();
    let (ann, bob, free) = (ann.as_str(), bob.as_str(), email("free"));
    let free = free.as_str();
    for sql in [
        format!("insert into {{schema}}.claims values ('{free}', 'user-3', 3)"),
        format!("insert into {{schema}}.claims values ('{free}', 'user-3', 99)"),
        format!("insert into {{schema}}.claims values ('{free}', null, 2)"),
        format!("update {{schema}}.claims set stream = 'user-1' where key = '{ann}'"),
        format!("update {{schema}}.claims set stream = 'user-1', position = 1 where key = '{ann}'"),
        format!("update {{schema}}.claims set stream = null, position = 2 where key = '{ann}'"),
        format!("update {{schema}}.claims set stream = null where key = '{bob}'"),
        format!("update {{schema}}.claims set stream = 'user-2', position = 3 where key = '{bob}'"),
        format!("update {{schema}}.claims set key = '{free}' where key = '{bob}'"),
    ] {
        for sql in [sql.clone(), format!("set role {role}; {sql}")] {
            let error = database.execute(&sql).await.expect_err(&sql);
            assert!(error.to_string().contains("claims follow from events"), "{sql}: {error}");
        }
    }
    for sql in ["delete from {schema}.claims", "truncate {schema}.claims", "delete from {schema}.claims where false"] {
        let error = database.execute(sql).await.expect_err(sql);
        assert!(error.to_string().contains("claims follow from events"), "{sql}: {error}");
        let error = database.execute(&format!("set role {role}; {sql}")).await.expect_err(sql);
        assert!(error.to_string().contains("permission denied"), "{sql}: {error}");
    }
    assert_claims_follow_from_the_log(&database, &store).await;
}

#[tokio::test]
async fn a_granted_role_claims_and_releases() {
    let database = Database::new();
    let store = database.migrated().await;
    let role = format!("r{}", &database.schema);
    let _role = Role::create(&database, &role).await;
    store.grant(&role).await.unwrap();
    let url = database.url.replacen("postgres@", &format!("{role}@"), 1);
    let service = PgOptions::new(&url).unwrap().schema(&database.schema).unwrap().connect().await.unwrap();
    write(&service, event("user-1").claiming(email("ann"))).await.unwrap();
    write(&service, event("user-2").claiming(email("ann"))).await.unwrap_err();
    write(&service, event("user-1").releasing(email("ann"))).await.unwrap();
    write(&service, event("user-2").claiming(email("ann"))).await.unwrap();
}

#[tokio::test]
async fn without_the_table_claims_are_refused_and_other_appends_go_on() {
    let database = Database::new();
    let store = database.migrated().await;
    database.execute("drop table {schema}.claims").await.unwrap();
    write(&store, event("user-1")).await.unwrap();
    let error = write(&store, event("user-1").claiming(email("ann"))).await.unwrap_err();
    assert!(matches!(error, AppendError::Permanent(_)), "{error:?}");
    assert!(message(&error).contains("call PgEventStore::migrate()"), "{}", message(&error));
    write(&store, event("user-1")).await.unwrap();
}

#[tokio::test]
async fn claims_of_the_callers_transaction_are_held_from_its_commit() {
    let database = Database::new();
    let store = database.migrated().await;
    let mut connection = database.connection().await;
    let claiming = |stream: &str| Append::new(vec![event(stream).claiming(email("ann"))]);
    let mut transaction = connection.begin().await.unwrap();
    store.append_in(&mut transaction, claiming("user-1")).await.unwrap();
    let error = store.append_in(&mut transaction, claiming("user-2")).await.unwrap_err();
    assert!(matches!(&error, AppendError::Claimed { holder, .. } if holder.as_str() == "user-1"), "{error:?}");
    let handed_on = vec![event("user-1").releasing(email("ann")), event("user-2").claiming(email("ann"))];
    store.append_in(&mut transaction, Append::new(handed_on)).await.expect("after a refusal the transaction goes on");
    transaction.rollback().await.unwrap();
    let mut transaction = connection.begin().await.unwrap();
    store.append_in(&mut transaction, claiming("user-3")).await.unwrap();
    let (waiting, committed) = futures::join!(store.append(claiming("user-4")), transaction.commit());
    committed.unwrap();
    let error = waiting.unwrap_err();
    assert!(matches!(&error, AppendError::Claimed { holder, .. } if holder.as_str() == "user-3"), "{error:?}");
    assert_claims_follow_from_the_log(&database, &store).await;
}
