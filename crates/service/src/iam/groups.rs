//! Groups and who is in them.

use std::sync::Arc;

use keyward_authz::UniqueId;
use serde::Serialize;

use super::names::{GROUP_NAME_CHARS_MAX, name, path};
use super::users::{permitted_user, put as put_user};
use super::{About, IsoSeconds, SERVICE, UserShape, arn, may, no_such, page, refused};
use crate::call::{Call, Nothing, Outcome};
use crate::entities::{Change, Entity, EntityKey, Group, User};
use crate::error::{Error, IamCode};
use crate::tokens::new_id;

/// Most groups of a user (K271).
const GROUPS_PER_USER_MAX: usize = 10;

/// A group in an answer.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct GroupShape {
    pub path: String,
    pub group_name: String,
    pub group_id: String,
    pub arn: String,
    pub create_date: IsoSeconds,
}

impl GroupShape {
    fn of(group: &Group) -> Self {
        Self {
            path: group.path.clone(),
            group_name: group.name.clone(),
            group_id: group.id.to_string(),
            arn: group.arn.to_string(),
            create_date: IsoSeconds(group.created_at),
        }
    }
}

/// An answer with a group in it.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct GroupOutput {
    pub group: GroupShape,
}

/// A group, for a caller with the permission.
pub(super) fn permitted_group(call: &mut Call<'_>, action: &str, name: &str, about: About<'_>) -> Result<Arc<Group>, Error> {
    let group = call.state.group(call.account()?, name);
    let arn = group.map_or_else(|| arn(call, "group", "/", name), |group| Ok(group.arn.to_string()))?;
    may(call, action, &arn, about)?;
    group.cloned().ok_or_else(|| no_such("group", name))
}

operation! {
    CreateGroup { group_name: String, path: Option<String> } makes -> GroupOutput,
    |input, call| {
        name(&input.group_name, "groupName", GROUP_NAME_CHARS_MAX)?;
        let (account, path) = (call.account()?, path(input.path)?);
        let arn = arn(call, "group", &path, &input.group_name)?;
        may(call, "CreateGroup", &arn, About::default())?;
        if call.state.group(account, &input.group_name).is_some() {
            return Err(refused(IamCode::EntityAlreadyExists, &format!("Group with name {} already exists.", input.group_name)));
        }
        let group = Group {
            arn: arn.parse().map_err(|_| Error::Internal("a group ARN that is none"))?,
            account,
            name: input.group_name,
            path,
            id: UniqueId(new_id(call.env, "AGPA", 21)?.into()),
            created_at: call.now,
            inline: Default::default(),
            attached: Vec::new(),
        };
        let output = GroupOutput { group: GroupShape::of(&group) };
        Ok(Outcome::changed(output, vec![Change::Put(Entity::Group(Arc::new(group)))]))
    }
}

fn members<'s>(call: &Call<'s>, group: &'s Group) -> impl Iterator<Item = &'s Arc<User>> {
    call.state.users(group.account).filter(|user| user.groups.contains(&group.name))
}

/// The answer to `GetGroup`: the group and who is in it.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct GetGroupOutput {
    pub group: GroupShape,
    pub users: Vec<UserShape>,
    pub is_truncated: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub marker: Option<String>,
}

operation! {
    GetGroup { group_name: String, marker: Option<String>, max_items: Option<usize> } reads -> GetGroupOutput,
    |input, call| {
        let group = permitted_group(call, "GetGroup", &input.group_name, About::default())?;
        let users = call.state.users(group.account).filter(|user| user.groups.contains(&group.name));
        let list = format!("GetGroup\n{}", group.arn);
        let page = page(call, &list, input.max_items, input.marker.as_deref(), users, |user| user.name.to_lowercase())?;
        let users = page.items.into_iter().map(|user| UserShape::listed(user)).collect();
        let output = GetGroupOutput { group: GroupShape::of(&group), users, is_truncated: page.next_marker.is_some(), marker: page.next_marker };
        Ok(Outcome::unchanged(output))
    }
}

