//! Grants (§6; K195–K198).

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

use keyward_authz::{Grant, GrantConstraints, GrantId, GrantOperation, GrantPrincipal, GrantRequest, Operation, Request, Resource, Target};
use keyward_crypto::{Purpose, RootKey};
use keyward_policy::{Arn, KeyName, KmsPermission, Partition, Values};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::resolve::no_resource;
use super::resolve::{permission, resolve};
use super::{EpochSeconds, ListParameters, Nothing, Pairs};
use crate::call::{Call, Operate, Outcome, raw};
use crate::entities::{Change, Entity, EntityKey};
use crate::env::Env;
use crate::error::Error;
use crate::paging::{Page, PageSize, page};
use crate::principals::living;
use crate::state::State;
use crate::states::check;
use crate::tokens::{open_from_client, seal_for_client};

/// Most grants on one key (A604).
const GRANTS_PER_KEY_MAX: usize = 50_000;
/// Most pairs in a constraint, and characters in a value of one (A610).
const CONSTRAINT_PAIRS_MAX: usize = 8;
const CONSTRAINT_VALUE_CHARS_MAX: usize = 384;

/// The permission that RetireGrant asks for.
const RETIRE_GRANT: KmsPermission = match KmsPermission::named("RetireGrant") {
    Some(permission) => permission,
    None => panic!("RetireGrant is a permission of KMS"),
};

/// Reads grant tokens: each must be one of ours (K152). Grants count at once, so a token adds nothing (A619) but words to a refusal.
pub(crate) fn read_tokens(call: &mut Call<'_>, tokens: Option<&[String]>) -> Result<(), Error> {
    for token in tokens.unwrap_or_default() {
        let (_, id) = granted_by(call.vault.root(), token).ok_or(Error::InvalidGrantToken)?;
        call.tokens.extend(id.parse::<GrantId>().ok());
    }
    Ok(())
}

/// The key and the grant that a token names.
pub(crate) fn granted_by(root: &RootKey, token: &str) -> Option<(String, String)> {
    let named = open_from_client(root, Purpose::GrantToken, "grant", token)?;
    let (key, id) = std::str::from_utf8(&named).ok()?.split_once('\n')?;
    Some((key.to_owned(), id.to_owned()))
}

/// Constraints as a request writes them.
#[derive(Deserialize, Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct RequestedConstraints {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encryption_context_subset: Option<Pairs>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encryption_context_equals: Option<Pairs>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_arn: Option<String>,
}

/// `CreateGrant`
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct CreateGrant {
    pub key_id: String,
    pub grantee_principal: Option<String>,
    pub grantee_service_principal: Option<String>,
    pub retiring_principal: Option<String>,
    pub retiring_service_principal: Option<String>,
    pub operations: Vec<GrantOperation>,
    pub constraints: Option<RequestedConstraints>,
    pub grant_tokens: Option<Vec<String>>,
    pub name: Option<String>,
    pub dry_run: Option<bool>,
}

/// The answer to `CreateGrant`.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct CreateGrantOutput {
    pub grant_token: String,
    pub grant_id: String,
    #[serde(skip)]
    pub key_id: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct GrantParameters<'a> {
    key_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    grantee_principal: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retiring_principal: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    operations: Vec<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    constraints: Option<RecordedConstraints<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    grant_id: Option<&'a str>,
}

/// Constraints as a record keeps them; the names of their pairs are as they were sent.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RecordedConstraints<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    encryption_context_subset: Option<&'a Pairs>,
    #[serde(skip_serializing_if = "Option::is_none")]
    encryption_context_equals: Option<&'a Pairs>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source_arn: Option<&'a str>,
}

impl Operate for CreateGrant {
    type Output = CreateGrantOutput;
    const SERVICE: &'static str = "kms";
    const NAME: &'static str = "CreateGrant";
    const MUTATES: bool = true;

    fn request_parameters(&self) -> Option<Box<RawValue>> {
        raw(&GrantParameters {
            key_id: &self.key_id,
            grantee_principal: self.grantee_principal.as_deref().or(self.grantee_service_principal.as_deref()),
            retiring_principal: self.retiring_principal.as_deref().or(self.retiring_service_principal.as_deref()),
            operations: self.operations.iter().map(|operation| operation.name()).collect(),
            constraints: self.constraints.as_ref().map(|constraints| RecordedConstraints {
                encryption_context_subset: constraints.encryption_context_subset.as_ref(),
                encryption_context_equals: constraints.encryption_context_equals.as_ref(),
                source_arn: constraints.source_arn.as_deref(),
            }),
            name: self.name.as_deref(),
            grant_id: None,
        })
    }

