"""AWS's clients for JavaScript: the tests are in js/, and `cargo x test` installs what they need."""

import os
import pathlib
import subprocess

from test_conformance import GAPS
from test_kms import OWNER

FOLDER = pathlib.Path(__file__).with_name("js")


def test_the_javascript_clients(server):
    assert (FOLDER / "node_modules").is_dir(), "run `npm ci` in tests/e2e/js, or `cargo x test`"
    key, secret = server.credentials[OWNER]
    environment = {
        **os.environ,
        "AWS_ACCESS_KEY_ID": key,
        "AWS_SECRET_ACCESS_KEY": secret,
        "KEYWARD_ENDPOINT": server.endpoint,
        "KEYWARD_HAS_REPLICAS": "0" if "ReplicateKey" in GAPS else "1",
    }
    run = subprocess.run(["node", "--test"], cwd=FOLDER, env=environment, capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stdout + run.stderr
    assert "# fail 0" in run.stdout and "# tests 5" in run.stdout, run.stdout
