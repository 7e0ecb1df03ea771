//! Key material that comes from elsewhere: its wrapping key, its way in, its end (K110–K119).

use std::borrow::Cow;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use keyward_authz::{KeyArn, Operation, Request};
use keyward_crypto::{KeyMaterial, KeySpec, MaterialId, Purpose, Sealed, WrappingAlgorithm, WrappingKeySpec, unwrap};
use keyward_policy::{KeyName, Values};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::keys::{changing, put};
use super::regions::in_replicas;
use super::resolve::{permission, resolve};
use super::{Answer, Blob, EpochSeconds, RecordedTime};
use crate::call::{Call, Operate, Outcome, raw};
use crate::entities::{Change, Imported, Key, Material, SpentToken};
use crate::error::Error;
use crate::host::new_uuid;
use crate::state::State;
use crate::trail::ServiceEvent;

/// Hours for which a wrapping key and its token are good (K110).
const PARAMETERS_HOURS: i64 = 24;
/// Days after which imported material must have expired, if it expires at all (K113).
const VALID_DAYS_MAX: i64 = 365;

/// `GetParametersForImport`
#[derive(Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct GetParametersForImport {
    pub key_id: String,
    pub wrapping_algorithm: WrappingAlgorithm,
    pub wrapping_key_spec: WrappingKeySpec,
}

/// The answer to `GetParametersForImport` (K110).
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct GetParametersForImportOutput {
    pub key_id: String,
    pub import_token: Answer,
    pub public_key: Answer,
    pub parameters_valid_to: EpochSeconds,
}

/// What a token says, sealed with the key's ARN as additional data. The private wrapping key lies in it, sealed once more: it is in
/// nobody's store, and what is not asked for again is gone.
#[derive(Deserialize, Serialize)]
struct ImportToken {
    id: String,
    algorithm: WrappingAlgorithm,
    wrapping_key_spec: WrappingKeySpec,
    wrapping_key: Sealed,
    valid_to: Timestamp,
}

/// Only this token of this key has this wrapping key.
fn wrapping_key_aad(key: &KeyArn, token_id: &str) -> String {
    format!("import/{key}#{token_id}")
}

impl Operate for GetParametersForImport {
    type Output = GetParametersForImportOutput;
    const SERVICE: &'static str = "kms";
    const NAME: &'static str = "GetParametersForImport";
    const MUTATES: bool = false;
    const MAKES_PAIRS: bool = true;

    fn again(&self) -> Option<Self> {
        Some(self.clone())
    }

    fn request_parameters(&self) -> Option<Box<RawValue>> {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Parameters<'a> {
            key_id: &'a str,
            wrapping_algorithm: WrappingAlgorithm,
            wrapping_key_spec: WrappingKeySpec,
        }
        let Self { key_id, wrapping_algorithm, wrapping_key_spec } = self;
        raw(&Parameters { key_id, wrapping_algorithm: *wrapping_algorithm, wrapping_key_spec: *wrapping_key_spec })
    }

    fn operate(self, call: &mut Call<'_>) -> Result<Outcome<GetParametersForImportOutput>, Error> {
        let Self { key_id, wrapping_algorithm: algorithm, wrapping_key_spec } = self;
        let facts = call.facts();
        let found = resolve(call, Operation::GetParametersForImport, &key_id)?;
        let mut request = Request::new(permission(Operation::GetParametersForImport)?, facts);
        request.parameters = vec![
            (KeyName::WrappingAlgorithm, Values::One(Cow::Borrowed(algorithm.name()))), // [A565]
            (KeyName::WrappingKeySpec, Values::One(Cow::Borrowed(wrapping_key_spec.name()))),
        ];
        let key = found.permit_in_state(call, request)?;
        let spec = spec_of(&key)?;
        if !algorithm.takes(wrapping_key_spec, spec) {
            let message = format!("Key material of {spec} keys is not wrapped with {algorithm} under {wrapping_key_spec}.");
            return Err(Error::Unsupported(Some(message))); // [K111]
        }
        let failed = |_| Error::Internal("a wrapping key does not seal");
        let wrapping_key = call.make(wrapping_key_spec.key_spec())?;
        let public_key = wrapping_key.public_key().map_err(|_| Error::Internal("a wrapping key that is no pair"))?;
        let valid_to = call.now.saturating_add(SignedDuration::from_hours(PARAMETERS_HOURS)).map_err(|_| Error::Internal("a date out of range"))?;
        let id = new_uuid(call.env);
        let sealed = call.vault.root().seal_material(wrapping_key_aad(key.arn(), &id).as_bytes(), &wrapping_key, &*call.env.entropy);
        let token = ImportToken { id, algorithm, wrapping_key_spec, wrapping_key: sealed.map_err(failed)?, valid_to };
        let token = serde_json::to_vec(&token).map_err(|_| Error::Internal("a token does not encode"))?;
        let token = call.vault.root().seal(Purpose::ImportToken, key.arn().as_str().as_bytes(), &token, &*call.env.entropy).map_err(failed)?;
        Ok(Outcome::unchanged(GetParametersForImportOutput {
            key_id: key.arn().to_string(),
            import_token: Answer::of(token.as_bytes()),
            public_key: Answer::of(public_key.as_der()),
            parameters_valid_to: EpochSeconds(valid_to),
        }))
    }
}

