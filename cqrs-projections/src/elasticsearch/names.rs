//! What indices and aliases are called.

use cqrs_core::{Generation, InvalidName, ProjectionName};

/// The prefix of all names.
#[derive(Debug, Clone)]
pub(super) struct Names(String);

impl Names {
    pub(super) fn new(prefix: &str) -> Result<Self, InvalidName> {
        match ProjectionName::new(prefix) {
            Ok(_) => Ok(Self(prefix.to_owned())),
            Err(refused) => Err(InvalidName { kind: "index prefix", ..refused }),
        }
    }

    /// The alias that readers use: on the index of the live generation.
    pub(super) fn live(&self, projection: &ProjectionName) -> String {
        format!("{}.{projection}", self.0)
    }

    pub(super) fn index(&self, projection: &ProjectionName, generation: Generation) -> String {
        format!("{}.{projection}.g{generation}", self.0)
    }

    /// The alias that writers use.
    pub(super) fn write(&self, projection: &ProjectionName, generation: Generation) -> String {
        format!("{}.{projection}.g{generation}.write", self.0)
    }

    /// The indices of all generations, and perhaps some that are none.
    pub(super) fn pattern(&self, projection: &ProjectionName) -> String {
        format!("{}.{projection}.g*", self.0)
    }

    pub(super) fn generation(&self, projection: &ProjectionName, index: &str) -> Option<Generation> {
        let number = index.rsplit_once(".g")?.1.parse().ok()?;
        let generation = Generation::new(number);
        (self.index(projection, generation) == index).then_some(generation)
    }

    pub(super) fn checkpoints_index(&self) -> String {
        format!("{}.cqrs.checkpoints.v1", self.0)
    }

    pub(super) fn checkpoints(&self) -> String {
        format!("{}.cqrs.checkpoints", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_own_indices_are_generations() {
        let names = Names::new("shop").unwrap();
        let projection = ProjectionName::new("search").unwrap();
        assert_eq!(names.generation(&projection, "shop.search.g12"), Some(Generation::new(12)));
        for other in
            ["shop.search.g0", "shop.search.g01", "shop.search.g1x", "shop.other.g1", "search.g1", "shop.search"]
        {
            assert_eq!(names.generation(&projection, other), None, "{other}");
        }
    }

    #[test]
    fn a_prefix_is_a_name_without_dots() {
        for bad in ["", "Shop", "a.b", "_a", "a*"] {
            assert_eq!(Names::new(bad).unwrap_err().kind, "index prefix");
        }
    }
}
