//! Cutting a long stream short where the state begins anew.

use super::{LoadError, Repository, TruncateError};
use crate::aggregate::Apply;
use crate::event::DomainEvent;
use crate::event_store::ReadStream;
use crate::name::StreamName;
use crate::recorded_event::UndecodableEvent;
use crate::stream::Version;
use crate::stream_facts::{StreamFacts, StreamFactsChange, StreamFactsError};

impl<A: Apply> Repository<A> {
    /// Lets the aggregate be read from this version on: loading it never looks at the events before again. The event there must
    /// be one that [restarts the state](DomainEvent::restarts_state), declared by `#[event(restarts)]`, so that the state is
    /// the same with and without what was before it.
    ///
    /// Keep the declaration as long as there are such streams: without it loading them is
    /// [refused](LoadError::Truncated).
    ///
    /// No event is changed or removed: readers of the log see all of them. But the aggregate's [past](Self::load_as_of) and
    /// [history](Self::history) begin there from now on; this is not taken back. Snapshots from before are not used any more.
    ///
    /// # Errors
    /// [`TruncateError::DoesNotRestart`] for any other event; [`TruncateError::Facts`] with
    /// [`VersionBeyondEnd`](StreamFactsError::VersionBeyondEnd), [`NoSuchStream`](StreamFactsError::NoSuchStream), or
    /// [`TruncatedFurther`](StreamFactsError::TruncatedFurther) when the stream begins later already; others as for
    /// [`load`](Self::load).
    pub async fn truncate_before(&self, id: &A::Id, version: Version) -> Result<StreamFacts, TruncateError> {
        let stream = StreamName::of(A::CATEGORY, id).map_err(LoadError::from)?;
        self.check_restarts(&stream, version).await?;
        Ok(self.store.stream_facts().change_facts(&stream, StreamFactsChange::TruncateBefore(version)).await?)
    }

    async fn check_restarts(&self, stream: &StreamName, version: Version) -> Result<(), TruncateError> {
        let read = ReadStream::new(stream.clone()).backward().limit(1);
        let newest = self.store.read_stream(read.clone()).await.map_err(LoadError::from)?.events.pop();
        let Some(newest) = newest.map(|event| event.version) else {
            return Err(StreamFactsError::NoSuchStream { stream: stream.clone() }.into());
        };
        if version > newest {
            return Err(StreamFactsError::VersionBeyondEnd { stream: stream.clone(), version, newest }.into());
        }
        let mut page = self.store.read_stream(read.from(version).to(version)).await.map_err(LoadError::from)?;
        let Some(event) = page.events.pop() else {
            let truncated_before = page.truncated_before.unwrap_or(newest);
            let stream = stream.clone();
            return Err(StreamFactsError::TruncatedFurther { stream, version, truncated_before }.into());
        };
        let mut decoded: Vec<A::Event> = Vec::new();
        if let Err(source) = event.decode(&mut decoded) {
            return Err(LoadError::from(UndecodableEvent::new(event, source)).into());
        }
        if decoded.iter().any(DomainEvent::restarts_state) {
            return Ok(());
        }
        Err(TruncateError::DoesNotRestart { stream: event.stream, version, event_type: event.event_type })
    }
}
