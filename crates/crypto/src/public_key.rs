//! The half of a key pair that anybody may have.

use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::rsa::{PrivateDecryptingKey, PublicEncryptingKey};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _, ParsedPublicKey, PqdsaKeyPair};

use crate::elliptic::Curve;
use crate::material::{KeyMaterial, Unfit};
use crate::spec::KeySpec;
use crate::{der, ml_kem, signing};

/// A public key: what `GetPublicKey` answers (K192).
///
/// INVARIANT: one DER SubjectPublicKeyInfo (RFC 5280, section 4.1.2.7) of the spec.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PublicKey {
    spec: KeySpec,
    der: Vec<u8>,
}

/// The bytes are no public key of the spec.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("these bytes are no public key of this spec, as DER SubjectPublicKeyInfo")]
pub struct InvalidPublicKey;

impl PublicKey {
    /// Reads the public key of a key that is elsewhere, in the very bytes that this crate would write for it.
    ///
    /// # Errors
    /// [`InvalidPublicKey`] for another modulus or curve, another encoding (a compressed point, a curve by its parameters, an
    /// algorithm without its NULL), and for what stands behind it.
    pub fn from_der(spec: KeySpec, spki: &[u8]) -> Result<Self, InvalidPublicKey> {
        let der = match (Curve::of(spec), spec.rsa_modulus_bits()) {
            (Some(curve), _) => ParsedPublicKey::new(curve.verifying, spki).ok().and_then(|key| spki_of(&key)),
            (None, Some(bits)) => PublicEncryptingKey::from_der(spki).ok().filter(|key| key.key_size_bits() == bits).and_then(|key| spki_of(&key)),
            (None, None) => der::raw_of_spki(spec, spki).map(|_| spki.to_vec()),
        };
        der.filter(|der| der == spki).map(|der| Self { spec, der }).ok_or(InvalidPublicKey)
    }

    /// Which kind of key this is.
    #[must_use]
    pub fn spec(&self) -> KeySpec {
        self.spec
    }

    /// The DER SubjectPublicKeyInfo.
    #[must_use]
    pub fn as_der(&self) -> &[u8] {
        &self.der
    }

    /// The bytes of keys whose form has nothing else.
    pub(crate) fn raw(&self) -> Option<&[u8]> {
        der::raw_of_spki(self.spec, &self.der)
    }
}

impl KeyMaterial {
    /// The public key of this private one.
    ///
    /// # Errors
    /// [`Unfit`] for symmetric and HMAC keys.
    pub fn public_key(&self) -> Result<PublicKey, Unfit> {
        let spec = self.spec();
        let der = match spec {
            KeySpec::Rsa2048 | KeySpec::Rsa3072 | KeySpec::Rsa4096 => {
                PrivateDecryptingKey::from_pkcs8(self.expose()).ok().and_then(|key| spki_of(&key.public_key()))
            }
            KeySpec::EccNistP256 | KeySpec::EccNistP384 | KeySpec::EccNistP521 | KeySpec::EccSecgP256k1 => {
                Curve::of(spec).and_then(|curve| curve.pair(self.expose())).and_then(|pair| spki_of(pair.public_key()))
            }
            KeySpec::EccNistEdwards25519 => {
                Ed25519KeyPair::from_seed_unchecked(self.expose()).ok().and_then(|pair| der::spki(spec, pair.public_key().as_ref()))
            }
            KeySpec::MlDsa44 | KeySpec::MlDsa65 | KeySpec::MlDsa87 => signing::ml_dsa(spec)
                .and_then(|parameters| PqdsaKeyPair::from_seed(parameters, self.expose()).ok())
                .and_then(|pair| der::spki(spec, pair.public_key().as_ref())),
            KeySpec::MlKem512 | KeySpec::MlKem768 | KeySpec::MlKem1024 => ml_kem::keys(self).and_then(|keys| der::spki(spec, &keys.encapsulation)),
            KeySpec::SymmetricDefault | KeySpec::Hmac224 | KeySpec::Hmac256 | KeySpec::Hmac384 | KeySpec::Hmac512 | KeySpec::Sm2 => None,
        };
        der.map(|der| PublicKey { spec, der }).ok_or(Unfit)
    }
}

fn spki_of(key: &impl AsDer<PublicKeyX509Der<'static>>) -> Option<Vec<u8>> {
    key.as_der().ok().map(|der| der.as_ref().to_vec())
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::digest::{SHA256, digest};
    use data_encoding::HEXLOWER;

    use super::*;
    use crate::entropy::tests::{FixedEntropy, SystemEntropy};
    use crate::material::tests::rsa_2048;

    #[test]
    fn k192_public_keys_have_the_sizes_of_their_kind() {
        let check = |spec, bytes: usize| {
            let public = match spec {
                KeySpec::Rsa2048 => rsa_2048().public_key(),
                _ => KeyMaterial::generate(spec, &SystemEntropy).unwrap().public_key(),
            }
            .unwrap();
            assert_eq!(public.as_der().len(), bytes, "{spec}");
            assert_eq!(PublicKey::from_der(spec, public.as_der()).unwrap(), public);
            assert!(PublicKey::from_der(spec, &[public.as_der(), &[0]].concat()).is_err(), "{spec}");
            for other in KeySpec::ALL.iter().filter(|other| **other != spec) {
                assert!(PublicKey::from_der(*other, public.as_der()).is_err(), "{spec} as {other}");
            }
        };
        check(KeySpec::Rsa2048, 294);
        check(KeySpec::EccNistP256, 91);
        check(KeySpec::EccNistP384, 120);
        check(KeySpec::EccNistP521, 158);
        check(KeySpec::EccSecgP256k1, 88);
        check(KeySpec::EccNistEdwards25519, 44);
        check(KeySpec::MlDsa44, 1334);
        check(KeySpec::MlDsa65, 1974);
        check(KeySpec::MlDsa87, 2614);
        check(KeySpec::MlKem512, 822);
        check(KeySpec::MlKem768, 1206);
        check(KeySpec::MlKem1024, 1590);
    }

    #[test]
    fn k192_public_keys_are_those_of_another_implementation() {
        // OpenSSL 4.0, with the bytes 0, 1, 2, … as seed.
        let check = |spec, expected: &str| {
            let public = KeyMaterial::generate(spec, &FixedEntropy(0)).unwrap().public_key().unwrap();
            assert_eq!(HEXLOWER.encode(digest(&SHA256, public.as_der()).as_ref()), expected, "{spec}");
        };
        check(KeySpec::MlDsa44, "837832708c5236d951581f1fddf2b79991b3424a0486d16da1ddad0fd69701be");
        check(KeySpec::MlDsa65, "b8b62131bfbe84433efb2273d7f5b87f7a22854a2cfd366fc2aead86d837c52d");
        check(KeySpec::MlDsa87, "07e57c4f14dbad1267f621ec3777b4e2e6c4fbc4c22fbb87510ff8e0b3c6a642");
        check(KeySpec::MlKem768, "c23e23dd3d485a9256cda09358a4a286e00b373db10761eadf99f710649ca31c");
        check(KeySpec::MlKem1024, "d2b7480ae006a14b37c1e8a8e45ea39022e32a9b1a7b90d594c84d869c6ac420");
        let ed25519 = KeyMaterial::generate(KeySpec::EccNistEdwards25519, &FixedEntropy(0)).unwrap().public_key().unwrap();
        assert_eq!(HEXLOWER.encode(ed25519.as_der()), "302a300506032b657003210003a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8");
    }
}
