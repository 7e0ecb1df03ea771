//! The few fixed forms of DER that keys have here; what is variable is the library's to read and write.

use zeroize::Zeroizing;

use crate::spec::KeySpec;

/// Whether one SEQUENCE is all there is: the library reads a value and never looks behind it.
pub(crate) fn is_one_sequence(der: &[u8]) -> bool {
    let Some((0x30, rest)) = der.split_first() else { return false };
    match rest {
        [length @ 0..=0x7f, content @ ..] => content.len() == usize::from(*length),
        [0x81, length, content @ ..] => content.len() == usize::from(*length),
        [0x82, high, low, content @ ..] => content.len() == usize::from(u16::from_be_bytes([*high, *low])),
        _ => false,
    }
}

/// The private key alone (RFC 5915, section 3): `SEQUENCE { 1, OCTET STRING }`; the curve is known where it is read.
pub(crate) fn ec_private_key(scalar: &[u8]) -> Zeroizing<Vec<u8>> {
    let (scalar_len, len) = (short(scalar.len()), short(scalar.len() + 5));
    let mut der = Zeroizing::new(Vec::with_capacity(scalar.len() + 7));
    der.extend_from_slice(&[0x30, len, 2, 1, 1, 4, scalar_len]);
    der.extend_from_slice(scalar);
    der
}

/// A length of one byte.
fn short(len: usize) -> u8 {
    debug_assert!(len < 0x80, "scalars are short");
    u8::try_from(len).unwrap_or_default()
}

/// A PKCS#8 key whose private key is a seed (RFC 8410, section 7; RFC 9881 and RFC 9935, section 6).
pub(crate) fn seed_to_pkcs8(spec: KeySpec, seed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let prefix = seed_prefix(spec)?;
    let mut der = Zeroizing::new(Vec::with_capacity(prefix.len() + seed.len()));
    der.extend_from_slice(&prefix);
    der.extend_from_slice(seed);
    Some(der)
}

/// The seed of such a key; none when the form is another one.
pub(crate) fn seed_of_pkcs8(spec: KeySpec, pkcs8: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let prefix = seed_prefix(spec)?;
    let seed = pkcs8.strip_prefix(prefix.as_slice())?;
    (Some(&short(seed.len())) == prefix.last()).then(|| Zeroizing::new(seed.to_vec()))
}

fn seed_prefix(spec: KeySpec) -> Option<Vec<u8>> {
    // The seed is the content of an OCTET STRING with Ed25519, and of a context tag 0 with the others.
    let (oid, seed_tag, seed_len) = match spec {
        KeySpec::EccNistEdwards25519 => (ED25519, 0x04, 32),
        KeySpec::MlDsa44 | KeySpec::MlDsa65 | KeySpec::MlDsa87 => (post_quantum(spec)?, 0x80, 32),
        KeySpec::MlKem512 | KeySpec::MlKem768 | KeySpec::MlKem1024 => (post_quantum(spec)?, 0x80, 64),
        _ => return None,
    };
    let oid_len = short(oid.len());
    let mut der = vec![0x30, oid_len + 11 + seed_len, 2, 1, 0, 0x30, oid_len + 2, 6, oid_len];
    der.extend_from_slice(oid);
    der.extend_from_slice(&[4, seed_len + 2, seed_tag, seed_len]);
    Some(der)
}

/// A SubjectPublicKeyInfo whose algorithm has no parameters, around raw bytes.
pub(crate) fn spki(spec: KeySpec, public: &[u8]) -> Option<Vec<u8>> {
    let mut der = spki_prefix(spec)?;
    der.extend_from_slice(public);
    Some(der)
}

/// The raw bytes in such a key; none when the form is another one.
pub(crate) fn raw_of_spki(spec: KeySpec, spki: &[u8]) -> Option<&[u8]> {
    let raw = spki.strip_prefix(spki_prefix(spec)?.as_slice())?;
    (raw.len() == public_key_bytes(spec)?).then_some(raw)
}

