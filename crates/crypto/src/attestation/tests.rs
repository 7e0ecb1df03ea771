//! Documents made here, by a signer whose certificates are in `testdata/attestation-1.txt`: made with OpenSSL through the Python
//! library `cryptography`, P-384 all of them, root and region valid from 2026 to 2036, leaves for the first three hours of 2026.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair};
use data_encoding::{BASE64, HEXLOWER};

use super::*;
use crate::material::tests::rsa_2048;

/// Half past midnight on the first day of 2026.
const NOW: Duration = Duration::from_secs(1_767_227_400);

fn fixture(wanted: &str) -> Vec<u8> {
    let lines = include_str!("../../testdata/attestation-1.txt").lines();
    let hex = lines.filter_map(|line| line.split_once(' ')).find(|(name, _)| *name == wanted).unwrap().1;
    HEXLOWER.decode(hex.as_bytes()).unwrap()
}

fn pem(certificate: &[u8]) -> String {
    format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", BASE64.encode(certificate))
}

fn roots(name: &str) -> AttestationRoots {
    AttestationRoots::from_pem(pem(&fixture(name)).as_bytes()).unwrap()
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

fn cbor(value: &Value) -> Vec<u8> {
    let mut bytes = Vec::new();
    ciborium::into_writer(value, &mut bytes).unwrap();
    bytes
}

/// The payload of a document that is as it should be.
fn payload() -> Vec<(Value, Value)> {
    let pcrs = [(0, 0xab), (8, 0xcd)].map(|(number, byte): (u8, u8)| (Value::from(number), Value::Bytes(vec![byte; 48])));
    vec![
        (text("module_id"), text("i-0123456789abcdef0-enc0123456789abcdef")),
        (text("digest"), text("SHA384")),
        (text("timestamp"), Value::from(u64::try_from(NOW.as_millis()).unwrap())),
        (text("pcrs"), Value::Map(pcrs.to_vec())),
        (text("certificate"), Value::Bytes(fixture("leaf"))),
        (text("cabundle"), Value::Array(vec![Value::Bytes(fixture("root")), Value::Bytes(fixture("between"))])),
        (text("public_key"), Value::Bytes(rsa_2048().public_key().unwrap().as_der().to_vec())),
        (text("user_data"), Value::Null),
        (text("nonce"), Value::Null),
    ]
}

/// The payload with another value of a member, or without it.
fn with(name: &str, value: Option<Value>) -> Value {
    let mut members = payload();
    members.retain(|(member, _)| member.as_text() != Some(name));
    members.extend(value.map(|value| (text(name), value)));
    Value::Map(members)
}

/// Four parts around a payload, signed by the leaf or another one.
fn parts(payload: &[u8], key: &str) -> Vec<Value> {
    let signed = Signed { payload: payload.to_vec(), signature: Vec::new() }.to_be_signed().unwrap();
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P384_SHA384_FIXED_SIGNING, &fixture(key)).unwrap();
    let signature = pair.sign(&SystemRandom::new(), &signed).unwrap().as_ref().to_vec();
    vec![Value::Bytes(ES384_ALONE.to_vec()), Value::Map(Vec::new()), Value::Bytes(payload.to_vec()), Value::Bytes(signature)]
}

fn signed(payload: &Value) -> Vec<u8> {
    cbor(&Value::Array(parts(&cbor(payload), "leaf-key")))
}

fn attested(document: &[u8]) -> Result<Attestation, NotAttested> {
    attest(document, &roots("root"), NOW)
}

#[test]
fn k156_a_document_that_a_root_vouches_for_says_what_was_measured() {
    let array = Value::Array(parts(&cbor(&Value::Map(payload())), "leaf-key"));
    for document in [cbor(&array), cbor(&Value::Tag(18, Box::new(array.clone())))] {
        let attestation = attested(&document).unwrap();
        assert_eq!(attestation.attester(), Attester::NitroEnclave);
        assert_eq!(attestation.module_id(), "i-0123456789abcdef0-enc0123456789abcdef");
        assert_eq!(*attestation.pcrs(), BTreeMap::from([(0, "ab".repeat(48)), (8, "cd".repeat(48))])); // [A566]
        assert_eq!(attestation.public_key, rsa_2048().public_key().unwrap());
    }
    for wrong in [0, 17, 19, 98] {
        assert_eq!(attested(&cbor(&Value::Tag(wrong, Box::new(array.clone())))), Err(NOT_SIGN1), "{wrong}");
    }
}

