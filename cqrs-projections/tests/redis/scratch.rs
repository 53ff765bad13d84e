//! A corner of the server for one test: its own prefix, emptied at the end.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use cqrs_core::{
    Batch, Checkpoint, DocumentWrite, EventId, FencingToken, Generation, GlobalPosition, Partitions, Payload,
    ProjectionName, ReadModel, StoreId, StoredDocument, Target,
};
use cqrs_projections::RedisReadModel;
use redis::{Commands, Connection, FromRedisValue, RedisResult, ScanOptions};
use uuid::Uuid;

pub fn url() -> String {
    std::env::var("REDIS_URL").unwrap_or_else(|_| panic!("REDIS_URL is not set: run tests/run"))
}

/// Deletes all keys of its prefix, and a user of this name, when it goes: also when the test failed.
pub struct Scratch {
    url: String,
    pub prefix: String,
}

impl Scratch {
    pub fn new() -> Self {
        Self { url: url(), prefix: format!("test-{}", Uuid::now_v7()) }
    }

    pub async fn model(&self) -> RedisReadModel {
        RedisReadModel::connect(&self.url).prefix(&self.prefix).await.unwrap()
    }

    /// Runs one command as it stands.
    pub fn plain<T: FromRedisValue>(&self, words: &[&str]) -> T {
        let mut command = redis::Cmd::new();
        for word in words {
            command.arg(word);
        }
        command.query(&mut self.connect().unwrap()).unwrap()
    }

    /// Runs one command beside the read model, such as `LPUSH {summary:1:0}:doc:a 1`, on a key of this corner.
    pub fn command<T: FromRedisValue>(&self, words: &[&str]) -> T {
        let words: Vec<_> = words.iter().map(|word| word.replace('{', &format!("{{{}:", self.prefix))).collect();
        self.plain(&words.iter().map(String::as_str).collect::<Vec<_>>())
    }

    fn connect(&self) -> RedisResult<Connection> {
        redis::Client::open(self.url.as_str())?.get_connection()
    }

    fn keys(&self, connection: &mut Connection) -> RedisResult<Vec<String>> {
        self.scan(connection, "{")
    }

    /// Deletes all keys of this corner, as `FLUSHDB` deletes those of all.
    pub fn flush(&self) {
        let mut connection = self.connect().unwrap();
        let keys = self.keys(&mut connection).unwrap();
        let _: u64 = connection.unlink(keys).unwrap();
    }

    fn scan(&self, connection: &mut Connection, before: &str) -> RedisResult<Vec<String>> {
        let mine = ScanOptions::default().with_pattern(format!("{before}{}:*", self.prefix)).with_count(1_000);
        connection.scan_options(mine)?.collect()
    }

    /// Waits until the keys are so.
    pub async fn until(&self, what: &str, condition: impl Fn(&BTreeMap<String, String>) -> bool) {
        let wait = async {
            while !condition(&self.dump()) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        assert!(tokio::time::timeout(Duration::from_secs(60), wait).await.is_ok(), "{what}: {:?}", self.dump());
    }

    /// All keys with what they hold; the prefix is left out.
    pub fn dump(&self) -> BTreeMap<String, String> {
        let mut connection = self.connect().unwrap();
        let mut dump = BTreeMap::new();
        for key in self.keys(&mut connection).unwrap() {
            let kind: String = redis::cmd("TYPE").arg(&key).query(&mut connection).unwrap();
            // It ended since it was listed.
            if kind == "none" {
                continue;
            }
            let held = match kind.as_str() {
                "string" => connection.get::<_, String>(&key).unwrap(),
                "hash" => format!("{:?}", connection.hgetall::<_, BTreeMap<String, String>>(&key).unwrap()),
                "set" => format!("{:?}", connection.smembers::<_, BTreeSet<String>>(&key).unwrap()),
                "zset" => format!("{:?}", connection.zrange_withscores::<_, Vec<(String, f64)>>(&key, 0, -1).unwrap()),
                "list" => format!("{:?}", connection.lrange::<_, Vec<String>>(&key, 0, -1).unwrap()),
                kind => panic!("{key} is a {kind}"),
            };
            dump.insert(key.replace(&format!("{}:", self.prefix), ""), format!("{kind} {held}"));
        }
        dump
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let delete = || -> RedisResult<()> {
            let mut connection = self.connect()?;
            let mut delete = redis::pipe();
            for key in self.keys(&mut connection)?.into_iter().chain(self.scan(&mut connection, "")?) {
                delete.unlink(key);
            }
            delete.exec(&mut connection)?;
            redis::cmd("ACL").arg("DELUSER").arg(&self.prefix).exec(&mut connection)
        };
        if let Err(error) = delete() {
            eprintln!("keys of {} stay: {error}", self.prefix);
        }
    }
}

pub fn summary() -> ProjectionName {
    ProjectionName::new("summary").unwrap()
}

pub fn target(generation: Generation) -> Target {
    Target { projection: summary(), generation, partition: 0 }
}

pub fn token(number: u64) -> FencingToken {
    FencingToken::new(number)
}

pub fn position(number: u64) -> GlobalPosition {
    GlobalPosition::new(number)
}

pub fn write(key: &str, json: &str, at: u64) -> DocumentWrite {
    DocumentWrite { key: key.to_owned(), document: Some(Payload::from_bytes(json.to_owned())), position: position(at) }
}

pub fn removal(key: &str, at: u64) -> DocumentWrite {
    DocumentWrite { key: key.to_owned(), document: None, position: position(at) }
}

pub fn stored(json: &str, at: u64) -> Option<StoredDocument> {
    Some(StoredDocument { document: Some(Payload::from_bytes(json.to_owned())), position: position(at) })
}

/// A batch of the owner with token 1.
pub fn batch(from: u64, to: u64, documents: Vec<DocumentWrite>) -> Batch {
    let checkpoint = Checkpoint {
        store_id: StoreId::from_uuid(Uuid::from_u128(7)),
        position: position(to),
        event_id: Some(EventId::from_uuid(Uuid::from_u128(u128::from(to)))),
        generation: Generation::FIRST,
        token: token(1),
    };
    Batch { from: position(from), documents, checkpoint }
}

/// Opens the projection and takes its partition over with token 1.
pub async fn owned(model: &RedisReadModel) -> Target {
    let target = target(model.open(&summary(), Partitions::ONE).await.unwrap());
    model.fence(&target, token(1)).await.unwrap();
    target
}

pub async fn load(model: &RedisReadModel, target: &Target, keys: &[&str]) -> Vec<Option<StoredDocument>> {
    let keys: Vec<String> = keys.iter().map(|&key| key.to_owned()).collect();
    model.load(target, &keys).await.unwrap()
}
