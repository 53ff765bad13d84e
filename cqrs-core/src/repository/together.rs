//! One command on several aggregates: all of them are loaded, and what happened to any of them is written in one append.

use std::sync::Arc;
use std::sync::atomic::AtomicU32;

mod draft;
mod members;

pub use draft::Draft;
pub use members::{Member, Members};

use draft::AnyDraft;
use members::AnyMember;

use super::{ExecuteError, LoadError};
use crate::command::Context;
use crate::committed::{Asked, Committed, conflict_pauses};
use crate::event_store::{EventStore, InvalidAppend, ReadStream};
use crate::failure::Failure;
use crate::stream::{ExpectedVersion, GlobalPosition, Version};

/// Carries out commands that are decided on several aggregates, of one type or of different ones, and write to several in one
/// append: all or nothing.
///
/// Every aggregate is expected to be as it was loaded when the append is written, those included that the decision only
/// reads; otherwise all of them are loaded and the command is decided again. A command that reads much meets much: where a
/// rule does not need whole aggregates, [`Decisions`](crate::Decisions) meet only what the rule rests on.
///
/// ```
/// use cqrs_core::in_memory::InMemoryEventStore;
/// use cqrs_core::{Repository, Together};
/// use cqrs_testkit::sample::{Account, AccountId, Deposit, Open, Withdraw};
///
/// # #[tokio::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let accounts = Repository::<Account>::new(InMemoryEventStore::new());
/// let (ann, bob) = (AccountId::new("ann"), AccountId::new("bob"));
/// for id in [&ann, &bob] {
///     accounts.execute(id, Open { owner: id.to_string() }).await?;
/// }
/// accounts.execute(&ann, Deposit::new(500, "EUR")).await?;
///
/// let transfer = Together::new((accounts.member(&ann), accounts.member(&bob)));
/// let done = transfer
///     .execute(|(from, to)| {
///         from.handle(&Withdraw { amount: 300 })?;
///         to.handle(&Deposit::new(300, "EUR"))
///     })
///     .await?;
/// assert_eq!(done.events, 2);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Together<M> {
    members: M,
    conflict_retries: usize,
}

impl<M: Members> Together<M> {
    /// Commands on these [members](super::Repository::member): one, a tuple of up to eight, or a `Vec` of one type. They are
    /// aggregates of one store, each of them once.
    #[must_use]
    pub fn new(members: M) -> Self {
        Self { members, conflict_retries: 10 }
    }

    /// How often a command is decided again when another writer was faster; 10 unless told. After that, and at once with
    /// 0, the conflict is the caller's.
    #[must_use]
    pub fn conflict_retries(mut self, retries: usize) -> Self {
        self.conflict_retries = retries;
        self
    }

    /// Carries out a command: loads the members, lets it be decided on their [drafts](Draft), and appends what happened, in
    /// the order in which it was decided. The decision is pure, and may be made again on newer states.
    ///
    /// # Errors
    /// See [`ExecuteError`]: each variant is a decision for the caller. [`ExecuteError::Permanent`] when an aggregate stands
    /// twice among the members, or they are of several stores.
    pub async fn execute<E>(
        &self,
        decide: impl Fn(&mut M::Drafts) -> Result<(), E> + Send + Sync,
    ) -> Result<Committed, ExecuteError<E>>
    where
        E: std::error::Error + Send + Sync + 'static,
    {
        self.execute_with(decide, Context::new()).await
    }

    /// Carries out a command as [`execute`](Self::execute) does, with who, why, when, and an id of its own.
    ///
    /// # Errors
    /// As [`execute`](Self::execute); [`ExecuteError::Permanent`] also for a context that [expects](Context::expected) a
    /// version, as it does not say of which aggregate.
    pub async fn execute_with<E>(
        &self,
        decide: impl Fn(&mut M::Drafts) -> Result<(), E> + Send + Sync,
        context: Context,
    ) -> Result<Committed, ExecuteError<E>>
    where
        E: std::error::Error + Send + Sync + 'static,
    {
        let asked = Asked::new(context)?;
        let store = self.store().await?;
        let mut pauses = conflict_pauses(self.conflict_retries);
        loop {
            let outcome = self.attempt(&*store, &decide, &asked).await;
            if let Err(ExecuteError::Conflict { .. }) = &outcome
                && let Some(pause) = pauses.next()
            {
                tokio::time::sleep(pause).await;
                continue;
            }
            let streams: Vec<_> = self.all().iter().filter_map(|member| member.stream().ok()).collect();
            let is_own = |event: &crate::RecordedEvent| streams.contains(&event.stream);
            return asked.unless_repeated(&*store, is_own, outcome).await;
        }
    }

