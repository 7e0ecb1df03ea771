"""Custom key stores with an external key manager behind them: its proxy is a program of this test, which can misbehave."""

import base64
import hashlib
import http.server
import json
import os
import ssl
import threading
import time

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from conftest import Server
from test_kms import OWNER
from test_operate import keyward
from tls_authority import Authority

ACCESS_KEY, SECRET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "c2VjcmV0LW9mLXRoZS1wcm94eS1hbmQtbm9ib2R5LWVsc2U="
PATH = "/example/kms/xks/v1"
NOT_CONNECTED = (
    "This KMS key is in a custom key store that is not connected to its external key store proxy. "
    "Connect the external key store and try the request again."
)
ACTIVE = [{"id": "1", "model": "test", "healthStatus": "ACTIVE"}]


class Proxy(http.server.ThreadingHTTPServer):
    """A proxy with keys of its own. `misbehave` is a function that may answer in its place."""

    daemon_threads = True

    def __init__(self, authority=None):
        super().__init__(("127.0.0.1", 0), Handler)
        self.keys = {"good": AESGCM.generate_key(256), "other": AESGCM.generate_key(256)}
        self.requests, self.misbehave = [], None
        self.scheme = "https" if authority else "http"
        if authority:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*authority.issue("proxy"))
            self.socket = context.wrap_socket(self.socket, server_side=True)
        self.endpoint = f"{self.scheme}://127.0.0.1:{self.server_port}"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def metadata(self):
        return [body["requestMetadata"] for _, body in self.requests]

    def handle_error(self, request, client_address):
        """Clients that do not trust us hang up; nobody needs to read of it."""


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        status, answer = self.answered(body)
        data = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def is_signed(self, body):
        """What the signature must be, says the client of AWS."""
        given = self.headers["authorization"]
        names = given.split("SignedHeaders=")[1].split(",")[0].split(";")
        region = given.split("Credential=")[1].split("/")[2]
        headers = {name: self.headers[name] for name in names}
        request = AWSRequest("POST", self.server.endpoint + self.path, headers=headers, data=body)
        request.context["timestamp"] = self.headers["x-amz-date"]
        signer = SigV4Auth(Credentials(ACCESS_KEY, SECRET), "kms-xks-proxy", region)
        canonical = signer.canonical_request(request)
        signature = signer.signature(signer.string_to_sign(request, canonical), request)
        return f"{ACCESS_KEY}/" in given and given.endswith(signature) and "host" in names

    def answered(self, raw):
        body = json.loads(raw)
        self.server.requests.append((self.path, body))
        if self.server.misbehave and (answer := self.server.misbehave(self.path, body)):
            return answer
        if not self.is_signed(raw):
            return 401, {"errorName": "AuthenticationFailedException", "errorMessage": "who are you"}
        if not self.path.startswith(PATH + "/"):
            return 404, {"errorName": "InvalidUriPathException"}
        match self.path.removeprefix(PATH + "/").split("/"):
            case ["health"]:
                who = {"xksProxyVendor": "test", "xksProxyModel": "test", "ekmVendor": "test"}
                return 200, {"xksProxyFleetSize": 1, "ekmFleetDetails": ACTIVE, **who}
            case ["keys", name, _] if name not in self.server.keys:
                return 404, {"errorName": "KeyNotFoundException"}
            case ["keys", _, "metadata"]:
                return 200, {"keySpec": "AES_256", "keyUsage": ["ENCRYPT", "DECRYPT"], "keyStatus": "ENABLED"}
            case ["keys", name, "encrypt"]:
                return 200, encrypted(self.server.keys[name], body)
            case ["keys", name, "decrypt"]:
                return decrypted(self.server.keys[name], body)


def unbase64(body, name):
    return base64.b64decode(body.get(name, ""))


def encrypted(key, body):
    iv, metadata, aad = os.urandom(12), b"v1", unbase64(body, "additionalAuthenticatedData")
    bound = len(aad).to_bytes(2, "big") + aad + bytes([len(metadata)]) + metadata
    sealed = AESGCM(key).encrypt(iv, unbase64(body, "plaintext"), bound)
    ciphertext, tag = sealed[:-16], sealed[-16:]
    digest = hashlib.sha256(aad + metadata + iv + ciphertext + tag).digest()
    parts = {"ciphertext": ciphertext, "initializationVector": iv, "authenticationTag": tag}
    parts |= {"ciphertextMetadata": metadata, "ciphertextDataIntegrityValue": digest}
    return {name: base64.b64encode(part).decode() for name, part in parts.items()}


def decrypted(key, body):
    metadata, aad = unbase64(body, "ciphertextMetadata"), unbase64(body, "additionalAuthenticatedData")
    bound = len(aad).to_bytes(2, "big") + aad + bytes([len(metadata)]) + metadata
    sealed = unbase64(body, "ciphertext") + unbase64(body, "authenticationTag")
    try:
        plaintext = AESGCM(key).decrypt(unbase64(body, "initializationVector"), sealed, bound)
    except InvalidTag:
        return 400, {"errorName": "InvalidCiphertextException"}
    return 200, {"plaintext": base64.b64encode(plaintext).decode()}


