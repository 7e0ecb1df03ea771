//! Aliases: making, moving, deleting, listing (K47–K54).

use std::sync::Arc;

use keyward_authz::{AliasName, Operation, Permit, Request, Resource, Target};
use keyward_policy::AccountId;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::resolve::no_resource;
use super::resolve::{Found, permission, resolve};
use super::{EpochSeconds, ListParameters, Nothing};
use crate::call::{Call, Operate, Outcome, raw};
use crate::entities::{Alias, Change, Entity, EntityKey, Key, alias_arn};
use crate::error::Error;
use crate::paging::{PageSize, page};
use crate::vault::in_state;

/// Most aliases of a key (K54) (K230).
const ALIASES_PER_KEY_MAX: usize = keyward_authz::ALIASES_PER_KEY_MAX;
/// (K220)
const ALIASES_PER_PAGE: PageSize = PageSize { default: 50, max: 100 };

/// (K47) (K48) (K49)
fn alias_name(text: &str) -> Result<AliasName, Error> {
    if !text.starts_with("alias/") {
        let message = "Alias must start with the prefix \"alias/\". Please see https://docs.aws.amazon.com/kms/latest/developerguide/kms-alias.html";
        return Err(Error::Validation(message.to_owned()));
    }
    let name: AliasName = text.parse().map_err(|_| Error::Validation(format!("{text} contains invalid characters for an alias")))?;
    if name.is_reserved() { Err(Error::ReservedAlias) } else { Ok(name) }
}

/// (A405) The alias half: identity policies alone.
fn may_on_alias(call: &mut Call<'_>, operation: Operation, arn: &str, account: AccountId) -> Result<(), Error> {
    let facts = call.facts();
    let state = call.state;
    let target = state.target(Resource::Alias { arn, account }); // [A326]
    call.authorize(&target, &Request::new(permission(operation)?, facts)).map(|_| ())
}

/// (A405) The key half.
fn may_on_key(call: &mut Call<'_>, operation: Operation, found: &Found) -> Result<(Arc<Key>, Permit), Error> {
    let facts = call.facts();
    found.permit(call, Request::new(permission(operation)?, facts))
}

/// (K54)
fn has_room(key: &Key) -> Result<(), Error> {
    let usage = key.facts.aliases.len();
    if usage < ALIASES_PER_KEY_MAX {
        return Ok(());
    }
    let message = format!("Aliases per key quota for this account in this region is {ALIASES_PER_KEY_MAX}, current usage is {usage}.");
    Err(Error::LimitExceeded(Some(message)))
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AliasParameters<'a> {
    alias_name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    target_key_id: Option<&'a str>,
}

/// `CreateAlias`
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct CreateAlias {
    pub alias_name: String,
    pub target_key_id: String,
}

impl Operate for CreateAlias {
    type Output = Nothing;
    const SERVICE: &'static str = "kms";
    const NAME: &'static str = "CreateAlias";
    const MUTATES: bool = true;

    fn request_parameters(&self) -> Option<Box<RawValue>> {
        raw(&AliasParameters { alias_name: &self.alias_name, target_key_id: Some(&self.target_key_id) })
    }

    fn operate(self, call: &mut Call<'_>) -> Result<Outcome<Nothing>, Error> {
        let name = alias_name(&self.alias_name)?;
        let found = target(call, Operation::CreateAlias, &self.target_key_id)?;
        let (account, region) = (call.account()?, call.region().clone());
        let arn = alias_arn(&region, account, &name);
        may_on_alias(call, Operation::CreateAlias, &arn, account)?;
        let (key, permit) = may_on_key(call, Operation::CreateAlias, &found)?;
        in_state(&key, permit)?;
        if call.state.alias(account, &region, &name).is_some() {
            return Err(Error::AliasExists(arn));
        }
        has_room(&key)?;
        let alias = Alias { account, region, name, target: key.arn().id().clone(), created_at: call.now, updated_at: call.now };
        Ok(Outcome::changed(Nothing {}, vec![Change::Put(Entity::Alias(Arc::new(alias)))]))
    }
}

/// (K50) What an alias may point at.
fn target(call: &Call<'_>, operation: Operation, named: &str) -> Result<Found, Error> {
    if named.starts_with("alias/") {
        return Err(Error::Validation("Aliases must refer to keys. Not aliases".to_owned()));
    }
    resolve(call, operation, named)
}

/// An alias of the caller's own, and the key that it names.
fn existing(call: &Call<'_>, operation: Operation, name: &AliasName) -> Result<(Arc<Alias>, Found), Error> {
    let (account, region) = (call.account()?, call.region());
    let missing = || Error::AliasNotFound(alias_arn(region, account, name)); // [K52]
    let alias = call.state.alias(account, region, name).ok_or_else(missing)?.clone();
    let found = resolve(call, operation, alias.target.as_str())?;
    Ok((alias, found))
}

/// `UpdateAlias`
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct UpdateAlias {
    pub alias_name: String,
    pub target_key_id: String,
}

impl Operate for UpdateAlias {
    type Output = Nothing;
    const SERVICE: &'static str = "kms";
    const NAME: &'static str = "UpdateAlias";
    const MUTATES: bool = true;

    fn request_parameters(&self) -> Option<Box<RawValue>> {
        raw(&AliasParameters { alias_name: &self.alias_name, target_key_id: Some(&self.target_key_id) })
    }

