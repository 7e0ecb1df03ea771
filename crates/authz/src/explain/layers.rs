//! What each layer said, in a line or a few.

use keyward_policy::{Effect, Policy, Statement, Truth};

use crate::authorize::Layer;
use crate::facts::{Attached, Principal, Resource};
use crate::grant::{Grant, GrantMiss, serves};
use crate::layers::{Exemption, Origin, StatementRef};
use crate::principals::admission;

use super::Teller;
use super::nearest::{Lack, Nearest, unmet};
use super::reasons::{Cited, LayerReasons, Reasons, Stance};
use super::report::{ConditionReport, LayerReport, Miss, Place, Source, StatementReport};
use super::words::{condition_report, counted, grant_conditions, grant_lacks, grant_name, list, short};

impl<'a> Teller<'a> {
    pub(super) fn layer_reports(&self, reasons: &Reasons) -> Vec<LayerReport> {
        let mut reports: Vec<LayerReport> = reasons.layers.iter().map(|layer| self.layer_report(layer)).collect();
        if !reasons.layers.iter().any(|reasons| matches!(reasons.layer, Layer::Scp | Layer::Rcp)) {
            reports.push(LayerReport {
                layer: "organization".to_owned(),
                verdict: "passes".to_owned(),
                detail: "no SCP, no RCP".to_owned(),
                statements: Vec::new(),
                nearest: None,
            });
        }
        reports
    }

    fn layer_report(&self, reasons: &LayerReasons) -> LayerReport {
        LayerReport {
            layer: self.layer_name(reasons),
            verdict: verdict(reasons.stance).to_owned(),
            detail: self.detail(reasons),
            statements: reasons.statements.iter().filter_map(|cited| self.statement_report(cited.at)).collect(),
            nearest: reasons.nearest.and_then(|nearest| self.miss(nearest)),
        }
    }

    fn layer_name(&self, reasons: &LayerReasons) -> String {
        match (reasons.layer, reasons.level) {
            (Layer::KeyPolicy, _) => self.own_policy().map_or("key policy", |(_, name)| name).to_owned(),
            (Layer::Identity, _) => "identity".to_owned(),
            (Layer::Grant, _) => "grants".to_owned(),
            (Layer::Rcp, _) => "RCP".to_owned(),
            (Layer::Scp, Some(level)) => format!("SCP level {}", level + 1),
            (Layer::Scp, None) => "SCP".to_owned(),
            (Layer::Endpoint, _) => "VPC endpoint".to_owned(),
            (Layer::Boundary, _) => "boundary".to_owned(),
            (Layer::Session, _) => "session policy".to_owned(),
            (Layer::Operation, _) => "operation".to_owned(),
        }
    }

    fn detail(&self, reasons: &LayerReasons) -> String {
        match (reasons.layer, reasons.stance) {
            (_, Stance::DoesNotBind(exemption)) => exempted(exemption).to_owned(),
            (_, Stance::Unknown) => "the organization's SCPs are not in this estate".to_owned(),
            (Layer::KeyPolicy, Stance::Delegates) => {
                format!("to identity policies of account {}", self.subject.principal.account().map(|a| a.to_string()).unwrap_or_default())
            }
            (Layer::KeyPolicy, Stance::Silent) => self.why_own_policy_is_silent(),
            (Layer::Identity, Stance::Silent) => self.why_identity_is_silent(),
            (Layer::Session, Stance::Silent) if self.subject.session.is_none() => "none was given when this session was made".to_owned(), // [A219]
            (Layer::Session | Layer::Boundary, Stance::Silent) => format!("does not allow {}", self.request.action),
            (Layer::Grant, Stance::Silent) => self.why_grants_are_silent(),
            (Layer::Scp, stance) => self.scp_detail(reasons.level, stance),
            (Layer::Rcp, Stance::Passes) => format!("{}, none denies", counted(self.target.rcps.len(), "RCP", "RCPs")),
            (Layer::Endpoint, Stance::Passes) => format!("{}: the default policy allows everything", self.endpoint_id()),
            (Layer::Endpoint, Stance::Silent) => format!("the policy of {} does not allow {}", self.endpoint_id(), self.request.action),
            (Layer::Endpoint, _) => self.endpoint_id().to_owned(),
            _ => String::new(),
        }
    }

