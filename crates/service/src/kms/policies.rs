//! Key policies: saving them safely, showing them truthfully (§7, K77, K78).

use std::borrow::Cow;

use keyward_authz::{KeyArn, KeyFacts, Operation, Request, Resource, ResourcePolicy, authorize};
use keyward_policy::{KEY_POLICY_BYTES_MAX, KeyName, Policy, PolicyKind, Values};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::sync::Arc;

use super::resolve::{permission, resolve};
use super::{ListParameters, Nothing};
use crate::call::{Call, Operate, Outcome, raw};
use crate::entities::{Change, Entity, Key};
use crate::error::Error;
use crate::principals::{bind, shown};
use crate::state::State;

const INVALID_PRINCIPALS: &str = "Policy contains a statement with one or more invalid principals.";

/// The policy of a key for which none was given, as AWS prints it (A801).
pub(crate) fn default_policy(arn: &KeyArn) -> ResourcePolicy {
    let root = format!("arn:{}:iam::{}:root", arn.region().partition(), arn.account());
    let text = format!(
        "{{\n  \"Version\" : \"2012-10-17\",\n  \"Id\" : \"key-default-1\",\n  \"Statement\" : [ {{\n    \"Sid\" : \"Enable IAM User Permissions\",\n    \
         \"Effect\" : \"Allow\",\n    \"Principal\" : {{\n      \"AWS\" : \"{root}\"\n    }},\n    \"Action\" : \"kms:*\",\n    \"Resource\" : \"*\"\n  }} ]\n}}"
    );
    ResourcePolicy::unbound(Policy::parse(PolicyKind::Key, text))
}

/// Reads a policy that somebody wants to save for a key: size, grammar, principals of the key's partition that exist (A110)
/// (A121) (A130); binds them to who they are now (A206).
pub(crate) fn checked(state: &State, key: &KeyArn, text: &str) -> Result<ResourcePolicy, Error> {
    if text.len() > KEY_POLICY_BYTES_MAX {
        // [A107]
        let message = format!("The key policy is {} bytes long; the limit is {KEY_POLICY_BYTES_MAX} bytes.", text.len());
        return Err(Error::LimitExceeded(Some(message)));
    }
    let policy = Policy::parse_strict(PolicyKind::Key, text).map_err(|issue| Error::MalformedPolicy(issue.message))?;
    let bound = bind(state, &policy, key.region().partition()).map_err(|_| Error::MalformedPolicy(INVALID_PRINCIPALS.to_owned()))?;
    Ok(ResourcePolicy { policy, bound })
}

/// (A701) (A702) (A703) Whether this caller could put the policy again: decided in full, under the new policy, in the key's Region.
pub(crate) fn lockout_check(call: &Call<'_>, facts: &KeyFacts, policy: &ResourcePolicy) -> Result<(), Error> {
    let mut there = call.facts().clone();
    there.region = facts.arn.region().clone();
    let mut changed = facts.clone();
    changed.policy = policy.clone();
    changed.ram_policy = None;
    let mut request = Request::new(permission(Operation::PutKeyPolicy)?, &there);
    request.parameters = vec![(KeyName::PolicyName, Values::One(Cow::Borrowed("default")))];
    let target = call.state.target(Resource::Key { key: &changed, grants: &[] });
    if authorize(call.subject, &target, &request).is_allowed() { Ok(()) } else { Err(Error::PolicyLockout) }
}

/// `GetKeyPolicy`
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct GetKeyPolicy {
    pub key_id: String,
    pub policy_name: Option<String>,
}

/// The answer to `GetKeyPolicy`.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct GetKeyPolicyOutput {
    pub policy: String,
    pub policy_name: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PolicyParameters<'a> {
    key_id: &'a str,
    policy_name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    policy: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bypass_policy_lockout_safety_check: Option<bool>,
}

impl Operate for GetKeyPolicy {
    type Output = GetKeyPolicyOutput;
    const SERVICE: &'static str = "kms";
    const NAME: &'static str = "GetKeyPolicy";
    const MUTATES: bool = false;

    fn request_parameters(&self) -> Option<Box<RawValue>> {
        let policy_name = self.policy_name.as_deref().unwrap_or("default");
        raw(&PolicyParameters { key_id: &self.key_id, policy_name, policy: None, bypass_policy_lockout_safety_check: None })
    }