@pytest.fixture
def proxy():
    proxy = Proxy()
    yield proxy
    proxy.shutdown()


@pytest.fixture
def server(tmp_path):
    """A machine under load must not decide how these tests end: the time that AWS gives is tested by one of them."""
    server = Server(tmp_path, "--accounts", f"{OWNER},444455556666", "--xks-allow-http", "--xks-timeout-ms", "10000").start()
    yield server
    if server.process.poll() is None:
        server.stop()


def create(kms, proxy, name="store", **changes):
    parameters = {
        "CustomKeyStoreName": name,
        "CustomKeyStoreType": "EXTERNAL_KEY_STORE",
        "XksProxyConnectivity": "PUBLIC_ENDPOINT",
        "XksProxyUriEndpoint": proxy.endpoint,
        "XksProxyUriPath": PATH,
        "XksProxyAuthenticationCredential": {"AccessKeyId": ACCESS_KEY, "RawSecretAccessKey": SECRET},
    }
    return kms.create_custom_key_store(**{**parameters, **changes})["CustomKeyStoreId"]


def described(kms, store):
    return kms.describe_custom_key_stores(CustomKeyStoreId=store)["CustomKeyStores"][0]


def settled(kms, store):
    """What became of a store once nothing more becomes of it."""
    for _ in range(300):
        entry = described(kms, store)
        if entry["ConnectionState"] not in ("CONNECTING", "DISCONNECTING"):
            return entry
        time.sleep(0.05)
    raise AssertionError(f"still {entry['ConnectionState']}")


def connected(kms, proxy, **changes):
    store = create(kms, proxy, **changes)
    kms.connect_custom_key_store(CustomKeyStoreId=store)
    assert settled(kms, store)["ConnectionState"] == "CONNECTED"
    return store


def new_key(kms, store, external="good", **more):
    made = kms.create_key(Origin="EXTERNAL_KEY_STORE", CustomKeyStoreId=store, XksKeyId=external, **more)
    return made["KeyMetadata"]


def error(function, **parameters):
    with pytest.raises(ClientError) as caught:
        function(**parameters)
    return caught.value.response["Error"]["Code"], caught.value.response["Error"].get("Message", "")


def code(function, **parameters):
    return error(function, **parameters)[0]


def test_k135_to_k140_a_store_lives_through_its_states(server, proxy):
    kms = server.kms()
    store = create(kms, proxy)
    assert store.startswith("cks-") and len(store) == 4 + 17
    entry = described(kms, store)
    assert entry.pop("CreationDate")
    assert entry == {
        "CustomKeyStoreId": store,
        "CustomKeyStoreName": "store",
        "ConnectionState": "DISCONNECTED",
        "CustomKeyStoreType": "EXTERNAL_KEY_STORE",
        "XksProxyConfiguration": {
            "Connectivity": "PUBLIC_ENDPOINT",
            "AccessKeyId": ACCESS_KEY,
            "UriEndpoint": proxy.endpoint,
            "UriPath": PATH,
        },
    }
    assert code(kms.disconnect_custom_key_store, CustomKeyStoreId=store) == "CustomKeyStoreInvalidStateException"
    kms.connect_custom_key_store(CustomKeyStoreId=store)
    assert settled(kms, store)["ConnectionState"] == "CONNECTED"
    assert code(kms.connect_custom_key_store, CustomKeyStoreId=store) == "CustomKeyStoreInvalidStateException"
    assert code(kms.delete_custom_key_store, CustomKeyStoreId=store) == "CustomKeyStoreInvalidStateException"
    operations = [metadata["kmsOperation"] for metadata in proxy.metadata()]
    assert operations == ["CreateCustomKeyStore", "ConnectCustomKeyStore"]
    assert all(set(metadata) == {"kmsOperation", "kmsRequestId"} for metadata in proxy.metadata())  # K142
    kms.disconnect_custom_key_store(CustomKeyStoreId=store)
    assert settled(kms, store)["ConnectionState"] == "DISCONNECTED"
    kms.delete_custom_key_store(CustomKeyStoreId=store)
    assert code(kms.describe_custom_key_stores, CustomKeyStoreId=store) == "CustomKeyStoreNotFoundException"
    assert kms.describe_custom_key_stores()["CustomKeyStores"] == []


