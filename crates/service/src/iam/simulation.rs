//! Policies simulated: what they would decide, without a call. The engine that decides calls decides here too; only the
//! facts come from the request. Resources are not looked up: their policy is what the request says it is.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use data_encoding::BASE64;
use jiff::Timestamp;
use keyward_authz::{
    Attached, CallFacts, Decision, Layers, Origin, Principal, Refusal, Request, Resource, ResourcePolicy, StatementRef, Subject, Target, Verdict,
    authorize_in_layers, missing_keys,
};
use keyward_policy::{AccountId, Action, Arn, Glob, MapContext, Policy, PolicyKind, ResourceKind, Span};
use serde::{Deserialize, Serialize};

use super::managed::{Managed, managed};
use super::{About, ITEMS_PER_PAGE, SERVICE, may, no_such, refused};
use crate::call::{Call, Outcome};
use crate::entities::{Group, InlinePolicies, Role, User};
use crate::error::{Error, IamCode};
use crate::paging::page;
use crate::state::State;

/// As the answers call policies of each kind; the model's own enumeration is not what AWS sends.
const IAM_POLICY: &str = "IAM Policy";
const RESOURCE_POLICY: &str = "Resource Policy";
const BOUNDARY_POLICY: &str = "Permissions Boundary Policy";

/// A value for a condition key.
#[derive(Deserialize, Serialize)]
#[serde(rename_all(deserialize = "PascalCase", serialize = "camelCase"))]
#[expect(missing_docs, reason = "the API's own members")]
pub struct ContextEntry {
    pub context_key_name: String,
    pub context_key_values: Option<Vec<String>>,
    pub context_key_type: String,
}

/// The SCPs of one level, root first.
#[derive(Deserialize, Serialize)]
#[serde(rename_all(deserialize = "PascalCase", serialize = "camelCase"))]
#[expect(missing_docs, reason = "the API's own members")]
pub struct OrderedOrganizationPolicy {
    pub service_control_policy_input_list: Vec<String>,
}

/// Names policies that are left out.
#[derive(Deserialize, Serialize)]
#[serde(rename_all(deserialize = "PascalCase", serialize = "camelCase"))]
#[expect(missing_docs, reason = "the API's own members")]
pub struct PolicyIdentifier {
    pub policy_type: Option<String>,
    pub policy_arn: Option<String>,
    pub inline_policy_identifier: Option<InlinePolicyIdentifier>,
}

/// Names an inline policy.
#[derive(Deserialize, Serialize)]
#[serde(rename_all(deserialize = "PascalCase", serialize = "camelCase"))]
#[expect(missing_docs, reason = "the API's own members")]
pub struct InlinePolicyIdentifier {
    pub policy_name: String,
    pub attachment_type: String,
    pub attachment_name: String,
}

/// A place in a policy's text.
#[derive(Clone, Copy, Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct Position {
    pub line: usize,
    pub column: usize,
}

/// A statement that determined the result.
#[derive(Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct MatchedStatement {
    pub source_policy_id: String,
    pub source_policy_type: &'static str,
    pub start_position: Position,
    pub end_position: Position,
}

/// Whether the organization lets it pass.
#[derive(Clone, Copy, Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct OrganizationsDecisionDetail {
    pub allowed_by_organizations: bool,
}

/// Whether the boundary lets it pass.
#[derive(Clone, Copy, Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct PermissionsBoundaryDecisionDetail {
    pub allowed_by_permissions_boundary: bool,
}

/// A map of the query protocol: entries with key and value.
#[derive(Clone, Default, Serialize)]
pub struct DecisionDetails {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    entry: Vec<DecisionDetail>,
}

#[derive(Clone, Serialize)]
struct DecisionDetail {
    key: &'static str,
    value: Decided,
}

/// A decision as the API says it, the most permissive first.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the API's own values")]
pub enum Decided {
    Allowed,
    ImplicitDeny,
    ExplicitDeny,
}

/// The result of one action on one resource.
#[derive(Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct ResourceSpecificResult {
    pub eval_resource_name: String,
    pub eval_resource_decision: Decided,
    pub matched_statements: Vec<MatchedStatement>,
    pub missing_context_values: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub eval_decision_details: Option<DecisionDetails>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub permissions_boundary_decision_detail: Option<PermissionsBoundaryDecisionDetail>,
    /// What the organization says stands in the result of the action.
    #[serde(skip)]
    organizations: Option<OrganizationsDecisionDetail>,
}

/// The result of one action.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct EvaluationResult {
    pub eval_action_name: String,
    pub eval_resource_name: String,
    pub eval_decision: Decided,
    pub matched_statements: Vec<MatchedStatement>,
    pub missing_context_values: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub organizations_decision_detail: Option<OrganizationsDecisionDetail>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub permissions_boundary_decision_detail: Option<PermissionsBoundaryDecisionDetail>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub eval_decision_details: Option<DecisionDetails>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub resource_specific_results: Vec<ResourceSpecificResult>,
}

