//! Identities: UUIDv7 (RFC 9562), so that they are unique everywhere and near each other in an index.

use std::fmt;

use uuid::Uuid;

use crate::timestamp::Timestamp;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// A new id: UUIDv7 of the present time, increasing within the process.
            #[must_use]
            #[allow(clippy::new_without_default, reason = "a default that differs each time would surprise")]
            pub fn new() -> Self {
                Self(Uuid::now_v7())
            }

            /// Takes an id that was made elsewhere, of any UUID version.
            #[must_use]
            pub const fn from_uuid(id: Uuid) -> Self {
                Self(id)
            }

            /// The UUID.
            #[must_use]
            pub const fn as_uuid(&self) -> Uuid {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }

        impl std::str::FromStr for $name {
            type Err = uuid::Error;
            fn from_str(id: &str) -> Result<Self, uuid::Error> {
                id.parse().map(Self)
            }
        }
    };
}

id! {
    /// Identifies an event, unique within a store: appending it again is found out and writes nothing.
    EventId
}

id! {
    /// Identifies a command. The same id again can never write twice.
    CommandId
}

id! {
    /// Identifies an append: all events that were written together carry it.
    AppendId
}

id! {
    /// Ties together everything that one request led to.
    CorrelationId
}

id! {
    /// Identifies what caused a message: the id of an event or of a command.
    CausationId
}

id! {
    /// Identifies a message that is published: by it a consumer finds out that a message came twice.
    MessageId
}

id! {
    /// Identifies an event store, drawn when it was created. A checkpoint of another store is found out by it.
    StoreId
}

impl CommandId {
    /// The same id for the same time and name, always: for commands that are read from somewhere and may be read again,
    /// such as line 17 of a file. The time gives the prefix (so that ids made together lie together), both are hashed
    /// into the rest; two commands need different times or names.
    #[must_use]
    pub fn named(time: Timestamp, name: &str) -> Self {
        let millis = u64::try_from(time.as_micros().div_euclid(1_000)).unwrap_or(0);
        let mut hashed = time.as_micros().to_be_bytes().to_vec();
        hashed.extend_from_slice(name.as_bytes());
        Self(derived(millis, &Uuid::NAMESPACE_OID, &hashed))
    }
}

impl CommandId {
    /// The id of one of the commands that together carry out this one: the same for the same name, always. It keeps the time
    /// prefix of this id, so that ids made together lie together.
    #[must_use]
    pub fn part(&self, name: &str) -> Self {
        let millis = self.0.as_u64_pair().0 >> 16;
        // Events derive from an id by four bytes: a part's name is never taken for one of them.
        Self(derived(millis, &self.0, format!("part:{name}").as_bytes()))
    }
}

impl EventId {
    /// The id of the `index`th event (from 0) that a command leads to. It keeps the time prefix of the command's id, so
    /// that ids made together lie together in an index, and hashes the rest: the same command has the same event ids.
    #[must_use]
    pub fn derive(command: CommandId, index: u32) -> Self {
        let millis = command.0.as_u64_pair().0 >> 16;
        Self(derived(millis, &command.0, &index.to_be_bytes()))
    }
}

/// UUIDv7-shaped: 48 bits of milliseconds, version and variant, and 74 bits of SHA-1 over namespace and name.
fn derived(millis: u64, namespace: &Uuid, name: &[u8]) -> Uuid {
    let hash = Uuid::new_v5(namespace, name).into_bytes();
    let mut random = [0; 10];
    random.copy_from_slice(&hash[6..]);
    // Bytes 6 and 8 of the hash lost bits to its own version and variant; its first bytes still have theirs.
    random[0] = hash[0];
    random[2] = hash[1];
    uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid()
}

impl From<EventId> for CausationId {
    fn from(id: EventId) -> Self {
        Self(id.0)
    }
}

impl From<CommandId> for CausationId {
    fn from(id: CommandId) -> Self {
        Self(id.0)
    }
}

impl From<CommandId> for CorrelationId {
    fn from(id: CommandId) -> Self {
        Self(id.0)
    }
}
