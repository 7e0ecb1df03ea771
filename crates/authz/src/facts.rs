//! What is known before deciding: who calls, what is asked for, and how the call came.
//!
//! Gathering these facts is somebody else's work; deciding reads nothing else.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use jiff::Timestamp;
use keyward_policy::{AccountId, Action, Arn, KeyName, MapContext, Partition, Policy, Presumption, Region, Values};
use serde::{Deserialize, Serialize};

use crate::grant::{Grant, GrantRequest};
use crate::names::{AliasName, GrantId, KeyArn, UniqueId};

/// A policy and where it is attached.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Attached {
    /// The document.
    pub policy: Policy,
    /// What a person calls it: `"s3-read" on role/app`, `AdministratorAccess on group/ops`.
    pub name: Arc<str>,
    /// The ARN of a managed or organization policy; none for inline policies (A905).
    pub arn: Option<Arc<str>>,
}

/// The authenticated caller (§2).
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Principal {
    /// An IAM user.
    User {
        /// With its path (A124).
        arn: Arn,
        /// `AIDA…`
        id: Option<UniqueId>,
    },
    /// A session of a role.
    RoleSession {
        /// The role's ARN, with its path (A124).
        role: Arn,
        /// `AROA…`
        id: Option<UniqueId>,
        /// The session's ARN: the role's name without path.
        session: Arn,
    },
    /// A session of GetFederationToken.
    FederatedUser {
        /// The session's ARN.
        arn: Arn,
        /// The user behind it; none when the root user made it.
        user: Option<Arn>,
        /// That user's `AIDA…`.
        user_id: Option<UniqueId>,
    },
    /// The root user of an account.
    Root {
        /// The account.
        account: AccountId,
        /// The account's partition (A121).
        partition: Partition,
    },
    /// A service that calls for itself (A208).
    Service {
        /// `cloudtrail.amazonaws.com`
        name: Arc<str>,
    },
}

impl Principal {
    /// The caller's account; a service calls under none (A208).
    pub fn account(&self) -> Option<AccountId> {
        match self {
            Self::User { arn, .. } | Self::FederatedUser { arn, .. } => arn.account(),
            Self::RoleSession { role, .. } => role.account(),
            Self::Root { account, .. } => Some(*account),
            Self::Service { .. } => None,
        }
    }

    /// How messages name the caller (A903): the session ARN for roles.
    pub fn caller_arn(&self) -> Cow<'_, str> {
        match self {
            Self::User { arn, .. } | Self::FederatedUser { arn, .. } => Cow::Borrowed(arn.as_str()),
            Self::RoleSession { session, .. } => Cow::Borrowed(session.as_str()),
            Self::Root { account, partition } => Cow::Owned(format!("arn:{partition}:iam::{account}:root")),
            Self::Service { name } => Cow::Borrowed(name),
        }
    }
}

/// What a session adds to its principal (A203).
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct SessionFacts {
    /// When temporary credentials were made; none for long-term keys (A523).
    pub issued_at: Option<Timestamp>,
    /// Whether MFA was used; only with temporary credentials (A523).
    pub mfa_present: Option<bool>,
    /// Seconds since MFA, if it was used.
    pub mfa_age_s: Option<u64>,
    /// `aws:SourceIdentity`
    pub source_identity: Option<String>,
    /// The session is one of `sts:AssumeRoot` (A210).
    pub assumed_root: bool,
}

/// Who calls, with everything that limits or allows them.
#[derive(Clone, Debug)]
pub struct Subject {
    /// Who.
    pub principal: Principal,
    /// A service-linked role: bound by neither SCPs nor RCPs (A322).
    pub service_linked: bool,
    /// User tags, or role tags overlaid by session tags (A522).
    pub tags: BTreeMap<String, String>,
    /// Identity policies: inline, managed, of groups.
    pub identity: Vec<Attached>,
    /// The permissions boundary.
    pub boundary: Option<Attached>,
    /// Session policies; none given is not the same as an empty list.
    pub session: Option<Vec<Attached>>,
    /// SCPs by level, root first; none where SCPs do not bind: outside organizations, in the management account (A320) (A321).
    pub scps: Option<Vec<Vec<Attached>>>,
    /// The caller may be under SCPs that these facts do not have: what is allowed then is allowed as far as known, and gives no permit.
    pub scps_unknown: bool,
    /// The caller is of an organization's management account, whose principals SCPs never bind (A321).
    pub in_management_account: bool,
    /// The caller's organization and the path in it (A520).
    pub organization: Option<Membership>,
    /// What the session adds.
    pub facts: SessionFacts,
    /// Stands for all callers there are: to a question that leaves things open, nothing is known of who they are.
    pub anyone: bool,
}

impl Subject {
    /// A caller with nothing attached.
    pub fn new(principal: Principal) -> Self {
        Self {
            principal,
            service_linked: false,
            tags: BTreeMap::new(),
            identity: Vec::new(),
            boundary: None,
            session: None,
            scps: None,
            scps_unknown: false,
            in_management_account: false,
            organization: None,
            facts: SessionFacts::default(),
            anyone: false,
        }
    }
}