/// A page of results.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct SimulatePolicyOutput {
    pub evaluation_results: Vec<EvaluationResult>,
    pub is_truncated: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub marker: Option<String>,
}

operation! {
    SimulatePrincipalPolicy {
        policy_source_arn: String,
        policy_input_list: Option<Vec<String>>,
        permissions_boundary_policy_input_list: Option<Vec<String>>,
        policy_exclusion_list: Option<Vec<PolicyIdentifier>>,
        action_names: Option<Vec<String>>,
        resource_arns: Option<Vec<String>>,
        resource_policy: Option<String>,
        resource_owner: Option<String>,
        caller_arn: Option<String>,
        context_entries: Option<Vec<ContextEntry>>,
        resource_handling_option: Option<String>,
        max_items: Option<usize>,
        marker: Option<String>,
    } reads -> SimulatePolicyOutput,
    |input, call| {
        may(call, "SimulatePrincipalPolicy", &input.policy_source_arn, About::default())?;
        let (state, account) = (call.state, call.account()?);
        let (holder, sources, boundary) = source(state, account, &input.policy_source_arn)?;
        let caller = input.caller_arn.as_deref().unwrap_or(&input.policy_source_arn);
        let left_out = Exclusions::read(input.policy_exclusion_list.unwrap_or_default())?;
        let mut simulated = Simulated::of(state, account, Some(caller))?;
        simulated.place(state, account, &left_out);
        simulated.subject.service_linked = matches!(holder, Holder::Role(role) if role.service_linked.is_some());
        simulated.take(sources.into_iter().filter(|source| !left_out.covers(source)));
        simulated.take(inputs(input.policy_input_list)?);
        if !left_out.boundary {
            simulated.subject.boundary = boundary.and_then(|arn| state.policy_document(arn)).filter(|boundary| !left_out.names(boundary.arn.as_deref()));
        }
        simulated.bound_by(input.permissions_boundary_policy_input_list)?;
        let scenario = Scenario::read(account, caller, input.resource_owner, input.resource_policy, input.context_entries, input.action_names, input.resource_arns)?;
        let results = scenario.results(call, &simulated)?;
        paged(call, "SimulatePrincipalPolicy", results, input.max_items, input.marker)
    }
}

operation! {
    SimulateCustomPolicy {
        policy_input_list: Option<Vec<String>>,
        permissions_boundary_policy_input_list: Option<Vec<String>>,
        ordered_organization_policy_input_list: Option<Vec<OrderedOrganizationPolicy>>,
        action_names: Option<Vec<String>>,
        resource_arns: Option<Vec<String>>,
        resource_policy: Option<String>,
        resource_owner: Option<String>,
        caller_arn: Option<String>,
        context_entries: Option<Vec<ContextEntry>>,
        resource_handling_option: Option<String>,
        max_items: Option<usize>,
        marker: Option<String>,
    } reads -> SimulatePolicyOutput,
    |input, call| {
        may(call, "SimulateCustomPolicy", "*", About::default())?;
        let (state, account) = (call.state, call.account()?);
        if input.resource_policy.is_some() && input.caller_arn.is_none() {
            return Err(invalid("A resource policy is simulated for somebody: CallerArn is needed with ResourcePolicy."));
        }
        let mut simulated = Simulated::of(state, account, input.caller_arn.as_deref())?;
        simulated.take(inputs(Some(needed(input.policy_input_list, "policyInputList")?))?);
        simulated.bound_by(input.permissions_boundary_policy_input_list)?;
        if let Some(levels) = input.ordered_organization_policy_input_list {
            let read = |(at, level): (usize, OrderedOrganizationPolicy)| {
                let name = format!("OrderedOrganizationPolicyInputList.{}", at + 1);
                let one = |text: String| Ok(Attached { policy: document(PolicyKind::Scp, &text)?, name: name.as_str().into(), arn: None });
                level.service_control_policy_input_list.into_iter().map(one).collect()
            };
            simulated.subject.scps = Some(levels.into_iter().enumerate().map(read).collect::<Result<_, Error>>()?);
        }
        let caller = input.caller_arn.unwrap_or_else(|| call.subject.principal.caller_arn().into_owned());
        let scenario = Scenario::read(account, &caller, input.resource_owner, input.resource_policy, input.context_entries, input.action_names, input.resource_arns)?;
        let results = scenario.results(call, &simulated)?;
        paged(call, "SimulateCustomPolicy", results, input.max_items, input.marker)
    }
}

