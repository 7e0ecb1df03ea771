//! Key material that comes from elsewhere, wrapped for its way (K110–K112).

use aws_lc_rs::key_wrap::{AES_256, AesKek, KeyWrapPadded as _};
use zeroize::Zeroizing;

use crate::algorithms::EncryptionAlgorithm;
use crate::envelope::OpenFailed;
use crate::material::KeyMaterial;
use crate::plaintext::Plaintext;
use crate::spec::{KeySpec, aws_enum};

/// Bytes that AES-KWP adds at most: its integrity check value and the padding to a block (RFC 5649, section 3).
const KWP_OVERHEAD_MAX: usize = 15;

aws_enum! {
    /// How key material is wrapped for its import.
    WrappingAlgorithm {
        RsaesPkcs1V15 = "RSAES_PKCS1_V1_5", RsaesOaepSha1 = "RSAES_OAEP_SHA_1", RsaesOaepSha256 = "RSAES_OAEP_SHA_256",
        RsaAesKeyWrapSha1 = "RSA_AES_KEY_WRAP_SHA_1", RsaAesKeyWrapSha256 = "RSA_AES_KEY_WRAP_SHA_256", Sm2Pke = "SM2PKE",
    }
}

aws_enum! {
    /// The key pair under whose public half key material is wrapped.
    WrappingKeySpec { Rsa2048 = "RSA_2048", Rsa3072 = "RSA_3072", Rsa4096 = "RSA_4096", Sm2 = "SM2" }
}

impl WrappingKeySpec {
    /// As a key.
    #[must_use]
    pub fn key_spec(self) -> KeySpec {
        match self {
            Self::Rsa2048 => KeySpec::Rsa2048,
            Self::Rsa3072 => KeySpec::Rsa3072,
            Self::Rsa4096 => KeySpec::Rsa4096,
            Self::Sm2 => KeySpec::Sm2,
        }
    }
}

/// How the material itself lies in a wrapped one.
#[derive(Clone, Copy)]
enum Form {
    /// Encrypted under the public key.
    Alone,
    /// Wrapped under an AES key, which is encrypted under the public key and stands before it.
    UnderAesKey,
}

impl WrappingAlgorithm {
    /// Whether material for keys of a spec is wrapped so, with a wrapping key of that spec (K111). PKCS #1 v1.5 has been closed
    /// since 2023, and SM2 is for the Regions of China.
    #[must_use]
    pub fn takes(self, wrapping: WrappingKeySpec, material: KeySpec) -> bool {
        let Some((_, form)) = self.parts().filter(|_| wrapping != WrappingKeySpec::Sm2) else { return false };
        match (material, form) {
            (KeySpec::Sm2, _) => false,
            (KeySpec::SymmetricDefault | KeySpec::Hmac224 | KeySpec::Hmac256 | KeySpec::Hmac384 | KeySpec::Hmac512, form) => {
                matches!(form, Form::Alone)
            }
            (_, Form::UnderAesKey) => true,
            // It does not fit, whatever the hash.
            (KeySpec::EccNistP521, Form::Alone) => wrapping != WrappingKeySpec::Rsa2048,
            (KeySpec::EccNistP256 | KeySpec::EccNistP384 | KeySpec::EccSecgP256k1 | KeySpec::EccNistEdwards25519, Form::Alone) => true,
            (KeySpec::MlDsa44 | KeySpec::MlDsa65 | KeySpec::MlDsa87 | KeySpec::MlKem512 | KeySpec::MlKem768 | KeySpec::MlKem1024, Form::Alone) => {
                true
            }
            (KeySpec::Rsa2048 | KeySpec::Rsa3072 | KeySpec::Rsa4096, Form::Alone) => false,
        }
    }

    fn parts(self) -> Option<(EncryptionAlgorithm, Form)> {
        match self {
            Self::RsaesOaepSha1 => Some((EncryptionAlgorithm::RsaesOaepSha1, Form::Alone)),
            Self::RsaesOaepSha256 => Some((EncryptionAlgorithm::RsaesOaepSha256, Form::Alone)),
            Self::RsaAesKeyWrapSha1 => Some((EncryptionAlgorithm::RsaesOaepSha1, Form::UnderAesKey)),
            Self::RsaAesKeyWrapSha256 => Some((EncryptionAlgorithm::RsaesOaepSha256, Form::UnderAesKey)),
            Self::RsaesPkcs1V15 | Self::Sm2Pke => None,
        }
    }
}

