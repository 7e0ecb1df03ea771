//! From bytes to an operation and back: protocol, signature, constraints, operation, in the order of K25. Each answer
//! waits for its record.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Method, header};
use keyward_authz::CallFacts;
use keyward_policy::Region;
use keyward_service::{
    AuthenticateError, AwsError, Caller, Error, Health, Host, Identity, Operate, OrganizationsReason, Origin, doors, iam, kms, organizations, sts,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tokio::sync::oneshot;

use crate::model;
use crate::query::Parameters;
use crate::signing_keys::SigningKeys;
use crate::sigv4::{AuthError, PRESIGNED_S_MAX, Payload, Presented, SKEW_S_MAX, Scope, SignedParts, presented, verify};
use crate::validation::{unsupported, violations};
use crate::xml;

const JSON: &str = "application/x-amz-json-1.1";
const XML: &str = "text/xml";
/// Longest operation name that is recorded as it was sent.
const OPERATION_CHARS_MAX: usize = 64;

/// Room for a usual answer.
const ANSWER_BYTES: usize = 1024;

/// Status, and the body as it goes out.
pub(crate) struct Answered {
    pub(crate) status: u16,
    pub(crate) content_type: &'static str,
    pub(crate) body: Vec<u8>,
}

impl Answered {
    pub(crate) fn empty(status: u16) -> Self {
        Self { status, content_type: JSON, body: Vec::new() }
    }

    /// (K14) (K15) (K16)
    pub(crate) fn json_error(error: &AwsError) -> Self {
        Self::json_error_with(error, if error.code == "AccessDeniedException" { "Message" } else { "message" })
    }

    fn json_error_with(error: &AwsError, member: &str) -> Self {
        let mut body = Map::new();
        body.insert("__type".into(), error.code.into());
        if let Some(message) = &error.message {
            body.insert(member.into(), message.as_str().into());
        }
        if let Some(reason) = error.reason {
            body.insert("Reason".into(), reason.into());
        }
        Self { status: error.status, content_type: JSON, body: Value::Object(body).to_string().into_bytes() }
    }
}

/// The services behind the one endpoint.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Service {
    Kms,
    Iam,
    Sts,
    Organizations,
    /// Keyward's own: service doors.
    Keyward,
}

impl Service {
    /// As scopes and records name it.
    fn name(self) -> &'static str {
        match self {
            Self::Kms => "kms",
            Self::Iam => "iam",
            Self::Sts => "sts",
            Self::Organizations => "organizations",
            Self::Keyward => "keyward",
        }
    }

    /// Whether it is in one Region of its partition only.
    fn is_global(self) -> bool {
        matches!(self, Self::Iam | Self::Organizations)
    }

    /// The namespace of its XML; none for JSON services.
    fn namespace(self) -> Option<&'static str> {
        match self {
            Self::Kms | Self::Organizations | Self::Keyward => None,
            Self::Iam => Some("https://iam.amazonaws.com/doc/2010-05-08/"),
            Self::Sts => Some("https://sts.amazonaws.com/doc/2011-06-15/"),
        }
    }

    fn answer(self, operation: &str, request_id: &str, output: &impl Serialize) -> Result<Answered, serde_json::Error> {
        match self.namespace() {
            Some(namespace) => {
                let body = xml::answer(operation, namespace, request_id, output)?.into_bytes();
                Ok(Answered { status: 200, content_type: XML, body })
            }
            None => {
                let mut body = Vec::with_capacity(ANSWER_BYTES);
                serde_json::to_writer(&mut body, output)?;
                // [K10] Operations without output have an empty body.
                Ok(Answered { status: 200, content_type: JSON, body: if body == b"{}" { Vec::new() } else { body } })
            }
        }
    }

    fn failure(self, request_id: &str, error: &AwsError) -> Answered {
        // [K12] To who speaks none of our protocols.
        if (error.code, error.status) == ("UnknownOperationException", 404) {
            return Answered { status: 404, content_type: XML, body: b"<UnknownOperationException/>".to_vec() };
        }
        match self.namespace() {
            Some(namespace) => {
                let body = xml::error(namespace, request_id, error.status, error.code, error.message.as_deref().unwrap_or_default());
                Answered { status: error.status, content_type: XML, body: body.into_bytes() }
            }
            // The model of Organizations spells it so in every error.
            None if self == Self::Organizations => Answered::json_error_with(error, "Message"),
            None => Answered::json_error(error),
        }
    }

    fn worded(self, error: &Error) -> AwsError {
        match self {
            Self::Organizations => error.worded_by(self.name()),
            _ if self.namespace().is_some() => error.for_query_services(),
            _ => AwsError::from(error),
        }
    }

    /// (K29) (K265)
    fn unauthenticated(self, error: &AuthError) -> AwsError {
        let (code, status) = if self.namespace().is_some() { error.query_code() } else { (error.json_code(), 400) };
        AwsError { code, message: Some(error.to_string()), status, reason: None }
    }

    /// What AWS has and this release has not: an operation, or a member of one.
    fn unsupported(self, what: &str) -> AwsError {
        let code = if self.namespace().is_some() { "ValidationError" } else { "UnsupportedOperationException" };
        AwsError::new(code, format!("{what} is not supported by this release of Keyward"))
    }

    /// What is malformed before it is anything else (K13).
    fn malformed(self, message: String) -> AwsError {
        if self.namespace().is_some() { AwsError::new("ValidationError", message) } else { AwsError::bare("SerializationException") }
    }
}

