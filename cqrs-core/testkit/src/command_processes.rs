//! Processes that dispatch the same commands, and one that crashes between commit and answer.

use std::collections::BTreeMap;
use std::process::Child;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use cqrs_core::{CommandBus, CommandId, Context, EventId, EventStore, ExecuteError, Executed, Repository, Timestamp};
use tower::util::MapResponseLayer;

use crate::event_store::log;
use crate::sample::{Account, AccountError, AccountId, Deposit, Open};

/// How many commands each process dispatches.
const COMMANDS: usize = 60;
/// On how many accounts.
const ACCOUNTS: usize = 3;

fn command(number: usize) -> CommandId {
    CommandId::named(Timestamp::from_micros(1_700_000_000_000_000), &format!("line {number}"))
}

async fn dispatch(bus: &CommandBus, number: usize) -> Result<Executed, ExecuteError<AccountError>> {
    let account = AccountId::new(format!("ACC-{}", number % ACCOUNTS));
    let context = Context::new().command_id(command(number));
    match number < ACCOUNTS {
        true => bus.dispatch(&account, Open { owner: "Ann".to_owned() }, context).await,
        false => bus.dispatch(&account, Deposit::new(1, "VND"), context).await,
    }
}

/// Commands on a few accounts, always the same under the same ids.
#[derive(Debug)]
pub struct Commands(Arc<dyn EventStore>);

impl Commands {
    /// On this store.
    pub fn on(store: impl EventStore) -> Self {
        Self(Arc::new(store))
    }

    /// What a process does: dispatches all commands, in order, and prints the outcome of each. With `crash_at`, the process
    /// aborts when so many have been carried out, before the last one of them is answered.
    pub async fn dispatch_all(&self, crash_at: Option<usize>) {
        let accounts = Repository::<Account>::new(Arc::clone(&self.0)).conflict_retries(1_000);
        let done = Arc::new(AtomicUsize::new(0));
        let crash = MapResponseLayer::new(move |response| {
            if Some(done.fetch_add(1, Ordering::SeqCst) + 1) == crash_at {
                std::process::abort();
            }
            response
        });
        let bus = CommandBus::builder().register::<Open>(&accounts).register::<Deposit>(&accounts).layer(crash);
        let bus = bus.build().expect("each command has one handler");
        for number in 0..COMMANDS {
            let Executed { events, version, position, repeated, .. } =
                dispatch(&bus, number).await.expect("it is carried out, now or before");
            let version = version.expect("it has an event").get();
            println!("outcome {number} {repeated} {events} {version} {position}");
        }
    }

    /// Each command is in the log once; all who were answered were told the same, one of them at most that it was the first.
    pub async fn check(&self, journals: &[String]) {
        let log = log(&self.0).await;
        assert_eq!(log.len(), COMMANDS, "each command once");
        let all: Vec<_> = journals.iter().map(|journal| outcomes(journal)).collect();
        for number in 0..COMMANDS {
            let id = EventId::derive(command(number), 0);
            assert_eq!(log.iter().filter(|event| event.id == id).count(), 1, "command {number}");
            let told: Vec<_> = all.iter().filter_map(|outcomes| outcomes.get(&number)).collect();
            assert!(told.iter().all(|outcome| outcome.1 == told[0].1), "command {number}: {told:?}");
            assert!(told.iter().filter(|outcome| !outcome.0).count() <= 1, "command {number}: {told:?}");
        }
    }
}

/// Starts a process that crashes between the commit and the answer of its 20th command, and then three side by side that
/// repeat all commands. Gives what each has printed. `start` is given what is to be parsed as `crash_at`.
pub fn crash_and_repeat(start: impl Fn(&str) -> Child) -> Vec<String> {
    let journal = |child: Child| {
        let output = child.wait_with_output().expect("a process that was started ends");
        (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let (succeeded, answered) = journal(start("20"));
    assert!(!succeeded && outcomes(&answered).len() == 19, "the 20th was committed and not answered: {answered}");
    let repeating = [start("never"), start("never"), start("never")];
    let mut journals = vec![answered];
    for child in repeating {
        let (succeeded, journal) = journal(child);
        let outcomes = outcomes(&journal);
        assert!(succeeded && outcomes.len() == COMMANDS, "{journal}");
        assert!((0..20).all(|number| outcomes[&number].0), "they were carried out before: {journal}");
        journals.push(journal);
    }
    journals
}

/// The outcomes in a journal: by the number of the command, whether it was repeated, and the rest of it.
fn outcomes(journal: &str) -> BTreeMap<usize, (bool, String)> {
    let lines = journal.lines().filter_map(|line| line.split_once("outcome "));
    let parse = |line: &str| {
        let mut words = line.splitn(3, ' ');
        let number = words.next()?.parse().ok()?;
        Some((number, (words.next()? == "true", words.next()?.to_owned())))
    };
    lines.filter_map(|(_, line)| parse(line)).collect()
}
