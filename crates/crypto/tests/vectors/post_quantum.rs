//! Lattices: ML-DSA and ML-KEM.

use aws_lc_rs::kem::{self, DecapsulationKey, ML_KEM_512, ML_KEM_768, ML_KEM_1024};
use aws_lc_rs::signature::{KeyPair, ML_DSA_44_SIGNING, ML_DSA_65_SIGNING, ML_DSA_87_SIGNING, PqdsaKeyPair, PqdsaSigningAlgorithm};
use keyward_crypto::{KeyMaterial, KeySpec, Message, MessageType, PublicKey, SigningAlgorithm};

use crate::wycheproof::{File, Group, Object, Test, Treatment, Tried, Verdict};
use crate::{der, keccak};

const ML_DSA: &str = "ML_DSA_SHAKE_256";
const ENCAPSULATION: Treatment = Treatment::Here(encapsulate);

#[rustfmt::skip]
pub(crate) const FILES: &[File] = &[
    File { name: "mldsa_44_verify", group: Group::Core, algorithm: ML_DSA, tests: 180, api: 180, taken: 77, treatment: Treatment::Here(verify) },
    File { name: "mldsa_65_verify", group: Group::Core, algorithm: ML_DSA, tests: 210, api: 210, taken: 79, treatment: Treatment::Here(verify) },
    File { name: "mldsa_87_verify", group: Group::Core, algorithm: ML_DSA, tests: 241, api: 241, taken: 71, treatment: Treatment::Here(verify) },
    File { name: "mldsa_44_sign_seed", group: Group::Core, algorithm: ML_DSA, tests: 86, api: 86, taken: 82, treatment: Treatment::Here(sign_with_seed) },
    File { name: "mldsa_65_sign_seed", group: Group::Core, algorithm: ML_DSA, tests: 105, api: 105, taken: 101, treatment: Treatment::Here(sign_with_seed) },
    File { name: "mldsa_87_sign_seed", group: Group::Core, algorithm: ML_DSA, tests: 96, api: 96, taken: 92, treatment: Treatment::Here(sign_with_seed) },
    File { name: "mldsa_44_sign_noseed", group: Group::Core, algorithm: ML_DSA, tests: 73, api: 69, taken: 68, treatment: Treatment::Here(sign_expanded) },
    File { name: "mldsa_65_sign_noseed", group: Group::Core, algorithm: ML_DSA, tests: 78, api: 74, taken: 73, treatment: Treatment::Here(sign_expanded) },
    File { name: "mldsa_87_sign_noseed", group: Group::Core, algorithm: ML_DSA, tests: 69, api: 65, taken: 64, treatment: Treatment::Here(sign_expanded) },
    File { name: "mlkem_512", group: Group::Core, algorithm: "ML_KEM", tests: 200, api: 200, taken: 160, treatment: Treatment::Here(decapsulate) },
    File { name: "mlkem_768", group: Group::Core, algorithm: "ML_KEM", tests: 201, api: 201, taken: 161, treatment: Treatment::Here(decapsulate) },
    File { name: "mlkem_1024", group: Group::Core, algorithm: "ML_KEM", tests: 202, api: 202, taken: 162, treatment: Treatment::Here(decapsulate) },
    File { name: "mlkem_512_encaps", group: Group::Core, algorithm: "ML_KEM", tests: 261, api: 261, taken: 133, treatment: ENCAPSULATION },
    File { name: "mlkem_768_encaps", group: Group::Core, algorithm: "ML_KEM", tests: 265, api: 265, taken: 133, treatment: ENCAPSULATION },
    File { name: "mlkem_1024_encaps", group: Group::Core, algorithm: "ML_KEM", tests: 269, api: 269, taken: 133, treatment: ENCAPSULATION },
    File { name: "mlkem_512_keygen_seed", group: Group::Core, algorithm: "ML_KEM", tests: 100, api: 100, taken: 100, treatment: Treatment::Here(generate) },
    File { name: "mlkem_768_keygen_seed", group: Group::Core, algorithm: "ML_KEM", tests: 100, api: 100, taken: 100, treatment: Treatment::Here(generate) },
    File { name: "mlkem_1024_keygen_seed", group: Group::Core, algorithm: "ML_KEM", tests: 100, api: 100, taken: 100, treatment: Treatment::Here(generate) },
    File { name: "mlkem_512_semi_expanded_decaps", group: Group::Core, algorithm: "ML_KEM", tests: 9, api: 0, taken: 3, treatment: Treatment::Here(decapsulate_expanded) },
    File { name: "mlkem_768_semi_expanded_decaps", group: Group::Core, algorithm: "ML_KEM", tests: 9, api: 0, taken: 3, treatment: Treatment::Here(decapsulate_expanded) },
    File { name: "mlkem_1024_semi_expanded_decaps", group: Group::Core, algorithm: "ML_KEM", tests: 9, api: 0, taken: 3, treatment: Treatment::Here(decapsulate_expanded) },
];

