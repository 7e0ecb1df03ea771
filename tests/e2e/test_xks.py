"""`keyward xks-proxy`: what AWS's published test client asks of a proxy is asked here, and then Keyward asks Keyward."""

import base64
import hashlib
import json
import os
import re
import signal
import ssl
import subprocess
import uuid

import pytest
import urllib3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from conftest import Server
from test_key_stores import code, connected, create, error, new_key, settled
from test_kms import OTHER, OWNER
from test_operate import keyward
from tls_authority import Authority

PREFIX = "/example/uri/path"
ALICE = "arn:aws:iam::123456789012:user/Alice"
# As the published client writes it, odd as it is: what AWS says of its keys is not ours to judge.
KMS_KEY = "arn:aws:kms:us-east-2:123456789012:/key/1234abcd-12ab-34cd-56ef-1234567890ab"
PLAINTEXT, AAD = b"Hello World!", b"project=nile,department=marketing"


def encoded(data):
    return base64.b64encode(data).decode()


class XksProxy:
    """`keyward xks-proxy` on a data directory that has keys; and a client that signs as KMS does."""

    def __init__(self, folder, *more, authority=None, client_certificate=None):
        self.server = Server(folder, "--accounts", f"{OWNER},{OTHER}").start()
        self.kms = self.server.kms()
        self.key = self.kms.create_key()["KeyMetadata"]["KeyId"]
        self.kms.create_alias(AliasName="alias/foo", TargetKeyId=self.key)
        self.server.stop()
        self.data, self.root_key = self.server.data, self.server.root_key
        self.endpoint = self.server.endpoint
        self.credentials = self.new_credentials()
        self.more, self.authority, self.client_certificate = more, authority, client_certificate

    def new_credentials(self, *more):
        lines = keyward(self, "xks-proxy", "credentials", "create", "--account", OWNER, *more).splitlines()
        pairs = dict(line.split("=", 1) for line in lines if not line.startswith("#"))
        # K136
        assert re.fullmatch("[A-Z2-7]{20,30}", pairs["AccessKeyId"])
        assert re.fullmatch("[a-zA-Z0-9/+=]{43,64}", pairs["RawSecretAccessKey"])
        return pairs["AccessKeyId"], pairs["RawSecretAccessKey"]

    def start(self):
        command = [os.path.abspath(os.environ["KEYWARD_BIN"]), "xks-proxy", "--listen", "127.0.0.1:0", "--listen-kms", "127.0.0.1:0"]
        command += ["--data", str(self.data), "--root-key", str(self.root_key), "--prefix", PREFIX, *self.more]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        for line in self.process.stdout:
            if match := re.match(r"keyward serves the KMS API of these keys on (\S+)", line):
                self.server.endpoint = self.endpoint = match[1]
                self.kms = self.server.kms()
            if match := re.match(rf"keyward xks-proxy is ready on (https?://[^/]+){PREFIX}/kms/xks/v1", line):
                self.address = match[1]
                return self
        raise AssertionError("the proxy did not become ready")

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=20)

    def pool(self):
        if not self.authority:
            return urllib3.PoolManager()
        own = dict(zip(("cert_file", "key_file"), map(str, self.client_certificate or ())))
        return urllib3.PoolManager(ca_certs=str(self.authority.path), **own)

    def call(self, path, body, prefix=PREFIX, credentials=None, method="POST", service="kms-xks-proxy", tamper=None, sign=True):
        url = f"{self.address}{prefix}/kms/xks/v1/{path}"
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        request = AWSRequest(method, url, headers={"Content-Type": "application/json"}, data=data)
        if sign:
            SigV4Auth(Credentials(*(credentials or self.credentials)), service, "us-east-2").add_auth(request)
        headers = {**dict(request.headers.items()), **(tamper or {})}
        answer = self.pool().request(method, url, headers=headers, body=data, retries=False)
        return answer.status, json.loads(answer.data or b"{}")

    def refused(self, path, body, **how):
        status, answer = self.call(path, body, **how)
        assert set(answer) <= {"errorName", "errorMessage"} and len(answer.get("errorMessage", "")) < 512, answer
        return status, answer["errorName"]

    def encrypt(self, key=None, plaintext=PLAINTEXT, aad=None, digest=False, **how):
        return self.call(f"keys/{key or self.key}/encrypt", encrypt_body(plaintext, aad, digest), **how)

    def decrypt(self, made, key=None, aad=None, **changes):
        return self.call(f"keys/{key or self.key}/decrypt", decrypt_body(made, aad, **changes))


