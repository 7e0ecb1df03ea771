//! A change of an estate or of a request as data, and what would be decided after it.

use std::sync::Arc;

use keyward_policy::{Arn, Policy, PolicyKind, Version};

use crate::authorize::{Decision, authorize};
use crate::facts::{Attached, Principal, Request, Resource, ResourcePolicy, Subject, Target, Via};
use crate::grant::Grant;
use crate::names::AliasName;

use super::write::{document_of, with_statement};

/// A change that turns a refusal: all its parts together.
#[derive(Clone, Debug, PartialEq)]
pub struct Remedy {
    pub(super) parts: Vec<Part>,
    /// The caller that was refused.
    principal: Principal,
    /// The resource that it was refused.
    resource: String,
    /// The VPC endpoint through which it came.
    endpoint: Option<String>,
}

/// A change in one place.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Part {
    pub(super) account: String,
    pub(super) place: String,
    pub(super) change: Change,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Change {
    /// A statement is added. `policy` has it alone, for where it stands beside others.
    Statement { to: Addition, text: String, policy: Policy },
    /// A policy is replaced by one in which a Deny exempts the caller, wherever it is attached.
    Narrow { name: String, condition: String, from: Policy, to: Policy },
    /// A grant is made.
    Grant { grant: Arc<Grant>, parameters: String },
    /// The call is made differently.
    Request { change: RequestChange, words: String },
}

/// To which policy a statement is added.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Addition {
    /// The key policy, or the trust policy.
    Own,
    /// An inline policy of the caller.
    Identity,
    /// The policy that is the boundary, of whoever else has it too.
    Boundary(Policy),
    /// The policies with which the caller's session is made.
    Session,
    /// A level of SCPs.
    Scp(usize),
    /// The VPC endpoint's policy.
    Endpoint,
}

