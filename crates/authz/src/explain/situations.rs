//! The situations that people meet, in words: what a decision comes to, in a sentence or two.

use keyward_policy::{Condition, Context, KeyName, PrincipalElement, Values, Version};

use crate::authorize::{Decision, Layer, Refusal};
use crate::facts::{KeyManager, Principal, Resource, Subject};
use crate::grant::GrantMiss;
use crate::layers::{Origin, StatementRef};
use crate::principals::{admission, concerns};

use super::Teller;
use super::nearest::{Lack, Nearest, unmet};
use super::reasons::Reasons;
use super::words::{capital, condition_report, differ_by_case, grant_lacks, grant_name, list, told};

/// A situation: its name for programs, its words for people.
pub(super) struct Situation {
    pub(super) name: &'static str,
    pub(super) words: String,
}

fn situation(name: &'static str, words: impl Into<String>) -> Situation {
    Situation { name, words: words.into() }
}

impl Teller<'_> {
    pub(super) fn situation(&self, reasons: &Reasons) -> Situation {
        let (decision, action) = (&reasons.decision, &self.request.action);
        match (decision.refusal(), decision.layer()) {
            (None, layer) => self.allowed(layer, decision),
            (Some(Refusal::Denied), _) => self.denied(decision),
            (Some(Refusal::Silent), Layer::Operation) => {
                // [A313]
                situation("not-across-accounts", format!("{action} does not work on keys of other accounts, whatever the policies say."))
            }
            (Some(Refusal::Silent), Layer::KeyPolicy | Layer::Identity) if self.crosses_accounts() => self.across_accounts(reasons),
            (Some(Refusal::Silent), Layer::KeyPolicy) => self.key_policy_silent(reasons),
            (Some(Refusal::Silent), Layer::Identity) => self.identity_silent(reasons),
            (Some(Refusal::Silent), Layer::Session) => self.session_silent(reasons),
            (Some(Refusal::Silent), Layer::Boundary) => {
                self.limit_silent(reasons, "boundary", "The permissions boundary has no Allow for it, and it binds this caller here.")
            }
            (Some(Refusal::Silent), Layer::Scp) => {
                self.limit_silent(reasons, "scp", "Every level of service control policies above the caller must allow it, and one does not.")
            }
            (Some(Refusal::Silent), Layer::Endpoint) => self.limit_silent(reasons, "endpoint", "The VPC endpoint's policy has no Allow for it."),
            (Some(Refusal::Silent), Layer::Rcp) => situation("rcp", "A resource control policy stands in the way."),
            (Some(Refusal::Silent), Layer::Grant) => {
                situation("not-of-the-grant", "Retiring a grant is decided by the grant, and this caller has no part in it.")
            }
        }
    }

    fn allowed(&self, layer: Layer, decision: &Decision) -> Situation {
        let words = match layer {
            Layer::KeyPolicy => format!("The {} names the caller, and nothing denies.", self.own_name()),
            Layer::Identity if self.crosses_accounts() => {
                format!("Both halves are there: the {} admits the caller, and its own account allows it.", self.own_name())
            }
            Layer::Identity => "Identity policies allow it, where they are asked, and nothing denies.".to_owned(),
            Layer::Grant => "A grant allows it, and nothing denies.".to_owned(),
            Layer::Rcp | Layer::Scp | Layer::Endpoint | Layer::Boundary | Layer::Session | Layer::Operation => "Nothing denies.".to_owned(),
        };
        match decision.unknown() {
            None => situation("allowed", words),
            Some(layer) => {
                let kind = if layer == Layer::Rcp { "RCPs" } else { "SCPs" };
                situation("limit-unknown", format!("Allowed as far as known; the organization's {kind} are not in this estate. {words}"))
            }
        }
    }

    fn denied(&self, decision: &Decision) -> Situation {
        let names: Vec<String> = decision.statements().iter().map(|at| self.name(*at)).collect();
        if let Some(at) = decision.statements().iter().find(|at| self.denies_by_boundary(**at)) {
            // [A221]
            let words = format!(
                "{} denies by NotPrincipal, which always means a principal with a permissions boundary, listed or not; a condition on \
                 aws:PrincipalArn can exempt it.",
                capital(&self.name(*at))
            );
            return situation("not-principal-with-boundary", words);
        }
        let direct = decision.statements().iter().any(|at| self.conditions_of(*at).any(|(condition, values)| is_absent_via(condition, &values)));
        let direct = if direct { " The call is direct, so it carries no kms:ViaService." } else { "" };
        situation("explicit-deny", format!("An explicit deny ends it, whatever else allows: {}.{direct}", names.join(", ")))
    }

    /// (A221) Whether a Deny means this caller only because it has a boundary.
    fn denies_by_boundary(&self, at: StatementRef) -> bool {
        let Some((policy, _)) = self.own_policy().filter(|_| at.origin == Origin::Resource) else { return false };
        let element = self.statement(at).and_then(|(_, statement, _)| statement.principal());
        let unbounded = Subject { boundary: None, ..self.subject.clone() };
        element.is_some_and(|element| element.negated && self.subject.boundary.is_some() && !concerns(element, policy, &unbounded))
    }

    fn across_accounts(&self, reasons: &Reasons) -> Situation {
        if self.is_aws_managed() {
            return situation("aws-managed-key", "This is an AWS managed key: no other account can ever use it, and nobody can change its policy.");
        }
        let (key_side, own_side) = (self.layers.resource.admits(), self.layers.identity.allows());
        if self.subject.service_linked && !own_side {
            // [A641]
            let words = "A service-linked role has the policies that its service gives it, and nobody can add one; for a key of another account \
                         the way is a grant to the role.";
            return situation("foreign-service-linked-role", words);
        }
        if matches!(self.subject.principal, Principal::Root { .. }) {
            // [A312]
            let words = "The root user of another account needs the key policy, which does not admit it; its own side needs nothing.";
            return situation("key-half-missing", words);
        }
        let has = |present: bool| if present { "present" } else { "missing" };
        let halves = format!(
            "A principal of another account needs both halves: the {} ({}) and its own identity policy ({}).",
            self.own_name(),
            has(key_side),
            has(own_side)
        );
        let name = match (key_side, own_side) {
            (true, _) => "own-half-missing",
            (false, true) => "key-half-missing",
            (false, false) => "both-halves-missing",
        };
        let story = [(Layer::Identity, own_side), (Layer::KeyPolicy, key_side)].into_iter().filter(|(_, present)| !present);
        match story.filter_map(|(layer, _)| self.story(reasons.of(layer)?.nearest?)).next() {
            Some(story) => situation(story.name, format!("{halves} {}", story.words)),
            None => situation(name, halves),
        }
    }

    /// What the resource's own policy is called: a key's, a role's.
    fn own_name(&self) -> &'static str {
        self.own_policy().map_or("key policy", |(_, name)| name)
    }

    fn is_aws_managed(&self) -> bool {
        matches!(&self.target.resource, Resource::Key { key, .. } if key.manager == KeyManager::Aws)
    }

    fn key_policy_silent(&self, reasons: &Reasons) -> Situation {
        if self.is_aws_managed() {
            let words = "This is an AWS managed key: it works only through its service, and nobody can change its policy.";
            return situation("aws-managed-key", words);
        }
        let nearest = reasons.of(Layer::KeyPolicy).and_then(|layer| layer.nearest);
        if let Some(story) = nearest.and_then(|nearest| self.story(nearest)) {
            return story;
        }
        if let Some(story) = reasons.of(Layer::Grant).and_then(|layer| layer.nearest).and_then(|nearest| self.grant_story(nearest)) {
            return story;
        }
        if let Some(story) = self.stranger_token() {
            return story;
        }
        if let Some(Nearest { cited, lack: Lack::Action }) = nearest {
            let words = format!("{} means this caller, but {} is not among its actions.", capital(&self.name(cited.at)), self.request.action);
            return situation("action-not-listed", words);
        }
        self.nobody_admits(reasons)
    }

    /// The key policy has nothing about this caller.
    fn nobody_admits(&self, reasons: &Reasons) -> Situation {
        match &self.subject.principal {
            Principal::Root { account, .. } if !self.account_is_named() => {
                // [A302]
                let words = format!(
                    "The key policy never names account {account}, so its root user is locked out as everybody else: KMS allows nothing by default, \
                     not even to root."
                );
                return situation("root-locked-out", words);
            }
            Principal::Service { name } => {
                // [A208]
                let words = format!("{name} calls under no account: only a statement that names the service, or a grant to it, can let it in.");
                return situation("service-not-named", words);
            }
            _ if self.subject.service_linked => {
                let what = &self.request.action;
                let words = match what.kms().map(|permission| permission.name()) {
                    Some("CreateGrant") => {
                        "The service-linked role makes grants on the key for its resources, and the key policy does not let it: it needs \
                         kms:CreateGrant, best with kms:GrantIsForAWSResource."
                            .to_owned()
                    }
                    _ => format!("A service-linked role takes no further policies: the key policy, or a grant, must give it {what}."),
                };
                return situation("service-linked-role", words);
            }
            _ => {}
        }
        if self.layers.identity.allows() {
            let administrator = self.layers.identity.allows.iter().any(|at| self.allows_everything(*at));
            let (name, whose) = match administrator {
                true => ("administrator-counts-for-nothing", "your administrator policy counts"),
                false => ("identity-counts-for-nothing", "your identity policies count"),
            };
            // [A306]
            let own = self.own_name();
            return situation(name, format!("The {own} neither names this caller nor delegates to its account: {whose} for nothing here."));
        }
        let nothing = match &self.target.resource {
            Resource::Key { .. } => {
                "Nothing is allowed by default, not even to the root user or the key's creator: the key policy does not admit this caller"
            }
            _ => "Nothing is allowed by default: the trust policy does not admit this caller",
        };
        match reasons.of(Layer::Grant).and_then(|layer| layer.nearest).and_then(|nearest| self.grant(nearest.cited.at)) {
            Some(grant) => {
                let lacks = grant_lacks(grant, GrantMiss::OtherGrantee, &self.request.action);
                situation("grant-for-another", format!("{nothing}, and {}: {lacks}.", grant_name(grant)))
            }
            None => situation("nothing-allows", format!("{nothing}.")),
        }
    }

    /// Whether a statement allows every action of KMS on every resource.
    fn allows_everything(&self, at: StatementRef) -> bool {
        self.statement(at).is_some_and(|(_, statement, _)| {
            let every = |pattern: &str| pattern == "*" || pattern.eq_ignore_ascii_case("kms:*");
            statement.actions().iter().any(|pattern| every(pattern.as_str())) && statement.resources().any(|resource| resource == "*")
        })
    }

    fn account_is_named(&self) -> bool {
        let Some((policy, _)) = self.own_policy() else { return false };
        let names = |element: &PrincipalElement| admission(element, policy, self.subject).is_some();
        policy.policy.statements().iter().filter_map(|statement| statement.principal()).any(names)
    }

    /// (A619) A token makes its grant count sooner, for its grantee and nobody else.
    fn stranger_token(&self) -> Option<Situation> {
        let Resource::Key { grants, .. } = &self.target.resource else { return None };
        let of_caller = |id: &&crate::names::GrantId| {
            let grant = grants.iter().find(|grant| grant.id == **id);
            grant.is_some_and(|grant| crate::grant::grantee_match(&grant.terms.grantee, &self.subject.principal).is_ok())
        };
        let stranger = self.request.tokens.iter().find(|id| !of_caller(id))?;
        let id = stranger.as_str().get(..8).unwrap_or_default();
        let words =
            format!("The request carries a token of grant {id}…, which is not for this caller: a token gives nothing to anyone but the grantee.");
        Some(situation("token-of-another", words))
    }

    fn identity_silent(&self, reasons: &Reasons) -> Situation {
        if let Some(story) = reasons.of(Layer::Identity).and_then(|layer| layer.nearest).and_then(|nearest| self.story(nearest)) {
            return story;
        }
        if self.own_policy().is_none() || self.request.identity_only {
            let words = format!("{} is decided by identity policies alone, and none of this caller's allows it here.", self.request.action);
            return situation("identity-alone", words); // [A403]
        }
        if let Some(story) = reasons.of(Layer::Grant).and_then(|layer| layer.nearest).and_then(|nearest| self.grant_story(nearest)) {
            return story;
        }
        let own = self.own_name();
        situation("delegated", format!("The {own} delegates to the account, so identity policies decide, and none of this caller's allows it.")) // [A303]
    }

    fn session_silent(&self, reasons: &Reasons) -> Situation {
        if matches!(self.subject.principal, Principal::FederatedUser { .. }) && self.subject.session.is_none() {
            // [A219]
            let words = "This federated user's session was made without a session policy, so it has none of its user's permissions; only a policy \
                         that names the session itself reaches it.";
            return situation("federated-without-session-policy", words);
        }
        self.limit_silent(reasons, "session", "The session was made with policies that have no Allow for it.")
    }

    fn limit_silent(&self, reasons: &Reasons, name: &'static str, words: &str) -> Situation {
        let nearest = reasons.of(reasons.decision.layer()).and_then(|layer| layer.nearest);
        match nearest.and_then(|nearest| self.story(nearest)) {
            Some(story) => situation(story.name, format!("{words} {}", story.words)),
            None => situation(name, words),
        }
    }

    /// What is special about the nearest statement, if anything is.
    fn story(&self, nearest: Nearest) -> Option<Situation> {
        let at = nearest.cited.at;
        let (policy, statement, _) = self.statement(at)?;
        let name = capital(&self.name(at));
        match nearest.lack {
            Lack::Conditions(_) => Some(self.condition_story(nearest)),
            Lack::ResourceElement => {
                // [A135]
                let words = format!("{name} would allow it, but it has no Resource element, and so no effect: add \"Resource\": \"*\".");
                Some(situation("statement-without-resource", words))
            }
            Lack::Resource if self.names_alias(statement) => {
                // [A136]
                let words =
                    format!("{name} names an alias, which never means the key behind it: name the key by its key ARN, {}.", self.target.arn());
                Some(situation("alias-in-resource", words))
            }
            Lack::Resource if policy.version() == Version::V2008 && statement.resources().any(|resource| resource.contains("${")) => {
                Some(old_version(&name))
            }
            Lack::Recreated => Some(self.recreated(at, &name)),
            Lack::Resource | Lack::Action | Lack::Principal | Lack::Grant(_) => None,
        }
    }

    /// (A206) (A207)
    fn recreated(&self, at: StatementRef, name: &str) -> Situation {
        let element = self.statement(at).and_then(|(_, statement, _)| statement.principal());
        let id = element.and_then(|element| element.entries.iter().find(|entry| entry.text.starts_with("AROA") || entry.text.starts_with("AIDA")));
        let who = match &self.subject.principal {
            Principal::User { arn, .. } => arn.as_str(),
            Principal::RoleSession { role, .. } => role.as_str(),
            _ => "this principal",
        };
        let words = match id {
            Some(id) => format!(
                "{name} names {}, which is what is left of a principal that was deleted; one made anew under its old name is another. Put {who} in \
                 its place: a policy that still holds the id cannot be saved.",
                id.text
            ),
            None => format!(
                "{name} was saved when somebody else was {who}; that one was deleted, and its name was given anew. Save the policy again with the ARN."
            ),
        };
        situation("recreated-principal", words)
    }

    fn conditions_of(&self, at: StatementRef) -> impl Iterator<Item = (&Condition, Vec<String>)> {
        let context = self.context_of(at.origin);
        let conditions = self.statement(at).map_or(&[][..], |(_, statement, _)| statement.conditions());
        conditions.iter().map(move |condition| (condition, context.values(condition.key()).iter().map(str::to_owned).collect()))
    }

    /// Why the conditions of the statement that comes nearest are not met.
    fn condition_story(&self, nearest: Nearest) -> Situation {
        let at = nearest.cited.at;
        let name = self.name(at);
        let context = self.context_of(at.origin);
        let Some((policy, statement, _)) = self.statement(at) else { return situation("condition-not-met", "") };
        let failed: Vec<&Condition> = unmet(statement, &context).collect();
        for condition in &failed {
            let values = context.values(condition.key());
            let found: Vec<String> = values.iter().map(str::to_owned).collect();
            let wanted: Vec<String> = condition.values().map(str::to_owned).collect();
            if is_absent_via(condition, &found) && !matches!(self.subject.principal, Principal::Service { .. }) {
                // [A512]
                let words = format!("The call is direct, so it carries no kms:ViaService, and {name}, which comes nearest, wants one.");
                return situation("via-service-absent", words);
            }
            if condition.key().name() == KeyName::GrantIsForAwsResource && self.request.call.via.is_none() {
                // [A550]
                let words = format!(
                    "{} lets services make grants for this caller; this call is direct, so kms:GrantIsForAWSResource is false.",
                    capital(&name)
                );
                return situation("grant-not-by-a-service", words);
            }
            if matches!(values, Values::Many(_)) && condition.operator().set().is_none() && !condition.operator().is_null() {
                // [A164]
                let words = format!(
                    "{} compares {} by {} alone, and a key of several values needs ForAnyValue: or ForAllValues: before it to match at all.",
                    capital(&name),
                    condition.key(),
                    condition.operator_text()
                );
                return situation("multivalued-without-set-operator", words);
            }
            if policy.version() == Version::V2008 && wanted.iter().any(|wanted| wanted.contains("${")) {
                return old_version(&capital(&name));
            }
            if let Some(story) = self.context_story(condition, &found, &wanted, &name) {
                return story;
            }
        }
        let failed: Vec<String> = failed.iter().map(|condition| told(&condition_report(condition, &context))).collect();
        situation("condition-not-met", format!("{} comes nearest, but {}.", capital(&name), failed.join(" and ")))
    }

    /// The encryption context is there, but written differently.
    fn context_story(&self, condition: &Condition, found: &[String], wanted: &[String], name: &str) -> Option<Situation> {
        let key = condition.key();
        match key.name() {
            KeyName::EncryptionContext | KeyName::EncryptionContextKeys if !condition.operator().negated() && differ_by_case(found, wanted) => {
                let (what, which) = match key.name() {
                    KeyName::EncryptionContext => (format!("the request's {key} is {}", list(found.iter())), "context-value-case"), // [A540]
                    _ => (format!("the encryption context has the names {}", list(found.iter())), "context-name-case"),             // [A541]
                };
                let words = format!("{what}, where {name} wants {}: letter case counts.", list(wanted.iter()));
                Some(situation(which, capital(&words)))
            }
            KeyName::EncryptionContext if found.is_empty() => {
                let pairs = self.request.encryption_context?;
                let (other, value) = pairs.iter().find(|(_, value)| wanted.contains(value))?;
                let words = format!("The encryption context has {value} under {other}, where {name} wants it under {}.", key.part());
                Some(situation("context-name", words))
            }
            _ => None,
        }
    }

    /// A grant names this caller and does not serve.
    fn grant_story(&self, nearest: Nearest) -> Option<Situation> {
        let Lack::Grant(miss) = nearest.lack else { return None };
        let grant = self.grant(nearest.cited.at)?;
        let which = match miss {
            GrantMiss::OtherGrantee => return None,
            GrantMiss::Recreated => "grant-recreated-grantee", // [A606]
            GrantMiss::Operation => "grant-operation",         // [A601]
            GrantMiss::EncryptionContext => "grant-context",   // [A611]
            GrantMiss::SourceArn => "grant-source-arn",        // [A613]
            GrantMiss::WiderChild => "grant-wider-child",      // [A615]
        };
        let lacks = grant_lacks(grant, miss, &self.request.action);
        Some(situation(which, format!("{} names this caller, but {lacks}; no policy allows it either.", capital(&grant_name(grant)))))
    }
}

fn is_absent_via(condition: &Condition, found: &[String]) -> bool {
    condition.key().name() == KeyName::ViaService && found.is_empty()
}

/// (A102)
fn old_version(name: &str) -> Situation {
    let words = format!("{name} holds ${{…}}, which is literal text unless the policy says \"Version\": \"2012-10-17\".");
    situation("variable-in-old-version", words)
}
