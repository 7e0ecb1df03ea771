"""The life of key material: rotation, import. The clock is moved in the tests of `crates/store`; here clients of AWS are asked."""

import base64
import datetime
import json
import os
import signal
import subprocess
import time

import pytest
from cryptography.hazmat.primitives import hashes, hmac, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.keywrap import aes_key_wrap_with_padding

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
      1234abcd-12ab-34cd-56ef-1234567890ac:
        region: us-east-1
        origin: EXTERNAL
      1234abcd-12ab-34cd-56ef-1234567890ad:
        region: us-east-1
        origin: EXTERNAL
        material: AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=
        aliases: [alias/imported]
      mrk-1234abcd12ab34cd56ef1234567890ae:
        region: us-east-1
        aliases: [alias/orders]
        replicas:
          eu-west-1:
            aliases: [alias/orders]
            tags: {team: europe}
            grants: {"to-app": {grantee: "arn:aws:iam::111122223333:root", operations: [Decrypt]}}
"""


@pytest.fixture
def seeded(tmp_path):
    file = tmp_path / "seed.yaml"
    file.write_text(SEED)
    server = Server(tmp_path, "--seed", str(file)).start()
    yield server
    if server.process.poll() is None:
        server.stop()


def test_a_seed_has_rotation_imported_material_and_replicas(seeded):
    key = "1234abcd-12ab-34cd-56ef-1234567890a"
    kms, away = seeded.kms(), seeded.kms(region="eu-west-1")
    status = kms.get_key_rotation_status(KeyId=f"{key}b")
    assert status["RotationPeriodInDays"] == 120
    assert kms.describe_key(KeyId=f"{key}c")["KeyMetadata"]["KeyState"] == "PendingImport"
    imported = kms.describe_key(KeyId="alias/imported")["KeyMetadata"]
    assert (imported["KeyState"], imported["ExpirationModel"]) == ("Enabled", "KEY_MATERIAL_DOES_NOT_EXPIRE")
    assert bring(kms, imported["Arn"], bytes(32))["KeyMaterialId"] == imported["CurrentKeyMaterialId"]
    blob = kms.encrypt(KeyId="alias/orders", Plaintext=b"x")["CiphertextBlob"]
    replica = away.decrypt(CiphertextBlob=blob, KeyId="alias/orders")["KeyId"]  # K124
    assert away.list_resource_tags(KeyId=replica)["Tags"] == [{"TagKey": "team", "TagValue": "europe"}]
    assert len(away.list_grants(KeyId=replica)["Grants"]) == 1 and kms.list_grants(KeyId=imported["Arn"])["Grants"] == []
    bring(kms, f"{key}c", bytes(32))
    kms.update_primary_region(KeyId=replica.rsplit("/")[-1], PrimaryRegion="eu-west-1")
    seeded.stop()
    kms = seeded.start().kms()
    assert kms.get_key_rotation_status(KeyId=f"{key}b")["NextRotationDate"] == status["NextRotationDate"]
    assert kms.describe_key(KeyId=f"{key}c")["KeyMetadata"]["KeyState"] == "Enabled"
    assert kms.describe_key(KeyId="alias/orders")["KeyMetadata"]["MultiRegionConfiguration"]["MultiRegionKeyType"] == "REPLICA"
    assert seeded.kms(region="eu-west-1").decrypt(CiphertextBlob=blob)["Plaintext"] == b"x"


def parameters(kms, key, algorithm="RSAES_OAEP_SHA_256", spec="RSA_2048"):
    return kms.get_parameters_for_import(KeyId=key, WrappingAlgorithm=algorithm, WrappingKeySpec=spec)


def wrap(answer, material, algorithm="RSAES_OAEP_SHA_256"):
    """What a client makes of the parameters, with a library that is not ours."""
    sha = hashes.SHA1() if algorithm.endswith("SHA_1") else hashes.SHA256()
    public = serialization.load_der_public_key(answer["PublicKey"])
    oaep = padding.OAEP(mgf=padding.MGF1(sha), algorithm=sha, label=None)
    if not algorithm.startswith("RSA_AES"):
        return public.encrypt(material, oaep)
    aes_key = os.urandom(32)
    return public.encrypt(aes_key, oaep) + aes_key_wrap_with_padding(aes_key, material)


def bring(kms, key, material, algorithm="RSAES_OAEP_SHA_256", spec="RSA_2048", **more):
    answer = parameters(kms, key, algorithm, spec)
    more.setdefault("ExpirationModel", "KEY_MATERIAL_DOES_NOT_EXPIRE")
    return kms.import_key_material(
        KeyId=key, ImportToken=answer["ImportToken"], EncryptedKeyMaterial=wrap(answer, material, algorithm), **more)


@pytest.mark.parametrize("algorithm", ["RSAES_OAEP_SHA_1", "RSAES_OAEP_SHA_256"])
@pytest.mark.parametrize("spec", ["RSA_2048", "RSA_3072", "RSA_4096"])
def test_material_made_elsewhere_is_imported(server, algorithm, spec):
    kms = server.kms()
    key = kms.create_key(Origin="EXTERNAL")["KeyMetadata"]
    assert key["KeyState"] == "PendingImport" and "CurrentKeyMaterialId" not in key  # K240
    answer = bring(kms, key["Arn"], os.urandom(32), algorithm, spec)
    assert answer["KeyId"] == key["Arn"]
    metadata = kms.describe_key(KeyId=key["Arn"])["KeyMetadata"]
    assert metadata["KeyState"] == "Enabled" and metadata["CurrentKeyMaterialId"] == answer["KeyMaterialId"]  # K115
    assert metadata["ExpirationModel"] == "KEY_MATERIAL_DOES_NOT_EXPIRE"
    blob = kms.encrypt(KeyId=key["Arn"], Plaintext=b"x")["CiphertextBlob"]
    assert kms.decrypt(CiphertextBlob=blob)["KeyMaterialId"] == answer["KeyMaterialId"]


def test_what_imports_refuse(server):
    kms = server.kms()
    own = kms.create_key()["KeyMetadata"]["Arn"]
    message = refused("UnsupportedOperationException", parameters, kms=kms, key=own)
    assert message == f"{own} origin is AWS_KMS which is not valid for this operation."  # K110
    key = kms.create_key(Origin="EXTERNAL")["KeyMetadata"]["Arn"]
    other = kms.create_key(Origin="EXTERNAL")["KeyMetadata"]["Arn"]
    answer = parameters(kms, key)
    proper = {"KeyId": key, "ImportToken": answer["ImportToken"], "EncryptedKeyMaterial": wrap(answer, bytes(32))}
    endless = {"ExpirationModel": "KEY_MATERIAL_DOES_NOT_EXPIRE"}
    message = refused("ValidationException", kms.import_key_material, **proper)
    assert message == "A validTo date must be set if the ExpirationModel is KEY_MATERIAL_EXPIRES"  # K113
    past = datetime.datetime.now(datetime.timezone.utc) - DAY
    assert refused("ValidationException", kms.import_key_material, **proper, ValidTo=past) == "ValidTo must be in the future"
    # K114
    refused("InvalidImportTokenException", kms.import_key_material, **{**proper, "KeyId": other}, **endless)
    refused("InvalidImportTokenException", kms.import_key_material, **{**proper, "ImportToken": b"x"}, **endless)
    refused("InvalidCiphertextException", kms.import_key_material, **{**proper, "EncryptedKeyMaterial": bytes(256)}, **endless)
    refused("IncorrectKeyMaterialException", bring, kms=kms, key=key, material=bytes(33))
    kms.import_key_material(**proper, **endless)
    refused("IncorrectKeyMaterialException", bring, kms=kms, key=key, material=os.urandom(32))  # K116
    secret = json.dumps(records(server, "ImportKeyMaterial"))
    assert base64.b64encode(answer["ImportToken"]).decode() not in secret and "importToken" not in secret  # A1006


def test_imported_material_rotates_expires_and_comes_back(server):
    kms = server.kms()
    key = kms.create_key(Origin="EXTERNAL")["KeyMetadata"]["Arn"]
    first, second = os.urandom(32), os.urandom(32)
    soon = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=4)
    one = bring(kms, key, first, ExpirationModel="KEY_MATERIAL_EXPIRES", ValidTo=soon)["KeyMaterialId"]
    metadata = kms.describe_key(KeyId=key)["KeyMetadata"]
    assert abs(metadata["ValidTo"] - soon) < datetime.timedelta(milliseconds=2)
    blob = kms.encrypt(KeyId=key, Plaintext=b"x")["CiphertextBlob"]
    two = bring(kms, key, second, ImportType="NEW_KEY_MATERIAL", KeyMaterialDescription="second")["KeyMaterialId"]
    states = {entry["KeyMaterialId"]: entry["KeyMaterialState"]
              for entry in kms.list_key_rotations(KeyId=key, IncludeKeyMaterial="ALL_KEY_MATERIAL")["Rotations"]}
    assert states == {one: "CURRENT", two: "PENDING_ROTATION"}  # K117
    kms.rotate_key_on_demand(KeyId=key)
    assert kms.describe_key(KeyId=key)["KeyMetadata"]["CurrentKeyMaterialId"] == two
    assert kms.decrypt(CiphertextBlob=blob)["KeyMaterialId"] == one
    server.stop(signal.SIGKILL)
    kms = server.start().kms()
    deadline = time.monotonic() + 20
    while kms.describe_key(KeyId=key)["KeyMetadata"]["KeyState"] == "Enabled":
        assert time.monotonic() < deadline, "it never expires"
    refused("KMSInvalidStateException", kms.encrypt, KeyId=key, Plaintext=b"x")  # K119: all of it must be there
    (event,) = records(server, "DeleteExpiredKeyMaterial")
    assert event["serviceEventDetails"]["keyMaterialId"] == one  # A1011
    assert bring(kms, key, first)["KeyMaterialId"] == one  # K118
    assert kms.decrypt(CiphertextBlob=blob)["Plaintext"] == b"x"
    assert kms.delete_imported_key_material(KeyId=key)["KeyMaterialId"] == two
    metadata = kms.describe_key(KeyId=key)["KeyMetadata"]
    assert metadata["KeyState"] == "PendingImport" and metadata["CurrentKeyMaterialId"] == two
    assert "ExpirationModel" not in metadata  # K119


def test_how_material_comes_may_be_forbidden(server):
    kms = server.kms()
    root = {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{OWNER}:root"}, "Action": "kms:*", "Resource": "*"}
    month = (datetime.datetime.now(datetime.timezone.utc) + 30 * DAY).strftime("%Y-%m-%dT%H:%M:%SZ")
    deny = [
        {"Sid": "Weak", "Action": "kms:GetParametersForImport", "Condition": {"StringEquals": {"kms:WrappingKeySpec": "RSA_2048"}}},
        {"Sid": "Endless", "Action": "kms:ImportKeyMaterial", "Condition": {"StringEquals": {"kms:ExpirationModel": "KEY_MATERIAL_DOES_NOT_EXPIRE"}}},
        {"Sid": "Long", "Action": "kms:ImportKeyMaterial", "Condition": {"DateGreaterThan": {"kms:ValidTo": month}}},
    ]
    deny = [{**statement, "Effect": "Deny", "Principal": "*", "Resource": "*"} for statement in deny]
    policy = json.dumps({"Version": "2012-10-17", "Statement": [root, *deny]})
    key = kms.create_key(Origin="EXTERNAL", Policy=policy)["KeyMetadata"]["Arn"]
    refused("AccessDeniedException", parameters, kms=kms, key=key)  # A565
    answer = parameters(kms, key, spec="RSA_3072")
    request = {"KeyId": key, "ImportToken": answer["ImportToken"], "EncryptedKeyMaterial": wrap(answer, bytes(32))}
    refused("AccessDeniedException", kms.import_key_material, **request, ExpirationModel="KEY_MATERIAL_DOES_NOT_EXPIRE")  # A564
    kms.import_key_material(**request, ValidTo=datetime.datetime.now(datetime.timezone.utc) + DAY)
    asked = ["explain", "--as", f"arn:aws:iam::{OWNER}:root"]
    told = keyward(server, *asked, "kms:GetParametersForImport", key, code=2)
    assert "--parameter WrappingAlgorithm" in told
    wrapping = ["--parameter", "WrappingAlgorithm=RSAES_OAEP_SHA_256", "--parameter"]
    assert "Weak" in keyward(server, *asked, "kms:GetParametersForImport", key, *wrapping, "WrappingKeySpec=RSA_2048", code=1)
    keyward(server, *asked, "kms:GetParametersForImport", key, *wrapping, "WrappingKeySpec=RSA_4096")
    endless = ["--parameter", "ExpirationModel=KEY_MATERIAL_DOES_NOT_EXPIRE"]
    assert "Endless" in keyward(server, *asked, "kms:ImportKeyMaterial", key, *endless, code=1)
    assert "Long" in keyward(server, *asked, "kms:ImportKeyMaterial", key, "--parameter", f"ValidTo={int(time.time()) + 60 * 86400}", code=1)


def openssl(*arguments):
    """Private key material in PKCS#8 as DER, made by OpenSSL."""
    made = subprocess.run(["openssl", "genpkey", *arguments], capture_output=True, check=True)
    return subprocess.run(["openssl", "pkcs8", "-topk8", "-nocrypt", "-outform", "DER"], input=made.stdout, capture_output=True, check=True).stdout