impl Change {
    /// A statement for a policy of this kind, in which `${…}` reads as it does beside it.
    pub(super) fn statement(to: Addition, text: String, version: Version) -> Self {
        let kind = match &to {
            Addition::Own => PolicyKind::Key,
            Addition::Identity | Addition::Boundary(_) | Addition::Session => PolicyKind::Identity,
            Addition::Scp(_) => PolicyKind::Scp,
            Addition::Endpoint => PolicyKind::Endpoint,
        };
        let policy = Policy::parse(kind, document_of(version, &text));
        Self::Statement { to, text, policy }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum RequestChange {
    /// A service calls for the caller.
    Through(Via),
    /// A pair of the encryption context, in place of the one with another name.
    Pair { name: String, value: String, instead_of: Option<String> },
    /// The key is named by an alias.
    Alias(AliasName),
    /// TLS is used.
    Tls,
}

impl Remedy {
    pub(super) fn of(subject: &Subject, target: &Target<'_>, request: &Request<'_>) -> Self {
        Self {
            parts: Vec::new(),
            principal: subject.principal.clone(),
            resource: target.arn().to_owned(),
            endpoint: request.call.endpoint.as_ref().map(|endpoint| endpoint.id.clone()),
        }
    }

    pub(super) fn with(self, parts: Vec<Part>) -> Self {
        Self { parts, ..self }
    }

    /// Whether it changes nothing but the request.
    pub fn changes_only_the_request(&self) -> bool {
        self.parts.iter().all(|part| matches!(part.change, Change::Request { .. }))
    }

    /// What would be decided about any request, the refused one or another, after the policies and grants have changed.
    pub fn decide(&self, subject: &Subject, target: &Target<'_>, request: &Request<'_>) -> Decision {
        self.with_changes(subject, target, request, false, authorize)
    }

    /// What would be decided about the refused request after everything has changed, the request too.
    pub fn decide_refused(&self, subject: &Subject, target: &Target<'_>, request: &Request<'_>) -> Decision {
        self.with_request_changed(subject, target, request, authorize)
    }

    pub(super) fn with_request_changed<T>(
        &self,
        subject: &Subject,
        target: &Target<'_>,
        request: &Request<'_>,
        see: impl FnOnce(&Subject, &Target<'_>, &Request<'_>) -> T,
    ) -> T {
        self.with_changes(subject, target, request, true, see)
    }

    fn with_changes<T>(
        &self,
        subject: &Subject,
        target: &Target<'_>,
        request: &Request<'_>,
        own_request: bool,
        see: impl FnOnce(&Subject, &Target<'_>, &Request<'_>) -> T,
    ) -> T {
        let (mut subject, mut rcps, mut call) = (subject.clone(), target.rcps.to_vec(), request.call.clone());
        let (mut pairs, mut alias) = (request.encryption_context.cloned(), request.alias.cloned());
        let mut own = Own::of(&target.resource);
        for part in &self.parts {
            match &part.change {
                Change::Statement { to: Addition::Own, text, policy } if target.arn() == self.resource => own.add(text, policy),
                Change::Statement { to: Addition::Own, .. } => {}
                Change::Statement { to: Addition::Endpoint, text, .. } => {
                    let endpoint = call.endpoint.as_mut().filter(|endpoint| Some(&endpoint.id) == self.endpoint.as_ref());
                    if let Some(policy) = endpoint.and_then(|endpoint| endpoint.policy.as_mut()) {
                        *policy = with_statement(policy, text);
                    }
                }
                Change::Statement { to, text, policy } => self.add_to_subject(&mut subject, to, text, policy),
                Change::Narrow { from, to, .. } => {
                    let endpoint = call.endpoint.as_mut().and_then(|endpoint| endpoint.policy.as_mut());
                    let attached = policies_of(&mut subject).chain(&mut rcps).map(|attached| &mut attached.policy);
                    let own = own.policies().filter(|_| target.arn() == self.resource);
                    attached.chain(own).chain(endpoint).filter(|policy| *policy == from).for_each(|policy| *policy = to.clone());
                }
                Change::Grant { grant, .. } => own.grant(grant),
                Change::Request { .. } if !own_request => {}
                Change::Request { change: RequestChange::Through(via), .. } => call.via = Some(via.clone()),
                Change::Request { change: RequestChange::Pair { name, value, instead_of }, .. } => {
                    let pairs = pairs.get_or_insert_default();
                    instead_of.iter().for_each(|other| drop(pairs.remove(other)));
                    pairs.insert(name.clone(), value.clone());
                }
                Change::Request { change: RequestChange::Alias(name), .. } => alias = Some(name.clone()),
                Change::Request { change: RequestChange::Tls, .. } => call.secure_transport = true,
            }
        }
        let target =
            Target { resource: own.resource(&target.resource), rcps: &rcps, rcps_unknown: target.rcps_unknown, organization: target.organization };
        let request = Request { call: &call, encryption_context: pairs.as_ref(), alias: alias.as_ref(), ..request.clone() };
        see(&subject, &target, &request)
    }

    fn add_to_subject(&self, subject: &mut Subject, to: &Addition, text: &str, alone: &Policy) {
        let attached = || Attached { policy: alone.clone(), name: "the fix".into(), arn: None };
        match to {
            Addition::Identity if holder(&subject.principal).is_some() && holder(&subject.principal) == holder(&self.principal) => {
                subject.identity.push(attached());
            }
            Addition::Boundary(policy) => {
                if let Some(boundary) = subject.boundary.as_mut().filter(|boundary| boundary.policy == *policy) {
                    boundary.policy = with_statement(policy, text);
                }
            }
            Addition::Session if subject.principal == self.principal => {
                subject.session.get_or_insert_default().push(attached());
            }
            Addition::Scp(level) if subject.principal.account() == self.principal.account() => {
                let level = subject.scps.as_mut().and_then(|levels| levels.get_mut(*level));
                level.into_iter().for_each(|level| level.push(attached()));
            }
            Addition::Identity | Addition::Session | Addition::Scp(_) | Addition::Own | Addition::Endpoint => {}
        }
    }
}

/// Whose identity policies a caller has.
pub(super) fn holder(principal: &Principal) -> Option<&Arn> {
    match principal {
        Principal::User { arn, .. } => Some(arn),
        Principal::RoleSession { role, .. } => Some(role),
        Principal::FederatedUser { user, .. } => user.as_ref(),
        Principal::Root { .. } | Principal::Service { .. } => None,
    }
}

fn policies_of(subject: &mut Subject) -> impl Iterator<Item = &mut Attached> {
    let own = subject.identity.iter_mut().chain(&mut subject.boundary).chain(subject.session.iter_mut().flatten());
    own.chain(subject.scps.iter_mut().flatten().flatten())
}

/// A copy of the resource's own side, to be changed.
enum Own {
    Key { key: Box<crate::facts::KeyFacts>, grants: Vec<Arc<Grant>> },
    Other(Option<ResourcePolicy>),
}

impl Own {
    fn of(resource: &Resource<'_>) -> Self {
        match resource {
            Resource::Key { key, grants } => Self::Key { key: Box::new((*key).clone()), grants: grants.to_vec() },
            Resource::Other { policy, .. } => Self::Other(policy.cloned()),
            Resource::Alias { .. } | Resource::None { .. } => Self::Other(None),
        }
    }

    fn resource<'o>(&'o self, was: &Resource<'o>) -> Resource<'o> {
        match (self, was) {
            (Self::Key { key, grants }, _) => Resource::Key { key, grants },
            (Self::Other(policy), Resource::Other { arn, account, tags, .. }) => {
                Resource::Other { arn, account: *account, tags: *tags, policy: policy.as_ref() }
            }
            (Self::Other(_), other) => other.clone(),
        }
    }

    fn add(&mut self, statement: &str, alone: &Policy) {
        match self {
            Self::Key { key, .. } => {
                // The second policy of a key is evaluated with the first [A337]: there the new statement means who bears the names now,
                // while the old ones go on to mean whom they meant when they were saved [A206].
                let beside = key.ram_policy.take();
                key.ram_policy = Some(match beside {
                    Some(ram) => ResourcePolicy { policy: with_statement(&ram.policy, statement), bound: ram.bound },
                    None => ResourcePolicy::unbound(alone.clone()),
                });
            }
            Self::Other(Some(policy)) => policy.policy = with_statement(&policy.policy, statement),
            Self::Other(None) => {}
        }
    }

    fn policies(&mut self) -> impl Iterator<Item = &mut Policy> {
        let policies = match self {
            Self::Key { key, .. } => [Some(&mut key.policy), key.ram_policy.as_mut()],
            Self::Other(policy) => [policy.as_mut(), None],
        };
        policies.into_iter().flatten().map(|policy| &mut policy.policy)
    }

    fn grant(&mut self, grant: &Arc<Grant>) {
        match self {
            Self::Key { key, grants } if key.arn == grant.key => grants.push(grant.clone()),
            Self::Key { .. } | Self::Other(_) => {}
        }
    }
}
