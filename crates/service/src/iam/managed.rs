//! Managed policies: the customer's, with versions, and AWS's own to read.

use std::sync::Arc;

use keyward_authz::UniqueId;
use keyward_policy::{AccountId, IAM_POLICY_CHARS_MAX, Partition, Policy, Values};
use serde::Serialize;

use super::names::{GROUP_NAME_CHARS_MAX, name, path, violation};
use super::{
    About, EncodedDocument, IsoSeconds, SERVICE, Tag, arn, counted, described, identity_policy, may, page, pairs, refused, requested_tags,
    shown_tags, with_tags, without_tags,
};
use crate::aws_managed::{self, AwsManagedPolicy};
use crate::call::{Call, Nothing, Outcome};
use crate::entities::{Change, Entity, EntityKey, Group, ManagedPolicy, PolicyVersion, Role, User};
use crate::error::{Error, IamCode};
use crate::state::State;
use crate::tokens::new_id;

/// Most versions of a managed policy (K271).
const VERSIONS_MAX: usize = 5;

/// A managed policy, whoever made it.
pub(crate) enum Managed<'s> {
    Customer(&'s Arc<ManagedPolicy>),
    Aws(&'static AwsManagedPolicy, Partition),
}

/// The managed policy of this ARN.
pub(super) fn managed<'s>(state: &'s State, arn: &str) -> Option<Managed<'s>> {
    state.managed_policy(arn).map(Managed::Customer).or_else(|| aws_managed::policy(arn).map(|(policy, partition)| Managed::Aws(policy, partition)))
}

/// The same, if this account can use it: its own, or AWS's of its partition. Policies of other accounts are nobody's business.
pub(crate) fn usable<'s>(state: &'s State, account: AccountId, arn: &str) -> Option<Managed<'s>> {
    managed(state, arn).filter(|policy| match policy {
        Managed::Customer(policy) => policy.account == account,
        Managed::Aws(_, partition) => *partition == state.partition(account),
    })
}

impl Managed<'_> {
    fn arn(&self) -> String {
        match self {
            Self::Customer(policy) => policy.arn.to_string(),
            Self::Aws(policy, partition) => policy.arn(*partition),
        }
    }

    pub(super) fn path(&self) -> &str {
        match self {
            Self::Customer(policy) => &policy.path,
            Self::Aws(policy, _) => policy.path(),
        }
    }

    /// Newest first.
    fn version_numbers(&self) -> Vec<u32> {
        match self {
            Self::Customer(policy) => policy.versions.iter().rev().map(|version| version.number).collect(),
            Self::Aws(..) => vec![1],
        }
    }

    /// The document of a version; AWS's own are at `v1` here.
    fn version(&self, id: &str) -> Option<(&Policy, IsoSeconds, bool)> {
        match self {
            Self::Customer(policy) => {
                let found = policy.versions.iter().find(|version| version_id(version.number) == id)?;
                Some((&found.policy, IsoSeconds(found.created_at), found.number == policy.default_version))
            }
            Self::Aws(policy, _) => (id == "v1").then(|| (policy.document(), IsoSeconds(jiff::Timestamp::UNIX_EPOCH), true)),
        }
    }
}

fn version_id(number: u32) -> String {
    format!("v{number}")
}

/// A boundary or an attachment must name a policy that this account can use.
pub(super) fn must_exist(call: &Call<'_>, arn: Option<&str>) -> Result<(), Error> {
    let Some(arn) = arn else { return Ok(()) };
    if usable(call.state, call.account()?, arn).is_some() { Ok(()) } else { Err(no_such_policy(arn)) }
}

fn no_such_policy(arn: &str) -> Error {
    refused(IamCode::NoSuchEntity, &format!("Policy {arn} does not exist or is not attachable.")) // [K267]
}

/// Who uses a policy, and as what.
struct Uses {
    attachments: usize,
    boundaries: usize,
}

/// As what a list shall look for a policy.
struct Usage {
    attachments: bool,
    boundaries: bool,
}

