//! The last use of keys (K107).

use keyward_service::kms::{
    Decrypt, DescribeKey, DisableKey, Encrypt, GenerateDataKey, GetKeyLastUsage, ReEncrypt, ReplicateKey, ScheduleKeyDeletion,
};
use serde_json::{Value, json};

use crate::world::{World, text};

fn usage(world: &World, key: &str) -> Value {
    let region = key.split(':').nth(3).unwrap();
    world.call_in::<GetKeyLastUsage>(region, json!({ "KeyId": key })).unwrap()["KeyLastUsage"].take()
}

/// What the usage should be: the last record of the key.
fn of_record(record: &Value) -> (Value, Value, Value) {
    (record["eventName"].clone(), record["eventID"].clone(), record["requestID"].clone())
}

fn told(usage: &Value) -> (Value, Value, Value) {
    (usage["Operation"].clone(), usage["CloudTrailEventId"].clone(), usage["KmsRequestId"].clone())
}

#[test]
fn k107_the_last_successful_use_is_told_with_its_record() {
    let world = World::new();
    let key = world.create(json!({}));
    let answer = world.call::<GetKeyLastUsage>(json!({ "KeyId": key })).unwrap();
    assert_eq!(answer, json!({ "KeyId": key, "KeyCreationDate": world.now() as f64, "TrackingStartDate": world.now() as f64, "KeyLastUsage": {} }));
    let blob = world.call::<Encrypt>(json!({ "KeyId": key, "Plaintext": "eA==" })).unwrap()["CiphertextBlob"].clone();
    assert_eq!(told(&usage(&world, &key)), of_record(&world.records("Encrypt")[0]));
    world.pass_days(1);
    world.call::<Decrypt>(json!({ "CiphertextBlob": blob })).unwrap();
    let used = usage(&world, &key);
    assert_eq!(told(&used), of_record(&world.records("Decrypt")[0]));
    assert_eq!(used["Timestamp"].as_f64(), Some(world.now() as f64));
    // What fails, what is only tried, and what uses no material does not count.
    world.pass_days(1);
    world.call::<DescribeKey>(json!({ "KeyId": key })).unwrap();
    assert_eq!(world.refused::<Encrypt>(json!({ "KeyId": key, "Plaintext": "eA==", "DryRun": true })), "DryRunOperationException");
    assert_eq!(world.refused::<Decrypt>(json!({ "CiphertextBlob": blob, "EncryptionContext": { "a": "b" } })), "InvalidCiphertextException");
    assert_eq!(usage(&world, &key), used);
}

#[test]
fn k107_re_encrypt_is_a_use_of_both_keys_and_a_replica_is_by_itself() {
    let world = World::new();
    let (from, to) = (world.create(json!({ "MultiRegion": true })), world.create(json!({})));
    world.call::<ReplicateKey>(json!({ "KeyId": from, "ReplicaRegion": "eu-west-1" })).unwrap();
    let blob = world.call::<GenerateDataKey>(json!({ "KeyId": from, "KeySpec": "AES_256" })).unwrap()["CiphertextBlob"].clone();
    world.call::<ReEncrypt>(json!({ "CiphertextBlob": blob, "DestinationKeyId": to })).unwrap();
    for key in [&from, &to] {
        assert_eq!(usage(&world, key)["Operation"], json!("ReEncrypt"));
    }
    let replica = from.replace("us-east-1", "eu-west-1");
    assert_eq!(usage(&world, &replica), json!({}));
    world.call_in::<Decrypt>("eu-west-1", json!({ "CiphertextBlob": blob })).unwrap();
    assert_eq!(usage(&world, &replica)["Operation"], json!("Decrypt"));
    assert_eq!(usage(&world, &from)["Operation"], json!("ReEncrypt"));
}

#[test]
fn k107_what_the_store_has_is_known_after_a_restart() {
    let mut world = World::new();
    let key = world.create(json!({}));
    world.call::<Encrypt>(json!({ "KeyId": key, "Plaintext": "eA==" })).unwrap();
    let used = usage(&world, &key);
    assert_eq!(used["Operation"], json!("Encrypt"));
    world.reopen();
    assert_eq!(usage(&world, &key), used);
    world.call::<ScheduleKeyDeletion>(json!({ "KeyId": key, "PendingWindowInDays": 7 })).unwrap();
    world.pass_days(7);
    world.host.keep_time().unwrap();
    world.reopen();
    assert_eq!(world.refused::<GetKeyLastUsage>(json!({ "KeyId": key })), "NotFoundException");
}

#[test]
fn a561_a_key_in_use_may_be_kept_from_its_end() {
    let world = World::new();
    let policy = json!({ "Statement": [
        { "Effect": "Allow", "Principal": { "AWS": "arn:aws:iam::111122223333:root" }, "Action": "kms:*", "Resource": "*" },
        { "Effect": "Deny", "Principal": "*", "Action": ["kms:ScheduleKeyDeletion", "kms:DisableKey"], "Resource": "*",
          "Condition": { "NumericLessThan": { "kms:TrailingDaysWithoutKeyUsage": "30" } } },
    ] });
    let key = world.create(json!({ "Policy": policy.to_string() }));
    let refused = |world: &World| {
        assert_eq!(world.refused::<DisableKey>(json!({ "KeyId": key })), "AccessDeniedException");
        assert_eq!(world.refused::<ScheduleKeyDeletion>(json!({ "KeyId": key })), "AccessDeniedException");
    };
    world.pass_days(29);
    refused(&world);
    world.call::<Encrypt>(json!({ "KeyId": key, "Plaintext": "eA==" })).unwrap();
    world.pass_days(29);
    refused(&world);
    world.pass_days(1);
    world.call::<DisableKey>(json!({ "KeyId": key })).unwrap();
    assert_eq!(text(&world.call::<ScheduleKeyDeletion>(json!({ "KeyId": key })).unwrap()["KeyState"]), "PendingDeletion");
}
