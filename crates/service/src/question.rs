//! Questions about access: what would be decided, and why, without anybody calling (`keyward explain`).

use std::sync::Arc;

use keyward_authz::{AliasName, CallFacts, Explanation, KeyArn, Request, Resource, Via, explain};
use keyward_policy::{AccountId, Action, Arn, MapContext, Region};
use serde::{Deserialize, Serialize};

use crate::caller::{Identity, Session, SessionKind};
use crate::entities::Key;
use crate::host::Host;
use crate::kms::{Pairs, is_grant_token};
use crate::state::State;

/// May this principal do this on this key?
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Question {
    /// The caller: an ARN of a user, role, role session, federated user or account root, or a service principal.
    pub principal: String,
    /// `kms:Decrypt`
    pub action: String,
    /// Key id, key ARN, alias name, alias ARN; `*` for actions without key.
    pub key: String,
    /// The Region that is called; found from the key if it is missing.
    #[serde(default)]
    pub region: Option<String>,
    /// The encryption context.
    #[serde(default)]
    pub encryption_context: Pairs,
    /// The service through which the call comes: `s3.ap-south-1.amazonaws.com`.
    #[serde(default)]
    pub via: Option<String>,
    /// The VPC endpoint through which the call comes: `vpce-…`.
    #[serde(default)]
    pub endpoint: Option<String>,
    /// Grant tokens of the request.
    #[serde(default)]
    pub grant_tokens: Vec<String>,
    /// Further condition keys, with one value or several.
    #[serde(default)]
    pub conditions: Vec<(String, Vec<String>)>,
}

/// Why a question cannot be answered.
#[derive(Debug, thiserror::Error)]
pub enum QuestionError {
    /// Not an action of KMS.
    #[error("{0}")]
    Action(String),
    /// Not a principal, or one that is not in the estate.
    #[error("{0}")]
    Principal(String),
    /// Not a key that is there.
    #[error("{0}")]
    Key(String),
    /// Anything else that does not read.
    #[error("{0}")]
    Other(String),
}

/// Answers a question on the newest durable revision.
///
/// # Errors
/// [`QuestionError`], with what to do about it.
pub fn ask(host: &Host, question: &Question) -> Result<Explanation, QuestionError> {
    let state = host.state();
    let action = Action::parse(&question.action).map_err(QuestionError::Action)?;
    let identity = identity(&state, &question.principal)?;
    let asked = resource(&state, identity.account(), question)?;
    if let Some(token) = question.grant_tokens.iter().find(|token| !is_grant_token(host.vault().root(), token)) {
        return Err(QuestionError::Other(format!("`{token}` is no grant token of this server")));
    }
    let mut session = Session::new(String::new(), identity, SessionKind::AssumeRole, host.now(), host.now());
    session.facts.issued_at = None;
    let Some(subject) = state.subject_of(&session.identity, Some(&session)) else {
        return Err(QuestionError::Principal(format!("{} is not there any more", question.principal)));
    };
    let mut facts = CallFacts::new(asked.region.clone());
    facts.time = Some(host.now());
    facts.via = question.via.as_deref().map(Via::service_door);
    facts.endpoint = match &question.endpoint {
        Some(id) => {
            let endpoint = state.vpc_endpoint(id).ok_or_else(|| QuestionError::Other(format!("there is no VPC endpoint `{id}` in this estate")))?;
            Some(state.through(endpoint))
        }
        None => None,
    };
    let verbatim = question.conditions.iter().fold(MapContext::new(), |context, (name, values)| match values.as_slice() {
        [one] => context.with(name, one),
        many => context.with_many(name, many.iter().map(String::as_str)),
    });
    let mut request = Request::new(action, &facts);
    request.encryption_context = Some(&question.encryption_context);
    request.alias = asked.alias.as_ref();
    request.verbatim = Some(&verbatim);
    Ok(match &asked.key {
        Some(key) => {
            let grants = state.grants_for(key.arn(), &subject.principal);
            explain(&subject, &state.target(Resource::Key { key: &key.facts, grants: &grants }), &request)
        }
        None => {
            let account = session.identity.account().map_or_else(|| "*".to_owned(), |account| account.to_string());
            let pattern = format!("arn:{}:kms:{}:{account}:*", asked.region.partition(), asked.region);
            explain(&subject, &state.target(Resource::None { pattern: pattern.into() }), &request)
        }
    })
}

