//! Multi-Region keys: one key id and one material in several Regions, everything else each Region's own (K120–K125).

use std::borrow::Cow;

use keyward_authz::{KeyArn, KeyFacts, MultiRegionKeyType, Operation, Request};
use keyward_policy::{KeyName, Region, Values};
use serde::{Deserialize, Serialize};
use serde_json::json;
use serde_json::value::RawValue;

use super::keys::{KeyMetadata, Kind, has_room, may_create, put};
use super::policies::{checked, default_policy, lockout_check};
use super::resolve::{permission, resolve};
use super::tags::{RecordedTag, RequestedTag, recorded_tags, tags_of};
use super::{Nothing, Pairs};
use crate::call::{Call, Elsewhere, Operate, Outcome, raw};
use crate::entities::{Change, Key, Material};
use crate::error::Error;
use crate::state::State;
use crate::trail::ServiceEvent;
use crate::vault::{ReadyKey, in_state, ready};

/// Where a multi-Region key is (K80).
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct MultiRegionConfiguration {
    pub multi_region_key_type: MultiRegionKeyType,
    pub primary_key: MultiRegionKey,
    pub replica_keys: Vec<MultiRegionKey>,
}

/// One of the places.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct MultiRegionKey {
    pub arn: String,
    pub region: String,
}

impl MultiRegionKey {
    fn of(arn: &KeyArn) -> Self {
        Self { arn: arn.to_string(), region: arn.region().to_string() }
    }
}

impl MultiRegionConfiguration {
    /// As records have it (A1006).
    pub(super) fn recorded(&self) -> serde_json::Value {
        let Self { multi_region_key_type, primary_key, replica_keys } = self;
        let place = |key: &MultiRegionKey| json!({ "arn": key.arn, "region": key.region });
        json!({
            "multiRegionKeyType": multi_region_key_type,
            "primaryKey": place(primary_key),
            "replicaKeys": replica_keys.iter().map(place).collect::<Vec<_>>(),
        })
    }

    /// That of a key which may be about to come; none of keys of one Region.
    pub(super) fn of(state: &State, key: &Key) -> Option<Self> {
        let multi_region_key_type = key.facts.multi_region?;
        let others = state.replicas_of(key.arn()).map(|replica| replica.arn()).filter(|arn| *arn != key.arn());
        let mut replicas: Vec<&KeyArn> = others.chain(key.is_replica().then(|| key.arn())).collect();
        replicas.sort_unstable();
        let replica_keys = replicas.into_iter().map(MultiRegionKey::of).collect();
        let primary = if key.is_replica() { state.primary_of(key).arn() } else { key.arn() };
        Some(Self { multi_region_key_type, primary_key: MultiRegionKey::of(primary), replica_keys })
    }
}

/// Edits every replica of a primary; of other keys there are none.
pub(super) fn in_replicas(state: &State, primary: &Key, mut edit: impl FnMut(&mut Key) -> Result<(), Error>) -> Result<Vec<Change>, Error> {
    if primary.is_replica() {
        return Ok(Vec::new());
    }
    let mut changes = Vec::new();
    for replica in state.replicas_of(primary.arn()) {
        let mut replica = Key::clone(replica);
        edit(&mut replica)?;
        changes.extend(put(replica));
    }
    Ok(changes)
}

/// (K125) That the shared properties went to the replicas, where there are some.
pub(super) fn synchronized(state: &State, primary: &KeyArn) -> Option<ServiceEvent> {
    state.replicas_of(primary).next().map(|_| ServiceEvent::new("SynchronizeMultiRegionKey", primary))
}

/// (K101) (K120) (K123) What only a primary does.
pub(super) fn is_primary(key: &Key) -> Result<(), Error> {
    match key.facts.multi_region {
        Some(MultiRegionKeyType::Primary) => Ok(()),
        Some(MultiRegionKeyType::Replica) | None => Err(Error::Unsupported(Some(format!("{} is not a multi-region primary key.", key.arn())))),
    }
}

/// `ReplicateKey`
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct ReplicateKey {
    pub key_id: String,
    pub replica_region: Region,
    pub policy: Option<String>,
    pub bypass_policy_lockout_safety_check: Option<bool>,
    pub description: Option<String>,
    pub tags: Option<Vec<RequestedTag>>,
}

