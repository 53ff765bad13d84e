//! `cqrs schema`, and the program of one's own, on files and on a real database.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that fails is what it is for")]

use std::path::Path;
use std::process::{Command, Output};

use clap::Parser;
use cqrs_console::schema::{OwnSchema, SchemaError};
use cqrs_core::{Append, DomainEvent, EventStore, EventType, NewEvent, Payload, StreamName};
use cqrs_postgres::PgOptions;
use cqrs_schema::{EventSchema, Schemas};
use cqrs_sqlite::SqliteEventStore;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sqlx::{AssertSqlSafe, Connection, PgConnection};

#[derive(Serialize, Deserialize, JsonSchema, DomainEvent)]
#[event(domain = "account")]
enum AccountEvent {
    Deposited { amount: i64 },
    Closed,
}

fn schemas() -> Schemas {
    Schemas::new().with(EventSchema::of().sample(AccountEvent::Deposited { amount: 500 }).sample(AccountEvent::Closed))
}

#[derive(Parser)]
struct Own {
    #[command(subcommand)]
    command: OwnSchema,
}

async fn own(schemas: &Schemas, arguments: &[&str]) -> Result<String, SchemaError> {
    let mut out = Vec::new();
    let arguments = ["schema"].iter().chain(arguments);
    Own::try_parse_from(arguments).unwrap().command.run(schemas, &mut out).await?;
    Ok(String::from_utf8(out).unwrap())
}

fn cqrs(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_cqrs")).args(arguments).env_remove("DATABASE_URL").output().unwrap()
}

fn said(output: &Output) -> (bool, String) {
    let text = if output.status.success() { &output.stdout } else { &output.stderr };
    (output.status.success(), String::from_utf8(text.clone()).unwrap().trim_end().to_owned())
}

fn event(event_type: &str, payload: &str) -> NewEvent {
    let stream = StreamName::new("account-1").unwrap();
    NewEvent::raw(stream, EventType::new(event_type).unwrap(), Payload::from_bytes(payload.to_owned()))
}