/// What a request asks for, before anybody knows who asks.
struct Asked {
    service: Service,
    operation: String,
    input: Input,
}

enum Input {
    Members(Map<String, Value>),
    Form(Parameters),
}

/// A request of a known protocol on its way.
struct Incoming {
    asked: Asked,
    origin: Origin,
}

/// Answers requests from one host.
pub(crate) struct Dispatcher {
    host: Arc<Host>,
    keys: SigningKeys,
    /// The VPC endpoint whose listener this is.
    endpoint: Option<String>,
}

impl Dispatcher {
    pub(crate) fn new(host: Arc<Host>) -> Self {
        Self { host, keys: SigningKeys::default(), endpoint: None }
    }

    pub(crate) fn of_endpoint(host: Arc<Host>, endpoint: String) -> Self {
        Self { endpoint: Some(endpoint), ..Self::new(host) }
    }

    pub(crate) fn new_request_id(&self) -> String {
        self.host.new_request_id()
    }

    pub(crate) fn health(&self) -> Answered {
        let (status, text, reason) = match self.host.health() {
            Health::Good => (200, "ok", None),
            Health::Degraded(reason) => (503, "degraded", Some(reason)),
            Health::Failed(reason) => (503, "the store has failed", Some(reason)),
        };
        let mut body = Map::new();
        body.insert("status".into(), text.into());
        body.extend(reason.map(|reason| ("reason".into(), reason.into())));
        Answered { status, content_type: "application/json", body: Value::Object(body).to_string().into_bytes() }
    }

    /// Turns away a request whose body was not read. It is recorded as any other (T65), under the name that its header says.
    pub(crate) async fn turn_away(&self, peer: SocketAddr, parts: &Parts, request_id: &str, error: AwsError) -> Answered {
        let Some(origin) = origin(peer, parts, request_id) else { return Answered::empty(500) };
        let target = parts.headers.get("x-amz-target").and_then(|target| target.to_str().ok()).and_then(service_and_operation);
        let (service, operation) = target.unwrap_or((Service::Kms, "Unknown"));
        let answered = self.reject(service, &origin, operation, error).await;
        // [K7] Sizes and times are told by the status alone.
        if answered.status == 400 || answered.status >= 500 { answered } else { Answered::empty(answered.status) }
    }

