//! Condition keys that the statement's actions do not carry.

use super::view::{StatementView, Test, View};
use super::{Lint, Report, Severity};
use crate::action::KmsPermission;
use crate::document::PolicyKind;
use crate::key::KeyName;

pub(super) const KEY_NEVER_CARRIED: Lint = Lint {
    id: "key-never-carried",
    severity: Severity::Warning,
    finds: "a condition key that none of the statement's actions carries",
    why: "The key is absent from every request that the statement is about: a positive test never holds, a negated one and one with IfExists always. \
          Remove the test, or the actions that are not meant.",
    rules: &["A160", "A501", "A504", "A542"],
};

pub(super) const KEY_NOT_ALWAYS_CARRIED: Lint = Lint {
    id: "key-not-always-carried",
    severity: Severity::Note,
    finds: "a condition key that only some of the statement's actions carry",
    why: "For the other actions the key is absent: an Allow with a positive test never allows them, a Deny with a negated one always denies them. Give them \
          a statement of their own.",
    rules: &["A160", "A504", "A542"],
};

pub(super) const DENY_UNCARRIED: Lint = Lint {
    id: "deny-uncarried",
    severity: Severity::Warning,
    finds: "a Deny whose negated test meets actions that never carry the key",
    why: "A negated test, and one with IfExists, holds when the key is absent: those actions are denied always, whatever the request says, PutKeyPolicy and \
          ListKeys among them if the actions are `kms:*`. List the actions that carry the key.",
    rules: &["A160", "A161", "A504", "A542"],
};

/// Names in a message before it says how many more there are.
const SHOWN_MAX: usize = 4;

pub(super) fn check(view: &View<'_>, statement: &StatementView<'_>, report: &mut Report) {
    let permissions = statement.permissions(view.kind);
    if permissions.is_empty() {
        return;
    }
    for test in statement.tests.iter().filter(|test| test.key.name().is_about_kms()) {
        // Other services have tags too.
        if !test.key.name().as_str().starts_with("kms:") && view.kind != PolicyKind::Key && statement.covers_other_services() {
            continue;
        }
        let (with, without): (Vec<KmsPermission>, Vec<KmsPermission>) =
            permissions.iter().partition(|permission| permission.carries(test.key.name()));
        if with.is_empty() {
            never(statement, test, &without, report);
        } else if !without.is_empty() {
            sometimes(statement, test, &without, report);
        }
    }
}

fn never(statement: &StatementView<'_>, test: &Test, without: &[KmsPermission], report: &mut Report) {
    let consequence = match (test.holds_when_absent(), statement.allows()) {
        (true, true) => "this test always holds and limits nothing",
        (true, false) => "this test always holds, and the Deny meets every request",
        (false, true) => "this statement allows nothing",
        (false, false) => "this statement denies nothing",
    };
    let message = format!("no request for {} carries `{}`: {consequence}", names(without), test.key.as_str());
    report.add(&KEY_NEVER_CARRIED, statement, test.key_span, message, "remove the test, or list the actions that carry the key");
}

fn sometimes(statement: &StatementView<'_>, test: &Test, without: &[KmsPermission], report: &mut Report) {
    let consequence = match (test.holds_when_absent(), statement.allows()) {
        (true, true) => "allows them whatever the request says",
        (true, false) => "denies them always",
        (false, true) => "never allows them",
        (false, false) => "never denies them",
    };
    // Who denies what does not come through a service means direct calls, of whatever kind.
    let surprising = !statement.allows() && test.holds_when_absent() && test.key.name() != KeyName::ViaService && !test.operator.is_null();
    let lint = if surprising { &DENY_UNCARRIED } else { &KEY_NOT_ALWAYS_CARRIED };
    let message = format!("requests for {} do not carry `{}`: this statement {consequence}", names(without), test.key.as_str());
    report.add(lint, statement, test.key_span, message, "give those actions a statement of their own");
}

fn names(permissions: &[KmsPermission]) -> String {
    let shown: Vec<String> = permissions.iter().take(SHOWN_MAX).map(|permission| format!("kms:{}", permission.name())).collect();
    match permissions.len().saturating_sub(SHOWN_MAX) {
        0 => shown.join(", "),
        more => format!("{} and {more} more actions", shown.join(", ")),
    }
}
