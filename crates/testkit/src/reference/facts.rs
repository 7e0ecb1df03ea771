//! The condition keys of one permission (section 5).

use std::collections::BTreeMap;

use serde_json::Value;

use keyward_cases::{Case, CaseConstraints, CaseGrant, CaseKey, CasePermission};

use super::caller::{Caller, Kind};
use super::condition::{Context, seconds_since_1970};
use super::operations::{Resource, has_encryption_context, has_request_alias};
use super::pattern::segment;
use super::statement::{strings, text};

/// [A501] All keys that apply; what the case says verbatim wins (cases/README.md).
pub(super) fn context(case: &Case, caller: &Caller<'_>, permission: &CasePermission, key: Option<&CaseKey>) -> Context {
    let mut derived = Context::default();
    about_the_caller(&mut derived, case, caller);
    about_the_way(&mut derived, case, caller, permission);
    about_the_resource(&mut derived, case, caller, permission);
    let on_a_key = [Resource::Key, Resource::KeyToBe].contains(&Resource::of(permission)) || permission.op == "CreateKey";
    // [A511]
    if (on_a_key || permission.op.contains("CustomKeyStore")) && caller.kind != Kind::Service {
        derived.say("kms:CallerAccount", caller.account);
    }
    if let Some(via) = case.request.via_service.as_ref().filter(|_| on_a_key) {
        // [A512]
        derived.say("kms:ViaService", via);
    }
    if let Some(key) = key {
        about_the_key(&mut derived, key);
    }
    about_the_parameters(&mut derived, case, permission, key);
    derived.overlaid(verbatim(&case.request.context)).overlaid(verbatim(&permission.context))
}

/// [A506] What key policies do not see.
pub(super) fn for_key_policies(context: &Context) -> Context {
    let seen = |name: &str| !name.to_lowercase().starts_with("aws:resourcetag/") && name.to_lowercase() != "kms:resourcealiases";
    Context { entries: context.entries.iter().filter(|(name, _)| seen(name)).cloned().collect() }
}

fn verbatim(given: &BTreeMap<String, Value>) -> Context {
    let mut context = Context::default();
    for (name, value) in given {
        context.list(name, strings(value).unwrap_or_default());
    }
    // aws:EpochTime follows aws:CurrentTime.
    let said = |wanted: &str| given.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| value);
    if let (Some(time), None) = (said("aws:CurrentTime").and_then(text), said("aws:EpochTime"))
        && let Some(seconds) = seconds_since_1970(&time)
    {
        context.say("aws:EpochTime", seconds.to_string());
    }
    context
}

fn about_the_caller(context: &mut Context, case: &Case, caller: &Caller<'_>) {
    let session = &case.request.session;
    // [A524]
    context.say("aws:PrincipalIsAWSService", (caller.kind == Kind::Service).to_string());
    if caller.kind == Kind::Service {
        context.say("aws:PrincipalServiceName", caller.arn);
        context.list("aws:PrincipalServiceNamesList", vec![caller.arn.to_owned()]);
        return;
    }
    // [A201] [A519] [A521]
    let id = caller.record.and_then(|record| record.unique_id.as_deref());
    let name = caller.arn.rsplit('/').next().unwrap_or_default();
    let (arn, kind, user_id) = match caller.kind {
        Kind::User => (Some(caller.arn), "User", id.map(str::to_owned)),
        Kind::RoleSession => (caller.lasting_arn.as_deref(), "AssumedRole", id.map(|id| format!("{id}:{name}"))),
        Kind::FederatedUser => (Some(caller.arn), "FederatedUser", Some(format!("{}:{name}", caller.account))),
        Kind::Root | Kind::Service => (Some(caller.arn), "Account", Some(caller.account.to_owned())),
    };
    if let Some(arn) = arn {
        context.say("aws:PrincipalArn", arn);
    }
    context.say("aws:PrincipalType", kind);
    if let Some(user_id) = user_id {
        context.say("aws:userid", user_id);
    }
    if caller.kind == Kind::User {
        context.say("aws:username", name);
    }
    // [A520]
    context.say("aws:PrincipalAccount", caller.account);
    if let Some(organization) = organization(case, caller.account) {
        context.say("aws:PrincipalOrgID", organization);
    }
    // [A203] [A522] Session tags override.
    if let Some(record) = caller.record.filter(|_| caller.kind != Kind::FederatedUser) {
        for (tag, value) in &record.tags {
            if !session.tags.keys().any(|name| name.to_lowercase() == tag.to_lowercase()) {
                context.say(&format!("aws:PrincipalTag/{tag}"), value);
            }
        }
    }
    for (tag, value) in &session.tags {
        context.say(&format!("aws:PrincipalTag/{tag}"), value);
    }
    // [A528] [A210]
    if session.assumed_root {
        context.say("aws:AssumedRoot", "true");
    }
}

