//! What an estate is made of, each thing as it is stored: one row, replaced whole.

mod key_store;
mod organization;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use keyward_authz::{AliasName, Grant, GrantId, KeyArn, KeyFacts, KeyId, MultiRegionKeyType, ResourcePolicy, UniqueId};
use keyward_crypto::{MaterialId, Origin, Sealed};
use keyward_policy::{AccountId, Arn, Partition, Policy, Region};
use serde::{Deserialize, Serialize};

pub use key_store::{Backing, Connection, ConnectionError, Connectivity, CustomKeyStore, HsmToken, InStore, ProxyClient, XksProxy};
pub use organization::{
    AccountCreation, Handshake, HandshakeState, JoinedMethod, Member, Organization, OrganizationPolicy, OrganizationPolicyType, OrganizationalUnit,
};

/// An AWS account.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Account {
    /// Its number.
    pub id: AccountId,
    /// What people call it.
    #[serde(default)]
    pub name: Option<String>,
    /// The address of its root user, where one was given.
    #[serde(default)]
    pub email: Option<String>,
    /// Its partition, for good: where it can be called, and how the ARNs of everything in it begin (A121).
    #[serde(default)]
    pub partition: Partition,
    /// When it was made.
    pub created_at: Timestamp,
}

impl Account {
    /// The address of its root user; made up where none was given, for Organizations shows one for every account.
    pub fn email(&self) -> String {
        self.email.clone().unwrap_or_else(|| format!("root@{}.example", self.id))
    }

    /// Its name, or its number where it has none.
    pub fn display_name(&self) -> String {
        self.name.clone().unwrap_or_else(|| self.id.to_string())
    }
}

/// Whose long-term access key it is.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub enum AccessKeyOwner {
    /// The root user's.
    Root {
        /// The account.
        account: AccountId,
    },
    /// An IAM user's.
    User {
        /// The account.
        account: AccountId,
        /// The user's name.
        name: String,
    },
    /// A service door's (A514): it signs nothing but exchanges for forwarded sessions.
    Door {
        /// The door's id.
        door: String,
    },
}

/// A long-term access key.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct AccessKey {
    /// `AKIA…`
    pub id: String,
    /// Whose.
    pub owner: AccessKeyOwner,
    /// The secret, sealed with the id as additional data (T12).
    pub secret: Sealed,
    /// `Active` or `Inactive`.
    pub active: bool,
    /// When it was made.
    pub created_at: Timestamp,
}

/// Tags in the order of their insertion (K131).
pub type Tags = Vec<(String, String)>;

/// Policies written into a user, group or role, by name.
pub type InlinePolicies = BTreeMap<String, Policy>;

/// An IAM user.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct User {
    /// `arn:aws:iam::ACCOUNT:user/PATH/NAME`
    pub arn: Arn,
    /// Its account.
    pub account: AccountId,
    /// Unique in the account, ignoring case (K270).
    pub name: String,
    /// `/` or `/…/`
    pub path: String,
    /// `AIDA…`
    pub id: UniqueId,
    /// When it was made.
    pub created_at: Timestamp,
    /// Its tags.
    #[serde(default)]
    pub tags: Tags,
    /// Its inline policies.
    #[serde(default)]
    pub inline: InlinePolicies,
    /// ARNs of attached managed policies, in order.
    #[serde(default)]
    pub attached: Vec<String>,
    /// ARN of the managed policy that is its permissions boundary.
    #[serde(default)]
    pub boundary: Option<String>,
    /// Names of its groups.
    #[serde(default)]
    pub groups: BTreeSet<String>,
    /// Sessions that this user makes count as made with MFA.
    #[serde(default)]
    pub mfa: bool,
}

/// An IAM group.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Group {
    /// `arn:aws:iam::ACCOUNT:group/PATH/NAME`
    pub arn: Arn,
    /// Its account.
    pub account: AccountId,
    /// Unique in the account, ignoring case.
    pub name: String,
    /// `/` or `/…/`
    pub path: String,
    /// `AGPA…`
    pub id: UniqueId,
    /// When it was made.
    pub created_at: Timestamp,
    /// Its inline policies.
    #[serde(default)]
    pub inline: InlinePolicies,
    /// ARNs of attached managed policies.
    #[serde(default)]
    pub attached: Vec<String>,
}

