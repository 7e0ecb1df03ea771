//! Secrets that two sides share: DeriveSharedSecret, Encapsulate, Decapsulate (K190, K191).

use std::borrow::Cow;

use keyward_authz::{Operation, Request};
use keyward_crypto::{EncapsulationAlgorithm, KeyAgreementAlgorithm, KeySpec, KeyUsage, PublicKey};
use keyward_policy::{KeyName, Values};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::recipient::{Attested, Recipient, attested, handed};
use super::resolve::permission;
use super::using::{end_of_dry_run, permitted, unlock_current, usable};
use super::{Answer, Blob};
use crate::call::{Call, Operate, Outcome, raw};
use crate::error::Error;

/// `DeriveSharedSecret`
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct DeriveSharedSecret {
    pub key_id: String,
    pub key_agreement_algorithm: KeyAgreementAlgorithm,
    pub public_key: Blob,
    pub grant_tokens: Option<Vec<String>>,
    pub dry_run: Option<bool>,
    pub recipient: Option<Recipient>,
}

/// The answer to `DeriveSharedSecret`.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct DeriveSharedSecretOutput {
    pub key_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shared_secret: Option<Answer>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ciphertext_for_recipient: Option<Answer>,
    pub key_agreement_algorithm: KeyAgreementAlgorithm,
    pub key_origin: String,
}

/// `Encapsulate`
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct Encapsulate {
    pub key_id: String,
    pub encapsulation_algorithm: EncapsulationAlgorithm,
    pub grant_tokens: Option<Vec<String>>,
    pub dry_run: Option<bool>,
}

/// The answer to `Encapsulate`.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct EncapsulateOutput {
    pub key_id: String,
    pub shared_secret: Answer,
    pub shared_secret_ciphertext_blob: Answer,
    pub encapsulation_algorithm: EncapsulationAlgorithm,
}

/// `Decapsulate`
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct Decapsulate {
    pub key_id: String,
    pub shared_secret_ciphertext_blob: Blob,
    pub encapsulation_algorithm: EncapsulationAlgorithm,
    pub grant_tokens: Option<Vec<String>>,
    pub dry_run: Option<bool>,
}

/// The answer to `Decapsulate`.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct DecapsulateOutput {
    pub key_id: String,
    pub shared_secret: Answer,
    pub encapsulation_algorithm: EncapsulationAlgorithm,
}

impl Operate for DeriveSharedSecret {
    type Output = DeriveSharedSecretOutput;
    const SERVICE: &'static str = "kms";
    const NAME: &'static str = "DeriveSharedSecret";
    const MUTATES: bool = false;

    fn request_parameters(&self) -> Option<Box<RawValue>> {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Parameters<'a> {
            key_id: &'a str,
            key_agreement_algorithm: KeyAgreementAlgorithm,
        }
        raw(&Parameters { key_id: &self.key_id, key_agreement_algorithm: self.key_agreement_algorithm })
    }

    fn operate(self, call: &mut Call<'_>) -> Result<Outcome<DeriveSharedSecretOutput>, Error> {
        let algorithm = self.key_agreement_algorithm;
        let attested = attested(call, self.recipient.as_ref())?;
        let mut request = Request::new(permission(Operation::DeriveSharedSecret)?, call.facts());
        request.parameters = vec![(KeyName::KeyAgreementAlgorithm, Values::One(Cow::Borrowed(algorithm.name())))]; // [A559]
        request.attestation = attested.as_ref().map(Attested::values); // [A566]
        let (key, permit) = permitted(call, Operation::DeriveSharedSecret, &self.key_id, self.grant_tokens.as_deref(), request)?;
        let using = (Operation::DeriveSharedSecret, KeyUsage::KeyAgreement);
        let ready = usable(&key, permit, using, algorithm, KeySpec::key_agreement_algorithms)?;
        let peer = PublicKey::from_der(ready.spec()?, &self.public_key.0).map_err(|_| Error::InvalidPeerKey)?;
        end_of_dry_run(self.dry_run)?;
        let secret = unlock_current(call, &ready)?.0.agree(peer.as_der()).map_err(|_| Error::InvalidPeerKey)?;
        let (shared_secret, ciphertext_for_recipient) = handed(call, attested.as_ref(), secret.expose())?;
        Ok(Outcome::unchanged(DeriveSharedSecretOutput {
            key_id: key.arn().to_string(),
            shared_secret,
            ciphertext_for_recipient,
            key_agreement_algorithm: algorithm,
            key_origin: key.facts.origin.to_string(),
        }))
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Parameters<'a> {
    key_id: &'a str,
    encapsulation_algorithm: EncapsulationAlgorithm,
}

