//! The past event by event, with the state before and after each.

use std::collections::BTreeMap;

use cqrs_core::in_memory::{InMemoryEventStore, InMemorySnapshotStore};
use cqrs_core::{
    Aggregate, Apply, AsOf, AuditReport, CommandId, Context, LoadError, Repository, Step, Timestamp, Version, fold,
};
use cqrs_testkit::sample::{Account, AccountId, Deposit, Open, Withdraw};
use futures::TryStreamExt;
use proptest::prelude::*;

use super::counter::{Add, AddOnes, Counter, CounterEvent, id};
use super::truncating::{Diary, Note, SumUp};
use super::watched_store::WatchedStore;

fn version(number: u64) -> Version {
    Version::new(number).unwrap()
}

async fn steps(counters: &Repository<Counter>, from: u64, to: u64) -> Vec<Step<Counter>> {
    counters.replay(&id()).from(version(from)).to(version(to)).steps().try_collect().await.unwrap()
}

#[tokio::test]
async fn each_step_has_the_event_and_the_states_before_and_after_it() {
    let counters = crate::repository::<Counter>(InMemoryEventStore::new());
    counters.execute_with(&id(), AddOnes(2), Context::new().actor("teller-7")).await.unwrap();
    counters.execute(&id(), Add(5)).await.unwrap();
    let history = counters.history(&id()).await.unwrap();
    let steps: Vec<_> = counters.replay(&id()).steps().try_collect().await.unwrap();
    let totals: Vec<_> = steps.iter().map(|step| (step.before.as_ref().unwrap().total, step.after.total)).collect();
    assert_eq!(totals, [(0, 1), (1, 2), (2, 7)]);
    for (step, recorded) in steps.iter().zip(&history) {
        assert_eq!((&step.recorded, &step.events[..]), (&recorded.raw, std::slice::from_ref(&recorded.event)));
    }
    assert_eq!(steps[0].recorded.metadata().unwrap().actor.as_deref(), Some("teller-7"));
}

#[tokio::test]
async fn an_unknown_id_has_no_steps_and_an_empty_report() {
    let counters = crate::repository::<Counter>(InMemoryEventStore::new());
    assert!(steps(&counters, 1, 9).await.is_empty());
    let report = counters.replay(&id()).from(version(7)).report(10).await.unwrap();
    assert_eq!((report.stream.as_str(), report.entries.len(), report.next), ("counter-a", 0, None));
    let refused = counters.replay(&String::new()).steps().try_next().await;
    assert!(matches!(refused, Err(LoadError::InvalidId(_))), "{refused:?}");
}

#[tokio::test]
async fn a_million_of_events_would_be_read_page_by_page_and_only_as_far_as_they_are_wanted() {
    let store = WatchedStore::default();
    let counters = crate::repository::<Counter>(store.clone());
    for _ in 0..3 {
        counters.execute(&id(), AddOnes(1_000)).await.unwrap();
    }
    store.events_read();
    let mut steps = counters.replay(&id()).steps();
    for total in 1..=3 {
        assert_eq!(steps.try_next().await.unwrap().unwrap().after.total, total);
    }
    assert!(store.events_read() <= 256, "one page");
    assert_eq!(steps.try_fold(3, async |before, step| Ok(step.after.total.max(before))).await.unwrap(), 3_000);
    assert_eq!(store.events_read(), 3_000 - 256);
}

#[tokio::test]
async fn a_window_late_in_a_long_past_starts_from_a_snapshot() {
    let (store, snapshots) = (WatchedStore::default(), InMemorySnapshotStore::new());
    let counters = Repository::<Counter>::new(store.clone()).snapshots(snapshots);
    counters.execute(&id(), AddOnes(990)).await.unwrap();
    counters.snapshot(&id()).await.unwrap();
    counters.execute(&id(), AddOnes(10)).await.unwrap();
    store.events_read();
    let steps = steps(&counters, 995, 997).await;
    assert_eq!(steps.iter().map(|step| step.after.total).collect::<Vec<_>>(), [995, 996, 997]);
    assert!(store.events_read() < 20);
}

