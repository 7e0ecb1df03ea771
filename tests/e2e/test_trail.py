"""What is remembered of every call."""

import json
import socket

import pytest
from botocore.exceptions import ClientError

from conftest import signed_json
from test_kms import OTHER, OWNER
from test_operate import PARTNER, article, assume, keyward  # noqa: F401

APP = f"arn:aws:iam::{OWNER}:user/app"


def record_of(server, call, **parameters):
    """The caller's record of a call, whether or not it succeeds."""
    try:
        answer = call(**parameters)
    except ClientError as error:
        answer = error.response
    request_id = answer["ResponseMetadata"]["RequestId"]
    return json.loads(keyward(server, "trail", "show", request_id).splitlines()[0]), answer


def count(server):
    return keyward(server, "trail", "query", "-n", "100000").count("\n")


def raw(server, headers, body=b"{}", method="POST", path="/", length=None):
    """One request as bytes; what is not said to be the body's length is not sent."""
    host, port = server.endpoint.removeprefix("http://").split(":")
    lines = [f"{method} {path} HTTP/1.1", f"host: {host}:{port}", "connection: close"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    lines += [f"content-length: {len(body) if length is None else length}", "", ""]
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        connection.sendall("\r\n".join(lines).encode())
        try:
            connection.sendall(body)
            if length is not None:
                connection.shutdown(socket.SHUT_WR)
            return connection.makefile("rb").readline().decode()
        except (BrokenPipeError, ConnectionResetError):
            return ""


def test_t65_every_request_has_its_record(server):
    before = count(server)
    target = {"x-amz-target": "TrentService.Decrypt"}
    assert " 413 " in raw(server, target, body=b"x" * (1024 * 1024 + 1))
    assert " 400 " in raw(server, {**target, "content-encoding": "gzip"})
    raw(server, target, length=10)  # and no more comes
    assert " 404 " in raw(server, {}, method="GET", body=b"")
    assert " 404 " in raw(server, {"x-amz-target": "Foo"})  # K12
    json_type = {"content-type": "application/x-amz-json-1.1"}
    assert " 400 " in raw(server, {"x-amz-target": "Foo", **json_type})
    target |= json_type
    assert " 404 " in raw(server, target, path="/x")
    assert " 400 " in raw(server, target, body=b"{")
    assert " 400 " in raw(server, target)
    records = [json.loads(line) for line in keyward(server, "trail", "query", "-n", "100000").splitlines()[before:]]
    assert len(records) == 9
    assert [record["eventName"] for record in records[:3]] == ["Decrypt"] * 3
    assert [record["errorCode"] for record in records[:3]] == ["RequestEntityTooLarge", "SerializationException", "IncompleteBody"]


def test_t71_nobody_chooses_how_long_a_record_is(server):
    agent = {"user-agent": "é" * 30_000, "x-amz-target": "TrentService.Decrypt"}
    raw(server, {**agent, "user-agent": "x" * 100_000})
    record = json.loads(keyward(server, "trail", "tail", "-n", "1"))
    assert len(record["userAgent"]) == 1024 and record["omitted"] is True
    key, secret = server.credentials[OWNER]
    for length in (900_000, 90_000):
        status, _ = signed_json(server, (key, secret), "kms", "TrentService.DescribeKey", {"KeyId": "x" * length})
        assert status == 400
        line = keyward(server, "trail", "tail", "-n", "1")
        assert len(line) < 110_000 and json.loads(line).get("omitted") is True
        assert len(json.loads(line)["errorMessage"]) <= 1024
    server.kms().list_keys()
    assert "omitted" not in json.loads(keyward(server, "trail", "tail", "-n", "1"))


def test_a1006_records_say_what_was_asked_and_what_was_made(server):
    kms, iam, sts = server.kms(), server.client("iam"), server.client("sts")
    iam.create_user(UserName="app")
    tags = [{"TagKey": "team", "TagValue": "pay"}]

    def kept(call, **parameters):
        record, answer = record_of(server, call, **parameters)
        return record["requestParameters"], record["responseElements"], record, answer

    asked, made, record, answer = kept(kms.create_key, Description="d", Tags=tags)
    key = answer["KeyMetadata"]["Arn"]
    assert asked["tags"] == [{"tagKey": "team", "tagValue": "pay"}] and made["keyMetadata"]["arn"] == key
    assert record["userIdentity"]["type"] == "Root" and record["userIdentity"]["accountId"] == OWNER  # A1003
    assert record["resources"] == [{"accountId": OWNER, "type": "AWS::KMS::Key", "ARN": key}]  # A1007
    assert made["keyMetadata"]["aWSAccountId"] == OWNER and made["keyMetadata"]["creationDate"].endswith("Z")
    pairs = {"Team": "pay"}
    terms = {"GranteePrincipal": APP, "RetiringPrincipal": APP, "Operations": ["Decrypt"], "Name": "x"}
    asked, made, _, answer = kept(kms.create_grant, KeyId=key, Constraints={"EncryptionContextSubset": pairs}, **terms)
    assert asked["constraints"] == {"encryptionContextSubset": pairs} and asked["name"] == "x"
    assert made == {"grantId": answer["GrantId"], "keyId": key}
    grant, token = answer["GrantId"], answer["GrantToken"]
    # A622, A623
    assert kept(kms.list_grants, KeyId=key, Limit=5, GrantId=grant)[0] == {"keyId": key, "limit": 5, "grantId": grant}
    assert kept(kms.list_keys, Limit=5)[0] == {"limit": 5} and kept(kms.list_keys)[0] is None
    assert kept(kms.list_aliases, KeyId=key, Limit=5)[0] == {"keyId": key, "limit": 5}
    assert kept(kms.list_key_policies, KeyId=key)[0] == {"keyId": key}
    assert kept(kms.list_resource_tags, KeyId=key, Limit=3)[0] == {"keyId": key, "limit": 3}
    assert kept(kms.list_retirable_grants, RetiringPrincipal=APP)[0] == {"retiringPrincipal": APP}
    assert kept(kms.generate_random, NumberOfBytes=8)[:2] == ({"numberOfBytes": 8}, None)
    assert kept(kms.tag_resource, KeyId=key, Tags=tags)[0]["tags"] == [{"tagKey": "team", "tagValue": "pay"}]
    asked, made, record, _ = kept(kms.retire_grant, GrantToken=token)
    assert (asked, made, record["additionalEventData"]) == (None, None, {"grantId": grant})
    assert record["resources"][0]["ARN"] == key and token not in json.dumps(record)
    grant = kms.create_grant(KeyId=key, GranteePrincipal=APP, Operations=["Decrypt"])["GrantId"]
    assert kept(kms.revoke_grant, KeyId=key, GrantId=grant)[:2] == ({"keyId": key, "grantId": grant}, {"keyId": key})
    asked, made, *_ = kept(kms.schedule_key_deletion, KeyId=key, PendingWindowInDays=7)
    assert asked == {"keyId": key, "pendingWindowInDays": 7}
    assert made["keyId"] == key and made["keyState"] == "PendingDeletion" and made["deletionDate"].endswith("Z")
    assert kept(kms.cancel_key_deletion, KeyId=key)[1] == {"keyId": key}

    asked, made, record, answer = kept(iam.create_access_key, UserName="app")
    assert made["accessKey"]["accessKeyId"] == answer["AccessKey"]["AccessKeyId"] and made["accessKey"]["userName"] == "app"
    assert answer["AccessKey"]["SecretAccessKey"] not in json.dumps(record)
    trust = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": APP}, "Action": "sts:AssumeRole"}]}
    policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "kms:*", "Resource": "*"}]}
    made = kept(iam.create_role, RoleName="r", AssumeRolePolicyDocument=json.dumps(trust))[1]
    assert made["role"]["arn"] == f"arn:aws:iam::{OWNER}:role/r" and made["role"]["roleId"].startswith("AROA")
    assert kept(iam.create_user, UserName="u")[1]["user"]["userId"].startswith("AIDA")
    assert kept(iam.create_group, GroupName="g")[1]["group"]["groupName"] == "g"
    policy_arn = kept(iam.create_policy, PolicyName="p", PolicyDocument=json.dumps(policy))[1]["policy"]["arn"]
    assert kept(iam.create_policy_version, PolicyArn=policy_arn, PolicyDocument=json.dumps(policy))[1]["policyVersion"]["versionId"] == "v2"
    assert kept(iam.attach_user_policy, UserName="app", PolicyArn=policy_arn)[1] is None
    app = server.client("sts", credentials=answer["AccessKey"])
    asked, made, record, answer = kept(app.assume_role, RoleArn=f"arn:aws:iam::{OWNER}:role/r", RoleSessionName="web-1")
    assert made["assumedRoleUser"]["arn"].endswith(":assumed-role/r/web-1") and asked["roleSessionName"] == "web-1"
    for secret in ("SecretAccessKey", "SessionToken"):
        assert answer["Credentials"][secret] not in json.dumps(record)
    assert kept(sts.get_session_token)[1]["credentials"]["accessKeyId"].startswith("ASIA")