fn spec_of(key: &Key) -> Result<KeySpec, Error> {
    key.facts.spec.parse().map_err(|_| Error::Internal("a key spec that is none"))
}

/// Reads a token of this key (K114).
fn open_token(call: &Call<'_>, key: &KeyArn, token: &[u8]) -> Result<(ImportToken, KeyMaterial), Error> {
    let invalid = |_| Error::InvalidImportToken;
    let root = call.vault.root();
    let sealed = Sealed::from_bytes(token.to_vec()).map_err(invalid)?;
    let token = root.open(Purpose::ImportToken, key.as_str().as_bytes(), &sealed).map_err(invalid)?;
    let token: ImportToken = serde_json::from_slice(&token).map_err(|_| Error::InvalidImportToken)?;
    if token.valid_to <= call.now {
        return Err(Error::ExpiredImportToken);
    }
    let aad = wrapping_key_aad(key, &token.id);
    let wrapping_key = root.open_material(token.wrapping_key_spec.key_spec(), aad.as_bytes(), &token.wrapping_key).map_err(invalid)?;
    Ok((token, wrapping_key))
}

/// Whether imported material expires.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[expect(missing_docs, reason = "AWS's own words")]
pub enum ExpirationModel {
    #[default]
    #[serde(rename = "KEY_MATERIAL_EXPIRES")]
    Expires,
    #[serde(rename = "KEY_MATERIAL_DOES_NOT_EXPIRE")]
    DoesNotExpire,
}

impl ExpirationModel {
    /// That of material with this end.
    pub(super) fn of(expires_at: Option<Timestamp>) -> Self {
        if expires_at.is_some() { Self::Expires } else { Self::DoesNotExpire }
    }

    /// As AWS spells it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Expires => "KEY_MATERIAL_EXPIRES",
            Self::DoesNotExpire => "KEY_MATERIAL_DOES_NOT_EXPIRE",
        }
    }
}

/// Whether material is one that the key knows.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[expect(missing_docs, reason = "AWS's own words")]
pub enum ImportType {
    #[serde(rename = "NEW_KEY_MATERIAL")]
    New,
    #[serde(rename = "EXISTING_KEY_MATERIAL")]
    Existing,
}

/// `ImportKeyMaterial`
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct ImportKeyMaterial {
    pub key_id: String,
    pub import_token: Blob,
    pub encrypted_key_material: Blob,
    pub valid_to: Option<EpochSeconds>,
    pub expiration_model: Option<ExpirationModel>,
    pub import_type: Option<ImportType>,
    pub key_material_description: Option<String>,
    pub key_material_id: Option<String>,
}

/// The answer to `ImportKeyMaterial` and `DeleteImportedKeyMaterial` (K115) (K119).
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct KeyMaterialOutput {
    pub key_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_material_id: Option<String>,
}

