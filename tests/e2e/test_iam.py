"""IAM and STS through unmodified AWS clients, and KMS decided for their callers. Rule numbers are those of spec/."""

import pytest

from conftest import signed_json
from test_kms import OTHER, OWNER, policy, refused, root


def allow(*actions, resource="*", **more):
    return policy({"Effect": "Allow", "Action": list(actions), "Resource": resource, **more})


def trust(principal, **more):
    return policy({"Effect": "Allow", "Principal": {"AWS": principal}, "Action": "sts:AssumeRole", **more})


def user(server, name, account=OWNER, **inline):
    """A user with inline policies, and its access key."""
    iam = server.client("iam", account)
    iam.create_user(UserName=name)
    for policy_name, document in inline.items():
        iam.put_user_policy(UserName=name, PolicyName=policy_name, PolicyDocument=document)
    return iam.create_access_key(UserName=name)["AccessKey"]


def test_users_come_and_go(server):
    iam = server.client("iam")
    made = iam.create_user(UserName="alice", Path="/team/", Tags=[{"Key": "team", "Value": "orders"}])["User"]
    assert made["Arn"] == f"arn:aws:iam::{OWNER}:user/team/alice" and made["UserId"].startswith("AIDA") and len(made["UserId"]) == 21  # K270
    assert refused("EntityAlreadyExists", iam.create_user, UserName="ALICE") == "User with name ALICE already exists."  # K267
    got = iam.get_user(UserName="alice")["User"]
    assert got["Tags"] == [{"Key": "team", "Value": "orders"}] and got["CreateDate"].tzinfo is not None
    assert [user["UserName"] for user in iam.list_users()["Users"]] == ["alice"] and "Tags" not in iam.list_users()["Users"][0]  # K272
    key = iam.create_access_key(UserName="alice")["AccessKey"]
    assert len(key["SecretAccessKey"]) == 40
    sts = server.client("sts", credentials=key)
    identity = sts.get_caller_identity()
    assert (identity["UserId"], identity["Account"], identity["Arn"]) == (made["UserId"], OWNER, made["Arn"])  # K275
    own = server.client("iam", credentials=key)
    text = refused("AccessDenied", own.get_user)
    assert text == (
        f"User: {made['Arn']} is not authorized to perform: iam:GetUser on resource: {made['Arn']} "
        "because no identity-based policy allows the iam:GetUser action"
    )  # A903
    # Whoever may not see a user does not learn whether there is one.
    assert "is not authorized" in refused("AccessDenied", own.get_user, UserName="nobody")
    assert refused("NoSuchEntity", iam.get_user, UserName="nobody") == "The user with name nobody cannot be found."
    iam.put_user_policy(UserName="alice", PolicyName="p", PolicyDocument=allow("iam:*"))
    assert own.get_user()["User"]["UserName"] == "alice"  # K264
    assert refused("DeleteConflict", iam.delete_user, UserName="alice") == "Cannot delete entity, must delete policies first."  # K273
    iam.delete_user_policy(UserName="alice", PolicyName="p")
    assert refused("DeleteConflict", iam.delete_user, UserName="alice") == "Cannot delete entity, must delete access keys first."
    iam.update_access_key(UserName="alice", AccessKeyId=key["AccessKeyId"], Status="Inactive")
    refused("InvalidClientTokenId", sts.get_caller_identity)  # K265
    iam.delete_access_key(UserName="alice", AccessKeyId=key["AccessKeyId"])
    iam.delete_user(UserName="alice")
    assert iam.list_users()["Users"] == []
    for number in range(5):
        iam.create_user(UserName=f"u{number}")
    pages = list(iam.get_paginator("list_users").paginate(PaginationConfig={"PageSize": 2}))
    assert [user["UserName"] for page in pages for user in page["Users"]] == [f"u{number}" for number in range(5)] and len(pages) == 3
    assert "1 validation error detected" in refused("ValidationError", iam.create_user, UserName="x" * 65)  # K20


