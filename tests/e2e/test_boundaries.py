"""Ways around a refusal, tried: each of them must stay closed. Rule numbers are those of spec/."""

import datetime
import json
import re
import urllib.parse
import uuid

import boto3
import botocore.auth
import botocore.config
import pytest
from botocore.auth import S3SigV4QueryAuth, SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError
from botocore.httpsession import URLLib3Session

from conftest import signed_json
from test_iam import allow, trust, user
from test_kms import OTHER, OWNER, policy, refused, root
from test_operate import keyward


def deny(*actions, resource="*", **more):
    return policy({"Effect": "Deny", "Action": list(actions), "Resource": resource, **more})


def test_an_account_is_in_one_partition(server):
    mallory = user(server, "mallory", all=allow("iam:*", "sts:*"), none=deny("iam:CreateUser", "iam:CreateRole", resource=f"arn:aws:iam::{OWNER}:*"))
    for region in ("us-east-1", "eu-west-1"):
        refused("AccessDenied", server.client("iam", region=region, credentials=mallory).create_user, UserName="evil")
    for region in ("cn-north-1", "us-gov-west-1", "us-iso-east-1"):
        # T6, A121: credentials of one partition are unknown in the others.
        refused("InvalidClientTokenId", server.client("iam", region=region, credentials=mallory).create_user, UserName="evil")
        refused("InvalidClientTokenId", server.client("sts", region=region, credentials=mallory).get_federation_token, Name="bobby")
        refused("UnrecognizedClientException", server.kms(region=region).list_keys)
    session = server.client("sts", credentials=mallory).get_session_token()["Credentials"]
    refused("UnrecognizedClientException", server.kms(region="cn-north-1", credentials=session).list_keys)
    # K260: IAM is called in one Region, whatever Region the signature names.
    iam = server.client("iam")
    elsewhere = {"Condition": {"StringNotEquals": {"aws:RequestedRegion": "eu-west-1"}}}
    iam.put_user_policy(UserName="mallory", PolicyName="none", PolicyDocument=deny("iam:*", **elsewhere))
    refused("AccessDenied", server.client("iam", region="eu-west-1", credentials=mallory).create_user, UserName="evil")


def test_an_account_of_another_partition_lives_there(server):
    account = "777788889999"
    [made] = json.loads(keyward(server, "account", "create", "--id", account, "--partition", "aws-cn", "--format", "json"))
    assert made["Arn"] == f"arn:aws-cn:iam::{account}:root"
    assert server.client("sts", region="cn-north-1", credentials=made).get_caller_identity()["Arn"] == made["Arn"]  # K275
    refused("InvalidClientTokenId", server.client("sts", credentials=made).get_caller_identity)
    iam, kms = (server.client(service, region="cn-north-1", credentials=made) for service in ("iam", "kms"))
    arn = iam.create_user(UserName="wei")["User"]["Arn"]
    assert arn == f"arn:aws-cn:iam::{account}:user/wei"
    iam.attach_user_policy(UserName="wei", PolicyArn="arn:aws-cn:iam::aws:policy/AdministratorAccess")
    text = refused("NoSuchEntity", iam.attach_user_policy, UserName="wei", PolicyArn="arn:aws:iam::aws:policy/PowerUserAccess")
    assert text == "Policy arn:aws:iam::aws:policy/PowerUserAccess does not exist or is not attachable."  # K267
    key = kms.create_key()["KeyMetadata"]["Arn"]
    assert key.startswith(f"arn:aws-cn:kms:cn-north-1:{account}:key/")  # K40
    assert made["Arn"] in kms.get_key_policy(KeyId=key)["Policy"]  # A801
    wei = iam.create_access_key(UserName="wei")["AccessKey"]
    assert server.kms(region="cn-north-1", credentials=wei).describe_key(KeyId=key)["KeyMetadata"]["Arn"] == key


def presigned(server, credentials, service, query, region="us-east-1", expires=604800, minutes_ago=0, monkeypatch=None, headers=None, method="GET"):
    """Status and answer of a call whose signature stands in the query string, made some time ago."""
    then = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(minutes=minutes_ago)
    request = AWSRequest(method, f"{server.endpoint}/?{query}", headers=headers or {}, data="{}" if method == "POST" else None)
    with monkeypatch.context() as patched:
        patched.setattr(botocore.auth, "get_current_datetime", lambda: then)
        SigV4QueryAuth(Credentials(*credentials), service, region, expires=expires).add_auth(request)
    answer = URLLib3Session().send(request.prepare())
    return answer.status_code, answer.content.decode()


