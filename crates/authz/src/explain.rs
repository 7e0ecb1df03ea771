//! Why: the decision told layer by layer, with the nearest miss and the smallest fix.
//!
//! Made only when somebody reads it. The verdicts are those of the decision itself; nothing is decided twice, save the
//! fix, which is tried on changed facts by [`authorize`](crate::authorize).

use std::fmt::{self, Write as _};

use keyward_policy::{Action, Condition, Context, Effect, Policy, PolicyKind, Statement, Truth};
use serde::{Deserialize, Serialize};

use crate::authorize::{Decision, Layer, Refusal, authorize, decide};
use crate::context::RequestContext;
use crate::facts::{Attached, KeyManager, Principal, Request, Resource, ResourcePolicy, Subject, Target};
use crate::grant::{Grant, GrantMiss, serves};
use crate::layers::{Layers, Origin, StatementRef, Verdict, consult};
use crate::principals::admission;
use crate::sentence::sentence;

/// A decision, told.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Explanation {
    /// `ALLOW` or `DENY`.
    pub decision: String,
    /// `kms:Decrypt`
    pub action: String,
    /// The ARN that was asked for, or `*`.
    pub resource: String,
    /// Alias names of the key.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<String>,
    /// The caller's ARN.
    pub caller: String,
    /// The caller's account; none for a service.
    pub caller_account: Option<String>,
    /// The owner's account; none where nothing is owned.
    pub owner_account: Option<String>,
    /// The layer that decided.
    pub decided_by: String,
    /// Rule numbers of the specification.
    pub rules: Vec<String>,
    /// Each layer in the order a person asks.
    pub layers: Vec<LayerReport>,
    /// What it comes to, in a sentence or two.
    pub summary: String,
    /// The smallest change that would allow it, tried; none when no single statement does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fix: Option<Fix>,
    /// What the caller reads.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
}

/// What one layer says.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct LayerReport {
    /// `key policy`, `identity`, `grants`, …
    pub layer: String,
    /// `allows`, `delegates`, `silent`, `denies`, `passes`.
    pub verdict: String,
    /// What is worth knowing about it, in a clause.
    pub detail: String,
    /// The statements that matched.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub statements: Vec<StatementReport>,
    /// The statement or grant that came nearest, and what it lacks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nearest: Option<Miss>,
}

/// A statement that matched.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct StatementReport {
    /// `statement 3 "CrossAccountReaders"`, with the policy's name where there are several.
    pub name: String,
    /// Its conditions and what the request held.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<ConditionReport>,
}

/// A condition and what the request held under its key.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct ConditionReport {
    /// The condition key.
    pub key: String,
    /// The operator.
    pub operator: String,
    /// The policy's values.
    pub wanted: Vec<String>,
    /// The request's values; none: the key is absent.
    pub found: Option<Vec<String>>,
    /// `true`, `false`, or none when two names of the request clash.
    pub holds: Option<bool>,
}

/// What came nearest.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Miss {
    /// The statement or grant.
    pub name: String,
    /// What it lacks.
    pub lacks: String,
    /// The conditions that failed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<ConditionReport>,
}

/// A change that was tried and turns the answer.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Fix {
    /// The account that must act.
    pub account: String,
    /// `the key policy`, `an identity policy of role/app`, …
    pub place: String,
    /// The statement to add, as JSON.
    pub statement: String,
}

/// Tells a decision.
pub fn explain(subject: &Subject, target: &Target<'_>, request: &Request<'_>) -> Explanation {
    let layers = consult(subject, target, request);
    let decision = decide(subject, target, request, &layers);
    let teller = Teller { subject, target, request, layers: &layers };
    let aliases = match &target.resource {
        Resource::Key { key, .. } => key.aliases.iter().map(ToString::to_string).collect(),
        Resource::Alias { .. } | Resource::None { .. } | Resource::Other { .. } => Vec::new(),
    };
    Explanation {
        decision: if decision.is_allowed() { "ALLOW" } else { "DENY" }.to_owned(),
        action: request.action.to_string(),
        resource: if matches!(target.resource, Resource::None { .. }) { "*".into() } else { target.arn().into() },
        aliases,
        caller: subject.principal.caller_arn().into_owned(),
        caller_account: subject.principal.account().map(|account| account.to_string()),
        owner_account: target.owner().map(|account| account.to_string()),
        decided_by: decision.layer().name().to_owned(),
        rules: decision.rules().iter().map(ToString::to_string).collect(),
        layers: teller.layers(),
        summary: teller.summary(&decision),
        fix: if decision.is_allowed() { None } else { teller.fix() },
        message: sentence(subject, target, request, &decision),
    }
}

