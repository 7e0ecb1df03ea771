//! Rotation: new material for a key that keeps its id, its policy and everything that was encrypted under it (K100–K107).

use std::borrow::Cow;

use jiff::{SignedDuration, Timestamp};
use keyward_authz::{Operation, Request};
use keyward_crypto::{KeyMaterial, KeySpec, MaterialId, Origin};
use keyward_policy::{KeyName, Values};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::import::ExpirationModel;
use super::keys::{KeyIdOutput, KeyIdParameter, changing, put};
use super::regions::{in_replicas, is_primary, synchronized};
use super::resolve::{permission, resolve};
use super::{EpochSeconds, ListParameters, Nothing};
use crate::call::{Call, Operate, Outcome, raw};
use crate::entities::{Change, Imported, Key, KeyState, Material, Rotation, RotationKind, RotationSchedule};
use crate::env::Env;
use crate::error::Error;
use crate::paging::{PageSize, page};
use crate::state::State;
use crate::trail::ServiceEvent;
use crate::vault::Vault;

/// (K100) [A502] Days, when none are asked for.
const PERIOD_DAYS: u32 = 365;
/// Rotations on demand in a key's life (K102).
const ON_DEMAND_MAX: usize = 25;
/// Minutes before an automatic rotation in which none is made on demand (K102).
const CONFLICT_MINUTES: i64 = 20;
/// (K220)
const ROTATIONS_PER_PAGE: PageSize = PageSize { default: 100, max: 1000 };

/// `EnableKeyRotation`
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct EnableKeyRotation {
    pub key_id: String,
    pub rotation_period_in_days: Option<u32>,
}

impl Operate for EnableKeyRotation {
    type Output = Nothing;
    const SERVICE: &'static str = "kms";
    const NAME: &'static str = "EnableKeyRotation";
    const MUTATES: bool = true;

    fn request_parameters(&self) -> Option<Box<RawValue>> {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Parameters<'a> {
            key_id: &'a str,
            #[serde(skip_serializing_if = "Option::is_none")]
            rotation_period_in_days: Option<u32>,
        }
        raw(&Parameters { key_id: &self.key_id, rotation_period_in_days: self.rotation_period_in_days })
    }

    fn operate(self, call: &mut Call<'_>) -> Result<Outcome<Nothing>, Error> {
        let period_days = self.rotation_period_in_days.unwrap_or(PERIOD_DAYS);
        let facts = call.facts();
        let found = resolve(call, Operation::EnableKeyRotation, &self.key_id)?;
        let mut request = Request::new(permission(Operation::EnableKeyRotation)?, facts);
        request.parameters = vec![(KeyName::RotationPeriodInDays, Values::One(Cow::Owned(period_days.to_string())))]; // [A560]
        let key = found.permit_in_state(call, request)?;
        is_symmetric(&key)?;
        rotates_by_itself(&key)?;
        let mut key = Key::clone(&key);
        key.rotation = Some(schedule(period_days, call.now)?);
        Ok(Outcome::changed(Nothing {}, put(key)))
    }
}

/// (K100) The first rotation is a period from now.
pub(crate) fn schedule(period_days: u32, now: Timestamp) -> Result<RotationSchedule, Error> {
    Ok(RotationSchedule { period_days, next_at: days_after(now, period_days)? })
}

fn days_after(at: Timestamp, days: u32) -> Result<Timestamp, Error> {
    at.checked_add(SignedDuration::from_hours(24 * i64::from(days))).map_err(|_| Error::Internal("a date out of range"))
}

/// (K101) (K102) (K15)
fn is_symmetric(key: &Key) -> Result<(), Error> {
    if key.facts.spec == KeySpec::SymmetricDefault.name() { Ok(()) } else { Err(Error::Unsupported(None)) }
}

/// (K103) (K105) Of material that is elsewhere nothing is known.
fn has_own_material(key: &Key) -> Result<(), Error> {
    if [Origin::AwsKms, Origin::External].iter().any(|origin| origin.name() == key.facts.origin) {
        return Ok(());
    }
    Err(Error::Unsupported(Some(format!("{} origin is {} which is not valid for this operation.", key.arn(), key.facts.origin))))
}