impl Usage {
    fn wanted(filter: Option<&str>) -> Result<Self, Error> {
        match filter {
            None => Ok(Self { attachments: true, boundaries: true }),
            Some("PermissionsPolicy") => Ok(Self { attachments: true, boundaries: false }),
            Some("PermissionsBoundary") => Ok(Self { attachments: false, boundaries: true }),
            Some(other) => Err(violation(other, "policyUsageFilter", "satisfy enum value set: [PermissionsPolicy, PermissionsBoundary]")),
        }
    }
}

fn uses(state: &State, account: AccountId, arn: &str) -> Uses {
    let attached = |list: &Vec<String>| usize::from(list.iter().any(|attached| attached == arn));
    let bounds = |boundary: &Option<String>| usize::from(boundary.as_deref() == Some(arn));
    let mut uses = Uses { attachments: 0, boundaries: 0 };
    for user in state.users(account) {
        uses.attachments += attached(&user.attached);
        uses.boundaries += bounds(&user.boundary);
    }
    for role in state.roles(account) {
        uses.attachments += attached(&role.attached);
        uses.boundaries += bounds(&role.boundary);
    }
    uses.attachments += state.groups(account).map(|group| attached(&group.attached)).sum::<usize>();
    uses
}

/// A managed policy in an answer (K272).
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct PolicyShape {
    pub policy_name: String,
    pub policy_id: String,
    pub arn: String,
    pub path: String,
    pub default_version_id: String,
    pub attachment_count: usize,
    pub permissions_boundary_usage_count: usize,
    pub is_attachable: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    pub create_date: IsoSeconds,
    pub update_date: IsoSeconds,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<Tag>,
}

impl PolicyShape {
    pub(super) fn of(state: &State, account: AccountId, policy: &Managed<'_>) -> Self {
        let arn = policy.arn();
        let uses = uses(state, account, &arn);
        match policy {
            Managed::Customer(policy) => Self {
                policy_name: policy.name.clone(),
                policy_id: policy.id.to_string(),
                arn,
                path: policy.path.clone(),
                default_version_id: version_id(policy.default_version),
                attachment_count: uses.attachments,
                permissions_boundary_usage_count: uses.boundaries,
                is_attachable: true,
                description: policy.description.clone(),
                create_date: IsoSeconds(policy.created_at),
                update_date: IsoSeconds(policy.updated_at),
                tags: shown_tags(&policy.tags),
            },
            Managed::Aws(policy, _) => Self {
                policy_name: policy.name().to_owned(),
                policy_id: policy.id(),
                arn,
                path: policy.path().to_owned(),
                default_version_id: version_id(1),
                attachment_count: uses.attachments,
                permissions_boundary_usage_count: uses.boundaries,
                is_attachable: true,
                description: None,
                create_date: IsoSeconds(jiff::Timestamp::UNIX_EPOCH),
                update_date: IsoSeconds(jiff::Timestamp::UNIX_EPOCH),
                tags: Vec::new(),
            },
        }
    }
}

/// An answer with a policy in it.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct PolicyOutput {
    pub policy: PolicyShape,
}

/// A managed policy, for a caller with the permission.
fn permitted<'h>(call: &mut Call<'h>, action: &str, arn: &str, about: About<'_>) -> Result<Managed<'h>, Error> {
    let state: &'h State = call.state;
    let own = call.account()?;
    may(call, action, arn, about)?;
    usable(state, own, arn).ok_or_else(|| refused(IamCode::NoSuchEntity, &format!("Policy {arn} was not found.")))
}

/// A policy of the caller's own account, to change.
fn changeable(call: &mut Call<'_>, action: &str, arn: &str, about: About<'_>) -> Result<ManagedPolicy, Error> {
    match permitted(call, action, arn, about)? {
        Managed::Customer(policy) => Ok(ManagedPolicy::clone(policy)),
        Managed::Aws(..) => Err(refused(IamCode::AccessDenied, &format!("Cannot change the AWS managed policy {arn}."))),
    }
}

