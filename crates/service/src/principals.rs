//! Principals that documents name: whether they exist, and who they are now.

use std::collections::BTreeMap;

use keyward_authz::UniqueId;
use keyward_policy::{Arn, Policy, PrincipalKind};

use crate::state::State;

/// A principal that a document names and that does not exist.
pub(crate) struct UnknownPrincipal(pub(crate) String);

/// Binds the users and roles of a document to who they are at this moment (A206): a successor of the same name is
/// somebody else. Accounts are not looked up: a key or a role may be shared with whoever lives elsewhere.
///
/// # Errors
/// The first entry that names nobody (A130).
pub(crate) fn bind(state: &State, policy: &Policy) -> Result<BTreeMap<String, UniqueId>, UnknownPrincipal> {
    let mut bound = BTreeMap::new();
    let entries = policy.statements().iter().filter_map(|statement| statement.principal()).flat_map(|principal| &principal.entries);
    for entry in entries {
        let unknown = || UnknownPrincipal(entry.text.to_string());
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
