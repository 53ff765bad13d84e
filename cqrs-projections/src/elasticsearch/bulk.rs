//! Many documents in few requests.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use cqrs_core::{Backoff, DocumentWrite, ReadModelError, Target, is_lookup};
use futures::{StreamExt, stream};
use serde::Deserialize;
use serde_json::Value;

mod request;

use request::Request;

use super::error::{Decision, ServerError};
use super::{ElasticReadModel, Refresh};

/// What a removed document becomes.
pub(super) const TOMBSTONE: &str = r#"{"cqrs_removed":true}"#;

/// How many bytes one request holds, unless one document alone has more.
const BYTES: usize = 5 * 1024 * 1024;

/// What a server that takes little gets in one request nevertheless, unless one document alone has less.
const FEW_BYTES: usize = 64 * 1024;

/// How many requests of a batch are under way at the same time.
const AT_ONCE: usize = 2;

/// How often what an overloaded server put off is sent, the first time included.
const TRIES: u32 = 6;

/// How long it waits in between: about two seconds in all.
const BACKOFF: Backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(1));

/// How long the server itself waits for a shard that has no primary at the moment.
const WAIT_FOR_SHARD: Duration = Duration::from_secs(10);

/// How many bytes one request holds: fewer once the server, or what stands before it, refused so many as too large.
#[derive(Debug)]
pub(super) struct RequestSize(AtomicUsize);

impl Default for RequestSize {
    fn default() -> Self {
        Self(AtomicUsize::new(BYTES))
    }
}

impl RequestSize {
    fn get(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    fn refused(&self, bytes: usize) {
        self.0.fetch_min((bytes / 2).max(FEW_BYTES), Ordering::Relaxed);
    }
}

/// What becomes of a batch beside the documents that are written.
#[derive(Debug, Default)]
struct Outcome {
    rejected: Option<ReadModelError>,
    failed: Option<ReadModelError>,
}

impl Outcome {
    fn reject(&mut self, key: &str, reason: impl Into<String>) {
        self.rejected.get_or_insert_with(|| ReadModelError::Rejected { key: key.to_owned(), reason: reason.into() });
    }

    /// Of several failures, one that does not pass counts most.
    fn fail(&mut self, error: ReadModelError) {
        if self.failed.as_ref().is_none_or(ReadModelError::is_transient) {
            self.failed = Some(error);
        }
    }

    fn and(mut self, other: Self) -> Self {
        self.rejected = self.rejected.or(other.rejected);
        if let Some(error) = other.failed {
            self.fail(error);
        }
        self
    }

    fn into_result(self) -> Result<(), ReadModelError> {
        self.failed.or(self.rejected).map_or(Ok(()), Err)
    }
}

/// What the server made of a request.
enum Reply {
    /// Nothing: it was refused as a whole.
    Whole(ServerError),
    /// The documents that it refused, by their places.
    Items(Vec<(usize, ServerError)>),
}

impl ElasticReadModel {
    /// Writes all documents that can be written, then tells about those that cannot. Lookups come after all documents: what is
    /// torn by a crash in between is folded again from the lookups as they were.
    pub(super) async fn write_documents(
        &self,
        target: &Target,
        writes: &[DocumentWrite],
    ) -> Result<(), ReadModelError> {
        let (lookups, documents): (Vec<_>, Vec<_>) = writes.iter().partition(|write| is_lookup(&write.key));
        self.write_together(target, documents, self.refresh).await?;
        // No search finds them: there is nothing to wait for.
        self.write_together(target, lookups, Refresh::None).await
    }

    async fn write_together(
        &self,
        target: &Target,
        writes: Vec<&DocumentWrite>,
        refresh: Refresh,
    ) -> Result<(), ReadModelError> {
        let mut outcome = Outcome::default();
        let requests = Request::all(&writes, self.request_size.get(), &mut outcome);
        let sent: Vec<_> = requests.into_iter().map(|request| self.write_request(target, request, refresh)).collect();
        let written = stream::iter(sent).buffer_unordered(AT_ONCE);
        written.fold(outcome, async |outcome, written| outcome.and(written)).await.into_result()
    }

