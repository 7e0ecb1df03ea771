"""Plaintexts that go to an enclave only (K156): documents that are believed and that are not, and policies that ask for them."""

import json
import subprocess
import time

import cbor2
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat, load_der_private_key, load_der_public_key

from conftest import Server
from enclave import PCRS, Enclave, Hypervisor
from test_iam import allow, user
from test_kms import OWNER, policy, refused, root
from test_operate import keyward

NOT_ACCEPTED = "The attestation document is not accepted: "
IMAGE = "kms:RecipientAttestation:ImageSha384"


@pytest.fixture(scope="module")
def hypervisor(tmp_path_factory):
    return Hypervisor(tmp_path_factory.mktemp("hypervisor"))


@pytest.fixture(scope="module")
def trusting(tmp_path_factory, hypervisor):
    """A server that believes the hypervisor."""
    server = Server(tmp_path_factory.mktemp("server"), "--accounts", OWNER, "--attestation-root", str(hypervisor.path)).start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def enclave():
    return Enclave()


def to(document):
    return {"AttestationDocument": document, "KeyEncryptionAlgorithm": "RSAES_OAEP_SHA_256"}


def believed(hypervisor, enclave, **changes):
    return to(hypervisor.document(enclave, **changes))


def record(server, event):
    return json.loads(keyward(server, "trail", "query", "--event", event).splitlines()[-1])


def without(answer, *members):
    """K155, K156: nothing in the clear, and no material named."""
    assert not {*members, "KeyMaterialId"} & set(answer), set(answer)
    return answer["CiphertextForRecipient"]


def test_k156_decrypt_answers_to_the_enclave_only(trusting, hypervisor, enclave):
    kms = trusting.kms()
    key = kms.create_key()["KeyMetadata"]["Arn"]
    for secret in (b"x", b"a secret" * 2, bytes(4096)):
        blob = kms.encrypt(KeyId=key, Plaintext=secret)["CiphertextBlob"]
        for tagged in (False, True):
            answer = kms.decrypt(CiphertextBlob=blob, Recipient=believed(hypervisor, enclave, tagged=tagged))
            assert enclave.open(without(answer, "Plaintext")) == secret and answer["KeyId"] == key
    assert kms.decrypt(CiphertextBlob=blob)["Plaintext"] == secret
    rsa = kms.create_key(KeySpec="RSA_2048", KeyUsage="ENCRYPT_DECRYPT")["KeyMetadata"]["Arn"]
    using = {"KeyId": rsa, "EncryptionAlgorithm": "RSAES_OAEP_SHA_1"}
    blob = kms.encrypt(Plaintext=b"y", **using)["CiphertextBlob"]
    assert enclave.open(without(kms.decrypt(CiphertextBlob=blob, Recipient=believed(hypervisor, enclave), **using), "Plaintext")) == b"y"
    refused("DryRunOperationException", kms.decrypt, CiphertextBlob=blob, Recipient=believed(hypervisor, enclave), DryRun=True, **using)


def test_k156_data_keys_random_bytes_and_shared_secrets_too(trusting, hypervisor, enclave):
    kms = trusting.kms()
    key = kms.create_key()["KeyMetadata"]["Arn"]
    made = kms.generate_data_key(KeyId=key, KeySpec="AES_256", EncryptionContext={"a": "b"}, Recipient=believed(hypervisor, enclave))
    data_key = enclave.open(without(made, "Plaintext"))
    assert len(data_key) == 32 and data_key == kms.decrypt(CiphertextBlob=made["CiphertextBlob"], EncryptionContext={"a": "b"})["Plaintext"]
    assert len(enclave.open(without(kms.generate_random(NumberOfBytes=100, Recipient=believed(hypervisor, enclave)), "Plaintext"))) == 100

    for spec in ("ECC_NIST_P256", "RSA_2048"):
        pair = kms.generate_data_key_pair(KeyId=key, KeyPairSpec=spec, Recipient=believed(hypervisor, enclave))
        private = load_der_private_key(enclave.open(without(pair, "PrivateKeyPlaintext")), None)
        assert private.public_key() == load_der_public_key(pair["PublicKey"])

    agreeing = kms.create_key(KeySpec="ECC_NIST_P384", KeyUsage="KEY_AGREEMENT")["KeyMetadata"]["Arn"]
    own = ec.generate_private_key(ec.SECP384R1())
    asked = {"KeyId": agreeing, "KeyAgreementAlgorithm": "ECDH", "PublicKey": own.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)}
    secret = enclave.open(without(kms.derive_shared_secret(Recipient=believed(hypervisor, enclave), **asked), "SharedSecret"))
    assert secret == own.exchange(ec.ECDH(), load_der_public_key(kms.get_public_key(KeyId=agreeing)["PublicKey"]))
    assert secret == kms.derive_shared_secret(**asked)["SharedSecret"]


@pytest.mark.parametrize("bits", [3072, 4096])
def test_k156_longer_keys_of_enclaves(trusting, hypervisor, bits):
    enclave = Enclave(bits)
    answer = trusting.kms().generate_random(NumberOfBytes=32, Recipient=believed(hypervisor, enclave))
    assert len(enclave.open(answer["CiphertextForRecipient"])) == 32