    /// Runs one request to its end.
    pub(crate) async fn call(&self, peer: SocketAddr, parts: &Parts, body: &[u8], request_id: &str) -> Answered {
        let Some(mut origin) = origin(peer, parts, request_id) else { return Answered::empty(500) };
        let signed = SignedParts {
            method: parts.method.as_str(),
            path: parts.uri.path(),
            query: parts.uri.query().unwrap_or_default(),
            headers: &parts.headers,
            payload: Payload::Body(body),
        };
        let asked = match asked(parts, &signed, body) {
            Ok(asked) => asked,
            Err((service, operation, error)) => return self.reject(service, &origin, &operation, error).await,
        };
        // [K33] Only STS takes presigned requests: one that leaked is a call that anybody can make again.
        let presigned_s_max = (asked.service == Service::Sts).then_some(PRESIGNED_S_MAX);
        let authenticated = presented(&signed).and_then(|presented| {
            let presented = presented.presigned_for_at_most(presigned_s_max)?;
            let caller = self.authenticate(&signed, &presented)?;
            let scope = presented.credential.scope();
            // [K32] [T6] A signature is good for the service for which it was made.
            if scope.service != asked.service.name() {
                return Err(AuthError::Invalid(format!("Credential should be scoped to correct service: '{}'.", asked.service.name())));
            }
            // [K260] IAM and Organizations are in one Region, whichever a client signs for.
            let region = region(&scope)?;
            Ok((caller, if asked.service.is_global() { region.partition().home_region() } else { region }))
        });
        match authenticated {
            Ok((caller, region)) => {
                origin.facts.region = region;
                let entered = self.enter(&mut origin, asked.service);
                admit(&mut origin, caller);
                if let Err(error) = entered {
                    return self.reject(asked.service, &origin, &asked.operation, error).await;
                }
                self.dispatch(Incoming { asked, origin }).await
            }
            Err(error) => self.reject(asked.service, &origin, &asked.operation, asked.service.unauthenticated(&error)).await,
        }
    }

    /// Notes through which VPC endpoint the call comes: the listener's (A330). An endpoint that is gone lets nobody pass.
    fn enter(&self, origin: &mut Origin, service: Service) -> Result<(), AwsError> {
        let Some(id) = &self.endpoint else { return Ok(()) };
        let state = self.host.state();
        let refused = |message| Err(service.worded(&Error::AccessDenied { sentence: message }));
        match state.vpc_endpoint(id) {
            None => refused(format!("The VPC endpoint {id} does not exist.")),
            Some(endpoint) if endpoint.service != service.name() || endpoint.region != origin.facts.region => {
                refused(format!("The VPC endpoint {id} leads to {} in {} only.", endpoint.service, endpoint.region))
            }
            Some(endpoint) => {
                origin.facts.endpoint = Some(state.through(endpoint));
                Ok(())
            }
        }
    }

