"""The key service through unmodified AWS clients. Rule numbers are those of spec/."""

import json
import os
import signal
import subprocess
import sys

import pytest
from botocore.exceptions import ClientError

OWNER, OTHER = "111122223333", "444455556666"


def refused(code, call, **parameters):
    with pytest.raises(ClientError) as caught:
        call(**parameters)
    assert caught.value.response["Error"]["Code"] == code, caught.value
    return caught.value.response["Error"].get("Message", "")


def policy(*statements):
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def root(account, action="kms:*"):
    return {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{account}:root"}, "Action": action, "Resource": "*"}


def test_envelope_encryption_needs_the_exact_context(server):
    kms = server.kms()
    key = kms.create_key()["KeyMetadata"]["Arn"]
    data_key = kms.generate_data_key(KeyId=key, KeySpec="AES_256", EncryptionContext={"project": "p"})
    assert len(data_key["CiphertextBlob"]) == 184  # K166
    opened = kms.decrypt(CiphertextBlob=data_key["CiphertextBlob"], EncryptionContext={"project": "p"})
    assert opened["Plaintext"] == data_key["Plaintext"] and opened["KeyId"] == key
    for context in ({}, {"project": "q"}, {"Project": "p"}):
        refused("InvalidCiphertextException", kms.decrypt, CiphertextBlob=data_key["CiphertextBlob"], EncryptionContext=context)  # K163


def test_a_foreign_account_gets_in_by_key_policy_or_grant_and_learns_nothing_else(server):
    kms, other = server.kms(), server.kms(OTHER)
    key = kms.create_key()["KeyMetadata"]["Arn"]
    missing = key[:-36] + "00000000-0000-4000-8000-000000000000"
    hidden = refused("AccessDeniedException", other.describe_key, KeyId=key)
    assert hidden == refused("AccessDeniedException", other.describe_key, KeyId=missing)  # A906, A908
    grant = kms.create_grant(KeyId=key, GranteePrincipal=f"arn:aws:iam::{OTHER}:root", Operations=["DescribeKey"])
    assert other.describe_key(KeyId=key)["KeyMetadata"]["Arn"] == key  # A641
    kms.revoke_grant(KeyId=key, GrantId=grant["GrantId"])
    refused("AccessDeniedException", other.describe_key, KeyId=key)  # T21
    grant = kms.create_grant(KeyId=key, GranteePrincipal=f"arn:aws:iam::{OWNER}:root", Operations=["Decrypt"])
    hidden = refused("AccessDeniedException", other.retire_grant, KeyId=key, GrantId=grant["GrantId"])
    assert hidden == refused("AccessDeniedException", other.retire_grant, KeyId=key, GrantId="0" * 64)
    kms.put_key_policy(KeyId=key, Policy=policy(root(OWNER), root(OTHER, "kms:Encrypt")))
    blob = other.encrypt(KeyId=key, Plaintext=b"x")["CiphertextBlob"]
    refused("AccessDeniedException", other.decrypt, CiphertextBlob=blob)


def test_a_policy_that_locks_its_author_out_is_refused(server):
    kms = server.kms()
    key = kms.create_key()["KeyMetadata"]["Arn"]
    message = refused("MalformedPolicyDocumentException", kms.put_key_policy, KeyId=key, Policy=policy(root(OTHER)))
    assert message == "The new key policy will not allow you to update the key policy in the future."  # A701
    assert "key-default-1" in kms.get_key_policy(KeyId=key)["Policy"]  # nothing was stored
    kms.put_key_policy(KeyId=key, Policy=policy(root(OTHER)), BypassPolicyLockoutSafetyCheck=True)  # A706
    refused("AccessDeniedException", kms.get_key_policy, KeyId=key)


def test_states_and_deletion(server):
    kms = server.kms()
    key = kms.create_key()["KeyMetadata"]["Arn"]
    kms.disable_key(KeyId=key)
    assert refused("DisabledException", kms.encrypt, KeyId=key, Plaintext=b"x") == f"{key} is disabled."  # K84
    kms.enable_key(KeyId=key)
    refused("DryRunOperationException", kms.encrypt, KeyId=key, Plaintext=b"x", DryRun=True)  # K153
    kms.schedule_key_deletion(KeyId=key, PendingWindowInDays=7)
    refused("KMSInvalidStateException", kms.encrypt, KeyId=key, Plaintext=b"x")
    kms.cancel_key_deletion(KeyId=key)
    assert kms.describe_key(KeyId=key)["KeyMetadata"]["KeyState"] == "Disabled"  # K90


def test_identifiers_are_told_apart(server):
    kms = server.kms()
    absent = "00000000-0000-4000-8000-000000000000"
    arn = f"arn:aws:kms:us-east-1:{OWNER}:key/{absent}"
    # K43
    assert refused("NotFoundException", kms.describe_key, KeyId="nonsense") == "Invalid keyId 'nonsense'"
    assert refused("NotFoundException", kms.describe_key, KeyId=absent) == f"Key '{arn}' does not exist"
    assert refused("NotFoundException", kms.describe_key, KeyId=arn.replace("us-east-1", "eu-west-1")) == "Invalid arn eu-west-1"
    assert refused("NotFoundException", kms.describe_key, KeyId="alias/x") == f"Alias arn:aws:kms:us-east-1:{OWNER}:alias/x is not found."


def test_a_wrong_secret_and_nobody_are_refused(server):
    refused("InvalidSignatureException", server.kms(secret="wrong").list_keys)  # K28
    server.credentials[OTHER] = ("AKIANOBODYNOBODYNOBO", "x")
    refused("UnrecognizedClientException", server.kms(OTHER).list_keys)  # K29


def test_pages_are_for_their_own_list(server):
    kms = server.kms()
    keys = {kms.create_key()["KeyMetadata"]["KeyId"] for _ in range(5)}
    pages = kms.get_paginator("list_keys").paginate(PaginationConfig={"PageSize": 2})
    assert {key["KeyId"] for page in pages for key in page["Keys"]} == keys
    marker = kms.list_keys(Limit=2)["NextMarker"]
    refused("InvalidMarkerException", server.kms(region="eu-west-1").list_keys, Marker=marker)  # T31


def test_a_restart_finds_everything_and_another_root_key_nothing(server):
    kms = server.kms()
    key = kms.create_key(Description="kept")["KeyMetadata"]["Arn"]
    blob = kms.encrypt(KeyId=key, Plaintext=b"x")["CiphertextBlob"]
    assert server.stop() == 0
    own = server.root_key.read_bytes()
    before = {path.name: path.read_bytes() for path in server.data.iterdir() if path.name != "owner.lock"}
    server.root_key.write_bytes(bytes(32))
    command = [os.path.abspath(os.environ["KEYWARD_BIN"]), "serve", "--listen", "127.0.0.1:0", "--data", str(server.data)]
    result = subprocess.run(command + ["--root-key", str(server.root_key)], capture_output=True, text=True, timeout=20)
    assert result.returncode == 2 and "not the root key" in result.stderr  # T40
    assert {path.name: path.read_bytes() for path in server.data.iterdir() if path.name != "owner.lock"} == before
    server.root_key.write_bytes(own)
    server.start()
    assert server.kms().decrypt(CiphertextBlob=blob)["Plaintext"] == b"x"


def test_what_was_acknowledged_survives_a_kill(server):
    acknowledged = []
    for _ in range(5):
        kms = server.kms()
        for _ in range(5):
            key = kms.create_key()["KeyMetadata"]["Arn"]
            grant = kms.create_grant(KeyId=key, GranteePrincipal=f"arn:aws:iam::{OTHER}:root", Operations=["Decrypt"])["GrantId"]
            acknowledged.append((key, grant))
        server.stop(signal.SIGKILL)
        server.start()
    kms = server.kms()
    for key, grant in acknowledged:
        assert kms.list_grants(KeyId=key)["Grants"][0]["GrantId"] == grant  # T48


def test_the_command_line_client_and_the_trail(server):
    key, secret = server.credentials[OWNER]
    environment = os.environ | {"AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": secret, "AWS_DEFAULT_REGION": "us-east-1"}
    aws = [os.path.join(os.path.dirname(sys.executable), "aws"), "--endpoint-url", server.endpoint, "kms"]
    created = subprocess.run(aws + ["create-key"], env=environment, capture_output=True, text=True, check=True)
    arn = json.loads(created.stdout)["KeyMetadata"]["Arn"]
    refused("AccessDeniedException", server.kms(OTHER).encrypt, KeyId=arn, Plaintext=b"secret", EncryptionContext={"tenant": "acme"})
    keyward = [os.path.abspath(os.environ["KEYWARD_BIN"])]
    tail = subprocess.run(keyward + ["trail", "tail", "--data", str(server.data)], capture_output=True, text=True, check=True).stdout
    records = [json.loads(line) for line in tail.splitlines()]
    assert [record["eventName"] for record in records] == ["CreateKey", "Encrypt"]
    assert records[1]["errorCode"] == "AccessDenied"  # A1009
    assert records[1]["requestParameters"]["encryptionContext"] == {"tenant": "acme"}  # A1006
    assert "c2VjcmV0" not in tail and "secret" not in tail
    explain = keyward + ["explain", "--data", str(server.data), "--request-id", records[1]["requestID"]]
    text = subprocess.run(explain, capture_output=True, text=True, check=True).stdout
    assert text.startswith("DENY  kms:Encrypt") and "Smallest fix, in 111122223333 (the key policy)" in text