fn paged(
    call: &Call<'_>,
    list: &str,
    results: Vec<EvaluationResult>,
    max_items: Option<usize>,
    marker: Option<String>,
) -> Result<Outcome<SimulatePolicyOutput>, Error> {
    let numbered = results.into_iter().enumerate();
    let page = page(call, list, ITEMS_PER_PAGE, max_items, marker.as_deref(), numbered, |(at, _)| format!("{at:08}"))?;
    let evaluation_results = page.items.into_iter().map(|(_, result)| result).collect();
    Ok(Outcome::unchanged(SimulatePolicyOutput { evaluation_results, is_truncated: page.next_marker.is_some(), marker: page.next_marker }))
}

/// Names of condition keys.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct ContextKeysOutput {
    pub context_key_names: Vec<String>,
}

impl ContextKeysOutput {
    /// Each once, whatever its letter case, in the order of the documents.
    fn of<'p>(policies: impl Iterator<Item = &'p Policy>) -> Self {
        let mut names: Vec<String> = Vec::new();
        for key in policies.flat_map(|policy| policy.statements()).flat_map(|statement| statement.keys()) {
            if !names.iter().any(|name| name.eq_ignore_ascii_case(key.as_str())) {
                names.push(key.as_str().to_owned());
            }
        }
        Self { context_key_names: names }
    }
}

operation! {
    GetContextKeysForCustomPolicy { policy_input_list: Option<Vec<String>> } reads -> ContextKeysOutput,
    |input, call| {
        may(call, "GetContextKeysForCustomPolicy", "*", About::default())?;
        // Any policy may be asked about, a resource's too.
        let kind = |text: &String| if text.contains("Principal\"") { PolicyKind::Endpoint } else { PolicyKind::Identity };
        let policies = needed(input.policy_input_list, "policyInputList")?;
        let policies = policies.iter().map(|text| document(kind(text), text)).collect::<Result<Vec<_>, _>>()?;
        Ok(Outcome::unchanged(ContextKeysOutput::of(policies.iter())))
    }
}

operation! {
    GetContextKeysForPrincipalPolicy { policy_source_arn: String, policy_input_list: Option<Vec<String>> } reads -> ContextKeysOutput,
    |input, call| {
        may(call, "GetContextKeysForPrincipalPolicy", &input.policy_source_arn, About::default())?;
        let (_, mut sources, _) = source(call.state, call.account()?, &input.policy_source_arn)?;
        sources.extend(inputs(input.policy_input_list)?);
        Ok(Outcome::unchanged(ContextKeysOutput::of(sources.iter().map(|source| &source.policy))))
    }
}

fn invalid(message: &str) -> Error {
    refused(IamCode::InvalidInput, message)
}

fn needed<T>(list: Option<Vec<T>>, member: &str) -> Result<Vec<T>, Error> {
    let null =
        || Error::Validation(format!("1 validation error detected: Value null at '{member}' failed to satisfy constraint: Member must not be null"));
    list.filter(|list| !list.is_empty()).ok_or_else(null)
}

fn document(kind: PolicyKind, text: &str) -> Result<Policy, Error> {
    Policy::parse_strict(kind, text).map_err(|issue| invalid(&format!("Invalid policy document: {}", issue.message)))
}

/// A policy that is simulated, and what answers call it.
struct Source {
    policy: Policy,
    id: String,
    place: Place,
}

enum Place {
    Inline { kind: &'static str, holder: String, name: String },
    Managed { arn: String, aws: bool },
    Input,
}

fn inputs(list: Option<Vec<String>>) -> Result<Vec<Source>, Error> {
    let one = |(at, text): (usize, String)| {
        let policy = document(PolicyKind::Identity, &text)?;
        Ok(Source { policy, id: format!("PolicyInputList.{}", at + 1), place: Place::Input })
    };
    list.unwrap_or_default().into_iter().enumerate().map(one).collect()
}

/// Whose policies are simulated.
enum Holder<'s> {
    User(&'s Arc<User>),
    Group(&'s Arc<Group>),
    Role(&'s Arc<Role>),
}

/// A user, group or role of the caller's account, with its policies and its boundary.
fn source<'s>(state: &'s State, account: AccountId, arn: &str) -> Result<(Holder<'s>, Vec<Source>, Option<&'s str>), Error> {
    let holder = holder(state, account, arn)?;
    let mut sources = Vec::new();
    let boundary = match &holder {
        Holder::User(user) => {
            gather(state, "user", &user.name, &user.inline, &user.attached, &mut sources);
            for group in user.groups.iter().filter_map(|name| state.group(account, name)) {
                gather(state, "group", &group.name, &group.inline, &group.attached, &mut sources);
            }
            user.boundary.as_deref()
        }
        Holder::Group(group) => {
            gather(state, "group", &group.name, &group.inline, &group.attached, &mut sources);
            None
        }
        Holder::Role(role) => {
            gather(state, "role", &role.name, &role.inline, &role.attached, &mut sources);
            role.boundary.as_deref()
        }
    };
    Ok((holder, sources, boundary))
}

fn holder<'s>(state: &'s State, account: AccountId, text: &str) -> Result<Holder<'s>, Error> {
    let arn: Arn = text.parse().map_err(|_| invalid(&format!("Invalid Entity Arn: {text}")))?;
    let kind = arn.resource().split('/').next().unwrap_or_default();
    if arn.service() != "iam" || !matches!(kind, "user" | "group" | "role") {
        return Err(invalid(&format!("Invalid Entity Arn: {text}")));
    }
    let name = arn.resource().rsplit('/').next().unwrap_or_default();
    let own = arn.account() == Some(account);
    let found = match kind {
        "user" => state.user(account, name).filter(|user| user.arn == arn).map(Holder::User),
        "group" => state.group(account, name).filter(|group| group.arn == arn).map(Holder::Group),
        _ => state.role(account, name).filter(|role| role.arn == arn).map(Holder::Role),
    };
    found.filter(|_| own).ok_or_else(|| no_such(kind, name))
}

