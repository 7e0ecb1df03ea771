//! `keyward who-can`: everybody who can do something on a key, in which ways, and on what each of them hangs.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Arc;

use anyhow::{Context, bail};
use clap::{Args, ValueEnum};
use keyward_analysis::{Estate, KeySide, Row, WhoCan, grid, who_can};
use keyward_authz::{CallFacts, Grant, KeyFacts, May, Principal, Request, Resource, Subject, Via, Way, action_named};
use keyward_policy::{AccountId, Action, MapContext, PermissionSet, ResourceKind};
use keyward_service::{Host, Key, State};
use serde::{Deserialize, Serialize};

use crate::admin::{Ask, EstateArgs, request};
use crate::explain::pair;
use crate::out;

/// In place of an action: everything.
const ALL: &str = "all";

/// Exits with 0 when somebody can, 1 when nobody can, 2 when there is no answer.
#[derive(Args)]
pub(crate) struct WhoCanArgs {
    /// What would be called: kms:Decrypt; `all` draws everything that everybody may do on the key
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
    /// The calls are direct: no service makes them for somebody
    #[arg(long, conflicts_with = "via")]
    direct: bool,
    /// The VPC endpoint through which the calls come: vpce-…; without it they come from anywhere
    #[arg(long, conflicts_with = "via")]
    endpoint: Option<String>,
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
    direct: bool,
    #[serde(default)]
    endpoint: Option<String>,
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
        direct: arguments.direct,
        endpoint: arguments.endpoint.clone(),
        conditions,
    };
    if arguments.action == ALL {
        let grid: Grid = request(&arguments.estate, Ask::Grid { question: Box::new(question) })?;
        match arguments.format {
            Format::Text => out::line(grid.text()?.trim_end())?,
            Format::Json => out::json(&grid)?,
        }
        return Ok(());
    }
    let mut found: WhoCan = request(&arguments.estate, Ask::WhoCan { question: Box::new(question) })?;
    if arguments.always {
        found.principals.retain(|entry| entry.may == May::Always);
        found.beyond.retain(|beyond| beyond.may == May::Always);
    }
    match arguments.format {
        Format::Text => out::line(text(&found)?.trim_end())?,
        Format::Json => out::json(&found)?,
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
    question.on(&state, key, action, |side, request| who_can(&Held(&state), side, request))
}

/// Everything that everybody may do on a key.
pub(crate) fn answer_all(host: &Host, question: &WhoCanQuestion) -> anyhow::Result<Grid> {
    let state = host.state();
    let key = key_named(&state, &question.key)?;
    // The grid asks for every permission in turn; the request must begin with some.
    let action = action_named("DescribeKey").map_err(anyhow::Error::msg)?;
    let rows = question.on(&state, key, action, |side, request| grid(&Held(&state), side, request))?;
    let names = |set: PermissionSet| set.iter().map(|permission| permission.name().to_owned()).collect();
    let row = |row: Row| GridRow { principal: row.principal, always: names(row.reach.always), sometimes: names(row.reach.sometimes) };
    Ok(Grid {
        key: key.arn().to_string(),
        aliases: key.facts.aliases.iter().map(ToString::to_string).collect(),
        rows: rows.into_iter().map(row).collect(),
    })
}

impl WhoCanQuestion {
    /// Says what the question says, and asks.
    fn on<T>(&self, state: &State, key: &Key, action: Action, ask: impl FnOnce(KeySide<'_>, &Request<'_>) -> T) -> anyhow::Result<T> {
        let mut call = CallFacts::new(key.arn().region().clone());
        call.via = self.via.as_deref().map(Via::service_door);
        if let Some(id) = &self.endpoint {
            let endpoint =
                state.vpc_endpoint(id).with_context(|| format!("there is no VPC endpoint `{id}` in this estate; `keyward endpoint list`"))?;
            call.endpoint = Some(state.through(endpoint));
        }
        let mut verbatim = self.conditions.iter().fold(MapContext::new(), |context, (name, values)| match values.as_slice() {
            [one] => context.with(name, one),
            many => context.with_many(name, many.iter().map(String::as_str)),
        });
        if self.direct {
            let absent = ["kms:ViaService", "aws:CalledVia", "aws:CalledViaFirst", "aws:CalledViaLast"];
            verbatim = absent.iter().fold(verbatim, |context, name| context.without(name));
            verbatim = verbatim.with("aws:ViaAWSService", "false").with("kms:GrantIsForAWSResource", "false");
        }
        let mut request = Request::new(action, &call);
        request.encryption_context = self.encryption_context.as_ref();
        request.verbatim = Some(&verbatim);
        // [A324] What binds the key from above is its account's organization.
        let target = state.target(Resource::Key { key: &key.facts, grants: &[] });
        let rcps_unknown = target.rcps_unknown;
        Ok(ask(KeySide { key: &key.facts, rcps: target.rcps, rcps_unknown, organization: target.organization }, &request))
    }
}

