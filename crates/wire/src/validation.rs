//! What the text of a request alone can violate (K20–K23): told all at once, in AWS's words.

use serde_json::{Map, Value};

use crate::model::{Member, Operation, Shape, bytes, find, fits};

/// Members of AWS's API that this release does not support, by operation: given, they refuse the call. Members that nobody
/// knows are ignored (K6), but one of these asks for something that would then not be done.
const UNSUPPORTED: &[(&str, &[&str])] = &[
    ("ListRetirableGrants", &["RetiringServicePrincipal"]),
    ("CreateRole", &["MaxSigninSessionDuration"]),
    ("UpdateRole", &["MaxSigninSessionDuration", "ResetMaxSigninSessionDuration"]),
    ("AssumeRole", &["ProvidedContexts", "MinimumSessionTokenSize"]),
    ("GetFederationToken", &["MinimumSessionTokenSize"]),
    ("GetSessionToken", &["MinimumSessionTokenSize"]),
];

/// The members of an operation that this release does not support.
pub(crate) fn unsupported_members(operation: &str) -> &'static [&'static str] {
    UNSUPPORTED.iter().find(|(name, _)| *name == operation).map(|(_, members)| *members).unwrap_or_default()
}

/// The member of a request, if there is one, that this release does not support.
pub(crate) fn unsupported(operation: &str, is_given: impl Fn(&str) -> bool) -> Option<&'static str> {
    unsupported_members(operation).iter().copied().find(|member| is_given(member))
}

/// Checks the members of a request, each of which is of its type; the message names every violation, or there is none.
pub(crate) fn violations(operation: &Operation, members: &Map<String, Value>) -> Option<String> {
    let mut found = Vec::new();
    structure(&mut found, "", operation.members, members);
    // [K195] The model leaves the list unbounded.
    if operation.name == "CreateGrant" && members.get("Operations").and_then(Value::as_array).is_some_and(Vec::is_empty) {
        found.push("Value '[]' at 'operations' failed to satisfy constraint: Member must have length greater than or equal to 1".to_owned());
    }
    match found.as_slice() {
        [] => None,
        [only] => Some(format!("1 validation error detected: {only}")),
        all => Some(format!("{} validation errors detected: {}", all.len(), all.join("; "))),
    }
}

/// Adds what is missing, then what the members violate in the order in which they came.
fn structure(found: &mut Vec<String>, prefix: &str, known: &[Member], members: &Map<String, Value>) {
    let path = |name: &str| format!("{prefix}{}", lower_camel(name));
    for member in known.iter().filter(|member| member.required && members.get(member.name).is_none_or(Value::is_null)) {
        found.push(format!("Value null at '{}' failed to satisfy constraint: Member must not be null", path(member.name)));
    }
    for (name, value) in members.iter().filter(|(_, value)| !value.is_null()) {
        if let Some(member) = find(known, name) {
            collect(found, &path(name), value, member.shape);
        }
    }
}

/// `keyId` of `KeyId` (K21).
fn lower_camel(member: &str) -> String {
    let mut chars = member.chars();
    chars.next().map(|first| first.to_ascii_lowercase()).into_iter().chain(chars).collect()
}

/// Adds what a value violates, and what its elements and members do (K21).
fn collect(found: &mut Vec<String>, path: &str, value: &Value, shape: &Shape) {
    match (shape, value) {
        (Shape::Structure(known), Value::Object(members)) => structure(found, &format!("{path}."), known, members),
        (Shape::List { min, max, of }, Value::Array(elements)) => {
            let show = || format!("[{}]", elements.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", "));
            found.extend(length(elements.len(), *min, *max).map(|must| shown(path, &show(), &must)));
            match of {
                // [K22] Told of the whole list.
                Shape::Enum(_) => {
                    let wrong = elements.iter().find_map(|element| violated(element, of));
                    found.extend(wrong.map(|must| shown(path, &show(), &format!("satisfy constraint: [Member must {must}]"))));
                }
                _ => {
                    for (at, element) in elements.iter().enumerate() {
                        collect(found, &format!("{path}.{}.member", at + 1), element, of);
                    }
                }
            }
        }
        _ => {
            if let Some(must) = violated(value, shape) {
                found.push(match (shape, value) {
                    (Shape::Blob { .. } | Shape::Text { sensitive: true, .. }, _) => hidden(path, &must),
                    (_, Value::String(text)) => shown(path, text, &must),
                    _ => shown(path, &value.to_string(), &must),
                });
            }
        }
    }
}

