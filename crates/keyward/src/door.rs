//! `keyward door`

use anyhow::{Context, bail};
use clap::{Args, Subcommand, ValueEnum};
use keyward_policy::Region;
use keyward_wire::client::{Answer, Client};
use keyward_wire::sigv4::Credentials;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::admin::{Ask, DoorEntry, EstateArgs, request};
use crate::operate::plain_table;
use crate::{out, rim};

#[derive(Args)]
pub(crate) struct DoorArgs {
    #[command(subcommand)]
    command: DoorCommand,
}

#[derive(Subcommand)]
enum DoorCommand {
    /// Make the door of a service in a Region, and print its access key
    Create {
        /// The service: s3, ec2, secretsmanager, …
        service: String,
        /// Where the service is
        #[arg(long)]
        region: Region,
        #[command(flatten)]
        estate: EstateArgs,
    },
    /// List the doors
    List {
        #[command(flatten)]
        estate: EstateArgs,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Remove a door; its key and the sessions that it made end at once
    Delete {
        /// As `door list` shows it: s3.ap-south-1
        door: String,
        #[command(flatten)]
        estate: EstateArgs,
    },
    /// Be the service for one call of yours: exchange your credentials (from the environment) for those with which the
    /// service would call KMS for you
    Forward {
        /// SERVICE.REGION of the door
        door: String,
        /// Assume this role with your credentials first, and forward its session
        #[arg(long, value_name = "ROLE_ARN")]
        assume_role: Option<String>,
        /// What to call the role's session
        #[arg(long, default_value = "keyward", requires = "assume_role")]
        session_name: String,
        #[command(flatten)]
        exchange: ExchangeArgs,
    },
    /// Be the service itself: credentials of its service principal
    Act {
        /// SERVICE.REGION of the door
        door: String,
        /// The resource on whose behalf the service calls
        #[arg(long)]
        source_arn: Option<String>,
        #[command(flatten)]
        exchange: ExchangeArgs,
    },
}

#[derive(Args)]
struct ExchangeArgs {
    /// The door's access key id
    #[arg(long, env = "KEYWARD_DOOR_ACCESS_KEY_ID")]
    door_key_id: String,
    /// The door's secret access key
    #[arg(long, env = "KEYWARD_DOOR_SECRET_ACCESS_KEY", hide_env_values = true)]
    door_secret: String,
    /// The server
    #[arg(long, env = "AWS_ENDPOINT_URL", default_value = "http://127.0.0.1:4599")]
    endpoint: String,
    /// `env`: shell exports; `process`: for `credential_process` of an AWS profile
    #[arg(long, value_enum, default_value_t = SessionFormat::Env)]
    format: SessionFormat,
}

#[derive(Clone, Copy, ValueEnum)]
enum SessionFormat {
    Env,
    Process,
}

pub(crate) fn run(arguments: &DoorArgs) -> anyhow::Result<()> {
    match &arguments.command {
        DoorCommand::Create { service, region, estate } => {
            let door: DoorEntry = request(estate, Ask::CreateDoor { service: service.clone(), region: region.clone() })?;
            out::line(format!("# door {}: its callers' kms:ViaService is {}", door.door_id, door.via_service))?;
            out::line(format!("export KEYWARD_DOOR_ACCESS_KEY_ID={}", door.access_key_id))?;
            out::line(format!("export KEYWARD_DOOR_SECRET_ACCESS_KEY={}", door.secret_access_key.unwrap_or_default()))
        }
        DoorCommand::List { estate, json } => {
            let doors: Vec<DoorEntry> = request(estate, Ask::ListDoors)?;
            if *json {
                return out::json(&doors);
            }
            let mut table = plain_table(&["DOOR", "VIA SERVICE", "SERVICE PRINCIPAL", "ACCESS KEY"]);
            for door in doors {
                table.add_row([door.door_id, door.via_service, door.service_principal, door.access_key_id]);
            }
            out::line(table.trim_fmt())
        }
        DoorCommand::Delete { door, estate } => request(estate, Ask::DeleteDoor { id: door.clone() }),
        DoorCommand::Forward { door, assume_role, session_name, exchange } => {
            let (service, region) = parts(door)?;
            let mut caller = Client { authority: exchange.authority(), credentials: own_credentials()?, region: region.to_owned() };
            if let Some(role) = assume_role {
                caller.credentials = assumed(&caller, role, session_name)?;
            }
            let proof = caller.proof(service, &format!("{service}.{region}.amazonaws.com"), rim::now());
            exchange_for(exchange, region, "ForwardAccess", &json!({ "Request": proof }))
        }
        DoorCommand::Act { door, source_arn, exchange } => {
            let (_, region) = parts(door)?;
            exchange_for(exchange, region, "ActAsService", &json!({ "SourceArn": source_arn }))
        }
    }
}

impl ExchangeArgs {
    fn authority(&self) -> String {
        self.endpoint.strip_prefix("http://").unwrap_or(&self.endpoint).trim_end_matches('/').to_owned()
    }
}

fn assumed(caller: &Client, role: &str, session_name: &str) -> anyhow::Result<Credentials> {
    let parameters = [("Action", "AssumeRole"), ("Version", "2011-06-15"), ("RoleArn", role), ("RoleSessionName", session_name)];
    let answer = runtime()?.block_on(caller.query("sts", &parameters, rim::now()))?;
    if !answer.is_success() {
        bail!("{}: {}", answer.error_code(), answer.error_message());
    }
    Ok(Credentials {
        access_key_id: answer.element("AccessKeyId"),
        secret_access_key: Zeroizing::new(answer.element("SecretAccessKey")),
        session_token: Some(answer.element("SessionToken")),
    })
}

fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().context("no runtime")
}

