//! Why: the decision told layer by layer, with the nearest miss and the smallest fix.
//!
//! [`reasons`] lists what every layer said as ids and spans; [`explain`] puts it into words, names the situation and looks for a fix.
//! The verdicts are those of the decision itself; nothing is decided twice, save the fix, which is tried on changed facts by
//! [`authorize`](crate::authorize).

mod fix;
mod layers;
mod nearest;
mod reasons;
mod report;
mod situations;
mod text;
mod words;

#[cfg(test)]
mod tests;

use keyward_policy::Action;

use crate::context::RequestContext;
use crate::facts::{Request, Resource, ResourcePolicy, Subject, Target};
use crate::layers::{Layers, Origin, consult};
use crate::sentence::sentence;

pub use fix::{Remedy, remedies};
pub use nearest::{Lack, Nearest};
pub use reasons::{Cited, LayerReasons, Reasons, Stance, reasons};
pub use report::{ConditionReport, Explanation, Fix, FixChange, FixPart, LayerReport, Miss, Place, Source, StatementReport};
pub(crate) use words::grant_conditions;

/// Tells a decision.
pub fn explain(subject: &Subject, target: &Target<'_>, request: &Request<'_>) -> Explanation {
    let layers = consult(subject, target, request);
    let teller = Teller { subject, target, request, layers: &layers };
    let decision = crate::authorize::decide(subject, target, request, &layers);
    let reasons = Reasons { layers: teller.layer_reasons(&decision), decision };
    let situation = teller.situation(&reasons);
    let mut fixes = fix::remedies_for(&teller, &reasons.decision).into_iter().map(|remedy| remedy.fix());
    let aliases = match &target.resource {
        Resource::Key { key, .. } => key.aliases.iter().map(ToString::to_string).collect(),
        Resource::Alias { .. } | Resource::None { .. } | Resource::Other { .. } => Vec::new(),
    };
    Explanation {
        decision: if reasons.decision.is_allowed() { "ALLOW" } else { "DENY" }.to_owned(),
        action: request.action.to_string(),
        resource: if matches!(target.resource, Resource::None { .. }) { "*".into() } else { target.arn().into() },
        aliases,
        caller: subject.principal.caller_arn().into_owned(),
        caller_account: subject.principal.account().map(|account| account.to_string()),
        owner_account: target.owner().map(|account| account.to_string()),
        decided_by: reasons.decision.layer().name().to_owned(),
        rules: reasons.decision.rules().iter().map(ToString::to_string).collect(),
        layers: teller.layer_reports(&reasons),
        situation: Some(situation.name.to_owned()),
        summary: situation.words,
        fix: fixes.next(),
        alternatives: fixes.collect(),
        message: sentence(subject, target, request, &reasons.decision),
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

    fn context_of(&self, origin: Origin) -> RequestContext<'a> {
        self.context(matches!(origin, Origin::Resource | Origin::Ram))
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
}

/// The KMS action of a name, for questions typed by people: `Decrypt` and `kms:Decrypt` are the same.
///
/// # Errors
/// Says what is wrong with the name.
pub fn action_named(text: &str) -> Result<Action, String> {
    if text.contains(':') { Action::parse(text) } else { Action::parse(&format!("kms:{text}")) }
}