    fn response_elements(output: &CreateGrantOutput) -> Option<Box<RawValue>> {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Elements<'a> {
            grant_id: &'a str,
            key_id: &'a str,
        }
        raw(&Elements { grant_id: &output.grant_id, key_id: &output.key_id })
    }

    fn operate(self, call: &mut Call<'_>) -> Result<Outcome<CreateGrantOutput>, Error> {
        let facts = call.facts();
        let terms = self.terms(call.state)?;
        let found = resolve(call, Operation::CreateGrant, &self.key_id)?;
        read_tokens(call, self.grant_tokens.as_deref())?;
        let key = found.permit_in_state(call, self.request(facts, &terms)?)?;
        check_fits(&terms, &key.facts.spec, &key.facts.usage)?;
        let partition = call.region().partition();
        check_principal(call.state, partition, self.grantee_principal.as_deref())?;
        check_principal(call.state, partition, self.retiring_principal.as_deref())?;
        if self.dry_run == Some(true) {
            return Err(Error::DryRun); // [A618]
        }
        // [A617] The same name with the same terms is the same grant.
        let same = |grant: &&Arc<Grant>| self.name.is_some() && grant.name == self.name && are_the_same(&grant.terms, &terms);
        let (id, changes) = match call.state.grants(key.arn()).find(same) {
            Some(grant) => (grant.id.clone(), Vec::new()),
            None if call.state.grant_count(key.arn()) >= GRANTS_PER_KEY_MAX => {
                let message = format!("Grants per key quota is {GRANTS_PER_KEY_MAX}, and this key has as many.");
                return Err(Error::LimitExceeded(Some(message)));
            }
            None => {
                let id = new_grant_id(call.env)?;
                let issuing_account = call.account().unwrap_or(key.arn().account());
                let grant = Grant { id: id.clone(), key: key.arn().clone(), terms, issuing_account, name: self.name, created_at: call.now };
                (id, vec![Change::Put(Entity::Grant(Arc::new(grant)))])
            }
        };
        let named = format!("{}\n{id}", key.arn());
        let grant_token = seal_for_client(call.vault.root(), call.env, Purpose::GrantToken, "grant", named.as_bytes())?;
        Ok(Outcome::changed(CreateGrantOutput { grant_token, grant_id: id.to_string(), key_id: key.arn().to_string() }, changes))
    }
}

impl CreateGrant {
    /// The terms, once they fit the key and name principals that exist.
    pub(crate) fn checked_terms(&self, state: &State, partition: Partition, spec: &str, usage: &str) -> Result<GrantRequest, Error> {
        let terms = self.terms(state)?;
        check_fits(&terms, spec, usage)?;
        check_principal(state, partition, self.grantee_principal.as_deref())?;
        check_principal(state, partition, self.retiring_principal.as_deref())?;
        Ok(terms)
    }

    fn terms(&self, state: &State) -> Result<GrantRequest, Error> {
        let either = |arn: &Option<String>, service: &Option<String>| match (arn, service) {
            (Some(arn), None) => {
                let arn: Arn = arn.parse().map_err(|_| Error::UnknownPrincipal(arn.clone()))?;
                let bound = living(state, &arn); // [A606]
                Ok(Some(GrantPrincipal::Aws { arn, bound }))
            }
            (None, Some(service)) => Ok(Some(GrantPrincipal::Service { name: service.as_str().into() })),
            (None, None) => Ok(None),
            (Some(_), Some(_)) => Err(Error::Validation("Only one of a principal and a service principal can be specified.".to_owned())),
        };
        let constraints = self.constraints.as_ref();
        let constraints = GrantConstraints {
            encryption_context_equals: constraints.and_then(|constraints| constraints.encryption_context_equals.clone()),
            encryption_context_subset: constraints.and_then(|constraints| constraints.encryption_context_subset.clone()),
            source_arn: constraints.and_then(|constraints| constraints.source_arn.clone()),
        };
        let grantee = either(&self.grantee_principal, &self.grantee_service_principal)?;
        let retiring = either(&self.retiring_principal, &self.retiring_service_principal)?;
        let grantee = grantee.ok_or_else(|| Error::Validation("A grantee principal is required.".to_owned()))?;
        // [A607] A service grantee needs a SourceArn constraint and somebody who may retire it.
        if matches!(grantee, GrantPrincipal::Service { .. }) && (constraints.source_arn.is_none() || retiring.is_none()) {
            return Err(Error::Validation("A service principal grantee requires a SourceArn constraint and a retiring principal.".to_owned()));
        }
        if constraints.encryption_context_equals.is_some() && constraints.encryption_context_subset.is_some() {
            return Err(Error::Validation("More than one constraint supplied".to_owned())); // [K196]
        }
        // A constraint without pairs would be none, and count as one where a policy asks for its type [A552].
        if constraints.encryption_context().is_some_and(Pairs::is_empty) {
            return Err(Error::Validation("A grant constraint holds at least one pair.".to_owned()));
        }
        let too_much =
            |pairs: &Pairs| pairs.len() > CONSTRAINT_PAIRS_MAX || pairs.values().any(|value| value.chars().count() > CONSTRAINT_VALUE_CHARS_MAX);
        if constraints.encryption_context().is_some_and(too_much) {
            return Err(Error::Validation("A grant constraint holds at most 8 pairs with values of at most 384 characters.".to_owned()));
        }
        if self.operations.iter().all(|operation| operation.name() == "CreateGrant") {
            return Err(Error::Validation("Grants must not contain only the CreateGrant operation.".to_owned())); // [K196]
        }
        Ok(GrantRequest { grantee, operations: self.operations.clone(), constraints, retiring })
    }

