//! Decides a case with the engine: facts from the case, the answer in the case's words.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use keyward_authz::{
    Attached, CallFacts, Decision, Grant, GrantConstraints, GrantPrincipal, GrantRequest, KeyFacts, KeyManager, Membership, MultiRegionKeyType,
    Origin, Principal, Request, Resource, ResourcePolicy, StatementRef, Subject, Target, UniqueId, Via, VpcEndpoint, authorize, hidden_sentence,
    sentence,
};
use keyward_policy::{AccountId, Action, Arn, ConditionKey, Context, MapContext, Policy, PolicyKind, PrincipalKind, Values, parse_date};
use serde::Serialize;
use serde_json::Value;

use crate::case::{Case, CaseAccount, CaseConstraints, CaseGrant, CaseKey, CasePermission, CasePrincipal};
use crate::parameters::parameters;

/// What a decision comes to, in the words of `cases/README.md`.
#[derive(Clone, Debug, Serialize)]
pub struct Answer {
    /// Of the case.
    pub id: String,
    /// `allow`, `deny`, or the name of another error.
    pub decision: String,
    /// Which layer decided.
    pub layer: String,
    /// The rules that decided.
    pub rules: Vec<String>,
    /// JSON Pointers to the statements and grants that decided.
    pub statements: Vec<String>,
    /// The sentence that the caller gets, when refused.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub message: String,
}

/// Decides a case.
///
/// # Errors
/// What of the case cannot be read.
pub fn decide(case: &Case) -> Result<Answer, String> {
    let estate = Estate { case, subject: subject(case)?, call: call(case)? };
    estate.decide()
}

/// Puts the facts of one of the permissions that a case must have before somebody, by its place in `authorize`.
///
/// # Errors
/// What of the case cannot be read, and a place that it does not have.
pub fn ask<T>(case: &Case, at: usize, see: impl FnOnce(&Subject, &Target<'_>, &Request<'_>) -> T) -> Result<T, String> {
    let estate = Estate { case, subject: subject(case)?, call: call(case)? };
    let permission = case.request.authorize.get(at).ok_or_else(|| format!("{} asks for no permission {at}", case.id))?;
    estate.ask(permission, see)
}

struct Estate<'c> {
    case: &'c Case,
    subject: Subject,
    call: CallFacts,
}