/// `DisableKeyRotation`
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct DisableKeyRotation {
    pub key_id: String,
}

impl Operate for DisableKeyRotation {
    type Output = Nothing;
    const SERVICE: &'static str = "kms";
    const NAME: &'static str = "DisableKeyRotation";
    const MUTATES: bool = true;

    fn request_parameters(&self) -> Option<Box<RawValue>> {
        raw(&KeyIdParameter { key_id: &self.key_id })
    }

    fn operate(self, call: &mut Call<'_>) -> Result<Outcome<Nothing>, Error> {
        let mut key = changing(call, Operation::DisableKeyRotation, &self.key_id)?;
        is_symmetric(&key)?;
        rotates_by_itself(&key)?;
        key.rotation = None;
        Ok(Outcome::changed(Nothing {}, put(key)))
    }
}

/// `GetKeyRotationStatus`
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct GetKeyRotationStatus {
    pub key_id: String,
}

/// The answer to `GetKeyRotationStatus` (K103). A rotation on demand is over when it is answered, so none is ever in progress.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct GetKeyRotationStatusOutput {
    pub key_id: String,
    pub key_rotation_enabled: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rotation_period_in_days: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_rotation_date: Option<EpochSeconds>,
}

impl Operate for GetKeyRotationStatus {
    type Output = GetKeyRotationStatusOutput;
    const SERVICE: &'static str = "kms";
    const NAME: &'static str = "GetKeyRotationStatus";
    const MUTATES: bool = false;

    fn request_parameters(&self) -> Option<Box<RawValue>> {
        raw(&KeyIdParameter { key_id: &self.key_id })
    }

    fn operate(self, call: &mut Call<'_>) -> Result<Outcome<GetKeyRotationStatusOutput>, Error> {
        let key = changing(call, Operation::GetKeyRotationStatus, &self.key_id)?;
        has_own_material(&key)?;
        // [K103] It reads as off while the key waits for its deletion, and comes back with it.
        let pending = matches!(key.state, KeyState::PendingDeletion | KeyState::PendingReplicaDeletion);
        let schedule = call.state.primary_of(&key).rotation.filter(|_| !pending); // [K122]
        Ok(Outcome::unchanged(GetKeyRotationStatusOutput {
            key_id: key.arn().to_string(),
            key_rotation_enabled: schedule.is_some(),
            rotation_period_in_days: schedule.map(|schedule| schedule.period_days),
            next_rotation_date: schedule.map(|schedule| EpochSeconds(schedule.next_at)),
        }))
    }
}

/// `RotateKeyOnDemand`
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct RotateKeyOnDemand {
    pub key_id: String,
}

impl Operate for RotateKeyOnDemand {
    type Output = KeyIdOutput;
    const SERVICE: &'static str = "kms";
    const NAME: &'static str = "RotateKeyOnDemand";
    const MUTATES: bool = true;

    fn request_parameters(&self) -> Option<Box<RawValue>> {
        raw(&KeyIdParameter { key_id: &self.key_id })
    }

    fn response_elements(output: &KeyIdOutput) -> Option<Box<RawValue>> {
        raw(&KeyIdParameter { key_id: &output.key_id })
    }

    fn operate(self, call: &mut Call<'_>) -> Result<Outcome<KeyIdOutput>, Error> {
        let mut key = changing(call, Operation::RotateKeyOnDemand, &self.key_id)?;
        is_symmetric(&key)?;
        rotates_by_itself(&key)?;
        let on_demand = key.materials.iter().filter_map(|material| material.rotation).filter(|rotation| rotation.kind == RotationKind::OnDemand);
        if on_demand.count() >= ON_DEMAND_MAX {
            return Err(Error::OnDemandRotationsExhausted(key.arn().clone())); // [K102]
        }
        let soon = call.now.saturating_add(SignedDuration::from_mins(CONFLICT_MINUTES)).map_err(|_| Error::Internal("a date out of range"))?;
        if key.rotation.is_some_and(|schedule| schedule.next_at <= soon) {
            return Err(Error::AutomaticRotationNear);
        }
        let rotation = Rotation { at: call.now, kind: RotationKind::OnDemand };
        let (mut changes, events) = if key.facts.origin == Origin::External.name() {
            rotate_to_imported(call.state, &mut key, rotation)?
        } else {
            rotate(call.state, &mut key, rotation, call.vault, call.env)?
        };
        events.into_iter().for_each(|event| call.also(event));
        let output = KeyIdOutput { key_id: key.arn().to_string() };
        changes.extend(put(key));
        Ok(Outcome::changed(output, changes))
    }
}

