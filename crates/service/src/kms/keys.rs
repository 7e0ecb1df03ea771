//! Keys and aliases: making, describing, switching, deleting (§3 of the API rules).

use std::borrow::Cow;
use std::sync::Arc;

use keyward_authz::{CallFacts, KeyArn, KeyFacts, KeyId, KeyManager, MultiRegionKeyType, Operation, Request, Resource, Target};
use keyward_crypto::{KeySpec, KeyUsage, Origin};
use keyward_policy::{AccountId, KeyName, Region, Values};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::due::days_from;
use super::external::check_new;
use super::hsm;
use super::import::ExpirationModel;
use super::policies::{checked, default_policy, lockout_check};
use super::public_key::Algorithms;
use super::regions::MultiRegionConfiguration;
use super::resolve::{Found, no_resource, no_resource_in, permission, resolve};
use super::stores::store_of;
use super::tags::{RecordedTag, RequestedTag, recorded_tags, tags_of};
use super::usage::days_without_use;
use super::{EpochSeconds, ListParameters, Nothing, Pairs, RecordedTime};
use crate::call::{Call, Operate, Outcome, camel, raw};
use crate::entities::{Backing, Change, Connection, Entity, InStore, Key, KeyState, Material};
use crate::env::Env;
use crate::error::{Error, KeyStoreError};
use crate::host::new_uuid;
use crate::paging::{PageSize, page};
use crate::state::State;

/// (K220)
const KEYS_PER_PAGE: PageSize = PageSize { default: 100, max: 1000 };
/// Most customer managed keys of an account in a Region, in whatever state (K230).
const KEYS_MAX: usize = 100_000;
/// Days between scheduling and deletion: fewest, most, and when none is asked for (K89).
const PENDING_DAYS_MIN: i64 = 7;
const PENDING_DAYS_MAX: i64 = 30;

/// `CreateKey`
#[derive(Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct CreateKey {
    pub policy: Option<String>,
    pub description: Option<String>,
    pub key_usage: Option<KeyUsage>,
    pub customer_master_key_spec: Option<KeySpec>,
    pub key_spec: Option<KeySpec>,
    pub origin: Option<Origin>,
    pub bypass_policy_lockout_safety_check: Option<bool>,
    pub tags: Option<Vec<RequestedTag>>,
    pub multi_region: Option<bool>,
    pub custom_key_store_id: Option<String>,
    pub xks_key_id: Option<String>,
}

/// What KMS says of a key (K80) (K240).
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct KeyMetadata {
    #[serde(rename = "AWSAccountId")]
    pub aws_account_id: String,
    pub key_id: String,
    pub arn: String,
    pub creation_date: EpochSeconds,
    pub enabled: bool,
    pub description: String,
    pub key_usage: String,
    pub key_state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deletion_date: Option<EpochSeconds>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pending_deletion_window_in_days: Option<i64>,
    pub origin: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expiration_model: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub valid_to: Option<EpochSeconds>,
    pub key_manager: &'static str,
    pub customer_master_key_spec: String,
    pub key_spec: String,
    #[serde(flatten)]
    pub algorithms: Algorithms,
    pub multi_region: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub multi_region_configuration: Option<MultiRegionConfiguration>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub current_key_material_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub custom_key_store_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cloud_hsm_cluster_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub xks_key_configuration: Option<XksKeyConfiguration>,
}

/// The external key of a key in an external key store (K80).
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct XksKeyConfiguration {
    pub id: String,
}

