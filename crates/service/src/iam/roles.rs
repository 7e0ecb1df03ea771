//! Roles and their trust policies.

use std::sync::Arc;

use keyward_authz::UniqueId;
use keyward_policy::{KeyName, Values};
use serde::Serialize;

use super::names::{USER_NAME_CHARS_MAX, name, path, violation};
use super::users::tags_page;
use super::{
    About, AttachedPermissionsBoundary, EncodedDocument, IsoSeconds, ListTagsOutput, SERVICE, Tag, arn, described, may, no_such, page, pairs,
    refused, requested_tags, shown_tags, trust_policy, with_tags, without_tags,
};
use crate::call::{Call, Nothing, Outcome};
use crate::entities::{Change, Entity, EntityKey, Role};
use crate::error::{Error, IamCode};
use crate::principals::shown;
use crate::state::State;
use crate::tokens::new_id;

/// How long a role's sessions may last, in seconds: shortest, and longest maximum (K271).
const SESSION_S_MIN: u32 = 3600;
const SESSION_S_MAX: u32 = 43_200;

/// A role in an answer (K272).
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct RoleShape {
    pub path: String,
    pub role_name: String,
    pub role_id: String,
    pub arn: String,
    pub create_date: IsoSeconds,
    pub assume_role_policy_document: EncodedDocument,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    pub max_session_duration: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub permissions_boundary: Option<AttachedPermissionsBoundary>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<Tag>,
}

impl RoleShape {
    fn listed(state: &State, role: &Role) -> Self {
        Self {
            path: role.path.clone(),
            role_name: role.name.clone(),
            role_id: role.id.to_string(),
            arn: role.arn.to_string(),
            create_date: IsoSeconds(role.created_at),
            assume_role_policy_document: EncodedDocument::of(&shown(state, &role.trust)),
            description: role.description.clone(),
            max_session_duration: role.session_s_max,
            permissions_boundary: None,
            tags: Vec::new(),
        }
    }

    pub(super) fn of(state: &State, role: &Role) -> Self {
        Self {
            permissions_boundary: AttachedPermissionsBoundary::of(role.boundary.as_ref()),
            tags: shown_tags(&role.tags),
            ..Self::listed(state, role)
        }
    }
}

/// An answer with a role in it.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct RoleOutput {
    pub role: RoleShape,
}

/// A role, for a caller with the permission.
pub(super) fn permitted_role(call: &mut Call<'_>, action: &str, name: &str, about: About<'_>) -> Result<Arc<Role>, Error> {
    let state = call.state;
    let role = state.role(call.account()?, name);
    let tags = role.map(|role| pairs(&role.tags));
    let arn = role.map_or_else(|| arn(call, "role", "/", name), |role| Ok(role.arn.to_string()))?;
    let about = About { tags: about.tags.or(tags.as_ref()), ..about };
    may(call, action, &arn, about.bounded(action, role.and_then(|role| role.boundary.as_ref())))?;
    role.cloned().ok_or_else(|| no_such("role", name))
}

/// A role to change: service-linked ones are changed by their service only.
fn changeable(call: &mut Call<'_>, action: &str, name: &str, about: About<'_>) -> Result<Role, Error> {
    let role = permitted_role(call, action, name, about)?;
    unprotected(&role)?;
    Ok(Role::clone(&role))
}

pub(super) fn unprotected(role: &Role) -> Result<(), Error> {
    match &role.service_linked {
        Some(service) => {
            let message = format!("Cannot perform the operation on the protected role '{}' - this role is only modifiable by {service}", role.name);
            Err(refused(IamCode::UnmodifiableEntity, &message))
        }
        None => Ok(()),
    }
}

fn session_length(seconds: Option<u32>) -> Result<u32, Error> {
    match seconds.unwrap_or(SESSION_S_MIN) {
        seconds if seconds < SESSION_S_MIN => Err(violation(&seconds.to_string(), "maxSessionDuration", "have value greater than or equal to 3600")),
        seconds if seconds > SESSION_S_MAX => Err(violation(&seconds.to_string(), "maxSessionDuration", "have value less than or equal to 43200")),
        seconds => Ok(seconds),
    }
}

