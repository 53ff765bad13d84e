//! Aggregates whose streams are truncated before an event that restarts the state.

use std::time::Duration;

use cqrs_core::in_memory::{InMemoryEventStore, InMemorySnapshotStore};
use cqrs_core::{
    Aggregate, Append, Apply, AsOf, CommandId, Context, DomainEvent, EventStore, EventType, ExecuteError, Handle,
    LoadError, NewEvent, Payload, Repository, SnapshotQuery, SnapshotStore, StreamFactsChange, StreamFactsError,
    StreamName, Timestamp, TruncateError, Version,
};
use serde::{Deserialize, Serialize};

use super::watched_store::WatchedStore;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, DomainEvent)]
#[event(domain = "diary")]
pub enum DiaryEvent {
    Noted {
        number: u32,
    },
    #[event(restarts)]
    SummedUp {
        sum: u32,
    },
}

/// Every event leaves its trace: what is folded in besides, or in another order, shows.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, Aggregate)]
#[aggregate(stream = "diary", id = String, event = DiaryEvent, error = std::fmt::Error, snapshot(every = 3, version = 1))]
pub struct Diary {
    pub entries: Vec<u32>,
}

impl Apply for Diary {
    fn apply(&mut self, event: &DiaryEvent) {
        let (DiaryEvent::Noted { number } | DiaryEvent::SummedUp { sum: number }) = event;
        self.entries.push(*number);
    }
}

pub struct Note(pub u32);
pub struct SumUp;

impl Handle<Note> for Diary {
    fn handle(&self, Note(number): &Note) -> Result<Vec<DiaryEvent>, std::fmt::Error> {
        Ok(vec![DiaryEvent::Noted { number: *number }])
    }
}

impl Handle<SumUp> for Diary {
    fn handle(&self, _: &SumUp) -> Result<Vec<DiaryEvent>, std::fmt::Error> {
        Ok(vec![DiaryEvent::SummedUp { sum: self.entries.iter().sum() }])
    }
}

pub fn id() -> String {
    "a".to_owned()
}

pub fn stream() -> StreamName {
    StreamName::new("diary-a").unwrap()
}

pub fn version(number: u64) -> Version {
    Version::new(number).unwrap()
}

pub async fn entries(diaries: &Repository<Diary>) -> Vec<u32> {
    diaries.load(&id()).await.unwrap().unwrap().state.entries
}

/// 1, 2, 3 noted, summed up to 6 as the fourth event, then 7 and 8 noted.
async fn given() -> (WatchedStore, Repository<Diary>) {
    let store = WatchedStore::default();
    let diaries = crate::repository::<Diary>(store.clone());
    for number in [1, 2, 3] {
        diaries.execute(&id(), Note(number)).await.unwrap();
    }
    diaries.execute(&id(), SumUp).await.unwrap();
    for number in [7, 8] {
        diaries.execute(&id(), Note(number)).await.unwrap();
    }
    (store, diaries)
}

pub fn assert_truncated<T: std::fmt::Debug>(loaded: &Result<T, LoadError>, at: u64) {
    assert!(
        matches!(loaded, Err(LoadError::Truncated { stream: of, before }) if *of == stream() && before.get() == at),
        "{loaded:?}"
    );
}

#[tokio::test]
async fn an_event_that_restarts_the_state_forgets_what_was_before() {
    let (_, diaries) = given().await;
    assert_eq!(entries(&diaries).await, [6, 7, 8], "as it was decided");
    let (store, _) = given().await;
    assert_eq!(entries(&Repository::new(store)).await, [6, 7, 8], "as it is folded");
}

#[tokio::test]
async fn a_truncated_aggregate_is_the_same_and_reads_only_what_is_left() {
    let (store, diaries) = given().await;
    let facts = diaries.truncate_before(&id(), version(4)).await.unwrap();
    assert_eq!(facts.truncated_before, Version::new(4));
    assert_eq!(entries(&diaries).await, [6, 7, 8]);
    store.events_read();
    let elsewhere = crate::repository::<Diary>(store.clone());
    assert_eq!(entries(&elsewhere).await, [6, 7, 8]);
    assert_eq!(store.events_read(), 3);
    assert_eq!(elsewhere.history(&id()).await.unwrap().len(), 3);
    let done = elsewhere.execute(&id(), SumUp).await.unwrap();
    assert_eq!(done.version, Version::new(7), "versions go on");
    assert_eq!(entries(&diaries).await, [21]);
    diaries.truncate_before(&id(), version(7)).await.unwrap();
    assert_eq!(entries(&crate::repository::<Diary>(store)).await, [21]);
}

#[tokio::test]
async fn an_event_that_does_not_restart_the_state_truncates_nothing() {
    let (store, diaries) = given().await;
    for number in [1, 3, 5, 6] {
        let error = diaries.truncate_before(&id(), version(number)).await.unwrap_err();
        assert!(
            matches!(&error, TruncateError::DoesNotRestart { stream: of, version, event_type }
                if *of == stream() && version.get() == number && event_type.as_str() == "diary.noted.v1"),
            "{error:?}"
        );
    }
    assert!(store.stream_facts().facts(&stream()).await.unwrap().is_empty());
}