fn put(policy: ManagedPolicy) -> Vec<Change> {
    vec![Change::Put(Entity::ManagedPolicy(Arc::new(policy)))]
}

fn document(text: &str) -> Result<Policy, Error> {
    if counted(text) > IAM_POLICY_CHARS_MAX {
        return Err(refused(IamCode::LimitExceeded, &format!("Cannot exceed quota for PolicySize: {IAM_POLICY_CHARS_MAX}")));
    }
    identity_policy(text)
}

operation! {
    CreatePolicy { policy_name: String, path: Option<String>, policy_document: String, description: Option<String>, tags: Option<Vec<Tag>> }
    makes -> PolicyOutput,
    |input, call| {
        name(&input.policy_name, "policyName", GROUP_NAME_CHARS_MAX)?;
        described(input.description.as_deref())?;
        let (account, path) = (call.account()?, path(input.path)?);
        let arn = arn(call, "policy", &path, &input.policy_name)?;
        let tags = requested_tags(input.tags)?;
        let request_tags = pairs(&tags);
        may(call, "CreatePolicy", &arn, About { request_tags: (!tags.is_empty()).then_some(&request_tags), ..About::default() })?;
        let policy = document(&input.policy_document)?;
        if call.state.managed_policies(account).any(|existing| existing.name.eq_ignore_ascii_case(&input.policy_name)) {
            let message = format!("A policy called {} already exists. Duplicate names are not allowed.", input.policy_name);
            return Err(refused(IamCode::EntityAlreadyExists, &message));
        }
        let policy = Arc::new(ManagedPolicy {
            arn: arn.parse().map_err(|_| Error::Internal("a policy ARN that is none"))?,
            account,
            name: input.policy_name,
            path,
            id: UniqueId(new_id(call.env, "ANPA", 21)?.into()),
            description: input.description,
            versions: vec![PolicyVersion { number: 1, policy, created_at: call.now }],
            default_version: 1,
            last_version: 1,
            created_at: call.now,
            updated_at: call.now,
            tags,
        });
        let output = PolicyOutput { policy: PolicyShape::of(call.state, account, &Managed::Customer(&policy)) };
        Ok(Outcome::changed(output, vec![Change::Put(Entity::ManagedPolicy(policy))]))
    }
}

operation! {
    GetPolicy { policy_arn: String } reads -> PolicyOutput,
    |input, call| {
        let policy = permitted(call, "GetPolicy", &input.policy_arn, About::default())?;
        Ok(Outcome::unchanged(PolicyOutput { policy: PolicyShape::of(call.state, call.account()?, &policy) }))
    }
}

operation! {
    DeletePolicy { policy_arn: String } changes -> Nothing,
    |input, call| {
        let policy = changeable(call, "DeletePolicy", &input.policy_arn, About::default())?;
        let uses = uses(call.state, policy.account, &input.policy_arn);
        if uses.attachments + uses.boundaries > 0 {
            return Err(refused(IamCode::DeleteConflict, "Cannot delete a policy attached to entities.")); // [K273]
        }
        if policy.versions.len() > 1 {
            return Err(refused(IamCode::DeleteConflict, "This policy has more than one version. Before you delete a policy, you must delete the policy's versions. The default version is deleted with the policy."));
        }
        Ok(Outcome::changed(Nothing {}, vec![Change::Delete(EntityKey::ManagedPolicy(input.policy_arn))]))
    }
}

/// The answer to `ListPolicies`.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct ListPoliciesOutput {
    pub policies: Vec<PolicyShape>,
    pub is_truncated: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub marker: Option<String>,
}

