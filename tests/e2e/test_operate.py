"""What an operator and a service do: administration, seed files, service doors, explanations, the trail."""

import hashlib
import json
import os
import pathlib
import socket
import stat
import subprocess

import pytest

from conftest import Server, signed_json
from test_kms import OTHER, OWNER, refused

ARTICLE = pathlib.Path(__file__).parents[2] / "examples" / "article.yaml"
KEY = f"arn:aws:kms:ap-south-1:{OWNER}:key/e3a90f16-52c8-4d7b-8f05-7c6b1d2e4a90"
STORY = {"AccessKeyId": "AKIADATASTORYEXAMPLE", "SecretAccessKey": "data-story/EXAMPLE/not-a-secret-at-all-0"}
PARTNER = {"AccessKeyId": "AKIAPARTNERUSEREXAMP", "SecretAccessKey": "partner-user/EXAMPLE/not-a-secret-at-all"}
S3_DOOR = ("AKIADOORSSSEXAMPLE00", "door-s3/EXAMPLE/not-a-secret-at-all-0000")
VIA_S3 = "s3.ap-south-1.amazonaws.com"


@pytest.fixture
def article(tmp_path):
    server = Server(tmp_path, "--seed", str(ARTICLE)).start()
    yield server
    if server.process.poll() is None:
        server.stop()


def keyward(server, *arguments, code=0, **environment):
    command = [os.path.abspath(os.environ["KEYWARD_BIN"]), *arguments]
    own = {"KEYWARD_DATA": str(server.data), "KEYWARD_ROOT_KEY": str(server.root_key), "AWS_ENDPOINT_URL": server.endpoint}
    done = subprocess.run(command, env={**os.environ, **own, **environment}, capture_output=True, text=True, timeout=60)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout if code != 2 else done.stderr


def assume(server, role, credentials=STORY, account=OWNER):
    sts = server.client("sts", region="ap-south-1", credentials=credentials)
    return sts.assume_role(RoleArn=f"arn:aws:iam::{account}:role/{role}", RoleSessionName="web-1")["Credentials"]


def forward(server, session, service="s3", region="ap-south-1", door=S3_DOOR, **more):
    """What a service does with a request that it got: shows it at its door."""
    from botocore.auth import S3SigV4Auth, SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    request = AWSRequest("PUT", f"http://{service}.{region}.amazonaws.com/prod-data/orders%20of%20may.parquet", data=b"bytes")
    request.headers["X-Amz-Content-SHA256"] = hashlib.sha256(b"bytes").hexdigest()
    caller = Credentials(session["AccessKeyId"], session["SecretAccessKey"], session.get("SessionToken"))
    # S3 alone signs the path as it is sent.
    (S3SigV4Auth if service == "s3" else SigV4Auth)(caller, service, region).add_auth(request)
    headers = {**dict(request.headers), "Host": f"{service}.{region}.amazonaws.com"}
    proof = {"Method": "PUT", "Path": "/prod-data/orders%20of%20may.parquet", "Headers": headers}
    return signed_json(server, door, "keyward", "Keyward.ForwardAccess", {"Request": proof, **more}, region="ap-south-1")


def test_administration_with_and_without_a_running_server(server):
    socket_file = server.data / "admin.sock"
    assert stat.S_IMODE(socket_file.stat().st_mode) == 0o600
    listed = json.loads(keyward(server, "account", "list", "--json"))
    assert [account["AccountId"] for account in listed] == [OWNER, OTHER]
    made = json.loads(keyward(server, "account", "create", "--id", "999988887777", "--name", "third", "--format", "json"))
    assert set(made[0]) == {"AccountId", "Arn", "AccessKeyId", "SecretAccessKey"} and made[0]["Arn"] == "arn:aws:iam::999988887777:root"
    assert server.client("sts", credentials=made[0]).get_caller_identity()["Account"] == "999988887777"
    assert "exists already" in keyward(server, "account", "create", "--id", "999988887777", code=2)
    status = json.loads(keyward(server, "status", "--json"))
    assert status["Endpoint"] == server.endpoint and status["ProcessId"] == server.process.pid and status["Accounts"] == 3
    profile = server.data.parent / "credentials"
    profile.write_text("[default]\naws_access_key_id = mine\n")
    for _ in range(2):
        keyward(server, "credentials", "--format", "profile", AWS_SHARED_CREDENTIALS_FILE=str(profile))
    text = profile.read_text()
    assert text.count("[keyward-999988887777]") == 1 and "[default]\naws_access_key_id = mine\n" in text
    aws = [os.path.join(os.path.dirname(os.path.abspath(os.environ.get("AWS", ".venv/bin/aws"))), "aws")]
    environment = {"AWS_SHARED_CREDENTIALS_FILE": str(profile), "PATH": os.environ["PATH"], "HOME": str(server.data.parent)}
    done = subprocess.run([*aws, "--profile", "keyward-999988887777", "sts", "get-caller-identity"], env=environment, capture_output=True, text=True)
    assert json.loads(done.stdout)["Account"] == "999988887777", done.stderr
    with socket.socket(socket.AF_UNIX) as raw:
        raw.connect(str(socket_file))
        raw.sendall(b"nonsense\n")
        assert "does not read" in raw.makefile().readline()
    server.stop()
    # Nobody runs: the same commands open the data directory.
    assert json.loads(keyward(server, "status", "--json"))["Endpoint"] is None
    assert len(json.loads(keyward(server, "credentials", "--format", "json"))) == 3
    assert json.loads(keyward(server, "credentials", "--account", OTHER, "--format", "json"))[0]["AccountId"] == OTHER
    assert "no account" in keyward(server, "credentials", "--account", "000000000001", code=2)


