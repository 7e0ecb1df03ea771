//! What users, groups and roles have in common: inline policies, attached policies, and (not groups) a boundary.

use std::sync::Arc;

use keyward_policy::{KeyName, Values};
use serde::Serialize;

use super::groups::permitted_group;
use super::managed::{Managed, managed, must_exist};
use super::names::{GROUP_NAME_CHARS_MAX, name as check_name};
use super::roles::{permitted_role, unprotected};
use super::users::permitted_user;
use super::{About, EncodedDocument, SERVICE, counted, identity_policy, page, refused};
use crate::call::{Call, Nothing, Outcome};
use crate::entities::{Change, Entity, Group, InlinePolicies, Role, User};
use crate::error::{Error, IamCode};

/// Most managed policies attached to one holder (K271).
const ATTACHED_MAX: usize = 10;

/// A user, group or role.
trait Holder: Clone {
    /// As messages name its kind.
    const KIND: &'static str;
    /// Inline policies of one holder together, white space not counted (K271).
    const INLINE_CHARS_MAX: usize;

    /// One of that name, for a caller with the permission.
    fn permitted(call: &mut Call<'_>, action: &str, name: &str, about: About<'_>) -> Result<Arc<Self>, Error>;
    /// Refuses to change what only its service may change.
    fn changeable(&self) -> Result<(), Error>;
    fn inline(&self) -> &InlinePolicies;
    fn inline_mut(&mut self) -> &mut InlinePolicies;
    fn attached(&self) -> &Vec<String>;
    fn attached_mut(&mut self) -> &mut Vec<String>;
    fn arn(&self) -> &str;
    fn into_entity(self) -> Entity;
}

macro_rules! holder {
    ($type:ident, $kind:literal, $inline_max:literal, $permitted:ident, |$this:ident| $changeable:expr) => {
        impl Holder for $type {
            const KIND: &'static str = $kind;
            const INLINE_CHARS_MAX: usize = $inline_max;

            fn permitted(call: &mut Call<'_>, action: &str, name: &str, about: About<'_>) -> Result<Arc<Self>, Error> {
                $permitted(call, action, name, about)
            }
            fn changeable(&self) -> Result<(), Error> {
                let $this = self;
                $changeable
            }
            fn inline(&self) -> &InlinePolicies {
                &self.inline
            }
            fn inline_mut(&mut self) -> &mut InlinePolicies {
                &mut self.inline
            }
            fn attached(&self) -> &Vec<String> {
                &self.attached
            }
            fn attached_mut(&mut self) -> &mut Vec<String> {
                &mut self.attached
            }
            fn arn(&self) -> &str {
                self.arn.as_str()
            }
            fn into_entity(self) -> Entity {
                Entity::$type(Arc::new(self))
            }
        }
    };
}

holder!(User, "user", 2048, permitted_user, |_user| Ok(()));
holder!(Group, "group", 5120, permitted_group, |_group| Ok(()));
holder!(Role, "role", 10_240, permitted_role, |role| unprotected(role));

fn changed(holder: impl Holder) -> Outcome<Nothing> {
    Outcome::changed(Nothing {}, vec![Change::Put(holder.into_entity())])
}

fn put_inline<H: Holder>(call: &mut Call<'_>, action: &str, of: &str, name: String, document: &str) -> Result<Outcome<Nothing>, Error> {
    check_name(&name, "policyName", GROUP_NAME_CHARS_MAX)?;
    let mut holder = H::clone(&*H::permitted(call, action, of, About::default())?);
    holder.changeable()?;
    holder.inline_mut().insert(name, identity_policy(document)?);
    if holder.inline().values().map(|policy| counted(policy.text())).sum::<usize>() > H::INLINE_CHARS_MAX {
        let message = format!("Maximum policy size of {} bytes exceeded for {} {of}", H::INLINE_CHARS_MAX, H::KIND);
        return Err(refused(IamCode::LimitExceeded, &message)); // [K267]
    }
    Ok(changed(holder))
}

fn no_such_inline<H: Holder>(name: &str) -> Error {
    refused(IamCode::NoSuchEntity, &format!("The {} policy with name {name} cannot be found.", H::KIND))
}

fn delete_inline<H: Holder>(call: &mut Call<'_>, action: &str, of: &str, name: &str) -> Result<Outcome<Nothing>, Error> {
    let mut holder = H::clone(&*H::permitted(call, action, of, About::default())?);
    holder.changeable()?;
    holder.inline_mut().remove(name).ok_or_else(|| no_such_inline::<H>(name))?;
    Ok(changed(holder))
}