def test_a1005_a_refused_write_is_a_write(server):
    kms, iam = server.kms(), server.client("iam")
    key = kms.create_key()["KeyMetadata"]["KeyId"]
    for call, parameters, read_only in [
        (kms.schedule_key_deletion, {"KeyId": key, "PendingWindowInDays": 366}, False),
        (kms.create_key, {"KeySpec": "X"}, False),
        (kms.enable_key_rotation, {"KeyId": key, "RotationPeriodInDays": 2561}, False),
        (kms.describe_key, {"KeyId": "x" * 3000}, True),
        (kms.sign, {"KeyId": key, "Message": b"x", "SigningAlgorithm": "ECDSA_SHA_256"}, True),
        (iam.create_login_profile, {"UserName": "x", "Password": "never-in-the-trail"}, False),
        (iam.list_server_certificates, {}, True),
    ]:
        record, answer = record_of(server, call, **parameters)
        assert "errorCode" in record and record["readOnly"] is read_only, record
        assert "never-in-the-trail" not in json.dumps(record)


@pytest.mark.parametrize("denied", [True, False])
def test_a1008_both_accounts_read_of_an_allowed_call(article, denied):
    reader = assume(article, "cross-account-reader", PARTNER, OTHER)
    owner = article.kms(region="ap-south-1", credentials=assume(article, "ops"))
    key = owner.describe_key(KeyId="alias/default")["KeyMetadata"]["Arn"]
    if not denied:
        owner.create_grant(KeyId=key, GranteePrincipal=f"arn:aws:iam::{OTHER}:role/cross-account-reader", Operations=["DescribeKey"])
    kms = article.kms(region="ap-south-1", credentials=reader)
    record, answer = record_of(article, kms.describe_key, KeyId=key)
    shown = keyward(article, "trail", "show", answer["ResponseMetadata"]["RequestId"]).splitlines()
    assert [json.loads(line)["recipientAccountId"] for line in shown] == ([OTHER] if denied else [OTHER, OWNER])
