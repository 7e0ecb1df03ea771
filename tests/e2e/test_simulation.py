"""Simulated policies through unmodified AWS clients: they say what calls then meet. Rule numbers are those of spec/."""

import json

import pytest
from botocore.exceptions import ClientError

from test_iam import allow, trust, user
from test_kms import OTHER, OWNER, policy, refused
from test_kms import root as account_statement
from test_operate import keyward

KEY_TEMPLATE = "arn:${Partition}:kms:${Region}:${Account}:key/${KeyId}"


def works(call, **parameters):
    """Whether a real call is allowed."""
    try:
        call(**parameters)
        return True
    except ClientError as error:
        assert error.response["Error"]["Code"] == "AccessDeniedException", error
        return False


def decisions(answer):
    return {
        (result["EvalActionName"], one["EvalResourceName"]): one["EvalResourceDecision"]
        for result in answer["EvaluationResults"]
        for one in result["ResourceSpecificResults"]
    }


def test_a_simulation_says_what_calls_meet(server):
    iam, kms = server.client("iam"), server.kms()
    keys = [kms.create_key()["KeyMetadata"]["Arn"] for _ in range(2)]
    blobs = {key: kms.encrypt(KeyId=key, Plaintext=b"x", EncryptionContext={"dept": "fin"})["CiphertextBlob"] for key in keys}
    document = policy(
        {"Effect": "Allow", "Action": ["kms:DescribeKey", "kms:Encrypt"], "Resource": keys[0]},
        {"Effect": "Allow", "Action": "kms:Decrypt", "Resource": "*", "Condition": {"StringEquals": {"kms:EncryptionContext:dept": "fin"}}},
        {"Effect": "Deny", "Action": "kms:Encrypt", "Resource": "*", "Condition": {"StringEquals": {"kms:EncryptionContext:dept": "hr"}}},
        {"Effect": "Allow", "Action": "kms:ListKeys", "Resource": "*"},
    )
    key_of_bob = user(server, "bob", p=document)
    arn = f"arn:aws:iam::{OWNER}:user/bob"
    mine = server.kms(credentials=key_of_bob)
    key_policy = kms.get_key_policy(KeyId=keys[0])["Policy"]
    for department in ("fin", "hr"):
        context = [{"ContextKeyName": "kms:EncryptionContext:dept", "ContextKeyValues": [department], "ContextKeyType": "string"}]
        answer = iam.simulate_principal_policy(
            PolicySourceArn=arn, ActionNames=["kms:DescribeKey", "kms:Encrypt", "kms:Decrypt"], ResourceArns=keys, ResourcePolicy=key_policy, ContextEntries=context
        )
        simulated = decisions(answer)
        for key in keys:
            carried = {"EncryptionContext": {"dept": department}}
            real = {
                "kms:DescribeKey": works(mine.describe_key, KeyId=key),
                "kms:Encrypt": works(mine.encrypt, KeyId=key, Plaintext=b"x", **carried),
                "kms:Decrypt": department == "fin" and works(mine.decrypt, KeyId=key, CiphertextBlob=blobs[key], **carried),
            }
            assert {action: simulated[action, key] == "allowed" for action in real} == real
        assert all(result["EvalResourceName"] == KEY_TEMPLATE for result in answer["EvaluationResults"])
    assert simulated["kms:Encrypt", keys[1]] == "explicitDeny" and simulated["kms:DescribeKey", keys[1]] == "implicitDeny"
    [listing] = iam.simulate_principal_policy(PolicySourceArn=arn, ActionNames=["kms:ListKeys"])["EvaluationResults"]
    assert (listing["EvalDecision"], listing["EvalResourceName"]) == ("allowed", "*") and works(mine.list_keys)
    # A306: under a key policy that lets identity policies in to nothing, they are nothing.
    closed = policy({**account_statement(OWNER), "Action": "kms:PutKeyPolicy"})
    answer = iam.simulate_principal_policy(PolicySourceArn=arn, ActionNames=["kms:DescribeKey"], ResourceArns=keys[:1], ResourcePolicy=closed)
    assert decisions(answer) == {("kms:DescribeKey", keys[0]): "implicitDeny"}
    kms.put_key_policy(KeyId=keys[0], Policy=closed)
    assert not works(mine.describe_key, KeyId=keys[0])


