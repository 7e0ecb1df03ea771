//! Keys of a seed: what they are, their material, their replicas.

use std::sync::Arc;

use data_encoding::BASE64;
use keyward_authz::{KeyArn, KeyFacts, KeyId, MultiRegionKeyType, ResourcePolicy};
use keyward_crypto::{KeyMaterial, KeySpec, KeyUsage, MaterialId, Origin};
use keyward_policy::{AccountId, Region};
use zeroize::Zeroizing;

use super::apply::{Fault, Seeding};
use super::{Document, SeedKey, SeedReplica};
use crate::entities::{Entity, Imported, Key, KeyState, Material, RotationSchedule};
use crate::kms::{checked, default_policy, schedule};

impl Seeding<'_> {
    pub(super) fn key(&mut self, account: AccountId, id: &str, seed: &SeedKey) -> Result<(), Fault> {
        let id: KeyId = id.parse().map_err(|_| Fault::new("a key id is a UUID in lower case, or `mrk-` and 32 hexadecimal digits"))?;
        if !id.is_multi_region() && !seed.replicas.is_empty() {
            return Err(Fault::new("only a key whose id begins with `mrk-` has replicas").at(&["replicas"])); // [K40]
        }
        let arn = self.arn_in(account, &seed.region, &id).map_err(|fault| fault.at(&["region"]))?;
        let existing = self.state.key(&arn).cloned();
        if existing.as_ref().is_some_and(|key| key.in_store.is_some()) {
            return Err(Fault::new("this key is in a custom key store, which a seed says nothing about"));
        }
        let (spec, usage) = kind(seed, existing.as_deref())?;
        let origin = origin(seed, existing.as_deref()).map_err(|fault| fault.at(&["origin"]))?;
        let facts = KeyFacts {
            spec: spec.name().into(),
            usage: usage.name().into(),
            origin: origin.name().into(),
            // A primary that has moved since stays where it went.
            multi_region: id
                .is_multi_region()
                .then(|| existing.as_ref().and_then(|key| key.facts.multi_region).unwrap_or(MultiRegionKeyType::Primary)),
            tags: seed.tags.clone(),
            ..KeyFacts::new(arn.clone(), self.key_policy(&arn, seed.policy.as_ref())?)
        };
        let fixed = seed.material.as_ref();
        let materials = self.materials(&arn, existing.as_deref(), (spec, origin), fixed).map_err(|fault| fault.at(&["material"]))?;
        let rotation = self.rotation(existing.as_deref(), (spec, origin), seed).map_err(|fault| fault.at(&["rotation_days"]))?;
        let key = Key { description: seed.description.clone(), materials, rotation, ..self.begun(existing.as_deref(), facts) };
        self.put_key(key, seed.enabled);
        for (at, name) in seed.aliases.iter().enumerate() {
            self.alias(account, &seed.region, &id, name).map_err(|fault| fault.at(&["aliases", &at.to_string()]))?;
        }
        for (name, grant) in &seed.grants {
            self.grant(account, &arn, (spec, usage), name, grant).map_err(|fault| fault.at(&["grants", name]))?;
        }
        for (region, replica) in &seed.replicas {
            self.replica(&arn, region, (spec, usage), replica).map_err(|fault| fault.at(&["replicas", region.as_str()]))?;
        }
        Ok(())
    }

    /// (K122) A replica has the material of its primary and nothing else of it.
    fn replica(&mut self, of: &KeyArn, region: &Region, kind: (KeySpec, KeyUsage), seed: &SeedReplica) -> Result<(), Fault> {
        if region == of.region() {
            return Err(Fault::new("the key itself is in this Region"));
        }
        let arn = self.arn_in(of.account(), region, of.id())?;
        let primary = self.state.key(of).cloned().ok_or_else(|| Fault::new("the key is gone"))?;
        let existing = self.state.key(&arn).cloned();
        let facts = KeyFacts {
            arn: arn.clone(),
            policy: self.key_policy(&arn, seed.policy.as_ref())?,
            multi_region: existing.as_ref().map_or(Some(MultiRegionKeyType::Replica), |key| key.facts.multi_region),
            aliases: Vec::new(),
            tags: seed.tags.clone(),
            ..primary.facts.clone()
        };
        let entropy = &*self.host.env().entropy;
        let carry = |known: &Material| match &known.sealed {
            Some(_) => self.host.vault().carry(&primary, known, &arn, entropy),
            None => Ok(known.clone()),
        };
        let materials = match &existing {
            Some(existing) => existing.materials.clone(),
            None => primary.materials.iter().map(carry).collect::<Result<_, _>>()?,
        };
        let rotation = existing.as_ref().and_then(|key| key.rotation);
        let key = Key { description: seed.description.clone(), materials, rotation, ..self.begun(existing.as_deref(), facts) };
        self.put_key(key, seed.enabled);
        for (at, name) in seed.aliases.iter().enumerate() {
            self.alias(of.account(), region, of.id(), name).map_err(|fault| fault.at(&["aliases", &at.to_string()]))?;
        }
        for (name, grant) in &seed.grants {
            self.grant(of.account(), &arn, kind, name, grant).map_err(|fault| fault.at(&["grants", name]))?;
        }
        Ok(())
    }

    fn arn_in(&self, account: AccountId, region: &Region, id: &KeyId) -> Result<KeyArn, Fault> {
        let partition = self.state.partition(account);
        if region.partition() != partition {
            return Err(Fault::new(format!("{region} is not in {partition}, where the account is"))); // [K40]
        }
        Ok(KeyArn::new(region.clone(), account, id.clone()))
    }

    fn key_policy(&self, arn: &KeyArn, document: Option<&Document>) -> Result<ResourcePolicy, Fault> {
        match document {
            Some(document) => checked(&self.state, arn, &document.text()).map_err(|error| Fault::from(error).at(&["policy"])),
            None => Ok(default_policy(arn)),
        }
    }

    /// A key, with what time has added to one that is there.
    fn begun(&self, existing: Option<&Key>, facts: KeyFacts) -> Key {
        let tags = facts.tags.clone().into_iter().collect();
        let new = Key { tags, ..Key::new(facts, self.now) };
        match existing {
            Some(key) => Key { created_at: key.created_at, spent_tokens: key.spent_tokens.clone(), ..new },
            None => new,
        }
    }

    fn put_key(&mut self, mut key: Key, enabled: bool) {
        key.state = if enabled { KeyState::Enabled } else { KeyState::Disabled };
        key.settle();
        self.put(Entity::Key(Arc::new(key)));
    }

    /// A schedule that is there goes on; that of a key that has become a replica is elsewhere.
    fn rotation(&self, existing: Option<&Key>, (spec, origin): (KeySpec, Origin), seed: &SeedKey) -> Result<Option<RotationSchedule>, Fault> {
        let there = existing.and_then(|key| key.rotation);
        match seed.rotation_days {
            _ if existing.is_some_and(Key::is_replica) => Ok(there),
            Some(_) if (spec, origin) != (KeySpec::SymmetricDefault, Origin::AwsKms) => {
                Err(Fault::new("only symmetric encryption keys of origin AWS_KMS rotate by schedule")) // [K101]
            }
            Some(days) if there.is_some_and(|schedule| schedule.period_days == days) => Ok(there),
            Some(days) if !(90..=2560).contains(&days) => Err(Fault::new("a key rotates every 90 to 2560 days")), // [K100]
            Some(days) => Ok(Some(schedule(days, self.now)?)),
            None => Ok(None),
        }
    }

    /// Material never changes under a key: what was encrypted with it would be lost. What was imported and is gone comes back.
    fn materials(
        &self,
        arn: &KeyArn,
        existing: Option<&Key>,
        (spec, origin): (KeySpec, Origin),
        fixed: Option<&Zeroizing<String>>,
    ) -> Result<Vec<Material>, Fault> {
        let entropy = &*self.host.env().entropy;
        let blob_id = arn.id().as_str().parse().map_err(|_| Fault::new("a key id that is none"))?;
        let imported = (origin == Origin::External).then(Imported::default);
        let mut there = existing.map(|key| key.materials.clone()).unwrap_or_default();
        let fixed = match fixed {
            Some(text) => {
                let bytes = Zeroizing::new(BASE64.decode(text.as_bytes()).map_err(|_| wrong_material(spec))?);
                KeyMaterial::import(spec, &bytes).map_err(|_| wrong_material(spec))?
            }
            None if existing.is_some() || imported.is_some() => return Ok(there),
            None => KeyMaterial::generate(spec, entropy).map_err(|_| Fault::new(format!("no key of {spec} could be made")))?,
        };
        let id = MaterialId::derive(&blob_id, &fixed);
        let lock = || self.host.vault().lock(arn.as_str(), &blob_id, &fixed, self.now, entropy);
        let is_first = there.is_empty();
        match there.iter_mut().find(|known| known.id == id) {
            Some(known) if known.sealed.is_none() => known.sealed = lock()?.sealed,
            Some(_) => {}
            None if is_first => there.push(Material { imported, ..lock()? }),
            None => return Err(Fault::new("the key is there with other material, under which things may be encrypted")),
        }
        Ok(there)
    }
}

