"""Whether an answer of KMS is one that AWS's own model describes. Every client of the tests asks this of every answer."""

import base64
import binascii
import json
import re

import botocore.session

MODEL = botocore.session.get_session().get_service_model("kms")

# What any operation may answer though the model does not list it for the operation.
COMMON = {
    "AccessDeniedException",
    "ExpiredTokenException",
    "IncompleteSignatureException",
    "InvalidSignatureException",
    "MissingAuthenticationTokenException",
    "SerializationException",
    "ThrottlingException",
    "UnrecognizedClientException",
    "ValidationException",
    "NotAuthorizedException",  # K49
    "InvalidArnException",  # K44
    "InvalidMarkerException",  # K222: ListKeyPolicies has markers, and the model no error for them
    "KMSInternalException",  # K17
}
# What one operation may answer besides: a proxy that denies access while a key is made (K146).
BESIDES = {"CreateKey": {"KMSInvalidStateException"}}
# An operation, or a member of one, that this release does not have.
NOT_SERVED = re.compile(r".* is not supported by this release of Keyward")
# K15
WITHOUT_TEXT = {"InvalidCiphertextException", "KMSInvalidSignatureException", "KMSInvalidMacException", "NotAuthorizedException"}
# K17
STATUS = {"KMSInternalException": 500, "KeyUnavailableException": 500, "DependencyTimeoutException": 500}


def faults(operation, status, headers, body):
    """What is wrong with an answer of an operation; nothing, mostly."""
    if not re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", headers.get("x-amzn-requestid", "")):
        yield f"x-amzn-RequestId is {headers.get('x-amzn-requestid')}"  # K11
    if headers.get("content-type") != "application/x-amz-json-1.1":
        yield f"Content-Type is {headers.get('content-type')}"  # K10
    if not body:
        # K10: of an output without members.
        if status != 200 or (operation.output_shape is not None and operation.output_shape.members):
            yield f"{status} without a body"
        return
    answer = json.loads(body)
    if status == 200:
        if operation.output_shape is None:
            yield "a body where the model has none"
        else:
            yield from misshapen(operation.output_shape, answer, operation.name)
        return
    code = answer.get("__type")
    text = {"AccessDeniedException": "Message"}.get(code, "message")  # K14, K16
    if set(answer) - {"__type", text}:
        yield f"members of an error are {sorted(answer)}"
    if answer.get(text) == "" or (code in WITHOUT_TEXT and text in answer):
        yield f"{code} has the text {answer.get(text)!r}"
    if status != STATUS.get(code, 400):
        yield f"{code} has the status {status}"
    modelled = {shape.name for shape in operation.error_shapes}
    if code not in modelled | COMMON | BESIDES.get(operation.name, set()) and not NOT_SERVED.fullmatch(answer.get(text) or ""):
        yield f"{code} is no error of {operation.name}"


def misshapen(shape, value, path):
    """Where a value is not of its shape."""
    kind = shape.type_name
    if kind == "structure":
        if not isinstance(value, dict):
            yield f"{path} is {value!r}"
            return
        for name in shape.required_members:
            if name not in value:
                yield f"{path}.{name} is missing"
        for name, inner in value.items():
            if name in shape.members:
                yield from misshapen(shape.members[name], inner, f"{path}.{name}")
            else:
                yield f"{path}.{name} is unknown"
    elif kind == "list":
        if isinstance(value, list):
            for at, inner in enumerate(value):
                yield from misshapen(shape.member, inner, f"{path}[{at}]")
        else:
            yield f"{path} is {value!r}"
    elif not fits(shape, value, path):
        yield f"{path} is {value!r}"


def fits(shape, value, path):
    kind, bounds = shape.type_name, shape.metadata
    if kind == "string":
        if not isinstance(value, str):
            return False
        # K72: the old member has the new values, too.
        enum = [] if path.endswith(".CustomerMasterKeySpec") else shape.enum
        # A grant without name has an empty one (K197); policies come back as they were given.
        free = path.endswith((".Name", ".Policy", ".ReplicaPolicy"))
        long_enough = free or bounds.get("min", 0) <= len(value) <= bounds.get("max", len(value))
        return long_enough and (not enum or value in enum)
    if kind == "blob":
        try:
            return isinstance(value, str) and len(base64.b64decode(value, validate=True)) >= 0  # K4
        except binascii.Error:
            return False
    if kind == "timestamp":
        # K5: plain decimals of seconds, with at most three digits of fraction.
        return isinstance(value, (int, float)) and not isinstance(value, bool) and round(value, 3) == value
    if kind == "map":
        return isinstance(value, dict) and all(isinstance(text, str) for pair in value.items() for text in pair)
    return isinstance(value, {"boolean": bool, "integer": int}[kind]) and (kind == "boolean" or not isinstance(value, bool))


def watch(client, seen=None):
    """Asks of every answer that a client of KMS gets whether it is one; notes operation and code."""

    def check(response_dict, **_):
        if response_dict is None:
            return
        name = response_dict["context"]["operation_name"]
        status, body = response_dict["status_code"], response_dict["body"]
        headers = {header.lower(): value for header, value in response_dict["headers"].items()}
        wrong = list(faults(MODEL.operation_model(name), status, headers, body))
        assert not wrong, f"{name}: {'; '.join(wrong)}\n{status} {body[:2000]}"
        if seen is not None:
            seen.append((name, "ok" if status == 200 else json.loads(body)["__type"]))

    client.meta.events.register("response-received.kms", check)
    return client