def test_a_presigned_request_is_for_sts_and_for_a_quarter_of_an_hour(server, monkeypatch):
    signer = server.credentials[OWNER]
    identity = "Action=GetCallerIdentity&Version=2011-06-15"
    assert presigned(server, signer, "sts", identity, minutes_ago=14, monkeypatch=monkeypatch)[0] == 200  # K33
    status, answer = presigned(server, signer, "sts", identity, minutes_ago=16, monkeypatch=monkeypatch)
    assert status == 403 and "Signature expired" in answer and "- 15 min." in answer
    assert presigned(server, signer, "sts", identity, expires=60, minutes_ago=2, monkeypatch=monkeypatch)[0] == 403
    status, answer = presigned(server, signer, "iam", "Action=CreateUser&Version=2010-05-08&UserName=evil", monkeypatch=monkeypatch)
    assert status == 403 and "MissingAuthenticationToken" in answer
    assert server.client("iam").list_users()["Users"] == []
    target = {"X-Amz-Target": "TrentService.CreateKey", "Content-Type": "application/x-amz-json-1.1"}
    status, answer = presigned(server, signer, "kms", "", monkeypatch=monkeypatch, headers=target, method="POST")
    assert (status, json.loads(answer)["__type"]) == (400, "MissingAuthenticationTokenException")  # K30


def test_a_door_takes_a_presigned_request_for_five_minutes(server, monkeypatch):
    door = re.findall(r"^export \w+=(\S+)$", keyward(server, "door", "create", "s3", "--region", "us-east-1"), re.MULTILINE)

    def shown(minutes_ago):
        request = AWSRequest("GET", "http://s3.us-east-1.amazonaws.com/bucket/object")
        then = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(minutes=minutes_ago)
        with monkeypatch.context() as patched:
            patched.setattr(botocore.auth, "get_current_datetime", lambda: then)
            S3SigV4QueryAuth(Credentials(*server.credentials[OWNER]), "s3", "us-east-1", expires=604800).add_auth(request)
        query = urllib.parse.urlsplit(request.url).query
        proof = {"Method": "GET", "Path": "/bucket/object", "Query": query, "Headers": {"Host": "s3.us-east-1.amazonaws.com"}}
        return signed_json(server, door, "keyward", "Keyward.ForwardAccess", {"Request": proof})

    assert shown(4)[0] == 200
    status, answer = shown(6)
    assert status == 400 and "Signature expired" in answer["message"] and "- 5 min." in answer["message"]  # K27


def test_a_door_that_is_made_again_is_another_one(server):
    def door():
        return re.findall(r"^export \w+=(\S+)$", keyward(server, "door", "create", "s3", "--region", "us-east-1"), re.MULTILINE)

    first = door()
    acting = signed_json(server, first, "keyward", "Keyward.ActAsService")[1]["Credentials"]
    assert refused("AccessDeniedException", server.kms(credentials=acting).describe_key, KeyId=f"arn:aws:kms:us-east-1:{OWNER}:key/{'0' * 8}-0000-4000-8000-{'0' * 12}")
    keyward(server, "door", "delete", "s3.us-east-1")
    second = door()
    # T7: the session ended with its door, and stays ended.
    refused("UnrecognizedClientException", server.kms(credentials=acting).list_aliases)
    assert signed_json(server, first, "keyward", "Keyward.ActAsService")[1]["__type"] == "UnrecognizedClientException"
    assert "Credentials" in signed_json(server, second, "keyward", "Keyward.ActAsService")[1]


