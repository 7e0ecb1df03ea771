//! The case schema, strictly: a field that the schema does not name is an error (cases/README.md).

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

/// The schema that is read here.
pub const SCHEMA: &str = "authz-cases/1";

/// A file of cases.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CaseFile {
    /// `authz-cases/1`
    pub schema: String,
    /// The cases, in order.
    /// As in `cases/README.md`.
    pub cases: Vec<Value>,
}

/// One small estate, one request, one answer.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// As in `cases/README.md`.
    pub id: String,
    /// As in `cases/README.md`.
    pub title: Option<String>,
    /// As in `cases/README.md`.
    pub why: Option<String>,
    /// As in `cases/README.md`.
    pub source: Option<String>,
    /// As in `cases/README.md`.
    pub certainty: Option<String>,
    /// As in `cases/README.md`.
    pub confidence: Option<String>,
    #[serde(default)]
    /// As in `cases/README.md`.
    pub rules: Vec<String>,
    /// As in `cases/README.md`.
    pub setup: Setup,
    /// As in `cases/README.md`.
    pub request: CaseRequest,
    /// As in `cases/README.md`.
    pub expect: Option<String>,
    /// As in `cases/README.md`.
    pub expect_error: Option<String>,
    /// As in `cases/README.md`.
    pub expect_layer: Option<String>,
    /// As in `cases/README.md`.
    pub expect_statements: Option<Vec<String>>,
    /// As in `cases/README.md`.
    pub expect_message: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