impl KeyMetadata {
    pub(super) fn of(state: &State, key: &Key) -> Self {
        let facts = &key.facts;
        let store = key.in_store.as_ref().and_then(|place| state.custom_key_store(facts.arn.account(), facts.arn.region(), &place.store));
        let is_imported = facts.origin == Origin::External.name() && key.has_material();
        // [K80] The first end of any material that the key must have.
        let valid_to = key.associated().filter_map(Material::expires_at).min().filter(|_| is_imported);
        Self {
            aws_account_id: facts.arn.account().to_string(),
            key_id: facts.arn.id().to_string(),
            arn: facts.arn.to_string(),
            creation_date: EpochSeconds(key.created_at),
            enabled: key.shown_state() == KeyState::Enabled, // [K81]
            description: key.description.clone(),
            key_usage: facts.usage.to_string(),
            key_state: key.shown_state().name(), // [K139]
            deletion_date: key.deletion_at.map(EpochSeconds),
            pending_deletion_window_in_days: key.pending_window_days,
            origin: facts.origin.to_string(),
            expiration_model: is_imported.then(|| ExpirationModel::of(valid_to).name()),
            valid_to: valid_to.map(EpochSeconds),
            key_manager: match facts.manager {
                KeyManager::Customer => "CUSTOMER",
                KeyManager::Aws => "AWS",
            },
            customer_master_key_spec: facts.spec.to_string(),
            key_spec: facts.spec.to_string(),
            algorithms: Algorithms::named(&facts.spec, &facts.usage),
            multi_region: facts.multi_region.is_some(),
            multi_region_configuration: MultiRegionConfiguration::of(state, key),
            // [K80] Of symmetric keys only; what is only half of a key has no id that is told.
            current_key_material_id: key
                .current_material()
                .filter(|_| key.in_store.is_none() && &*facts.spec == KeySpec::SymmetricDefault.name())
                .map(|material| material.id.to_string()),
            custom_key_store_id: key.in_store.as_ref().map(|place| place.store.clone()),
            cloud_hsm_cluster_id: store.and_then(|store| store.backing.token()).map(|token| token.cluster_id.clone()),
            xks_key_configuration: key.in_store.as_ref().and_then(|place| place.xks_key_id.clone()).map(|id| XksKeyConfiguration { id }),
        }
    }
}

impl KeyMetadata {
    /// As `responseElements` has it (A1006).
    pub(super) fn recorded(&self) -> serde_json::Value {
        let mut recorded = serde_json::json!({
            "aWSAccountId": self.aws_account_id,
            "keyId": self.key_id,
            "arn": self.arn,
            "creationDate": RecordedTime(self.creation_date.0),
            "enabled": self.enabled,
            "description": self.description,
            "keyUsage": self.key_usage,
            "keyState": self.key_state,
            "origin": self.origin,
            "keyManager": self.key_manager,
            "customerMasterKeySpec": self.customer_master_key_spec,
            "keySpec": self.key_spec,
            "multiRegion": self.multi_region,
            "multiRegionConfiguration": self.multi_region_configuration.as_ref().map(MultiRegionConfiguration::recorded),
            "currentKeyMaterialId": self.current_key_material_id,
        });
        let algorithms = camel(serde_json::to_value(self.algorithms).unwrap_or_default());
        if let (Some(members), serde_json::Value::Object(algorithms)) = (recorded.as_object_mut(), algorithms) {
            members.extend(algorithms);
        }
        if let (Some(members), Some(store)) = (recorded.as_object_mut(), &self.custom_key_store_id) {
            members.insert("customKeyStoreId".to_owned(), store.as_str().into());
            members.extend(self.cloud_hsm_cluster_id.iter().map(|id| ("cloudHsmClusterId".to_owned(), id.as_str().into())));
            members.extend(self.xks_key_configuration.iter().map(|key| ("xksKeyConfiguration".to_owned(), serde_json::json!({ "id": key.id }))));
        }
        recorded
    }
}

/// The answer to `CreateKey` and `DescribeKey`.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct KeyMetadataOutput {
    pub key_metadata: KeyMetadata,
}

/// What a key is to be.
#[derive(Clone, Copy)]
pub(super) struct Kind {
    pub(super) spec: KeySpec,
    pub(super) usage: KeyUsage,
    pub(super) origin: Origin,
    pub(super) multi_region: Option<MultiRegionKeyType>,
}

impl Kind {
    /// What a key is.
    pub(super) fn of(key: &Key) -> Result<Self, Error> {
        let KeyFacts { spec, usage, origin, multi_region, .. } = &key.facts;
        let unknown = |_| Error::Internal("a key of no kind");
        let (spec, usage, origin) = (spec.parse().map_err(unknown)?, usage.parse().map_err(unknown)?, origin.parse().map_err(unknown)?);
        Ok(Self { spec, usage, origin, multi_region: *multi_region })
    }
}