/// Where an account stands in an organization.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Membership {
    /// `o-…`
    pub id: Arc<str>,
    /// `o-x/r-x/ou-x/…/`
    pub path: Option<Arc<str>>,
}

/// A key policy, a trust policy: a policy whose principals were bound to the entities that existed when it was saved.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct ResourcePolicy {
    /// The document as stored.
    pub policy: Policy,
    /// User and role ARNs of its Principal elements → the unique id they had when saved (A206).
    #[serde(default)]
    pub bound: BTreeMap<String, UniqueId>,
}

impl ResourcePolicy {
    /// A policy whose ARNs mean whoever bears them now.
    pub fn unbound(policy: Policy) -> Self {
        Self { policy, bound: BTreeMap::new() }
    }
}

/// Who manages a key.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum KeyManager {
    /// A customer managed key.
    #[default]
    Customer,
    /// An AWS managed key (A803).
    Aws,
}

/// The part of a multi-Region key.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum MultiRegionKeyType {
    /// The primary key.
    Primary,
    /// A replica.
    Replica,
}

/// What deciding needs to know of a key.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct KeyFacts {
    /// Its ARN.
    pub arn: KeyArn,
    /// The `default` key policy.
    pub policy: ResourcePolicy,
    /// The `AWS_RAM` policy (A335).
    #[serde(default)]
    pub ram_policy: Option<ResourcePolicy>,
    /// `SYMMETRIC_DEFAULT`, …
    pub spec: Cow<'static, str>,
    /// `ENCRYPT_DECRYPT`, …
    pub usage: Cow<'static, str>,
    /// `AWS_KMS`, …
    pub origin: Cow<'static, str>,
    /// Customer or AWS.
    pub manager: KeyManager,
    /// Its part, for multi-Region keys.
    pub multi_region: Option<MultiRegionKeyType>,
    /// All alias names, in order. Aliases are stored by themselves; whoever loads a key fills them in.
    #[serde(skip)]
    pub aliases: Vec<AliasName>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
}

impl KeyFacts {
    /// What CreateKey makes without parameters: a customer managed symmetric encryption key of one Region.
    pub fn new(arn: KeyArn, policy: ResourcePolicy) -> Self {
        Self {
            arn,
            policy,
            ram_policy: None,
            spec: "SYMMETRIC_DEFAULT".into(),
            usage: "ENCRYPT_DECRYPT".into(),
            origin: "AWS_KMS".into(),
            manager: KeyManager::Customer,
            multi_region: None,
            aliases: Vec::new(),
            tags: BTreeMap::new(),
        }
    }
}

/// Aliases per key above which conditions that would allow by alias fail (A546) (K230).
pub const ALIASES_PER_KEY_MAX: usize = 50;

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Target<'a> {
    /// The resource itself.
    pub resource: Resource<'a>,
    /// The customer RCPs above the owner account (A324).
    pub rcps: &'a [Attached],
    /// There may be RCPs above the owner account that are not among these facts.
    pub rcps_unknown: bool,
    /// The owner's organization (A527).
    pub organization: Option<&'a Membership>,
}

/// The resource of one (permission, resource) pair.
#[derive(Clone, Debug)]
pub enum Resource<'a> {
    /// A key, with the grants on it that could concern the caller.
    Key {
        /// The key.
        key: &'a KeyFacts,
        /// Grants that could concern the caller; others may be among them.
        grants: &'a [Arc<Grant>],
    },
    /// An alias: the alias half of an operation (A405).
    Alias {
        /// Its ARN.
        arn: &'a str,
        /// Its account.
        account: AccountId,
    },
    /// No resource (A141): decided on `*`, and on the account's pattern.
    None {
        /// `arn:aws:kms:REGION:ACCOUNT:*`, or `…:key/*` for the tags of a key that is being made (A406).
        pattern: Cow<'a, str>,
    },
    /// A resource of another service: an IAM role with its trust policy, a user.
    Other {
        /// Its ARN, or `*`.
        arn: &'a str,
        /// The account that owns it.
        account: Option<AccountId>,
        /// Its own policy, if it has one: a trust policy.
        policy: Option<&'a ResourcePolicy>,
        /// Its tags.
        tags: Option<&'a BTreeMap<String, String>>,
    },
}

impl<'a> Target<'a> {
    /// A resource of an account outside any organization.
    pub fn new(resource: Resource<'a>) -> Self {
        Self { resource, rcps: &[], rcps_unknown: false, organization: None }
    }

    /// The account that owns the resource, if it is anybody's.
    pub fn owner(&self) -> Option<AccountId> {
        match &self.resource {
            Resource::Key { key, .. } => Some(key.arn.account()),
            Resource::Alias { account, .. } => Some(*account),
            Resource::None { .. } => None,
            Resource::Other { account, .. } => *account,
        }
    }