fn path(directory: &tempfile::TempDir, name: &str) -> String {
    directory.path().join(name).to_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_program_locks_its_events_and_checks_them() {
    let directory = tempfile::tempdir().unwrap();
    let lock = path(&directory, "schema.lock");
    let unlocked = own(&schemas(), &["check", "--lock", &lock]).await.unwrap_err();
    assert!(unlocked.to_string().contains("account.deposited.v1 is not locked"), "{unlocked}");
    assert!(!Path::new(&lock).exists(), "a check writes nothing");

    assert_eq!(own(&schemas(), &["lock", "--lock", &lock]).await.unwrap(), "2 event types are locked, 2 of them new\n");
    assert_eq!(own(&schemas(), &["lock", "--lock", &lock]).await.unwrap(), "nothing is new\n");
    assert_eq!(own(&schemas(), &["check", "--lock", &lock]).await.unwrap(), "2 event types decode\n");

    #[derive(Serialize, Deserialize, JsonSchema, DomainEvent)]
    #[event(domain = "account")]
    enum Changed {
        Deposited { amount: String },
        Closed,
    }
    let changed = Schemas::new()
        .with(EventSchema::of().sample(Changed::Deposited { amount: "5".to_owned() }).sample(Changed::Closed));
    let before = std::fs::read(&lock).unwrap();
    for command in ["check", "lock"] {
        let refused = own(&changed, &[command, "--lock", &lock]).await.unwrap_err();
        assert!(refused.to_string().contains("Raise the version to 2"), "{refused}");
    }
    assert_eq!(std::fs::read(&lock).unwrap(), before, "what is refused changes nothing");
}

#[tokio::test]
async fn a_store_in_a_file_is_checked_against_the_lock_and_decoded() {
    let directory = tempfile::tempdir().unwrap();
    let (lock, file) = (path(&directory, "schema.lock"), path(&directory, "bank.db"));
    own(&schemas(), &["lock", "--lock", &lock]).await.unwrap();
    let check = ["schema", "check", "--lock", &lock, "--database", &file];

    assert_eq!(said(&cqrs(&check)), (false, format!("error: there is no file {file}")));
    assert!(!Path::new(&file).exists(), "none is made");

    let store = SqliteEventStore::open(&file).await.unwrap();
    store.append(Append::new(vec![event("account.deposited.v1", r#"{"amount":1}"#)])).await.unwrap();
    assert_eq!(said(&cqrs(&check)), (true, "every recorded event type is locked".to_owned()));
    let history = own(&schemas(), &["history", "--database", &file]).await.unwrap();
    assert_eq!(history, "           1 account.deposited.v1\n1 events decode\n");

    store
        .append(Append::new(vec![event("account.frozen.v1", "{}"), event("account.deposited.v1", "{}")]))
        .await
        .unwrap();
    assert_eq!(said(&cqrs(&check)), (false, "error: recorded and not locked: account.frozen.v1".to_owned()));
    let SchemaError::Undecodable { count, of, first } =
        own(&schemas(), &["history", "--database", &file]).await.unwrap_err()
    else {
        panic!("they do not decode")
    };
    assert_eq!((count, of, first.len()), (2, 3, 2));
    assert!(first[0].contains("version 3 of account-1") && first[1].contains("account.frozen.v1"), "{first:?}");
    store.close().await.unwrap();
}

#[tokio::test]
async fn a_store_in_postgresql_is_checked_against_the_lock() {
    let url = std::env::var("DATABASE_URL").expect("DATABASE_URL names the server of the tests");
    let schema = format!("console_{}", uuid::Uuid::now_v7().simple());
    let directory = tempfile::tempdir().unwrap();
    let lock = path(&directory, "schema.lock");
    own(&schemas(), &["lock", "--lock", &lock]).await.unwrap();

    let store = PgOptions::new(&url).unwrap().schema(&schema).unwrap().connect().await.unwrap();
    store.migrate().await.unwrap();
    let check = ["schema", "check", "--lock", &lock, "--database", &url, "--schema", &schema];
    store.append(Append::new(vec![event("account.closed.v1", "{}")])).await.unwrap();
    let good = said(&cqrs(&check));
    store.append(Append::new(vec![event("account.frozen.v1", "{}")])).await.unwrap();
    let bad = said(&cqrs(&check));

    let mut connection = PgConnection::connect(&url).await.unwrap();
    let drop = AssertSqlSafe(format!("drop schema {schema} cascade"));
    sqlx::raw_sql(drop).execute(&mut connection).await.unwrap();
    assert_eq!(good, (true, "every recorded event type is locked".to_owned()));
    assert_eq!(bad, (false, "error: recorded and not locked: account.frozen.v1".to_owned()));
}

#[tokio::test]
async fn schemas_are_published_once_and_compared() {
    let directory = tempfile::tempdir().unwrap();
    let (lock, published) = (path(&directory, "schema.lock"), path(&directory, "schemas"));
    own(&schemas(), &["lock", "--lock", &lock]).await.unwrap();
    let expected = "account.closed.v1 revision 1\naccount.deposited.v1 revision 1";
    for _ in 0..2 {
        let published = cqrs(&["schema", "publish", "--lock", &lock, "--to", &published]);
        assert_eq!(said(&published), (true, expected.to_owned()));
    }
    let newer = path(&directory, "newer.json");
    std::fs::write(
        &newer,
        r#"{"type":"object","properties":{"amount":{"type":"integer"}},"required":["amount","currency"]}"#,
    )
    .unwrap();
    let older = format!("{published}/account.deposited.v1/1.json");
    let compare = |demanded| said(&cqrs(&["schema", "compare", &older, &newer, "--compatibility", demanded]));
    let why = "/currency is required, and was not always written";
    assert_eq!(compare("backward"), (false, format!("error: not backward compatible:\n{why}")));
    assert_eq!(compare("none"), (true, "none compatible".to_owned()));
    let (compatible, forward) = compare("forward");
    assert!(!compatible && forward.contains("/amount was integer"), "{forward}");
}

#[test]
fn wrong_addresses_are_explained() {
    let check = |more: &[&str]| said(&cqrs(&[&["schema", "check"], more].concat()));
    assert!(check(&[]).1.contains("--database <ADDRESS>"));
    let (_, said) = check(&["--database", "x.db", "--schema", "bank"]);
    assert_eq!(said, "error: a SQLite file has no schemas: leave out the name bank");
    let (_, said) = check(&["--database", "postgres://localhost/bank", "--schema", "Bank; drop"]);
    assert!(said.starts_with("error: "), "{said}");
}
