//! The listener: HTTP/1.1, one endpoint, one answer a request.
//!
//! Dispatch → signature → constraints → operation, in the order of K25; each answer waits for its record.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderValue};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use keyward_authz::CallFacts;
use keyward_policy::Region;
use keyward_service::{AuthenticateError, AwsError, Host, Operate, Origin, kms};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::sigv4::{AuthError, SignedParts, SigningKey, presented, verify};
use crate::validation::violations;

/// Largest body (K7).
const BODY_BYTES_MAX: usize = 1024 * 1024;
/// How long a client may take for its headers, in seconds (T68).
const HEADER_S_MAX: u64 = 5;
/// How long a client may take for its body, in seconds (T68).
const BODY_S_MAX: u64 = 10;
/// How long open calls are waited for when the server stops, in seconds.
const STOP_S_MAX: u64 = 10;

const JSON: &str = "application/x-amz-json-1.1";
const TARGET_PREFIX: &str = "TrentService.";

/// Serves until `stop` ends, then lets open calls finish.
///
/// # Errors
/// When the listener fails.
pub async fn serve(listener: TcpListener, host: Arc<Host>, stop: impl Future<Output = ()>) -> std::io::Result<()> {
    let graceful = hyper_util::server::graceful::GracefulShutdown::new();
    let mut stop = std::pin::pin!(stop);
    loop {
        let (stream, peer) = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                // One connection that failed before it was ours is no reason to stop serving the others.
                Err(error) => {
                    tracing::debug!(%error, "a connection was not accepted");
                    continue;
                }
            },
            () = &mut stop => break,
        };
        let _ = stream.set_nodelay(true);
        let host = host.clone();
        let service = service_fn(move |request| {
            let host = host.clone();
            async move { Ok::<_, std::convert::Infallible>(answer(&host, peer, request).await) }
        });
        let connection = hyper::server::conn::http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(Duration::from_secs(HEADER_S_MAX))
            .serve_connection(TokioIo::new(stream), service);
        let connection = graceful.watch(connection);
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection ended early");
            }
        });
    }
    let _ = tokio::time::timeout(Duration::from_secs(STOP_S_MAX), graceful.shutdown()).await;
    Ok(())
}

/// Status, and the body as it goes out.
struct Answered {
    status: u16,
    body: Vec<u8>,
}

impl Answered {
    /// (K14) (K15) (K16)
    fn error(error: &AwsError) -> Self {
        let mut body = Map::new();
        body.insert("__type".into(), error.code.into());
        if let Some(message) = &error.message {
            let member = if error.code == "AccessDeniedException" { "Message" } else { "message" };
            body.insert(member.into(), message.as_str().into());
        }
        Self { status: error.status, body: Value::Object(body).to_string().into_bytes() }
    }
}

async fn answer(host: &Arc<Host>, peer: SocketAddr, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let request_id = keyward_service::new_request_id(host.env());
    let answered = match (request.method(), request.uri().path()) {
        (&Method::GET, "/_keyward/health") => Answered { status: if host.has_failed() { 503 } else { 200 }, body: br#"{"status":"ok"}"#.to_vec() },
        _ => call(host, peer, request, &request_id).await,
    };
    let mut response = Response::new(Full::new(Bytes::from(answered.body)));
    *response.status_mut() = StatusCode::from_u16(answered.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(JSON));
    // [K11]
    headers.insert("cache-control", HeaderValue::from_static("no-cache, no-store, must-revalidate, private"));
    if let Ok(value) = HeaderValue::from_str(&request_id) {
        headers.insert("x-amzn-requestid", value);
    }
    response
}

async fn call(host: &Arc<Host>, peer: SocketAddr, request: Request<Incoming>, request_id: &str) -> Answered {
    let (parts, body) = request.into_parts();
    if parts.headers.contains_key(CONTENT_ENCODING) {
        return Answered::error(&AwsError::bare("SerializationException")); // T71
    }
    let collected = tokio::time::timeout(Duration::from_secs(BODY_S_MAX), Limited::new(body, BODY_BYTES_MAX).collect()).await;
    let body = match collected {
        Ok(Ok(collected)) => collected.to_bytes(),
        Ok(Err(_)) => return Answered { status: 413, body: Vec::new() },
        Err(_) => return Answered { status: 408, body: Vec::new() },
    };
    let target = parts.headers.get("x-amz-target").and_then(|target| target.to_str().ok()).unwrap_or_default().to_owned();
    let Ok(mut facts) = "us-east-1".parse().map(CallFacts::new) else { return Answered { status: 500, body: Vec::new() } };
    facts.source_ip = Some(peer.ip());
    facts.secure_transport = false;
    facts.user_agent = parts.headers.get("user-agent").and_then(|agent| agent.to_str().ok()).map(str::to_owned);
    let mut origin = Origin { caller: None, facts, request_id: request_id.to_owned() };
    let Some(operation) = target.strip_prefix(TARGET_PREFIX).map(str::to_owned).filter(|_| parts.method == Method::POST && parts.uri.path() == "/")
    else {
        return reject(host, &origin, "Unknown", AwsError { code: "UnknownOperationException", message: None, status: 404 }).await; // [K12]
    };
    let members = match serde_json::from_slice::<Value>(if body.is_empty() { b"{}" } else { &body }) {
        Ok(Value::Object(members)) => members,
        _ => return reject(host, &origin, &operation, AwsError::bare("SerializationException")).await, // [K13]
    };
    let signed = SignedParts {
        method: parts.method.as_str(),
        path: parts.uri.path(),
        query: parts.uri.query().unwrap_or_default(),
        headers: &parts.headers,
        body: &body,
    };
    if let Err(error) = authenticate(host, &signed, &mut origin) {
        let error = AwsError::new(error.json_code(), error.to_string());
        return reject(host, &origin, &operation, error).await;
    }
    dispatch(host, origin, &operation, members).await
}

/// Finds who signed, and in which Region (T1, T6).
fn authenticate(host: &Host, parts: &SignedParts<'_>, origin: &mut Origin) -> Result<(), AuthError> {
    let presented = presented(parts)?;
    let wrong_region = |_| AuthError::Invalid(format!("Credential should be scoped to a valid region, not '{}'.", presented.scope.region));
    origin.facts.region = presented.scope.region.parse::<Region>().map_err(wrong_region)?;
    if presented.scope.service != "kms" {
        return Err(AuthError::Invalid("Credential should be scoped to correct service: 'kms'.".into())); // [K32]
    }
    let now = host.now();
    let prove = |secret: &keyward_service::SecretKey<'_>| {
        let secret = secret.expose().map_err(|_| AuthError::Unrecognized)?;
        verify(&presented, parts, &SigningKey::derive(&secret, &presented.scope), now)
    };
    let caller = host.authenticate(&presented.access_key_id, presented.token.as_deref(), prove).map_err(|error| match error {
        AuthenticateError::Unknown => AuthError::Unrecognized,
        AuthenticateError::Expired => AuthError::Expired,
        AuthenticateError::Signature(error) => error,
    })?;
    // [A512] What only the server may say comes from the session, never from the request (T18).
    if let Some(session) = &caller.session {
        origin.facts.via = session.via.clone();
        origin.facts.source_arn = session.source_arn.clone();
        origin.facts.source_account = session.source_account;
    }
    origin.caller = Some(caller);
    Ok(())
}

