use std::collections::BTreeMap;
use std::sync::Arc;

use cqrs_core::{DeadLetterCause, DomainEvent, EventSet, EventType, Payload, Recorded, StreamName, Timestamp, Version};
use futures::FutureExt;
use serde::{Deserialize, Serialize};

use super::*;
use crate::error_policy::{Attempts, ErrorDecision, ErrorPolicy};
use crate::projector::{ProjectError, Projector};

#[derive(Serialize, Deserialize, DomainEvent)]
#[event(domain = "note")]
enum NoteEvent {
    /// To the documents that are named, in order.
    Sent {
        to: Vec<String>,
        text: String,
    },
    Removed {
        from: String,
    },
}

/// Documents are the texts that were sent to them.
struct Inboxes;

impl Projector for Inboxes {
    type Event = NoteEvent;
    type Document = Vec<String>;

    fn route(&self, event: &Recorded<NoteEvent>, to: &mut Vec<String>) {
        match &event.event {
            NoteEvent::Sent { text, .. } if text == "unroutable" => panic!("cannot be routed"),
            NoteEvent::Sent { to: keys, .. } => to.extend(keys.iter().cloned()),
            NoteEvent::Removed { from } => to.push(from.clone()),
        }
    }

    fn project(
        &self,
        event: &Recorded<NoteEvent>,
        _: &str,
        document: Option<Vec<String>>,
    ) -> Result<Option<Vec<String>>, ProjectError> {
        let mut texts = document.unwrap_or_default();
        match &event.event {
            NoteEvent::Sent { text, .. } if text == "bad" => return Err(ProjectError::new("a bad text")),
            NoteEvent::Sent { text, .. } if text == "broken" => panic!("a broken text"),
            NoteEvent::Sent { text, .. } => texts.push(text.clone()),
            NoteEvent::Removed { .. } => return Ok(None),
        }
        Ok(Some(texts))
    }
}

fn recorded(position: u64, event: &NoteEvent) -> RecordedEvent {
    RecordedEvent {
        id: EventId::new(),
        event_type: EventType::new(event.event_type()).unwrap(),
        stream: StreamName::new("note-1").unwrap(),
        version: Version::new(position).unwrap(),
        position: GlobalPosition::new(position),
        recorded_at: Timestamp::from_micros(0),
        occurred_at: None,
        payload: event.encode().unwrap(),
        metadata: Payload::from_bytes("{}"),
    }
}

fn sent(position: u64, to: &[&str], text: &str) -> RecordedEvent {
    let to = to.iter().map(|key| (*key).to_owned()).collect();
    recorded(position, &NoteEvent::Sent { to, text: text.to_owned() })
}

fn removed(position: u64, from: &str) -> RecordedEvent {
    recorded(position, &NoteEvent::Removed { from: from.to_owned() })
}

/// All documents.
const ALL: Share = Share { partition: 0, after: GlobalPosition::START };

fn planned<P: Projector>(projector: P, page: Vec<RecordedEvent>) -> Planned {
    Folding::new(projector).plan_one(page, Partitions::ONE, ALL, &Judge::strict()).now_or_never().unwrap()
}

fn plan(page: Vec<RecordedEvent>) -> Box<dyn Plan> {
    let planned = planned(Inboxes, page);
    assert!(planned.failed.is_none(), "{:?}", planned.failed);
    planned.plan
}

fn nothing_parked() -> ParkedDocuments {
    ParkedDocuments::default()
}

/// Of several failures the first, as a runner without dead letters takes it.
fn first(met: Vec<FoldFailure>) -> FoldFailure {
    met.into_iter().min_by_key(|failure| failure.position).unwrap()
}

fn stored(key: &str, texts: Option<&[&str]>, position: u64) -> Stored {
    let document = texts.map(|texts| Payload::encode(texts).unwrap());
    Stored::from([(key.to_owned(), StoredDocument { document, position: GlobalPosition::new(position) })])
}

fn writes_of(folded: Folded) -> Vec<DocumentWrite> {
    match folded {
        Folded::Writes(writes) => writes.documents,
        Folded::Needs(keys) => panic!("{keys:?} are needed"),
    }
}

type Written = BTreeMap<String, (Option<Vec<String>>, u64)>;

fn written(writes: Vec<DocumentWrite>) -> Written {
    let decoded = |write: DocumentWrite| {
        let texts = write.document.map(|json| json.decode().unwrap());
        (write.key, (texts, write.position.get()))
    };
    writes.into_iter().map(decoded).collect()
}