impl Estate<'_> {
    fn decide(&self) -> Result<Answer, String> {
        let request = &self.case.request;
        if request.authorize.is_empty() {
            return self.identifier();
        }
        let mut statements = Vec::new();
        let (mut layer, mut rules) = ("", Vec::new());
        // [A300] The first that fails is told.
        for permission in &request.authorize {
            let (decision, pointers, message) = self.permission(permission)?;
            layer = decision.layer().name();
            rules = decision.rules().iter().map(ToString::to_string).collect();
            if !decision.is_allowed() {
                return Ok(self.answer("deny", layer, rules, pointers, message));
            }
            for pointer in pointers {
                if !statements.contains(&pointer) {
                    statements.push(pointer);
                }
            }
        }
        if let Some((error, layer, rule, message)) = self.later_refusal()? {
            // [A901] Permitted, then stopped: the statements that permitted are told, save where nothing was stored.
            let statements = if matches!(layer, "document" | "lockout") { Vec::new() } else { statements };
            return Ok(self.answer(error, layer, vec![rule.to_owned()], statements, message));
        }
        Ok(self.answer("allow", layer, rules, statements, String::new()))
    }

    fn answer(&self, decision: &str, layer: &str, rules: Vec<String>, statements: Vec<String>, message: String) -> Answer {
        Answer { id: self.case.id.clone(), decision: decision.into(), layer: layer.into(), rules, statements, message }
    }

    /// Nothing to authorize: the identifier resolves to nothing (A908) (A909) (A410).
    fn identifier(&self) -> Result<Answer, String> {
        let key = self.case.request.params.get("KeyId").and_then(Value::as_str).unwrap_or_default();
        let account = self.subject.principal.account().ok_or("an identifier needs an account")?;
        let region = &self.call.region;
        let arn = key.parse::<Arn>().ok();
        let message = match &arn {
            Some(arn) if arn.region() != region.as_str() => format!("Invalid arn {}", arn.region()),
            Some(arn) if arn.account() != Some(account) => {
                let permission = Action::parse(&format!("kms:{}", self.case.request.operation))?;
                let message = hidden_sentence(&self.subject.principal.caller_arn(), &permission, false);
                return Ok(self.answer("deny", "key-policy", vec!["A908".into()], Vec::new(), message));
            }
            Some(arn) => format!("Key '{arn}' does not exist"),
            None if key.starts_with("alias/") => format!("Alias arn:aws:kms:{region}:{account}:{key} is not found."),
            None => format!("Key 'arn:aws:kms:{region}:{account}:key/{key}' does not exist"),
        };
        Ok(self.answer("NotFoundException", "identifier", vec!["A908".into()], Vec::new(), message))
    }

    fn permission(&self, permission: &CasePermission) -> Result<(Decision, Vec<String>, String), String> {
        let retired_at = self.retired_at();
        let key = self.case.setup.keys.iter().position(|key| key.arn == permission.resource);
        self.ask(permission, |subject, target, request| {
            let decision = authorize(subject, target, request);
            let message = sentence(subject, target, request, &decision);
            let on_key: &[Arc<Grant>] = if let Resource::Key { grants, .. } = target.resource { grants } else { &[] };
            let pointers = decision.statements().iter().map(|at| self.pointer(*at, &permission.resource, key, on_key, retired_at));
            let pointers = pointers.collect::<Result<_, String>>()?;
            Ok((decision, pointers, message))
        })?
    }

    fn retired_at(&self) -> Option<usize> {
        let request = &self.case.request;
        let id = request.grant_id.as_deref().or(request.params.get("GrantId").and_then(Value::as_str));
        let id = id.filter(|_| request.operation == "RetireGrant")?;
        self.case.setup.grants.iter().position(|grant| grant.id.as_deref() == Some(id))
    }

    /// Puts the facts of one permission before somebody.
    fn ask<T>(&self, permission: &CasePermission, see: impl FnOnce(&Subject, &Target<'_>, &Request<'_>) -> T) -> Result<T, String> {
        let case = self.case;
        let verbatim = verbatim(self.case.request.context.iter().chain(&permission.context));
        let key = case.setup.keys.iter().position(|key| key.arn == permission.resource);
        let facts = match key.and_then(|at| case.setup.keys.get(at)) {
            Some(key) => Some(key_facts(case, key)?),
            // [A908] A key that is not there is refused as one whose policy says nothing: the caller cannot tell them apart.
            None => empty_key(&permission.resource).ok(),
        };
        let grants: Vec<Arc<Grant>> =
            case.setup.grants.iter().enumerate().map(|(at, grant)| stored_grant(case, at, grant).map(Arc::new)).collect::<Result<_, String>>()?;
        let on_key: Vec<Arc<Grant>> = grants.iter().filter(|grant| grant.key.as_str() == permission.resource).cloned().collect();
        let named = |id: &&String| case.setup.grants.iter().position(|grant| grant.id.as_ref() == Some(*id));
        let tokens: Vec<_> = case.request.grant_tokens.iter().filter_map(|id| grants.get(named(&id)?)).map(|grant| grant.id.clone()).collect();
        let child = case.request.grant.as_ref().map(|grant| grant_request(case, grant)).transpose()?;
        let owner = permission.resource.parse::<Arn>().ok().and_then(|arn| arn.account());
        let account = owner.and_then(|owner| case.setup.accounts.get(owner.as_str()));
        let rcps = account.map(rcps).unwrap_or_default();
        let organization = account.and_then(membership);
        let caller = self.subject.principal.account().map(|account| account.to_string()).unwrap_or_default();
        let resource = match (&facts, owner) {
            (Some(key), _) => Resource::Key { key, grants: &on_key },
            (None, Some(account)) if permission.resource.contains(":alias/") => Resource::Alias { arn: &permission.resource, account },
            // [A407] The CreateKey half of ReplicateKey is asked in the replica's Region.
            (None, _) if permission.resource == "*" => {
                let replica = case.request.params.get("ReplicaRegion").filter(|_| case.request.operation == "ReplicateKey");
                // [A152] Names of keys ignore case.
                let told = permission.context.iter().find(|(name, _)| name.eq_ignore_ascii_case("aws:RequestedRegion")).map(|(_, region)| region);
                let region = told.or(replica).and_then(Value::as_str).unwrap_or(self.call.region.as_str());
                let arn = self.subject.principal.caller_arn();
                let partition = arn.strip_prefix("arn:").and_then(|rest| rest.split(':').next()).unwrap_or("aws");
                Resource::None { pattern: format!("arn:{partition}:kms:{region}:{caller}:*").into() }
            }
            (None, _) => Resource::None { pattern: permission.resource.as_str().into() },
        };
        let target = Target { resource, rcps: &rcps, rcps_unknown: false, organization: organization.as_ref() };
        let alias = permission.alias.as_deref().map(alias_name).transpose()?;
        let tags = case.request.params.get("Tags").and_then(string_map).filter(|_| matches!(permission.op.as_str(), "TagResource" | "CreateKey"));
        let mut request = Request::new(Action::parse(&format!("kms:{}", permission.op))?, &self.call);
        request.encryption_context = permission.encryption_context.as_ref();
        request.alias = alias.as_ref();
        request.from_ciphertext = permission.from_ciphertext;
        request.identity_only = permission.identity_only;
        request.verbatim = Some(&verbatim);
        request.request_tags = tags.as_ref();
        request.parameters = parameters(case, permission);
        request.child = child.as_ref();
        let retired_at = self.retired_at();
        request.retires = retired_at.and_then(|at| grants.get(at)).map(|grant| &**grant);
        request.tokens = &tokens;
        Ok(see(&self.subject, &target, &request))
    }

    fn pointer(&self, at: StatementRef, resource: &str, key: Option<usize>, on_key: &[Arc<Grant>], retired: Option<usize>) -> Result<String, String> {
        let setup = &self.case.setup;
        let statement = |policy: &Value| {
            if policy.get("Statement").is_some_and(Value::is_array) { format!("/Statement/{}", at.statement) } else { "/Statement".into() }
        };
        let principal = || {
            let at = self.principal_at().ok_or("a policy of a principal that the case does not have")?;
            let principal = setup.principals.get(at).ok_or("no such principal")?;
            Ok::<_, String>((at, principal))
        };
        let key = || key.and_then(|at| setup.keys.get(at).map(|key| (at, key))).ok_or_else(|| "a statement of no key".to_owned());
        let account = |id: Option<AccountId>| {
            let id = id.ok_or("no account")?;
            setup.accounts.get(id.as_str()).map(|account| (id, account)).ok_or("no such account")
        };
        Ok(match at.origin {
            Origin::Resource => {
                let (at, key) = key()?;
                format!("/setup/keys/{at}/policy{}", statement(&key.policy))
            }
            Origin::Ram => {
                let (at, key) = key()?;
                format!("/setup/keys/{at}/ram_policy{}", statement(key.ram_policy.as_ref().unwrap_or(&Value::Null)))
            }
            Origin::Identity(policy) => {
                let (at, principal) = principal()?;
                let document = principal.identity_policies.get(policy).unwrap_or(&Value::Null);
                format!("/setup/principals/{at}/identity_policies/{policy}{}", statement(document))
            }
            Origin::Boundary => {
                let (at, principal) = principal()?;
                format!("/setup/principals/{at}/permissions_boundary{}", statement(principal.permissions_boundary.as_ref().unwrap_or(&Value::Null)))
            }
            Origin::Session(policy) => {
                let document = self.case.request.session.session_policies.as_ref().and_then(|policies| policies.get(policy)).unwrap_or(&Value::Null);
                format!("/request/session/session_policies/{policy}{}", statement(document))
            }
            Origin::Scp(level, policy) => {
                let (id, account) = account(self.subject.principal.account())?;
                let document = account.scp_levels.as_ref().and_then(|levels| levels.get(level)?.get(policy)).unwrap_or(&Value::Null);
                format!("/setup/accounts/{id}/scp_levels/{level}/{policy}{}", statement(document))
            }
            Origin::Rcp(policy) => {
                let (id, account) = account(resource.parse::<Arn>().map_err(|error| error.to_string())?.account())?;
                format!("/setup/accounts/{id}/rcps/{policy}{}", statement(account.rcps.get(policy).unwrap_or(&Value::Null)))
            }
            Origin::Endpoint => {
                let endpoint = self.case.request.vpc_endpoint.as_ref().and_then(|endpoint| endpoint.policy.as_ref()).unwrap_or(&Value::Null);
                format!("/request/vpc_endpoint/policy{}", statement(endpoint))
            }
            Origin::Grant(_) if retired.is_some() => format!("/setup/grants/{}", retired.unwrap_or_default()),
            Origin::Grant(grant) => {
                let id = on_key.get(grant).map(|grant| grant.id.clone()).ok_or("no such grant")?;
                let at = (0..setup.grants.len()).find(|at| grant_id(*at) == id.as_str()).ok_or("no such grant")?;
                format!("/setup/grants/{at}")
            }
        })
    }

    fn principal_at(&self) -> Option<usize> {
        let arn = match &self.subject.principal {
            Principal::User { arn, .. } => arn,
            Principal::RoleSession { role, .. } => role,
            Principal::FederatedUser { user, .. } => user.as_ref()?,
            Principal::Root { .. } | Principal::Service { .. } => return None,
        };
        self.case.setup.principals.iter().position(|principal| principal.arn == arn.as_str())
    }

    /// What stops a permitted call: the text of the request alone, the new policy, the lockout check, the key, the ciphertext, a dry run.
    fn later_refusal(&self) -> Result<Option<(&'static str, &'static str, &'static str, String)>, String> {
        let request = &self.case.request;
        if request.params.get("AliasName").and_then(Value::as_str).is_some_and(|name| name.starts_with("alias/aws/")) {
            return Ok(Some(("NotAuthorizedException", "validation", "A405", String::new())));
        }
        if request.params.get("PolicyName").and_then(Value::as_str) == Some("AWS_RAM") && request.operation == "PutKeyPolicy" {
            let message = "The AWS_RAM policy can only be managed by the RAM service".to_owned();
            return Ok(Some(("ValidationException", "validation", "A335", message)));
        }
        if let Some(refusal) = self.new_policy_refusal()? {
            return Ok(Some(refusal));
        }
        if let Some(refusal) = self.grant_refusal()? {
            return Ok(Some(refusal));
        }
        let key_of = |permission: &CasePermission| self.case.setup.keys.iter().find(|key| key.arn == permission.resource);
        let named = request.authorize.iter().find_map(key_of);
        let mut used = request.authorize.iter().filter(|permission| needs_enabled(&permission.op)).filter_map(key_of);
        if let Some(key) = used.find(|key| key.state.as_deref() == Some("Disabled")) {
            return Ok(Some(("DisabledException", "key-state", "A901", format!("{} is disabled.", key.arn))));
        }
        if let (Some(ciphertext), Some(key)) = (&request.ciphertext_key, named)
            && *ciphertext != key.arn
        {
            return Ok(Some(("IncorrectKeyException", "key-material", "A411", String::new())));
        }
        if request.params.get("DryRun") == Some(&Value::Bool(true)) {
            let message = "The request would have succeeded, but the DryRun option is set.".to_owned();
            return Ok(Some(("DryRunOperationException", "dry-run", "A618", message)));
        }
        Ok(None)
    }

    fn new_policy_refusal(&self) -> Result<Option<(&'static str, &'static str, &'static str, String)>, String> {
        let case = self.case;
        let Some(document) = &case.request.new_policy else { return Ok(None) };
        let malformed =
            |layer: &'static str, rule: &'static str, message: String| Ok(Some(("MalformedPolicyDocumentException", layer, rule, message)));
        let text = document.as_str().map_or_else(|| document.to_string(), str::to_owned);
        let policy = match Policy::parse_strict(PolicyKind::Key, &text) {
            Ok(policy) => policy,
            Err(issue) => return malformed("document", "A110", issue.message),
        };
        // [A121]
        let partition = case.request.new_key_arn.as_deref().and_then(|arn| arn.split(':').nth(1)).unwrap_or("aws");
        if !policy.is_of_partition(partition) {
            return malformed("document", "A121", "Policy contains a statement with one or more invalid principals.".to_owned());
        }
        // [A130] Every principal must exist.
        let exists = |kind: &PrincipalKind, name: &str| match kind {
            PrincipalKind::User(arn) | PrincipalKind::Role(arn) => case.setup.principals.iter().any(|principal| principal.arn == arn.as_str()),
            PrincipalKind::RoleSession(arn) => {
                let role = arn.resource_after("assumed-role").and_then(|rest| rest.split('/').next());
                role.is_some_and(|role| find_role(case, arn.account(), role).is_some())
            }
            PrincipalKind::UniqueId => case.setup.principals.iter().any(|principal| principal.unique_id.as_deref() == Some(name)),
            _ => true,
        };
        let entries = policy.statements().iter().filter_map(|statement| statement.principal()).flat_map(|principal| &principal.entries);
        if entries.into_iter().any(|entry| !exists(&entry.kind, &entry.text)) {
            return malformed("document", "A130", "Policy contains a statement with one or more invalid principals.".to_owned());
        }
        if case.request.bypass {
            return Ok(None);
        }
        // [A701] [A702] [A703] Could this caller put the policy again?
        let named = case.request.params.get("KeyId").and_then(Value::as_str);
        let old = case.setup.keys.iter().find(|key| Some(key.arn.as_str()) == named || case.request.authorize.iter().any(|p| p.resource == key.arn));
        let arn = match (&case.request.new_key_arn, old) {
            (Some(arn), _) => arn.clone(),
            (None, Some(key)) => key.arn.clone(),
            (None, None) => return Err("a new policy needs a key".to_owned()),
        };
        let mut facts = match old {
            Some(key) => key_facts(case, key)?,
            None => empty_key(&arn)?,
        };
        facts.arn = arn.parse().map_err(|error: keyward_authz::ParseNameError| error.to_string())?;
        facts.policy = ResourcePolicy::unbound(policy);
        facts.ram_policy = None;
        if case.request.operation != "PutKeyPolicy" {
            // [A406] [A407] A key that is being made has the tags that the request gives it and no alias yet.
            facts.tags = case.request.params.get("Tags").and_then(string_map).unwrap_or_default();
            facts.aliases = Vec::new();
            facts.manager = KeyManager::Customer;
            facts.multi_region = (case.request.operation == "ReplicateKey").then_some(MultiRegionKeyType::Replica);
        }
        let account = case.setup.accounts.get(facts.arn.account().as_str());
        let rcps = account.map(rcps).unwrap_or_default();
        let organization = account.and_then(membership);
        let target =
            Target { resource: Resource::Key { key: &facts, grants: &[] }, rcps: &rcps, rcps_unknown: false, organization: organization.as_ref() };
        let verbatim = verbatim(case.request.context.iter()).with("kms:PolicyName", "default");
        // The key that is put is in its own Region, which is the replica's where one is made [A407].
        let mut put_call = self.call.clone();
        put_call.region = facts.arn.region().clone();
        let mut request = Request::new(Action::parse("kms:PutKeyPolicy")?, &put_call);
        request.verbatim = Some(&verbatim);
        if authorize(&self.subject, &target, &request).is_allowed() {
            return Ok(None);
        }
        malformed("lockout", "A701", "The new key policy will not allow you to update the key policy in the future.".to_owned())
    }

    fn grant_refusal(&self) -> Result<Option<(&'static str, &'static str, &'static str, String)>, String> {
        let (case, Some(grant)) = (self.case, &self.case.request.grant) else { return Ok(None) };
        let key = case.setup.keys.iter().find(|key| case.request.authorize.iter().any(|permission| permission.resource == key.arn));
        let Some(key) = key else { return Ok(None) };
        let invalid = |rule: &'static str, message: &str| Ok(Some(("ValidationException", "validation", rule, message.to_owned())));
        if let Some(arn) = &grant.grantee_principal
            && !grantee_exists(case, arn)
        {
            return Ok(Some(("InvalidArnException", "validation", "A605", format!("ARN does not refer to a valid principal: {arn}"))));
        }
        let by_service = grant.grantee_service_principal.is_some();
        let retiring = usize::from(grant.retiring_principal.is_some()) + usize::from(grant.retiring_service_principal.is_some());
        if by_service == grant.grantee_principal.is_some() || by_service && (grant.constraints.source_arn.is_none() || retiring != 1) {
            return invalid("A607", "Exactly one grantee; a service grantee needs a SourceArn constraint and one retiring principal.");
        }
        let constraints = &grant.constraints;
        if constraints.encryption_context_equals.is_some() && constraints.encryption_context_subset.is_some() {
            return invalid("A610", "More than one constraint supplied");
        }
        let symmetric = key.key_spec.as_deref().unwrap_or("SYMMETRIC_DEFAULT") == "SYMMETRIC_DEFAULT";
        if let Some(pairs) = constraints.encryption_context_equals.as_ref().or(constraints.encryption_context_subset.as_ref()) {
            if !symmetric {
                return invalid("A610", "EncryptionContext is supported only when creating a grant for a symmetric encryption KMS key.");
            }
            if pairs.len() > 8 || pairs.values().any(|value| value.chars().count() > 384) {
                return invalid("A610", "A grant constraint holds at most 8 pairs with values of at most 384 characters.");
            }
        }
        let usage = key.key_usage.as_deref().unwrap_or("ENCRYPT_DECRYPT");
        if grant.operations.iter().any(|operation| !operation_fits(operation, symmetric, usage)) {
            return invalid("A603", "The grant holds an operation that the key does not have.");
        }
        Ok(None)
    }
}

