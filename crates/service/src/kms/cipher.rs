//! Encrypt, Decrypt, ReEncrypt (K160–K167): ciphertexts of symmetric keys name their key, those of RSA keys nothing.

use std::borrow::Cow;
use std::sync::Arc;

use keyward_authz::{CallFacts, Operation, Permit, Request};
use keyward_crypto::{BlobKind, EncryptionAlgorithm, EncryptionContext, Head, KeyMaterial, KeySpec, KeyUsage, Plaintext, open, seal};
use keyward_policy::{AccountId, Action, KeyName, Values};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::recipient::{Attested, Recipient, attested, handed};
use super::resolve::{Found, action, permission, resolve};
use super::using::{context_of, end_of_dry_run, fits, permitted, required, unlock_current, usable};
use super::{Answer, Blob, Pairs};
use super::{external, hsm};
use crate::call::{Call, Operate, Outcome, raw};
use crate::entities::Key;
use crate::error::Error;
use crate::vault::{ReadyKey, ready};

/// A request that carries an encryption context and an algorithm.
pub(crate) fn with_context<'r>(action: Action, facts: &'r CallFacts, context: &'r Pairs, algorithm: EncryptionAlgorithm) -> Request<'r> {
    let mut request = Request::new(action, facts);
    request.encryption_context = Some(context);
    request.parameters = vec![(KeyName::EncryptionAlgorithm, Values::One(Cow::Borrowed(algorithm.name())))]; // [A544]
    request
}

/// (A502)
fn or_default(algorithm: Option<EncryptionAlgorithm>) -> EncryptionAlgorithm {
    algorithm.unwrap_or(EncryptionAlgorithm::SymmetricDefault)
}

/// State, usage, algorithm, and what asymmetric keys have not: an encryption context (K25) (K151).
pub(super) fn usable_with_context<'k>(
    key: &'k Key,
    permit: Permit,
    operation: Operation,
    algorithm: EncryptionAlgorithm,
    context: &EncryptionContext,
) -> Result<ReadyKey<'k>, Error> {
    let ready = usable(key, permit, (operation, KeyUsage::EncryptDecrypt), algorithm, KeySpec::encryption_algorithms)?;
    if algorithm != EncryptionAlgorithm::SymmetricDefault && !context.is_empty() {
        return Err(Error::Validation("EncryptionContext is supported only with symmetric encryption KMS keys.".to_owned()));
    }
    Ok(ready)
}

/// (K160) Longer plaintexts than an RSA key takes are told before anything is done.
fn check_length(ready: &ReadyKey<'_>, algorithm: EncryptionAlgorithm, plaintext: &[u8]) -> Result<(), Error> {
    let spec = ready.spec()?;
    match spec.rsa_plaintext_bytes_max(algorithm) {
        Some(max) if plaintext.len() > max => {
            Err(Error::Validation(format!("Algorithm {algorithm} and key spec {spec} cannot encrypt data larger than {max} bytes.")))
        }
        _ => Ok(()),
    }
}

/// Encrypts with the current material of a key. Symmetric keys tell which it is, unless they are in a custom key store (K80).
pub(super) fn encrypt_under(
    call: &mut Call<'_>,
    operation: Operation,
    ready: &ReadyKey<'_>,
    algorithm: EncryptionAlgorithm,
    (kind, context): (BlobKind, &EncryptionContext),
    plaintext: &[u8],
) -> Result<(Vec<u8>, Option<String>), Error> {
    let failed = || Error::Internal("encrypting failed");
    let key = ready.key();
    if algorithm != EncryptionAlgorithm::SymmetricDefault {
        let ciphertext = unlock_current(call, ready)?.0.public_key().and_then(|public| public.encrypt(algorithm, plaintext));
        return Ok((ciphertext.map_err(|_| failed())?, None));
    }
    let material_id = key.current_material().ok_or(Error::Internal("a key without material"))?.id;
    let head = Head {
        kind,
        key_id: key.arn().id().as_str().parse().map_err(|_| Error::Internal("a key id that is none"))?,
        account: key.arn().account().as_str().parse().map_err(|_| Error::Internal("an account that is none"))?,
        material_id,
    };
    if key.is_in_hsm() {
        return Ok((hsm::encrypt(call, ready, &head, context, plaintext)?, None));
    }
    if key.in_store.is_some() {
        return Ok((external::encrypt(call, operation.name(), ready, &head, context, plaintext)?, None));
    }
    let material = call.vault.unlock(ready, &material_id)?;
    let blob = seal(&head, &material, context, plaintext, &*call.env.entropy).map_err(|_| failed())?;
    Ok((blob, Some(material_id.to_string())))
}