def test_a_seed_is_taken_once_and_a_wrong_one_not_at_all(article, tmp_path):
    identity = article.client("sts", credentials=STORY).get_caller_identity()
    assert identity["Arn"] == f"arn:aws:iam::{OWNER}:user/story"
    revision = json.loads(keyward(article, "status", "--json"))["Revision"]
    article.stop()
    article.start()
    assert json.loads(keyward(article, "status", "--json"))["Revision"] == revision
    article.stop()
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(ARTICLE.read_text().replace("role/app-data-plane", "role/app-data-plain", 1))
    command = [os.path.abspath(os.environ["KEYWARD_BIN"]), "serve", "--listen", "127.0.0.1:0", "--data", str(article.data)]
    done = subprocess.run([*command, "--root-key", str(article.root_key), "--seed", str(wrong)], capture_output=True, text=True, timeout=30)
    assert done.returncode == 2 and "nothing was changed" in done.stderr and "wrong.yaml:" in done.stderr, done.stderr
    assert json.loads(keyward(article, "status", "--json"))["Revision"] == revision


def test_a_service_calls_for_its_callers_and_for_nobody_else(article):
    app = assume(article, "app-data-plane")
    context = {"project": "shieldsync-prod", "aws:s3:arn": "arn:aws:s3:::prod-data/orders.parquet"}
    direct = article.kms(region="ap-south-1", credentials=app)
    refused("AccessDeniedException", direct.generate_data_key, KeyId=KEY, KeySpec="AES_256", EncryptionContext=context)  # E05
    status, answer = forward(article, app)
    assert status == 200, answer
    via = article.kms(region="ap-south-1", credentials=answer["Credentials"])
    data_key = via.generate_data_key(KeyId=KEY, KeySpec="AES_256", EncryptionContext=context)  # E01
    refused("AccessDeniedException", via.generate_data_key, KeyId=KEY, KeySpec="AES_256", EncryptionContext={"project": "ShieldSync-Prod"})  # E03
    assert via.decrypt(CiphertextBlob=data_key["CiphertextBlob"], EncryptionContext=context)["Plaintext"] == data_key["Plaintext"]
    refused("AccessDeniedException", direct.decrypt, CiphertextBlob=data_key["CiphertextBlob"], EncryptionContext=context)
    # A forwarded session calls KMS and nothing else, and is not forwarded again.
    refused("AccessDenied", article.client("iam", credentials=answer["Credentials"]).list_users)
    status, error = forward(article, answer["Credentials"])
    assert status == 400 and "not forwarded again" in error["message"]
    # The proof is for this service and Region, signed by the caller, and fresh.
    status, error = forward(article, app, service="ec2")
    assert status == 400 and "forwards only its own callers" in error["message"]
    status, error = forward(article, app, region="us-east-1")
    assert status == 400 and "forwards only its own callers" in error["message"]
    status, error = forward(article, {**app, "SecretAccessKey": "x" * 40})
    assert status == 400 and "not authenticated" in error["message"]
    # Nobody but a door exchanges; a door's key calls nothing else.
    status, error = forward(article, app, door=(STORY["AccessKeyId"], STORY["SecretAccessKey"]))
    assert error["__type"] == "AccessDeniedException"
    door = {"AccessKeyId": S3_DOOR[0], "SecretAccessKey": S3_DOOR[1]}
    refused("AccessDeniedException", article.kms(region="ap-south-1", credentials=door).list_keys)
    # T18: no header or parameter can claim it.
    record = json.loads(keyward(article, "trail", "query", "--event", "GenerateDataKey", "--account", OWNER).splitlines()[1])
    assert record["userIdentity"]["invokedBy"] == "s3.amazonaws.com" and record["sourceIPAddress"] == "s3.amazonaws.com"  # A1004
    # With the door its sessions end.
    keyward(article, "door", "delete", "s3.ap-south-1")
    refused("UnrecognizedClientException", via.decrypt, CiphertextBlob=data_key["CiphertextBlob"], EncryptionContext=context)


