"""Organizations through unmodified AWS clients, and SCPs and RCPs that really bind. Rule numbers are those of spec/."""

import json
import os
import subprocess

import pytest
from botocore.exceptions import ClientError

from conftest import Server
from test_iam import allow, trust, user
from test_kms import OTHER, OWNER, policy, refused
from test_operate import keyward


def failure(code, function, **arguments):
    """The whole answer of a call that must fail with this code."""
    with pytest.raises(ClientError) as error:
        function(**arguments)
    assert error.value.response["Error"]["Code"] == code, error.value
    return error.value.response


def reason(code, reason, function, **arguments):
    assert failure(code, function, **arguments)["Reason"] == reason


def scp(*statements):
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def root(account):
    return f"arn:aws:iam::{account}:root"


DENY_DISABLE = scp({"Effect": "Deny", "Action": "kms:DisableKey", "Resource": "*"})


@pytest.fixture
def founded(server):
    """OWNER manages an organization in which OTHER is, with both policy types enabled."""
    organizations = server.client("organizations")
    organizations.create_organization(FeatureSet="ALL")
    root_id = organizations.list_roots()["Roots"][0]["Id"]
    for policy_type in ("SERVICE_CONTROL_POLICY", "RESOURCE_CONTROL_POLICY"):
        organizations.enable_policy_type(RootId=root_id, PolicyType=policy_type)
    join(server, OTHER)
    return organizations, root_id


def join(server, account):
    invited = server.client("organizations").invite_account_to_organization(Target={"Type": "ACCOUNT", "Id": account})["Handshake"]
    server.client("organizations", account).accept_handshake(HandshakeId=invited["Id"])


def create(organizations, name, content, kind="SERVICE_CONTROL_POLICY"):
    made = organizations.create_policy(Name=name, Description="", Type=kind, Content=content)
    return made["Policy"]["PolicySummary"]["Id"]