def test_openssl_reads_what_comes(trusting, hypervisor, enclave, tmp_path):
    key = tmp_path / "enclave.pem"
    key.write_bytes(enclave.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    answer = trusting.kms().generate_random(NumberOfBytes=48, Recipient=believed(hypervisor, enclave))
    command = ["openssl", "cms", "-decrypt", "-binary", "-inform", "DER", "-inkey", str(key)]
    opened = subprocess.run(command, input=answer["CiphertextForRecipient"], capture_output=True, check=True).stdout
    assert opened == enclave.open(answer["CiphertextForRecipient"]) and len(opened) == 48


def test_k156_a_document_that_is_not_believed_gives_nothing(trusting, hypervisor, enclave, tmp_path):
    kms = trusting.kms()
    key = kms.create_key()["KeyMetadata"]["Arn"]
    blob = kms.encrypt(KeyId=key, Plaintext=b"x")["CiphertextBlob"]

    def told(document, call=kms.decrypt, **parameters):
        text = refused("ValidationException", call, Recipient=to(document), **(parameters or {"CiphertextBlob": blob}))
        assert text.startswith(NOT_ACCEPTED)
        return text.removeprefix(NOT_ACCEPTED)

    now = int(time.time() * 1000)
    no_root, no_signature = "no configured root vouches at this time for the certificate that signed it.", "its signature does not verify."
    assert told(Hypervisor(tmp_path).document(enclave)) == no_root
    payload = hypervisor.payload(enclave)
    parts = cbor2.loads(hypervisor.sign(payload))
    tampered = cbor2.loads(payload) | {"pcrs": PCRS | {0: bytes(48)}}
    assert told(cbor2.dumps([*parts[:2], cbor2.dumps(tampered), parts[3]])) == no_signature
    assert told(cbor2.dumps([*parts[:3], bytes(96)])) == no_signature
    assert told(hypervisor.document(enclave, leaf=hypervisor.issue((-60, -1)))) == no_root
    assert told(hypervisor.document(enclave, leaf=hypervisor.issue((10, 60)))) == no_root
    assert told(hypervisor.document(enclave, cabundle=[])) == no_root
    for minutes in (-6, 6):
        assert told(hypervisor.document(enclave, timestamp=now + minutes * 60_000)) == "its timestamp is not within 5 minutes of now."
    assert "public_key" in told(hypervisor.document(enclave, public_key=None))
    elliptic = ec.generate_private_key(ec.SECP384R1()).public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert "public_key" in told(hypervisor.document(enclave, public_key=elliptic))
    assert "CBOR" in told(b"x")
    assert "COSE_Sign1" in told(cbor2.dumps([]))

    # Whatever is called.
    told(b"x", kms.generate_data_key, KeyId=key, NumberOfBytes=8)
    told(b"x", kms.generate_data_key_pair, KeyId=key, KeyPairSpec="ECC_NIST_P256")
    told(b"x", kms.generate_random, NumberOfBytes=8)
    asked = {"KeyId": key, "KeyAgreementAlgorithm": "ECDH", "PublicKey": elliptic}
    told(b"x", kms.derive_shared_secret, **asked)
    assert refused("ValidationException", kms.generate_random, NumberOfBytes=8, Recipient={}) == "AttestationDocument is required."
    for wrong in (b"", bytes(262_145)):
        text = refused("ValidationException", kms.generate_random, NumberOfBytes=8, Recipient=to(wrong))
        assert "at 'recipient.attestationDocument' failed to satisfy constraint" in text


def test_k156_without_a_root_nobody_attests(server, hypervisor, enclave):
    kms = server.kms()
    key = kms.create_key()["KeyMetadata"]["Arn"]
    blob = kms.encrypt(KeyId=key, Plaintext=b"x")["CiphertextBlob"]
    calls = ((kms.decrypt, {"CiphertextBlob": blob}), (kms.generate_data_key, {"KeyId": key, "NumberOfBytes": 8}), (kms.generate_random, {"NumberOfBytes": 8}))
    for call, parameters in calls:
        text = refused("ValidationException", call, Recipient=believed(hypervisor, enclave), **parameters)
        assert "no attestation root is configured" in text and "--attestation-root" in text
        call(**parameters)


def test_roots_are_looked_at_before_anything_is_served(tmp_path):
    wrong = tmp_path / "root.pem"
    wrong.write_text("no certificate")
    for path in (wrong, tmp_path / "absent.pem"):
        with pytest.raises(AssertionError, match="did not become ready"):
            Server(tmp_path, "--accounts", OWNER, "--attestation-root", str(path)).start()


def test_a566_policies_ask_what_was_measured(trusting, hypervisor, enclave):
    kms, arn = trusting.kms(), f"arn:aws:iam::{OWNER}:user/enclaves-only"
    caller = trusting.kms(credentials=user(trusting, "enclaves-only"))
    using = ["kms:Decrypt", "kms:GenerateDataKey"]

    def statement(effect, condition=None):
        made = {"Effect": effect, "Principal": {"AWS": arn}, "Action": using, "Resource": "*"}
        return made | ({"Condition": condition} if condition else {})

    def key_with(*statements):
        return kms.create_key(Policy=policy(root(OWNER), *statements))["KeyMetadata"]["Arn"]

    def decided(key, recipient=None):
        more = {"Recipient": recipient} if recipient else {}
        blob = kms.encrypt(KeyId=key, Plaintext=b"x")["CiphertextBlob"]
        for call, parameters in ((caller.decrypt, {"CiphertextBlob": blob}), (caller.generate_data_key, {"KeyId": key, "NumberOfBytes": 8})):
            try:
                answer = call(**parameters, **more)
            except kms.exceptions.ClientError as error:
                assert error.response["Error"]["Code"] == "AccessDeniedException", error
                yield False
            else:
                assert ("CiphertextForRecipient" in answer) == (recipient is not None) == ("Plaintext" not in answer)
                yield True

    def check(key, recipient, expected):
        assert list(decided(key, recipient)) == [expected] * 2

    good, other = believed(hypervisor, enclave), believed(hypervisor, enclave, pcrs=PCRS | {0: bytes(48), 8: bytes(48)})
    image, signer = PCRS[0].hex(), PCRS[8].hex()
    for operator, name, value in (
        ("StringEqualsIgnoreCase", IMAGE, image.upper()),
        ("StringEqualsIgnoreCase", "kms:RecipientAttestation:PCR0", image),
        ("StringEquals", "kms:recipientattestation:pcr8", signer),
    ):
        key = key_with(statement("Allow", {operator: {name: value}}))
        check(key, good, True)
        check(key, other, False)
        check(key, None, False)
    # Values are in lower case, and the names of NitroTPM's registers are its own.
    check(key_with(statement("Allow", {"StringEquals": {IMAGE: image.upper()}})), good, False)
    of_tpm = key_with(statement("Allow", {"StringEquals": {"kms:RecipientAttestation:NitroTPMPCR4": PCRS[4].hex()}}))
    check(of_tpm, good, False)
    check(of_tpm, believed(hypervisor, enclave, pcrs=None, nitrotpm_pcrs=PCRS), True)
    check(key_with(statement("Allow", {"StringEquals": {IMAGE: image}})), believed(hypervisor, enclave, pcrs=None, nitrotpm_pcrs=PCRS), False)
    # Nobody without attestation, whatever else allows.
    key = key_with(statement("Allow"), statement("Deny", {"Null": {IMAGE: "true"}}))
    check(key, good, True)
    check(key, other, True)
    check(key, None, False)


def test_a566_identity_policies_ask_for_random_bytes(trusting, hypervisor, enclave):
    document = json.loads(allow("kms:GenerateRandom"))
    document["Statement"][0]["Condition"] = {"StringEquals": {"kms:RecipientAttestation:PCR8": PCRS[8].hex()}}
    caller = trusting.kms(credentials=user(trusting, "random-in-enclaves", random=json.dumps(document)))
    assert len(enclave.open(caller.generate_random(NumberOfBytes=8, Recipient=believed(hypervisor, enclave))["CiphertextForRecipient"])) == 8
    refused("AccessDeniedException", caller.generate_random, NumberOfBytes=8)
    refused("AccessDeniedException", caller.generate_random, NumberOfBytes=8, Recipient=believed(hypervisor, enclave, pcrs={0: PCRS[0]}))
    # Nothing is decided of a document that is not believed.
    refused("ValidationException", caller.generate_random, NumberOfBytes=8, Recipient=believed(hypervisor, enclave, timestamp=0))


def test_a1010_records_say_who_it_was_for(trusting, hypervisor, enclave):
    kms = trusting.kms()
    key = kms.create_key()["KeyMetadata"]["Arn"]
    kms.generate_data_key(KeyId=key, NumberOfBytes=8, Recipient=believed(hypervisor, enclave))
    made = record(trusting, "GenerateDataKey")
    told = made["additionalEventData"]
    registers = {f"attestationDocumentEnclavePCR{number}": PCRS[number].hex() for number in (1, 2, 3, 4, 8)}
    assert told["recipient"] == {
        "attestationDocumentModuleId": "i-0123456789abcdef0-enc0123456789abcdef",
        "attestationDocumentEnclaveImageDigest": PCRS[0].hex(),
        **registers,
    }
    assert "keyMaterialId" in told and made["requestParameters"] == {"keyId": key, "numberOfBytes": 8}
    kms.generate_random(NumberOfBytes=8, Recipient=believed(hypervisor, enclave, pcrs=None, nitrotpm_pcrs=PCRS))
    assert record(trusting, "GenerateRandom")["additionalEventData"]["recipient"] == {
        "attestationDocumentModuleId": "i-0123456789abcdef0-enc0123456789abcdef",
        "attestationDocumentNitroTPMPCR4": PCRS[4].hex(),
        "attestationDocumentNitroTPMPCR8": PCRS[8].hex(),
    }
    refused("ValidationException", kms.generate_random, NumberOfBytes=8, Recipient=believed(hypervisor, enclave, timestamp=0))
    assert "additionalEventData" not in record(trusting, "GenerateRandom")
