//! Imported material (K110–K119).

use data_encoding::BASE64;
use jiff::SignedDuration;
use keyward_crypto::{EncryptionAlgorithm, KeySpec, PublicKey};
use keyward_service::kms::{
    CancelKeyDeletion, Decrypt, DeleteImportedKeyMaterial, DisableKey, EnableKeyRotation, Encrypt, GetKeyRotationStatus, GetParametersForImport,
    ImportKeyMaterial, ListKeyRotations, RotateKeyOnDemand, ScheduleKeyDeletion,
};
use serde_json::{Value, json};

use crate::world::{World, text};

/// Fresh parameters, and the material wrapped with them.
pub(crate) fn wrapped(world: &World, key: &str, material: &[u8]) -> Value {
    let region = key.split(':').nth(3).unwrap();
    let asked = json!({ "KeyId": key, "WrappingAlgorithm": "RSAES_OAEP_SHA_256", "WrappingKeySpec": "RSA_2048" });
    let parameters = world.call_in::<GetParametersForImport>(region, asked).unwrap();
    let public = BASE64.decode(text(&parameters["PublicKey"]).as_bytes()).unwrap();
    let public = PublicKey::from_der(KeySpec::Rsa2048, &public).unwrap();
    let encrypted = public.encrypt(EncryptionAlgorithm::RsaesOaepSha256, material).unwrap();
    json!({
        "KeyId": key,
        "ImportToken": parameters["ImportToken"],
        "EncryptedKeyMaterial": BASE64.encode(&encrypted),
        "ExpirationModel": "KEY_MATERIAL_DOES_NOT_EXPIRE",
    })
}

pub(crate) fn with(mut request: Value, more: Value) -> Value {
    for (name, value) in more.as_object().unwrap() {
        request[name] = value.clone();
    }
    request
}

/// Imports material; its id.
pub(crate) fn import(world: &World, key: &str, material: u8, more: Value) -> Result<String, (String, String)> {
    let region = key.split(':').nth(3).unwrap();
    let request = with(wrapped(world, key, &[material; 32]), more);
    world.call_in::<ImportKeyMaterial>(region, request).map(|answer| text(&answer["KeyMaterialId"]))
}

fn expiring(world: &World, days: i64) -> Value {
    json!({ "ExpirationModel": "KEY_MATERIAL_EXPIRES", "ValidTo": world.now() + days * 24 * 60 * 60 })
}

fn state(world: &World, key: &str) -> String {
    text(&world.metadata(key)["KeyState"])
}

fn external(world: &World) -> String {
    world.create(json!({ "Origin": "EXTERNAL" }))
}

fn materials(world: &World, key: &str) -> Vec<Value> {
    let listed = world.call::<ListKeyRotations>(json!({ "KeyId": key, "IncludeKeyMaterial": "ALL_KEY_MATERIAL" })).unwrap();
    listed["Rotations"].as_array().unwrap().clone()
}

#[test]
fn k115_a_key_works_once_something_is_imported() {
    let world = World::new();
    let key = external(&world);
    let metadata = world.metadata(&key);
    assert_eq!((&metadata["KeyState"], &metadata["Enabled"], &metadata["Origin"]), (&json!("PendingImport"), &json!(false), &json!("EXTERNAL")));
    assert!(metadata.get("ExpirationModel").is_none() && metadata.get("CurrentKeyMaterialId").is_none()); // [K240]
    let (code, message) = world.call::<Encrypt>(json!({ "KeyId": key, "Plaintext": "eA==" })).unwrap_err();
    assert_eq!((code.as_str(), message), ("KMSInvalidStateException", format!("{key} is pending import."))); // [K84]

    let id = import(&world, &key, 1, json!({})).unwrap();
    let metadata = world.metadata(&key);
    assert_eq!((&metadata["KeyState"], &metadata["ExpirationModel"]), (&json!("Enabled"), &json!("KEY_MATERIAL_DOES_NOT_EXPIRE")));
    assert_eq!(metadata["CurrentKeyMaterialId"], json!(id));
    let blob = world.call::<Encrypt>(json!({ "KeyId": key, "Plaintext": "eA==" })).unwrap();
    assert_eq!(world.call::<Decrypt>(json!({ "CiphertextBlob": blob["CiphertextBlob"] })).unwrap()["KeyMaterialId"], json!(id)); // [K155]
    // [K101] [K103]
    assert_eq!(world.refused::<EnableKeyRotation>(json!({ "KeyId": key })), "UnsupportedOperationException");
    assert_eq!(world.call::<GetKeyRotationStatus>(json!({ "KeyId": key })).unwrap()["KeyRotationEnabled"], json!(false));
}

