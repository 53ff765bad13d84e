use std::collections::HashSet;
use std::os::unix::process::ExitStatusExt;
use std::process::Stdio;

use cqrs_core::RecordedEvent;
use serde::Deserialize;
use showcase::place::{log, said};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;

use crate::SHOP;
use crate::directory::Directory;
use crate::whole::assert_figures;

const SIGKILL: i32 = 9;

/// Starts the program, and kills it when it says that it has imported so many of a hundred, or more.
async fn killed_at(mut program: Command, percent: u32) {
    let mut run = program.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut told = BufReader::new(run.stderr.take().unwrap()).lines();
    loop {
        let line = told.next_line().await.unwrap().expect("it ended by itself");
        let done = line.strip_prefix("import:").and_then(|line| line.split_once('%'));
        if done.is_some_and(|(done, _)| done.trim().parse::<u32>().unwrap() >= percent) {
            break;
        }
    }
    run.start_kill().unwrap();
    assert_eq!(run.wait().await.unwrap().signal(), Some(SIGKILL), "it was not killed in the middle");
}

/// Kills the program twice in the middle of the import: the third run says all there is to say.
async fn killed_twice(program: impl Fn() -> Command) {
    for percent in [10, 50] {
        killed_at(program(), percent).await;
    }
    let said = said(program().output().await.unwrap());
    assert_figures(&said);
    assert!(said.contains("\nimported: "), "it was killed when the import was over: {said}");
    let others = said.split_once(" others were there before\n").expect("some were there before").0;
    let others = others.rsplit(' ').next().unwrap().replace(',', "").parse::<usize>().unwrap();
    assert!((93_229 / 2..93_229).contains(&others), "{said}");
}

/// Each line of the file has led to its events once.
fn assert_whole(log: &[RecordedEvent]) {
    #[derive(Deserialize)]
    struct Purchased {
        cds: u64,
        cents: i64,
    }
    let of = |event_type: &'static str| log.iter().filter(move |event| event.event_type.as_str() == event_type);
    let purchased: Vec<Purchased> = of("customer.purchased.v1").map(|event| event.payload.decode().unwrap()).collect();
    assert_eq!(of("customer.joined.v1").count(), 23_570);
    assert_eq!(purchased.len(), 69_659);
    assert_eq!(log.len(), 93_229);
    assert_eq!(purchased.iter().map(|purchase| purchase.cents).sum::<i64>(), 250_031_563);
    assert_eq!(purchased.iter().map(|purchase| purchase.cds).sum::<u64>(), 167_881);
    let commands: HashSet<_> = log.iter().map(|event| event.metadata().unwrap().command_id).collect();
    assert_eq!(commands.len(), 69_659);
}

#[tokio::test]
async fn on_a_file_killed_twice_in_the_middle_of_the_import_it_ends_in_the_same_figures() {
    let directory = Directory::new();
    killed_twice(|| directory.program()).await;
    assert_whole(&directory.log("music-shop.sqlite").await);
}

#[tokio::test]
async fn on_the_services_killed_twice_in_the_middle_of_the_import_it_ends_in_the_same_figures() {
    SHOP.in_place(async |place| {
        killed_twice(|| place.program()).await;
        assert_whole(&log(&place.store().await).await);
    })
    .await;
}
