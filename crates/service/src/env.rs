//! The world that operations may touch: a clock, chance, and key stores outside; and whom of it they believe.

use std::sync::Arc;

use jiff::Timestamp;
use keyward_crypto::{AttestationRoots, Entropy};

use crate::outside::Outside;

/// The clock port. The implementation at the rim never lets an expired thing come back to life (T5).
pub trait Clock: Send + Sync {
    /// Now.
    fn now(&self) -> Timestamp;
}

/// Clock, chance, what is outside and who is believed, given to every call: a run with the same of each repeats itself.
#[derive(Clone)]
pub struct Env {
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
    /// Key stores outside.
    pub outside: Arc<dyn Outside>,
    /// Who vouches for the recipients of plaintexts (K156).
    pub attestation_roots: Arc<AttestationRoots>,
}
