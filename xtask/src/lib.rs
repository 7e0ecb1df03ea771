//! What the tasks of `cargo x` and the house tests in `xtask/tests/` share: the repository's files, Rust sources
//! told apart into code, comments and strings, the rule numbers of `spec/` with the places that cite them, and the table of
//! AWS's model.

pub mod banned;
pub mod model;
pub mod repository;
pub mod rules;
pub mod source;
