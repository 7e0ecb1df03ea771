//! `keyward policy check`: what AWS would refuse, and what does not do what it seems to.

use std::fmt::Write as _;
use std::path::PathBuf;

use anyhow::bail;
use clap::{Args, ValueEnum};
use keyward_policy::lint::{self, Finding, LINTS, Mark, Severity};
use keyward_policy::{Arn, Policy, Span, format};
use miette::{LabeledSpan, MietteDiagnostic, NamedSource, Report};
use serde::Serialize;

use super::document::{Document, PolicyType};
use super::{print, sarif, shown};
use crate::out;

/// Exits with 0 when nothing reaches --fail-on, 1 when something does, 2 when a file cannot be read as JSON.
#[derive(Args)]
pub(crate) struct CheckArgs {
    /// The files, or `-` for standard input: policies, or what the AWS CLI answered when asked for one
    #[arg(value_name = "FILE", required_unless_present = "list")]
    files: Vec<PathBuf>,
    /// What kind of policies they are, where the content would not tell
    #[arg(long = "type", value_enum, value_name = "TYPE")]
    policy_type: Option<PolicyType>,
    /// The key whose policies they are, by its ARN: whether resources name it
    #[arg(long, value_name = "ARN")]
    key: Option<Arn>,
    /// How to write the findings
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// The severity from which on the command fails
    #[arg(long, value_enum, default_value_t = FailOn::Warning, value_name = "SEVERITY")]
    fail_on: FailOn,
    /// Print all lints and what they are about
    #[arg(long)]
    list: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    Text,
    Json,
    Sarif,
}

#[derive(Clone, Copy, ValueEnum)]
enum FailOn {
    Error,
    Warning,
    Note,
}

impl FailOn {
    fn severity(self) -> Severity {
        match self {
            Self::Error => Severity::Error,
            Self::Warning => Severity::Warning,
            Self::Note => Severity::Note,
        }
    }
}

/// A file and what was found in it.
pub(super) struct Checked {
    pub(super) document: Document,
    pub(super) policy_type: PolicyType,
    key: Option<Arn>,
    pub(super) policy: Policy,
    pub(super) findings: Vec<Finding>,
}

pub(crate) fn run(arguments: &CheckArgs) -> anyhow::Result<()> {
    if arguments.list {
        return print(&list());
    }
    let mut checked = Vec::new();
    let mut unreadable = Vec::new();
    for path in &arguments.files {
        match Document::read(path) {
            Ok(document) => checked.push(check(document, arguments.policy_type, arguments.key.as_ref())),
            Err(error) => unreadable.push(error),
        }
    }
    print(&match arguments.format {
        Format::Text => checked.iter().map(text).collect(),
        Format::Json => serde_json::to_string_pretty(&json(&checked))? + "\n",
        Format::Sarif => serde_json::to_string_pretty(&sarif::log(&checked))? + "\n",
    })?;
    unreadable.iter().for_each(|error| out::complain(format_args!("error: {error:#}")));
    if let Some(unread) = checked.iter().find(|checked| !is_json(&checked.document.text)) {
        bail!("{} is not JSON", unread.document.name);
    }
    let worst = checked.iter().flat_map(|checked| &checked.findings).map(|finding| finding.lint.severity).max();
    match (unreadable.is_empty(), worst) {
        (false, _) => std::process::exit(2),
        (true, Some(worst)) if worst >= arguments.fail_on.severity() => std::process::exit(1),
        (true, _) => Ok(()),
    }
}

pub(super) fn check(document: Document, given: Option<PolicyType>, key: Option<&Arn>) -> Checked {
    let policy_type = given.unwrap_or(document.policy_type);
    let policy = Policy::parse(policy_type.kind(), document.text.as_str());
    Checked { findings: lint::check_for(&policy, key), key: key.cloned(), policy_type, policy, document }
}

/// The policy reader's own opinion is stricter; this asks only whether there was anything to read.
fn is_json(text: &str) -> bool {
    serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok()
}

/// Columns from which on a line is too long to be shown around a place in it.
const COLUMNS_MAX: usize = 200;

