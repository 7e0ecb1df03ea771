//! The accounts of an organization: making, moving, removing and showing them.

use std::sync::Arc;

use keyward_authz::UniqueId;
use keyward_crypto::Purpose;
use keyward_policy::AccountId;
use serde::Serialize;

use super::tags::{pairs, requested};
use super::tree::children;
use super::{About, Node, SERVICE, Tag, any, attached_to_new, id, managed, members, new_id, node_arn, page_of, parent, permitted};
use crate::admin::random_account_id;
use crate::call::{Call, Nothing, Outcome};
use crate::entities::{AccessKey, AccessKeyOwner, Account, AccountCreation, Change, Entity, EntityKey, JoinedMethod, Member, Organization, Role};
use crate::error::{Error, OrganizationsCode, OrganizationsReason};
use crate::iam::trust_policy;
use crate::kms::EpochSeconds;
use crate::placement::{path, way};
use crate::state::State;

/// The role through which the management account enters an account that it made, unless it asks for another name.
const ACCESS_ROLE: &str = "OrganizationAccountAccessRole";
/// Longest name of an account, in characters.
const ACCOUNT_NAME_CHARS_MAX: usize = 50;

/// An account in an answer.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct AccountShape {
    pub id: String,
    pub arn: String,
    pub email: String,
    pub name: String,
    pub status: &'static str,
    pub state: &'static str,
    pub joined_method: JoinedMethod,
    pub joined_timestamp: EpochSeconds,
    pub paths: [String; 1],
}

impl AccountShape {
    fn of(state: &State, organization: &Organization, member: &Member) -> Self {
        let (id, account) = (member.account.to_string(), state.account(member.account));
        Self {
            arn: organization.arn_of("account", &id),
            email: account.map(|account| account.email()).unwrap_or_default(),
            name: account.map(|account| account.display_name()).unwrap_or_default(),
            status: "ACTIVE",
            state: "ACTIVE",
            joined_method: member.joined,
            joined_timestamp: EpochSeconds(member.joined_at),
            paths: [format!("{}{id}/", path(organization, &way(state, organization, &member.parent)))],
            id,
        }
    }
}

/// An answer with an account in it.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct DescribeAccountOutput {
    pub account: AccountShape,
}

/// A page of accounts.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct ListAccountsOutput {
    pub accounts: Vec<AccountShape>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_token: Option<String>,
}

/// A member of the organization, by its number.
fn member<'s>(state: &'s State, organization: &Organization, account: AccountId) -> Result<&'s Arc<Member>, Error> {
    state.member(account).filter(|member| member.organization == organization.id).ok_or(OrganizationsCode::AccountNotFound.into())
}

operation! {
    DescribeAccount { account_id: String } reads -> DescribeAccountOutput,
    |input, call| {
        let account = id::account(&input.account_id)?;
        let organization = managed(call, "DescribeAccount", &About::default(), |organization| node_arn(organization, &input.account_id))?;
        let member = member(call.state, &organization, account)?;
        Ok(Outcome::unchanged(DescribeAccountOutput { account: AccountShape::of(call.state, &organization, member) }))
    }
}

operation! {
    ListAccounts { max_results: Option<usize>, next_token: Option<String> } reads -> ListAccountsOutput,
    |input, call| {
        let organization = managed(call, "ListAccounts", &About::default(), any)?;
        let accounts = members(call.state, &organization).map(|member| AccountShape::of(call.state, &organization, member));
        let page = page_of(call, "ListAccounts", input.max_results, input.next_token.as_deref(), accounts, |account| account.id.clone())?;
        Ok(Outcome::unchanged(ListAccountsOutput { accounts: page.items, next_token: page.next_marker }))
    }
}

operation! {
    ListAccountsForParent { parent_id: String, max_results: Option<usize>, next_token: Option<String> } reads -> ListAccountsOutput,
    |input, call| {
        id::parent(&input.parent_id)?;
        let organization = managed(call, "ListAccountsForParent", &About::default(), |organization| node_arn(organization, &input.parent_id))?;
        let state = call.state;
        parent(state, &organization, &input.parent_id).ok_or(OrganizationsCode::ParentNotFound)?;
        let accounts = children(state, &organization, &input.parent_id).filter_map(|node| match node {
            Node::Account(member) => Some(AccountShape::of(state, &organization, member)),
            Node::Root(_) | Node::Unit(_) => None,
        });
        let list = format!("ListAccountsForParent/{}", input.parent_id);
        let page = page_of(call, &list, input.max_results, input.next_token.as_deref(), accounts, |account| account.id.clone())?;
        Ok(Outcome::unchanged(ListAccountsOutput { accounts: page.items, next_token: page.next_marker }))
    }
}