fn fold(page: Vec<RecordedEvent>, stored: &Stored) -> Written {
    match plan(page).fold(stored, &nothing_parked()) {
        Ok(folded) => written(writes_of(folded)),
        Err(met) => panic!("{:?}", first(met).error),
    }
}

fn expect<const N: usize>(documents: [(&str, Option<&[&str]>, u64); N]) -> Written {
    let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    documents.map(|(key, texts, position)| (key.to_owned(), (texts.map(owned), position))).into()
}

#[test]
fn each_document_is_folded_over_its_own_events_and_written_once() {
    let page =
        vec![sent(1, &["a"], "one"), sent(3, &["b"], "two"), sent(7, &["a", "c"], "three"), sent(9, &[], "four")];
    let expected =
        [("a", Some(&["one", "three"][..]), 7), ("b", Some(&["two"][..]), 3), ("c", Some(&["three"][..]), 7)];
    assert_eq!(fold(page, &Stored::new()), expect(expected));
}

#[test]
fn an_event_touches_a_document_once_even_if_it_is_routed_to_it_twice() {
    let page = vec![sent(1, &["a", "b", "a"], "one")];
    assert_eq!(fold(page, &Stored::new()), expect([("a", Some(&["one"][..]), 1), ("b", Some(&["one"][..]), 1)]));
}

#[test]
fn events_that_a_document_reflects_already_are_skipped() {
    let page = || vec![sent(1, &["a"], "one"), sent(2, &["a"], "two"), sent(3, &["a"], "three")];
    assert_eq!(
        fold(page(), &stored("a", Some(&["one", "two"]), 2)),
        expect([("a", Some(&["one", "two", "three"][..]), 3)])
    );
    assert_eq!(fold(page(), &stored("a", Some(&["later"]), 9)), Written::new());
}

#[test]
fn a_removal_is_written_and_remembered_while_what_never_was_is_not() {
    assert_eq!(fold(vec![removed(4, "a")], &stored("a", Some(&["one"]), 2)), expect([("a", None, 4)]));
    assert_eq!(fold(vec![sent(3, &["a"], "one"), removed(4, "a")], &Stored::new()), expect([("a", None, 4)]));
    assert_eq!(fold(vec![removed(4, "a")], &Stored::new()), Written::new());
    assert_eq!(fold(vec![removed(4, "a")], &stored("a", None, 2)), Written::new());
    assert_eq!(fold(vec![sent(3, &["a"], "one")], &stored("a", None, 4)), Written::new());
}

