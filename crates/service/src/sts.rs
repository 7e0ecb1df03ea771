//! The operations of STS: who am I, and temporary credentials (K275–K277).

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use keyward_authz::{Request, Resource, SessionFacts, Subject, Target};
use keyward_crypto::Purpose;
use keyward_policy::{Action, Arn, KeyName, Policy, PolicyKind, Values};
use serde::{Deserialize, Serialize};
use serde_json::json;
use serde_json::value::RawValue;
use zeroize::Zeroizing;

use crate::call::{Call, Operate, Outcome, raw, raw_parameters};
use crate::caller::{Identity, Session, SessionKind, SessionPolicy};
use crate::entities::{Role, Tags};
use crate::error::{Error, IamCode};
use crate::iam::{IsoSeconds, Tag, Text, proper_tags, refused, usable, violation};
use crate::tokens::{IssuedCredentials, issue, new_id, open_from_client};

const SERVICE: &str = "sts";

/// How long sessions last, in seconds (K276) (K277).
const SESSION_S_MIN: u32 = 900;
const ROLE_SESSION_S_DEFAULT: u32 = 3600;
const CHAINED_SESSION_S_MAX: u32 = 3600;
const USER_SESSION_S_MAX: u32 = 129_600;
const USER_SESSION_S_DEFAULT: u32 = 43_200;
const ROOT_SESSION_S_MAX: u32 = 3600;
/// Largest inline session policy, in characters, and most managed ones (K276).
const SESSION_POLICY_CHARS_MAX: usize = 2048;
const SESSION_POLICIES_MAX: usize = 10;
/// Most session tags (K276).
const SESSION_TAGS_MAX: usize = 50;

/// Who calls.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct GetCallerIdentityOutput {
    pub user_id: String,
    pub account: String,
    pub arn: String,
}

operation! {
    GetCallerIdentity {} reads -> GetCallerIdentityOutput,
    |_input, call| {
        let account = call.account()?.to_string();
        let arn = call.subject.principal.caller_arn().into_owned();
        let user_id = match &call.caller.identity {
            Identity::Root { .. } | Identity::Service { .. } => account.clone(),
            Identity::User { id, .. } => id.to_string(),
            Identity::Role { id, session, .. } => format!("{id}:{}", session.resource().rsplit('/').next().unwrap_or_default()),
            Identity::Federated { name, .. } => format!("{account}:{name}"),
        };
        Ok(Outcome::unchanged(GetCallerIdentityOutput { user_id, account, arn }))
    }
}

/// A decoded message.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct DecodeAuthorizationMessageOutput {
    pub decoded_message: String,
}

operation! {
    DecodeAuthorizationMessage { #[serde(skip_serializing)] encoded_message: String } reads -> DecodeAuthorizationMessageOutput,
    |input, call| {
        let (account, facts) = (call.account()?, call.facts());
        let action = Action::parse("sts:DecodeAuthorizationMessage").map_err(|_| Error::Internal("no such permission"))?;
        let target = Target::new(Resource::Other { arn: "*", account: Some(account), policy: None, tags: None });
        call.authorize(&target, &Request::new(action, facts))?;
        // Sealed for one account: what others were refused is not its business.
        let opened = open_from_client(call.vault.root(), Purpose::AuthorizationMessage, account.as_str(), &input.encoded_message);
        let text = opened.and_then(|bytes| String::from_utf8(bytes.to_vec()).ok());
        let decoded_message = text.ok_or_else(|| refused(IamCode::InvalidAuthorizationMessage, "Message is not valid"))?;
        Ok(Outcome::unchanged(DecodeAuthorizationMessageOutput { decoded_message }))
    }
}

/// Temporary credentials in an answer.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct Credentials {
    pub access_key_id: String,
    pub secret_access_key: Zeroizing<String>,
    pub session_token: String,
    pub expiration: IsoSeconds,
}

impl From<IssuedCredentials> for Credentials {
    fn from(issued: IssuedCredentials) -> Self {
        Self {
            access_key_id: issued.access_key_id,
            secret_access_key: issued.secret_access_key,
            session_token: issued.session_token,
            expiration: IsoSeconds(issued.expires_at),
        }
    }
}

