//! Elliptic curves: ECDSA, Ed25519, ECDH.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256K1_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ECDSA_P521_SHA512_FIXED, EcdsaVerificationAlgorithm,
    UnparsedPublicKey,
};
use keyward_crypto::{KeyMaterial, KeySpec, Message, MessageType, PublicKey, SigningAlgorithm};

use crate::der;
use crate::rsa::{verified, verified_by_any};
use crate::wycheproof::{File, Group, Test, Treatment, Tried, Verdict};

#[rustfmt::skip]
pub(crate) const FILES: &[File] = &[
    File { name: "ecdsa_secp256r1_sha256", group: Group::Core, algorithm: "ECDSA_SHA_256", tests: 484, api: 484, taken: 174, treatment: Treatment::Here(ecdsa) },
    File { name: "ecdsa_secp384r1_sha384", group: Group::Core, algorithm: "ECDSA_SHA_384", tests: 504, api: 504, taken: 194, treatment: Treatment::Here(ecdsa) },
    File { name: "ecdsa_secp521r1_sha512", group: Group::Core, algorithm: "ECDSA_SHA_512", tests: 542, api: 542, taken: 232, treatment: Treatment::Here(ecdsa) },
    File { name: "ecdsa_secp256k1_sha256", group: Group::Core, algorithm: "ECDSA_SHA_256", tests: 476, api: 476, taken: 168, treatment: Treatment::Here(ecdsa) },
    File { name: "ed25519", group: Group::Core, algorithm: "ED25519_SHA_512", tests: 151, api: 151, taken: 88, treatment: Treatment::Here(ed25519) },
    File { name: "ecdh_secp256r1", group: Group::Core, algorithm: "ECDH", tests: 612, api: 612, taken: 330, treatment: Treatment::Here(ecdh) },
    File { name: "ecdh_secp384r1", group: Group::Core, algorithm: "ECDH", tests: 1047, api: 1047, taken: 771, treatment: Treatment::Here(ecdh) },
    File { name: "ecdh_secp521r1", group: Group::Core, algorithm: "ECDH", tests: 916, api: 916, taken: 632, treatment: Treatment::Here(ecdh) },
    File { name: "ecdsa_secp256r1_sha512", group: Group::OtherParameters, algorithm: "ECDSA_SHA_256", tests: 554, api: 554, taken: 0, treatment: Treatment::Here(ecdsa) },
    File { name: "ecdsa_secp384r1_sha256", group: Group::OtherParameters, algorithm: "ECDSA_SHA_384", tests: 472, api: 472, taken: 0, treatment: Treatment::Here(ecdsa) },
    File { name: "ecdsa_secp384r1_sha512", group: Group::OtherParameters, algorithm: "ECDSA_SHA_384", tests: 542, api: 542, taken: 0, treatment: Treatment::Here(ecdsa) },
    File { name: "ecdsa_secp256r1_sha256_p1363", group: Group::Support, algorithm: "ECDSA_SHA_256", tests: 262, api: 0, taken: 173, treatment: Treatment::Here(p1363) },
    File { name: "ecdsa_secp384r1_sha384_p1363", group: Group::Support, algorithm: "ECDSA_SHA_384", tests: 280, api: 0, taken: 193, treatment: Treatment::Here(p1363) },
    File { name: "ecdsa_secp521r1_sha512_p1363", group: Group::Support, algorithm: "ECDSA_SHA_512", tests: 318, api: 0, taken: 231, treatment: Treatment::Here(p1363) },
    File { name: "ecdsa_secp256k1_sha256_p1363", group: Group::Support, algorithm: "ECDSA_SHA_256", tests: 252, api: 0, taken: 167, treatment: Treatment::Here(p1363) },
    File { name: "ec_prime_order_curves", group: Group::Support, algorithm: "", tests: 26, api: 26, taken: 4, treatment: Treatment::Here(curve) },
];

/// A curve of KMS.
struct Curve {
    name: &'static str,
    oid: &'static str,
    spec: KeySpec,
    bytes: usize,
    fixed: &'static EcdsaVerificationAlgorithm,
}

#[rustfmt::skip]
const CURVES: &[Curve] = &[
    Curve { name: "secp256r1", oid: "1.2.840.10045.3.1.7", spec: KeySpec::EccNistP256, bytes: 32, fixed: &ECDSA_P256_SHA256_FIXED },
    Curve { name: "secp384r1", oid: "1.3.132.0.34", spec: KeySpec::EccNistP384, bytes: 48, fixed: &ECDSA_P384_SHA384_FIXED },
    Curve { name: "secp521r1", oid: "1.3.132.0.35", spec: KeySpec::EccNistP521, bytes: 66, fixed: &ECDSA_P521_SHA512_FIXED },
    Curve { name: "secp256k1", oid: "1.3.132.0.10", spec: KeySpec::EccSecgP256k1, bytes: 32, fixed: &ECDSA_P256K1_SHA256_FIXED },
];