def test_the_default_key_policy_lets_identity_policies_decide(server):
    kms, iam = server.kms(), server.client("iam")
    key = kms.create_key()["KeyMetadata"]["Arn"]
    blob = kms.encrypt(KeyId=key, Plaintext=b"x")["CiphertextBlob"]
    bob = user(server, "bob")
    mine = server.kms(credentials=bob)
    refused("AccessDeniedException", mine.decrypt, CiphertextBlob=blob)
    # Inline, managed, by group, and bounded: the same engine.
    iam.put_user_policy(UserName="bob", PolicyName="p", PolicyDocument=allow("kms:Decrypt", resource=key))
    assert mine.decrypt(CiphertextBlob=blob)["Plaintext"] == b"x"
    iam.delete_user_policy(UserName="bob", PolicyName="p")
    managed = iam.create_policy(PolicyName="decrypts", PolicyDocument=allow("kms:Decrypt"))["Policy"]
    iam.create_group(GroupName="readers")
    iam.attach_group_policy(GroupName="readers", PolicyArn=managed["Arn"])
    refused("AccessDeniedException", mine.decrypt, CiphertextBlob=blob)
    iam.add_user_to_group(GroupName="readers", UserName="bob")
    assert mine.decrypt(CiphertextBlob=blob)["Plaintext"] == b"x"
    boundary = iam.create_policy(PolicyName="s3-only", PolicyDocument=allow("s3:*"))["Policy"]["Arn"]
    iam.put_user_permissions_boundary(UserName="bob", PermissionsBoundary=boundary)
    assert "no permissions boundary allows" in refused("AccessDeniedException", mine.decrypt, CiphertextBlob=blob)  # A218
    assert iam.get_user(UserName="bob")["User"]["PermissionsBoundary"]["PermissionsBoundaryArn"] == boundary
    iam.delete_user_permissions_boundary(UserName="bob")
    version = iam.create_policy_version(PolicyArn=managed["Arn"], PolicyDocument=allow("kms:Encrypt"), SetAsDefault=True)["PolicyVersion"]
    assert version["VersionId"] == "v2"
    refused("AccessDeniedException", mine.decrypt, CiphertextBlob=blob)
    iam.set_default_policy_version(PolicyArn=managed["Arn"], VersionId="v1")
    assert mine.decrypt(CiphertextBlob=blob)["Plaintext"] == b"x"
    document = iam.get_policy_version(PolicyArn=managed["Arn"], VersionId="v2")["PolicyVersion"]["Document"]
    assert document["Statement"][0]["Action"] == ["kms:Encrypt"]  # K263
    refused("DeleteConflict", iam.delete_policy, PolicyArn=managed["Arn"])
    assert iam.list_entities_for_policy(PolicyArn=managed["Arn"])["PolicyGroups"][0]["GroupName"] == "readers"
    assert iam.get_policy(PolicyArn=managed["Arn"])["Policy"]["AttachmentCount"] == 1
    # AWS's own policies are there.
    iam.attach_user_policy(UserName="bob", PolicyArn="arn:aws:iam::aws:policy/AdministratorAccess")
    assert mine.describe_key(KeyId=key)["KeyMetadata"]["Arn"] == key
    refused("NoSuchEntity", iam.attach_user_policy, UserName="bob", PolicyArn="arn:aws:iam::aws:policy/Nothing")
    details = iam.get_account_authorization_details()
    bob_details, = details["UserDetailList"]
    assert bob_details["GroupList"] == ["readers"] and bob_details["AttachedManagedPolicies"][0]["PolicyName"] == "AdministratorAccess"
    names = {entry["PolicyName"] for entry in details["Policies"]}
    assert names == {"decrypts", "s3-only", "AdministratorAccess"}
    only = iam.get_account_authorization_details(Filter=["Role"])
    assert only["UserDetailList"] == [] and only["Policies"] == []


