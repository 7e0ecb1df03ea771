//! Bodies of the protocol, as JSON (K142–K145). Bytes stand as base64.

use data_encoding::BASE64;
use keyward_service::RequestMetadata;
use serde::{Deserialize, Serialize};

/// Bytes as base64.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Bytes(pub(crate) Vec<u8>);

impl Serialize for Bytes {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&BASE64.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        BASE64.decode(text.as_bytes()).map(Self).map_err(serde::de::Error::custom)
    }
}

/// (K145) (K143) A question that says nothing but who asks.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Asked<'a> {
    pub(crate) request_metadata: &'a RequestMetadata,
}

/// (K144)
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct EncryptRequest<'a> {
    pub(crate) request_metadata: &'a RequestMetadata,
    pub(crate) additional_authenticated_data: Bytes,
    pub(crate) plaintext: Bytes,
    pub(crate) encryption_algorithm: &'a str,
    pub(crate) ciphertext_data_integrity_value_algorithm: &'a str,
}

/// (K144)
#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct EncryptAnswer {
    pub(crate) ciphertext: Bytes,
    pub(crate) initialization_vector: Bytes,
    pub(crate) authentication_tag: Bytes,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) ciphertext_metadata: Option<Bytes>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) ciphertext_data_integrity_value: Option<Bytes>,
}

/// (K144)
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DecryptRequest<'a> {
    pub(crate) request_metadata: &'a RequestMetadata,
    pub(crate) additional_authenticated_data: Bytes,
    pub(crate) ciphertext: Bytes,
    pub(crate) initialization_vector: Bytes,
    pub(crate) authentication_tag: Bytes,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ciphertext_metadata: Option<Bytes>,
    pub(crate) encryption_algorithm: &'a str,
}

/// (K144)
#[derive(Deserialize, Serialize)]
pub(crate) struct DecryptAnswer {
    pub(crate) plaintext: Bytes,
}

/// (K143)
#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MetadataAnswer {
    pub(crate) key_spec: String,
    pub(crate) key_usage: Vec<String>,
    pub(crate) key_status: String,
}

/// (K145)
#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct HealthAnswer {
    pub(crate) xks_proxy_fleet_size: u32,
    pub(crate) xks_proxy_vendor: String,
    pub(crate) xks_proxy_model: String,
    pub(crate) ekm_vendor: String,
    pub(crate) ekm_fleet_details: Vec<EkmFleet>,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct EkmFleet {
    pub(crate) id: String,
    pub(crate) model: String,
    pub(crate) health_status: String,
}

/// (K146) What a proxy says in place of an answer. Its `errorMessage` is read by nobody.
#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ErrorAnswer {
    pub(crate) error_name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) error_message: Option<String>,
}

/// A request as a proxy receives it; what must be in it is asked where it is read, for the protocol has an error of its own for that.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Received {
    pub(crate) request_metadata: Option<ReceivedMetadata>,
    pub(crate) additional_authenticated_data: Option<Bytes>,
    pub(crate) plaintext: Option<Bytes>,
    pub(crate) ciphertext: Option<Bytes>,
    pub(crate) initialization_vector: Option<Bytes>,
    pub(crate) authentication_tag: Option<Bytes>,
    pub(crate) ciphertext_metadata: Option<Bytes>,
    pub(crate) encryption_algorithm: Option<String>,
    pub(crate) ciphertext_data_integrity_value_algorithm: Option<String>,
}

/// (K142)
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct ReceivedMetadata {
    pub(crate) aws_principal_arn: Option<String>,
    pub(crate) aws_source_vpc: Option<String>,
    pub(crate) aws_source_vpce: Option<String>,
    pub(crate) kms_key_arn: Option<String>,
    pub(crate) kms_operation: Option<String>,
    pub(crate) kms_request_id: Option<String>,
    pub(crate) kms_via_service: Option<String>,
}
