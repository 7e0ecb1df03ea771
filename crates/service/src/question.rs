//! Questions about access: what would be decided, and why, without anybody calling (`keyward explain`).
//!
//! A question is answered by going through the operation itself, the one that serves calls, for a caller who is only
//! imagined: whatever it asks, in its order, on the resources and with the condition values that it asks with, is the answer.

use std::cell::{Cell, RefCell};
use std::sync::Arc;

use keyward_authz::{AliasName, CallFacts, Explanation, KeyArn, Operation, Principal, Request, Resource, SessionFacts, Subject, Target, Via};
use keyward_crypto::{DataKeyPairSpec, DataKeySpec, EncapsulationAlgorithm, EncryptionAlgorithm, KeyAgreementAlgorithm, KeySpec};
use keyward_policy::{AccountId, Action, Arn, ConditionKey, KeyName, KmsPermission, MapContext, Region, ResourceKind};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::call::{Call, Operate, Origin, Rehearsal, undecided};
use crate::caller::{Caller, Identity, Session, SessionKind};
use crate::entities::{Key, alias_arn};
use crate::error::{AwsError, Error};
use crate::host::{Host, Rehearsed};
use crate::kms::{self, Pairs, blob_of_nobody, granted_by, no_resource, resolve, with_context};
use crate::state::State;

/// May this principal do this on this key?
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Question {
    /// The caller: an ARN of a user, role, role session, federated user or account root, or a service principal.
    pub principal: String,
    /// `kms:Decrypt`; of an operation that asks several permissions the operation's name: `kms:ReEncrypt`.
    pub action: String,
    /// Key id, key ARN, alias name, alias ARN; `*` for actions without key.
    pub key: String,
    /// The Region that is called; found from the key if it is missing.
    #[serde(default)]
    pub region: Option<String>,
    /// The encryption context.
    #[serde(default)]
    pub encryption_context: Pairs,
    /// The service through which the call comes: `s3.ap-south-1.amazonaws.com`.
    #[serde(default)]
    pub via: Option<String>,
    /// The VPC endpoint through which the call comes: `vpce-…`.
    #[serde(default)]
    pub endpoint: Option<String>,
    /// Grant tokens of the request.
    #[serde(default)]
    pub grant_tokens: Vec<String>,
    /// Other parameters of the request, named as in the API: `AliasName`, `GrantId`, `PendingWindowInDays`.
    #[serde(default)]
    pub parameters: Map<String, Value>,
    /// Further condition keys, with one value or several.
    #[serde(default)]
    pub conditions: Vec<(String, Vec<String>)>,
}

/// What would be decided.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Answer {
    /// What was asked and allowed before: some operations ask several permissions (A404) (A405).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub before: Vec<Explanation>,
    /// What decides: the first refusal, else what was asked last.
    #[serde(flatten)]
    pub deciding: Explanation,
    /// Why an allowed call would fail all the same: the state of its key, or what the key is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
}

impl Answer {
    /// Whether the call would be allowed.
    pub fn is_allowed(&self) -> bool {
        self.deciding.decision == "ALLOW"
    }
}

/// Why a question cannot be answered.
#[derive(Debug, thiserror::Error)]
pub enum QuestionError {
    /// Not an action of KMS.
    #[error("{0}")]
    Action(String),
    /// Not a principal, or one that is not in the estate.
    #[error("{0}")]
    Principal(String),
    /// Not a key that is there, or one where none is asked.
    #[error("{0}")]
    Key(String),
    /// The call would be refused for what it is, before anything is decided.
    #[error("the call would fail before anything is decided: {0}")]
    Call(String),
    /// Anything else that does not read.
    #[error("{0}")]
    Other(String),
}

