//! Ciphertexts of keys outside: what is handed to an external key manager, what comes back, and how it stands in a blob (K144).
//!
//! Encryption is double (K146): our own material first, as for every blob, the external key over it. Both halves of the
//! manager are here too, for whoever serves our keys to somebody else's service.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::digest::{Context, SHA256, digest};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::blob::{BLOB_BYTES_MAX, Form, Head, NotABlob};
use crate::context::EncryptionContext;
use crate::entropy::Entropy;
use crate::envelope::{self, OVERHEAD, OpenFailed, SealFailed};
use crate::kdf::{self, Label};
use crate::material::{KeyMaterial, MaterialId};
use crate::plaintext::Plaintext;

/// Most bytes that an external key encrypts at once (K144).
pub const EXTERNAL_PLAINTEXT_BYTES_MAX: usize = 4300;
/// Most bytes of additional data of an external key (K144).
pub const EXTERNAL_AAD_BYTES_MAX: usize = 8192;
/// Most bytes of metadata of an external ciphertext (K144).
pub const EXTERNAL_METADATA_BYTES_MAX: usize = 20;

/// Bytes that the inner layer adds to a plaintext.
pub const INNER_OVERHEAD: usize = OVERHEAD;

const TAG_BYTES: usize = 16;
/// The first byte of the metadata that our own key manager adds, then N, then the first bytes of the material's id.
const METADATA_FORMAT: u8 = 1;
const NONCE_BYTES: usize = 16;
const MATERIAL_HINT_BYTES: usize = 3;

/// What an external key makes of bytes (K144).
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ExternalCiphertext {
    /// As long as the plaintext.
    pub ciphertext: Vec<u8>,
    /// 12 or 16 bytes.
    pub initialization_vector: Vec<u8>,
    /// 16 bytes.
    pub authentication_tag: Vec<u8>,
    /// What the manager wants to see again; at most 20 bytes.
    pub metadata: Vec<u8>,
}

impl ExternalCiphertext {
    /// Whether its parts have the lengths that they must have for a plaintext of `length` bytes (K144).
    pub fn is_proper(&self, length: usize) -> bool {
        self.ciphertext.len() == length
            && matches!(self.initialization_vector.len(), 12 | 16)
            && self.authentication_tag.len() == TAG_BYTES
            && self.metadata.len() <= EXTERNAL_METADATA_BYTES_MAX
    }

    /// The ciphertext data integrity value: a digest over the additional data and all parts (K144).
    pub fn integrity_value(&self, aad: &[u8]) -> [u8; 32] {
        let mut context = Context::new(&SHA256);
        for part in [aad, &self.metadata, &self.initialization_vector, &self.ciphertext, &self.authentication_tag] {
            context.update(part);
        }
        let mut value = [0; 32];
        value.copy_from_slice(context.finish().as_ref());
        value
    }

    /// Whether `value` is the integrity value.
    pub fn has_integrity(&self, aad: &[u8], value: &[u8]) -> bool {
        self.integrity_value(aad).as_slice().ct_eq(value).into()
    }

    /// The parts as they stand in a blob; which blob it is says its head.
    ///
    /// # Errors
    /// [`NotABlob`] for a blob that no external key had a part in, or one that is cut.
    pub fn in_blob(blob: &[u8]) -> Result<Self, NotABlob> {
        let rest = Head::behind(blob, Form::Double)?;
        let ([iv_len, metadata_len], rest) = rest.split_first_chunk::<2>().ok_or(NotABlob)?;
        let (iv, rest) = rest.split_at_checked(usize::from(*iv_len)).ok_or(NotABlob)?;
        let (tag, rest) = rest.split_at_checked(TAG_BYTES).ok_or(NotABlob)?;
        let (metadata, ciphertext) = rest.split_at_checked(usize::from(*metadata_len)).ok_or(NotABlob)?;
        let parts = Self {
            ciphertext: ciphertext.to_vec(),
            initialization_vector: iv.to_vec(),
            authentication_tag: tag.to_vec(),
            metadata: metadata.to_vec(),
        };
        if parts.is_proper(ciphertext.len()) && ciphertext.len() >= OVERHEAD { Ok(parts) } else { Err(NotABlob) }
    }