/// [K181] KMS has no contexts: with one, the vector's `mu` is verified, which is all that a context changes.
fn verify(test: &Test<'_>) -> Tried {
    let spec = ml_dsa(test);
    let Ok(public) = PublicKey::from_der(spec, &test.group.bytes("publicKeyDer")) else { return Tried::api(Verdict::Refused) };
    Tried::api(signature_of_case(&public, &test.group.bytes("publicKey"), test.case))
}

/// [K111] From the seed: the public key is the vector's, the vector's signature verifies, and so does one of ours.
fn sign_with_seed(test: &Test<'_>) -> Tried {
    let spec = ml_dsa(test);
    let pkcs8 = der::seed(spec, &test.group.bytes("privateSeed"));
    let Ok(key) = KeyMaterial::import(spec, &pkcs8) else { return Tried::api(Verdict::Refused) };
    if test.group.has("privateKeyPkcs8") {
        assert_eq!(pkcs8, test.group.bytes("privateKeyPkcs8"));
    }
    let (public, raw) = (key.public_key().unwrap(), test.group.bytes("publicKey"));
    let verdict = signature_of_case(&public, &raw, test.case);
    Tried::api(verdict.and(|| {
        public.as_der() == der::public(spec, &raw)
            && forms(test.case, &raw).iter().all(|(message_type, bytes)| {
                let message = Message::new(SigningAlgorithm::MlDsaShake256, *message_type, bytes).unwrap();
                public.verify(&message, &key.sign(&message).unwrap()).is_ok()
            })
    }))
}

/// [K111] Expanded keys are not taken over. What somebody signs with one verifies, by the library as by the vector.
fn sign_expanded(test: &Test<'_>) -> Tried {
    let (spec, private) = (ml_dsa(test), test.group.bytes("privateKey"));
    assert!(KeyMaterial::import(spec, &der::expanded(spec, &private)).is_err());
    let Ok(key) = PqdsaKeyPair::from_raw_private_key(ml_dsa_signing(spec), &private) else { return Tried::library(Verdict::Refused) };
    if !test.group.has("publicKey") {
        return Tried::library(Verdict::Taken);
    }
    let raw = test.group.bytes("publicKey");
    let public = PublicKey::from_der(spec, &der::public(spec, &raw)).unwrap();
    Tried::api(signature_of_case(&public, &raw, test.case).and(|| {
        let whole = forms(test.case, &raw).into_iter().find(|(message_type, _)| *message_type == MessageType::Raw);
        key.public_key().as_ref() == raw
            && whole.is_none_or(|(message_type, bytes)| {
                let mut signature = vec![0; ml_dsa_signing(spec).signature_len()];
                key.sign(&bytes, &mut signature).unwrap();
                public.verify(&Message::new(SigningAlgorithm::MlDsaShake256, message_type, &bytes).unwrap(), &signature).is_ok()
            })
    }))
}

/// Whether the signature of a case verifies, in every form that its message has.
fn signature_of_case(public: &PublicKey, raw: &[u8], case: Object<'_>) -> Verdict {
    let signature = case.bytes("sig");
    let verified = forms(case, raw).into_iter().map(|(message_type, bytes)| {
        let message = Message::new(SigningAlgorithm::MlDsaShake256, message_type, &bytes).unwrap();
        Verdict::of(public.verify(&message, &signature).is_ok())
    });
    verified.reduce(|one, other| if one == other { one } else { Verdict::Different }).expect("every message has a form")
}

