//! What a simulation tells besides the decision: what each layer says, and which condition keys it was not told about.

use std::collections::BTreeSet;

use keyward_policy::{Context, Policy, Truth, Values};

use crate::authorize::{Decision, decide};
use crate::context::RequestContext;
use crate::facts::{Request, Resource, Subject, Target};
use crate::layers::{Layers, consult};

/// Decides as [`authorize`](crate::authorize) does, and tells what every layer says.
pub fn authorize_in_layers(subject: &Subject, target: &Target<'_>, request: &Request<'_>) -> (Decision, Layers) {
    let layers = consult(subject, target, request);
    (decide(subject, target, request, &layers), layers)
}

/// The condition keys, as the policies write them, that identity policies, boundary and the resource's own policy ask for in
/// statements about this action and resource, and of which the request says nothing. Variables ask too.
pub fn missing_keys(subject: &Subject, target: &Target<'_>, request: &Request<'_>) -> Vec<String> {
    let own = match &target.resource {
        Resource::Key { key, .. } => Some(&key.policy),
        Resource::Other { policy, .. } => *policy,
        Resource::Alias { .. } | Resource::None { .. } => None,
    };
    let attached = subject.identity.iter().chain(&subject.boundary).map(|attached| (&attached.policy, false));
    let mut missing = Missing { names: Vec::new(), seen: BTreeSet::new() };
    for (policy, for_key_policy) in attached.chain(own.map(|own| (&own.policy, true))) {
        missing.gather(policy, request, target.arn(), &RequestContext { subject, target, request, for_key_policy });
    }
    missing.names
}

struct Missing {
    names: Vec<String>,
    /// In lower case: names of keys compare without it (A151).
    seen: BTreeSet<String>,
}

impl Missing {
    fn gather(&mut self, policy: &Policy, request: &Request<'_>, arn: &str, context: &RequestContext<'_>) {
        let about = policy.statements().iter().filter(|statement| statement.matches_action(&request.action));
        for statement in about {
            let unresolved = |key: &&keyward_policy::ConditionKey| context.values(key) == Values::Absent;
            // A resource whose variables have no value matches nothing, and might match with one.
            let matches = statement.matches_resource(arn, context) != Truth::No || statement.resources().any(|resource| resource.contains("${"));
            for key in statement.keys().filter(unresolved).filter(|_| matches) {
                if self.seen.insert(key.as_str().to_ascii_lowercase()) {
                    self.names.push(key.as_str().to_owned());
                }
            }
        }
    }
}