def metadata(operation, **changes):
    said = {"awsPrincipalArn": ALICE, "kmsKeyArn": KMS_KEY, "kmsOperation": operation, "kmsRequestId": str(uuid.uuid4()), "kmsViaService": "ebs"}
    return {name: value for name, value in {**said, **changes}.items() if value is not None}


def health(**changes):
    return {"requestMetadata": {"kmsOperation": "KmsHealthCheck", "kmsRequestId": str(uuid.uuid4()), **changes}}


def encrypt_body(secret, aad=None, digest=False, **changes):
    body = {"requestMetadata": metadata("Encrypt"), "plaintext": encoded(secret), "encryptionAlgorithm": "AES_GCM"}
    body |= {"additionalAuthenticatedData": encoded(aad)} if aad is not None else {}
    body |= {"ciphertextDataIntegrityValueAlgorithm": "SHA_256"} if digest else {}
    return {name: value for name, value in {**body, **changes}.items() if value is not None}


def decrypt_body(made, aad=None, **changes):
    body = {"requestMetadata": metadata("Decrypt"), "encryptionAlgorithm": "AES_GCM"}
    body |= {name: made[name] for name in ("ciphertext", "initializationVector", "authenticationTag", "ciphertextMetadata")}
    body |= {"additionalAuthenticatedData": encoded(aad)} if aad is not None else {}
    return {name: value for name, value in {**body, **changes}.items() if value is not None}


@pytest.fixture
def proxy(tmp_path):
    proxy = XksProxy(tmp_path).start()
    yield proxy
    if proxy.process.poll() is None:
        proxy.stop()


def authentication_is_asked(proxy, path, body):
    """What every API of the protocol must refuse, whatever it does."""
    access_key, secret = proxy.credentials
    unauthenticated = (401, "AuthenticationFailedException")
    assert proxy.refused(path, body, credentials=("Invalid" + access_key, secret)) == unauthenticated
    assert proxy.refused(path, body, credentials=(access_key, "Invalid" + secret)) == unauthenticated
    assert proxy.refused(path, body, service="kms") == unauthenticated
    assert proxy.refused(path, body, sign=False) == unauthenticated
    assert proxy.refused(path, body, tamper={"X-Amz-Date": "20200101T000000Z"}) == unauthenticated
    # A root user's own key opens nothing here, and a credential of the proxy nothing there.
    assert proxy.refused(path, body, credentials=proxy.server.credentials[OWNER]) == unauthenticated
    assert proxy.refused(path, body, prefix=PREFIX + "/invalid") == (404, "InvalidUriPathException")
    assert proxy.refused(path, body, prefix="") == (404, "InvalidUriPathException")
    assert proxy.refused(path, b"{") == (400, "ValidationException")
    assert proxy.refused(path, b"[]") == (400, "ValidationException")
    assert proxy.refused(path, {}) == (400, "ValidationException")
    assert proxy.refused(path, {"requestMetadata": {}}) == (400, "ValidationException")
    assert proxy.call(path, b"", method="GET") == (405, {})  # K141


def test_k145_health(proxy):
    status, answer = proxy.call("health", health())
    assert status == 200 and answer["xksProxyFleetSize"] > 0
    assert {"xksProxyVendor", "xksProxyModel", "ekmVendor"} <= set(answer)
    assert [fleet["healthStatus"] for fleet in answer["ekmFleetDetails"]] == ["ACTIVE"]
    assert all(set(fleet) == {"id", "model", "healthStatus"} for fleet in answer["ekmFleetDetails"])
    authentication_is_asked(proxy, "health", health())
    assert proxy.refused("health", health(kmsOperation=None)) == (400, "ValidationException")
    assert proxy.refused("health/more", health()) == (404, "InvalidUriPathException")


