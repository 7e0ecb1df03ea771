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

#[cfg(test)]
mod tests {
    use super::super::check::check;
    use super::super::document::Document;
    use super::*;

    const TEXT: &str = "{\"Version\":\"2012-10-17\",\"Statement\":[\n {\"Sid\":\"é\",\"Effect\":\"Allow\",\"Action\":\"kms:ReEncrypt\",\"Resource\":\"*\"},\n \
                        {\"Sid\":\"a\",\"Effect\":\"Deny\",\"Action\":\"kms:*\",\"Resource\":\"*\"},{\"Sid\":\"b\",\"Effect\":\"Allow\",\"Action\":\"kms:Sign\",\"Resource\":\"*\"}]}";

    fn checked(name: &str) -> Checked {
        check(Document::new(name.to_owned(), TEXT.to_owned()), None, None)
    }

    /// What SARIF 2.1.0 demands of what is written here: its §3.13 log, §3.14 run, §3.19 tool component, §3.49 descriptor, §3.27 result,
    /// §3.28 location, §3.30 region.
    fn demand_shape(log: &Value) {
        let text = |value: &Value| assert!(value.as_str().is_some_and(|text| !text.is_empty()), "{value}");
        let level = |value: &Value| assert!(["none", "note", "warning", "error"].contains(&value.as_str().unwrap()), "{value}");
        assert_eq!(log["version"], "2.1.0");
        text(&log["$schema"]);
        for run in log["runs"].as_array().unwrap() {
            assert!(["utf16CodeUnits", "unicodeCodePoints"].contains(&run["columnKind"].as_str().unwrap()));
            let driver = &run["tool"]["driver"];
            text(&driver["name"]);
            let rules = driver["rules"].as_array().unwrap();
            let ids: std::collections::BTreeSet<&str> = rules.iter().map(|rule| rule["id"].as_str().unwrap()).collect();
            assert_eq!(ids.len(), rules.len(), "rules are unique");
            for rule in rules {
                for member in ["shortDescription", "fullDescription", "help"] {
                    text(&rule[member]["text"]);
                }
                level(&rule["defaultConfiguration"]["level"]);
            }
            for result in run["results"].as_array().unwrap() {
                text(&result["message"]["text"]);
                level(&result["level"]);
                let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
                assert_eq!(rules[index]["id"], result["ruleId"]);
                let locations = result["locations"].as_array().unwrap();
                assert_eq!(locations.len(), 1);
                let related = result.get("relatedLocations").map(|related| related.as_array().unwrap().clone()).unwrap_or_default();
                for location in locations.iter().chain(&related) {
                    demand_location(location);
                }
            }
        }
    }

    fn demand_location(location: &Value) {
        let physical = &location["physicalLocation"];
        let uri = physical["artifactLocation"]["uri"].as_str().unwrap();
        assert!(!uri.is_empty() && uri.bytes().all(|b| b.is_ascii_graphic() && !b"<>\"{}|\\\\^`".contains(&b)), "{uri}");
        let number = |member: &str| physical["region"][member].as_u64().unwrap();
        let (start, end) = ((number("startLine"), number("startColumn")), (number("endLine"), number("endColumn")));
        assert!(start.0 >= 1 && start.1 >= 1 && start <= end, "{location}");
        assert!(number("byteOffset") + number("byteLength") <= TEXT.len() as u64);
        if let Some(message) = location.get("message") {
            assert!(message["text"].as_str().is_some_and(|text| !text.is_empty()));
        }
    }

    #[test]
    fn the_log_has_the_shape_of_sarif() {
        let log = log(&[checked("a b/ü.json"), checked("-")]);
        demand_shape(&log);
        let results = log["runs"][0]["results"].as_array().unwrap();
        assert!(results.iter().any(|result| result.get("relatedLocations").is_some()), "a finding with two places");
        assert!(results.iter().any(|result| result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "a%20b/%C3%BC.json"));
    }

    #[test]
    fn columns_count_characters() {
        let log = log(&[checked("p.json")]);
        let results = log["runs"][0]["results"].as_array().unwrap();
        let unknown = results.iter().find(|result| result["ruleId"] == "unknown-action").unwrap();
        let region = &unknown["locations"][0]["physicalLocation"]["region"];
        assert_eq!((region["startLine"].as_u64(), region["startColumn"].as_u64()), (Some(2), Some(39)));
        assert_eq!(region["endColumn"].as_u64(), Some(39 + "\"kms:ReEncrypt\"".len() as u64));
    }

    #[test]
    fn nothing_found_is_a_log_too() {
        demand_shape(&log(&[]));
    }
}
