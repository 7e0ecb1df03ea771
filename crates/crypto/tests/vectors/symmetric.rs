//! Symmetric encryption, codes, key wrapping.

use aws_lc_rs::aead::{self, AES_128_GCM, AES_192_GCM, AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::cipher::{AES_128, AES_192, AES_256, DecryptionContext, PaddedBlockDecryptingKey, UnboundCipherKey};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Salt};
use aws_lc_rs::hmac;
use aws_lc_rs::key_wrap::{self, AesKek, KeyWrap, KeyWrapPadded};
use keyward_crypto::{EncryptionAlgorithm, KeyMaterial, KeySpec, MacAlgorithm, WrappingAlgorithm};

use crate::rsa;
use crate::wycheproof::{File, Group, Test, Treatment, Tried, Verdict};

#[rustfmt::skip]
pub(crate) const FILES: &[File] = &[
    File { name: "aes_gcm", group: Group::Core, algorithm: "SYMMETRIC_DEFAULT", tests: 316, api: 0, taken: 116, treatment: Treatment::Here(gcm) },
    File { name: "hmac_sha224", group: Group::Core, algorithm: "HMAC_SHA_224", tests: 172, api: 160, taken: 33, treatment: Treatment::Here(hmac) },
    File { name: "hmac_sha256", group: Group::Core, algorithm: "HMAC_SHA_256", tests: 174, api: 162, taken: 33, treatment: Treatment::Here(hmac) },
    File { name: "hmac_sha384", group: Group::Core, algorithm: "HMAC_SHA_384", tests: 174, api: 168, taken: 33, treatment: Treatment::Here(hmac) },
    File { name: "hmac_sha512", group: Group::Core, algorithm: "HMAC_SHA_512", tests: 174, api: 168, taken: 33, treatment: Treatment::Here(hmac) },
    File { name: "aes_kwp", group: Group::Core, algorithm: "RSA_AES_KEY_WRAP", tests: 254, api: 179, taken: 50, treatment: Treatment::Here(unwrap_padded) },
    File { name: "aes_wrap", group: Group::Support, algorithm: "", tests: 165, api: 0, taken: 24, treatment: Treatment::Here(unwrap) },
    File { name: "aes_cbc_pkcs5", group: Group::Support, algorithm: "CiphertextForRecipient", tests: 216, api: 0, taken: 72, treatment: Treatment::Here(cbc) },
    File { name: "hkdf_sha256", group: Group::Support, algorithm: "", tests: 86, api: 0, taken: 83, treatment: Treatment::Here(hkdf) },
];

/// The cipher itself: what the formats of this crate do with it is held against the same file in `envelope.rs`.
fn gcm(test: &Test<'_>) -> Tried {
    let bytes = |name| test.case.bytes(name);
    let key = LessSafeKey::new(UnboundKey::new(gcm_of(test.group.number("keySize")), &bytes("key")).unwrap());
    // No format here has another nonce than one of 96 bits, and nothing here could make one.
    let Ok(nonce) = Nonce::try_assume_unique_for_key(&bytes("iv")) else { return Tried::library(Verdict::Refused).unfit() };
    let mut plaintext = vec![0; bytes("ct").len()];
    let opened = key.open_separate_gather(nonce, Aad::from(bytes("aad")), &bytes("ct"), &bytes("tag"), &mut plaintext);
    let verdict = Verdict::of_bytes(opened.ok().map(|()| plaintext.as_slice()), &bytes("msg"));
    Tried::library(verdict.and(|| {
        let mut sealed = bytes("msg");
        let nonce = Nonce::try_assume_unique_for_key(&bytes("iv")).unwrap();
        key.seal_in_place_append_tag(nonce, Aad::from(bytes("aad")), &mut sealed).unwrap();
        sealed == [bytes("ct"), bytes("tag")].concat()
    }))
}

fn gcm_of(key_bits: usize) -> &'static aead::Algorithm {
    match key_bits {
        128 => &AES_128_GCM,
        192 => &AES_192_GCM,
        256 => &AES_256_GCM,
        other => panic!("AES has no keys of {other} bits"),
    }
}

/// [K185] A truncated code does not verify. [K111] Keys of lengths that may not be imported are tried without us.
fn hmac(test: &Test<'_>) -> Tried {
    let algorithm: MacAlgorithm = test.algorithm.parse().unwrap();
    let spec = *KeySpec::ALL.iter().find(|spec| spec.mac_algorithms() == [algorithm]).unwrap();
    let (key, message, tag) = (test.case.bytes("key"), test.case.bytes("msg"), test.case.bytes("tag"));
    let tried = match KeyMaterial::import(spec, &key) {
        Ok(key) => {
            let verdict = Verdict::of(key.verify_mac(algorithm, &message, &tag).unwrap());
            Tried::api(verdict.and(|| key.mac(algorithm, &message).unwrap() == tag))
        }
        Err(_) => Tried::library(Verdict::of(hmac::verify(&hmac::Key::new(hmac_of(algorithm), &key), &message, &tag).is_ok())),
    };
    if tag.len() == algorithm.bytes() { tried } else { tried.unfit() }
}