#[test]
fn k118_the_same_material_has_the_same_id_in_the_same_key_only() {
    let world = World::new();
    let (key, other) = (external(&world), external(&world));
    let id = import(&world, &key, 1, json!({})).unwrap();
    assert_ne!(import(&world, &other, 1, json!({})).unwrap(), id);
    world.call::<DeleteImportedKeyMaterial>(json!({ "KeyId": key })).unwrap();
    assert_eq!(import(&world, &key, 1, json!({})).unwrap(), id);
}

#[test]
fn k113_when_material_expires_is_said_or_not_and_within_a_year() {
    let world = World::new();
    let key = external(&world);
    let check = |more: Value, expected: &str| {
        let request = with(wrapped(&world, &key, &[1; 32]), more);
        let (code, message) = world.call::<ImportKeyMaterial>(request).unwrap_err();
        assert_eq!((code.as_str(), message.as_str()), ("ValidationException", expected));
    };
    let missing = "A validTo date must be set if the ExpirationModel is KEY_MATERIAL_EXPIRES";
    check(json!({ "ExpirationModel": "KEY_MATERIAL_EXPIRES" }), missing);
    check(json!({ "ExpirationModel": null }), missing);
    check(expiring(&world, 0), "ValidTo must be in the future");
    check(expiring(&world, 366), "ValidTo must be at most 365 days in the future");
    check(json!({ "ValidTo": world.now() + 60 }), "A validTo date must not be set if the ExpirationModel is KEY_MATERIAL_DOES_NOT_EXPIRE");
    assert_eq!(state(&world, &key), "PendingImport");
}

#[test]
fn k119_expired_material_is_gone_and_comes_back_when_it_is_imported_again() {
    let world = World::new();
    let key = external(&world);
    let id = import(&world, &key, 1, expiring(&world, 10)).unwrap();
    let metadata = world.metadata(&key);
    assert_eq!(metadata["ValidTo"].as_f64(), Some((world.now() + 10 * 24 * 60 * 60) as f64));
    let blob = text(&world.call::<Encrypt>(json!({ "KeyId": key, "Plaintext": "eA==" })).unwrap()["CiphertextBlob"]);
    world.pass(SignedDuration::from_secs(10 * 24 * 60 * 60 - 1));
    world.call::<Decrypt>(json!({ "CiphertextBlob": blob })).unwrap();
    world.pass(SignedDuration::from_secs(1));
    // [T5] Nobody had to look before: the call that comes at the very second finds it expired.
    assert_eq!(world.refused::<Decrypt>(json!({ "CiphertextBlob": blob })), "KMSInvalidStateException");
    world.pass_days(-5);
    assert_eq!(world.refused::<Decrypt>(json!({ "CiphertextBlob": blob })), "KMSInvalidStateException");
    let metadata = world.metadata(&key);
    assert_eq!((&metadata["KeyState"], &metadata["CurrentKeyMaterialId"]), (&json!("PendingImport"), &json!(id)));
    assert!(metadata.get("ExpirationModel").is_none() && metadata.get("ValidTo").is_none());
    let events = world.records("DeleteExpiredKeyMaterial");
    assert_eq!(events.len(), 1);
    assert_eq!(events[0]["serviceEventDetails"]["keyMaterialId"], json!(id)); // [A1011]
    world.pass_days(5);
    assert_eq!(import(&world, &key, 2, json!({})).unwrap_err().0, "IncorrectKeyMaterialException"); // [K114]
    assert_eq!(import(&world, &key, 1, json!({})).unwrap(), id);
    world.call::<Decrypt>(json!({ "CiphertextBlob": blob })).unwrap();
}

