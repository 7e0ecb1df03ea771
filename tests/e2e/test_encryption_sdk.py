"""The AWS Encryption SDK for Python over Keyward: keyrings, discovery, multi-Region keys, cached data keys."""

import aws_encryption_sdk
import pytest
from aws_cryptographic_material_providers.mpl import AwsCryptographicMaterialProviders
from aws_cryptographic_material_providers.mpl.config import MaterialProvidersConfig
from aws_cryptographic_material_providers.mpl.models import (
    CreateAwsKmsDiscoveryKeyringInput,
    CreateAwsKmsKeyringInput,
    CreateAwsKmsMrkDiscoveryKeyringInput,
    CreateAwsKmsMrkKeyringInput,
    CreateMultiKeyringInput,
    DiscoveryFilter,
)
from aws_encryption_sdk.exceptions import AWSEncryptionSDKClientError

from test_conformance import GAPS
from test_kms import OTHER, OWNER, policy, root

PROVIDERS = AwsCryptographicMaterialProviders(config=MaterialProvidersConfig())
SDK = aws_encryption_sdk.EncryptionSDKClient()
TEXT = b"a message"


def keyring(kms, key):
    return PROVIDERS.create_aws_kms_keyring(CreateAwsKmsKeyringInput(kms_key_id=key, kms_client=kms))


def discovery(kms, *accounts):
    found = DiscoveryFilter(account_ids=list(accounts), partition="aws")
    return PROVIDERS.create_aws_kms_discovery_keyring(CreateAwsKmsDiscoveryKeyringInput(kms_client=kms, discovery_filter=found))


def sealed(ring, **context):
    return SDK.encrypt(source=TEXT, keyring=ring, encryption_context=context)[0]


def opened(ring, message, **context):
    return SDK.decrypt(source=message, keyring=ring, encryption_context=context)[0]


def arn(kms, **parameters):
    return kms.create_key(**parameters)["KeyMetadata"]["Arn"]


def test_a_message_opens_with_its_key_and_its_context_only(server):
    kms = server.kms()
    key, stranger = arn(kms), arn(kms)
    message = sealed(keyring(kms, key), purpose="test")
    assert opened(keyring(kms, key), message, purpose="test") == TEXT
    with pytest.raises(AWSEncryptionSDKClientError):
        opened(keyring(kms, key), message, purpose="another")
    with pytest.raises(AWSEncryptionSDKClientError):
        opened(keyring(kms, stranger), message)
    kms.disable_key(KeyId=key)
    with pytest.raises(AWSEncryptionSDKClientError):
        opened(keyring(kms, key), message)


def test_a_message_for_two_accounts_is_discovered_by_each(server):
    kms, other = server.kms(), server.kms(OTHER)
    mine, theirs = arn(kms), arn(other, Policy=policy(root(OTHER), root(OWNER, ["kms:Encrypt"])))
    both = CreateMultiKeyringInput(generator=keyring(kms, mine), child_keyrings=[keyring(kms, theirs)])
    message = sealed(PROVIDERS.create_multi_keyring(both))
    assert opened(discovery(kms, OWNER), message) == TEXT
    assert opened(discovery(other, OTHER), message) == TEXT
    with pytest.raises(AWSEncryptionSDKClientError):
        opened(discovery(other, OWNER), message)  # another account's key lets nobody in
    with pytest.raises(AWSEncryptionSDKClientError):
        opened(discovery(kms, OTHER), message)  # may encrypt under it, and no more


@pytest.mark.skipif("ReplicateKey" in GAPS, reason="there are no replicas yet")
def test_a_message_travels_between_regions(server):
    kms, far = server.kms(), server.kms(region="eu-west-1")
    primary = arn(kms, MultiRegion=True)
    replica = kms.replicate_key(KeyId=primary, ReplicaRegion="eu-west-1")["ReplicaKeyMetadata"]["Arn"]

    def ring(client, key):
        return PROVIDERS.create_aws_kms_mrk_keyring(CreateAwsKmsMrkKeyringInput(kms_key_id=key, kms_client=client))

    message = sealed(ring(kms, primary), purpose="test")
    assert opened(ring(far, replica), message) == TEXT
    assert opened(ring(kms, primary), sealed(ring(far, replica))) == TEXT
    found = DiscoveryFilter(account_ids=[OWNER], partition="aws")
    anywhere = CreateAwsKmsMrkDiscoveryKeyringInput(kms_client=far, region="eu-west-1", discovery_filter=found)
    assert opened(PROVIDERS.create_aws_kms_mrk_discovery_keyring(anywhere), message) == TEXT


def test_cached_data_keys_are_asked_for_once(server, monkeypatch):
    kms = server.kms()
    key = arn(kms)
    access_key, secret = server.credentials[OWNER]
    for name, value in {
        "AWS_ACCESS_KEY_ID": access_key,
        "AWS_SECRET_ACCESS_KEY": secret,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL_KMS": server.endpoint,
    }.items():
        monkeypatch.setenv(name, value)
    provider = aws_encryption_sdk.StrictAwsKmsMasterKeyProvider(key_ids=[key])
    cache = aws_encryption_sdk.LocalCryptoMaterialsCache(10)
    cached = aws_encryption_sdk.CachingCryptoMaterialsManager(
        master_key_provider=provider, cache=cache, max_age=60.0, max_messages_encrypted=10
    )
    messages = [SDK.encrypt(source=text, materials_manager=cached)[0] for text in (b"one", b"two", b"three")]
    # The data key is known: the key service is not asked, so it may even refuse.
    kms.disable_key(KeyId=key)
    messages.append(SDK.encrypt(source=b"four", materials_manager=cached)[0])
    with pytest.raises(AWSEncryptionSDKClientError):
        SDK.decrypt(source=messages[0], key_provider=provider)
    kms.enable_key(KeyId=key)
    assert [SDK.decrypt(source=message, key_provider=provider)[0] for message in messages] == [b"one", b"two", b"three", b"four"]
