//! Signatures (K180–K184).

use aws_lc_rs::digest::{self, Digest};
use aws_lc_rs::rsa::KeyPair;
use aws_lc_rs::signature::{
    ED25519, Ed25519KeyPair, KeyPair as _, ML_DSA_44, ML_DSA_44_SIGNING, ML_DSA_65, ML_DSA_65_SIGNING, ML_DSA_87, ML_DSA_87_SIGNING, PqdsaKeyPair,
    PqdsaSigningAlgorithm, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384,
    RSA_PKCS1_SHA512, RSA_PSS_2048_8192_SHA256, RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512, RSA_PSS_SHA256, RSA_PSS_SHA384, RSA_PSS_SHA512,
    RsaEncoding, UnparsedPublicKey, VerificationAlgorithm,
};

use crate::algorithms::{MessageType, SigningAlgorithm};
use crate::elliptic::Curve;
use crate::gaps::{self, MlDsa};
use crate::material::{KeyMaterial, Unfit};
use crate::public_key::PublicKey;
use crate::spec::KeySpec;

/// Something to sign, or that was signed, in the form that an algorithm takes.
pub struct Message<'m> {
    algorithm: SigningAlgorithm,
    form: Form<'m>,
}

enum Form<'m> {
    /// What the algorithm signs as it is.
    Whole(&'m [u8]),
    /// What RSA and ECDSA sign.
    Hashed(Digest),
    /// What ML-DSA makes of public key and message (FIPS 204, section 6.2).
    Mu(&'m [u8; 64]),
}

/// The algorithm does not take such a message.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum UnfitMessage {
    /// Not of this type (K181).
    #[error("the algorithm takes no message of this type")]
    Type,
    /// Another length than the type has with this algorithm (K180).
    #[error("the message is not as long as its type says")]
    Length,
}

impl<'m> Message<'m> {
    /// A message for an algorithm. A digest and the message that it is of are one message, signed alike (K184).
    ///
    /// # Errors
    /// [`UnfitMessage`]
    pub fn new(algorithm: SigningAlgorithm, message_type: MessageType, bytes: &'m [u8]) -> Result<Self, UnfitMessage> {
        use SigningAlgorithm as S;
        let form = match (algorithm, message_type, algorithm.hash()) {
            (_, MessageType::Raw, Some(hash)) => Form::Hashed(digest::digest(hash, bytes)),
            (_, MessageType::Digest, Some(hash)) => Form::Hashed(Digest::import_less_safe(bytes, hash).map_err(|_| UnfitMessage::Length)?),
            (S::Ed25519Sha512 | S::MlDsaShake256, MessageType::Raw, None) => Form::Whole(bytes),
            // [K181] The prehash of Ed25519ph is of this digest: it is not taken for the prehash.
            (S::Ed25519PhSha512, MessageType::Digest, None) if bytes.len() == PREHASH_BYTES => Form::Whole(bytes),
            (S::Ed25519PhSha512, MessageType::Digest, None) => return Err(UnfitMessage::Length),
            (S::MlDsaShake256, MessageType::ExternalMu, None) => Form::Mu(bytes.try_into().map_err(|_| UnfitMessage::Length)?),
            _ => return Err(UnfitMessage::Type),
        };
        Ok(Self { algorithm, form })
    }
}

/// Bytes of SHA-512.
const PREHASH_BYTES: usize = 64;

/// Not a signature of this message under this key; nothing says why (K183).
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("this is no signature of this message under this key")]
pub struct InvalidSignature;

impl KeyMaterial {
    /// Signs. Salts, nonces and ML-DSA's randomness are drawn by the library.
    ///
    /// - RSASSA-PSS has MGF1 with the same hash and a salt as long as the hash (K181) (RFC 8017, section 8.1).
    /// - ECDSA signatures are DER `Ecdsa-Sig-Value` (RFC 3279, section 2.2.3); those of RSA as long as the modulus (K182).
    /// - Ed25519 and Ed25519ph have an empty context (RFC 8032), and so has ML-DSA (FIPS 204).
    ///
    /// # Errors
    /// [`Unfit`] if the key does not sign so.
    pub fn sign(&self, message: &Message<'_>) -> Result<Vec<u8>, Unfit> {
        let spec = self.spec();
        if !spec.signing_algorithms().contains(&message.algorithm) {
            return Err(Unfit);
        }
        match (&message.form, rsa_encoding(message.algorithm)) {
            (Form::Hashed(digest), Some((encoding, _))) => {
                let key = KeyPair::from_pkcs8(self.expose()).map_err(|_| Unfit)?;
                let mut signature = vec![0; key.public_modulus_len()];
                key.sign_digest(encoding, digest, &mut signature).map_err(|_| Unfit)?;
                Ok(signature)
            }
            (Form::Hashed(digest), None) => {
                let pair = Curve::of(spec).and_then(|curve| curve.pair(self.expose())).ok_or(Unfit)?;
                pair.sign_digest(digest).map(|signature| signature.as_ref().to_vec()).map_err(|_| Unfit)
            }
            (Form::Mu(mu), _) => {
                ml_dsa_parameters(spec).zip(self.seed()).and_then(|(parameters, seed)| gaps::ml_dsa_sign_mu(parameters, seed, mu)).ok_or(Unfit)
            }
            (Form::Whole(bytes), _) => self.sign_whole(message.algorithm, bytes),
        }
    }

