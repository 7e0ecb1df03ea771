"""Multi-Region keys through unmodified clients."""

import json

import pytest

from test_kms import OTHER, OWNER, policy, refused, root
from test_material import bring, records
from test_operate import keyward

HOME, AWAY, FAR = "us-east-1", "eu-west-1", "ap-south-1"


@pytest.fixture
def pair(server):
    """A primary, its replica, and clients of both Regions."""
    home, away = server.kms(), server.kms(region=AWAY)
    primary = home.create_key(MultiRegion=True)["KeyMetadata"]["Arn"]
    answer = home.replicate_key(KeyId=primary, ReplicaRegion=AWAY)
    return home, away, primary, answer["ReplicaKeyMetadata"]["Arn"]


def test_a_replica_shares_material_and_nothing_else(server, pair):
    home, away, primary, replica = pair
    assert replica == primary.replace(HOME, AWAY)
    metadata = away.describe_key(KeyId=replica)["KeyMetadata"]
    assert metadata["KeyState"] == "Enabled" and metadata["MultiRegionConfiguration"] == {
        "MultiRegionKeyType": "REPLICA",
        "PrimaryKey": {"Arn": primary, "Region": HOME},
        "ReplicaKeys": [{"Arn": replica, "Region": AWAY}],
    }  # K80
    assert metadata["CurrentKeyMaterialId"] == home.describe_key(KeyId=primary)["KeyMetadata"]["CurrentKeyMaterialId"]  # K118
    blob = home.encrypt(KeyId=primary, Plaintext=b"x", EncryptionContext={"a": "b"})["CiphertextBlob"]
    assert away.decrypt(CiphertextBlob=blob, EncryptionContext={"a": "b"})["KeyId"] == replica  # K124
    # K122, T33
    home.create_alias(AliasName="alias/app", TargetKeyId=primary)
    home.tag_resource(KeyId=primary, Tags=[{"TagKey": "team", "TagValue": "a"}])
    home.create_grant(KeyId=primary, GranteePrincipal=f"arn:aws:iam::{OTHER}:root", Operations=["Decrypt"])
    refused("NotFoundException", away.describe_key, KeyId="alias/app")
    assert away.list_resource_tags(KeyId=replica)["Tags"] == [] and away.list_grants(KeyId=replica)["Grants"] == []
    other = {region: server.kms(OTHER, region) for region in (HOME, AWAY)}
    assert other[HOME].decrypt(CiphertextBlob=blob, EncryptionContext={"a": "b"})["KeyId"] == primary
    refused("AccessDeniedException", other[AWAY].decrypt, CiphertextBlob=blob, EncryptionContext={"a": "b"})  # A602
    away.put_key_policy(KeyId=replica, Policy=policy(root(OWNER), root(OTHER, "kms:Decrypt")))
    assert other[AWAY].decrypt(CiphertextBlob=blob, EncryptionContext={"a": "b"})["KeyId"] == replica
    home.disable_key(KeyId=primary)
    assert away.decrypt(CiphertextBlob=blob, EncryptionContext={"a": "b"})["Plaintext"] == b"x"


def test_rotation_and_the_primary_move(server, pair):
    home, away, primary, replica = pair
    home.enable_key_rotation(KeyId=primary, RotationPeriodInDays=200)
    assert away.get_key_rotation_status(KeyId=replica)["RotationPeriodInDays"] == 200  # K122
    refused("UnsupportedOperationException", away.rotate_key_on_demand, KeyId=replica)
    home.rotate_key_on_demand(KeyId=primary)
    current = home.describe_key(KeyId=primary)["KeyMetadata"]["CurrentKeyMaterialId"]
    assert away.describe_key(KeyId=replica)["KeyMetadata"]["CurrentKeyMaterialId"] == current  # K106
    home.update_primary_region(KeyId=primary, PrimaryRegion=AWAY)
    assert away.describe_key(KeyId=replica)["KeyMetadata"]["MultiRegionConfiguration"]["MultiRegionKeyType"] == "PRIMARY"  # K123
    message = refused("UnsupportedOperationException", home.replicate_key, KeyId=primary, ReplicaRegion=FAR)
    assert message == f"{primary} is not a multi-region primary key."  # K120
    away.replicate_key(KeyId=replica, ReplicaRegion=FAR)
    away.rotate_key_on_demand(KeyId=replica)
    assert len({server.kms(region=region).describe_key(KeyId=primary.rsplit("/")[-1])["KeyMetadata"]["CurrentKeyMaterialId"]
                for region in (HOME, AWAY, FAR)}) == 1  # K45
    regions = [(record["awsRegion"], "invokedBy" in record["userIdentity"]) for record in records(server, "UpdatePrimaryRegion")]
    assert regions == [(HOME, False), (AWAY, True)]  # K125


