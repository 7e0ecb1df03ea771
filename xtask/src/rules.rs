//! The numbered rules of `spec/` (A…, K…, T…) with the places in code, tests and cases that cite them.
//!
//! A citation in Rust is `(A101)` or `A101` in a comment, several at once as `K20–K24`, or a string that is just the
//! number; in a test also the name of a function, `t21_revoke_then_use_is_denied`. A case cites in its field `rules`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::LazyLock;

use anyhow::{Context, Result};
use regex::Regex;
use serde_json::{Value, json};

use crate::repository::{File, files, rust_files};
use crate::source::{self, regex};

/// The specifications and the letter of the rules each defines. Other letters in them are not rules (`E01` is an example,
/// `S1` an asset), nor is a letter another document owns.
const SPECIFICATIONS: &[(&str, char)] = &[("spec/authorization.md", 'A'), ("spec/api.md", 'K'), ("spec/threat-model.md", 'T')];

/// The rules that nothing cites, in code or in a test, with the reason. It only shrinks.
pub const UNCITED: &str = "spec/uncited.md";

/// The number of a rule: `A101`. Ordered by letter, then by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Number {
    letter: char,
    number: u32,
}

impl std::fmt::Display for Number {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}{}", self.letter, self.number)
    }
}

/// Where one rule is defined and cited; places are `path:line` or, for cases, `path (case id)`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rule {
    /// The line that defines it.
    pub defined: String,
    /// The places in code.
    pub code: Vec<String>,
    /// The places in tests and cases.
    pub tests: Vec<String>,
}

/// All rules, and the citations of numbers that no specification defines.
#[derive(Debug, Default)]
pub struct Rules {
    /// By number.
    pub rules: BTreeMap<Number, Rule>,
    /// `(A999)` in brackets or in a case, with its place.
    pub unknown: Vec<(Number, String)>,
}

/// Reads the specifications and everything that may cite them.
///
/// # Errors
/// When a file cannot be read, a case file is not JSON, or two lines define the same rule.
pub fn read() -> Result<Rules> {
    let mut rules = Rules::default();
    let specifications = files("spec")?;
    for (path, letter) in SPECIFICATIONS {
        let file = specifications.iter().find(|file| file.path == *path).with_context(|| format!("{path} is missing"))?;
        rules.define(file, *letter)?;
    }
    for file in rust_files("crates")? {
        rules.cited_in_rust(&file);
    }
    for file in files("tests")? {
        rules.cited_in_text(&file);
    }
    for file in files("cases")?.iter().filter(|file| file.path.ends_with(".json")) {
        rules.cited_in_cases(file)?;
    }
    Ok(rules)
}

impl Rules {
    /// The rules as aligned text: a block for each, `missing` only those without code or without a test.
    #[must_use]
    pub fn text(&self, missing: bool) -> String {
        let mut text = String::new();
        for (number, rule) in self.shown(missing) {
            let number = number.to_string();
            let lines = [("spec", std::slice::from_ref(&rule.defined)), ("code", &rule.code), ("test", &rule.tests)];
            for (row, (what, places)) in lines.into_iter().enumerate() {
                let number = if row == 0 { number.as_str() } else { "" };
                let _ = writeln!(text, "{number:<6} {what}  {}", some(places));
            }
        }
        let count = |has: fn(&Rule) -> bool| self.rules.values().filter(|rule| has(rule)).count();
        let _ = writeln!(
            text,
            "\n{} rules: {} cited by code and test, {} by code alone, {} by a test alone, {} by neither",
            self.rules.len(),
            count(|rule| !rule.code.is_empty() && !rule.tests.is_empty()),
            count(|rule| !rule.code.is_empty() && rule.tests.is_empty()),
            count(|rule| rule.code.is_empty() && !rule.tests.is_empty()),
            count(|rule| rule.code.is_empty() && rule.tests.is_empty()),
        );
        for (number, place) in &self.unknown {
            let _ = writeln!(text, "{number} is cited by {place} but no specification defines it");
        }
        text
    }

    /// The same as JSON, with every place.
    #[must_use]
    pub fn json(&self, missing: bool) -> Value {
        let rules: Vec<Value> = self
            .shown(missing)
            .map(|(number, rule)| json!({ "rule": number.to_string(), "spec": rule.defined, "code": rule.code, "tests": rule.tests }))
            .collect();
        let unknown: Vec<Value> = self.unknown.iter().map(|(number, place)| json!({ "rule": number.to_string(), "place": place })).collect();
        json!({ "rules": rules, "unknown": unknown })
    }

    /// The rules of a letter that lack code or a test.
    pub fn lacking(&self, letter: char) -> impl Iterator<Item = Number> {
        self.shown(true).map(|(number, _)| *number).filter(move |number| number.letter == letter)
    }

