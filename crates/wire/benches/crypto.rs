//! What KMS's cryptographic operations cost over HTTP, against the same cryptography without a service around it.
//!
//! `cargo x bench crypto` builds the release binary and runs this; with `--quick` each measurement is short. Over HTTP is
//! everything: a signed request is read, its caller found and authorized, the key unsealed and used, and the call recorded, in
//! a store in memory. The primitive is what the operation cannot do without: the call of `keyward-crypto` with the key at
//! hand, on the server's core while the server has nothing to do. Each is a mean, of all calls in a span of time.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a bench may fail loudly, and measures time"
)]

mod loopback;

use std::hint::black_box;
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use data_encoding::BASE64;
use keyward_crypto::{
    BlobKind, EncapsulationAlgorithm, EncryptionAlgorithm, EncryptionContext, Entropy, EntropyFailed, Head, KeyMaterial, KeySpec, KeyUsage,
    MaterialId, Message, MessageType, PublicKey, SigningAlgorithm, open, random_bytes, seal,
};
use keyward_wire::client::Answer;
use serde_json::{Value, json};

use loopback::{LOAD, LOAD_CORE, SERVER_CORE, Server, Times, load, measure, pinned, target, this_program};

/// With all that keys of these specs do.
const SPECS: [KeySpec; 12] = [
    KeySpec::SymmetricDefault,
    KeySpec::Hmac256,
    KeySpec::EccNistP256,
    KeySpec::EccNistP384,
    KeySpec::EccSecgP256k1,
    KeySpec::EccNistEdwards25519,
    KeySpec::MlDsa44,
    KeySpec::MlDsa65,
    KeySpec::MlDsa87,
    KeySpec::MlKem768,
    KeySpec::Rsa2048,
    KeySpec::Rsa4096,
];

const USUAL: Times = Times { warm_up: Duration::from_millis(100), measured: Duration::from_millis(500) };
const QUICK: Times = Times { warm_up: Duration::from_millis(50), measured: Duration::from_millis(150) };
/// At the second, the server's core has always something to do.
const CONNECTIONS: [usize; 2] = [1, 16];

/// As long as a data key.
const PLAINTEXT: [u8; 32] = [7; 32];
const MESSAGE: [u8; 256] = [8; 256];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    match arguments.get(1).map(String::as_str) {
        Some(LOAD) => load(&arguments[2..]),
        Some(COMPARE) => match compare(if arguments.iter().any(|argument| argument == "--quick") { QUICK } else { USUAL }) {
            // Whoever read the table has seen enough.
            Err(error) if error.kind() == ErrorKind::BrokenPipe => {}
            written => written.expect("the table is written"),
        },
        // The primitives run in this process: it goes where the server is.
        _ => {
            let status = pinned(SERVER_CORE, &this_program()).arg(COMPARE).args(&arguments[1..]).status();
            return if status.expect("taskset, of the package util-linux").success() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
        }
    }
    ExitCode::SUCCESS
}

/// The first argument of the process that measures.
const COMPARE: &str = "compare";

fn compare(times: Times) -> io::Result<()> {
    let folder = target().join("bench-crypto");
    std::fs::create_dir_all(&folder)?;
    let table = Table { server: Server::keyward(&["--ephemeral"]), request: folder.join("request"), times };
    table.head()?;
    for (at, spec) in SPECS.into_iter().enumerate() {
        table.progress(&format!("{spec}, {} of {}: making keys", at + 1, SPECS.len()));
        let material = KeyMaterial::generate(spec, &SystemEntropy).expect("a key");
        for usage in spec.usages() {
            let key = table.server.call("CreateKey", &json!({"KeySpec": spec, "KeyUsage": usage})).member("KeyMetadata.Arn");
            match usage {
                KeyUsage::EncryptDecrypt if spec == KeySpec::SymmetricDefault => symmetric(&table, &key, &material)?,
                KeyUsage::EncryptDecrypt => rsa_encryption(&table, &key, &material)?,
                KeyUsage::SignVerify => signatures(&table, &key, &material)?,
                KeyUsage::GenerateVerifyMac => macs(&table, &key, &material)?,
                KeyUsage::KeyAgreement => agreement(&table, &key, &material)?,
                KeyUsage::EncapsulateDecapsulate => encapsulation(&table, &key, &material)?,
            }
            // Whatever a pair is for, its public key may be read: once is enough.
            if usage == &spec.usages()[0] && material.public_key().is_ok() {
                table.row("GetPublicKey", spec.name(), &json!({"KeyId": key}), || material.public_key())?;
            }
        }
    }
    table.progress("");
    Ok(())
}

