//! The organization itself, its root, and the units below it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::Serialize;

use super::tags::{pairs, requested};
use super::{
    About, Node, PolicyTypeSummary, SERVICE, Tag, UNIT_DEPTH_MAX, UNITS_MAX, any, attached_to_new, id, managed, may, named, new_id, node, node_arn,
    nodes, page_of, parent, permitted,
};
use crate::call::{Nothing, Outcome};
use crate::entities::{Change, Entity, EntityKey, HandshakeState, JoinedMethod, Member, Organization, OrganizationPolicyType, OrganizationalUnit};
use crate::error::{Error, OrganizationsCode, OrganizationsReason};
use crate::placement::{path, way};
use crate::state::State;

/// An organization in an answer.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct OrganizationShape {
    pub id: String,
    pub arn: String,
    pub feature_set: &'static str,
    pub master_account_arn: String,
    pub master_account_id: String,
    pub master_account_email: String,
    pub available_policy_types: Vec<PolicyTypeSummary>,
}

impl OrganizationShape {
    fn of(state: &State, organization: &Organization) -> Self {
        let management = organization.management.to_string();
        Self {
            id: organization.id.clone(),
            arn: organization.arn(),
            feature_set: "ALL",
            master_account_arn: organization.arn_of("account", &management),
            master_account_id: management,
            master_account_email: state.account(organization.management).map(|account| account.email()).unwrap_or_default(),
            // Of the two AWS names only this one here; what is enabled is the root's to say.
            available_policy_types: vec![PolicyTypeSummary::enabled(OrganizationPolicyType::ServiceControl)],
        }
    }
}

/// An answer with the organization in it.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct OrganizationOutput {
    pub organization: OrganizationShape,
}

operation! {
    CreateOrganization { feature_set: Option<String> } makes -> OrganizationOutput,
    |input, call| {
        let account = call.account()?;
        may(call, "CreateOrganization", "*", account, &About::default())?;
        match input.feature_set.as_deref() {
            None | Some("ALL") => {}
            Some("CONSOLIDATED_BILLING") => return Err(Error::Unsupported(Some("Keyward's organizations have all features".to_owned()))),
            Some(_) => return Err(OrganizationsReason::InvalidEnum.into()),
        }
        if call.state.member(account).is_some() {
            return Err(OrganizationsCode::AlreadyInOrganization.into());
        }
        let organization = Organization {
            id: new_id(call.env, "o-", 10)?,
            management: account,
            partition: call.state.partition(account),
            root: new_id(call.env, "r-", 4)?,
            policy_types: BTreeSet::new(),
            attached: BTreeSet::new(),
            root_tags: Vec::new(),
            created_at: call.now,
        };
        let founder = Member {
            account,
            organization: organization.id.clone(),
            parent: organization.root.clone(),
            attached: BTreeSet::new(),
            tags: Vec::new(),
            joined: JoinedMethod::Invited,
            joined_at: call.now,
        };
        let output = OrganizationOutput { organization: OrganizationShape::of(call.state, &organization) };
        let changes = vec![Change::Put(Entity::Organization(Arc::new(organization))), Change::Put(Entity::Member(Arc::new(founder)))];
        Ok(Outcome::changed(output, changes))
    }
}

operation! {
    DescribeOrganization {} reads -> OrganizationOutput,
    |_input, call| {
        let organization = permitted(call, "DescribeOrganization", &About::default(), any)?;
        Ok(Outcome::unchanged(OrganizationOutput { organization: OrganizationShape::of(call.state, &organization) }))
    }
}

operation! {
    DeleteOrganization {} changes -> Nothing,
    |_input, call| {
        let organization = managed(call, "DeleteOrganization", &About::default(), any)?;
        let state = call.state;
        if nodes(state, &organization).any(|node| matches!(node, Node::Account(member) if member.account != organization.management)) {
            return Err(OrganizationsCode::OrganizationNotEmpty.into());
        }
        let units = state.units().filter(|unit| unit.organization == organization.id).map(|unit| EntityKey::OrganizationalUnit(unit.id.clone()));
        let policies = state.organization_policies().filter(|policy| policy.organization == organization.id);
        let policies = policies.map(|policy| EntityKey::OrganizationPolicy(policy.id.clone()));
        let itself = [EntityKey::Member(organization.management), EntityKey::Organization(organization.id.clone())];
        let open = state.handshakes().filter(|handshake| handshake.organization == organization.id && handshake.state == HandshakeState::Open);
        let canceled = open.map(|handshake| super::handshakes::ended(handshake, HandshakeState::Canceled));
        let changes = units.chain(policies).chain(itself).map(Change::Delete).chain(canceled).collect();
        Ok(Outcome::changed(Nothing {}, changes))
    }
}

