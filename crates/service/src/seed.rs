//! The seed file: an estate written down, for demonstrations, tests and first starts.
//!
//! What the file names is brought to what the file says; what it does not name stays. Applying it twice changes
//! nothing the second time. A file with one fault in it changes nothing at all, and the fault is told with its place.

mod apply;
mod contradictions;
mod keys;
mod organizations;

use std::collections::BTreeMap;
use std::fmt;

use keyward_crypto::{KeySpec, KeyUsage, Origin};
use keyward_policy::{AccountId, Partition, Region};
use schemars::JsonSchema;
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::entities::OrganizationPolicyType;

pub use apply::apply;

/// An estate.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Seed {
    /// Accounts by their twelve-digit number (in quotes: it is text).
    #[schemars(with = "BTreeMap<String, SeedAccount>")]
    pub accounts: BTreeMap<AccountId, SeedAccount>,
    /// Service doors by `SERVICE.REGION`, such as `s3.ap-south-1`.
    pub doors: BTreeMap<String, SeedDoor>,
    /// VPC endpoints by id: `vpce-…`.
    pub vpc_endpoints: BTreeMap<String, SeedVpcEndpoint>,
    /// Organizations by the number of their management account.
    #[schemars(with = "BTreeMap<String, SeedOrganization>")]
    pub organizations: BTreeMap<AccountId, SeedOrganization>,
}

/// An account and everything in it.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SeedAccount {
    /// What people call it.
    pub name: Option<String>,
    /// The root user's address, as Organizations shows it.
    pub email: Option<String>,
    /// `aws`, `aws-cn`, `aws-us-gov` or `aws-iso`: how its ARNs begin and in which Regions it can be called; `aws` if it is missing.
    #[schemars(with = "Option<String>")]
    pub partition: Option<Partition>,
    /// The root user's access key; a random one is made if the account is new and this is missing.
    pub root_access_key: Option<SeedAccessKey>,
    /// Customer managed policies by name.
    pub policies: BTreeMap<String, SeedPolicy>,
    /// Groups by name.
    pub groups: BTreeMap<String, SeedGroup>,
    /// Users by name.
    pub users: BTreeMap<String, SeedUser>,
    /// Roles by name; a service-linked role by the name that its service gives it.
    pub roles: BTreeMap<String, SeedRole>,
    /// Keys by id: a UUID, or `mrk-` and 32 hexadecimal digits for a multi-Region key.
    pub keys: BTreeMap<String, SeedKey>,
}

/// A fixed access key.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SeedAccessKey {
    /// 16 to 128 capital letters and digits, beginning with `AKIA`.
    pub id: String,
    /// 40 characters in AWS; at least 16 here.
    #[schemars(with = "String")]
    pub secret: Zeroizing<String>,
}

/// A policy document: written out as YAML, or JSON text.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Document {
    /// JSON, kept byte for byte.
    Text(String),
    /// The same as YAML.
    Written(serde_json::Map<String, serde_json::Value>),
}

impl Document {
    fn text(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            // INVARIANT: a map of JSON values is always writable; the alternate form is how AWS prints policies.
            Self::Written(members) => serde_json::to_string_pretty(members).unwrap_or_default(),
        }
    }
}

/// A customer managed policy.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SeedPolicy {
    /// `/` if it is missing.
    pub path: Option<String>,
    /// For people.
    pub description: Option<String>,
    /// What it says.
    pub document: Document,
}

/// A group.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SeedGroup {
    /// `/` if it is missing.
    pub path: Option<String>,
    /// Inline policies by name.
    pub policies: BTreeMap<String, Document>,
    /// Managed policies: ARNs, or names of this account's or of AWS's own.
    pub attached: Vec<String>,
}

