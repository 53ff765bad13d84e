//! Read models on the real services, each in a corner of its own that is emptied in the end.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use cqrs_core::{Documents, ReadModel};
use cqrs_postgres::PgReadModelOptions;
use cqrs_projections::{ElasticReadModel, RedisReadModel};
use elasticsearch::http::transport::Transport;
use elasticsearch::http::{Method, headers::HeaderMap};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::database::Database;
use crate::wait::until;

/// Where documents are.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Sink {
    /// In Redis.
    Redis {
        /// The address.
        url: String,
        /// What keys begin with.
        prefix: String,
    },
    /// In Elasticsearch.
    Elastic {
        /// The address.
        url: String,
        /// What indices begin with.
        prefix: String,
    },
    /// In PostgreSQL.
    Postgres {
        /// The address.
        url: String,
        /// The schema.
        schema: String,
    },
}

/// The service that a [`Corner`] is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// Redis.
    Redis,
    /// Elasticsearch.
    Elastic,
    /// PostgreSQL.
    Postgres,
}

impl Sink {
    /// A connection of its own, on which an answer may take so long.
    ///
    /// # Panics
    /// When the service is not reached.
    pub async fn connect(&self, timeout: Duration) -> Arc<dyn ReadModel> {
        match self {
            Self::Redis { url, prefix } => {
                Arc::new(RedisReadModel::connect(url).prefix(prefix).response_timeout(timeout).await.unwrap())
            }
            Self::Elastic { url, prefix } => {
                Arc::new(ElasticReadModel::connect(url).await.unwrap().prefix(prefix).unwrap().timeout(timeout))
            }
            Self::Postgres { url, schema } => {
                let options = PgReadModelOptions::new(url).unwrap().schema(schema).unwrap().connections(4);
                Arc::new(options.timeout(timeout).connect().await.unwrap())
            }
        }
    }

    /// The address of the service.
    #[must_use]
    pub fn url(&self) -> &str {
        match self {
            Self::Redis { url, .. } | Self::Elastic { url, .. } | Self::Postgres { url, .. } => url,
        }
    }

    /// The same documents, reached by another address.
    #[must_use]
    pub fn at(&self, url: String) -> Self {
        let mut other = self.clone();
        match &mut other {
            Self::Redis { url: at, .. } | Self::Elastic { url: at, .. } | Self::Postgres { url: at, .. } => *at = url,
        }
        other
    }
}

/// A part of a service for one test.
#[derive(Debug)]
pub struct Corner {
    /// Where it is.
    pub sink: Sink,
    /// Dropped with it.
    _schema: Option<Database>,
}

impl Corner {
    /// An empty one, on the service of the tests.
    ///
    /// # Panics
    /// When the service is not reached.
    pub async fn new(service: Service) -> Self {
        let address = match service {
            Service::Redis => "REDIS_URL",
            Service::Elastic => "ELASTICSEARCH_URL",
            Service::Postgres => "DATABASE_URL",
        };
        Self::at(service, &std::env::var(address).expect("the services' addresses are set: run tests/run")).await
    }

    /// An empty one, on a service at another address.
    ///
    /// # Panics
    /// When the service is not reached.
    pub async fn at(service: Service, url: &str) -> Self {
        let (url, prefix) = (url.to_owned(), format!("t{}", uuid::Uuid::now_v7().simple()));
        match service {
            Service::Redis => Self { sink: Sink::Redis { url, prefix }, _schema: None },
            Service::Elastic => Self { sink: Sink::Elastic { url, prefix }, _schema: None },
            Service::Postgres => {
                let database = Database::at(&url);
                let schema = database.schema.clone();
                let options = PgReadModelOptions::new(&url).unwrap().schema(&schema).unwrap();
                options.connect().await.unwrap().migrate().await.unwrap();
                Self { sink: Sink::Postgres { url, schema }, _schema: Some(database) }
            }
        }
    }
}

/// The documents with these keys.
///
/// # Panics
/// When they cannot be read, though the service is not away.
pub async fn documents<D: DeserializeOwned>(
    model: &(impl ReadModel + Clone),
    projection: &str,
    keys: Vec<String>,
) -> BTreeMap<String, D> {
    found(&Documents::new(model.clone(), projection).unwrap(), keys).await
}

/// The same of documents that are open.
///
/// # Panics
/// When they cannot be read, though the service is not away.
pub async fn found<D: DeserializeOwned>(documents: &Documents<D>, keys: Vec<String>) -> BTreeMap<String, D> {
    // After a restart of the server a session turns out to be dead once.
    let read = || async {
        match documents.get_many(&keys).await {
            Ok(found) => Some(found),
            Err(error) => {
                assert!(error.is_transient(), "{error:?}");
                None
            }
        }
    };
    let found = until("the documents are read", read).await;
    keys.into_iter().zip(found).filter_map(|(key, document)| Some((key, document?))).collect()
}

impl Drop for Corner {
    fn drop(&mut self) {
        let emptied = match &self.sink {
            Sink::Redis { url, prefix } => empty_redis(url, prefix).map_err(|error| error.to_string()),
            Sink::Elastic { url, prefix } => empty_elasticsearch(url.clone(), prefix.clone()),
            Sink::Postgres { .. } => Ok(()),
        };
        if let Err(error) = emptied {
            eprintln!("{:?} was not emptied: {error}", self.sink);
        }
    }
}

fn empty_redis(url: &str, prefix: &str) -> redis::RedisResult<()> {
    let mut connection = redis::Client::open(url)?.get_connection()?;
    // Those of read models, and those of caches.
    for pattern in [format!("{{{prefix}:*"), format!("{prefix}:*")] {
        let matching = redis::ScanOptions::default().with_pattern(pattern).with_count(1_000);
        let keys: Vec<String> = redis::Commands::scan_options(&mut connection, matching)?.collect::<Result<_, _>>()?;
        for key in keys {
            redis::cmd("UNLINK").arg(key).exec(&mut connection)?;
        }
    }
    Ok(())
}

fn empty_elasticsearch(url: String, prefix: String) -> Result<(), String> {
    // On a thread of its own: the one that drops may be in a runtime.
    let emptied = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let transport = Transport::single_node(&url).unwrap();
            let send = |method, path: String| {
                let transport = transport.clone();
                async move {
                    let none = HeaderMap::new();
                    let sent = transport.send(method, &path, none, None::<&()>, None::<()>, None).await;
                    sent.map_err(|error| error.to_string())
                }
            };
            let found = send(Method::Get, format!("{prefix}.*/_alias")).await?;
            let indices: serde_json::Map<String, serde_json::Value> =
                found.json().await.map_err(|error| error.to_string())?;
            let names: Vec<_> = indices.keys().cloned().collect();
            if !names.is_empty() {
                send(Method::Delete, names.join(",")).await?;
            }
            Ok(())
        })
    });
    emptied.join().unwrap_or_else(|_| Err("it panicked".to_owned()))
}