/// As in `cases/README.md`.
pub struct Setup {
    #[serde(default)]
    /// As in `cases/README.md`.
    pub accounts: BTreeMap<String, CaseAccount>,
    #[serde(default)]
    /// As in `cases/README.md`.
    pub principals: Vec<CasePrincipal>,
    #[serde(default)]
    /// As in `cases/README.md`.
    pub keys: Vec<CaseKey>,
    #[serde(default)]
    /// As in `cases/README.md`.
    pub grants: Vec<CaseGrant>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
/// As in `cases/README.md`.
pub struct CaseAccount {
    /// As in `cases/README.md`.
    pub organization: Option<String>,
    /// As in `cases/README.md`.
    pub management: bool,
    /// As in `cases/README.md`.
    pub scp_levels: Option<Vec<Vec<Value>>>,
    /// As in `cases/README.md`.
    pub rcps: Vec<Value>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
/// As in `cases/README.md`.
pub struct CasePrincipal {
    /// As in `cases/README.md`.
    pub arn: String,
    #[serde(default)]
    /// As in `cases/README.md`.
    pub identity_policies: Vec<Value>,
    /// As in `cases/README.md`.
    pub permissions_boundary: Option<Value>,
    #[serde(default)]
    /// As in `cases/README.md`.
    pub tags: BTreeMap<String, String>,
    #[serde(default)]
    /// As in `cases/README.md`.
    pub service_linked: bool,
    #[serde(default)]
    /// As in `cases/README.md`.
    pub recreated_after_policy_was_saved: bool,
    /// As in `cases/README.md`.
    pub unique_id: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
/// As in `cases/README.md`.
pub struct CaseKey {
    /// As in `cases/README.md`.
    pub arn: String,
    /// As in `cases/README.md`.
    pub policy: Value,
    /// As in `cases/README.md`.
    pub ram_policy: Option<Value>,
    /// As in `cases/README.md`.
    pub key_spec: Option<String>,
    /// As in `cases/README.md`.
    pub key_usage: Option<String>,
    /// As in `cases/README.md`.
    pub origin: Option<String>,
    /// As in `cases/README.md`.
    pub manager: Option<String>,
    /// As in `cases/README.md`.
    pub multi_region_key_type: Option<String>,
    #[serde(default)]
    /// As in `cases/README.md`.
    pub aliases: Vec<String>,
    #[serde(default)]
    /// As in `cases/README.md`.
    pub tags: BTreeMap<String, String>,
    /// As in `cases/README.md`.
    pub state: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
/// As in `cases/README.md`.
pub struct CaseGrant {
    /// As in `cases/README.md`.
    pub id: Option<String>,
    /// As in `cases/README.md`.
    pub key: Option<String>,
    /// As in `cases/README.md`.
    pub grantee_principal: Option<String>,
    /// As in `cases/README.md`.
    pub grantee_service_principal: Option<String>,
    /// As in `cases/README.md`.
    pub operations: Vec<String>,
    /// As in `cases/README.md`.
    pub constraints: CaseConstraints,
    /// As in `cases/README.md`.
    pub retiring_principal: Option<String>,
    /// As in `cases/README.md`.
    pub retiring_service_principal: Option<String>,
    /// As in `cases/README.md`.
    pub issuing_account: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
/// As in `cases/README.md`.
pub struct CaseConstraints {
    /// As in `cases/README.md`.
    pub encryption_context_equals: Option<BTreeMap<String, String>>,
    /// As in `cases/README.md`.
    pub encryption_context_subset: Option<BTreeMap<String, String>>,
    /// As in `cases/README.md`.
    pub source_arn: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
/// As in `cases/README.md`.
pub struct CaseRequest {
    /// As in `cases/README.md`.
    pub principal: String,
    #[serde(default)]
    /// As in `cases/README.md`.
    pub session: CaseSession,
    /// As in `cases/README.md`.
    pub operation: String,
    #[serde(default)]
    /// As in `cases/README.md`.
    pub authorize: Vec<CasePermission>,
    #[serde(default)]
    /// As in `cases/README.md`.
    pub params: BTreeMap<String, Value>,
    /// As in `cases/README.md`.
    pub grant: Option<CaseGrant>,
    /// As in `cases/README.md`.
    pub grant_id: Option<String>,
    #[serde(default)]
    /// As in `cases/README.md`.
    pub grant_tokens: Vec<String>,
    /// As in `cases/README.md`.
    pub new_policy: Option<Value>,
    /// As in `cases/README.md`.
    pub new_key_arn: Option<String>,
    #[serde(default)]
    /// As in `cases/README.md`.
    pub bypass: bool,
    /// As in `cases/README.md`.
    pub ciphertext_key: Option<String>,
    /// As in `cases/README.md`.
    pub via_service: Option<String>,
    /// As in `cases/README.md`.
    pub vpc_endpoint: Option<CaseEndpoint>,
    /// As in `cases/README.md`.
    pub source_ip: Option<String>,
    /// As in `cases/README.md`.
    pub region: Option<String>,
    #[serde(default)]
    /// As in `cases/README.md`.
    pub context: BTreeMap<String, Value>,
    /// As in `cases/README.md`.
    pub note: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
/// As in `cases/README.md`.
pub struct CaseSession {
    /// As in `cases/README.md`.
    pub session_policies: Option<Vec<Value>>,
    /// As in `cases/README.md`.
    pub tags: BTreeMap<String, String>,
    /// As in `cases/README.md`.
    pub issuing_user: Option<String>,
    /// As in `cases/README.md`.
    pub assumed_root: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
/// As in `cases/README.md`.
pub struct CasePermission {
    /// As in `cases/README.md`.
    pub op: String,
    /// As in `cases/README.md`.
    pub resource: String,
    /// As in `cases/README.md`.
    pub encryption_context: Option<BTreeMap<String, String>>,
    /// As in `cases/README.md`.
    pub alias: Option<String>,
    #[serde(default)]
    /// As in `cases/README.md`.
    pub from_ciphertext: bool,
    #[serde(default)]
    /// As in `cases/README.md`.
    pub identity_only: bool,
    #[serde(default)]
    /// As in `cases/README.md`.
    pub context: BTreeMap<String, Value>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
/// As in `cases/README.md`.
pub struct CaseEndpoint {
    /// As in `cases/README.md`.
    pub id: String,
    /// As in `cases/README.md`.
    pub vpc: String,
    /// As in `cases/README.md`.
    pub policy: Option<Value>,
}
