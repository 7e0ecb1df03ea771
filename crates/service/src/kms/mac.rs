//! GenerateMac and VerifyMac (K185).

use std::borrow::Cow;

use keyward_authz::{CallFacts, Operation, Request};
use keyward_crypto::{KeySpec, KeyUsage, MacAlgorithm};
use keyward_policy::{KeyName, Values};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::resolve::permission;
use super::using::{end_of_dry_run, permitted, unlock_current, usable};
use super::{Answer, Blob};
use crate::call::{Call, Operate, Outcome, raw};
use crate::error::Error;

/// `GenerateMac`
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct GenerateMac {
    pub message: Blob,
    pub key_id: String,
    pub mac_algorithm: MacAlgorithm,
    pub grant_tokens: Option<Vec<String>>,
    pub dry_run: Option<bool>,
}

/// The answer to `GenerateMac`.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct GenerateMacOutput {
    pub mac: Answer,
    pub mac_algorithm: MacAlgorithm,
    pub key_id: String,
}

/// `VerifyMac`
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct VerifyMac {
    pub message: Blob,
    pub key_id: String,
    pub mac_algorithm: MacAlgorithm,
    pub mac: Blob,
    pub grant_tokens: Option<Vec<String>>,
    pub dry_run: Option<bool>,
}

/// The answer to `VerifyMac`: a code that is not valid has none.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct VerifyMacOutput {
    pub key_id: String,
    pub mac_valid: bool,
    pub mac_algorithm: MacAlgorithm,
}

/// Message and code stay out of records (A1006).
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Parameters<'a> {
    key_id: &'a str,
    mac_algorithm: MacAlgorithm,
}

/// (A559)
fn request(operation: Operation, facts: &CallFacts, algorithm: MacAlgorithm) -> Result<Request<'_>, Error> {
    let mut request = Request::new(permission(operation)?, facts);
    request.parameters = vec![(KeyName::MacAlgorithm, Values::One(Cow::Borrowed(algorithm.name())))];
    Ok(request)
}

impl Operate for GenerateMac {
    type Output = GenerateMacOutput;
    const SERVICE: &'static str = "kms";
    const NAME: &'static str = "GenerateMac";
    const MUTATES: bool = false;

    fn request_parameters(&self) -> Option<Box<RawValue>> {
        raw(&Parameters { key_id: &self.key_id, mac_algorithm: self.mac_algorithm })
    }

    fn operate(self, call: &mut Call<'_>) -> Result<Outcome<GenerateMacOutput>, Error> {
        let algorithm = self.mac_algorithm;
        let request = request(Operation::GenerateMac, call.facts(), algorithm)?;
        let (key, permit) = permitted(call, Operation::GenerateMac, &self.key_id, self.grant_tokens.as_deref(), request)?;
        let ready = usable(&key, permit, (Operation::GenerateMac, KeyUsage::GenerateVerifyMac), algorithm, KeySpec::mac_algorithms)?;
        end_of_dry_run(self.dry_run)?;
        let mac = unlock_current(call, &ready)?.0.mac(algorithm, &self.message.0).map_err(|_| Error::Internal("an HMAC key that is none"))?;
        Ok(Outcome::unchanged(GenerateMacOutput { mac: Answer::of(&mac), mac_algorithm: algorithm, key_id: key.arn().to_string() }))
    }
}

impl Operate for VerifyMac {
    type Output = VerifyMacOutput;
    const SERVICE: &'static str = "kms";
    const NAME: &'static str = "VerifyMac";
    const MUTATES: bool = false;

    fn request_parameters(&self) -> Option<Box<RawValue>> {
        raw(&Parameters { key_id: &self.key_id, mac_algorithm: self.mac_algorithm })
    }

    fn operate(self, call: &mut Call<'_>) -> Result<Outcome<VerifyMacOutput>, Error> {
        let algorithm = self.mac_algorithm;
        let request = request(Operation::VerifyMac, call.facts(), algorithm)?;
        let (key, permit) = permitted(call, Operation::VerifyMac, &self.key_id, self.grant_tokens.as_deref(), request)?;
        let ready = usable(&key, permit, (Operation::VerifyMac, KeyUsage::GenerateVerifyMac), algorithm, KeySpec::mac_algorithms)?;
        end_of_dry_run(self.dry_run)?;
        let is_valid = unlock_current(call, &ready)?.0.verify_mac(algorithm, &self.message.0, &self.mac.0);
        match is_valid.map_err(|_| Error::Internal("an HMAC key that is none"))? {
            true => Ok(Outcome::unchanged(VerifyMacOutput { key_id: key.arn().to_string(), mac_valid: true, mac_algorithm: algorithm })),
            false => Err(Error::InvalidMac),
        }
    }
}
