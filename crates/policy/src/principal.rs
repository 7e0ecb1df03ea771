//! `Principal` and `NotPrincipal`: who a statement names. Whom that is, is decided by `authz`.

use crate::arn::{AccountId, Arn};
use crate::json::Span;

/// The `Principal` or `NotPrincipal` element of a statement.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PrincipalElement {
    /// `NotPrincipal` (A129).
    pub negated: bool,
    /// Its entries; any of them may match (A120).
    pub entries: Vec<PrincipalEntry>,
    /// Where the element's value stands.
    pub span: Span,
}

/// One name in a principal element.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PrincipalEntry {
    /// What kind of name it is.
    pub kind: PrincipalKind,
    /// As the policy writes it.
    pub text: Box<str>,
    /// Where it stands.
    pub span: Span,
}

/// The kinds of names that a principal element may hold (A120) (A121).
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum PrincipalKind {
    /// `"*"` or `{"AWS": "*"}`, which are the same (A125).
    Everyone,
    /// A twelve-digit id or `arn:aws:iam::ID:root`, which are the same (A127).
    Account(AccountId),
    /// A user, by ARN with its path (A124).
    User(Arn),
    /// A role, by ARN with its path (A124).
    Role(Arn),
    /// One session name of one role (A205).
    RoleSession(Arn),
    /// A federated user.
    FederatedUser(Arn),
    /// `AIDA…` or `AROA…`: a living principal, or what was left of a deleted one (A206) (A207).
    UniqueId,
    /// A service principal such as `cloudtrail.amazonaws.com` (A126).
    Service,
    /// An identity provider; only trust policies may name one (A123).
    Federated,
    /// An S3 canonical user; nothing in KMS (A123).
    CanonicalUser,
    /// Nothing that AWS would accept (A122) (A123).
    Invalid,
}

impl PrincipalEntry {
    pub(crate) fn aws(text: &str, span: Span) -> Self {
        Self { kind: aws_kind(text), text: text.into(), span }
    }

    pub(crate) fn service(text: &str, span: Span) -> Self {
        Self { kind: if is_service_name(text) { PrincipalKind::Service } else { PrincipalKind::Invalid }, text: text.into(), span }
    }
}

impl PrincipalKind {
    /// What a name under `AWS` is; grants name their principals in the same way.
    pub fn named(text: &str) -> Self {
        aws_kind(text)
    }
}

fn aws_kind(text: &str) -> PrincipalKind {
    if text == "*" {
        return PrincipalKind::Everyone;
    }
    // [A122] A wildcard is the whole value or none.
    if text.contains(['*', '?']) {
        return PrincipalKind::Invalid;
    }
    if let Ok(account) = text.parse() {
        return PrincipalKind::Account(account);
    }
    if is_unique_id(text) {
        return PrincipalKind::UniqueId;
    }
    let Ok(arn) = text.parse::<Arn>() else {
        return PrincipalKind::Invalid;
    };
    let Some(account) = arn.account().filter(|_| arn.region().is_empty()) else {
        return PrincipalKind::Invalid;
    };
    let has = |prefix: &str| arn.resource_after(prefix).is_some_and(|name| !name.is_empty());
    match arn.service() {
        "iam" if arn.resource() == "root" => PrincipalKind::Account(account),
        "iam" if has("user") => PrincipalKind::User(arn),
        "iam" if has("role") => PrincipalKind::Role(arn),
        "sts"
            if arn
                .resource_after("assumed-role")
                .is_some_and(|rest| rest.split_once('/').is_some_and(|(role, name)| !role.is_empty() && !name.is_empty())) =>
        {
            PrincipalKind::RoleSession(arn)
        }
        "sts" if has("federated-user") => PrincipalKind::FederatedUser(arn),
        // [A123] Groups are never principals.
        _ => PrincipalKind::Invalid,
    }
}

/// `AIDA…` (users) and `AROA…` (roles), 16 to 128 capital letters and digits (A206).
fn is_unique_id(text: &str) -> bool {
    (text.starts_with("AIDA") || text.starts_with("AROA"))
        && (16..=128).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
}

/// (A126) Every host name below a partition's suffix.
fn is_service_name(text: &str) -> bool {
    let labels = [".amazonaws.com", ".amazonaws.com.cn", ".c2s.ic.gov"].iter().find_map(|suffix| text.strip_suffix(suffix));
    labels.is_some_and(|labels| labels.split('.').all(|label| !label.is_empty() && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_name_is_told_apart() {
        let kind = |text: &str| aws_kind(text);
        assert_eq!(kind("*"), PrincipalKind::Everyone);
        assert_eq!(kind("111122223333"), kind("arn:aws:iam::111122223333:root")); // [A127]
        assert!(matches!(kind("arn:aws:iam::111122223333:user/a/b"), PrincipalKind::User(_)));
        assert!(matches!(kind("arn:aws:iam::111122223333:role/b"), PrincipalKind::Role(_)));
        assert!(matches!(kind("arn:aws:sts::111122223333:assumed-role/b/s"), PrincipalKind::RoleSession(_)));
        assert!(matches!(kind("arn:aws:sts::111122223333:federated-user/f"), PrincipalKind::FederatedUser(_)));
        assert_eq!(kind("AROAEXAMPLEEXAMPLE123"), PrincipalKind::UniqueId);
        for invalid in [
            "",
            "app",
            "arn:aws:iam::111122223333:role/app-*",         // [A122]
            "arn:aws:sts::111122223333:assumed-role/app/*", // [A122]
            "arn:aws:iam::111122223333:group/g",            // [A123]
            "arn:aws:sts::111122223333:assumed-role/app",
            "arn:aws:iam::1234:role/app",
            "arn:aws:iam::111122223333:role/",
        ] {
            assert_eq!(kind(invalid), PrincipalKind::Invalid, "{invalid}");
        }
    }

    #[test]
    fn service_names_end_in_a_partition_suffix() {
        assert!(is_service_name("logs.us-east-1.amazonaws.com")); // [A126]
        for wrong in ["amazonaws.com", ".amazonaws.com", "evil.com", "a b.amazonaws.com", "x.amazonaws.com.evil.org"] {
            assert!(!is_service_name(wrong), "{wrong}");
        }
    }
}
