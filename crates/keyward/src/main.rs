//! Keyward: a key management service that speaks the AWS KMS API and accounts for every decision.

mod rim;
mod serve;
mod trail;

use clap::{Parser, Subcommand};

/// A key management service that speaks the AWS KMS API and accounts for every decision.
#[derive(Parser)]
#[command(version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve KMS over HTTP for unmodified AWS clients
    Serve(serve::ServeArgs),
    /// Read what is remembered of every call
    Trail(trail::TrailArgs),
    /// Say why a refused call was refused, by the request id that its caller got
    Explain(trail::ExplainArgs),
}

fn main() {
    let result = match Cli::parse().command {
        Command::Serve(arguments) => serve::run(&arguments),
        Command::Trail(arguments) => trail::run(&arguments),
        Command::Explain(arguments) => trail::explain(&arguments),
    };
    if let Err(error) = result {
        eprintln!("error: {error:#}");
        std::process::exit(2);
    }
}