    fn sign_whole(&self, algorithm: SigningAlgorithm, bytes: &[u8]) -> Result<Vec<u8>, Unfit> {
        if let Some(parameters) = ml_dsa(self.spec()) {
            let pair = PqdsaKeyPair::from_seed(parameters, self.expose()).map_err(|_| Unfit)?;
            let mut signature = vec![0; parameters.signature_len()];
            pair.sign(bytes, &mut signature).map_err(|_| Unfit)?;
            return Ok(signature);
        }
        let seed = self.seed().ok_or(Unfit)?;
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).map_err(|_| Unfit)?;
        match algorithm {
            SigningAlgorithm::Ed25519PhSha512 => {
                let public = pair.public_key().as_ref().try_into().map_err(|_| Unfit)?;
                gaps::ed25519ph_sign(seed, public, bytes).map(|signature| signature.to_vec()).ok_or(Unfit)
            }
            _ => pair.try_sign(bytes).map(|signature| signature.as_ref().to_vec()).map_err(|_| Unfit),
        }
    }
}

impl PublicKey {
    /// Verifies a signature.
    ///
    /// # Errors
    /// [`InvalidSignature`] for every other signature: malformed, of another length, message, key or algorithm.
    pub fn verify(&self, message: &Message<'_>, signature: &[u8]) -> Result<(), InvalidSignature> {
        let spec = self.spec();
        if !spec.signing_algorithms().contains(&message.algorithm) {
            return Err(InvalidSignature);
        }
        let is_valid = match (&message.form, rsa_encoding(message.algorithm)) {
            (Form::Hashed(digest), Some((_, verifying))) => UnparsedPublicKey::new(verifying, self.as_der()).verify_digest(digest, signature).is_ok(),
            (Form::Hashed(digest), None) => {
                Curve::of(spec).is_some_and(|curve| UnparsedPublicKey::new(curve.verifying, self.as_der()).verify_digest(digest, signature).is_ok())
            }
            (Form::Mu(mu), _) => {
                ml_dsa_parameters(spec).zip(self.raw()).is_some_and(|(parameters, raw)| gaps::ml_dsa_verify_mu(parameters, raw, mu, signature))
            }
            (Form::Whole(bytes), _) => self.verifies_whole(message.algorithm, bytes, signature),
        };
        if is_valid { Ok(()) } else { Err(InvalidSignature) }
    }

    fn verifies_whole(&self, algorithm: SigningAlgorithm, bytes: &[u8], signature: &[u8]) -> bool {
        let Some(raw) = self.raw() else { return false };
        let verifying: &'static dyn VerificationAlgorithm = match (self.spec(), algorithm) {
            (KeySpec::EccNistEdwards25519, SigningAlgorithm::Ed25519PhSha512) => {
                let (Ok(raw), Ok(signature)) = (raw.try_into(), signature.try_into()) else { return false };
                return gaps::ed25519ph_verify(raw, bytes, signature);
            }
            (KeySpec::EccNistEdwards25519, _) => &ED25519,
            (KeySpec::MlDsa44, _) => &ML_DSA_44,
            (KeySpec::MlDsa65, _) => &ML_DSA_65,
            (KeySpec::MlDsa87, _) => &ML_DSA_87,
            _ => return false,
        };
        UnparsedPublicKey::new(verifying, raw).verify(bytes, signature).is_ok()
    }
}

