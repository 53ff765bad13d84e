//! The directory of users. It takes everything from the events themselves (event-carried state transfer): it asks nobody, and
//! goes on while everything else is away.

use cqrs_core::Recorded;
use cqrs_projections::{ProjectError, Projector};
use serde::{Deserialize, Serialize};

use crate::user::UserEvent;

/// How the projection is called.
pub const DIRECTORY: &str = "directory";

/// A user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    pub name: String,
    pub email: Option<String>,
}

/// One entry for each user.
#[derive(Debug)]
pub struct Directory;

impl Projector for Directory {
    type Event = UserEvent;
    type Document = Entry;

    fn route(&self, event: &Recorded<UserEvent>, to: &mut Vec<String>) {
        to.push(event.stream.id().to_owned());
    }

    fn project(
        &self,
        event: &Recorded<UserEvent>,
        _key: &str,
        entry: Option<Entry>,
    ) -> Result<Option<Entry>, ProjectError> {
        match (&event.event, entry) {
            (UserEvent::Created { name, email }, _) => Ok(Some(Entry { name: name.clone(), email: email.clone() })),
            (UserEvent::EmailChanged { to, .. }, Some(entry)) => Ok(Some(Entry { email: Some(to.clone()), ..entry })),
            (UserEvent::EmailChanged { .. }, None) => Err(ProjectError::new("it comes before the sign-up")),
        }
    }
}

#[cfg(test)]
mod tests {
    use cqrs_projections::testing::{event, given};

    use super::*;

    #[test]
    fn an_entry_follows_the_address() {
        let created = event("user-ann", &UserEvent::Created { name: "Ann".to_owned(), email: None });
        let to = "ann@example.com".to_owned();
        let changed = event("user-ann", &UserEvent::EmailChanged { from: None, to: to.clone() });
        let entry = Entry { name: "Ann".to_owned(), email: Some(to) };
        let _ = given(Directory, [created, changed]).then_documents([("ann", entry)]);
    }

    #[test]
    fn an_address_without_a_sign_up_is_an_error() {
        let changed = UserEvent::EmailChanged { from: None, to: "ann@example.com".to_owned() };
        let _ = given(Directory, [event("user-ann", &changed)]).then_error("before the sign-up");
    }
}