/// (K70)–(K73) What a request may ask for, and what of it this release makes.
fn kind_of(input: &CreateKey) -> Result<Kind, Error> {
    if input.key_spec.is_some() && input.customer_master_key_spec.is_some() {
        let message = "You cannot specify KeySpec and CustomerMasterKeySpec in the same request. CustomerMasterKeySpec is deprecated.";
        return Err(Error::Validation(message.to_owned()));
    }
    let spec = input.key_spec.or(input.customer_master_key_spec).unwrap_or(KeySpec::SymmetricDefault);
    let Some(usage) = input.key_usage.or(spec.default_usage()) else {
        let message = "You must specify a KeyUsage value for all KMS keys except for symmetric encryption keys.";
        return Err(Error::Validation(message.to_owned()));
    };
    if !spec.usages().contains(&usage) {
        return Err(Error::Validation(format!("KeyUsage {usage} is not compatible with KeySpec {spec}")));
    }
    let origin = input.origin.unwrap_or(Origin::AwsKms);
    if matches!(origin, Origin::AwsCloudHsm | Origin::ExternalKeyStore) && spec != KeySpec::SymmetricDefault {
        return Err(Error::Validation(format!("KeySpec {spec} is not supported for Origin {origin}"))); // [K73]
    }
    let unsupported = |what: String| Err(Error::Unsupported(Some(format!("{what} is not supported by this release of Keyward"))));
    let multi_region = (input.multi_region == Some(true)).then_some(MultiRegionKeyType::Primary);
    let kind = Kind { spec, usage, origin, multi_region };
    match (spec, origin) {
        (KeySpec::Sm2, _) => unsupported(format!("KeySpec {spec}")),
        (_, Origin::AwsKms | Origin::External) => Ok(kind),
        (_, Origin::AwsCloudHsm | Origin::ExternalKeyStore) if multi_region.is_none() => Ok(kind),
        (_, Origin::AwsCloudHsm | Origin::ExternalKeyStore) => unsupported(format!("Origin {origin}")),
    }
}

impl Operate for CreateKey {
    type Output = KeyMetadataOutput;
    const SERVICE: &'static str = "kms";
    const NAME: &'static str = "CreateKey";
    const MUTATES: bool = true;

    fn again(&self) -> Option<Self> {
        Some(self.clone())
    }