    /// (A550)–(A555)
    fn request<'r>(&'r self, facts: &'r keyward_authz::CallFacts, terms: &'r GrantRequest) -> Result<Request<'r>, Error> {
        let mut request = Request::new(permission(Operation::CreateGrant)?, facts);
        request.encryption_context = terms.constraints.encryption_context();
        request.child = Some(terms);
        let operations = self.operations.iter().map(|operation| Cow::Borrowed(operation.name())).collect();
        let mut parameters = vec![(KeyName::GrantOperations, Values::Many(operations))];
        let mut add = |name: KeyName, value: Option<&'r str>| parameters.extend(value.map(|value| (name, Values::One(Cow::Borrowed(value)))));
        add(KeyName::GrantConstraintType, terms.constraints.kind());
        add(KeyName::GrantConstraintSourceArn, terms.constraints.source_arn.as_deref());
        add(KeyName::GranteePrincipal, self.grantee_principal.as_deref());
        add(KeyName::GranteeServicePrincipal, self.grantee_service_principal.as_deref());
        add(KeyName::RetiringPrincipal, self.retiring_principal.as_deref());
        add(KeyName::RetiringServicePrincipal, self.retiring_service_principal.as_deref());
        request.parameters = parameters;
        Ok(request)
    }
}

/// (A617) Operations are a set, in whatever order they are named.
fn are_the_same(a: &GrantRequest, b: &GrantRequest) -> bool {
    let operations = |terms: &GrantRequest| terms.operations.iter().map(|operation| operation.name()).collect::<BTreeSet<_>>();
    operations(a) == operations(b) && (&a.grantee, &a.constraints, &a.retiring) == (&b.grantee, &b.constraints, &b.retiring)
}

/// (A603) (A610) What the key's type does not allow; known only after authorization (A901).
fn check_fits(terms: &GrantRequest, spec: &str, usage: &str) -> Result<(), Error> {
    let symmetric = spec == "SYMMETRIC_DEFAULT";
    if terms.constraints.encryption_context().is_some() && !symmetric {
        let message = "EncryptionContext is supported only when creating a grant for a symmetric encryption KMS key.";
        return Err(Error::Validation(message.to_owned()));
    }
    let fits = |operation: &GrantOperation| match operation.name() {
        "DescribeKey" | "CreateGrant" | "RetireGrant" => true,
        "Encrypt" | "Decrypt" | "ReEncryptFrom" | "ReEncryptTo" => usage == "ENCRYPT_DECRYPT",
        "GenerateMac" | "VerifyMac" => usage == "GENERATE_VERIFY_MAC",
        "Sign" | "Verify" => usage == "SIGN_VERIFY",
        "DeriveSharedSecret" => usage == "KEY_AGREEMENT",
        "Encapsulate" | "Decapsulate" => usage == "ENCAPSULATE_DECAPSULATE",
        "GetPublicKey" => !symmetric && usage != "GENERATE_VERIFY_MAC",
        name => name.starts_with("GenerateDataKey") && symmetric,
    };
    match terms.operations.iter().find(|operation| !fits(operation)) {
        None => Ok(()),
        Some(operation) => Err(Error::Validation(format!("The operation {} is not supported by the key.", operation.name()))),
    }
}

