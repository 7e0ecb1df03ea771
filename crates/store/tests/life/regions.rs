//! Multi-Region keys (K120–K125).

use keyward_service::kms::{
    CancelKeyDeletion, Decrypt, DeleteImportedKeyMaterial, DisableKey, EnableKeyRotation, Encrypt, GetKeyPolicy, GetKeyRotationStatus,
    ListKeyRotations, ListResourceTags, ReplicateKey, RotateKeyOnDemand, ScheduleKeyDeletion, UpdatePrimaryRegion,
};
use serde_json::{Value, json};

use crate::material::import;
use crate::world::{HOME, World, text};

const AWAY: &str = "eu-west-1";
const FAR: &str = "ap-south-1";

fn replica_of(primary: &str, region: &str) -> String {
    primary.replace(HOME, region)
}

/// A primary with a replica.
fn pair(world: &World, input: Value) -> (String, String) {
    let primary = world.create(input);
    world.call::<ReplicateKey>(json!({ "KeyId": primary, "ReplicaRegion": AWAY })).unwrap();
    let replica = replica_of(&primary, AWAY);
    (primary, replica)
}

fn encrypt(world: &World, region: &str, key: &str) -> String {
    text(&world.call_in::<Encrypt>(region, json!({ "KeyId": key, "Plaintext": "eA==" })).unwrap()["CiphertextBlob"])
}

fn roles(world: &World, key: &str) -> (String, String, Vec<String>) {
    let configuration = &world.metadata(key)["MultiRegionConfiguration"];
    let replicas = configuration["ReplicaKeys"].as_array().unwrap().iter().map(|key| text(&key["Region"])).collect();
    (text(&configuration["MultiRegionKeyType"]), text(&configuration["PrimaryKey"]["Region"]), replicas)
}

#[test]
fn k121_a_replica_is_answered_as_it_comes_and_is_there_at_once() {
    let world = World::new();
    let primary = world.create(json!({ "MultiRegion": true, "Description": "orders", "Tags": [{ "TagKey": "a", "TagValue": "b" }] }));
    let id = primary.rsplit('/').next().unwrap().to_owned();
    assert!(id.starts_with("mrk-") && id.len() == 36); // [K40]
    assert_eq!(roles(&world, &primary), ("PRIMARY".into(), HOME.into(), vec![]));
    let answer = world.call::<ReplicateKey>(json!({ "KeyId": id, "ReplicaRegion": AWAY })).unwrap();
    let replica = replica_of(&primary, AWAY);
    let told = &answer["ReplicaKeyMetadata"];
    assert_eq!((&told["Arn"], &told["KeyState"], &told["Enabled"]), (&json!(replica), &json!("Creating"), &json!(false)));
    assert_eq!(told["Description"], json!("")); // [K122]
    assert!(told.get("CurrentKeyMaterialId").is_none());
    assert_eq!(
        told["MultiRegionConfiguration"],
        json!({
            "MultiRegionKeyType": "REPLICA",
            "PrimaryKey": { "Arn": primary, "Region": HOME },
            "ReplicaKeys": [{ "Arn": replica, "Region": AWAY }],
        })
    ); // [K240]
    assert!(text(&answer["ReplicaPolicy"]).contains("key-default-1")); // [K75]
    let metadata = world.metadata(&replica);
    assert_eq!((&metadata["KeyState"], &metadata["MultiRegion"]), (&json!("Enabled"), &json!(true)));
    assert_eq!(metadata["CurrentKeyMaterialId"], world.metadata(&primary)["CurrentKeyMaterialId"]); // [K118]
    assert_eq!(roles(&world, &primary), ("PRIMARY".into(), HOME.into(), vec![AWAY.into()]));
    let tags = world.call_in::<ListResourceTags>(AWAY, json!({ "KeyId": replica })).unwrap();
    assert_eq!(tags["Tags"], json!([]));
    let policy = world.call_in::<GetKeyPolicy>(AWAY, json!({ "KeyId": replica })).unwrap();
    assert_eq!(policy["Policy"], answer["ReplicaPolicy"]);
}

