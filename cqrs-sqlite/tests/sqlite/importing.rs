//! History that several processes take in, and a process that is killed in the middle of it.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::Child;

use cqrs_core::{
    Append, EventId, EventStore, EventType, GlobalPosition, ImportEvents, Imported, Payload, RecordedEvent, StreamName,
    Timestamp, Version,
};
use cqrs_sqlite::SqliteEventStore;

use super::file::{File, event, log};

const PARTS: usize = 40;

/// Some events more than fit into one statement.
const PART: usize = 500;

/// The same for every process: events of ten streams, a minute apart.
fn history() -> Vec<RecordedEvent> {
    let old = |number: u64| RecordedEvent {
        id: EventId::from_uuid(uuid::Uuid::from_u128(u128::from(number))),
        event_type: EventType::new("account.deposited.v1").unwrap(),
        stream: StreamName::of("account", &(number % 10)).unwrap(),
        version: Version::new(number.div_ceil(10)).unwrap(),
        position: GlobalPosition::new(number),
        recorded_at: Timestamp::from_micros(1_000_000_000_000_000).plus_micros(number.cast_signed() * 60_000_000),
        occurred_at: None,
        payload: Payload::from_bytes(format!("{{\"amount\" : {number}}}")),
        metadata: Payload::from_bytes(&b"{}"[..]),
    };
    (1..=(PARTS * PART) as u64).map(old).collect()
}

/// What a child process does: takes the history in, part by part, and prints what became of each.
#[tokio::test(flavor = "multi_thread")]
async fn child() {
    let Ok(path) = std::env::var("CQRS_SQLITE_FILE") else { return };
    let store = SqliteEventStore::open(path).await.unwrap();
    for part in history().chunks(PART) {
        let Imported { written, repeated } = store.import(part.to_vec()).await.unwrap();
        let mut journal = std::io::stdout().lock();
        writeln!(journal, "imported {written} {repeated}").unwrap();
        journal.flush().unwrap();
    }
}

fn start(file: &File) -> Child {
    file.child("sqlite::importing::child").spawn().unwrap()
}

/// How many events a journal says were written, and how many were there.
fn imported(journal: &str) -> (usize, usize) {
    let lines = journal.lines().filter_map(|line| line.split_once("imported ")?.1.split_once(' '));
    lines.fold((0, 0), |(written, repeated), (now, before)| {
        (written + now.parse::<usize>().unwrap(), repeated + before.parse::<usize>().unwrap())
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_that_take_in_the_same_history_at_once_write_it_once() {
    let file = File::new();
    let mut children: Vec<_> = (0..3).map(|_| start(&file)).collect();
    let (mut written, mut repeated) = (0, 0);
    for child in &mut children {
        let mut journal = String::new();
        child.stdout.take().unwrap().read_to_string(&mut journal).unwrap();
        assert!(child.wait().unwrap().success(), "{journal}");
        let (now, before) = imported(&journal);
        assert_eq!(now + before, PARTS * PART, "every process is told of every event");
        (written, repeated) = (written + now, repeated + before);
    }
    assert_eq!((written, repeated), (PARTS * PART, 2 * PARTS * PART));
    assert_eq!(log(&file.store().await).await, history());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_that_is_killed_is_whole_in_parts_and_goes_on() {
    let file = File::new();
    for parts in [3, 9] {
        let mut child = start(&file);
        let mut journal = BufReader::new(child.stdout.take().unwrap());
        let mut text = String::new();
        while text.matches("imported ").count() < parts {
            journal.read_line(&mut text).unwrap();
        }
        child.kill().unwrap();
        child.wait().unwrap();
        let log = log(&file.store().await).await;
        assert!(log.len() >= parts * PART, "what was said to be there is there");
        assert_eq!(log.len() % PART, 0, "no part is torn");
        assert_eq!(log, history()[..log.len()]);
    }
    assert!(start(&file).wait_with_output().unwrap().status.success());
    let store = file.store().await;
    assert_eq!(log(&store).await, history());
    let next = store.append(Append::new(vec![event("account-1")])).await.unwrap();
    assert_eq!(next.position.get(), (PARTS * PART) as u64 + 1);
}