/// An IAM role.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Role {
    /// `arn:aws:iam::ACCOUNT:role/PATH/NAME`
    pub arn: Arn,
    /// Its account.
    pub account: AccountId,
    /// Unique in the account, ignoring case.
    pub name: String,
    /// `/` or `/…/`
    pub path: String,
    /// `AROA…`
    pub id: UniqueId,
    /// When it was made.
    pub created_at: Timestamp,
    /// Who may assume it.
    pub trust: ResourcePolicy,
    /// For people.
    #[serde(default)]
    pub description: Option<String>,
    /// 3600 to 43200 seconds (K271).
    pub session_s_max: u32,
    /// Its inline policies.
    #[serde(default)]
    pub inline: InlinePolicies,
    /// ARNs of attached managed policies.
    #[serde(default)]
    pub attached: Vec<String>,
    /// ARN of the managed policy that is its permissions boundary.
    #[serde(default)]
    pub boundary: Option<String>,
    /// Its tags.
    #[serde(default)]
    pub tags: Tags,
    /// For a service-linked role, the service, e.g. `autoscaling.amazonaws.com` (A322).
    #[serde(default)]
    pub service_linked: Option<String>,
}

/// One version of a managed policy.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct PolicyVersion {
    /// 1 for `v1`.
    pub number: u32,
    /// The document.
    pub policy: Policy,
    /// When it was made.
    pub created_at: Timestamp,
}

/// A customer managed policy. AWS's own are not stored; see `aws_managed`.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct ManagedPolicy {
    /// `arn:aws:iam::ACCOUNT:policy/PATH/NAME`
    pub arn: Arn,
    /// Its account.
    pub account: AccountId,
    /// Unique in the account, ignoring case.
    pub name: String,
    /// `/` or `/…/`
    pub path: String,
    /// `ANPA…`
    pub id: UniqueId,
    /// For people.
    #[serde(default)]
    pub description: Option<String>,
    /// At most five, oldest first (K271).
    pub versions: Vec<PolicyVersion>,
    /// The number of the version that counts.
    pub default_version: u32,
    /// The highest number ever given.
    pub last_version: u32,
    /// When it was made.
    pub created_at: Timestamp,
    /// When a version was last made.
    pub updated_at: Timestamp,
    /// Its tags.
    #[serde(default)]
    pub tags: Tags,
}

impl ManagedPolicy {
    /// The document that counts.
    pub fn default_policy(&self) -> Option<&Policy> {
        self.versions.iter().find(|version| version.number == self.default_version).map(|version| &version.policy)
    }
}

/// Key states (K81).
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[expect(missing_docs, reason = "AWS's own words, listed in K81")]
pub enum KeyState {
    Creating,
    Enabled,
    Disabled,
    PendingImport,
    PendingDeletion,
    PendingReplicaDeletion,
    Unavailable,
    Updating,
}

impl KeyState {
    /// As AWS spells it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Creating => "Creating",
            Self::Enabled => "Enabled",
            Self::Disabled => "Disabled",
            Self::PendingImport => "PendingImport",
            Self::PendingDeletion => "PendingDeletion",
            Self::PendingReplicaDeletion => "PendingReplicaDeletion",
            Self::Unavailable => "Unavailable",
            Self::Updating => "Updating",
        }
    }
}

/// One key material of a key, sealed under the root key with the key's ARN and its own id as additional data.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Material {
    /// A function of key id and material (K118).
    pub id: MaterialId,
    /// The material; none of imported material that was deleted or has expired (K119), or that this replica does not have yet, and
    /// none of material that is in a hardware security module, where its id finds it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sealed: Option<Sealed>,
    /// When it was made or imported.
    pub created_at: Timestamp,
    /// The rotation that made it the current one; none for a key's first material.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotation: Option<Rotation>,
    /// What was said of it when it was imported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub imported: Option<Imported>,
}