/// Context of the item wins over that of the request, that over what is derived from `bypass`, `grant` and `params`.
fn verbatim<'v>(given: impl Iterator<Item = (&'v String, &'v Value)>) -> MapContext {
    let mut context = MapContext::new();
    let mut add = |key: &str, value: &Value| {
        let taken = std::mem::take(&mut context);
        context = match value {
            Value::Array(items) => {
                let texts: Vec<String> = items.iter().map(text_of).collect();
                taken.with_many(key, texts.iter().map(String::as_str))
            }
            single => taken.with(key, &text_of(single)),
        };
    };
    for (key, value) in given {
        add(key, value);
    }
    // aws:EpochTime follows aws:CurrentTime.
    let now = context.values(&ConditionKey::new("aws:CurrentTime"));
    let epoch = match &now {
        Values::One(text) => parse_date(text).map(|time| time.as_second().to_string()),
        Values::Absent | Values::Many(_) | Values::Clash(_) | Values::Unknown => None,
    };
    match epoch {
        Some(epoch) if !context.contains(&ConditionKey::new("aws:EpochTime")) => context.with("aws:EpochTime", &epoch),
        _ => context,
    }
}

/// (K85) The operations that a disabled key refuses.
fn needs_enabled(permission: &str) -> bool {
    match permission {
        "Encrypt" | "Decrypt" | "ReEncryptFrom" | "ReEncryptTo" | "Sign" | "Verify" | "GenerateMac" | "VerifyMac" => true,
        "DeriveSharedSecret" | "Encapsulate" | "Decapsulate" | "GetPublicKey" | "CreateGrant" => true,
        "EnableKeyRotation" | "DisableKeyRotation" | "RotateKeyOnDemand" | "ReplicateKey" | "UpdatePrimaryRegion" => true,
        permission => permission.starts_with("GenerateDataKey"),
    }
}