#[test]
fn k124_ciphertext_of_one_opens_under_the_other_in_its_own_region() {
    let world = World::new();
    let (primary, replica) = pair(&world, json!({ "MultiRegion": true }));
    let (here, there) = (encrypt(&world, HOME, &primary), encrypt(&world, AWAY, &replica));
    assert_eq!(world.call_in::<Decrypt>(AWAY, json!({ "CiphertextBlob": here })).unwrap()["KeyId"], json!(replica));
    assert_eq!(world.call::<Decrypt>(json!({ "CiphertextBlob": there })).unwrap()["KeyId"], json!(primary));
    assert_eq!(world.call_in::<Decrypt>(AWAY, json!({ "CiphertextBlob": here, "KeyId": replica })).unwrap()["Plaintext"], json!("eA=="));
    // [A411] [A907] Where there is no member, there is nothing.
    let refused = world.call_in::<Decrypt>(FAR, json!({ "CiphertextBlob": here })).unwrap_err();
    assert_eq!(refused.0, "AccessDeniedException");
    // Each member is switched by itself.
    world.call::<DisableKey>(json!({ "KeyId": primary })).unwrap();
    assert_eq!(world.refused::<Decrypt>(json!({ "CiphertextBlob": there })), "DisabledException");
    world.call_in::<Decrypt>(AWAY, json!({ "CiphertextBlob": here })).unwrap();
}

#[test]
fn k106_replicas_rotate_with_their_primary_and_not_alone() {
    let world = World::new();
    let (primary, replica) = pair(&world, json!({ "MultiRegion": true }));
    let old = encrypt(&world, AWAY, &replica);
    world.call::<EnableKeyRotation>(json!({ "KeyId": primary, "RotationPeriodInDays": 90 })).unwrap();
    let status = world.call_in::<GetKeyRotationStatus>(AWAY, json!({ "KeyId": replica })).unwrap();
    assert_eq!((&status["KeyId"], &status["RotationPeriodInDays"]), (&json!(replica), &json!(90))); // [K122]
    for refused in [
        world.call_in::<EnableKeyRotation>(AWAY, json!({ "KeyId": replica })).unwrap_err(),
        world.call_in::<RotateKeyOnDemand>(AWAY, json!({ "KeyId": replica })).unwrap_err(),
    ] {
        assert_eq!(refused, ("UnsupportedOperationException".into(), format!("{replica} is not a multi-region primary key."))); // [K101]
    }
    let first = world.metadata(&replica)["CurrentKeyMaterialId"].clone();
    world.pass_days(90);
    let second = world.metadata(&replica)["CurrentKeyMaterialId"].clone();
    assert_ne!(first, second);
    assert_eq!(second, world.metadata(&primary)["CurrentKeyMaterialId"]);
    world.call::<RotateKeyOnDemand>(json!({ "KeyId": primary })).unwrap();
    let new = encrypt(&world, AWAY, &replica);
    assert_eq!(world.call::<Decrypt>(json!({ "CiphertextBlob": new })).unwrap()["KeyMaterialId"], world.metadata(&primary)["CurrentKeyMaterialId"]);
    assert_eq!(world.call::<Decrypt>(json!({ "CiphertextBlob": old })).unwrap()["KeyMaterialId"], first);
    let listed = world.call_in::<ListKeyRotations>(AWAY, json!({ "KeyId": replica })).unwrap();
    let kinds: Vec<_> = listed["Rotations"].as_array().unwrap().iter().map(|rotation| text(&rotation["RotationType"])).collect();
    assert_eq!(kinds, ["AUTOMATIC", "ON_DEMAND"]);
    // [K125] Once for each: the replica, and two rotations.
    let synchronized = world.records("SynchronizeMultiRegionKey");
    assert_eq!(synchronized.len(), 3);
    assert!(synchronized.iter().all(|record| record["resources"][0]["ARN"] == json!(primary)));
    // A replica of later knows what came before it.
    world.call::<ReplicateKey>(json!({ "KeyId": primary, "ReplicaRegion": FAR })).unwrap();
    world.call_in::<Decrypt>(FAR, json!({ "CiphertextBlob": old })).unwrap();
}

