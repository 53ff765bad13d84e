//! Decisions over tags, on the store in memory.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that fails is what it is for")]

use std::sync::atomic::{AtomicUsize, Ordering};

use cqrs_core::in_memory::InMemoryEventStore;
use cqrs_core::{
    Append, CommandId, Context, DecisionModel, Decisions, DomainEvent, EventId, EventQuery, EventSet, EventStore,
    EventType, ExecuteError, ExpectedVersion, Filter, GlobalPosition, NewEvent, NewEvents, Payload, QueryItem, ReadAll,
    Recorded, RecordedEvent, StreamName,
};
use futures::FutureExt;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, DomainEvent)]
#[event(domain = "course")]
enum CourseEvent {
    Defined {
        #[event(tag = "course")]
        course: String,
        capacity: usize,
    },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, DomainEvent)]
#[event(domain = "student")]
enum StudentEvent {
    Enrolled {
        #[event(tag = "student")]
        student: String,
        #[event(tag = "course")]
        course: String,
    },
}

#[derive(Clone, Debug, EventSet)]
enum CampusEvent {
    Course(CourseEvent),
    Student(StudentEvent),
}

/// Both kinds of events in one model.
#[derive(Clone, Debug, Default, PartialEq)]
struct Course {
    id: String,
    capacity: Option<usize>,
    enrolled: Vec<String>,
}

impl Course {
    fn new(id: &str) -> Self {
        Self { id: id.to_owned(), ..Self::default() }
    }
}

impl DecisionModel for Course {
    type Event = CampusEvent;

    fn query(&self) -> EventQuery {
        QueryItem::new().tag(format!("course:{}", self.id)).into()
    }