fn shown(path: &str, value: &str, must: &str) -> String {
    format!("Value '{value}' at '{path}' failed to satisfy constraint: Member must {must}")
}

fn hidden(path: &str, must: &str) -> String {
    format!("Value at '{path}' failed to satisfy constraint: Member must {must}")
}

/// What a value without parts must be and is not (K22).
fn violated(value: &Value, shape: &Shape) -> Option<String> {
    match shape {
        Shape::Text { min, max, pattern, .. } => {
            let text = value.as_str()?;
            let taken = |pattern: &str| fits(pattern, text) || pattern == PROXY_ENDPOINT && is_proxy_endpoint(text);
            let broken = || pattern.filter(|pattern| !taken(pattern)).map(|pattern| format!("satisfy regular expression pattern: {pattern}"));
            length(text.chars().count(), *min, *max).or_else(broken)
        }
        Shape::Blob { min, max } => length(bytes(value.as_str()?)?, *min, *max),
        Shape::Integer { min, max } => match value.as_i64()? {
            number if number < *min => Some(format!("have value greater than or equal to {min}")),
            number if number > *max => Some(format!("have value less than or equal to {max}")),
            _ => None,
        },
        Shape::Enum(set) => (!set.contains(&value.as_str()?)).then(|| format!("satisfy enum value set: [{}]", set.join(", "))),
        Shape::Boolean | Shape::Timestamp | Shape::Texts | Shape::List { .. } | Shape::Structure(_) => None,
    }
}

/// (K136) The endpoint of an external key store's proxy, as the model has it.
const PROXY_ENDPOINT: &str = r"^https://[a-zA-Z0-9.-]+$";

/// One with a port, which AWS does not take; and whether `http://` is called at all, the operation asks whoever would call it.
fn is_proxy_endpoint(text: &str) -> bool {
    let place = text.strip_prefix("https://").or(text.strip_prefix("http://")).unwrap_or_default();
    let (host, port) = place.split_once(':').unwrap_or((place, "80"));
    fits(PROXY_ENDPOINT, &format!("https://{host}")) && port.parse::<u16>().is_ok_and(|port| port > 0)
}

