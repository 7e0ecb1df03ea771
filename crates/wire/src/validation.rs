//! What the text of a request alone can violate (K20–K23): told all at once, in AWS's words.

use data_encoding::BASE64;
use serde_json::{Map, Value};

/// What a member must satisfy.
#[derive(Clone, Copy)]
enum Rule {
    /// Length in characters.
    Text(usize, usize),
    /// Length in characters, and what each must be: the pattern as AWS prints it, and the same as code.
    Pattern(usize, usize, &'static str, fn(char) -> bool),
    /// Length in characters, and the shape of the whole.
    Shape(usize, usize, &'static str, fn(&str) -> bool),
    /// Length in bytes; the value is never shown (K21).
    Blob(usize, usize),
    Range(i64, i64),
    Enum(&'static [&'static str]),
    /// Fewest elements of a list, and what each must be.
    EnumList(usize, &'static [&'static str]),
    /// Most elements, and the length of each.
    Texts(usize, usize, usize),
    /// Tags, each with key and value.
    Tags,
    /// Members of a structure.
    Members(&'static [(&'static str, Rule)]),
}

/// Shared constraints by member (Appendix A). The enum sets stand in AWS's recorded order, newer values behind (K23).
const RULES: &[(&str, Rule)] = &[
    ("KeyId", Rule::Text(1, 2048)),
    ("TargetKeyId", Rule::Text(1, 2048)),
    ("SourceKeyId", Rule::Text(1, 2048)),
    ("DestinationKeyId", Rule::Text(1, 2048)),
    ("AliasName", Rule::Pattern(1, 256, "^[a-zA-Z0-9:/_-]+$", is_name)),
    ("Description", Rule::Text(0, 8192)),
    ("Policy", Rule::Text(1, 131_072)),
    ("PolicyName", Rule::Pattern(1, 128, "[\\w]+", is_word)),
    ("Plaintext", Rule::Blob(1, 4096)),
    ("CiphertextBlob", Rule::Blob(1, 6144)),
    ("NumberOfBytes", Rule::Range(1, 1024)),
    ("GrantId", Rule::Text(1, 128)),
    ("Name", Rule::Pattern(1, 256, "^[a-zA-Z0-9:/_-]+$", is_name)),
    ("GranteePrincipal", Rule::Pattern(1, 256, "^[\\w+=,.@:/-]+$", is_principal)),
    ("RetiringPrincipal", Rule::Pattern(1, 256, "^[\\w+=,.@:/-]+$", is_principal)),
    ("GranteeServicePrincipal", SERVICE_PRINCIPAL),
    ("RetiringServicePrincipal", SERVICE_PRINCIPAL),
    ("Constraints", Rule::Members(&[("SourceArn", SOURCE_ARN)])),
    ("GrantTokens", Rule::Texts(10, 1, 8192)),
    ("GrantToken", Rule::Text(1, 8192)),
    ("TagKeys", Rule::Texts(50, 1, 128)),
    ("Tags", Rule::Tags),
    ("PendingWindowInDays", Rule::Range(1, 365)),
    ("Limit", Rule::Range(1, 1000)),
    ("Marker", Rule::Pattern(1, 1024, "[\\u0020-\\u00FF]*", |char| ('\u{20}'..='\u{ff}').contains(&char))),
    ("EncryptionAlgorithm", Rule::Enum(&["SYMMETRIC_DEFAULT", "RSAES_OAEP_SHA_1", "RSAES_OAEP_SHA_256", "SM2PKE"])),
    ("SourceEncryptionAlgorithm", Rule::Enum(&["SYMMETRIC_DEFAULT", "RSAES_OAEP_SHA_1", "RSAES_OAEP_SHA_256", "SM2PKE"])),
    ("DestinationEncryptionAlgorithm", Rule::Enum(&["SYMMETRIC_DEFAULT", "RSAES_OAEP_SHA_1", "RSAES_OAEP_SHA_256", "SM2PKE"])),
    ("KeyUsage", Rule::Enum(&["ENCRYPT_DECRYPT", "SIGN_VERIFY", "GENERATE_VERIFY_MAC", "KEY_AGREEMENT", "ENCAPSULATE_DECAPSULATE"])),
    ("Origin", Rule::Enum(&["AWS_KMS", "EXTERNAL", "AWS_CLOUDHSM", "EXTERNAL_KEY_STORE"])),
    ("Operations", Rule::EnumList(1, GRANT_OPERATIONS)),
    ("DryRunModifiers", Rule::EnumList(0, &["IGNORE_CIPHERTEXT"])),
];

