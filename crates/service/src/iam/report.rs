//! The whole account in one answer, as reviewers read it, and the account's aliases.

use serde::Serialize;

use super::managed::Managed;
use super::{
    About, AttachedPermissionsBoundary, AttachedPolicy, EncodedDocument, IsoSeconds, PolicyShape, PolicyVersionShape, SERVICE, Tag, may, page,
    shown_tags, violation,
};
use crate::aws_managed;
use crate::call::Outcome;
use crate::entities::{Group, InlinePolicies, Role, User};
use crate::principals::shown;
use crate::state::State;

/// An inline policy with its document.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct PolicyDetail {
    pub policy_name: String,
    pub policy_document: EncodedDocument,
}

fn details(inline: &InlinePolicies) -> Vec<PolicyDetail> {
    let detail = |(name, policy): (&String, &keyward_policy::Policy)| PolicyDetail {
        policy_name: name.clone(),
        policy_document: EncodedDocument::of(policy.text()),
    };
    inline.iter().map(detail).collect()
}

fn attached(arns: &[String]) -> Vec<AttachedPolicy> {
    arns.iter().map(|arn| AttachedPolicy::of(arn)).collect()
}

/// A user with everything that hangs on it.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct UserDetail {
    pub path: String,
    pub user_name: String,
    pub user_id: String,
    pub arn: String,
    pub create_date: IsoSeconds,
    pub user_policy_list: Vec<PolicyDetail>,
    pub group_list: Vec<String>,
    pub attached_managed_policies: Vec<AttachedPolicy>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub permissions_boundary: Option<AttachedPermissionsBoundary>,
    pub tags: Vec<Tag>,
}

impl UserDetail {
    fn of(user: &User) -> Self {
        Self {
            path: user.path.clone(),
            user_name: user.name.clone(),
            user_id: user.id.to_string(),
            arn: user.arn.to_string(),
            create_date: IsoSeconds(user.created_at),
            user_policy_list: details(&user.inline),
            group_list: user.groups.iter().cloned().collect(),
            attached_managed_policies: attached(&user.attached),
            permissions_boundary: AttachedPermissionsBoundary::of(user.boundary.as_ref()),
            tags: shown_tags(&user.tags),
        }
    }
}

/// A group with everything that hangs on it.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct GroupDetail {
    pub path: String,
    pub group_name: String,
    pub group_id: String,
    pub arn: String,
    pub create_date: IsoSeconds,
    pub group_policy_list: Vec<PolicyDetail>,
    pub attached_managed_policies: Vec<AttachedPolicy>,
}

impl GroupDetail {
    fn of(group: &Group) -> Self {
        Self {
            path: group.path.clone(),
            group_name: group.name.clone(),
            group_id: group.id.to_string(),
            arn: group.arn.to_string(),
            create_date: IsoSeconds(group.created_at),
            group_policy_list: details(&group.inline),
            attached_managed_policies: attached(&group.attached),
        }
    }
}

/// A role with everything that hangs on it.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct RoleDetail {
    pub path: String,
    pub role_name: String,
    pub role_id: String,
    pub arn: String,
    pub create_date: IsoSeconds,
    pub assume_role_policy_document: EncodedDocument,
    pub instance_profile_list: [(); 0],
    pub role_policy_list: Vec<PolicyDetail>,
    pub attached_managed_policies: Vec<AttachedPolicy>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub permissions_boundary: Option<AttachedPermissionsBoundary>,
    pub tags: Vec<Tag>,
}

impl RoleDetail {
    fn of(state: &State, role: &Role) -> Self {
        Self {
            path: role.path.clone(),
            role_name: role.name.clone(),
            role_id: role.id.to_string(),
            arn: role.arn.to_string(),
            create_date: IsoSeconds(role.created_at),
            assume_role_policy_document: EncodedDocument::of(&shown(state, &role.trust)),
            instance_profile_list: [],
            role_policy_list: details(&role.inline),
            attached_managed_policies: attached(&role.attached),
            permissions_boundary: AttachedPermissionsBoundary::of(role.boundary.as_ref()),
            tags: shown_tags(&role.tags),
        }
    }
}

/// A managed policy with its versions.
#[derive(Serialize)]
#[expect(missing_docs, reason = "the API's own members")]
pub struct ManagedPolicyDetail {
    #[serde(flatten)]
    pub policy: PolicyShape,
    #[serde(rename = "PolicyVersionList")]
    pub policy_version_list: Vec<PolicyVersionShape>,
}

/// The answer to `GetAccountAuthorizationDetails`.
#[derive(Default, Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct GetAccountAuthorizationDetailsOutput {
    pub user_detail_list: Vec<UserDetail>,
    pub group_detail_list: Vec<GroupDetail>,
    pub role_detail_list: Vec<RoleDetail>,
    pub policies: Vec<ManagedPolicyDetail>,
    pub is_truncated: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub marker: Option<String>,
}