def test_assuming_a_role_needs_its_trust_policy(server):
    iam, sts = server.client("iam"), server.client("sts")
    carol = user(server, "carol")
    arn = f"arn:aws:iam::{OWNER}:user/carol"
    role = iam.create_role(RoleName="app", Path="/team/", AssumeRolePolicyDocument=trust(arn), MaxSessionDuration=7200)["Role"]
    assert role["AssumeRolePolicyDocument"]["Statement"][0]["Principal"] == {"AWS": arn}
    iam.put_role_policy(RoleName="app", PolicyName="p", PolicyDocument=allow("kms:CreateKey", "kms:DescribeKey"))
    mine = server.client("sts", credentials=carol)
    assumed = mine.assume_role(RoleArn=role["Arn"], RoleSessionName="one", DurationSeconds=900)
    assert assumed["AssumedRoleUser"]["Arn"] == f"arn:aws:sts::{OWNER}:assumed-role/app/one"  # K275
    session = assumed["Credentials"]
    assert server.client("sts", credentials=session).get_caller_identity()["UserId"] == f"{role['RoleId']}:one"
    key = server.kms(credentials=session).create_key()["KeyMetadata"]["Arn"]
    assert refused("ValidationError", mine.assume_role, RoleArn=role["Arn"], RoleSessionName="one", DurationSeconds=7201) == (
        "The requested DurationSeconds exceeds the MaxSessionDuration set for this role."
    )  # K276
    # Session policies only narrow.
    narrowed = mine.assume_role(RoleArn=role["Arn"], RoleSessionName="two", Policy=allow("kms:*", "s3:*"))["Credentials"]
    assert server.kms(credentials=narrowed).describe_key(KeyId=key)["KeyMetadata"]["Arn"] == key
    refused("AccessDeniedException", server.kms(credentials=narrowed).list_keys)
    narrow = mine.assume_role(RoleArn=role["Arn"], RoleSessionName="two", Policy=allow("s3:*"))["Credentials"]
    assert "no session policy allows" in refused("AccessDeniedException", server.kms(credentials=narrow).describe_key, KeyId=key)
    # Another account: the trust policy and the caller's own.
    dave = user(server, "dave", OTHER)
    iam.update_assume_role_policy(RoleName="app", PolicyDocument=trust(f"arn:aws:iam::{OTHER}:root", Condition={"StringEquals": {"sts:ExternalId": "42"}}))
    theirs = server.client("sts", OTHER, credentials=dave)
    refused("AccessDenied", theirs.assume_role, RoleArn=role["Arn"], RoleSessionName="d1", ExternalId="42")  # A310
    server.client("iam", OTHER).put_user_policy(UserName="dave", PolicyName="p", PolicyDocument=allow("sts:AssumeRole", resource=role["Arn"]))
    refused("AccessDenied", theirs.assume_role, RoleArn=role["Arn"], RoleSessionName="d1", ExternalId="43")
    assert theirs.assume_role(RoleArn=role["Arn"], RoleSessionName="d1", ExternalId="42")["Credentials"]
    refused("AccessDenied", mine.assume_role, RoleArn=role["Arn"], RoleSessionName="one")
    refused("AccessDenied", mine.assume_role, RoleArn=role["Arn"] + "x", RoleSessionName="one")
    assert refused("AccessDenied", sts.assume_role, RoleArn=role["Arn"], RoleSessionName="one") == "Roles may not be assumed by root accounts."
    assert refused("MalformedPolicyDocument", iam.update_assume_role_policy, RoleName="app", PolicyDocument=trust(arn + "x")) == (
        f'Invalid principal in policy: "AWS":"{arn}x"'
    )  # K267


def test_a_session_ends_with_its_principal(server):
    iam = server.client("iam")
    carol = user(server, "carol")
    role = iam.create_role(RoleName="app", AssumeRolePolicyDocument=trust(f"arn:aws:iam::{OWNER}:user/carol"))["Role"]
    session = server.client("sts", credentials=carol).assume_role(RoleArn=role["Arn"], RoleSessionName="one")["Credentials"]
    sts = server.client("sts", credentials=session)
    assert sts.get_caller_identity()["Account"] == OWNER
    # A key policy that names the role means this role, not a later one of that name.
    kms = server.kms()
    key = kms.create_key(Policy=policy(root(OWNER), {"Effect": "Allow", "Principal": {"AWS": role["Arn"]}, "Action": "kms:*", "Resource": "*"}))
    key = key["KeyMetadata"]["Arn"]
    assert server.kms(credentials=session).describe_key(KeyId=key)
    iam.delete_role(RoleName="app")
    refused("InvalidClientTokenId", sts.get_caller_identity)  # T7
    iam.create_role(RoleName="app", AssumeRolePolicyDocument=trust(f"arn:aws:iam::{OWNER}:user/carol"))
    refused("InvalidClientTokenId", sts.get_caller_identity)
    again = server.client("sts", credentials=carol).assume_role(RoleArn=role["Arn"], RoleSessionName="one")["Credentials"]
    refused("AccessDeniedException", server.kms(credentials=again).describe_key, KeyId=key)  # T19, K274
    assert role["RoleId"] in kms.get_key_policy(KeyId=key)["Policy"]
    # Token and key belong together.
    mixed = dict(again, AccessKeyId=session["AccessKeyId"])
    refused("InvalidClientTokenId", server.client("sts", credentials=mixed).get_caller_identity)


