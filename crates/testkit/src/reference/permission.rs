//! One permission on one resource (section 3).

use serde_json::Value;

use keyward_cases::{Case, CaseGrant, CaseKey, CasePermission};

use super::caller::{Caller, Kind};
use super::condition::Context;
use super::facts::{self, encryption_context};
use super::grant::{child_is_covered, constraints_met, grant_allows_retiring};
use super::operations::{Resource, works_across_accounts};
use super::pattern::segment;
use super::statement::{As, Document, Effect, Question, Statement, names, statements};

/// What a permission comes to.
pub(super) struct Outcome {
    pub(super) allowed: bool,
    pub(super) layer: &'static str,
    pub(super) statements: Vec<String>,
}

/// The policy that a key will have, and the key (A701).
pub(super) struct NewPolicy<'c> {
    pub(super) document: Document<'c>,
    pub(super) key: CaseKey,
}

/// Decides one permission. In the lockout check the new policy stands in for the policies of the key (A701).
pub(super) fn decide(case: &Case, caller: &Caller<'_>, permission: &CasePermission, new_policy: Option<&NewPolicy<'_>>) -> Outcome {
    let key_at = case.setup.keys.iter().position(|key| key.arn == permission.resource);
    let key = new_policy.map(|new| &new.key).or_else(|| key_at.and_then(|at| case.setup.keys.get(at)));
    let resource = if permission.identity_only && Resource::of(permission) == Resource::Key { Resource::KeyToBe } else { Resource::of(permission) };
    let context = facts::context(case, caller, permission, key);
    let asked = Asked { case, caller, permission, key, resource, question: question(permission, resource, caller, &context) };
    let owner = if resource == Resource::None { caller.account } else { segment(&permission.resource, 4) };
    let foreign = caller.kind != Kind::Service && resource == Resource::Key && owner != caller.account;

    let scp_levels: Vec<Weighed> = asked.scp_levels().iter().map(|level| asked.weigh(level, By::Caller)).collect();
    let scp_denies: Vec<String> = scp_levels.iter().flat_map(|level| level.denies.clone()).collect();
    let scp_silent = scp_levels.iter().any(|level| level.allows.is_empty());
    let identity = asked.weigh(&asked.identity_policies(), By::Caller);
    let boundary = asked.weigh(&asked.boundary(), By::Caller);
    let session = asked.weigh(&asked.session_policies(), By::Caller);
    // [A109] The principal of an RCP is everyone.
    let rcp = asked.weigh(&asked.rcps(owner), By::Everyone);
    let endpoint_policy = asked.endpoint_policy();
    let endpoint = asked.weigh(&endpoint_policy, By::Principal);
    let endpoint_silent = !endpoint_policy.is_empty() && endpoint.allows.is_empty();

    let key_policy_context = facts::for_key_policies(&context);
    let stored: Vec<Document<'_>> = match (new_policy, key_at) {
        (Some(new), _) => vec![new.document.clone()],
        (None, Some(at)) => asked.key_policies(at),
        (None, None) => Vec::new(),
    };
    let key_policy = Asked { question: question(permission, resource, caller, &key_policy_context), ..asked };
    // [A403] Only a key has a key policy. [A620] Retiring is no matter of it.
    let key_policy = if resource == Resource::Key && permission.op != "RetireGrant" {
        key_policy.weigh_key_policy(&stored, new_policy.is_none())
    } else {
        WeighedKeyPolicy::default()
    };

    // What the limits on the caller come to (A218, A312).
    let has_boundary = caller.has_boundary();
    // [A219] A federated session without session policy has one that allows nothing.
    let has_session_policy = case.request.session.session_policies.is_some() || caller.kind == Kind::FederatedUser;
    let limits = Limits {
        // [A209] [A312] The root user needs no identity policy.
        identity_silent: identity.allows.is_empty() && caller.kind != Kind::Root,
        boundary_silent: has_boundary && boundary.allows.is_empty(),
        session_silent: has_session_policy && session.allows.is_empty(),
    };

    // Ways in, each with what it needs.
    let mut routes = Vec::new();
    match resource {
        // [A403] [A405] [A406] Identity policies alone.
        Resource::None | Resource::Alias | Resource::KeyToBe => {
            routes.push(Route { layer: "identity", statements: identity.allows.clone(), identity: true, limited: true })
        }
        Resource::Key if permission.op == "RetireGrant" => routes.extend(asked.ways_to_retire(owner, &identity.allows)),
        Resource::Key => {
            routes.extend(key_policy_routes(&key_policy.allows, caller, foreign, &identity.allows));
            // [A703] Grants do not matter to the lockout check.
            if new_policy.is_none() {
                routes.extend(asked.grants(&context));
            }
        }
    }

    let chosen = || if permission.op == "RetireGrant" { first_way(&routes, &limits) } else { best_way(&routes, &limits) };
    let scp_or_endpoint_silent = || match (scp_silent, endpoint_silent) {
        (true, _) => Some(denied("scp", Vec::new())),
        (false, true) => Some(denied("endpoint", Vec::new())),
        (false, false) => None,
    };
    let deny = |layer: &'static str, statements: &[String]| (!statements.is_empty()).then(|| denied(layer, statements.to_vec()));
    let own_deny = || {
        deny("scp", &scp_denies)
            .or_else(|| deny("endpoint", &endpoint.denies))
            .or_else(|| deny("identity", &identity.denies))
            .or_else(|| deny("boundary", &boundary.denies))
            .or_else(|| deny("session", &session.denies))
    };
    if foreign {
        // [A906] The caller's own side first, silent or not; [A313] whatever the owner's policies say.
        return own_deny()
            .or_else(|| (!works_across_accounts(&permission.op)).then(|| denied("operation", Vec::new())))
            .or_else(scp_or_endpoint_silent)
            .or_else(|| own_side_silent(&routes, &limits).filter(|_| permission.op != "RetireGrant").map(|layer| denied(layer, Vec::new())))
            .or_else(|| deny("rcp", &rcp.denies))
            .or_else(|| deny("key-policy", &key_policy.denies))
            .unwrap_or_else(chosen);
    }
    // [A904] In the order of the table.
    deny("rcp", &rcp.denies)
        .or_else(|| deny("scp", &scp_denies))
        .or_else(|| deny("endpoint", &endpoint.denies))
        .or_else(|| deny("key-policy", &key_policy.denies))
        .or_else(own_deny)
        .or_else(scp_or_endpoint_silent)
        .unwrap_or_else(chosen)
}