#[test]
fn k117_further_material_waits_for_a_rotation_on_demand() {
    let world = World::new();
    let key = external(&world);
    let first = import(&world, &key, 1, json!({ "KeyMaterialDescription": "the first" })).unwrap();
    let (code, message) = world.call::<RotateKeyOnDemand>(json!({ "KeyId": key })).unwrap_err();
    assert_eq!(code, "KMSInvalidStateException");
    assert_eq!(message, format!("No available key material pending rotation for the key: {key}.")); // [K102]
    let blob = text(&world.call::<Encrypt>(json!({ "KeyId": key, "Plaintext": "eA==" })).unwrap()["CiphertextBlob"]);
    assert_eq!(import(&world, &key, 2, json!({})).unwrap_err().0, "IncorrectKeyMaterialException"); // [K116] existing is meant
    let second = import(&world, &key, 2, json!({ "ImportType": "NEW_KEY_MATERIAL" })).unwrap();
    assert_eq!(world.metadata(&key)["CurrentKeyMaterialId"], json!(first));
    let (code, message) = import(&world, &key, 3, json!({ "ImportType": "NEW_KEY_MATERIAL" })).unwrap_err();
    assert_eq!(code, "KMSInvalidStateException");
    assert!(message.ends_with(&format!("because another key material (id: {second}) is pending rotation.")), "{message}");

    let listed = materials(&world, &key);
    assert_eq!((&listed[0]["KeyMaterialState"], &listed[0]["KeyMaterialDescription"]), (&json!("CURRENT"), &json!("the first"))); // [K105]
    assert_eq!((&listed[1]["KeyMaterialState"], &listed[1]["ImportState"]), (&json!("PENDING_ROTATION"), &json!("IMPORTED")));
    world.call::<RotateKeyOnDemand>(json!({ "KeyId": key })).unwrap();
    assert_eq!(world.metadata(&key)["CurrentKeyMaterialId"], json!(second));
    assert_eq!(materials(&world, &key)[0]["KeyMaterialState"], json!("NON_CURRENT"));
    assert_eq!(world.call::<Decrypt>(json!({ "CiphertextBlob": blob })).unwrap()["KeyMaterialId"], json!(first));

    // [K119] Without any of them the key waits until all are back.
    for id in [&first, &second] {
        let answer = world.call::<DeleteImportedKeyMaterial>(json!({ "KeyId": key, "KeyMaterialId": id })).unwrap();
        assert_eq!(answer, json!({ "KeyId": key, "KeyMaterialId": id }));
    }
    import(&world, &key, 2, json!({})).unwrap();
    assert_eq!(state(&world, &key), "PendingImport");
    import(&world, &key, 1, json!({})).unwrap();
    assert_eq!(state(&world, &key), "Enabled");
    assert_eq!(materials(&world, &key)[0]["KeyMaterialDescription"], json!("the first")); // [K116]
    assert_eq!(world.metadata(&key)["CurrentKeyMaterialId"], json!(second));
}

