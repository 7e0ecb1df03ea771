//! The reasons of a decision as ids and spans, without a word of text: cheap enough for whoever decides to keep them.

use keyward_policy::Span;

use crate::authorize::{Decision, Layer, Refusal, decide, missing_limits};
use crate::context::{endpoint_applies, rcp_exemption};
use crate::facts::{Principal, Request, Resource, Subject, Target};
use crate::layers::{Exemption, Origin, StatementRef, Verdict, consult};

use super::Teller;
use super::nearest::Nearest;

/// A decision, with what every layer said.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Reasons {
    /// The decision itself.
    pub decision: Decision,
    /// Each layer that had a say, or would have had one but for an exemption, in the order in which a person asks.
    pub layers: Vec<LayerReasons>,
}

/// What one layer said.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LayerReasons {
    /// Which.
    pub layer: Layer,
    /// Which level of SCPs, from 0 at the root; none for other layers.
    pub level: Option<usize>,
    /// What it said.
    pub stance: Stance,
    /// The statements and grants that said so.
    pub statements: Vec<Cited>,
    /// Where it was silent: the statement or grant that came nearest.
    pub nearest: Option<Nearest>,
}

/// A statement or grant, and where it stands in its document; a grant stands in none.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Cited {
    /// Which.
    pub at: StatementRef,
    /// Its bytes.
    pub span: Span,
}

/// What a layer said.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Stance {
    /// It allows.
    Allows,
    /// It leaves the answer to identity policies of the caller's account (A303).
    Delegates,
    /// It has no Allow.
    Silent,
    /// It denies.
    Denies,
    /// It could only deny, and does not.
    Passes,
    /// It would be asked if something were otherwise.
    DoesNotBind(Exemption),
    /// It binds, and the facts do not have it.
    Unknown,
}

/// Decides, and lists what every layer said.
pub fn reasons(subject: &Subject, target: &Target<'_>, request: &Request<'_>) -> Reasons {
    let layers = consult(subject, target, request);
    let decision = decide(subject, target, request, &layers);
    let told = Teller { subject, target, request, layers: &layers }.layer_reasons(&decision);
    Reasons { decision, layers: told }
}

impl Reasons {
    /// What a layer said; of several levels of SCPs the first that did not pass.
    pub(super) fn of(&self, layer: Layer) -> Option<&LayerReasons> {
        let mut found = self.layers.iter().filter(|reasons| reasons.layer == layer);
        found.clone().find(|reasons| matches!(reasons.stance, Stance::Denies | Stance::Silent)).or_else(|| found.next())
    }
}