/// What is squeezed into long lines is shown as `keyward policy format` would lay it out.
fn readable(checked: &Checked) -> Option<Checked> {
    let squeezed = checked.document.text.lines().any(|line| line.chars().count() > COLUMNS_MAX);
    let text = format(&checked.document.text).ok().filter(|_| squeezed)?;
    let name = format!("{}, laid out", checked.document.name);
    let document = Document { name, text, wrapped: checked.document.wrapped, policy_type: checked.document.policy_type };
    Some(check(document, Some(checked.policy_type), checked.key.as_ref()))
}

fn text(checked: &Checked) -> String {
    let file = &checked.document.name;
    let laid_out = readable(checked);
    let checked = laid_out.as_ref().unwrap_or(checked);
    let name = &checked.document.name;
    let kind = article(checked.policy_type);
    let mut out = String::new();
    let source = || NamedSource::new(name, checked.document.text.clone());
    for finding in &checked.findings {
        let (first, others) = finding.marks.split_first().map_or((None, [].as_slice()), |(first, others)| (Some(first), others));
        let message = format!("{}[{}]: {}", finding.lint.severity.as_str(), finding.lint.id, finding.message);
        let mut diagnostic = MietteDiagnostic::new(message).with_severity(miette_severity(finding));
        if !finding.help.is_empty() {
            diagnostic = diagnostic.with_help(&finding.help);
        }
        let labels = first.into_iter().chain(others).map(|mark| {
            let label = if mark.label.is_empty() { None } else { Some(mark.label.clone()) };
            LabeledSpan::new_with_span(label, first_line(mark.span, &checked.document.text))
        });
        let report = Report::new(diagnostic.with_labels(labels)).with_source_code(source());
        let _ = writeln!(out, "{}", shown(&report, &std::io::stdout()));
    }
    let count = |severity| checked.findings.iter().filter(|finding| finding.lint.severity == severity).count();
    let counts =
        [(Severity::Error, "error"), (Severity::Warning, "warning"), (Severity::Note, "note")].map(|(severity, word)| plural(count(severity), word));
    let _ = writeln!(out, "{file}: {kind}: {}", if checked.findings.is_empty() { "nothing found".to_owned() } else { counts.join(", ") });
    out
}

fn article(policy_type: PolicyType) -> &'static str {
    match policy_type {
        PolicyType::Key => "a key policy",
        PolicyType::Identity => "an identity policy",
        PolicyType::Scp => "an SCP",
        PolicyType::Rcp => "an RCP",
        PolicyType::Trust => "a trust policy",
        PolicyType::Endpoint => "an endpoint policy",
    }
}

fn plural(count: usize, word: &str) -> String {
    format!("{count} {word}{}", if count == 1 { "" } else { "s" })
}

fn miette_severity(finding: &Finding) -> miette::Severity {
    match finding.lint.severity {
        Severity::Note => miette::Severity::Advice,
        Severity::Warning => miette::Severity::Warning,
        Severity::Error => miette::Severity::Error,
    }
}

/// A span of several lines is shown by the first that says something: whole statements would drown the message.
fn first_line(span: Span, text: &str) -> std::ops::Range<usize> {
    let (start, covered) = ((span.start as usize).min(text.len()), span.of(text));
    let mut lines = covered.split_inclusive('\n').scan(start, |at, line| {
        let start = *at + (line.len() - line.trim_start().len());
        *at += line.len();
        Some(start..start + line.trim().len())
    });
    let says_something = |range: &std::ops::Range<usize>| range.len() > 1;
    if covered.contains('\n') { lines.find(says_something).unwrap_or(start..start) } else { start..start + covered.len() }
}

fn list() -> String {
    let mut out = String::new();
    for lint in LINTS {
        let _ = writeln!(out, "{} ({})\n  {}\n  {}\n  {}\n", lint.id, lint.severity.as_str(), lint.finds, lint.why, lint.rules.join(", "));
    }
    out
}

/// The JSON that `--format json` prints.
#[derive(Serialize)]
struct Answer<'a> {
    schema: &'static str,
    files: Vec<FileAnswer<'a>>,
}

#[derive(Serialize)]
struct FileAnswer<'a> {
    file: &'a str,
    #[serde(rename = "type")]
    policy_type: &'static str,
    findings: Vec<FindingAnswer<'a>>,
}