def test_a_policy_shows_who_is_gone_where_it_names_them_and_nowhere_else(server):
    kms, iam = server.kms(), server.client("iam")
    gone = iam.create_user(UserName="gone")["User"]
    key = kms.create_key()["KeyMetadata"]["Arn"]
    # JSON may write a slash with a backslash before it.
    principals = '{"AWS":["%s","%s"]}' % (gone["Arn"].replace("/", "\\/"), f"arn:aws:iam::{OWNER}:root")
    condition = '{"ArnEquals":{"aws:PrincipalArn":"%s"}}' % gone["Arn"]
    text = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":%s,"Action":"kms:*","Resource":"*"},' % principals
    text += '{"Effect":"Allow","Principal":"*","Action":"kms:Decrypt","Resource":"*","Condition":%s}]}' % condition
    kms.put_key_policy(KeyId=key, Policy=text)
    assert kms.get_key_policy(KeyId=key)["Policy"] == text
    iam.delete_user(UserName="gone")
    iam.create_user(UserName="gone")
    shown = text.replace(gone["Arn"].replace("/", "\\/"), gone["UserId"])
    assert kms.get_key_policy(KeyId=key)["Policy"] == shown  # A206
    refused("MalformedPolicyDocumentException", kms.put_key_policy, KeyId=key, Policy=shown)  # E43


def test_a_trust_policy_shows_who_is_gone(server):
    iam = server.client("iam")
    gone = iam.create_user(UserName="gone")["User"]
    iam.create_role(RoleName="trusting", AssumeRolePolicyDocument=trust(gone["Arn"]))
    iam.delete_user(UserName="gone")
    iam.create_user(UserName="gone")
    details = iam.get_account_authorization_details(Filter=["Role"])["RoleDetailList"]
    for role in (iam.get_role(RoleName="trusting")["Role"], iam.list_roles()["Roles"][0], details[0]):
        assert role["AssumeRolePolicyDocument"]["Statement"][0]["Principal"] == {"AWS": gone["UserId"]}  # K274, K287


def test_retiring_a_grant_finds_its_key_as_every_call_does(server):
    ireland, virginia = server.kms(region="eu-west-1"), server.kms()
    key = ireland.create_key()["KeyMetadata"]["Arn"]
    grant = ireland.create_grant(KeyId=key, GranteePrincipal=f"arn:aws:iam::{OWNER}:root", Operations=["Decrypt"])
    assert refused("NotFoundException", virginia.retire_grant, KeyId=key, GrantId=grant["GrantId"]) == "Invalid arn eu-west-1"  # K43
    assert refused("NotFoundException", virginia.retire_grant, GrantToken=grant["GrantToken"]) == "Invalid arn eu-west-1"
    missing = key[:-36] + "00000000-0000-4000-8000-000000000000"
    assert refused("NotFoundException", ireland.retire_grant, KeyId=missing, GrantId=grant["GrantId"]) == f"Key '{missing}' does not exist"
    assert refused("NotFoundException", ireland.retire_grant, KeyId=key, GrantId="0" * 64) == f"Grant ID {'0' * 64} not found"  # K198
    ireland.retire_grant(GrantToken=grant["GrantToken"])
    assert ireland.list_grants(KeyId=key)["Grants"] == []


def test_names_of_another_partition_are_nobodys(server):
    kms, iam = server.kms(), server.client("iam")
    key = kms.create_key()["KeyMetadata"]["Arn"]
    china = f"arn:aws-cn:iam::{OWNER}:root"
    statement = {"Effect": "Allow", "Principal": {"AWS": china}, "Action": "kms:*", "Resource": "*"}
    for call in (kms.create_key, lambda Policy: kms.put_key_policy(KeyId=key, Policy=Policy)):
        text = refused("MalformedPolicyDocumentException", call, Policy=policy(root(OWNER), statement))  # A121, A130
        assert text == "Policy contains a statement with one or more invalid principals."
    assert china in refused("MalformedPolicyDocument", iam.create_role, RoleName="r", AssumeRolePolicyDocument=trust(china))
    for principal in (china, f"arn:aws-cn:sts::{OWNER}:federated-user/bob"):
        refused("InvalidArnException", kms.create_grant, KeyId=key, GranteePrincipal=principal, Operations=["Decrypt"])  # A605
    for name in (key, key.split(":key/")[0] + ":alias/a"):
        wrong = name.replace("arn:aws:", "arn:aws-cn:")
        assert refused("InvalidArnException", kms.describe_key, KeyId=wrong) == f"Invalid arn {wrong}"  # K40, K44


def told(call, **parameters):
    """A refusal as its bytes say it, apart from which request it was."""
    with pytest.raises(ClientError) as caught:
        call(**parameters)
    return caught.value.response["Error"]


