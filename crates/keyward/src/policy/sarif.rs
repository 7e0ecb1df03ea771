//! Findings as SARIF 2.1.0, for code scanning.

use keyward_policy::lint::{Finding, LINTS, Lint, Mark, Severity};
use serde_json::{Value, json};

use super::check::{Checked, position};

/// The whole log: one run, whose rules are all lints there are.
pub(super) fn log(checked: &[Checked]) -> Value {
    let rules: Vec<Value> = LINTS.iter().map(|lint| rule(lint)).collect();
    let results: Vec<Value> = checked.iter().flat_map(|checked| checked.findings.iter().map(|finding| result(checked, finding))).collect();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": { "name": "keyward policy check", "version": env!("CARGO_PKG_VERSION"), "rules": rules } },
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    })
}

fn rule(lint: &Lint) -> Value {
    json!({
        "id": lint.id,
        "shortDescription": { "text": lint.finds },
        "fullDescription": { "text": lint.why },
        "help": { "text": format!("{} ({})", lint.why, lint.rules.join(", ")) },
        "defaultConfiguration": { "level": level(lint.severity) },
    })
}

fn result(checked: &Checked, finding: &Finding) -> Value {
    let message = if finding.help.is_empty() { finding.message.clone() } else { format!("{}: {}", finding.message, finding.help) };
    let related: Vec<Value> = finding.marks.iter().skip(1).map(|mark| location(checked, mark, Some(&mark.label))).collect();
    let mut result = json!({
        "ruleId": finding.lint.id,
        "ruleIndex": LINTS.iter().position(|lint| lint.id == finding.lint.id),
        "level": level(finding.lint.severity),
        "message": { "text": message },
        "locations": finding.marks.iter().take(1).map(|mark| location(checked, mark, None)).collect::<Vec<_>>(),
    });
    if let (false, Some(members)) = (related.is_empty(), result.as_object_mut()) {
        members.insert("relatedLocations".to_owned(), Value::Array(related));
    }
    result
}

/// A place in the file. Of a policy inside an answer of the AWS CLI, the lines are those of the policy's own text.
fn location(checked: &Checked, mark: &Mark, label: Option<&str>) -> Value {
    let text = &checked.document.text;
    let (start, end) = (position(text, mark.span.start), position(text, mark.span.end));
    let mut location = json!({
        "physicalLocation": {
            "artifactLocation": { "uri": uri(&checked.document.name) },
            "region": {
                "startLine": start.0,
                "startColumn": start.1,
                "endLine": end.0,
                "endColumn": end.1,
                "byteOffset": mark.span.start,
                "byteLength": mark.span.end.saturating_sub(mark.span.start),
            },
        },
    });
    if let (Some(label), Some(members)) = (label.filter(|label| !label.is_empty()), location.as_object_mut()) {
        members.insert("message".to_owned(), json!({ "text": label }));
    }
    location
}

/// A relative reference: what is not allowed in a path is escaped.
fn uri(name: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~/".contains(&b);
    name.replace('\\', "/").bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}

fn level(severity: Severity) -> &'static str {
    severity.as_str()
}