operation! {
    ListPolicies {
        scope: Option<String>, only_attached: Option<bool>, path_prefix: Option<String>, policy_usage_filter: Option<String>,
        marker: Option<String>, max_items: Option<usize>,
    } reads -> ListPoliciesOutput,
    |input, call| {
        let usage = Usage::wanted(input.policy_usage_filter.as_deref())?;
        let counts = |shape: &PolicyShape| {
            (usage.attachments && shape.attachment_count > 0) || (usage.boundaries && shape.permissions_boundary_usage_count > 0)
        };
        may(call, "ListPolicies", &arn(call, "policy", "/", "*")?, About::default())?;
        let (aws, local) = match input.scope.as_deref() {
            None | Some("All") => (true, true),
            Some("AWS") => (true, false),
            Some("Local") => (false, true),
            Some(other) => return Err(violation(other, "scope", "satisfy enum value set: [All, AWS, Local]")),
        };
        let (state, account) = (call.state, call.account()?);
        let partition = state.partition(account);
        let prefix = input.path_prefix.unwrap_or_else(|| "/".to_owned());
        let customers = state.managed_policies(account).filter(|_| local).map(Managed::Customer);
        let policies = customers.chain(aws_managed::policies().iter().filter(|_| aws).map(|policy| Managed::Aws(policy, partition)));
        let shapes = policies.map(|policy| PolicyShape::of(state, account, &policy)).filter(|shape| shape.path.starts_with(&prefix));
        let shapes = shapes.filter(|shape| input.only_attached != Some(true) || shape.attachment_count > 0);
        let shapes = shapes.filter(|shape| input.policy_usage_filter.is_none() || counts(shape));
        let list = format!("ListPolicies\n{:?}\n{:?}\n{:?}\n{prefix}", input.scope, input.only_attached, input.policy_usage_filter);
        let page = page(call, &list, input.max_items, input.marker.as_deref(), shapes, |shape| shape.arn.clone())?;
        // Lists leave tags out.
        let policies = page.items.into_iter().map(|shape| PolicyShape { tags: Vec::new(), description: None, ..shape }).collect();
        Ok(Outcome::unchanged(ListPoliciesOutput { policies, is_truncated: page.next_marker.is_some(), marker: page.next_marker }))
    }
}

/// A version in an answer (K272).
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct PolicyVersionShape {
    pub version_id: String,
    pub is_default_version: bool,
    pub create_date: IsoSeconds,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub document: Option<EncodedDocument>,
}

impl PolicyVersionShape {
    pub(super) fn of(policy: &Managed<'_>, id: &str) -> Option<Self> {
        let (document, create_date, is_default_version) = policy.version(id)?;
        Some(Self { version_id: id.to_owned(), is_default_version, create_date, document: Some(EncodedDocument::of(document.text())) })
    }

    pub(super) fn all(policy: &Managed<'_>) -> Vec<Self> {
        policy.version_numbers().into_iter().filter_map(|number| Self::of(policy, &version_id(number))).collect()
    }
}

/// An answer with a version in it.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct PolicyVersionOutput {
    pub policy_version: PolicyVersionShape,
}

fn no_such_version(arn: &str, id: &str) -> Error {
    refused(IamCode::NoSuchEntity, &format!("Policy {arn} version {id} does not exist or is not attachable."))
}

operation! {
    GetPolicyVersion { policy_arn: String, version_id: String } reads -> PolicyVersionOutput,
    |input, call| {
        let policy = permitted(call, "GetPolicyVersion", &input.policy_arn, About::default())?;
        let missing = || no_such_version(&input.policy_arn, &input.version_id);
        let policy_version = PolicyVersionShape::of(&policy, &input.version_id).ok_or_else(missing)?;
        Ok(Outcome::unchanged(PolicyVersionOutput { policy_version }))
    }
}

operation! {
    CreatePolicyVersion { policy_arn: String, policy_document: String, set_as_default: Option<bool> } makes -> PolicyVersionOutput,
    |input, call| {
        let mut policy = changeable(call, "CreatePolicyVersion", &input.policy_arn, About::default())?;
        let document = document(&input.policy_document)?;
        if policy.versions.len() >= VERSIONS_MAX {
            let message = format!("A managed policy can have up to {VERSIONS_MAX} versions. Before you create a new version, you must delete an existing version.");
            return Err(refused(IamCode::LimitExceeded, &message));
        }
        let number = policy.last_version + 1;
        policy.versions.push(PolicyVersion { number, policy: document, created_at: call.now });
        policy.last_version = number;
        policy.updated_at = call.now;
        let is_default_version = input.set_as_default == Some(true);
        if is_default_version {
            policy.default_version = number;
        }
        let policy_version = PolicyVersionShape { version_id: version_id(number), is_default_version, create_date: IsoSeconds(call.now), document: None };
        Ok(Outcome::changed(PolicyVersionOutput { policy_version }, put(policy)))
    }
}

