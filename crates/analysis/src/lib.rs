//! Questions about access over all requests, not one: who can do something on a key, in which ways, and on what each
//! of them hangs.
//!
//! Everything is decided by `authz`; here is only who is asked about. This crate refuses to know files, clocks, networks
//! and where an estate comes from: whoever has one implements [`Estate`]. It is never on a request's path.
//!
//! ```
//! use std::sync::Arc;
//! use keyward_analysis::Estate;
//! use keyward_authz::{Grant, KeyFacts, Principal, Subject};
//! use keyward_policy::{AccountId, Partition};
//!
//! /// An estate of one account with nobody but its root user.
//! struct Alone(AccountId);
//!
//! impl Estate for Alone {
//!     fn subjects(&self) -> impl Iterator<Item = Subject> {
//!         std::iter::once(Subject::new(Principal::Root { account: self.0, partition: Partition::Aws }))
//!     }
//!     fn holds(&self, account: AccountId) -> bool {
//!         account == self.0
//!     }
//!     fn grants_for(&self, _: &KeyFacts, _: &Principal) -> Vec<Arc<Grant>> {
//!         Vec::new()
//!     }
//!     fn grants(&self, _: &KeyFacts) -> Vec<Arc<Grant>> {
//!         Vec::new()
//!     }
//! }
//! ```

mod grid;
mod who_can;

pub use grid::{Row, grid};
pub use who_can::{Beyond, Entry, Estate, KeySide, WhoCan, who_can};