impl Material {
    /// Whether it belongs to the key for good: it is the current one, or was (K119).
    pub fn is_associated(&self) -> bool {
        !self.imported.as_ref().is_some_and(|imported| imported.is_pending)
    }

    /// When it expires, if it is there and does.
    pub fn expires_at(&self) -> Option<Timestamp> {
        self.imported.as_ref().and_then(|imported| imported.expires_at)
    }

    /// What is left of it when its bytes are gone.
    pub(crate) fn without_bytes(&self) -> Self {
        let imported = self.imported.clone().map(|imported| Imported { expires_at: None, ..imported });
        Self { sealed: None, imported, ..self.clone() }
    }
}

/// What is known of imported material beside the material.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Imported {
    /// For people (K116).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// When it expires (K113).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// It waits for a rotation that makes it the current one (K117).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_pending: bool,
}

/// An import token that was used (T45).
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct SpentToken {
    /// Its id.
    pub id: String,
    /// What was imported with it.
    pub material: MaterialId,
    /// Until when it would have been good: then it is forgotten.
    pub valid_to: Timestamp,
}

/// A rotation that has been (K105).
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Rotation {
    /// When.
    pub at: Timestamp,
    /// Who wanted it.
    pub kind: RotationKind,
}

/// Who wanted a rotation.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub enum RotationKind {
    /// The key's schedule.
    Automatic,
    /// A caller.
    OnDemand,
}

impl RotationKind {
    /// As AWS spells it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Automatic => "AUTOMATIC",
            Self::OnDemand => "ON_DEMAND",
        }
    }
}

/// When a key rotates by itself (K100).
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct RotationSchedule {
    /// Days from one rotation to the next.
    pub period_days: u32,
    /// The next one.
    pub next_at: Timestamp,
}

/// A KMS key.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Key {
    /// What deciding needs to know.
    pub facts: KeyFacts,
    /// Its tags in order (K131); `facts.tags` says the same.
    #[serde(default)]
    pub tags: Tags,
    /// For people.
    #[serde(default)]
    pub description: String,
    /// Its state.
    pub state: KeyState,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it will be deleted, while PendingDeletion.
    #[serde(default)]
    pub deletion_at: Option<Timestamp>,
    /// Days that it will wait for its deletion, while PendingReplicaDeletion (K91).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pending_window_days: Option<i64>,
    /// Oldest first.
    pub materials: Vec<Material>,
    /// When it rotates by itself, if it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotation: Option<RotationSchedule>,
    /// The custom key store that it is in, if it is in one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_store: Option<InStore>,
    /// Whether that store is not connected now: known to the state, not stored (K139).
    #[serde(skip)]
    pub unavailable: bool,
    /// Import tokens that are good for nothing new.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub spent_tokens: Vec<SpentToken>,
}

impl Key {
    /// A key that is being made: without material yet.
    pub fn new(facts: KeyFacts, now: Timestamp) -> Self {
        Self {
            facts,
            tags: Vec::new(),
            description: String::new(),
            state: KeyState::Creating,
            created_at: now,
            deletion_at: None,
            pending_window_days: None,
            materials: Vec::new(),
            rotation: None,
            in_store: None,
            unavailable: false,
            spent_tokens: Vec::new(),
        }
    }

    /// The material with which new ciphertexts are made.
    pub fn current_material(&self) -> Option<&Material> {
        self.associated().next_back()
    }

    /// The materials that belong to it for good, oldest first.
    pub fn associated(&self) -> impl DoubleEndedIterator<Item = &Material> {
        self.materials.iter().filter(|material| material.is_associated())
    }

    /// The imported material that waits for a rotation; there is one at most (K117).
    pub fn pending_material(&self) -> Option<&Material> {
        self.materials.iter().find(|material| !material.is_associated())
    }

