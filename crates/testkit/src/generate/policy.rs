//! Policies that are mostly about the request.

use serde_json::{Map, Value, json};

use super::estate::{SERVICE_LINKED, at, each, parties, set, text};
use super::{A, B, Chance, SERVICES, read};
use crate::reference::known;

/// Where a policy stands, which tells what its statements have.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Kind {
    Key,
    Identity,
    Limit,
    Scp,
    Rcp,
    Endpoint,
}

/// What a statement may be about.
struct Aim {
    permission: String,
    resource: String,
    facts: Vec<(String, Vec<String>)>,
    /// Entries of a principal element that mean the caller.
    names: Vec<Value>,
    others: Vec<Value>,
    account: String,
    owner: String,
}

/// Fills in all policies of the case.
pub(super) fn add_policies(chance: &mut Chance, case: &mut Value) {
    let aims = aims(case);
    if aims.is_empty() {
        return;
    }
    for index in 0..each(case, "/setup/keys").len() {
        let policy = key_policy(chance, &aims);
        set(at(case, &format!("/setup/keys/{index}")), "policy", policy);
        if chance.percent(6) {
            let policy = policy_of(chance, Kind::Key, &aims, 40, 10);
            set(at(case, &format!("/setup/keys/{index}")), "ram_policy", policy);
        }
    }
    for index in 0..each(case, "/setup/principals").len() {
        let of_caller = index == 0;
        let count = if of_caller { 1 + chance.below(2) } else { chance.below(2) };
        let policies: Vec<Value> = (0..count).map(|_| policy_of(chance, Kind::Identity, &aims, 66, 5)).collect();
        let principal = at(case, &format!("/setup/principals/{index}"));
        let service_linked = text(principal, "/arn").ends_with(SERVICE_LINKED);
        set(principal, "identity_policies", policies.into());
        if !service_linked && chance.percent(22) {
            let boundary = policy_of(chance, Kind::Limit, &aims, 78, 8);
            set(at(case, &format!("/setup/principals/{index}")), "permissions_boundary", boundary);
        }
    }
    if case.pointer("/request/session/session_policies").is_some() {
        let policies: Vec<Value> =
            (0..chance.below(3).max(usize::from(chance.percent(90)))).map(|_| policy_of(chance, Kind::Limit, &aims, 78, 5)).collect();
        set(at(case, "/request/session"), "session_policies", policies.into());
    }
    add_organization_policies(chance, case, &aims);
    if case.pointer("/request/vpc_endpoint").is_some() && chance.percent(75) {
        let policy = policy_of(chance, Kind::Endpoint, &aims, 82, 8);
        set(at(case, "/request/vpc_endpoint"), "policy", policy);
    }
    if case.pointer("/request/new_policy").is_some() {
        let policy = new_policy(chance, case, &aims);
        set(at(case, "/request"), "new_policy", policy);
    }
}

fn add_organization_policies(chance: &mut Chance, case: &mut Value, aims: &[Aim]) {
    for account in [A, B] {
        let pointer = format!("/setup/accounts/{account}");
        if case.pointer(&pointer).is_none() {
            continue;
        }
        if chance.percent(75) {
            let levels: Vec<Value> = (0..1 + chance.below(3)).map(|_| scp_level(chance, aims)).collect();
            set(at(case, &pointer), "scp_levels", levels.into());
        }
        if chance.percent(30) {
            let count = 1 + chance.below(2);
            let rcps: Vec<Value> = (0..count).map(|_| policy_of(chance, Kind::Rcp, aims, 0, 22)).collect();
            set(at(case, &pointer), "rcps", rcps.into());
        }
    }
}

fn scp_level(chance: &mut Chance, aims: &[Aim]) -> Value {
    let everything = json!({ "Version": "2012-10-17", "Statement": [{ "Effect": "Allow", "Action": "*", "Resource": "*" }] });
    let mut level = Vec::new();
    if chance.percent(85) {
        level.push(everything);
    }
    if level.is_empty() || chance.percent(30) {
        level.push(policy_of(chance, Kind::Scp, aims, 55, 14));
    }
    level.into()
}