impl Operate for Encapsulate {
    type Output = EncapsulateOutput;
    const SERVICE: &'static str = "kms";
    const NAME: &'static str = "Encapsulate";
    const MUTATES: bool = false;

    fn request_parameters(&self) -> Option<Box<RawValue>> {
        raw(&Parameters { key_id: &self.key_id, encapsulation_algorithm: self.encapsulation_algorithm })
    }

    fn operate(self, call: &mut Call<'_>) -> Result<Outcome<EncapsulateOutput>, Error> {
        let algorithm = self.encapsulation_algorithm;
        let request = Request::new(permission(Operation::Encapsulate)?, call.facts());
        let (key, permit) = permitted(call, Operation::Encapsulate, &self.key_id, self.grant_tokens.as_deref(), request)?;
        let using = (Operation::Encapsulate, KeyUsage::EncapsulateDecapsulate);
        let ready = usable(&key, permit, using, algorithm, KeySpec::encapsulation_algorithms)?;
        end_of_dry_run(self.dry_run)?;
        let encapsulated = unlock_current(call, &ready)?.0.public_key().and_then(|public| public.encapsulate());
        let (secret, ciphertext) = encapsulated.map_err(|_| Error::Internal("encapsulating failed"))?;
        Ok(Outcome::unchanged(EncapsulateOutput {
            key_id: key.arn().to_string(),
            shared_secret: Answer::of(secret.expose()),
            shared_secret_ciphertext_blob: Answer::of(&ciphertext),
            encapsulation_algorithm: algorithm,
        }))
    }
}

impl Operate for Decapsulate {
    type Output = DecapsulateOutput;
    const SERVICE: &'static str = "kms";
    const NAME: &'static str = "Decapsulate";
    const MUTATES: bool = false;

    fn request_parameters(&self) -> Option<Box<RawValue>> {
        raw(&Parameters { key_id: &self.key_id, encapsulation_algorithm: self.encapsulation_algorithm })
    }

    fn operate(self, call: &mut Call<'_>) -> Result<Outcome<DecapsulateOutput>, Error> {
        let algorithm = self.encapsulation_algorithm;
        let request = Request::new(permission(Operation::Decapsulate)?, call.facts());
        let (key, permit) = permitted(call, Operation::Decapsulate, &self.key_id, self.grant_tokens.as_deref(), request)?;
        let using = (Operation::Decapsulate, KeyUsage::EncapsulateDecapsulate);
        let ready = usable(&key, permit, using, algorithm, KeySpec::encapsulation_algorithms)?;
        // A ciphertext of another length has no secret [K191]: as with Decrypt, a dry run tells that too.
        let secret = unlock_current(call, &ready)?.0.decapsulate(&self.shared_secret_ciphertext_blob.0).map_err(|_| Error::InvalidCiphertext)?;
        end_of_dry_run(self.dry_run)?;
        let (key_id, shared_secret) = (key.arn().to_string(), Answer::of(secret.expose()));
        Ok(Outcome::unchanged(DecapsulateOutput { key_id, shared_secret, encapsulation_algorithm: algorithm }))
    }
}
