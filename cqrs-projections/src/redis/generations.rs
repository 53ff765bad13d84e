//! The registry of a projection's generations: one hash, in a slot of its own.
//!
//! Its fields are `live` and `highest`, `generation:N` (`open` or `dropping`), `partitions:N` (their number) and perhaps
//! `note:N` for each generation that exists, and `partition:N:P` (empty) for each partition that was written.

use cqrs_core::{
    FencingToken, Generation, GlobalPosition, LiveGeneration, Partitions, ProjectionName, ReadModelError, Target,
};
use redis::{Script, cmd, pipe};

use super::RedisReadModel;
use super::connection::{Request, Times};
use super::key::PartitionKeys;
use super::script::{ADMIT, BEGIN, DROP, LIVE, OPEN, Reply, SWAP, number};

/// How many documents of a dropped generation are removed by one command: well under a millisecond, so that others do
/// not notice. The memory is given back by a thread of its own (`UNLINK`).
const REMOVE: usize = 500;

impl RedisReadModel {
    pub(super) async fn open_live(
        &self,
        projection: &ProjectionName,
        partitions: Partitions,
    ) -> Result<Generation, ReadModelError> {
        let mut script = OPEN.key(self.prefix.registry(projection));
        script.arg(partitions.get());
        let found: Vec<String> = self.connection.send(Request::Script(&script)).await?;
        let missing = || ReadModelError::Corrupt { what: "a script gave an unknown answer".to_owned() };
        live(&found)?.ok_or_else(missing)?.opened(partitions)
    }

    pub(super) async fn find_live(
        &self,
        projection: &ProjectionName,
    ) -> Result<Option<LiveGeneration>, ReadModelError> {
        let script = LIVE.key(self.prefix.registry(projection));
        let found: Vec<String> = self.connection.send(Request::Script(&script)).await?;
        live(&found)
    }

    /// One that is being dropped is listed until nothing is left of it: whoever cleans up finds it.
    pub(super) async fn list(&self, projection: &ProjectionName) -> Result<Vec<Generation>, ReadModelError> {
        let registry = self.prefix.registry(projection);
        let fields: Vec<String> = self.connection.send(Request::Command(cmd("HKEYS").arg(registry))).await?;
        let numbers = fields.iter().filter_map(|field| field.strip_prefix("generation:"));
        let mut all = numbers.map(generation).collect::<Result<Vec<_>, _>>()?;
        all.sort_unstable();
        Ok(all)
    }

    pub(super) async fn create(
        &self,
        projection: &ProjectionName,
        partitions: Partitions,
    ) -> Result<Generation, ReadModelError> {
        let mut script = BEGIN.key(self.prefix.registry(projection));
        script.arg(partitions.get());
        // Repeated, it would leave an empty generation behind.
        let created: String = self.connection.send_times(Request::Script(&script), Times::Once).await?;
        generation(&created)
    }

    pub(super) async fn make_live(&self, projection: &ProjectionName, to: Generation) -> Result<(), ReadModelError> {
        self.change(&SWAP, projection, to, None).await.map(drop)
    }

    /// Notes that the partition exists, which lets it be created; refused once its generation is being dropped.
    pub(super) async fn admit(&self, target: &Target) -> Result<(), ReadModelError> {
        self.change(&ADMIT, &target.projection, target.generation, Some(target.partition)).await.map(drop)
    }

    pub(super) async fn remove(&self, projection: &ProjectionName, of: Generation) -> Result<(), ReadModelError> {
        let partitions = match self.change(&DROP, projection, of, None).await {
            Err(ReadModelError::NotFound { .. }) => return Ok(()),
            partitions => partitions?,
        };
        let mut targets = Vec::with_capacity(partitions.len());
        for partition in &partitions {
            let partition = u16::try_from(number(partition)?)
                .map_err(|_| ReadModelError::Corrupt { what: format!("partition {partition}") })?;
            targets.push(Target { projection: projection.clone(), generation: of, partition });
        }
        // First no partition takes a batch any more, then the documents go.
        for target in &targets {
            self.close(&self.prefix.partition(target)).await?;
        }
        for target in &targets {
            self.remove_documents(&self.prefix.partition(target)).await?;
            self.remove_structures(&self.prefix.partition(target)).await?;
        }
        let mut forget = cmd("HDEL");
        forget.arg(self.prefix.registry(projection));
        forget.arg(format!("generation:{of}")).arg(format!("partitions:{of}")).arg(format!("note:{of}"));
        for partition in &partitions {
            forget.arg(format!("partition:{of}:{partition}"));
        }
        self.connection.send(Request::Command(&forget)).await
    }