/// Where a key's material comes from; that of one that is there stays.
fn origin(seed: &SeedKey, existing: Option<&Key>) -> Result<Origin, Fault> {
    let origin = seed.origin.unwrap_or(Origin::AwsKms);
    if !matches!(origin, Origin::AwsKms | Origin::External) {
        return Err(Fault::new("a seed makes keys of origin AWS_KMS or EXTERNAL"));
    }
    match existing {
        Some(key) if key.facts.origin != origin.name() => Err(Fault::new(format!("the key is there, of origin {}", key.facts.origin))),
        _ => Ok(origin),
    }
}

/// What a key is for; the spec of one that is there stays (K70).
fn kind(seed: &SeedKey, existing: Option<&Key>) -> Result<(KeySpec, KeyUsage), Fault> {
    let spec = seed.spec.unwrap_or(KeySpec::SymmetricDefault);
    if spec == KeySpec::Sm2 {
        return Err(Fault::new("keys of SM2 are not supported by this release").at(&["spec"]));
    }
    let usages = spec.usages().iter().map(|usage| usage.name()).collect::<Vec<_>>().join(" or ");
    let usage = match (seed.usage, spec.usages()) {
        (Some(usage), usages) if usages.contains(&usage) => usage,
        (None, [only]) => *only,
        _ => return Err(Fault::new(format!("a key of {spec} is for {usages}: say which")).at(&["usage"])),
    };
    match existing.map(|key| &key.facts) {
        Some(there) if *there.spec != *spec.name() || *there.usage != *usage.name() => {
            Err(Fault::new(format!("the key is there, of {} for {}", there.spec, there.usage)).at(&["spec"]))
        }
        _ => Ok((spec, usage)),
    }
}

fn wrong_material(spec: KeySpec) -> Fault {
    Fault::new(match spec {
        KeySpec::SymmetricDefault => "key material is 32 bytes as base64 (44 characters); `head -c 32 /dev/urandom | base64` makes some".to_owned(),
        spec if !spec.mac_algorithms().is_empty() => format!("no key material of {spec}: it is as many random bytes as a code has, as base64"),
        spec => format!("no key material of {spec}: it is the base64 of an unencrypted PKCS#8 key (DER) of exactly this kind"),
    })
}
