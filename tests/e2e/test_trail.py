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
