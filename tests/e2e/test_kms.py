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
    with pytest.raises(ClientError) as caught:
        other.describe_key(KeyId=key)
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400  # A902
    grant = kms.create_grant(KeyId=key, GranteePrincipal=f"arn:aws:iam::{OTHER}:root", Operations=["DescribeKey"])
    assert other.describe_key(KeyId=key)["KeyMetadata"]["Arn"] == key  # A641
    kms.revoke_grant(KeyId=key, GrantId=grant["GrantId"])
    refused("AccessDeniedException", other.describe_key, KeyId=key)  # T21, A625
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
    refused("InvalidSignatureException", server.kms(credentials={"AccessKeyId": server.credentials[OWNER][0], "SecretAccessKey": "wrong"}).list_keys)  # K28
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
    text = subprocess.run(explain, capture_output=True, text=True).stdout
    assert text.startswith("DENY  kms:Encrypt") and "Smallest fix, in 111122223333 (the key policy)" in text


def test_aliases_move_between_keys_and_end_with_them(server):
    kms = server.kms()
    first, second = (kms.create_key()["KeyMetadata"] for _ in range(2))
    kms.create_alias(AliasName="alias/app", TargetKeyId=first["KeyId"])
    text = refused("AlreadyExistsException", kms.create_alias, AliasName="alias/app", TargetKeyId=first["KeyId"])
    assert text == f"An alias with the name arn:aws:kms:us-east-1:{OWNER}:alias/app already exists"  # K50
    blob = kms.encrypt(KeyId="alias/app", Plaintext=b"x")["CiphertextBlob"]
    kms.update_alias(AliasName="alias/app", TargetKeyId=second["Arn"])
    assert kms.describe_key(KeyId="alias/app")["KeyMetadata"]["KeyId"] == second["KeyId"]
    assert kms.decrypt(CiphertextBlob=blob)["KeyId"] == first["Arn"]
    entry, = kms.list_aliases(KeyId=second["KeyId"])["Aliases"]
    assert (entry["AliasName"], entry["TargetKeyId"]) == ("alias/app", second["KeyId"])  # K53
    assert kms.list_aliases(KeyId=first["KeyId"])["Aliases"] == []
    for name in ("a", "b", "c"):
        kms.create_alias(AliasName=f"alias/{name}", TargetKeyId=first["KeyId"])
    pages = kms.get_paginator("list_aliases").paginate(PaginationConfig={"PageSize": 2})
    assert [alias["AliasName"] for page in pages for alias in page["Aliases"]] == ["alias/a", "alias/app", "alias/b", "alias/c"]
    kms.delete_alias(AliasName="alias/app")
    text = refused("NotFoundException", kms.describe_key, KeyId="alias/app")
    assert text == f"Alias arn:aws:kms:us-east-1:{OWNER}:alias/app is not found."  # K43
    refused("NotFoundException", kms.delete_alias, AliasName="alias/app")  # K52
    refused("NotAuthorizedException", kms.create_alias, AliasName="alias/aws/s3", TargetKeyId=first["KeyId"])  # K49
    kms.schedule_key_deletion(KeyId=second["KeyId"])
    refused("KMSInvalidStateException", kms.update_alias, AliasName="alias/a", TargetKeyId=second["KeyId"])  # K85


def test_tags_keep_their_order(server):
    kms = server.kms()
    key = kms.create_key(Tags=[{"TagKey": "b", "TagValue": "1"}])["KeyMetadata"]["KeyId"]
    kms.tag_resource(KeyId=key, Tags=[{"TagKey": "a", "TagValue": "2"}, {"TagKey": "b", "TagValue": "3"}])
    assert kms.list_resource_tags(KeyId=key)["Tags"] == [{"TagKey": "b", "TagValue": "3"}, {"TagKey": "a", "TagValue": "2"}]  # K131
    kms.untag_resource(KeyId=key, TagKeys=["b", "absent"])
    assert kms.list_resource_tags(KeyId=key)["Tags"] == [{"TagKey": "a", "TagValue": "2"}]
    text = refused("TagException", kms.tag_resource, KeyId=key, Tags=[{"TagKey": "AWS:x", "TagValue": "1"}])
    assert text == "Tags beginning with aws: are reserved"  # K130
    many = [{"TagKey": f"t{at}", "TagValue": ""} for at in range(50)]
    assert refused("TagException", kms.tag_resource, KeyId=key, Tags=many) == "Too many tags"


def test_reencryption_asks_both_keys_and_shows_no_plaintext(server):
    kms, other = server.kms(), server.kms(OTHER)
    source = kms.create_key(Policy=policy(root(OWNER), root(OTHER, "kms:ReEncryptFrom")))["KeyMetadata"]["Arn"]
    destination = other.create_key()["KeyMetadata"]["Arn"]
    blob = kms.encrypt(KeyId=source, Plaintext=b"payload", EncryptionContext={"a": "1"})["CiphertextBlob"]
    moved = other.re_encrypt(
        CiphertextBlob=blob, SourceEncryptionContext={"a": "1"}, DestinationKeyId=destination, DestinationEncryptionContext={"b": "2"}
    )
    assert (moved["SourceKeyId"], moved["KeyId"]) == (source, destination) and "Plaintext" not in moved  # K165
    assert other.decrypt(CiphertextBlob=moved["CiphertextBlob"], EncryptionContext={"b": "2"})["Plaintext"] == b"payload"
    refused("AccessDeniedException", other.decrypt, CiphertextBlob=blob, EncryptionContext={"a": "1"})
    refused("AccessDeniedException", kms.re_encrypt, CiphertextBlob=blob, SourceEncryptionContext={"a": "1"}, DestinationKeyId=destination)  # A404
    refused("InvalidCiphertextException", kms.re_encrypt, CiphertextBlob=blob, DestinationKeyId=source)  # K163
    refused("DryRunOperationException", kms.re_encrypt, CiphertextBlob=blob, SourceEncryptionContext={"a": "1"}, DestinationKeyId=source, DryRun=True)


def test_descriptions_policies_rotation_and_retirable_grants_read_back(server):
    kms, other = server.kms(), server.kms(OTHER)
    key = kms.create_key()["KeyMetadata"]["Arn"]
    kms.update_key_description(KeyId=key, Description="orders")
    assert kms.describe_key(KeyId=key)["KeyMetadata"]["Description"] == "orders"
    assert kms.list_key_policies(KeyId=key)["PolicyNames"] == ["default"]
    assert kms.get_key_rotation_status(KeyId=key)["KeyRotationEnabled"] is False  # K103
    retiring = f"arn:aws:iam::{OTHER}:root"
    grant = kms.create_grant(KeyId=key, GranteePrincipal=f"arn:aws:iam::{OWNER}:root", RetiringPrincipal=retiring, Operations=["Decrypt"])
    listed, = other.list_retirable_grants(RetiringPrincipal=retiring)["Grants"]  # A409
    assert listed["GrantId"] == grant["GrantId"] and listed["KeyId"] == key
    refused("InvalidArnException", kms.list_retirable_grants, RetiringPrincipal=retiring)
    other.retire_grant(GrantToken=grant["GrantToken"])
    assert other.list_retirable_grants(RetiringPrincipal=retiring)["Grants"] == []
