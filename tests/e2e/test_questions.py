"""Questions about access, held against what the server then does."""

import json
import pathlib
import subprocess
import os

import pytest
from botocore.exceptions import ClientError
from conftest import ACCOUNTS
from test_kms import refused
from test_operate import ARTICLE, VIA_S3, article, assume, forward, keyward  # noqa: F401 (a fixture)

CASES = pathlib.Path(__file__).parents[2] / "cases"
DATA, PARTNER = ACCOUNTS


def test_who_can_names_ways_and_what_they_hang_on(article):  # noqa: F811
    text = keyward(article, "who-can", "kms:Decrypt", "alias/shieldsync-prod")
    assert 'by key policy statement 2 "KeyUsersViaS3Only"' in text
    assert f"if kms:ViaService StringEquals {VIA_S3} and kms:EncryptionContext:project StringEquals shieldsync-prod" in text
    found = json.loads(keyward(article, "who-can", "Decrypt", "alias/shieldsync-prod", "--via", VIA_S3,
                               "--context", "project=shieldsync-prod", "--format", "json"))
    assert [(entry["principal"], entry["may"]) for entry in found["principals"]] == [(f"arn:aws:iam::{DATA}:role/app-data-plane", "always")]
    keyward(article, "who-can", "kms:Decrypt", "alias/shieldsync-prod", "--direct", code=1)


def test_who_can_finds_the_path_that_no_policy_shows(article):  # noqa: F811
    admins = article.kms(region="ap-south-1", credentials=assume(article, "kms-key-admins"))
    key = "e3a90f16-52c8-4d7b-8f05-7c6b1d2e4a90"
    grant = admins.create_grant(KeyId=key, GranteePrincipal=f"arn:aws:iam::{DATA}:role/kms-key-admins", Operations=["Decrypt"],
                                Constraints={"EncryptionContextSubset": {"project": "x"}})["GrantId"]
    found = json.loads(keyward(article, "who-can", "kms:Decrypt", key, "--format", "json"))
    ways = {entry["principal"].split("/")[-1]: entry["ways"] for entry in found["principals"]}
    assert ways["kms-key-admins"] == [{"by": "grant", "through": [f"grant {grant[:8]}…"], "provisos": [{"if": [{
        "name": f"grant {grant[:8]}…",
        "conditions": [{"key": "encryption context", "operator": "EncryptionContextSubset", "wanted": ["project=x"], "found": None, "holds": None}],
    }]}]}]
    admins.revoke_grant(KeyId=key, GrantId=grant)
    found = json.loads(keyward(article, "who-can", "kms:Decrypt", key, "--format", "json"))
    assert [entry["principal"].split("/")[-1] for entry in found["principals"]] == ["app-data-plane"]


def test_who_can_agrees_with_the_server(article):  # noqa: F811
    """DescribeKey by everybody: listed as always, it works; not listed, it does not."""
    for alias in ("alias/default", "alias/shieldsync-prod"):
        answer = subprocess.run([os.path.abspath(os.environ["KEYWARD_BIN"]), "who-can", "kms:DescribeKey", alias, "--direct", "--format", "json",
                                 "--data", str(article.data)], capture_output=True, text=True, check=True)
        can = {entry["principal"] for entry in json.loads(answer.stdout)["principals"] if entry["may"] == "always"}
        for role in ("ops", "kms-key-admins", "app-data-plane"):
            kms = article.kms(region="ap-south-1", credentials=assume(article, role))
            if f"arn:aws:iam::{DATA}:role/{role}" in can:
                assert kms.describe_key(KeyId=alias)["KeyMetadata"]["KeyId"]
            else:
                refused("AccessDeniedException", kms.describe_key, KeyId=alias)


def test_everything_that_everybody_may_do_is_drawn(article):  # noqa: F811
    text = keyward(article, "who-can", "all", "alias/shieldsync-prod", "--direct")
    assert "  ✔  PutKeyPolicy" in text and "  ·  Decrypt" in text
    assert "error" in keyward(article, "who-can", "all", "alias/nobody", code=2)


def decide(text, *files):
    command = [os.path.abspath(os.environ["KEYWARD_BIN"]), "decide", *files]
    done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=60)
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()]


def test_decide_reads_files_and_streams():
    files = sorted(str(path) for path in CASES.glob("*.json"))
    code, answers = decide("", *files)
    cases = [case for path in files for case in json.loads(pathlib.Path(path).read_text())["cases"]]
    assert code == 0 and [answer["id"] for answer in answers] == [case["id"] for case in cases]
    for case, answer in zip(cases, answers, strict=True):
        assert answer["decision"] == case.get("expect_error", case["expect"]), case["id"]
    stream = "\n".join(json.dumps(case) for case in cases[:3])
    assert decide(stream + '\n{"id": "odd", "colour": "red"}') == (1, answers[:3] + [
        {"id": "odd", "error": decide('{"id": "odd", "colour": "red"}')[1][0]["error"]}])
    assert decide("no case")[0] == 2


def test_can_says_yes_or_no(article):  # noqa: F811
    role = f"arn:aws:iam::{DATA}:role/app-data-plane"
    asked = ("can", role, "kms:Decrypt", "alias/shieldsync-prod", "--context", "project=shieldsync-prod")
    assert keyward(article, *asked, "--via", VIA_S3).startswith("yes: The key policy names the caller")
    assert keyward(article, *asked, code=1).startswith("no: ")
    assert keyward(article, *asked, "--quiet", code=1) == ""
    assert "error" in keyward(article, "can", role, "kms:Decrypt", "alias/nobody", code=2)


def test_a_token_gives_nothing_to_a_stranger_and_the_reasons_say_so(article):  # noqa: F811
    admins = article.kms(region="ap-south-1", credentials=assume(article, "kms-key-admins"))
    key = "e3a90f16-52c8-4d7b-8f05-7c6b1d2e4a90"
    token = admins.create_grant(KeyId=key, GranteePrincipal=f"arn:aws:iam::{DATA}:role/kms-key-admins", Operations=["Encrypt"])["GrantToken"]
    ops = article.kms(region="ap-south-1", credentials=assume(article, "ops"))
    with pytest.raises(ClientError) as caught:
        ops.encrypt(KeyId=key, Plaintext=b"x", GrantTokens=[token])  # [A619]
    request_id = caught.value.response["ResponseMetadata"]["RequestId"]
    told = keyward(article, "explain", "--request-id", request_id, "--format", "json", code=1)
    assert json.loads(told)["situation"] == "token-of-another"