def test_k143_metadata(proxy):
    path, whole = f"keys/{proxy.key}/metadata", {"keySpec": "AES_256", "keyUsage": ["ENCRYPT", "DECRYPT"], "keyStatus": "ENABLED"}
    for operation in ("DescribeKey", "CreateKey"):
        assert proxy.call(path, {"requestMetadata": metadata(operation)}) == (200, whole)
    assert proxy.call(path, {"requestMetadata": metadata("CreateKey", kmsKeyArn=None)}) == (200, whole)
    assert proxy.call("keys/foo/metadata", {"requestMetadata": metadata("DescribeKey")}) == (200, whole), "an alias names its key"
    authentication_is_asked(proxy, path, {"requestMetadata": metadata("DescribeKey")})
    for missing in ("awsPrincipalArn", "kmsOperation", "kmsRequestId"):
        assert proxy.refused(path, {"requestMetadata": metadata("DescribeKey", **{missing: None})}) == (400, "ValidationException")
    for nobody in ("non_existing_key", str(uuid.uuid4()), "mrk-" + "0" * 32, "k" * 128, "alias", "aws"):
        assert proxy.refused(f"keys/{nobody}/metadata", {"requestMetadata": metadata("DescribeKey")}) == (404, "KeyNotFoundException"), nobody
    # T87
    for traversal in (f"keys/{proxy.key}%2F../metadata", "keys/a.b", f"keys/{proxy.key}/metadata/metadata"):
        assert proxy.refused(traversal, {"requestMetadata": metadata("DescribeKey")}) == (404, "InvalidUriPathException"), traversal
    proxy.kms.disable_key(KeyId=proxy.key)
    assert proxy.call(path, {"requestMetadata": metadata("DescribeKey")}) == (200, {**whole, "keyStatus": "DISABLED"})


def test_k144_encrypt_and_decrypt(proxy):
    large, large_aad = os.urandom(4096), os.urandom(8192)
    for plaintext, aad in ((PLAINTEXT, None), (PLAINTEXT, AAD), (PLAINTEXT, b""), (large, large_aad), (os.urandom(4300), None)):
        for digest in (False, True):
            status, made = proxy.encrypt(plaintext=plaintext, aad=aad, digest=digest)
            assert status == 200
            parts = {name: base64.b64decode(value, validate=True) for name, value in made.items()}
            assert len(parts["ciphertext"]) == len(plaintext) and parts["ciphertext"] != plaintext
            assert len(parts["initializationVector"]) in (12, 16) and len(parts["authenticationTag"]) == 16
            assert len(parts["ciphertextMetadata"]) <= 20
            assert ("ciphertextDataIntegrityValue" in parts) == digest
            if digest:
                order = ("ciphertextMetadata", "initializationVector", "ciphertext", "authenticationTag")
                assert parts["ciphertextDataIntegrityValue"] == hashlib.sha256((aad or b"") + b"".join(parts[name] for name in order)).digest()
            assert proxy.decrypt(made, aad=aad) == (200, {"plaintext": encoded(plaintext)})
            assert proxy.decrypt(made, aad=aad, key="foo") == (200, {"plaintext": encoded(plaintext)})
    assert proxy.encrypt()[1] != proxy.encrypt()[1]


def test_k144_what_does_not_open(proxy):
    _, made = proxy.encrypt(aad=AAD)
    corrupt = (400, "InvalidCiphertextException")

    def refused(**changes):
        aad = changes.pop("aad", AAD)
        status, answer = proxy.decrypt(made, aad=aad, **changes)
        return status, answer["errorName"]

    assert refused(aad=None) == corrupt
    assert refused(aad=b"project=blue,department=finance") == corrupt
    for name in ("ciphertext", "initializationVector", "authenticationTag", "ciphertextMetadata"):
        raw = base64.b64decode(made[name])
        for at in range(len(raw)):
            assert refused(**{name: encoded(raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :])}) == corrupt, (name, at)
    assert refused(ciphertextMetadata=None) == corrupt
    assert refused(ciphertextMetadata=encoded(b"x" * 20)) == corrupt
    assert refused(initializationVector=encoded(b"x" * 16)) == corrupt
    other = proxy.kms.create_key()["KeyMetadata"]["KeyId"]
    status, answer = proxy.decrypt(made, aad=AAD, key=other)
    assert (status, answer["errorName"]) == corrupt


