//! The file that keeps the events: where it is, whose it is, and what is refused.

use cqrs_core::{Append, EventStore, EventType, NewEvent, Payload, StreamName};
use cqrs_sqlite::SqliteEventStore;
use showcase::place::said;
use sqlx::{Connection, SqliteConnection};
use tokio::process::Command;

use crate::directory::Directory;

const ONE: &str = "00001 19970101 1 11.77\n";
const OTHER: &str = "00002 19970102 3 20.00\n00002 19970103 1 5.00\n";

/// What a run that failed said.
async fn refusal(mut program: Command) -> String {
    let output = program.output().await.unwrap();
    assert!(!output.status.success());
    String::from_utf8(output.stderr).unwrap()
}

#[tokio::test]
async fn each_history_has_a_file_of_its_own_and_says_where_it_is() {
    let directory = Directory::new();
    let file = directory.path("music-shop-purchases.sqlite");
    let said = said(directory.program_with(ONE).output().await.unwrap());
    assert!(said.contains(&format!("\nevents: {}\n", file.display())), "{said}");
    assert_eq!(directory.names(), ["music-shop-purchases.sqlite", "purchases.txt"]);
    assert_eq!(directory.log("music-shop-purchases.sqlite").await.len(), 2);
}

#[tokio::test]
async fn a_history_that_has_grown_goes_on_where_it_stopped() {
    let directory = Directory::new();
    let first = said(directory.program_with(ONE).output().await.unwrap());
    assert!(first.contains("\nimported: 2 events in "), "{first}");
    let before = directory.log("music-shop-purchases.sqlite").await;
    let grown = said(directory.program_with([ONE, OTHER].concat()).output().await.unwrap());
    assert!(grown.contains("\nimported: 3 events in "), "{grown}");
    assert!(grown.contains("\n  2 others were there before\n"), "{grown}");
    assert!(grown.contains("in all       3 purchases, 2 customers, 5 CDs, 36.77 dollars\n"), "{grown}");
    let after = directory.log("music-shop-purchases.sqlite").await;
    assert_eq!((after.len(), &after[..2]), (5, &before[..]));
}

#[tokio::test]
async fn a_history_that_was_changed_fails_unless_it_starts_afresh() {
    let directory = Directory::new();
    said(directory.program_with(ONE).output().await.unwrap());
    let error = refusal(directory.program_with(OTHER)).await;
    assert!(error.contains("figures are not as they should be\n  totals: expected Figures { purchases: 2"), "{error}");
    assert!(error.contains("another history needs another --file, or --afresh\n"), "{error}");
    let mut afresh = directory.program_with(OTHER);
    let said = said(afresh.arg("--afresh").output().await.unwrap());
    assert!(said.contains("in all       2 purchases, 1 customers, 4 CDs, 25.00 dollars\n"), "{said}");
    assert_eq!(directory.log("music-shop-purchases.sqlite").await.len(), 3);
}

#[tokio::test]
async fn another_file_can_be_chosen() {
    let directory = Directory::new();
    said(directory.program_with(ONE).args(["--file", "elsewhere.db"]).output().await.unwrap());
    assert_eq!(directory.names(), ["elsewhere.db", "purchases.txt"]);
    let mut both = directory.program_with(ONE);
    both.args(["--file", "elsewhere.db", "--afresh"]);
    let error = refusal(both).await;
    assert!(error.starts_with("error: the argument '--file <FILE>' cannot be used with '--afresh'"), "{error}");
    let mut on_a_server = directory.program_with(ONE);
    on_a_server.args(["--file", "elsewhere.db"]).env("DATABASE_URL", "postgres://127.0.0.1:1/nowhere");
    let error = refusal(on_a_server).await;
    assert!(error.starts_with("error: --file and --afresh are for events in a file, and DATABASE_URL"), "{error}");
    assert_eq!(directory.log("elsewhere.db").await.len(), 2);
}

#[tokio::test]
async fn a_file_of_a_newer_version_is_refused_and_left_as_it_is() {
    let directory = Directory::new();
    said(directory.program_with(ONE).output().await.unwrap());
    let file = directory.path("music-shop-purchases.sqlite");
    let mut connection = SqliteConnection::connect(file.to_str().unwrap()).await.unwrap();
    sqlx::raw_sql("pragma user_version = 99").execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    let before = std::fs::read(&file).unwrap();
    let error = refusal(directory.program_with(OTHER)).await;
    assert!(error.starts_with(&format!("error: {} has format 99, newer than ", file.display())), "{error}");
    assert!(std::fs::read(&file).unwrap() == before, "nothing is changed");
}

#[tokio::test]
async fn what_is_no_event_store_is_refused_and_left_as_it_is() {
    let directory = Directory::new();
    directory.write("notes.txt", "no database");
    let mut program = directory.program_with(ONE);
    program.args(["--file", "notes.txt"]);
    let error = refusal(program).await;
    let expected =
        format!("error: {} is no event store: not an SQLite database\n", directory.path("notes.txt").display());
    assert_eq!(error, expected);
    assert_eq!(std::fs::read(directory.path("notes.txt")).unwrap(), b"no database");
    let mut nowhere = directory.program_with(ONE);
    nowhere.args(["--file", "missing/events.db"]);
    let error = refusal(nowhere).await;
    assert!(error.ends_with(" cannot be opened: its directory does not exist\n"), "{error}");
}

#[tokio::test]
async fn events_of_another_program_are_left_alone() {
    let directory = Directory::new();
    let store = SqliteEventStore::open(directory.path("bank.db")).await.unwrap();
    let (stream, opened) = (StreamName::new("account-1").unwrap(), EventType::new("account.opened.v1").unwrap());
    let event = NewEvent::raw(stream, opened, Payload::from_bytes(&b"{}"[..]));
    store.append(Append::new(vec![event])).await.unwrap();
    store.close().await.unwrap();
    let mut program = directory.program_with(ONE);
    program.args(["--file", "bank.db"]);
    let error = refusal(program).await;
    assert!(error.ends_with("bank.db holds events of another program: account-1\n"), "{error}");
    assert_eq!(directory.log("bank.db").await.len(), 1);
}
