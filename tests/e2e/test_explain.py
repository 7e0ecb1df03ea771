"""Questions are answered as calls are decided: the same list is played against the server and asked."""

import json

import pytest
from botocore.exceptions import ClientError

from conftest import signed_json
from test_kms import OTHER, OWNER
from test_operate import S3_DOOR, STORY, article, assume, forward, keyward  # noqa: F401

ROOT = f"arn:aws:iam::{OWNER}:root"
REFUSALS = {"AccessDeniedException", "AccessDenied"}


def statement(principal, action, effect="Allow", **more):
    return {"Effect": effect, "Principal": {"AWS": principal}, "Action": action, "Resource": "*", **more}


def document(*statements):
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def when(operator, key, value):
    return {"Condition": {operator: {key: value}}}


class Estate:
    """A few people and keys, and both ways to ask about them."""

    def __init__(self, server):
        self.server = server
        self.root = server.kms()
        self.iam = server.client("iam")
        self.pairs = 0
        self.faults = []

    def user(self, name, *statements, path="/"):
        self.iam.create_user(UserName=name, Path=path)
        if statements:
            self.iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=document(*statements))
        return self.server.kms(credentials=self.iam.create_access_key(UserName=name)["AccessKey"])

    def key(self, *statements):
        return self.root.create_key(Policy=document(statement(ROOT, "kms:*"), *statements))["KeyMetadata"]["Arn"]

    def same(self, client, caller, action, key, *options, **parameters):
        """Calls and asks. Whatever comes after authorization counts as allowed."""
        operation = action.split(":")[1]
        method = {"ReEncrypt": "re_encrypt"}.get(operation) or "".join("_" + c.lower() if c.isupper() else c for c in operation)[1:]
        asked = json.loads(self.ask(caller, action, key, *options))
        try:
            getattr(client, method)(**parameters)
            called = "ALLOW"
        except ClientError as error:
            code = error.response["Error"]["Code"]
            called = "DENY" if code in REFUSALS else "ALLOW"
            sentence = error.response["Error"]["Message"]
            if called == "DENY" and asked["decision"] == "DENY" and asked["message"] != sentence:
                self.faults.append((caller, action, options, asked["message"], sentence))
        self.pairs += 1
        if asked["decision"] != called:
            self.faults.append((caller, action, key, options, f"asked {asked['decision']}", f"called {called}"))
        return asked

    def ask(self, caller, action, key, *options):
        arguments = ["explain", "--as", caller, action, key, "--region", "us-east-1", "--format", "json", *options]
        try:
            return keyward(self.server, *arguments)
        except AssertionError:
            return keyward(self.server, *arguments, code=1)

    def refuses(self, caller, action, key, *options):
        return keyward(self.server, "explain", "--as", caller, action, key, *options, code=2)


def user_arn(name):
    return f"arn:aws:iam::{OWNER}:user/{name}"