    /// Finds who signed (T1, T6).
    fn authenticate(&self, parts: &SignedParts<'_>, presented: &Presented<'_>) -> Result<Caller, AuthError> {
        let partition = region(&presented.credential.scope())?.partition();
        let now = self.host.now();
        let prove = |secret: &keyward_service::SecretKey<'_>| {
            let key = self.keys.get(&presented.credential, secret)?;
            verify(presented, parts, &key, now)
        };
        let (id, token) = (presented.credential.access_key_id(), presented.token.as_deref());
        self.host.authenticate(id, token, partition, prove).map_err(|error| match error {
            AuthenticateError::Unknown => AuthError::Unrecognized,
            AuthenticateError::Expired => AuthError::Expired,
            AuthenticateError::Signature(error) => error,
        })
    }

    /// A call that never became an operation is recorded, then answered (T65).
    async fn reject(&self, service: Service, origin: &Origin, operation: &str, error: AwsError) -> Answered {
        let (sender, receiver) = oneshot::channel();
        self.host.reject(origin, service.name(), recordable(operation), &error, move |recorded| {
            let _ = sender.send(recorded);
        });
        match receiver.await {
            Ok(Ok(())) => service.failure(&origin.request_id, &error),
            _ => service.failure(&origin.request_id, &service.worded(&Error::Unrecorded)),
        }
    }

    async fn perform<I: Operate + DeserializeOwned>(&self, incoming: Incoming) -> Answered
    where
        I::Output: Serialize,
    {
        let Incoming { asked: Asked { service, input, .. }, origin } = incoming;
        let left_out = unsupported(I::NAME, |member| match &input {
            Input::Members(members) => members.get(member).is_some_and(|value| !value.is_null()),
            Input::Form(parameters) => parameters.has(member),
        });
        if let Some(member) = left_out {
            return self.reject(service, &origin, I::NAME, service.unsupported(member)).await;
        }
        let input = match input {
            Input::Members(members) => {
                let modelled = if service == Service::Kms { model::Operation::named(I::NAME) } else { None };
                if let Some(message) = modelled.and_then(|operation| violations(operation, &members)) {
                    return self.reject(service, &origin, I::NAME, AwsError::new("ValidationException", message)).await; // [K20]
                }
                serde_json::from_value::<I>(Value::Object(members)).map_err(|_| service.malformed(String::new())) // [K6]
            }
            Input::Form(parameters) => parameters.read::<I>().map_err(|error| service.malformed(error.to_string())),
        };
        match input {
            Ok(input) => self.operate(service, origin, input).await,
            Err(error) => self.reject(service, &origin, I::NAME, error).await,
        }
    }

    async fn operate<I: Operate>(&self, service: Service, origin: Origin, input: I) -> Answered
    where
        I::Output: Serialize,
    {
        let request_id = origin.request_id.clone();
        let (sender, receiver) = oneshot::channel();
        self.host.perform(origin, input, move |result| {
            let _ = sender.send(result);
        });
        let result = receiver.await.unwrap_or(Err(Error::Unrecorded));
        let answered =
            result.and_then(|output| service.answer(I::NAME, &request_id, &output).map_err(|_| Error::Internal("an output does not encode")));
        answered.unwrap_or_else(|error| {
            let error = service.worded(&error);
            // Clients cannot name what the model does not: the answer stands, but it is a bug.
            if service == Service::Kms && model::Operation::named(I::NAME).is_some_and(|operation| !operation.may_answer(error.code)) {
                tracing::error!(operation = I::NAME, code = error.code, "AWS's model does not have this error for the operation");
            }
            service.failure(&request_id, &error)
        })
    }

    /// Members of Organizations have constraints of their own, which its operations check; here they must only read (K280).
    async fn perform_for_organizations<I: Operate + DeserializeOwned>(&self, incoming: Incoming) -> Answered
    where
        I::Output: Serialize,
    {
        let Incoming { asked: Asked { service, input, .. }, origin } = incoming;
        let Input::Members(members) = input else { return Answered::empty(500) };
        match serde_json::from_value::<I>(Value::Object(members)) {
            Ok(input) => self.operate(service, origin, input).await,
            Err(error) => {
                let missing = error.to_string().starts_with("missing field");
                let reason = if missing { OrganizationsReason::InputRequired } else { OrganizationsReason::InvalidPattern };
                self.reject(service, &origin, I::NAME, Error::from(reason).worded_by(service.name())).await
            }
        }
    }

    /// `ForwardAccess`: the request that a caller signed for the door's service is checked as every signature is (A514).
    async fn forward(&self, incoming: Incoming) -> Answered {
        let Incoming { asked: Asked { service, operation, input }, origin } = incoming;
        let Input::Members(members) = input else { return Answered::empty(500) };
        let asked = match serde_json::from_value::<Forwarded>(Value::Object(members)) {
            Ok(asked) => asked,
            Err(error) => return self.reject(service, &origin, &operation, AwsError::new("ValidationException", error.to_string())).await,
        };
        let forwarded = asked.headers().ok_or(AuthError::Incomplete("A header of the caller's request is none.".into()));
        let forwarded = forwarded.and_then(|headers| {
            let declared = headers.get("x-amz-content-sha256").and_then(|hash| hash.to_str().ok()).unwrap_or("UNSIGNED-PAYLOAD").to_owned();
            let payload = Payload::Declared(&declared);
            let (method, path, query) = (asked.request.method.as_str(), asked.request.path.as_str(), asked.request.query.as_str());
            let signed = SignedParts { method, path, query, headers: &headers, payload };
            // Services take presigned requests; shown at a door, they are as good as any other for five minutes [K27].
            let presented = presented(&signed)?.presigned_for_at_most(Some(SKEW_S_MAX))?;
            let scope = presented.credential.scope();
            Ok((self.authenticate(&signed, &presented)?, (scope.service.to_owned(), scope.region.to_owned())))
        });
        match forwarded {
            Ok((caller, signed_for)) => {
                let input = doors::ForwardAccess { caller, signed_for, source_ip: asked.source_ip };
                self.operate(service, origin, input).await
            }
            Err(error) => {
                let message = format!("The caller's request is not authenticated: {error}");
                self.reject(service, &origin, &operation, AwsError::new("ValidationException", message)).await
            }
        }
    }
}

