//! Key material of every kind, and the name it has in public.

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

use aws_lc_rs::digest::{Context, SHA256};
use aws_lc_rs::encoding::{AsBigEndian, Curve25519SeedBin};
use aws_lc_rs::signature::{Ed25519KeyPair, PqdsaKeyPair};
use zeroize::Zeroizing;

use crate::blob::BlobKeyId;
use crate::elliptic::Curve;
use crate::entropy::{Entropy, EntropyFailed};
use crate::kdf::{self, Label};
use crate::plaintext::Plaintext;
use crate::spec::KeySpec;
use crate::{der, hex, rsa, signing};

/// The secret of a key.
///
/// Wiped when dropped, and on the heap, so that moving it leaves no copies behind. Outside this crate nobody reads it but
/// through [`private_key`](Self::private_key); it is stored through [`RootKey::seal_material`](crate::RootKey::seal_material).
///
/// ```compile_fail
/// # fn copy(material: keyward_crypto::KeyMaterial) {
/// let second = material.clone();
/// # }
/// ```
///
/// INVARIANT: the bytes are a secret of the spec, in the form of `docs/formats.md`: raw for symmetric and HMAC keys, PKCS#8 as
/// the library writes it for RSA and elliptic curves, the seed for Ed25519, ML-DSA and ML-KEM.
pub struct KeyMaterial {
    spec: KeySpec,
    secret: Zeroizing<Vec<u8>>,
}

/// No key was made.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum GenerateFailed {
    /// No bytes could be drawn.
    #[error(transparent)]
    Entropy(#[from] EntropyFailed),
    /// The library made none.
    #[error("the library made no key")]
    Library,
    /// Keys of this spec are not made here.
    #[error("keys of this spec are not made here")]
    Unsupported,
}

/// The bytes are no key material of the spec: another length, form, modulus or curve, or inconsistent (K111) (K114).
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("these bytes are no key material of this spec")]
pub struct IncorrectMaterial;

/// A key of this spec does not do that, or not with an input of this length.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("a key of this spec does not do that")]
pub struct Unfit;

impl KeyMaterial {
    /// Draws new material, for a key of origin `AWS_KMS`, its rotation, or a data key pair.
    ///
    /// All of it comes from `entropy`, save RSA's primes, which the library draws from its own generator.
    ///
    /// # Errors
    /// [`GenerateFailed`] if the source fails, or for SM2.
    pub fn generate(spec: KeySpec, entropy: &dyn Entropy) -> Result<Self, GenerateFailed> {
        let secret = match (Curve::of(spec), raw_bytes(spec)) {
            (Some(curve), _) => curve.generate(entropy)?,
            (None, Some(lengths)) => {
                let mut secret = Zeroizing::new(vec![0; *lengths.start()]);
                entropy.fill(&mut secret)?;
                secret
            }
            (None, None) => rsa::generate(spec)?,
        };
        Ok(Self { spec, secret })
    }

    /// Takes over material that was made elsewhere, in the form of K111: raw bytes for symmetric and HMAC keys, PKCS#8 for the
    /// others, with the seed for ML-DSA and ML-KEM.
    ///
    /// # Errors
    /// [`IncorrectMaterial`], whatever is wrong.
    pub fn import(spec: KeySpec, plain: &[u8]) -> Result<Self, IncorrectMaterial> {
        let secret = match spec {
            KeySpec::SymmetricDefault | KeySpec::Hmac224 | KeySpec::Hmac256 | KeySpec::Hmac384 | KeySpec::Hmac512 => {
                Some(plain).filter(|plain| has_length_of(spec, plain)).map(|plain| Zeroizing::new(plain.to_vec()))
            }
            KeySpec::Rsa2048 | KeySpec::Rsa3072 | KeySpec::Rsa4096 => rsa::import(spec, plain),
            KeySpec::EccNistP256 | KeySpec::EccNistP384 | KeySpec::EccNistP521 | KeySpec::EccSecgP256k1 => {
                Curve::of(spec).and_then(|curve| curve.import(plain))
            }
            KeySpec::EccNistEdwards25519 => import_ed25519(plain),
            KeySpec::MlDsa44 | KeySpec::MlDsa65 | KeySpec::MlDsa87 => import_ml_dsa(spec, plain),
            KeySpec::MlKem512 | KeySpec::MlKem768 | KeySpec::MlKem1024 => der::seed_of_pkcs8(spec, plain),
            KeySpec::Sm2 => None,
        };
        secret.map(|secret| Self { spec, secret }).ok_or(IncorrectMaterial)
    }

