//! What is read through the cache is never older than what was invalidated.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use cqrs_projections::WaitError;

use super::catalogue::{Course, CourseEvent, LONG, Shop};

fn priced(price: u64) -> CourseEvent {
    CourseEvent::Priced { price }
}

fn created() -> CourseEvent {
    CourseEvent::Created { instructor: "ann".to_owned() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renamed_instructor_is_seen_in_all_their_cached_courses() {
    let shop = Shop::open().await;
    shop.instructor("ann", "Ann").await;
    let mut position = None;
    for id in ["1", "2", "3"] {
        position = Some(shop.course(id, created()).await);
    }
    shop.running.wait_for(position.unwrap(), LONG).await.unwrap();
    for id in ["1", "2", "3"] {
        assert_eq!(shop.courses.get(id).await.unwrap().unwrap().instructor_name.as_deref(), Some("Ann"));
    }
    let renamed = shop.instructor("ann", "Ánh").await;
    shop.running.wait_for(renamed, LONG).await.unwrap();
    for id in ["1", "2", "3"] {
        assert_eq!(shop.courses.get(id).await.unwrap().unwrap().instructor_name.as_deref(), Some("Ánh"));
    }
    assert_eq!(shop.courses.get("4").await.unwrap(), None, "a missing course is none, not an error");
}

#[tokio::test(flavor = "multi_thread")]
async fn while_redis_is_away_courses_come_from_elasticsearch_and_what_is_stale_goes_when_it_returns() {
    let shop = Shop::open().await;
    let position = shop.course("1", created()).await;
    shop.running.wait_for(position, LONG).await.unwrap();
    assert_eq!(shop.courses.get("1").await.unwrap().unwrap().price, 0);

    shop.proxy.refuse();
    let position = shop.course("1", priced(7)).await;
    shop.running.wait_for_one("course-search", position, LONG).await.unwrap();
    assert_eq!(shop.courses.get("1").await.unwrap().unwrap().price, 7, "Elasticsearch is asked");
    let waited = shop.running.wait_for_one("course-cache", position, std::time::Duration::from_millis(1)).await;
    assert!(matches!(waited, Err(WaitError::Timeout { .. })), "{waited:?}");

    shop.proxy.pass();
    shop.running.wait_for(position, LONG).await.unwrap();
    assert_eq!(shop.elsewhere().await.get("1").await.unwrap().unwrap().price, 7, "what was cached before is gone");
}

#[tokio::test(flavor = "multi_thread")]
async fn writers_read_their_own_writes_whatever_readers_of_all_processes_do() {
    let shop = Arc::new(Shop::open().await);
    let position = shop.course("1", created()).await;
    shop.running.wait_for(position, LONG).await.unwrap();
    let over = Arc::new(AtomicBool::new(false));
    let mut readers = Vec::new();
    for _ in 0..4 {
        let (courses, over) = (shop.elsewhere().await, Arc::clone(&over));
        readers.push(tokio::spawn(async move {
            while !over.load(Ordering::Relaxed) {
                courses.get("1").await.unwrap().unwrap();
            }
        }));
    }
    let elsewhere = shop.elsewhere().await;
    for price in 1..=60 {
        let position = shop.course("1", priced(price)).await;
        shop.running.wait_for(position, LONG).await.unwrap();
        let expected = Course { instructor: "ann".to_owned(), instructor_name: None, price };
        assert_eq!(shop.courses.get("1").await.unwrap(), Some(expected.clone()));
        assert_eq!(elsewhere.get("1").await.unwrap(), Some(expected));
    }
    over.store(true, Ordering::Relaxed);
    for reader in readers {
        reader.await.unwrap();
    }
    assert_eq!(shop.courses.get("1").await.unwrap(), shop.elastic.get("1").await.unwrap());
}