/// The answer to `ListPolicyVersions`, newest first.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct ListPolicyVersionsOutput {
    pub versions: Vec<PolicyVersionShape>,
    pub is_truncated: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub marker: Option<String>,
}

operation! {
    ListPolicyVersions { policy_arn: String, marker: Option<String>, max_items: Option<usize> } reads -> ListPolicyVersionsOutput,
    |input, call| {
        let policy = permitted(call, "ListPolicyVersions", &input.policy_arn, About::default())?;
        let newest_first = |number: &u32| format!("{:010}", u32::MAX - number);
        let list = format!("ListPolicyVersions\n{}", input.policy_arn);
        let page = page(call, &list, input.max_items, input.marker.as_deref(), policy.version_numbers().into_iter(), newest_first)?;
        let shapes = page.items.into_iter().filter_map(|number| PolicyVersionShape::of(&policy, &version_id(number)));
        let versions = shapes.map(|version| PolicyVersionShape { document: None, ..version }).collect();
        Ok(Outcome::unchanged(ListPolicyVersionsOutput { versions, is_truncated: page.next_marker.is_some(), marker: page.next_marker }))
    }
}

operation! {
    DeletePolicyVersion { policy_arn: String, version_id: String } changes -> Nothing,
    |input, call| {
        let mut policy = changeable(call, "DeletePolicyVersion", &input.policy_arn, About::default())?;
        if version_id(policy.default_version) == input.version_id {
            return Err(refused(IamCode::DeleteConflict, "Cannot delete the default version of a policy."));
        }
        let before = policy.versions.len();
        policy.versions.retain(|version| version_id(version.number) != input.version_id);
        if policy.versions.len() == before {
            return Err(no_such_version(&input.policy_arn, &input.version_id));
        }
        Ok(Outcome::changed(Nothing {}, put(policy)))
    }
}

operation! {
    SetDefaultPolicyVersion { policy_arn: String, version_id: String } changes -> Nothing,
    |input, call| {
        let mut policy = changeable(call, "SetDefaultPolicyVersion", &input.policy_arn, About::default())?;
        let found = policy.versions.iter().find(|version| version_id(version.number) == input.version_id);
        policy.default_version = found.map(|version| version.number).ok_or_else(|| no_such_version(&input.policy_arn, &input.version_id))?;
        Ok(Outcome::changed(Nothing {}, put(policy)))
    }
}

operation! {
    TagPolicy { policy_arn: String, tags: Vec<Tag> } changes -> Nothing,
    |input, call| {
        let tags = requested_tags(Some(input.tags))?;
        let request_tags = pairs(&tags);
        let mut policy = changeable(call, "TagPolicy", &input.policy_arn, About { request_tags: Some(&request_tags), ..About::default() })?;
        policy.tags = with_tags(&policy.tags, tags)?;
        Ok(Outcome::changed(Nothing {}, put(policy)))
    }
}

operation! {
    UntagPolicy { policy_arn: String, tag_keys: Vec<String> } changes -> Nothing,
    |input, call| {
        let keys = Values::Many(input.tag_keys.iter().map(|key| key.as_str().into()).collect());
        let about = About { parameters: vec![(keyward_policy::KeyName::TagKeys, keys)], ..About::default() };
        let mut policy = changeable(call, "UntagPolicy", &input.policy_arn, about)?;
        policy.tags = without_tags(&policy.tags, &input.tag_keys);
        Ok(Outcome::changed(Nothing {}, put(policy)))
    }
}