fn gather(state: &State, kind: &'static str, holder: &str, inline: &InlinePolicies, attached: &[String], sources: &mut Vec<Source>) {
    sources.extend(inline.iter().map(|(name, policy)| Source {
        policy: policy.clone(),
        id: format!("{kind}_{holder}_{name}"),
        place: Place::Inline { kind, holder: holder.to_owned(), name: name.clone() },
    }));
    sources.extend(attached.iter().filter_map(|arn| {
        let Attached { policy, .. } = state.policy_document(arn)?;
        let aws = matches!(managed(state, arn)?, Managed::Aws(..));
        let id = arn.rsplit('/').next().unwrap_or_default().to_owned();
        Some(Source { policy, id, place: Place::Managed { arn: arn.clone(), aws } })
    }));
}

/// Policies that are left out, as if they were not attached.
#[derive(Default)]
struct Exclusions {
    inline: bool,
    aws_managed: bool,
    user_managed: bool,
    boundary: bool,
    scps: bool,
    arns: Vec<Glob>,
    inlines: Vec<InlinePolicyIdentifier>,
}

impl Exclusions {
    fn read(list: Vec<PolicyIdentifier>) -> Result<Self, Error> {
        let mut exclusions = Self::default();
        for identifier in list {
            match (identifier.policy_type.as_deref(), identifier.policy_arn, identifier.inline_policy_identifier) {
                (Some("inline"), None, None) => exclusions.inline = true,
                (Some("aws-managed"), None, None) => exclusions.aws_managed = true,
                (Some("user-managed"), None, None) => exclusions.user_managed = true,
                (Some("permission-boundary"), None, None) => exclusions.boundary = true,
                (Some("scp"), None, None) => exclusions.scps = true,
                // RCPs are not simulated.
                (Some("rcp"), None, None) => {}
                (None, Some(arn), None) if arn.parse::<Arn>().is_ok() => exclusions.arns.push(Glob::new(&arn, false)),
                (None, None, Some(inline)) => exclusions.inlines.push(inline),
                _ => return Err(invalid("Invalid PolicyIdentifier: one of PolicyType, PolicyArn and InlinePolicyIdentifier.")),
            }
        }
        Ok(exclusions)
    }

    fn covers(&self, source: &Source) -> bool {
        match &source.place {
            Place::Input => false,
            Place::Managed { arn, aws } => (if *aws { self.aws_managed } else { self.user_managed }) || self.names(Some(arn)),
            Place::Inline { kind, holder, name } => {
                let same = |one: &InlinePolicyIdentifier| {
                    one.attachment_type == *kind && one.attachment_name.eq_ignore_ascii_case(holder) && one.policy_name == *name
                };
                self.inline || self.inlines.iter().any(same)
            }
        }
    }

    fn names(&self, arn: Option<&str>) -> bool {
        arn.is_some_and(|arn| self.arns.iter().any(|pattern| pattern.matches_plain(arn)))
    }
}

/// Who is simulated, with the policies that shall count.
struct Simulated {
    subject: Subject,
    /// What answers call the identity policies, by their place in the subject.
    ids: Vec<String>,
    /// The condition keys of the principal, which nobody can know where no caller was named.
    nobody: Option<MapContext>,
}

