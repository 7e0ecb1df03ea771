//! SCPs and RCPs: what they may say, and where they hang (A109, A320–A324).

use std::sync::{Arc, LazyLock};

use keyward_policy::{ORGANIZATION_POLICY_CHARS_MAX, Policy, PolicyKind};
use serde::Serialize;

use super::tags::{pairs, requested};
use super::{About, Node, SERVICE, Tag, any, id, managed, named, new_id, node, node_arn, nodes, page_of, stored_policy};
use crate::call::{Call, Nothing, Outcome};
use crate::entities::{Change, Entity, EntityKey, Organization, OrganizationPolicy, OrganizationPolicyType};
use crate::error::{Error, OrganizationsCode, OrganizationsReason};
use crate::state::State;

/// Most policies of a type in an organization, and on one target.
const POLICIES_MAX: usize = 1000;
const ATTACHED_MAX: usize = 5;
/// Longest description, in characters.
const DESCRIPTION_CHARS_MAX: usize = 512;

/// The documents of AWS's own policies, as AWS prints them.
static FULL_ACCESS: LazyLock<[Policy; 2]> = LazyLock::new(|| {
    let scp = "{\n  \"Version\": \"2012-10-17\",\n  \"Statement\": [\n    {\n      \"Effect\": \"Allow\",\n      \"Action\": \"*\",\n      \"Resource\": \"*\"\n    }\n  ]\n}";
    let rcp = "{\n  \"Version\": \"2012-10-17\",\n  \"Statement\": [\n    {\n      \"Effect\": \"Allow\",\n      \"Principal\": \"*\",\n      \"Action\": \"*\",\n      \"Resource\": \"*\"\n    }\n  ]\n}";
    [Policy::parse(PolicyKind::Scp, scp), Policy::parse(PolicyKind::Rcp, rcp)]
});

/// AWS's own policy of a type: it allows everything.
pub(crate) fn full_access_document(policy_type: OrganizationPolicyType) -> &'static Policy {
    let [scp, rcp] = &*FULL_ACCESS;
    match policy_type {
        OrganizationPolicyType::ServiceControl => scp,
        OrganizationPolicyType::ResourceControl => rcp,
    }
}

fn full_access_type(id: &str) -> Option<OrganizationPolicyType> {
    OrganizationPolicyType::ALL.into_iter().find(|policy_type| policy_type.full_access() == id)
}

/// The ARN of a policy (A905).
pub(crate) fn policy_arn(organization: &Organization, policy_type: OrganizationPolicyType, id: &str) -> String {
    if policy_type.full_access() == id {
        return format!("arn:{}:organizations::aws:policy/{}/{id}", organization.partition, policy_type.segment());
    }
    organization.arn_of("policy", &format!("{}/{id}", policy_type.segment()))
}

/// Reads an SCP or RCP that somebody wants to save.
///
/// # Errors
/// When it is too large, or not what its type may say (A109).
pub(crate) fn checked_policy(policy_type: OrganizationPolicyType, text: &str) -> Result<Policy, Error> {
    // [A108] White space counts.
    if text.chars().count() > ORGANIZATION_POLICY_CHARS_MAX {
        return Err(OrganizationsReason::ContentLimit.into());
    }
    let malformed = |why: &str| {
        Error::MalformedPolicy(format!("The provided policy document does not meet the requirements of the specified policy type. {why}"))
    };
    let kind = match policy_type {
        OrganizationPolicyType::ServiceControl => PolicyKind::Scp,
        OrganizationPolicyType::ResourceControl => PolicyKind::Rcp,
    };
    Policy::parse_strict(kind, text).map_err(|issue| malformed(&issue.message))
}

/// A policy without its document.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct PolicySummary {
    pub id: String,
    pub arn: String,
    pub name: String,
    pub description: String,
    pub r#type: &'static str,
    pub aws_managed: bool,
}

/// A policy, whoever made it.
enum Found<'s> {
    Stored(&'s Arc<OrganizationPolicy>),
    Aws(OrganizationPolicyType),
}

