//! A projection that runs into Elasticsearch.

use std::time::Duration;

use ::elasticsearch::http::Method;
use cqrs_core::in_memory::InMemoryEventStore;
use cqrs_core::{
    Append, Documents, DomainEvent, EventStore, Generation, GlobalPosition, NewEvent, ReadModel, ReadModelError,
    Recorded, StreamName,
};
use cqrs_projections::{
    ElasticReadModel, Field, Mapping, Order, ProjectError, ProjectionError, Projections, Projector, Range, Refresh,
    SearchQuery, WaitError,
};
use serde::{Deserialize, Serialize};

use crate::place::Place;

pub const SOON: Duration = Duration::from_secs(30);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, DomainEvent)]
#[event(domain = "course")]
pub enum CourseEvent {
    Created { title: String, price: i64 },
    Repriced { price: i64 },
    Withdrawn,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Course {
    pub title: String,
    pub price: i64,
}

pub struct Catalogue;

impl Projector for Catalogue {
    type Event = CourseEvent;
    type Document = Course;

    fn route(&self, event: &Recorded<CourseEvent>, to: &mut Vec<String>) {
        to.push(event.raw.stream.id().to_owned());
    }

    fn project(
        &self,
        event: &Recorded<CourseEvent>,
        _key: &str,
        document: Option<Course>,
    ) -> Result<Option<Course>, ProjectError> {
        Ok(match event.event.clone() {
            CourseEvent::Created { title, price } => Some(Course { title, price }),
            CourseEvent::Repriced { price } => document.map(|course| Course { price, ..course }),
            CourseEvent::Withdrawn => None,
        })
    }
}

pub async fn append(store: &InMemoryEventStore, course: u32, events: &[CourseEvent]) -> GlobalPosition {
    let stream = StreamName::of("course", &course).unwrap();
    let events = events.iter().map(|event| NewEvent::encode(stream.clone(), event).unwrap()).collect();
    store.append(Append::new(events)).await.unwrap().position
}

async fn cheap(model: &ElasticReadModel) -> Vec<(String, Course)> {
    let query = SearchQuery::new().keyword("rust", ["title"]).range("price", Range::below(100));
    let query = query.sort("price", Order::Ascending).limit(100);
    let page = model.search::<Course>("catalogue").unwrap().page(&query).await.unwrap();
    page.hits.into_iter().map(|hit| (hit.id, hit.document)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn events_become_searchable_documents_and_a_rebuild_brings_a_new_mapping() {
    let fields = Mapping::new().field("title", Field::text()).shards(1).replicas(0);
    let place = Place::with(fields.clone().field("price", Field::keyword())).await;
    let store = InMemoryEventStore::new();
    for course in 1..=50 {
        let created = CourseEvent::Created { title: format!("Rust {course}"), price: i64::from(course) * 100 };
        append(&store, course, &[created]).await;
    }
    append(&store, 7, &[CourseEvent::Repriced { price: 9 }]).await;
    append(&store, 9, &[CourseEvent::Repriced { price: 50 }]).await;
    let head = append(&store, 9, &[CourseEvent::Withdrawn]).await;

    let running =
        Projections::new(store.clone()).add("catalogue", Catalogue, place.model.clone()).start().await.unwrap();
    running.wait_for(head, SOON).await.unwrap();
    assert_eq!(place.found().await.unwrap().len(), 49);
    running.stop().await;

    // Prices are numbers from now on: the index there is does not fit, until the next one is filled.
    let model = place.model.clone().mapping(fields.field("price", Field::long()));
    let running = Projections::new(store.clone()).add("catalogue", Catalogue, model.clone()).start().await.unwrap();
    let stopped = running.wait_for(head.next(), SOON).await.unwrap_err();
    assert!(matches!(stopped, WaitError::Stopped { .. }), "{stopped:?}");
    assert_eq!(place.found().await.unwrap().len(), 49, "the former one serves meanwhile");

    let rebuilt = running.rebuild("catalogue").batch(10).keep_former().await.unwrap();

    assert_eq!(cheap(&model).await, [("7".to_owned(), Course { title: "Rust 7".to_owned(), price: 9 })]);
    let head = append(&store, 8, &[CourseEvent::Repriced { price: 5 }]).await;
    running.wait_for(head, SOON).await.unwrap();
    assert_eq!(cheap(&model).await.iter().map(|(id, _)| id.as_str()).collect::<Vec<_>>(), ["8", "7"]);
    running.stop().await;

    // And back to the former one, with the former mapping, which catches up.
    let former = rebuilt.former.unwrap();
    assert_eq!(model.generations(&place.projection).await.unwrap(), [former, rebuilt.generation]);
    model.swap(&place.projection, former).await.unwrap();
    let running =
        Projections::new(store.clone()).add("catalogue", Catalogue, place.model.clone()).start().await.unwrap();
    running.wait_for(head, SOON).await.unwrap();
    let documents = Documents::<Course>::new(place.model.clone(), "catalogue").unwrap();
    assert_eq!(documents.get("8").await.unwrap().map(|course| course.price), Some(5));
    running.rebuild("catalogue").await.unwrap();
    assert_eq!(model.generations(&place.projection).await.unwrap().len(), 1);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_that_is_deleted_under_a_projection_is_filled_again_at_once() {
    let place = Place::with(Mapping::new().field("title", Field::text()).shards(1).replicas(0)).await;
    let store = InMemoryEventStore::new();
    let created = |title: &str| CourseEvent::Created { title: title.to_owned(), price: 1 };
    for course in 1..=20 {
        append(&store, course, &[created("Rust")]).await;
    }
    let head = append(&store, 21, &[created("SQL")]).await;
    let running =
        Projections::new(store.clone()).add("catalogue", Catalogue, place.model.clone()).start().await.unwrap();
    running.wait_for(head, SOON).await.unwrap();

    for (generation, course) in [(1, 22), (2, 23)] {
        let answer = place.send(Method::Delete, &format!("catalogue.g{generation}"), String::new()).await;
        assert_eq!(answer["acknowledged"], true, "{answer}");
        let head = append(&store, course, &[created("C")]).await;
        running.wait_until_searchable("catalogue", head, SOON).await.unwrap();
        assert_eq!(place.found().await.unwrap().len() as u32, course);
        let status = running.status().await.swap_remove(0);
        assert_eq!(status.generation.map(Generation::get), Some(generation + 1));
        assert!(matches!(status.error, Some(ProjectionError::ReadModel(ReadModelError::NotFound { .. }))));
    }
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_stored_is_read_by_key_and_found_by_a_search_once_that_was_waited_for() {
    // The server refreshes by itself never.
    let fields = Mapping::new().field("title", Field::text()).shards(1).replicas(0);
    let place = Place::with(fields.setting("refresh_interval", serde_json::json!("-1"))).await;
    let model = place.model.clone().refresh(Refresh::None);
    let store = InMemoryEventStore::new();
    let running = Projections::new(store.clone()).add("catalogue", Catalogue, model.clone()).start().await.unwrap();
    let created = |price| CourseEvent::Created { title: "Rust".to_owned(), price };
    append(&store, 1, &[created(100)]).await;
    let head = append(&store, 2, &[created(200)]).await;

    running.wait_for(head, SOON).await.unwrap();
    let stored = Documents::<Course>::new(model.clone(), "catalogue").unwrap();
    assert!(stored.get("2").await.unwrap().is_some(), "stored");
    assert!(place.found().await.unwrap().is_empty(), "but not searchable");
    running.wait_until_searchable("catalogue", head, SOON).await.unwrap();
    assert_eq!(place.found().await.unwrap().len(), 2);

    let head = append(&store, 3, &[created(300)]).await;
    let waits = (0..20).map(|_| running.wait_until_searchable("catalogue", head, SOON));
    futures::future::try_join_all(waits).await.unwrap();
    assert_eq!(place.found().await.unwrap().len(), 3, "each time anew");

    // A search finds as much after the swap as before.
    running.rebuild("catalogue").await.unwrap();
    assert_eq!(place.found().await.unwrap().len(), 3);
    let head = append(&store, 4, &[created(400)]).await;
    running.wait_until_searchable("catalogue", head, SOON).await.unwrap();
    assert_eq!(place.found().await.unwrap().len(), 4);

    let late = running.wait_until_searchable("catalogue", head.next(), Duration::ZERO).await.unwrap_err();
    assert!(matches!(late, WaitError::Timeout { .. }), "{late:?}");
    let unknown = running.wait_until_searchable("none", head, SOON).await.unwrap_err();
    assert!(matches!(unknown, WaitError::UnknownProjection { .. }), "{unknown:?}");
    running.stop().await;
}