impl Simulated {
    /// A caller without policies. Whom an ARN names, if it lives in this account, has its tags.
    fn of(state: &State, account: AccountId, caller: Option<&str>) -> Result<Self, Error> {
        let text = caller.map_or_else(|| format!("arn:{}:iam::{account}:user/nobody", state.partition(account)), str::to_owned);
        let wrong = || invalid(&format!("Invalid Caller Arn: {text}"));
        let arn: Arn = text.parse().map_err(|_| wrong())?;
        let (kind, name) = (arn.resource().split('/').next().unwrap_or_default(), arn.resource().rsplit('/').next().unwrap_or_default());
        let owner = arn.account().filter(|_| arn.service() == "iam").ok_or_else(wrong)?;
        let mut tags = Vec::new();
        let principal = match kind {
            // A group calls nobody; its policies are simulated for a user of the account.
            "user" | "group" => {
                let user = state.user(owner, name).filter(|user| owner == account && user.arn == arn);
                tags = user.map(|user| user.tags.clone()).unwrap_or_default();
                Principal::User { id: user.map(|user| user.id.clone()), arn: arn.clone() }
            }
            "role" => {
                let role = state.role(owner, name).filter(|role| owner == account && role.arn == arn);
                tags = role.map(|role| role.tags.clone()).unwrap_or_default();
                let session = format!("arn:{}:sts::{owner}:assumed-role/{name}/simulated", arn.partition()).parse().map_err(|_| wrong())?;
                Principal::RoleSession { id: role.map(|role| role.id.clone()), role: arn.clone(), session }
            }
            "root" => Principal::Root { account: owner, partition: state.partition(owner) },
            _ => return Err(wrong()),
        };
        let mut subject = Subject::new(principal);
        subject.tags = tags.into_iter().collect();
        let unknown = caller.is_none() || kind == "group";
        let of_principal = ["aws:username", "aws:userid", "aws:PrincipalArn", "aws:PrincipalType"];
        let nobody = unknown.then(|| of_principal.iter().fold(MapContext::new(), |context, key| context.without(key)));
        Ok(Self { subject, ids: Vec::new(), nobody })
    }

    /// The organization of the account whose principal's policies are simulated (A320).
    fn place(&mut self, state: &State, account: AccountId, left_out: &Exclusions) {
        let (organization, scps) = state.organization_of(account);
        self.subject.organization = organization;
        self.subject.scps = scps.filter(|_| !left_out.scps).map(|levels| {
            let kept = |level: Vec<Attached>| level.into_iter().filter(|scp| !left_out.names(scp.arn.as_deref())).collect();
            levels.into_iter().map(kept).collect()
        });
    }

    fn take(&mut self, sources: impl IntoIterator<Item = Source>) {
        for source in sources {
            self.subject.identity.push(Attached { policy: source.policy, name: source.id.as_str().into(), arn: None });
            self.ids.push(source.id);
        }
    }

    /// A boundary given by hand stands in place of the attached one.
    fn bound_by(&mut self, list: Option<Vec<String>>) -> Result<(), Error> {
        match list.unwrap_or_default().as_slice() {
            [] => Ok(()),
            [text] => {
                let policy = document(PolicyKind::Identity, text)?;
                self.subject.boundary = Some(Attached { policy, name: "PermissionsBoundaryPolicyInputList.1".into(), arn: None });
                Ok(())
            }
            _ => Err(invalid("An entity has one permissions boundary: PermissionsBoundaryPolicyInputList takes one policy.")),
        }
    }
}

/// What is asked, on what, in which circumstances.
struct Scenario {
    actions: Vec<(String, Action)>,
    /// None where no resource was named: `*`.
    resources: Option<Vec<String>>,
    /// The text of the policy that every resource has.
    policy: Option<String>,
    /// Who owns resources whose ARN does not say.
    owner: AccountId,
    context: Vec<(String, Vec<String>, bool)>,
}

impl Scenario {
    fn read(
        account: AccountId,
        caller: &str,
        owner: Option<String>,
        policy: Option<String>,
        context: Option<Vec<ContextEntry>>,
        actions: Option<Vec<String>>,
        resources: Option<Vec<String>>,
    ) -> Result<Self, Error> {
        let action = |name: String| match Action::parse(&name) {
            Ok(action) if !name.contains(['*', '?']) => Ok((name, action)),
            _ => Err(invalid(&format!("Invalid Action: {name}"))),
        };
        let resources = resources.filter(|list| !list.is_empty() && list.as_slice() != ["*"]);
        if let Some(wrong) = resources.iter().flatten().find(|resource| *resource != "*" && resource.parse::<Arn>().is_err()) {
            return Err(invalid(&format!("Invalid Resource Arn: {wrong}")));
        }
        let owner = match owner {
            Some(text) => text
                .parse()
                .ok()
                .or_else(|| text.parse::<Arn>().ok()?.account())
                .ok_or_else(|| invalid(&format!("Invalid Resource Owner: {text}")))?,
            None => caller.parse::<Arn>().ok().and_then(|arn| arn.account()).unwrap_or(account),
        };
        Ok(Self {
            actions: needed(actions, "actionNames")?.into_iter().map(action).collect::<Result<_, _>>()?,
            resources,
            policy,
            owner,
            context: context.unwrap_or_default().into_iter().map(entry).collect::<Result<_, _>>()?,
        })
    }

