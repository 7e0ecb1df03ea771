//! Tags on keys (K130, K131).

use std::borrow::Cow;
use std::sync::Arc;

use keyward_authz::{Operation, Request};
use keyward_policy::{KeyName, Values};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::resolve::{permission, resolve};
use super::{ListParameters, Nothing, Pairs};
use crate::call::{Call, Operate, Outcome, raw};
use crate::entities::{Change, Entity, Key, Tags};
use crate::error::Error;
use crate::paging::{PageSize, page};

/// Most tags on a key (K130).
const TAGS_PER_KEY_MAX: usize = 50;
/// (K220)
const TAGS_PER_PAGE: PageSize = PageSize { default: 50, max: 50 };

/// A tag as a request writes it.
#[derive(Clone, Deserialize, Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct RequestedTag {
    pub tag_key: String,
    pub tag_value: String,
}

/// A tag as a record keeps it (A1006).
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RecordedTag<'a> {
    tag_key: &'a str,
    tag_value: &'a str,
}

pub(super) fn recorded_tags(tags: &[RequestedTag]) -> Vec<RecordedTag<'_>> {
    tags.iter().map(|tag| RecordedTag { tag_key: &tag.tag_key, tag_value: &tag.tag_value }).collect()
}

/// Tags that a request may set (K130).
pub(crate) fn tags_of(requested: Vec<RequestedTag>) -> Result<Tags, Error> {
    let tags: Tags = requested.into_iter().map(|tag| (tag.tag_key, tag.tag_value)).collect();
    if tags.iter().any(|(name, _)| name.get(..4).is_some_and(|prefix| prefix.eq_ignore_ascii_case("aws:"))) {
        return Err(Error::Tag("Tags beginning with aws: are reserved"));
    }
    if tags.iter().enumerate().any(|(at, (name, _))| tags.iter().take(at).any(|(earlier, _)| earlier == name)) {
        return Err(Error::Tag("Duplicate tag keys"));
    }
    if tags.len() > TAGS_PER_KEY_MAX { Err(Error::Tag("Too many tags")) } else { Ok(tags) }
}

/// The key whose tags shall change, for a copy of it.
fn taggable(call: &mut Call<'_>, operation: Operation, named: &str, request: Request<'_>) -> Result<Key, Error> {
    let found = resolve(call, operation, named)?;
    Ok(Key::clone(&*found.permit_in_state(call, request)?))
}

fn retagged(mut key: Key, tags: Tags) -> Vec<Change> {
    key.facts.tags = tags.iter().cloned().collect();
    key.tags = tags;
    vec![Change::Put(Entity::Key(Arc::new(key)))]
}

/// `TagResource`
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct TagResource {
    pub key_id: String,
    pub tags: Vec<RequestedTag>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct TagParameters<'a> {
    key_id: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tags: Vec<RecordedTag<'a>>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    tag_keys: &'a [String],
}

impl Operate for TagResource {
    type Output = Nothing;
    const SERVICE: &'static str = "kms";
    const NAME: &'static str = "TagResource";
    const MUTATES: bool = true;

    fn request_parameters(&self) -> Option<Box<RawValue>> {
        raw(&TagParameters { key_id: &self.key_id, tags: recorded_tags(&self.tags), tag_keys: &[] })
    }

    fn operate(self, call: &mut Call<'_>) -> Result<Outcome<Nothing>, Error> {
        let requested = tags_of(self.tags)?;
        let pairs: Pairs = requested.iter().cloned().collect();
        let facts = call.facts();
        let mut request = Request::new(permission(Operation::TagResource)?, facts);
        request.request_tags = Some(&pairs); // [A548]
        let key = taggable(call, Operation::TagResource, &self.key_id, request)?;
        let mut tags = key.tags.clone();
        for (name, value) in requested {
            // [K131] An update keeps its place.
            match tags.iter_mut().find(|(existing, _)| *existing == name) {
                Some((_, existing)) => *existing = value,
                None => tags.push((name, value)),
            }
        }
        if tags.len() > TAGS_PER_KEY_MAX {
            return Err(Error::Tag("Too many tags"));
        }
        Ok(Outcome::changed(Nothing {}, retagged(key, tags)))
    }
}

/// `UntagResource`
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct UntagResource {
    pub key_id: String,
    pub tag_keys: Vec<String>,
}

impl Operate for UntagResource {
    type Output = Nothing;
    const SERVICE: &'static str = "kms";
    const NAME: &'static str = "UntagResource";
    const MUTATES: bool = true;

    fn request_parameters(&self) -> Option<Box<RawValue>> {
        raw(&TagParameters { key_id: &self.key_id, tags: Vec::new(), tag_keys: &self.tag_keys })
    }

    fn operate(self, call: &mut Call<'_>) -> Result<Outcome<Nothing>, Error> {
        let facts = call.facts();
        let mut request = Request::new(permission(Operation::UntagResource)?, facts);
        // [A548] Names only: an untagging request has no tag values.
        let names = self.tag_keys.iter().map(|name| Cow::Borrowed(name.as_str())).collect();
        request.parameters = vec![(KeyName::TagKeys, Values::Many(names))];
        let key = taggable(call, Operation::UntagResource, &self.key_id, request)?;
        let tags = key.tags.iter().filter(|(name, _)| !self.tag_keys.contains(name)).cloned().collect();
        Ok(Outcome::changed(Nothing {}, retagged(key, tags)))
    }
}

/// `ListResourceTags`
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct ListResourceTags {
    pub key_id: String,
    pub limit: Option<usize>,
    pub marker: Option<String>,
}

/// The answer to `ListResourceTags`.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct ListResourceTagsOutput {
    pub tags: Vec<RequestedTag>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_marker: Option<String>,
    pub truncated: bool,
}

impl Operate for ListResourceTags {
    type Output = ListResourceTagsOutput;
    const SERVICE: &'static str = "kms";
    const NAME: &'static str = "ListResourceTags";
    const MUTATES: bool = false;

    fn request_parameters(&self) -> Option<Box<RawValue>> {
        ListParameters::of(self.limit, self.marker.as_deref()).on(Some(&self.key_id))
    }

    fn operate(self, call: &mut Call<'_>) -> Result<Outcome<ListResourceTagsOutput>, Error> {
        let facts = call.facts();
        let found = resolve(call, Operation::ListResourceTags, &self.key_id)?;
        let key = found.permit_in_state(call, Request::new(permission(Operation::ListResourceTags)?, facts))?;
        let list = format!("ListResourceTags\n{}", key.arn());
        // [K131] In the order of insertion.
        let tags = key.tags.iter().enumerate();
        let page = page(call, &list, TAGS_PER_PAGE, self.limit, self.marker.as_deref(), tags, |(at, _)| format!("{at:04}"))?;
        let tag = |(_, (name, value)): (usize, &(String, String))| RequestedTag { tag_key: name.clone(), tag_value: value.clone() };
        let tags = page.items.into_iter().map(tag).collect();
        Ok(Outcome::unchanged(ListResourceTagsOutput { tags, truncated: page.next_marker.is_some(), next_marker: page.next_marker }))
    }
}
