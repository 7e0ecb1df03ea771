//! The estate at one revision: an immutable value that a call holds from start to end (T22).
//!
//! Maps are persistent: a new revision shares all but the changed paths with the old one.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use imbl::{HashMap, OrdMap, OrdSet};
use jiff::Timestamp;
use keyward_authz::{AliasName, Attached, Grant, GrantId, KeyArn, KeyId, Membership, Principal, Resource, Subject, Target, UniqueId};
use keyward_policy::{AccountId, Partition, Region};

use crate::aws_managed;
use crate::caller::{Caller, Identity, Session};
use crate::entities::{
    AccessKey, Account, AccountCreation, Alias, Change, Connection, CustomKeyStore, Door, Entity, EntityKey, Group, Handshake, InlinePolicies, Key,
    ManagedPolicy, Member, Organization, OrganizationPolicy, OrganizationalUnit, ProxyClient, Role, User, VpcEndpoint,
};
use crate::placement::{Placement, Placements, placements};

/// An account and a name in lower case (K270).
type InAccount = (AccountId, String);

/// The name of a session that stands for all sessions of its role.
const ANY_SESSION: &str = "any-session";

/// Everything that is known, at one revision.
#[derive(Clone, Default)]
pub struct State {
    revision: u64,
    accounts: OrdMap<AccountId, Arc<Account>>,
    access_keys: HashMap<String, Arc<AccessKey>>,
    users: OrdMap<InAccount, Arc<User>>,
    groups: OrdMap<InAccount, Arc<Group>>,
    roles: OrdMap<InAccount, Arc<Role>>,
    policies: OrdMap<String, Arc<ManagedPolicy>>,
    keys: OrdMap<(AccountId, Region, KeyId), Arc<Key>>,
    /// Where each multi-Region key has its primary and its replicas.
    regions: HashMap<(AccountId, KeyId), OrdSet<Region>>,
    /// Keys by the moment at which something happens to them though nobody calls.
    due: OrdSet<(Timestamp, KeyArn)>,
    aliases: OrdMap<(AccountId, Region, AliasName), Arc<Alias>>,
    grants: HashMap<KeyArn, KeyGrants>,
    /// Retiring principal as written → the grants that name it.
    retirable: HashMap<String, OrdSet<(KeyArn, GrantId)>>,
    doors: OrdMap<String, Arc<Door>>,
    organizations: OrdMap<String, Arc<Organization>>,
    units: OrdMap<String, Arc<OrganizationalUnit>>,
    members: OrdMap<AccountId, Arc<Member>>,
    organization_policies: OrdMap<String, Arc<OrganizationPolicy>>,
    account_creations: OrdMap<String, Arc<AccountCreation>>,
    handshakes: OrdMap<String, Arc<Handshake>>,
    vpc_endpoints: OrdMap<String, Arc<VpcEndpoint>>,
    custom_key_stores: OrdMap<(AccountId, Region, String), Arc<CustomKeyStore>>,
    proxy_clients: OrdMap<String, Arc<ProxyClient>>,
    /// What the organizations come to for each account: found when somebody asks first after anything in them changed.
    /// INVARIANT: revisions that share it have the same organizations.
    placements: Arc<OnceLock<Placements>>,
    /// Unique ids of living users and roles → their ARN.
    unique_ids: HashMap<UniqueId, String>,
}

/// The grants on one key, found by id and by grantee: the cost of a call does not grow with the other grants.
#[derive(Clone, Default)]
struct KeyGrants {
    by_id: OrdMap<GrantId, Arc<Grant>>,
    by_grantee: HashMap<String, OrdSet<GrantId>>,
}

impl State {
    /// The number of commits that led here.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// The next revision, with the changes in it.
    #[must_use]
    pub fn with(&self, changes: &[Change]) -> Self {
        let mut next = self.clone();
        next.revision += 1;
        for change in changes {
            next.apply(change);
        }
        if changes.iter().any(Change::places) {
            next.placements = Arc::default();
        }
        next
    }

    /// Builds a state from stored entities, in any order.
    pub fn load(revision: u64, entities: impl IntoIterator<Item = Entity>) -> Self {
        let mut state = Self { revision, ..Self::default() };
        let mut aliases = Vec::new();
        for entity in entities {
            match entity {
                // Aliases are written into their keys' facts, so the keys come first.
                Entity::Alias(_) => aliases.push(entity),
                entity => state.put(entity),
            }
        }
        for alias in aliases {
            state.put(alias);
        }
        state
    }

