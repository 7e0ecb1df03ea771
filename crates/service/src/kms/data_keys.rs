//! Data keys, data key pairs, random bytes (K170–K172).

use std::borrow::Cow;

use keyward_authz::{Operation, Request, Resource, Target};
use keyward_crypto::{BlobKind, DataKeyPairSpec, DataKeySpec, EncryptionAlgorithm, KeyMaterial, Plaintext, random_bytes};
use keyward_policy::{KeyName, Values};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use zeroize::Zeroizing;

use super::cipher::{encrypt_under, usable_with_context, used, with_context};
use super::hsm;
use super::recipient::{Attested, Recipient, attested, handed};
use super::resolve::{no_resource, permission};
use super::stores::store_of;
use super::using::{context_of, end_of_dry_run, permitted};
use super::{Answer, Pairs};
use crate::call::{Call, Operate, Outcome, raw};
use crate::entities::{Backing, CustomKeyStore};
use crate::error::Error;

const SYMMETRIC: EncryptionAlgorithm = EncryptionAlgorithm::SymmetricDefault;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Parameters<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    key_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    encryption_context: Option<&'a Pairs>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_spec: Option<DataKeySpec>,
    #[serde(skip_serializing_if = "Option::is_none")]
    number_of_bytes: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_pair_spec: Option<DataKeyPairSpec>,
}

/// `GenerateDataKey`
#[derive(Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct GenerateDataKey {
    pub key_id: String,
    #[serde(default)]
    pub encryption_context: Option<Pairs>,
    pub number_of_bytes: Option<u32>,
    pub key_spec: Option<DataKeySpec>,
    pub grant_tokens: Option<Vec<String>>,
    pub dry_run: Option<bool>,
    pub recipient: Option<Recipient>,
}

/// The answer to `GenerateDataKey`.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct GenerateDataKeyOutput {
    pub ciphertext_blob: Answer,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plaintext: Option<Answer>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ciphertext_for_recipient: Option<Answer>,
    pub key_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_material_id: Option<String>,
}

/// `GenerateDataKeyWithoutPlaintext`
#[derive(Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct GenerateDataKeyWithoutPlaintext {
    pub key_id: String,
    #[serde(default)]
    pub encryption_context: Option<Pairs>,
    pub number_of_bytes: Option<u32>,
    pub key_spec: Option<DataKeySpec>,
    pub grant_tokens: Option<Vec<String>>,
    pub dry_run: Option<bool>,
}

/// The answer to `GenerateDataKeyWithoutPlaintext`.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct GenerateDataKeyWithoutPlaintextOutput {
    pub ciphertext_blob: Answer,
    pub key_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_material_id: Option<String>,
}

impl GenerateDataKey {
    /// Whoever is to read the plaintext, and the rest of the request.
    fn parted(self) -> (GenerateDataKeyWithoutPlaintext, Option<Recipient>) {
        let Self { key_id, encryption_context, number_of_bytes, key_spec, grant_tokens, dry_run, recipient } = self;
        (GenerateDataKeyWithoutPlaintext { key_id, encryption_context, number_of_bytes, key_spec, grant_tokens, dry_run }, recipient)
    }
}

impl GenerateDataKeyWithoutPlaintext {
    fn make(
        self,
        call: &mut Call<'_>,
        operation: Operation,
        attested: Option<&Attested>,
    ) -> Result<(Plaintext, Vec<u8>, String, Option<String>), Error> {
        let length = match (self.key_spec, self.number_of_bytes) {
            (Some(spec), None) => spec.bytes(),
            (None, Some(bytes)) => bytes as usize,
            _ => return Err(Error::Validation("Please specify either number of bytes or key spec.".to_owned())), // [K170]
        };
        let context = context_of(self.encryption_context)?;
        let mut request = with_context(permission(operation)?, call.facts(), context.pairs(), SYMMETRIC);
        request.attestation = attested.map(Attested::values); // [A566]
        let (key, permit) = permitted(call, operation, &self.key_id, self.grant_tokens.as_deref(), request)?;
        let ready = usable_with_context(&key, permit, operation, SYMMETRIC, &context)?;
        end_of_dry_run(self.dry_run)?;
        let entropy = call.env.entropy.clone();
        let draw = || random_bytes(length, &*entropy).map_err(|_| Error::Internal("randomness failed"));
        // What an external key has encrypted must still be the data key when its answer is there.
        let data_key = match key.in_store {
            Some(_) => Plaintext::new(call.conversation.keep(|| Ok(Zeroizing::new(draw()?.expose().to_vec())))?),
            None => draw()?,
        };
        let (blob, material) = encrypt_under(call, operation, &ready, SYMMETRIC, (BlobKind::DataKey, &context), data_key.expose())?;
        used(call, material.as_deref());
        Ok((data_key, blob, key.arn().to_string(), material))
    }
}

