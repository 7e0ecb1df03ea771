//! `CiphertextForRecipient` (K156): CMS EnvelopedData (RFC 5652, section 6) for one recipient, in one fixed form of DER.
//!
//! Everything but three byte strings and the lengths around them is constant, and it is only written, never read: a library for
//! all of CMS would be the larger thing to trust.

use aws_lc_rs::cipher::{AES_256, EncryptionContext, PaddedBlockEncryptingKey, UnboundCipherKey};
use aws_lc_rs::digest::{SHA256, digest};
use zeroize::Zeroizing;

use crate::algorithms::EncryptionAlgorithm;
use crate::entropy::Entropy;
use crate::envelope::SealFailed;
use crate::public_key::PublicKey;

/// Encrypts under a fresh AES-256 key (CBC, PKCS #7), and that key under the recipient's RSA key: OAEP, everything of it SHA-256.
///
/// The recipient is named by a subject key identifier, as AWS's clients expect, of which there is no certificate here to take it
/// from: the SHA-256 of the SubjectPublicKeyInfo (RFC 7093, section 2, method 4).
pub(crate) fn enveloped(recipient: &PublicKey, content: &[u8], entropy: &dyn Entropy) -> Result<Vec<u8>, SealFailed> {
    let (mut key, mut iv) = (Zeroizing::new([0; 32]), [0; 16]);
    entropy.fill(&mut *key)?;
    entropy.fill(&mut iv)?;
    let encrypted = cbc(&key, iv, content)?;
    let encrypted_key = recipient.encrypt(EncryptionAlgorithm::RsaesOaepSha256, &*key).map_err(|_| SealFailed::Cipher)?;
    let identifier = digest(&SHA256, recipient.as_der());

    let transport = sequence(&[
        VERSION_2,
        &tlv(IMPLICIT_0, &[identifier.as_ref()]),
        &sequence(&[
            &oid(RSAES_OAEP),
            &sequence(&[&tlv(EXPLICIT_0, &[&sha256()]), &tlv(EXPLICIT_1, &[&sequence(&[&oid(MGF1), &sha256()])])]), // RFC 4055, section 4.1
        ]),
        &tlv(OCTETS, &[&encrypted_key]),
    ]);
    let encrypted_content = sequence(&[&oid(DATA), &sequence(&[&oid(AES_256_CBC), &tlv(OCTETS, &[&iv])]), &tlv(IMPLICIT_0, &[&encrypted])]);
    let enveloped = sequence(&[VERSION_2, &tlv(SET, &[&transport]), &encrypted_content]);
    Ok(sequence(&[&oid(ENVELOPED_DATA), &tlv(EXPLICIT_0, &[&enveloped])]))
}

fn cbc(key: &[u8; 32], iv: [u8; 16], content: &[u8]) -> Result<Vec<u8>, SealFailed> {
    // Room for the padding: a vector that grows would leave the plaintext behind.
    let mut bytes = Vec::with_capacity(content.len() + 16);
    bytes.extend_from_slice(content);
    let key = UnboundCipherKey::new(&AES_256, key).and_then(PaddedBlockEncryptingKey::cbc_pkcs7);
    match key.and_then(|key| key.less_safe_encrypt(&mut bytes, EncryptionContext::Iv128(iv.into()))) {
        Ok(_) => Ok(bytes),
        Err(_) => {
            drop(Zeroizing::new(bytes));
            Err(SealFailed::Cipher)
        }
    }
}

fn sequence(parts: &[&[u8]]) -> Vec<u8> {
    tlv(0x30, parts)
}

fn oid(arcs: &[u8]) -> Vec<u8> {
    tlv(6, &[arcs])
}

fn sha256() -> Vec<u8> {
    const NULL: &[u8] = &[5, 0];
    sequence(&[&oid(ID_SHA256), NULL])
}