def test_a_question_is_answered_as_the_call_is(server):
    estate = Estate(server)
    same = estate.same
    full = {"Effect": "Allow", "Action": "kms:*", "Resource": "*"}
    by_policy, by_identity, nobody = estate.user("named"), estate.user("iam", full, path="/team/"), estate.user("nobody")
    named, iam, none = user_arn("named"), user_arn("team/iam"), user_arn("nobody")
    everyone = [(by_policy, named), (by_identity, iam), (nobody, none), (estate.root, ROOT)]
    key = estate.key(statement(named, "kms:*"))
    other = estate.key()

    # The alias half (A405): what the key policy gives is half of it.
    for at, (client, arn) in enumerate(everyone):
        alias = f"alias/a{at}"
        same(client, arn, "kms:CreateAlias", key, "--parameter", f"AliasName={alias}", AliasName=alias, TargetKeyId=key)
    estate.root.create_alias(AliasName="alias/shared", TargetKeyId=key)
    for client, arn in everyone[:3]:
        moved = ["--parameter", "AliasName=alias/shared"]
        same(client, arn, "kms:UpdateAlias", other, *moved, AliasName="alias/shared", TargetKeyId=other)
    for client, arn in (everyone[0], everyone[2]):
        same(client, arn, "kms:DeleteAlias", "alias/shared", AliasName="alias/shared")

    # No key at all (A403).
    for client, arn in everyone:
        same(client, arn, "kms:ListKeys", "*")
        same(client, arn, "kms:CreateKey", "*")
        same(client, arn, "kms:GenerateRandom", "*", NumberOfBytes=8)
    same(by_policy, named, "kms:ListAliases", "*")
    same(by_policy, named, "kms:ListRetirableGrants", "*", RetiringPrincipal=named)

    # A grant decides who may retire it (A620).
    grant = estate.root.create_grant(KeyId=key, GranteePrincipal=named, RetiringPrincipal=none, Operations=["Decrypt"])
    for client, arn in everyone[:3]:
        same(client, arn, "kms:RetireGrant", key, "--grant-id", grant["GrantId"], KeyId=key, GrantId=grant["GrantId"], DryRun=True)
    same(nobody, none, "kms:RetireGrant", key, "--grant-token", grant["GrantToken"], GrantToken=grant["GrantToken"], DryRun=True)
    same(by_policy, named, "kms:RevokeGrant", key, KeyId=key, GrantId=grant["GrantId"], DryRun=True)
    same(nobody, none, "kms:RevokeGrant", key, KeyId=key, GrantId=grant["GrantId"], DryRun=True)

    # Contexts where requests carry them, and nowhere else (A540) (A542).
    pay = when("StringEquals", "kms:EncryptionContext:team", "pay")
    bound = estate.key(statement(named, ["kms:Encrypt", "kms:Decrypt", "kms:GenerateDataKey", "kms:DescribeKey", "kms:ReEncrypt*"], **pay))
    blob = estate.root.encrypt(KeyId=bound, Plaintext=b"x", EncryptionContext={"team": "pay"})["CiphertextBlob"]
    for context in ({"team": "pay"}, {"team": "tax"}, {"Team": "pay", "more": "1"}, {}):
        options = [word for pair in context.items() for word in ("--context", "=".join(pair))]
        same(by_policy, named, "kms:Encrypt", bound, *options, KeyId=bound, Plaintext=b"x", EncryptionContext=context)
        same(by_policy, named, "kms:Decrypt", bound, *options, KeyId=bound, CiphertextBlob=blob, EncryptionContext=context)
        same(by_policy, named, "kms:GenerateDataKey", bound, *options, KeyId=bound, KeySpec="AES_128", EncryptionContext=context)
    same(by_policy, named, "kms:DescribeKey", bound, "--context", "team=pay", KeyId=bound)

    # Both halves of ReEncrypt, each with its key and context (A404).
    free = estate.key(statement(named, "kms:ReEncryptTo"))
    to_free = ["--to", free, "--parameter", 'SourceEncryptionContext={"team":"pay"}']
    source = {"CiphertextBlob": blob, "SourceKeyId": bound, "SourceEncryptionContext": {"team": "pay"}}
    answer = same(by_policy, named, "kms:ReEncrypt", bound, *to_free, DestinationKeyId=free, **source)
    assert [half["action"] for half in answer["before"]] == ["kms:ReEncryptFrom"] and answer["action"] == "kms:ReEncryptTo"
    same(by_policy, named, "kms:ReEncrypt", bound, "--to", free, DestinationKeyId=free, CiphertextBlob=blob, SourceKeyId=bound)
    to_bound = ["--to", bound, *to_free[2:]]
    same(by_policy, named, "kms:ReEncrypt", bound, *to_bound, DestinationKeyId=bound, **source)
    elsewhere = estate.key()
    same(by_policy, named, "kms:ReEncrypt", bound, "--to", elsewhere, *to_free[2:], DestinationKeyId=elsewhere, **source)

    # What the request does not say has its default (A502).
    defaults = estate.key(
        statement(named, "kms:Encrypt", **when("StringEquals", "kms:EncryptionAlgorithm", "SYMMETRIC_DEFAULT")),
        statement(named, "kms:GetKeyPolicy", **when("StringEquals", "kms:PolicyName", "default")),
        statement(named, "kms:ScheduleKeyDeletion", **when("NumericGreaterThanEquals", "kms:ScheduleKeyDeletionPendingWindowInDays", "14")),
        statement(named, "kms:TagResource", **when("ForAllValues:StringEquals", "aws:TagKeys", "team")),
    )
    same(by_policy, named, "kms:Encrypt", defaults, KeyId=defaults, Plaintext=b"x")
    same(by_policy, named, "kms:GetKeyPolicy", defaults, KeyId=defaults)
    for name in ("team", "other"):
        tags = [{"TagKey": name, "TagValue": "x"}]
        same(by_policy, named, "kms:TagResource", defaults, "--parameter", f"Tags={json.dumps(tags)}", KeyId=defaults, Tags=tags)
    week = ["--parameter", "PendingWindowInDays=7"]
    same(by_policy, named, "kms:ScheduleKeyDeletion", defaults, *week, KeyId=defaults, PendingWindowInDays=7)
    same(by_policy, named, "kms:ScheduleKeyDeletion", defaults, KeyId=defaults)
    told = json.loads(estate.ask(ROOT, "kms:Encrypt", defaults))
    assert told["decision"] == "ALLOW" and "pending deletion" in told["failure"]

    # CreateGrant is decided on the grant (A553) (A550).
    shape = when("ForAllValues:StringEquals", "kms:GrantOperations", ["Decrypt", "DescribeKey"])
    granting = estate.key(statement(named, "kms:CreateGrant", **shape))
    for operations in (["Decrypt"], ["Decrypt", "Encrypt"]):
        terms = ["--parameter", f"Operations={json.dumps(operations)}", "--parameter", f"GranteePrincipal={none}"]
        same(by_policy, named, "kms:CreateGrant", granting, *terms, KeyId=granting, Operations=operations, GranteePrincipal=none, DryRun=True)

    # How the call comes, as the listener sees it.
    plain = estate.key(statement(named, "kms:*"), statement("*", "kms:Encrypt", "Deny", **when("Bool", "aws:SecureTransport", "false")))
    same(by_policy, named, "kms:Encrypt", plain, KeyId=plain, Plaintext=b"x")
    same(by_policy, named, "kms:DescribeKey", plain, KeyId=plain)
    assert json.loads(estate.ask(named, "kms:Encrypt", plain, "--condition", "aws:SecureTransport=true"))["decision"] == "ALLOW"

    # Aliases name keys where they may (A410), and are seen (A545).
    estate.root.create_alias(AliasName="alias/by-name", TargetKeyId=other)
    by_name = document(statement(ROOT, "kms:*"), statement(named, "kms:Encrypt", **when("StringEquals", "kms:RequestAlias", "alias/by-name")))
    estate.root.put_key_policy(KeyId=other, Policy=by_name)
    same(by_policy, named, "kms:Encrypt", "alias/by-name", KeyId="alias/by-name", Plaintext=b"x")
    same(by_policy, named, "kms:Encrypt", other, KeyId=other, Plaintext=b"x")

    # Another account (A310) (A313) (A906).
    foreign = server.client("iam", OTHER)
    foreign.create_user(UserName="abroad")
    foreign.put_user_policy(UserName="abroad", PolicyName="p", PolicyDocument=document(full))
    abroad, abroad_arn = server.kms(credentials=foreign.create_access_key(UserName="abroad")["AccessKey"]), f"arn:aws:iam::{OTHER}:user/abroad"
    shared = estate.key(statement(f"arn:aws:iam::{OTHER}:root", ["kms:Encrypt", "kms:EnableKey"]))
    for target in (shared, key):
        same(abroad, abroad_arn, "kms:Encrypt", target, KeyId=target, Plaintext=b"x")
        same(abroad, abroad_arn, "kms:EnableKey", target, KeyId=target)

    # Asking makes nothing.
    before = keyward(server, "status", "--json")
    assert json.loads(estate.ask(ROOT, "kms:CreateKey", "*"))["decision"] == "ALLOW"
    assert json.loads(estate.ask(ROOT, "kms:DisableKey", key))["decision"] == "ALLOW"
    assert keyward(server, "status", "--json") == before

    assert not estate.faults, "\n".join(map(str, estate.faults))
    assert estate.pairs >= 40, estate.pairs


