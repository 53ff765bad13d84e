//! What PostgreSQL does not take, and what is told.

use cqrs_core::{Generation, Partitions, ProjectionName, ReadModel, ReadModelError};

use super::super::database::{Database, message};
use super::{batch, fill, opened, orders, position, write};

#[tokio::test]
async fn a_document_that_postgresql_does_not_take_is_named_and_nothing_is_written() {
    let database = Database::new();
    let model = database.read_model().await.index("by_total", "(((document->>'total')::bigint))").unwrap();
    let target = opened(&model).await;
    fill(&model, &target, 3).await;
    for (bad, reason) in [
        (r#"{"note":"\u0000"}"#, "Unicode"),
        (r#"{"total":"many"}"#, "bigint"),
        ("{", "json"),
        (&"[".repeat(100_000), "stack depth"),
    ] {
        let documents = vec![write("ORD-1", r#"{"total":9}"#, 4), write("bad", bad, 4), write("ORD-9", "{}", 4)];
        let error = model.apply(&target, batch(&target, 3, 4, documents)).await.unwrap_err();
        let ReadModelError::Rejected { key, reason: told } = &error else { panic!("{error:?}") };
        assert!(key == "bad" && told.contains(reason), "{error:?}");
        let found = model.load(&target, &["ORD-1".to_owned(), "bad".to_owned(), "ORD-9".to_owned()]).await.unwrap();
        assert_eq!(found.iter().map(Option::is_some).collect::<Vec<_>>(), [true, false, false]);
        assert_eq!(found[0].as_ref().unwrap().position, position(1));
        let checkpoint = model.checkpoint(&target).await.unwrap().1.unwrap();
        assert_eq!(checkpoint.position, position(3));
    }
    model.apply(&target, batch(&target, 3, 4, vec![write("ORD-1", r#"{"total":9}"#, 4)])).await.unwrap();
}

#[tokio::test]
async fn a_batch_that_goes_back_or_names_another_generation_is_refused() {
    let database = Database::new();
    let model = database.read_model().await;
    let target = opened(&model).await;
    fill(&model, &target, 3).await;
    let back = batch(&target, 3, 2, vec![]);
    let mut foreign = batch(&target, 3, 4, vec![]);
    foreign.checkpoint.generation = Generation::new(9);
    for wrong in [back, foreign] {
        assert!(matches!(model.apply(&target, wrong).await, Err(ReadModelError::Permanent(_))));
    }
}

#[tokio::test]
async fn a_document_never_goes_back_behind_its_position() {
    let database = Database::new();
    let model = database.read_model().await;
    let target = opened(&model).await;
    model.apply(&target, batch(&target, 0, 5, vec![write("a", "1", 5), write("b", "1", 5)])).await.unwrap();
    let mut removal = write("b", "", 4);
    removal.document = None;
    model.apply(&target, batch(&target, 5, 6, vec![write("a", "2", 4), removal])).await.unwrap();
    let found = model.load(&target, &["a".to_owned(), "b".to_owned()]).await.unwrap();
    for stored in found {
        let stored = stored.unwrap();
        assert_eq!((stored.document.unwrap().as_str(), stored.position), ("1", position(5)));
    }
}

#[tokio::test]
async fn a_schema_that_was_not_migrated_is_told_as_such() {
    let database = Database::new();
    let model = database.read_model_options().connect().await.unwrap();
    let error = model.open(&orders(), Partitions::ONE).await.unwrap_err();
    assert!(matches!(error, ReadModelError::Permanent(_)), "{error:?}");
    assert!(message(&error).contains("call PgReadModel::migrate()"), "{}", message(&error));
}

#[tokio::test]
async fn a_name_that_is_too_long_for_tables_is_told_before_anything_is_made() {
    let database = Database::new();
    let model = database.read_model().await;
    let long = ProjectionName::new("p".repeat(53)).unwrap();
    for error in
        [model.open(&long, Partitions::ONE).await.unwrap_err(), model.begin(&long, Partitions::ONE).await.unwrap_err()]
    {
        assert!(message(&error).contains("more than 52 bytes"), "{}", message(&error));
    }
    assert_eq!(model.generations(&long).await.unwrap(), []);
    let longest = ProjectionName::new("p".repeat(52)).unwrap();
    let generation = model.open(&longest, Partitions::ONE).await.unwrap();
    assert_eq!(model.live(&longest).await.unwrap().map(|live| live.generation), Some(generation));
}

#[tokio::test]
async fn a_database_that_is_not_there_is_a_transient_error() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let error =
        cqrs_postgres::PgReadModel::connect(&format!("postgres://nobody@127.0.0.1:{closed}/none")).await.unwrap_err();
    assert!(error.is_transient(), "{error:?}");
}
