//! Checkpoints, tokens and generation numbers: small documents that are changed by comparing and setting.

use cqrs_core::{Checkpoint, FencingToken, Generation, ProjectionName, ReadModelError, Target};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::client::Client;
use super::error::{self, Decision};
use super::generations::{Existing, TRIES};
use super::names::Names;

/// What is kept of a target.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(super) struct Stored {
    pub(super) token: Option<FencingToken>,
    pub(super) checkpoint: Option<Checkpoint>,
}

/// What is kept of a projection.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
struct Numbers {
    /// The highest generation that ever began.
    highest: u32,
    /// The one that openers create together.
    opening: Option<u32>,
}

/// Which writing of a document was read; `None` when there was no document.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seen(Option<(u64, u64)>);

#[derive(Debug)]
pub(super) struct Checkpoints<'a> {
    client: &'a Client,
    names: &'a Names,
}

#[derive(Deserialize)]
struct Found {
    #[serde(rename = "_seq_no")]
    seq_no: Option<u64>,
    #[serde(rename = "_primary_term")]
    primary_term: Option<u64>,
    #[serde(rename = "_source")]
    source: Option<Value>,
    error: Option<Value>,
}

impl Found {
    fn content<T: DeserializeOwned + Default>(self, id: &str) -> Result<(T, Seen), ReadModelError> {
        let (Some(seq_no), Some(primary_term), Some(mut source)) = (self.seq_no, self.primary_term, self.source) else {
            return Ok((T::default(), Seen(None)));
        };
        let content = serde_json::from_value(source.get_mut("content").map(Value::take).unwrap_or_default())
            .map_err(|error| ReadModelError::Corrupt { what: format!("the checkpoint document {id}: {error}") })?;
        Ok((content, Seen(Some((seq_no, primary_term)))))
    }

    fn refusal(&self, of: &str) -> Option<error::ServerError> {
        self.error.as_ref().map(|refused| error::ServerError::of_get(of, refused))
    }
}

/// What the checkpoint documents of a generation have in common, to be found when it is dropped.
fn group(projection: &ProjectionName, generation: Generation) -> String {
    format!("{projection}:{generation}")
}

impl<'a> Checkpoints<'a> {
    pub(super) const fn new(client: &'a Client, names: &'a Names) -> Self {
        Self { client, names }
    }

    /// Creates the index, unless it is there, which it tells.
    pub(super) async fn create(&self) -> Result<bool, ReadModelError> {
        let index = self.names.checkpoints_index();
        if self.client.get(&format!("_alias/{}", self.names.checkpoints())).await?.is_ok() {
            return Ok(true);
        }
        let body = json!({
            "settings": { "number_of_shards": 1, "auto_expand_replicas": "0-1" },
            "mappings": {
                "dynamic": "strict",
                "properties": { "group": { "type": "keyword" }, "content": { "type": "object", "enabled": false } },
            },
            "aliases": { self.names.checkpoints(): {} },
        });
        let answer = self.client.put(&index, &[], &body).await?;
        if answer.is_ok() {
            return Ok(false);
        }
        let refused = answer.error();
        if refused.already_exists() { Ok(true) } else { Err(refused.into()) }
    }

    /// Token and checkpoint of a target whose generation exists.
    pub(super) async fn read(&self, target: &Target) -> Result<(Stored, Seen), ReadModelError> {
        let id = target.to_string();
        let write = self.names.write(&target.projection, target.generation);
        let (checkpoint, generation) = self.get_beside(&id, &write).await?;
        if let Some(refused) = generation.refusal(&write) {
            return Err(refused.at(target.generation));
        }
        checkpoint.content(&id)
    }

    /// A document of this index, and whether an alias exists, in one round trip: a document that cannot be is asked for.
    async fn get_beside(&self, id: &str, alias: &str) -> Result<(Found, Found), ReadModelError> {
        #[derive(Deserialize)]
        struct Docs {
            docs: [Found; 2],
        }
        let body = json!({ "docs": [
            { "_index": self.names.checkpoints(), "_id": id },
            { "_index": alias, "_id": "-", "_source": false },
        ] });
        let answer = self.client.post("_mget", &[], &body).await?.ok()?;
        let [checkpoint, generation] = answer.json::<Docs>()?.docs;
        // Without the index, nothing is kept.
        match checkpoint.refusal(&self.names.checkpoints()) {
            Some(refused) if refused.decision() != Decision::Missing => Err(refused.into()),
            _ => Ok((checkpoint, generation)),
        }
    }

    /// Replaces what was seen; `false` when another one wrote meanwhile.
    pub(super) async fn replace(&self, target: &Target, seen: Seen, stored: Stored) -> Result<bool, ReadModelError> {
        let group = group(&target.projection, target.generation);
        self.set(&target.to_string(), &group, seen, &stored).await
    }

