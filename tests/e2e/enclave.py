"""What a Nitro enclave and the hypervisor below it do: attestation documents, and reading what comes for the enclave."""

import datetime
import hashlib
import time

import cbor2
from asn1crypto import cms
from cryptography import x509
from cryptography.hazmat.primitives import hashes, padding
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, OAEP
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID

PCRS = {number: hashlib.sha384(str(number).encode()).digest() for number in (0, 1, 2, 3, 4, 8)}
ES384 = cbor2.dumps({1: -35})


def _certificate(name, key, issuer, issuer_key, is_authority, minutes=(-60, 120)):
    first, last = (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(minutes=offset) for offset in minutes)
    names = [x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)]) for text in (name, issuer)]
    builder = x509.CertificateBuilder(issuer_name=names[1], subject_name=names[0], public_key=key.public_key())
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(first).not_valid_after(last)
    builder = builder.add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
    usage = {name: False for name in ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "encipher_only", "decipher_only")}
    usage |= {"digital_signature": not is_authority, "key_cert_sign": is_authority, "crl_sign": is_authority}
    return builder.add_extension(x509.KeyUsage(**usage), critical=True).sign(issuer_key, hashes.SHA384())


class Hypervisor:
    """Root, region, and the leaf of one enclave, as AWS has them: P-384, without extended key usages."""

    def __init__(self, folder, name="aws.nitro-enclaves"):
        self.root_key, self.region_key, self.leaf_key = (ec.generate_private_key(ec.SECP384R1()) for _ in range(3))
        self.root = _certificate(name, self.root_key, name, self.root_key, True)
        self.region = _certificate("region", self.region_key, name, self.root_key, True)
        self.leaf = self.issue()
        self.path = folder / f"{id(self)}.pem"
        self.path.write_bytes(self.root.public_bytes(Encoding.PEM))

    def issue(self, minutes=(-60, 120)):
        return _certificate("i-0123456789abcdef0-enc0123456789abcdef", self.leaf_key, "region", self.region_key, False, minutes)

    def payload(self, enclave, leaf=None, **changes):
        """A payload as it should be, or with other members; none for one that is to be missing."""
        der = [certificate.public_bytes(Encoding.DER) for certificate in (leaf or self.leaf, self.root, self.region)]
        members = {
            "module_id": "i-0123456789abcdef0-enc0123456789abcdef",
            "digest": "SHA384",
            "timestamp": int(time.time() * 1000),
            "pcrs": PCRS,
            "certificate": der[0],
            "cabundle": der[1:],
            "public_key": enclave.public_key,
            "user_data": None,
            "nonce": None,
            **changes,
        }
        return cbor2.dumps({name: value for name, value in members.items() if value is not None or name in ("user_data", "nonce")})

    def sign(self, payload, tagged=False):
        r, s = decode_dss_signature(self.leaf_key.sign(cbor2.dumps(["Signature1", ES384, b"", payload]), ec.ECDSA(hashes.SHA384())))
        parts = [ES384, {}, payload, r.to_bytes(48, "big") + s.to_bytes(48, "big")]
        return cbor2.dumps(cbor2.CBORTag(18, parts) if tagged else parts)

    def document(self, enclave, tagged=False, **changes):
        return self.sign(self.payload(enclave, **changes), tagged)


class Enclave:
    def __init__(self, bits=2048):
        self.key = rsa.generate_private_key(65537, bits)
        self.public_key = self.key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)

    def open(self, ciphertext_for_recipient):
        """As AWS's clients read it: version 2, one key transport to a subject key identifier, OAEP and CBC."""
        info = cms.ContentInfo.load(ciphertext_for_recipient, strict=True)
        assert info["content_type"].native == "enveloped_data"
        enveloped = info["content"]
        assert enveloped["version"].native == "v2" and len(enveloped["recipient_infos"]) == 1
        transport = enveloped["recipient_infos"][0].chosen
        assert transport["version"].native == "v2" and transport["rid"].name == "subject_key_identifier"
        algorithm = transport["key_encryption_algorithm"]
        assert algorithm["algorithm"].native == "rsaes_oaep"
        parameters = algorithm["parameters"]
        assert parameters["hash_algorithm"]["algorithm"].native == "sha256"
        assert parameters["mask_gen_algorithm"]["algorithm"].native == "mgf1"
        assert parameters["mask_gen_algorithm"]["parameters"]["algorithm"].native == "sha256"
        oaep = OAEP(MGF1(hashes.SHA256()), hashes.SHA256(), None)
        content_key = self.key.decrypt(transport["encrypted_key"].native, oaep)
        content = enveloped["encrypted_content_info"]
        assert content["content_type"].native == "data"
        assert content["content_encryption_algorithm"]["algorithm"].native == "aes256_cbc" and len(content_key) == 32
        nonce = content["content_encryption_algorithm"]["parameters"].native
        decryptor = Cipher(algorithms.AES(content_key), modes.CBC(nonce)).decryptor()
        padded = decryptor.update(content["encrypted_content"].native) + decryptor.finalize()
        unpadder = padding.PKCS7(128).unpadder()
        return unpadder.update(padded) + unpadder.finalize()