/// Opened on 01-01, then, recorded later, a deposit of 01-05.
async fn audited() -> (Repository<Account>, AccountId, CommandId) {
    let accounts = crate::repository::<Account>(InMemoryEventStore::new());
    let (id, command) = (AccountId::new("ACC-001"), CommandId::new());
    accounts.execute(&id, Open { owner: "Ann".to_owned() }).await.unwrap();
    let salary = Context::new()
        .command_id(command)
        .occurred_at("2024-01-05T10:00:00Z".parse().unwrap())
        .actor("teller-7")
        .reason("salary")
        .source("/bank/teller")
        .tenant("branch-3");
    accounts.execute_with(&id, Deposit::new(2_000_000, "VND"), salary).await.unwrap();
    accounts.execute(&id, Withdraw { amount: 500_000 }).await.unwrap();
    (accounts, id, command)
}

#[tokio::test]
async fn an_audit_says_who_when_why_and_from_what_to_what() {
    let (accounts, id, command) = audited().await;
    let report = accounts.replay(&id).report(100).await.unwrap();
    assert_eq!((report.stream.as_str(), report.entries.len(), report.next), ("account-ACC-001", 3, None));
    let salary = &report.entries[1];
    let occurred: Timestamp = "2024-01-05T10:00:00Z".parse().unwrap();
    assert_eq!((salary.version.get(), salary.event_type.as_str()), (2, "account.deposited.v2"));
    assert_eq!((salary.occurred_at, salary.happened_at()), (Some(occurred), occurred));
    let recorded = accounts.history(&id).await.unwrap().swap_remove(1);
    assert_eq!(
        (salary.recorded_at, salary.event_id, salary.position),
        (recorded.recorded_at, recorded.id, recorded.position)
    );
    let said = [&salary.actor, &salary.reason, &salary.source, &salary.tenant].map(|text| text.as_deref().unwrap());
    assert_eq!(said, ["teller-7", "salary", "/bank/teller", "branch-3"]);
    assert_eq!(salary.command_id, Some(command));
    assert_eq!((salary.causation_id, salary.correlation_id), (Some(command.into()), Some(command.into())));
    let changes: Vec<_> = salary.changes.iter().map(ToString::to_string).collect();
    assert_eq!(changes, ["/balance 0 -> 2000000", r#"/currency null -> "VND""#]);
    let line = format!(
        "2  2024-01-05T10:00:00Z (recorded {})  account.deposited.v2  by teller-7: salary  \
         /balance 0 -> 2000000, /currency null -> \"VND\"",
        salary.recorded_at
    );
    assert_eq!(salary.to_string(), line);
    assert!(report.to_string().starts_with("account-ACC-001\n1  ") && report.to_string().contains(&line));
    assert!(report.to_string().ends_with("  account.withdrawn.v1  /balance 2000000 -> 1500000"), "{report}");
}

/// A state that has no JSON form: its keys are no texts.
#[derive(Clone, Default, serde::Serialize, Aggregate)]
#[aggregate(stream = "counter", id = String, event = CounterEvent, error = std::fmt::Error)]
struct Amounts(BTreeMap<(i64, i64), i64>);

impl Apply for Amounts {
    fn apply(&mut self, CounterEvent::Added { amount }: &CounterEvent) {
        self.0.insert((*amount, *amount), *amount);
    }
}

#[tokio::test]
async fn a_state_without_a_json_form_has_steps_but_no_audit() {
    let store = InMemoryEventStore::new();
    crate::repository::<Counter>(store.clone()).execute(&id(), Add(5)).await.unwrap();
    let amounts = crate::repository::<Amounts>(store);
    let steps: Vec<_> = amounts.replay(&id()).steps().map_ok(|step| step.after.0).try_collect().await.unwrap();
    assert_eq!(steps, [BTreeMap::from([((5, 5), 5)])]);
    let error = amounts.replay(&id()).report(10).await.unwrap_err();
    assert!(matches!(error, LoadError::State(_)), "{error:?}");
}

#[tokio::test]
async fn a_report_is_the_same_after_it_was_written_as_json() {
    let (accounts, id, _) = audited().await;
    let report = accounts.replay(&id).report(2).await.unwrap();
    assert_eq!(report.next, Version::new(3));
    let text = serde_json::to_string(&report).unwrap();
    assert_eq!(serde_json::from_str::<AuditReport>(&text).unwrap(), report);
}

#[tokio::test]
async fn a_stream_that_is_truncated_has_no_state_before_its_first_event() {
    let diaries = crate::repository::<Diary>(InMemoryEventStore::new());
    let (id, first) = (super::truncating::id(), version(3));
    for number in [1, 2] {
        diaries.execute(&id, Note(number)).await.unwrap();
    }
    diaries.execute(&id, SumUp).await.unwrap();
    diaries.execute(&id, Note(4)).await.unwrap();
    let all: Vec<_> = diaries.replay(&id).steps().try_collect().await.unwrap();
    assert_eq!(all[2].before.as_ref().unwrap().entries, [1, 2], "what was before is known as long as it is there");
    diaries.truncate_before(&id, first).await.unwrap();
    for from in [1, 2, 3] {
        let steps: Vec<_> = diaries.replay(&id).from(version(from)).steps().try_collect().await.unwrap();
        assert_eq!(
            (steps[0].recorded.version, &steps[0].before, &steps[0].after.entries[..]),
            (first, &None, &[3][..])
        );
        assert_eq!(steps[1], all[3]);
    }
    let report = diaries.replay(&id).report(1).await.unwrap();
    let changes: Vec<_> = report.entries[0].changes.iter().map(ToString::to_string).collect();
    assert_eq!((changes, report.next), (vec![r#" {"entries":[3]} added"#.to_owned()], Version::new(4)));
}

#[tokio::test]
async fn a_past_that_is_truncated_while_it_is_replayed_is_an_error_and_has_no_gap() {
    let store = WatchedStore::default();
    let diaries = crate::repository::<Diary>(store.clone());
    let id = super::truncating::id();
    for number in 1..=4 {
        diaries.execute(&id, Note(number)).await.unwrap();
    }
    diaries.execute(&id, SumUp).await.unwrap();
    store.truncate_after_the_next_page(5);
    let mut steps = diaries.replay(&id).steps();
    for number in [1, 2] {
        assert_eq!(steps.try_next().await.unwrap().unwrap().recorded.version.get(), number);
    }
    let error = steps.try_next().await.unwrap_err();
    assert!(matches!(error, LoadError::Truncated { before, .. } if before.get() == 5), "{error:?}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_window_and_every_page_agrees_with_the_states_as_of_each_version(
        amounts in proptest::collection::vec(-3..4_i64, 1..30), from in 1..32_u64, to in 1..32_u64, limit in 0..8_usize,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let snapshots = InMemorySnapshotStore::new();
            let counters = crate::repository::<Counter>(InMemoryEventStore::new()).snapshots(snapshots);
            for amount in &amounts {
                counters.execute(&id(), Add(*amount)).await.unwrap();
            }
            let expected = from..=to.min(amounts.len() as u64);
            let found = steps(&counters, from, to).await;
            assert_eq!(found.iter().map(|step| step.recorded.version.get()).collect::<Vec<_>>(), expected.collect::<Vec<_>>());
            for step in &found {
                let then = counters.load_as_of(&id(), AsOf::Version(step.recorded.version)).await.unwrap().unwrap();
                assert_eq!(step.after, then.state);
                let mut after = step.before.clone().unwrap();
                step.events.iter().for_each(|event| fold(&mut after, event));
                assert_eq!(after, step.after);
            }
            let whole: Vec<_> = counters.replay(&id()).audit().try_collect().await.unwrap();
            let (mut pages, mut next) = (Vec::new(), Version::new(1));
            while let Some(from) = next {
                let report = counters.replay(&id()).from(from).report(limit).await.unwrap();
                assert!(report.entries.len() <= limit.max(1));
                pages.extend(report.entries);
                next = report.next;
            }
            assert_eq!(pages, whole);
        });
    }
}