impl Found<'_> {
    fn policy_type(&self) -> OrganizationPolicyType {
        match self {
            Self::Stored(policy) => policy.policy_type,
            Self::Aws(policy_type) => *policy_type,
        }
    }

    fn summary(&self, organization: &Organization) -> PolicySummary {
        let policy_type = self.policy_type();
        let (id, name, description) = match self {
            Self::Stored(policy) => (policy.id.clone(), policy.name.clone(), policy.description.clone()),
            Self::Aws(_) => {
                let id = policy_type.full_access();
                let description = match policy_type {
                    OrganizationPolicyType::ServiceControl => "Allows access to every operation",
                    OrganizationPolicyType::ResourceControl => "Allows access to every resource",
                };
                (id.to_owned(), id.trim_start_matches("p-").to_owned(), description.to_owned())
            }
        };
        let arn = policy_arn(organization, policy_type, &id);
        PolicySummary { id, arn, name, description, r#type: policy_type.name(), aws_managed: matches!(self, Self::Aws(_)) }
    }

    fn shape(&self, organization: &Organization) -> PolicyShape {
        let content = match self {
            Self::Stored(policy) => policy.policy.text(),
            Self::Aws(policy_type) => full_access_document(*policy_type).text(),
        };
        PolicyShape { policy_summary: self.summary(organization), content: content.to_owned() }
    }
}

/// A policy with its document.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct PolicyShape {
    pub policy_summary: PolicySummary,
    pub content: String,
}

/// An answer with a policy in it.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct PolicyOutput {
    pub policy: PolicyShape,
}

fn found<'s>(state: &'s State, organization: &Organization, id: &str) -> Option<Found<'s>> {
    full_access_type(id).map(Found::Aws).or_else(|| stored_policy(state, organization, id).map(Found::Stored))
}

/// The policy that a request names, whoever asks: what its ARN is must be known before the caller is permitted.
fn type_of(state: &State, id: &str) -> Option<OrganizationPolicyType> {
    full_access_type(id).or_else(|| state.organization_policy(id).map(|policy| policy.policy_type))
}

/// The management account, permitted on a policy.
fn permitted_on_policy(call: &mut Call<'_>, action: &str, id: &str) -> Result<Arc<Organization>, Error> {
    let policy_type = type_of(call.state, id);
    let about = About { policy_type, ..About::default() };
    // One that is not there is asked about as the SCP that it may have been.
    let policy_type = policy_type.unwrap_or(OrganizationPolicyType::ServiceControl);
    managed(call, action, &about, |organization| policy_arn(organization, policy_type, id))
}

fn described(text: &str) -> Result<(), Error> {
    if text.chars().count() > DESCRIPTION_CHARS_MAX { Err(OrganizationsReason::MaxLength.into()) } else { Ok(()) }
}

fn name_is_free(state: &State, organization: &Organization, policy_type: OrganizationPolicyType, name: &str, but: Option<&str>) -> Result<(), Error> {
    let mut own = state.organization_policies().filter(|policy| policy.organization == organization.id && policy.policy_type == policy_type);
    let taken =
        own.any(|policy| policy.name == name && Some(policy.id.as_str()) != but) || policy_type.full_access().trim_start_matches("p-") == name;
    if taken { Err(OrganizationsCode::DuplicatePolicy.into()) } else { Ok(()) }
}

