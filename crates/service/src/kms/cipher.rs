//! Encrypt, Decrypt, data keys and random bytes (K150–K172).

use std::borrow::Cow;

use keyward_authz::{CallFacts, Operation, Request, Resource, Target};
use keyward_crypto::{BlobKind, DataKeySpec, EncryptionContext, Head, KeyMaterial, KeySpec, Plaintext, open, random_bytes, seal};
use keyward_policy::{AccountId, Action, KeyName, Region, Values};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use zeroize::Zeroizing;

use super::external;
use super::resolve::{Found, action, permission, resolve};
use super::stores::store_of;
use super::{Answer, Blob, Pairs};
use crate::call::{Call, Operate, Outcome, raw};
use crate::entities::{Backing, CustomKeyStore, Key};
use crate::error::Error;
use crate::vault::{ReadyKey, ready};

const SYMMETRIC_DEFAULT: &str = "SYMMETRIC_DEFAULT";

/// A request that carries an encryption context and an algorithm.
pub(crate) fn with_context<'r>(action: Action, facts: &'r CallFacts, context: &'r Pairs, algorithm: &'r str) -> Request<'r> {
    let mut request = Request::new(action, facts);
    request.encryption_context = Some(context);
    request.parameters = vec![(KeyName::EncryptionAlgorithm, Values::One(Cow::Borrowed(algorithm)))]; // [A544]
    request
}

/// State, usage, algorithm; then a dry run ends (K25) (K153).
fn usable<'k>(key: &'k Key, permit: keyward_authz::Permit, operation: Operation, algorithm: &str, dry_run: bool) -> Result<ReadyKey<'k>, Error> {
    let ready = ready(key, permit)?.for_usage("ENCRYPT_DECRYPT", operation.name())?;
    if algorithm != key.facts.spec {
        return Err(Error::IncompatibleAlgorithm { algorithm: algorithm.to_owned(), spec: key.facts.spec.to_string() });
    }
    if dry_run { Err(Error::DryRun) } else { Ok(ready) }
}

/// The blob, and the id of the material under which it is; of a key in a custom key store none is told (K80).
fn encrypt_under(
    call: &mut Call<'_>,
    operation: Operation,
    ready: &ReadyKey<'_>,
    kind: BlobKind,
    context: &EncryptionContext,
    plaintext: &[u8],
) -> Result<(Vec<u8>, Option<String>), Error> {
    let key = ready.key();
    let current = key.current_material().ok_or(Error::Internal("a key without material"))?;
    let head = Head {
        kind,
        key_id: key.arn().id().as_str().parse().map_err(|_| Error::Internal("a key id that is none"))?,
        account: key.arn().account().as_str().parse().map_err(|_| Error::Internal("an account that is none"))?,
        material_id: current.id,
    };
    if key.in_store.is_some() {
        return Ok((external::encrypt(call, operation.name(), ready, &head, context, plaintext)?, None));
    }
    let material = call.vault.unlock(ready, &current.id)?;
    let blob = seal(&head, &material, context, plaintext, &*call.env.entropy).map_err(|_| Error::Internal("encrypting failed"))?;
    Ok((blob, Some(current.id.to_string())))
}

/// (A1010)
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct UsedMaterial<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    key_material_id: Option<&'a str>,
}

/// (A1010)
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct UsedMaterials<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    source_key_material_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    destination_key_material_id: Option<&'a str>,
}

/// `Encrypt`
#[derive(Clone, Deserialize)]
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

    fn again(&self) -> Option<Self> {
        Some(self.clone())
    }

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
        let facts = call.facts();
        let found = resolve(call, Operation::Encrypt, &self.key_id)?;
        super::grants::read_tokens(call, self.grant_tokens.as_deref())?;
        let (key, permit) = found.permit(call, with_context(permission(Operation::Encrypt)?, facts, context.pairs(), algorithm))?;
        let ready = usable(&key, permit, Operation::Encrypt, algorithm, self.dry_run == Some(true))?;
        let (blob, material) = encrypt_under(call, Operation::Encrypt, &ready, BlobKind::Encrypt, &context, &self.plaintext.0)?;
        call.remark(&UsedMaterial { key_material_id: material.as_deref() });
        Ok(Outcome::unchanged(EncryptOutput {
            ciphertext_blob: Answer::of(&blob),
            key_id: key.arn().to_string(),
            encryption_algorithm: SYMMETRIC_DEFAULT,
        }))
    }
}

