//! A tiny universe, all of it: every combination of who calls, and what each kind of policy says.

use serde_json::{Value, json};

use super::estate::set;
use super::{A, B};

const KEY: &str = "arn:aws:kms:us-east-1:111122223333:key/5f0c8a52-7d3e-4b19-9c64-2a1be08d7f31";

/// The sides of the universe, each with its number of choices.
const SIDES: [usize; 11] = [CALLERS, OPERATIONS, KEY_POLICIES, KEY_DENIES, IDENTITY, LIMIT, LIMIT, SCP, RCP, ENDPOINT, GRANTS];
const CALLERS: usize = 15;
const OPERATIONS: usize = 3;
const KEY_POLICIES: usize = 9;
const KEY_DENIES: usize = 2;
const IDENTITY: usize = 3;
const LIMIT: usize = 4;
const SCP: usize = 4;
const RCP: usize = 2;
const ENDPOINT: usize = 4;
const GRANTS: usize = 5;

/// How many cases there are.
#[must_use]
pub fn small_count() -> u64 {
    SIDES.iter().map(|side| u64::try_from(*side).unwrap_or(1)).product()
}

/// One of them.
#[must_use]
pub fn small(index: u64) -> Value {
    let mut rest = index;
    let mut choose = |side: usize| {
        let side = u64::try_from(side).unwrap_or(1);
        let choice = rest % side;
        rest /= side;
        choice
    };
    let caller = caller(choose(CALLERS));
    let operation = match choose(OPERATIONS) {
        0 => "Decrypt",
        1 => "EnableKey",
        _ => "RetireGrant",
    };
    let mut key_statements = key_statements(choose(KEY_POLICIES), &caller);
    if choose(KEY_DENIES) == 1 {
        key_statements.push(
            json!({ "Effect": "Deny", "NotPrincipal": { "AWS": [caller.arn, caller.lasting(), caller.root()] }, "Action": "kms:*", "Resource": "*" }),
        );
    }
    let identity = identity(choose(IDENTITY));
    let boundary = limit(choose(LIMIT));
    let session = limit(choose(LIMIT));
    let scp = limit(choose(SCP));
    let rcp = choose(RCP) == 1;
    let endpoint = limit(choose(ENDPOINT));
    let grant = grantee(choose(GRANTS), &caller);

    let mut account = json!({ "organization": "o-1" });
    if let Some(scp) = scp {
        set(&mut account, "scp_levels", json!([[scp]]));
    }
    let mut owner = if caller.account == A { account.clone() } else { json!({ "organization": "o-1" }) };
    if rcp {
        set(&mut owner, "rcps", json!([policy(json!({ "Effect": "Deny", "Principal": "*", "Action": "kms:*", "Resource": "*" }))]));
    }
    let mut principals = Vec::new();
    if let Some(record) = &caller.record {
        let mut principal = json!({ "arn": record, "identity_policies": identity });
        if let Some(boundary) = boundary {
            set(&mut principal, "permissions_boundary", boundary);
        }
        if record.contains("aws-service-role") {
            set(&mut principal, "service_linked", json!(true));
        }
        principals.push(principal);
    }
    let mut case = json!({
        "id": format!("small-{index}"),
        "setup": {
            "accounts": { A: owner, B: account },
            "principals": principals,
            "keys": [{ "arn": KEY, "policy": { "Version": "2012-10-17", "Statement": key_statements } }],
        },
        "request": { "principal": caller.arn, "operation": operation, "authorize": [{ "op": operation, "resource": KEY }], "params": { "KeyId": KEY } },
    });
    if let Some(setup) = case.get_mut("setup")
        && let Some(mut grant) = grant
    {
        set(&mut grant, "operations", json!(["Decrypt", "RetireGrant"]));
        set(&mut grant, "id", json!("g0"));
        set(&mut grant, "key", json!(KEY));
        set(setup, "grants", json!([grant]));
    }
    if let Some(request) = case.get_mut("request") {
        if operation == "RetireGrant" {
            set(request, "grant_id", json!("g0"));
        }
        let mut of_session = caller.session;
        if let Some(session) = session
            && caller.record.as_ref().is_none_or(|record| !caller.arn.contains(record))
            && !caller.account.is_empty()
        {
            set(&mut of_session, "session_policies", json!([session]));
        }
        if of_session != json!({}) {
            set(request, "session", of_session);
        }
        if let Some(endpoint) = endpoint.map(with_principal) {
            set(request, "vpc_endpoint", json!({ "id": "vpce-1", "vpc": "vpc-1", "policy": endpoint }));
        }
    }
    case
}