def test_k146_both_keys_are_needed_and_the_proxy_sees_who_asks(server, proxy):
    kms = server.kms()
    store = connected(kms, proxy)
    key = new_key(kms, store)
    assert (key["Origin"], key["CustomKeyStoreId"], key["KeyState"]) == ("EXTERNAL_KEY_STORE", store, "Enabled")
    assert key["XksKeyConfiguration"] == {"Id": "good"} and "CurrentKeyMaterialId" not in key  # K80
    arn, context = key["Arn"], {"project": "shieldsync-prod"}
    sealed = kms.encrypt(KeyId=arn, Plaintext=b"x" * 4096, EncryptionContext=context)
    assert sealed["KeyId"] == arn and len(sealed["CiphertextBlob"]) <= 6144
    opened = kms.decrypt(CiphertextBlob=sealed["CiphertextBlob"], EncryptionContext=context)
    assert opened["Plaintext"] == b"x" * 4096 and opened["KeyId"] == arn and "KeyMaterialId" not in opened
    path, asked = proxy.requests[-1]
    assert path == f"{PATH}/keys/good/decrypt"
    metadata = asked["requestMetadata"]
    assert metadata.pop("kmsRequestId") == opened["ResponseMetadata"]["RequestId"]
    assert metadata == {"awsPrincipalArn": f"arn:aws:iam::{OWNER}:root", "kmsKeyArn": arn, "kmsOperation": "Decrypt"}
    # What the proxy encrypted was encrypted already, and it was asked for the digest.
    path, asked = next((path, body) for path, body in proxy.requests if path.endswith("/encrypt"))
    assert b"x" * 16 not in unbase64(asked, "plaintext") and len(unbase64(asked, "plaintext")) <= 4300  # K144
    assert asked["encryptionAlgorithm"] == "AES_GCM" and asked["ciphertextDataIntegrityValueAlgorithm"] == "SHA_256"
    # Without the external key nothing opens, and with another one neither.
    proxy.keys["good"] = proxy.keys["other"]
    assert error(kms.decrypt, CiphertextBlob=sealed["CiphertextBlob"], EncryptionContext=context) == (
        "KMSInvalidStateException",
        "The external key store proxy rejected the request because the specified ciphertext or encryption context is corrupted, "
        "missing, or otherwise invalid.",
    )


def test_data_keys_and_reencryption_through_a_proxy(server, proxy):
    kms = server.kms()
    store = connected(kms, proxy)
    outside, inside = new_key(kms, store)["Arn"], kms.create_key()["KeyMetadata"]["Arn"]
    other = new_key(kms, store, "other")["Arn"]
    for spec in ({"KeySpec": "AES_256"}, {"NumberOfBytes": 1024}):
        data_key = kms.generate_data_key(KeyId=outside, **spec)
        assert kms.decrypt(CiphertextBlob=data_key["CiphertextBlob"])["Plaintext"] == data_key["Plaintext"]
        assert "KeyMaterialId" not in data_key
    sealed = kms.generate_data_key_without_plaintext(KeyId=outside, KeySpec="AES_128")["CiphertextBlob"]
    plaintext = kms.decrypt(CiphertextBlob=sealed)["Plaintext"]
    assert len(plaintext) == 16
    for destination in (inside, other, outside):
        moved = kms.re_encrypt(CiphertextBlob=sealed, DestinationKeyId=destination, DestinationEncryptionContext={"a": "b"})
        assert ("DestinationKeyMaterialId" in moved) == (destination == inside)
        again = kms.decrypt(CiphertextBlob=moved["CiphertextBlob"], EncryptionContext={"a": "b"})
        assert again["Plaintext"] == plaintext and again["KeyId"] == destination
        back = kms.re_encrypt(CiphertextBlob=moved["CiphertextBlob"], SourceEncryptionContext={"a": "b"}, DestinationKeyId=outside)
        assert kms.decrypt(CiphertextBlob=back["CiphertextBlob"])["Plaintext"] == plaintext
    pair = dict(KeyId=outside, KeyPairSpec="ECC_NIST_P256")
    assert code(kms.generate_data_key_pair, **pair) == "UnsupportedOperationException"  # K139
    assert code(kms.generate_data_key_pair_without_plaintext, **pair) == "UnsupportedOperationException"
    # An alias may lead to the key; a dry run asks nobody.
    kms.create_alias(AliasName="alias/outside", TargetKeyId=outside)
    asked = len(proxy.requests)
    assert code(kms.encrypt, KeyId="alias/outside", Plaintext=b"x", DryRun=True) == "DryRunOperationException"
    assert len(proxy.requests) == asked
    # A local ciphertext is no external one, and the other way round.
    local = kms.encrypt(KeyId=inside, Plaintext=b"x")["CiphertextBlob"]
    assert code(kms.decrypt, CiphertextBlob=local[:5] + bytes([0x42]) + local[6:]) == "InvalidCiphertextException"
    assert code(kms.decrypt, CiphertextBlob=sealed[:5] + bytes([0x41]) + sealed[6:]) == "InvalidCiphertextException"


