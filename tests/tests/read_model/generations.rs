//! Generations that are begun, swapped and dropped while the connection is cut.

use cqrs_core::{Generation, Partitions, ProjectionName, ReadModel, ReadModelError};
use cqrs_postgres::PgReadModel;
use cqrs_tests::database::Database;
use cqrs_tests::proxy::{Direction, Proxy};

use super::ledger::{NAME, migrated, options};

async fn tables(database: &Database) -> Vec<String> {
    let sql = "select tablename::text from pg_tables where schemaname = '{schema}' and tablename ~ '^sheets[$][0-9]' order by 1";
    sqlx::query_scalar(database.sql(sql)).fetch_all(&mut database.connection().await).await.unwrap()
}

async fn change(model: &PgReadModel, round: usize) -> Result<(), ReadModelError> {
    let name: ProjectionName = NAME.parse().unwrap();
    let all = model.generations(&name).await?;
    let live = model.live(&name).await?.map(|live| live.generation);
    let other = all.iter().copied().find(|generation| Some(*generation) != live);
    match (round % 3, other) {
        (0, _) => model.begin(&name, Partitions::ONE).await.map(drop),
        (1, Some(other)) => model.swap(&name, other).await,
        (_, Some(other)) => model.drop_generation(&name, other).await,
        _ => model.open(&name, Partitions::ONE).await.map(drop),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_generations_that_is_cut_at_any_byte_is_done_or_leaves_nothing() {
    let database = Database::new();
    let direct = migrated(&database).await;
    let proxy = Proxy::before_service(&database.url).await;
    let model = options(&database, &proxy.url(&database.url)).connections(1);
    let name: ProjectionName = NAME.parse().unwrap();
    let (mut live, mut highest) = (None, 0);
    for round in 0..90 {
        let model = model.clone().connect().await.unwrap();
        let direction = if round % 2 == 0 { Direction::ToServer } else { Direction::ToClient };
        proxy.cut_after(direction, round * 41 % 2_500);
        if let Err(error) = change(&model, round).await {
            assert!(error.is_transient(), "{error:?}");
        }
        proxy.cut_after(direction, usize::MAX);
        // Waits for what the server may still be doing: it holds the lock on the projection.
        direct.swap(&name, Generation::new(900)).await.unwrap_err();
        let all = direct.generations(&name).await.unwrap();
        let now = direct.live(&name).await.unwrap().map(|live| live.generation);
        assert!(now.is_some() || live.is_none(), "what was live is replaced, not lost");
        assert!(now.is_none_or(|now| all.contains(&now)));
        assert!(all.iter().all(|generation| generation.get() <= highest || generation.get() == highest + 1), "{all:?}");
        (live, highest) = (now, all.last().map_or(highest, |last| last.get().max(highest)));
        // What is being dropped keeps its table until it is gone for all.
        let begun = direct.begin(&name, Partitions::ONE).await.unwrap();
        assert!(begun.get() > highest);
        highest = begun.get();
        direct.drop_generation(&name, begun).await.unwrap();
        let expected: Vec<_> = all.iter().map(|generation| format!("{NAME}${generation}")).collect();
        let mut found = tables(&database).await;
        found.sort_by_key(|table| table.len());
        assert_eq!(found, expected, "round {round}");
    }
    assert!(highest > 90 && live.is_some());
}