fn symmetric(table: &Table, key: &str, material: &KeyMaterial) -> io::Result<()> {
    let spec = material.spec().name();
    let id = "1234abcd-12ab-34cd-56ef-1234567890ab".parse().expect("a key id");
    let material_id = MaterialId::derive(&id, material);
    let context: EncryptionContext = [("project".to_owned(), "shieldsync-prod".to_owned())].into_iter().collect();
    let sealed = |kind, plaintext: &[u8]| {
        let head = Head { kind, key_id: id, account: 111122223333, material_id };
        seal(&head, material, &context, plaintext, &SystemEntropy).expect("a ciphertext")
    };
    let ciphertext = sealed(BlobKind::Encrypt, &PLAINTEXT);

    let encrypt = json!({"KeyId": key, "Plaintext": base64(&PLAINTEXT), "EncryptionContext": context.pairs()});
    let blob = table.row("Encrypt", spec, &encrypt, || sealed(BlobKind::Encrypt, &PLAINTEXT))?.member("CiphertextBlob");
    let decrypt = json!({"KeyId": key, "CiphertextBlob": blob, "EncryptionContext": context.pairs()});
    table.row("Decrypt", spec, &decrypt, || open(&ciphertext, material, &context).expect("a plaintext"))?;
    let data_key = json!({"KeyId": key, "KeySpec": "AES_256", "EncryptionContext": context.pairs()});
    table.row("GenerateDataKey", spec, &data_key, || {
        let plaintext = random_bytes(32, &SystemEntropy).expect("a data key");
        (sealed(BlobKind::DataKey, plaintext.expose()), plaintext)
    })?;
    let data_key_pair = json!({"KeyId": key, "KeyPairSpec": "ECC_NIST_P256", "EncryptionContext": context.pairs()});
    table.row("GenerateDataKeyPair", "ECC_NIST_P256", &data_key_pair, || {
        let pair = KeyMaterial::generate(KeySpec::EccNistP256, &SystemEntropy).expect("a key pair");
        let private = pair.private_key().expect("a private key");
        let ciphertext = sealed(BlobKind::DataKey, private.expose());
        (pair.public_key().expect("a public key"), private, ciphertext)
    })?;
    let re_encrypt = json!({
        "SourceKeyId": key, "CiphertextBlob": blob, "SourceEncryptionContext": context.pairs(),
        "DestinationKeyId": key, "DestinationEncryptionContext": context.pairs(),
    });
    table.row("ReEncrypt", spec, &re_encrypt, || sealed(BlobKind::Encrypt, open(&ciphertext, material, &context).expect("a plaintext").expose()))?;
    Ok(())
}

fn rsa_encryption(table: &Table, key: &str, material: &KeyMaterial) -> io::Result<()> {
    let (spec, algorithm) = (material.spec().name(), EncryptionAlgorithm::RsaesOaepSha256);
    let public = public_key(material);
    let ciphertext = public.encrypt(algorithm, &PLAINTEXT).expect("a ciphertext");

    let encrypt = json!({"KeyId": key, "Plaintext": base64(&PLAINTEXT), "EncryptionAlgorithm": algorithm});
    let encrypted = table.row("Encrypt", spec, &encrypt, || public.encrypt(algorithm, &PLAINTEXT).expect("a ciphertext"))?;
    let blob = encrypted.member("CiphertextBlob");
    let decrypt = json!({"KeyId": key, "CiphertextBlob": blob, "EncryptionAlgorithm": algorithm});
    table.row("Decrypt", spec, &decrypt, || material.decrypt(algorithm, &ciphertext).expect("a plaintext"))?;
    Ok(())
}

fn signatures(table: &Table, key: &str, material: &KeyMaterial) -> io::Result<()> {
    let spec = material.spec();
    let algorithm = match spec.rsa_modulus_bits() {
        Some(_) => SigningAlgorithm::RsassaPssSha256,
        None => spec.signing_algorithms()[0],
    };
    let public = public_key(material);
    // The message's hash is part of the work.
    let message = || Message::new(algorithm, MessageType::Raw, &MESSAGE).expect("a message");
    let signature = material.sign(&message()).expect("a signature");

    let mut input = json!({"KeyId": key, "Message": base64(&MESSAGE), "MessageType": MessageType::Raw, "SigningAlgorithm": algorithm});
    let signed = table.row("Sign", spec.name(), &input, || material.sign(&message()).expect("a signature"))?;
    input["Signature"] = signed.member("Signature").into();
    table.row("Verify", spec.name(), &input, || public.verify(&message(), &signature).expect("a signature"))?;
    Ok(())
}

fn macs(table: &Table, key: &str, material: &KeyMaterial) -> io::Result<()> {
    let (spec, algorithm) = (material.spec(), material.spec().mac_algorithms()[0]);
    let mac = material.mac(algorithm, &MESSAGE).expect("a code");

    let mut input = json!({"KeyId": key, "Message": base64(&MESSAGE), "MacAlgorithm": algorithm});
    let made = table.row("GenerateMac", spec.name(), &input, || material.mac(algorithm, &MESSAGE).expect("a code"))?;
    input["Mac"] = made.member("Mac").into();
    table.row("VerifyMac", spec.name(), &input, || material.verify_mac(algorithm, &MESSAGE, &mac).expect("a code"))?;
    Ok(())
}