    fn operate(self, call: &mut Call<'_>) -> Result<Outcome<GetKeyPolicyOutput>, Error> {
        let facts = call.facts();
        let name = self.policy_name.unwrap_or_else(|| "default".to_owned());
        let found = resolve(call, Operation::GetKeyPolicy, &self.key_id)?;
        let mut request = Request::new(permission(Operation::GetKeyPolicy)?, facts);
        request.parameters = vec![(KeyName::PolicyName, Values::One(Cow::Borrowed(&name)))]; // [A336]
        let key = found.permit_in_state(call, request)?;
        if name != "default" {
            return Err(Error::NoSuchPolicy);
        }
        Ok(Outcome::unchanged(GetKeyPolicyOutput { policy: shown(call.state, &key.facts.policy), policy_name: name }))
    }
}

/// `ListKeyPolicies`
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct ListKeyPolicies {
    pub key_id: String,
    pub limit: Option<usize>,
    pub marker: Option<String>,
}

/// The answer to `ListKeyPolicies`: one name, always (K78) (K220).
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct ListKeyPoliciesOutput {
    pub policy_names: [&'static str; 1],
    pub truncated: bool,
}

impl Operate for ListKeyPolicies {
    type Output = ListKeyPoliciesOutput;
    const SERVICE: &'static str = "kms";
    const NAME: &'static str = "ListKeyPolicies";
    const MUTATES: bool = false;

    fn request_parameters(&self) -> Option<Box<RawValue>> {
        ListParameters::of(self.limit, self.marker.as_deref()).on(Some(&self.key_id))
    }

    fn operate(self, call: &mut Call<'_>) -> Result<Outcome<ListKeyPoliciesOutput>, Error> {
        let facts = call.facts();
        let found = resolve(call, Operation::ListKeyPolicies, &self.key_id)?;
        found.permit_in_state(call, Request::new(permission(Operation::ListKeyPolicies)?, facts))?;
        // One page holds them all, so no marker was ever given out.
        match self.marker {
            Some(_) => Err(Error::InvalidMarker),
            None => Ok(Outcome::unchanged(ListKeyPoliciesOutput { policy_names: ["default"], truncated: false })),
        }
    }
}

/// `PutKeyPolicy`
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct PutKeyPolicy {
    pub key_id: String,
    pub policy_name: Option<String>,
    pub policy: String,
    pub bypass_policy_lockout_safety_check: Option<bool>,
}

impl Operate for PutKeyPolicy {
    type Output = Nothing;
    const SERVICE: &'static str = "kms";
    const NAME: &'static str = "PutKeyPolicy";
    const MUTATES: bool = true;

    fn request_parameters(&self) -> Option<Box<RawValue>> {
        raw(&PolicyParameters {
            key_id: &self.key_id,
            policy_name: self.policy_name.as_deref().unwrap_or("default"),
            policy: Some(&self.policy),
            bypass_policy_lockout_safety_check: self.bypass_policy_lockout_safety_check,
        })
    }

    /// (A707) Authorize under the old policy, check the document, check the lockout, store.
    fn operate(self, call: &mut Call<'_>) -> Result<Outcome<Nothing>, Error> {
        let facts = call.facts();
        let name = self.policy_name.as_deref().unwrap_or("default");
        let found = resolve(call, Operation::PutKeyPolicy, &self.key_id)?;
        let mut request = Request::new(permission(Operation::PutKeyPolicy)?, facts);
        request.parameters = vec![(KeyName::PolicyName, Values::One(Cow::Borrowed(name)))];
        // [A503] Absent when it was not sent.
        request
            .parameters
            .extend(self.bypass_policy_lockout_safety_check.map(|bypass| (KeyName::BypassPolicyLockoutSafetyCheck, Values::bool(bypass))));
        let key = found.permit_in_state(call, request)?;
        match name {
            "default" => {}
            "AWS_RAM" => return Err(Error::Validation("The AWS_RAM policy can only be managed by the RAM service".to_owned())), // [A335]
            _ => return Err(Error::Unsupported(Some(format!("PolicyName {name} is not supported")))),
        }
        let policy = checked(call.state, &key.facts.arn, &self.policy)?;
        if self.bypass_policy_lockout_safety_check != Some(true) {
            lockout_check(call, &key.facts, &policy)?;
        }
        let mut changed = Key::clone(&key);
        changed.facts.policy = policy;
        Ok(Outcome::changed(Nothing {}, vec![Change::Put(Entity::Key(Arc::new(changed)))]))
    }
}
