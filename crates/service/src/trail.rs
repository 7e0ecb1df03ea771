//! The trail: what is remembered of every call, in CloudTrail's shape (§10).

use jiff::Timestamp;
use keyward_authz::KeyArn;
use keyward_policy::AccountId;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::call::{Origin, raw};
use crate::caller::Identity;
use crate::error::AwsError;
use crate::state::State;

/// Most bytes that a record keeps of a text of the client's choosing, `userAgent` and `errorMessage`; as CloudTrail (T71).
const TEXT_BYTES_MAX: usize = 1024;
/// Most bytes of `requestParameters` and `responseElements`; as CloudTrail.
const ELEMENTS_BYTES_MAX: usize = 100 * 1024;

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
}

/// What a record says of a call that a VPC endpoint's policy stopped: that, to the endpoint's owner, as network activity (A1001).
const STOPPED_CODE: &str = "VpceAccessDenied";
const STOPPED_MESSAGE: &str = "The request was denied due to a VPC endpoint policy";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CloudTrail<'a> {
    event_version: &'static str,
    user_identity: UserIdentity<'a>,
    event_time: String,
    event_source: &'a str,
    event_name: &'a str,
    aws_region: &'a str,
    #[serde(rename = "sourceIPAddress")]
    source_ip_address: &'a str,
    user_agent: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_code: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_message: Option<&'a str>,
    request_parameters: Option<&'a RawValue>,
    response_elements: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    additional_event_data: Option<&'a RawValue>,
    #[serde(rename = "requestID")]
    request_id: &'a str,
    #[serde(rename = "eventID")]
    event_id: &'a str,
    read_only: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    resources: Option<Vec<TrailResource<'a>>>,
    event_type: &'static str,
    management_event: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    recipient_account_id: Option<AccountId>,
    #[serde(rename = "sharedEventID", skip_serializing_if = "Option::is_none")]
    shared_event_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    vpc_endpoint_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    vpc_endpoint_account_id: Option<AccountId>,
    event_category: &'static str,
    /// Something was longer than records keep, and was cut.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    omitted: bool,
}

#[derive(Serialize)]
struct TrailResource<'a> {
    #[serde(rename = "accountId")]
    account_id: AccountId,
    r#type: &'static str,
    #[serde(rename = "ARN")]
    arn: &'a str,
}

#[derive(Serialize, Default)]
#[serde(rename_all = "camelCase")]
struct UserIdentity<'a> {
    r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    principal_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    arn: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    account_id: Option<AccountId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    access_key_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    session_context: Option<SessionContext<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    invoked_by: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SessionContext<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    session_issuer: Option<SessionIssuer<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source_identity: Option<&'a str>,
    attributes: SessionAttributes,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SessionIssuer<'a> {
    r#type: &'static str,
    principal_id: String,
    arn: String,
    account_id: AccountId,
    user_name: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SessionAttributes {
    creation_date: Option<Timestamp>,
    /// CloudTrail writes it as text.
    mfa_authenticated: &'static str,
}

/// The records of one call: the caller's account's, and the owner's where an allowed call crosses accounts (A1008).
pub(crate) fn records(told: &Told<'_>, mut new_id: impl FnMut() -> String) -> Vec<Record> {
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
    recipients
        .into_iter()
        .enumerate()
        .map(|(at, recipient)| told.record(recipient, shared.as_deref(), new_id(), explanation.filter(|_| at == 0)))
        .collect()
}

