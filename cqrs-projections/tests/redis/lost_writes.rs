//! A crash of the server loses the end of its log: documents and what is derived from them come back as the events say.

use std::fs::OpenOptions;
use std::path::PathBuf;
use std::time::Duration;

use cqrs_core::in_memory::InMemoryEventStore;
use cqrs_core::{
    Append, Backoff, Documents, DomainEvent, EventStore, GlobalPosition, NewEvent, Partitions, ReadAll, Recorded,
    StreamName,
};
use cqrs_projections::{ProjectError, Projections, Projector, RedisReadModel, RetryTransient};
use serde::{Deserialize, Serialize};

use super::server::{Server, until};

const LONG: Duration = Duration::from_secs(60);

#[derive(Debug, Clone, Serialize, Deserialize, DomainEvent)]
#[event(domain = "student")]
enum StudentEvent {
    Scored { student: String, points: i64 },
    Left { student: String },
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
struct Student {
    points: i64,
    events: u64,
}

struct Students;

impl Projector for Students {
    type Event = StudentEvent;
    type Document = Student;

    fn partitions(&self) -> u16 {
        2
    }

    fn route(&self, event: &Recorded<StudentEvent>, to: &mut Vec<String>) {
        let (StudentEvent::Scored { student, .. } | StudentEvent::Left { student }) = &event.event;
        to.push(student.clone());
    }

