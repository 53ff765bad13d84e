//! Plain SQL through the view.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use cqrs_core::{Documents, ReadModel};
use serde_json::Value;

use super::super::database::Database;
use super::{ask, batch, begun, drop_generation, fill, json, opened, seen, swap, write};

#[tokio::test]
async fn a_projection_is_a_view_with_key_document_and_position() {
    let database = Database::new();
    let model = database.read_model().await;
    let target = opened(&model).await;
    let documents = vec![
        write("ORD-1", r#"{"owner":"Ánh","total":700000}"#, 1),
        write("ORD-2", r#"{"owner":"Bo","total":1200000}"#, 2),
        write("ORD-3", r#"{"owner":"Cy","total":3000000}"#, 3),
    ];
    model.apply(&target, batch(&target, 0, 3, documents)).await.unwrap();
    let sql = "select key || ' ' || position || ' ' || (document->>'owner')
                 from {schema}.orders
                where (document->>'total')::bigint > 1000000
                order by (document->>'total')::bigint desc";
    let found = ask(&database, &mut database.connection().await, sql).await.unwrap();
    assert_eq!(found, ["ORD-3 3 Cy", "ORD-2 2 Bo"]);
}

#[tokio::test]
async fn an_opened_projection_without_documents_is_an_empty_view() {
    let database = Database::new();
    let model = database.read_model().await;
    opened(&model).await;
    assert!(seen(&database, &mut database.connection().await).await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn plain_sql_sees_one_whole_generation_in_each_statement_while_generations_are_swapped_and_dropped() {
    const DOCUMENTS: u64 = 50;
    let database = Arc::new(Database::new());
    let model = database.read_model().await;
    let mut live = opened(&model).await;
    fill(&model, &live, DOCUMENTS).await;
    let over = Arc::new(AtomicBool::new(false));
    let readers: Vec<_> = (0..3)
        .map(|_| {
            let (database, over) = (Arc::clone(&database), Arc::clone(&over));
            tokio::spawn(async move {
                let mut connection = database.connection().await;
                let (mut last, mut changes) = (0, 0);
                while !over.load(Ordering::Relaxed) {
                    let seen = seen(&database, &mut connection).await.unwrap();
                    let [one] = &seen[..] else { panic!("one generation, and not none: {seen:?}") };
                    let (generation, count) = one.split_once(':').unwrap();
                    assert_eq!(count, DOCUMENTS.to_string(), "all of its documents");
                    let generation: u32 = generation.parse().unwrap();
                    assert!(generation >= last, "never back");
                    changes += u32::from(generation > last);
                    last = generation;
                }
                changes
            })
        })
        .collect();
    for _ in 0..12 {
        let next = begun(&model).await;
        fill(&model, &next, DOCUMENTS).await;
        swap(&model, &next).await;
        drop_generation(&model, &live).await;
        live = next;
    }
    over.store(true, Ordering::Relaxed);
    for reader in readers {
        assert!(reader.await.unwrap() > 1, "the reader has seen swaps");
    }
}

#[tokio::test]
async fn a_swap_waits_for_no_reader_and_a_reader_keeps_what_it_sees() {
    let database = Database::new();
    let model = database.read_model().await;
    let first = opened(&model).await;
    fill(&model, &first, 5).await;
    let mut reader = database.connection().await;
    sqlx::raw_sql("begin isolation level repeatable read").execute(&mut reader).await.unwrap();
    assert_eq!(seen(&database, &mut reader).await.unwrap(), ["1:5"]);
    let second = begun(&model).await;
    fill(&model, &second, 9).await;
    swap(&model, &second).await;
    assert_eq!(seen(&database, &mut database.connection().await).await.unwrap(), ["2:9"]);
    assert_eq!(seen(&database, &mut reader).await.unwrap(), ["1:5"], "as it began");
}

#[tokio::test]
async fn a_transaction_older_than_a_drop_is_told_to_begin_again_rather_than_shown_nothing() {
    for others in 0..3 {
        let database = Database::new();
        let model = database.read_model().await;
        let first = opened(&model).await;
        fill(&model, &first, 5).await;
        let mut reader = database.connection().await;
        sqlx::raw_sql("begin isolation level repeatable read; select 1").execute(&mut reader).await.unwrap();
        let second = begun(&model).await;
        fill(&model, &second, 9).await;
        swap(&model, &second).await;
        drop_generation(&model, &first).await;
        for _ in 0..others {
            fill(&model, &begun(&model).await, 3).await;
        }
        let error = seen(&database, &mut reader).await.unwrap_err();
        let code = error.as_database_error().and_then(|error| error.code().map(|code| code.into_owned()));
        assert_eq!(code.as_deref(), Some("40001"), "{others} others: {error}");
        sqlx::raw_sql("rollback").execute(&mut reader).await.unwrap();
        assert_eq!(seen(&database, &mut reader).await.unwrap(), ["2:9"]);
    }
}

#[tokio::test]
async fn views_of_users_stand_through_a_rebuild() {
    let database = Database::new();
    let model = database.read_model().await;
    let first = opened(&model).await;
    fill(&model, &first, 5).await;
    database
        .execute("create view {schema}.large as select key from {schema}.orders where (document->>'total')::int > 3")
        .await
        .unwrap();
    let second = begun(&model).await;
    fill(&model, &second, 9).await;
    swap(&model, &second).await;
    drop_generation(&model, &first).await;
    let found = ask(&database, &mut database.connection().await, "select key from {schema}.large order by key").await;
    assert_eq!(found.unwrap(), ["ORD-4", "ORD-5", "ORD-6", "ORD-7", "ORD-8", "ORD-9"]);
}

#[tokio::test]
async fn a_document_comes_back_equal_as_json() {
    let database = Database::new();
    let model = database.read_model().await;
    let target = opened(&model).await;
    let text = r#"{ "z": [1, 2.50, -0.000001, 18446744073709551615, 1e3], "a": {"b": null, "": "\u00e1\\\"\u001f"}, "long": 0.1 }"#;
    model.apply(&target, batch(&target, 0, 1, vec![write("a", text, 1)])).await.unwrap();
    let found = Documents::<Value>::new(model, "orders").unwrap().get("a").await.unwrap().unwrap();
    let mut expected = json(text);
    expected["z"][4] = json("1000");
    assert_eq!(found, expected);
}

#[tokio::test]
async fn a_key_that_postgresql_cannot_hold_has_no_document() {
    let database = Database::new();
    let model = database.read_model().await;
    let target = opened(&model).await;
    fill(&model, &target, 1).await;
    let found = model.load(&target, &["a\0b".to_owned(), "ORD-1".to_owned()]).await.unwrap();
    assert_eq!(found.iter().map(Option::is_some).collect::<Vec<_>>(), [false, true]);
}
