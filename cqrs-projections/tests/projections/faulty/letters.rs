use std::collections::BTreeSet;

use async_trait::async_trait;
use cqrs_core::in_memory::InMemoryDeadLetterStore;
use cqrs_core::{
    DeadLetter, DeadLetterCount, DeadLetterFailure, DeadLetterId, DeadLetterOwner, DeadLetterPage, DeadLetterStore,
    Generation, GlobalPosition, ListDeadLetters, NewDeadLetter, ParkedDocuments, ProjectionName, StoreError, Target,
};

use cqrs_testkit::Faults;

/// Dead letters in memory, in a store that fails when it is told to. Clones share it.
#[derive(Debug, Clone)]
pub struct FaultyLetters {
    pub inner: InMemoryDeadLetterStore,
    pub faults: Faults,
}

impl Default for FaultyLetters {
    fn default() -> Self {
        let faults = Faults::of(&[
            "take_over",
            "keep",
            "waiting",
            "note_removal",
            "settle",
            "failed_again",
            "to_replay",
            "partitions_to_replay",
            "retain",
        ]);
        Self { inner: InMemoryDeadLetterStore::new(), faults }
    }
}

impl FaultyLetters {
    async fn around<T>(
        &self,
        operation: &'static str,
        call: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        self.faults.around(operation, call, StoreError::Transient, StoreError::Permanent).await
    }
}

#[async_trait]
impl DeadLetterStore for FaultyLetters {
    async fn take_over(&self, owner: &DeadLetterOwner, at: GlobalPosition) -> Result<ParkedDocuments, StoreError> {
        self.around("take_over", self.inner.take_over(owner, at)).await
    }

    async fn keep(&self, owner: &DeadLetterOwner, letters: Vec<NewDeadLetter>) -> Result<(), StoreError> {
        self.around("keep", self.inner.keep(owner, letters)).await
    }

    async fn waiting(&self, target: &Target, document: &str, limit: usize) -> Result<Vec<DeadLetter>, StoreError> {
        self.around("waiting", self.inner.waiting(target, document, limit)).await
    }

    async fn note_removal(
        &self,
        owner: &DeadLetterOwner,
        document: &str,
        up_to: GlobalPosition,
    ) -> Result<(), StoreError> {
        self.around("note_removal", self.inner.note_removal(owner, document, up_to)).await
    }

    async fn settle(&self, owner: &DeadLetterOwner, document: &str, up_to: GlobalPosition) -> Result<(), StoreError> {
        self.around("settle", self.inner.settle(owner, document, up_to)).await
    }

    async fn failed_again(
        &self,
        owner: &DeadLetterOwner,
        document: &str,
        position: GlobalPosition,
        failure: DeadLetterFailure,
    ) -> Result<(), StoreError> {
        self.around("failed_again", self.inner.failed_again(owner, document, position, failure)).await
    }

    async fn to_replay(&self, target: &Target, limit: usize) -> Result<Vec<String>, StoreError> {
        self.around("to_replay", self.inner.to_replay(target, limit)).await
    }

    async fn partitions_to_replay(
        &self,
        projection: &ProjectionName,
        generation: Generation,
    ) -> Result<BTreeSet<u16>, StoreError> {
        self.around("partitions_to_replay", self.inner.partitions_to_replay(projection, generation)).await
    }

    async fn replay(&self, projection: &ProjectionName, document: Option<&str>) -> Result<u64, StoreError> {
        self.inner.replay(projection, document).await
    }

    async fn discard(&self, projection: &ProjectionName, id: DeadLetterId, reason: &str) -> Result<bool, StoreError> {
        self.inner.discard(projection, id, reason).await
    }

    async fn find(&self, projection: &ProjectionName, id: DeadLetterId) -> Result<Option<DeadLetter>, StoreError> {
        self.inner.find(projection, id).await
    }

    async fn list(&self, list: &ListDeadLetters) -> Result<DeadLetterPage, StoreError> {
        self.inner.list(list).await
    }

    async fn count(&self, projection: &ProjectionName, generation: Generation) -> Result<DeadLetterCount, StoreError> {
        self.inner.count(projection, generation).await
    }

    async fn retain(&self, projection: &ProjectionName, generations: &[Generation]) -> Result<(), StoreError> {
        self.around("retain", self.inner.retain(projection, generations)).await
    }
}