/// Answers a question on the newest durable revision.
///
/// # Errors
/// [`QuestionError`], with what to do about it.
pub fn ask(host: &Host, question: &Question) -> Result<Answer, QuestionError> {
    let state = host.state();
    let asked = Asked::named(&question.action)?;
    let caller = caller(&state, host, &question.principal)?;
    let region = region(&state, caller.account(), &asked, question)?;
    let mut facts = CallFacts::new(region);
    facts.time = Some(host.now());
    facts.secure_transport = false; // as the listener sees it
    facts.via = question.via.as_deref().map(Via::service_door);
    if let Some(id) = &question.endpoint {
        let endpoint = state.vpc_endpoint(id).ok_or_else(|| QuestionError::Other(format!("there is no VPC endpoint `{id}` in this estate")))?;
        facts.endpoint = Some(state.through(endpoint));
    }
    let members = asked.members(host, question)?;
    let told = Told::new(&question.conditions);
    let origin = Origin { caller: Some(caller), facts, request_id: String::new() };
    let rehearsal = Rehearsal { told: &|target, request| told.of(target, request), asked: Vec::new() };
    let rehearsed = host.rehearse(&state, &origin, rehearsal, |call| match asked.operation {
        Some(operation) => go_through(operation, members, call),
        None => ask_alone(asked.permission, question, call),
    });
    let rehearsed = rehearsed.map_err(|error| QuestionError::Other(error.to_string()))?;
    let answer = answer(&state, &origin, &asked.name(), rehearsed)?;
    match told.unused() {
        Some(key) => Err(QuestionError::Other(format!("no request for {} carries {key}", question.action))),
        None => Ok(answer),
    }
}

/// What a rehearsal told, as an answer.
fn answer(state: &State, origin: &Origin, action: &str, Rehearsed { mut asked, result }: Rehearsed) -> Result<Answer, QuestionError> {
    let worded = |error: &AwsError| format!("{}: {}", error.code, error.message.as_deref().unwrap_or_default());
    let Some(deciding) = asked.pop() else {
        let error = result.err().as_ref().map(AwsError::from);
        return match (error, &origin.caller) {
            (Some(error), Some(caller)) if error.trail_code() == "AccessDenied" => {
                let message = error.message.as_deref().unwrap_or_default();
                let deciding = undecided(caller, state.subject(caller).as_ref(), action.to_owned(), message);
                Ok(Answer { before: asked, deciding, failure: None })
            }
            (Some(error), _) => Err(QuestionError::Call(worded(&error))),
            (None, _) => Err(QuestionError::Other("this call asks nothing".to_owned())),
        };
    };
    // Everything else that fails after the last permission fails for want of what a question does not have.
    let failure = match &result {
        Err(
            error @ (Error::Disabled(_)
            | Error::PendingDeletion(_)
            | Error::NotPendingDeletion(_)
            | Error::InvalidState { .. }
            | Error::AutomaticRotationNear
            | Error::OnDemandRotationsExhausted(_)
            | Error::NoMaterialPending(_)
            | Error::ReplicaExists
            | Error::Unsupported(_)
            | Error::InvalidKeyUsage { .. }
            | Error::IncompatibleAlgorithm { .. }),
        ) => Some(worded(&AwsError::from(error))),
        _ => None,
    };
    Ok(Answer { before: asked, deciding, failure })
}

/// What a question is about.
#[derive(Clone, Copy)]
struct Asked {
    /// The operation that is gone through; none where a permission bears none's name, such as half of ReEncrypt.
    operation: Option<Operation>,
    /// The permission that is asked about.
    permission: Option<KmsPermission>,
}

impl Asked {
    fn named(text: &str) -> Result<Self, QuestionError> {
        let name = text.split_once(':').map_or(text, |(_, name)| name);
        let service = text.split_once(':').map_or("kms", |(service, _)| service);
        if !service.eq_ignore_ascii_case("kms") {
            return Err(QuestionError::Action(format!(
                "`{text}` is no permission of KMS, and keys have no others: ask what {service} would call with --via {service}.REGION.amazonaws.com, such as kms:Decrypt"
            )));
        }
        // [A404] The one operation that bears no permission's name.
        if name.eq_ignore_ascii_case(Operation::ReEncrypt.name()) {
            return Ok(Self { operation: Some(Operation::ReEncrypt), permission: None });
        }
        let permission = Action::parse(&format!("kms:{name}")).map_err(QuestionError::Action)?.kms();
        let operation = permission.and_then(|permission| Operation::named(permission.name()));
        Ok(Self { operation, permission })
    }

    fn resource(&self) -> ResourceKind {
        self.permission.map_or(ResourceKind::Key, KmsPermission::resource)
    }

    fn name(&self) -> String {
        let name = self.operation.map(Operation::name).or(self.permission.map(KmsPermission::name)).unwrap_or_default();
        format!("kms:{name}")
    }