#[test]
fn k120_only_a_primary_is_replicated_and_once_in_a_region() {
    let world = World::new();
    let (primary, replica) = pair(&world, json!({ "MultiRegion": true }));
    let single = world.create(json!({}));
    let refused =
        |region: &str, key: &str, to: &str| world.call_in::<ReplicateKey>(region, json!({ "KeyId": key, "ReplicaRegion": to })).unwrap_err();
    assert_eq!(refused(HOME, &single, AWAY), ("UnsupportedOperationException".into(), format!("{single} is not a multi-region primary key.")));
    assert_eq!(refused(AWAY, &replica, FAR), ("UnsupportedOperationException".into(), format!("{replica} is not a multi-region primary key.")));
    assert_eq!(refused(HOME, &primary, AWAY).0, "AlreadyExistsException");
    assert_eq!(refused(HOME, &primary, HOME).0, "AlreadyExistsException");
    assert_eq!(refused(HOME, &primary, "cn-north-1").0, "UnsupportedOperationException");
    world.call::<DisableKey>(json!({ "KeyId": primary })).unwrap();
    assert_eq!(refused(HOME, &primary, FAR).0, "DisabledException"); // [K85]
}

#[test]
fn k123_the_primary_moves_with_its_schedule() {
    let world = World::new();
    let (primary, replica) = pair(&world, json!({ "MultiRegion": true }));
    world.call::<ReplicateKey>(json!({ "KeyId": primary, "ReplicaRegion": FAR })).unwrap();
    world.call::<EnableKeyRotation>(json!({ "KeyId": primary, "RotationPeriodInDays": 90 })).unwrap();
    let none = world.call::<UpdatePrimaryRegion>(json!({ "KeyId": primary, "PrimaryRegion": "us-west-2" })).unwrap_err();
    assert_eq!(none.0, "NotFoundException");
    let refused = world.call_in::<UpdatePrimaryRegion>(AWAY, json!({ "KeyId": replica, "PrimaryRegion": FAR })).unwrap_err();
    assert_eq!(refused.0, "UnsupportedOperationException");
    assert_eq!(world.refused::<UpdatePrimaryRegion>(json!({ "KeyId": primary, "PrimaryRegion": HOME })), "UnsupportedOperationException");
    world.call::<UpdatePrimaryRegion>(json!({ "KeyId": primary, "PrimaryRegion": AWAY })).unwrap();
    assert_eq!(roles(&world, &replica), ("PRIMARY".into(), AWAY.into(), vec![FAR.into(), HOME.into()]));
    assert_eq!(roles(&world, &primary), ("REPLICA".into(), AWAY.into(), vec![FAR.into(), HOME.into()]));
    assert_eq!(roles(&world, &replica_of(&primary, FAR)).1, AWAY);
    assert_eq!(world.metadata(&primary)["KeyState"], json!("Enabled"));
    let first = world.metadata(&primary)["CurrentKeyMaterialId"].clone();
    world.pass_days(90);
    assert_ne!(world.metadata(&primary)["CurrentKeyMaterialId"], first);
    assert_eq!(world.records("RotateKey")[0]["awsRegion"], json!(AWAY));
    world.call_in::<RotateKeyOnDemand>(AWAY, json!({ "KeyId": replica })).unwrap();
    assert_eq!(world.metadata(&primary)["CurrentKeyMaterialId"], world.metadata(&replica)["CurrentKeyMaterialId"]);
    // [K125] [A1006] Both Regions have it, one from the caller and one from KMS.
    let records: Vec<Value> = world.records("UpdatePrimaryRegion").into_iter().filter(|record| record.get("errorCode").is_none()).collect();
    let told: Vec<_> = records.iter().map(|record| (text(&record["awsRegion"]), record["userIdentity"].get("invokedBy").cloned())).collect();
    assert_eq!(told, [(HOME.to_owned(), None), (AWAY.to_owned(), Some(json!("kms.amazonaws.com")))]);
    assert_eq!(records[1]["resources"][0]["ARN"], json!(replica));
}

