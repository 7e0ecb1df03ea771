//! `"Principal": "*"`: everybody of every account, unless a condition says who.

use super::view::{StatementView, Test, View};
use super::{Lint, Report, Severity};
use crate::condition::SetOperator;
use crate::document::PolicyKind;
use crate::key::KeyName;

pub(super) const EVERYONE: Lint = Lint {
    id: "everyone",
    severity: Severity::Warning,
    finds: "Allow for Principal \"*\" without conditions",
    why: "Every principal of the key's account may do it without any permission of its own, and every principal of any other account that its own identity \
          policies allow it to. Name principals, or test kms:CallerAccount, aws:PrincipalOrgID or aws:PrincipalArn.",
    rules: &["A125", "A202", "A215", "A310"],
};

pub(super) const EVERYONE_WEAK_CONDITION: Lint = Lint {
    id: "everyone-weak-condition",
    severity: Severity::Warning,
    finds: "Allow for Principal \"*\" with conditions that anybody can meet",
    why: "A test on the encryption context, the calling service or the address does not say who calls: principals of other accounts can meet it, too. So can \
          tests that hold when the key is absent. Add kms:CallerAccount, aws:PrincipalOrgID or aws:PrincipalArn.",
    rules: &["A125", "A202", "A309", "A310"],
};

pub(super) fn check(view: &View<'_>, statement: &StatementView<'_>, report: &mut Report) {
    // A trust policy's "*" is the same trap; in endpoint policies it is the ordinary case, and RCPs have no other.
    if !matches!(view.kind, PolicyKind::Key | PolicyKind::Trust) || !statement.allows() || !statement.names_everyone() {
        return;
    }
    let Some(span) = statement.principal().map(|principal| principal.span) else { return };
    let help = "name the principals, or test kms:CallerAccount, aws:PrincipalOrgID or aws:PrincipalArn";
    if statement.tests.is_empty() {
        report.add(&EVERYONE, statement, span, "this allows every principal of every account", help);
    } else if !statement.tests.iter().any(says_who) {
        let keys: Vec<&str> = statement.tests.iter().map(|test| test.key.as_str()).collect();
        let message = format!("this allows every principal of every account: {} does not say who calls", keys.join(", "));
        report.add(&EVERYONE_WEAK_CONDITION, statement, span, message, help);
    }
}

/// Whether the test bounds the callers: positively, by a key that names them, to something less than all.
fn says_who(test: &Test) -> bool {
    use KeyName as K;
    let names_callers = matches!(
        test.key.name(),
        K::CallerAccount
            | K::PrincipalAccount
            | K::PrincipalArn
            | K::PrincipalOrgId
            | K::PrincipalOrgPaths
            | K::PrincipalServiceName
            | K::PrincipalServiceNamesList
            | K::UserId
            | K::SourceArn
            | K::SourceAccount
            | K::SourceOrgId
            | K::SourceOrgPaths
            | K::SourceVpc
            | K::SourceVpce
            | K::SourceVpcArn
            | K::VpceAccount
            | K::VpceOrgId
            | K::VpceOrgPaths
            | K::ExternalId
    );
    let positive =
        !test.operator.negated() && !test.operator.if_exists() && !test.operator.is_null() && test.operator.set() != Some(SetOperator::All);
    names_callers && positive && !test.values.iter().any(|value| matches!(value.text.as_str(), "*" | "arn:aws:iam::*" | "arn:aws:iam::*:*"))
}

#[cfg(test)]
mod tests {
    use crate::document::{Policy, PolicyKind};
    use crate::lint::check;

    #[test]
    fn which_conditions_say_who_calls() {
        let found = |condition: &str| {
            let text = format!(
                r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Principal":{{"AWS":"*"}},"Action":"kms:*","Resource":"*","Condition":{condition}}}}}"#
            );
            check(&Policy::parse(PolicyKind::Key, text)).iter().any(|finding| finding.lint.id.starts_with("everyone"))
        };
        assert!(!found(r#"{"StringEquals":{"kms:CallerAccount":"111122223333"}}"#)); // [A309]
        assert!(!found(r#"{"StringEquals":{"aws:PrincipalOrgID":"o-a"},"StringLike":{"kms:ViaService":"s3.*"}}"#));
        assert!(!found(r#"{"ArnLike":{"aws:PrincipalArn":"arn:aws:iam::111122223333:role/*"}}"#)); // [A215]
        assert!(found(r#"{"StringEquals":{"kms:ViaService":"s3.us-east-1.amazonaws.com"}}"#));
        assert!(found(r#"{"StringEqualsIfExists":{"aws:PrincipalOrgID":"o-a"}}"#));
        assert!(found(r#"{"StringNotEquals":{"aws:PrincipalAccount":"111122223333"}}"#));
        assert!(found(r#"{"StringLike":{"aws:PrincipalArn":"*"}}"#));
        assert!(found("{}"));
    }
}