    /// The blob that callers get.
    ///
    /// # Errors
    /// [`SealFailed`] for parts that no external key makes.
    pub fn blob(&self, head: &Head) -> Result<Vec<u8>, SealFailed> {
        if !self.is_proper(self.ciphertext.len()) {
            return Err(SealFailed::Cipher);
        }
        let lengths = [&self.initialization_vector, &self.metadata].map(|part| u8::try_from(part.len()).unwrap_or(u8::MAX));
        let parts: [&[u8]; 6] =
            [&head.encode(Form::Double), &lengths, &self.initialization_vector, &self.authentication_tag, &self.metadata, &self.ciphertext];
        Ok(parts.concat())
    }
}

/// The inner layer, under our own material: what the external key encrypts.
///
/// # Errors
/// [`SealFailed`] when randomness fails, or for more than the external key takes.
pub fn seal_inner(
    head: &Head,
    material: &KeyMaterial,
    context: &EncryptionContext,
    plaintext: &[u8],
    entropy: &dyn Entropy,
) -> Result<Vec<u8>, SealFailed> {
    let max = EXTERNAL_PLAINTEXT_BYTES_MAX.min(BLOB_BYTES_MAX) - OVERHEAD;
    if plaintext.len() > max {
        return Err(SealFailed::PlaintextTooLong { len: plaintext.len(), max });
    }
    let prefix = head.encode(Form::Double);
    let key = material.symmetric().ok_or(SealFailed::Cipher)?;
    let sealed = envelope::seal(key, Label::Blob, &prefix, &context.encode(), plaintext, entropy)?;
    // The head stands in the blob already.
    Ok(sealed.get(prefix.len()..).unwrap_or_default().to_vec())
}

/// Opens the inner layer.
///
/// # Errors
/// [`OpenFailed`], whatever the reason (T37).
pub fn open_inner(head: &Head, material: &KeyMaterial, context: &EncryptionContext, inner: &[u8]) -> Result<Plaintext, OpenFailed> {
    let prefix = head.encode(Form::Double);
    let sealed = [prefix.as_slice(), inner].concat();
    let key = material.symmetric().ok_or(OpenFailed)?;
    envelope::open(key, Label::Blob, prefix.len(), &context.encode(), &sealed).map(Plaintext::new)
}

/// The additional data of the outer layer: the blob's head, and a digest of the encryption context, which the key manager need not read.
pub fn external_aad(head: &Head, context: &EncryptionContext) -> Vec<u8> {
    [head.encode(Form::Double).as_slice(), digest(&SHA256, &context.encode()).as_ref()].concat()
}

/// What an external key manager does, with material of ours: AES-256-GCM with a key of its own for every message (T34).
///
/// # Errors
/// [`SealFailed`] when randomness fails.
pub fn encrypt_as_manager(
    material: &KeyMaterial,
    id: &MaterialId,
    aad: &[u8],
    plaintext: &[u8],
    entropy: &dyn Entropy,
) -> Result<ExternalCiphertext, SealFailed> {
    let mut random = [0; NONCE_BYTES + NONCE_LEN];
    entropy.fill(&mut random)?;
    let (nonce, iv) = random.split_at(NONCE_BYTES);
    let metadata = [&[METADATA_FORMAT], nonce, hint(id)].concat();
    let mut ciphertext = plaintext.to_vec();
    let tag = message_key(material, nonce)
        .and_then(|key| key.seal_in_place_separate_tag(Nonce::try_assume_unique_for_key(iv)?, Aad::from(bound(aad, &metadata)), &mut ciphertext))
        .map_err(|_| SealFailed::Cipher)?;
    Ok(ExternalCiphertext { ciphertext, initialization_vector: iv.to_vec(), authentication_tag: tag.as_ref().to_vec(), metadata })
}