#[tokio::test]
async fn what_cannot_be_truncated_is_told_precisely() {
    let (_, diaries) = given().await;
    let refused = |error: TruncateError| match error {
        TruncateError::Facts(error) => error,
        error => panic!("{error:?}"),
    };
    let error = refused(diaries.truncate_before(&"none".to_owned(), version(1)).await.unwrap_err());
    assert!(matches!(error, StreamFactsError::NoSuchStream { .. }), "{error:?}");
    let error = refused(diaries.truncate_before(&id(), version(7)).await.unwrap_err());
    assert!(matches!(&error, StreamFactsError::VersionBeyondEnd { newest, .. } if newest.get() == 6), "{error:?}");
    diaries.execute(&id(), SumUp).await.unwrap();
    diaries.truncate_before(&id(), version(7)).await.unwrap();
    diaries.truncate_before(&id(), version(7)).await.expect("again");
    let error = refused(diaries.truncate_before(&id(), version(4)).await.unwrap_err());
    assert!(
        matches!(&error, StreamFactsError::TruncatedFurther { truncated_before, .. } if truncated_before.get() == 7),
        "{error:?}"
    );
    let error = diaries.truncate_before(&"\0".to_owned(), version(1)).await.unwrap_err();
    assert!(matches!(error, TruncateError::Load(LoadError::InvalidId(_))), "{error:?}");
}

#[tokio::test]
async fn an_event_that_cannot_be_decoded_truncates_nothing() {
    let (store, diaries) = given().await;
    let summed_up = EventType::new("diary.summed_up.v1").unwrap();
    let broken = NewEvent::raw(stream(), summed_up, Payload::from_bytes(&b"{}"[..]));
    store.append(Append::new(vec![broken])).await.unwrap();
    let error = diaries.truncate_before(&id(), version(7)).await.unwrap_err();
    assert!(matches!(error, TruncateError::Load(LoadError::Undecodable(_))), "{error:?}");
}

#[tokio::test]
async fn a_past_before_the_truncation_is_an_error_and_never_a_wrong_state() {
    let (_, diaries) = given().await;
    let history = diaries.history(&id()).await.unwrap();
    diaries.truncate_before(&id(), version(4)).await.unwrap();
    for event in &history {
        let expected: &[u32] = match event.version.get() {
            4 => &[6],
            5 => &[6, 7],
            _ => &[6, 7, 8],
        };
        for moment in [AsOf::Version(event.version), AsOf::Position(event.position), AsOf::Recorded(event.recorded_at)]
        {
            let loaded = diaries.load_as_of(&id(), moment).await;
            match event.version.get() {
                1..4 => assert_truncated(&loaded, 4),
                _ => assert_eq!(loaded.unwrap().unwrap().state.entries, expected, "{moment:?}"),
            }
        }
    }
    assert_truncated(&diaries.load_as_of(&id(), AsOf::Recorded(Timestamp::MIN)).await, 4);
    let error = diaries.load_as_of(&id(), AsOf::Version(version(7))).await.unwrap_err();
    assert!(matches!(error, LoadError::VersionBeyondEnd { newest, .. } if newest == Version::new(6)), "{error:?}");
}

#[tokio::test]
async fn what_had_occurred_is_known_when_a_restart_had_occurred_by_then() {
    let diaries = crate::repository::<Diary>(InMemoryEventStore::new());
    let at = |micros| Timestamp::from_micros(micros);
    // The first happened after all others, as it turned out.
    for (number, happened) in [(1, 100), (2, 20)] {
        diaries.execute_with(&id(), Note(number), Context::new().occurred_at(at(happened))).await.unwrap();
    }
    diaries.execute_with(&id(), SumUp, Context::new().occurred_at(at(50))).await.unwrap();
    for (number, happened) in [(7, 70), (8, 40)] {
        diaries.execute_with(&id(), Note(number), Context::new().occurred_at(at(happened))).await.unwrap();
    }
    let as_of = async |micros| {
        let loaded = diaries.load_as_of(&id(), AsOf::Occurred(at(micros))).await;
        loaded.map(|loaded| loaded.map(|loaded| loaded.state.entries))
    };
    let moments = [(50, vec![3, 8]), (69, vec![3, 8]), (70, vec![3, 7, 8]), (100, vec![3, 7, 8])];
    for (micros, expected) in &moments {
        assert_eq!(as_of(*micros).await.unwrap().as_ref(), Some(expected), "{micros}, before");
    }
    assert_eq!(as_of(19).await.unwrap(), None);
    assert_eq!(as_of(49).await.unwrap(), Some(vec![2, 8]), "the restart had not occurred yet");
    diaries.truncate_before(&id(), version(3)).await.unwrap();
    for (micros, expected) in &moments {
        assert_eq!(as_of(*micros).await.unwrap().as_ref(), Some(expected), "{micros}, after");
    }
    for micros in [19, 40, 49] {
        assert_truncated(&as_of(micros).await, 3);
    }
}

fn newest(as_of: Option<AsOf>) -> SnapshotQuery {
    SnapshotQuery { stream: stream(), as_of, state_version: 1, fingerprint: DiaryEvent::FINGERPRINT }
}

