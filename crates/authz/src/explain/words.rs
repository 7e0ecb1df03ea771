//! Names and lists as people say them.

use keyward_policy::{Action, Condition, Context, Truth};

use crate::facts::Principal;
use crate::grant::{Grant, GrantMiss};

use super::report::ConditionReport;

/// `project is absent, where it wants StringEquals x`
pub(super) fn told(condition: &ConditionReport) -> String {
    let wanted = list(condition.wanted.iter());
    match &condition.found {
        Some(found) => format!("{} is {}, where it wants {} {wanted}", condition.key, list(found.iter()), condition.operator),
        None => format!("{} is absent, where it wants {} {wanted}", condition.key, condition.operator),
    }
}

pub(super) fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(chars).collect()
}

pub(super) fn differ_by_case(found: &[String], wanted: &[String]) -> bool {
    found.iter().any(|found| wanted.iter().any(|wanted| found != wanted && found.eq_ignore_ascii_case(wanted)))
}

pub(super) fn condition_report(condition: &Condition, context: &dyn Context) -> ConditionReport {
    let values = context.values(condition.key());
    let found: Vec<String> = values.iter().map(str::to_owned).collect();
    ConditionReport {
        key: condition.key().to_string(),
        operator: condition.operator_text().to_owned(),
        wanted: condition.values().map(str::to_owned).collect(),
        found: (!found.is_empty()).then_some(found),
        holds: match condition.holds(context) {
            Truth::Yes => Some(true),
            Truth::No => Some(false),
            Truth::Unsure | Truth::Open => None,
        },
    }
}

/// What a grant's constraint wants, in the form of a condition.
pub(crate) fn grant_conditions(grant: &Grant, miss: &GrantMiss) -> Vec<ConditionReport> {
    let constraints = &grant.terms.constraints;
    let wanted = |key: &str, operator: &str, wanted: Vec<String>| {
        vec![ConditionReport { key: key.to_owned(), operator: operator.to_owned(), wanted, found: None, holds: None }]
    };
    match miss {
        GrantMiss::EncryptionContext => {
            let pairs = constraints.encryption_context().into_iter().flatten().map(|(name, value)| format!("{name}={value}")).collect();
            wanted("encryption context", constraints.kind().unwrap_or_default(), pairs)
        }
        GrantMiss::SourceArn => wanted("aws:SourceArn", "equals", constraints.source_arn.iter().cloned().collect()),
        GrantMiss::WiderChild => wanted("grant asked for", "is no wider than", vec![grant_name(grant)]),
        GrantMiss::OtherGrantee | GrantMiss::Recreated | GrantMiss::Operation => Vec::new(),
    }
}

/// What a grant lacks, in a clause about it.
pub(super) fn grant_lacks(grant: &Grant, miss: GrantMiss, action: &Action) -> String {
    match miss {
        GrantMiss::OtherGrantee => format!("it is for {}", grant.terms.grantee.as_str()),
        GrantMiss::Recreated => "its grantee was deleted; this principal bears the same name but is another".to_owned(),
        GrantMiss::Operation => {
            format!("it holds {}, not {action}", list(grant.terms.operations.iter().map(|operation| operation.name())))
        }
        GrantMiss::EncryptionContext => {
            let pairs = grant.terms.constraints.encryption_context().map(|pairs| list(pairs.iter().map(|(name, value)| format!("{name}={value}"))));
            format!("its constraint {} wants {}", grant.terms.constraints.kind().unwrap_or_default(), pairs.unwrap_or_default())
        }
        GrantMiss::SourceArn => format!("it serves calls on behalf of {} only", grant.terms.constraints.source_arn.as_deref().unwrap_or_default()),
        GrantMiss::WiderChild => "the grant asked for is wider than this one".to_owned(),
    }
}

pub(super) fn grant_name(grant: &Grant) -> String {
    let id = grant.id.as_str();
    let name = grant.name.as_ref().map(|name| format!(" \"{name}\"")).unwrap_or_default();
    format!("grant {}…{name}", id.get(..8).unwrap_or(id))
}

pub(super) fn list(items: impl Iterator<Item = impl AsRef<str>>) -> String {
    const SHOWN_MAX: usize = 4;
    let items: Vec<String> = items.map(|item| item.as_ref().to_owned()).collect();
    match items.len().checked_sub(SHOWN_MAX) {
        Some(more) if more > 0 => format!("{} and {more} more", items.get(..SHOWN_MAX).unwrap_or_default().join(", ")),
        _ => items.join(", "),
    }
}

/// `1 policy`, `3 policies`
pub(super) fn counted(count: usize, one: &str, many: &str) -> String {
    if count == 1 { format!("1 {one}") } else { format!("{count} {many}") }
}

/// `role/app`, `user/ann`, `the root user`, `logs.amazonaws.com`.
pub(super) fn short(principal: &Principal) -> String {
    match principal {
        Principal::User { arn, .. } | Principal::FederatedUser { arn, .. } => arn.resource().to_owned(),
        Principal::RoleSession { role, .. } => role.resource().to_owned(),
        Principal::Root { .. } => "the root user".to_owned(),
        Principal::Service { name } => name.to_string(),
    }
}
