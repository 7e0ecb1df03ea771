//! Keys on the curves of NIST and SECG: making them, taking them over, ECDH (SP 800-56A; K190).

use aws_lc_rs::agreement::{self, UnparsedPublicKey, agree as ecdh};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P256K1_SHA256_ASN1, ECDSA_P256K1_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1,
    ECDSA_P384_SHA384_ASN1_SIGNING, ECDSA_P521_SHA512_ASN1, ECDSA_P521_SHA512_ASN1_SIGNING, EcdsaKeyPair, EcdsaSigningAlgorithm,
    EcdsaVerificationAlgorithm,
};
use zeroize::Zeroizing;

use crate::der;
use crate::entropy::Entropy;
use crate::material::{GenerateFailed, KeyMaterial};
use crate::plaintext::Plaintext;
use crate::public_key::PublicKey;
use crate::spec::KeySpec;

/// How often a scalar is drawn; with these curves even a second time is never seen.
const DRAWS_MAX: usize = 64;

/// What the library calls a curve.
pub(crate) struct Curve {
    pub(crate) signing: &'static EcdsaSigningAlgorithm,
    pub(crate) verifying: &'static EcdsaVerificationAlgorithm,
    agreement: Option<&'static agreement::Algorithm>,
    scalar_bytes: usize,
    /// Which bits of the first byte a scalar has.
    first_byte: u8,
}

impl Curve {
    pub(crate) fn of(spec: KeySpec) -> Option<Self> {
        match spec {
            KeySpec::EccNistP256 => Some(Self {
                signing: &ECDSA_P256_SHA256_ASN1_SIGNING,
                verifying: &ECDSA_P256_SHA256_ASN1,
                agreement: Some(&agreement::ECDH_P256),
                scalar_bytes: 32,
                first_byte: 0xff,
            }),
            KeySpec::EccNistP384 => Some(Self {
                signing: &ECDSA_P384_SHA384_ASN1_SIGNING,
                verifying: &ECDSA_P384_SHA384_ASN1,
                agreement: Some(&agreement::ECDH_P384),
                scalar_bytes: 48,
                first_byte: 0xff,
            }),
            KeySpec::EccNistP521 => Some(Self {
                signing: &ECDSA_P521_SHA512_ASN1_SIGNING,
                verifying: &ECDSA_P521_SHA512_ASN1,
                agreement: Some(&agreement::ECDH_P521),
                scalar_bytes: 66,
                first_byte: 0x01,
            }),
            KeySpec::EccSecgP256k1 => Some(Self {
                signing: &ECDSA_P256K1_SHA256_ASN1_SIGNING,
                verifying: &ECDSA_P256K1_SHA256_ASN1,
                agreement: None,
                scalar_bytes: 32,
                first_byte: 0xff,
            }),
            _ => None,
        }
    }

    /// A key of random bits that are drawn again when they are no scalar (FIPS 186-5, appendix A.2.2), as PKCS#8.
    pub(crate) fn generate(&self, entropy: &dyn Entropy) -> Result<Zeroizing<Vec<u8>>, GenerateFailed> {
        let mut scalar = Zeroizing::new(vec![0; self.scalar_bytes]);
        for _ in 0..DRAWS_MAX {
            entropy.fill(&mut scalar)?;
            if let Some(first) = scalar.first_mut() {
                *first &= self.first_byte;
            }
            // The library refuses zero and what is not below the order of the group, and computes the public key.
            if let Ok(pair) = EcdsaKeyPair::from_private_key_der(self.signing, &der::ec_private_key(&scalar)) {
                return pkcs8(&pair).ok_or(GenerateFailed::Library);
            }
        }
        Err(GenerateFailed::Library)
    }

    /// A key in PKCS#8 on this curve, in the library's own form of it.
    pub(crate) fn import(&self, plain: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        pkcs8(&self.pair(plain).filter(|_| der::is_one_sequence(plain))?)
    }

    pub(crate) fn pair(&self, pkcs8: &[u8]) -> Option<EcdsaKeyPair> {
        EcdsaKeyPair::from_pkcs8(self.signing, pkcs8).ok()
    }
}

fn pkcs8(pair: &EcdsaKeyPair) -> Option<Zeroizing<Vec<u8>>> {
    pair.to_pkcs8v1().ok().map(|document| Zeroizing::new(document.as_ref().to_vec()))
}

