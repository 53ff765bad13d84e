//! Snapshots of one kind of aggregate, written off the command's path.

use std::fmt;
use std::sync::Arc;

use tokio::sync::Semaphore;

use super::fold::Fold;
use crate::aggregate::{Apply, SnapshotPolicy};
use crate::as_of::AsOf;
use crate::codec::{CodecError, Payload};
use crate::event::DomainEvent;
use crate::name::StreamName;
use crate::snapshot_store::{Snapshot, SnapshotQuery, SnapshotStore};
use crate::stream::Version;

/// How many snapshots of one repository are written at once. One that finds no room is left out: the next is near.
const AT_ONCE: usize = 8;

/// Of how many aggregates it is remembered that a snapshot was taken.
const REMEMBERED: u64 = 10_000;

pub(super) struct Snapshots<A> {
    store: Arc<dyn SnapshotStore>,
    policy: SnapshotPolicy,
    encode: fn(&A) -> Result<Payload, CodecError>,
    decode: fn(&Payload) -> Result<A, CodecError>,
    room: Arc<Semaphore>,
    /// The newest snapshots that were taken here: one that is being written is not taken again.
    taken: moka::sync::Cache<StreamName, Version>,
}

impl<A: Apply> Snapshots<A> {
    pub fn new(store: Arc<dyn SnapshotStore>, policy: SnapshotPolicy) -> Self
    where
        A: serde::Serialize + serde::de::DeserializeOwned,
    {
        Self {
            store,
            policy,
            encode: Payload::encode::<A>,
            decode: Payload::decode::<A>,
            room: Arc::new(Semaphore::new(AT_ONCE)),
            taken: moka::sync::Cache::new(REMEMBERED),
        }
    }

    /// The newest snapshot that may be used. One that cannot be read is as good as none.
    pub async fn newest(&self, stream: &StreamName, as_of: Option<AsOf>) -> Option<Fold<A>> {
        let query = SnapshotQuery {
            stream: stream.clone(),
            as_of,
            state_version: self.policy.version,
            fingerprint: A::Event::FINGERPRINT,
        };
        let snapshot = match self.store.newest(&query).await {
            Ok(snapshot) => snapshot?,
            Err(error) => {
                tracing::warn!(%stream, %error, "snapshots cannot be read; the state is folded from the events");
                return None;
            }
        };
        match (self.decode)(&snapshot.state) {
            Ok(state) => Some(Fold::from_snapshot(&snapshot, state)),
            Err(error) => {
                tracing::warn!(%stream, %error, "a snapshot does not decode though its state version is right");
                None
            }
        }
    }

    /// Saves the state in the background when it has passed a multiple of the policy's number since its snapshot.
    pub fn save_when_due(&self, stream: &StreamName, fold: &mut Fold<A>) {
        let Some(last) = fold.last else { return };
        let every = u64::from(self.policy.every.get());
        let passed = |version: u64| version / every;
        let newest = fold.snapshot.max(self.taken.get(stream));
        if passed(last.version.get()) <= passed(newest.map_or(0, Version::get)) {
            return;
        }
        let Ok(room) = Arc::clone(&self.room).try_acquire_owned() else {
            return;
        };
        let state = match (self.encode)(&fold.state) {
            Ok(state) => state,
            Err(error) => {
                tracing::warn!(%stream, %error, "the state cannot be encoded; no snapshot is taken");
                return;
            }
        };
        let snapshot = Snapshot {
            stream: stream.clone(),
            version: last.version,
            position: last.position,
            event_id: last.event_id,
            recorded_at: last.recorded_at,
            happened_until: fold.happened_until,
            state_version: self.policy.version,
            fingerprint: A::Event::FINGERPRINT,
            state,
        };
        fold.snapshot = Some(last.version);
        self.taken.insert(stream.clone(), last.version);
        let (store, taken) = (Arc::clone(&self.store), self.taken.clone());
        tokio::spawn(async move {
            let _room = room;
            let stream = snapshot.stream.clone();
            if let Err(error) = store.save(snapshot).await {
                tracing::warn!(%stream, %error, "a snapshot was not saved");
                taken.invalidate(&stream);
            }
        });
    }
}

impl<A> Clone for Snapshots<A> {
    fn clone(&self) -> Self {
        Self {
            store: Arc::clone(&self.store),
            policy: self.policy,
            encode: self.encode,
            decode: self.decode,
            room: Arc::clone(&self.room),
            taken: self.taken.clone(),
        }
    }
}

impl<A> fmt::Debug for Snapshots<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Snapshots").field("store", &self.store).field("policy", &self.policy).finish_non_exhaustive()
    }
}
