//! Names of condition keys.

use super::nearest::nearest;
use super::view::{StatementView, Test, View};
use super::{Lint, Mark, Report, Severity};
use crate::document::PolicyKind;
use crate::key::KeyName;

pub(super) const UNKNOWN_KEY: Lint = Lint {
    id: "unknown-key",
    severity: Severity::Warning,
    finds: "a condition key of aws: or kms: that does not exist",
    why: "AWS saves names of keys that it does not know; no request ever carries them. A positive test then never holds, a negated one always.",
    rules: &["A152", "A160"],
};

pub(super) const KEY_FORM: Lint = Lint {
    id: "key-form",
    severity: Severity::Warning,
    finds: "a condition key whose variable part is missing or wrongly written",
    why: "kms:EncryptionContext:NAME and kms:RecipientAttestation:NAME have a colon before the name, aws:ResourceTag/KEY, aws:RequestTag/KEY and \
          aws:PrincipalTag/KEY a slash. Variables and wildcards in a key's name are plain text.",
    rules: &["A152", "A540", "A170"],
};

pub(super) const DEPRECATED_KEY: Lint = Lint {
    id: "deprecated-key",
    severity: Severity::Note,
    finds: "kms:CustomerMasterKeySpec or kms:CustomerMasterKeyUsage",
    why: "They are the old names of kms:KeySpec and kms:KeyUsage, with the same values.",
    rules: &["A505"],
};

pub(super) const TAG_KEY_IN_KEY_POLICY: Lint = Lint {
    id: "tag-key-in-key-policy",
    severity: Severity::Warning,
    finds: "aws:ResourceTag or kms:ResourceAliases in a key policy",
    why: "Tags and aliases of the key are seen by identity policies, SCPs, RCPs and the like, not by the key's own policy: there they are absent. Put the test \
          into identity policies; in a key policy kms:RequestAlias can be tested.",
    rules: &["A506", "A546", "A547"],
};

pub(super) const KEY_TWICE: Lint = Lint {
    id: "key-twice",
    severity: Severity::Warning,
    finds: "one condition key twice under one operator, spelled in different case",
    why: "Names of keys ignore letter case and all tests must hold, so a request must meet both lists. Put all values that may be into one list.",
    rules: &["A150", "A151"],
};

/// Keys of `aws:` that exist, and that Keyward gives no meaning to ((A528), (A529)).
const FURTHER: [&str; 4] = ["aws:ChatbotSourceArn", "aws:SignInSessionArn", "aws:Ec2InstanceSourceVpc", "aws:Ec2InstanceSourcePrivateIPv4"];

pub(super) fn check(view: &View<'_>, statement: &StatementView<'_>, report: &mut Report) {
    for (at, test) in statement.tests.iter().enumerate() {
        name(test, statement, report);
        match test.key.name() {
            KeyName::CustomerMasterKeySpec | KeyName::CustomerMasterKeyUsage => {
                let new = if test.key.name() == KeyName::CustomerMasterKeySpec { KeyName::KeySpec } else { KeyName::KeyUsage };
                let message = format!("`{}` is an old name", test.key.as_str());
                report.add(&DEPRECATED_KEY, statement, test.key_span, message, format!("write {}", new.as_str()));
            }
            KeyName::ResourceTag | KeyName::ResourceAliases if view.kind == PolicyKind::Key => {
                let holds = if test.holds_when_absent() { "always holds" } else { "never holds" };
                let message = format!("a key policy does not see `{}`, so this test {holds}", test.key.as_str());
                report.add(&TAG_KEY_IN_KEY_POLICY, statement, test.key_span, message, "put the test into identity policies");
            }
            _ => {}
        }
        let earlier = statement.tests.iter().take(at).find(|earlier| earlier.operator_text.span == test.operator_text.span && earlier.same_key(test));
        if let Some(earlier) = earlier.filter(|earlier| earlier.key.as_str() != test.key.as_str()) {
            let marks = vec![Mark { span: test.key_span, label: String::new() }, Mark { span: earlier.key_span, label: "the same key".to_owned() }];
            report.push(&KEY_TWICE, Some(statement.at), marks, "these are one key, and both tests must hold", "make them one list of values");
        }
    }
}

fn name(test: &Test, statement: &StatementView<'_>, report: &mut Report) {
    let written = test.key.as_str();
    let lower = written.to_ascii_lowercase();
    if test.key.name() != KeyName::Other {
        if test.key.part().contains("${") || test.key.part().contains('*') {
            let message = format!("`{}` is the name of this key to the letter, wildcards and variables included", written);
            report.add(&KEY_FORM, statement, test.key_span, message, "write the very name; variables may stand in values");
        }
        return;
    }
    if let Some(right) = family(&lower) {
        let message = format!("no request carries a key `{written}`");
        report.add(&KEY_FORM, statement, test.key_span, message, format!("write {right}"));
    } else if (lower.starts_with("kms:") || lower.starts_with("aws:")) && !FURTHER.iter().any(|known| known.eq_ignore_ascii_case(written)) {
        let holds = if test.holds_when_absent() { "always holds" } else { "never holds" };
        let known = KeyName::ALL.iter().map(|name| name.as_str()).filter(|name| !name.ends_with([':', '/']));
        let help = nearest(written, known).map_or_else(|| "name an existing key".to_owned(), |meant| format!("is {meant} meant?"));
        report.add(&UNKNOWN_KEY, statement, test.key_span, format!("no request carries `{written}`, so this test {holds}"), help);
    }
}

/// The right form of a family of keys whose name was begun.
fn family(lower: &str) -> Option<&'static str> {
    const FAMILIES: [(&str, &str); 6] = [
        ("kms:encryptioncontext", "kms:EncryptionContext:NAME"),
        ("kms:recipientattestation", "kms:RecipientAttestation:ImageSha384 (or :PCR0 …)"),
        ("aws:resourcetag", "aws:ResourceTag/KEY"),
        ("aws:requesttag", "aws:RequestTag/KEY"),
        ("aws:principaltag", "aws:PrincipalTag/KEY"),
        ("kms:requesttag", "aws:RequestTag/KEY"),
    ];
    let rest = |head: &str| lower.strip_prefix(head).is_some_and(|rest| rest.is_empty() || rest.starts_with([':', '/', '.', '-', '$']));
    FAMILIES.iter().find(|(head, _)| rest(head)).map(|(_, right)| *right)
}
