//! RSA keys: making them, taking them over, OAEP (RFC 8017, section 7.1; K161).

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::{
    KeyPair, KeySize, OAEP_SHA1_MGF1SHA1, OAEP_SHA256_MGF1SHA256, OaepAlgorithm, OaepPrivateDecryptingKey, OaepPublicEncryptingKey,
    PrivateDecryptingKey, PublicEncryptingKey,
};
use zeroize::Zeroizing;

use crate::algorithms::EncryptionAlgorithm;
use crate::der;
use crate::envelope::OpenFailed;
use crate::material::{GenerateFailed, KeyMaterial, Unfit};
use crate::plaintext::Plaintext;
use crate::public_key::PublicKey;
use crate::spec::KeySpec;

/// A key with the exponent 65537, as PKCS#8. Its primes come from the library's own generator: it takes no other.
pub(crate) fn generate(spec: KeySpec) -> Result<Zeroizing<Vec<u8>>, GenerateFailed> {
    let size = match spec {
        KeySpec::Rsa2048 => KeySize::Rsa2048,
        KeySpec::Rsa3072 => KeySize::Rsa3072,
        KeySpec::Rsa4096 => KeySize::Rsa4096,
        _ => return Err(GenerateFailed::Unsupported),
    };
    let pair = KeyPair::generate(size).map_err(|_| GenerateFailed::Library)?;
    let pkcs8: Pkcs8V1Der<'_> = pair.as_der().map_err(|_| GenerateFailed::Library)?;
    Ok(Zeroizing::new(pkcs8.as_ref().to_vec()))
}

/// A key in PKCS#8 with exactly this modulus size (K111), in the library's own form of it.
pub(crate) fn import(spec: KeySpec, plain: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let key = PrivateDecryptingKey::from_pkcs8(plain).ok().filter(|_| der::is_one_sequence(plain))?;
    if Some(key.key_size_bits()) != spec.rsa_modulus_bits() {
        return None;
    }
    let pkcs8: Pkcs8V1Der<'_> = key.as_der().ok()?;
    Some(Zeroizing::new(pkcs8.as_ref().to_vec()))
}

fn oaep(algorithm: EncryptionAlgorithm) -> Option<&'static OaepAlgorithm> {
    match algorithm {
        EncryptionAlgorithm::RsaesOaepSha1 => Some(&OAEP_SHA1_MGF1SHA1),
        EncryptionAlgorithm::RsaesOaepSha256 => Some(&OAEP_SHA256_MGF1SHA256),
        EncryptionAlgorithm::SymmetricDefault | EncryptionAlgorithm::Sm2Pke => None,
    }
}

impl PublicKey {
    /// Encrypts under a public key: OAEP with an empty label, MGF1 with the same hash (K161).
    ///
    /// # Errors
    /// [`Unfit`] if the key does not encrypt so, or for more than [`KeySpec::rsa_plaintext_bytes_max`].
    pub fn encrypt(&self, algorithm: EncryptionAlgorithm, plaintext: &[u8]) -> Result<Vec<u8>, Unfit> {
        let oaep = oaep(algorithm).ok_or(Unfit)?;
        let key = PublicEncryptingKey::from_der(self.as_der()).and_then(|key| Ok(OaepPublicEncryptingKey::new(key)?)).map_err(|_| Unfit)?;
        let mut ciphertext = vec![0; key.ciphertext_size()];
        let len = key.encrypt(oaep, plaintext, &mut ciphertext, None).map(|ciphertext| ciphertext.len()).map_err(|_| Unfit)?;
        ciphertext.truncate(len);
        Ok(ciphertext)
    }
}

impl KeyMaterial {
    /// Decrypts what [`PublicKey::encrypt`] made, or anybody else with the same public key.
    ///
    /// # Errors
    /// [`OpenFailed`], whatever the reason (T37).
    pub fn decrypt(&self, algorithm: EncryptionAlgorithm, ciphertext: &[u8]) -> Result<Plaintext, OpenFailed> {
        let modulus_bytes = self.spec().rsa_modulus_bits().ok_or(OpenFailed)? / 8;
        let oaep = oaep(algorithm).filter(|_| ciphertext.len() == modulus_bytes).ok_or(OpenFailed)?;
        let key = PrivateDecryptingKey::from_pkcs8(self.expose()).and_then(|key| Ok(OaepPrivateDecryptingKey::new(key)?)).map_err(|_| OpenFailed)?;
        let mut plaintext = Zeroizing::new(vec![0; key.min_output_size()]);
        let len = key.decrypt(oaep, ciphertext, &mut plaintext, None).map(|plaintext| plaintext.len()).map_err(|_| OpenFailed)?;
        plaintext.truncate(len);
        Ok(Plaintext::new(plaintext))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::tests::SystemEntropy;
    use crate::material::tests::rsa_2048;

    const ALGORITHMS: [EncryptionAlgorithm; 2] = [EncryptionAlgorithm::RsaesOaepSha1, EncryptionAlgorithm::RsaesOaepSha256];

    #[test]
    fn k161_what_was_encrypted_decrypts_with_the_same_key_and_hash_only() {
        let (key, other) = (rsa_2048(), KeyMaterial::generate(KeySpec::Rsa2048, &SystemEntropy).unwrap());
        for algorithm in ALGORITHMS {
            let ciphertext = key.public_key().unwrap().encrypt(algorithm, b"secret").unwrap();
            assert_eq!(ciphertext.len(), 256);
            assert_eq!(key.decrypt(algorithm, &ciphertext).unwrap().expose(), b"secret");
            assert!(other.decrypt(algorithm, &ciphertext).is_err());
            for different in EncryptionAlgorithm::ALL.iter().filter(|different| **different != algorithm) {
                assert!(key.decrypt(*different, &ciphertext).is_err(), "{different}");
            }
            let mut flipped = ciphertext.clone();
            flipped[255] ^= 1;
            assert!(key.decrypt(algorithm, &flipped).is_err());
            assert!(key.decrypt(algorithm, &ciphertext[..255]).is_err());
            assert!(key.decrypt(algorithm, &[ciphertext.as_slice(), &[0]].concat()).is_err());
        }
    }

    #[test]
    fn k160_the_longest_plaintext_goes_and_one_byte_more_does_not() {
        let public = rsa_2048().public_key().unwrap();
        for algorithm in ALGORITHMS {
            let max = KeySpec::Rsa2048.rsa_plaintext_bytes_max(algorithm).unwrap();
            assert!(public.encrypt(algorithm, &vec![1; max]).is_ok());
            assert_eq!(public.encrypt(algorithm, &vec![1; max + 1]), Err(Unfit));
        }
    }
}