/// A root in an answer.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct RootShape {
    pub id: String,
    pub arn: String,
    pub name: &'static str,
    pub policy_types: Vec<PolicyTypeSummary>,
}

impl RootShape {
    fn of(organization: &Organization) -> Self {
        Self {
            id: organization.root.clone(),
            arn: organization.arn_of("root", &organization.root),
            name: "Root",
            policy_types: organization.policy_types.iter().copied().map(PolicyTypeSummary::enabled).collect(),
        }
    }
}

/// A page of roots.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct ListRootsOutput {
    pub roots: Vec<RootShape>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_token: Option<String>,
}

operation! {
    ListRoots { max_results: Option<usize>, next_token: Option<String> } reads -> ListRootsOutput,
    |input, call| {
        let organization = managed(call, "ListRoots", &About::default(), any)?;
        let roots = std::iter::once(RootShape::of(&organization));
        let page = page_of(call, "ListRoots", input.max_results, input.next_token.as_deref(), roots, |root| root.id.clone())?;
        Ok(Outcome::unchanged(ListRootsOutput { roots: page.items, next_token: page.next_marker }))
    }
}

/// An answer with the root in it.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct RootOutput {
    pub root: RootShape,
}

operation! {
    EnablePolicyType { root_id: String, policy_type: String } makes -> RootOutput,
    |input, call| {
        id::root(&input.root_id)?;
        let policy_type = super::policy_type(&input.policy_type)?;
        let about = About { policy_type: Some(policy_type), ..About::default() };
        let organization = managed(call, "EnablePolicyType", &about, |organization| node_arn(organization, &input.root_id))?;
        if organization.root != input.root_id {
            return Err(OrganizationsCode::RootNotFound.into());
        }
        if organization.policy_types.contains(&policy_type) {
            return Err(OrganizationsCode::PolicyTypeAlreadyEnabled.into());
        }
        // AWS's own policy of the type is attached everywhere at first, so that nothing changes yet.
        let with_type = |organization: &mut Organization| { organization.policy_types.insert(policy_type); };
        let (root, changes) = edited(call.state, &organization, with_type, |attached| { attached.insert(policy_type.full_access().to_owned()); });
        Ok(Outcome::changed(RootOutput { root }, changes))
    }
}

operation! {
    DisablePolicyType { root_id: String, policy_type: String } makes -> RootOutput,
    |input, call| {
        id::root(&input.root_id)?;
        let policy_type = super::policy_type(&input.policy_type)?;
        let about = About { policy_type: Some(policy_type), ..About::default() };
        let organization = managed(call, "DisablePolicyType", &about, |organization| node_arn(organization, &input.root_id))?;
        if organization.root != input.root_id {
            return Err(OrganizationsCode::RootNotFound.into());
        }
        if !organization.policy_types.contains(&policy_type) {
            return Err(OrganizationsCode::PolicyTypeNotEnabled.into());
        }
        let state = call.state;
        let of_type = |id: &String| {
            id == policy_type.full_access() || state.organization_policy(id).is_some_and(|policy| policy.policy_type == policy_type)
        };
        let without_type = |organization: &mut Organization| { organization.policy_types.remove(&policy_type); };
        let (root, changes) = edited(state, &organization, without_type, |attached| attached.retain(|id| !of_type(id)));
        Ok(Outcome::changed(RootOutput { root }, changes))
    }
}

/// Changes the root, and what is attached to each node of the organization.
fn edited(
    state: &State,
    organization: &Organization,
    edit_root: impl FnOnce(&mut Organization),
    edit: impl Fn(&mut BTreeSet<String>),
) -> (RootShape, Vec<Change>) {
    let mut root = organization.clone();
    edit_root(&mut root);
    edit(&mut root.attached);
    let shape = RootShape::of(&root);
    let below = nodes(state, organization).filter(|node| !matches!(node, Node::Root(_))).map(|node| {
        let mut attached = node.attached().clone();
        edit(&mut attached);
        node.with_attached(attached)
    });
    let changes = below.chain([Change::Put(Entity::Organization(Arc::new(root)))]).collect();
    (shape, changes)
}

/// An organizational unit in an answer.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct OrganizationalUnitShape {
    pub id: String,
    pub arn: String,
    pub name: String,
    pub path: String,
}

impl OrganizationalUnitShape {
    fn of(state: &State, organization: &Organization, unit: &OrganizationalUnit) -> Self {
        Self {
            id: unit.id.clone(),
            arn: organization.arn_of("ou", &unit.id),
            name: unit.name.clone(),
            path: format!("{}{}/", path(organization, &way(state, organization, &unit.parent)), unit.id),
        }
    }
}