def test_an_organization_comes_and_goes(server):
    mine, other = server.client("organizations"), server.client("organizations", OTHER)
    assert failure("AWSOrganizationsNotInUseException", mine.describe_organization)["Error"]["Message"] == "Your account is not a member of an organization."
    made = mine.create_organization(FeatureSet="ALL")["Organization"]
    assert made["MasterAccountId"] == OWNER and made["Arn"] == f"arn:aws:organizations::{OWNER}:organization/{made['Id']}"
    assert mine.describe_organization()["Organization"]["Id"] == made["Id"]
    failure("AlreadyInOrganizationException", mine.create_organization)
    [top] = mine.list_roots()["Roots"]
    assert top["PolicyTypes"] == [] and top["Arn"] == f"arn:aws:organizations::{OWNER}:root/{made['Id']}/{top['Id']}"

    # Units: named once in a parent, at most five deep, deleted empty.
    prod = mine.create_organizational_unit(ParentId=top["Id"], Name="prod", Tags=[{"Key": "a", "Value": "b"}])["OrganizationalUnit"]
    assert prod["Path"] == f"{made['Id']}/{top['Id']}/{prod['Id']}/"
    assert mine.list_tags_for_resource(ResourceId=prod["Id"])["Tags"] == [{"Key": "a", "Value": "b"}]
    mine.untag_resource(ResourceId=prod["Id"], TagKeys=["a"])
    assert mine.list_tags_for_resource(ResourceId=prod["Id"])["Tags"] == []
    failure("DuplicateOrganizationalUnitException", mine.create_organizational_unit, ParentId=top["Id"], Name="prod")
    failure("ParentNotFoundException", mine.create_organizational_unit, ParentId="ou-abcd-12345678", Name="x")
    reason("InvalidInputException", "INVALID_PATTERN", mine.create_organizational_unit, ParentId="nowhere", Name="x")
    deepest = prod["Id"]
    for depth in range(2, 6):
        deepest = mine.create_organizational_unit(ParentId=deepest, Name=f"level-{depth}")["OrganizationalUnit"]["Id"]
    reason("ConstraintViolationException", "OU_DEPTH_LIMIT_EXCEEDED", mine.create_organizational_unit, ParentId=deepest, Name="x")
    assert mine.list_parents(ChildId=prod["Id"])["Parents"] == [{"Id": top["Id"], "Type": "ROOT"}]
    assert mine.update_organizational_unit(OrganizationalUnitId=prod["Id"], Name="production")["OrganizationalUnit"]["Name"] == "production"
    assert mine.describe_organizational_unit(OrganizationalUnitId=prod["Id"])["OrganizationalUnit"]["Name"] == "production"
    assert mine.list_children(ParentId=top["Id"], ChildType="ORGANIZATIONAL_UNIT")["Children"] == [{"Id": prod["Id"], "Type": "ORGANIZATIONAL_UNIT"}]
    failure("OrganizationalUnitNotEmptyException", mine.delete_organizational_unit, OrganizationalUnitId=prod["Id"])
    mine.delete_organizational_unit(OrganizationalUnitId=deepest)
    failure("OrganizationalUnitNotFoundException", mine.describe_organizational_unit, OrganizationalUnitId=deepest)

    # An invitation: seen by both, accepted by one.
    sent = mine.invite_account_to_organization(Target={"Type": "ACCOUNT", "Id": OTHER}, Notes="welcome")["Handshake"]
    assert sent["State"] == "OPEN" and {party["Id"] for party in sent["Parties"]} == {made["Id"], OTHER}
    failure("DuplicateHandshakeException", mine.invite_account_to_organization, Target={"Type": "ACCOUNT", "Id": OTHER})
    failure("HandshakeNotFoundException", mine.accept_handshake, HandshakeId=sent["Id"])
    assert [handshake["Id"] for handshake in other.list_handshakes_for_account()["Handshakes"]] == [sent["Id"]]
    assert other.accept_handshake(HandshakeId=sent["Id"])["Handshake"]["State"] == "ACCEPTED"
    failure("HandshakeAlreadyInStateException", other.accept_handshake, HandshakeId=sent["Id"])
    failure("InvalidHandshakeTransitionException", mine.cancel_handshake, HandshakeId=sent["Id"])
    assert mine.describe_handshake(HandshakeId=sent["Id"])["Handshake"]["State"] == "ACCEPTED"
    reason("HandshakeConstraintViolationException", "ALREADY_IN_AN_ORGANIZATION", mine.invite_account_to_organization, Target={"Type": "ACCOUNT", "Id": OTHER})
    assert [account["Id"] for account in mine.list_accounts()["Accounts"]] == [OWNER, OTHER]
    described = mine.describe_account(AccountId=OTHER)["Account"]
    assert described["JoinedMethod"] == "INVITED" and described["Paths"] == [f"{made['Id']}/{top['Id']}/{OTHER}/"]

    # A member may ask which organization it is in, and nothing else.
    assert other.describe_organization()["Organization"]["MasterAccountId"] == OWNER
    text = failure("AccessDeniedException", other.list_accounts)["Error"]["Message"]
    assert text == "You don't have permissions to access this resource."
    failure("AccessDeniedException", other.create_organizational_unit, ParentId=top["Id"], Name="mine")

    # Moving, and the way out.
    mine.move_account(AccountId=OTHER, SourceParentId=top["Id"], DestinationParentId=prod["Id"])
    failure("SourceParentNotFoundException", mine.move_account, AccountId=OTHER, SourceParentId=top["Id"], DestinationParentId=prod["Id"])
    failure("DuplicateAccountException", mine.move_account, AccountId=OTHER, SourceParentId=prod["Id"], DestinationParentId=prod["Id"])
    assert [account["Id"] for account in mine.list_accounts_for_parent(ParentId=prod["Id"])["Accounts"]] == [OTHER]
    failure("MasterCannotLeaveOrganizationException", mine.remove_account_from_organization, AccountId=OWNER)
    failure("OrganizationNotEmptyException", mine.delete_organization)
    other.leave_organization()
    failure("AccountNotFoundException", mine.describe_account, AccountId=OTHER)
    mine.delete_organization()
    failure("AWSOrganizationsNotInUseException", mine.describe_organization)


def test_the_caller_needs_the_permission_too(server, founded):
    organizations, root_id = founded
    anna = server.client("organizations", credentials=user(server, "anna"))
    text = refused("AccessDeniedException", anna.list_roots)
    assert text.endswith("is not authorized to perform: organizations:ListRoots on resource: * because no identity-based policy allows the organizations:ListRoots action")
    only_scps = {"StringEquals": {"organizations:PolicyType": "SERVICE_CONTROL_POLICY"}}
    server.client("iam").put_user_policy(UserName="anna", PolicyName="p", PolicyDocument=allow("organizations:ListPolicies", Condition=only_scps))
    assert [found["Id"] for found in anna.list_policies(Filter="SERVICE_CONTROL_POLICY")["Policies"]] == ["p-FullAWSAccess"]
    refused("AccessDeniedException", anna.list_policies, Filter="RESOURCE_CONTROL_POLICY")
    # Who cannot see a policy does not learn whether it is there.
    assert "is not authorized" in refused("AccessDeniedException", anna.describe_policy, PolicyId="p-nosuchpolicy")
    failure("PolicyNotFoundException", organizations.describe_policy, PolicyId="p-nosuchpolicy")


