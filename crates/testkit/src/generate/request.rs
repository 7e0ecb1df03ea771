//! Requests: who calls which operation how, and what it must be allowed to do (section 4).

use serde_json::{Map, Value, json};

use super::estate::{ROLES, SERVICE_LINKED, USERS, accounts, at, each, key, principals, set, tags_of_a_principal, terms, text};
use super::{A, B, Chance, PAIRS, SERVICES, SOURCE_ARNS, TAGS, pairs};

/// Operations on one key, the cryptographic ones with an encryption context first.
const WITH_CONTEXT: [&str; 6] =
    ["Encrypt", "Decrypt", "GenerateDataKey", "GenerateDataKeyWithoutPlaintext", "GenerateDataKeyPair", "GenerateDataKeyPairWithoutPlaintext"];
const CRYPTOGRAPHIC: [&str; 7] = ["Sign", "Verify", "GenerateMac", "VerifyMac", "DeriveSharedSecret", "Encapsulate", "Decapsulate"];
const ACROSS_ACCOUNTS: [&str; 7] = ["CreateGrant", "DescribeKey", "GetKeyRotationStatus", "GetPublicKey", "ListGrants", "RetireGrant", "RevokeGrant"];
const OWN_ACCOUNT: [&str; 18] = [
    "CancelKeyDeletion",
    "DeleteImportedKeyMaterial",
    "DisableKey",
    "DisableKeyRotation",
    "EnableKey",
    "EnableKeyRotation",
    "GetKeyLastUsage",
    "GetKeyPolicy",
    "GetParametersForImport",
    "ImportKeyMaterial",
    "ListKeyPolicies",
    "ListKeyRotations",
    "ListResourceTags",
    "PutKeyPolicy",
    "RotateKeyOnDemand",
    "ScheduleKeyDeletion",
    "TagResource",
    "UntagResource",
];
const OWN_ACCOUNT_TOO: [&str; 1] = ["UpdateKeyDescription"];
const WITHOUT_RESOURCE: [&str; 9] = [
    "ConnectCustomKeyStore",
    "CreateCustomKeyStore",
    "DeleteCustomKeyStore",
    "DescribeCustomKeyStores",
    "DisconnectCustomKeyStore",
    "GenerateRandom",
    "ListAliases",
    "ListKeys",
    "UpdateCustomKeyStore",
];
const SEVERAL: [&str; 7] = ["CreateAlias", "DeleteAlias", "UpdateAlias", "CreateKey", "ReplicateKey", "UpdatePrimaryRegion", "ReEncrypt"];

/// All 56 of them.
#[cfg(test)]
pub(super) fn operations() -> Vec<&'static str> {
    let lists: [&[&str]; 7] = [&WITH_CONTEXT, &CRYPTOGRAPHIC, &ACROSS_ACCOUNTS, &OWN_ACCOUNT, &OWN_ACCOUNT_TOO, &WITHOUT_RESOURCE, &SEVERAL];
    lists.into_iter().flatten().copied().chain(["ListRetirableGrants"]).collect()
}

/// A case without policies and grants.
pub(super) fn skeleton(chance: &mut Chance, id: &str) -> Value {
    let operation = operation(chance);
    let owner = if chance.percent(80) { A } else { B };
    let stays_home =
        OWN_ACCOUNT.contains(&operation) || OWN_ACCOUNT_TOO.contains(&operation) || SEVERAL.contains(&operation) && operation != "ReEncrypt";
    let home =
        if chance.percent(if stays_home { 90 } else { 68 }) { owner } else { [A, B].into_iter().find(|account| *account != owner).unwrap_or(B) };
    let (principal, record, session) = caller(chance, home);
    let keys = keys(chance, owner, operation);
    let mut case = json!({
        "id": id,
        "setup": { "accounts": accounts(chance), "principals": principals(chance, record.as_deref()), "keys": keys },
        "request": { "principal": principal, "operation": operation },
    });
    let request = at(&mut case, "/request");
    if let Some(session) = session {
        set(request, "session", session);
    }
    add_way(chance, request);
    add_permissions(chance, &mut case, operation);
    if chance.percent(1) {
        // [A908] An identifier that resolves to nothing.
        set(at(&mut case, "/request"), "authorize", json!([]));
        if principal_is_service(&case) {
            set(at(&mut case, "/request"), "principal", json!(format!("arn:aws:iam::{home}:root")));
        }
        set(at(&mut case, "/request"), "params", json!({ "KeyId": chance.pick(&["00000000-0000-4000-8000-000000000000", "alias/none"]) }));
    }
    case
}

