//! The ciphertext blob of symmetric encryption keys, byte by byte in `docs/formats.md`.
//!
//! It begins as AWS's blobs do and has their length (K166), names account, key and material in the clear (K167), and
//! authenticates all of itself together with the encryption context (T34–T36).

use std::fmt;
use std::str::FromStr;

use crate::context::EncryptionContext;
use crate::entropy::Entropy;
use crate::envelope::{self, OVERHEAD, OpenFailed, SealFailed};
use crate::hex;
use crate::kdf::Label;
use crate::material::{KeyMaterial, MaterialId};
use crate::plaintext::Plaintext;

/// Bytes that a blob adds to a plaintext, as AWS's do for short ones (K166).
pub const BLOB_OVERHEAD: usize = PREFIX_BYTES + OVERHEAD;

/// Bytes of the longest ciphertext that the API takes (K162).
pub const BLOB_BYTES_MAX: usize = 6144;

const MAGIC_BYTES: usize = 5;
/// Formats 1 to 3. Their two highest bits complete the `AQICAHh` with which every base64 text of a blob begins (K166).
const FORMAT: u8 = 0x41;
const FORMAT_DOUBLE: u8 = 0x42;
const FORMAT_HSM: u8 = 0x43;
const ACCOUNT_BYTES: usize = 6;
/// Zeros that keep the constant head at 32 bytes and the whole at AWS's length.
const HEAD_PAD_BYTES: usize = 8;
const TAIL_PAD_BYTES: usize = 7;
const PREFIX_BYTES: usize = MAGIC_BYTES + 2 + 16 + ACCOUNT_BYTES + HEAD_PAD_BYTES + 32 + TAIL_PAD_BYTES;

/// Which call made a blob; AWS's first bytes tell.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum BlobKind {
    /// Encrypt, ReEncrypt.
    Encrypt,
    /// A data key.
    DataKey,
}

impl BlobKind {
    fn magic(self) -> [u8; MAGIC_BYTES] {
        match self {
            Self::Encrypt => [1, 2, 2, 0, 0x78],
            Self::DataKey => [1, 2, 3, 0, 0x78],
        }
    }
}

/// How many layers a blob has.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Form {
    /// Our own material's.
    Single,
    /// Our own material's, and an external key's over it (K146).
    Double,
    /// That of a key in a hardware security module.
    Hsm,
}

impl Form {
    fn byte(self) -> u8 {
        match self {
            Self::Single => FORMAT,
            Self::Double => FORMAT_DOUBLE,
            Self::Hsm => FORMAT_HSM,
        }
    }
}

/// A key id in 16 bytes and its form: a UUID, or `mrk-` and 32 digits (K40).
#[derive(Clone, Copy, Eq, Hash, PartialEq)]
pub struct BlobKeyId {
    bytes: [u8; 16],
    multi_region: bool,
}

impl BlobKeyId {
    pub(crate) fn form_byte(&self) -> u8 {
        u8::from(self.multi_region)
    }

    pub(crate) fn as_bytes(&self) -> &[u8; 16] {
        &self.bytes
    }
}

impl FromStr for BlobKeyId {
    type Err = NotABlob;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some(digits) = text.strip_prefix("mrk-") {
            return Ok(Self { bytes: hex::decode(digits).ok_or(NotABlob)?, multi_region: true });
        }
        let dashes = text.bytes().enumerate().filter(|(_, byte)| *byte == b'-').map(|(at, _)| at);
        if text.len() != 36 || !dashes.eq([8, 13, 18, 23]) {
            return Err(NotABlob);
        }
        let mut digits = [0; 32];
        for (slot, digit) in digits.iter_mut().zip(text.bytes().filter(|byte| *byte != b'-')) {
            *slot = digit;
        }
        Ok(Self { bytes: hex::decode_digits(&digits).ok_or(NotABlob)?, multi_region: false })
    }
}

impl fmt::Display for BlobKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = hex::encode(&self.bytes);
        if self.multi_region {
            return write!(f, "mrk-{digits}");
        }
        let part = |from: usize, to: usize| digits.get(from..to).unwrap_or_default();
        write!(f, "{}-{}-{}-{}-{}", part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32))
    }
}

impl fmt::Debug for BlobKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The bytes are not a blob of ours.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("these bytes are not a ciphertext of this service")]
pub struct NotABlob;

/// What a blob says in the clear. Nothing of it is to be trusted before [`open`] has succeeded.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Head {
    /// Which call made it.
    pub kind: BlobKind,
    /// The key.
    pub key_id: BlobKeyId,
    /// The owner account's twelve digits, as a number.
    pub account: u64,
    /// The material.
    pub material_id: MaterialId,
}

