//! What is wrong with the request rather than with a policy: called directly, a pair of the context forgotten or misspelt.

use keyward_policy::{Condition, Context, KeyName};

use crate::authorize::{Decision, Refusal};
use crate::explain::Teller;
use crate::explain::nearest::{Lack, unmet};
use crate::facts::{Principal, Resource, Via};
use crate::grant::GrantMiss;
use crate::layers::StatementRef;
use crate::names::AliasName;

use super::remedy::{Change, Part, RequestChange};

impl Teller<'_> {
    /// How the request would have to be made to meet the statements that come nearest, or to stay clear of the Denies. Empty where
    /// that is no advice: somebody who asks for another tenant's data must not be told to call it their own.
    pub(super) fn request_parts(&self, decision: &Decision) -> Vec<Part> {
        let changes: Option<Vec<(RequestChange, String)>> = match decision.refusal() {
            None => None,
            Some(Refusal::Denied) => decision.statements().iter().map(|at| self.way_round(*at)).collect(),
            Some(Refusal::Silent) => {
                let nearest = self.layer_reasons(decision).into_iter().filter_map(|layer| layer.nearest);
                let ways = nearest.filter_map(|nearest| match nearest.lack {
                    Lack::Conditions(_) => self.way_to_meet(nearest.cited.at),
                    Lack::Grant(GrantMiss::EncryptionContext) => self.way_to_meet_grant(nearest.cited.at),
                    _ => None,
                });
                Some(ways.flatten().collect())
            }
        };
        let mut parts: Vec<Part> = Vec::new();
        for (change, words) in changes.into_iter().flatten() {
            let account = self.caller_account().unwrap_or_default();
            let part = Part { account, place: "the request".to_owned(), change: Change::Request { change, words } };
            if !parts.contains(&part) {
                parts.push(part);
            }
        }
        parts
    }

    /// Everything that an Allow still wants of the request.
    fn way_to_meet(&self, at: StatementRef) -> Option<Vec<(RequestChange, String)>> {
        let (_, statement, _) = self.statement(at)?;
        let context = self.context_of(at.origin);
        unmet(statement, &context).map(|condition| self.cure(condition, at)).collect()
    }

    /// (A611) The pairs that a grant's constraint still wants.
    fn way_to_meet_grant(&self, at: StatementRef) -> Option<Vec<(RequestChange, String)>> {
        let pairs = self.grant(at)?.terms.constraints.encryption_context()?;
        let found = |name: &str| self.request.encryption_context?.iter().find(|(other, _)| other.eq_ignore_ascii_case(name));
        let missing = pairs.iter().filter(|(name, value)| found(name).is_none_or(|(_, found)| found != *value));
        missing.map(|(name, value)| self.pair(name, value, found(name).map(|(_, value)| value.as_str()))).collect()
    }

    /// One thing that takes the request out of a Deny.
    fn way_round(&self, at: StatementRef) -> Option<(RequestChange, String)> {
        let (_, statement, _) = self.statement(at)?;
        statement.conditions().iter().find_map(|condition| self.cure(condition, at))
    }

    /// What of the request gives the condition's key the value that the policy names.
    fn cure(&self, condition: &Condition, at: StatementRef) -> Option<(RequestChange, String)> {
        let denies = self.statement(at).is_some_and(|(_, statement, _)| statement.effect() == keyward_policy::Effect::Deny);
        let operator = condition.operator();
        if operator.is_null() {
            return None;
        }
        let found: Vec<String> = self.context_of(at.origin).values(condition.key()).iter().map(str::to_owned).collect();
        let wanted = condition.values().find(|value| !value.contains("${"))?;
        match condition.key().name() {
            KeyName::SecureTransport if !self.request.call.secure_transport => Some((RequestChange::Tls, "call over TLS".to_owned())),
            // An Allow names the value that is wanted, a Deny the one that is spared.
            _ if operator.negated() != denies => None,
            KeyName::ViaService if found.is_empty() => self.through(wanted),
            KeyName::GrantIsForAwsResource if !denies && wanted.eq_ignore_ascii_case("true") => self.through_any_service(),
            KeyName::EncryptionContext if wanted.contains(['*', '?']) => None,
            KeyName::EncryptionContext => self.pair(condition.key().part(), wanted, found.first().map(String::as_str)),
            KeyName::EncryptionContextKeys => self.renamed(condition),
            KeyName::RequestAlias if found.is_empty() => self.by_alias(wanted),
            _ => None,
        }
    }

    fn through(&self, wanted: &str) -> Option<(RequestChange, String)> {
        if matches!(self.subject.principal, Principal::Service { .. }) || wanted.starts_with('*') || wanted.contains('?') {
            return None;
        }
        let service = wanted.replace('*', self.request.call.region.as_str());
        let words = format!("let {service} call for you, not directly: only a service's own calls carry kms:ViaService");
        Some((RequestChange::Through(Via::service_door(service)), words))
    }

    /// (A550)
    fn through_any_service(&self) -> Option<(RequestChange, String)> {
        if self.request.call.via.is_some() || matches!(self.subject.principal, Principal::Service { .. }) {
            return None;
        }
        let service = format!("ec2.{}.amazonaws.com", self.request.call.region);
        let words = format!("let the AWS service that uses the key make the grant for you, as {service} does for a volume");
        Some((RequestChange::Through(Via::service_door(service)), words))
    }

    /// A pair that is missing, or whose value or name is misspelt. A wholly other value is meant as it is.
    fn pair(&self, part: &str, wanted: &str, found: Option<&str>) -> Option<(RequestChange, String)> {
        let pairs = self.request.encryption_context;
        let mut existing = pairs.into_iter().flatten();
        match found {
            Some(found) if found.eq_ignore_ascii_case(wanted) => {
                let (name, _) = existing.find(|(name, _)| name.eq_ignore_ascii_case(part))?;
                let words = format!("send the encryption context {name}={wanted}, not {name}={found}: letter case counts");
                Some((RequestChange::Pair { name: name.clone(), value: wanted.to_owned(), instead_of: None }, words))
            }
            Some(_) => None,
            None => {
                let other = existing.find(|(_, value)| *value == wanted).map(|(name, _)| name.clone());
                let words = match &other {
                    Some(other) => format!("send the encryption context {part}={wanted}, not {other}={wanted}"),
                    None => format!("send the encryption context {part}={wanted} as well"),
                };
                Some((RequestChange::Pair { name: part.to_owned(), value: wanted.to_owned(), instead_of: other }, words))
            }
        }
    }

    /// (A541) Names in kms:EncryptionContextKeys count by letter case.
    fn renamed(&self, condition: &Condition) -> Option<(RequestChange, String)> {
        let pairs = self.request.encryption_context?;
        let misspelt = |wanted: &str| pairs.iter().find(|(name, _)| *name != wanted && name.eq_ignore_ascii_case(wanted));
        let (wanted, (name, value)) = condition.values().find_map(|wanted| Some((wanted, misspelt(wanted)?)))?;
        let words = format!("send the encryption context {wanted}={value}, not {name}={value}: letter case counts");
        Some((RequestChange::Pair { name: wanted.to_owned(), value: value.clone(), instead_of: Some(name.clone()) }, words))
    }

    /// (A545)
    fn by_alias(&self, wanted: &str) -> Option<(RequestChange, String)> {
        let Resource::Key { key, .. } = &self.target.resource else { return None };
        let alias: &AliasName = key.aliases.iter().find(|alias| alias.as_str() == wanted)?;
        Some((RequestChange::Alias(alias.clone()), format!("name the key by {alias}")))
    }
}
