//! Policy documents in files: `keyward policy check` and `keyward policy format`.

mod check;
mod document;
mod format;
mod sarif;

use std::io::IsTerminal;

use clap::{Args, Subcommand};
use miette::{GraphicalReportHandler, GraphicalTheme, Report};

#[derive(Args)]
pub(crate) struct PolicyArgs {
    #[command(subcommand)]
    command: PolicyCommand,
}

#[derive(Subcommand)]
enum PolicyCommand {
    /// Say what AWS would refuse in policies, and what does not do what it seems to
    Check(check::CheckArgs),
    /// Lay policies out as a careful person would write them; their meaning does not change
    Format(format::FormatArgs),
}

pub(crate) fn run(arguments: &PolicyArgs) -> anyhow::Result<()> {
    match &arguments.command {
        PolicyCommand::Check(arguments) => check::run(arguments),
        PolicyCommand::Format(arguments) => format::run(arguments),
    }
}

/// Prints an answer, colours and all.
fn print(text: &str) -> anyhow::Result<()> {
    crate::out::verbatim(text.as_bytes())
}

/// A report with the place underlined. Colour is for terminals; anywhere else the text is plain and always the same.
fn shown(report: &Report, stream: &impl IsTerminal) -> String {
    let terminal = stream.is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let theme = if terminal { GraphicalTheme::unicode() } else { GraphicalTheme::unicode_nocolor() };
    let mut out = String::new();
    // Writing to a string does not fail.
    let _ = GraphicalReportHandler::new_themed(theme).with_width(120).render_report(&mut out, report.as_ref());
    out
}