/// (K101) (K106) Replicas rotate with their primary.
fn rotates_by_itself(key: &Key) -> Result<(), Error> {
    if key.is_replica() { is_primary(key) } else { Ok(()) }
}

/// Gives a key, and its replicas, new material; the old one stays, for what was encrypted under it.
fn rotate(state: &State, key: &mut Key, rotation: Rotation, vault: &Vault, env: &Env) -> Result<(Vec<Change>, Vec<ServiceEvent>), Error> {
    let fresh = KeyMaterial::generate(KeySpec::SymmetricDefault, &*env.entropy).map_err(|_| Error::Internal("randomness failed"))?;
    let blob_id = key.arn().id().as_str().parse().map_err(|_| Error::Internal("a key id that is none"))?;
    let previous = key.current_material().map(|material| material.id);
    let give = |key: &mut Key| {
        let locked = vault.lock(key.arn().as_str(), &blob_id, &fresh, rotation.at, &*env.entropy)?;
        key.materials.push(Material { rotation: Some(rotation), ..locked });
        Ok(())
    };
    give(key)?;
    let changes = in_replicas(state, key, give)?; // [K106]
    Ok((changes, events(state, key, previous, rotation)))
}

/// (K102) (K117) Makes the imported material that waits the current one, in all Regions of a multi-Region key at once: it must be
/// in all of them.
fn rotate_to_imported(state: &State, key: &mut Key, rotation: Rotation) -> Result<(Vec<Change>, Vec<ServiceEvent>), Error> {
    let pending = key.pending_material().filter(|material| material.sealed.is_some()).map(|material| material.id);
    let Some(id) = pending.filter(|_| pending_state(state, key) == "PENDING_ROTATION") else {
        return Err(Error::NoMaterialPending(key.arn().clone()));
    };
    let previous = key.current_material().map(|material| material.id);
    let turn = |key: &mut Key| {
        for material in key.materials.iter_mut().filter(|material| material.id == id) {
            material.rotation = Some(rotation);
            material.imported = material.imported.take().map(|imported| Imported { is_pending: false, ..imported });
        }
        Ok(())
    };
    turn(key)?;
    let changes = in_replicas(state, key, turn)?;
    Ok((changes, events(state, key, previous, rotation)))
}

/// (A1011) What is recorded of a rotation.
fn events(state: &State, key: &Key, previous: Option<MaterialId>, rotation: Rotation) -> Vec<ServiceEvent> {
    let id = |material: Option<MaterialId>| material.map(|material| material.to_string()).unwrap_or_default();
    let rotated = ServiceEvent::new("RotateKey", key.arn())
        .with("rotationType", rotation.kind.name())
        .with("previousKeyMaterialId", id(previous))
        .with("currentKeyMaterialId", id(key.current_material().map(|material| material.id)));
    [rotated].into_iter().chain(synchronized(state, key.arn())).collect()
}

/// (K105) For what imported material waits: a rotation, or first its import into the replicas.
fn pending_state(state: &State, key: &Key) -> &'static str {
    let primary = state.primary_of(key);
    let has_it = |key: &Key| key.pending_material().is_some_and(|material| material.sealed.is_some());
    let everywhere = has_it(primary) && state.replicas_of(primary.arn()).all(|replica| has_it(replica));
    if everywhere { "PENDING_ROTATION" } else { "PENDING_MULTI_REGION_IMPORT_AND_ROTATION" }
}

