//! Encrypt, Decrypt, data keys and random bytes (K150–K172).

use std::borrow::Cow;

use keyward_authz::{CallFacts, Operation, Request, Resource, Target};
use keyward_crypto::{BlobKind, DataKeySpec, EncryptionContext, Head, Plaintext, open, random_bytes, seal};
use keyward_policy::{KeyName, Values};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::resolve::{Found, permission, resolve};
use super::{Answer, Blob, Pairs};
use crate::call::{Call, Operate, Outcome, raw};
use crate::entities::Key;
use crate::error::Error;
use crate::vault::{ReadyKey, ready};

const SYMMETRIC_DEFAULT: &str = "SYMMETRIC_DEFAULT";

/// A request that carries an encryption context and an algorithm.
fn with_context<'r>(operation: Operation, facts: &'r CallFacts, context: &'r Pairs, algorithm: &'r str) -> Result<Request<'r>, Error> {
    let mut request = Request::new(permission(operation)?, facts);
    request.encryption_context = Some(context);
    request.parameters = vec![(KeyName::EncryptionAlgorithm, Values::One(Cow::Borrowed(algorithm)))]; // [A544]
    Ok(request)
}

/// State, usage, algorithm; then a dry run ends (K25) (K153).
fn usable<'k>(key: &'k Key, permit: keyward_authz::Permit, operation: Operation, algorithm: &str, dry_run: bool) -> Result<ReadyKey<'k>, Error> {
    let ready = ready(key, permit)?.for_usage("ENCRYPT_DECRYPT", operation.name())?;
    if algorithm != key.facts.spec {
        return Err(Error::IncompatibleAlgorithm { algorithm: algorithm.to_owned(), spec: key.facts.spec.to_string() });
    }
    if dry_run { Err(Error::DryRun) } else { Ok(ready) }
}

fn encrypt_under(call: &Call<'_>, ready: &ReadyKey<'_>, kind: BlobKind, context: &Pairs, plaintext: &[u8]) -> Result<(Vec<u8>, String), Error> {
    let key = ready.key();
    let current = key.current_material().ok_or(Error::Internal("a key without material"))?;
    let material = call.vault.unlock(ready, &current.id)?;
    let head = Head {
        kind,
        key_id: key.arn().id().as_str().parse().map_err(|_| Error::Internal("a key id that is none"))?,
        account: key.arn().account().as_str().parse().map_err(|_| Error::Internal("an account that is none"))?,
        material_id: current.id,
    };
    let context = EncryptionContext::from(context.clone());
    let blob = seal(&head, &material, &context, plaintext, &*call.env.entropy).map_err(|_| Error::Internal("encrypting failed"))?;
    Ok((blob, current.id.to_string()))
}

/// `Encrypt`
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct Encrypt {
    pub key_id: String,
    pub plaintext: Blob,
    #[serde(default)]
    pub encryption_context: Option<Pairs>,
    pub encryption_algorithm: Option<String>,
    pub grant_tokens: Option<Vec<String>>,
    pub dry_run: Option<bool>,
}

/// The answer to `Encrypt`.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct EncryptOutput {
    pub ciphertext_blob: Answer,
    pub key_id: String,
    pub encryption_algorithm: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CipherParameters<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    key_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    encryption_context: Option<&'a Pairs>,
    #[serde(skip_serializing_if = "Option::is_none")]
    encryption_algorithm: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_spec: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    number_of_bytes: Option<u32>,
}

impl Operate for Encrypt {
    type Output = EncryptOutput;
    const SERVICE: &'static str = "kms";
    const NAME: &'static str = "Encrypt";
    const MUTATES: bool = false;

    fn request_parameters(&self) -> Option<Box<RawValue>> {
        let algorithm = Some(self.encryption_algorithm.as_deref().unwrap_or(SYMMETRIC_DEFAULT));
        raw(&CipherParameters {
            key_id: Some(&self.key_id),
            encryption_context: self.encryption_context.as_ref(),
            encryption_algorithm: algorithm,
            key_spec: None,
            number_of_bytes: None,
        })
    }

    fn operate(self, call: &mut Call<'_>) -> Result<Outcome<EncryptOutput>, Error> {
        let context = context_of(self.encryption_context)?;
        let algorithm = self.encryption_algorithm.as_deref().unwrap_or(SYMMETRIC_DEFAULT);
        let facts = call.facts().clone();
        let found = resolve(call, Operation::Encrypt, &self.key_id)?;
        super::grants::read_tokens(call, self.grant_tokens.as_deref())?;
        let (key, permit) = found.permit(call, with_context(Operation::Encrypt, &facts, &context, algorithm)?)?;
        let ready = usable(&key, permit, Operation::Encrypt, algorithm, self.dry_run == Some(true))?;
        let (blob, _) = encrypt_under(call, &ready, BlobKind::Encrypt, &context, &self.plaintext.0)?;
        Ok(Outcome::unchanged(EncryptOutput {
            ciphertext_blob: Answer::of(&blob),
            key_id: key.arn().to_string(),
            encryption_algorithm: SYMMETRIC_DEFAULT,
        }))
    }
}

