//! Principals that documents name: whether they exist, and who they are now.

use std::collections::BTreeMap;

use keyward_authz::{ResourcePolicy, UniqueId};
use keyward_policy::{Arn, Partition, Policy, PrincipalEntry, PrincipalKind};

use crate::state::State;

/// A principal that a document names and that does not exist.
pub(crate) struct UnknownPrincipal(pub(crate) String);

/// Binds the users and roles of a document to who they are at this moment (A206): a successor of the same name is
/// somebody else. Accounts are not looked up: a key or a role may be shared with whoever lives elsewhere.
///
/// `partition` is that of what the document is about: names of another one are nobody's there (A121).
///
/// # Errors
/// The first entry that names nobody (A130).
pub(crate) fn bind(state: &State, policy: &Policy, partition: Partition) -> Result<BTreeMap<String, UniqueId>, UnknownPrincipal> {
    let mut bound = BTreeMap::new();
    for entry in entries(policy) {
        let unknown = || UnknownPrincipal(entry.text.to_string());
        if entry.text.parse::<Arn>().is_ok_and(|arn| arn.partition() != partition.as_str()) {
            return Err(unknown());
        }
        match &entry.kind {
            PrincipalKind::User(arn) | PrincipalKind::Role(arn) => {
                bound.insert(entry.text.to_string(), living(state, arn).ok_or_else(unknown)?);
            }
            PrincipalKind::RoleSession(arn) => {
                let role = arn.resource_after("assumed-role").and_then(|rest| rest.split('/').next()).unwrap_or_default();
                arn.account().and_then(|account| state.role(account, role)).ok_or_else(unknown)?;
            }
            PrincipalKind::UniqueId => {
                state.arn_of(&UniqueId((&*entry.text).into())).ok_or_else(unknown)?; // a stale id [A130]
            }
            _ => {}
        }
    }
    Ok(bound)
}

/// The text of a policy as it is read back: the bare id stands where a principal is gone (A206) (K287), and the new ARN
/// where it was renamed. What else the text says of that name, in a condition, stays (A206).
pub(crate) fn shown(state: &State, policy: &ResourcePolicy) -> String {
    let text = policy.policy.text();
    let changed = |entry: &'_ PrincipalEntry| {
        let id = policy.bound.get(&*entry.text)?;
        let now = state.arn_of(id).unwrap_or(&id.0).to_owned();
        (matches!(entry.kind, PrincipalKind::User(_) | PrincipalKind::Role(_)) && now != *entry.text).then_some((entry.span, now))
    };
    let mut changed: Vec<_> = entries(&policy.policy).filter_map(changed).collect();
    changed.sort_unstable_by_key(|(span, _)| span.start);
    let (mut shown, mut at) = (String::with_capacity(text.len()), 0);
    for (span, now) in changed {
        shown.push_str(text.get(at..span.start as usize).unwrap_or_default());
        shown.push_str(&format!("\"{now}\""));
        at = span.end as usize;
    }
    shown.push_str(text.get(at..).unwrap_or_default());
    shown
}

fn entries(policy: &Policy) -> impl Iterator<Item = &PrincipalEntry> {
    policy.statements().iter().filter_map(|statement| statement.principal()).flat_map(|principal| &principal.entries)
}

/// The unique id of the living user or role with this ARN, path and all (A124).
pub(crate) fn living(state: &State, arn: &Arn) -> Option<UniqueId> {
    let account = arn.account()?;
    let name = arn.resource().rsplit('/').next()?;
    if arn.resource_after("role").is_some() {
        state.role(account, name).filter(|role| role.arn == *arn).map(|role| role.id.clone())
    } else {
        state.user(account, name).filter(|user| user.arn == *arn).map(|user| user.id.clone())
    }
}