/// The rotation of a key whose day has come. A period is counted from the day that was planned, not from when somebody looked;
/// of several that passed unseen one is made, for nothing was encrypted between them.
pub(super) fn rotate_by_schedule(
    state: &State,
    key: &Key,
    now: Timestamp,
    vault: &Vault,
    env: &Env,
) -> Result<(Vec<Change>, Vec<ServiceEvent>), Error> {
    let mut key = key.clone();
    let schedule = key.rotation.ok_or(Error::Internal("a rotation is due that nobody planned"))?;
    let (mut changes, events) = rotate(state, &mut key, Rotation { at: now, kind: RotationKind::Automatic }, vault, env)?;
    let planned = days_after(schedule.next_at, schedule.period_days)?;
    let next_at = if planned > now { planned } else { days_after(now, schedule.period_days)? };
    key.rotation = Some(RotationSchedule { next_at, ..schedule });
    changes.extend(put(key));
    Ok((changes, events))
}

/// `ListKeyRotations`
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct ListKeyRotations {
    pub key_id: String,
    pub include_key_material: Option<String>,
    pub limit: Option<usize>,
    pub marker: Option<String>,
}

/// A material in a list (K105).
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct RotationListEntry {
    pub key_id: String,
    pub key_material_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_material_description: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub import_state: Option<&'static str>,
    pub key_material_state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expiration_model: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub valid_to: Option<EpochSeconds>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rotation_date: Option<EpochSeconds>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rotation_type: Option<&'static str>,
}

/// The answer to `ListKeyRotations`.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct ListKeyRotationsOutput {
    pub rotations: Vec<RotationListEntry>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_marker: Option<String>,
    pub truncated: bool,
}

impl Operate for ListKeyRotations {
    type Output = ListKeyRotationsOutput;
    const SERVICE: &'static str = "kms";
    const NAME: &'static str = "ListKeyRotations";
    const MUTATES: bool = false;

    fn request_parameters(&self) -> Option<Box<RawValue>> {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Parameters<'a> {
            #[serde(flatten)]
            page: ListParameters<'a>,
            #[serde(skip_serializing_if = "Option::is_none")]
            include_key_material: Option<&'a str>,
        }
        let page = ListParameters { key_id: Some(&self.key_id), ..ListParameters::of(self.limit, self.marker.as_deref()) };
        raw(&Parameters { page, include_key_material: self.include_key_material.as_deref() })
    }

    fn operate(self, call: &mut Call<'_>) -> Result<Outcome<ListKeyRotationsOutput>, Error> {
        let key = changing(call, Operation::ListKeyRotations, &self.key_id)?;
        is_symmetric(&key)?;
        has_own_material(&key)?;
        let all = self.include_key_material.as_deref() == Some("ALL_KEY_MATERIAL");
        let listed = key.materials.iter().enumerate().filter(|(_, material)| all || material.rotation.is_some());
        // [K223] Materials come behind those that are there, and stay in their place.
        let place = |(at, _): &(usize, &Material)| format!("{at:020}");
        let list = format!("ListKeyRotations {}", key.arn());
        let page = page(call, &list, ROTATIONS_PER_PAGE, self.limit, self.marker.as_deref(), listed, place)?;
        let current = key.current_material().map(|material| material.id);
        let entry = |(_, material): (usize, &Material)| {
            let there = material.imported.as_ref().filter(|_| material.sealed.is_some());
            RotationListEntry {
                key_id: key.arn().to_string(),
                key_material_id: material.id.to_string(),
                key_material_description: material.imported.as_ref().and_then(|imported| imported.description.clone()),
                import_state: material.imported.as_ref().map(|_| if material.sealed.is_some() { "IMPORTED" } else { "PENDING_IMPORT" }),
                key_material_state: match material.is_associated() {
                    true if current == Some(material.id) => "CURRENT",
                    true => "NON_CURRENT",
                    false => pending_state(call.state, &key),
                },
                expiration_model: there.map(|imported| ExpirationModel::of(imported.expires_at).name()),
                valid_to: material.expires_at().map(EpochSeconds),
                rotation_date: material.rotation.map(|rotation| EpochSeconds(rotation.at)),
                rotation_type: material.rotation.map(|rotation| rotation.kind.name()),
            }
        };
        let rotations = page.items.into_iter().map(entry).collect();
        Ok(Outcome::unchanged(ListKeyRotationsOutput { rotations, truncated: page.next_marker.is_some(), next_marker: page.next_marker }))
    }
}
