//! The state of an aggregate, now or at a past moment.

use super::fold::Fold;
use super::{LoadError, Repository};
use crate::aggregate::Apply;
use crate::as_of::AsOf;
use crate::event_store::{ReadStream, StreamPage};
use crate::id::EventId;
use crate::name::StreamName;
use crate::recorded_event::{Recorded, RecordedEvent};
use crate::stream::{GlobalPosition, Version};
use crate::timestamp::Timestamp;

/// An aggregate as it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Loaded<A> {
    /// The state.
    pub state: A,
    /// The version of the last event in it.
    pub version: Version,
    /// The position of that event.
    pub position: GlobalPosition,
    /// The id of that event.
    pub event_id: EventId,
    /// When that event was recorded.
    pub recorded_at: Timestamp,
    /// Whether the moment that was asked for has not passed yet: the answer is that of the newest recorded event, and
    /// events that are still to come may change it. (What had *occurred* by some time may always change by events that
    /// are recorded later.)
    pub provisional: bool,
}

impl<A: Apply> Repository<A> {
    /// The aggregate as it is now; `None` when it has no event.
    ///
    /// # Errors
    /// [`LoadError`] when the id cannot name a stream, an event cannot be decoded, or the store cannot be read;
    /// [`LoadError::Truncated`] when the stream is truncated and no event from there on restarts the state.
    pub async fn load(&self, id: &A::Id) -> Result<Option<Loaded<A>>, LoadError> {
        let stream = StreamName::of(A::CATEGORY, id)?;
        Ok(loaded(self.current(&stream).await?, false))
    }

    /// The state now, from the cached one where there is one.
    pub(super) async fn current(&self, stream: &StreamName) -> Result<Fold<A>, LoadError> {
        if let Some(cached) = self.lines.as_ref().and_then(|lines| lines.cached(stream))
            && let Some(fold) = self.fold_on(stream, cached).await?
        {
            return Ok(fold);
        }
        self.fold(stream, None).await
    }

    /// The aggregate as it was at a moment, the events at exactly that moment included; `None` when it had no event yet.
    ///
    /// A moment after the newest event of the whole store is answered from what is there, and marked
    /// [`provisional`](Loaded::provisional).
    ///
    /// An aggregate whose stream is truncated has no past before that: what was known of it by then is not said, rather than
    /// said wrongly. What had occurred by a time is known when an event that restarts the state had occurred by then: the
    /// state does not rest on the events before it, whenever they happened.
    ///
    /// # Errors
    /// [`LoadError::VersionBeyondEnd`] for a version that the aggregate does not have (an unknown id has none);
    /// [`LoadError::Truncated`] for a moment before the stream was truncated; others as for [`load`](Self::load).
    pub async fn load_as_of(&self, id: &A::Id, as_of: AsOf) -> Result<Option<Loaded<A>>, LoadError> {
        let stream = StreamName::of(A::CATEGORY, id)?;
        // Read before the events: what the head passes is final, whatever is appended meanwhile.
        let provisional = match as_of {
            AsOf::Version(_) => false,
            AsOf::Position(position) => position > self.store.head().await?.position,
            AsOf::Recorded(time) | AsOf::Occurred(time) | AsOf::Bitemporal { recorded: time, .. } => {
                self.store.head().await?.recorded_at.is_none_or(|newest| time > newest)
            }
        };
        let fold = self.fold(&stream, Some(as_of)).await?;
        match as_of {
            AsOf::Version(requested) if fold.version() != Some(requested) => {
                Err(LoadError::VersionBeyondEnd { stream, requested, newest: fold.version() })
            }
            _ => Ok(loaded(fold, provisional)),
        }
    }

    /// The newest state that is known of the aggregate at or before a moment; `None` when it had no event yet.
    ///
    /// It differs from [`load_as_of`](Self::load_as_of) for a version that the aggregate has not reached: that is a moment
    /// which has not passed yet, as a time after the newest event is, answered from what is there and marked
    /// [`provisional`](Loaded::provisional). Which event the state stands on is in [`Loaded`].
    ///
    /// # Errors
    /// [`LoadError::Truncated`] for a moment before the stream was truncated; others as for [`load`](Self::load).
    pub async fn last_known(&self, id: &A::Id, as_of: AsOf) -> Result<Option<Loaded<A>>, LoadError> {
        match self.load_as_of(id, as_of).await {
            Err(LoadError::VersionBeyondEnd { stream, requested, .. }) => {
                // Read as it was asked for: what is appended meanwhile counts up to that version only.
                let fold = self.fold(&stream, Some(AsOf::Version(requested))).await?;
                let provisional = fold.version() != Some(requested);
                Ok(loaded(fold, provisional))
            }
            loaded => loaded,
        }
    }

