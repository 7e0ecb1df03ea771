//! RSA: OAEP and both ways to sign.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use aws_lc_rs::rsa::{OAEP_SHA1_MGF1SHA1, OAEP_SHA256_MGF1SHA256, OaepPrivateDecryptingKey, PrivateDecryptingKey};
use keyward_crypto::{EncryptionAlgorithm, KeyMaterial, KeySpec, Message, MessageType, PublicKey, SigningAlgorithm};

use crate::wycheproof::{self, File, Group, Object, Test, Treatment, Tried, Verdict};

const PKCS1_SHA_256: &str = "RSASSA_PKCS1_V1_5_SHA_256";
const PKCS1_SHA_384: &str = "RSASSA_PKCS1_V1_5_SHA_384";
const PKCS1_SHA_512: &str = "RSASSA_PKCS1_V1_5_SHA_512";

#[rustfmt::skip]
pub(crate) const FILES: &[File] = &[
    File { name: "rsa_oaep_2048_sha1_mgf1sha1", group: Group::Core, algorithm: "RSAES_OAEP_SHA_1", tests: 36, api: 29, taken: 17, treatment: Treatment::Here(oaep) },
    File { name: "rsa_oaep_2048_sha256_mgf1sha256", group: Group::Core, algorithm: "RSAES_OAEP_SHA_256", tests: 37, api: 29, taken: 18, treatment: Treatment::Here(oaep) },
    File { name: "rsa_oaep_3072_sha256_mgf1sha256", group: Group::Core, algorithm: "RSAES_OAEP_SHA_256", tests: 37, api: 29, taken: 18, treatment: Treatment::Here(oaep) },
    File { name: "rsa_oaep_4096_sha256_mgf1sha256", group: Group::Core, algorithm: "RSAES_OAEP_SHA_256", tests: 37, api: 29, taken: 18, treatment: Treatment::Here(oaep) },
    File { name: "rsa_oaep_misc", group: Group::Core, algorithm: "RSAES_OAEP_SHA_1, _256", tests: 395, api: 395, taken: 18, treatment: Treatment::Here(oaep) },
    File { name: "rsa_signature_2048_sha256", group: Group::Core, algorithm: PKCS1_SHA_256, tests: 259, api: 259, taken: 9, treatment: Treatment::Here(pkcs1) },
    File { name: "rsa_signature_2048_sha384", group: Group::Core, algorithm: PKCS1_SHA_384, tests: 258, api: 258, taken: 7, treatment: Treatment::Here(pkcs1) },
    File { name: "rsa_signature_2048_sha512", group: Group::Core, algorithm: PKCS1_SHA_512, tests: 259, api: 259, taken: 8, treatment: Treatment::Here(pkcs1) },
    File { name: "rsa_signature_3072_sha256", group: Group::Core, algorithm: PKCS1_SHA_256, tests: 259, api: 259, taken: 8, treatment: Treatment::Here(pkcs1) },
    File { name: "rsa_signature_3072_sha384", group: Group::Core, algorithm: PKCS1_SHA_384, tests: 259, api: 259, taken: 7, treatment: Treatment::Here(pkcs1) },
    File { name: "rsa_signature_3072_sha512", group: Group::Core, algorithm: PKCS1_SHA_512, tests: 260, api: 260, taken: 8, treatment: Treatment::Here(pkcs1) },
    File { name: "rsa_signature_4096_sha256", group: Group::Core, algorithm: PKCS1_SHA_256, tests: 258, api: 258, taken: 7, treatment: Treatment::Here(pkcs1) },
    File { name: "rsa_signature_4096_sha384", group: Group::Core, algorithm: PKCS1_SHA_384, tests: 259, api: 259, taken: 7, treatment: Treatment::Here(pkcs1) },
    File { name: "rsa_signature_4096_sha512", group: Group::Core, algorithm: PKCS1_SHA_512, tests: 259, api: 259, taken: 7, treatment: Treatment::Here(pkcs1) },
    File { name: "rsa_pss_2048_sha256_mgf1_32", group: Group::Core, algorithm: "RSASSA_PSS_SHA_256", tests: 108, api: 108, taken: 63, treatment: Treatment::Here(pss) },
    File { name: "rsa_pss_2048_sha384_mgf1_48", group: Group::Core, algorithm: "RSASSA_PSS_SHA_384", tests: 141, api: 141, taken: 95, treatment: Treatment::Here(pss) },
    File { name: "rsa_pss_3072_sha256_mgf1_32", group: Group::Core, algorithm: "RSASSA_PSS_SHA_256", tests: 108, api: 108, taken: 63, treatment: Treatment::Here(pss) },
    File { name: "rsa_pss_4096_sha256_mgf1_32", group: Group::Core, algorithm: "RSASSA_PSS_SHA_256", tests: 108, api: 108, taken: 63, treatment: Treatment::Here(pss) },
    File { name: "rsa_pss_4096_sha384_mgf1_48", group: Group::Core, algorithm: "RSASSA_PSS_SHA_384", tests: 141, api: 141, taken: 95, treatment: Treatment::Here(pss) },
    File { name: "rsa_pss_4096_sha512_mgf1_64", group: Group::Core, algorithm: "RSASSA_PSS_SHA_512", tests: 179, api: 179, taken: 132, treatment: Treatment::Here(pss) },
    File { name: "rsa_pss_misc", group: Group::Core, algorithm: "RSASSA_PSS_SHA_256, _384, _512", tests: 150, api: 150, taken: 3, treatment: Treatment::Here(pss) },
    File { name: "rsa_oaep_2048_sha256_mgf1sha1", group: Group::OtherParameters, algorithm: "RSAES_OAEP_SHA_256", tests: 31, api: 31, taken: 0, treatment: Treatment::Here(oaep) },
    File { name: "rsa_oaep_3072_sha256_mgf1sha1", group: Group::OtherParameters, algorithm: "RSAES_OAEP_SHA_256", tests: 32, api: 32, taken: 0, treatment: Treatment::Here(oaep) },
    File { name: "rsa_oaep_4096_sha256_mgf1sha1", group: Group::OtherParameters, algorithm: "RSAES_OAEP_SHA_256", tests: 32, api: 32, taken: 0, treatment: Treatment::Here(oaep) },
    File { name: "rsa_pss_2048_sha1_mgf1_20", group: Group::OtherParameters, algorithm: "RSASSA_PSS_SHA_256", tests: 88, api: 88, taken: 0, treatment: Treatment::Here(pss) },
    File { name: "rsa_pss_2048_sha256_mgf1_0", group: Group::OtherParameters, algorithm: "RSASSA_PSS_SHA_256", tests: 103, api: 103, taken: 0, treatment: Treatment::Here(pss) },
    File { name: "rsa_pss_2048_sha256_mgf1sha1_20", group: Group::OtherParameters, algorithm: "RSASSA_PSS_SHA_256", tests: 108, api: 108, taken: 0, treatment: Treatment::Here(pss) },
    File { name: "rsa_pss_2048_sha512_224_mgf1_28", group: Group::OtherParameters, algorithm: "RSASSA_PSS_SHA_512", tests: 100, api: 100, taken: 0, treatment: Treatment::Here(pss) },
    File { name: "rsa_pss_2048_sha512_256_mgf1_32", group: Group::OtherParameters, algorithm: "RSASSA_PSS_SHA_512", tests: 115, api: 115, taken: 0, treatment: Treatment::Here(pss) },
    File { name: "rsa_pss_4096_sha512_mgf1_32", group: Group::OtherParameters, algorithm: "RSASSA_PSS_SHA_512", tests: 177, api: 177, taken: 0, treatment: Treatment::Here(pss) },
    File { name: "primality", group: Group::Support, algorithm: "", tests: 317, api: 0, taken: 66, treatment: Treatment::InCrate(include_str!("../../src/gaps.rs"), "TestName::Primality") },
];