/// (A603)
fn operation_fits(operation: &str, symmetric: bool, usage: &str) -> bool {
    match operation {
        "DescribeKey" | "CreateGrant" | "RetireGrant" => true,
        "Encrypt" | "Decrypt" | "ReEncryptFrom" | "ReEncryptTo" => usage == "ENCRYPT_DECRYPT",
        "GenerateMac" | "VerifyMac" => usage == "GENERATE_VERIFY_MAC",
        "Sign" | "Verify" => usage == "SIGN_VERIFY",
        "DeriveSharedSecret" => usage == "KEY_AGREEMENT",
        "Encapsulate" | "Decapsulate" => usage == "ENCAPSULATE_DECAPSULATE",
        "GetPublicKey" => !symmetric && usage != "GENERATE_VERIFY_MAC",
        operation => operation.starts_with("GenerateDataKey") && symmetric,
    }
}

fn grantee_exists(case: &Case, arn: &str) -> bool {
    let Ok(arn) = arn.parse::<Arn>() else { return false };
    match (arn.service(), arn.resource()) {
        ("iam", "root") => true,
        ("iam", _) => case.setup.principals.iter().any(|principal| principal.arn == arn.as_str()),
        ("sts", _) => match arn.resource_after("assumed-role").and_then(|rest| rest.split('/').next()) {
            Some(role) => role.starts_with("aws:") || find_role(case, arn.account(), role).is_some(),
            None => true,
        },
        _ => false,
    }
}