/// Who a name means in this estate.
fn identity(state: &State, text: &str) -> Result<Identity, QuestionError> {
    let unknown = |why: String| QuestionError::Principal(why);
    let Ok(arn) = text.parse::<Arn>() else {
        if text.ends_with(".amazonaws.com") || text.ends_with(".amazonaws.com.cn") {
            return Ok(Identity::Service { name: text.to_owned() });
        }
        let message =
            format!("`{text}` is no principal: name an ARN such as arn:aws:iam::111122223333:role/app, or a service such as s3.amazonaws.com");
        return Err(unknown(message));
    };
    let account = arn.account().filter(|account| state.account(*account).is_some());
    let account = account.ok_or_else(|| unknown(format!("the account of {text} is not in this estate")))?;
    let not_there = |what: &str, name: &str| unknown(format!("there is no {what} `{name}` in account {account} of this estate"));
    let last = arn.resource().rsplit('/').next().unwrap_or_default();
    let role = |name: &str, session: &str| {
        let role = state.role(account, name).ok_or_else(|| not_there("role", name))?;
        let session = format!("arn:{}:sts::{account}:assumed-role/{}/{session}", arn.partition(), role.name);
        let session = session.parse().map_err(|_| unknown(format!("`{text}` is no session")))?;
        Ok(Identity::Role { account, name: role.name.clone(), id: role.id.clone(), session })
    };
    match (arn.service(), arn.resource().split('/').next().unwrap_or_default()) {
        ("iam", "root") => Ok(Identity::Root { account }),
        ("iam", "user") => {
            let user = state.user(account, last).ok_or_else(|| not_there("user", last))?;
            Ok(Identity::User { account, name: user.name.clone(), id: user.id.clone() })
        }
        ("iam", "role") => role(last, "any-session"),
        ("sts", "assumed-role") => role(arn.resource().split('/').nth(1).unwrap_or_default(), last),
        ("sts", "federated-user") => Ok(Identity::Federated { account, name: last.to_owned(), user: None, arn: arn.clone() }),
        _ => Err(unknown(format!("{text} is an ARN, but of no principal: users, roles, sessions, federated users and account roots call"))),
    }
}

struct Asked {
    region: Region,
    key: Option<Arc<Key>>,
    alias: Option<AliasName>,
}

/// Which key a question means; without an ARN it is one of the caller's account, as in a call (A410).
fn resource(state: &State, caller: Option<AccountId>, question: &Question) -> Result<Asked, QuestionError> {
    let text = question.key.as_str();
    let no_key = |why: &str| QuestionError::Key(format!("`{text}`: {why}"));
    let region = question.region.as_deref().map(|region| region.parse::<Region>().map_err(|_| no_key("no Region of that name")));
    let region = region.transpose()?;
    if text == "*" {
        let region = region.map_or_else(|| "us-east-1".parse().map_err(|_| no_key("name a --region")), Ok)?;
        return Ok(Asked { region, key: None, alias: None });
    }
    let found = |key: &Arc<Key>, alias: Option<AliasName>| Ok(Asked { region: key.arn().region().clone(), key: Some(key.clone()), alias });
    if let Ok(arn) = text.parse::<Arn>() {
        if let Ok(key) = text.parse::<KeyArn>() {
            return found(state.key(&key).ok_or_else(|| no_key("no such key in this estate"))?, None);
        }
        let (Some(account), Ok(name), Ok(region)) = (arn.account(), arn.resource().parse::<AliasName>(), arn.region().parse::<Region>()) else {
            return Err(no_key("an ARN, but of no key or alias"));
        };
        let alias = state.alias(account, &region, &name).ok_or_else(|| no_key("no such alias in this estate"))?;
        return found(state.key_at(account, &region, &alias.target).ok_or_else(|| no_key("the alias names no key"))?, Some(name));
    }
    let account = caller.ok_or_else(|| no_key("a service calls under no account: name the key by its ARN"))?;
    let in_region = |key: &&Arc<Key>| key.arn().account() == account && region.as_ref().is_none_or(|region| region == key.arn().region());
    let name = text.parse::<AliasName>().ok();
    let named = |key: &&Arc<Key>| match &name {
        Some(name) => key.facts.aliases.contains(name),
        None => key.arn().id().as_str() == text,
    };
    let mut keys = state.all_keys().filter(in_region).filter(named);
    let key = keys
        .next()
        .ok_or_else(|| no_key(&format!("no such key or alias in account {account}, whose principal asks; name another account's key by its ARN")))?;
    match keys.next() {
        Some(_) => Err(no_key("there are several of that name: choose one with --region")),
        None => found(key, name),
    }
}
