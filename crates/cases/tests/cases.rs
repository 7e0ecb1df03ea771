//! Runs every case of `cases/` against the engine. The folder is walked, so a forgotten file cannot stay silent.

use std::path::Path;

use keyward_cases::{Case, CaseFile, decide};

#[test]
fn every_case_is_decided_as_aws_decides_it() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../cases");
    let (mut count, mut failures) = (0, Vec::new());
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    for path in files.iter().filter(|path| path.extension().is_some_and(|extension| extension == "json")) {
        let text = std::fs::read_to_string(path).unwrap();
        let file: CaseFile = serde_json::from_str(&text).unwrap();
        assert_eq!(file.schema, "authz-cases/1");
        for value in file.cases {
            count += 1;
            let id = value["id"].as_str().unwrap_or("?").to_owned();
            if let Err(failure) = check(value) {
                failures.push(format!("{id}: {failure}"));
            }
        }
    }
    assert!(count >= 529, "cases went missing: {count}");
    assert!(failures.is_empty(), "{} of {count} cases differ:\n{}", failures.len(), failures.join("\n"));
}

fn check(value: serde_json::Value) -> Result<(), String> {
    let case: Case = serde_json::from_value(value).map_err(|error| error.to_string())?;
    let answer = decide(&case)?;
    let expected = case.expect_error.as_deref().or(case.expect.as_deref()).unwrap_or_default();
    let mut differences = Vec::new();
    if answer.decision != expected {
        differences.push(format!("decision {} instead of {expected}", answer.decision));
    }
    if let Some(layer) = &case.expect_layer
        && *layer != answer.layer
    {
        differences.push(format!("layer {} instead of {layer}", answer.layer));
    }
    if let Some(expected) = &case.expect_statements {
        let (mut expected, mut found) = (expected.clone(), answer.statements.clone());
        expected.sort();
        found.sort();
        if expected != found {
            differences.push(format!("statements {found:?} instead of {expected:?}"));
        }
    }
    if let Some(start) = &case.expect_message
        && !answer.message.starts_with(start.as_str())
    {
        differences.push(format!("message `{}` instead of `{start}`", answer.message));
    }
    let is_rule = |rule: &String| rule.strip_prefix('A').is_some_and(|number| number.parse::<u32>().is_ok());
    let denied = answer.message.contains("explicit deny") && answer.rules != ["A301"];
    if answer.rules.is_empty() || !answer.rules.iter().all(is_rule) || denied {
        differences.push(format!("decided by the rules {:?}", answer.rules));
    }
    if differences.is_empty() { Ok(()) } else { Err(differences.join("; ")) }
}