fn put(role: Role) -> Vec<Change> {
    vec![Change::Put(Entity::Role(Arc::new(role)))]
}

operation! {
    CreateRole {
        role_name: String, path: Option<String>, assume_role_policy_document: String, description: Option<String>,
        max_session_duration: Option<u32>, permissions_boundary: Option<String>, tags: Option<Vec<Tag>>,
    } makes -> RoleOutput,
    |input, call| {
        name(&input.role_name, "roleName", USER_NAME_CHARS_MAX)?;
        described(input.description.as_deref())?;
        let (account, path) = (call.account()?, path(input.path)?);
        let session_s_max = session_length(input.max_session_duration)?;
        let arn = arn(call, "role", &path, &input.role_name)?;
        let tags = requested_tags(input.tags)?;
        let request_tags = pairs(&tags);
        let boundary = Values::one_or_absent(input.permissions_boundary.as_deref());
        let request_tags = (!tags.is_empty()).then_some(&request_tags);
        may(call, "CreateRole", &arn, About { request_tags, parameters: vec![(KeyName::PermissionsBoundary, boundary)], ..About::default() })?;
        if path.starts_with("/aws-service-role/") {
            return Err(refused(IamCode::InvalidInput, "The path /aws-service-role/ is reserved for service-linked roles."));
        }
        if call.state.role(account, &input.role_name).is_some() {
            return Err(refused(IamCode::EntityAlreadyExists, &format!("Role with name {} already exists.", input.role_name)));
        }
        super::managed::must_exist(call, input.permissions_boundary.as_deref())?;
        let role = Role {
            arn: arn.parse().map_err(|_| Error::Internal("a role ARN that is none"))?,
            account,
            trust: trust_policy(call.state, account, &input.role_name, &input.assume_role_policy_document)?,
            name: input.role_name,
            path,
            id: UniqueId(new_id(call.env, "AROA", 21)?.into()),
            created_at: call.now,
            description: input.description,
            session_s_max,
            inline: Default::default(),
            attached: Vec::new(),
            boundary: input.permissions_boundary,
            tags,
            service_linked: None,
        };
        Ok(Outcome::changed(RoleOutput { role: RoleShape::of(call.state, &role) }, put(role)))
    }
}

operation! {
    GetRole { role_name: String } reads -> RoleOutput,
    |input, call| {
        let role = permitted_role(call, "GetRole", &input.role_name, About::default())?;
        Ok(Outcome::unchanged(RoleOutput { role: RoleShape::of(call.state, &role) }))
    }
}

operation! {
    DeleteRole { role_name: String } changes -> Nothing,
    |input, call| {
        let role = changeable(call, "DeleteRole", &input.role_name, About::default())?;
        let conflict = |what: &str| Err(refused(IamCode::DeleteConflict, &format!("Cannot delete entity, must {what} first."))); // [K273]
        if !role.attached.is_empty() {
            return conflict("detach all policies");
        }
        if !role.inline.is_empty() {
            return conflict("delete policies");
        }
        Ok(Outcome::changed(Nothing {}, vec![Change::Delete(EntityKey::Role(role.account, role.name))]))
    }
}

/// The answer to `ListRoles`.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct ListRolesOutput {
    pub roles: Vec<RoleShape>,
    pub is_truncated: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub marker: Option<String>,
}

operation! {
    ListRoles { path_prefix: Option<String>, marker: Option<String>, max_items: Option<usize> } reads -> ListRolesOutput,
    |input, call| {
        let prefix = input.path_prefix.unwrap_or_else(|| "/".to_owned());
        let arn = arn(call, "role", &prefix, "")?;
        may(call, "ListRoles", &arn, About::default())?;
        let roles = call.state.roles(call.account()?).filter(|role| role.path.starts_with(&prefix));
        let list = format!("ListRoles\n{prefix}");
        let page = page(call, &list, input.max_items, input.marker.as_deref(), roles, |role| role.name.to_lowercase())?;
        let roles = page.items.into_iter().map(|role| RoleShape::listed(call.state, role)).collect();
        Ok(Outcome::unchanged(ListRolesOutput { roles, is_truncated: page.next_marker.is_some(), marker: page.next_marker }))
    }
}

