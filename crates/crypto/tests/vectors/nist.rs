//! NIST's files, which `cargo x vectors` unpacks. Without them this part is not run, and says so.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::Path;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::kdf::{KbkdfCtrHmacAlgorithmId, get_kbkdf_ctr_hmac_algorithm, kbkdf_ctr_hmac};
use data_encoding::HEXLOWER_PERMISSIVE;
use keyward_crypto::{KeyMaterial, KeySpec, Message, MessageType, PublicKey, SigningAlgorithm, WrappingAlgorithm};

use crate::rsa::{PSS, spec_of_modulus, verified, verified_by_any};
use crate::symmetric::imported;
use crate::table::{self, Row};
use crate::wycheproof::Verdict;
use crate::{der, keccak};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/vectors/cryptography_vectors");

/// With this variable, files that are not there are a failure.
const REQUIRED: &str = "KEYWARD_VECTORS";

/// A listed file, with how many of its tests are of KMS's parameters, or of parameters that must be refused.
struct File {
    path: &'static str,
    algorithm: &'static str,
    /// The name of the first field of each record.
    first: &'static str,
    tests: usize,
    api: usize,
    taken: usize,
    /// None for a record of other parameters than KMS's.
    treatment: fn(&Record) -> Option<Tried>,
}

#[rustfmt::skip]
const FILES: &[File] = &[
    File { path: "asymmetric/RSA/FIPS_186-2/SigGen15_186-3.rsp", algorithm: "RSASSA_PKCS1_V1_5", first: "SHAAlg", tests: 90, api: 90, taken: 90, treatment: pkcs1 },
    File { path: "asymmetric/RSA/FIPS_186-2/SigVer15_186-3.rsp", algorithm: "RSASSA_PKCS1_V1_5", first: "SHAAlg", tests: 162, api: 162, taken: 27, treatment: pkcs1 },
    File { path: "asymmetric/RSA/FIPS_186-2/SigVerPSS_186-3.rsp", algorithm: "RSASSA_PSS", first: "SHAAlg", tests: 162, api: 162, taken: 0, treatment: pss },
    File { path: "asymmetric/ECDSA/FIPS_186-3/SigVer.rsp", algorithm: "ECDSA", first: "Msg", tests: 45, api: 45, taken: 9, treatment: ecdsa },
    File { path: "asymmetric/MLDSA/kat_MLDSA_44_det_pure.rsp", algorithm: "ML_DSA_44", first: "count", tests: 100, api: 100, taken: 100, treatment: ml_dsa_44 },
    File { path: "asymmetric/MLDSA/kat_MLDSA_65_det_pure.rsp", algorithm: "ML_DSA_65", first: "count", tests: 100, api: 100, taken: 100, treatment: ml_dsa_65 },
    File { path: "asymmetric/MLDSA/kat_MLDSA_87_det_pure.rsp", algorithm: "ML_DSA_87", first: "count", tests: 100, api: 100, taken: 100, treatment: ml_dsa_87 },
    File { path: "asymmetric/MLKEM/kat_MLKEM_512.rsp", algorithm: "ML_KEM_512", first: "count", tests: 1000, api: 1000, taken: 1000, treatment: ml_kem_512 },
    File { path: "asymmetric/MLKEM/kat_MLKEM_768.rsp", algorithm: "ML_KEM_768", first: "count", tests: 1000, api: 1000, taken: 1000, treatment: ml_kem_768 },
    File { path: "asymmetric/MLKEM/kat_MLKEM_1024.rsp", algorithm: "ML_KEM_1024", first: "count", tests: 1000, api: 1000, taken: 1000, treatment: ml_kem_1024 },
    File { path: "KDF/nist-800-108-KBKDF-CTR.txt", algorithm: "keys of single messages", first: "COUNT", tests: 40, api: 0, taken: 40, treatment: kbkdf },
    File { path: "ciphers/AES/GCM/gcmDecrypt256.rsp", algorithm: "SYMMETRIC_DEFAULT", first: "Count", tests: 375, api: 0, taken: 184, treatment: gcm },
    File { path: "ciphers/AES/GCM/gcmEncryptExtIV256.rsp", algorithm: "SYMMETRIC_DEFAULT", first: "Count", tests: 375, api: 0, taken: 375, treatment: gcm },
    File { path: "keywrap/kwtestvectors/KWP_AD_256.txt", algorithm: "RSA_AES_KEY_WRAP", first: "COUNT", tests: 500, api: 500, taken: 400, treatment: unwrap_padded },
    File { path: "keywrap/kwtestvectors/KWP_AE_256.txt", algorithm: "RSA_AES_KEY_WRAP", first: "COUNT", tests: 500, api: 500, taken: 500, treatment: unwrap_padded },
];

