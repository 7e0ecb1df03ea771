//! `keyward explain`: why a call was refused, and what would be decided if somebody called. `keyward can`: the same as yes or no.

use anyhow::{Context, bail};
use clap::{Args, ValueEnum};
use keyward_authz::AuthorizationMessage;
use keyward_policy::AccountId;
use keyward_service::{Answer, Question};
use serde::Deserialize;
use serde_json::Value;

use crate::admin::{Ask, EstateArgs, explanation, request};
use crate::out;
use crate::trail::open_trail;

/// Exits with 0 when the answer is an allow, 1 when it is a denial, 2 when there is no answer.
#[derive(Args)]
pub(crate) struct ExplainArgs {
    /// The refused call, as its caller saw it in `x-amzn-RequestId`
    #[arg(long, conflicts_with_all = ["action", "key", "principal"])]
    request_id: Option<String>,
    /// Print the refusal as an encoded message, which whoever in the caller's account may
    /// sts:DecodeAuthorizationMessage can read with `aws sts decode-authorization-message`
    #[arg(long, requires = "request_id", conflicts_with = "format")]
    encoded: bool,
    /// Who would call: an ARN, or a service such as s3.amazonaws.com
    #[arg(long = "as", value_name = "PRINCIPAL")]
    principal: Option<String>,
    /// What would be called: kms:Decrypt; kms:ReEncrypt with --to
    #[arg(value_name = "ACTION", requires = "key")]
    action: Option<String>,
    /// On which key: id, ARN, alias, alias ARN; `*` for actions without key
    #[arg(value_name = "KEY")]
    key: Option<String>,
    #[command(flatten)]
    call: CallArgs,
    /// How to write the answer
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    #[command(flatten)]
    estate: EstateArgs,
}

/// Exits with 0 for yes, 1 for no, 2 when there is no answer.
#[derive(Args)]
pub(crate) struct CanArgs {
    /// Who would call: an ARN, or a service such as s3.amazonaws.com
    #[arg(value_name = "PRINCIPAL")]
    principal: String,
    /// What would be called: kms:Decrypt; kms:ReEncrypt with --to
    #[arg(value_name = "ACTION")]
    action: String,
    /// On which key: id, ARN, alias, alias ARN; `*` for actions without key
    #[arg(value_name = "KEY")]
    key: String,
    #[command(flatten)]
    call: CallArgs,
    /// Say it by the exit status alone
    #[arg(long, short)]
    quiet: bool,
    #[command(flatten)]
    estate: EstateArgs,
}

/// What is known of a call that nobody made.
#[derive(Args)]
struct CallArgs {
    /// A pair of the encryption context; may be repeated
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    context: Vec<(String, String)>,
    /// The service that would call for the principal: s3.ap-south-1.amazonaws.com
    #[arg(long)]
    via: Option<String>,
    /// The VPC endpoint through which the call would come: vpce-…
    #[arg(long, conflicts_with = "via")]
    endpoint: Option<String>,
    /// A grant token of the request; may be repeated
    #[arg(long)]
    grant_token: Vec<String>,
    /// The grant, for kms:RetireGrant
    #[arg(long, value_name = "ID")]
    grant_id: Option<String>,
    /// The destination key, for kms:ReEncrypt
    #[arg(long, value_name = "KEY")]
    to: Option<String>,
    /// Another parameter of the request, named as in the API, its value as text or JSON: PendingWindowInDays=7; may be repeated
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    parameter: Vec<(String, String)>,
    /// Another condition key; repeated with the same name it has several values
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair)]
    condition: Vec<(String, String)>,
    /// The Region that would be called, where the key alone does not say
    #[arg(long)]
    region: Option<String>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    Text,
    Json,
}

pub(crate) fn pair(text: &str) -> Result<(String, String), String> {
    text.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned())).ok_or_else(|| format!("`{text}` is not NAME=VALUE"))
}

pub(crate) fn run(arguments: &ExplainArgs) -> anyhow::Result<()> {
    if let (true, Some(request_id)) = (arguments.encoded, &arguments.request_id) {
        return out::line(encoded(arguments, request_id)?);
    }
    let answer = match (&arguments.request_id, &arguments.principal, &arguments.action, &arguments.key) {
        (Some(request_id), ..) => of_past_call(arguments, request_id)?,
        (None, Some(principal), Some(action), Some(key)) => explanation(&arguments.estate, arguments.call.question(principal, action, key))?,
        _ => bail!("ask about a past call with --request-id ID, or about a call that nobody made with --as PRINCIPAL ACTION KEY"),
    };
    match arguments.format {
        Format::Text => out::line(text(&answer).trim_end())?,
        Format::Json => out::json(&answer)?,
    }
    if !answer.is_allowed() {
        std::process::exit(1);
    }
    Ok(())
}