/// Opens what [`encrypt_as_manager`] made.
///
/// # Errors
/// [`OpenFailed`], whatever the reason (T37).
pub fn decrypt_as_manager(material: &KeyMaterial, id: &MaterialId, aad: &[u8], parts: &ExternalCiphertext) -> Result<Plaintext, OpenFailed> {
    if !may_be_of(parts, id) || parts.authentication_tag.len() != TAG_BYTES {
        return Err(OpenFailed);
    }
    let nonce = parts.metadata.get(1..=NONCE_BYTES).ok_or(OpenFailed)?;
    let iv = Nonce::try_assume_unique_for_key(&parts.initialization_vector).map_err(|_| OpenFailed)?;
    let mut plaintext = Zeroizing::new(vec![0; parts.ciphertext.len()]);
    message_key(material, nonce)
        .and_then(|key| {
            key.open_separate_gather(iv, Aad::from(bound(aad, &parts.metadata)), &parts.ciphertext, &parts.authentication_tag, &mut plaintext)
        })
        .map_err(|_| OpenFailed)?;
    Ok(Plaintext::new(plaintext))
}

/// Whether a ciphertext of [`encrypt_as_manager`] may be of the material with this id: its metadata says so.
pub fn may_be_of(parts: &ExternalCiphertext, id: &MaterialId) -> bool {
    let of_ours = parts.metadata.len() == EXTERNAL_METADATA_BYTES_MAX && parts.metadata.first() == Some(&METADATA_FORMAT);
    of_ours && parts.metadata.ends_with(hint(id))
}

fn hint(id: &MaterialId) -> &[u8] {
    id.as_bytes().get(..MATERIAL_HINT_BYTES).unwrap_or_default()
}

/// (K144) `len16(AAD) ‖ AAD ‖ len8(metadata) ‖ metadata`: no byte can move from one to the other.
fn bound(aad: &[u8], metadata: &[u8]) -> Vec<u8> {
    let aad_len = u16::try_from(aad.len()).unwrap_or(u16::MAX).to_be_bytes();
    let metadata_len = u8::try_from(metadata.len()).unwrap_or(u8::MAX);
    [aad_len.as_slice(), aad, &[metadata_len], metadata].concat()
}

fn message_key(material: &KeyMaterial, nonce: &[u8]) -> Result<LessSafeKey, aws_lc_rs::error::Unspecified> {
    let mut key = Zeroizing::new([0; 32]);
    kdf::derive(material.symmetric().ok_or(aws_lc_rs::error::Unspecified)?, Label::ExternalKey, &[nonce], &mut key);
    UnboundKey::new(&AES_256_GCM, &*key).map(LessSafeKey::new)
}

#[cfg(test)]
mod tests {
    use data_encoding::BASE64;

    use super::*;
    use crate::blob::{BlobKeyId, BlobKind, open};
    use crate::entropy::tests::{FixedEntropy, SystemEntropy};

    fn material(byte: u8) -> KeyMaterial {
        KeyMaterial::from_bytes(Zeroizing::new([byte; 32]))
    }

    fn head() -> Head {
        let key_id: BlobKeyId = "1234abcd-12ab-34cd-56ef-1234567890ab".parse().unwrap();
        Head { kind: BlobKind::Encrypt, key_id, account: 111_122_223_333, material_id: MaterialId::derive(&key_id, &material(1)) }
    }

    fn context() -> EncryptionContext {
        [("project".to_owned(), "shieldsync-prod".to_owned())].into_iter().collect()
    }

    fn double(plaintext: &[u8], entropy: &dyn Entropy) -> Vec<u8> {
        let (head, outer) = (head(), material(2));
        let inner = seal_inner(&head, &material(1), &context(), plaintext, entropy).unwrap();
        encrypt_as_manager(&outer, &head.material_id, &external_aad(&head, &context()), &inner, entropy).unwrap().blob(&head).unwrap()
    }

    fn opened(blob: &[u8], context: &EncryptionContext) -> Option<Vec<u8>> {
        let (head, parts) = (Head::parse(blob).ok()?, ExternalCiphertext::in_blob(blob).ok()?);
        let inner = decrypt_as_manager(&material(2), &head.material_id, &external_aad(&head, context), &parts).ok()?;
        open_inner(&head, &material(1), context, inner.expose()).ok().map(|plaintext| plaintext.expose().to_vec())
    }

