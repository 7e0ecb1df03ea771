//! A grant in place of policies: for a service-linked role of another account there is nothing else (A641).

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use keyward_policy::{Effect, KeyName, Truth};

use crate::authorize::{Decision, Layer, Refusal};
use crate::explain::Teller;
use crate::facts::{KeyManager, Principal, Resource};
use crate::grant::{Grant, GrantConstraints, GrantPrincipal, GrantRequest};
use crate::names::GrantId;
use crate::operation::GrantOperation;

use super::remedy::{Change, Part};
use super::write::quoted;

impl Teller<'_> {
    /// CreateGrant for this caller and this operation, if grants hold it.
    pub(super) fn grant_part(&self, decision: &Decision) -> Option<Part> {
        let Resource::Key { key, .. } = &self.target.resource else { return None };
        let silent = decision.refusal() == Some(Refusal::Silent) && matches!(decision.layer(), Layer::KeyPolicy | Layer::Identity);
        let wanted = self.crosses_accounts() || self.subject.service_linked;
        if !silent || !wanted || key.manager == KeyManager::Aws || self.request.retires.is_some() {
            return None;
        }
        let operation = GrantOperation::named(self.request.action.kms()?.name())?;
        let (arn, bound) = match &self.subject.principal {
            Principal::User { arn, id } => (arn, id),
            Principal::RoleSession { role, id, .. } => (role, id),
            Principal::FederatedUser { .. } | Principal::Root { .. } | Principal::Service { .. } => return None,
        };
        let pairs = if &*key.spec == "SYMMETRIC_DEFAULT" { self.pairs_that_policies_ask_for() } else { BTreeMap::new() };
        let parameters = create_grant(key.arn.as_str(), arn.as_str(), operation.name(), &pairs);
        let constraints = GrantConstraints { encryption_context_subset: (!pairs.is_empty()).then_some(pairs), ..GrantConstraints::default() };
        let terms = GrantRequest {
            grantee: GrantPrincipal::Aws { arn: arn.clone(), bound: bound.clone() },
            operations: vec![operation],
            constraints,
            retiring: None,
        };
        let account = key.arn.account();
        let grant = Grant { id: not_yet()?, key: key.arn.clone(), terms, issuing_account: account, name: None, created_at: Timestamp::UNIX_EPOCH };
        let change = Change::Grant { grant: Arc::new(grant), parameters };
        Some(Part { account: account.to_string(), place: "a grant on the key".to_owned(), change })
    }

    /// The pairs of the request's encryption context by which the key policy tells its users apart.
    fn pairs_that_policies_ask_for(&self) -> BTreeMap<String, String> {
        let (Some((policy, _)), Some(pairs)) = (self.own_policy(), self.request.encryption_context) else { return BTreeMap::new() };
        let context = self.context(true);
        let allows = policy.policy.statements().iter().filter(|statement| statement.effect() == Effect::Allow);
        let met = allows.flat_map(|statement| statement.conditions()).filter(|condition| {
            condition.key().name() == KeyName::EncryptionContext && !condition.operator().negated() && condition.holds(&context) == Truth::Yes
        });
        let named = |part: &str| pairs.iter().find(|(name, _)| name.eq_ignore_ascii_case(part));
        met.filter_map(|condition| named(condition.key().part())).map(|(name, value)| (name.clone(), value.clone())).collect()
    }
}

fn create_grant(key: &str, grantee: &str, operation: &str, pairs: &BTreeMap<String, String>) -> String {
    let pairs: Vec<String> = pairs.iter().map(|(name, value)| format!("{}:{}", quoted(name), quoted(value))).collect();
    let constraints = match pairs.is_empty() {
        true => String::new(),
        false => format!(r#","Constraints":{{"EncryptionContextSubset":{{{}}}}}"#, pairs.join(",")),
    };
    format!(r#"{{"KeyId":{},"GranteePrincipal":{},"Operations":[{}]{constraints}}}"#, quoted(key), quoted(grantee), quoted(operation))
}

/// An id that no grant has, for one that does not exist yet.
fn not_yet() -> Option<GrantId> {
    "0".repeat(64).parse().ok()
}