/// What a record keeps of issued credentials: which, never the secret or the token.
fn issued_elements(credentials: &Credentials, member: &str, whose: serde_json::Value) -> Option<Box<RawValue>> {
    let mut elements = serde_json::Map::new();
    let Credentials { access_key_id, secret_access_key: _, session_token: _, expiration } = credentials;
    elements.insert("credentials".to_owned(), json!({ "accessKeyId": access_key_id, "expiration": expiration }));
    if !whose.is_null() {
        elements.insert(member.to_owned(), whose);
    }
    raw(&elements)
}

/// A managed policy that shall limit a session.
#[derive(Deserialize, Serialize)]
#[expect(missing_docs, reason = "the API's own members")]
pub struct PolicyDescriptor {
    pub arn: String,
}

/// Session policies as they are now. A session never gets wider by a later change of the managed policy's document.
fn session_policies(call: &Call<'_>, inline: Option<String>, managed: Option<Vec<PolicyDescriptor>>) -> Result<Option<Vec<SessionPolicy>>, Error> {
    // A client that gives an empty list gives no policy [A219].
    let managed = managed.unwrap_or_default();
    if inline.is_none() && managed.is_empty() {
        return Ok(None);
    }
    let malformed = |message: &str| refused(IamCode::MalformedPolicyDocument, message);
    let mut policies = Vec::new();
    if let Some(text) = inline {
        if text.chars().count() > SESSION_POLICY_CHARS_MAX {
            return Err(violation(&text, "policy", &format!("have length less than or equal to {SESSION_POLICY_CHARS_MAX}")));
        }
        let policy = Policy::parse_strict(PolicyKind::Identity, &text).map_err(|issue| malformed(&issue.message))?;
        policies.push(SessionPolicy { arn: None, policy });
    }
    if managed.len() > SESSION_POLICIES_MAX {
        return Err(refused(IamCode::PackedPolicyTooLarge, &format!("A session has at most {SESSION_POLICIES_MAX} managed session policies.")));
    }
    for PolicyDescriptor { arn } in managed {
        // Another account's policy is as absent as one that nobody has [T16].
        let usable = usable(call.state, call.account()?, &arn).and_then(|_| call.state.policy_document(&arn));
        let policy = usable.ok_or_else(|| malformed(&format!("Policy {arn} does not exist.")))?.policy;
        policies.push(SessionPolicy { arn: Some(arn), policy });
    }
    Ok(Some(policies))
}

fn session_tags(tags: Option<Vec<Tag>>) -> Result<Tags, Error> {
    let tags = proper_tags(tags, IamCode::InvalidParameterValue)?;
    if tags.len() > SESSION_TAGS_MAX {
        return Err(violation("[…]", "tags", &format!("have length less than or equal to {SESSION_TAGS_MAX}")));
    }
    Ok(tags)
}

fn between(value: u32, member: &str, min: u32, max: u32) -> Result<u32, Error> {
    match value {
        value if value < min => Err(violation(&value.to_string(), member, &format!("have value greater than or equal to {min}"))),
        value if value > max => Err(violation(&value.to_string(), member, &format!("have value less than or equal to {max}"))),
        value => Ok(value),
    }
}

fn name(text: &str, member: &str, min: usize, max: usize) -> Result<(), Error> {
    let allowed = |char: char| char.is_ascii_alphanumeric() || "_+=,.@-".contains(char);
    match text.chars().count() {
        length if length < min => Err(violation(text, member, &format!("have length greater than or equal to {min}"))),
        length if length > max => Err(violation(text, member, &format!("have length less than or equal to {max}"))),
        _ if !text.chars().all(allowed) => Err(violation(text, member, "satisfy regular expression pattern: [\\w+=,.@-]*")),
        _ => Ok(()),
    }
}

fn expiry(now: Timestamp, seconds: u32) -> Result<Timestamp, Error> {
    now.checked_add(SignedDuration::from_secs(i64::from(seconds))).map_err(|_| Error::Internal("a date out of range"))
}

