//! Invitations: how an account that exists comes into an organization.

use std::sync::Arc;

use jiff::SignedDuration;
use keyward_policy::AccountId;
use serde::{Deserialize, Serialize};

use super::{About, SERVICE, any, attached_to_new, id, managed, may, new_id, node_arn, page_of};
use crate::call::{Call, Outcome};
use crate::entities::{Change, Entity, Handshake, HandshakeState, JoinedMethod, Member, Organization};
use crate::error::{Error, OrganizationsCode, OrganizationsReason};
use crate::kms::EpochSeconds;
use crate::state::State;

/// How long an invitation is open, in hours: 15 days.
const OPEN_HOURS: i64 = 15 * 24;
/// Longest note, in characters.
const NOTES_CHARS_MAX: usize = 1024;

/// Who takes part.
#[derive(Deserialize, Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct HandshakeParty {
    pub id: String,
    pub r#type: String,
}

/// What a handshake tells.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct HandshakeResource {
    pub value: String,
    pub r#type: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub resources: Vec<HandshakeResource>,
}

impl HandshakeResource {
    fn new(r#type: &'static str, value: impl Into<String>) -> Self {
        Self { value: value.into(), r#type, resources: Vec::new() }
    }
}

/// A handshake in an answer.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct HandshakeShape {
    pub id: String,
    pub arn: String,
    pub parties: Vec<HandshakeParty>,
    pub state: HandshakeState,
    pub requested_timestamp: EpochSeconds,
    pub expiration_timestamp: EpochSeconds,
    pub action: &'static str,
    pub resources: Vec<HandshakeResource>,
}

impl HandshakeShape {
    fn of(call: &Call<'_>, handshake: &Handshake) -> Self {
        let mut organization = HandshakeResource::new("ORGANIZATION", &handshake.organization);
        if let Some(management) = management(call.state, handshake) {
            organization.resources = vec![
                HandshakeResource::new("MASTER_EMAIL", management.email()),
                HandshakeResource::new("MASTER_NAME", management.display_name()),
                HandshakeResource::new("ORGANIZATION_FEATURE_SET", "ALL"),
            ];
        }
        let account = HandshakeResource::new("ACCOUNT", handshake.account.to_string());
        let notes = handshake.notes.iter().map(|notes| HandshakeResource::new("NOTES", notes));
        let party = |r#type: &str, id: String| HandshakeParty { id, r#type: r#type.to_owned() };
        Self {
            id: handshake.id.clone(),
            arn: handshake.arn.clone(),
            parties: vec![party("ORGANIZATION", handshake.organization.clone()), party("ACCOUNT", handshake.account.to_string())],
            state: state_at(call, handshake),
            requested_timestamp: EpochSeconds(handshake.requested_at),
            expiration_timestamp: EpochSeconds(handshake.expires_at),
            action: "INVITE",
            resources: [organization, account].into_iter().chain(notes).collect(),
        }
    }
}

fn management<'s>(state: &'s State, handshake: &Handshake) -> Option<&'s Arc<crate::entities::Account>> {
    state.account(state.organization(&handshake.organization)?.management)
}

/// Where it stands now: an open one is expired when its time is over.
fn state_at(call: &Call<'_>, handshake: &Handshake) -> HandshakeState {
    let over = handshake.state == HandshakeState::Open && handshake.expires_at <= call.now;
    if over { HandshakeState::Expired } else { handshake.state }
}

/// The handshake in another state.
pub(super) fn ended(handshake: &Handshake, state: HandshakeState) -> Change {
    Change::Put(Entity::Handshake(Arc::new(Handshake { state, ..handshake.clone() })))
}

/// An answer with a handshake in it.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct HandshakeOutput {
    pub handshake: HandshakeShape,
}

