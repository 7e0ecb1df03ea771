//! Principals that name other callers than it seems.

use super::view::{StatementView, View};
use super::{Lint, Mark, Report, Severity};
use crate::arn::Arn;
use crate::document::PolicyKind;
use crate::key::KeyName;
use crate::principal::{PrincipalElement, PrincipalEntry, PrincipalKind};

pub(super) const NOT_PRINCIPAL_SESSION: Lint = Lint {
    id: "not-principal-session",
    severity: Severity::Warning,
    finds: "Deny with NotPrincipal that spares nobody",
    why: "A caller is spared only if every level of its identity is listed: a user with its account; a role session with session ARN, role ARN and account. \
          A list of roles alone denies their sessions too. Deny \"*\" with ArnNotEquals on aws:PrincipalArn instead.",
    rules: &["A220"],
};

pub(super) const NOT_PRINCIPAL_BOUNDARY: Lint = Lint {
    id: "not-principal-boundary",
    severity: Severity::Note,
    finds: "Deny with NotPrincipal",
    why: "It also denies every principal that has a permissions boundary, whatever is listed. Deny \"*\" with ArnNotEquals on aws:PrincipalArn instead.",
    rules: &["A221"],
};

pub(super) const MIXED_PARTITIONS: Lint = Lint {
    id: "mixed-partitions",
    severity: Severity::Warning,
    finds: "principals of several partitions in one statement",
    why: "Accounts belong to one partition (aws, aws-cn, aws-us-gov); a principal's ARN with another partition than the key's account names nobody.",
    rules: &["A121"],
};

pub(super) const SERVICE_WITHOUT_SOURCE: Lint = Lint {
    id: "service-without-source",
    severity: Severity::Note,
    finds: "a service principal allowed without aws:SourceArn, aws:SourceAccount or an encryption context",
    why: "The service calls for all its customers. Without a condition on whose resource it calls for, somebody else's may use the key through the \
          service (the confused deputy). Test aws:SourceArn or aws:SourceAccount, or the encryption context that names the resource.",
    rules: &["A208", "A530"],
};

pub(super) const KEY_ABSENT_FOR_PRINCIPAL: Lint = Lint {
    id: "key-absent-for-principal",
    severity: Severity::Warning,
    finds: "a test on a key that requests of the named principals never carry",
    why: "aws:SourceArn and aws:SourceAccount come only with calls that services make as themselves, never with those of users and roles, also where a \
          service calls for them. kms:ViaService, kms:CallerAccount and aws:Principal… keys come only with calls of users and roles. Test kms:ViaService for \
          the one, aws:SourceArn or aws:SourceAccount for the other.",
    rules: &["A511", "A512", "A519", "A520", "A530"],
};

pub(super) fn check(view: &View<'_>, statement: &StatementView<'_>, report: &mut Report) {
    let Some(principal) = statement.principal() else { return };
    if principal.negated {
        not_principal(statement, principal, report);
    }
    partitions(statement, principal, report);
    services(statement, principal, report);
    if view.kind == PolicyKind::Key && !principal.negated {
        absent_keys(statement, principal, report);
    }
}

fn absent_keys(statement: &StatementView<'_>, principal: &PrincipalElement, report: &mut Report) {
    use KeyName as K;
    let all = |service: bool| principal.entries.iter().all(|entry| (entry.kind == PrincipalKind::Service) == service);
    let everyone = principal.entries.iter().any(|entry| entry.kind == PrincipalKind::Everyone);
    let of_services = |name| matches!(name, K::SourceArn | K::SourceAccount | K::SourceOrgId | K::SourceOrgPaths | K::PrincipalServiceName);
    let of_accounts = |name| {
        let caller = matches!(name, K::PrincipalArn | K::PrincipalAccount | K::PrincipalOrgId | K::PrincipalOrgPaths | K::PrincipalTag);
        caller || matches!(name, K::ViaService | K::CallerAccount | K::UserName | K::UserId | K::PrincipalType)
    };
    for test in statement.tests.iter().filter(|test| !everyone && !test.holds_when_absent()) {
        let (whose, help) = match test.key.name() {
            name if all(false) && of_services(name) => ("calls of users and roles", "test kms:ViaService if a service must call for them"),
            name if all(true) && of_accounts(name) => ("calls of services as themselves", "test aws:SourceArn or aws:SourceAccount"),
            _ => continue,
        };
        let what = if statement.allows() { "allows" } else { "denies" };
        let message = format!("{whose} never carry `{}`, so this statement {what} nothing", test.key.as_str());
        report.add(&KEY_ABSENT_FOR_PRINCIPAL, statement, test.key_span, message, help);
    }
}

