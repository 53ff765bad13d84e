//! Replaying parked documents: their letters are folded in order, on top of the documents as they were left.

use cqrs_core::{
    DeadLetter, DeadLetterCause, DeadLetterFailure, DocumentWrite, GlobalPosition, ParkedDocuments, ReadAll,
    RecordedEvent,
};
use futures::{StreamExt, TryStreamExt, stream};

use super::writer::Writer;
use crate::batch::{FoldFailure, Planned, Share};
use crate::enrich::EnrichError;
use crate::error::ProjectionError;
use crate::supervisor::Projection;

/// How many letters are replayed before the log is followed again.
const AT_ONCE: usize = 500;

/// How many of their events are read at the same time.
const READS: usize = 8;

/// How many documents are asked for at once.
const DOCUMENTS: usize = 100;

/// What became of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Replayed {
    /// It waits for nothing any more.
    Released,
    /// More letters are to be replayed.
    More,
    /// A letter has failed again, and waits.
    Failed,
    /// The checkpoint has yet to pass its letters.
    NotYet,
}

/// A letter that has failed again.
type Again = (GlobalPosition, DeadLetterFailure);

impl Writer {
    /// Replays some of what is marked for it. `true` when there is more to do at once.
    pub(super) async fn replay(
        &mut self,
        projection: &Projection,
        read_to: GlobalPosition,
    ) -> Result<bool, ProjectionError> {
        let Some(store) = self.letters().store() else { return Ok(false) };
        let target = self.letters().owner().target.clone();
        let documents = store.to_replay(&target, DOCUMENTS).await.map_err(ProjectionError::DeadLetters)?;
        if documents.is_empty() {
            return Ok(false);
        }
        // Letters are replayed once the checkpoint has passed them: before, their events may be read again.
        self.store(read_to).await?;
        let (mut done, mut more, all) = (0, false, documents.len() < DOCUMENTS);
        for document in documents {
            if done >= AT_ONCE {
                return Ok(true);
            }
            let (replayed, letters) = self.replay_some(projection, &document).await?;
            tracing::debug!(projection = %projection.name, document, letters, ?replayed, "dead letters were replayed");
            done += letters.max(1);
            more |= replayed == Replayed::More || (replayed != Replayed::NotYet && !all);
        }
        Ok(more)
    }

    async fn replay_some(
        &mut self,
        projection: &Projection,
        document: &str,
    ) -> Result<(Replayed, usize), ProjectionError> {
        let Some(store) = self.letters().store() else { return Ok((Replayed::NotYet, 0)) };
        let owner = self.letters().owner().clone();
        let waiting = store.waiting(&owner.target, document, AT_ONCE).await.map_err(ProjectionError::DeadLetters)?;
        let found = waiting.len();
        let ready: Vec<_> = waiting.into_iter().take_while(|letter| letter.event.position <= self.stored()).collect();
        if found > 0 && ready.is_empty() {
            return Ok((Replayed::NotYet, 0));
        }
        let (up_to, again) = match self.removed(document, &ready).await? {
            Some(removed_by) => (Some(removed_by), None),
            None => self.fold_letters(projection, document, &ready).await?,
        };
        if let Some((position, failure)) = again {
            if let Some(up_to) = up_to {
                store.settle(&owner, document, up_to).await.map_err(ProjectionError::DeadLetters)?;
            }
            let failed = store.failed_again(&owner, document, position, failure).await;
            failed.map_err(ProjectionError::DeadLetters)?;
            self.letters_mut().park(document, position);
            return Ok((Replayed::Failed, ready.len()));
        }
        // Without letters, those that were discarded are seen to.
        let settled = up_to.unwrap_or_else(|| self.stored());
        store.settle(&owner, document, settled).await.map_err(ProjectionError::DeadLetters)?;
        let is_last = |letter: &DeadLetter| Some(letter.event.position) == up_to;
        if found < AT_ONCE && found == ready.len() && ready.last().is_none_or(is_last) {
            self.letters_mut().release(document);
            return Ok((Replayed::Released, ready.len()));
        }
        self.letters_mut().park(document, settled.next());
        Ok((Replayed::More, ready.len()))
    }