def test_statements_are_found_in_the_text(server):
    iam = server.client("iam")
    text = '{\n  "Version": "2012-10-17",\n  "Statement": [\n    {"Effect": "Allow", "Action": "kms:*", "Resource": "*"},\n    {\n      "Effect": "Deny",\n      "Action": "kms:Sign",\n      "Resource": "*"\n    }\n  ]\n}'
    user(server, "ann", inline=text)
    iam.attach_user_policy(UserName="ann", PolicyArn="arn:aws:iam::aws:policy/AdministratorAccess")
    iam.create_group(GroupName="readers")
    iam.put_group_policy(GroupName="readers", PolicyName="read", PolicyDocument=allow("kms:Describe*"))
    iam.add_user_to_group(GroupName="readers", UserName="ann")
    arn = f"arn:aws:iam::{OWNER}:user/ann"
    described, signed = iam.simulate_principal_policy(PolicySourceArn=arn, ActionNames=["kms:DescribeKey", "kms:Sign"])["EvaluationResults"]
    assert {matched["SourcePolicyId"] for matched in described["MatchedStatements"]} == {"user_ann_inline", "AdministratorAccess", "group_readers_read"}
    assert signed["EvalDecision"] == "explicitDeny"
    [matched] = signed["MatchedStatements"]
    assert matched == {
        "SourcePolicyId": "user_ann_inline",
        "SourcePolicyType": "IAM Policy",
        "StartPosition": {"Line": 4, "Column": 61},
        "EndPosition": {"Line": 9, "Column": 6},
    }
    # As if policies were not attached.
    exclusions = [{"PolicyType": "aws-managed"}, {"InlinePolicyIdentifier": {"PolicyName": "inline", "AttachmentType": "user", "AttachmentName": "ann"}}]
    described, signed = iam.simulate_principal_policy(
        PolicySourceArn=arn, ActionNames=["kms:DescribeKey", "kms:Sign"], PolicyExclusionList=exclusions
    )["EvaluationResults"]
    assert (described["EvalDecision"], signed["EvalDecision"], signed["MatchedStatements"]) == ("allowed", "implicitDeny", [])
    [more] = iam.simulate_principal_policy(PolicySourceArn=f"arn:aws:iam::{OWNER}:group/readers", ActionNames=["s3:GetObject"], PolicyInputList=[allow("s3:*")])[
        "EvaluationResults"
    ]
    assert more["MatchedStatements"][0]["SourcePolicyId"] == "PolicyInputList.1"


