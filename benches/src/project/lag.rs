//! How long after its commit an event is visible to readers.

use std::sync::Arc;
use std::time::{Duration, Instant};

use cqrs_core::{Append, Documents, GlobalPosition, StreamName};
use cqrs_projections::Projections;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

use super::place::Place;
use super::statement::{NEWEST, Oracle, PROJECTION, Statement, Statements, account};
use super::{DONE, Options};
use crate::Error;
use crate::measure::Measured;
use crate::report::{Line, Report, parameters};
use crate::store::Opened;
use crate::workload::new_event;

/// Between two looks of a reader.
const LOOK: Duration = Duration::from_millis(1);

/// How long readers may take to see the last event.
const PATIENCE: Duration = Duration::from_secs(60);

/// An append that was acknowledged.
struct Appended {
    number: u64,
    position: GlobalPosition,
    at: Instant,
}

/// What a reader saw, in the order of time: everything up to `position`.
type Seen = Vec<(Instant, u64)>;

pub async fn run(options: &Options, rate: u32, report: &Report) -> Result<(), Error> {
    if rate == 0 {
        return Err("a lag needs appends".into());
    }
    let opened = options.store.open().await?;
    let place: Arc<dyn Place> = Arc::from(options.sink.place().await?);
    let statements = Statements { partitions: 1, with_newest: true };
    let running = Projections::new(opened.store.clone()).add(PROJECTION, statements, place.model()).start().await?;
    let (end, ended) = watch::channel(None);
    let documents = Arc::new(Documents::<Statement>::new(place.model(), PROJECTION)?);
    let read = move || {
        let documents = Arc::clone(&documents);
        async move { Ok(documents.get(NEWEST).await?.map_or(0, |newest| newest.position)) }
    };
    let mut readers = vec![("read", tokio::spawn(look(ended.clone(), read)))];
    if place.searched().await?.is_some() {
        let searching = Arc::clone(&place);
        let search = move || {
            let place = Arc::clone(&searching);
            async move { Ok(place.searched().await?.unwrap_or_default()) }
        };
        readers.push(("search", tokio::spawn(look(ended, search))));
    }
    let begun = Instant::now();
    let appended = append(&opened, options, rate).await?;
    let measured = Measured::of(appended.len() as u64, begun.elapsed());
    let last = appended.iter().map(|appended| appended.position).max().ok_or("nothing was appended")?;
    end.send_replace(Some(last.get()));
    for (how, reader) in readers {
        let seen =
            tokio::time::timeout(PATIENCE, reader).await.map_err(|_| format!("{how}: an event was not seen"))???;
        let lags = lags(&appended, &seen)?;
        let longest = lags.last().map(|micros| f64::from(*micros) / 1_000.0);
        let measured = Measured { per_second: measured.per_second, ..Measured::of_micros(&lags) };
        report.line(&line(options, how, rate, measured, json!(longest)))?;
    }
    running.wait_for(last, DONE).await?;
    let numbers = appended.iter().map(|appended| appended.number);
    Oracle::new(numbers, options.documents, true).check(&*place).await?;
    running.stop().await;
    place.remove().await?;
    opened.close().await
}

/// Each appender at its share of the rate, whatever the appends before it take.
async fn append(opened: &Opened, options: &Options, rate: u32) -> Result<Vec<Appended>, Error> {
    let appenders = options.appenders.min(rate);
    let begun = Instant::now();
    let end = begun + Duration::from_secs(options.seconds);
    let mut tasks = JoinSet::new();
    for appender in 0..appenders {
        let (store, documents) = (Arc::clone(&opened.store), options.documents);
        tasks.spawn(async move {
            let every = Duration::from_secs(1) * appenders / rate;
            let mut ticks = tokio::time::interval_at((begun + every * appender / appenders).into(), every);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
            let mut appended = Vec::new();
            for call in 0.. {
                if ticks.tick().await.into_std() >= end {
                    break;
                }
                let number = call * u64::from(appenders) + u64::from(appender);
                let stream = StreamName::of("account", &account(number, documents))?;
                let position = store.append(Append::new(vec![new_event(&stream, number)?])).await?.position;
                appended.push(Appended { number, position, at: Instant::now() });
            }
            Ok::<_, Error>(appended)
        });
    }
    let mut all = Vec::new();
    while let Some(appended) = tasks.join_next().await {
        all.append(&mut appended??);
    }
    Ok(all)
}

/// Looks again and again, until the last event is seen.
async fn look<F>(last: watch::Receiver<Option<u64>>, look: impl Fn() -> F) -> Result<Seen, Error>
where
    F: Future<Output = Result<u64, Error>>,
{
    let mut seen: Seen = Vec::new();
    loop {
        let position = look().await?;
        let before = seen.last().map_or(0, |(_, position)| *position);
        if position < before {
            return Err(format!("a reader saw {position} after {before}").into());
        }
        if position > before {
            seen.push((Instant::now(), position));
        }
        if last.borrow().is_some_and(|last| position >= last) {
            return Ok(seen);
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// In microseconds, ascending.
fn lags(appended: &[Appended], seen: &Seen) -> Result<Vec<u32>, Error> {
    let mut lags = Vec::with_capacity(appended.len());
    for Appended { position, at, .. } in appended {
        let first = seen.partition_point(|(_, seen)| *seen < position.get());
        let (visible, _) = seen.get(first).ok_or("an event was not seen")?;
        lags.push(u32::try_from(visible.saturating_duration_since(*at).as_micros()).unwrap_or(u32::MAX));
    }
    lags.sort_unstable();
    Ok(lags)
}

fn line(options: &Options, how: &str, rate: u32, measured: Measured, longest: Value) -> Line {
    Line {
        bench: "project",
        subject: format!("{} lag, {how}", options.sink.name()),
        per_second: measured.per_second,
        p50_ms: measured.p50_ms,
        p99_ms: measured.p99_ms,
        parameters: parameters([
            ("store", json!(options.store.name())),
            ("rate", json!(rate)),
            ("appenders", json!(options.appenders)),
            ("documents", json!(options.documents)),
            ("seconds", json!(options.seconds)),
            ("longest_ms", longest),
        ]),
        baseline: None,
    }
}