operation! {
    CreatePolicy { content: String, description: String, name: String, r#type: String, tags: Option<Vec<Tag>> } makes -> PolicyOutput,
    |input, call| {
        named(&input.name)?;
        described(&input.description)?;
        let policy_type = super::policy_type(&input.r#type)?;
        let tags = requested(input.tags)?;
        let request_tags = pairs(&tags);
        let about = About { policy_type: Some(policy_type), request_tags: (!tags.is_empty()).then_some(&request_tags), tags: None };
        let organization = managed(call, "CreatePolicy", &about, any)?;
        let policy = checked_policy(policy_type, &input.content)?;
        name_is_free(call.state, &organization, policy_type, &input.name, None)?;
        let of_type = |policy: &&Arc<OrganizationPolicy>| policy.organization == organization.id && policy.policy_type == policy_type;
        if call.state.organization_policies().filter(of_type).count() >= POLICIES_MAX {
            return Err(OrganizationsReason::PolicyNumber.into());
        }
        let policy = Arc::new(OrganizationPolicy {
            id: new_id(call.env, "p-", 10)?,
            organization: organization.id.clone(),
            policy_type,
            name: input.name,
            description: input.description,
            policy,
            tags,
            created_at: call.now,
        });
        let output = PolicyOutput { policy: Found::Stored(&policy).shape(&organization) };
        Ok(Outcome::changed(output, vec![Change::Put(Entity::OrganizationPolicy(policy))]))
    }
}

operation! {
    DescribePolicy { policy_id: String } reads -> PolicyOutput,
    |input, call| {
        id::policy(&input.policy_id)?;
        let organization = permitted_on_policy(call, "DescribePolicy", &input.policy_id)?;
        let policy = found(call.state, &organization, &input.policy_id).ok_or(OrganizationsCode::PolicyNotFound)?;
        Ok(Outcome::unchanged(PolicyOutput { policy: policy.shape(&organization) }))
    }
}

/// A policy that the customer made, to change.
fn changeable(call: &Call<'_>, organization: &Organization, id: &str) -> Result<OrganizationPolicy, Error> {
    match found(call.state, organization, id).ok_or(OrganizationsCode::PolicyNotFound)? {
        Found::Stored(policy) => Ok(OrganizationPolicy::clone(policy)),
        Found::Aws(_) => Err(OrganizationsReason::Immutable.into()),
    }
}

operation! {
    UpdatePolicy { policy_id: String, name: Option<String>, description: Option<String>, content: Option<String> } makes -> PolicyOutput,
    |input, call| {
        id::policy(&input.policy_id)?;
        input.name.as_deref().map_or(Ok(()), named)?;
        input.description.as_deref().map_or(Ok(()), described)?;
        let organization = permitted_on_policy(call, "UpdatePolicy", &input.policy_id)?;
        let mut policy = changeable(call, &organization, &input.policy_id)?;
        if let Some(name) = input.name {
            name_is_free(call.state, &organization, policy.policy_type, &name, Some(&policy.id))?;
            policy.name = name;
        }
        policy.description = input.description.unwrap_or(policy.description);
        if let Some(content) = input.content {
            policy.policy = checked_policy(policy.policy_type, &content)?;
        }
        let policy = Arc::new(policy);
        let output = PolicyOutput { policy: Found::Stored(&policy).shape(&organization) };
        Ok(Outcome::changed(output, vec![Change::Put(Entity::OrganizationPolicy(policy))]))
    }
}

operation! {
    DeletePolicy { policy_id: String } changes -> Nothing,
    |input, call| {
        id::policy(&input.policy_id)?;
        let organization = permitted_on_policy(call, "DeletePolicy", &input.policy_id)?;
        let policy = changeable(call, &organization, &input.policy_id)?;
        if nodes(call.state, &organization).any(|node| node.attached().contains(&policy.id)) {
            return Err(OrganizationsCode::PolicyInUse.into());
        }
        Ok(Outcome::changed(Nothing {}, vec![Change::Delete(EntityKey::OrganizationPolicy(policy.id))]))
    }
}

/// A page of policies.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct ListPoliciesOutput {
    pub policies: Vec<PolicySummary>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_token: Option<String>,
}

operation! {
    ListPolicies { filter: String, max_results: Option<usize>, next_token: Option<String> } reads -> ListPoliciesOutput,
    |input, call| {
        let policy_type = super::policy_type(&input.filter)?;
        let organization = managed(call, "ListPolicies", &About { policy_type: Some(policy_type), ..About::default() }, any)?;
        let stored = call.state.organization_policies().filter(|policy| policy.organization == organization.id && policy.policy_type == policy_type);
        let all = stored.map(Found::Stored).chain([Found::Aws(policy_type)]).map(|policy| policy.summary(&organization));
        let list = format!("ListPolicies/{}", input.filter);
        let page = page_of(call, &list, input.max_results, input.next_token.as_deref(), all, |policy| policy.id.clone())?;
        Ok(Outcome::unchanged(ListPoliciesOutput { policies: page.items, next_token: page.next_marker }))
    }
}

/// Permitted on the policy and on its target, both of which exist.
fn policy_and_target<'h>(
    call: &mut Call<'h>,
    action: &str,
    policy_id: &str,
    target_id: &str,
) -> Result<(Arc<Organization>, Found<'h>, Node<'h>), Error> {
    id::policy(policy_id)?;
    id::target(target_id)?;
    let organization = permitted_on_policy(call, action, policy_id)?;
    let about = About { policy_type: type_of(call.state, policy_id), ..About::default() };
    managed(call, action, &about, |organization| node_arn(organization, target_id))?;
    let state = call.state;
    let policy = found(state, &organization, policy_id).ok_or(OrganizationsCode::PolicyNotFound)?;
    let target = node(state, &organization, target_id).ok_or(OrganizationsCode::TargetNotFound)?;
    Ok((organization, policy, target))
}

