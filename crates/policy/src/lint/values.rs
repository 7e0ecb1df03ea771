//! Values that no request can have, or that the operator cannot read.

use data_encoding::BASE64;

use super::domains::{CALLING_SERVICES, values_of};
use super::nearest::nearest;
use super::view::{StatementView, Test, Text, View};
use super::{Lint, Report, Severity};
use crate::arn::{AccountId, Region};
use crate::condition::{ArnPattern, Comparison, Padding, parse_bool, parse_date, parse_network, parse_number};
use crate::glob::Glob;
use crate::key::{KeyName, ValueType};

pub(super) const UNREADABLE_VALUE: Lint = Lint {
    id: "unreadable-value",
    severity: Severity::Warning,
    finds: "a value that its operator cannot read",
    why: "A number, date, boolean, address, base64 text or ARN that is none equals nothing: the test never holds by this value. Negated tests of numbers, dates \
          and addresses then fail too; ArnNotEquals and ArnNotLike hold.",
    rules: &["A156", "A157", "A158", "A159"],
};

pub(super) const OPERATOR_TYPE: Lint = Lint {
    id: "operator-type",
    severity: Severity::Warning,
    finds: "an operator of another type than the key's values",
    why: "The request's value is read as the operator's type; where that cannot be the test never holds. A String operator on an address compares text: a \
          network such as 203.0.113.0/24 matches no address.",
    rules: &["A156", "A157", "A158", "A159"],
};

pub(super) const PATTERN_IS_LITERAL: Lint = Lint {
    id: "pattern-is-literal",
    severity: Severity::Warning,
    finds: "`*` or `?` under StringEquals",
    why: "StringEquals, StringNotEquals and their IgnoreCase forms know no wildcards: the star is a star. Use StringLike or StringNotLike.",
    rules: &["A153", "A154", "A155"],
};

pub(super) const VALUE_NEVER: Lint = Lint {
    id: "value-never",
    severity: Severity::Warning,
    finds: "a value that the key never has",
    why: "Values are compared with their case. Those of the API's enumerations are written as the API writes them, accounts are twelve digits, alias names \
          begin with `alias/`, kms:ViaService is `SERVICE.REGION.amazonaws.com` in every partition, aws:PrincipalArn of a session is the role's ARN.",
    rules: &["A512", "A519", "A545", "A546", "A549", "A551", "A201"],
};

pub(super) const UNKNOWN_SERVICE: Lint = Lint {
    id: "unknown-service",
    severity: Severity::Note,
    finds: "kms:ViaService with a service that is not known to call KMS for its callers",
    why: "If the name is mistyped the test never holds. Only services that use the key for somebody show themselves there; a service that calls as itself, and \
          a service role's own calls, do not. AWS adds services now and then.",
    rules: &["A512", "A513"],
};

pub(super) const EMPTY_CONDITION: Lint = Lint {
    id: "empty-condition",
    severity: Severity::Warning,
    finds: "a condition without keys or without values",
    why: "An operator without keys tests nothing. A key with an empty list of values equals none of them: a positive test never holds, a negated one always.",
    rules: &["A150"],
};

pub(super) fn check(_: &View<'_>, statement: &StatementView<'_>, report: &mut Report) {
    for operator in &statement.empty_operators {
        let message = format!("{} without a key tests nothing", operator.text);
        report.add(&EMPTY_CONDITION, statement, operator.span, message, "add the key that is meant, or remove the operator");
    }
    for test in &statement.tests {
        if test.values.is_empty() {
            let holds = if test.operator.negated() { "always holds" } else { "never holds for a request that carries the key" };
            let message = format!("without values this test {holds}");
            report.add(&EMPTY_CONDITION, statement, test.span, message, "add the values that are meant");
        }
        let mismatched = operator_type(statement, test, report);
        for value in test.values.iter().filter(|value| !value.text.contains("${")) {
            if readable(test.operator.comparison(), &value.text) {
                // Told already where the operator does not fit at all.
                if test.is_string() && !mismatched {
                    text(statement, test, value, report);
                }
                principal_arn(statement, test, value, report);
            } else {
                unreadable(statement, test, value, report);
            }
        }
    }
}

fn readable(comparison: Comparison, text: &str) -> bool {
    match comparison {
        Comparison::StringEquals | Comparison::StringEqualsIgnoreCase | Comparison::StringLike => true,
        Comparison::Arn => ArnPattern::new(text, false, Padding::None).is_some(),
        Comparison::Numeric(_) => parse_number(text).is_some(),
        Comparison::Date(_) => parse_date(text).is_some(),
        Comparison::Bool | Comparison::Null => parse_bool(text).is_some(),
        Comparison::Binary => BASE64.decode(text.as_bytes()).is_ok(),
        Comparison::IpAddress => parse_network(text).is_some(),
    }
}

