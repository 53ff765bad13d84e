//! Which partition a document belongs to.

use std::fmt;

use xxhash_rust::xxh3::xxh3_64;

use super::ReadModelError;
use super::key::partition_key;
use crate::checkpoint_store::Generation;

/// Over how many partitions the documents of a generation are spread, 1 to 1,024. Each partition has one writer and one
/// checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Partitions(u16);

/// A number of partitions that there cannot be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("invalid number of partitions {0}: it is 1 to 1,024")]
pub struct InvalidPartitions(pub u16);

impl Partitions {
    /// All documents in one partition.
    pub const ONE: Self = Self(1);

    /// So many partitions.
    ///
    /// # Errors
    /// [`InvalidPartitions`] for anything but 1 to 1,024.
    pub const fn new(count: u16) -> Result<Self, InvalidPartitions> {
        match count {
            1..=1_024 => Ok(Self(count)),
            _ => Err(InvalidPartitions(count)),
        }
    }

    /// How many there are.
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0
    }

    /// The partition of the document with this key, from 0: the XXH3 hash (64 bits, no seed) of the UTF-8 bytes of the key's
    /// [partition key](partition_key), modulo the number of partitions. This never changes, and can be computed in any language.
    #[must_use]
    pub fn of(self, key: &str) -> u16 {
        if self.0 == 1 {
            return 0;
        }
        // Below 1,024, as the number of partitions is.
        (xxh3_64(partition_key(key).as_bytes()) % u64::from(self.0)) as u16
    }

    /// All partitions, in order.
    pub fn all(self) -> impl DoubleEndedIterator<Item = u16> + Clone + Send {
        0..self.0
    }
}

impl fmt::Display for Partitions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// The generation that readers see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LiveGeneration {
    /// Its number.
    pub generation: Generation,
    /// Over how many partitions its documents are spread.
    pub partitions: Partitions,
}

impl LiveGeneration {
    /// The generation, when it has as many partitions as its opener expects: the rule of every sink.
    ///
    /// # Errors
    /// [`ReadModelError::Mismatch`] when it has another number of them.
    pub fn opened(self, expected: Partitions) -> Result<Generation, ReadModelError> {
        let Self { generation, partitions } = self;
        match partitions == expected {
            true => Ok(generation),
            false => Err(ReadModelError::Mismatch {
                what: format!("generation {generation} has {partitions} partitions instead of {expected}"),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_partition_of_a_key_never_changes() {
        let of = |count, key| Partitions::new(count).unwrap().of(key);
        let long = "course-".repeat(60);
        for (key, hash) in [
            // The first three are known from other implementations.
            ("", 0x2d06_8005_38d3_94c2_u64),
            ("a", 0xe6c6_32b6_1e96_4e1f),
            ("abc", 0x78af_5f94_892f_3950),
            ("ACC-001", 0xf61e_edca_4b58_7e73),
            ("Nguyễn Ánh", 0x962f_38bb_ffe2_3c6b),
            (&long, 0x42ec_96be_e7a0_2339),
        ] {
            for count in [1, 2, 3, 6, 7, 64, 1_000, 1_024] {
                assert_eq!(u64::from(of(count, key)), hash % u64::from(count), "{key:?} in {count}");
            }
        }
    }

    #[test]
    fn keys_that_look_alike_are_spread_evenly() {
        for count in [2, 3, 6, 16] {
            let partitions = Partitions::new(count).unwrap();
            let mut keys = vec![0_u32; usize::from(count)];
            for number in 0..6_000 {
                keys[usize::from(partitions.of(&format!("course-{}", number * 2)))] += 1;
            }
            let fair = 6_000 / u32::from(count);
            assert!(keys.iter().all(|keys| keys.abs_diff(fair) < fair / 4), "{keys:?}");
        }
    }

    #[test]
    fn there_are_1_to_1024_partitions() {
        assert_eq!(Partitions::new(0), Err(InvalidPartitions(0)));
        assert_eq!(Partitions::new(1_025), Err(InvalidPartitions(1_025)));
        assert_eq!(Partitions::new(1), Ok(Partitions::ONE));
        assert_eq!(Partitions::new(1_024).map(Partitions::get), Ok(1_024));
    }
}