/// The answer to `ReplicateKey` (K121).
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct ReplicateKeyOutput {
    pub replica_key_metadata: KeyMetadata,
    pub replica_policy: String,
    pub replica_tags: Vec<RequestedTag>,
}

impl Operate for ReplicateKey {
    type Output = ReplicateKeyOutput;
    const SERVICE: &'static str = "kms";
    const NAME: &'static str = "ReplicateKey";
    const MUTATES: bool = true;

    fn request_parameters(&self) -> Option<Box<RawValue>> {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Parameters<'a> {
            key_id: &'a str,
            replica_region: &'a str,
            #[serde(skip_serializing_if = "Option::is_none")]
            policy: Option<&'a str>,
            bypass_policy_lockout_safety_check: bool,
            description: &'a str,
            tags: Vec<RecordedTag<'a>>,
        }
        raw(&Parameters {
            key_id: &self.key_id,
            replica_region: self.replica_region.as_str(),
            policy: self.policy.as_deref(),
            bypass_policy_lockout_safety_check: self.bypass_policy_lockout_safety_check.unwrap_or(false),
            description: self.description.as_deref().unwrap_or_default(),
            tags: recorded_tags(self.tags.as_deref().unwrap_or_default()),
        })
    }

    fn response_elements(output: &ReplicateKeyOutput) -> Option<Box<RawValue>> {
        raw(&json!({ "replicaKeyMetadata": output.replica_key_metadata.recorded(), "replicaPolicy": output.replica_policy }))
    }

    fn operate(self, call: &mut Call<'_>) -> Result<Outcome<ReplicateKeyOutput>, Error> {
        let facts = call.facts();
        let tags = tags_of(self.tags.unwrap_or_default())?;
        let tag_map: Pairs = tags.iter().cloned().collect();
        let found = resolve(call, Operation::ReplicateKey, &self.key_id)?;
        let mut request = Request::new(permission(Operation::ReplicateKey)?, facts);
        request.parameters = vec![(KeyName::ReplicaRegion, Values::One(Cow::Owned(self.replica_region.to_string())))]; // [A562]
        let bypass = self.bypass_policy_lockout_safety_check;
        request.parameters.extend(bypass.map(|bypass| (KeyName::BypassPolicyLockoutSafetyCheck, Values::bool(bypass)))); // [A556]
        let (primary, permit) = found.permit(call, request)?;
        // [A407] The other half is asked in the replica's Region.
        let mut there = facts.clone();
        there.region = self.replica_region.clone();
        let kind = Kind { multi_region: Some(MultiRegionKeyType::Replica), ..Kind::of(&primary)? };
        may_create(call, &there, kind, &tag_map, None)?;

        let usage = primary.facts.usage.clone();
        let ready = ready(&primary, permit)?.for_usage(&usage, Operation::ReplicateKey.name())?;
        is_primary(&primary)?;
        let arn = KeyArn::new(self.replica_region.clone(), primary.arn().account(), primary.arn().id().clone());
        if self.replica_region.partition() != primary.arn().region().partition() {
            return Err(Error::Unsupported(Some(format!("{} is in another partition than {}.", self.replica_region, primary.arn().region()))));
        }
        if call.state.key(&arn).is_some() {
            return Err(Error::ReplicaExists); // [K120]
        }
        has_room(call.state, arn.account(), arn.region())?;
        let mut key_facts = KeyFacts {
            arn: arn.clone(),
            policy: default_policy(&arn),
            ram_policy: None,
            multi_region: Some(MultiRegionKeyType::Replica),
            aliases: Vec::new(),
            tags: tag_map,
            ..primary.facts.clone()
        };
        if let Some(text) = &self.policy {
            let policy = checked(call.state, &arn, text)?;
            if bypass != Some(true) {
                lockout_check(call, &key_facts, &policy)?; // [A701]
            }
            key_facts.policy = policy;
        }
        let replica_policy = key_facts.policy.policy.text().to_owned();
        let description = self.description.unwrap_or_default();
        let mut replica = Key { tags, description, materials: carried(call, &ready, &arn)?, ..Key::new(key_facts, call.now) };
        // [K121] What is answered is what AWS answers while it copies; once it is answered the copy is there.
        let mut replica_key_metadata = KeyMetadata::of(call.state, &replica);
        replica_key_metadata.current_key_material_id = None;
        replica.settle();
        call.elsewhere(Elsewhere {
            region: self.replica_region,
            event_name: Operation::CreateKey.name(),
            request_parameters: raw(&json!({
                "description": replica.description,
                "keySpec": replica.facts.spec,
                "keyUsage": replica.facts.usage,
                "origin": replica.facts.origin,
                "multiRegion": true,
            })),
            response_elements: raw(&json!({ "keyMetadata": replica_key_metadata.recorded() })),
            key: arn,
        });
        call.also(ServiceEvent::new("SynchronizeMultiRegionKey", primary.arn())); // [K125]
        let replica_tags = replica.tags.iter().map(|(name, value)| RequestedTag { tag_key: name.clone(), tag_value: value.clone() }).collect();
        Ok(Outcome::changed(ReplicateKeyOutput { replica_key_metadata, replica_policy, replica_tags }, put(replica)))
    }
}