fn denied(layer: &'static str, statements: Vec<String>) -> Outcome {
    Outcome { allowed: false, layer, statements }
}

fn question<'q>(permission: &CasePermission, resource: Resource, caller: &Caller<'_>, context: &'q Context) -> Question<'q> {
    let region = context.first("aws:RequestedRegion").unwrap_or_default();
    let resource = match resource {
        // [A141]
        Resource::None => format!("arn:{}:kms:{region}:{}:*", partition(caller), caller.account),
        Resource::Key | Resource::Alias | Resource::KeyToBe => permission.resource.clone(),
    };
    Question { action: format!("kms:{}", permission.op), resource, context }
}

fn partition<'c>(caller: &Caller<'c>) -> &'c str {
    if caller.kind == Kind::Service { "aws" } else { segment(caller.arn, 1) }
}

struct Asked<'a> {
    case: &'a Case,
    caller: &'a Caller<'a>,
    permission: &'a CasePermission,
    key: Option<&'a CaseKey>,
    resource: Resource,
    question: Question<'a>,
}

/// Whether a kind of policy has a principal element or applies to whom it is attached (A104).
#[derive(Clone, Copy, Eq, PartialEq)]
enum By {
    Caller,
    Principal,
    Everyone,
}

#[derive(Default)]
struct Weighed {
    denies: Vec<String>,
    allows: Vec<String>,
}

#[derive(Default)]
struct WeighedKeyPolicy {
    denies: Vec<String>,
    allows: Vec<(String, Vec<As>)>,
}

