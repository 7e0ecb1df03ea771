//! What KMS does by itself when its time comes, and records as its own doing (K92) (K100) (K113) (A1011).

use jiff::{SignedDuration, Timestamp};

use super::import::expiry;
use super::keys::put;
use super::rotation::rotate_by_schedule;
use crate::entities::{Change, EntityKey, Key, KeyState};
use crate::env::Env;
use crate::error::Error;
use crate::state::State;
use crate::trail::ServiceEvent;
use crate::vault::Vault;

/// What happens by now, in the order in which it does. Each thing sees what came before it.
pub(crate) fn due(state: &State, now: Timestamp, vault: &Vault, env: &Env) -> Result<(Vec<Change>, Vec<ServiceEvent>), Error> {
    let (mut state, mut changes, mut events) = (state.clone(), Vec::new(), Vec::new());
    // INVARIANT: nothing is due twice: what expired has no date any more, what is deleted is gone, what rotated has a later one.
    while let Some(key) = { state.next_due(now).cloned() } {
        let (next, told) = match expiry(&state, &key, now)? {
            Some((next, event)) => (next, vec![event]),
            None if key.state == KeyState::PendingDeletion => (deletion(&state, &key, now)?, vec![ServiceEvent::new("DeleteKey", key.arn())]),
            None => rotate_by_schedule(&state, &key, now, vault, env)?,
        };
        state = state.with(&next);
        changes.extend(next);
        events.extend(told);
    }
    Ok((changes, events))
}

/// (K92) A key ends with its aliases and grants.
fn deletion(state: &State, key: &Key, now: Timestamp) -> Result<Vec<Change>, Error> {
    let arn = key.arn();
    let aliases = key.facts.aliases.iter().map(|name| EntityKey::Alias(arn.account(), arn.region().clone(), name.clone()));
    let grants = state.grants(arn).map(|grant| EntityKey::Grant(arn.clone(), grant.id.clone()));
    let mut changes: Vec<Change> = aliases.chain(grants).chain([EntityKey::Key(arn.clone())]).map(Change::Delete).collect();
    // [K91] The primary's own time begins when its last replica is gone.
    let is_last = state.replicas_of(arn).all(|replica| replica.arn() == arn);
    if let Some(days) = state.primary_of(key).pending_window_days.filter(|_| is_last && key.is_replica()) {
        let mut primary = Key::clone(state.primary_of(key));
        primary.state = KeyState::PendingDeletion;
        primary.deletion_at = Some(days_from(now, days)?);
        primary.pending_window_days = None;
        changes.extend(put(primary));
    }
    Ok(changes)
}

/// A day of deletion (K89).
pub(super) fn days_from(now: Timestamp, days: i64) -> Result<Timestamp, Error> {
    now.checked_add(SignedDuration::from_hours(24 * days)).map_err(|_| Error::Internal("a date out of range"))
}
