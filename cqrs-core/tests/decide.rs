//! The rules of an append, against a naive model that keeps the whole log and looks everything up.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that fails is what it is for")]

use std::collections::HashSet;

use cqrs_core::append_queue::{GroupFacts, Wanted};
use cqrs_core::in_memory::InMemoryEventStore;
use cqrs_core::{
    Append, AppendError, Appended, ClaimKey, Condition, EventId, EventQuery, EventStore, EventType, Existing,
    ExpectedVersion, GlobalPosition, Limits, NewEvent, Payload, QueryItem, ReadAll, RecordedEvent, StreamFactsStore,
    StreamName, Timestamp, Version,
};
use proptest::prelude::*;

/// Few streams, ids and payloads, so that they meet often.
fn stream() -> impl Strategy<Value = StreamName> {
    (0..3u8).prop_map(|number| StreamName::new(format!("account-{number}")).unwrap())
}

fn expected() -> impl Strategy<Value = ExpectedVersion> {
    prop_oneof![
        Just(ExpectedVersion::Any),
        Just(ExpectedVersion::NoStream),
        Just(ExpectedVersion::StreamExists),
        (1..6u64).prop_map(|number| ExpectedVersion::Exact(Version::new(number).unwrap())),
    ]
}

fn key() -> impl Strategy<Value = ClaimKey> {
    (0..3u8).prop_map(|number| ClaimKey::new("email", number.to_string()).unwrap())
}

/// Mostly none, so that other rules have their say.
fn keys() -> impl Strategy<Value = Vec<ClaimKey>> {
    prop_oneof![5 => Just(Vec::new()), 2 => prop::collection::vec(key(), 1..3)]
}

fn tags() -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec((0..4u8).prop_map(|number| format!("tag:{number}")), 0..3)
}

/// Of types that the log has and has not.
fn query() -> impl Strategy<Value = EventQuery> {
    let types = prop::collection::vec(prop::sample::select(vec!["account.deposited.v1", "account.opened.v1"]), 0..2);
    let item = (types, tags()).prop_map(|(types, tags)| {
        let types = types.into_iter().map(|name| EventType::new(name).unwrap());
        tags.into_iter().fold(QueryItem::new().types(types), QueryItem::tag)
    });
    prop::collection::vec(item, 0..3).prop_map(EventQuery::any_of)
}

/// After a position that may lie beyond the end of the log.
fn queries() -> impl Strategy<Value = Vec<(EventQuery, GlobalPosition)>> {
    let after = (0..20u64).prop_map(GlobalPosition::new);
    prop_oneof![4 => Just(Vec::new()), 2 => prop::collection::vec((query(), after), 1..3)]
}

fn event() -> impl Strategy<Value = NewEvent> {
    let said = (keys(), keys(), tags());
    (stream(), 0..24u128, prop::bool::weighted(0.1), said).prop_map(|(stream, id, other, (taken, released, tags))| {
        let payload = if other { "{\"other\":true}" } else { "{}" };
        let event_type = EventType::new("account.deposited.v1").unwrap();
        let id: EventId = format!("{id:032x}").parse().unwrap();
        let mut event = NewEvent::raw(stream, event_type, Payload::from_bytes(payload)).with_id(id);
        event.metadata.tags = tags;
        let event = taken.into_iter().fold(event, NewEvent::claiming);
        released.into_iter().fold(event, NewEvent::releasing)
    })
}

fn append() -> impl Strategy<Value = Append> {
    let unclaimed = prop_oneof![5 => Just(Vec::new()), 1 => prop::collection::vec(key(), 1..3)];
    let streams = prop::collection::vec((stream(), expected()), 0..3);
    (prop::collection::vec(event(), 1..5), streams, queries(), unclaimed).prop_map(
        |(events, conditions, queries, unclaimed)| {
            let append =
                conditions.into_iter().fold(Append::new(events), |append, (of, expected)| append.expect(of, expected));
            let append =
                queries.into_iter().fold(append, |append, (query, after)| append.expect_none_matching(query, after));
            unclaimed.into_iter().fold(append, Append::expect_unclaimed)
        },
    )
}

/// A new append, or one of those before again, or the rest of one from an event on.
#[derive(Debug, Clone)]
enum Step {
    New(Append),
    Archive(StreamName),
    Restore(StreamName),
    Again { which: prop::sample::Index, cut: prop::sample::Index, expected: Option<ExpectedVersion> },
}