def test_a_service_acts_for_itself(article):
    status, answer = signed_json(article, S3_DOOR, "keyward", "Keyward.ActAsService", {"SourceArn": f"arn:aws:s3:::{OWNER}-logs"}, region="ap-south-1")
    assert status == 200
    service = article.kms(region="ap-south-1", credentials=answer["Credentials"])
    admins = article.kms(region="ap-south-1", credentials=assume(article, "kms-key-admins"))
    refused("AccessDeniedException", service.generate_data_key, KeyId=KEY, KeySpec="AES_256")
    document = json.loads(admins.get_key_policy(KeyId=KEY)["Policy"])
    document["Statement"].append(
        {
            "Effect": "Allow",
            "Principal": {"Service": "s3.amazonaws.com"},
            "Action": "kms:GenerateDataKey",
            "Resource": "*",
            "Condition": {"ArnLike": {"aws:SourceArn": "arn:aws:s3:::*-logs"}},
        }
    )
    admins.put_key_policy(KeyId=KEY, Policy=json.dumps(document))
    assert service.generate_data_key(KeyId=KEY, KeySpec="AES_256")  # A208, A530
    _, other = signed_json(article, S3_DOOR, "keyward", "Keyward.ActAsService", {"SourceArn": "arn:aws:s3:::other"}, region="ap-south-1")
    refused("AccessDeniedException", article.kms(region="ap-south-1", credentials=other["Credentials"]).generate_data_key, KeyId=KEY, KeySpec="AES_256")


def test_the_command_line_goes_through_a_door(article):
    app = assume(article, "app-data-plane")
    names = {"AccessKeyId": "AWS_ACCESS_KEY_ID", "SecretAccessKey": "AWS_SECRET_ACCESS_KEY", "SessionToken": "AWS_SESSION_TOKEN"}
    environment = {variable: app[name] for name, variable in names.items()}
    environment |= {"KEYWARD_DOOR_ACCESS_KEY_ID": S3_DOOR[0], "KEYWARD_DOOR_SECRET_ACCESS_KEY": S3_DOOR[1]}
    forwarded = json.loads(keyward(article, "door", "forward", "s3.ap-south-1", "--format", "process", **environment))
    kms = article.kms(region="ap-south-1", credentials=forwarded)
    assert kms.encrypt(KeyId="alias/shieldsync-prod", Plaintext=b"x", EncryptionContext={"project": "shieldsync-prod"})
    exports = keyward(article, "door", "act", "s3.ap-south-1", **environment)
    assert exports.startswith("export AWS_ACCESS_KEY_ID=ASIA")
    made = keyward(article, "door", "create", "rds", "--region", "us-east-1")
    assert "rds.us-east-1.amazonaws.com" in made and "rds.us-east-1" in keyward(article, "door", "list")


