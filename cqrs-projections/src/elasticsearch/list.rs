//! All documents of a generation, as they are at one moment; and the note that is kept with it.

use cqrs_core::{
    DocumentPage, Generation, GlobalPosition, ListCursor, Payload, ProjectionName, ReadModelError, StoredDocument,
};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::ElasticReadModel;
use super::client::Answer;
use super::mapping::REMOVED;

/// How long the server keeps the moment in mind between two pages.
const KEEP: &str = "5m";

/// What one request may ask for, unless an index allows more.
const MOST: usize = 10_000;

#[derive(Serialize, Deserialize)]
struct Place {
    pit: String,
    after: Option<Value>,
}

#[derive(Deserialize)]
struct Body<'a> {
    pit_id: String,
    #[serde(borrow)]
    hits: Hits<'a>,
}

#[derive(Deserialize)]
struct Hits<'a> {
    #[serde(borrow)]
    hits: Vec<Hit<'a>>,
}

#[derive(Deserialize)]
struct Hit<'a> {
    #[serde(rename = "_id")]
    id: String,
    #[serde(rename = "_version")]
    version: u64,
    #[serde(rename = "_source", borrow)]
    source: &'a RawValue,
    sort: Value,
}

impl ElasticReadModel {
    /// All pages show the generation as it was when the first was asked for: a point in time.
    pub(super) async fn list_documents(
        &self,
        projection: &ProjectionName,
        generation: Generation,
        after: Option<&ListCursor>,
        limit: usize,
    ) -> Result<DocumentPage, ReadModelError> {
        let at = |answer: Answer| if answer.is_ok() { Ok(answer) } else { Err(answer.error().at(generation)) };
        let place = match after {
            Some(cursor) => serde_json::from_str(cursor.as_str()).map_err(|_| ReadModelError::Corrupt {
                what: "a cursor that this read model did not make".to_owned(),
            })?,
            None => Place { pit: self.point_in_time(projection, generation).await?, after: None },
        };
        let limit = limit.clamp(1, MOST);
        let mut body = json!({
            "pit": { "id": place.pit, "keep_alive": KEEP },
            "query": { "bool": { "must_not": { "term": { REMOVED: true } } } },
            "sort": ["_shard_doc"], "size": limit, "version": true, "track_total_hits": false,
        });
        if let Some(after) = place.after {
            body["search_after"] = after;
        }
        let answer = at(self.client.post("_search", &[("allow_partial_search_results", "false")], &body).await?)?;
        let Body { pit_id, hits: Hits { hits } } = answer.json::<Body<'_>>()?;
        let next = hits.last().filter(|_| hits.len() == limit).map(|last| last.sort.clone());
        let next = match next {
            Some(after) => {
                let place = serde_json::to_string(&Place { pit: pit_id, after: Some(after) });
                Some(ListCursor::new(place.map_err(|error| ReadModelError::Corrupt { what: error.to_string() })?))
            }
            None => {
                // Otherwise the server forgets it by itself.
                let _ = self.client.delete("_pit", &json!({ "id": pit_id })).await;
                None
            }
        };
        let document = |hit: Hit<'_>| {
            let document = Some(Payload::from_bytes(hit.source.get().as_bytes().to_vec()));
            (hit.id, StoredDocument { document, position: GlobalPosition::new(hit.version) })
        };
        Ok(DocumentPage { documents: hits.into_iter().map(document).collect(), next })
    }

    /// The present, once everything that is stored can be searched.
    async fn point_in_time(
        &self,
        projection: &ProjectionName,
        generation: Generation,
    ) -> Result<String, ReadModelError> {
        #[derive(Deserialize)]
        struct Opened {
            id: String,
        }
        let index = self.names.write(projection, generation);
        for path in [format!("{index}/_refresh"), format!("{index}/_pit?keep_alive={KEEP}")] {
            let answer = self.client.post_nothing(&path).await?;
            if !answer.is_ok() {
                return Err(answer.error().at(generation));
            }
            if let Ok(Opened { id }) = answer.json() {
                return Ok(id);
            }
        }
        Err(ReadModelError::Corrupt { what: "a point in time without an id".to_owned() })
    }

    pub(super) async fn keep_note(
        &self,
        projection: &ProjectionName,
        generation: Generation,
        note: &str,
    ) -> Result<(), ReadModelError> {
        let existing = self.existing(projection).await?;
        let partitions = existing.all.get(&generation).ok_or(ReadModelError::NotFound { generation })?;
        let meta = json!({ "_meta": { "partitions": partitions.get(), "note": note } });
        let path = format!("{}/_mapping", self.names.write(projection, generation));
        let answer = self.client.put(&path, &[], &meta).await?;
        if answer.is_ok() { Ok(()) } else { Err(answer.error().at(generation)) }
    }

    pub(super) async fn find_note(
        &self,
        projection: &ProjectionName,
        generation: Generation,
    ) -> Result<Option<String>, ReadModelError> {
        Ok(self.existing(projection).await?.notes.remove(&generation))
    }
}
