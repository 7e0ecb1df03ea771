//! The document behind an encoded authorization message, as AWS writes it: what a refused caller's own account may know.
//!
//! Of a resource of another account it says nothing but its name, and that only if the caller named it so (A906).

use keyward_policy::{ConditionKey, Context, Effect, Policy, Statement, Values};
use serde::{Deserialize, Serialize};

use crate::authorize::{Decision, Refusal, attached};
use crate::context::RequestContext;
use crate::facts::{Principal, Request, Resource, Subject, Target};
use crate::layers::{Origin, StatementRef};
use crate::sentence::is_hidden;

/// Condition keys whose values are told whether or not a policy asks for them.
const ALWAYS_TOLD: [&str; 14] = [
    "aws:PrincipalArn",
    "aws:PrincipalAccount",
    "aws:PrincipalOrgID",
    "aws:PrincipalType",
    "aws:MultiFactorAuthPresent",
    "aws:RequestedRegion",
    "aws:ResourceAccount",
    "aws:SecureTransport",
    "aws:SourceIp",
    "aws:SourceVpce",
    "aws:ViaAWSService",
    "kms:CallerAccount",
    "kms:EncryptionContextKeys",
    "kms:ViaService",
];

/// What an encoded authorization message tells.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AuthorizationMessage {
    /// Always false: only refusals have messages.
    pub allowed: bool,
    /// Whether a statement denied.
    pub explicit_deny: bool,
    /// The statements that did.
    pub matched_statements: Items<MessageStatement>,
    /// What could not be decided: nothing.
    pub failures: Items<MessageValue>,
    /// What was asked, by whom, in which circumstances.
    pub context: MessageContext,
}

/// A list as these documents write lists.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Items<T> {
    /// Its items.
    pub items: Vec<T>,
}

impl<T> Items<T> {
    fn of(items: impl IntoIterator<Item = T>) -> Self {
        Self { items: items.into_iter().collect() }
    }
}

/// A text in a list.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct MessageValue {
    /// The text.
    pub value: String,
}

fn values<'t>(texts: impl IntoIterator<Item = &'t str>) -> Items<MessageValue> {
    Items::of(texts.into_iter().map(|text| MessageValue { value: text.to_owned() }))
}

/// A condition key with values.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct MessageCondition {
    /// Its name.
    pub key: String,
    /// Its values.
    pub values: Items<MessageValue>,
}

/// A statement that denied.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MessageStatement {
    /// Its `Sid`.
    pub statement_id: String,
    /// `DENY`
    pub effect: String,
    /// Whom it means.
    pub principals: Items<MessageValue>,
    /// Empty, as in AWS's.
    pub principal_groups: Items<MessageValue>,
    /// Its actions as written.
    pub actions: Items<MessageValue>,
    /// Its resources as written.
    pub resources: Items<MessageValue>,
    /// Its conditions: key and wanted values.
    pub conditions: Items<MessageCondition>,
}

/// The request.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct MessageContext {
    /// Who called.
    pub principal: MessagePrincipal,
    /// `kms:Decrypt`
    pub action: String,
    /// The ARN, or `*`.
    pub resource: String,
    /// The condition keys that had values.
    pub conditions: Items<MessageCondition>,
}

/// Who called.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct MessagePrincipal {
    /// `AIDA…`, `AROA…:session`, …
    pub id: String,
    /// A user's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The ARN.
    pub arn: String,
}

/// Tells a refusal; none for what was allowed.
pub fn authorization_message(subject: &Subject, target: &Target<'_>, request: &Request<'_>, decision: &Decision) -> Option<AuthorizationMessage> {
    let refusal = decision.refusal()?;
    let hidden = is_hidden(subject, target, decision);
    let foreign = subject.principal.account() != target.owner() && target.owner().is_some();
    // Of what is another account's only the name is known: neither its tags nor its spec.
    let name = Target::new(Resource::Other { arn: target.arn(), account: target.owner(), policy: None, tags: None });
    let target = if foreign { &name } else { target };
    let denied = refusal == Refusal::Denied && !hidden;
    let foreign_endpoint = request.call.endpoint.as_ref().is_some_and(|endpoint| endpoint.account != subject.principal.account());
    let shown = |at: &StatementRef| {
        let somebody_elses = match at.origin {
            Origin::Resource | Origin::Ram | Origin::Rcp(_) => foreign,
            Origin::Endpoint => foreign_endpoint,
            Origin::Identity(_) | Origin::Boundary | Origin::Session(_) | Origin::Scp(..) | Origin::Grant(_) => false,
        };
        (!somebody_elses).then_some(*at)
    };
    let statements = decision.statements().iter().filter_map(shown).filter_map(|at| statement(subject, target, request, at));
    let context = RequestContext { subject, target, request, for_key_policy: false };
    let named = !hidden || (request.alias.is_none() && !request.from_ciphertext);
    Some(AuthorizationMessage {
        allowed: false,
        explicit_deny: denied,
        matched_statements: Items::of(statements.filter(|_| denied).map(|statement| told(statement, subject))),
        failures: Items::of([]),
        context: MessageContext {
            principal: principal(subject, &context),
            action: request.action.to_string(),
            resource: if named && !matches!(target.resource, Resource::None { .. }) { target.arn().to_owned() } else { "*".to_owned() },
            conditions: conditions(subject, target, request, &context),
        },
    })
}