def test_replicas_are_deleted_before_their_primary(server, pair):
    home, away, primary, replica = pair
    answer = home.schedule_key_deletion(KeyId=primary, PendingWindowInDays=7)
    assert answer["KeyState"] == "PendingReplicaDeletion" and "DeletionDate" not in answer  # K91
    assert home.describe_key(KeyId=primary)["KeyMetadata"]["PendingDeletionWindowInDays"] == 7
    assert refused("KMSInvalidStateException", home.encrypt, KeyId=primary, Plaintext=b"x") == f"{primary} is pending replica deletion."
    away.encrypt(KeyId=replica, Plaintext=b"x")
    home.cancel_key_deletion(KeyId=primary)
    assert home.describe_key(KeyId=primary)["KeyMetadata"]["KeyState"] == "Disabled"


def test_replication_is_asked_twice(server, pair):
    home, away, primary, replica = pair
    iam = server.client("iam")
    iam.create_user(UserName="admin")
    credentials = iam.create_access_key(UserName="admin")["AccessKey"]
    admin = server.kms(credentials=credentials)

    def allow(*statements):
        document = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **statement} for statement in statements]}
        iam.put_user_policy(UserName="admin", PolicyName="p", PolicyDocument=json.dumps(document))

    on_key = {"Action": "kms:ReplicateKey", "Resource": primary, "Condition": {"StringEquals": {"kms:ReplicaRegion": FAR}}}
    allow(on_key)
    message = refused("AccessDeniedException", admin.replicate_key, KeyId=primary, ReplicaRegion=FAR)
    assert "kms:CreateKey" in message  # A407, E114
    create = {"Action": "kms:CreateKey", "Resource": "*", "Condition": {
        "StringEquals": {"aws:RequestedRegion": FAR, "kms:MultiRegionKeyType": "REPLICA"}}}
    allow(on_key, create)
    refused("AccessDeniedException", admin.replicate_key, KeyId=primary, ReplicaRegion="us-west-2")  # A562
    tagged = {"KeyId": primary, "ReplicaRegion": FAR, "Tags": [{"TagKey": "team", "TagValue": "a"}]}
    assert "kms:TagResource" in refused("AccessDeniedException", admin.replicate_key, **tagged)
    asked = ["explain", "--as", f"arn:aws:iam::{OWNER}:user/admin", "kms:ReplicateKey", primary, "--parameter"]
    keyward(server, *asked, f"ReplicaRegion={FAR}")
    assert keyward(server, *asked, "ReplicaRegion=us-west-2", code=1).startswith("DENY  kms:ReplicateKey")
    # A701: the policy is tried where the replica will be.
    locked = policy(root(OTHER))
    refused("MalformedPolicyDocumentException", home.replicate_key, KeyId=primary, ReplicaRegion=FAR, Policy=locked)
    answer = admin.replicate_key(KeyId=primary, ReplicaRegion=FAR, Description="far")
    assert answer["ReplicaKeyMetadata"]["Description"] == "far" and answer["ReplicaKeyMetadata"]["KeyState"] == "Creating"  # K121
    (record,) = [record for record in records(server, "CreateKey") if record["awsRegion"] == FAR]
    assert record["userIdentity"]["userName"] == "admin" and record["userIdentity"]["invokedBy"] == "kms.amazonaws.com"


def test_a_replica_of_an_imported_key_imports_the_same(server):
    home, away = server.kms(), server.kms(region=AWAY)
    primary = home.create_key(MultiRegion=True, Origin="EXTERNAL")["KeyMetadata"]["Arn"]
    refused("KMSInvalidStateException", home.replicate_key, KeyId=primary, ReplicaRegion=AWAY)  # K120
    material = bytes(range(32))
    shared = bring(home, primary, material)["KeyMaterialId"]
    home.replicate_key(KeyId=primary, ReplicaRegion=AWAY)
    replica = primary.replace(HOME, AWAY)
    assert away.describe_key(KeyId=replica)["KeyMetadata"]["KeyState"] == "PendingImport"
    refused("IncorrectKeyMaterialException", bring, kms=away, key=replica, material=bytes(32))  # K114
    assert bring(away, replica, material)["KeyMaterialId"] == shared  # K118
    blob = home.encrypt(KeyId=primary, Plaintext=b"x")["CiphertextBlob"]
    assert away.decrypt(CiphertextBlob=blob)["KeyId"] == replica
