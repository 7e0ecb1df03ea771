//! The operations of IAM that the story of a key needs (K260–K285).
//!
//! Every operation names its permission on one resource and is decided by the engine that decides KMS calls. The
//! permission comes before existence: who may not see a user does not learn whether there is one.

mod absent;
mod access_keys;
mod groups;
mod holders;
mod managed;
mod names;
mod report;
mod roles;
mod service_linked;
mod simulation;
mod users;

use std::collections::BTreeMap;

use jiff::Timestamp;
use keyward_authz::{Request, Resource, ResourcePolicy, Target};
use keyward_policy::{AccountId, Action, KeyName, Policy, PolicyKind, Values};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};

pub use absent::*;
pub use access_keys::*;
pub use groups::*;
pub use holders::*;
pub(crate) use managed::usable;
pub use managed::*;
pub(crate) use names::{Text, violation};
pub use report::*;
pub use roles::*;
pub use service_linked::*;
pub(crate) use service_linked::{role_name, role_path, trust};
pub use simulation::*;
pub use users::*;

use crate::call::Call;
use crate::entities::Tags;
use crate::error::{Error, IamCode};
use crate::paging::{self, Page, PageSize};
use crate::principals::bind;
use crate::state::State;

const SERVICE: &str = "iam";
/// (K264)
const ITEMS_PER_PAGE: PageSize = PageSize { default: 100, max: 1000 };
/// Most tags of a user, role or policy (K271).
const TAGS_MAX: usize = 50;
/// Largest trust policy, white space not counted (K271).
const TRUST_POLICY_CHARS_MAX: usize = 2048;

/// A time as IAM and STS write it: `2026-11-23T19:00:00Z` (K261).
#[derive(Clone, Copy)]
pub struct IsoSeconds(pub Timestamp);

impl Serialize for IsoSeconds {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let seconds = Timestamp::from_second(self.0.as_second()).unwrap_or(self.0);
        serializer.collect_str(&seconds)
    }
}

/// A policy document in an answer: percent-encoded (K263).
pub struct EncodedDocument(String);

impl EncodedDocument {
    fn of(text: &str) -> Self {
        /// RFC 3986's unreserved characters stay.
        const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
        Self(utf8_percent_encode(text, ENCODED).to_string())
    }
}

impl Serialize for EncodedDocument {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

/// A tag in requests and answers.
#[derive(Clone, Deserialize, Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct Tag {
    pub key: String,
    pub value: String,
}

fn shown_tags(tags: &Tags) -> Vec<Tag> {
    tags.iter().map(|(key, value)| Tag { key: key.clone(), value: value.clone() }).collect()
}

fn pairs(tags: &Tags) -> BTreeMap<String, String> {
    tags.iter().cloned().collect()
}

/// Tags to set: IAM keeps the letter case of keys but tells them apart ignoring it (K271).
fn requested_tags(tags: Option<Vec<Tag>>) -> Result<Tags, Error> {
    within_tag_limit(proper_tags(tags, IamCode::InvalidInput)?)
}

/// Tags as IAM and STS take them; `code` is that of what no constraint of the model says.
///
/// # Errors
/// For characters and lengths (K20), keys that are AWS's own, and keys that are there twice.
pub(crate) fn proper_tags(tags: Option<Vec<Tag>>, code: IamCode) -> Result<Tags, Error> {
    let tags: Tags = tags.unwrap_or_default().into_iter().map(|tag| (tag.key, tag.value)).collect();
    for (at, (key, value)) in tags.iter().enumerate() {
        Text::TAG_KEY.check(key, &format!("tags.{}.member.key", at + 1))?;
        Text::TAG_VALUE.check(value, &format!("tags.{}.member.value", at + 1))?;
        if key.get(..4).is_some_and(|prefix| prefix.eq_ignore_ascii_case("aws:")) {
            return Err(refused(code, "Tag keys beginning with aws: are reserved for system use."));
        }
        if tags.iter().take(at).any(|(earlier, _)| earlier.eq_ignore_ascii_case(key)) {
            return Err(refused(code, "Duplicate tag keys found. Please note that Tag keys are case insensitive."));
        }
    }
    Ok(tags)
}

fn within_tag_limit(tags: Tags) -> Result<Tags, Error> {
    if tags.len() > TAGS_MAX {
        Err(refused(IamCode::LimitExceeded, &format!("Cannot exceed quota for TagsPerResource: {TAGS_MAX}")))
    } else {
        Ok(tags)
    }
}

/// The tags after a request that sets some.
fn with_tags(old: &Tags, set: Tags) -> Result<Tags, Error> {
    let mut tags = old.clone();
    for (key, value) in set {
        tags.retain(|(existing, _)| *existing == key || !existing.eq_ignore_ascii_case(&key));
        match tags.iter_mut().find(|(existing, _)| *existing == key) {
            Some((_, existing)) => *existing = value,
            None => tags.push((key, value)),
        }
    }
    within_tag_limit(tags)
}

fn without_tags(old: &Tags, keys: &[String]) -> Tags {
    old.iter().filter(|(key, _)| !keys.iter().any(|gone| gone.eq_ignore_ascii_case(key))).cloned().collect()
}

pub(crate) fn refused(code: IamCode, message: &str) -> Error {
    Error::Iam { code, message: message.to_owned() }
}

