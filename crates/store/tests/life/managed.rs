//! AWS managed keys (A803).

use keyward_authz::{CallFacts, Via};
use keyward_service::kms::{
    CreateGrant, Decrypt, DescribeKey, DisableKey, DisableKeyRotation, EnableKeyRotation, Encrypt, GenerateDataKey, GetKeyPolicy,
    GetKeyRotationStatus, ListAliases, ListKeys, PutKeyPolicy, RotateKeyOnDemand, ScheduleKeyDeletion, TagResource, UpdateKeyDescription,
};
use serde_json::{Value, json};

use crate::world::{HOME, World, text};

/// As a call comes that a service forwards.
fn through(service: &str) -> CallFacts {
    let mut facts = CallFacts::new(HOME.parse().unwrap());
    facts.via = Some(Via::service_door(format!("{service}.{HOME}.amazonaws.com")));
    facts
}

fn key_of(world: &World, alias: &str) -> Value {
    world.call::<DescribeKey>(json!({ "KeyId": alias })).unwrap()["KeyMetadata"].take()
}

#[test]
fn k53_describing_the_alias_makes_the_key_once() {
    let mut world = World::new();
    let metadata = key_of(&world, "alias/aws/s3");
    assert_eq!((&metadata["KeyManager"], &metadata["KeyState"]), (&json!("AWS"), &json!("Enabled")));
    assert_eq!(key_of(&world, "arn:aws:kms:us-east-1:111122223333:alias/aws/s3")["Arn"], metadata["Arn"]);
    world.reopen();
    assert_eq!(key_of(&world, "alias/aws/s3")["Arn"], metadata["Arn"]);
    assert_eq!(world.call::<ListKeys>(json!({})).unwrap()["Keys"].as_array().unwrap().len(), 1);
    let aliases = world.call::<ListAliases>(json!({})).unwrap();
    assert_eq!(aliases["Aliases"][0]["TargetKeyId"], metadata["KeyId"]);
    let elsewhere = world.call_in::<DescribeKey>("eu-west-1", json!({ "KeyId": "alias/aws/s3" })).unwrap();
    assert_ne!(elsewhere["KeyMetadata"]["KeyId"], metadata["KeyId"]);
    assert_eq!(world.records("CreateKey").len(), 2); // [A1011]
    // AWS has no such service.
    assert_eq!(world.refused::<DescribeKey>(json!({ "KeyId": "alias/aws/nonsense" })), "NotFoundException");
    assert_eq!(world.refused::<DescribeKey>(json!({ "KeyId": "alias/app/aws/s3" })), "NotFoundException");
}

#[test]
fn a803_a_service_uses_its_key_for_the_account_and_nobody_else_does() {
    let world = World::new();
    let asked = || json!({ "KeyId": "alias/aws/ebs", "KeySpec": "AES_256" });
    assert_eq!(world.refused::<GenerateDataKey>(asked()), "NotFoundException"); // a direct call makes none
    assert_eq!(world.call_with::<GenerateDataKey>(through("s3"), asked()).unwrap_err().0, "NotFoundException");
    let made = world.call_with::<GenerateDataKey>(through("ec2"), asked()).unwrap();
    let key = text(&made["KeyId"]);
    assert_eq!(key_of(&world, "alias/aws/ebs")["Arn"], json!(key));
    let blob = json!({ "CiphertextBlob": made["CiphertextBlob"] });
    world.call_with::<Decrypt>(through("ec2"), blob.clone()).unwrap();
    assert_eq!(world.refused::<Decrypt>(blob.clone()), "AccessDeniedException");
    assert_eq!(world.call_with::<Decrypt>(through("s3"), blob).unwrap_err().0, "AccessDeniedException");
    assert_eq!(world.refused::<Encrypt>(json!({ "KeyId": key, "Plaintext": "eA==" })), "AccessDeniedException");
}

#[test]
fn k88_nobody_changes_them() {
    let world = World::new();
    let key = text(&key_of(&world, "alias/aws/s3")["Arn"]);
    let named = || json!({ "KeyId": key });
    world.call::<GetKeyPolicy>(named()).unwrap();
    let refused = [
        world.refused::<DisableKey>(named()),
        world.refused::<ScheduleKeyDeletion>(named()),
        world.refused::<EnableKeyRotation>(named()),
        world.refused::<DisableKeyRotation>(named()),
        world.refused::<RotateKeyOnDemand>(named()),
        world.refused::<UpdateKeyDescription>(json!({ "KeyId": key, "Description": "mine" })),
        world.refused::<PutKeyPolicy>(json!({ "KeyId": key, "Policy": "{}", "BypassPolicyLockoutSafetyCheck": true })),
        world.refused::<TagResource>(json!({ "KeyId": key, "Tags": [] })), // [K131]
        world.refused::<CreateGrant>(json!({ "KeyId": key, "GranteePrincipal": "arn:aws:iam::111122223333:root", "Operations": ["Decrypt"] })),
    ];
    assert!(refused.iter().all(|code| code == "AccessDeniedException"), "{refused:?}");
}

#[test]
fn k103_they_rotate_every_year() {
    let world = World::new();
    let first = key_of(&world, "alias/aws/s3");
    let status = world.call::<GetKeyRotationStatus>(json!({ "KeyId": first["Arn"] })).unwrap();
    assert_eq!((&status["KeyRotationEnabled"], &status["RotationPeriodInDays"]), (&json!(true), &json!(365)));
    world.pass_days(365);
    assert_ne!(key_of(&world, "alias/aws/s3")["CurrentKeyMaterialId"], first["CurrentKeyMaterialId"]);
}
