//! A process that appends on the condition that nothing new matches what it has read, and writes the condition into its
//! events.

use std::path::Path;

use cqrs_core::{
    Append, AppendError, EventQuery, EventStore, EventType, Filter, GlobalPosition, Metadata, NewEvent, Payload,
    QueryItem, ReadAll, StreamName,
};
use cqrs_postgres::PgEventStore;

use super::Place;
use crate::conditions::Guard;
use crate::journal::{Fate, JournalWriter};

/// Few, so that deciders meet.
const COURSES: u64 = 6;
const STUDENTS: u64 = 20;
const TYPES: [&str; 3] = ["student.enrolled.v1", "student.left.v1", "course.moved.v1"];

pub(super) async fn decide(place: Place, journal: &Path, seed: u64, batches: usize) {
    let store = place.options().connect().await.unwrap();
    let journal = JournalWriter::create(journal).unwrap();
    let mut random = fastrand::Rng::with_seed(seed);
    // All of them find nothing of the first course, whoever comes first: one is right.
    let opening = Batch {
        query: QueryItem::new().tag("course:0").into(),
        events: vec![event("student-0", TYPES[0], &["course:0"])],
    };
    opening.write(&store, &journal, Some(GlobalPosition::START)).await;
    for _ in 1..batches {
        Batch::any(&mut random).write(&store, &journal, None).await;
    }
}

struct Batch {
    query: EventQuery,
    events: Vec<NewEvent>,
}

impl Batch {
    fn any(random: &mut fastrand::Rng) -> Self {
        let course = format!("course:{}", random.u64(..COURSES));
        let student = format!("student:{}", random.u64(..STUDENTS));
        let typed = || EventType::new(TYPES[1]).unwrap();
        let of_course = QueryItem::new().tag(&course);
        let query = match random.u8(..100) {
            0..30 => of_course.into(),
            30..50 => of_course.tag(&student).into(),
            50..70 => of_course.types([typed()]).into(),
            70..90 => EventQuery::any_of([of_course, QueryItem::new().tag(&student)]),
            90..97 => QueryItem::new().types([typed()]).into(),
            _ => EventQuery::all(),
        };
        let stream = student.replace(':', "-");
        let tags: [&[&str]; 3] = [&[&course, &student], &[&course], &[]];
        let events = (0..random.usize(1..4)).map(|_| event(&stream, TYPES[random.usize(..3)], tags[random.usize(..3)]));
        Self { query, events: events.collect() }
    }

    /// Until it is written on what was read, or on `after` the first time.
    async fn write(&self, store: &PgEventStore, journal: &JournalWriter, mut after: Option<GlobalPosition>) {
        loop {
            let after = match after.take() {
                Some(after) => after,
                None => self.read(store).await,
            };
            let guard = Payload::encode(&Guard::new(&self.query, after)).unwrap();
            let events = self.events.iter().map(|event| NewEvent {
                payload: guard.clone(),
                id: cqrs_core::EventId::new(),
                ..event.clone()
            });
            let append = Append::new(events.collect()).expect_none_matching(self.query.clone(), after);
            let number = journal.attempted(&append).unwrap();
            let answer = store.append(append.clone()).await;
            journal.told(number, Fate::of(&answer)).unwrap();
            match answer {
                Ok(_) => return,
                Err(AppendError::Matched { .. } | AppendError::Transient(_)) => {}
                Err(error) => panic!("{error:?}"),
            }
        }
    }

    async fn read(&self, store: &PgEventStore) -> GlobalPosition {
        let mut read = ReadAll::after(GlobalPosition::START).filter(Filter::Query(self.query.clone()));
        loop {
            let page = store.read_all(read.clone()).await.unwrap();
            if !page.more {
                return page.scanned_to;
            }
            read.after = page.scanned_to;
        }
    }
}

fn event(stream: &str, event_type: &str, tags: &[&str]) -> NewEvent {
    let mut metadata = Metadata::default();
    metadata.tags = tags.iter().map(|tag| (*tag).to_owned()).collect();
    let (stream, event_type) = (StreamName::new(stream).unwrap(), EventType::new(event_type).unwrap());
    NewEvent::raw(stream, event_type, Payload::from_bytes("{}")).with_metadata(metadata)
}
