//! The decision: all layers, one table (§3).

use keyward_policy::{Action, KmsPermission, Presumption};

use crate::context::rcp_exemption;
use crate::facts::{Attached, Principal, Request, Resource, Subject, Target, Unsaid};
use crate::grant::{GranteeMatch, Retirement, retirement};
use crate::layers::{Layers, Origin, StatementRef, Verdict, consult};
use crate::names::KeyArn;
use crate::operation::crosses_accounts;

/// The layer that decided.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Layer {
    /// The key policy alone, or another resource's own policy.
    KeyPolicy,
    /// Identity policies.
    Identity,
    /// A grant.
    Grant,
    /// A resource control policy.
    Rcp,
    /// A service control policy.
    Scp,
    /// A VPC endpoint's policy.
    Endpoint,
    /// The permissions boundary.
    Boundary,
    /// A session policy.
    Session,
    /// The operation does not work across accounts (A313).
    Operation,
}

impl Layer {
    /// The name in cases and in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::KeyPolicy => "key-policy",
            Self::Identity => "identity",
            Self::Grant => "grant",
            Self::Rcp => "rcp",
            Self::Scp => "scp",
            Self::Endpoint => "endpoint",
            Self::Boundary => "boundary",
            Self::Session => "session",
            Self::Operation => "operation",
        }
    }
}

/// Why a request is refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Refusal {
    /// A Deny matched (A301).
    Denied,
    /// No Allow where one was needed.
    Silent,
}

/// Allowed or refused, by which layer, and by what. Nothing in it is text: words are made by [`sentence`](crate::sentence) and
/// [`explain`](crate::explain) when somebody reads them.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Decision {
    outcome: Result<(), Refusal>,
    layer: Layer,
    /// The statements and grants that decided.
    statements: Vec<StatementRef>,
    rules: &'static [&'static str],
    granted: Option<(KeyArn, KmsPermission)>,
    /// What could still refuse it and is not among the facts.
    unknown: Option<Layer>,
}

impl Decision {
    /// Whether the request is allowed.
    pub fn is_allowed(&self) -> bool {
        self.outcome.is_ok()
    }

    /// Why not, if not.
    pub fn refusal(&self) -> Option<Refusal> {
        self.outcome.err()
    }

    /// The layer that decided.
    pub fn layer(&self) -> Layer {
        self.layer
    }

    /// The statements and grants that decided.
    pub fn statements(&self) -> &[StatementRef] {
        &self.statements
    }

    /// The numbers of the rules that decided.
    pub fn rules(&self) -> &'static [&'static str] {
        self.rules
    }

    /// The layer that could still refuse what is allowed as far as known, because the facts do not have it.
    pub fn unknown(&self) -> Option<Layer> {
        self.unknown
    }

    /// The permit, if this decision allowed a KMS permission on a key, and nothing unknown could still refuse it.
    pub fn permit(self) -> Option<Permit> {
        let (key, permission) = self.granted.filter(|_| self.unknown.is_none())?;
        self.outcome.ok().map(|()| Permit { key, permission })
    }

    fn allow(layer: Layer, rules: &'static [&'static str], statements: Vec<StatementRef>) -> Self {
        Self { outcome: Ok(()), layer, statements, rules, granted: None, unknown: None }
    }

    fn deny(layer: Layer, rules: &'static [&'static str], statements: &[StatementRef]) -> Self {
        Self { outcome: Err(Refusal::Denied), layer, statements: statements.to_vec(), rules, granted: None, unknown: None }
    }

    fn silent(layer: Layer, rules: &'static [&'static str]) -> Self {
        Self { outcome: Err(Refusal::Silent), layer, statements: Vec::new(), rules, granted: None, unknown: None }
    }
}

/// Proof that [`authorize`] allowed one permission on one key. There is no other way to make one:
///
/// ```compile_fail
/// fn forge(key: keyward_authz::KeyArn, permission: keyward_policy::KmsPermission) -> keyward_authz::Permit {
///     keyward_authz::Permit { key, permission }
/// }
/// ```
///
/// The same with a decision compiles:
///
/// ```
/// fn earn(decision: keyward_authz::Decision) -> Option<keyward_authz::Permit> {
///     decision.permit()
/// }
/// ```
///
/// and it cannot be used twice:
///
/// ```compile_fail
/// fn spend(_: keyward_authz::Permit) {}
/// fn twice(permit: keyward_authz::Permit) {
///     spend(permit);
///     spend(permit);
/// }
/// ```
#[must_use]
#[derive(Debug)]
pub struct Permit {
    key: KeyArn,
    permission: KmsPermission,
}