    /// Sends a request, and again what was too much for the server: in halves when it was too large, after a while when
    /// the server was overloaded, and then only the documents that it put off.
    async fn write_request(&self, target: &Target, request: Request<'_>, refresh: Refresh) -> Outcome {
        let mut outcome = Outcome::default();
        let until = Instant::now() + self.client.timeout();
        let mut left = vec![(request, 1)];
        while let Some((request, attempt)) = left.pop() {
            let again = attempt < TRIES && Instant::now() < until;
            let put_off = match self.send_bulk(target, &request, refresh).await {
                Err(error) => {
                    outcome.fail(error);
                    Vec::new()
                }
                Ok(Reply::Whole(refused)) if refused.is_overload() && again => (0..request.items.len()).collect(),
                Ok(Reply::Whole(refused)) if refused.is_too_large() && request.items.len() > 1 => {
                    self.request_size.refused(request.body.len());
                    left.extend(request.halves().map(|half| (half, attempt)));
                    Vec::new()
                }
                Ok(Reply::Whole(refused)) => {
                    match request.items[..] {
                        [item] if refused.decision() == Decision::Rejected => {
                            outcome.reject(item.key, refused.to_string())
                        }
                        _ => outcome.fail(refused.at(target.generation)),
                    }
                    Vec::new()
                }
                Ok(Reply::Items(refused)) => {
                    let (put_off, refused): (Vec<_>, Vec<_>) =
                        refused.into_iter().partition(|(_, refused)| refused.is_overload() && again);
                    for (at, refused) in refused {
                        match refused.decision() {
                            // Something at least as new is there.
                            Decision::Conflict => {}
                            Decision::Rejected => outcome.reject(request.items[at].key, refused.reason),
                            _ => outcome.fail(refused.at(target.generation)),
                        }
                    }
                    put_off.into_iter().map(|(at, _)| at).collect()
                }
            };
            if !put_off.is_empty() {
                tracing::debug!(%target, documents = put_off.len(), attempt, "the server is overloaded");
                left.push((request.only(put_off), attempt + 1));
                tokio::time::sleep(BACKOFF.after(attempt)).await;
            }
        }
        outcome
    }

    async fn send_bulk(
        &self,
        target: &Target,
        request: &Request<'_>,
        refresh: Refresh,
    ) -> Result<Reply, ReadModelError> {
        #[derive(Deserialize)]
        struct Answer {
            #[serde(default)]
            items: Vec<Item>,
        }
        #[derive(Deserialize)]
        struct Item {
            index: ItemAnswer,
        }
        #[derive(Deserialize)]
        struct ItemAnswer {
            status: u16,
            error: Option<Value>,
        }
        let path = format!("{}/_bulk", self.names.write(&target.projection, target.generation));
        // Less than the request may take, so that the server can say what it waits for.
        let wait = format!("{}ms", WAIT_FOR_SHARD.min(self.client.timeout() / 2).as_millis());
        let mut query =
            vec![("require_alias", "true"), ("filter_path", "items.*.status,items.*.error"), ("timeout", &*wait)];
        match refresh {
            Refresh::None => {}
            Refresh::WaitFor => query.push(("refresh", "wait_for")),
            Refresh::Immediate => query.push(("refresh", "true")),
        }
        let answer = self.client.post_lines(&path, &query, &request.body).await?;
        if !answer.is_ok() {
            return Ok(Reply::Whole(answer.error()));
        }
        let items = answer.json::<Answer>()?.items;
        if items.len() != request.items.len() {
            let what = format!("{} answers to {} documents", items.len(), request.items.len());
            return Err(ReadModelError::Corrupt { what });
        }
        let refused = items.into_iter().zip(&request.items).enumerate().filter_map(|(at, (answer, item))| {
            let error = answer.index.error?;
            Some((at, ServerError::of(&format!("document {:?}", item.key), answer.index.status, &error)))
        });
        Ok(Reply::Items(refused.collect()))
    }
}

#[cfg(test)]
mod tests {
    use cqrs_core::Failure;

    use super::*;

    #[test]
    fn a_failure_that_stays_counts_more_than_one_that_passes_and_both_more_than_a_rejection() {
        let with = |errors: &[ReadModelError]| {
            let mut outcome = Outcome::default();
            outcome.reject("k", "bad");
            outcome.reject("l", "too");
            errors.iter().for_each(|error| outcome.fail(error.clone()));
            outcome.into_result().unwrap_err()
        };
        let passes = ReadModelError::Transient(Failure::new("full"));
        let stays = ReadModelError::Corrupt { what: "odd".to_owned() };
        assert!(matches!(with(&[]), ReadModelError::Rejected { key, .. } if key == "k"));
        assert!(with(std::slice::from_ref(&passes)).is_transient());
        for errors in [[passes.clone(), stays.clone()], [stays, passes]] {
            assert!(matches!(with(&errors), ReadModelError::Corrupt { .. }));
        }
    }

    #[test]
    fn a_request_that_was_too_large_makes_the_next_ones_smaller_down_to_a_floor() {
        let size = RequestSize::default();
        size.refused(4_000_000);
        assert_eq!(size.get(), 2_000_000);
        size.refused(3_000_000);
        assert_eq!(size.get(), 1_500_000);
        size.refused(10);
        assert_eq!(size.get(), FEW_BYTES);
    }
}
