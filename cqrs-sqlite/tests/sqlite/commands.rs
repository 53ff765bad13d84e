//! Commands that several processes dispatch under the same ids, and one that crashes between commit and answer.

use std::process::Child;

use cqrs_sqlite::SqliteEventStore;
use cqrs_testkit::command_processes::{Commands, crash_and_repeat};

use super::file::File;

/// What a child process does.
#[tokio::test(flavor = "multi_thread")]
async fn dispatching_child() {
    let (Ok(path), Ok(crash_at)) = (std::env::var("CQRS_SQLITE_FILE"), std::env::var("CQRS_CRASH_AT")) else {
        return;
    };
    Commands::on(SqliteEventStore::open(path).await.unwrap()).dispatch_all(crash_at.parse().ok()).await;
}

fn start(file: &File, crash_at: &str) -> Child {
    file.child("sqlite::commands::dispatching_child").env("CQRS_CRASH_AT", crash_at).spawn().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn of_processes_that_repeat_what_a_crashed_one_left_unanswered_all_get_the_first_outcome() {
    let file = File::new();
    let journals = crash_and_repeat(|crash_at| start(&file, crash_at));
    Commands::on(file.store().await).check(&journals).await;
}