fn find_role(case: &Case, account: Option<AccountId>, name: &str) -> Option<usize> {
    case.setup.principals.iter().position(|principal| {
        principal
            .arn
            .parse::<Arn>()
            .is_ok_and(|arn| arn.account() == account && arn.resource_after("role").and_then(|path| path.rsplit('/').next()) == Some(name))
    })
}

fn subject(case: &Case) -> Result<Subject, String> {
    let request = &case.request;
    let (principal, behind) = principal(case)?;
    let account = principal.account();
    let mut subject = Subject::new(principal);
    if let Some(behind) = behind {
        subject.identity = attach_all(&behind.identity_policies, PolicyKind::Identity, "identity");
        subject.boundary = behind.permissions_boundary.as_ref().map(|policy| attach(policy, PolicyKind::Identity, "boundary"));
        subject.service_linked = behind.service_linked;
        if !matches!(subject.principal, Principal::FederatedUser { .. }) {
            subject.tags = behind.tags.clone();
        }
    }
    // [A203] Session tags override those of the principal; two of the session that differ by case both stand (A168).
    subject.tags.retain(|existing, _| !request.session.tags.keys().any(|name| existing.eq_ignore_ascii_case(name)));
    subject.tags.extend(request.session.tags.clone());
    subject.session = request.session.session_policies.as_ref().map(|policies| attach_all(policies, PolicyKind::Identity, "session"));
    subject.facts.assumed_root = request.session.assumed_root;
    if let Some(account) = account.and_then(|account| case.setup.accounts.get(account.as_str())) {
        subject.organization = membership(account);
        subject.in_management_account = account.management;
        let levels = account.scp_levels.as_ref().filter(|_| !account.management);
        subject.scps = levels.map(|levels| levels.iter().map(|level| attach_all(level, PolicyKind::Scp, "SCP")).collect());
    }
    Ok(subject)
}

