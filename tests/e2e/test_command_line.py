"""The command line where it is used otherwise than it was meant."""

import json
import os
import re
import socket
import stat
import subprocess
import time

from conftest import Server
from test_kms import OTHER, OWNER
from test_operate import keyward

BINARY = os.path.abspath(os.environ["KEYWARD_BIN"])


def test_the_environment_of_another_server_does_not_stop_an_ephemeral_one(server):
    environment = {**os.environ, "KEYWARD_DATA": str(server.data), "KEYWARD_ROOT_KEY": str(server.root_key)}
    command = [BINARY, "serve", "--ephemeral", "--listen", "127.0.0.1:0"]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    assert any("is ready on" in line for line in process.stdout)
    process.terminate()
    assert process.wait(timeout=20) == 0
    done = subprocess.run([*command, "--data", "/nowhere"], capture_output=True, text=True)
    assert done.returncode == 2 and "cannot be used with" in done.stderr
    # And it is where a server has its data, when nothing else is said.
    server.stop()
    process = subprocess.Popen([BINARY, "serve", "--listen", "127.0.0.1:0"], env=environment, stdout=subprocess.PIPE, text=True)
    assert any("is ready on" in line for line in process.stdout)
    assert json.loads(keyward(server, "status", "--json"))["ProcessId"] == process.pid
    process.terminate()
    assert process.wait(timeout=20) == 0


def test_an_account_that_is_asked_for_twice_is_made_once(tmp_path):
    server = Server(tmp_path, "--accounts", f"{OWNER},{OWNER}").start()
    assert list(server.credentials) == [OWNER]
    assert server.kms().list_keys()["Keys"] == []
    # A root user without its key is told, not shown as nothing.
    key, _ = server.credentials[OWNER]
    server.client("iam").delete_access_key(AccessKeyId=key)
    assert "has no access key" in keyward(server, "credentials", "--account", OWNER, code=2)
    server.stop()


def test_profiles_are_written_where_only_the_owner_reads(server, tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    told = keyward(server, "credentials", "--format", "profile", HOME=str(home), AWS_SHARED_CREDENTIALS_FILE="")
    assert told.startswith("wrote ") and str(home / ".aws" / "credentials") in told
    assert stat.S_IMODE((home / ".aws").stat().st_mode) == 0o700
    assert stat.S_IMODE((home / ".aws" / "credentials").stat().st_mode) == 0o600
    help_text = re.sub(r"\s+", " ", keyward(server, "credentials", "--help"))
    assert "write sections of the AWS credentials file" in help_text and "or write them as AWS profiles" in help_text


def test_an_empty_database_is_no_new_estate(server):
    server.stop()
    for suffix in ("-wal", "-shm"):
        (server.data / f"keyward.db{suffix}").unlink(missing_ok=True)
    os.truncate(server.data / "keyward.db", 0)
    command = [BINARY, "serve", "--listen", "127.0.0.1:0", "--data", str(server.data), "--root-key", str(server.root_key)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20)
    assert done.returncode == 2 and "keyward.db is empty" in done.stderr, done.stderr


def test_manual_pages_show_every_command(server, tmp_path):
    keyward(server, "man", "--dir", str(tmp_path / "man1"))
    pages = {page.name for page in (tmp_path / "man1").iterdir()}
    assert {"keyward.1", "keyward-serve.1", "keyward-account-create.1", "keyward-trail-query.1"} <= pages
    whole = keyward(server, "man")
    assert "grant\\-token" in whole and "KEYWARD TRAIL QUERY" in whole


def test_the_trail_of_a_directory_that_is_not_there(server, tmp_path):
    for command in (["trail", "tail"], ["explain", "--request-id", "x"]):
        wrong = keyward(server, *command, "--data", str(tmp_path / "none"), code=2)
        assert wrong.count(str(tmp_path)) == 1 and "there is no trail in" in wrong and wrong.count("\n") == 1, wrong
    assert not (tmp_path / "none").exists()


def test_t68_a_server_without_file_descriptors_waits_and_serves_on(tmp_path):
    ports = socket.socket()
    ports.bind(("127.0.0.1", 0))
    address = ports.getsockname()
    ports.close()
    arguments = f"serve --listen {address[0]}:{address[1]} --data {tmp_path}/data --root-key {tmp_path}/root.key --accounts {OTHER}"
    process = subprocess.Popen(["bash", "-c", f'ulimit -n 48; exec "{BINARY}" {arguments}'], stdout=subprocess.PIPE, text=True)
    assert any("is ready on" in line for line in process.stdout)

    def cpu_ticks():
        fields = open(f"/proc/{process.pid}/stat").read().rsplit(")", 1)[1].split()
        return int(fields[11]) + int(fields[12])

    def answers():
        with socket.create_connection(address, timeout=5) as connection:
            connection.sendall(b"GET /_keyward/health HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n")
            return connection.recv(512).startswith(b"HTTP/1.1 200")

    assert answers()
    idle = [socket.create_connection(address) for _ in range(80)]
    time.sleep(0.2)
    before = cpu_ticks()
    time.sleep(1)
    assert cpu_ticks() - before < 20, "the accept loop spins"
    for connection in idle:
        connection.close()
    assert answers()
    process.terminate()
    assert process.wait(timeout=20) == 0