FAILURES = {
    "ValidationException": (400, "CustomKeyStoreInvalidStateException", "AWS KMS cannot interpret the response from"),
    "InvalidStateException": (400, "XksKeyInvalidConfigurationException", "The external key associated with this KMS key in an external key store is not enabled"),
    "InvalidKeyUsageException": (400, "XksKeyInvalidConfigurationException", "The external key associated with this KMS key in an external key store does not support"),
    "AuthenticationFailedException": (401, "CustomKeyStoreInvalidStateException", "The external key store proxy rejected the request because it could not authenticate AWS KMS."),
    "AccessDeniedException": (403, "KMSInvalidStateException", "The external key store proxy denied access to the operation."),
    "KeyNotFoundException": (404, "XksKeyNotFoundException", "The external key associated with this KMS key in an external key store was not found"),
    "InvalidUriPathException": (404, "CustomKeyStoreInvalidStateException", "The external key store proxy rejected the request because of an invalid URI path."),
    "ThrottlingException": (429, "CustomKeyStoreInvalidStateException", "The external key store proxy rejected the request due to a very high request rate."),
    "UnsupportedOperationException": (501, "XksKeyInvalidConfigurationException", "The external key store proxy rejected the request because it does not support"),
    "DependencyTimeoutException": (503, "CustomKeyStoreInvalidStateException", "The external key store proxy did not respond to the request in the time allotted."),
    "InternalException": (500, "CustomKeyStoreInvalidStateException", "The external key store proxy rejected the request because it cannot communicate with"),
    "Nonsense": (418, "CustomKeyStoreInvalidStateException", "AWS KMS cannot interpret the response from"),
}


def test_k146_what_a_proxy_refuses_is_told_in_the_words_of_aws(server, proxy):
    kms = server.kms()
    store = connected(kms, proxy)
    key = new_key(kms, store)["Arn"]
    for name, (status, of_new_key, text) in FAILURES.items():
        proxy.misbehave = lambda *_: (status, {"errorName": name, "errorMessage": "a secret of the proxy's"})
        told, message = error(kms.create_key, Origin="EXTERNAL_KEY_STORE", CustomKeyStoreId=store, XksKeyId="other")
        assert told == of_new_key and message.startswith(text), name
        told, message = error(kms.encrypt, KeyId=key, Plaintext=b"x")
        assert told == "KMSInvalidStateException" and message.startswith(text) and "secret" not in message, name
    for odd in ({"keySpec": "AES_128"}, {"keyUsage": ["ENCRYPT"]}, {"keyStatus": "DISABLED"}):
        proxy.misbehave = lambda *_: (200, {"keySpec": "AES_256", "keyUsage": ["ENCRYPT", "DECRYPT"], "keyStatus": "ENABLED", **odd})
        unfit = dict(Origin="EXTERNAL_KEY_STORE", CustomKeyStoreId=store, XksKeyId="other")
        assert code(kms.create_key, **unfit) == "XksKeyInvalidConfigurationException"  # K143


def test_k144_what_a_proxy_answers_is_believed_only_with_its_digest(server, proxy):
    kms = server.kms()
    key = new_key(kms, connected(kms, proxy))["Arn"]
    good = proxy.keys["good"]

    def spoiled(spoil):
        return lambda path, body: (200, spoil(encrypted(good, body))) if path.endswith("/encrypt") else None

    def other(text):
        return base64.b64encode(bytes([base64.b64decode(text)[0] ^ 1]) + base64.b64decode(text)[1:]).decode()

    spoils = [lambda parts, name=name: {**parts, name: other(parts[name])} for name in encrypted(good, {}) if name != "ciphertext"]
    spoils += [
        lambda parts: {**parts, "ciphertext": other(parts["ciphertext"])},
        lambda parts: {**parts, "ciphertext": parts["ciphertext"][:-4]},
        lambda parts: {name: part for name, part in parts.items() if name != "ciphertextDataIntegrityValue"},
        lambda parts: {**parts, "initializationVector": base64.b64encode(b"x" * 13).decode()},
        lambda parts: {**parts, "ciphertextMetadata": base64.b64encode(b"x" * 21).decode()},
    ]
    for spoil in spoils:
        proxy.misbehave = spoiled(spoil)
        told, message = error(kms.encrypt, KeyId=key, Plaintext=b"x")
        assert told == "KMSInvalidStateException" and message.startswith("AWS KMS cannot interpret the response")
    # Whoever decrypts falsely is found out by our own half.
    sealed = seal(proxy, kms, key)
    proxy.misbehave = lambda path, body: (200, {"plaintext": base64.b64encode(b"x" * 77).decode()}) if path.endswith("decrypt") else None
    assert code(kms.decrypt, CiphertextBlob=sealed) == "InvalidCiphertextException"


def seal(proxy, kms, key):
    proxy.misbehave = None
    return kms.encrypt(KeyId=key, Plaintext=b"x")["CiphertextBlob"]


