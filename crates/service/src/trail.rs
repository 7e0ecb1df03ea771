//! The trail: what is remembered of every call, in CloudTrail's shape (§10).

use jiff::Timestamp;
use keyward_authz::{KeyArn, Operation};
use keyward_policy::AccountId;
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::call::{Elsewhere, Origin};
use crate::caller::Identity;
use crate::error::AwsError;
use crate::json_line::{Object, push_object};
use crate::state::State;
use crate::usages::LastUsage;

/// Most bytes that a record keeps of a text of the client's choosing, `userAgent` and `errorMessage`; as CloudTrail (T71).
const TEXT_BYTES_MAX: usize = 1024;
/// Most bytes of `requestParameters` and `responseElements`; as CloudTrail.
const ELEMENTS_BYTES_MAX: usize = 100 * 1024;
/// Who does what KMS does by itself.
const AWS_INTERNAL: &str = "AWS Internal";
/// Who does in another Region what a call to KMS leads to (A1006).
const KMS: &str = "kms.amazonaws.com";
/// Room for the record of a usual call.
const RECORD_BYTES: usize = 1536;

/// One record, ready to be kept.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Record {
    /// The request's id, as the caller saw it.
    pub request_id: String,
    /// When, in milliseconds since the epoch.
    pub time_ms: i64,
    /// `Decrypt`
    pub event_name: String,
    /// The account whose trail it is; none where nobody was authenticated.
    pub account: Option<AccountId>,
    /// The caller's ARN.
    pub principal: Option<String>,
    /// The key's ARN.
    pub key: Option<String>,
    /// The error's code, if it failed (A1009).
    pub error_code: Option<String>,
    /// The record itself: one line of JSON.
    pub json: String,
    /// For refused calls, the explanation as JSON. Never shown to callers.
    pub explanation: Option<String>,
    /// Of which keys it is a use.
    pub used: Option<Used>,
}

/// The keys whose material a call used, in the record of their owner (K107).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Used {
    /// They.
    pub keys: Vec<KeyArn>,
    /// The record's `eventID`.
    pub event_id: String,
}

impl Record {
    /// The keys of which it is a use, and the use.
    pub fn usage(&self) -> Option<(&[KeyArn], LastUsage)> {
        let Used { keys, event_id } = self.used.as_ref()?;
        let Self { request_id, time_ms, event_name, .. } = self;
        let usage = LastUsage { operation: event_name.clone(), time_ms: *time_ms, event_id: event_id.clone(), request_id: request_id.clone() };
        Some((keys, usage))
    }
}

/// What the record of one call is made from.
pub(crate) struct Told<'a> {
    pub(crate) state: &'a State,
    pub(crate) origin: &'a Origin,
    pub(crate) service: &'static str,
    pub(crate) event_name: &'a str,
    pub(crate) read_only: bool,
    pub(crate) time: Timestamp,
    pub(crate) request_parameters: Option<&'a RawValue>,
    pub(crate) response_elements: Option<&'a RawValue>,
    pub(crate) additional: Option<&'a RawValue>,
    pub(crate) resources: &'a [KeyArn],
    pub(crate) error: Option<&'a AwsError>,
    pub(crate) explanation: Option<String>,
    /// The policy of the caller's VPC endpoint stopped it.
    pub(crate) stopped_at_endpoint: bool,
    /// KMS made it for the caller, in another Region than the call.
    pub(crate) by_kms: bool,
}

/// Something that KMS does by itself (A1011).
pub(crate) struct ServiceEvent {
    name: &'static str,
    key: KeyArn,
    details: Vec<(&'static str, String)>,
}

impl ServiceEvent {
    pub(crate) fn new(name: &'static str, key: &KeyArn) -> Self {
        Self { name, key: key.clone(), details: vec![("keyId", key.id().to_string())] }
    }

    pub(crate) fn with(mut self, detail: &'static str, value: impl Into<String>) -> Self {
        self.details.push((detail, value.into()));
        self
    }

