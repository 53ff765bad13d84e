//! Names that end up in the log: checked when they are made, cheap to clone.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

/// Why a name is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid {kind} {value:?}: {reason}")]
pub struct InvalidName {
    /// What was to be named: `stream`, `event type`, …
    pub kind: &'static str,
    /// The refused value, shortened to 80 characters.
    pub value: String,
    /// The rule that it breaks.
    pub reason: &'static str,
}

impl InvalidName {
    pub(crate) fn new(kind: &'static str, value: &str, reason: &'static str) -> Self {
        Self { kind, value: value.chars().take(80).collect(), reason }
    }
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $kind:literal, $check:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Checks and takes a name.
            ///
            /// # Errors
            /// [`InvalidName`] with the rule that the name breaks.
            pub fn new(name: impl AsRef<str>) -> Result<Self, InvalidName> {
                let name = name.as_ref();
                let check: fn(&str) -> Option<&'static str> = $check;
                match check(name) {
                    None => Ok(Self(Arc::from(name))),
                    Some(reason) => Err(InvalidName::new($kind, name, reason)),
                }
            }

            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", &*self.0)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl std::str::FromStr for $name {
            type Err = InvalidName;
            fn from_str(name: &str) -> Result<Self, InvalidName> {
                Self::new(name)
            }
        }

        impl TryFrom<&str> for $name {
            type Error = InvalidName;
            fn try_from(name: &str) -> Result<Self, InvalidName> {
                Self::new(name)
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let name = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
                Self::new(&name).map_err(serde::de::Error::custom)
            }
        }
    };
}

name! {
    /// The kind of a stream, the part of its name before the first `-`: `account` in `account-ACC-001`.
    ///
    /// 1 to 64 ASCII letters, digits, `_` or `.`.
    Category, "category", check_category
}

name! {
    /// The name of one stream: a [`Category`], `-`, and an id, such as `account-ACC-001`.
    ///
    /// At most 255 bytes; the id has at least one character and no control characters. Names are never erased: an id
    /// must not hold personal data.
    StreamName, "stream", check_stream
}

name! {
    /// What happened, and in which schema version: `{domain}.{action}.v{n}`, such as `account.deposited.v2`.
    ///
    /// At most 128 bytes of ASCII lower-case letters, digits and `_` between dots; the domain may hold dots of its own.
    EventType, "event type", check_event_type
}

name! {
    /// The name of a projection. It keys the checkpoint, the lease and the generations, and is part of Redis keys and
    /// Elasticsearch index names.
    ///
    /// 1 to 64 ASCII lower-case letters, digits, `_` or `-`, starting with a letter.
    ProjectionName, "projection", check_projection
}

name! {
    /// Where messages are published: words between dots, such as `shop.order.confirmed`.
    ///
    /// At most 249 bytes; a word has ASCII letters, digits, `_` or `-`. Kafka, RabbitMQ and NATS all take such names.
    Topic, "topic", check_topic
}

name! {
    /// What keeps messages in order: those of one key are published one after the other, such as all of `order-42`.
    ///
    /// 1 to 255 bytes without control characters.
    MessageKey, "message key", check_message_key
}

name! {
    /// One run of a process that takes part in projections. No two are the same: [`unique`](Self::unique) makes one.
    ///
    /// 1 to 128 ASCII characters, without spaces.
    MemberId, "member", check_member
}

const fn within(length: usize, most: usize) -> Option<&'static str> {
    if length == 0 {
        Some("it is empty")
    } else if length > most {
        Some("it is too long")
    } else {
        None
    }
}

fn check_category(name: &str) -> Option<&'static str> {
    within(name.len(), 64).or_else(|| {
        let allowed = |c: u8| c.is_ascii_alphanumeric() || c == b'_' || c == b'.';
        (!name.bytes().all(allowed)).then_some("only ASCII letters, digits, `_` and `.` are allowed")
    })
}

fn check_stream(name: &str) -> Option<&'static str> {
    within(name.len(), 255).or_else(|| match name.split_once('-') {
        None => Some("it has the form category-id"),
        Some((_, "")) => Some("its id is empty"),
        Some((category, id)) => check_category(category)
            .or_else(|| id.chars().any(char::is_control).then_some("control characters are not allowed")),
    })
}

fn check_event_type(name: &str) -> Option<&'static str> {
    const FORM: Option<&str> = Some("it has the form domain.action.v1, in lower case");
    within(name.len(), 128).or_else(|| {
        let mut parts = name.rsplit('.');
        let version = parts.next().and_then(|part| part.strip_prefix('v'));
        let version_ok = version.is_some_and(|digits| {
            !digits.starts_with('0') && digits.parse::<u32>().is_ok_and(|n| n > 0) && !digits.starts_with('+')
        });
        let word = |part: &str| {
            !part.is_empty() && part.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'_')
        };
        let mut words = 0;
        let words_ok = parts.all(|part| {
            words += 1;
            word(part)
        });
        if version_ok && words_ok && words >= 2 { None } else { FORM }
    })
}