const SERVICE_PRINCIPAL: Rule = Rule::Shape(1, 128, "^([A-Za-z0-9\\-]+)\\.([A-Za-z0-9\\-]+)(\\.[A-Za-z0-9\\-]+)+$", |text| {
    let label = |label: &str| !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    text.split('.').count() >= 3 && text.split('.').all(label)
});

const SOURCE_ARN: Rule = Rule::Shape(20, 512, "^arn:aws[a-z0-9-]*:[a-z0-9-]+:[a-z0-9-]*:[0-9]{12}:.+$", |text| {
    let lower = |segment: &str| segment.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    let segments: Vec<&str> = text.splitn(6, ':').collect();
    let [arn, partition, service, region, account, resource] = segments.as_slice() else { return false };
    let account = account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit());
    *arn == "arn"
        && partition.starts_with("aws")
        && lower(partition)
        && !service.is_empty()
        && lower(service)
        && lower(region)
        && account
        && !resource.is_empty()
});

fn is_word(char: char) -> bool {
    char.is_ascii_alphanumeric() || char == '_'
}

fn is_name(char: char) -> bool {
    is_word(char) || ":/-".contains(char)
}

fn is_principal(char: char) -> bool {
    is_word(char) || "+=,.@:/-".contains(char)
}

const KEY_SPECS: &[&str] = &[
    "RSA_2048",
    "ECC_NIST_P384",
    "ECC_NIST_P256",
    "ECC_NIST_P521",
    "HMAC_384",
    "RSA_3072",
    "ECC_SECG_P256K1",
    "RSA_4096",
    "SYMMETRIC_DEFAULT",
    "HMAC_256",
    "HMAC_224",
    "HMAC_512",
    "SM2",
    "ML_DSA_44",
    "ML_DSA_65",
    "ML_DSA_87",
    "ECC_NIST_EDWARDS25519",
    "ML_KEM_512",
    "ML_KEM_768",
    "ML_KEM_1024",
];

/// So many of them are as old as `CustomerMasterKeySpec`.
const OLD_KEY_SPECS: usize = 13;

const GRANT_OPERATIONS: &[&str] = &[
    "Decrypt",
    "Encrypt",
    "GenerateDataKey",
    "GenerateDataKeyWithoutPlaintext",
    "ReEncryptFrom",
    "ReEncryptTo",
    "Sign",
    "Verify",
    "GetPublicKey",
    "CreateGrant",
    "RetireGrant",
    "DescribeKey",
    "GenerateDataKeyPair",
    "GenerateDataKeyPairWithoutPlaintext",
    "GenerateMac",
    "VerifyMac",
    "DeriveSharedSecret",
    "Encapsulate",
    "Decapsulate",
];

/// Members of AWS's API that this release does not support, by operation: given, they refuse the call. Members that nobody
/// knows are ignored (K6), but one of these asks for something that would then not be done.
const UNSUPPORTED: &[(&str, &[&str])] = &[
    // [K156] The plaintext would go out in the clear.
    ("Decrypt", &["Recipient"]),
    ("GenerateDataKey", &["Recipient"]),
    ("GenerateRandom", &["Recipient", "CustomKeyStoreId"]),
    ("CreateKey", &["CustomKeyStoreId", "XksKeyId"]), // [K76]
    ("ListKeys", &["ResourceOwners"]),
    ("ListRetirableGrants", &["RetiringServicePrincipal"]),
    ("CreateRole", &["MaxSigninSessionDuration"]),
    ("UpdateRole", &["MaxSigninSessionDuration", "ResetMaxSigninSessionDuration"]),
    ("AssumeRole", &["ProvidedContexts", "MinimumSessionTokenSize"]),
    ("GetFederationToken", &["MinimumSessionTokenSize"]),
    ("GetSessionToken", &["MinimumSessionTokenSize"]),
];

