use std::os::unix::process::ExitStatusExt;
use std::time::Duration;

use crate::place::{Place, in_place, said, start};
use crate::whole::assert_figures;

const SIGKILL: i32 = 9;

/// Starts the program, and kills it when it has written so many events in all.
async fn killed_at(place: &Place, events: i64) {
    let mut run = start(place.program());
    let mut look = tokio::time::interval(Duration::from_millis(10));
    let written = async {
        // There is no log before the program has made it.
        while place.try_count("count(*)").await.unwrap_or(0) < events {
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

#[tokio::test]
async fn killed_in_the_middle_of_the_import_and_started_again_it_ends_in_the_same_figures() {
    in_place(async |place| {
        killed_at(place, 10_000).await;
        let written = place.count("count(*)").await;
        assert!((10_000..93_229).contains(&written), "{written}");
        killed_at(place, written + 20_000).await;

        let said = said(place.program().output().await.unwrap());
        assert_figures(&said);
        assert!(said.contains("of them were there before and were not written again\n"), "{said}");

        assert_eq!(place.count("count(*)").await, 93_229);
        assert_eq!(place.count("count(*) filter (where event_type = 'customer.joined.v1')").await, 23_570);
        assert_eq!(place.count("count(*) filter (where event_type = 'customer.purchased.v1')").await, 69_659);
        assert_eq!(place.count("sum((payload->>'cents')::bigint)").await, 250_031_563);
        assert_eq!(place.count("sum((payload->>'cds')::bigint)").await, 167_881);
        assert_eq!(place.count("count(distinct metadata->>'command_id')").await, 69_659);
    })
    .await;
}
