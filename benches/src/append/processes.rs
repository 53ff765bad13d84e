//! The program started several times: each process says that it is ready, waits for the word to begin, and answers with
//! what it came to.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use cqrs_postgres::PgOptions;
use serde::{Deserialize, Serialize};

use super::{group_append, plain_insert};
use crate::Error;
use crate::database::Database;
use crate::measure::Measured;

const READY: &str = "ready";

/// What one process does.
#[derive(Debug, Serialize, Deserialize)]
pub struct Part {
    pub schema: String,
    /// Plain inserts on so many connections; appends to the store otherwise.
    pub plain_connections: Option<usize>,
    pub appenders: usize,
    pub events: u64,
    /// The number of its first stream.
    pub first: usize,
    pub seconds: u64,
}

impl Part {
    /// Connects, and begins when `start` has come.
    pub async fn run(&self, start: impl Future<Output = Result<(), Error>>) -> Result<Measured, Error> {
        let database = Database::with_schema(&self.schema)?;
        let duration = Duration::from_secs(self.seconds);
        if let Some(connections) = self.plain_connections {
            let (appenders, events, first) = (self.appenders, self.events, self.first);
            return plain_insert::insert(&database, connections, appenders, events, first, duration, start).await;
        }
        let store = PgOptions::new(&database.url)?.schema(&database.schema)?.connect().await?;
        start.await?;
        group_append(Arc::new(store), self.appenders, self.events, self.first, duration).await
    }

    /// In a process of its own.
    pub async fn work(part: &str) -> Result<(), Error> {
        let part: Self = serde_json::from_str(part)?;
        let measured = part
            .run(async {
                println!("{READY}");
                match std::io::stdin().lock().read_line(&mut String::new())? {
                    0 => Err("the process that counts is gone".into()),
                    _ => Ok(()),
                }
            })
            .await?;
        println!("{}", serde_json::to_string(&measured)?);
        Ok(())
    }
}

/// The sum of the rates, and the latencies of the slowest.
pub async fn together(parts: Vec<Part>) -> Result<Measured, Error> {
    let runs = tokio::task::spawn_blocking(move || run_all(&parts)).await??;
    runs.into_iter()
        .reduce(|one, other| Measured {
            per_second: one.per_second + other.per_second,
            p50_ms: larger(one.p50_ms, other.p50_ms),
            p99_ms: larger(one.p99_ms, other.p99_ms),
        })
        .ok_or_else(|| "no processes".into())
}

fn larger(one: Option<f64>, other: Option<f64>) -> Option<f64> {
    one.into_iter().chain(other).reduce(f64::max)
}

fn run_all(parts: &[Part]) -> Result<Vec<Measured>, Error> {
    let mut processes: Vec<_> = parts.iter().map(Process::start).collect::<Result<_, _>>()?;
    for process in &mut processes {
        let said = process.read_line()?;
        if said.trim_end() != READY {
            return Err(format!("a process said {said:?}").into());
        }
    }
    for process in &mut processes {
        writeln!(process.child.stdin.as_mut().ok_or("no standard input")?)?;
    }
    processes.iter_mut().map(|process| Ok(serde_json::from_str(&process.read_line()?)?)).collect()
}

struct Process {
    child: Child,
    answers: BufReader<std::process::ChildStdout>,
}

impl Process {
    fn start(part: &Part) -> Result<Self, Error> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg("append-part")
            .arg(serde_json::to_string(part)?)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let answers = BufReader::new(child.stdout.take().ok_or("no standard output")?);
        Ok(Self { child, answers })
    }

    fn read_line(&mut self) -> Result<String, Error> {
        let mut line = String::new();
        match self.answers.read_line(&mut line)? {
            0 => Err(format!("a process ended early: {}", self.child.wait()?).into()),
            _ => Ok(line),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Without its standard input it does not begin; what it has begun ends by itself.
        drop(self.child.stdin.take());
        if let Err(error) = self.child.wait() {
            eprintln!("a process was not waited for: {error}");
        }
    }
}
