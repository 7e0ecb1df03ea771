//! Who calls, as authentication found it.

use std::net::IpAddr;
use std::sync::Arc;

use jiff::Timestamp;
use keyward_authz::{SessionFacts, UniqueId, Via};
use keyward_policy::{AccountId, Arn, Policy};
use serde::{Deserialize, Serialize};

/// The principal behind a set of credentials, by name and by the unique id that it had.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub enum Identity {
    /// The root user.
    Root {
        /// The account.
        account: AccountId,
    },
    /// An IAM user.
    User {
        /// The account.
        account: AccountId,
        /// The user's name.
        name: String,
        /// `AIDA…`
        id: UniqueId,
    },
    /// A session of a role.
    Role {
        /// The role's account.
        account: AccountId,
        /// The role's name.
        name: String,
        /// `AROA…`
        id: UniqueId,
        /// `arn:aws:sts::ACCOUNT:assumed-role/ROLE/SESSION`
        session: Arn,
    },
    /// A session of GetFederationToken.
    Federated {
        /// The account.
        account: AccountId,
        /// The name that was asked for.
        name: String,
        /// Name and unique id of the user behind it; none when the root user made it.
        user: Option<(String, UniqueId)>,
        /// `arn:aws:sts::ACCOUNT:federated-user/NAME`
        arn: Arn,
    },
    /// A service that calls for itself, through a door (A208).
    Service {
        /// `cloudtrail.amazonaws.com`
        name: String,
    },
}

impl Identity {
    /// The account; a service calls under none.
    pub fn account(&self) -> Option<AccountId> {
        match self {
            Self::Root { account } | Self::User { account, .. } | Self::Role { account, .. } | Self::Federated { account, .. } => Some(*account),
            Self::Service { .. } => None,
        }
    }
}

/// A policy that limits a session.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct SessionPolicy {
    /// The ARN of a managed policy that was named.
    pub arn: Option<String>,
    /// The document as it was then.
    pub policy: Policy,
}

/// The door behind a session: a door that is made again under the same name is another one.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct SessionDoor {
    /// `s3.ap-south-1`
    pub id: String,
    /// The door's unique id.
    pub unique_id: String,
}

/// What a session token carries, sealed (T7).
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Session {
    /// `ASIA…`, the access key id for which the token is good.
    pub access_key_id: String,
    /// Whose session it is.
    pub identity: Identity,
    /// Session policies; none given is not the same as an empty list (A219).
    #[serde(default)]
    pub policies: Option<Vec<SessionPolicy>>,
    /// Session tags (A203).
    #[serde(default)]
    pub tags: Vec<(String, String)>,
    /// Names of tags that go on to the next role.
    #[serde(default)]
    pub transitive_tags: Vec<String>,
    /// When it was made, MFA, source identity.
    pub facts: SessionFacts,
    /// How it was made: decides what it may call (K277) and how long its chains live (K276).
    pub kind: SessionKind,
    /// When it ends.
    pub expires_at: Timestamp,
    /// Set on a forward access session (A514).
    #[serde(default)]
    pub via: Option<Via>,
    /// The door that made it; the session ends with the door.
    #[serde(default)]
    pub door: Option<SessionDoor>,
    /// Where the caller of a forward access session called from, as the service saw it (A514).
    #[serde(default)]
    pub source_ip: Option<IpAddr>,
    /// What a service principal calls on behalf of (A530).
    #[serde(default)]
    pub source_arn: Option<String>,
    /// Likewise.
    #[serde(default)]
    pub source_account: Option<AccountId>,
}

impl Session {
    /// A session without anything but its principal.
    pub(crate) fn new(access_key_id: String, identity: Identity, kind: SessionKind, issued_at: Timestamp, expires_at: Timestamp) -> Self {
        Self {
            access_key_id,
            identity,
            policies: None,
            tags: Vec::new(),
            transitive_tags: Vec::new(),
            facts: SessionFacts { issued_at: Some(issued_at), ..SessionFacts::default() },
            kind,
            expires_at,
            via: None,
            door: None,
            source_ip: None,
            source_arn: None,
            source_account: None,
        }
    }
}

/// The call that made a session.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[expect(missing_docs, reason = "each is the call of the same name, or the door")]
pub enum SessionKind {
    AssumeRole,
    GetSessionToken,
    GetFederationToken,
    /// Made by a service door from a caller's session, or for the service itself.
    ServiceDoor,
}

/// An authenticated caller. Only [`Host::authenticate`](crate::Host::authenticate) makes one:
///
/// ```compile_fail
/// fn forge(identity: keyward_service::Identity) -> keyward_service::Caller {
///     keyward_service::Caller { identity, session: None, access_key_id: String::new() }
/// }
/// ```
///
/// while reading one compiles:
///
/// ```
/// fn whose(caller: &keyward_service::Caller) -> &keyward_service::Identity {
///     &caller.identity
/// }
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Caller {
    /// Who.
    pub identity: Identity,
    /// The session, for temporary credentials.
    pub session: Option<Arc<Session>>,
    /// The access key id that signed.
    pub access_key_id: String,
}

impl Caller {
    /// For questions: whoever would call, by nobody's credentials. It goes no further than a rehearsal.
    pub(crate) fn imagined(identity: Identity, session: Option<Session>) -> Self {
        Self { identity, session: session.map(Arc::new), access_key_id: String::new() }
    }

    pub(crate) fn authenticated(identity: Identity, session: Option<Arc<Session>>, access_key_id: String) -> Self {
        Self { identity, session, access_key_id }
    }

    /// The caller's account; a service calls under none.
    pub fn account(&self) -> Option<AccountId> {
        self.identity.account()
    }

    /// Whether credentials of this kind may be used for the operation at all, whatever policies say (K277) (A514).
    pub(crate) fn may_use(&self, service: &str, operation: &str) -> bool {
        let identity_question = (service, operation) == ("sts", "GetCallerIdentity");
        match (&self.session, &self.identity) {
            // A door's long-term key exchanges sessions and does nothing else.
            (None, Identity::Service { .. }) => service == "keyward",
            (None, _) => service != "keyward",
            (Some(session), _) => match session.kind {
                SessionKind::AssumeRole => !matches!((service, operation), ("keyward", _) | ("sts", "GetSessionToken" | "GetFederationToken")),
                SessionKind::GetSessionToken => match service {
                    "iam" => session.facts.mfa_present == Some(true),
                    "sts" => identity_question || operation == "AssumeRole",
                    service => service != "keyward",
                },
                SessionKind::GetFederationToken => matches!(service, "kms" | "organizations") || identity_question,
                SessionKind::ServiceDoor => service == "kms",
            },
        }
    }
}