impl Permit {
    /// The key for which it is good.
    pub fn key(&self) -> &KeyArn {
        &self.key
    }

    /// The permission for which it is good.
    pub fn permission(&self) -> KmsPermission {
        self.permission
    }
}

/// Decides one permission on one resource. Pure, total, and the only place where access is decided.
pub fn authorize(subject: &Subject, target: &Target<'_>, request: &Request<'_>) -> Decision {
    decide(subject, target, request, &consult(subject, target, request))
}

pub(crate) fn decide(subject: &Subject, target: &Target<'_>, request: &Request<'_>, layers: &Layers) -> Decision {
    let situation = Situation::of(subject, target, request);
    let across = situation == Situation::AcrossAccounts;
    let mut decision = refused_by_deny(if across { &OWN_SIDE } else { &ALL_SIDES }, layers)
        .or_else(|| refused_by_operation(situation, target, request))
        .or_else(|| refused_by_limits_of_all(layers))
        .or_else(|| refused_by_what_is_unknown(subject, target, request))
        .unwrap_or_else(|| by_allows(situation, subject, request, layers));
    // [A906] The owner's side is told only to whom the own side, silent or denying, does not refuse already: else the
    // sentence for a key that denies would differ from that for one that does not exist.
    if across && (decision.is_allowed() || decision.layer == Layer::KeyPolicy) {
        decision = refused_by_deny(&OWNER_SIDE, layers).unwrap_or(decision);
    }
    if let (Resource::Key { key, .. }, Action::Kms(permission), true) = (&target.resource, &request.action, decision.is_allowed()) {
        decision.granted = Some((key.arn.clone(), *permission));
    }
    if decision.is_allowed() {
        decision.unknown = missing_limits(subject, target, request).next();
    }
    decision
}

/// One of the ways in which an allowed request is allowed, and which of the caller's own layers it needs.
pub(crate) struct OneWay {
    pub(crate) layer: Layer,
    pub(crate) statements: Vec<StatementRef>,
    /// Identity policies, whose statements are not among these.
    pub(crate) needs_identity: bool,
    pub(crate) needs_limits: bool,
}

/// Every way in which an allowed request is allowed, the deciding one first: what would still allow it if that were gone.
/// Empty if the request is refused.
pub(crate) fn every_way(subject: &Subject, target: &Target<'_>, request: &Request<'_>, layers: &Layers) -> Vec<OneWay> {
    let decision = decide(subject, target, request, layers);
    if !decision.is_allowed() {
        return Vec::new();
    }
    let situation = Situation::of(subject, target, request);
    let one = |decision: Decision, needs_limits: bool| OneWay {
        layer: decision.layer,
        statements: decision.statements,
        needs_identity: false,
        needs_limits,
    };
    // [A608] What a grant needs beside itself.
    let by_grant = |decision: Decision, who: GranteeMatch| OneWay {
        needs_identity: who == GranteeMatch::OfAccount,
        ..one(decision, who != GranteeMatch::Itself)
    };
    match situation {
        Situation::IdentityAlone => return vec![one(decision, true)],
        // [A620]
        Situation::Retire => {
            return vec![match request.retires.and_then(|grant| retirement(grant, subject)) {
                Some(Retirement::Grantee(who)) => by_grant(decision, who),
                Some(Retirement::RetiringPrincipal) => one(decision, false),
                Some(Retirement::Account) | None => one(decision, true),
            }];
        }
        Situation::OneAccount | Situation::AcrossAccounts => {}
    }
    let root = matches!(subject.principal, Principal::Root { .. });
    let mut ways = Vec::new();
    // A role that the key policy names beside its session is among the statements of the direct way.
    let covered = |source: &Source| *source == Source::Bounded && !layers.resource.direct.is_empty();
    for source in Source::ALL.iter().filter(|source| !covered(source)) {
        let Some(decision) = source.allow(situation, subject, layers) else { continue };
        match source {
            Source::Direct => ways.push(one(decision, root)),
            Source::Bounded | Source::Both => ways.push(one(decision, true)),
            Source::Grant => ways.extend(layers.grants.iter().filter(|grant| grant_limit(subject, layers, grant.who).is_ok()).map(|grant| {
                let at = StatementRef { origin: Origin::Grant(grant.at), statement: 0 };
                by_grant(Decision::allow(Layer::Grant, &["A307"], vec![at]), grant.who)
            })),
        }
    }
    ways
}

