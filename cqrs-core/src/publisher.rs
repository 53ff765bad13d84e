//! The port of what carries messages to other systems.

use std::fmt::Debug;

use async_trait::async_trait;

use crate::failure::Failure;
use crate::message::Message;

/// Publishes messages to a broker.
///
/// # Contract
/// - **An outcome for each message**, in their order. [`Ok`] means that the broker has taken the message for good.
/// - **Ordered by key**: the messages of one key arrive in the order of the call, and after those of earlier calls that
///   were answered. When one of them is not published, those of its key that follow it in the call are
///   [withheld](PublishError::Withheld), whatever their topics are.
/// - **Independent otherwise**: messages of other keys, and those without a key, do not fail with it.
/// - **Whole**: id, key, payload and headers come back from the broker as they were given.
/// - **At least once**: a message may be given again; the broker, or its consumers, know it by its id.
/// - **Cancellation**: when the future is dropped, each message may have been published or not, but none before those of
///   its key that precede it.
#[async_trait]
pub trait Publisher: Send + Sync + Debug + 'static {
    /// Publishes messages.
    async fn publish(&self, messages: &[Message]) -> Vec<Result<(), PublishError>>;
}

#[async_trait]
impl<P: Publisher + ?Sized> Publisher for std::sync::Arc<P> {
    async fn publish(&self, messages: &[Message]) -> Vec<Result<(), PublishError>> {
        (**self).publish(messages).await
    }
}

/// Why a message was not published, or why it is not known whether it was.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum PublishError {
    /// The broker cannot be reached, is overloaded or did not answer: publish it again later.
    #[error("the broker is unavailable")]
    Transient(#[source] Failure),
    /// The broker refuses this message as it is.
    #[error("the broker refused the message")]
    Permanent(#[source] Failure),
    /// It was not tried: an earlier message of its key was not published.
    #[error("an earlier message of its key was not published")]
    Withheld,
}