#[derive(Serialize)]
struct FindingAnswer<'a> {
    id: &'static str,
    severity: &'static str,
    message: &'a str,
    help: &'a str,
    /// JSON Pointer of the statement.
    #[serde(skip_serializing_if = "Option::is_none")]
    statement: Option<String>,
    rules: &'static [&'static str],
    /// In bytes of the policy's text; lines and columns count from 1.
    spans: Vec<SpanAnswer<'a>>,
}

#[derive(Serialize)]
struct SpanAnswer<'a> {
    start: u32,
    end: u32,
    line: usize,
    column: usize,
    #[serde(skip_serializing_if = "str::is_empty")]
    label: &'a str,
}

fn json(checked: &[Checked]) -> Answer<'_> {
    Answer { schema: "keyward.policy-check/1", files: checked.iter().map(FileAnswer::of).collect() }
}

impl<'a> FileAnswer<'a> {
    fn of(checked: &'a Checked) -> Self {
        let findings = checked.findings.iter().map(|finding| FindingAnswer::of(checked, finding)).collect();
        Self { file: &checked.document.name, policy_type: checked.policy_type.name(), findings }
    }
}

impl<'a> FindingAnswer<'a> {
    fn of(checked: &Checked, finding: &'a Finding) -> Self {
        let span = |mark: &'a Mark| {
            let (line, column) = position(&checked.document.text, mark.span.start);
            SpanAnswer { start: mark.span.start, end: mark.span.end, line, column, label: &mark.label }
        };
        Self {
            id: finding.lint.id,
            severity: finding.lint.severity.as_str(),
            message: &finding.message,
            help: &finding.help,
            statement: finding.statement.map(|at| checked.policy.pointer(at)),
            rules: finding.lint.rules,
            spans: finding.marks.iter().map(span).collect(),
        }
    }
}

/// Line and column of a byte, both from 1; columns count characters.
pub(super) fn position(text: &str, at: u32) -> (usize, usize) {
    let before = text.get(..at as usize).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let column = before.get(line_start..).unwrap_or_default().chars().count() + 1;
    (before.matches('\n').count() + 1, column)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use keyward_authz::GrantOperation;
    use keyward_crypto::{EncryptionAlgorithm, KeySpec, KeyUsage, Origin};
    use keyward_policy::{KMS_PERMISSIONS, KeyName};

    use super::*;

    #[test]
    fn the_published_page_is_current() {
        let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/policy-check.md");
        let published = std::fs::read_to_string(&page).unwrap();
        let (head, _) = published.split_once("## Lints\n").unwrap();
        let mut current =
            format!("{head}## Lints\n\n| lint | severity | finds | what happens instead, and the way out | rules |\n|---|---|---|---|---|\n");
        for lint in LINTS {
            let cells =
                [format!("`{}`", lint.id), lint.severity.as_str().to_owned(), lint.finds.to_owned(), lint.why.to_owned(), lint.rules.join(", ")];
            current.push_str(&format!("| {} |\n", cells.map(|cell| cell.replace('|', "\\|")).join(" | ")));
        }
        if std::env::var_os("KEYWARD_UPDATE").is_some() {
            std::fs::write(&page, current).unwrap();
        } else {
            assert_eq!(published, current, "KEYWARD_UPDATE=1 writes it anew");
        }
    }

    #[test]
    fn known_values_are_those_of_the_engine() {
        let same = |name: KeyName, engine: BTreeSet<&str>| {
            let known: BTreeSet<&str> = lint::values_of(name).unwrap().iter().copied().collect();
            assert_eq!(known, engine, "{}", name.as_str());
        };
        same(KeyName::KeySpec, KeySpec::ALL.iter().map(|spec| spec.name()).collect()); // [A549] [K70]
        same(KeyName::KeyUsage, KeyUsage::ALL.iter().map(|usage| usage.name()).collect());
        same(KeyName::KeyOrigin, Origin::ALL.iter().map(|origin| origin.name()).collect());
        same(KeyName::EncryptionAlgorithm, EncryptionAlgorithm::ALL.iter().map(|algorithm| algorithm.name()).collect()); // [A544]
        let grantable = KMS_PERMISSIONS.iter().copied().filter(|name| GrantOperation::named(name).is_some());
        same(KeyName::GrantOperations, grantable.collect()); // [A601]
    }
}