operation! {
    InviteAccountToOrganization { target: HandshakeParty, notes: Option<String> } makes -> HandshakeOutput,
    |input, call| {
        if input.notes.as_ref().is_some_and(|notes| notes.chars().count() > NOTES_CHARS_MAX) {
            return Err(OrganizationsReason::MaxLength.into());
        }
        let invited = match input.target.r#type.as_str() {
            "ACCOUNT" => Some(id::account(&input.target.id)?),
            "EMAIL" => call.state.accounts().find(|account| account.email().eq_ignore_ascii_case(&input.target.id)).map(|account| account.id),
            _ => return Err(OrganizationsReason::InvalidParty.into()),
        };
        let arn = |organization: &Organization| invited.map_or_else(|| "*".to_owned(), |account| node_arn(organization, account.as_str()));
        let organization = managed(call, "InviteAccountToOrganization", &About::default(), arn)?;
        // AWS invites whoever has an account; only those of this estate can ever accept.
        let account = invited.filter(|account| call.state.account(*account).is_some()).ok_or(OrganizationsReason::TargetNotSupported)?;
        if call.state.member(account).is_some() {
            return Err(OrganizationsReason::AlreadyInAnOrganization.into());
        }
        let pending = |handshake: &&Arc<Handshake>| {
            handshake.organization == organization.id && handshake.account == account && state_at(call, handshake) == HandshakeState::Open
        };
        if call.state.handshakes().any(|handshake| pending(&handshake)) {
            return Err(OrganizationsCode::DuplicateHandshake.into());
        }
        let id = new_id(call.env, "h-", 32)?;
        let handshake = Handshake {
            arn: organization.arn_of("handshake", &format!("invite/{id}")),
            id,
            organization: organization.id.clone(),
            account,
            notes: input.notes,
            state: HandshakeState::Open,
            requested_at: call.now,
            expires_at: call.now.checked_add(SignedDuration::from_hours(OPEN_HOURS)).map_err(|_| Error::Internal("a date out of range"))?,
        };
        let output = HandshakeOutput { handshake: HandshakeShape::of(call, &handshake) };
        Ok(Outcome::changed(output, vec![Change::Put(Entity::Handshake(Arc::new(handshake)))]))
    }
}

/// A handshake for one of its two parties with the permission; who is no party does not learn whether it exists.
fn handshake_of<'h>(
    call: &mut Call<'h>,
    action: &str,
    id: &str,
    party: fn(&State, &Handshake, AccountId) -> bool,
) -> Result<&'h Arc<Handshake>, Error> {
    id::handshake(id)?;
    let account = call.account()?;
    let state = call.state;
    let handshake = state.handshake(id).filter(|handshake| party(state, handshake, account));
    match handshake {
        Some(handshake) => {
            let owner = management(state, handshake).map_or(account, |management| management.id);
            may(call, action, &handshake.arn, owner, &About::default())?;
            Ok(handshake)
        }
        None => {
            may(call, action, "*", account, &About::default())?;
            Err(OrganizationsCode::HandshakeNotFound.into())
        }
    }
}

fn is_invited(_: &State, handshake: &Handshake, account: AccountId) -> bool {
    handshake.account == account
}

fn is_inviting(state: &State, handshake: &Handshake, account: AccountId) -> bool {
    management(state, handshake).is_some_and(|management| management.id == account)
}

/// The answer to a handshake that is open, and what becomes of it.
fn settled(call: &Call<'_>, handshake: &Handshake, to: HandshakeState) -> Result<Outcome<HandshakeOutput>, Error> {
    match state_at(call, handshake) {
        HandshakeState::Open => {}
        state if state == to => return Err(OrganizationsCode::HandshakeAlreadyInState.into()),
        _ => return Err(OrganizationsCode::InvalidHandshakeTransition.into()),
    }
    let settled = Handshake { state: to, ..handshake.clone() };
    Ok(Outcome::changed(HandshakeOutput { handshake: HandshakeShape::of(call, &settled) }, vec![ended(handshake, to)]))
}

