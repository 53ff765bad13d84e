//! A server that takes less than it is given: the real one, behind one that turns some of it away.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use cqrs_core::{Batch, DocumentWrite, Generation, ReadModel, ReadModelError};
use cqrs_projections::ElasticReadModel;

use crate::http::{Answer, Request, serve};
use crate::place::{Place, batch, put};

/// The bulk requests that were sent.
type Sent = Arc<Mutex<Vec<Request>>>;

/// The place by way of a server that answers bulk requests so.
fn before(place: &Place, answer: impl Fn(&Request) -> Answer + Send + Sync + 'static) -> (ElasticReadModel, Sent) {
    let sent = Sent::default();
    let seen = Arc::clone(&sent);
    let url = serve(move |request| {
        if !request.is_bulk() {
            return request.pass();
        }
        seen.lock().unwrap().push(request.clone());
        answer(request)
    });
    (place.by_way_of(&url), sent)
}

/// Puts documents off so often, with these statuses.
fn putting_off(times: &[(&str, u16, u32)]) -> impl Fn(&Request) -> Answer + Send + Sync + use<> {
    let left: HashMap<_, _> = times.iter().map(|(id, status, times)| ((*id).to_owned(), (*status, *times))).collect();
    let left = Mutex::new(left);
    move |request| {
        request.pass_except(|id| match left.lock().unwrap().get_mut(id) {
            Some((status, times @ 1..)) => {
                *times -= 1;
                Some(*status)
            }
            _ => None,
        })
    }
}

fn ids(sent: &Sent) -> Vec<String> {
    sent.lock().unwrap().iter().map(|request| request.ids().join(" ")).collect()
}

fn first(live: Generation, documents: Vec<DocumentWrite>) -> Batch {
    batch(live, 0, 9, 1, documents)
}

