//! What stops a call that was permitted (A901).

use keyward_cases::{Case, CaseGrant};

use super::caller::is_role;
use super::facts::{constraint_pairs, is_symmetric};
use super::operations::is_cryptographic;
use super::pattern::segment;

/// An error and its layer.
pub(super) struct Stop {
    pub(super) error: &'static str,
    pub(super) layer: &'static str,
}

/// Checks that need the resolved key and come before anything is looked up in it.
pub(super) fn parameters(case: &Case) -> Option<Stop> {
    let request = &case.request;
    let invalid = |error| Some(Stop { error, layer: "validation" });
    // [A335]
    if request.operation == "PutKeyPolicy" && request.params.get("PolicyName").is_some_and(|name| name == "AWS_RAM") {
        return invalid("ValidationException");
    }
    // [A405] [A914]
    if ["CreateAlias", "DeleteAlias", "UpdateAlias"].contains(&request.operation.as_str())
        && request.authorize.iter().any(|permission| permission.resource.contains(":alias/aws/"))
    {
        return invalid("NotAuthorizedException");
    }
    request.grant.as_ref().filter(|_| request.operation == "CreateGrant").and_then(|grant| grant_is_refused(case, grant)).and_then(invalid)
}

/// State, ciphertext, DryRun, in this order.
pub(super) fn key_and_rest(case: &Case) -> Option<Stop> {
    let request = &case.request;
    let uses = |arn: &str| request.authorize.iter().any(|permission| needs_enabled(&permission.op) && permission.resource == arn);
    if case.setup.keys.iter().any(|key| key.state.as_deref() == Some("Disabled") && uses(&key.arn)) {
        return Some(Stop { error: "DisabledException", layer: "key-state" });
    }
    // [A411]
    let named = request.authorize.first().map(|permission| &permission.resource);
    if request.ciphertext_key.is_some() && request.ciphertext_key.as_ref() != named {
        return Some(Stop { error: "IncorrectKeyException", layer: "key-material" });
    }
    // [A618]
    (request.params.get("DryRun") == Some(&true.into())).then_some(Stop { error: "DryRunOperationException", layer: "dry-run" })
}

/// [K85] The operations that a disabled key refuses.
fn needs_enabled(permission: &str) -> bool {
    const OTHERS: [&str; 7] =
        ["GetPublicKey", "CreateGrant", "EnableKeyRotation", "DisableKeyRotation", "RotateKeyOnDemand", "ReplicateKey", "UpdatePrimaryRegion"];
    is_cryptographic(permission) || OTHERS.contains(&permission)
}

/// [A603] [A605] [A607] [A610]
fn grant_is_refused(case: &Case, grant: &CaseGrant) -> Option<&'static str> {
    const INVALID: Option<&str> = Some("ValidationException");
    let key = case.request.authorize.first().and_then(|permission| case.setup.keys.iter().find(|key| key.arn == permission.resource))?;
    // [A605]
    if !grant.grantee_principal.iter().all(|arn| exists(case, arn)) {
        return Some("InvalidArnException");
    }
    // [A607]
    if grant.grantee_principal.is_some() == grant.grantee_service_principal.is_some()
        || grant.retiring_principal.is_some() && grant.retiring_service_principal.is_some()
    {
        return INVALID;
    }
    let has_retiring = grant.retiring_principal.is_some() || grant.retiring_service_principal.is_some();
    if grant.grantee_service_principal.is_some() && (grant.constraints.source_arn.is_none() || !has_retiring) {
        return INVALID;
    }
    // [A610]
    if grant.constraints.encryption_context_equals.is_some() && grant.constraints.encryption_context_subset.is_some() {
        return INVALID;
    }
    if let Some(pairs) = constraint_pairs(&grant.constraints)
        && (!is_symmetric(key) || pairs.len() > 8 || pairs.values().any(|value| value.chars().count() > 384))
    {
        return INVALID;
    }
    // [A603]
    let usage = key.key_usage.as_deref().unwrap_or("ENCRYPT_DECRYPT");
    let asymmetric_operations: &[&str] = match usage {
        "SIGN_VERIFY" => &["Sign", "Verify", "GetPublicKey"],
        "GENERATE_VERIFY_MAC" => &["GenerateMac", "VerifyMac"],
        "KEY_AGREEMENT" => &["DeriveSharedSecret", "GetPublicKey"],
        "ENCAPSULATE_DECAPSULATE" => &["Encapsulate", "Decapsulate", "GetPublicKey"],
        _ if is_symmetric(key) => &[
            "Encrypt",
            "Decrypt",
            "ReEncryptFrom",
            "ReEncryptTo",
            "GenerateDataKey",
            "GenerateDataKeyWithoutPlaintext",
            "GenerateDataKeyPair",
            "GenerateDataKeyPairWithoutPlaintext",
        ],
        _ => &["Encrypt", "Decrypt", "ReEncryptFrom", "ReEncryptTo", "GetPublicKey"],
    };
    let fits = |operation: &String| {
        asymmetric_operations.contains(&operation.as_str()) || ["DescribeKey", "CreateGrant", "RetireGrant"].contains(&operation.as_str())
    };
    if grant.operations.iter().all(fits) { None } else { INVALID }
}

/// [A605] Accounts and federated users always exist, users and roles when they are listed.
fn exists(case: &Case, arn: &str) -> bool {
    let resource = segment(arn, 5);
    match (segment(arn, 2), resource.split('/').next()) {
        ("iam", Some("root")) | ("sts", Some("federated-user")) => true,
        ("iam", _) => case.setup.principals.iter().any(|principal| principal.arn == arn),
        ("sts", _) => {
            let role = resource.split('/').nth(1).unwrap_or_default();
            role.starts_with("aws:") || case.setup.principals.iter().any(|principal| is_role(&principal.arn, segment(arn, 4), role))
        }
        _ => false,
    }
}