    /// Its record, in the trail of the key's owner.
    pub(crate) fn record(&self, time: Timestamp, event_id: Uuid) -> Record {
        let Self { name, key, details } = self;
        let account = key.account();
        let mut json = String::with_capacity(RECORD_BYTES);
        push_object(&mut json, |record| {
            record.text("eventVersion", "1.11");
            record.object("userIdentity", |object| {
                object.text("accountId", account.as_str());
                object.text("invokedBy", AWS_INTERNAL);
            });
            record.plain("eventTime", Timestamp::from_second(time.as_second()).unwrap_or(time));
            record.text("eventSource", KMS);
            record.text("eventName", name);
            record.text("awsRegion", key.region().as_str());
            record.text("sourceIPAddress", AWS_INTERNAL);
            record.text("userAgent", AWS_INTERNAL);
            record.raw("requestParameters", "null");
            record.raw("responseElements", "null");
            record.plain("eventID", event_id);
            record.raw("readOnly", "false");
            record.objects("resources", std::slice::from_ref(key), |key, object| {
                object.text("accountId", account.as_str());
                object.text("type", "AWS::KMS::Key");
                object.text("ARN", key.as_str());
            });
            record.text("eventType", "AwsServiceEvent");
            record.raw("managementEvent", "true");
            record.text("recipientAccountId", account.as_str());
            record.object("serviceEventDetails", |object| details.iter().for_each(|(name, value)| object.text(name, value)));
            record.text("eventCategory", "Management");
        });
        Record {
            // No request led to it; the event's own id finds it.
            request_id: event_id.to_string(),
            time_ms: time.as_millisecond(),
            event_name: (*name).to_owned(),
            account: Some(account),
            principal: None,
            key: Some(key.to_string()),
            error_code: None,
            json,
            explanation: None,
            used: None,
        }
    }
}

/// What a record says of a call that a VPC endpoint's policy stopped: that, to the endpoint's owner, as network activity (A1001).
const STOPPED_CODE: &str = "VpceAccessDenied";
const STOPPED_MESSAGE: &str = "The request was denied due to a VPC endpoint policy";

#[derive(Default)]
struct UserIdentity<'a> {
    kind: &'static str,
    principal_id: Option<String>,
    arn: Option<String>,
    account_id: Option<AccountId>,
    access_key_id: Option<&'a str>,
    user_name: Option<&'a str>,
    session_context: Option<SessionContext<'a>>,
    invoked_by: Option<String>,
}

struct SessionContext<'a> {
    issuer: Option<SessionIssuer<'a>>,
    source_identity: Option<&'a str>,
    created_at: Option<Timestamp>,
    mfa: bool,
}

struct SessionIssuer<'a> {
    kind: &'static str,
    principal_id: String,
    arn: String,
    account_id: AccountId,
    user_name: &'a str,
}

impl UserIdentity<'_> {
    fn write(&self, object: &mut Object<'_>) {
        let Self { kind, principal_id, arn, account_id, access_key_id, user_name, session_context, invoked_by } = self;
        object.text("type", kind);
        object.text_if_any("principalId", principal_id.as_deref());
        object.text_if_any("arn", arn.as_deref());
        object.text_if_any("accountId", account_id.as_ref().map(AccountId::as_str));
        object.text_if_any("accessKeyId", *access_key_id);
        object.text_if_any("userName", *user_name);
        if let Some(session) = session_context {
            object.object("sessionContext", |object| session.write(object));
        }
        object.text_if_any("invokedBy", invoked_by.as_deref());
    }
}

impl SessionContext<'_> {
    fn write(&self, object: &mut Object<'_>) {
        if let Some(SessionIssuer { kind, principal_id, arn, account_id, user_name }) = &self.issuer {
            object.object("sessionIssuer", |object| {
                object.text("type", kind);
                object.text("principalId", principal_id);
                object.text("arn", arn);
                object.text("accountId", account_id.as_str());
                object.text("userName", user_name);
            });
        }
        object.text_if_any("sourceIdentity", self.source_identity);
        object.object("attributes", |object| {
            match self.created_at {
                Some(time) => object.plain("creationDate", time),
                None => object.raw("creationDate", "null"),
            }
            // CloudTrail writes it as text.
            object.plain("mfaAuthenticated", self.mfa);
        });
    }
}

/// The records of one call: the caller's account's, and the owner's where an allowed call crosses accounts (A1008).
pub(crate) fn records(told: &Told<'_>, mut new_id: impl FnMut() -> Uuid) -> Vec<Record> {
    let caller = told.origin.caller.as_ref().and_then(|caller| caller.account());
    let endpoint = told.origin.facts.endpoint.as_ref();
    let mut recipients = vec![endpoint.and_then(|endpoint| endpoint.account).filter(|_| told.stopped_at_endpoint).or(caller)];
    if told.error.is_none() {
        for owner in told.resources.iter().map(|key| Some(key.account())) {
            if !recipients.contains(&owner) {
                recipients.push(owner);
            }
        }
    }
    // A service calls under no account: the owner's trail is the only one.
    if recipients.len() > 1 && caller.is_none() {
        recipients.remove(0);
    }
    let shared = (recipients.len() > 1).then(&mut new_id);
    let explanation = told.explanation.as_ref();
    recipients.into_iter().enumerate().map(|(at, recipient)| told.record(recipient, shared, new_id(), explanation.filter(|_| at == 0))).collect()
}