def test_context_keys_are_named_and_missed(server):
    iam = server.client("iam")
    conditions = {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}, "StringEquals": {"kms:ViaService": "s3.us-east-1.amazonaws.com"}}
    document = policy(
        {"Effect": "Allow", "Action": "kms:Decrypt", "Resource": "*", "Condition": conditions},
        {"Effect": "Allow", "Action": "s3:*", "Resource": "arn:aws:s3:::home/${aws:username}/*"},
    )
    assert iam.get_context_keys_for_custom_policy(PolicyInputList=[document])["ContextKeyNames"] == ["aws:SourceIp", "kms:ViaService", "aws:username"]
    user(server, "carl", p=document)
    arn = f"arn:aws:iam::{OWNER}:user/carl"
    more = allow("kms:Sign", Condition={"Bool": {"aws:multifactorauthpresent": "true"}})
    names = iam.get_context_keys_for_principal_policy(PolicySourceArn=arn, PolicyInputList=[more])["ContextKeyNames"]
    assert names == ["aws:SourceIp", "kms:ViaService", "aws:username", "aws:multifactorauthpresent"]

    def simulate(*entries, action="kms:Decrypt", **more):
        entries = [dict(zip(("ContextKeyName", "ContextKeyValues", "ContextKeyType"), entry)) for entry in entries]
        return iam.simulate_custom_policy(PolicyInputList=[document], ActionNames=[action], ContextEntries=entries, **more)["EvaluationResults"][0]

    address, via = ("aws:SourceIp", ["10.1.2.3"], "ip"), ("KMS:viaservice", ["s3.us-east-1.amazonaws.com"], "string")
    assert simulate()["MissingContextValues"] == ["aws:SourceIp", "kms:ViaService"]
    assert simulate(address)["MissingContextValues"] == ["kms:ViaService"]
    result = simulate(address, via)
    assert (result["EvalDecision"], result["MissingContextValues"]) == ("allowed", [])
    home = "arn:aws:s3:::home/dan/x"
    result = simulate(action="s3:GetObject", ResourceArns=[home])
    assert result["ResourceSpecificResults"][0]["MissingContextValues"] == ["aws:username"] and result["EvalDecision"] == "implicitDeny"
    result = simulate(action="s3:GetObject", ResourceArns=[home], CallerArn=f"arn:aws:iam::{OWNER}:user/dan")
    assert result["EvalDecision"] == "allowed"
    for entry in (("aws:SourceIp", ["home"], "ip"), ("a:bcd", ["1", "2"], "numeric"), ("a:bcd", ["yes"], "boolean"), ("a:bcd", ["*"], "binary"), ("a:bcd", ["x"], "dateList")):
        with pytest.raises(ClientError) as error:
            simulate(entry)
        assert error.value.response["Error"]["Code"] == "InvalidInput"
    several = {"ForAllValues:StringEquals": {"kms:EncryptionContextKeys": ["a", "b"]}}
    for keys, expected in ((["a", "b"], "allowed"), (["a", "c"], "implicitDeny")):
        entry = {"ContextKeyName": "kms:EncryptionContextKeys", "ContextKeyValues": keys, "ContextKeyType": "stringList"}
        [result] = iam.simulate_custom_policy(PolicyInputList=[allow("kms:Encrypt", Condition=several)], ActionNames=["kms:Encrypt"], ContextEntries=[entry])[
            "EvaluationResults"
        ]
        assert result["EvalDecision"] == expected


