//! Custom key stores: where keys live that are not only ours (K135–K140).

use jiff::Timestamp;
use keyward_crypto::Sealed;
use keyward_policy::{AccountId, Region};
use serde::{Deserialize, Serialize};

/// A custom key store.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct CustomKeyStore {
    /// Its account.
    pub account: AccountId,
    /// Its Region.
    pub region: Region,
    /// `cks-…`
    pub id: String,
    /// Unique in account and Region.
    pub name: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// Whether its keys can be used.
    pub connection: Connection,
    /// What is behind it.
    pub backing: Backing,
}

/// The connection of a store to what is behind it (K137).
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub enum Connection {
    /// The beginning, and what Disconnect leads to.
    Disconnected,
    /// Asked for, and not known yet.
    Connecting {
        /// Tells one attempt from another.
        since: Timestamp,
    },
    /// Keys can be used.
    Connected,
    /// The attempt failed; the store must be disconnected before the next one.
    Failed(ConnectionError),
    /// Asked to end.
    Disconnecting {
        /// Tells one attempt from another.
        since: Timestamp,
    },
}

impl Connection {
    /// As AWS spells it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Disconnected => "DISCONNECTED",
            Self::Connecting { .. } => "CONNECTING",
            Self::Connected => "CONNECTED",
            Self::Failed(_) => "FAILED",
            Self::Disconnecting { .. } => "DISCONNECTING",
        }
    }

    /// Whether something must still happen before it rests.
    pub fn is_in_transition(self) -> bool {
        matches!(self, Self::Connecting { .. } | Self::Disconnecting { .. })
    }
}

/// Why a store did not connect, in AWS's words (`ConnectionErrorCodeType`).
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[expect(missing_docs, reason = "AWS's own codes")]
pub enum ConnectionError {
    InvalidCredentials,
    ClusterNotFound,
    NetworkErrors,
    InternalError,
    UserLockedOut,
    UserNotFound,
    XksProxyAccessDenied,
    XksProxyNotReachable,
    XksProxyInvalidResponse,
    XksProxyInvalidConfiguration,
    XksProxyTimedOut,
    XksProxyInvalidTlsConfiguration,
}

/// What is behind a store.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub enum Backing {
    /// An external key manager, reached through a proxy.
    Proxy(Box<XksProxy>),
    /// A cluster of hardware security modules; a token stands for it.
    Token(Box<HsmToken>),
}

impl Backing {
    /// As AWS spells the store's type.
    pub fn store_type(&self) -> &'static str {
        match self {
            Self::Proxy(_) => "EXTERNAL_KEY_STORE",
            Self::Token(_) => "AWS_CLOUDHSM",
        }
    }

    /// The token, if one is behind it.
    pub fn token(&self) -> Option<&HsmToken> {
        match self {
            Self::Proxy(_) => None,
            Self::Token(token) => Some(token),
        }
    }
}

/// The token that stands for a store's cluster (K135).
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct HsmToken {
    /// `cluster-…`; which token that is says who starts the server.
    pub cluster_id: String,
    /// The certificate as it was given, PEM. A module that is loaded has none to compare it with.
    pub trust_anchor_certificate: String,
    /// The password of `kmsuser`, sealed as the secrets of proxies are.
    pub password: Sealed,
}

/// How an external key store's proxy is reached (K136).
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct XksProxy {
    /// Over which network.
    pub connectivity: Connectivity,
    /// `https://xks.example.com`
    pub uri_endpoint: String,
    /// `/prefix/kms/xks/v1`
    pub uri_path: String,
    /// `com.amazonaws.vpce.…`, where the network is a VPC's.
    #[serde(default)]
    pub vpc_endpoint_service_name: Option<String>,
    /// Whose endpoint service it is, if it is not the store's account's.
    #[serde(default)]
    pub vpc_endpoint_service_owner: Option<String>,
    /// Names the credential with which calls are signed.
    pub access_key_id: String,
    /// Its secret, sealed with the store's ARN-like place as additional data.
    pub secret_access_key: Sealed,
}

/// A credential with which somebody else's KMS uses our keys as external keys (K136).
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct ProxyClient {
    /// Letters and digits as in K136; never one of an IAM access key.
    pub access_key_id: String,
    /// The account whose keys are used.
    pub account: AccountId,
    /// As which of its users calls are decided; none is the root user.
    #[serde(default)]
    pub user: Option<String>,
    /// The Region of the keys.
    pub region: Region,
    /// The secret, sealed with the id as additional data.
    pub secret_access_key: Sealed,
    /// When it was made.
    pub created_at: Timestamp,
}

/// Over which network a proxy is reached.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[expect(missing_docs, reason = "AWS's own words")]
pub enum Connectivity {
    PublicEndpoint,
    VpcEndpointService,
}

/// A key's place in a custom key store.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct InStore {
    /// `cks-…`, of the key's own account and Region.
    pub store: String,
    /// What the key is called in the external key manager.
    #[serde(default)]
    pub xks_key_id: Option<String>,
}

impl CustomKeyStore {
    /// What its secrets are sealed with: moved to another store they do not open (T30).
    pub fn sealed_for(account: AccountId, region: &Region, id: &str) -> String {
        format!("{account}/{region}/{id}")
    }
}
