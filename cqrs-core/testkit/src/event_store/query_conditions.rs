//! Appends on the condition that nothing new matches a query.

use cqrs_core::{
    AppendError, ClaimKey, EventQuery, ExpectedVersion, Filter, GlobalPosition, InvalidAppend, NewEvent, ReadAll,
    StreamFactsChange,
};
use futures::future::join_all;

use super::archiving::{archive, facts_of};
use super::parallel::together;
use super::reading_queries::{item, query};
use super::{
    Append, Store, append, assert_conflict, assert_repeats, exact, log, refuse, stream, stream_of, tagged, version,
    write,
};

const START: GlobalPosition = GlobalPosition::START;

fn enrolled(student: &str, course: &str) -> NewEvent {
    let tags = [format!("student:{student}"), format!("course:{course}")];
    tagged(&format!("student-{student}"), "student.enrolled.v1", &[&tags[0], &tags[1]])
}

fn of_course(course: &str) -> EventQuery {
    query(&[], &[&format!("course:{course}")])
}

async fn head(store: &Store) -> GlobalPosition {
    store.head().await.expect("the head can be read").position
}

#[track_caller]
fn assert_matched(error: &AppendError, of: &EventQuery, at: u64) {
    assert!(
        matches!(error, AppendError::Matched { query, position } if query == of && position.get() == at),
        "the event at {at} matches {of:?}; but it is {error:?}"
    );
}

pub async fn an_empty_result_guards(store: Store) {
    write(&store, "account-a", 2).await;
    let found = store.read_all(ReadAll::after(START).filter(Filter::Query(of_course("c1")))).await;
    let after = found.expect("the log can be read").scanned_to;
    assert_eq!(after.get(), 2, "it was read up to the head, though nothing matched");
    let guarded = || Append::new(vec![enrolled("s1", "c1")]).expect_none_matching(of_course("c1"), after);
    append(&store, guarded()).await;
    assert_matched(&refuse(&store, guarded()).await, &of_course("c1"), 3);
}

pub async fn what_was_known_is_no_conflict(store: Store) {
    append(&store, Append::new(vec![enrolled("s1", "c1")])).await;
    let guarded = |after| Append::new(vec![enrolled("s2", "c1")]).expect_none_matching(of_course("c1"), after);
    append(&store, guarded(head(&store).await)).await;
    append(&store, guarded(GlobalPosition::new(1_000))).await;
    assert_eq!(log(&store).await.len(), 3);
}

pub async fn the_first_new_event_that_matches_is_named(store: Store) {
    for course in ["c1", "c2", "c1", "c1"] {
        append(&store, Append::new(vec![enrolled("s1", course)])).await;
    }
    let guarded = |after| {
        let after = GlobalPosition::new(after);
        Append::new(vec![enrolled("s2", "c1")]).expect_none_matching(of_course("c1"), after)
    };
    assert_matched(&refuse(&store, guarded(0)).await, &of_course("c1"), 1);
    assert_matched(&refuse(&store, guarded(1)).await, &of_course("c1"), 3);
    assert_matched(&refuse(&store, guarded(3)).await, &of_course("c1"), 4);
}

pub async fn a_condition_without_a_position_forbids_any_event(store: Store) {
    let taken = || tagged("user-1", "name.taken.v1", &["name:ann"]);
    let unique = query(&["name.taken.v1"], &["name:ann"]);
    let first = || Append::new(vec![taken()]).expect_none_matching(unique.clone(), START);
    append(&store, first()).await;
    write(&store, "account-a", 1).await;
    assert_matched(&refuse(&store, first()).await, &unique, 1);
}

pub async fn types_without_tags_are_a_condition(store: Store) {
    let by_type = query(&["student.enrolled.v1", "student.left.v1"], &[]);
    append(&store, Append::new(vec![tagged("course-1", "course.defined.v1", &["course:c1"])])).await;
    let guarded = |after| Append::new(vec![enrolled("s1", "c1")]).expect_none_matching(by_type.clone(), after);
    append(&store, guarded(START)).await;
    assert_matched(&refuse(&store, guarded(START)).await, &by_type, 2);
    append(&store, guarded(GlobalPosition::new(2))).await;
}

pub async fn a_type_and_a_tag_are_a_condition_together(store: Store) {
    let left = query(&["student.left.v1"], &["course:c1"]);
    let guarded = || Append::new(vec![enrolled("s9", "c1")]).expect_none_matching(left.clone(), START);
    append(&store, Append::new(vec![enrolled("s1", "c1")])).await;
    append(&store, Append::new(vec![tagged("student-1", "student.left.v1", &["course:c2"])])).await;
    append(&store, guarded()).await;
    append(&store, Append::new(vec![tagged("student-1", "student.left.v1", &["course:c1"])])).await;
    assert_matched(&refuse(&store, guarded()).await, &left, 4);
}