def test_k139_keys_of_a_store_that_is_not_connected_are_unavailable(server, proxy):
    kms = server.kms()
    store = connected(kms, proxy)
    key = new_key(kms, store)["Arn"]
    sealed = seal(proxy, kms, key)
    kms.disconnect_custom_key_store(CustomKeyStoreId=store)
    assert settled(kms, store)["ConnectionState"] == "DISCONNECTED"
    metadata = kms.describe_key(KeyId=key)["KeyMetadata"]
    assert (metadata["KeyState"], metadata["Enabled"]) == ("Unavailable", False)
    unavailable = ("KMSInvalidStateException", NOT_CONNECTED)
    assert error(kms.encrypt, KeyId=key, Plaintext=b"x") == unavailable
    assert error(kms.decrypt, CiphertextBlob=sealed) == unavailable
    assert error(kms.generate_data_key, KeyId=key, KeySpec="AES_256") == unavailable
    wanted = dict(Origin="EXTERNAL_KEY_STORE", CustomKeyStoreId=store, XksKeyId="other")
    assert error(kms.create_key, **wanted) == ("CustomKeyStoreInvalidStateException", NOT_CONNECTED)
    # [K85] Administration goes on, and shows when the store is there again.
    kms.create_alias(AliasName="alias/away", TargetKeyId=key)
    kms.create_grant(KeyId=key, GranteePrincipal=f"arn:aws:iam::{OWNER}:root", Operations=["Decrypt"])
    kms.disable_key(KeyId=key)
    assert kms.describe_key(KeyId=key)["KeyMetadata"]["KeyState"] == "Unavailable"
    assert code(kms.delete_custom_key_store, CustomKeyStoreId=store) == "CustomKeyStoreHasCMKsException"
    kms.connect_custom_key_store(CustomKeyStoreId=store)
    settled(kms, store)
    assert kms.describe_key(KeyId=key)["KeyMetadata"]["KeyState"] == "Disabled"
    kms.enable_key(KeyId=key)
    assert kms.decrypt(CiphertextBlob=sealed)["Plaintext"] == b"x"
    # What waits for its deletion waits on without its store, and may be saved.
    kms.schedule_key_deletion(KeyId=key, PendingWindowInDays=7)
    kms.disconnect_custom_key_store(CustomKeyStoreId=store)
    settled(kms, store)
    assert kms.describe_key(KeyId=key)["KeyMetadata"]["KeyState"] == "PendingDeletion"
    assert code(kms.delete_custom_key_store, CustomKeyStoreId=store) == "CustomKeyStoreHasCMKsException"  # K137
    kms.cancel_key_deletion(KeyId=key)
    assert kms.describe_key(KeyId=key)["KeyMetadata"]["KeyState"] == "Unavailable"
    # And all of this is so after a new start.
    server.stop()
    server.start()
    kms = server.kms()
    assert kms.describe_key(KeyId=key)["KeyMetadata"]["KeyState"] == "Unavailable"
    kms.connect_custom_key_store(CustomKeyStoreId=store)
    settled(kms, store)
    kms.enable_key(KeyId=key)
    assert kms.decrypt(CiphertextBlob=sealed)["Plaintext"] == b"x"


def test_k137_a_store_that_does_not_connect_says_why(server, proxy):
    kms = server.kms()
    store = create(kms, proxy)

    def fails(why):
        kms.connect_custom_key_store(CustomKeyStoreId=store)
        entry = settled(kms, store)
        assert (entry["ConnectionState"], entry["ConnectionErrorCode"]) == ("FAILED", why)
        assert code(kms.connect_custom_key_store, CustomKeyStoreId=store) == "CustomKeyStoreInvalidStateException"
        kms.disconnect_custom_key_store(CustomKeyStoreId=store)
        assert "ConnectionErrorCode" not in settled(kms, store)

    for name, why in (
        ("AuthenticationFailedException", "INVALID_CREDENTIALS"),
        ("AccessDeniedException", "XKS_PROXY_ACCESS_DENIED"),
        ("InvalidUriPathException", "XKS_PROXY_INVALID_CONFIGURATION"),
        ("InternalException", "XKS_PROXY_INVALID_RESPONSE"),
        ("DependencyTimeoutException", "XKS_PROXY_TIMED_OUT"),
        ("ThrottlingException", "XKS_PROXY_NOT_REACHABLE"),
    ):
        proxy.misbehave = lambda *_: (FAILURES[name][0], {"errorName": name})
        fails(why)
    proxy.misbehave = lambda *_: (200, b"<html>")
    fails("XKS_PROXY_INVALID_RESPONSE")
    away = [{**ACTIVE[0], "healthStatus": "UNAVAILABLE"}]
    health = {"xksProxyFleetSize": 1, "xksProxyVendor": "t", "xksProxyModel": "t", "ekmVendor": "t", "ekmFleetDetails": away}
    proxy.misbehave = lambda *_: (200, health)
    fails("XKS_PROXY_NOT_REACHABLE")
    # Whoever gives up while nothing is decided has the last word.
    release = threading.Event()
    proxy.misbehave = lambda *_: release.wait(20) and None
    kms.connect_custom_key_store(CustomKeyStoreId=store)
    assert described(kms, store)["ConnectionState"] == "CONNECTING"
    kms.disconnect_custom_key_store(CustomKeyStoreId=store)
    assert settled(kms, store)["ConnectionState"] == "DISCONNECTED"
    release.set()
    proxy.misbehave = None
    time.sleep(0.3)
    assert described(kms, store)["ConnectionState"] == "DISCONNECTED"