fn aims(case: &Value) -> Vec<Aim> {
    let Some(read) = read(case) else { return Vec::new() };
    let parties = parties(case);
    let caller = text(case, "/request/principal");
    let id = case.pointer("/setup/principals/0/unique_id").cloned().filter(|_| caller.starts_with("arn:") && !caller.ends_with(":root"));
    let mut names: Vec<Value> = parties.caller.iter().map(|arn| json!({ "AWS": arn })).chain(id.map(|id| json!({ "AWS": id }))).collect();
    names.push(json!("*"));
    names.push(json!({ "AWS": "*" }));
    if !caller.starts_with("arn:") {
        names.extend([json!({ "Service": caller }), json!({ "Service": caller }), json!({ "Service": [caller, "ec2.amazonaws.com"] })]);
    }
    let account = caller.split(':').nth(4).unwrap_or_default().to_owned();
    names.push(json!({ "AWS": if account.is_empty() { A } else { &account } }));
    let others: Vec<Value> = parties.others.iter().map(|arn| json!({ "AWS": arn })).chain([json!({ "Service": SERVICES })]).collect();
    let aim = |permission: &keyward_cases::CasePermission| Aim {
        permission: permission.op.clone(),
        resource: permission.resource.clone(),
        facts: known(&read, permission),
        names: names.clone(),
        others: others.clone(),
        account: account.clone(),
        owner: permission.resource.split(':').nth(4).unwrap_or(A).to_owned(),
    };
    read.request.authorize.iter().map(aim).collect()
}

fn document(chance: &mut Chance, mut statements: Vec<Value>) -> Value {
    let statement = if statements.len() == 1 && chance.percent(20) { statements.pop().unwrap_or_default() } else { statements.into() };
    match chance.below(20) {
        0 => json!({ "Version": "2008-10-17", "Statement": statement }),
        1 => json!({ "Statement": statement }),
        _ => json!({ "Version": "2012-10-17", "Statement": statement }),
    }
}

/// Shares are percentages: that there is an Allow that mostly fits, that there is a Deny that mostly fits.
fn policy_of(chance: &mut Chance, kind: Kind, aims: &[Aim], allows: usize, denies: usize) -> Value {
    let mut statements = Vec::new();
    if chance.percent(allows) {
        statements.extend(aims.iter().map(|aim| statement(chance, kind, aim, "Allow", true)));
        statements.dedup();
    }
    if chance.percent(25) && kind != Kind::Rcp {
        statements.push(about_one(chance, kind, aims, "Allow", false));
    }
    if chance.percent(denies) {
        statements.push(about_one(chance, kind, aims, "Deny", true));
    }
    if chance.percent(12) || kind == Kind::Rcp && statements.is_empty() {
        statements.push(about_one(chance, kind, aims, "Deny", false));
    }
    document(chance, statements)
}

fn about_one(chance: &mut Chance, kind: Kind, aims: &[Aim], effect: &str, hits: bool) -> Value {
    let aim = one(chance, aims);
    statement(chance, kind, aim, effect, hits)
}

fn one<'a>(chance: &mut Chance, aims: &'a [Aim]) -> &'a Aim {
    #[expect(clippy::indexing_slicing, reason = "callers have at least one aim, and `below` stays below")]
    &aims[chance.below(aims.len())]
}

fn key_policy(chance: &mut Chance, aims: &[Aim]) -> Value {
    let aim = one(chance, aims);
    let mut statements = Vec::new();
    if chance.percent(5) {
        // [A803]
        return json!({ "Version": "2012-10-17", "Statement": [
            { "Effect": "Allow", "Principal": { "AWS": "*" }, "Action": ["kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:CreateGrant", "kms:DescribeKey"],
              "Resource": "*", "Condition": { "StringEquals": { "kms:CallerAccount": aim.owner, "kms:ViaService": "s3.us-east-1.amazonaws.com" } } },
            { "Effect": "Allow", "Principal": { "AWS": format!("arn:aws:iam::{}:root", aim.owner) }, "Action": ["kms:Describe*", "kms:Get*", "kms:List*", "kms:RevokeGrant"], "Resource": "*" },
        ] });
    }
    if chance.percent(42) {
        let account = if chance.percent(65) { &aim.account } else { &aim.owner };
        let account = if account.is_empty() { &aim.owner } else { account };
        let mut delegation =
            json!({ "Effect": "Allow", "Principal": { "AWS": format!("arn:aws:iam::{account}:root") }, "Action": "kms:*", "Resource": "*" });
        if chance.percent(20) {
            set(&mut delegation, "Condition", condition(chance, aim, true));
        }
        statements.push(delegation);
    }
    if chance.percent(45) {
        statements.push(statement(chance, Kind::Key, aim, "Allow", true));
    }
    for _ in 0..chance.below(3) {
        let effect = if chance.percent(85) { "Allow" } else { "Deny" };
        statements.push(statement(chance, Kind::Key, aim, effect, false));
    }
    if chance.percent(6) {
        statements.push(statement(chance, Kind::Key, aim, "Deny", true));
    }
    document(chance, statements)
}