pub async fn everything_is_a_condition(store: Store) {
    let guarded = |after| Append::new(vec![enrolled("s1", "c1")]).expect_none_matching(EventQuery::all(), after);
    append(&store, guarded(START)).await;
    write(&store, "account-a", 1).await;
    assert_matched(&refuse(&store, guarded(START)).await, &EventQuery::all(), 1);
    assert_matched(&refuse(&store, guarded(GlobalPosition::new(1))).await, &EventQuery::all(), 2);
    append(&store, guarded(GlobalPosition::new(2))).await;
}

pub async fn any_item_of_a_query_is_in_the_way(store: Store) {
    append(&store, Append::new(vec![enrolled("s1", "c1"), enrolled("s2", "c2")])).await;
    let either = EventQuery::any_of([item(&[], &["course:c2"]), item(&[], &["student:s1"])]);
    let guarded = || Append::new(vec![enrolled("s3", "c3")]).expect_none_matching(either.clone(), START);
    assert_matched(&refuse(&store, guarded()).await, &either, 1);
    let neither = EventQuery::any_of([item(&[], &["course:c3"]), item(&[], &["student:s1", "course:c2"])]);
    append(&store, Append::new(vec![enrolled("s3", "c3")]).expect_none_matching(neither, START)).await;
}

pub async fn conditions_of_every_kind_hold_together(store: Store) {
    let email = ClaimKey::new("email", "ann@example.com").expect("the suite names its keys well");
    write(&store, "course-1", 1).await;
    append(&store, Append::new(vec![enrolled("s1", "c1").claiming(email.clone())])).await;
    let guarded = || Append::new(vec![enrolled("s2", "c2")]).expect(stream("course-1"), exact(1));
    let error = refuse(&store, guarded().expect_none_matching(of_course("c1"), START)).await;
    assert_matched(&error, &of_course("c1"), 2);
    let both = guarded().expect_none_matching(of_course("c2"), START).expect_none_matching(of_course("c1"), START);
    assert_matched(&refuse(&store, both).await, &of_course("c1"), 2);
    let stale = guarded().expect_none_matching(of_course("c2"), START).expect(stream("student-s1"), exact(9));
    assert_conflict(&refuse(&store, stale).await, "student-s1", exact(9), Some(1));
    let held = guarded().expect_none_matching(of_course("c2"), START).expect_unclaimed(email);
    assert!(matches!(refuse(&store, held).await, AppendError::Claimed { .. }));
    let good = guarded().expect_none_matching(of_course("c2"), START).expect_none_matching(of_course("c3"), START);
    append(&store, good.expect(stream("student-s2"), ExpectedVersion::NoStream)).await;
}

pub async fn an_append_is_repeated_though_its_own_events_match(store: Store) {
    let guarded =
        Append::new(vec![enrolled("s1", "c1"), enrolled("s2", "c1")]).expect_none_matching(of_course("c1"), START);
    let first = append(&store, guarded.clone()).await;
    assert_repeats(&append(&store, guarded.clone()).await, &first);
    append(&store, Append::new(vec![enrolled("s3", "c1")])).await;
    assert_repeats(&append(&store, guarded.clone()).await, &first);
    let together = join_all((0..5).map(|_| store.append(guarded.clone()))).await;
    assert!(together.into_iter().all(|again| again.is_ok_and(|again| again.repeated)));
    let mut longer = guarded;
    longer.events.push(enrolled("s4", "c1"));
    assert_matched(&refuse(&store, longer).await, &of_course("c1"), 1);
}

pub async fn archived_streams_are_in_the_way_too(store: Store) {
    append(&store, Append::new(vec![enrolled("s1", "c1")])).await;
    archive(&store, "student-s1").await;
    let guarded = Append::new(vec![enrolled("s2", "c1")]).expect_none_matching(of_course("c1"), START);
    assert_matched(&refuse(&store, guarded).await, &of_course("c1"), 1);
}

pub async fn events_from_before_a_truncation_are_in_the_way_too(store: Store) {
    append(&store, Append::new(vec![enrolled("s1", "c1"), enrolled("s1", "c2")])).await;
    let change = StreamFactsChange::TruncateBefore(version(2));
    facts_of(&store).change_facts(&stream("student-s1"), change).await.expect("the stream is truncated");
    let guarded = Append::new(vec![enrolled("s2", "c1")]).expect_none_matching(of_course("c1"), START);
    assert_matched(&refuse(&store, guarded).await, &of_course("c1"), 1);
}

