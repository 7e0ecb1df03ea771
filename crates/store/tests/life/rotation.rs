//! Rotation (K100–K107).

use jiff::SignedDuration;
use keyward_service::kms::{
    CancelKeyDeletion, CreateAlias, Decrypt, DisableKey, DisableKeyRotation, EnableKey, EnableKeyRotation, Encrypt, GetKeyRotationStatus,
    ListKeyRotations, RotateKeyOnDemand, ScheduleKeyDeletion,
};
use serde_json::{Value, json};

use crate::world::{World, text};

const DAY_S: i64 = 24 * 60 * 60;

fn status(world: &World, key: &str) -> Value {
    world.call::<GetKeyRotationStatus>(json!({ "KeyId": key })).unwrap()
}

fn rotations(world: &World, key: &str, which: &str) -> Vec<Value> {
    let listed = world.call::<ListKeyRotations>(json!({ "KeyId": key, "IncludeKeyMaterial": which })).unwrap();
    listed["Rotations"].as_array().unwrap().clone()
}

fn encrypt(world: &World, key: &str, plaintext: &str) -> String {
    text(&world.call::<Encrypt>(json!({ "KeyId": key, "Plaintext": plaintext })).unwrap()["CiphertextBlob"])
}

#[test]
fn k100_a_key_rotates_when_its_period_is_over_and_not_before() {
    let world = World::new();
    let key = world.create(json!({}));
    let first = text(&world.metadata(&key)["CurrentKeyMaterialId"]);
    let before = encrypt(&world, &key, "b2xk");
    assert_eq!(status(&world, &key), json!({ "KeyId": key, "KeyRotationEnabled": false })); // [K240]
    let begin = world.now();
    world.call::<EnableKeyRotation>(json!({ "KeyId": key, "RotationPeriodInDays": 90 })).unwrap();
    let on = status(&world, &key);
    assert_eq!((&on["KeyRotationEnabled"], &on["RotationPeriodInDays"]), (&json!(true), &json!(90)));
    assert_eq!(on["NextRotationDate"].as_f64(), Some((begin + 90 * DAY_S) as f64));

    world.pass(SignedDuration::from_secs(90 * DAY_S - 1));
    assert_eq!(text(&world.metadata(&key)["CurrentKeyMaterialId"]), first);
    world.pass(SignedDuration::from_secs(1));
    let second = text(&world.metadata(&key)["CurrentKeyMaterialId"]);
    assert_ne!(second, first);
    assert_eq!(status(&world, &key)["NextRotationDate"].as_f64(), Some((begin + 180 * DAY_S) as f64));

    // [K104] Old ciphertexts open, and say with what.
    let opened = world.call::<Decrypt>(json!({ "CiphertextBlob": before })).unwrap();
    assert_eq!((&opened["Plaintext"], &opened["KeyMaterialId"]), (&json!("b2xk"), &json!(first)));
    let after = encrypt(&world, &key, "bmV3");
    assert_eq!(world.call::<Decrypt>(json!({ "CiphertextBlob": after })).unwrap()["KeyMaterialId"], json!(second));

    // [K105]
    let listed = rotations(&world, &key, "ROTATIONS_ONLY");
    assert_eq!(listed.len(), 1);
    assert_eq!((&listed[0]["RotationType"], &listed[0]["KeyMaterialState"]), (&json!("AUTOMATIC"), &json!("CURRENT")));
    let all = rotations(&world, &key, "ALL_KEY_MATERIAL");
    assert_eq!(all.len(), 2);
    assert_eq!((&all[0]["KeyMaterialId"], &all[0]["KeyMaterialState"]), (&json!(first), &json!("NON_CURRENT")));
    assert!(all[0].get("RotationType").is_none() && all[0].get("RotationDate").is_none());
}

