//! What a refused caller reads: AWS's own sentence (§9).

use keyward_policy::Action;

use crate::authorize::{Decision, Layer, Refusal, attached};
use crate::facts::{Request, Resource, Subject, Target};

/// (A906) What stands for anything on the side of a key in another account.
const HIDDEN: &str = "because the resource does not exist in this Region, no resource-based policies allow access, or a resource-based policy explicitly denies access";

/// (A907) The older of the two texts, with which recorded suites compare.
const HIDDEN_CIPHERTEXT_KEY: &str =
    "The ciphertext refers to a customer master key that does not exist, does not exist in this region, or you are not allowed to access.";

/// AWS's AccessDenied sentence for a refused request; empty for an allowed one.
pub fn sentence(subject: &Subject, target: &Target<'_>, request: &Request<'_>, decision: &Decision) -> String {
    let Some(refusal) = decision.refusal() else { return String::new() };
    let caller = subject.principal.caller_arn();
    let action = &request.action;
    if is_hidden(subject, target, decision) {
        return hidden_sentence(&caller, action, request.from_ciphertext);
    }
    let resource = match &target.resource {
        _ if request.from_ciphertext => " on the resource associated with this ciphertext".to_owned(), // [A903]
        // [A406] The tags of a key that has no id yet: no resource to name.
        Resource::None { pattern } if pattern.ends_with(":key/*") => String::new(),
        Resource::None { .. } => " on resource: *".to_owned(),
        _ => format!(" on resource: {}", target.arn()),
    };
    let because = match (refusal, decision.layer()) {
        (Refusal::Denied, layer) => format!("with an explicit deny in {}{}", with_article(layer), policy_arn(subject, target, decision)),
        (Refusal::Silent, layer) => format!("because no {} allows the {action} action", type_name(layer)),
    };
    format!("User: {caller} is not authorized to perform: {action}{resource} {because}")
}

/// The sentence for a key of another account that is missing or refuses: the same for both (A906) (A907) (A908).
pub fn hidden_sentence(caller: &str, action: &Action, from_ciphertext: bool) -> String {
    if from_ciphertext {
        return HIDDEN_CIPHERTEXT_KEY.to_owned();
    }
    format!("User: {caller} is not authorized to perform: {action} on this resource {HIDDEN}")
}

/// Whether the refusal comes from the far side of an account boundary, of which the caller may learn nothing.
pub(crate) fn is_hidden(subject: &Subject, target: &Target<'_>, decision: &Decision) -> bool {
    let foreign_key = matches!(target.resource, Resource::Key { .. })
        && subject.principal.account().is_some_and(|account| target.owner().is_some_and(|owner| owner != account));
    foreign_key && matches!(decision.layer(), Layer::KeyPolicy | Layer::Rcp | Layer::Operation | Layer::Grant)
}

/// (A904)
fn type_name(layer: Layer) -> &'static str {
    match layer {
        Layer::Rcp => "resource control policy",
        Layer::Scp => "service control policy",
        Layer::Endpoint => "VPC endpoint policy",
        // [A910] Grants are never mentioned.
        Layer::KeyPolicy | Layer::Grant | Layer::Operation => "resource-based policy",
        Layer::Identity => "identity-based policy",
        Layer::Boundary => "permissions boundary",
        Layer::Session => "session policy",
    }
}

fn with_article(layer: Layer) -> String {
    let article = if layer == Layer::Identity { "an" } else { "a" };
    format!("{article} {}", type_name(layer))
}

/// (A905) Managed and organization policies are named, inline ones never.
fn policy_arn(subject: &Subject, target: &Target<'_>, decision: &Decision) -> String {
    let arn = decision.statements().first().and_then(|statement| attached(subject, target, statement.origin)?.arn.clone());
    arn.map_or_else(String::new, |arn| format!(": {arn}"))
}