/// (K151)
fn context_of(pairs: Option<Pairs>) -> Result<EncryptionContext, Error> {
    let context = EncryptionContext::from(pairs.unwrap_or_default());
    if context.is_too_large() {
        return Err(Error::Validation("The encryption context is larger than 8192 bytes.".to_owned()));
    }
    Ok(context)
}

/// `Decrypt`
#[derive(Clone, Deserialize)]
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
    pub dry_run_modifiers: Option<Vec<String>>,
}

/// (K154) Whether only the permissions and the state of keys are asked about, whatever the ciphertext.
fn ignores_ciphertext(dry_run: Option<bool>, modifiers: Option<&[String]>) -> Result<bool, Error> {
    let ignores = modifiers.unwrap_or_default().iter().any(|modifier| modifier == "IGNORE_CIPHERTEXT");
    if ignores && dry_run != Some(true) {
        return Err(Error::Validation("DryRunModifiers can be specified only when DryRun is true.".to_owned()));
    }
    Ok(ignores)
}

fn required<T>(member: Option<T>, name: &str) -> Result<T, Error> {
    member.ok_or_else(|| Error::Validation(format!("{name} is required."))) // [K24]
}

/// The answer to `Decrypt`.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct DecryptOutput {
    pub key_id: String,
    pub plaintext: Answer,
    pub encryption_algorithm: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_material_id: Option<String>,
}

impl Operate for Decrypt {
    type Output = DecryptOutput;
    const SERVICE: &'static str = "kms";
    const NAME: &'static str = "Decrypt";
    const MUTATES: bool = false;

    fn again(&self) -> Option<Self> {
        Some(self.clone())
    }

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
        let facts = call.facts();
        if ignores_ciphertext(self.dry_run, self.dry_run_modifiers.as_deref())? {
            let found = resolve(call, Operation::Decrypt, &required(self.key_id, "KeyId")?)?;
            super::grants::read_tokens(call, self.grant_tokens.as_deref())?;
            let (key, permit) = found.permit(call, with_context(permission(Operation::Decrypt)?, facts, context.pairs(), algorithm))?;
            let _usable = usable(&key, permit, Operation::Decrypt, algorithm, false)?;
            return Err(Error::DryRun);
        }
        let blob = required(self.ciphertext_blob, "CiphertextBlob")?;
        let ciphertext = Ciphertext::parse(&blob.0)?;
        let found = ciphertext.resolve(call, Operation::Decrypt, self.key_id.as_deref())?;
        super::grants::read_tokens(call, self.grant_tokens.as_deref())?;
        let (key, permit) = found.permit(call, with_context(permission(Operation::Decrypt)?, facts, context.pairs(), algorithm))?;
        let ready = ciphertext.ready(&key, permit, Operation::Decrypt, algorithm)?;
        let plaintext = ciphertext.open(call, Operation::Decrypt, &ready, &context)?;
        if self.dry_run == Some(true) {
            return Err(Error::DryRun);
        }
        let key_material_id = ciphertext.material_told(&key);
        call.remark(&UsedMaterial { key_material_id: key_material_id.as_deref() });
        Ok(Outcome::unchanged(DecryptOutput {
            key_id: key.arn().to_string(),
            plaintext: Answer::of(plaintext.expose()),
            encryption_algorithm: SYMMETRIC_DEFAULT,
            key_material_id,
        }))
    }
}

/// A ciphertext that parsed, and what its head says.
struct Ciphertext<'b> {
    blob: &'b [u8],
    head: Head,
    owner: AccountId,
}

impl<'b> Ciphertext<'b> {
    /// (K164) What does not parse is told before anything else.
    fn parse(blob: &'b [u8]) -> Result<Self, Error> {
        let head = Head::parse(blob).map_err(|_| Error::InvalidCiphertext)?;
        let owner = head.account_digits().parse().map_err(|_| Error::InvalidCiphertext)?;
        Ok(Self { blob, head, owner })
    }

