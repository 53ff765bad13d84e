//! A broker in memory.

use std::collections::HashSet;
use std::fmt;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;

use super::lock;
use crate::failure::Failure;
use crate::message::Message;
use crate::publisher::{PublishError, Publisher};

/// Keeps what is published. Clones share it.
///
/// In a test it stands for a broker that is away, or refuses something: see [`answering`](Self::answering).
#[derive(Clone)]
pub struct InMemoryPublisher {
    published: Arc<Mutex<Vec<Message>>>,
    message_bytes: usize,
    answer: Arc<Answer>,
}

type Answer = dyn Fn(&Message) -> Result<(), PublishError> + Send + Sync;

impl Default for InMemoryPublisher {
    fn default() -> Self {
        Self::new()
    }
}

impl InMemoryPublisher {
    /// A broker that has taken nothing yet, and takes messages of up to 1 MiB.
    #[must_use]
    pub fn new() -> Self {
        Self { published: Arc::default(), message_bytes: 1 << 20, answer: Arc::new(|_| Ok(())) }
    }

    /// Asks `answer` about each message before it is taken: an error is the message's outcome.
    #[must_use]
    pub fn answering(mut self, answer: impl Fn(&Message) -> Result<(), PublishError> + Send + Sync + 'static) -> Self {
        self.answer = Arc::new(answer);
        self
    }

    /// How many bytes of payload a message may have.
    #[must_use]
    pub const fn message_bytes(&self) -> usize {
        self.message_bytes
    }

    /// Everything that was published, in order.
    #[must_use]
    pub fn published(&self) -> Vec<Message> {
        lock(&self.published).clone()
    }

    fn take(&self, message: &Message) -> Result<(), PublishError> {
        let bytes = message.payload.len();
        if bytes > self.message_bytes {
            let reason = format!("the message has {bytes} bytes, {} at most", self.message_bytes);
            return Err(PublishError::Permanent(Failure::new(reason)));
        }
        (self.answer)(message)
    }
}

#[async_trait]
impl Publisher for InMemoryPublisher {
    async fn publish(&self, messages: &[Message]) -> Vec<Result<(), PublishError>> {
        let mut held_up = HashSet::new();
        let publish = |message: &Message| {
            if message.key.as_ref().is_some_and(|key| held_up.contains(key)) {
                return Err(PublishError::Withheld);
            }
            let taken = self.take(message);
            if taken.is_err() {
                held_up.extend(message.key.clone());
            }
            taken
        };
        let outcomes: Vec<_> = messages.iter().map(publish).collect();
        let taken = messages.iter().zip(&outcomes).filter(|(_, outcome)| outcome.is_ok());
        lock(&self.published).extend(taken.map(|(message, _)| message.clone()));
        outcomes
    }
}

impl fmt::Debug for InMemoryPublisher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InMemoryPublisher").field("published", &lock(&self.published).len()).finish_non_exhaustive()
    }
}
