//! Commands that several processes dispatch under the same ids, and one that crashes between commit and answer.

use std::process::{Child, Command, Stdio};

use cqrs_postgres::PgOptions;
use cqrs_testkit::command_processes::{Commands, crash_and_repeat};

use super::database::Database;

/// What a child process does.
#[tokio::test(flavor = "multi_thread")]
async fn dispatching_child() {
    let (Ok(schema), Ok(crash_at)) = (std::env::var("CQRS_CHILD_SCHEMA"), std::env::var("CQRS_CRASH_AT")) else {
        return;
    };
    let url = std::env::var("DATABASE_URL").unwrap();
    let options = PgOptions::new(&url).unwrap().schema(&schema).unwrap().read_connections(3);
    Commands::on(options.connect().await.unwrap()).dispatch_all(crash_at.parse().ok()).await;
}

fn start(database: &Database, crash_at: &str) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["postgres::commands::dispatching_child", "--exact", "--nocapture"])
        .envs([("CQRS_CHILD_SCHEMA", database.schema.as_str()), ("CQRS_CRASH_AT", crash_at)])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn of_processes_that_repeat_what_a_crashed_one_left_unanswered_all_get_the_first_outcome() {
    let database = Database::new();
    let store = database.migrated().await;
    let journals = crash_and_repeat(|crash_at| start(&database, crash_at));
    Commands::on(store).check(&journals).await;
}
