//! `${…}`: where it is substituted, and what it may be.

use super::view::{StatementView, Test, Text, View};
use super::{Lint, Report, Severity};
use crate::condition::Comparison;
use crate::json::Span;
use crate::key::{ConditionKey, KeyName};

pub(super) const VARIABLE_NOT_SUBSTITUTED: Lint = Lint {
    id: "variable-not-substituted",
    severity: Severity::Warning,
    finds: "a variable in a policy without \"Version\": \"2012-10-17\"",
    why: "Under the old version, which is also that of a policy without Version, `${…}` is plain text and matches only itself.",
    rules: &["A102"],
};

pub(super) const VARIABLE_WRONG_PLACE: Lint = Lint {
    id: "variable-wrong-place",
    severity: Severity::Warning,
    finds: "a variable where none is substituted",
    why: "Variables are substituted in the last segment of a Resource and in values of String, Arn and Bool operators, nowhere else: not in principals, \
          actions, names of keys, nor values of numbers, dates and addresses.",
    rules: &["A140", "A170"],
};

pub(super) const VARIABLE_HAS_NO_VALUE: Lint = Lint {
    id: "variable-has-no-value",
    severity: Severity::Warning,
    finds: "a variable that never has a value",
    why: "A key with many values, or one that does not exist, has no value as a variable: a Resource with it matches nothing, a positive test never holds, a \
          negated one always.",
    rules: &["A171", "A173", "A152"],
};

pub(super) const USERNAME_VARIABLE: Lint = Lint {
    id: "username-variable",
    severity: Severity::Note,
    finds: "${aws:username} without a default",
    why: "Only IAM users have it; for role sessions, federated users and the root user what contains it matches nothing. Write ${aws:username, 'nobody'} or \
          use ${aws:userid} or ${aws:PrincipalTag/KEY}.",
    rules: &["A171", "A521"],
};

pub(super) fn check(view: &View<'_>, statement: &StatementView<'_>, report: &mut Report) {
    if let Some(principal) = statement.principal() {
        principal.entries.iter().for_each(|entry| misplaced(statement, &entry.text, entry.span, "principals", report));
    }
    statement.actions.iter().for_each(|(pattern, span)| misplaced(statement, pattern.as_str(), *span, "actions", report));
    for test in &statement.tests {
        let comparison = test.operator.comparison();
        for value in test.values.iter().filter(|value| contains_variable(&value.text)) {
            match comparison {
                Comparison::Numeric(_) | Comparison::Date(_) | Comparison::IpAddress | Comparison::Binary | Comparison::Null => {
                    misplaced(statement, &value.text, value.span, &format!("values of {}", test.operator_text.text), report);
                }
                _ => judge(view, statement, value, Some(test), report),
            }
        }
    }
    for resource in statement.resources.iter().filter(|resource| contains_variable(&resource.text)) {
        judge(view, statement, resource, None, report);
    }
}

fn misplaced(statement: &StatementView<'_>, text: &str, span: Span, place: &str, report: &mut Report) {
    if contains_variable(text) {
        let message = format!("variables are not substituted in {place}: `{text}` is plain text");
        report.add(&VARIABLE_WRONG_PLACE, statement, span, message, "write the value, or test it in a condition with a String or Arn operator");
    }
}

fn judge(view: &View<'_>, statement: &StatementView<'_>, text: &Text, test: Option<&Test>, report: &mut Report) {
    if !view.substitutes() {
        let message = format!("under this version `{}` is plain text", text.text);
        report.add(&VARIABLE_NOT_SUBSTITUTED, statement, text.span, message, "write \"Version\": \"2012-10-17\"");
        return;
    }
    for (key, has_default) in variables(&text.text) {
        let unknown = key.name() == KeyName::Other && ["aws:", "kms:"].iter().any(|prefix| key.as_str().to_ascii_lowercase().starts_with(prefix));
        if key.name().is_multivalued() || (unknown && !has_default) {
            let why = if unknown { "does not exist" } else { "has many values" };
            let consequence = match test {
                None => "this resource matches nothing",
                Some(test) if test.operator.negated() => "the test always holds",
                Some(_) => "the test never holds by this value",
            };
            let message = format!("`{}` {why}, so it has no value as a variable: {consequence}", key.as_str());
            report.add(&VARIABLE_HAS_NO_VALUE, statement, text.span, message, "use a key with a single value");
        } else if key.name() == KeyName::UserName && !has_default {
            let message = "only IAM users have `aws:username`: for everybody else this matches nothing";
            report.add(&USERNAME_VARIABLE, statement, text.span, message, "give it a default, ${aws:username, 'nobody'}, or use ${aws:userid}");
        }
    }
}

fn contains_variable(text: &str) -> bool {
    text.contains("${") && !variables(text).is_empty()
}

/// The variables in a text, each with whether it has a default. `${*}`, `${?}`, `${$}` are none (A172).
fn variables(text: &str) -> Vec<(ConditionKey, bool)> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some((_, after)) = rest.split_once("${") {
        let Some((inside, after)) = after.split_once('}') else { break };
        if !matches!(inside, "*" | "?" | "$") {
            let (name, default) = inside.split_once(',').map_or((inside, false), |(name, _)| (name, true));
            found.push((ConditionKey::new(name.trim()), default));
        }
        rest = after;
    }
    found
}
