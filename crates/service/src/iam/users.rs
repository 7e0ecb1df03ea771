//! Users.

use std::sync::Arc;

use keyward_authz::{Grant, GrantPrincipal, UniqueId};
use keyward_policy::{Arn, KeyName, Values};
use serde::Serialize;

use super::names::{USER_NAME_CHARS_MAX, name, path};
use super::{
    About, AttachedPermissionsBoundary, IsoSeconds, SERVICE, Tag, arn, may, no_such, page, pairs, refused, requested_tags, shown_tags, with_tags,
    without_tags,
};
use crate::call::{Call, Nothing, Outcome};
use crate::caller::Identity;
use crate::entities::{AccessKey, AccessKeyOwner, Change, Entity, EntityKey, Tags, User};
use crate::error::{Error, IamCode};
use crate::state::State;
use crate::tokens::new_id;

/// A user in an answer (K272).
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct UserShape {
    pub path: String,
    pub user_name: String,
    pub user_id: String,
    pub arn: String,
    pub create_date: IsoSeconds,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub permissions_boundary: Option<AttachedPermissionsBoundary>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<Tag>,
}

impl UserShape {
    /// As lists show it: without boundary and tags.
    pub(super) fn listed(user: &User) -> Self {
        Self {
            path: user.path.clone(),
            user_name: user.name.clone(),
            user_id: user.id.to_string(),
            arn: user.arn.to_string(),
            create_date: IsoSeconds(user.created_at),
            permissions_boundary: None,
            tags: Vec::new(),
        }
    }

    fn of(user: &User) -> Self {
        Self { permissions_boundary: AttachedPermissionsBoundary::of(user.boundary.as_ref()), tags: shown_tags(&user.tags), ..Self::listed(user) }
    }
}

/// An answer with a user in it.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct UserOutput {
    pub user: UserShape,
}

/// The user's ARN, whether or not there is one of that name.
pub(super) fn user_arn(call: &Call<'_>, name: &str) -> Result<String, Error> {
    match call.state.user(call.account()?, name) {
        Some(user) => Ok(user.arn.to_string()),
        None => arn(call, "user", "/", name),
    }
}

/// A user, for a caller with the permission.
pub(super) fn permitted_user(call: &mut Call<'_>, action: &str, name: &str, about: About<'_>) -> Result<Arc<User>, Error> {
    let account = call.account()?;
    let state = call.state;
    let user = state.user(account, name);
    let tags = user.map(|user| pairs(&user.tags));
    let arn = user_arn(call, name)?;
    let about = About { tags: about.tags.or(tags.as_ref()), ..about };
    may(call, action, &arn, about.bounded(action, user.and_then(|user| user.boundary.as_ref())))?;
    user.cloned().ok_or_else(|| no_such("user", name))
}

/// The user whom a request means when it names none: the caller (K264).
pub(super) fn named_or_caller(call: &Call<'_>, name: Option<String>) -> Result<String, Error> {
    match (name, &call.caller.identity) {
        (Some(name), _) => Ok(name),
        (None, Identity::User { name, .. }) => Ok(name.clone()),
        (None, _) => Err(Error::Validation("Must specify userName when calling with non-User credentials".to_owned())),
    }
}

pub(super) fn put(user: User) -> Vec<Change> {
    vec![Change::Put(Entity::User(Arc::new(user)))]
}

operation! {
    CreateUser { user_name: String, path: Option<String>, permissions_boundary: Option<String>, tags: Option<Vec<Tag>> } makes -> UserOutput,
    |input, call| {
        name(&input.user_name, "userName", USER_NAME_CHARS_MAX)?;
        let (account, path) = (call.account()?, path(input.path)?);
        let arn = arn(call, "user", &path, &input.user_name)?;
        let tags = requested_tags(input.tags)?;
        let request_tags = pairs(&tags);
        let boundary = Values::one_or_absent(input.permissions_boundary.as_deref());
        let request_tags = (!tags.is_empty()).then_some(&request_tags);
        may(call, "CreateUser", &arn, About { request_tags, parameters: vec![(KeyName::PermissionsBoundary, boundary)], ..About::default() })?;
        if call.state.user(account, &input.user_name).is_some() {
            return Err(refused(IamCode::EntityAlreadyExists, &format!("User with name {} already exists.", input.user_name)));
        }
        super::managed::must_exist(call, input.permissions_boundary.as_deref())?;
        let user = User {
            arn: arn.parse().map_err(|_| Error::Internal("a user ARN that is none"))?,
            account,
            name: input.user_name,
            path,
            id: UniqueId(new_id(call.env, "AIDA", 21)?.into()),
            created_at: call.now,
            tags,
            inline: Default::default(),
            attached: Vec::new(),
            boundary: input.permissions_boundary,
            groups: Default::default(),
            mfa: false,
        };
        Ok(Outcome::changed(UserOutput { user: UserShape::of(&user) }, put(user)))
    }
}