fn hmac_of(algorithm: MacAlgorithm) -> hmac::Algorithm {
    match algorithm {
        MacAlgorithm::HmacSha224 => hmac::HMAC_SHA224,
        MacAlgorithm::HmacSha256 => hmac::HMAC_SHA256,
        MacAlgorithm::HmacSha384 => hmac::HMAC_SHA384,
        MacAlgorithm::HmacSha512 => hmac::HMAC_SHA512,
    }
}

/// [K111] Under an AES key of 256 bits, material is imported; a shorter one is tried without us.
fn unwrap_padded(test: &Test<'_>) -> Tried {
    let (key, plain, wrapped) = (test.case.bytes("key"), test.case.bytes("msg"), test.case.bytes("ct"));
    let imported = imported(WrappingAlgorithm::RsaAesKeyWrapSha256, &key, &wrapped);
    assert_eq!(imported, self::imported(WrappingAlgorithm::RsaAesKeyWrapSha1, &key, &wrapped), "{}", test.case.number("tcId"));
    match (key.len(), imported) {
        (32, imported) => Tried::api(Verdict::of_bytes(imported.as_deref(), &plain)),
        (16, None) => Tried::library(Verdict::of_bytes(unwrapped(&key, &wrapped, AesKek::unwrap_with_padding).as_deref(), &plain)),
        (_, imported) => Tried::api(Verdict::of(imported.is_some())).unfit(),
    }
}

/// [K112] Unwrapped as on an import, where the AES key comes under an RSA key.
pub(crate) fn imported(algorithm: WrappingAlgorithm, aes_key: &[u8], wrapped: &[u8]) -> Option<Vec<u8>> {
    let encryption = match algorithm {
        WrappingAlgorithm::RsaAesKeyWrapSha1 => EncryptionAlgorithm::RsaesOaepSha1,
        WrappingAlgorithm::RsaAesKeyWrapSha256 => EncryptionAlgorithm::RsaesOaepSha256,
        other => panic!("{other} has no AES key"),
    };
    let wrapping_key = rsa::any_key();
    let encrypted = wrapping_key.public_key().unwrap().encrypt(encryption, aes_key).unwrap();
    let plain = keyward_crypto::unwrap(wrapping_key, algorithm, &[&encrypted, wrapped].concat());
    plain.ok().map(|plain| plain.expose().to_vec())
}

fn unwrap(test: &Test<'_>) -> Tried {
    let (key, plain, wrapped) = (test.case.bytes("key"), test.case.bytes("msg"), test.case.bytes("ct"));
    if kek(&key).is_none() {
        // No key of 192 bits wraps anything here.
        return Tried::library(Verdict::Refused).unfit();
    }
    let verdict = Verdict::of_bytes(unwrapped(&key, &wrapped, AesKek::unwrap).as_deref(), &plain);
    Tried::library(verdict.and(|| kek(&key).unwrap().wrap(&plain, &mut vec![0; plain.len() + 8]).is_ok_and(|again| *again == *wrapped)))
}

type Unwrapping = for<'o> fn(AesKek, &[u8], &'o mut [u8]) -> Result<&'o mut [u8], Unspecified>;

fn unwrapped(key: &[u8], wrapped: &[u8], unwrapping: Unwrapping) -> Option<Vec<u8>> {
    unwrapping(kek(key)?, wrapped, &mut vec![0; wrapped.len() + 8]).ok().map(|plain| plain.to_vec())
}

fn kek(key: &[u8]) -> Option<AesKek> {
    AesKek::new(if key.len() == 16 { &key_wrap::AES_128 } else { &key_wrap::AES_256 }, key).ok()
}

fn cbc(test: &Test<'_>) -> Tried {
    let algorithm = match test.group.number("keySize") {
        128 => &AES_128,
        192 => &AES_192,
        256 => &AES_256,
        other => panic!("AES has no keys of {other} bits"),
    };
    let key = UnboundCipherKey::new(algorithm, &test.case.bytes("key")).and_then(PaddedBlockDecryptingKey::cbc_pkcs7).unwrap();
    let iv: [u8; 16] = test.case.bytes("iv").try_into().unwrap();
    let mut text = test.case.bytes("ct");
    let opened = key.decrypt(&mut text, DecryptionContext::Iv128((&iv).into())).ok();
    Tried::library(Verdict::of_bytes(opened.as_deref(), &test.case.bytes("msg")))
}

fn hkdf(test: &Test<'_>) -> Tried {
    struct Bytes(usize);
    impl KeyType for Bytes {
        fn len(&self) -> usize {
            self.0
        }
    }
    let (salt, secret, info) = (test.case.bytes("salt"), test.case.bytes("ikm"), test.case.bytes("info"));
    let mut out = vec![0; test.case.number("size")];
    let info = [info.as_slice()];
    let derived = Salt::new(HKDF_SHA256, &salt).extract(&secret).expand(&info, Bytes(out.len())).and_then(|okm| okm.fill(&mut out));
    Tried::library(Verdict::of_bytes(derived.ok().map(|()| out.as_slice()), &test.case.bytes("okm")))
}
