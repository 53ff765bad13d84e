//! What only this read model has: plain SQL, indexes, and what PostgreSQL does not take.

use cqrs_core::{
    Batch, Checkpoint, DocumentWrite, EventId, FencingToken, Generation, GlobalPosition, Partitions, Payload,
    ProjectionName, ReadModel, StoreId, Target,
};
use cqrs_postgres::PgReadModel;
use serde_json::Value;
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row};
use uuid::Uuid;

use super::database::Database;

mod generations;
mod indexes;
mod plans;
mod privileges;
mod reading;
mod refusals;

fn orders() -> ProjectionName {
    ProjectionName::new("orders").unwrap()
}

fn position(number: u64) -> GlobalPosition {
    GlobalPosition::new(number)
}

fn write(key: &str, json: &str, at: u64) -> DocumentWrite {
    DocumentWrite { key: key.to_owned(), document: Some(Payload::from_bytes(json.to_owned())), position: position(at) }
}

fn batch(target: &Target, from: u64, to: u64, documents: Vec<DocumentWrite>) -> Batch {
    let checkpoint = Checkpoint {
        store_id: StoreId::from_uuid(Uuid::from_u128(7)),
        position: position(to),
        event_id: Some(EventId::from_uuid(Uuid::from_u128(u128::from(to)))),
        generation: target.generation,
        token: FencingToken::new(1),
    };
    Batch { from: position(from), documents, checkpoint }
}

async fn owned(model: &PgReadModel, generation: Generation) -> Target {
    let target = Target { projection: orders(), generation, partition: 0 };
    model.fence(&target, FencingToken::new(1)).await.unwrap();
    target
}

/// The live generation of the projection `orders`, owned.
async fn opened(model: &PgReadModel) -> Target {
    owned(model, model.open(&orders(), Partitions::ONE).await.unwrap()).await
}

/// One that begins beside it, owned.
async fn begun(model: &PgReadModel) -> Target {
    owned(model, model.begin(&orders(), Partitions::ONE).await.unwrap()).await
}

async fn swap(model: &PgReadModel, to: &Target) {
    model.swap(&orders(), to.generation).await.unwrap();
}

async fn drop_generation(model: &PgReadModel, target: &Target) {
    model.drop_generation(&orders(), target.generation).await.unwrap();
}

/// Fills a generation with so many documents, each of which names the generation.
async fn fill(model: &PgReadModel, target: &Target, count: u64) {
    let generation = target.generation;
    let document =
        |number| write(&number_key(number), &format!(r#"{{"generation":{generation},"total":{number}}}"#), number);
    model.apply(target, batch(target, 0, count, (1..=count).map(document).collect())).await.unwrap();
}

fn number_key(number: u64) -> String {
    format!("ORD-{number}")
}

/// The text in the first column of each row, in a session of the user's.
async fn ask(database: &Database, connection: &mut PgConnection, sql: &str) -> Result<Vec<String>, sqlx::Error> {
    let sql = AssertSqlSafe(sql.replace("{schema}", &database.schema));
    let rows = sqlx::query(sql).persistent(false).fetch_all(connection).await?;
    rows.iter().map(|row| row.try_get(0)).collect()
}

/// The generations that the documents in the view name, each with the number of its documents.
async fn seen(database: &Database, connection: &mut PgConnection) -> Result<Vec<String>, sqlx::Error> {
    let sql =
        "select (document->>'generation') || ':' || count(*) from {schema}.orders group by document->>'generation'";
    ask(database, connection, sql).await
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[tokio::test]
async fn the_view_shows_no_lookups() {
    let database = Database::new();
    let model = database.read_model().await;
    let target = opened(&model).await;
    let lookup = write(&cqrs_core::lookup_key("customer"), r#"{"name":"Ann"}"#, 1);
    model.apply(&target, batch(&target, 0, 1, vec![write(" ", "{}", 1), lookup])).await.unwrap();
    let mut reader = PgConnection::connect(&database.url).await.unwrap();
    assert_eq!(ask(&database, &mut reader, "select key from {schema}.orders").await.unwrap(), [" "]);
}
