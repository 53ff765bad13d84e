//! A document that Elasticsearch refuses waits with its events while all others go on.

use std::time::Duration;

use cqrs_core::in_memory::{InMemoryDeadLetterStore, InMemoryEventStore};
use cqrs_core::{DeadLetterCause, DeadLetterCount, DeadLetterState, Documents};
use cqrs_projections::{DeadLetterPermanent, Field, Mapping, Projections};

use crate::place::Place;
use crate::running::{Catalogue, Course, CourseEvent, SOON, append};

#[tokio::test(flavor = "multi_thread")]
async fn a_document_that_elasticsearch_refuses_waits_while_all_others_go_on() {
    // No keyword is that long.
    let fields = Mapping::new().field("title", Field::keyword()).shards(1).replicas(0);
    let place = Place::with(fields.clone()).await;
    let store = InMemoryEventStore::new();
    let created = |title: &str| CourseEvent::Created { title: title.to_owned(), price: 1 };
    for course in 1..=20 {
        append(&store, course, &[created("Rust")]).await;
    }
    append(&store, 7, &[CourseEvent::Repriced { price: 2 }]).await;
    let refused = append(&store, 7, &[created(&"long".repeat(10_000))]).await;
    append(&store, 7, &[CourseEvent::Repriced { price: 3 }]).await;
    let head = append(&store, 8, &[CourseEvent::Repriced { price: 4 }]).await;

    let projections = |model| {
        Projections::new(store.clone())
            .add("catalogue", Catalogue, model)
            .dead_letters(InMemoryDeadLetterStore::new())
            .error_policy(DeadLetterPermanent::default())
    };
    let running = projections(place.model.clone()).start().await.unwrap();
    let reached = running.wait_for(head, SOON).await.unwrap();
    let waits = DeadLetterCount { documents: 1, letters: 2, without_document: 0 };
    assert_eq!(reached.dead_letters[0].count, waits);
    let documents = Documents::<Course>::new(place.model.clone(), "catalogue").unwrap();
    let course = |price| Some(Course { title: "Rust".to_owned(), price });
    let found = async || (documents.get("7").await.unwrap(), documents.get("8").await.unwrap());
    assert_eq!(found().await, (course(2), course(4)), "as it was before the event, to the event");
    let letters = running.dead_letters("catalogue").unwrap();
    let first = letters.list(&letters.all().state(DeadLetterState::Failed)).await.unwrap().letters.remove(0);
    assert_eq!((first.document.as_deref(), first.event.position), (Some("7"), refused));
    let failure = first.failure.unwrap();
    assert_eq!(failure.cause, DeadLetterCause::ReadModel);
    assert!(failure.error.contains("failed to parse field [title]"), "{failure:?}");

    letters.discard(first.id, "a title of 40,000 characters").await.unwrap();
    let goes_on = async {
        while documents.get("7").await.unwrap() != course(3) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    assert!(tokio::time::timeout(SOON, goes_on).await.is_ok(), "with what follows: {:?}", found().await);
    let head = append(&store, 7, &[CourseEvent::Repriced { price: 5 }]).await;
    assert!(running.wait_for(head, SOON).await.unwrap().dead_letters.is_empty());
    assert_eq!(found().await, (course(5), course(4)));
    running.stop().await;

    // With another mapping, a rebuild takes it.
    let model = place.model.clone().mapping(fields.field("title", Field::text()));
    let running = projections(model).start().await.unwrap();
    running.rebuild("catalogue").await.unwrap();
    assert!(running.wait_for(head, SOON).await.unwrap().dead_letters.is_empty());
    assert_eq!(documents.get("7").await.unwrap().map(|course| course.title.len()), Some(40_000));
    running.stop().await;
}