impl Teller<'_> {
    pub(super) fn layer_reasons(&self, decision: &Decision) -> Vec<LayerReasons> {
        let mut all = Vec::with_capacity(4);
        all.extend(self.own_policy_reasons());
        if !matches!(self.subject.principal, Principal::Service { .. }) {
            all.push(self.identity_reasons());
        }
        all.extend(self.boundary_reasons(decision));
        all.extend(self.session_reasons(decision));
        all.extend(self.grant_reasons(decision));
        all.extend(self.endpoint_reasons());
        self.scp_reasons(&mut all);
        all.extend(self.rcp_reasons());
        all
    }

    fn own_policy_reasons(&self) -> Option<LayerReasons> {
        self.own_policy().filter(|_| !self.request.is_retirement() && !self.request.identity_only)?;
        let verdict = &self.layers.resource;
        let (stance, statements) = match verdict {
            _ if !verdict.denies.is_empty() => (Stance::Denies, self.cited(&verdict.denies)),
            _ if !verdict.direct.is_empty() || !verdict.bounded.is_empty() => (Stance::Allows, self.cited(&verdict.allows())),
            _ if !verdict.delegated.is_empty() => (Stance::Delegates, self.cited(&verdict.delegated)),
            _ => (Stance::Silent, Vec::new()),
        };
        let nearest = (stance == Stance::Silent).then(|| self.nearest_in_own_policy()).flatten();
        Some(LayerReasons { layer: Layer::KeyPolicy, level: None, stance, statements, nearest })
    }

    fn identity_reasons(&self) -> LayerReasons {
        let policies = self.subject.identity.iter().enumerate();
        let candidates = policies.flat_map(|(at, attached)| statements_of(Origin::Identity(at), attached.policy.statements().len()));
        self.limit(Layer::Identity, None, &self.layers.identity, candidates)
    }

    fn boundary_reasons(&self, decision: &Decision) -> Option<LayerReasons> {
        let (boundary, verdict) = (self.subject.boundary.as_ref()?, self.layers.boundary.as_ref()?);
        let candidates = statements_of(Origin::Boundary, boundary.policy.statements().len());
        Some(excused(decision, self.limit(Layer::Boundary, None, verdict, candidates)))
    }

    /// (A219) A federated user without session policy has one that allows nothing.
    fn session_reasons(&self, decision: &Decision) -> Option<LayerReasons> {
        let none = Verdict::default();
        let federated = matches!(self.subject.principal, Principal::FederatedUser { .. });
        let verdict = self.layers.session.as_ref().or_else(|| federated.then_some(&none))?;
        let policies = self.subject.session.iter().flatten().enumerate();
        let candidates = policies.flat_map(|(at, attached)| statements_of(Origin::Session(at), attached.policy.statements().len()));
        Some(excused(decision, self.limit(Layer::Session, None, verdict, candidates)))
    }

    fn grant_reasons(&self, decision: &Decision) -> Option<LayerReasons> {
        let Resource::Key { grants, .. } = &self.target.resource else { return None };
        if self.request.is_retirement() {
            let stance = if decision.is_allowed() { Stance::Allows } else { Stance::Silent };
            let grant = Cited { at: StatementRef { origin: Origin::Grant(0), statement: 0 }, span: Span::default() };
            let statements = if decision.is_allowed() { vec![grant] } else { Vec::new() };
            return Some(LayerReasons { statements, ..said(Layer::Grant, stance) });
        }
        let serving = self.layers.grants.iter().map(|grant| StatementRef { origin: Origin::Grant(grant.at), statement: 0 });
        let statements: Vec<Cited> = serving.map(|at| Cited { at, span: Span::default() }).collect();
        let stance = if statements.is_empty() { Stance::Silent } else { Stance::Allows };
        let nearest = (stance == Stance::Silent).then(|| self.nearest_grant(grants)).flatten();
        Some(LayerReasons { layer: Layer::Grant, level: None, stance, statements, nearest })
    }

    fn endpoint_reasons(&self) -> Option<LayerReasons> {
        let endpoint = self.request.call.endpoint.as_ref()?;
        if !endpoint_applies(self.subject, self.request) {
            let service = matches!(self.subject.principal, Principal::Service { .. });
            return Some(exempt(Layer::Endpoint, if service { Exemption::ServiceCall } else { Exemption::ForwardAccess }));
        }
        match (&endpoint.policy, &self.layers.endpoint) {
            (Some(policy), Some(verdict)) => {
                Some(self.limit(Layer::Endpoint, None, verdict, statements_of(Origin::Endpoint, policy.statements().len())))
            }
            // The default policy allows everything (A330).
            _ => Some(said(Layer::Endpoint, Stance::Passes)),
        }
    }

    fn scp_reasons(&self, all: &mut Vec<LayerReasons>) {
        if let (Some(levels), Some(verdicts)) = (&self.subject.scps, &self.layers.scp) {
            for ((level, policies), verdict) in levels.iter().enumerate().zip(verdicts) {
                let policies = policies.iter().enumerate();
                let candidates = policies.flat_map(|(at, attached)| statements_of(Origin::Scp(level, at), attached.policy.statements().len()));
                all.push(self.limit(Layer::Scp, Some(level), verdict, candidates));
            }
        }
        let organized = self.subject.scps.is_some() || self.subject.scps_unknown;
        let exemption = match &self.subject.principal {
            Principal::Service { .. } => organized.then_some(Exemption::ServicePrincipal),
            _ if self.subject.in_management_account => Some(Exemption::ManagementAccount),
            _ => (organized && self.subject.service_linked).then_some(Exemption::ServiceLinkedRole),
        };
        all.extend(exemption.map(|exemption| exempt(Layer::Scp, exemption)));
        all.extend(self.missing(Layer::Scp));
    }

    /// What is not known of a limit.
    fn missing(&self, layer: Layer) -> Option<LayerReasons> {
        missing_limits(self.subject, self.target, self.request).find(|missing| *missing == layer).map(|layer| said(layer, Stance::Unknown))
    }

    fn rcp_reasons(&self) -> Option<LayerReasons> {
        if self.target.rcps.is_empty() && !self.target.rcps_unknown {
            return None;
        }
        if let Some(exemption) = rcp_exemption(self.subject, self.target, self.request) {
            return Some(exempt(Layer::Rcp, exemption));
        }
        if self.layers.rcp.denies.is_empty()
            && let Some(missing) = self.missing(Layer::Rcp)
        {
            return Some(missing);
        }
        let statements = self.cited(&self.layers.rcp.denies);
        let stance = if statements.is_empty() { Stance::Passes } else { Stance::Denies };
        Some(LayerReasons { statements, ..said(Layer::Rcp, stance) })
    }

    /// A layer that allows, denies or is silent.
    fn limit(&self, layer: Layer, level: Option<usize>, verdict: &Verdict, candidates: impl Iterator<Item = StatementRef>) -> LayerReasons {
        let (stance, statements) = match verdict {
            _ if !verdict.denies.is_empty() => (Stance::Denies, &verdict.denies),
            _ if verdict.allows() => (Stance::Allows, &verdict.allows),
            _ => (Stance::Silent, &verdict.allows),
        };
        let nearest = if stance == Stance::Silent { self.nearest(candidates) } else { None };
        LayerReasons { layer, level, stance, statements: self.cited(statements), nearest }
    }

    fn cited(&self, statements: &[StatementRef]) -> Vec<Cited> {
        statements.iter().map(|at| self.cite(*at)).collect()
    }

    pub(super) fn cite(&self, at: StatementRef) -> Cited {
        Cited { at, span: self.statement(at).map_or_else(Span::default, |(_, statement, _)| statement.span()) }
    }
}

pub(super) fn statements_of(origin: Origin, count: usize) -> impl Iterator<Item = StatementRef> {
    (0..count).map(move |statement| StatementRef { origin, statement })
}

/// A limit that is silent, and in spite of which the request is allowed.
fn excused(decision: &Decision, reasons: LayerReasons) -> LayerReasons {
    match (reasons.stance, decision.refusal()) {
        (Stance::Silent, None) => exempt(reasons.layer, Exemption::NamedItself),
        (_, None | Some(Refusal::Denied | Refusal::Silent)) => reasons,
    }
}

fn said(layer: Layer, stance: Stance) -> LayerReasons {
    LayerReasons { layer, level: None, stance, statements: Vec::new(), nearest: None }
}

fn exempt(layer: Layer, exemption: Exemption) -> LayerReasons {
    said(layer, Stance::DoesNotBind(exemption))
}