/// An answer with a unit in it.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct OrganizationalUnitOutput {
    pub organizational_unit: OrganizationalUnitShape,
}

fn name_is_free(state: &State, parent: &str, name: &str, but: Option<&str>) -> Result<(), Error> {
    let taken = state.units().any(|unit| unit.parent == parent && unit.name == name && Some(unit.id.as_str()) != but);
    if taken { Err(OrganizationsCode::DuplicateOrganizationalUnit.into()) } else { Ok(()) }
}

operation! {
    CreateOrganizationalUnit { parent_id: String, name: String, tags: Option<Vec<Tag>> } makes -> OrganizationalUnitOutput,
    |input, call| {
        id::parent(&input.parent_id)?;
        named(&input.name)?;
        let tags = requested(input.tags)?;
        let request_tags: BTreeMap<String, String> = pairs(&tags);
        let about = About { request_tags: (!tags.is_empty()).then_some(&request_tags), ..About::default() };
        let organization = managed(call, "CreateOrganizationalUnit", &about, |organization| node_arn(organization, &input.parent_id))?;
        let state = call.state;
        parent(state, &organization, &input.parent_id).ok_or(OrganizationsCode::ParentNotFound)?;
        name_is_free(state, &input.parent_id, &input.name, None)?;
        if way(state, &organization, &input.parent_id).len() > UNIT_DEPTH_MAX {
            return Err(OrganizationsReason::UnitDepth.into());
        }
        if state.units().filter(|unit| unit.organization == organization.id).count() >= UNITS_MAX {
            return Err(OrganizationsReason::UnitNumber.into());
        }
        let unit = OrganizationalUnit {
            id: new_id(call.env, &format!("ou-{}-", organization.root.trim_start_matches("r-")), 8)?,
            organization: organization.id.clone(),
            parent: input.parent_id,
            name: input.name,
            attached: attached_to_new(&organization),
            tags,
            created_at: call.now,
        };
        let output = OrganizationalUnitOutput { organizational_unit: OrganizationalUnitShape::of(state, &organization, &unit) };
        Ok(Outcome::changed(output, vec![Change::Put(Entity::OrganizationalUnit(Arc::new(unit)))]))
    }
}

operation! {
    DescribeOrganizationalUnit { organizational_unit_id: String } reads -> OrganizationalUnitOutput,
    |input, call| {
        id::unit(&input.organizational_unit_id)?;
        let arn = |organization: &Organization| node_arn(organization, &input.organizational_unit_id);
        let organization = managed(call, "DescribeOrganizationalUnit", &About::default(), arn)?;
        let unit = unit(call.state, &organization, &input.organizational_unit_id)?;
        Ok(Outcome::unchanged(OrganizationalUnitOutput { organizational_unit: OrganizationalUnitShape::of(call.state, &organization, unit) }))
    }
}

fn unit<'s>(state: &'s State, organization: &Organization, id: &str) -> Result<&'s Arc<OrganizationalUnit>, Error> {
    state.unit(id).filter(|unit| unit.organization == organization.id).ok_or(OrganizationsCode::OrganizationalUnitNotFound.into())
}

operation! {
    UpdateOrganizationalUnit { organizational_unit_id: String, name: Option<String> } makes -> OrganizationalUnitOutput,
    |input, call| {
        id::unit(&input.organizational_unit_id)?;
        input.name.as_deref().map_or(Ok(()), named)?;
        let arn = |organization: &Organization| node_arn(organization, &input.organizational_unit_id);
        let organization = managed(call, "UpdateOrganizationalUnit", &About::default(), arn)?;
        let mut unit = OrganizationalUnit::clone(unit(call.state, &organization, &input.organizational_unit_id)?);
        if let Some(name) = input.name {
            name_is_free(call.state, &unit.parent, &name, Some(&unit.id))?;
            unit.name = name;
        }
        let output = OrganizationalUnitOutput { organizational_unit: OrganizationalUnitShape::of(call.state, &organization, &unit) };
        Ok(Outcome::changed(output, vec![Change::Put(Entity::OrganizationalUnit(Arc::new(unit)))]))
    }
}

operation! {
    DeleteOrganizationalUnit { organizational_unit_id: String } changes -> Nothing,
    |input, call| {
        id::unit(&input.organizational_unit_id)?;
        let arn = |organization: &Organization| node_arn(organization, &input.organizational_unit_id);
        let organization = managed(call, "DeleteOrganizationalUnit", &About::default(), arn)?;
        let unit = unit(call.state, &organization, &input.organizational_unit_id)?;
        if children(call.state, &organization, &unit.id).next().is_some() {
            return Err(OrganizationsCode::OrganizationalUnitNotEmpty.into());
        }
        Ok(Outcome::changed(Nothing {}, vec![Change::Delete(EntityKey::OrganizationalUnit(unit.id.clone()))]))
    }
}