    /// The text that Resource elements are matched with.
    pub(crate) fn arn(&self) -> &str {
        match &self.resource {
            Resource::Key { key, .. } => key.arn.as_str(),
            Resource::Alias { arn, .. } | Resource::Other { arn, .. } => arn,
            Resource::None { pattern } => pattern,
        }
    }
}

/// The service through which a forward access session came (A512) (A514). Only a service door makes one (T18).
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Via {
    service: Arc<str>,
}

impl Via {
    /// Made by whoever knows that a service calls: `s3.ap-south-1.amazonaws.com`.
    pub fn service_door(service: impl Into<Arc<str>>) -> Self {
        Self { service: service.into() }
    }

    /// The value of `kms:ViaService`.
    pub fn service(&self) -> &str {
        &self.service
    }
}

/// A VPC endpoint that the call came through (A330).
#[derive(Clone, Debug)]
pub struct VpcEndpoint {
    /// `vpce-…`
    pub id: String,
    /// `vpc-…`
    pub vpc: String,
    /// Its policy; none is the default one, which allows everything.
    pub policy: Option<Policy>,
    /// Whose it is, where that is known.
    pub account: Option<AccountId>,
    /// The organization of that account.
    pub organization: Option<Membership>,
}

/// How a call came: facts that the server knows, whatever the client says.
#[derive(Clone, Debug)]
pub struct CallFacts {
    /// When. None in cases that leave it open.
    pub time: Option<Timestamp>,
    /// The endpoint's Region.
    pub region: Region,
    /// The address on a public endpoint (A531).
    pub source_ip: Option<IpAddr>,
    /// TLS.
    pub secure_transport: bool,
    /// As sent.
    pub user_agent: Option<String>,
    /// Set when a service calls with the caller's identity.
    pub via: Option<Via>,
    /// The endpoint, for calls that came through one.
    pub endpoint: Option<VpcEndpoint>,
    /// `aws:SourceArn`, when a service principal calls on behalf of a resource (A530).
    pub source_arn: Option<String>,
    /// `aws:SourceAccount`, likewise.
    pub source_account: Option<AccountId>,
}

impl CallFacts {
    /// A direct call from nowhere in particular.
    pub fn new(region: Region) -> Self {
        Self {
            time: None,
            region,
            source_ip: None,
            secure_transport: true,
            user_agent: None,
            via: None,
            endpoint: None,
            source_arn: None,
            source_account: None,
        }
    }
}

/// One permission asked on one resource, with the condition values of the request's own parameters (§5).
#[derive(Clone, Debug)]
pub struct Request<'a> {
    /// What must be allowed.
    pub action: Action,
    /// How the call came.
    pub call: &'a CallFacts,
    /// The encryption context of this half (A543).
    pub encryption_context: Option<&'a BTreeMap<String, String>>,
    /// The alias by which the request named the key (A545).
    pub alias: Option<&'a AliasName>,
    /// The request named no key; the ciphertext told it (A411). Changes words only (A903).
    pub from_ciphertext: bool,
    /// Only identity policies count (A406).
    pub identity_only: bool,
    /// Further condition values of the request's parameters, effective ones (A502).
    pub parameters: Vec<(KeyName, Values<'a>)>,
    /// What a verified attestation document says, by the variable parts of `kms:RecipientAttestation:` (A566).
    pub attestation: Option<&'a BTreeMap<String, String>>,
    /// Tags in the request (A548).
    pub request_tags: Option<&'a BTreeMap<String, String>>,
    /// CreateGrant: the grant asked for (A615).
    pub child: Option<&'a GrantRequest>,
    /// RetireGrant: the grant to retire (A620).
    pub retires: Option<&'a Grant>,
    /// Condition values given verbatim, which win over derived ones.
    pub verbatim: Option<&'a MapContext>,
    /// The grants whose tokens the request carries (A619).
    pub tokens: &'a [GrantId],
    /// What is not said here: a request in hand does not have it, a question leaves it open.
    pub unsaid: Unsaid,
}

/// What holds of condition values that a [`Request`] does not say.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Unsaid {
    /// They are absent: this is a request in hand.
    #[default]
    Absent,
    /// They are unknown: this stands for all requests that say what it says.
    Open(Presumption),
}

impl<'a> Request<'a> {
    /// Whether a grant is to be retired, which grants decide and nothing else (A620), whether there is such a grant or not.
    pub(crate) fn is_retirement(&self) -> bool {
        self.retires.is_some() || self.action.kms().is_some_and(|permission| permission.name() == "RetireGrant")
    }

    /// A request without parameters.
    pub fn new(action: Action, call: &'a CallFacts) -> Self {
        Self {
            action,
            call,
            encryption_context: None,
            alias: None,
            from_ciphertext: false,
            identity_only: false,
            parameters: Vec::new(),
            attestation: None,
            request_tags: None,
            child: None,
            retires: None,
            tokens: &[],
            unsaid: Unsaid::Absent,
            verbatim: None,
        }
    }
}