    /// Whether all its materials are there, and there is one (K119). Those of keys in hardware security modules are there.
    pub fn has_material(&self) -> bool {
        let is_there = |material: &Material| material.sealed.is_some() || self.is_in_hsm();
        self.current_material().is_some() && self.associated().all(is_there)
    }

    /// Whether its material is in a hardware security module, and nowhere else.
    pub fn is_in_hsm(&self) -> bool {
        self.facts.origin == Origin::AwsCloudHsm.name()
    }

    /// Gives it the state that its material says (K115) (K119): one that waits for its deletion goes on waiting.
    pub(crate) fn settle(&mut self) {
        self.state = match (self.state, self.has_material()) {
            (state @ (KeyState::PendingDeletion | KeyState::PendingReplicaDeletion), _) => state,
            (_, false) => KeyState::PendingImport,
            (KeyState::PendingImport | KeyState::Creating, true) => KeyState::Enabled,
            (state, true) => state,
        };
    }

    /// Its ARN.
    pub fn arn(&self) -> &KeyArn {
        &self.facts.arn
    }

    /// Whether it is a replica of a multi-Region key.
    pub fn is_replica(&self) -> bool {
        self.facts.multi_region == Some(MultiRegionKeyType::Replica)
    }

    /// The earliest moment at which something happens to it though nobody calls.
    pub(crate) fn due_at(&self) -> Option<Timestamp> {
        let by_state = match self.state {
            KeyState::PendingDeletion => self.deletion_at,
            // [K103] Of a key that is disabled nothing rotates; what was due then is due at once when it is enabled.
            KeyState::Enabled | KeyState::Updating => self.rotation.map(|schedule| schedule.next_at),
            KeyState::Creating | KeyState::Disabled | KeyState::PendingImport | KeyState::PendingReplicaDeletion | KeyState::Unavailable => None,
        };
        self.materials.iter().filter_map(Material::expires_at).chain(by_state).min()
    }

    /// Its state as it shows: a key that could be used, but for its store, is unavailable (K139).
    pub fn shown_state(&self) -> KeyState {
        match self.state {
            KeyState::Enabled | KeyState::Disabled | KeyState::Updating if self.unavailable => KeyState::Unavailable,
            state => state,
        }
    }
}

/// An alias.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Alias {
    /// Its account.
    pub account: AccountId,
    /// Its Region.
    pub region: Region,
    /// `alias/…`, unique per account and Region (K50).
    pub name: AliasName,
    /// The key that it names, of the same account and Region.
    pub target: KeyId,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last pointed at a key.
    pub updated_at: Timestamp,
}

impl Alias {
    /// `arn:aws:kms:REGION:ACCOUNT:alias/NAME`
    pub fn arn(&self) -> String {
        alias_arn(&self.region, self.account, &self.name)
    }
}

/// The ARN of an alias that may or may not exist.
pub fn alias_arn(region: &Region, account: AccountId, name: &AliasName) -> String {
    format!("arn:{}:kms:{region}:{account}:{name}", region.partition())
}

/// A service door: lets its holder call KMS for a caller, as AWS's services do (A514).
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Door {
    /// `s3.ap-south-1`: a service has one door in a Region.
    pub id: String,
    /// `s3`
    pub service: String,
    /// The service's Region.
    pub region: Region,
    /// Tells it from a door that bore its name before and is gone; empty for doors of the first releases.
    #[serde(default)]
    pub unique_id: String,
    /// When it was made.
    pub created_at: Timestamp,
}

impl Door {
    /// A door of a service in a Region; none if the service is not one label such as `s3`.
    pub fn new(service: &str, region: Region, unique_id: String, created_at: Timestamp) -> Option<Self> {
        let label = !service.is_empty() && service.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
        label.then(|| Self { id: format!("{service}.{region}"), service: service.to_owned(), region, unique_id, created_at })
    }

    /// The value of `kms:ViaService` of calls through it (A512).
    pub fn via_service(&self) -> String {
        format!("{}.{}.amazonaws.com", self.service, self.region)
    }

    /// The service principal that it may act as (A208).
    pub fn service_principal(&self) -> String {
        format!("{}.{}", self.service, self.region.partition().dns_suffix())
    }
}

