"""When keys were last of use, and keys that AWS makes itself."""

import signal

from test_kms import OWNER, refused
from test_operate import STORY, VIA_S3, article, assume, forward, keyward  # noqa: F401


def test_the_last_use_survives_a_kill_as_its_record_does(server):
    kms = server.kms()
    keys = [kms.create_key()["KeyMetadata"] for _ in range(3)]
    never = kms.get_key_last_usage(KeyId=keys[0]["KeyId"])
    assert never["KeyLastUsage"] == {} and never["KeyId"] == keys[0]["Arn"]  # K107
    assert never["KeyCreationDate"] == never["TrackingStartDate"] == keys[0]["CreationDate"]
    for _ in range(50):
        for key in keys[1:]:
            answer = kms.encrypt(KeyId=key["Arn"], Plaintext=b"x")
    server.stop(signal.SIGKILL)
    kms = server.start().kms()
    used = kms.get_key_last_usage(KeyId=keys[2]["Arn"])["KeyLastUsage"]
    assert used["Operation"] == "Encrypt" and used["KmsRequestId"] == answer["ResponseMetadata"]["RequestId"]
    assert f'"eventID":"{used["CloudTrailEventId"]}"' in keyward(server, "trail", "show", used["KmsRequestId"])
    assert kms.get_key_last_usage(KeyId=keys[0]["Arn"])["KeyLastUsage"] == {}


def test_a_service_makes_its_own_key_when_it_is_first_of_use(article):
    session = assume(article, "ops")
    direct = article.kms(region="ap-south-1", credentials=session)
    status, answer = forward(article, session)
    assert status == 200
    s3 = article.kms(region="ap-south-1", credentials=answer["Credentials"])
    refused("NotFoundException", direct.generate_data_key, KeyId="alias/aws/s3", KeySpec="AES_256")
    made = s3.generate_data_key(KeyId="alias/aws/s3", KeySpec="AES_256")
    metadata = direct.describe_key(KeyId="alias/aws/s3")["KeyMetadata"]
    assert metadata["KeyManager"] == "AWS" and metadata["Arn"] == made["KeyId"]  # K53
    assert s3.decrypt(CiphertextBlob=made["CiphertextBlob"])["Plaintext"] == made["Plaintext"]  # A803
    refused("AccessDeniedException", direct.decrypt, CiphertextBlob=made["CiphertextBlob"])
    refused("AccessDeniedException", direct.schedule_key_deletion, KeyId=made["KeyId"])  # K88
    via = ["--as", f"arn:aws:iam::{OWNER}:role/ops", "kms:Decrypt", made["KeyId"]]
    keyward(article, "explain", *via, "--via", VIA_S3)
    keyward(article, "explain", *via, code=1)
