//! The operations of KMS.
//!
//! Inputs and outputs bear the names of the API's parameters. What the text of a request alone can violate (lengths,
//! ranges, enumerations; K20) was refused before an input exists; everything that needs the estate is decided here,
//! in the order of K25: resolve, authorize, state, usage, algorithm, sizes, dry run, do.

/// Calls the macro of this name with the name of every operation of KMS that is served.
#[macro_export]
macro_rules! kms_operations {
    ($macro:ident) => {
        $macro! {
            CancelKeyDeletion;
            ConnectCustomKeyStore;
            CreateAlias;
            CreateCustomKeyStore;
            CreateGrant;
            CreateKey;
            Decapsulate;
            Decrypt;
            DeleteAlias;
            DeleteCustomKeyStore;
            DeleteImportedKeyMaterial;
            DeriveSharedSecret;
            DescribeCustomKeyStores;
            DescribeKey;
            DisableKey;
            DisableKeyRotation;
            DisconnectCustomKeyStore;
            EnableKey;
            EnableKeyRotation;
            Encapsulate;
            Encrypt;
            GenerateDataKey;
            GenerateDataKeyPair;
            GenerateDataKeyPairWithoutPlaintext;
            GenerateDataKeyWithoutPlaintext;
            GenerateMac;
            GenerateRandom;
            GetKeyLastUsage;
            GetKeyPolicy;
            GetKeyRotationStatus;
            GetParametersForImport;
            GetPublicKey;
            ImportKeyMaterial;
            ListAliases;
            ListGrants;
            ListKeyPolicies;
            ListKeyRotations;
            ListKeys;
            ListResourceTags;
            ListRetirableGrants;
            PutKeyPolicy;
            ReEncrypt;
            ReplicateKey;
            RetireGrant;
            RevokeGrant;
            RotateKeyOnDemand;
            ScheduleKeyDeletion;
            Sign;
            TagResource;
            UntagResource;
            UpdateAlias;
            UpdateCustomKeyStore;
            UpdateKeyDescription;
            UpdatePrimaryRegion;
            Verify;
            VerifyMac;
        }
    };
}

mod agreement;
mod aliases;
mod cipher;
mod data_keys;
mod due;
mod external;
mod grants;
mod hsm;
mod import;
mod keys;
mod mac;
mod managed;
mod policies;
mod public_key;
mod recipient;
mod regions;
mod resolve;
mod rotation;
mod signing;
mod stores;
mod tags;
mod usage;
mod using;

use std::collections::BTreeMap;

use data_encoding::BASE64;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use zeroize::Zeroizing;

pub use crate::call::Nothing;
pub use agreement::{Decapsulate, DecapsulateOutput, DeriveSharedSecret, DeriveSharedSecretOutput, Encapsulate, EncapsulateOutput};
pub use aliases::{AliasListEntry, CreateAlias, DeleteAlias, ListAliases, ListAliasesOutput, UpdateAlias};
pub use cipher::{Decrypt, DecryptOutput, Encrypt, EncryptOutput, ReEncrypt, ReEncryptOutput};
pub(crate) use cipher::{blob_of_nobody, with_context};
pub use data_keys::{
    GenerateDataKey, GenerateDataKeyOutput, GenerateDataKeyPair, GenerateDataKeyPairOutput, GenerateDataKeyPairWithoutPlaintext,
    GenerateDataKeyPairWithoutPlaintextOutput, GenerateDataKeyWithoutPlaintext, GenerateDataKeyWithoutPlaintextOutput, GenerateRandom,
    GenerateRandomOutput,
};
pub(crate) use due::due;
pub use grants::{
    CreateGrant, CreateGrantOutput, GrantListEntry, ListGrants, ListGrantsOutput, ListRetirableGrants, RequestedConstraints, RetireGrant,
    RevokeGrant, RevokeGrantOutput,
};
pub(crate) use grants::{granted_by, new_grant_id};
pub(crate) use hsm::ended_in_hsms;
pub use import::{
    DeleteImportedKeyMaterial, ExpirationModel, GetParametersForImport, GetParametersForImportOutput, ImportKeyMaterial, ImportType,
    KeyMaterialOutput,
};
pub use keys::{
    CancelKeyDeletion, CreateKey, DescribeKey, DisableKey, EnableKey, KeyIdOutput, KeyListEntry, KeyMetadata, KeyMetadataOutput, ListKeys,
    ListKeysOutput, ScheduleKeyDeletion, ScheduleKeyDeletionOutput, UpdateKeyDescription, XksKeyConfiguration,
};
pub use mac::{GenerateMac, GenerateMacOutput, VerifyMac, VerifyMacOutput};
pub(crate) use managed::{RESERVED_ALIASES, first_named};
pub use policies::{GetKeyPolicy, GetKeyPolicyOutput, ListKeyPolicies, ListKeyPoliciesOutput, PutKeyPolicy};
pub(crate) use policies::{checked, default_policy};
pub use public_key::{Algorithms, GetPublicKey, GetPublicKeyOutput};
pub use recipient::Recipient;
pub use regions::{MultiRegionConfiguration, MultiRegionKey, ReplicateKey, ReplicateKeyOutput, UpdatePrimaryRegion};
pub(crate) use resolve::{no_resource, permission, resolve};
pub(crate) use rotation::schedule;
pub use rotation::{
    DisableKeyRotation, EnableKeyRotation, GetKeyRotationStatus, GetKeyRotationStatusOutput, ListKeyRotations, ListKeyRotationsOutput,
    RotateKeyOnDemand, RotationListEntry,
};
pub use signing::{Sign, SignOutput, Verify, VerifyOutput};
pub(crate) use stores::settle;
pub use stores::{
    ConnectCustomKeyStore, CreateCustomKeyStore, CreateCustomKeyStoreOutput, CustomKeyStoresListEntry, DeleteCustomKeyStore, DescribeCustomKeyStores,
    DescribeCustomKeyStoresOutput, DisconnectCustomKeyStore, UpdateCustomKeyStore, XksProxyAuthenticationCredential, XksProxyConfiguration,
    settle_all,
};
pub use tags::{ListResourceTags, ListResourceTagsOutput, RequestedTag, TagResource, UntagResource};
pub use usage::{GetKeyLastUsage, GetKeyLastUsageOutput, KeyLastUsage};

