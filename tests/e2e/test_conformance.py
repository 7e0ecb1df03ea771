"""Every operation that is served answers as AWS's model says, and every operation of the model is served or named here.

Answers are checked wherever a test has a client of KMS (`conformance.py`); here every operation succeeds at least once.
"""

import base64
import json
import pathlib
import re
import uuid

from botocore import xform_name
from botocore.exceptions import ClientError
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.serialization import load_der_public_key

import conformance
from conftest import signed_json
from test_kms import OTHER, OWNER

# Operations that this release does not serve. The list only shrinks.
GAPS = set()

# Operations that succeed only with something beside the server; the tests of each are named.
ELSEWHERE = {
    "ConnectCustomKeyStore": "test_key_stores",
    "CreateCustomKeyStore": "test_key_stores",
    "DeleteCustomKeyStore": "test_key_stores",
    "DisconnectCustomKeyStore": "test_key_stores",
    "UpdateCustomKeyStore": "test_key_stores",
}


def is_served(server, operation):
    _, answer = signed_json(server, server.credentials[OWNER], "kms", f"TrentService.{operation}")
    return answer.get("message") != f"{operation} is not supported by this release of Keyward"


def test_every_operation_of_the_model_is_served_or_named(server):
    names = set(conformance.MODEL.operation_names)
    missing = {name for name in names if not is_served(server, name)}
    assert len(names) == 56
    assert missing - GAPS == set(), "these are not served, and nobody says so"
    assert GAPS - missing == set(), "these are served now: take them from the list"


class World:
    """A server, and what operations need."""

    def __init__(self, server):
        self.server = server
        self.seen = []
        self.kms = conformance.watch(server.kms(), self.seen)
        self.symmetric = self.key()

    def key(self, **parameters):
        return self.kms.create_key(**parameters)["KeyMetadata"]["Arn"]

    def of(self, spec, usage):
        return self.key(KeySpec=spec, KeyUsage=usage)

    def blob(self, key=None):
        return self.kms.encrypt(KeyId=key or self.symmetric, Plaintext=b"x")["CiphertextBlob"]

    def grant(self):
        root = f"arn:aws:iam::{OWNER}:root"
        return self.kms.create_grant(KeyId=self.symmetric, GranteePrincipal=root, RetiringPrincipal=root, Operations=["Decrypt", "DescribeKey"])

    def alias(self):
        name = f"alias/{uuid.uuid4()}"
        self.kms.create_alias(AliasName=name, TargetKeyId=self.symmetric)
        return name

    def pending(self):
        key = self.key()
        self.kms.schedule_key_deletion(KeyId=key)
        return key

    def replicated(self):
        key = self.key(MultiRegion=True)
        self.kms.replicate_key(KeyId=key, ReplicaRegion="eu-west-1")
        return key


def signature(world):
    key = world.of("ECC_NIST_P256", "SIGN_VERIFY")
    return {"KeyId": key, "Message": b"m", "SigningAlgorithm": "ECDSA_SHA_256"}


def mac(world):
    return {"KeyId": world.of("HMAC_256", "GENERATE_VERIFY_MAC"), "Message": b"m", "MacAlgorithm": "HMAC_SHA_256"}


def capsule(world):
    return {"KeyId": world.of("ML_KEM_768", "ENCAPSULATE_DECAPSULATE"), "EncapsulationAlgorithm": "ML_KEM"}


def agreement(world):
    key = world.of("ECC_NIST_P256", "KEY_AGREEMENT")
    peer = world.kms.get_public_key(KeyId=world.of("ECC_NIST_P256", "KEY_AGREEMENT"))["PublicKey"]
    return {"KeyId": key, "KeyAgreementAlgorithm": "ECDH", "PublicKey": peer}


def imported(world):
    """Parameters that import material into a new key."""
    public = {"KeyId": world.key(Origin="EXTERNAL"), "WrappingAlgorithm": "RSAES_OAEP_SHA_256", "WrappingKeySpec": "RSA_2048"}
    terms = world.kms.get_parameters_for_import(**public)
    oaep = padding.OAEP(mgf=padding.MGF1(hashes.SHA256()), algorithm=hashes.SHA256(), label=None)
    wrapped = load_der_public_key(terms["PublicKey"]).encrypt(bytes(range(32)), oaep)
    expiry = {"ExpirationModel": "KEY_MATERIAL_DOES_NOT_EXPIRE"}
    return {"KeyId": public["KeyId"], "ImportToken": terms["ImportToken"], "EncryptedKeyMaterial": wrapped, **expiry}


def with_material(world):
    terms = imported(world)
    world.kms.import_key_material(**terms)
    return {"KeyId": terms["KeyId"]}