/// [K161] [T37] The same hash twice, and an empty label.
fn oaep(test: &Test<'_>) -> Tried {
    let (pkcs8, ciphertext, message, label) =
        (test.group.bytes("privateKeyPkcs8"), test.case.bytes("ct"), test.case.bytes("msg"), test.case.bytes("label"));
    let Some(spec) = spec_of_modulus(test.group.number("keySize")) else {
        let taken = [KeySpec::Rsa2048, KeySpec::Rsa3072, KeySpec::Rsa4096].into_iter().any(|spec| KeyMaterial::import(spec, &pkcs8).is_ok());
        return Tried::api(Verdict::of(taken)).unfit();
    };
    let key = KeyMaterial::import(spec, &pkcs8).unwrap();
    let decrypt = |algorithm| key.decrypt(algorithm, &ciphertext);
    let algorithm = match (test.group.text("sha"), test.group.text("mgfSha")) {
        ("SHA-1", "SHA-1") => Some(EncryptionAlgorithm::RsaesOaepSha1),
        ("SHA-256", "SHA-256") => Some(EncryptionAlgorithm::RsaesOaepSha256),
        _ => None,
    };
    match algorithm {
        Some(algorithm) if label.is_empty() => {
            let plaintext = decrypt(algorithm).ok();
            Tried::api(Verdict::of_bytes(plaintext.as_ref().map(|plaintext| plaintext.expose()), &message))
        }
        Some(algorithm) if decrypt(algorithm).is_err() => Tried::library(labelled(algorithm, &pkcs8, &ciphertext, &label, &message)),
        _ => Tried::api(Verdict::of(EncryptionAlgorithm::ALL.iter().any(|algorithm| decrypt(*algorithm).is_ok()))).unfit(),
    }
}