def test_policies_are_kept_in_bounds(server, founded):
    organizations, root_id = founded
    full = organizations.describe_policy(PolicyId="p-FullAWSAccess")["Policy"]
    assert full["PolicySummary"]["AwsManaged"] and json.loads(full["Content"])["Statement"] == [{"Effect": "Allow", "Action": "*", "Resource": "*"}]
    assert full["PolicySummary"]["Arn"] == "arn:aws:organizations::aws:policy/service_control_policy/p-FullAWSAccess"
    reason("InvalidInputException", "IMMUTABLE_POLICY", organizations.update_policy, PolicyId="p-FullAWSAccess", Name="mine")
    # A320: no level without an SCP. A324: AWS's own RCP is always there.
    reason("ConstraintViolationException", "MIN_POLICY_TYPE_ATTACHMENT_LIMIT_EXCEEDED", organizations.detach_policy, PolicyId="p-FullAWSAccess", TargetId=OTHER)
    reason("InvalidInputException", "NON_DETACHABLE_POLICY", organizations.detach_policy, PolicyId="p-RCPFullAWSAccess", TargetId=OTHER)
    made = [create(organizations, f"deny-{number}", DENY_DISABLE) for number in range(5)]
    failure("DuplicatePolicyException", organizations.create_policy, Name="deny-0", Description="", Type="SERVICE_CONTROL_POLICY", Content=DENY_DISABLE)
    for policy_id in made[:4]:
        organizations.attach_policy(PolicyId=policy_id, TargetId=OTHER)
    failure("DuplicatePolicyAttachmentException", organizations.attach_policy, PolicyId=made[0], TargetId=OTHER)
    reason("ConstraintViolationException", "MAX_POLICY_TYPE_ATTACHMENT_LIMIT_EXCEEDED", organizations.attach_policy, PolicyId=made[4], TargetId=OTHER)
    failure("TargetNotFoundException", organizations.attach_policy, PolicyId=made[4], TargetId="999988887777")
    failure("PolicyInUseException", organizations.delete_policy, PolicyId=made[0])
    [target] = organizations.list_targets_for_policy(PolicyId=made[0])["Targets"]
    assert (target["TargetId"], target["Type"]) == (OTHER, "ACCOUNT")
    pages = organizations.get_paginator("list_policies_for_target").paginate(
        TargetId=OTHER, Filter="SERVICE_CONTROL_POLICY", PaginationConfig={"PageSize": 2}
    )
    pages = [[found["Id"] for found in page["Policies"]] for page in pages]
    assert len(pages) == 3 and {found for page in pages for found in page} == {"p-FullAWSAccess", *made[:4]}
    reason("InvalidInputException", "INVALID_NEXT_TOKEN", organizations.list_accounts, NextToken="not one of ours")
    organizations.detach_policy(PolicyId=made[0], TargetId=OTHER)
    failure("PolicyNotAttachedException", organizations.detach_policy, PolicyId=made[0], TargetId=OTHER)
    organizations.delete_policy(PolicyId=made[0])

    def new(content, kind="SERVICE_CONTROL_POLICY"):
        return dict(Name="new", Description="", Type=kind, Content=content)

    reason("ConstraintViolationException", "POLICY_CONTENT_LIMIT_EXCEEDED", organizations.create_policy, **new(DENY_DISABLE + " " * 5120))  # A108
    failure("MalformedPolicyDocumentException", organizations.create_policy, **new("{}"))
    # A109: an RCP of a customer only denies, everyone, a service's actions.
    deny = {"Effect": "Deny", "Principal": "*", "Action": "kms:*", "Resource": "*"}
    for wrong in ({"Effect": "Allow"}, {"Action": "*"}, {"Principal": {"AWS": OTHER}}):
        failure("MalformedPolicyDocumentException", organizations.create_policy, **new(scp({**deny, **wrong}), "RESOURCE_CONTROL_POLICY"))
    failure("PolicyTypeNotAvailableForOrganizationException", organizations.create_policy, **new(DENY_DISABLE, "TAG_POLICY"))
    reason("InvalidInputException", "INVALID_ENUM_POLICY_TYPE", organizations.describe_effective_policy, PolicyType="SERVICE_CONTROL_POLICY", TargetId=OTHER)
    # A type that is switched off lets go of everything, and binds nobody.
    organizations.disable_policy_type(RootId=root_id, PolicyType="SERVICE_CONTROL_POLICY")
    assert organizations.list_policies_for_target(TargetId=OTHER, Filter="SERVICE_CONTROL_POLICY")["Policies"] == []
    failure("PolicyTypeNotEnabledException", organizations.attach_policy, PolicyId=made[1], TargetId=OTHER)