fn principal_is_service(case: &Value) -> bool {
    !text(case, "/request/principal").starts_with("arn:")
}

fn operation(chance: &mut Chance) -> &'static str {
    match chance.below(100) {
        0..30 => chance.pick(&WITH_CONTEXT),
        30..36 => chance.pick(&CRYPTOGRAPHIC),
        36..52 => chance.pick(&ACROSS_ACCOUNTS),
        52..57 => "CreateGrant",
        57..62 => "RetireGrant",
        62..70 => chance.pick(&OWN_ACCOUNT),
        70..71 => chance.pick(&OWN_ACCOUNT_TOO),
        71..76 => "PutKeyPolicy",
        76..82 => chance.pick(&WITHOUT_RESOURCE),
        82..83 => "ListRetirableGrants",
        _ => chance.pick(&SEVERAL),
    }
}

/// The ARN of a caller in the account, the user or role behind it, and its session.
fn caller(chance: &mut Chance, account: &str) -> (String, Option<String>, Option<Value>) {
    let user = format!("arn:aws:iam::{account}:{}", chance.pick(&USERS));
    let role = match chance.below(8) {
        0 => SERVICE_LINKED,
        _ => chance.pick(&ROLES),
    };
    match chance.below(100) {
        0..22 => (user.clone(), Some(user), None),
        22..70 => {
            let name = role.rsplit('/').next().unwrap_or(role);
            let session = format!("arn:aws:sts::{account}:assumed-role/{name}/{}", chance.pick(&["s-1", "s-2"]));
            (session, Some(format!("arn:aws:iam::{account}:{role}")), session_of(chance, json!({}), 30))
        }
        70..80 => {
            let session = session_of(chance, json!({ "issuing_user": user }), 75);
            (format!("arn:aws:sts::{account}:federated-user/{}", chance.pick(&["fay", "ann"])), Some(user), session)
        }
        80..86 => (format!("arn:aws:iam::{account}:root"), None, None),
        86..90 => (format!("arn:aws:iam::{account}:root"), None, session_of(chance, json!({ "assumed_root": true }), 100)),
        _ => (chance.pick(&SERVICES).to_owned(), None, None),
    }
}

fn session_of(chance: &mut Chance, mut session: Value, with_policies: usize) -> Option<Value> {
    if chance.percent(with_policies) {
        set(&mut session, "session_policies", json!([]));
    }
    if session.get("assumed_root").is_none() && chance.percent(25) {
        set(&mut session, "tags", tags_of_a_principal(chance));
    }
    session.as_object().is_some_and(|session| !session.is_empty()).then_some(session)
}

fn keys(chance: &mut Chance, owner: &str, operation: &str) -> Value {
    let multi_region = operation == "ReplicateKey" || operation == "UpdatePrimaryRegion" || chance.percent(12);
    let id = |number: usize| if multi_region { format!("mrk-{number:032x}") } else { format!("5f0c8a52-7d3e-4b19-9c64-{number:012x}") };
    let mut keys = vec![key(chance, &format!("arn:aws:kms:us-east-1:{owner}:key/{}", id(1)), operation)];
    match operation {
        "UpdatePrimaryRegion" => keys.push(key(chance, &format!("arn:aws:kms:eu-west-1:{owner}:key/{}", id(1)), operation)),
        "ReEncrypt" | "UpdateAlias" => {
            let owner = if operation == "ReEncrypt" && chance.percent(25) { chance.pick(&[A, B]) } else { owner };
            keys.push(key(chance, &format!("arn:aws:kms:us-east-1:{owner}:key/{}", id(2)), operation));
        }
        _ => {}
    }
    keys.into()
}