    fn apply(&mut self, change: &Change) {
        match change {
            Change::Put(entity) => self.put(entity.clone()),
            Change::Delete(key) => self.delete(key),
        }
    }

    fn put(&mut self, entity: Entity) {
        match entity {
            Entity::Account(account) => {
                self.accounts.insert(account.id, account);
            }
            Entity::AccessKey(key) => {
                self.access_keys.insert(key.id.clone(), key);
            }
            Entity::User(user) => {
                self.unique_ids.insert(user.id.clone(), user.arn.to_string());
                self.users.insert(in_account(user.account, &user.name), user);
            }
            Entity::Group(group) => {
                self.groups.insert(in_account(group.account, &group.name), group);
            }
            Entity::Role(role) => {
                self.unique_ids.insert(role.id.clone(), role.arn.to_string());
                self.roles.insert(in_account(role.account, &role.name), role);
            }
            Entity::ManagedPolicy(policy) => {
                self.policies.insert(policy.arn.to_string(), policy);
            }
            Entity::Key(mut key) => {
                let place = place(key.arn());
                // Aliases live in the state, not in the stored key; so does whether its store is connected.
                let aliases = self.keys.get(&place).map(|old| old.facts.aliases.clone()).unwrap_or_default();
                let unavailable = self.is_out_of_reach(&key);
                if key.unavailable != unavailable {
                    Arc::make_mut(&mut key).unavailable = unavailable;
                }
                if key.facts.aliases != aliases {
                    Arc::make_mut(&mut key).facts.aliases = aliases;
                }
                if let Some(due_at) = key.due_at() {
                    self.due.insert((due_at, key.arn().clone()));
                }
                if key.facts.multi_region.is_some() {
                    let arn = key.arn();
                    self.regions.entry((arn.account(), arn.id().clone())).or_default().insert(arn.region().clone());
                }
                if let Some(old) = self.keys.insert(place, key.clone()).filter(|old| old.due_at() != key.due_at()) {
                    self.not_due(&old);
                }
            }
            Entity::Alias(alias) => {
                let name = (alias.account, alias.region.clone(), alias.name.clone());
                if let Some(old) = self.aliases.insert(name, alias.clone()) {
                    self.rename(&old, |aliases| aliases.retain(|name| *name != old.name));
                }
                self.rename(&alias, |aliases| {
                    aliases.push(alias.name.clone());
                    aliases.sort_unstable();
                });
            }
            Entity::Grant(grant) => self.put_grant(grant),
            Entity::Door(door) => {
                self.doors.insert(door.id.clone(), door);
            }
            Entity::Organization(organization) => {
                self.organizations.insert(organization.id.clone(), organization);
            }
            Entity::OrganizationalUnit(unit) => {
                self.units.insert(unit.id.clone(), unit);
            }
            Entity::Member(member) => {
                self.members.insert(member.account, member);
            }
            Entity::OrganizationPolicy(policy) => {
                self.organization_policies.insert(policy.id.clone(), policy);
            }
            Entity::AccountCreation(creation) => {
                self.account_creations.insert(creation.id.clone(), creation);
            }
            Entity::Handshake(handshake) => {
                self.handshakes.insert(handshake.id.clone(), handshake);
            }
            Entity::VpcEndpoint(endpoint) => {
                self.vpc_endpoints.insert(endpoint.id.clone(), endpoint);
            }
            Entity::ProxyClient(client) => {
                self.proxy_clients.insert(client.access_key_id.clone(), client);
            }
            Entity::CustomKeyStore(store) => {
                let (account, region, id) = (store.account, store.region.clone(), store.id.clone());
                self.custom_key_stores.insert((account, region.clone(), id.clone()), store);
                self.reach(account, &region, &id);
            }
        }
    }

