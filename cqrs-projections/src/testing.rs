//! Given events, then documents: tests of projectors without any service.
//!
//! ```
//! # use cqrs_core::{DomainEvent, Recorded};
//! # use serde::{Deserialize, Serialize};
//! # use cqrs_projections::{ProjectError, Projector};
//! # #[derive(Serialize, Deserialize, DomainEvent)]
//! # #[event(domain = "account")]
//! # enum AccountEvent { Deposited { amount: i64 } }
//! # #[derive(Default, Serialize, Deserialize)]
//! # struct Summary { balance: i64 }
//! # struct AccountSummary;
//! # impl Projector for AccountSummary {
//! #     type Event = AccountEvent;
//! #     type Document = Summary;
//! #     fn route(&self, event: &Recorded<AccountEvent>, to: &mut Vec<String>) { to.push(event.stream.id().to_owned()); }
//! #     fn project(&self, event: &Recorded<AccountEvent>, _: &str, document: Option<Summary>)
//! #         -> Result<Option<Summary>, ProjectError> {
//! #         let AccountEvent::Deposited { amount } = event.event;
//! #         Ok(Some(Summary { balance: document.unwrap_or_default().balance + amount }))
//! #     }
//! # }
//! use cqrs_projections::testing::{event, given};
//!
//! given(AccountSummary, [
//!     event("account-ACC-001", &AccountEvent::Deposited { amount: 2 }),
//!     event("account-ACC-001", &AccountEvent::Deposited { amount: 3 }),
//! ])
//! .then_document("ACC-001", &Summary { balance: 5 })
//! .then_no_document("ACC-002");
//! ```

use std::collections::BTreeMap;
use std::io::BufRead;
use std::sync::OnceLock;

use cqrs_core::{
    DomainEvent, GlobalPosition, NewEvent, ParkedDocuments, Partitions, Payload, RecordedEvent, StoredDocument,
    StreamName, is_lookup,
};
use futures::FutureExt;
use serde::Serialize;
use serde_json::Value;

mod delivery;
mod fail;
mod recorded;

use crate::batch::{Fold, FoldFailure, Folded, Folding, Joining, Share, Stored};
use crate::error::ProjectionError;
use crate::error_policy::Judge;
use crate::join::JoinProjector;
use crate::projector::Projector;
use delivery::{Delivery, Sent, deliveries, kept};
use fail::{chain, differences, fail, ok, same};

const NOT_PURE: &str = "the projector is not pure";
const NOT_JOINED: &str =
    "the projector is not pure, or an event makes a lookup list a document and does not touch the document";

/// An event for [`given`]. Set its metadata and its occurred time with the methods of [`NewEvent`].
///
/// # Panics
/// When `stream` is no stream name, or the event cannot be encoded.
#[track_caller]
#[must_use]
pub fn event<E: DomainEvent>(stream: &str, event: &E) -> NewEvent {
    let stream = ok(StreamName::new(stream), "the stream's name");
    ok(NewEvent::encode(stream, event), "the event")
}

/// Folds events as the runner does, beginning with no documents. The first has position 1.
///
/// What the runner may do in the course of crashes is done as well: the events are folded all together, one by one and in
/// batches, each delivered twice, torn so that a part of the documents is written before all of the batch comes again, cut
/// otherwise the second time, and out of the blue again after later ones. The documents must be the same each time; a test of
/// a projector that is not pure fails, and says by which delivery.
#[must_use = "a test checks what comes out"]
pub fn given<P: Projector>(projector: P, events: impl IntoIterator<Item = NewEvent>) -> Given {
    Given::new(Folding::new(projector), recorded::recorded(events), NOT_PURE)
}

/// The same for a projector of joined documents. Its lookups are not among the documents; what is torn may end between the
/// documents and the lookups.
#[must_use = "a test checks what comes out"]
pub fn given_join<P: JoinProjector>(projector: P, events: impl IntoIterator<Item = NewEvent>) -> Given {
    Given::new(Joining::new(projector), recorded::recorded(events), NOT_JOINED)
}

/// The same as [`given`] with events as they were recorded, by [`write_json_lines`](cqrs_core::write_json_lines): a line for
/// each, in the order of positions. Events that the projector does not want are passed over.
///
/// # Panics
/// When a line is no event or out of order.
#[track_caller]
#[must_use = "a test checks what comes out"]
pub fn given_json_lines<P: Projector>(projector: P, lines: impl BufRead) -> Given {
    Given::new(Folding::new(projector), recorded::read(lines), NOT_PURE)
}

/// The same as [`given_join`] with events as they were recorded: see [`given_json_lines`].
///
/// # Panics
/// When a line is no event or out of order.
#[track_caller]
#[must_use = "a test checks what comes out"]
pub fn given_join_json_lines<P: JoinProjector>(projector: P, lines: impl BufRead) -> Given {
    Given::new(Joining::new(projector), recorded::read(lines), NOT_JOINED)
}

/// A projector with the events that it is given. The checks panic where something else comes out.
pub struct Given {
    fold: Box<dyn Fold>,
    before: Stored,
    events: Vec<RecordedEvent>,
    /// What is wrong with a projector whose documents depend on how events come.
    blame: &'static str,
    /// What came out, when it was asked for.
    documents: OnceLock<BTreeMap<String, Value>>,
}

impl Given {
    fn new(fold: impl Fold, mut events: Vec<RecordedEvent>, blame: &'static str) -> Self {
        let wanted = fold.filter();
        events.retain(|event| wanted.matches(event));
        Self { fold: Box::new(fold), before: Stored::new(), events, blame, documents: OnceLock::new() }
    }

