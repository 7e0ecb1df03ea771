"""VPC endpoints: what their policies let pass, and what only they can say. Rule numbers are those of spec/."""

import json

import pytest

from conftest import Server
from test_iam import allow, user
from test_kms import OTHER, OWNER, policy, refused
from test_kms import root as account_statement
from test_operate import ARTICLE, KEY, assume, forward, keyward

OPEN, NARROW, STS = "vpce-0000000000000000a", "vpce-0000000000000000b", "vpce-0000000000000000c"
VPC = "vpc-00000000000000001"
SEED = f"""
accounts:
  "{OWNER}": {{}}
  "{OTHER}": {{}}
vpc_endpoints:
  {OPEN}: {{vpc: {VPC}, account: "{OWNER}", region: us-east-1}}
  {NARROW}:
    vpc: {VPC}
    account: "{OTHER}"
    region: us-east-1
    policy:
      Version: "2012-10-17"
      Statement:
        - {{Effect: Allow, Principal: {{AWS: "arn:aws:iam::{OWNER}:root"}}, Action: ["kms:Describe*", "kms:GenerateDataKey"], Resource: "*"}}
        - {{Effect: Deny, Principal: "*", Action: "kms:*", Resource: "*", Condition: {{StringEquals: {{"kms:EncryptionContext:secret": "yes"}}}}}}
  {STS}: {{vpc: {VPC}, account: "{OWNER}", region: us-east-1, service: sts}}
"""


@pytest.fixture
def private(tmp_path):
    file = tmp_path / "estate.yaml"
    file.write_text(SEED)
    opened = [argument for endpoint in (OPEN, NARROW, STS) for argument in ("--listen-endpoint", f"{endpoint}=127.0.0.1:0")]
    server = Server(tmp_path, "--seed", str(file), *opened).start()
    yield server
    if server.process.poll() is None:
        server.stop()


def through(server, endpoint, account=OWNER, **more):
    return server.client("kms", account, endpoint=endpoint, **more)


def test_an_endpoint_policy_limits_and_never_grants(private):
    kms, narrow = private.kms(), through(private, NARROW)
    key = kms.create_key()["KeyMetadata"]["Arn"]
    narrow.describe_key(KeyId=key)
    text = refused("AccessDeniedException", narrow.disable_key, KeyId=key)
    assert text.endswith(f"kms:DisableKey on resource: {key} because no VPC endpoint policy allows the kms:DisableKey action")  # A330, A904
    kms.disable_key(KeyId=key)
    kms.enable_key(KeyId=key)
    narrow.generate_data_key(KeyId=key, KeySpec="AES_256", EncryptionContext={"secret": "no"})
    text = refused("AccessDeniedException", narrow.generate_data_key, KeyId=key, KeySpec="AES_256", EncryptionContext={"secret": "yes"})
    assert "with an explicit deny in a VPC endpoint policy" in text
    # A331: the account principal means everybody of the account. Others are not named, whatever the key policy says.
    anna = user(private, "anna", p=allow("kms:DescribeKey"))
    through(private, NARROW, credentials=anna).describe_key(KeyId=key)
    kms.put_key_policy(KeyId=key, Policy=policy(account_statement(OWNER), account_statement(OTHER)))
    private.kms(OTHER).describe_key(KeyId=key)
    refused("AccessDeniedException", through(private, NARROW, OTHER).describe_key, KeyId=key)
    # The default policy lets everything pass, and grants nothing.
    through(private, OPEN).disable_key(KeyId=key)
    bob = user(private, "bob")
    assert "no identity-based policy" in refused("AccessDeniedException", through(private, OPEN, credentials=bob).describe_key, KeyId=key)


def test_conditions_see_the_endpoint_and_not_the_address(private):
    kms = private.kms()
    conditions = {
        "StringEquals": {"aws:SourceVpce": OPEN, "aws:SourceVpc": VPC, "aws:VpceAccount": OWNER},
        "IpAddress": {"aws:VpcSourceIp": "127.0.0.0/8"},
        "ArnEquals": {"aws:SourceVpcArn": f"arn:aws:ec2:us-east-1:{OWNER}:vpc/{VPC}"},
        "Null": {"aws:SourceIp": "true"},
    }  # A531, A532
    private_only = {"Effect": "Allow", "Principal": {"AWS": OWNER}, "Action": "kms:Encrypt", "Resource": "*", "Condition": conditions}
    manage = {**account_statement(OWNER), "Action": ["kms:Describe*", "kms:Put*", "kms:Get*"]}
    key = kms.create_key(Policy=policy(manage, private_only))["KeyMetadata"]["Arn"]
    refused("AccessDeniedException", kms.encrypt, KeyId=key, Plaintext=b"x")
    through(private, OPEN).encrypt(KeyId=key, Plaintext=b"x")
    refused("AccessDeniedException", through(private, NARROW).encrypt, KeyId=key, Plaintext=b"x")
    from_address = {**private_only, "Condition": {"IpAddress": {"aws:SourceIp": "127.0.0.1/32"}}}
    kms.put_key_policy(KeyId=key, Policy=policy(manage, from_address))
    kms.encrypt(KeyId=key, Plaintext=b"x")
    refused("AccessDeniedException", through(private, OPEN).encrypt, KeyId=key, Plaintext=b"x")