    /// (A411) A bare id equal to the blob's means the blob's key, own or foreign.
    fn resolve(&self, call: &Call<'_>, operation: Operation, key_id: Option<&str>) -> Result<Found, Error> {
        let in_blob = self.head.key_id.to_string();
        match key_id {
            Some(named) if named != in_blob => resolve(call, operation, named),
            _ => Found::in_ciphertext(call, self.owner, &in_blob),
        }
    }

    /// State, usage, the right key, algorithm (K25) (K163).
    fn ready<'k>(&self, key: &'k Key, permit: keyward_authz::Permit, operation: Operation, algorithm: &str) -> Result<ReadyKey<'k>, Error> {
        let ready = ready(key, permit)?.for_usage("ENCRYPT_DECRYPT", operation.name())?;
        // [K163] Another key than the ciphertext's: told only to who may use the one that was named.
        if key.arn().id().as_str() != self.head.key_id.to_string() || key.arn().account() != self.owner {
            return Err(Error::IncorrectKey);
        }
        if algorithm != key.facts.spec {
            return Err(Error::IncompatibleAlgorithm { algorithm: algorithm.to_owned(), spec: key.facts.spec.to_string() });
        }
        Ok(ready)
    }

    /// The id of its material, as answers tell it (K80).
    fn material_told(&self, key: &Key) -> Option<String> {
        key.in_store.is_none().then(|| self.head.material_id.to_string())
    }

    fn open(&self, call: &mut Call<'_>, operation: Operation, ready: &ReadyKey<'_>, context: &EncryptionContext) -> Result<Plaintext, Error> {
        if ready.key().in_store.is_some() {
            return external::decrypt(call, operation.name(), ready, &self.head, context, self.blob);
        }
        let material = call.vault.unlock(ready, &self.head.material_id)?;
        open(self.blob, &material, context).map_err(|_| Error::InvalidCiphertext)
    }
}

/// `ReEncrypt`
#[derive(Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct ReEncrypt {
    pub ciphertext_blob: Option<Blob>,
    pub source_encryption_context: Option<Pairs>,
    pub source_key_id: Option<String>,
    pub destination_key_id: String,
    pub destination_encryption_context: Option<Pairs>,
    pub source_encryption_algorithm: Option<String>,
    pub destination_encryption_algorithm: Option<String>,
    pub grant_tokens: Option<Vec<String>>,
    pub dry_run: Option<bool>,
    pub dry_run_modifiers: Option<Vec<String>>,
}

/// The answer to `ReEncrypt` (K165).
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct ReEncryptOutput {
    pub ciphertext_blob: Answer,
    pub source_key_id: String,
    pub key_id: String,
    pub source_encryption_algorithm: &'static str,
    pub destination_encryption_algorithm: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_key_material_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub destination_key_material_id: Option<String>,
}

impl Operate for ReEncrypt {
    type Output = ReEncryptOutput;
    const SERVICE: &'static str = "kms";
    const NAME: &'static str = "ReEncrypt";
    const MUTATES: bool = false;

    fn again(&self) -> Option<Self> {
        Some(self.clone())
    }

