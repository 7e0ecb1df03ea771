//! The life of key material on a store, with a clock that the tests move.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests may fail loudly")]

mod managed;
mod material;
mod regions;
mod rotation;
mod states;
mod usage;
mod world;
