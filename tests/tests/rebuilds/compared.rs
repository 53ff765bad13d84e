//! New documents are compared with those that are live, which somebody has tampered with.

use std::future::ready;

use cqrs_core::{
    Append, Batch, Checkpoint, DocumentWrite, DomainEvent, EventStore, FencingToken, GlobalPosition, NewEvent, Payload,
    ReadModel, StreamName, Target,
};
use cqrs_projections::{Differences, DocumentChange, RebuildError};
use cqrs_tests::ledger::{NAME, Sheet, folded};
use cqrs_tests::sink::Service;

use serde::{Deserialize, Serialize};

use super::place::Place;

/// Nothing to the ledger.
#[derive(Debug, Serialize, Deserialize, DomainEvent)]
#[event(domain = "noise")]
enum Noise {
    Made,
}

/// Writes documents into the live generation that no events gave.
async fn tamper(place: &Place, writes: &[(&str, Option<&Sheet>)]) {
    let model = &place.model;
    let noise = NewEvent::encode(StreamName::new("noise-1").unwrap(), &Noise::Made).unwrap();
    let position = place.store.append(Append::new(vec![noise])).await.unwrap().position;
    let live = model.live(&NAME.parse().unwrap()).await.unwrap().unwrap();
    let head = place.store.head().await.unwrap();
    for partition in live.partitions.all() {
        let target = Target { projection: NAME.parse().unwrap(), generation: live.generation, partition };
        let (token, checkpoint) = model.checkpoint(&target).await.unwrap();
        let token = FencingToken::after(token);
        model.fence(&target, token).await.unwrap();
        let own = writes.iter().filter(|(key, _)| live.partitions.of(key) == partition);
        let documents = own.map(|(key, sheet)| DocumentWrite {
            key: (*key).to_owned(),
            document: sheet.map(|sheet| Payload::encode(sheet).unwrap()),
            position,
        });
        let batch = Batch {
            from: checkpoint.map_or(GlobalPosition::START, |checkpoint| checkpoint.position),
            documents: documents.collect(),
            checkpoint: Checkpoint {
                store_id: head.store_id,
                position,
                event_id: head.event_id,
                generation: live.generation,
                token,
            },
        };
        model.apply(&target, batch).await.unwrap();
    }
}

fn assert_found(found: &Differences, wrong: &str, missing: &str, equal: usize) {
    assert_eq!((found.changed, found.added, found.removed, found.unsettled), (1, 1, 1, 0), "{found}");
    assert_eq!(found.equal, equal as u64, "{found}");
    for one in &found.documents {
        match &one.change {
            DocumentChange::Changed(values) => {
                assert_eq!(
                    (one.key.as_str(), values[0].path.as_str(), values.len()),
                    (wrong, "/balance", 1),
                    "{found}"
                );
            }
            DocumentChange::Added(_) => assert_eq!(one.key, missing),
            DocumentChange::Removed(_) => assert_eq!(one.key, "extra"),
            other => panic!("{other:?}"),
        }
    }
}

async fn differences_are_found(service: Service) {
    let place = Place::new(service).await;
    place.append(0..150).await;
    let running = place.start(3).await;
    place.assert_right(&running).await;
    let rebuilt = running.rebuild(NAME).compare().await.unwrap();
    let found = rebuilt.differences.unwrap();
    assert!(found.is_empty() && found.equal == folded(&place.store).await.len() as u64, "{found}");
    running.stop().await;

    let sheets = folded(&place.store).await;
    let mut accounts = sheets.iter();
    let ((wrong, right), (missing, _)) = (accounts.next().unwrap(), accounts.next().unwrap());
    let tampered = Sheet { balance: right.balance + 1, ..right.clone() };
    tamper(&place, &[(wrong, Some(&tampered)), (missing, None), ("extra", Some(&tampered))]).await;
    let count = sheets.len();

    let running = place.start(3).await;
    let refused = running.rebuild(NAME).swap_if(|_| ready(false)).await;
    let Err(RebuildError::Unwanted { differences, .. }) = refused else { panic!("{refused:?}") };
    assert_found(&differences, wrong, missing, count - 2);
    assert_eq!(place.generations().await, [2], "the live one stays");
    let rebuilt = running.rebuild(NAME).swap_if(|found| ready(found.different() == 3)).await.unwrap();
    assert_found(&rebuilt.differences.unwrap(), wrong, missing, count - 2);
    place.assert_right(&running).await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn differences_of_documents_in_redis_are_found() {
    differences_are_found(Service::Redis).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn differences_of_documents_in_elasticsearch_are_found() {
    differences_are_found(Service::Elastic).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn differences_of_documents_in_postgresql_are_found() {
    differences_are_found(Service::Postgres).await;
}