def test_nobody_learns_which_keys_another_account_has(server):
    kms = server.kms()
    key = kms.create_key(Tags=[{"TagKey": "env", "TagValue": "prod"}])["KeyMetadata"]["Arn"]
    kms.create_alias(AliasName="alias/there", TargetKeyId=key)
    blob = kms.encrypt(KeyId=key, Plaintext=b"x")["CiphertextBlob"]
    at = blob.index(uuid.UUID(key[-36:]).bytes)
    absent_blob = blob[:at] + bytes([blob[at] ^ 1]) + blob[at + 1 :]
    grant = kms.create_grant(KeyId=key, GranteePrincipal=f"arn:aws:iam::{OWNER}:root", Operations=["Decrypt"])["GrantId"]
    own_key = server.kms(OTHER).create_key()["KeyMetadata"]["Arn"]
    tagged = {"Condition": {"StringEquals": {"aws:ResourceTag/env": "prod"}}}
    policies = {
        "none": {},
        "all": {"p": allow("kms:*")},
        "tagged": {"p": allow("kms:*", **tagged)},
        "denied": {"p": allow("kms:*"), "q": deny("kms:*")},
        "tag-denied": {"p": allow("kms:*"), "q": deny("kms:*", **tagged)},
        "spec-denied": {"p": allow("kms:*"), "q": deny("kms:*", Condition={"StringEquals": {"kms:KeySpec": "SYMMETRIC_DEFAULT"}})},
    }
    for name, inline in policies.items():
        probe = server.kms(credentials=user(server, name, OTHER, **inline))
        # A907
        assert told(probe.decrypt, CiphertextBlob=blob) == told(probe.decrypt, CiphertextBlob=absent_blob), name
        both = [told(probe.re_encrypt, CiphertextBlob=some, DestinationKeyId=own_key) for some in (blob, absent_blob)]
        assert both[0] == both[1], name
        # A908
        alias, absent_alias = (key.split(":key/")[0] + f":alias/{which}" for which in ("there", "gone"))
        assert str(told(probe.describe_key, KeyId=alias)).replace(alias, "") == str(told(probe.describe_key, KeyId=absent_alias)).replace(absent_alias, "")
        both = [told(probe.retire_grant, KeyId=key, GrantId=id) for id in (grant, "0" * 64)]
        assert both[0] == both[1], name
    for name in ("none", "tagged", "tag-denied"):
        probe = server.kms(credentials=user(server, f"{name}-2", OTHER, **policies[name]))
        absent = key[:-1] + ("0" if key[-1] != "0" else "1")
        assert str(told(probe.describe_key, KeyId=key)).replace(key, "") == str(told(probe.describe_key, KeyId=absent)).replace(absent, "")


def test_nobody_learns_which_roles_there_are(server):
    server.client("iam").create_role(RoleName="there", AssumeRolePolicyDocument=trust(f"arn:aws:iam::{OWNER}:root"))
    for account in (OWNER, OTHER):
        for name, inline in {"none": {}, "all": {"p": allow("sts:*")}, "denied": {"p": deny("sts:*")}}.items():
            if (account, name) == (OWNER, "all"):
                continue
            probe = user(server, name, account, **inline)
            sts = server.client("sts", account, credentials=probe)
            answers = []
            for role in ("there", "gone"):
                error = told(sts.assume_role, RoleArn=f"arn:aws:iam::{OWNER}:role/{role}", RoleSessionName="session")
                answers.append({**error, "Message": error["Message"].replace(role, "")})
            assert answers[0] == answers[1] and answers[0]["Message"].endswith(f"sts:AssumeRole on resource: arn:aws:iam::{OWNER}:role/")  # K267, T16


def test_session_policies_are_of_the_callers_account(server):
    foreign = server.client("iam").create_policy(PolicyName="there", PolicyDocument=allow("kms:*"))["Policy"]["Arn"]
    sts = server.client("sts", credentials=user(server, "probe", OTHER, p=allow("sts:*")))
    answers = []
    for arn in (foreign, foreign.replace("there", "gone")):
        error = told(sts.get_federation_token, Name="bob", PolicyArns=[{"arn": arn}])
        answers.append({**error, "Message": error["Message"].replace(arn, "")})
    assert answers[0] == answers[1] and answers[0]["Code"] == "MalformedPolicyDocument"  # T16
    sts.get_federation_token(Name="bob", PolicyArns=[{"arn": "arn:aws:iam::aws:policy/ReadOnlyAccess"}])  # K276


