//! Dead letters in memory.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;

use super::lock;
use crate::checkpoint_store::{FencingToken, Generation};
use crate::dead_letter_store::{
    DeadLetter, DeadLetterCount, DeadLetterFailure, DeadLetterId, DeadLetterOwner, DeadLetterPage, DeadLetterStore,
    Discarded, ListDeadLetters, NewDeadLetter, ParkedDocuments,
};
use crate::event_store::StoreError;
use crate::name::ProjectionName;
use crate::read_model::Target;
use crate::stream::GlobalPosition;
use crate::timestamp::Timestamp;

/// Dead letters in memory. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct InMemoryDeadLetterStore(Arc<Mutex<Letters>>);

#[derive(Debug, Default)]
struct Letters {
    owners: HashMap<Target, FencingToken>,
    /// In the order in which they are listed.
    all: BTreeMap<(GlobalPosition, DeadLetterId), DeadLetter>,
}

impl InMemoryDeadLetterStore {
    /// No letters yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A change by the owner of a target.
    fn owned<T>(&self, owner: &DeadLetterOwner, change: impl FnOnce(&mut Letters) -> T) -> Result<T, StoreError> {
        let mut letters = lock(&self.0);
        let offered = owner.token.get();
        match letters.owners.get(&owner.target) {
            Some(stored) if *stored <= owner.token => Ok(change(&mut letters)),
            stored => Err(StoreError::Fenced { stored: stored.map_or(0, |stored| stored.get()), offered }),
        }
    }
}

impl Letters {
    fn waiting_of<'a>(&'a mut self, target: &'a Target, document: &'a str) -> impl Iterator<Item = &'a mut DeadLetter> {
        self.all.values_mut().filter(move |letter| {
            letter.discarded.is_none() && letter.target == *target && letter.document.as_deref() == Some(document)
        })
    }

    fn of<'a>(&'a self, projection: &'a ProjectionName) -> impl Iterator<Item = &'a DeadLetter> {
        self.all.values().filter(move |letter| letter.target.projection == *projection)
    }
}

#[async_trait]
impl DeadLetterStore for InMemoryDeadLetterStore {
    async fn take_over(
        &self,
        owner: &DeadLetterOwner,
        checkpoint: GlobalPosition,
    ) -> Result<ParkedDocuments, StoreError> {
        lock(&self.0)
            .owners
            .entry(owner.target.clone())
            .and_modify(|stored| *stored = owner.token.max(*stored))
            .or_insert(owner.token);
        self.owned(owner, |letters| {
            let mut parked = ParkedDocuments::default();
            for letter in letters.all.values().filter(|letter| letter.target == owner.target) {
                let position = letter.event.position;
                let Some(document) = &letter.document else {
                    parked.without_document += u64::from(letter.discarded.is_none());
                    continue;
                };
                if letter.discarded.is_none() {
                    parked.documents.entry(document.clone()).or_insert(position);
                } else if position > checkpoint {
                    parked.discarded.insert((document.clone(), position));
                }
            }
            parked
        })
    }

    async fn keep(&self, owner: &DeadLetterOwner, letters: Vec<NewDeadLetter>) -> Result<(), StoreError> {
        self.owned(owner, |kept| {
            for letter in letters {
                let mut letter = DeadLetter::new(&owner.target, letter, Timestamp::now());
                if let Some(document) = &letter.document {
                    letter.to_replay = kept.waiting_of(&owner.target, document).any(|other| other.to_replay);
                }
                kept.all.entry((letter.event.position, letter.id)).or_insert(letter);
            }
        })
    }

    async fn waiting(&self, target: &Target, document: &str, limit: usize) -> Result<Vec<DeadLetter>, StoreError> {
        Ok(lock(&self.0).waiting_of(target, document).map(|letter| letter.clone()).take(limit).collect())
    }

    async fn note_removal(
        &self,
        owner: &DeadLetterOwner,
        document: &str,
        up_to: GlobalPosition,
    ) -> Result<(), StoreError> {
        self.owned(owner, |letters| {
            let waiting = letters.waiting_of(&owner.target, document);
            waiting.for_each(|letter| letter.removing = letter.event.position <= up_to);
        })
    }

    async fn settle(&self, owner: &DeadLetterOwner, document: &str, up_to: GlobalPosition) -> Result<(), StoreError> {
        self.owned(owner, |letters| {
            letters.all.retain(|(position, _), letter| {
                let settled =
                    *position <= up_to && letter.target == owner.target && letter.document.as_deref() == Some(document);
                letter.to_replay &= !settled || letter.discarded.is_none();
                !settled || letter.discarded.is_some()
            });
        })
    }