    /// Every action on every resource.
    fn results(&self, call: &Call<'_>, simulated: &Simulated) -> Result<Vec<EvaluationResult>, Error> {
        let conditions =
            self.context.iter().fold(simulated.nobody.clone().unwrap_or_default(), |context, (name, values, many)| match (values.as_slice(), many) {
                ([one], false) => context.with(name, one),
                (values, _) => context.with_many(name, values.iter().map(String::as_str)),
            });
        let result = |(name, action): &(String, Action)| match &self.resources {
            Some(resources) => {
                let each = resources.iter().map(|resource| self.one(call, simulated, &conditions, action, resource));
                Ok(summed(name, template(action), each.collect::<Result<_, _>>()?))
            }
            None => Ok(alone(name, self.one(call, simulated, &conditions, action, "*")?)),
        };
        self.actions.iter().map(result).collect()
    }

    /// One action on one resource, decided by the engine.
    fn one(
        &self,
        call: &Call<'_>,
        simulated: &Simulated,
        conditions: &MapContext,
        action: &Action,
        resource: &str,
    ) -> Result<ResourceSpecificResult, Error> {
        let arn: Option<Arn> = resource.parse().ok();
        let region = arn.as_ref().and_then(|arn| arn.region().parse().ok()).unwrap_or_else(|| call.region().clone());
        let owner = arn.as_ref().and_then(|arn| arn.account()).unwrap_or(self.owner);
        let mut facts = CallFacts::new(region);
        facts.time = Some(call.now);
        let mut request = Request::new(action.clone(), &facts);
        request.verbatim = Some(conditions);
        let kind = match action {
            Action::Kms(_) => PolicyKind::Key,
            Action::Other { .. } if arn.as_ref().is_some_and(|arn| arn.service() == "iam") => PolicyKind::Trust,
            Action::Other { .. } => PolicyKind::Endpoint,
        };
        let policy = self.policy.as_deref().map(|text| document(kind, text).map(ResourcePolicy::unbound)).transpose()?;
        let pattern = format!("arn:{}:kms:{}:{owner}:*", facts.region.partition(), facts.region);
        let about_nothing = action.kms().is_some_and(|permission| permission.resource() == ResourceKind::None);
        let thing = |policy| match resource {
            // [A141] A call without resource is decided on the account's pattern.
            "*" if about_nothing => Resource::None { pattern: Cow::Borrowed(pattern.as_str()) },
            resource => Resource::Other { arn: resource, account: Some(owner), policy, tags: None },
        };
        let subject = &simulated.subject;
        let mut target = Target::new(thing(policy.as_ref()));
        let (mut decision, layers) = authorize_in_layers(subject, &target, &request);
        let same_account = subject.principal.account() == Some(owner);
        let missing_context_values = missing_keys(subject, &target, &request);
        if same_account && kind == PolicyKind::Endpoint && decision.refusal() == Some(Refusal::Silent) && policy.is_some() {
            // Only keys and roles are closed to identity policies that their own policy does not let in.
            target = Target::new(thing(None));
            decision = keyward_authz::authorize(subject, &target, &request);
        }
        let organizations = organizations(subject, &layers);
        let stopped = organizations.is_some_and(|detail| !detail.allowed_by_organizations);
        let across = policy.is_some() && !same_account;
        let details = if across { Some(details(&layers)) } else { arn.is_some().then(DecisionDetails::default) };
        Ok(ResourceSpecificResult {
            eval_resource_name: resource.to_owned(),
            eval_resource_decision: decided(&decision),
            matched_statements: matched(simulated, policy.as_ref(), &decision),
            missing_context_values,
            eval_decision_details: details.filter(|_| !stopped),
            permissions_boundary_decision_detail: layers
                .boundary
                .as_ref()
                .map(|boundary| PermissionsBoundaryDecisionDetail { allowed_by_permissions_boundary: said(boundary) == Decided::Allowed }),
            organizations,
        })
    }
}