#[test]
fn k125_a_replica_is_recorded_in_both_regions() {
    let world = World::new();
    let (primary, replica) = pair(&world, json!({ "MultiRegion": true }));
    let record = world.records("ReplicateKey").remove(0);
    assert_eq!((&record["awsRegion"], &record["requestParameters"]["replicaRegion"]), (&json!(HOME), &json!(AWAY)));
    assert_eq!(record["resources"].as_array().unwrap().len(), 1);
    assert_eq!(record["resources"][0]["ARN"], json!(primary));
    let made = world.records("CreateKey").pop().unwrap();
    assert_eq!((&made["awsRegion"], &made["resources"][0]["ARN"]), (&json!(AWAY), &json!(replica)));
    assert_eq!(made["responseElements"]["keyMetadata"]["multiRegionConfiguration"]["multiRegionKeyType"], "REPLICA");
    assert_eq!(made["requestID"], record["requestID"]);
}

#[test]
fn k91_a_primary_is_deleted_after_its_last_replica() {
    let world = World::new();
    let (primary, replica) = pair(&world, json!({ "MultiRegion": true }));
    let answer = world.call::<ScheduleKeyDeletion>(json!({ "KeyId": primary, "PendingWindowInDays": 7 })).unwrap();
    assert_eq!(answer, json!({ "KeyId": primary, "KeyState": "PendingReplicaDeletion", "PendingWindowInDays": 7 }));
    let metadata = world.metadata(&primary);
    assert_eq!((&metadata["KeyState"], &metadata["PendingDeletionWindowInDays"]), (&json!("PendingReplicaDeletion"), &json!(7)));
    assert!(metadata.get("DeletionDate").is_none());
    let (code, message) = world.call::<Encrypt>(json!({ "KeyId": primary, "Plaintext": "eA==" })).unwrap_err();
    assert_eq!((code.as_str(), message), ("KMSInvalidStateException", format!("{primary} is pending replica deletion."))); // [K84]
    world.pass_days(400);
    assert_eq!(world.metadata(&primary)["KeyState"], json!("PendingReplicaDeletion"));
    encrypt(&world, AWAY, &replica);
    world.call_in::<ScheduleKeyDeletion>(AWAY, json!({ "KeyId": replica, "PendingWindowInDays": 10 })).unwrap();
    world.pass_days(10);
    let metadata = world.metadata(&primary);
    assert_eq!(
        (&metadata["KeyState"], metadata["DeletionDate"].as_f64()),
        (&json!("PendingDeletion"), Some((world.now() + 7 * 24 * 60 * 60) as f64))
    );
    assert_eq!(roles(&world, &primary).2, Vec::<String>::new());
    world.call::<CancelKeyDeletion>(json!({ "KeyId": primary })).unwrap();
    assert_eq!(world.metadata(&primary)["KeyState"], json!("Disabled"));
    world.call::<ScheduleKeyDeletion>(json!({ "KeyId": primary, "PendingWindowInDays": 7 })).unwrap();
    world.pass_days(7);
    assert_eq!(world.refused::<Encrypt>(json!({ "KeyId": primary, "Plaintext": "eA==" })), "NotFoundException");
    assert_eq!(world.records("DeleteKey").len(), 2);
}

