//! Organizations: who stands where, and which policies hang there (A320–A327).

use std::collections::BTreeSet;

use jiff::Timestamp;
use keyward_policy::{AccountId, Partition, Policy};
use serde::{Deserialize, Serialize};

use super::Tags;

/// The two types of policies that bear on authorization.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, schemars::JsonSchema)]
pub enum OrganizationPolicyType {
    /// Limits the principals of accounts (A320).
    #[serde(rename = "SERVICE_CONTROL_POLICY")]
    ServiceControl,
    /// Limits what is done to the resources of accounts (A324).
    #[serde(rename = "RESOURCE_CONTROL_POLICY")]
    ResourceControl,
}

impl OrganizationPolicyType {
    /// Both.
    pub const ALL: [Self; 2] = [Self::ServiceControl, Self::ResourceControl];

    /// As the API spells it.
    pub fn name(self) -> &'static str {
        match self {
            Self::ServiceControl => "SERVICE_CONTROL_POLICY",
            Self::ResourceControl => "RESOURCE_CONTROL_POLICY",
        }
    }

    /// As it stands in ARNs (A905).
    pub fn segment(self) -> &'static str {
        match self {
            Self::ServiceControl => "service_control_policy",
            Self::ResourceControl => "resource_control_policy",
        }
    }

    /// The id of AWS's own policy of this type, which allows everything.
    pub fn full_access(self) -> &'static str {
        match self {
            Self::ServiceControl => "p-FullAWSAccess",
            Self::ResourceControl => "p-RCPFullAWSAccess",
        }
    }
}

/// An organization with its one root.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Organization {
    /// `o-…`
    pub id: String,
    /// The management account, bound by none of its policies (A321).
    pub management: AccountId,
    /// The partition of its management account, and so of everything in it (A121).
    #[serde(default)]
    pub partition: Partition,
    /// `r-…`
    pub root: String,
    /// The policy types that are enabled in the root; the others bind nobody.
    #[serde(default)]
    pub policy_types: BTreeSet<OrganizationPolicyType>,
    /// Ids of the policies attached to the root.
    #[serde(default)]
    pub attached: BTreeSet<String>,
    /// Tags of the root.
    #[serde(default)]
    pub root_tags: Tags,
    /// When it was made.
    pub created_at: Timestamp,
}

impl Organization {
    /// `arn:PARTITION:organizations::MANAGEMENT:organization/o-…`
    pub fn arn(&self) -> String {
        format!("arn:{}:organizations::{}:organization/{}", self.partition, self.management, self.id)
    }

    /// `arn:PARTITION:organizations::MANAGEMENT:KIND/o-…/ID`: a root, unit, account or handshake.
    pub fn arn_of(&self, kind: &str, id: &str) -> String {
        format!("arn:{}:organizations::{}:{kind}/{}/{id}", self.partition, self.management, self.id)
    }
}

/// An organizational unit.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct OrganizationalUnit {
    /// `ou-ROOT-…`
    pub id: String,
    /// `o-…`
    pub organization: String,
    /// The root or unit in which it is.
    pub parent: String,
    /// Unique in its parent.
    pub name: String,
    /// Ids of the policies attached to it.
    #[serde(default)]
    pub attached: BTreeSet<String>,
    /// Its tags.
    #[serde(default)]
    pub tags: Tags,
    /// When it was made.
    pub created_at: Timestamp,
}

/// How an account came into its organization.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum JoinedMethod {
    /// It accepted an invitation, or founded the organization.
    Invited,
    /// The organization made it.
    Created,
}

/// An account's place in its organization; the management account has one too.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Member {
    /// The account.
    pub account: AccountId,
    /// `o-…`
    pub organization: String,
    /// The root or unit in which it is.
    pub parent: String,
    /// Ids of the policies attached to it.
    #[serde(default)]
    pub attached: BTreeSet<String>,
    /// Its tags as the organization keeps them.
    #[serde(default)]
    pub tags: Tags,
    /// How it came.
    pub joined: JoinedMethod,
    /// When it came.
    pub joined_at: Timestamp,
}

/// A customer's SCP or RCP. AWS's own are not stored; see `organizations::aws_owned`.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct OrganizationPolicy {
    /// `p-…`
    pub id: String,
    /// `o-…`
    pub organization: String,
    /// Its type.
    pub policy_type: OrganizationPolicyType,
    /// Unique among the organization's policies of its type.
    pub name: String,
    /// For people.
    #[serde(default)]
    pub description: String,
    /// What it says.
    pub policy: Policy,
    /// Its tags.
    #[serde(default)]
    pub tags: Tags,
    /// When it was made.
    pub created_at: Timestamp,
}

/// A request for a new account, and what became of it.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct AccountCreation {
    /// `car-…`
    pub id: String,
    /// `o-…`
    pub organization: String,
    /// The name that was asked for.
    pub name: String,
    /// The account, if it was made.
    #[serde(default)]
    pub account: Option<AccountId>,
    /// `EMAIL_ALREADY_EXISTS`, …, if it was not.
    #[serde(default)]
    pub failure: Option<String>,
    /// When: it is done at once.
    pub requested_at: Timestamp,
}

/// Where an invitation stands. One that is open and past its time counts as expired.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
#[expect(missing_docs, reason = "AWS's own words")]
pub enum HandshakeState {
    Open,
    Canceled,
    Accepted,
    Declined,
    Expired,
}

/// An invitation of an account into an organization.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Handshake {
    /// `h-…`
    pub id: String,
    /// `o-…`
    pub organization: String,
    /// The organization's ARN as it was then: handshakes are shown after their organization is gone.
    pub arn: String,
    /// Who is invited.
    pub account: AccountId,
    /// What the invitation says.
    #[serde(default)]
    pub notes: Option<String>,
    /// Where it stands.
    pub state: HandshakeState,
    /// When it was sent.
    pub requested_at: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
}