def test_an_scp_denies_a_call_to_kms(server, founded):
    organizations, root_id = founded
    unit = organizations.create_organizational_unit(ParentId=root_id, Name="prod")["OrganizationalUnit"]["Id"]
    denies = create(organizations, "no-disabling", DENY_DISABLE)
    organizations.attach_policy(PolicyId=denies, TargetId=unit)
    theirs, own = server.kms(OTHER), server.kms()
    key, mine = theirs.create_key()["KeyMetadata"]["Arn"], own.create_key()["KeyMetadata"]["Arn"]
    theirs.disable_key(KeyId=key)
    theirs.enable_key(KeyId=key)
    organizations.move_account(AccountId=OTHER, SourceParentId=root_id, DestinationParentId=unit)
    text = refused("AccessDeniedException", theirs.disable_key, KeyId=key)
    arn = organizations.describe_policy(PolicyId=denies)["Policy"]["PolicySummary"]["Arn"]
    assert text == (
        f"User: {root(OTHER)} is not authorized to perform: kms:DisableKey on resource: {key} with an explicit deny in a service control policy: {arn}"
    )  # A320, A904, A905
    # A321: the management account is exempt, wherever it stands.
    organizations.attach_policy(PolicyId=denies, TargetId=root_id)
    organizations.attach_policy(PolicyId=denies, TargetId=OWNER)
    own.disable_key(KeyId=mine)
    # The explanation names the SCP and where it hangs.
    refusal = failure("AccessDeniedException", theirs.disable_key, KeyId=key)["ResponseMetadata"]["RequestId"]
    told = keyward(server, "explain", "--request-id", refusal, code=1)
    assert "SCP level 2    denies" in told and '"no-disabling" on ou/prod' in told
    # A320: every level must allow. An allow list at the account lets through what it names.
    organizations.detach_policy(PolicyId=denies, TargetId=unit)
    organizations.detach_policy(PolicyId=denies, TargetId=root_id)
    only = create(organizations, "only-describing", scp({"Effect": "Allow", "Action": ["kms:Describe*", "organizations:*"], "Resource": "*"}))
    organizations.attach_policy(PolicyId=only, TargetId=OTHER)
    theirs.disable_key(KeyId=key)
    organizations.detach_policy(PolicyId="p-FullAWSAccess", TargetId=OTHER)
    assert theirs.describe_key(KeyId=key)["KeyMetadata"]["Enabled"] is False
    text = refused("AccessDeniedException", theirs.enable_key, KeyId=key)
    assert text.endswith("because no service control policy allows the kms:EnableKey action")
    # What has been decided outlives the server.
    server.stop()
    server.start()
    refused("AccessDeniedException", server.kms(OTHER).enable_key, KeyId=key)
    server.client("organizations").remove_account_from_organization(AccountId=OTHER)
    server.kms(OTHER).enable_key(KeyId=key)


