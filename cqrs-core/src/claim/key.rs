//! What is claimed: a digest, so that no store, event or log of a program holds the value.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use sha2::{Digest, Sha256};

use crate::name::{InvalidName, check_claim_scope};

/// Bytes of a value, at most.
const LONGEST_VALUE: usize = 1024;

/// Digits of the digest that are shown.
const SHOWN: usize = 8;

/// A key that one stream at most may hold at a time: a value within a scope, such as an e-mail address in `email`.
///
/// Values are compared byte by byte. What counts as the same is the caller's to say, by normalising it first (lower case,
/// without spaces around it). Where one store serves several tenants that may each have the same value, it is part of the
/// value.
///
/// The value itself is not kept: the key is `{scope}:` and the SHA-256 of scope, a NUL byte and value in lower-case
/// hexadecimal digits. `Display` and `Debug` show only the first of them. Still, whoever has the key can find a value that
/// can be guessed, as most e-mail addresses can, by trying; and like everything in the log a key is not erased. A value that
/// must be neither is claimed as a keyed hash of it, with a secret of the caller's.
///
/// ```
/// use cqrs_core::ClaimKey;
///
/// let key = ClaimKey::new("email", "ann@example.com")?;
/// assert_eq!(key.scope(), "email");
/// assert_eq!(key.to_string(), "email:bd704a8b…");
/// assert_ne!(key, ClaimKey::new("email", "Ann@example.com")?);
/// # Ok::<(), cqrs_core::InvalidClaim>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClaimKey(Arc<str>);

/// Why a key cannot be claimed. The value is not shown.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidClaim {
    /// The scope breaks the rule: 1 to 64 ASCII lower-case letters, digits, `_` or `.`.
    #[error(transparent)]
    Scope(#[from] InvalidName),
    /// There is nothing to claim.
    #[error("the value to be claimed in {scope} is empty")]
    Empty {
        /// The scope.
        scope: String,
    },
    /// The value is too long.
    #[error("the value to be claimed in {scope} has {bytes} bytes, {limit} at most")]
    TooLong {
        /// The scope.
        scope: String,
        /// How many bytes it has.
        bytes: usize,
        /// How many it may have.
        limit: usize,
    },
}

impl ClaimKey {
    /// The key of a value, 1 to 1,024 bytes, in a scope: 1 to 64 ASCII lower-case letters, digits, `_` or `.`.
    ///
    /// # Errors
    /// [`InvalidClaim`] with the rule that scope or value break.
    pub fn new(scope: impl AsRef<str>, value: impl AsRef<str>) -> Result<Self, InvalidClaim> {
        let (scope, value) = (scope.as_ref(), value.as_ref());
        if let Some(reason) = check_claim_scope(scope) {
            return Err(InvalidName::new("claim scope", scope, reason).into());
        }
        let scope_of = || scope.to_owned();
        match value.len() {
            0 => return Err(InvalidClaim::Empty { scope: scope_of() }),
            1..=LONGEST_VALUE => {}
            bytes => return Err(InvalidClaim::TooLong { scope: scope_of(), bytes, limit: LONGEST_VALUE }),
        }
        let digest = Sha256::new().chain_update(scope).chain_update([0]).chain_update(value).finalize();
        Ok(Self(format!("{scope}:{:x}", Bytes::copy_from_slice(&digest)).into()))
    }

    /// The key as it is stored: the scope, `:`, and 64 hexadecimal digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What kind of key it is.
    #[must_use]
    pub fn scope(&self) -> &str {
        self.parts().0
    }

    fn parts(&self) -> (&str, &str) {
        self.0.split_once(':').unwrap_or((&self.0, ""))
    }

    /// Takes a key as it is stored.
    ///
    /// # Errors
    /// [`InvalidName`] when it is no such key.
    pub fn stored(key: impl AsRef<str>) -> Result<Self, InvalidName> {
        let key = key.as_ref();
        let digit = |c: u8| c.is_ascii_digit() || (b'a'..=b'f').contains(&c);
        match key.split_once(':') {
            Some((scope, digest))
                if check_claim_scope(scope).is_none() && digest.len() == 64 && digest.bytes().all(digit) =>
            {
                Ok(Self(key.into()))
            }
            _ => Err(InvalidName::new("claim", key, "it has the form scope:digest, with 64 lower-case digits")),
        }
    }
}

impl fmt::Display for ClaimKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scope, digest) = self.parts();
        write!(f, "{scope}:{}…", digest.get(..SHOWN).unwrap_or(digest))
    }
}

impl fmt::Debug for ClaimKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl serde::Serialize for ClaimKey {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> serde::Deserialize<'de> for ClaimKey {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let key = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        Self::stored(&key).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stored_form_never_changes() {
        let key = ClaimKey::new("email", "ann@example.com").unwrap();
        // printf 'email\0ann@example.com' | sha256sum
        assert_eq!(key.as_str(), "email:bd704a8b9d29ae0047432985803f45b7cdc6b04a838195aeca7fa9156abceb03");
        assert_eq!(ClaimKey::stored(key.as_str()), Ok(key));
    }

    #[test]
    fn scope_and_value_do_not_run_into_each_other() {
        assert_ne!(ClaimKey::new("a", "bc").unwrap().parts().1, ClaimKey::new("ab", "c").unwrap().parts().1);
    }

    #[test]
    fn the_value_is_shown_nowhere() {
        let key = ClaimKey::new("email", "ann@example.com").unwrap();
        let long = ClaimKey::new("email", "ann".repeat(400)).unwrap_err();
        for shown in [key.to_string(), format!("{key:?}"), long.to_string(), format!("{long:?}")] {
            assert!(shown.contains("email") && !shown.contains("ann") && shown.len() < 100, "{shown}");
        }
    }

    #[test]
    fn what_cannot_be_claimed_is_refused_with_the_rule_that_it_breaks() {
        assert!(ClaimKey::new("shop.e_mail2", "x".repeat(1024)).is_ok());
        for scope in ["", "Email", "e mail", "email:", &"x".repeat(65)] {
            assert!(matches!(ClaimKey::new(scope, "x"), Err(InvalidClaim::Scope(_))), "{scope:?}");
        }
        assert!(matches!(ClaimKey::new("email", ""), Err(InvalidClaim::Empty { .. })));
        let long = ClaimKey::new("email", "x".repeat(1025));
        assert!(matches!(long, Err(InvalidClaim::TooLong { bytes: 1025, limit: 1024, .. })));
    }

    #[test]
    fn what_is_no_stored_key_is_refused() {
        let digest = "0".repeat(64);
        assert!(ClaimKey::stored(format!("email:{digest}")).is_ok());
        for bad in [&digest, "email:", "email:ann@example.com", &format!("Email:{digest}"), &format!("email:{digest}0")]
        {
            assert!(ClaimKey::stored(bad).is_err(), "{bad:?}");
        }
        assert!(ClaimKey::stored(format!("email:{}", "A".repeat(64))).is_err());
    }
}