/// Not NIST's but of the same package: a line for each test (RFC 8032's first implementation).
const ED25519: &str = "asymmetric/Ed25519/sign.input";
const ED25519_TESTS: usize = 1024;

/// What came of a record, and whether it should be taken.
struct Tried {
    verdict: Verdict,
    is_valid: bool,
    through_api: bool,
}

/// Runs all files, or says that they are not there.
pub(crate) fn run() {
    if !Path::new(FOLDER).is_dir() {
        assert!(std::env::var_os(REQUIRED).is_none(), "{REQUIRED} is set and NIST's files are not there: `cargo x vectors` brings them");
        // Past the capture of the test's output: nobody should take this for a run.
        std::io::stderr().write_all(b"NOT RUN: NIST's vectors are not there; `cargo x vectors` brings them\n").unwrap();
        return;
    }
    let mut rows: Vec<Row> = FILES.iter().map(row).collect();
    rows.push(ed25519());
    table::show(&rows);
}

fn row(file: &'static File) -> Row {
    let text = fs::read_to_string(Path::new(FOLDER).join(file.path)).unwrap_or_else(|error| panic!("{}: {error}", file.path));
    let tried: Vec<(Record, Tried)> =
        records(&text, file.first).into_iter().filter_map(|record| (file.treatment)(&record).map(|tried| (record, tried))).collect();
    finished(file.path, file.algorithm, (file.tests, file.api, file.taken), &tried)
}

fn finished(path: &'static str, algorithm: &'static str, listed: (usize, usize, usize), tried: &[(Record, Tried)]) -> Row {
    let is = |verdict| tried.iter().filter(|(_, tried)| tried.verdict == verdict && tried.is_valid == (verdict == Verdict::Taken)).count();
    let api = tried.iter().filter(|(_, tried)| tried.through_api).count();
    let file = path.rsplit('/').next().unwrap_or(path);
    let mut row =
        Row { file, algorithm, tests: tried.len(), api, taken: is(Verdict::Taken), refused: is(Verdict::Refused), excepted: 0, wrong: Vec::new() };
    for (record, tried) in tried {
        if tried.verdict != if tried.is_valid { Verdict::Taken } else { Verdict::Refused } {
            row.wrong.push(format!("{file}: {:?}, should be taken: {}; {record:.400?}", tried.verdict, tried.is_valid));
        }
    }
    let found = (row.tests, row.api, row.taken);
    if found != listed {
        row.wrong.push(format!("{file}: (tests, api, taken) are {found:?}, listed as {listed:?}"));
    }
    row
}

/// A record with what its section says.
#[derive(Clone, Debug, Default)]
struct Record(BTreeMap<String, String>);

impl Record {
    fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    fn text(&self, name: &str) -> &str {
        self.0.get(name).unwrap_or_else(|| panic!("`{name}` is in none of {:?}", self.0.keys()))
    }

    fn number(&self, name: &str) -> usize {
        self.text(name).parse().unwrap_or_else(|_| panic!("`{name}` is no number"))
    }

    fn bytes(&self, name: &str) -> Vec<u8> {
        let digits = self.text(name);
        let even = if digits.len().is_multiple_of(2) { digits.to_owned() } else { format!("0{digits}") };
        HEXLOWER_PERMISSIVE.decode(even.as_bytes()).unwrap_or_else(|error| panic!("`{name}` is not hexadecimal: {error}"))
    }
}

/// Records begin with a certain field and end at an empty line; what stands between them belongs to all that follow.
fn records(text: &str, first: &str) -> Vec<Record> {
    let (mut section, mut records, mut current) = (Record::default(), Vec::new(), None::<Record>);
    for line in text.lines().map(str::trim) {
        let (name, value) = match line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            Some(line) => line.split_once('=').unwrap_or(("section", line)),
            None => line.split_once('=').unwrap_or((line, "")),
        };
        let (name, value) = (name.trim(), value.trim().to_owned());
        if line.is_empty() || name == first {
            records.extend(current.take());
        }
        if name == first {
            current = Some(section.clone());
        }
        if !line.is_empty() && !line.starts_with('#') {
            current.as_mut().unwrap_or(&mut section).0.insert(name.to_owned(), value);
        }
    }
    records.extend(current);
    records
}

