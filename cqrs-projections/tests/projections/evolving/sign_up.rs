//! Users from before there were e-mail addresses beside those of today, in one log.

use cqrs_core::{
    Aggregate, Append, Apply, AsOf, Documents, DomainEvent, EventStore, EventType, GlobalPosition, NewEvent, Payload,
    Recorded, Repository, StreamName, UpcastError, Version,
};
use cqrs_projections::{ProjectError, Projections, Projector, documents_as_of};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::NAME;
use crate::faulty::{FaultySink, FaultyStore};
use crate::ledger::LONG;

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

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, Aggregate)]
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

struct Users;

impl Projector for Users {
    type Event = UserEvent;
    type Document = User;

    fn route(&self, event: &Recorded<UserEvent>, to: &mut Vec<String>) {
        to.push(event.stream.id().to_owned());
    }

    fn project(&self, event: &Recorded<UserEvent>, _: &str, _: Option<User>) -> Result<Option<User>, ProjectError> {
        let UserEvent::Created { name, email } = &event.event;
        Ok(Some(User { name: name.clone(), email: email.clone() }))
    }
}

/// Every third one is of today.
fn user(number: u64) -> User {
    let email = number.is_multiple_of(3).then(|| format!("{number}@example.com"));
    User { name: format!("user {number}"), email }
}

fn created(number: u64) -> NewEvent {
    let User { name, email } = user(number);
    let (event_type, payload) = match email {
        Some(email) => ("user.created.v2", json!({ "name": name, "email": email })),
        None => ("user.created.v1", json!({ "name": name })),
    };
    let stream = StreamName::of("user", &number).unwrap();
    NewEvent::raw(stream, EventType::new(event_type).unwrap(), Payload::encode(&payload).unwrap())
}

#[tokio::test]
async fn old_and_new_users_are_replayed_rebuilt_and_time_travelled() {
    const USERS: u64 = 3_000;
    let (store, sink) = (FaultyStore::default(), FaultySink::default());
    for first in (1..=USERS).step_by(1_000) {
        store.append(Append::new((first..first + 1_000).map(created).collect())).await.unwrap();
    }
    let running = Projections::new(store.clone()).add(NAME, Users, sink.clone()).start().await.unwrap();
    running.wait_for(GlobalPosition::new(USERS), LONG).await.unwrap();
    let documents = Documents::<User>::new(sink.inner(), NAME).unwrap();
    for number in 1..=USERS {
        assert_eq!(documents.get(&number.to_string()).await.unwrap(), Some(user(number)), "live");
    }
    let rebuilt = running.rebuild(NAME).await.unwrap();
    assert_eq!(rebuilt.events, USERS);

    let users = Repository::<User>::new(store.clone());
    let half = AsOf::Position(GlobalPosition::new(USERS / 2));
    let then = documents_as_of(Users, store, half).await.unwrap();
    for number in 1..=USERS {
        assert_eq!(documents.get(&number.to_string()).await.unwrap(), Some(user(number)), "rebuilt");
        assert_eq!(users.load(&number).await.unwrap().unwrap().state, user(number));
        let first = users.load_as_of(&number, AsOf::Version(Version::FIRST)).await.unwrap().unwrap();
        assert_eq!(first.state, user(number));
        let known = (number <= USERS / 2).then(|| user(number));
        assert_eq!(then.get(&number.to_string()).await.unwrap(), known);
    }
}