    /// The operation whose identifiers of keys it takes (A410).
    fn as_operation(&self) -> Operation {
        let named = self.permission.and_then(|permission| Operation::named(permission.name()));
        self.operation.or(named).unwrap_or(Operation::ReEncrypt)
    }

    /// The member of the request that names what is asked about.
    fn member(&self) -> &'static str {
        match self.operation {
            Some(Operation::CreateAlias | Operation::UpdateAlias) => "TargetKeyId",
            Some(Operation::DeleteAlias) => "AliasName",
            Some(Operation::ReEncrypt) => "SourceKeyId",
            _ => "KeyId",
        }
    }

    /// The members of the request that the question stands for.
    fn members(&self, host: &Host, question: &Question) -> Result<Map<String, Value>, QuestionError> {
        let mut members = question.parameters.clone();
        let mut add = |name: &str, value: Value| match members.insert(name.to_owned(), value) {
            Some(_) => Err(QuestionError::Other(format!("{name} is given twice: the question says it already"))),
            None => Ok(()),
        };
        if self.resource() != ResourceKind::None {
            add(self.member(), question.key.as_str().into())?;
        }
        let wrong = |token: &str| QuestionError::Other(format!("`{token}` is no grant token of this server"));
        if let Some(token) = question.grant_tokens.iter().find(|token| granted_by(host.vault().root(), token).is_none()) {
            return Err(wrong(token));
        }
        // A grant counts as soon as it is made, so a token says nothing [A619], save to RetireGrant, which it tells the grant.
        if let (Some(Operation::RetireGrant), Some(token)) = (self.operation, question.grant_tokens.first()) {
            let (_, grant) = granted_by(host.vault().root(), token).ok_or_else(|| wrong(token))?;
            add("GrantId", grant.into())?;
        }
        let context = || json!(question.encryption_context);
        match self.operation {
            _ if question.encryption_context.is_empty() => {}
            Some(Operation::ReEncrypt) => {
                members.entry("SourceEncryptionContext").or_insert_with(context);
                members.entry("DestinationEncryptionContext").or_insert_with(context);
            }
            // [A542] Other requests carry none, whatever is asked.
            Some(operation) if operation.has_encryption_context() && operation.is_cryptographic() => {
                members.insert("EncryptionContext".to_owned(), context());
            }
            _ => {}
        }
        self.are_enough(&members)?;
        Ok(members)
    }

    /// Some operations are decided by more than a key.
    fn are_enough(&self, members: &Map<String, Value>) -> Result<(), QuestionError> {
        let needed: &[(&str, &str)] = match self.operation {
            Some(Operation::CreateAlias | Operation::UpdateAlias) => {
                &[("AliasName", "the permission is asked on the alias too: --parameter AliasName=alias/NAME")]
            }
            // [A564] [A565] [A562] What the API requires decides too.
            Some(Operation::GetParametersForImport) => &[
                ("WrappingAlgorithm", "how material is wrapped may decide: --parameter WrappingAlgorithm=RSAES_OAEP_SHA_256"),
                ("WrappingKeySpec", "under what material is wrapped may decide: --parameter WrappingKeySpec=RSA_3072"),
            ],
            Some(Operation::ImportKeyMaterial) if !members.contains_key("ValidTo") => &[(
                "ExpirationModel",
                "whether the material expires may decide: --parameter ExpirationModel=KEY_MATERIAL_DOES_NOT_EXPIRE, or --parameter ValidTo=SECONDS-SINCE-1970",
            )],
            Some(Operation::ReplicateKey) => &[("ReplicaRegion", "where the replica would be decides: --parameter ReplicaRegion=eu-west-1")],
            Some(Operation::UpdatePrimaryRegion) => &[("PrimaryRegion", "the other key decides too: --parameter PrimaryRegion=eu-west-1")],
            Some(Operation::CreateGrant) => &[
                ("Operations", r#"what the grant would hold decides: --parameter 'Operations=["Decrypt"]'"#),
                ("GranteePrincipal", "who would get the grant decides: --parameter GranteePrincipal=ARN"),
            ],
            Some(Operation::ReEncrypt) => &[(
                "DestinationKeyId",
                "kms:ReEncrypt is no permission, it asks kms:ReEncryptFrom on one key and kms:ReEncryptTo on another: name the other with --to KEY, or ask about one half",
            )],
            Some(Operation::RetireGrant) => &[("GrantId", "the grant decides who may retire it, not the key: --grant-id ID, or --grant-token TOKEN")],
            _ => &[],
        };
        let missing = needed.iter().find(|(name, _)| {
            let service = name.replace("GranteePrincipal", "GranteeServicePrincipal");
            !members.contains_key(*name) && !members.contains_key(&service)
        });
        missing.map_or(Ok(()), |(_, told)| Err(QuestionError::Other((*told).to_owned())))
    }
}

