//! A snapshot because somebody asked for it.

use super::SnapshotError;
use crate::aggregate::Apply;
use crate::name::StreamName;
use crate::repository::{LoadError, Repository};
use crate::snapshot_store::Snapshot;

impl<A: Apply> Repository<A> {
    /// Takes a snapshot of the aggregate as it is now, whatever the policy says, and waits until it is kept. Gives it back:
    /// the version, the position and the id of the event that it stands on. `None` when the aggregate has no event.
    ///
    /// One that stands on the same event is replaced.
    ///
    /// ```
    /// use cqrs_core::in_memory::InMemoryEventStore;
    /// use cqrs_core::{Repository, SnapshotPolicy};
    /// use cqrs_testkit::sample::{Account, AccountId, Open};
    ///
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let store = InMemoryEventStore::new();
    /// let accounts = Repository::<Account>::new(store.clone())
    ///     .snapshots(store.snapshots())
    ///     .snapshot_policy(SnapshotPolicy::ON_DEMAND);
    /// let id = AccountId::new("ACC-001");
    /// let opened = accounts.execute(&id, Open { owner: "Ann".to_owned() }).await?;
    ///
    /// let snapshot = accounts.snapshot(&id).await?.ok_or("no such account")?;
    /// assert_eq!(Some(snapshot.version), opened.version);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// See [`SnapshotError`].
    pub async fn snapshot(&self, id: &A::Id) -> Result<Option<Snapshot>, SnapshotError> {
        let snapshots = self.snapshots_in_use().ok_or(SnapshotError::Disabled)?;
        let stream = StreamName::of(A::CATEGORY, id).map_err(LoadError::from)?;
        let fold = self.read(&stream, None).await?;
        let Some(last) = fold.last else { return Ok(None) };
        let unsaved = fold.unsaved(last, self.snapshots_kept);
        snapshots.save(&stream, &unsaved).await.map(Some)
    }
}
