"""Every kind of key against another implementation (Python's `cryptography`, which is OpenSSL). Rule numbers are those of spec/."""

import base64
import hashlib
import hmac
import json
import os
import subprocess
import threading
import time

import pytest
from botocore.exceptions import ClientError
from cryptography.hazmat.primitives import hashes, keywrap
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, mldsa, mlkem, padding, rsa, utils
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat, load_der_private_key, load_der_public_key

from conftest import Server
from test_kms import OWNER, OTHER, policy, refused, root

RSA = ["RSA_2048", "RSA_3072", "RSA_4096"]
HASHES = {"256": hashes.SHA256(), "384": hashes.SHA384(), "512": hashes.SHA512()}
ECDSA = {"ECC_NIST_P256": "ECDSA_SHA_256", "ECC_NIST_P384": "ECDSA_SHA_384", "ECC_NIST_P521": "ECDSA_SHA_512", "ECC_SECG_P256K1": "ECDSA_SHA_256"}
CURVES = {"ECC_NIST_P256": ec.SECP256R1(), "ECC_NIST_P384": ec.SECP384R1(), "ECC_NIST_P521": ec.SECP521R1(), "ECC_SECG_P256K1": ec.SECP256K1()}
ML_DSA = {"ML_DSA_44": (2420, 1334), "ML_DSA_65": (3309, 1974), "ML_DSA_87": (4627, 2614)}
MESSAGE = b"a message of some length"


@pytest.fixture(scope="module")
def kms(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("server")).start()
    yield server.kms()
    server.stop()


def create(kms, spec, usage, **more):
    return kms.create_key(KeySpec=spec, KeyUsage=usage, **more)["KeyMetadata"]


def public_key(kms, key):
    return load_der_public_key(kms.get_public_key(KeyId=key)["PublicKey"])


def spki(private):
    return private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def message(call, **parameters):
    """The message of a refusal, with its code."""
    with pytest.raises(ClientError) as caught:
        call(**parameters)
    error = caught.value.response["Error"]
    return error["Code"], error.get("Message", "")


# K70: spec, usage, and the one list of algorithms in its metadata.
KINDS = [
    ("SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT", "EncryptionAlgorithms", ["SYMMETRIC_DEFAULT"]),
    *[(f"HMAC_{n}", "GENERATE_VERIFY_MAC", "MacAlgorithms", [f"HMAC_SHA_{n}"]) for n in (224, 256, 384, 512)],
    *[(spec, "ENCRYPT_DECRYPT", "EncryptionAlgorithms", ["RSAES_OAEP_SHA_1", "RSAES_OAEP_SHA_256"]) for spec in RSA],
    *[
        (spec, "SIGN_VERIFY", "SigningAlgorithms", [f"RSASSA_{kind}_SHA_{n}" for kind in ("PKCS1_V1_5", "PSS") for n in HASHES])
        for spec in RSA
    ],
    *[(spec, "SIGN_VERIFY", "SigningAlgorithms", [algorithm]) for spec, algorithm in ECDSA.items()],
    *[(spec, "KEY_AGREEMENT", "KeyAgreementAlgorithms", ["ECDH"]) for spec in ("ECC_NIST_P256", "ECC_NIST_P384", "ECC_NIST_P521")],
    ("ECC_NIST_EDWARDS25519", "SIGN_VERIFY", "SigningAlgorithms", ["ED25519_SHA_512", "ED25519_PH_SHA_512"]),
    *[(spec, "SIGN_VERIFY", "SigningAlgorithms", ["ML_DSA_SHAKE_256"]) for spec in ML_DSA],
    *[(f"ML_KEM_{n}", "ENCAPSULATE_DECAPSULATE", "EncapsulationAlgorithms", ["ML_KEM"]) for n in (512, 768, 1024)],
]
LISTS = {"EncryptionAlgorithms", "SigningAlgorithms", "MacAlgorithms", "KeyAgreementAlgorithms", "EncapsulationAlgorithms"}


@pytest.mark.parametrize("spec, usage, member, algorithms", KINDS, ids=lambda value: value if isinstance(value, str) else "")
def test_every_kind_of_key_is_made_and_described(kms, spec, usage, member, algorithms):
    made = create(kms, spec, usage, Description="d")
    assert made["KeySpec"] == made["CustomerMasterKeySpec"] == spec and made["KeyUsage"] == usage  # K72
    assert made[member] == algorithms and LISTS & made.keys() == {member}  # K80
    assert ("CurrentKeyMaterialId" in made) == (spec == "SYMMETRIC_DEFAULT")  # K80
    assert kms.describe_key(KeyId=made["KeyId"])["KeyMetadata"] == made
    if spec == "SYMMETRIC_DEFAULT" or spec.startswith("HMAC"):
        assert message(kms.get_public_key, KeyId=made["KeyId"]) == ("UnsupportedOperationException", "")  # K192
        return
    shown = kms.get_public_key(KeyId=made["KeyId"])
    assert shown["KeyId"] == made["Arn"] and shown[member] == algorithms and LISTS & shown.keys() == {member}  # K192
    assert (shown["KeySpec"], shown["CustomerMasterKeySpec"], shown["KeyUsage"]) == (spec, spec, usage)


def test_what_no_key_may_be(kms):
    check = lambda **asked: message(kms.create_key, **asked)
    assert check(KeySpec="RSA_2048") == (
        "ValidationException",
        "You must specify a KeyUsage value for all KMS keys except for symmetric encryption keys.",
    )  # K71
    for spec, usage in (("RSA_2048", "KEY_AGREEMENT"), ("ECC_SECG_P256K1", "KEY_AGREEMENT"), ("HMAC_256", "SIGN_VERIFY"), ("ML_KEM_768", "ENCRYPT_DECRYPT")):
        assert check(KeySpec=spec, KeyUsage=usage) == ("ValidationException", f"KeyUsage {usage} is not compatible with KeySpec {spec}")  # K71
    assert check(KeySpec="RSA_2048", KeyUsage="SIGN_VERIFY", Origin="AWS_CLOUDHSM") == (
        "ValidationException",
        "KeySpec RSA_2048 is not supported for Origin AWS_CLOUDHSM",
    )  # K73