# Parameters with which each operation succeeds.
CALLS = {
    "CancelKeyDeletion": lambda world: {"KeyId": world.pending()},
    "CreateAlias": lambda world: {"AliasName": "alias/conforming", "TargetKeyId": world.symmetric},
    "CreateGrant": lambda world: {"KeyId": world.symmetric, "GranteePrincipal": f"arn:aws:iam::{OTHER}:root", "Operations": ["Decrypt"]},
    "CreateKey": lambda world: {"Description": "d", "Tags": [{"TagKey": "a", "TagValue": "b"}]},
    "Decapsulate": lambda world: (lambda terms: {
        **terms, "SharedSecretCiphertextBlob": world.kms.encapsulate(**terms)["SharedSecretCiphertextBlob"]})(capsule(world)),
    "Decrypt": lambda world: {"CiphertextBlob": world.blob()},
    "DeleteAlias": lambda world: {"AliasName": world.alias()},
    "DeleteImportedKeyMaterial": with_material,
    "DeriveSharedSecret": agreement,
    "DescribeCustomKeyStores": lambda world: {},
    "DescribeKey": lambda world: {"KeyId": world.symmetric},
    "DisableKey": lambda world: {"KeyId": world.key()},
    "DisableKeyRotation": lambda world: {"KeyId": world.symmetric},
    "EnableKey": lambda world: {"KeyId": world.symmetric},
    "EnableKeyRotation": lambda world: {"KeyId": world.symmetric},
    "Encapsulate": capsule,
    "Encrypt": lambda world: {"KeyId": world.symmetric, "Plaintext": b"x", "EncryptionContext": {"a": "b"}},
    "GenerateDataKey": lambda world: {"KeyId": world.symmetric, "KeySpec": "AES_128"},
    "GenerateDataKeyPair": lambda world: {"KeyId": world.symmetric, "KeyPairSpec": "ECC_NIST_P256"},
    "GenerateDataKeyPairWithoutPlaintext": lambda world: {"KeyId": world.symmetric, "KeyPairSpec": "ECC_NIST_P256"},
    "GenerateDataKeyWithoutPlaintext": lambda world: {"KeyId": world.symmetric, "NumberOfBytes": 7},
    "GenerateMac": mac,
    "GenerateRandom": lambda world: {"NumberOfBytes": 7},
    "GetKeyLastUsage": lambda world: {"KeyId": world.symmetric},
    "GetKeyPolicy": lambda world: {"KeyId": world.symmetric},
    "GetKeyRotationStatus": lambda world: {"KeyId": world.symmetric},
    "GetParametersForImport": lambda world: {
        "KeyId": world.key(Origin="EXTERNAL"), "WrappingAlgorithm": "RSAES_OAEP_SHA_256", "WrappingKeySpec": "RSA_2048"},
    "GetPublicKey": lambda world: {"KeyId": world.of("ECC_NIST_P256", "SIGN_VERIFY")},
    "ImportKeyMaterial": imported,
    "ListAliases": lambda world: {"KeyId": world.alias() and world.symmetric},
    "ListGrants": lambda world: {"KeyId": world.grant() and world.symmetric},
    "ListKeyPolicies": lambda world: {"KeyId": world.symmetric},
    "ListKeyRotations": lambda world: {"KeyId": world.symmetric, "IncludeKeyMaterial": "ALL_KEY_MATERIAL"},
    "ListKeys": lambda world: {},
    "ListResourceTags": lambda world: {"KeyId": world.key(Tags=[{"TagKey": "a", "TagValue": "b"}])},
    "ListRetirableGrants": lambda world: {"RetiringPrincipal": world.grant() and f"arn:aws:iam::{OWNER}:root"},
    "PutKeyPolicy": lambda world: {"KeyId": world.symmetric, "Policy": world.kms.get_key_policy(KeyId=world.symmetric)["Policy"]},
    "ReEncrypt": lambda world: {"CiphertextBlob": world.blob(), "DestinationKeyId": world.key()},
    "ReplicateKey": lambda world: {"KeyId": world.key(MultiRegion=True), "ReplicaRegion": "eu-west-1"},
    "RetireGrant": lambda world: {"GrantToken": world.grant()["GrantToken"]},
    "RevokeGrant": lambda world: {"KeyId": world.symmetric, "GrantId": world.grant()["GrantId"]},
    "RotateKeyOnDemand": lambda world: {"KeyId": world.symmetric},
    "ScheduleKeyDeletion": lambda world: {"KeyId": world.key(), "PendingWindowInDays": 7},
    "Sign": signature,
    "TagResource": lambda world: {"KeyId": world.symmetric, "Tags": [{"TagKey": "a", "TagValue": ""}]},
    "UntagResource": lambda world: {"KeyId": world.symmetric, "TagKeys": ["a", "absent"]},
    "UpdateAlias": lambda world: {"AliasName": world.alias(), "TargetKeyId": world.key()},
    "UpdateKeyDescription": lambda world: {"KeyId": world.symmetric, "Description": "new"},
    "UpdatePrimaryRegion": lambda world: {"KeyId": world.replicated(), "PrimaryRegion": "eu-west-1"},
    "Verify": lambda world: (lambda terms: {**terms, "Signature": world.kms.sign(**terms)["Signature"]})(signature(world)),
    "VerifyMac": lambda world: (lambda terms: {**terms, "Mac": world.kms.generate_mac(**terms)["Mac"]})(mac(world)),
}