def test_an_empty_list_of_session_policies_is_none(server):
    server.client("iam").create_role(RoleName="app", AssumeRolePolicyDocument=trust(f"arn:aws:iam::{OWNER}:root"))
    server.client("iam").put_role_policy(RoleName="app", PolicyName="p", PolicyDocument=allow("kms:*"))
    sts = server.client("sts", credentials=user(server, "caller", p=allow("sts:*")))
    session = sts.assume_role(RoleArn=f"arn:aws:iam::{OWNER}:role/app", RoleSessionName="session", PolicyArns=[])["Credentials"]
    assert server.kms(credentials=session).list_keys()["Keys"] == []


def test_a_delegated_administrator_serves_bounded_users_only(server):
    iam = server.client("iam")
    boundary = iam.create_policy(PolicyName="boundary", PolicyDocument=allow("kms:*"))["Policy"]["Arn"]
    bounded = {"Condition": {"StringEquals": {"iam:PermissionsBoundary": boundary}}}
    actions = [f"iam:{verb}" for verb in ("CreateUser", "PutUserPolicy", "DeleteUserPolicy", "AttachUserPolicy", "DetachUserPolicy")]
    actions += [f"iam:{verb}" for verb in ("CreateRole", "PutRolePolicy", "DeleteRolePolicy", "AttachRolePolicy", "DetachRolePolicy")]
    keep = deny("iam:DeleteUserPermissionsBoundary", **bounded)
    delegate = server.client("iam", credentials=user(server, "delegate", p=allow(*actions, **bounded), q=allow("iam:DeleteUserPermissionsBoundary"), r=keep))
    managed = "arn:aws:iam::aws:policy/ReadOnlyAccess"
    delegate.create_user(UserName="bounded", PermissionsBoundary=boundary)
    delegate.create_role(RoleName="bounded", PermissionsBoundary=boundary, AssumeRolePolicyDocument=trust(f"arn:aws:iam::{OWNER}:root"))
    refused("AccessDenied", delegate.create_user, UserName="free")
    iam.create_user(UserName="free")
    iam.put_user_policy(UserName="free", PolicyName="p", PolicyDocument=allow("kms:*"))
    iam.attach_user_policy(UserName="free", PolicyArn=managed)
    for name, may in (("bounded", True), ("free", False)):
        calls = [
            (delegate.put_user_policy, {"UserName": name, "PolicyName": "p", "PolicyDocument": allow("kms:*")}),
            (delegate.delete_user_policy, {"UserName": name, "PolicyName": "p"}),
            (delegate.attach_user_policy, {"UserName": name, "PolicyArn": managed}),
            (delegate.detach_user_policy, {"UserName": name, "PolicyArn": managed}),
        ]
        for call, parameters in calls:
            call(**parameters) if may else refused("AccessDenied", call, **parameters)  # K269
    delegate.put_role_policy(RoleName="bounded", PolicyName="p", PolicyDocument=allow("kms:*"))
    refused("AccessDenied", delegate.delete_user_permissions_boundary, UserName="bounded")


def test_a_dry_run_can_leave_the_ciphertext_out(server):
    kms = server.kms()
    key, other = (kms.create_key()["KeyMetadata"]["Arn"] for _ in range(2))
    ignore = {"DryRun": True, "DryRunModifiers": ["IGNORE_CIPHERTEXT"]}
    refused("DryRunOperationException", kms.decrypt, KeyId=key, **ignore)  # K154
    refused("DryRunOperationException", kms.re_encrypt, SourceKeyId=key, DestinationKeyId=other, **ignore)
    assert refused("ValidationException", kms.decrypt, **ignore) == "KeyId is required."
    assert refused("ValidationException", kms.re_encrypt, DestinationKeyId=other, **ignore) == "SourceKeyId is required."
    assert "DryRun" in refused("ValidationException", kms.decrypt, KeyId=key, DryRunModifiers=["IGNORE_CIPHERTEXT"])
    nobody = server.kms(credentials=user(server, "nobody"))
    refused("AccessDeniedException", nobody.decrypt, KeyId=key, **ignore)
    kms.disable_key(KeyId=key)
    refused("DisabledException", kms.decrypt, KeyId=key, **ignore)
    refused("DisabledException", kms.re_encrypt, SourceKeyId=key, DestinationKeyId=other, **ignore)
    assert refused("ValidationException", kms.decrypt, KeyId=key, DryRun=True) == "CiphertextBlob is required."  # K24


