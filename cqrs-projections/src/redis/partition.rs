//! One partition: its checkpoint and its documents, in one slot and written by one script.

use cqrs_core::{
    Batch, Checkpoint, Failure, FencingToken, GlobalPosition, ReadModelError, StoredDocument, Target, is_lookup,
};
use redis::{ScriptInvocation, cmd};

use super::RedisReadModel;
use super::connection::{Request, Times};
use super::derived::{Derivation, RedisDerived};
use super::document::{self, MAX_BYTES};
use super::script::{APPLY, FENCE, Reply, number};

/// The most documents in a batch. Redis 6 takes a request of at most 2^20 parts, and a document has five.
const MAX_DOCUMENTS: usize = 200_000;

impl RedisReadModel {
    pub(super) async fn take_over(
        &self,
        target: &Target,
        token: FencingToken,
    ) -> Result<Option<Checkpoint>, ReadModelError> {
        let keys = self.prefix.partition(target);
        let script = |admitted: bool| {
            let mut script = FENCE.key(keys.checkpoint());
            script.arg(u8::from(admitted)).arg(token.get());
            script
        };
        // Repeated after a lost answer it would refuse its own token.
        match self.admitting(target, Times::Once, script).await? {
            Reply::Ok(words) => words.first().filter(|json| !json.is_empty()).map(|json| checkpoint(json)).transpose(),
            refused => Err(refused.refusal(target.generation, token, GlobalPosition::START)),
        }
    }

    pub(super) async fn find_checkpoint(
        &self,
        target: &Target,
    ) -> Result<(Option<FencingToken>, Option<Checkpoint>), ReadModelError> {
        let key = self.prefix.partition(target).checkpoint();
        let (token, stored): (Option<String>, Option<String>) =
            self.connection.send(Request::Command(cmd("HMGET").arg(key).arg("token").arg("checkpoint"))).await?;
        let token = token.as_deref().map(number).transpose()?.map(FencingToken::new);
        Ok((token, stored.as_deref().map(checkpoint).transpose()?))
    }

    /// A key that holds another type reads as no document here (`MGET`); writing it is refused.
    pub(super) async fn find(
        &self,
        target: &Target,
        keys: &[String],
    ) -> Result<Vec<Option<StoredDocument>>, ReadModelError> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let names = self.prefix.partition(target);
        let mut get = cmd("MGET");
        for key in keys {
            get.arg(names.document(key));
        }
        let found: Vec<Option<Vec<u8>>> = self.connection.send(Request::Command(&get)).await?;
        let decode = |(stored, key): (Option<Vec<u8>>, &String)| stored.map(|s| document::decode(s, key)).transpose();
        found.into_iter().zip(keys).map(decode).collect()
    }

    pub(super) async fn write(&self, target: &Target, batch: Batch) -> Result<(), ReadModelError> {
        check(&batch)?;
        let derived = self.derived(&batch)?;
        let json = serde_json::to_string(&batch.checkpoint).map_err(permanent)?;
        let names = self.prefix.partition(target);
        let script = |admitted: bool| {
            let mut script = APPLY.key(names.checkpoint());
            script.key(names.index());
            script.arg(u8::from(admitted)).arg(batch.checkpoint.token.get());
            script.arg(batch.from.get()).arg(batch.checkpoint.position.get()).arg(&json);
            script.arg(names.tag()).arg(u8::from(derived.is_some()));
            for (at, write) in batch.documents.iter().enumerate() {
                script.key(names.document(&write.key));
                script.arg(&write.key).arg(document::encode(write.document.as_ref(), write.position));
                if let Some(derived) = &derived {
                    script.arg(&derived[at].contributions).arg(&derived[at].hash);
                }
            }
            script
        };
        match self.admitting(target, Times::Repeatable, script).await? {
            Reply::Ok(_) => Ok(()),
            refused => Err(refused.refusal(target.generation, batch.checkpoint.token, batch.from)),
        }
    }

    /// What each document of the batch contributes, where anything is derived at all.
    fn derived(&self, batch: &Batch) -> Result<Option<Vec<Derivation>>, ReadModelError> {
        if self.derive.is_empty() {
            return Ok(None);
        }
        let mut bytes = 0;
        let mut all = Vec::with_capacity(batch.documents.len());
        for write in &batch.documents {
            let mut derivation = Derivation::default();
            if let Some(document) = write.document.as_ref().filter(|_| !is_lookup(&write.key)) {
                let derived = RedisDerived::of(&self.derive, &write.key, document)
                    .map_err(|reason| ReadModelError::Rejected { key: write.key.clone(), reason })?;
                if let Some(policy) = self.drops_early.as_deref().filter(|_| derived.ends()) {
                    let what = format!("structures that end may be dropped before: maxmemory-policy is {policy}");
                    return Err(ReadModelError::Mismatch { what });
                }
                derivation = derived.encode();
            }
            bytes += derivation.contributions.len() + derivation.hash.len();
            all.push(derivation);
        }
        match bytes > MAX_BYTES {
            true => Err(permanent(format!("{bytes} bytes are derived from a batch, which is too much: cut it"))),
            false => Ok(Some(all)),
        }
    }

    /// Runs a script on a partition. The first time ever it finds nothing there: only then the registry is asked, which
    /// lies in another slot, and the script runs again with leave to create the partition.
    async fn admitting(
        &self,
        target: &Target,
        times: Times,
        script: impl Fn(bool) -> ScriptInvocation<'static> + Send,
    ) -> Result<Reply, ReadModelError> {
        let reply = self.reply(script(false), times).await?;
        if reply != Reply::Unknown {
            return Ok(reply);
        }
        self.admit(target).await?;
        self.reply(script(true), times).await
    }

    async fn reply(&self, script: ScriptInvocation<'static>, times: Times) -> Result<Reply, ReadModelError> {
        let words: Vec<String> = self.connection.send_times(Request::Script(&script), times).await?;
        words.try_into()
    }
}

/// Refuses what Redis would only find out after it has been sent, by closing the connection.
fn check(batch: &Batch) -> Result<(), ReadModelError> {
    if batch.checkpoint.position < batch.from {
        return Err(permanent(format!("the batch goes back from {} to {}", batch.from, batch.checkpoint.position)));
    }
    let mut bytes = 0;
    for write in &batch.documents {
        document::check(write)?;
        bytes += write.key.len() + write.document.as_ref().map_or(0, cqrs_core::Payload::len);
    }
    if batch.documents.len() > MAX_DOCUMENTS || bytes > MAX_BYTES {
        let documents = batch.documents.len();
        return Err(permanent(format!("a batch of {documents} documents and {bytes} bytes is too large: cut it")));
    }
    Ok(())
}

fn checkpoint(json: &str) -> Result<Checkpoint, ReadModelError> {
    serde_json::from_str(json).map_err(|error| ReadModelError::Corrupt { what: format!("checkpoint: {error}") })
}

fn permanent(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> ReadModelError {
    ReadModelError::Permanent(Failure::new(error))
}