operation! {
    UpdateAssumeRolePolicy { role_name: String, policy_document: String } changes -> Nothing,
    |input, call| {
        let mut role = changeable(call, "UpdateAssumeRolePolicy", &input.role_name, About::default())?;
        role.trust = trust_policy(call.state, role.account, &role.name, &input.policy_document)?;
        Ok(Outcome::changed(Nothing {}, put(role)))
    }
}

operation! {
    UpdateRole { role_name: String, description: Option<String>, max_session_duration: Option<u32> } changes -> Nothing,
    |input, call| {
        described(input.description.as_deref())?;
        let mut role = changeable(call, "UpdateRole", &input.role_name, About::default())?;
        role.session_s_max = session_length(input.max_session_duration.or(Some(role.session_s_max)))?;
        role.description = input.description.or(role.description);
        Ok(Outcome::changed(Nothing {}, put(role)))
    }
}

operation! {
    UpdateRoleDescription { role_name: String, description: String } changes -> RoleOutput,
    |input, call| {
        described(Some(&input.description))?;
        let mut role = changeable(call, "UpdateRoleDescription", &input.role_name, About::default())?;
        role.description = Some(input.description);
        Ok(Outcome::changed(RoleOutput { role: RoleShape::of(call.state, &role) }, put(role)))
    }
}

operation! {
    TagRole { role_name: String, tags: Vec<Tag> } changes -> Nothing,
    |input, call| {
        let tags = requested_tags(Some(input.tags))?;
        let request_tags = pairs(&tags);
        let mut role = changeable(call, "TagRole", &input.role_name, About { request_tags: Some(&request_tags), ..About::default() })?;
        role.tags = with_tags(&role.tags, tags)?;
        Ok(Outcome::changed(Nothing {}, put(role)))
    }
}

operation! {
    UntagRole { role_name: String, tag_keys: Vec<String> } changes -> Nothing,
    |input, call| {
        let keys = Values::Many(input.tag_keys.iter().map(|key| key.as_str().into()).collect());
        let mut role = changeable(call, "UntagRole", &input.role_name, About { parameters: vec![(KeyName::TagKeys, keys)], ..About::default() })?;
        role.tags = without_tags(&role.tags, &input.tag_keys);
        Ok(Outcome::changed(Nothing {}, put(role)))
    }
}

operation! {
    ListRoleTags { role_name: String, marker: Option<String>, max_items: Option<usize> } reads -> ListTagsOutput,
    |input, call| {
        let role = permitted_role(call, "ListRoleTags", &input.role_name, About::default())?;
        Ok(Outcome::unchanged(tags_page(call, &role.arn, &role.tags, input.max_items, input.marker.as_deref())?))
    }
}

/// The answer to `ListInstanceProfilesForRole`: there are no instances here, so there are no profiles (K285).
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct ListInstanceProfilesForRoleOutput {
    pub instance_profiles: [(); 0],
    pub is_truncated: bool,
}

operation! {
    ListInstanceProfilesForRole { role_name: String, marker: Option<String>, max_items: Option<usize> } reads -> ListInstanceProfilesForRoleOutput,
    |input, call| {
        let role = permitted_role(call, "ListInstanceProfilesForRole", &input.role_name, About::default())?;
        let list = format!("ListInstanceProfilesForRole\n{}", role.arn);
        page(call, &list, input.max_items, input.marker.as_deref(), std::iter::empty::<()>(), |()| String::new())?;
        Ok(Outcome::unchanged(ListInstanceProfilesForRoleOutput { instance_profiles: [], is_truncated: false }))
    }
}