/// [K181] A signature of RSASSA-PKCS1-v1_5 is the only one of its message: to verify it is to know its bytes.
fn pkcs1(record: &Record) -> Option<Tried> {
    let (spec, algorithm) = rsa_of(record, "RSASSA_PKCS1_V1_5_SHA_")?;
    let public = PublicKey::from_der(spec, &der::rsa(&record.bytes("n"), &record.bytes("e"))).unwrap();
    let verdict = verified(&public, algorithm, &record.bytes("Msg"), &record.bytes("S"));
    Some(Tried { verdict, is_valid: !record.has("Result") || record.text("Result").starts_with('P'), through_api: true })
}

/// [K181] All with salts of ten bytes, which KMS does not take.
fn pss(record: &Record) -> Option<Tried> {
    let (spec, _) = rsa_of(record, "RSASSA_PSS_SHA_")?;
    assert_eq!(record.bytes("SaltVal").len(), 10);
    let public = PublicKey::from_der(spec, &der::rsa(&record.bytes("n"), &record.bytes("e"))).unwrap();
    let verdict = verified_by_any(&public, &PSS, &record.bytes("Msg"), &record.bytes("S"));
    Some(Tried { verdict, is_valid: false, through_api: true })
}

fn rsa_of(record: &Record, prefix: &str) -> Option<(KeySpec, SigningAlgorithm)> {
    let spec = spec_of_modulus(record.number("mod"))?;
    let algorithm = record.text("SHAAlg").replace("SHA", prefix).parse().ok()?;
    Some((spec, algorithm))
}

fn ecdsa(record: &Record) -> Option<Tried> {
    let (spec, curve, bytes, algorithm) = match record.text("section") {
        "P-256,SHA-256" => (KeySpec::EccNistP256, "1.2.840.10045.3.1.7", 32, SigningAlgorithm::EcdsaSha256),
        "P-384,SHA-384" => (KeySpec::EccNistP384, "1.3.132.0.34", 48, SigningAlgorithm::EcdsaSha384),
        "P-521,SHA-512" => (KeySpec::EccNistP521, "1.3.132.0.35", 66, SigningAlgorithm::EcdsaSha512),
        _ => return None,
    };
    let key = der::point(curve, &der::pad(&record.bytes("Qx"), bytes), &der::pad(&record.bytes("Qy"), bytes));
    let signature = der::sequence(&[&der::integer(&record.bytes("R")), &der::integer(&record.bytes("S"))]);
    let verdict = match PublicKey::from_der(spec, &key) {
        Ok(public) => verified(&public, algorithm, &record.bytes("Msg"), &signature),
        Err(_) => Verdict::Refused,
    };
    Some(Tried { verdict, is_valid: record.text("Result").starts_with('P'), through_api: true })
}

fn ml_dsa_44(record: &Record) -> Option<Tried> {
    ml_dsa(KeySpec::MlDsa44, record)
}

fn ml_dsa_65(record: &Record) -> Option<Tried> {
    ml_dsa(KeySpec::MlDsa65, record)
}

fn ml_dsa_87(record: &Record) -> Option<Tried> {
    ml_dsa(KeySpec::MlDsa87, record)
}

/// The key of the seed, and the signature, which all have contexts: through their `mu`.
fn ml_dsa(spec: KeySpec, record: &Record) -> Option<Tried> {
    let (raw, message, signed) = (record.bytes("pk"), record.bytes("msg"), record.bytes("sm"));
    let public = KeyMaterial::import(spec, &der::seed(spec, &record.bytes("xi"))).unwrap().public_key().unwrap();
    let mu = keccak::mu(&raw, &record.bytes("ctx"), &message).unwrap();
    let signature = signed.strip_suffix(message.as_slice()).unwrap();
    let message = Message::new(SigningAlgorithm::MlDsaShake256, MessageType::ExternalMu, &mu).unwrap();
    let verdict = Verdict::of(public.verify(&message, signature).is_ok()).and(|| public.as_der() == der::public(spec, &raw));
    Some(Tried { verdict, is_valid: true, through_api: true })
}

fn ml_kem_512(record: &Record) -> Option<Tried> {
    ml_kem(KeySpec::MlKem512, record)
}

fn ml_kem_768(record: &Record) -> Option<Tried> {
    ml_kem(KeySpec::MlKem768, record)
}

fn ml_kem_1024(record: &Record) -> Option<Tried> {
    ml_kem(KeySpec::MlKem1024, record)
}