impl Operate for GenerateDataKey {
    type Output = GenerateDataKeyOutput;
    const SERVICE: &'static str = "kms";
    const NAME: &'static str = "GenerateDataKey";
    const MUTATES: bool = false;

    fn again(&self) -> Option<Self> {
        Some(self.clone())
    }

    fn key_named(&self) -> Option<&str> {
        Some(&self.key_id)
    }

    fn request_parameters(&self) -> Option<Box<RawValue>> {
        raw(&Parameters {
            key_id: Some(&self.key_id),
            encryption_context: self.encryption_context.as_ref(),
            key_spec: self.key_spec,
            number_of_bytes: self.number_of_bytes,
            key_pair_spec: None,
        })
    }

    fn operate(self, call: &mut Call<'_>) -> Result<Outcome<GenerateDataKeyOutput>, Error> {
        let (request, recipient) = self.parted();
        let attested = attested(call, recipient.as_ref())?;
        let (data_key, blob, key_id, key_material_id) = request.make(call, Operation::GenerateDataKey, attested.as_ref())?;
        let (plaintext, ciphertext_for_recipient) = handed(call, attested.as_ref(), data_key.expose())?;
        let key_material_id = key_material_id.filter(|_| attested.is_none()); // [K155]
        let ciphertext_blob = Answer::of(&blob);
        Ok(Outcome::unchanged(GenerateDataKeyOutput { ciphertext_blob, plaintext, ciphertext_for_recipient, key_id, key_material_id }))
    }
}

impl Operate for GenerateDataKeyWithoutPlaintext {
    type Output = GenerateDataKeyWithoutPlaintextOutput;
    const SERVICE: &'static str = "kms";
    const NAME: &'static str = "GenerateDataKeyWithoutPlaintext";
    const MUTATES: bool = false;

    fn again(&self) -> Option<Self> {
        Some(self.clone())
    }

    fn key_named(&self) -> Option<&str> {
        Some(&self.key_id)
    }

    fn request_parameters(&self) -> Option<Box<RawValue>> {
        raw(&Parameters {
            key_id: Some(&self.key_id),
            encryption_context: self.encryption_context.as_ref(),
            key_spec: self.key_spec,
            number_of_bytes: self.number_of_bytes,
            key_pair_spec: None,
        })
    }

    fn operate(self, call: &mut Call<'_>) -> Result<Outcome<GenerateDataKeyWithoutPlaintextOutput>, Error> {
        let (_, blob, key_id, key_material_id) = self.make(call, Operation::GenerateDataKeyWithoutPlaintext, None)?;
        Ok(Outcome::unchanged(GenerateDataKeyWithoutPlaintextOutput { ciphertext_blob: Answer::of(&blob), key_id, key_material_id }))
    }
}

/// `GenerateDataKeyPair`
#[derive(Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct GenerateDataKeyPair {
    pub key_id: String,
    pub key_pair_spec: DataKeyPairSpec,
    #[serde(default)]
    pub encryption_context: Option<Pairs>,
    pub grant_tokens: Option<Vec<String>>,
    pub dry_run: Option<bool>,
    pub recipient: Option<Recipient>,
}

/// The answer to `GenerateDataKeyPair`.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct GenerateDataKeyPairOutput {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub private_key_plaintext: Option<Answer>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ciphertext_for_recipient: Option<Answer>,
    #[serde(flatten)]
    pub pair: GenerateDataKeyPairWithoutPlaintextOutput,
}

