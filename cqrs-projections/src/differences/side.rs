//! One of two sets of documents that are compared: a generation, and what is known of it besides.

use std::collections::HashMap;

use cqrs_core::{
    DocumentPage, GlobalPosition, ListCursor, LiveGeneration, Payload, ProjectionName, ReadModel, ReadModelError,
    StoredDocument, Target, is_lookup,
};
use futures::future::try_join_all;
use serde_json::Value;

use crate::batch::Stored;

/// A generation as one side of a comparison.
#[derive(Clone, Copy)]
pub(crate) struct Side<'a> {
    pub(crate) model: &'a dyn ReadModel,
    pub(crate) projection: &'a ProjectionName,
    pub(crate) generation: LiveGeneration,
    /// Documents that count in place of those of the generation: also those that are none.
    pub(crate) over: Option<&'a Stored>,
    /// Where the checkpoints of its partitions stand. A document beyond its partition's is not settled.
    pub(crate) stands: Option<&'a [GlobalPosition]>,
}

impl<'a> Side<'a> {
    pub(crate) const fn new(
        model: &'a dyn ReadModel,
        projection: &'a ProjectionName,
        generation: LiveGeneration,
    ) -> Self {
        Self { model, projection, generation, over: None, stands: None }
    }

    /// A page of what readers may see, which are no lookups; first what counts in place of documents, all of it.
    pub(crate) async fn list(&self, after: Option<&ListCursor>, limit: usize) -> Result<DocumentPage, ReadModelError> {
        let mut page = self.model.list(self.projection, self.generation.generation, after, limit).await?;
        let over = |key: &String| self.over.is_some_and(|over| over.contains_key(key));
        page.documents.retain(|(key, _)| !is_lookup(key) && !over(key));
        if let (Some(over), None) = (self.over, after) {
            let existing = over.iter().filter(|(key, one)| one.document.is_some() && !is_lookup(key));
            page.documents.extend(existing.map(|(key, one)| (key.clone(), one.clone())));
        }
        Ok(page)
    }

    /// The documents with these keys, as far as there are any.
    pub(crate) async fn load(&self, keys: Vec<String>) -> Result<HashMap<String, StoredDocument>, ReadModelError> {
        let mut found = HashMap::with_capacity(keys.len());
        let mut wanted: HashMap<u16, Vec<String>> = HashMap::new();
        for key in keys {
            match self.over.and_then(|over| over.get(&key)) {
                Some(over) => drop(found.insert(key, over.clone())),
                None => wanted.entry(self.generation.partitions.of(&key)).or_default().push(key),
            }
        }
        let loads = wanted.into_iter().map(|(partition, keys)| async move {
            let generation = self.generation.generation;
            let target = Target { projection: self.projection.clone(), generation, partition };
            let documents = self.model.load(&target, &keys).await?;
            Ok::<_, ReadModelError>(keys.into_iter().zip(documents).filter_map(|(key, one)| Some((key, one?))))
        });
        for documents in try_join_all(loads).await? {
            found.extend(documents);
        }
        Ok(found)
    }

    pub(super) fn is_settled(&self, key: &str, position: GlobalPosition) -> bool {
        let stands = self.stands.and_then(|stands| stands.get(usize::from(self.generation.partitions.of(key))));
        stands.is_none_or(|stands| position <= *stands)
    }

    pub(super) fn value(&self, document: Option<Payload>) -> Result<Option<Value>, ReadModelError> {
        let corrupt = |error: cqrs_core::CodecError| {
            let what = format!("a document of {} {}: {error}", self.projection, self.generation.generation);
            ReadModelError::Corrupt { what }
        };
        document.map(|document| document.decode().map_err(corrupt)).transpose()
    }
}