def test_what_this_release_does_not_support_is_refused(server):
    kms = server.kms()
    text = refused("UnsupportedOperationException", kms.list_retirable_grants, RetiringServicePrincipal="s3.amazonaws.com")
    assert text == "RetiringServicePrincipal is not supported by this release of Keyward"
    assert kms.list_keys()["Keys"] == []


def test_lists_of_iam_are_filtered_and_paged(server):
    iam = server.client("iam")
    policies = [iam.create_policy(PolicyName=f"p{number}", Path=f"/{number}/", PolicyDocument=allow("kms:*"))["Policy"]["Arn"] for number in range(2)]
    iam.create_user(UserName="alice", Path="/team/", PermissionsBoundary=policies[0], Tags=[{"Key": key, "Value": "v"} for key in "cab"])
    for arn in policies:
        iam.attach_user_policy(UserName="alice", PolicyArn=arn)
    attached = iam.list_attached_user_policies(UserName="alice", PathPrefix="/1/")["AttachedPolicies"]
    assert [policy["PolicyArn"] for policy in attached] == policies[1:]
    holders = lambda **filters: [user["UserName"] for user in iam.list_entities_for_policy(PolicyArn=policies[0], **filters)["PolicyUsers"]]
    assert holders() == holders(PolicyUsageFilter="PermissionsBoundary") == holders(EntityFilter="User") == holders(PathPrefix="/team/") == ["alice"]
    iam.detach_user_policy(UserName="alice", PolicyArn=policies[0])
    assert holders(PolicyUsageFilter="PermissionsPolicy") == holders(EntityFilter="Role") == holders(PathPrefix="/other/") == []
    bounding = iam.list_policies(PolicyUsageFilter="PermissionsBoundary")["Policies"]
    assert [policy["Arn"] for policy in bounding] == policies[:1]
    first = iam.list_user_tags(UserName="alice", MaxItems=2)
    rest = iam.list_user_tags(UserName="alice", MaxItems=2, Marker=first["Marker"])
    assert [tag["Key"] for tag in first["Tags"] + rest["Tags"]] == ["a", "b", "c"] and not rest["IsTruncated"]  # K264
    iam.create_policy_version(PolicyArn=policies[0], PolicyDocument=allow("kms:List*"))
    first = iam.list_policy_versions(PolicyArn=policies[0], MaxItems=1)
    rest = iam.list_policy_versions(PolicyArn=policies[0], Marker=first["Marker"])
    assert [version["VersionId"] for version in first["Versions"] + rest["Versions"]] == ["v2", "v1"]
    for wrong in (0, 1001):
        assert f"Value '{wrong}' at 'maxItems'" in refused("ValidationError", raw_client(server, "iam").list_users, MaxItems=wrong)  # K264


def raw_client(server, service, key=None):
    """A client that sends what it is told to."""
    config = botocore.config.Config(parameter_validation=False, retries={"max_attempts": 0})
    id, secret = (key["AccessKeyId"], key["SecretAccessKey"]) if key else server.credentials[OWNER]
    own = {"region_name": "us-east-1", "config": config, "aws_access_key_id": id, "aws_secret_access_key": secret}
    return boto3.client(service, endpoint_url=server.endpoint, **own)