/// How many policies of a type hang on a node.
fn count_attached(state: &State, node: &Node<'_>, policy_type: OrganizationPolicyType) -> usize {
    node.attached().iter().filter(|id| type_of(state, id) == Some(policy_type)).count()
}

operation! {
    AttachPolicy { policy_id: String, target_id: String } changes -> Nothing,
    |input, call| {
        let (organization, policy, target) = policy_and_target(call, "AttachPolicy", &input.policy_id, &input.target_id)?;
        if !organization.policy_types.contains(&policy.policy_type()) {
            return Err(OrganizationsCode::PolicyTypeNotEnabled.into());
        }
        let mut attached = target.attached().clone();
        if attached.contains(&input.policy_id) {
            return Err(OrganizationsCode::DuplicatePolicyAttachment.into());
        }
        if count_attached(call.state, &target, policy.policy_type()) >= ATTACHED_MAX {
            return Err(OrganizationsReason::MaxAttached.into());
        }
        attached.insert(input.policy_id);
        Ok(Outcome::changed(Nothing {}, vec![target.with_attached(attached)]))
    }
}

operation! {
    DetachPolicy { policy_id: String, target_id: String } changes -> Nothing,
    |input, call| {
        let (_, policy, target) = policy_and_target(call, "DetachPolicy", &input.policy_id, &input.target_id)?;
        let mut attached = target.attached().clone();
        if !attached.remove(&input.policy_id) {
            return Err(OrganizationsCode::PolicyNotAttached.into());
        }
        match policy.policy_type() {
            // [A324] AWS's own RCP is always there.
            OrganizationPolicyType::ResourceControl if matches!(policy, Found::Aws(_)) => return Err(OrganizationsReason::NonDetachable.into()),
            // [A320] A level without an SCP would allow nothing.
            OrganizationPolicyType::ServiceControl if count_attached(call.state, &target, OrganizationPolicyType::ServiceControl) == 1 => {
                return Err(OrganizationsReason::MinAttached.into());
            }
            OrganizationPolicyType::ServiceControl | OrganizationPolicyType::ResourceControl => {}
        }
        Ok(Outcome::changed(Nothing {}, vec![target.with_attached(attached)]))
    }
}

operation! {
    ListPoliciesForTarget { target_id: String, filter: String, max_results: Option<usize>, next_token: Option<String> } reads -> ListPoliciesOutput,
    |input, call| {
        id::target(&input.target_id)?;
        let policy_type = super::policy_type(&input.filter)?;
        let about = About { policy_type: Some(policy_type), ..About::default() };
        let organization = managed(call, "ListPoliciesForTarget", &about, |organization| node_arn(organization, &input.target_id))?;
        let state = call.state;
        let target = node(state, &organization, &input.target_id).ok_or(OrganizationsCode::TargetNotFound)?;
        let attached = target.attached().iter().filter_map(|id| found(state, &organization, id)).filter(|policy| policy.policy_type() == policy_type);
        let attached = attached.map(|policy| policy.summary(&organization));
        let list = format!("ListPoliciesForTarget/{}/{}", input.target_id, input.filter);
        let page = page_of(call, &list, input.max_results, input.next_token.as_deref(), attached, |policy| policy.id.clone())?;
        Ok(Outcome::unchanged(ListPoliciesOutput { policies: page.items, next_token: page.next_marker }))
    }
}

/// What a policy is attached to.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct TargetShape {
    pub target_id: String,
    pub arn: String,
    pub name: String,
    pub r#type: &'static str,
}

/// A page of targets.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct ListTargetsForPolicyOutput {
    pub targets: Vec<TargetShape>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_token: Option<String>,
}