/// Through whom and from where the call comes, and what else is known of it.
fn add_way(chance: &mut Chance, request: &mut Value) {
    let by_service = !text(request, "/principal").starts_with("arn:");
    if !by_service && chance.percent(18) {
        set(request, "via_service", json!(chance.pick(&["s3.us-east-1.amazonaws.com", "ec2.us-east-1.amazonaws.com", "s3.eu-west-1.amazonaws.com"])));
    }
    if chance.percent(15) {
        set(request, "vpc_endpoint", json!({ "id": chance.pick(&["vpce-1", "vpce-2"]), "vpc": "vpc-1" }));
    }
    if chance.percent(35) {
        set(request, "source_ip", json!(chance.pick(&["203.0.113.9", "198.51.100.7", "2001:db8::1"])));
    }
    let mut context = Map::new();
    if by_service && chance.percent(75) || chance.percent(4) {
        context.insert("aws:SourceArn".into(), json!(chance.pick(&SOURCE_ARNS)));
        context.insert("aws:SourceAccount".into(), json!(A));
    }
    if !by_service && chance.percent(15) {
        context.insert("aws:MultiFactorAuthPresent".into(), json!(chance.pick(&["true", "false"])));
    }
    if chance.percent(12) {
        context.insert("aws:CurrentTime".into(), json!(chance.pick(&["2026-02-01T00:00:00Z", "2026-02-01T12:30:00Z"])));
    }
    if !by_service && chance.percent(6) {
        context.insert("aws:PrincipalOrgPaths".into(), json!(["o-1/r-x/ou-1/"]));
    }
    if request.get("via_service").is_some() && chance.percent(10) {
        context.insert("aws:CalledVia".into(), json!(["athena.amazonaws.com", "dynamodb.amazonaws.com"]));
        context.insert("aws:CalledViaFirst".into(), json!("athena.amazonaws.com"));
        context.insert("aws:CalledViaLast".into(), json!("dynamodb.amazonaws.com"));
    }
    if !context.is_empty() {
        set(request, "context", Value::Object(context));
    }
}