def test_a_grant_is_what_its_request_says(server):
    kms, iam = server.kms(), server.client("iam")
    key = kms.create_key()["KeyMetadata"]["Arn"]
    iam.create_role(RoleName="tr", AssumeRolePolicyDocument=trust(f"arn:aws:iam::{OWNER}:root"))
    sessions = f"arn:aws:sts::{OWNER}:assumed-role"
    for nobody in (f"{sessions}/tr", f"{sessions}/tr/", f"{sessions}/TR/s", f"{sessions}/tr/s/x", f"arn:aws:sts::{OWNER}:federated-user/a/b"):
        assert nobody in refused("InvalidArnException", kms.create_grant, KeyId=key, GranteePrincipal=nobody, Operations=["Decrypt"])  # A605
    grantee = f"{sessions}/tr/s"
    for kind in ("EncryptionContextSubset", "EncryptionContextEquals"):
        wanted = {"KeyId": key, "GranteePrincipal": grantee, "Operations": ["Decrypt"], "Constraints": {kind: {}}}
        assert "at least one pair" in refused("ValidationException", kms.create_grant, **wanted)  # A610
    text = refused("ValidationException", kms.create_grant, KeyId=key, GranteePrincipal=grantee, Operations=[])
    assert text.endswith("Value '[]' at 'operations' failed to satisfy constraint: Member must have length greater than or equal to 1")  # K195
    made = [kms.create_grant(KeyId=key, GranteePrincipal=grantee, Operations=some, Name="n") for some in (["Encrypt", "Decrypt"], ["Decrypt", "Encrypt"])]
    assert made[0]["GrantId"] == made[1]["GrantId"] and made[0]["GrantToken"] != made[1]["GrantToken"]  # A617
    assert kms.create_grant(KeyId=key, GranteePrincipal=grantee, Operations=["Decrypt"], Name="n")["GrantId"] != made[0]["GrantId"]


def test_grants_are_found_by_what_the_list_shows(server):
    kms, iam = server.kms(), server.client("iam")
    key = kms.create_key()["KeyMetadata"]["Arn"]
    gone = iam.create_user(UserName="gone")["User"]
    kms.create_grant(KeyId=key, GranteePrincipal=gone["Arn"], RetiringPrincipal=gone["Arn"], Operations=["Decrypt"])
    found = lambda principal: [grant["GranteePrincipal"] for grant in kms.list_grants(KeyId=key, GranteePrincipal=principal)["Grants"]]
    assert found(gone["Arn"]) == [gone["Arn"]] and len(kms.list_retirable_grants(RetiringPrincipal=gone["Arn"])["Grants"]) == 1
    iam.delete_user(UserName="gone")
    iam.create_user(UserName="gone")
    assert found(gone["UserId"]) == [gone["UserId"]] and found(gone["Arn"]) == []  # K197
    assert kms.list_retirable_grants(RetiringPrincipal=gone["Arn"])["Grants"] == []  # A606


def test_session_tags_are_what_tags_can_be(server):
    server.client("iam").create_role(
        RoleName="app",
        AssumeRolePolicyDocument=policy({"Effect": "Allow", "Principal": {"AWS": OWNER}, "Action": ["sts:AssumeRole", "sts:TagSession"]}),
    )
    key = user(server, "caller", p=allow("sts:*"))
    sts = raw_client(server, "sts", key)
    role = {"RoleArn": f"arn:aws:iam::{OWNER}:role/app", "RoleSessionName": "session"}
    wrong = {
        "length less than or equal to 128": ("k" * 129, "v"),
        "length greater than or equal to 1": ("", "v"),
        "length less than or equal to 256": ("k", "v" * 257),
        "regular expression pattern: [\\p{L}\\p{Z}\\p{N}_.:/=+\\-@]+": ("k\0", "v"),
        "regular expression pattern: [\\p{L}\\p{Z}\\p{N}_.:/=+\\-@]*": ("k", "a\nb"),
    }
    for text, (name, value) in wrong.items():
        for call, parameters in ((sts.assume_role, role), (sts.get_federation_token, {"Name": "bob"})):
            message = refused("ValidationError", call, Tags=[{"Key": name, "Value": value}], **parameters)  # K20, K276
            assert message.endswith(text) and "at 'tags.1.member." in message
    assert "aws:" in refused("InvalidParameterValue", sts.assume_role, Tags=[{"Key": "AWS:foo", "Value": "v"}], **role)
    assert "Duplicate" in refused("InvalidParameterValue", sts.assume_role, Tags=[{"Key": key, "Value": "v"} for key in "aA"], **role)
    for wrong_id in ("x", "x" * 1225, "a b"):
        assert "at 'externalId'" in refused("ValidationError", sts.assume_role, ExternalId=wrong_id, **role)
    sts.assume_role(Tags=[{"Key": "Kostenstelle Süd", "Value": ""}], ExternalId="a/b:c", **role)