fn length(length: usize, min: usize, max: usize) -> Option<String> {
    match length {
        _ if length < min => Some(format!("have length greater than or equal to {min}")),
        _ if length > max => Some(format!("have length less than or equal to {max}")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(operation: &str, body: &str, expected: Option<&str>) {
        let Ok(Value::Object(members)) = serde_json::from_str(body) else { panic!("an object") };
        assert_eq!(violations(Operation::named(operation).unwrap(), &members).as_deref(), expected, "{body}");
    }

    #[test]
    fn violations_read_as_aws_writes_them() {
        check("DescribeKey", r#"{"KeyId":"a"}"#, None);
        check("ListKeys", "{}", None);
        // [K21]
        check(
            "DescribeKey",
            r#"{"KeyId":null}"#,
            Some("1 validation error detected: Value null at 'keyId' failed to satisfy constraint: Member must not be null"),
        );
        // [K22]
        check(
            "ListKeys",
            r#"{"Limit":0}"#,
            Some("1 validation error detected: Value '0' at 'limit' failed to satisfy constraint: Member must have value greater than or equal to 1"),
        );
        // [K160]
        check(
            "Encrypt",
            r#"{"KeyId":"a","Plaintext":""}"#,
            Some(
                "1 validation error detected: Value at 'plaintext' failed to satisfy constraint: Member must have length greater than or equal to 1",
            ),
        );
        // [K20]
        check(
            "GenerateDataKey",
            r#"{"KeySpec":"AES_1"}"#,
            Some(
                "2 validation errors detected: Value null at 'keyId' failed to satisfy constraint: Member must not be null; \
                 Value 'AES_1' at 'keySpec' failed to satisfy constraint: Member must satisfy enum value set: [AES_256, AES_128]",
            ),
        );
        // [K23]
        check(
            "CreateKey",
            r#"{"KeyUsage":"HIDE","CustomerMasterKeySpec":"ML_KEM_512"}"#,
            Some(
                "2 validation errors detected: Value 'HIDE' at 'keyUsage' failed to satisfy constraint: Member must satisfy enum value set: \
                 [ENCRYPT_DECRYPT, SIGN_VERIFY, GENERATE_VERIFY_MAC, KEY_AGREEMENT, ENCAPSULATE_DECAPSULATE]; \
                 Value 'ML_KEM_512' at 'customerMasterKeySpec' failed to satisfy constraint: Member must satisfy enum value set: \
                 [RSA_2048, ECC_NIST_P384, ECC_NIST_P256, ECC_NIST_P521, HMAC_384, RSA_3072, ECC_SECG_P256K1, RSA_4096, SYMMETRIC_DEFAULT, \
                 HMAC_256, HMAC_224, HMAC_512, SM2]",
            ),
        );
        // [K195]
        check(
            "CreateGrant",
            r#"{"KeyId":"a","Constraints":{"SourceArn":"arn:aws:s3:::a-bucket-of-mine"},"GranteeServicePrincipal":"nonsense","Operations":[]}"#,
            Some(
                "3 validation errors detected: Value 'arn:aws:s3:::a-bucket-of-mine' at 'constraints.sourceArn' failed to satisfy constraint: \
                 Member must satisfy regular expression pattern: ^arn:aws[a-z0-9-]*:[a-z0-9-]+:[a-z0-9-]*:[0-9]{12}:.+$; \
                 Value 'nonsense' at 'granteeServicePrincipal' failed to satisfy constraint: \
                 Member must satisfy regular expression pattern: ^([A-Za-z0-9\\-]+)\\.([A-Za-z0-9\\-]+)(\\.[A-Za-z0-9\\-]+)+$; \
                 Value '[]' at 'operations' failed to satisfy constraint: Member must have length greater than or equal to 1",
            ),
        );
        check(
            "CreateGrant",
            r#"{"KeyId":"a","Operations":["Decrypt"],"GranteeServicePrincipal":"dynamodb.us-east-1.amazonaws.com","Constraints":{"SourceArn":"arn:aws:dynamodb:us-east-1:111122223333:table/t"}}"#,
            None,
        );
        // [K22] Of lists of enumerated values the whole is told.
        check(
            "ListKeys",
            r#"{"ResourceOwners":["SELF","ALL"]}"#,
            Some(
                "1 validation error detected: Value '[SELF, ALL]' at 'resourceOwners' failed to satisfy constraint: \
                 Member must satisfy constraint: [Member must satisfy enum value set: [SELF, OTHER_ACCOUNTS_VIA_RAM]]",
            ),
        );
        // [K21] Elements are counted from one.
        check(
            "TagResource",
            r#"{"KeyId":"a","Tags":[{"TagKey":"a","TagValue":"b"},{"TagKey":"","TagValue":"b"},{"TagKey":"c"}]}"#,
            Some(
                "2 validation errors detected: Value '' at 'tags.2.member.tagKey' failed to satisfy constraint: \
                 Member must have length greater than or equal to 1; \
                 Value null at 'tags.3.member.tagValue' failed to satisfy constraint: Member must not be null",
            ),
        );
        check(
            "UntagResource",
            r#"{"KeyId":"a","TagKeys":["a",""]}"#,
            Some(
                "1 validation error detected: Value '' at 'tagKeys.2.member' failed to satisfy constraint: \
                 Member must have length greater than or equal to 1",
            ),
        );
    }

    #[test]
    fn k136_endpoints_of_proxies_may_have_a_port() {
        let refused = |endpoint: &str| {
            let body = format!(r#"{{"CustomKeyStoreName":"a","XksProxyUriEndpoint":"{endpoint}"}}"#);
            let Ok(Value::Object(members)) = serde_json::from_str(&body) else { panic!("an object") };
            violations(Operation::named("CreateCustomKeyStore").unwrap(), &members).is_some()
        };
        for taken in ["https://xks.example.com", "https://xks.example.com:8443", "http://127.0.0.1:8080", "http://localhost"] {
            assert!(!refused(taken), "{taken}");
        }
        for wrong in
            ["https://a.example/b", "https://a.example:", "https://a.example:0", "https://a.example:x", "ftp://a.example", "https://u@a.example"]
        {
            assert!(refused(wrong), "{wrong}");
        }
    }

    #[test]
    fn secrets_are_never_shown() {
        // [K21]
        check(
            "CreateCustomKeyStore",
            r#"{"CustomKeyStoreName":"a","KeyStorePassword":"hushed","XksProxyAuthenticationCredential":{"AccessKeyId":"short"}}"#,
            Some(
                "3 validation errors detected: \
                 Value at 'keyStorePassword' failed to satisfy constraint: Member must have length greater than or equal to 7; \
                 Value null at 'xksProxyAuthenticationCredential.rawSecretAccessKey' failed to satisfy constraint: Member must not be null; \
                 Value at 'xksProxyAuthenticationCredential.accessKeyId' failed to satisfy constraint: \
                 Member must have length greater than or equal to 20",
            ),
        );
    }
}
