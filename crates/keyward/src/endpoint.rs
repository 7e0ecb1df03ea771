//! `keyward endpoint`

use std::path::PathBuf;

use anyhow::Context;
use clap::{Args, Subcommand};
use keyward_policy::{AccountId, Region};

use crate::admin::{Ask, EndpointEntry, EstateArgs, request};
use crate::operate::plain_table;
use crate::out;

#[derive(Args)]
pub(crate) struct EndpointArgs {
    #[command(subcommand)]
    command: EndpointCommand,
}

#[derive(Subcommand)]
enum EndpointCommand {
    /// Make a VPC endpoint; `keyward serve --listen-endpoint` opens it
    Create {
        /// The VPC: vpc-…
        #[arg(long)]
        vpc: String,
        /// Whose it is
        #[arg(long)]
        account: AccountId,
        /// The Region of the service
        #[arg(long)]
        region: Region,
        /// The service that it leads to: kms, sts, iam, organizations
        #[arg(long, default_value = "kms")]
        service: String,
        /// File with its policy; everything passes if none is given
        #[arg(long, value_name = "FILE")]
        policy: Option<PathBuf>,
        /// vpce-… [default: random]
        #[arg(long)]
        id: Option<String>,
        #[command(flatten)]
        estate: EstateArgs,
    },
    /// List the endpoints
    List {
        #[command(flatten)]
        estate: EstateArgs,
        /// As JSON, with their policies
        #[arg(long)]
        json: bool,
    },
    /// Remove an endpoint; a listener that is open for it lets nobody pass from then on
    Delete {
        /// vpce-…
        endpoint: String,
        #[command(flatten)]
        estate: EstateArgs,
    },
}

pub(crate) fn run(arguments: &EndpointArgs) -> anyhow::Result<()> {
    match &arguments.command {
        EndpointCommand::Create { vpc, account, region, service, policy, id, estate } => {
            let read = |file: &PathBuf| std::fs::read_to_string(file).with_context(|| format!("cannot read the policy {}", file.display()));
            let policy = policy.as_ref().map(read).transpose()?;
            let (vpc, region, service) = (vpc.clone(), region.clone(), service.clone());
            let made: EndpointEntry = request(estate, Ask::CreateEndpoint { id: id.clone(), vpc, account: *account, service, region, policy })?;
            out::line(made.vpc_endpoint_id)
        }
        EndpointCommand::List { estate, json } => {
            let endpoints: Vec<EndpointEntry> = request(estate, Ask::ListEndpoints)?;
            if *json {
                return out::json(&endpoints);
            }
            let mut table = plain_table(&["ENDPOINT", "VPC", "ACCOUNT", "SERVICE", "REGION", "POLICY"]);
            for endpoint in endpoints {
                let policy = if endpoint.policy_document.is_some() { "own" } else { "default" }.to_owned();
                let owner = endpoint.owner_id.to_string();
                table.add_row([endpoint.vpc_endpoint_id, endpoint.vpc_id, owner, endpoint.service, endpoint.region.to_string(), policy]);
            }
            out::line(table.trim_fmt())
        }
        EndpointCommand::Delete { endpoint, estate } => request(estate, Ask::DeleteEndpoint { id: endpoint.clone() }),
    }
}