/// The member of a request, if there is one, that this release does not support.
pub(crate) fn unsupported(operation: &str, is_given: impl Fn(&str) -> bool) -> Option<&'static str> {
    let members = UNSUPPORTED.iter().find(|(name, _)| *name == operation).map(|(_, members)| *members);
    members.unwrap_or_default().iter().copied().find(|member| is_given(member))
}

/// Checks a request's members; the message names every violation, or there is none.
pub(crate) fn violations(operation: &str, required: &[&str], members: &Map<String, Value>) -> Option<String> {
    let mut found = Vec::new();
    for name in required {
        if members.get(*name).is_none_or(Value::is_null) {
            found.push(missing(&path(name)));
        }
    }
    for (name, value) in members {
        match rule(operation, name) {
            Some(rule) if !value.is_null() => collect(&mut found, &path(name), value, rule),
            _ => {}
        }
    }
    match found.as_slice() {
        [] => None,
        [only] => Some(format!("1 validation error detected: {only}")),
        all => Some(format!("{} validation errors detected: {}", all.len(), all.join("; "))),
    }
}

fn rule(operation: &str, member: &str) -> Option<Rule> {
    match (operation, member) {
        ("CreateKey", "KeySpec") => Some(Rule::Enum(KEY_SPECS)),
        // [K72] The deprecated twin has not learned the newer ones.
        ("CreateKey", "CustomerMasterKeySpec") => Some(Rule::Enum(KEY_SPECS.split_at(OLD_KEY_SPECS).0)),
        (_, "KeySpec") => Some(Rule::Enum(&["AES_256", "AES_128"])),
        _ => RULES.iter().find(|(name, _)| *name == member).map(|(_, rule)| *rule),
    }
}

/// `keyId` of `KeyId` (K21).
fn path(member: &str) -> String {
    let mut chars = member.chars();
    chars.next().map(|first| first.to_ascii_lowercase()).into_iter().chain(chars).collect()
}

/// Adds what a member violates, and what its elements do (K21).
fn collect(found: &mut Vec<String>, path: &str, value: &Value, rule: Rule) {
    match (rule, value.as_array()) {
        (Rule::Texts(_, min, max), Some(elements)) => {
            found.extend(violation(path, value, rule));
            for (at, element) in elements.iter().enumerate() {
                found.extend(violation(&format!("{path}.{}.member", at + 1), element, Rule::Text(min, max)));
            }
        }
        (Rule::Tags, Some(elements)) => {
            for (at, tag) in elements.iter().enumerate() {
                for (name, rule) in [("TagKey", Rule::Text(1, 128)), ("TagValue", Rule::Text(0, 256))] {
                    let path = format!("{path}.{}.member.{}", at + 1, self::path(name));
                    match tag.get(name) {
                        None | Some(Value::Null) => found.push(missing(&path)),
                        Some(value) => found.extend(violation(&path, value, rule)),
                    }
                }
            }
        }
        (Rule::Members(members), _) => {
            for (name, rule) in members {
                if let Some(value) = value.get(name).filter(|value| !value.is_null()) {
                    collect(found, &format!("{path}.{}", self::path(name)), value, *rule);
                }
            }
        }
        _ => found.extend(violation(path, value, rule)),
    }
}

fn missing(path: &str) -> String {
    format!("Value null at '{path}' failed to satisfy constraint: Member must not be null")
}