    fn request_parameters(&self) -> Option<Box<RawValue>> {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Parameters<'a> {
            #[serde(skip_serializing_if = "Option::is_none")]
            source_key_id: Option<&'a str>,
            destination_key_id: &'a str,
            #[serde(skip_serializing_if = "Option::is_none")]
            source_encryption_context: Option<&'a Pairs>,
            #[serde(skip_serializing_if = "Option::is_none")]
            destination_encryption_context: Option<&'a Pairs>,
            source_encryption_algorithm: &'a str,
            destination_encryption_algorithm: &'a str,
        }
        raw(&Parameters {
            source_key_id: self.source_key_id.as_deref(),
            destination_key_id: &self.destination_key_id,
            source_encryption_context: self.source_encryption_context.as_ref(),
            destination_encryption_context: self.destination_encryption_context.as_ref(),
            source_encryption_algorithm: self.source_encryption_algorithm.as_deref().unwrap_or(SYMMETRIC_DEFAULT),
            destination_encryption_algorithm: self.destination_encryption_algorithm.as_deref().unwrap_or(SYMMETRIC_DEFAULT),
        })
    }

    /// (A404) Two permissions, each a full decision on its own key with its own context, before either key's state is told.
    fn operate(self, call: &mut Call<'_>) -> Result<Outcome<ReEncryptOutput>, Error> {
        let (from_context, to_context) = (context_of(self.source_encryption_context)?, context_of(self.destination_encryption_context)?);
        let from_algorithm = self.source_encryption_algorithm.as_deref().unwrap_or(SYMMETRIC_DEFAULT);
        let to_algorithm = self.destination_encryption_algorithm.as_deref().unwrap_or(SYMMETRIC_DEFAULT);
        let facts = call.facts();
        let blob = match ignores_ciphertext(self.dry_run, self.dry_run_modifiers.as_deref())? {
            true => None,
            false => Some(required(self.ciphertext_blob, "CiphertextBlob")?),
        };
        let ciphertext = blob.as_ref().map(|blob| Ciphertext::parse(&blob.0)).transpose()?;
        let from = match &ciphertext {
            Some(ciphertext) => ciphertext.resolve(call, Operation::ReEncrypt, self.source_key_id.as_deref())?,
            None => resolve(call, Operation::ReEncrypt, &required(self.source_key_id, "SourceKeyId")?)?,
        };
        let to = resolve(call, Operation::ReEncrypt, &self.destination_key_id)?;
        super::grants::read_tokens(call, self.grant_tokens.as_deref())?;
        // [A563] Whether both halves are one key.
        let same = Values::bool(from.arn() == to.arn());
        let mut request = with_context(action("ReEncryptFrom")?, facts, from_context.pairs(), from_algorithm);
        request.parameters.push((KeyName::ReEncryptOnSameKey, same.clone()));
        let (from_key, from_permit) = from.permit(call, request)?;
        let mut request = with_context(action("ReEncryptTo")?, facts, to_context.pairs(), to_algorithm);
        request.parameters.push((KeyName::ReEncryptOnSameKey, same));
        let (to_key, to_permit) = to.permit(call, request)?;
        let Some(ciphertext) = ciphertext else {
            let _usable = usable(&from_key, from_permit, Operation::ReEncrypt, from_algorithm, false)?;
            let _usable = usable(&to_key, to_permit, Operation::ReEncrypt, to_algorithm, false)?;
            return Err(Error::DryRun);
        };
        // [K86] Source first.
        let from_ready = ciphertext.ready(&from_key, from_permit, Operation::ReEncrypt, from_algorithm)?;
        let to_ready = usable(&to_key, to_permit, Operation::ReEncrypt, to_algorithm, false)?;
        let plaintext = ciphertext.open(call, Operation::ReEncrypt, &from_ready, &from_context)?;
        if self.dry_run == Some(true) {
            return Err(Error::DryRun);
        }
        let (blob, destination_key_material_id) =
            encrypt_under(call, Operation::ReEncrypt, &to_ready, BlobKind::Encrypt, &to_context, plaintext.expose())?;
        let source_key_material_id = ciphertext.material_told(&from_key);
        call.remark(&UsedMaterials {
            source_key_material_id: source_key_material_id.as_deref(),
            destination_key_material_id: destination_key_material_id.as_deref(),
        });
        Ok(Outcome::unchanged(ReEncryptOutput {
            ciphertext_blob: Answer::of(&blob),
            source_key_id: from_key.arn().to_string(),
            key_id: to_key.arn().to_string(),
            source_encryption_algorithm: SYMMETRIC_DEFAULT,
            destination_encryption_algorithm: SYMMETRIC_DEFAULT,
            source_key_material_id,
            destination_key_material_id,
        }))
    }
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
}

/// The answer to `GenerateDataKey`.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct GenerateDataKeyOutput {
    pub ciphertext_blob: Answer,
    pub plaintext: Answer,
    pub key_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_material_id: Option<String>,
}