/// Finds words for a decision on its facts.
pub(crate) struct Teller<'a> {
    pub(crate) subject: &'a Subject,
    pub(crate) target: &'a Target<'a>,
    pub(crate) request: &'a Request<'a>,
    pub(crate) layers: &'a Layers,
}

impl<'a> Teller<'a> {
    fn context(&self, for_key_policy: bool) -> RequestContext<'a> {
        RequestContext { subject: self.subject, target: self.target, request: self.request, for_key_policy }
    }

    fn crosses_accounts(&self) -> bool {
        matches!((self.subject.principal.account(), self.target.owner()), (Some(caller), Some(owner)) if caller != owner)
    }

    fn own_policy(&self) -> Option<(&'a ResourcePolicy, &'static str)> {
        match &self.target.resource {
            Resource::Key { key, .. } => Some((&key.policy, "key policy")),
            Resource::Other { policy: Some(policy), .. } => Some((policy, "trust policy")),
            Resource::Other { policy: None, .. } | Resource::Alias { .. } | Resource::None { .. } => None,
        }
    }

    fn layers(&self) -> Vec<LayerReport> {
        let mut reports = Vec::new();
        if let Some((policy, name)) = self.own_policy().filter(|_| self.request.retires.is_none() && !self.request.identity_only) {
            reports.push(self.own_policy_report(policy, name));
        }
        if !matches!(self.subject.principal, Principal::Service { .. }) {
            reports.push(self.attached_report("identity", &self.subject.identity, &self.layers.identity, Origin::Identity));
        }
        if let (Some(boundary), Some(verdict)) = (&self.subject.boundary, &self.layers.boundary) {
            reports.push(self.attached_report("boundary", std::slice::from_ref(boundary), verdict, |_| Origin::Boundary));
        }
        if let (Some(session), Some(verdict)) = (&self.subject.session, &self.layers.session) {
            reports.push(self.attached_report("session policy", session, verdict, Origin::Session));
        }
        if let Resource::Key { grants, .. } = &self.target.resource {
            reports.push(self.grants_report(grants));
        }
        if let Some(verdict) = &self.layers.endpoint {
            reports.push(self.endpoint_report(verdict));
        }
        reports.push(self.organization_report());
        reports
    }

    fn own_policy_report(&self, policy: &ResourcePolicy, layer: &str) -> LayerReport {
        let verdict = &self.layers.resource;
        let (word, statements) = match verdict {
            _ if !verdict.denies.is_empty() => ("denies", verdict.denies.clone()),
            _ if !verdict.direct.is_empty() || !verdict.bounded.is_empty() => ("allows", verdict.allows()),
            _ if !verdict.delegated.is_empty() => ("delegates", verdict.delegated.clone()),
            _ => ("silent", Vec::new()),
        };
        let detail = match word {
            "delegates" => format!("to identity policies of account {}", self.subject.principal.account().map(|a| a.to_string()).unwrap_or_default()),
            "silent" => self.why_own_policy_is_silent(policy),
            _ => String::new(),
        };
        LayerReport {
            layer: layer.to_owned(),
            verdict: word.to_owned(),
            detail,
            statements: statements.iter().filter_map(|at| self.statement_report(*at)).collect(),
            nearest: (word == "silent").then(|| self.nearest_in_own_policy(policy)).flatten(),
        }
    }

    fn why_own_policy_is_silent(&self, policy: &ResourcePolicy) -> String {
        let count = policy.policy.statements().len();
        let admits = |statement: &&Statement| {
            let names = |element| admission(element, policy, self.subject).is_some();
            statement.effect() == Effect::Allow && statement.principal().is_some_and(names)
        };
        let naming = policy.policy.statements().iter().filter(admits).count();
        let statements = if count == 1 { "1 statement".to_owned() } else { format!("{count} statements") };
        match naming {
            0 => format!("{statements}, none names this caller, none delegates to its account"),
            1 => format!("{statements}, 1 admits this caller, not for this request"),
            naming => format!("{statements}, {naming} admit this caller, none for this request"),
        }
    }

    fn attached_report(&self, layer: &str, policies: &[Attached], verdict: &Verdict, origin: impl Fn(usize) -> Origin) -> LayerReport {
        let (word, statements) = match verdict {
            _ if !verdict.denies.is_empty() => ("denies", &verdict.denies),
            _ if verdict.allows() => ("allows", &verdict.allows),
            _ => ("silent", &verdict.allows),
        };
        let who = short(&self.subject.principal);
        let detail = match (word, policies.len()) {
            ("silent", 0) if matches!(self.subject.principal, Principal::Root { .. }) => "the root user needs no identity policy".to_owned(),
            ("silent", 0) => format!("no policy on {who}"),
            ("silent", 1) => format!("1 policy on {who} does not allow {}", self.request.action),
            ("silent", count) => format!("{count} policies on {who}, none allows {}", self.request.action),
            _ => String::new(),
        };
        let nearest = (word == "silent").then(|| {
            let candidates = policies.iter().enumerate().flat_map(|(at, attached)| {
                let origin = origin(at);
                attached.policy.statements().iter().enumerate().map(move |(statement, _)| StatementRef { origin, statement })
            });
            self.nearest(candidates)
        });
        LayerReport {
            layer: layer.to_owned(),
            verdict: word.to_owned(),
            detail,
            statements: statements.iter().filter_map(|at| self.statement_report(*at)).collect(),
            nearest: nearest.flatten(),
        }
    }

    fn grants_report(&self, grants: &[std::sync::Arc<Grant>]) -> LayerReport {
        let serving = &self.layers.grants;
        let Some(permission) = self.request.action.kms() else {
            return LayerReport { layer: "grants".into(), verdict: "silent".into(), detail: String::new(), statements: Vec::new(), nearest: None };
        };
        let statements = serving
            .iter()
            .filter_map(|serving| grants.get(serving.at))
            .map(|grant| StatementReport { name: grant_name(grant), conditions: Vec::new() })
            .collect();
        let misses: Vec<(&Grant, GrantMiss)> =
            grants.iter().filter_map(|grant| serves(grant, permission, self.subject, self.request).err().map(|miss| (&**grant, miss))).collect();
        let naming = misses.iter().filter(|(_, miss)| *miss != GrantMiss::OtherGrantee).count();
        let nearest = misses
            .iter()
            .max_by_key(|(_, miss)| nearness(miss))
            .filter(|(_, miss)| *miss != GrantMiss::OtherGrantee)
            .map(|(grant, miss)| Miss { name: grant_name(grant), lacks: lacks(grant, miss), conditions: Vec::new() });
        LayerReport {
            layer: "grants".into(),
            verdict: if serving.is_empty() { "silent" } else { "allows" }.into(),
            detail: match (serving.is_empty(), naming) {
                (true, 0) => "none names this caller".into(),
                (true, 1) => "1 names this caller, it does not serve".into(),
                (true, naming) => format!("{naming} name this caller, none serves"),
                (false, _) => String::new(),
            },
            statements,
            nearest: if serving.is_empty() { nearest } else { None },
        }
    }

    /// (A330) It never grants: it lets pass or stops.
    fn endpoint_report(&self, verdict: &Verdict) -> LayerReport {
        let id = self.request.call.endpoint.as_ref().map(|endpoint| endpoint.id.as_str()).unwrap_or_default();
        let (word, statements) = match verdict {
            _ if !verdict.denies.is_empty() => ("denies", &verdict.denies),
            _ if verdict.allows() => ("passes", &verdict.allows),
            _ => ("silent", &verdict.allows),
        };
        let detail = if word == "silent" { format!("the policy of {id} does not allow {}", self.request.action) } else { String::new() };
        LayerReport {
            layer: "endpoint".into(),
            verdict: word.into(),
            detail,
            statements: statements.iter().filter_map(|at| self.statement_report(*at)).collect(),
            nearest: None,
        }
    }

    fn organization_report(&self) -> LayerReport {
        let rcps = self.target.rcps.len();
        let scps = self.subject.scps.as_ref().map_or(0, |levels| levels.iter().map(Vec::len).sum());
        let denies: Vec<StatementRef> =
            self.layers.rcp.denies.iter().chain(self.layers.scp.iter().flatten().flat_map(|level| &level.denies)).copied().collect();
        let silent = self.layers.scp.iter().flatten().position(|level| !level.allows());
        let plural = |count: usize, what: &str| if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") };
        let (verdict, detail) = match (denies.is_empty(), silent) {
            (false, _) => ("denies", String::new()),
            (true, Some(level)) => ("silent", format!("no SCP at level {} (from the root) allows {}", level + 1, self.request.action)),
            (true, None) if scps + rcps == 0 => ("passes", "no SCP, no RCP".to_owned()),
            (true, None) => ("passes", format!("{}, {}", plural(scps, "SCP"), plural(rcps, "RCP"))),
        };
        LayerReport {
            layer: "organization".into(),
            verdict: verdict.into(),
            detail,
            statements: denies.iter().filter_map(|at| self.statement_report(*at)).collect(),
            nearest: None,
        }
    }

    /// The statement behind a reference, with the policy it is in.
    fn statement(&self, at: StatementRef) -> Option<(&'a Policy, &'a Statement, Option<&'a Attached>)> {
        let (policy, attached) = match (at.origin, &self.target.resource) {
            (Origin::Resource, Resource::Key { key, .. }) => (&key.policy.policy, None),
            (Origin::Resource, Resource::Other { policy: Some(policy), .. }) => (&policy.policy, None),
            (Origin::Ram, Resource::Key { key, .. }) => (&key.ram_policy.as_ref()?.policy, None),
            (Origin::Endpoint, _) => (self.request.call.endpoint.as_ref()?.policy.as_ref()?, None),
            (origin, _) => {
                let attached = crate::authorize::attached(self.subject, self.target, origin)?;
                (&attached.policy, Some(attached))
            }
        };
        Some((policy, policy.statements().get(at.statement)?, attached))
    }

    fn name(&self, at: StatementRef) -> String {
        let Some((_, statement, attached)) = self.statement(at) else { return String::new() };
        let sid = statement.sid().map(|sid| format!(" \"{sid}\"")).unwrap_or_default();
        let policy = attached.map(|attached| format!("{} ", attached.name)).unwrap_or_default();
        format!("{policy}statement {}{sid}", at.statement + 1)
    }

    /// The same, for lists in which statements of several policies and grants stand side by side.
    pub(crate) fn name_with_policy(&self, at: StatementRef) -> String {
        match (at.origin, &self.target.resource) {
            (Origin::Grant(place), Resource::Key { grants, .. }) => grants.get(place).map(|grant| grant_name(grant)).unwrap_or_default(),
            (Origin::Resource | Origin::Ram, _) => {
                let policy = self.own_policy().map_or("policy", |(_, name)| name);
                format!("{policy} {}", self.name(at))
            }
            _ => self.name(at),
        }
    }

    /// The conditions of a statement that hang on what is not known.
    pub(crate) fn open_conditions(&self, at: StatementRef) -> Vec<ConditionReport> {
        let Some((_, statement, _)) = self.statement(at) else { return Vec::new() };
        let context = self.context(matches!(at.origin, Origin::Resource | Origin::Ram));
        let mut open: Vec<ConditionReport> =
            statement.conditions().iter().filter(|c| c.holds(&context) == Truth::Open).map(|c| condition_report(c, &context)).collect();
        if statement.matches_resource(self.target.arn(), &context) == Truth::Open {
            open.push(ConditionReport {
                key: "resource".to_owned(),
                operator: "ArnLike".to_owned(),
                wanted: statement.resources().map(str::to_owned).collect(),
                found: Some(vec![self.target.arn().to_owned()]),
                holds: None,
            });
        }
        open
    }

    fn statement_report(&self, at: StatementRef) -> Option<StatementReport> {
        let (_, statement, _) = self.statement(at)?;
        let context = self.context(matches!(at.origin, Origin::Resource | Origin::Ram));
        Some(StatementReport { name: self.name(at), conditions: statement.conditions().iter().map(|c| condition_report(c, &context)).collect() })
    }

    fn nearest_in_own_policy(&self, policy: &ResourcePolicy) -> Option<Miss> {
        self.lacking_least_in_own_policy(policy).map(|(_, miss)| miss)
    }

    fn lacking_least_in_own_policy(&self, policy: &ResourcePolicy) -> Option<(Lack, Miss)> {
        let count = policy.policy.statements().len();
        self.lacking_least((0..count).map(|statement| StatementRef { origin: Origin::Resource, statement }))
    }

    fn nearest(&self, candidates: impl Iterator<Item = StatementRef>) -> Option<Miss> {
        self.lacking_least(candidates).map(|(_, miss)| miss)
    }

    /// The Allow that lacks least; of equals the first.
    fn lacking_least(&self, candidates: impl Iterator<Item = StatementRef>) -> Option<(Lack, Miss)> {
        let mut best: Option<(Lack, Miss)> = None;
        for (lack, miss) in candidates.filter_map(|at| self.miss(at)) {
            if best.as_ref().is_none_or(|(least, _)| lack < *least) {
                best = Some((lack, miss));
            }
        }
        best
    }

    fn miss(&self, at: StatementRef) -> Option<(Lack, Miss)> {
        let (_, statement, _) = self.statement(at)?;
        if statement.effect() == Effect::Deny || statement.is_inert() {
            return None;
        }
        let own = matches!(at.origin, Origin::Resource | Origin::Ram);
        let context = self.context(own);
        let action = statement.matches_action(&self.request.action);
        let resource = statement.matches_resource(self.target.arn(), &context) == Truth::Yes;
        let principal = match (own, self.own_policy(), statement.principal()) {
            (true, Some((policy, _)), Some(principal)) => admission(principal, policy, self.subject).is_some(),
            (true, _, _) => false,
            (false, ..) => true,
        };
        let failed: Vec<_> =
            statement.conditions().iter().filter(|c| c.holds(&context) != Truth::Yes).map(|c| condition_report(c, &context)).collect();
        let (lack, lacks) = match (action, principal, resource) {
            (true, true, true) if !failed.is_empty() => (Lack::Conditions(failed.len()), "its condition is not met".to_owned()),
            (true, true, false) => {
                let only = list(statement.resources());
                (Lack::Resource, format!("it allows {} on {only} only{}", self.request.action, self.alias_hint(statement)))
            }
            (false, true, true) if own => (Lack::Action, format!("it allows this caller {}", list(statement.actions().iter().map(|a| a.as_str())))),
            (true, false, _) => {
                let names = statement.principal().map(|p| list(p.entries.iter().map(|entry| &*entry.text))).unwrap_or_default();
                (Lack::Principal, format!("it allows {} to {names}", self.request.action))
            }
            _ => return None,
        };
        // What else is not met is beside the point where the statement means another action or another caller.
        let conditions = if matches!(lack, Lack::Conditions(_) | Lack::Resource) { failed } else { Vec::new() };
        Some((lack, Miss { name: self.name(at), lacks, conditions }))
    }

    /// (A136) The most frequent mistake with Resource.
    fn alias_hint(&self, statement: &Statement) -> &'static str {
        let names_alias = statement.resources().any(|resource| resource.contains(":alias/"));
        if names_alias && matches!(self.target.resource, Resource::Key { .. }) {
            " (an alias ARN in Resource never means the key behind it)"
        } else {
            ""
        }
    }

    fn summary(&self, decision: &Decision) -> String {
        let action = &self.request.action;
        match (decision.refusal(), decision.layer()) {
            (None, layer) => allowed_summary(layer, self.crosses_accounts()).to_owned(),
            (Some(Refusal::Denied), _) => {
                let names: Vec<String> = decision.statements().iter().map(|at| self.name(*at)).collect();
                format!("An explicit deny ends it, whatever else allows: {}.", names.join(", "))
            }
            (Some(Refusal::Silent), Layer::Operation) => format!("{action} does not work on keys of other accounts, whatever the policies say."),
            (Some(Refusal::Silent), Layer::KeyPolicy | Layer::Identity) if self.crosses_accounts() => self.halves_summary(),
            (Some(Refusal::Silent), Layer::KeyPolicy) => self.silent_key_policy_summary(),
            (Some(Refusal::Silent), Layer::Identity) if self.own_policy().is_none() || self.request.identity_only => {
                format!("{action} is decided by identity policies alone, and none of this caller's allows it here.")
            }
            (Some(Refusal::Silent), Layer::Identity) => {
                "The key policy delegates to the account, so identity policies decide, and none of this caller's allows it.".to_owned()
            }
            (Some(Refusal::Silent), Layer::Boundary) => "The permissions boundary has no Allow for it, and it binds this caller here.".to_owned(),
            (Some(Refusal::Silent), Layer::Session) => "The session was made with policies that have no Allow for it.".to_owned(),
            (Some(Refusal::Silent), Layer::Scp) => {
                "Every level of service control policies above the caller must allow it, and one does not.".to_owned()
            }
            (Some(Refusal::Silent), Layer::Endpoint) => "The VPC endpoint's policy has no Allow for it.".to_owned(),
            (Some(Refusal::Silent), Layer::Rcp) => "A resource control policy stands in the way.".to_owned(),
            (Some(Refusal::Silent), Layer::Grant) => "Retiring a grant is decided by the grant, and this caller has no part in it.".to_owned(),
        }
    }

    fn halves_summary(&self) -> String {
        let has = |present: bool| if present { "present" } else { "missing" };
        if matches!(self.subject.principal, Principal::Root { .. }) {
            return "The root user of another account needs the key policy, which does not admit it; its own side needs nothing.".to_owned(); // [A312]
        }
        format!(
            "A principal of another account needs both halves: the key policy ({}) and its own identity policy ({}).",
            has(self.layers.resource.admits()),
            has(self.layers.identity.allows())
        )
    }

    fn silent_key_policy_summary(&self) -> String {
        if let Resource::Key { key, .. } = &self.target.resource
            && key.manager == KeyManager::Aws
        {
            return "This is an AWS managed key: it works only through its service, and nobody can change its policy.".to_owned();
        }
        let nearest = self.own_policy().and_then(|(policy, _)| self.lacking_least_in_own_policy(policy));
        match nearest {
            Some((Lack::Conditions(_), miss)) => return self.unmet_condition_summary(&miss),
            Some((Lack::Action, miss)) => {
                return format!("{} means this caller, but {} is not among its actions.", capital(&miss.name), self.request.action);
            }
            Some((Lack::Resource | Lack::Principal, _)) | None => {}
        }
        if self.layers.identity.allows() {
            return "The key policy neither names this caller nor delegates to its account: your identity policies count for nothing here."
                .to_owned();
        }
        "Nothing is allowed by default, not even to the root user or the key's creator: the key policy does not admit this caller.".to_owned()
    }

    fn unmet_condition_summary(&self, miss: &Miss) -> String {
        let about_via = |condition: &ConditionReport| condition.key.eq_ignore_ascii_case("kms:ViaService") && condition.found.is_none();
        if miss.conditions.iter().any(about_via) {
            return format!("The call is direct, so it carries no kms:ViaService, and {}, which comes nearest, wants one.", miss.name);
        }
        let unmet: Vec<String> = miss.conditions.iter().map(told).collect();
        format!("{} comes nearest, but {}.", capital(&miss.name), unmet.join(" and "))
    }

    /// Tries one statement on each side in turn, the smaller first. A fix that does not turn the answer is not told.
    fn fix(&self) -> Option<Fix> {
        self.identity_fix().or_else(|| self.key_policy_fix())
    }

    fn identity_fix(&self) -> Option<Fix> {
        let account = self.subject.principal.account()?;
        let resource = if matches!(self.target.resource, Resource::None { .. }) { "*" } else { self.target.arn() };
        let statement = format!(r#"{{"Effect":"Allow","Action":"{}","Resource":"{resource}"}}"#, self.request.action);
        let mut subject = self.subject.clone();
        subject.identity.push(Attached {
            policy: Policy::parse(PolicyKind::Identity, format!(r#"{{"Version":"2012-10-17","Statement":{statement}}}"#)),
            name: "the fix".into(),
            arn: None,
        });
        let place = format!("an identity policy of {}", short(&self.subject.principal));
        authorize(&subject, self.target, self.request).is_allowed().then(|| Fix { account: account.to_string(), place, statement })
    }

    fn key_policy_fix(&self) -> Option<Fix> {
        let Resource::Key { key, grants } = &self.target.resource else { return None };
        if key.manager == KeyManager::Aws {
            return None;
        }
        let principal = match &self.subject.principal {
            Principal::User { arn, .. } | Principal::FederatedUser { arn, .. } => format!(r#"{{"AWS":"{arn}"}}"#),
            Principal::RoleSession { role, .. } => format!(r#"{{"AWS":"{role}"}}"#),
            Principal::Root { account } => format!(r#"{{"AWS":"arn:aws:iam::{account}:root"}}"#),
            Principal::Service { name } => format!(r#"{{"Service":"{name}"}}"#),
        };
        let statement = format!(r#"{{"Effect":"Allow","Principal":{principal},"Action":"{}","Resource":"*"}}"#, self.request.action);
        let mut changed = (*key).clone();
        // The second policy of the key is evaluated with the first [A337]: a place to try a statement beside the whole text.
        let mut statements = vec![statement.as_str()];
        let ram = key.ram_policy.as_ref().map(|ram| ram.policy.text().to_owned());
        let inner = ram.as_deref().and_then(|text| text.split_once('[').and_then(|(_, rest)| rest.rsplit_once(']')).map(|(inner, _)| inner));
        statements.extend(inner.filter(|inner| !inner.trim().is_empty()));
        changed.ram_policy = Some(ResourcePolicy::unbound(Policy::parse(
            PolicyKind::Key,
            format!(r#"{{"Version":"2012-10-17","Statement":[{}]}}"#, statements.join(",")),
        )));
        let target = Target { resource: Resource::Key { key: &changed, grants }, rcps: self.target.rcps, organization: self.target.organization };
        authorize(self.subject, &target, self.request).is_allowed().then(|| Fix {
            account: key.arn.account().to_string(),
            place: "the key policy".to_owned(),
            statement,
        })
    }
}

/// What an Allow lacks, least first.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Lack {
    /// So many conditions are not met.
    Conditions(usize),
    /// It means other resources.
    Resource,
    /// It means this caller and other actions.
    Action,
    /// It means other callers.
    Principal,
}

/// `project is absent, wanted StringEquals x`
fn told(condition: &ConditionReport) -> String {
    let wanted = list(condition.wanted.iter());
    match &condition.found {
        Some(found) => format!("{} is {}, where it wants {} {wanted}", condition.key, list(found.iter()), condition.operator),
        None => format!("{} is absent, where it wants {} {wanted}", condition.key, condition.operator),
    }
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(chars).collect()
}

fn allowed_summary(layer: Layer, across: bool) -> &'static str {
    match layer {
        Layer::KeyPolicy => "The key policy names the caller, and nothing denies.",
        Layer::Identity if across => "Both halves are there: the key policy admits the caller, and its own account allows it.",
        Layer::Identity => "Identity policies allow it, where they are asked, and nothing denies.",
        Layer::Grant => "A grant allows it, and nothing denies.",
        Layer::Rcp | Layer::Scp | Layer::Endpoint | Layer::Boundary | Layer::Session | Layer::Operation => "Nothing denies.",
    }
}

fn condition_report(condition: &Condition, context: &dyn Context) -> ConditionReport {
    let values = context.values(condition.key());
    let found: Vec<String> = values.iter().map(str::to_owned).collect();
    ConditionReport {
        key: condition.key().to_string(),
        operator: condition.operator_text().to_owned(),
        wanted: condition.values().map(str::to_owned).collect(),
        found: (!found.is_empty()).then_some(found),
        holds: match condition.holds(context) {
            Truth::Yes => Some(true),
            Truth::No => Some(false),
            Truth::Unsure | Truth::Open => None,
        },
    }
}

/// What a grant's constraint wants, in the form of a condition.
pub(crate) fn grant_conditions(grant: &Grant, miss: &GrantMiss) -> Vec<ConditionReport> {
    let constraints = &grant.terms.constraints;
    let wanted = |key: &str, operator: &str, wanted: Vec<String>| {
        vec![ConditionReport { key: key.to_owned(), operator: operator.to_owned(), wanted, found: None, holds: None }]
    };
    match miss {
        GrantMiss::EncryptionContext => {
            let pairs = constraints.encryption_context().into_iter().flatten().map(|(name, value)| format!("{name}={value}")).collect();
            wanted("encryption context", constraints.kind().unwrap_or_default(), pairs)
        }
        GrantMiss::SourceArn => wanted("aws:SourceArn", "equals", constraints.source_arn.iter().cloned().collect()),
        GrantMiss::WiderChild => wanted("grant asked for", "is no wider than", vec![grant_name(grant)]),
        GrantMiss::OtherGrantee | GrantMiss::Recreated | GrantMiss::Operation => Vec::new(),
    }
}

fn grant_name(grant: &Grant) -> String {
    let id = grant.id.as_str();
    let name = grant.name.as_ref().map(|name| format!(" \"{name}\"")).unwrap_or_default();
    format!("grant {}…{name}", id.get(..8).unwrap_or(id))
}

fn nearness(miss: &GrantMiss) -> u8 {
    match miss {
        GrantMiss::OtherGrantee => 0,
        GrantMiss::Operation => 1,
        GrantMiss::Recreated => 2,
        GrantMiss::SourceArn | GrantMiss::WiderChild => 3,
        GrantMiss::EncryptionContext => 4,
    }
}

fn lacks(grant: &Grant, miss: &GrantMiss) -> String {
    match miss {
        GrantMiss::OtherGrantee => "it is for somebody else".to_owned(),
        GrantMiss::Recreated => "its grantee was deleted; this principal bears the same name but is another".to_owned(),
        GrantMiss::Operation => format!("it holds {}", list(grant.terms.operations.iter().map(|operation| operation.name()))),
        GrantMiss::EncryptionContext => {
            let pairs = grant.terms.constraints.encryption_context().map(|pairs| list(pairs.iter().map(|(name, value)| format!("{name}={value}"))));
            format!("its constraint {} wants {}", grant.terms.constraints.kind().unwrap_or_default(), pairs.unwrap_or_default())
        }
        GrantMiss::SourceArn => format!("it serves calls on behalf of {} only", grant.terms.constraints.source_arn.as_deref().unwrap_or_default()),
        GrantMiss::WiderChild => "the grant asked for is wider than this one".to_owned(),
    }
}

fn list(items: impl Iterator<Item = impl AsRef<str>>) -> String {
    const SHOWN_MAX: usize = 4;
    let items: Vec<String> = items.map(|item| item.as_ref().to_owned()).collect();
    match items.len().checked_sub(SHOWN_MAX) {
        Some(more) if more > 0 => format!("{} and {more} more", items.get(..SHOWN_MAX).unwrap_or_default().join(", ")),
        _ => items.join(", "),
    }
}

/// `role/app`, `user/ann`, `root`, `logs.amazonaws.com`.
fn short(principal: &Principal) -> String {
    match principal {
        Principal::User { arn, .. } | Principal::FederatedUser { arn, .. } => arn.resource().to_owned(),
        Principal::RoleSession { role, .. } => role.resource().to_owned(),
        Principal::Root { .. } => "the root user".to_owned(),
        Principal::Service { name } => name.to_string(),
    }
}

/// As it reads in a terminal, without colour, in the form of a table and two sentences.
impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let resource = self.resource.rsplit(':').next().unwrap_or_default();
        let owner = self.owner_account.as_deref().map(|account| format!(", {account}")).unwrap_or_default();
        let known_as = match (self.aliases.as_slice(), owner.as_str()) {
            ([], "") => String::new(),
            ([], owner) => format!(" ({})", owner.trim_start_matches(", ")),
            (aliases, owner) => format!(" ({}{owner})", aliases.join(", ")),
        };
        let caller = self.caller.rsplit(':').next().unwrap_or_default();
        let account = self.caller_account.as_deref().map(|account| format!(" ({account})")).unwrap_or_default();
        writeln!(f, "{}  {}  {resource}{known_as}  for {caller}{account}\n", self.decision, self.action)?;
        for layer in &self.layers {
            layer.fmt(f)?;
        }
        writeln!(f, "\n  {}", self.summary)?;
        if let Some(fix) = &self.fix {
            writeln!(f, "  Smallest fix, in {} ({}):\n    {}", fix.account, fix.place, fix.statement)?;
        }
        Ok(())
    }
}

/// Where the verdicts and the details begin.
const NAME_WIDTH: usize = 15;
const VERDICT_WIDTH: usize = 10;

impl LayerReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lines = Vec::new();
        if !self.detail.is_empty() {
            lines.push(self.detail.clone());
        }
        for statement in &self.statements {
            lines.push(statement.name.clone());
            lines.extend(statement.conditions.iter().map(|condition| format!("  {condition}")));
        }
        if let Some(miss) = &self.nearest {
            lines.push(format!("nearest: {}: {}", miss.name, miss.lacks));
            lines.extend(miss.conditions.iter().map(|condition| format!("  {condition}")));
        }
        let mut head = format!("  {:NAME_WIDTH$}{:VERDICT_WIDTH$}", self.layer, self.verdict);
        if lines.is_empty() {
            return writeln!(f, "{}", head.trim_end());
        }
        for line in lines {
            writeln!(f, "{head}{line}")?;
            head.clear();
            write!(head, "{:1$}", "", 2 + NAME_WIDTH + VERDICT_WIDTH)?;
        }
        Ok(())
    }
}

impl ConditionReport {
    /// As what is wanted, without what was found.
    pub(crate) fn wish(&self) -> String {
        format!("{} {} {}", self.key, self.operator, list(self.wanted.iter()))
    }
}

impl fmt::Display for ConditionReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = match self.holds {
            Some(true) => "✓",
            Some(false) => "✗",
            None => "?",
        };
        let wanted = self.wanted.join(" | ");
        match &self.found {
            Some(found) if self.holds == Some(true) => write!(f, "{} = {}  {mark}", self.key, found.join(", ")),
            Some(found) => {
                write!(f, "{} = {}, wanted {} {wanted}{}  {mark}", self.key, found.join(", "), self.operator, case_hint(found, &self.wanted))
            }
            None => write!(f, "{} is absent, wanted {} {wanted}  {mark}", self.key, self.operator),
        }
    }
}

fn case_hint(found: &[String], wanted: &[String]) -> &'static str {
    let differ_by_case = found.iter().any(|found| wanted.iter().any(|wanted| found != wanted && found.eq_ignore_ascii_case(wanted)));
    if differ_by_case { " (values are case-sensitive)" } else { "" }
}

/// The KMS action of a name, for questions typed by people: `Decrypt` and `kms:Decrypt` are the same.
///
/// # Errors
/// Says what is wrong with the name.
pub fn action_named(text: &str) -> Result<Action, String> {
    if text.contains(':') { Action::parse(text) } else { Action::parse(&format!("kms:{text}")) }
}