fn about_the_way(context: &mut Context, case: &Case, caller: &Caller<'_>, permission: &CasePermission) {
    let request = &case.request;
    // [A525] [A526]
    context.say("aws:ViaAWSService", request.via_service.is_some().to_string());
    // [A407] The later halves of ReplicateKey happen in the replica's Region.
    let replica =
        request.params.get("ReplicaRegion").and_then(text).filter(|_| request.operation == "ReplicateKey" && permission.op != "ReplicateKey");
    context.say("aws:RequestedRegion", replica.as_deref().or(request.region.as_deref()).unwrap_or("us-east-1"));
    context.say("aws:SecureTransport", "true");
    // [A531] [A514]
    if let Some(ip) = request.source_ip.as_ref().filter(|_| request.vpc_endpoint.is_none() && caller.kind != Kind::Service) {
        context.say("aws:SourceIp", ip);
    }
    // [A532] [A332]
    if let Some(endpoint) = request.vpc_endpoint.as_ref().filter(|_| request.via_service.is_none() && caller.kind != Kind::Service) {
        context.say("aws:SourceVpce", &endpoint.id);
        context.say("aws:SourceVpc", &endpoint.vpc);
    }
}

fn about_the_resource(context: &mut Context, case: &Case, caller: &Caller<'_>, permission: &CasePermission) {
    // [A527]
    let account = match Resource::of(permission) {
        Resource::None => caller.account,
        Resource::Key | Resource::Alias | Resource::KeyToBe => segment(&permission.resource, 4),
    };
    if account.is_empty() {
        return;
    }
    context.say("aws:ResourceAccount", account);
    if let Some(organization) = organization(case, account) {
        context.say("aws:ResourceOrgID", organization);
    }
}

fn organization<'c>(case: &'c Case, account: &str) -> Option<&'c str> {
    case.setup.accounts.get(account).and_then(|account| account.organization.as_deref())
}

fn about_the_key(context: &mut Context, key: &CaseKey) {
    // [A549] [A505]
    let or = |value: &Option<String>, default: &str| value.clone().unwrap_or_else(|| default.to_owned());
    kind_of_key(
        context,
        &or(&key.key_spec, "SYMMETRIC_DEFAULT"),
        &or(&key.key_usage, "ENCRYPT_DECRYPT"),
        &or(&key.origin, "AWS_KMS"),
        key.multi_region_key_type.as_deref(),
    );
    // [A547]
    for (tag, value) in &key.tags {
        context.say(&format!("aws:ResourceTag/{tag}"), value);
    }
    // [A546]
    if !key.aliases.is_empty() {
        context.list("kms:ResourceAliases", key.aliases.iter().map(|alias| alias_name(alias)).collect());
    }
}

fn kind_of_key(context: &mut Context, spec: &str, usage: &str, origin: &str, multi_region: Option<&str>) {
    context.say("kms:KeySpec", spec);
    context.say("kms:CustomerMasterKeySpec", spec);
    context.say("kms:KeyUsage", usage);
    context.say("kms:CustomerMasterKeyUsage", usage);
    context.say("kms:KeyOrigin", origin);
    context.say("kms:MultiRegion", multi_region.is_some().to_string());
    if let Some(multi_region) = multi_region {
        context.say("kms:MultiRegionKeyType", multi_region);
    }
}

/// The name of an alias that may be given as ARN.
pub(super) fn alias_name(alias: &str) -> String {
    if alias.starts_with("arn:") { segment(alias, 5).to_owned() } else { alias.to_owned() }
}

