//! Who may do what to a key: accounts, principals, policies and grants as data, and the one decision over them.
//!
//! Facts are gathered first, by somebody else: a [`Subject`] (who calls), a [`Target`] (what is asked for) and a
//! [`Request`]. [`authorize`] then decides; it is pure and cannot fail. This crate refuses to know files, clocks,
//! networks and where estates are kept.
//!
//! ```
//! use keyward_authz::{CallFacts, KeyArn, Principal, Request, Resource, Subject, Target, authorize};
//! use keyward_policy::{Action, Partition};
//!
//! let root = Subject::new(Principal::Root { account: "111122223333".parse()?, partition: Partition::Aws });
//! let call = CallFacts::new("us-east-1".parse()?);
//! let target = Target::new(Resource::None { pattern: "arn:aws:kms:us-east-1:111122223333:*".into() });
//! let decision = authorize(&root, &target, &Request::new(Action::parse("kms:ListKeys")?, &call));
//! assert!(decision.is_allowed());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod authorize;
mod context;
mod explain;
mod facts;
mod grant;
mod layers;
mod message;
mod names;
mod operation;
mod principals;
mod reach;
mod sentence;
mod simulation;
mod ways;

#[cfg(test)]
mod scene;

pub use authorize::{Decision, Layer, Permit, Refusal, authorize};
pub use explain::{
    Cited, ConditionReport, Explanation, Fix, FixChange, FixPart, Lack, LayerReasons, LayerReport, Miss, Nearest, Place, Reasons, Remedy, Source,
    Stance, StatementReport, action_named, explain, reasons, remedies,
};
pub use facts::{
    ALIASES_PER_KEY_MAX, Attached, CallFacts, KeyFacts, KeyManager, Membership, MultiRegionKeyType, Principal, Request, Resource, ResourcePolicy,
    SessionFacts, Subject, Target, Unsaid, Via, VpcEndpoint,
};
pub use grant::{Grant, GrantConstraints, GrantMiss, GrantPrincipal, GrantRequest};
pub use layers::{Exemption, Layers, Origin, ResourceVerdict, StatementRef, Verdict};
pub use message::{
    AuthorizationMessage, Items, MessageCondition, MessageContext, MessagePrincipal, MessageStatement, MessageValue, authorization_message,
};
pub use names::{AliasName, GrantId, KeyArn, KeyId, ParseNameError, UniqueId};
pub use operation::{GrantOperation, Operation};
pub use reach::{Reach, reach};
pub use sentence::{PolicyArns, hidden_sentence, sentence, sentence_with};
pub use simulation::{authorize_in_layers, missing_keys};
pub use ways::{Hanging, May, Proviso, Way, may, ways};