/// Unwraps key material: what is inside is told by [`KeyMaterial::import`].
///
/// # Errors
/// [`OpenFailed`], whatever the reason (T37).
pub fn unwrap(wrapping_key: &KeyMaterial, algorithm: WrappingAlgorithm, wrapped: &[u8]) -> Result<Plaintext, OpenFailed> {
    let (encryption, form) = algorithm.parts().ok_or(OpenFailed)?;
    match form {
        Form::Alone => wrapping_key.decrypt(encryption, wrapped),
        Form::UnderAesKey => {
            let modulus_bytes = wrapping_key.spec().rsa_modulus_bits().ok_or(OpenFailed)? / 8;
            let (encrypted, wrapped) = wrapped.split_at_checked(modulus_bytes).ok_or(OpenFailed)?;
            let aes_key = wrapping_key.decrypt(encryption, encrypted)?;
            let kek = AesKek::new(&AES_256, aes_key.expose()).map_err(|_| OpenFailed)?;
            // [K112] What the library would take for padding of nothing is none (RFC 5649, section 4.2).
            let mut plain = Zeroizing::new(vec![0; wrapped.len() + KWP_OVERHEAD_MAX]);
            let len = kek.unwrap_with_padding(wrapped, &mut plain).map_err(|_| OpenFailed)?.len();
            plain.truncate(len);
            Ok(Plaintext::new(plain))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::tests::SystemEntropy;
    use crate::material::tests::rsa_2048;

    fn wrap(algorithm: WrappingAlgorithm, material: &[u8]) -> Vec<u8> {
        let (encryption, form) = algorithm.parts().unwrap();
        let public = rsa_2048().public_key().unwrap();
        match form {
            Form::Alone => public.encrypt(encryption, material).unwrap(),
            Form::UnderAesKey => {
                let aes_key = [9; 32];
                let mut wrapped = vec![0; material.len() + KWP_OVERHEAD_MAX + 8];
                let len = AesKek::new(&AES_256, &aes_key).unwrap().wrap_with_padding(material, &mut wrapped).unwrap().len();
                [public.encrypt(encryption, &aes_key).unwrap().as_slice(), &wrapped[..len]].concat()
            }
        }
    }

    const SERVED: [WrappingAlgorithm; 4] = [
        WrappingAlgorithm::RsaesOaepSha1,
        WrappingAlgorithm::RsaesOaepSha256,
        WrappingAlgorithm::RsaAesKeyWrapSha1,
        WrappingAlgorithm::RsaAesKeyWrapSha256,
    ];

    #[test]
    fn k112_what_was_wrapped_unwraps_with_the_same_algorithm_and_key_only() {
        let other = KeyMaterial::generate(KeySpec::Rsa2048, &SystemEntropy).unwrap();
        for algorithm in SERVED {
            for material in [[7; 32].as_slice(), &[8; 33], &[9; 64]] {
                let wrapped = wrap(algorithm, material);
                assert_eq!(unwrap(rsa_2048(), algorithm, &wrapped).unwrap().expose(), material, "{algorithm}");
                assert!(unwrap(&other, algorithm, &wrapped).is_err());
                for different in WrappingAlgorithm::ALL.iter().filter(|different| **different != algorithm) {
                    assert!(unwrap(rsa_2048(), *different, &wrapped).is_err(), "{algorithm} as {different}");
                }
                for at in [0, wrapped.len() / 2, wrapped.len() - 1] {
                    let mut flipped = wrapped.clone();
                    flipped[at] ^= 1;
                    assert!(unwrap(rsa_2048(), algorithm, &flipped).is_err());
                }
                assert!(unwrap(rsa_2048(), algorithm, &wrapped[..wrapped.len() - 1]).is_err());
                assert!(unwrap(rsa_2048(), algorithm, &[wrapped.as_slice(), &[0]].concat()).is_err());
            }
        }
        assert!(unwrap(rsa_2048(), WrappingAlgorithm::RsaAesKeyWrapSha256, &[]).is_err());
        assert!(unwrap(&KeyMaterial::generate(KeySpec::Hmac256, &SystemEntropy).unwrap(), SERVED[0], &[0; 256]).is_err());
    }

    #[test]
    fn k111_which_material_is_wrapped_how() {
        use WrappingAlgorithm::{RsaAesKeyWrapSha256, RsaesOaepSha1, RsaesOaepSha256, RsaesPkcs1V15, Sm2Pke};
        use WrappingKeySpec::{Rsa2048, Rsa3072, Rsa4096, Sm2};
        assert!(RsaesOaepSha256.takes(Rsa2048, KeySpec::SymmetricDefault) && !RsaAesKeyWrapSha256.takes(Rsa4096, KeySpec::SymmetricDefault));
        assert!(!RsaesOaepSha256.takes(Rsa4096, KeySpec::Rsa2048) && RsaAesKeyWrapSha256.takes(Rsa2048, KeySpec::Rsa4096));
        assert!(!RsaesOaepSha1.takes(Rsa2048, KeySpec::EccNistP521) && RsaesOaepSha1.takes(Rsa3072, KeySpec::EccNistP521));
        assert!(KeySpec::ALL.iter().all(|spec| !RsaesPkcs1V15.takes(Rsa2048, *spec) && !Sm2Pke.takes(Sm2, *spec)));
        // Every spec that material can be of has a way in.
        let any = |spec: KeySpec| SERVED.iter().any(|algorithm| algorithm.takes(Rsa2048, spec));
        assert!(KeySpec::ALL.iter().all(|spec| any(*spec) == (*spec != KeySpec::Sm2)));
    }
}
