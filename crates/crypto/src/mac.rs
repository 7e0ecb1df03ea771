//! Message authentication codes (FIPS 198-1; K185).

use aws_lc_rs::hmac;

use crate::algorithms::MacAlgorithm;
use crate::material::{KeyMaterial, Unfit};

impl KeyMaterial {
    /// The code of a message.
    ///
    /// # Errors
    /// [`Unfit`] if the key makes no codes of this kind.
    pub fn mac(&self, algorithm: MacAlgorithm, message: &[u8]) -> Result<Vec<u8>, Unfit> {
        Ok(hmac::sign(&self.mac_key(algorithm)?, message).as_ref().to_vec())
    }

    /// Whether this is the whole code of a message, in constant time.
    ///
    /// # Errors
    /// [`Unfit`] if the key makes no codes of this kind.
    pub fn verify_mac(&self, algorithm: MacAlgorithm, message: &[u8], mac: &[u8]) -> Result<bool, Unfit> {
        Ok(hmac::verify(&self.mac_key(algorithm)?, message, mac).is_ok())
    }

    fn mac_key(&self, algorithm: MacAlgorithm) -> Result<hmac::Key, Unfit> {
        let hash = match algorithm {
            MacAlgorithm::HmacSha224 => hmac::HMAC_SHA224,
            MacAlgorithm::HmacSha256 => hmac::HMAC_SHA256,
            MacAlgorithm::HmacSha384 => hmac::HMAC_SHA384,
            MacAlgorithm::HmacSha512 => hmac::HMAC_SHA512,
        };
        // [K185] One algorithm for each spec.
        if self.spec().mac_algorithms() == [algorithm] { Ok(hmac::Key::new(hash, self.expose())) } else { Err(Unfit) }
    }
}

#[cfg(test)]
mod tests {
    use data_encoding::HEXLOWER;

    use super::*;
    use crate::entropy::tests::{FixedEntropy, SystemEntropy};
    use crate::spec::KeySpec;

    const SPECS: [KeySpec; 4] = [KeySpec::Hmac224, KeySpec::Hmac256, KeySpec::Hmac384, KeySpec::Hmac512];

    #[test]
    fn k185_codes_verify_whole_under_their_own_key_only() {
        for spec in SPECS {
            let key = KeyMaterial::generate(spec, &SystemEntropy).unwrap();
            let other = KeyMaterial::generate(spec, &SystemEntropy).unwrap();
            for algorithm in MacAlgorithm::ALL.iter().copied() {
                let Ok(mac) = key.mac(algorithm, b"message") else {
                    assert_ne!(spec.mac_algorithms(), [algorithm]);
                    assert_eq!(key.verify_mac(algorithm, b"message", &[0; 32]), Err(Unfit));
                    continue;
                };
                assert_eq!(mac.len(), algorithm.bytes());
                assert_eq!(key.verify_mac(algorithm, b"message", &mac), Ok(true));
                assert_eq!(key.verify_mac(algorithm, b"massage", &mac), Ok(false));
                assert_eq!(key.verify_mac(algorithm, b"message", &mac[1..]), Ok(false));
                assert_eq!(key.verify_mac(algorithm, b"message", &mac[..mac.len() - 1]), Ok(false));
                assert_eq!(other.verify_mac(algorithm, b"message", &mac), Ok(false));
            }
        }
    }

    #[test]
    fn k185_codes_are_those_of_another_implementation() {
        // Python's hmac, with the bytes 0, 1, 2, … as key.
        let check = |spec: KeySpec, expected: &str| {
            let key = KeyMaterial::generate(spec, &FixedEntropy(0)).unwrap();
            let mac = key.mac(spec.mac_algorithms()[0], b"message").unwrap();
            assert_eq!(HEXLOWER.encode(&mac), expected, "{spec}");
        };
        check(KeySpec::Hmac224, "8fd53d24e5b948291d5046f47c8d88368d4b21e6225e9e52158a8d6b");
        check(KeySpec::Hmac256, "6297b77508a1a30ea4dfadd8f847c31b49aba45de10a79daf721d3f7ec112a24");
        check(KeySpec::Hmac384, "8b7f34511d243c9bacaa953d67dfbec802d452dbdbf4ea01910d6c632b241d33040c8b923abe61a22ca7d78d3ee19ca9");
        check(
            KeySpec::Hmac512,
            concat!(
                "937c7b6877cb545df3aabebb8020b78a60dbe9068f61e04bf079b83a0ab6a12f",
                "cd605eb662efe05eafd4e131b5feffa722dedc54cccc66dedf8075aa1ca80d77"
            ),
        );
    }
}