fn unreadable(statement: &StatementView<'_>, test: &Test, value: &Text, report: &mut Report) {
    let (what, help) = match test.operator.comparison() {
        Comparison::Arn if value.text == "*" => ("no ARN", "leave the test out, or write arn:*:*:*:*:*"),
        Comparison::Arn => ("no ARN", "write all six segments, with `*` where anything may stand"),
        Comparison::Numeric(_) => ("no number", "write a decimal number"),
        Comparison::Date(_) => ("no date", "write 2026-01-31T12:00:00Z, or seconds since 1970"),
        Comparison::Bool | Comparison::Null => ("neither true nor false", "write \"true\" or \"false\""),
        Comparison::Binary => ("no base64", "encode the bytes as base64, padding included"),
        _ => ("no address or network", "write an address such as 203.0.113.7, or a network such as 203.0.113.0/24"),
    };
    let message = format!("`{}` is {what}, so {} never finds it", value.text, test.operator_text.text);
    report.add(&UNREADABLE_VALUE, statement, value.span, message, help);
}

/// Whether the operator's type and the key's are strangers.
fn operator_type(statement: &StatementView<'_>, test: &Test, report: &mut Report) -> bool {
    if test.key.name() == KeyName::Other {
        return false;
    }
    let value_type = test.key.name().value_type();
    let fits = match test.operator.comparison() {
        Comparison::Null | Comparison::StringEquals | Comparison::StringEqualsIgnoreCase | Comparison::StringLike => {
            value_type != ValueType::Ip || test.values.iter().all(|value| !value.text.contains('/'))
        }
        // Family keys hold any text: a tag may well be a number, a context pair an ARN.
        _ if test.key.name().as_str().ends_with(['/', ':']) => true,
        Comparison::Arn => value_type == ValueType::Arn,
        Comparison::Numeric(_) => value_type == ValueType::Number || value_type == ValueType::Date || is_number(test.key.name()),
        Comparison::Date(_) => value_type == ValueType::Date,
        Comparison::Bool => value_type == ValueType::Bool,
        Comparison::IpAddress => value_type == ValueType::Ip,
        Comparison::Binary => false,
    };
    if !fits {
        let (is, use_) = match value_type {
            ValueType::String => ("text", "a String operator"),
            ValueType::Arn => ("an ARN", "ArnLike, ArnEquals or a String operator"),
            ValueType::Bool => ("true or false", "Bool"),
            ValueType::Number => ("a number", "a Numeric operator"),
            ValueType::Date => ("a date", "a Date operator"),
            ValueType::Ip => ("an address", "IpAddress or NotIpAddress"),
        };
        let message = format!("`{}` is {is}, which {} cannot compare", test.key.as_str(), test.operator_text.text);
        report.add(&OPERATOR_TYPE, statement, test.operator_text.span, message, format!("use {use_}"));
    }
    !fits
}

/// Text that is all digits.
fn is_number(name: KeyName) -> bool {
    matches!(name, KeyName::CallerAccount | KeyName::PrincipalAccount | KeyName::ResourceAccount | KeyName::SourceAccount)
}

fn text(statement: &StatementView<'_>, test: &Test, value: &Text, report: &mut Report) {
    let wild = value.text.contains(['*', '?']);
    if wild && test.operator.comparison() != Comparison::StringLike {
        let like = if test.operator.negated() { "StringNotLike" } else { "StringLike" };
        let message = format!("{} knows no wildcards: this compares with `{}` to the letter", test.operator_text.text, value.text);
        report.add(&PATTERN_IS_LITERAL, statement, value.span, message, format!("use {like}"));
        return;
    }
    if let Some(help) = never(test, &value.text) {
        let message = format!("`{}` is never `{}`", test.key.as_str(), value.text);
        report.add(&VALUE_NEVER, statement, value.span, message, help);
    } else if test.key.name() == KeyName::ViaService {
        service(statement, value, report);
    }
}