def test_an_rcp_denies_a_foreign_caller(server):
    # OTHER manages, so that the key of OWNER is a member's, which RCPs bind (A321). A third account is in no organization.
    third = json.loads(keyward(server, "account", "create", "--id", "999988887777", "--format", "json"))[0]
    organizations = server.client("organizations", OTHER)
    organizations.create_organization(FeatureSet="ALL")
    root_id = organizations.list_roots()["Roots"][0]["Id"]
    organizations.enable_policy_type(RootId=root_id, PolicyType="RESOURCE_CONTROL_POLICY")
    invited = organizations.invite_account_to_organization(Target={"Type": "ACCOUNT", "Id": OWNER})["Handshake"]["Id"]
    server.client("organizations").accept_handshake(HandshakeId=invited)

    own, theirs, foreign = server.kms(), server.kms(OTHER), server.kms(credentials=third)
    everyone = {"Effect": "Allow", "Principal": "*", "Action": "kms:*", "Resource": "*"}
    key = own.create_key(Policy=policy(everyone), BypassPolicyLockoutSafetyCheck=True)["KeyMetadata"]["Arn"]
    for kms in (own, theirs, foreign):
        kms.describe_key(KeyId=key)
    organization = organizations.describe_organization()["Organization"]["Id"]
    outside = {"StringNotEqualsIfExists": {"aws:PrincipalOrgID": organization}}
    perimeter = scp({"Effect": "Deny", "Principal": "*", "Action": "kms:*", "Resource": "*", "Condition": outside})
    rcp = create(organizations, "perimeter", perimeter, "RESOURCE_CONTROL_POLICY")
    organizations.attach_policy(PolicyId=rcp, TargetId=root_id)
    # A324: it binds outsiders. A906: who learn nothing.
    text = refused("AccessDeniedException", foreign.describe_key, KeyId=key)
    assert text.endswith("because the resource does not exist in this Region, no resource-based policies allow access, or a resource-based policy explicitly denies access")
    own.describe_key(KeyId=key)
    theirs.describe_key(KeyId=key)
    told = keyward(server, "who-can", "kms:DescribeKey", key)
    assert f"root ({OTHER})" in told and "root (999988887777)" not in told
    # A321: the management account's own keys are not bound.
    free = theirs.create_key(Policy=policy(everyone), BypassPolicyLockoutSafetyCheck=True)["KeyMetadata"]["Arn"]
    foreign.describe_key(KeyId=free)
    # An RCP on AssumeRole, which is about a role of the member.
    iam = server.client("iam")
    iam.create_role(RoleName="door", AssumeRolePolicyDocument=trust(root("999988887777")))
    caller = server.client("iam", credentials=third)
    caller.create_user(UserName="bob")
    caller.put_user_policy(UserName="bob", PolicyName="p", PolicyDocument=allow("sts:AssumeRole"))
    bob = server.client("sts", credentials=caller.create_access_key(UserName="bob")["AccessKey"])
    asked = dict(RoleArn=f"arn:aws:iam::{OWNER}:role/door", RoleSessionName="bob")
    bob.assume_role(**asked)
    changed = {"Effect": "Deny", "Principal": "*", "Action": ["kms:*", "sts:AssumeRole"], "Resource": "*", "Condition": outside}
    organizations.update_policy(PolicyId=rcp, Content=scp(changed))
    assert refused("AccessDenied", bob.assume_role, **asked).endswith(f"sts:AssumeRole on resource: {asked['RoleArn']}")  # K267, T16


def test_an_account_is_made_and_entered(server, founded):
    organizations, _ = founded
    made = organizations.create_account(Email="orders@example.com", AccountName="orders")["CreateAccountStatus"]
    status = organizations.describe_create_account_status(CreateAccountRequestId=made["Id"])["CreateAccountStatus"]
    assert status["State"] == "SUCCEEDED" and status["AccountName"] == "orders"
    account = status["AccountId"]
    assert organizations.describe_account(AccountId=account)["Account"]["Email"] == "orders@example.com"
    again = organizations.create_account(Email="Orders@example.com", AccountName="again")["CreateAccountStatus"]
    assert (again["State"], again["FailureReason"]) == ("FAILED", "EMAIL_ALREADY_EXISTS")
    assert len(organizations.list_create_account_status(States=["FAILED"])["CreateAccountStatuses"]) == 1
    admin = user(server, "admin", p=allow("sts:AssumeRole"))
    role = f"arn:aws:iam::{account}:role/OrganizationAccountAccessRole"
    session = server.client("sts", credentials=admin).assume_role(RoleArn=role, RoleSessionName="first")["Credentials"]
    assert server.kms(credentials=session).create_key()["KeyMetadata"]["AWSAccountId"] == account
    entry = [entry for entry in json.loads(keyward(server, "account", "list", "--json")) if entry["AccountId"] == account]
    assert entry[0]["Name"] == "orders" and entry[0]["Keys"] == 1
    # The record of the call, with what it answered.
    record = json.loads(keyward(server, "trail", "query", "--event", "CreateAccount", "-n", "2").splitlines()[0])
    assert record["eventSource"] == "organizations.amazonaws.com" and record["readOnly"] is False
    assert record["requestParameters"]["email"].lower() == "orders@example.com" and record["responseElements"]["createAccountStatus"]["state"]


