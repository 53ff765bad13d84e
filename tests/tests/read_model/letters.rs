//! A document that PostgreSQL refuses waits with its events while all others go on; events, letters and documents in one database.

use cqrs_core::{DeadLetterCause, DeadLetterCount, EventStore};
use cqrs_projections::{DeadLetterPermanent, Projections, Replay};
use cqrs_tests::database::Database;
use cqrs_tests::ledger::Sheets;
use cqrs_tests::wait::{AT_MOST, until};

use super::ledger::{NAME, folded, kept, migrated, move_some, options};

#[tokio::test(flavor = "multi_thread")]
async fn a_document_that_postgresql_refuses_waits_while_all_others_go_on() {
    let (events, database) = (Database::new(), Database::new());
    let store = events.migrated().await;
    migrated(&database).await;
    // What has no place in this index is refused: more than three events.
    let model = options(&database, &database.url).connect().await.unwrap();
    let few = "((1 / case when (document->>'events')::int > 3 then 0 else 1 end))";
    let model = model.index("few_events", few).unwrap();
    let start = || async {
        let projections = Projections::new(store.clone()).add(NAME, Sheets(2), model.clone());
        let projections = projections.dead_letters(store.dead_letters()).error_policy(DeadLetterPermanent::default());
        projections.start().await.unwrap()
    };
    let running = start().await;
    for seed in 0..20 {
        move_some(&store, seed).await;
    }
    let head = store.head().await.unwrap().position;
    let reached = running.wait_for(head, AT_MOST).await.unwrap();
    let count = reached.dead_letters[0].count;
    assert!(count.documents > 0 && count.letters >= count.documents, "{count:?}");

    let (right, found) = (folded(&store).await, kept(&model).await);
    let letters = running.dead_letters(NAME).unwrap();
    let listed = letters.list(&letters.all().limit(1_000)).await.unwrap().letters;
    assert_eq!(listed.len() as u64, count.letters);
    for (account, sheet) in &right {
        let waiting = listed.iter().filter(|letter| letter.document.as_ref() == Some(account)).collect::<Vec<_>>();
        // As far as it was taken, to the event.
        let taken = found.get(account).map_or(0, |sheet| sheet.events);
        assert_eq!(
            (taken, waiting.len() as u64),
            (sheet.events.min(3), sheet.events - sheet.events.min(3)),
            "{account}"
        );
        if let Some(first) = waiting.first() {
            let failure = first.failure.as_ref().unwrap();
            assert_eq!(failure.cause, DeadLetterCause::ReadModel);
            assert!(failure.error.contains("division by zero"), "{failure:?}");
        }
    }
    running.stop().await;

    // Parked over the restart; the index is gone.
    let running = start().await;
    let drop_index = format!(
        "select format('drop index %I.%I', schemaname, indexname) from pg_indexes where schemaname = '{}' and indexname like '%few_events%'",
        database.schema
    );
    let mut connection = database.connection().await;
    let drops: Vec<String> =
        sqlx::query_scalar(sqlx::AssertSqlSafe(drop_index)).fetch_all(&mut connection).await.unwrap();
    assert!(!drops.is_empty());
    for drop in drops {
        sqlx::raw_sql(sqlx::AssertSqlSafe(drop)).execute(&mut connection).await.unwrap();
    }
    move_some(&store, 21).await;
    let letters = running.dead_letters(NAME).unwrap();
    letters.replay(Replay::All).await.unwrap();
    until("all is replayed", || async {
        let count = running.status().await[0].dead_letters;
        (count == Some(DeadLetterCount::default())).then_some(())
    })
    .await;
    let head = store.head().await.unwrap().position;
    assert!(running.wait_for(head, AT_MOST).await.unwrap().dead_letters.is_empty());
    assert_eq!(kept(&model).await, folded(&store).await);
    running.stop().await;
}