def test_every_served_operation_succeeds_in_aws_shape(server):
    world = World(server)
    for name in conformance.MODEL.operation_names:
        if name in GAPS:
            continue
        if name in ELSEWHERE:
            assert pathlib.Path(__file__).with_name(f"{ELSEWHERE[name]}.py").exists(), name
            continue
        method = getattr(world.kms, xform_name(name))
        method(**CALLS[name](world))
        assert (name, "ok") in world.seen, name


def test_errors_are_those_of_the_model(server):
    """One request after another in which everything is wrong that can be, for every operation."""
    world = World(server)
    kms, disabled, pending = world.kms, world.key(), world.pending()
    kms.disable_key(KeyId=disabled)
    absent = str(uuid.uuid4())
    named = {"TargetKeyId": "CreateAlias", "DestinationKeyId": "ReEncrypt"}
    codes = set()
    for name in sorted(set(CALLS) - GAPS):
        shape = conformance.MODEL.operation_model(name).input_shape
        member = next((member for member in ("KeyId", *named) if member in shape.members), None)
        if member is None:
            continue
        for key in (absent, "nonsense", "alias/absent", "arn:aws:kms:nonsense", disabled, pending, world.symmetric.replace("us-east-1", "eu-west-1")):
            try:
                getattr(kms, xform_name(name))(**{**CALLS[name](world), member: key})
            except ClientError as error:
                codes.add((name, error.response["Error"]["Code"]))
    # The check of each answer is in the client; here, that many kinds of errors were met at all.
    assert len({code for _, code in codes}) >= 6, codes


def test_members_that_aws_does_not_know_are_ignored(server):
    """K6"""
    world = World(server)
    credentials = server.credentials[OWNER]
    for name in sorted(set(CALLS) - GAPS):
        body = json.loads(json.dumps(CALLS[name](world), default=lambda value: base64.b64encode(value).decode()))
        status, answer = signed_json(server, credentials, "kms", f"TrentService.{name}", {**body, "Unheard": {"Of": [1]}, "keyId": 7})
        assert status == 200, (name, answer)


def test_the_check_finds_what_is_wrong():
    describe = conformance.MODEL.operation_model("DescribeKey")
    headers = {"x-amzn-requestid": str(uuid.uuid4()), "content-type": "application/x-amz-json-1.1"}

    def faults(status, body, headers=headers):
        return list(conformance.faults(describe, status, headers, json.dumps(body).encode() if body is not None else b""))

    key = {"KeyId": "a", "KeyState": "Enabled", "CreationDate": 1.123, "Enabled": True, "EncryptionAlgorithms": ["SYMMETRIC_DEFAULT"]}
    assert faults(200, {"KeyMetadata": key}) == []
    for change, expected in [
        ({"KeyState": "Fine"}, "KeyState"),
        ({"CreationDate": "2026"}, "CreationDate"),
        ({"CreationDate": 1.1234}, "CreationDate"),
        ({"Enabled": 1}, "Enabled"),
        ({"Colour": "red"}, "Colour is unknown"),
        ({"Description": None}, "Description"),
        ({"EncryptionAlgorithms": ["ROT13"]}, "EncryptionAlgorithms[0]"),
    ]:
        (fault,) = faults(200, {"KeyMetadata": {**key, **change}})
        assert expected in fault
    assert faults(200, {"KeyMetadata": {}}) == ["DescribeKey.KeyMetadata.KeyId is missing"]
    assert faults(200, None) == ["200 without a body"]
    assert faults(200, {"KeyMetadata": key}, {}) != []
    assert faults(400, {"__type": "NotFoundException", "message": "m"}) == []
    assert faults(400, {"__type": "AccessDeniedException", "Message": "m"}) == []
    assert faults(400, {"__type": "AlreadyExistsException", "message": "m"}) == ["AlreadyExistsException is no error of DescribeKey"]
    assert faults(500, {"__type": "NotFoundException", "message": "m"}) == ["NotFoundException has the status 500"]
    assert faults(400, {"__type": "NotFoundException", "Message": "m"}) != []