SEED = """
accounts:
  "111122223333": {name: management}
  "444455556666": {name: member}
  "777788889999": {name: sandbox}
organizations:
  "111122223333":
    id: o-exampleorgid
    root: r-exam
    policies:
      no-disabling:
        id: p-examplescp1
        type: SERVICE_CONTROL_POLICY
        document: {Version: "2012-10-17", Statement: [{Effect: Deny, Action: kms:DisableKey, Resource: "*"}]}
      perimeter:
        type: RESOURCE_CONTROL_POLICY
        document:
          Version: "2012-10-17"
          Statement: [{Effect: Deny, Principal: "*", Action: "kms:*", Resource: "*", Condition: {StringNotEquals: {"aws:PrincipalOrgID": o-exampleorgid}}}]
    attached: [perimeter]
    units:
      prod:
        id: ou-exam-prod0000
        attached: [no-disabling]
        accounts:
          "444455556666": {}
      sandbox:
        accounts:
          "777788889999": {attached: [no-disabling], full_access: false}
"""


def test_an_organization_is_seeded(tmp_path):
    file = tmp_path / "estate.yaml"
    file.write_text(SEED)
    server = Server(tmp_path, "--seed", str(file)).start()
    try:
        organizations = server.client("organizations")
        assert organizations.list_roots()["Roots"][0]["Id"] == "r-exam"
        assert organizations.list_parents(ChildId=OTHER)["Parents"] == [{"Id": "ou-exam-prod0000", "Type": "ORGANIZATIONAL_UNIT"}]
        kms = server.kms(OTHER)
        key = kms.create_key()["KeyMetadata"]["KeyId"]
        assert "p-examplescp1" in refused("AccessDeniedException", kms.disable_key, KeyId=key)
        # A320: only a Deny at that level, so nothing is allowed there.
        refused("AccessDeniedException", server.kms("777788889999").create_key)
        explained = keyward(server, "explain", "--as", root(OTHER), "kms:DisableKey", key, code=1)
        assert "SCP level 2    denies" in explained
        server.stop()
        assert "the estate is as" in "".join(restart_lines(server))
    finally:
        if server.process.poll() is None:
            server.stop()
    wrong = SEED.replace("attached: [perimeter]", "attached: [nobody]")
    file.write_text(wrong)
    told = subprocess.run([os.path.abspath(os.environ["KEYWARD_BIN"]), "seed", "check", str(file)], capture_output=True, text=True).stderr
    assert "organizations.111122223333.attached.0: there is no policy `nobody`" in told


def restart_lines(server):
    """What the server prints when it starts again with the same seed."""
    command = [os.path.abspath(os.environ["KEYWARD_BIN"]), "serve", "--listen", "127.0.0.1:0", "--data", str(server.data)]
    server.process = subprocess.Popen([*command, "--root-key", str(server.root_key), *server.more], stdout=subprocess.PIPE, text=True)
    lines = []
    for line in server.process.stdout:
        lines.append(line)
        if line.startswith("keyward is ready"):
            return lines
    raise AssertionError("the server did not become ready")


def test_the_aws_cli_speaks_it(server):
    key = dict(zip(("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"), server.credentials[OWNER]))
    environment = {**os.environ, **key, "AWS_ENDPOINT_URL": server.endpoint, "AWS_REGION": "eu-west-1", "AWS_DEFAULT_REGION": "eu-west-1"}
    aws = os.path.abspath(os.environ.get("AWS", ".venv/bin/aws"))

    def run(*arguments):
        return subprocess.run([aws, "organizations", *arguments], env=environment, capture_output=True, text=True)

    made = run("create-organization", "--query", "Organization.Id", "--output", "text")
    assert made.stdout.startswith("o-"), made.stderr
    assert run("describe-organization", "--query", "Organization.Id", "--output", "text").stdout == made.stdout
    assert "(AlreadyInOrganizationException)" in run("create-organization").stderr


def test_an_organization_in_china_is_named_there(server):
    [own] = json.loads(keyward(server, "account", "create", "--id", "222200002222", "--partition", "aws-cn", "--format", "json"))
    organizations = server.client("organizations", region="cn-north-1", credentials=own)
    arn = organizations.create_organization(FeatureSet="ALL")["Organization"]["Arn"]
    assert arn.startswith("arn:aws-cn:organizations::222200002222:organization/o-")  # [A121]
    listed = organizations.list_policies(Filter="SERVICE_CONTROL_POLICY")["Policies"]
    assert listed[0]["Arn"] == "arn:aws-cn:organizations::aws:policy/service_control_policy/p-FullAWSAccess"
