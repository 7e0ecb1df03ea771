//! Decision cases: a small estate and one request as one JSON document, and what the engine answers (`cases/README.md`).
//!
//! Here is the schema, strictly, and the way from it to the facts that `authz` decides on. This crate refuses to know
//! files and streams, and whether an answer is the expected one: that is a test's business.
//!
//! ```
//! let document = serde_json::json!({
//!     "id": "X1",
//!     "setup": { "principals": [], "keys": [] },
//!     "request": {
//!         "principal": "arn:aws:iam::111122223333:root",
//!         "operation": "ListKeys",
//!         "authorize": [{ "op": "ListKeys", "resource": "*" }],
//!     },
//! });
//! let case: keyward_cases::Case = serde_json::from_value(document)?;
//! assert_eq!(keyward_cases::decide(&case)?.decision, "allow");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod case;
mod decide;
mod parameters;

pub use case::{
    Case, CaseAccount, CaseConstraints, CaseEndpoint, CaseFile, CaseGrant, CaseKey, CasePermission, CasePrincipal, CaseRequest, CaseSession, SCHEMA,
    Setup,
};
pub use decide::{Answer, ask, decide};
