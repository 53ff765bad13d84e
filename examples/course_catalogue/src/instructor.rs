//! The instructor: an aggregate of its own.

use cqrs_core::{Aggregate, Apply, DomainEvent, Handle};
use serde::{Deserialize, Serialize};

/// What happens to an instructor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, DomainEvent)]
#[event(domain = "instructor")]
pub enum InstructorEvent {
    Registered { name: String, avatar: String },
    Renamed { name: String },
    AvatarChanged { avatar: String },
}

/// What an instructor needs to know to decide.
#[derive(Clone, Debug, Default, Serialize, Deserialize, Aggregate)]
#[aggregate(stream = "instructor", id = String, event = InstructorEvent, error = InstructorError)]
pub struct Instructor {
    name: Option<String>,
    avatar: String,
}

impl Apply for Instructor {
    fn apply(&mut self, event: &InstructorEvent) {
        match event {
            InstructorEvent::Registered { name, avatar } => {
                (self.name, self.avatar) = (Some(name.clone()), avatar.clone());
            }
            InstructorEvent::Renamed { name } => self.name = Some(name.clone()),
            InstructorEvent::AvatarChanged { avatar } => self.avatar.clone_from(avatar),
        }
    }
}

/// Why an instructor refuses a command.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InstructorError {
    #[error("there is no such instructor")]
    InstructorNotFound,
    #[error("the instructor is registered already")]
    AlreadyRegistered,
    #[error("the name is missing")]
    NoName,
}

/// A new instructor.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Register {
    pub instructor_id: String,
    pub name: String,
    #[serde(default)]
    pub avatar: String,
}

/// Another name or another picture; what is not given stays.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Change {
    pub name: Option<String>,
    pub avatar: Option<String>,
}

impl Handle<Register> for Instructor {
    fn handle(&self, command: &Register) -> Result<Vec<InstructorEvent>, InstructorError> {
        if self.name.is_some() {
            return Err(InstructorError::AlreadyRegistered);
        }
        if command.name.trim().is_empty() {
            return Err(InstructorError::NoName);
        }
        let Register { name, avatar, .. } = command.clone();
        Ok(vec![InstructorEvent::Registered { name, avatar }])
    }
}

impl Handle<Change> for Instructor {
    fn handle(&self, command: &Change) -> Result<Vec<InstructorEvent>, InstructorError> {
        let Some(current) = &self.name else {
            return Err(InstructorError::InstructorNotFound);
        };
        let Change { name, avatar } = command.clone();
        if name.as_ref().is_some_and(|name| name.trim().is_empty()) {
            return Err(InstructorError::NoName);
        }
        let renamed = name.filter(|name| name != current).map(|name| InstructorEvent::Renamed { name });
        let avatar = avatar.filter(|avatar| *avatar != self.avatar);
        Ok(renamed.into_iter().chain(avatar.map(|avatar| InstructorEvent::AvatarChanged { avatar })).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cqrs_testkit::given;

    fn registered() -> InstructorEvent {
        InstructorEvent::Registered { name: "An".to_owned(), avatar: "an.png".to_owned() }
    }

    #[test]
    fn what_is_not_given_or_stays_the_same_does_not_change() {
        let change = |name: Option<&str>, avatar: Option<&str>| Change {
            name: name.map(str::to_owned),
            avatar: avatar.map(str::to_owned),
        };
        let renamed = InstructorEvent::Renamed { name: "Anh".to_owned() };
        let pictured = InstructorEvent::AvatarChanged { avatar: "anh.png".to_owned() };
        given::<Instructor>([registered()]).when(change(Some("Anh"), None)).then([renamed.clone()]);
        given::<Instructor>([registered()]).when(change(Some("An"), Some("anh.png"))).then([pictured.clone()]);
        given::<Instructor>([registered()]).when(change(Some("Anh"), Some("anh.png"))).then([renamed, pictured]);
        given::<Instructor>([]).when(change(None, None)).then_error(InstructorError::InstructorNotFound);
        given::<Instructor>([registered()]).when(change(Some(" "), None)).then_error(InstructorError::NoName);
    }
}
