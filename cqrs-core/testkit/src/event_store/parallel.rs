//! Many writers at once, and readers that follow them.

use std::collections::HashSet;
use std::future::Future;

use cqrs_core::{
    Append, AppendError, Appended, EventId, ExpectedVersion, Filter, GlobalPosition, ReadAll, RecordedEvent, Version,
};

use super::{Store, append, assert_conflict, assert_log_is_sound, event, events, ids, log, new_ids, stream, stream_of};

/// Runs tasks side by side on the threads of the runtime and gives their results in order.
pub(super) async fn together<T: Send + 'static>(
    tasks: impl IntoIterator<Item = impl Future<Output = T> + Send + 'static>,
) -> Vec<T> {
    let running: Vec<_> = tasks.into_iter().map(tokio::spawn).collect();
    let mut results = Vec::with_capacity(running.len());
    for task in running {
        results.push(task.await.expect("a writer does not panic"));
    }
    results
}

pub async fn twenty_parallel_appends_that_succeed_are_twenty_in_the_log(store: Store) {
    let writers = (0..20).map(|_| {
        let store = store.clone();
        async move {
            let event = event("account-a");
            let id = event.id;
            (id, append(&store, Append::new(vec![event])).await)
        }
    });
    let written = together(writers).await;
    let log = log(&store).await;
    assert_eq!(log.len(), 20);
    for (id, appended) in written {
        let recorded: Vec<_> = log.iter().filter(|event| event.id == id).collect();
        assert_eq!(recorded.len(), 1, "each success is in the log once");
        assert_eq!((recorded[0].position, recorded[0].version), (appended.position, appended.version()));
    }
}

pub async fn twenty_parallel_appends_to_streams_of_their_own_all_succeed(store: Store) {
    let writers = (0..20).map(|number| {
        let store = store.clone();
        async move {
            let to = format!("account-{number}");
            append(&store, Append::new(events(&to, 3)).expect(stream(&to), ExpectedVersion::NoStream)).await
        }
    });
    let positions: HashSet<_> = together(writers).await.into_iter().map(|appended| appended.position).collect();
    assert_eq!(positions.len(), 20);
    assert_eq!(log(&store).await.len(), 60);
}

pub async fn one_of_many_writers_wins_each_version_and_the_others_learn_who_is_there(store: Store) {
    for round in 0..10 {
        let expected = ExpectedVersion::of(Version::new(round));
        let writers =
            (0..8).map(|_| {
                let store = store.clone();
                async move {
                    store.append(Append::new(vec![event("account-a")]).expect(stream("account-a"), expected)).await
                }
            });
        let results = together(writers).await;
        let (won, lost): (Vec<_>, Vec<_>) = results.into_iter().partition(Result::is_ok);
        assert_eq!(won.len(), 1, "one writer wins version {}", round + 1);
        for error in lost.into_iter().filter_map(Result::err) {
            assert_conflict(&error, "account-a", expected, Some(round + 1));
        }
    }
    assert_eq!(stream_of(&store, "account-a").await.len(), 10);
}

pub async fn writers_that_try_again_after_a_conflict_all_get_through(store: Store) {
    let writers = (0..5).map(|_| {
        let store = store.clone();
        async move {
            let mut done = 0;
            let mut expected = ExpectedVersion::NoStream;
            while done < 5 {
                match store.append(Append::new(vec![event("account-a")]).expect(stream("account-a"), expected)).await {
                    Ok(appended) => {
                        done += 1;
                        expected = ExpectedVersion::Exact(appended.version());
                    }
                    Err(AppendError::Conflict { actual, .. }) => expected = ExpectedVersion::of(actual),
                    Err(error) => unreachable!("a writer is told of a conflict or succeeds: {error:?}"),
                }
            }
        }
    });
    together(writers).await;
    log(&store).await;
    assert_eq!(stream_of(&store, "account-a").await.len(), 25);
}

pub async fn parallel_duplicates_of_one_append_all_succeed_and_write_once(store: Store) {
    for round in 0..5 {
        let to = format!("account-{round}");
        let events = events(&to, 3);
        let duplicates = (0..10).map(|number| {
            let (store, events, to) = (store.clone(), events.clone(), stream(&to));
            let expected = if number % 2 == 0 { ExpectedVersion::NoStream } else { ExpectedVersion::Any };
            async move { append(&store, Append::new(events).expect(to, expected)).await }
        });
        let answers = together(duplicates).await;
        assert_eq!(answers.iter().filter(|answer| !answer.repeated).count(), 1, "one of them has written");
        let places: HashSet<_> = answers.iter().map(|answer| (answer.first_position, answer.position)).collect();
        assert_eq!(places.len(), 1, "all of them are told the same place");
        assert_eq!(ids(&stream_of(&store, &to).await), new_ids(&events));
    }
}