fn parts(door: &str) -> anyhow::Result<(&str, &str)> {
    door.split_once('.').with_context(|| format!("a door is called SERVICE.REGION, such as s3.ap-south-1, not `{door}`"))
}

/// The caller's credentials, from where every AWS tool finds them first.
fn own_credentials() -> anyhow::Result<Credentials> {
    let variable = |name: &str| std::env::var(name).with_context(|| format!("{name} is not set: these are the credentials that are forwarded"));
    Ok(Credentials {
        access_key_id: variable("AWS_ACCESS_KEY_ID")?,
        secret_access_key: Zeroizing::new(variable("AWS_SECRET_ACCESS_KEY")?),
        session_token: std::env::var("AWS_SESSION_TOKEN").ok().filter(|token| !token.is_empty()),
    })
}

fn exchange_for(arguments: &ExchangeArgs, region: &str, operation: &str, input: &Value) -> anyhow::Result<()> {
    let credentials = Credentials {
        access_key_id: arguments.door_key_id.clone(),
        secret_access_key: Zeroizing::new(arguments.door_secret.clone()),
        session_token: None,
    };
    let client = Client { authority: arguments.authority(), credentials, region: region.to_owned() };
    let answer = runtime()?.block_on(client.json("keyward", &format!("Keyward.{operation}"), input, rim::now()))?;
    if !answer.is_success() {
        bail!("{}: {}", answer.error_code(), answer.error_message());
    }
    print_session(&answer, arguments.format)
}

fn print_session(answer: &Answer, format: SessionFormat) -> anyhow::Result<()> {
    let member = |name: &str| answer.member(&format!("Credentials.{name}"));
    match format {
        SessionFormat::Env => {
            out::line(format!("export AWS_ACCESS_KEY_ID={}", member("AccessKeyId")))?;
            out::line(format!("export AWS_SECRET_ACCESS_KEY={}", member("SecretAccessKey")))?;
            out::line(format!("export AWS_SESSION_TOKEN={}", member("SessionToken")))
        }
        SessionFormat::Process => out::line(json!({
            "Version": 1,
            "AccessKeyId": member("AccessKeyId"),
            "SecretAccessKey": member("SecretAccessKey"),
            "SessionToken": member("SessionToken"),
            "Expiration": member("Expiration"),
        })),
    }
}
