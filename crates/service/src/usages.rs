//! The last use of every key, as far as it is durable.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use keyward_authz::KeyArn;

use crate::entities::EntityKind;
use crate::store::Commit;

/// A use of a key (K107).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LastUsage {
    /// `Decrypt`
    pub operation: String,
    /// When, in milliseconds since the epoch.
    pub time_ms: i64,
    /// The record's `eventID`.
    pub event_id: String,
    /// The request's id, as the caller saw it.
    pub request_id: String,
}

/// Kept by whoever writes, read by calls: never ahead of the store.
pub(crate) struct Usages(Mutex<HashMap<String, LastUsage>>);

impl Usages {
    pub(crate) fn new(loaded: impl IntoIterator<Item = (String, LastUsage)>) -> Self {
        Self(Mutex::new(loaded.into_iter().collect()))
    }

    pub(crate) fn of(&self, key: &KeyArn) -> Option<LastUsage> {
        self.lock().get(key.as_str()).cloned()
    }

    /// Takes over what has become durable.
    pub(crate) fn learn(&self, batch: &[Commit]) {
        let of_interest = |commit: &&Commit| commit.records.iter().any(|record| record.used.is_some()) || !commit.rows.is_empty();
        let mut batch = batch.iter().filter(of_interest).peekable();
        if batch.peek().is_none() {
            return;
        }
        let mut usages = self.lock();
        for commit in batch {
            for (keys, usage) in commit.records.iter().filter_map(|record| record.usage()) {
                keys.iter().for_each(|key| drop(usages.insert(key.to_string(), usage.clone())));
            }
            for row in commit.rows.iter().filter(|row| row.kind == EntityKind::Key && row.body.is_none()) {
                usages.remove(&row.id);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, LastUsage>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
