//! Key material, and the name it has in public.

use std::fmt;
use std::str::FromStr;

use zeroize::Zeroizing;

use crate::blob::BlobKeyId;
use crate::entropy::{Entropy, EntropyFailed};
use crate::hex;
use crate::kdf::{self, Label};

/// The 256-bit secret of a symmetric encryption key.
///
/// Wiped when dropped, and on the heap, so that moving it leaves no copies behind. Nothing outside
/// this crate can read it; it is stored through [`RootKey::seal_material`](crate::RootKey::seal_material).
///
/// ```compile_fail
/// # fn copy(material: keyward_crypto::KeyMaterial) {
/// let second = material.clone();
/// # }
/// ```
pub struct KeyMaterial(Box<Zeroizing<[u8; 32]>>);

impl KeyMaterial {
    /// Draws new material, for a key of origin `AWS_KMS` or its rotation.
    ///
    /// # Errors
    /// [`EntropyFailed`] if the source fails.
    pub fn generate(entropy: &dyn Entropy) -> Result<Self, EntropyFailed> {
        let mut material = Self::zero();
        entropy.fill(material.0.as_mut_slice())?;
        Ok(material)
    }

    /// Takes over material that was made elsewhere: imported, or given in a seed file.
    #[must_use]
    pub fn from_bytes(bytes: Zeroizing<[u8; 32]>) -> Self {
        Self(Box::new(bytes))
    }

    /// Material whose bytes were sealed; `None` unless there are 32 of them.
    pub(crate) fn from_slice(bytes: &[u8]) -> Option<Self> {
        let mut material = Self::zero();
        (bytes.len() == material.0.len()).then(|| {
            material.0.copy_from_slice(bytes);
            material
        })
    }

    pub(crate) fn expose(&self) -> &[u8; 32] {
        &self.0
    }

    fn zero() -> Self {
        Self(Box::new(Zeroizing::new([0; 32])))
    }
}

/// The public name of one material of one key: AWS's `KeyMaterialId`, 64 lower-case hex digits.
///
/// A function of key id and material: the same material in another key has another name, and an
/// import of the same bytes has the same one (K118). It tells nothing about the material.
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct MaterialId([u8; 32]);

impl MaterialId {
    /// Names `material` in the key `key_id`.
    #[must_use]
    pub fn derive(key_id: &BlobKeyId, material: &KeyMaterial) -> Self {
        let mut id = [0; 32];
        let context: [&[u8]; 2] = [&[key_id.form_byte()], key_id.as_bytes()];
        kdf::derive(material.expose(), Label::MaterialId, &context, &mut id);
        Self(id)
    }

    pub(crate) fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    pub(crate) fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for MaterialId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(&self.0))
    }
}

impl fmt::Debug for MaterialId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MaterialId({self})")
    }
}

impl FromStr for MaterialId {
    type Err = ParseMaterialIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        hex::decode(text).map(Self).ok_or(ParseMaterialIdError)
    }
}

hex::serde_as_text!(MaterialId);

/// The text is not a key material id.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("a key material id is 64 lower-case hexadecimal digits")]
pub struct ParseMaterialIdError;

#[cfg(test)]
mod tests {
    use static_assertions::{assert_impl_all, assert_not_impl_any};
    use std::fmt::{Debug, Display};

    use super::*;
    use crate::entropy::tests::{NoEntropy, SystemEntropy};

    assert_impl_all!(KeyMaterial: Send, Sync);
    assert_not_impl_any!(KeyMaterial: Debug, Display, Clone, PartialEq<KeyMaterial>, serde::Serialize,
        serde::Deserialize<'static>, AsRef<[u8]>, std::ops::Deref);

    const KEY: &str = "1234abcd-12ab-34cd-56ef-1234567890ab";
    const OTHER_KEY: &str = "1234abcd-12ab-34cd-56ef-1234567890ac";
    const MULTI_REGION_TWIN: &str = "mrk-1234abcd12ab34cd56ef1234567890ab";

    fn id(key_id: &str, material: u8) -> MaterialId {
        let material = KeyMaterial::from_bytes(Zeroizing::new([material; 32]));
        MaterialId::derive(&key_id.parse().unwrap(), &material)
    }

    #[test]
    fn k118_the_same_material_in_another_key_has_another_id() {
        assert_ne!(id(KEY, 1), id(OTHER_KEY, 1));
        assert_ne!(id(KEY, 1), id(MULTI_REGION_TWIN, 1));
    }

    #[test]
    fn k118_reimported_material_has_the_same_id_and_other_material_another() {
        assert_eq!(id(KEY, 1), id(KEY, 1));
        assert_ne!(id(KEY, 1), id(KEY, 2));
    }

    #[test]
    fn a_material_id_is_read_back_from_its_text_and_only_from_that() {
        let id = id(KEY, 1);
        let text = id.to_string();
        assert_eq!(text.len(), 64);
        assert_eq!(text.parse(), Ok(id));
        assert_eq!(serde_json::from_str::<MaterialId>(&format!("\"{text}\"")).unwrap(), id);
        for bad in [&text[1..], &text.to_uppercase(), &format!("{text}00"), ""] {
            assert_eq!(bad.parse::<MaterialId>(), Err(ParseMaterialIdError), "{bad}");
        }
    }

    #[test]
    fn generated_material_is_fresh_and_needs_entropy() {
        let first = KeyMaterial::generate(&SystemEntropy).unwrap();
        let second = KeyMaterial::generate(&SystemEntropy).unwrap();
        assert!(first.expose() != second.expose());
        assert!(KeyMaterial::generate(&NoEntropy).is_err());
    }
}
