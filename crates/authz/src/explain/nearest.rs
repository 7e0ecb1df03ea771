//! The nearest miss: the Allow, or the grant, that lacks least.

use std::sync::Arc;

use keyward_policy::{Condition, Effect, PrincipalElement, PrincipalKind, Span, Statement, Truth};

use crate::context::RequestContext;
use crate::facts::{Principal, Resource, ResourcePolicy};
use crate::grant::{Grant, GrantMiss, serves};
use crate::layers::{Origin, StatementRef};
use crate::principals::{admission, concerns};

use super::Teller;
use super::reasons::{Cited, statements_of};

/// What came nearest, and what it lacks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Nearest {
    /// Which statement or grant.
    pub cited: Cited,
    /// What it lacks.
    pub lack: Lack,
}

/// What an Allow lacks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Lack {
    /// So many conditions are not met.
    Conditions(usize),
    /// The document lacks `Resource`, so that the statement has no effect (A135).
    ResourceElement,
    /// It means other resources.
    Resource,
    /// It means this caller and other actions.
    Action,
    /// It means who once bore this caller's name, or a unique id that is not this caller's (A206) (A207).
    Recreated,
    /// It means other callers.
    Principal,
    /// A grant that does not serve.
    Grant(GrantMiss),
}

impl Lack {
    /// Least first.
    fn rank(self) -> (u8, usize) {
        match self {
            Self::Conditions(count) => (0, count),
            Self::ResourceElement => (1, 0),
            Self::Resource => (2, 0),
            Self::Action => (3, 0),
            Self::Recreated => (4, 0),
            Self::Principal => (5, 0),
            Self::Grant(miss) => (6, usize::from(distance(miss))),
        }
    }
}

/// How far a grant is from serving.
fn distance(miss: GrantMiss) -> u8 {
    match miss {
        GrantMiss::EncryptionContext => 0,
        GrantMiss::SourceArn | GrantMiss::WiderChild => 1,
        GrantMiss::Recreated => 2,
        GrantMiss::Operation => 3,
        GrantMiss::OtherGrantee => 4,
    }
}

impl<'a> Teller<'a> {
    pub(super) fn nearest_in_own_policy(&self) -> Option<Nearest> {
        let own = self.own_policy().map_or(0, |(policy, _)| policy.policy.statements().len());
        let ram = match &self.target.resource {
            Resource::Key { key, .. } => key.ram_policy.as_ref().map_or(0, |policy| policy.policy.statements().len()),
            Resource::Alias { .. } | Resource::None { .. } | Resource::Other { .. } => 0,
        };
        self.nearest(statements_of(Origin::Resource, own).chain(statements_of(Origin::Ram, ram)))
    }

    /// The Allow that lacks least; of equals the first.
    pub(super) fn nearest(&self, candidates: impl Iterator<Item = StatementRef>) -> Option<Nearest> {
        let (own, other) = (self.context(true), self.context(false));
        let mut best: Option<(Lack, StatementRef, Span)> = None;
        for at in candidates {
            let context = if matches!(at.origin, Origin::Resource | Origin::Ram) { &own } else { &other };
            let Some((_, statement, _)) = self.statement(at) else { continue };
            let Some(lack) = self.lack(at.origin, statement, context) else { continue };
            if best.is_none_or(|(least, ..)| lack.rank() < least.rank()) {
                best = Some((lack, at, statement.span()));
            }
        }
        best.map(|(lack, at, span)| Nearest { cited: Cited { at, span }, lack })
    }

    pub(super) fn nearest_grant(&self, grants: &[Arc<Grant>]) -> Option<Nearest> {
        let permission = self.request.action.kms()?;
        let misses = grants.iter().enumerate().filter_map(|(at, grant)| Some((at, serves(grant, permission, self.subject, self.request).err()?)));
        let (at, miss) = misses.min_by_key(|(_, miss)| distance(*miss))?;
        let cited = Cited { at: StatementRef { origin: Origin::Grant(at), statement: 0 }, span: Span::default() };
        Some(Nearest { cited, lack: Lack::Grant(miss) })
    }

