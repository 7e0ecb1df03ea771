//! About the document as a whole: what AWS refuses, what it lacks, its size.

use super::view::View;
use super::{Lint, Mark, Report, Severity};
use crate::action::{Action, KmsPermission};
use crate::document::{Effect, IAM_POLICY_CHARS_MAX, KEY_POLICY_BYTES_MAX, ORGANIZATION_POLICY_CHARS_MAX, Policy, PolicyKind, Statement};
use crate::json::Span;
use crate::principal::{PrincipalElement, PrincipalKind};

pub(super) const REFUSED: Lint = Lint {
    id: "refused",
    severity: Severity::Error,
    finds: "what AWS refuses to save",
    why: "AWS answers MalformedPolicyDocumentException (KMS) or MalformedPolicyDocument (IAM) and stores nothing. A stored statement with such a \
          fault is not judged at all; one that only names an invalid principal keeps its other names.",
    rules: &["A101", "A103", "A104", "A109", "A110", "A111", "A122", "A123", "A129", "A167"],
};

pub(super) const STATEMENT_WITHOUT_EFFECT: Lint = Lint {
    id: "statement-without-effect",
    severity: Severity::Warning,
    finds: "a key policy's statement without Action or Resource",
    why: "KMS saves it, and it does nothing, whether it allows or denies. Add the missing element; in a key policy Resource is \"*\". AWS has announced \
          to refuse such statements.",
    rules: &["A135"],
};

pub(super) const OLD_VERSION: Lint = Lint {
    id: "old-version",
    severity: Severity::Note,
    finds: "no Version, or the old one",
    why: "Without \"Version\": \"2012-10-17\" a policy is one of 2008: `${…}` in it is plain text. Nothing else depends on the version.",
    rules: &["A102"],
};

pub(super) const LOCKOUT: Lint = Lint {
    id: "lockout",
    severity: Severity::Error,
    finds: "a key policy that lets nobody put the next one",
    why: "KMS refuses it: `The new key policy will not allow you to update the key policy in the future.` With BypassPolicyLockoutSafetyCheck it is saved, \
          and only AWS support can make the key manageable again. Keep a statement that allows kms:PutKeyPolicy to the account or to an administrator.",
    rules: &["A701", "A705"],
};

pub(super) const TOO_LARGE: Lint = Lint {
    id: "too-large",
    severity: Severity::Error,
    finds: "a document larger than AWS takes",
    why: "A key policy has at most 32,768 bytes (LimitExceededException), a managed IAM policy 6,144 characters without white space, an SCP or RCP 5,120 \
          characters. Inline and session policies take less. Split it, or use wildcards and conditions in place of lists.",
    rules: &["A107", "A108"],
};

pub(super) fn refused(policy: &Policy, report: &mut Report) {
    for issue in policy.issues() {
        let statement = policy.statements().iter().position(|statement| statement.span().covers(issue.span));
        report.push(&REFUSED, statement, vec![Mark { span: issue.span, label: String::new() }], &issue.message, "");
    }
    too_large(policy, report);
}

pub(super) fn check(view: &View<'_>, report: &mut Report) {
    without_effect(view, report);
    old_version(view, report);
    lockout(view, report);
}

fn too_large(policy: &Policy, report: &mut Report) {
    let text = policy.text();
    let (size, most, unit) = match policy.kind() {
        PolicyKind::Key => (text.len(), KEY_POLICY_BYTES_MAX, "bytes"),
        PolicyKind::Identity => (text.chars().filter(|c| !c.is_whitespace()).count(), IAM_POLICY_CHARS_MAX, "characters without white space"),
        PolicyKind::Scp | PolicyKind::Rcp => (text.chars().count(), ORGANIZATION_POLICY_CHARS_MAX, "characters"),
        PolicyKind::Trust | PolicyKind::Endpoint => return,
    };
    if size > most {
        let message = format!("the document has {size} {unit}; AWS takes at most {most}");
        let help = "split it, or use wildcards and conditions in place of long lists";
        report.push(&TOO_LARGE, None, vec![Mark { span: Span::new(0, 1), label: String::new() }], message, help);
    }
}

fn without_effect(view: &View<'_>, report: &mut Report) {
    for statement in view.statements.iter().filter(|statement| statement.compiled.is_inert() && view.kind == PolicyKind::Key) {
        let missing = match (statement.actions.is_empty(), statement.resources.is_empty()) {
            (true, _) => "Action",
            (false, true) => "Resource",
            (false, false) => continue,
        };
        let effect = if statement.allows() { "allows" } else { "denies" };
        let help = if missing == "Resource" { "add \"Resource\": \"*\", which means this key" } else { "add the actions that are meant" };
        report.add(&STATEMENT_WITHOUT_EFFECT, statement, statement.span, format!("without {missing} this statement {effect} nothing"), help);
    }
}

fn old_version(view: &View<'_>, report: &mut Report) {
    let help = "write \"Version\": \"2012-10-17\"";
    match &view.version {
        Some(version) if version.text == "2008-10-17" => {
            let marks = vec![Mark { span: version.span, label: String::new() }];
            report.push(&OLD_VERSION, None, marks, "this is the old version of the language, without variables", help);
        }
        None => {
            let marks = vec![Mark { span: Span::new(0, 1), label: String::new() }];
            report.push(&OLD_VERSION, None, marks, "without Version this is a policy of 2008, without variables", help);
        }
        Some(_) => {}
    }
}

/// (A701) Who would ask is not known, but if no statement allows it, nobody passes the check.
fn lockout(view: &View<'_>, report: &mut Report) {
    let Some(put) = KmsPermission::named("PutKeyPolicy").map(Action::Kms).filter(|_| view.kind == PolicyKind::Key) else { return };
    // A service does not manage keys.
    let services_only = |principal: &PrincipalElement| principal.entries.iter().all(|entry| entry.kind == PrincipalKind::Service);
    let lets_in = |statement: &&Statement| {
        statement.effect() == Effect::Allow && statement.matches_action(&put) && !statement.principal().is_some_and(services_only)
    };
    if !view.policy.statements().iter().any(|statement| lets_in(&statement)) {
        let message = "no statement allows kms:PutKeyPolicy: nobody could ever change this policy again";
        let help = "allow kms:PutKeyPolicy to the account (\"AWS\": \"arn:aws:iam::ACCOUNT:root\") or to an administrator";
        report.push(&LOCKOUT, None, vec![Mark { span: Span::new(0, 1), label: String::new() }], message, help);
    }
}