def test_no_header_claims_an_endpoint(private):
    kms = private.kms()
    condition = {"StringEquals": {"aws:SourceVpce": OPEN}}
    inside = {"Effect": "Allow", "Principal": {"AWS": OWNER}, "Action": "kms:Encrypt", "Resource": "*", "Condition": condition}
    key = kms.create_key(Policy=policy({**account_statement(OWNER), "Action": "kms:Put*"}, inside))["KeyMetadata"]["Arn"]

    def claim(request, **_):
        for header in ("X-Amz-Vpce-Id", "X-Amzn-Vpce-Id", "X-Forwarded-For", "aws:SourceVpce", "X-Amz-Source-Vpce"):
            if ":" not in header:
                request.headers[header] = OPEN

    kms.meta.events.register("before-sign.kms.*", claim)
    refused("AccessDeniedException", kms.encrypt, KeyId=key, Plaintext=b"x")


def test_an_endpoint_leads_to_one_service_in_one_region(private):
    text = refused("AccessDenied", private.client("sts", endpoint=OPEN).get_caller_identity)
    assert text == f"The VPC endpoint {OPEN} leads to kms in us-east-1 only."
    assert private.client("sts", endpoint=STS).get_caller_identity()["Account"] == OWNER
    refused("AccessDeniedException", through(private, OPEN, region="eu-west-1").list_keys)


def test_what_an_endpoint_stopped_is_its_owners_to_know(private):
    kms = private.kms()
    key = kms.create_key()["KeyMetadata"]["Arn"]
    refused("AccessDeniedException", through(private, NARROW).disable_key, KeyId=key)
    through(private, NARROW).describe_key(KeyId=key)
    record = json.loads(keyward(private, "trail", "query", "--event", "DisableKey").splitlines()[0])
    # A1001: network activity, for the endpoint's owner, who is not the caller.
    assert (record["eventType"], record["errorCode"]) == ("AwsVpceEvent", "VpceAccessDenied")
    assert record["errorMessage"] == "The request was denied due to a VPC endpoint policy"
    assert record["recipientAccountId"] == OTHER and record["vpcEndpointId"] == NARROW
    record = json.loads(keyward(private, "trail", "query", "--event", "DescribeKey").splitlines()[0])
    assert record["vpcEndpointId"] == NARROW and record["eventType"] == "AwsApiCall"  # A1002
    told = keyward(private, "explain", "--as", f"arn:aws:iam::{OWNER}:root", "--endpoint", NARROW, "kms:DisableKey", key, code=1)
    assert f"VPC endpoint   silent    the policy of {NARROW} does not allow kms:DisableKey" in told


def test_a_service_does_not_pass_its_callers_endpoint(tmp_path):
    # A332, A514: forwarded credentials carry no endpoint, wherever they are used.
    seed = tmp_path / "estate.yaml"
    seed.write_text(ARTICLE.read_text() + f'\nvpc_endpoints:\n  {OPEN}: {{vpc: {VPC}, account: "{OWNER}", region: ap-south-1, policy: {{Version: "2012-10-17", Statement: [{{Effect: Deny, Principal: "*", Action: "*", Resource: "*"}}]}}}}\n')
    server = Server(tmp_path, "--seed", str(seed), "--listen-endpoint", f"{OPEN}=127.0.0.1:0").start()
    try:
        session = assume(server, "app-data-plane")
        status, answer = forward(server, session)
        assert status == 200
        kms = server.client("kms", region="ap-south-1", credentials=answer["Credentials"], endpoint=OPEN)
        kms.generate_data_key(KeyId=KEY, KeySpec="AES_256", EncryptionContext={"project": "shieldsync-prod"})
        refused("AccessDeniedException", server.client("kms", region="ap-south-1", credentials=session, endpoint=OPEN).describe_key, KeyId=KEY)
    finally:
        server.stop()


def test_endpoints_are_made_and_removed(private, tmp_path):
    document = tmp_path / "policy.json"
    document.write_text(json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "kms:ListKeys", "Resource": "*"}]}))
    made = keyward(private, "endpoint", "create", "--vpc", VPC, "--account", OWNER, "--region", "us-east-1", "--policy", str(document)).strip()
    listed = {entry["VpcEndpointId"]: entry for entry in json.loads(keyward(private, "endpoint", "list", "--json"))}
    assert set(listed) == {OPEN, NARROW, STS, made} and "kms:ListKeys" in listed[made]["PolicyDocument"]
    assert "no id of a VPC" in keyward(private, "endpoint", "create", "--vpc", "mine", "--account", OWNER, "--region", "us-east-1", code=2)
    document.write_text("{}")
    assert "no statement" in keyward(
        private, "endpoint", "create", "--vpc", VPC, "--account", OWNER, "--region", "us-east-1", "--policy", str(document), code=2
    )
    keyward(private, "endpoint", "delete", OPEN)
    # An endpoint that is gone is no public one.
    assert refused("AccessDeniedException", through(private, OPEN).list_keys) == f"The VPC endpoint {OPEN} does not exist."
    elsewhere = {"KEYWARD_DATA": str(tmp_path / "other"), "KEYWARD_ROOT_KEY": str(tmp_path / "other.key")}
    for address, told in (("127.0.0.1:0", f"no VPC endpoint {OPEN}"), ("0.0.0.0:0", "not a loopback address")):
        assert told in keyward(private, "serve", "--listen", "127.0.0.1:0", "--listen-endpoint", f"{OPEN}={address}", code=2, **elsewhere)


def test_who_can_through_an_endpoint(private):
    key = private.kms().create_key()["KeyMetadata"]["Arn"]
    through_narrow = ("who-can", "kms:Decrypt", key, "--endpoint", NARROW, "--format", "json")
    assert json.loads(keyward(private, "who-can", "kms:Decrypt", key, "--endpoint", OPEN, "--format", "json"))["principals"]
    assert json.loads(keyward(private, *through_narrow, code=1))["principals"] == []  # [A330]
    assert "keyward endpoint list" in keyward(private, "who-can", "kms:Decrypt", key, "--endpoint", "vpce-0123456789abcdef0", code=2)