/// (A605) A grantee, or whoever may retire, must exist.
fn check_principal(state: &State, partition: Partition, named: Option<&str>) -> Result<(), Error> {
    let Some(named) = named else { return Ok(()) };
    let unknown = || Error::UnknownPrincipal(named.to_owned());
    let arn: Arn = named.parse().map_err(|_| unknown())?;
    let exists = match (arn.service(), arn.resource()) {
        ("iam", "root") => true,
        ("iam", resource) if resource.starts_with("user/") || resource.starts_with("role/") => living(state, &arn).is_some(),
        ("sts", _) => match arn.resource_after("assumed-role").map(|rest| rest.split_once('/')) {
            Some(Some((role, session))) => {
                let there = || arn.account().and_then(|account| state.role(account, role)).is_some_and(|there| there.name == role);
                // The role sessions of EC2's own infrastructure exist only inside EC2 [A1110].
                !session.is_empty() && !session.contains('/') && (role.starts_with("aws:") || there())
            }
            Some(None) => false,
            None => arn.resource_after("federated-user").is_some_and(|name| !name.is_empty() && !name.contains('/')),
        },
        _ => false,
    };
    let exists = exists && arn.partition() == partition.as_str(); // [A121]
    if exists { Ok(()) } else { Err(unknown()) }
}

pub(crate) fn new_grant_id(env: &Env) -> Result<GrantId, Error> {
    let mut bytes = [0; 32];
    env.entropy.fill(&mut bytes).map_err(|_| Error::Internal("randomness failed"))?;
    data_encoding::HEXLOWER.encode(&bytes).parse().map_err(|_| Error::Internal("a grant id that is none"))
}

/// `ListGrants`
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct ListGrants {
    pub key_id: String,
    pub limit: Option<usize>,
    pub marker: Option<String>,
    pub grant_id: Option<String>,
    pub grantee_principal: Option<String>,
    pub grantee_service_principal: Option<String>,
}

/// A grant in a list (K197).
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct GrantListEntry {
    pub key_id: String,
    pub grant_id: String,
    pub name: String,
    pub creation_date: EpochSeconds,
    pub grantee_principal: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retiring_principal: Option<String>,
    pub issuing_account: String,
    pub operations: Vec<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub constraints: Option<RequestedConstraints>,
}

/// The answer to `ListGrants`.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct ListGrantsOutput {
    pub grants: Vec<GrantListEntry>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_marker: Option<String>,
    pub truncated: bool,
}

/// (K220)
const GRANTS_PER_PAGE: PageSize = PageSize { default: 50, max: 100 };

impl Operate for ListGrants {
    type Output = ListGrantsOutput;
    const SERVICE: &'static str = "kms";
    const NAME: &'static str = "ListGrants";
    const MUTATES: bool = false;

    fn request_parameters(&self) -> Option<Box<RawValue>> {
        let (grant_id, grantee_principal) = (self.grant_id.as_deref(), self.grantee_principal.as_deref());
        ListParameters { grant_id, grantee_principal, ..ListParameters::of(self.limit, self.marker.as_deref()) }.on(Some(&self.key_id))
    }

    /// (A623)
    fn operate(self, call: &mut Call<'_>) -> Result<Outcome<ListGrantsOutput>, Error> {
        let facts = call.facts();
        let found = resolve(call, Operation::ListGrants, &self.key_id)?;
        let key = found.permit_in_state(call, Request::new(permission(Operation::ListGrants)?, facts))?;
        let wanted = |grant: &&Arc<Grant>| {
            self.grant_id.as_deref().is_none_or(|id| id == grant.id.as_str())
                && self.grantee_principal.as_deref().is_none_or(|principal| principal == shown_principal(call.state, &grant.terms.grantee))
                && self
                    .grantee_service_principal
                    .as_deref()
                    .is_none_or(|service| matches!(&grant.terms.grantee, GrantPrincipal::Service { name } if **name == *service))
        };
        let grantees = (&self.grantee_principal, &self.grantee_service_principal);
        let list = format!("ListGrants\n{}\n{:?}\n{grantees:?}", key.arn(), self.grant_id);
        let grants = call.state.grants(key.arn()).filter(wanted);
        let page = page(call, &list, GRANTS_PER_PAGE, self.limit, self.marker.as_deref(), grants, place)?;
        Ok(Outcome::unchanged(ListGrantsOutput::of(call.state, page)))
    }
}