/// An interface endpoint: calls that come through it carry where they come from, and pass its policy (A330, A532).
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct VpcEndpoint {
    /// `vpce-…`
    pub id: String,
    /// `vpc-…`
    pub vpc: String,
    /// Whose it is.
    pub account: AccountId,
    /// The service that it leads to: `kms`, `sts`, `iam` or `organizations`.
    pub service: String,
    /// The Region of the service.
    pub region: Region,
    /// Its policy; none is the default one, which allows everything.
    #[serde(default)]
    pub policy: Option<Policy>,
    /// When it was made.
    pub created_at: Timestamp,
}

impl VpcEndpoint {
    /// The services that endpoints lead to.
    pub const SERVICES: [&str; 4] = ["kms", "sts", "iam", "organizations"];

    /// What is wrong with its names, if anything.
    pub(crate) fn fault(&self) -> Option<String> {
        let proper = |text: &str, prefix: &str| {
            let hex = text.strip_prefix(prefix).unwrap_or_default();
            (8..=32).contains(&hex.len()) && hex.bytes().all(|byte| byte.is_ascii_hexdigit() && !byte.is_ascii_uppercase())
        };
        if !proper(&self.id, "vpce-") {
            Some(format!("`{}` is no id of an endpoint: vpce- and 8 to 32 hexadecimal digits", self.id))
        } else if !proper(&self.vpc, "vpc-") {
            Some(format!("`{}` is no id of a VPC: vpc- and 8 to 32 hexadecimal digits", self.vpc))
        } else if !Self::SERVICES.contains(&self.service.as_str()) {
            Some(format!("endpoints lead to {}, not to `{}`", Self::SERVICES.join(", "), self.service))
        } else {
            None
        }
    }
}

macro_rules! entities {
    ($($kind:ident($entity:ty) = $name:literal),* $(,)?) => {
        /// One stored thing.
        #[derive(Clone, Debug)]
        #[expect(missing_docs, reason = "each variant holds the type of the same name")]
        pub enum Entity { $($kind(Arc<$entity>),)* }

        /// The kinds of stored things.
        #[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
        #[expect(missing_docs, reason = "as in `Entity`")]
        pub enum EntityKind { $($kind,)* }

        impl EntityKind {
            /// As the store spells it.
            pub fn name(self) -> &'static str {
                match self { $(Self::$kind => $name,)* }
            }

            /// Looks a kind up by the store's spelling.
            pub fn named(name: &str) -> Option<Self> {
                match name { $($name => Some(Self::$kind),)* _ => None }
            }
        }

        impl Entity {
            /// Its kind.
            pub fn kind(&self) -> EntityKind {
                match self { $(Self::$kind(_) => EntityKind::$kind,)* }
            }

            /// The stored form: a version byte and JSON.
            ///
            /// # Errors
            /// Only if the value cannot be written as JSON, which is a bug.
            pub fn encode(&self) -> Result<Vec<u8>, serde_json::Error> {
                let mut bytes = vec![ENTITY_VERSION];
                match self { $(Self::$kind(entity) => serde_json::to_writer(&mut bytes, entity)?,)* }
                Ok(bytes)
            }

            /// Reads the stored form.
            ///
            /// # Errors
            /// When the bytes are of another version or not what this kind looks like.
            pub fn decode(kind: EntityKind, bytes: &[u8]) -> Result<Self, DecodeError> {
                let body = match bytes.split_first() {
                    Some((&ENTITY_VERSION, body)) => body,
                    Some((&version, _)) => return Err(DecodeError::Version(version)),
                    None => return Err(DecodeError::Empty),
                };
                Ok(match kind { $(EntityKind::$kind => Self::$kind(Arc::new(serde_json::from_slice(body)?)),)* })
            }
        }
    };
}

