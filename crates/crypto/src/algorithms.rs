//! Which algorithms keys have, as data (K70, K181, K185 and the enumerations of the API model).

use aws_lc_rs::digest;

use crate::spec::{KeySpec, aws_enum};

aws_enum! {
    /// How a key encrypts.
    EncryptionAlgorithm {
        SymmetricDefault = "SYMMETRIC_DEFAULT", RsaesOaepSha1 = "RSAES_OAEP_SHA_1", RsaesOaepSha256 = "RSAES_OAEP_SHA_256", Sm2Pke = "SM2PKE",
    }
}

aws_enum! {
    /// How a key signs.
    SigningAlgorithm {
        RsassaPssSha256 = "RSASSA_PSS_SHA_256", RsassaPssSha384 = "RSASSA_PSS_SHA_384", RsassaPssSha512 = "RSASSA_PSS_SHA_512",
        RsassaPkcs1V15Sha256 = "RSASSA_PKCS1_V1_5_SHA_256", RsassaPkcs1V15Sha384 = "RSASSA_PKCS1_V1_5_SHA_384",
        RsassaPkcs1V15Sha512 = "RSASSA_PKCS1_V1_5_SHA_512",
        EcdsaSha256 = "ECDSA_SHA_256", EcdsaSha384 = "ECDSA_SHA_384", EcdsaSha512 = "ECDSA_SHA_512",
        Sm2Dsa = "SM2DSA", MlDsaShake256 = "ML_DSA_SHAKE_256", Ed25519Sha512 = "ED25519_SHA_512", Ed25519PhSha512 = "ED25519_PH_SHA_512",
    }
}

aws_enum! {
    /// What a message to be signed is (K180).
    MessageType { Raw = "RAW", Digest = "DIGEST", ExternalMu = "EXTERNAL_MU" }
}

aws_enum! {
    /// How a key makes message authentication codes.
    MacAlgorithm { HmacSha224 = "HMAC_SHA_224", HmacSha256 = "HMAC_SHA_256", HmacSha384 = "HMAC_SHA_384", HmacSha512 = "HMAC_SHA_512" }
}

aws_enum! {
    /// How a key agrees with another.
    KeyAgreementAlgorithm { Ecdh = "ECDH" }
}

aws_enum! {
    /// How a key encapsulates.
    EncapsulationAlgorithm { MlKem = "ML_KEM" }
}

impl SigningAlgorithm {
    /// The hash of the message, where a caller may compute it (K180).
    pub(crate) fn hash(self) -> Option<&'static digest::Algorithm> {
        match self {
            Self::RsassaPssSha256 | Self::RsassaPkcs1V15Sha256 | Self::EcdsaSha256 => Some(&digest::SHA256),
            Self::RsassaPssSha384 | Self::RsassaPkcs1V15Sha384 | Self::EcdsaSha384 => Some(&digest::SHA384),
            Self::RsassaPssSha512 | Self::RsassaPkcs1V15Sha512 | Self::EcdsaSha512 => Some(&digest::SHA512),
            Self::Sm2Dsa | Self::MlDsaShake256 | Self::Ed25519Sha512 | Self::Ed25519PhSha512 => None,
        }
    }
}

impl MacAlgorithm {
    /// Bytes of a code.
    pub fn bytes(self) -> usize {
        match self {
            Self::HmacSha224 => 28,
            Self::HmacSha256 => 32,
            Self::HmacSha384 => 48,
            Self::HmacSha512 => 64,
        }
    }
}

impl EncryptionAlgorithm {
    /// Bytes of the hash of OAEP.
    fn oaep_hash_bytes(self) -> Option<usize> {
        match self {
            Self::RsaesOaepSha1 => Some(20),
            Self::RsaesOaepSha256 => Some(32),
            Self::SymmetricDefault | Self::Sm2Pke => None,
        }
    }
}

