//! Ciphertexts of keys in a hardware security module: what its key encrypts, and how that stands in a blob.
//!
//! The module's key cannot leave it, so there is no key of its own for every message, and nothing to derive a commitment from.
//! Zeros before the plaintext commit to the key instead (T35): no two keys encrypt three blocks of zeros to the same bytes.

use aws_lc_rs::digest::{SHA256, digest};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::blob::{BLOB_BYTES_MAX, Form, Head, NotABlob};
use crate::context::EncryptionContext;
use crate::envelope::{OVERHEAD, OpenFailed, SealFailed};
use crate::plaintext::Plaintext;

/// Bytes of an initialization vector.
pub const HSM_IV_BYTES: usize = 12;
const TAG_BYTES: usize = 16;
/// Zeros before the plaintext: as many as give a blob AWS's length (K166).
const ZEROS: usize = OVERHEAD - HSM_IV_BYTES - TAG_BYTES;

/// What a module's key makes of bytes, by AES-256-GCM.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct HsmCiphertext {
    /// The initialization vector.
    pub iv: [u8; HSM_IV_BYTES],
    /// As long as what was encrypted, and the tag behind it.
    pub sealed: Vec<u8>,
}

impl HsmCiphertext {
    /// The parts as they stand in a blob; which blob it is says its head.
    ///
    /// # Errors
    /// [`NotABlob`] for a blob that no module's key had a part in, or one that is cut.
    pub fn in_blob(blob: &[u8]) -> Result<Self, NotABlob> {
        let (iv, sealed) = Head::behind(blob, Form::Hsm)?.split_first_chunk::<HSM_IV_BYTES>().ok_or(NotABlob)?;
        if sealed.len() > ZEROS + TAG_BYTES { Ok(Self { iv: *iv, sealed: sealed.to_vec() }) } else { Err(NotABlob) }
    }

    /// The blob that callers get for a plaintext of `length` bytes.
    ///
    /// # Errors
    /// [`SealFailed`] for parts that are not of such a plaintext.
    pub fn blob(&self, head: &Head, length: usize) -> Result<Vec<u8>, SealFailed> {
        if self.sealed.len() != ZEROS + length + TAG_BYTES {
            return Err(SealFailed::Cipher);
        }
        Ok([head.encode(Form::Hsm).as_slice(), &self.iv, &self.sealed].concat())
    }
}

