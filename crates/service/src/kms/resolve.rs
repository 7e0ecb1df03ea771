//! From what a request calls a key to the key (§2 of the API rules). Resolving comes before deciding: an unresolved
//! key never skips a layer.

use std::collections::BTreeMap;
use std::sync::Arc;

use keyward_authz::{AliasName, KeyArn, KeyFacts, KeyManager, Operation, Permit, Request, Resource, ResourcePolicy, Target};
use keyward_policy::{AccountId, Arn, KmsPermission, Policy, PolicyKind, Region};

use crate::call::Call;
use crate::entities::{Key, alias_arn};
use crate::error::Error;
use crate::vault::in_state;

/// What a request's key identifier means.
pub(crate) struct Found {
    /// The key; none for one of another account that is not there, which nobody may tell from a refusal (A908).
    key: Option<Arc<Key>>,
    /// Stands for the missing key: its policy admits nobody.
    facts: Option<Box<KeyFacts>>,
    /// The alias by which the request named it (A545).
    pub(crate) alias: Option<AliasName>,
    /// The request named no key; the ciphertext told it.
    pub(crate) from_ciphertext: bool,
}

impl Found {
    /// A key taken from a ciphertext (A411).
    pub(crate) fn in_ciphertext(call: &Call<'_>, account: AccountId, id: &str) -> Result<Self, Error> {
        let Ok(id) = id.parse() else { return Err(Error::InvalidCiphertext) };
        match call.state.key_at(account, call.region(), &id) {
            Some(key) => Ok(Self { key: Some(key.clone()), facts: None, alias: None, from_ciphertext: true }),
            // [A907] Missing reads like hidden.
            None if call.caller.account() == Some(account) => Err(Error::CiphertextKeyHidden),
            None => Ok(Self { from_ciphertext: true, ..Self::missing(KeyArn::new(call.region().clone(), account, id), None) }),
        }
    }