/// The largest account number: twelve nines.
const ACCOUNT_MAX: u64 = 999_999_999_999;

impl Head {
    /// Reads the head of a blob, strictly.
    ///
    /// # Errors
    /// [`NotABlob`] for anything that [`seal`] could not have made.
    pub fn parse(blob: &[u8]) -> Result<Self, NotABlob> {
        if !(BLOB_OVERHEAD + 1..=BLOB_BYTES_MAX).contains(&blob.len()) {
            return Err(NotABlob);
        }
        let (magic, rest) = blob.split_first_chunk::<MAGIC_BYTES>().ok_or(NotABlob)?;
        let kind = [BlobKind::Encrypt, BlobKind::DataKey].into_iter().find(|kind| kind.magic() == *magic).ok_or(NotABlob)?;
        let ([format, form], rest) = rest.split_first_chunk::<2>().ok_or(NotABlob)?;
        let multi_region = match (*format, *form) {
            (FORMAT | FORMAT_DOUBLE | FORMAT_HSM, 0) => false,
            (FORMAT | FORMAT_DOUBLE | FORMAT_HSM, 1) => true,
            _ => return Err(NotABlob),
        };
        let (key, rest) = rest.split_first_chunk::<16>().ok_or(NotABlob)?;
        let (account, rest) = rest.split_first_chunk::<ACCOUNT_BYTES>().ok_or(NotABlob)?;
        let (pad, rest) = rest.split_first_chunk::<HEAD_PAD_BYTES>().ok_or(NotABlob)?;
        let (material, rest) = rest.split_first_chunk::<32>().ok_or(NotABlob)?;
        let (tail, _) = rest.split_first_chunk::<TAIL_PAD_BYTES>().ok_or(NotABlob)?;
        let account = account.iter().fold(0, |number, byte| (number << 8) | u64::from(*byte));
        if pad.iter().chain(tail).any(|byte| *byte != 0) || account > ACCOUNT_MAX {
            return Err(NotABlob);
        }
        Ok(Self { kind, key_id: BlobKeyId { bytes: *key, multi_region }, account, material_id: MaterialId::from_bytes(*material) })
    }

    /// The account as AWS writes it, leading zeros and all.
    pub fn account_digits(&self) -> String {
        format!("{:012}", self.account)
    }

    /// What follows the head of a blob of this form.
    pub(crate) fn behind(blob: &[u8], form: Form) -> Result<&[u8], NotABlob> {
        Self::parse(blob)?;
        match blob.get(MAGIC_BYTES) {
            Some(byte) if *byte == form.byte() => blob.get(PREFIX_BYTES..).ok_or(NotABlob),
            _ => Err(NotABlob),
        }
    }

    pub(crate) fn encode(&self, form: Form) -> [u8; PREFIX_BYTES] {
        let mut prefix = [0; PREFIX_BYTES];
        let [_, _, account @ ..] = self.account.to_be_bytes();
        let parts: [&[u8]; 6] = [
            &self.kind.magic(),
            &[form.byte(), self.key_id.form_byte()],
            &self.key_id.bytes,
            &account,
            &[0; HEAD_PAD_BYTES],
            self.material_id.as_bytes(),
        ];
        for (slot, byte) in prefix.iter_mut().zip(parts.into_iter().flatten()) {
            *slot = *byte;
        }
        prefix
    }
}

/// Encrypts under a material; the encryption context is additional data.
///
/// # Errors
/// [`SealFailed`] when randomness fails, for more than the API's ciphertext holds, or if the key is not symmetric.
pub fn seal(
    head: &Head,
    material: &KeyMaterial,
    context: &EncryptionContext,
    plaintext: &[u8],
    entropy: &dyn Entropy,
) -> Result<Vec<u8>, SealFailed> {
    let max = BLOB_BYTES_MAX - BLOB_OVERHEAD;
    if plaintext.len() > max {
        return Err(SealFailed::PlaintextTooLong { len: plaintext.len(), max });
    }
    let key = material.symmetric().ok_or(SealFailed::Cipher)?;
    envelope::seal(key, Label::Blob, &head.encode(Form::Single), &context.encode(), plaintext, entropy)
}