#[test]
fn an_event_that_is_refused_is_named_and_what_stands_before_it_can_be_written() {
    for (text, reason) in [("bad", "a bad text"), ("broken", "panicked: a broken text")] {
        // The document that is folded first fails at the later event.
        let page = vec![sent(1, &["a", "b"], "one"), sent(2, &["b"], text), sent(3, &["a"], "bad")];
        let refused = page[1].id;
        let mut plan = plan(page);
        let mut failures = Vec::new();
        let writes = loop {
            match plan.fold(&Stored::new(), &nothing_parked()) {
                Ok(folded) => break writes_of(folded),
                Err(met) => {
                    let failure = first(met);
                    plan = plan.before(failure.position);
                    failures.push(failure.error);
                }
            }
        };
        assert_eq!(written(writes), expect([("a", Some(&["one"][..]), 1), ("b", Some(&["one"][..]), 1)]));
        assert_eq!((plan.len(), plan.last().map(|(position, _)| position.get())), (1, Some(1)));
        assert_eq!(failures.len(), 1, "the first is enough");
        match failures.pop().map(|error| *error) {
            Some(ProjectionError::Project { event_id, key, source, position, .. }) => {
                assert_eq!((event_id, key.as_str(), position.get()), (refused, "b", 2));
                assert_eq!(source.reason(), reason);
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_key_that_is_none_cuts_the_page_before_its_event() {
    let long = "x".repeat(513);
    for bad in ["", "line\nbreak", "nul\0", "\u{85}", &long] {
        let page = vec![sent(1, &["a"], "one"), sent(2, &["b", bad], "two"), sent(3, &["c"], "three")];
        let Planned { plan, failed, .. } = planned(Inboxes, page);
        assert!(matches!(failed, Some(ProjectionError::InvalidKey { position, .. }) if position.get() == 2), "{bad:?}");
        assert_eq!((plan.keys(), plan.len()), (&["a".to_owned()][..], 1));
    }
    assert_eq!(plan(vec![sent(1, &[&"é".repeat(256)], "one")]).keys().len(), 1);
}

#[test]
fn an_event_that_cannot_be_decoded_or_routed_cuts_the_page_before_it() {
    let mut undecodable = sent(2, &["b"], "two");
    undecodable.payload = Payload::from_bytes(r#"{"to":7}"#);
    let id = undecodable.id;
    let page = vec![sent(1, &["a"], "one"), undecodable, sent(3, &["c"], "three")];
    let Planned { plan, failed, .. } = planned(Inboxes, page);
    assert!(matches!(failed, Some(ProjectionError::Undecodable(error)) if error.id == id));
    assert_eq!(plan.keys(), ["a"]);

    let page = vec![sent(1, &["a"], "one"), sent(2, &["b"], "unroutable"), sent(3, &["c"], "three")];
    let Planned { plan, failed, .. } = planned(Inboxes, page);
    let Some(ProjectionError::Project { source, .. }) = failed else { panic!("{failed:?}") };
    assert_eq!(source.reason(), "panicked: cannot be routed");
    assert_eq!(plan.keys(), ["a"]);
}

#[test]
fn a_stored_document_of_another_shape_is_told_apart_from_a_refused_event() {
    let document = Some(Payload::from_bytes(r#"{"balance":1}"#));
    let stored = Stored::from([("a".to_owned(), StoredDocument { document, position: GlobalPosition::START })]);
    match plan(vec![sent(1, &["a"], "one")]).fold(&stored, &nothing_parked()).map_err(|met| *first(met).error) {
        Err(ProjectionError::Document { key, .. }) => assert_eq!(key, "a"),
        _ => panic!("the document is no list of texts"),
    }
}

/// An upcaster that makes two events of one.
struct Halves(&'static str);

impl EventSet for Halves {
    fn event_types() -> Vec<EventType> {
        vec![EventType::new("note.sent.v1").unwrap()]
    }

    fn decode(_: &str, _: &[u8], into: &mut Vec<Self>) -> Result<(), cqrs_core::CodecError> {
        into.extend([Self("left"), Self("right")]);
        Ok(())
    }
}

struct Collect;

impl Projector for Collect {
    type Event = Halves;
    type Document = Vec<String>;

    fn route(&self, _: &Recorded<Halves>, to: &mut Vec<String>) {
        to.push("all".to_owned());
    }

    fn project(
        &self,
        event: &Recorded<Halves>,
        _: &str,
        document: Option<Vec<String>>,
    ) -> Result<Option<Vec<String>>, ProjectError> {
        let mut texts = document.unwrap_or_default();
        texts.push(event.event.0.to_owned());
        Ok(Some(texts))
    }
}

#[test]
fn what_an_upcaster_makes_of_one_event_is_folded_together() {
    let planned = planned(Collect, vec![sent(1, &[], ""), sent(2, &[], "")]);
    assert_eq!((planned.plan.len(), planned.plan.keys().len()), (2, 1));
    let Ok(folded) = planned.plan.fold(&stored("all", Some(&["left", "right"]), 1), &nothing_parked()) else {
        panic!("it folds")
    };
    assert_eq!(written(writes_of(folded)), expect([("all", Some(&["left", "right", "left", "right"][..]), 2)]));
}

/// Keys of partition 0 and of partition 1, of two.
fn split(keys: &[&'static str]) -> (Vec<&'static str>, Vec<&'static str>) {
    keys.iter().partition(|key| Partitions::new(2).unwrap().of(key) == 0)
}

fn shares(page: Vec<RecordedEvent>, shares: &[Share]) -> Vec<Planned> {
    Folding::new(Inboxes).plan(page, Partitions::new(2).unwrap(), shares, &Judge::strict()).now_or_never().unwrap()
}

const BOTH: [Share; 2] =
    [Share { partition: 0, after: GlobalPosition::START }, Share { partition: 1, after: GlobalPosition::START }];

fn page() -> Vec<RecordedEvent> {
    vec![sent(1, &["a", "b", "c", "d", "e"], "one"), sent(2, &["a", "e"], "two"), sent(3, &["b", "c", "d"], "three")]
}

fn fold_share(planned: &Planned) -> Written {
    let Ok(folded) = planned.plan.fold(&Stored::new(), &nothing_parked()) else { panic!("it folds") };
    written(writes_of(folded))
}

#[test]
fn each_document_is_folded_by_the_share_of_its_partition_alone() {
    let (zero, one) = split(&["a", "b", "c", "d", "e"]);
    assert!(zero.len() > 1 && one.len() > 1, "{zero:?} {one:?}");
    let together = fold(page(), &Stored::new());
    let planned = shares(page(), &BOTH);
    let [first, second] = [fold_share(&planned[0]), fold_share(&planned[1])];
    assert!(first.keys().eq(&zero) && second.keys().eq(&one), "{first:?} {second:?}");
    assert_eq!(first.into_iter().chain(second).collect::<Written>(), together);
    for planned in &planned {
        assert_eq!((planned.plan.len(), planned.plan.last().map(|(position, _)| position.get())), (3, Some(3)));
    }
    let alone = shares(page(), &BOTH[1..]);
    assert!(alone.len() == 1 && fold_share(&alone[0]).keys().eq(&one), "one share needs no other");
}

#[test]
fn a_share_that_has_come_further_is_given_the_events_after_it_only() {
    let further = [Share { after: GlobalPosition::new(2), ..BOTH[0] }, BOTH[1]];
    let planned = shares(page(), &further);
    let whole = shares(page(), &BOTH);
    assert!(fold_share(&planned[0]).into_values().all(|document| document == (Some(vec!["three".to_owned()]), 3)));
    assert_eq!(fold_share(&planned[1]), fold_share(&whole[1]));
}

#[test]
fn what_cannot_be_routed_cuts_all_shares_and_what_cannot_be_folded_its_own() {
    let (zero, one) = split(&["a", "b", "c", "d", "e"]);
    let unroutable = vec![sent(1, &zero, "one"), sent(2, &[one[0], ""], "two")];
    for planned in shares(unroutable, &BOTH) {
        assert!(matches!(planned.failed, Some(ProjectionError::InvalidKey { .. })));
        assert_eq!((planned.plan.len(), planned.plan.keys().contains(&one[0].to_owned())), (1, false));
    }
    let planned = shares(vec![sent(1, &[zero[0], one[0]], "one"), sent(2, &[one[0]], "bad")], &BOTH);
    assert_eq!(fold_share(&planned[0]).len(), 1);
    let Err(met) = planned[1].plan.fold(&Stored::new(), &nothing_parked()) else { panic!("it is refused") };
    assert_eq!(first(met).position.get(), 2);
}

fn parked(key: &str, from: u64) -> ParkedDocuments {
    let documents = [(key.to_owned(), GlobalPosition::new(from))].into();
    ParkedDocuments { documents, ..ParkedDocuments::default() }
}

fn fold_parked(page: Vec<RecordedEvent>, parked: &ParkedDocuments) -> (Written, Vec<(String, u64)>) {
    match plan(page).fold(&Stored::new(), parked) {
        Ok(Folded::Writes(Writes { documents, letters })) => {
            let letters = letters.into_iter().map(|(key, event)| (key, event.position.get()));
            (written(documents), letters.collect())
        }
        _ => panic!("it folds"),
    }
}

#[test]
fn a_parked_document_keeps_what_it_was_and_its_events_are_letters() {
    let page = || vec![sent(1, &["a"], "one"), sent(2, &["a", "b"], "bad"), sent(3, &["a"], "three")];
    let (documents, letters) = fold_parked(vec![sent(1, &["a"], "one"), sent(2, &["a"], "two")], &parked("a", 2));
    assert_eq!(documents, expect([("a", Some(&["one"][..]), 1)]));
    assert_eq!(letters, [("a".to_owned(), 2)]);
    // Another one that refuses the same event.
    let Err(met) = plan(page()).fold(&Stored::new(), &parked("a", 2)) else { panic!("b is refused") };
    let positions: Vec<_> = met.iter().map(|failure| (failure.error.document(), failure.position.get())).collect();
    assert_eq!(positions, [(Some("b"), 2)]);
    let mut both = parked("a", 2);
    both.documents.insert("b".to_owned(), GlobalPosition::new(2));
    let (documents, letters) = fold_parked(page(), &both);
    assert_eq!(documents, expect([("a", Some(&["one"][..]), 1)]));
    assert_eq!(letters, [("a".to_owned(), 2), ("a".to_owned(), 3), ("b".to_owned(), 2)]);
}

#[test]
fn every_document_that_refuses_an_event_is_told_at_once() {
    let page = vec![sent(1, &["a", "b", "c"], "bad"), sent(2, &["b", "d"], "bad")];
    let Err(met) = plan(page).fold(&Stored::new(), &nothing_parked()) else { panic!("they are refused") };
    let mut keys: Vec<_> = met.iter().map(|failure| (failure.error.document(), failure.position.get())).collect();
    keys.sort_unstable();
    assert_eq!(keys, [(Some("a"), 1), (Some("b"), 1), (Some("c"), 1), (Some("d"), 2)]);
}

#[test]
fn an_event_that_was_given_up_for_a_document_is_left_out_of_it_alone() {
    let discarded = [("a".to_owned(), GlobalPosition::new(2))].into();
    let parked = ParkedDocuments { discarded, ..ParkedDocuments::default() };
    let page = vec![sent(1, &["a"], "one"), sent(2, &["a", "b"], "two"), sent(3, &["a"], "three")];
    let (documents, letters) = fold_parked(page, &parked);
    assert_eq!(documents, expect([("a", Some(&["one", "three"][..]), 3), ("b", Some(&["two"][..]), 2)]));
    assert_eq!(letters, []);
}

#[derive(Debug)]
struct Lenient;

impl ErrorPolicy for Lenient {
    fn decide(&self, _: &ProjectionError, _: u32) -> ErrorDecision {
        ErrorDecision::DeadLetter
    }
}

#[test]
fn events_that_cannot_be_decoded_or_routed_are_left_out_where_the_judge_lets_them() {
    let mut undecodable = sent(2, &["b"], "two");
    undecodable.payload = Payload::from_bytes(r#"{"to":7}"#);
    let page = || {
        let unroutable = sent(4, &["c"], "unroutable");
        vec![
            sent(1, &["a"], "one"),
            undecodable.clone(),
            sent(3, &["a", ""], "three"),
            unroutable,
            sent(5, &["a"], "five"),
        ]
    };
    let judge = |kept| Judge::new(&(Arc::new(Lenient) as Arc<dyn ErrorPolicy>), &Attempts::default(), kept);
    let planned = Folding::new(Inboxes).plan_one(page(), Partitions::ONE, ALL, &judge(true)).now_or_never().unwrap();
    assert!(planned.failed.is_none());
    assert_eq!((planned.plan.len(), planned.plan.last().map(|(position, _)| position.get())), (5, Some(5)));
    assert_eq!(fold_share(&planned), expect([("a", Some(&["one", "five"][..]), 5)]));
    let skipped: Vec<_> = planned.skipped.iter().map(|one| (one.event.position.get(), one.failure.cause)).collect();
    let expected = [(2, DeadLetterCause::Event), (3, DeadLetterCause::Routing), (4, DeadLetterCause::Routing)];
    assert_eq!(skipped, expected);

    let planned = Folding::new(Inboxes).plan_one(page(), Partitions::ONE, ALL, &judge(false)).now_or_never().unwrap();
    assert!(planned.failed.is_some() && planned.skipped.is_empty(), "there is no place for them");
}

/// Routes one half of an event and refuses the other.
struct HalfRouted;

impl Projector for HalfRouted {
    type Event = Halves;
    type Document = Vec<String>;

    fn route(&self, event: &Recorded<Halves>, to: &mut Vec<String>) {
        to.push(if event.event.0 == "left" { "all" } else { "" }.to_owned());
    }

    fn project(
        &self,
        event: &Recorded<Halves>,
        key: &str,
        document: Option<Vec<String>>,
    ) -> Result<Option<Vec<String>>, ProjectError> {
        Collect.project(event, key, document)
    }
}

#[test]
fn what_an_upcaster_makes_of_one_event_is_left_out_together() {
    let policy: Arc<dyn ErrorPolicy> = Arc::new(Lenient);
    let judge = Judge::new(&policy, &Attempts::default(), true);
    let planned =
        Folding::new(HalfRouted).plan_one(vec![sent(1, &[], "")], Partitions::ONE, ALL, &judge).now_or_never().unwrap();
    assert_eq!((planned.skipped.len(), planned.plan.keys().len()), (1, 0));
    let strict = Folding::new(HalfRouted)
        .plan_one(vec![sent(1, &[], "")], Partitions::ONE, ALL, &Judge::strict())
        .now_or_never()
        .unwrap();
    assert!(strict.failed.is_some() && strict.plan.keys().is_empty());
}

#[test]
fn events_of_letters_are_folded_into_their_document_whatever_they_are_routed_to_now() {
    let events = vec![sent(1, &["a", "b"], "one"), sent(2, &["c"], "two")];
    let planned = Folding::new(Inboxes).plan_document(events, Partitions::ONE, ALL, "a").now_or_never().unwrap();
    assert_eq!(fold_share(&planned), expect([("a", Some(&["one", "two"][..]), 2)]));
}