/// The message of a case as KMS takes it: whole when it has no context, and its `mu`.
fn forms(case: Object<'_>, raw: &[u8]) -> Vec<(MessageType, Vec<u8>)> {
    let context = if case.has("ctx") { case.bytes("ctx") } else { Vec::new() };
    let given = case.has("mu").then(|| case.bytes("mu"));
    if !case.has("msg") {
        return vec![(MessageType::ExternalMu, given.expect("a message or its mu"))];
    }
    let message = case.bytes("msg");
    let Some(mu) = keccak::mu(raw, &context, &message) else {
        // There is no mu with so long a context: nothing of it may verify without one.
        return vec![(MessageType::Raw, message)];
    };
    assert!(given.is_none_or(|given| given == mu), "mu of {}", case.number("tcId"));
    let mu = (MessageType::ExternalMu, mu.to_vec());
    if context.is_empty() { vec![(MessageType::Raw, message), mu] } else { vec![mu] }
}

fn ml_dsa(test: &Test<'_>) -> KeySpec {
    test.set.text("algorithm").replace('-', "_").parse().unwrap()
}

fn ml_dsa_signing(spec: KeySpec) -> &'static PqdsaSigningAlgorithm {
    match spec {
        KeySpec::MlDsa44 => &ML_DSA_44_SIGNING,
        KeySpec::MlDsa65 => &ML_DSA_65_SIGNING,
        KeySpec::MlDsa87 => &ML_DSA_87_SIGNING,
        other => panic!("{other} is no ML-DSA"),
    }
}

/// [K191] From the seed; implicit rejection has its secrets, too.
fn decapsulate(test: &Test<'_>) -> Tried {
    let spec = ml_kem(test);
    let Ok(key) = KeyMaterial::import(spec, &der::seed(spec, &test.case.bytes("seed"))) else { return Tried::api(Verdict::Refused) };
    let secret = key.decapsulate(&test.case.bytes("c")).ok();
    let verdict = Verdict::of_bytes(secret.as_ref().map(|secret| secret.expose()), &test.case.bytes("K"));
    Tried::api(verdict.and(|| key.public_key().unwrap().as_der() == der::public(spec, &test.case.bytes("ek"))))
}

/// Malformed keys are refused. What the others make of `m` is held against the same files in `gaps.rs`.
fn encapsulate(test: &Test<'_>) -> Tried {
    let spec = ml_kem(test);
    let Ok(public) = PublicKey::from_der(spec, &der::public(spec, &test.case.bytes("ek"))) else { return Tried::api(Verdict::Refused) };
    Tried::api(Verdict::of(public.encapsulate().is_ok()))
}

/// The encapsulation key is the vector's; the vector's decapsulation key finds the secrets that ours finds, in what is sound and
/// in what is not.
fn generate(test: &Test<'_>) -> Tried {
    let spec = ml_kem(test);
    let key = KeyMaterial::import(spec, &der::seed(spec, &test.case.bytes("seed"))).unwrap();
    let public = key.public_key().unwrap();
    let theirs = DecapsulationKey::new(ml_kem_algorithm(spec), &test.case.bytes("dk")).unwrap();
    let (_, ciphertext) = public.encapsulate().unwrap();
    let garbage = vec![7; ciphertext.len()];
    Tried::api(Verdict::of(public.as_der() == der::public(spec, &test.case.bytes("ek"))).and(|| {
        [ciphertext, garbage].iter().all(|ciphertext| {
            let found = theirs.decapsulate(ciphertext.as_slice().into()).unwrap();
            key.decapsulate(ciphertext).is_ok_and(|secret| secret.expose() == found.as_ref())
        })
    }))
}

/// [K111] Expanded keys are not taken over; the library refuses those that are malformed.
fn decapsulate_expanded(test: &Test<'_>) -> Tried {
    let (spec, private) = (ml_kem(test), test.case.bytes("dk"));
    assert!(KeyMaterial::import(spec, &der::expanded(spec, &private)).is_err());
    let secret =
        DecapsulationKey::new(ml_kem_algorithm(spec), &private).ok().and_then(|key| key.decapsulate(test.case.bytes("c").as_slice().into()).ok());
    let expected = if test.case.has("K") { test.case.bytes("K") } else { Vec::new() };
    Tried::library(Verdict::of_bytes(secret.as_ref().map(|secret| secret.as_ref()), &expected))
}

fn ml_kem(test: &Test<'_>) -> KeySpec {
    test.group.text("parameterSet").replace('-', "_").parse().unwrap()
}

fn ml_kem_algorithm(spec: KeySpec) -> &'static kem::Algorithm {
    match spec {
        KeySpec::MlKem512 => &ML_KEM_512,
        KeySpec::MlKem768 => &ML_KEM_768,
        KeySpec::MlKem1024 => &ML_KEM_1024,
        other => panic!("{other} is no ML-KEM"),
    }
}
