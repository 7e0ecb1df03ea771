//! KMS, IAM, STS and Organizations operations over an estate: input in, output and changes out.
//!
//! Operations never write and never read a clock: a [`Call`] gives them one revision of the estate, one caller and one
//! moment, and they return an [`Outcome`]. The [`Host`] runs them, commits what changes together with the call's trail
//! record, and answers after both are durable. This crate refuses to know HTTP, SQL, wire formats and async.

#[macro_use]
mod operation;

pub mod admin;
mod aws_managed;
mod call;
mod caller;
pub mod doors;
mod entities;
mod env;
mod error;
mod host;
pub mod iam;
mod json_line;
pub mod kms;
mod makers;
pub mod organizations;
mod outside;
mod paging;
mod placement;
mod principals;
mod question;
mod quotas;
pub mod seed;
mod state;
mod states;
mod store;
pub mod sts;
mod tokens;
mod trail;
mod usages;
mod vault;
pub mod xks;

pub use aws_managed::AwsManagedPolicy;
pub use call::{Call, Nothing, Operate, Origin, Outcome};
pub use caller::{Caller, Identity, Session, SessionDoor, SessionKind, SessionPolicy};
pub use entities::{
    AccessKey, AccessKeyOwner, Account, AccountCreation, Alias, Backing, Change, Connection, ConnectionError, Connectivity, CustomKeyStore,
    DecodeError, Door, ENTITY_VERSION, Entity, EntityKey, EntityKind, Group, Handshake, HandshakeState, HsmToken, Imported, InStore, InlinePolicies,
    JoinedMethod, Key, KeyState, ManagedPolicy, Material, Member, Organization, OrganizationPolicy, OrganizationPolicyType, OrganizationalUnit,
    PolicyVersion, ProxyClient, Role, Rotation, RotationKind, RotationSchedule, SpentToken, Tags, User, VpcEndpoint, XksProxy, alias_arn,
};
pub use env::{Clock, Env};
pub use error::{AwsError, Error, HsmFailure, IamCode, KeyStoreError, OrganizationsCode, OrganizationsReason, ProxyFailure};
pub use host::{Answers, AuthenticateError, Health, Host, OpenError, SecretKey};
pub use outside::{
    ExternalKeyMetadata, HsmQuestion, HsmReply, HsmRequest, HsmThen, NothingOutside, Outside, ProxyAddress, ProxyHealth, ProxyRequest,
    Question as OutsideQuestion, Reply, RequestMetadata, Then,
};
pub use question::{Answer, Question, QuestionError, ask};
pub use quotas::{ParseRatesError, RequestRates};
pub use state::State;
pub use store::{Commit, Loaded, Row, Store, StoreError};
pub use tokens::{IssuedCredentials, new_id, new_secret};
pub use trail::{Record, Used};
pub use usages::LastUsage;
pub use vault::{EnabledKey, ReadyKey, Vault, ready};
