//! What each layer says about a request, before anybody combines them.

use keyward_policy::{Action, Effect, KmsPermission, Policy, Statement};

use crate::context::{RequestContext, endpoint_applies, rcp_exemption};
use crate::facts::{Attached, Principal, Request, Resource, ResourcePolicy, Subject, Target};
use crate::grant::{GranteeMatch, serves};
use crate::principals::{Admission, admission, concerns};

/// A policy among those that were consulted.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Origin {
    /// The key policy, or another resource's own policy.
    Resource,
    /// The `AWS_RAM` policy of a key (A337).
    Ram,
    /// An identity policy, by its place in [`Subject::identity`].
    Identity(usize),
    /// The permissions boundary.
    Boundary,
    /// A session policy, by place.
    Session(usize),
    /// An SCP, by level and place.
    Scp(usize, usize),
    /// An RCP, by place.
    Rcp(usize),
    /// The VPC endpoint's policy.
    Endpoint,
    /// A grant, by place; the statement number is 0.
    Grant(usize),
}

/// One statement of one policy, or one grant.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct StatementRef {
    /// Which policy.
    pub origin: Origin,
    /// Which statement of it, from 0.
    pub statement: usize,
}

/// What a set of policies of one kind says.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Verdict {
    /// Every matching Deny.
    pub denies: Vec<StatementRef>,
    /// Every matching Allow.
    pub allows: Vec<StatementRef>,
}

impl Verdict {
    /// Whether it allows, Denies left aside.
    pub fn allows(&self) -> bool {
        !self.allows.is_empty()
    }

    fn add(&mut self, origin: Origin, statement: usize, effect: Effect) {
        let list = match effect {
            Effect::Allow => &mut self.allows,
            Effect::Deny => &mut self.denies,
        };
        list.push(StatementRef { origin, statement });
    }
}

/// What the resource's own policy says.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ResourceVerdict {
    /// Every matching Deny.
    pub denies: Vec<StatementRef>,
    /// Allows that name the caller itself, or everyone.
    pub direct: Vec<StatementRef>,
    /// Allows that name the role, or the user behind a federated session.
    pub bounded: Vec<StatementRef>,
    /// Allows that name the caller's account.
    pub delegated: Vec<StatementRef>,
}

impl ResourceVerdict {
    /// Whether anything in it admits the caller.
    pub fn admits(&self) -> bool {
        !self.direct.is_empty() || !self.bounded.is_empty() || !self.delegated.is_empty()
    }

    /// All Allows, in the order of the document.
    pub fn allows(&self) -> Vec<StatementRef> {
        let mut all: Vec<_> = self.direct.iter().chain(&self.bounded).chain(&self.delegated).copied().collect();
        all.sort_unstable();
        all
    }
}

/// A grant that serves.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct ServingGrant {
    pub(crate) at: usize,
    pub(crate) who: GranteeMatch,
}

/// Why a layer does not bind.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Exemption {
    /// SCPs never bind principals of the management account (A321).
    ManagementAccount,
    /// SCPs and RCPs do not bind service-linked roles (A322).
    ServiceLinkedRole,
    /// SCPs do not bind services (A323).
    ServicePrincipal,
    /// RCPs do not apply to AWS managed keys (A325).
    AwsManagedKey,
    /// RCPs do not apply to RetireGrant (A325).
    RetireGrant,
    /// RCPs do not apply where there is no resource (A326).
    NoResource,
    /// A forward access session does not pass the caller's VPC endpoint (A332).
    ForwardAccess,
    /// Calls by services do not pass it either (A332).
    ServiceCall,
    /// What names the caller itself is not limited by a boundary or session policy that is merely silent (A212) (A214) (A216).
    NamedItself,
}

/// What every layer says. A layer that does not bind this request is `None`.
#[derive(Clone, Debug)]
pub struct Layers {
    /// RCPs: Denies only (A324).
    pub rcp: Verdict,
    /// SCPs by level; each must allow (A320).
    pub scp: Option<Vec<Verdict>>,
    /// The VPC endpoint's policy (A330).
    pub endpoint: Option<Verdict>,
    /// The key policy, or the trust policy.
    pub resource: ResourceVerdict,
    /// Identity policies.
    pub identity: Verdict,
    /// The permissions boundary.
    pub boundary: Option<Verdict>,
    /// Session policies.
    pub session: Option<Verdict>,
    /// Grants that serve.
    pub(crate) grants: Vec<ServingGrant>,
}

impl Layers {
    /// Every matching Deny of every layer.
    pub(crate) fn every_deny(&self) -> impl Iterator<Item = StatementRef> {
        let verdicts = [&self.rcp, &self.identity].into_iter().chain(self.scp.iter().flatten());
        let verdicts = verdicts.chain(&self.endpoint).chain(&self.boundary).chain(&self.session);
        verdicts.flat_map(|verdict| &verdict.denies).chain(&self.resource.denies).copied()
    }
}

/// Asks every layer.
pub(crate) fn consult(subject: &Subject, target: &Target<'_>, request: &Request<'_>) -> Layers {
    let asker = Asker { subject, target, request };
    Layers {
        rcp: asker.rcps(),
        scp: asker.scps(),
        endpoint: asker.endpoint(),
        resource: asker.resource(),
        identity: asker.attached(&subject.identity, Origin::Identity),
        boundary: subject.boundary.as_ref().map(|boundary| asker.attached(std::slice::from_ref(boundary), |_| Origin::Boundary)),
        session: subject.session.as_ref().map(|session| asker.attached(session, Origin::Session)),
        grants: asker.grants(),
    }
}