/// A key's materials for a replica: imported ones are known there and wait to be imported (K120).
fn carried(call: &Call<'_>, primary: &ReadyKey<'_>, arn: &KeyArn) -> Result<Vec<Material>, Error> {
    let carry = |known: &Material| match &known.imported {
        Some(_) => Ok(known.without_bytes()),
        None => call.vault.carry(primary.key(), known, arn, &*call.env.entropy),
    };
    primary.key().materials.iter().map(carry).collect()
}

/// `UpdatePrimaryRegion`
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct UpdatePrimaryRegion {
    pub key_id: String,
    pub primary_region: Region,
}

impl UpdatePrimaryRegion {
    fn recorded(&self) -> Option<Box<RawValue>> {
        raw(&json!({ "keyId": self.key_id, "primaryRegion": self.primary_region.as_str() }))
    }
}

impl Operate for UpdatePrimaryRegion {
    type Output = Nothing;
    const SERVICE: &'static str = "kms";
    const NAME: &'static str = "UpdatePrimaryRegion";
    const MUTATES: bool = true;

    fn request_parameters(&self) -> Option<Box<RawValue>> {
        self.recorded()
    }

    /// (A408) Two permissions, on the primary that is and on the one that shall be. Both roles change in one commit, so neither key is
    /// ever seen updating.
    fn operate(self, call: &mut Call<'_>) -> Result<Outcome<Nothing>, Error> {
        let facts = call.facts();
        let found = resolve(call, Operation::UpdatePrimaryRegion, &self.key_id)?;
        let mut request = Request::new(permission(Operation::UpdatePrimaryRegion)?, facts);
        request.parameters = vec![(KeyName::PrimaryRegion, Values::One(Cow::Owned(self.primary_region.to_string())))]; // [A562]
        let (old, permit) = found.permit(call, request.clone())?;
        let state = call.state;
        let successor = state.key_at(old.arn().account(), &self.primary_region, old.arn().id()).filter(|key| key.is_replica());
        let Some(new) = successor else {
            in_state(&old, permit)?;
            is_primary(&old)?;
            if self.primary_region == *old.arn().region() {
                return Err(Error::Unsupported(Some(format!("{} is the multi-region primary key already.", old.arn()))));
            }
            return Err(Error::KeyNotFound(KeyArn::new(self.primary_region, old.arn().account(), old.arn().id().clone()).to_string()));
        };
        let new_permit = call.permit(new, &request)?;
        in_state(&old, permit)?;
        is_primary(&old)?;
        in_state(new, new_permit)?;
        let (mut old, mut new) = (Key::clone(&old), Key::clone(new));
        old.facts.multi_region = Some(MultiRegionKeyType::Replica);
        new.facts.multi_region = Some(MultiRegionKeyType::Primary);
        new.rotation = old.rotation.take(); // [K122]
        // [A1006] Each Region has its record.
        call.resources.retain(|concerned| concerned != new.arn());
        call.elsewhere(Elsewhere {
            region: self.primary_region.clone(),
            event_name: Self::NAME,
            request_parameters: self.recorded(),
            response_elements: None,
            key: new.arn().clone(),
        });
        let mut changes = put(old);
        changes.extend(put(new));
        Ok(Outcome::changed(Nothing {}, changes))
    }
}