#[test]
fn k156_nitrotpm_has_registers_of_its_own() {
    let mut members = payload();
    members[3].0 = text("nitrotpm_pcrs");
    assert_eq!(attested(&signed(&Value::Map(members.clone()))).unwrap().attester(), Attester::NitroTpm);
    members.push(payload().remove(3));
    assert!(matches!(attested(&signed(&Value::Map(members))), Err(NotAttested::Form(_))));
}

/// Every bit of what stands around the payload, and of every byte of the payload one.
#[test]
fn k156_a_document_with_another_bit_is_refused() {
    let payload = cbor(&Value::Map(payload()));
    let document = cbor(&Value::Array(parts(&payload, "leaf-key")));
    assert!(attested(&document).is_ok());
    let start = document.windows(payload.len()).position(|window| window == payload).unwrap();
    let mut flipped = document.clone();
    for at in 0..document.len() {
        let inside = (start..start + payload.len()).contains(&at);
        for bit in (0..8).filter(|bit| !inside || at % 8 == *bit) {
            flipped[at] ^= 1 << bit;
            assert!(attested(&flipped).is_err(), "bit {bit} of byte {at}");
            flipped[at] ^= 1 << bit;
        }
    }
    assert_eq!(flipped, document);
}

#[test]
fn k156_nothing_stands_before_behind_or_instead() {
    let document = signed(&Value::Map(payload()));
    for len in 0..document.len() {
        assert!(matches!(attested(&document[..len]), Err(NotAttested::Form(_))), "{len}");
    }
    assert!(matches!(attested(&[&document[..], &[0]].concat()), Err(NotAttested::Form(_))));
    // [K156] No longer one is looked at.
    let long = signed(&with("user_data", Some(Value::Bytes(vec![0; ATTESTATION_DOCUMENT_BYTES_MAX]))));
    assert!(matches!(attested(&long), Err(NotAttested::Form(_))));

    let parts = parts(&cbor(&Value::Map(payload())), "leaf-key");
    let change = |at: usize, value: Value| {
        let mut changed = parts.clone();
        changed[at] = value;
        attested(&cbor(&Value::Array(changed)))
    };
    // Another algorithm, the same with a header that must be understood, the same written longer; anything unprotected.
    let headers: [&[u8]; 5] = [&[0xa1, 1, 0x26], &[0xa2, 1, 0x38, 0x22, 2, 0x81, 4], &[0xa1, 1, 0x39, 0, 0x22], &[0xa0], &[]];
    for protected in headers {
        assert!(matches!(change(0, Value::Bytes(protected.to_vec())), Err(NotAttested::Form(_))), "{protected:?}");
    }
    assert_eq!(change(1, Value::Map(vec![(Value::from(4), Value::Bytes(vec![1]))])), Err(NOT_SIGN1));
    assert_eq!(change(3, Value::Bytes(vec![0; 96])), Err(NotAttested::Signature));
    assert_eq!(change(3, Value::Bytes(Vec::new())), Err(NotAttested::Signature));
    let mut five = parts.clone();
    five.push(Value::Null);
    assert_eq!(attested(&cbor(&Value::Array(five))), Err(NOT_SIGN1));
    // [T31] Deep nesting ends nothing.
    let deep = [vec![0x81; 200_000], vec![0]].concat();
    assert_eq!(attested(&deep), Err(NotAttested::Form("it is not CBOR")));
}

#[test]
fn k156_only_whom_a_root_vouches_for_now_attests() {
    let document = signed(&Value::Map(payload()));
    let at = |roots: &AttestationRoots, now| attest(&document, roots, now).map(|_| ());
    assert_eq!(at(&AttestationRoots::default(), NOW), Err(NotAttested::Certificate));
    assert_eq!(at(&roots("other-root"), NOW), Err(NotAttested::Certificate)); // of the same name
    assert_eq!(at(&roots("other-root").and(roots("root")), NOW), Ok(()));
    // The chain may begin anywhere above the leaf.
    assert_eq!(at(&roots("between"), NOW), Ok(()));

    // Before 2026, and after the leaf's three hours, by documents of that time.
    for (seconds, expected) in [(-1_801, Err(NotAttested::Certificate)), (9_001, Err(NotAttested::Certificate)), (8_999, Ok(()))] {
        let then = Duration::from_secs(NOW.as_secs().checked_add_signed(seconds).unwrap());
        let document = signed(&with("timestamp", Some(Value::from(u64::try_from(then.as_millis()).unwrap()))));
        assert_eq!(attest(&document, &roots("root"), then).map(|_| ()), expected, "{seconds}");
    }

    // Without what is between; by a key that is not the certificate's; by whom a leaf vouches for, which is no authority.
    assert_eq!(attested(&signed(&with("cabundle", Some(Value::Array(Vec::new()))))), Err(NotAttested::Certificate));
    let by_other = cbor(&Value::Array(parts(&cbor(&Value::Map(payload())), "other-key")));
    assert_eq!(attested(&by_other), Err(NotAttested::Signature));
    let mut below = payload();
    below[4].1 = Value::Bytes(fixture("leaf-as-authority"));
    below[5].1 = Value::Array(["root", "between", "leaf"].map(|name| Value::Bytes(fixture(name))).to_vec());
    assert_eq!(attested(&cbor(&Value::Array(parts(&cbor(&Value::Map(below)), "other-key")))), Err(NotAttested::Certificate));
}

