//! Keyward: a key management service that speaks the AWS KMS API and accounts for every decision.

mod admin;
mod decide;
mod door;
mod endpoint;
mod explain;
mod hsm;
mod man;
mod operate;
mod out;
mod policy;
mod rim;
mod seed;
mod serve;
mod tour;
mod trail;
mod who_can;
mod xks_proxy;

use clap::{CommandFactory, Parser, Subcommand};

/// A call makes some dozens of small allocations, and they are freed on another thread.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A key management service that speaks the AWS KMS API and accounts for every decision.
#[derive(Parser)]
#[command(version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve KMS, IAM, STS and Organizations over HTTP for unmodified AWS clients
    Serve(serve::ServeArgs),
    /// Play the article on KMS authorization against a server in memory, step by step
    Tour,
    /// Make and list accounts
    Account(operate::AccountArgs),
    /// Print the root users' access keys, or write them as AWS profiles
    Credentials(operate::CredentialsArgs),
    /// Say what runs, where its data is, and what is in it
    Status(operate::StatusArgs),
    /// Make service doors, and go through them: how a service calls KMS for somebody
    Door(door::DoorArgs),
    /// Make VPC endpoints, through which calls come to a listener of their own
    Endpoint(endpoint::EndpointArgs),
    /// Serve keys as an external key store to AWS KMS, or to another Keyward: be the proxy of the XKS protocol
    XksProxy(xks_proxy::XksProxyArgs),
    /// Check seed files
    Seed(seed::SeedArgs),
    /// Check policy documents and lay them out
    Policy(policy::PolicyArgs),
    /// Read what is remembered of every call
    Trail(trail::TrailArgs),
    /// Say why a call was refused, or what would be decided
    Explain(explain::ExplainArgs),
    /// Say yes or no: may this principal do this on this key
    Can(explain::CanArgs),
    /// List everybody who can do something on a key, in which ways, and on what each hangs
    WhoCan(who_can::WhoCanArgs),
    /// Decide the cases of a file or of the standard input, an answer a line
    Decide(decide::DecideArgs),
    /// Print completions for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print the manual page, or write one of each command
    Man(man::ManArgs),
}

fn main() {
    let result = match Cli::parse().command {
        Command::Serve(arguments) => serve::run(&arguments),
        Command::Tour => tour::run(),
        Command::Account(arguments) => operate::account(&arguments),
        Command::Credentials(arguments) => operate::credentials(&arguments),
        Command::Status(arguments) => operate::status(&arguments),
        Command::Door(arguments) => door::run(&arguments),
        Command::Endpoint(arguments) => endpoint::run(&arguments),
        Command::XksProxy(arguments) => xks_proxy::run(&arguments),
        Command::Seed(arguments) => seed::run(&arguments),
        Command::Policy(arguments) => policy::run(&arguments),
        Command::Trail(arguments) => trail::run(&arguments),
        Command::Explain(arguments) => explain::run(&arguments),
        Command::Can(arguments) => explain::can(&arguments),
        Command::Decide(arguments) => decide::run(&arguments),
        Command::WhoCan(arguments) => who_can::run(&arguments),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "keyward", &mut script);
            out::verbatim(&script)
        }
        Command::Man(arguments) => man::run(&arguments, Cli::command()),
    };
    if let Err(error) = result {
        out::complain(format_args!("error: {error:#}"));
        std::process::exit(2);
    }
}