impl Told<'_> {
    fn record(&self, recipient: Option<AccountId>, shared: Option<&str>, event_id: String, explanation: Option<&String>) -> Record {
        let origin = self.origin;
        let service_address = origin.caller.as_ref().and_then(|caller| caller.session.as_ref()?.via.as_ref()).map(|via| invoked_by(via.service()));
        let identity = self.user_identity(recipient, service_address.clone());
        let principal = identity.arn.clone();
        let address = origin.facts.source_ip.map(|address| address.to_string());
        let mut omitted = false;
        let user_agent = cut(service_address.as_deref().or(origin.facts.user_agent.as_deref()).unwrap_or_default(), &mut omitted);
        let message = if self.stopped_at_endpoint { Some(STOPPED_MESSAGE) } else { self.error.and_then(|error| error.message.as_deref()) };
        let error_message = message.map(|message| cut(message, &mut omitted));
        let left_out = raw(&serde_json::json!({ "omitted": true }));
        let request_parameters = kept(self.request_parameters, left_out.as_deref(), &mut omitted);
        let response_elements = kept(self.response_elements, left_out.as_deref(), &mut omitted);
        let event_source = format!("{}.amazonaws.com", self.service);
        let resources: Vec<_> =
            self.resources.iter().map(|key| TrailResource { account_id: key.account(), r#type: "AWS::KMS::Key", arn: key.as_str() }).collect();
        let record = CloudTrail {
            event_version: "1.11",
            user_identity: identity,
            event_time: self.time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            event_source: &event_source,
            event_name: self.event_name,
            aws_region: origin.facts.region.as_str(),
            // [A1004] A forwarded call shows the service in place of the address.
            source_ip_address: service_address.as_deref().or(address.as_deref()).unwrap_or("AWS Internal"),
            user_agent,
            error_code: self.error_code(),
            error_message,
            request_parameters,
            response_elements,
            additional_event_data: self.additional,
            request_id: &origin.request_id,
            event_id: &event_id,
            read_only: self.read_only,
            resources: (!resources.is_empty()).then_some(resources),
            event_type: if self.stopped_at_endpoint { "AwsVpceEvent" } else { "AwsApiCall" },
            management_event: !self.stopped_at_endpoint,
            recipient_account_id: recipient,
            shared_event_id: shared,
            vpc_endpoint_id: origin.facts.endpoint.as_ref().map(|endpoint| endpoint.id.as_str()),
            vpc_endpoint_account_id: origin.facts.endpoint.as_ref().and_then(|endpoint| endpoint.account),
            event_category: if self.stopped_at_endpoint { "NetworkActivity" } else { "Management" },
            omitted,
        };
        // INVARIANT: every member is text, a number or JSON already, so writing cannot fail; were it to, the record
        // would say so rather than be missing.
        let json = serde_json::to_string(&record).unwrap_or_else(|_| "{\"eventName\":\"Unwritable\"}".to_owned());
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
        }
    }

    fn error_code(&self) -> Option<&'static str> {
        if self.stopped_at_endpoint { Some(STOPPED_CODE) } else { self.error.map(AwsError::trail_code) }
    }

    /// (A1003)
    fn user_identity(&self, recipient: Option<AccountId>, invoked_by: Option<String>) -> UserIdentity<'_> {
        let Some(caller) = &self.origin.caller else { return UserIdentity { r#type: "Unknown", ..UserIdentity::default() } };
        let access_key_id = Some(caller.access_key_id.as_str());
        let session_context = caller.session.as_ref().map(|session| SessionContext {
            session_issuer: self.session_issuer(&caller.identity),
            source_identity: session.facts.source_identity.as_deref(),
            attributes: SessionAttributes {
                creation_date: session.facts.issued_at,
                mfa_authenticated: if session.facts.mfa_present == Some(true) { "true" } else { "false" },
            },
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
            Identity::Service { name } => return UserIdentity { r#type: "AWSService", invoked_by: Some(name.clone()), ..UserIdentity::default() },
        };
        let account = caller.account();
        // The record that goes to the other account names the caller's account and its id, nothing more.
        if recipient != account {
            return UserIdentity {
                r#type: "AWSAccount",
                principal_id: Some(principal_id),
                account_id: account,
                invoked_by,
                ..UserIdentity::default()
            };
        }
        UserIdentity {
            r#type: kind,
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
                r#type: "Role",
                principal_id: id.to_string(),
                arn: self.state.role(*account, name).map(|role| role.arn.to_string()).unwrap_or_default(),
                account_id: *account,
                user_name: name,
            }),
            Identity::Federated { account, user: Some((name, id)), .. } => Some(SessionIssuer {
                r#type: "IAMUser",
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
fn kept<'e>(elements: Option<&'e RawValue>, left_out: Option<&'e RawValue>, omitted: &mut bool) -> Option<&'e RawValue> {
    match elements {
        Some(elements) if elements.get().len() > ELEMENTS_BYTES_MAX => {
            *omitted = true;
            left_out
        }
        elements => elements,
    }
}

/// (A1004) `s3.ap-south-1.amazonaws.com` is `s3.amazonaws.com` in records.
fn invoked_by(via_service: &str) -> String {
    format!("{}.amazonaws.com", via_service.split('.').next().unwrap_or_default())
}