#[test]
fn k119_material_that_only_waits_may_go_without_a_trace() {
    let world = World::new();
    let key = external(&world);
    let first = import(&world, &key, 1, json!({})).unwrap();
    let second = import(&world, &key, 2, with(json!({ "ImportType": "NEW_KEY_MATERIAL" }), expiring(&world, 1))).unwrap();
    assert!(world.metadata(&key).get("ValidTo").is_none()); // [K80]
    world.call::<DeleteImportedKeyMaterial>(json!({ "KeyId": key, "KeyMaterialId": second })).unwrap();
    assert_eq!(state(&world, &key), "Enabled");
    assert_eq!(materials(&world, &key).len(), 1);
    import(&world, &key, 3, with(json!({ "ImportType": "NEW_KEY_MATERIAL" }), expiring(&world, 1))).unwrap();
    world.pass_days(2);
    assert_eq!(state(&world, &key), "Enabled");
    assert_eq!(materials(&world, &key)[0]["KeyMaterialId"], json!(first));
    assert_eq!(world.refused::<RotateKeyOnDemand>(json!({ "KeyId": key })), "KMSInvalidStateException");
    let missing = json!({ "KeyId": key, "KeyMaterialId": "0".repeat(64) });
    assert_eq!(world.refused::<DeleteImportedKeyMaterial>(missing), "NotFoundException");
}

#[test]
fn k116_material_is_named_where_it_must_be_the_known_one() {
    let world = World::new();
    let key = external(&world);
    let id = import(&world, &key, 1, json!({})).unwrap();
    let named = |name: &str| json!({ "ImportType": "EXISTING_KEY_MATERIAL", "KeyMaterialId": name });
    assert_eq!(import(&world, &key, 1, named(&id)).unwrap(), id);
    assert_eq!(import(&world, &key, 1, named(&"0".repeat(64))).unwrap_err().0, "IncorrectKeyMaterialException");
    assert_eq!(import(&world, &key, 1, json!({ "KeyMaterialId": id })).unwrap_err().0, "ValidationException");
    assert_eq!(import(&world, &key, 1, json!({ "ImportType": "NEW_KEY_MATERIAL" })).unwrap_err().0, "IncorrectKeyMaterialException");
}

#[test]
fn t45_a_token_is_for_its_key_for_a_day_and_for_one_material() {
    let world = World::new();
    let (key, other) = (external(&world), external(&world));
    let request = wrapped(&world, &key, &[1; 32]);
    let for_other = with(request.clone(), json!({ "KeyId": other }));
    assert_eq!(world.refused::<ImportKeyMaterial>(for_other), "InvalidImportTokenException"); // [K114] [T30]
    let nonsense = with(request.clone(), json!({ "ImportToken": "AQID" }));
    assert_eq!(world.refused::<ImportKeyMaterial>(nonsense), "InvalidImportTokenException");
    let garbled = with(request.clone(), json!({ "EncryptedKeyMaterial": BASE64.encode(&[7; 256]) }));
    assert_eq!(world.refused::<ImportKeyMaterial>(garbled), "InvalidCiphertextException");
    let short = wrapped(&world, &key, &[1; 31]);
    assert_eq!(world.refused::<ImportKeyMaterial>(short), "IncorrectKeyMaterialException");

    world.pass(SignedDuration::from_secs(24 * 60 * 60 - 1));
    world.call::<ImportKeyMaterial>(request.clone()).unwrap();
    // Whoever heard no answer asks again, and gets the same.
    world.call::<ImportKeyMaterial>(request.clone()).unwrap();
    world.call::<DeleteImportedKeyMaterial>(json!({ "KeyId": key })).unwrap();
    assert_eq!(world.refused::<ImportKeyMaterial>(request.clone()), "InvalidImportTokenException");
    world.pass(SignedDuration::from_secs(1));
    assert_eq!(world.refused::<ImportKeyMaterial>(request), "ExpiredImportTokenException");
}

#[test]
fn t5_an_expired_token_stays_expired_after_a_restart_and_a_step_back() {
    let mut world = World::new();
    let key = external(&world);
    let request = wrapped(&world, &key, &[1; 32]);
    world.pass_days(2);
    assert_eq!(world.refused::<ImportKeyMaterial>(request.clone()), "ExpiredImportTokenException");
    world.pass_days(-2);
    world.reopen();
    assert_eq!(world.refused::<ImportKeyMaterial>(request), "ExpiredImportTokenException");
}