    /// Takes over the 256 bits of a symmetric encryption key.
    #[must_use]
    pub fn from_bytes(bytes: Zeroizing<[u8; 32]>) -> Self {
        Self { spec: KeySpec::SymmetricDefault, secret: Zeroizing::new(bytes.to_vec()) }
    }

    /// Which kind of key this is.
    #[must_use]
    pub fn spec(&self) -> KeySpec {
        self.spec
    }

    /// The private key as unencrypted PKCS#8 (RFC 5958), with the seed for ML-DSA and ML-KEM (RFC 9881) (RFC 9935): what a data
    /// key pair is made for (K171).
    ///
    /// # Errors
    /// [`Unfit`] for symmetric and HMAC keys.
    pub fn private_key(&self) -> Result<Plaintext, Unfit> {
        let copied = || Some(Zeroizing::new(self.secret.to_vec())).filter(|_| raw_bytes(self.spec).is_none());
        der::seed_to_pkcs8(self.spec, &self.secret).or_else(copied).map(Plaintext::new).ok_or(Unfit)
    }

    /// Material whose bytes were sealed; `None` unless they are of the spec.
    pub(crate) fn from_sealed(spec: KeySpec, secret: Zeroizing<Vec<u8>>) -> Option<Self> {
        has_length_of(spec, &secret).then_some(Self { spec, secret })
    }

    /// The bytes in the form of the invariant.
    pub(crate) fn expose(&self) -> &[u8] {
        &self.secret
    }

    /// The 256 bits of a symmetric encryption key.
    pub(crate) fn symmetric(&self) -> Option<&[u8; 32]> {
        self.secret.as_slice().try_into().ok().filter(|_| self.spec == KeySpec::SymmetricDefault)
    }

    /// The seed of Ed25519 and ML-DSA keys.
    pub(crate) fn seed(&self) -> Option<&[u8; 32]> {
        der::seed_to_pkcs8(self.spec, &[])?;
        self.secret.as_slice().try_into().ok()
    }
}

/// How long raw material is: what is made is as short as may be imported (K111). None where the material is PKCS#8.
fn raw_bytes(spec: KeySpec) -> Option<RangeInclusive<usize>> {
    match spec {
        KeySpec::SymmetricDefault => Some(32..=32),
        KeySpec::Hmac224 => Some(28..=64),
        KeySpec::Hmac256 => Some(32..=64),
        KeySpec::Hmac384 => Some(48..=128),
        KeySpec::Hmac512 => Some(64..=128),
        KeySpec::EccNistEdwards25519 | KeySpec::MlDsa44 | KeySpec::MlDsa65 | KeySpec::MlDsa87 => Some(32..=32),
        KeySpec::MlKem512 | KeySpec::MlKem768 | KeySpec::MlKem1024 => Some(64..=64),
        KeySpec::Rsa2048
        | KeySpec::Rsa3072
        | KeySpec::Rsa4096
        | KeySpec::EccNistP256
        | KeySpec::EccNistP384
        | KeySpec::EccNistP521
        | KeySpec::EccSecgP256k1
        | KeySpec::Sm2 => None,
    }
}

fn has_length_of(spec: KeySpec, secret: &[u8]) -> bool {
    raw_bytes(spec).is_none_or(|lengths| lengths.contains(&secret.len()))
}

/// With the public key (RFC 5958, version 2) or without it.
fn import_ed25519(plain: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let pair = Ed25519KeyPair::from_pkcs8(plain).ok().filter(|_| der::is_one_sequence(plain))?;
    let seed: Curve25519SeedBin<'_> = pair.seed().ok()?.as_be_bytes().ok()?;
    Some(Zeroizing::new(seed.as_ref().to_vec()))
}