    /// All events of the aggregate, oldest first; none when the id is unknown. Where the stream is truncated they begin there;
    /// [`read_all`](crate::EventStore::read_all) gives those before. All of them are in memory at once: the past of an aggregate
    /// with very many is [replayed](Self::replay), which also gives the states between.
    ///
    /// # Errors
    /// As for [`load`](Self::load).
    pub async fn history(&self, id: &A::Id) -> Result<Vec<Recorded<A::Event>>, LoadError> {
        let stream = StreamName::of(A::CATEGORY, id)?;
        let mut history = Vec::new();
        let mut read = ReadStream::new(stream);
        loop {
            let page = self.store.read_stream(read.clone()).await?;
            if cut_off(&page, &read).is_some() {
                history.clear();
            }
            let last = page.events.last().map(|event| event.version);
            history.extend(Recorded::decode_all(page.events)?);
            match last {
                Some(last) if page.more => read.from = last.next(),
                _ => return Ok(history),
            }
        }
    }

    /// Folds the stream up to a moment, from the newest snapshot that is not after it. Takes the snapshot that is due.
    pub(super) async fn fold(&self, stream: &StreamName, as_of: Option<AsOf>) -> Result<Fold<A>, LoadError> {
        let mut fold = self.read(stream, as_of).await?;
        if as_of.is_none() {
            self.save_when_due(stream, &mut fold);
        }
        Ok(fold)
    }

    /// Folds the events after those that are folded already, up to now. Takes the snapshot that is due. `None` when the last
    /// of them is another event than the log has there.
    pub(super) async fn fold_on(&self, stream: &StreamName, fold: Fold<A>) -> Result<Option<Fold<A>>, LoadError> {
        let mut fold = self.read_on(stream, None, fold).await?;
        if let Some(fold) = &mut fold {
            self.save_when_due(stream, fold);
        }
        Ok(fold)
    }

    /// As [`fold`](Self::fold), and takes no snapshot.
    pub(super) async fn read(&self, stream: &StreamName, as_of: Option<AsOf>) -> Result<Fold<A>, LoadError> {
        if let Some(snapshots) = self.snapshots_in_use()
            && let Some(fold) = snapshots.newest(stream, as_of).await
        {
            if let Some(fold) = self.read_on(stream, as_of, fold).await? {
                return Ok(fold);
            }
            if as_of.is_none() {
                // They belong to another past of the log, and would for ever be newer than those of this one; or they lie
                // before the truncation, where nobody asks for them any more.
                snapshots.clear(stream).await;
            }
        }
        let fold = self.read_on(stream, as_of, Fold::empty()).await?;
        Ok(fold.unwrap_or_else(Fold::empty))
    }

    /// `None` when the last event that is folded already is another than the log has there, or lies before the truncation.
    async fn read_on(
        &self,
        stream: &StreamName,
        as_of: Option<AsOf>,
        mut fold: Fold<A>,
    ) -> Result<Option<Fold<A>>, LoadError> {
        let mut stands_on = fold.last.map(|last| (last.version, last.event_id));
        let mut read = window(stream, as_of);
        read.from = fold.version().unwrap_or(Version::FIRST);
        loop {
            let page = self.store.read_stream(read.clone()).await?;
            if let Some(before) = cut_off(&page, &read) {
                if stands_on.is_some() {
                    return Ok(None);
                }
                fold.cut_off = Some(before);
            }
            let next = page.events.last().map(|event| event.version.next());
            let mut events = page.events.into_iter();
            if let Some(expected) = stands_on.take() {
                let found = events.next().map(|event| (event.version, event.id));
                if found != Some(expected) {
                    tracing::warn!(%stream, "a snapshot or cached state stands on an event that is not in the log; it is ignored");
                    return Ok(None);
                }
            }
            for event in events.filter(|event| counts(event, as_of)) {
                fold.add(event)?;
            }
            match next {
                Some(next) if page.more => read.from = next,
                _ => break,
            }
        }
        if let Some(before) = fold.cut_off {
            return Err(LoadError::Truncated { stream: stream.clone(), before });
        }
        Ok(Some(fold))
    }
}

/// The version before which the stream is truncated, when that is beyond what was to be read next.
pub(super) fn cut_off(page: &StreamPage, read: &ReadStream) -> Option<Version> {
    page.truncated_before.filter(|before| *before > read.from)
}

fn window(stream: &StreamName, as_of: Option<AsOf>) -> ReadStream {
    let read = ReadStream::new(stream.clone());
    match as_of {
        None | Some(AsOf::Occurred(_)) => read,
        Some(AsOf::Version(version)) => read.to(version),
        Some(AsOf::Position(position)) => read.until(position),
        Some(AsOf::Recorded(time) | AsOf::Bitemporal { recorded: time, .. }) => read.recorded_until(time),
    }
}

/// Whether an event of the window belongs to the moment: backdated events make that a question for each one.
fn counts(event: &RecordedEvent, as_of: Option<AsOf>) -> bool {
    match as_of {
        Some(AsOf::Occurred(time) | AsOf::Bitemporal { occurred: time, .. }) => event.happened_at() <= time,
        _ => true,
    }
}

fn loaded<A: Apply>(fold: Fold<A>, provisional: bool) -> Option<Loaded<A>> {
    fold.last.map(|last| Loaded {
        state: fold.state,
        version: last.version,
        position: last.position,
        event_id: last.event_id,
        recorded_at: last.recorded_at,
        provisional,
    })
}