def test_boundaries_and_organizations_have_their_say(server):
    iam, organizations = server.client("iam"), server.client("organizations", OTHER)
    bounded = iam.create_policy(PolicyName="bounds", PolicyDocument=allow("kms:Describe*"))["Policy"]["Arn"]
    key_of_eve = user(server, "eve", p=allow("kms:*"))
    iam.put_user_permissions_boundary(UserName="eve", PermissionsBoundary=bounded)
    arn = f"arn:aws:iam::{OWNER}:user/eve"

    def simulate(**more):
        answer = iam.simulate_principal_policy(PolicySourceArn=arn, ActionNames=["kms:DescribeKey", "kms:DisableKey"], **more)
        return {result["EvalActionName"]: result for result in answer["EvaluationResults"]}

    results = simulate()
    assert results["kms:DescribeKey"]["EvalDecision"] == "allowed" and results["kms:DisableKey"]["EvalDecision"] == "implicitDeny"
    detail = {name: result["PermissionsBoundaryDecisionDetail"]["AllowedByPermissionsBoundary"] for name, result in results.items()}
    assert detail == {"kms:DescribeKey": True, "kms:DisableKey": False} and "OrganizationsDecisionDetail" not in results["kms:DisableKey"]
    assert simulate(PermissionsBoundaryPolicyInputList=[allow("kms:*")])["kms:DisableKey"]["EvalDecision"] == "allowed"
    assert simulate(PolicyExclusionList=[{"PolicyArn": bounded}])["kms:DisableKey"]["EvalDecision"] == "allowed"

    organizations.create_organization()
    root_id = organizations.list_roots()["Roots"][0]["Id"]
    organizations.enable_policy_type(RootId=root_id, PolicyType="SERVICE_CONTROL_POLICY")
    handshake = organizations.invite_account_to_organization(Target={"Type": "ACCOUNT", "Id": OWNER})["Handshake"]["Id"]
    server.client("organizations").accept_handshake(HandshakeId=handshake)
    assert simulate()["kms:DescribeKey"]["OrganizationsDecisionDetail"] == {"AllowedByOrganizations": True}
    deny = policy({"Effect": "Deny", "Action": "kms:DescribeKey", "Resource": "*"})
    scp = organizations.create_policy(Name="scp", Description="", Type="SERVICE_CONTROL_POLICY", Content=deny)["Policy"]["PolicySummary"]["Id"]
    organizations.attach_policy(PolicyId=scp, TargetId=root_id)
    result = simulate()["kms:DescribeKey"]
    # The statements of SCPs are not shown.
    assert (result["EvalDecision"], result["MatchedStatements"]) == ("explicitDeny", [])
    assert result["OrganizationsDecisionDetail"] == {"AllowedByOrganizations": False}
    key = server.kms().create_key()["KeyMetadata"]["Arn"]
    assert not works(server.kms(credentials=key_of_eve).describe_key, KeyId=key)
    assert simulate(PolicyExclusionList=[{"PolicyType": "scp"}])["kms:DescribeKey"]["EvalDecision"] == "allowed"
    # SCPs of nobody's organization, level by level (A320).
    levels = [{"ServiceControlPolicyInputList": [allow("*")]}, {"ServiceControlPolicyInputList": [allow("s3:*")]}]
    [result] = iam.simulate_custom_policy(PolicyInputList=[allow("kms:*")], ActionNames=["kms:Sign"], OrderedOrganizationPolicyInputList=levels)["EvaluationResults"]
    assert (result["EvalDecision"], result["OrganizationsDecisionDetail"]) == ("implicitDeny", {"AllowedByOrganizations": False})


def test_across_accounts_both_halves_are_told(server):
    iam, foreign = server.client("iam"), server.client("iam", OTHER)
    kms = server.kms()
    key = kms.create_key()["KeyMetadata"]["Arn"]
    reader = user(server, "reader", OTHER, p=allow("kms:DescribeKey"))
    arn = f"arn:aws:iam::{OTHER}:user/reader"
    letting_in = policy(account_statement(OWNER), account_statement(OTHER, "kms:DescribeKey"))
    for key_policy, resource_says in ((kms.get_key_policy(KeyId=key)["Policy"], "implicitDeny"), (letting_in, "allowed")):
        answer = foreign.simulate_principal_policy(PolicySourceArn=arn, ActionNames=["kms:DescribeKey"], ResourceArns=[key], ResourcePolicy=key_policy)
        [result] = answer["EvaluationResults"]
        assert result["EvalDecisionDetails"] == {"IAM Policy": "allowed", "Resource Policy": resource_says}  # A310
        assert result["EvalDecision"] == resource_says
        kms.put_key_policy(KeyId=key, Policy=key_policy)
        assert works(server.kms(credentials=reader).describe_key, KeyId=key) == (resource_says == "allowed")
    assert {matched["SourcePolicyId"] for matched in result["MatchedStatements"]} == {"user_reader_p", "ResourcePolicy"}
    # Bob with somebody else's policies: CallerArn is who is named, the source is whose policies count.
    naming = policy({"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{OTHER}:user/bob"}, "Action": "kms:DescribeKey", "Resource": "*"})
    for caller, expected in (("bob", "allowed"), ("reader", "implicitDeny")):
        [result] = foreign.simulate_principal_policy(
            PolicySourceArn=arn, CallerArn=f"arn:aws:iam::{OTHER}:user/{caller}", ActionNames=["kms:DescribeKey"], ResourceArns=[key], ResourcePolicy=naming
        )["EvaluationResults"]
        assert result["EvalDecision"] == expected
    # Other services' resources are open to identity policies of their own account.
    bucket = policy({"Effect": "Allow", "Principal": {"AWS": OTHER}, "Action": "s3:PutObject", "Resource": "*"})
    for owner, expected in ((OWNER, "allowed"), (OTHER, "implicitDeny")):
        [result] = iam.simulate_custom_policy(
            PolicyInputList=[allow("s3:GetObject")], ActionNames=["s3:GetObject"], ResourceArns=["arn:aws:s3:::bucket/x"], ResourcePolicy=bucket,
            ResourceOwner=owner, CallerArn=f"arn:aws:iam::{OWNER}:user/bob",
        )["EvaluationResults"]
        assert result["EvalDecision"] == expected
    # A role is assumed by whom it trusts.
    door = f"arn:aws:iam::{OWNER}:role/door"
    trusting = trust(f"arn:aws:iam::{OTHER}:user/bob")
    for caller, expected in (("bob", "allowed"), ("carl", "implicitDeny")):
        [result] = foreign.simulate_custom_policy(
            PolicyInputList=[allow("sts:AssumeRole")], ActionNames=["sts:AssumeRole"], ResourceArns=[door], ResourcePolicy=trusting,
            CallerArn=f"arn:aws:iam::{OTHER}:user/{caller}",
        )["EvaluationResults"]
        assert result["EvalDecision"] == expected