impl<'a> Asked<'a> {
    fn weigh(&self, documents: &[Document<'_>], by: By) -> Weighed {
        let mut weighed = Weighed::default();
        // [A104]
        let fitting = |statement: &Statement<'_>| statement.has_principal() == (by != By::Caller) && statement.is_about(&self.question);
        // [A109]
        let fitting = |statement: &Statement<'_>| fitting(statement) && (by != By::Everyone || statement.rcp_can_hold());
        for statement in documents.iter().flat_map(statements).filter(fitting) {
            match statement.effect {
                Effect::Deny if by != By::Principal || statement.denies(self.caller, false) => weighed.denies.push(statement.pointer),
                Effect::Allow if by != By::Principal || !statement.means(self.caller, false).is_empty() => weighed.allows.push(statement.pointer),
                Effect::Deny | Effect::Allow => {}
            }
        }
        weighed
    }

    fn weigh_key_policy(&self, documents: &[Document<'_>], stored: bool) -> WeighedKeyPolicy {
        let mut weighed = WeighedKeyPolicy::default();
        for statement in documents.iter().flat_map(statements).filter(|statement| statement.is_about(&self.question)) {
            let means = statement.means(self.caller, stored);
            match statement.effect {
                Effect::Deny if statement.denies(self.caller, stored) => weighed.denies.push(statement.pointer),
                Effect::Allow if !means.is_empty() => weighed.allows.push((statement.pointer, means)),
                Effect::Deny | Effect::Allow => {}
            }
        }
        weighed
    }

    /// [A320] [A321] [A322] [A323] The SCPs that bind the caller.
    fn scp_levels(&self) -> Vec<Vec<Document<'a>>> {
        let account = self.case.setup.accounts.get(self.caller.account);
        let Some(account) = account.filter(|account| !account.management && !self.caller.is_service_linked()) else { return Vec::new() };
        let base = format!("/setup/accounts/{}/scp_levels", self.caller.account);
        let levels = account.scp_levels.iter().flatten().enumerate();
        levels.map(|(at, level)| documents(level, &format!("{base}/{at}"))).collect()
    }

    /// [A324] [A325] [A326] [A321] [A322] The RCPs of the owner.
    fn rcps(&self, owner: &str) -> Vec<Document<'a>> {
        let aws_managed = self.key.is_some_and(|key| key.manager.as_deref() == Some("AWS"));
        let exempt = [Resource::None, Resource::KeyToBe].contains(&self.resource)
            || aws_managed
            || self.permission.op == "RetireGrant"
            || self.caller.is_service_linked();
        let account = self.case.setup.accounts.get(owner).filter(|account| !account.management && !exempt);
        account.map(|account| documents(&account.rcps, &format!("/setup/accounts/{owner}/rcps"))).unwrap_or_default()
    }

