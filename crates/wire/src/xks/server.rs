//! A proxy of the protocol in front of our own keys: the listener, signatures, what a body must have (K141–K146).

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes as Body, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Method, Request, Response, StatusCode, header};
use keyward_authz::CallFacts;
use keyward_crypto::{EXTERNAL_AAD_BYTES_MAX, EXTERNAL_METADATA_BYTES_MAX, EXTERNAL_PLAINTEXT_BYTES_MAX, ExternalCiphertext};
use keyward_policy::Region;
use keyward_service::xks::{Admitted, Asked, Decrypt, Encrypt, GetHealthStatus, GetKeyMetadata, SERVICE};
use keyward_service::{AuthenticateError, AwsError, Caller, Error, Health, Host, Operate, Origin, ProxyFailure, RequestMetadata};
use rustls::ServerConfig;
use serde::Serialize;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio_rustls::TlsAcceptor;
use zeroize::Zeroizing;

use super::shapes::{Bytes, DecryptAnswer, EkmFleet, EncryptAnswer, ErrorAnswer, HealthAnswer, MetadataAnswer, Received, ReceivedMetadata};
use crate::server::{BODY_S_MAX, connection, listen};
use crate::signing_keys::SigningKeys;
use crate::sigv4::{AuthError, Payload, SignedParts, presented, verify};

/// Most bytes of a body: the largest plaintext and additional data in base64, with room.
const BODY_BYTES_MAX: usize = 64 * 1024;
/// How long a client may take for its handshake, in seconds (T68).
const HANDSHAKE_S_MAX: u64 = 5;
/// Most characters of an `errorMessage` (K146).
const MESSAGE_CHARS_MAX: usize = 511;
/// Most characters of what a request says of the call behind it, each.
const METADATA_CHARS_MAX: usize = 2048;

/// How a proxy serves.
pub struct Proxy {
    /// What stands before `/kms/xks/v1` in the paths of requests; empty, or `/…`.
    pub prefix: String,
    /// Whom it serves.
    pub admitted: Arc<Admitted>,
    /// Its certificate; none serves without TLS.
    pub tls: Option<Arc<ServerConfig>>,
}

/// Serves until `stop` ends, then lets open calls finish.
pub async fn serve(listener: TcpListener, host: Arc<Host>, proxy: Proxy, stop: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Handle::current();
    host.deliver_by(move |answers| drop(runtime.spawn(async { answers() })));
    let tls = proxy.tls.clone().map(TlsAcceptor::from);
    let front = Arc::new(Front { host, proxy, keys: SigningKeys::default() });
    listen(listener, stop, move |stream, peer, watcher| {
        let (front, tls) = (front.clone(), tls.clone());
        async move {
            let answer = |request| front.answer(peer, request);
            match tls {
                None => connection(stream, watcher, answer).await,
                Some(tls) => match tokio::time::timeout(Duration::from_secs(HANDSHAKE_S_MAX), tls.accept(stream)).await {
                    Ok(Ok(stream)) => connection(stream, watcher, answer).await,
                    _ => tracing::debug!(%peer, "no TLS came about"),
                },
            }
        }
    })
    .await;
}

struct Front {
    host: Arc<Host>,
    proxy: Proxy,
    keys: SigningKeys,
}