/// `keyward can`: yes or no, and the reason in a sentence.
pub(crate) fn can(arguments: &CanArgs) -> anyhow::Result<()> {
    let answer = explanation(&arguments.estate, arguments.call.question(&arguments.principal, &arguments.action, &arguments.key))?;
    // Allowed, and of no use: a key that is disabled is worth a warning, not another answer.
    let failure = answer.failure.as_ref().filter(|_| answer.is_allowed()).map(|failure| format!(" The call would fail all the same: {failure}"));
    if !arguments.quiet {
        let word = if answer.is_allowed() { "yes" } else { "no" };
        out::line(format!("{word}: {}{}", answer.deciding.summary, failure.unwrap_or_default()))?;
    }
    if !answer.is_allowed() {
        std::process::exit(1);
    }
    Ok(())
}

/// Everything that was asked, in order; the last decides.
fn text(answer: &Answer) -> String {
    let mut text: String = answer.before.iter().map(|explanation| format!("{explanation}\n")).collect();
    text.push_str(&answer.deciding.to_string());
    if let Some(failure) = &answer.failure {
        text.push_str(&format!("\n  Allowed, and the call would fail all the same: {failure}\n"));
    }
    text
}

fn of_past_call(arguments: &ExplainArgs, request_id: &str) -> anyhow::Result<Answer> {
    Ok(serde_json::from_str(&refusal(arguments, request_id)?.1)?)
}

/// What the trail keeps of a refused call that its caller's account may know, sealed for that account.
fn encoded(arguments: &ExplainArgs, request_id: &str) -> anyhow::Result<String> {
    #[derive(Deserialize)]
    struct Kept {
        authorization_message: Option<Box<AuthorizationMessage>>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Record {
        user_identity: Identity,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Identity {
        account_id: Option<AccountId>,
    }
    let (record, explanation) = refusal(arguments, request_id)?;
    let (kept, record): (Kept, Record) = (serde_json::from_str(&explanation)?, serde_json::from_str(&record)?);
    let message = kept.authorization_message.context("the call was refused by a release that kept no message of it")?;
    let account = record.user_identity.account_id.context("a service called, which has no account that could decode a message")?;
    request(&arguments.estate, Ask::EncodeAuthorizationMessage { account, message })
}

/// The record of a call that authorization refused, and the reasons.
fn refusal(arguments: &ExplainArgs, request_id: &str) -> anyhow::Result<(String, String)> {
    let records = open_trail(arguments.estate.data.as_ref())?.of_request(request_id)?;
    let empty = records.is_empty();
    match records.into_iter().find_map(|(record, explanation)| Some((record, explanation?))) {
        Some(found) => Ok(found),
        None if empty => bail!("the trail has no request {request_id}"),
        None => bail!("that call was not refused by authorization; `keyward trail show {request_id}` tells what it was"),
    }
}

impl CallArgs {
    fn question(&self, principal: &str, action: &str, key: &str) -> Question {
        let mut conditions: Vec<(String, Vec<String>)> = Vec::new();
        for (name, value) in &self.condition {
            match conditions.iter_mut().find(|(existing, _)| existing == name) {
                Some((_, values)) => values.push(value.clone()),
                None => conditions.push((name.clone(), vec![value.clone()])),
            }
        }
        // What reads as JSON is a number, a list, a structure; everything else is text.
        let value = |text: &String| serde_json::from_str(text).ok().filter(|value: &Value| !value.is_null()).unwrap_or_else(|| text.as_str().into());
        let mut parameters: serde_json::Map<String, Value> = self.parameter.iter().map(|(name, text)| (name.clone(), value(text))).collect();
        parameters.extend(self.grant_id.iter().map(|id| ("GrantId".to_owned(), id.as_str().into())));
        parameters.extend(self.to.iter().map(|key| ("DestinationKeyId".to_owned(), key.as_str().into())));
        Question {
            principal: principal.to_owned(),
            action: action.to_owned(),
            key: key.to_owned(),
            region: self.region.clone(),
            encryption_context: self.context.iter().cloned().collect(),
            via: self.via.clone(),
            endpoint: self.endpoint.clone(),
            grant_tokens: self.grant_token.clone(),
            parameters,
            conditions,
        }
    }
}
