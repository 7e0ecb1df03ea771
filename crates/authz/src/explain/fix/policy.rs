//! What a policy lacks, and what of it stands in the way: an Allow for one principal, one action, one resource, or a Deny narrowed.

use keyward_policy::{Condition, ConditionKey, Context, KeyName, Truth, Values, Version};

use crate::authorize::{Decision, Layer, Refusal};
use crate::explain::Teller;
use crate::explain::nearest::{Lack, Nearest};
use crate::explain::words::short;
use crate::facts::{KeyManager, Principal, Resource};
use crate::layers::{Origin, StatementRef};

use super::remedy::{Addition, Change, Part, holder};
use super::write::{Written, allow, condition_block, quoted, with_condition};

impl Teller<'_> {
    /// What the layer that refuses lacks. `pinned`: with the conditions of the nearest statement, as far as the request meets them.
    /// None: no policy of that layer can be the way.
    pub(super) fn policy_parts(&self, decision: &Decision, pinned: bool) -> Option<Vec<Part>> {
        match (decision.refusal()?, decision.layer()) {
            (Refusal::Denied, _) => decision.statements().iter().map(|at| self.narrowed(*at)).collect(),
            (Refusal::Silent, Layer::KeyPolicy) => Some(vec![self.own_statement(decision, pinned)?]),
            (Refusal::Silent, Layer::Identity) => Some(vec![self.identity_statement(decision, pinned)?]),
            (Refusal::Silent, Layer::Boundary) => {
                let boundary = self.subject.boundary.as_ref()?;
                let to = Addition::Boundary(boundary.policy.clone());
                Some(vec![self.ceiling(to, self.caller_account()?, format!("the permissions boundary of {}", short(&self.subject.principal)))?])
            }
            (Refusal::Silent, Layer::Session) => {
                let text = self.statement_text(None, &self.pins(Layer::Session, decision, pinned));
                let place = "the session policy given when the session is made".to_owned();
                Some(vec![Part { account: self.caller_account()?, place, change: Change::statement(Addition::Session, text, Version::V2012) }])
            }
            (Refusal::Silent, Layer::Scp) => self.scp_statements(),
            (Refusal::Silent, Layer::Endpoint) => {
                let text = self.statement_text(Some(&self.principal()?), &self.pins(Layer::Endpoint, decision, pinned));
                let change = Change::statement(Addition::Endpoint, text, Version::V2012);
                Some(vec![Part { account: self.endpoint_account()?, place: "the VPC endpoint's policy".to_owned(), change }])
            }
            // [A313] [A324] [A620] No statement allows what these refuse.
            (Refusal::Silent, Layer::Operation | Layer::Rcp | Layer::Grant) => None,
        }
    }

    pub(super) fn caller_account(&self) -> Option<String> {
        self.subject.principal.account().map(|account| account.to_string())
    }

    fn owner_account(&self) -> Option<String> {
        self.target.owner().map(|account| account.to_string())
    }

    fn endpoint_account(&self) -> Option<String> {
        let endpoint = self.request.call.endpoint.as_ref()?;
        Some(endpoint.account.map_or_else(|| format!("the account of {}", endpoint.id), |account| account.to_string()))
    }

    /// The key policy's half, or the trust policy's.
    fn own_statement(&self, decision: &Decision, pinned: bool) -> Option<Part> {
        let (place, resource) = match &self.target.resource {
            Resource::Key { key, .. } if key.manager == KeyManager::Aws => return None, // [A803]
            Resource::Key { .. } => ("the key policy", Some("*")),
            Resource::Other { policy: Some(_), .. } => ("the trust policy", None),
            Resource::Other { policy: None, .. } | Resource::Alias { .. } | Resource::None { .. } => return None,
        };
        let mut pins = self.pins(Layer::KeyPolicy, decision, pinned);
        match &self.subject.principal {
            // [A127] The account's ARN names everybody there; this condition leaves its root user.
            Principal::Root { .. } => pins.push(self.is_caller("ArnEquals")?),
            // A service calls on behalf of others: of whom, is what the statement must say.
            Principal::Service { .. } => pins.extend(self.source_pins()),
            Principal::User { .. } | Principal::RoleSession { .. } | Principal::FederatedUser { .. } => {}
        }
        let text = allow(Some(&self.principal()?), &self.request.action.to_string(), resource, &pins);
        let version = self.own_policy()?.0.policy.version();
        Some(Part { account: self.owner_account()?, place: place.to_owned(), change: Change::statement(Addition::Own, text, version) })
    }

    /// The caller as a Principal element, which means nobody else.
    fn principal(&self) -> Option<String> {
        let arn = match &self.subject.principal {
            Principal::User { arn, .. } | Principal::FederatedUser { arn, .. } => arn.as_str().to_owned(),
            Principal::RoleSession { role, .. } => role.as_str().to_owned(),
            Principal::Root { .. } => self.subject.principal.caller_arn().into_owned(),
            Principal::Service { name } => return Some(format!(r#"{{"Service":{}}}"#, quoted(name))),
        };
        Some(format!(r#"{{"AWS":{}}}"#, quoted(&arn)))
    }

    fn identity_statement(&self, decision: &Decision, pinned: bool) -> Option<Part> {
        let holder = holder(&self.subject.principal)?;
        if self.subject.service_linked {
            return None; // Its policies are its service's.
        }
        let text = self.statement_text(None, &self.pins(Layer::Identity, decision, pinned));
        let place = format!("an identity policy of {}", holder.resource());
        Some(Part { account: holder.account()?.to_string(), place, change: Change::statement(Addition::Identity, text, Version::V2012) })
    }

    fn statement_text(&self, principal: Option<&str>, pins: &[Written]) -> String {
        let resource = match &self.target.resource {
            Resource::None { pattern } if !pattern.ends_with(":key/*") => "*", // [A141]
            _ => self.target.arn(),
        };
        allow(principal, &self.request.action.to_string(), Some(resource), pins)
    }

    /// An Allow in a policy that limits others too: for them it stays as it is.
    fn ceiling(&self, to: Addition, account: String, place: String) -> Option<Part> {
        let text = self.statement_text(None, &[self.is_caller("ArnEquals")?]);
        Some(Part { account, place, change: Change::statement(to, text, Version::V2012) })
    }

    fn scp_statements(&self) -> Option<Vec<Part>> {
        let silent = self.layers.scp.iter().flatten().enumerate().filter(|(_, verdict)| !verdict.allows());
        let part = |level| self.ceiling(Addition::Scp(level), self.management_account(), format!("an SCP at level {}", level + 1));
        silent.map(|(level, _)| part(level)).collect()
    }

    /// Who may change organization policies: told by the ARN of one, `arn:aws:organizations::111122223333:policy/…`.
    fn management_account(&self) -> String {
        let policies = self.subject.scps.iter().flatten().flatten().chain(self.target.rcps);
        let of = |arn: &str| arn.split(':').nth(4).filter(|account| account.len() == 12 && *account != "000000000000").map(str::to_owned);
        let known = policies.filter_map(|attached| attached.arn.as_deref()).find_map(of);
        known.unwrap_or_else(|| match &self.subject.organization {
            Some(organization) => format!("the management account of {}", organization.id),
            None => "the organization's management account".to_owned(),
        })
    }

    /// `aws:PrincipalArn` of this caller, which of the role's sessions are all.
    fn is_caller(&self, operator: &str) -> Option<Written> {
        let key = "aws:PrincipalArn";
        Some((operator.to_owned(), key.to_owned(), vec![self.single(key)?]))
    }

    fn single(&self, key: &str) -> Option<String> {
        match self.context(false).values(&ConditionKey::new(key)) {
            Values::One(value) => Some(value.into_owned()),
            Values::Absent | Values::Many(_) | Values::Clash(_) | Values::Unknown => None,
        }
    }

    /// (A530)
    fn source_pins(&self) -> impl Iterator<Item = Written> {
        let pin = |operator: &str, key: &str| Some((operator.to_owned(), key.to_owned(), vec![self.single(key)?]));
        [pin("ArnEquals", "aws:SourceArn"), pin("StringEquals", "aws:SourceAccount")].into_iter().flatten()
    }

    /// What the nearest statement of a layer wants of the request, as far as the request has it, and otherwise what the request has instead:
    /// so that a new statement opens no more than it must.
    fn pins(&self, layer: Layer, decision: &Decision, pinned: bool) -> Vec<Written> {
        let reasons = self.layer_reasons(decision);
        let nearest = reasons.iter().find(|reasons| reasons.layer == layer).and_then(|reasons| reasons.nearest).filter(|_| pinned);
        let wants_more = |nearest: &Nearest| !matches!(nearest.lack, Lack::Action | Lack::Grant(_));
        let Some(at) = nearest.filter(wants_more).map(|nearest| nearest.cited.at) else { return Vec::new() };
        let Some((_, statement, _)) = self.statement(at) else { return Vec::new() };
        let mut pins: Vec<Written> = Vec::new();
        for pin in statement.conditions().iter().filter_map(|condition| self.pin(at.origin, condition)) {
            if !pins.iter().any(|(operator, key, _)| *operator == pin.0 && *key == pin.1) {
                pins.push(pin);
            }
        }
        pins
    }

    fn pin(&self, origin: Origin, condition: &Condition) -> Option<Written> {
        let (name, key) = (condition.key().name(), condition.key().as_str());
        // One principal is named as it is, and a variable means something else in another document.
        if is_about_the_caller(name) || condition.values().any(|value| value.contains("${")) {
            return None;
        }
        let context = self.context_of(origin);
        let values = || condition.values().map(str::to_owned).collect();
        match (condition.holds(&context), context.values(condition.key())) {
            (Truth::Yes, _) => Some((condition.operator_text().to_owned(), key.to_owned(), values())),
            // [A164] As it was meant.
            (_, Values::Many(_)) if condition.operator().set().is_none() && !condition.operator().negated() => {
                Some((format!("ForAnyValue:{}", condition.operator_text()), key.to_owned(), values()))
            }
            (_, Values::One(value)) if is_text_of_the_request(name) => Some(("StringEquals".to_owned(), key.to_owned(), vec![value.into_owned()])),
            _ => None,
        }
    }

    /// A Deny that no longer means this caller, and everybody else as before.
    fn narrowed(&self, at: StatementRef) -> Option<Part> {
        let (policy, _, attached) = self.statement(at)?;
        // [A335] The one is managed by RAM, the other by AWS.
        let unchangeable =
            at.origin == Origin::Ram || attached.and_then(|attached| attached.arn.as_deref()).is_some_and(|arn| arn.contains(":iam::aws:"));
        if unchangeable {
            return None;
        }
        let service = matches!(self.subject.principal, Principal::Service { .. });
        let (operator, key) = if service { ("StringNotEquals", "aws:PrincipalServiceName") } else { ("ArnNotEquals", "aws:PrincipalArn") };
        let value = self.single(key)?;
        let to = with_condition(policy, at.statement, (operator, key, &value))?;
        let condition = condition_block(&[(operator.to_owned(), key.to_owned(), vec![value])]);
        let (account, place) = match at.origin {
            Origin::Resource | Origin::Ram => (self.owner_account()?, format!("the {}", self.own_policy()?.1)),
            Origin::Scp(..) | Origin::Rcp(_) => (self.management_account(), "an organization policy".to_owned()),
            Origin::Endpoint => (self.endpoint_account()?, "the VPC endpoint's policy".to_owned()),
            Origin::Identity(_) => (self.caller_account()?, "an identity policy".to_owned()),
            Origin::Boundary => (self.caller_account()?, "the permissions boundary".to_owned()),
            Origin::Session(_) => (self.caller_account()?, "the session policy given when the session is made".to_owned()),
            Origin::Grant(_) => return None,
        };
        let change = Change::Narrow { name: self.name(at), condition, from: policy.clone(), to };
        Some(Part { account, place, change })
    }
}

fn is_about_the_caller(name: KeyName) -> bool {
    use KeyName as K;
    matches!(
        name,
        K::PrincipalArn
            | K::PrincipalAccount
            | K::PrincipalOrgId
            | K::PrincipalOrgPaths
            | K::UserName
            | K::UserId
            | K::PrincipalType
            | K::PrincipalTag
            | K::PrincipalIsAwsService
            | K::PrincipalServiceName
            | K::PrincipalServiceNamesList
            | K::CallerAccount
    )
}

/// What a request says in one word, and the next one may say differently.
fn is_text_of_the_request(name: KeyName) -> bool {
    use KeyName as K;
    matches!(
        name,
        K::ViaService
            | K::EncryptionContext
            | K::EncryptionAlgorithm
            | K::RequestAlias
            | K::SigningAlgorithm
            | K::MessageType
            | K::MacAlgorithm
            | K::KeyAgreementAlgorithm
            | K::DataKeyPairSpec
            | K::GranteePrincipal
            | K::GranteeServicePrincipal
            | K::RetiringPrincipal
            | K::RetiringServicePrincipal
            | K::GrantConstraintType
            | K::WrappingAlgorithm
            | K::WrappingKeySpec
            | K::ReplicaRegion
            | K::PrimaryRegion
    )
}