/// Which sources can allow at all.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Situation {
    /// Retiring a grant: decided by the grant (A620).
    Retire,
    /// No key and no policy of a resource: identity policies alone (A403).
    IdentityAlone,
    /// Caller and resource are of one account, or the caller is a service (A208).
    OneAccount,
    /// The caller's account is not the owner's (A310), which holds for making grants as well (A642).
    AcrossAccounts,
}

impl Situation {
    fn of(subject: &Subject, target: &Target<'_>, request: &Request<'_>) -> Self {
        if request.is_retirement() {
            return Self::Retire;
        }
        let own_policy = match &target.resource {
            Resource::Key { .. } => true,
            Resource::Other { policy, .. } => policy.is_some(),
            Resource::Alias { .. } | Resource::None { .. } => false,
        };
        match (subject.principal.account(), target.owner()) {
            _ if request.identity_only || !own_policy => Self::IdentityAlone,
            (Some(caller), Some(owner)) if caller != owner => Self::AcrossAccounts,
            _ => Self::OneAccount,
        }
    }
}

/// (A340) The order in which Denies are told.
const ALL_SIDES: [Layer; 7] = [Layer::Rcp, Layer::Scp, Layer::Endpoint, Layer::KeyPolicy, Layer::Identity, Layer::Boundary, Layer::Session];
/// (A906) Across accounts: what stands on the caller's side, and what on the owner's.
const OWN_SIDE: [Layer; 5] = [Layer::Scp, Layer::Endpoint, Layer::Identity, Layer::Boundary, Layer::Session];
const OWNER_SIDE: [Layer; 2] = [Layer::Rcp, Layer::KeyPolicy];

/// (A301) (A640) Any matching Deny ends it, whatever a grant says.
fn refused_by_deny(sides: &[Layer], layers: &Layers) -> Option<Decision> {
    let of = |verdict: &Option<Verdict>| verdict.as_ref().map_or_else(Vec::new, |verdict| verdict.denies.clone());
    let denies = |layer: Layer| match layer {
        Layer::Rcp => layers.rcp.denies.clone(),
        Layer::Scp => layers.scp.iter().flatten().flat_map(|level| level.denies.iter().copied()).collect(),
        Layer::Endpoint => of(&layers.endpoint),
        Layer::KeyPolicy => layers.resource.denies.clone(),
        Layer::Identity => layers.identity.denies.clone(),
        Layer::Boundary => of(&layers.boundary),
        Layer::Session => of(&layers.session),
        Layer::Grant | Layer::Operation => Vec::new(),
    };
    sides.iter().find_map(|layer| Some(denies(*layer)).filter(|denies| !denies.is_empty()).map(|denies| Decision::deny(*layer, &["A301"], &denies)))
}

/// (A313) Only some operations work on keys of other accounts.
fn refused_by_operation(situation: Situation, target: &Target<'_>, request: &Request<'_>) -> Option<Decision> {
    let Action::Kms(permission) = &request.action else { return None };
    let across = situation == Situation::AcrossAccounts && matches!(target.resource, Resource::Key { .. });
    (across && !crosses_accounts(*permission)).then(|| Decision::silent(Layer::Operation, &["A313"]))
}

/// (A320) Each level of SCPs must allow; (A330) so must the endpoint's policy.
fn refused_by_limits_of_all(layers: &Layers) -> Option<Decision> {
    if layers.scp.iter().flatten().any(|level| !level.allows()) {
        return Some(Decision::silent(Layer::Scp, &["A320"]));
    }
    layers.endpoint.as_ref().filter(|endpoint| !endpoint.allows()).map(|_| Decision::silent(Layer::Endpoint, &["A330"]))
}

/// A question that presumes the worst presumes it of SCPs and RCPs that nobody has shown, too.
fn refused_by_what_is_unknown(subject: &Subject, target: &Target<'_>, request: &Request<'_>) -> Option<Decision> {
    let adverse = request.unsaid == Unsaid::Open(Presumption::Adverse);
    let layer = missing_limits(subject, target, request).next().filter(|_| adverse)?;
    Some(Decision::silent(layer, if layer == Layer::Rcp { &["A324"] } else { &["A320"] }))
}