/// Whether the call itself was made with MFA. A user of whom the estate says so has a device that takes any code of
/// six digits: the estate models who has a second factor, not the factor.
fn with_mfa(call: &Call<'_>, serial_number: Option<&str>, token_code: Option<&str>) -> Result<bool, Error> {
    let (Some(_), Some(code)) = (serial_number, token_code) else { return Ok(false) };
    let has_device = match (&call.caller.identity, &call.caller.session) {
        (Identity::User { account, name, .. }, None) => call.state.user(*account, name).is_some_and(|user| user.mfa),
        _ => false,
    };
    if has_device && code.len() == 6 && code.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(true);
    }
    Err(refused(IamCode::AccessDenied, "MultiFactorAuthentication failed with invalid MFA one time pass code."))
}

/// `AssumeRole`
#[derive(Deserialize, Serialize)]
#[serde(rename_all(deserialize = "PascalCase", serialize = "camelCase"))]
#[expect(missing_docs, reason = "the API's own members")]
pub struct AssumeRole {
    pub role_arn: String,
    pub role_session_name: String,
    pub duration_seconds: Option<u32>,
    pub policy: Option<String>,
    pub policy_arns: Option<Vec<PolicyDescriptor>>,
    pub tags: Option<Vec<Tag>>,
    pub transitive_tag_keys: Option<Vec<String>>,
    pub external_id: Option<String>,
    pub source_identity: Option<String>,
    pub serial_number: Option<String>,
    #[serde(skip_serializing)]
    pub token_code: Option<String>,
}

/// The session that a role was assumed for.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct AssumedRoleUser {
    pub assumed_role_id: String,
    pub arn: String,
}

/// The answer to `AssumeRole`.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct AssumeRoleOutput {
    pub credentials: Credentials,
    pub assumed_role_user: AssumedRoleUser,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_identity: Option<String>,
}

impl Operate for AssumeRole {
    type Output = AssumeRoleOutput;
    const SERVICE: &'static str = SERVICE;
    const NAME: &'static str = "AssumeRole";
    const MUTATES: bool = false;

    fn request_parameters(&self) -> Option<Box<RawValue>> {
        raw_parameters(self)
    }

    fn response_elements(output: &AssumeRoleOutput) -> Option<Box<RawValue>> {
        let AssumedRoleUser { assumed_role_id, arn } = &output.assumed_role_user;
        issued_elements(&output.credentials, "assumedRoleUser", json!({ "assumedRoleId": assumed_role_id, "arn": arn }))
    }

    fn operate(self, call: &mut Call<'_>) -> Result<Outcome<AssumeRoleOutput>, Error> {
        name(&self.role_session_name, "roleSessionName", 2, 64)?;
        if let Some(identity) = &self.source_identity {
            name(identity, "sourceIdentity", 2, 64)?;
        }
        let seconds = between(self.duration_seconds.unwrap_or(ROLE_SESSION_S_DEFAULT), "durationSeconds", SESSION_S_MIN, 43_200)?;
        let policies = session_policies(call, self.policy, self.policy_arns)?;
        let requested = session_tags(self.tags)?;
        for (at, key) in self.transitive_tag_keys.iter().flatten().enumerate() {
            Text::TAG_KEY.check(key, &format!("transitiveTagKeys.{}.member", at + 1))?;
        }
        if let Some(id) = &self.external_id {
            Text::EXTERNAL_ID.check(id, "externalId")?;
        }
        if matches!(call.caller.identity, Identity::Root { .. }) {
            return Err(refused(IamCode::AccessDenied, "Roles may not be assumed by root accounts."));
        }
        let mfa = with_mfa(call, self.serial_number.as_deref(), self.token_code.as_deref())?;
        let role = role_named(call, &self.role_arn)?;
        let inherited = call.caller.session.as_deref();
        let wanted = Wanted {
            session_name: &self.role_session_name,
            external_id: self.external_id.as_deref(),
            source_identity: self.source_identity.as_deref(),
            tags: &requested,
            transitive: self.transitive_tag_keys.as_deref().unwrap_or_default(),
            mfa,
        };
        may_assume(call, &role, &wanted)?;
        if seconds > role.session_s_max {
            return Err(Error::Validation("The requested DurationSeconds exceeds the MaxSessionDuration set for this role.".to_owned()));
        }
        if inherited.is_some_and(|session| session.kind == SessionKind::AssumeRole) && seconds > CHAINED_SESSION_S_MAX {
            let message = "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining";
            return Err(Error::Validation(message.to_owned()));
        }
        let arn = format!("arn:{}:sts::{}:assumed-role/{}/{}", role.arn.partition(), role.account, role.name, self.role_session_name);
        let session_arn: Arn = arn.parse().map_err(|_| Error::Internal("a session ARN that is none"))?;
        let identity = Identity::Role { account: role.account, name: role.name.clone(), id: role.id.clone(), session: session_arn };
        let mut session = Session::new(new_id(call.env, "ASIA", 20)?, identity, SessionKind::AssumeRole, call.now, expiry(call.now, seconds)?);
        session.policies = policies;
        let (tags, transitive_tags) = handed_on(inherited, requested, self.transitive_tag_keys)?;
        session.tags = tags;
        session.transitive_tags = transitive_tags;
        session.facts.mfa_present = Some(mfa);
        session.facts.mfa_age_s = mfa.then_some(0);
        // [A528] Once set, it stays through every chain.
        session.facts.source_identity = inherited.and_then(|session| session.facts.source_identity.clone()).or(self.source_identity);
        let source_identity = session.facts.source_identity.clone();
        let credentials = issue(call.vault.root(), call.env, session)?.into();
        let assumed_role_user = AssumedRoleUser { assumed_role_id: format!("{}:{}", role.id, self.role_session_name), arn };
        Ok(Outcome::unchanged(AssumeRoleOutput { credentials, assumed_role_user, source_identity }))
    }
}