/// Bytes that stand as base64 in requests (K4). They may be secret: wiped when dropped, never shown.
#[derive(Clone, Default)]
pub struct Blob(pub Zeroizing<Vec<u8>>);

impl<'de> Deserialize<'de> for Blob {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Zeroizing::new(String::deserialize(deserializer)?);
        BASE64.decode(text.as_bytes()).map(|bytes| Self(Zeroizing::new(bytes))).map_err(serde::de::Error::custom)
    }
}

/// Bytes of an answer, as base64: a plaintext leaves by no other way.
pub struct Answer(Zeroizing<String>);

impl Answer {
    fn of(bytes: &[u8]) -> Self {
        Self(Zeroizing::new(BASE64.encode(bytes)))
    }
}

impl Serialize for Answer {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

/// What records keep of a request for a list (A1006).
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ListParameters<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    key_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    limit: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    marker: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    grant_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    grantee_principal: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retiring_principal: Option<&'a str>,
}

impl<'a> ListParameters<'a> {
    fn of(limit: Option<usize>, marker: Option<&'a str>) -> Self {
        Self { key_id: None, limit, marker, grant_id: None, grantee_principal: None, retiring_principal: None }
    }

    fn on(self, key_id: Option<&'a str>) -> Option<Box<RawValue>> {
        let page = Self { key_id, ..self };
        let Self { key_id, limit, marker, grant_id, grantee_principal, retiring_principal } = &page;
        let texts = [key_id, marker, grant_id, grantee_principal, retiring_principal];
        // Nothing was asked for: null, as CloudTrail has it.
        (limit.is_some() || texts.iter().any(|text| text.is_some())).then(|| crate::call::raw(&page)).flatten()
    }
}

/// A time as records have it.
struct RecordedTime(jiff::Timestamp);

impl Serialize for RecordedTime {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&jiff::Timestamp::from_second(self.0.as_second()).unwrap_or(self.0))
    }
}

/// Pairs of an encryption context or of tags.
pub type Pairs = BTreeMap<String, String>;

/// A time as the API writes it: seconds with at most three digits of fraction (K5).
#[derive(Clone, Copy)]
pub struct EpochSeconds(pub jiff::Timestamp);

/// Integer, fraction or exponent.
impl<'de> Deserialize<'de> for EpochSeconds {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let seconds = f64::deserialize(deserializer)?;
        #[expect(clippy::cast_possible_truncation, reason = "out of range saturates, and jiff refuses it")]
        jiff::Timestamp::from_millisecond((seconds * 1000.0).round() as i64).map(Self).map_err(serde::de::Error::custom)
    }
}

impl Serialize for EpochSeconds {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[expect(clippy::cast_precision_loss, reason = "milliseconds of any date are below 2^53")]
        serializer.serialize_f64(self.0.as_millisecond() as f64 / 1000.0)
    }
}
