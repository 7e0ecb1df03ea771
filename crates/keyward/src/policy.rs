//! Policy documents in files: `keyward policy check` and `keyward policy format`.

mod check;
mod document;
mod sarif;

use clap::{Args, Subcommand};

#[derive(Args)]
pub(crate) struct PolicyArgs {
    #[command(subcommand)]
    command: PolicyCommand,
}

#[derive(Subcommand)]
enum PolicyCommand {
    /// Say what AWS would refuse in policies, and what does not do what it seems to
    Check(check::CheckArgs),
}

pub(crate) fn run(arguments: &PolicyArgs) -> anyhow::Result<()> {
    match &arguments.command {
        PolicyCommand::Check(arguments) => check::run(arguments),
    }
}
