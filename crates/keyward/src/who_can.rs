//! `keyward who-can`: everybody who can do something on a key, in which ways, and on what each of them hangs.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use anyhow::{Context, bail};
use clap::{Args, ValueEnum};
use keyward_analysis::{Estate, KeySide, WhoCan, who_can};
use keyward_authz::{CallFacts, Grant, KeyFacts, May, Principal, Request, Subject, Via, Way, action_named};
use keyward_policy::{AccountId, MapContext, ResourceKind};
use keyward_service::{Host, Key, State};
use serde::{Deserialize, Serialize};

use crate::admin::{Ask, EstateArgs, request};
use crate::explain::pair;

/// Exits with 0 when somebody can, 1 when nobody can, 2 when there is no answer.
#[derive(Args)]
pub(crate) struct WhoCanArgs {
    /// What would be called: kms:Decrypt
    #[arg(value_name = "ACTION")]
    action: String,
    /// On which key: id, ARN, alias, alias ARN
    #[arg(value_name = "KEY")]
    key: String,
    /// The encryption context of the calls, a pair each time; without it any context may come
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    context: Vec<(String, String)>,
    /// The service through which the calls come: s3.ap-south-1.amazonaws.com; without it they come in any way
    #[arg(long)]
    via: Option<String>,
    /// What is known of another condition key; repeated with the same name it has several values
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair)]
    condition: Vec<(String, String)>,
    /// Only who always can, whatever the calls say besides
    #[arg(long)]
    always: bool,
    /// How to write the answer
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    #[command(flatten)]
    estate: EstateArgs,
}

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    Text,
    Json,
}

/// The question as it goes to whoever has the estate.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct WhoCanQuestion {
    action: String,
    key: String,
    encryption_context: Option<BTreeMap<String, String>>,
    via: Option<String>,
    conditions: Vec<(String, Vec<String>)>,
}

pub(crate) fn run(arguments: &WhoCanArgs) -> anyhow::Result<()> {
    let mut conditions: Vec<(String, Vec<String>)> = Vec::new();
    for (name, value) in &arguments.condition {
        match conditions.iter_mut().find(|(existing, _)| existing == name) {
            Some((_, values)) => values.push(value.clone()),
            None => conditions.push((name.clone(), vec![value.clone()])),
        }
    }
    let context: BTreeMap<String, String> = arguments.context.iter().cloned().collect();
    let question = WhoCanQuestion {
        action: arguments.action.clone(),
        key: arguments.key.clone(),
        encryption_context: (!context.is_empty()).then_some(context),
        via: arguments.via.clone(),
        conditions,
    };
    let mut found: WhoCan = request(&arguments.estate, Ask::WhoCan { question: Box::new(question) })?;
    if arguments.always {
        found.principals.retain(|entry| entry.may == May::Always);
        found.beyond.retain(|beyond| beyond.may == May::Always);
    }
    match arguments.format {
        Format::Text => print!("{}", text(&found)?),
        Format::Json => println!("{}", serde_json::to_string_pretty(&found)?),
    }
    if found.principals.is_empty() && found.beyond.is_empty() {
        std::process::exit(1);
    }
    Ok(())
}

/// Answers on the newest durable revision.
pub(crate) fn answer(host: &Host, question: &WhoCanQuestion) -> anyhow::Result<WhoCan> {
    let state = host.state();
    let action = action_named(&question.action).map_err(anyhow::Error::msg)?;
    let permission = action.kms().with_context(|| format!("{action} is no permission of KMS"))?;
    if permission.resource() == ResourceKind::None {
        bail!(
            "{action} is decided without a key, by identity policies alone; `keyward explain --as PRINCIPAL {action} '*'` asks about one principal"
        );
    }
    let key = key_named(&state, &question.key)?;
    let mut call = CallFacts::new(key.arn().region().clone());
    call.via = question.via.as_deref().map(Via::service_door);
    let verbatim = question.conditions.iter().fold(MapContext::new(), |context, (name, values)| match values.as_slice() {
        [one] => context.with(name, one),
        many => context.with_many(name, many.iter().map(String::as_str)),
    });
    let mut request = Request::new(action, &call);
    request.encryption_context = question.encryption_context.as_ref();
    request.verbatim = Some(&verbatim);
    Ok(who_can(&Held(&state), KeySide { key: &key.facts, rcps: &[], organization: None }, &request))
}