operation! {
    GetUser { user_name: Option<String> } reads -> UserOutput,
    |input, call| {
        // The root user asks about itself without a name.
        if let (None, Identity::Root { account }) = (&input.user_name, &call.caller.identity) {
            let created_at = call.state.account(*account).map_or(call.now, |account| account.created_at);
            let arn = format!("arn:{}:iam::{account}:root", call.state.partition(*account));
            let user = UserShape {
                path: "/".to_owned(),
                user_name: String::new(),
                user_id: account.to_string(),
                arn,
                create_date: IsoSeconds(created_at),
                permissions_boundary: None,
                tags: Vec::new(),
            };
            return Ok(Outcome::unchanged(UserOutput { user }));
        }
        let name = named_or_caller(call, input.user_name)?;
        let user = permitted_user(call, "GetUser", &name, About::default())?;
        Ok(Outcome::unchanged(UserOutput { user: UserShape::of(&user) }))
    }
}

operation! {
    UpdateUser { user_name: String, new_path: Option<String>, new_user_name: Option<String> } changes -> Nothing,
    |input, call| {
        let new_path = input.new_path.map(|given| path(Some(given))).transpose()?;
        if let Some(new_name) = &input.new_user_name {
            name(new_name, "newUserName", USER_NAME_CHARS_MAX)?;
        }
        let user = permitted_user(call, "UpdateUser", &input.user_name, About::default())?;
        let (name, path) = (input.new_user_name.unwrap_or_else(|| user.name.clone()), new_path.unwrap_or_else(|| user.path.clone()));
        // Whoever renames needs the permission on the new name too.
        let arn = arn(call, "user", &path, &name)?;
        may(call, "UpdateUser", &arn, About::default())?;
        if call.state.user(user.account, &name).is_some_and(|other| other.id != user.id) {
            return Err(refused(IamCode::EntityAlreadyExists, &format!("User with name {name} already exists.")));
        }
        let arn: Arn = arn.parse().map_err(|_| Error::Internal("a user ARN that is none"))?;
        let mut changes = renamed_keys(call.state, &user, &name);
        changes.extend(renamed_grants(call.state, &user.id, &arn));
        if !name.eq_ignore_ascii_case(&user.name) {
            changes.push(Change::Delete(EntityKey::User(user.account, user.name.clone())));
        }
        changes.extend(put(User { arn, name, path, ..User::clone(&user) }));
        Ok(Outcome::changed(Nothing {}, changes))
    }
}

/// A user's access keys, which name their owner.
fn renamed_keys(state: &State, user: &User, name: &str) -> Vec<Change> {
    let keys = super::access_keys::of_user(state, user);
    let owner = || AccessKeyOwner::User { account: user.account, name: name.to_owned() };
    keys.map(|key| Change::Put(Entity::AccessKey(Arc::new(AccessKey { owner: owner(), ..AccessKey::clone(key) })))).collect()
}

/// (A606) The grants that name somebody, who is called otherwise from now on.
fn renamed_grants(state: &State, id: &UniqueId, arn: &Arn) -> Vec<Change> {
    let names = |principal: &GrantPrincipal| matches!(principal, GrantPrincipal::Aws { bound: Some(bound), .. } if bound == id);
    let renamed = |principal: &GrantPrincipal| match principal {
        GrantPrincipal::Aws { bound, .. } if names(principal) => GrantPrincipal::Aws { arn: arn.clone(), bound: bound.clone() },
        other => other.clone(),
    };
    let grants = state.all_keys().flat_map(|key| state.grants(key.arn()));
    let concerned = grants.filter(|grant| names(&grant.terms.grantee) || grant.terms.retiring.as_ref().is_some_and(names));
    concerned
        .flat_map(|grant| {
            let mut changed = Grant::clone(grant);
            changed.terms.grantee = renamed(&grant.terms.grantee);
            changed.terms.retiring = grant.terms.retiring.as_ref().map(renamed);
            // Deleted first: it is found by its names.
            [Change::Delete(EntityKey::Grant(grant.key.clone(), grant.id.clone())), Change::Put(Entity::Grant(Arc::new(changed)))]
        })
        .collect()
}