/// Mostly a policy that can be saved and that its author can replace.
fn new_policy(chance: &mut Chance, case: &Value, aims: &[Aim]) -> Value {
    let aim = one(chance, aims);
    let put = Aim {
        permission: "PutKeyPolicy".into(),
        resource: case.pointer("/request/new_key_arn").and_then(Value::as_str).map_or_else(|| aim.resource.clone(), str::to_owned),
        facts: aim.facts.clone(),
        names: aim.names.clone(),
        others: aim.others.clone(),
        account: aim.account.clone(),
        owner: aim.owner.clone(),
    };
    let mut statements = Vec::new();
    if chance.percent(60) {
        statements.push(
            json!({ "Effect": "Allow", "Principal": { "AWS": format!("arn:aws:iam::{}:root", put.account) }, "Action": "kms:*", "Resource": "*" }),
        );
    }
    if chance.percent(65) {
        statements.push(json!({ "Effect": "Allow", "Principal": chance.pick(&put.names), "Action": "kms:*", "Resource": "*" }));
    }
    if chance.percent(20) {
        statements.push(statement(chance, Kind::Key, &put, "Allow", true));
    }
    if chance.percent(20) {
        statements.push(statement(chance, Kind::Key, &put, "Deny", true));
    }
    if chance.percent(25) {
        statements.push(broken_statement(chance));
    }
    json!({ "Version": "2012-10-17", "Statement": statements })
}

/// What a key policy may not hold when it is saved (A110).
fn broken_statement(chance: &mut Chance) -> Value {
    let all = json!({ "Effect": "Allow", "Principal": "*", "Action": "kms:Decrypt", "Resource": "*" });
    let (name, value) = chance.pick(&[
        ("Principal", json!({ "AWS": "arn:aws:iam::111122223333:role/nobody" })),
        ("Principal", json!({ "AWS": "arn:aws:iam::111122223333:role/app-*" })),
        ("Principal", json!({ "AWS": "arn:aws:sts::111122223333:assumed-role/ghost/s" })),
        ("Principal", json!({ "Federated": "accounts.example.com" })),
        ("Principal", json!({ "Service": "logs.example.com" })),
        ("Principal", json!({ "AWS": "arn:aws:iam::111122223333:group/g" })),
        ("Principal", json!({ "AWS": "AROAGONEGONEGONE001" })),
        ("Principal", json!({ "AWS": "arn:aws-cn:iam::111122223333:root" })),
        ("Effect", json!("allow")),
        ("NotAction", json!("kms:Encrypt")),
        ("Owner", json!("x")),
        ("Condition", json!({ "StringEqual": { "aws:username": "ann" } })),
        ("Condition", json!({ "ForAllValues:StringEquals": { "kms:EncryptionContext:tenant": "a" } })),
        ("Condition", json!({ "ForAllValues:StringLike": { "aws:RequestTag/team": "*" } })),
        ("Condition", json!({ "NullIfExists": { "aws:username": "true" } })),
        ("Condition", json!("none")),
    ]);
    let mut broken = all;
    set(&mut broken, name, value);
    broken
}

fn statement(chance: &mut Chance, kind: Kind, aim: &Aim, effect: &str, hits: bool) -> Value {
    let mut statement = json!({ "Effect": effect });
    if chance.percent(10) {
        set(&mut statement, "Sid", json!("S1"));
    }
    let hit = |chance: &mut Chance| chance.percent(if hits { 95 } else { 45 });
    match kind {
        Kind::Key | Kind::Endpoint if effect == "Deny" && chance.percent(12) => {
            let listed: Vec<String> = aim.names.iter().filter_map(|name| name.get("AWS").and_then(Value::as_str).map(str::to_owned)).collect();
            let listed = if chance.percent(50) { listed } else { chance.some(&listed, 3) };
            set(&mut statement, "NotPrincipal", json!({ "AWS": listed }));
        }
        Kind::Key | Kind::Endpoint => {
            let principal = if hit(chance) { chance.pick(&aim.names) } else { chance.pick(&aim.others) };
            set(&mut statement, "Principal", principal);
        }
        Kind::Rcp => set(&mut statement, "Principal", json!("*")),
        Kind::Identity | Kind::Limit | Kind::Scp => {}
    }
    let fits = hit(chance);
    let (name, value) = action(chance, kind, aim, fits);
    set(&mut statement, name, value);
    let fits = hit(chance);
    let (name, value) = resource(chance, kind, aim, fits);
    set(&mut statement, name, value);
    if chance.percent(if hits { 35 } else { 60 }) {
        let fits = chance.percent(if hits { 88 } else { 55 });
        set(&mut statement, "Condition", condition(chance, aim, fits));
    }
    statement
}