/// The organization's limits that bind this request and that the facts do not have.
pub(crate) fn missing_limits(subject: &Subject, target: &Target<'_>, request: &Request<'_>) -> impl Iterator<Item = Layer> {
    // [A321] [A322] [A323]
    let exempt = subject.service_linked || subject.in_management_account || matches!(subject.principal, Principal::Service { .. });
    let scps = (subject.scps_unknown && !exempt).then_some(Layer::Scp);
    // [A324]
    let rcps = (target.rcps_unknown && rcp_exemption(subject, target, request).is_none()).then_some(Layer::Rcp);
    scps.into_iter().chain(rcps)
}

/// What the caller's own side says when identity policies are asked.
fn own_side(subject: &Subject, layers: &Layers) -> Result<(), Layer> {
    // [A209] The root user needs no identity policy on its own side.
    if !matches!(subject.principal, Principal::Root { .. }) && !layers.identity.allows() {
        return Err(Layer::Identity);
    }
    limits(subject, layers)
}

/// Boundary and session policy, where they bind.
fn limits(subject: &Subject, layers: &Layers) -> Result<(), Layer> {
    if layers.boundary.as_ref().is_some_and(|boundary| !boundary.allows()) {
        return Err(Layer::Boundary);
    }
    // [A219] A federated user without session policy has one that allows nothing.
    let federated = matches!(subject.principal, Principal::FederatedUser { .. });
    let silent = layers.session.as_ref().map_or(federated, |session| !session.allows());
    if silent { Err(Layer::Session) } else { Ok(()) }
}

/// Nobody denied. Who allows?
fn by_allows(situation: Situation, subject: &Subject, request: &Request<'_>, layers: &Layers) -> Decision {
    match situation {
        Situation::Retire => by_retirement(subject, request, layers),
        Situation::IdentityAlone => match own_side(subject, layers) {
            Ok(()) => Decision::allow(Layer::Identity, &["A403"], layers.identity.allows.clone()),
            Err(layer) => Decision::silent(layer, &["A403"]),
        },
        Situation::OneAccount | Situation::AcrossAccounts => {
            Source::ALL.iter().find_map(|source| source.allow(situation, subject, layers)).unwrap_or_else(|| missing(situation, subject, layers))
        }
    }
}

/// What can allow a request on a key by itself, in the order in which it is told (A307) (A310).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Source {
    /// The key policy names the caller itself.
    Direct,
    /// The key policy names the caller's role, or the user behind it.
    Bounded,
    /// The key policy names the caller's account, or across accounts admits the caller at all, and identity policies allow.
    Both,
    /// A grant.
    Grant,
}

impl Source {
    const ALL: [Self; 4] = [Self::Direct, Self::Bounded, Self::Both, Self::Grant];

    fn allow(self, situation: Situation, subject: &Subject, layers: &Layers) -> Option<Decision> {
        let resource = &layers.resource;
        let across = situation == Situation::AcrossAccounts;
        let root = matches!(subject.principal, Principal::Root { .. });
        match self {
            // [A210] The task policy of an assumed root limits it.
            Self::Direct if across || resource.direct.is_empty() || root_limited(subject, layers) => None,
            Self::Direct => Some(Decision::allow(Layer::KeyPolicy, &["A307", "A215"], direct_statements(layers, limits(subject, layers).is_ok()))),
            Self::Bounded if across || resource.bounded.is_empty() || limits(subject, layers).is_err() => None,
            Self::Bounded => Some(Decision::allow(Layer::KeyPolicy, &["A307", "A213"], resource.bounded.clone())),
            Self::Both if own_side(subject, layers).is_err() => None,
            Self::Both if across && !resource.admits() => None,
            // [A312] A foreign root user's own side needs no policy, so the key policy alone allows.
            Self::Both if across && root => Some(Decision::allow(Layer::KeyPolicy, &["A310", "A312"], resource.allows())),
            Self::Both if across => Some(Decision::allow(Layer::Identity, &["A310"], joined(&resource.allows(), &layers.identity.allows))),
            Self::Both if resource.delegated.is_empty() => None,
            Self::Both => Some(Decision::allow(Layer::Identity, &["A307", "A303"], joined(&resource.delegated, &layers.identity.allows))),
            Self::Grant => by_grant(subject, layers),
        }
    }
}

/// (A210) What the root user's session was made with limits it whatever allows; a root user with long-term keys has nothing of the kind.
fn root_limited(subject: &Subject, layers: &Layers) -> bool {
    matches!(subject.principal, Principal::Root { .. }) && limits(subject, layers).is_err()
}

