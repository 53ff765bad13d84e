//! The names of Redis keys: one hash tag for a projection, one for each of its partitions.

use cqrs_core::{InvalidName, ProjectionName, Target};

/// What stands before every key, `shop:` or nothing.
#[derive(Debug, Clone, Default)]
pub(super) struct KeyPrefix(String);

/// The keys of one partition, all in one slot.
#[derive(Debug)]
pub(super) struct PartitionKeys {
    tag: String,
}

impl KeyPrefix {
    /// Braces would move the hash tag, and everything else that is allowed reads well in a shell.
    pub(super) fn new(prefix: &str) -> Result<Self, InvalidName> {
        let allowed = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'_' | b'-' | b'.' | b':');
        let reason = if prefix.is_empty() {
            "it is empty"
        } else if prefix.len() > 64 {
            "it is too long"
        } else if !prefix.bytes().all(allowed) {
            "only ASCII letters, digits, `_`, `-`, `.` and `:` are allowed"
        } else {
            return Ok(Self(format!("{prefix}:")));
        };
        Err(InvalidName { kind: "key prefix", value: prefix.chars().take(80).collect(), reason })
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// The registry of a projection's generations.
    pub(super) fn registry(&self, projection: &ProjectionName) -> String {
        format!("{{{}{projection}}}:generations", self.0)
    }

    pub(super) fn partition(&self, target: &Target) -> PartitionKeys {
        PartitionKeys { tag: format!("{{{}{target}}}", self.0) }
    }
}

impl PartitionKeys {
    /// What decides the slot, braces included; every key of the partition starts with it.
    pub(super) fn tag(&self) -> &str {
        &self.tag
    }

    pub(super) fn checkpoint(&self) -> String {
        format!("{}:checkpoint", self.tag)
    }

    /// The set of the keys of all documents.
    pub(super) fn index(&self) -> String {
        format!("{}:keys", self.tag)
    }

    pub(super) fn document(&self, key: &str) -> String {
        format!("{}:doc:{key}", self.tag)
    }

    /// The fields of a document, where they are derived.
    pub(super) fn hash(&self, key: &str) -> String {
        format!("{}:hash:{key}", self.tag)
    }

    /// The hash that knows what each document contributes.
    pub(super) fn derived(&self) -> String {
        format!("{}:derived", self.tag)
    }

    /// The sorted set of the names of all structures, `set:active` say, by the moment when they end.
    pub(super) fn structures(&self) -> String {
        format!("{}:structures", self.tag)
    }

    /// A structure by kind and name.
    pub(super) fn structure(&self, name: &str) -> String {
        format!("{}:{name}", self.tag)
    }

    /// How often members of a structure are named that are named more than once.
    pub(super) fn shared(&self, name: &str) -> String {
        format!("{}:shared:{name}", self.tag)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_that_would_move_the_hash_tag_is_refused() {
        for bad in ["", "a{b", "a}b", "a b", "a*", "ä", &"x".repeat(65)] {
            assert!(KeyPrefix::new(bad).is_err(), "{bad:?}");
        }
        assert!(KeyPrefix::new("shop:eu-1.a_B").is_ok());
    }
}
