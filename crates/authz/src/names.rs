//! Names of keys, aliases, grants and principals' unique ids.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use keyward_policy::{AccountId, Arn, ParseArnError, Region};
use serde::{Deserialize, Serialize};

/// A name that has not the shape of what it should be.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ParseNameError {
    /// Neither a UUID nor `mrk-` and 32 hexadecimal digits (K40).
    #[error("a key id is a UUID or `mrk-` and 32 hexadecimal digits, not `{0}`")]
    KeyId(Box<str>),
    /// Not `alias/` and a name (K47).
    #[error("an alias is `alias/` and letters, digits, `/`, `_`, `-`; this is not: `{0}`")]
    AliasName(Box<str>),
    /// Not 64 hexadecimal digits (A617).
    #[error("a grant id is 64 hexadecimal digits, not `{0}`")]
    GrantId(Box<str>),
    /// Not an ARN of the right service and type.
    #[error("this is no ARN of a key: `{0}`")]
    KeyArn(Box<str>),
    /// A segment of an ARN is wrong.
    #[error(transparent)]
    Segment(#[from] ParseArnError),
}

macro_rules! text_name {
    ($(#[$doc:meta])* $noun:ident, $check:expr, $error:path) => {
        $(#[$doc])*
        #[derive(Clone, Eq, Hash, Ord, PartialEq, PartialOrd)]
        pub struct $noun(Arc<str>);

        impl $noun {
            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $noun {
            type Err = ParseNameError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                let check: fn(&str) -> bool = $check;
                if check(text) { Ok(Self(text.into())) } else { Err($error(text.into())) }
            }
        }

        impl fmt::Display for $noun {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $noun {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl Serialize for $noun {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $noun {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

text_name!(
    /// The id of a key: a lower-case UUID, or `mrk-` and 32 hexadecimal digits for multi-Region keys (K40). Compared exactly (A139).
    KeyId,
    is_key_id,
    ParseNameError::KeyId
);
text_name!(
    /// The name of an alias with its prefix, e.g. `alias/orders` (K47).
    AliasName,
    is_alias_name,
    ParseNameError::AliasName
);
text_name!(
    /// The id of a grant: 64 lower-case hexadecimal digits (A617).
    GrantId,
    |text| text.len() == 64 && text.bytes().all(is_lower_hex),
    ParseNameError::GrantId
);

/// The name that only one principal ever has, `AIDA…` (user) or `AROA…` (role): the same ARN made anew gets another (A206).
#[derive(Clone, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
pub struct UniqueId(pub Arc<str>);

impl fmt::Display for UniqueId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn is_lower_hex(b: u8) -> bool {
    b.is_ascii_digit() || (b'a'..=b'f').contains(&b)
}

fn is_key_id(text: &str) -> bool {
    match text.strip_prefix("mrk-") {
        Some(digits) => digits.len() == 32 && digits.bytes().all(is_lower_hex),
        None => {
            let groups = text.split('-').map(str::len);
            groups.eq([8, 4, 4, 4, 12]) && text.bytes().all(|b| b == b'-' || is_lower_hex(b))
        }
    }
}

fn is_alias_name(text: &str) -> bool {
    text.strip_prefix("alias/")
        .is_some_and(|name| !name.is_empty() && text.len() <= 256 && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"/_-".contains(&b)))
}

impl KeyId {
    /// Whether it is the id of a multi-Region key.
    pub fn is_multi_region(&self) -> bool {
        self.0.starts_with("mrk-")
    }
}

impl AliasName {
    /// Whether AWS keeps the name for its own keys: `alias/aws/…` (A405).
    pub fn is_reserved(&self) -> bool {
        self.0.starts_with("alias/aws/")
    }
}

/// `arn:aws:kms:REGION:ACCOUNT:key/ID`
#[derive(Clone, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct KeyArn {
    region: Region,
    account: AccountId,
    id: KeyId,
    text: Arc<str>,
}

impl KeyArn {
    /// The ARN of a key by its parts; the partition follows the Region (K40).
    pub fn new(region: Region, account: AccountId, id: KeyId) -> Self {
        let text = format!("arn:{}:kms:{region}:{account}:key/{id}", region.partition()).into();
        Self { region, account, id, text }
    }

    /// The whole text.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Where the key lives.
    pub fn region(&self) -> &Region {
        &self.region
    }

    /// The owner account.
    pub fn account(&self) -> AccountId {
        self.account
    }

    /// The id.
    pub fn id(&self) -> &KeyId {
        &self.id
    }
}

impl FromStr for KeyArn {
    type Err = ParseNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || ParseNameError::KeyArn(text.into());
        let arn: Arn = text.parse()?;
        let id = arn.resource_after("key").filter(|_| arn.service() == "kms").ok_or_else(wrong)?;
        let key = Self::new(arn.region().parse()?, arn.account().ok_or_else(wrong)?, id.parse()?);
        if *key.text == *text { Ok(key) } else { Err(wrong()) }
    }
}

impl fmt::Display for KeyArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for KeyArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Serialize for KeyArn {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for KeyArn {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_ids_and_arns() {
        for good in ["5f0c8a52-7d3e-4b19-9c64-2a1be08d7f31", "mrk-0123456789abcdef0123456789abcdef"] {
            assert!(good.parse::<KeyId>().is_ok(), "{good}");
        }
        for bad in ["5f0c8a527d3e4b199c642a1be08d7f31", "5F0C8A52-7d3e-4b19-9c64-2a1be08d7f31", "mrk-1", "mrk-0123456789ABCDEF0123456789abcdef", ""] {
            assert!(bad.parse::<KeyId>().is_err(), "{bad}"); // [K40] [K43]
        }
        let arn = "arn:aws:kms:us-east-1:111122223333:key/5f0c8a52-7d3e-4b19-9c64-2a1be08d7f31";
        assert_eq!(arn.parse::<KeyArn>().map(|arn| arn.to_string()).as_deref(), Ok(arn));
        assert!("arn:aws-cn:kms:us-east-1:111122223333:key/5f0c8a52-7d3e-4b19-9c64-2a1be08d7f31".parse::<KeyArn>().is_err());
    }

    #[test]
    fn alias_names() {
        assert!("alias/a/b-c_D9".parse::<AliasName>().is_ok());
        for bad in ["alias/", "a", "alias/a b", "alias/a:b", "Alias/a"] {
            assert!(bad.parse::<AliasName>().is_err(), "{bad}"); // [K47]
        }
    }
}