/// [A502] [A503] What the operation's own parameters say.
fn about_the_parameters(context: &mut Context, case: &Case, permission: &CasePermission, key: Option<&CaseKey>) {
    let request = &case.request;
    let param = |name: &str| request.params.get(name).and_then(text);
    let or = |name: &str, default: &str| param(name).unwrap_or_else(|| default.to_owned());
    if has_request_alias(&permission.op)
        && let Some(alias) = &permission.alias
    {
        // [A545]
        context.say("kms:RequestAlias", alias_name(alias));
    }
    if has_encryption_context(&permission.op) && key.is_some_and(is_symmetric) {
        // [A540] [A541] [A542]
        let pairs = encryption_context(case, permission);
        for (name, value) in &pairs {
            context.say(&format!("kms:EncryptionContext:{name}"), value);
        }
        if !pairs.is_empty() {
            context.list("kms:EncryptionContextKeys", pairs.into_keys().collect());
        }
    }
    match permission.op.as_str() {
        // [A544] [A557]
        "Encrypt" | "Decrypt" | "GenerateDataKey" | "GenerateDataKeyWithoutPlaintext" => {
            context.say("kms:EncryptionAlgorithm", or("EncryptionAlgorithm", "SYMMETRIC_DEFAULT"));
        }
        "GenerateDataKeyPair" | "GenerateDataKeyPairWithoutPlaintext" => {
            context.say("kms:EncryptionAlgorithm", or("EncryptionAlgorithm", "SYMMETRIC_DEFAULT"));
            if let Some(spec) = param("KeyPairSpec") {
                context.say("kms:DataKeyPairSpec", spec);
            }
        }
        "ReEncryptFrom" | "ReEncryptTo" => {
            let side = if permission.op == "ReEncryptFrom" { "SourceEncryptionAlgorithm" } else { "DestinationEncryptionAlgorithm" };
            context.say("kms:EncryptionAlgorithm", or(side, "SYMMETRIC_DEFAULT"));
            // [A563]
            let mut keys = request.authorize.iter().map(|half| &half.resource);
            context.say("kms:ReEncryptOnSameKey", (keys.next() == keys.next()).to_string());
        }
        // [A558] [A502]
        "Sign" | "Verify" => {
            context.say("kms:MessageType", or("MessageType", "RAW"));
            if let Some(algorithm) = param("SigningAlgorithm") {
                context.say("kms:SigningAlgorithm", algorithm);
            }
        }
        // [A560] [A502]
        "ScheduleKeyDeletion" => context.say("kms:ScheduleKeyDeletionPendingWindowInDays", or("PendingWindowInDays", "30")),
        "EnableKeyRotation" => context.say("kms:RotationPeriodInDays", or("RotationPeriodInDays", "365")),
        // [A567] [A336]
        "GetKeyPolicy" | "PutKeyPolicy" => context.say("kms:PolicyName", or("PolicyName", "default")),
        // [A550]
        "CreateGrant" | "ListGrants" | "RevokeGrant" => context.say("kms:GrantIsForAWSResource", request.via_service.is_some().to_string()),
        _ => {}
    }
    // [A559] [A562] [A564] [A565] As sent.
    let sent: &[(&str, &str)] = match permission.op.as_str() {
        "GenerateMac" | "VerifyMac" => &[("MacAlgorithm", "kms:MacAlgorithm")],
        "DeriveSharedSecret" => &[("KeyAgreementAlgorithm", "kms:KeyAgreementAlgorithm")],
        "UpdatePrimaryRegion" => &[("PrimaryRegion", "kms:PrimaryRegion")],
        "ReplicateKey" => &[("ReplicaRegion", "kms:ReplicaRegion")],
        "ImportKeyMaterial" => &[("ExpirationModel", "kms:ExpirationModel"), ("ValidTo", "kms:ValidTo")],
        "GetParametersForImport" => &[("WrappingAlgorithm", "kms:WrappingAlgorithm"), ("WrappingKeySpec", "kms:WrappingKeySpec")],
        _ => &[],
    };
    for (name, key) in sent {
        if let Some(value) = param(name) {
            context.say(key, value);
        }
    }
    // [A556] [A503]
    if ["CreateKey", "PutKeyPolicy", "ReplicateKey"].contains(&permission.op.as_str()) && permission.op == request.operation {
        match param("BypassPolicyLockoutSafetyCheck") {
            Some(bypass) => context.say("kms:BypassPolicyLockoutSafetyCheck", bypass),
            None if request.bypass => context.say("kms:BypassPolicyLockoutSafetyCheck", "true"),
            None => {}
        }
    }
    about_tags(context, case, permission);
    about_key_creation(context, case, permission);
    about_grants(context, case, permission);
}

pub(super) fn is_symmetric(key: &CaseKey) -> bool {
    key.key_spec.as_deref().is_none_or(|spec| spec == "SYMMETRIC_DEFAULT")
}

