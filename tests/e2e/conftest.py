"""A server of its own for each test, and clients of its accounts."""

import json
import os
import re
import signal
import subprocess

import boto3
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.httpsession import URLLib3Session

import conformance

ACCOUNTS = ("111122223333", "444455556666")


class Server:
    def __init__(self, folder, *more):
        self.more = more or ("--accounts", ",".join(ACCOUNTS))
        self.data = folder / "data"
        self.root_key = folder / "root.key"
        self.credentials = {}
        self.endpoints = {}
        self.process = None

    def start(self):
        command = [os.path.abspath(os.environ["KEYWARD_BIN"]), "serve", "--listen", "127.0.0.1:0", "--data", str(self.data)]
        command += ["--root-key", str(self.root_key), *self.more]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        account, key = None, None
        for line in self.process.stdout:
            if match := re.match(r"# account (\d+)", line):
                account = match[1]
            if match := re.match(r"export AWS_ACCESS_KEY_ID=(\S+)", line):
                key = match[1]
            if match := re.match(r"export AWS_SECRET_ACCESS_KEY=(\S+)", line):
                self.credentials[account] = (key, match[1])
            if match := re.match(r"keyward endpoint (\S+) leads to .* on (\S+)", line):
                self.endpoints[match[1]] = match[2]
            if match := re.match(r"keyward is ready on (\S+)", line):
                self.endpoint = match[1]
                return self
        raise AssertionError("the server did not become ready")

    def stop(self, how=signal.SIGTERM):
        self.process.send_signal(how)
        return self.process.wait(timeout=20)

    def client(self, service, account=ACCOUNTS[0], region="us-east-1", credentials=None, endpoint=None):
        """A client of the account's root user, or of whoever has `credentials` as STS and IAM answer them."""
        names = {}
        if credentials is None:
            names["aws_access_key_id"], names["aws_secret_access_key"] = self.credentials[account]
        else:
            names["aws_access_key_id"], names["aws_secret_access_key"] = credentials["AccessKeyId"], credentials["SecretAccessKey"]
            names["aws_session_token"] = credentials.get("SessionToken")
        config = boto3.session.Config(retries={"max_attempts": 0})
        endpoint = self.endpoints[endpoint] if endpoint else self.endpoint
        return boto3.client(service, endpoint_url=endpoint, region_name=region, config=config, **names)

    def kms(self, account=ACCOUNTS[0], region="us-east-1", credentials=None):
        """A client of KMS that asks of every answer whether AWS's model has it."""
        return conformance.watch(self.client("kms", account, region, credentials))


def signed_json(server, credentials, service, target, body=None, region="us-east-1"):
    """Status and answer of a JSON call for which no client of AWS exists."""
    data = json.dumps(body or {}).encode()
    headers = {"X-Amz-Target": target, "Content-Type": "application/x-amz-json-1.1"}
    request = AWSRequest("POST", server.endpoint + "/", headers=headers, data=data)
    SigV4Auth(Credentials(*credentials), service, region).add_auth(request)
    answer = URLLib3Session().send(request.prepare())
    return answer.status_code, json.loads(answer.content or b"{}")


@pytest.fixture
def server(tmp_path):
    server = Server(tmp_path).start()
    yield server
    if server.process.poll() is None:
        server.stop()
