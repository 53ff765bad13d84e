//! Tables of generations: made once, dropped for good.

use cqrs_core::{Partitions, ReadModel};
use futures::future::join_all;

use super::super::database::Database;
use super::{ask, begun, drop_generation, fill, opened, orders, seen, swap};

async fn tables(database: &Database) -> Vec<String> {
    let sql =
        "select tablename::text from pg_tables where schemaname = '{schema}' and tablename like 'orders%' order by 1";
    ask(database, &mut database.connection().await, sql).await.unwrap()
}

#[tokio::test]
async fn processes_that_migrate_and_open_at_the_same_time_make_one_generation() {
    let database = Database::new();
    let opened =
        join_all((0..6).map(|_| async { database.read_model().await.open(&orders(), Partitions::ONE).await })).await;
    for generation in opened {
        assert_eq!(generation.unwrap().get(), 1);
    }
    assert_eq!(tables(&database).await, ["orders$1", "orders$all"]);
}

#[tokio::test]
async fn a_dropped_generation_leaves_no_table() {
    let database = Database::new();
    let model = database.read_model().await;
    let first = opened(&model).await;
    let second = begun(&model).await;
    let third = begun(&model).await;
    assert_eq!(tables(&database).await, ["orders$1", "orders$2", "orders$3", "orders$all"]);
    swap(&model, &third).await;
    drop_generation(&model, &first).await;
    drop_generation(&model, &second).await;
    assert_eq!(tables(&database).await, ["orders$3", "orders$all"]);
}

#[tokio::test]
async fn a_table_that_a_reader_keeps_is_gone_for_all_others_and_follows_at_the_next_rebuild() {
    let database = Database::new();
    let model = database.read_model().await;
    let first = opened(&model).await;
    fill(&model, &first, 5).await;
    let mut reader = database.connection().await;
    sqlx::raw_sql("begin").execute(&mut reader).await.unwrap();
    assert_eq!(seen(&database, &mut reader).await.unwrap(), ["1:5"]);

    let second = begun(&model).await;
    fill(&model, &second, 9).await;
    swap(&model, &second).await;
    drop_generation(&model, &first).await;
    assert_eq!(model.generations(&orders()).await.unwrap(), [second.generation]);
    assert_eq!(model.load(&first, &["ORD-1".to_owned()]).await.unwrap(), [None]);
    assert_eq!(tables(&database).await, ["orders$1", "orders$2", "orders$all"]);
    assert_eq!(seen(&database, &mut reader).await.unwrap(), ["2:9"], "it is not held up");

    sqlx::raw_sql("commit").execute(&mut reader).await.unwrap();
    begun(&model).await;
    assert_eq!(tables(&database).await, ["orders$2", "orders$3", "orders$all"]);
}