operation! {
    DeleteUser { user_name: String } changes -> Nothing,
    |input, call| {
        let user = permitted_user(call, "DeleteUser", &input.user_name, About::default())?;
        let conflict = |what: &str| Err(refused(IamCode::DeleteConflict, &format!("Cannot delete entity, must {what} first."))); // [K273]
        if !user.attached.is_empty() {
            return conflict("detach all policies");
        }
        if !user.inline.is_empty() {
            return conflict("delete policies");
        }
        if super::access_keys::of_user(call.state, &user).next().is_some() {
            return conflict("delete access keys");
        }
        if !user.groups.is_empty() {
            return conflict("remove users from group");
        }
        Ok(Outcome::changed(Nothing {}, vec![Change::Delete(EntityKey::User(user.account, user.name.clone()))]))
    }
}

/// The answer to `ListUsers`.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct ListUsersOutput {
    pub users: Vec<UserShape>,
    pub is_truncated: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub marker: Option<String>,
}

operation! {
    ListUsers { path_prefix: Option<String>, marker: Option<String>, max_items: Option<usize> } reads -> ListUsersOutput,
    |input, call| {
        let prefix = input.path_prefix.unwrap_or_else(|| "/".to_owned());
        let arn = arn(call, "user", &prefix, "")?;
        may(call, "ListUsers", &arn, About::default())?;
        let users = call.state.users(call.account()?).filter(|user| user.path.starts_with(&prefix));
        let list = format!("ListUsers\n{prefix}");
        let page = page(call, &list, input.max_items, input.marker.as_deref(), users, |user| user.name.to_lowercase())?;
        let users = page.items.into_iter().map(|user| UserShape::listed(user)).collect();
        Ok(Outcome::unchanged(ListUsersOutput { users, is_truncated: page.next_marker.is_some(), marker: page.next_marker }))
    }
}

operation! {
    TagUser { user_name: String, tags: Vec<Tag> } changes -> Nothing,
    |input, call| {
        let tags = requested_tags(Some(input.tags))?;
        let request_tags = pairs(&tags);
        let user = permitted_user(call, "TagUser", &input.user_name, About { request_tags: Some(&request_tags), ..About::default() })?;
        let mut user = User::clone(&user);
        user.tags = with_tags(&user.tags, tags)?;
        Ok(Outcome::changed(Nothing {}, put(user)))
    }
}

operation! {
    UntagUser { user_name: String, tag_keys: Vec<String> } changes -> Nothing,
    |input, call| {
        let keys = Values::Many(input.tag_keys.iter().map(|key| key.as_str().into()).collect());
        let about = About { parameters: vec![(KeyName::TagKeys, keys)], ..About::default() };
        let user = permitted_user(call, "UntagUser", &input.user_name, about)?;
        let mut user = User::clone(&user);
        user.tags = without_tags(&user.tags, &input.tag_keys);
        Ok(Outcome::changed(Nothing {}, put(user)))
    }
}

/// The tags of a user or a role.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct ListTagsOutput {
    pub tags: Vec<Tag>,
    pub is_truncated: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub marker: Option<String>,
}

/// A page of tags, by key.
pub(super) fn tags_page(call: &Call<'_>, of: &Arn, tags: &Tags, max_items: Option<usize>, marker: Option<&str>) -> Result<ListTagsOutput, Error> {
    let page = page(call, &format!("Tags\n{of}"), max_items, marker, shown_tags(tags).into_iter(), |tag| tag.key.clone())?;
    Ok(ListTagsOutput { tags: page.items, is_truncated: page.next_marker.is_some(), marker: page.next_marker })
}

operation! {
    ListUserTags { user_name: String, marker: Option<String>, max_items: Option<usize> } reads -> ListTagsOutput,
    |input, call| {
        let user = permitted_user(call, "ListUserTags", &input.user_name, About::default())?;
        Ok(Outcome::unchanged(tags_page(call, &user.arn, &user.tags, input.max_items, input.marker.as_deref())?))
    }
}
