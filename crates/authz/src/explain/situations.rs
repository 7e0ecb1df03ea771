//! The situations that people meet, in words.

use crate::authorize::{Decision, Layer, Refusal};
use crate::facts::{KeyManager, Principal, Resource};

use super::Teller;
use super::nearest::Lack;
use super::report::{ConditionReport, Miss};
use super::words::{capital, told};

impl Teller<'_> {
    pub(super) fn summary(&self, decision: &Decision) -> String {
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

    pub(super) fn halves_summary(&self) -> String {
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

    pub(super) fn silent_key_policy_summary(&self) -> String {
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

    pub(super) fn unmet_condition_summary(&self, miss: &Miss) -> String {
        let about_via = |condition: &ConditionReport| condition.key.eq_ignore_ascii_case("kms:ViaService") && condition.found.is_none();
        if miss.conditions.iter().any(about_via) {
            return format!("The call is direct, so it carries no kms:ViaService, and {}, which comes nearest, wants one.", miss.name);
        }
        let unmet: Vec<String> = miss.conditions.iter().map(told).collect();
        format!("{} comes nearest, but {}.", capital(&miss.name), unmet.join(" and "))
    }
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