/// Waits for the snapshot at `at`, which is taken in the background.
async fn taken(snapshots: &InMemorySnapshotStore, at: u64) {
    let waiting = async {
        while snapshots.newest(&newest(None)).await.unwrap().is_none_or(|snapshot| snapshot.version.get() != at) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), waiting).await.expect("the snapshot is taken");
}

#[tokio::test]
async fn snapshots_from_before_the_truncation_are_not_used() {
    let (store, snapshots) = (WatchedStore::default(), InMemorySnapshotStore::new());
    let diaries = crate::repository::<Diary>(store.clone()).snapshots(snapshots.clone());
    for number in [1, 2, 3] {
        diaries.execute(&id(), Note(number)).await.unwrap();
    }
    taken(&snapshots, 3).await;
    diaries.execute(&id(), SumUp).await.unwrap();
    diaries.truncate_before(&id(), version(4)).await.unwrap();
    let elsewhere = || crate::repository::<Diary>(store.clone()).snapshots(snapshots.clone());
    assert_eq!(entries(&elsewhere()).await, [6]);
    assert_eq!(snapshots.newest(&newest(None)).await.unwrap(), None, "nor kept");
    assert_truncated(&elsewhere().load_as_of(&id(), AsOf::Version(version(3))).await, 4);
    for number in [7, 8] {
        diaries.execute(&id(), Note(number)).await.unwrap();
    }
    taken(&snapshots, 6).await;
    store.events_read();
    assert_eq!(entries(&elsewhere()).await, [6, 7, 8]);
    assert_eq!(store.events_read(), 1, "the event that the newer snapshot stands on");
}

#[tokio::test]
async fn a_restart_makes_later_snapshots_fit_earlier_moments() {
    let snapshots = InMemorySnapshotStore::new();
    let diaries = crate::repository::<Diary>(InMemoryEventStore::new()).snapshots(snapshots.clone());
    let happened = |micros| Context::new().occurred_at(Timestamp::from_micros(micros));
    diaries.execute_with(&id(), Note(1), happened(100)).await.unwrap();
    diaries.execute_with(&id(), SumUp, happened(50)).await.unwrap();
    diaries.execute_with(&id(), Note(2), happened(60)).await.unwrap();
    taken(&snapshots, 3).await;
    let snapshot = snapshots.newest(&newest(Some(AsOf::Occurred(Timestamp::from_micros(60))))).await.unwrap();
    assert_eq!(snapshot.map(|snapshot| snapshot.happened_until), Some(Timestamp::from_micros(60)));
}

#[tokio::test]
async fn a_stream_that_was_truncated_elsewhere_than_at_a_restart_is_refused_not_misread() {
    let (store, _) = given().await;
    let before = |number| StreamFactsChange::TruncateBefore(version(number));
    store.stream_facts().change_facts(&stream(), before(3)).await.unwrap();
    let diaries = crate::repository::<Diary>(store.clone());
    assert_eq!(entries(&diaries).await, [6, 7, 8], "a restart comes after it");
    assert_truncated(&diaries.load_as_of(&id(), AsOf::Version(version(3))).await, 3);
    store.stream_facts().change_facts(&stream(), before(5)).await.unwrap();
    let diaries = crate::repository::<Diary>(store.clone());
    assert_truncated(&diaries.load(&id()).await, 5);
    let refused = diaries.execute(&id(), Note(9)).await;
    assert!(matches!(refused, Err(ExecuteError::Permanent(_))), "{refused:?}");
    assert_eq!(store.head().await.unwrap().position.get(), 6, "nothing was written");
}

#[tokio::test]
async fn a_repeated_command_whose_events_were_cut_off_gets_the_first_answer() {
    let (store, diaries) = given().await;
    let again = Context::new().command_id(CommandId::new());
    let command = || again.clone();
    let first = diaries.execute_with(&id(), Note(9), command()).await.unwrap();
    let summed_up = diaries.execute(&id(), SumUp).await.unwrap();
    diaries.truncate_before(&id(), summed_up.version.unwrap()).await.unwrap();
    for diaries in [diaries, crate::repository::<Diary>(store)] {
        let again = diaries.execute_with(&id(), Note(9), command()).await.unwrap();
        assert!(again.repeated);
        assert_eq!((again.events, again.version, again.position), (1, first.version, first.position));
        assert_eq!(entries(&diaries).await, [30]);
    }
}

#[tokio::test]
async fn a_state_that_was_known_before_is_brought_up_to_date_after_a_truncation_elsewhere() {
    let (store, here) = given().await;
    let elsewhere = crate::repository::<Diary>(store);
    elsewhere.execute(&id(), SumUp).await.unwrap();
    elsewhere.execute(&id(), Note(1)).await.unwrap();
    elsewhere.truncate_before(&id(), version(7)).await.unwrap();
    assert_eq!(entries(&here).await, [21, 1]);
    here.execute(&id(), Note(2)).await.unwrap();
    assert_eq!(entries(&here).await, [21, 1, 2]);
    assert_eq!(entries(&elsewhere).await, [21, 1, 2]);
}
