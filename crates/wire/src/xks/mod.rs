//! The protocol of external key store proxies, version 1, both halves (K141–K146).

pub mod client;
pub mod server;
mod shapes;