/// The estate of a server at one revision.
struct Held<'s>(&'s State);

impl Estate for Held<'_> {
    fn subjects(&self) -> impl Iterator<Item = Subject> {
        self.0.subjects()
    }

    fn holds(&self, account: AccountId) -> bool {
        self.0.account(account).is_some()
    }

    fn grants_for(&self, key: &KeyFacts, principal: &Principal) -> Vec<Arc<Grant>> {
        self.0.grants_for(&key.arn, principal)
    }

    fn grants(&self, key: &KeyFacts) -> Vec<Arc<Grant>> {
        self.0.grants(&key.arn).cloned().collect()
    }
}

/// The one key that a name means, in whatever account: nobody calls, so there is no account of a caller's.
fn key_named<'s>(state: &'s State, text: &str) -> anyhow::Result<&'s Arc<Key>> {
    let means = |key: &&Arc<Key>| {
        let arn = key.arn();
        let alias_arn = |name: &keyward_authz::AliasName| format!("arn:{}:kms:{}:{}:{name}", arn.region().partition(), arn.region(), arn.account());
        arn.as_str() == text || arn.id().as_str() == text || key.facts.aliases.iter().any(|alias| alias.as_str() == text || alias_arn(alias) == text)
    };
    let found: Vec<&Arc<Key>> = state.all_keys().filter(means).collect();
    match found.as_slice() {
        [] => bail!("there is no key or alias `{text}` in this estate; `aws kms list-aliases` shows an account's"),
        [one] => Ok(one),
        several => {
            let arns: Vec<&str> = several.iter().map(|key| key.arn().as_str()).collect();
            bail!("`{text}` means several keys, name one by its ARN: {}", arns.join(", "))
        }
    }
}

fn text(found: &WhoCan) -> Result<String, std::fmt::Error> {
    let mut text = String::new();
    let key = found.key.rsplit(':').next().unwrap_or_default();
    let account = found.key.split(':').nth(4).unwrap_or_default();
    let aliases = found.aliases.iter().map(|alias| format!("{alias}, ")).collect::<String>();
    writeln!(text, "{}  {key} ({aliases}{account})", found.action)?;
    for (may, heading) in [(May::Always, "ALWAYS"), (May::Sometimes, "SOMETIMES")] {
        let entries: Vec<_> = found.principals.iter().filter(|entry| entry.may == may).collect();
        if !entries.is_empty() {
            writeln!(text, "\n{heading}")?;
        }
        for entry in entries {
            let mut parts = entry.principal.splitn(6, ':').skip(4);
            let (account, name) = (parts.next().unwrap_or_default(), parts.next().unwrap_or(&entry.principal));
            writeln!(text, "  {name} ({account})")?;
            write_ways(&mut text, &entry.ways)?;
        }
    }
    if !found.beyond.is_empty() {
        writeln!(text, "\nBEYOND THIS ESTATE")?;
    }
    for beyond in &found.beyond {
        writeln!(text, "  {}", beyond.who)?;
        write_ways(&mut text, &beyond.ways)?;
    }
    let count = found.principals.len();
    writeln!(text, "\n{count} of {} principals of this estate can{}.", found.asked, if found.beyond.is_empty() { "; nobody else" } else { "" })?;
    Ok(text)
}

fn write_ways(text: &mut String, ways: &[Way]) -> std::fmt::Result {
    for way in ways {
        writeln!(text, "      by {}", way.through.join(" with "))?;
        for proviso in &way.provisos {
            writeln!(text, "        {proviso}")?;
        }
    }
    Ok(())
}