/// Attaching and detaching may be conditional on which policy it is (`iam:PolicyARN`).
fn about_policy(arn: &str) -> About<'_> {
    About { parameters: vec![(KeyName::PolicyArn, Values::One(arn.into()))], ..About::default() }
}

fn attach<H: Holder>(call: &mut Call<'_>, action: &str, of: &str, policy: String) -> Result<Outcome<Nothing>, Error> {
    let mut holder = H::clone(&*H::permitted(call, action, of, about_policy(&policy))?);
    holder.changeable()?;
    must_exist(call, Some(&policy))?;
    if !holder.attached().contains(&policy) {
        holder.attached_mut().push(policy);
    }
    if holder.attached().len() > ATTACHED_MAX {
        return Err(refused(IamCode::LimitExceeded, &format!("Cannot exceed quota for PoliciesPer{}: {ATTACHED_MAX}", title(H::KIND))));
    }
    Ok(changed(holder))
}

fn title(kind: &str) -> String {
    let mut chars = kind.chars();
    chars.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(chars).collect()
}

fn detach<H: Holder>(call: &mut Call<'_>, action: &str, of: &str, policy: &str) -> Result<Outcome<Nothing>, Error> {
    let mut holder = H::clone(&*H::permitted(call, action, of, about_policy(policy))?);
    holder.changeable()?;
    if !holder.attached().iter().any(|attached| attached == policy) {
        return Err(refused(IamCode::NoSuchEntity, &format!("Policy {policy} was not found.")));
    }
    holder.attached_mut().retain(|attached| attached != policy);
    Ok(changed(holder))
}

/// Names of inline policies.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct ListInlinePoliciesOutput {
    pub policy_names: Vec<String>,
    pub is_truncated: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub marker: Option<String>,
}

/// Where a list goes on, and how long a page shall be.
struct Place<'a>(Option<usize>, Option<&'a str>);

fn list_inline<H: Holder>(call: &mut Call<'_>, action: &str, of: &str, place: Place<'_>) -> Result<Outcome<ListInlinePoliciesOutput>, Error> {
    let holder = H::permitted(call, action, of, About::default())?;
    let names = holder.inline().keys().cloned();
    let page = page(call, &format!("{action}\n{}", holder.arn()), place.0, place.1, names, Clone::clone)?;
    let output = ListInlinePoliciesOutput { policy_names: page.items, is_truncated: page.next_marker.is_some(), marker: page.next_marker };
    Ok(Outcome::unchanged(output))
}

/// A managed policy that is attached.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct AttachedPolicy {
    pub policy_name: String,
    pub policy_arn: String,
}

impl AttachedPolicy {
    pub(super) fn of(arn: &str) -> Self {
        Self { policy_name: arn.rsplit('/').next().unwrap_or_default().to_owned(), policy_arn: arn.to_owned() }
    }
}

/// Managed policies that are attached.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct ListAttachedPoliciesOutput {
    pub attached_policies: Vec<AttachedPolicy>,
    pub is_truncated: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub marker: Option<String>,
}

fn list_attached<H: Holder>(
    call: &mut Call<'_>,
    action: &str,
    of: &str,
    prefix: Option<&str>,
    place: Place<'_>,
) -> Result<Outcome<ListAttachedPoliciesOutput>, Error> {
    let holder = H::permitted(call, action, of, About::default())?;
    let under = |policy: Managed<'_>| prefix.is_none_or(|prefix| policy.path().starts_with(prefix));
    let arns = holder.attached().iter().filter(|arn| managed(call.state, arn).is_some_and(under));
    let page = page(call, &format!("{action}\n{}\n{prefix:?}", holder.arn()), place.0, place.1, arns, |arn| (*arn).clone())?;
    let attached_policies = page.items.into_iter().map(|arn| AttachedPolicy::of(arn)).collect();
    Ok(Outcome::unchanged(ListAttachedPoliciesOutput { attached_policies, is_truncated: page.next_marker.is_some(), marker: page.next_marker }))
}

