//! Decision cases and how they are run. See `cases/README.md` for the schema.
//!
//! For tests only: no product crate depends on this one.

mod case;
mod decide;

pub use case::{Case, CaseFile};
pub use decide::{Answer, decide};
