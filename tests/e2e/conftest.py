"""A server of its own for each test, and clients of its accounts."""

import os
import re
import signal
import subprocess

import boto3
import pytest

ACCOUNTS = ("111122223333", "444455556666")


class Server:
    def __init__(self, folder):
        self.data = folder / "data"
        self.root_key = folder / "root.key"
        self.credentials = {}
        self.process = None

    def start(self):
        command = [os.path.abspath(os.environ["KEYWARD_BIN"]), "serve", "--listen", "127.0.0.1:0", "--data", str(self.data)]
        command += ["--root-key", str(self.root_key), "--accounts", ",".join(ACCOUNTS)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        account, key = None, None
        for line in self.process.stdout:
            if match := re.match(r"# account (\d+)", line):
                account = match[1]
            if match := re.match(r"export AWS_ACCESS_KEY_ID=(\S+)", line):
                key = match[1]
            if match := re.match(r"export AWS_SECRET_ACCESS_KEY=(\S+)", line):
                self.credentials[account] = (key, match[1])
            if match := re.match(r"keyward is ready on (\S+)", line):
                self.endpoint = match[1]
                return self
        raise AssertionError("the server did not become ready")

    def stop(self, how=signal.SIGTERM):
        self.process.send_signal(how)
        return self.process.wait(timeout=20)

    def kms(self, account=ACCOUNTS[0], region="us-east-1", secret=None):
        key, own = self.credentials[account]
        config = boto3.session.Config(retries={"max_attempts": 0})
        return boto3.client(
            "kms", endpoint_url=self.endpoint, region_name=region, aws_access_key_id=key, aws_secret_access_key=secret or own, config=config
        )


@pytest.fixture
def server(tmp_path):
    server = Server(tmp_path).start()
    yield server
    if server.process.poll() is None:
        server.stop()
