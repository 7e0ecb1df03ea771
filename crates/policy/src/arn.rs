//! Names of AWS things: partitions, Regions, accounts and ARNs.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The twelve-digit number that identifies an AWS account, e.g. `111122223333`.
///
/// Kept as text: leading zeros are significant.
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct AccountId([u8; 12]);

impl AccountId {
    /// The digits.
    pub fn as_str(&self) -> &str {
        // INVARIANT: only ASCII digits are ever stored, so this never takes the default.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl FromStr for AccountId {
    type Err = ParseArnError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match <[u8; 12]>::try_from(text.as_bytes()) {
            Ok(digits) if digits.iter().all(u8::is_ascii_digit) => Ok(Self(digits)),
            _ => Err(ParseArnError::AccountId(text.into())),
        }
    }
}

/// An AWS partition: the first segment of every ARN after `arn`.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Partition {
    /// The commercial Regions.
    #[default]
    Aws,
    /// The China Regions.
    AwsCn,
    /// The GovCloud Regions.
    AwsUsGov,
    /// The isolated Regions, all of them: their names are `aws-iso…`.
    AwsIso,
}

impl Partition {
    /// As it stands in an ARN.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Aws => "aws",
            Self::AwsCn => "aws-cn",
            Self::AwsUsGov => "aws-us-gov",
            Self::AwsIso => "aws-iso",
        }
    }

    /// The Region of its global services, IAM before all: whatever Region a client names, they are called there (K260).
    pub fn home_region(self) -> Region {
        let name = match self {
            Self::Aws => "us-east-1",
            Self::AwsCn => "cn-north-1",
            Self::AwsUsGov => "us-gov-west-1",
            Self::AwsIso => "us-iso-east-1",
        };
        Region(name.into())
    }

    /// The host name suffix of the partition's service principals beside `amazonaws.com`.
    pub fn dns_suffix(self) -> &'static str {
        match self {
            Self::Aws | Self::AwsUsGov => "amazonaws.com",
            Self::AwsCn => "amazonaws.com.cn",
            Self::AwsIso => "c2s.ic.gov",
        }
    }
}

impl FromStr for Partition {
    type Err = ParseArnError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let known = [Self::Aws, Self::AwsCn, Self::AwsUsGov, Self::AwsIso];
        known.into_iter().find(|partition| partition.as_str() == text).ok_or_else(|| ParseArnError::Partition(text.into()))
    }
}

impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The name of a Region, e.g. `ap-south-1`; its shape is checked, its existence is not.
#[derive(Clone, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Region(Arc<str>);

impl Region {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The partition to which the Region belongs, told by its prefix (K40).
    pub fn partition(&self) -> Partition {
        match &*self.0 {
            name if name.starts_with("cn-") => Partition::AwsCn,
            name if name.starts_with("us-gov-") => Partition::AwsUsGov,
            name if name.starts_with("us-iso") => Partition::AwsIso,
            _ => Partition::Aws,
        }
    }
}

impl FromStr for Region {
    type Err = ParseArnError;

    /// Accepts `^([a-z]+-){2,3}\d+$` of at most 32 characters, as the API model does, and isolated Regions (`us-isob-east-1`).
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts: Vec<&str> = text.split('-').collect();
        let well_formed = match parts.split_last() {
            Some((number, words)) => {
                matches!(words.len(), 2 | 3)
                    && !number.is_empty()
                    && number.bytes().all(|b| b.is_ascii_digit())
                    && words.iter().all(|word| !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase()))
            }
            None => false,
        };
        if well_formed && text.len() <= 32 { Ok(Self(text.into())) } else { Err(ParseArnError::Region(text.into())) }
    }
}

/// An Amazon Resource Name: six colon-separated segments, the last of which may hold more colons.
#[derive(Clone, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Arn(Arc<str>);

impl Arn {
    /// The whole text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// All six at once, for whoever needs most of them.
    pub fn segments(&self) -> [&str; 6] {
        segments(&self.0)
    }

