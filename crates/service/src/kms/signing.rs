//! Sign and Verify (K180–K184).

use std::borrow::Cow;

use keyward_authz::{Operation, Request};
use keyward_crypto::{KeySpec, KeyUsage, Message, MessageType, SigningAlgorithm, UnfitMessage};
use keyward_policy::{KeyName, Values};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::resolve::permission;
use super::using::{end_of_dry_run, permitted, unlock_current, usable};
use super::{Answer, Blob};
use crate::call::{Call, Operate, Outcome, raw};
use crate::error::Error;

/// `Sign`
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct Sign {
    pub key_id: String,
    pub message: Blob,
    pub message_type: Option<MessageType>,
    pub signing_algorithm: SigningAlgorithm,
    pub grant_tokens: Option<Vec<String>>,
    pub dry_run: Option<bool>,
}

/// The answer to `Sign`.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct SignOutput {
    pub key_id: String,
    pub signature: Answer,
    pub signing_algorithm: SigningAlgorithm,
}

/// `Verify`
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct Verify {
    pub key_id: String,
    pub message: Blob,
    pub message_type: Option<MessageType>,
    pub signature: Blob,
    pub signing_algorithm: SigningAlgorithm,
    pub grant_tokens: Option<Vec<String>>,
    pub dry_run: Option<bool>,
}

/// The answer to `Verify`: a signature that is not valid has none (K183).
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct VerifyOutput {
    pub key_id: String,
    pub signature_valid: bool,
    pub signing_algorithm: SigningAlgorithm,
}

/// Message and signature stay out of records (A1006).
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Parameters<'a> {
    key_id: &'a str,
    message_type: MessageType,
    signing_algorithm: SigningAlgorithm,
}

impl<'a> Parameters<'a> {
    fn of(key_id: &'a str, message_type: Option<MessageType>, signing_algorithm: SigningAlgorithm) -> Self {
        Self { key_id, message_type: message_type.unwrap_or(MessageType::Raw), signing_algorithm } // [A502]
    }

    /// (A558)
    fn request<'r>(&self, operation: Operation, facts: &'r keyward_authz::CallFacts) -> Result<Request<'r>, Error> {
        let one = |name: &'static str| Values::One(Cow::Borrowed(name));
        let mut request = Request::new(permission(operation)?, facts);
        request.parameters =
            vec![(KeyName::SigningAlgorithm, one(self.signing_algorithm.name())), (KeyName::MessageType, one(self.message_type.name()))];
        Ok(request)
    }

    /// (K180) (K181)
    fn message<'m>(&self, bytes: &'m Blob) -> Result<Message<'m>, Error> {
        let Self { message_type, signing_algorithm, .. } = self;
        Message::new(*signing_algorithm, *message_type, &bytes.0).map_err(|unfit| {
            Error::Validation(match unfit {
                UnfitMessage::Length => format!("Digest is invalid length for algorithm {signing_algorithm}."),
                UnfitMessage::Type => format!("MessageType {message_type} is not supported for algorithm {signing_algorithm}."),
            })
        })
    }
}

impl Operate for Sign {
    type Output = SignOutput;
    const SERVICE: &'static str = "kms";
    const NAME: &'static str = "Sign";
    const MUTATES: bool = false;

    fn request_parameters(&self) -> Option<Box<RawValue>> {
        raw(&Parameters::of(&self.key_id, self.message_type, self.signing_algorithm))
    }

    fn operate(self, call: &mut Call<'_>) -> Result<Outcome<SignOutput>, Error> {
        let asked = Parameters::of(&self.key_id, self.message_type, self.signing_algorithm);
        let request = asked.request(Operation::Sign, call.facts())?;
        let (key, permit) = permitted(call, Operation::Sign, &self.key_id, self.grant_tokens.as_deref(), request)?;
        let ready = usable(&key, permit, (Operation::Sign, KeyUsage::SignVerify), self.signing_algorithm, KeySpec::signing_algorithms)?;
        let message = asked.message(&self.message)?;
        end_of_dry_run(self.dry_run)?;
        let signature = unlock_current(call, &ready)?.0.sign(&message).map_err(|_| Error::Internal("signing failed"))?;
        let (key_id, signature) = (key.arn().to_string(), Answer::of(&signature));
        Ok(Outcome::unchanged(SignOutput { key_id, signature, signing_algorithm: self.signing_algorithm }))
    }
}

impl Operate for Verify {
    type Output = VerifyOutput;
    const SERVICE: &'static str = "kms";
    const NAME: &'static str = "Verify";
    const MUTATES: bool = false;

    fn request_parameters(&self) -> Option<Box<RawValue>> {
        raw(&Parameters::of(&self.key_id, self.message_type, self.signing_algorithm))
    }

    fn operate(self, call: &mut Call<'_>) -> Result<Outcome<VerifyOutput>, Error> {
        let asked = Parameters::of(&self.key_id, self.message_type, self.signing_algorithm);
        let request = asked.request(Operation::Verify, call.facts())?;
        let (key, permit) = permitted(call, Operation::Verify, &self.key_id, self.grant_tokens.as_deref(), request)?;
        let ready = usable(&key, permit, (Operation::Verify, KeyUsage::SignVerify), self.signing_algorithm, KeySpec::signing_algorithms)?;
        let message = asked.message(&self.message)?;
        end_of_dry_run(self.dry_run)?;
        let public = unlock_current(call, &ready)?.0.public_key().map_err(|_| Error::Internal("a key pair without halves"))?;
        public.verify(&message, &self.signature.0).map_err(|_| Error::InvalidSignature)?;
        let key_id = key.arn().to_string();
        Ok(Outcome::unchanged(VerifyOutput { key_id, signature_valid: true, signing_algorithm: self.signing_algorithm }))
    }
}