/// (A1010) Which material of a symmetric key worked.
pub(super) fn used(call: &mut Call<'_>, key_material_id: Option<&str>) {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct UsedMaterial<'a> {
        key_material_id: &'a str,
    }
    if let Some(key_material_id) = key_material_id {
        call.remark(&UsedMaterial { key_material_id });
    }
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
    pub encryption_algorithm: Option<EncryptionAlgorithm>,
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
    pub encryption_algorithm: EncryptionAlgorithm,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CipherParameters<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    key_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    encryption_context: Option<&'a Pairs>,
    encryption_algorithm: EncryptionAlgorithm,
}

impl Operate for Encrypt {
    type Output = EncryptOutput;
    const SERVICE: &'static str = "kms";
    const NAME: &'static str = "Encrypt";
    const MUTATES: bool = false;

    fn again(&self) -> Option<Self> {
        Some(self.clone())
    }

    fn key_named(&self) -> Option<&str> {
        Some(&self.key_id)
    }

    fn request_parameters(&self) -> Option<Box<RawValue>> {
        raw(&CipherParameters {
            key_id: Some(&self.key_id),
            encryption_context: self.encryption_context.as_ref(),
            encryption_algorithm: or_default(self.encryption_algorithm),
        })
    }

    fn operate(self, call: &mut Call<'_>) -> Result<Outcome<EncryptOutput>, Error> {
        let context = context_of(self.encryption_context)?;
        let algorithm = or_default(self.encryption_algorithm);
        let request = with_context(permission(Operation::Encrypt)?, call.facts(), context.pairs(), algorithm);
        let (key, permit) = permitted(call, Operation::Encrypt, &self.key_id, self.grant_tokens.as_deref(), request)?;
        let ready = usable_with_context(&key, permit, Operation::Encrypt, algorithm, &context)?;
        check_length(&ready, algorithm, &self.plaintext.0)?;
        end_of_dry_run(self.dry_run)?;
        let (ciphertext, material) = encrypt_under(call, Operation::Encrypt, &ready, algorithm, (BlobKind::Encrypt, &context), &self.plaintext.0)?;
        used(call, material.as_deref());
        let ciphertext_blob = Answer::of(&ciphertext);
        Ok(Outcome::unchanged(EncryptOutput { ciphertext_blob, key_id: key.arn().to_string(), encryption_algorithm: algorithm }))
    }
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
    pub encryption_algorithm: Option<EncryptionAlgorithm>,
    pub grant_tokens: Option<Vec<String>>,
    pub dry_run: Option<bool>,
    pub dry_run_modifiers: Option<Vec<String>>,
    pub recipient: Option<Recipient>,
}

/// (K154) Whether only the permissions and the state of keys are asked about, whatever the ciphertext.
fn ignores_ciphertext(dry_run: Option<bool>, modifiers: Option<&[String]>) -> Result<bool, Error> {
    let ignores = modifiers.unwrap_or_default().iter().any(|modifier| modifier == "IGNORE_CIPHERTEXT");
    if ignores && dry_run != Some(true) {
        return Err(Error::Validation("DryRunModifiers can be specified only when DryRun is true.".to_owned()));
    }
    Ok(ignores)
}