    #[test]
    fn k146_a_double_ciphertext_opens_under_both_keys_and_its_context_only() {
        let blob = double(b"secret", &SystemEntropy);
        assert_eq!(opened(&blob, &context()), Some(b"secret".to_vec()));
        assert_eq!(opened(&blob, &EncryptionContext::default()), None);
        // What the manager saw is no blob that opens without it.
        let parts = ExternalCiphertext::in_blob(&blob).unwrap();
        let inner = decrypt_as_manager(&material(2), &head().material_id, &external_aad(&head(), &context()), &parts).unwrap();
        for form in [Form::Single, Form::Double] {
            let single = [head().encode(form).as_slice(), inner.expose()].concat();
            assert!(open(&single, &material(1), &context()).is_err());
        }
    }

    #[test]
    fn t36_no_bit_of_a_double_ciphertext_may_change_and_no_byte_come_or_go() {
        let blob = double(b"secret", &SystemEntropy);
        for bit in 0..blob.len() * 8 {
            let mut flipped = blob.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(opened(&flipped, &context()), None, "bit {bit}");
        }
        for len in 0..blob.len() {
            assert_eq!(opened(&blob[..len], &context()), None, "length {len}");
        }
        assert_eq!(opened(&[blob.as_slice(), &[0]].concat(), &context()), None);
    }

    #[test]
    fn k160_the_largest_plaintext_fits_through_an_external_key() {
        let blob = double(&[7; 4096], &SystemEntropy);
        assert!(blob.len() <= BLOB_BYTES_MAX);
        assert_eq!(opened(&blob, &context()).map(|plaintext| plaintext.len()), Some(4096));
        assert!(ExternalCiphertext::in_blob(&blob).unwrap().ciphertext.len() <= EXTERNAL_PLAINTEXT_BYTES_MAX);
    }

    #[test]
    fn k144_metadata_is_bound_and_bytes_cannot_move_between_it_and_the_aad() {
        let id = head().material_id;
        let made = encrypt_as_manager(&material(2), &id, b"aad", b"text", &SystemEntropy).unwrap();
        assert!(made.is_proper(4) && made.metadata.len() == EXTERNAL_METADATA_BYTES_MAX);
        assert_eq!(decrypt_as_manager(&material(2), &id, b"aad", &made).unwrap().expose(), b"text");
        for at in 0..made.metadata.len() {
            let mut moved = made.clone();
            moved.metadata[at] ^= 1;
            assert!(decrypt_as_manager(&material(2), &id, b"aad", &moved).is_err(), "{at}");
        }
        assert_ne!(bound(b"a", b"bc"), bound(b"ab", b"c"));
        assert!(decrypt_as_manager(&material(2), &id, b"", &made).is_err());
        assert!(decrypt_as_manager(&material(3), &id, b"aad", &made).is_err());
    }

    #[test]
    fn k144_the_integrity_value_covers_every_part() {
        let made = encrypt_as_manager(&material(2), &head().material_id, b"aad", b"text", &SystemEntropy).unwrap();
        let value = made.integrity_value(b"aad");
        let all = [b"aad".as_slice(), &made.metadata, &made.initialization_vector, &made.ciphertext, &made.authentication_tag].concat();
        assert_eq!(value.as_slice(), digest(&SHA256, &all).as_ref());
        assert!(made.has_integrity(b"aad", &value));
        assert!(!made.has_integrity(b"aae", &value));
        assert!(!made.has_integrity(b"aad", &value[..31]));
    }

    #[test]
    fn a_double_ciphertext_of_format_2_stays_readable() {
        let kept = BASE64.decode(include_str!("../testdata/blob-2.txt").trim().as_bytes()).unwrap();
        assert_eq!(BASE64.encode(&double(b"kept since format 2", &FixedEntropy(0))), BASE64.encode(&kept));
        assert_eq!(opened(&kept, &context()), Some(b"kept since format 2".to_vec()));
    }
}
