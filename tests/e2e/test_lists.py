"""Lists: pages, markers and limits (K220–K224), through the paginators of AWS's own client."""

import signal
import uuid

import botocore
import botocore.session
import pytest

from test_kms import OTHER, OWNER, refused

# The most that a page of each list holds (K220).
MOST = {
    "ListKeys": 1000,
    "ListAliases": 100,
    "ListGrants": 100,
    "ListRetirableGrants": 100,
    "ListKeyPolicies": 1000,
    "ListKeyRotations": 1000,
    "ListResourceTags": 50,
    "DescribeCustomKeyStores": 1000,
}


# Lists that releases get one by one.
NEWER = {"ListKeyRotations": {"KeyId": str(uuid.uuid4())}, "DescribeCustomKeyStores": {}}


def served(kms, operation):
    """Whether this release serves a list at all."""
    if operation not in NEWER:
        return True
    try:
        getattr(kms, botocore.xform_name(operation))(**NEWER[operation])
    except kms.exceptions.ClientError as error:
        return error.response["Error"]["Code"] != "UnsupportedOperationException"
    return True


@pytest.fixture
def lists(server):
    """Each list with what it needs, and what must stand in it."""
    kms = server.kms()
    keys = [kms.create_key(Description=str(at))["KeyMetadata"]["KeyId"] for at in range(5)]
    root = f"arn:aws:iam::{OWNER}:root"
    for at in reversed(range(7)):
        kms.create_alias(AliasName=f"alias/number-{at}", TargetKeyId=keys[at % 2])
    terms = {"GranteePrincipal": root, "RetiringPrincipal": root, "Operations": ["Decrypt"]}
    grants = [kms.create_grant(KeyId=keys[0], Name=str(at), **terms)["GrantId"] for at in range(5)]
    tags = [f"tag-{9 - at}" for at in range(5)]
    kms.tag_resource(KeyId=keys[0], Tags=[{"TagKey": name, "TagValue": ""} for name in tags])
    aliases = [f"alias/number-{at}" for at in range(7)]
    return {
        "ListKeys": ({}, "Keys", "KeyId", keys),  # K223: by creation
        "ListAliases": ({}, "Aliases", "AliasName", aliases),  # by name
        "ListGrants": ({"KeyId": keys[0]}, "Grants", "GrantId", grants),  # by creation
        "ListRetirableGrants": ({"RetiringPrincipal": root}, "Grants", "GrantId", grants),
        "ListKeyPolicies": ({"KeyId": keys[0]}, "PolicyNames", None, ["default"]),
        "ListResourceTags": ({"KeyId": keys[0]}, "Tags", "TagKey", tags),  # K131: as inserted
        "ListKeyRotations": ({"KeyId": keys[0]}, "Rotations", None, []),
        "DescribeCustomKeyStores": ({}, "CustomKeyStores", None, []),
    }


def test_paginators_find_everything_once_and_in_order(server, lists):
    kms = server.kms()
    names = botocore.session.get_session().get_paginator_model("kms")._paginator_config
    assert set(names) == set(MOST) == set(lists)
    for operation, (needs, member, name, expected) in lists.items():
        if not served(kms, operation):
            continue
        paginator = kms.get_paginator(botocore.xform_name(operation))
        for size in (1, 2, 5, MOST[operation], 1000):  # K221: more than the most is taken and means the most
            pages = list(paginator.paginate(**needs, PaginationConfig={"PageSize": size}))
            found = [entry[name] if name else entry for page in pages for entry in page[member]]
            assert found == expected, (operation, size)
            assert all(len(page[member]) <= size for page in pages), operation
            for page in pages[:-1]:
                assert page["Truncated"] is True and page["NextMarker"], operation  # K222
            assert pages[-1]["Truncated"] is False and "NextMarker" not in pages[-1], operation


def test_limits_are_those_of_the_model(server, lists):
    kms = server.kms()
    for operation, (needs, *_) in lists.items():
        if not served(kms, operation):
            continue
        method = getattr(kms, botocore.xform_name(operation))
        method(**needs, Limit=1000)
        message = refused("ValidationException", method, **needs, Limit=1001)
        constraint = "Member must have value less than or equal to 1000"
        assert message == f"1 validation error detected: Value '1001' at 'limit' failed to satisfy constraint: {constraint}"  # K221


def test_markers_are_for_their_own_list_account_and_region(server, lists):
    kms = server.kms()
    markers = {}
    for operation, (needs, *_) in lists.items():
        if served(kms, operation):
            page = getattr(kms, botocore.xform_name(operation))(**needs, Limit=1)
            markers[operation] = page.get("NextMarker")
    for operation, (needs, *_) in lists.items():
        if not served(kms, operation):
            continue
        method = getattr(kms, botocore.xform_name(operation))
        for other, marker in markers.items():
            if marker and other != operation:
                refused("InvalidMarkerException", method, **needs, Marker=marker)  # K222, T31
        refused("InvalidMarkerException", method, **needs, Marker="nonsense")
    for stranger in (server.kms(OTHER), server.kms(region="eu-west-1")):
        refused("InvalidMarkerException", stranger.list_keys, Marker=markers["ListKeys"])
        refused("InvalidMarkerException", stranger.list_aliases, Marker=markers["ListAliases"])
    # The same list with another question is another list.
    key = lists["ListGrants"][0]["KeyId"]
    refused("InvalidMarkerException", kms.list_grants, KeyId=key, GranteePrincipal=f"arn:aws:iam::{OWNER}:root", Marker=markers["ListGrants"])
    refused("InvalidMarkerException", kms.list_aliases, KeyId=key, Marker=markers["ListAliases"])


def test_markers_survive_a_restart_and_what_comes_in_between(server):
    kms = server.kms()
    keys = [kms.create_key()["KeyMetadata"]["KeyId"] for _ in range(3)]
    for name in ("b", "d"):
        kms.create_alias(AliasName=f"alias/{name}", TargetKeyId=keys[0])
    first_keys, first_aliases = kms.list_keys(Limit=2), kms.list_aliases(Limit=1)
    for name in ("a", "c"):
        kms.create_alias(AliasName=f"alias/{name}", TargetKeyId=keys[0])
    keys.append(kms.create_key()["KeyMetadata"]["KeyId"])
    server.stop(signal.SIGKILL)
    kms = server.start().kms()
    rest = kms.list_keys(Marker=first_keys["NextMarker"])
    assert [entry["KeyId"] for entry in first_keys["Keys"] + rest["Keys"]] == keys  # K223
    rest = kms.list_aliases(Marker=first_aliases["NextMarker"])
    assert [entry["AliasName"] for entry in first_aliases["Aliases"] + rest["Aliases"]] == ["alias/b", "alias/c", "alias/d"]


def test_keys_of_every_state_are_listed_and_of_whom_is_asked_for(server):
    kms = server.kms()
    enabled, disabled, pending = (kms.create_key()["KeyMetadata"]["KeyId"] for _ in range(3))
    kms.disable_key(KeyId=disabled)
    kms.schedule_key_deletion(KeyId=pending)
    listed = [entry["KeyId"] for entry in kms.list_keys()["Keys"]]
    assert listed == [enabled, disabled, pending]  # K224
    assert [entry["KeyId"] for entry in kms.list_keys(ResourceOwners=["SELF"])["Keys"]] == listed
    assert kms.list_keys(ResourceOwners=["OTHER_ACCOUNTS_VIA_RAM"])["Keys"] == []
    refused("ValidationException", kms.list_keys, ResourceOwners=["SELF", "NOBODY"])  # K22
    refused("NotFoundException", kms.list_aliases, KeyId=str(uuid.uuid4()))
