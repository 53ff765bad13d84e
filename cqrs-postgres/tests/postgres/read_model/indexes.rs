//! Indexes that generations get.

use cqrs_core::{Partitions, ReadModel, ReadModelError};
use cqrs_postgres::PgReadModel;

use super::super::database::Database;
use super::{ask, begun, drop_generation, fill, opened, orders, swap};

const TOTAL: &str = "(((document->>'total')::bigint))";

async fn indexes(database: &Database) -> Vec<String> {
    let sql =
        "select indexname::text from pg_indexes where schemaname = '{schema}' and indexname like 'orders$%' order by 1";
    ask(database, &mut database.connection().await, sql).await.unwrap()
}

async fn by_total(database: &Database) -> PgReadModel {
    database.read_model().await.index("by_total", TOTAL).unwrap()
}

#[tokio::test]
async fn every_generation_gets_the_indexes() {
    let database = Database::new();
    let model = by_total(&database).await.index("search", "using gin (document jsonb_path_ops)").unwrap();
    let first = opened(&model).await;
    assert_eq!(indexes(&database).await, ["orders$1$by_total", "orders$1$search", "orders$1_pkey"]);
    let second = begun(&model).await;
    swap(&model, &second).await;
    drop_generation(&model, &first).await;
    assert_eq!(indexes(&database).await, ["orders$2$by_total", "orders$2$search", "orders$2_pkey"]);
    opened_again(&model).await;
    assert_eq!(indexes(&database).await, ["orders$2$by_total", "orders$2$search", "orders$2_pkey"]);
}

async fn opened_again(model: &PgReadModel) {
    model.open(&orders(), Partitions::ONE).await.unwrap();
}

#[tokio::test]
async fn opening_builds_what_the_live_generation_lacks() {
    let database = Database::new();
    let target = opened(&database.read_model().await).await;
    fill(&database.read_model().await, &target, 100).await;
    let model = by_total(&database).await;
    let starters = futures::future::join_all(
        (0..4).map(|_| async { by_total(&database).await.open(&orders(), Partitions::ONE).await }),
    );
    for opened in starters.await {
        assert_eq!(opened.unwrap(), target.generation);
    }
    opened_again(&model).await;
    assert_eq!(indexes(&database).await, ["orders$1$by_total", "orders$1_pkey"]);
}

#[tokio::test]
async fn an_index_that_is_defined_otherwise_does_not_fit_until_the_next_generation() {
    let database = Database::new();
    let model = by_total(&database).await;
    let first = opened(&model).await;
    fill(&model, &first, 3).await;
    let changed = database.read_model().await.index("by_total", "((document->>'total'))").unwrap();
    let error = changed.open(&orders(), Partitions::ONE).await.unwrap_err();
    assert!(matches!(&error, ReadModelError::Mismatch { what } if what.contains("by_total")), "{error:?}");
    let second = begun(&changed).await;
    swap(&changed, &second).await;
    opened_again(&changed).await;
}

#[tokio::test]
async fn a_wrong_definition_is_told_and_leaves_nothing() {
    let database = Database::new();
    database.read_model().await;
    for wrong in ["((document->>'total')", "(no_column)", "(key); drop schema public cascade"] {
        let model = database.read_model().await.index("wrong", wrong).unwrap();
        let error = model.open(&orders(), Partitions::ONE).await.unwrap_err();
        let ReadModelError::Permanent(why) = &error else { panic!("{wrong}: {error:?}") };
        assert!(why.to_string().contains("index wrong"), "{why}");
        assert_eq!(model.live(&orders()).await.unwrap(), None);
        assert!(indexes(&database).await.is_empty());
    }
}

#[tokio::test]
async fn an_index_that_is_made_by_hand_goes_over_to_every_generation() {
    let database = Database::new();
    let model = database.read_model().await;
    opened(&model).await;
    database.execute(r#"create index on {schema}."orders$all" ((document->>'owner'))"#).await.unwrap();
    begun(&model).await;
    assert_eq!(indexes(&database).await.iter().filter(|index| index.contains("_expr_")).count(), 3, "parent and both");
}