/// How RSA signs and verifies; the verifiers demand salts as long as the hash.
fn rsa_encoding(algorithm: SigningAlgorithm) -> Option<(&'static dyn RsaEncoding, &'static dyn VerificationAlgorithm)> {
    match algorithm {
        SigningAlgorithm::RsassaPssSha256 => Some((&RSA_PSS_SHA256, &RSA_PSS_2048_8192_SHA256)),
        SigningAlgorithm::RsassaPssSha384 => Some((&RSA_PSS_SHA384, &RSA_PSS_2048_8192_SHA384)),
        SigningAlgorithm::RsassaPssSha512 => Some((&RSA_PSS_SHA512, &RSA_PSS_2048_8192_SHA512)),
        SigningAlgorithm::RsassaPkcs1V15Sha256 => Some((&RSA_PKCS1_SHA256, &RSA_PKCS1_2048_8192_SHA256)),
        SigningAlgorithm::RsassaPkcs1V15Sha384 => Some((&RSA_PKCS1_SHA384, &RSA_PKCS1_2048_8192_SHA384)),
        SigningAlgorithm::RsassaPkcs1V15Sha512 => Some((&RSA_PKCS1_SHA512, &RSA_PKCS1_2048_8192_SHA512)),
        SigningAlgorithm::EcdsaSha256
        | SigningAlgorithm::EcdsaSha384
        | SigningAlgorithm::EcdsaSha512
        | SigningAlgorithm::Sm2Dsa
        | SigningAlgorithm::MlDsaShake256
        | SigningAlgorithm::Ed25519Sha512
        | SigningAlgorithm::Ed25519PhSha512 => None,
    }
}

/// What aws-lc-rs calls a parameter set.
pub(crate) fn ml_dsa(spec: KeySpec) -> Option<&'static PqdsaSigningAlgorithm> {
    match spec {
        KeySpec::MlDsa44 => Some(&ML_DSA_44_SIGNING),
        KeySpec::MlDsa65 => Some(&ML_DSA_65_SIGNING),
        KeySpec::MlDsa87 => Some(&ML_DSA_87_SIGNING),
        _ => None,
    }
}