/// The key of the seed, the secret of a ciphertext, and the one of a ciphertext that nobody made (implicit rejection).
fn ml_kem(spec: KeySpec, record: &Record) -> Option<Tried> {
    let key = KeyMaterial::import(spec, &der::seed(spec, &[record.bytes("d"), record.bytes("z")].concat())).unwrap();
    let finds = |ciphertext, secret| key.decapsulate(&record.bytes(ciphertext)).is_ok_and(|found| found.expose() == record.bytes(secret));
    let verdict =
        Verdict::of(finds("ct", "ss")).and(|| finds("ct_n", "ss_n") && key.public_key().unwrap().as_der() == der::public(spec, &record.bytes("pk")));
    Some(Tried { verdict, is_valid: true, through_api: true })
}

/// [T34] The counter before the fixed data, in 32 bits.
fn kbkdf(record: &Record) -> Option<Tried> {
    let ours = [("PRF", "HMAC_SHA256"), ("CTRLOCATION", "BEFORE_FIXED"), ("RLEN", "32_BITS")];
    if ours.iter().any(|(name, value)| record.text(name) != *value) {
        return None;
    }
    let algorithm = get_kbkdf_ctr_hmac_algorithm(KbkdfCtrHmacAlgorithmId::Sha256).unwrap();
    let mut out = vec![0; record.number("L") / 8];
    kbkdf_ctr_hmac(algorithm, &record.bytes("KI"), &record.bytes("FixedInputData"), &mut out).unwrap();
    Some(Tried { verdict: Verdict::of_bytes(Some(&out), &record.bytes("KO")), is_valid: true, through_api: false })
}

fn gcm(record: &Record) -> Option<Tried> {
    if (record.text("IVlen"), record.text("Taglen")) != ("96", "128") {
        return None;
    }
    let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &record.bytes("Key")).unwrap());
    let nonce = || Nonce::try_assume_unique_for_key(&record.bytes("IV")).unwrap();
    let mut plaintext = vec![0; record.bytes("CT").len()];
    let opened = key.open_separate_gather(nonce(), Aad::from(record.bytes("AAD")), &record.bytes("CT"), &record.bytes("Tag"), &mut plaintext);
    let is_valid = !record.has("FAIL");
    let expected = if is_valid { record.bytes("PT") } else { Vec::new() };
    let verdict = Verdict::of_bytes(opened.ok().map(|()| plaintext.as_slice()), &expected).and(|| {
        let mut sealed = record.bytes("PT");
        key.seal_in_place_append_tag(nonce(), Aad::from(record.bytes("AAD")), &mut sealed).unwrap();
        sealed == [record.bytes("CT"), record.bytes("Tag")].concat()
    });
    Some(Tried { verdict, is_valid, through_api: false })
}

/// [K112] As on an import.
fn unwrap_padded(record: &Record) -> Option<Tried> {
    let is_valid = !record.has("FAIL");
    let expected = if is_valid { record.bytes("P") } else { Vec::new() };
    let imported = imported(WrappingAlgorithm::RsaAesKeyWrapSha256, &record.bytes("K"), &record.bytes("C"));
    Some(Tried { verdict: Verdict::of_bytes(imported.as_deref(), &expected), is_valid, through_api: true })
}

/// [K181] Signatures are always the same: the vector's is what we sign.
fn ed25519() -> Row {
    let text = fs::read_to_string(Path::new(FOLDER).join(ED25519)).unwrap_or_else(|error| panic!("{ED25519}: {error}"));
    let tried: Vec<(Record, Tried)> = text.lines().map(ed25519_line).collect();
    finished(ED25519, "ED25519_SHA_512", (ED25519_TESTS, ED25519_TESTS, ED25519_TESTS), &tried)
}

/// `seed ‖ public : public : message : signature ‖ message :`
fn ed25519_line(line: &str) -> (Record, Tried) {
    let names = ["pair", "public", "message", "signed"];
    let record = Record(names.iter().zip(line.split(':')).map(|(name, value)| ((*name).to_owned(), value.to_owned())).collect());
    let spec = KeySpec::EccNistEdwards25519;
    let (pair, message, signed) = (record.bytes("pair"), record.bytes("message"), record.bytes("signed"));
    let (seed, signature) = (&pair[..32], &signed[..64]);
    let key = KeyMaterial::import(spec, &der::seed(spec, seed)).unwrap();
    let public = key.public_key().unwrap();
    let message = Message::new(SigningAlgorithm::Ed25519Sha512, MessageType::Raw, &message).unwrap();
    let verdict = Verdict::of(public.verify(&message, signature).is_ok())
        .and(|| key.sign(&message).unwrap() == signature && public.as_der() == der::public(spec, &record.bytes("public")));
    (record, Tried { verdict, is_valid: true, through_api: true })
}