/// What the report can be cut down to.
const FILTERS: [&str; 5] = ["User", "Role", "Group", "LocalManagedPolicy", "AWSManagedPolicy"];

/// One entry of the report, in the order in which pages show them.
enum Entry<'s> {
    User(&'s User),
    Group(&'s Group),
    Role(&'s Role),
    Policy(Managed<'s>, String),
}

impl Entry<'_> {
    fn filter_name(&self) -> &'static str {
        match self {
            Self::User(_) => "User",
            Self::Group(_) => "Group",
            Self::Role(_) => "Role",
            Self::Policy(Managed::Customer(_), _) => "LocalManagedPolicy",
            Self::Policy(Managed::Aws(..), _) => "AWSManagedPolicy",
        }
    }

    fn place(&self) -> String {
        match self {
            Self::User(user) => format!("1/{}", user.arn),
            Self::Group(group) => format!("2/{}", group.arn),
            Self::Role(role) => format!("3/{}", role.arn),
            Self::Policy(_, arn) => format!("4/{arn}"),
        }
    }
}

fn entries(state: &State, account: keyward_policy::AccountId) -> impl Iterator<Item = Entry<'_>> {
    let users = state.users(account).map(|user| Entry::User(user));
    let groups = state.groups(account).map(|group| Entry::Group(group));
    let roles = state.roles(account).map(|role| Entry::Role(role));
    let local = state.managed_policies(account).map(|policy| Entry::Policy(Managed::Customer(policy), policy.arn.to_string()));
    let partition = state.partition(account);
    // As AWS does, only those of its own policies that are in use.
    let aws = aws_managed::policies().iter().map(move |policy| (policy, policy.arn(partition))).filter(move |(_, arn)| is_used(state, account, arn));
    users.chain(groups).chain(roles).chain(local).chain(aws.map(move |(policy, arn)| Entry::Policy(Managed::Aws(policy, partition), arn)))
}

fn is_used(state: &State, account: keyward_policy::AccountId, arn: &str) -> bool {
    let has = |attached: &[String], boundary: Option<&String>| attached.iter().chain(boundary).any(|used| used == arn);
    state.users(account).any(|user| has(&user.attached, user.boundary.as_ref()))
        || state.roles(account).any(|role| has(&role.attached, role.boundary.as_ref()))
        || state.groups(account).any(|group| has(&group.attached, None))
}

operation! {
    GetAccountAuthorizationDetails { filter: Option<Vec<String>>, marker: Option<String>, max_items: Option<usize> }
    reads -> GetAccountAuthorizationDetailsOutput,
    |input, call| {
        let unknown = input.filter.iter().flatten().find(|name| !FILTERS.contains(&name.as_str()));
        if unknown.is_some() {
            let asked = input.filter.as_deref().unwrap_or_default().join(", ");
            let must = format!("satisfy constraint: [Member must satisfy enum value set: [{}]]", FILTERS.join(", "));
            return Err(violation(&format!("[{asked}]"), "filter", &must)); // [K22]
        }
        may(call, "GetAccountAuthorizationDetails", "*", About::default())?;
        let (state, account) = (call.state, call.account()?);
        let wanted = |entry: &Entry<'_>| input.filter.as_ref().is_none_or(|names| names.iter().any(|name| name == entry.filter_name()));
        let list = format!("GetAccountAuthorizationDetails\n{:?}", input.filter);
        let entries = entries(state, account).filter(wanted);
        let page = page(call, &list, input.max_items, input.marker.as_deref(), entries, Entry::place)?;
        let mut output = GetAccountAuthorizationDetailsOutput { is_truncated: page.next_marker.is_some(), ..Default::default() };
        output.marker = page.next_marker;
        for entry in page.items {
            match entry {
                Entry::User(user) => output.user_detail_list.push(UserDetail::of(user)),
                Entry::Group(group) => output.group_detail_list.push(GroupDetail::of(group)),
                Entry::Role(role) => output.role_detail_list.push(RoleDetail::of(state, role)),
                Entry::Policy(policy, _) => output.policies.push(ManagedPolicyDetail {
                    policy_version_list: PolicyVersionShape::all(&policy),
                    policy: PolicyShape::of(state, account, &policy),
                }),
            }
        }
        Ok(Outcome::unchanged(output))
    }
}

/// The answer to `ListAccountAliases`: accounts have none here.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct ListAccountAliasesOutput {
    pub account_aliases: [String; 0],
    pub is_truncated: bool,
}

operation! {
    ListAccountAliases { marker: Option<String>, max_items: Option<usize> } reads -> ListAccountAliasesOutput,
    |input, call| {
        may(call, "ListAccountAliases", "*", About::default())?;
        page(call, "ListAccountAliases", input.max_items, input.marker.as_deref(), std::iter::empty::<()>(), |()| String::new())?;
        Ok(Outcome::unchanged(ListAccountAliasesOutput { account_aliases: [], is_truncated: false }))
    }
}
