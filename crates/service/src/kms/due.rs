//! What KMS does by itself when its time comes, and records as its own doing (K92) (K100) (A1011).

use std::sync::Arc;

use jiff::Timestamp;

use super::rotation::rotate_by_schedule;
use crate::entities::{Change, Entity, EntityKey, Key, KeyState};
use crate::env::Env;
use crate::error::Error;
use crate::state::State;
use crate::trail::ServiceEvent;
use crate::vault::Vault;

/// What happens by now, in the order in which it does.
pub(crate) fn due(state: &State, now: Timestamp, vault: &Vault, env: &Env) -> Result<(Vec<Change>, Vec<ServiceEvent>), Error> {
    let (mut changes, mut events) = (Vec::new(), Vec::new());
    for key in state.due(now) {
        if key.state == KeyState::PendingDeletion {
            changes.extend(deletion(state, key));
            events.push(ServiceEvent::new("DeleteKey", key.arn()));
            continue;
        }
        let mut next = Key::clone(key);
        events.extend(rotate_by_schedule(&mut next, now, vault, env)?);
        changes.push(Change::Put(Entity::Key(Arc::new(next))));
    }
    Ok((changes, events))
}

/// (K92) A key ends with its aliases and grants.
fn deletion(state: &State, key: &Key) -> Vec<Change> {
    let arn = key.arn();
    let aliases = key.facts.aliases.iter().map(|name| EntityKey::Alias(arn.account(), arn.region().clone(), name.clone()));
    let grants = state.grants(arn).map(|grant| EntityKey::Grant(arn.clone(), grant.id.clone()));
    aliases.chain(grants).chain([EntityKey::Key(arn.clone())]).map(Change::Delete).collect()
}