def test_questions_are_answered_as_calls_are(article):
    role = f"arn:aws:iam::{OWNER}:role/app-data-plane"
    question = ["--as", role, "kms:Decrypt", "alias/shieldsync-prod"]
    text = keyward(article, "explain", *question, "--context", "project=shieldsync-prod", code=1)
    assert text.startswith("DENY  kms:Decrypt") and "kms:ViaService is absent" in text
    answer = keyward(article, "explain", *question, "--context", "project=shieldsync-prod", "--via", VIA_S3)
    assert answer.startswith("ALLOW") and 'statement 2 "KeyUsersViaS3Only"' in answer
    parsed = json.loads(keyward(article, "explain", *question, "--format", "json", code=1))
    assert parsed["decision"] == "DENY" and parsed["message"].startswith(f"User: arn:aws:sts::{OWNER}:assumed-role/app-data-plane/")
    # The wire refuses with the sentence that the question was answered with.
    kms = article.kms(region="ap-south-1", credentials=assume(article, "app-data-plane"))
    sentence = refused("AccessDeniedException", kms.encrypt, KeyId=KEY, Plaintext=b"x")
    asked = ["--as", f"arn:aws:sts::{OWNER}:assumed-role/app-data-plane/web-1", "kms:Encrypt", KEY, "--format", "json"]
    assert json.loads(keyward(article, "explain", *asked, code=1))["message"] == sentence
    past = json.loads(keyward(article, "trail", "query", "--event", "Encrypt", "--failed", "-n", "1"))["requestID"]
    assert keyward(article, "explain", "--request-id", past, code=1).startswith("DENY  kms:Encrypt")
    for wrong, told in [
        (["--as", f"arn:aws:iam::{OWNER}:role/nobody", "kms:Decrypt", KEY], "there is no role `nobody`"),
        (["--as", role, "kms:Decrpyt", KEY], "no permission `Decrpyt`"),
        (["--as", role, "kms:Decrypt", "alias/none"], "no such key or alias"),
        (["--as", role], "--as PRINCIPAL ACTION KEY"),
    ]:
        assert told in keyward(article, "explain", *wrong, code=2)
    # Without a running server too.
    article.stop()
    assert keyward(article, "explain", *question, "--context", "project=shieldsync-prod", "--via", VIA_S3).startswith("ALLOW")
    assert keyward(article, "explain", "--request-id", past, code=1).startswith("DENY  kms:Encrypt")


def test_the_trail_is_found_by_what_happened(article):
    admins = article.kms(region="ap-south-1", credentials=assume(article, "kms-key-admins"))
    admins.describe_key(KeyId=KEY)
    refused("AccessDeniedException", admins.encrypt, KeyId=KEY, Plaintext=b"never in the trail", EncryptionContext={"project": "p"})
    records = [json.loads(line) for line in keyward(article, "trail", "query", "--principal", "kms-key-admins", "--since", "5m").splitlines()]
    assert [record["eventName"] for record in records] == ["DescribeKey", "Encrypt"]
    assert records[1]["errorCode"] == "AccessDenied" and records[1]["requestParameters"]["encryptionContext"] == {"project": "p"}  # A1006
    assert "never in the trail" not in json.dumps(records) and "bmV2ZXI" not in json.dumps(records)
    assert [json.loads(line)["eventName"] for line in keyward(article, "trail", "query", "--error", "AccessDenied").splitlines()] == ["Encrypt"]
    assert keyward(article, "trail", "query", "--until", "1h") == ""
    table = keyward(article, "trail", "query", "--key", "e3a90f16", "--format", "table")
    assert "assumed-role/kms-key-admins/web-1" in table and "DescribeKey" in table
    roles = [json.loads(line) for line in keyward(article, "trail", "query", "--event", "AssumeRole").splitlines()]
    elements = json.dumps(roles[0]["responseElements"])
    assert "ASIA" in elements and "secret" not in elements.lower() and "token" not in elements.lower()


def test_a_partner_needs_both_halves(article):
    reader = assume(article, "cross-account-reader", PARTNER, OTHER)
    kms = article.kms(region="ap-south-1", credentials=reader)
    owner = article.kms(region="ap-south-1", credentials=assume(article, "ops"))
    key = owner.describe_key(KeyId="alias/default")["KeyMetadata"]["Arn"]
    blob = owner.encrypt(KeyId=key, Plaintext=b"shared")["CiphertextBlob"]
    refused("AccessDeniedException", kms.decrypt, CiphertextBlob=blob)
    document = json.loads(owner.get_key_policy(KeyId=key)["Policy"])
    statement = {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{OTHER}:root"}, "Action": "kms:Decrypt", "Resource": "*"}
    document["Statement"].append(statement)
    owner.put_key_policy(KeyId=key, Policy=json.dumps(document))
    refused("AccessDeniedException", kms.decrypt, CiphertextBlob=blob)  # one half
    allow = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "kms:Decrypt", "Resource": key}]}
    article.client("iam", OTHER, credentials=PARTNER).put_role_policy(
        RoleName="cross-account-reader", PolicyName="read", PolicyDocument=json.dumps(allow)
    )
    assert kms.decrypt(CiphertextBlob=blob)["Plaintext"] == b"shared"  # A310