fn action(chance: &mut Chance, kind: Kind, aim: &Aim, fits: bool) -> (&'static str, Value) {
    let permission = aim.permission.as_str();
    let stem: String = permission.chars().take(4).collect();
    if !fits {
        return match chance.below(6) {
            0 => ("NotAction", json!([format!("kms:{stem}*"), "kms:Zzz"])),
            1 => ("Action", json!("s3:*")),
            2 => ("Action", json!("kms:ReEncrypt")),
            _ => ("Action", json!(chance.pick(&["kms:Describe*", "kms:List*", "kms:Get*", "kms:CreateGrant", "kms:Decrypt", "kms:Update*"]))),
        };
    }
    match chance.below(12) {
        0..4 => ("Action", json!(format!("kms:{permission}"))),
        4..7 => ("Action", json!("kms:*")),
        7 => ("Action", json!(format!("KMS:{}*", stem.to_uppercase()))),
        8 => ("Action", json!([format!("kms:?{}", permission.chars().skip(1).collect::<String>()), "kms:DescribeKey"])),
        9 if kind != Kind::Rcp => ("NotAction", json!(chance.pick(&["kms:Zzz", "s3:*", "kms:Disable"]))),
        10 if kind != Kind::Rcp => ("Action", json!("*")),
        _ => ("Action", json!([format!("kms:{permission}"), "kms:Encrypt", "kms:Decrypt", "kms:GenerateDataKey*"])),
    }
}

fn resource(chance: &mut Chance, kind: Kind, aim: &Aim, fits: bool) -> (&'static str, Value) {
    let owner = if aim.resource == "*" { aim.account.as_str() } else { aim.owner.as_str() };
    if !fits {
        return match chance.below(6) {
            0 => ("NotResource", json!(if aim.resource == "*" { "*" } else { &aim.resource })),
            1 => ("Resource", json!(format!("arn:aws:kms:us-east-1:{owner}:alias/app"))),
            2 => ("Resource", json!(format!("arn:aws:kms:eu-west-1:{owner}:key/*"))),
            3 => ("Resource", json!("arn:aws:kms:us-east-1:999999999999:key/*")),
            4 => ("Resource", json!(aim.resource.rsplit('/').next().unwrap_or_default())),
            _ => ("Resource", json!("arn:aws:kms:us-east-1:${aws:PrincipalAccount}:key/*")),
        };
    }
    if kind == Kind::Key && chance.percent(90) {
        return ("Resource", json!("*"));
    }
    if aim.resource == "*" {
        return ("Resource", json!(if chance.percent(60) { "*".to_owned() } else { format!("arn:aws:kms:us-east-1:{owner}:*") }));
    }
    match chance.below(9) {
        0..4 => ("Resource", json!("*")),
        4 | 5 => ("Resource", json!([aim.resource, format!("arn:aws:kms:*:{owner}:alias/*")])),
        6 => ("Resource", json!(format!("arn:aws:kms:*:{owner}:*"))),
        7 => ("NotResource", json!(["arn:aws:kms:*:*:key/00000000-*", "arn:aws:s3:::*"])),
        _ => ("Resource", json!(chance.pick(&["arn:aws:kms:*", "arn:*:kms:*:????????????:?*", "arn:aws:kms:us-east-1:*:*/*"]))),
    }
}

/// Keys that most requests lack.
const ABSENT: [&str; 7] = [
    "aws:MultiFactorAuthAge",
    "kms:ViaService",
    "aws:username",
    "aws:PrincipalTag/team",
    "kms:EncryptionContext:tenant",
    "aws:SourceVpce",
    "kms:RequestAlias",
];