fn no_such(what: &str, name: &str) -> Error {
    refused(IamCode::NoSuchEntity, &format!("The {what} with name {name} cannot be found.")) // [K267]
}

/// What else a permission's conditions may ask about.
#[derive(Default)]
struct About<'a> {
    tags: Option<&'a BTreeMap<String, String>>,
    request_tags: Option<&'a BTreeMap<String, String>>,
    parameters: Vec<(KeyName, Values<'a>)>,
}

/// Operations on users and roles whose permission may depend on the boundary (`iam:PermissionsBoundary`): the one that the
/// request sets, else the one that the user or role has (K269). So may those be delegated who keep to a boundary.
const ABOUT_BOUNDARY: &[&str] = &[
    "AttachRolePolicy",
    "AttachUserPolicy",
    "CreateRole",
    "CreateUser",
    "DeleteRolePermissionsBoundary",
    "DeleteRolePolicy",
    "DeleteUserPermissionsBoundary",
    "DeleteUserPolicy",
    "DetachRolePolicy",
    "DetachUserPolicy",
    "PutRolePermissionsBoundary",
    "PutRolePolicy",
    "PutUserPermissionsBoundary",
    "PutUserPolicy",
];

impl<'a> About<'a> {
    /// Adds the boundary that the user or role has, where the operation's permission may depend on it.
    fn bounded(mut self, operation: &str, boundary: Option<&'a String>) -> Self {
        let set = self.parameters.iter().any(|(name, _)| *name == KeyName::PermissionsBoundary);
        if ABOUT_BOUNDARY.contains(&operation) && !set {
            self.parameters.push((KeyName::PermissionsBoundary, Values::one_or_absent(boundary.map(String::as_str))));
        }
        self
    }
}

/// Asks for one permission on one resource of the caller's account.
fn may(call: &mut Call<'_>, action: &str, arn: &str, about: About<'_>) -> Result<(), Error> {
    let facts = call.facts();
    let action = Action::parse(&format!("iam:{action}")).map_err(|_| Error::Internal("no such permission"))?;
    let target = Target::new(Resource::Other { arn, account: Some(call.account()?), policy: None, tags: about.tags });
    let mut request = Request::new(action, facts);
    request.request_tags = about.request_tags;
    request.parameters = about.parameters;
    call.authorize(&target, &request).map(|_| ())
}

/// `arn:aws:iam::ACCOUNT:KIND/PATH/NAME`
fn arn(call: &Call<'_>, kind: &str, path: &str, name: &str) -> Result<String, Error> {
    let account = call.account()?;
    Ok(format!("arn:{}:iam::{account}:{kind}{path}{name}", call.state.partition(account)))
}

/// One page of a list of IAM (K264).
fn page<T>(
    call: &Call<'_>,
    list: &str,
    max_items: Option<usize>,
    marker: Option<&str>,
    items: impl Iterator<Item = T>,
    place: impl Fn(&T) -> String,
) -> Result<Page<T>, Error> {
    let wrong = |must: &str| Err(violation(&max_items.unwrap_or_default().to_string(), "maxItems", must));
    match max_items {
        Some(0) => wrong("have value greater than or equal to 1"),
        Some(many) if many > ITEMS_PER_PAGE.max => wrong("have value less than or equal to 1000"),
        _ => paging::page(call, list, ITEMS_PER_PAGE, max_items, marker, items, place),
    }
}

/// Checks a description, if there is one (K20).
fn described(text: Option<&str>) -> Result<(), Error> {
    text.map_or(Ok(()), |text| Text::DESCRIPTION.check(text, "description"))
}

/// Reads a policy that somebody wants to attach (A110).
fn identity_policy(text: &str) -> Result<Policy, Error> {
    Policy::parse_strict(PolicyKind::Identity, text).map_err(|issue| refused(IamCode::MalformedPolicyDocument, &issue.message))
}

/// Reads a trust policy; its principals must exist, and are bound to who they are now (A206).
pub(crate) fn trust_policy(state: &State, account: AccountId, role: &str, text: &str) -> Result<ResourcePolicy, Error> {
    if counted(text) > TRUST_POLICY_CHARS_MAX {
        return Err(refused(IamCode::LimitExceeded, &format!("Cannot exceed quota for ACLSizePerRole: {TRUST_POLICY_CHARS_MAX} ({role})")));
    }
    let policy = Policy::parse_strict(PolicyKind::Trust, text).map_err(|issue| refused(IamCode::MalformedPolicyDocument, &issue.message))?;
    let bound = bind(state, &policy, state.partition(account)).map_err(|unknown| {
        refused(IamCode::MalformedPolicyDocument, &format!("Invalid principal in policy: \"AWS\":\"{}\"", unknown.0)) // [K267]
    })?;
    Ok(ResourcePolicy { policy, bound })
}

/// The size that counts against limits: without white space (K271).
fn counted(text: &str) -> usize {
    text.chars().filter(|char| !char.is_whitespace()).count()
}

/// A permissions boundary in an answer (K272).
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct AttachedPermissionsBoundary {
    pub permissions_boundary_type: &'static str,
    pub permissions_boundary_arn: String,
}

impl AttachedPermissionsBoundary {
    fn of(boundary: Option<&String>) -> Option<Self> {
        boundary.map(|arn| Self { permissions_boundary_type: "Policy", permissions_boundary_arn: arn.clone() })
    }
}
