//! Tags of roots, units, accounts and policies.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;

use super::{About, Node, SERVICE, Tag, id, managed, node, node_arn, page_of, stored_policy};
use crate::call::{Call, Nothing, Outcome};
use crate::entities::{Change, Entity, Organization, OrganizationPolicy, OrganizationPolicyType, Tags};
use crate::error::{Error, OrganizationsCode, OrganizationsReason};

/// Most tags of one thing.
const TAGS_MAX: usize = 50;

pub(super) fn pairs(tags: &Tags) -> BTreeMap<String, String> {
    tags.iter().cloned().collect()
}

/// Tags to set.
pub(super) fn requested(tags: Option<Vec<Tag>>) -> Result<Tags, Error> {
    let tags: Tags = tags.unwrap_or_default().into_iter().map(|tag| (tag.key, tag.value)).collect();
    for (at, (key, value)) in tags.iter().enumerate() {
        if key.is_empty() {
            return Err(OrganizationsReason::MinLength.into());
        }
        if key.chars().count() > 128 || value.chars().count() > 256 {
            return Err(OrganizationsReason::MaxLength.into());
        }
        if tags.iter().take(at).any(|(earlier, _)| earlier == key) {
            return Err(OrganizationsReason::DuplicateTagKey.into());
        }
    }
    within_limit(tags)
}

fn within_limit(tags: Tags) -> Result<Tags, Error> {
    if tags.len() > TAGS_MAX { Err(OrganizationsReason::MaxTags.into()) } else { Ok(tags) }
}

/// What bears tags.
enum Tagged<'s> {
    Node(Node<'s>),
    Policy(&'s Arc<OrganizationPolicy>),
}

impl Tagged<'_> {
    fn tags(&self) -> &Tags {
        match self {
            Self::Node(node) => node.tags(),
            Self::Policy(policy) => &policy.tags,
        }
    }

    fn with(&self, tags: Tags) -> Change {
        match self {
            Self::Node(node) => node.with_tags(tags),
            Self::Policy(policy) => {
                Change::Put(Entity::OrganizationPolicy(Arc::new(OrganizationPolicy { tags, ..OrganizationPolicy::clone(policy) })))
            }
        }
    }
}

/// The thing that a request names, for the management account with the permission.
fn permitted<'h>(call: &mut Call<'h>, action: &str, resource: &str, about: &About<'_>) -> Result<Tagged<'h>, Error> {
    let arn = |organization: &Organization| match resource.starts_with("p-") {
        true => super::policy_arn(organization, OrganizationPolicyType::ServiceControl, resource),
        false => node_arn(organization, resource),
    };
    let known = call.state.organization_policy(resource).cloned();
    if known.is_none() {
        id::policy(resource).or_else(|_| id::target(resource)).map_err(|_| OrganizationsReason::InvalidPattern)?;
    }
    let organization = match &known {
        Some(policy) => managed(call, action, about, |organization| super::policy_arn(organization, policy.policy_type, resource))?,
        None => managed(call, action, about, arn)?,
    };
    let state = call.state;
    let policy = stored_policy(state, &organization, resource).map(Tagged::Policy);
    policy.or_else(|| node(state, &organization, resource).map(Tagged::Node)).ok_or(OrganizationsCode::TargetNotFound.into())
}

operation! {
    TagResource { resource_id: String, tags: Vec<Tag> } changes -> Nothing,
    |input, call| {
        let set = requested(Some(input.tags))?;
        let request_tags = pairs(&set);
        let tagged = permitted(call, "TagResource", &input.resource_id, &About { request_tags: Some(&request_tags), ..About::default() })?;
        let mut tags = tagged.tags().clone();
        for (key, value) in set {
            match tags.iter_mut().find(|(existing, _)| *existing == key) {
                Some((_, existing)) => *existing = value,
                None => tags.push((key, value)),
            }
        }
        Ok(Outcome::changed(Nothing {}, vec![tagged.with(within_limit(tags)?)]))
    }
}

operation! {
    UntagResource { resource_id: String, tag_keys: Vec<String> } changes -> Nothing,
    |input, call| {
        let tagged = permitted(call, "UntagResource", &input.resource_id, &About::default())?;
        let tags = tagged.tags().iter().filter(|(key, _)| !input.tag_keys.contains(key)).cloned().collect();
        Ok(Outcome::changed(Nothing {}, vec![tagged.with(tags)]))
    }
}

/// A page of tags.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct ListTagsForResourceOutput {
    pub tags: Vec<Tag>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_token: Option<String>,
}

operation! {
    ListTagsForResource { resource_id: String, next_token: Option<String> } reads -> ListTagsForResourceOutput,
    |input, call| {
        let tagged = permitted(call, "ListTagsForResource", &input.resource_id, &About::default())?;
        let tags = tagged.tags().iter().map(|(key, value)| Tag { key: key.clone(), value: value.clone() });
        let list = format!("ListTagsForResource/{}", input.resource_id);
        let page = page_of(call, &list, None, input.next_token.as_deref(), tags, |tag| tag.key.clone())?;
        Ok(Outcome::unchanged(ListTagsForResourceOutput { tags: page.items, next_token: page.next_marker }))
    }
}