/// Who has a policy attached.
#[derive(Default, Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct ListEntitiesForPolicyOutput {
    pub policy_groups: Vec<PolicyGroup>,
    pub policy_users: Vec<PolicyUser>,
    pub policy_roles: Vec<PolicyRole>,
    pub is_truncated: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub marker: Option<String>,
}

macro_rules! policy_entity {
    ($($shape:ident { $name:ident, $id:ident })*) => {
        $(
            /// Somebody who has a policy attached.
            #[derive(Serialize)]
            #[serde(rename_all = "PascalCase")]
            #[expect(missing_docs, reason = "the API's own members")]
            pub struct $shape {
                pub $name: String,
                pub $id: String,
            }
        )*
    };
}
policy_entity! { PolicyGroup { group_name, group_id } PolicyUser { user_name, user_id } PolicyRole { role_name, role_id } }

/// One who has a policy attached, or has it as boundary.
enum Holding<'s> {
    Group(&'s Group),
    User(&'s User),
    Role(&'s Role),
}

operation! {
    ListEntitiesForPolicy {
        policy_arn: String, entity_filter: Option<String>, path_prefix: Option<String>, policy_usage_filter: Option<String>,
        marker: Option<String>, max_items: Option<usize>,
    } reads -> ListEntitiesForPolicyOutput,
    |input, call| {
        let filter = input.entity_filter.as_deref().unwrap_or_default();
        if !["", "User", "Role", "Group", "LocalManagedPolicy", "AWSManagedPolicy"].contains(&filter) {
            let set = "[User, Role, Group, LocalManagedPolicy, AWSManagedPolicy]";
            return Err(violation(filter, "entityFilter", &format!("satisfy enum value set: {set}")));
        }
        let usage = Usage::wanted(input.policy_usage_filter.as_deref())?;
        permitted(call, "ListEntitiesForPolicy", &input.policy_arn, About::default())?;
        let (state, account) = (call.state, call.account()?);
        let has = |attached: &[String], boundary: Option<&String>| {
            (usage.attachments && attached.contains(&input.policy_arn)) || (usage.boundaries && boundary == Some(&input.policy_arn))
        };
        let wanted = |kind: &str, path: &str| {
            (filter.is_empty() || filter == kind) && input.path_prefix.as_deref().is_none_or(|prefix| path.starts_with(prefix))
        };
        let groups = state.groups(account).filter(|group| wanted("Group", &group.path) && has(&group.attached, None));
        let users = state.users(account).filter(|user| wanted("User", &user.path) && has(&user.attached, user.boundary.as_ref()));
        let roles = state.roles(account).filter(|role| wanted("Role", &role.path) && has(&role.attached, role.boundary.as_ref()));
        let groups = groups.map(|group| Holding::Group(group));
        let all = groups.chain(users.map(|user| Holding::User(user))).chain(roles.map(|role| Holding::Role(role)));
        let place = |holding: &Holding<'_>| match holding {
            Holding::Group(group) => format!("1/{}", group.arn),
            Holding::User(user) => format!("2/{}", user.arn),
            Holding::Role(role) => format!("3/{}", role.arn),
        };
        let (arn, prefix) = (&input.policy_arn, &input.path_prefix);
        let list = format!("ListEntitiesForPolicy\n{arn}\n{filter}\n{prefix:?}\n{:?}", input.policy_usage_filter);
        let page = page(call, &list, input.max_items, input.marker.as_deref(), all, place)?;
        let mut output = ListEntitiesForPolicyOutput { is_truncated: page.next_marker.is_some(), marker: page.next_marker, ..Default::default() };
        for holding in page.items {
            match holding {
                Holding::Group(group) => output.policy_groups.push(PolicyGroup { group_name: group.name.clone(), group_id: group.id.to_string() }),
                Holding::User(user) => output.policy_users.push(PolicyUser { user_name: user.name.clone(), user_id: user.id.to_string() }),
                Holding::Role(role) => output.policy_roles.push(PolicyRole { role_name: role.name.clone(), role_id: role.id.to_string() }),
            }
        }
        Ok(Outcome::unchanged(output))
    }
}
