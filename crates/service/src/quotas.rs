//! Request quotas: how many calls an account may make in a second in a Region, of each kind (K231). Off until somebody asks for them.
//!
//! A quota is a bucket that holds the calls of one second, and at least one; it fills at the quota's rate. Time is the host's.

use std::collections::{BTreeMap, HashMap};
use std::str::FromStr;
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use keyward_crypto::Origin;
use keyward_policy::{AccountId, Region};

use crate::entities::Key;
use crate::error::Error;

/// Buckets that are kept before those are dropped that are full again, which say no more than none.
const BUCKETS_MAX: usize = 10_000;

/// One call, in the unit in which buckets are filled: so a millisecond of any rate is a whole number.
const CALL: u64 = 1_000_000;

/// Highest rate that can be asked for, in calls per second.
const RATE_MAX: f64 = 1e9;

/// The quota of symmetric cryptography, which differs by Region.
const SYMMETRIC: &str = "symmetric";

/// Quotas by name, with AWS's rate: calls in a thousand seconds. Those of operations bear the operation's name, those of cryptographic
/// operations the kind of the key, those of data key pairs the pair's spec.
const QUOTAS: &[(&str, u64)] = &[
    ("CancelKeyDeletion", 5_000),
    ("ConnectCustomKeyStore", 5_000),
    ("CreateAlias", 5_000),
    ("CreateCustomKeyStore", 5_000),
    ("CreateGrant", 50_000),
    ("CreateKey", 5_000),
    ("DeleteAlias", 15_000),
    ("DeleteCustomKeyStore", 5_000),
    ("DeleteImportedKeyMaterial", 5_000),
    ("DescribeCustomKeyStores", 5_000),
    ("DescribeKey", 2_000_000),
    ("DisableKey", 5_000),
    ("DisableKeyRotation", 5_000),
    ("DisconnectCustomKeyStore", 5_000),
    ("EnableKey", 5_000),
    ("EnableKeyRotation", 15_000),
    ("GetKeyLastUsage", 1_000_000),
    ("GetKeyPolicy", 1_000_000),
    ("GetKeyRotationStatus", 1_000_000),
    ("GetParametersForImport", 250),
    ("GetPublicKey", 2_000_000),
    ("ImportKeyMaterial", 5_000),
    ("ListAliases", 500_000),
    ("ListGrants", 100_000),
    ("ListKeyPolicies", 100_000),
    ("ListKeyRotations", 100_000),
    ("ListKeys", 500_000),
    ("ListResourceTags", 2_000_000),
    ("ListRetirableGrants", 100_000),
    ("PutKeyPolicy", 15_000),
    ("ReplicateKey", 5_000),
    ("RetireGrant", 30_000),
    ("RevokeGrant", 30_000),
    ("RotateKeyOnDemand", 5_000),
    ("ScheduleKeyDeletion", 15_000),
    ("TagResource", 10_000),
    ("UntagResource", 5_000),
    ("UpdateAlias", 5_000),
    ("UpdateCustomKeyStore", 5_000),
    ("UpdateKeyDescription", 5_000),
    ("UpdatePrimaryRegion", 5_000),
    (SYMMETRIC, 5_500_000),
    ("RSA", 500_000),
    ("ECC", 300_000),
    ("SM2", 300_000),
    ("ML", 300_000),
    ("CustomKeyStore", 1_800_000),
    ("GenerateDataKeyPair:RSA_2048", 1_000),
    ("GenerateDataKeyPair:RSA_3072", 500),
    ("GenerateDataKeyPair:RSA_4096", 100),
    ("GenerateDataKeyPair:ECC_NIST_P256", 25_000),
    ("GenerateDataKeyPair:ECC_NIST_P384", 10_000),
    ("GenerateDataKeyPair:ECC_NIST_P521", 5_000),
    ("GenerateDataKeyPair:ECC_SECG_P256K1", 25_000),
    ("GenerateDataKeyPair:ECC_NIST_EDWARDS25519", 25_000),
    ("GenerateDataKeyPair:SM2", 25_000),
    ("GenerateDataKeyPair:ML_KEM_512", 25_000),
    ("GenerateDataKeyPair:ML_KEM_768", 25_000),
    ("GenerateDataKeyPair:ML_KEM_1024", 25_000),
];

/// Regions where symmetric cryptography may be used more often.
const SYMMETRIC_BY_REGION: &[(&str, u64)] = &[
    ("us-east-1", 50_000_000),
    ("us-west-2", 50_000_000),
    ("eu-west-1", 50_000_000),
    ("us-east-2", 10_000_000),
    ("ap-northeast-1", 10_000_000),
    ("ap-southeast-1", 10_000_000),
    ("ap-southeast-2", 10_000_000),
    ("eu-central-1", 10_000_000),
    ("eu-west-2", 10_000_000),
];

