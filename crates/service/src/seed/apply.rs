//! From a seed to changes. The file is read against a copy of the estate that takes up each thing as it comes, so that
//! later parts of the file see earlier ones.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use keyward_authz::{AliasName, Grant, KeyArn, KeyId, ResourcePolicy, UniqueId};
use keyward_crypto::{KeySpec, KeyUsage, Purpose};
use keyward_policy::{AccountId, Arn, Policy, PolicyKind, Region};

use super::contradictions::contradiction;
use super::{Document, Seed, SeedAccessKey, SeedAccount, SeedError, SeedGrant, SeedRole, SeedUser, SeedVpcEndpoint};
use crate::admin::endpoint_policy;
use crate::aws_managed;
use crate::entities::{
    AccessKey, AccessKeyOwner, Account, Alias, Change, Door, Entity, EntityKey, Group, InlinePolicies, ManagedPolicy, PolicyVersion, Role, User,
    VpcEndpoint,
};
use crate::error::Error;
use crate::host::Host;
use crate::iam;
use crate::kms::{CreateGrant, RequestedConstraints};
use crate::state::State;
use crate::tokens::{new_id, new_secret};

/// Shortest secret access key that a file may fix.
const SECRET_CHARS_MIN: usize = 16;

/// What changes if the seed is applied to this state; nothing if it has been before.
///
/// # Errors
/// [`SeedError`] for the first fault.
pub fn apply(seed: &Seed, state: &State, host: &Host) -> Result<Vec<Change>, SeedError> {
    if let Some(error) = contradiction(seed) {
        return Err(error);
    }
    let mut seeding = Seeding { state: state.clone(), host, now: host.now(), changes: Vec::new() };
    for (id, account) in &seed.accounts {
        seeding.account(*id, account).map_err(|fault| fault.within(&["accounts", id.as_str()]))?;
    }
    // Trust policies, key policies and grants name principals of any account: all of them exist now.
    for (id, account) in &seed.accounts {
        seeding.trust(*id, account).map_err(|fault| fault.within(&["accounts", id.as_str()]))?;
    }
    for (id, account) in &seed.accounts {
        seeding.keys(*id, account).map_err(|fault| fault.within(&["accounts", id.as_str()]))?;
    }
    for (name, door) in &seed.doors {
        seeding.door(name, door.access_key.as_ref()).map_err(|fault| fault.within(&["doors", name]))?;
    }
    for (id, endpoint) in &seed.vpc_endpoints {
        seeding.vpc_endpoint(id, endpoint).map_err(|fault| fault.within(&["vpc_endpoints", id]))?;
    }
    for (management, organization) in &seed.organizations {
        seeding.organization(*management, organization).map_err(|fault| fault.within(&["organizations", management.as_str()]))?;
    }
    Ok(seeding.changes)
}

/// A fault on its way out, gathering its place.
pub(super) struct Fault {
    at: Vec<String>,
    message: String,
}

impl Fault {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self { at: Vec::new(), message: message.into() }
    }

    pub(super) fn at(mut self, place: &[&str]) -> Self {
        self.at.splice(0..0, place.iter().map(|part| (*part).to_owned()));
        self
    }

    fn within(self, place: &[&str]) -> SeedError {
        let Self { at, message } = self.at(place);
        SeedError { at, message }
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        let error = crate::error::AwsError::from(&error);
        Self::new(error.message.unwrap_or_else(|| error.code.to_owned()))
    }
}

pub(super) struct Seeding<'h> {
    pub(super) state: State,
    pub(super) host: &'h Host,
    pub(super) now: Timestamp,
    changes: Vec<Change>,
}