/// (K223) By creation, stable under inserts.
fn place(grant: &&Arc<Grant>) -> String {
    format!("{:020}/{}", grant.created_at.as_millisecond(), grant.id)
}

impl ListGrantsOutput {
    fn of(state: &State, page: Page<&Arc<Grant>>) -> Self {
        let grants = page.items.into_iter().map(|grant| entry(state, grant)).collect();
        Self { grants, truncated: page.next_marker.is_some(), next_marker: page.next_marker }
    }
}

/// `ListRetirableGrants`
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct ListRetirableGrants {
    pub retiring_principal: Option<String>,
    pub limit: Option<usize>,
    pub marker: Option<String>,
}

impl Operate for ListRetirableGrants {
    type Output = ListGrantsOutput;
    const SERVICE: &'static str = "kms";
    const NAME: &'static str = "ListRetirableGrants";
    const MUTATES: bool = false;

    fn request_parameters(&self) -> Option<Box<RawValue>> {
        let retiring_principal = self.retiring_principal.as_deref();
        ListParameters { retiring_principal, ..ListParameters::of(self.limit, self.marker.as_deref()) }.on(None)
    }

    /// (A409) Keys and their policies are not consulted, and grants on foreign keys are listed too.
    fn operate(self, call: &mut Call<'_>) -> Result<Outcome<ListGrantsOutput>, Error> {
        let (facts, account) = (call.facts(), call.account()?);
        let retiring = self.retiring_principal.ok_or_else(|| Error::Validation("RetiringPrincipal is required.".to_owned()))?; // [K24]
        let unknown = || Error::UnknownPrincipal(retiring.clone());
        let arn: Arn = retiring.parse().map_err(|_| unknown())?;
        let pattern = no_resource(call)?;
        let request = Request::new(permission(Operation::ListRetirableGrants)?, facts);
        call.authorize(&Target::new(Resource::None { pattern: pattern.into() }), &request)?;
        if arn.account() != Some(account) {
            return Err(unknown());
        }
        // Grants live in one Region, and a Region's endpoint lists its own.
        let region = call.region().clone();
        let grants = call.state.grants_retirable_by(arn.as_str()).filter(move |grant| *grant.key.region() == region);
        // One whose retiring principal is gone does not name a successor of that name [A606].
        let named = |grant: &&Arc<Grant>| grant.terms.retiring.as_ref().is_some_and(|retiring| shown_principal(call.state, retiring) == arn.as_str());
        let grants = grants.filter(named);
        let list = format!("ListRetirableGrants\n{arn}");
        let page = page(call, &list, GRANTS_PER_PAGE, self.limit, self.marker.as_deref(), grants, place)?;
        Ok(Outcome::unchanged(ListGrantsOutput::of(call.state, page)))
    }
}

/// A deleted principal shows as its unique id (K197).
fn shown_principal(state: &State, principal: &GrantPrincipal) -> String {
    match principal {
        GrantPrincipal::Aws { arn, bound: Some(id) } if state.arn_of(id) != Some(arn.as_str()) => id.to_string(),
        principal => principal.as_str().to_owned(),
    }
}

fn entry(state: &State, grant: &Grant) -> GrantListEntry {
    let GrantConstraints { encryption_context_equals, encryption_context_subset, source_arn } = grant.terms.constraints.clone();
    let constrained = encryption_context_equals.is_some() || encryption_context_subset.is_some() || source_arn.is_some();
    GrantListEntry {
        key_id: grant.key.to_string(),
        grant_id: grant.id.to_string(),
        name: grant.name.clone().unwrap_or_default(),
        creation_date: EpochSeconds(grant.created_at),
        grantee_principal: shown_principal(state, &grant.terms.grantee),
        retiring_principal: grant.terms.retiring.as_ref().map(|retiring| shown_principal(state, retiring)),
        issuing_account: format!("arn:{}:iam::{}:root", state.partition(grant.issuing_account), grant.issuing_account),
        operations: grant.terms.operations.iter().map(|operation| operation.name()).collect(),
        constraints: constrained.then_some(RequestedConstraints { encryption_context_subset, encryption_context_equals, source_arn }),
    }
}

/// `RevokeGrant`
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct RevokeGrant {
    pub key_id: String,
    pub grant_id: String,
    pub dry_run: Option<bool>,
}

fn grant_id(text: &str) -> Result<GrantId, Error> {
    text.parse().map_err(|_| Error::InvalidGrantId) // [K198]
}

