//! A host on a memory store, a clock that a test moves, and a root user who calls.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, mpsc};

use jiff::{SignedDuration, Timestamp};
use keyward_authz::CallFacts;
use keyward_crypto::{Entropy, EntropyFailed, RootKey};
use keyward_policy::Partition;
use keyward_service::{AwsError, Clock, Env, Error, Host, NothingOutside, Operate, Origin, admin};
use keyward_store::MemoryStore;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use zeroize::Zeroizing;

pub(crate) const ACCOUNT: &str = "111122223333";
pub(crate) const HOME: &str = "us-east-1";

/// Seconds since the epoch at which every test begins.
const BEGIN_S: i64 = 1_800_000_000;

struct Moved(Arc<AtomicI64>);

impl Clock for Moved {
    fn now(&self) -> Timestamp {
        Timestamp::from_second(self.0.load(Ordering::SeqCst)).unwrap()
    }
}

/// Never the same bytes twice; nothing secret is in a test.
struct Counting(AtomicU64);

impl Entropy for Counting {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), EntropyFailed> {
        for chunk in bytes.chunks_mut(8) {
            let mut mixed = self.0.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::SeqCst);
            mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            let drawn = (mixed ^ (mixed >> 31)).to_le_bytes();
            chunk.copy_from_slice(&drawn[..chunk.len()]);
        }
        Ok(())
    }
}

pub(crate) struct World {
    seconds: Arc<AtomicI64>,
    chance: Arc<Counting>,
    pub(crate) store: MemoryStore,
    pub(crate) host: Arc<Host>,
    access_key_id: String,
}

impl World {
    pub(crate) fn new() -> Self {
        let (seconds, chance, store) = (Arc::new(AtomicI64::new(BEGIN_S)), Arc::new(Counting(AtomicU64::new(1))), MemoryStore::default());
        let host = open(&seconds, &chance, &store);
        let key = admin::create_account(&host, ACCOUNT.parse().unwrap(), None, Partition::Aws).unwrap();
        Self { seconds, chance, store, host, access_key_id: key.access_key_id }
    }

    /// As after a restart, or a crash: what is on the store is all there is.
    pub(crate) fn reopen(&mut self) {
        self.host.close();
        self.host = open(&self.seconds, &self.chance, &self.store);
    }

    pub(crate) fn now(&self) -> i64 {
        self.seconds.load(Ordering::SeqCst)
    }

    /// Moves the clock, forwards or back.
    pub(crate) fn pass(&self, time: SignedDuration) {
        self.seconds.fetch_add(time.as_secs(), Ordering::SeqCst);
    }

    pub(crate) fn pass_days(&self, days: i64) {
        self.pass(SignedDuration::from_hours(24 * days));
    }

    /// What a call answers, or the error's code and text.
    pub(crate) fn call_in<I>(&self, region: &str, input: Value) -> Result<Value, (String, String)>
    where
        I: Operate + DeserializeOwned,
        I::Output: Serialize,
    {
        self.call_with::<I>(CallFacts::new(region.parse().unwrap()), input)
    }

    /// The same, come in another way.
    pub(crate) fn call_with<I>(&self, facts: CallFacts, input: Value) -> Result<Value, (String, String)>
    where
        I: Operate + DeserializeOwned,
        I::Output: Serialize,
    {
        let caller = self.host.authenticate::<()>(&self.access_key_id, None, Partition::Aws, |_| Ok(())).ok();
        let origin = Origin { caller, facts, request_id: self.host.new_request_id() };
        let (sender, receiver) = mpsc::channel();
        self.host.perform(origin, serde_json::from_value::<I>(input).unwrap(), move |result| sender.send(result).unwrap());
        let told = |error: Error| {
            let AwsError { code, message, .. } = AwsError::from(&error);
            (code.to_owned(), message.unwrap_or_default())
        };
        receiver.recv().unwrap().map(|output| serde_json::to_value(output).unwrap()).map_err(told)
    }

    pub(crate) fn call<I>(&self, input: Value) -> Result<Value, (String, String)>
    where
        I: Operate + DeserializeOwned,
        I::Output: Serialize,
    {
        self.call_in::<I>(HOME, input)
    }

    /// The code of a refusal.
    pub(crate) fn refused<I>(&self, input: Value) -> String
    where
        I: Operate + DeserializeOwned,
        I::Output: Serialize,
    {
        self.call::<I>(input).unwrap_err().0
    }

    /// Makes a key; its ARN.
    pub(crate) fn create(&self, input: Value) -> String {
        text(&self.call::<keyward_service::kms::CreateKey>(input).unwrap()["KeyMetadata"]["Arn"])
    }

    pub(crate) fn metadata(&self, key: &str) -> Value {
        let region = key.split(':').nth(3).unwrap();
        self.call_in::<keyward_service::kms::DescribeKey>(region, json!({ "KeyId": key })).unwrap()["KeyMetadata"].take()
    }

    /// The records of an event, oldest first.
    pub(crate) fn records(&self, event: &str) -> Vec<Value> {
        let records = self.store.records().into_iter().filter(|record| record.event_name == event);
        records.map(|record| serde_json::from_str(&record.json).unwrap()).collect()
    }
}

pub(crate) fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

fn open(seconds: &Arc<AtomicI64>, chance: &Arc<Counting>, store: &MemoryStore) -> Arc<Host> {
    let clock = Arc::new(Moved(seconds.clone()));
    let env = Env { clock, entropy: chance.clone(), outside: Arc::new(NothingOutside), attestation_roots: Arc::default() };
    let root = RootKey::from_bytes(Zeroizing::new([7; 32]));
    Arc::new(Host::open(Box::new(store.clone()), root, env).unwrap())
}