/// A context entry: its values must be of its type.
fn entry(entry: ContextEntry) -> Result<(String, Vec<String>, bool), Error> {
    let wrong = |why: &str| invalid(&format!("Invalid Context Entry {}: {why}", entry.context_key_name));
    let (kind, many) = match entry.context_key_type.strip_suffix("List") {
        Some(kind) => (kind, true),
        None => (entry.context_key_type.as_str(), false),
    };
    let fits: fn(&str) -> bool = match kind {
        "string" => |_| true,
        "numeric" => |text| text.parse::<f64>().is_ok(),
        "boolean" => |text| matches!(text, "true" | "false"),
        "ip" => |text| text.split('/').next().is_some_and(|address| address.parse::<std::net::IpAddr>().is_ok()),
        "binary" => |text| BASE64.decode(text.as_bytes()).is_ok(),
        "date" => |text| text.parse::<Timestamp>().is_ok() || text.parse::<jiff::civil::Date>().is_ok() || text.parse::<i64>().is_ok(),
        _ => return Err(wrong("no such ContextKeyType")),
    };
    let values = entry.context_key_values.unwrap_or_default();
    if !many && values.len() != 1 {
        return Err(wrong("a key of this type has one value"));
    }
    match values.iter().find(|value| !fits(value)) {
        Some(value) => Err(invalid(&format!("Invalid Context Entry {}: `{value}` is no {kind}", entry.context_key_name))),
        None => Ok((entry.context_key_name, values, many)),
    }
}

/// The ARNs of what an action is about, as the service reference writes them.
fn template(action: &Action) -> &'static str {
    match action {
        Action::Kms(permission) => match permission.resource() {
            ResourceKind::Key => "arn:${Partition}:kms:${Region}:${Account}:key/${KeyId}",
            ResourceKind::AliasAndKey => "arn:${Partition}:kms:${Region}:${Account}:alias/${Alias}",
            ResourceKind::None => "*",
        },
        Action::Other { .. } => match action.to_string().as_str() {
            "sts:AssumeRole" | "sts:SetSourceIdentity" | "sts:TagSession" => "arn:${Partition}:iam::${Account}:role/${RoleNameWithPath}",
            _ => "*",
        },
    }
}

fn decided(decision: &Decision) -> Decided {
    match decision.refusal() {
        None => Decided::Allowed,
        Some(Refusal::Silent) => Decided::ImplicitDeny,
        Some(Refusal::Denied) => Decided::ExplicitDeny,
    }
}

fn said(verdict: &Verdict) -> Decided {
    match (verdict.denies.is_empty(), verdict.allows()) {
        (false, _) => Decided::ExplicitDeny,
        (true, true) => Decided::Allowed,
        (true, false) => Decided::ImplicitDeny,
    }
}

/// Said only of those who are in an organization, or of whom the request says what SCPs they are under.
fn organizations(subject: &Subject, layers: &Layers) -> Option<OrganizationsDecisionDetail> {
    let levels = layers.scp.as_ref();
    let allowed_by_organizations = levels.is_none_or(|levels| levels.iter().all(|level| said(level) == Decided::Allowed));
    (levels.is_some() || subject.organization.is_some()).then_some(OrganizationsDecisionDetail { allowed_by_organizations })
}

/// What each type of policy says across accounts (A310).
fn details(layers: &Layers) -> DecisionDetails {
    let resource = match (layers.resource.denies.is_empty(), layers.resource.admits()) {
        (false, _) => Decided::ExplicitDeny,
        (true, true) => Decided::Allowed,
        (true, false) => Decided::ImplicitDeny,
    };
    let both = [(IAM_POLICY, said(&layers.identity)), (RESOURCE_POLICY, resource)];
    let boundary = layers.boundary.as_ref().map(|boundary| (BOUNDARY_POLICY, said(boundary)));
    DecisionDetails { entry: both.into_iter().chain(boundary).map(|(key, value)| DecisionDetail { key, value }).collect() }
}

/// The deciding statements of identity policies and of the resource's own; those of others are not shown.
fn matched(simulated: &Simulated, policy: Option<&ResourcePolicy>, decision: &Decision) -> Vec<MatchedStatement> {
    let shown = |at: &StatementRef| {
        let (policy, id, kind) = match at.origin {
            Origin::Identity(which) => (&simulated.subject.identity.get(which)?.policy, simulated.ids.get(which)?.as_str(), IAM_POLICY),
            Origin::Resource => (&policy?.policy, "ResourcePolicy", RESOURCE_POLICY),
            Origin::Ram | Origin::Boundary | Origin::Session(_) | Origin::Scp(..) | Origin::Rcp(_) | Origin::Endpoint | Origin::Grant(_) => {
                return None;
            }
        };
        let (start_position, end_position) = positions(policy.text(), policy.statements().get(at.statement)?.span());
        Some(MatchedStatement { source_policy_id: id.to_owned(), source_policy_type: kind, start_position, end_position })
    };
    decision.statements().iter().filter_map(shown).collect()
}

