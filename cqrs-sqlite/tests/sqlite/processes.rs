//! Several processes on one file, and processes that are killed.

use std::collections::HashSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::Child;

use cqrs_core::{Append, AppendError, EventStore, ExpectedVersion, StreamName};
use cqrs_sqlite::SqliteEventStore;

use super::claims::email;
use super::file::{File, event, log};

const WRITERS: usize = 8;

/// What a child process does: appends with many writers, and prints the id of every event that was acknowledged.
#[tokio::test(flavor = "multi_thread")]
async fn child() {
    let (Ok(path), Ok(appends)) = (std::env::var("CQRS_SQLITE_FILE"), std::env::var("CQRS_SQLITE_APPENDS")) else {
        return;
    };
    let appends: usize = appends.parse().unwrap();
    let store = SqliteEventStore::open(path).await.unwrap();
    let writers = (0..WRITERS).map(|writer| {
        let store = store.clone();
        tokio::spawn(async move {
            let own = StreamName::of("account", &format!("{}-{writer}", std::process::id())).unwrap();
            let mut head = None;
            for _ in 0..appends {
                // One event to a stream of its own, expecting what it left there, and one to a stream of all.
                let append = Append::new(vec![event(own.as_str()), event("account-shared")]);
                let ids = append.event_ids();
                let appended = store.append(append.expect(own.clone(), ExpectedVersion::of(head))).await.unwrap();
                head = Some(appended.versions[0]);
                let mut journal = std::io::stdout().lock();
                writeln!(journal, "acknowledged {} {}", ids[0], ids[1]).unwrap();
                journal.flush().unwrap();
            }
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.unwrap();
    }
}

/// What another kind of child does: claims so many keys, and prints which of them it got.
#[tokio::test(flavor = "multi_thread")]
async fn claiming_child() {
    let (Ok(path), Ok(claims)) = (std::env::var("CQRS_SQLITE_FILE"), std::env::var("CQRS_SQLITE_CLAIMS")) else {
        return;
    };
    let store = SqliteEventStore::open(path).await.unwrap();
    let own = format!("user-{}", std::process::id());
    for number in 0..claims.parse::<usize>().unwrap() {
        match store.append(Append::new(vec![event(&own).claiming(email(number))])).await {
            Ok(_) => println!("acknowledged {number}"),
            Err(AppendError::Claimed { key, holder }) => assert!(key == email(number) && holder.as_str() != own),
            Err(error) => panic!("{error:?}"),
        }
    }
}

fn start(file: &File, appends: usize) -> Child {
    file.child("sqlite::processes::child").env("CQRS_SQLITE_APPENDS", appends.to_string()).spawn().unwrap()
}

fn start_claiming(file: &File, claims: usize) -> Child {
    file.child("sqlite::processes::claiming_child").env("CQRS_SQLITE_CLAIMS", claims.to_string()).spawn().unwrap()
}

/// The ids in whole lines of a journal; the last line may be torn.
fn acknowledged(journal: &str) -> Vec<String> {
    let whole = journal.split_inclusive('\n').filter(|line| line.ends_with('\n'));
    let ids = whole.filter_map(|line| line.split_once("acknowledged ")).flat_map(|(_, ids)| ids.split_whitespace());
    ids.map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_that_append_at_once_lose_and_double_nothing() {
    let file = File::new();
    let mut children: Vec<_> = (0..3).map(|_| start(&file, 50)).collect();
    let mut journals = Vec::new();
    for child in &mut children {
        let mut journal = String::new();
        child.stdout.take().unwrap().read_to_string(&mut journal).unwrap();
        assert!(child.wait().unwrap().success(), "{journal}");
        journals.extend(acknowledged(&journal));
    }
    assert_eq!(journals.len(), 3 * WRITERS * 50 * 2);
    let written: Vec<_> = log(&file.store().await).await.iter().map(|event| event.id.to_string()).collect();
    assert_eq!(written.len(), journals.len());
    assert_eq!(written.iter().collect::<HashSet<_>>(), journals.iter().collect());
}

#[tokio::test(flavor = "multi_thread")]
async fn of_processes_that_claim_the_same_keys_each_key_has_one_winner() {
    let file = File::new();
    let mut children: Vec<_> = (0..3).map(|_| start_claiming(&file, 100)).collect();
    let mut won = Vec::new();
    for child in &mut children {
        let mut journal = String::new();
        child.stdout.take().unwrap().read_to_string(&mut journal).unwrap();
        assert!(child.wait().unwrap().success(), "{journal}");
        won.extend(acknowledged(&journal).iter().map(|number| number.parse::<usize>().unwrap()));
    }
    won.sort_unstable();
    assert_eq!(won, (0..100).collect::<Vec<_>>());
    assert_eq!(log(&file.store().await).await.len(), 100);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_before_a_kill_is_there_after_it() {
    let file = File::new();
    let mut acknowledged_ids = HashSet::new();
    for round in 0..5 {
        let mut child = start(&file, usize::MAX);
        let mut journal = BufReader::new(child.stdout.take().unwrap());
        let mut text = String::new();
        while acknowledged(&text).len() < 100 * (round + 1) {
            journal.read_line(&mut text).unwrap();
        }
        child.kill().unwrap();
        child.wait().unwrap();
        journal.read_to_string(&mut text).unwrap();
        acknowledged_ids.extend(acknowledged(&text));
        let log = log(&file.store().await).await;
        let written: HashSet<_> = log.iter().map(|event| event.id.to_string()).collect();
        assert_eq!(written.len(), log.len(), "nothing is doubled");
        assert!(acknowledged_ids.is_subset(&written), "nothing is lost");
        let shared = log.iter().filter(|event| event.stream.as_str() == "account-shared").count();
        assert_eq!(shared * 2, log.len(), "no append is torn");
    }
}