    fn request_parameters(&self) -> Option<Box<RawValue>> {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Parameters<'a> {
            #[serde(skip_serializing_if = "Option::is_none")]
            custom_key_store_id: Option<&'a str>,
            #[serde(skip_serializing_if = "Option::is_none")]
            xks_key_id: Option<&'a str>,
            #[serde(skip_serializing_if = "Option::is_none")]
            policy: Option<&'a str>,
            description: &'a str,
            key_spec: KeySpec,
            key_usage: KeyUsage,
            origin: Origin,
            multi_region: bool,
            bypass_policy_lockout_safety_check: bool,
            tags: Vec<RecordedTag<'a>>,
        }
        raw(&Parameters {
            custom_key_store_id: self.custom_key_store_id.as_deref(),
            xks_key_id: self.xks_key_id.as_deref(),
            policy: self.policy.as_deref(),
            description: self.description.as_deref().unwrap_or_default(),
            key_spec: self.key_spec.or(self.customer_master_key_spec).unwrap_or(KeySpec::SymmetricDefault),
            key_usage: self.key_usage.unwrap_or(KeyUsage::EncryptDecrypt),
            origin: self.origin.unwrap_or(Origin::AwsKms),
            multi_region: self.multi_region.unwrap_or(false),
            bypass_policy_lockout_safety_check: self.bypass_policy_lockout_safety_check.unwrap_or(false),
            tags: recorded_tags(self.tags.as_deref().unwrap_or_default()),
        })
    }

    fn response_elements(output: &KeyMetadataOutput) -> Option<Box<RawValue>> {
        raw(&serde_json::json!({ "keyMetadata": output.key_metadata.recorded() }))
    }

    fn operate(self, call: &mut Call<'_>) -> Result<Outcome<KeyMetadataOutput>, Error> {
        let kind = kind_of(&self)?;
        let wanted_store = wanted_store(&self)?;
        let facts = call.facts();
        let tags = tags_of(self.tags.unwrap_or_default())?;
        let tag_map: Pairs = tags.iter().cloned().collect();
        may_create(call, facts, kind, &tag_map, self.bypass_policy_lockout_safety_check)?;
        has_room(call.state, call.account()?, call.region())?;
        let in_store = wanted_store.map(|(store, key)| place_in(call, &store, key)).transpose()?;
        let is_in_hsm = kind.origin == Origin::AwsCloudHsm;
        let in_hsm = if is_in_hsm { Some(hsm::new_ids(call)?) } else { None };
        let id = match &in_hsm {
            Some((id, _)) => id.clone(),
            None => new_key_id(call.env, kind.multi_region.is_some())?,
        };
        let arn = KeyArn::new(call.region().clone(), call.account()?, id);
        let mut key_facts = KeyFacts {
            policy: default_policy(&arn),
            ram_policy: None,
            spec: kind.spec.name().into(),
            usage: kind.usage.name().into(),
            origin: kind.origin.name().into(),
            manager: KeyManager::Customer,
            multi_region: kind.multi_region,
            aliases: Vec::new(),
            tags: tag_map,
            arn: arn.clone(),
        };
        // [A704] No policy, no check: the default one is attached.
        if let Some(text) = &self.policy {
            let policy = checked(call.state, &arn, text)?;
            if self.bypass_policy_lockout_safety_check != Some(true) {
                lockout_check(call, &key_facts, &policy)?;
            }
            key_facts.policy = policy;
        }
        let materials = match (&in_store, in_hsm) {
            // Last of all that can fail: what was made in a module stays there.
            (Some(place), Some((_, material))) => vec![hsm::make(call, place, &arn, material)?],
            // [K115] What is imported comes later.
            _ if kind.origin == Origin::External => Vec::new(),
            _ => vec![made(call, &arn, kind.spec)?],
        };
        let description = self.description.unwrap_or_default();
        let mut key = Key { tags, description, materials, in_store, ..Key::new(key_facts, call.now) };
        key.settle();
        call.concerns(&arn);
        let key_metadata = KeyMetadata::of(call.state, &key);
        Ok(Outcome::changed(KeyMetadataOutput { key_metadata }, vec![Change::Put(Entity::Key(Arc::new(key)))]))
    }
}

/// (K230)
pub(super) fn has_room(state: &State, account: AccountId, region: &Region) -> Result<(), Error> {
    // Where there are so few keys in all, nobody has more.
    if state.key_count() < KEYS_MAX {
        return Ok(());
    }
    let usage = state.keys(account, region).filter(|key| key.facts.manager == KeyManager::Customer).count();
    if usage < KEYS_MAX {
        return Ok(());
    }
    let message = format!("Customer managed keys quota for this account in this region is {KEYS_MAX}, current usage is {usage}.");
    Err(Error::LimitExceeded(Some(message)))
}

/// (K76) The store and the external key that a request asks for.
fn wanted_store(input: &CreateKey) -> Result<Option<(String, Option<String>)>, Error> {
    let refused = |message: &str| Err(Error::Validation(message.to_owned()));
    match (input.origin.unwrap_or(Origin::AwsKms), &input.custom_key_store_id, &input.xks_key_id) {
        // [T87] It becomes a segment of a path, where dots alone lead elsewhere.
        (_, _, Some(key)) if matches!(key.as_str(), "." | "..") => refused("XksKeyId must not be a relative path."),
        (Origin::ExternalKeyStore, Some(store), Some(key)) => Ok(Some((store.clone(), Some(key.clone())))),
        (Origin::AwsCloudHsm, Some(store), None) => Ok(Some((store.clone(), None))),
        (Origin::AwsCloudHsm, None, None) => refused("CustomKeyStoreId is required for KMS keys with Origin AWS_CLOUDHSM."),
        (Origin::ExternalKeyStore, None, _) => refused("CustomKeyStoreId is required for KMS keys with Origin EXTERNAL_KEY_STORE."),
        (Origin::ExternalKeyStore, _, None) => refused("XksKeyId is required for KMS keys with Origin EXTERNAL_KEY_STORE."),
        (_, _, Some(_)) => refused("XksKeyId is valid only with Origin EXTERNAL_KEY_STORE."),
        (_, Some(_), None) => refused("CustomKeyStoreId is valid only with Origin AWS_CLOUDHSM or EXTERNAL_KEY_STORE."),
        (_, None, None) => Ok(None),
    }
}