def test_results_come_in_pages_and_mistakes_are_named(server):
    iam = server.client("iam")
    user(server, "zoe", p=allow("kms:*"))
    arn = f"arn:aws:iam::{OWNER}:user/zoe"
    actions = ["kms:Sign", "kms:Verify", "kms:Encrypt", "kms:Decrypt", "kms:ListKeys"]
    pages = list(iam.get_paginator("simulate_principal_policy").paginate(PolicySourceArn=arn, ActionNames=actions, PaginationConfig={"PageSize": 2}))
    assert [len(page["EvaluationResults"]) for page in pages] == [2, 2, 1]
    assert [result["EvalActionName"] for page in pages for result in page["EvaluationResults"]] == actions
    refused("NoSuchEntity", iam.simulate_principal_policy, PolicySourceArn=f"arn:aws:iam::{OWNER}:user/nobody", ActionNames=["kms:Sign"])
    refused("NoSuchEntity", iam.simulate_principal_policy, PolicySourceArn=f"arn:aws:iam::{OTHER}:role/nobody", ActionNames=["kms:Sign"])
    refused("InvalidInput", iam.simulate_principal_policy, PolicySourceArn=f"arn:aws:sts::{OWNER}:assumed-role/a/b", ActionNames=["kms:Sign"])
    custom = iam.simulate_custom_policy
    for wrong in (
        dict(PolicyInputList=["{}"], ActionNames=["kms:Sign"]),
        dict(PolicyInputList=[allow("*")], ActionNames=["kms:No"]),
        dict(PolicyInputList=[allow("*")], ActionNames=["kms:*"]),
        dict(PolicyInputList=[allow("*")], ActionNames=["kms:Sign"], ResourceArns=["key"]),
        dict(PolicyInputList=[allow("*")], ActionNames=["kms:Sign"], ResourcePolicy=policy(account_statement(OWNER))),
        dict(PolicyInputList=[allow("*")], ActionNames=["kms:Sign"], PermissionsBoundaryPolicyInputList=[allow("*"), allow("*")]),
    ):
        refused("InvalidInput", custom, **wrong)
    # It tells what others may do, so it needs its own permission.
    own = server.client("iam", credentials=user(server, "max", p=allow("iam:SimulateCustomPolicy")))
    own.simulate_custom_policy(PolicyInputList=[allow("*")], ActionNames=["kms:Sign"])
    assert "iam:SimulatePrincipalPolicy" in refused("AccessDenied", own.simulate_principal_policy, PolicySourceArn=arn, ActionNames=["kms:Sign"])