def test_k144_what_a_request_must_have(proxy):
    _, made = proxy.encrypt()
    invalid = (400, "ValidationException")
    path = f"keys/{proxy.key}/encrypt"
    authentication_is_asked(proxy, path, encrypt_body(PLAINTEXT))
    for change in (
        {"plaintext": None},
        {"plaintext": ""},
        {"plaintext": "not base64"},
        {"plaintext": encoded(b"x" * 4301)},
        {"plaintext": 7},
        {"additionalAuthenticatedData": encoded(b"x" * 8193)},
        {"encryptionAlgorithm": None},
        {"encryptionAlgorithm": "AES_CBC"},
        {"ciphertextDataIntegrityValueAlgorithm": "MD5"},
        {"requestMetadata": None},
        {"requestMetadata": metadata("Encrypt", kmsKeyArn=None)},
        {"requestMetadata": metadata("Encrypt", awsPrincipalArn="")},
        {"requestMetadata": metadata("Encrypt", kmsRequestId=None)},
    ):
        assert proxy.refused(path, encrypt_body(PLAINTEXT, **change)) == invalid, change
    path = f"keys/{proxy.key}/decrypt"
    authentication_is_asked(proxy, path, decrypt_body(made))
    for change in (
        {"ciphertext": None},
        {"initializationVector": None},
        {"authenticationTag": None},
        {"initializationVector": encoded(b"x" * 13)},
        {"authenticationTag": encoded(b"x" * 15)},
        {"ciphertextMetadata": encoded(b"x" * 21)},
        {"encryptionAlgorithm": "AES_CBC"},
        {"requestMetadata": metadata("Decrypt", kmsKeyArn=None)},
    ):
        assert proxy.refused(path, decrypt_body(made, **change)) == invalid, change
    for operation, body in (("encrypt", encrypt_body(PLAINTEXT)), ("decrypt", decrypt_body(made))):
        assert proxy.refused(f"keys/non_existing_key/{operation}", body) == (404, "KeyNotFoundException")
    assert proxy.refused(f"keys/{proxy.key}/sign", encrypt_body(PLAINTEXT)) == (404, "InvalidUriPathException")
    assert proxy.refused("health", b" " * 100_000) == invalid


def test_k146_keys_that_cannot(proxy):
    _, made = proxy.encrypt()
    kms = proxy.kms

    def both(key=None):
        return {answer["errorName"] for _, answer in (proxy.encrypt(key=key), proxy.decrypt(made, key=key))}

    kms.disable_key(KeyId=proxy.key)
    assert both() == {"InvalidStateException"}
    kms.enable_key(KeyId=proxy.key)
    kms.schedule_key_deletion(KeyId=proxy.key, PendingWindowInDays=7)
    assert both() == {"InvalidStateException"}
    kms.cancel_key_deletion(KeyId=proxy.key)
    kms.enable_key(KeyId=proxy.key)
    assert proxy.decrypt(made)[0] == 200
    # What an older material made still opens.
    kms.rotate_key_on_demand(KeyId=proxy.key)
    assert proxy.decrypt(made) == (200, {"plaintext": encoded(PLAINTEXT)})
    assert proxy.decrypt(proxy.encrypt()[1])[0] == 200
    hmac = kms.create_key(KeySpec="HMAC_256", KeyUsage="GENERATE_VERIFY_MAC")["KeyMetadata"]["KeyId"]
    pair = kms.create_key(KeySpec="RSA_2048", KeyUsage="ENCRYPT_DECRYPT")["KeyMetadata"]["KeyId"]
    for key, spec in ((hmac, "HMAC_256"), (pair, "RSA_2048")):
        assert both(key) == {"InvalidKeyUsageException"}
        told = proxy.call(f"keys/{key}/metadata", {"requestMetadata": metadata("DescribeKey")})
        assert told == (200, {"keySpec": spec, "keyUsage": [], "keyStatus": "ENABLED"})
    # Another account's key is nobody's.
    foreign = proxy.server.kms(account=OTHER).create_key()["KeyMetadata"]["KeyId"]
    assert both(foreign) == {"KeyNotFoundException"}


