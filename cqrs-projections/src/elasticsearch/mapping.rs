//! What the fields of documents are, for searching them.

use cqrs_core::{Failure, Partitions, ReadModelError};
use serde_json::{Map, Value, json};

mod check;
mod declared;
mod field;

pub(super) use check::check;
pub(super) use declared::{Kind, Known};
pub use field::Field;

/// In a tombstone, true.
pub(super) const REMOVED: &str = "cqrs_removed";

/// In a tombstone that is a lookup: its JSON as text.
pub(super) const LOOKUP: &str = "cqrs_lookup";

/// No document may have fields of these names.
pub(super) const RESERVED: [&str; 2] = [REMOVED, LOOKUP];

/// What becomes of fields that the [`Mapping`] does not declare. They are kept in the document in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Dynamic {
    /// They cannot be searched.
    #[default]
    Ignore,
    /// Elasticsearch guesses their types from the first document that has them.
    Guess,
    /// A document with such a field is refused.
    Refuse,
}

/// The searchable fields of a projection's documents, and the settings of its indices.
///
/// Undeclared fields are kept and not searchable, unless [`dynamic`](Self::dynamic) says otherwise. An index gets its
/// mapping when its generation begins and keeps it: a change takes effect with the next rebuild.
///
/// ```
/// use cqrs_projections::{Field, Mapping};
///
/// let mapping = Mapping::new()
///     .field("title", Field::text().also("raw", Field::keyword()))
///     .field("categories", Field::keyword())
///     .field("price", Field::long())
///     .field("location", Field::raw(serde_json::json!({ "type": "geo_point" })))
///     .shards(3);
/// ```
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Mapping {
    dynamic: Dynamic,
    properties: Map<String, Value>,
    settings: Map<String, Value>,
}

impl Mapping {
    /// No fields, and the server's settings.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Declares a field, by name or path (`instructor.name`).
    #[must_use]
    pub fn field(mut self, name: impl Into<String>, field: Field) -> Self {
        self.properties.insert(name.into(), field.into_json());
        self
    }

    /// Declares fields as Elasticsearch writes them: the `properties` of a mapping.
    ///
    /// # Errors
    /// [`ReadModelError::Permanent`] when it is not a JSON object.
    pub fn properties(mut self, properties: Value) -> Result<Self, ReadModelError> {
        let Value::Object(properties) = properties else {
            return Err(ReadModelError::Permanent(Failure::new("the properties of a mapping are a JSON object")));
        };
        self.properties.extend(properties);
        Ok(self)
    }

    /// What becomes of fields that are not declared; at first [`Dynamic::Ignore`].
    #[must_use]
    pub const fn dynamic(mut self, dynamic: Dynamic) -> Self {
        self.dynamic = dynamic;
        self
    }

    /// The number of primary shards, from 1; without it the server's default, 1.
    #[must_use]
    pub fn shards(self, shards: u16) -> Self {
        self.setting("number_of_shards", json!(shards))
    }

    /// The number of copies of each shard, from 0; without it the server's default, 1.
    #[must_use]
    pub fn replicas(self, replicas: u16) -> Self {
        self.setting("number_of_replicas", json!(replicas))
    }

    /// Any setting of the index, such as `refresh_interval` or `analysis`.
    #[must_use]
    pub fn setting(mut self, name: impl Into<String>, value: Value) -> Self {
        self.settings.insert(name.into(), value);
        self
    }

    /// The body of the request that creates an index.
    pub(super) fn body(&self, aliases: Value, partitions: Partitions) -> Result<Value, ReadModelError> {
        if let Some(reserved) = RESERVED.iter().find(|reserved| self.properties.contains_key(**reserved)) {
            let reserved = format!("the field {reserved} is reserved");
            return Err(ReadModelError::Permanent(Failure::new(reserved)));
        }
        let mut properties = self.properties.clone();
        properties.insert(REMOVED.to_owned(), json!({ "type": "boolean" }));
        properties.insert(LOOKUP.to_owned(), json!({ "type": "keyword", "index": false, "doc_values": false }));
        let dynamic = match self.dynamic {
            Dynamic::Ignore => json!(false),
            Dynamic::Guess => json!(true),
            Dynamic::Refuse => json!("strict"),
        };
        Ok(json!({
            "settings": self.settings,
            "mappings": { "dynamic": dynamic, "properties": properties, "_meta": { "partitions": partitions.get() } },
            "aliases": aliases,
        }))
    }
}
