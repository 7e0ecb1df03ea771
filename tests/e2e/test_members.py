"""Every member that AWS's own model of a served operation has is read or refused, and none is silently ignored.

A member that is read refuses a value of another type; one that this release does not support says so by name. Whatever else happens
means that nobody looked at it. For KMS the types are asked first, by a table of its model; that operations read what passes is a test
of the table (`crates/wire/src/model/reads.rs`).
"""

import urllib.parse

import botocore.session
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.httpsession import URLLib3Session

from conftest import signed_json
from test_kms import OWNER

NOT_SUPPORTED = "{} is not supported by this release of Keyward"


def proper(shape):
    """Some value of the shape's type."""
    if shape.type_name == "structure":
        return {name: proper(shape.members[name]) for name in shape.required_members}
    text = shape.enum[0] if getattr(shape, "enum", None) else "a" * max(1, shape.metadata.get("min", 1) or 1)
    simple = {"string": text, "blob": "YWFh", "boolean": True, "integer": shape.metadata.get("min", 1) or 1, "map": {}}
    return [proper(shape.member)] if shape.type_name == "list" else simple.get(shape.type_name, text)


def wrong(shape):
    """A value of no type that the shape could have."""
    return "text" if shape.type_name in ("structure", "list", "map", "boolean", "integer", "long") else {"of": "another type"}


def misfits(shape):
    """Each member's path, and a proper value of the structure in which that member alone is wrong."""
    for name, member in shape.members.items():
        yield name, {**proper(shape), name: wrong(member)}
        element = member.member if member.type_name == "list" else member
        if element.type_name == "structure":
            for path, inner in misfits(element):
                yield f"{name}.{path}", {**proper(shape), name: [inner] if member.type_name == "list" else inner}


def served(service):
    model = botocore.session.get_session().get_service_model(service)
    return [model.operation_model(name) for name in model.operation_names]


def test_every_member_of_kms_has_its_type(server):
    seen, taken = 0, []
    for operation in served("kms"):
        for path, body in misfits(operation.input_shape):
            status, answer = signed_json(server, server.credentials[OWNER], "kms", f"TrentService.{operation.name}", body)
            seen += 1
            if (status, answer) != (400, {"__type": "SerializationException"}):
                taken.append((operation.name, path, status, answer))
    assert seen > 200 and not taken, "\n".join(map(str, taken))  # K6, K13, K25


def flat(value, prefix=""):
    """A value as the query protocol writes it."""
    if isinstance(value, dict):
        return [pair for name, inner in value.items() for pair in flat(inner, f"{prefix}.{name}" if prefix else name)]
    if isinstance(value, list):
        return [pair for at, inner in enumerate(value) for pair in flat(inner, f"{prefix}.member.{at + 1}")]
    return [(prefix, {True: "true", False: "false"}.get(value, str(value)) if isinstance(value, bool) else str(value))]


@pytest.mark.parametrize("service", ["iam", "sts"])
def test_every_member_of_iam_and_sts_is_read_or_refused(server, service):
    seen, ignored = 0, []
    for operation in served(service):
        if operation.input_shape is None:
            continue
        version = operation.service_model.api_version
        for path, body in misfits(operation.input_shape):
            form = urllib.parse.urlencode([("Action", operation.name), ("Version", version), *flat(body)])
            headers = {"Content-Type": "application/x-www-form-urlencoded"}
            request = AWSRequest("POST", server.endpoint + "/", headers=headers, data=form)
            SigV4Auth(Credentials(*server.credentials[OWNER]), service, "us-east-1").add_auth(request)
            answer = URLLib3Session().send(request.prepare()).content.decode()
            if "<Code>InvalidAction</Code>" in answer:
                break
            seen += 1
            read = "invalid type" in answer or "is needed where" in answer or "is not a value of" in answer
            refused = NOT_SUPPORTED.format(path.split(".")[0]) in answer
            if "<Code>ValidationError</Code>" not in answer or not (read or refused):
                ignored.append((operation.name, path, answer))
    assert seen > 10 and not ignored, "\n".join(map(str, ignored))