    /// What a statement lacks to allow the request; none if it denies, or has nothing to do with it.
    fn lack(&self, origin: Origin, statement: &Statement, context: &RequestContext<'_>) -> Option<Lack> {
        if statement.effect() == Effect::Deny {
            return None;
        }
        let named = self.named_by(origin, statement.principal());
        if statement.is_inert() {
            // [A135] Everything is there but the Resource element.
            let covers = statement.actions().iter().any(|pattern| pattern.matches(&self.request.action));
            return (covers && named == Named::Caller && statement.resources().next().is_none()).then_some(Lack::ResourceElement);
        }
        let action = statement.matches_action(&self.request.action);
        let resource = statement.matches_resource(self.target.arn(), context) == Truth::Yes;
        match (action, named, resource) {
            (true, Named::Caller, true) => {
                let unmet = unmet(statement, context).count();
                (unmet > 0).then_some(Lack::Conditions(unmet))
            }
            (true, Named::Caller, false) => Some(Lack::Resource),
            (false, Named::Caller, true) => self.is_of_the_same_service(statement).then_some(Lack::Action),
            (true, Named::Predecessor, _) => Some(Lack::Recreated),
            (true, Named::Others, _) => Some(Lack::Principal),
            (false, Named::Caller, false) | (false, Named::Predecessor | Named::Others, _) => None,
        }
    }

    /// A statement about another service is no near miss.
    fn is_of_the_same_service(&self, statement: &Statement) -> bool {
        self.request.action.kms().is_none() || !statement.permissions().is_empty()
    }

    fn named_by(&self, origin: Origin, element: Option<&PrincipalElement>) -> Named {
        let Some(element) = element else { return Named::Caller };
        let unbound;
        let policy = match (origin, &self.target.resource, self.own_policy()) {
            (Origin::Ram, Resource::Key { key, .. }, _) => key.ram_policy.as_ref(),
            (Origin::Resource, _, own) => own.map(|(policy, _)| policy),
            _ => None,
        };
        let meant = match (origin, policy) {
            (Origin::Endpoint, _) => {
                let Some(policy) = self.request.call.endpoint.as_ref().and_then(|endpoint| endpoint.policy.clone()) else { return Named::Others };
                unbound = ResourcePolicy::unbound(policy);
                concerns(element, &unbound, self.subject)
            }
            (_, Some(policy)) => admission(element, policy, self.subject).is_some(),
            (_, None) => false,
        };
        match policy {
            _ if meant => Named::Caller,
            Some(policy) if !element.negated && self.names_predecessor(element, policy) => Named::Predecessor,
            Some(_) | None => Named::Others,
        }
    }

    /// (A206) Whether the element names the caller's ARN as somebody else bore it, or a unique id of the caller's kind that is not the caller's.
    fn names_predecessor(&self, element: &PrincipalElement, policy: &ResourcePolicy) -> bool {
        let (arn, id, prefix) = match &self.subject.principal {
            Principal::User { arn, id } => (arn, id, "AIDA"),
            Principal::RoleSession { role, id, .. } => (role, id, "AROA"),
            Principal::FederatedUser { .. } | Principal::Root { .. } | Principal::Service { .. } => return false,
        };
        element.entries.iter().any(|entry| match &entry.kind {
            PrincipalKind::User(named) | PrincipalKind::Role(named) => {
                named == arn && policy.bound.get(&*entry.text).is_some_and(|bound| Some(bound) != id.as_ref())
            }
            PrincipalKind::UniqueId => entry.text.starts_with(prefix),
            _ => false,
        })
    }
}

/// Whom a statement means, seen from the caller.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Named {
    Caller,
    Predecessor,
    Others,
}

/// The conditions of a statement that the request does not meet.
pub(super) fn unmet<'s>(statement: &'s Statement, context: &RequestContext<'_>) -> impl Iterator<Item = &'s Condition> {
    statement.conditions().iter().filter(move |condition| condition.holds(context) != Truth::Yes)
}
