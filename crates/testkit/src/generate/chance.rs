//! Chance that replays: splitmix64 from a seed.

/// A stream of chance; the same seed gives the same stream.
#[derive(Clone, Debug)]
pub struct Chance(u64);

impl Chance {
    /// A stream of its own for each seed.
    #[must_use]
    pub fn from_seed(seed: u64) -> Chance {
        Chance(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ 0x5DEE_CE66_D1CE_5EED)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// Less than `limit`; 0 when the limit is 0.
    pub(super) fn below(&mut self, limit: usize) -> usize {
        let limit = u64::try_from(limit).unwrap_or(u64::MAX);
        usize::try_from(self.next().checked_rem(limit).unwrap_or(0)).unwrap_or(0)
    }

    pub(super) fn percent(&mut self, share: usize) -> bool {
        self.below(100) < share
    }

    /// One of them; the default when there is none.
    pub(super) fn pick<T: Clone + Default>(&mut self, options: &[T]) -> T {
        let at = self.below(options.len());
        options.get(at).cloned().unwrap_or_default()
    }

    /// Some of them, at most `most`, in their order.
    pub(super) fn some<T: Clone>(&mut self, options: &[T], most: usize) -> Vec<T> {
        let wanted = 1 + self.below(most);
        let mut rest = options.len();
        let mut found: Vec<T> = Vec::new();
        for option in options {
            let missing = wanted.saturating_sub(found.len());
            if self.below(rest) < missing {
                found.push(option.clone());
            }
            rest -= 1;
        }
        found
    }
}
