//! The welcome mail. It takes nothing but the user's id from the event (a notification event) and asks the directory for the
//! rest: it sees what is known of the user by now.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use cqrs_core::{Documents, Failure, Recorded};
use cqrs_projections::{ReactError, Reactor, Running};

use crate::directory::{DIRECTORY, Entry};
use crate::mail::{Mail, MailServer};
use crate::user::UserEvent;

/// How the reactor is called.
pub const WELCOME_MAIL: &str = "welcome-mail";

/// How long the directory may take.
const CATCH_UP: Duration = Duration::from_secs(60);

/// Greets whoever has signed up.
pub struct WelcomeMail {
    pub projections: Arc<Running>,
    pub directory: Documents<Entry>,
    pub server: MailServer,
}

#[async_trait]
impl Reactor for WelcomeMail {
    type Event = UserEvent;

    async fn react(&self, event: &Recorded<UserEvent>) -> Result<(), ReactError> {
        if !matches!(event.event, UserEvent::Created { .. }) {
            return Ok(());
        }
        let later = |error| ReactError::Transient(Failure::new(error));
        self.projections.wait_for_one(DIRECTORY, event.position, CATCH_UP).await.map_err(later)?;
        let entry = self.directory.get(event.stream.id()).await;
        let entry = entry.map_err(|error| ReactError::Transient(Failure::new(error)))?;
        let Some(Entry { name, email: Some(to) }) = entry else {
            return Ok(());
        };
        // The id makes it one mail, however often the event comes.
        let mail = Mail { id: event.id, to, text: format!("Welcome, {name}!") };
        self.server.send(mail).await.map_err(|away| ReactError::Transient(Failure::new(away)))
    }
}
