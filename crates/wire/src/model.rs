//! AWS's published model of KMS as data: what every operation's request may have, and what it may answer.
//!
//! The table is generated (`cargo x gen`); this file has the words in which it is written.

mod kms;
mod pattern;
#[cfg(test)]
mod reads;

use serde_json::{Map, Value};

pub(crate) use pattern::fits;

/// An operation of the model.
pub(crate) struct Operation {
    pub(crate) name: &'static str,
    pub(crate) members: &'static [Member],
    /// The exceptions that the model lists for it.
    pub(crate) errors: &'static [&'static str],
}

/// A member of a request, or of a structure in one.
pub(crate) struct Member {
    pub(crate) name: &'static str,
    pub(crate) shape: &'static Shape,
    pub(crate) required: bool,
}

/// What a member is, with its constraints (Appendix A).
pub(crate) enum Shape {
    /// Length in characters. What is sensitive is never shown (K21).
    Text {
        min: usize,
        max: usize,
        pattern: Option<&'static str>,
        sensitive: bool,
    },
    /// Length in bytes; never shown either.
    Blob {
        min: usize,
        max: usize,
    },
    Integer {
        min: i64,
        max: i64,
    },
    Boolean,
    /// Seconds since the epoch (K5).
    Timestamp,
    /// The values in the order in which AWS prints them (K23).
    Enum(&'static [&'static str]),
    List {
        min: usize,
        max: usize,
        of: &'static Shape,
    },
    /// A map from text to text.
    Texts,
    Structure(&'static [Member]),
}

/// Codes that any operation may answer though the model lists them for none, or not for all.
const COMMON_ERRORS: &[&str] = &[
    // Common to all services (K14–K17, K20, K232).
    "AccessDeniedException",
    "ThrottlingException",
    "UnrecognizedClientException",
    "ValidationException",
    // [K49] Seen for reserved aliases; not modelled anywhere.
    "NotAuthorizedException",
    // [K44] A key identifier that is no ARN: cryptographic operations take ARNs, too.
    "InvalidArnException",
    // [K222] ListKeyPolicies has markers, and the model no error for them.
    "InvalidMarkerException",
    // [K17] Our own failures.
    "KMSInternalException",
];

impl Operation {
    /// The operation of this name.
    pub(crate) fn named(name: &str) -> Option<&'static Self> {
        kms::OPERATIONS.binary_search_by(|operation| operation.name.cmp(name)).ok().and_then(|at| kms::OPERATIONS.get(at))
    }

    /// Whether clients expect an error of this code from it.
    pub(crate) fn may_answer(&self, code: &str) -> bool {
        // [K146] A proxy that denies access while a key is made.
        let denied = (self.name, code) == ("CreateKey", "KMSInvalidStateException");
        self.errors.contains(&code) || COMMON_ERRORS.contains(&code) || denied
    }

    /// Whether every member that the model knows is of its type (K6). Others are nobody's.
    pub(crate) fn is_well_typed(&self, members: &Map<String, Value>) -> bool {
        are_well_typed(self.members, members)
    }
}

fn are_well_typed(known: &[Member], members: &Map<String, Value>) -> bool {
    // [K4] Absent and null are equal.
    members.iter().filter(|(_, value)| !value.is_null()).all(|(name, value)| find(known, name).is_none_or(|member| member.shape.is_type_of(value)))
}

/// The member of this name.
pub(crate) fn find<'m>(members: &'m [Member], name: &str) -> Option<&'m Member> {
    members.iter().find(|member| member.name == name)
}

impl Shape {
    fn is_type_of(&self, value: &Value) -> bool {
        match self {
            Self::Text { .. } | Self::Enum(_) => value.is_string(),
            Self::Blob { .. } => value.as_str().is_some_and(|text| bytes(text).is_some()),
            Self::Integer { .. } => value.is_i64(),
            Self::Boolean => value.is_boolean(),
            Self::Timestamp => value.is_number(),
            Self::List { of, .. } => value.as_array().is_some_and(|elements| elements.iter().all(|element| of.is_type_of(element))),
            Self::Texts => value.as_object().is_some_and(|pairs| pairs.values().all(Value::is_string)),
            Self::Structure(members) => value.as_object().is_some_and(|given| are_well_typed(members, given)),
        }
    }
}

/// How many bytes a text encodes, or none if it is no base64 (K4).
pub(crate) fn bytes(text: &str) -> Option<usize> {
    // They may be secret.
    let mut decoded = zeroize::Zeroizing::new(vec![0; data_encoding::BASE64.decode_len(text.len()).ok()?]);
    data_encoding::BASE64.decode_mut(text.as_bytes(), &mut decoded).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_the_operations_of_kms() {
        let names: Vec<&str> = kms::OPERATIONS.iter().map(|operation| operation.name).collect();
        let known: Vec<&str> = keyward_authz::Operation::ALL.iter().map(|operation| operation.name()).collect();
        assert_eq!(names, known); // [A401]
    }

    #[test]
    fn a_value_of_another_type_is_none_of_the_members() {
        let check = |operation: &str, body: Value, expected: bool| {
            let members = body.as_object().cloned().unwrap_or_default();
            assert_eq!(Operation::named(operation).is_some_and(|operation| operation.is_well_typed(&members)), expected, "{operation} {body}");
        };
        // [K6]
        check("Encrypt", serde_json::json!({"KeyId": "a", "Plaintext": "YQ==", "EncryptionContext": {"a": "b"}}), true);
        check("Encrypt", serde_json::json!({"KeyId": null, "Unheard": 7}), true);
        check("Encrypt", serde_json::json!({"KeyId": 7}), false);
        check("Encrypt", serde_json::json!({"Plaintext": "YQ="}), false);
        check("Encrypt", serde_json::json!({"Plaintext": "YQ==\n"}), false);
        check("Encrypt", serde_json::json!({"EncryptionContext": {"a": 1}}), false);
        check("Encrypt", serde_json::json!({"EncryptionContext": {"a": null}}), false);
        check("Encrypt", serde_json::json!({"DryRun": "true"}), false);
        check("GenerateRandom", serde_json::json!({"NumberOfBytes": 4.5}), false);
        check("GenerateRandom", serde_json::json!({"NumberOfBytes": 18_446_744_073_709_551_615_u64}), false);
        check("TagResource", serde_json::json!({"Tags": [{"TagKey": "a", "TagValue": null}]}), true);
        check("TagResource", serde_json::json!({"Tags": [{"TagKey": 1}]}), false);
        check("TagResource", serde_json::json!({"Tags": [null]}), false);
        check("CreateGrant", serde_json::json!({"Constraints": {"EncryptionContextEquals": []}}), false);
        // [K5]
        check("ImportKeyMaterial", serde_json::json!({"ValidTo": 1.699_369_457_123e9}), true);
        check("ImportKeyMaterial", serde_json::json!({"ValidTo": 1_699_369_457}), true);
        check("ImportKeyMaterial", serde_json::json!({"ValidTo": "2026-11-25T00:00:00Z"}), false);
    }
}