impl KeyMaterialOutput {
    fn of(key: &Key, material: MaterialId) -> Self {
        Self { key_id: key.arn().to_string(), key_material_id: is_symmetric(key).then(|| material.to_string()) }
    }

    fn recorded(&self) -> Option<Box<RawValue>> {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Elements<'a> {
            key_id: &'a str,
            #[serde(skip_serializing_if = "Option::is_none")]
            key_material_id: Option<&'a str>,
        }
        raw(&Elements { key_id: &self.key_id, key_material_id: self.key_material_id.as_deref() })
    }
}

fn is_symmetric(key: &Key) -> bool {
    key.facts.spec == KeySpec::SymmetricDefault.name()
}

impl ImportKeyMaterial {
    /// (K113) When the material expires.
    fn expires_at(&self, now: Timestamp) -> Result<Option<Timestamp>, Error> {
        let refused = |message: &str| Err(Error::Validation(message.to_owned()));
        let latest = now.saturating_add(SignedDuration::from_hours(24 * VALID_DAYS_MAX)).map_err(|_| Error::Internal("a date out of range"))?;
        match (self.expiration_model.unwrap_or_default(), self.valid_to) {
            (ExpirationModel::Expires, None) => refused("A validTo date must be set if the ExpirationModel is KEY_MATERIAL_EXPIRES"),
            (ExpirationModel::Expires, Some(EpochSeconds(at))) if at <= now => refused("ValidTo must be in the future"),
            (ExpirationModel::Expires, Some(EpochSeconds(at))) if at > latest => refused("ValidTo must be at most 365 days in the future"),
            (ExpirationModel::Expires, Some(EpochSeconds(at))) => Ok(Some(at)),
            (ExpirationModel::DoesNotExpire, Some(_)) => {
                refused("A validTo date must not be set if the ExpirationModel is KEY_MATERIAL_DOES_NOT_EXPIRE")
            }
            (ExpirationModel::DoesNotExpire, None) => Ok(None),
        }
    }
}

impl Operate for ImportKeyMaterial {
    type Output = KeyMaterialOutput;
    const SERVICE: &'static str = "kms";
    const NAME: &'static str = "ImportKeyMaterial";
    const MUTATES: bool = true;

