//! What the tasks of `cargo x` and the house tests in `xtask/tests/` share: the repository's files, Rust sources
//! told apart into code, comments and strings, and the rule numbers of `spec/` with the places that cite them.

pub mod banned;
pub mod repository;
pub mod rules;
pub mod source;