/// Gives a request what it must have though nothing is decided by it, and of algorithms the first that the key has.
fn complete(operation: Operation, members: &mut Map<String, Value>, call: &Call<'_>) -> Result<(), Error> {
    use Operation as O;
    let spec = members.get("KeyId").and_then(Value::as_str).and_then(|named| spec_of(call, operation, named));
    let blob = || blob_of_nobody(call).map(|blob| data_encoding::BASE64.encode(&blob).into());
    let needed: Vec<(&str, Value)> = match operation {
        O::ConnectCustomKeyStore | O::DeleteCustomKeyStore | O::DisconnectCustomKeyStore | O::UpdateCustomKeyStore => {
            vec![("CustomKeyStoreId", "-".into())]
        }
        O::CreateCustomKeyStore => return complete_store(members),
        O::Encrypt => vec![("Plaintext", "".into()), ("EncryptionAlgorithm", first(spec, KeySpec::encryption_algorithms))],
        O::Decrypt => vec![("CiphertextBlob", blob()?), ("EncryptionAlgorithm", first(spec, KeySpec::encryption_algorithms))],
        O::ReEncrypt => vec![("CiphertextBlob", blob()?)],
        O::GenerateDataKey | O::GenerateDataKeyWithoutPlaintext if members.contains_key("NumberOfBytes") => Vec::new(),
        O::GenerateDataKey | O::GenerateDataKeyWithoutPlaintext => vec![("KeySpec", DataKeySpec::Aes256.name().into())],
        O::GenerateDataKeyPair | O::GenerateDataKeyPairWithoutPlaintext => vec![("KeyPairSpec", DataKeyPairSpec::Rsa2048.name().into())],
        O::GenerateRandom => vec![("NumberOfBytes", 32.into())],
        O::Sign => vec![("Message", "".into()), ("SigningAlgorithm", first(spec, KeySpec::signing_algorithms))],
        O::Verify => vec![("Message", "".into()), ("Signature", "".into()), ("SigningAlgorithm", first(spec, KeySpec::signing_algorithms))],
        O::GenerateMac => vec![("Message", "".into()), ("MacAlgorithm", first(spec, KeySpec::mac_algorithms))],
        O::VerifyMac => vec![("Message", "".into()), ("Mac", "".into()), ("MacAlgorithm", first(spec, KeySpec::mac_algorithms))],
        O::DeriveSharedSecret => vec![("PublicKey", "".into()), ("KeyAgreementAlgorithm", KeyAgreementAlgorithm::Ecdh.name().into())],
        O::Encapsulate => vec![("EncapsulationAlgorithm", EncapsulationAlgorithm::MlKem.name().into())],
        O::Decapsulate => {
            vec![("SharedSecretCiphertextBlob", "".into()), ("EncapsulationAlgorithm", EncapsulationAlgorithm::MlKem.name().into())]
        }
        O::ImportKeyMaterial => vec![("EncryptedKeyMaterial", "AA==".into()), ("ImportToken", "AA==".into())],
        O::ListRetirableGrants => vec![("RetiringPrincipal", call.subject.principal.caller_arn().as_ref().into())],
        O::PutKeyPolicy => vec![("Policy", "{}".into())],
        O::RevokeGrant => vec![("GrantId", "0".repeat(64).into())],
        O::TagResource => vec![("Tags", json!([]))],
        O::UntagResource => vec![("TagKeys", json!([]))],
        O::UpdateKeyDescription => vec![("Description", "".into())],
        _ => Vec::new(),
    };
    for (name, value) in needed {
        members.entry(name).or_insert(value);
    }
    Ok(())
}