    async fn set<T: Serialize + Sync>(
        &self,
        id: &str,
        group: &str,
        seen: Seen,
        content: &T,
    ) -> Result<bool, ReadModelError> {
        let condition = match seen.0 {
            None => "op_type=create".to_owned(),
            Some((seq_no, primary_term)) => format!("if_seq_no={seq_no}&if_primary_term={primary_term}"),
        };
        let path = format!("{}/_doc/{id}?require_alias=true&{condition}", self.names.checkpoints());
        let answer = self.client.put(&path, &[], &json!({ "group": group, "content": content })).await?;
        if answer.is_ok() {
            return Ok(true);
        }
        let refused = answer.error();
        if refused.decision() == Decision::Conflict { Ok(false) } else { Err(refused.into()) }
    }

    pub(super) async fn fence(
        &self,
        target: &Target,
        token: FencingToken,
    ) -> Result<Option<Checkpoint>, ReadModelError> {
        for _ in 0..TRIES {
            let (stored, seen) = self.read(target).await?;
            if let Some(stored) = stored.token.filter(|stored| *stored >= token) {
                return Err(ReadModelError::Fenced { stored, offered: token });
            }
            if self.replace(target, seen, Stored { token: Some(token), ..stored }).await? {
                return Ok(stored.checkpoint);
            }
        }
        Err(error::contended("the checkpoint"))
    }

    /// A number for the first generation, the same for all who ask until it exists.
    pub(super) async fn number_to_open(
        &self,
        projection: &ProjectionName,
        existing: &Existing,
    ) -> Result<Generation, ReadModelError> {
        self.draw(projection, existing, true).await
    }

    /// A number that was never used.
    pub(super) async fn next_number(
        &self,
        projection: &ProjectionName,
        existing: &Existing,
    ) -> Result<Generation, ReadModelError> {
        self.draw(projection, existing, false).await
    }

    async fn draw(
        &self,
        projection: &ProjectionName,
        existing: &Existing,
        open: bool,
    ) -> Result<Generation, ReadModelError> {
        // A write waits for an index that was just created, a read does not: the first try takes it that there is nothing.
        let (mut numbers, mut seen) = (Numbers::default(), Seen(None));
        for _ in 0..TRIES {
            if let Some(opening) =
                numbers.opening.map(Generation::new).filter(|number| !existing.all.contains_key(number))
                && open
            {
                return Ok(opening);
            }
            // Indices count, too, should this index have been lost.
            let used = existing.all.last_key_value().map_or(0, |(last, _)| last.get()).max(numbers.highest);
            let highest = used.saturating_add(1);
            let opening = if open { Some(highest) } else { numbers.opening };
            if self.set(projection.as_str(), projection.as_str(), seen, &Numbers { highest, opening }).await? {
                return Ok(Generation::new(highest));
            }
            (numbers, seen) = self.numbers(projection).await?;
        }
        Err(error::contended("the generation number"))
    }

    /// Takes note that the first generation is there: should it be lost, the next one gets another number, and not the
    /// checkpoints of the one that was lost.
    pub(super) async fn opened(&self, projection: &ProjectionName) -> Result<(), ReadModelError> {
        for _ in 0..TRIES {
            let (numbers, seen) = self.numbers(projection).await?;
            let next = Numbers { opening: None, ..numbers };
            let id = projection.as_str();
            if numbers.opening.is_none() || self.set(id, id, seen, &next).await? {
                return Ok(());
            }
        }
        Err(error::contended("the generation number"))
    }

    async fn numbers(&self, projection: &ProjectionName) -> Result<(Numbers, Seen), ReadModelError> {
        let answer = self.client.get(&format!("{}/_doc/{projection}", self.names.checkpoints())).await?;
        // The document may be missing, the index may not.
        let missing = answer.status == 404 && answer.json::<Found>()?.error.is_none();
        let answer = if missing { answer } else { answer.ok()? };
        answer.json::<Found>()?.content(projection.as_str())
    }

    /// Deletes the checkpoints of a generation that has no index.
    pub(super) async fn forget(
        &self,
        projection: &ProjectionName,
        generation: Generation,
    ) -> Result<(), ReadModelError> {
        #[derive(Deserialize)]
        struct Ids {
            hits: Hits,
        }
        #[derive(Deserialize)]
        struct Hits {
            hits: Vec<Id>,
        }
        #[derive(Deserialize)]
        struct Id {
            #[serde(rename = "_id")]
            id: String,
        }
        let alias = self.names.checkpoints();
        let body = json!({
            "query": { "term": { "group": group(projection, generation) } },
            "size": 1000, "_source": false,
        });
        self.client.post_nothing(&format!("{alias}/_refresh?ignore_unavailable=true")).await?.ok()?;
        loop {
            let path = format!("{alias}/_search?ignore_unavailable=true&allow_partial_search_results=false");
            let found = self.client.post(&path, &[], &body).await?.ok()?.json::<Ids>()?.hits.hits;
            if found.is_empty() {
                return Ok(());
            }
            let lines: String =
                found.iter().map(|hit| format!("{}\n", json!({ "delete": { "_id": hit.id } }))).collect();
            let query = [("require_alias", "true"), ("refresh", "true")];
            let answer = self.client.post_lines(&format!("{alias}/_bulk"), &query, &lines).await?.ok()?;
            let answer = answer.json::<Value>()?;
            if answer["errors"] == true {
                return Err(error::contended("the checkpoint"));
            }
        }
    }
}