    fn project(
        &self,
        event: &Recorded<StudentEvent>,
        _: &str,
        document: Option<Student>,
    ) -> Result<Option<Student>, ProjectError> {
        let mut student = document.unwrap_or_default();
        student.events += 1;
        match &event.event {
            StudentEvent::Scored { points, .. } => student.points += points,
            StudentEvent::Left { .. } => return Ok(None),
        }
        Ok(Some(student))
    }
}

fn deriving(model: RedisReadModel) -> RedisReadModel {
    model.derive(|key, student: &Student, to| {
        to.leaderboard("top", key, student.points as f64);
        to.set(format!("level:{}", student.points / 10), key);
        to.set("all", "somebody");
        to.counter("points", student.points);
        to.counter("students", 1);
        to.hash(student);
    })
}

async fn append(store: &InMemoryEventStore, events: impl IntoIterator<Item = StudentEvent>) -> GlobalPosition {
    let encode = |event| NewEvent::encode(StreamName::new("student-all").unwrap(), &event).unwrap();
    store.append(Append::new(events.into_iter().map(encode).collect())).await.unwrap().position
}

fn event(n: i64) -> StudentEvent {
    let student = format!("s{}", n * n % 7);
    match n % 9 {
        8 => StudentEvent::Left { student },
        points => StudentEvent::Scored { student, points },
    }
}

fn everybody_scores() -> impl Iterator<Item = StudentEvent> {
    (0..7).map(|n| StudentEvent::Scored { student: format!("s{n}"), points: 1 })
}

/// All documents, folded in memory.
async fn oracle(store: &InMemoryEventStore) -> Vec<(String, Student)> {
    let mut all = std::collections::BTreeMap::new();
    for raw in store.read_all(ReadAll::after(GlobalPosition::START).limit(10_000)).await.unwrap().events {
        let mut events = Vec::new();
        raw.decode::<StudentEvent>(&mut events).unwrap();
        for event in events {
            let recorded = Recorded { event, raw: raw.clone() };
            let mut keys = Vec::new();
            Students.route(&recorded, &mut keys);
            for key in keys {
                let before = all.remove(&key);
                if let Some(after) = Students.project(&recorded, &key, before).unwrap() {
                    all.insert(key, after);
                }
            }
        }
    }
    all.into_iter().collect()
}

async fn check(model: &RedisReadModel, store: &InMemoryEventStore, what: &str) {
    let expected = oracle(store).await;
    let documents = Documents::<Student>::new(model.clone(), "students").unwrap();
    let top = model.leaderboard("students", "top").unwrap();
    let hashes = model.hashes("students").unwrap();
    for n in 0..7 {
        let key = format!("s{n}");
        let student = expected.iter().find(|(student, _)| *student == key).map(|(_, student)| student.clone());
        assert_eq!(documents.get(&key).await.unwrap(), student, "{what}");
        let score = student.as_ref().map(|student| student.points as f64);
        assert_eq!(top.score(&key).await.unwrap(), score, "{what}");
        let field = student.map(|student| student.events.to_string());
        assert_eq!(hashes.field(&key, "events").await.unwrap(), field, "{what}");
    }
    let count = async |name: &str| model.counter("students", name).unwrap().get().await.unwrap();
    assert_eq!(count("points").await, expected.iter().map(|(_, student)| student.points).sum::<i64>(), "{what}");
    assert_eq!(count("students").await, expected.len() as i64, "{what}");
    assert_eq!(model.set("students", "all").unwrap().len().await.unwrap(), u64::from(!expected.is_empty()), "{what}");
    for level in 0..10 {
        let set = model.set("students", &format!("level:{level}")).unwrap().members().await.unwrap();
        let mut members = expected.iter().filter(|(_, student)| student.points / 10 == level).map(|(key, _)| key);
        assert!(set.iter().eq(members.by_ref()), "{what}: level {level} has {set:?}, expected {expected:?}");
    }
}

/// The file that the server appends to.
fn log(server: &Server) -> PathBuf {
    let files = std::fs::read_dir(server.directory().join("appendonlydir")).unwrap();
    files.map(|file| file.unwrap().path()).find(|path| path.to_string_lossy().ends_with(".incr.aof")).unwrap()
}

fn rewrite_log(server: &Server) {
    let _: String = server.command(&["BGREWRITEAOF"]);
    until("the log is written anew", || {
        let info: String = server.command(&["INFO", "persistence"]);
        ["aof_rewrite_in_progress:0", "aof_rewrite_scheduled:0", "aof_last_bgrewrite_status:ok"]
            .iter()
            .all(|line| info.contains(line))
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_end_of_its_log_a_server_loses_everything_comes_back() {
    let partitions = Partitions::new(2).unwrap();
    let used: Vec<u16> = (0..7).map(|n| partitions.of(&format!("s{n}"))).collect();
    assert!(used.contains(&0) && used.contains(&1), "both partitions have documents");
    let mut server = Server::start(&["--appendfsync", "always"]);
    let store = InMemoryEventStore::new();
    let mut appended = 0;
    for round in 0..12_u64 {
        let model = deriving(RedisReadModel::connect(server.url()).await.unwrap());
        let quick = RetryTransient::new(Backoff::new(Duration::from_millis(5), Duration::from_millis(50)));
        let running = Projections::new(store.clone()).add("students", Students, model.clone()).error_policy(quick);
        let running = running.start().await.unwrap();
        // Many small batches, while a round of them is lost under a projection that runs.
        let mut position = GlobalPosition::START;
        for _ in 0..5 {
            position = append(&store, (appended..appended + 3).map(event)).await;
            appended += 3;
            running.wait_for(position, LONG).await.unwrap();
        }
        check(&model, &store, &format!("round {round}")).await;

        server.kill();
        let log = OpenOptions::new().write(true).open(log(&server)).unwrap();
        let length = log.metadata().unwrap().len();
        // Anywhere, mostly within a transaction.
        log.set_len(length.saturating_sub(97 + round * round * 211)).unwrap();
        drop(log);
        server.start_again();
        // It has left the beginning of a torn transaction in its log, and would execute it at the start after this one.
        rewrite_log(&server);
        if round % 2 == 0 {
            running.stop().await;
        } else {
            // A partition finds it out when it is written the next time: all of them are.
            position = append(&store, everybody_scores()).await;
            running.wait_for(position, LONG).await.unwrap();
            check(&model, &store, &format!("round {round}, after the loss")).await;
            running.stop().await;
        }
        assert!(position > GlobalPosition::START);
    }
}
