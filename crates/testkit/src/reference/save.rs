//! What a key policy must be to be saved (A110, A101–A107, A120–A130, A167).

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use keyward_cases::Case;

use super::caller::is_role;
use super::condition::{Base, Operator, Set};
use super::pattern::{segment, segments};
use super::statement::strings;

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
        "Action" | "NotAction" | "Resource" | "NotResource" => texts(value).is_some(),
        "Condition" => value.as_object().is_some_and(condition_is_fine),
        "Sid" | "Principal" | "NotPrincipal" => true,
        _ => false,
    }) && elements.contains_key("Effect")
        && !both("Action", "NotAction")
        && !both("Resource", "NotResource")
        && !both("Principal", "NotPrincipal")
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
        !types.is_empty()
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

/// [A130] Users and roles are those of the case; accounts and federated names always exist (cases/README.md).
fn exists(case: &Case, value: &str, partition: &str) -> bool {
    let listed = |wanted: &dyn Fn(&str) -> bool| case.setup.principals.iter().any(|principal| wanted(&principal.arn));
    if is_account(value) || case.setup.principals.iter().any(|principal| principal.unique_id.as_deref() == Some(value)) {
        return true;
    }
    let parts = segments(value);
    let [_, _, service, "", account, resource] = parts.as_slice() else { return false };
    if !value.starts_with(&format!("arn:{partition}:")) || !is_account(account) {
        return false;
    }
    let (kind, name) = resource.split_once('/').unwrap_or((resource, ""));
    match (*service, kind) {
        ("iam", "root") => name.is_empty(),
        ("iam", "user" | "role") => listed(&|arn| arn == value),
        ("sts", "assumed-role") => name
            .split_once('/')
            .is_some_and(|(role, session)| !session.is_empty() && !session.contains(['*', '?']) && listed(&|arn| is_role(arn, account, role))),
        ("sts", "federated-user") => !name.is_empty() && !name.contains(['*', '?']),
        _ => false,
    }
}

fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// [A150] [A151]
fn condition_is_fine(condition: &Map<String, Value>) -> bool {
    condition.iter().all(|(operator, keys)| {
        let (Some(operator), Some(keys)) = (Operator::named(operator), keys.as_object()) else { return false };
        let presence = |value: &String| ["true", "false"].contains(&value.as_str());
        // [A163]
        keys.values().all(|values| strings(values).is_some_and(|values| operator.base != Base::Null || values.iter().all(presence)))
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