    /// (A405) Three halves: the alias, the key that it names, the key that it shall name.
    fn operate(self, call: &mut Call<'_>) -> Result<Outcome<Nothing>, Error> {
        let name = alias_name(&self.alias_name)?;
        let (alias, old) = existing(call, Operation::UpdateAlias, &name)?;
        let new = target(call, Operation::UpdateAlias, &self.target_key_id)?;
        let arn = alias.arn();
        may_on_alias(call, Operation::UpdateAlias, &arn, alias.account)?;
        // [K85] The old one may be in any state.
        let (old, _) = may_on_key(call, Operation::UpdateAlias, &old)?;
        let (new, permit) = may_on_key(call, Operation::UpdateAlias, &new)?;
        in_state(&new, permit)?;
        // [K51] An alias never changes what kind of thing it names.
        let differs = |what: &str, from: &str, to: &str| {
            Err(Error::Validation(format!("Alias {arn} cannot be changed from a CMK with key {what} {from} to a CMK with key {what} {to}")))
        };
        if old.facts.usage != new.facts.usage {
            return differs("usage", &old.facts.usage, &new.facts.usage);
        }
        if kind(&old.facts.spec) != kind(&new.facts.spec) {
            return differs("type", kind(&old.facts.spec), kind(&new.facts.spec));
        }
        if old.arn() != new.arn() {
            has_room(&new)?;
        }
        let moved = Alias { target: new.arn().id().clone(), updated_at: call.now, ..Alias::clone(&alias) };
        Ok(Outcome::changed(Nothing {}, vec![Change::Put(Entity::Alias(Arc::new(moved)))]))
    }
}

/// (K51) Symmetric encryption, HMAC, or asymmetric.
fn kind(spec: &str) -> &'static str {
    match spec {
        "SYMMETRIC_DEFAULT" => "SYMMETRIC",
        spec if spec.starts_with("HMAC_") => "HMAC",
        _ => "ASYMMETRIC",
    }
}

/// `DeleteAlias`
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct DeleteAlias {
    pub alias_name: String,
}

impl Operate for DeleteAlias {
    type Output = Nothing;
    const SERVICE: &'static str = "kms";
    const NAME: &'static str = "DeleteAlias";
    const MUTATES: bool = true;

    fn request_parameters(&self) -> Option<Box<RawValue>> {
        raw(&AliasParameters { alias_name: &self.alias_name, target_key_id: None })
    }

    fn operate(self, call: &mut Call<'_>) -> Result<Outcome<Nothing>, Error> {
        let name = alias_name(&self.alias_name)?;
        let (alias, found) = existing(call, Operation::DeleteAlias, &name)?;
        may_on_alias(call, Operation::DeleteAlias, &alias.arn(), alias.account)?;
        let (key, permit) = may_on_key(call, Operation::DeleteAlias, &found)?;
        in_state(&key, permit)?;
        let gone = EntityKey::Alias(alias.account, alias.region.clone(), name);
        Ok(Outcome::changed(Nothing {}, vec![Change::Delete(gone)]))
    }
}

/// `ListAliases`
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct ListAliases {
    pub key_id: Option<String>,
    pub limit: Option<usize>,
    pub marker: Option<String>,
}

/// An alias in a list (K53).
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct AliasListEntry {
    pub alias_name: String,
    pub alias_arn: String,
    pub target_key_id: String,
    pub creation_date: EpochSeconds,
    pub last_updated_date: EpochSeconds,
}

/// The answer to `ListAliases`.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct ListAliasesOutput {
    pub aliases: Vec<AliasListEntry>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_marker: Option<String>,
    pub truncated: bool,
}

impl Operate for ListAliases {
    type Output = ListAliasesOutput;
    const SERVICE: &'static str = "kms";
    const NAME: &'static str = "ListAliases";
    const MUTATES: bool = false;

    fn request_parameters(&self) -> Option<Box<RawValue>> {
        ListParameters::of(self.limit, self.marker.as_deref()).on(self.key_id.as_deref())
    }

    fn operate(self, call: &mut Call<'_>) -> Result<Outcome<ListAliasesOutput>, Error> {
        let (facts, account, region) = (call.facts(), call.account()?, call.region().clone());
        let pattern = no_resource(call)?;
        call.authorize(&Target::new(Resource::None { pattern: pattern.into() }), &Request::new(permission(Operation::ListAliases)?, facts))?;
        // [K224] A key that is not there is told; one of another account has no aliases here.
        let of = match self.key_id.as_deref() {
            Some(named) => resolve(call, Operation::ListAliases, named)?.arn().cloned(),
            None => None,
        };
        let wanted =
            |alias: &&Arc<Alias>| self.key_id.is_none() || of.as_ref().is_some_and(|key| key.account() == account && *key.id() == alias.target);
        let aliases = call.state.aliases(account, &region).filter(wanted);
        let list = format!("ListAliases\n{:?}", self.key_id);
        let page = page(call, &list, ALIASES_PER_PAGE, self.limit, self.marker.as_deref(), aliases, |alias| alias.name.to_string())?;
        let entry = |alias: &Arc<Alias>| AliasListEntry {
            alias_name: alias.name.to_string(),
            alias_arn: alias.arn(),
            target_key_id: alias.target.to_string(),
            creation_date: EpochSeconds(alias.created_at),
            last_updated_date: EpochSeconds(alias.updated_at),
        };
        let aliases = page.items.into_iter().map(entry).collect();
        Ok(Outcome::unchanged(ListAliasesOutput { aliases, truncated: page.next_marker.is_some(), next_marker: page.next_marker }))
    }
}