fn principal(subject: &Subject, context: &RequestContext<'_>) -> MessagePrincipal {
    let id = context.values(&ConditionKey::new("aws:userid"));
    let name = match &subject.principal {
        Principal::User { arn, .. } => arn.resource().rsplit('/').next().map(str::to_owned),
        Principal::RoleSession { .. } | Principal::FederatedUser { .. } | Principal::Root { .. } | Principal::Service { .. } => None,
    };
    MessagePrincipal { id: id.iter().next().unwrap_or_default().to_owned(), name, arn: subject.principal.caller_arn().into_owned() }
}

fn statement<'s>(subject: &'s Subject, target: &'s Target<'_>, request: &'s Request<'_>, at: StatementRef) -> Option<&'s Statement> {
    let policy: &Policy = match (at.origin, &target.resource) {
        (Origin::Resource, Resource::Key { key, .. }) => &key.policy.policy,
        (Origin::Resource, Resource::Other { policy: Some(policy), .. }) => &policy.policy,
        (Origin::Ram, Resource::Key { key, .. }) => &key.ram_policy.as_ref()?.policy,
        (Origin::Endpoint, _) => request.call.endpoint.as_ref()?.policy.as_ref()?,
        (origin, _) => &attached(subject, target, origin)?.policy,
    };
    policy.statements().get(at.statement)
}

fn told(statement: &Statement, subject: &Subject) -> MessageStatement {
    let caller = subject.principal.caller_arn();
    let principals: Vec<&str> = match statement.principal() {
        Some(principal) => principal.entries.iter().map(|entry| &*entry.text).collect(),
        // A policy without principals means whom it is attached to.
        None => vec![&caller],
    };
    MessageStatement {
        statement_id: statement.sid().unwrap_or_default().to_owned(),
        effect: if statement.effect() == Effect::Deny { "DENY" } else { "ALLOW" }.to_owned(),
        principals: values(principals),
        principal_groups: Items::of([]),
        actions: values(statement.actions().iter().map(|action| action.as_str())),
        resources: values(statement.resources()),
        conditions: Items::of(
            statement
                .conditions()
                .iter()
                .map(|condition| MessageCondition { key: condition.key().as_str().to_owned(), values: values(condition.values()) }),
        ),
    }
}

/// The keys that the caller's own side asks for, the resource's too if it is the caller's account's, and those always told.
fn conditions(subject: &Subject, target: &Target<'_>, request: &Request<'_>, context: &RequestContext<'_>) -> Items<MessageCondition> {
    let own = match &target.resource {
        Resource::Key { key, .. } => Some(&key.policy.policy),
        Resource::Other { policy, .. } => policy.map(|policy| &policy.policy),
        Resource::Alias { .. } | Resource::None { .. } => None,
    };
    let attached = subject.identity.iter().chain(&subject.boundary).chain(subject.session.iter().flatten());
    let attached = attached.chain(subject.scps.iter().flatten().flatten()).map(|attached| &attached.policy);
    let about = attached.chain(own).flat_map(|policy| policy.statements()).filter(|statement| statement.matches_action(&request.action));
    let always: Vec<ConditionKey> = ALWAYS_TOLD.iter().map(|name| ConditionKey::new(name)).collect();
    let mut told: Vec<MessageCondition> = Vec::new();
    for key in always.iter().chain(about.flat_map(Statement::keys)) {
        let found = context.values(key);
        if found == Values::Absent || told.iter().any(|told| told.key.eq_ignore_ascii_case(key.as_str())) {
            continue;
        }
        told.push(MessageCondition { key: key.as_str().to_owned(), values: values(found.iter()) });
    }
    Items::of(told)
}
