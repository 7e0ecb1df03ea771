//! Warnings about what is legal in a policy and does not do what it seems to.
//!
//! Every [`Lint`] stands in one file of this folder beside its check; [`LINTS`] lists them all. A [`Finding`] says what happens
//! instead, the way out, and where.
//!
//! ```
//! use keyward_policy::{Policy, PolicyKind, lint};
//!
//! let text = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"kms:ReEncrypt","Resource":"*"}}"#;
//! let findings = lint::check(&Policy::parse(PolicyKind::Identity, text));
//! let finding = findings.first().ok_or("one finding")?;
//! assert_eq!(finding.lint.id, "unknown-action");
//! assert_eq!(finding.span().of(text), "\"kms:ReEncrypt\"");
//! # Ok::<(), &str>(())
//! ```

mod absent;
mod actions;
mod carried;
mod document;
mod domains;
mod everyone;
mod grants;
mod keys;
mod nearest;
mod principals;
mod resources;
mod sets;
mod statements;
mod values;
mod variables;
mod view;

use crate::arn::Arn;
use crate::document::Policy;
use crate::json::Span;

pub use domains::values_of;
use view::{StatementView, View};

/// How bad a finding is.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Severity {
    /// Worth knowing; may well be meant so.
    Note,
    /// Does not do what it seems to.
    Warning,
    /// AWS refuses to save it.
    Error,
}

impl Severity {
    /// In lower case.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// A kind of finding.
#[derive(Debug)]
pub struct Lint {
    /// Its stable name, in kebab case.
    pub id: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// What it finds, in a line.
    pub finds: &'static str,
    /// What happens instead of what one might think, and the way out.
    pub why: &'static str,
    /// The rules behind it.
    pub rules: &'static [&'static str],
}

/// A place in the text, and what it is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Mark {
    /// Where.
    pub span: Span,
    /// What stands there, for the underline; may be empty.
    pub label: String,
}

/// Something found in a policy.
#[derive(Clone, Debug)]
pub struct Finding {
    /// Which kind.
    pub lint: &'static Lint,
    /// What happens, about this very text.
    pub message: String,
    /// The way out; empty where the message says it all.
    pub help: String,
    /// Where, the chief place first.
    pub marks: Vec<Mark>,
    /// The place of the statement in the document, from 0, if it is about one.
    pub statement: Option<usize>,
}

impl Finding {
    /// The chief place.
    pub fn span(&self) -> Span {
        self.marks.first().map(|mark| mark.span).unwrap_or_default()
    }
}

/// All lints, in alphabetical order of their ids.
pub const LINTS: &[&Lint] = &[
    &actions::ACTION_NOT_ON_KEY,
    &actions::ACTION_OF_OTHER_SERVICE,
    &resources::ALIAS_AS_RESOURCE,
    &statements::ALLOW_DENIED,
    &absent::CONTRADICTION,
    &grants::CREATE_GRANT_UNBOUNDED,
    &absent::DENY_HITS_SERVICES,
    &carried::DENY_UNCARRIED,
    &absent::DENY_WHEN_ABSENT,
    &keys::DEPRECATED_KEY,
    &statements::DUPLICATE_SID,
    &statements::DUPLICATE_STATEMENT,
    &values::EMPTY_CONDITION,
    &everyone::EVERYONE,
    &everyone::EVERYONE_WEAK_CONDITION,
    &sets::FOR_ALL_VALUES_ON_SINGLE,
    &sets::FOR_ALL_VALUES_WITHOUT_NULL,
    &absent::IF_EXISTS_IN_ALLOW,
    &absent::IF_EXISTS_IN_DENY,
    &principals::KEY_ABSENT_FOR_PRINCIPAL,
    &keys::KEY_FORM,
    &carried::KEY_NEVER_CARRIED,
    &carried::KEY_NOT_ALWAYS_CARRIED,
    &keys::KEY_TWICE,
    &document::LOCKOUT,
    &absent::MFA_ABSENT,
    &principals::MIXED_PARTITIONS,
    &resources::NO_RESOURCE_OPERATION,
    &actions::NOT_ACTION_ALLOW,
    &principals::NOT_PRINCIPAL_BOUNDARY,
    &principals::NOT_PRINCIPAL_SESSION,
    &resources::NOT_RESOURCE_ALLOW,
    &document::OLD_VERSION,
    &values::OPERATOR_TYPE,
    &values::PATTERN_IS_LITERAL,
    &actions::REDUNDANT_ACTION,
    &document::REFUSED,
    &resources::RESOURCE_NEVER_MATCHES,
    &resources::RESOURCE_NOT_STAR,
    &actions::RETIRE_GRANT_IGNORED,
    &principals::SERVICE_WITHOUT_SOURCE,
    &sets::SINGLE_TEST_ON_MANY,
    &document::STATEMENT_WITHOUT_EFFECT,
    &statements::SUBSUMED_STATEMENT,
    &keys::TAG_KEY_IN_KEY_POLICY,
    &document::TOO_LARGE,
    &actions::UNKNOWN_ACTION,
    &keys::UNKNOWN_KEY,
    &values::UNKNOWN_SERVICE,
    &values::UNREADABLE_VALUE,
    &variables::USERNAME_VARIABLE,
    &values::VALUE_NEVER,
    &variables::VARIABLE_HAS_NO_VALUE,
    &variables::VARIABLE_NOT_SUBSTITUTED,
    &variables::VARIABLE_WRONG_PLACE,
];

/// Everything that is odd about a policy, in the order of its text.
pub fn check(policy: &Policy) -> Vec<Finding> {
    check_for(policy, None)
}

/// The same for the policy of a known key: whether its resources name that very key.
pub fn check_for(policy: &Policy, key: Option<&Arn>) -> Vec<Finding> {
    let mut report = Report { findings: Vec::new() };
    document::refused(policy, &mut report);
    if let Some(view) = View::of(policy, key) {
        document::check(&view, &mut report);
        statements::check(&view, &mut report);
        for statement in view.statements.iter().filter(|statement| !statement.compiled.is_inert()) {
            actions::check(&view, statement, &mut report);
            resources::check(&view, statement, &mut report);
            principals::check(&view, statement, &mut report);
            everyone::check(&view, statement, &mut report);
            grants::check(&view, statement, &mut report);
            keys::check(&view, statement, &mut report);
            carried::check(&view, statement, &mut report);
            sets::check(&view, statement, &mut report);
            absent::check(&view, statement, &mut report);
            values::check(&view, statement, &mut report);
            variables::check(&view, statement, &mut report);
        }
    }
    report.findings.sort_by_key(|finding| (finding.span().start, finding.lint.id));
    report.findings
}

struct Report {
    findings: Vec<Finding>,
}

impl Report {
    fn add(&mut self, lint: &'static Lint, statement: &StatementView<'_>, span: Span, message: impl Into<String>, help: impl Into<String>) {
        self.push(lint, Some(statement.at), vec![Mark { span, label: String::new() }], message, help);
    }

    fn push(&mut self, lint: &'static Lint, statement: Option<usize>, marks: Vec<Mark>, message: impl Into<String>, help: impl Into<String>) {
        self.findings.push(Finding { lint, message: message.into(), help: help.into(), marks, statement });
    }
}

#[cfg(test)]
mod tests;
