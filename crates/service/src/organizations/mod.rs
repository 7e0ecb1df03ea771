//! The operations of Organizations that SCPs and RCPs need (K280).
//!
//! Every operation names its permission on one resource and is decided by the engine that decides KMS calls. Then the
//! caller's account must be the management account, save where a member may ask.

mod accounts;
mod handshakes;
mod policies;
mod tags;
mod tree;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use keyward_authz::{Request, Resource, Target};
use keyward_policy::{AccountId, Action, MapContext};
use serde::{Deserialize, Serialize};

pub use accounts::*;
pub use handshakes::*;
pub use policies::*;
pub(crate) use policies::{checked_policy, full_access_document, policy_arn};
pub use tags::*;
pub use tree::*;

use crate::call::Call;
use crate::entities::{Change, Entity, Member, Organization, OrganizationPolicy, OrganizationPolicyType, OrganizationalUnit, Tags};
use crate::env::Env;
use crate::error::{Error, OrganizationsCode, OrganizationsReason};
use crate::paging::{Page, PageSize, page};
use crate::state::State;

const SERVICE: &str = "organizations";
const ITEMS_PER_PAGE: PageSize = PageSize { default: 20, max: 20 };
/// Most units below each other.
pub(crate) const UNIT_DEPTH_MAX: usize = 5;
/// Most units of an organization.
const UNITS_MAX: usize = 2000;
/// Longest name of a unit or a policy, in characters.
const NAME_CHARS_MAX: usize = 128;

impl From<OrganizationsCode> for Error {
    fn from(code: OrganizationsCode) -> Self {
        Self::Organizations(code)
    }
}

impl From<OrganizationsReason> for Error {
    fn from(reason: OrganizationsReason) -> Self {
        Self::OrganizationsReason(reason)
    }
}

/// What else a permission's conditions may ask about.
#[derive(Default)]
struct About<'a> {
    policy_type: Option<OrganizationPolicyType>,
    request_tags: Option<&'a BTreeMap<String, String>>,
    tags: Option<&'a BTreeMap<String, String>>,
}

/// Asks for one permission on one resource.
fn may(call: &mut Call<'_>, action: &str, arn: &str, owner: AccountId, about: &About<'_>) -> Result<(), Error> {
    let facts = call.facts();
    let action = Action::parse(&format!("organizations:{action}")).map_err(|_| Error::Internal("no such permission"))?;
    let target = Target::new(Resource::Other { arn, account: Some(owner), policy: None, tags: about.tags });
    let conditions = about.policy_type.map(|policy_type| MapContext::new().with("organizations:PolicyType", policy_type.name()));
    let mut request = Request::new(action, facts);
    request.verbatim = conditions.as_ref();
    request.request_tags = about.request_tags;
    call.authorize(&target, &request).map(|_| ())
}

/// The caller's organization, for a caller who is permitted, whoever in it that is.
fn permitted(call: &mut Call<'_>, action: &str, about: &About<'_>, arn: impl FnOnce(&Organization) -> String) -> Result<Arc<Organization>, Error> {
    let account = call.account()?;
    let organization = call.state.member(account).and_then(|member| call.state.organization(&member.organization)).cloned();
    match organization {
        Some(organization) => {
            may(call, action, &arn(&organization), organization.management, about)?;
            Ok(organization)
        }
        None => {
            may(call, action, "*", account, about)?;
            Err(OrganizationsCode::NotInUse.into())
        }
    }
}

/// The same, for the management account alone.
fn managed(call: &mut Call<'_>, action: &str, about: &About<'_>, arn: impl FnOnce(&Organization) -> String) -> Result<Arc<Organization>, Error> {
    let organization = permitted(call, action, about, arn)?;
    if call.caller.account() == Some(organization.management) { Ok(organization) } else { Err(OrganizationsCode::AccessDenied.into()) }
}

fn any(_: &Organization) -> String {
    "*".to_owned()
}

/// The root, a unit or an account: what policies are attached to.
enum Node<'s> {
    Root(&'s Arc<Organization>),
    Unit(&'s Arc<OrganizationalUnit>),
    Account(&'s Arc<Member>),
}

/// Looks a node of this organization up by its id.
fn node<'s>(state: &'s State, organization: &Organization, id: &str) -> Option<Node<'s>> {
    let own = |of: &str| of == organization.id;
    match id.parse::<AccountId>() {
        Ok(account) => state.member(account).filter(|member| own(&member.organization)).map(Node::Account),
        Err(_) if id == organization.root => state.organization(&organization.id).map(Node::Root),
        Err(_) => state.unit(id).filter(|unit| own(&unit.organization)).map(Node::Unit),
    }
}

/// A root or unit of this organization.
fn parent<'s>(state: &'s State, organization: &Organization, id: &str) -> Option<Node<'s>> {
    node(state, organization, id).filter(|node| !matches!(node, Node::Account(_)))
}

