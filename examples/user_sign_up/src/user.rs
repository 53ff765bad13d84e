//! The user: an aggregate that signs up once, and whose e-mail address is nobody else's.

use cqrs_core::{Aggregate, AggregateId, Apply, DomainEvent, Handle, UpcastError};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Identifies a user.
#[derive(Clone, Debug, PartialEq, Eq, Hash, AggregateId)]
pub struct UserId(String);

/// What happens to a user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, DomainEvent)]
#[event(domain = "user")]
pub enum UserEvent {
    /// The first million of them were recorded without an address.
    #[event(version = 2, upcast_from(1 = without_address))]
    Created {
        name: String,
        #[event(claim = "email")]
        email: Option<String>,
    },
    EmailChanged {
        #[event(release = "email")]
        from: Option<String>,
        #[event(claim = "email")]
        to: String,
    },
}

/// Version 1 held the name alone: the address is not known, and nobody makes one up.
fn without_address(mut event: Value) -> Result<Value, UpcastError> {
    let fields = event.as_object_mut().ok_or_else(|| UpcastError::new("it has no fields"))?;
    fields.insert("email".to_owned(), Value::Null);
    Ok(event)
}

/// Sign up.
#[derive(Clone, Debug)]
pub struct SignUp {
    pub name: String,
    pub email: String,
}

/// Have another e-mail address, or a first one.
#[derive(Clone, Debug)]
pub struct ChangeEmail {
    pub to: String,
}

/// Why a user is refused something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UserError {
    #[error("the user has signed up before")]
    SignedUpBefore,
    #[error("the user has not signed up")]
    NotSignedUp,
    #[error("this is no e-mail address")]
    NoAddress,
}

/// A user as of some moment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, Aggregate)]
#[aggregate(stream = "user", id = UserId, event = UserEvent, error = UserError)]
pub struct User {
    pub name: Option<String>,
    pub email: Option<String>,
}

impl Apply for User {
    fn apply(&mut self, event: &UserEvent) {
        match event {
            UserEvent::Created { name, email } => {
                self.name = Some(name.clone());
                self.email.clone_from(email);
            }
            UserEvent::EmailChanged { to, .. } => self.email = Some(to.clone()),
        }
    }
}

/// Two spellings of one address claim the same key.
fn address(given: &str) -> Result<String, UserError> {
    let address = given.trim().to_lowercase();
    let (user, host) = address.split_once('@').ok_or(UserError::NoAddress)?;
    if user.is_empty() || host.is_empty() {
        return Err(UserError::NoAddress);
    }
    Ok(address)
}

impl Handle<SignUp> for User {
    fn handle(&self, command: &SignUp) -> Result<Vec<UserEvent>, UserError> {
        if self.name.is_some() {
            return Err(UserError::SignedUpBefore);
        }
        Ok(vec![UserEvent::Created { name: command.name.clone(), email: Some(address(&command.email)?) }])
    }
}

impl Handle<ChangeEmail> for User {
    fn handle(&self, command: &ChangeEmail) -> Result<Vec<UserEvent>, UserError> {
        if self.name.is_none() {
            return Err(UserError::NotSignedUp);
        }
        let to = address(&command.to)?;
        if self.email.as_ref() == Some(&to) {
            return Ok(Vec::new());
        }
        Ok(vec![UserEvent::EmailChanged { from: self.email.clone(), to }])
    }
}

#[cfg(test)]
mod tests {
    use cqrs_testkit::{given, given_nothing};

    use super::*;

    fn created(email: &str) -> UserEvent {
        UserEvent::Created { name: "Ann".to_owned(), email: Some(email.to_owned()) }
    }

    fn sign_up(email: &str) -> SignUp {
        SignUp { name: "Ann".to_owned(), email: email.to_owned() }
    }

    #[test]
    fn a_user_signs_up_once() {
        given_nothing::<User>().when(sign_up(" Ann@Example.com ")).then([created("ann@example.com")]);
        given::<User>([created("ann@example.com")])
            .when(sign_up("other@example.com"))
            .then_error(UserError::SignedUpBefore);
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for wrong in ["", "ann", "@example.com", "ann@"] {
            given_nothing::<User>().when(sign_up(wrong)).then_error(UserError::NoAddress);
        }
    }

    #[test]
    fn the_same_address_again_changes_nothing() {
        let command = ChangeEmail { to: "ANN@example.com".to_owned() };
        given::<User>([created("ann@example.com")]).when(command).then_nothing();
    }

    #[test]
    fn version_1_has_no_address() {
        let mut events = Vec::new();
        <UserEvent as DomainEvent>::decode("user.created.v1", br#"{"name":"Ann"}"#, &mut events).unwrap();
        assert_eq!(events, [UserEvent::Created { name: "Ann".to_owned(), email: None }]);
    }
}
