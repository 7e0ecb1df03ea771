//! Statements beside each other: repeated, covered, overruled.

use super::view::{StatementView, Test, View};
use super::{Lint, Mark, Report, Severity};
use crate::action::ActionPattern;
use crate::document::PolicyKind;
use crate::principal::{PrincipalElement, PrincipalKind};

pub(super) const DUPLICATE_SID: Lint = Lint {
    id: "duplicate-sid",
    severity: Severity::Warning,
    finds: "two statements with the same Sid",
    why: "A Sid is there to tell statements apart in the console, in templates and in explanations; with two alike one of them will be edited for the other. \
          IAM refuses it in its policies, KMS takes it.",
    rules: &["A106"],
};

pub(super) const DUPLICATE_STATEMENT: Lint = Lint {
    id: "duplicate-statement",
    severity: Severity::Warning,
    finds: "two statements that say the same",
    why: "Letter case of actions, order of entries and Sid aside they are equal, so one of them does nothing. Whoever takes a permission away in one place \
          leaves it in the other.",
    rules: &["A308"],
};

pub(super) const SUBSUMED_STATEMENT: Lint = Lint {
    id: "subsumed-statement",
    severity: Severity::Warning,
    finds: "a statement that another one covers",
    why: "Another statement of the same effect meets every request that this one meets, with fewer or the same conditions: this one, and its conditions, do \
          nothing.",
    rules: &["A308"],
};

pub(super) const ALLOW_DENIED: Lint = Lint {
    id: "allow-denied",
    severity: Severity::Warning,
    finds: "an Allow that a Deny of the same policy overrules entirely",
    why: "A Deny meets every request that this statement would allow, and a Deny always wins. Remove one of them, or narrow the Deny.",
    rules: &["A301"],
};

pub(super) fn check(view: &View<'_>, report: &mut Report) {
    sids(view, report);
    let living: Vec<&StatementView<'_>> = view.statements.iter().filter(|statement| !statement.compiled.is_inert()).collect();
    for (at, statement) in living.iter().enumerate() {
        let others = || living.iter().enumerate().filter(move |(other, _)| *other != at).map(|(_, other)| *other);
        if let Some(deny) = others().find(|other| statement.allows() && !other.allows() && covers(other, statement, Delegation::Ignored)) {
            let marks = marks(statement, deny, "this Deny");
            report.push(&ALLOW_DENIED, Some(statement.at), marks, "a Deny meets every request that this would allow", "remove one of them");
            continue;
        }
        // An account that is allowed hands the decision on; one that names the callers too allows them itself [A303] [A305].
        let same = |other: &&StatementView<'_>| other.allows() == statement.allows() && covers(other, statement, Delegation::Counts);
        let Some(wider) = others().find(same) else { continue };
        if covers(statement, wider, Delegation::Counts) {
            // Of twins the later one is told.
            if wider.at < statement.at {
                let marks = marks(statement, wider, "the same");
                report.push(&DUPLICATE_STATEMENT, Some(statement.at), marks, "an earlier statement says the same", "remove one of them");
            }
        } else {
            let marks = marks(statement, wider, "this meets all of it");
            let message = "another statement meets every request that this one meets";
            report.push(&SUBSUMED_STATEMENT, Some(statement.at), marks, message, "remove it, or narrow the wider one if its conditions are meant");
        }
    }
}

fn marks(statement: &StatementView<'_>, other: &StatementView<'_>, label: &str) -> Vec<Mark> {
    vec![Mark { span: statement.span, label: String::new() }, Mark { span: other.span, label: label.to_owned() }]
}

fn sids(view: &View<'_>, report: &mut Report) {
    // Refused there [A111].
    if matches!(view.kind, PolicyKind::Identity | PolicyKind::Trust) {
        return;
    }
    for (at, statement) in view.statements.iter().enumerate() {
        let Some(sid) = statement.sid.as_ref().filter(|sid| !sid.text.is_empty()) else { continue };
        let earlier = view.statements.iter().take(at).filter_map(|earlier| earlier.sid.as_ref()).find(|earlier| earlier.text == sid.text);
        if let Some(earlier) = earlier {
            let marks = vec![Mark { span: sid.span, label: String::new() }, Mark { span: earlier.span, label: "the same Sid".to_owned() }];
            let message = format!("the Sid `{}` is that of an earlier statement, too", sid.text);
            report.push(&DUPLICATE_SID, Some(statement.at), marks, message, "give each statement a name of its own");
        }
    }
}