/// The encryption context of this half (A543).
pub(super) fn encryption_context(case: &Case, permission: &CasePermission) -> BTreeMap<String, String> {
    let request = &case.request;
    if let Some(pairs) = &permission.encryption_context {
        return pairs.clone();
    }
    let of_grant = |grant: &CaseGrant| constraint_pairs(&grant.constraints).cloned().unwrap_or_default();
    let name = match permission.op.as_str() {
        "CreateGrant" => return request.grant.as_ref().map(of_grant).unwrap_or_default(),
        "RetireGrant" => return grant_to_retire(case).map(of_grant).unwrap_or_default(),
        "ReEncryptFrom" => "SourceEncryptionContext",
        "ReEncryptTo" => "DestinationEncryptionContext",
        _ => "EncryptionContext",
    };
    let pairs = request.params.get(name).and_then(Value::as_object);
    pairs.map(|pairs| pairs.iter().filter_map(|(name, value)| Some((name.clone(), text(value)?))).collect()).unwrap_or_default()
}

pub(super) fn constraint_pairs(constraints: &CaseConstraints) -> Option<&BTreeMap<String, String>> {
    constraints.encryption_context_equals.as_ref().or(constraints.encryption_context_subset.as_ref())
}

pub(super) fn grant_to_retire(case: &Case) -> Option<&CaseGrant> {
    case.setup.grants.iter().find(|grant| grant.id.is_some() && grant.id == case.request.grant_id)
}

/// [A548]
fn about_tags(context: &mut Context, case: &Case, permission: &CasePermission) {
    let params = &case.request.params;
    if ["TagResource", "CreateKey"].contains(&permission.op.as_str())
        && let Some(tags) = params.get("Tags").and_then(Value::as_object).filter(|tags| !tags.is_empty())
    {
        for (name, value) in tags {
            context.say(&format!("aws:RequestTag/{name}"), text(value).unwrap_or_default());
        }
        context.list("aws:TagKeys", tags.keys().cloned().collect());
    }
    if permission.op == "UntagResource"
        && let Some(names) = params.get("TagKeys").and_then(strings)
    {
        context.list("aws:TagKeys", names);
    }
}

/// [A549] [A502] [A407] The key that is being made.
fn about_key_creation(context: &mut Context, case: &Case, permission: &CasePermission) {
    if permission.op != "CreateKey" {
        return;
    }
    let request = &case.request;
    let param = |name: &str| request.params.get(name).and_then(text);
    if request.operation == "ReplicateKey" {
        let primary = request.authorize.first().and_then(|half| case.setup.keys.iter().find(|key| key.arn == half.resource));
        let or = |value: Option<&String>, default: &str| value.cloned().unwrap_or_else(|| default.to_owned());
        kind_of_key(
            context,
            &or(primary.and_then(|key| key.key_spec.as_ref()), "SYMMETRIC_DEFAULT"),
            &or(primary.and_then(|key| key.key_usage.as_ref()), "ENCRYPT_DECRYPT"),
            &or(primary.and_then(|key| key.origin.as_ref()), "AWS_KMS"),
            Some("REPLICA"),
        );
        return;
    }
    let or = |name: &str, default: &str| param(name).unwrap_or_else(|| default.to_owned());
    let multi_region = or("MultiRegion", "false") == "true";
    kind_of_key(
        context,
        &or("KeySpec", "SYMMETRIC_DEFAULT"),
        &or("KeyUsage", "ENCRYPT_DECRYPT"),
        &or("Origin", "AWS_KMS"),
        multi_region.then_some("PRIMARY"),
    );
}

/// [A551]–[A555]
fn about_grants(context: &mut Context, case: &Case, permission: &CasePermission) {
    let constraint_type = |context: &mut Context, constraints: &CaseConstraints| {
        if constraints.encryption_context_equals.is_some() {
            context.say("kms:GrantConstraintType", "EncryptionContextEquals");
        } else if constraints.encryption_context_subset.is_some() {
            context.say("kms:GrantConstraintType", "EncryptionContextSubset");
        }
    };
    match (permission.op.as_str(), &case.request.grant) {
        ("CreateGrant", Some(grant)) => {
            context.list("kms:GrantOperations", grant.operations.clone());
            constraint_type(context, &grant.constraints);
            let said = [
                ("kms:GrantConstraintSourceArn", &grant.constraints.source_arn),
                ("kms:GranteePrincipal", &grant.grantee_principal),
                ("kms:GranteeServicePrincipal", &grant.grantee_service_principal),
                ("kms:RetiringPrincipal", &grant.retiring_principal),
                ("kms:RetiringServicePrincipal", &grant.retiring_service_principal),
            ];
            for (key, value) in said {
                if let Some(value) = value {
                    context.say(key, value);
                }
            }
        }
        ("RetireGrant", _) => {
            if let Some(grant) = grant_to_retire(case) {
                constraint_type(context, &grant.constraints);
            }
        }
        _ => {}
    }
}