@pytest.mark.parametrize("spec", RSA)
def test_rsa_signatures(kms, spec):
    key = create(kms, spec, "SIGN_VERIFY")["Arn"]
    public = public_key(kms, key)
    assert public.key_size == int(spec[4:]) and public.public_numbers().e == 65537
    for bits, hash_ in HASHES.items():
        digest = hashlib.new(f"sha{bits}", MESSAGE).digest()
        pss = padding.PSS(padding.MGF1(hash_), hash_.digest_size)  # K181: the salt is as long as the hash
        for algorithm, padded in ((f"RSASSA_PSS_SHA_{bits}", pss), (f"RSASSA_PKCS1_V1_5_SHA_{bits}", padding.PKCS1v15())):
            named = {"KeyId": key, "SigningAlgorithm": algorithm}
            raw = kms.sign(**named, Message=MESSAGE)
            assert (raw["KeyId"], raw["SigningAlgorithm"], len(raw["Signature"])) == (key, algorithm, public.key_size // 8)  # K182
            public.verify(raw["Signature"], MESSAGE, padded, hash_)
            digested = kms.sign(**named, Message=digest, MessageType="DIGEST")["Signature"]
            public.verify(digested, digest, padded, utils.Prehashed(hash_))
            # K184
            verified = kms.verify(**named, Message=MESSAGE, Signature=digested)
            assert (verified["SignatureValid"], verified["KeyId"], verified["SigningAlgorithm"]) == (True, key, algorithm)  # K183
            assert kms.verify(**named, Message=digest, MessageType="DIGEST", Signature=raw["Signature"])["SignatureValid"]
            wrong = message(kms.verify, **named, Message=b"another", Signature=raw["Signature"])
            assert wrong == ("KMSInvalidSignatureException", "")  # K183
            assert message(kms.sign, **named, Message=digest[1:], MessageType="DIGEST") == (
                "ValidationException",
                f"Digest is invalid length for algorithm {algorithm}.",
            )  # K180


@pytest.mark.parametrize("spec, algorithm", ECDSA.items())
def test_ecdsa_signatures(kms, spec, algorithm):
    key = create(kms, spec, "SIGN_VERIFY")["Arn"]
    public, hash_ = public_key(kms, key), HASHES[algorithm[-3:]]
    digest = hashlib.new(f"sha{algorithm[-3:]}", MESSAGE).digest()
    named = {"KeyId": key, "SigningAlgorithm": algorithm}
    raw = kms.sign(**named, Message=MESSAGE)["Signature"]
    public.verify(raw, MESSAGE, ec.ECDSA(hash_))  # K181: DER
    digested = kms.sign(**named, Message=digest, MessageType="DIGEST")["Signature"]
    public.verify(digested, MESSAGE, ec.ECDSA(hash_))
    assert kms.verify(**named, Message=digest, MessageType="DIGEST", Signature=raw)["SignatureValid"]  # K184
    for bad in (raw[:-1], raw + b"\0", b"\x30\x00", b"x" * 64):
        assert message(kms.verify, **named, Message=MESSAGE, Signature=bad) == ("KMSInvalidSignatureException", "")
    assert message(kms.sign, **named, Message=b"short", MessageType="DIGEST")[1] == f"Digest is invalid length for algorithm {algorithm}."
    assert message(kms.sign, **named, Message=bytes(64), MessageType="EXTERNAL_MU")[0] == "ValidationException"  # K181


def test_ed25519_signatures(kms):
    key = create(kms, "ECC_NIST_EDWARDS25519", "SIGN_VERIFY")["Arn"]
    public = public_key(kms, key)
    pure = {"KeyId": key, "SigningAlgorithm": "ED25519_SHA_512"}
    signature = kms.sign(**pure, Message=MESSAGE)["Signature"]
    public.verify(signature, MESSAGE)
    assert len(signature) == 64 and kms.verify(**pure, Message=MESSAGE, Signature=signature)["SignatureValid"]
    assert message(kms.sign, **pure, Message=bytes(64), MessageType="DIGEST")[0] == "ValidationException"  # K181
    prehashed, digest = {"KeyId": key, "SigningAlgorithm": "ED25519_PH_SHA_512"}, hashlib.sha512(MESSAGE).digest()
    signature = kms.sign(**prehashed, Message=digest, MessageType="DIGEST")["Signature"]
    assert ed25519ph_is_valid(public.public_bytes_raw(), digest, signature)  # K181: the digest is hashed once more
    assert not ed25519ph_is_valid(public.public_bytes_raw(), MESSAGE, signature)
    assert kms.verify(**prehashed, Message=digest, MessageType="DIGEST", Signature=signature)["SignatureValid"]
    assert message(kms.verify, **pure, Message=digest, Signature=signature) == ("KMSInvalidSignatureException", "")
    assert message(kms.sign, **prehashed, Message=MESSAGE)[0] == "ValidationException"
    assert message(kms.sign, **prehashed, Message=digest[1:], MessageType="DIGEST")[1] == (
        "Digest is invalid length for algorithm ED25519_PH_SHA_512."
    )  # K180


def ed25519ph_is_valid(public, message, signature):
    """RFC 8032, section 5.1.7 for Ed25519ph with an empty context, written down from the RFC: no library here has it."""
    p = 2**255 - 19
    d = -121665 * pow(121666, -1, p) % p

    def point(encoded):
        y = int.from_bytes(encoded, "little")
        sign, y = y >> 255, y & (2**255 - 1)
        square = (y * y - 1) * pow(d * y * y + 1, -1, p) % p
        x = pow(square, (p + 3) // 8, p)
        if x * x % p != square:
            x = x * pow(2, (p - 1) // 4, p) % p
        assert x * x % p == square
        return (p - x if x & 1 != sign else x), y

    def add(a, b):
        product = d * a[0] * b[0] * a[1] * b[1] % p
        return (a[0] * b[1] + a[1] * b[0]) * pow(1 + product, -1, p) % p, (a[1] * b[1] + a[0] * b[0]) * pow(1 - product, -1, p) % p

    def times(scalar, base):
        result = (0, 1)
        while scalar:
            result, base, scalar = add(result, base) if scalar & 1 else result, add(base, base), scalar >> 1
        return result

    base = point((4 * pow(5, -1, p) % p).to_bytes(32, "little"))
    prefix = b"SigEd25519 no Ed25519 collisions" + bytes([1, 0])
    k = int.from_bytes(hashlib.sha512(prefix + signature[:32] + public + hashlib.sha512(message).digest()).digest(), "little")
    left = times(int.from_bytes(signature[32:], "little"), base)
    return left == add(point(signature[:32]), times(k % (2**252 + 27742317777372353535851937790883648493), point(public)))


@pytest.mark.parametrize("spec", ML_DSA)
def test_ml_dsa_signatures(kms, spec):
    signature_bytes, spki_bytes = ML_DSA[spec]
    key = create(kms, spec, "SIGN_VERIFY")["Arn"]
    shown = kms.get_public_key(KeyId=key)["PublicKey"]
    public = load_der_public_key(shown)
    assert len(shown) == spki_bytes  # K192
    named = {"KeyId": key, "SigningAlgorithm": "ML_DSA_SHAKE_256"}
    signature = kms.sign(**named, Message=MESSAGE)["Signature"]
    assert len(signature) == signature_bytes  # K181
    public.verify(signature, MESSAGE)
    # FIPS 204, section 6.2: what is signed of public key and message, made by the caller.
    mu = hashlib.shake_256(hashlib.shake_256(public.public_bytes_raw()).digest(64) + b"\0\0" + MESSAGE).digest(64)
    external = kms.sign(**named, Message=mu, MessageType="EXTERNAL_MU")["Signature"]
    public.verify(external, MESSAGE)
    assert kms.verify(**named, Message=MESSAGE, Signature=external)["SignatureValid"]
    assert kms.verify(**named, Message=mu, MessageType="EXTERNAL_MU", Signature=signature)["SignatureValid"]
    assert message(kms.verify, **named, Message=b"another", Signature=signature) == ("KMSInvalidSignatureException", "")
    assert message(kms.sign, **named, Message=mu[1:], MessageType="EXTERNAL_MU")[0] == "ValidationException"  # K180
    assert message(kms.sign, **named, Message=mu, MessageType="DIGEST")[0] == "ValidationException"  # K181


@pytest.mark.parametrize("spec", RSA)
def test_oaep_both_ways(kms, spec):
    key = create(kms, spec, "ENCRYPT_DECRYPT")["Arn"]
    public = public_key(kms, key)
    for algorithm, hash_ in (("RSAES_OAEP_SHA_1", hashes.SHA1()), ("RSAES_OAEP_SHA_256", hashes.SHA256())):
        named = {"KeyId": key, "EncryptionAlgorithm": algorithm}
        longest = public.key_size // 8 - 2 * hash_.digest_size - 2
        encrypted = kms.encrypt(**named, Plaintext=b"x" * longest)
        assert encrypted["EncryptionAlgorithm"] == algorithm and len(encrypted["CiphertextBlob"]) == public.key_size // 8  # K161
        decrypted = kms.decrypt(**named, CiphertextBlob=encrypted["CiphertextBlob"])
        assert (decrypted["Plaintext"], decrypted["KeyId"], decrypted["EncryptionAlgorithm"]) == (b"x" * longest, key, algorithm)
        assert "KeyMaterialId" not in decrypted  # K155
        assert message(kms.encrypt, **named, Plaintext=b"x" * (longest + 1)) == (
            "ValidationException",
            f"Algorithm {algorithm} and key spec {spec} cannot encrypt data larger than {longest} bytes.",
        )  # K160
        offline = public.encrypt(b"offline", padding.OAEP(padding.MGF1(hash_), hash_, None))
        assert kms.decrypt(**named, CiphertextBlob=offline)["Plaintext"] == b"offline"
        for bad in (offline[:-1], offline[:-1] + bytes([offline[-1] ^ 1]), b"x"):
            assert message(kms.decrypt, **named, CiphertextBlob=bad) == ("InvalidCiphertextException", "")  # K163
        assert message(kms.decrypt, CiphertextBlob=offline, EncryptionAlgorithm=algorithm) == ("ValidationException", "KeyId is required.")  # K162
        refused("DryRunOperationException", kms.decrypt, **named, CiphertextBlob=offline, DryRun=True)
        refused("ValidationException", kms.encrypt, **named, Plaintext=b"x", EncryptionContext={"a": "b"})  # K151
    assert message(kms.encrypt, KeyId=key, Plaintext=b"x") == (
        "InvalidKeyUsageException",
        f"Algorithm SYMMETRIC_DEFAULT is incompatible with key spec {spec}.",
    )  # K150
    assert message(kms.generate_data_key, KeyId=key, KeySpec="AES_256")[1] == f"Algorithm SYMMETRIC_DEFAULT is incompatible with key spec {spec}."  # K170


def test_reencryption_between_kinds_of_keys(kms):
    symmetric = kms.create_key()["KeyMetadata"]["Arn"]
    pair = create(kms, "RSA_2048", "ENCRYPT_DECRYPT")["Arn"]
    blob = kms.encrypt(KeyId=symmetric, Plaintext=b"secret", EncryptionContext={"a": "b"})["CiphertextBlob"]
    out = kms.re_encrypt(
        CiphertextBlob=blob, SourceEncryptionContext={"a": "b"}, DestinationKeyId=pair, DestinationEncryptionAlgorithm="RSAES_OAEP_SHA_256"
    )
    assert (out["SourceKeyId"], out["KeyId"]) == (symmetric, pair) and "DestinationKeyMaterialId" not in out  # K165
    assert (out["SourceEncryptionAlgorithm"], out["DestinationEncryptionAlgorithm"]) == ("SYMMETRIC_DEFAULT", "RSAES_OAEP_SHA_256")
    back = kms.re_encrypt(
        CiphertextBlob=out["CiphertextBlob"], SourceKeyId=pair, SourceEncryptionAlgorithm="RSAES_OAEP_SHA_256", DestinationKeyId=symmetric
    )
    assert kms.decrypt(CiphertextBlob=back["CiphertextBlob"])["Plaintext"] == b"secret" and "SourceKeyMaterialId" not in back
    long = kms.encrypt(KeyId=symmetric, Plaintext=b"x" * 191)["CiphertextBlob"]
    assert message(kms.re_encrypt, CiphertextBlob=long, DestinationKeyId=pair, DestinationEncryptionAlgorithm="RSAES_OAEP_SHA_256")[1] == (
        "Algorithm RSAES_OAEP_SHA_256 and key spec RSA_2048 cannot encrypt data larger than 190 bytes."
    )  # K165


@pytest.mark.parametrize("bits", [224, 256, 384, 512])
def test_macs(kms, bits):
    key = create(kms, f"HMAC_{bits}", "GENERATE_VERIFY_MAC")["Arn"]
    named = {"KeyId": key, "MacAlgorithm": f"HMAC_SHA_{bits}", "Message": MESSAGE}
    made = kms.generate_mac(**named)
    assert (made["KeyId"], made["MacAlgorithm"], len(made["Mac"])) == (key, f"HMAC_SHA_{bits}", bits // 8)  # K185
    verified = kms.verify_mac(**named, Mac=made["Mac"])
    assert (verified["MacValid"], verified["KeyId"], verified["MacAlgorithm"]) == (True, key, f"HMAC_SHA_{bits}")
    for bad in (made["Mac"][:-1], made["Mac"] + b"\0", bytes(bits // 8)):
        assert message(kms.verify_mac, **named, Mac=bad) == ("KMSInvalidMacException", "")  # K185
    other = 256 if bits != 256 else 512
    assert message(kms.generate_mac, KeyId=key, MacAlgorithm=f"HMAC_SHA_{other}", Message=b"x") == (
        "InvalidKeyUsageException",
        f"Algorithm HMAC_SHA_{other} is incompatible with key spec HMAC_{bits}.",
    )  # K150
    assert message(kms.generate_mac, **named, DryRun=True)[0] == "DryRunOperationException"
    blob = kms.encrypt(KeyId=kms.create_key()["KeyMetadata"]["Arn"], Plaintext=b"x")["CiphertextBlob"]
    assert message(kms.decrypt, KeyId=key, CiphertextBlob=blob)[0] == "IncorrectKeyException"  # K163


@pytest.mark.parametrize("spec", ["ECC_NIST_P256", "ECC_NIST_P384", "ECC_NIST_P521"])
def test_key_agreement_both_ways(kms, spec):
    key = create(kms, spec, "KEY_AGREEMENT")["Arn"]
    own, public = ec.generate_private_key(CURVES[spec]), public_key(kms, key)
    named = {"KeyId": key, "KeyAgreementAlgorithm": "ECDH"}
    derived = kms.derive_shared_secret(**named, PublicKey=spki(own))
    assert derived["SharedSecret"] == own.exchange(ec.ECDH(), public)  # K190
    assert (derived["KeyId"], derived["KeyAgreementAlgorithm"], derived["KeyOrigin"]) == (key, "ECDH", "AWS_KMS")
    another = ec.generate_private_key(CURVES["ECC_SECG_P256K1"])
    for bad in (b"x", spki(own) + b"\0", spki(another), own.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)):
        assert message(kms.derive_shared_secret, **named, PublicKey=bad) == ("ValidationException", "")  # K190, K15
    assert message(kms.sign, KeyId=key, Message=b"x", SigningAlgorithm=ECDSA[spec]) == (
        "InvalidKeyUsageException",
        f"{key} key usage is KEY_AGREEMENT which is not valid for Sign.",
    )  # K150


@pytest.mark.parametrize("bits, ciphertext_bytes, spki_bytes", [(512, 768, 822), (768, 1088, 1206), (1024, 1568, 1590)])
def test_encapsulation(kms, bits, ciphertext_bytes, spki_bytes):
    key = create(kms, f"ML_KEM_{bits}", "ENCAPSULATE_DECAPSULATE")["Arn"]
    named = {"KeyId": key, "EncapsulationAlgorithm": "ML_KEM"}
    made = kms.encapsulate(**named)
    assert (len(made["SharedSecret"]), len(made["SharedSecretCiphertextBlob"]), made["KeyId"]) == (32, ciphertext_bytes, key)  # K191
    found = kms.decapsulate(**named, SharedSecretCiphertextBlob=made["SharedSecretCiphertextBlob"])
    assert (found["SharedSecret"], found["EncapsulationAlgorithm"], found["KeyId"]) == (made["SharedSecret"], "ML_KEM", key)
    garbage = kms.decapsulate(**named, SharedSecretCiphertextBlob=b"x" * ciphertext_bytes)["SharedSecret"]
    assert len(garbage) == 32 and garbage == kms.decapsulate(**named, SharedSecretCiphertextBlob=b"x" * ciphertext_bytes)["SharedSecret"]
    short = message(kms.decapsulate, **named, SharedSecretCiphertextBlob=b"x" * (ciphertext_bytes - 1))
    assert short == ("InvalidCiphertextException", "")  # K191
    shown = kms.get_public_key(KeyId=key)["PublicKey"]
    assert len(shown) == spki_bytes  # K192
    if bits != 512:  # which Python's library does not have
        secret, ciphertext = load_der_public_key(shown).encapsulate()
        assert kms.decapsulate(**named, SharedSecretCiphertextBlob=ciphertext)["SharedSecret"] == secret


PAIRS = [*RSA, *CURVES, "ECC_NIST_EDWARDS25519", "ML_KEM_512", "ML_KEM_768", "ML_KEM_1024"]


@pytest.mark.parametrize("spec", PAIRS)
def test_data_key_pairs(kms, spec):
    key = kms.create_key()["KeyMetadata"]
    made = kms.generate_data_key_pair(KeyId=key["KeyId"], KeyPairSpec=spec, EncryptionContext={"a": "b"})
    assert (made["KeyId"], made["KeyPairSpec"], made["KeyMaterialId"]) == (key["Arn"], spec, key["CurrentKeyMaterialId"])  # K171
    opened = kms.decrypt(CiphertextBlob=made["PrivateKeyCiphertextBlob"], EncryptionContext={"a": "b"})["Plaintext"]
    assert opened == made["PrivateKeyPlaintext"]
    if spec == "ML_KEM_512":  # which Python's library does not have: RFC 9935, section 6, seed form
        assert opened[:22].hex() == "3054020100300b060960864801650304040104428040" and len(opened) == 86
    else:
        assert spki(load_der_private_key(opened, None)) == made["PublicKey"]
    hidden = kms.generate_data_key_pair_without_plaintext(KeyId=key["KeyId"], KeyPairSpec=spec)
    assert "PrivateKeyPlaintext" not in hidden and hidden["PublicKey"] != made["PublicKey"]
    opened = kms.decrypt(CiphertextBlob=hidden["PrivateKeyCiphertextBlob"])["Plaintext"]
    assert spec == "ML_KEM_512" or spki(load_der_private_key(opened, None)) == hidden["PublicKey"]


def test_data_key_pairs_are_of_symmetric_keys_and_of_their_specs(kms):
    key = create(kms, "HMAC_256", "GENERATE_VERIFY_MAC")["Arn"]
    assert message(kms.generate_data_key_pair, KeyId=key, KeyPairSpec="ECC_NIST_P256") == (
        "InvalidKeyUsageException",
        f"{key} key usage is GENERATE_VERIFY_MAC which is not valid for GenerateDataKeyPair.",
    )  # K150
    symmetric = kms.create_key()["KeyMetadata"]["Arn"]
    code, text = message(kms.generate_data_key_pair, KeyId=symmetric, KeyPairSpec="ML_DSA_44")
    assert code == "ValidationException" and "'keyPairSpec' failed to satisfy constraint: Member must satisfy enum value set" in text  # K171
    assert message(kms.generate_data_key_pair, KeyId=symmetric, KeyPairSpec="RSA_4096", DryRun=True)[0] == "DryRunOperationException"


def test_usage_comes_before_algorithm_and_state_before_both(kms):
    key = create(kms, "ECC_NIST_P256", "SIGN_VERIFY")["Arn"]
    for call, operation, more in (
        (kms.encrypt, "Encrypt", {"Plaintext": b"x"}),
        (kms.generate_mac, "GenerateMac", {"Message": b"x", "MacAlgorithm": "HMAC_SHA_256"}),
        (kms.derive_shared_secret, "DeriveSharedSecret", {"KeyAgreementAlgorithm": "ECDH", "PublicKey": b"x"}),
        (kms.encapsulate, "Encapsulate", {"EncapsulationAlgorithm": "ML_KEM"}),
    ):
        assert message(call, KeyId=key, **more) == (
            "InvalidKeyUsageException",
            f"{key} key usage is SIGN_VERIFY which is not valid for {operation}.",
        )  # K150
    assert message(kms.sign, KeyId=key, Message=b"x", SigningAlgorithm="ECDSA_SHA_512") == (
        "InvalidKeyUsageException",
        "Algorithm ECDSA_SHA_512 is incompatible with key spec ECC_NIST_P256.",
    )  # K150
    assert message(kms.sign, KeyId=key, Message=b"x", SigningAlgorithm="ECDSA_SHA_256", MessageType="DIGEST", DryRun=True)[0] == "ValidationException"
    kms.disable_key(KeyId=key)
    for call in (kms.encrypt, kms.get_public_key, kms.sign, kms.verify):
        more = {"Plaintext": b"x"} if call == kms.encrypt else {"Message": b"x", "SigningAlgorithm": "ECDSA_SHA_256"}
        more |= {"Signature": b"x"} if call == kms.verify else {}
        assert message(call, KeyId=key, **({} if call == kms.get_public_key else more)) == ("DisabledException", f"{key} is disabled.")  # K86


def test_conditions_see_algorithms_and_types(server):
    kms, other = server.kms(), server.kms(OTHER)
    statement = {**root(OTHER, "kms:Sign"), "Condition": {"StringEquals": {"kms:SigningAlgorithm": "RSASSA_PSS_SHA_256", "kms:MessageType": "RAW"}}}
    key = create(kms, "RSA_2048", "SIGN_VERIFY", Policy=policy(root(OWNER), statement))["Arn"]
    sign = lambda **more: other.sign(KeyId=key, Message=bytes(32), **more)
    assert sign(SigningAlgorithm="RSASSA_PSS_SHA_256")["Signature"]  # A502: RAW by default
    refused("AccessDeniedException", sign, SigningAlgorithm="RSASSA_PSS_SHA_256", MessageType="DIGEST")  # A558
    refused("AccessDeniedException", sign, SigningAlgorithm="RSASSA_PSS_SHA_384")
    refused("AccessDeniedException", other.verify, KeyId=key, Message=b"x", Signature=b"x", SigningAlgorithm="RSASSA_PSS_SHA_256")
    conditions = {
        "HMAC_256": ("GENERATE_VERIFY_MAC", "kms:GenerateMac", {"kms:MacAlgorithm": "HMAC_SHA_512"}),
        "ECC_NIST_P256": ("KEY_AGREEMENT", "kms:DeriveSharedSecret", {"kms:KeyAgreementAlgorithm": "DH"}),
    }
    for spec, (usage, action, wanted) in conditions.items():
        key = create(kms, spec, usage, Policy=policy(root(OWNER), {**root(OTHER, action), "Condition": {"StringEquals": wanted}}))["Arn"]
        if spec == "HMAC_256":
            refused("AccessDeniedException", other.generate_mac, KeyId=key, Message=b"x", MacAlgorithm="HMAC_SHA_256")  # A559
            # Allowed, then not of this key: permission comes before algorithm (K25).
            refused("InvalidKeyUsageException", other.generate_mac, KeyId=key, Message=b"x", MacAlgorithm="HMAC_SHA_512")
        else:
            refused("AccessDeniedException", other.derive_shared_secret, KeyId=key, KeyAgreementAlgorithm="ECDH", PublicKey=b"x")
    pairs = {**root(OTHER, "kms:GenerateDataKeyPair*"), "Condition": {"StringLike": {"kms:DataKeyPairSpec": "ECC_*"}}}
    key = kms.create_key(Policy=policy(root(OWNER), pairs))["KeyMetadata"]["Arn"]
    assert other.generate_data_key_pair(KeyId=key, KeyPairSpec="ECC_NIST_P256")["PublicKey"]  # A557
    refused("AccessDeniedException", other.generate_data_key_pair_without_plaintext, KeyId=key, KeyPairSpec="ML_KEM_512")
    oaep = {**root(OTHER, "kms:Encrypt"), "Condition": {"StringEquals": {"kms:EncryptionAlgorithm": "RSAES_OAEP_SHA_256"}}}
    key = create(kms, "RSA_2048", "ENCRYPT_DECRYPT", Policy=policy(root(OWNER), oaep))["Arn"]
    assert other.encrypt(KeyId=key, Plaintext=b"x", EncryptionAlgorithm="RSAES_OAEP_SHA_256")["CiphertextBlob"]  # A544
    refused("AccessDeniedException", other.encrypt, KeyId=key, Plaintext=b"x", EncryptionAlgorithm="RSAES_OAEP_SHA_1")


def test_grants_of_asymmetric_keys(server):
    kms, other = server.kms(), server.kms(OTHER)
    key = create(kms, "ECC_NIST_P256", "SIGN_VERIFY")["Arn"]
    grant = kms.create_grant(KeyId=key, GranteePrincipal=f"arn:aws:iam::{OTHER}:root", Operations=["Sign", "GetPublicKey"])
    signature = other.sign(KeyId=key, Message=b"x", SigningAlgorithm="ECDSA_SHA_256", GrantTokens=[grant["GrantToken"]])["Signature"]
    load_der_public_key(other.get_public_key(KeyId=key)["PublicKey"]).verify(signature, b"x", ec.ECDSA(hashes.SHA256()))
    refused("AccessDeniedException", other.verify, KeyId=key, Message=b"x", Signature=signature, SigningAlgorithm="ECDSA_SHA_256")
    refused("ValidationException", kms.create_grant, KeyId=key, GranteePrincipal=f"arn:aws:iam::{OTHER}:root", Operations=["Decrypt"])  # K196


def test_records_tell_algorithms_and_nothing_secret(server):
    kms = server.kms()
    key = create(kms, "ECC_NIST_P256", "SIGN_VERIFY")["Arn"]
    signature = kms.sign(KeyId=key, Message=b"secret message", SigningAlgorithm="ECDSA_SHA_256")["Signature"]
    kms.verify(KeyId=key, Message=b"secret message", Signature=signature, SigningAlgorithm="ECDSA_SHA_256")
    kms.generate_data_key_pair(KeyId=kms.create_key()["KeyMetadata"]["KeyId"], KeyPairSpec="ECC_NIST_P256")
    records = {record["eventName"]: record for record in trail(server)}
    expected = {"keyId": key, "messageType": "RAW", "signingAlgorithm": "ECDSA_SHA_256"}
    for name in ("Sign", "Verify"):
        assert records[name]["requestParameters"] == expected and records[name]["responseElements"] is None  # A1006
        assert records[name]["readOnly"] is True and records[name]["resources"][0]["ARN"] == key  # A1005, A1007
    assert records["GenerateDataKeyPair"]["requestParameters"]["keyPairSpec"] == "ECC_NIST_P256"
    made = records["CreateKey"]["responseElements"]["keyMetadata"]
    assert made["encryptionAlgorithms"] == ["SYMMETRIC_DEFAULT"] and "signingAlgorithms" not in made
    text = json.dumps(list(records.values()))
    assert base64.b64encode(b"secret message").decode() not in text and base64.b64encode(signature).decode() not in text


def trail(server):
    binary = os.path.abspath(os.environ["KEYWARD_BIN"])
    shown = subprocess.run([binary, "trail", "query", "--data", str(server.data)], capture_output=True, text=True, check=True).stdout
    return [json.loads(line) for line in shown.splitlines()]


def test_an_rsa_key_in_the_making_keeps_nobody_waiting(server):
    kms = server.kms()
    symmetric = kms.create_key()["KeyMetadata"]["Arn"]
    clients = [server.kms() for _ in range(4)]
    making = [threading.Thread(target=create, args=(client, "RSA_4096", "SIGN_VERIFY")) for client in clients]
    for thread in making:
        thread.start()
    others = 0
    while any(thread.is_alive() for thread in making):
        begun = time.monotonic()
        kms.encrypt(KeyId=symmetric, Plaintext=b"x")
        kms.update_key_description(KeyId=symmetric, Description=str(others))
        others += 1
        assert time.monotonic() - begun < 5
    # Four keys of 4096 bits take seconds, one after the other; each of the other calls takes milliseconds.
    assert others > 10
    assert len(kms.list_keys()["Keys"]) == 5


def test_whoever_may_not_has_no_key_made(server):
    other = server.kms(OTHER)
    key = server.kms().create_key()["KeyMetadata"]["Arn"]
    begun = time.monotonic()
    for _ in range(20):
        refused("AccessDeniedException", other.generate_data_key_pair, KeyId=key, KeyPairSpec="RSA_4096")
    assert time.monotonic() - begun < 4


def test_keys_survive_a_restart(server):
    kms = server.kms()
    signing = create(kms, "ML_DSA_44", "SIGN_VERIFY")["Arn"]
    pair = create(kms, "RSA_2048", "ENCRYPT_DECRYPT")["Arn"]
    mac = create(kms, "HMAC_384", "GENERATE_VERIFY_MAC")["Arn"]
    signature = kms.sign(KeyId=signing, Message=MESSAGE, SigningAlgorithm="ML_DSA_SHAKE_256")["Signature"]
    ciphertext = kms.encrypt(KeyId=pair, Plaintext=b"kept", EncryptionAlgorithm="RSAES_OAEP_SHA_1")["CiphertextBlob"]
    code = kms.generate_mac(KeyId=mac, Message=MESSAGE, MacAlgorithm="HMAC_SHA_384")["Mac"]
    assert server.stop() == 0
    kms = server.start().kms()
    assert kms.verify(KeyId=signing, Message=MESSAGE, Signature=signature, SigningAlgorithm="ML_DSA_SHAKE_256")["SignatureValid"]
    assert kms.decrypt(KeyId=pair, CiphertextBlob=ciphertext, EncryptionAlgorithm="RSAES_OAEP_SHA_1")["Plaintext"] == b"kept"
    assert kms.verify_mac(KeyId=mac, Message=MESSAGE, Mac=code, MacAlgorithm="HMAC_SHA_384")["MacValid"]


def imported(kms, spec, usage, plain, wrapping):
    """A key whose material was made here, wrapped as K112 says."""
    key = create(kms, spec, usage, Origin="EXTERNAL")
    assert key["KeyState"] == "PendingImport" and "CurrentKeyMaterialId" not in key  # K80
    told = kms.get_parameters_for_import(KeyId=key["KeyId"], WrappingAlgorithm=wrapping, WrappingKeySpec="RSA_4096")
    public, oaep = load_der_public_key(told["PublicKey"]), padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)
    wrapped = public.encrypt(plain, oaep) if wrapping == "RSAES_OAEP_SHA_256" else None
    if wrapped is None:
        ephemeral = os.urandom(32)
        wrapped = public.encrypt(ephemeral, oaep) + keywrap.aes_key_wrap_with_padding(ephemeral, plain)
    named = {"KeyId": key["KeyId"], "ImportToken": told["ImportToken"], "EncryptedKeyMaterial": wrapped}
    answer = kms.import_key_material(**named, ExpirationModel="KEY_MATERIAL_DOES_NOT_EXPIRE")
    assert "KeyMaterialId" not in answer  # K115
    shown = kms.describe_key(KeyId=key["KeyId"])["KeyMetadata"]
    assert shown["KeyState"] == "Enabled" and "CurrentKeyMaterialId" not in shown
    return key["KeyId"]


def test_imported_keys_of_every_kind(kms):
    pkcs8 = lambda key: key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    oaep, aes = "RSAES_OAEP_SHA_256", "RSA_AES_KEY_WRAP_SHA_256"
    pair = rsa.generate_private_key(65537, 3072)
    key = imported(kms, "RSA_3072", "SIGN_VERIFY", pkcs8(pair), aes)
    signature = kms.sign(KeyId=key, Message=MESSAGE, SigningAlgorithm="RSASSA_PKCS1_V1_5_SHA_256")["Signature"]
    pair.public_key().verify(signature, MESSAGE, padding.PKCS1v15(), hashes.SHA256())
    for spec, curve in CURVES.items():
        pair = ec.generate_private_key(curve)
        key = imported(kms, spec, "SIGN_VERIFY", pkcs8(pair), oaep)
        signature = kms.sign(KeyId=key, Message=MESSAGE, SigningAlgorithm=ECDSA[spec])["Signature"]
        pair.public_key().verify(signature, MESSAGE, ec.ECDSA(HASHES[ECDSA[spec][-3:]]))
    pair = ed25519.Ed25519PrivateKey.generate()
    key = imported(kms, "ECC_NIST_EDWARDS25519", "SIGN_VERIFY", pkcs8(pair), oaep)
    pair.public_key().verify(kms.sign(KeyId=key, Message=MESSAGE, SigningAlgorithm="ED25519_SHA_512")["Signature"], MESSAGE)
    pair = mldsa.MLDSA44PrivateKey.generate()
    key = imported(kms, "ML_DSA_44", "SIGN_VERIFY", pkcs8(pair), aes)
    pair.public_key().verify(kms.sign(KeyId=key, Message=MESSAGE, SigningAlgorithm="ML_DSA_SHAKE_256")["Signature"], MESSAGE)
    pair = mlkem.MLKEM768PrivateKey.generate()
    key = imported(kms, "ML_KEM_768", "ENCAPSULATE_DECAPSULATE", pkcs8(pair), aes)
    made = kms.encapsulate(KeyId=key, EncapsulationAlgorithm="ML_KEM")
    assert pair.decapsulate(made["SharedSecretCiphertextBlob"]) == made["SharedSecret"]
    key = imported(kms, "HMAC_512", "GENERATE_VERIFY_MAC", b"k" * 100, oaep)  # K111: 64 to 128 bytes
    assert kms.generate_mac(KeyId=key, Message=MESSAGE, MacAlgorithm="HMAC_SHA_512")["Mac"] == hmac.new(b"k" * 100, MESSAGE, "sha512").digest()


def test_a_replica_has_the_same_key_pair(server):
    kms, there = server.kms(), server.kms(region="eu-west-1")
    key = create(kms, "RSA_2048", "ENCRYPT_DECRYPT", MultiRegion=True)["KeyId"]
    kms.replicate_key(KeyId=key, ReplicaRegion="eu-west-1")
    named = {"KeyId": key, "EncryptionAlgorithm": "RSAES_OAEP_SHA_256"}
    ciphertext = kms.encrypt(**named, Plaintext=b"x")["CiphertextBlob"]
    assert there.decrypt(**named, CiphertextBlob=ciphertext)["Plaintext"] == b"x"  # K122, K124
    assert there.get_public_key(KeyId=key)["PublicKey"] == kms.get_public_key(KeyId=key)["PublicKey"]


def test_seed_files_have_keys_of_every_kind(tmp_path):
    pair = rsa.generate_private_key(65537, 2048)
    signing = mldsa.MLDSA65PrivateKey.generate()
    pkcs8 = lambda key: base64.b64encode(key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())).decode()
    keys = {
        "00000000-0000-4000-8000-000000000001": {"spec": "RSA_2048", "usage": "SIGN_VERIFY", "material": pkcs8(pair)},
        "00000000-0000-4000-8000-000000000002": {"spec": "ML_DSA_65", "material": pkcs8(signing)},
        "00000000-0000-4000-8000-000000000003": {"spec": "HMAC_256", "material": base64.b64encode(b"k" * 40).decode()},
        "00000000-0000-4000-8000-000000000004": {"spec": "ECC_NIST_P384", "usage": "KEY_AGREEMENT", "aliases": ["alias/agree"]},
        "00000000-0000-4000-8000-000000000005": {"spec": "RSA_3072", "usage": "ENCRYPT_DECRYPT"},
    }
    seed = {"accounts": {OWNER: {"keys": {name: {"region": "us-east-1", **key} for name, key in keys.items()}}}}
    (tmp_path / "seed.yaml").write_text(json.dumps(seed))
    server = Server(tmp_path, "--accounts", OWNER, "--seed", str(tmp_path / "seed.yaml")).start()
    try:
        kms = server.kms()
        signature = kms.sign(KeyId="00000000-0000-4000-8000-000000000001", Message=MESSAGE, SigningAlgorithm="RSASSA_PKCS1_V1_5_SHA_256")["Signature"]
        pair.public_key().verify(signature, MESSAGE, padding.PKCS1v15(), hashes.SHA256())
        assert kms.get_public_key(KeyId="00000000-0000-4000-8000-000000000002")["PublicKey"] == spki(signing)
        code = kms.generate_mac(KeyId="00000000-0000-4000-8000-000000000003", Message=MESSAGE, MacAlgorithm="HMAC_SHA_256")["Mac"]
        assert code == hmac.new(b"k" * 40, MESSAGE, "sha256").digest()
        assert kms.describe_key(KeyId="alias/agree")["KeyMetadata"]["KeyAgreementAlgorithms"] == ["ECDH"]
    finally:
        server.stop()


def test_questions_about_every_operation(server):
    kms = server.kms()
    binary = os.path.abspath(os.environ["KEYWARD_BIN"])
    keys = {
        "Sign": create(kms, "RSA_4096", "SIGN_VERIFY"),
        "GenerateMac": create(kms, "HMAC_512", "GENERATE_VERIFY_MAC"),
        "DeriveSharedSecret": create(kms, "ECC_NIST_P256", "KEY_AGREEMENT"),
        "Decapsulate": create(kms, "ML_KEM_768", "ENCAPSULATE_DECAPSULATE"),
        "Encrypt": create(kms, "RSA_2048", "ENCRYPT_DECRYPT"),
        "GenerateDataKeyPair": kms.create_key()["KeyMetadata"],
    }
    twins = {"Sign": "Verify", "GenerateMac": "VerifyMac", "Decapsulate": "Encapsulate", "Encrypt": "Decrypt"}
    twins |= {"GenerateDataKeyPair": "GenerateDataKeyPairWithoutPlaintext", "DeriveSharedSecret": "GetPublicKey"}

    def explain(action, key, *more):
        command = [binary, "explain", "--data", str(server.data), "--as", f"arn:aws:iam::{OWNER}:root", f"kms:{action}", key["Arn"], *more]
        return subprocess.run(command, capture_output=True, text=True)

    for operation, key in keys.items():
        for action in (operation, twins[operation]):
            told = explain(action, key)
            assert told.stdout.startswith(f"ALLOW  kms:{action}"), told
            assert "would" not in told.stdout, told
    told = explain("Sign", keys["Encrypt"])
    assert told.stdout.startswith("ALLOW  kms:Sign") and "key usage is ENCRYPT_DECRYPT which is not valid for Sign" in told.stdout, told