    fn endpoint_id(&self) -> &'a str {
        self.request.call.endpoint.as_ref().map_or("", |endpoint| endpoint.id.as_str())
    }

    fn why_own_policy_is_silent(&self) -> String {
        let Some((policy, _)) = self.own_policy() else { return String::new() };
        let admits = |statement: &&Statement| {
            let names = |element| admission(element, policy, self.subject).is_some();
            statement.effect() == Effect::Allow && statement.principal().is_some_and(names)
        };
        let naming = policy.policy.statements().iter().filter(admits).count();
        let statements = counted(policy.policy.statements().len(), "statement", "statements");
        match (naming, &self.subject.principal) {
            (0, Principal::Service { .. }) => format!("{statements}, none names this service"), // [A208]
            (0, _) => format!("{statements}, none names this caller, none delegates to its account"),
            (1, _) => format!("{statements}, 1 admits this caller, not for this request"),
            (naming, _) => format!("{statements}, {naming} admit this caller, none for this request"),
        }
    }

    fn why_identity_is_silent(&self) -> String {
        let who = short(&self.subject.principal);
        match self.subject.identity.len() {
            0 if matches!(self.subject.principal, Principal::Root { .. }) => "the root user needs no identity policy".to_owned(), // [A209]
            0 => format!("no policy on {who}"),
            1 => format!("1 policy on {who} does not allow {}", self.request.action),
            count => format!("{count} policies on {who}, none allows {}", self.request.action),
        }
    }

    fn why_grants_are_silent(&self) -> String {
        if let Some(grant) = self.request.retires {
            return format!("{} gives this caller no part in its end", grant_name(grant)); // [A620]
        }
        let Resource::Key { grants, .. } = &self.target.resource else { return String::new() };
        let Some(permission) = self.request.action.kms() else { return String::new() };
        let misses = grants.iter().filter_map(|grant| serves(grant, permission, self.subject, self.request).err());
        match misses.filter(|miss| *miss != GrantMiss::OtherGrantee).count() {
            0 => "none names this caller".to_owned(),
            1 => "1 names this caller, it does not serve".to_owned(),
            naming => format!("{naming} name this caller, none serves"),
        }
    }

    /// The level's name is that of what its policies are attached to.
    fn scp_detail(&self, level: Option<usize>, stance: Stance) -> String {
        let policies = level.and_then(|level| self.subject.scps.as_ref()?.get(level)).map_or(&[][..], Vec::as_slice);
        let name = policies.first().and_then(|attached| attached.name.rsplit_once(" on ")).map(|(_, name)| name.to_owned());
        let silent = match policies.len() {
            0 => "no SCP is attached".to_owned(),
            1 => format!("its SCP does not allow {}", self.request.action),
            count => format!("{count} SCPs, none allows {}", self.request.action),
        };
        let told = name.into_iter().chain((stance == Stance::Silent).then_some(silent));
        told.collect::<Vec<_>>().join(": ")
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

    pub(super) fn grant(&self, at: StatementRef) -> Option<&'a Grant> {
        match (at.origin, self.request.retires, &self.target.resource) {
            (Origin::Grant(_), Some(retired), _) => Some(retired),
            (Origin::Grant(place), None, Resource::Key { grants, .. }) => grants.get(place).map(|grant| &**grant),
            _ => None,
        }
    }

    pub(super) fn name(&self, at: StatementRef) -> String {
        self.source(at).map(|source| source.name).unwrap_or_default()
    }

    /// The same, for lists in which statements of several policies and grants stand side by side.
    pub(crate) fn name_with_policy(&self, at: StatementRef) -> String {
        let name = self.name(at);
        match at.origin {
            Origin::Resource => format!("{} {name}", self.own_policy().map_or("policy", |(_, policy)| policy)),
            Origin::Ram => format!("AWS_RAM policy {name}"),
            Origin::Endpoint => format!("endpoint policy {name}"),
            Origin::Identity(_) | Origin::Boundary | Origin::Session(_) | Origin::Scp(..) | Origin::Rcp(_) | Origin::Grant(_) => name,
        }
    }

    pub(super) fn source(&self, at: StatementRef) -> Option<Source> {
        if let Some(grant) = self.grant(at) {
            return Some(Source { name: grant_name(grant), grant_id: Some(grant.id.to_string()), ..Source::default() });
        }
        let (policy, statement, attached) = self.statement(at)?;
        let sid = statement.sid().map(|sid| format!(" \"{sid}\"")).unwrap_or_default();
        let of = attached.map(|attached| format!("{} ", attached.name)).unwrap_or_default();
        let span = statement.span();
        let (line, column) = span.line_and_column(policy.text());
        Some(Source {
            name: format!("{of}statement {}{sid}", at.statement + 1),
            policy: attached.map(|attached| attached.name.to_string()),
            policy_arn: attached.and_then(|attached| attached.arn.as_deref()).map(str::to_owned),
            number: Some(at.statement + 1),
            sid: statement.sid().map(str::to_owned),
            place: Some(Place { line, column, bytes: [span.start, span.end] }),
            grant_id: None,
        })
    }

    /// The conditions of a statement that hang on what is not known.
    pub(crate) fn open_conditions(&self, at: StatementRef) -> Vec<ConditionReport> {
        let Some((_, statement, _)) = self.statement(at) else { return Vec::new() };
        let context = self.context_of(at.origin);
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
        let source = self.source(at)?;
        if let Some(grant) = self.grant(at) {
            let constraints = self.constraints_asked(grant).flat_map(|constraint| grant_conditions(grant, &constraint));
            return Some(StatementReport { source, conditions: constraints.map(|condition| self.compared(condition, true)).collect() });
        }
        let context = self.context_of(at.origin);
        let conditions = self.statement(at).map_or(&[][..], |(_, statement, _)| statement.conditions());
        Some(StatementReport { source, conditions: conditions.iter().map(|c| condition_report(c, &context)).collect() })
    }

    /// The constraints of a grant that this operation is held to (A612).
    fn constraints_asked(&self, grant: &Grant) -> impl Iterator<Item = GrantMiss> + use<> {
        let permission = self.request.action.kms().map_or("", |permission| permission.name());
        let constraints = &grant.terms.constraints;
        let context = constraints.kind().is_some() && !matches!(permission, "DescribeKey" | "RetireGrant" | "GetPublicKey" | "CreateGrant");
        let source = constraints.source_arn.is_some() && permission != "RetireGrant";
        let asked = [(context, GrantMiss::EncryptionContext), (source, GrantMiss::SourceArn)];
        asked.into_iter().filter(|(asked, _)| *asked).map(|(_, constraint)| constraint)
    }

    /// A grant's constraint beside what the request has (A611) (A613).
    fn compared(&self, condition: ConditionReport, holds: bool) -> ConditionReport {
        let found: Vec<String> = match condition.key.as_str() {
            "aws:SourceArn" => self.request.call.source_arn.iter().cloned().collect(),
            "encryption context" => self.request.encryption_context.into_iter().flatten().map(|(name, value)| format!("{name}={value}")).collect(),
            _ => return condition,
        };
        ConditionReport { found: (!found.is_empty()).then_some(found), holds: Some(holds), ..condition }
    }

    fn miss(&self, nearest: Nearest) -> Option<Miss> {
        let Nearest { cited: Cited { at, .. }, lack } = nearest;
        let source = self.source(at)?;
        if let (Lack::Grant(miss), Some(grant)) = (lack, self.grant(at)) {
            let lacks = grant_lacks(grant, miss, &self.request.action);
            let compared = grant_conditions(grant, &miss).into_iter().map(|condition| self.compared(condition, false));
            return Some(Miss { source, lacks, conditions: compared.collect() });
        }
        let (_, statement, _) = self.statement(at)?;
        let action = &self.request.action;
        let names = || statement.principal().map(|p| list(p.entries.iter().map(|entry| &*entry.text))).unwrap_or_default();
        let lacks = match lack {
            Lack::Conditions(1) => "its condition is not met".to_owned(),
            Lack::Conditions(count) => format!("{count} of its conditions are not met"),
            Lack::ResourceElement => "it has no Resource element, so it has no effect".to_owned(),
            Lack::Resource if statement.negates_resources() => format!("it allows {action} on all but {}", list(statement.resources())),
            Lack::Resource => format!("it allows {action} on {} only{}", list(statement.resources()), self.alias_hint(statement)),
            Lack::Action => {
                let all_but = if statement.negates_actions() { "everything but " } else { "" };
                format!("it allows this caller {all_but}{}", list(statement.actions().iter().map(|a| a.as_str())))
            }
            Lack::Recreated => format!("it allows {action} to {}, as which somebody else was known", names()),
            Lack::Principal => format!("it allows {action} to {}", names()),
            Lack::Grant(_) => return None,
        };
        Some(Miss { source, lacks, conditions: self.unmet_conditions(nearest) })
    }

    /// What of the nearest is not met; beside the point where it means another action or another caller.
    pub(super) fn unmet_conditions(&self, nearest: Nearest) -> Vec<ConditionReport> {
        if !matches!(nearest.lack, Lack::Conditions(_) | Lack::Resource) {
            return Vec::new();
        }
        let Some((_, statement, _)) = self.statement(nearest.cited.at) else { return Vec::new() };
        let context = self.context_of(nearest.cited.at.origin);
        unmet(statement, &context).map(|condition| condition_report(condition, &context)).collect()
    }

    /// (A136) The most frequent mistake with Resource.
    fn alias_hint(&self, statement: &Statement) -> &'static str {
        if self.names_alias(statement) { " (an alias ARN in Resource never means the key behind it)" } else { "" }
    }

    pub(super) fn names_alias(&self, statement: &Statement) -> bool {
        let key = matches!(self.target.resource, Resource::Key { .. }) && !statement.negates_resources();
        key && statement.resources().any(|resource| resource.contains(":alias/"))
    }
}

fn verdict(stance: Stance) -> &'static str {
    match stance {
        Stance::Allows => "allows",
        Stance::Delegates => "delegates",
        Stance::Silent => "silent",
        Stance::Denies => "denies",
        Stance::Passes => "passes",
        Stance::DoesNotBind(_) => "does not bind",
        Stance::Unknown => "unknown",
    }
}

fn exempted(exemption: Exemption) -> &'static str {
    match exemption {
        Exemption::ManagementAccount => "the caller is in the organization's management account",
        Exemption::ServiceLinkedRole => "the caller is a service-linked role",
        Exemption::ServicePrincipal => "the caller is an AWS service",
        Exemption::AwsManagedKey => "the key is managed by AWS",
        Exemption::RetireGrant => "RetireGrant is a matter of the grant",
        Exemption::NoResource => "the operation has no resource",
        Exemption::ForwardAccess => "a service calls for the caller, and not through the caller's endpoint",
        Exemption::ServiceCall => "an AWS service calls, and not through the endpoint",
        Exemption::NamedItself => "the caller itself is named by what allows; its silence does not count",
    }
}
