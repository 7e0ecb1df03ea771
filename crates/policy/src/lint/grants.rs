//! CreateGrant: permission that hands on permission.

use super::view::{StatementView, View};
use super::{Lint, Report, Severity};
use crate::action::{ActionPattern, PermissionSet};
use crate::document::PolicyKind;
use crate::key::KeyName;
use crate::principal::PrincipalKind;

pub(super) const CREATE_GRANT_UNBOUNDED: Lint = Lint {
    id: "create-grant-unbounded",
    severity: Severity::Note,
    finds: "kms:CreateGrant allowed without a condition on the grant",
    why: "Who may create grants by a policy may give anybody any operation on the key, itself included, without having it: kms:CreateGrant equals full \
          cryptographic use. `kms:Create*` holds it. Test kms:GrantIsForAWSResource, kms:GranteePrincipal, kms:GrantOperations or kms:GrantConstraintType.",
    rules: &["A413", "A616", "A550", "A554"],
};

pub(super) fn check(view: &View<'_>, statement: &StatementView<'_>, report: &mut Report) {
    use KeyName as K;
    let bounds = [
        K::GrantIsForAwsResource,
        K::GranteePrincipal,
        K::GranteeServicePrincipal,
        K::GrantOperations,
        K::GrantConstraintType,
        K::GrantConstraintSourceArn,
    ];
    let bounded = bounds.iter().any(|name| statement.tests_on(*name).any(|test| !test.holds_when_absent()));
    let gives = matches!(view.kind, PolicyKind::Key | PolicyKind::Identity);
    if bounded || !gives || !statement.allows() || only_delegates(statement) {
        return;
    }
    // Who writes `*` or `kms:*` means everything, and gives the use of the key beside.
    let everything = |pattern: &ActionPattern| pattern.kms_permissions() == PermissionSet::ALL;
    let mut of_kms = statement.actions.iter().filter(|(pattern, _)| !everything(pattern));
    let covering = of_kms.find(|(pattern, _)| pattern.kms_permissions().iter().any(|permission| permission.name() == "CreateGrant"));
    let Some((pattern, span)) = covering.filter(|_| statement.not_action.is_none()) else { return };
    let written = pattern.as_str();
    let holds = if written.eq_ignore_ascii_case("kms:CreateGrant") { String::new() } else { format!("`{written}` holds kms:CreateGrant: ") };
    let message = format!("{holds}who may create any grant may give itself every use of the key");
    report.add(&CREATE_GRANT_UNBOUNDED, statement, *span, message, "test kms:GrantIsForAWSResource, kms:GranteePrincipal or kms:GrantOperations");
}

/// A key policy that names accounts only leaves it to their identity policies (A303).
fn only_delegates(statement: &StatementView<'_>) -> bool {
    statement
        .principal()
        .is_some_and(|principal| !principal.negated && principal.entries.iter().all(|entry| matches!(entry.kind, PrincipalKind::Account(_))))
}
