//! The past of an aggregate event by event, with the state before and after each.

use std::fmt;

use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};

use super::fold::Fold;
use super::load::cut_off;
use super::{LoadError, Repository};
use crate::aggregate::Apply;
use crate::as_of::AsOf;
use crate::audit::{AuditEntry, AuditReport};
use crate::event_store::ReadStream;
use crate::name::StreamName;
use crate::recorded_event::RecordedEvent;
use crate::stream::Version;

/// Events that are held at once.
const PAGE: usize = 256;

/// One event of an aggregate, and what it did to the state.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Step<A: Apply> {
    /// The event as it was recorded: version, times, metadata.
    pub recorded: RecordedEvent,
    /// Today's events that it stands for: usually one; none or several when an upcaster dropped or split it.
    pub events: Vec<A::Event>,
    /// The state before it; `None` when that is not known, because the stream is truncated there.
    pub before: Option<A>,
    /// The state after it.
    pub after: A,
}

/// A window of the past of one aggregate, [read](Repository::replay) event by event. However many events it has, a page of
/// them and two states are in memory.
pub struct Replay<A: Apply> {
    repository: Repository<A>,
    id: A::Id,
    from: Version,
    to: Version,
}

impl<A: Apply> Repository<A> {
    /// The states of the aggregate from its first event (where the stream is truncated, from there) to its newest one, which
    /// can be read as [steps](Replay::steps), or told as an [audit](Replay::audit).
    ///
    /// ```
    /// use cqrs_core::{Context, Repository, in_memory::InMemoryEventStore};
    /// use cqrs_testkit::sample::{Account, AccountId, Deposit, Open};
    /// use futures::TryStreamExt;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let accounts = Repository::<Account>::new(InMemoryEventStore::new());
    /// let id = AccountId::new("ACC-001");
    /// accounts.execute(&id, Open { owner: "Ann".to_owned() }).await?;
    /// accounts.execute_with(&id, Deposit::new(5, "EUR"), Context::new().actor("teller-7").reason("salary")).await?;
    ///
    /// let balances: Vec<i64> = accounts.replay(&id).steps().map_ok(|step| step.after.balance()).try_collect().await?;
    /// assert_eq!(balances, [0, 5]);
    ///
    /// let report = accounts.replay(&id).report(100).await?;
    /// assert_eq!(report.entries[1].actor.as_deref(), Some("teller-7"));
    /// assert_eq!(report.entries[1].changes[0].to_string(), "/balance 0 -> 5");
    /// # Ok(())
    /// # }
    /// ```
    pub fn replay(&self, id: &A::Id) -> Replay<A> {
        Replay { repository: self.clone(), id: id.clone(), from: Version::FIRST, to: Version::MAX }
    }
}

impl<A: Apply> Replay<A> {
    /// From this version on. The state before it is loaded as [`load_as_of`](Repository::load_as_of) does, from a snapshot
    /// where there is one.
    #[must_use]
    pub fn from(mut self, version: Version) -> Self {
        self.from = version;
        self
    }

    /// Up to this version.
    #[must_use]
    pub fn to(mut self, version: Version) -> Self {
        self.to = version;
        self
    }

    /// The events of the window in their order, each with the states before and after it; none when the aggregate has none
    /// there. It ends with the first error.
    ///
    /// The errors are those of [`load`](Repository::load); [`LoadError::Truncated`] also when the stream is truncated
    /// meanwhile, beyond what was read.
    #[must_use]
    pub fn steps(self) -> BoxStream<'static, Result<Step<A>, LoadError>> {
        let reading = async move { Ok::<_, LoadError>(Reading::begin(self).await?.steps()) };
        stream::once(reading).try_flatten().boxed()
    }

    /// The same as [`steps`](Self::steps), told for an auditor: who, when, why, and the values that changed.
    ///
    /// The errors are those of [`steps`](Self::steps), and [`LoadError::State`].
    #[must_use]
    pub fn audit(self) -> BoxStream<'static, Result<AuditEntry, LoadError>>
    where
        A: serde::Serialize,
    {
        self.steps().and_then(async |step| AuditEntry::of(&step)).boxed()
    }

    /// A page of the audit, of `limit` events at most (0 is taken as 1), and where the next page begins.
    ///
    /// # Errors
    /// As for [`audit`](Self::audit).
    pub async fn report(self, limit: usize) -> Result<AuditReport, LoadError>
    where
        A: serde::Serialize,
    {
        let stream = StreamName::of(A::CATEGORY, &self.id)?;
        let mut steps = self.steps();
        let mut entries = Vec::new();
        while let Some(step) = steps.try_next().await? {
            if entries.len() == limit.max(1) {
                return Ok(AuditReport { stream, entries, next: Some(step.recorded.version) });
            }
            entries.push(AuditEntry::of(&step)?);
        }
        Ok(AuditReport { stream, entries, next: None })
    }
}

/// Where a replay stands.
struct Reading<A: Apply> {
    repository: Repository<A>,
    fold: Fold<A>,
    /// What is read next; `None` at the end.
    next: Option<ReadStream>,
    page: std::vec::IntoIter<RecordedEvent>,
    /// Whether a step was given.
    begun: bool,
}

impl<A: Apply> Reading<A> {
    async fn begin(replay: Replay<A>) -> Result<Self, LoadError> {
        let Replay { repository, id, from, to } = replay;
        let stream = StreamName::of(A::CATEGORY, &id)?;
        let fold = match from.previous() {
            None => Fold::empty(),
            Some(before) => match repository.read(&stream, Some(AsOf::Version(before))).await {
                // The state before it is not known, but it begins there, or later.
                Err(LoadError::Truncated { before, .. }) if before >= from => Fold::cut_off(before),
                fold => fold?,
            },
        };
        let next = (from <= to).then(|| ReadStream::new(stream).from(from).to(to).limit(PAGE));
        Ok(Self { repository, fold, next, page: Vec::new().into_iter(), begun: false })
    }

    fn steps(self) -> impl futures::Stream<Item = Result<Step<A>, LoadError>> + Send {
        stream::try_unfold(self, async |mut reading| Ok(reading.step().await?.map(|step| (step, reading))))
    }

    async fn step(&mut self) -> Result<Option<Step<A>>, LoadError> {
        let recorded = loop {
            if let Some(event) = self.page.next() {
                break event;
            }
            let Some(mut read) = self.next.take() else { return Ok(None) };
            let page = self.repository.store.read_stream(read.clone()).await?;
            if let Some(before) = cut_off(&page, &read) {
                if self.begun {
                    return Err(LoadError::Truncated { stream: read.stream, before });
                }
                self.fold = Fold::cut_off(before);
            }
            if let (true, Some(last)) = (page.more, page.events.last()) {
                read.from = last.version.next();
                self.next = Some(read);
            }
            self.page = page.events.into_iter();
        };
        self.begun = true;
        let before = self.fold.cut_off.is_none().then(|| self.fold.state.clone());
        self.fold.add(recorded.clone())?;
        if let Some(before) = self.fold.cut_off {
            return Err(LoadError::Truncated { stream: recorded.stream, before });
        }
        let events = self.fold.take_decoded();
        Ok(Some(Step { recorded, events, before, after: self.fold.state.clone() }))
    }
}

impl<A: Apply> fmt::Debug for Replay<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = format_args!("{}-{}", A::CATEGORY, self.id);
        f.debug_struct("Replay").field("id", &id).field("from", &self.from).field("to", &self.to).finish()
    }
}