operation! {
    DeleteGroup { group_name: String } changes -> Nothing,
    |input, call| {
        let group = permitted_group(call, "DeleteGroup", &input.group_name, About::default())?;
        let conflict = |what: &str| Err(refused(IamCode::DeleteConflict, &format!("Cannot delete entity, must {what} first."))); // [K273]
        if members(call, &group).next().is_some() {
            return conflict("remove users from group");
        }
        if !group.attached.is_empty() {
            return conflict("detach all policies");
        }
        if !group.inline.is_empty() {
            return conflict("delete policies");
        }
        Ok(Outcome::changed(Nothing {}, vec![Change::Delete(EntityKey::Group(group.account, group.name.clone()))]))
    }
}

/// A list of groups.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct ListGroupsOutput {
    pub groups: Vec<GroupShape>,
    pub is_truncated: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub marker: Option<String>,
}

operation! {
    ListGroups { path_prefix: Option<String>, marker: Option<String>, max_items: Option<usize> } reads -> ListGroupsOutput,
    |input, call| {
        let prefix = input.path_prefix.unwrap_or_else(|| "/".to_owned());
        let arn = arn(call, "group", &prefix, "")?;
        may(call, "ListGroups", &arn, About::default())?;
        let groups = call.state.groups(call.account()?).filter(|group| group.path.starts_with(&prefix));
        let list = format!("ListGroups\n{prefix}");
        let page = page(call, &list, input.max_items, input.marker.as_deref(), groups, |group| group.name.to_lowercase())?;
        let groups = page.items.into_iter().map(|group| GroupShape::of(group)).collect();
        Ok(Outcome::unchanged(ListGroupsOutput { groups, is_truncated: page.next_marker.is_some(), marker: page.next_marker }))
    }
}

operation! {
    ListGroupsForUser { user_name: String, marker: Option<String>, max_items: Option<usize> } reads -> ListGroupsOutput,
    |input, call| {
        let user = permitted_user(call, "ListGroupsForUser", &input.user_name, About::default())?;
        let groups = user.groups.iter().filter_map(|name| call.state.group(user.account, name));
        let list = format!("ListGroupsForUser\n{}", user.arn);
        let page = page(call, &list, input.max_items, input.marker.as_deref(), groups, |group| group.name.to_lowercase())?;
        let groups = page.items.into_iter().map(|group| GroupShape::of(group)).collect();
        Ok(Outcome::unchanged(ListGroupsOutput { groups, is_truncated: page.next_marker.is_some(), marker: page.next_marker }))
    }
}

/// The user whose membership shall change, for a caller who may change the group.
fn member(call: &mut Call<'_>, action: &str, group: &str, user: &str) -> Result<(Arc<Group>, User), Error> {
    let group = permitted_group(call, action, group, About::default())?;
    let user = call.state.user(group.account, user).ok_or_else(|| no_such("user", user))?;
    Ok((group, User::clone(user)))
}

operation! {
    AddUserToGroup { group_name: String, user_name: String } changes -> Nothing,
    |input, call| {
        let (group, mut user) = member(call, "AddUserToGroup", &input.group_name, &input.user_name)?;
        user.groups.insert(group.name.clone());
        if user.groups.len() > GROUPS_PER_USER_MAX {
            return Err(refused(IamCode::LimitExceeded, &format!("Cannot exceed quota for GroupsPerUser: {GROUPS_PER_USER_MAX}")));
        }
        Ok(Outcome::changed(Nothing {}, put_user(user)))
    }
}

operation! {
    RemoveUserFromGroup { group_name: String, user_name: String } changes -> Nothing,
    |input, call| {
        let (group, mut user) = member(call, "RemoveUserFromGroup", &input.group_name, &input.user_name)?;
        if !user.groups.remove(&group.name) {
            return Err(refused(IamCode::NoSuchEntity, &format!("User {} not in group {}", user.name, group.name)));
        }
        Ok(Outcome::changed(Nothing {}, put_user(user)))
    }
}
