//! The nearest miss: the Allow, or the grant, that lacks least.

use keyward_policy::{Effect, Statement, Truth};

use crate::facts::{Resource, ResourcePolicy};
use crate::grant::{Grant, GrantMiss};
use crate::layers::{Origin, StatementRef};
use crate::principals::admission;

use super::Teller;
use super::report::Miss;
use super::words::{condition_report, list};

impl Teller<'_> {
    pub(super) fn nearest_in_own_policy(&self, policy: &ResourcePolicy) -> Option<Miss> {
        self.lacking_least_in_own_policy(policy).map(|(_, miss)| miss)
    }

    pub(super) fn lacking_least_in_own_policy(&self, policy: &ResourcePolicy) -> Option<(Lack, Miss)> {
        let count = policy.policy.statements().len();
        self.lacking_least((0..count).map(|statement| StatementRef { origin: Origin::Resource, statement }))
    }

    pub(super) fn nearest(&self, candidates: impl Iterator<Item = StatementRef>) -> Option<Miss> {
        self.lacking_least(candidates).map(|(_, miss)| miss)
    }

    /// The Allow that lacks least; of equals the first.
    pub(super) fn lacking_least(&self, candidates: impl Iterator<Item = StatementRef>) -> Option<(Lack, Miss)> {
        let mut best: Option<(Lack, Miss)> = None;
        for (lack, miss) in candidates.filter_map(|at| self.miss(at)) {
            if best.as_ref().is_none_or(|(least, _)| lack < *least) {
                best = Some((lack, miss));
            }
        }
        best
    }

    pub(super) fn miss(&self, at: StatementRef) -> Option<(Lack, Miss)> {
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
    pub(super) fn alias_hint(&self, statement: &Statement) -> &'static str {
        let names_alias = statement.resources().any(|resource| resource.contains(":alias/"));
        if names_alias && matches!(self.target.resource, Resource::Key { .. }) {
            " (an alias ARN in Resource never means the key behind it)"
        } else {
            ""
        }
    }
}

/// What an Allow lacks, least first.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Lack {
    /// So many conditions are not met.
    Conditions(usize),
    /// It means other resources.
    Resource,
    /// It means this caller and other actions.
    Action,
    /// It means other callers.
    Principal,
}

pub(super) fn nearness(miss: &GrantMiss) -> u8 {
    match miss {
        GrantMiss::OtherGrantee => 0,
        GrantMiss::Operation => 1,
        GrantMiss::Recreated => 2,
        GrantMiss::SourceArn | GrantMiss::WiderChild => 3,
        GrantMiss::EncryptionContext => 4,
    }
}

pub(super) fn lacks(grant: &Grant, miss: &GrantMiss) -> String {
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
