//! The port through which randomness arrives.

use zeroize::Zeroizing;

use crate::plaintext::Plaintext;

/// A source of bytes that nobody can predict.
///
/// Declared here because keys and nonces are drawn here; implemented at the rim over the operating
/// system's generator, and in tests over a seed, so that a run can be replayed.
pub trait Entropy: Send + Sync {
    /// Fills `bytes` completely.
    ///
    /// # Errors
    /// [`EntropyFailed`] if the source could not fill all of them. What it wrote is then not used.
    fn fill(&self, bytes: &mut [u8]) -> Result<(), EntropyFailed>;
}

/// The source of randomness did not answer: the world's failure, never the caller's mistake.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the source of randomness failed")]
pub struct EntropyFailed;

/// Draws `len` random bytes: a data key, or the answer to `GenerateRandom`.
///
/// # Errors
/// [`EntropyFailed`] if the source fails.
pub fn random_bytes(len: usize, entropy: &dyn Entropy) -> Result<Plaintext, EntropyFailed> {
    let mut bytes = Zeroizing::new(vec![0; len]);
    entropy.fill(&mut bytes)?;
    Ok(Plaintext::new(bytes))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// What the rim does: the library's generator.
    pub(crate) struct SystemEntropy;

    impl Entropy for SystemEntropy {
        fn fill(&self, bytes: &mut [u8]) -> Result<(), EntropyFailed> {
            aws_lc_rs::rand::fill(bytes).map_err(|_| EntropyFailed)
        }
    }

    /// Counts upwards from a first byte, the same in every call.
    pub(crate) struct FixedEntropy(pub(crate) u8);

    impl Entropy for FixedEntropy {
        fn fill(&self, bytes: &mut [u8]) -> Result<(), EntropyFailed> {
            for (at, byte) in bytes.iter_mut().enumerate() {
                *byte = self.0.wrapping_add(at.to_le_bytes()[0]);
            }
            Ok(())
        }
    }

    /// Never answers.
    pub(crate) struct NoEntropy;

    impl Entropy for NoEntropy {
        fn fill(&self, _bytes: &mut [u8]) -> Result<(), EntropyFailed> {
            Err(EntropyFailed)
        }
    }

    #[test]
    fn random_bytes_have_the_length_asked_for_and_differ() {
        let first = random_bytes(32, &SystemEntropy).unwrap();
        let second = random_bytes(32, &SystemEntropy).unwrap();
        assert_eq!(first.expose().len(), 32);
        assert_ne!(first.expose(), second.expose());
    }

    #[test]
    fn a_failed_source_gives_no_bytes() {
        assert!(random_bytes(32, &NoEntropy).is_err());
    }
}