    /// Up to which letter the document was removed by a replay that did not come to its end.
    async fn removed(
        &mut self,
        document: &str,
        letters: &[DeadLetter],
    ) -> Result<Option<GlobalPosition>, ProjectionError> {
        let Some(noted) = letters.iter().rev().find(|letter| letter.removing) else { return Ok(None) };
        self.load(&[document.to_owned()]).await?;
        let is_there = self.cached().get(document).is_some_and(|stored| stored.document.is_some());
        Ok((!is_there).then_some(noted.event.position))
    }

    /// Writes the document as it is after the letters, up to the first that fails again. Tells up to where it was written.
    async fn fold_letters(
        &mut self,
        projection: &Projection,
        document: &str,
        letters: &[DeadLetter],
    ) -> Result<(Option<GlobalPosition>, Option<Again>), ProjectionError> {
        let events = self.events(letters).await?;
        let share = Share { partition: self.letters().owner().target.partition, after: GlobalPosition::START };
        let planned = projection.fold.plan_document(events, projection.count, share, document).await;
        let Planned { plan, failed, .. } = planned;
        let letters = &letters[..letters.len().min(plan.len() + 1)];
        // An event that cannot be decoded or enriched any more.
        let mut again = match failed {
            None => None,
            Some(error) => match (letters.get(plan.len()), failure(&error)) {
                (Some(letter), Some(failure)) => Some((letter.event.position, failure)),
                _ => return Err(error),
            },
        };
        // What was discarded is none of the letters, and all others are read: only those that fail wait.
        let mut parked = ParkedDocuments::default();
        loop {
            let writes = match self.fold_once(&*plan, &parked).await? {
                Ok(writes) => writes,
                Err(FoldFailure { position, error }) => {
                    let Some(failure) = failure(&error) else { return Err(*error) };
                    parked.documents.insert(document.to_owned(), position);
                    again = Some((position, failure));
                    continue;
                }
            };
            let error = match self.write_letters(document, writes.documents).await {
                Err(error) if error.document() == Some(document) => error,
                written => break written?,
            };
            self.reload(document);
            let Some(position) = self.first_refused(&*plan, document, &parked).await? else { return Err(error) };
            parked.documents.insert(document.to_owned(), position);
            again = failure(&error).map(|failure| (position, failure));
        }
        let before =
            |letter: &&DeadLetter| again.as_ref().is_none_or(|(position, _)| letter.event.position < *position);
        let up_to = letters.iter().take_while(before).last().map(|letter| letter.event.position);
        Ok((up_to, again))
    }

    async fn write_letters(&mut self, document: &str, writes: Vec<DocumentWrite>) -> Result<(), ProjectionError> {
        let removal = writes.iter().find(|write| write.key == document && write.document.is_none());
        let exists = self.cached().get(document).is_some_and(|stored| stored.document.is_some());
        if let (Some(removal), Some(store), true) = (removal, self.letters().store(), exists) {
            let noted = store.note_removal(self.letters().owner(), document, removal.position).await;
            noted.map_err(ProjectionError::DeadLetters)?;
        }
        self.stay(writes).await
    }

    /// The events of letters, from the log.
    async fn events(&self, letters: &[DeadLetter]) -> Result<Vec<RecordedEvent>, ProjectionError> {
        let log = self.log();
        let reads = letters.iter().map(|letter| {
            let (position, folded, log) = (letter.event.position, letter.event.id, &log);
            async move {
                let read = ReadAll::after(position.previous()).until(position).limit(1);
                let found = log.read_all(read).await?.events.pop();
                match found {
                    Some(event) if event.id == folded => Ok(event),
                    found => {
                        let found = found.map(|event| event.id);
                        Err(ProjectionError::HistoryChanged { position, folded, found })
                    }
                }
            }
        });
        stream::iter(reads.collect::<Vec<_>>()).buffered(READS).try_collect().await
    }
}

/// Another attempt that failed; `None` where the error is about something else.
fn failure(error: &ProjectionError) -> Option<DeadLetterFailure> {
    let cause = match error {
        ProjectionError::Enrich { source: EnrichError::Permanent(_), .. } => Some(DeadLetterCause::Enrichment),
        error => error.cause(),
    };
    cause.map(|cause| DeadLetterFailure::new(cause, &error.text(), 1))
}
