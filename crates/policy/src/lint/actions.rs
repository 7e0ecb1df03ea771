//! Actions that do not exist, or that a policy of this kind cannot be about.

use super::nearest::nearest;
use super::view::{StatementView, View};
use super::{Lint, Report, Severity};
use crate::action::{ActionPattern, KMS_PERMISSIONS};
use crate::document::PolicyKind;
use crate::permission::ResourceKind;

pub(super) const UNKNOWN_ACTION: Lint = Lint {
    id: "unknown-action",
    severity: Severity::Warning,
    finds: "an action of KMS that does not exist",
    why: "AWS saves names of actions that it does not know, and they never match; a wildcard that covers no existing action is the same. There is no \
          kms:ReEncrypt: write kms:ReEncrypt*, or kms:ReEncryptFrom and kms:ReEncryptTo. Only names of KMS are checked.",
    rules: &["A133", "A404"],
};

pub(super) const ACTION_OF_OTHER_SERVICE: Lint = Lint {
    id: "action-of-other-service",
    severity: Severity::Warning,
    finds: "another service's action in a key policy",
    why: "A key policy is asked about actions of KMS only, so the entry does nothing. A service that uses the key for somebody calls KMS with kms: actions; \
          allow those, with kms:ViaService if it must be that service.",
    rules: &["A132", "A512"],
};

pub(super) const ACTION_NOT_ON_KEY: Lint = Lint {
    id: "action-not-on-key",
    severity: Severity::Warning,
    finds: "an action that no key policy can decide",
    why: "CreateKey, ListKeys, ListAliases, GenerateRandom, ListRetirableGrants and the custom key store operations are about no key: identity policies \
          alone decide them, a key policy has no say in them.",
    rules: &["A403"],
};

pub(super) const RETIRE_GRANT_IGNORED: Lint = Lint {
    id: "retire-grant-ignored",
    severity: Severity::Warning,
    finds: "kms:RetireGrant in a key policy or RCP",
    why: "Who may retire a grant is decided by the grant itself and by the caller's own policies; key policies and RCPs are not asked, neither for Allow \
          nor for Deny. To take a grant away use kms:RevokeGrant.",
    rules: &["A325", "A620"],
};

pub(super) const REDUNDANT_ACTION: Lint = Lint {
    id: "redundant-action",
    severity: Severity::Note,
    finds: "an action that another entry of the same list covers",
    why: "The entry changes nothing. Remove it, or the wildcard if that was not meant to reach so far.",
    rules: &["A131"],
};

pub(super) const NOT_ACTION_ALLOW: Lint = Lint {
    id: "not-action-allow",
    severity: Severity::Warning,
    finds: "Allow with NotAction",
    why: "It allows everything but what is listed: in an identity policy all actions of all services, in a key policy all other kms actions, PutKeyPolicy \
          and ScheduleKeyDeletion included, and what AWS adds later. List the actions that are meant.",
    rules: &["A132"],
};

pub(super) fn check(view: &View<'_>, statement: &StatementView<'_>, report: &mut Report) {
    for (pattern, span) in &statement.actions {
        let unknown = match pattern.service() {
            Some("kms") => pattern.kms_permissions().is_empty(),
            _ => false,
        };
        if unknown {
            let (message, help) = unknown_action(pattern.as_str());
            report.add(&UNKNOWN_ACTION, statement, *span, message, help);
        } else if view.kind == PolicyKind::Key && pattern.well_formed() {
            on_key(pattern, statement, *span, report);
        }
        if matches!(view.kind, PolicyKind::Key | PolicyKind::Rcp) && pattern.as_str().eq_ignore_ascii_case("kms:RetireGrant") {
            let what = if view.kind == PolicyKind::Key { "key policies" } else { "RCPs" };
            let message = format!("{what} are not asked about kms:RetireGrant, so this entry does nothing");
            report.add(&RETIRE_GRANT_IGNORED, statement, *span, message, "name a retiring principal in the grant, or use kms:RevokeGrant");
        }
    }
    redundant(statement, report);
    if let Some(span) = statement.not_action.filter(|_| statement.allows() && view.kind != PolicyKind::Scp) {
        let what = if view.kind == PolicyKind::Key { "every other kms action" } else { "every other action of every service" };
        report.add(
            &NOT_ACTION_ALLOW,
            statement,
            span,
            format!("this allows {what}, also those that come later"),
            "list the allowed actions in Action",
        );
    }
}

fn unknown_action(written: &str) -> (String, String) {
    let name = written.split_once(':').map_or(written, |(_, name)| name);
    if name.contains(['*', '?']) {
        return (format!("`{written}` covers no action of KMS, so it never matches"), "remove it, or name an existing action".to_owned());
    }
    let message = format!("KMS has no action `{written}`, so this never matches");
    let help = match nearest(name, KMS_PERMISSIONS) {
        _ if name.eq_ignore_ascii_case("ReEncrypt") => "write kms:ReEncrypt*, or kms:ReEncryptFrom and kms:ReEncryptTo".to_owned(), // [A404]
        Some(meant) => format!("is kms:{meant} meant?"),
        None => "name an existing action".to_owned(),
    };
    (message, help)
}

fn on_key(pattern: &ActionPattern, statement: &StatementView<'_>, span: crate::json::Span, report: &mut Report) {
    if pattern.service().is_some_and(|service| service != "kms") {
        let message = format!("a key policy is never asked about `{}`", pattern.as_str());
        report.add(&ACTION_OF_OTHER_SERVICE, statement, span, message, "name the actions of KMS that the service calls");
    } else if pattern.kms_permissions().iter().all(|permission| permission.resource() == ResourceKind::None) {
        let message = format!("`{}` is about no key, so no key policy decides it", pattern.as_str());
        report.add(&ACTION_NOT_ON_KEY, statement, span, message, "put it into an identity policy");
    }
}

fn redundant(statement: &StatementView<'_>, report: &mut Report) {
    let covers = |wide: &ActionPattern, narrow: &ActionPattern| {
        let same = wide.as_str().eq_ignore_ascii_case(narrow.as_str());
        let permissions = narrow.kms_permissions();
        let bits = !permissions.is_empty() && narrow.service() == Some("kms") && permissions.without(wide.kms_permissions()).is_empty();
        (same, bits)
    };
    for (at, (narrow, span)) in statement.actions.iter().enumerate() {
        let wider = statement.actions.iter().enumerate().find(|(other, (wide, _))| match covers(wide, narrow) {
            (true, _) => *other < at,
            // Of two patterns that cover the same the later one is told.
            (false, true) => wide.kms_permissions() != narrow.kms_permissions() || *other < at,
            (false, false) => false,
        });
        if let Some((_, (wide, _))) = wider {
            let message = format!("`{}` already covers `{}`", wide.as_str(), narrow.as_str());
            report.add(&REDUNDANT_ACTION, statement, *span, message, "remove one of the two");
        }
    }
}