/// The answer to `Decrypt`.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct DecryptOutput {
    pub key_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plaintext: Option<Answer>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ciphertext_for_recipient: Option<Answer>,
    pub encryption_algorithm: EncryptionAlgorithm,
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
        raw(&CipherParameters {
            key_id: self.key_id.as_deref(),
            encryption_context: self.encryption_context.as_ref(),
            encryption_algorithm: or_default(self.encryption_algorithm),
        })
    }

    fn operate(self, call: &mut Call<'_>) -> Result<Outcome<DecryptOutput>, Error> {
        let context = context_of(self.encryption_context)?;
        let algorithm = or_default(self.encryption_algorithm);
        let attested = attested(call, self.recipient.as_ref())?;
        let mut request = with_context(permission(Operation::Decrypt)?, call.facts(), context.pairs(), algorithm);
        request.attestation = attested.as_ref().map(Attested::values); // [A566]
        if ignores_ciphertext(self.dry_run, self.dry_run_modifiers.as_deref())? {
            let key_id = required(self.key_id, "KeyId")?;
            let (key, permit) = permitted(call, Operation::Decrypt, &key_id, self.grant_tokens.as_deref(), request)?;
            let _usable = usable_with_context(&key, permit, Operation::Decrypt, algorithm, &context)?;
            return Err(Error::DryRun);
        }
        let blob = required(self.ciphertext_blob, "CiphertextBlob")?;
        let ciphertext = Ciphertext::parse(algorithm, &blob.0)?;
        let found = ciphertext.resolve(call, Operation::Decrypt, (self.key_id.as_deref(), "KeyId"))?;
        super::grants::read_tokens(call, self.grant_tokens.as_deref())?;
        let (key, permit) = found.permit(call, request)?;
        let ready = ciphertext.ready(&key, permit, Operation::Decrypt, &context)?;
        let plaintext = ciphertext.open(call, Operation::Decrypt, &ready, &context)?;
        end_of_dry_run(self.dry_run)?;
        let key_material_id = ciphertext.material_told(&key);
        used(call, key_material_id.as_deref());
        let (plaintext, ciphertext_for_recipient) = handed(call, attested.as_ref(), plaintext.expose())?;
        Ok(Outcome::unchanged(DecryptOutput {
            key_id: key.arn().to_string(),
            plaintext,
            ciphertext_for_recipient,
            encryption_algorithm: algorithm,
            key_material_id: key_material_id.filter(|_| attested.is_none()), // [K155]
        }))
    }
}

/// A ciphertext, by what is known of it before anybody is asked.
struct Ciphertext<'b> {
    bytes: &'b [u8],
    algorithm: EncryptionAlgorithm,
    /// What the head of a symmetric key's ciphertext says, and whose key that is.
    head: Option<(Head, AccountId)>,
}

impl<'b> Ciphertext<'b> {
    /// (K164) What does not parse is told before anything else.
    fn parse(algorithm: EncryptionAlgorithm, bytes: &'b [u8]) -> Result<Self, Error> {
        if algorithm != EncryptionAlgorithm::SymmetricDefault {
            return Ok(Self { bytes, algorithm, head: None });
        }
        let head = Head::parse(bytes).map_err(|_| Error::InvalidCiphertext)?;
        let owner = head.account_digits().parse().map_err(|_| Error::InvalidCiphertext)?;
        Ok(Self { bytes, algorithm, head: Some((head, owner)) })
    }

    /// (A411) A bare id equal to the blob's means the blob's key, own or foreign. (K162) Others tell no key.
    fn resolve(&self, call: &Call<'_>, operation: Operation, (key_id, member): (Option<&str>, &str)) -> Result<Found, Error> {
        let Some((head, owner)) = &self.head else { return resolve(call, operation, required(key_id, member)?) };
        let in_blob = head.key_id.to_string();
        match key_id {
            Some(named) if named != in_blob => resolve(call, operation, named),
            _ => Found::in_ciphertext(call, *owner, &in_blob),
        }
    }

