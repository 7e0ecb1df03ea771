//! `keyward trail`: what is remembered of every call.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::{Args, Subcommand, ValueEnum};
use jiff::{SignedDuration, Timestamp};
use keyward_store::{Trail, TrailFilter};
use serde_json::Value;

use crate::operate::plain_table;
use crate::{out, rim};

/// How often a followed trail is looked at.
const FOLLOW: Duration = Duration::from_millis(250);

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
        /// Go on printing as calls come
        #[arg(long, short)]
        follow: bool,
    },
    /// Print the records of one request
    Show {
        #[command(flatten)]
        data: DataArgs,
        /// As the caller saw it in `x-amzn-RequestId`
        request_id: String,
    },
    /// Find records
    Query {
        #[command(flatten)]
        data: DataArgs,
        /// Of this account's trail
        #[arg(long)]
        account: Option<String>,
        /// A part of the caller's ARN
        #[arg(long)]
        principal: Option<String>,
        /// A part of the key's ARN
        #[arg(long)]
        key: Option<String>,
        /// The operation: Decrypt, CreateGrant, …
        #[arg(long)]
        event: Option<String>,
        /// The error's code: AccessDenied, …
        #[arg(long)]
        error: Option<String>,
        /// Only calls that failed
        #[arg(long)]
        failed: bool,
        /// Not before: 2026-11-24T15:00:00Z, or how long ago: 90s, 15m, 2h, 7d
        #[arg(long, value_parser = moment)]
        since: Option<Timestamp>,
        /// Before: as --since
        #[arg(long, value_parser = moment)]
        until: Option<Timestamp>,
        /// How many, the newest
        #[arg(long, short = 'n', default_value_t = 1000)]
        limit: u32,
        /// JSON documents, one a line, or a table
        #[arg(long, value_enum, default_value_t = Format::Json)]
        format: Format,
    },
}

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    Json,
    Table,
}

#[derive(Args)]
struct DataArgs {
    /// Data directory of the server, which may be running
    #[arg(long, env = "KEYWARD_DATA")]
    data: Option<PathBuf>,
}

impl DataArgs {
    fn trail(&self) -> anyhow::Result<Trail> {
        open_trail(self.data.as_ref())
    }
}

/// The trail in a server's data directory.
pub(crate) fn open_trail(data: Option<&PathBuf>) -> anyhow::Result<Trail> {
    let data = rim::data_directory(data)?;
    if !data.join("keyward.db").exists() {
        bail!("there is no trail in {}; name the server's directory with --data", data.display());
    }
    Trail::open(&data).with_context(|| format!("the trail in {} does not open", data.display()))
}

fn moment(text: &str) -> Result<Timestamp, String> {
    if let Ok(time) = text.parse() {
        return Ok(time);
    }
    let wrong = || format!("`{text}` is neither a time such as 2026-11-24T15:00:00Z nor an age such as 15m");
    let unit_s = match text.chars().last() {
        Some('s') => 1,
        Some('m') => 60,
        Some('h') => 3600,
        Some('d') => 86_400,
        _ => return Err(wrong()),
    };
    let number: i64 = text.get(..text.len() - 1).and_then(|number| number.parse().ok()).ok_or_else(wrong)?;
    let seconds = number.checked_mul(unit_s).ok_or_else(wrong)?;
    rim::now().checked_sub(SignedDuration::from_secs(seconds)).map_err(|_| wrong())
}

pub(crate) fn run(arguments: &TrailArgs) -> anyhow::Result<()> {
    match &arguments.command {
        TrailCommand::Tail { data, lines, follow } => {
            let trail = data.trail()?;
            let mut seen = 0;
            for (seq, json) in trail.last(*lines)? {
                out::line(json)?;
                seen = seq;
            }
            if *follow {
                follow_on(&trail, seen)?;
            }
        }
        TrailCommand::Show { data, request_id } => {
            let records = data.trail()?.of_request(request_id)?;
            if records.is_empty() {
                bail!("the trail has no request {request_id}");
            }
            for (json, _) in records {
                out::line(json)?;
            }
        }
        TrailCommand::Query { data, account, principal, key, event, error, failed, since, until, limit, format } => {
            let filter = TrailFilter {
                account: account.clone(),
                principal: principal.clone(),
                key: key.clone(),
                event: event.clone(),
                error: error.clone(),
                failed: *failed,
                since_ms: since.map(Timestamp::as_millisecond),
                until_ms: until.map(Timestamp::as_millisecond),
                limit: *limit,
            };
            let records = data.trail()?.query(&filter)?;
            match format {
                Format::Json => records.iter().try_for_each(out::line)?,
                Format::Table => out::line(table(&records).trim_fmt())?,
            }
        }
    }
    Ok(())
}

/// Prints what comes until somebody stops it.
fn follow_on(trail: &Trail, mut seen: i64) -> anyhow::Result<()> {
    loop {
        std::thread::sleep(FOLLOW);
        for (seq, json) in trail.after(seen)? {
            out::line(json)?;
            seen = seq;
        }
    }
}

fn table(records: &[String]) -> comfy_table::Table {
    let mut table = plain_table(&["TIME", "EVENT", "RESULT", "CALLER", "KEY", "REQUEST"]);
    for json in records {
        let record: Value = serde_json::from_str(json).unwrap_or_default();
        let text = |path: &str| record.pointer(path).and_then(Value::as_str).map_or_else(|| "-".to_owned(), out::name);
        let caller = match text("/userIdentity/arn") {
            arn if arn == "-" => text("/userIdentity/invokedBy"),
            arn => arn.splitn(6, ':').skip(4).collect::<Vec<_>>().join(":"),
        };
        let key = text("/resources/0/ARN");
        let key = key.rsplit('/').next().unwrap_or("-").to_owned();
        let result = record.get("errorCode").and_then(Value::as_str).unwrap_or("ok").to_owned();
        table.add_row([text("/eventTime"), text("/eventName"), result, caller, key, text("/requestID")]);
    }
    table
}