def verified(public, signature, message, algorithm):
    """By a library that is not ours."""
    key = serialization.load_der_public_key(public)
    if algorithm.startswith("RSASSA_PSS"):
        key.verify(signature, message, padding.PSS(padding.MGF1(hashes.SHA256()), 32), hashes.SHA256())
    elif algorithm.startswith("ECDSA"):
        key.verify(signature, message, ec.ECDSA({"256": hashes.SHA256, "384": hashes.SHA384, "512": hashes.SHA512}[algorithm[-3:]]()))
    else:
        key.verify(signature, message)


PAIRS = [
    ("RSA_2048", ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"], "RSASSA_PSS_SHA_256", "RSA_AES_KEY_WRAP_SHA_256"),
    ("RSA_3072", ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:3072"], "RSASSA_PSS_SHA_256", "RSA_AES_KEY_WRAP_SHA_1"),
    ("ECC_NIST_P256", ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"], "ECDSA_SHA_256", "RSAES_OAEP_SHA_256"),
    ("ECC_NIST_P384", ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"], "ECDSA_SHA_384", "RSA_AES_KEY_WRAP_SHA_256"),
    ("ECC_NIST_P521", ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-521"], "ECDSA_SHA_512", "RSA_AES_KEY_WRAP_SHA_256"),
    ("ECC_SECG_P256K1", ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:secp256k1"], "ECDSA_SHA_256", "RSAES_OAEP_SHA_1"),
    ("ECC_NIST_EDWARDS25519", ["-algorithm", "ED25519"], "ED25519_SHA_512", "RSA_AES_KEY_WRAP_SHA_256"),
]


@pytest.mark.parametrize("spec, how, signs, wrapping", PAIRS)
def test_private_keys_made_by_openssl_sign_as_their_own(server, spec, how, signs, wrapping):
    kms = server.kms()
    key = kms.create_key(Origin="EXTERNAL", KeySpec=spec, KeyUsage="SIGN_VERIFY")["KeyMetadata"]["Arn"]
    material, other = openssl(*how), openssl(*how)
    answer = bring(kms, key, material, wrapping)
    assert "KeyMaterialId" not in answer  # K115
    metadata = kms.describe_key(KeyId=key)["KeyMetadata"]
    assert metadata["KeyState"] == "Enabled" and "CurrentKeyMaterialId" not in metadata  # K80
    public = kms.get_public_key(KeyId=key)["PublicKey"]
    theirs = serialization.load_der_private_key(material, None).public_key()
    assert theirs == serialization.load_der_public_key(public)  # K112
    signature = kms.sign(KeyId=key, Message=b"m", SigningAlgorithm=signs)["Signature"]
    verified(public, signature, b"m", signs)
    refused("IncorrectKeyMaterialException", bring, kms=kms, key=key, material=other, algorithm=wrapping)  # K114
    kms.delete_imported_key_material(KeyId=key)
    refused("KMSInvalidStateException", kms.sign, KeyId=key, Message=b"m", SigningAlgorithm=signs)
    bring(kms, key, material, wrapping)
    assert kms.verify(KeyId=key, Message=b"m", Signature=signature, SigningAlgorithm=signs)["SignatureValid"]


def test_material_of_another_kind_is_refused(server):
    kms = server.kms()
    p256 = openssl("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256")
    for spec, usage in [("ECC_NIST_P384", "SIGN_VERIFY"), ("RSA_2048", "SIGN_VERIFY")]:
        key = kms.create_key(Origin="EXTERNAL", KeySpec=spec, KeyUsage=usage)["KeyMetadata"]["Arn"]
        refused("IncorrectKeyMaterialException", bring, kms=kms, key=key, material=p256, algorithm="RSA_AES_KEY_WRAP_SHA_256")  # K114
    rsa = kms.create_key(Origin="EXTERNAL", KeySpec="RSA_2048", KeyUsage="ENCRYPT_DECRYPT")["KeyMetadata"]["Arn"]
    refused("UnsupportedOperationException", parameters, kms=kms, key=rsa)  # K111


@pytest.mark.parametrize("spec, length, sha", [("HMAC_224", 28, hashes.SHA224), ("HMAC_512", 128, hashes.SHA512)])
def test_imported_hmac_keys_make_the_codes_that_anybody_makes(server, spec, length, sha):
    kms = server.kms()
    key = kms.create_key(Origin="EXTERNAL", KeySpec=spec, KeyUsage="GENERATE_VERIFY_MAC")["KeyMetadata"]["Arn"]
    material = os.urandom(length)
    bring(kms, key, material)
    mac = kms.generate_mac(KeyId=key, Message=b"m", MacAlgorithm=spec.replace("HMAC", "HMAC_SHA"))["Mac"]
    ours = hmac.HMAC(material, sha())
    ours.update(b"m")
    assert ours.finalize() == mac
    refused("UnsupportedOperationException", kms.rotate_key_on_demand, KeyId=key)  # K102


def test_an_imported_rsa_key_opens_what_was_encrypted_offline(server):
    kms = server.kms()
    key = kms.create_key(Origin="EXTERNAL", KeySpec="RSA_2048", KeyUsage="ENCRYPT_DECRYPT")["KeyMetadata"]["Arn"]
    material = openssl("-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048")
    bring(kms, key, material, "RSA_AES_KEY_WRAP_SHA_256", spec="RSA_4096")
    oaep = padding.OAEP(mgf=padding.MGF1(hashes.SHA256()), algorithm=hashes.SHA256(), label=None)
    private = serialization.load_der_private_key(material, None)
    blob = private.public_key().encrypt(b"offline", oaep)
    assert kms.decrypt(KeyId=key, CiphertextBlob=blob, EncryptionAlgorithm="RSAES_OAEP_SHA_256")["Plaintext"] == b"offline"
    blob = kms.encrypt(KeyId=key, Plaintext=b"online", EncryptionAlgorithm="RSAES_OAEP_SHA_256")["CiphertextBlob"]
    assert private.decrypt(blob, oaep) == b"online"