    /// State, the right key, usage, algorithm (K25) (K163).
    fn ready<'k>(&self, key: &'k Arc<Key>, permit: Permit, operation: Operation, context: &EncryptionContext) -> Result<ReadyKey<'k>, Error> {
        let Some((head, owner)) = &self.head else { return usable_with_context(key, permit, operation, self.algorithm, context) };
        let enabled = ready(key, permit)?;
        // [K163] Another key than the ciphertext's, of whatever kind: told only to who may use the one that was named.
        if key.arn().id().as_str() != head.key_id.to_string() || key.arn().account() != *owner {
            return Err(Error::IncorrectKey);
        }
        let ready = enabled.for_usage(KeyUsage::EncryptDecrypt.name(), operation.name())?;
        fits(&ready, self.algorithm, KeySpec::encryption_algorithms)?;
        Ok(ready)
    }

    fn open(&self, call: &mut Call<'_>, operation: Operation, ready: &ReadyKey<'_>, context: &EncryptionContext) -> Result<Plaintext, Error> {
        let opened = match &self.head {
            Some((head, _)) if ready.key().is_in_hsm() => return hsm::decrypt(call, ready, head, context, self.bytes),
            Some((head, _)) if ready.key().in_store.is_some() => {
                return external::decrypt(call, operation.name(), ready, head, context, self.bytes);
            }
            Some((head, _)) => open(self.bytes, &call.vault.unlock(ready, &head.material_id)?, context),
            None => unlock_current(call, ready)?.0.decrypt(self.algorithm, self.bytes),
        };
        opened.map_err(|_| Error::InvalidCiphertext)
    }

    /// (K155) (K80) The id of its material, as answers tell it: of symmetric keys that are in no custom key store.
    fn material_told(&self, key: &Key) -> Option<String> {
        self.head.as_ref().filter(|_| key.in_store.is_none()).map(|(head, _)| head.material_id.to_string())
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
    pub source_encryption_algorithm: Option<EncryptionAlgorithm>,
    pub destination_encryption_algorithm: Option<EncryptionAlgorithm>,
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
    pub source_encryption_algorithm: EncryptionAlgorithm,
    pub destination_encryption_algorithm: EncryptionAlgorithm,
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
            source_encryption_algorithm: EncryptionAlgorithm,
            destination_encryption_algorithm: EncryptionAlgorithm,
        }
        raw(&Parameters {
            source_key_id: self.source_key_id.as_deref(),
            destination_key_id: &self.destination_key_id,
            source_encryption_context: self.source_encryption_context.as_ref(),
            destination_encryption_context: self.destination_encryption_context.as_ref(),
            source_encryption_algorithm: or_default(self.source_encryption_algorithm),
            destination_encryption_algorithm: or_default(self.destination_encryption_algorithm),
        })
    }

    /// (A404) Two permissions, each a full decision on its own key with its own context, before either key's state is told.
    fn operate(self, call: &mut Call<'_>) -> Result<Outcome<ReEncryptOutput>, Error> {
        let (from_context, to_context) = (context_of(self.source_encryption_context)?, context_of(self.destination_encryption_context)?);
        let (from_algorithm, to_algorithm) = (or_default(self.source_encryption_algorithm), or_default(self.destination_encryption_algorithm));
        let facts = call.facts();
        let blob = match ignores_ciphertext(self.dry_run, self.dry_run_modifiers.as_deref())? {
            true => None,
            false => Some(required(self.ciphertext_blob, "CiphertextBlob")?),
        };
        let ciphertext = blob.as_ref().map(|blob| Ciphertext::parse(from_algorithm, &blob.0)).transpose()?;
        let from = match &ciphertext {
            Some(ciphertext) => ciphertext.resolve(call, Operation::ReEncrypt, (self.source_key_id.as_deref(), "SourceKeyId"))?,
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
            let _usable = usable_with_context(&from_key, from_permit, Operation::ReEncrypt, from_algorithm, &from_context)?;
            let _usable = usable_with_context(&to_key, to_permit, Operation::ReEncrypt, to_algorithm, &to_context)?;
            return Err(Error::DryRun);
        };
        // [K86] Source first.
        let from_ready = ciphertext.ready(&from_key, from_permit, Operation::ReEncrypt, &from_context)?;
        let to_ready = usable_with_context(&to_key, to_permit, Operation::ReEncrypt, to_algorithm, &to_context)?;
        let plaintext = ciphertext.open(call, Operation::ReEncrypt, &from_ready, &from_context)?;
        check_length(&to_ready, to_algorithm, plaintext.expose())?; // [K165]
        end_of_dry_run(self.dry_run)?;
        let (blob, destination_key_material_id) =
            encrypt_under(call, Operation::ReEncrypt, &to_ready, to_algorithm, (BlobKind::Encrypt, &to_context), plaintext.expose())?;
        let source_key_material_id = ciphertext.material_told(&from_key);
        call.remark(&UsedMaterials {
            source_key_material_id: source_key_material_id.as_deref(),
            destination_key_material_id: destination_key_material_id.as_deref(),
        });
        Ok(Outcome::unchanged(ReEncryptOutput {
            ciphertext_blob: Answer::of(&blob),
            source_key_id: from_key.arn().to_string(),
            key_id: to_key.arn().to_string(),
            source_encryption_algorithm: from_algorithm,
            destination_encryption_algorithm: to_algorithm,
            source_key_material_id,
            destination_key_material_id,
        }))
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
