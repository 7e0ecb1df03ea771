//! Lower-case hexadecimal and nothing else, so that a value has one text.

use data_encoding::HEXLOWER;

pub(crate) fn encode(bytes: &[u8]) -> String {
    HEXLOWER.encode(bytes)
}

/// `None` unless `text` is exactly `2 * LEN` lower-case digits.
pub(crate) fn decode<const LEN: usize>(text: &str) -> Option<[u8; LEN]> {
    decode_digits(text.as_bytes())
}

pub(crate) fn decode_digits<const LEN: usize>(digits: &[u8]) -> Option<[u8; LEN]> {
    if digits.len() != 2 * LEN {
        return None;
    }
    let mut bytes = [0; LEN];
    HEXLOWER.decode_mut(digits, &mut bytes).ok().map(|_| bytes)
}

/// `Serialize` and `Deserialize` as the text of `Display` and `FromStr`.
macro_rules! serde_as_text {
    ($type:ty) => {
        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}
pub(crate) use serde_as_text;