/// Finds a place for a new key in a custom key store, and asks the proxy of an external one about its external key (K76) (K139) (K143).
fn place_in(call: &mut Call<'_>, id: &str, key: Option<String>) -> Result<InStore, Error> {
    let store = store_of(call, id)?;
    let key = match (key, &store.backing) {
        (Some(key), Backing::Proxy(_)) => key,
        (None, Backing::Token(_)) => {
            hsm::is_connected(&store)?;
            return Ok(InStore { store: store.id, xks_key_id: None });
        }
        // [K76]
        _ => {
            let message = format!("Custom key store '{id}' is of type {}, which is not that of the Origin.", store.backing.store_type());
            return Err(Error::Validation(message));
        }
    };
    if store.connection != Connection::Connected {
        return Err(Error::KeyStore(KeyStoreError::NotConnected));
    }
    // [K141] One KMS key of a store for each external key.
    let is_it = |place: &InStore| place.store == id && place.xks_key_id.as_ref() == Some(&key);
    if call.state.keys(store.account, &store.region).any(|other| other.in_store.as_ref().is_some_and(is_it)) {
        return Err(Error::KeyStore(KeyStoreError::ExternalKeyInUse(key)));
    }
    check_new(call, &store, &key)?;
    Ok(InStore { store: store.id, xks_key_id: Some(key) })
}

/// A new id (K40).
pub(super) fn new_key_id(env: &Env, multi_region: bool) -> Result<KeyId, Error> {
    let uuid = new_uuid(env);
    let id = if multi_region { format!("mrk-{}", uuid.replace('-', "")) } else { uuid };
    id.parse().map_err(|_| Error::Internal("a key id that is none"))
}

/// New material of a new key.
fn made(call: &mut Call<'_>, arn: &KeyArn, spec: KeySpec) -> Result<Material, Error> {
    let material = call.make(spec)?;
    let blob_id = arn.id().as_str().parse().map_err(|_| Error::Internal("a key id that is none"))?;
    call.vault.lock(arn.as_str(), &blob_id, &material, call.now, &*call.env.entropy)
}

/// (A406) `kms:CreateKey`, and with tags `kms:TagResource` from an identity policy, in the Region of `facts` (A407).
pub(super) fn may_create(call: &mut Call<'_>, facts: &CallFacts, kind: Kind, tags: &Pairs, bypass: Option<bool>) -> Result<(), Error> {
    let pattern = no_resource_in(&facts.region, call.account()?);
    let value = |text: &'static str| Values::One(Cow::Borrowed(text));
    let mut request = Request::new(permission(Operation::CreateKey)?, facts);
    request.request_tags = (!tags.is_empty()).then_some(tags);
    // [A502] Effective values.
    request.parameters = vec![
        (KeyName::KeySpec, value(kind.spec.name())),
        (KeyName::CustomerMasterKeySpec, value(kind.spec.name())),
        (KeyName::KeyUsage, value(kind.usage.name())),
        (KeyName::CustomerMasterKeyUsage, value(kind.usage.name())),
        (KeyName::KeyOrigin, value(kind.origin.name())),
        (KeyName::MultiRegion, Values::bool(kind.multi_region.is_some())),
    ];
    // [A549]
    request.parameters.extend(kind.multi_region.map(|part| {
        let part = match part {
            MultiRegionKeyType::Primary => "PRIMARY",
            MultiRegionKeyType::Replica => "REPLICA",
        };
        (KeyName::MultiRegionKeyType, value(part))
    }));
    request.parameters.extend(bypass.map(|bypass| (KeyName::BypassPolicyLockoutSafetyCheck, Values::bool(bypass)))); // [A503]
    call.authorize(&Target::new(Resource::None { pattern: pattern.clone().into() }), &request)?;
    if tags.is_empty() {
        return Ok(());
    }
    let mut request = Request::new(permission(Operation::TagResource)?, facts);
    request.request_tags = Some(tags);
    request.identity_only = true;
    let keys = format!("{}key/*", pattern.trim_end_matches('*'));
    call.authorize(&Target::new(Resource::None { pattern: keys.into() }), &request).map(|_| ())
}