fn curve_of(name: &str) -> &'static Curve {
    CURVES.iter().find(|curve| curve.name == name).expect("listed files have no other curves")
}

/// [K181] DER; a high S is taken. Each curve has one hash.
fn ecdsa(test: &Test<'_>) -> Tried {
    let curve = curve_of(test.group.at("publicKey").text("curve"));
    let (message, signature) = (test.case.bytes("msg"), test.case.bytes("sig"));
    let Ok(public) = PublicKey::from_der(curve.spec, &test.group.bytes("publicKeyDer")) else { return Tried::api(Verdict::Refused) };
    let algorithm: SigningAlgorithm = test.group.text("sha").replace("SHA-", "ECDSA_SHA_").parse().unwrap();
    if curve.spec.signing_algorithms() == [algorithm] {
        Tried::api(verified(&public, algorithm, &message, &signature))
    } else {
        Tried::api(verified_by_any(&public, SigningAlgorithm::ALL, &message, &signature)).unfit()
    }
}

/// [K183] Signatures that are no DER are not ours; those of JOSE and XML are tried on the library.
fn p1363(test: &Test<'_>) -> Tried {
    let curve = curve_of(test.group.at("publicKey").text("curve"));
    let (key, message, signature) = (test.group.bytes("publicKeyDer"), test.case.bytes("msg"), test.case.bytes("sig"));
    let public = PublicKey::from_der(curve.spec, &key).unwrap();
    match verified_by_any(&public, SigningAlgorithm::ALL, &message, &signature) {
        Verdict::Refused => Tried::library(Verdict::of(UnparsedPublicKey::new(curve.fixed, key).verify(&message, &signature).is_ok())),
        wrong => Tried::api(wrong).unfit(),
    }
}

fn ed25519(test: &Test<'_>) -> Tried {
    let (message, signature) = (test.case.bytes("msg"), test.case.bytes("sig"));
    let Ok(public) = PublicKey::from_der(KeySpec::EccNistEdwards25519, &test.group.bytes("publicKeyDer")) else {
        return Tried::api(Verdict::Refused);
    };
    let message = Message::new(SigningAlgorithm::Ed25519Sha512, MessageType::Raw, &message).unwrap();
    Tried::api(Verdict::of(public.verify(&message, &signature).is_ok()))
}

/// [K190] [T39] Public keys are a SubjectPublicKeyInfo on the named curve, in one encoding.
fn ecdh(test: &Test<'_>) -> Tried {
    let curve = curve_of(test.group.text("curve"));
    let scalar = der::pad(&test.case.bytes("private"), curve.bytes);
    let own = KeyMaterial::import(curve.spec, &der::scalar(curve.oid, &scalar)).unwrap();
    let secret = own.agree(&test.case.bytes("public")).ok();
    Tried::api(Verdict::of_bytes(secret.as_ref().map(|secret| secret.expose()), &test.case.bytes("shared")))
}

/// [T39] A curve of ours has this generator, prime and order; keys on others are refused under every spec.
fn curve(test: &Test<'_>) -> Tried {
    let value = |name| test.case.bytes(name);
    let Some(curve) = CURVES.iter().find(|curve| curve.name == test.case.text("name")) else {
        let len = der::strip(&value("p")).len();
        let key = der::point(test.case.text("oid"), &der::pad(&value("gx"), len), &der::pad(&value("gy"), len));
        return Tried::api(Verdict::of(KeySpec::ALL.iter().any(|spec| PublicKey::from_der(*spec, &key).is_ok()))).unfit();
    };
    let [x, y, prime, order] = ["gx", "gy", "p", "n"].map(|name| der::pad(&value(name), curve.bytes));
    let public_of = |scalar: &[u8]| {
        let key = KeyMaterial::import(curve.spec, &der::scalar(curve.oid, scalar)).ok()?;
        key.public_key().ok().map(|public| public.as_der().to_vec())
    };
    let one = der::pad(&[1], curve.bytes);
    let generator = der::point(curve.oid, &x, &y);
    let opposite = der::point(curve.oid, &x, &minus(&prime, &y));
    let accepted = PublicKey::from_der(curve.spec, &der::point(test.case.text("oid"), &x, &y)).is_ok();
    Tried::api(
        Verdict::of(accepted)
            .and(|| public_of(&one) == Some(generator) && public_of(&minus(&order, &one)) == Some(opposite) && public_of(&order).is_none()),
    )
}

/// The difference of two big-endian numbers of one length, the first of which is larger.
fn minus(larger: &[u8], smaller: &[u8]) -> Vec<u8> {
    let mut difference = larger.to_vec();
    let mut borrow = false;
    for (digit, smaller) in difference.iter_mut().zip(smaller).rev() {
        let (once, first) = digit.overflowing_sub(*smaller);
        let (twice, second) = once.overflowing_sub(u8::from(borrow));
        (*digit, borrow) = (twice, first || second);
    }
    difference
}