/// `authorize`, and the parameters that it follows from.
fn add_permissions(chance: &mut Chance, case: &mut Value, operation: &str) {
    let keys: Vec<String> = each(case, "/setup/keys").iter().map(|key| text(key, "/arn")).collect();
    let first = keys.first().cloned().unwrap_or_default();
    let last = keys.last().cloned().unwrap_or_default();
    let account =
        Some(text(case, "/request/principal")).filter(|arn| arn.starts_with("arn:")).and_then(|arn| arn.split(':').nth(4).map(str::to_owned));
    let account = account.unwrap_or_else(|| A.to_owned());
    let alias = format!("arn:aws:kms:us-east-1:{account}:alias/{}", chance.pick(&["app", "new"]));
    let mut params = Map::new();
    let item = |op: &str, resource: &str| json!({ "op": op, "resource": resource });
    let mut items = match operation {
        "CreateAlias" | "DeleteAlias" => vec![item(operation, &alias), item(operation, &first)],
        "UpdateAlias" => vec![item(operation, &alias), item(operation, &first), item(operation, &last)],
        "ReEncrypt" => vec![item("ReEncryptFrom", &first), item("ReEncryptTo", if chance.percent(80) { &last } else { &first })],
        "UpdatePrimaryRegion" => {
            params.insert("PrimaryRegion".into(), json!("eu-west-1"));
            vec![item(operation, &first), item(operation, &last)]
        }
        "ReplicateKey" => {
            params.insert("ReplicaRegion".into(), json!("eu-west-1"));
            vec![item(operation, &first), item("CreateKey", "*")]
        }
        "CreateKey" | "ListRetirableGrants" => vec![item(operation, "*")],
        _ if WITHOUT_RESOURCE.contains(&operation) => vec![item(operation, "*")],
        _ => vec![item(operation, &first)],
    };
    if ["CreateAlias", "DeleteAlias", "UpdateAlias"].contains(&operation) {
        params.insert("AliasName".into(), json!(format!("alias/{}", alias.rsplit('/').next().unwrap_or_default())));
    } else if items.first().is_some_and(|item| text(item, "/resource").contains(":key/")) && operation != "ReEncrypt" {
        params.insert("KeyId".into(), json!(first));
    }
    if operation == "TagResource" || ["CreateKey", "ReplicateKey"].contains(&operation) && chance.percent(35) {
        params.insert("Tags".into(), pairs(chance, &TAGS));
    }
    if operation == "UntagResource" {
        params.insert("TagKeys".into(), json!(chance.some(&["team", "Team", "env"], 2)));
    }
    if params.contains_key("Tags") && operation != "TagResource" {
        let region = if operation == "ReplicateKey" { "eu-west-1" } else { "us-east-1" };
        items.push(json!({ "op": "TagResource", "resource": format!("arn:aws:kms:{region}:{account}:key/*"), "identity_only": true }));
    }
    if chance.percent(8) && (WITH_CONTEXT.contains(&operation) || CRYPTOGRAPHIC.contains(&operation)) {
        params.insert("DryRun".into(), json!(true));
    }
    if ["GetKeyPolicy", "PutKeyPolicy"].contains(&operation) && chance.percent(12) {
        params.insert("PolicyName".into(), json!(chance.pick(&["default", "AWS_RAM"])));
    }
    if ["PutKeyPolicy", "CreateKey", "ReplicateKey"].contains(&operation) && chance.percent(20) {
        set(at(case, "/request"), "bypass", json!(true));
        params.insert("BypassPolicyLockoutSafetyCheck".into(), json!(true));
    }
    for half in &mut items {
        add_half(chance, case, half, &params);
    }
    let request = at(case, "/request");
    if operation == "Decrypt" && chance.percent(60) {
        set(
            request,
            "ciphertext_key",
            json!(if chance.percent(40) { first } else { format!("arn:aws:kms:us-east-1:{A}:key/9b41de07-30c5-4f6a-8d22-61e7c0a95b48") }),
        );
    }
    set(request, "authorize", items.into());
    if !params.is_empty() {
        set(request, "params", Value::Object(params));
    }
}