fn spec_of(call: &Call<'_>, operation: Operation, named: &str) -> Option<KeySpec> {
    resolve(call, operation, named).ok()?.key()?.facts.spec.parse().ok()
}

/// The first algorithm of the key; of a key that has none of this kind, the first that there is: what is asked is the permission.
fn first<A: Copy + Serialize>(spec: Option<KeySpec>, of: fn(KeySpec) -> &'static [A]) -> Value {
    let all = spec.into_iter().chain(KeySpec::ALL.iter().copied());
    all.flat_map(of).next().map_or(Value::Null, |algorithm| json!(algorithm))
}

fn complete_store(members: &mut Map<String, Value>) -> Result<(), Error> {
    for (name, value) in [("CustomKeyStoreName", "-"), ("CloudHsmClusterId", "-"), ("TrustAnchorCertificate", "-"), ("KeyStorePassword", "-")] {
        members.entry(name).or_insert_with(|| value.into());
    }
    Ok(())
}

macro_rules! rehearse_kms {
    ($($name:ident;)*) => {
        fn go_through(operation: Operation, mut members: Map<String, Value>, call: &mut Call<'_>) -> Result<(), Error> {
            complete(operation, &mut members, call)?;
            match operation {
                $(Operation::$name => operate::<kms::$name>(members, call),)*
            }
        }
    };
}

crate::kms_operations!(rehearse_kms);

fn operate<I: Operate + DeserializeOwned>(members: Map<String, Value>, call: &mut Call<'_>) -> Result<(), Error> {
    let known = members_of::<I>();
    if let Some(unknown) = members.keys().find(|name| !known.contains(&name.as_str())) {
        return Err(Error::Validation(format!("{} has no parameter `{unknown}`; it has {}", I::NAME, known.join(", "))));
    }
    let input: I = serde_json::from_value(Value::Object(members)).map_err(|error| Error::Validation(error.to_string()))?;
    input.operate(call).map(|_| ())
}

/// A permission of no operation: asked on its key, with the defaults that requests have (A502).
fn ask_alone(permission: Option<KmsPermission>, question: &Question, call: &mut Call<'_>) -> Result<(), Error> {
    let permission = permission.ok_or(Error::Internal("neither operation nor permission"))?;
    let facts = call.facts();
    let request = match permission {
        carrying if carrying.carries(KeyName::EncryptionAlgorithm) => {
            with_context(Action::Kms(permission), facts, &question.encryption_context, EncryptionAlgorithm::SymmetricDefault)
        }
        _ => Request::new(Action::Kms(permission), facts),
    };
    if permission.resource() == ResourceKind::None {
        let pattern = no_resource(call)?;
        let state = call.state;
        return call.authorize(&state.target(Resource::None { pattern: pattern.into() }), &request).map(|_| ());
    }
    let operation = Operation::named(permission.name()).unwrap_or(Operation::ReEncrypt);
    resolve(call, operation, &question.key)?.permit(call, request).map(|_| ())
}

/// Condition values that are told with a question, and whether any request carried them.
struct Told<'q> {
    conditions: &'q [(String, Vec<String>)],
    carried: RefCell<Vec<bool>>,
    asked: Cell<bool>,
}

impl<'q> Told<'q> {
    fn new(conditions: &'q [(String, Vec<String>)]) -> Self {
        Self { conditions, carried: RefCell::new(vec![false; conditions.len()]), asked: Cell::new(false) }
    }

    /// Those that a request for this permission on this resource carries (A504) (A405).
    fn of(&self, target: &Target<'_>, request: &Request<'_>) -> MapContext {
        self.asked.set(true);
        let mut context = MapContext::new();
        for ((name, values), carried) in self.conditions.iter().zip(self.carried.borrow_mut().iter_mut()) {
            let key = ConditionKey::new(name);
            let about_kms = key.name().is_about_kms() || name.get(..4).is_some_and(|service| service.eq_ignore_ascii_case("kms:"));
            let on_alias = matches!(target.resource, Resource::Alias { .. });
            if about_kms && (on_alias || !request.action.kms().is_some_and(|permission| permission.carries(key.name()))) {
                continue;
            }
            *carried = true;
            context = match values.as_slice() {
                [one] => context.with(name, one),
                many => context.with_many(name, many.iter().map(String::as_str)),
            };
        }
        context
    }