    /// [A330] [A332]
    fn endpoint_policy(&self) -> Vec<Document<'a>> {
        let request = &self.case.request;
        let endpoint = request.vpc_endpoint.as_ref().filter(|_| request.via_service.is_none() && self.caller.kind != Kind::Service);
        endpoint.and_then(|endpoint| endpoint.policy.as_ref()).map(|body| document(body, "/request/vpc_endpoint/policy".into())).into_iter().collect()
    }

    /// [A337] Both policies of the key.
    fn key_policies(&self, at: usize) -> Vec<Document<'a>> {
        let Some(key) = self.case.setup.keys.get(at) else { return Vec::new() };
        let ram = key.ram_policy.as_ref().map(|body| document(body, format!("/setup/keys/{at}/ram_policy")));
        std::iter::once(document(&key.policy, format!("/setup/keys/{at}/policy"))).chain(ram).collect()
    }

    fn identity_policies(&self) -> Vec<Document<'a>> {
        let policies = self.caller.record.map(|record| record.identity_policies.as_slice()).unwrap_or_default();
        documents(policies, &format!("/setup/principals/{}/identity_policies", self.caller.record_at))
    }

    fn boundary(&self) -> Vec<Document<'a>> {
        let boundary = self.caller.record.and_then(|record| record.permissions_boundary.as_ref());
        boundary.map(|body| document(body, format!("/setup/principals/{}/permissions_boundary", self.caller.record_at))).into_iter().collect()
    }

    fn session_policies(&self) -> Vec<Document<'a>> {
        documents(self.case.request.session.session_policies.as_deref().unwrap_or_default(), "/request/session/session_policies")
    }

    /// [A307] (c) The grants that name the caller and serve, with what each needs (A608).
    fn grants(&self, context: &Context) -> Vec<Route> {
        let serves = |(at, grant): (usize, &CaseGrant)| {
            let grantee = grantee(grant, self.caller)?;
            let pairs = encryption_context(self.case, self.permission);
            let serves = grant.key.as_ref() == Some(&self.permission.resource)
                && grant.operations.contains(&self.permission.op)
                && constraints_met(grant, &self.permission.op, &pairs, context.first("aws:SourceArn"))
                && (self.permission.op != "CreateGrant" || self.case.request.grant.as_ref().is_some_and(|child| child_is_covered(grant, child)));
            serves.then(|| route_for(grantee, self.caller, "grant", vec![format!("/setup/grants/{at}")]))
        };
        self.case.setup.grants.iter().enumerate().filter_map(serves).collect()
    }

    /// [A620] Who may retire the grant.
    fn ways_to_retire(&self, owner: &str, identity_allows: &[String]) -> Vec<Route> {
        let wanted = self.case.request.grant_id.as_ref();
        let found = self
            .case
            .setup
            .grants
            .iter()
            .enumerate()
            .find(|(_, grant)| grant.id.as_ref() == wanted && grant.key.as_ref() == Some(&self.permission.resource));
        let Some((at, grant)) = found else { return Vec::new() };
        let pointer = vec![format!("/setup/grants/{at}")];
        let mut routes = Vec::new();
        // (1)
        let retiring = retiring_principal(grant, self.caller);
        if retiring.is_some_and(|named| named != As::Account) {
            routes.push(Route { layer: "grant", statements: pointer.clone(), identity: false, limited: false });
        }
        // (2)
        if let Some(grantee) = grantee(grant, self.caller).filter(|_| grant_allows_retiring(grant)) {
            routes.push(route_for(grantee, self.caller, "grant", pointer.clone()));
        }
        // (3) (4) (5)
        let issuing = grant.issuing_account.as_deref().unwrap_or(owner);
        let concerned = [issuing, owner].contains(&self.caller.account) || retiring == Some(As::Account);
        if concerned && self.caller.kind == Kind::Root {
            routes.push(Route { layer: "grant", statements: pointer, identity: false, limited: true });
        } else if concerned {
            routes.push(Route { layer: "identity", statements: identity_allows.to_vec(), identity: true, limited: true });
        }
        routes
    }
}

fn document(body: &Value, pointer: String) -> Document<'_> {
    Document { pointer, body }
}

fn documents<'c>(bodies: &'c [Value], pointer: &str) -> Vec<Document<'c>> {
    bodies.iter().enumerate().map(|(at, body)| document(body, format!("{pointer}/{at}"))).collect()
}

/// [A605] [A606] [A607] [A608]
fn grantee(grant: &CaseGrant, caller: &Caller<'_>) -> Option<As> {
    party(grant.grantee_principal.as_deref(), grant.grantee_service_principal.as_deref(), caller)
}

fn retiring_principal(grant: &CaseGrant, caller: &Caller<'_>) -> Option<As> {
    party(grant.retiring_principal.as_deref(), grant.retiring_service_principal.as_deref(), caller)
}

fn party(principal: Option<&str>, service: Option<&str>, caller: &Caller<'_>) -> Option<As> {
    if caller.kind == Kind::Service {
        return (service == Some(caller.arn)).then_some(As::Service);
    }
    principal.and_then(|arn| names(arn, caller, true))
}

/// A way in and what it still needs.
struct Route {
    layer: &'static str,
    statements: Vec<String>,
    /// An Allow in identity policies.
    identity: bool,
    /// An Allow in boundary and session policy, if there are any.
    limited: bool,
}

struct Limits {
    identity_silent: bool,
    boundary_silent: bool,
    session_silent: bool,
}

impl Route {
    fn is_open(&self, limits: &Limits) -> bool {
        !(self.identity && limits.identity_silent || self.limited && (limits.boundary_silent || limits.session_silent))
    }
}