operation! {
    ListTargetsForPolicy { policy_id: String, max_results: Option<usize>, next_token: Option<String> } reads -> ListTargetsForPolicyOutput,
    |input, call| {
        id::policy(&input.policy_id)?;
        let organization = permitted_on_policy(call, "ListTargetsForPolicy", &input.policy_id)?;
        let state = call.state;
        found(state, &organization, &input.policy_id).ok_or(OrganizationsCode::PolicyNotFound)?;
        let targets = nodes(state, &organization).filter(|node| node.attached().contains(&input.policy_id)).map(|node| {
            let target_id = node.id();
            TargetShape { arn: node_arn(&organization, &target_id), name: node.name(state), r#type: node.kind(), target_id }
        });
        let list = format!("ListTargetsForPolicy/{}", input.policy_id);
        let page = page_of(call, &list, input.max_results, input.next_token.as_deref(), targets, |target| target.target_id.clone())?;
        Ok(Outcome::unchanged(ListTargetsForPolicyOutput { targets: page.items, next_token: page.next_marker }))
    }
}

operation! {
    DescribeEffectivePolicy { policy_type: String, target_id: Option<String> } reads -> Nothing,
    |input, call| {
        let target = match &input.target_id {
            Some(target) => { id::target(target)?; target.clone() }
            None => call.account()?.to_string(),
        };
        // SCPs and RCPs are not merged into one: AWS names no effective one of them. The types that are merged are not here.
        let error: Error = match super::policy_type(&input.policy_type) {
            Ok(_) | Err(Error::OrganizationsReason(_)) => return Err(OrganizationsReason::InvalidPolicyType.into()),
            Err(_) => OrganizationsCode::EffectivePolicyNotFound.into(),
        };
        super::permitted(call, "DescribeEffectivePolicy", &About::default(), |organization| node_arn(organization, &target))?;
        Err(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(policy_type: OrganizationPolicyType, statement: &str, expected: Result<(), &str>) {
        let text = format!(r#"{{"Version":"2012-10-17","Statement":[{statement}]}}"#);
        match (checked_policy(policy_type, &text), expected) {
            (Ok(_), Ok(())) => {}
            (Err(Error::MalformedPolicy(message)), Err(part)) => assert!(message.contains(part), "{message}"),
            (result, _) => panic!("{statement}: {result:?}"),
        }
    }

    #[test]
    fn an_rcp_denies_everyone_something_of_a_service() {
        use OrganizationPolicyType::{ResourceControl, ServiceControl};
        // [A109]
        check(ResourceControl, r#"{"Effect":"Deny","Principal":"*","Action":"kms:*","Resource":"*"}"#, Ok(()));
        check(ResourceControl, r#"{"Effect":"Allow","Principal":"*","Action":"kms:*","Resource":"*"}"#, Err("the effect Allow"));
        check(
            ResourceControl,
            r#"{"Effect":"Deny","Principal":{"AWS":"111122223333"},"Action":"kms:*","Resource":"*"}"#,
            Err("a principal other than *"),
        );
        check(ResourceControl, r#"{"Effect":"Deny","NotPrincipal":"*","Action":"kms:*","Resource":"*"}"#, Err("a principal other than *"));
        check(ResourceControl, r#"{"Effect":"Deny","Principal":"*","NotAction":"kms:*","Resource":"*"}"#, Err("NotAction"));
        check(ResourceControl, r#"{"Effect":"Deny","Principal":"*","Action":"*","Resource":"*"}"#, Err("names no service"));
        check(ResourceControl, r#"{"Effect":"Deny","Action":"kms:*","Resource":"*"}"#, Err("no principal"));
        check(ServiceControl, r#"{"Effect":"Deny","NotAction":"kms:*","Resource":"*"}"#, Ok(()));
        check(ServiceControl, r#"{"Effect":"Deny","Principal":"*","Action":"kms:*","Resource":"*"}"#, Err("with a principal"));
    }

    #[test]
    fn awss_own_policies_are_in_force() {
        for policy_type in OrganizationPolicyType::ALL {
            // [A109] Only AWS's own RCP allows; customers may not write it so.
            assert!(full_access_document(policy_type).statements().iter().all(|statement| !statement.is_inert()));
        }
    }
}