/// Which rates hold: `aws`, and `NAME=RATE` for quotas of their own, in calls per second. What is not said is not limited.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct RequestRates {
    as_aws: bool,
    own: BTreeMap<&'static str, u64>,
}

/// What does not read as [`RequestRates`].
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ParseRatesError {
    /// Neither `aws` nor `NAME=RATE`.
    #[error("`{0}` is neither `aws` nor NAME=RATE, such as CreateKey=50")]
    NoRate(String),
    /// No quota has this name.
    #[error("there is no quota `{0}`; there are {names}", names = QUOTAS.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", "))]
    NoQuota(String),
    /// No number of calls per second.
    #[error("`{0}` is no rate: calls per second, 0.001 and more")]
    NoNumber(String),
}

impl FromStr for RequestRates {
    type Err = ParseRatesError;

    fn from_str(text: &str) -> Result<Self, ParseRatesError> {
        let mut rates = Self::default();
        for part in text.split(',') {
            if part == "aws" {
                rates.as_aws = true;
                continue;
            }
            let (name, rate) = part.split_once('=').ok_or_else(|| ParseRatesError::NoRate(part.to_owned()))?;
            let (name, _) = QUOTAS.iter().find(|(known, _)| *known == name).ok_or_else(|| ParseRatesError::NoQuota(name.to_owned()))?;
            let wrong = || ParseRatesError::NoNumber(rate.to_owned());
            let per_second: f64 = rate.parse().map_err(|_| wrong())?;
            if !(0.001..=RATE_MAX).contains(&per_second) {
                return Err(wrong());
            }
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 1 and 10^12")]
            rates.own.insert(*name, (per_second * 1000.0).round() as u64);
        }
        Ok(rates)
    }
}

impl RequestRates {
    /// The rate of a quota, in calls in a thousand seconds.
    fn rate(&self, quota: &str, region: &Region) -> Option<u64> {
        let by_region = || SYMMETRIC_BY_REGION.iter().find(|(name, _)| quota == SYMMETRIC && *name == region.as_str()).map(|(_, rate)| *rate);
        let of_aws = || by_region().or_else(|| QUOTAS.iter().find(|(name, _)| *name == quota).map(|(_, rate)| *rate));
        self.own.get(quota).copied().or_else(|| if self.as_aws { of_aws() } else { None })
    }
}

/// The quotas of all accounts, and what is left of them.
#[derive(Debug)]
pub(crate) struct RequestQuotas {
    rates: RequestRates,
    buckets: Mutex<HashMap<(AccountId, Region, &'static str), Bucket>>,
}

#[derive(Debug)]
struct Bucket {
    level: u64,
    filled_at_ms: i64,
}

impl RequestQuotas {
    pub(crate) fn new(rates: RequestRates) -> Self {
        Self { rates, buckets: Mutex::new(HashMap::new()) }
    }

    /// Counts one call of an account in a quota.
    ///
    /// # Errors
    /// [`Error::Throttled`] when nothing is left of it.
    pub(crate) fn take(&self, account: AccountId, region: &Region, quota: &'static str, now: Timestamp) -> Result<(), Error> {
        let Some(rate) = self.rates.rate(quota, region) else { return Ok(()) };
        let now_ms = now.as_millisecond();
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= BUCKETS_MAX {
            buckets.retain(|(_, region, quota), bucket| self.rates.rate(quota, region).is_some_and(|rate| !bucket.is_full(rate, now_ms)));
        }
        let bucket = buckets.entry((account, region.clone(), quota)).or_insert(Bucket { level: capacity(rate), filled_at_ms: now_ms });
        bucket.take(rate, now_ms)
    }
}

/// The calls of one second, and at least one.
fn capacity(rate: u64) -> u64 {
    rate.saturating_mul(1000).max(CALL)
}

impl Bucket {
    fn level_at(&self, rate: u64, now_ms: i64) -> u64 {
        let elapsed_ms = u64::try_from(now_ms.saturating_sub(self.filled_at_ms)).unwrap_or_default();
        self.level.saturating_add(elapsed_ms.saturating_mul(rate)).min(capacity(rate))
    }

    fn is_full(&self, rate: u64, now_ms: i64) -> bool {
        self.level_at(rate, now_ms) == capacity(rate)
    }

    fn take(&mut self, rate: u64, now_ms: i64) -> Result<(), Error> {
        let level = self.level_at(rate, now_ms);
        let left = level.checked_sub(CALL);
        *self = Self { level: left.unwrap_or(level), filled_at_ms: self.filled_at_ms.max(now_ms) };
        left.map(|_| ()).ok_or(Error::Throttled)
    }
}

/// The quota of an operation that has one whatever its key is.
pub(crate) fn of_operation(name: &str) -> Option<&'static str> {
    // No key says of which kind its bytes are.
    let name = if name == "GenerateRandom" { SYMMETRIC } else { name };
    QUOTAS.iter().map(|(quota, _)| *quota).find(|quota| *quota == name)
}

