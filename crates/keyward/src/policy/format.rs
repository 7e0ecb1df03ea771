//! `keyward policy format`: the layout of a careful person.

use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::Args;
use keyward_policy::{Issue, format};
use miette::{LabeledSpan, MietteDiagnostic, NamedSource, Report};

use super::document::{Document, is_stdin};
use super::{print, shown};

/// Exits with 0 when all is well, 1 when --check finds a file laid out otherwise, 2 when a file cannot be read.
#[derive(Args)]
pub(crate) struct FormatArgs {
    /// The files, or `-` for standard input: policies, or what the AWS CLI answered when asked for one
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// Write the files anew in place of printing them
    #[arg(long, conflicts_with = "check")]
    write: bool,
    /// Name the files that are laid out otherwise, and fail if there are any
    #[arg(long)]
    check: bool,
}

pub(crate) fn run(arguments: &FormatArgs) -> anyhow::Result<()> {
    let mut differ = false;
    for path in &arguments.files {
        let document = Document::read(path)?;
        let laid_out = format(&document.text).map_err(|issue| unreadable(&document, &issue))?;
        if (arguments.write || arguments.check) && (document.wrapped || is_stdin(path)) {
            bail!("{} is no file with a policy alone; print it without --write and --check", document.name);
        }
        let same = laid_out == document.text;
        if arguments.check {
            differ |= !same;
            if !same {
                print(&format!("{} is laid out otherwise\n", document.name))?;
            }
        } else if arguments.write {
            if !same {
                std::fs::write(path, laid_out).with_context(|| format!("cannot write {}", document.name))?;
            }
        } else {
            print(&laid_out)?;
        }
    }
    if differ {
        std::process::exit(1);
    }
    Ok(())
}

fn unreadable(document: &Document, issue: &Issue) -> anyhow::Error {
    let span = issue.span.start as usize..issue.span.end as usize;
    let diagnostic = MietteDiagnostic::new(&issue.message).with_label(LabeledSpan::new_with_span(None, span));
    let report = Report::new(diagnostic).with_source_code(NamedSource::new(&document.name, document.text.clone()));
    anyhow::anyhow!("{} cannot be laid out\n{}", document.name, shown(&report, &std::io::stderr()))
}
