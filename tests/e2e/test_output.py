"""What commands print, and what becomes of them when nobody reads it."""

import contextlib
import json
import os
import socket
import subprocess
import time

from test_operate import keyward


def shell(server, script):
    own = {"KEYWARD": os.path.abspath(os.environ["KEYWARD_BIN"]), "KEYWARD_DATA": str(server.data), "KEYWARD_ROOT_KEY": str(server.root_key)}
    return subprocess.run(["bash", "-c", script], env={**os.environ, **own}, capture_output=True, text=True, timeout=60)


def test_a_reader_that_has_read_enough_is_no_error(server):
    for _ in range(3):
        server.kms().list_keys()
    for command in ("trail query -n 100000", "account list --json", "seed schema", "completions bash", "man", "tour"):
        done = shell(server, f'"$KEYWARD" {command} | head -c 1 >/dev/null; echo "${{PIPESTATUS[0]}}"')
        assert (done.stdout, done.stderr) == ("0\n", ""), command


def test_a_full_disk_is_an_error_and_no_panic(server):
    for command in ("account list", "status", "credentials", "seed schema", "completions bash", "man"):
        done = shell(server, f'"$KEYWARD" {command} >/dev/full')
        assert done.returncode == 2 and done.stderr.startswith("error: cannot write the output: "), (command, done.stderr)
    assert shell(server, '"$KEYWARD" account show-nothing 2>&-').returncode == 2
    assert shell(server, '"$KEYWARD" explain --request-id none 2>/dev/full').returncode == 2


def test_a_server_serves_on_when_its_output_is_gone(server, tmp_path):
    server.stop()
    full = open("/dev/full", "w")
    command = [os.path.abspath(os.environ["KEYWARD_BIN"]), "serve", "--listen", server.endpoint.removeprefix("http://"), "--data", str(server.data)]
    process = subprocess.Popen([*command, "--root-key", str(server.root_key), "--accounts", "777788889999"], stdout=full, stderr=full)
    server.process = process
    host, port = server.endpoint.removeprefix("http://").split(":")
    while process.poll() is None:
        with contextlib.suppress(OSError):
            socket.create_connection((host, int(port))).close()
            break
        time.sleep(0.05)
    assert server.kms().list_keys()["Keys"] == []
    assert process.poll() is None


def test_t63_names_do_not_write_on_the_terminal(server):
    keyward(server, "account", "create", "--id", "999988887777", "--name", "evil\n\x1b[31mred\x9b")
    table = keyward(server, "account", "list")
    assert "evil\\u000a\\u001b[31mred\\u009b" in table and "\x1b" not in table and table.count("\n") == 4
    listed = keyward(server, "account", "list", "--json")
    assert [account.get("Name") for account in json.loads(listed)] == [None, None, "evil\n\x1b[31mred\x9b"] and "\x9b" not in listed
