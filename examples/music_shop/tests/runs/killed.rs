use std::collections::HashSet;
use std::os::unix::process::ExitStatusExt;
use std::process::Stdio;
use std::time::Duration;

use cqrs_core::{EventStore, RecordedEvent};
use serde::Deserialize;
use showcase::place::{Place, log, said};

use crate::SHOP;
use crate::whole::assert_figures;

const SIGKILL: i32 = 9;

/// Starts the program, and kills it when it has written so many events in all.
async fn killed_at(place: &Place, events: usize) {
    let mut run = place.program().stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let store = place.store().await;
    let mut look = tokio::time::interval(Duration::from_millis(10));
    let written = async {
        // There is no log before the program has made it.
        while store.head().await.map_or(0, |head| head.position.get()) < events as u64 {
            look.tick().await;
        }
    };
    tokio::select! {
        written = tokio::time::timeout(Duration::from_secs(120), written) => written.unwrap(),
        ended = run.wait() => panic!("it ended by itself: {ended:?}"),
    }
    run.start_kill().unwrap();
    assert_eq!(run.wait().await.unwrap().signal(), Some(SIGKILL), "it was not killed in the middle");
}

/// Each line of the file has led to its events once.
fn assert_whole(log: &[RecordedEvent]) {
    #[derive(Deserialize)]
    struct Purchased {
        cds: u64,
        cents: i64,
    }
    let of = |event_type: &'static str| log.iter().filter(move |event| event.event_type.as_str() == event_type);
    let purchased: Vec<Purchased> = of("customer.purchased.v1").map(|event| event.payload.decode().unwrap()).collect();
    assert_eq!(of("customer.joined.v1").count(), 23_570);
    assert_eq!(purchased.len(), 69_659);
    assert_eq!(log.len(), 93_229);
    assert_eq!(purchased.iter().map(|purchase| purchase.cents).sum::<i64>(), 250_031_563);
    assert_eq!(purchased.iter().map(|purchase| purchase.cds).sum::<u64>(), 167_881);
    let commands: HashSet<_> = log.iter().map(|event| event.metadata().unwrap().command_id).collect();
    assert_eq!(commands.len(), 69_659);
}

#[tokio::test]
async fn killed_in_the_middle_of_the_import_and_started_again_it_ends_in_the_same_figures() {
    SHOP.in_place(async |place| {
        killed_at(place, 10_000).await;
        let written = log(&place.store().await).await.len();
        assert!((10_000..93_229).contains(&written), "{written}");
        killed_at(place, written + 20_000).await;

        let said = said(place.program().output().await.unwrap());
        assert_figures(&said);
        assert!(said.contains("of them were there before and were not written again\n"), "{said}");
        assert_whole(&log(&place.store().await).await);
    })
    .await;
}
