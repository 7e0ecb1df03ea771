//! The protocol of external key store proxies, version 1: the caller's half (K141–K146).

pub mod client;
mod shapes;