    fn segment(&self, index: usize) -> &str {
        self.0.splitn(6, ':').nth(index).unwrap_or_default()
    }

    /// `aws`, `aws-cn`, …
    pub fn partition(&self) -> &str {
        self.segment(1)
    }

    /// `kms`, `iam`, …
    pub fn service(&self) -> &str {
        self.segment(2)
    }

    /// Empty for global services.
    pub fn region(&self) -> &str {
        self.segment(3)
    }

    /// The account, if the fourth segment is one.
    pub fn account(&self) -> Option<AccountId> {
        self.segment(4).parse().ok()
    }

    /// Everything after the fifth colon: `role/team/app`, `key/1234…`.
    pub fn resource(&self) -> &str {
        self.segment(5)
    }

    /// The resource without `prefix/`, if it has that prefix: `arn.resource_after("role")`.
    pub fn resource_after(&self, prefix: &str) -> Option<&str> {
        self.resource().strip_prefix(prefix)?.strip_prefix('/')
    }
}

fn segments(text: &str) -> [&str; 6] {
    let mut segments = text.splitn(6, ':');
    std::array::from_fn(|_| segments.next().unwrap_or_default())
}

impl FromStr for Arn {
    type Err = ParseArnError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // What is missing reads as empty, and the last one must not be.
        let [arn, partition, service, _, account, resource] = segments(text);
        let well_formed = arn == "arn"
            && partition.starts_with("aws")
            && !service.is_empty()
            && (account.is_empty() || account.parse::<AccountId>().is_ok() || account == "aws")
            && !resource.is_empty();
        if well_formed { Ok(Self(text.into())) } else { Err(ParseArnError::Arn(text.into())) }
    }
}

/// A name that is not what it should be.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ParseArnError {
    /// Not twelve digits.
    #[error("an account id is twelve digits, not `{0}`")]
    AccountId(Box<str>),
    /// None of AWS's partitions.
    #[error("a partition is `aws`, `aws-cn`, `aws-us-gov` or `aws-iso`, not `{0}`")]
    Partition(Box<str>),
    /// Not shaped like a Region.
    #[error("a Region looks like `us-east-1`, not `{0}`")]
    Region(Box<str>),
    /// Not six segments that begin with `arn:aws`.
    #[error("an ARN has six segments, `arn:aws:service:region:account:resource`; this has not: `{0}`")]
    Arn(Box<str>),
}

macro_rules! text_noun {
    ($noun:ty) => {
        impl fmt::Display for $noun {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl fmt::Debug for $noun {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl Serialize for $noun {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> Deserialize<'de> for $noun {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

text_noun!(AccountId);
text_noun!(Region);
text_noun!(Arn);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_id_is_twelve_digits() {
        assert!("011122223333".parse::<AccountId>().is_ok());
        for wrong in ["", "1234", "1111222233334", "11112222333a", "１１１１２２２２３３３３"] {
            assert!(wrong.parse::<AccountId>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_region_tells_its_partition() {
        let partition = |name: &str| name.parse::<Region>().map(|region| region.partition());
        assert_eq!(partition("ap-south-1"), Ok(Partition::Aws));
        assert_eq!(partition("cn-north-1"), Ok(Partition::AwsCn));
        assert_eq!(partition("us-gov-west-1"), Ok(Partition::AwsUsGov));
        for known in [Partition::Aws, Partition::AwsCn, Partition::AwsUsGov, Partition::AwsIso] {
            assert_eq!((known.home_region().partition(), known.as_str().parse()), (known, Ok(known)));
        }
        for wrong in ["", "useast1", "us-east", "US-EAST-1", "us-east-1-2", "us--1"] {
            assert!(partition(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_sixth_segment_keeps_its_colons() {
        let arn: Arn = "arn:aws:iam::111122223333:role/a:b/c".parse().unwrap();
        assert_eq!(arn.resource(), "role/a:b/c");
        assert_eq!(arn.resource_after("role"), Some("a:b/c"));
        assert_eq!(arn.account().map(|a| a.to_string()).as_deref(), Some("111122223333"));
    }
}