/// Tag, length in its shortest form, content.
fn tlv(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let len: usize = parts.iter().map(|part| part.len()).sum();
    let bytes = len.to_be_bytes();
    let significant = bytes.iter().skip_while(|byte| **byte == 0);
    let mut der = vec![tag];
    if len > 0x7f {
        der.push(0x80 | u8::try_from(significant.clone().count()).unwrap_or_default());
        der.extend(significant);
    } else {
        der.extend(bytes.last());
    }
    der.extend(parts.iter().copied().flatten());
    der
}

const OCTETS: u8 = 4;
const SET: u8 = 0x31;
const IMPLICIT_0: u8 = 0x80;
const EXPLICIT_0: u8 = 0xa0;
const EXPLICIT_1: u8 = 0xa1;

/// Of EnvelopedData and of KeyTransRecipientInfo, where the recipient is named by a key identifier.
const VERSION_2: &[u8] = &[2, 1, 2];

/// 1.2.840.113549.1.7: .1 and .3
const DATA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 1];
const ENVELOPED_DATA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 3];
/// 1.2.840.113549.1.1: .7 and .8
const RSAES_OAEP: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 7];
const MGF1: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 8];
/// 2.16.840.1.101.3.4: .2.1 and .1.42
const ID_SHA256: &[u8] = &[0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1];
const AES_256_CBC: &[u8] = &[0x60, 0x86, 0x48, 1, 0x65, 3, 4, 1, 42];

#[cfg(test)]
mod tests {
    use aws_lc_rs::cipher::{DecryptionContext, PaddedBlockDecryptingKey};
    use data_encoding::HEXLOWER;

    use super::*;
    use crate::entropy::tests::{FixedEntropy, NoEntropy};
    use crate::material::tests::rsa_2048;

    #[test]
    fn lengths_are_in_their_shortest_form() {
        let head = |len: usize| {
            let der = tlv(4, &[&vec![7; len]]);
            assert_eq!(der.iter().rev().take_while(|byte| **byte == 7).count(), len);
            HEXLOWER.encode(&der[..der.len() - len])
        };
        assert_eq!([0, 0x7f, 0x80, 0xff, 0x100, 0x1_0000].map(head), ["0400", "047f", "048180", "0481ff", "04820100", "0483010000"]);
    }

    #[test]
    fn k156_what_is_enveloped_opens_with_the_recipients_key_and_is_of_one_form() {
        let recipient = rsa_2048();
        let public = recipient.public_key().unwrap();
        for content in [&b""[..], b"x", &[7; 16], &[7; 1193], &[7; 4096]] {
            let der = enveloped(&public, content, &FixedEntropy(1)).unwrap();
            assert!(crate::der::is_one_sequence(&der));
            // Where the fixed form has its three strings: the key behind its parameters, the nonce and the content behind it.
            let at = |needle: &[u8]| der.windows(needle.len()).position(|window| window == needle).unwrap() + needle.len();
            let key_at = at(&[&oid(MGF1)[..], &sha256()[..], &[OCTETS, 0x82, 1, 0]].concat());
            let iv_at = at(&[&oid(AES_256_CBC)[..], &[OCTETS, 16]].concat());
            let key = recipient.decrypt(EncryptionAlgorithm::RsaesOaepSha256, &der[key_at..key_at + 256]).unwrap();
            assert_eq!(key.expose().len(), 32);
            let iv: [u8; 16] = der[iv_at..iv_at + 16].try_into().unwrap();
            let padded = content.len() / 16 * 16 + 16;
            let mut opened = der[der.len() - padded..].to_vec();
            assert_eq!(der[iv_at + 16..], tlv(IMPLICIT_0, &[&opened]));
            let key = UnboundCipherKey::new(&AES_256, key.expose()).and_then(PaddedBlockDecryptingKey::cbc_pkcs7).unwrap();
            assert_eq!(&*key.decrypt(&mut opened, DecryptionContext::Iv128(iv.into())).unwrap(), content);
        }
        assert!(matches!(enveloped(&public, b"x", &NoEntropy), Err(SealFailed::Entropy(_))));
    }
}