    fn delete(&mut self, key: &EntityKey) {
        match key {
            EntityKey::Account(id) => {
                self.accounts.remove(id);
            }
            EntityKey::AccessKey(id) => {
                self.access_keys.remove(id);
            }
            EntityKey::User(account, name) => {
                if let Some(user) = self.users.remove(&in_account(*account, name)) {
                    self.unique_ids.remove(&user.id);
                }
            }
            EntityKey::Group(account, name) => {
                self.groups.remove(&in_account(*account, name));
            }
            EntityKey::Role(account, name) => {
                if let Some(role) = self.roles.remove(&in_account(*account, name)) {
                    self.unique_ids.remove(&role.id);
                }
            }
            EntityKey::ManagedPolicy(arn) => {
                self.policies.remove(arn);
            }
            EntityKey::Key(arn) => {
                if let Some(old) = self.keys.remove(&place(arn)) {
                    self.not_due(&old);
                }
                if let Some(regions) = self.regions.get_mut(&(arn.account(), arn.id().clone())) {
                    regions.remove(arn.region());
                }
                self.grants.remove(arn);
            }
            EntityKey::Alias(account, region, name) => {
                if let Some(old) = self.aliases.remove(&(*account, region.clone(), name.clone())) {
                    self.rename(&old, |aliases| aliases.retain(|name| *name != old.name));
                }
            }
            EntityKey::Grant(key, id) => self.delete_grant(key, id),
            EntityKey::Door(id) => {
                self.doors.remove(id);
            }
            EntityKey::Organization(id) => {
                self.organizations.remove(id);
            }
            EntityKey::OrganizationalUnit(id) => {
                self.units.remove(id);
            }
            EntityKey::Member(account) => {
                self.members.remove(account);
            }
            EntityKey::OrganizationPolicy(id) => {
                self.organization_policies.remove(id);
            }
            EntityKey::AccountCreation(id) => {
                self.account_creations.remove(id);
            }
            EntityKey::Handshake(id) => {
                self.handshakes.remove(id);
            }
            EntityKey::VpcEndpoint(id) => {
                self.vpc_endpoints.remove(id);
            }
            EntityKey::ProxyClient(id) => {
                self.proxy_clients.remove(id);
            }
            EntityKey::CustomKeyStore(account, region, id) => {
                self.custom_key_stores.remove(&(*account, region.clone(), id.clone()));
                self.reach(*account, region, id);
            }
        }
    }

    fn not_due(&mut self, key: &Key) {
        if let Some(due_at) = key.due_at() {
            self.due.remove(&(due_at, key.arn().clone()));
        }
    }

    /// Notes in the keys of a store whether it is connected now (K139).
    fn reach(&mut self, account: AccountId, region: &Region, store: &str) {
        let inside = |key: &&Arc<Key>| key.in_store.as_ref().is_some_and(|place| place.store == store);
        let keys: Vec<Arc<Key>> = self.keys(account, region).filter(inside).cloned().collect();
        for mut key in keys {
            let unavailable = self.is_out_of_reach(&key);
            if key.unavailable != unavailable {
                Arc::make_mut(&mut key).unavailable = unavailable;
                self.keys.insert(place(key.arn()), key);
            }
        }
    }

    fn is_out_of_reach(&self, key: &Key) -> bool {
        let store = |store: &str| self.custom_key_store(key.arn().account(), key.arn().region(), store);
        key.in_store.as_ref().is_some_and(|place| store(&place.store).is_none_or(|store| store.connection != Connection::Connected))
    }

    fn rename(&mut self, alias: &Alias, edit: impl FnOnce(&mut Vec<AliasName>)) {
        if let Some(key) = self.keys.get_mut(&(alias.account, alias.region.clone(), alias.target.clone())) {
            edit(&mut Arc::make_mut(key).facts.aliases);
        }
    }

    fn put_grant(&mut self, grant: Arc<Grant>) {
        let of_key = self.grants.entry(grant.key.clone()).or_default();
        of_key.by_grantee.entry(grant.terms.grantee.as_str().to_owned()).or_default().insert(grant.id.clone());
        of_key.by_id.insert(grant.id.clone(), grant.clone());
        if let Some(retiring) = &grant.terms.retiring {
            self.retirable.entry(retiring.as_str().to_owned()).or_default().insert((grant.key.clone(), grant.id.clone()));
        }
    }

    fn delete_grant(&mut self, key: &KeyArn, id: &GrantId) {
        let Some(of_key) = self.grants.get_mut(key) else { return };
        let Some(grant) = of_key.by_id.remove(id) else { return };
        if let Some(ids) = of_key.by_grantee.get_mut(grant.terms.grantee.as_str()) {
            ids.remove(id);
        }
        if let Some(retiring) = &grant.terms.retiring
            && let Some(named) = self.retirable.get_mut(retiring.as_str())
        {
            named.remove(&(key.clone(), id.clone()));
        }
    }

