//! What a key policy must be to be saved (A110, A101–A107, A120–A130, A167).

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use keyward_cases::Case;

use super::caller::is_role;
use super::condition::{Operator, Set};
use super::pattern::{segment, segments};
use super::statement::{Entry, entries, strings};

/// The policy that is to be saved, or nothing when it is malformed.
pub(super) fn read(case: &Case, sent: &Value, key_arn: &str) -> Option<Value> {
    let text = sent.as_str().map_or_else(|| sent.to_string(), str::to_owned);
    // [A107]
    if text.chars().any(|char| !matches!(char, '\t' | '\n' | '\r' | '\u{20}'..='\u{ff}')) {
        return None;
    }
    let Once(policy) = serde_json::from_str(&text).ok()?;
    document_is_fine(case, &policy, segment(key_arn, 1)).then_some(policy)
}

/// [A101] [A102]
fn document_is_fine(case: &Case, policy: &Value, partition: &str) -> bool {
    let Some(elements) = policy.as_object() else { return false };
    elements.iter().all(|(name, value)| match name.as_str() {
        "Version" => matches!(value.as_str(), Some("2012-10-17" | "2008-10-17")),
        "Id" => value.is_string(),
        "Statement" => match value {
            Value::Array(statements) => statements.iter().all(|statement| statement_is_fine(case, statement, partition)),
            statement => statement_is_fine(case, statement, partition),
        },
        _ => false,
    }) && elements.contains_key("Statement")
}

/// [A103] [A104] [A129]
fn statement_is_fine(case: &Case, statement: &Value, partition: &str) -> bool {
    let principal = |name: &str| statement.get(name).map(|principal| principals_are_fine(case, principal, partition));
    let principal = match (principal("Principal"), principal("NotPrincipal")) {
        (Some(fine), None) => fine,
        (None, Some(fine)) => fine && statement.get("Effect").is_some_and(|effect| effect == "Deny"),
        _ => false,
    };
    is_well_formed(statement) && principal && statement.get("Sid").is_none_or(Value::is_string) && !is_overly_permissive(statement)
}

/// [A103] [A105] [A110] What a stored statement must be to have any effect.
pub(super) fn is_well_formed(statement: &Value) -> bool {
    let Some(elements) = statement.as_object() else { return false };
    let both = |one: &str, other: &str| elements.contains_key(one) && elements.contains_key(other);
    elements.iter().all(|(name, value)| match name.as_str() {
        "Effect" => matches!(value.as_str(), Some("Allow" | "Deny")),
        "Action" | "NotAction" => texts(value).is_some_and(|patterns| patterns.iter().all(|pattern| is_action(pattern))),
        "Resource" | "NotResource" => texts(value).is_some(),
        "Condition" => value.as_object().is_some_and(condition_is_fine),
        // Among others invalid names mean nobody; alone they would exempt nobody from a Deny.
        "NotPrincipal" => entries(value).iter().any(is_name),
        "Sid" | "Principal" => true,
        _ => false,
    }) && elements.contains_key("Effect")
        && !both("Action", "NotAction")
        && !both("Resource", "NotResource")
        && !both("Principal", "NotPrincipal")
}

/// [A131]
fn is_action(pattern: &str) -> bool {
    let named = pattern.split_once(':').is_some_and(|(prefix, name)| !prefix.is_empty() && !name.is_empty() && !prefix.contains(['*', '?']));
    named || pattern == "*" || pattern == "*:*"
}

fn texts(value: &Value) -> Option<Vec<String>> {
    match value {
        Value::String(_) => strings(value),
        Value::Array(values) if values.iter().all(Value::is_string) => strings(value),
        _ => None,
    }
}

/// [A120] [A121] [A122] [A123] [A126] [A130]
fn principals_are_fine(case: &Case, principal: &Value, partition: &str) -> bool {
    if principal.as_str() == Some("*") {
        return true;
    }
    principal.as_object().is_some_and(|types| {
        // [A111] Without anybody in it there is none.
        !entries(principal).is_empty()
            && types.iter().all(|(of, values)| {
                texts(values).is_some_and(|values| match of.as_str() {
                    "AWS" => values.iter().all(|value| value == "*" || exists(case, value, partition)),
                    "Service" => values.iter().all(|value| is_service(value)),
                    _ => false,
                })
            })
    })
}

fn is_service(name: &str) -> bool {
    let host = name.strip_suffix(".amazonaws.com").or_else(|| name.strip_suffix(".amazonaws.com.cn"));
    host.is_some_and(|host| host.split('.').all(|label| !label.is_empty() && label.chars().all(|char| char.is_ascii_alphanumeric() || char == '-')))
}