pub async fn parallel_appends_to_overlapping_streams_are_atomic(store: Store) {
    let names = ["account-a", "account-b", "account-c"];
    let writers = (0..30).map(|number| {
        let store = store.clone();
        async move {
            let (one, other) = (names[number % 3], names[(number + 1) % 3]);
            let events = vec![event(one), event(other), event(one)];
            let ids = new_ids(&events);
            (ids, append(&store, Append::new(events)).await)
        }
    });
    let written = together(writers).await;
    let log = log(&store).await;
    assert_eq!(log.len(), 90);
    for (expected, appended) in written {
        let from = log.iter().position(|event| event.position == appended.first_position).expect("it is in the log");
        assert_eq!(ids(&log[from..from + 3]), expected, "the events of one append follow each other");
    }
}

/// Writers of a mixed load: `WRITERS` tasks, each `APPENDS` appends of one to three events to shared streams.
async fn mixed_load(store: &Store) -> Vec<Appended> {
    const WRITERS: usize = 8;
    const APPENDS: usize = 25;
    let writers = (0..WRITERS).map(|writer| {
        let store = store.clone();
        async move {
            let mut appended = Vec::new();
            for number in 0..APPENDS {
                let to = format!("account-{}", (writer + number) % 5);
                appended.push(append(&store, Append::new(events(&to, 1 + number % 3))).await);
            }
            appended
        }
    });
    together(writers).await.into_iter().flatten().collect()
}

pub async fn positions_clock_and_versions_are_sound_under_parallel_writers(store: Store) {
    let appended = mixed_load(&store).await;
    let log = log(&store).await;
    assert_log_is_sound(&log);
    assert_eq!(log.len(), appended.iter().map(|appended| appended.versions.len()).sum::<usize>());
}

pub async fn a_writer_sees_its_appends_in_order(store: Store) {
    let writers = (0..6).map(|_| {
        let store = store.clone();
        async move {
            let mut last = GlobalPosition::START;
            for _ in 0..15 {
                let appended = append(&store, Append::new(events("account-a", 2))).await;
                assert!(appended.first_position > last, "what is appended later stands later");
                last = appended.position;
            }
        }
    });
    together(writers).await;
    assert_eq!(log(&store).await.len(), 180);
}

/// What a reader that follows the log has seen, until it has seen as many events as were written.
fn assert_seen_once_in_order(seen: &[RecordedEvent], log: &[RecordedEvent]) {
    let distinct: HashSet<EventId> = seen.iter().map(|event| event.id).collect();
    assert_eq!(distinct.len(), seen.len(), "no event is seen twice");
    assert_eq!(ids(seen), ids(log), "every event is seen, in the order of the log");
}

pub async fn a_reader_of_pages_skips_nothing_while_others_write(store: Store) {
    let reading = tokio::spawn({
        let store = store.clone();
        async move {
            let (mut seen, mut after) = (Vec::new(), GlobalPosition::START);
            // The load ends with an event that tells the reader to stop.
            while seen.last().is_none_or(|event: &RecordedEvent| event.stream.category() != "end") {
                let page = store.read_all(ReadAll::after(after).limit(7)).await.expect("the log can be read");
                assert!(page.scanned_to >= after, "the frontier never goes back");
                after = page.scanned_to;
                seen.extend(page.events);
                tokio::task::yield_now().await;
            }
            seen
        }
    });
    mixed_load(&store).await;
    append(&store, Append::new(vec![event("end-1")])).await;
    let seen = reading.await.expect("the reader does not panic");
    assert_seen_once_in_order(&seen, &log(&store).await);
}

pub async fn a_subscription_skips_nothing_while_others_write(store: Store) {
    let mut subscription = store.subscribe(GlobalPosition::START, Filter::All).await.expect("the log can be followed");
    let reading = tokio::spawn(async move {
        let mut seen: Vec<RecordedEvent> = Vec::new();
        while seen.last().is_none_or(|event| event.stream.category() != "end") {
            seen.extend(subscription.next().await.expect("the log can be followed").events);
        }
        seen
    });
    mixed_load(&store).await;
    append(&store, Append::new(vec![event("end-1")])).await;
    let seen = reading.await.expect("the reader does not panic");
    assert_seen_once_in_order(&seen, &log(&store).await);
}

pub async fn a_reader_never_sees_part_of_an_append(store: Store) {
    let reading = tokio::spawn({
        let store = store.clone();
        async move {
            loop {
                let page = store.read_all(ReadAll::after(GlobalPosition::START)).await.expect("the log can be read");
                let accounts = page.events.iter().filter(|event| event.stream.category() == "account").count();
                assert_eq!(accounts % 4, 0, "the four events of an append become visible together");
                if accounts < page.events.len() {
                    return;
                }
                tokio::task::yield_now().await;
            }
        }
    });
    let writers = (0..5).map(|writer| {
        let store = store.clone();
        async move {
            for _ in 0..10 {
                append(&store, Append::new(events(&format!("account-{writer}"), 4))).await;
            }
        }
    });
    together(writers).await;
    append(&store, Append::new(vec![event("end-1")])).await;
    reading.await.expect("the reader sees whole appends only");
}