    /// Anything, by its name.
    pub fn entity(&self, key: &EntityKey) -> Option<Entity> {
        match key {
            EntityKey::Account(id) => self.accounts.get(id).cloned().map(Entity::Account),
            EntityKey::AccessKey(id) => self.access_keys.get(id).cloned().map(Entity::AccessKey),
            EntityKey::User(account, name) => self.user(*account, name).cloned().map(Entity::User),
            EntityKey::Group(account, name) => self.group(*account, name).cloned().map(Entity::Group),
            EntityKey::Role(account, name) => self.role(*account, name).cloned().map(Entity::Role),
            EntityKey::ManagedPolicy(arn) => self.policies.get(arn).cloned().map(Entity::ManagedPolicy),
            EntityKey::Key(arn) => self.key(arn).cloned().map(Entity::Key),
            EntityKey::Alias(account, region, name) => self.alias(*account, region, name).cloned().map(Entity::Alias),
            EntityKey::Grant(key, id) => self.grant(key, id).cloned().map(Entity::Grant),
            EntityKey::Door(id) => self.doors.get(id).cloned().map(Entity::Door),
            EntityKey::Organization(id) => self.organizations.get(id).cloned().map(Entity::Organization),
            EntityKey::OrganizationalUnit(id) => self.units.get(id).cloned().map(Entity::OrganizationalUnit),
            EntityKey::Member(account) => self.members.get(account).cloned().map(Entity::Member),
            EntityKey::OrganizationPolicy(id) => self.organization_policies.get(id).cloned().map(Entity::OrganizationPolicy),
            EntityKey::AccountCreation(id) => self.account_creations.get(id).cloned().map(Entity::AccountCreation),
            EntityKey::Handshake(id) => self.handshakes.get(id).cloned().map(Entity::Handshake),
            EntityKey::VpcEndpoint(id) => self.vpc_endpoints.get(id).cloned().map(Entity::VpcEndpoint),
            EntityKey::ProxyClient(id) => self.proxy_client(id).cloned().map(Entity::ProxyClient),
            EntityKey::CustomKeyStore(account, region, id) => self.custom_key_store(*account, region, id).cloned().map(Entity::CustomKeyStore),
        }
    }

    /// All accounts, by number.
    pub fn accounts(&self) -> impl Iterator<Item = &Arc<Account>> {
        self.accounts.values()
    }

    /// One account.
    pub fn account(&self, id: AccountId) -> Option<&Arc<Account>> {
        self.accounts.get(&id)
    }

    /// The partition of an account; that of most of the world for one that is elsewhere (A121).
    pub fn partition(&self, id: AccountId) -> Partition {
        self.account(id).map_or_else(Partition::default, |account| account.partition)
    }

    /// A long-term access key by id.
    pub fn access_key(&self, id: &str) -> Option<&Arc<AccessKey>> {
        self.access_keys.get(id)
    }

    /// All long-term access keys, in no order.
    pub fn access_keys(&self) -> impl Iterator<Item = &Arc<AccessKey>> {
        self.access_keys.values()
    }

    /// A user by name, ignoring case.
    pub fn user(&self, account: AccountId, name: &str) -> Option<&Arc<User>> {
        self.users.get(&in_account(account, name))
    }

    /// The users of an account, by name.
    pub fn users(&self, account: AccountId) -> impl Iterator<Item = &Arc<User>> {
        of_account(&self.users, account)
    }

    /// A group by name, ignoring case.
    pub fn group(&self, account: AccountId, name: &str) -> Option<&Arc<Group>> {
        self.groups.get(&in_account(account, name))
    }

    /// The groups of an account, by name.
    pub fn groups(&self, account: AccountId) -> impl Iterator<Item = &Arc<Group>> {
        of_account(&self.groups, account)
    }

    /// A role by name, ignoring case.
    pub fn role(&self, account: AccountId, name: &str) -> Option<&Arc<Role>> {
        self.roles.get(&in_account(account, name))
    }

    /// The roles of an account, by name.
    pub fn roles(&self, account: AccountId) -> impl Iterator<Item = &Arc<Role>> {
        of_account(&self.roles, account)
    }

