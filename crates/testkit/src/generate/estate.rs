//! Accounts, principals, keys and grants.

use serde_json::{Map, Value, json};

use super::{A, B, Chance, PAIRS, SERVICES, SOURCE_ARNS, TAGS, pairs};

/// Users and roles by the end of their ARN.
pub(super) const USERS: [&str; 2] = ["user/ann", "user/team/bob"];
pub(super) const ROLES: [&str; 2] = ["role/app", "role/team/ops"];
pub(super) const SERVICE_LINKED: &str = "role/aws-service-role/x.amazonaws.com/SvcRole";

/// Operations that a grant may hold (A601).
pub(super) const GRANT_OPERATIONS: [&str; 19] = [
    "Encrypt",
    "Decrypt",
    "GenerateDataKey",
    "GenerateDataKeyWithoutPlaintext",
    "GenerateDataKeyPair",
    "GenerateDataKeyPairWithoutPlaintext",
    "ReEncryptFrom",
    "ReEncryptTo",
    "Sign",
    "Verify",
    "GenerateMac",
    "VerifyMac",
    "DeriveSharedSecret",
    "Encapsulate",
    "Decapsulate",
    "GetPublicKey",
    "DescribeKey",
    "CreateGrant",
    "RetireGrant",
];

pub(super) fn principals(chance: &mut Chance, of_caller: Option<&str>) -> Value {
    let mut arns: Vec<String> = of_caller.map(str::to_owned).into_iter().collect();
    for account in [A, B] {
        for name in USERS.iter().chain(&ROLES) {
            let arn = format!("arn:aws:iam::{account}:{name}");
            if chance.percent(40) && !arns.contains(&arn) {
                arns.push(arn);
            }
        }
    }
    arns.iter().enumerate().map(|(at, arn)| principal(chance, at, arn)).collect()
}

fn principal(chance: &mut Chance, at: usize, arn: &str) -> Value {
    let mut principal = json!({ "arn": arn, "identity_policies": [] });
    if chance.percent(30) {
        let prefix = if arn.contains(":user/") { "AIDA" } else { "AROA" };
        set(&mut principal, "unique_id", json!(format!("{prefix}EXAMPLEEXAMPLE{at:03}")));
    }
    if chance.percent(45) {
        set(&mut principal, "tags", tags_of_a_principal(chance));
    }
    if arn.contains("aws-service-role") {
        set(&mut principal, "service_linked", json!(true));
    } else if chance.percent(5) {
        set(&mut principal, "recreated_after_policy_was_saved", json!(true));
    }
    principal
}

/// IAM keeps no two tags of one principal that differ by case only.
pub(super) fn tags_of_a_principal(chance: &mut Chance) -> Value {
    let mut tags = Map::new();
    for (name, value) in chance.some(&TAGS, 2) {
        if !tags.keys().any(|other| other.eq_ignore_ascii_case(name)) {
            tags.insert(name.to_owned(), json!(value));
        }
    }
    Value::Object(tags)
}

pub(super) fn accounts(chance: &mut Chance) -> Value {
    let mut accounts = Map::new();
    for account in [A, B] {
        if chance.percent(45) {
            let mut entry = json!({ "organization": chance.pick(&["o-1", "o-1", "o-2"]) });
            if chance.percent(8) {
                set(&mut entry, "management", json!(true));
            }
            accounts.insert(account.to_owned(), entry);
        }
    }
    Value::Object(accounts)
}

/// A key fit for the operation, mostly.
pub(super) fn key(chance: &mut Chance, arn: &str, operation: &str) -> Value {
    let (spec, usage) =
        if chance.percent(94) { kind_for(operation) } else { kind_for(chance.pick(&["Sign", "GenerateMac", "Encapsulate", "Encrypt"])) };
    let mut key = json!({ "arn": arn, "policy": { "Version": "2012-10-17", "Statement": [] } });
    if spec != "SYMMETRIC_DEFAULT" || chance.percent(20) {
        set(&mut key, "key_spec", json!(spec));
        set(&mut key, "key_usage", json!(usage));
    }
    if chance.percent(10) {
        set(&mut key, "origin", json!(chance.pick(&["AWS_KMS", "EXTERNAL"])));
    }
    if chance.percent(6) {
        set(&mut key, "manager", json!("AWS"));
    }
    if arn.contains("mrk-") {
        set(&mut key, "multi_region_key_type", json!(chance.pick(&["PRIMARY", "REPLICA"])));
    }
    if chance.percent(40) {
        set(&mut key, "aliases", json!(chance.some(&["alias/app", "alias/x", "alias/App"], 2)));
    }
    if chance.percent(45) {
        set(&mut key, "tags", pairs(chance, &TAGS));
    }
    if chance.percent(4) {
        set(&mut key, "state", json!("Disabled"));
    }
    key
}

fn kind_for(operation: &str) -> (&'static str, &'static str) {
    match operation {
        "Sign" | "Verify" | "GetPublicKey" => ("RSA_2048", "SIGN_VERIFY"),
        "GenerateMac" | "VerifyMac" => ("HMAC_256", "GENERATE_VERIFY_MAC"),
        "DeriveSharedSecret" => ("ECC_NIST_P256", "KEY_AGREEMENT"),
        "Encapsulate" | "Decapsulate" => ("ML_KEM_768", "ENCAPSULATE_DECAPSULATE"),
        _ => ("SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT"),
    }
}

