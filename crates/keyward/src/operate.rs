//! `keyward account`, `keyward credentials`, `keyward status`

use std::fs::DirBuilder;
use std::io::Write;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::{Args, Subcommand, ValueEnum};
use comfy_table::{Table, presets};
use keyward_policy::{AccountId, Partition};

use crate::admin::{AccountEntry, Ask, EstateArgs, RootCredentials, Status, request};
use crate::{out, rim};

#[derive(Args)]
pub(crate) struct AccountArgs {
    #[command(subcommand)]
    command: AccountCommand,
}

#[derive(Subcommand)]
enum AccountCommand {
    /// Make an account with a root access key, and print the key
    Create {
        #[command(flatten)]
        estate: EstateArgs,
        /// Its twelve-digit number [default: random]
        #[arg(long)]
        id: Option<AccountId>,
        /// What to call it
        #[arg(long)]
        name: Option<String>,
        /// Where it is, for good: `aws`, `aws-cn`, `aws-us-gov` or `aws-iso`; it can be called in Regions of that partition only
        #[arg(long, default_value_t = Partition::Aws)]
        partition: Partition,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// List the accounts
    List {
        #[command(flatten)]
        estate: EstateArgs,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
}

#[derive(Args)]
pub(crate) struct CredentialsArgs {
    #[command(flatten)]
    estate: EstateArgs,
    /// Only of this account
    #[arg(long)]
    account: Option<AccountId>,
    #[command(flatten)]
    output: OutputArgs,
}

/// How access keys are written.
#[derive(Args)]
struct OutputArgs {
    /// `env`: print shell exports; `json`: print a list; `profile`: write sections of the AWS credentials file
    /// (AWS_SHARED_CREDENTIALS_FILE, else ~/.aws/credentials), others stay as they are
    #[arg(long, value_enum, default_value_t = CredentialsFormat::Env)]
    format: CredentialsFormat,
}

#[derive(Clone, Copy, ValueEnum)]
enum CredentialsFormat {
    Env,
    Json,
    Profile,
}

#[derive(Args)]
pub(crate) struct StatusArgs {
    #[command(flatten)]
    estate: EstateArgs,
    /// As JSON
    #[arg(long)]
    json: bool,
}

pub(crate) fn account(arguments: &AccountArgs) -> anyhow::Result<()> {
    match &arguments.command {
        AccountCommand::Create { estate, id, name, partition, output } => {
            let made: RootCredentials = request(estate, Ask::CreateAccount { id: *id, name: name.clone(), partition: *partition })?;
            print_credentials(estate, &[made], output.format)
        }
        AccountCommand::List { estate, json } => {
            let accounts: Vec<AccountEntry> = request(estate, Ask::ListAccounts)?;
            if *json {
                return out::json(&accounts);
            }
            let mut table = plain_table(&["ACCOUNT", "NAME", "USERS", "ROLES", "KEYS", "CREATED"]);
            for account in accounts {
                let created = account.created.strftime("%Y-%m-%d %H:%M:%SZ").to_string();
                let name = account.name.as_deref().map_or_else(|| "-".to_owned(), out::name);
                let (users, roles, keys) = (account.users.to_string(), account.roles.to_string(), account.keys.to_string());
                table.add_row([account.account_id.to_string(), name, users, roles, keys, created]);
            }
            out::line(table.trim_fmt())
        }
    }
}

/// A table that reads without colour and pipes into `awk`.
pub(crate) fn plain_table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(header);
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table
}

pub(crate) fn credentials(arguments: &CredentialsArgs) -> anyhow::Result<()> {
    let keys: Vec<RootCredentials> = request(&arguments.estate, Ask::Credentials { account: arguments.account })?;
    if let (Some(account), []) = (arguments.account, keys.as_slice()) {
        bail!("the root user of account {account} has no access key: it was deleted; IAM users and roles of the account go on");
    }
    print_credentials(&arguments.estate, &keys, arguments.output.format)
}

fn print_credentials(estate: &EstateArgs, keys: &[RootCredentials], format: CredentialsFormat) -> anyhow::Result<()> {
    match format {
        CredentialsFormat::Json => out::json(&keys)?,
        CredentialsFormat::Env => {
            let endpoint = endpoint(estate)?;
            for key in keys {
                out::line(exports(key, &endpoint))?;
            }
        }
        CredentialsFormat::Profile => {
            let (path, written) = write_profiles(keys, &endpoint(estate)?)?;
            out::line(format!(
                "wrote {} to {}; try: aws --profile {} kms list-keys",
                written.join(", "),
                path.display(),
                written.first().map_or("…", String::as_str)
            ))?;
        }
    }
    Ok(())
}

/// Where the estate's server answers, or will by default.
fn endpoint(estate: &EstateArgs) -> anyhow::Result<String> {
    let status: Status = request(estate, Ask::Status)?;
    Ok(status.endpoint.unwrap_or_else(|| "http://127.0.0.1:4599".to_owned()))
}

/// What a shell needs to be the root user.
pub(crate) fn exports(key: &RootCredentials, endpoint: &str) -> String {
    // The AWS CLI reads the second of the Regions, SDKs the first.
    format!(
        "# account {}, root user\nexport AWS_ENDPOINT_URL={endpoint}\nexport AWS_REGION=us-east-1 AWS_DEFAULT_REGION=us-east-1\n\
         export AWS_ACCESS_KEY_ID={}\nexport AWS_SECRET_ACCESS_KEY={}\nunset AWS_SESSION_TOKEN",
        key.account_id, key.access_key_id, key.secret_access_key
    )
}

/// Writes a profile `keyward-ACCOUNT` for each key into the AWS credentials file, in place of an older one, and leaves
/// the rest of the file as it is.
fn write_profiles(keys: &[RootCredentials], endpoint: &str) -> anyhow::Result<(PathBuf, Vec<String>)> {
    let path = match rim::path_variable("AWS_SHARED_CREDENTIALS_FILE") {
        Some(path) => path,
        None => directories::BaseDirs::new()
            .context("this platform names no home directory; set AWS_SHARED_CREDENTIALS_FILE")?
            .home_dir()
            .join(".aws/credentials"),
    };
    let mut text =
        if path.exists() { std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))? } else { String::new() };
    let mut written = Vec::new();
    for key in keys {
        let profile = format!("keyward-{}", key.account_id);
        text = without_profile(&text, &profile);
        if !text.is_empty() && !text.ends_with("\n\n") {
            text.push_str(if text.ends_with('\n') { "\n" } else { "\n\n" });
        }
        text.push_str(&format!(
            "[{profile}]\naws_access_key_id = {}\naws_secret_access_key = {}\nregion = us-east-1\nendpoint_url = {endpoint}\n",
            key.access_key_id, key.secret_access_key
        ));
        written.push(profile);
    }
    if let Some(parent) = path.parent() {
        // Secrets come to lie there: a directory that is made is the owner's alone.
        DirBuilder::new().recursive(true).mode(0o700).create(parent).with_context(|| format!("cannot make {}", parent.display()))?;
    }
    // Whole or not at all: other tools' credentials are in the same file.
    let mut file = tempfile::NamedTempFile::new_in(path.parent().unwrap_or(&path)).context("cannot write beside the credentials file")?;
    file.write_all(text.as_bytes())?;
    file.persist(&path).with_context(|| format!("cannot write {}", path.display()))?;
    Ok((path, written))
}