struct SmallCaller {
    arn: String,
    account: &'static str,
    record: Option<String>,
    session: Value,
}

impl SmallCaller {
    fn lasting(&self) -> String {
        self.record.clone().unwrap_or_else(|| self.root())
    }

    fn root(&self) -> String {
        format!("arn:aws:iam::{}:root", if self.account.is_empty() { A } else { self.account })
    }
}

fn caller(choice: u64) -> SmallCaller {
    let account = if choice < 7 { A } else { B };
    let iam = |name: &str| format!("arn:aws:iam::{account}:{name}");
    let sts = |name: &str| format!("arn:aws:sts::{account}:{name}");
    let (arn, record, session) = match choice % 7 {
        _ if choice == 14 => return SmallCaller { arn: "x.amazonaws.com".into(), account: "", record: None, session: json!({}) },
        0 => (iam("user/ann"), Some(iam("user/ann")), json!({})),
        1 => (sts("assumed-role/app/s"), Some(iam("role/app")), json!({})),
        2 => (sts("federated-user/fay"), Some(iam("user/ann")), json!({ "issuing_user": iam("user/ann") })),
        3 => (iam("root"), None, json!({})),
        4 => (iam("root"), None, json!({ "assumed_root": true })),
        5 => (sts("assumed-role/Svc/s"), Some(iam("role/aws-service-role/x.amazonaws.com/Svc")), json!({})),
        _ => (sts("assumed-role/ops/s"), Some(iam("role/team/ops")), json!({ "tags": { "team": "pay" } })),
    };
    SmallCaller { arn, account, record, session }
}

fn key_statements(choice: u64, caller: &SmallCaller) -> Vec<Value> {
    let allow = |principal: Value| json!({ "Effect": "Allow", "Principal": principal, "Action": "kms:*", "Resource": "*" });
    let named = if caller.account.is_empty() { json!({ "Service": caller.arn }) } else { json!({ "AWS": caller.arn }) };
    match choice {
        0 => vec![],
        1 => vec![allow(json!({ "AWS": caller.root() }))],
        2 => vec![allow(named)],
        3 => vec![allow(json!({ "AWS": caller.lasting() }))],
        4 => vec![allow(json!("*"))],
        5 => vec![allow(json!({ "AWS": [caller.root(), caller.lasting()] }))],
        6 => vec![allow(json!({ "AWS": caller.root() })), allow(named)],
        7 => vec![allow(json!({ "AWS": caller.root() })), json!({ "Effect": "Deny", "Principal": named, "Action": "kms:*", "Resource": "*" })],
        _ => vec![allow(json!("*")), json!({ "Effect": "Deny", "Principal": { "AWS": caller.root() }, "Action": "kms:*", "Resource": "*" })],
    }
}

fn policy(statement: Value) -> Value {
    json!({ "Version": "2012-10-17", "Statement": statement })
}

fn all(effect: &str) -> Value {
    json!({ "Effect": effect, "Action": "kms:*", "Resource": "*" })
}

fn identity(choice: u64) -> Value {
    match choice {
        0 => json!([]),
        1 => json!([policy(all("Allow"))]),
        _ => json!([policy(all("Allow")), policy(all("Deny"))]),
    }
}

/// Absent, allowing, silent, denying.
fn limit(choice: u64) -> Option<Value> {
    match choice {
        0 => None,
        1 => Some(policy(json!([all("Allow")]))),
        2 => Some(policy(json!([{ "Effect": "Allow", "Action": "s3:*", "Resource": "*" }]))),
        _ => Some(policy(json!([all("Allow"), all("Deny")]))),
    }
}

fn with_principal(mut policy: Value) -> Value {
    for statement in policy.get_mut("Statement").and_then(Value::as_array_mut).into_iter().flatten() {
        set(statement, "Principal", json!("*"));
    }
    policy
}

fn grantee(choice: u64, caller: &SmallCaller) -> Option<Value> {
    if choice > 0 && caller.account.is_empty() {
        let party = if choice.is_multiple_of(2) { "grantee_service_principal" } else { "retiring_service_principal" };
        let mut grant = json!({ "grantee_service_principal": "y.amazonaws.com" });
        set(&mut grant, party, json!(caller.arn));
        return Some(grant);
    }
    match choice {
        0 => None,
        1 => Some(json!({ "grantee_principal": caller.arn })),
        2 => Some(json!({ "grantee_principal": caller.lasting() })),
        3 => Some(json!({ "grantee_principal": caller.root() })),
        _ => Some(json!({ "grantee_principal": format!("arn:aws:iam::{A}:role/other"), "retiring_principal": caller.lasting() })),
    }
}