fn step() -> impl Strategy<Value = Step> {
    let again = (any::<prop::sample::Index>(), any::<prop::sample::Index>(), prop::option::of(expected()))
        .prop_map(|(which, cut, expected)| Step::Again { which, cut, expected });
    let archive = stream().prop_map(Step::Archive);
    let restore = stream().prop_map(Step::Restore);
    prop_oneof![9 => append().prop_map(Step::New), 3 => again, 1 => archive, 2 => restore]
}

fn head(log: &[RecordedEvent], stream: &StreamName) -> Option<Version> {
    log.iter().filter(|event| event.stream == *stream).map(|event| event.version).max()
}

fn is_same(new: &NewEvent, recorded: &RecordedEvent) -> bool {
    (new.id, &new.stream, &new.event_type, &new.payload)
        == (recorded.id, &recorded.stream, &recorded.event_type, &recorded.payload)
}

/// Streams and what their events take and release, in order.
type Acts = Vec<(StreamName, Vec<ClaimKey>, Vec<ClaimKey>)>;

fn acts_of(log: &[RecordedEvent]) -> Acts {
    let act = |event: &RecordedEvent| {
        let claims = event.claims().unwrap();
        (event.stream.clone(), claims.taken, claims.released)
    };
    log.iter().map(act).collect()
}

/// Who holds a key: looked for from the end, the last one that took it and did not release it later.
fn holder(acts: &Acts, key: &ClaimKey) -> Option<StreamName> {
    let mut streams: Vec<&StreamName> = acts.iter().map(|(stream, ..)| stream).collect();
    streams.sort_unstable();
    streams.dedup();
    let holds = |stream: &&&StreamName| {
        let last = acts
            .iter()
            .rev()
            .find(|(of, taken, released)| of == **stream && (taken.contains(key) || released.contains(key)));
        last.is_some_and(|(_, taken, _)| taken.contains(key))
    };
    let holders: Vec<_> = streams.iter().filter(holds).collect();
    assert!(holders.len() <= 1, "{key} is held by {holders:?}");
    holders.first().map(|stream| (**stream).clone())
}

/// The first key that an append takes though another stream holds it, given what came before it.
fn held_by_another(append: &Append, mut acts: Acts) -> Option<(ClaimKey, StreamName)> {
    for event in &append.events {
        let (stream, claims) = (&event.stream, &event.claims);
        acts.push((stream.clone(), Vec::new(), claims.released.clone()));
        for key in &claims.taken {
            if let Some(other) = holder(&acts, key).filter(|holder| holder != stream) {
                return Some((key.clone(), other));
            }
            acts.push((stream.clone(), vec![key.clone()], Vec::new()));
        }
    }
    None
}

fn first_matching(log: &[RecordedEvent], query: &EventQuery, after: GlobalPosition) -> Option<GlobalPosition> {
    log.iter().find(|event| event.position > after && query.matches_recorded(event)).map(|event| event.position)
}

#[derive(Debug, PartialEq)]
enum Verdict {
    Written,
    Repeated,
    Conflict(StreamName),
    Matched(EventQuery, GlobalPosition),
    Claimed(ClaimKey, StreamName),
    Archived(StreamName),
    Reused,
    Malformed,
}

