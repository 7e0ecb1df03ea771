//! `keyward trail` and `keyward explain --request-id`

use std::path::PathBuf;

use anyhow::bail;
use clap::{Args, Subcommand};
use keyward_store::Trail;

use crate::rim;

#[derive(Args)]
pub(crate) struct TrailArgs {
    #[command(subcommand)]
    command: TrailCommand,
}

#[derive(Subcommand)]
enum TrailCommand {
    /// Print the last records, one JSON document a line
    Tail {
        #[command(flatten)]
        data: DataArgs,
        /// How many
        #[arg(long, short = 'n', default_value_t = 20)]
        lines: u32,
    },
    /// Print the records of one request
    Show {
        #[command(flatten)]
        data: DataArgs,
        /// As the caller saw it in `x-amzn-RequestId`
        request_id: String,
    },
}

#[derive(Args)]
struct DataArgs {
    /// Data directory of the server, which may be running
    #[arg(long, env = "KEYWARD_DATA")]
    data: Option<PathBuf>,
}

#[derive(Args)]
pub(crate) struct ExplainArgs {
    #[command(flatten)]
    data: DataArgs,
    /// The refused call, as its caller saw it in `x-amzn-RequestId`
    #[arg(long)]
    request_id: String,
    /// As JSON
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: &TrailArgs) -> anyhow::Result<()> {
    match &arguments.command {
        TrailCommand::Tail { data, lines } => {
            for (_, json) in Trail::open(&rim::data_directory(data.data.as_ref())?)?.last(*lines)? {
                println!("{json}");
            }
        }
        TrailCommand::Show { data, request_id } => {
            let records = Trail::open(&rim::data_directory(data.data.as_ref())?)?.of_request(request_id)?;
            if records.is_empty() {
                bail!("the trail has no request {request_id}");
            }
            for (json, _) in records {
                println!("{json}");
            }
        }
    }
    Ok(())
}

pub(crate) fn explain(arguments: &ExplainArgs) -> anyhow::Result<()> {
    let records = Trail::open(&rim::data_directory(arguments.data.data.as_ref())?)?.of_request(&arguments.request_id)?;
    let Some(explanation) = records.iter().find_map(|(_, explanation)| explanation.as_deref()) else {
        let why = if records.is_empty() { "the trail has no such request" } else { "that call was not refused by authorization" };
        bail!("nothing to explain: {why}");
    };
    if arguments.json {
        println!("{explanation}");
        return Ok(());
    }
    let explanation: keyward_authz::Explanation = serde_json::from_str(explanation)?;
    print!("{explanation}");
    Ok(())
}
