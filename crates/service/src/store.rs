//! The port to wherever state and trail are kept. `keyward-store` implements it.

use keyward_crypto::KeyCheckValue;

use crate::entities::{Entity, EntityKind};
use crate::trail::Record;
use crate::usages::LastUsage;

/// Keeps an estate and its trail.
pub trait Store: Send + 'static {
    /// Reads everything.
    ///
    /// # Errors
    /// When the store cannot be read, or holds what this release does not read.
    fn load(&mut self) -> Result<Loaded, StoreError>;

    /// Writes the commits, in order and in one transaction. On `Ok` all of it survives a power cut (T48, T49).
    ///
    /// # Errors
    /// Nothing of the batch was written. After [`StoreError::Final`] nothing may be written any more (T50).
    fn commit(&mut self, batch: &[Commit]) -> Result<(), StoreError>;

    /// Remembers the root key's check value in a new, empty store (T40).
    ///
    /// # Errors
    /// As [`commit`](Self::commit).
    fn adopt_root_key(&mut self, check: &KeyCheckValue) -> Result<(), StoreError>;
}

/// What a store held when it was opened.
pub struct Loaded {
    /// The check value of the root key under which it is sealed; none in a new store.
    pub root_key: Option<KeyCheckValue>,
    /// The number of commits so far.
    pub revision: u64,
    /// Everything, in any order.
    pub entities: Vec<Entity>,
    /// The last use of each key, by its ARN (K107).
    pub last_usages: Vec<(String, LastUsage)>,
    /// The latest time in the trail, in milliseconds since the epoch: the clock never goes below it (T5).
    pub latest_ms: i64,
}

/// One call's changes and records.
pub struct Commit {
    /// Rows to put or delete.
    pub rows: Vec<Row>,
    /// What the trail keeps of the call.
    pub records: Vec<Record>,
}

/// A row: put when it has a body, deleted when not.
pub struct Row {
    /// The kind of thing.
    pub kind: EntityKind,
    /// Its name, unique in its kind.
    pub id: String,
    /// Its stored form.
    pub body: Option<Vec<u8>>,
}

/// A store that does not do what it should.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Nothing was written, and trying later may help: the disk is full, or read-only (T51).
    #[error("the store cannot write now: {0}")]
    Retry(String),
    /// What is on disk is unknown: stop, and recover from disk (T50).
    #[error("the store failed: {0}")]
    Final(String),
    /// It holds something that cannot be read.
    #[error("the store does not read: {0}")]
    Corrupt(String),
}
