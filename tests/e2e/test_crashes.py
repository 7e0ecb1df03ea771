"""Nothing acknowledged is lost, and nothing is half done: the server is killed in the middle of a stream of writes."""

import json
import os
import random
import signal
import subprocess
import threading
import time

from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError

from test_kms import OTHER, OWNER, policy, root

KILLS = 50
WRITERS = 4


class Ledger:
    """What one writer was told, and what it asked and was not told."""

    def __init__(self, number):
        self.number = number
        self.keys = {}  # ARN → {"policy": the acknowledged one, "pending": unanswered ones, "grants": {id: "made" | "revoking" | "revoked"}}
        self.requests = []
        self.unanswered_keys = 0
        self.fault = None

    def write(self, server, chance):
        """Writes until the server is gone."""
        kms = server.kms()
        try:
            while True:
                self.step(kms, chance)
        except (BotoCoreError, HTTPClientError):
            return
        except ClientError as error:  # a refusal is a fault: everything that is asked for here is allowed
            self.fault = error

    def answered(self, answer):
        self.requests.append(answer["ResponseMetadata"]["RequestId"])
        return answer

    def step(self, kms, chance):
        kind = chance.choice(["key", "grant", "policy", "revoke"]) if self.keys else "key"
        if kind == "key":
            self.unanswered_keys += 1
            arn = self.answered(kms.create_key(Description=f"writer {self.number}"))["KeyMetadata"]["Arn"]
            self.unanswered_keys -= 1
            self.keys[arn] = {"policy": None, "pending": [], "grants": {}, "unanswered_grants": 0}
            return
        arn = chance.choice(list(self.keys))
        key = self.keys[arn]
        if kind == "grant":
            key["unanswered_grants"] += 1
            grantee = f"arn:aws:iam::{OTHER}:root"
            made = self.answered(kms.create_grant(KeyId=arn, GranteePrincipal=grantee, Operations=["Decrypt", "Encrypt"]))
            key["unanswered_grants"] -= 1
            key["grants"][made["GrantId"]] = "made"
        elif kind == "policy":
            text = policy(root(OWNER), root(OTHER, f"kms:Decrypt{chance.randrange(10**9)}"))
            key["pending"].append(text)
            self.answered(kms.put_key_policy(KeyId=arn, Policy=text))
            key["policy"], key["pending"] = text, []
        else:
            alive = [grant for grant, state in key["grants"].items() if state == "made"]
            if alive:
                grant = chance.choice(alive)
                key["grants"][grant] = "revoking"
                self.answered(kms.revoke_grant(KeyId=arn, GrantId=grant))
                key["grants"][grant] = "revoked"

    def check(self, kms, arn):
        key = self.keys[arn]
        text = kms.get_key_policy(KeyId=arn)["Policy"]
        # Unanswered ones of several rounds may wait here: any of them may have been the last that was written.
        assert text == key["policy"] or text in key["pending"] or (key["policy"] is None and "key-default-1" in text)
        key["policy"], key["pending"] = text, []
        grants = {grant["GrantId"]: grant for page in kms.get_paginator("list_grants").paginate(KeyId=arn) for grant in page["Grants"]}
        for grant, state in key["grants"].items():
            if state == "made":
                assert grant in grants, "an acknowledged grant is gone"
            if state == "revoked":
                assert grant not in grants, "an acknowledged revocation is gone"
        unknown = set(grants) - set(key["grants"])
        assert len(unknown) <= key["unanswered_grants"]
        for grant in grants.values():
            assert grant["Operations"] == ["Decrypt", "Encrypt"] and grant["GranteePrincipal"].endswith(f"{OTHER}:root")
        key["grants"] = {grant: "made" for grant in grants}
        key["unanswered_grants"] = 0


def test_fifty_kills_lose_nothing_that_was_acknowledged(server):
    seed = int(os.environ.get("KEYWARD_SEED", random.randrange(10**9)))
    print(f"to run it again: KEYWARD_SEED={seed}")
    chance = random.Random(seed)
    ledgers = [Ledger(number) for number in range(WRITERS)]
    for kill in range(KILLS):
        writers = []
        for ledger in ledgers:
            writers.append(threading.Thread(target=ledger.write, args=(server, random.Random(chance.randrange(10**9)))))
        for writer in writers:
            writer.start()
        time.sleep(chance.uniform(0.02, 0.12))
        server.stop(signal.SIGKILL)
        for writer in writers:
            writer.join()
        assert [ledger.fault for ledger in ledgers] == [None] * WRITERS
        server.start()
        kms = server.kms()
        there = [key["KeyArn"] for page in kms.get_paginator("list_keys").paginate() for key in page["Keys"]]
        known = {arn: ledger for ledger in ledgers for arn in ledger.keys}
        assert set(known) <= set(there), "an acknowledged key is gone"
        assert len(set(there) - set(known)) <= sum(ledger.unanswered_keys for ledger in ledgers)
        for arn in set(there) - set(known):
            # Unacknowledged, and whole: it has its policy and its material.
            assert kms.encrypt(KeyId=arn, Plaintext=b"x") and kms.get_key_policy(KeyId=arn)
            ledgers[0].keys[arn] = {"policy": None, "pending": [], "grants": {}, "unanswered_grants": 0}
        for ledger in ledgers:
            ledger.unanswered_keys = 0
        # Each round looks at some keys, the last at all of them.
        looked_at = known if kill == KILLS - 1 else dict(chance.sample(sorted(known.items(), key=lambda pair: pair[0]), min(8, len(known))))
        for arn, ledger in looked_at.items():
            ledger.check(kms, arn)
    written = [request for ledger in ledgers for request in ledger.requests]
    assert len(written) > KILLS, "the writers hardly wrote"
    # No answer without its record.
    command = [os.path.abspath(os.environ["KEYWARD_BIN"]), "trail", "query", "--data", str(server.data), "-n", "1000000"]
    trail = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    recorded = {json.loads(line)["requestID"] for line in trail.splitlines()}
    assert set(written) <= recorded
    print(f"{KILLS} kills, {len(written)} acknowledged writes")