/// (K151)
fn context_of(pairs: Option<Pairs>) -> Result<Pairs, Error> {
    let pairs = pairs.unwrap_or_default();
    if EncryptionContext::from(pairs.clone()).is_too_large() {
        return Err(Error::Validation("The encryption context is larger than 8192 bytes.".to_owned()));
    }
    Ok(pairs)
}

/// `Decrypt`
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct Decrypt {
    pub ciphertext_blob: Option<Blob>,
    pub key_id: Option<String>,
    #[serde(default)]
    pub encryption_context: Option<Pairs>,
    pub encryption_algorithm: Option<String>,
    pub grant_tokens: Option<Vec<String>>,
    pub dry_run: Option<bool>,
}

/// The answer to `Decrypt`.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct DecryptOutput {
    pub key_id: String,
    pub plaintext: Answer,
    pub encryption_algorithm: &'static str,
    pub key_material_id: String,
}

impl Operate for Decrypt {
    type Output = DecryptOutput;
    const SERVICE: &'static str = "kms";
    const NAME: &'static str = "Decrypt";
    const MUTATES: bool = false;

    fn request_parameters(&self) -> Option<Box<RawValue>> {
        let algorithm = Some(self.encryption_algorithm.as_deref().unwrap_or(SYMMETRIC_DEFAULT));
        raw(&CipherParameters {
            key_id: self.key_id.as_deref(),
            encryption_context: self.encryption_context.as_ref(),
            encryption_algorithm: algorithm,
            key_spec: None,
            number_of_bytes: None,
        })
    }

    fn operate(self, call: &mut Call<'_>) -> Result<Outcome<DecryptOutput>, Error> {
        let context = context_of(self.encryption_context)?;
        let algorithm = self.encryption_algorithm.as_deref().unwrap_or(SYMMETRIC_DEFAULT);
        let facts = call.facts().clone();
        let blob = self.ciphertext_blob.ok_or_else(|| Error::Validation("CiphertextBlob is required.".to_owned()))?;
        // [K164] What does not parse is told before anything else.
        let head = Head::parse(&blob.0).map_err(|_| Error::InvalidCiphertext)?;
        let owner = head.account_digits().parse().map_err(|_| Error::InvalidCiphertext)?;
        let in_blob = head.key_id.to_string();
        let found = match self.key_id.as_deref() {
            None => Found::in_ciphertext(call, owner, &in_blob)?,
            // [A411] A bare id equal to the blob's means the blob's key, own or foreign.
            Some(id) if id == in_blob => Found::in_ciphertext(call, owner, &in_blob)?,
            Some(named) => resolve(call, Operation::Decrypt, named)?,
        };
        super::grants::read_tokens(call, self.grant_tokens.as_deref())?;
        let (key, permit) = found.permit(call, with_context(Operation::Decrypt, &facts, &context, algorithm)?)?;
        let ready = ready(&key, permit)?.for_usage("ENCRYPT_DECRYPT", "Decrypt")?;
        // [K163] Another key than the ciphertext's: told only to who may use the one that was named.
        if key.arn().id().as_str() != in_blob || key.arn().account() != owner {
            return Err(Error::IncorrectKey);
        }
        if algorithm != key.facts.spec {
            return Err(Error::IncompatibleAlgorithm { algorithm: algorithm.to_owned(), spec: key.facts.spec.to_string() });
        }
        let material = call.vault.unlock(&ready, &head.material_id)?;
        let plaintext = open(&blob.0, &material, &EncryptionContext::from(context)).map_err(|_| Error::InvalidCiphertext)?;
        if self.dry_run == Some(true) {
            return Err(Error::DryRun);
        }
        Ok(Outcome::unchanged(DecryptOutput {
            key_id: key.arn().to_string(),
            plaintext: Answer::of(plaintext.expose()),
            encryption_algorithm: SYMMETRIC_DEFAULT,
            key_material_id: head.material_id.to_string(),
        }))
    }
}

/// `GenerateDataKey`
#[derive(Deserialize)]
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
}

/// The answer to `GenerateDataKey`.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct GenerateDataKeyOutput {
    pub ciphertext_blob: Answer,
    pub plaintext: Answer,
    pub key_id: String,
    pub key_material_id: String,
}

/// `GenerateDataKeyWithoutPlaintext`
#[derive(Deserialize)]
#[serde(transparent)]
pub struct GenerateDataKeyWithoutPlaintext(GenerateDataKey);

/// The answer to `GenerateDataKeyWithoutPlaintext`.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct GenerateDataKeyWithoutPlaintextOutput {
    pub ciphertext_blob: Answer,
    pub key_id: String,
    pub key_material_id: String,
}

