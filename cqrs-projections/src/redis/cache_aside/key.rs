//! The names of a cache's keys: the value's, and two that lie in its slot.

use super::super::key::KeyPrefix;

/// What a cache's keys begin with, `shop:course:` say.
#[derive(Debug, Clone)]
pub(super) struct CacheKeys {
    start: String,
}

/// The keys of one value.
#[derive(Debug)]
pub(super) struct CacheKey {
    pub(super) value: String,
    /// Who may fill it.
    pub(super) lease: String,
    /// The position that what is filled in has to reflect.
    pub(super) floor: String,
}

impl CacheKeys {
    pub(super) fn new(prefix: &KeyPrefix, name: &str) -> Self {
        Self { start: format!("{}{name}:", prefix.as_str()) }
    }

    /// Without braces the whole name of the value decides its slot, and so it does in the braces of the other two.
    pub(super) fn of(&self, key: &str) -> CacheKey {
        let key = key.replace('%', "%25").replace('{', "%7B").replace('}', "%7D");
        let value = format!("{}{key}", self.start);
        CacheKey { lease: format!("{{{value}}}:lease"), floor: format!("{{{value}}}:floor"), value }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_keys_of_a_value_lie_in_one_slot() {
        let keys = CacheKeys::new(&KeyPrefix::new("shop").unwrap(), "course");
        let CacheKey { value, lease, floor } = keys.of("42");
        assert_eq!(
            (value.as_str(), lease.as_str(), floor.as_str()),
            ("shop:course:42", "{shop:course:42}:lease", "{shop:course:42}:floor")
        );
        assert_eq!(keys.of("{a}b%7B").value, "shop:course:%7Ba%7Db%257B");
        assert_eq!(CacheKeys::new(&KeyPrefix::default(), "course").of("42").value, "course:42");
    }
}