    fn unused(&self) -> Option<&'q str> {
        let carried = self.carried.borrow();
        self.conditions.iter().zip(carried.iter()).find(|(_, carried)| self.asked.get() && !**carried).map(|((name, _), _)| name.as_str())
    }
}

/// Whoever a name means in this estate, as it would call: exactly that name (A124).
fn caller(state: &State, host: &Host, text: &str) -> Result<Caller, QuestionError> {
    let identity = identity(state, text)?;
    let now = host.now();
    let session = |kind| Session::new(String::new(), identity.clone(), kind, now, now);
    let session = match &identity {
        Identity::Root { .. } | Identity::User { .. } => None,
        Identity::Role { .. } => {
            let facts = SessionFacts { issued_at: Some(now), mfa_present: Some(false), ..SessionFacts::default() };
            Some(Session { facts, ..session(SessionKind::AssumeRole) })
        }
        Identity::Federated { .. } => Some(session(SessionKind::GetFederationToken)),
        Identity::Service { .. } => Some(session(SessionKind::ServiceDoor)),
    };
    let caller = Caller::imagined(identity, session);
    let Some(Subject { principal, .. }) = state.subject(&caller) else {
        return Err(QuestionError::Principal(format!("{text} is not there any more")));
    };
    let name = principal.caller_arn().into_owned();
    let own_name = match &principal {
        Principal::RoleSession { role, .. } => name == text || role.as_str() == text,
        _ => name == text,
    };
    let called = match &principal {
        Principal::RoleSession { role, .. } => role.to_string(),
        _ => name,
    };
    match own_name {
        true => Ok(caller),
        false => Err(QuestionError::Principal(format!("there is no {text} in this estate, but {called}: path and partition belong to the name"))),
    }
}

fn identity(state: &State, text: &str) -> Result<Identity, QuestionError> {
    let unknown = |why: String| QuestionError::Principal(why);
    let Ok(arn) = text.parse::<Arn>() else {
        if text.ends_with(".amazonaws.com") || text.ends_with(".amazonaws.com.cn") {
            return Ok(Identity::Service { name: text.to_owned() });
        }
        let message =
            format!("`{text}` is no principal: name an ARN such as arn:aws:iam::111122223333:role/app, or a service such as s3.amazonaws.com");
        return Err(unknown(message));
    };
    let account = arn.account().filter(|account| state.account(*account).is_some());
    let account = account.ok_or_else(|| unknown(format!("the account of {text} is not in this estate")))?;
    let not_there = |what: &str, name: &str| unknown(format!("there is no {what} `{name}` in account {account} of this estate"));
    let last = arn.resource().rsplit('/').next().unwrap_or_default();
    let role = |name: &str, session: &str| {
        let role = state.role(account, name).ok_or_else(|| not_there("role", name))?;
        let session = format!("arn:{}:sts::{account}:assumed-role/{}/{session}", role.arn.partition(), role.name);
        let session = session.parse().map_err(|_| unknown(format!("`{text}` is no session")))?;
        Ok(Identity::Role { account, name: role.name.clone(), id: role.id.clone(), session })
    };
    match (arn.service(), arn.resource().split('/').next().unwrap_or_default()) {
        ("iam", "root") => Ok(Identity::Root { account }),
        ("iam", "user") => {
            let user = state.user(account, last).ok_or_else(|| not_there("user", last))?;
            Ok(Identity::User { account, name: user.name.clone(), id: user.id.clone() })
        }
        ("iam", "role") => role(last, "any-session"),
        ("sts", "assumed-role") => role(arn.resource().split('/').nth(1).unwrap_or_default(), last),
        ("sts", "federated-user") => {
            let arn = format!("arn:{}:sts::{account}:federated-user/{last}", state.partition(account));
            let arn = arn.parse().map_err(|_| unknown(format!("`{text}` is no session")))?;
            Ok(Identity::Federated { account, name: last.to_owned(), user: None, arn })
        }
        _ => Err(unknown(format!("{text} is an ARN, but of no principal: users, roles, sessions, federated users and account roots call"))),
    }
}