/// What the module's key encrypts.
///
/// # Errors
/// [`SealFailed`] for more than a blob holds.
pub fn for_hsm(plaintext: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealFailed> {
    let max = BLOB_BYTES_MAX - crate::blob::BLOB_OVERHEAD;
    if plaintext.len() > max {
        return Err(SealFailed::PlaintextTooLong { len: plaintext.len(), max });
    }
    Ok(Zeroizing::new([&[0; ZEROS], plaintext].concat()))
}

/// The plaintext in what the module's key decrypted.
///
/// # Errors
/// [`OpenFailed`] if the ciphertext does not commit to this key (T35).
pub fn from_hsm(decrypted: &[u8]) -> Result<Plaintext, OpenFailed> {
    let (zeros, plaintext) = decrypted.split_at_checked(ZEROS).ok_or(OpenFailed)?;
    if bool::from(zeros.ct_eq(&[0; ZEROS])) { Ok(Plaintext::new(Zeroizing::new(plaintext.to_vec()))) } else { Err(OpenFailed) }
}

/// The additional data: the blob's head, and a digest of the encryption context, for modules take only so much.
pub fn hsm_aad(head: &Head, context: &EncryptionContext) -> Vec<u8> {
    [head.encode(Form::Hsm).as_slice(), digest(&SHA256, &context.encode()).as_ref()].concat()
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
    use data_encoding::BASE64;

    use super::*;
    use crate::blob::{BlobKeyId, BlobKind, open};
    use crate::material::{KeyMaterial, MaterialId};

    fn head() -> Head {
        let key_id: BlobKeyId = "1234abcd-12ab-34cd-56ef-1234567890ab".parse().unwrap();
        Head { kind: BlobKind::Encrypt, key_id, account: 111_122_223_333, material_id: MaterialId::from_bytes([9; 32]) }
    }

    fn context(value: &str) -> EncryptionContext {
        [("project".to_owned(), value.to_owned())].into_iter().collect()
    }

    fn key(byte: u8) -> LessSafeKey {
        LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &[byte; 32]).unwrap())
    }

    /// What a module does.
    fn encrypted(byte: u8, plaintext: &[u8], aad: &[u8]) -> HsmCiphertext {
        let (iv, mut sealed) = ([3; HSM_IV_BYTES], plaintext.to_vec());
        key(byte).seal_in_place_append_tag(Nonce::assume_unique_for_key(iv), Aad::from(aad), &mut sealed).unwrap();
        HsmCiphertext { iv, sealed }
    }

    fn decrypted(byte: u8, parts: &HsmCiphertext, aad: &[u8]) -> Option<Vec<u8>> {
        let mut bytes = parts.sealed.clone();
        key(byte).open_in_place(Nonce::assume_unique_for_key(parts.iv), Aad::from(aad), &mut bytes).ok().map(|plaintext| plaintext.to_vec())
    }

    fn sealed(plaintext: &[u8]) -> Vec<u8> {
        encrypted(2, &for_hsm(plaintext).unwrap(), &hsm_aad(&head(), &context("a"))).blob(&head(), plaintext.len()).unwrap()
    }

    fn opened(blob: &[u8], context: &EncryptionContext) -> Option<Vec<u8>> {
        let head = Head::parse(blob).ok()?;
        let decrypted = decrypted(2, &HsmCiphertext::in_blob(blob).ok()?, &hsm_aad(&head, context))?;
        from_hsm(&decrypted).ok().map(|plaintext| plaintext.expose().to_vec())
    }

    #[test]
    fn k166_a_blob_of_an_hsm_begins_and_measures_as_those_of_aws() {
        let blob = sealed(&[7; 32]);
        assert_eq!(blob.len(), 184);
        assert!(BASE64.encode(&blob).starts_with("AQICAHh"));
        assert_eq!(opened(&sealed(&[7; 4096]), &context("a")), Some(vec![7; 4096])); // [K160]
        assert!(open(&blob, &KeyMaterial::from_bytes(Zeroizing::new([2; 32])), &context("a")).is_err());
    }

    #[test]
    fn t36_no_single_bit_of_an_hsms_blob_may_change_and_no_byte_come_or_go() {
        let blob = sealed(b"secret");
        assert_eq!(opened(&blob, &context("a")), Some(b"secret".to_vec()));
        assert_eq!(opened(&blob, &context("b")), None);
        for bit in 0..blob.len() * 8 {
            let mut flipped = blob.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(opened(&flipped, &context("a")), None, "bit {bit}");
        }
        for len in 0..blob.len() {
            assert_eq!(opened(&blob[..len], &context("a")), None, "length {len}");
        }
        assert_eq!(opened(&[blob.as_slice(), &[0]].concat(), &context("a")), None);
    }

    #[test]
    fn t35_a_ciphertext_without_the_zeros_is_refused() {
        let aad = hsm_aad(&head(), &context("a"));
        let mut bytes = for_hsm(b"secret").unwrap();
        bytes[ZEROS - 1] = 1;
        assert_eq!(opened(&encrypted(2, &bytes, &aad).blob(&head(), 6).unwrap(), &context("a")), None);
        assert!(encrypted(2, b"secret", &aad).blob(&head(), 6).is_err());
        assert!(from_hsm(&[0; ZEROS - 1]).is_err());
    }

    #[test]
    fn an_hsms_ciphertext_of_format_3_stays_readable() {
        let kept = BASE64.decode(include_str!("../testdata/blob-3.txt").trim().as_bytes()).unwrap();
        assert_eq!(BASE64.encode(&sealed(b"kept since format 3")), BASE64.encode(&kept));
        assert_eq!(opened(&kept, &context("a")), Some(b"kept since format 3".to_vec()));
    }
}