fn check_projection(name: &str) -> Option<&'static str> {
    within(name.len(), 64).or_else(|| {
        let allowed = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'_' || c == b'-';
        if !name.as_bytes()[0].is_ascii_lowercase() {
            Some("it starts with a lower-case letter")
        } else if !name.bytes().all(allowed) {
            Some("only ASCII lower-case letters, digits, `_` and `-` are allowed")
        } else {
            None
        }
    })
}

fn check_topic(name: &str) -> Option<&'static str> {
    within(name.len(), 249).or_else(|| {
        let allowed = |c: u8| c.is_ascii_alphanumeric() || c == b'_' || c == b'-';
        let word = |word: &str| !word.is_empty() && word.bytes().all(allowed);
        (!name.split('.').all(word)).then_some("it is words of ASCII letters, digits, `_` and `-` between dots")
    })
}

fn check_message_key(name: &str) -> Option<&'static str> {
    within(name.len(), 255)
        .or_else(|| name.chars().any(char::is_control).then_some("control characters are not allowed"))
}

/// What kind of key is claimed: part of a [`ClaimKey`](crate::ClaimKey).
pub(crate) fn check_claim_scope(name: &str) -> Option<&'static str> {
    within(name.len(), 64).or_else(|| {
        let allowed = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'_' || c == b'.';
        (!name.bytes().all(allowed)).then_some("only ASCII lower-case letters, digits, `_` and `.` are allowed")
    })
}

fn check_member(name: &str) -> Option<&'static str> {
    within(name.len(), 128).or_else(|| {
        let allowed = name.bytes().all(|c| c.is_ascii_graphic());
        (!allowed).then_some("only ASCII characters without spaces are allowed")
    })
}

impl MemberId {
    /// A new one whose name begins with a label, such as that of the machine: `web-1@0193…`.
    ///
    /// # Errors
    /// [`InvalidName`] when the label has more than 95 characters, or others than ASCII without spaces.
    pub fn unique(label: &str) -> Result<Self, InvalidName> {
        Self::new(format!("{label}@{}", uuid::Uuid::now_v7().simple()))
    }
}

impl StreamName {
    /// The stream of the aggregate `id` in `category`.
    ///
    /// # Errors
    /// [`InvalidName`] when the id is empty, too long or holds control characters.
    pub fn of(category: &str, id: &impl fmt::Display) -> Result<Self, InvalidName> {
        Self::new(format!("{category}-{id}"))
    }

    /// The part before the first `-`.
    #[must_use]
    pub fn category(&self) -> &str {
        self.0.split_once('-').map_or("", |(category, _)| category)
    }

    /// The part after the first `-`.
    #[must_use]
    pub fn id(&self) -> &str {
        self.0.split_once('-').map_or("", |(_, id)| id)
    }
}

impl EventType {
    pub(crate) fn from_static(name: &'static str) -> Self {
        debug_assert!(check_event_type(name).is_none(), "derived event types are checked");
        Self(Arc::from(name))
    }

    /// The schema version, counted from 1.
    #[must_use]
    pub fn schema_version(&self) -> u32 {
        let digits = self.0.rsplit('v').next().unwrap_or_default();
        digits.parse().unwrap_or(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_name_is_split_at_its_first_dash() {
        let stream = StreamName::of("account", &"ACC-001").unwrap();
        assert_eq!((stream.category(), stream.id()), ("account", "ACC-001"));
    }

    #[test]
    fn bad_names_are_refused_with_the_rule_they_break() {
        for bad in ["", "account", "account-", "acc ount-1", "a-b\0c", "-1", &format!("a-{}", "x".repeat(254))] {
            assert!(StreamName::new(bad).is_err(), "{bad:?}");
        }
        for bad in [
            "",
            "opened",
            "account.opened",
            "account.Opened.v1",
            "account.opened.v0",
            "account.opened.v01",
            ".opened.v1",
            "account..v1",
            "a.b.v99999999999",
        ] {
            assert!(EventType::new(bad).is_err(), "{bad:?}");
        }
        for bad in ["", ".", "shop.", "shop..order", "shop.order confirmed", "shop.*", &"x".repeat(250)] {
            assert!(Topic::new(bad).is_err(), "{bad:?}");
        }
        for bad in ["", "a\0b", "a\nb", &"x".repeat(256)] {
            assert!(MessageKey::new(bad).is_err(), "{bad:?}");
        }
        for bad in ["", "a b", "é", "a\n", &"x".repeat(129)] {
            assert!(MemberId::new(bad).is_err(), "{bad:?}");
        }
        assert!(MemberId::unique(&"x".repeat(95)).is_ok() && MemberId::unique(&"x".repeat(96)).is_err());
        for bad in ["", "1st", "Big", "with space", "a{b}"] {
            assert!(ProjectionName::new(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn the_schema_version_is_the_number_at_the_end() {
        assert_eq!(EventType::new("bank.v2.moved.v12").unwrap().schema_version(), 12);
    }
}