def test_k136_what_a_store_may_be(server, proxy):
    kms = server.kms()
    store = create(kms, proxy)
    assert code(create, kms=kms, proxy=proxy) == "CustomKeyStoreNameInUseException"
    assert code(create, kms=kms, proxy=proxy, name="two") == "XksProxyUriInUseException"
    service = {"XksProxyConnectivity": "VPC_ENDPOINT_SERVICE", "XksProxyVpcEndpointServiceName": "com.amazonaws.vpce.us-east-1.vpce-svc-0123456789abcdef0"}
    other_path = {"XksProxyUriPath": "/other/kms/xks/v1"}
    assert code(create, kms=kms, proxy=proxy, name="two", **service, **other_path) == "XksProxyUriEndpointInUseException"
    # Another account and another Region have names and places of their own (T30).
    create(server.kms(account="444455556666"), proxy)
    elsewhere = create(server.kms(region="eu-west-1"), proxy)
    assert code(kms.describe_custom_key_stores, CustomKeyStoreId=elsewhere) == "CustomKeyStoreNotFoundException"
    # The proxy is asked when a public store is made, not when one behind a VPC is.
    wrong = {"XksProxyAuthenticationCredential": {"AccessKeyId": "A" * 20, "RawSecretAccessKey": SECRET}}
    assert code(create, kms=kms, proxy=proxy, name="two", **other_path, **wrong) == "XksProxyIncorrectAuthenticationCredentialException"
    assert code(create, kms=kms, proxy=proxy, name="two", **other_path) == "XksProxyInvalidConfigurationException"
    nobody = "http://127.0.0.1:9"
    assert code(create, kms=kms, proxy=proxy, name="two", XksProxyUriEndpoint=nobody) == "XksProxyUriUnreachableException"
    private = create(kms, proxy, name="two", XksProxyUriEndpoint=nobody, **service)
    kms.connect_custom_key_store(CustomKeyStoreId=private)
    assert settled(kms, private)["ConnectionErrorCode"] == "XKS_PROXY_NOT_REACHABLE"
    assert code(create, kms=kms, proxy=proxy, name="three", XksProxyUriEndpoint="http://127.0.0.1:8", **service) == "XksProxyVpcEndpointServiceInUseException"
    # Members (K20) (K135).
    for name, value in (
        ("XksProxyUriEndpoint", "http://xks.example.com"),
        ("XksProxyUriEndpoint", "https://a/b?c=d"),
        ("XksProxyUriPath", "/kms/xks/v1/more"),
        ("XksProxyUriPath", "/a/../kms/xks/v1"),
        ("XksProxyVpcEndpointServiceName", "com.amazonaws.vpce.us-east-1.vpce-svc-0123456789abcdef0"),
        ("CloudHsmClusterId", "cluster-aaaaaaaaaaa"),
    ):
        assert code(create, kms=kms, proxy=proxy, name="four", **{name: value}) == "ValidationException", (name, value)
    secret = "not/long/enough/at/all/not/long/enough/at/{}"
    hidden = {"AccessKeyId": ACCESS_KEY, "RawSecretAccessKey": secret}
    told, message = error(create, kms=kms, proxy=proxy, name="four", XksProxyAuthenticationCredential=hidden)
    assert told == "ValidationException" and "rawSecretAccessKey" in message and secret not in message  # K21
    assert code(kms.create_custom_key_store, CustomKeyStoreName="hsm", CloudHsmClusterId="cluster-aaaaaaaaaaa") == "ValidationException"
    assert code(kms.describe_custom_key_stores, CustomKeyStoreId=store, CustomKeyStoreName="store") == "ValidationException"
    assert len(kms.describe_custom_key_stores(Limit=1)["CustomKeyStores"]) == 1
    both = kms.get_paginator("describe_custom_key_stores").paginate(PaginationConfig={"PageSize": 1}).build_full_result()
    assert [entry["CustomKeyStoreName"] for entry in both["CustomKeyStores"]] == ["store", "two"]