/// The role of this ARN. Nobody learns from the answer whether it is there.
fn role_named(call: &Call<'_>, text: &str) -> Result<std::sync::Arc<Role>, Error> {
    let Ok(arn) = text.parse::<Arn>() else { return Err(Error::Validation(format!("{text} is invalid"))) };
    let role = match (arn.account(), arn.resource_after("role").and_then(|rest| rest.rsplit('/').next())) {
        (Some(account), Some(name)) => call.state.role(account, name).filter(|role| role.arn == arn).cloned(),
        _ => None,
    };
    role.ok_or_else(|| Error::AccessDenied { sentence: not_assumed(call, text) })
}

/// The one answer to whoever may not assume a role, there or not (K267) (T16); why is in the trail's explanation.
fn not_assumed(call: &Call<'_>, role: &str) -> String {
    let caller = call.subject.principal.caller_arn();
    format!("User: {caller} is not authorized to perform: sts:AssumeRole on resource: {role}")
}

/// What a caller wants of a role, as conditions see it.
struct Wanted<'a> {
    session_name: &'a str,
    external_id: Option<&'a str>,
    source_identity: Option<&'a str>,
    tags: &'a Tags,
    transitive: &'a [String],
    mfa: bool,
}

/// The trust policy and the caller's own policies: `sts:AssumeRole`, and with tags `sts:TagSession`, and with a source
/// identity `sts:SetSourceIdentity`.
fn may_assume(call: &mut Call<'_>, role: &Role, wanted: &Wanted<'_>) -> Result<(), Error> {
    let facts = call.facts();
    let role_tags: BTreeMap<String, String> = role.tags.iter().cloned().collect();
    let request_tags: BTreeMap<String, String> = wanted.tags.iter().cloned().collect();
    let resource = Resource::Other { arn: role.arn.as_str(), account: Some(role.account), policy: Some(&role.trust), tags: Some(&role_tags) };
    let state = call.state;
    let target = state.target(resource);
    let mut subject: Subject = call.subject.clone();
    if wanted.mfa {
        subject.facts = SessionFacts { mfa_present: Some(true), mfa_age_s: Some(0), ..subject.facts };
    }
    let mut actions = vec!["sts:AssumeRole"];
    if !wanted.tags.is_empty() {
        actions.push("sts:TagSession");
    }
    if wanted.source_identity.is_some() {
        actions.push("sts:SetSourceIdentity");
    }
    for name in actions {
        let action = Action::parse(name).map_err(|_| Error::Internal("no such permission"))?;
        let mut request = Request::new(action, facts);
        request.request_tags = (!request_tags.is_empty()).then_some(&request_tags);
        request.parameters = vec![
            (KeyName::RoleSessionName, Values::One(wanted.session_name.into())),
            (KeyName::ExternalId, Values::one_or_absent(wanted.external_id)),
            (KeyName::StsSourceIdentity, Values::one_or_absent(wanted.source_identity)),
        ];
        if !wanted.transitive.is_empty() {
            let names = wanted.transitive.iter().map(|name| name.as_str().into()).collect();
            request.parameters.push((KeyName::TransitiveTagKeys, Values::Many(names)));
        }
        match call.authorize_as(&subject, &target, &request) {
            Err(Error::AccessDenied { .. }) if name == "sts:AssumeRole" => {
                let sentence = not_assumed(call, role.arn.as_str());
                call.tell(&sentence);
                return Err(Error::AccessDenied { sentence });
            }
            decided => decided?,
        };
    }
    Ok(())
}

