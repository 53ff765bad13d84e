//! Unique keys: in the file, after it was closed, and whoever writes to the table.

use cqrs_core::{Append, AppendError, ClaimKey, EventStore, NewEvent};
use cqrs_sqlite::SqliteEventStore;
use futures::future::join_all;

use super::file::{File, event, log};

pub fn email(value: impl ToString) -> ClaimKey {
    ClaimKey::new("email", value.to_string()).unwrap()
}

async fn write(store: &SqliteEventStore, event: NewEvent) -> Result<(), AppendError> {
    store.append(Append::new(vec![event])).await.map(|_| ())
}

#[tokio::test]
async fn claims_outlive_the_store_that_made_them() {
    let file = File::new();
    let store = file.store().await;
    write(&store, event("user-1").claiming(email("ann"))).await.unwrap();
    drop(store);
    let store = file.store().await;
    let error = write(&store, event("user-2").claiming(email("ann"))).await.unwrap_err();
    assert!(matches!(&error, AppendError::Claimed { holder, .. } if holder.as_str() == "user-1"), "{error:?}");
    write(&store, event("user-1").releasing(email("ann"))).await.unwrap();
    drop(store);
    write(&file.store().await, event("user-2").claiming(email("ann"))).await.unwrap();
}

// On one thread: the appends are in the queue, in order, before the first of them is written.
#[tokio::test]
async fn a_key_goes_from_hand_to_hand_within_one_group() {
    let file = File::new();
    let store = file.store().await;
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
    let log = log(&store).await;
    assert_eq!(log.len(), 21);
    assert!(log[1..].windows(2).all(|pair| pair[0].recorded_at == pair[1].recorded_at), "they are one group");
}

#[tokio::test]
async fn a_file_from_before_there_were_claims_is_brought_up_to_date() {
    let file = File::new();
    let first = include_str!("../../migrations/0001_events.sql");
    file.execute(&format!("{first}; pragma application_id = {}; pragma user_version = 1", 0x6371_7273)).await.unwrap();
    let old = "insert into events (position, version, recorded_at, event_id, stream, event_type, payload, metadata)
               values (1, 1, 1, randomblob(16), 'user-1', 'user.signed_up.v1', '{}', '{}')";
    file.execute(old).await.unwrap();
    let store = file.store().await;
    write(&store, event("user-1").claiming(email("ann"))).await.unwrap();
    write(&store, event("user-2").claiming(email("ann"))).await.unwrap_err();
    assert_eq!(log(&store).await.len(), 2);
}

#[tokio::test]
async fn nobody_writes_a_claim_that_no_event_says() {
    let file = File::new();
    let store = file.store().await;
    let (ann, bob, free) = (email("ann"), email("bob"), email("free"));
    write(&store, event("user-1").claiming(ann.clone())).await.unwrap();
    write(&store, event("user-1").releasing(ann.clone()).claiming(bob.clone())).await.unwrap();
    write(&store, event("user-2").claiming(ann.clone())).await.unwrap();
    let (ann, bob, free) = (ann.as_str(), bob.as_str(), free.as_str());
    for sql in [
        format!("insert into claims values ('{free}', 'user-3', 3)"),
        format!("insert into claims values ('{free}', 'user-3', 99)"),
        format!("insert into claims values ('{free}', null, 2)"),
        format!("insert or replace into claims values ('{ann}', 'user-1', 1)"),
        format!("insert or replace into claims values ('{ann}', null, 2)"),
        format!("insert into claims values ('{ann}', 'user-1', 1) on conflict do update set stream = 'user-1'"),
        format!("update claims set stream = 'user-1' where key = '{ann}'"),
        format!("update claims set stream = 'user-1', position = 1 where key = '{ann}'"),
        format!("update claims set stream = null, position = 2 where key = '{ann}'"),
        format!("update claims set stream = null where key = '{bob}'"),
        format!("update claims set stream = 'user-2', position = 3 where key = '{bob}'"),
        format!("update or replace claims set key = '{ann}' where key = '{bob}'"),
        "delete from claims".to_owned(),
    ] {
        let error = file.execute(&sql).await.expect_err(&sql);
        assert!(error.to_string().contains("claims follow from events"), "{sql}: {error}");
    }
    let error = write(&store, event("user-1").claiming(email("ann"))).await.unwrap_err();
    assert!(matches!(&error, AppendError::Claimed { holder, .. } if holder.as_str() == "user-2"), "{error:?}");
    let error = write(&store, event("user-2").claiming(email("bob"))).await.unwrap_err();
    assert!(matches!(&error, AppendError::Claimed { holder, .. } if holder.as_str() == "user-1"), "{error:?}");
    write(&store, event("user-2").claiming(email("free"))).await.unwrap();
}

#[tokio::test]
async fn no_statement_about_claims_scans_the_table() {
    let file = File::new();
    file.store().await;
    let mut connection = file.connection().await;
    for sql in [
        include_str!("../../sql/event_store/claims.sql").to_owned(),
        "select 1 from events e, json_each(e.metadata, '$.claims.taken') said
          where e.position = 7 and said.value = 'k' and e.stream = 's'"
            .to_owned(),
    ] {
        let plan =
            sqlx::query_as::<_, (i64, i64, i64, String)>(sqlx::AssertSqlSafe(format!("explain query plan {sql}")))
                .fetch_all(&mut connection)
                .await
                .unwrap();
        let scans =
            plan.iter().filter(|(.., step)| step.starts_with("SCAN") && !step.contains("VIRTUAL TABLE")).count();
        assert_eq!(scans, 0, "{plan:?}");
    }
}
