//! The reference answers every case of `cases/` as the case says. The folder is walked, so no file can stay silent.

use std::path::Path;

use keyward_cases::{Case, CaseFile};
use keyward_testkit::reference::{self, Verdict};

#[test]
fn the_reference_decides_every_case() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../cases");
    let (mut count, mut failures) = (0, Vec::new());
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        let file: CaseFile = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        for value in file.cases {
            count += 1;
            let case: Case = serde_json::from_value(value).unwrap();
            let verdict = reference::judge(&case).unwrap();
            failures.extend(difference(&case, verdict));
        }
    }
    assert!(count >= 529, "cases went missing: {count}");
    assert!(failures.is_empty(), "{} of {count} cases differ:\n{}", failures.len(), failures.join("\n"));
}

fn difference(case: &Case, verdict: Verdict) -> Option<String> {
    let decision = case.expect_error.as_deref().or(case.expect.as_deref()).unwrap_or_default();
    let layer = case.expect_layer.as_ref().unwrap_or(&verdict.layer);
    let mut statements = case.expect_statements.clone().unwrap_or_else(|| verdict.statements.clone());
    statements.sort();
    let fits = verdict.decision == decision && verdict.layer == *layer && verdict.statements == statements;
    (!fits).then(|| format!("{}: {verdict:?} instead of {decision}, {layer}, {statements:?}", case.id))
}