#[test]
fn t5_neither_a_restart_nor_a_jump_of_the_clock_loses_or_doubles_a_rotation() {
    let mut world = World::new();
    let key = world.create(json!({}));
    world.call::<EnableKeyRotation>(json!({ "KeyId": key, "RotationPeriodInDays": 100 })).unwrap();
    let count = |world: &World| rotations(world, &key, "ROTATIONS_ONLY").len();
    world.pass_days(99);
    world.reopen();
    assert_eq!(count(&world), 0);
    world.pass_days(1);
    world.reopen();
    assert_eq!(count(&world), 1);
    world.reopen();
    world.host.keep_time().unwrap();
    assert_eq!(count(&world), 1);
    // Back, and forth again: what has been stays.
    world.pass_days(-60);
    assert_eq!(count(&world), 1);
    world.pass_days(60);
    assert_eq!(count(&world), 1);
    // Ten years unseen are one rotation, and the next is a period away.
    world.pass_days(3650);
    assert_eq!(count(&world), 2);
    let next = status(&world, &key)["NextRotationDate"].as_f64().unwrap();
    assert_eq!(next, (world.now() + 100 * DAY_S) as f64);
    world.pass_days(-3650);
    world.reopen();
    assert_eq!(count(&world), 2);
    assert_eq!(world.records("RotateKey").len(), 2);
}

#[test]
fn a1011_a_rotation_is_recorded_as_the_services_own_doing() {
    let world = World::new();
    let key = world.create(json!({}));
    world.call::<EnableKeyRotation>(json!({ "KeyId": key })).unwrap();
    world.pass_days(365); // [K100]
    world.host.keep_time().unwrap();
    let records = world.records("RotateKey");
    let [record] = records.as_slice() else { panic!("one rotation: {records:?}") };
    assert_eq!(record["eventType"], "AwsServiceEvent"); // [K302]
    assert_eq!(record["userIdentity"], json!({ "accountId": "111122223333", "invokedBy": "AWS Internal" }));
    assert_eq!(record["serviceEventDetails"]["rotationType"], "AUTOMATIC");
    assert_eq!(record["serviceEventDetails"]["keyId"], key.rsplit('/').next().unwrap());
    assert_eq!(record["serviceEventDetails"]["currentKeyMaterialId"], world.metadata(&key)["CurrentKeyMaterialId"]);
    assert_eq!(record["resources"][0]["ARN"], json!(key));
    assert_eq!(record["recipientAccountId"], "111122223333");
}

#[test]
fn k103_a_disabled_key_does_not_rotate_until_it_is_enabled() {
    let world = World::new();
    let key = world.create(json!({}));
    world.call::<EnableKeyRotation>(json!({ "KeyId": key, "RotationPeriodInDays": 90 })).unwrap();
    world.call::<DisableKey>(json!({ "KeyId": key })).unwrap();
    world.pass_days(200);
    assert_eq!(status(&world, &key)["KeyRotationEnabled"], json!(true));
    assert!(rotations(&world, &key, "ROTATIONS_ONLY").is_empty());
    assert_eq!(world.refused::<EnableKeyRotation>(json!({ "KeyId": key })), "DisabledException"); // [K85]
    world.call::<EnableKey>(json!({ "KeyId": key })).unwrap();
    assert_eq!(rotations(&world, &key, "ROTATIONS_ONLY").len(), 1);
}

#[test]
fn k103_rotation_reads_as_off_while_the_key_waits_for_its_deletion() {
    let world = World::new();
    let key = world.create(json!({}));
    world.call::<EnableKeyRotation>(json!({ "KeyId": key, "RotationPeriodInDays": 90 })).unwrap();
    world.call::<ScheduleKeyDeletion>(json!({ "KeyId": key, "PendingWindowInDays": 7 })).unwrap();
    assert_eq!(status(&world, &key), json!({ "KeyId": key, "KeyRotationEnabled": false }));
    assert_eq!(world.refused::<DisableKeyRotation>(json!({ "KeyId": key })), "KMSInvalidStateException");
    world.call::<CancelKeyDeletion>(json!({ "KeyId": key })).unwrap();
    assert_eq!(status(&world, &key)["RotationPeriodInDays"], json!(90));
}

