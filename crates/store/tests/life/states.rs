//! Every served operation in every key state on every kind of key, and which error wins, as a reviewed picture: `states.txt`.
//! `KEYWARD_UPDATE=1` writes it anew.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Arc, mpsc};

use data_encoding::BASE64;
use keyward_authz::{CallFacts, Operation};
use keyward_policy::Partition;
use keyward_service::{AwsError, Change, Entity, Key, KeyState, Operate, Origin, State, iam, kms};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::world::{HOME, World, text};

/// What CreateKey is asked for; a kind that it refuses is not served, and left out.
const KINDS: &[(&str, &str)] = &[
    ("symmetric", "{}"),
    ("RSA encrypt", r#"{"KeySpec":"RSA_2048","KeyUsage":"ENCRYPT_DECRYPT"}"#),
    ("RSA sign", r#"{"KeySpec":"RSA_2048","KeyUsage":"SIGN_VERIFY"}"#),
    ("ECC sign", r#"{"KeySpec":"ECC_NIST_P256","KeyUsage":"SIGN_VERIFY"}"#),
    ("ECC agree", r#"{"KeySpec":"ECC_NIST_P256","KeyUsage":"KEY_AGREEMENT"}"#),
    ("HMAC", r#"{"KeySpec":"HMAC_256","KeyUsage":"GENERATE_VERIFY_MAC"}"#),
    ("ML-KEM", r#"{"KeySpec":"ML_KEM_512","KeyUsage":"ENCAPSULATE_DECAPSULATE"}"#),
    ("primary", r#"{"MultiRegion":true}"#),
    // Made as any other, and then as if its material had been imported.
    (IMPORTED, "{}"),
];

const IMPORTED: &str = "imported";

/// The column of K85 that a state has.
const STATES: &[(KeyState, &str)] = &[
    (KeyState::Enabled, "Enabled"),
    (KeyState::Disabled, "Disabled"),
    (KeyState::PendingDeletion, "PendDeletion"),
    (KeyState::PendingReplicaDeletion, "PendReplicas"),
    (KeyState::PendingImport, "PendImport"),
    (KeyState::Unavailable, "Unavailable"),
    (KeyState::Creating, "Creating"),
    (KeyState::Updating, "Updating"),
];

/// How a refusal of K84 ends, by its letter.
const LETTERS: &[(&str, &str)] = &[
    (" is disabled.", "A"),
    (" is pending deletion.", "P"),
    (" is pending replica deletion.", "P"),
    (" is not pending deletion.", "N"),
    (" is pending import.", "I"),
    (" is unavailable.", "U"),
    (" is creating.", "C"),
    (" is updating.", "D"),
    (" which is not valid for this operation.", "O"),
];

type Answer = Result<Value, (String, String)>;

/// One call, by whoever has the access key.
fn perform<I>(world: &World, access_key_id: &str, input: Value) -> Answer
where
    I: Operate + DeserializeOwned,
    I::Output: Serialize,
{
    let caller = world.host.authenticate::<()>(access_key_id, None, Partition::Aws, |_| Ok(())).ok();
    let origin = Origin { caller, facts: CallFacts::new(HOME.parse().unwrap()), request_id: world.host.new_request_id() };
    let (sender, receiver) = mpsc::channel();
    let input = serde_json::from_value::<I>(input).unwrap();
    world.host.perform(origin, input, move |result| sender.send(result).unwrap());
    let told = |error| {
        let AwsError { code, message, .. } = AwsError::from(&error);
        (code.trim_end_matches("Exception").to_owned(), message.unwrap_or_default())
    };
    receiver.recv().unwrap().map(|output| serde_json::to_value(output).unwrap()).map_err(told)
}

macro_rules! by_name {
    ($($name:ident;)*) => {
        /// The operation of this name; none if it is not served.
        fn by_name(world: &World, access_key_id: &str, name: &str, input: Value) -> Option<Answer> {
            match name {
                $(stringify!($name) => Some(perform::<kms::$name>(world, access_key_id, input)),)*
                _ => None,
            }
        }
    };
}

keyward_service::kms_operations!(by_name);

/// A key of some kind with everything that requests on it name.
struct Subject {
    kind: &'static str,
    key: Key,
    /// What must be as it was before every call.
    beside: Vec<Entity>,
    alias: String,
    grant: Value,
    /// Results of the operations that give others their input, where the kind has them.
    made: BTreeMap<&'static str, Value>,
    /// A symmetric key that nothing happens to.
    other: String,
    other_blob: String,
}

impl Subject {
    fn arn(&self) -> String {
        self.key.arn().to_string()
    }

    /// A value that an operation gave, or something of the same form.
    fn made(&self, operation: &str, member: &str) -> Value {
        let made = self.made.get(operation).map(|answer| answer[member].clone()).unwrap_or(Value::Null);
        if made.is_null() { json!(BASE64.encode(&[1; 256])) } else { made }
    }

    fn encryption_algorithm(&self) -> &'static str {
        if self.kind == "RSA encrypt" { "RSAES_OAEP_SHA_256" } else { "SYMMETRIC_DEFAULT" }
    }

    fn signing_algorithm(&self) -> &'static str {
        if self.kind == "ECC sign" { "ECDSA_SHA_256" } else { "RSASSA_PSS_SHA_256" }
    }

    /// A ciphertext under the key, or, where it has none, under another.
    fn blob(&self) -> Value {
        match self.made.get("Encrypt") {
            Some(answer) => answer["CiphertextBlob"].clone(),
            None => json!(self.other_blob),
        }
    }

    /// A request that succeeds wherever the kind of the key allows it.
    fn request(&self, operation: &str, call: usize) -> Value {
        let (key, message) = (self.arn(), "bWVzc2FnZQ==");
        match operation {
            "CreateAlias" => json!({ "AliasName": format!("alias/new-{call}"), "TargetKeyId": key }),
            "CreateGrant" => json!({ "KeyId": key, "GranteePrincipal": "arn:aws:iam::111122223333:root", "Operations": ["DescribeKey"]}),
            "CreateKey" | "DescribeCustomKeyStores" | "ListKeys" => json!({}),
            "Decapsulate" => json!({
                "KeyId": key, "EncapsulationAlgorithm": "ML_KEM", "SharedSecretCiphertextBlob": self.made("Encapsulate", "SharedSecretCiphertextBlob"),
            }),
            "Decrypt" => json!({ "KeyId": key, "CiphertextBlob": self.blob(), "EncryptionAlgorithm": self.encryption_algorithm() }),
            "DeleteAlias" => json!({ "AliasName": self.alias }),
            "DeriveSharedSecret" => json!({ "KeyId": key, "KeyAgreementAlgorithm": "ECDH", "PublicKey": self.made("GetPublicKey", "PublicKey") }),
            "Encapsulate" => json!({ "KeyId": key, "EncapsulationAlgorithm": "ML_KEM" }),
            "Encrypt" => json!({ "KeyId": key, "Plaintext": message, "EncryptionAlgorithm": self.encryption_algorithm() }),
            "GenerateDataKey" | "GenerateDataKeyWithoutPlaintext" => json!({ "KeyId": key, "KeySpec": "AES_256" }),
            "GenerateDataKeyPair" | "GenerateDataKeyPairWithoutPlaintext" => json!({ "KeyId": key, "KeyPairSpec": "ECC_NIST_P256" }),
            "GenerateMac" => json!({ "KeyId": key, "Message": message, "MacAlgorithm": "HMAC_SHA_256" }),
            "GenerateRandom" => json!({ "NumberOfBytes": 8 }),
            "GetParametersForImport" => json!({ "KeyId": key, "WrappingAlgorithm": "RSAES_OAEP_SHA_256", "WrappingKeySpec": "RSA_2048" }),
            "ImportKeyMaterial" => json!({
                "KeyId": key, "ImportToken": message, "EncryptedKeyMaterial": message, "ExpirationModel": "KEY_MATERIAL_DOES_NOT_EXPIRE",
            }),
            "ListRetirableGrants" => json!({ "RetiringPrincipal": "arn:aws:iam::111122223333:root" }),
            "PutKeyPolicy" => json!({ "KeyId": key, "Policy": self.key.facts.policy.policy.text() }),
            "ReEncrypt" => json!({
                "SourceKeyId": key, "CiphertextBlob": self.blob(), "SourceEncryptionAlgorithm": self.encryption_algorithm(), "DestinationKeyId": self.other,
            }),
            "ReplicateKey" => json!({ "KeyId": key, "ReplicaRegion": "eu-west-1" }),
            "RetireGrant" | "RevokeGrant" => json!({ "KeyId": key, "GrantId": self.grant["GrantId"] }),
            "Sign" => json!({ "KeyId": key, "Message": message, "SigningAlgorithm": self.signing_algorithm() }),
            "TagResource" => json!({ "KeyId": key, "Tags": [{ "TagKey": "a", "TagValue": "b" }] }),
            "UntagResource" => json!({ "KeyId": key, "TagKeys": ["a"] }),
            "UpdateAlias" => json!({ "AliasName": self.alias, "TargetKeyId": key }),
            "UpdateKeyDescription" => json!({ "KeyId": key, "Description": "d" }),
            "UpdatePrimaryRegion" => json!({ "KeyId": key, "PrimaryRegion": "eu-west-1" }),
            "Verify" => json!({
                "KeyId": key, "Message": message, "SigningAlgorithm": self.signing_algorithm(), "Signature": self.made("Sign", "Signature"),
            }),
            "VerifyMac" => json!({ "KeyId": key, "Message": message, "MacAlgorithm": "HMAC_SHA_256", "Mac": self.made("GenerateMac", "Mac") }),
            _ => json!({ "KeyId": key }),
        }
    }

    /// The key in a state, and everything else as it was.
    fn put(&self, world: &World, state: KeyState) {
        let mut key = Key { state, ..self.key.clone() };
        key.deletion_at = (state == KeyState::PendingDeletion).then(|| jiff::Timestamp::from_second(world.now() + 86_400 * 30).unwrap());
        let changes = [Entity::Key(Arc::new(key))].into_iter().chain(self.beside.iter().cloned()).map(Change::Put).collect();
        world.host.administer(|_, _| Ok(((), changes))).unwrap();
    }
}

struct Stage {
    world: World,
    /// The account's root user may do everything, and somebody nothing.
    root: String,
    nobody: String,
    subjects: Vec<Subject>,
    calls: usize,
}

impl Stage {
    fn new() -> Self {
        let world = World::new();
        let root = text(&json!(world.host.state().access_keys().next().map(|key| key.id.clone())));
        perform::<iam::CreateUser>(&world, &root, json!({ "UserName": "nobody" })).unwrap();
        let key = perform::<iam::CreateAccessKey>(&world, &root, json!({ "UserName": "nobody" })).unwrap();
        let nobody = text(&key["AccessKey"]["AccessKeyId"]);
        let mut stage = Self { world, root, nobody, subjects: Vec::new(), calls: 0 };
        stage.subjects = KINDS.iter().filter_map(|(kind, input)| stage.subject(kind, serde_json::from_str(input).unwrap())).collect();
        stage
    }

    fn call(&self, operation: &str, input: Value) -> Answer {
        by_name(&self.world, &self.root, operation, input).unwrap()
    }

    fn key(&self, arn: &str) -> Key {
        let state: Arc<State> = self.world.host.state();
        let found = state.all_keys().find(|key| key.arn().as_str() == arn).unwrap();
        Key::clone(found)
    }

    fn subject(&self, kind: &'static str, input: Value) -> Option<Subject> {
        let created = match self.call("CreateKey", input) {
            Ok(created) => created,
            Err((code, message)) => {
                assert!(
                    code == "UnsupportedOperation" && message.ends_with("is not supported by this release of Keyward"),
                    "{kind}: {code} {message}"
                );
                return None;
            }
        };
        let arn = text(&created["KeyMetadata"]["Arn"]);
        let other = text(&self.call("CreateKey", json!({})).unwrap()["KeyMetadata"]["Arn"]);
        let other_blob = text(&self.call("Encrypt", json!({ "KeyId": other, "Plaintext": "eA==" })).unwrap()["CiphertextBlob"]);
        let alias = format!("alias/{}", kind.replace(' ', "-"));
        // An alias that another key of the kind has, so that it can be moved.
        self.call("CreateAlias", json!({ "AliasName": alias, "TargetKeyId": arn })).unwrap();
        let root = "arn:aws:iam::111122223333:root";
        let terms = json!({ "KeyId": arn, "GranteePrincipal": root, "RetiringPrincipal": root, "Operations": ["DescribeKey"] });
        let grant = self.call("CreateGrant", terms).unwrap();
        let state = self.world.host.state();
        let beside = [
            state
                .aliases("111122223333".parse().unwrap(), &HOME.parse().unwrap())
                .find(|there| there.name.to_string() == alias)
                .cloned()
                .map(Entity::Alias),
            state.grants(self.key(&arn).arn()).next().cloned().map(Entity::Grant),
        ];
        let beside: Vec<Entity> = beside.into_iter().flatten().collect();
        assert_eq!(beside.len(), 2);
        let mut key = self.key(&arn);
        if kind == IMPORTED {
            key.facts.origin = "EXTERNAL".into();
        }
        let mut subject = Subject { kind, key, beside, alias, grant, made: BTreeMap::new(), other, other_blob };
        for operation in ["Encrypt", "Encapsulate", "GenerateMac", "GetPublicKey", "Sign"] {
            if let Some(Ok(answer)) = by_name(&self.world, &self.root, operation, subject.request(operation, 0)) {
                subject.made.insert(operation, answer);
            }
        }
        Some(subject)
    }

    /// What an operation answers on a key in a state, in a word.
    fn cell(&mut self, operation: &str, at: usize, state: KeyState) -> String {
        self.calls += 1;
        let subject = &self.subjects[at];
        subject.put(&self.world, state);
        match self.call(operation, subject.request(operation, self.calls)) {
            Ok(_) => "ok".to_owned(),
            Err((code, message)) => match LETTERS.iter().find(|(end, _)| message.ends_with(end)) {
                Some((_, letter)) if ["Disabled", "KMSInvalidState", "UnsupportedOperation"].contains(&&*code) => (*letter).to_owned(),
                _ => code,
            },
        }
    }

    /// The errors of one request, one after the other: each time what was wrong first is mended. The key is not there, then nobody
    /// may, then it is disabled, and then the request itself is what it is.
    fn chain(&mut self, operation: &str, at: usize, faulty: &Value) -> Vec<String> {
        let subject = &self.subjects[at];
        let absent = subject.arn().replace(subject.key.arn().id().as_str(), "00000000-0000-4000-8000-000000000000");
        let mut met = Vec::new();
        for (missing, caller, state) in [
            (true, &self.nobody, KeyState::Disabled),
            (false, &self.nobody, KeyState::Disabled),
            (false, &self.root, KeyState::Disabled),
            (false, &self.root, KeyState::Enabled),
        ] {
            self.calls += 1;
            subject.put(&self.world, state);
            let mut request = subject.request(operation, self.calls);
            let members = request.as_object_mut().unwrap();
            members.extend(faulty.as_object().cloned().unwrap_or_default());
            if missing && let Some(name) = ["KeyId", "TargetKeyId", "SourceKeyId"].into_iter().find(|name| members.contains_key(*name)) {
                members.insert(name.to_owned(), json!(absent));
            }
            met.push(match by_name(&self.world, caller, operation, request) {
                Some(Ok(_)) => "ok".to_owned(),
                Some(Err((code, _))) => code,
                None => "not served".to_owned(),
            });
        }
        met
    }
}

/// Operations on keys that are served, in alphabetical order.
fn served(stage: &Stage) -> Vec<&'static str> {
    let on_keys = |operation: &&Operation| !["CreateKey", "GenerateRandom", "ListKeys", "ListRetirableGrants"].contains(&operation.name());
    let names = Operation::ALL.iter().filter(on_keys).map(|operation| operation.name()).filter(|name| !name.contains("CustomKeyStore"));
    let is_served = |name: &&str| by_name(&stage.world, &stage.root, name, stage.subjects[0].request(name, 0)).is_some();
    names.filter(is_served).collect()
}

#[test]
fn states_and_the_order_of_errors() {
    let mut stage = Stage::new();
    let operations = served(&stage);
    let kinds: Vec<&str> = stage.subjects.iter().map(|subject| subject.kind).collect();
    let mut drawn = String::from("Operation x state x kind of key (K85); the letters are those of K84, other words are codes.\n\n");
    let mut line = |name: &str, cells: &[&str], end: &str| {
        let cells: String = cells.iter().map(|cell| format!("{cell:13} ")).collect();
        writeln!(drawn, "{}", format!("  {name:36}{cells}{end}").trim_end()).unwrap();
    };
    line("", &STATES.iter().map(|(_, name)| *name).collect::<Vec<_>>(), "");
    for operation in &operations {
        let mut rows: Vec<(Vec<String>, Vec<&str>)> = Vec::new();
        for (at, kind) in kinds.iter().enumerate() {
            let row: Vec<String> = STATES.iter().map(|(state, _)| stage.cell(operation, at, *state)).collect();
            match rows.iter_mut().find(|(same, _)| *same == row) {
                Some((_, alike)) => alike.push(kind),
                None => rows.push((row, vec![kind])),
            }
        }
        let of_all = rows.len() == 1;
        for (at, (row, alike)) in rows.into_iter().enumerate() {
            let name = if at == 0 { operation } else { "" };
            line(name, &row.iter().map(String::as_str).collect::<Vec<_>>(), &if of_all { String::new() } else { alike.join(", ") });
        }
    }
    drawn.push_str("\nWhich error wins (K25): the key is absent, the caller may nothing, the key is disabled; each is mended in turn.\n\n");
    for operation in &operations {
        let met = stage.chain(operation, 0, &json!({}));
        writeln!(drawn, "  {operation:36}{}", met.join(" > ")).unwrap();
    }
    drawn.push_str("\nThe same where the request is wrong besides: its usage, its algorithm, its size; and a dry run of it all.\n\n");
    for (operation, kind, what, faulty) in [
        ("Encrypt", "HMAC", "usage", json!({ "EncryptionAlgorithm": "RSAES_OAEP_SHA_1", "DryRun": true })),
        ("Encrypt", "RSA encrypt", "algorithm", json!({ "EncryptionAlgorithm": "SYMMETRIC_DEFAULT", "DryRun": true })),
        ("Encrypt", "RSA encrypt", "size", json!({ "Plaintext": BASE64.encode(&[0; 500]), "DryRun": true })),
        ("Encrypt", "symmetric", "algorithm", json!({ "EncryptionAlgorithm": "RSAES_OAEP_SHA_1", "DryRun": true })),
        ("Encrypt", "symmetric", "dry run", json!({ "DryRun": true })),
        ("Decrypt", "symmetric", "algorithm", json!({ "EncryptionAlgorithm": "RSAES_OAEP_SHA_1", "DryRun": true })),
        ("Decrypt", "symmetric", "context", json!({ "EncryptionContext": { "a": "b" }, "DryRun": true })),
        ("GenerateDataKey", "RSA encrypt", "algorithm", json!({ "DryRun": true })),
        ("GenerateDataKey", "HMAC", "usage", json!({ "DryRun": true })),
        ("Sign", "RSA encrypt", "usage", json!({ "SigningAlgorithm": "ECDSA_SHA_256", "DryRun": true })),
        ("Sign", "RSA sign", "algorithm", json!({ "SigningAlgorithm": "ECDSA_SHA_256", "MessageType": "DIGEST", "DryRun": true })),
        ("Sign", "RSA sign", "size", json!({ "MessageType": "DIGEST", "DryRun": true })),
        ("Sign", "ECC agree", "usage", json!({ "DryRun": true })),
        ("GenerateMac", "symmetric", "usage", json!({ "MacAlgorithm": "HMAC_SHA_512", "DryRun": true })),
        ("GenerateMac", "HMAC", "algorithm", json!({ "MacAlgorithm": "HMAC_SHA_512", "DryRun": true })),
        ("DeriveSharedSecret", "ECC sign", "usage", json!({ "DryRun": true })),
        ("Encapsulate", "symmetric", "usage", json!({ "DryRun": true })),
    ] {
        if let Some(at) = kinds.iter().position(|served| *served == kind).filter(|_| operations.contains(&operation)) {
            let met = stage.chain(operation, at, &faulty);
            writeln!(drawn, "  {operation:20}{kind:14}{what:12}{}", met.join(" > ")).unwrap();
        }
    }
    let golden = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/life/states.txt");
    if std::env::var_os("KEYWARD_UPDATE").is_some() {
        std::fs::write(&golden, &drawn).unwrap();
    }
    assert_eq!(drawn, std::fs::read_to_string(golden).unwrap());
}
