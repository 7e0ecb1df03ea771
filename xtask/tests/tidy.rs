//! Small rules of the house that no lint knows.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use anyhow::Result;
use regex::Regex;
use xtask::repository::{File, files, rust_files};
use xtask::{rules, source};

#[test]
fn lints_are_expected_not_allowed() -> Result<()> {
    no_code(&rust_files("")?, r"#!?\[\s*allow\b", "write `#[expect(lint, reason = \"…\")]`: it fails once it is not needed")
}

#[test]
fn nothing_is_a_stub() -> Result<()> {
    no_code(&rust_files("")?, r"\b(?:todo|unimplemented)!", "finish it, or leave it out")
}

#[test]
fn no_test_is_ignored() -> Result<()> {
    no_code(
        &rust_files("")?,
        r"#\[\s*(?:ignore\b|cfg_attr\([^\]]*\bignore\b|should_panic\b)",
        "a test runs and says what it expects, or is not there",
    )
}

#[test]
fn sql_is_in_the_store_only() -> Result<()> {
    let mut wrong = Vec::new();
    for file in rust_files("crates")?.iter().filter(|file| !file.path.starts_with("crates/store/")) {
        for (at, line) in source::read(&file.text).iter().enumerate() {
            if line.strings.iter().any(|string| is_sql(string)) {
                wrong.push(format!("{}:{} holds SQL: only crates/store does", file.path, at + 1));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

#[test]
fn at_most_one_module_is_unsafe() -> Result<()> {
    let word = Regex::new(r"\bunsafe\b")?;
    let files = rust_files("")?;
    let with: Vec<_> =
        files.iter().filter(|file| source::read(&file.text).iter().any(|line| word.is_match(&line.code))).map(|file| &file.path).collect();
    assert!(with.len() <= 1, "`unsafe` is in {with:?}: one reviewed module may have it");
    Ok(())
}

#[test]
fn nothing_points_outside_the_repository() -> Result<()> {
    let outside = [concat!("/wo", "rk/"), concat!("../", "shared")];
    let mut wrong = Vec::new();
    for file in files("")? {
        for (at, line) in file.text.lines().enumerate().filter(|(_, line)| outside.iter().any(|path| line.contains(path))) {
            wrong.push(format!("{}:{} names a path outside the repository: {}", file.path, at + 1, line.trim()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

#[test]
fn cited_rules_exist() -> Result<()> {
    let unknown: Vec<_> =
        rules::read()?.unknown.iter().map(|(number, place)| format!("{place} cites {number}, which no specification defines")).collect();
    assert!(unknown.is_empty(), "{}", unknown.join("\n"));
    Ok(())
}

/// How many rules of the authorization specification are excused. Lower it with the list; never raise it.
const EXCUSED_MAX: usize = 56;

#[test]
fn every_rule_of_authorization_is_cited_or_excused() -> Result<()> {
    let rules = rules::read()?;
    let list = files("spec")?.into_iter().find(|file| file.path == rules::UNCITED).map(|file| file.text).unwrap_or_default();
    let excused = rules.excused(&list)?;
    let lacking: BTreeSet<_> = rules.lacking('A').collect();
    let mut wrong: Vec<String> =
        lacking.difference(&excused).map(|rule| format!("{rule} lacks code or a test that cites it, see `cargo x rules --missing`")).collect();
    wrong.extend(excused.difference(&lacking).map(|rule| format!("{rule} is cited by now: take it off {}", rules::UNCITED)));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(excused.len() <= EXCUSED_MAX, "{} rules are excused, {EXCUSED_MAX} were: the list only shrinks", excused.len());
    Ok(())
}

#[test]
fn the_searches_bite() {
    let sample = |text: &str| vec![File { path: "sample.rs".to_owned(), text: text.to_owned() }];
    assert!(no_code(&sample("#![allow(dead_code)]"), r"#!?\[\s*allow\b", "").is_err());
    assert!(no_code(&sample("// #[allow(dead_code)]\nlet a = \"#[allow(b)]\";"), r"#!?\[\s*allow\b", "").is_ok());
    for sql in ["SELECT a FROM b", "insert into t VALUES (?1)", "UPDATE t\n SET a = 1", "CREATE TABLE t (a)", "PRAGMA journal_mode = WAL"] {
        assert!(is_sql(sql), "{sql}");
    }
    for words in ["select a key from the list", "UpdateAlias", "set", "delete the grant", "CREATE_TABLE"] {
        assert!(!is_sql(words), "{words}");
    }
}

/// Fails with the places where the code of a line matches.
fn no_code(files: &[File], pattern: &str, way: &str) -> Result<()> {
    let pattern = Regex::new(pattern)?;
    let mut wrong = Vec::new();
    for file in files {
        for (at, line) in source::read(&file.text).iter().enumerate() {
            if let Some(found) = pattern.find(&line.code) {
                wrong.push(format!("{}:{} has `{}`: {way}", file.path, at + 1, found.as_str()));
            }
        }
    }
    anyhow::ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

fn is_sql(text: &str) -> bool {
    static SQL: LazyLock<Option<Regex>> = LazyLock::new(|| {
        Regex::new(concat!(
            r"^\s*(?:SELECT\s[^;]*\sFROM\s|(?i:INSERT\s+(?:OR\s+\w+\s+)?INTO\s)|UPDATE\s+\w+\s+SET\s|(?i:DELETE\s+FROM\s)",
            r"|(?i:CREATE\s+(?:UNIQUE\s+)?(?:TABLE|INDEX|VIEW|TRIGGER)\s)|PRAGMA\s|BEGIN\s+IMMEDIATE)"
        ))
        .ok()
    });
    SQL.as_ref().is_some_and(|sql| sql.is_match(text))
}