/// What a path asks for (K141).
enum Route<'p> {
    Health,
    Metadata(&'p str),
    Encrypt(&'p str),
    Decrypt(&'p str),
}

impl<'p> Route<'p> {
    fn of(path: &'p str, prefix: &str) -> Option<Self> {
        let rest = path.strip_prefix(prefix)?.strip_prefix("/kms/xks/v1/")?;
        let mut segments = rest.split('/');
        match (segments.next()?, segments.next(), segments.next(), segments.next()) {
            ("health", None, ..) => Some(Self::Health),
            ("keys", Some(key), Some(what), None) if is_key(key) => match what {
                "metadata" => Some(Self::Metadata(key)),
                "encrypt" => Some(Self::Encrypt(key)),
                "decrypt" => Some(Self::Decrypt(key)),
                _ => None,
            },
            _ => None,
        }
    }

    /// As records name it.
    fn operation(&self) -> &'static str {
        match self {
            Self::Health => GetHealthStatus::NAME,
            Self::Metadata(_) => GetKeyMetadata::NAME,
            Self::Encrypt(_) => Encrypt::NAME,
            Self::Decrypt(_) => Decrypt::NAME,
        }
    }
}

/// (K141) (T87)
fn is_key(text: &str) -> bool {
    let proper = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    (1..=128).contains(&text.len()) && text.bytes().all(proper) && !matches!(text, "." | "..")
}

/// Status and body.
type Answered = (u16, Vec<u8>);

impl Front {
    async fn answer(&self, peer: SocketAddr, request: Request<Incoming>) -> Response<Full<Body>> {
        let request_id = self.host.new_request_id();
        let (parts, body) = request.into_parts();
        // [K141]
        let (status, body) = if parts.method == Method::POST {
            let collected = tokio::time::timeout(Duration::from_secs(BODY_S_MAX), Limited::new(body, BODY_BYTES_MAX).collect()).await;
            match collected {
                Ok(Ok(body)) => self.call(peer, &parts, &body.to_bytes(), &request_id).await,
                _ => self.refuse(peer, &parts, &request_id, "Unknown", invalid("the body is too long, or took too long")).await,
            }
        } else {
            (405, Vec::new())
        };
        let mut response = Response::new(Full::new(Body::from(body)));
        *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if status == 405 {
            response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("POST"));
        }
        if let Ok(value) = HeaderValue::from_str(&request_id) {
            response.headers_mut().insert(HeaderName::from_static("x-amzn-requestid"), value);
        }
        response
    }

    /// Who signed it, what it asks, what it says: in this order, so that only who has a credential learns anything.
    async fn call(&self, peer: SocketAddr, parts: &Parts, body: &[u8], request_id: &str) -> Answered {
        let route = Route::of(parts.uri.path(), &self.proxy.prefix);
        let operation = route.as_ref().map_or("Unknown", Route::operation);
        let (caller, region) = match self.authenticate(parts, body) {
            Ok(authenticated) => authenticated,
            Err(error) => {
                return self.refuse(peer, parts, request_id, operation, told(ProxyFailure::AuthenticationFailed, &error.to_string())).await;
            }
        };
        let Some(mut origin) = origin(peer, parts, request_id, self.proxy.tls.is_some()) else { return failed() };
        (origin.caller, origin.facts.region) = (Some(caller), region);
        let Some(route) = route else {
            return self.reject(&origin, operation, told(ProxyFailure::InvalidUriPath, "there is nothing at this path")).await;
        };
        match self.read(&route, body) {
            Ok(wanted) => self.act(origin, wanted).await,
            Err(error) => self.reject(&origin, operation, error).await,
        }
    }

    fn authenticate(&self, parts: &Parts, body: &[u8]) -> Result<(Caller, Region), AuthError> {
        let signed = SignedParts {
            method: parts.method.as_str(),
            path: parts.uri.path(),
            query: parts.uri.query().unwrap_or_default(),
            headers: &parts.headers,
            payload: Payload::Body(body),
        };
        let presented = presented(&signed)?.presigned_for_at_most(None)?;
        // [T6] A signature is good for the service for which it was made.
        if presented.credential.scope().service != SERVICE {
            return Err(AuthError::Invalid(format!("Credential should be scoped to correct service: '{SERVICE}'.")));
        }
        let now = self.host.now();
        let prove = |secret: &keyward_service::SecretKey<'_>| verify(&presented, &signed, &*self.keys.get(&presented.credential, secret)?, now);
        let authenticated = self.host.authenticate_proxy_client(presented.credential.access_key_id(), prove);
        authenticated.map_err(|error| match error {
            AuthenticateError::Unknown | AuthenticateError::Expired => AuthError::Unrecognized,
            AuthenticateError::Signature(error) => error,
        })
    }

    /// What a request asks, once its body has what it must have.
    fn read(&self, route: &Route<'_>, body: &[u8]) -> Result<Wanted, AwsError> {
        let received: Received = serde_json::from_slice(body).map_err(|_| invalid("the body is no request of this protocol"))?;
        let Received { request_metadata, additional_authenticated_data, encryption_algorithm, .. } = received;
        let metadata = request_metadata.ok_or_else(|| invalid("requestMetadata is missing"))?;
        let asked = |key: &str, metadata| Asked { key: key.to_owned(), metadata, admitted: self.proxy.admitted.clone() };
        let aad = || match additional_authenticated_data {
            Some(Bytes(aad)) if aad.len() > EXTERNAL_AAD_BYTES_MAX => Err(invalid("additionalAuthenticatedData is longer than 8192 bytes")),
            aad => Ok(aad.unwrap_or_default().0),
        };
        let has_algorithm = match encryption_algorithm.as_deref() {
            Some("AES_GCM") => Ok(()),
            _ => Err(invalid("encryptionAlgorithm must be AES_GCM")),
        };
        match route {
            Route::Health => Ok(Wanted::Health(GetHealthStatus { metadata: known(metadata, &[])? })),
            Route::Metadata(key) => Ok(Wanted::Metadata(GetKeyMetadata(asked(key, known(metadata, &[PRINCIPAL])?)))),
            Route::Encrypt(key) => {
                let asked = asked(key, known(metadata, &[PRINCIPAL, KEY])?);
                has_algorithm?;
                let plaintext = Zeroizing::new(sized("plaintext", received.plaintext, 1..=EXTERNAL_PLAINTEXT_BYTES_MAX)?);
                let with_digest = match received.ciphertext_data_integrity_value_algorithm.as_deref() {
                    None => false,
                    Some("SHA_256") => true,
                    Some(_) => return Err(invalid("ciphertextDataIntegrityValueAlgorithm must be SHA_256")),
                };
                Ok(Wanted::Encrypt(Encrypt { asked, plaintext, aad: aad()? }, with_digest))
            }
            Route::Decrypt(key) => {
                let asked = asked(key, known(metadata, &[PRINCIPAL, KEY])?);
                has_algorithm?;
                if received.initialization_vector.as_ref().is_some_and(|Bytes(iv)| !matches!(iv.len(), 12 | 16)) {
                    return Err(invalid("initializationVector must have 12 or 16 bytes"));
                }
                let ciphertext = ExternalCiphertext {
                    ciphertext: sized("ciphertext", received.ciphertext, 1..=EXTERNAL_PLAINTEXT_BYTES_MAX)?,
                    initialization_vector: sized("initializationVector", received.initialization_vector, 12..=16)?,
                    authentication_tag: sized("authenticationTag", received.authentication_tag, 16..=16)?,
                    metadata: sized("ciphertextMetadata", Some(received.ciphertext_metadata.unwrap_or_default()), 0..=EXTERNAL_METADATA_BYTES_MAX)?,
                };
                Ok(Wanted::Decrypt(Decrypt { asked, ciphertext, aad: aad()? }))
            }
        }
    }

    async fn act(&self, origin: Origin, wanted: Wanted) -> Answered {
        match wanted {
            Wanted::Health(input) => self.perform(origin, input).await.map_or_else(|error| refused(&error), |_| json(&self.health())),
            Wanted::Metadata(input) => {
                let told = self.perform(origin, input).await.map(|metadata| MetadataAnswer {
                    key_spec: metadata.key_spec,
                    key_usage: metadata.key_usage,
                    key_status: metadata.key_status,
                });
                told.map_or_else(|error| refused(&error), |answer| json(&answer))
            }
            Wanted::Encrypt(input, with_digest) => {
                let aad = input.aad.clone();
                let told = self.perform(origin, input).await.map(|made| EncryptAnswer {
                    ciphertext_data_integrity_value: with_digest.then(|| Bytes(made.0.integrity_value(&aad).to_vec())), // [K144]
                    ciphertext: Bytes(made.0.ciphertext),
                    initialization_vector: Bytes(made.0.initialization_vector),
                    authentication_tag: Bytes(made.0.authentication_tag),
                    ciphertext_metadata: Some(Bytes(made.0.metadata)),
                });
                told.map_or_else(|error| refused(&error), |answer| json(&answer))
            }
            Wanted::Decrypt(input) => {
                let told = self.perform(origin, input).await.map(|opened| DecryptAnswer { plaintext: Bytes(opened.0.expose().to_vec()) });
                told.map_or_else(|error| refused(&error), |answer| json(&answer))
            }
        }
    }

    async fn perform<I: Operate>(&self, origin: Origin, input: I) -> Result<I::Output, AwsError> {
        let (sender, receiver) = oneshot::channel();
        self.host.perform(origin, input, move |result| drop(sender.send(result)));
        receiver.await.unwrap_or(Err(Error::Unrecorded)).map_err(|error| error.worded_by(SERVICE))
    }

    /// (K145) Proxy and key manager are one, and one process.
    fn health(&self) -> HealthAnswer {
        let health_status = match self.host.health() {
            Health::Good => "ACTIVE",
            Health::Degraded(_) => "DEGRADED",
            Health::Failed(_) => "UNAVAILABLE",
        };
        let model = concat!("Keyward ", env!("CARGO_PKG_VERSION"));
        HealthAnswer {
            xks_proxy_fleet_size: 1,
            xks_proxy_vendor: "Keyward".to_owned(),
            xks_proxy_model: model.to_owned(),
            ekm_vendor: "Keyward".to_owned(),
            ekm_fleet_details: vec![EkmFleet { id: "keyward".to_owned(), model: model.to_owned(), health_status: health_status.to_owned() }],
        }
    }

    /// A call of nobody.
    async fn refuse(&self, peer: SocketAddr, parts: &Parts, request_id: &str, operation: &str, error: AwsError) -> Answered {
        match origin(peer, parts, request_id, self.proxy.tls.is_some()) {
            Some(origin) => self.reject(&origin, operation, error).await,
            None => failed(),
        }
    }

    /// A call that never became an operation is recorded, then answered (T65).
    async fn reject(&self, origin: &Origin, operation: &str, error: AwsError) -> Answered {
        let (sender, receiver) = oneshot::channel();
        self.host.reject(origin, SERVICE, operation, &error, move |recorded| drop(sender.send(recorded)));
        match receiver.await {
            Ok(Ok(())) => refused(&error),
            _ => failed(),
        }
    }
}

