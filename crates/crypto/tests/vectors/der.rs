//! Writes the DER that vectors do not bring themselves.

use keyward_crypto::KeySpec;

pub(crate) fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let len = content.len().to_be_bytes();
    let significant = &len[len.iter().position(|byte| *byte != 0).unwrap_or(len.len() - 1)..];
    let mut der = vec![tag];
    if content.len() >= 0x80 {
        der.push(0x80 | u8::try_from(significant.len()).unwrap());
    }
    der.extend_from_slice(significant);
    der.extend_from_slice(content);
    der
}

pub(crate) fn sequence(parts: &[&[u8]]) -> Vec<u8> {
    tlv(0x30, &parts.concat())
}

/// An INTEGER that is not negative.
pub(crate) fn integer(big_endian: &[u8]) -> Vec<u8> {
    let significant = strip(big_endian);
    match significant.first() {
        Some(..0x80) => tlv(2, significant),
        _ => tlv(2, &[&[0], significant].concat()),
    }
}

/// Without leading zeros.
pub(crate) fn strip(big_endian: &[u8]) -> &[u8] {
    &big_endian[big_endian.iter().position(|byte| *byte != 0).unwrap_or(big_endian.len())..]
}

/// With as many leading zeros as the length wants.
pub(crate) fn pad(big_endian: &[u8], len: usize) -> Vec<u8> {
    let significant = strip(big_endian);
    [vec![0; len - significant.len()].as_slice(), significant].concat()
}

pub(crate) fn oid(dotted: &str) -> Vec<u8> {
    let arcs: Vec<u32> = dotted.split('.').map(|arc| arc.parse().unwrap()).collect();
    let mut content = Vec::new();
    for arc in [&[arcs[0] * 40 + arcs[1]], &arcs[2..]].concat() {
        let digits = (0..5).rev().map(|at| u8::try_from(arc >> (7 * at) & 0x7f).unwrap()).skip_while(|digit| *digit == 0);
        let mut digits: Vec<u8> = digits.map(|digit| digit | 0x80).collect();
        match digits.last_mut() {
            Some(last) => *last &= 0x7f,
            None => digits.push(0),
        }
        content.extend_from_slice(&digits);
    }
    tlv(6, &content)
}

/// The algorithm of keys on a curve (RFC 5480, section 2.1.1).
fn on_curve(curve: &str) -> Vec<u8> {
    sequence(&[&oid("1.2.840.10045.2.1"), &oid(curve)])
}

/// A point on a curve as SubjectPublicKeyInfo.
pub(crate) fn point(curve: &str, x: &[u8], y: &[u8]) -> Vec<u8> {
    sequence(&[&on_curve(curve), &tlv(3, &[&[0, 4], x, y].concat())])
}

/// A scalar on a curve as PKCS#8, without the public key (RFC 5915, section 3).
pub(crate) fn scalar(curve: &str, scalar: &[u8]) -> Vec<u8> {
    let private = sequence(&[&[2, 1, 1], &tlv(4, scalar)]);
    sequence(&[&[2, 1, 0], &on_curve(curve), &tlv(4, &private)])
}

/// An RSA key as SubjectPublicKeyInfo (RFC 8017, appendix A.1.1).
pub(crate) fn rsa(modulus: &[u8], exponent: &[u8]) -> Vec<u8> {
    let key = sequence(&[&integer(modulus), &integer(exponent)]);
    sequence(&[&sequence(&[&oid("1.2.840.113549.1.1.1"), &[5, 0]]), &tlv(3, &[&[0], key.as_slice()].concat())])
}

/// The seed of a key as PKCS#8 (RFC 8410, section 7; RFC 9881 and RFC 9935, section 6).
pub(crate) fn seed(spec: KeySpec, seed: &[u8]) -> Vec<u8> {
    pkcs8(spec, &tlv(if spec == KeySpec::EccNistEdwards25519 { 4 } else { 0x80 }, seed))
}

/// An expanded key of ML-DSA or ML-KEM as PKCS#8, without the seed.
pub(crate) fn expanded(spec: KeySpec, key: &[u8]) -> Vec<u8> {
    pkcs8(spec, &tlv(4, key))
}

fn pkcs8(spec: KeySpec, private: &[u8]) -> Vec<u8> {
    sequence(&[&[2, 1, 0], &sequence(&[&oid(plain_oid(spec))]), &tlv(4, private)])
}

/// A raw public key as SubjectPublicKeyInfo.
pub(crate) fn public(spec: KeySpec, raw: &[u8]) -> Vec<u8> {
    sequence(&[&sequence(&[&oid(plain_oid(spec))]), &tlv(3, &[&[0], raw].concat())])
}

/// Of the specs whose algorithm has no parameters.
fn plain_oid(spec: KeySpec) -> &'static str {
    match spec {
        KeySpec::EccNistEdwards25519 => "1.3.101.112",
        KeySpec::MlDsa44 => "2.16.840.1.101.3.4.3.17",
        KeySpec::MlDsa65 => "2.16.840.1.101.3.4.3.18",
        KeySpec::MlDsa87 => "2.16.840.1.101.3.4.3.19",
        KeySpec::MlKem512 => "2.16.840.1.101.3.4.4.1",
        KeySpec::MlKem768 => "2.16.840.1.101.3.4.4.2",
        KeySpec::MlKem1024 => "2.16.840.1.101.3.4.4.3",
        _ => panic!("{spec} has parameters"),
    }
}