fn priced(keys: &[&str]) -> Vec<DocumentWrite> {
    (1..).zip(keys).map(|(n, key)| put(key, n, &format!("{{\"price\":{n}}}"))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_that_were_put_off_are_sent_again_alone() {
    let place = Place::new().await;
    let live = place.open().await;
    let (model, sent) = before(&place, putting_off(&[("b", 429, 2), ("c", 503, 1), ("e", 429, 2)]));

    model.apply(&place.target(live), first(live, priced(&["a", "b", "c", "d", "e"]))).await.unwrap();

    assert_eq!(ids(&sent), ["a b c d e", "b c e", "b e"]);
    assert_eq!(place.position(live).await, 9);
    let found = place.load(live, &["a", "b", "c", "d", "e"]).await;
    let positions: Vec<_> = found.into_iter().map(|found| found.unwrap().1).collect();
    assert_eq!(positions, [1, 2, 3, 4, 5]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_that_is_always_put_off_makes_the_batch_come_again() {
    let place = Place::new().await;
    let live = place.open().await;
    let (model, sent) = before(&place, putting_off(&[("b", 429, 6)]));
    let target = place.target(live);

    let refused = model.apply(&target, first(live, priced(&["a", "b", "c"]))).await.unwrap_err();

    let ReadModelError::Transient(cause) = refused else { panic!("{refused:?}") };
    assert!(cause.to_string().contains("document \"b\": 429 es_rejected_execution_exception"), "{cause}");
    assert_eq!(ids(&sent), ["a b c", "b", "b", "b", "b", "b"]);
    assert_eq!(place.position(live).await, 0);
    assert!(matches!(&place.load(live, &["a", "b", "c"]).await[..], [Some(_), None, Some(_)]));

    model.apply(&target, first(live, priced(&["a", "b", "c"]))).await.unwrap();
    assert_eq!((place.position(live).await, place.load(live, &["b"]).await[0].is_some()), (9, true));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rejected_document_is_told_when_those_put_off_are_written() {
    let place = Place::new().await;
    let live = place.open().await;
    let (model, sent) = before(&place, putting_off(&[("a", 429, 1), ("c", 503, 2)]));
    let mut documents = priced(&["a", "bad", "c"]);
    documents[1] = put("bad", 2, "{\"price\":\"cheap\"}");

    let refused = model.apply(&place.target(live), first(live, documents)).await.unwrap_err();

    assert!(matches!(&refused, ReadModelError::Rejected { key, .. } if key == "bad"), "{refused:?}");
    assert_eq!(ids(&sent), ["a bad c", "a c", "c"]);
    assert!(matches!(&place.load(live, &["a", "bad", "c"]).await[..], [Some(_), None, Some(_)]));
    assert_eq!(place.position(live).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_was_put_off_is_sent_again_and_in_the_end_given_up() {
    for (times, written) in [(3, true), (6, false)] {
        let place = Place::new().await;
        let live = place.open().await;
        let left = Mutex::new(times);
        let (model, sent) = before(&place, move |request| match &mut *left.lock().unwrap() {
            0 => request.pass(),
            left => {
                *left -= 1;
                Answer::new(429, r#"{"error":{"type":"circuit_breaking_exception","reason":"too much"},"status":429}"#)
            }
        });
        let applied = model.apply(&place.target(live), first(live, priced(&["a", "b"]))).await;
        let (sent, position) = (ids(&sent), place.position(live).await);
        if written {
            applied.unwrap();
            assert_eq!((sent, position), (vec!["a b".to_owned(); 4], 9));
        } else {
            let refused = applied.unwrap_err();
            assert!(refused.is_transient(), "{refused:?}");
            assert_eq!((sent, position), (vec!["a b".to_owned(); 6], 0));
        }
    }
}

/// What a proxy that takes so many bytes makes of a request.
fn at_most(bytes: usize) -> impl Fn(&Request) -> Answer + Send + Sync {
    move |request| match request.body.len() > bytes {
        true => Answer::new(413, "<html>413 Request Entity Too Large"),
        false => request.pass(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_is_too_large_is_halved_and_the_next_ones_are_smaller_from_the_start() {
    let place = Place::new().await;
    let live = place.open().await;
    let (model, sent) = before(&place, at_most(100_000));
    let target = place.target(live);
    let text = "x".repeat(2_000);
    let documents = |position| (0..300).map(move |n| (n, position)).collect::<Vec<_>>();
    let documents = |position| {
        documents(position)
            .into_iter()
            .map(|(n, at)| put(&format!("k{n}"), at, &format!("{{\"text\":\"{text}\"}}")))
            .collect()
    };
    let too_large = |sent: &Sent| sent.lock().unwrap().drain(..).filter(|request| request.body.len() > 100_000).count();

    model.apply(&target, batch(live, 0, 1, 1, documents(1))).await.unwrap();
    assert!(too_large(&sent) > 0);
    let keys: Vec<_> = (0..300).map(|n| format!("k{n}")).collect();
    let found = place.model.load(&target, &keys).await.unwrap();
    assert!(found.iter().flatten().count() == 300 && place.position(live).await == 1);

    model.apply(&target, batch(live, 1, 2, 1, documents(2))).await.unwrap();
    assert_eq!((too_large(&sent), place.position(live).await), (0, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_that_is_too_large_is_rejected_alone() {
    let place = Place::new().await;
    let live = place.open().await;
    let (model, _) = before(&place, at_most(100_000));
    let mut documents = priced(&["a", "b", "large", "d", "e"]);
    documents[2] = put("large", 3, &format!("{{\"text\":\"{}\"}}", "x".repeat(200_000)));

    let refused = model.apply(&place.target(live), first(live, documents)).await.unwrap_err();

    let ReadModelError::Rejected { key, reason } = refused else { panic!("{refused:?}") };
    assert!(key == "large" && reason.contains("413") && reason.contains("Too Large"), "{key}: {reason}");
    let found = place.load(live, &["a", "b", "large", "d", "e"]).await;
    assert_eq!(found.iter().map(Option::is_some).collect::<Vec<_>>(), [true, true, false, true, true]);
    assert_eq!(place.position(live).await, 0);
}