    /// A customer managed policy by ARN.
    pub fn managed_policy(&self, arn: &str) -> Option<&Arc<ManagedPolicy>> {
        self.policies.get(arn)
    }

    /// The customer managed policies of an account, by ARN.
    pub fn managed_policies(&self, account: AccountId) -> impl Iterator<Item = &Arc<ManagedPolicy>> {
        self.policies.values().filter(move |policy| policy.account == account)
    }

    /// A key by ARN.
    pub fn key(&self, arn: &KeyArn) -> Option<&Arc<Key>> {
        self.keys.get(&place(arn))
    }

    /// A key by its parts.
    pub fn key_at(&self, account: AccountId, region: &Region, id: &KeyId) -> Option<&Arc<Key>> {
        self.keys.get(&(account, region.clone(), id.clone()))
    }

    /// The keys of one account in one Region, by id.
    pub fn keys(&self, account: AccountId, region: &Region) -> impl Iterator<Item = &Arc<Key>> {
        let region = region.clone();
        self.keys.values().filter(move |key| key.arn().account() == account && *key.arn().region() == region)
    }

    /// Every key there is.
    pub fn all_keys(&self) -> impl Iterator<Item = &Arc<Key>> {
        self.keys.values()
    }

    /// A multi-Region key in all its Regions, by Region; of another key nothing.
    pub fn related(&self, key: &KeyArn) -> impl Iterator<Item = &Arc<Key>> {
        let (account, id) = (key.account(), key.id().clone());
        let regions = self.regions.get(&(account, id.clone()));
        regions.into_iter().flatten().filter_map(move |region| self.key_at(account, region, &id))
    }

    /// The primary of a multi-Region key; every other key is its own.
    pub fn primary_of<'a>(&'a self, key: &'a Key) -> &'a Key {
        self.related(key.arn()).find(|related| !related.is_replica()).map_or(key, |primary| primary)
    }

    /// The replicas of a multi-Region key, by Region.
    pub fn replicas_of(&self, key: &KeyArn) -> impl Iterator<Item = &Arc<Key>> {
        self.related(key).filter(|related| related.is_replica())
    }

    /// Whether there is a key to which something happens by now.
    pub(crate) fn is_due(&self, now: Timestamp) -> bool {
        self.due.get_min().is_some_and(|(at, _)| *at <= now)
    }

    /// The key to which something happens first, if that is by now.
    pub(crate) fn next_due(&self, now: Timestamp) -> Option<&Arc<Key>> {
        self.due.get_min().filter(|(at, _)| *at <= now).and_then(|(_, arn)| self.key(arn))
    }

    /// How many keys there are in all.
    pub(crate) fn key_count(&self) -> usize {
        self.keys.len()
    }

    /// An alias.
    pub fn alias(&self, account: AccountId, region: &Region, name: &AliasName) -> Option<&Arc<Alias>> {
        self.aliases.get(&(account, region.clone(), name.clone()))
    }

    /// The aliases of one account in one Region, by name.
    pub fn aliases(&self, account: AccountId, region: &Region) -> impl Iterator<Item = &Arc<Alias>> {
        let region = region.clone();
        self.aliases.values().filter(move |alias| alias.account == account && alias.region == region)
    }

    /// A grant on a key.
    pub fn grant(&self, key: &KeyArn, id: &GrantId) -> Option<&Arc<Grant>> {
        self.grants.get(key)?.by_id.get(id)
    }

    /// The grants on a key, by id.
    pub fn grants(&self, key: &KeyArn) -> impl Iterator<Item = &Arc<Grant>> {
        self.grants.get(key).into_iter().flat_map(|of_key| of_key.by_id.values())
    }

    /// How many grants a key has.
    pub fn grant_count(&self, key: &KeyArn) -> usize {
        self.grants.get(key).map_or(0, |of_key| of_key.by_id.len())
    }

