//! Claims as events change them, over what the log says: pure.

use std::collections::HashMap;

use super::{ClaimKey, Claims};
use crate::name::StreamName;
use crate::stream::GlobalPosition;

/// What became of a key: a store keeps the newest change of each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimChange {
    /// The key.
    pub key: ClaimKey,
    /// The stream that holds it now, `None` when it was released.
    pub holder: Option<StreamName>,
    /// The event that took or released it.
    pub position: GlobalPosition,
}

/// What events have changed so far.
#[derive(Debug, Clone, Default)]
pub(crate) struct ClaimChanges(HashMap<ClaimKey, (Option<StreamName>, GlobalPosition)>);

impl ClaimChanges {
    /// Who holds a key, given who does so in the log.
    pub fn holder(&self, key: &ClaimKey, logged: impl FnOnce(&ClaimKey) -> Option<StreamName>) -> Option<StreamName> {
        match self.0.get(key) {
            Some((holder, _)) => holder.clone(),
            None => logged(key),
        }
    }

    /// Adds what the event of `stream` at `position` changes.
    ///
    /// # Errors
    /// The first key that it takes though another stream holds it, and that stream.
    pub fn add(
        &mut self,
        stream: &StreamName,
        claims: &Claims,
        position: GlobalPosition,
        logged: impl Fn(&ClaimKey) -> Option<StreamName>,
    ) -> Result<(), (ClaimKey, StreamName)> {
        for key in &claims.released {
            if self.holder(key, &logged).as_ref() == Some(stream) {
                self.0.insert(key.clone(), (None, position));
            }
        }
        for key in &claims.taken {
            match self.holder(key, &logged) {
                None => {
                    self.0.insert(key.clone(), (Some(stream.clone()), position));
                }
                Some(holder) if holder == *stream => {}
                Some(holder) => return Err((key.clone(), holder)),
            }
        }
        Ok(())
    }

    /// The changes, each key once, in the order of the keys.
    pub fn into_changes(self) -> Vec<ClaimChange> {
        let change = |(key, (holder, position))| ClaimChange { key, holder, position };
        let mut changes: Vec<_> = self.0.into_iter().map(change).collect();
        changes.sort_unstable_by(|one, other| one.key.cmp(&other.key));
        changes
    }
}