def test_policies_decide_as_for_every_call(proxy):
    iam = proxy.server.client("iam")
    iam.create_user(UserName="aws-kms")
    credentials = proxy.new_credentials("--user", "aws-kms")
    path = f"keys/{proxy.key}/metadata"
    body = {"requestMetadata": metadata("CreateKey")}
    assert proxy.refused(path, body, credentials=credentials) == (403, "AccessDeniedException")
    statement = {"Effect": "Allow", "Action": ["kms:DescribeKey", "kms:Encrypt"], "Resource": "*"}
    iam.put_user_policy(UserName="aws-kms", PolicyName="p", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": statement}))
    status, answer = proxy.call(path, body, credentials=credentials)
    assert (status, answer["keyUsage"]) == (200, ["ENCRYPT"]), "nobody makes a KMS key on it"
    status, made = proxy.encrypt(credentials=credentials)
    assert status == 200
    assert proxy.refused(f"keys/{proxy.key}/decrypt", decrypt_body(made), credentials=credentials) == (403, "AccessDeniedException")
    # Two credentials live side by side; one that is deleted is nobody's at once.
    assert proxy.decrypt(made)[0] == 200
    assert "aws-kms" in keyward(proxy, "xks-proxy", "credentials", "list")
    keyward(proxy, "xks-proxy", "credentials", "delete", credentials[0])
    assert proxy.encrypt(credentials=credentials)[0] == 401
    assert keyward(proxy, "xks-proxy", "credentials", "delete", credentials[0], code=2).startswith("error: there is no credential")


def test_every_call_is_recorded(proxy):
    _, made = proxy.encrypt(aad=AAD)
    proxy.decrypt(made, aad=AAD)
    proxy.refused(f"keys/{proxy.key}/encrypt", {})
    proxy.refused("health", health(), credentials=("A" * 20, "x" * 43))
    proxy.call("health", health())
    records = [json.loads(line) for line in keyward(proxy, "trail", "query", "-n", "100").splitlines()]
    records = [record for record in records if record["eventSource"] == "kms-xks-proxy.amazonaws.com"]
    assert sorted(f"{record['eventName']} {record.get('errorCode', 'ok')}" for record in records) == [
        "Decrypt ok",
        "Encrypt ValidationException",
        "Encrypt ok",
        "GetHealthStatus AuthenticationFailedException",
        "GetHealthStatus ok",
    ]
    record = next(record for record in records if record["eventName"] == "Decrypt")
    assert record["requestParameters"]["externalKeyId"] == proxy.key
    assert record["requestParameters"]["requestMetadata"]["awsPrincipalArn"] == ALICE
    assert record["resources"][0]["ARN"].endswith(proxy.key) and record["userIdentity"]["type"] == "Root"
    everything = json.dumps(records)
    for secret in (proxy.credentials[1], encoded(PLAINTEXT), encoded(AAD), made["ciphertext"]):
        assert secret not in everything
    database = b"".join(path.read_bytes() for path in proxy.data.glob("keyward.db*"))
    assert proxy.credentials[1].encode() not in database


def test_t87_the_proxy_serves_whom_it_is_told_to(tmp_path):
    proxy = XksProxy(tmp_path, "--allow-principal", "arn:aws:iam::123456789012:*", "--allow-key", "arn:aws:kms:us-east-2:*").start()
    _, made = proxy.encrypt()
    assert proxy.decrypt(made)[0] == 200
    path = f"keys/{proxy.key}/encrypt"
    denied = (403, "AccessDeniedException")
    stranger = metadata("Encrypt", awsPrincipalArn="arn:aws:iam::210987654321:user/Mallory")
    assert proxy.refused(path, encrypt_body(PLAINTEXT, requestMetadata=stranger)) == denied
    elsewhere = metadata("Encrypt", kmsKeyArn=KMS_KEY.replace("us-east-2", "us-west-1"))
    assert proxy.refused(path, encrypt_body(PLAINTEXT, requestMetadata=elsewhere)) == denied
    assert proxy.call(f"keys/{proxy.key}/metadata", {"requestMetadata": metadata("CreateKey", kmsKeyArn=None)})[0] == 200
    proxy.stop()


def test_t11_beyond_this_machine_there_is_tls_or_nothing(tmp_path):
    proxy = XksProxy(tmp_path)
    for wrong in (["--listen", "0.0.0.0:0"], ["--listen-kms", "0.0.0.0:0"]):
        assert "is not a loopback address" in keyward(proxy, "xks-proxy", *wrong, code=2)


def over_tls(folder, *more, **how):
    authority = Authority(folder)
    certificate, key = authority.issue("proxy")
    proxy = XksProxy(folder, "--tls-certificate", str(certificate), "--tls-key", str(key), *more, authority=authority, **how)
    return proxy, authority


def test_k141_tls_12_and_13_and_nothing_older(tmp_path):
    proxy, authority = over_tls(tmp_path)
    proxy.start()
    assert proxy.call("health", health())[0] == 200
    host, port = proxy.address.removeprefix("https://").split(":")

    def speaks(version):
        context = ssl.create_default_context(cafile=str(authority.path))
        context.minimum_version = context.maximum_version = version
        import socket

        try:
            with socket.create_connection((host, int(port)), timeout=10) as plain, context.wrap_socket(plain, server_hostname=host) as tls:
                return tls.version()
        except (ssl.SSLError, OSError):
            return None

    assert speaks(ssl.TLSVersion.TLSv1_2) == "TLSv1.2" and speaks(ssl.TLSVersion.TLSv1_3) == "TLSv1.3"
    assert speaks(ssl.TLSVersion.TLSv1_1) is None
    proxy.stop()


def test_t87_with_an_authority_of_clients_nobody_else_is_heard(tmp_path):
    authority, foreign = Authority(tmp_path), Authority(tmp_path, "another authority")
    certificate, key = authority.issue("proxy")
    tls = ["--tls-certificate", str(certificate), "--tls-key", str(key), "--tls-client-ca", str(authority.path)]
    proxy = XksProxy(tmp_path, *tls, authority=authority, client_certificate=authority.issue("client")).start()
    assert proxy.call("health", health())[0] == 200
    for own in (None, foreign.issue("stranger")):
        proxy.client_certificate = own
        with pytest.raises(urllib3.exceptions.HTTPError):
            proxy.call("health", health())
    # An expired one is nobody's either.
    proxy.client_certificate = authority.issue("old", days=-1)
    with pytest.raises(urllib3.exceptions.HTTPError):
        proxy.call("health", health())
    proxy.stop()


def test_keyward_is_an_external_key_store_to_keyward(tmp_path):
    (tmp_path / "theirs").mkdir()
    proxy, authority = over_tls(tmp_path / "theirs")
    proxy.start()
    (tmp_path / "ours").mkdir()
    ours = Server(tmp_path / "ours", "--accounts", OWNER, "--xks-ca", str(authority.path), "--xks-timeout-ms", "10000").start()
    kms = ours.kms(region="eu-central-1")
    access_key, secret = proxy.credentials
    proxy.endpoint = proxy.address
    terms = {
        "XksProxyUriPath": f"{PREFIX}/kms/xks/v1",
        "XksProxyAuthenticationCredential": {"AccessKeyId": access_key, "RawSecretAccessKey": secret},
    }
    wrong = {"AccessKeyId": access_key, "RawSecretAccessKey": "x" * 44}
    assert code(create, kms=kms, proxy=proxy, **{**terms, "XksProxyAuthenticationCredential": wrong}) == "XksProxyIncorrectAuthenticationCredentialException"
    assert code(create, kms=kms, proxy=proxy, **{**terms, "XksProxyUriPath": "/other/kms/xks/v1"}) == "XksProxyInvalidConfigurationException"
    store = connected(kms, proxy, **terms)
    assert code(new_key, kms=kms, store=store, external="nobody") == "XksKeyNotFoundException"
    key = new_key(kms, store, proxy.key)["Arn"]
    context = {"project": "shieldsync-prod"}
    sealed = kms.encrypt(KeyId=key, Plaintext=b"x" * 4096, EncryptionContext=context)["CiphertextBlob"]
    assert kms.decrypt(CiphertextBlob=sealed, EncryptionContext=context)["Plaintext"] == b"x" * 4096
    data_key = kms.generate_data_key(KeyId=key, KeySpec="AES_256")
    assert kms.decrypt(CiphertextBlob=data_key["CiphertextBlob"])["Plaintext"] == data_key["Plaintext"]
    # Whoever owns the external key has the last word.
    proxy.kms.disable_key(KeyId=proxy.key)
    told, message = error(kms.decrypt, CiphertextBlob=sealed, EncryptionContext=context)
    assert told == "KMSInvalidStateException" and "is not enabled in the external key manager" in message
    proxy.kms.enable_key(KeyId=proxy.key)
    # Their trail says who asked.
    line = keyward(proxy, "trail", "query", "-n", "100")
    records = [json.loads(line) for line in line.splitlines()]
    asked = [record["requestParameters"]["requestMetadata"] for record in records if record["eventName"] == "Encrypt"]
    assert {said["kmsOperation"] for said in asked} == {"Encrypt", "GenerateDataKey"}
    assert {(said["awsPrincipalArn"], said["kmsKeyArn"]) for said in asked} == {(f"arn:aws:iam::{OWNER}:root", key)}
    proxy.stop()
    told, message = error(kms.encrypt, KeyId=key, Plaintext=b"x")
    assert told == "KMSInvalidStateException" and message.startswith("AWS KMS cannot communicate with the external key store proxy.")
    kms.disconnect_custom_key_store(CustomKeyStoreId=store)
    kms_state = settled(kms, store)["ConnectionState"]
    kms.connect_custom_key_store(CustomKeyStoreId=store)
    entry = settled(kms, store)
    assert (kms_state, entry["ConnectionState"], entry["ConnectionErrorCode"]) == ("DISCONNECTED", "FAILED", "XKS_PROXY_NOT_REACHABLE")
    ours.stop()