def test_k138_what_changes_under_a_connection_and_what_does_not(server, proxy):
    kms = server.kms()
    store = connected(kms, proxy)
    kms.update_custom_key_store(CustomKeyStoreId=store, NewCustomKeyStoreName="renamed")
    endpoint = {"XksProxyUriEndpoint": proxy.endpoint.replace("127.0.0.1", "localhost")}
    assert code(kms.update_custom_key_store, CustomKeyStoreId=store, **endpoint) == "CustomKeyStoreInvalidStateException"
    wrong = {"AccessKeyId": "A" * 20, "RawSecretAccessKey": SECRET}
    change = dict(CustomKeyStoreId=store, XksProxyAuthenticationCredential=wrong)
    assert code(kms.update_custom_key_store, **change) == "XksProxyIncorrectAuthenticationCredentialException"
    right = {"AccessKeyId": ACCESS_KEY, "RawSecretAccessKey": SECRET}
    kms.update_custom_key_store(CustomKeyStoreId=store, XksProxyAuthenticationCredential=right)
    assert proxy.metadata()[-1]["kmsOperation"] == "UpdateCustomKeyStore"
    assert code(kms.update_custom_key_store, CustomKeyStoreId=store, XksProxyUriPath="/b/kms/xks/v1") == "XksProxyInvalidConfigurationException"
    assert code(kms.update_custom_key_store, CustomKeyStoreId=store, KeyStorePassword="kmsPassword") == "ValidationException"
    kms.disconnect_custom_key_store(CustomKeyStoreId=store)
    settled(kms, store)
    kms.update_custom_key_store(CustomKeyStoreId=store, **endpoint)
    entry = described(kms, store)
    assert (entry["CustomKeyStoreName"], entry["XksProxyConfiguration"]["UriEndpoint"]) == ("renamed", endpoint["XksProxyUriEndpoint"])


def test_k76_what_a_key_in_a_store_may_be(server, proxy):
    kms = server.kms()
    store = connected(kms, proxy)
    new_key(kms, store)
    assert code(new_key, kms=kms, store=store) == "XksKeyAlreadyInUseException"
    assert code(new_key, kms=kms, store=store, external="nobody") == "XksKeyNotFoundException"
    assert code(new_key, kms=kms, store="cks-1234567890abcdef0") == "CustomKeyStoreNotFoundException"
    for wrong in (
        dict(CustomKeyStoreId=store),
        dict(XksKeyId="other"),
        dict(Origin="EXTERNAL_KEY_STORE", CustomKeyStoreId=store),
        dict(Origin="EXTERNAL_KEY_STORE", XksKeyId="other"),
        dict(Origin="EXTERNAL_KEY_STORE", CustomKeyStoreId=store, XksKeyId=".."),
        dict(Origin="EXTERNAL_KEY_STORE", CustomKeyStoreId=store, XksKeyId="a/b"),
    ):
        assert code(kms.create_key, **wrong) == "ValidationException", wrong
    multi = dict(Origin="EXTERNAL_KEY_STORE", CustomKeyStoreId=store, XksKeyId="other", MultiRegion=True)
    assert code(kms.create_key, **multi) in ("UnsupportedOperationException", "ValidationException")
    assert code(kms.generate_random, NumberOfBytes=8, CustomKeyStoreId=store) == "UnsupportedOperationException"  # K139
    assert code(kms.generate_random, NumberOfBytes=8, CustomKeyStoreId="cks-1234567890abcdef0") == "CustomKeyStoreNotFoundException"


def test_a_slow_proxy_holds_up_nobody_else(server, proxy):
    kms, other = server.kms(), server.kms()
    store = connected(kms, proxy)
    outside, inside = new_key(kms, store)["Arn"], kms.create_key()["KeyMetadata"]["Arn"]
    release = threading.Event()
    proxy.misbehave = lambda *_: release.wait(30) and None
    ended = []

    def slow(function, **parameters):
        def run():
            try:
                function(**parameters)
                ended.append("done")
            except ClientError as refused:
                ended.append(refused.response["Error"]["Code"])

        thread = threading.Thread(target=run)
        thread.start()
        return thread

    # More calls than threads, and such as change the estate among them.
    waiting = [slow(server.kms().encrypt, KeyId=outside, Plaintext=b"x") for _ in range(8)]
    waiting.append(slow(server.kms().create_key, Origin="EXTERNAL_KEY_STORE", CustomKeyStoreId=store, XksKeyId="other"))
    for _ in range(200):
        if sum(1 for path, _ in proxy.requests if path.endswith(("/encrypt", "/other/metadata"))) >= 9:
            break
        time.sleep(0.05)
    for _ in range(20):
        other.encrypt(KeyId=inside, Plaintext=b"x")
        other.create_key()
    assert ended == []
    # What ends in the meantime has ended when the answer comes (T21).
    kms.disable_key(KeyId=outside)
    release.set()
    proxy.misbehave = None
    for thread in waiting:
        thread.join(30)
    assert sorted(ended) == ["DisabledException"] * 8 + ["done"]