    fn apply(&mut self, event: &Recorded<CampusEvent>) {
        match &event.event {
            CampusEvent::Course(CourseEvent::Defined { capacity, .. }) => self.capacity = Some(*capacity),
            CampusEvent::Student(StudentEvent::Enrolled { student, .. }) => self.enrolled.push(student.clone()),
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
struct CoursesOf {
    student: String,
    courses: usize,
}

impl CoursesOf {
    fn new(student: &str) -> Self {
        Self { student: student.to_owned(), courses: 0 }
    }
}

impl DecisionModel for CoursesOf {
    type Event = StudentEvent;

    fn query(&self) -> EventQuery {
        QueryItem::new().tag(format!("student:{}", self.student)).into()
    }

    fn apply(&mut self, _: &Recorded<StudentEvent>) {
        self.courses += 1;
    }
}

#[derive(Debug, Clone, PartialEq, thiserror::Error)]
enum Refused {
    #[error("it exists")]
    Exists,
    #[error("there is no such course")]
    Unknown,
    #[error("the course is full")]
    Full,
    #[error("the student has enough")]
    Enough,
}

fn define(course: &Course, capacity: usize) -> Result<NewEvents, Refused> {
    match course.capacity {
        Some(_) => Err(Refused::Exists),
        None => {
            let defined = CourseEvent::Defined { course: course.id.clone(), capacity };
            Ok(NewEvents::new().and("course", &course.id, &defined))
        }
    }
}

fn enrol((course, of): &(Course, CoursesOf)) -> Result<NewEvents, Refused> {
    let capacity = course.capacity.ok_or(Refused::Unknown)?;
    if course.enrolled.contains(&of.student) {
        return Ok(NewEvents::new());
    }
    if course.enrolled.len() >= capacity {
        return Err(Refused::Full);
    }
    if of.courses >= 2 {
        return Err(Refused::Enough);
    }
    let enrolled = StudentEvent::Enrolled { student: of.student.clone(), course: course.id.clone() };
    Ok(NewEvents::new().and("student", &of.student, &enrolled))
}

fn models(course: &str, student: &str) -> (Course, CoursesOf) {
    (Course::new(course), CoursesOf::new(student))
}

fn enrolled(student: &str, course: &str) -> NewEvent {
    let event = StudentEvent::Enrolled { student: student.to_owned(), course: course.to_owned() };
    NewEvent::encode(StreamName::of("student", &student).unwrap(), &event).unwrap()
}

/// A rival, who writes at once.
fn write(store: &InMemoryEventStore, event: NewEvent) {
    store.append(Append::new(vec![event])).now_or_never().unwrap().unwrap();
}

async fn log(store: &InMemoryEventStore) -> Vec<RecordedEvent> {
    store.read_all(ReadAll::after(GlobalPosition::START).limit(10_000)).await.unwrap().events
}

async fn given(store: &InMemoryEventStore, capacities: &[(&str, usize)]) -> Decisions {
    let decisions = Decisions::new(store.clone());
    for (course, capacity) in capacities {
        decisions.execute(Course::new(course), |course| define(course, *capacity)).await.unwrap();
    }
    decisions
}

#[tokio::test]
async fn a_decision_is_made_on_the_events_that_its_query_finds_whatever_their_streams() {
    let store = InMemoryEventStore::new();
    let decisions = given(&store, &[("c1", 2), ("c2", 5)]).await;
    for (course, student) in [("c1", "s1"), ("c2", "s1"), ("c1", "s2")] {
        let done = decisions.execute(models(course, student), enrol).await.unwrap();
        assert_eq!((done.events, done.repeated), (1, false));
    }
    let full = decisions.execute(models("c1", "s3"), enrol).await;
    assert!(matches!(full, Err(ExecuteError::Domain(Refused::Full))), "{full:?}");
    given(&store, &[("c3", 5)]).await;
    let enough = decisions.execute(models("c3", "s1"), enrol).await;
    assert!(matches!(enough, Err(ExecuteError::Domain(Refused::Enough))), "{enough:?}");
    let unknown = decisions.execute(models("c9", "s9"), enrol).await;
    assert!(matches!(unknown, Err(ExecuteError::Domain(Refused::Unknown))), "{unknown:?}");
    assert_eq!(log(&store).await.len(), 6);
}

#[tokio::test]
async fn each_model_applies_what_its_own_query_finds() {
    let store = InMemoryEventStore::new();
    let decisions = given(&store, &[("c1", 9), ("c2", 9)]).await;
    for (course, student) in [("c1", "s1"), ("c2", "s1"), ("c1", "s2")] {
        decisions.execute(models(course, student), enrol).await.unwrap();
    }
    let (course, of) = decisions.read(models("c1", "s1")).await.unwrap();
    assert_eq!(
        course,
        Course { id: "c1".to_owned(), capacity: Some(9), enrolled: vec!["s1".to_owned(), "s2".to_owned()] }
    );
    assert_eq!(of.courses, 2);
    let several = decisions.read((vec![Course::new("c1"), Course::new("c2")], CoursesOf::new("s2"))).await.unwrap();
    assert_eq!(several.0.iter().map(|course| course.enrolled.len()).collect::<Vec<_>>(), [2, 1]);
    assert_eq!(several.1.courses, 1);
}

#[tokio::test]
async fn what_was_not_found_is_guarded() {
    let store = InMemoryEventStore::new();
    let attempts = AtomicUsize::new(0);
    let decisions = Decisions::new(store.clone());
    let outcome = decisions.execute(Course::new("c1"), |course| {
        if attempts.fetch_add(1, Ordering::SeqCst) == 0 {
            let rival = CourseEvent::Defined { course: "c1".to_owned(), capacity: 7 };
            write(&store, NewEvent::encode(StreamName::new("elsewhere-1").unwrap(), &rival).unwrap());
        }
        define(course, 3)
    });
    assert!(matches!(outcome.await, Err(ExecuteError::Domain(Refused::Exists))));
    assert_eq!((attempts.into_inner(), log(&store).await.len()), (2, 1));
}

#[tokio::test]
async fn a_decision_is_made_again_when_a_rival_changes_what_it_rests_on() {
    let store = InMemoryEventStore::new();
    let decisions = given(&store, &[("c1", 2)]).await;
    let attempts = AtomicUsize::new(0);
    let done = decisions.execute(models("c1", "s1"), |models| {
        if attempts.fetch_add(1, Ordering::SeqCst) == 0 {
            write(&store, enrolled("s2", "c1"));
        }
        enrol(models)
    });
    assert_eq!(done.await.unwrap().position.get(), 3);
    assert_eq!(attempts.into_inner(), 2);
}

#[tokio::test]
async fn events_that_no_query_finds_are_not_in_the_way() {
    let store = InMemoryEventStore::new();
    let decisions = given(&store, &[("c1", 2)]).await;
    let attempts = AtomicUsize::new(0);
    let done = decisions.execute(models("c1", "s1"), |models| {
        attempts.fetch_add(1, Ordering::SeqCst);
        write(&store, enrolled("s2", "c2"));
        // Of the course, but of a type that the models do not understand.
        let other = EventType::new("course.painted.v1").unwrap();
        let mut painted = NewEvent::raw(StreamName::new("course-c1").unwrap(), other, Payload::from_bytes("{}"));
        painted.metadata.tags = vec!["course:c1".to_owned(), "student:s1".to_owned()];
        write(&store, painted);
        enrol(models)
    });
    done.await.unwrap();
    assert_eq!(attempts.into_inner(), 1);
    let (course, _) = decisions.read(models("c1", "s1")).await.unwrap();
    assert_eq!(course.enrolled, ["s1"], "what is not understood is not read either");
}

#[tokio::test]
async fn a_conflict_is_the_callers_after_so_many_retries() {
    let store = InMemoryEventStore::new();
    let decisions = given(&store, &[("c1", 100)]).await.conflict_retries(3);
    let attempts = AtomicUsize::new(0);
    let outcome = decisions.execute(models("c1", "s1"), |models| {
        let number = attempts.fetch_add(1, Ordering::SeqCst);
        write(&store, enrolled(&format!("rival{number}"), "c1"));
        enrol(models)
    });
    let error = outcome.await.unwrap_err();
    assert!(matches!(&error, ExecuteError::Matched { position, .. } if position.get() == 5), "{error:?}");
    assert_eq!((attempts.into_inner(), log(&store).await.len()), (4, 5));
}

#[tokio::test]
async fn a_decision_that_there_is_nothing_to_do_writes_nothing() {
    let store = InMemoryEventStore::new();
    let decisions = given(&store, &[("c1", 2)]).await;
    let first = decisions.execute(models("c1", "s1"), enrol).await.unwrap();
    write(&store, enrolled("s9", "c9"));
    let again = decisions.execute(models("c1", "s1"), enrol).await.unwrap();
    assert_eq!((again.events, again.position, again.repeated), (0, first.position, false));
}

#[tokio::test]
async fn a_command_that_is_repeated_writes_once() {
    let store = InMemoryEventStore::new();
    let decisions = given(&store, &[("c1", 1)]).await;
    let context = || Context::new().command_id("0190d5a0-0000-7000-8000-000000000001".parse().unwrap());
    let first = decisions.execute_with(models("c1", "s1"), enrol, context()).await.unwrap();
    write(&store, enrolled("s9", "c9"));
    // The first time leaves it nothing to do, or would refuse it, or would have it decide something else.
    for again in [
        decisions.execute_with(models("c1", "s1"), enrol, context()).await,
        decisions.execute_with(Course::new("c1"), |course| define(course, 2), context()).await,
        decisions.execute_with(Course::new("c2"), |course| define(course, 2), context()).await,
    ] {
        let again = again.unwrap();
        assert_eq!((again.events, again.position, again.repeated), (1, first.position, true));
    }
    assert_eq!(log(&store).await.len(), 3);
}

#[tokio::test]
async fn everything_that_was_said_is_in_the_events() {
    let store = InMemoryEventStore::new();
    let decisions = given(&store, &[("c1", 1)]).await;
    let command = CommandId::new();
    let occurred = "2024-01-15T09:00:00Z".parse().unwrap();
    let context =
        Context::new().command_id(command).actor("ann").tag("semester:7").tag("course:c1").occurred_at(occurred);
    decisions.execute_with(models("c1", "s1"), enrol, context).await.unwrap();
    let event = log(&store).await.remove(1);
    let metadata = event.metadata().unwrap();
    assert_eq!((event.id, event.stream.as_str()), (EventId::derive(command, 0), "student-s1"));
    assert_eq!((metadata.command_id, metadata.actor.as_deref()), (Some(command), Some("ann")));
    assert_eq!(metadata.tags, ["student:s1", "course:c1", "semester:7"]);
    assert_eq!(event.occurred_at, Some(occurred));
}

#[tokio::test]
async fn a_command_that_cannot_be_carried_out_is_permanent_and_writes_nothing() {
    let store = InMemoryEventStore::new();
    let decisions = given(&store, &[("c1", 1)]).await;
    let nameless = decisions.execute(Course::new("c2"), |_| {
        let defined = CourseEvent::Defined { course: "c2".to_owned(), capacity: 1 };
        Ok::<_, Refused>(NewEvents::new().and("course", &"", &defined).and("course", &"c2", &defined))
    });
    let expecting = Context::new().expected(ExpectedVersion::NoStream);
    let expecting = decisions.execute_with(Course::new("c2"), |course| define(course, 1), expecting);
    let unspeakable = decisions.execute(Course::new("a\0b"), |course| define(course, 1));
    for outcome in [nameless.await, expecting.await, unspeakable.await] {
        assert!(matches!(outcome, Err(ExecuteError::Permanent(_))), "{outcome:?}");
    }
    let defined = EventType::new("course.defined.v1").unwrap();
    let mut torn = NewEvent::raw(StreamName::new("course-c1").unwrap(), defined, Payload::from_bytes("[]"));
    torn.metadata.tags = vec!["course:c1".to_owned()];
    write(&store, torn);
    let undecodable = decisions.execute(models("c1", "s1"), enrol).await;
    assert!(matches!(undecodable, Err(ExecuteError::Permanent(_))), "{undecodable:?}");
    assert_eq!(log(&store).await.len(), 2);
}

#[tokio::test]
async fn a_long_history_is_read_to_its_end() {
    let store = InMemoryEventStore::new();
    let decisions = given(&store, &[("c1", 5_000)]).await;
    let events = (0..2_500).map(|number| enrolled(&format!("s{number}"), "c1")).collect::<Vec<_>>();
    for part in events.chunks(500) {
        store.append(Append::new(part.to_vec())).await.unwrap();
    }
    assert_eq!(decisions.read(Course::new("c1")).await.unwrap().enrolled.len(), 2_500);
    assert_eq!(decisions.execute(models("c1", "s1"), enrol).await.unwrap().events, 0);
    assert_eq!(decisions.execute(models("c1", "new"), enrol).await.unwrap().position.get(), 2_502);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_who_enrol_at_once_as_many_get_in_as_there_are_places() {
    let store = InMemoryEventStore::new();
    let decisions = given(&store, &[("c0", 7), ("c1", 7), ("c2", 7)]).await.conflict_retries(1_000);
    let tasks: Vec<_> = (0..90)
        .map(|number: usize| {
            let decisions = decisions.clone();
            tokio::spawn(async move {
                let (course, student) = (format!("c{}", number % 3), format!("s{}", number % 11));
                decisions.execute(models(&course, &student), enrol).await
            })
        })
        .collect();
    for task in tasks {
        match task.await.unwrap() {
            Ok(_) | Err(ExecuteError::Domain(Refused::Full | Refused::Enough)) => {}
            Err(error) => panic!("{error:?}"),
        }
    }
    let mut places = 0;
    for course in ["c0", "c1", "c2"] {
        let course = decisions.read(Course::new(course)).await.unwrap();
        let mut once = course.enrolled.clone();
        once.sort_unstable();
        once.dedup();
        assert!(once.len() == course.enrolled.len() && once.len() <= 7, "{course:?}");
        places += once.len();
    }
    for student in 0..11 {
        assert!(decisions.read(CoursesOf::new(&format!("s{student}"))).await.unwrap().courses <= 2);
    }
    assert!(places >= 20, "21 places, 11 students with two courses each: {places} are taken");
    let all = Filter::Query(EventQuery::from(QueryItem::new().of::<StudentEvent>()));
    let read = store.read_all(ReadAll::after(GlobalPosition::START).filter(all)).await.unwrap();
    assert_eq!(read.events.len(), places);
}

#[tokio::test]
async fn a_key_that_another_stream_holds_is_told_and_not_tried_again() {
    #[derive(Clone, Debug, Serialize, Deserialize, DomainEvent)]
    #[event(domain = "user")]
    struct SignedUp {
        #[event(claim = "email")]
        email: String,
    }
    let store = InMemoryEventStore::new();
    let decisions = Decisions::new(store.clone());
    let sign_up = |user: &'static str| {
        decisions.execute(CoursesOf::new(user), move |_| {
            Ok::<_, Refused>(NewEvents::new().and("user", &user, &SignedUp { email: "ann@example.com".to_owned() }))
        })
    };
    sign_up("u1").await.unwrap();
    let refused = sign_up("u2").await;
    assert!(
        matches!(&refused, Err(ExecuteError::Claimed { holder, .. }) if holder.as_str() == "user-u1"),
        "{refused:?}"
    );
}