def test_tags_chains_and_source_identities_go_with_the_session(server):
    iam = server.client("iam")
    erin = user(server, "erin", p=allow("sts:*"))
    first = iam.create_role(
        RoleName="first",
        AssumeRolePolicyDocument=policy(
            {
                "Effect": "Allow",
                "Principal": {"AWS": f"arn:aws:iam::{OWNER}:user/erin"},
                "Action": ["sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"],
            }
        ),
    )["Role"]["Arn"]
    iam.put_role_policy(RoleName="first", PolicyName="p", PolicyDocument=allow("sts:*"))
    second = iam.create_role(RoleName="second", AssumeRolePolicyDocument=trust(first))["Role"]["Arn"]
    iam.put_role_policy(
        RoleName="second",
        PolicyName="p",
        PolicyDocument=allow("kms:CreateKey", Condition={"StringEquals": {"aws:PrincipalTag/team": "orders", "aws:SourceIdentity": "erin"}}),
    )
    tags = [{"Key": "team", "Value": "orders"}, {"Key": "own", "Value": "x"}]
    session = server.client("sts", credentials=erin).assume_role(
        RoleArn=first, RoleSessionName="s1", Tags=tags, TransitiveTagKeys=["team"], SourceIdentity="erin"
    )
    assert session["SourceIdentity"] == "erin"
    chained = server.client("sts", credentials=session["Credentials"])
    text = refused("ValidationError", chained.assume_role, RoleArn=second, RoleSessionName="s2", DurationSeconds=3601)
    assert "MaxSessionDuration" in text or "role chaining" in text  # K276
    deeper = chained.assume_role(RoleArn=second, RoleSessionName="s2")["Credentials"]
    assert server.kms(credentials=deeper).create_key()
    without = server.client("sts", credentials=erin).assume_role(RoleArn=first, RoleSessionName="s1")["Credentials"]
    deeper = server.client("sts", credentials=without).assume_role(RoleArn=second, RoleSessionName="s2")["Credentials"]
    refused("AccessDeniedException", server.kms(credentials=deeper).create_key)


def test_session_and_federation_tokens_have_their_limits(server):
    frank = user(server, "frank", p=allow("kms:*", "sts:*", "iam:*"))
    sts = server.client("sts", credentials=frank)
    session = sts.get_session_token(DurationSeconds=900)["Credentials"]
    assert server.kms(credentials=session).create_key()
    refused("AccessDenied", server.client("iam", credentials=session).list_users)  # K277
    refused("AccessDenied", server.client("sts", credentials=session).get_session_token)
    assert server.client("sts", credentials=session).get_caller_identity()["Arn"].endswith(":user/frank")
    federated = sts.get_federation_token(Name="guest", Policy=allow("kms:CreateKey", "iam:*"))
    assert federated["FederatedUser"]["Arn"] == f"arn:aws:sts::{OWNER}:federated-user/guest"
    session = federated["Credentials"]
    key = server.kms(credentials=session).create_key()["KeyMetadata"]["Arn"]
    refused("AccessDeniedException", server.kms(credentials=session).describe_key, KeyId=key)
    refused("AccessDenied", server.client("iam", credentials=session).list_users)
    bare = sts.get_federation_token(Name="guest")["Credentials"]
    refused("AccessDeniedException", server.kms(credentials=bare).list_keys)  # A219
    assert refused("AccessDenied", sts.get_session_token, SerialNumber=f"arn:aws:iam::{OWNER}:mfa/frank", TokenCode="123456") == (
        "MultiFactorAuthentication failed with invalid MFA one time pass code."
    )


def test_service_linked_roles_belong_to_their_service(server):
    iam = server.client("iam")
    role = iam.create_service_linked_role(AWSServiceName="autoscaling.amazonaws.com")["Role"]
    assert role["Arn"] == f"arn:aws:iam::{OWNER}:role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling"
    refused("UnmodifiableEntity", iam.put_role_policy, RoleName=role["RoleName"], PolicyName="p", PolicyDocument=allow("kms:*"))
    refused("UnmodifiableEntity", iam.delete_role, RoleName=role["RoleName"])
    task = iam.delete_service_linked_role(RoleName=role["RoleName"])["DeletionTaskId"]
    assert iam.get_service_linked_role_deletion_status(DeletionTaskId=task)["Status"] == "SUCCEEDED"


