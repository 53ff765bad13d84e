//! What roles need.

use cqrs_postgres::PgReadModelOptions;

use super::super::database::Database;
use super::super::role::Role;
use super::{begun, drop_generation, fill, opened, swap};

#[tokio::test]
async fn a_granted_role_runs_projections_and_another_reads_the_view_only() {
    let database = Database::new();
    let owner = database.read_model().await;
    let (service, reader) = (format!("r{}", database.schema), format!("q{}", database.schema));
    let _roles = (Role::create(&database, &service).await, Role::create(&database, &reader).await);
    owner.grant(&service).await.unwrap();
    let url = database.url.replacen("postgres@", &format!("{service}@"), 1);
    let options = PgReadModelOptions::new(&url).unwrap().schema(&database.schema).unwrap();
    let model = options.connect().await.unwrap();
    let first = opened(&model).await;
    let grant = format!("grant usage on schema {{schema}} to {reader}; grant select on {{schema}}.orders to {reader}");
    database.execute(&grant).await.unwrap();

    let second = begun(&model).await;
    fill(&model, &second, 9).await;
    swap(&model, &second).await;
    drop_generation(&model, &first).await;
    let as_reader = |sql: &str| format!("set role {reader}; {sql}");
    database.execute(&as_reader("select 1 / count(*) from {schema}.orders")).await.unwrap();
    for sql in [
        r#"select * from {schema}."orders$all""#,
        r#"select * from {schema}."orders$2""#,
        "select * from {schema}._checkpoints",
        "delete from {schema}.orders",
    ] {
        let error = database.execute(&as_reader(sql)).await.expect_err(sql);
        assert!(error.to_string().contains("permission denied"), "{sql}: {error}");
    }
}
