//! Organizations of a seed. Units are known by their name in their parent, policies by type and name; accounts and units
//! that the file does not name stay where they are.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use keyward_policy::AccountId;

use super::apply::{Fault, Seeding};
use super::{SeedMember, SeedOrganization, SeedUnit};
use crate::entities::{Entity, JoinedMethod, Member, Organization, OrganizationPolicy, OrganizationPolicyType, OrganizationalUnit};
use crate::organizations::{UNIT_DEPTH_MAX, checked_policy, is_organization_id, is_policy_id, is_root_id, is_unit_id, new_id};

/// What the file says about policies of one node.
struct Attachments<'a> {
    names: &'a [String],
    full_access: bool,
}

impl Seeding<'_> {
    pub(super) fn organization(&mut self, management: AccountId, seed: &SeedOrganization) -> Result<(), Fault> {
        self.known(management)?;
        let existing = match self.state.member(management).cloned() {
            Some(member) => {
                let organization = self.state.organization(&member.organization).filter(|organization| organization.management == management);
                Some(organization.cloned().ok_or_else(|| Fault::new("the account is a member of another organization"))?)
            }
            None => None,
        };
        let id = self.fixed(seed.id.as_ref(), existing.as_ref().map(|existing| &existing.id), is_organization_id, "o-", 10)?;
        let root = self.fixed(seed.root.as_ref(), existing.as_ref().map(|existing| &existing.root), is_root_id, "r-", 4)?;
        if existing.is_none() && self.state.organization(&id).is_some() {
            return Err(Fault::new("another organization has this id").at(&["id"]));
        }
        let policy_types = seed.policy_types.clone().unwrap_or_else(|| OrganizationPolicyType::ALL.to_vec()).into_iter().collect();
        let mut organization = Organization {
            id,
            management,
            partition: self.state.partition(management),
            root,
            policy_types,
            attached: existing.as_ref().map(|existing| existing.attached.clone()).unwrap_or_default(),
            root_tags: existing.as_ref().map(|existing| existing.root_tags.clone()).unwrap_or_default(),
            created_at: existing.map_or(self.now, |existing| existing.created_at),
        };
        let mut policies = BTreeMap::new();
        for (name, policy) in &seed.policies {
            let id = self.organization_policy(&organization, name, policy).map_err(|fault| fault.at(&["policies", name]))?;
            policies.insert(name.clone(), (policy.r#type, id));
        }
        organization.attached = attached(&organization, &policies, &Attachments { names: &seed.attached, full_access: seed.full_access })?;
        self.put(Entity::Organization(Arc::new(organization.clone())));
        let mut placed = BTreeSet::new();
        let root = organization.root.clone();
        self.below(&organization, &policies, &root, &seed.accounts, &seed.units, 0, &mut placed)?;
        if placed.insert(management) && self.state.member(management).is_none() {
            self.member(&organization, &policies, &root, management, &SeedMember { attached: Vec::new(), full_access: true })?;
        }
        Ok(())
    }

    fn known(&self, account: AccountId) -> Result<(), Fault> {
        let missing = || Fault::new(format!("there is no account {account}; write it under `accounts`"));
        self.state.account(account).map(|_| ()).ok_or_else(missing)
    }

    /// An id that the file fixes, or that is there, or a new one. Ids never change.
    fn fixed(
        &self,
        fixed: Option<&String>,
        existing: Option<&String>,
        proper: impl Fn(&str) -> bool,
        prefix: &str,
        characters: usize,
    ) -> Result<String, Fault> {
        let place = if prefix == "r-" { "root" } else { "id" };
        match (fixed, existing) {
            (Some(fixed), _) if !proper(fixed) => {
                Err(Fault::new(format!("an id begins with `{prefix}` and has at least {characters} small letters and digits behind it")).at(&[place]))
            }
            (Some(fixed), Some(existing)) if fixed != existing => {
                Err(Fault::new(format!("it is there already, with the id {existing}")).at(&[place]))
            }
            (Some(id), _) | (None, Some(id)) => Ok(id.clone()),
            (None, None) => Ok(new_id(self.host.env(), prefix, characters)?),
        }
    }

    fn organization_policy(&mut self, organization: &Organization, name: &str, seed: &super::SeedOrganizationPolicy) -> Result<String, Fault> {
        let policy = checked_policy(seed.r#type, &seed.document.text()).map_err(|error| Fault::from(error).at(&["document"]))?;
        let same =
            |policy: &&Arc<OrganizationPolicy>| policy.organization == organization.id && policy.policy_type == seed.r#type && policy.name == name;
        let existing = self.state.organization_policies().find(same).cloned();
        let id = self.fixed(seed.id.as_ref(), existing.as_ref().map(|existing| &existing.id), is_policy_id, "p-", 8)?;
        if existing.is_none() && self.state.organization_policy(&id).is_some() {
            return Err(Fault::new("another policy has this id").at(&["id"]));
        }
        self.put(Entity::OrganizationPolicy(Arc::new(OrganizationPolicy {
            id: id.clone(),
            organization: organization.id.clone(),
            policy_type: seed.r#type,
            name: name.to_owned(),
            description: seed.description.clone(),
            policy,
            tags: existing.as_ref().map(|existing| existing.tags.clone()).unwrap_or_default(),
            created_at: existing.map_or(self.now, |existing| existing.created_at),
        })));
        Ok(id)
    }

    #[expect(clippy::too_many_arguments, reason = "a walk down a tree carries what holds for the whole of it")]
    fn below(
        &mut self,
        organization: &Organization,
        policies: &Policies,
        parent: &str,
        accounts: &BTreeMap<AccountId, SeedMember>,
        units: &BTreeMap<String, SeedUnit>,
        depth: usize,
        placed: &mut BTreeSet<AccountId>,
    ) -> Result<(), Fault> {
        for (account, seed) in accounts {
            let place = ["accounts", account.as_str()];
            if !placed.insert(*account) {
                return Err(Fault::new("the account stands in two places of the organization").at(&place));
            }
            self.member(organization, policies, parent, *account, seed).map_err(|fault| fault.at(&place))?;
        }
        for (name, seed) in units {
            let place = ["units", name.as_str()];
            if depth == UNIT_DEPTH_MAX {
                return Err(Fault::new(format!("units are at most {UNIT_DEPTH_MAX} deep")).at(&place));
            }
            let id = self.unit(organization, policies, parent, name, seed).map_err(|fault| fault.at(&place))?;
            self.below(organization, policies, &id, &seed.accounts, &seed.units, depth + 1, placed).map_err(|fault| fault.at(&place))?;
        }
        Ok(())
    }

    fn member(&mut self, organization: &Organization, policies: &Policies, parent: &str, account: AccountId, seed: &SeedMember) -> Result<(), Fault> {
        self.known(account)?;
        let existing = self.state.member(account).cloned();
        if existing.as_ref().is_some_and(|existing| existing.organization != organization.id) {
            return Err(Fault::new("the account is a member of another organization"));
        }
        self.put(Entity::Member(Arc::new(Member {
            account,
            organization: organization.id.clone(),
            parent: parent.to_owned(),
            attached: attached(organization, policies, &Attachments { names: &seed.attached, full_access: seed.full_access })?,
            tags: existing.as_ref().map(|existing| existing.tags.clone()).unwrap_or_default(),
            joined: existing.as_ref().map_or(JoinedMethod::Invited, |existing| existing.joined),
            joined_at: existing.map_or(self.now, |existing| existing.joined_at),
        })));
        Ok(())
    }

    fn unit(&mut self, organization: &Organization, policies: &Policies, parent: &str, name: &str, seed: &SeedUnit) -> Result<String, Fault> {
        let existing = self.state.units().find(|unit| unit.parent == parent && unit.name == name).cloned();
        let prefix = format!("ou-{}-", organization.root.trim_start_matches("r-"));
        let proper = |id: &str| is_unit_id(id, &organization.root);
        let id = self.fixed(seed.id.as_ref(), existing.as_ref().map(|existing| &existing.id), proper, &prefix, 8)?;
        if existing.is_none() && self.state.unit(&id).is_some() {
            return Err(Fault::new("another unit has this id").at(&["id"]));
        }
        self.put(Entity::OrganizationalUnit(Arc::new(OrganizationalUnit {
            id: id.clone(),
            organization: organization.id.clone(),
            parent: parent.to_owned(),
            name: name.to_owned(),
            attached: attached(organization, policies, &Attachments { names: &seed.attached, full_access: seed.full_access })?,
            tags: existing.as_ref().map(|existing| existing.tags.clone()).unwrap_or_default(),
            created_at: existing.map_or(self.now, |existing| existing.created_at),
        })));
        Ok(id)
    }
}

/// The policies of a seed by name: type and id.
type Policies = BTreeMap<String, (OrganizationPolicyType, String)>;

/// The ids of what shall be attached. AWS's own RCP is attached wherever its type is enabled (A324).
fn attached(organization: &Organization, policies: &Policies, wanted: &Attachments<'_>) -> Result<BTreeSet<String>, Fault> {
    let named = |(at, name): (usize, &String)| {
        let place = ["attached", &at.to_string()].map(str::to_owned);
        let place: Vec<&str> = place.iter().map(String::as_str).collect();
        let (policy_type, id) =
            policies.get(name).ok_or_else(|| Fault::new(format!("there is no policy `{name}` under `policies` of this organization")).at(&place))?;
        if !organization.policy_types.contains(policy_type) {
            return Err(Fault::new(format!("`{name}` is of the type {}, which is not enabled", policy_type.name())).at(&place));
        }
        Ok(id.clone())
    };
    let mut ids = wanted.names.iter().enumerate().map(named).collect::<Result<BTreeSet<_>, _>>()?;
    for policy_type in &organization.policy_types {
        if wanted.full_access || *policy_type == OrganizationPolicyType::ResourceControl {
            ids.insert(policy_type.full_access().to_owned());
        }
    }
    let scps =
        wanted.names.iter().filter(|name| policies.get(*name).is_some_and(|(policy_type, _)| *policy_type == OrganizationPolicyType::ServiceControl));
    // [A320] A level without an SCP would allow nothing.
    if organization.policy_types.contains(&OrganizationPolicyType::ServiceControl) && !wanted.full_access && scps.count() == 0 {
        return Err(Fault::new("without FullAWSAccess another SCP must be attached, for a level without one allows nothing").at(&["full_access"]));
    }
    Ok(ids)
}
