"""Custom key stores of type AWS_CLOUDHSM: SoftHSM's tokens stand for the clusters. `cargo x test` brings SoftHSM."""

import base64
import hashlib
import json
import os
import pathlib
import sqlite3
import subprocess
import sys
import threading
import time

import pytest

from conftest import Server
from test_key_stores import code, described, error, settled
from test_kms import OTHER, OWNER, policy, root
from tls_authority import Authority

MODULES = ("/usr/lib/softhsm/libsofthsm2.so", "/usr/lib64/pkcs11/libsofthsm2.so", "/opt/homebrew/lib/softhsm/libsofthsm2.so")
MODULE = next((path for path in (os.environ.get("SOFTHSM2_MODULE"), *MODULES) if path and os.path.exists(path)), None)
CLUSTERS = {"cluster-aaaaaaaaaaa": "one", "cluster-bbbbbbbbbbb": "two", "cluster-ccccccccccc": "nowhere"}
ONE, TWO, NOWHERE = CLUSTERS
PASSWORD = "kmsPassword"


class Hsm:
    """A server with SoftHSM behind it, and SoftHSM's tokens."""

    def __init__(self, folder, module=MODULE):
        assert MODULE, "SoftHSM is not there: `cargo x test` installs it, or SOFTHSM2_MODULE names its module"
        self.folder, self.tokens = folder, folder / "tokens"
        self.tokens.mkdir()
        (folder / "softhsm2.conf").write_text(f"directories.tokendir = {self.tokens}\n")
        os.environ["SOFTHSM2_CONF"] = str(folder / "softhsm2.conf")
        for label in ("one", "two"):
            self.make_token(label)
        self.certificate = Authority(folder).path.read_text()
        named = [part for cluster, label in CLUSTERS.items() for part in ("--pkcs11-cluster", f"{cluster}={label}")]
        self.server = Server(folder, "--accounts", f"{OWNER},{OTHER}", "--pkcs11-module", str(module), *named).start()
        self.kms = self.server.kms()

    def make_token(self, label, password=PASSWORD):
        command = ["softhsm2-util", "--init-token", "--free", "--label", label, "--so-pin", "security-officer", "--pin", password]
        subprocess.run(command, check=True, capture_output=True)

    def in_token(self, script, *arguments, label="one"):
        """What a program says that sees a token as its user does; one of its own, for SoftHSM reads its settings once."""
        opening = f"""
import json, sys, pkcs11
from pkcs11 import Attribute, KeyType, ObjectClass
token = pkcs11.lib({MODULE!r}).get_token(token_label={label!r})
with token.open(rw=True, user_pin={PASSWORD!r}) as session:
"""
        body = "".join(f"    {line}\n" for line in script.strip().splitlines())
        done = subprocess.run([sys.executable, "-c", opening + body, *arguments], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def objects(self, label="one"):
        return self.in_token(
            """
found = session.get_objects({Attribute.CLASS: ObjectClass.SECRET_KEY})
wanted = [Attribute.LABEL, Attribute.SENSITIVE, Attribute.EXTRACTABLE, Attribute.NEVER_EXTRACTABLE, Attribute.VALUE_LEN, Attribute.TOKEN]
print(json.dumps([{one.name: thing[one] for one in wanted} | {"ID": thing[Attribute.ID].hex()} for thing in found]))
""",
            label=label,
        )

    def create(self, name="store", kms=None, **changes):
        members = dict(CustomKeyStoreName=name, CloudHsmClusterId=ONE, TrustAnchorCertificate=self.certificate, KeyStorePassword=PASSWORD)
        return (kms or self.kms).create_custom_key_store(**{**members, **changes})["CustomKeyStoreId"]

    def connect(self, store):
        self.kms.connect_custom_key_store(CustomKeyStoreId=store)
        return settled(self.kms, store)

    def disconnect(self, store):
        self.kms.disconnect_custom_key_store(CustomKeyStoreId=store)
        return settled(self.kms, store)

    def connected(self, **changes):
        store = self.create(**changes)
        assert self.connect(store)["ConnectionState"] == "CONNECTED"
        return store

    def key(self, store, **more):
        return self.kms.create_key(Origin="AWS_CLOUDHSM", CustomKeyStoreId=store, **more)["KeyMetadata"]


@pytest.fixture
def hsm(tmp_path, monkeypatch):
    monkeypatch.setenv("SOFTHSM2_CONF", "")
    hsm = Hsm(tmp_path)
    yield hsm
    if hsm.server.process.poll() is None:
        assert hsm.server.stop() == 0


def test_k135_to_k140_a_store_with_a_cluster_lives_through_its_states(hsm):
    kms = hsm.kms
    store = hsm.create()
    entry = described(kms, store)
    assert entry.pop("CreationDate")
    assert entry == {
        "CustomKeyStoreId": store,
        "CustomKeyStoreName": "store",
        "CustomKeyStoreType": "AWS_CLOUDHSM",
        "ConnectionState": "DISCONNECTED",
        "CloudHsmClusterId": ONE,
        "TrustAnchorCertificate": hsm.certificate,
    }
    assert code(hsm.key, store=store) == "CustomKeyStoreInvalidStateException"  # K139
    assert code(kms.generate_random, NumberOfBytes=8, CustomKeyStoreId=store) == "CustomKeyStoreInvalidStateException"
    assert hsm.connect(store)["ConnectionState"] == "CONNECTED"
    assert code(kms.delete_custom_key_store, CustomKeyStoreId=store) == "CustomKeyStoreInvalidStateException"
    key = hsm.key(store)["Arn"]
    blob = kms.encrypt(KeyId=key, Plaintext=b"x")["CiphertextBlob"]
    assert hsm.disconnect(store)["ConnectionState"] == "DISCONNECTED"
    assert kms.describe_key(KeyId=key)["KeyMetadata"]["KeyState"] == "Unavailable"
    assert error(kms.decrypt, CiphertextBlob=blob) == ("KMSInvalidStateException", f"{key} is unavailable.")  # K84
    assert code(kms.delete_custom_key_store, CustomKeyStoreId=store) == "CustomKeyStoreHasCMKsException"
    assert hsm.connect(store)["ConnectionState"] == "CONNECTED"
    assert kms.decrypt(CiphertextBlob=blob)["Plaintext"] == b"x"
    # A server that starts anew logs in when it must.
    assert hsm.server.stop() == 0
    hsm.server.start()
    hsm.kms = kms = hsm.server.kms()
    assert described(kms, store)["ConnectionState"] == "CONNECTED"
    assert kms.decrypt(CiphertextBlob=blob)["Plaintext"] == b"x"
    spare = hsm.create(name="spare", CloudHsmClusterId=TWO)
    kms.delete_custom_key_store(CustomKeyStoreId=spare)
    assert code(described, kms=kms, store=spare) == "CustomKeyStoreNotFoundException"


def test_k137_why_a_cluster_does_not_connect(hsm):
    kms = hsm.kms

    def outcome(store):
        entry = hsm.connect(store)
        hsm.disconnect(store)
        return entry["ConnectionState"], entry.get("ConnectionErrorCode")

    wrong = hsm.create(KeyStorePassword="anotherPassword")
    assert outcome(wrong) == ("FAILED", "INVALID_CREDENTIALS")
    kms.update_custom_key_store(CustomKeyStoreId=wrong, KeyStorePassword=PASSWORD)
    assert outcome(wrong) == ("CONNECTED", None)
    # K138: of the other cluster the module has no token.
    kms.update_custom_key_store(CustomKeyStoreId=wrong, CloudHsmClusterId=NOWHERE)
    assert outcome(wrong) == ("FAILED", "CLUSTER_NOT_FOUND")
    kms.update_custom_key_store(CustomKeyStoreId=wrong, CloudHsmClusterId=ONE)
    # FAILED must be disconnected first (K137).
    kms.update_custom_key_store(CustomKeyStoreId=wrong, KeyStorePassword="anotherPassword")
    assert hsm.connect(wrong)["ConnectionState"] == "FAILED"
    assert code(kms.connect_custom_key_store, CustomKeyStoreId=wrong) == "CustomKeyStoreInvalidStateException"


def test_k135_k138_what_a_store_with_a_cluster_may_be(hsm):
    kms = hsm.kms
    assert code(hsm.create, CloudHsmClusterId="cluster-zzzzzzzzzzz") == "CloudHsmClusterNotFoundException"
    for certificate in ("-", hsm.certificate.replace("BEGIN CERTIFICATE", "BEGIN KEY"), hsm.certificate + hsm.certificate):
        assert code(hsm.create, TrustAnchorCertificate=certificate) == "IncorrectTrustAnchorException"
    for wrong in (dict(KeyStorePassword="x" * 33), dict(CloudHsmClusterId="cluster-11111111111"), dict(XksProxyUriPath="/kms/xks/v1")):
        assert code(hsm.create, **wrong) == "ValidationException", wrong
    store = hsm.connected()
    # A cluster is one store's, whoever asks.
    assert code(hsm.create, name="two") == "CloudHsmClusterInUseException"
    assert code(hsm.create, name="two", kms=hsm.server.kms(account=OTHER)) == "CloudHsmClusterInUseException"
    assert code(hsm.create, name="two", kms=hsm.server.kms(region="eu-west-1")) == "CloudHsmClusterInUseException"
    assert code(hsm.create, CloudHsmClusterId=TWO) == "CustomKeyStoreNameInUseException"
    kms.update_custom_key_store(CustomKeyStoreId=store, NewCustomKeyStoreName="renamed")
    for change in (dict(KeyStorePassword="anotherPassword"), dict(CloudHsmClusterId=TWO)):
        assert code(kms.update_custom_key_store, CustomKeyStoreId=store, **change) == "CustomKeyStoreInvalidStateException"
    assert code(kms.update_custom_key_store, CustomKeyStoreId=store, XksProxyUriPath="/kms/xks/v1") == "ValidationException"
    hsm.disconnect(store)
    hsm.create(name="two", CloudHsmClusterId=TWO)
    assert code(kms.update_custom_key_store, CustomKeyStoreId=store, CloudHsmClusterId=TWO) == "CloudHsmClusterNotRelatedException"
    assert code(kms.update_custom_key_store, CustomKeyStoreId=store, CloudHsmClusterId="cluster-zzzzzzzzzzz") == "CloudHsmClusterNotFoundException"
    assert described(kms, store)["CustomKeyStoreName"] == "renamed"
    # No password is in any record, nor in the estate's file.
    hsm.server.stop()
    for file in hsm.server.data.iterdir():
        assert file.is_socket() or PASSWORD.encode() not in file.read_bytes(), file


def test_k76_k80_a_key_in_a_cluster(hsm):
    kms = hsm.kms
    store = hsm.connected()
    key = hsm.key(store, Description="mine", Tags=[{"TagKey": "a", "TagValue": "b"}])
    assert {name: key.get(name) for name in ("Origin", "KeyState", "KeySpec", "KeyUsage", "CustomKeyStoreId", "CloudHsmClusterId", "MultiRegion")} == {
        "Origin": "AWS_CLOUDHSM",
        "KeyState": "Enabled",
        "KeySpec": "SYMMETRIC_DEFAULT",
        "KeyUsage": "ENCRYPT_DECRYPT",
        "CustomKeyStoreId": store,
        "CloudHsmClusterId": ONE,
        "MultiRegion": False,
    }
    assert "CurrentKeyMaterialId" not in key and "XksKeyConfiguration" not in key
    assert kms.describe_key(KeyId=key["KeyId"])["KeyMetadata"] == key
    assert [{**thing, "ID": len(thing["ID"])} for thing in hsm.objects()] == [
        {"LABEL": key["Arn"], "SENSITIVE": True, "EXTRACTABLE": False, "NEVER_EXTRACTABLE": True, "VALUE_LEN": 32, "TOKEN": True, "ID": 64}
    ]
    for wrong in (
        dict(Origin="AWS_CLOUDHSM"),
        dict(CustomKeyStoreId=store),
        dict(Origin="EXTERNAL_KEY_STORE", CustomKeyStoreId=store, XksKeyId="a"),
        dict(Origin="AWS_CLOUDHSM", CustomKeyStoreId=store, XksKeyId="a"),
        dict(Origin="AWS_CLOUDHSM", CustomKeyStoreId=store, KeySpec="RSA_2048", KeyUsage="SIGN_VERIFY"),
    ):
        assert code(kms.create_key, **wrong) == "ValidationException", wrong
    assert code(hsm.key, store=store, MultiRegion=True) == "UnsupportedOperationException"
    assert code(hsm.key, store="cks-1234567890abcdef0") == "CustomKeyStoreNotFoundException"
    for operation in (kms.enable_key_rotation, kms.rotate_key_on_demand):
        assert code(operation, KeyId=key["Arn"]) == "UnsupportedOperationException"
    # Nobody who is refused leaves anything in the token.
    assert code(hsm.key, store=store, Policy=policy(root(OTHER))) == "MalformedPolicyDocumentException"
    assert len(hsm.objects()) == 1


def test_k160_k170_cryptography_in_a_cluster(hsm):
    kms = hsm.kms
    store = hsm.connected()
    key, other, ours = hsm.key(store)["Arn"], hsm.key(store)["Arn"], kms.create_key()["KeyMetadata"]["Arn"]
    context = {"project": "p"}
    for plaintext in (b"x", bytes(4096)):
        made = kms.encrypt(KeyId=key, Plaintext=plaintext, EncryptionContext=context)
        assert made["KeyId"] == key and "KeyMaterialId" not in made and len(made["CiphertextBlob"]) == len(plaintext) + 152
        opened = kms.decrypt(CiphertextBlob=made["CiphertextBlob"], EncryptionContext=context)
        assert (opened["Plaintext"], opened["KeyId"]) == (plaintext, key) and "KeyMaterialId" not in opened
    blob = kms.encrypt(KeyId=key, Plaintext=b"secret", EncryptionContext=context)["CiphertextBlob"]
    assert blob != kms.encrypt(KeyId=key, Plaintext=b"secret", EncryptionContext=context)["CiphertextBlob"]
    assert base64.b64encode(blob).startswith(b"AQICAHhD")  # K166, format 43
    for wrong in ({}, {"project": "q"}):
        assert code(kms.decrypt, CiphertextBlob=blob, EncryptionContext=wrong) == "InvalidCiphertextException"
    for at in range(36, len(blob), 7):
        bent = blob[:at] + bytes([blob[at] ^ 1]) + blob[at + 1 :]
        assert code(kms.decrypt, CiphertextBlob=bent, EncryptionContext=context) == "InvalidCiphertextException", at
    assert code(kms.decrypt, CiphertextBlob=blob, EncryptionContext=context, KeyId=other) == "IncorrectKeyException"
    data_key = kms.generate_data_key(KeyId=key, KeySpec="AES_256", EncryptionContext=context)
    assert len(data_key["Plaintext"]) == 32 and len(data_key["CiphertextBlob"]) == 184
    assert kms.decrypt(CiphertextBlob=data_key["CiphertextBlob"], EncryptionContext=context)["Plaintext"] == data_key["Plaintext"]
    hidden = kms.generate_data_key_without_plaintext(KeyId=key, NumberOfBytes=5)["CiphertextBlob"]
    assert len(kms.decrypt(CiphertextBlob=hidden)["Plaintext"]) == 5
    for to in (other, ours, key):
        moved = kms.re_encrypt(CiphertextBlob=blob, SourceEncryptionContext=context, DestinationKeyId=to, DestinationEncryptionContext={"b": "c"})
        assert (moved["SourceKeyId"], moved["KeyId"]) == (key, to)
        assert kms.decrypt(CiphertextBlob=moved["CiphertextBlob"], EncryptionContext={"b": "c"})["Plaintext"] == b"secret"
    assert kms.re_encrypt(CiphertextBlob=kms.encrypt(KeyId=ours, Plaintext=b"up")["CiphertextBlob"], DestinationKeyId=key)["KeyId"] == key
    assert code(kms.generate_data_key_pair, KeyId=key, KeyPairSpec="ECC_NIST_P256") == "UnsupportedOperationException"  # K139
    assert code(kms.encrypt, KeyId=key, Plaintext=b"x", DryRun=True) == "DryRunOperationException"
    drawn = {kms.generate_random(NumberOfBytes=1024, CustomKeyStoreId=store)["Plaintext"] for _ in range(3)}
    assert len(drawn) == 3 and {len(bytes) for bytes in drawn} == {1024}
    # As docs/formats.md says, without this program.
    prefix, iv, sealed = blob[:76], blob[76:88], blob[88:]
    encoded = b"".join(len(part).to_bytes(4, "big") + part for part in (b"project", b"p"))
    assert prefix[5] == 0x43
    opened = hsm.in_token(
        """
key = session.get_key(label=sys.argv[1])
assert key[Attribute.ID].hex() == sys.argv[2]
iv, aad, sealed = (bytes.fromhex(text) for text in sys.argv[3:])
print(json.dumps(key.decrypt(sealed, mechanism=pkcs11.Mechanism.AES_GCM, mechanism_param=pkcs11.GCMParams(iv, aad)).hex()))
""",
        *(key, prefix[37:69].hex(), iv.hex(), (prefix + hashlib.sha256(encoded).digest()).hex(), sealed.hex()),
    )
    assert bytes.fromhex(opened) == bytes(48) + b"secret"


def test_a1010_records_of_keys_in_clusters(hsm):
    store = hsm.connected()
    key = hsm.key(store)["Arn"]
    hsm.kms.encrypt(KeyId=key, Plaintext=b"x")
    hsm.server.stop()
    rows = sqlite3.connect(hsm.server.data / "keyward.db").execute("select json from trail order by seq").fetchall()
    records = {record["eventName"]: record for record in map(json.loads, (text for (text,) in rows))}
    assert records["CreateCustomKeyStore"]["requestParameters"] == {
        "customKeyStoreName": "store",
        "customKeyStoreType": "AWS_CLOUDHSM",
        "cloudHsmClusterId": ONE,
    }
    made = records["CreateKey"]["responseElements"]["keyMetadata"]
    assert (made["customKeyStoreId"], made["cloudHsmClusterId"]) == (store, ONE)
    assert records["Encrypt"]["additionalEventData"] == {"customKeyStoreId": store}


def test_k92_the_end_of_a_key_is_its_end_in_the_token(hsm):
    store = hsm.connected()
    doomed, other = hsm.key(store)["Arn"], hsm.key(store)["Arn"]
    hsm.kms.schedule_key_deletion(KeyId=doomed, PendingWindowInDays=7)
    assert len(hsm.objects()) == 2
    hsm.server.stop()
    # The day comes.
    with sqlite3.connect(hsm.server.data / "keyward.db") as estate:
        pending = [row for row in estate.execute("select kind, id, body from entity").fetchall() if b"PendingDeletion" in row[2]]
        assert len(pending) == 1
        for kind, name, body in pending:
            key = json.loads(body[1:])
            key["deletion_at"] = key["created_at"]
            estate.execute("update entity set body = ? where kind = ? and id = ?", (body[:1] + json.dumps(key).encode(), kind, name))
    hsm.server.start()
    kms = hsm.server.kms()
    for _ in range(100):
        if (left := [thing["LABEL"] for thing in hsm.objects()]) == [other]:
            break
        time.sleep(0.05)
    assert left == [other]
    assert code(kms.describe_key, KeyId=doomed) == "NotFoundException"
    # A key that somebody destroyed in the token is told as such, and the others go on.
    blob = kms.encrypt(KeyId=other, Plaintext=b"x")["CiphertextBlob"]
    hsm.in_token("session.get_key(label=sys.argv[1]).destroy()\nprint(0)", other)
    assert code(kms.decrypt, CiphertextBlob=blob) == "KMSInvalidStateException"


def test_a_slow_token_holds_up_nobody_else(tmp_path, monkeypatch):
    module, slow = tmp_path / "slow.so", tmp_path / "slow"
    source = pathlib.Path(__file__).with_name("slow_module.c")
    subprocess.run([os.environ.get("CC", "cc"), "-shared", "-fPIC", "-w", "-o", str(module), str(source), "-ldl"], check=True)
    monkeypatch.setenv("SOFTHSM2_CONF", "")
    monkeypatch.setenv("SLOW_MODULE", str(MODULE))
    monkeypatch.setenv("SLOW_WHILE", str(slow))
    hsm = Hsm(tmp_path, module)
    kms = hsm.kms
    one, two = hsm.connected(name="one"), hsm.connected(name="two", CloudHsmClusterId=TWO)
    in_one, in_two = hsm.key(one)["Arn"], hsm.key(two)["Arn"]
    slow.touch()
    answers = []
    waiting = [
        threading.Thread(target=lambda: answers.append(len(hsm.server.kms().generate_random(NumberOfBytes=9, CustomKeyStoreId=one)["Plaintext"])))
        for _ in range(20)
    ]
    for thread in waiting:
        thread.start()
    time.sleep(0.5)
    kms.create_key()
    kms.encrypt(KeyId=in_two, Plaintext=b"x")
    kms.create_alias(AliasName="alias/a", TargetKeyId=in_one)
    assert answers == []
    # What was decided before the answer came is decided once more with it (T21).
    kms.disconnect_custom_key_store(CustomKeyStoreId=two)
    assert settled(kms, two)["ConnectionState"] == "DISCONNECTED"
    slow.unlink()
    for thread in waiting:
        thread.join()
    assert answers == [9] * 20
    assert hsm.server.stop() == 0
