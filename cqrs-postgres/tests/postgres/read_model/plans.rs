//! What the planner makes of the view and of a batch.

use cqrs_core::{Partitions, ReadModel};
use sqlx::{PgConnection, Row};

use super::super::database::Database;
use super::{ask, batch, begun, fill, number_key, opened, write};

async fn plan(database: &Database, connection: &mut PgConnection, sql: &str) -> String {
    ask(database, connection, &format!("explain (analyze, costs off, timing off, summary off) {sql}"))
        .await
        .unwrap()
        .join("\n")
}

#[tokio::test]
async fn queries_through_the_view_use_the_indexes_of_the_live_generation_and_never_run_the_others() {
    let database = Database::new();
    let model = database.read_model().await.index("by_total", "(((document->>'total')::bigint))").unwrap();
    let live = opened(&model).await;
    fill(&model, &live, 5_000).await;
    for beside in [false, true] {
        if beside {
            fill(&model, &begun(&model).await, 5_000).await;
        }
        database.execute(r#"analyze {schema}."orders$all""#).await.unwrap();
        let mut connection = database.connection().await;
        for (sql, index) in [
            ("select document from {schema}.orders where key = 'ORD-77'", "orders$1_pkey"),
            (
                "select key from {schema}.orders where (document->>'total')::bigint between 50 and 60",
                "orders$1$by_total",
            ),
            ("select key from {schema}.orders order by (document->>'total')::bigint desc limit 5", "orders$1$by_total"),
        ] {
            let plan = plan(&database, &mut connection, sql).await;
            assert!(plan.contains(index) && !plan.contains("Seq Scan on \"orders$"), "{sql}\n{plan}");
            assert!(!plan.contains("Sort Key") || plan.contains("Merge Append"), "{sql}\n{plan}");
            let others = plan.lines().filter(|line| line.contains("orders$2") && !line.contains("never executed"));
            assert_eq!(others.filter(|line| line.contains("Scan")).count(), 0, "{sql}\n{plan}");
        }
    }
}

#[tokio::test]
async fn a_batch_looks_its_documents_up_by_key_and_reads_no_others() {
    let database = Database::new();
    {
        let model = database.read_model().await;
        fill(&model, &opened(&model).await, 20_000).await;
    }
    let before = usage(&database).await;
    {
        let model = database.read_model().await;
        let target = opened_by_newer(&model).await;
        let mut documents: Vec<_> = (1..=50).map(|number| write(&number_key(number * 7), "{}", 20_001)).collect();
        for write in documents.iter_mut().step_by(2) {
            write.document = None;
        }
        let keys: Vec<_> = documents.iter().map(|write| write.key.clone()).collect();
        let mut batch = batch(&target, 20_000, 20_001, documents);
        batch.checkpoint.token = cqrs_core::FencingToken::new(2);
        model.apply(&target, batch).await.unwrap();
        let left = model.load(&target, &keys).await.unwrap();
        assert_eq!(left.iter().flatten().count(), 25);
    }
    let after = usage(&database).await;
    assert_eq!(after.0, before.0, "no sequential scan");
    assert!(after.1 - before.1 < 300, "{} rows were read for 50", after.1 - before.1);
}

async fn opened_by_newer(model: &cqrs_postgres::PgReadModel) -> cqrs_core::Target {
    let generation = model.open(&super::orders(), Partitions::ONE).await.unwrap();
    let target = cqrs_core::Target { projection: super::orders(), generation, partition: 0 };
    model.fence(&target, cqrs_core::FencingToken::new(2)).await.unwrap();
    target
}

/// Sequential scans and rows that were read, as the server has counted them: a session reports its counts when it ends at
/// the latest.
async fn usage(database: &Database) -> (i64, i64) {
    let mut connection = database.connection().await;
    let sessions = "select application_name from pg_stat_activity where application_name = 'cqrs-read-model:{schema}'";
    while !ask(database, &mut connection, sessions).await.unwrap().is_empty() {}
    let sql = format!(
        "select seq_scan, seq_tup_read + coalesce(idx_tup_fetch, 0)
           from pg_stat_user_tables where schemaname = '{}' and relname = 'orders$1'",
        database.schema
    );
    let row = sqlx::query(sqlx::AssertSqlSafe(sql)).fetch_one(&mut connection).await.unwrap();
    (row.get(0), row.get(1))
}