/// `GenerateDataKeyPairWithoutPlaintext`
#[derive(Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct GenerateDataKeyPairWithoutPlaintext {
    pub key_id: String,
    pub key_pair_spec: DataKeyPairSpec,
    #[serde(default)]
    pub encryption_context: Option<Pairs>,
    pub grant_tokens: Option<Vec<String>>,
    pub dry_run: Option<bool>,
}

/// The answer to `GenerateDataKeyPairWithoutPlaintext`.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct GenerateDataKeyPairWithoutPlaintextOutput {
    pub private_key_ciphertext_blob: Answer,
    pub public_key: Answer,
    pub key_id: String,
    pub key_pair_spec: DataKeyPairSpec,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_material_id: Option<String>,
}

impl GenerateDataKeyPair {
    /// Whoever is to read the plaintext, and the rest of the request.
    fn parted(self) -> (GenerateDataKeyPairWithoutPlaintext, Option<Recipient>) {
        let Self { key_id, key_pair_spec, encryption_context, grant_tokens, dry_run, recipient } = self;
        (GenerateDataKeyPairWithoutPlaintext { key_id, key_pair_spec, encryption_context, grant_tokens, dry_run }, recipient)
    }
}

impl GenerateDataKeyPairWithoutPlaintext {
    fn make(
        self,
        call: &mut Call<'_>,
        operation: Operation,
        attested: Option<&Attested>,
    ) -> Result<(KeyMaterial, GenerateDataKeyPairWithoutPlaintextOutput), Error> {
        let failed = |_| Error::Internal("a key pair without halves");
        let context = context_of(self.encryption_context)?;
        let mut request = with_context(permission(operation)?, call.facts(), context.pairs(), SYMMETRIC);
        request.parameters.push((KeyName::DataKeyPairSpec, Values::One(Cow::Borrowed(self.key_pair_spec.name())))); // [A557]
        request.attestation = attested.map(Attested::values); // [A566]
        let (key, permit) = permitted(call, operation, &self.key_id, self.grant_tokens.as_deref(), request)?;
        let ready = usable_with_context(&key, permit, operation, SYMMETRIC, &context)?;
        if key.in_store.is_some() {
            return Err(Error::Unsupported(Some(format!("{operation} is not supported for KMS keys in custom key stores.")))); // [K139]
        }
        end_of_dry_run(self.dry_run)?;
        let pair = call.make(self.key_pair_spec.key_spec())?;
        let private = pair.private_key().map_err(failed)?;
        let (blob, key_material_id) = encrypt_under(call, operation, &ready, SYMMETRIC, (BlobKind::DataKey, &context), private.expose())?;
        used(call, key_material_id.as_deref());
        let output = GenerateDataKeyPairWithoutPlaintextOutput {
            private_key_ciphertext_blob: Answer::of(&blob),
            public_key: Answer::of(pair.public_key().map_err(failed)?.as_der()),
            key_id: key.arn().to_string(),
            key_pair_spec: self.key_pair_spec,
            key_material_id: key_material_id.filter(|_| attested.is_none()), // [K155]
        };
        Ok((pair, output))
    }
}

impl Operate for GenerateDataKeyPair {
    type Output = GenerateDataKeyPairOutput;
    const SERVICE: &'static str = "kms";
    const NAME: &'static str = "GenerateDataKeyPair";
    const MUTATES: bool = false;
    const MAKES_PAIRS: bool = true;

    fn again(&self) -> Option<Self> {
        self.key_pair_spec.key_spec().is_slow_to_generate().then(|| self.clone())
    }

    fn request_parameters(&self) -> Option<Box<RawValue>> {
        raw(&Parameters {
            key_id: Some(&self.key_id),
            encryption_context: self.encryption_context.as_ref(),
            key_spec: None,
            number_of_bytes: None,
            key_pair_spec: Some(self.key_pair_spec),
        })
    }