/// A call that never became an operation is recorded, then answered (T65).
async fn reject(host: &Host, origin: &Origin, operation: &str, error: AwsError) -> Answered {
    let (sender, receiver) = oneshot::channel();
    host.reject(origin, "kms", operation, &error, move |recorded| {
        let _ = sender.send(recorded);
    });
    match receiver.await {
        Ok(Ok(())) => Answered::error(&error),
        _ => Answered::error(&AwsError { code: "KMSInternalException", message: None, status: 500 }),
    }
}

macro_rules! operations {
    ($host:expr, $origin:expr, $operation:expr, $members:expr; $($name:ident($($required:literal),*);)*) => {
        match $operation {
            $(stringify!($name) => perform::<kms::$name>($host, $origin, &[$($required),*], $members).await,)*
            other if keyward_authz::Operation::named(other).is_some() => {
                let message = format!("{other} is not supported by this release of Keyward");
                reject($host, &$origin, other, AwsError::new("UnsupportedOperationException", message)).await
            }
            other => reject($host, &$origin, other, AwsError::bare("UnknownOperationException")).await,
        }
    };
}

/// One line an operation: its name and the members that must be there.
async fn dispatch(host: &Host, origin: Origin, operation: &str, members: Map<String, Value>) -> Answered {
    operations! { host, origin, operation, members;
        CancelKeyDeletion("KeyId");
        CreateAlias("AliasName", "TargetKeyId");
        CreateGrant("KeyId", "Operations");
        CreateKey();
        Decrypt();
        DeleteAlias("AliasName");
        DescribeKey("KeyId");
        DisableKey("KeyId");
        EnableKey("KeyId");
        Encrypt("KeyId", "Plaintext");
        GenerateDataKey("KeyId");
        GenerateDataKeyWithoutPlaintext("KeyId");
        GenerateRandom();
        GetKeyPolicy("KeyId");
        GetKeyRotationStatus("KeyId");
        ListAliases();
        ListGrants("KeyId");
        ListKeyPolicies("KeyId");
        ListKeys();
        ListResourceTags("KeyId");
        ListRetirableGrants("RetiringPrincipal");
        PutKeyPolicy("KeyId", "Policy");
        ReEncrypt("DestinationKeyId");
        RetireGrant();
        RevokeGrant("KeyId", "GrantId");
        ScheduleKeyDeletion("KeyId");
        TagResource("KeyId", "Tags");
        UntagResource("KeyId", "TagKeys");
        UpdateAlias("AliasName", "TargetKeyId");
        UpdateKeyDescription("KeyId", "Description");
    }
}

async fn perform<I: Operate + DeserializeOwned>(host: &Host, origin: Origin, required: &[&str], members: Map<String, Value>) -> Answered
where
    I::Output: Serialize,
{
    if let Some(message) = violations(I::NAME, required, &members) {
        return reject(host, &origin, I::NAME, AwsError::new("ValidationException", message)).await; // [K20]
    }
    let Ok(input) = serde_json::from_value::<I>(Value::Object(members)) else {
        return reject(host, &origin, I::NAME, AwsError::bare("SerializationException")).await; // [K6]
    };
    let (sender, receiver) = oneshot::channel();
    host.perform(origin, input, move |result| {
        let _ = sender.send(result);
    });
    match receiver.await {
        Ok(Ok(output)) => match serde_json::to_vec(&output) {
            // [K10] Operations without output have an empty body.
            Ok(body) => Answered { status: 200, body: if body == b"{}" { Vec::new() } else { body } },
            Err(_) => Answered::error(&AwsError { code: "KMSInternalException", message: None, status: 500 }),
        },
        Ok(Err(error)) => Answered::error(&AwsError::from(&error)),
        Err(_) => Answered::error(&AwsError { code: "KMSInternalException", message: None, status: 500 }),
    }
}
