//! The encryption context as additional data.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Most bytes of an encoded encryption context, the bound of an external key store's additional data (K151).
pub const ENCRYPTION_CONTEXT_BYTES_MAX: usize = 8192;

/// Pairs that must be given again, exactly, to decrypt (K151). Not secret: they stand in the trail.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(transparent)]
pub struct EncryptionContext(BTreeMap<String, String>);

impl EncryptionContext {
    /// The pairs by name.
    pub fn pairs(&self) -> &BTreeMap<String, String> {
        &self.0
    }

    /// Whether there is none; `{}` equals none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Sorted, each name and each value behind its length in four bytes: two contexts never have the same bytes (T29).
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for text in self.0.iter().flat_map(|(name, value)| [name, value]) {
            bytes.extend_from_slice(&u32::try_from(text.len()).unwrap_or(u32::MAX).to_be_bytes());
            bytes.extend_from_slice(text.as_bytes());
        }
        bytes
    }

    /// Whether it is larger than [`ENCRYPTION_CONTEXT_BYTES_MAX`].
    pub fn is_too_large(&self) -> bool {
        let bytes: usize = self.0.iter().map(|(name, value)| name.len() + value.len() + 8).sum();
        bytes > ENCRYPTION_CONTEXT_BYTES_MAX
    }
}

impl FromIterator<(String, String)> for EncryptionContext {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(pairs: I) -> Self {
        Self(pairs.into_iter().collect())
    }
}

impl From<BTreeMap<String, String>> for EncryptionContext {
    fn from(pairs: BTreeMap<String, String>) -> Self {
        Self(pairs)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn t29_contexts_that_look_alike_have_different_bytes() {
        let context = |pairs: &[(&str, &str)]| -> EncryptionContext { pairs.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect() };
        assert_ne!(context(&[("a", "b,c=d")]).encode(), context(&[("a", "b"), ("c", "d")]).encode());
        assert_ne!(context(&[("a", "")]).encode(), context(&[]).encode());
        assert_ne!(context(&[("", "a")]).encode(), context(&[("a", "")]).encode());
    }

    proptest! {
        #[test]
        fn t29_the_encoding_is_injective(a: BTreeMap<String, String>, b: BTreeMap<String, String>) {
            let (a, b) = (EncryptionContext(a), EncryptionContext(b));
            prop_assert_eq!(a == b, a.encode() == b.encode());
        }
    }
}
