//! Bytes that a caller entrusted to us, or that a key protects.

use zeroize::Zeroizing;

/// Decrypted or freshly drawn bytes, wiped from memory when dropped.
///
/// It cannot be printed, copied, compared or serialized (T41); [`Plaintext::expose`] is the only way
/// to the bytes, so a search for that word finds every place a secret leaves.
///
/// ```compile_fail
/// # fn print(plaintext: keyward_crypto::Plaintext) {
/// println!("{plaintext:?}");
/// # }
/// ```
pub struct Plaintext(Zeroizing<Vec<u8>>);

impl Plaintext {
    /// Takes over bytes that are already wiped on drop.
    #[must_use]
    pub fn new(bytes: Zeroizing<Vec<u8>>) -> Self {
        Self(bytes)
    }

    /// The bytes. Copy them nowhere that outlives the answer.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use static_assertions::{assert_impl_all, assert_not_impl_any};
    use std::fmt::{Debug, Display};

    use super::Plaintext;

    assert_impl_all!(Plaintext: Send, Sync);
    assert_not_impl_any!(Plaintext: Debug, Display, Clone, PartialEq<Plaintext>, serde::Serialize,
        serde::Deserialize<'static>, AsRef<[u8]>, std::ops::Deref);
}
