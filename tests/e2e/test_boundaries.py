"""Ways around a refusal, tried: each of them must stay closed. Rule numbers are those of spec/."""

import json
import os
import urllib.error
import urllib.request

import pytest
from botocore.auth import SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.httpsession import URLLib3Session

from conftest import signed_json
from test_iam import allow, trust, user
from test_kms import OTHER, OWNER, policy, refused, root
from test_operate import keyward


def deny(*actions, resource="*", **more):
    return policy({"Effect": "Deny", "Action": list(actions), "Resource": resource, **more})


def test_an_account_is_in_one_partition(server):
    mallory = user(server, "mallory", all=allow("iam:*", "sts:*"), none=deny("iam:CreateUser", "iam:CreateRole", resource=f"arn:aws:iam::{OWNER}:*"))
    for region in ("us-east-1", "eu-west-1"):
        refused("AccessDenied", server.client("iam", region=region, credentials=mallory).create_user, UserName="evil")
    for region in ("cn-north-1", "us-gov-west-1", "us-iso-east-1"):
        # T6, A121: credentials of one partition are unknown in the others.
        refused("InvalidClientTokenId", server.client("iam", region=region, credentials=mallory).create_user, UserName="evil")
        refused("InvalidClientTokenId", server.client("sts", region=region, credentials=mallory).get_federation_token, Name="bobby")
        refused("UnrecognizedClientException", server.kms(region=region).list_keys)
    session = server.client("sts", credentials=mallory).get_session_token()["Credentials"]
    refused("UnrecognizedClientException", server.kms(region="cn-north-1", credentials=session).list_keys)
    # K260: IAM is called in one Region, whatever Region the signature names.
    iam = server.client("iam")
    elsewhere = {"Condition": {"StringNotEquals": {"aws:RequestedRegion": "eu-west-1"}}}
    iam.put_user_policy(UserName="mallory", PolicyName="none", PolicyDocument=deny("iam:*", **elsewhere))
    refused("AccessDenied", server.client("iam", region="eu-west-1", credentials=mallory).create_user, UserName="evil")


def test_an_account_of_another_partition_lives_there(server):
    account = "777788889999"
    [made] = json.loads(keyward(server, "account", "create", "--id", account, "--partition", "aws-cn", "--format", "json"))
    assert made["Arn"] == f"arn:aws-cn:iam::{account}:root"
    assert server.client("sts", region="cn-north-1", credentials=made).get_caller_identity()["Arn"] == made["Arn"]  # K275
    refused("InvalidClientTokenId", server.client("sts", credentials=made).get_caller_identity)
    iam, kms = (server.client(service, region="cn-north-1", credentials=made) for service in ("iam", "kms"))
    arn = iam.create_user(UserName="wei")["User"]["Arn"]
    assert arn == f"arn:aws-cn:iam::{account}:user/wei"
    iam.attach_user_policy(UserName="wei", PolicyArn="arn:aws-cn:iam::aws:policy/AdministratorAccess")
    text = refused("NoSuchEntity", iam.attach_user_policy, UserName="wei", PolicyArn="arn:aws:iam::aws:policy/PowerUserAccess")
    assert text == "Policy arn:aws:iam::aws:policy/PowerUserAccess does not exist or is not attachable."  # K267
    key = kms.create_key()["KeyMetadata"]["Arn"]
    assert key.startswith(f"arn:aws-cn:kms:cn-north-1:{account}:key/")  # K40
    assert made["Arn"] in kms.get_key_policy(KeyId=key)["Policy"]  # A801
    wei = iam.create_access_key(UserName="wei")["AccessKey"]
    assert server.kms(region="cn-north-1", credentials=wei).describe_key(KeyId=key)["KeyMetadata"]["Arn"] == key