    fn request_parameters(&self) -> Option<Box<RawValue>> {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Parameters<'a> {
            key_id: &'a str,
            #[serde(skip_serializing_if = "Option::is_none")]
            valid_to: Option<RecordedTime>,
            expiration_model: ExpirationModel,
            #[serde(skip_serializing_if = "Option::is_none")]
            import_type: Option<ImportType>,
            #[serde(skip_serializing_if = "Option::is_none")]
            key_material_description: Option<&'a str>,
            #[serde(skip_serializing_if = "Option::is_none")]
            key_material_id: Option<&'a str>,
        }
        raw(&Parameters {
            key_id: &self.key_id,
            valid_to: self.valid_to.map(|at| RecordedTime(at.0)),
            expiration_model: self.expiration_model.unwrap_or_default(),
            import_type: self.import_type,
            key_material_description: self.key_material_description.as_deref(),
            key_material_id: self.key_material_id.as_deref(),
        })
    }

    fn response_elements(output: &KeyMaterialOutput) -> Option<Box<RawValue>> {
        output.recorded()
    }

    fn operate(self, call: &mut Call<'_>) -> Result<Outcome<KeyMaterialOutput>, Error> {
        let expires_at = self.expires_at(call.now)?;
        if self.key_material_id.is_some() && self.import_type != Some(ImportType::Existing) {
            return Err(Error::Validation("KeyMaterialId can be specified only when ImportType is EXISTING_KEY_MATERIAL.".to_owned())); // [K116]
        }
        let facts = call.facts();
        let found = resolve(call, Operation::ImportKeyMaterial, &self.key_id)?;
        let mut request = Request::new(permission(Operation::ImportKeyMaterial)?, facts);
        let model = self.expiration_model.unwrap_or_default().name();
        request.parameters = vec![(KeyName::ExpirationModel, Values::One(Cow::Borrowed(model)))]; // [A564]
        request.parameters.extend(self.valid_to.map(|at| (KeyName::ValidTo, Values::One(Cow::Owned(at.0.to_string())))));
        let key = found.permit_in_state(call, request)?;

        let (token, wrapping_key) = open_token(call, key.arn(), &self.import_token.0)?;
        let plain = unwrap(&wrapping_key, token.algorithm, &self.encrypted_key_material.0).map_err(|_| Error::InvalidCiphertext)?;
        let incorrect = "The key material is not what keys of this spec have.";
        let material = KeyMaterial::import(spec_of(&key)?, plain.expose()).map_err(|_| Error::IncorrectKeyMaterial(incorrect))?;
        let blob_id = key.arn().id().as_str().parse().map_err(|_| Error::Internal("a key id that is none"))?;
        let id = MaterialId::derive(&blob_id, &material); // [K118]
        let mut changed = Key::clone(&key);
        spend(&mut changed, &token, id, call.now)?;
        let at = place(&changed, id, self.import_type, self.key_material_id.as_deref())?;
        let fresh = call.vault.lock(key.arn().as_str(), &blob_id, &material, call.now, &*call.env.entropy)?;
        let is_new = match at {
            Some(at) => {
                let known = changed.materials.get_mut(at).ok_or(Error::Internal("a material that is gone"))?;
                let imported = known.imported.clone().unwrap_or_default();
                // [K116] Kept when it is not said again.
                let description = self.key_material_description.or(imported.description);
                *known = Material {
                    sealed: fresh.sealed,
                    created_at: call.now,
                    imported: Some(Imported { description, expires_at, ..imported }),
                    ..known.clone()
                };
                false
            }
            None => {
                let is_pending = !changed.materials.is_empty(); // [K117]
                let imported = Imported { description: self.key_material_description, expires_at, is_pending };
                changed.materials.push(Material { imported: Some(imported), ..fresh });
                true
            }
        };
        changed.settle();
        let output = KeyMaterialOutput::of(&changed, id);
        let mut changes = Vec::new();
        if is_new && let Some(material) = changed.materials.last() {
            // [K122] Replicas know of it, and wait for it.
            let known = material.without_bytes();
            changes.extend(in_replicas(call.state, &changed, |replica| {
                replica.materials.push(known.clone());
                replica.settle();
                Ok(())
            })?);
        }
        changes.extend(put(changed));
        Ok(Outcome::changed(output, changes))
    }
}

/// (T45) A token imports one material. As long as that is there it may be shown again with it, as whoever got no answer does; once
/// it was deleted or has expired, an old request brings nothing back.
fn spend(key: &mut Key, token: &ImportToken, material: MaterialId, now: Timestamp) -> Result<(), Error> {
    key.spent_tokens.retain(|spent| spent.valid_to > now);
    match key.spent_tokens.iter().find(|spent| spent.id == token.id) {
        Some(spent) => {
            let is_there = key.materials.iter().any(|known| known.id == material && known.sealed.is_some());
            if spent.material == material && is_there { Ok(()) } else { Err(Error::InvalidImportToken) }
        }
        None => {
            key.spent_tokens.push(SpentToken { id: token.id.clone(), material, valid_to: token.valid_to });
            Ok(())
        }
    }
}