def test_presigned_identity_proves_who_somebody_is(server):
    import urllib.error
    import urllib.request

    url = server.client("sts").generate_presigned_url("get_caller_identity", ExpiresIn=60, HttpMethod="GET")
    body = urllib.request.urlopen(url).read().decode()  # K33
    assert f"<Account>{OWNER}</Account>" in body
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(url.replace("GetCallerIdentity", "GetSessionToken"))
    assert caught.value.code == 403 and b"SignatureDoesNotMatch" in caught.value.read()


def test_signatures_are_good_for_one_service_only(server):
    status, answer = signed_json(server, server.credentials[OWNER], "kms", "TrentService.ListKeys")
    assert (status, answer["Keys"]) == (200, [])
    status, answer = signed_json(server, server.credentials[OWNER], "iam", "TrentService.ListKeys")
    assert answer["message"] == "Credential should be scoped to correct service: 'kms'."  # K32, T6


def test_a_user_stays_itself_under_another_name(server):
    kms, iam = server.kms(), server.client("iam")
    made = iam.create_user(UserName="old", Tags=[{"Key": "team", "Value": "orders"}])["User"]
    iam.create_user(UserName="taken")
    key = kms.create_key(Policy=policy(root(OWNER), {"Effect": "Allow", "Principal": {"AWS": made["Arn"]}, "Action": "kms:Encrypt", "Resource": "*"}))
    key = key["KeyMetadata"]["Arn"]
    grant = kms.create_grant(KeyId=key, GranteePrincipal=made["Arn"], RetiringPrincipal=made["Arn"], Operations=["Decrypt"])["GrantId"]
    mine = iam.create_access_key(UserName="old")["AccessKey"]
    assert refused("EntityAlreadyExists", iam.update_user, UserName="old", NewUserName="TAKEN") == "User with name TAKEN already exists."
    iam.update_user(UserName="old", NewUserName="new", NewPath="/team/")
    arn = f"arn:aws:iam::{OWNER}:user/team/new"
    assert server.client("sts", credentials=mine).get_caller_identity()["Arn"] == arn
    got = iam.get_user(UserName="new")["User"]
    assert (got["Arn"], got["UserId"], got["Tags"]) == (arn, made["UserId"], made["Tags"])
    refused("NoSuchEntity", iam.get_user, UserName="old")
    # A206, A606: key policies and grants mean the user, whatever it is called.
    own = server.kms(credentials=mine)
    blob = own.encrypt(KeyId=key, Plaintext=b"x")["CiphertextBlob"]
    assert own.decrypt(CiphertextBlob=blob)["Plaintext"] == b"x"
    assert f'"{arn}"' in kms.get_key_policy(KeyId=key)["Policy"]
    assert [entry["GranteePrincipal"] for entry in kms.list_grants(KeyId=key, GranteePrincipal=arn)["Grants"]] == [arn]
    iam.create_user(UserName="old")
    other = server.kms(credentials=iam.create_access_key(UserName="old")["AccessKey"])
    refused("AccessDeniedException", other.encrypt, KeyId=key, Plaintext=b"x")
    refused("AccessDeniedException", other.decrypt, CiphertextBlob=blob)
    own.retire_grant(KeyId=key, GrantId=grant)
    iam.update_user(UserName="new", NewUserName="NEW")
    assert [user["UserName"] for user in iam.list_users()["Users"]] == ["NEW", "old", "taken"]
    for call in (iam.list_mfa_devices, iam.list_ssh_public_keys, iam.list_signing_certificates, iam.list_service_specific_credentials):
        answer = call(UserName="NEW")  # K285
        assert [value for name, value in answer.items() if isinstance(value, list)] == [[]]
    assert iam.list_virtual_mfa_devices()["VirtualMFADevices"] == []
    assert refused("NoSuchEntity", iam.delete_login_profile, UserName="NEW") == "Login Profile for User NEW cannot be found."
    refused("NoSuchEntity", iam.remove_role_from_instance_profile, InstanceProfileName="p", RoleName="r")
