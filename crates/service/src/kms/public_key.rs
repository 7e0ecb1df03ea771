//! GetPublicKey (K192), and the lists of algorithms that a key shows (K80).

use keyward_authz::{Operation, Request};
use keyward_crypto::{EncapsulationAlgorithm, EncryptionAlgorithm, KeyAgreementAlgorithm, KeySpec, KeyUsage, MacAlgorithm, SigningAlgorithm};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::Answer;
use super::resolve::permission;
use super::using::{permitted, unlock_current};
use crate::call::{Call, Operate, Outcome, raw};
use crate::error::Error;
use crate::vault::ready;

/// The algorithms of a key: of these lists exactly one, that of its usage (K80).
#[derive(Clone, Copy, Debug, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct Algorithms {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encryption_algorithms: Option<&'static [EncryptionAlgorithm]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signing_algorithms: Option<&'static [SigningAlgorithm]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mac_algorithms: Option<&'static [MacAlgorithm]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_agreement_algorithms: Option<&'static [KeyAgreementAlgorithm]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encapsulation_algorithms: Option<&'static [EncapsulationAlgorithm]>,
}

impl Algorithms {
    /// Those of a spec and usage, as keys have them as text; none for a text that is no spec.
    pub(super) fn named(spec: &str, usage: &str) -> Self {
        let (Ok(spec), Ok(usage)) = (spec.parse::<KeySpec>(), usage.parse::<KeyUsage>()) else { return Self::default() };
        let none = Self::default();
        match usage {
            KeyUsage::EncryptDecrypt => Self { encryption_algorithms: Some(spec.encryption_algorithms()), ..none },
            KeyUsage::SignVerify => Self { signing_algorithms: Some(spec.signing_algorithms()), ..none },
            KeyUsage::GenerateVerifyMac => Self { mac_algorithms: Some(spec.mac_algorithms()), ..none },
            KeyUsage::KeyAgreement => Self { key_agreement_algorithms: Some(spec.key_agreement_algorithms()), ..none },
            KeyUsage::EncapsulateDecapsulate => Self { encapsulation_algorithms: Some(spec.encapsulation_algorithms()), ..none },
        }
    }
}

/// `GetPublicKey`
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct GetPublicKey {
    pub key_id: String,
    pub grant_tokens: Option<Vec<String>>,
}

/// The answer to `GetPublicKey`.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct GetPublicKeyOutput {
    pub key_id: String,
    pub public_key: Answer,
    pub customer_master_key_spec: String,
    pub key_spec: String,
    pub key_usage: String,
    #[serde(flatten)]
    pub algorithms: Algorithms,
}

impl Operate for GetPublicKey {
    type Output = GetPublicKeyOutput;
    const SERVICE: &'static str = "kms";
    const NAME: &'static str = "GetPublicKey";
    const MUTATES: bool = false;

    fn request_parameters(&self) -> Option<Box<RawValue>> {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Parameters<'a> {
            key_id: &'a str,
        }
        raw(&Parameters { key_id: &self.key_id })
    }

    fn operate(self, call: &mut Call<'_>) -> Result<Outcome<GetPublicKeyOutput>, Error> {
        let request = Request::new(permission(Operation::GetPublicKey)?, call.facts());
        let (key, permit) = permitted(call, Operation::GetPublicKey, &self.key_id, self.grant_tokens.as_deref(), request)?;
        let ready = ready(&key, permit)?.for_public_key()?;
        let public = unlock_current(call, &ready)?.0.public_key().map_err(|_| Error::Internal("a key pair without halves"))?;
        Ok(Outcome::unchanged(GetPublicKeyOutput {
            key_id: key.arn().to_string(),
            public_key: Answer::of(public.as_der()),
            customer_master_key_spec: key.facts.spec.to_string(),
            key_spec: key.facts.spec.to_string(),
            key_usage: key.facts.usage.to_string(),
            algorithms: Algorithms::named(&key.facts.spec, &key.facts.usage),
        }))
    }
}
