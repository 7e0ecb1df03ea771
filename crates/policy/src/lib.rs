//! The IAM policy language: what a policy document says, and whether a statement of it matches a request.
//!
//! This crate knows documents, patterns, condition operators and condition keys. It refuses to know accounts,
//! keys, grants, how layers combine, clocks and files: those are decided above it.
//!
//! ```
//! use keyward_policy::{Action, MapContext, Policy, PolicyKind, Truth};
//!
//! let text = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"kms:De*",
//!     "Resource":"arn:aws:kms:*:111122223333:key/*",
//!     "Condition":{"StringEquals":{"kms:EncryptionContext:dept":["fin","hr"]}}}}"#;
//! let policy = Policy::parse_strict(PolicyKind::Identity, text).map_err(|issue| issue.message)?;
//! let statement = policy.statements().first().ok_or("one statement")?;
//! let context = MapContext::new().with("kms:EncryptionContext:Dept", "hr");
//! assert!(statement.matches_action(&Action::parse("kms:Decrypt")?));
//! assert_eq!(statement.matches_resource("arn:aws:kms:us-east-1:111122223333:key/1", &context), Truth::Yes);
//! assert_eq!(statement.conditions_hold(&context), Truth::Yes);
//! # Ok::<(), String>(())
//! ```

mod action;
mod arn;
mod condition;
mod document;
mod format;
mod glob;
mod json;
mod key;
pub mod lint;
mod permission;
mod principal;

pub use action::{Action, ActionPattern, KMS_PERMISSIONS, KmsPermission, PermissionSet};
pub use arn::{AccountId, Arn, ParseArnError, Partition, Region};
pub use condition::{Condition, Operator, SetOperator, Truth, parse_date};
pub use document::{
    Effect, IAM_POLICY_CHARS_MAX, Issue, KEY_POLICY_BYTES_MAX, ORGANIZATION_POLICY_CHARS_MAX, Policy, PolicyKind, Statement, Version,
};
pub use format::format;
pub use glob::Glob;
pub use json::{JSON_DEPTH_MAX, Span};
pub use key::{ConditionKey, Context, KeyName, MapContext, Presumption, ValueType, Values};
pub use permission::ResourceKind;
pub use principal::{PrincipalElement, PrincipalEntry, PrincipalKind};