#[test]
fn k156_a_document_is_of_now() {
    let document = signed(&Value::Map(payload()));
    let check = |milliseconds: i64, expected| {
        let now = Duration::from_millis(u64::try_from(NOW.as_millis()).unwrap().checked_add_signed(milliseconds).unwrap());
        assert_eq!(attest(&document, &roots("root"), now).map(|_| ()), expected, "{milliseconds}");
    };
    check(300_000, Ok(()));
    check(300_001, Err(NotAttested::Age));
    check(-300_000, Ok(()));
    check(-300_001, Err(NotAttested::Age));
}

#[test]
fn k156_a_document_has_all_its_members_in_their_form() {
    let form = |name: &str, value: Option<Value>| {
        assert!(matches!(attested(&signed(&with(name, value.clone()))), Err(NotAttested::Form(_))), "{name}: {value:?}");
    };
    for name in ["module_id", "digest", "timestamp", "pcrs", "certificate", "cabundle"] {
        form(name, None);
        form(name, Some(Value::Null));
        form(name, Some(Value::Bool(true)));
        let mut twice = payload();
        twice.extend(payload().into_iter().filter(|(member, _)| member.as_text() == Some(name)));
        assert!(matches!(attested(&signed(&Value::Map(twice))), Err(NotAttested::Form(_))), "{name}");
    }
    form("digest", Some(text("SHA256")));
    form("module_id", Some(text("")));
    form("module_id", Some(text(&"m".repeat(257))));
    form("timestamp", Some(Value::from(-1)));
    form("nonce", Some(text("n")));
    form("cabundle", Some(Value::Array(vec![Value::Bytes(fixture("between")); 17])));
    let register = |number: i32, len: usize| (Value::from(number), Value::Bytes(vec![0; len]));
    for pcrs in [vec![], vec![register(32, 48)], vec![register(-1, 48)], vec![register(0, 47)], vec![register(0, 48), register(0, 48)]] {
        form("pcrs", Some(Value::Map(pcrs)));
    }
    assert!(matches!(attested(&signed(&Value::Array(Vec::new()))), Err(NotAttested::Form(_))));

    // Members that nobody here knows are the signer's own; an empty nonce is one.
    assert!(attested(&signed(&with("later", Some(Value::Bool(true))))).is_ok());
    assert!(attested(&signed(&with("nonce", Some(Value::Bytes(Vec::new()))))).is_ok());

    // [K156] An RSA key there must be.
    let rsa = rsa_2048().public_key().unwrap().as_der().to_vec();
    for key in [None, Some(Value::Null), Some(text("key")), Some(Value::Bytes(Vec::new())), Some(Value::Bytes([&rsa[..], &[0]].concat()))] {
        assert_eq!(attested(&signed(&with("public_key", key.clone()))), Err(NotAttested::PublicKey), "{key:?}");
    }
    let elliptic = crate::KeyMaterial::generate(KeySpec::EccNistP384, &crate::entropy::tests::SystemEntropy).unwrap().public_key().unwrap();
    assert_eq!(attested(&signed(&with("public_key", Some(Value::Bytes(elliptic.as_der().to_vec()))))), Err(NotAttested::PublicKey));
}

#[test]
fn roots_are_read_whole_or_not_at_all() {
    let both = format!("# roots\n{}{}", pem(&fixture("other-root")), pem(&fixture("root")));
    assert!(attest(&signed(&Value::Map(payload())), &AttestationRoots::from_pem(both.as_bytes()).unwrap(), NOW).is_ok());
    for wrong in ["", "nothing", &pem(b"no certificate"), &format!("{}{}", pem(&fixture("root")), pem(b"no certificate"))] {
        assert!(AttestationRoots::from_pem(wrong.as_bytes()).is_err(), "{wrong}");
    }
}