entities! {
    Account(Account) = "account",
    AccessKey(AccessKey) = "access-key",
    User(User) = "user",
    Group(Group) = "group",
    Role(Role) = "role",
    ManagedPolicy(ManagedPolicy) = "managed-policy",
    Key(Key) = "key",
    Alias(Alias) = "alias",
    Grant(Grant) = "grant",
    Door(Door) = "door",
    Organization(Organization) = "organization",
    OrganizationalUnit(OrganizationalUnit) = "organizational-unit",
    Member(Member) = "member",
    OrganizationPolicy(OrganizationPolicy) = "organization-policy",
    AccountCreation(AccountCreation) = "account-creation",
    Handshake(Handshake) = "handshake",
    VpcEndpoint(VpcEndpoint) = "vpc-endpoint",
    CustomKeyStore(CustomKeyStore) = "custom-key-store",
    ProxyClient(ProxyClient) = "proxy-client",
}

/// The first byte of every stored entity.
pub const ENTITY_VERSION: u8 = 1;

/// Stored bytes that are not an entity.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// No bytes at all.
    #[error("the row is empty")]
    Empty,
    /// Written by a newer release.
    #[error("the row has format version {0}, this release reads {ENTITY_VERSION}")]
    Version(u8),
    /// Not the JSON that it should be.
    #[error("the row does not read")]
    Json(#[from] serde_json::Error),
}

/// Names one stored thing.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[expect(missing_docs, reason = "the parts are those of the entity")]
pub enum EntityKey {
    Account(AccountId),
    AccessKey(String),
    User(AccountId, String),
    Group(AccountId, String),
    Role(AccountId, String),
    ManagedPolicy(String),
    Key(KeyArn),
    Alias(AccountId, Region, AliasName),
    Grant(KeyArn, GrantId),
    Door(String),
    Organization(String),
    OrganizationalUnit(String),
    Member(AccountId),
    OrganizationPolicy(String),
    AccountCreation(String),
    Handshake(String),
    VpcEndpoint(String),
    CustomKeyStore(AccountId, Region, String),
    ProxyClient(String),
}

impl EntityKey {
    /// Its kind.
    pub fn kind(&self) -> EntityKind {
        match self {
            Self::Account(_) => EntityKind::Account,
            Self::AccessKey(_) => EntityKind::AccessKey,
            Self::User(..) => EntityKind::User,
            Self::Group(..) => EntityKind::Group,
            Self::Role(..) => EntityKind::Role,
            Self::ManagedPolicy(_) => EntityKind::ManagedPolicy,
            Self::Key(_) => EntityKind::Key,
            Self::Alias(..) => EntityKind::Alias,
            Self::Grant(..) => EntityKind::Grant,
            Self::Door(_) => EntityKind::Door,
            Self::Organization(_) => EntityKind::Organization,
            Self::OrganizationalUnit(_) => EntityKind::OrganizationalUnit,
            Self::Member(_) => EntityKind::Member,
            Self::OrganizationPolicy(_) => EntityKind::OrganizationPolicy,
            Self::AccountCreation(_) => EntityKind::AccountCreation,
            Self::Handshake(_) => EntityKind::Handshake,
            Self::VpcEndpoint(_) => EntityKind::VpcEndpoint,
            Self::CustomKeyStore(..) => EntityKind::CustomKeyStore,
            Self::ProxyClient(_) => EntityKind::ProxyClient,
        }
    }

    /// The text under which the store keeps it, unique within its kind. Account and Region are part of it (T30).
    pub fn id(&self) -> String {
        match self {
            Self::Account(id) | Self::Member(id) => id.to_string(),
            Self::AccessKey(id)
            | Self::Door(id)
            | Self::Organization(id)
            | Self::OrganizationalUnit(id)
            | Self::OrganizationPolicy(id)
            | Self::AccountCreation(id)
            | Self::Handshake(id)
            | Self::ProxyClient(id)
            | Self::VpcEndpoint(id) => id.clone(),
            // [K270] Names are unique ignoring case.
            Self::User(account, name) | Self::Group(account, name) | Self::Role(account, name) => format!("{account}/{}", name.to_lowercase()),
            Self::ManagedPolicy(arn) => arn.clone(),
            Self::Key(arn) => arn.to_string(),
            Self::Alias(account, region, name) => format!("{account}/{region}/{name}"),
            Self::CustomKeyStore(account, region, id) => format!("{account}/{region}/{id}"),
            Self::Grant(key, id) => format!("{key}/{id}"),
        }
    }
}