/// All nodes of an organization.
fn nodes<'s>(state: &'s State, organization: &'s Organization) -> impl Iterator<Item = Node<'s>> {
    let root = state.organization(&organization.id).map(Node::Root).into_iter();
    let units = state.units().filter(|unit| unit.organization == organization.id).map(Node::Unit);
    root.chain(units).chain(members(state, organization).map(Node::Account))
}

/// The accounts of an organization, by number.
fn members<'s>(state: &'s State, organization: &'s Organization) -> impl Iterator<Item = &'s Arc<Member>> {
    state.members().filter(|member| member.organization == organization.id)
}

impl Node<'_> {
    fn id(&self) -> String {
        match self {
            Self::Root(organization) => organization.root.clone(),
            Self::Unit(unit) => unit.id.clone(),
            Self::Account(member) => member.account.to_string(),
        }
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::Root(_) => "ROOT",
            Self::Unit(_) => "ORGANIZATIONAL_UNIT",
            Self::Account(_) => "ACCOUNT",
        }
    }

    fn name(&self, state: &State) -> String {
        match self {
            Self::Root(_) => "Root".to_owned(),
            Self::Unit(unit) => unit.name.clone(),
            Self::Account(member) => state.account(member.account).map(|account| account.display_name()).unwrap_or_default(),
        }
    }

    fn attached(&self) -> &BTreeSet<String> {
        match self {
            Self::Root(organization) => &organization.attached,
            Self::Unit(unit) => &unit.attached,
            Self::Account(member) => &member.attached,
        }
    }

    fn tags(&self) -> &Tags {
        match self {
            Self::Root(organization) => &organization.root_tags,
            Self::Unit(unit) => &unit.tags,
            Self::Account(member) => &member.tags,
        }
    }

    fn with_attached(&self, attached: BTreeSet<String>) -> Change {
        Change::Put(match self {
            Self::Root(organization) => Entity::Organization(Arc::new(Organization { attached, ..Organization::clone(organization) })),
            Self::Unit(unit) => Entity::OrganizationalUnit(Arc::new(OrganizationalUnit { attached, ..OrganizationalUnit::clone(unit) })),
            Self::Account(member) => Entity::Member(Arc::new(Member { attached, ..Member::clone(member) })),
        })
    }

    fn with_tags(&self, tags: Tags) -> Change {
        Change::Put(match self {
            Self::Root(organization) => Entity::Organization(Arc::new(Organization { root_tags: tags, ..Organization::clone(organization) })),
            Self::Unit(unit) => Entity::OrganizationalUnit(Arc::new(OrganizationalUnit { tags, ..OrganizationalUnit::clone(unit) })),
            Self::Account(member) => Entity::Member(Arc::new(Member { tags, ..Member::clone(member) })),
        })
    }
}

/// The ARN of a root, unit or account, whether or not it is there.
fn node_arn(organization: &Organization, id: &str) -> String {
    let kind = match id.split('-').next() {
        Some("r") => "root",
        Some("ou") => "ou",
        _ => "account",
    };
    organization.arn_of(kind, id)
}

/// What hangs on a new unit or account: AWS's own policies of every enabled type.
pub(crate) fn attached_to_new(organization: &Organization) -> BTreeSet<String> {
    organization.policy_types.iter().map(|policy_type| policy_type.full_access().to_owned()).collect()
}

/// A customer's policy of this organization.
fn stored_policy<'s>(state: &'s State, organization: &Organization, id: &str) -> Option<&'s Arc<OrganizationPolicy>> {
    state.organization_policy(id).filter(|policy| policy.organization == organization.id)
}

fn page_of<T>(
    call: &Call<'_>,
    list: &str,
    max_results: Option<usize>,
    next_token: Option<&str>,
    items: impl Iterator<Item = T>,
    place: impl Fn(&T) -> String,
) -> Result<Page<T>, Error> {
    match max_results {
        Some(0) => Err(OrganizationsReason::MinValue.into()),
        Some(many) if many > ITEMS_PER_PAGE.max => Err(OrganizationsReason::MaxValue.into()),
        _ => page(call, list, ITEMS_PER_PAGE, max_results, next_token, items, place),
    }
}

/// What identifiers look like. Which thing is meant is told by the operation's own error.
mod id {
    use keyward_policy::AccountId;

    use crate::error::{Error, OrganizationsReason};

    fn word(text: &str, min: usize) -> bool {
        (min..=32).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
    }

    pub(super) fn is_root(text: &str) -> bool {
        text.strip_prefix("r-").is_some_and(|rest| word(rest, 4))
    }

    pub(super) fn is_unit(text: &str) -> bool {
        text.strip_prefix("ou-").and_then(|rest| rest.split_once('-')).is_some_and(|(root, unit)| word(root, 4) && word(unit, 8))
    }

