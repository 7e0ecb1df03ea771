//! Keys from keys: the counter-mode KDF of NIST SP 800-108r1, section 4.1, with HMAC-SHA-256.
//!
//! `K(i) = HMAC(secret, [i]₃₂ ‖ Label ‖ 0x00 ‖ Context ‖ [L]₃₂)`, output `K(1) ‖ K(2) ‖ …`, numbers
//! big-endian, `L` the output's length in bits. This is the KDF that AWS KMS uses.

use aws_lc_rs::kdf::{KbkdfCtrHmacAlgorithm, KbkdfCtrHmacAlgorithmId, get_kbkdf_ctr_hmac_algorithm, kbkdf_ctr_hmac};

/// What a derived key is for. Two labels never give related keys.
///
/// INVARIANT: no label contains a zero byte, so `Label ‖ 0x00 ‖ Context` reads in one way only.
#[derive(Clone, Copy)]
pub(crate) enum Label {
    /// Key and commitment of one ciphertext blob, from key material.
    Blob,
    /// Key of one message of an external key manager, from key material.
    ExternalKey,
    /// Name of a key material, from the material.
    MaterialId,
    /// Key and commitment of one sealed value, from a purpose key.
    Sealed,
    /// Check value, from the root key.
    KeyCheckValue,
    /// The purpose keys, from the root key.
    SealKeyMaterial,
    SealAccessKeySecret,
    SealSessionToken,
    SealMarker,
    SealGrantToken,
    SealAuthorizationMessage,
    SealKeyStoreSecret,
    SealImportToken,
}

impl Label {
    /// These bytes are part of the formats (`docs/formats.md`) and never change.
    fn as_bytes(self) -> &'static [u8] {
        match self {
            Self::Blob => b"keyward/blob/1",
            Self::ExternalKey => b"keyward/external-key/1",
            Self::MaterialId => b"keyward/material-id/1",
            Self::Sealed => b"keyward/sealed/1",
            Self::KeyCheckValue => b"keyward/root/check-value/1",
            Self::SealKeyMaterial => b"keyward/root/key-material/1",
            Self::SealAccessKeySecret => b"keyward/root/access-key-secret/1",
            Self::SealSessionToken => b"keyward/root/session-token/1",
            Self::SealMarker => b"keyward/root/marker/1",
            Self::SealGrantToken => b"keyward/root/grant-token/1",
            Self::SealAuthorizationMessage => b"keyward/root/authorization-message/1",
            Self::SealKeyStoreSecret => b"keyward/root/key-store-secret/1",
            Self::SealImportToken => b"keyward/root/import-token/1",
        }
    }
}

/// Fills `out` with a key that depends on the secret, the label, every byte of the context and on
/// the length of `out` itself.
pub(crate) fn derive<const LEN: usize>(secret: &[u8; 32], label: Label, context: &[&[u8]], out: &mut [u8; LEN]) {
    const { assert!(LEN > 0 && LEN <= 255 * 32, "one to 255 blocks of SHA-256") };
    let bits = u32::try_from(LEN * 8).unwrap_or(u32::MAX);

    let mut fixed_info = Vec::with_capacity(128);
    fixed_info.extend_from_slice(label.as_bytes());
    fixed_info.push(0);
    for part in context {
        fixed_info.extend_from_slice(part);
    }
    fixed_info.extend_from_slice(&bits.to_be_bytes());
    expand(secret, &fixed_info, out);
}

/// The KDF below our labels, so that a published vector can be put to it.
#[expect(clippy::expect_used, reason = "the KDF refuses only an empty secret or output and 2^32 blocks; the sizes are constants")]
fn expand(secret: &[u8; 32], fixed_info: &[u8], out: &mut [u8]) {
    kbkdf_ctr_hmac(algorithm(), secret, fixed_info, out).expect("sizes are constants");
}

#[expect(clippy::expect_used, reason = "a compile-time constant that the tests reach")]
fn algorithm() -> &'static KbkdfCtrHmacAlgorithm {
    const ALGORITHM: Option<&KbkdfCtrHmacAlgorithm> = get_kbkdf_ctr_hmac_algorithm(KbkdfCtrHmacAlgorithmId::Sha256);
    ALGORITHM.expect("HMAC-SHA-256 is always built in")
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::hmac;
    use data_encoding::HEXLOWER;

    use super::*;

    #[test]
    fn t34_the_nist_vector_for_counter_mode_is_reproduced() {
        // CAVP "KBKDFCTR_gen", PRF HMAC_SHA256, counter before the fixed data, 32 bits, COUNT 0.
        let hex = |text: &str| HEXLOWER.decode(text.as_bytes()).unwrap();
        let secret = hex("dd1d91b7d90b2bd3138533ce92b272fbf8a369316aefe242e659cc0ae238afe0");
        let fixed_info = hex(concat!(
            "01322b96b30acd197979444e468e1c5c6859bf1b1cf951b7e725303e237e46b8",
            "64a145fab25e517b08f8683d0315bb2911d80a0e8aba17f3b413faac"
        ));
        let mut out = [0; 16];
        expand(&secret.try_into().unwrap(), &fixed_info, &mut out);
        assert_eq!(HEXLOWER.encode(&out), "10621342bfb0fd40046c0e29f2cfdbf0");
    }

    #[test]
    fn t34_two_blocks_equal_plain_hmac_with_counter_label_context_and_length() {
        let secret = [7; 32];
        let mut out = [0; 64];
        derive(&secret, Label::Blob, &[b"con", b"text"], &mut out);

        let key = hmac::Key::new(hmac::HMAC_SHA256, &secret);
        let block = |counter: u8| {
            let mut input = vec![0, 0, 0, counter];
            input.extend_from_slice(b"keyward/blob/1\0context\x00\x00\x02\x00");
            hmac::sign(&key, &input).as_ref().to_vec()
        };
        assert_eq!(out.as_slice(), [block(1), block(2)].concat());
    }

    #[test]
    fn every_label_gives_another_key() {
        let labels = [
            Label::Blob,
            Label::MaterialId,
            Label::Sealed,
            Label::KeyCheckValue,
            Label::SealKeyMaterial,
            Label::SealAccessKeySecret,
            Label::SealSessionToken,
            Label::SealMarker,
            Label::SealGrantToken,
            Label::SealAuthorizationMessage,
            Label::SealKeyStoreSecret,
            Label::ExternalKey,
            Label::SealImportToken,
        ];
        let keys: std::collections::BTreeSet<[u8; 32]> = labels
            .iter()
            .map(|label| {
                let mut key = [0; 32];
                derive(&[1; 32], *label, &[], &mut key);
                key
            })
            .collect();
        assert_eq!(keys.len(), labels.len());
        assert!(labels.iter().all(|label| !label.as_bytes().contains(&0)));
    }
}
