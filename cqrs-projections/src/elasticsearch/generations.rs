//! Generations: their indices and the readers' alias.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use cqrs_core::{Generation, LiveGeneration, Partitions, ProjectionName, ReadModelError};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Value, json};

use super::ElasticReadModel;
use super::error::{self, Decision, ServerError};
use super::mapping::{self, REMOVED};

/// How often something is tried again because another one was faster.
pub(super) const TRIES: usize = 16;

/// The generations that have an index, with their partitions and their notes.
#[derive(Debug, Default)]
pub(super) struct Existing {
    pub(super) all: BTreeMap<Generation, Partitions>,
    pub(super) notes: BTreeMap<Generation, String>,
    live: Option<Generation>,
}

impl Existing {
    pub(super) fn live(&self) -> Option<LiveGeneration> {
        let generation = self.live?;
        self.all.get(&generation).map(|&partitions| LiveGeneration { generation, partitions })
    }
}

#[derive(Deserialize)]
struct Index {
    #[serde(default)]
    aliases: HashMap<String, IgnoredAny>,
    #[serde(default)]
    mappings: Mappings,
}

#[derive(Default, Deserialize)]
struct Mappings {
    #[serde(rename = "_meta", default)]
    meta: Meta,
}

#[derive(Default, Deserialize)]
struct Meta {
    /// Missing where the generation began before there could be several.
    partitions: Option<u16>,
    note: Option<String>,
}

/// What the alias of readers is: on one index only, and without tombstones.
fn readers() -> Value {
    json!({ "is_write_index": true, "filter": { "bool": { "must_not": { "term": { REMOVED: true } } } } })
}

impl ElasticReadModel {
    pub(super) async fn existing(&self, projection: &ProjectionName) -> Result<Existing, ReadModelError> {
        let wanted = "filter_path=*.aliases,*.mappings._meta";
        let answer = self.client.get(&format!("{}?{wanted}", self.names.pattern(projection))).await?.ok()?;
        let readers = self.names.live(projection);
        let mut existing = Existing::default();
        for (name, index) in answer.json::<HashMap<String, Index>>()? {
            let Some(generation) = self.names.generation(projection, &name) else { continue };
            let partitions = Partitions::new(index.mappings.meta.partitions.unwrap_or(1));
            let partitions =
                partitions.map_err(|error| ReadModelError::Corrupt { what: format!("{name}: {error}") })?;
            existing.all.insert(generation, partitions);
            existing.notes.extend(index.mappings.meta.note.map(|note| (generation, note)));
            if index.aliases.contains_key(&readers)
                && let Some(other) = existing.live.replace(generation)
            {
                let what = format!("the alias {readers} is on the generations {generation} and {other}");
                return Err(ReadModelError::Corrupt { what });
            }
        }
        Ok(existing)
    }

    pub(super) async fn open_generation(
        &self,
        projection: &ProjectionName,
        partitions: Partitions,
    ) -> Result<Generation, ReadModelError> {
        let mut kept = self.checkpoints().create().await?;
        for _ in 0..TRIES {
            let existing = self.existing(projection).await?;
            if let Some(live) = existing.live() {
                let live = live.opened(partitions)?;
                self.check_mapping(projection, live).await?;
                self.await_shards(projection, live).await?;
                if kept {
                    self.checkpoints().opened(projection).await?;
                }
                return Ok(live);
            }
            // All that open it at the same time take the same number; creating the index together with the alias is what
            // one of them does.
            let first = self.checkpoints().number_to_open(projection, &existing).await?;
            kept = true;
            self.create_index(projection, first, partitions, true).await?;
        }
        Err(error::contended("the live generation"))
    }

    pub(super) async fn begin_generation(
        &self,
        projection: &ProjectionName,
        partitions: Partitions,
    ) -> Result<Generation, ReadModelError> {
        self.checkpoints().create().await?;
        let existing = self.existing(projection).await?;
        let generation = self.checkpoints().next_number(projection, &existing).await?;
        self.create_index(projection, generation, partitions, false).await?;
        Ok(generation)
    }

    /// Creates an index. One that another opener created first, or that became live first, is for the caller to find.
    async fn create_index(
        &self,
        projection: &ProjectionName,
        generation: Generation,
        partitions: Partitions,
        live: bool,
    ) -> Result<(), ReadModelError> {
        let mut aliases = json!({ self.names.write(projection, generation): {} });
        if live {
            aliases[self.names.live(projection)] = readers();
        }
        let body = self.mapping.body(aliases, partitions)?;
        let answer = self.client.put(&self.names.index(projection, generation), &[], &body).await?;
        if answer.is_ok() {
            return Ok(());
        }
        let refused = answer.error();
        if live && (refused.already_exists() || refused.other_is_live()) { Ok(()) } else { Err(refused.into()) }
    }