/// Encryption context, alias and the condition keys that follow from parameters, defaults filled in (A502, A503).
fn add_half(chance: &mut Chance, case: &Value, half: &mut Value, params: &Map<String, Value>) {
    let op = text(half, "/op");
    let key = each(case, "/setup/keys").into_iter().find(|key| key.get("arn") == half.get("resource"));
    let mut context = Map::new();
    let re_encrypts = op.starts_with("ReEncrypt");
    if WITH_CONTEXT.contains(&op.as_str()) || re_encrypts {
        if chance.percent(60) {
            set(half, "encryption_context", pairs(chance, &PAIRS));
        }
        context.insert("kms:EncryptionAlgorithm".into(), json!("SYMMETRIC_DEFAULT"));
    }
    if re_encrypts {
        let same = chance.percent(50);
        context.insert("kms:ReEncryptOnSameKey".into(), json!(same.to_string()));
    }
    if (WITH_CONTEXT.contains(&op.as_str())
        || CRYPTOGRAPHIC.contains(&op.as_str())
        || re_encrypts
        || ["DescribeKey", "GetPublicKey"].contains(&op.as_str()))
        && let Some(aliases) = key.as_ref().and_then(|key| key.get("aliases")).and_then(Value::as_array)
        && chance.percent(35)
    {
        let alias = chance.pick(&aliases.iter().filter_map(Value::as_str).map(str::to_owned).collect::<Vec<_>>());
        let arn = text(half, "/resource").split(":key/").next().unwrap_or_default().to_owned();
        set(half, "alias", json!(if chance.percent(50) { alias } else { format!("{arn}:{alias}") }));
    } else if ["Decrypt", "ReEncryptFrom"].contains(&op.as_str()) && chance.percent(15) {
        set(half, "from_ciphertext", json!(true));
    }
    let mut say = |name: &str, value: &str| context.insert(name.to_owned(), json!(value));
    match op.as_str() {
        "GenerateDataKeyPair" | "GenerateDataKeyPairWithoutPlaintext" => say("kms:DataKeyPairSpec", "RSA_2048"),
        "Sign" | "Verify" => {
            say("kms:SigningAlgorithm", "RSASSA_PSS_SHA_256");
            say("kms:MessageType", chance.pick(&["RAW", "DIGEST"]))
        }
        "GenerateMac" | "VerifyMac" => say("kms:MacAlgorithm", "HMAC_SHA_256"),
        "DeriveSharedSecret" => say("kms:KeyAgreementAlgorithm", "ECDH"),
        "ScheduleKeyDeletion" => say("kms:ScheduleKeyDeletionPendingWindowInDays", chance.pick(&["7", "30"])),
        "EnableKeyRotation" => say("kms:RotationPeriodInDays", chance.pick(&["365", "90"])),
        "DisableKey" => say("kms:TrailingDaysWithoutKeyUsage", chance.pick(&["12", "90"])),
        "GetKeyPolicy" | "PutKeyPolicy" => say("kms:PolicyName", params.get("PolicyName").and_then(Value::as_str).unwrap_or("default")),
        "UpdatePrimaryRegion" => say("kms:PrimaryRegion", "eu-west-1"),
        "ReplicateKey" => say("kms:ReplicaRegion", "eu-west-1"),
        "GetParametersForImport" => {
            say("kms:WrappingAlgorithm", "RSAES_OAEP_SHA_256");
            say("kms:WrappingKeySpec", "RSA_4096")
        }
        "ImportKeyMaterial" => say("kms:ExpirationModel", "KEY_MATERIAL_DOES_NOT_EXPIRE"),
        _ => None,
    };
    if ["CreateKey", "TagResource"].contains(&op.as_str())
        && let Some(tags) = params.get("Tags").and_then(Value::as_object)
    {
        // Names that differ by case only stay in the parameters: a context names no key twice.
        let twice = |name: &str| tags.keys().filter(|other| other.eq_ignore_ascii_case(name)).count() > 1;
        for (name, value) in tags.iter().filter(|(name, _)| !twice(name)) {
            context.insert(format!("aws:RequestTag/{name}"), value.clone());
        }
        context.insert("aws:TagKeys".into(), tags.keys().cloned().collect());
    }
    if let Some(names) = params.get("TagKeys") {
        context.insert("aws:TagKeys".into(), names.clone());
    }
    if op == "CreateKey" {
        let replica = params.contains_key("ReplicaRegion");
        let primary = each(case, "/setup/keys").into_iter().next().filter(|_| replica).unwrap_or_default();
        let of = |name: &str, default: &str| json!(primary.get(name).and_then(Value::as_str).unwrap_or(default));
        context.insert("kms:KeySpec".into(), of("key_spec", "SYMMETRIC_DEFAULT"));
        context.insert("kms:KeyUsage".into(), of("key_usage", "ENCRYPT_DECRYPT"));
        // [A505]
        context.insert("kms:CustomerMasterKeySpec".into(), of("key_spec", "SYMMETRIC_DEFAULT"));
        context.insert("kms:CustomerMasterKeyUsage".into(), of("key_usage", "ENCRYPT_DECRYPT"));
        context.insert("kms:KeyOrigin".into(), of("origin", "AWS_KMS"));
        context.insert("kms:MultiRegion".into(), json!(replica.to_string()));
        if replica {
            context.insert("kms:MultiRegionKeyType".into(), json!("REPLICA"));
        }
    }
    if op != "ReplicateKey" && params.contains_key("ReplicaRegion") {
        context.insert("aws:RequestedRegion".into(), json!("eu-west-1"));
    }
    let operation = text(case, "/request/operation");
    if op == operation && params.contains_key("BypassPolicyLockoutSafetyCheck") {
        context.insert("kms:BypassPolicyLockoutSafetyCheck".into(), json!("true"));
    }
    if ["ListGrants", "RevokeGrant"].contains(&op.as_str()) {
        context.insert("kms:GrantIsForAWSResource".into(), json!(case.pointer("/request/via_service").is_some().to_string()));
    }
    if !context.is_empty() {
        set(half, "context", Value::Object(context));
    }
}