    /// Asks for the permission; whoever passes holds key and permit.
    pub(crate) fn permit<'r>(&'r self, call: &mut Call<'_>, request: Request<'r>) -> Result<(Arc<Key>, Permit), Error> {
        let state = call.state;
        let request = Request { from_ciphertext: self.from_ciphertext, alias: self.alias.as_ref(), ..request };
        let refused = match (&self.key, &self.facts) {
            (Some(key), _) => match call.permit(key, &request) {
                Ok(permit) => return Ok((key.clone(), permit)),
                Err(refused) => refused,
            },
            (None, Some(facts)) => match call.authorize(&state.target(Resource::Key { key: facts, grants: &[] }), &request) {
                Ok(_) => return Err(Error::Internal("a missing key was permitted")),
                Err(refused) => refused,
            },
            (None, None) => return Err(Error::Internal("nothing was found")),
        };
        match refused {
            Error::AccessDenied { sentence } => {
                let sentence = self.told(call, &request, sentence)?;
                call.tell(&sentence);
                Err(Error::AccessDenied { sentence })
            }
            other => Err(other),
        }
    }

    /// The same for operations that leave the key's material alone: whoever passes holds the key, in a state in which the operation
    /// works (K85).
    pub(crate) fn permit_in_state<'r>(&'r self, call: &mut Call<'_>, request: Request<'r>) -> Result<Arc<Key>, Error> {
        let (key, permit) = self.permit(call, request)?;
        in_state(&key, permit)?;
        Ok(key)
    }

    /// (A907) (A908) What the caller is told of a refusal. Of another account's key nothing may show, not even in what the
    /// caller's own policies say to its tags or its spec: the sentence is the one for a key that is not there.
    fn told(&self, call: &Call<'_>, request: &Request<'_>, sentence: String) -> Result<String, Error> {
        let Some(arn) = self.arn().filter(|arn| call.caller.account() != Some(arn.account())) else { return Ok(sentence) };
        let stand_in = if self.alias.is_some() { nobody(arn.region(), arn.account())? } else { arn.clone() };
        let missing = Self::missing(stand_in.clone(), None);
        let facts = missing.facts.as_deref().ok_or(Error::Internal("nothing was found"))?;
        // Of the owner's side nothing counts, so neither do its RCPs.
        let target = Target::new(Resource::Key { key: facts, grants: &[] });
        let told = call.sentence_of(&target, request);
        Ok(match &self.alias {
            Some(name) => told.replace(stand_in.as_str(), &alias_arn(arn.region(), arn.account(), name)),
            None => told,
        })
    }

    /// The key, if it is there.
    pub(crate) fn key(&self) -> Option<&Arc<Key>> {
        self.key.as_ref()
    }

    /// The ARN that the request means, whether or not anything is there.
    pub(crate) fn arn(&self) -> Option<&KeyArn> {
        self.key.as_ref().map(|key| key.arn()).or(self.facts.as_ref().map(|facts| &facts.arn))
    }

    fn existing(key: Arc<Key>, alias: Option<AliasName>) -> Self {
        Self { key: Some(key), facts: None, alias, from_ciphertext: false }
    }

    fn missing(arn: KeyArn, alias: Option<AliasName>) -> Self {
        let facts = KeyFacts {
            arn,
            policy: ResourcePolicy::unbound(Policy::parse(PolicyKind::Key, r#"{"Statement":[]}"#)),
            ram_policy: None,
            spec: "SYMMETRIC_DEFAULT".into(),
            usage: "ENCRYPT_DECRYPT".into(),
            origin: "AWS_KMS".into(),
            manager: KeyManager::Customer,
            multi_region: None,
            aliases: Vec::new(),
            tags: BTreeMap::new(),
        };
        Self { key: None, facts: Some(Box::new(facts)), alias, from_ciphertext: false }
    }
}

/// The ARN of a key that nobody has.
fn nobody(region: &Region, account: AccountId) -> Result<KeyArn, Error> {
    let id = "00000000-0000-0000-0000-000000000000".parse().map_err(|_| Error::Internal("no id"))?;
    Ok(KeyArn::new(region.clone(), account, id))
}

/// The permission of an operation.
pub(crate) fn permission(operation: Operation) -> Result<keyward_policy::Action, Error> {
    operation.permission().map(keyward_policy::Action::Kms).ok_or(Error::Internal("an operation without permission of its name"))
}

/// A permission by name, for those that bear no operation's.
pub(crate) fn action(name: &str) -> Result<keyward_policy::Action, Error> {
    KmsPermission::named(name).map(keyward_policy::Action::Kms).ok_or(Error::Internal("no such permission"))
}

/// Finds what `named` means for this caller (K40)–(K46) (A410) (A908) (A909).
pub(crate) fn resolve(call: &Call<'_>, operation: Operation, named: &str) -> Result<Found, Error> {
    let region = call.region().clone();
    if named.starts_with("arn:") {
        return by_arn(call, operation, named, &region);
    }
    let account = call.account()?;
    if named.starts_with("alias/") {
        if !operation.takes_aliases() {
            return Err(Error::InvalidKeyId(named.to_owned())); // [K44]
        }
        let Ok(name) = named.parse::<AliasName>() else { return Err(Error::InvalidKeyId(named.to_owned())) };
        let not_found = || Error::AliasNotFound(alias_arn(&region, account, &name));
        let alias = call.state.alias(account, &region, &name).ok_or_else(not_found)?;
        let key = call.state.key_at(account, &region, &alias.target).ok_or_else(not_found)?;
        return Ok(Found::existing(key.clone(), Some(name)));
    }
    let Ok(id) = named.parse() else { return Err(Error::InvalidKeyId(named.to_owned())) };
    match call.state.key_at(account, &region, &id) {
        Some(key) => Ok(Found::existing(key.clone(), None)),
        None => Err(Error::KeyNotFound(KeyArn::new(region, account, id).to_string())), // [K43]
    }
}

fn by_arn(call: &Call<'_>, operation: Operation, named: &str, region: &Region) -> Result<Found, Error> {
    let invalid = || Error::InvalidArn(named.to_owned());
    let arn: Arn = named.parse().map_err(|_| invalid())?;
    let [_, in_partition, service, in_region, account, resource] = arn.segments();
    let account = account.parse().ok().filter(|_| service == "kms").ok_or_else(invalid)?;
    if in_partition != region.partition().as_str() && in_region == region.as_str() {
        return Err(invalid()); // [K40]
    }
    if in_region != region.as_str() {
        return Err(Error::WrongRegion(in_region.to_owned())); // [A909]
    }
    let own = call.caller.account() == Some(account);
    if resource.starts_with("alias/") {
        if !operation.takes_aliases() {
            return Err(Error::AliasNotSupported); // [K44]
        }
        let name: AliasName = resource.parse().map_err(|_| Error::AliasNotFound(named.to_owned()))?;
        // [A316] Resolved in its own account.
        let key = call.state.alias(account, region, &name).and_then(|alias| call.state.key_at(account, region, &alias.target));
        return match key {
            Some(key) => Ok(Found::existing(key.clone(), Some(name))),
            None if own => Err(Error::AliasNotFound(named.to_owned())),
            // [A908] Refused as a key would be whose policy says nothing; its id is nobody's.
            None => Ok(Found::missing(nobody(region, account)?, Some(name))),
        };
    }
    let id = resource.strip_prefix("key/").ok_or_else(invalid)?;
    let Ok(id) = id.parse() else { return Err(Error::InvalidKeyId(id.to_owned())) };
    match call.state.key_at(account, region, &id) {
        Some(key) => Ok(Found::existing(key.clone(), None)),
        None if own => Err(Error::KeyNotFound(named.to_owned())),
        None => Ok(Found::missing(KeyArn::new(region.clone(), account, id), None)),
    }
}

/// What operations without key are matched as (A141).
pub(crate) fn no_resource(call: &Call<'_>) -> Result<String, Error> {
    Ok(no_resource_in(call.region(), call.account()?))
}

/// The same in a Region that was not called (A407).
pub(crate) fn no_resource_in(region: &Region, account: AccountId) -> String {
    format!("arn:{}:kms:{region}:{account}:*", region.partition())
}