fn agreement(table: &Table, key: &str, material: &KeyMaterial) -> io::Result<()> {
    let peer = public_key(&KeyMaterial::generate(material.spec(), &SystemEntropy).expect("a key"));
    let input = json!({"KeyId": key, "PublicKey": base64(peer.as_der()), "KeyAgreementAlgorithm": material.spec().key_agreement_algorithms()[0]});
    table.row("DeriveSharedSecret", material.spec().name(), &input, || material.agree(peer.as_der()).expect("a secret"))?;
    Ok(())
}

fn encapsulation(table: &Table, key: &str, material: &KeyMaterial) -> io::Result<()> {
    let spec = material.spec().name();
    let public = public_key(material);
    let (_, ciphertext) = public.encapsulate().expect("a secret");

    let mut input = json!({"KeyId": key, "EncapsulationAlgorithm": EncapsulationAlgorithm::MlKem});
    let encapsulated = table.row("Encapsulate", spec, &input, || public.encapsulate().expect("a secret"))?;
    input["SharedSecretCiphertextBlob"] = encapsulated.member("SharedSecretCiphertextBlob").into();
    table.row("Decapsulate", spec, &input, || material.decapsulate(&ciphertext).expect("a secret"))?;
    Ok(())
}

/// A line is written when it is measured.
struct Table {
    server: Server,
    request: PathBuf,
    times: Times,
}

impl Table {
    fn head(&self) -> io::Result<()> {
        let mut out = io::stdout().lock();
        writeln!(
            out,
            "Mean µs per call at {} and {} connections; server and primitive on core {SERVER_CORE}, load on core {LOAD_CORE}.",
            CONNECTIONS[0], CONNECTIONS[1]
        )?;
        writeln!(out, "Server CPU is for each call at {}; ratios are to the primitive.", CONNECTIONS[1])?;
        let [one, many] = CONNECTIONS.map(|connections| format!("HTTP, {connections}"));
        let [ratio, ratio_of_many] = CONNECTIONS.map(|connections| format!("ratio, {connections}"));
        writeln!(
            out,
            "{:19} {:21} {one:>10} {many:>10} {:>10} {:>10}  {ratio:>10} {ratio_of_many:>10}",
            "operation", "key", "server CPU", "primitive"
        )
    }

    /// Measures an operation over HTTP and the same by the library alone, between the two. Returns an answer to it.
    fn row<T>(&self, operation: &str, key: &str, input: &Value, primitive: impl FnMut() -> T) -> io::Result<Answer> {
        self.progress(&format!("{operation}, {key}"));
        let answer = self.server.call(operation, input);
        std::fs::write(&self.request, self.server.signed(operation, input))?;
        let over_http = |connections| measure(&self.server, &self.request, connections, self.times);
        let one = over_http(CONNECTIONS[0]);
        let alone_us = mean_us(primitive, self.times);
        let many = over_http(CONNECTIONS[1]);
        self.progress("");
        let [one_us, many_us] = [&one, &many].map(|measured| 1e6 / measured.seen.per_second);
        let figures = [one_us, many_us, many.cpu_us, alone_us].map(|us| shown(us, 1));
        let ratios = [one_us, many_us].map(|us| shown(us / alone_us, 2));
        let mut out = io::stdout().lock();
        let (figures, ratios) = (figures.join(" "), ratios.join(" "));
        writeln!(out, "{operation:19} {key:21} {figures}  {ratios}")?;
        out.flush()?;
        Ok(answer)
    }

    /// What is going on, where a person sees it; the next word takes its place.
    fn progress(&self, doing: &str) {
        if io::stderr().is_terminal() {
            eprint!("\r\x1b[K{doing}");
        }
    }
}

/// A column; nothing in it where no call ended in time, as it happens to slow ones on a busy machine.
fn shown(figure: f64, decimals: usize) -> String {
    if figure.is_finite() { format!("{figure:10.decimals$}") } else { format!("{:>10}", "–") }
}

fn mean_us<T>(mut primitive: impl FnMut() -> T, times: Times) -> f64 {
    let mut mean_over = |time: Duration| {
        let (started, mut calls) = (Instant::now(), 0_u32);
        while calls == 0 || started.elapsed() < time {
            // Reading the clock after every call would count with the quickest.
            for _ in 0..CALLS_BETWEEN_LOOKS {
                black_box(primitive());
            }
            calls += CALLS_BETWEEN_LOOKS;
        }
        started.elapsed().as_secs_f64() * 1e6 / f64::from(calls)
    };
    mean_over(times.warm_up);
    mean_over(times.measured)
}

const CALLS_BETWEEN_LOOKS: u32 = 8;

fn base64(bytes: &[u8]) -> String {
    BASE64.encode(bytes)
}

fn public_key(material: &KeyMaterial) -> PublicKey {
    material.public_key().expect("a key pair")
}

/// What the server draws from.
struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), EntropyFailed> {
        aws_lc_rs::rand::fill(bytes).map_err(|_| EntropyFailed)
    }
}