/// The grant that CreateGrant asks for, the pairs of the grant that RetireGrant ends, and the new policy's key.
pub(super) fn add_grant_parameters(chance: &mut Chance, case: &mut Value) {
    let operation = text(case, "/request/operation");
    if each(case, "/request/authorize").is_empty() {
        return;
    }
    let symmetric = case.pointer("/setup/keys/0/key_spec").is_none_or(|spec| spec == "SYMMETRIC_DEFAULT");
    if operation == "CreateGrant" {
        let mut grant = terms(chance, case);
        if chance.percent(75) {
            // Mostly operations that the key has (A603).
            let fit =
                if symmetric { vec!["Decrypt", "Encrypt", "DescribeKey", "CreateGrant"] } else { vec!["DescribeKey", "CreateGrant", "RetireGrant"] };
            set(&mut grant, "operations", json!(chance.some(&fit, 2)));
        }
        // [A607]
        if grant.get("grantee_service_principal").is_some()
            && grant.get("retiring_principal").is_none()
            && grant.get("retiring_service_principal").is_none()
            && chance.percent(80)
        {
            set(&mut grant, "retiring_principal", json!(format!("arn:aws:iam::{A}:root")));
        }
        add_grant_context(case, &grant, symmetric, true);
        set(at(case, "/request"), "grant", grant);
    }
    if operation == "RetireGrant" {
        let grant = case.pointer("/setup/grants/0").cloned().unwrap_or_default();
        add_grant_context(case, &grant, symmetric, false);
    }
    if operation == "PutKeyPolicy" || ["CreateKey", "ReplicateKey"].contains(&operation.as_str()) && chance.percent(70) {
        let account = text(case, "/request/principal").split(':').nth(4).unwrap_or(A).to_owned();
        let arn = match operation.as_str() {
            "CreateKey" => Some(format!("arn:aws:kms:us-east-1:{account}:key/5f0c8a52-7d3e-4b19-9c64-0000000000ff")),
            "ReplicateKey" => Some(text(case, "/setup/keys/0/arn").replace("us-east-1", "eu-west-1")),
            _ => None,
        };
        let request = at(case, "/request");
        set(request, "new_policy", json!({ "Version": "2012-10-17", "Statement": [] }));
        if let Some(arn) = arn {
            set(request, "new_key_arn", json!(arn));
        }
    }
}

/// What the schema says an item of these operations holds: the pairs of the constraint and the condition keys (A543, A550–A555).
fn add_grant_context(case: &mut Value, grant: &Value, symmetric: bool, creates: bool) {
    let forwarded = case.pointer("/request/via_service").is_some();
    let half = at(case, "/request/authorize/0");
    let equals = grant.pointer("/constraints/encryption_context_equals");
    let subset = grant.pointer("/constraints/encryption_context_subset");
    let mut context = Map::new();
    if let Some(pairs) = equals.or(subset) {
        if symmetric {
            set(half, "encryption_context", pairs.clone());
        }
        context.insert("kms:GrantConstraintType".into(), json!(if equals.is_some() { "EncryptionContextEquals" } else { "EncryptionContextSubset" }));
    }
    if creates {
        context.insert("kms:GrantIsForAWSResource".into(), json!(forwarded.to_string()));
        let members = [
            ("kms:GrantOperations", "/operations"),
            ("kms:GranteePrincipal", "/grantee_principal"),
            ("kms:GranteeServicePrincipal", "/grantee_service_principal"),
            ("kms:RetiringPrincipal", "/retiring_principal"),
            ("kms:RetiringServicePrincipal", "/retiring_service_principal"),
            ("kms:GrantConstraintSourceArn", "/constraints/source_arn"),
        ];
        for (key, pointer) in members {
            if let Some(value) = grant.pointer(pointer) {
                context.insert(key.into(), value.clone());
            }
        }
    }
    if !context.is_empty() {
        set(half, "context", Value::Object(context));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_of_the_api_is_called() {
        let mut operations = operations();
        operations.sort_unstable();
        operations.dedup();
        assert_eq!(operations.len(), 56);
    }
}
