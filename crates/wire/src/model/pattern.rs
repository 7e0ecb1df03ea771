//! The patterns of the model as code: each is met by the whole text, and its letters and digits are those of ASCII.
//!
//! There is no engine for regular expressions on the way of a request; a test holds each function against one.

/// Whether the whole text meets a pattern of the model. A pattern that nobody wrote down here is met by nothing.
pub(crate) fn fits(pattern: &str, text: &str) -> bool {
    PATTERNS.iter().find(|(known, _)| *known == pattern).is_some_and(|(_, fits)| fits(text))
}

type Fits = fn(&str) -> bool;

const PATTERNS: &[(&str, Fits)] = &[
    (r"[0-9]{12}", |text| text.len() == 12 && all(text, |char| char.is_ascii_digit())),
    (r"[\u0009\u000A\u000D\u0020-\u00FF]+", |text| some(text, |char| "\t\n\r".contains(char) || is_latin(char))),
    (r"[\u0020-\u00FF]*", |text| all(text, is_latin)),
    (r"[\w]+", |text| some(text, is_word)),
    (r"^(/[a-zA-Z0-9\/_-]+/kms/xks/v\d{1,2})$|^(/kms/xks/v\d{1,2})$", is_proxy_path),
    (r"^([A-Za-z0-9\-]+)\.([A-Za-z0-9\-]+)(\.[A-Za-z0-9\-]+)+$", |text| text.split('.').count() >= 3 && text.split('.').all(is_label)),
    (r"^([a-z]+-){2,3}\d+$", is_region),
    (r"^(com|eu)\.amazonaws\.vpce\.([a-z]+-){2,3}\d+\.vpce-svc-[0-9a-z]+$", is_endpoint_service),
    (r"^[A-Z2-7]+$", |text| some(text, |char| char.is_ascii_uppercase() || ('2'..='7').contains(&char))),
    (r"^[\w+=,.@:/-]+$", |text| some(text, |char| is_word(char) || "+=,.@:/-".contains(char))),
    (r"^[a-f0-9]+$", |text| some(text, |char| char.is_ascii_digit() || ('a'..='f').contains(&char))),
    (r"^[a-zA-Z0-9-_.]+$", |text| some(text, |char| is_word(char) || "-.".contains(char))),
    (r"^[a-zA-Z0-9:/_-]+$", |text| some(text, |char| is_word(char) || ":/-".contains(char))),
    (r"^[a-zA-Z0-9:/_\s.-]+$", |text| some(text, |char| is_word(char) || is_space(char) || ":/.-".contains(char))),
    (r"^[a-zA-Z0-9\/+=]+$", |text| some(text, |char| char.is_ascii_alphanumeric() || "/+=".contains(char))),
    (r"^arn:aws[a-z0-9-]*:[a-z0-9-]+:[a-z0-9-]*:[0-9]{12}:.+$", is_source_arn),
    (r"^https://[a-zA-Z0-9.-]+$", |text| {
        text.strip_prefix("https://").is_some_and(|host| some(host, |char| char.is_ascii_alphanumeric() || ".-".contains(char)))
    }),
    (r"cluster-[2-7a-zA-Z]{11,16}", |text| {
        text.strip_prefix("cluster-")
            .is_some_and(|id| (11..=16).contains(&id.len()) && all(id, |char| char.is_ascii_alphabetic() || ('2'..='7').contains(&char)))
    }),
];

fn all(text: &str, allowed: impl Fn(char) -> bool) -> bool {
    text.chars().all(allowed)
}

fn some(text: &str, allowed: impl Fn(char) -> bool) -> bool {
    !text.is_empty() && all(text, allowed)
}

/// `\w`
fn is_word(char: char) -> bool {
    char.is_ascii_alphanumeric() || char == '_'
}

/// `\s`
fn is_space(char: char) -> bool {
    matches!(char, ' ' | '\t' | '\n' | '\u{b}' | '\u{c}' | '\r')
}

fn is_latin(char: char) -> bool {
    ('\u{20}'..='\u{ff}').contains(&char)
}

fn is_label(label: &str) -> bool {
    some(label, |char| char.is_ascii_alphanumeric() || char == '-')
}

/// `us-east-1`, `us-gov-west-1`
fn is_region(text: &str) -> bool {
    let mut parts: Vec<&str> = text.split('-').collect();
    let number = parts.pop().unwrap_or_default();
    (2..=3).contains(&parts.len())
        && parts.iter().all(|part| some(part, |char| char.is_ascii_lowercase()))
        && some(number, |char| char.is_ascii_digit())
}

/// `/kms/xks/v1`, `/prefix/kms/xks/v1`
fn is_proxy_path(text: &str) -> bool {
    let Some((before, version)) = text.rsplit_once("/kms/xks/v") else { return false };
    let is_prefix =
        |prefix: &str| prefix.strip_prefix('/').is_some_and(|rest| some(rest, |char| char.is_ascii_alphanumeric() || "/_-".contains(char)));
    (1..=2).contains(&version.len()) && all(version, |char| char.is_ascii_digit()) && (before.is_empty() || is_prefix(before))
}

