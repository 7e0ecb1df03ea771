//! The lints against the cases: what a lint says never to match has decided nothing anywhere.

use std::path::Path;

use keyward_policy::{Policy, PolicyKind, lint};
use serde_json::Value;

/// Lints that say of a statement, or of an only entry in it, that it does nothing. Entries beside others are no claim about the statement.
const NEVER: [&str; 9] = [
    "alias-as-resource",
    "allow-denied",
    "contradiction",
    "key-absent-for-principal",
    "refused",
    "resource-never-matches",
    "single-test-on-many",
    "statement-without-effect",
    "tag-key-in-key-policy",
];

/// Every policy in a case with its JSON Pointer.
fn policies<'v>(value: &'v Value, pointer: &str, found: &mut Vec<(String, &'v Value)>) {
    match value {
        Value::Object(members) if members.contains_key("Statement") => found.push((pointer.to_owned(), value)),
        Value::Object(members) => members.iter().for_each(|(name, value)| policies(value, &format!("{pointer}/{name}"), found)),
        Value::Array(items) => items.iter().enumerate().for_each(|(at, value)| policies(value, &format!("{pointer}/{at}"), found)),
        _ => {}
    }
}

fn kind(pointer: &str) -> PolicyKind {
    match pointer {
        _ if pointer.starts_with("/setup/keys/") => PolicyKind::Key,
        _ if pointer.contains("/scp_levels/") => PolicyKind::Scp,
        _ if pointer.contains("/rcps/") => PolicyKind::Rcp,
        _ if pointer.contains("/vpc_endpoint/") => PolicyKind::Endpoint,
        _ => PolicyKind::Identity,
    }
}

#[test]
fn what_a_lint_says_never_to_match_decides_nothing() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../cases");
    let (mut judged, mut wrong) = (0, Vec::new());
    for path in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        let file: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        for case in file["cases"].as_array().unwrap() {
            let decided: Vec<&str> = case["expect_statements"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
            let mut found = Vec::new();
            policies(&case["setup"], "/setup", &mut found);
            policies(&case["request"], "/request", &mut found);
            for (pointer, document) in found {
                judged += 1;
                let policy = Policy::parse(kind(&pointer), document.to_string());
                let findings = lint::check(&policy).into_iter().filter(|finding| NEVER.contains(&finding.lint.id));
                for (finding, at) in findings.filter_map(|finding| finding.statement.map(|at| (finding, at))) {
                    // [A140] Entries of NotResource that match nothing exclude nothing: the statement applies the more.
                    let excepts = policy.statements().get(at).is_some_and(|statement| statement.negates_resources());
                    if finding.lint.id == "refused" && excepts {
                        continue;
                    }
                    let statement = format!("{pointer}{}", policy.pointer(at));
                    if decided.contains(&statement.as_str()) {
                        wrong.push(format!("{} {statement}: {}", case["id"], finding.message));
                    }
                }
            }
        }
    }
    assert!(judged > 900, "only {judged} policies were judged");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