/// The answer to `RevokeGrant`, which has no members; its record names the key.
#[derive(Serialize)]
pub struct RevokeGrantOutput {
    #[serde(skip)]
    key_id: String,
}

impl Operate for RevokeGrant {
    type Output = RevokeGrantOutput;
    const SERVICE: &'static str = "kms";
    const NAME: &'static str = "RevokeGrant";
    const MUTATES: bool = true;

    fn request_parameters(&self) -> Option<Box<RawValue>> {
        let grant_id = Some(self.grant_id.as_str());
        raw(&GrantParameters {
            key_id: &self.key_id,
            grantee_principal: None,
            retiring_principal: None,
            operations: Vec::new(),
            constraints: None,
            name: None,
            grant_id,
        })
    }

    fn response_elements(output: &RevokeGrantOutput) -> Option<Box<RawValue>> {
        raw(&serde_json::json!({ "keyId": output.key_id }))
    }

    /// (A621) A key operation like others, at once in force (A625).
    fn operate(self, call: &mut Call<'_>) -> Result<Outcome<RevokeGrantOutput>, Error> {
        let facts = call.facts();
        let id = grant_id(&self.grant_id)?;
        let found = resolve(call, Operation::RevokeGrant, &self.key_id)?;
        let key = found.permit_in_state(call, Request::new(permission(Operation::RevokeGrant)?, facts))?;
        call.state.grant(key.arn(), &id).ok_or_else(|| Error::GrantNotFound(id.to_string()))?;
        if self.dry_run == Some(true) {
            return Err(Error::DryRun);
        }
        let output = RevokeGrantOutput { key_id: key.arn().to_string() };
        Ok(Outcome::changed(output, vec![Change::Delete(EntityKey::Grant(key.arn().clone(), id))]))
    }
}

/// `RetireGrant`
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct RetireGrant {
    pub grant_token: Option<String>,
    pub key_id: Option<String>,
    pub grant_id: Option<String>,
    pub dry_run: Option<bool>,
}

impl Operate for RetireGrant {
    type Output = Nothing;
    const SERVICE: &'static str = "kms";
    const NAME: &'static str = "RetireGrant";
    const MUTATES: bool = true;

    /// (A622) By a token, or by key and grant id.
    fn operate(self, call: &mut Call<'_>) -> Result<Outcome<Nothing>, Error> {
        let facts = call.facts();
        let (key_name, id) = match (self.grant_token, self.key_id, self.grant_id) {
            (Some(token), None, None) => {
                let (key, id) = granted_by(call.vault.root(), &token).ok_or(Error::InvalidGrantToken)?;
                (key, grant_id(&id)?)
            }
            (None, Some(key), Some(id)) => (key, grant_id(&id)?),
            _ => return Err(Error::Validation("Specify either a grant token, or a key ID and a grant ID.".to_owned())), // [K198]
        };
        let found = resolve(call, Operation::RetireGrant, &key_name)?;
        let arn = found.arn().ok_or(Error::Internal("nothing was found"))?.clone();
        let there = found.key().zip(call.state.grant(&arn, &id));
        let own = call.caller.account() == Some(arn.account());
        // [A908] What is absent in another account reads like what is refused there.
        let hidden = keyward_authz::hidden_sentence(&call.subject.principal.caller_arn(), &keyward_policy::Action::Kms(RETIRE_GRANT), false);
        let Some((key, grant)) = there else {
            return Err(if own { Error::GrantNotFound(id.to_string()) } else { Error::AccessDenied { sentence: hidden } });
        };
        // [A620] Decided by the grant, not by key policies.
        let mut request = Request::new(permission(Operation::RetireGrant)?, facts);
        request.retires = Some(grant);
        request.encryption_context = grant.terms.constraints.encryption_context();
        let state = call.state;
        match call.authorize(&state.target(Resource::Key { key: &key.facts, grants: &[] }), &request) {
            Err(Error::AccessDenied { .. }) if !own => {
                call.tell(&hidden);
                return Err(Error::AccessDenied { sentence: hidden });
            }
            decided => decided?,
        };
        check(Operation::RetireGrant, key)?;
        call.concerns(&arn);
        call.remark(&serde_json::json!({ "grantId": id.to_string() })); // [A1006]
        if self.dry_run == Some(true) {
            return Err(Error::DryRun);
        }
        Ok(Outcome::changed(Nothing {}, vec![Change::Delete(EntityKey::Grant(arn, id))]))
    }
}
