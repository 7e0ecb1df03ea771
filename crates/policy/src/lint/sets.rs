//! Operators for one value and for many.

use super::view::{StatementView, Test, View};
use super::{Lint, Report, Severity};
use crate::condition::SetOperator;
use crate::document::PolicyKind;
use crate::key::KeyName;

pub(super) const SINGLE_TEST_ON_MANY: Lint = Lint {
    id: "single-test-on-many",
    severity: Severity::Warning,
    finds: "a plain operator on a key with many values",
    why: "A multivalued key (aws:TagKeys, kms:GrantOperations, kms:EncryptionContextKeys, kms:ResourceAliases, aws:CalledVia, …) needs ForAllValues: or \
          ForAnyValue:; without them no test ever matches its values, be there one or several.",
    rules: &["A164"],
};

pub(super) const FOR_ALL_VALUES_WITHOUT_NULL: Lint = Lint {
    id: "for-all-values-without-null",
    severity: Severity::Warning,
    finds: "ForAllValues in an Allow without a Null test on the same key",
    why: "ForAllValues holds for requests that do not carry the key at all, or carry no values: the Allow then allows them. Add \"Null\": {KEY: \"false\"}.",
    rules: &["A163", "A165"],
};

pub(super) const FOR_ALL_VALUES_ON_SINGLE: Lint = Lint {
    id: "for-all-values-on-single",
    severity: Severity::Warning,
    finds: "ForAllValues on a key with one value",
    why: "The value counts as a set of one, but requests without the key match as well. Remove ForAllValues:. In a key policy AWS refuses it on encryption \
          context and request tags (OverlyPermissiveCondition).",
    rules: &["A165", "A167"],
};

pub(super) fn check(view: &View<'_>, statement: &StatementView<'_>, report: &mut Report) {
    for test in &statement.tests {
        let known = test.key.name() != KeyName::Other;
        match test.operator.set() {
            None if test.key.name().is_multivalued() && !test.operator.is_null() => {
                let what = if statement.allows() { "allows" } else { "denies" };
                let operator = &test.operator_text.text;
                let message =
                    format!("`{}` has many values; {operator} never matches them, so this {what} nothing that carries it", test.key.as_str());
                let help = format!("write ForAnyValue:{operator} or ForAllValues:{operator}");
                report.add(&SINGLE_TEST_ON_MANY, statement, test.operator_text.span, message, help);
            }
            Some(SetOperator::All) if known && !test.key.name().is_multivalued() => on_single(view, statement, test, report),
            Some(SetOperator::All) if statement.allows() && !null_tested(statement, test) => {
                let message = format!("this also allows requests that carry no `{}`", test.key.as_str());
                let help = format!("add \"Null\": {{\"{}\": \"false\"}}", test.key.as_str());
                report.add(&FOR_ALL_VALUES_WITHOUT_NULL, statement, test.operator_text.span, message, help);
            }
            _ => {}
        }
    }
}

fn on_single(view: &View<'_>, statement: &StatementView<'_>, test: &Test, report: &mut Report) {
    // Refused already [A167].
    if view.kind == PolicyKind::Key && matches!(test.key.name(), KeyName::EncryptionContext | KeyName::RequestTag) {
        return;
    }
    let what = if statement.allows() { "allows" } else { "denies" };
    let message = format!("`{}` has one value; with ForAllValues this also {what} requests without it", test.key.as_str());
    report.add(&FOR_ALL_VALUES_ON_SINGLE, statement, test.operator_text.span, message, "remove ForAllValues:");
}

/// Whether the statement demands that the key be there.
fn null_tested(statement: &StatementView<'_>, test: &Test) -> bool {
    let demands = |other: &Test| other.same_key(test) && !other.holds_when_absent();
    statement.tests.iter().any(demands)
}