fn violation(path: &str, value: &Value, rule: Rule) -> Option<String> {
    let shown = |value: &str, must: String| format!("Value '{value}' at '{path}' failed to satisfy constraint: Member must {must}");
    let hidden = |must: String| format!("Value at '{path}' failed to satisfy constraint: Member must {must}");
    let length = |length: usize, min: usize, max: usize| match length {
        _ if length < min => Some(format!("have length greater than or equal to {min}")),
        _ if length > max => Some(format!("have length less than or equal to {max}")),
        _ => None,
    };
    match rule {
        Rule::Text(min, max) => {
            let text = value.as_str()?;
            length(text.chars().count(), min, max).map(|must| shown(text, must))
        }
        Rule::Pattern(min, max, pattern, allowed) => {
            let text = value.as_str()?;
            let wrong = length(text.chars().count(), min, max);
            let wrong = wrong.or_else(|| (!text.chars().all(allowed)).then(|| format!("satisfy regular expression pattern: {pattern}")));
            wrong.map(|must| shown(text, must))
        }
        Rule::Shape(min, max, pattern, fits) => {
            let text = value.as_str()?;
            let wrong = length(text.chars().count(), min, max);
            let wrong = wrong.or_else(|| (!fits(text)).then(|| format!("satisfy regular expression pattern: {pattern}")));
            wrong.map(|must| shown(text, must))
        }
        Rule::Texts(most, ..) => {
            let texts: Vec<&str> = value.as_array()?.iter().filter_map(Value::as_str).collect();
            length(texts.len(), 0, most).map(|must| shown(&format!("[{}]", texts.join(", ")), must))
        }
        Rule::Tags | Rule::Members(_) => None,
        // What is no base64 at all is refused by whoever reads the member [K6].
        Rule::Blob(min, max) => length(BASE64.decode(value.as_str()?.as_bytes()).ok()?.len(), min, max).map(hidden),
        Rule::Range(min, max) => match value.as_i64()? {
            number if number < min => Some(shown(&number.to_string(), format!("have value greater than or equal to {min}"))),
            number if number > max => Some(shown(&number.to_string(), format!("have value less than or equal to {max}"))),
            _ => None,
        },
        Rule::Enum(set) => {
            let text = value.as_str()?;
            (!set.contains(&text)).then(|| shown(text, format!("satisfy enum value set: [{}]", set.join(", "))))
        }
        Rule::EnumList(fewest, set) => {
            let texts: Vec<&str> = value.as_array()?.iter().filter_map(Value::as_str).collect();
            if value.as_array()?.len() < fewest {
                return Some(shown("[]", format!("have length greater than or equal to {fewest}")));
            }
            let must = format!("satisfy constraint: [Member must satisfy enum value set: [{}]]", set.join(", "));
            texts.iter().any(|text| !set.contains(text)).then(|| shown(&format!("[{}]", texts.join(", ")), must))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(operation: &str, required: &[&str], body: &str, expected: Option<&str>) {
        let Ok(Value::Object(members)) = serde_json::from_str(body) else { panic!("an object") };
        assert_eq!(violations(operation, required, &members).as_deref(), expected, "{body}");
    }

    #[test]
    fn violations_read_as_aws_writes_them() {
        check("DescribeKey", &["KeyId"], r#"{"KeyId":"a"}"#, None);
        // [K21]
        check(
            "DescribeKey",
            &["KeyId"],
            "{}",
            Some("1 validation error detected: Value null at 'keyId' failed to satisfy constraint: Member must not be null"),
        );
        // [K22]
        check(
            "ListKeys",
            &[],
            r#"{"Limit":0}"#,
            Some("1 validation error detected: Value '0' at 'limit' failed to satisfy constraint: Member must have value greater than or equal to 1"),
        );
        // [K160]
        check(
            "Encrypt",
            &[],
            r#"{"Plaintext":""}"#,
            Some(
                "1 validation error detected: Value at 'plaintext' failed to satisfy constraint: Member must have length greater than or equal to 1",
            ),
        );
        // [K20]
        check(
            "GenerateDataKey",
            &["KeyId"],
            r#"{"KeySpec":"AES_1"}"#,
            Some(
                "2 validation errors detected: Value null at 'keyId' failed to satisfy constraint: Member must not be null; \
                 Value 'AES_1' at 'keySpec' failed to satisfy constraint: Member must satisfy enum value set: [AES_256, AES_128]",
            ),
        );
        // [K195]
        check(
            "CreateGrant",
            &[],
            r#"{"Constraints":{"SourceArn":"arn:aws:s3:::a-bucket-of-mine"},"GranteeServicePrincipal":"nonsense","Operations":[]}"#,
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
            &[],
            r#"{"GranteeServicePrincipal":"dynamodb.us-east-1.amazonaws.com","Constraints":{"SourceArn":"arn:aws:dynamodb:us-east-1:111122223333:table/t"}}"#,
            None,
        );
        // [K21] Elements are counted from one.
        check(
            "TagResource",
            &[],
            r#"{"Tags":[{"TagKey":"a","TagValue":"b"},{"TagKey":"","TagValue":"b"}]}"#,
            Some(
                "1 validation error detected: Value '' at 'tags.2.member.tagKey' failed to satisfy constraint: \
                 Member must have length greater than or equal to 1",
            ),
        );
    }
}
