//! The schema that holds a store: one for each tenant, say.

use std::fmt;
use std::sync::Arc;

/// The name of a PostgreSQL schema: 1 to 40 lower-case ASCII letters, digits and `_`, starting with a letter.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Schema(Arc<str>);

/// A name that no schema can have here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid schema {0:?}: 1 to 40 lower-case letters, digits and `_`, starting with a letter, are allowed")]
pub struct InvalidSchema(pub String);

impl Schema {
    /// Checks and takes a name.
    ///
    /// # Errors
    /// [`InvalidSchema`] when the name breaks the rule.
    pub fn new(name: &str) -> Result<Self, InvalidSchema> {
        let allowed = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'_';
        let starts = name.as_bytes().first().is_some_and(u8::is_ascii_lowercase);
        if starts && name.len() <= 40 && name.bytes().all(allowed) {
            Ok(Self(Arc::from(name)))
        } else {
            Err(InvalidSchema(name.chars().take(80).collect()))
        }
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The channel on which appends are notified.
    pub(crate) fn channel(&self) -> String {
        format!("cqrs_{}", self.0)
    }

    /// The channel on which messages of the outbox are notified.
    pub(crate) fn outbox_channel(&self) -> String {
        format!("cqrs_outbox_{}", self.0)
    }

    /// Puts the name into a statement.
    pub(crate) fn render(&self, sql: &str) -> String {
        sql.replace("{schema}", &self.0)
    }
}

impl Default for Schema {
    /// `cqrs`.
    fn default() -> Self {
        Self(Arc::from("cqrs"))
    }
}

impl fmt::Debug for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl fmt::Display for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_need_quoting_is_refused() {
        assert!(Schema::new("tenant_7").is_ok());
        for bad in ["", "7th", "Tenant", "a-b", "a\"b", "a.b", &"x".repeat(41)] {
            assert!(Schema::new(bad).is_err(), "{bad:?}");
        }
    }
}