def test_a_forwarded_call_is_asked_about_as_such(article):
    app = f"arn:aws:iam::{OWNER}:role/app-data-plane"
    _, answer = forward(article, assume(article, "app-data-plane"))
    via = article.kms(region="ap-south-1", credentials=answer["Credentials"])
    key = f"arn:aws:kms:ap-south-1:{OWNER}:key/e3a90f16-52c8-4d7b-8f05-7c6b1d2e4a90"
    with pytest.raises(ClientError):
        via.encrypt(KeyId=key, Plaintext=b"x", EncryptionContext={"project": "other"})
    via.encrypt(KeyId=key, Plaintext=b"x", EncryptionContext={"project": "shieldsync-prod"})
    question = ["explain", "--as", app, "kms:Encrypt", key, "--via", "s3.ap-south-1.amazonaws.com"]
    assert keyward(article, *question, "--context", "project=other", code=1).startswith("DENY")
    assert keyward(article, *question, "--context", "project=shieldsync-prod").startswith("ALLOW")
    _, acting = signed_json(article, S3_DOOR, "keyward", "Keyward.ActAsService", {}, region="ap-south-1")
    service = article.kms(region="ap-south-1", credentials=acting["Credentials"])
    for action, method in (("kms:ListKeys", service.list_keys), ("kms:CreateKey", service.create_key)):
        with pytest.raises(ClientError, match="AccessDenied"):
            method()
        assert keyward(article, "explain", "--as", "s3.amazonaws.com", action, "*", code=1).startswith("DENY")