/// What the table says, read plainly.
fn verdict(append: &Append, log: &[RecordedEvent], archived: &HashSet<StreamName>) -> Verdict {
    let repeats = |index: usize| append.events[..index].iter().any(|event| event.id == append.events[index].id);
    let of = |condition: &Condition| match condition {
        Condition::Stream { stream, .. } => Some(stream.clone()),
        _ => None,
    };
    let streams: Vec<_> = append.conditions.iter().filter_map(of).collect();
    if (0..append.events.len()).any(repeats)
        || (1..streams.len()).any(|index| streams[..index].contains(&streams[index]))
        || held_by_another(append, Vec::new()).is_some()
    {
        return Verdict::Malformed;
    }
    let acts = acts_of(log);
    let conflict = append.conditions.iter().find_map(|condition| match condition {
        Condition::Stream { stream, expected } if !expected.holds(head(log, stream)) => {
            Some(Verdict::Conflict(stream.clone()))
        }
        Condition::NoneMatching { query, after } => {
            first_matching(log, query, *after).map(|position| Verdict::Matched(query.clone(), position))
        }
        Condition::Unclaimed { key } => holder(&acts, key).map(|holder| Verdict::Claimed(key.clone(), holder)),
        _ => None,
    });
    let known: Vec<Option<&RecordedEvent>> =
        append.events.iter().map(|event| log.iter().find(|recorded| recorded.id == event.id)).collect();
    if known.iter().all(Option::is_none) {
        if let Some(event) = append.events.iter().find(|event| archived.contains(&event.stream)) {
            return Verdict::Archived(event.stream.clone());
        }
        let claimed = || held_by_another(append, acts).map(|(key, holder)| Verdict::Claimed(key, holder));
        return conflict.or_else(claimed).unwrap_or(Verdict::Written);
    }
    // What is known must be the same events, at the beginning, one after the other in each stream.
    let beginning = known.iter().take_while(|found| found.is_some()).count();
    let same = append.events.iter().zip(&known).all(|(event, found)| found.is_none_or(|found| is_same(event, found)));
    if known[beginning..].iter().any(Option::is_some) || !same {
        return Verdict::Reused;
    }
    let mut stands_where_expected = true;
    for stream in append.events.iter().map(|event| &event.stream) {
        let versions: Vec<_> =
            known.iter().flatten().filter(|found| found.stream == *stream).map(|found| found.version.get()).collect();
        if versions.windows(2).any(|pair| pair[1] != pair[0] + 1) {
            return Verdict::Reused;
        }
        if let Some(first) = versions.first() {
            stands_where_expected &= append.expected(stream).holds(Version::new(first - 1));
        }
    }
    if beginning == known.len() && stands_where_expected {
        return Verdict::Repeated;
    }
    conflict.unwrap_or(Verdict::Reused)
}

async fn log(store: &InMemoryEventStore) -> Vec<RecordedEvent> {
    store.read_all(ReadAll::after(GlobalPosition::START).limit(10_000)).await.unwrap().events
}

async fn check(steps: Vec<Step>) {
    let store = InMemoryEventStore::new();
    let mut earlier: Vec<Append> = Vec::new();
    let mut archived: HashSet<StreamName> = HashSet::new();
    for step in steps {
        let append = match step {
            Step::New(append) => append,
            Step::Archive(stream) => {
                if store.archive(&stream).await.is_ok() {
                    archived.insert(stream);
                }
                continue;
            }
            Step::Restore(stream) => {
                let _ = store.restore(&stream).await;
                archived.remove(&stream);
                continue;
            }
            Step::Again { .. } if earlier.is_empty() => continue,
            Step::Again { which, cut, expected } => {
                let mut again = which.get(&earlier).clone();
                again.events.drain(..cut.index(again.events.len()));
                if let Some(expected) = expected {
                    let of = again.events[0].stream.clone();
                    again.conditions = vec![Condition::Stream { stream: of, expected }];
                }
                again
            }
        };
        let before = log(&store).await;
        let verdict = verdict(&append, &before, &archived);
        let answer = store.append(append.clone()).await;
        let after = log(&store).await;
        match &answer {
            Ok(appended) => {
                assert_eq!(verdict, if appended.repeated { Verdict::Repeated } else { Verdict::Written });
                let written = if appended.repeated { 0 } else { append.events.len() };
                assert_eq!(after[..before.len()], before, "what is there stays as it is");
                assert_eq!(after.len(), before.len() + written);
                for (event, version) in append.events.iter().zip(&appended.versions) {
                    let found: Vec<_> = after.iter().filter(|recorded| recorded.id == event.id).collect();
                    assert_eq!(found.len(), 1, "a success is in the log exactly once");
                    assert!(is_same(event, found[0]) && found[0].version == *version);
                }
                let place = |id: EventId| after.iter().find(|event| event.id == id).unwrap().position;
                let (first, last) = (append.events[0].id, append.events[append.events.len() - 1].id);
                assert_eq!((appended.first_position, appended.position), (place(first), place(last)));
                if !appended.repeated {
                    earlier.push(append);
                }
            }
            Err(error) => {
                assert_eq!(after, before, "what is refused changes nothing: {error:?}");
                match error {
                    AppendError::Conflict { stream, expected, actual } => {
                        assert_eq!((&verdict, *actual), (&Verdict::Conflict(stream.clone()), head(&before, stream)));
                        assert_eq!(append.expected(stream), *expected);
                    }
                    AppendError::Matched { query, position } => {
                        assert_eq!(verdict, Verdict::Matched(query.clone(), *position));
                    }
                    AppendError::Claimed { key, holder } => {
                        assert_eq!(verdict, Verdict::Claimed(key.clone(), holder.clone()));
                    }
                    AppendError::Archived { stream } => assert_eq!(verdict, Verdict::Archived(stream.clone())),
                    AppendError::EventIdReused { id, stream, version } => {
                        assert_eq!(verdict, Verdict::Reused);
                        let found = before.iter().find(|event| event.id == *id).unwrap();
                        assert_eq!((&found.stream, found.version), (stream, *version), "it says where the id stands");
                    }
                    AppendError::Invalid(_) => assert_eq!(verdict, Verdict::Malformed),
                    error => panic!("{error:?}"),
                }
            }
        }
    }
    // Whatever came after it, every success can be repeated, and writes nothing.
    let before = log(&store).await;
    for append in earlier {
        assert!(store.append(append).await.unwrap().repeated);
    }
    assert_eq!(log(&store).await, before);
}

