//! Unique keys, claimed by the fields of events.

use cqrs_core::in_memory::InMemoryEventStore;
use cqrs_core::{
    Aggregate, Apply, ClaimKey, CodecError, CommandId, Context, DomainEvent, ExecuteError, Handle, Repository,
};
use futures::future::join_all;
use serde::{Deserialize, Serialize};

use super::watched_store::WatchedStore;

#[derive(Clone, Debug, Serialize, Deserialize, DomainEvent)]
#[event(domain = "user")]
pub enum UserEvent {
    SignedUp {
        #[event(claim = "email")]
        email: String,
    },
    EmailChanged {
        #[event(release = "email")]
        from: String,
        #[event(claim = "email")]
        to: String,
    },
    Left {
        #[event(release = "email")]
        email: String,
    },
    LoggedIn,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize, Aggregate)]
#[aggregate(stream = "user", id = String, event = UserEvent, error = NotNow)]
pub struct User {
    email: Option<String>,
    logins: usize,
}

#[derive(Debug, thiserror::Error)]
#[error("not now, with {email:?} and {logins} logins")]
pub struct NotNow {
    email: Option<String>,
    logins: usize,
}

impl Apply for User {
    fn apply(&mut self, event: &UserEvent) {
        match event {
            UserEvent::SignedUp { email } | UserEvent::EmailChanged { to: email, .. } => {
                self.email = Some(email.clone());
            }
            UserEvent::Left { .. } => self.email = None,
            UserEvent::LoggedIn => self.logins += 1,
        }
    }
}

impl User {
    fn not_now(&self) -> NotNow {
        NotNow { email: self.email.clone(), logins: self.logins }
    }
}