fn principal(case: &Case) -> Result<(Principal, Option<&CasePrincipal>), String> {
    let name = &case.request.principal;
    if !name.starts_with("arn:") {
        return Ok((Principal::Service { name: name.as_str().into() }, None));
    }
    let arn: Arn = name.parse().map_err(|error: keyward_policy::ParseArnError| error.to_string())?;
    let listed = |arn: &str| case.setup.principals.iter().find(|principal| principal.arn == arn);
    let id = |principal: Option<&CasePrincipal>| principal.and_then(|principal| principal.unique_id.as_deref()).map(|id| UniqueId(id.into()));
    match (arn.service(), arn.resource()) {
        ("iam", "root") => {
            let partition = arn.partition().parse().map_err(|error: keyward_policy::ParseArnError| error.to_string())?;
            Ok((Principal::Root { account: arn.account().ok_or("no account")?, partition }, None))
        }
        ("iam", _) => {
            let user = listed(arn.as_str());
            Ok((Principal::User { id: id(user), arn }, user))
        }
        ("sts", resource) if resource.starts_with("federated-user/") => {
            let user = case.request.session.issuing_user.as_deref();
            let behind = user.and_then(listed);
            let user = user.map(str::parse).transpose().map_err(|error: keyward_policy::ParseArnError| error.to_string())?;
            Ok((Principal::FederatedUser { arn, user, user_id: id(behind) }, behind))
        }
        ("sts", _) => {
            let role = arn.resource_after("assumed-role").and_then(|rest| rest.split('/').next()).ok_or("no role in the session's ARN")?;
            let behind = find_role(case, arn.account(), role).and_then(|at| case.setup.principals.get(at));
            let account = arn.account().ok_or("no account")?;
            let role = behind.map_or_else(|| format!("arn:aws:iam::{account}:role/{role}"), |role| role.arn.clone());
            let role = role.parse().map_err(|error: keyward_policy::ParseArnError| error.to_string())?;
            Ok((Principal::RoleSession { role, id: id(behind), session: arn }, behind))
        }
        _ => Err(format!("`{name}` is no caller")),
    }
}