/// `com.amazonaws.vpce.us-east-1.vpce-svc-0123456789abcdef0`
fn is_endpoint_service(text: &str) -> bool {
    let rest = text.strip_prefix("com.amazonaws.vpce.").or_else(|| text.strip_prefix("eu.amazonaws.vpce."));
    let Some((region, id)) = rest.and_then(|rest| rest.split_once(".vpce-svc-")) else { return false };
    is_region(region) && some(id, |char| char.is_ascii_digit() || char.is_ascii_lowercase())
}

fn is_source_arn(text: &str) -> bool {
    let lower = |segment: &str| all(segment, |char| char.is_ascii_lowercase() || char.is_ascii_digit() || char == '-');
    let segments: Vec<&str> = text.splitn(6, ':').collect();
    let [arn, partition, service, region, account, resource] = segments.as_slice() else { return false };
    *arn == "arn"
        && partition.starts_with("aws")
        && lower(partition)
        && !service.is_empty()
        && lower(service)
        && lower(region)
        && account.len() == 12
        && all(account, |char| char.is_ascii_digit())
        && some(resource, |char| char != '\n')
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;
    use regex::Regex;

    use super::*;
    use crate::model::kms::OPERATIONS;
    use crate::model::{Member, Shape};

    fn patterns(members: &[Member], found: &mut BTreeSet<&'static str>) {
        for member in members {
            let mut shape = member.shape;
            while let Shape::List { of, .. } = shape {
                shape = of;
            }
            match shape {
                Shape::Text { pattern, .. } => found.extend(*pattern),
                Shape::Structure(members) => patterns(members, found),
                _ => {}
            }
        }
    }

    #[test]
    fn every_pattern_of_the_model_is_written_down() {
        let mut found = BTreeSet::new();
        OPERATIONS.iter().for_each(|operation| patterns(operation.members, &mut found));
        let known: BTreeSet<&str> = PATTERNS.iter().map(|(pattern, _)| *pattern).collect();
        assert_eq!(found, known);
    }

    /// The pattern as the engine writes it: met by the whole text, classes of ASCII.
    fn engine(pattern: &str) -> Regex {
        let ascii = pattern.replace(r"\w", "0-9A-Za-z_").replace(r"\d", "[0-9]").replace(r"\s", r"\t\n\x0B\x0C\r\x20");
        Regex::new(&format!(r"\A(?:{ascii})\z")).unwrap()
    }

    const EXAMPLES: &[&str] = &[
        "",
        "a",
        "111122223333",
        "11112222333a",
        "{\"Version\":\t\"2012-10-17\"}\r\n",
        "š",
        "ÿ",
        "a b",
        "default",
        "no-word",
        "/kms/xks/v1",
        "/kms/xks/v123",
        "/kms/xks/v",
        "/prefix/kms/xks/v12",
        "//kms/xks/v1",
        "/a/kms/xks/v1/kms/xks/v2",
        "prefix/kms/xks/v1",
        "dynamodb.us-east-1.amazonaws.com",
        "s3.amazonaws",
        "..",
        "us-east-1",
        "us-gov-west-12",
        "us-iso-b-east-1",
        "us-1",
        "us--1",
        "com.amazonaws.vpce.us-east-1.vpce-svc-0123456789abcdef0",
        "eu.amazonaws.vpce.us-east-1.vpce-svc-",
        "org.amazonaws.vpce.us-east-1.vpce-svc-1",
        "ABCDEFGHIJKLMNOPQRST",
        "ABC1",
        "arn:aws:iam::111122223333:role/x",
        "arn:aws-cn:s3:::bucket",
        "arn:aws:dynamodb:us-east-1:111122223333:table/t",
        "arn:aws:dynamodb:us-east-1:111122223333:table\n",
        "arn:aws:dynamodb:us-east-1:111122223333:",
        "0123abcdef",
        "0123ABCDEF",
        "key-1_2.3",
        "alias/a:b",
        "alias/ä",
        "one\u{b}two",
        "a+/=",
        "https://xks.example.com",
        "https://",
        "http://xks.example.com",
        "cluster-abcdefghi23",
        "cluster-abcdefghi2",
        "cluster-abcdefghi18",
        "\n",
        "a\n",
    ];

    #[test]
    fn examples_are_taken_as_an_engine_takes_them() {
        for (pattern, fits) in PATTERNS {
            let engine = engine(pattern);
            for text in EXAMPLES {
                assert_eq!(fits(text), engine.is_match(text), "{pattern} on {text:?}");
            }
        }
    }

    proptest! {
        #[test]
        fn any_text_is_taken_as_an_engine_takes_it(
            which in 0..PATTERNS.len(),
            example in prop::sample::select(EXAMPLES),
            at in 0..60_usize,
            change in r"[a-zA-Z0-9:/_.@=,+ é\-\u{100}\n]{0,3}",
        ) {
            let (pattern, fits) = PATTERNS[which];
            // An example with something put into it, so that texts come near to what is taken.
            let cut = example.char_indices().map(|(at, _)| at).nth(at).unwrap_or(example.len());
            let text = format!("{}{change}{}", &example[..cut], &example[cut..]);
            prop_assert_eq!(fits(&text), engine(pattern).is_match(&text), "{} on {:?}", pattern, text);
        }
    }
}
