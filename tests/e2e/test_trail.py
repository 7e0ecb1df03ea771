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
    assert " 400 " in raw(server, {"x-amz-target": "Foo"})
    assert " 404 " in raw(server, target, path="/x")
    assert " 400 " in raw(server, target, body=b"{")
    assert " 400 " in raw(server, target)
    records = [json.loads(line) for line in keyward(server, "trail", "query", "-n", "100000").splitlines()[before:]]
    assert len(records) == 8
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


def test_a1005_a_refused_write_is_a_write(server):
    kms, iam = server.kms(), server.client("iam")
    key = kms.create_key()["KeyMetadata"]["KeyId"]
    for call, parameters, read_only in [
        (kms.schedule_key_deletion, {"KeyId": key, "PendingWindowInDays": 366}, False),
        (kms.create_key, {"KeySpec": "X"}, False),
        (kms.enable_key_rotation, {"KeyId": key}, False),
        (kms.describe_key, {"KeyId": "x" * 3000}, True),
        (kms.sign, {"KeyId": key, "Message": b"x", "SigningAlgorithm": "ECDSA_SHA_256"}, True),
        (iam.create_login_profile, {"UserName": "x", "Password": "never-in-the-trail"}, False),
        (iam.list_mfa_devices, {}, True),
    ]:
        record, answer = record_of(server, call, **parameters)
        assert "errorCode" in record and record["readOnly"] is read_only, record
        assert "never-in-the-trail" not in json.dumps(record)