/// Nothing allows. What is the first thing that lacks?
fn missing(situation: Situation, subject: &Subject, layers: &Layers) -> Decision {
    let resource = &layers.resource;
    let own = own_side(subject, layers);
    if situation == Situation::AcrossAccounts {
        // [A906] The own side is told first.
        return Decision::silent(own.err().unwrap_or(Layer::KeyPolicy), &["A310", "A906"]);
    }
    // [A904] The first line that fits. An account grantee delegates as the key policy does (A608).
    let delegates = !resource.delegated.is_empty() || layers.grants.iter().any(|grant| grant.who == GranteeMatch::OfAccount);
    if delegates && own == Err(Layer::Identity) {
        return Decision::silent(Layer::Identity, &["A218", "A307"]);
    }
    let rules: &'static [&'static str] = match (!resource.direct.is_empty(), !resource.bounded.is_empty(), !resource.delegated.is_empty()) {
        (true, _, _) => &["A210"],
        (false, true, _) => &["A213"],
        (false, false, true) => &["A218", "A307"],
        (false, false, false) if !layers.grants.is_empty() => &["A608"],
        (false, false, false) => return Decision::silent(Layer::KeyPolicy, &["A302", "A306"]),
    };
    Decision::silent(limits(subject, layers).err().unwrap_or(Layer::Boundary), rules)
}

fn direct_statements(layers: &Layers, limits_pass: bool) -> Vec<StatementRef> {
    let mut all = layers.resource.direct.clone();
    if limits_pass {
        all.extend(&layers.resource.bounded);
        all.sort_unstable();
    }
    all
}

fn joined(first: &[StatementRef], second: &[StatementRef]) -> Vec<StatementRef> {
    first.iter().chain(second).copied().collect()
}

/// (A307c) (A608) (A641) A grant allows by itself, save what limits its kind of grantee; across accounts it stands for both halves (A314).
fn by_grant(subject: &Subject, layers: &Layers) -> Option<Decision> {
    let serving: Vec<StatementRef> = layers
        .grants
        .iter()
        .filter(|grant| grant_limit(subject, layers, grant.who).is_ok())
        .map(|grant| StatementRef { origin: Origin::Grant(grant.at), statement: 0 })
        .collect();
    (!serving.is_empty()).then(|| Decision::allow(Layer::Grant, &["A307", "A609"], serving))
}

fn grant_limit(subject: &Subject, layers: &Layers, who: GranteeMatch) -> Result<(), Layer> {
    match who {
        GranteeMatch::Itself => Ok(()),
        GranteeMatch::Limited => limits(subject, layers),
        GranteeMatch::OfAccount => own_side(subject, layers),
    }
}

/// (A620)
fn by_retirement(subject: &Subject, request: &Request<'_>, layers: &Layers) -> Decision {
    let Some(grant) = request.retires else { return Decision::silent(Layer::Grant, &["A620"]) };
    let at = StatementRef { origin: Origin::Grant(0), statement: 0 };
    match retirement(grant, subject) {
        None => Decision::silent(Layer::Grant, &["A620"]),
        Some(Retirement::RetiringPrincipal) => Decision::allow(Layer::Grant, &["A620"], vec![at]),
        Some(Retirement::Grantee(who)) => match grant_limit(subject, layers, who) {
            Ok(()) => Decision::allow(Layer::Grant, &["A620"], vec![at]),
            Err(layer) => Decision::silent(layer, &["A620"]),
        },
        Some(Retirement::Account) => match own_side(subject, layers) {
            // The root user of a concerned account needs no permission: the grant names its account.
            Ok(()) if matches!(subject.principal, Principal::Root { .. }) => Decision::allow(Layer::Grant, &["A620"], vec![at]),
            Ok(()) => Decision::allow(Layer::Identity, &["A620"], layers.identity.allows.clone()),
            Err(layer) => Decision::silent(layer, &["A620"]),
        },
    }
}

/// The policies behind an [`Origin`], for showing them.
pub(crate) fn attached<'a>(subject: &'a Subject, target: &'a Target<'_>, origin: Origin) -> Option<&'a Attached> {
    match origin {
        Origin::Identity(at) => subject.identity.get(at),
        Origin::Boundary => subject.boundary.as_ref(),
        Origin::Session(at) => subject.session.as_ref()?.get(at),
        Origin::Scp(level, at) => subject.scps.as_ref()?.get(level)?.get(at),
        Origin::Rcp(at) => target.rcps.get(at),
        Origin::Resource | Origin::Ram | Origin::Endpoint | Origin::Grant(_) => None,
    }
}
