"""Quotas of requests (K231, K232) and of resources (K230). Rates here are so low that a bucket holds one call and no more comes in a test."""

import json

import pytest

from conftest import ACCOUNTS, Server, signed_json
from test_kms import OTHER, OWNER, policy, refused, root
from test_operate import keyward

# K232
TOO_MANY = "You have exceeded the rate at which you may call KMS. Reduce the frequency of your calls."


@pytest.fixture
def limited(tmp_path):
    servers = []
    (tmp_path / "limited").mkdir()

    def start(rates):
        servers.append(Server(tmp_path / "limited", "--accounts", ",".join(ACCOUNTS), "--request-quotas", rates).start())
        return servers[-1]

    yield start
    for server in servers:
        if server.process.poll() is None:
            server.stop()


def throttled(call, **parameters):
    assert refused("ThrottlingException", call, **parameters) == TOO_MANY


def test_calls_of_an_operation_are_counted_by_account_and_region(limited):
    server = limited("DescribeKey=0.001,CreateKey=0.001")
    kms = server.kms()
    key = kms.create_key()["KeyMetadata"]["Arn"]
    throttled(kms.create_key)
    server.kms(region="eu-west-1").create_key()
    server.kms(OTHER).create_key()
    kms.describe_key(KeyId=key)
    throttled(kms.describe_key, KeyId=key)
    kms.list_keys()  # nobody limited it
    # It is recorded as other refusals are.
    record = json.loads(keyward(server, "trail", "query", "--event", "DescribeKey").splitlines()[-1])
    assert (record["errorCode"], record["errorMessage"]) == ("ThrottlingException", TOO_MANY)
    assert record["userIdentity"]["accountId"] == OWNER


def test_uses_of_keys_share_a_quota_that_the_caller_pays(limited):
    server = limited("symmetric=0.001")
    kms, other = server.kms(), server.kms(OTHER)
    key = kms.create_key(Policy=policy(root(OWNER), root(OTHER)))["KeyMetadata"]["Arn"]
    blob = kms.encrypt(KeyId=key, Plaintext=b"x")["CiphertextBlob"]
    throttled(kms.decrypt, CiphertextBlob=blob)
    throttled(kms.generate_random, NumberOfBytes=8)
    # Another account's calls on the same key are its own.
    assert other.decrypt(KeyId=key, CiphertextBlob=blob)["Plaintext"] == b"x"
    throttled(other.decrypt, KeyId=key, CiphertextBlob=blob)
    # What is refused is refused in the same words whether or not a foreign key is there (A908).
    kms.put_key_policy(KeyId=key, Policy=policy(root(OWNER)))
    missing = key[:-36] + "00000000-0000-4000-8000-000000000000"
    hidden = refused("AccessDeniedException", other.encrypt, KeyId=key, Plaintext=b"x")
    assert hidden.replace(key, missing) == refused("AccessDeniedException", other.encrypt, KeyId=missing, Plaintext=b"x")


def test_each_kind_of_key_and_of_pair_has_its_quota(limited):
    kms = limited("RSA=0.001,ECC=0.001,GenerateDataKeyPair:ECC_NIST_P256=0.001").kms()
    pair = {"KeyId": kms.create_key()["KeyMetadata"]["Arn"]}
    kms.generate_data_key_pair(**pair, KeyPairSpec="ECC_NIST_P256")
    throttled(kms.generate_data_key_pair_without_plaintext, **pair, KeyPairSpec="ECC_NIST_P256")
    kms.generate_data_key_pair(**pair, KeyPairSpec="ECC_NIST_P384")
    for spec, algorithm in (("RSA_2048", "RSASSA_PSS_SHA_256"), ("ECC_NIST_P256", "ECDSA_SHA_256")):
        key = kms.create_key(KeySpec=spec, KeyUsage="SIGN_VERIFY")["KeyMetadata"]["Arn"]
        terms = {"KeyId": key, "Message": b"m", "SigningAlgorithm": algorithm}
        signature = kms.sign(**terms)["Signature"]
        throttled(kms.verify, **terms, Signature=signature)


def test_a_dry_run_counts_and_strangers_do_not(limited):
    server = limited("symmetric=0.001,ListKeys=0.001")
    kms = server.kms()
    # Nobody's calls count for anybody: quotas are asked after authentication.
    key, _ = server.credentials[OWNER]
    for _ in range(3):
        status, answer = signed_json(server, (key, "wrong"), "kms", "TrentService.ListKeys")
        assert (status, answer["__type"]) == (400, "InvalidSignatureException")
    kms.list_keys()
    throttled(kms.list_keys)
    key = kms.create_key()["KeyMetadata"]["Arn"]
    refused("DryRunOperationException", kms.encrypt, KeyId=key, Plaintext=b"x", DryRun=True)  # K153
    throttled(kms.encrypt, KeyId=key, Plaintext=b"x")


def test_the_rates_of_aws_are_there_for_the_asking_and_off_without(limited, server):
    for _ in range(12):
        server.kms().create_key()
    kms = limited("aws,symmetric=2").kms()
    made = []
    for _ in range(12):
        try:
            made.append(kms.create_key())
        except kms.exceptions.ClientError as error:
            assert error.response["Error"]["Code"] == "ThrottlingException"
    assert 5 <= len(made) < 12


def test_limits_of_keys_are_told(server):
    kms = server.kms()
    key = kms.create_key()["KeyMetadata"]["Arn"]
    for at in range(50):
        kms.create_alias(AliasName=f"alias/{at}", TargetKeyId=key)
    message = refused("LimitExceededException", kms.create_alias, AliasName="alias/50", TargetKeyId=key)
    assert message == "Aliases per key quota for this account in this region is 50, current usage is 50."  # K54
    long = json.dumps({"Version": "2012-10-17", "Statement": [root(OWNER)], "Id": "x" * 32_768})
    refused("LimitExceededException", kms.put_key_policy, KeyId=key, Policy=long)  # K74, K230
    tags = [{"TagKey": str(at), "TagValue": ""} for at in range(51)]
    assert refused("TagException", kms.tag_resource, KeyId=key, Tags=tags) == "Too many tags"  # K130
