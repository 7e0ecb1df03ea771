//! SigV4, AWS JSON 1.1, and the listener on top.
//!
//! This crate knows bytes, headers and signatures. It refuses to know policies, SQL and where anything is kept.

pub mod server;
pub mod sigv4;
mod validation;
