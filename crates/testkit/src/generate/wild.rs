//! Cases bent out of shape: what a stored policy or an odd request may hold all the same.

use serde_json::{Map, Value, json};

use super::{Chance, typed};

/// A case that was sensible before a few blows.
#[must_use]
pub fn wild(seed: u64) -> Value {
    let mut chance = Chance::from_seed(seed ^ 0x57_1D);
    let mut case = typed(chance.below(usize::MAX) as u64);
    if let Some(case) = case.as_object_mut() {
        case.insert("id".into(), json!(format!("wild-{seed}")));
    }
    for _ in 0..1 + chance.below(6) {
        let mut places = Vec::new();
        collect(&case, String::new(), &mut places);
        let place = chance.pick(&places);
        if let Some(value) = case.pointer_mut(&place) {
            bend(&mut chance, value, &place);
        }
    }
    case
}

/// Pointers to statements and what is in them, and to the data that conditions see.
fn collect(value: &Value, pointer: String, places: &mut Vec<String>) {
    let data = ["/tags", "/context", "/encryption_context", "/encryption_context_equals", "/encryption_context_subset"];
    let in_policy = pointer.contains("/Statement");
    if in_policy || data.iter().any(|data| pointer.ends_with(data)) {
        places.push(pointer.clone());
    }
    match value {
        Value::Array(values) => {
            for (at, value) in values.iter().enumerate() {
                collect(value, format!("{pointer}/{at}"), places);
            }
        }
        Value::Object(members) => {
            for (name, value) in members {
                let name = name.replace('~', "~0").replace('/', "~1");
                collect(value, format!("{pointer}/{name}"), places);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn bend(chance: &mut Chance, value: &mut Value, place: &str) {
    match value {
        Value::Object(members) if place.ends_with("/Condition") => bend_condition(chance, members),
        Value::Object(members) if members.contains_key("Effect") => bend_statement(chance, members),
        Value::Object(members) if !place.contains("/Statement") => bend_data(chance, members, place.ends_with("/context")),
        Value::Object(members) => bend_names(chance, members),
        Value::Array(values) if place.contains("/Statement/") => bend_list(chance, values),
        Value::String(text) if place.contains("/Condition/") => *value = bent_value(chance, text),
        Value::String(text) => *text = bent_text(chance, text),
        Value::Bool(_) | Value::Number(_) => *value = json!(chance.pick(&["true", "1", "0.0", "-7", "7.50"])),
        Value::Array(_) | Value::Null => {}
    }
}

const ODD_VALUES: [&str; 44] = [
    "",
    "*",
    "?",
    "**",
    "*a*",
    "a?",
    "${*}",
    "${?}",
    "${$}",
    "${aws:username}",
    "${aws:PrincipalTag/team}",
    "${aws:PrincipalTag/none, 'pay'}",
    "${aws:PrincipalTag/team,'pay'}",
    "${",
    "a${aws:userid",
    "${}",
    "${kms:EncryptionContextKeys}",
    "${AWS:PrincipalAccount}",
    "0",
    "-0",
    "007",
    "7.0",
    "+7",
    "7.",
    ".5",
    "1e3",
    "NaN",
    "9007199254740993",
    "2026",
    "2026-02",
    "2026-02-01",
    "2026-02-30",
    "2026-02-01T00:00Z",
    "2026-02-01T00:00:00.500Z",
    "2026-02-01T02:00:00+02:00",
    "1769904000",
    "203.0.113.0/24",
    "203.0.113.9/33",
    "203.0.113.9/24",
    "::ffff:203.0.113.9",
    "2001:DB8:0:0::1",
    "TRUE",
    "cGF5",
    "ÄÖ",
];

fn bent_value(chance: &mut Chance, text: &str) -> Value {
    match chance.below(8) {
        0..4 => json!(chance.pick(&ODD_VALUES)),
        4 => json!([text, chance.pick(&ODD_VALUES)]),
        5 => json!(chance.below(40)),
        6 => json!(chance.percent(50)),
        _ => json!(bent_text(chance, text)),
    }
}

fn bent_text(chance: &mut Chance, text: &str) -> String {
    let at = chance.below(text.chars().count().max(1));
    let edited = |edit: &dyn Fn(char) -> String| {
        text.chars().enumerate().map(|(place, char)| if place == at { edit(char) } else { char.to_string() }).collect::<String>()
    };
    match chance.below(10) {
        0 => text.to_uppercase(),
        1 => text.to_lowercase(),
        2 => edited(&|char| format!("*{char}")),
        3 => edited(&|_| "?".into()),
        4 => edited(&|_| "*".into()),
        5 => edited(&|_| String::new()),
        6 => edited(&|char| format!("{char}{char}")),
        7 => edited(&|char| format!("é{char}")),
        8 => format!("{text}*"),
        _ => format!("{text} "),
    }
}

const OPERATORS: [&str; 27] = [
    "StringEquals",
    "StringNotEquals",
    "StringEqualsIgnoreCase",
    "StringNotEqualsIgnoreCase",
    "StringLike",
    "StringNotLike",
    "ArnEquals",
    "ArnLike",
    "ArnNotEquals",
    "ArnNotLike",
    "NumericEquals",
    "NumericNotEquals",
    "NumericLessThan",
    "NumericLessThanEquals",
    "NumericGreaterThan",
    "NumericGreaterThanEquals",
    "DateEquals",
    "DateNotEquals",
    "DateLessThan",
    "DateLessThanEquals",
    "DateGreaterThan",
    "DateGreaterThanEquals",
    "Bool",
    "BinaryEquals",
    "IpAddress",
    "NotIpAddress",
    "Null",
];

/// Any operator, with or without a set and IfExists; rarely one that does not exist.
fn operator(chance: &mut Chance) -> String {
    if chance.percent(3) {
        return chance
            .pick(&["StringMatches", "stringEquals", "ForAllValues:Null", "NullIfExists", "ForAnyValues:StringEquals", "IfExists"])
            .to_owned();
    }
    let base = chance.pick(&OPERATORS);
    let set = if base == "Null" { "" } else { chance.pick(&["", "", "ForAllValues:", "ForAnyValue:"]) };
    let suffix = if base != "Null" && chance.percent(30) { "IfExists" } else { "" };
    format!("{set}{base}{suffix}")
}

fn bend_condition(chance: &mut Chance, operators: &mut Map<String, Value>) {
    let names: Vec<String> = operators.keys().cloned().collect();
    let name = chance.pick(&names);
    let keys = operators.get(&name).cloned().unwrap_or_else(|| json!({ "aws:username": "ann" }));
    match chance.below(5) {
        0 | 1 => {
            operators.remove(&name);
            operators.insert(operator(chance), keys);
        }
        2 => {
            operators.insert(operator(chance), keys);
        }
        3 => operators.clear(),
        _ => {
            let key = chance.pick(&[
                "aws:PrincipalArn",
                "aws:userid",
                "aws:TagKeys",
                "kms:EncryptionContextKeys",
                "aws:SourceIp",
                "aws:CurrentTime",
                "unknown:Key",
                "aws:ResourceTag/team",
            ]);
            operators.insert(operator(chance), json!({ key: chance.some(&ODD_VALUES, 2) }));
        }
    }
}

fn bend_statement(chance: &mut Chance, statement: &mut Map<String, Value>) {
    let pair = chance.pick(&[("Action", "NotAction"), ("Resource", "NotResource"), ("Principal", "NotPrincipal")]);
    let (plain, negated) = pair;
    match chance.below(8) {
        0 | 1 => {
            let (from, to) = if statement.contains_key(plain) { (plain, negated) } else { (negated, plain) };
            if let Some(value) = statement.remove(from) {
                statement.insert(to.into(), value);
            }
        }
        2 => {
            let effect = if statement.get("Effect") == Some(&json!("Allow")) { "Deny" } else { "Allow" };
            statement.insert("Effect".into(), json!(effect));
        }
        3 => {
            statement.remove(chance.pick(&["Resource", "Action", "Condition", "Sid"]));
        }
        4 => {
            let action = chance.pick(&["kms:*", "kms:?*", "*:*", "k*:Decrypt", "kms:", "*:Decrypt", "KMS:decrypt", "kms:De*t", "Decrypt", "kms:*:*"]);
            statement.insert("Action".into(), json!(action));
            statement.remove("NotAction");
        }
        5 => {
            let resource = chance.pick(&[
                "arn:*",
                "arn:aws:kms",
                "arn:aws:kms:*",
                "arn:aws:k*:*:*:*",
                "*:*:*:*:*:*",
                "arn:aws:kms:us-east-1:111122223333:key/*:*",
                "arn:aws:kms:us-east-1:111122223333:key/${aws:PrincipalTag/team}",
                "arn:aws:kms:us-east-1:111122223333:key/${aws:PrincipalTag/none, '*'}",
                "arn:aws:kms:us-east-1:111122223333:${*}",
                "arn:${aws:username}:kms:*:*:*",
                "ARN:aws:kms:*:*:*",
                "**",
                "?",
                "",
            ]);
            statement.insert("Resource".into(), json!(resource));
            statement.remove("NotResource");
        }
        6 => {
            statement.insert("Condition".into(), json!({ operator(chance): { "aws:PrincipalAccount": chance.some(&ODD_VALUES, 2) } }));
        }
        _ => {
            let name = chance.pick(&["Action", "Resource"]);
            statement.insert(name.into(), json!([]));
        }
    }
}

/// Names of condition keys or kinds of principals.
fn bend_names(chance: &mut Chance, members: &mut Map<String, Value>) {
    let names: Vec<String> = members.keys().cloned().collect();
    let name = chance.pick(&names);
    let Some(value) = members.get(&name).cloned() else { return };
    match chance.below(4) {
        0 => {
            members.remove(&name);
            members.insert(bent_text(chance, &name), value);
        }
        1 => {
            members.insert(name.to_uppercase(), value);
        }
        2 => {
            members.remove(&name);
        }
        _ => {
            members.insert(name, json!([value, chance.pick(&ODD_VALUES)]).pointer("/0").cloned().unwrap_or_default());
        }
    }
}

fn bend_list(chance: &mut Chance, values: &mut Vec<Value>) {
    match chance.below(3) {
        0 => values.clear(),
        1 => {
            values.pop();
        }
        _ => values.push(json!(chance.pick(&ODD_VALUES))),
    }
}

/// Tags, encryption contexts and verbatim contexts: other values, names that differ by case only.
fn bend_data(chance: &mut Chance, members: &mut Map<String, Value>, of_keys: bool) {
    let names: Vec<String> = members.keys().cloned().collect();
    let name = chance.pick(&names);
    match members.get(&name).cloned() {
        Some(Value::String(text)) => {
            let value = if chance.percent(50) { chance.pick(&ODD_VALUES).to_owned() } else { bent_text(chance, &text) };
            if chance.percent(30) {
                // A context names no key twice, whatever its case.
                if of_keys {
                    members.remove(&name);
                }
                members.insert(name.to_uppercase(), json!(value));
            } else {
                members.insert(name, json!(value));
            }
        }
        Some(Value::Array(values)) if chance.percent(50) => {
            members.insert(name, json!(values.into_iter().skip(1).collect::<Vec<_>>()));
        }
        _ => {
            members.remove(&name);
        }
    }
}