operation! {
    MoveAccount { account_id: String, source_parent_id: String, destination_parent_id: String } changes -> Nothing,
    |input, call| {
        let account = id::account(&input.account_id)?;
        id::parent(&input.source_parent_id)?;
        id::parent(&input.destination_parent_id)?;
        let mut organization = None;
        for moved in [&input.account_id, &input.source_parent_id, &input.destination_parent_id] {
            organization = Some(managed(call, "MoveAccount", &About::default(), |organization| node_arn(organization, moved))?);
        }
        let organization = organization.ok_or(OrganizationsCode::NotInUse)?;
        let member = member(call.state, &organization, account)?;
        parent(call.state, &organization, &input.source_parent_id)
            .filter(|node| node.id() == member.parent)
            .ok_or(OrganizationsCode::SourceParentNotFound)?;
        parent(call.state, &organization, &input.destination_parent_id).ok_or(OrganizationsCode::DestinationParentNotFound)?;
        if input.destination_parent_id == member.parent {
            return Err(OrganizationsCode::DuplicateAccount.into());
        }
        let moved = Member { parent: input.destination_parent_id, ..Member::clone(member) };
        Ok(Outcome::changed(Nothing {}, vec![Change::Put(Entity::Member(Arc::new(moved)))]))
    }
}

operation! {
    RemoveAccountFromOrganization { account_id: String } changes -> Nothing,
    |input, call| {
        let account = id::account(&input.account_id)?;
        let arn = |organization: &Organization| node_arn(organization, &input.account_id);
        let organization = managed(call, "RemoveAccountFromOrganization", &About::default(), arn)?;
        member(call.state, &organization, account)?;
        leave(&organization, account)
    }
}

operation! {
    LeaveOrganization {} changes -> Nothing,
    |_input, call| {
        let organization = permitted(call, "LeaveOrganization", &About::default(), any)?;
        leave(&organization, call.account()?)
    }
}

fn leave(organization: &Organization, account: AccountId) -> Result<Outcome<Nothing>, Error> {
    if account == organization.management {
        return Err(OrganizationsCode::MasterCannotLeave.into());
    }
    Ok(Outcome::changed(Nothing {}, vec![Change::Delete(EntityKey::Member(account))]))
}

/// What became of a request for an account.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct CreateAccountStatusShape {
    pub id: String,
    pub account_name: String,
    pub state: &'static str,
    pub requested_timestamp: EpochSeconds,
    pub completed_timestamp: EpochSeconds,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account_id: Option<AccountId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure_reason: Option<String>,
}

impl From<&AccountCreation> for CreateAccountStatusShape {
    fn from(creation: &AccountCreation) -> Self {
        Self {
            id: creation.id.clone(),
            account_name: creation.name.clone(),
            state: if creation.account.is_some() { "SUCCEEDED" } else { "FAILED" },
            requested_timestamp: EpochSeconds(creation.requested_at),
            completed_timestamp: EpochSeconds(creation.requested_at),
            account_id: creation.account,
            failure_reason: creation.failure.clone(),
        }
    }
}

/// An answer with what became of a request.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct CreateAccountStatusOutput {
    pub create_account_status: CreateAccountStatusShape,
}

operation! {
    CreateAccount {
        email: String,
        account_name: String,
        role_name: Option<String>,
        iam_user_access_to_billing: Option<String>,
        tags: Option<Vec<Tag>>,
    } makes -> CreateAccountStatusOutput,
    |input, call| {
        let email_like = input.email.split_once('@').is_some_and(|(name, host)| !name.is_empty() && host.contains('.'));
        if !email_like || !(6..=64).contains(&input.email.len()) || input.email.contains(char::is_whitespace) {
            return Err(OrganizationsReason::InvalidPattern.into());
        }
        match input.account_name.chars().count() {
            0 => return Err(OrganizationsReason::MinLength.into()),
            length if length > ACCOUNT_NAME_CHARS_MAX => return Err(OrganizationsReason::MaxLength.into()),
            _ => {}
        }
        let role_name = input.role_name.as_deref().unwrap_or(ACCESS_ROLE);
        if role_name.len() > 64 || !role_name.chars().all(|char| char.is_ascii_alphanumeric() || "_+=,.@-".contains(char)) {
            return Err(OrganizationsReason::InvalidPattern.into());
        }
        let tags = requested(input.tags)?;
        let request_tags = pairs(&tags);
        let about = About { request_tags: (!tags.is_empty()).then_some(&request_tags), ..About::default() };
        let organization = managed(call, "CreateAccount", &about, any)?;
        let mut creation = AccountCreation {
            id: new_id(call.env, "car-", 32)?,
            organization: organization.id.clone(),
            name: input.account_name.clone(),
            account: None,
            failure: None,
            requested_at: call.now,
        };
        let mut changes = Vec::new();
        if call.state.accounts().any(|account| account.email().eq_ignore_ascii_case(&input.email)) {
            creation.failure = Some("EMAIL_ALREADY_EXISTS".to_owned());
        } else {
            let account = new_account_id(call)?;
            creation.account = Some(account);
            changes = made(call, &organization, account, input.account_name, input.email, role_name, tags)?;
        }
        let output = CreateAccountStatusOutput { create_account_status: (&creation).into() };
        changes.push(Change::Put(Entity::AccountCreation(Arc::new(creation))));
        Ok(Outcome::changed(output, changes))
    }
}