/// What is directly below a root or unit.
pub(super) fn children<'s>(state: &'s State, organization: &'s Organization, parent: &str) -> impl Iterator<Item = Node<'s>> {
    nodes(state, organization).filter(move |node| match node {
        Node::Root(_) => false,
        Node::Unit(unit) => unit.parent == parent,
        Node::Account(member) => member.parent == parent,
    })
}

/// A page of units.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct ListOrganizationalUnitsForParentOutput {
    pub organizational_units: Vec<OrganizationalUnitShape>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_token: Option<String>,
}

operation! {
    ListOrganizationalUnitsForParent { parent_id: String, max_results: Option<usize>, next_token: Option<String> }
    reads -> ListOrganizationalUnitsForParentOutput,
    |input, call| {
        id::parent(&input.parent_id)?;
        let arn = |organization: &Organization| node_arn(organization, &input.parent_id);
        let organization = managed(call, "ListOrganizationalUnitsForParent", &About::default(), arn)?;
        let state = call.state;
        parent(state, &organization, &input.parent_id).ok_or(OrganizationsCode::ParentNotFound)?;
        let units = children(state, &organization, &input.parent_id).filter_map(|node| match node {
            Node::Unit(unit) => Some(OrganizationalUnitShape::of(state, &organization, unit)),
            Node::Root(_) | Node::Account(_) => None,
        });
        let list = format!("ListOrganizationalUnitsForParent/{}", input.parent_id);
        let page = page_of(call, &list, input.max_results, input.next_token.as_deref(), units, |unit| unit.id.clone())?;
        Ok(Outcome::unchanged(ListOrganizationalUnitsForParentOutput { organizational_units: page.items, next_token: page.next_marker }))
    }
}

/// A child or parent in an answer.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct NodeShape {
    pub id: String,
    pub r#type: &'static str,
}

/// A page of children.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct ListChildrenOutput {
    pub children: Vec<NodeShape>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_token: Option<String>,
}

operation! {
    ListChildren { parent_id: String, child_type: String, max_results: Option<usize>, next_token: Option<String> } reads -> ListChildrenOutput,
    |input, call| {
        id::parent(&input.parent_id)?;
        if !matches!(input.child_type.as_str(), "ACCOUNT" | "ORGANIZATIONAL_UNIT") {
            return Err(OrganizationsReason::InvalidEnum.into());
        }
        let organization = managed(call, "ListChildren", &About::default(), |organization| node_arn(organization, &input.parent_id))?;
        parent(call.state, &organization, &input.parent_id).ok_or(OrganizationsCode::ParentNotFound)?;
        let shapes = children(call.state, &organization, &input.parent_id)
            .map(|node| NodeShape { id: node.id(), r#type: node.kind() })
            .filter(|child| child.r#type == input.child_type);
        let list = format!("ListChildren/{}/{}", input.parent_id, input.child_type);
        let page = page_of(call, &list, input.max_results, input.next_token.as_deref(), shapes, |child| child.id.clone())?;
        Ok(Outcome::unchanged(ListChildrenOutput { children: page.items, next_token: page.next_marker }))
    }
}

/// The one parent.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct ListParentsOutput {
    pub parents: Vec<NodeShape>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_token: Option<String>,
}

operation! {
    ListParents { child_id: String, max_results: Option<usize>, next_token: Option<String> } reads -> ListParentsOutput,
    |input, call| {
        id::child(&input.child_id)?;
        let organization = managed(call, "ListParents", &About::default(), |organization| node_arn(organization, &input.child_id))?;
        let child = node(call.state, &organization, &input.child_id);
        let id = match child {
            Some(Node::Unit(unit)) => unit.parent.clone(),
            Some(Node::Account(member)) => member.parent.clone(),
            Some(Node::Root(_)) | None => return Err(OrganizationsCode::ChildNotFound.into()),
        };
        let parents = parent(call.state, &organization, &id).into_iter().map(|node| NodeShape { id: node.id(), r#type: node.kind() });
        let list = format!("ListParents/{}", input.child_id);
        let page = page_of(call, &list, input.max_results, input.next_token.as_deref(), parents, |parent| parent.id.clone())?;
        Ok(Outcome::unchanged(ListParentsOutput { parents: page.items, next_token: page.next_marker }))
    }
}