    async fn failed_again(
        &self,
        owner: &DeadLetterOwner,
        document: &str,
        position: GlobalPosition,
        failure: DeadLetterFailure,
    ) -> Result<(), StoreError> {
        self.owned(owner, |letters| {
            for letter in letters.all.values_mut() {
                if letter.target != owner.target || letter.document.as_deref() != Some(document) {
                    continue;
                }
                letter.to_replay = false;
                if letter.event.position == position && letter.discarded.is_none() {
                    let attempts = letter.failure.as_ref().map_or(0, |before| before.attempts);
                    let attempts = attempts.saturating_add(failure.attempts);
                    letter.failure = Some(DeadLetterFailure { attempts, ..failure.clone() });
                    letter.last_at = Timestamp::now();
                }
            }
        })
    }

    async fn to_replay(&self, target: &Target, limit: usize) -> Result<Vec<String>, StoreError> {
        let letters = lock(&self.0);
        let marked = letters.all.values().filter(|letter| letter.to_replay && letter.target == *target);
        let documents: BTreeSet<_> = marked.filter_map(|letter| letter.document.clone()).collect();
        Ok(documents.into_iter().take(limit).collect())
    }

    async fn partitions_to_replay(
        &self,
        projection: &ProjectionName,
        generation: Generation,
    ) -> Result<BTreeSet<u16>, StoreError> {
        let letters = lock(&self.0);
        let marked = letters.of(projection).filter(|letter| letter.to_replay && letter.target.generation == generation);
        Ok(marked.map(|letter| letter.target.partition).collect())
    }

    async fn replay(&self, projection: &ProjectionName, document: Option<&str>) -> Result<u64, StoreError> {
        let mut marked = BTreeSet::new();
        for letter in lock(&self.0).all.values_mut() {
            let Some(key) = &letter.document else { continue };
            let wanted = document.is_none_or(|document| document == key) && letter.target.projection == *projection;
            if wanted && letter.discarded.is_none() {
                letter.to_replay = true;
                marked.insert((letter.target.generation, key.clone()));
            }
        }
        Ok(marked.len() as u64)
    }

    async fn discard(&self, projection: &ProjectionName, id: DeadLetterId, reason: &str) -> Result<bool, StoreError> {
        let mut letters = lock(&self.0);
        let found = letters.all.values_mut().find(|letter| letter.id == id && letter.target.projection == *projection);
        let Some(letter) = found.filter(|letter| letter.discarded.is_none() && !letter.to_replay) else {
            return Ok(false);
        };
        letter.discarded = Some(Discarded::new(reason, Timestamp::now()));
        if let Some(document) = letter.document.clone() {
            letter.to_replay = true;
            let target = letter.target.clone();
            letters.waiting_of(&target, &document).for_each(|letter| letter.to_replay = true);
        }
        Ok(true)
    }

    async fn find(&self, projection: &ProjectionName, id: DeadLetterId) -> Result<Option<DeadLetter>, StoreError> {
        Ok(lock(&self.0).of(projection).find(|letter| letter.id == id).cloned())
    }

    async fn list(&self, list: &ListDeadLetters) -> Result<DeadLetterPage, StoreError> {
        let letters = lock(&self.0);
        let wanted = letters.of(&list.projection).filter(|letter| {
            list.generation.is_none_or(|generation| letter.target.generation == generation)
                && list.document.as_ref().is_none_or(|document| letter.document.as_ref() == Some(document))
                && list.state.is_none_or(|state| letter.state() == state)
                && list.after.is_none_or(|after| (letter.event.position, letter.id) > after)
        });
        let mut found: Vec<_> = wanted.take(list.limit.saturating_add(1)).cloned().collect();
        let more = found.len() > list.limit;
        found.truncate(list.limit);
        Ok(DeadLetterPage { letters: found, more })
    }

    async fn count(&self, projection: &ProjectionName, generation: Generation) -> Result<DeadLetterCount, StoreError> {
        let letters = lock(&self.0);
        let (mut count, mut documents) = (DeadLetterCount::default(), BTreeSet::new());
        for letter in letters.of(projection) {
            if letter.target.generation != generation || letter.discarded.is_some() {
                continue;
            }
            match &letter.document {
                Some(document) => {
                    count.letters += 1;
                    documents.insert(document);
                }
                None => count.without_document += 1,
            }
        }
        count.documents = documents.len() as u64;
        Ok(count)
    }

    async fn retain(&self, projection: &ProjectionName, generations: &[Generation]) -> Result<(), StoreError> {
        let mut letters = lock(&self.0);
        let dropped = |target: &Target| target.projection == *projection && !generations.contains(&target.generation);
        letters.owners.retain(|target, _| !dropped(target));
        letters.all.retain(|_, letter| !dropped(&letter.target) || letter.discarded.is_some());
        let kept = letters.all.values_mut().filter(|letter| dropped(&letter.target));
        kept.for_each(|letter| letter.to_replay = false);
        Ok(())
    }
}
