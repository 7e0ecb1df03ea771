//! A store that forgets when it is dropped, for `--ephemeral` servers and tests.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use keyward_crypto::KeyCheckValue;
use keyward_service::{Commit, Entity, EntityKind, LastUsage, Loaded, Record, Store, StoreError};

/// Keeps everything in memory. Clones share it, so that its trail can be read beside the host.
#[derive(Clone, Default)]
pub struct MemoryStore {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Default)]
struct Inner {
    root_key: Option<KeyCheckValue>,
    revision: u64,
    rows: BTreeMap<(EntityKind, String), Vec<u8>>,
    records: Vec<Record>,
    last_usages: BTreeMap<String, LastUsage>,
}

impl MemoryStore {
    /// The trail so far, oldest first.
    pub fn records(&self) -> Vec<Record> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).records.clone()
    }
}

impl Store for MemoryStore {
    fn load(&mut self) -> Result<Loaded, StoreError> {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let decode = |((kind, id), body): (&(EntityKind, String), &Vec<u8>)| {
            Entity::decode(*kind, body).map_err(|error| StoreError::Corrupt(format!("{} {id}: {error}", kind.name())))
        };
        Ok(Loaded {
            root_key: inner.root_key,
            revision: inner.revision,
            entities: inner.rows.iter().map(decode).collect::<Result<_, _>>()?,
            last_usages: inner.last_usages.clone().into_iter().collect(),
            latest_ms: inner.records.iter().map(|record| record.time_ms).max().unwrap_or(0),
        })
    }

    fn commit(&mut self, batch: &[Commit]) -> Result<(), StoreError> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        for commit in batch {
            for row in &commit.rows {
                let place = (row.kind, row.id.clone());
                match &row.body {
                    Some(body) => inner.rows.insert(place, body.clone()),
                    None => inner.rows.remove(&place),
                };
                if row.kind == EntityKind::Key && row.body.is_none() {
                    inner.last_usages.remove(&row.id);
                }
            }
            inner.revision += u64::from(!commit.rows.is_empty());
            for (keys, usage) in commit.records.iter().filter_map(Record::usage) {
                inner.last_usages.extend(keys.iter().map(|key| (key.to_string(), usage.clone())));
            }
            inner.records.extend(commit.records.iter().cloned());
        }
        Ok(())
    }

    fn adopt_root_key(&mut self, check: &KeyCheckValue) -> Result<(), StoreError> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).root_key = Some(*check);
        Ok(())
    }
}