fn labelled(algorithm: EncryptionAlgorithm, pkcs8: &[u8], ciphertext: &[u8], label: &[u8], message: &[u8]) -> Verdict {
    let oaep = if algorithm == EncryptionAlgorithm::RsaesOaepSha1 { &OAEP_SHA1_MGF1SHA1 } else { &OAEP_SHA256_MGF1SHA256 };
    let key = PrivateDecryptingKey::from_pkcs8(pkcs8).unwrap();
    let key = OaepPrivateDecryptingKey::new(key).unwrap();
    let mut plaintext = vec![0; key.min_output_size()];
    Verdict::of_bytes(key.decrypt(oaep, ciphertext, &mut plaintext, Some(label)).ok().as_deref(), message)
}

/// [K181] These signatures are always the same: what is valid is also what we sign, wherever a file has the private key.
fn pkcs1(test: &Test<'_>) -> Tried {
    let algorithm = test.algorithm.parse().unwrap();
    let (message, signature) = (test.case.bytes("msg"), test.case.bytes("sig"));
    let Ok(public) = public_key(test.group) else { return Tried::api(Verdict::Refused) };
    let verdict = verified(&public, algorithm, &message, &signature);
    Tried::api(verdict.and(|| match private_key(&public) {
        Some(key) => key.sign(&Message::new(algorithm, MessageType::Raw, &message).unwrap()).unwrap() == signature,
        // Nobody signs with an exponent of 3 any more.
        None => test.group.at("publicKey").text("publicExponent") == "03",
    }))
}

/// [K181] MGF1 with the same hash, a salt as long as the hash.
fn pss(test: &Test<'_>) -> Tried {
    let (message, signature) = (test.case.bytes("msg"), test.case.bytes("sig"));
    let Ok(public) = public_key(test.group) else { return Tried::api(Verdict::Refused) };
    let algorithm = match (test.group.text("sha"), test.group.text("mgfSha"), test.group.number("sLen")) {
        ("SHA-256", "SHA-256", 32) => SigningAlgorithm::RsassaPssSha256,
        ("SHA-384", "SHA-384", 48) => SigningAlgorithm::RsassaPssSha384,
        ("SHA-512", "SHA-512", 64) => SigningAlgorithm::RsassaPssSha512,
        _ => return Tried::api(verified_by_any(&public, &PSS, &message, &signature)).unfit(),
    };
    Tried::api(verified(&public, algorithm, &message, &signature))
}