fn spki_prefix(spec: KeySpec) -> Option<Vec<u8>> {
    let raw_len = public_key_bytes(spec)?;
    if spec == KeySpec::EccNistEdwards25519 {
        let mut der = vec![0x30, 42, 0x30, 5, 6, 3];
        der.extend_from_slice(ED25519);
        der.extend_from_slice(&[3, 33, 0]);
        return Some(der);
    }
    let long = |len: usize| u16::try_from(len).unwrap_or_default().to_be_bytes();
    let ([all_high, all_low], [bits_high, bits_low]) = (long(raw_len + 18), long(raw_len + 1));
    let mut der = vec![0x30, 0x82, all_high, all_low, 0x30, 11, 6, 9];
    der.extend_from_slice(post_quantum(spec)?);
    der.extend_from_slice(&[3, 0x82, bits_high, bits_low, 0]);
    Some(der)
}

/// Bytes of raw public keys (RFC 8032; FIPS 204, table 2; FIPS 203, table 3).
fn public_key_bytes(spec: KeySpec) -> Option<usize> {
    match spec {
        KeySpec::EccNistEdwards25519 => Some(32),
        KeySpec::MlDsa44 => Some(1312),
        KeySpec::MlDsa65 => Some(1952),
        KeySpec::MlDsa87 => Some(2592),
        KeySpec::MlKem512 => Some(800),
        KeySpec::MlKem768 => Some(1184),
        KeySpec::MlKem1024 => Some(1568),
        _ => None,
    }
}

/// 1.3.101.112
const ED25519: &[u8] = &[0x2b, 0x65, 0x70];

/// The arcs of NIST under 2.16.840.1.101.3.4: signatures .3.17–19, key encapsulation .4.1–3.
fn post_quantum(spec: KeySpec) -> Option<&'static [u8]> {
    match spec {
        KeySpec::MlDsa44 => Some(&[0x60, 0x86, 0x48, 1, 0x65, 3, 4, 3, 17]),
        KeySpec::MlDsa65 => Some(&[0x60, 0x86, 0x48, 1, 0x65, 3, 4, 3, 18]),
        KeySpec::MlDsa87 => Some(&[0x60, 0x86, 0x48, 1, 0x65, 3, 4, 3, 19]),
        KeySpec::MlKem512 => Some(&[0x60, 0x86, 0x48, 1, 0x65, 3, 4, 4, 1]),
        KeySpec::MlKem768 => Some(&[0x60, 0x86, 0x48, 1, 0x65, 3, 4, 4, 2]),
        KeySpec::MlKem1024 => Some(&[0x60, 0x86, 0x48, 1, 0x65, 3, 4, 4, 3]),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use data_encoding::HEXLOWER;

    use super::*;

    #[test]
    fn nothing_may_stand_behind_a_sequence() {
        assert!(is_one_sequence(&[0x30, 1, 5]));
        assert!(is_one_sequence(&[&[0x30, 0x81, 200], [5; 200].as_slice()].concat()));
        assert!(is_one_sequence(&[&[0x30, 0x82, 1, 0], [5; 256].as_slice()].concat()));
        for wrong in [&[][..], &[0x30], &[0x31, 1, 5], &[0x30, 1, 5, 0], &[0x30, 2, 5], &[0x30, 0x80, 5, 0, 0], &[0x30, 0x82, 1]] {
            assert!(!is_one_sequence(wrong), "{wrong:?}");
        }
    }

    #[test]
    fn k171_seeds_stand_in_pkcs_8_as_the_rfcs_say() {
        let check = |spec, seed_len: usize, expected: &str| {
            let seed = vec![7; seed_len];
            let der = seed_to_pkcs8(spec, &seed).unwrap();
            assert_eq!(HEXLOWER.encode(&der), format!("{expected}{}", "07".repeat(seed_len)));
            assert!(is_one_sequence(&der));
            assert_eq!(seed_of_pkcs8(spec, &der).unwrap().as_slice(), seed);
            assert!(seed_of_pkcs8(spec, &[der.as_slice(), &[0]].concat()).is_none());
            assert!(seed_of_pkcs8(spec, &der[..der.len() - 1]).is_none());
        };
        check(KeySpec::EccNistEdwards25519, 32, "302e020100300506032b657004220420");
        check(KeySpec::MlDsa65, 32, "3034020100300b060960864801650304031204228020");
        check(KeySpec::MlKem1024, 64, "3054020100300b060960864801650304040304428040");
        assert!(seed_to_pkcs8(KeySpec::Rsa2048, &[]).is_none());
    }
}