fn not_principal(statement: &StatementView<'_>, principal: &PrincipalElement, report: &mut Report) {
    let help = "deny \"*\" with ArnNotEquals on aws:PrincipalArn";
    report.add(&NOT_PRINCIPAL_BOUNDARY, statement, principal.span, "this denies every principal that has a permissions boundary", help);
    let has = |wanted: &dyn Fn(&PrincipalKind) -> bool| principal.entries.iter().any(|entry| wanted(&entry.kind));
    for entry in &principal.entries {
        let account_listed = |arn: &Arn| has(&|kind| matches!(kind, PrincipalKind::Account(account) if Some(*account) == arn.account()));
        let (incomplete, missing) = match &entry.kind {
            PrincipalKind::Role(role) => {
                let name = role.resource().rsplit('/').next().unwrap_or_default();
                let session_of = |arn: &Arn| arn.resource_after("assumed-role").is_some_and(|rest| rest.split('/').next() == Some(name));
                let session_listed = has(&|kind| matches!(kind, PrincipalKind::RoleSession(arn) if session_of(arn)));
                (!session_listed || !account_listed(role), "the ARNs of its sessions and its account")
            }
            PrincipalKind::User(user) => (!account_listed(user), "its account"),
            PrincipalKind::RoleSession(session) => {
                let role = session.resource_after("assumed-role").and_then(|rest| rest.split('/').next());
                let role_listed = has(&|kind| matches!(kind, PrincipalKind::Role(arn) if arn.resource().rsplit('/').next() == role));
                (!role_listed || !account_listed(session), "its role and its account")
            }
            _ => (false, ""),
        };
        if incomplete {
            let message = format!("`{}` is denied all the same: the list lacks {missing}", entry.text);
            report.add(&NOT_PRINCIPAL_SESSION, statement, entry.span, message, help);
        }
    }
}

fn partitions(statement: &StatementView<'_>, principal: &PrincipalElement, report: &mut Report) {
    let partition = |entry: &PrincipalEntry| entry.text.strip_prefix("arn:").and_then(|rest| rest.split(':').next()).map(str::to_owned);
    let mut first: Option<(String, &PrincipalEntry)> = None;
    for entry in &principal.entries {
        match (partition(entry), &first) {
            (Some(other), Some((known, earlier))) if other != *known => {
                let marks = vec![
                    Mark { span: entry.span, label: format!("partition {other}") },
                    Mark { span: earlier.span, label: format!("partition {known}") },
                ];
                let message = "an account is of one partition, so one of these principals names nobody";
                report.push(&MIXED_PARTITIONS, Some(statement.at), marks, message, "keep the principals of the key's own partition");
                return;
            }
            (Some(known), None) => first = Some((known, entry)),
            _ => {}
        }
    }
}

fn services(statement: &StatementView<'_>, principal: &PrincipalElement, report: &mut Report) {
    use KeyName as K;
    let names = [K::SourceArn, K::SourceAccount, K::SourceOrgId, K::SourceOrgPaths, K::EncryptionContext];
    let bounded = names.iter().any(|name| statement.tests_on(*name).any(|test| !test.holds_when_absent()));
    if !statement.allows() || bounded || principal.negated {
        return;
    }
    // Who only reads about the key opens nothing for somebody else.
    let opens = |name: &str| name.contains("crypt") || name.starts_with("GenerateDataKey") || name == "CreateGrant";
    if !statement.permissions(PolicyKind::Key).iter().any(|permission| opens(permission.name())) {
        return;
    }
    for entry in principal.entries.iter().filter(|entry| entry.kind == PrincipalKind::Service) {
        let message = format!("`{}` may use the key for any of its customers' resources", entry.text);
        report.add(&SERVICE_WITHOUT_SOURCE, statement, entry.span, message, "test aws:SourceArn or aws:SourceAccount");
    }
}
