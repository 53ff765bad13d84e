//! A process that keeps the ledger's sheets up to date, together with others, or rebuilds them.

use std::path::PathBuf;
use std::time::Duration;

use cqrs_projections::{Backoff, Projections, RetryTransient};

use super::{Place, told_to_end};
use crate::ledger::{NAME, Sheets};
use crate::sink::Sink;

pub(super) async fn project(store: Place, sink: Sink, partitions: u16, lease_time: Duration, label: String) {
    let store = store.options().connect().await.unwrap();
    let quick = RetryTransient::new(Backoff::new(Duration::from_millis(5), Duration::from_millis(100)));
    let running = Projections::new(store.clone())
        .add(NAME, Sheets(partitions), sink.connect().await)
        .leases(store.leases())
        .lease_time(lease_time)
        .label(label)
        .error_policy(quick)
        .start()
        .await
        .unwrap();
    told_to_end().await;
    running.stop().await;
}

pub(super) async fn rebuild(store: Place, sink: Sink, partitions: u16, events_per_second: u32, progress: PathBuf) {
    let store = store.options().connect().await.unwrap();
    let projections = Projections::new(store).add(NAME, Sheets(partitions), sink.connect().await);
    let running = projections.start().await.unwrap();
    let rebuild = running.rebuild(NAME).throttle(events_per_second).progress(move |now| {
        // A reader sees the one number or the other.
        let next = progress.with_extension("next");
        std::fs::write(&next, now.events.to_string()).unwrap();
        std::fs::rename(&next, &progress).unwrap();
    });
    rebuild.await.unwrap();
    running.stop().await;
}
