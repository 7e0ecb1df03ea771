//! What each layer said, in a line or a few.

use keyward_policy::{Effect, Policy, Statement, Truth};

use crate::facts::{Attached, Principal, Resource, ResourcePolicy};
use crate::grant::{Grant, GrantMiss, serves};
use crate::layers::{Origin, StatementRef, Verdict};
use crate::principals::admission;

use super::Teller;
use super::nearest::{lacks, nearness};
use super::report::{ConditionReport, LayerReport, Miss, StatementReport};
use super::words::{condition_report, grant_name, short};

impl<'a> Teller<'a> {
    pub(super) fn layers(&self) -> Vec<LayerReport> {
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
        reports.push(self.organization_report());
        reports
    }

    pub(super) fn own_policy_report(&self, policy: &ResourcePolicy, layer: &str) -> LayerReport {
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

    pub(super) fn why_own_policy_is_silent(&self, policy: &ResourcePolicy) -> String {
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

    pub(super) fn attached_report(&self, layer: &str, policies: &[Attached], verdict: &Verdict, origin: impl Fn(usize) -> Origin) -> LayerReport {
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

    pub(super) fn grants_report(&self, grants: &[std::sync::Arc<Grant>]) -> LayerReport {
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

    pub(super) fn organization_report(&self) -> LayerReport {
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
    pub(super) fn statement(&self, at: StatementRef) -> Option<(&'a Policy, &'a Statement, Option<&'a Attached>)> {
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

    pub(super) fn name(&self, at: StatementRef) -> String {
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

    pub(super) fn statement_report(&self, at: StatementRef) -> Option<StatementReport> {
        let (_, statement, _) = self.statement(at)?;
        let context = self.context(matches!(at.origin, Origin::Resource | Origin::Ram));
        Some(StatementReport { name: self.name(at), conditions: statement.conditions().iter().map(|c| condition_report(c, &context)).collect() })
    }
}