    fn all(&self) -> Vec<&dyn AnyMember> {
        let mut members = Vec::new();
        self.members.all(&mut members);
        members
    }

    /// The store of all members.
    async fn store<E: std::error::Error + Send + Sync + 'static>(
        &self,
    ) -> Result<Arc<dyn EventStore>, ExecuteError<E>> {
        let refuse = |why: &str| ExecuteError::Permanent(Failure::new(why));
        let (mut streams, mut stores) = (Vec::new(), Vec::new());
        for member in self.all() {
            let stream = member.stream().map_err(LoadError::from)?;
            if streams.contains(&stream) {
                return Err(ExecuteError::Permanent(Failure::new(InvalidAppend::RepeatedCondition { stream })));
            }
            streams.push(stream);
            stores.push((member.store_id().await.map_err(LoadError::from)?, member.store()));
        }
        let (id, store) = stores.first().ok_or_else(|| refuse("a command on no aggregate"))?;
        if stores.iter().any(|(other, _)| other != id) {
            return Err(refuse("the aggregates are in different stores: no append can write to both"));
        }
        Ok(Arc::clone(store))
    }

    async fn attempt<E>(
        &self,
        store: &dyn EventStore,
        decide: &(impl Fn(&mut M::Drafts) -> Result<(), E> + Send + Sync),
        asked: &Asked,
    ) -> Result<Committed, ExecuteError<E>>
    where
        E: std::error::Error + Send + Sync + 'static,
    {
        let mut drafts = self.members.open(&Arc::new(AtomicU32::new(0))).await?;
        let decided = decide(&mut drafts);
        let Decided { found, mut events, newest } = Decided::of(M::drafts(&mut drafts));
        drop(drafts);
        if decided.is_err() || events.is_empty() {
            // What was found was found one after the other. A refusal stands when all of it held at one moment.
            for (stream, version) in &found {
                let since = version.map_or(Version::FIRST, Version::next);
                let page = store.read_stream(ReadStream::new(stream.clone()).from(since).limit(1)).await;
                if let Some(newer) = page.map_err(LoadError::from)?.events.first() {
                    let (stream, expected) = (stream.clone(), ExpectedVersion::of(*version));
                    return Err(ExecuteError::Conflict { stream, expected, actual: Some(newer.version) });
                }
            }
            return decided.map(|()| Committed::nothing(newest)).map_err(ExecuteError::Domain);
        }
        events.sort_by_key(|(number, _)| *number);
        let events = events.into_iter().map(|(_, event)| event.map_err(ExecuteError::Permanent));
        let append = asked.append(events.collect::<Result<_, _>>()?);
        let append = found
            .into_iter()
            .fold(append, |append, (stream, version)| append.expect(stream, ExpectedVersion::of(version)));
        let appended = store.append(append).await;
        // Their cached states are past now, or may be.
        self.all().iter().for_each(|member| member.forget());
        Ok(appended?.into())
    }
}

/// What was found of all members, and what happened to them.
struct Decided {
    found: Vec<(crate::StreamName, Option<Version>)>,
    events: Vec<draft::Numbered>,
    newest: GlobalPosition,
}

impl Decided {
    fn of(drafts: Vec<&mut dyn AnyDraft>) -> Self {
        let mut decided = Self { found: Vec::new(), events: Vec::new(), newest: GlobalPosition::START };
        for draft in drafts {
            decided.found.push(draft.found());
            decided.events.append(&mut draft.take_events());
            decided.newest = decided.newest.max(draft.position());
        }
        decided
    }
}