fn without_profile(text: &str, profile: &str) -> String {
    let header = format!("[{profile}]");
    let mut inside = false;
    let kept = text.split_inclusive('\n').filter(|line| {
        if line.trim_start().starts_with('[') {
            inside = line.trim() == header;
        }
        !inside
    });
    kept.collect()
}

pub(crate) fn status(arguments: &StatusArgs) -> anyhow::Result<()> {
    let status: Status = request(&arguments.estate, Ask::Status)?;
    if arguments.json {
        return out::json(&status);
    }
    match (&status.endpoint, status.process_id) {
        (Some(endpoint), Some(process)) => out::line(format!("running    {endpoint} (pid {process}, version {})", status.version))?,
        _ => out::line("running    no; `keyward serve` starts it")?,
    }
    out::line(format!("data       {} (revision {})", status.data.display(), status.revision))?;
    out::line(format!(
        "estate     {} accounts, {} users, {} roles, {} keys, {} grants, {} service doors",
        status.accounts, status.users, status.roles, status.keys, status.grants, status.doors
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_is_replaced_and_the_others_stay() {
        let before = "[default]\na = 1\n\n[keyward-111122223333]\nold = 1\n\n[other]\nb = 2\n";
        assert_eq!(without_profile(before, "keyward-111122223333"), "[default]\na = 1\n\n[other]\nb = 2\n");
        assert_eq!(without_profile(before, "keyward-1"), before);
    }
}
