//! Commands that come again under the same id.

use cqrs_core::in_memory::InMemoryEventStore;
use cqrs_core::{
    AppendError, CommandId, Context, EventId, ExecuteError, Executed, ExpectedVersion, Repository, Version,
};
use cqrs_testkit::sample::{Account, AccountId, Close, Open};
use cqrs_testkit::{Fault, FaultyEventStore};

use super::counter::{Add, AddOnes, Counter, FillUpTo, TopUpTo, id};

fn under(command: CommandId) -> Context {
    Context::new().command_id(command)
}

async fn total(counters: &Repository<Counter>) -> i64 {
    counters.load(&id()).await.unwrap().unwrap().state.total
}

#[track_caller]
fn assert_repeats(again: &Executed, first: &Executed) {
    assert!(again.repeated && !first.repeated);
    assert_eq!((again.events, again.version, again.position), (first.events, first.version, first.position));
    assert_eq!(again.stream, first.stream);
}

#[tokio::test]
async fn a_repeated_command_writes_once_and_gets_the_first_answer() {
    let counters = crate::repository::<Counter>(InMemoryEventStore::new());
    let command = CommandId::new();
    let first = counters.execute_with(&id(), AddOnes(3), under(command)).await.unwrap();
    for _ in 0..3 {
        let again = counters.execute_with(&id(), AddOnes(3), under(command)).await.unwrap();
        assert_repeats(&again, &first);
    }
    assert_eq!(total(&counters).await, 3);
}

#[tokio::test]
async fn a_repeated_command_gets_the_first_answer_after_the_aggregate_went_on() {
    let counters = crate::repository::<Counter>(InMemoryEventStore::new());
    let command = CommandId::new();
    counters.execute(&id(), Add(1)).await.unwrap();
    let first = counters.execute_with(&id(), AddOnes(2), under(command)).await.unwrap();
    counters.execute(&id(), Add(1)).await.unwrap();
    counters.execute(&id(), Add(1)).await.unwrap();
    assert_repeats(&counters.execute_with(&id(), AddOnes(2), under(command)).await.unwrap(), &first);
    assert_eq!(total(&counters).await, 5);
}

#[tokio::test]
async fn commands_without_an_id_of_their_own_are_all_carried_out() {
    let counters = crate::repository::<Counter>(InMemoryEventStore::new());
    for _ in 0..3 {
        assert!(!counters.execute(&id(), Add(1)).await.unwrap().repeated);
    }
    assert_eq!(total(&counters).await, 3);
}