    /// The grants that name a retiring principal as written (A409).
    pub fn grants_retirable_by<'a>(&'a self, retiring: &str) -> impl Iterator<Item = &'a Arc<Grant>> {
        self.retirable.get(retiring).into_iter().flatten().filter_map(|(key, id)| self.grant(key, id))
    }

    /// The grants on a key that could concern a caller: those to any name that it answers to (A608).
    pub fn grants_for(&self, key: &KeyArn, principal: &Principal) -> Vec<Arc<Grant>> {
        let Some(of_key) = self.grants.get(key) else { return Vec::new() };
        let named = |name: &str| of_key.by_grantee.get(name).into_iter().flatten().filter_map(|id| of_key.by_id.get(id)).cloned();
        let root = principal.account().map(|account| format!("arn:{}:iam::{account}:root", self.partition(account)));
        let mut found: Vec<Arc<Grant>> = named(&principal.caller_arn()).chain(root.iter().flat_map(|root| named(root))).collect();
        match principal {
            Principal::RoleSession { role, .. } => found.extend(named(role.as_str())),
            Principal::FederatedUser { user: Some(user), .. } => found.extend(named(user.as_str())),
            Principal::User { .. } | Principal::FederatedUser { .. } | Principal::Root { .. } | Principal::Service { .. } => {}
        }
        // The root user's own ARN is the account's: named twice, listed once.
        found.dedup_by(|a, b| a.id == b.id);
        found
    }

    /// A service door.
    pub fn door(&self, id: &str) -> Option<&Arc<Door>> {
        self.doors.get(id)
    }

    /// All service doors, by id.
    pub fn doors(&self) -> impl Iterator<Item = &Arc<Door>> {
        self.doors.values()
    }

    /// An organization.
    pub fn organization(&self, id: &str) -> Option<&Arc<Organization>> {
        self.organizations.get(id)
    }

    /// All organizations, by id.
    pub fn organizations(&self) -> impl Iterator<Item = &Arc<Organization>> {
        self.organizations.values()
    }

    /// An organizational unit.
    pub fn unit(&self, id: &str) -> Option<&Arc<OrganizationalUnit>> {
        self.units.get(id)
    }

    /// All organizational units, by id.
    pub fn units(&self) -> impl Iterator<Item = &Arc<OrganizationalUnit>> {
        self.units.values()
    }

    /// An account's place in its organization, if it is in one.
    pub fn member(&self, account: AccountId) -> Option<&Arc<Member>> {
        self.members.get(&account)
    }

    /// All accounts that are in organizations, by number.
    pub fn members(&self) -> impl Iterator<Item = &Arc<Member>> {
        self.members.values()
    }

    /// A customer's SCP or RCP.
    pub fn organization_policy(&self, id: &str) -> Option<&Arc<OrganizationPolicy>> {
        self.organization_policies.get(id)
    }

    /// All customers' SCPs and RCPs, by id.
    pub fn organization_policies(&self) -> impl Iterator<Item = &Arc<OrganizationPolicy>> {
        self.organization_policies.values()
    }

    /// What became of a request for a new account.
    pub fn account_creation(&self, id: &str) -> Option<&Arc<AccountCreation>> {
        self.account_creations.get(id)
    }

    /// All requests for new accounts, by id.
    pub fn account_creations(&self) -> impl Iterator<Item = &Arc<AccountCreation>> {
        self.account_creations.values()
    }

    /// An invitation.
    pub fn handshake(&self, id: &str) -> Option<&Arc<Handshake>> {
        self.handshakes.get(id)
    }

    /// All invitations, by id.
    pub fn handshakes(&self) -> impl Iterator<Item = &Arc<Handshake>> {
        self.handshakes.values()
    }

    /// A VPC endpoint.
    pub fn vpc_endpoint(&self, id: &str) -> Option<&Arc<VpcEndpoint>> {
        self.vpc_endpoints.get(id)
    }

    /// All VPC endpoints, by id.
    pub fn vpc_endpoints(&self) -> impl Iterator<Item = &Arc<VpcEndpoint>> {
        self.vpc_endpoints.values()
    }

    /// A custom key store.
    pub fn custom_key_store(&self, account: AccountId, region: &Region, id: &str) -> Option<&Arc<CustomKeyStore>> {
        self.custom_key_stores.get(&(account, region.clone(), id.to_owned()))
    }

    /// The custom key stores of one account in one Region, by id.
    pub fn custom_key_stores(&self, account: AccountId, region: &Region) -> impl Iterator<Item = &Arc<CustomKeyStore>> {
        let region = region.clone();
        self.custom_key_stores.values().filter(move |store| store.account == account && store.region == region)
    }

    /// A credential of somebody to whom we are an external key manager.
    pub fn proxy_client(&self, access_key_id: &str) -> Option<&Arc<ProxyClient>> {
        self.proxy_clients.get(access_key_id)
    }

    /// All of them, by id.
    pub fn proxy_clients(&self) -> impl Iterator<Item = &Arc<ProxyClient>> {
        self.proxy_clients.values()
    }

    /// Every custom key store.
    pub fn all_custom_key_stores(&self) -> impl Iterator<Item = &Arc<CustomKeyStore>> {
        self.custom_key_stores.values()
    }

    /// What a call that comes through an endpoint carries (A330) (A532).
    pub fn through(&self, endpoint: &VpcEndpoint) -> keyward_authz::VpcEndpoint {
        keyward_authz::VpcEndpoint {
            id: endpoint.id.clone(),
            vpc: endpoint.vpc.clone(),
            policy: endpoint.policy.clone(),
            account: Some(endpoint.account),
            organization: self.placement(endpoint.account).map(|placement| placement.membership.clone()),
        }
    }

    fn placement(&self, account: AccountId) -> Option<&Placement> {
        self.placements.get_or_init(|| placements(self)).get(&account)
    }

    /// Where an account stands, and the SCPs over its principals (A320) (A520).
    pub(crate) fn organization_of(&self, account: AccountId) -> (Option<Membership>, Option<Vec<Vec<Attached>>>) {
        let placement = self.placement(account);
        (placement.map(|placement| placement.membership.clone()), placement.and_then(|placement| placement.scps.clone()))
    }

    /// A resource as a target, with what its owner's organization says about it: the owner's RCPs, whoever calls (A324) (A327).
    pub fn target<'a>(&'a self, resource: Resource<'a>) -> Target<'a> {
        let mut target = Target::new(resource);
        if let Some(placement) = target.owner().and_then(|owner| self.placement(owner)) {
            target.rcps = &placement.rcps;
            target.organization = Some(&placement.membership);
        }
        target
    }

    /// The ARN of the living user or role with this unique id (A207).
    pub fn arn_of(&self, id: &UniqueId) -> Option<&str> {
        self.unique_ids.get(id).map(String::as_str)
    }

    /// The document of a managed policy, the customer's or AWS's own.
    pub fn policy_document(&self, arn: &str) -> Option<Attached> {
        let policy = match self.policies.get(arn) {
            Some(policy) => policy.default_policy()?.clone(),
            None => aws_managed::policy(arn)?.0.document().clone(),
        };
        Some(Attached { policy, name: arn.rsplit('/').next().unwrap_or(arn).into(), arn: Some(arn.into()) })
    }

    /// Gathers what deciding must know of a caller. `None` if the principal is no longer there (T7).
    pub fn subject(&self, caller: &Caller) -> Option<Subject> {
        self.subject_of(&caller.identity, caller.session.as_deref())
    }

    /// Everybody there is, for questions: root users, users, and roles as sessions of any name.
    pub fn subjects(&self) -> impl Iterator<Item = Subject> {
        self.accounts.keys().flat_map(|account| self.identities(*account)).filter_map(|identity| self.subject_of(&identity, None))
    }

    fn identities(&self, account: AccountId) -> impl Iterator<Item = Identity> {
        let user = |user: &Arc<User>| Identity::User { account: user.account, name: user.name.clone(), id: user.id.clone() };
        let role = |role: &Arc<Role>| {
            let session = format!("arn:{}:sts::{}:assumed-role/{}/{ANY_SESSION}", role.arn.partition(), role.account, role.name).parse().ok()?;
            Some(Identity::Role { account: role.account, name: role.name.clone(), id: role.id.clone(), session })
        };
        let root = std::iter::once(Identity::Root { account });
        root.chain(self.users(account).map(user)).chain(self.roles(account).filter_map(role))
    }

    /// The same as [`subject`](Self::subject), of somebody who did not call.
    pub(crate) fn subject_of(&self, identity: &Identity, session: Option<&Session>) -> Option<Subject> {
        if let Some(door) = session.and_then(|session| session.door.as_ref()) {
            self.door(&door.id).filter(|there| there.unique_id == door.unique_id)?; // [T7]
        }
        let mut subject = match identity {
            Identity::Root { account } => Subject::new(Principal::Root { account: *account, partition: self.partition(*account) }),
            Identity::Service { name } => Subject::new(Principal::Service { name: name.as_str().into() }),
            Identity::User { account, name, id } => {
                let user = self.user(*account, name).filter(|user| user.id == *id)?;
                let mut subject = Subject::new(Principal::User { arn: user.arn.clone(), id: Some(user.id.clone()) });
                self.attach_user(&mut subject, user);
                subject
            }
            Identity::Federated { account, name, user, arn } => {
                let behind = match user {
                    Some((user_name, id)) => Some(self.user(*account, user_name).filter(|user| user.id == *id)?),
                    None => None,
                };
                let principal = Principal::FederatedUser {
                    arn: arn.clone(),
                    user: behind.map(|user| user.arn.clone()),
                    user_id: behind.map(|user| user.id.clone()),
                };
                let mut subject = Subject::new(principal);
                if let Some(user) = behind {
                    self.attach_user(&mut subject, user);
                    subject.tags.clear();
                }
                let _ = name;
                subject
            }
            Identity::Role { account, name, id, session } => {
                let role = self.role(*account, name).filter(|role| role.id == *id)?;
                let principal = Principal::RoleSession { role: role.arn.clone(), id: Some(role.id.clone()), session: session.clone() };
                let mut subject = Subject::new(principal);
                self.attach_policies(&mut subject, &format!("role/{name}"), &role.inline, &role.attached);
                subject.boundary = role.boundary.as_deref().and_then(|arn| self.policy_document(arn));
                subject.service_linked = role.service_linked.is_some();
                subject.tags = role.tags.iter().cloned().collect();
                subject
            }
        };
        // [A320] [A327] The SCPs are those of the caller's own organization.
        if let Some(account) = identity.account() {
            (subject.organization, subject.scps) = self.organization_of(account);
            subject.in_management_account = self.placement(account).is_some_and(|placement| placement.management);
        }
        if let Some(session) = session {
            // [A203] Session tags override the principal's tags of the same key, whatever their case.
            for (name, value) in &session.tags {
                subject.tags.retain(|existing, _| !existing.eq_ignore_ascii_case(name));
                subject.tags.insert(name.clone(), value.clone());
            }
            subject.session = session.policies.as_ref().map(|policies| {
                let attached = |(at, policy): (usize, &crate::caller::SessionPolicy)| Attached {
                    policy: policy.policy.clone(),
                    name: policy.arn.as_deref().map_or_else(|| format!("session policy {}", at + 1), str::to_owned).into(),
                    arn: policy.arn.as_deref().map(Into::into),
                };
                policies.iter().enumerate().map(attached).collect()
            });
            subject.facts = session.facts.clone();
        }
        Some(subject)
    }

    fn attach_user(&self, subject: &mut Subject, user: &User) {
        self.attach_policies(subject, &format!("user/{}", user.name), &user.inline, &user.attached);
        for name in &user.groups {
            if let Some(group) = self.group(user.account, name) {
                self.attach_policies(subject, &format!("group/{}", group.name), &group.inline, &group.attached);
            }
        }
        subject.boundary = user.boundary.as_deref().and_then(|arn| self.policy_document(arn));
        subject.tags = user.tags.iter().cloned().collect();
    }

    fn attach_policies(&self, subject: &mut Subject, owner: &str, inline: &InlinePolicies, attached: &[String]) {
        subject.identity.extend(inline.iter().map(|(name, policy)| Attached {
            policy: policy.clone(),
            name: format!("\"{name}\" on {owner}").into(),
            arn: None,
        }));
        subject.identity.extend(attached.iter().filter_map(|arn| self.policy_document(arn)).map(|mut attached| {
            attached.name = format!("{} on {owner}", attached.name).into();
            attached
        }));
    }

    /// The tags of a principal and of nothing else, by name.
    pub fn tag_map(tags: &[(String, String)]) -> BTreeMap<String, String> {
        tags.iter().cloned().collect()
    }
}

fn in_account(account: AccountId, name: &str) -> InAccount {
    (account, name.to_lowercase())
}

fn of_account<T>(map: &OrdMap<InAccount, Arc<T>>, account: AccountId) -> impl Iterator<Item = &Arc<T>> {
    map.range((account, String::new())..).take_while(move |((owner, _), _)| *owner == account).map(|(_, value)| value)
}

fn place(arn: &KeyArn) -> (AccountId, Region, KeyId) {
    (arn.account(), arn.region().clone(), arn.id().clone())
}
