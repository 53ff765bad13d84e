//! Generations: opened once, swapped at once, gone for good.

use ::elasticsearch::http::Method;
use cqrs_core::{FencingToken, Generation, LiveGeneration, Partitions, ReadModel, ReadModelError};
use cqrs_projections::{Field, Mapping};
use serde_json::json;

use crate::place::{Place, mapping, put};

#[tokio::test(flavor = "multi_thread")]
async fn those_who_open_at_the_same_time_get_the_same_generation() {
    let place = Place::new().await;
    let opened = futures::future::join_all((0..8).map(|_| place.model.open(&place.projection, Partitions::ONE))).await;
    for generation in opened {
        assert_eq!(generation.unwrap(), Generation::FIRST);
    }
    let indices = ["catalogue.g1", "cqrs.checkpoints.v1"].map(|name| format!("{}.{name}", place.prefix));
    assert_eq!(place.indices().await, indices);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_writer_does_not_bring_a_dropped_generation_back() {
    let place = Place::new().await;
    let live = place.open().await;
    let next = place.model.begin(&place.projection, Partitions::ONE).await.unwrap();
    place.write(next, 0, 1, vec![put("a", 1, "{}")]).await.unwrap();
    place.model.drop_generation(&place.projection, next).await.unwrap();
    let before = place.indices().await;

    let target = place.target(next);
    let gone =
        |error: ReadModelError| assert!(matches!(error, ReadModelError::NotFound { generation } if generation == next));
    gone(place.write(next, 1, 2, vec![put("a", 2, "{}")]).await.unwrap_err());
    gone(place.write(next, 0, 2, vec![]).await.unwrap_err());
    gone(place.model.fence(&target, FencingToken::new(9)).await.unwrap_err());
    gone(place.model.checkpoint(&target).await.unwrap_err());
    gone(place.model.load(&target, &["a".to_owned()]).await.unwrap_err());
    gone(place.model.swap(&place.projection, next).await.unwrap_err());
    // A bulk that was on its way when the generation was dropped.
    let late = "{\"index\":{\"_id\":\"a\"}}\n{}\n".to_owned();
    let answer = place.send(Method::Post, &format!("catalogue.g{next}.write/_bulk?require_alias=true"), late).await;
    assert_eq!(answer["items"][0]["index"]["status"], 404);

    assert_eq!(place.indices().await, before);
    assert_eq!(place.model.generations(&place.projection).await.unwrap(), [live]);
}

#[tokio::test(flavor = "multi_thread")]
async fn numbers_and_checkpoints_of_dropped_generations_do_not_come_back() {
    let place = Place::new().await;
    let first = place.open().await;
    let second = place.model.begin(&place.projection, Partitions::ONE).await.unwrap();
    place.model.fence(&place.target(second), FencingToken::new(7)).await.unwrap();
    place.model.drop_generation(&place.projection, second).await.unwrap();
    place.model.drop_generation(&place.projection, second).await.unwrap();
    let third = place.model.begin(&place.projection, Partitions::ONE).await.unwrap();
    assert_eq!((first, second, third), (Generation::new(1), Generation::new(2), Generation::new(3)));
    assert_eq!(place.model.checkpoint(&place.target(third)).await.unwrap(), (None, None));
    let left = place.send(Method::Get, &format!("cqrs.checkpoints/_doc/catalogue:{second}:0"), String::new()).await;
    assert_eq!(left["found"], false);

    let refused = place.model.drop_generation(&place.projection, first).await.unwrap_err();
    assert!(matches!(refused, ReadModelError::Live { generation } if generation == first));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mapping_that_does_not_fit_is_found_and_a_rebuild_heals_it() {
    let place = Place::new().await;
    let first = place.open().await;
    for (changed, differs) in [
        (mapping().field("price", Field::keyword()), "field \"price\" has type long instead of keyword"),
        (
            mapping().field("title", Field::text().analyzer("simple")),
            "field \"title\" has analyzer standard instead of simple",
        ),
        (mapping().field("tags", Field::keyword()), "the index has no field \"tags\""),
    ] {
        let model = place.model.clone().mapping(changed);
        let refused = model.open(&place.projection, Partitions::ONE).await.unwrap_err();
        let ReadModelError::Mismatch { what } = refused else { panic!("{refused:?}") };
        assert_eq!(what, format!("{}.catalogue.g{first}: {differs}", place.prefix));
        let checked = model.check(&place.projection).await.unwrap_err();
        assert!(matches!(checked, ReadModelError::Mismatch { what: same } if same == what));

        // The old documents are served until the new generation is.
        assert_eq!(model.live(&place.projection).await.unwrap().map(|live| live.generation), Some(first));
    }
    place.model.check(&place.projection).await.unwrap();
    let changed = place.model.clone().mapping(mapping().field("price", Field::double()));
    let next = changed.begin(&place.projection, Partitions::ONE).await.unwrap();
    changed.swap(&place.projection, next).await.unwrap();
    assert_eq!(changed.open(&place.projection, Partitions::ONE).await.unwrap(), next);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mapping_as_declared_fits_the_index_that_it_made() {
    let rich = Mapping::new()
        .field("title", Field::text().analyzer("short").also("raw", Field::keyword().with("ignore_above", json!(256))))
        .field("instructor.name", Field::text().with("search_analyzer", json!("standard")))
        .field("lessons", Field::nested([("minutes", Field::integer())]))
        .field("place", Field::raw(json!({ "type": "geo_point" })))
        .field("hidden", Field::keyword().with("index", json!(false)).with("doc_values", json!(true)))
        .field("at", Field::date().with("format", json!("strict_date_optional_time||epoch_millis")))
        .properties(json!({ "open": { "type": "boolean" }, "extra": { "type": "object", "enabled": false } }))
        .unwrap()
        .setting("analysis", json!({ "analyzer": { "short": { "type": "standard", "max_token_length": 5 } } }))
        .shards(1)
        .replicas(0);
    let place = Place::with(rich.clone()).await;
    assert_eq!(place.open().await, place.open().await);

    let longer = json!({ "analyzer": { "short": { "type": "standard", "max_token_length": 6 } } });
    let refused = place
        .model
        .clone()
        .mapping(rich.setting("analysis", longer))
        .open(&place.projection, Partitions::ONE)
        .await
        .unwrap_err();
    let ReadModelError::Mismatch { what } = refused else { panic!("{refused:?}") };
    assert!(what.ends_with("setting analysis.analyzer.short.max_token_length is 5 instead of 6"), "{what}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_impossible_mapping_is_refused_with_the_reason() {
    let place = Place::with(mapping().field("price", Field::raw(json!({ "type": "money" })))).await;
    let refused = place.model.open(&place.projection, Partitions::ONE).await.unwrap_err();
    let ReadModelError::Permanent(cause) = refused else { panic!("{refused:?}") };
    assert!(cause.to_string().contains("[money] declared on field [price]"), "{cause}");
    let reserved = place.model.clone().mapping(mapping().field("cqrs_removed", Field::keyword()));
    assert!(matches!(reserved.open(&place.projection, Partitions::ONE).await, Err(ReadModelError::Permanent(_))));

    assert_eq!(
        place.model.clone().mapping(mapping()).open(&place.projection, Partitions::ONE).await.unwrap(),
        Generation::FIRST
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn searchers_see_one_generation_or_the_other_and_never_both_or_none() {
    let place = Place::new().await;
    let mut live = place.open().await;
    let documents = |of: &str| (0..5).map(|n| put(&format!("{of}{n}"), 1, "{}")).collect::<Vec<_>>();
    place.write(live, 0, 1, documents("g1-")).await.unwrap();
    let stop = tokio::sync::watch::Sender::new(false);
    let swapping = async {
        for number in 2..7 {
            let next = place.model.begin(&place.projection, Partitions::ONE).await.unwrap();
            place.write(next, 0, 1, documents(&format!("g{number}-"))).await.unwrap();
            place.model.swap(&place.projection, next).await.unwrap();
            place.model.drop_generation(&place.projection, live).await.unwrap();
            live = next;
        }
        stop.send_replace(true);
        live
    };
    let searching = async {
        let mut searches = 0;
        while !*stop.borrow() {
            let found = place.found().await.unwrap();
            let of = found[0].split_once('-').unwrap().0;
            assert!(found.len() == 5 && found.iter().all(|id| id.starts_with(of)), "{found:?}");
            searches += 1;
        }
        searches
    };
    let (live, one, other) = tokio::join!(swapping, searching, async {
        let mut reads = 0;
        while !*stop.borrow() {
            assert!(place.model.live(&place.projection).await.unwrap().is_some());
            place.model.refresh_now(&place.projection).await.unwrap();
            reads += 1;
        }
        reads
    });
    assert!(one > 10 && other > 10, "{one} searches and {other} reads");
    assert_eq!(place.model.live(&place.projection).await.unwrap().map(|live| live.generation), Some(live));
}

#[tokio::test(flavor = "multi_thread")]
async fn swaps_at_the_same_time_leave_one_generation_live() {
    let place = Place::new().await;
    let first = place.open().await;
    let mut all = vec![first];
    for _ in 0..3 {
        all.push(place.model.begin(&place.projection, Partitions::ONE).await.unwrap());
    }
    for _ in 0..3 {
        let swaps = all.iter().map(|to| place.model.swap(&place.projection, *to));
        futures::future::join_all(swaps).await.into_iter().for_each(Result::unwrap);
        assert!(place.model.live(&place.projection).await.unwrap().is_some());
    }
    // While one is dropped, it may become the live one, or not; what is live is never dropped.
    let last = all[3];
    place.model.swap(&place.projection, first).await.unwrap();
    let (swapped, dropped) =
        tokio::join!(place.model.swap(&place.projection, last), place.model.drop_generation(&place.projection, last));
    match (swapped, dropped) {
        (Ok(()), Err(ReadModelError::Live { .. })) => {
            assert_eq!(place.model.live(&place.projection).await.unwrap().map(|live| live.generation), Some(last));
        }
        (Err(ReadModelError::NotFound { .. }), Ok(())) => {
            assert_eq!(place.model.live(&place.projection).await.unwrap().map(|live| live.generation), Some(first));
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_generation_of_before_there_were_several_partitions_has_one() {
    let place = Place::new().await;
    let generation = place.open().await;
    let index = format!("catalogue.g{generation}/_mapping");
    // As its mapping was then.
    let answer = place.send(Method::Put, &index, json!({ "_meta": {} }).to_string()).await;
    assert_eq!(answer["acknowledged"], true, "{answer}");
    let live = LiveGeneration { generation, partitions: Partitions::ONE };
    assert_eq!(place.model.live(&place.projection).await.unwrap(), Some(live));
    assert_eq!(place.open().await, generation);
}
