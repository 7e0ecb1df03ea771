//! What can go wrong, in our words; `aws` turns it into AWS's.

mod aws;
mod key_stores;
mod organizations;

use keyward_authz::KeyArn;
use keyward_crypto::MaterialId;

pub use aws::AwsError;
pub use key_stores::{HsmFailure, KeyStoreError, ProxyFailure};
pub use organizations::{OrganizationsCode, OrganizationsReason};

/// Why a call fails. The caller's mistakes, mostly; [`Internal`](Self::Internal) and [`Unrecorded`](Self::Unrecorded) are ours.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Error {
    // Authorization.
    /// Refused, with AWS's sentence (A903) (A906).
    #[error("{sentence}")]
    AccessDenied {
        /// The whole sentence.
        sentence: String,
    },
    /// A ciphertext's key is missing or hidden, and the request named none (A907) (K163).
    #[error("the ciphertext's key is not there for this caller")]
    CiphertextKeyHidden,
    /// The principal behind the credentials is no longer there.
    #[error("the principal behind these credentials is gone")]
    PrincipalGone,

    // Identifiers (K40–K54).
    /// Neither id, ARN nor alias (K43).
    #[error("`{0}` names no key")]
    InvalidKeyId(String),
    /// Well-formed, of the own account, absent (K43).
    #[error("key `{0}` does not exist")]
    KeyNotFound(String),
    /// An ARN of another Region (K43).
    #[error("`{0}` is another Region's")]
    WrongRegion(String),
    /// An alias that does not exist, by ARN (K43) (K52).
    #[error("alias `{0}` does not exist")]
    AliasNotFound(String),
    /// An alias ARN where only keys are taken (K44).
    #[error("an alias is not taken here")]
    AliasNotSupported,
    /// An ARN that is none (K44).
    #[error("`{0}` is no ARN")]
    InvalidArn(String),
    /// `alias/aws/…` (K49).
    #[error("the alias is AWS's own")]
    ReservedAlias,
    /// The alias exists already, by ARN (K50).
    #[error("alias `{0}` exists")]
    AliasExists(String),
    /// A grant that does not exist on this key (K198).
    #[error("grant `{0}` does not exist")]
    GrantNotFound(String),
    /// Not 64 hexadecimal digits (K198).
    #[error("this is no grant id")]
    InvalidGrantId,
    /// Not a token of ours (K152) (A619).
    #[error("this is no grant token")]
    InvalidGrantToken,
    /// Not a marker of ours, for this list (K222) (T31).
    #[error("this is no marker")]
    InvalidMarker,
    /// A grantee or retiring principal that does not exist (A605).
    #[error("`{0}` is no principal that exists")]
    UnknownPrincipal(String),
    /// A policy name that is not there (K78).
    #[error("there is no such policy")]
    NoSuchPolicy,

    // State (K84), usage (K150), content.
    /// The key is disabled.
    #[error("key `{0}` is disabled")]
    Disabled(KeyArn),
    /// The key waits for its deletion.
    #[error("key `{0}` is pending deletion")]
    PendingDeletion(KeyArn),
    /// CancelKeyDeletion of a key that does not wait for it.
    #[error("key `{0}` is not pending deletion")]
    NotPendingDeletion(KeyArn),
    /// Another state in which the operation does not work: `<arn> is <what>.`
    #[error("key `{key}` is {what}")]
    InvalidState {
        /// The key.
        key: KeyArn,
        /// `pending import`, `unavailable`, `creating`, …
        what: &'static str,
    },
    /// RotateKeyOnDemand of a key for which nothing was imported (K102).
    #[error("key `{0}` has no material that waits for a rotation")]
    NoMaterialPending(KeyArn),
    /// Further material while some waits for a rotation (K117).
    #[error("key `{key}` has material that waits for a rotation")]
    MaterialPending {
        /// The key.
        key: KeyArn,
        /// What should be imported, and what waits.
        new_and_pending: Box<(MaterialId, MaterialId)>,
    },
    /// An import token that is none of ours, or another key's, or spent (K114) (T45).
    #[error("this is no import token for the key")]
    InvalidImportToken,
    /// An import token of more than a day ago (K114).
    #[error("the import token has expired")]
    ExpiredImportToken,
    /// Material of another kind, or other material than the key's (K114).
    #[error("{0}")]
    IncorrectKeyMaterial(&'static str),
    /// The key has a replica in the Region (K120).
    #[error("there is a replica already")]
    ReplicaExists,
    /// A material that the key does not have.
    #[error("the key has no material `{0}`")]
    MaterialNotFound(String),
    /// An automatic rotation of the key is due in a few minutes (K102).
    #[error("an automatic rotation is near")]
    AutomaticRotationNear,
    /// The key was rotated on demand as often as a key may be (K102).
    #[error("key `{0}` may not be rotated on demand any more")]
    OnDemandRotationsExhausted(KeyArn),
    /// The key's usage does not fit the operation.
    #[error("key `{key}` is for {usage}, not for {operation}")]
    InvalidKeyUsage {
        /// The key.
        key: KeyArn,
        /// Its usage.
        usage: String,
        /// What was tried.
        operation: &'static str,
    },
    /// The algorithm does not fit the key.
    #[error("algorithm {algorithm} does not fit {spec}")]
    IncompatibleAlgorithm {
        /// As sent or by default.
        algorithm: String,
        /// The key's spec.
        spec: String,
    },
    /// The ciphertext does not open; nothing says why (T37).
    #[error("the ciphertext does not open")]
    InvalidCiphertext,
    /// KeyId names another key than the ciphertext (K163).
    #[error("the ciphertext is of another key")]
    IncorrectKey,
    /// Not a signature of this message under this key; nothing says why (K183).
    #[error("the signature is not valid")]
    InvalidSignature,
    /// Not the code of this message under this key (K185).
    #[error("the code is not valid")]
    InvalidMac,
    /// The other's public key does not fit the key (K190).
    #[error("the other's public key does not fit the key")]
    InvalidPeerKey,
    /// All well, but only a dry run (K153).
    #[error("a dry run that would have succeeded")]
    DryRun,

    // Documents and limits.
    /// A policy that AWS would not save; the sentence is AWS's where it is known (A110).
    #[error("{0}")]
    MalformedPolicy(String),
    /// The lockout check (A701).
    #[error("the new policy would lock its author out")]
    PolicyLockout,
    /// A limit is reached; the text may be unknown (K230).
    #[error("a limit is reached")]
    LimitExceeded(Option<String>),
    /// A tag that is not taken (K130).
    #[error("{0}")]
    Tag(&'static str),
    /// A parameter is wrong: AWS's sentence.
    #[error("{0}")]
    Validation(String),
    /// An operation that the key cannot do; the text may be empty (K15).
    #[error("unsupported")]
    Unsupported(Option<String>),
    /// An error of IAM or STS, which carry their own codes (K266).
    #[error("{message}")]
    Iam {
        /// `NoSuchEntity`, …
        code: IamCode,
        /// The sentence.
        message: String,
    },

    /// An error of Organizations, which has codes of its own (K280).
    #[error("{}", .0.message())]
    Organizations(OrganizationsCode),
    /// An error of Organizations that also says its `Reason`.
    #[error("{0:?}")]
    OrganizationsReason(OrganizationsReason),

    /// Too many calls in too short a time (K232).
    #[error("too many calls")]
    Throttled,
    /// A custom key store, or what is behind it, refuses (K137) (K146).
    #[error("{0:?}")]
    KeyStore(KeyStoreError),

    // Ours.
    /// Not an end: the operation begins again when a key store outside has answered.
    #[error("waiting for a key store outside")]
    Waiting,
    /// A bug, or chance and vault failing. Nothing was changed; the text is for the log, not for the caller.
    #[error("internal: {0}")]
    Internal(&'static str),
    /// The call could not be recorded, so it did not happen (T62).
    #[error("the trail cannot be written")]
    Unrecorded,
}

/// The error codes of IAM and STS (K266).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(missing_docs, reason = "AWS's own codes")]
pub enum IamCode {
    NoSuchEntity,
    EntityAlreadyExists,
    DeleteConflict,
    LimitExceeded,
    MalformedPolicyDocument,
    InvalidInput,
    InvalidParameterValue,
    PolicyNotAttachable,
    UnmodifiableEntity,
    ValidationError,
    PackedPolicyTooLarge,
    AccessDenied,
    InvalidClientTokenId,
    InvalidAuthorizationMessage,
    ServiceFailure,
}
