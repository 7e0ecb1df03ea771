//! `keyward decide`: decision cases in, one answer a line out.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use keyward_cases::{Answer, Case, CaseFile, SCHEMA, decide};
use serde::Serialize;
use serde_json::Value;

use crate::out;

/// Exits with 0 when all were decided, 1 when some case could not be read, 2 when nothing could.
#[derive(Args)]
pub(crate) struct DecideArgs {
    /// Files with decision cases; `-` or nothing reads a document or a case a line from the standard input
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
}

/// What of a case cannot be read.
#[derive(Serialize)]
struct Unreadable {
    id: Value,
    error: String,
}

pub(crate) fn run(arguments: &DecideArgs) -> anyhow::Result<()> {
    let standard_input = [PathBuf::from("-")];
    let files = if arguments.files.is_empty() { &standard_input[..] } else { &arguments.files };
    let mut documents = Vec::new();
    for file in files {
        documents.push(cases(&read(file)?).with_context(|| format!("{} does not read", file.display()))?);
    }
    let (mut output, mut decided, mut unreadable) = (Vec::new(), 0, 0);
    for case in documents.into_iter().flatten() {
        match answer(case) {
            Ok(answer) => {
                decided += 1;
                serde_json::to_writer(&mut output, &answer)?;
            }
            Err(error) => {
                unreadable += 1;
                serde_json::to_writer(&mut output, &error)?;
            }
        }
        output.push(b'\n');
    }
    out::verbatim(&output)?;
    match (decided, unreadable) {
        (_, 0) => Ok(()),
        (0, _) => std::process::exit(2),
        _ => std::process::exit(1),
    }
}

fn read(file: &Path) -> anyhow::Result<String> {
    let mut text = String::new();
    match file.to_str() {
        Some("-") => std::io::stdin().read_to_string(&mut text).map(|_| text).context("the standard input does not read"),
        _ => std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display())),
    }
}

/// A document of cases, or a stream of them.
fn cases(text: &str) -> anyhow::Result<Vec<Value>> {
    if let Ok(file) = serde_json::from_str::<CaseFile>(text) {
        anyhow::ensure!(file.schema == SCHEMA, "its schema is `{}`, this release reads `{SCHEMA}`", file.schema);
        return Ok(file.cases);
    }
    let stream = serde_json::Deserializer::from_str(text).into_iter::<Value>();
    let cases: Vec<Value> = stream.collect::<Result<_, _>>()?;
    match cases.first().and_then(|first| first.get("schema")) {
        // A document that is not quite one: say what is wrong with it, not with its first case.
        Some(_) => serde_json::from_str::<CaseFile>(text).map(|file| file.cases).map_err(Into::into),
        None => Ok(cases),
    }
}

fn answer(case: Value) -> Result<Answer, Unreadable> {
    let id = case.get("id").cloned().unwrap_or(Value::Null);
    let unreadable = |error: String| Unreadable { id: id.clone(), error };
    let case: Case = serde_json::from_value(case).map_err(|error| unreadable(error.to_string()))?;
    decide(&case).map_err(unreadable)
}