operation! {
    AcceptHandshake { handshake_id: String } makes -> HandshakeOutput,
    |input, call| {
        let handshake = handshake_of(call, "AcceptHandshake", &input.handshake_id, is_invited)?;
        let mut outcome = settled(call, handshake, HandshakeState::Accepted)?;
        if call.state.member(handshake.account).is_some() {
            return Err(OrganizationsReason::AlreadyInAnOrganization.into());
        }
        let organization = call.state.organization(&handshake.organization).ok_or(OrganizationsCode::InvalidHandshakeTransition)?;
        outcome.changes.push(Change::Put(Entity::Member(Arc::new(Member {
            account: handshake.account,
            organization: organization.id.clone(),
            parent: organization.root.clone(),
            attached: attached_to_new(organization),
            tags: Vec::new(),
            joined: JoinedMethod::Invited,
            joined_at: call.now,
        }))));
        Ok(outcome)
    }
}

operation! {
    DeclineHandshake { handshake_id: String } makes -> HandshakeOutput,
    |input, call| {
        let handshake = handshake_of(call, "DeclineHandshake", &input.handshake_id, is_invited)?;
        settled(call, handshake, HandshakeState::Declined)
    }
}

operation! {
    CancelHandshake { handshake_id: String } makes -> HandshakeOutput,
    |input, call| {
        let handshake = handshake_of(call, "CancelHandshake", &input.handshake_id, is_inviting)?;
        settled(call, handshake, HandshakeState::Canceled)
    }
}

operation! {
    DescribeHandshake { handshake_id: String } reads -> HandshakeOutput,
    |input, call| {
        let either = |state: &State, handshake: &Handshake, account| is_invited(state, handshake, account) || is_inviting(state, handshake, account);
        let handshake = handshake_of(call, "DescribeHandshake", &input.handshake_id, either)?;
        Ok(Outcome::unchanged(HandshakeOutput { handshake: HandshakeShape::of(call, handshake) }))
    }
}

/// A page of handshakes.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct ListHandshakesOutput {
    pub handshakes: Vec<HandshakeShape>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_token: Option<String>,
}

/// Which handshakes a list shows.
#[derive(Deserialize, Serialize)]
#[serde(rename_all(deserialize = "PascalCase", serialize = "camelCase"))]
#[expect(missing_docs, reason = "the API's own members")]
pub struct HandshakeFilter {
    pub action_type: Option<String>,
    pub parent_handshake_id: Option<String>,
}

/// Only invitations are made here, and none has a parent.
fn shows_invitations(filter: Option<&HandshakeFilter>) -> bool {
    filter.is_none_or(|filter| filter.parent_handshake_id.is_none() && filter.action_type.as_deref().is_none_or(|action| action == "INVITE"))
}

operation! {
    ListHandshakesForAccount { filter: Option<HandshakeFilter>, max_results: Option<usize>, next_token: Option<String> } reads -> ListHandshakesOutput,
    |input, call| {
        let account = call.account()?;
        may(call, "ListHandshakesForAccount", "*", account, &About::default())?;
        let shown = shows_invitations(input.filter.as_ref());
        let own = call.state.handshakes().filter(|handshake| shown && handshake.account == account);
        let shapes = own.map(|handshake| HandshakeShape::of(call, handshake));
        let page = page_of(call, "ListHandshakesForAccount", input.max_results, input.next_token.as_deref(), shapes, |shape| shape.id.clone())?;
        Ok(Outcome::unchanged(ListHandshakesOutput { handshakes: page.items, next_token: page.next_marker }))
    }
}

operation! {
    ListHandshakesForOrganization { filter: Option<HandshakeFilter>, max_results: Option<usize>, next_token: Option<String> } reads -> ListHandshakesOutput,
    |input, call| {
        let organization = managed(call, "ListHandshakesForOrganization", &About::default(), any)?;
        let shown = shows_invitations(input.filter.as_ref());
        let own = call.state.handshakes().filter(|handshake| shown && handshake.organization == organization.id);
        let shapes = own.map(|handshake| HandshakeShape::of(call, handshake));
        let page = page_of(call, "ListHandshakesForOrganization", input.max_results, input.next_token.as_deref(), shapes, |shape| shape.id.clone())?;
        Ok(Outcome::unchanged(ListHandshakesOutput { handshakes: page.items, next_token: page.next_marker }))
    }
}