/// [A121] [A122] [A126] Whether an entry has the form of a name.
fn is_name(entry: &Entry) -> bool {
    match entry.of.as_str() {
        "AWS" => entry.value == "*" || is_account(&entry.value) || is_unique_id(&entry.value) || is_principal_arn(&entry.value),
        "Service" => is_service(&entry.value),
        "Federated" | "CanonicalUser" => true,
        _ => false,
    }
}

/// [A206]
fn is_unique_id(text: &str) -> bool {
    let fine = |char: char| char.is_ascii_uppercase() || char.is_ascii_digit();
    (text.starts_with("AIDA") || text.starts_with("AROA")) && (16..=128).contains(&text.len()) && text.chars().all(fine)
}

fn is_principal_arn(text: &str) -> bool {
    let parts = segments(text);
    let ["arn", partition, service, "", account, resource] = parts.as_slice() else { return false };
    let (kind, name) = resource.split_once('/').unwrap_or((resource, ""));
    let named = match (*service, kind) {
        ("iam", "root") => *resource == "root",
        ("iam", "user" | "role") | ("sts", "federated-user") => !name.is_empty(),
        ("sts", "assumed-role") => name.split_once('/').is_some_and(|(role, session)| !role.is_empty() && !session.is_empty()),
        _ => false,
    };
    named && partition.starts_with("aws") && is_account(account) && !text.contains(['*', '?'])
}

/// [A130] Users and roles are those of the case; accounts and federated names always exist (cases/README.md).
fn exists(case: &Case, value: &str, partition: &str) -> bool {
    let listed = |wanted: &dyn Fn(&str) -> bool| case.setup.principals.iter().any(|principal| wanted(&principal.arn));
    if is_account(value) || case.setup.principals.iter().any(|principal| principal.unique_id.as_deref() == Some(value)) {
        return true;
    }
    // [A121]
    if !is_principal_arn(value) || segment(value, 1) != partition {
        return false;
    }
    match segment(value, 5).split('/').collect::<Vec<_>>().as_slice() {
        ["user" | "role", ..] => listed(&|arn| arn == value),
        ["assumed-role", role, ..] => listed(&|arn| is_role(arn, segment(value, 4), role)),
        _ => true,
    }
}

fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// [A150] [A151] [A105]
fn condition_is_fine(condition: &Map<String, Value>) -> bool {
    condition.iter().all(|(operator, keys)| {
        let keys = keys.as_object().filter(|_| Operator::named(operator).is_some());
        keys.is_some_and(|keys| keys.values().all(|values| strings(values).is_some()))
    })
}

/// [A167]
fn is_overly_permissive(statement: &Value) -> bool {
    let operators = statement.get("Condition").and_then(Value::as_object).into_iter().flatten();
    operators.filter(|(name, _)| Operator::named(name).is_some_and(|operator| operator.set == Some(Set::All))).any(|(_, keys)| {
        let mut keys = keys.as_object().into_iter().flatten().map(|(key, _)| key.to_lowercase());
        keys.any(|key| key.starts_with("kms:encryptioncontext:") || key.starts_with("aws:requesttag/"))
    })
}

/// A JSON value in which no object has a key twice (A101).
struct Once(Value);

impl<'de> Deserialize<'de> for Once {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Once;

            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("JSON without repeated keys")
            }

            fn visit_bool<E>(self, value: bool) -> Result<Once, E> {
                Ok(Once(value.into()))
            }

            fn visit_i64<E>(self, value: i64) -> Result<Once, E> {
                Ok(Once(value.into()))
            }

            fn visit_u64<E>(self, value: u64) -> Result<Once, E> {
                Ok(Once(value.into()))
            }

            fn visit_f64<E>(self, value: f64) -> Result<Once, E> {
                Ok(Once(value.into()))
            }

            fn visit_str<E>(self, value: &str) -> Result<Once, E> {
                Ok(Once(value.into()))
            }

            fn visit_unit<E>(self) -> Result<Once, E> {
                Ok(Once(Value::Null))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut values: A) -> Result<Once, A::Error> {
                let mut array = Vec::new();
                while let Some(Once(value)) = values.next_element()? {
                    array.push(value);
                }
                Ok(Once(array.into()))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Once, A::Error> {
                let mut object = Map::new();
                while let Some((key, Once(value))) = entries.next_entry::<String, Once>()? {
                    if object.insert(key, value).is_some() {
                        return Err(serde::de::Error::custom("a key twice"));
                    }
                }
                Ok(Once(object.into()))
            }
        }
        deserializer.deserialize_any(Reader)
    }
}
