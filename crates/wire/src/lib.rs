//! SigV4, AWS JSON 1.1, query and XML, the listener on top, and a client that signs.
//!
//! This crate knows bytes, headers and signatures. It refuses to know policies, SQL and where anything is kept.

pub mod client;
mod dispatch;
mod model;
mod pace;
mod query;
pub mod server;
mod signing_keys;
pub mod sigv4;
pub mod tls;
mod validation;
pub mod xks;
mod xml;
