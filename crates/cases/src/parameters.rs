//! The condition values of a request's own parameters, as far as a case does not write them out (A502) (A503).

use std::borrow::Cow;

use keyward_policy::{KeyName, Values};
use serde_json::Value;

use crate::case::{Case, CasePermission};

/// One key a value; what was not sent and has no default is absent.
pub(crate) fn parameters(case: &Case, permission: &CasePermission) -> Vec<(KeyName, Values<'static>)> {
    use KeyName as K;
    let request = &case.request;
    let sent = |name: &str| request.params.get(name).map(text_of);
    let or = |name: &str, default: &str| Some(sent(name).unwrap_or_else(|| default.to_owned()));
    let op = permission.op.as_str();
    let algorithm = |name: &str| (K::EncryptionAlgorithm, or(name, "SYMMETRIC_DEFAULT")); // [A544]
    let mut said: Vec<(KeyName, Option<String>)> = match op {
        "Encrypt" | "Decrypt" | "GenerateDataKey" | "GenerateDataKeyWithoutPlaintext" => vec![algorithm("EncryptionAlgorithm")],
        "GenerateDataKeyPair" | "GenerateDataKeyPairWithoutPlaintext" => {
            vec![algorithm("EncryptionAlgorithm"), (K::DataKeyPairSpec, sent("KeyPairSpec"))] // [A557]
        }
        "ReEncryptFrom" | "ReEncryptTo" => {
            let side = if op == "ReEncryptFrom" { "SourceEncryptionAlgorithm" } else { "DestinationEncryptionAlgorithm" };
            let mut keys = request.authorize.iter().map(|half| &half.resource);
            vec![algorithm(side), (K::ReEncryptOnSameKey, Some((keys.next() == keys.next()).to_string()))] // [A563]
        }
        "Sign" | "Verify" => vec![(K::MessageType, or("MessageType", "RAW")), (K::SigningAlgorithm, sent("SigningAlgorithm"))], // [A558]
        "GenerateMac" | "VerifyMac" => vec![(K::MacAlgorithm, sent("MacAlgorithm"))],                                           // [A559]
        "DeriveSharedSecret" => vec![(K::KeyAgreementAlgorithm, sent("KeyAgreementAlgorithm"))],
        "ScheduleKeyDeletion" => vec![(K::ScheduleKeyDeletionPendingWindowInDays, or("PendingWindowInDays", "30"))], // [A560]
        "EnableKeyRotation" => vec![(K::RotationPeriodInDays, or("RotationPeriodInDays", "365"))],
        "UpdatePrimaryRegion" => vec![(K::PrimaryRegion, sent("PrimaryRegion"))], // [A562]
        "ReplicateKey" => vec![(K::ReplicaRegion, sent("ReplicaRegion"))],
        "ImportKeyMaterial" => vec![(K::ExpirationModel, sent("ExpirationModel")), (K::ValidTo, sent("ValidTo"))], // [A564]
        "GetParametersForImport" => {
            vec![(K::WrappingAlgorithm, sent("WrappingAlgorithm")), (K::WrappingKeySpec, sent("WrappingKeySpec"))] // [A565]
        }
        "GetKeyPolicy" | "PutKeyPolicy" => vec![(K::PolicyName, or("PolicyName", "default"))], // [A336] [A567]
        _ => Vec::new(),
    };
    if matches!(op, "CreateKey" | "PutKeyPolicy" | "ReplicateKey") && op == request.operation {
        // [A556] Absent where it was not sent.
        let bypass = sent("BypassPolicyLockoutSafetyCheck").or_else(|| request.bypass.then(|| "true".to_owned()));
        said.push((K::BypassPolicyLockoutSafetyCheck, bypass));
    }
    if request.operation == "ReplicateKey" && op != "ReplicateKey" {
        said.push((K::RequestedRegion, sent("ReplicaRegion"))); // [A407]
    }
    let one = |(key, value): (KeyName, Option<String>)| value.map(|value| (key, Values::One(Cow::Owned(value))));
    said.into_iter().filter_map(one).chain(of_grant(case, op)).chain(tag_keys(case, op)).collect()
}

/// (A548) The keys of tags to take away; those of tags to set follow from the tags.
fn tag_keys(case: &Case, op: &str) -> Option<(KeyName, Values<'static>)> {
    let names = case.request.params.get("TagKeys").and_then(Value::as_array).filter(|_| op == "UntagResource")?;
    Some((KeyName::TagKeys, Values::Many(names.iter().map(|name| Cow::Owned(text_of(name))).collect())))
}

/// (A551–A555) (A543)
fn of_grant(case: &Case, op: &str) -> Vec<(KeyName, Values<'static>)> {
    use KeyName as K;
    let Some(grant) = case.request.grant.as_ref().filter(|_| op == "CreateGrant") else { return Vec::new() };
    let constraints = &grant.constraints;
    let kind = match (&constraints.encryption_context_equals, &constraints.encryption_context_subset) {
        (Some(_), _) => Some("EncryptionContextEquals".to_owned()),
        (None, Some(_)) => Some("EncryptionContextSubset".to_owned()),
        (None, None) => None,
    };
    let said = [
        (K::GrantConstraintType, kind),
        (K::GrantConstraintSourceArn, constraints.source_arn.clone()),
        (K::GranteePrincipal, grant.grantee_principal.clone()),
        (K::GranteeServicePrincipal, grant.grantee_service_principal.clone()),
        (K::RetiringPrincipal, grant.retiring_principal.clone()),
        (K::RetiringServicePrincipal, grant.retiring_service_principal.clone()),
    ];
    let operations = Values::Many(grant.operations.iter().cloned().map(Cow::Owned).collect());
    let one = |(key, value): (KeyName, Option<String>)| value.map(|value| (key, Values::One(Cow::Owned(value))));
    std::iter::once((K::GrantOperations, operations)).chain(said.into_iter().filter_map(one)).collect()
}

fn text_of(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