/// A user.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SeedUser {
    /// `/` if it is missing.
    pub path: Option<String>,
    /// Inline policies by name.
    pub policies: BTreeMap<String, Document>,
    /// Managed policies: ARNs, or names of this account's or of AWS's own.
    pub attached: Vec<String>,
    /// The permissions boundary: an ARN or a name, as in `attached`.
    pub boundary: Option<String>,
    /// Names of groups.
    pub groups: Vec<String>,
    /// Tags.
    pub tags: BTreeMap<String, String>,
    /// The user has an MFA device, which takes every code of six digits.
    pub mfa: bool,
    /// A fixed access key.
    pub access_key: Option<SeedAccessKey>,
}

/// A role.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SeedRole {
    /// `/` if it is missing.
    pub path: Option<String>,
    /// Who may assume it; needed unless it is service-linked.
    pub trust: Option<Document>,
    /// The service of a service-linked role, such as `autoscaling.amazonaws.com`.
    pub service: Option<String>,
    /// For people.
    pub description: Option<String>,
    /// Seconds that its sessions may last, 3600 to 43200; 3600 if it is missing.
    pub session_seconds: Option<u32>,
    /// Inline policies by name.
    pub policies: BTreeMap<String, Document>,
    /// Managed policies: ARNs, or names of this account's or of AWS's own.
    pub attached: Vec<String>,
    /// The permissions boundary: an ARN or a name, as in `attached`.
    pub boundary: Option<String>,
    /// Tags.
    pub tags: BTreeMap<String, String>,
}

/// A symmetric encryption key.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SeedKey {
    /// Where it is.
    #[schemars(with = "String")]
    pub region: Region,
    /// `RSA_2048`, `ECC_NIST_P256`, `HMAC_256`, …; `SYMMETRIC_DEFAULT` if it is missing.
    #[schemars(with = "Option<String>")]
    pub spec: Option<KeySpec>,
    /// `SIGN_VERIFY`, …; needed unless the spec leaves no choice.
    #[schemars(with = "Option<String>")]
    pub usage: Option<KeyUsage>,
    /// For people.
    #[serde(default)]
    pub description: String,
    /// `alias/…`
    #[serde(default)]
    pub aliases: Vec<String>,
    /// The key policy; the default one if it is missing.
    pub policy: Option<Document>,
    /// Tags.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
    /// `EXTERNAL` for imported material, which may be missing until it is imported; `AWS_KMS` if it is not said.
    #[schemars(with = "Option<String>")]
    pub origin: Option<Origin>,
    /// As base64, random if it is missing: the bytes of symmetric and HMAC keys, the unencrypted PKCS#8 of others (ML-DSA and
    /// ML-KEM: with the seed). Whoever can read the file can then read what the key protects.
    #[schemars(with = "Option<String>")]
    pub material: Option<Zeroizing<String>>,
    /// Days after which it gets new material by itself, again and again: 90 to 2560; never if it is missing.
    pub rotation_days: Option<u32>,
    /// False for a disabled key.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// Grants by name.
    #[serde(default)]
    pub grants: BTreeMap<String, SeedGrant>,
    /// Replicas by Region, of a key whose id begins with `mrk-`.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, SeedReplica>")]
    pub replicas: BTreeMap<Region, SeedReplica>,
}

/// A replica: the primary's material, and everything else its own.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SeedReplica {
    /// For people.
    #[serde(default)]
    pub description: String,
    /// `alias/…`
    #[serde(default)]
    pub aliases: Vec<String>,
    /// The key policy; the default one if it is missing.
    pub policy: Option<Document>,
    /// Tags.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
    /// False for a disabled key.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// Grants by name.
    #[serde(default)]
    pub grants: BTreeMap<String, SeedGrant>,
}

fn yes() -> bool {
    true
}