def test_a_refusal_is_decoded_by_whom_its_account_lets(server):
    iam, kms = server.client("iam"), server.kms()
    key = kms.create_key(Tags=[{"TagKey": "team", "TagValue": "pay"}])["KeyMetadata"]["Arn"]
    only_here = {"StringNotEquals": {"kms:EncryptionContext:dept": "fin"}}
    denies = {"Sid": "OnlyFin", "Effect": "Deny", "Action": ["kms:Encrypt"], "Resource": "*", "Condition": only_here}
    key_of_bob = user(server, "bob", p=policy({"Effect": "Allow", "Action": "kms:*", "Resource": "*"}, denies))
    user_id = iam.get_user(UserName="bob")["User"]["UserId"]

    def encoded(call, **parameters):
        """The message that the operator hands on."""
        with pytest.raises(ClientError) as error:
            call(**parameters)
        return keyward(server, "explain", "--encoded", "--request-id", error.value.response["ResponseMetadata"]["RequestId"]).strip()

    def decoded(message, account=OWNER):
        return json.loads(server.client("sts", account).decode_authorization_message(EncodedMessage=message)["DecodedMessage"])

    message = encoded(server.kms(credentials=key_of_bob).encrypt, KeyId=key, Plaintext=b"x", EncryptionContext={"dept": "hr"})
    told = decoded(message)
    assert (told["allowed"], told["explicitDeny"]) == (False, True)
    arn = f"arn:aws:iam::{OWNER}:user/bob"
    assert told["context"]["principal"] == {"id": user_id, "name": "bob", "arn": arn}
    assert (told["context"]["action"], told["context"]["resource"]) == ("kms:Encrypt", key)
    conditions = {item["key"]: [value["value"] for value in item["values"]["items"]] for item in told["context"]["conditions"]["items"]}
    assert conditions["kms:EncryptionContext:dept"] == ["hr"] and conditions["aws:PrincipalArn"] == [arn]
    [statement] = told["matchedStatements"]["items"]
    assert (statement["statementId"], statement["effect"], statement["actions"]) == ("OnlyFin", "DENY", {"items": [{"value": "kms:Encrypt"}]})
    # Only who may, in the account of the caller, and nothing that was tampered with.
    own = server.client("sts", credentials=key_of_bob)
    assert "sts:DecodeAuthorizationMessage" in refused("AccessDenied", own.decode_authorization_message, EncodedMessage=message)
    iam.put_user_policy(UserName="bob", PolicyName="q", PolicyDocument=allow("sts:DecodeAuthorizationMessage"))
    own.decode_authorization_message(EncodedMessage=message)
    for wrong, account in ((message, OTHER), ("B" + message[1:], OWNER), (message[:-2], OWNER), ("x", OWNER)):
        sts = server.client("sts", account)
        assert refused("InvalidAuthorizationMessageException", sts.decode_authorization_message, EncodedMessage=wrong) == "Message is not valid"
    # A906: a foreign account does not learn from it what its refusal hid.
    kms.create_alias(AliasName="alias/hidden", TargetKeyId=key)
    kms.put_key_policy(KeyId=key, Policy=policy(account_statement(OWNER), {"Effect": "Deny", "Principal": {"AWS": OTHER}, "Action": "kms:*", "Resource": "*", "Condition": {"StringEquals": {"aws:ResourceTag/team": "pay"}}}, {"Effect": "Deny", "Principal": {"AWS": OTHER}, "Action": "kms:*", "Resource": "*"}))
    alias = key.rsplit(":", 1)[0] + ":alias/hidden"
    message = encoded(server.kms(OTHER).describe_key, KeyId=alias)
    told = decoded(message, OTHER)
    assert told["explicitDeny"] is False and told["matchedStatements"]["items"] == [] and told["context"]["resource"] == "*"
    assert key[-36:] not in json.dumps(told) and "pay" not in json.dumps(told)
    assert keyward(server, "explain", "--encoded", "--request-id", "nobody", code=2).startswith("error: the trail has no request")