fn existing(event: &RecordedEvent) -> (EventId, Existing) {
    let existing = Existing {
        stream: event.stream.clone(),
        version: event.version,
        position: event.position,
        recorded_at: event.recorded_at,
        event_type: event.event_type.clone(),
        payload: event.payload.clone(),
    };
    (event.id, existing)
}

/// But for the time, which is drawn anew.
fn answer(outcome: Result<Appended, AppendError>) -> String {
    format!("{:?}", outcome.map(|appended| Appended { recorded_at: Timestamp::MIN, ..appended }))
}

async fn check_group(before: Vec<Append>, group: Vec<Append>) {
    let store = InMemoryEventStore::new();
    for append in before {
        let _ = store.append(append).await;
    }
    let group: Vec<_> = group.into_iter().filter(|append| append.check(&Limits::default()).is_ok()).collect();
    let log_before = log(&store).await;
    let wanted = Wanted::of(&group);
    let heads = wanted.streams.into_iter().filter_map(|stream| Some((stream.clone(), head(&log_before, stream)?)));
    let known = log_before.iter().filter(|event| wanted.ids.contains(&event.id)).map(existing);
    let acts = acts_of(&log_before);
    let held = wanted.claims.into_iter().filter_map(|key| Some((key.clone(), holder(&acts, key)?)));
    let matched =
        wanted.queries.iter().map(|(query, after)| (*query, *after, first_matching(&log_before, query, *after)));
    let head = store.head().await.unwrap().position;
    let decided = GroupFacts::new(heads, known).with_claims(held).with_queries(head, matched).decide(&group);
    let first = store.head().await.unwrap().position.next();
    let changes = decided.claims(first);
    let together: Vec<_> = decided.outcomes(first, Timestamp::MIN).into_iter().map(answer).collect();
    let mut one_by_one = Vec::new();
    for append in group {
        one_by_one.push(answer(store.append(append).await));
    }
    assert_eq!(together, one_by_one);
    let after = log(&store).await;
    for number in 0..3u8 {
        let key = ClaimKey::new("email", number.to_string()).unwrap();
        let now = holder(&acts_of(&after), &key);
        match changes.iter().find(|change| change.key == key) {
            None => assert_eq!(now, holder(&acts, &key), "a claim that is not changed stays"),
            Some(change) => {
                assert_eq!(now, change.holder);
                let event = after.iter().find(|event| event.position == change.position).unwrap();
                let claims = event.claims().unwrap();
                let said = if now.is_some() { &claims.taken } else { &claims.released };
                assert!(change.position >= first && said.contains(&key), "the event that says so: {change:?}");
            }
        }
    }
}

#[test]
fn a_query_that_was_not_looked_up_lets_nothing_through() {
    let event_type = EventType::new("account.deposited.v1").unwrap();
    let event = NewEvent::raw(StreamName::new("account-1").unwrap(), event_type, Payload::from_bytes("{}"));
    let query = EventQuery::from(QueryItem::new().tag("tag:1"));
    let guarded = Append::new(vec![event]).expect_none_matching(query, GlobalPosition::new(7));
    let outcomes = GroupFacts::default().decide([&guarded]).outcomes(GlobalPosition::new(1), Timestamp::MIN);
    assert!(matches!(&outcomes[..], [Err(AppendError::Matched { .. })]), "{outcomes:?}");
}

proptest! {
    #[test]
    fn a_group_is_decided_as_one_append_after_the_other(
        before in prop::collection::vec(append(), 0..8),
        group in prop::collection::vec(append(), 0..12),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(check_group(before, group));
    }

    #[test]
    fn a_success_is_in_the_log_once_and_a_refusal_changes_nothing(steps in prop::collection::vec(step(), 1..40)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(check(steps));
    }
}