/// (K116) (K117) Which of the key's materials is imported again; none for a new one.
fn place(key: &Key, id: MaterialId, import_type: Option<ImportType>, named: Option<&str>) -> Result<Option<usize>, Error> {
    let at = key.materials.iter().position(|known| known.id == id);
    let known = at.and_then(|at| key.materials.get(at));
    let default = if key.materials.is_empty() { ImportType::New } else { ImportType::Existing };
    match import_type.unwrap_or(default) {
        ImportType::Existing if named.is_some_and(|named| named != id.to_string()) => {
            Err(Error::IncorrectKeyMaterial("The key material is not the one that KeyMaterialId names."))
        }
        ImportType::Existing if known.is_none() => Err(Error::IncorrectKeyMaterial("The key material is not associated with the key.")),
        ImportType::Existing => Ok(at),
        // [K122] What a replica may have, its primary has first.
        ImportType::New if key.is_replica() => {
            if known.is_some() {
                Ok(at)
            } else {
                Err(Error::IncorrectKeyMaterial("The key material is not associated with the primary key."))
            }
        }
        // [K114] Only symmetric keys rotate.
        ImportType::New if !is_symmetric(key) && !key.materials.is_empty() && known.is_none() => {
            Err(Error::IncorrectKeyMaterial("The key material is not associated with the key."))
        }
        ImportType::New if !is_symmetric(key) => Ok(at),
        ImportType::New if known.is_some_and(Material::is_associated) => {
            Err(Error::IncorrectKeyMaterial("The key material is associated with the key already."))
        }
        ImportType::New => match key.pending_material() {
            Some(pending) if pending.id != id => Err(Error::MaterialPending { key: key.arn().clone(), new_and_pending: Box::new((id, pending.id)) }),
            _ => Ok(at),
        },
    }
}

/// `DeleteImportedKeyMaterial`
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct DeleteImportedKeyMaterial {
    pub key_id: String,
    pub key_material_id: Option<String>,
}

impl Operate for DeleteImportedKeyMaterial {
    type Output = KeyMaterialOutput;
    const SERVICE: &'static str = "kms";
    const NAME: &'static str = "DeleteImportedKeyMaterial";
    const MUTATES: bool = true;

    fn request_parameters(&self) -> Option<Box<RawValue>> {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Parameters<'a> {
            key_id: &'a str,
            #[serde(skip_serializing_if = "Option::is_none")]
            key_material_id: Option<&'a str>,
        }
        raw(&Parameters { key_id: &self.key_id, key_material_id: self.key_material_id.as_deref() })
    }

    fn response_elements(output: &KeyMaterialOutput) -> Option<Box<RawValue>> {
        output.recorded()
    }

    fn operate(self, call: &mut Call<'_>) -> Result<Outcome<KeyMaterialOutput>, Error> {
        let key = changing(call, Operation::DeleteImportedKeyMaterial, &self.key_id)?;
        let id = match (&self.key_material_id, key.current_material()) {
            (Some(named), _) => {
                let known = key.materials.iter().find(|known| known.id.to_string() == *named);
                known.map(|known| known.id).ok_or_else(|| Error::MaterialNotFound(named.clone()))?
            }
            (None, Some(current)) => current.id,
            // [K119] Nothing was ever imported.
            (None, None) => return Ok(Outcome::unchanged(KeyMaterialOutput { key_id: key.arn().to_string(), key_material_id: None })),
        };
        let output = KeyMaterialOutput::of(&key, id);
        Ok(Outcome::changed(output, removal(call.state, key, id)?))
    }
}

/// (K119) Takes the bytes of a material away. One that waits for a rotation is forgotten, with its primary by its replicas too; the
/// others stay known, and the key waits for them.
fn removal(state: &State, mut key: Key, id: MaterialId) -> Result<Vec<Change>, Error> {
    let is_pending = key.pending_material().is_some_and(|pending| pending.id == id);
    if is_pending && !key.is_replica() {
        let forget = |key: &mut Key| {
            key.materials.retain(|material| material.id != id);
            Ok(())
        };
        forget(&mut key)?;
        let mut changes = in_replicas(state, &key, forget)?;
        changes.extend(put(key));
        return Ok(changes);
    }
    for material in key.materials.iter_mut().filter(|material| material.id == id) {
        *material = material.without_bytes();
    }
    key.settle();
    Ok(put(key))
}

/// The end of what expires by now (K113), of one material at a time.
pub(super) fn expiry(state: &State, key: &Arc<Key>, now: Timestamp) -> Result<Option<(Vec<Change>, ServiceEvent)>, Error> {
    let expired = key.materials.iter().find(|material| material.expires_at().is_some_and(|at| at <= now));
    let Some(material) = expired else { return Ok(None) };
    let event = ServiceEvent::new("DeleteExpiredKeyMaterial", key.arn()).with("keyMaterialId", material.id.to_string());
    Ok(Some((removal(state, Key::clone(key), material.id)?, event)))
}