def test_whoever_speaks_no_protocol_is_told_so(server):
    def call(method="POST", path="/", **headers):
        request = AWSRequest(method, server.endpoint + path, headers={name.replace("_", "-"): value for name, value in headers.items()}, data=b"{}")
        SigV4Auth(Credentials(*server.credentials[OWNER]), "kms", "us-east-1").add_auth(request)
        answer = URLLib3Session().send(request.prepare())
        return answer.status_code, answer.headers["Content-Type"], answer.content

    nothing = (404, "text/xml", b"<UnknownOperationException/>")  # K12
    target, json_type = "TrentService.ListKeys", "application/x-amz-json-1.1"
    assert call(X_Amz_Target=target, Content_Type=json_type)[0] == call(X_Amz_Target=target, Content_Type=json_type + "; charset=utf-8")[0] == 200
    for wrong in ("text/plain", "application/json", "application/x-www-form-urlencoded"):
        assert call(X_Amz_Target=target, Content_Type=wrong) == nothing  # K3
    assert call(X_Amz_Target=target) == call(Content_Type=json_type) == call("GET") == call("PUT") == nothing
    assert call(path="/x", X_Amz_Target=target, Content_Type=json_type) == nothing
    assert call(X_Amz_Target="Other.ListKeys", Content_Type=json_type)[::2] == (400, b'{"__type":"UnknownOperationException"}')
    text = refused("ValidationException", server.kms().create_key, CustomerMasterKeySpec="ML_DSA_44", KeyUsage="SIGN_VERIFY")
    assert "Value 'ML_DSA_44' at 'customerMasterKeySpec' failed to satisfy constraint: Member must satisfy enum value set" in text  # K72


def test_a_limit_says_which_it_is(server):
    text = refused("LimitExceededException", server.kms().create_key, Policy=policy(root(OWNER), {**root(OWNER), "Sid": "x" * 33_000}))
    assert "the limit is 32768 bytes" in text  # A107


def test_iam_takes_what_its_model_allows(server):
    iam = raw_client(server, "iam")
    text = refused("ValidationError", iam.get_account_authorization_details, Filter=["User", "X"])
    assert "Value '[User, X]' at 'filter'" in text and "[User, Role, Group, LocalManagedPolicy, AWSManagedPolicy]" in text  # K22
    trusting = trust(f"arn:aws:iam::{OWNER}:root")
    iam.create_role(RoleName="r", AssumeRolePolicyDocument=trusting, Description="für\nalle")
    assert iam.get_role(RoleName="r")["Role"]["Description"] == "für\nalle"
    calls = [
        (iam.create_role, {"RoleName": "s", "AssumeRolePolicyDocument": trusting, "Description": "a\0b"}),
        (iam.update_role, {"RoleName": "r", "Description": "a\x01b"}),
        (iam.update_role_description, {"RoleName": "r", "Description": "€"}),
        (iam.create_policy, {"PolicyName": "p", "PolicyDocument": allow("kms:*"), "Description": "x" * 1001}),
    ]
    for call, parameters in calls:
        assert "at 'description' failed to satisfy constraint" in refused("ValidationError", call, **parameters)
    assert "at 'tags.1.member.value'" in refused("ValidationError", iam.tag_role, RoleName="r", Tags=[{"Key": "k", "Value": "a\x07b"}])
    iam.create_service_linked_role(AWSServiceName="autoscaling.amazonaws.com")
    task = iam.delete_service_linked_role(RoleName="AWSServiceRoleForAutoScaling")["DeletionTaskId"]
    assert task.startswith("task/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling/")
    assert iam.get_service_linked_role_deletion_status(DeletionTaskId=task)["Status"] == "SUCCEEDED"
    for invented in ("task/aws-service-role/x/y/1", task.replace("autoscaling", "spot"), task[:-1], "nonsense"):
        refused("NoSuchEntity", iam.get_service_linked_role_deletion_status, DeletionTaskId=invented)
    refused("NoSuchEntity", server.client("iam", OTHER).get_service_linked_role_deletion_status, DeletionTaskId=task)