/// `DescribeKey`
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct DescribeKey {
    pub key_id: String,
    pub grant_tokens: Option<Vec<String>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct KeyIdParameter<'a> {
    pub(super) key_id: &'a str,
}

impl Operate for DescribeKey {
    type Output = KeyMetadataOutput;
    const SERVICE: &'static str = "kms";
    const NAME: &'static str = "DescribeKey";
    const MUTATES: bool = false;

    fn key_named(&self) -> Option<&str> {
        Some(&self.key_id)
    }

    fn request_parameters(&self) -> Option<Box<RawValue>> {
        raw(&KeyIdParameter { key_id: &self.key_id })
    }

    fn operate(self, call: &mut Call<'_>) -> Result<Outcome<KeyMetadataOutput>, Error> {
        let facts = call.facts();
        let found = resolve(call, Operation::DescribeKey, &self.key_id)?;
        super::grants::read_tokens(call, self.grant_tokens.as_deref())?;
        let key = found.permit_in_state(call, Request::new(permission(Operation::DescribeKey)?, facts))?;
        Ok(Outcome::unchanged(KeyMetadataOutput { key_metadata: KeyMetadata::of(call.state, &key) }))
    }
}

/// `ListKeys`
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct ListKeys {
    pub limit: Option<usize>,
    pub marker: Option<String>,
    pub resource_owners: Option<Vec<String>>,
}

/// A key in a list.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct KeyListEntry {
    pub key_id: String,
    pub key_arn: String,
}

/// The answer to `ListKeys`.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct ListKeysOutput {
    pub keys: Vec<KeyListEntry>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_marker: Option<String>,
    pub truncated: bool,
}

impl Operate for ListKeys {
    type Output = ListKeysOutput;
    const SERVICE: &'static str = "kms";
    const NAME: &'static str = "ListKeys";
    const MUTATES: bool = false;

    fn request_parameters(&self) -> Option<Box<RawValue>> {
        ListParameters::of(self.limit, self.marker.as_deref()).on(None)
    }

    fn operate(self, call: &mut Call<'_>) -> Result<Outcome<ListKeysOutput>, Error> {
        let facts = call.facts();
        let pattern = no_resource(call)?;
        call.authorize(&Target::new(Resource::None { pattern: pattern.into() }), &Request::new(permission(Operation::ListKeys)?, facts))?;
        // [K223] By creation.
        let place = |key: &&Arc<Key>| format!("{:020}/{}", key.created_at.as_millisecond(), key.arn().id());
        // [K224] No key of this release is another account's shared through RAM.
        let own = self.resource_owners.as_ref().is_none_or(|owners| owners.iter().any(|owner| owner == "SELF"));
        let keys = call.state.keys(call.account()?, call.region()).filter(|_| own);
        let page = page(call, "ListKeys", KEYS_PER_PAGE, self.limit, self.marker.as_deref(), keys, place)?;
        let entry = |key: &Arc<Key>| KeyListEntry { key_id: key.arn().id().to_string(), key_arn: key.arn().to_string() };
        let keys = page.items.into_iter().map(entry).collect();
        Ok(Outcome::unchanged(ListKeysOutput { keys, truncated: page.next_marker.is_some(), next_marker: page.next_marker }))
    }
}

/// The answer of operations that name the key they changed.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct KeyIdOutput {
    pub key_id: String,
}

/// Resolves, authorizes and copies a key for a change of its own, in a state in which the operation works (K85).
pub(super) fn changing(call: &mut Call<'_>, operation: Operation, named: &str) -> Result<Key, Error> {
    let facts = call.facts();
    let found = resolve(call, operation, named)?;
    let mut request = Request::new(permission(operation)?, facts);
    request.parameters = unused(call, operation, &found);
    let key = found.permit_in_state(call, request)?;
    Ok(Key::clone(&key))
}

/// (A561)
fn unused(call: &Call<'_>, operation: Operation, found: &Found) -> Vec<(KeyName, Values<'static>)> {
    let asks = operation.permission().is_some_and(|permission| permission.carries(KeyName::TrailingDaysWithoutKeyUsage));
    let days = found.key().filter(|_| asks).map(|key| days_without_use(call, key));
    days.map(|days| (KeyName::TrailingDaysWithoutKeyUsage, Values::One(Cow::Owned(days.to_string())))).into_iter().collect()
}