pub struct SignUp(pub &'static str);
pub struct ChangeEmail(pub String);
struct Leave;
pub struct LogIn;
/// Refused unless the state is just so.
struct LogInAs(&'static str);

impl Handle<SignUp> for User {
    fn handle(&self, command: &SignUp) -> Result<Vec<UserEvent>, NotNow> {
        match self.email {
            None => Ok(vec![UserEvent::SignedUp { email: command.0.to_owned() }]),
            Some(_) => Err(self.not_now()),
        }
    }
}

impl Handle<ChangeEmail> for User {
    fn handle(&self, command: &ChangeEmail) -> Result<Vec<UserEvent>, NotNow> {
        let from = self.email.clone().ok_or_else(|| self.not_now())?;
        Ok(vec![UserEvent::EmailChanged { from, to: command.0.clone() }])
    }
}

impl Handle<Leave> for User {
    fn handle(&self, _: &Leave) -> Result<Vec<UserEvent>, NotNow> {
        let email = self.email.clone().ok_or_else(|| self.not_now())?;
        Ok(vec![UserEvent::Left { email }])
    }
}

impl Handle<LogIn> for User {
    fn handle(&self, _: &LogIn) -> Result<Vec<UserEvent>, NotNow> {
        Ok(vec![UserEvent::LoggedIn])
    }
}

impl Handle<LogInAs> for User {
    fn handle(&self, command: &LogInAs) -> Result<Vec<UserEvent>, NotNow> {
        if self.email.as_deref() == Some(command.0) { Ok(vec![UserEvent::LoggedIn]) } else { Err(self.not_now()) }
    }
}

fn id(name: &str) -> String {
    name.to_owned()
}

#[track_caller]
fn assert_claimed<T: std::fmt::Debug>(outcome: &Result<T, ExecuteError<NotNow>>, email: &str, by: &str) {
    let wanted = ClaimKey::new("email", email).unwrap();
    assert!(
        matches!(outcome, Err(ExecuteError::Claimed { key, holder }) if *key == wanted && holder.as_str() == by),
        "{outcome:?}"
    );
}

async fn state(users: &Repository<User>, name: &str) -> (Option<String>, usize) {
    let user = users.load(&id(name)).await.unwrap().unwrap().state;
    (user.email, user.logins)
}

#[tokio::test(flavor = "multi_thread")]
async fn of_fifty_sign_ups_with_one_address_one_wins_and_the_others_learn_who_did() {
    let store = InMemoryEventStore::new();
    let users = crate::repository::<User>(store.clone());
    let sign_ups = (0..50).map(|number| {
        let users = users.clone();
        tokio::spawn(async move { users.execute(&format!("{number}"), SignUp("ann@example.com")).await })
    });
    let outcomes: Vec<_> = join_all(sign_ups).await.into_iter().map(Result::unwrap).collect();
    let winner = outcomes.iter().flatten().next().expect("one wins").stream.clone();
    let losers: Vec<_> = outcomes.iter().filter(|outcome| outcome.is_err()).collect();
    assert_eq!(losers.len(), 49);
    for loser in losers {
        assert_claimed(loser, "ann@example.com", winner.as_str());
    }
}

#[tokio::test]
async fn a_held_key_is_told_at_once_and_not_tried_again() {
    let store = WatchedStore::default();
    let users = crate::repository::<User>(store.clone());
    users.execute(&id("ann"), SignUp("ann@example.com")).await.unwrap();
    store.appends();
    let outcome = users.execute(&id("bob"), SignUp("ann@example.com")).await;
    assert_claimed(&outcome, "ann@example.com", "user-ann");
    assert_eq!(store.appends(), 1);
    let message = outcome.unwrap_err().to_string();
    assert!(message.starts_with("email:") && message.ends_with("held by user-ann"), "{message}");
    assert!(!message.contains("example"), "{message}");
    users.execute(&id("bob"), SignUp("bob@example.com")).await.expect("with another address it goes on");
}

#[tokio::test]
async fn a_key_is_free_after_the_event_that_releases_it() {
    let users = crate::repository::<User>(InMemoryEventStore::new());
    users.execute(&id("ann"), SignUp("ann@example.com")).await.unwrap();
    users.execute(&id("ann"), ChangeEmail("new@example.com".to_owned())).await.unwrap();
    users.execute(&id("bob"), SignUp("ann@example.com")).await.unwrap();
    let back = users.execute(&id("ann"), ChangeEmail("ann@example.com".to_owned())).await;
    assert_claimed(&back, "ann@example.com", "user-bob");
    users.execute(&id("bob"), Leave).await.unwrap();
    users.execute(&id("ann"), ChangeEmail("ann@example.com".to_owned())).await.unwrap();
    users.execute(&id("ann"), ChangeEmail("ann@example.com".to_owned())).await.expect("it keeps its own");
}

#[tokio::test]
async fn commands_in_line_behind_a_refused_claim_are_decided_on_the_state_without_it() {
    let store = WatchedStore::default();
    let users = crate::repository::<User>(store.clone());
    users.execute(&id("ann"), SignUp("ann@example.com")).await.unwrap();
    users.execute(&id("bob"), SignUp("bob@example.com")).await.unwrap();
    let bob = id("bob");
    let (first, refused, as_ann, as_bob, last) = futures::join!(
        users.execute(&bob, LogIn),
        users.execute(&bob, ChangeEmail("ann@example.com".to_owned())),
        users.execute(&bob, LogInAs("ann@example.com")),
        users.execute(&bob, LogInAs("bob@example.com")),
        users.execute(&bob, LogIn),
    );
    assert_claimed(&refused, "ann@example.com", "user-ann");
    assert!(matches!(&as_ann, Err(ExecuteError::Domain(_))), "he never had that address: {as_ann:?}");
    for done in [first, as_bob, last] {
        assert_eq!(done.unwrap().events, 1);
    }
    assert_eq!(state(&users, "bob").await, (Some("bob@example.com".to_owned()), 3));
    users.execute(&bob, ChangeEmail("b@example.com".to_owned())).await.unwrap();
    users.execute(&id("carl"), SignUp("bob@example.com")).await.expect("it was released by its true holder");
}

#[tokio::test]
async fn commands_in_line_may_hand_a_key_on() {
    let users = crate::repository::<User>(InMemoryEventStore::new());
    let ann = id("ann");
    let done = futures::join!(
        users.execute(&ann, SignUp("one")),
        users.execute(&ann, ChangeEmail("two".to_owned())),
        users.execute(&ann, ChangeEmail("one".to_owned())),
        users.execute(&ann, Leave),
        users.execute(&ann, SignUp("two")),
    );
    for done in [done.0, done.1, done.2, done.3, done.4] {
        done.unwrap();
    }
    users.execute(&id("bob"), SignUp("one")).await.unwrap();
    assert_claimed(&users.execute(&id("carl"), SignUp("two")).await, "two", "user-ann");
}

#[tokio::test]
async fn a_repeated_sign_up_gets_its_first_answer_whoever_holds_the_key_by_now() {
    let users = crate::repository::<User>(InMemoryEventStore::new());
    let command = CommandId::new();
    let ann = id("ann");
    let sign_up = || users.execute_with(&ann, SignUp("one"), Context::new().command_id(command));
    let first = sign_up().await.unwrap();
    users.execute(&ann, Leave).await.unwrap();
    users.execute(&id("bob"), SignUp("one")).await.unwrap();
    let again = sign_up().await.unwrap();
    assert!(again.repeated);
    assert_eq!((again.position, again.version), (first.position, first.version));
}

#[tokio::test]
async fn a_value_that_cannot_be_claimed_is_refused_for_good() {
    let store = WatchedStore::default();
    let users = crate::repository::<User>(store.clone());
    let error = users.execute(&id("ann"), SignUp("")).await.unwrap_err();
    let ExecuteError::Permanent(failure) = &error else { panic!("{error:?}") };
    assert!(matches!(failure.inner().downcast_ref(), Some(CodecError::Claim(_))), "{failure:?}");
    assert_eq!(store.appends(), 0);
}