/// [A212]–[A218] What being named in this way is worth.
fn route_for(named: As, caller: &Caller<'_>, layer: &'static str, statements: Vec<String>) -> Route {
    let (identity, limited) = match named {
        // [A212] [A214] [A215] [A216] [A208]; [A210] a task policy limits the root user however it is named.
        As::User | As::Session | As::Anyone | As::FederatedUser | As::Service => (false, caller.kind == Kind::Root),
        // [A213] [A217]
        As::Role | As::UserBehind => (false, true),
        // [A218] [A209]
        As::Account => (caller.kind != Kind::Root, true),
    };
    Route { layer, statements, identity, limited }
}

/// [A307] [A310] The ways that the key policy opens.
fn key_policy_routes(allows: &[(String, Vec<As>)], caller: &Caller<'_>, foreign: bool, identity_allows: &[String]) -> Vec<Route> {
    let delegates = |named: &As| *named == As::Account && caller.kind != Kind::Root;
    let pointers = |wanted: &dyn Fn(&As) -> bool| -> Vec<String> {
        allows.iter().filter(|(_, means)| means.iter().any(wanted)).map(|(pointer, _)| pointer.clone()).collect()
    };
    let mut routes = Vec::new();
    if foreign && caller.kind != Kind::Root {
        // [A310] [A311] [A312] However named: the caller's own account must allow too.
        if !allows.is_empty() {
            let statements = pointers(&|_| true).into_iter().chain(identity_allows.iter().cloned()).collect();
            routes.push(Route { layer: "identity", statements, identity: true, limited: true });
        }
        return routes;
    }
    for (pointer, means) in allows {
        let direct = means.iter().filter(|named| !delegates(named));
        routes.extend(direct.map(|named| route_for(*named, caller, "key-policy", vec![pointer.clone()])));
    }
    // [A303]
    let delegating = pointers(&delegates);
    if !delegating.is_empty() {
        let statements = delegating.into_iter().chain(identity_allows.iter().cloned()).collect();
        routes.push(Route { layer: "identity", statements, identity: true, limited: true });
    }
    routes
}

/// [A308] Any open way; the first in the order key policy, identity policies, grants is the layer (cases/README.md).
fn best_way(routes: &[Route], limits: &Limits) -> Outcome {
    for layer in ["key-policy", "identity", "grant"] {
        let open: Vec<&Route> = routes.iter().filter(|route| route.layer == layer && route.is_open(limits)).collect();
        if !open.is_empty() {
            return Outcome { allowed: true, layer, statements: open.iter().flat_map(|route| route.statements.clone()).collect() };
        }
    }
    denied(silent(routes, limits).unwrap_or("key-policy"), Vec::new())
}

/// [A620] In the order of its list; the first way that is the caller's is told.
fn first_way(routes: &[Route], limits: &Limits) -> Outcome {
    match routes.iter().find(|route| route.is_open(limits)) {
        Some(open) => Outcome { allowed: true, layer: open.layer, statements: open.statements.clone() },
        None => denied(silent(routes.get(..1).unwrap_or_default(), limits).unwrap_or("grant"), Vec::new()),
    }
}

/// [A904] The last four lines: what keeps the ways shut, if there are ways.
fn silent(routes: &[Route], limits: &Limits) -> Option<&'static str> {
    if routes.is_empty() {
        return None;
    }
    Some(match limits {
        Limits { identity_silent: true, .. } if routes.iter().any(|route| route.identity) => "identity",
        Limits { boundary_silent: true, .. } => "boundary",
        _ => "session",
    })
}

/// [A906] What of the caller's own side is silent (A312), unless a grant stands in for it (A641).
fn own_side_silent(routes: &[Route], limits: &Limits) -> Option<&'static str> {
    match limits {
        _ if routes.iter().any(|route| route.is_open(limits)) => None,
        Limits { identity_silent: true, .. } => Some("identity"),
        Limits { boundary_silent: true, .. } => Some("boundary"),
        Limits { session_silent: true, .. } => Some("session"),
        _ => None,
    }
}
