//! Key encapsulation (FIPS 203; K191).

use aws_lc_rs::kem::{Algorithm, DecapsulationKey, EncapsulationKey, ML_KEM_512, ML_KEM_768, ML_KEM_1024};
use zeroize::Zeroizing;

use crate::envelope::OpenFailed;
use crate::gaps::{self, MlKemKeys};
use crate::material::{KeyMaterial, Unfit};
use crate::plaintext::Plaintext;
use crate::public_key::PublicKey;
use crate::spec::KeySpec;

impl PublicKey {
    /// A fresh shared secret of 32 bytes, and its ciphertext under this key. The library draws its randomness itself.
    ///
    /// # Errors
    /// [`Unfit`] for keys that do not encapsulate, and for bytes that are no encapsulation key (FIPS 203, section 7.2).
    pub fn encapsulate(&self) -> Result<(Plaintext, Vec<u8>), Unfit> {
        let algorithm = algorithm(self.spec()).ok_or(Unfit)?;
        let key = EncapsulationKey::new(algorithm, self.raw().ok_or(Unfit)?).map_err(|_| Unfit)?;
        let (ciphertext, secret) = key.encapsulate().map_err(|_| Unfit)?;
        Ok((Plaintext::new(Zeroizing::new(secret.as_ref().to_vec())), ciphertext.as_ref().to_vec()))
    }
}

impl KeyMaterial {
    /// The shared secret of a ciphertext. What [`PublicKey::encapsulate`] did not make has a secret that only this key finds
    /// (implicit rejection; FIPS 203, section 6.3).
    ///
    /// # Errors
    /// [`OpenFailed`] for a ciphertext of another length, and for keys that do not decapsulate.
    pub fn decapsulate(&self, ciphertext: &[u8]) -> Result<Plaintext, OpenFailed> {
        let algorithm = algorithm(self.spec()).ok_or(OpenFailed)?;
        let keys = keys(self).ok_or(OpenFailed)?;
        let key = DecapsulationKey::new(algorithm, &keys.decapsulation).map_err(|_| OpenFailed)?;
        let secret = key.decapsulate(ciphertext.into()).map_err(|_| OpenFailed)?;
        Ok(Plaintext::new(Zeroizing::new(secret.as_ref().to_vec())))
    }
}

/// Both keys of the seed.
pub(crate) fn keys(material: &KeyMaterial) -> Option<MlKemKeys> {
    algorithm(material.spec())?;
    gaps::ml_kem_keys(material.private_key().ok()?.expose())
}

fn algorithm(spec: KeySpec) -> Option<&'static Algorithm> {
    match spec {
        KeySpec::MlKem512 => Some(&ML_KEM_512),
        KeySpec::MlKem768 => Some(&ML_KEM_768),
        KeySpec::MlKem1024 => Some(&ML_KEM_1024),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::tests::SystemEntropy;

    #[test]
    fn k191_secrets_come_back_and_garbage_has_one_too() {
        for (spec, bytes) in [(KeySpec::MlKem512, 768), (KeySpec::MlKem768, 1088), (KeySpec::MlKem1024, 1568)] {
            let key = KeyMaterial::generate(spec, &SystemEntropy).unwrap();
            let (secret, ciphertext) = key.public_key().unwrap().encapsulate().unwrap();
            assert_eq!((secret.expose().len(), ciphertext.len()), (32, bytes), "{spec}");
            let found = |ciphertext: &[u8]| key.decapsulate(ciphertext).map(|secret| secret.expose().to_vec());
            assert_eq!(found(&ciphertext), Ok(secret.expose().to_vec()));
            let garbage = vec![7; bytes];
            assert_eq!(found(&garbage), found(&garbage), "the same garbage has the same secret");
            assert_ne!(found(&garbage), found(&vec![8; bytes]));
            assert_eq!(found(&garbage[1..]), Err(OpenFailed));
            assert_eq!(found(&[garbage.as_slice(), &[0]].concat()), Err(OpenFailed));
            let other = KeyMaterial::generate(spec, &SystemEntropy).unwrap();
            assert!(other.decapsulate(&ciphertext).is_ok_and(|wrong| wrong.expose() != secret.expose()));
        }
    }

    #[test]
    fn an_encapsulation_key_has_its_coefficients_below_the_modulus() {
        let key = KeyMaterial::generate(KeySpec::MlKem768, &SystemEntropy).unwrap().public_key().unwrap();
        let mut der = key.as_der().to_vec();
        der[22..25].fill(0xff);
        let encapsulated = PublicKey::from_der(KeySpec::MlKem768, &der).unwrap().encapsulate();
        assert!(encapsulated.is_err());
    }
}