/// A number that no account has.
fn new_account_id(call: &Call<'_>) -> Result<AccountId, Error> {
    loop {
        let id = random_account_id(call.env)?;
        if call.state.account(id).is_none() {
            return Ok(id);
        }
    }
}

/// An account, its root user's access key (for the operator's eyes), its place in the organization, and the role through
/// which the management account enters it.
fn made(
    call: &Call<'_>,
    organization: &Organization,
    account: AccountId,
    name: String,
    email: String,
    role_name: &str,
    tags: crate::entities::Tags,
) -> Result<Vec<Change>, Error> {
    let (key_id, secret) = (crate::tokens::new_id(call.env, "AKIA", 20)?, crate::tokens::new_secret(call.env)?);
    let sealed = call.vault.root().seal(Purpose::AccessKeySecret, key_id.as_bytes(), secret.as_bytes(), &*call.env.entropy);
    let secret = sealed.map_err(|_| Error::Internal("randomness failed"))?;
    let key = AccessKey { id: key_id, owner: AccessKeyOwner::Root { account }, secret, active: true, created_at: call.now };
    // An organization is in one partition, that of its management account.
    let partition = organization.partition;
    let trust = format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":{{"AWS":"arn:{partition}:iam::{}:root"}},"Action":"sts:AssumeRole"}}]}}"#,
        organization.management
    );
    let role = Role {
        arn: format!("arn:{partition}:iam::{account}:role/{role_name}").parse().map_err(|_| Error::Internal("a role ARN that is none"))?,
        account,
        name: role_name.to_owned(),
        path: "/".to_owned(),
        id: UniqueId(crate::tokens::new_id(call.env, "AROA", 21)?.into()),
        created_at: call.now,
        trust: trust_policy(call.state, organization.management, role_name, &trust)?,
        description: None,
        session_s_max: 3600,
        inline: Default::default(),
        attached: vec![format!("arn:{partition}:iam::aws:policy/AdministratorAccess")],
        boundary: None,
        tags: Vec::new(),
        service_linked: None,
    };
    let member = Member {
        account,
        organization: organization.id.clone(),
        parent: organization.root.clone(),
        attached: attached_to_new(organization),
        tags,
        joined: JoinedMethod::Created,
        joined_at: call.now,
    };
    let account = Account { id: account, name: Some(name), email: Some(email), partition, created_at: call.now };
    Ok(vec![
        Change::Put(Entity::Account(Arc::new(account))),
        Change::Put(Entity::AccessKey(Arc::new(key))),
        Change::Put(Entity::Role(Arc::new(role))),
        Change::Put(Entity::Member(Arc::new(member))),
    ])
}

operation! {
    DescribeCreateAccountStatus { create_account_request_id: String } reads -> CreateAccountStatusOutput,
    |input, call| {
        let organization = managed(call, "DescribeCreateAccountStatus", &About::default(), any)?;
        let creation = call.state.account_creation(&input.create_account_request_id);
        let creation = creation.filter(|creation| creation.organization == organization.id);
        let creation = creation.ok_or(OrganizationsCode::CreateAccountStatusNotFound)?;
        Ok(Outcome::unchanged(CreateAccountStatusOutput { create_account_status: (&**creation).into() }))
    }
}

/// A page of what became of requests.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct ListCreateAccountStatusOutput {
    pub create_account_statuses: Vec<CreateAccountStatusShape>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_token: Option<String>,
}

operation! {
    ListCreateAccountStatus { states: Option<Vec<String>>, max_results: Option<usize>, next_token: Option<String> } reads -> ListCreateAccountStatusOutput,
    |input, call| {
        let states = input.states.unwrap_or_default();
        if states.iter().any(|state| !matches!(state.as_str(), "IN_PROGRESS" | "SUCCEEDED" | "FAILED")) {
            return Err(OrganizationsReason::InvalidEnum.into());
        }
        let organization = managed(call, "ListCreateAccountStatus", &About::default(), any)?;
        let own = call.state.account_creations().filter(|creation| creation.organization == organization.id);
        let shapes = own.map(|creation| CreateAccountStatusShape::from(&**creation));
        let shapes = shapes.filter(|shape| states.is_empty() || states.iter().any(|state| state == shape.state));
        let list = format!("ListCreateAccountStatus/{}", states.join("/"));
        let page = page_of(call, &list, input.max_results, input.next_token.as_deref(), shapes, |shape| shape.id.clone())?;
        Ok(Outcome::unchanged(ListCreateAccountStatusOutput { create_account_statuses: page.items, next_token: page.next_marker }))
    }
}
