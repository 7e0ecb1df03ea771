"""The life of key material: rotation. The clock is moved in the tests of `crates/store`; here clients of AWS are asked."""

import datetime
import json
import os
import signal

import pytest

from conftest import Server
from test_kms import OWNER, refused
from test_operate import keyward

DAY = datetime.timedelta(days=1)


def records(server, event):
    return [json.loads(line) for line in keyward(server, "trail", "query", "--event", event).splitlines()]


def test_rotation_through_the_api(server):
    kms = server.kms()
    key = kms.create_key()["KeyMetadata"]
    arn, first = key["Arn"], key["CurrentKeyMaterialId"]
    assert kms.get_key_rotation_status(KeyId=arn)["KeyRotationEnabled"] is False  # K103
    message = refused("ValidationException", kms.enable_key_rotation, KeyId=arn, RotationPeriodInDays=2561)
    assert "'rotationPeriodInDays'" in message and "less than or equal to 2560" in message  # K100
    before = datetime.datetime.now(datetime.timezone.utc)
    kms.enable_key_rotation(KeyId=arn, RotationPeriodInDays=180)
    status = kms.get_key_rotation_status(KeyId=arn)
    assert status["KeyRotationEnabled"] and status["RotationPeriodInDays"] == 180 and status["KeyId"] == arn
    assert abs(status["NextRotationDate"] - before - 180 * DAY) < datetime.timedelta(seconds=30)
    kms.enable_key_rotation(KeyId=arn)
    assert kms.get_key_rotation_status(KeyId=arn)["RotationPeriodInDays"] == 365  # K100

    old = kms.encrypt(KeyId=arn, Plaintext=b"old", EncryptionContext={"a": "b"})["CiphertextBlob"]
    assert kms.rotate_key_on_demand(KeyId=arn)["KeyId"] == arn  # K104
    second = kms.describe_key(KeyId=arn)["KeyMetadata"]["CurrentKeyMaterialId"]
    assert second != first
    opened = kms.decrypt(CiphertextBlob=old, EncryptionContext={"a": "b"})
    assert (opened["Plaintext"], opened["KeyMaterialId"]) == (b"old", first)
    assert kms.generate_data_key(KeyId=arn, KeySpec="AES_256")["KeyMaterialId"] == second  # K155
    moved = kms.re_encrypt(CiphertextBlob=old, SourceEncryptionContext={"a": "b"}, DestinationKeyId=arn)
    assert (moved["SourceKeyMaterialId"], moved["DestinationKeyMaterialId"]) == (first, second)

    (rotation,) = kms.list_key_rotations(KeyId=arn)["Rotations"]
    assert (rotation["RotationType"], rotation["KeyMaterialId"], rotation["KeyMaterialState"]) == ("ON_DEMAND", second, "CURRENT")
    everything = kms.list_key_rotations(KeyId=arn, IncludeKeyMaterial="ALL_KEY_MATERIAL")["Rotations"]
    assert [entry["KeyMaterialId"] for entry in everything] == [first, second]  # K105
    kms.disable_key_rotation(KeyId=arn)
    assert kms.get_key_rotation_status(KeyId=arn) | {"ResponseMetadata": 0} == {
        "KeyId": arn, "KeyRotationEnabled": False, "ResponseMetadata": 0}  # K240

    (event,) = records(server, "RotateKey")
    assert event["eventType"] == "AwsServiceEvent" and event["serviceEventDetails"]["rotationType"] == "ON_DEMAND"  # A1011
    assert records(server, "ReEncrypt")[0]["additionalEventData"] == {
        "sourceKeyMaterialId": first, "destinationKeyMaterialId": second}  # A1010


def test_a_rotation_that_was_answered_survives_a_kill(server):
    kms = server.kms()
    arn = kms.create_key()["KeyMetadata"]["Arn"]
    blob = kms.encrypt(KeyId=arn, Plaintext=b"x")["CiphertextBlob"]
    kms.enable_key_rotation(KeyId=arn, RotationPeriodInDays=90)
    status = kms.get_key_rotation_status(KeyId=arn)
    kms.rotate_key_on_demand(KeyId=arn)
    material = kms.describe_key(KeyId=arn)["KeyMetadata"]["CurrentKeyMaterialId"]
    server.stop(signal.SIGKILL)
    kms = server.start().kms()
    assert kms.describe_key(KeyId=arn)["KeyMetadata"]["CurrentKeyMaterialId"] == material
    assert kms.get_key_rotation_status(KeyId=arn)["NextRotationDate"] == status["NextRotationDate"]
    assert kms.decrypt(CiphertextBlob=blob)["Plaintext"] == b"x"


def test_the_period_decides_who_may_turn_rotation_on(server):
    kms = server.kms()
    short = {"Sid": "Short", "Effect": "Deny", "Principal": "*", "Action": "kms:EnableKeyRotation", "Resource": "*",
             "Condition": {"NumericGreaterThan": {"kms:RotationPeriodInDays": "180"}}}
    root = {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{OWNER}:root"}, "Action": "kms:*", "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [root, short]})
    arn = kms.create_key(Policy=policy)["KeyMetadata"]["Arn"]
    refused("AccessDeniedException", kms.enable_key_rotation, KeyId=arn)  # A502, A560
    kms.enable_key_rotation(KeyId=arn, RotationPeriodInDays=180)
    asked = keyward(server, "explain", "--as", f"arn:aws:iam::{OWNER}:root", "kms:EnableKeyRotation", arn, code=1)
    assert asked.startswith("DENY") and "Short" in asked
    keyward(server, "explain", "--as", f"arn:aws:iam::{OWNER}:root", "kms:EnableKeyRotation", arn, "--parameter", "RotationPeriodInDays=90")


SEED = """
accounts:
  "111122223333":
    keys:
      1234abcd-12ab-34cd-56ef-1234567890ab:
        region: us-east-1
        rotation_days: 120
"""


@pytest.fixture
def seeded(tmp_path):
    file = tmp_path / "seed.yaml"
    file.write_text(SEED)
    server = Server(tmp_path, "--seed", str(file)).start()
    yield server
    if server.process.poll() is None:
        server.stop()


def test_a_seed_turns_rotation_on_once(seeded):
    key = "1234abcd-12ab-34cd-56ef-1234567890ab"
    status = seeded.kms().get_key_rotation_status(KeyId=key)
    assert status["RotationPeriodInDays"] == 120
    seeded.stop()
    assert seeded.start().kms().get_key_rotation_status(KeyId=key)["NextRotationDate"] == status["NextRotationDate"]
