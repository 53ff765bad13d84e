//! How many sign up on a day. That it happened is all that is needed of the event (a simple event).

use cqrs_core::Recorded;
use cqrs_projections::{ProjectError, Projector};
use serde::{Deserialize, Serialize};

use crate::user::UserEvent;

/// How the projection is called.
pub const SIGN_UPS: &str = "sign-ups";

/// The sign-ups of a day, or of all days.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignUps {
    pub users: u64,
}

/// The document of all days together.
pub const EVER: &str = "ever";

/// One document for each day, by the time that the sign-up happened, and one for all.
#[derive(Debug)]
pub struct Analytics;

impl Projector for Analytics {
    type Event = UserEvent;
    type Document = SignUps;

    fn route(&self, event: &Recorded<UserEvent>, to: &mut Vec<String>) {
        if matches!(event.event, UserEvent::Created { .. }) {
            let day = event.happened_at().to_string().chars().take("2024-01-31".len()).collect();
            to.extend([day, EVER.to_owned()]);
        }
    }

    fn project(
        &self,
        _event: &Recorded<UserEvent>,
        _key: &str,
        day: Option<SignUps>,
    ) -> Result<Option<SignUps>, ProjectError> {
        Ok(Some(SignUps { users: day.unwrap_or_default().users + 1 }))
    }
}

#[cfg(test)]
mod tests {
    use cqrs_projections::testing::{event, given};

    use super::*;

    #[test]
    fn sign_ups_are_counted_by_the_day_on_which_they_happened() {
        let created = |user: &str, day: &str| {
            let event = event(user, &UserEvent::Created { name: user.to_owned(), email: None });
            event.occurred_at(format!("{day}T23:59:59.999999Z").parse().unwrap())
        };
        let changed = event("user-a", &UserEvent::EmailChanged { from: None, to: "a@example.com".to_owned() });
        let events = [created("user-a", "2024-01-31"), created("user-b", "2024-02-01"), changed];
        let day = |users| SignUps { users };
        let _ =
            given(Analytics, events).then_documents([("2024-01-31", day(1)), ("2024-02-01", day(1)), (EVER, day(2))]);
    }
}