/// What aws-lc itself calls it.
fn ml_dsa_parameters(spec: KeySpec) -> Option<MlDsa> {
    match spec {
        KeySpec::MlDsa44 => Some(MlDsa::MlDsa44),
        KeySpec::MlDsa65 => Some(MlDsa::MlDsa65),
        KeySpec::MlDsa87 => Some(MlDsa::MlDsa87),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::tests::SystemEntropy;
    use crate::material::tests::{quick_specs, rsa_2048};

    fn with_keys(mut each: impl FnMut(&KeyMaterial)) {
        quick_specs()
            .filter(|spec| !spec.signing_algorithms().is_empty())
            .for_each(|spec| each(&KeyMaterial::generate(spec, &SystemEntropy).unwrap()));
        each(rsa_2048());
    }

    /// A type that the algorithm takes, and bytes of it.
    fn usual(algorithm: SigningAlgorithm) -> (MessageType, &'static [u8]) {
        if algorithm == SigningAlgorithm::Ed25519PhSha512 { (MessageType::Digest, &[7; 64]) } else { (MessageType::Raw, b"message") }
    }

    #[test]
    fn k183_a_signature_is_good_for_its_message_key_and_algorithm_only() {
        with_keys(|key| {
            let public = key.public_key().unwrap();
            let other =
                KeyMaterial::generate(if key.spec() == KeySpec::Rsa2048 { KeySpec::EccNistP256 } else { key.spec() }, &SystemEntropy).unwrap();
            for algorithm in key.spec().signing_algorithms() {
                let (message_type, bytes) = usual(*algorithm);
                let message = Message::new(*algorithm, message_type, bytes).unwrap();
                let signature = key.sign(&message).unwrap();
                let name = format!("{} {algorithm}", key.spec());
                assert_eq!(public.verify(&message, &signature), Ok(()), "{name}");
                let changed =
                    Message::new(*algorithm, message_type, &[&[8], &bytes[1..]].concat()).map(|changed| public.verify(&changed, &signature));
                assert_eq!(changed, Ok(Err(InvalidSignature)), "{name}");
                assert_eq!(other.public_key().unwrap().verify(&message, &signature), Err(InvalidSignature), "{name}");
                for different in SigningAlgorithm::ALL.iter().filter(|different| *different != algorithm) {
                    let (message_type, bytes) = usual(*different);
                    let Ok(message) = Message::new(*different, message_type, bytes) else { continue };
                    assert_eq!(public.verify(&message, &signature), Err(InvalidSignature), "{name} as {different}");
                }
                for bad in
                    [&signature[1..], &signature[..signature.len() - 1], &[signature.as_slice(), &[0]].concat(), &[], &vec![0; signature.len()]]
                {
                    assert_eq!(public.verify(&message, bad), Err(InvalidSignature), "{name}");
                }
                let mut flipped = signature.clone();
                *flipped.last_mut().unwrap() ^= 1;
                assert_eq!(public.verify(&message, &flipped), Err(InvalidSignature), "{name}");
            }
        });
    }

    #[test]
    fn k184_a_digest_and_its_message_are_signed_alike() {
        with_keys(|key| {
            for algorithm in key.spec().signing_algorithms().iter().filter(|algorithm| algorithm.hash().is_some()) {
                let hashed = digest::digest(algorithm.hash().unwrap(), b"message");
                let raw = Message::new(*algorithm, MessageType::Raw, b"message").unwrap();
                let digest = Message::new(*algorithm, MessageType::Digest, hashed.as_ref()).unwrap();
                let public = key.public_key().unwrap();
                assert_eq!(public.verify(&raw, &key.sign(&digest).unwrap()), Ok(()), "{algorithm}");
                assert_eq!(public.verify(&digest, &key.sign(&raw).unwrap()), Ok(()), "{algorithm}");
            }
        });
    }

    #[test]
    fn k180_digests_are_as_long_as_the_hash() {
        let check = |algorithm, message_type, bytes: usize| {
            for len in [0, 28, 31, 32, 33, 48, 63, 64, 65] {
                let message = Message::new(algorithm, message_type, &vec![0; len]).map(|_| ());
                assert_eq!(message, if len == bytes { Ok(()) } else { Err(UnfitMessage::Length) }, "{algorithm} {len}");
            }
        };
        check(SigningAlgorithm::RsassaPssSha256, MessageType::Digest, 32);
        check(SigningAlgorithm::RsassaPkcs1V15Sha384, MessageType::Digest, 48);
        check(SigningAlgorithm::EcdsaSha512, MessageType::Digest, 64);
        check(SigningAlgorithm::Ed25519PhSha512, MessageType::Digest, 64);
        check(SigningAlgorithm::MlDsaShake256, MessageType::ExternalMu, 64);
    }

    #[test]
    fn k181_each_algorithm_takes_its_types_of_messages() {
        use MessageType::{Digest, ExternalMu, Raw};
        let check = |algorithm, taken: &[MessageType]| {
            for message_type in MessageType::ALL {
                let refused = Message::new(algorithm, *message_type, b"").err() == Some(UnfitMessage::Type);
                assert_eq!(refused, !taken.contains(message_type), "{algorithm} {message_type}");
            }
        };
        check(SigningAlgorithm::RsassaPssSha256, &[Raw, Digest]);
        check(SigningAlgorithm::EcdsaSha384, &[Raw, Digest]);
        check(SigningAlgorithm::Ed25519Sha512, &[Raw]);
        check(SigningAlgorithm::Ed25519PhSha512, &[Digest]);
        check(SigningAlgorithm::MlDsaShake256, &[Raw, ExternalMu]);
    }

    #[test]
    fn k181_signatures_have_their_lengths() {
        with_keys(|key| {
            let expected = match key.spec() {
                KeySpec::Rsa2048 => 256,
                KeySpec::EccNistEdwards25519 => 64,
                KeySpec::MlDsa44 => 2420,
                KeySpec::MlDsa65 => 3309,
                KeySpec::MlDsa87 => 4627,
                _ => return,
            };
            for algorithm in key.spec().signing_algorithms() {
                let (message_type, bytes) = usual(*algorithm);
                let message = Message::new(*algorithm, message_type, bytes).unwrap();
                assert_eq!(key.sign(&message).unwrap().len(), expected, "{algorithm}"); // [K182]
            }
        });
    }

    #[test]
    fn k181_a_mu_is_what_ml_dsa_makes_of_public_key_and_message() {
        for spec in [KeySpec::MlDsa44, KeySpec::MlDsa65, KeySpec::MlDsa87] {
            let key = KeyMaterial::generate(spec, &SystemEntropy).unwrap();
            let public = key.public_key().unwrap();
            let mu = Message::new(SigningAlgorithm::MlDsaShake256, MessageType::ExternalMu, &[7; 64]).unwrap();
            let signature = key.sign(&mu).unwrap();
            assert_eq!(public.verify(&mu, &signature), Ok(()));
            let other = Message::new(SigningAlgorithm::MlDsaShake256, MessageType::ExternalMu, &[8; 64]).unwrap();
            assert_eq!(public.verify(&other, &signature), Err(InvalidSignature));
            let raw = Message::new(SigningAlgorithm::MlDsaShake256, MessageType::Raw, &[7; 64]).unwrap();
            assert_eq!(public.verify(&raw, &signature), Err(InvalidSignature));
        }
    }

    #[test]
    fn k150_a_key_signs_with_its_own_algorithms_only() {
        with_keys(|key| {
            for algorithm in SigningAlgorithm::ALL.iter().filter(|algorithm| !key.spec().signing_algorithms().contains(algorithm)) {
                let (message_type, bytes) = usual(*algorithm);
                let Ok(message) = Message::new(*algorithm, message_type, bytes) else { continue };
                assert_eq!(key.sign(&message), Err(Unfit), "{} {algorithm}", key.spec());
            }
        });
    }
}