#[tokio::test]
async fn a_repeated_command_succeeds_though_the_domain_would_now_reject_it() {
    let accounts = crate::repository::<Account>(InMemoryEventStore::new());
    let (id, command) = (AccountId::new("ACC-001"), CommandId::new());
    let open = || Open { owner: "Ann".to_owned() };
    let first = accounts.execute_with(&id, open(), under(command)).await.unwrap();
    assert_repeats(&accounts.execute_with(&id, open(), under(command)).await.unwrap(), &first);
    accounts.execute(&id, Close).await.unwrap();
    assert_repeats(&accounts.execute_with(&id, open(), under(command)).await.unwrap(), &first);
    assert!(matches!(accounts.execute(&id, open()).await, Err(ExecuteError::Domain(_))), "another command is rejected");
    assert_eq!(accounts.history(&id).await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_repeated_command_succeeds_though_there_is_nothing_to_do_any_more() {
    let counters = crate::repository::<Counter>(InMemoryEventStore::new());
    let command = CommandId::new();
    let first = counters.execute_with(&id(), TopUpTo(5), under(command)).await.unwrap();
    assert_repeats(&counters.execute_with(&id(), TopUpTo(5), under(command)).await.unwrap(), &first);
}

#[tokio::test]
async fn a_repeated_command_that_would_now_decide_otherwise_gets_the_first_answer() {
    for removed in [0, -1, -2, -3, -9] {
        let counters = crate::repository::<Counter>(InMemoryEventStore::new());
        let command = CommandId::new();
        // Two events at first; after the removal as many as were removed.
        let first = counters.execute_with(&id(), FillUpTo(2), under(command)).await.unwrap();
        assert_eq!(first.events, 2);
        counters.execute(&id(), Add(removed)).await.unwrap();
        let again = counters.execute_with(&id(), FillUpTo(2), under(command)).await.unwrap();
        assert_repeats(&again, &first);
        assert_eq!(total(&counters).await, 2 + removed);
    }
}

#[tokio::test]
async fn a_repeated_command_that_wrote_many_events_gets_the_first_answer_with_all_of_them() {
    for events in [31, 32, 33, 100] {
        let counters = crate::repository::<Counter>(InMemoryEventStore::new());
        let command = CommandId::new();
        let first = counters.execute_with(&id(), FillUpTo(events), under(command)).await.unwrap();
        assert_eq!(first.events, usize::try_from(events).unwrap());
        // By now it would be rejected.
        assert_repeats(&counters.execute_with(&id(), FillUpTo(events), under(command)).await.unwrap(), &first);
        counters.execute(&id(), AddOnes(50)).await.unwrap();
        assert_repeats(&counters.execute_with(&id(), FillUpTo(events), under(command)).await.unwrap(), &first);
    }
}

#[tokio::test]
async fn a_repeated_command_succeeds_though_the_callers_expectation_does_not_hold_any_more() {
    let counters = crate::repository::<Counter>(InMemoryEventStore::new());
    let context = || under(command()).expected(ExpectedVersion::NoStream);
    fn command() -> CommandId {
        CommandId::named(cqrs_core::Timestamp::from_micros(1), "line 17")
    }
    let first = counters.execute_with(&id(), Add(1), context()).await.unwrap();
    assert_repeats(&counters.execute_with(&id(), Add(1), context()).await.unwrap(), &first);
    let other = Context::new().command_id(CommandId::new()).expected(ExpectedVersion::NoStream);
    let error = counters.execute_with(&id(), Add(1), other).await.unwrap_err();
    assert!(matches!(error, ExecuteError::Conflict { .. }), "another command conflicts: {error:?}");
}

#[tokio::test]
async fn a_command_whose_answer_was_lost_is_found_out_by_repeating_it() {
    let store = FaultyEventStore::<InMemoryEventStore>::default();
    let counters = crate::repository::<Counter>(store.clone());
    let command = CommandId::new();
    store.faults.next("append", [Fault::After]);
    let error = counters.execute_with(&id(), AddOnes(2), under(command)).await.unwrap_err();
    assert!(matches!(error, ExecuteError::Unknown { .. }), "{error:?}");
    let again = counters.execute_with(&id(), AddOnes(2), under(command)).await.unwrap();
    assert_eq!((again.events, again.version, again.repeated), (2, Version::new(2), true));
    assert_eq!(total(&counters).await, 2);
}

#[tokio::test]
async fn event_ids_derive_from_the_command_and_the_index() {
    let counters = crate::repository::<Counter>(InMemoryEventStore::new());
    let command = CommandId::new();
    counters.execute_with(&id(), AddOnes(3), under(command)).await.unwrap();
    let ids: Vec<_> = counters.history(&id()).await.unwrap().iter().map(|event| event.id).collect();
    assert_eq!(ids, [0, 1, 2].map(|index| EventId::derive(command, index)));
}

#[tokio::test]
async fn a_command_id_that_another_aggregate_used_is_refused_and_says_where() {
    let counters = crate::repository::<Counter>(InMemoryEventStore::new());
    let command = CommandId::new();
    counters.execute(&id(), Add(1)).await.unwrap();
    counters.execute_with(&id(), Add(1), under(command)).await.unwrap();
    let other = "b".to_owned();
    for _ in 0..2 {
        let error = counters.execute_with(&other, Add(1), under(command)).await.unwrap_err();
        let ExecuteError::Permanent(failure) = &error else { panic!("{error:?}") };
        let reused = failure.inner().downcast_ref::<AppendError>();
        assert!(
            matches!(reused, Some(AppendError::EventIdReused { id, stream, version })
                if *id == EventId::derive(command, 0) && stream.as_str() == "counter-a" && version.get() == 2),
            "{failure:?}"
        );
    }
    assert_eq!(counters.load(&other).await.unwrap(), None, "nothing was written");
}

#[tokio::test(flavor = "multi_thread")]
async fn parallel_repetitions_write_once_and_all_get_the_first_answer() {
    for round in 0..20 {
        let store = InMemoryEventStore::new();
        let command = CommandId::new();
        let repetitions: Vec<_> = (0..8)
            .map(|_| {
                let counters = crate::repository::<Counter>(store.clone()).conflict_retries(1_000);
                tokio::spawn(async move { counters.execute_with(&id(), FillUpTo(2), under(command)).await })
            })
            .collect();
        let rivals = crate::repository::<Counter>(store.clone()).conflict_retries(1_000);
        let rival = tokio::spawn(async move { rivals.execute(&id(), Add(-5)).await.unwrap() });
        let mut answers = Vec::new();
        for repetition in repetitions {
            answers.push(repetition.await.unwrap().unwrap());
        }
        rival.await.unwrap();
        let written: Vec<_> = answers.iter().filter(|answer| !answer.repeated).collect();
        assert_eq!(written.len(), 1, "round {round}");
        for answer in &answers {
            assert_eq!((answer.events, answer.position), (written[0].events, written[0].position), "round {round}");
        }
        // Two events when it came before the rival, seven when after it.
        let history = crate::repository::<Counter>(store).history(&id()).await.unwrap();
        assert_eq!(history.len(), written[0].events + 1, "round {round}");
    }
}