/// (A513)
fn service(statement: &StatementView<'_>, value: &Text, report: &mut Report) {
    let Some((service, _)) = value.text.split_once('.').filter(|(service, _)| !service.contains(['*', '?'])) else { return };
    if CALLING_SERVICES.contains(&service) {
        return;
    }
    let help = match nearest(service, CALLING_SERVICES.iter().copied()) {
        Some(meant) => format!("is `{meant}` meant?"),
        None => "name the service as it calls itself in kms:ViaService".to_owned(),
    };
    let message = format!("`{service}` is no service that is known to call KMS for its callers");
    report.add(&UNKNOWN_SERVICE, statement, value.span, message, help);
}

/// The way out, if the key never has the value. `text` holds wildcards under StringLike only.
fn never(test: &Test, text: &str) -> Option<String> {
    use KeyName as K;
    let pattern = (test.operator.comparison() == Comparison::StringLike).then(|| Glob::new(text, false));
    let reaches = |candidate: &str| match (&pattern, test.operator.comparison()) {
        (Some(pattern), _) => pattern.matches_plain(candidate),
        (None, Comparison::StringEqualsIgnoreCase) => text.eq_ignore_ascii_case(candidate),
        (None, _) => text == candidate,
    };
    let plain = !text.contains(['*', '?']);
    let name = test.key.name();
    if let Some(values) = values_of(name) {
        let help = || match values.iter().find(|value| value.eq_ignore_ascii_case(text)).copied().or_else(|| nearest(text, values.iter().copied())) {
            _ if name == K::GrantOperations && text.eq_ignore_ascii_case("ReEncrypt") => "write ReEncryptFrom and ReEncryptTo".to_owned(),
            Some(meant) => format!("write {meant}"),
            None if values.len() <= 5 => format!("it is one of {}", values.join(", ")),
            None => "use a value of the API's enumeration".to_owned(),
        };
        return (!values.iter().any(|value| reaches(value))).then(help);
    }
    match name {
        K::CallerAccount | K::PrincipalAccount | K::ResourceAccount | K::SourceAccount | K::VpceAccount => {
            (plain && text.parse::<AccountId>().is_err()).then(|| "an account id is twelve digits".to_owned())
        }
        K::RequestedRegion | K::PrimaryRegion | K::ReplicaRegion => {
            (plain && text.parse::<Region>().is_err()).then(|| "a Region looks like us-east-1".to_owned())
        }
        K::RequestAlias | K::ResourceAliases => {
            let head: String = text.chars().take_while(|c| !matches!(c, '*' | '?')).take("alias/".len()).collect();
            (!"alias/".starts_with(&head)).then(|| "an alias name begins with alias/; it is no ARN".to_owned())
        }
        K::ViaService => (!via_service(text)).then(|| "it looks like s3.us-east-1.amazonaws.com, with the service's Region".to_owned()),
        _ => None,
    }
}

/// (A512) `SERVICE.REGION.amazonaws.com`, in every partition; the pattern may leave anything open.
fn via_service(text: &str) -> bool {
    if text.contains(['*', '?']) {
        // Enough that it can end as it must: what stands behind the last wildcard is a tail of the right one, or holds it.
        let tail = text.rsplit(['*', '?']).next().unwrap_or_default();
        return ".amazonaws.com".ends_with(tail) || tail.ends_with(".amazonaws.com") && !text.contains(".amazonaws.com.");
    }
    let Some((service, region)) = text.strip_suffix(".amazonaws.com").and_then(|head| head.split_once('.')) else { return false };
    let label = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    !service.is_empty() && service.chars().all(label) && region.parse::<Region>().is_ok()
}

/// (A519) Sessions show their role's ARN there.
fn principal_arn(statement: &StatementView<'_>, test: &Test, value: &Text, report: &mut Report) {
    let text = &value.text;
    if test.key.name() == KeyName::PrincipalArn && text.starts_with("arn:") && text.contains(":sts:") && text.contains(":assumed-role/") {
        let message = format!("`{}` of a session is its role's ARN, never `{text}`", test.key.as_str());
        report.add(&VALUE_NEVER, statement, value.span, message, "write arn:aws:iam::ACCOUNT:role/NAME");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_calling_services() {
        for good in
            ["s3.us-east-1.amazonaws.com", "docdb-elastic.eu-west-1.amazonaws.com", "s3.*.amazonaws.com", "*", "*.us-east-1.amazonaws.com", "s3.*"]
        {
            assert!(via_service(good), "{good}"); // [A512]
        }
        for bad in ["s3.amazonaws.com", "s3", "S3.us-east-1.amazonaws.com", "s3.cn-north-1.amazonaws.com.cn", "s3.*.amazonaws.com.cn", "*.s3"] {
            assert!(!via_service(bad), "{bad}");
        }
    }
}