/// What of each table a key has in its metadata: of these lists one, the one of its usage (K80).
impl KeySpec {
    /// How keys for ENCRYPT_DECRYPT encrypt.
    pub fn encryption_algorithms(self) -> &'static [EncryptionAlgorithm] {
        use EncryptionAlgorithm as E;
        match self {
            Self::SymmetricDefault => &[E::SymmetricDefault],
            Self::Rsa2048 | Self::Rsa3072 | Self::Rsa4096 => &[E::RsaesOaepSha1, E::RsaesOaepSha256],
            Self::Sm2 => &[E::Sm2Pke],
            _ => &[],
        }
    }

    /// How keys for SIGN_VERIFY sign.
    pub fn signing_algorithms(self) -> &'static [SigningAlgorithm] {
        use SigningAlgorithm as S;
        match self {
            Self::Rsa2048 | Self::Rsa3072 | Self::Rsa4096 => &[
                S::RsassaPkcs1V15Sha256,
                S::RsassaPkcs1V15Sha384,
                S::RsassaPkcs1V15Sha512,
                S::RsassaPssSha256,
                S::RsassaPssSha384,
                S::RsassaPssSha512,
            ],
            Self::EccNistP256 | Self::EccSecgP256k1 => &[S::EcdsaSha256],
            Self::EccNistP384 => &[S::EcdsaSha384],
            Self::EccNistP521 => &[S::EcdsaSha512],
            Self::EccNistEdwards25519 => &[S::Ed25519Sha512, S::Ed25519PhSha512],
            Self::MlDsa44 | Self::MlDsa65 | Self::MlDsa87 => &[S::MlDsaShake256],
            Self::Sm2 => &[S::Sm2Dsa],
            _ => &[],
        }
    }

    /// How keys for GENERATE_VERIFY_MAC make codes: one way each (K185).
    pub fn mac_algorithms(self) -> &'static [MacAlgorithm] {
        match self {
            Self::Hmac224 => &[MacAlgorithm::HmacSha224],
            Self::Hmac256 => &[MacAlgorithm::HmacSha256],
            Self::Hmac384 => &[MacAlgorithm::HmacSha384],
            Self::Hmac512 => &[MacAlgorithm::HmacSha512],
            _ => &[],
        }
    }

    /// How keys for KEY_AGREEMENT agree.
    pub fn key_agreement_algorithms(self) -> &'static [KeyAgreementAlgorithm] {
        match self {
            Self::EccNistP256 | Self::EccNistP384 | Self::EccNistP521 | Self::Sm2 => &[KeyAgreementAlgorithm::Ecdh],
            _ => &[],
        }
    }

    /// How keys for ENCAPSULATE_DECAPSULATE encapsulate.
    pub fn encapsulation_algorithms(self) -> &'static [EncapsulationAlgorithm] {
        match self {
            Self::MlKem512 | Self::MlKem768 | Self::MlKem1024 => &[EncapsulationAlgorithm::MlKem],
            _ => &[],
        }
    }

    /// The longest plaintext under an RSA key, `k − 2·hLen − 2` bytes (K160) (RFC 8017, section 7.1.1).
    pub fn rsa_plaintext_bytes_max(self, algorithm: EncryptionAlgorithm) -> Option<usize> {
        Some(self.rsa_modulus_bits()? / 8 - 2 * algorithm.oaep_hash_bytes()? - 2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::KeyUsage;

    #[test]
    fn k80_a_key_has_algorithms_for_exactly_its_usages() {
        for spec in KeySpec::ALL {
            let has = [
                (KeyUsage::EncryptDecrypt, !spec.encryption_algorithms().is_empty()),
                (KeyUsage::SignVerify, !spec.signing_algorithms().is_empty()),
                (KeyUsage::GenerateVerifyMac, !spec.mac_algorithms().is_empty()),
                (KeyUsage::KeyAgreement, !spec.key_agreement_algorithms().is_empty()),
                (KeyUsage::EncapsulateDecapsulate, !spec.encapsulation_algorithms().is_empty()),
            ];
            for (usage, has) in has {
                assert_eq!(spec.usages().contains(&usage), has, "{spec} {usage}"); // [K70]
            }
        }
    }

    #[test]
    fn k160_the_longest_plaintexts_of_rsa() {
        let max = |spec: KeySpec| {
            let of = |algorithm| spec.rsa_plaintext_bytes_max(algorithm);
            (of(EncryptionAlgorithm::RsaesOaepSha1), of(EncryptionAlgorithm::RsaesOaepSha256))
        };
        assert_eq!(max(KeySpec::Rsa2048), (Some(214), Some(190)));
        assert_eq!(max(KeySpec::Rsa3072), (Some(342), Some(318)));
        assert_eq!(max(KeySpec::Rsa4096), (Some(470), Some(446)));
        assert_eq!(max(KeySpec::SymmetricDefault), (None, None));
    }
}