macro_rules! holder_operations {
    ($type:ident, $name:ident; $put:ident $get:ident $output:ident $delete:ident $list:ident $attach:ident $detach:ident $list_attached:ident) => {
        operation! {
            $put { $name: String, policy_name: String, policy_document: String } changes -> Nothing,
            |input, call| { put_inline::<$type>(call, stringify!($put), &input.$name, input.policy_name, &input.policy_document) }
        }

        #[doc = concat!("The answer to `", stringify!($get), "`.")]
        #[derive(Serialize)]
        #[serde(rename_all = "PascalCase")]
        #[expect(missing_docs, reason = "the API's own members")]
        pub struct $output {
            pub $name: String,
            pub policy_name: String,
            pub policy_document: EncodedDocument,
        }

        operation! {
            $get { $name: String, policy_name: String } reads -> $output,
            |input, call| {
                let holder = <$type as Holder>::permitted(call, stringify!($get), &input.$name, About::default())?;
                let missing = || no_such_inline::<$type>(&input.policy_name);
                let document = EncodedDocument::of(holder.inline().get(&input.policy_name).ok_or_else(missing)?.text());
                Ok(Outcome::unchanged($output { $name: holder.name.clone(), policy_name: input.policy_name, policy_document: document }))
            }
        }

        operation! {
            $delete { $name: String, policy_name: String } changes -> Nothing,
            |input, call| { delete_inline::<$type>(call, stringify!($delete), &input.$name, &input.policy_name) }
        }

        operation! {
            $list { $name: String, marker: Option<String>, max_items: Option<usize> } reads -> ListInlinePoliciesOutput,
            |input, call| { list_inline::<$type>(call, stringify!($list), &input.$name, Place(input.max_items, input.marker.as_deref())) }
        }

        operation! {
            $attach { $name: String, policy_arn: String } changes -> Nothing,
            |input, call| { attach::<$type>(call, stringify!($attach), &input.$name, input.policy_arn) }
        }

        operation! {
            $detach { $name: String, policy_arn: String } changes -> Nothing,
            |input, call| { detach::<$type>(call, stringify!($detach), &input.$name, &input.policy_arn) }
        }

        operation! {
            $list_attached { $name: String, path_prefix: Option<String>, marker: Option<String>, max_items: Option<usize> }
            reads -> ListAttachedPoliciesOutput,
            |input, call| {
                let place = Place(input.max_items, input.marker.as_deref());
                list_attached::<$type>(call, stringify!($list_attached), &input.$name, input.path_prefix.as_deref(), place)
            }
        }
    };
}

holder_operations!(User, user_name;
    PutUserPolicy GetUserPolicy GetUserPolicyOutput DeleteUserPolicy ListUserPolicies AttachUserPolicy DetachUserPolicy ListAttachedUserPolicies);
holder_operations!(Group, group_name;
    PutGroupPolicy GetGroupPolicy GetGroupPolicyOutput DeleteGroupPolicy ListGroupPolicies AttachGroupPolicy DetachGroupPolicy ListAttachedGroupPolicies);
holder_operations!(Role, role_name;
    PutRolePolicy GetRolePolicy GetRolePolicyOutput DeleteRolePolicy ListRolePolicies AttachRolePolicy DetachRolePolicy ListAttachedRolePolicies);

macro_rules! boundary_operations {
    ($type:ident, $name:ident; $put:ident $delete:ident) => {
        operation! {
            $put { $name: String, permissions_boundary: String } changes -> Nothing,
            |input, call| {
                let boundary = Values::One(input.permissions_boundary.as_str().into());
                let about = About { parameters: vec![(KeyName::PermissionsBoundary, boundary)], ..About::default() };
                let mut holder = $type::clone(&*<$type as Holder>::permitted(call, stringify!($put), &input.$name, about)?);
                holder.changeable()?;
                must_exist(call, Some(&input.permissions_boundary))?;
                holder.boundary = Some(input.permissions_boundary);
                Ok(changed(holder))
            }
        }

        operation! {
            $delete { $name: String } changes -> Nothing,
            |input, call| {
                let mut holder = $type::clone(&*<$type as Holder>::permitted(call, stringify!($delete), &input.$name, About::default())?);
                holder.changeable()?;
                holder.boundary = None;
                Ok(changed(holder))
            }
        }
    };
}

boundary_operations!(User, user_name; PutUserPermissionsBoundary DeleteUserPermissionsBoundary);
boundary_operations!(Role, role_name; PutRolePermissionsBoundary DeleteRolePermissionsBoundary);