/// Grants on the keys of the case, mostly for this caller and this operation.
pub(super) fn add_grants(chance: &mut Chance, case: &mut Value) {
    let operation = text(case, "/request/operation");
    let count = if operation == "RetireGrant" { 1 + chance.below(2) } else { [0, 0, 0, 1, 1, 2].get(chance.below(6)).copied().unwrap_or(0) };
    let keys: Vec<String> = each(case, "/request/authorize")
        .iter()
        .map(|half| text(half, "/resource"))
        .filter(|arn| arn.contains(":key/") && !arn.ends_with('*'))
        .collect();
    if count == 0 || keys.is_empty() {
        return;
    }
    let mut grants = Vec::new();
    for at in 0..count {
        let key = chance.pick(&keys);
        let mut grant = terms(chance, case);
        set(&mut grant, "id", json!(format!("g{at}")));
        set(&mut grant, "key", json!(key));
        set(
            &mut grant,
            "issuing_account",
            json!(if chance.percent(85) { key.split(':').nth(4).unwrap_or(A).to_owned() } else { chance.pick(&[A, B]).to_owned() }),
        );
        grants.push(grant);
    }
    if operation == "RetireGrant" {
        set(at(case, "/request"), "grant_id", json!("g0"));
        set(at(case, "/setup"), "grants", grants.into());
        // The grant to retire is one of the key that the request names.
        let key = keys.first().cloned().unwrap_or_default();
        set(at(case, "/setup/grants/0"), "key", json!(key));
        return;
    }
    if chance.percent(15) {
        set(at(case, "/request"), "grant_tokens", json!(["g0"]));
    }
    set(at(case, "/setup"), "grants", grants.into());
}

/// What a grant says, without id and key.
pub(super) fn terms(chance: &mut Chance, case: &Value) -> Value {
    let mut grant = json!({});
    let caller = text(case, "/request/principal");
    let parties = parties(case);
    if !caller.starts_with("arn:") && chance.percent(75) || chance.percent(6) {
        let service = if caller.starts_with("arn:") || chance.percent(20) { chance.pick(&SERVICES).to_owned() } else { caller };
        set(&mut grant, "grantee_service_principal", json!(service));
    } else {
        set(&mut grant, "grantee_principal", json!(party(chance, &parties)));
    }
    let needed: Vec<String> = each(case, "/request/authorize").iter().map(|half| text(half, "/op")).collect();
    let mut operations: Vec<String> = chance.some(&GRANT_OPERATIONS, 3).into_iter().map(str::to_owned).collect();
    operations.extend(needed.into_iter().filter(|op| GRANT_OPERATIONS.contains(&op.as_str()) && chance.percent(80)));
    operations.dedup();
    set(&mut grant, "operations", json!(operations));
    let mut constraints = Map::new();
    let context = each(case, "/request/authorize").iter().find_map(|half| half.get("encryption_context").cloned());
    let wanted = if chance.percent(65) { context.filter(|pairs| pairs.as_object().is_some_and(|pairs| !pairs.is_empty())) } else { None };
    if chance.percent(35) {
        let name = chance.pick(&["encryption_context_equals", "encryption_context_subset", "encryption_context_subset"]);
        constraints.insert(name.to_owned(), wanted.unwrap_or_else(|| pairs(chance, &PAIRS)));
    }
    if grant.get("grantee_service_principal").is_some() || chance.percent(5) {
        constraints.insert("source_arn".into(), json!(chance.pick(&SOURCE_ARNS)));
    }
    if !constraints.is_empty() {
        set(&mut grant, "constraints", Value::Object(constraints));
    }
    if chance.percent(40) {
        if !text(case, "/request/principal").starts_with("arn:") && chance.percent(60) || chance.percent(5) {
            let caller = text(case, "/request/principal");
            let service = if caller.starts_with("arn:") { chance.pick(&SERVICES).to_owned() } else { caller };
            set(&mut grant, "retiring_service_principal", json!(service));
        } else {
            set(&mut grant, "retiring_principal", json!(party(chance, &parties)));
        }
    }
    grant
}

/// The ARNs that mean the caller, then others.
pub(super) struct Parties {
    pub(super) caller: Vec<String>,
    pub(super) others: Vec<String>,
}

pub(super) fn parties(case: &Value) -> Parties {
    let arn = text(case, "/request/principal");
    let account = arn.split(':').nth(4).unwrap_or(A).to_owned();
    let mut caller = Vec::new();
    if arn.starts_with("arn:") {
        caller.push(arn.clone());
        if !arn.ends_with(":root") {
            caller.push(text(case, "/setup/principals/0/arn"));
        }
        caller.push(format!("arn:aws:iam::{account}:root"));
    }
    let mut others: Vec<String> = each(case, "/setup/principals").iter().map(|principal| text(principal, "/arn")).collect();
    others.extend([A, B].map(|account| format!("arn:aws:iam::{account}:root")));
    others.push(format!("arn:aws:sts::{A}:assumed-role/app/other"));
    Parties { caller, others }
}

fn party(chance: &mut Chance, parties: &Parties) -> String {
    if !parties.caller.is_empty() && chance.percent(70) { chance.pick(&parties.caller) } else { chance.pick(&parties.others) }
}

pub(super) fn text(value: &Value, pointer: &str) -> String {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
}

pub(super) fn each(value: &Value, pointer: &str) -> Vec<Value> {
    value.pointer(pointer).and_then(Value::as_array).cloned().unwrap_or_default()
}

/// Sets a member of an object.
pub(super) fn set(object: &mut Value, name: &str, value: Value) {
    if let Some(object) = object.as_object_mut() {
        object.insert(name.to_owned(), value);
    }
}

/// The value at a pointer, which the caller knows to be there.
pub(super) fn at<'v>(value: &'v mut Value, pointer: &str) -> &'v mut Value {
    #[expect(clippy::expect_used, reason = "generators point at what they made")]
    value.pointer_mut(pointer).expect("a pointer to what was made")
}