#[test]
fn k120_a_replica_of_an_imported_key_waits_for_the_same_material() {
    let world = World::new();
    let primary = world.create(json!({ "MultiRegion": true, "Origin": "EXTERNAL" }));
    let pending = world.call::<ReplicateKey>(json!({ "KeyId": primary, "ReplicaRegion": AWAY })).unwrap_err();
    assert_eq!(pending.0, "KMSInvalidStateException");
    let first = import(&world, &primary, 1, json!({})).unwrap();
    world.call::<ReplicateKey>(json!({ "KeyId": primary, "ReplicaRegion": AWAY })).unwrap();
    let replica = replica_of(&primary, AWAY);
    assert_eq!(world.metadata(&replica)["KeyState"], json!("PendingImport"));
    assert_eq!(import(&world, &replica, 2, json!({})).unwrap_err().0, "IncorrectKeyMaterialException"); // [K114]
    assert_eq!(import(&world, &replica, 2, json!({ "ImportType": "NEW_KEY_MATERIAL" })).unwrap_err().0, "IncorrectKeyMaterialException");
    assert_eq!(import(&world, &replica, 1, json!({})).unwrap(), first); // [K118]
    let blob = encrypt(&world, HOME, &primary);
    world.call_in::<Decrypt>(AWAY, json!({ "CiphertextBlob": blob })).unwrap();

    // [K105] New material is rotated to when every Region has it.
    let state = |key: &str, region: &str| {
        let listed = world.call_in::<ListKeyRotations>(region, json!({ "KeyId": key, "IncludeKeyMaterial": "ALL_KEY_MATERIAL" })).unwrap();
        let last = listed["Rotations"].as_array().unwrap().last().unwrap().clone();
        (text(&last["KeyMaterialState"]), text(&last["ImportState"]))
    };
    let second = import(&world, &primary, 2, json!({ "ImportType": "NEW_KEY_MATERIAL" })).unwrap();
    let waits = "PENDING_MULTI_REGION_IMPORT_AND_ROTATION".to_owned();
    assert_eq!(state(&primary, HOME), (waits.clone(), "IMPORTED".into()));
    assert_eq!(state(&replica, AWAY), (waits, "PENDING_IMPORT".into()));
    assert_eq!(world.refused::<RotateKeyOnDemand>(json!({ "KeyId": primary })), "KMSInvalidStateException");
    assert_eq!(world.metadata(&replica)["KeyState"], json!("Enabled"));
    assert_eq!(import(&world, &replica, 2, json!({})).unwrap(), second);
    assert_eq!(state(&replica, AWAY).0, "PENDING_ROTATION");
    world.call::<RotateKeyOnDemand>(json!({ "KeyId": primary })).unwrap();
    assert_eq!(world.metadata(&replica)["CurrentKeyMaterialId"], json!(second)); // [K106]

    // [K119] What only waits is forgotten everywhere; what belongs to the key goes in one Region alone.
    let third = import(&world, &primary, 3, json!({ "ImportType": "NEW_KEY_MATERIAL" })).unwrap();
    world.call::<DeleteImportedKeyMaterial>(json!({ "KeyId": primary, "KeyMaterialId": third })).unwrap();
    assert_eq!(state(&replica, AWAY).0, "CURRENT");
    world.call::<DeleteImportedKeyMaterial>(json!({ "KeyId": primary })).unwrap();
    assert_eq!(world.metadata(&primary)["KeyState"], json!("PendingImport"));
    world.call_in::<Decrypt>(AWAY, json!({ "CiphertextBlob": blob })).unwrap();
}

#[test]
fn related_keys_are_found_again_after_a_restart() {
    let mut world = World::new();
    let (primary, replica) = pair(&world, json!({ "MultiRegion": true }));
    let blob = encrypt(&world, HOME, &primary);
    world.reopen();
    assert_eq!(roles(&world, &replica), ("REPLICA".into(), HOME.into(), vec![AWAY.into()]));
    world.call_in::<Decrypt>(AWAY, json!({ "CiphertextBlob": blob })).unwrap();
}