    /// The rules that [`UNCITED`] lists: the first cell of each row, `A1` or `A1–A9`.
    ///
    /// # Errors
    /// When a row has no reason, or names no rule.
    pub fn excused(&self, text: &str) -> Result<BTreeSet<Number>> {
        static ROW: LazyLock<Regex> = LazyLock::new(|| regex(r"^\|\s*([AKT])(\d+)(?:–[AKT]?(\d+))?\s*\|\s*(.*?)\s*\|$"));
        let mut excused = BTreeSet::new();
        for row in text.lines().filter_map(|line| ROW.captures(line)) {
            let Some(first) = numbered(&row, 1) else { continue };
            let last = row.get(3).and_then(|digits| digits.as_str().parse().ok()).map_or(first, |number| Number { number, ..first });
            let rules: Vec<Number> = self.rules.range(first..=last).map(|(number, _)| *number).collect();
            anyhow::ensure!(!rules.is_empty(), "{UNCITED} excuses {first}, which no specification defines");
            anyhow::ensure!(row.get(4).is_some_and(|reason| !reason.is_empty()), "{UNCITED} gives no reason for {first}");
            excused.extend(rules);
        }
        Ok(excused)
    }

    fn shown(&self, missing: bool) -> impl Iterator<Item = (&Number, &Rule)> {
        self.rules.iter().filter(move |(_, rule)| !missing || rule.code.is_empty() || rule.tests.is_empty())
    }

    fn define(&mut self, file: &File, letter: char) -> Result<()> {
        // `- **K1** …`, `| **A153** [doc] | …` and `| T1 | …`
        static DEFINITION: LazyLock<Regex> = LazyLock::new(|| regex(r"^\s*(?:[-*]\s+\*\*([AKT])(\d+)\*\*|\|\s*(?:\*\*)?([AKT])(\d+)(?:\*\*)?[\s|])"));
        for (at, line) in file.text.lines().enumerate() {
            let Some(found) = DEFINITION.captures(line) else { continue };
            let Some(number) = numbered(&found, 1).or_else(|| numbered(&found, 3)).filter(|number| number.letter == letter) else { continue };
            let defined = format!("{}:{}", file.path, at + 1);
            if let Some(first) = self.rules.insert(number, Rule { defined: defined.clone(), ..Rule::default() }) {
                anyhow::bail!("{number} is defined twice: {} and {defined}", first.defined);
            }
        }
        Ok(())
    }

    fn cited_in_rust(&mut self, file: &File) {
        static ALONE: LazyLock<Regex> = LazyLock::new(|| regex(r"^([AKT])(\d+)$"));
        static NAME: LazyLock<Regex> = LazyLock::new(|| regex(r"\bfn\s+([akt])(\d+)_"));
        let tests_only = ["/tests/", "/benches/", "crates/testkit/"].iter().any(|part| file.path.contains(part)) || file.path.ends_with("/tests.rs");
        for (at, line) in source::read(&file.text).iter().enumerate() {
            let place = format!("{}:{}", file.path, at + 1);
            let by_test = tests_only || line.in_test;
            let mut numbers = self.in_prose(&line.comment, &place);
            numbers.extend(line.strings.iter().filter_map(|string| numbered(&ALONE.captures(string)?, 1)));
            if by_test {
                numbers.extend(NAME.captures(&line.code).and_then(|found| numbered(&found, 1)));
            }
            self.cite(&numbers, &place, by_test);
        }
    }

    /// Tests that are not Rust.
    fn cited_in_text(&mut self, file: &File) {
        static NAME: LazyLock<Regex> = LazyLock::new(|| regex(r"\bdef\s+test_([akt])(\d+)_"));
        for (at, line) in file.text.lines().enumerate() {
            let place = format!("{}:{}", file.path, at + 1);
            let mut numbers = self.in_prose(line, &place);
            numbers.extend(NAME.captures(line).and_then(|found| numbered(&found, 1)));
            self.cite(&numbers, &place, true);
        }
    }

    fn cited_in_cases(&mut self, file: &File) -> Result<()> {
        static ALONE: LazyLock<Regex> = LazyLock::new(|| regex(r"^([AKT])(\d+)$"));
        let document: Value = serde_json::from_str(&file.text).with_context(|| file.path.clone())?;
        for case in document.get("cases").and_then(Value::as_array).into_iter().flatten() {
            let id = case.get("id").and_then(Value::as_str).unwrap_or("without id");
            let place = format!("{} ({id})", file.path);
            for rule in case.get("rules").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str) {
                let Some(number) = ALONE.captures(rule).and_then(|found| numbered(&found, 1)) else { continue };
                match self.rules.contains_key(&number) {
                    true => self.cite(&[number], &place, true),
                    false => self.unknown.push((number, place.clone())),
                }
            }
        }
        Ok(())
    }

    /// The rules that a sentence cites. A number without brackets that is no rule is a word like another; with brackets
    /// it is a mistake.
    fn in_prose(&mut self, text: &str, place: &str) -> Vec<Number> {
        static CITATION: LazyLock<Regex> = LazyLock::new(|| regex(r"(\[)?\b([AKT])(\d+)(?:\s?[–-]\s?([AKT])?(\d+))?\b"));
        let mut numbers = Vec::new();
        for found in CITATION.captures_iter(text) {
            let Some(first) = numbered(&found, 2) else { continue };
            let last = found.get(5).and_then(|digits| digits.as_str().parse().ok()).map_or(first, |number| Number { number, ..first });
            let same_letter = found.get(4).is_none_or(|letter| letter.as_str().starts_with(first.letter));
            let last = if same_letter && last >= first { last } else { first };
            numbers.extend(self.rules.range(first..=last).map(|(number, _)| *number));
            if found.get(1).is_some() && !self.rules.contains_key(&first) {
                self.unknown.push((first, place.to_owned()));
            }
        }
        numbers
    }

    fn cite(&mut self, numbers: &[Number], place: &str, by_test: bool) {
        for number in numbers {
            let Some(rule) = self.rules.get_mut(number) else { continue };
            let places = if by_test { &mut rule.tests } else { &mut rule.code };
            if places.last().is_none_or(|last| last != place) {
                places.push(place.to_owned());
            }
        }
    }
}