/// From behind what stands before the statement (`[`, `,` or `:`) to behind its closing brace, counted from one: AWS's
/// reader is there when it begins and when it has ended.
fn positions(text: &str, span: Span) -> (Position, Position) {
    let before = |at: u32| text.get(..at as usize).unwrap_or_default();
    let position = |before: &str| Position {
        line: before.matches('\n').count() + 1,
        column: before.rsplit('\n').next().unwrap_or_default().chars().count() + 1,
    };
    (position(before(span.start).trim_end()), position(before(span.end)))
}

/// The result where no resource was named.
fn alone(name: &str, one: ResourceSpecificResult) -> EvaluationResult {
    EvaluationResult {
        eval_action_name: name.to_owned(),
        eval_resource_name: one.eval_resource_name,
        eval_decision: one.eval_resource_decision,
        matched_statements: one.matched_statements,
        missing_context_values: one.missing_context_values,
        organizations_decision_detail: one.organizations,
        permissions_boundary_decision_detail: one.permissions_boundary_decision_detail,
        eval_decision_details: one.eval_decision_details,
        resource_specific_results: Vec::new(),
    }
}

/// The results on several resources, the most restrictive of each kind on top.
fn summed(name: &str, template: &str, each: Vec<ResourceSpecificResult>) -> EvaluationResult {
    let mut statements: BTreeMap<String, MatchedStatement> = BTreeMap::new();
    let decision = each.iter().map(|one| one.eval_resource_decision).max().unwrap_or(Decided::ImplicitDeny);
    // Only what contributed to the decision that is reported.
    for statement in each.iter().filter(|one| one.eval_resource_decision == decision).flat_map(|one| &one.matched_statements) {
        let Position { line, column } = statement.start_position;
        statements.insert(format!("{} {line:08} {column:08}", statement.source_policy_id), statement.clone());
    }
    let mut missing: Vec<String> = Vec::new();
    for name in each.iter().flat_map(|one| &one.missing_context_values) {
        if !missing.contains(name) {
            missing.push(name.clone());
        }
    }
    let mut details: BTreeMap<&'static str, Decided> = BTreeMap::new();
    for detail in each.iter().filter_map(|one| one.eval_decision_details.as_ref()).flat_map(|details| &details.entry) {
        details.entry(detail.key).and_modify(|value| *value = detail.value.max(*value)).or_insert(detail.value);
    }
    let all = |allowed: fn(&ResourceSpecificResult) -> Option<bool>| {
        let said: Vec<bool> = each.iter().filter_map(allowed).collect();
        (!said.is_empty()).then(|| said.into_iter().all(|allowed| allowed))
    };
    let organizations = all(|one| one.organizations.map(|detail| detail.allowed_by_organizations));
    let boundary = all(|one| one.permissions_boundary_decision_detail.map(|detail| detail.allowed_by_permissions_boundary));
    EvaluationResult {
        eval_action_name: name.to_owned(),
        eval_resource_name: template.to_owned(),
        eval_decision: decision,
        matched_statements: statements.into_values().collect(),
        missing_context_values: missing,
        organizations_decision_detail: organizations.map(|allowed_by_organizations| OrganizationsDecisionDetail { allowed_by_organizations }),
        permissions_boundary_decision_detail: boundary
            .map(|allowed_by_permissions_boundary| PermissionsBoundaryDecisionDetail { allowed_by_permissions_boundary }),
        eval_decision_details: each
            .iter()
            .any(|one| one.eval_decision_details.is_some())
            .then(|| DecisionDetails { entry: details.into_iter().map(|(key, value)| DecisionDetail { key, value }).collect() }),
        resource_specific_results: each,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[(usize, usize, usize, usize)]) {
        let policy = Policy::parse_strict(PolicyKind::Identity, text).unwrap();
        let found: Vec<_> = policy.statements().iter().map(|statement| positions(text, statement.span())).collect();
        let found: Vec<_> = found.iter().map(|(from, to)| (from.line, from.column, to.line, to.column)).collect();
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn a_statement_is_placed_where_awss_reader_stands() {
        let one = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:ListBucket","Resource":"*"}]}"#;
        check(one, &[(1, 38, 1, 96)]);
        // As AdministratorAccess is printed.
        check(
            "{\n  \"Version\": \"2012-10-17\",\n  \"Statement\": [\n    {\n      \"Effect\": \"Allow\",\n      \"Action\": \"*\",\n      \"Resource\": \"*\"\n    }\n  ]\n}",
            &[(3, 17, 8, 6)],
        );
        let two = "{\"Statement\":[{\"Effect\":\"Allow\",\"Action\":\"*\",\"Resource\":\"*\"},\n {\"Effect\":\"Deny\",\"Action\":\"*\",\"Resource\":\"*\",\"Condition\":{\"StringEquals\":{\"k\":\"é\"}}}]}";
        check(two, &[(1, 15, 1, 61), (1, 62, 2, 86)]);
    }
}
