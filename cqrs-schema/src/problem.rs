//! What a check found, and what to do about it.

use std::fmt;

use crate::difference::{Change, Difference};

/// Why a lockfile and a program do not go together. Its text names the change and says what to do.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Problem {
    /// An event type is written, and no sample of it was given.
    NoSample {
        /// The event type.
        event_type: String,
        /// The type of its events in Rust.
        events: &'static str,
    },
    /// A sample cannot be written, or read back, or its JSON Schema is not that of an event.
    BadSample {
        /// The event type.
        event_type: String,
        /// Why.
        reason: String,
    },
    /// An event type is new, or has a new shape that goes well with the recorded ones. Locking settles it.
    NotLocked {
        /// The event type.
        event_type: String,
        /// What is new of a type that is locked: JSON pointers of its new fields.
        new: Vec<String>,
    },
    /// A locked event type is not read any more.
    Unread {
        /// The event type.
        event_type: String,
        /// The version of the same event that is written today.
        written: Option<String>,
    },
    /// A recorded payload does not decode any more.
    Undecodable {
        /// The event type.
        event_type: String,
        /// The payload.
        sample: String,
        /// What the decoder said.
        reason: String,
        /// What has changed, where the type is written today.
        differences: Vec<Difference>,
    },
    /// Payloads of this type decode, but not all of them, or not all that they hold.
    Changed {
        /// The event type.
        event_type: String,
        /// What has changed.
        differences: Vec<Difference>,
    },
}

impl Problem {
    /// The event type that it is about.
    #[must_use]
    pub fn event_type(&self) -> &str {
        match self {
            Self::NoSample { event_type, .. }
            | Self::BadSample { event_type, .. }
            | Self::NotLocked { event_type, .. }
            | Self::Unread { event_type, .. }
            | Self::Undecodable { event_type, .. }
            | Self::Changed { event_type, .. } => event_type,
        }
    }

    /// Whether locking settles it.
    #[must_use]
    pub const fn is_settled_by_locking(&self) -> bool {
        matches!(self, Self::NotLocked { .. })
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let event_type = self.event_type();
        match self {
            Self::NoSample { events, .. } => {
                write!(f, "{event_type} has no sample: add one by `.sample(…)` to the schema of {events}")
            }
            Self::BadSample { reason, .. } => write!(f, "{event_type}: its sample is of no use: {reason}"),
            Self::NotLocked { new, .. } => {
                write!(f, "{event_type} is not locked as it is now")?;
                if !new.is_empty() {
                    write!(f, " (new: {})", new.join(", "))?;
                }
                write!(f, ": lock it (`CQRS_SCHEMA=lock cargo test`) and commit the lockfile with the change")
            }
            Self::Unread { written, .. } => match written {
                Some(written) => {
                    let version = event_type.rsplit(".v").next().unwrap_or_default();
                    write!(
                        f,
                        "{event_type} was recorded and is not read any more: {written} is written now, add \
                         `upcast_from({version} = …)` to it"
                    )
                }
                None => {
                    let name = event_type.rsplit_once(".v").map_or(event_type, |(name, _)| name);
                    write!(
                        f,
                        "{event_type} was recorded and is not read any more: add `renamed_from(\"{name}\")` to the event that \
                         it is today, or else `retired(\"{event_type}\" = …)` or `dropped(\"{event_type}\")` to the events \
                         that it belonged to"
                    )
                }
            },
            Self::Undecodable { sample, reason, differences, .. } => {
                write!(f, "{event_type} was recorded as {sample}, which does not decode any more: {reason}")?;
                listed(f, differences)?;
                advised(f, event_type, differences)
            }
            Self::Changed { differences, .. } => {
                write!(f, "{event_type} was recorded otherwise than it is read now")?;
                listed(f, differences)?;
                advised(f, event_type, differences)
            }
        }
    }
}

fn listed(f: &mut fmt::Formatter<'_>, differences: &[Difference]) -> fmt::Result {
    for (index, difference) in differences.iter().enumerate() {
        write!(f, "{}{difference}", if index == 0 { ": " } else { "; " })?;
    }
    Ok(())
}

fn advised(f: &mut fmt::Formatter<'_>, event_type: &str, differences: &[Difference]) -> fmt::Result {
    let version: u32 = event_type.rsplit(".v").next().and_then(|digits| digits.parse().ok()).unwrap_or(1);
    if differences.is_empty() {
        return write!(f, ". Mend the upcasters that lead from version {version} to today's");
    }
    let next = version.saturating_add(1);
    write!(f, ". Raise the version to {next} and add `upcast_from({version} = …)`")?;
    for difference in differences {
        let (_, name) = difference.field();
        match &difference.change {
            Change::Missing => write!(f, ", or give `{name}` a default (`Option`, `#[serde(default)]`)")?,
            Change::NotRead => {
                write!(f, ", or keep `{name}`, under another name with `#[serde(alias = \"{name}\")]`")?;
            }
            Change::Refused => write!(f, ", or remove `#[serde(deny_unknown_fields)]`")?,
            _ => {}
        }
    }
    Ok(())
}

/// What a check found.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub struct Problems(pub Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            write!(f, "{}{problem}", if index == 0 { "" } else { "\n" })?;
        }
        Ok(())
    }
}
