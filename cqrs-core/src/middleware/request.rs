//! What is asked, as layers see it.

use std::any::{Any, TypeId};
use std::fmt;
use std::sync::Arc;

use super::Attempts;
use crate::command::Context;
use crate::id::{CommandId, CorrelationId};
use crate::metadata::Metadata;
use crate::name::StreamName;

/// What kind of message it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// A [`Command`](crate::Command), decided by an aggregate.
    Command,
    /// An [`Operation`](crate::Operation), carried out by a handler of its own.
    Operation,
    /// A [`Query`](crate::Query).
    Query,
}

/// A message on its way to its handler. Clones are the same request: another attempt of it.
#[derive(Clone)]
pub struct Request {
    kind: Kind,
    name: &'static str,
    stream: Option<StreamName>,
    command_id: CommandId,
    /// Whether the caller gave the id, so that the message may have come before.
    id_given: bool,
    context: Context,
    message: Arc<dyn Any + Send + Sync>,
    message_type: TypeId,
    attempts: Arc<Attempts>,
}

impl Request {
    pub(crate) fn new<T: Send + Sync + 'static>(kind: Kind, name: &'static str, message: T, context: Context) -> Self {
        let given = context.given_command_id();
        Self {
            kind,
            name,
            stream: None,
            command_id: given.unwrap_or_else(CommandId::new),
            id_given: given.is_some(),
            context,
            message: Arc::new(message),
            message_type: TypeId::of::<T>(),
            attempts: Arc::default(),
        }
    }

    pub(crate) fn addressed_to(mut self, stream: StreamName) -> Self {
        self.stream = Some(stream);
        self
    }

    /// What kind of message it is.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// The name of the message: `Withdraw`.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// The stream of the aggregate that a command is for; `None` for operations and queries.
    #[must_use]
    pub const fn stream(&self) -> Option<&StreamName> {
        self.stream.as_ref()
    }

    /// The id under which it is carried out: the caller's, or one that was drawn when it was dispatched. Every attempt has the
    /// same.
    #[must_use]
    pub const fn command_id(&self) -> CommandId {
        self.command_id
    }

    /// Who asks.
    #[must_use]
    pub fn actor(&self) -> Option<&str> {
        self.context.actor_name()
    }

    /// On whose behalf.
    #[must_use]
    pub fn tenant(&self) -> Option<&str> {
        self.context.tenant_name()
    }

    /// The request that it belongs to, where the caller said so.
    #[must_use]
    pub const fn correlation_id(&self) -> Option<CorrelationId> {
        self.context.correlation()
    }

    /// All that is said of it besides the message: what the events of a command will carry.
    #[must_use]
    pub fn metadata(&self) -> Metadata {
        self.context.clone().named(self.name).metadata(self.command_id)
    }

    /// The message, when it is a `T`.
    #[must_use]
    pub fn message<T: 'static>(&self) -> Option<&T> {
        self.message.downcast_ref()
    }

    /// The same request with more said of it (the actor that a token names, say). The command id stays what it is.
    #[must_use]
    pub fn map_context(mut self, change: impl FnOnce(Context) -> Context) -> Self {
        self.context = change(self.context);
        self
    }

    pub(crate) fn shared<T: Send + Sync + 'static>(&self) -> Option<Arc<T>> {
        Arc::clone(&self.message).downcast().ok()
    }

    pub(crate) const fn message_type(&self) -> TypeId {
        self.message_type
    }

    pub(crate) const fn attempts(&self) -> &Arc<Attempts> {
        &self.attempts
    }

    /// What the handler is given: the command may have been carried out before when the caller gave its id, or when this is
    /// not the first attempt.
    pub(crate) fn context(&self, first: bool) -> Context {
        let context = self.context.clone().named(self.name);
        match first && !self.id_given {
            true => context.drawn_command_id(self.command_id),
            false => context.command_id(self.command_id),
        }
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("kind", &self.kind)
            .field("name", &self.name)
            .field("stream", &self.stream)
            .field("command_id", &self.command_id)
            .finish_non_exhaustive()
    }
}

/// `Withdraw` for `bank::account::Withdraw`.
pub(crate) fn short_name<T: ?Sized>() -> &'static str {
    let name = std::any::type_name::<T>();
    let path = name.split('<').next().unwrap_or(name);
    path.rfind("::").map_or(name, |end| &name[end + 2..])
}

#[cfg(test)]
mod tests {
    use super::short_name;

    struct Of<T>(std::marker::PhantomData<T>);

    #[test]
    fn a_name_is_that_of_the_type_without_its_path() {
        assert_eq!(short_name::<crate::Context>(), "Context");
        assert_eq!(short_name::<u8>(), "u8");
        assert!(short_name::<Of<crate::Context>>().starts_with("Of<"));
    }
}