    /// Leaves a mark in the place of the checkpoint, about 100 bytes for good: without it, a writer that was admitted
    /// before the drop and arrives after it would bring the partition back.
    async fn close(&self, keys: &PartitionKeys) -> Result<(), ReadModelError> {
        let mut close = pipe();
        close.cmd("HSET").arg(keys.checkpoint()).arg("dropped").arg("1").ignore();
        close.cmd("HDEL").arg(keys.checkpoint()).arg("token").arg("position").arg("checkpoint").ignore();
        self.connection.send(Request::Pipeline(&close)).await
    }

    /// Goes through the index of the partition. A `SCAN` would need no index, but goes through all keys of the server, and
    /// in a cluster has to find the node of the slot and start again when the slot moves. The index costs 64 bytes for each
    /// document, about 1 µs when it is new, and nothing when it changes.
    async fn remove_documents(&self, keys: &PartitionKeys) -> Result<(), ReadModelError> {
        let each = |found: &[String]| found.iter().flat_map(|key| [keys.document(key), keys.hash(key)]).collect();
        self.remove_all(&keys.index(), ("SSCAN", "SREM"), 1, each).await
    }

    /// The mark keeps `derives` until nothing that was derived is left.
    async fn remove_structures(&self, keys: &PartitionKeys) -> Result<(), ReadModelError> {
        let checkpoint = keys.checkpoint();
        let derives: Option<String> =
            self.connection.send(Request::Command(cmd("HGET").arg(&checkpoint).arg("derives"))).await?;
        if derives.is_none() {
            return Ok(());
        }
        let each = |found: &[String]| found.iter().flat_map(|name| [keys.structure(name), keys.shared(name)]).collect();
        self.remove_all(&keys.structures(), ("ZSCAN", "ZREM"), 2, each).await?;
        let _: u64 = self.connection.send(Request::Command(cmd("UNLINK").arg(keys.derived()))).await?;
        self.connection.send(Request::Command(cmd("HDEL").arg(&checkpoint).arg("derives"))).await
    }

    /// Removes the keys that belong to each name of an index, and then the name, until the index is empty: the cursor of a scan means
    /// nothing to the node that the slot moves to meanwhile, and names may be left out. A scan gives so many texts for each name.
    async fn remove_all(
        &self,
        index: &str,
        (scan, remove): (&str, &str),
        texts: usize,
        keys: impl Fn(&[String]) -> Vec<String> + Send + Sync,
    ) -> Result<(), ReadModelError> {
        let mut cursor = String::from("0");
        loop {
            let mut scan = cmd(scan);
            scan.arg(index).arg(&cursor).arg("COUNT").arg(REMOVE);
            let (next, found): (String, Vec<String>) = self.connection.send(Request::Command(&scan)).await?;
            let names: Vec<String> = found.into_iter().step_by(texts).collect();
            for chunk in names.chunks(REMOVE) {
                let _: u64 = self.connection.send(Request::Command(cmd("UNLINK").arg(keys(chunk)))).await?;
                let _: u64 = self.connection.send(Request::Command(cmd(remove).arg(index).arg(chunk))).await?;
            }
            cursor = next;
            if cursor == "0" {
                let kind: String = self.connection.send(Request::Command(cmd("TYPE").arg(index))).await?;
                if kind == "none" {
                    return Ok(());
                }
            }
        }
    }

    /// Runs a script of the registry that answers with a [`Reply`].
    async fn change(
        &self,
        script: &Script,
        projection: &ProjectionName,
        generation: Generation,
        partition: Option<u16>,
    ) -> Result<Vec<String>, ReadModelError> {
        let mut script = script.key(self.prefix.registry(projection));
        script.arg(generation.get());
        if let Some(partition) = partition {
            script.arg(partition);
        }
        let words: Vec<String> = self.connection.send(Request::Script(&script)).await?;
        match Reply::try_from(words)? {
            Reply::Ok(more) => Ok(more),
            refused => Err(refused.refusal(generation, FencingToken::new(1), GlobalPosition::START)),
        }
    }
}

fn live(found: &[String]) -> Result<Option<LiveGeneration>, ReadModelError> {
    let [live, count] = found else {
        return Ok(None);
    };
    let partitions = u16::try_from(number(count)?).ok().and_then(|count| Partitions::new(count).ok());
    let corrupt = || ReadModelError::Corrupt { what: format!("generation {live} with {count} partitions") };
    Ok(Some(LiveGeneration { generation: generation(live)?, partitions: partitions.ok_or_else(corrupt)? }))
}

fn generation(text: &str) -> Result<Generation, ReadModelError> {
    let number = u32::try_from(number(text)?).ok().filter(|number| *number > 0);
    number.map(Generation::new).ok_or_else(|| ReadModelError::Corrupt { what: format!("generation {text}") })
}