    /// Begins with this document.
    ///
    /// # Panics
    /// When the document has no JSON form.
    #[track_caller]
    pub fn given_document<D: Serialize>(mut self, key: &str, document: &D) -> Self {
        let document = Some(ok(Payload::encode(document), "the given document"));
        self.before.insert(key.to_owned(), StoredDocument { document, position: GlobalPosition::START });
        self.documents = OnceLock::new();
        self
    }

    /// The document is exactly this one (compared as JSON).
    ///
    /// # Panics
    /// When it is not.
    #[track_caller]
    pub fn then_document<D: Serialize>(self, key: &str, document: &D) -> Self {
        let expected = ok(serde_json::to_value(document), "the expected document");
        let documents = self.checked();
        let Some(found) = documents.get(key) else {
            let keys: Vec<_> = documents.keys().collect();
            fail(&format!("there is no document {key:?}; there are {keys:?}"));
        };
        same(&format!("document {key:?}"), found, &expected);
        self
    }

    /// There is no such document.
    ///
    /// # Panics
    /// When there is.
    #[track_caller]
    pub fn then_no_document(self, key: &str) -> Self {
        if let Some(found) = self.checked().get(key) {
            fail(&format!("there is a document {key:?}: {found:#}"))
        }
        self
    }

    /// There are these documents and no others.
    ///
    /// # Panics
    /// When it is otherwise.
    #[track_caller]
    pub fn then_documents<'a, D: Serialize>(self, documents: impl IntoIterator<Item = (&'a str, D)>) -> Self {
        let value = |document: D| ok(serde_json::to_value(document), "the expected document");
        let expected: BTreeMap<_, _> =
            documents.into_iter().map(|(key, document)| (key.to_owned(), value(document))).collect();
        same("the documents", self.checked(), &expected);
        self
    }

    /// An event is refused, for a reason that holds this text.
    ///
    /// # Panics
    /// When none is, or for another reason.
    #[track_caller]
    pub fn then_error(self, reason: &str) -> Self {
        let Err(error) = self.fold_all() else { fail("every event was folded") };
        let text = chain(&error);
        if text.contains(reason) { self } else { fail(&format!("the reason is another one: {text}")) }
    }

    /// All documents as JSON.
    ///
    /// # Panics
    /// When an event is refused, or the documents depend on how the events are delivered.
    #[track_caller]
    #[must_use]
    pub fn documents(&self) -> BTreeMap<String, Value> {
        self.checked().clone()
    }

    #[track_caller]
    fn checked(&self) -> &BTreeMap<String, Value> {
        if let Some(documents) = self.documents.get() {
            return documents;
        }
        let together = values(&self.fold_all().unwrap_or_else(|error| fail(&chain(&error))));
        for delivery in deliveries(self.events.len()) {
            self.check(&delivery, &together);
        }
        self.documents.get_or_init(|| together)
    }

    /// Another delivery of the same events leads to the same documents.
    #[track_caller]
    fn check(&self, delivery: &Delivery, together: &BTreeMap<String, Value>) {
        let (mut stored, name) = (self.before.clone(), delivery.name);
        for sent in &delivery.sent {
            if let Err(error) = self.deliver(&mut stored, sent) {
                fail(&format!("when the events come {name}: {}", chain(&error)))
            }
        }
        let found = values(&stored);
        if found != *together {
            fail(&format!(
                "{}: from all events at once to when they come {name}\n{}",
                self.blame,
                differences(together, &found)
            ))
        }
    }

    fn fold_all(&self) -> Result<Stored, ProjectionError> {
        let mut stored = self.before.clone();
        self.deliver(&mut stored, &Sent { events: 0..self.events.len(), torn: None })?;
        Ok(stored)
    }

    fn deliver(&self, stored: &mut Stored, sent: &Sent) -> Result<(), ProjectionError> {
        let events = self.events[sent.events.clone()].to_vec();
        let all = Share { partition: 0, after: GlobalPosition::START };
        let planned = self.fold.plan_one(events, Partitions::ONE, all, &Judge::strict()).now_or_never();
        let planned = planned.unwrap_or_else(|| fail("nothing here has to be waited for"));
        if let Some(error) = planned.failed {
            return Err(error);
        }
        let writes = loop {
            let folded = planned.plan.fold(stored, &ParkedDocuments::default());
            let first = |met: Vec<FoldFailure>| met.into_iter().min_by_key(|failure| failure.position);
            match folded.map_err(|met| first(met).map_or(ProjectionError::Aborted, |failure| *failure.error))? {
                Folded::Writes(writes) => break writes.documents,
                Folded::Needs(keys) => {
                    let absent = StoredDocument { document: None, position: GlobalPosition::START };
                    stored.extend(keys.into_iter().map(|key| (key, absent.clone())));
                }
            }
        };
        let writes = match sent.torn {
            None => writes,
            Some(torn) => kept(writes, torn),
        };
        stored.extend(writes.into_iter().map(|write| {
            let document = StoredDocument { document: write.document, position: write.position };
            (write.key, document)
        }));
        Ok(())
    }
}

fn values(stored: &Stored) -> BTreeMap<String, Value> {
    let document = |stored: &StoredDocument| stored.document.as_ref().map(|json| ok(json.decode(), "the document"));
    let documents = stored.iter().filter(|(key, _)| !is_lookup(key));
    documents.filter_map(|(key, stored)| Some((key.clone(), document(stored)?))).collect()
}