/// The number whose letter is group `letter` and whose digits are the group after.
fn numbered(found: &regex::Captures<'_>, letter: usize) -> Option<Number> {
    let letter_of = found.get(letter)?.as_str().chars().next()?.to_ascii_uppercase();
    Some(Number { letter: letter_of, number: found.get(letter + 1)?.as_str().parse().ok()? })
}

/// The first places, and how many there are more.
fn some(places: &[String]) -> String {
    const SHOWN_MAX: usize = 3;
    let shown = places.iter().take(SHOWN_MAX).map(String::as_str).collect::<Vec<_>>().join(", ");
    match places.len() {
        0 => "–".to_owned(),
        count if count > SHOWN_MAX => format!("{shown} and {} more", count - SHOWN_MAX),
        _ => shown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPECIFICATION: &str = "| A1 | an asset |\n- **K1** one; see **K9**\n- **K2** two\n| **K3** [doc] | three |\n- **K4** four\n";

    fn rules() -> Result<Rules> {
        let mut rules = Rules::default();
        rules.define(&file("spec/api.md", SPECIFICATION), 'K')?;
        Ok(rules)
    }

    fn file(path: &str, text: &str) -> File {
        File { path: path.to_owned(), text: text.to_owned() }
    }

    fn cited(rules: &Rules) -> String {
        let lines = rules.rules.iter().map(|(number, rule)| format!("{number} code {:?} tests {:?}", rule.code, rule.tests));
        lines.collect::<Vec<_>>().join("\n").replace('"', "")
    }

    #[test]
    fn a_rule_is_a_row_or_a_bold_bullet_of_its_own_document() -> Result<()> {
        assert_eq!(rules()?.rules.keys().map(ToString::to_string).collect::<Vec<_>>(), ["K1", "K2", "K3", "K4"]);
        Ok(())
    }

    #[test]
    fn a_rule_defined_twice_is_an_error() {
        let twice = Rules::default().define(&file("spec/api.md", "- **K1** one\n- **K1** again"), 'K');
        assert_eq!(twice.map_err(|error| error.to_string()), Err("K1 is defined twice: spec/api.md:1 and spec/api.md:2".to_owned()));
    }

    #[test]
    fn code_and_tests_are_told_apart() -> Result<()> {
        let mut rules = rules()?;
        let text = "fn a() {} // [K1]\nconst R: &str = \"K2\";\n#[cfg(test)]\nmod tests {\n    // K2–K3\n    fn k4_is_kept() {}\n}";
        rules.cited_in_rust(&file("c.rs", text));
        assert_eq!(cited(&rules), "K1 code [c.rs:1] tests []\nK2 code [c.rs:2] tests [c.rs:5]\nK3 code [] tests [c.rs:5]\nK4 code [] tests [c.rs:6]");
        Ok(())
    }

    #[test]
    fn a_number_in_brackets_must_exist() -> Result<()> {
        let mut rules = rules()?;
        rules.cited_in_rust(&file("c.rs", "// [K9], but T800 is a machine"));
        assert_eq!(rules.unknown.iter().map(|(number, place)| format!("{number} {place}")).collect::<Vec<_>>(), ["K9 c.rs:1"]);
        Ok(())
    }

    #[test]
    fn rows_excuse_rules_with_a_reason() -> Result<()> {
        let rules = rules()?;
        let excused = |text: &str| rules.excused(text).map(|excused| excused.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "));
        assert_eq!(excused("| rule | why |\n|---|---|\n| K2–K3 | later |\n| K4 | never |")?, "K2 K3 K4");
        assert!(excused("| K2 |  |").is_err());
        assert!(excused("| K9 | gone |").is_err());
        Ok(())
    }

    #[test]
    fn a_case_cites_in_its_field() -> Result<()> {
        let mut rules = rules()?;
        rules.cited_in_cases(&file("cases/a.json", r#"{"cases": [{"id": "E1", "rules": ["K1", "K9"]}]}"#))?;
        assert_eq!(rules.rules.values().flat_map(|rule| &rule.tests).collect::<Vec<_>>(), ["cases/a.json (E1)"]);
        assert_eq!(rules.unknown.len(), 1);
        Ok(())
    }
}