impl Seeding<'_> {
    /// Puts a thing, unless it is there as it shall be.
    pub(super) fn put(&mut self, entity: Entity) {
        let there = self.state.entity(&entity.key()).and_then(|existing| existing.encode().ok());
        if there.is_none() || there != entity.encode().ok() {
            self.change(Change::Put(entity));
        }
    }

    fn change(&mut self, change: Change) {
        self.state = self.state.with(std::slice::from_ref(&change));
        self.changes.push(change);
    }

    fn unique_id(&self, prefix: &str) -> Result<UniqueId, Fault> {
        Ok(UniqueId(new_id(self.host.env(), prefix, 21)?.into()))
    }

    fn account(&mut self, id: AccountId, seed: &SeedAccount) -> Result<(), Fault> {
        let existing = self.state.account(id).cloned();
        let created_at = existing.as_ref().map_or(self.now, |account| account.created_at);
        let name = seed.name.clone().or(existing.as_ref().and_then(|account| account.name.clone()));
        let email = seed.email.clone().or(existing.as_ref().and_then(|account| account.email.clone()));
        let partition = existing.as_ref().map(|account| account.partition);
        if let (Some(is), Some(asked)) = (partition, seed.partition)
            && is != asked
        {
            return Err(Fault::new(format!("the account is in {is}, and an account never changes its partition")).at(&["partition"]));
        }
        let partition = partition.or(seed.partition).unwrap_or_default();
        self.put(Entity::Account(Arc::new(Account { id, name, email, partition, created_at })));
        let owner = AccessKeyOwner::Root { account: id };
        match &seed.root_access_key {
            Some(key) => self.access_key(owner, key).map_err(|fault| fault.at(&["root_access_key"]))?,
            None if existing.is_none() => self.random_access_key(owner)?,
            None => {}
        }
        for (name, policy) in &seed.policies {
            self.managed_policy(id, name, policy).map_err(|fault| fault.at(&["policies", name]))?;
        }
        for (name, group) in &seed.groups {
            self.group(id, name, group).map_err(|fault| fault.at(&["groups", name]))?;
        }
        for (name, user) in &seed.users {
            self.user(id, name, user).map_err(|fault| fault.at(&["users", name]))?;
        }
        for (name, role) in &seed.roles {
            self.role(id, name, role).map_err(|fault| fault.at(&["roles", name]))?;
        }
        Ok(())
    }

    fn random_access_key(&mut self, owner: AccessKeyOwner) -> Result<(), Fault> {
        let key = SeedAccessKey { id: new_id(self.host.env(), "AKIA", 20)?, secret: new_secret(self.host.env())? };
        self.access_key(owner, &key)
    }

    fn access_key(&mut self, owner: AccessKeyOwner, key: &SeedAccessKey) -> Result<(), Fault> {
        let proper =
            key.id.starts_with("AKIA") && (16..=128).contains(&key.id.len()) && key.id.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
        if !proper {
            return Err(Fault::new("an access key id has 16 to 128 capital letters and digits and begins with AKIA").at(&["id"]));
        }
        if key.secret.len() < SECRET_CHARS_MIN {
            return Err(Fault::new(format!("a secret access key has at least {SECRET_CHARS_MIN} characters")).at(&["secret"]));
        }
        let (root, aad) = (self.host.vault().root(), key.id.as_bytes());
        let existing = self.state.access_key(&key.id).cloned();
        if let Some(existing) = &existing {
            if existing.owner != owner {
                return Err(Fault::new("this access key belongs to somebody else").at(&["id"]));
            }
            if root.open(Purpose::AccessKeySecret, aad, &existing.secret).is_ok_and(|secret| *secret == *key.secret.as_bytes()) {
                return Ok(());
            }
        }
        let secret = root.seal(Purpose::AccessKeySecret, aad, key.secret.as_bytes(), &*self.host.env().entropy);
        let secret = secret.map_err(|_| Fault::new("randomness failed"))?;
        let created_at = existing.map_or(self.now, |existing| existing.created_at);
        self.change(Change::Put(Entity::AccessKey(Arc::new(AccessKey { id: key.id.clone(), owner, secret, active: true, created_at }))));
        Ok(())
    }

    /// `arn:aws:iam::ACCOUNT:KIND/PATH/NAME`
    fn arn(&self, account: AccountId, kind: &str, path: Option<&String>, name: &str) -> Result<(Arn, String), Fault> {
        let path = path.map_or("/", String::as_str);
        if !path.starts_with('/') || !path.ends_with('/') {
            return Err(Fault::new("a path begins and ends with `/`").at(&["path"]));
        }
        let arn = format!("arn:{}:iam::{account}:{kind}{path}{name}", self.state.partition(account))
            .parse()
            .map_err(|_| Fault::new(format!("`{name}` is no name")))?;
        Ok((arn, path.to_owned()))
    }

    fn identity_policy(document: &Document) -> Result<Policy, Fault> {
        Policy::parse_strict(PolicyKind::Identity, &document.text()).map_err(|issue| Fault::new(issue.message))
    }

    fn inline(policies: &BTreeMap<String, Document>) -> Result<InlinePolicies, Fault> {
        let read = |(name, document): (&String, &Document)| match Self::identity_policy(document) {
            Ok(policy) => Ok((name.clone(), policy)),
            Err(fault) => Err(fault.at(&["policies", name])),
        };
        policies.iter().map(read).collect()
    }

    /// The ARN of a managed policy that is named by ARN or by name.
    fn managed_arn(&self, account: AccountId, named: &str) -> Result<String, Fault> {
        let own = self.state.managed_policies(account).find(|policy| policy.name == named || policy.arn.as_str() == named);
        let partition = self.state.partition(account);
        let aws = || aws_managed::policies().iter().find(|policy| policy.name() == named || policy.arn(partition) == named);
        let found = own.map(|policy| policy.arn.to_string()).or_else(|| aws().map(|policy| policy.arn(partition)));
        found.ok_or_else(|| Fault::new(format!("there is no managed policy `{named}` in this account, and AWS has none of that name here")))
    }

    fn attached(&self, account: AccountId, named: &[String]) -> Result<Vec<String>, Fault> {
        let each = named.iter().enumerate();
        each.map(|(at, named)| self.managed_arn(account, named).map_err(|fault| fault.at(&["attached", &at.to_string()]))).collect()
    }

    fn boundary(&self, account: AccountId, named: Option<&String>) -> Result<Option<String>, Fault> {
        named.map(|named| self.managed_arn(account, named).map_err(|fault| fault.at(&["boundary"]))).transpose()
    }

    fn managed_policy(&mut self, account: AccountId, name: &str, seed: &super::SeedPolicy) -> Result<(), Fault> {
        let (arn, path) = self.arn(account, "policy", seed.path.as_ref(), name)?;
        let document = Self::identity_policy(&seed.document).map_err(|fault| fault.at(&["document"]))?;
        let mut policy = match self.state.managed_policy(arn.as_str()) {
            Some(policy) => ManagedPolicy::clone(policy),
            None => ManagedPolicy {
                arn,
                account,
                name: name.to_owned(),
                path,
                id: self.unique_id("ANPA")?,
                description: None,
                versions: vec![PolicyVersion { number: 1, policy: document.clone(), created_at: self.now }],
                default_version: 1,
                last_version: 1,
                created_at: self.now,
                updated_at: self.now,
                tags: Vec::new(),
            },
        };
        policy.description = seed.description.clone().or(policy.description);
        if policy.default_policy().is_none_or(|existing| existing.text() != document.text()) {
            policy.last_version += 1;
            policy.versions = vec![PolicyVersion { number: policy.last_version, policy: document, created_at: self.now }];
            policy.default_version = policy.last_version;
            policy.updated_at = self.now;
        }
        self.put(Entity::ManagedPolicy(Arc::new(policy)));
        Ok(())
    }

    fn group(&mut self, account: AccountId, name: &str, seed: &super::SeedGroup) -> Result<(), Fault> {
        let (arn, path) = self.arn(account, "group", seed.path.as_ref(), name)?;
        let existing = self.state.group(account, name).cloned();
        let group = Group {
            arn,
            account,
            name: name.to_owned(),
            path,
            id: existing.as_ref().map_or_else(|| self.unique_id("AGPA"), |group| Ok(group.id.clone()))?,
            created_at: existing.map_or(self.now, |group| group.created_at),
            inline: Self::inline(&seed.policies)?,
            attached: self.attached(account, &seed.attached)?,
        };
        self.put(Entity::Group(Arc::new(group)));
        Ok(())
    }

    fn user(&mut self, account: AccountId, name: &str, seed: &SeedUser) -> Result<(), Fault> {
        let (arn, path) = self.arn(account, "user", seed.path.as_ref(), name)?;
        for (at, group) in seed.groups.iter().enumerate() {
            if self.state.group(account, group).is_none() {
                return Err(Fault::new(format!("there is no group `{group}`")).at(&["groups", &at.to_string()]));
            }
        }
        let existing = self.state.user(account, name).cloned();
        let user = User {
            arn,
            account,
            name: name.to_owned(),
            path,
            id: existing.as_ref().map_or_else(|| self.unique_id("AIDA"), |user| Ok(user.id.clone()))?,
            created_at: existing.map_or(self.now, |user| user.created_at),
            tags: seed.tags.clone().into_iter().collect(),
            inline: Self::inline(&seed.policies)?,
            attached: self.attached(account, &seed.attached)?,
            boundary: self.boundary(account, seed.boundary.as_ref())?,
            groups: seed.groups.iter().cloned().collect::<BTreeSet<_>>(),
            mfa: seed.mfa,
        };
        self.put(Entity::User(Arc::new(user)));
        match &seed.access_key {
            Some(key) => {
                let owner = AccessKeyOwner::User { account, name: name.to_owned() };
                self.access_key(owner, key).map_err(|fault| fault.at(&["access_key"]))
            }
            None => Ok(()),
        }
    }

    /// The role without its trust policy, which may name what comes later in the file.
    fn role(&mut self, account: AccountId, name: &str, seed: &SeedRole) -> Result<(), Fault> {
        let existing = self.state.role(account, name).cloned();
        let path = match &seed.service {
            Some(service) if iam::role_name(service, None) != name && !name.starts_with(&iam::role_name(service, Some(""))) => {
                return Err(Fault::new(format!("the role of {service} is called {}", iam::role_name(service, None))).at(&["service"]));
            }
            Some(service) => Some(iam::role_path(service)),
            None => seed.path.clone(),
        };
        let (arn, path) = self.arn(account, "role", path.as_ref(), name)?;
        let session_s_max = seed.session_seconds.unwrap_or(3600);
        if !(3600..=43_200).contains(&session_s_max) {
            return Err(Fault::new("a role's sessions last between 3600 and 43200 seconds").at(&["session_seconds"]));
        }
        let role = Role {
            arn,
            account,
            name: name.to_owned(),
            path,
            id: existing.as_ref().map_or_else(|| self.unique_id("AROA"), |role| Ok(role.id.clone()))?,
            created_at: existing.as_ref().map_or(self.now, |role| role.created_at),
            trust: existing
                .map_or_else(|| ResourcePolicy::unbound(Policy::parse(PolicyKind::Trust, r#"{"Statement":[]}"#)), |role| role.trust.clone()),
            description: seed.description.clone(),
            session_s_max,
            inline: Self::inline(&seed.policies)?,
            attached: self.attached(account, &seed.attached)?,
            boundary: self.boundary(account, seed.boundary.as_ref())?,
            tags: seed.tags.clone().into_iter().collect(),
            service_linked: seed.service.clone(),
        };
        self.put(Entity::Role(Arc::new(role)));
        Ok(())
    }

    fn trust(&mut self, account: AccountId, seed: &SeedAccount) -> Result<(), Fault> {
        for (name, role) in &seed.roles {
            let trust = match (&role.service, &role.trust) {
                (Some(service), None) => iam::trust(service),
                (None, Some(document)) => iam::trust_policy(&self.state, account, name, &document.text())
                    .map_err(|error| Fault::from(error).at(&["roles", name, "trust"]))?,
                (Some(_), Some(_)) => return Err(Fault::new("a service-linked role is trusted to its service only").at(&["roles", name, "trust"])),
                (None, None) => return Err(Fault::new("a role needs `trust`, or `service` if it is service-linked").at(&["roles", name])),
            };
            let Some(made) = self.state.role(account, name) else { continue };
            let made = Role { trust, ..Role::clone(made) };
            self.put(Entity::Role(Arc::new(made)));
        }
        Ok(())
    }

    fn keys(&mut self, account: AccountId, seed: &SeedAccount) -> Result<(), Fault> {
        for (id, key) in &seed.keys {
            self.key(account, id, key).map_err(|fault| fault.at(&["keys", id]))?;
        }
        Ok(())
    }

    pub(super) fn alias(&mut self, account: AccountId, region: &Region, target: &KeyId, name: &str) -> Result<(), Fault> {
        let wrong = || Fault::new("an alias is `alias/` and letters, digits, `/`, `_`, `-`, and not `alias/aws/…`");
        let name: AliasName = name.parse().map_err(|_| wrong())?;
        if name.is_reserved() {
            return Err(wrong());
        }
        let existing = self.state.alias(account, region, &name);
        if existing.is_some_and(|alias| alias.target == *target) {
            return Ok(());
        }
        let created_at = existing.map_or(self.now, |alias| alias.created_at);
        let alias = Alias { account, region: region.clone(), name, target: target.clone(), created_at, updated_at: self.now };
        self.put(Entity::Alias(Arc::new(alias)));
        Ok(())
    }

    pub(super) fn grant(
        &mut self,
        account: AccountId,
        key: &KeyArn,
        (spec, usage): (KeySpec, KeyUsage),
        name: &str,
        seed: &SeedGrant,
    ) -> Result<(), Fault> {
        let operation = |(at, name): (usize, &String)| {
            keyward_authz::GrantOperation::named(name)
                .ok_or_else(|| Fault::new(format!("`{name}` is no operation that a grant can hold")).at(&["operations", &at.to_string()]))
        };
        let request = CreateGrant {
            key_id: key.to_string(),
            grantee_principal: seed.grantee.clone(),
            grantee_service_principal: seed.grantee_service.clone(),
            retiring_principal: seed.retiring.clone(),
            retiring_service_principal: seed.retiring_service.clone(),
            operations: seed.operations.iter().enumerate().map(operation).collect::<Result<_, _>>()?,
            constraints: Some(RequestedConstraints {
                encryption_context_subset: seed.encryption_context_subset.clone(),
                encryption_context_equals: seed.encryption_context_equals.clone(),
                source_arn: seed.source_arn.clone(),
            }),
            grant_tokens: None,
            name: Some(name.to_owned()),
            dry_run: None,
        };
        let terms = request.checked_terms(&self.state, key.region().partition(), spec.name(), usage.name())?;
        let existing = self.state.grants(key).find(|grant| grant.name.as_deref() == Some(name)).cloned();
        if let Some(existing) = existing {
            if existing.terms == terms {
                return Ok(());
            }
            self.change(Change::Delete(EntityKey::Grant(key.clone(), existing.id.clone())));
        }
        let id = crate::kms::new_grant_id(self.host.env())?;
        let grant = Grant { id, key: key.clone(), terms, issuing_account: account, name: Some(name.to_owned()), created_at: self.now };
        self.put(Entity::Grant(Arc::new(grant)));
        Ok(())
    }

    fn vpc_endpoint(&mut self, id: &str, seed: &SeedVpcEndpoint) -> Result<(), Fault> {
        if self.state.account(seed.account).is_none() {
            return Err(Fault::new(format!("there is no account {}; write it under `accounts`", seed.account)).at(&["account"]));
        }
        let policy = seed.policy.as_ref().map(|document| endpoint_policy(&document.text())).transpose();
        let endpoint = VpcEndpoint {
            id: id.to_owned(),
            vpc: seed.vpc.clone(),
            account: seed.account,
            service: seed.service.clone().unwrap_or_else(|| "kms".to_owned()),
            region: seed.region.clone(),
            policy: policy.map_err(|error| Fault::from(error).at(&["policy"]))?,
            created_at: self.state.vpc_endpoint(id).map_or(self.now, |existing| existing.created_at),
        };
        match endpoint.fault() {
            Some(fault) => Err(Fault::new(fault)),
            None => {
                self.put(Entity::VpcEndpoint(Arc::new(endpoint)));
                Ok(())
            }
        }
    }

    fn door(&mut self, name: &str, fixed: Option<&SeedAccessKey>) -> Result<(), Fault> {
        let wrong = || Fault::new("a door is called `SERVICE.REGION`, such as `s3.ap-south-1`");
        let (service, region) = name.split_once('.').ok_or_else(wrong)?;
        let door = Door::new(service, region.parse().map_err(|_| wrong())?, new_id(self.host.env(), "DOOR", 21)?, self.now).ok_or_else(wrong)?;
        let id = door.id.clone();
        let existing = self.state.door(&id).cloned();
        self.put(Entity::Door(existing.clone().unwrap_or_else(|| Arc::new(door))));
        let owner = AccessKeyOwner::Door { door: id };
        match fixed {
            Some(key) => self.access_key(owner, key).map_err(|fault| fault.at(&["access_key"])),
            None if existing.is_none() => self.random_access_key(owner),
            None => Ok(()),
        }
    }
}