/// The request that a service received from its caller.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Forwarded {
    request: ForwardedRequest,
    source_ip: Option<IpAddr>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ForwardedRequest {
    method: String,
    path: String,
    #[serde(default)]
    query: String,
    headers: std::collections::BTreeMap<String, String>,
}

impl Forwarded {
    fn headers(&self) -> Option<HeaderMap> {
        let mut headers = HeaderMap::new();
        for (name, value) in &self.request.headers {
            headers.append(name.parse::<HeaderName>().ok()?, HeaderValue::from_str(value).ok()?);
        }
        Some(headers)
    }
}

/// Where a request comes from, before anybody knows who asks.
fn origin(peer: SocketAddr, parts: &Parts, request_id: &str) -> Option<Origin> {
    // The Region stands in the scope; until that is read, the answer needs some.
    let mut facts = "us-east-1".parse().map(CallFacts::new).ok()?;
    facts.source_ip = Some(peer.ip());
    facts.secure_transport = false;
    facts.user_agent = parts.headers.get(header::USER_AGENT).and_then(|agent| agent.to_str().ok()).map(str::to_owned);
    Some(Origin { caller: None, facts, request_id: request_id.to_owned() })
}

/// What the target of a JSON call names.
fn service_and_operation(target: &str) -> Option<(Service, &str)> {
    match target.split_once('.')? {
        ("TrentService", operation) => Some((Service::Kms, operation)),
        ("AWSOrganizationsV20161128", operation) => Some((Service::Organizations, operation)), // [K280]
        ("Keyward", operation) => Some((Service::Keyward, operation)),
        _ => None,
    }
}

/// The Region for which a request is signed (K32).
fn region(scope: &Scope) -> Result<Region, AuthError> {
    scope.region.parse().map_err(|_| AuthError::Invalid(format!("Credential should be scoped to a valid region, not '{}'.", scope.region)))
}

/// (A512) What only the server may say comes from the session, never from the request (T18).
fn admit(origin: &mut Origin, caller: Caller) {
    if let Some(session) = &caller.session {
        origin.facts.via = session.via.clone();
        origin.facts.source_arn = session.source_arn.clone();
        origin.facts.source_account = session.source_account;
        if session.via.is_some() || matches!(caller.identity, Identity::Service { .. }) {
            // [A514] [A531] The service's own address is nobody's business. [A332] Nor does it pass anybody's endpoint.
            origin.facts.source_ip = session.source_ip;
            origin.facts.endpoint = None;
        }
    }
    origin.caller = Some(caller);
}

/// Finds protocol and operation, and reads the input (K2) (K12) (K13) (K260).
fn asked(parts: &Parts, signed: &SignedParts<'_>, body: &[u8]) -> Result<Asked, (Service, String, AwsError)> {
    let unknown = |status| AwsError { code: "UnknownOperationException", message: None, status, reason: None };
    if signed.path != "/" {
        return Err((Service::Kms, "Unknown".to_owned(), unknown(404)));
    }
    match (&parts.method, parts.headers.get("x-amz-target")) {
        (&Method::POST, Some(target)) if has_content_type(parts, "application/x-amz-json-1.") => {
            let named = target.to_str().ok().and_then(service_and_operation);
            let (service, operation) = named.ok_or_else(|| (Service::Kms, "Unknown".to_owned(), unknown(400)))?;
            let operation = operation.to_owned();
            match serde_json::from_slice::<Value>(if body.is_empty() { b"{}" } else { body }) {
                // [K25] [K6]
                Ok(Value::Object(members)) if is_well_typed(service, &operation, &members) => {
                    Ok(Asked { service, operation, input: Input::Members(members) })
                }
                _ => Err((service, operation, service.malformed(String::new()))),
            }
        }
        (&Method::POST, None) if has_content_type(parts, "application/x-www-form-urlencoded") => form(signed, body),
        (&Method::GET, None) if !signed.query.is_empty() => form(signed, signed.query.as_bytes()),
        _ => Err((Service::Kms, "Unknown".to_owned(), unknown(404))),
    }
}