impl Told<'_> {
    /// The record of what the same call did in another Region.
    pub(crate) fn elsewhere(&self, elsewhere: &Elsewhere, new_id: impl FnMut() -> Uuid) -> Vec<Record> {
        let Elsewhere { region, event_name, request_parameters, response_elements, key } = elsewhere;
        let mut origin = self.origin.clone();
        origin.facts.region = region.clone();
        let told = Told {
            state: self.state,
            origin: &origin,
            service: self.service,
            event_name,
            read_only: self.read_only,
            time: self.time,
            request_parameters: request_parameters.as_deref(),
            response_elements: response_elements.as_deref(),
            additional: None,
            resources: std::slice::from_ref(key),
            error: None,
            explanation: None,
            stopped_at_endpoint: false,
            by_kms: true,
        };
        records(&told, new_id)
    }

    /// (A1002)
    fn record(&self, recipient: Option<AccountId>, shared: Option<Uuid>, event_id: Uuid, explanation: Option<&String>) -> Record {
        let origin = self.origin;
        let forwarded_by = origin.caller.as_ref().and_then(|caller| caller.session.as_ref()?.via.as_ref()).map(|via| invoked_by(via.service()));
        let service_address = if self.by_kms { Some(KMS.to_owned()) } else { forwarded_by };
        let identity = self.user_identity(recipient, service_address.clone());
        let principal = identity.arn.clone();
        let address = origin.facts.source_ip.map(|address| address.to_string());
        let mut omitted = false;
        let user_agent = cut(service_address.as_deref().or(origin.facts.user_agent.as_deref()).unwrap_or_default(), &mut omitted);
        let message = if self.stopped_at_endpoint { Some(STOPPED_MESSAGE) } else { self.error.and_then(|error| error.message.as_deref()) };
        let error_message = message.map(|message| cut(message, &mut omitted));
        let request_parameters = kept(self.request_parameters, &mut omitted);
        let response_elements = kept(self.response_elements, &mut omitted);
        let mut json = String::with_capacity(RECORD_BYTES);
        push_object(&mut json, |record| {
            record.text("eventVersion", "1.11");
            record.object("userIdentity", |object| identity.write(object));
            record.plain("eventTime", Timestamp::from_second(self.time.as_second()).unwrap_or(self.time));
            record.plain("eventSource", format_args!("{}.amazonaws.com", self.service));
            record.text("eventName", self.event_name);
            record.text("awsRegion", origin.facts.region.as_str());
            // [A1004] A forwarded call shows the service in place of the address.
            record.text("sourceIPAddress", service_address.as_deref().or(address.as_deref()).unwrap_or(AWS_INTERNAL));
            record.text("userAgent", user_agent);
            record.text_if_any("errorCode", self.error_code());
            record.text_if_any("errorMessage", error_message);
            record.raw("requestParameters", request_parameters);
            record.raw("responseElements", response_elements);
            if let Some(additional) = self.additional {
                record.raw("additionalEventData", additional.get());
            }
            record.text("requestID", &origin.request_id);
            record.plain("eventID", event_id);
            record.raw("readOnly", if self.read_only { "true" } else { "false" });
            if !self.resources.is_empty() {
                record.objects("resources", self.resources, |key, object| {
                    object.text("accountId", key.account().as_str());
                    object.text("type", "AWS::KMS::Key");
                    object.text("ARN", key.as_str());
                });
            }
            record.text("eventType", if self.stopped_at_endpoint { "AwsVpceEvent" } else { "AwsApiCall" });
            record.raw("managementEvent", if self.stopped_at_endpoint { "false" } else { "true" });
            record.text_if_any("recipientAccountId", recipient.as_ref().map(AccountId::as_str));
            if let Some(shared) = shared {
                record.plain("sharedEventID", shared);
            }
            if let Some(endpoint) = &origin.facts.endpoint {
                record.text("vpcEndpointId", &endpoint.id);
                record.text_if_any("vpcEndpointAccountId", endpoint.account.as_ref().map(AccountId::as_str));
            }
            record.text("eventCategory", if self.stopped_at_endpoint { "NetworkActivity" } else { "Management" });
            if omitted {
                record.raw("omitted", "true");
            }
        });
        Record {
            request_id: origin.request_id.clone(),
            time_ms: self.time.as_millisecond(),
            event_name: self.event_name.to_owned(),
            account: recipient,
            principal,
            key: self.resources.first().map(ToString::to_string),
            error_code: self.error_code().map(str::to_owned),
            json,
            explanation: explanation.cloned(),
            used: recipient.and_then(|owner| self.used(owner, event_id)),
        }
    }

    /// (K107) Only what succeeded, and used material, counts; a key's use is in its owner's record.
    fn used(&self, owner: AccountId, event_id: Uuid) -> Option<Used> {
        let is_use = self.error.is_none() && self.service == "kms" && Operation::named(self.event_name).is_some_and(Operation::is_cryptographic);
        if !is_use {
            return None;
        }
        let keys: Vec<KeyArn> = self.resources.iter().filter(|key| key.account() == owner).cloned().collect();
        (!keys.is_empty()).then(|| Used { keys, event_id: event_id.to_string() })
    }

    fn error_code(&self) -> Option<&'static str> {
        if self.stopped_at_endpoint { Some(STOPPED_CODE) } else { self.error.map(AwsError::trail_code) }
    }

    /// (A1003)
    fn user_identity(&self, recipient: Option<AccountId>, invoked_by: Option<String>) -> UserIdentity<'_> {
        let Some(caller) = &self.origin.caller else { return UserIdentity { kind: "Unknown", ..UserIdentity::default() } };
        let access_key_id = Some(caller.access_key_id.as_str());
        let session_context = caller.session.as_ref().map(|session| SessionContext {
            issuer: self.session_issuer(&caller.identity),
            source_identity: session.facts.source_identity.as_deref(),
            created_at: session.facts.issued_at,
            mfa: session.facts.mfa_present == Some(true),
        });
        let (kind, principal_id, arn, user_name) = match &caller.identity {
            Identity::Root { account } => {
                let arn = format!("arn:{}:iam::{account}:root", self.state.partition(*account));
                ("Root", account.to_string(), arn, None)
            }
            Identity::User { account, name, id } => {
                let arn = self.state.user(*account, name).map(|user| user.arn.to_string());
                ("IAMUser", id.to_string(), arn.unwrap_or_default(), Some(name.as_str()))
            }
            Identity::Role { id, session, .. } => {
                let name = session.resource().rsplit('/').next().unwrap_or_default();
                ("AssumedRole", format!("{id}:{name}"), session.to_string(), None)
            }
            Identity::Federated { account, name, arn, .. } => ("FederatedUser", format!("{account}:{name}"), arn.to_string(), None),
            Identity::Service { name } => return UserIdentity { kind: "AWSService", invoked_by: Some(name.clone()), ..UserIdentity::default() },
        };
        let account = caller.account();
        // The record that goes to the other account names the caller's account and its id, nothing more.
        if recipient != account {
            return UserIdentity { kind: "AWSAccount", principal_id: Some(principal_id), account_id: account, invoked_by, ..UserIdentity::default() };
        }
        UserIdentity {
            kind,
            principal_id: Some(principal_id),
            arn: Some(arn),
            account_id: account,
            access_key_id,
            user_name,
            session_context,
            invoked_by,
        }
    }

    fn session_issuer<'i>(&self, identity: &'i Identity) -> Option<SessionIssuer<'i>> {
        match identity {
            Identity::Role { account, name, id, .. } => Some(SessionIssuer {
                kind: "Role",
                principal_id: id.to_string(),
                arn: self.state.role(*account, name).map(|role| role.arn.to_string()).unwrap_or_default(),
                account_id: *account,
                user_name: name,
            }),
            Identity::Federated { account, user: Some((name, id)), .. } => Some(SessionIssuer {
                kind: "IAMUser",
                principal_id: id.to_string(),
                arn: self.state.user(*account, name).map(|user| user.arn.to_string()).unwrap_or_default(),
                account_id: *account,
                user_name: name,
            }),
            _ => None,
        }
    }
}

/// As much of a text as records keep.
fn cut<'t>(text: &'t str, omitted: &mut bool) -> &'t str {
    let end = (0..=TEXT_BYTES_MAX.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    *omitted |= end < text.len();
    text.get(..end).unwrap_or_default()
}

/// JSON as records keep it: whole, or not at all.
fn kept<'e>(elements: Option<&'e RawValue>, omitted: &mut bool) -> &'e str {
    match elements.map_or("null", RawValue::get) {
        long if long.len() > ELEMENTS_BYTES_MAX => {
            *omitted = true;
            r#"{"omitted":true}"#
        }
        elements => elements,
    }
}

/// (A1004) `s3.ap-south-1.amazonaws.com` is `s3.amazonaws.com` in records.
fn invoked_by(via_service: &str) -> String {
    format!("{}.amazonaws.com", via_service.split('.').next().unwrap_or_default())
}