fn public_key(group: Object<'_>) -> Result<PublicKey, keyward_crypto::InvalidPublicKey> {
    let spec = spec_of_modulus(group.number("keySize")).expect("listed files have no other keys");
    PublicKey::from_der(spec, &group.bytes("publicKeyDer"))
}

pub(crate) fn spec_of_modulus(bits: usize) -> Option<KeySpec> {
    KeySpec::ALL.iter().copied().find(|spec| spec.rsa_modulus_bits() == Some(bits))
}

/// [K184] Message and digest must be verified alike.
pub(crate) fn verified(public: &PublicKey, algorithm: SigningAlgorithm, message: &[u8], signature: &[u8]) -> Verdict {
    let verify = |message_type, bytes: &[u8]| public.verify(&Message::new(algorithm, message_type, bytes).unwrap(), signature).is_ok();
    let raw = verify(MessageType::Raw, message);
    let digest = aws_lc_rs::digest::digest(hash_of(algorithm), message);
    if verify(MessageType::Digest, digest.as_ref()) == raw { Verdict::of(raw) } else { Verdict::Different }
}

fn hash_of(algorithm: SigningAlgorithm) -> &'static aws_lc_rs::digest::Algorithm {
    let name = algorithm.name();
    [("_256", &aws_lc_rs::digest::SHA256), ("_384", &aws_lc_rs::digest::SHA384), ("_512", &aws_lc_rs::digest::SHA512)]
        .into_iter()
        .find(|(bits, _)| name.ends_with(bits))
        .map(|(_, hash)| hash)
        .unwrap_or_else(|| panic!("{algorithm} takes no digest"))
}

pub(crate) const PSS: [SigningAlgorithm; 3] =
    [SigningAlgorithm::RsassaPssSha256, SigningAlgorithm::RsassaPssSha384, SigningAlgorithm::RsassaPssSha512];

/// Whether any of the algorithms verifies the signature of a message.
pub(crate) fn verified_by_any(public: &PublicKey, algorithms: &[SigningAlgorithm], message: &[u8], signature: &[u8]) -> Verdict {
    let messages = algorithms.iter().filter_map(|algorithm| Message::new(*algorithm, MessageType::Raw, message).ok());
    Verdict::of(messages.into_iter().any(|message| public.verify(&message, signature).is_ok()))
}

/// The other half of a public key, from the files about OAEP, which use the same keys.
fn private_key(public: &PublicKey) -> Option<&'static KeyMaterial> {
    KEYS.get(public.as_der())
}

/// A key, wherever one is as good as any other.
pub(crate) fn any_key() -> &'static KeyMaterial {
    KEYS.values().find(|key| key.spec() == KeySpec::Rsa2048).unwrap()
}

/// By their public halves.
static KEYS: LazyLock<BTreeMap<Vec<u8>, KeyMaterial>> = LazyLock::new(|| {
    let mut keys = BTreeMap::new();
    for name in WITH_PRIVATE_KEYS {
        wycheproof::groups(name, |group| {
            let Some(spec) = spec_of_modulus(group.number("keySize")) else { return };
            let key = KeyMaterial::import(spec, &group.bytes("privateKeyPkcs8")).unwrap();
            keys.insert(key.public_key().unwrap().as_der().to_vec(), key);
        });
    }
    keys
});

const WITH_PRIVATE_KEYS: &[&str] = &[
    "rsa_oaep_2048_sha256_mgf1sha256",
    "rsa_oaep_2048_sha384_mgf1sha384",
    "rsa_oaep_2048_sha512_mgf1sha512",
    "rsa_oaep_3072_sha256_mgf1sha256",
    "rsa_oaep_3072_sha512_mgf1sha512",
    "rsa_oaep_4096_sha256_mgf1sha256",
    "rsa_oaep_4096_sha512_mgf1sha512",
    "rsa_oaep_misc",
];