/// Everything that everybody may do on a key.
#[derive(Deserialize, Serialize)]
pub(crate) struct Grid {
    key: String,
    aliases: Vec<String>,
    rows: Vec<GridRow>,
}

#[derive(Deserialize, Serialize)]
struct GridRow {
    principal: String,
    always: BTreeSet<String>,
    sometimes: BTreeSet<String>,
}

impl Grid {
    /// A line a permission, a column a principal, whose names stand above.
    fn text(&self) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        let key = self.key.rsplit(':').next().unwrap_or_default();
        let account = self.key.split(':').nth(4).unwrap_or_default();
        let aliases = self.aliases.iter().map(|alias| format!("{alias}, ")).collect::<String>();
        writeln!(text, "{key} ({aliases}{account})    ✔ always  ◐ under conditions  · never\n")?;
        for (at, row) in self.rows.iter().enumerate() {
            let (account, name) = account_and_name(&row.principal);
            writeln!(text, "  {}{name} ({account})", "│ ".repeat(at))?;
        }
        let on_keys = PermissionSet::ALL.iter().filter(|permission| permission.resource() != ResourceKind::None);
        // [A620] Each grant decides by itself who retires it.
        for name in on_keys.map(|permission| permission.name()).filter(|name| *name != "RetireGrant") {
            let mark = |row: &GridRow| match (row.always.contains(name), row.sometimes.contains(name)) {
                (true, _) => '✔',
                (false, true) => '◐',
                (false, false) => '·',
            };
            let marks: Vec<String> = self.rows.iter().map(|row| mark(row).to_string()).collect();
            writeln!(text, "  {}  {name}", marks.join(" "))?;
        }
        Ok(text)
    }
}

fn account_and_name(arn: &str) -> (&str, &str) {
    let mut parts = arn.splitn(6, ':').skip(4);
    (parts.next().unwrap_or_default(), parts.next().unwrap_or(arn))
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
            let (account, name) = account_and_name(&entry.principal);
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

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;
    use std::path::Path;

    use super::*;

    /// The article's principals and everything they may do on its two keys, directly and through S3: reviewed as a picture.
    /// `KEYWARD_UPDATE=1` writes it anew.
    #[test]
    fn the_articles_matrix() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let host = Host::open(Box::new(keyward_store::MemoryStore::default()), crate::rim::forgotten_root_key().unwrap(), crate::rim::env()).unwrap();
        crate::seed::plant(&host, &root.join("../../examples/article.yaml")).unwrap();
        let mut drawn = String::new();
        for key in ["alias/default", "alias/shieldsync-prod"] {
            for via in [None, Some("s3.ap-south-1.amazonaws.com")] {
                let question = WhoCanQuestion {
                    action: ALL.into(),
                    key: key.into(),
                    encryption_context: Some([("project".into(), "shieldsync-prod".into())].into()),
                    via: via.map(str::to_owned),
                    direct: via.is_none(),
                    endpoint: None,
                    conditions: Vec::new(),
                };
                writeln!(drawn, "── project=shieldsync-prod, {}", via.unwrap_or("direct")).unwrap();
                writeln!(drawn, "{}", answer_all(&host, &question).unwrap().text().unwrap()).unwrap();
            }
        }
        let golden = root.join("testdata/article-matrix.txt");
        if std::env::var_os("KEYWARD_UPDATE").is_some() {
            std::fs::write(&golden, &drawn).unwrap();
        }
        assert_eq!(drawn, std::fs::read_to_string(golden).unwrap());
    }
}