/// `GenerateDataKeyWithoutPlaintext`
#[derive(Clone, Deserialize)]
#[serde(transparent)]
pub struct GenerateDataKeyWithoutPlaintext(GenerateDataKey);

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
    fn make(self, call: &mut Call<'_>, operation: Operation) -> Result<(Plaintext, Vec<u8>, String, Option<String>), Error> {
        let length = match (self.key_spec, self.number_of_bytes) {
            (Some(spec), None) => spec.bytes(),
            (None, Some(bytes)) => bytes as usize,
            _ => return Err(Error::Validation("Please specify either number of bytes or key spec.".to_owned())), // [K170]
        };
        let context = context_of(self.encryption_context)?;
        let facts = call.facts();
        let found = resolve(call, operation, &self.key_id)?;
        super::grants::read_tokens(call, self.grant_tokens.as_deref())?;
        let (key, permit) = found.permit(call, with_context(permission(operation)?, facts, context.pairs(), SYMMETRIC_DEFAULT))?;
        let ready = usable(&key, permit, operation, SYMMETRIC_DEFAULT, self.dry_run == Some(true))?;
        let draw = || random_bytes(length, &*call.env.entropy).map_err(|_| Error::Internal("randomness failed"));
        // What an external key has encrypted must still be the data key when its answer is there.
        let data_key = match key.in_store {
            Some(_) => Plaintext::new(call.conversation.keep(|| Ok(Zeroizing::new(draw()?.expose().to_vec())))?),
            None => draw()?,
        };
        let (blob, material) = encrypt_under(call, operation, &ready, BlobKind::DataKey, &context, data_key.expose())?;
        call.remark(&UsedMaterial { key_material_id: material.as_deref() });
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

    fn again(&self) -> Option<Self> {
        Some(self.clone())
    }

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

    fn again(&self) -> Option<Self> {
        Some(self.clone())
    }

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
    pub custom_key_store_id: Option<String>,
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

    fn request_parameters(&self) -> Option<Box<RawValue>> {
        let number_of_bytes = self.number_of_bytes;
        raw(&CipherParameters { key_id: None, encryption_context: None, encryption_algorithm: None, key_spec: None, number_of_bytes })
    }

    fn operate(self, call: &mut Call<'_>) -> Result<Outcome<GenerateRandomOutput>, Error> {
        let length = self.number_of_bytes.ok_or_else(|| Error::Validation("NumberOfBytes is required.".to_owned()))?; // [K172]
        let facts = call.facts();
        let pattern = no_resource(call)?;
        call.authorize(&Target::new(Resource::None { pattern: pattern.into() }), &Request::new(permission(Operation::GenerateRandom)?, facts))?;
        if let Some(id) = &self.custom_key_store_id {
            return random_of_store(&store_of(call, id)?);
        }
        let bytes = random_bytes(length as usize, &*call.env.entropy).map_err(|_| Error::Internal("randomness failed"))?;
        Ok(Outcome::unchanged(GenerateRandomOutput { plaintext: Answer::of(bytes.expose()) }))
    }
}

/// (K139) An external key manager gives no random bytes.
fn random_of_store(store: &CustomKeyStore) -> Result<Outcome<GenerateRandomOutput>, Error> {
    match &store.backing {
        Backing::Proxy(_) => {
            let message = "GenerateRandom is not supported for custom key stores of type EXTERNAL_KEY_STORE.";
            Err(Error::Unsupported(Some(message.to_owned())))
        }
    }
}

/// A ciphertext under a key that never was: for questions, which have none.
pub(crate) fn blob_of_nobody(call: &Call<'_>) -> Result<Vec<u8>, Error> {
    let key_id = "00000000-0000-0000-0000-000000000000".parse().map_err(|_| Error::Internal("a key id that is none"))?;
    let material = KeyMaterial::generate(KeySpec::SymmetricDefault, &*call.env.entropy).map_err(|_| Error::Internal("randomness failed"))?;
    let head = Head {
        kind: BlobKind::Encrypt,
        key_id,
        account: 0,
        material_id: "0".repeat(64).parse().map_err(|_| Error::Internal("a material id that is none"))?,
    };
    seal(&head, &material, &EncryptionContext::default(), b"-", &*call.env.entropy).map_err(|_| Error::Internal("encrypting failed"))
}

/// What operations without key are matched as (A141).
pub(crate) fn no_resource(call: &Call<'_>) -> Result<String, Error> {
    Ok(no_resource_in(call.region(), call.account()?))
}

/// The same in a Region that was not called (A407).
pub(crate) fn no_resource_in(region: &Region, account: AccountId) -> String {
    format!("arn:{}:kms:{region}:{account}:*", region.partition())
}