/// The quota in which cryptography with a key counts.
pub(crate) fn of_key(key: &Key) -> &'static str {
    let facts = &key.facts;
    if [Origin::AwsCloudHsm.name(), Origin::ExternalKeyStore.name()].contains(&&*facts.origin) {
        return "CustomKeyStore";
    }
    match &*facts.spec {
        spec if spec.starts_with("RSA_") => "RSA",
        spec if spec.starts_with("ECC_") => "ECC",
        spec if spec.starts_with("ML_") => "ML",
        "SM2" => "SM2",
        _ => SYMMETRIC,
    }
}

/// The quota in which the making of a data key pair counts.
pub(crate) fn of_key_pair(spec: &str) -> Option<&'static str> {
    QUOTAS.iter().map(|(quota, _)| *quota).find(|quota| quota.strip_prefix("GenerateDataKeyPair:") == Some(spec))
}

#[cfg(test)]
mod tests {
    use keyward_authz::Operation;

    use super::*;

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millisecond(1_800_000_000_000 + ms).unwrap()
    }

    #[test]
    fn every_operation_counts_somewhere() {
        // [K231]
        for operation in Operation::ALL {
            assert!(operation.is_cryptographic() || of_operation(operation.name()).is_some(), "{operation}");
        }
        for spec in keyward_crypto::DataKeyPairSpec::ALL {
            assert!(of_key_pair(spec.name()).is_some(), "{spec}");
        }
    }

    #[test]
    fn a_quota_is_the_calls_of_a_second_and_fills_at_its_rate() {
        let quotas = RequestQuotas::new("aws,DescribeKey=3".parse().unwrap());
        let (account, region): (AccountId, Region) = ("111122223333".parse().unwrap(), "us-east-1".parse().unwrap());
        let take = |quota, ms| quotas.take(account, &region, quota, at(ms)).is_ok();
        assert!((0..5).all(|_| take("CreateKey", 0)));
        assert!(!take("CreateKey", 0));
        assert!(!take("CreateKey", 199));
        assert!(take("CreateKey", 200)); // five a second
        assert!(!take("CreateKey", 200));
        assert!((0..5).all(|_| take("CreateKey", 60_000)) && !take("CreateKey", 60_000)); // and never more than a second's
        // A clock that stands or falls gives nothing away.
        assert!(!take("CreateKey", 0) && !take("CreateKey", 60_000));
        // Less than one a second: one, and then one again when its time is full.
        assert!(take("GetParametersForImport", 0) && !take("GetParametersForImport", 3_999) && take("GetParametersForImport", 4_000));
        assert!((0..3).all(|_| take("DescribeKey", 0)) && !take("DescribeKey", 0)); // its own rate
        // [K231] Each account, Region and quota by itself.
        assert!(quotas.take("444455556666".parse().unwrap(), &region, "DescribeKey", at(0)).is_ok());
        assert!(quotas.take(account, &"eu-west-1".parse().unwrap(), "DescribeKey", at(0)).is_ok());
    }

    #[test]
    fn only_what_is_asked_for_is_limited() {
        let region = "eu-west-1".parse().unwrap();
        let rate = |rates: &str, quota| rates.parse::<RequestRates>().unwrap().rate(quota, &region);
        assert_eq!(rate("CreateKey=0.5", "CreateKey"), Some(500));
        assert_eq!(rate("CreateKey=0.5", "DescribeKey"), None);
        assert_eq!(rate("aws", "symmetric"), Some(50_000_000));
        assert_eq!(rate("symmetric=7,aws", "symmetric"), Some(7_000));
        for (wrong, expected) in [
            ("", "`` is neither `aws` nor NAME=RATE, such as CreateKey=50"),
            ("azure", "`azure` is neither `aws` nor NAME=RATE, such as CreateKey=50"),
            ("CreateKey=0", "`0` is no rate: calls per second, 0.001 and more"),
            ("CreateKey=NaN", "`NaN` is no rate: calls per second, 0.001 and more"),
        ] {
            assert_eq!(wrong.parse::<RequestRates>().unwrap_err().to_string(), expected);
        }
        assert!("Decrypt=5".parse::<RequestRates>().unwrap_err().to_string().starts_with("there is no quota `Decrypt`; there are CancelKey"));
    }

    #[test]
    fn full_buckets_are_forgotten() {
        let quotas = RequestQuotas::new("aws".parse().unwrap());
        for number in 0..=BUCKETS_MAX {
            let account = format!("{number:012}").parse().unwrap();
            quotas.take(account, &"us-east-1".parse().unwrap(), "CreateKey", at(number as i64)).unwrap();
        }
        // A bucket that gave one call is full again after 200 ms.
        assert_eq!(quotas.buckets.lock().unwrap().len(), 200);
    }
}
