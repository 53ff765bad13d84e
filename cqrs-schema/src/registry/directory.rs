//! A registry of files.

use std::io::{Error, ErrorKind};
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use cqrs_core::{EventType, Failure};
use tokio::fs;

use super::{PublishedSchema, RegistryError, SchemaRegistry};

/// Schemas in a directory: `{event type}/{revision}.json`. To be served by any web server, or kept in a repository.
#[derive(Debug, Clone)]
pub struct SchemaDirectory(PathBuf);

impl SchemaDirectory {
    /// The schemas in this directory, which is made with the first one.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    fn of(&self, event_type: &EventType) -> PathBuf {
        self.0.join(event_type.as_str())
    }
}

#[async_trait]
impl SchemaRegistry for SchemaDirectory {
    async fn revisions(&self, event_type: &EventType) -> Result<Vec<PublishedSchema>, RegistryError> {
        let directory = self.of(event_type);
        let mut revisions = Vec::new();
        for name in names(&directory).await.map_err(unavailable)? {
            let Some(revision) = name.strip_suffix(".json").and_then(|number| number.parse::<u32>().ok()) else {
                continue;
            };
            let path = directory.join(&name);
            let text = fs::read(&path).await.map_err(unavailable)?;
            let corrupt = |source| RegistryError::Corrupt { what: path.display().to_string(), source };
            let schema: PublishedSchema =
                serde_json::from_slice(&text).map_err(|error| corrupt(Failure::new(error)))?;
            if (&schema.event_type, schema.revision) != (event_type, revision) {
                let found = format!("it says that it is revision {} of {}", schema.revision, schema.event_type);
                return Err(corrupt(Failure::new(Error::new(ErrorKind::InvalidData, found))));
            }
            revisions.push(schema);
        }
        revisions.sort_by_key(|schema| schema.revision);
        Ok(revisions)
    }

    async fn event_types(&self) -> Result<Vec<EventType>, RegistryError> {
        let mut names = names(&self.0).await.map_err(unavailable)?;
        names.sort_unstable();
        Ok(names.into_iter().filter_map(|name| EventType::new(&name).ok()).collect())
    }

    async fn add(&self, schema: PublishedSchema) -> Result<bool, RegistryError> {
        let directory = self.of(&schema.event_type);
        let corrupt = |error| RegistryError::Corrupt { what: directory.display().to_string(), source: error };
        let mut text = serde_json::to_vec_pretty(&schema).map_err(|error| corrupt(Failure::new(error)))?;
        text.push(b'\n');
        // Written aside, and named once it is whole; a name that is taken is left as it is.
        let aside = directory.join(format!(".{}", uuid::Uuid::new_v4()));
        let named = directory.join(format!("{}.json", schema.revision));
        fs::create_dir_all(&directory).await.map_err(unavailable)?;
        fs::write(&aside, text).await.map_err(unavailable)?;
        let linked = fs::hard_link(&aside, &named).await;
        fs::remove_file(&aside).await.map_err(unavailable)?;
        match linked {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(unavailable(error)),
        }
    }
}

/// What is in a directory; nothing where there is none.
async fn names(directory: &Path) -> Result<Vec<String>, Error> {
    let mut entries = match fs::read_dir(directory).await {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut names = Vec::new();
    while let Some(entry) = entries.next_entry().await? {
        names.extend(entry.file_name().into_string());
    }
    Ok(names)
}

fn unavailable(error: Error) -> RegistryError {
    RegistryError::Unavailable(Failure::new(error))
}