/// One or two tests; fitting ones are all met, mostly.
fn condition(chance: &mut Chance, aim: &Aim, fits: bool) -> Value {
    let mut block = Map::new();
    let wanted = if chance.percent(75) { 1 } else { 2 };
    for at in 0..wanted {
        let fits = fits || at + 1 < wanted && chance.percent(50);
        let at = chance.below(aim.facts.len() + 2);
        let (operator, key, values) = match aim.facts.get(at) {
            Some((key, values)) => test(chance, key, values, fits),
            None => test_of_absent(chance, aim, fits),
        };
        let key = if chance.percent(10) { key.to_uppercase() } else { key };
        let keys = block.entry(operator).or_insert_with(|| json!({}));
        set(keys, &key, values);
    }
    Value::Object(block)
}

fn test_of_absent(chance: &mut Chance, aim: &Aim, fits: bool) -> (String, String, Value) {
    let absent: Vec<&str> = ABSENT.into_iter().filter(|key| !aim.facts.iter().any(|(name, _)| name.eq_ignore_ascii_case(key))).collect();
    let key = chance.pick(&absent);
    let operators: &[&str] = if fits {
        &[
            "StringNotEquals",
            "StringEqualsIfExists",
            "StringLikeIfExists",
            "ForAllValues:StringEquals",
            "StringNotLike",
            "ForAnyValue:StringEqualsIfExists",
        ]
    } else {
        &["StringEquals", "StringLike", "ForAnyValue:StringEquals", "ArnLike", "Bool", "NumericLessThan"]
    };
    if chance.percent(25) {
        return ("Null".into(), key.into(), json!(fits.to_string()));
    }
    (chance.pick(operators).to_owned(), key.to_owned(), json!("x"))
}

/// A test of a key that is there.
fn test(chance: &mut Chance, key: &str, values: &[String], fits: bool) -> (String, String, Value) {
    let value = values.first().cloned().unwrap_or_default();
    let (operator, wanted) = if chance.percent(8) {
        ("Null".to_owned(), json!((!fits).to_string()))
    } else if is_multivalued(key) {
        test_of_set(chance, values, fits)
    } else {
        let (operator, wanted) = test_of_one(chance, key, &value, fits);
        let operator = match chance.below(20) {
            0 => format!("{operator}IfExists"),
            1 => format!("ForAnyValue:{operator}"),
            2 => format!("ForAllValues:{operator}"),
            _ => operator.to_owned(),
        };
        (operator, wanted)
    };
    (operator, key.to_owned(), wanted)
}

fn is_multivalued(key: &str) -> bool {
    let lists = ["EncryptionContextKeys", "GrantOperations", "ResourceAliases", "TagKeys", "OrgPaths", "ServiceNamesList", "CalledVia"];
    lists.iter().any(|list| key.to_lowercase().ends_with(&list.to_lowercase()))
}

fn test_of_set(chance: &mut Chance, values: &[String], fits: bool) -> (String, Value) {
    let first = values.first().cloned().unwrap_or_default();
    let (operator, wanted) = match (fits, chance.below(4)) {
        (true, 0) => ("ForAllValues:StringEquals", json!(values)),
        (true, 1) => ("ForAnyValue:StringEquals", json!([first, "other"])),
        (true, 2) => ("ForAllValues:StringNotEquals", json!(["other"])),
        (true, _) => ("ForAnyValue:StringLike", json!("*")),
        (false, 0) => ("StringEquals", json!(first)),
        (false, 1) => ("ForAllValues:StringEquals", json!("other")),
        (false, 2) => ("StringNotEquals", json!("other")),
        (false, _) => ("ForAnyValue:StringEquals", json!(["other", "more"])),
    };
    (operator.to_owned(), wanted)
}