fn call(case: &Case) -> Result<CallFacts, String> {
    let request = &case.request;
    let region = request.region.as_deref().unwrap_or("us-east-1");
    let mut call = CallFacts::new(region.parse().map_err(|error: keyward_policy::ParseArnError| error.to_string())?);
    call.source_ip = request.source_ip.as_deref().map(str::parse).transpose().map_err(|_| "no address in source_ip")?;
    call.via = request.via_service.as_deref().map(Via::service_door);
    call.endpoint = request.vpc_endpoint.as_ref().filter(|_| call.via.is_none()).map(|endpoint| VpcEndpoint {
        id: endpoint.id.clone(),
        vpc: endpoint.vpc.clone(),
        policy: endpoint.policy.as_ref().map(|policy| Policy::parse(PolicyKind::Endpoint, policy.to_string())),
        account: None,
        organization: None,
    });
    // [A514] Through the service's own endpoint the first request had no public address.
    if call.via.is_some() && request.vpc_endpoint.is_some() {
        call.source_ip = None;
    }
    Ok(call)
}

fn attach(policy: &Value, kind: PolicyKind, name: &str) -> Attached {
    Attached { policy: Policy::parse(kind, policy.to_string()), name: name.into(), arn: None }
}

fn attach_all(policies: &[Value], kind: PolicyKind, name: &str) -> Vec<Attached> {
    policies.iter().map(|policy| attach(policy, kind, name)).collect()
}

fn rcps(account: &CaseAccount) -> Vec<Attached> {
    if account.management { Vec::new() } else { attach_all(&account.rcps, PolicyKind::Rcp, "RCP") }
}

fn membership(account: &CaseAccount) -> Option<Membership> {
    account.organization.as_deref().map(|id| Membership { id: id.into(), path: None })
}

/// ARNs whose bearer was made anew are bound to somebody who is gone (A206).
fn bound(case: &Case) -> BTreeMap<String, UniqueId> {
    let recreated = case.setup.principals.iter().filter(|principal| principal.recreated_after_policy_was_saved);
    recreated.map(|principal| (principal.arn.clone(), UniqueId("AROAGONEGONEGONEGONE1".into()))).collect()
}