    fn operate(self, call: &mut Call<'_>) -> Result<Outcome<GenerateDataKeyPairOutput>, Error> {
        let (request, recipient) = self.parted();
        let attested = attested(call, recipient.as_ref())?;
        let (made, pair) = request.make(call, Operation::GenerateDataKeyPair, attested.as_ref())?;
        let private = made.private_key().map_err(|_| Error::Internal("a key pair without halves"))?;
        let (private_key_plaintext, ciphertext_for_recipient) = handed(call, attested.as_ref(), private.expose())?;
        Ok(Outcome::unchanged(GenerateDataKeyPairOutput { private_key_plaintext, ciphertext_for_recipient, pair }))
    }
}

impl Operate for GenerateDataKeyPairWithoutPlaintext {
    type Output = GenerateDataKeyPairWithoutPlaintextOutput;
    const SERVICE: &'static str = "kms";
    const NAME: &'static str = "GenerateDataKeyPairWithoutPlaintext";
    const MUTATES: bool = false;
    const MAKES_PAIRS: bool = true;

    fn again(&self) -> Option<Self> {
        self.key_pair_spec.key_spec().is_slow_to_generate().then(|| self.clone())
    }

    fn request_parameters(&self) -> Option<Box<RawValue>> {
        raw(&Parameters {
            key_id: Some(&self.key_id),
            encryption_context: self.encryption_context.as_ref(),
            key_spec: None,
            number_of_bytes: None,
            key_pair_spec: Some(self.key_pair_spec),
        })
    }

    fn operate(self, call: &mut Call<'_>) -> Result<Outcome<GenerateDataKeyPairWithoutPlaintextOutput>, Error> {
        let (_, pair) = self.make(call, Operation::GenerateDataKeyPairWithoutPlaintext, None)?;
        Ok(Outcome::unchanged(pair))
    }
}

/// `GenerateRandom`
#[derive(Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct GenerateRandom {
    pub number_of_bytes: Option<u32>,
    pub custom_key_store_id: Option<String>,
    pub recipient: Option<Recipient>,
}

/// The answer to `GenerateRandom`.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct GenerateRandomOutput {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plaintext: Option<Answer>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ciphertext_for_recipient: Option<Answer>,
}

impl Operate for GenerateRandom {
    type Output = GenerateRandomOutput;
    const SERVICE: &'static str = "kms";
    const NAME: &'static str = "GenerateRandom";
    const MUTATES: bool = false;

    fn again(&self) -> Option<Self> {
        self.custom_key_store_id.is_some().then(|| self.clone())
    }

    fn request_parameters(&self) -> Option<Box<RawValue>> {
        let number_of_bytes = self.number_of_bytes;
        raw(&Parameters { key_id: None, encryption_context: None, key_spec: None, number_of_bytes, key_pair_spec: None })
    }

    fn operate(self, call: &mut Call<'_>) -> Result<Outcome<GenerateRandomOutput>, Error> {
        let length = self.number_of_bytes.ok_or_else(|| Error::Validation("NumberOfBytes is required.".to_owned()))?; // [K172]
        let attested = attested(call, self.recipient.as_ref())?;
        let mut request = Request::new(permission(Operation::GenerateRandom)?, call.facts());
        request.attestation = attested.as_ref().map(Attested::values); // [A566]
        let pattern = no_resource(call)?;
        call.authorize(&Target::new(Resource::None { pattern: pattern.into() }), &request)?;
        let bytes = match &self.custom_key_store_id {
            Some(id) => Plaintext::new(random_of_store(call, &store_of(call, id)?, length as usize)?),
            None => random_bytes(length as usize, &*call.env.entropy).map_err(|_| Error::Internal("randomness failed"))?,
        };
        let (plaintext, ciphertext_for_recipient) = handed(call, attested.as_ref(), bytes.expose())?;
        Ok(Outcome::unchanged(GenerateRandomOutput { plaintext, ciphertext_for_recipient }))
    }
}

/// (K139) An external key manager gives no random bytes.
fn random_of_store(call: &mut Call<'_>, store: &CustomKeyStore, length: usize) -> Result<Zeroizing<Vec<u8>>, Error> {
    match &store.backing {
        Backing::Token(_) => hsm::random(call, store, length),
        Backing::Proxy(_) => {
            let message = "GenerateRandom is not supported for custom key stores of type EXTERNAL_KEY_STORE.";
            Err(Error::Unsupported(Some(message.to_owned())))
        }
    }
}