pub(super) fn put(key: Key) -> Vec<Change> {
    vec![Change::Put(Entity::Key(Arc::new(key)))]
}

macro_rules! switch {
    ($name:ident, $text:literal, $state:expr) => {
        #[doc = concat!("`", $text, "`")]
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        #[expect(missing_docs, reason = "the API's own members")]
        pub struct $name {
            pub key_id: String,
        }

        impl Operate for $name {
            type Output = Nothing;
            const SERVICE: &'static str = "kms";
            const NAME: &'static str = $text;
            const MUTATES: bool = true;

            fn request_parameters(&self) -> Option<Box<RawValue>> {
                raw(&KeyIdParameter { key_id: &self.key_id })
            }

            fn operate(self, call: &mut Call<'_>) -> Result<Outcome<Nothing>, Error> {
                let mut key = changing(call, Operation::$name, &self.key_id)?;
                key.state = $state; // [K88]
                Ok(Outcome::changed(Nothing {}, put(key)))
            }
        }
    };
}

switch!(EnableKey, "EnableKey", KeyState::Enabled);
switch!(DisableKey, "DisableKey", KeyState::Disabled);

/// `UpdateKeyDescription`
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct UpdateKeyDescription {
    pub key_id: String,
    pub description: String,
}

impl Operate for UpdateKeyDescription {
    type Output = Nothing;
    const SERVICE: &'static str = "kms";
    const NAME: &'static str = "UpdateKeyDescription";
    const MUTATES: bool = true;

    fn request_parameters(&self) -> Option<Box<RawValue>> {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Parameters<'a> {
            key_id: &'a str,
            description: &'a str,
        }
        raw(&Parameters { key_id: &self.key_id, description: &self.description })
    }

    fn operate(self, call: &mut Call<'_>) -> Result<Outcome<Nothing>, Error> {
        let mut key = changing(call, Operation::UpdateKeyDescription, &self.key_id)?;
        key.description = self.description;
        Ok(Outcome::changed(Nothing {}, put(key)))
    }
}

/// `ScheduleKeyDeletion`
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct ScheduleKeyDeletion {
    pub key_id: String,
    pub pending_window_in_days: Option<i64>,
}

/// The answer to `ScheduleKeyDeletion`.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct ScheduleKeyDeletionOutput {
    pub key_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deletion_date: Option<EpochSeconds>,
    pub key_state: &'static str,
    pub pending_window_in_days: i64,
}

impl Operate for ScheduleKeyDeletion {
    type Output = ScheduleKeyDeletionOutput;
    const SERVICE: &'static str = "kms";
    const NAME: &'static str = "ScheduleKeyDeletion";
    const MUTATES: bool = true;