def test_k141_a_proxy_has_a_quarter_of_a_second(tmp_path, proxy):
    server = Server(tmp_path, "--accounts", OWNER, "--xks-allow-http").start()
    kms = server.kms()
    store = create(kms, proxy, XksProxyConnectivity="VPC_ENDPOINT_SERVICE", XksProxyVpcEndpointServiceName="com.amazonaws.vpce.us-east-1.vpce-svc-0123456789abcdef0")
    release = threading.Event()
    proxy.misbehave = lambda *_: release.wait(20) and None
    kms.connect_custom_key_store(CustomKeyStoreId=store)
    assert settled(kms, store)["ConnectionErrorCode"] == "XKS_PROXY_TIMED_OUT"
    release.set()
    server.stop()


def test_the_trail_has_what_was_asked_and_nothing_secret(server, proxy):
    kms = server.kms()
    store = connected(kms, proxy)
    key = new_key(kms, store)["Arn"]
    sealed = seal(proxy, kms, key)
    kms.decrypt(CiphertextBlob=sealed)
    kms.update_custom_key_store(CustomKeyStoreId=store, XksProxyAuthenticationCredential={"AccessKeyId": ACCESS_KEY, "RawSecretAccessKey": SECRET})
    records = [json.loads(line) for line in keyward(server, "trail", "query", "-n", "100").splitlines()]
    named = {record["eventName"]: record for record in records}
    made = named["CreateCustomKeyStore"]
    assert made["requestParameters"] == {
        "customKeyStoreName": "store",
        "customKeyStoreType": "EXTERNAL_KEY_STORE",
        "xksProxyConnectivity": "PUBLIC_ENDPOINT",
        "xksProxyUriEndpoint": proxy.endpoint,
        "xksProxyUriPath": PATH,
    }
    assert made["responseElements"] == {"customKeyStoreId": store} and made["readOnly"] is False
    assert named["DescribeCustomKeyStores"]["readOnly"] is True
    for operation in ("Encrypt", "Decrypt"):
        assert named[operation]["additionalEventData"] == {"customKeyStoreId": store, "xksKeyId": "good"}  # A1010
    assert named["CreateKey"]["requestParameters"]["xksKeyId"] == "good"
    assert sum(record["eventName"] == "Encrypt" for record in records) == 1, "one record, however often it began"
    database = b"".join(path.read_bytes() for path in server.data.glob("keyward.db*"))
    assert SECRET not in json.dumps(records) and SECRET.encode() not in database


def test_stores_are_a_matter_of_identity_policies(server, proxy):
    kms, iam = server.kms(), server.client("iam")
    store = connected(kms, proxy)
    iam.create_user(UserName="reader")
    keys = iam.create_access_key(UserName="reader")["AccessKey"]
    reader = server.kms(credentials=keys)
    condition = {"StringEquals": {"kms:CallerAccount": OWNER}}
    statement = {"Effect": "Allow", "Action": "kms:DescribeCustomKeyStores", "Resource": "*", "Condition": condition}
    iam.put_user_policy(UserName="reader", PolicyName="p", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": statement}))
    assert described(reader, store)["ConnectionState"] == "CONNECTED"
    told, message = error(reader.disconnect_custom_key_store, CustomKeyStoreId=store)
    assert told == "AccessDeniedException" and "kms:DisconnectCustomKeyStore" in message
    assert code(reader.connect_custom_key_store, CustomKeyStoreId="cks-nothing") == "AccessDeniedException"
    assert code(create, kms=reader, proxy=proxy, name="mine") == "AccessDeniedException"
    asked = len(proxy.requests)
    assert code(reader.encrypt, KeyId=new_key(kms, store)["Arn"], Plaintext=b"x") == "AccessDeniedException"
    assert [path for path, _ in proxy.requests[asked:]] == [f"{PATH}/keys/good/metadata"], "who is refused asks nobody"


def test_proxies_are_reached_over_tls_and_only_those_of_the_authority(tmp_path):
    authority, foreign = Authority(tmp_path), Authority(tmp_path, "another authority")
    good, bad = Proxy(authority), Proxy(foreign)
    server = Server(tmp_path, "--accounts", OWNER, "--xks-ca", str(authority.path), "--xks-timeout-ms", "10000").start()
    kms = server.kms()
    store = connected(kms, good)
    key = new_key(kms, store)["Arn"]
    sealed = seal(good, kms, key)
    assert kms.decrypt(CiphertextBlob=sealed)["Plaintext"] == b"x"
    told, message = error(create, kms=kms, proxy=bad, name="bad")
    assert told == "XksProxyUriUnreachableException" and message.startswith("AWS KMS cannot establish a TLS connection")
    told, message = error(create, kms=kms, proxy=good, name="plain", XksProxyUriEndpoint=good.endpoint.replace("https", "http"))
    assert told == "ValidationException" and "--xks-allow-http" in message
    server.stop()
    for one in (good, bad):
        one.shutdown()