/// The Region whose endpoint is called, once it is sure that the question names what such a call can name.
fn region(state: &State, caller: Option<AccountId>, asked: &Asked, question: &Question) -> Result<Region, QuestionError> {
    let text = question.key.as_str();
    let no_key = |why: &str| QuestionError::Key(format!("`{text}`: {why}"));
    let chosen = question.region.as_deref().map(|region| region.parse::<Region>().map_err(|_| no_key("no Region of that name"))).transpose()?;
    let name = asked.name();
    match (asked.resource(), text) {
        (ResourceKind::None, "*") => {
            return chosen.map_or_else(|| "us-east-1".parse().map_err(|_| no_key("name a --region")), Ok);
        }
        // [A403]
        (ResourceKind::None, _) => {
            return Err(no_key(&format!("{name} is decided without a key, by identity policies alone: ask about {name} '*'")));
        }
        (_, "*") => return Err(no_key(&format!("{name} is decided on a key: name one, by id, ARN or alias"))),
        _ => {}
    }
    let (key, by_alias) = named_key(state, caller, chosen.as_ref(), text)?;
    if by_alias && !asked.as_operation().takes_aliases() && asked.member() != "AliasName" {
        return Err(no_key(&format!("{name} takes no alias, name the key: {}", key.arn()))); // [A410]
    }
    if !by_alias && asked.member() == "AliasName" {
        return Err(no_key(&format!("{name} names an alias: alias/NAME")));
    }
    Ok(chosen.unwrap_or_else(|| key.arn().region().clone()))
}

/// Which key a question means, and whether by an alias; without an ARN it is one of the caller's account, as in a call (A410).
fn named_key<'s>(state: &'s State, caller: Option<AccountId>, region: Option<&Region>, text: &str) -> Result<(&'s Arc<Key>, bool), QuestionError> {
    let no_key = |why: &str| QuestionError::Key(format!("`{text}`: {why}"));
    if text.starts_with("arn:") {
        let of_alias = |key: &&Arc<Key>| {
            let arn = key.arn();
            key.facts.aliases.iter().any(|name| alias_arn(arn.region(), arn.account(), name) == text)
        };
        if let Ok(key) = text.parse::<KeyArn>() {
            return state.key(&key).map(|key| (key, false)).ok_or_else(|| no_key("no such key in this estate"));
        }
        return state.all_keys().find(of_alias).map(|key| (key, true)).ok_or_else(|| no_key("no such key or alias in this estate"));
    }
    let account = caller.ok_or_else(|| no_key("a service calls under no account: name the key by its ARN"))?;
    let in_region = |key: &&Arc<Key>| key.arn().account() == account && region.is_none_or(|region| region == key.arn().region());
    let name = text.parse::<AliasName>().ok();
    let named = |key: &&Arc<Key>| match &name {
        Some(name) => key.facts.aliases.contains(name),
        None => key.arn().id().as_str() == text,
    };
    let mut keys = state.all_keys().filter(in_region).filter(named);
    let key = keys
        .next()
        .ok_or_else(|| no_key(&format!("no such key or alias in account {account}, whose principal asks; name another account's key by its ARN")))?;
    match keys.next() {
        Some(_) => Err(no_key("there are several of that name: choose one with --region")),
        None => Ok((key, name.is_some())),
    }
}

/// The members of an input, as its own reader knows them.
fn members_of<I: DeserializeOwned>() -> &'static [&'static str] {
    let mut members: &'static [&'static str] = &[];
    let _ = I::deserialize(Members(&mut members));
    members
}

/// Reads nothing, and sees what would be read.
struct Members<'m>(&'m mut &'static [&'static str]);

impl<'de> serde::Deserializer<'de> for Members<'_> {
    type Error = serde::de::value::Error;

    fn deserialize_struct<V: serde::de::Visitor<'de>>(self, _: &'static str, fields: &'static [&'static str], _: V) -> Result<V::Value, Self::Error> {
        *self.0 = fields;
        Err(serde::de::Error::custom("only looked at"))
    }

    fn deserialize_any<V: serde::de::Visitor<'de>>(self, _: V) -> Result<V::Value, Self::Error> {
        Err(serde::de::Error::custom("only looked at"))
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 char str string bytes byte_buf option unit unit_struct newtype_struct seq tuple tuple_struct
        map enum identifier ignored_any
    }
}
