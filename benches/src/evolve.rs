//! A history of old events beside new ones: replayed, rebuilt and time-travelled without an error.

use std::sync::Arc;
use std::time::Instant;

use cqrs_core::in_memory::InMemoryReadModel;
use cqrs_core::{
    Aggregate, Append, Apply, AsOf, DomainEvent, EventStore, EventType, GlobalPosition, NewEvent, Payload, ReadAhead,
    ReadAll, Recorded, Repository, StreamName, UpcastError, Version,
};
use cqrs_projections::{ProjectError, Projections, Projector};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::Error;
use crate::measure::{Measured, median};
use crate::report::{Baseline, Line, Report, parameters};
use crate::store::{Opened, Store};

#[derive(clap::Args)]
pub struct Options {
    /// The store.
    #[arg(long, value_enum, default_value = "postgres")]
    store: Store,
    /// Users of each version, an event each.
    #[arg(long, default_value_t = 1_000_000)]
    users: u64,
    /// Replays of each kind, in turn.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
}

#[derive(Serialize, Deserialize, DomainEvent)]
#[event(domain = "user")]
enum UserEvent {
    #[event(version = 2, upcast_from(1 = without_email))]
    Created { name: String, email: Option<String> },
}

fn without_email(mut event: Value) -> Result<Value, UpcastError> {
    let fields = event.as_object_mut().ok_or_else(|| UpcastError::new("a user is an object"))?;
    fields.insert("email".to_owned(), json!(null));
    Ok(event)
}

#[derive(Clone, Default, PartialEq, Serialize, Deserialize, Aggregate)]
#[aggregate(stream = "user", id = u64, event = UserEvent, error = std::fmt::Error)]
struct User {
    name: String,
    email: Option<String>,
}

impl Apply for User {
    fn apply(&mut self, UserEvent::Created { name, email }: &UserEvent) {
        *self = Self { name: name.clone(), email: email.clone() };
    }
}

/// How many users there are with and without an e-mail address, in a few documents.
struct Users;

impl Projector for Users {
    type Event = UserEvent;
    type Document = u64;

    fn route(&self, event: &Recorded<UserEvent>, to: &mut Vec<String>) {
        let UserEvent::Created { email, .. } = &event.event;
        to.push(if email.is_some() { "with" } else { "without" }.to_owned());
    }

    fn project(&self, _: &Recorded<UserEvent>, _: &str, count: Option<u64>) -> Result<Option<u64>, ProjectError> {
        Ok(Some(count.unwrap_or(0) + 1))
    }
}

fn created(number: u64, old: bool) -> Result<NewEvent, Error> {
    let name = format!("user {number}");
    let (event_type, payload) = match old {
        true => ("user.created.v1", json!({ "name": name })),
        false => ("user.created.v2", json!({ "name": name, "email": format!("{number}@example.com") })),
    };
    Ok(NewEvent::raw(StreamName::of("user", &number)?, EventType::new(event_type)?, Payload::encode(&payload)?))
}

pub async fn run(options: Options, report: &Report) -> Result<(), Error> {
    let (old, new) = (options.store.open().await?, options.store.open().await?);
    report.note(&format!("writing {} users of each version", options.users));
    for (opened, is_old) in [(&old, true), (&new, false)] {
        fill(opened, 0..options.users, is_old).await?;
    }
    let (mut olds, mut news) = (Vec::new(), Vec::new());
    for _ in 0..options.rounds {
        olds.push(replay(&old, options.users).await?);
        news.push(replay(&new, options.users).await?);
    }
    let (olds, news) = (median(&olds).ok_or("no rounds")?, median(&news).ok_or("no rounds")?);
    report.line(&Line {
        bench: "evolve",
        subject: format!("{} upcast", options.store.name()),
        per_second: olds.per_second,
        p50_ms: None,
        p99_ms: None,
        parameters: parameters([("events", json!(options.users)), ("rounds", json!(options.rounds))]),
        baseline: Some(Baseline {
            baseline: "events of today".to_owned(),
            baseline_per_second: news.per_second,
            ratio: olds.per_second / news.per_second,
        }),
    })?;
    new.close().await?;
    report.note("both in one log, rebuilt and time-travelled");
    fill(&old, options.users..2 * options.users, false).await?;
    check(&old, options.users).await?;
    old.close().await
}

async fn fill(opened: &Opened, users: std::ops::Range<u64>, old: bool) -> Result<(), Error> {
    let mut users = users.peekable();
    while users.peek().is_some() {
        let part: Result<Vec<_>, Error> = users.by_ref().take(1_000).map(|number| created(number, old)).collect();
        opened.store.append(Append::new(part?)).await?;
    }
    Ok(())
}

/// The whole log, decoded.
async fn replay(opened: &Opened, expected: u64) -> Result<Measured, Error> {
    let start = Instant::now();
    let mut pages = ReadAhead::new(Arc::clone(&opened.store), ReadAll::after(GlobalPosition::START).limit(2_000));
    let mut count = 0;
    loop {
        let page = pages.next().await?;
        count += Recorded::<UserEvent>::decode_all(page.events)?.len() as u64;
        if !page.more {
            break;
        }
    }
    if count != expected {
        return Err(format!("{count} events of {expected} were read").into());
    }
    Ok(Measured::of(count, start.elapsed()))
}

async fn check(opened: &Opened, users: u64) -> Result<(), Error> {
    let sink = InMemoryReadModel::new();
    let running = Projections::new(Arc::clone(&opened.store)).add("users", Users, sink.clone()).start().await?;
    let head = opened.store.head().await?.position;
    running.wait_for(head, std::time::Duration::from_secs(600)).await?;
    let rebuilt = running.rebuild("users").await?;
    let documents = cqrs_core::Documents::<u64>::new(sink, "users")?;
    let counts = (documents.get("without").await?, documents.get("with").await?);
    if (rebuilt.events, counts) != (2 * users, (Some(users), Some(users))) {
        return Err(format!("{} events were rebuilt to {counts:?}", rebuilt.events).into());
    }
    let repository = Repository::<User>::new(Arc::clone(&opened.store));
    for number in (0..2 * users).step_by(997) {
        let then = repository.load_as_of(&number, AsOf::Version(Version::FIRST)).await?;
        let email = (number >= users).then(|| format!("{number}@example.com"));
        if then.map(|then| then.state) != Some(User { name: format!("user {number}"), email }) {
            return Err(format!("user {number} is another").into());
        }
    }
    Ok(())
}