fn key_facts(case: &Case, key: &CaseKey) -> Result<KeyFacts, String> {
    let resource_policy = |document: &Value| ResourcePolicy { policy: Policy::parse(PolicyKind::Key, document.to_string()), bound: bound(case) };
    let mut facts = empty_key(&key.arn)?;
    facts.policy = resource_policy(&key.policy);
    facts.ram_policy = key.ram_policy.as_ref().map(resource_policy);
    facts.tags = key.tags.clone();
    facts.aliases = key.aliases.iter().map(|alias| alias_name(alias)).collect::<Result<_, _>>()?;
    facts.manager = if key.manager.as_deref() == Some("AWS") { KeyManager::Aws } else { KeyManager::Customer };
    facts.multi_region = match key.multi_region_key_type.as_deref() {
        Some("PRIMARY") => Some(MultiRegionKeyType::Primary),
        Some("REPLICA") => Some(MultiRegionKeyType::Replica),
        _ => None,
    };
    for (field, value) in [(&mut facts.spec, &key.key_spec), (&mut facts.usage, &key.key_usage), (&mut facts.origin, &key.origin)] {
        if let Some(value) = value {
            *field = value.clone().into();
        }
    }
    Ok(facts)
}

fn empty_key(arn: &str) -> Result<KeyFacts, String> {
    Ok(KeyFacts::new(
        arn.parse().map_err(|error: keyward_authz::ParseNameError| error.to_string())?,
        ResourcePolicy::unbound(Policy::parse(PolicyKind::Key, r#"{"Statement":[]}"#)),
    ))
}

fn alias_name(name: &str) -> Result<keyward_authz::AliasName, String> {
    let name = name.split_once(":alias/").map_or_else(|| name.to_owned(), |(_, name)| format!("alias/{name}"));
    name.parse().map_err(|error: keyward_authz::ParseNameError| error.to_string())
}

/// Grants of a case have short ids; the engine's are 64 digits.
fn grant_id(at: usize) -> String {
    format!("{at:064x}")
}

fn stored_grant(case: &Case, at: usize, grant: &CaseGrant) -> Result<Grant, String> {
    let key: keyward_authz::KeyArn =
        grant.key.as_deref().ok_or("a grant without key")?.parse().map_err(|error: keyward_authz::ParseNameError| error.to_string())?;
    let issuing = grant.issuing_account.as_deref().map(str::parse).transpose().map_err(|error: keyward_policy::ParseArnError| error.to_string())?;
    Ok(Grant {
        id: grant_id(at).parse().map_err(|error: keyward_authz::ParseNameError| error.to_string())?,
        terms: grant_request(case, grant)?,
        issuing_account: issuing.unwrap_or(key.account()),
        key,
        name: None,
        created_at: Timestamp::UNIX_EPOCH,
    })
}

fn grant_request(case: &Case, grant: &CaseGrant) -> Result<GrantRequest, String> {
    let aws = |arn: &String| {
        let bound = bound(case).remove(arn);
        arn.parse().map(|arn| GrantPrincipal::Aws { arn, bound }).map_err(|error: keyward_policy::ParseArnError| error.to_string())
    };
    let service = |name: &String| Ok(GrantPrincipal::Service { name: name.as_str().into() });
    let either = |principal: &Option<String>, service_name: &Option<String>| match (principal, service_name) {
        (Some(arn), _) => aws(arn).map(Some),
        (None, Some(name)) => service(name).map(Some),
        (None, None) => Ok(None),
    };
    let operation = |name: &String| keyward_authz::GrantOperation::named(name).ok_or_else(|| format!("`{name}` is no grant operation"));
    let CaseConstraints { encryption_context_equals, encryption_context_subset, source_arn } = grant.constraints.clone();
    Ok(GrantRequest {
        grantee: either(&grant.grantee_principal, &grant.grantee_service_principal)?.ok_or("a grant without grantee")?,
        operations: grant.operations.iter().map(operation).collect::<Result<_, _>>()?,
        constraints: GrantConstraints { encryption_context_equals, encryption_context_subset, source_arn },
        retiring: either(&grant.retiring_principal, &grant.retiring_service_principal)?,
    })
}

fn string_map(value: &Value) -> Option<BTreeMap<String, String>> {
    Some(value.as_object()?.iter().map(|(name, value)| (name.clone(), text_of(value))).collect())
}

fn text_of(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