/// The tags of a new session: those asked for, and the transitive ones of the session that asks, which nothing overrides (A203).
fn handed_on(inherited: Option<&Session>, requested: Tags, transitive: Option<Vec<String>>) -> Result<(Tags, Vec<String>), Error> {
    let (mut tags, mut names) = (requested, transitive.unwrap_or_default());
    if names.iter().any(|name| !tags.iter().any(|(tag, _)| tag.eq_ignore_ascii_case(name))) {
        return Err(refused(IamCode::InvalidParameterValue, "The specified transitive tag key must be included in the requested tags."));
    }
    let Some(session) = inherited else { return Ok((tags, names)) };
    for name in &session.transitive_tags {
        if tags.iter().any(|(tag, _)| tag.eq_ignore_ascii_case(name)) {
            let message =
                "One of the specified transitive tag keys can't be set because it conflicts with a transitive tag key from the calling session.";
            return Err(refused(IamCode::InvalidParameterValue, message));
        }
        tags.extend(session.tags.iter().filter(|(tag, _)| tag.eq_ignore_ascii_case(name)).cloned());
        names.push(name.clone());
    }
    Ok((tags, names))
}

/// How long a session of a user or the root user may last (K277).
fn user_session_s(call: &Call<'_>, wanted: Option<u32>) -> Result<u32, Error> {
    match &call.caller.identity {
        Identity::Root { .. } => {
            between(wanted.unwrap_or(ROOT_SESSION_S_MAX).min(ROOT_SESSION_S_MAX), "durationSeconds", SESSION_S_MIN, ROOT_SESSION_S_MAX)
        }
        _ => between(wanted.unwrap_or(USER_SESSION_S_DEFAULT), "durationSeconds", SESSION_S_MIN, USER_SESSION_S_MAX),
    }
}

/// (K277) Only long-term keys ask for these sessions.
fn long_term(call: &Call<'_>, operation: &str) -> Result<(), Error> {
    match call.caller.session {
        Some(_) => Err(refused(IamCode::AccessDenied, &format!("Cannot call {operation} with session credentials"))),
        None => Ok(()),
    }
}

/// `GetSessionToken`
#[derive(Deserialize, Serialize)]
#[serde(rename_all(deserialize = "PascalCase", serialize = "camelCase"))]
#[expect(missing_docs, reason = "the API's own members")]
pub struct GetSessionToken {
    pub duration_seconds: Option<u32>,
    pub serial_number: Option<String>,
    #[serde(skip_serializing)]
    pub token_code: Option<String>,
}

/// The answer to `GetSessionToken`.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct GetSessionTokenOutput {
    pub credentials: Credentials,
}

impl Operate for GetSessionToken {
    type Output = GetSessionTokenOutput;
    const SERVICE: &'static str = SERVICE;
    const NAME: &'static str = "GetSessionToken";
    const MUTATES: bool = false;

    fn request_parameters(&self) -> Option<Box<RawValue>> {
        raw_parameters(self)
    }

    fn response_elements(output: &GetSessionTokenOutput) -> Option<Box<RawValue>> {
        issued_elements(&output.credentials, "", serde_json::Value::Null)
    }