struct Asker<'a> {
    subject: &'a Subject,
    target: &'a Target<'a>,
    request: &'a Request<'a>,
}

impl<'a> Asker<'a> {
    fn context(&self, for_key_policy: bool) -> RequestContext<'a> {
        RequestContext { subject: self.subject, target: self.target, request: self.request, for_key_policy }
    }

    fn fits(&self, statement: &Statement, context: &RequestContext<'_>) -> bool {
        let action = &self.request.action;
        // [A141] A `*` resource is asked as the account's pattern; `*` in the policy matches it as it matches all.
        statement.matches_action(action) && statement.applies(action, self.target.arn(), context)
    }

    fn scan(&self, policy: &Policy, origin: Origin, context: &RequestContext<'_>, verdict: &mut Verdict, means: impl Fn(&Statement) -> bool) {
        for (at, statement) in policy.statements().iter().enumerate() {
            if statement.matches_action(&self.request.action) && means(statement) && self.fits(statement, context) {
                verdict.add(origin, at, statement.effect());
            }
        }
    }

    fn attached(&self, policies: &[Attached], origin: impl Fn(usize) -> Origin) -> Verdict {
        let (context, mut verdict) = (self.context(false), Verdict::default());
        for (at, attached) in policies.iter().enumerate() {
            self.scan(&attached.policy, origin(at), &context, &mut verdict, |_| true);
        }
        verdict
    }

    fn rcps(&self) -> Verdict {
        let (context, mut verdict) = (self.context(false), Verdict::default());
        if rcp_exemption(self.subject, self.target, self.request).is_none() {
            for (at, attached) in self.target.rcps.iter().enumerate() {
                self.scan(&attached.policy, Origin::Rcp(at), &context, &mut verdict, |_| true);
            }
        }
        verdict
    }

    /// (A320) (A321) (A322) (A323)
    fn scps(&self) -> Option<Vec<Verdict>> {
        let service = matches!(self.subject.principal, Principal::Service { .. });
        let levels = self.subject.scps.as_ref().filter(|_| !self.subject.service_linked && !service)?;
        Some(levels.iter().enumerate().map(|(level, policies)| self.attached(policies, |at| Origin::Scp(level, at))).collect())
    }

    fn endpoint(&self) -> Option<Verdict> {
        let endpoint = self.request.call.endpoint.as_ref().filter(|_| endpoint_applies(self.subject, self.request))?;
        let policy = ResourcePolicy::unbound(endpoint.policy.clone()?);
        let (context, mut verdict) = (self.context(false), Verdict::default());
        self.scan(&policy.policy, Origin::Endpoint, &context, &mut verdict, |statement| {
            statement.principal().is_some_and(|principal| concerns(principal, &policy, self.subject))
        });
        Some(verdict)
    }

    fn resource(&self) -> ResourceVerdict {
        let mut verdict = ResourceVerdict::default();
        // [A620] RetireGrant is not a matter of the key policy. [A406] Nor are the halves that identity policies decide alone.
        if self.request.is_retirement() || self.request.identity_only {
            return verdict;
        }
        match &self.target.resource {
            Resource::Key { key, .. } => {
                self.resource_policy(&key.policy, Origin::Resource, &mut verdict);
                if let Some(ram) = &key.ram_policy {
                    self.resource_policy(ram, Origin::Ram, &mut verdict); // [A337]
                }
            }
            Resource::Other { policy: Some(policy), .. } => self.resource_policy(policy, Origin::Resource, &mut verdict),
            // [A403] No key policy can allow them.
            Resource::Other { policy: None, .. } | Resource::Alias { .. } | Resource::None { .. } => {}
        }
        verdict
    }

    /// What delegates, delegates no more than its own statement says, and several add up (A304).
    fn resource_policy(&self, policy: &ResourcePolicy, origin: Origin, verdict: &mut ResourceVerdict) {
        let context = self.context(true);
        for (at, statement) in policy.policy.statements().iter().enumerate() {
            let Some(principal) = statement.principal().filter(|_| statement.matches_action(&self.request.action)) else { continue };
            let list = match statement.effect() {
                Effect::Deny if concerns(principal, policy, self.subject) => &mut verdict.denies,
                Effect::Deny => continue,
                Effect::Allow => match admission(principal, policy, self.subject) {
                    Some(Admission::Direct) => &mut verdict.direct,
                    Some(Admission::Bounded) => &mut verdict.bounded,
                    Some(Admission::Delegated) => &mut verdict.delegated,
                    None => continue,
                },
            };
            if self.fits(statement, &context) {
                list.push(StatementRef { origin, statement: at });
            }
        }
    }

    fn grants(&self) -> Vec<ServingGrant> {
        let (Resource::Key { grants, .. }, Some(permission)) = (&self.target.resource, self.kms()) else { return Vec::new() };
        let serving = |(at, grant): (usize, &std::sync::Arc<crate::Grant>)| {
            serves(grant, permission, self.subject, self.request).ok().map(|who| ServingGrant { at, who })
        };
        grants.iter().enumerate().filter_map(serving).collect()
    }

    fn kms(&self) -> Option<KmsPermission> {
        match &self.request.action {
            Action::Kms(permission) if !self.request.is_retirement() && !self.request.identity_only => Some(*permission),
            Action::Kms(_) | Action::Other { .. } => None,
        }
    }
}
