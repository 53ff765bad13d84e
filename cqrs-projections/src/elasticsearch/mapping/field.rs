//! One field of a mapping.

use serde_json::{Map, Value, json};

/// The type of a field. A field may hold one value or an array of them.
#[derive(Debug, Clone, PartialEq)]
pub struct Field(Value);

macro_rules! types {
    ($($(#[$doc:meta])* $name:ident)*) => {
        $(
            $(#[$doc])*
            #[must_use]
            pub fn $name() -> Self {
                Self(json!({ "type": stringify!($name) }))
            }
        )*
    };
}

impl Field {
    types! {
        /// Words to search for.
        text
        /// One exact value: to filter, to sort, to count.
        keyword
        /// An integer of 32 bits.
        integer
        /// An integer of 64 bits.
        long
        /// A floating point number of 64 bits.
        double
        /// True or false.
        boolean
        /// A moment, as RFC 3339 text or in milliseconds since 1970.
        date
    }

    /// Fields within a field.
    #[must_use]
    pub fn object<N: Into<String>>(fields: impl IntoIterator<Item = (N, Self)>) -> Self {
        Self(json!({ "properties": properties(fields) }))
    }

    /// An array of objects that are searched each as a whole.
    #[must_use]
    pub fn nested<N: Into<String>>(fields: impl IntoIterator<Item = (N, Self)>) -> Self {
        Self(json!({ "type": "nested", "properties": properties(fields) }))
    }

    /// A field as Elasticsearch writes it.
    #[must_use]
    pub const fn raw(field: Value) -> Self {
        Self(field)
    }

    /// The analyzer that splits text into words.
    #[must_use]
    pub fn analyzer(self, analyzer: &str) -> Self {
        self.with("analyzer", json!(analyzer))
    }

    /// Any other parameter of the field.
    #[must_use]
    pub fn with(mut self, parameter: &str, value: Value) -> Self {
        if let Value::Object(field) = &mut self.0 {
            field.insert(parameter.to_owned(), value);
        }
        self
    }

    /// The same value once more in another way, found as `{field}.{name}`.
    #[must_use]
    pub fn also(mut self, name: &str, field: Self) -> Self {
        if let Value::Object(own) = &mut self.0
            && let Value::Object(fields) = own.entry("fields").or_insert_with(|| json!({}))
        {
            fields.insert(name.to_owned(), field.0);
        }
        self
    }

    pub(super) fn into_json(self) -> Value {
        self.0
    }
}

fn properties<N: Into<String>>(fields: impl IntoIterator<Item = (N, Field)>) -> Map<String, Value> {
    fields.into_iter().map(|(name, field)| (name.into(), field.0)).collect()
}
