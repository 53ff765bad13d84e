//! Indices that somebody or something tampered with.

use std::time::{Duration, Instant};

use ::elasticsearch::http::Method;
use cqrs_core::{FencingToken, Generation, Partitions, ReadModel, ReadModelError};
use cqrs_projections::{ElasticReadModel, Refresh, SearchError, SearchQuery};
use serde_json::{Value, json};

use crate::place::{Place, mapping, put};

/// Changes a setting of an index.
async fn set(place: &Place, index: &str, settings: Value) {
    let answer = place.send(Method::Put, &format!("{index}/_settings"), settings.to_string()).await;
    assert_eq!(answer["acknowledged"], true, "{answer}");
}

fn told(error: &ReadModelError) -> String {
    let ReadModelError::Transient(cause) = error else { panic!("{error:?}") };
    cause.to_string()
}

async fn total(model: &ElasticReadModel) -> Result<u64, SearchError> {
    let search = model.search::<Value>("catalogue").unwrap();
    search.page(&SearchQuery::new().no_hits()).await.map(|page| page.total)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_that_the_full_disk_made_read_only_is_waited_for_and_named() {
    let place = Place::new().await;
    let live = place.open().await;
    place.write(live, 0, 1, vec![put("a", 1, "{}")]).await.unwrap();
    let blocked = "disk usage exceeded flood-stage watermark";
    for index in [format!("catalogue.g{live}"), "cqrs.checkpoints.v1".to_owned()] {
        let from = place.position(live).await;
        set(&place, &index, json!({ "index.blocks.read_only_allow_delete": true })).await;
        let refused = place.write(live, from, from + 1, vec![put("b", from + 1, "{}")]).await.unwrap_err();
        let told = told(&refused);
        assert!(told.contains(blocked) && told.contains(&format!("{}.{index}", place.prefix)), "{told}");
        assert_eq!(place.position(live).await, from);
        assert!(place.load(live, &["a"]).await[0].is_some() && total(&place.model).await.unwrap() >= 1);

        set(&place, &index, json!({ "index.blocks.read_only_allow_delete": null })).await;
        place.write(live, from, from + 1, vec![put("b", from + 1, "{}")]).await.unwrap();
    }
    set(&place, &format!("catalogue.g{live}"), json!({ "index.blocks.write": true })).await;
    let refused = place.write(live, 3, 4, vec![put("b", 4, "{}")]).await.unwrap_err();
    assert!(told(&refused).contains("index write (api)"), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shard_that_has_no_node_is_waited_for() {
    // The cluster is red as long as this index is.
    let nowhere = mapping().setting("index.routing.allocation.require._name", json!("nowhere"));
    let place = Place::with(nowhere).await;
    let model = place.model.clone().timeout(Duration::from_secs(2));
    assert!(model.open(&place.projection, Partitions::ONE).await.unwrap_err().is_transient());
    let live = model.live(&place.projection).await.unwrap().unwrap().generation;

    let (target, keys) = (place.target(live), ["a".to_owned()]);
    let batch = crate::place::batch(live, 0, 1, 1, vec![put("a", 1, "{}")]);
    for refused in [
        model.open(&place.projection, Partitions::ONE).await.unwrap_err(),
        model.apply(&target, batch).await.unwrap_err(),
        model.load(&target, &keys).await.unwrap_err(),
        model.refresh_now(&place.projection).await.unwrap_err(),
    ] {
        assert!(refused.is_transient(), "{refused:?}");
    }
    let search = model.search::<Value>("catalogue").unwrap();
    let deep = search.deep_page(&SearchQuery::new(), None).await.unwrap_err();
    assert!(deep.is_transient() && total(&model).await.unwrap_err().is_transient(), "{deep:?}");

    set(&place, &format!("catalogue.g{live}"), json!({ "index.routing.allocation.require._name": null })).await;
    assert_eq!(place.open().await, live);
    place.write(live, 0, 1, vec![put("a", 1, "{}")]).await.unwrap();
    assert_eq!(total(&place.model).await.unwrap(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_index_is_waited_for() {
    let place = Place::new().await;
    let live = place.open().await;
    place.write(live, 0, 1, vec![put("a", 1, "{}")]).await.unwrap();
    let index = format!("catalogue.g{live}");
    place.send(Method::Post, &format!("{index}/_close"), String::new()).await;
    let refused = place.write(live, 1, 2, vec![put("b", 2, "{}")]).await.unwrap_err();
    assert!(told(&refused).contains("closed"), "{refused:?}");
    let searched = total(&place.model).await;
    assert!(searched.as_ref().is_err_and(SearchError::is_transient), "{searched:?}");
    let search = place.model.search::<Value>("catalogue").unwrap();
    let deep = search.deep_page(&SearchQuery::new(), None).await.unwrap_err();
    assert!(deep.is_transient() && place.model.refresh_now(&place.projection).await.unwrap_err().is_transient());
    place.send(Method::Post, &format!("{index}/_open"), String::new()).await;
    place.write(live, 1, 2, vec![put("b", 2, "{}")]).await.unwrap();
    assert_eq!(total(&place.model).await.unwrap(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_that_was_deleted_is_missed_and_the_next_one_begins_anew() {
    let place = Place::new().await;
    let live = place.open().await;
    place.model.fence(&place.target(live), FencingToken::new(1)).await.unwrap();
    place.write(live, 0, 1, vec![put("a", 1, "{}")]).await.unwrap();
    let answer = place.send(Method::Delete, &format!("catalogue.g{live}"), String::new()).await;
    assert_eq!(answer["acknowledged"], true, "{answer}");

    let refused = place.write(live, 1, 2, vec![put("b", 2, "{}")]).await.unwrap_err();
    assert!(matches!(refused, ReadModelError::NotFound { generation } if generation == live), "{refused:?}");
    assert_eq!(place.model.live(&place.projection).await.unwrap(), None);
    assert_eq!(total(&place.model).await.unwrap(), 0);

    // Not the number of the lost one, whose checkpoint says that all is written.
    let next = place.open().await;
    assert!(next > live);
    assert_eq!(place.model.checkpoint(&place.target(next)).await.unwrap(), (None, None));
}

#[tokio::test(flavor = "multi_thread")]
async fn checkpoints_that_were_deleted_are_missed() {
    let place = Place::new().await;
    let live = place.open().await;
    place.write(live, 0, 7, vec![put("a", 7, "{\"price\":7}")]).await.unwrap();
    place.send(Method::Delete, "cqrs.checkpoints.v1", String::new()).await;
    // As if nothing was written yet: everything is folded again, over documents that are newer for a while.
    assert_eq!(place.open().await, live);
    assert_eq!(place.model.checkpoint(&place.target(live)).await.unwrap(), (None, None));
    place.write(live, 0, 3, vec![put("a", 3, "{\"price\":3}")]).await.unwrap();
    assert_eq!(place.load(live, &["a"]).await, [Some((Some("{\"price\":7}".to_owned()), 7))]);
    let next = place.model.begin(&place.projection, Partitions::ONE).await.unwrap();
    assert!(next > live);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_readers_alias_on_two_generations_is_found_out() {
    let place = Place::new().await;
    let live = place.open().await;
    let next = place.model.begin(&place.projection, Partitions::ONE).await.unwrap();
    let alias = format!("{}.catalogue", place.prefix);
    let answer = place.send(Method::Put, &format!("catalogue.g{next}/_alias/{alias}"), String::new()).await;
    assert_eq!(answer["acknowledged"], true, "{answer}");

    for refused in [
        place.model.live(&place.projection).await.unwrap_err(),
        place.model.open(&place.projection, Partitions::ONE).await.unwrap_err(),
        place.model.swap(&place.projection, next).await.unwrap_err(),
    ] {
        let ReadModelError::Corrupt { what } = refused else { panic!("{refused:?}") };
        assert!(what.starts_with(&format!("the alias {alias} is on the generations ")), "{what}");
    }
    let answer = place.send(Method::Delete, &format!("catalogue.g{next}/_alias/{alias}"), String::new()).await;
    assert_eq!(answer["acknowledged"], true, "{answer}");
    assert_eq!(place.open().await, live);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_may_go_back_to_a_generation_that_was_kept() {
    let place = Place::new().await;
    let first = place.open().await;
    place.write(first, 0, 5, vec![put("old", 5, "{}")]).await.unwrap();
    let second = place.model.begin(&place.projection, Partitions::ONE).await.unwrap();
    place.write(second, 0, 6, vec![put("new", 6, "{}"), put("newer", 6, "{}")]).await.unwrap();
    place.model.swap(&place.projection, second).await.unwrap();
    assert_eq!(total(&place.model).await.unwrap(), 2);

    place.model.swap(&place.projection, first).await.unwrap();

    assert_eq!((place.open().await, total(&place.model).await.unwrap()), (first, 1));
    // It goes on where it was left.
    assert_eq!(place.position(first).await, 5);
    place.write(first, 5, 6, vec![put("caught up", 6, "{}")]).await.unwrap();
    place.model.drop_generation(&place.projection, second).await.unwrap();
    assert_eq!(total(&place.model).await.unwrap(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_are_found_as_soon_as_the_refresh_policy_says() {
    // The server refreshes never by itself, or often.
    for (interval, policy, found) in
        [("-1", Refresh::None, 0), ("-1", Refresh::Immediate, 1), ("50ms", Refresh::WaitFor, 1)]
    {
        let place = Place::with(mapping().setting("refresh_interval", json!(interval))).await;
        let live = place.open().await;
        let model = place.model.clone().refresh(policy);
        model.apply(&place.target(live), crate::place::batch(live, 0, 1, 1, vec![put("a", 1, "{}")])).await.unwrap();
        assert_eq!(total(&model).await.unwrap(), found, "{policy:?}");
        assert_eq!(place.load(live, &["a"]).await.len(), 1);
        model.refresh_now(&place.projection).await.unwrap();
        assert_eq!(total(&model).await.unwrap(), 1, "{policy:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_are_spread_over_shards_and_each_keeps_its_version() {
    let place = Place::with(mapping().shards(3)).await;
    let live = place.open().await;
    let keys: Vec<_> = (0..60).map(|n| format!("khóa/{n} ?&#\"%2F+{}", "'".repeat(n % 3))).collect();
    let keys: Vec<_> = keys.iter().map(String::as_str).collect();
    let all = |position| keys.iter().map(|key| put(key, position, &format!("{{\"price\":{position}}}"))).collect();
    place.write(live, 0, 2, all(2)).await.unwrap();
    place.write(live, 2, 3, all(1)).await.unwrap();
    let kept = Some((Some("{\"price\":2}".to_owned()), 2));
    assert!(place.load(live, &keys).await.iter().all(|found| *found == kept));
    assert_eq!(place.found().await.unwrap().len(), 60);
    for shard in 0..3 {
        let path = format!("catalogue.g{live}/_search?preference=_shards:{shard}&size=0");
        let there = place.send(Method::Get, &path, String::new()).await;
        assert!(there["hits"]["total"]["value"].as_u64().unwrap() > 5, "{there}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_generation_that_never_was_is_not_waited_for() {
    let place = Place::new().await;
    place.open().await;
    let before = Instant::now();
    let refused = place.write(Generation::new(9), 0, 1, vec![put("a", 1, "{}")]).await.unwrap_err();
    assert!(matches!(refused, ReadModelError::NotFound { .. }), "{refused:?}");
    assert!(before.elapsed() < ElasticReadModel::TIMEOUT);
}