impl GenerateDataKey {
    fn make(self, call: &mut Call<'_>, operation: Operation) -> Result<(Plaintext, Vec<u8>, String, String), Error> {
        let length = match (self.key_spec, self.number_of_bytes) {
            (Some(spec), None) => spec.bytes(),
            (None, Some(bytes)) => bytes as usize,
            _ => return Err(Error::Validation("Please specify either number of bytes or key spec.".to_owned())), // [K170]
        };
        let context = context_of(self.encryption_context)?;
        let facts = call.facts().clone();
        let found = resolve(call, operation, &self.key_id)?;
        super::grants::read_tokens(call, self.grant_tokens.as_deref())?;
        let (key, permit) = found.permit(call, with_context(operation, &facts, &context, SYMMETRIC_DEFAULT)?)?;
        let ready = usable(&key, permit, operation, SYMMETRIC_DEFAULT, self.dry_run == Some(true))?;
        let data_key = random_bytes(length, &*call.env.entropy).map_err(|_| Error::Internal("randomness failed"))?;
        let (blob, material) = encrypt_under(call, &ready, BlobKind::DataKey, &context, data_key.expose())?;
        Ok((data_key, blob, key.arn().to_string(), material))
    }

    fn parameters(&self) -> Option<Box<RawValue>> {
        raw(&CipherParameters {
            key_id: Some(&self.key_id),
            encryption_context: self.encryption_context.as_ref(),
            encryption_algorithm: None,
            key_spec: self.key_spec.map(DataKeySpec::name),
            number_of_bytes: self.number_of_bytes,
        })
    }
}

impl Operate for GenerateDataKey {
    type Output = GenerateDataKeyOutput;
    const SERVICE: &'static str = "kms";
    const NAME: &'static str = "GenerateDataKey";
    const MUTATES: bool = false;

    fn request_parameters(&self) -> Option<Box<RawValue>> {
        self.parameters()
    }

    fn operate(self, call: &mut Call<'_>) -> Result<Outcome<GenerateDataKeyOutput>, Error> {
        let (data_key, blob, key_id, key_material_id) = self.make(call, Operation::GenerateDataKey)?;
        let (ciphertext_blob, plaintext) = (Answer::of(&blob), Answer::of(data_key.expose()));
        Ok(Outcome::unchanged(GenerateDataKeyOutput { ciphertext_blob, plaintext, key_id, key_material_id }))
    }
}

impl Operate for GenerateDataKeyWithoutPlaintext {
    type Output = GenerateDataKeyWithoutPlaintextOutput;
    const SERVICE: &'static str = "kms";
    const NAME: &'static str = "GenerateDataKeyWithoutPlaintext";
    const MUTATES: bool = false;

    fn request_parameters(&self) -> Option<Box<RawValue>> {
        self.0.parameters()
    }

    fn operate(self, call: &mut Call<'_>) -> Result<Outcome<GenerateDataKeyWithoutPlaintextOutput>, Error> {
        let (_, blob, key_id, key_material_id) = self.0.make(call, Operation::GenerateDataKeyWithoutPlaintext)?;
        Ok(Outcome::unchanged(GenerateDataKeyWithoutPlaintextOutput { ciphertext_blob: Answer::of(&blob), key_id, key_material_id }))
    }
}

/// `GenerateRandom`
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct GenerateRandom {
    pub number_of_bytes: Option<u32>,
}

/// The answer to `GenerateRandom`.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct GenerateRandomOutput {
    pub plaintext: Answer,
}

impl Operate for GenerateRandom {
    type Output = GenerateRandomOutput;
    const SERVICE: &'static str = "kms";
    const NAME: &'static str = "GenerateRandom";
    const MUTATES: bool = false;

    fn operate(self, call: &mut Call<'_>) -> Result<Outcome<GenerateRandomOutput>, Error> {
        let length = self.number_of_bytes.ok_or_else(|| Error::Validation("NumberOfBytes is required.".to_owned()))?; // [K172]
        let facts = call.facts().clone();
        let pattern = no_resource(call)?;
        call.authorize(&Target::new(Resource::None { pattern: pattern.into() }), &Request::new(permission(Operation::GenerateRandom)?, &facts))?;
        let bytes = random_bytes(length as usize, &*call.env.entropy).map_err(|_| Error::Internal("randomness failed"))?;
        Ok(Outcome::unchanged(GenerateRandomOutput { plaintext: Answer::of(bytes.expose()) }))
    }
}

/// What operations without key are matched as (A141).
pub(crate) fn no_resource(call: &Call<'_>) -> Result<String, Error> {
    let (region, account) = (call.region(), call.account()?);
    Ok(format!("arn:{}:kms:{region}:{account}:*", region.partition()))
}