    fn request_parameters(&self) -> Option<Box<RawValue>> {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Parameters<'a> {
            key_id: &'a str,
            #[serde(skip_serializing_if = "Option::is_none")]
            pending_window_in_days: Option<i64>,
        }
        raw(&Parameters { key_id: &self.key_id, pending_window_in_days: self.pending_window_in_days })
    }

    fn response_elements(output: &ScheduleKeyDeletionOutput) -> Option<Box<RawValue>> {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Elements<'a> {
            key_id: &'a str,
            key_state: &'static str,
            #[serde(skip_serializing_if = "Option::is_none")]
            deletion_date: Option<RecordedTime>,
            pending_window_in_days: i64,
        }
        let ScheduleKeyDeletionOutput { key_id, deletion_date, key_state, pending_window_in_days } = output;
        let (deletion_date, pending_window_in_days) = (deletion_date.map(|date| RecordedTime(date.0)), *pending_window_in_days);
        raw(&Elements { key_id, key_state, deletion_date, pending_window_in_days })
    }

    fn operate(self, call: &mut Call<'_>) -> Result<Outcome<ScheduleKeyDeletionOutput>, Error> {
        let days = self.pending_window_in_days.unwrap_or(PENDING_DAYS_MAX);
        if !(PENDING_DAYS_MIN..=PENDING_DAYS_MAX).contains(&days) {
            return Err(Error::Validation("PendingWindowInDays must be between 7 and 30".to_owned())); // [K89]
        }
        let facts = call.facts();
        let found = resolve(call, Operation::ScheduleKeyDeletion, &self.key_id)?;
        let mut request = Request::new(permission(Operation::ScheduleKeyDeletion)?, facts);
        request.parameters = unused(call, Operation::ScheduleKeyDeletion, &found);
        request.parameters.push((KeyName::ScheduleKeyDeletionPendingWindowInDays, Values::One(Cow::Owned(days.to_string())))); // [A560]
        let key = found.permit_in_state(call, request)?;
        let mut changed = Key::clone(&key);
        // [K91] A primary waits for its replicas first.
        if call.state.replicas_of(key.arn()).any(|replica| replica.arn() != key.arn()) && !key.is_replica() {
            changed.state = KeyState::PendingReplicaDeletion;
            changed.pending_window_days = Some(days);
        } else {
            changed.state = KeyState::PendingDeletion;
            changed.deletion_at = Some(days_from(call.now, days)?);
        }
        let output = ScheduleKeyDeletionOutput {
            key_id: key.arn().to_string(),
            deletion_date: changed.deletion_at.map(EpochSeconds),
            key_state: changed.state.name(),
            pending_window_in_days: days,
        };
        Ok(Outcome::changed(output, put(changed)))
    }
}

/// `CancelKeyDeletion`
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct CancelKeyDeletion {
    pub key_id: String,
}

impl Operate for CancelKeyDeletion {
    type Output = KeyIdOutput;
    const SERVICE: &'static str = "kms";
    const NAME: &'static str = "CancelKeyDeletion";
    const MUTATES: bool = true;

    fn request_parameters(&self) -> Option<Box<RawValue>> {
        raw(&KeyIdParameter { key_id: &self.key_id })
    }

    fn response_elements(output: &KeyIdOutput) -> Option<Box<RawValue>> {
        raw(&KeyIdParameter { key_id: &output.key_id })
    }

    fn operate(self, call: &mut Call<'_>) -> Result<Outcome<KeyIdOutput>, Error> {
        let mut key = changing(call, Operation::CancelKeyDeletion, &self.key_id)?;
        key.state = KeyState::Disabled; // [K90]
        key.deletion_at = None;
        key.pending_window_days = None;
        key.settle();
        let output = KeyIdOutput { key_id: key.arn().to_string() };
        Ok(Outcome::changed(output, put(key)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_has_so_many_keys_in_a_region_and_no_more() {
        let region: Region = "us-east-1".parse().unwrap();
        let (full, other): (AccountId, AccountId) = ("111122223333".parse().unwrap(), "444455556666".parse().unwrap());
        let first = KeyArn::new(region.clone(), full, "00000000-0000-4000-8000-000000000000".parse().unwrap());
        let policy = default_policy(&first);
        let key = |number: usize| {
            let arn = KeyArn::new(region.clone(), full, format!("00000000-0000-4000-8000-{number:012}").parse().unwrap());
            let facts = KeyFacts {
                policy: policy.clone(),
                ram_policy: None,
                spec: "SYMMETRIC_DEFAULT".into(),
                usage: "ENCRYPT_DECRYPT".into(),
                origin: "AWS_KMS".into(),
                manager: KeyManager::Customer,
                multi_region: None,
                aliases: Vec::new(),
                tags: Pairs::new(),
                arn,
            };
            // [K230] In whatever state.
            let state = if number.is_multiple_of(2) { KeyState::Enabled } else { KeyState::PendingDeletion };
            Entity::Key(Arc::new(Key { state, ..Key::new(facts, jiff::Timestamp::UNIX_EPOCH) }))
        };
        let state = State::load(1, (0..KEYS_MAX).map(key));
        let message = "Customer managed keys quota for this account in this region is 100000, current usage is 100000.";
        assert_eq!(has_room(&state, full, &region), Err(Error::LimitExceeded(Some(message.to_owned()))));
        assert_eq!(has_room(&state, full, &"eu-west-1".parse().unwrap()), Ok(()));
        assert_eq!(has_room(&state, other, &region), Ok(()));
    }
}