    pub(super) async fn check_mapping(
        &self,
        projection: &ProjectionName,
        generation: Generation,
    ) -> Result<(), ReadModelError> {
        let index = self.names.index(projection, generation);
        let answer = self.client.get(&index).await?;
        if !answer.is_ok() {
            return Err(answer.error().at(generation));
        }
        let found = answer.json::<Value>()?;
        mapping::check(&self.mapping, &found[&index])
            .map_err(|differs| ReadModelError::Mismatch { what: format!("{index}: {differs}") })
    }

    /// Waits until an index that another opener has just created can be read.
    async fn await_shards(&self, projection: &ProjectionName, generation: Generation) -> Result<(), ReadModelError> {
        let index = self.names.index(projection, generation);
        let until = Instant::now() + self.client.timeout();
        loop {
            let Some(refused) = self.search_nothing(&index).await? else { return Ok(()) };
            if refused.decision() != Decision::Transient || Instant::now() >= until {
                return Err(refused.at(generation));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Why the shards of an index or alias cannot be searched, if so.
    async fn search_nothing(&self, name: &str) -> Result<Option<ServerError>, ReadModelError> {
        let path = format!("{name}/_search?allow_partial_search_results=false");
        let answer = self.client.post(&path, &[], &json!({ "size": 0, "terminate_after": 1 })).await?;
        Ok((!answer.is_ok()).then(|| answer.error()))
    }

    pub(super) async fn refresh_live(&self, projection: &ProjectionName) -> Result<(), ReadModelError> {
        let readers = self.names.live(projection);
        for _ in 0..TRIES {
            let answer = self.client.post_nothing(&format!("{readers}/_refresh")).await?;
            let refused = match answer.is_ok() {
                // It says nothing of shards that are away.
                true => self.search_nothing(&readers).await?,
                false => Some(answer.error()),
            };
            match refused {
                // It was dropped beneath the request: another one is live.
                Some(refused) if refused.decision() == Decision::Missing && !refused.is_missing(&readers) => {}
                Some(refused) if !refused.is_missing(&readers) => return Err(refused.into()),
                _ => return Ok(()),
            }
        }
        Err(error::contended("the live generation"))
    }

    pub(super) async fn swap_generation(
        &self,
        projection: &ProjectionName,
        to: Generation,
    ) -> Result<(), ReadModelError> {
        for _ in 0..TRIES {
            let existing = self.existing(projection).await?;
            if existing.live == Some(to) {
                return Ok(());
            }
            if !existing.all.contains_key(&to) {
                return Err(ReadModelError::NotFound { generation: to });
            }
            // Searches must not find less than before.
            let refreshed = self.client.post_nothing(&format!("{}/_refresh", self.names.index(projection, to))).await?;
            if !refreshed.is_ok() && refreshed.error().decision() != Decision::Missing {
                return Err(refreshed.error().into());
            }
            let mut actions = Vec::new();
            if let Some(live) = existing.live {
                actions.push(self.detach(projection, live));
            }
            actions.push(self.attach(projection, to));
            if self.change_aliases(actions).await? {
                return Ok(());
            }
        }
        Err(error::contended("the live generation"))
    }

    pub(super) async fn remove_generation(
        &self,
        projection: &ProjectionName,
        generation: Generation,
    ) -> Result<(), ReadModelError> {
        for _ in 0..TRIES {
            let existing = self.existing(projection).await?;
            if existing.live == Some(generation) {
                return Err(ReadModelError::Live { generation });
            }
            if !existing.all.contains_key(&generation) {
                return self.checkpoints().forget(projection, generation).await;
            }
            let mut actions = vec![json!({ "remove_index": { "index": self.names.index(projection, generation) } })];
            // Taken off and put on again at the same moment: fails when the live generation is another one by now.
            if let Some(live) = existing.live {
                actions.push(self.detach(projection, live));
                actions.push(self.attach(projection, live));
            }
            if self.change_aliases(actions).await? {
                return self.checkpoints().forget(projection, generation).await;
            }
        }
        Err(error::contended("the live generation"))
    }

    fn detach(&self, projection: &ProjectionName, generation: Generation) -> Value {
        let index = self.names.index(projection, generation);
        json!({ "remove": { "index": index, "alias": self.names.live(projection), "must_exist": true } })
    }

    fn attach(&self, projection: &ProjectionName, generation: Generation) -> Value {
        let mut add = readers();
        add["index"] = json!(self.names.index(projection, generation));
        add["alias"] = json!(self.names.live(projection));
        json!({ "add": add })
    }

    /// All actions at once, or none and `false` when indices or aliases are not as they were.
    async fn change_aliases(&self, actions: Vec<Value>) -> Result<bool, ReadModelError> {
        let answer = self.client.post("_aliases", &[], &json!({ "actions": actions })).await?;
        if answer.is_ok() {
            return Ok(true);
        }
        let refused = answer.error();
        if refused.decision() == Decision::Missing || refused.other_is_live() { Ok(false) } else { Err(refused.into()) }
    }
}