/// Whether an account principal means something else than its principals do.
#[derive(Clone, Copy, PartialEq)]
enum Delegation {
    /// Allow: an account leaves it to identity policies (A303).
    Counts,
    /// Deny: an account means all its principals (A128).
    Ignored,
}

/// Whether `wide` meets every request that `narrow` meets. `false` where that cannot be told from the text.
fn covers(wide: &StatementView<'_>, narrow: &StatementView<'_>, delegation: Delegation) -> bool {
    principals(wide.principal(), narrow.principal(), delegation) && actions(wide, narrow) && resources(wide, narrow) && conditions(wide, narrow)
}

fn principals(wide: Option<&PrincipalElement>, narrow: Option<&PrincipalElement>, delegation: Delegation) -> bool {
    let (wide, narrow) = match (wide, narrow) {
        (None, None) => return true,
        (Some(wide), Some(narrow)) => (wide, narrow),
        _ => return false,
    };
    let named = |kind: &PrincipalKind, text: &str| {
        wide.entries.iter().any(|entry| match (&entry.kind, kind) {
            (PrincipalKind::Everyone, PrincipalKind::Account(_)) => delegation == Delegation::Ignored,
            (PrincipalKind::Everyone, _) => true,
            (PrincipalKind::Account(a), PrincipalKind::Account(b)) => a == b, // [A127]
            (PrincipalKind::Account(account), PrincipalKind::User(arn) | PrincipalKind::Role(arn)) => {
                delegation == Delegation::Ignored && arn.account() == Some(*account) // [A128]
            }
            _ => *entry.text == *text,
        })
    };
    match (wide.negated, narrow.negated) {
        (false, false) => narrow.entries.iter().all(|entry| named(&entry.kind, &entry.text)),
        (true, true) => wide.entries.len() == narrow.entries.len() && narrow.entries.iter().all(|entry| named(&entry.kind, &entry.text)),
        _ => false,
    }
}

fn actions(wide: &StatementView<'_>, narrow: &StatementView<'_>) -> bool {
    let pattern_covers = |wide: &ActionPattern, narrow: &ActionPattern| {
        wide.as_str().eq_ignore_ascii_case(narrow.as_str())
            || matches!(wide.as_str(), "*" | "*:*")
            || narrow.service() == Some("kms") && narrow.kms_permissions().without(wide.kms_permissions()).is_empty()
            || wide.service() == narrow.service() && wide.as_str().ends_with(":*")
    };
    let listed = |a: &StatementView<'_>, b: &StatementView<'_>| {
        b.actions.iter().all(|(narrow, _)| a.actions.iter().any(|(wide, _)| pattern_covers(wide, narrow)))
    };
    match (wide.not_action.is_some(), narrow.not_action.is_some()) {
        (false, false) => listed(wide, narrow),
        (true, true) => listed(narrow, wide),
        (false, true) => wide.actions.iter().any(|(pattern, _)| matches!(pattern.as_str(), "*" | "*:*")),
        (true, false) => false,
    }
}

fn resources(wide: &StatementView<'_>, narrow: &StatementView<'_>) -> bool {
    let listed = |a: &StatementView<'_>, b: &StatementView<'_>| {
        b.resources.iter().all(|narrow| a.resources.iter().any(|wide| wide.text == "*" || wide.text == narrow.text))
    };
    match (wide.not_resource.is_some(), narrow.not_resource.is_some()) {
        (false, false) => listed(wide, narrow),
        (true, true) => listed(narrow, wide),
        (false, true) => wide.resources.iter().any(|resource| resource.text == "*"),
        (true, false) => false,
    }
}

/// All that `wide` tests is tested by `narrow`, at least as strictly.
fn conditions(wide: &StatementView<'_>, narrow: &StatementView<'_>) -> bool {
    let implied = |test: &Test| narrow.tests.iter().any(|other| other.operator == test.operator && other.same_key(test) && values(test, other));
    wide.tests.iter().all(implied)
}

/// More values are wider for a positive test, narrower for a negated one.
fn values(wide: &Test, narrow: &Test) -> bool {
    let within = |a: &Test, b: &Test| a.values.iter().all(|value| b.values.iter().any(|other| other.text == value.text));
    if wide.operator.negated() { within(wide, narrow) } else { within(narrow, wide) }
}