def test_every_refusal_is_explained(article):
    key = f"arn:aws:kms:ap-south-1:{OTHER}:key/00000000-0000-0000-0000-00000000beef"
    story = article.kms(region="ap-south-1", credentials=STORY)
    app = article.kms(region="ap-south-1", credentials=assume(article, "app-data-plane"))
    sts = article.client("sts", region="ap-south-1", credentials=STORY)
    blob = app_blob(article)
    for refused, parameters in [
        (sts.assume_role, {"RoleArn": f"arn:aws:iam::{OTHER}:role/absent", "RoleSessionName": "web-1"}),
        (sts.assume_role, {"RoleArn": f"arn:aws:iam::{OTHER}:role/cross-account-reader", "RoleSessionName": "web-1"}),
        (story.retire_grant, {"KeyId": key, "GrantId": "0" * 64}),
        (story.encrypt, {"KeyId": key, "Plaintext": b"x"}),
        (app.decrypt, {"CiphertextBlob": blob}),
        (article.client("iam", region="us-east-1", credentials=assume(article, "app-data-plane")).list_users, {}),
    ]:
        with pytest.raises(ClientError, match="AccessDenied") as error:
            refused(**parameters)
        request_id = error.value.response["ResponseMetadata"]["RequestId"]
        told = keyward(article, "explain", "--request-id", request_id, code=1)
        assert told.startswith("DENY"), refused
        past = json.loads(keyward(article, "explain", "--request-id", request_id, "--format", "json", code=1))
        assert past["message"] == error.value.response["Error"]["Message"]


def test_a_role_is_refused_by_its_trust_policy(article):
    app = article.client("sts", region="ap-south-1", credentials=assume(article, "app-data-plane"))
    story = article.client("sts", region="ap-south-1", credentials=STORY)
    for sts, role in [(app, f"arn:aws:iam::{OWNER}:role/ops"), (story, f"arn:aws:iam::{OTHER}:role/cross-account-reader")]:
        with pytest.raises(ClientError, match="AccessDenied") as error:
            sts.assume_role(RoleArn=role, RoleSessionName="web-1")
        told = keyward(article, "explain", "--request-id", error.value.response["ResponseMetadata"]["RequestId"], code=1)
        assert "trust policy" in told.split("\n\n")[-1] and "key policy" not in told, told


def app_blob(article):
    """A ciphertext under a key that is gone: one bit of the key's id is another."""
    ops = article.kms(region="ap-south-1", credentials=assume(article, "ops"))
    blob = bytearray(ops.encrypt(KeyId="alias/default", Plaintext=b"x")["CiphertextBlob"])
    blob[12] ^= 1
    return bytes(blob)


def test_a_question_that_is_no_call_says_what_to_ask(server):
    estate = Estate(server)
    estate.user("ex1", path="/team/")
    key = estate.key()
    key_id = key.rsplit("/")[-1]
    estate.root.create_alias(AliasName="alias/named", TargetKeyId=key)
    caller = user_arn("team/ex1")
    for action, target, options, told in [
        ("kms:ListKeys", key, [], "ask about kms:ListKeys '*'"),  # A403
        ("kms:CreateKey", key_id, [], "decided without a key"),
        ("kms:Decrypt", "*", [], "kms:Decrypt is decided on a key"),
        ("kms:ReEncrypt", key, [], "kms:ReEncryptFrom on one key and kms:ReEncryptTo on another"),  # A404
        ("kms:RetireGrant", key, [], "--grant-id"),  # A620
        ("kms:CreateAlias", key, [], "--parameter AliasName="),  # A405
        ("kms:CreateGrant", key, [], "Operations="),
        ("kms:DisableKey", "alias/named", [], f"takes no alias, name the key: {key}"),  # A410
        ("kms:Decrpyt", key, [], "no permission `Decrpyt`"),
        ("s3:GetObject", key, [], "is no permission of KMS"),
        ("kms:Encrypt", key, ["--parameter", "Plaintxt=x"], "has no parameter `Plaintxt`"),
        ("kms:Encrypt", key, ["--condition", "kms:PolicyName=default"], "no request for kms:Encrypt carries kms:PolicyName"),
        ("kms:Encrypt", key, ["--region", "eu-west-1"], "Invalid arn us-east-1"),  # A909
    ]:
        assert told in estate.refuses(caller, action, target, *options), (action, target)
    # A name is the whole of it (A124) (A121).
    for wrong in (f"arn:aws:iam::{OWNER}:user/ex1", f"arn:aws:iam::{OWNER}:user/no/such/path/ex1", f"arn:aws-cn:iam::{OWNER}:user/team/ex1"):
        assert f"but {caller}" in estate.refuses(wrong, "kms:Encrypt", key)
    assert "but arn:aws:iam" in estate.refuses(f"arn:aws-cn:iam::{OWNER}:root", "kms:Encrypt", key)
