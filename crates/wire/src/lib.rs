//! SigV4, AWS JSON 1.1, query and XML, and the listener on top.

pub mod sigv4;
