//! Whatever happens to the appends of a command: its callers are told the truth, and it is carried out once at most.

use std::time::Duration;

use cqrs_core::middleware::{retry, timeout};
use cqrs_core::{CommandBus, CommandId, Context, EventStore, ExecuteError, Repository};
use cqrs_testkit::sample::{Account, Deposit};
use proptest::prelude::*;

use super::attempts::at_once;
use super::dispatching::{id, open};
use super::stalling_store::{Fault, StallingStore};

fn fault() -> impl Strategy<Value = Fault> {
    prop_oneof![
        3 => Just(Fault::None),
        2 => Just(Fault::Away),
        2 => Just(Fault::LostAnswer),
        2 => Just(Fault::LostOnTheWay),
        1 => Just(Fault::WrittenAndSilent),
        1 => Just(Fault::Silent),
    ]
}

async fn told_the_truth(cached: bool, retries: u32, plans: Vec<(bool, Vec<Fault>)>) {
    let store = StallingStore::default();
    let accounts = Repository::<Account>::new(store.clone());
    let accounts = if cached { accounts.cache(10) } else { accounts };
    accounts.execute(&id(), open()).await.unwrap();
    let patient = CommandBus::builder().register::<Deposit>(&accounts);
    let hasty = CommandBus::builder().register::<Deposit>(&accounts).layer(retry(retries, at_once()));
    let (patient, hasty) = (patient.build().unwrap(), hasty.layer(timeout(Duration::from_millis(2))).build().unwrap());
    let mut carried_out = 0;
    for (again, faults) in plans {
        store.plan(faults);
        let command = CommandId::new();
        let written = async || store.outcome(&[cqrs_core::EventId::derive(command, 0)]).await.unwrap().is_some();
        for _ in 0..=u32::from(again) {
            let context = Context::new().command_id(command);
            match hasty.dispatch(&id(), Deposit::new(1, "VND"), context).await {
                Ok(done) => assert!(written().await && done.events == 1),
                Err(ExecuteError::Unknown { .. }) => {}
                Err(ExecuteError::Transient(_)) => assert!(!written().await || again),
                Err(error) => panic!("{error:?}"),
            }
        }
        store.plan([]);
        let settled =
            patient.dispatch(&id(), Deposit::new(1, "VND"), Context::new().command_id(command)).await.unwrap();
        assert_eq!(settled.events, 1);
        carried_out += 1;
        let plain = Repository::<Account>::new(store.clone()).load(&id()).await.unwrap().unwrap();
        assert_eq!(plain.state.balance(), carried_out, "each command once");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn callers_are_told_the_truth_and_nothing_is_done_twice(
        cached in any::<bool>(),
        retries in 0..3_u32,
        plans in proptest::collection::vec((any::<bool>(), proptest::collection::vec(fault(), 0..5)), 0..5),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(told_the_truth(cached, retries, plans));
    }
}