/// A grant.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SeedGrant {
    /// The grantee's ARN.
    pub grantee: Option<String>,
    /// The grantee, if it is a service principal.
    pub grantee_service: Option<String>,
    /// Who may retire it.
    pub retiring: Option<String>,
    /// Who may retire it, if it is a service principal.
    pub retiring_service: Option<String>,
    /// `Decrypt`, `GenerateDataKey`, …
    pub operations: Vec<String>,
    /// The request's encryption context must be exactly this.
    pub encryption_context_equals: Option<BTreeMap<String, String>>,
    /// The request's encryption context must hold this.
    pub encryption_context_subset: Option<BTreeMap<String, String>>,
    /// The resource on whose behalf a service calls.
    pub source_arn: Option<String>,
}

/// A service door.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SeedDoor {
    /// A fixed access key; a random one is made if the door is new and this is missing.
    pub access_key: Option<SeedAccessKey>,
}

/// A VPC endpoint. `keyward serve --listen-endpoint ID=ADDRESS` opens it.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SeedVpcEndpoint {
    /// `vpc-…`
    pub vpc: String,
    /// Whose it is.
    #[schemars(with = "String")]
    pub account: AccountId,
    /// The Region of the service.
    #[schemars(with = "String")]
    pub region: Region,
    /// `kms` if it is missing; `sts`, `iam`, `organizations`.
    pub service: Option<String>,
    /// What passes it; everything if it is missing.
    pub policy: Option<Document>,
}

/// An organization: its root, and everything below it.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SeedOrganization {
    /// `o-…`; random if it is missing.
    pub id: Option<String>,
    /// `r-…`; random if it is missing.
    pub root: Option<String>,
    /// The policy types that are enabled; both if it is missing.
    pub policy_types: Option<Vec<OrganizationPolicyType>>,
    /// SCPs and RCPs by name.
    #[serde(default)]
    pub policies: BTreeMap<String, SeedOrganizationPolicy>,
    /// Policies attached to the root, by name.
    #[serde(default)]
    pub attached: Vec<String>,
    /// Whether AWS's FullAWSAccess is attached to the root too.
    #[serde(default = "yes")]
    pub full_access: bool,
    /// Accounts directly in the root; the management account is there unless it is named elsewhere.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, SeedMember>")]
    pub accounts: BTreeMap<AccountId, SeedMember>,
    /// Organizational units by name.
    #[serde(default)]
    pub units: BTreeMap<String, SeedUnit>,
}

/// An SCP or an RCP.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SeedOrganizationPolicy {
    /// `p-…`; random if it is missing.
    pub id: Option<String>,
    /// Its type.
    pub r#type: OrganizationPolicyType,
    /// For people.
    #[serde(default)]
    pub description: String,
    /// What it says.
    pub document: Document,
}

/// An organizational unit.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SeedUnit {
    /// `ou-…`; random if it is missing.
    pub id: Option<String>,
    /// Policies attached to it, by name.
    #[serde(default)]
    pub attached: Vec<String>,
    /// Whether AWS's FullAWSAccess is attached too.
    #[serde(default = "yes")]
    pub full_access: bool,
    /// Accounts in it.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, SeedMember>")]
    pub accounts: BTreeMap<AccountId, SeedMember>,
    /// Units in it, by name.
    #[serde(default)]
    pub units: BTreeMap<String, SeedUnit>,
}

/// An account's place in an organization.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SeedMember {
    /// Policies attached to it, by name.
    #[serde(default)]
    pub attached: Vec<String>,
    /// Whether AWS's FullAWSAccess is attached too.
    #[serde(default = "yes")]
    pub full_access: bool,
}

/// The JSON Schema of the file.
pub fn schema() -> schemars::Schema {
    schemars::schema_for!(Seed)
}

/// Why a seed is refused. Nothing has changed.
#[derive(Debug, thiserror::Error)]
#[error("{}{message}", Path(at))]
pub struct SeedError {
    /// The names and numbers that lead to the faulty place: `accounts`, `111122223333`, `keys`, ….
    pub at: Vec<String>,
    /// What is wrong, and what would be right.
    pub message: String,
}

struct Path<'a>(&'a [String]);

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() { Ok(()) } else { write!(f, "{}: ", self.0.join(".")) }
    }
}
