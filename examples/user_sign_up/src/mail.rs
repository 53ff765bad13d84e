//! A mail server of this program's own, which can be away.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cqrs_core::EventId;
use tokio::sync::watch;

/// A mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    /// Sent once, however often it is given.
    pub id: EventId,
    pub to: String,
    pub text: String,
}

/// Nobody answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the mail server is away")]
pub struct Away;

/// Clones are the same server.
#[derive(Clone, Debug, Default)]
pub struct MailServer {
    sent: Arc<Mutex<BTreeMap<EventId, Mail>>>,
    away: Arc<watch::Sender<bool>>,
    refused: Arc<watch::Sender<usize>>,
}

impl MailServer {
    /// Sends a mail.
    pub async fn send(&self, mail: Mail) -> Result<(), Away> {
        if *self.away.borrow() {
            self.refused.send_modify(|count| *count += 1);
            return Err(Away);
        }
        self.sent().insert(mail.id, mail);
        Ok(())
    }

    /// Goes away, or comes back.
    pub fn away(&self, away: bool) {
        self.away.send_replace(away);
    }

    /// Waits until so many attempts were refused.
    pub async fn refused(&self, attempts: usize) {
        let _ = self.refused.subscribe().wait_for(|count| *count >= attempts).await;
    }

    /// To whom something was sent, in the order of the alphabet.
    pub fn recipients(&self) -> Vec<String> {
        let mut recipients: Vec<_> = self.sent().values().map(|mail| mail.to.clone()).collect();
        recipients.sort_unstable();
        recipients
    }

    fn sent(&self) -> MutexGuard<'_, BTreeMap<EventId, Mail>> {
        self.sent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