    pub(super) fn is_policy(text: &str) -> bool {
        let proper = |rest: &str| (8..=128).contains(&rest.len()) && rest.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        text.strip_prefix("p-").is_some_and(proper)
    }

    pub(super) fn is_organization(text: &str) -> bool {
        text.strip_prefix("o-").is_some_and(|rest| word(rest, 10))
    }

    pub(super) fn is_handshake(text: &str) -> bool {
        text.strip_prefix("h-").is_some_and(|rest| word(rest, 8))
    }

    fn must(fits: bool) -> Result<(), Error> {
        if fits { Ok(()) } else { Err(OrganizationsReason::InvalidPattern.into()) }
    }

    pub(super) fn root(text: &str) -> Result<(), Error> {
        must(is_root(text))
    }

    pub(super) fn unit(text: &str) -> Result<(), Error> {
        must(is_unit(text))
    }

    pub(super) fn parent(text: &str) -> Result<(), Error> {
        must(is_root(text) || is_unit(text))
    }

    pub(super) fn child(text: &str) -> Result<(), Error> {
        must(is_unit(text) || text.parse::<AccountId>().is_ok())
    }

    pub(super) fn target(text: &str) -> Result<(), Error> {
        let fits = is_root(text) || is_unit(text) || text.parse::<AccountId>().is_ok();
        if fits { Ok(()) } else { Err(OrganizationsReason::InvalidPatternTarget.into()) }
    }

    pub(super) fn policy(text: &str) -> Result<(), Error> {
        must(is_policy(text))
    }

    pub(super) fn handshake(text: &str) -> Result<(), Error> {
        must(is_handshake(text))
    }

    pub(super) fn account(text: &str) -> Result<AccountId, Error> {
        text.parse().map_err(|_| OrganizationsReason::InvalidPattern.into())
    }
}

/// Whether ids that a seed fixes are ids.
pub(crate) fn is_organization_id(text: &str) -> bool {
    id::is_organization(text)
}

/// Likewise.
pub(crate) fn is_root_id(text: &str) -> bool {
    id::is_root(text)
}

/// Likewise, of a unit below this root.
pub(crate) fn is_unit_id(text: &str, root: &str) -> bool {
    id::is_unit(text) && text.starts_with(&format!("ou-{}-", root.trim_start_matches("r-")))
}

/// Likewise.
pub(crate) fn is_policy_id(text: &str) -> bool {
    id::is_policy(text) && OrganizationPolicyType::ALL.iter().all(|policy_type| policy_type.full_access() != text)
}

/// A prefix and random small letters and digits.
///
/// # Errors
/// [`Error::Internal`] when randomness fails.
pub(crate) fn new_id(env: &Env, prefix: &str, characters: usize) -> Result<String, Error> {
    const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz012345";
    let mut bytes = vec![0; characters];
    env.entropy.fill(&mut bytes).map_err(|_| Error::Internal("randomness failed"))?;
    let letters = bytes.iter().filter_map(|byte| ALPHABET.get(usize::from(byte % 32)).map(|letter| char::from(*letter)));
    Ok(prefix.chars().chain(letters).collect())
}

/// A name of a unit or policy.
fn named(name: &str) -> Result<(), Error> {
    match name.chars().count() {
        0 => Err(OrganizationsReason::MinLength.into()),
        length if length > NAME_CHARS_MAX => Err(OrganizationsReason::MaxLength.into()),
        _ => Ok(()),
    }
}

/// A policy type of a request. AWS has more types than bear on authorization; those are not there in this organization.
fn policy_type(text: &str) -> Result<OrganizationPolicyType, Error> {
    const OTHERS: [&str; 13] = [
        "TAG_POLICY",
        "BACKUP_POLICY",
        "AISERVICES_OPT_OUT_POLICY",
        "CHATBOT_POLICY",
        "DECLARATIVE_POLICY_EC2",
        "SECURITYHUB_POLICY",
        "SECURITYHUB_CSPM_POLICY",
        "INSPECTOR_POLICY",
        "UPGRADE_ROLLOUT_POLICY",
        "BEDROCK_POLICY",
        "S3_POLICY",
        "NETWORK_SECURITY_DIRECTOR_POLICY",
        "GUARDDUTY_POLICY",
    ];
    match OrganizationPolicyType::ALL.into_iter().find(|policy_type| policy_type.name() == text) {
        Some(policy_type) => Ok(policy_type),
        None if OTHERS.contains(&text) => Err(OrganizationsCode::PolicyTypeNotAvailable.into()),
        None => Err(OrganizationsReason::InvalidPolicyType.into()),
    }
}

/// A policy type and how it stands.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct PolicyTypeSummary {
    pub r#type: &'static str,
    pub status: &'static str,
}

impl PolicyTypeSummary {
    fn enabled(policy_type: OrganizationPolicyType) -> Self {
        Self { r#type: policy_type.name(), status: "ENABLED" }
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