enum Wanted {
    Health(GetHealthStatus),
    Metadata(GetKeyMetadata),
    Encrypt(Encrypt, bool),
    Decrypt(Decrypt),
}

fn origin(peer: SocketAddr, parts: &Parts, request_id: &str, secure_transport: bool) -> Option<Origin> {
    // Whose Region it is, the credential says.
    let mut facts = "us-east-1".parse().map(CallFacts::new).ok()?;
    facts.source_ip = Some(peer.ip());
    facts.secure_transport = secure_transport;
    facts.user_agent = parts.headers.get(header::USER_AGENT).and_then(|agent| agent.to_str().ok()).map(str::to_owned);
    Some(Origin { caller: None, facts, request_id: request_id.to_owned() })
}

/// A member of the metadata that some requests must have.
type Member = (&'static str, fn(&RequestMetadata) -> &Option<String>);
const PRINCIPAL: Member = ("awsPrincipalArn", |metadata| &metadata.aws_principal_arn);
const KEY: Member = ("kmsKeyArn", |metadata| &metadata.kms_key_arn);

/// (K142) What a request says of the call behind it, with what it must say.
fn known(received: ReceivedMetadata, needed: &[Member]) -> Result<RequestMetadata, AwsError> {
    let missing = |name: &str| invalid(&format!("requestMetadata.{name} is missing"));
    let ReceivedMetadata { aws_principal_arn, aws_source_vpc, aws_source_vpce, kms_key_arn, kms_operation, kms_request_id, kms_via_service } =
        received;
    let all = [&aws_principal_arn, &aws_source_vpc, &aws_source_vpce, &kms_key_arn, &kms_operation, &kms_request_id, &kms_via_service];
    if all.into_iter().flatten().any(|text| text.is_empty() || text.chars().count() > METADATA_CHARS_MAX) {
        return Err(invalid("a member of requestMetadata is empty or too long"));
    }
    let metadata = RequestMetadata {
        aws_principal_arn,
        aws_source_vpc,
        aws_source_vpce,
        kms_key_arn,
        kms_operation: kms_operation.ok_or_else(|| missing("kmsOperation"))?,
        kms_request_id: kms_request_id.ok_or_else(|| missing("kmsRequestId"))?,
        kms_via_service,
    };
    match needed.iter().find(|(_, member)| member(&metadata).is_none()) {
        Some((name, _)) => Err(missing(name)),
        None => Ok(metadata),
    }
}

fn sized(name: &str, bytes: Option<Bytes>, lengths: std::ops::RangeInclusive<usize>) -> Result<Vec<u8>, AwsError> {
    let Bytes(bytes) = bytes.ok_or_else(|| invalid(&format!("{name} is missing")))?;
    let (min, max) = (lengths.start(), lengths.end());
    if lengths.contains(&bytes.len()) { Ok(bytes) } else { Err(invalid(&format!("{name} must have {min} to {max} bytes"))) }
}

fn told(failure: ProxyFailure, message: &str) -> AwsError {
    let (code, status) = failure.told().unwrap_or(("InternalException", 500));
    AwsError { status, ..AwsError::new(code, message) }
}

fn invalid(message: &str) -> AwsError {
    told(ProxyFailure::Validation, message)
}

/// (K146) Printable ASCII, and short.
fn refused(error: &AwsError) -> Answered {
    let plain = |message: &String| message.chars().filter(|char| (' '..='~').contains(char)).take(MESSAGE_CHARS_MAX).collect();
    let body = ErrorAnswer { error_name: error.code.to_owned(), error_message: error.message.as_ref().map(plain) };
    (error.status, json(&body).1)
}

fn json(answer: &impl Serialize) -> Answered {
    serde_json::to_vec(answer).map_or_else(|_| failed(), |body| (200, body))
}

fn failed() -> Answered {
    (500, br#"{"errorName":"InternalException"}"#.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn k141_paths_lead_to_one_thing_or_to_nothing() {
        let check = |path: &str, prefix: &str, expected: Option<&str>| {
            assert_eq!(Route::of(path, prefix).map(|route| route.operation()), expected, "{path} under {prefix}");
        };
        check("/kms/xks/v1/health", "", Some("GetHealthStatus"));
        check("/a/b/kms/xks/v1/health", "/a/b", Some("GetHealthStatus"));
        check("/kms/xks/v1/keys/k-1_2.3/metadata", "", Some("GetKeyMetadata"));
        check("/kms/xks/v1/keys/k/encrypt", "", Some("Encrypt"));
        check("/kms/xks/v1/keys/k/decrypt", "", Some("Decrypt"));
        for wrong in [
            "/a/kms/xks/v1/health",
            "/kms/xks/v2/health",
            "/kms/xks/v1/health/",
            "/kms/xks/v1/keys/k",
            "/kms/xks/v1/keys/k/sign",
            "/kms/xks/v1/keys/k/encrypt/",
            "/kms/xks/v1//health",
            // [T87]
            "/kms/xks/v1/keys/../encrypt",
            "/kms/xks/v1/keys//encrypt",
            "/kms/xks/v1/keys/a%2Fb/encrypt",
            "/kms/xks/v1/keys/k/../k/encrypt",
        ] {
            check(wrong, "", None);
        }
        check(&format!("/kms/xks/v1/keys/{}/encrypt", "k".repeat(129)), "", None);
    }

    #[test]
    fn k146_messages_are_short_and_plain() {
        let (status, body) = refused(&told(ProxyFailure::KeyNotFound, &"né\n".repeat(1000)));
        let answer: ErrorAnswer = serde_json::from_slice(&body).unwrap();
        assert_eq!((status, answer.error_name.as_str()), (404, "KeyNotFoundException"));
        assert_eq!(answer.error_message, Some("n".repeat(511)));
    }
}