/// With the seed: alone, or together with the expanded key (RFC 9881, section 6), which must then be the seed's.
fn import_ml_dsa(spec: KeySpec, plain: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let pair = PqdsaKeyPair::from_pkcs8(signing::ml_dsa(spec)?, plain).ok().filter(|_| der::is_one_sequence(plain))?;
    der::seed_of_pkcs8(spec, pair.to_pkcs8v1().ok()?.as_ref())
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
        match material.symmetric() {
            Some(key) => kdf::derive(key, Label::MaterialId, &context, &mut id),
            None => kdf::derive(&digest_of(material), Label::MaterialId, &context, &mut id),
        }
        Self(id)
    }

    /// An id whose bytes are known: that of a key of which nobody has the material.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// Material of any length as a secret of 256 bits; no two specs share one.
fn digest_of(material: &KeyMaterial) -> Zeroizing<[u8; 32]> {
    let mut digest = Context::new(&SHA256);
    digest.update(material.spec.name().as_bytes());
    digest.update(&[0]);
    digest.update(&material.secret);
    let mut secret = Zeroizing::new([0; 32]);
    secret.copy_from_slice(digest.finish().as_ref());
    secret
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
pub(crate) mod tests {
    use std::collections::BTreeSet;
    use std::fmt::{Debug, Display};
    use std::sync::LazyLock;

    use static_assertions::{assert_impl_all, assert_not_impl_any};

    use super::*;
    use crate::entropy::tests::{FixedEntropy, NoEntropy, SystemEntropy};

    assert_impl_all!(KeyMaterial: Send, Sync);
    assert_not_impl_any!(KeyMaterial: Debug, Display, Clone, PartialEq<KeyMaterial>, serde::Serialize,
        serde::Deserialize<'static>, AsRef<[u8]>, std::ops::Deref);

    /// One RSA key for all tests: making them takes long.
    pub(crate) fn rsa_2048() -> &'static KeyMaterial {
        static KEY: LazyLock<KeyMaterial> = LazyLock::new(|| KeyMaterial::generate(KeySpec::Rsa2048, &SystemEntropy).unwrap());
        &KEY
    }

    /// Every spec but the slow and the missing ones.
    pub(crate) fn quick_specs() -> impl Iterator<Item = KeySpec> {
        KeySpec::ALL.iter().copied().filter(|spec| !spec.is_slow_to_generate() && *spec != KeySpec::Sm2)
    }

    const KEY: &str = "1234abcd-12ab-34cd-56ef-1234567890ab";
    const OTHER_KEY: &str = "1234abcd-12ab-34cd-56ef-1234567890ac";
    const MULTI_REGION_TWIN: &str = "mrk-1234abcd12ab34cd56ef1234567890ab";

    fn id_of(key_id: &str, material: &KeyMaterial) -> MaterialId {
        MaterialId::derive(&key_id.parse().unwrap(), material)
    }

    fn id(key_id: &str, material: u8) -> MaterialId {
        id_of(key_id, &KeyMaterial::from_bytes(Zeroizing::new([material; 32])))
    }

    #[test]
    fn k118_the_same_material_in_another_key_has_another_id() {
        assert_ne!(id(KEY, 1), id(OTHER_KEY, 1));
        assert_ne!(id(KEY, 1), id(MULTI_REGION_TWIN, 1));
        for spec in quick_specs() {
            let material = KeyMaterial::generate(spec, &SystemEntropy).unwrap();
            assert_ne!(id_of(KEY, &material), id_of(OTHER_KEY, &material), "{spec}");
        }
    }

    #[test]
    fn k118_reimported_material_has_the_same_id_and_other_material_another() {
        assert_eq!(id(KEY, 1), id(KEY, 1));
        assert_ne!(id(KEY, 1), id(KEY, 2));
        for spec in quick_specs().filter(|spec| raw_bytes(*spec).is_none() || spec.usages() != [crate::KeyUsage::GenerateVerifyMac]) {
            let Ok(plain) = KeyMaterial::generate(spec, &SystemEntropy).unwrap().private_key() else { continue };
            let (once, twice) = (KeyMaterial::import(spec, plain.expose()).unwrap(), KeyMaterial::import(spec, plain.expose()).unwrap());
            assert_eq!(id_of(KEY, &once), id_of(KEY, &twice), "{spec}");
            assert_ne!(id_of(KEY, &once), id_of(KEY, &KeyMaterial::generate(spec, &SystemEntropy).unwrap()), "{spec}");
        }
    }

    #[test]
    fn the_same_bytes_under_another_spec_have_another_id() {
        let bytes = [7; 64];
        let ids: BTreeSet<_> = [KeySpec::Hmac224, KeySpec::Hmac256, KeySpec::Hmac384, KeySpec::Hmac512]
            .into_iter()
            .map(|spec| id_of(KEY, &KeyMaterial::import(spec, &bytes).unwrap()))
            .collect();
        assert_eq!(ids.len(), 4);
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
        for spec in quick_specs() {
            let first = KeyMaterial::generate(spec, &SystemEntropy).unwrap();
            let second = KeyMaterial::generate(spec, &SystemEntropy).unwrap();
            assert!(first.expose() != second.expose(), "{spec}");
            assert!(KeyMaterial::generate(spec, &NoEntropy).is_err(), "{spec}");
            assert_eq!(first.spec(), spec);
        }
        assert!(matches!(KeyMaterial::generate(KeySpec::Sm2, &SystemEntropy), Err(GenerateFailed::Unsupported)));
    }

    #[test]
    fn the_same_entropy_makes_the_same_key() {
        for spec in quick_specs() {
            let (one, other) = (KeyMaterial::generate(spec, &FixedEntropy(3)).unwrap(), KeyMaterial::generate(spec, &FixedEntropy(3)).unwrap());
            assert!(one.expose() == other.expose(), "{spec}");
        }
    }

    #[test]
    fn k111_raw_material_has_the_lengths_of_its_spec() {
        let check = |spec, min: usize, max: usize| {
            for (len, expected) in [(min - 1, false), (min, true), (max, true), (max + 1, false)] {
                assert_eq!(KeyMaterial::import(spec, &vec![7; len]).is_ok(), expected, "{spec} {len}");
            }
        };
        check(KeySpec::SymmetricDefault, 32, 32);
        check(KeySpec::Hmac224, 28, 64);
        check(KeySpec::Hmac256, 32, 64);
        check(KeySpec::Hmac384, 48, 128);
        check(KeySpec::Hmac512, 64, 128);
    }

    #[test]
    fn k111_private_keys_are_taken_whole_and_for_their_own_spec() {
        let with_rsa =
            quick_specs().filter(|spec| raw_bytes(*spec).is_none_or(|_| der::seed_to_pkcs8(*spec, &[]).is_some())).chain([KeySpec::Rsa2048]);
        for spec in with_rsa {
            let key = if spec == KeySpec::Rsa2048 { rsa_2048() } else { &KeyMaterial::generate(spec, &SystemEntropy).unwrap() };
            let plain = key.private_key().unwrap();
            let plain = plain.expose();
            assert!(KeyMaterial::import(spec, plain).is_ok_and(|taken| taken.expose() == key.expose()), "{spec}");
            assert!(KeyMaterial::import(spec, &[plain, &[0]].concat()).is_err(), "{spec}");
            assert!(KeyMaterial::import(spec, &plain[..plain.len() - 1]).is_err(), "{spec}");
            for other in
                KeySpec::ALL.iter().filter(|other| **other != spec && raw_bytes(**other).is_none_or(|lengths| !lengths.contains(&plain.len())))
            {
                assert!(KeyMaterial::import(*other, plain).is_err(), "{spec} as {other}");
            }
        }
    }

    #[test]
    fn only_key_pairs_have_a_private_key() {
        for spec in [KeySpec::SymmetricDefault, KeySpec::Hmac224, KeySpec::Hmac512] {
            let key = KeyMaterial::generate(spec, &SystemEntropy).unwrap();
            assert!(key.private_key().is_err() && key.public_key().is_err(), "{spec}");
        }
    }
}
