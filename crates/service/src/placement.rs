//! What organizations come to for each account: its place, the SCPs above its principals, the RCPs above its resources.
//!
//! Found once after something in an organization changed, so that a call only looks its account up.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use keyward_authz::{Attached, Membership};
use keyward_policy::AccountId;

use crate::entities::{Member, Organization, OrganizationPolicyType};
use crate::organizations::{UNIT_DEPTH_MAX, policy_arn};
use crate::state::State;

/// What binds one account.
#[derive(Clone, Debug)]
pub(crate) struct Placement {
    pub(crate) membership: Membership,
    /// Whether it is the management account, which SCPs and RCPs never bind (A321).
    pub(crate) management: bool,
    /// By level, root first; none where SCPs do not bind (A320) (A321).
    pub(crate) scps: Option<Vec<Vec<Attached>>>,
    /// The customer RCPs above the account (A324).
    pub(crate) rcps: Vec<Attached>,
}

pub(crate) type Placements = HashMap<AccountId, Placement>;

/// The placements of every account that is in an organization.
pub(crate) fn placements(state: &State) -> Placements {
    let placed = |member: &Arc<Member>| Some((member.account, placement(state, state.organization(&member.organization)?, member)));
    state.members().filter_map(placed).collect()
}

/// A node on the way from the root to an account: what it is called, and what is attached to it.
pub(crate) struct Level<'s> {
    pub(crate) id: &'s str,
    pub(crate) attached: &'s BTreeSet<String>,
    name: String,
}

/// The way from the root through the units to a parent (A320). A unit whose parents do not lead to the root is in no way.
pub(crate) fn way<'s>(state: &'s State, organization: &'s Organization, parent: &str) -> Vec<Level<'s>> {
    let mut units = Vec::new();
    let mut at = parent;
    while let Some(unit) = state.unit(at).filter(|unit| unit.organization == organization.id && units.len() < UNIT_DEPTH_MAX) {
        units.push(Level { id: &unit.id, attached: &unit.attached, name: format!("ou/{}", unit.name) });
        at = &unit.parent;
    }
    units.push(Level { id: &organization.root, attached: &organization.attached, name: "the root".to_owned() });
    units.reverse();
    units
}

/// `o-…/r-…/ou-…/`
pub(crate) fn path(organization: &Organization, way: &[Level<'_>]) -> String {
    way.iter().fold(format!("{}/", organization.id), |path, level| format!("{path}{}/", level.id))
}

fn placement(state: &State, organization: &Organization, member: &Member) -> Placement {
    let mut levels = way(state, organization, &member.parent);
    let membership = Membership { id: organization.id.as_str().into(), path: Some(path(organization, &levels).into()) };
    levels.push(Level { id: "", attached: &member.attached, name: format!("account/{}", member.account) });
    // [A321] Neither type binds the management account; a type that is not enabled binds nobody.
    let binds = |policy_type| member.account != organization.management && organization.policy_types.contains(&policy_type);
    let of = |policy_type| move |level: &Level<'_>| attached(state, organization, level, policy_type);
    Placement {
        membership,
        management: member.account == organization.management,
        scps: binds(OrganizationPolicyType::ServiceControl).then(|| levels.iter().map(of(OrganizationPolicyType::ServiceControl)).collect()),
        rcps: if binds(OrganizationPolicyType::ResourceControl) {
            // AWS's own RCP allows everything and is always there: only Denies matter (A324).
            levels.iter().flat_map(of(OrganizationPolicyType::ResourceControl)).filter(|rcp| !is_full_access(rcp)).collect()
        } else {
            Vec::new()
        },
    }
}

fn is_full_access(rcp: &Attached) -> bool {
    rcp.arn.as_deref().is_some_and(|arn| arn.ends_with(OrganizationPolicyType::ResourceControl.full_access()))
}

fn attached(state: &State, organization: &Organization, level: &Level<'_>, policy_type: OrganizationPolicyType) -> Vec<Attached> {
    let one = |id: &String| {
        let (name, policy) = if id == policy_type.full_access() {
            (id.trim_start_matches("p-"), crate::organizations::full_access_document(policy_type).clone())
        } else {
            let stored = state.organization_policy(id).filter(|policy| policy.policy_type == policy_type)?;
            (stored.name.as_str(), stored.policy.clone())
        };
        let arn = policy_arn(organization, policy_type, id);
        Some(Attached { policy, name: format!("\"{name}\" on {}", level.name).into(), arn: Some(arn.into()) })
    };
    level.attached.iter().filter_map(one).collect()
}