#[test]
fn k102_on_demand_twenty_five_times_and_not_beside_an_automatic_one() {
    let world = World::new();
    let key = world.create(json!({}));
    for _ in 0..25 {
        assert_eq!(world.call::<RotateKeyOnDemand>(json!({ "KeyId": key })).unwrap(), json!({ "KeyId": key })); // [K104]
    }
    let (code, message) = world.call::<RotateKeyOnDemand>(json!({ "KeyId": key })).unwrap_err();
    assert_eq!(code, "LimitExceededException");
    assert!(message.ends_with(&format!("can be performed for this key: {key}")), "{message}");
    let kinds: Vec<_> = rotations(&world, &key, "ROTATIONS_ONLY").iter().map(|rotation| text(&rotation["RotationType"])).collect();
    assert_eq!(kinds, ["ON_DEMAND"; 25]);
    // The records stand behind those of the calls.
    let last: Vec<_> = world.store.records().iter().rev().take(4).map(|record| record.event_name.clone()).collect();
    assert_eq!(last, ["ListKeyRotations", "RotateKeyOnDemand", "RotateKey", "RotateKeyOnDemand"]);

    let key = world.create(json!({}));
    world.call::<EnableKeyRotation>(json!({ "KeyId": key, "RotationPeriodInDays": 90 })).unwrap();
    let next = status(&world, &key)["NextRotationDate"].clone();
    world.call::<RotateKeyOnDemand>(json!({ "KeyId": key })).unwrap();
    assert_eq!(status(&world, &key)["NextRotationDate"], next); // [K102] the schedule stays
    world.pass(SignedDuration::from_secs(90 * DAY_S - 19 * 60));
    assert_eq!(world.refused::<RotateKeyOnDemand>(json!({ "KeyId": key })), "ConflictException");
    world.call::<DisableKey>(json!({ "KeyId": key })).unwrap();
    assert_eq!(world.refused::<RotateKeyOnDemand>(json!({ "KeyId": key })), "DisabledException");
}

#[test]
fn k92_a_key_whose_day_has_come_is_gone_for_the_next_call_and_that_is_recorded() {
    let world = World::new();
    let key = world.create(json!({}));
    world.call::<CreateAlias>(json!({ "AliasName": "alias/a", "TargetKeyId": key })).unwrap();
    world.call::<ScheduleKeyDeletion>(json!({ "KeyId": key, "PendingWindowInDays": 7 })).unwrap();
    world.pass(SignedDuration::from_secs(7 * DAY_S - 1));
    assert_eq!(world.refused::<Encrypt>(json!({ "KeyId": key, "Plaintext": "eA==" })), "KMSInvalidStateException");
    world.pass(SignedDuration::from_secs(1));
    assert_eq!(world.refused::<Encrypt>(json!({ "KeyId": key, "Plaintext": "eA==" })), "NotFoundException");
    assert_eq!(world.refused::<Encrypt>(json!({ "KeyId": "alias/a", "Plaintext": "eA==" })), "NotFoundException");
    assert_eq!(world.records("DeleteKey")[0]["resources"][0]["ARN"], json!(key)); // [A1011]
}

#[test]
fn a1010_records_say_which_material_was_used() {
    let world = World::new();
    let key = world.create(json!({}));
    let blob = encrypt(&world, &key, "eA==");
    world.call::<Decrypt>(json!({ "CiphertextBlob": blob })).unwrap();
    let material = &world.metadata(&key)["CurrentKeyMaterialId"];
    for event in ["Encrypt", "Decrypt"] {
        assert_eq!(&world.records(event)[0]["additionalEventData"]["keyMaterialId"], material);
    }
}

#[test]
fn k223_pages_of_rotations() {
    let world = World::new();
    let key = world.create(json!({}));
    for _ in 0..3 {
        world.call::<RotateKeyOnDemand>(json!({ "KeyId": key })).unwrap();
    }
    let first = world.call::<ListKeyRotations>(json!({ "KeyId": key, "Limit": 2 })).unwrap();
    assert_eq!(first["Truncated"], json!(true));
    let other = world.create(json!({}));
    assert_eq!(world.refused::<ListKeyRotations>(json!({ "KeyId": other, "Marker": first["NextMarker"] })), "InvalidMarkerException"); // [T31]
    let rest = world.call::<ListKeyRotations>(json!({ "KeyId": key, "Marker": first["NextMarker"] })).unwrap();
    assert_eq!((rest["Rotations"].as_array().unwrap().len(), &rest["Truncated"]), (1, &json!(false)));
}