    /// Needs no permission: the session can do no more than its maker.
    fn operate(self, call: &mut Call<'_>) -> Result<Outcome<GetSessionTokenOutput>, Error> {
        long_term(call, "GetSessionToken")?;
        let seconds = user_session_s(call, self.duration_seconds)?;
        let mfa = with_mfa(call, self.serial_number.as_deref(), self.token_code.as_deref())?;
        let id = new_id(call.env, "ASIA", 20)?;
        let identity = call.caller.identity.clone();
        let mut session = Session::new(id, identity, SessionKind::GetSessionToken, call.now, expiry(call.now, seconds)?);
        session.facts.mfa_present = Some(mfa);
        session.facts.mfa_age_s = mfa.then_some(0);
        let credentials = issue(call.vault.root(), call.env, session)?.into();
        Ok(Outcome::unchanged(GetSessionTokenOutput { credentials }))
    }
}

/// `GetFederationToken`
#[derive(Deserialize, Serialize)]
#[serde(rename_all(deserialize = "PascalCase", serialize = "camelCase"))]
#[expect(missing_docs, reason = "the API's own members")]
pub struct GetFederationToken {
    pub name: String,
    pub policy: Option<String>,
    pub policy_arns: Option<Vec<PolicyDescriptor>>,
    pub duration_seconds: Option<u32>,
    pub tags: Option<Vec<Tag>>,
}

/// The session that a federated user got.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct FederatedUser {
    pub federated_user_id: String,
    pub arn: String,
}

/// The answer to `GetFederationToken`.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct GetFederationTokenOutput {
    pub credentials: Credentials,
    pub federated_user: FederatedUser,
}

impl Operate for GetFederationToken {
    type Output = GetFederationTokenOutput;
    const SERVICE: &'static str = SERVICE;
    const NAME: &'static str = "GetFederationToken";
    const MUTATES: bool = false;

    fn request_parameters(&self) -> Option<Box<RawValue>> {
        raw_parameters(self)
    }

    fn response_elements(output: &GetFederationTokenOutput) -> Option<Box<RawValue>> {
        let FederatedUser { federated_user_id, arn } = &output.federated_user;
        issued_elements(&output.credentials, "federatedUser", json!({ "federatedUserId": federated_user_id, "arn": arn }))
    }

    fn operate(self, call: &mut Call<'_>) -> Result<Outcome<GetFederationTokenOutput>, Error> {
        name(&self.name, "name", 2, 32)?;
        long_term(call, "GetFederationToken")?;
        let seconds = user_session_s(call, self.duration_seconds)?;
        let policies = session_policies(call, self.policy, self.policy_arns)?;
        let tags = session_tags(self.tags)?;
        let account = call.account()?;
        let arn = format!("arn:{}:sts::{account}:federated-user/{}", call.state.partition(account), self.name);
        let request_tags: BTreeMap<String, String> = tags.iter().cloned().collect();
        let facts = call.facts();
        for (action, asked) in [("sts:GetFederationToken", true), ("sts:TagSession", !tags.is_empty())] {
            if asked {
                let action = Action::parse(action).map_err(|_| Error::Internal("no such permission"))?;
                let mut request = Request::new(action, facts);
                request.request_tags = (!tags.is_empty()).then_some(&request_tags);
                call.authorize(&Target::new(Resource::Other { arn: &arn, account: Some(account), policy: None, tags: None }), &request)?;
            }
        }
        let user = match &call.caller.identity {
            Identity::User { name, id, .. } => Some((name.clone(), id.clone())),
            _ => None,
        };
        let session_arn: Arn = arn.parse().map_err(|_| Error::Internal("a session ARN that is none"))?;
        let identity = Identity::Federated { account, name: self.name.clone(), user, arn: session_arn };
        let mut session =
            Session::new(new_id(call.env, "ASIA", 20)?, identity, SessionKind::GetFederationToken, call.now, expiry(call.now, seconds)?);
        session.policies = policies;
        session.tags = tags;
        let credentials = issue(call.vault.root(), call.env, session)?.into();
        let federated_user = FederatedUser { federated_user_id: format!("{account}:{}", self.name), arn };
        Ok(Outcome::unchanged(GetFederationTokenOutput { credentials, federated_user }))
    }
}