// Polled by one task, so that all of them are sent before the first is answered: they share groups.
pub async fn appends_in_one_group_are_in_each_others_way_in_order(store: Store) {
    write(&store, "account-a", 1).await;
    let guarded = |number: usize| {
        let course = format!("c{}", number % 10);
        let append = Append::new(vec![enrolled(&format!("s{number}"), &course)]);
        store.append(append.expect_none_matching(of_course(&course), GlobalPosition::new(1)))
    };
    let outcomes = join_all((0..50).map(guarded)).await;
    for (number, outcome) in outcomes.iter().enumerate() {
        match outcome {
            Ok(appended) => assert_eq!((number < 10, appended.position.get()), (true, number as u64 + 2)),
            Err(error) => assert_matched(error, &of_course(&format!("c{}", number % 10)), number as u64 % 10 + 2),
        }
    }
    assert_eq!(log(&store).await.len(), 11);
}

pub async fn tags_that_do_not_overlap_never_conflict(store: Store) {
    let after = head(&store).await;
    let guarded = |number: usize| {
        let (student, course) = (format!("s{number}"), format!("c{number}"));
        let own = EventQuery::any_of([
            item(&["student.enrolled.v1"], &[&format!("student:{student}")]),
            item(&[], &[&format!("course:{course}")]),
        ]);
        Append::new(vec![enrolled(&student, &course)]).expect_none_matching(own, after)
    };
    let in_a_group = join_all((0..100).map(|number| store.append(guarded(number)))).await;
    assert!(in_a_group.iter().all(Result::is_ok), "{in_a_group:?}");
    let apart = together((100..200).map(|number| {
        let (store, guarded) = (store.clone(), guarded(number));
        async move { store.append(guarded).await }
    }));
    assert!(apart.await.iter().all(Result::is_ok));
}

pub async fn of_parallel_appends_on_one_condition_one_is_written(store: Store) {
    for round in 0..5 {
        let (course, after) = (format!("c{round}"), head(&store).await);
        let appends = (0..30).map(|number| {
            let append = Append::new(vec![enrolled(&format!("s{number}"), &course)]);
            let (store, append) = (store.clone(), append.expect_none_matching(of_course(&course), after));
            async move { store.append(append).await }
        });
        let outcomes = together(appends).await;
        let won: Vec<_> = outcomes.iter().flatten().collect();
        assert_eq!(won.len(), 1);
        for error in outcomes.iter().filter_map(|outcome| outcome.as_ref().err()) {
            assert_matched(error, &of_course(&course), won[0].position.get());
        }
    }
}

pub async fn writers_that_read_again_all_get_through(store: Store) {
    let writers = (0..6).map(|writer| {
        let store = store.clone();
        async move {
            for number in 0..5 {
                loop {
                    let read = ReadAll::after(START).filter(Filter::Query(of_course("c1")));
                    let page = store.read_all(read).await.expect("the log can be read");
                    let student = format!("{writer}-{number}-{}", page.events.len());
                    let decided = Append::new(vec![enrolled(&student, "c1")]);
                    match store.append(decided.expect_none_matching(of_course("c1"), page.scanned_to)).await {
                        Ok(_) => break,
                        Err(AppendError::Matched { .. }) => {}
                        Err(error) => unreachable!("a writer is told what came between or succeeds: {error:?}"),
                    }
                }
            }
        }
    });
    together(writers).await;
    for (number, event) in log(&store).await.iter().enumerate() {
        let seen = event.stream.as_str().rsplit('-').next().map(str::to_owned);
        assert_eq!(seen, Some(number.to_string()), "each was decided on all that came before it");
    }
}

pub async fn a_condition_that_no_event_can_meet_is_malformed(store: Store) {
    let event = || enrolled("s1", "c1");
    for tag in ["", "a\0b", &"x".repeat(256)] {
        let guarded = Append::new(vec![event()]).expect_none_matching(query(&[], &[tag]), START);
        let error = refuse(&store, guarded).await;
        assert!(matches!(error, AppendError::Invalid(InvalidAppend::Query(_))), "{error:?}");
        let error = refuse(&store, Append::new(vec![tagged("a-1", "a.happened.v1", &[tag])])).await;
        assert!(matches!(error, AppendError::Invalid(InvalidAppend::Metadata { .. })), "{error:?}");
    }
    let tags: Vec<String> = (0..101).map(|number| number.to_string()).collect();
    let tags: Vec<&str> = tags.iter().map(String::as_str).collect();
    let error = refuse(&store, Append::new(vec![tagged("a-1", "a.happened.v1", &tags)])).await;
    assert!(matches!(error, AppendError::Invalid(InvalidAppend::Metadata { .. })), "{error:?}");
    append(&store, Append::new(vec![tagged("a-1", "a.happened.v1", &tags[1..])])).await;
    assert_eq!(stream_of(&store, "a-1").await.len(), 1);
}