/// Decrypts with the material that the head names.
///
/// # Errors
/// [`OpenFailed`], whatever the reason (T37).
pub fn open(blob: &[u8], material: &KeyMaterial, context: &EncryptionContext) -> Result<Plaintext, OpenFailed> {
    Head::behind(blob, Form::Single).map_err(|_| OpenFailed)?;
    let key = material.symmetric().ok_or(OpenFailed)?;
    envelope::open(key, Label::Blob, PREFIX_BYTES, &context.encode(), blob).map(Plaintext::new)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use data_encoding::BASE64;
    use zeroize::Zeroizing;

    use super::*;
    use crate::entropy::tests::{FixedEntropy, SystemEntropy};

    fn material(byte: u8) -> KeyMaterial {
        KeyMaterial::from_bytes(Zeroizing::new([byte; 32]))
    }

    fn head(kind: BlobKind) -> Head {
        let key_id: BlobKeyId = "1234abcd-12ab-34cd-56ef-1234567890ab".parse().unwrap();
        Head { kind, key_id, account: 11_122_223_333, material_id: MaterialId::derive(&key_id, &material(1)) }
    }

    fn context(pairs: &[(&str, &str)]) -> EncryptionContext {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn sealed(plaintext: &[u8]) -> Vec<u8> {
        seal(&head(BlobKind::Encrypt), &material(1), &context(&[("a", "b")]), plaintext, &SystemEntropy).unwrap()
    }

    #[test]
    fn k166_a_blob_begins_and_measures_as_those_of_aws() {
        let blob = sealed(&[0; 32]);
        assert_eq!(blob.len(), 184);
        assert!(BASE64.encode(&blob).starts_with("AQICAHh"));
        let data_key = seal(&head(BlobKind::DataKey), &material(1), &context(&[]), &[0; 32], &SystemEntropy).unwrap();
        assert!(BASE64.encode(&data_key).starts_with("AQIDAHh"));
        assert_eq!(sealed(&[1; 9])[..37], blob[..37]);
    }

    #[test]
    fn k167_the_head_tells_account_key_and_material() {
        let parsed = Head::parse(&sealed(b"x")).unwrap();
        assert_eq!(parsed, head(BlobKind::Encrypt));
        assert_eq!(parsed.account_digits(), "011122223333");
        assert_eq!(parsed.key_id.to_string(), "1234abcd-12ab-34cd-56ef-1234567890ab");
        let multi_region = "mrk-1234abcd12ab34cd56ef1234567890ab";
        assert_eq!(multi_region.parse::<BlobKeyId>().unwrap().to_string(), multi_region);
    }

    #[test]
    fn what_was_sealed_opens_with_the_same_material_and_context_only() {
        let blob = sealed(b"secret");
        let opened = |byte: u8, pairs: &[(&str, &str)]| open(&blob, &material(byte), &context(pairs)).map(|plain| plain.expose().to_vec());
        assert_eq!(opened(1, &[("a", "b")]), Ok(b"secret".to_vec()));
        assert_eq!(opened(2, &[("a", "b")]), Err(OpenFailed));
        for wrong in [&[][..], &[("A", "b")], &[("a", "B")], &[("a", "b"), ("c", "")]] {
            assert_eq!(opened(1, wrong), Err(OpenFailed), "{wrong:?}");
        }
    }

    #[test]
    fn t36_no_single_bit_may_change_and_no_byte_come_or_go() {
        let blob = sealed(b"secret");
        let opens = |blob: &[u8]| open(blob, &material(1), &context(&[("a", "b")])).is_ok();
        for bit in 0..blob.len() * 8 {
            let mut flipped = blob.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(!opens(&flipped), "bit {bit}");
        }
        for len in 0..blob.len() {
            assert!(!opens(&blob[..len]), "length {len}");
        }
        assert!(!opens(&[blob.as_slice(), &[0]].concat()));
    }

    #[test]
    fn t35_a_blob_that_commits_to_another_key_is_refused() {
        // Everything under the tag right, the commitment taken from another message of the same key.
        let (mut blob, other) = (sealed(b"secret"), sealed(b"secret"));
        let commitment = PREFIX_BYTES + 28..PREFIX_BYTES + 60;
        blob[commitment.clone()].copy_from_slice(&other[commitment]);
        assert!(open(&blob, &material(1), &context(&[("a", "b")])).is_err());
    }

    #[test]
    fn t34_no_nonce_comes_twice() {
        let nonces: BTreeSet<Vec<u8>> = (0..2000).map(|_| sealed(b"x")[PREFIX_BYTES..PREFIX_BYTES + 28].to_vec()).collect();
        assert_eq!(nonces.len(), 2000);
    }

    #[test]
    fn a_blob_of_format_1_stays_readable() {
        let kept = BASE64.decode(include_str!("../testdata/blob-1.txt").trim().as_bytes()).unwrap();
        let context = context(&[("project", "shieldsync-prod")]);
        assert_eq!(open(&kept, &material(1), &context).unwrap().expose(), b"kept since format 1");
        let made = seal(&head(BlobKind::Encrypt), &material(1), &context, b"kept since format 1", &FixedEntropy(0)).unwrap();
        assert_eq!(BASE64.encode(&made), BASE64.encode(&kept));
    }
}