/// Whether the members are of the types that AWS's model of the operation gives them; other services read theirs later.
fn is_well_typed(service: Service, operation: &str, members: &Map<String, Value>) -> bool {
    let modelled = if service == Service::Kms { model::Operation::named(operation) } else { None };
    modelled.is_none_or(|operation| operation.is_well_typed(members))
}

/// (K3)
fn has_content_type(parts: &Parts, start: &str) -> bool {
    parts.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).is_some_and(|content_type| content_type.starts_with(start))
}

fn form(signed: &SignedParts<'_>, form: &[u8]) -> Result<Asked, (Service, String, AwsError)> {
    let parameters =
        Parameters::parse(form).map_err(|error| (Service::Sts, "Unknown".to_owned(), AwsError::new("ValidationError", error.to_string())))?;
    // [K260] Told apart by the scope, else by the version.
    let presented = presented(signed).ok();
    let signed_for = presented.as_ref().map(|presented| presented.credential.scope().service);
    let service = match (signed_for, parameters.text("Version")) {
        (Some("iam"), _) | (None, Some("2010-05-08")) => Service::Iam,
        _ => Service::Sts,
    };
    match parameters.text("Action").map(str::to_owned) {
        Some(operation) => Ok(Asked { service, operation, input: Input::Form(parameters) }),
        None => Err((service, "Unknown".to_owned(), AwsError::new("MissingAction", "The request must contain the parameter Action"))),
    }
}

/// An operation's name as the trail keeps it: whoever is not known chooses no length and no alphabet.
fn recordable(operation: &str) -> &str {
    let proper = operation.len() <= OPERATION_CHARS_MAX && operation.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if proper && !operation.is_empty() { operation } else { "Unknown" }
}

impl Dispatcher {
    async fn dispatch(&self, incoming: Incoming) -> Answered {
        match incoming.asked.service {
            Service::Kms => self.kms(incoming).await,
            Service::Iam => self.iam(incoming).await,
            Service::Sts => self.sts(incoming).await,
            Service::Organizations => self.organizations(incoming).await,
            Service::Keyward => match incoming.asked.operation.as_str() {
                "ForwardAccess" => self.forward(incoming).await,
                "ActAsService" => self.perform::<doors::ActAsService>(incoming).await,
                _ => self.unknown(incoming, AwsError::bare("UnknownOperationException")).await,
            },
        }
    }

    async fn unknown(&self, incoming: Incoming, error: AwsError) -> Answered {
        self.reject(incoming.asked.service, &incoming.origin, &incoming.asked.operation, error).await
    }

    /// (K265)
    async fn invalid_action(&self, incoming: Incoming) -> Answered {
        let message = format!("Could not find operation {} for version", recordable(&incoming.asked.operation));
        self.unknown(incoming, AwsError::new("InvalidAction", message)).await
    }
}

macro_rules! serve_kms {
    ($($name:ident;)*) => {
        impl Dispatcher {
            async fn kms(&self, incoming: Incoming) -> Answered {
                match incoming.asked.operation.as_str() {
                    $(stringify!($name) => self.perform::<kms::$name>(incoming).await,)*
                    other if keyward_authz::Operation::named(other).is_some() => {
                        let error = Service::Kms.unsupported(other);
                        self.unknown(incoming, error).await
                    }
                    _ => self.unknown(incoming, AwsError::bare("UnknownOperationException")).await,
                }
            }
        }
    };
}

