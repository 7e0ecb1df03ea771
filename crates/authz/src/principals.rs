//! Whom a Principal element means (§1.2, §2).

use keyward_policy::{Arn, PrincipalElement, PrincipalEntry, PrincipalKind};

use crate::facts::{Principal, ResourcePolicy, Subject};

/// What an Allow statement's principal gives the caller, weakest first, before other layers have their say.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Admission {
    /// The caller's account is named: identity policies decide (A303).
    Delegated,
    /// The role or the user behind a federated session is named: boundary and session policy bind (A213) (A217).
    Bounded,
    /// The caller itself is named: nothing else is needed within the account (A212) (A214) (A215) (A216).
    Direct,
}

/// How an Allow statement's `Principal` admits the caller.
pub(crate) fn admission(element: &PrincipalElement, policy: &ResourcePolicy, subject: &Subject) -> Option<Admission> {
    if element.negated {
        return None; // [A129]
    }
    element.entries.iter().filter_map(|entry| entry_admission(entry, policy, subject)).max()
}

fn entry_admission(entry: &PrincipalEntry, policy: &ResourcePolicy, subject: &Subject) -> Option<Admission> {
    let principal = &subject.principal;
    match &entry.kind {
        PrincipalKind::Everyone => Some(Admission::Direct), // [A125] [A215]
        // [A127] [A209] The root user is what the account principal names.
        // [A311] Of whatever account: the owner's own, or another that is let in.
        PrincipalKind::Account(account) if principal.account() == Some(*account) && same_partition(&entry.text, principal) => {
            Some(if matches!(principal, Principal::Root { .. }) { Admission::Direct } else { Admission::Delegated })
        }
        PrincipalKind::Account(_) => None,
        _ => named(entry, policy, principal),
    }
}

/// The caller named as itself: by ARN, by unique id, as a service.
fn named(entry: &PrincipalEntry, policy: &ResourcePolicy, principal: &Principal) -> Option<Admission> {
    // [A206] A stored ARN means the entity that bore it then, whatever it is called now.
    let means = |named: &Arn, arn: &Arn, id: &Option<_>| match policy.bound.get(&*entry.text) {
        Some(bound) => id.as_ref() == Some(bound),
        None => named == arn,
    };
    let by_id = |id: &Option<crate::names::UniqueId>| id.as_ref().is_some_and(|id| *id.0 == *entry.text); // [A207]
    match (principal, &entry.kind) {
        (Principal::User { arn, id }, PrincipalKind::User(named)) if means(named, arn, id) => Some(Admission::Direct),
        (Principal::User { id, .. }, PrincipalKind::UniqueId) if by_id(id) => Some(Admission::Direct),
        // [A204] Exactly, with whatever path and suffix the role has.
        (Principal::RoleSession { role, id, .. }, PrincipalKind::Role(named)) if means(named, role, id) => Some(Admission::Bounded),
        (Principal::RoleSession { id, .. }, PrincipalKind::UniqueId) if by_id(id) => Some(Admission::Bounded),
        (Principal::RoleSession { session, .. }, PrincipalKind::RoleSession(named)) if session == named => Some(Admission::Direct), // [A205]
        (Principal::FederatedUser { arn, .. }, PrincipalKind::FederatedUser(named)) if arn == named => Some(Admission::Direct),
        (Principal::FederatedUser { user: Some(user), user_id, .. }, PrincipalKind::User(named)) if means(named, user, user_id) => {
            Some(Admission::Bounded)
        }
        (Principal::FederatedUser { user_id, .. }, PrincipalKind::UniqueId) if by_id(user_id) => Some(Admission::Bounded),
        (Principal::Service { name }, PrincipalKind::Service) if **name == *entry.text => Some(Admission::Direct),
        _ => None,
    }
}

/// Whether a Deny statement, or an endpoint policy's statement, means the caller (A128) (A331).
pub(crate) fn concerns(element: &PrincipalElement, policy: &ResourcePolicy, subject: &Subject) -> bool {
    let means = |entry: &PrincipalEntry| entry_admission(entry, policy, subject).is_some();
    if !element.negated {
        return element.entries.iter().any(means);
    }
    // [A221] A boundary makes NotPrincipal deny whoever is listed.
    subject.boundary.is_some() || !exempted(element, policy, &subject.principal)
}

/// (A220) NotPrincipal exempts a caller only if every level of its identity is listed.
fn exempted(element: &PrincipalElement, policy: &ResourcePolicy, principal: &Principal) -> bool {
    let listed = |wanted: Admission, kinds: &dyn Fn(&PrincipalKind) -> bool| {
        element.entries.iter().any(|entry| kinds(&entry.kind) && named(entry, policy, principal) == Some(wanted))
    };
    let is_account = |entry: &PrincipalEntry| matches!(entry.kind, PrincipalKind::Account(account) if principal.account() == Some(account));
    let account = || element.entries.iter().any(|entry| is_account(entry) && same_partition(&entry.text, principal));
    if element.entries.iter().any(|entry| entry.kind == PrincipalKind::Everyone) {
        return true;
    }
    match principal {
        Principal::User { .. } => listed(Admission::Direct, &|_| true) && account(),
        Principal::RoleSession { .. } | Principal::FederatedUser { .. } => {
            listed(Admission::Direct, &|_| true) && listed(Admission::Bounded, &|_| true) && account()
        }
        Principal::Root { .. } => account(),
        Principal::Service { .. } => listed(Admission::Direct, &|kind| *kind == PrincipalKind::Service),
    }
}

/// (A121) An account ARN's partition must be the account's.
fn same_partition(text: &str, principal: &Principal) -> bool {
    let caller = match principal {
        Principal::User { arn, .. } | Principal::FederatedUser { arn, .. } => arn.partition(),
        Principal::RoleSession { role, .. } => role.partition(),
        Principal::Root { partition, .. } => partition.as_str(),
        // A service calls under no account, so no account ARN is its.
        Principal::Service { .. } => return true,
    };
    !text.starts_with("arn:") || text.split(':').nth(1) == Some(caller)
}
