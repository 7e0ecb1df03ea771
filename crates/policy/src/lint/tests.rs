//! Each lint found where it should be, and not where it should not.

use super::*;
use crate::document::PolicyKind;

/// Ids with the text of their chief place: `unknown-action "kms:X"`.
fn found(kind: PolicyKind, text: &str) -> Vec<String> {
    check(&Policy::parse(kind, text)).iter().map(|finding| format!("{} {}", finding.lint.id, finding.span().of(text))).collect()
}

#[test]
fn the_table_is_sorted_complete_and_well_named() {
    assert!(LINTS.windows(2).all(|pair| pair[0].id < pair[1].id));
    for lint in LINTS {
        assert!(lint.id.bytes().all(|b| b.is_ascii_lowercase() || b == b'-'), "{}", lint.id);
        assert!(!lint.finds.is_empty() && lint.why.ends_with('.') && !lint.rules.is_empty(), "{}", lint.id);
    }
}

#[test]
fn a_first_look() {
    let text = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"kms:Decript","Resource":"*"}]}"#;
    assert_eq!(found(PolicyKind::Key, text).len(), 3, "{:?}", found(PolicyKind::Key, text));
}