/// The other's public key is none on this key's curve.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the other's public key is no point on this key's curve, as DER SubjectPublicKeyInfo")]
pub struct PeerRejected;

impl KeyMaterial {
    /// The x coordinate that this key and the other's public key (DER SubjectPublicKeyInfo) agree on (K190) (SP 800-56A,
    /// section 5.7.1.2).
    ///
    /// # Errors
    /// [`PeerRejected`]; so does a key that is on no curve for agreement.
    pub fn agree(&self, peer: &[u8]) -> Result<Plaintext, PeerRejected> {
        let algorithm = Curve::of(self.spec()).and_then(|curve| curve.agreement).ok_or(PeerRejected)?;
        let own = agreement::PrivateKey::from_private_key_der(algorithm, self.expose()).map_err(|_| PeerRejected)?;
        // The library itself would also take a bare or compressed point, and a curve by its parameters instead of its name.
        let peer = PublicKey::from_der(self.spec(), peer).map_err(|_| PeerRejected)?;
        ecdh(&own, UnparsedPublicKey::new(algorithm, peer.as_der()), PeerRejected, |secret| Ok(Plaintext::new(Zeroizing::new(secret.to_vec()))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::tests::{FixedEntropy, NoEntropy, SystemEntropy};

    /// Every byte the same.
    struct Constant(u8);

    impl Entropy for Constant {
        fn fill(&self, bytes: &mut [u8]) -> Result<(), crate::entropy::EntropyFailed> {
            bytes.fill(self.0);
            Ok(())
        }
    }

    #[test]
    fn a_scalar_is_between_zero_and_the_order_of_the_group() {
        for spec in [KeySpec::EccNistP256, KeySpec::EccNistP384, KeySpec::EccNistP521, KeySpec::EccSecgP256k1] {
            assert!(KeyMaterial::generate(spec, &Constant(0)).is_err(), "{spec}");
            assert!(KeyMaterial::generate(spec, &Constant(0xff)).is_err(), "{spec}");
            assert!(KeyMaterial::generate(spec, &Constant(1)).is_ok(), "{spec}");
            assert!(KeyMaterial::generate(spec, &NoEntropy).is_err(), "{spec}");
        }
    }

    #[test]
    fn k190_both_sides_agree_on_as_many_bytes_as_a_coordinate_has() {
        for (spec, bytes) in [(KeySpec::EccNistP256, 32), (KeySpec::EccNistP384, 48), (KeySpec::EccNistP521, 66)] {
            let (one, other) = (KeyMaterial::generate(spec, &FixedEntropy(1)).unwrap(), KeyMaterial::generate(spec, &SystemEntropy).unwrap());
            let (here, there) = (one.agree(other.public_key().unwrap().as_der()).unwrap(), other.agree(one.public_key().unwrap().as_der()).unwrap());
            assert_eq!(here.expose(), there.expose());
            assert_eq!(here.expose().len(), bytes);
        }
    }

    #[test]
    fn k190_a_peer_is_a_whole_spki_on_the_same_curve() {
        let key = KeyMaterial::generate(KeySpec::EccNistP256, &SystemEntropy).unwrap();
        let refused = |peer: &[u8]| key.agree(peer).is_err();
        let own = key.public_key().unwrap().as_der().to_vec();
        assert!(!refused(&own));
        assert!(refused(&[own.as_slice(), &[0]].concat()));
        assert!(refused(&own[own.len() - 65..]), "a bare point");
        assert!(refused(&[]));
        let (head, x, parity) = (&own[2..23], &own[27..59], own[90] & 1);
        assert!(refused(&[&[0x30, 57], head, &[3, 34, 0, 2 | parity], x].concat()), "a compressed point");
        let mut off = own.clone();
        off[90] ^= 1;
        assert!(refused(&off), "not on the curve");
        for spec in [KeySpec::EccNistP384, KeySpec::EccSecgP256k1, KeySpec::EccNistEdwards25519, KeySpec::MlKem768] {
            let other = KeyMaterial::generate(spec, &SystemEntropy).unwrap();
            assert!(refused(other.public_key().unwrap().as_der()), "{spec}");
            assert!(other.agree(&own).is_err(), "{spec}");
        }
    }
}