fn test_of_one(chance: &mut Chance, key: &str, value: &str, fits: bool) -> (&'static str, Value) {
    let lower = key.to_lowercase();
    if chance.percent(50) {
        let special = if lower == "aws:sourceip" {
            Some(test_of_ip(chance, value, fits))
        } else if value.starts_with("arn:") {
            Some(test_of_arn(chance, value, fits))
        } else if value == "true" || value == "false" {
            let truth = if fits { value.to_owned() } else { (value != "true").to_string() };
            Some(("Bool", if chance.percent(50) { json!(truth) } else { json!(truth == "true") }))
        } else if lower.ends_with("time") {
            let operator = if fits { "DateGreaterThanEquals" } else { "DateLessThan" };
            Some((operator, json!(chance.pick(&["2026-02-01T00:00:00Z", "1769904000", "2026-01-31T23:00:00-01:00"]))))
        } else {
            value.parse::<i64>().ok().filter(|_| value.len() < 5).map(|number| test_of_number(chance, number, fits))
        };
        if let Some(test) = special {
            return test;
        }
    }
    let start: String = value.chars().take(3).collect();
    match (fits, chance.below(6)) {
        (true, 0) => ("StringEquals", json!([value, "other"])),
        (true, 1) => ("StringLike", json!(format!("{start}*"))),
        (true, 2) => ("StringEqualsIgnoreCase", json!(value.to_uppercase())),
        (true, 3) => ("StringNotEquals", json!(["other", "more"])),
        (true, 4) => ("StringNotLike", json!("other*")),
        (true, _) => ("StringEquals", json!(own_variable(chance, key, value))),
        (false, 0) => ("StringEquals", json!(["other", value.to_uppercase() + "x"])),
        (false, 1) => ("StringNotEquals", json!([value, "other"])),
        (false, 2) => ("StringEqualsIgnoreCase", json!("other")),
        (false, 3) => ("StringNotLike", json!(format!("{start}*"))),
        (false, 4) => ("StringLike", json!("o?her*")),
        (false, _) => ("StringEquals", json!("${aws:PrincipalTag/none}")),
    }
}

/// A way to say the value through a variable (A170–A172).
fn own_variable(chance: &mut Chance, key: &str, value: &str) -> String {
    match chance.below(3) {
        0 => format!("${{{key}}}"),
        1 => format!("${{aws:PrincipalTag/none, '{value}'}}"),
        _ => value.to_owned(),
    }
}

fn test_of_ip(chance: &mut Chance, value: &str, fits: bool) -> (&'static str, Value) {
    let near = match value {
        "203.0.113.9" => chance.pick(&["203.0.113.0/24", "203.0.113.9", "203.0.113.8/29", "0.0.0.0/0"]),
        "198.51.100.7" => chance.pick(&["198.51.100.0/28", "198.51.100.7/32", "198.0.0.0/8"]),
        _ => chance.pick(&["2001:db8::/32", "2001:db8::1", "::/0"]),
    };
    let far = chance.pick(&["192.0.2.0/24", "203.0.113.8", "2001:db9::/32"]);
    match (fits, chance.percent(60)) {
        (true, true) => ("IpAddress", json!([far, near])),
        (true, false) => ("NotIpAddress", json!(far)),
        (false, true) => ("IpAddress", json!(far)),
        (false, false) => ("NotIpAddress", json!([near, far])),
    }
}

fn test_of_arn(chance: &mut Chance, value: &str, fits: bool) -> (&'static str, Value) {
    let parts: Vec<&str> = value.splitn(6, ':').collect();
    let open = match parts.as_slice() {
        [arn, partition, service, region, account, resource] => match chance.below(3) {
            0 => format!("{arn}:{partition}:{service}:{region}:*:{resource}"),
            1 => format!("{arn}:{partition}:*:{region}:{account}:{}*", resource.chars().take(3).collect::<String>()),
            _ => value.to_owned(),
        },
        _ => value.to_owned(),
    };
    let closed = "arn:aws:iam::*:role/none";
    match (fits, chance.below(4)) {
        (true, 0) => ("ArnEquals", json!([closed, open])),
        (true, 1) => ("ArnNotLike", json!(closed)),
        (true, _) => ("ArnLike", json!(open)),
        (false, 0) => ("ArnNotEquals", json!([closed, open])),
        (false, 1) => ("ArnLike", json!("arn:aws:*:role/app")),
        (false, _) => ("ArnEquals", json!(closed)),
    }
}

fn test_of_number(chance: &mut Chance, number: i64, fits: bool) -> (&'static str, Value) {
    match (fits, chance.below(4)) {
        (true, 0) => ("NumericLessThanEquals", json!(number)),
        (true, 1) => ("NumericEquals", json!(format!("{number}.0"))),
        (true, 2) => ("NumericNotEquals", json!(number + 1)),
        (true, _) => ("NumericGreaterThan", json!(number - 1)),
        (false, 0) => ("NumericLessThan", json!(number)),
        (false, 1) => ("NumericNotEquals", json!(number)),
        (false, 2) => ("NumericGreaterThan", json!(number)),
        (false, _) => ("NumericGreaterThanEquals", json!(number + 1)),
    }
}