impl Entity {
    /// The name of this thing.
    pub fn key(&self) -> EntityKey {
        match self {
            Self::Account(account) => EntityKey::Account(account.id),
            Self::AccessKey(key) => EntityKey::AccessKey(key.id.clone()),
            Self::User(user) => EntityKey::User(user.account, user.name.clone()),
            Self::Group(group) => EntityKey::Group(group.account, group.name.clone()),
            Self::Role(role) => EntityKey::Role(role.account, role.name.clone()),
            Self::ManagedPolicy(policy) => EntityKey::ManagedPolicy(policy.arn.to_string()),
            Self::Key(key) => EntityKey::Key(key.facts.arn.clone()),
            Self::Alias(alias) => EntityKey::Alias(alias.account, alias.region.clone(), alias.name.clone()),
            Self::Grant(grant) => EntityKey::Grant(grant.key.clone(), grant.id.clone()),
            Self::Door(door) => EntityKey::Door(door.id.clone()),
            Self::Organization(organization) => EntityKey::Organization(organization.id.clone()),
            Self::OrganizationalUnit(unit) => EntityKey::OrganizationalUnit(unit.id.clone()),
            Self::Member(member) => EntityKey::Member(member.account),
            Self::OrganizationPolicy(policy) => EntityKey::OrganizationPolicy(policy.id.clone()),
            Self::AccountCreation(creation) => EntityKey::AccountCreation(creation.id.clone()),
            Self::Handshake(handshake) => EntityKey::Handshake(handshake.id.clone()),
            Self::VpcEndpoint(endpoint) => EntityKey::VpcEndpoint(endpoint.id.clone()),
            Self::ProxyClient(client) => EntityKey::ProxyClient(client.access_key_id.clone()),
            Self::CustomKeyStore(store) => EntityKey::CustomKeyStore(store.account, store.region.clone(), store.id.clone()),
        }
    }
}

/// What an operation changes: a thing put in place whole, or removed.
#[derive(Clone, Debug)]
pub enum Change {
    /// Made or replaced.
    Put(Entity),
    /// Gone.
    Delete(EntityKey),
}

impl Change {
    /// Whether it touches an organization, so that what its policies come to must be found anew.
    pub(crate) fn places(&self) -> bool {
        let kind = match self {
            Self::Put(entity) => entity.kind(),
            Self::Delete(key) => key.kind(),
        };
        matches!(kind, EntityKind::Organization | EntityKind::OrganizationalUnit | EntityKind::Member | EntityKind::OrganizationPolicy)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As the first releases wrote it.
    const FIRST_KEY: &str = r#"{"facts":{"arn":"arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab","policy":{"policy":{"kind":"Key","text":"{\"Statement\":[]}"}},
        "spec":"SYMMETRIC_DEFAULT","usage":"ENCRYPT_DECRYPT","origin":"AWS_KMS","manager":"CUSTOMER","multi_region":null,"tags":{}},
        "state":"Enabled","created_at":"2026-11-25T19:00:00Z",
        "materials":[{"id":"ITITITITITITITITITITITITITITITIT","sealed":"AQID","created_at":"2026-11-25T19:00:00Z"}]}"#;

    #[test]
    fn a_key_of_the_first_releases_opens() {
        let json = FIRST_KEY.replace("ITITITITITITITITITITITITITITITIT", &"0f".repeat(32));
        let Entity::Key(key) = Entity::decode(EntityKind::Key, &[&[ENTITY_VERSION], json.as_bytes()].concat()).unwrap() else { panic!("a key") };
        let material = key.current_material().unwrap();
        assert_eq!((material.rotation, &material.imported), (None, &None));
        assert!(key.has_material());
        assert_eq!((key.rotation, key.due_at()), (None, None));
    }
}
