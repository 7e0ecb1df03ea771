//! What tests share. For tests only: no product crate depends on this one.

pub mod differ;
pub mod generate;
pub mod reference;