#[test]
fn k110_parameters_are_for_imported_keys_and_fresh_each_time() {
    let world = World::new();
    let own = world.create(json!({}));
    let asked = |key: &str| json!({ "KeyId": key, "WrappingAlgorithm": "RSAES_OAEP_SHA_1", "WrappingKeySpec": "RSA_2048" });
    let (code, message) = world.call::<GetParametersForImport>(asked(&own)).unwrap_err();
    assert_eq!(code, "UnsupportedOperationException");
    assert_eq!(message, format!("{own} origin is AWS_KMS which is not valid for this operation."));
    let key = external(&world);
    let once = world.call::<GetParametersForImport>(asked(&key)).unwrap();
    let again = world.call::<GetParametersForImport>(asked(&key)).unwrap();
    assert_ne!(once["PublicKey"], again["PublicKey"]);
    assert_eq!(once["ParametersValidTo"].as_f64(), Some((world.now() + 24 * 60 * 60) as f64));
    assert!(BASE64.decode(text(&once["ImportToken"]).as_bytes()).unwrap().len() <= 6144);
    for algorithm in ["RSAES_PKCS1_V1_5", "RSA_AES_KEY_WRAP_SHA_256"] {
        assert_eq!(
            world.refused::<GetParametersForImport>(with(asked(&key), json!({ "WrappingAlgorithm": algorithm }))),
            "UnsupportedOperationException"
        ); // [K111]
    }
}

#[test]
fn a1006_nothing_of_an_import_is_in_the_trail() {
    let world = World::new();
    let key = external(&world);
    let request = with(wrapped(&world, &key, &[1; 32]), json!({ "KeyMaterialDescription": "from the vault" }));
    world.call::<ImportKeyMaterial>(request.clone()).unwrap();
    let record = world.records("ImportKeyMaterial").remove(0);
    assert_eq!(
        record["requestParameters"],
        json!({ "keyId": key, "expirationModel": "KEY_MATERIAL_DOES_NOT_EXPIRE", "keyMaterialDescription": "from the vault" })
    );
    assert_eq!(record["responseElements"]["keyMaterialId"], world.metadata(&key)["CurrentKeyMaterialId"]);
    for member in ["ImportToken", "EncryptedKeyMaterial"] {
        assert!(world.store.records().iter().all(|record| !record.json.contains(&text(&request[member]))));
    }
}

#[test]
fn k90_a_key_without_material_returns_to_waiting_for_it() {
    let world = World::new();
    let key = external(&world);
    import(&world, &key, 1, json!({})).unwrap();
    world.call::<ScheduleKeyDeletion>(json!({ "KeyId": key })).unwrap();
    world.call::<DeleteImportedKeyMaterial>(json!({ "KeyId": key })).unwrap();
    assert_eq!(state(&world, &key), "PendingDeletion"); // [K119]
    world.call::<CancelKeyDeletion>(json!({ "KeyId": key })).unwrap();
    assert_eq!(state(&world, &key), "PendingImport");
    import(&world, &key, 1, json!({})).unwrap();
    world.call::<DisableKey>(json!({ "KeyId": key })).unwrap();
    import(&world, &key, 1, expiring(&world, 3)).unwrap();
    assert_eq!(state(&world, &key), "Disabled");
    world.pass_days(3);
    assert_eq!(state(&world, &key), "PendingImport");
}

#[test]
fn material_is_dropped_from_the_store_when_it_is_deleted() {
    let mut world = World::new();
    let key = external(&world);
    import(&world, &key, 1, json!({})).unwrap();
    world.call::<DeleteImportedKeyMaterial>(json!({ "KeyId": key })).unwrap();
    world.reopen();
    let stored = world.host.state().key(&key.parse().unwrap()).unwrap().clone();
    assert!(stored.materials.iter().all(|material| material.sealed.is_none())); // [T46]
}
