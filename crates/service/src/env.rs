//! The world that operations may touch: a clock and chance, and nothing else.

use std::sync::Arc;

use jiff::Timestamp;
use keyward_crypto::Entropy;

/// The clock port. The implementation at the rim never lets an expired thing come back to life (T5).
pub trait Clock: Send + Sync {
    /// Now.
    fn now(&self) -> Timestamp;
}

/// Clock and chance, given to every call: a run with the same clock and the same seed repeats itself.
#[derive(Clone)]
pub struct Env {
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
}