keyward_service::kms_operations!(serve_kms);

macro_rules! organizations_operations {
    ($($name:ident)*) => {
        impl Dispatcher {
            async fn organizations(&self, incoming: Incoming) -> Answered {
                match incoming.asked.operation.as_str() {
                    $(stringify!($name) => self.perform_for_organizations::<organizations::$name>(incoming).await,)*
                    _ => self.unknown(incoming, AwsError::bare("UnknownOperationException")).await,
                }
            }
        }
    };
}

organizations_operations! {
    AcceptHandshake AttachPolicy CancelHandshake CreateAccount CreateOrganization CreateOrganizationalUnit CreatePolicy DeclineHandshake
    DeleteOrganization DeleteOrganizationalUnit DeletePolicy DescribeAccount DescribeCreateAccountStatus DescribeEffectivePolicy DescribeHandshake
    DescribeOrganization DescribeOrganizationalUnit DescribePolicy DetachPolicy DisablePolicyType EnablePolicyType InviteAccountToOrganization
    LeaveOrganization ListAccounts ListAccountsForParent ListChildren ListCreateAccountStatus ListHandshakesForAccount ListHandshakesForOrganization
    ListOrganizationalUnitsForParent ListParents ListPolicies ListPoliciesForTarget ListRoots ListTagsForResource ListTargetsForPolicy MoveAccount
    RemoveAccountFromOrganization TagResource UntagResource UpdateOrganizationalUnit UpdatePolicy
}

macro_rules! query_operations {
    ($service:ident: $($name:ident)*) => {
        impl Dispatcher {
            async fn $service(&self, incoming: Incoming) -> Answered {
                match incoming.asked.operation.as_str() {
                    $(stringify!($name) => self.perform::<$service::$name>(incoming).await,)*
                    _ => self.invalid_action(incoming).await,
                }
            }
        }
    };
}

query_operations! { sts: AssumeRole DecodeAuthorizationMessage GetCallerIdentity GetFederationToken GetSessionToken }

query_operations! {
    iam:
    AddUserToGroup AttachGroupPolicy AttachRolePolicy AttachUserPolicy CreateAccessKey CreateGroup CreatePolicy CreatePolicyVersion CreateRole
    CreateServiceLinkedRole CreateUser DeleteAccessKey DeleteGroup DeleteGroupPolicy DeleteLoginProfile DeletePolicy DeletePolicyVersion DeleteRole
    DeleteRolePermissionsBoundary DeleteRolePolicy DeleteServiceLinkedRole DeleteUser DeleteUserPermissionsBoundary DeleteUserPolicy
    DetachGroupPolicy DetachRolePolicy DetachUserPolicy GetAccountAuthorizationDetails
    GetContextKeysForCustomPolicy GetContextKeysForPrincipalPolicy GetGroup GetGroupPolicy GetPolicy GetPolicyVersion GetRole
    GetRolePolicy GetServiceLinkedRoleDeletionStatus GetUser GetUserPolicy ListAccessKeys ListAccountAliases ListAttachedGroupPolicies
    ListAttachedRolePolicies ListAttachedUserPolicies ListEntitiesForPolicy ListGroupPolicies ListGroups ListGroupsForUser
    ListInstanceProfilesForRole ListMFADevices ListPolicies ListPolicyVersions ListRolePolicies ListRoleTags ListRoles ListSSHPublicKeys
    ListServiceSpecificCredentials ListSigningCertificates ListUserPolicies ListUserTags ListUsers ListVirtualMFADevices
    PutGroupPolicy PutRolePermissionsBoundary PutRolePolicy PutUserPermissionsBoundary PutUserPolicy RemoveRoleFromInstanceProfile
    RemoveUserFromGroup SetDefaultPolicyVersion SimulateCustomPolicy SimulatePrincipalPolicy
    TagPolicy TagRole TagUser UntagPolicy UntagRole UntagUser UpdateAccessKey UpdateAssumeRolePolicy UpdateRole UpdateRoleDescription UpdateUser
}
