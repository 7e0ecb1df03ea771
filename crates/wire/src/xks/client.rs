//! Calls external key store proxies, for keys that live behind them (K141).

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::Request;
use hyper::body::Bytes as Body;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{CONTENT_TYPE, HOST, HeaderMap, HeaderValue};
use hyper_util::rt::TokioIo;
use keyward_crypto::ExternalCiphertext;
use keyward_service::{Clock, ExternalKeyMetadata, Outside, OutsideQuestion, ProxyAddress, ProxyFailure, ProxyHealth, ProxyRequest, Reply, Then};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use serde::Serialize;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::shapes::{Asked, Bytes, DecryptAnswer, DecryptRequest, EncryptAnswer, EncryptRequest, ErrorAnswer, HealthAnswer, MetadataAnswer};
use crate::sigv4::{Credentials, Payload, SignedParts, sign};
use crate::tls::TlsError;

/// How long AWS waits for a proxy (K141).
pub const BUDGET: Duration = Duration::from_millis(250);
/// The service's name in signatures (K141).
pub(crate) const SERVICE: &str = "kms-xks-proxy";
/// Most bytes of an answer: the largest ciphertext in base64, with room.
const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// Most connections to one proxy that wait for their next request.
const IDLE_MAX: usize = 32;
/// Most questions of a key usage list, and most fleets (K143) (K145).
const LIST_MAX: usize = 10;

/// The proxies that a server calls.
pub struct Proxies(Arc<Inner>);

/// How proxies are checked; found out when the first one is called, for reading what a platform trusts takes its time.
pub type Tls = Box<dyn Fn() -> Result<Arc<ClientConfig>, TlsError> + Send + Sync>;

/// The same, run once; its failure is told then.
type FindTls = Box<dyn FnOnce() -> Option<Arc<ClientConfig>> + Send + Sync>;

struct Inner {
    tls: LazyLock<Option<Arc<ClientConfig>>, FindTls>,
    clock: Arc<dyn Clock>,
    budget: Duration,
    allow_http: bool,
    idle: Mutex<HashMap<String, Vec<Connection>>>,
}

type Connection = SendRequest<Full<Body>>;

impl Proxies {
    /// `budget` is all the time that a question has, its one retry within it; [`BUDGET`] as AWS. `allow_http` takes `http://` for
    /// loopback addresses, where nobody listens.
    pub fn new(tls: Tls, clock: Arc<dyn Clock>, budget: Duration, allow_http: bool) -> Self {
        let find: FindTls = Box::new(move || match tls() {
            Ok(config) => Some(config),
            Err(error) => {
                tracing::error!(%error, "proxies of external key stores cannot be checked, so none is called over TLS");
                None
            }
        });
        let tls = LazyLock::new(find);
        Self(Arc::new(Inner { tls, clock, budget, allow_http, idle: Mutex::default() }))
    }
}

impl Outside for Proxies {
    fn ask(&self, question: OutsideQuestion, then: Then) {
        // Questions come from calls, and calls from the listener.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return then(Err(ProxyFailure::NoConnection)) };
        let inner = self.0.clone();
        runtime.spawn(async move {
            let answer = tokio::time::timeout(inner.budget, inner.answer(&question)).await;
            then(answer.unwrap_or(Err(ProxyFailure::TooLate)));
        });
    }

    fn takes_endpoint(&self, uri_endpoint: &str) -> bool {
        Endpoint::parse(uri_endpoint).is_some_and(|endpoint| endpoint.is_tls || self.0.allow_http)
    }
}

/// `https://host` or `https://host:port`; `http://` of a loopback address.
struct Endpoint {
    is_tls: bool,
    host: String,
    port: u16,
}

impl Endpoint {
    fn parse(text: &str) -> Option<Self> {
        let (is_tls, rest, default) = match (text.strip_prefix("https://"), text.strip_prefix("http://")) {
            (Some(rest), _) => (true, rest, 443),
            (None, Some(rest)) => (false, rest, 80),
            (None, None) => return None,
        };
        let (host, port) = match rest.split_once(':') {
            Some((host, port)) => (host, port.parse().ok()?),
            None => (rest, default),
        };
        let proper = !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'.' || byte == b'-');
        let is_loopback = host == "localhost" || host.parse::<std::net::Ipv4Addr>().is_ok_and(|address| address.is_loopback());
        (proper && (is_tls || is_loopback)).then(|| Self { is_tls, host: host.to_owned(), port })
    }

    /// As the `Host` header names it.
    fn authority(&self) -> String {
        match (self.is_tls, self.port) {
            (true, 443) | (false, 80) => self.host.clone(),
            (_, port) => format!("{}:{port}", self.host),
        }
    }
}

impl Inner {
    async fn answer(&self, question: &OutsideQuestion) -> Result<Reply, ProxyFailure> {
        let endpoint = Endpoint::parse(&question.proxy.uri_endpoint).filter(|endpoint| endpoint.is_tls || self.allow_http);
        let endpoint = endpoint.ok_or(ProxyFailure::NoConnection)?;
        let (place, body) = written(question).ok_or(ProxyFailure::Malformed)?;
        let path = format!("{}{place}", question.proxy.uri_path);
        match self.once(&endpoint, &question.proxy, &path, &body).await.and_then(|(status, body)| read(&question.request, status, &body)) {
            // [K141] One retry, of what may pass: a connection that was closed while it waited, a proxy that has a bad moment.
            Err(ProxyFailure::NoConnection | ProxyFailure::Internal | ProxyFailure::DependencyTimeout) => {
                let (status, body) = self.once(&endpoint, &question.proxy, &path, &body).await?;
                read(&question.request, status, &body)
            }
            told => told,
        }
    }

    async fn once(&self, endpoint: &Endpoint, proxy: &ProxyAddress, path: &str, body: &[u8]) -> Result<(u16, Body), ProxyFailure> {
        let authority = endpoint.authority();
        let waiting = self.idle.lock().unwrap_or_else(PoisonError::into_inner).get_mut(&proxy.uri_endpoint).and_then(Vec::pop);
        let mut connection = match waiting.filter(Connection::is_ready) {
            Some(connection) => connection,
            None => self.connect(endpoint).await?,
        };
        let request = self.request(&authority, proxy, path, body).ok_or(ProxyFailure::NoConnection)?;
        let response = connection.send_request(request).await.map_err(|_| ProxyFailure::NoConnection)?;
        let status = response.status().as_u16();
        let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await.map_err(|_| ProxyFailure::Malformed)?.to_bytes();
        if connection.ready().await.is_ok() {
            let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
            let idle = idle.entry(proxy.uri_endpoint.clone()).or_default();
            if idle.len() < IDLE_MAX {
                idle.push(connection);
            }
        }
        Ok((status, body))
    }

    fn request(&self, authority: &str, proxy: &ProxyAddress, path: &str, body: &[u8]) -> Option<Request<Full<Body>>> {
        let mut headers = HeaderMap::new();
        headers.insert(HOST, HeaderValue::from_str(authority).ok()?);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let parts = SignedParts { method: "POST", path, query: "", headers: &headers, payload: Payload::Body(body) };
        let credentials =
            Credentials { access_key_id: proxy.access_key_id.clone(), secret_access_key: proxy.secret_access_key.clone(), session_token: None };
        for (name, value) in sign(&parts, &credentials, proxy.region.as_str(), SERVICE, self.clock.now()) {
            headers.insert(name, HeaderValue::from_str(&value).ok()?);
        }
        let mut request = Request::post(path).body(Full::new(Body::copy_from_slice(body))).ok()?;
        *request.headers_mut() = headers;
        Some(request)
    }

    async fn connect(&self, endpoint: &Endpoint) -> Result<Connection, ProxyFailure> {
        let stream = TcpStream::connect((endpoint.host.as_str(), endpoint.port)).await.map_err(|_| ProxyFailure::NoConnection)?;
        let _ = stream.set_nodelay(true);
        if !endpoint.is_tls {
            return speak(stream).await;
        }
        let name = ServerName::try_from(endpoint.host.clone()).map_err(|_| ProxyFailure::NoTls)?;
        let tls = self.tls.clone().ok_or(ProxyFailure::NoTls)?;
        speak(TlsConnector::from(tls).connect(name, stream).await.map_err(|_| ProxyFailure::NoTls)?).await
    }
}

async fn speak(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> Result<Connection, ProxyFailure> {
    let (connection, driver) = handshake(TokioIo::new(stream)).await.map_err(|_| ProxyFailure::NoConnection)?;
    tokio::spawn(driver);
    Ok(connection)
}

/// Where a question goes below the path of the store, and what it says.
fn written(question: &OutsideQuestion) -> Option<(String, Vec<u8>)> {
    let metadata = &question.metadata;
    let of_key = |key: &str, what: &str| format!("/keys/{key}/{what}");
    let json = |body: Result<Vec<u8>, serde_json::Error>| body.ok();
    Some(match &question.request {
        ProxyRequest::Health => ("/health".to_owned(), json(bytes(&Asked { request_metadata: metadata }))?),
        ProxyRequest::Metadata { key } => (of_key(key, "metadata"), json(bytes(&Asked { request_metadata: metadata }))?),
        ProxyRequest::Encrypt { key, plaintext, aad } => {
            let request = EncryptRequest {
                request_metadata: metadata,
                additional_authenticated_data: Bytes(aad.clone()),
                plaintext: Bytes(plaintext.clone()),
                encryption_algorithm: "AES_GCM",
                ciphertext_data_integrity_value_algorithm: "SHA_256",
            };
            (of_key(key, "encrypt"), json(bytes(&request))?)
        }
        ProxyRequest::Decrypt { key, ciphertext, aad } => {
            let ExternalCiphertext { ciphertext, initialization_vector, authentication_tag, metadata: of_ciphertext } = ciphertext.clone();
            let request = DecryptRequest {
                request_metadata: metadata,
                additional_authenticated_data: Bytes(aad.clone()),
                ciphertext: Bytes(ciphertext),
                initialization_vector: Bytes(initialization_vector),
                authentication_tag: Bytes(authentication_tag),
                ciphertext_metadata: (!of_ciphertext.is_empty()).then_some(Bytes(of_ciphertext)),
                encryption_algorithm: "AES_GCM",
            };
            (of_key(key, "decrypt"), json(bytes(&request))?)
        }
    })
}

fn bytes(body: &impl Serialize) -> Result<Vec<u8>, serde_json::Error> {
    serde_json::to_vec(body)
}

/// What an answer says; whatever is not of the protocol is malformed (K143–K146).
fn read(request: &ProxyRequest, status: u16, body: &[u8]) -> Result<Reply, ProxyFailure> {
    let malformed = |_| ProxyFailure::Malformed;
    if status != 200 {
        let error: ErrorAnswer = serde_json::from_slice(body).map_err(malformed)?;
        return Err(ProxyFailure::named(&error.error_name).unwrap_or(ProxyFailure::Malformed));
    }
    match request {
        ProxyRequest::Health => {
            let health: HealthAnswer = serde_json::from_slice(body).map_err(malformed)?;
            let managers: Vec<String> = health.ekm_fleet_details.into_iter().map(|fleet| fleet.health_status).collect();
            let known = |status: &String| matches!(status.as_str(), "ACTIVE" | "DEGRADED" | "UNAVAILABLE");
            let proper = health.xks_proxy_fleet_size > 0 && (1..=LIST_MAX).contains(&managers.len()) && managers.iter().all(known);
            if proper { Ok(Reply::Health(ProxyHealth { managers })) } else { Err(ProxyFailure::Malformed) }
        }
        ProxyRequest::Metadata { .. } => {
            let MetadataAnswer { key_spec, key_usage, key_status } = serde_json::from_slice(body).map_err(malformed)?;
            if key_usage.len() > LIST_MAX || !matches!(key_status.as_str(), "ENABLED" | "DISABLED") {
                return Err(ProxyFailure::Malformed);
            }
            Ok(Reply::Metadata(ExternalKeyMetadata { spec: key_spec, usage: key_usage, status: key_status }))
        }
        ProxyRequest::Encrypt { .. } => {
            let answer: EncryptAnswer = serde_json::from_slice(body).map_err(malformed)?;
            let ciphertext = ExternalCiphertext {
                ciphertext: answer.ciphertext.0,
                initialization_vector: answer.initialization_vector.0,
                authentication_tag: answer.authentication_tag.0,
                metadata: answer.ciphertext_metadata.unwrap_or_default().0,
            };
            Ok(Reply::Encrypted { ciphertext, integrity_value: answer.ciphertext_data_integrity_value.unwrap_or_default().0 })
        }
        ProxyRequest::Decrypt { .. } => {
            let DecryptAnswer { plaintext } = serde_json::from_slice(body).map_err(malformed)?;
            Ok(Reply::Decrypted(plaintext.0))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn k136_endpoints_are_https_and_http_only_of_this_machine() {
        let check = |text: &str, expected: Option<&str>| {
            assert_eq!(Endpoint::parse(text).map(|endpoint| endpoint.authority()).as_deref(), expected, "{text}");
        };
        check("https://xks.example.com", Some("xks.example.com"));
        check("https://xks.example.com:8443", Some("xks.example.com:8443"));
        check("http://127.0.0.1:8080", Some("127.0.0.1:8080"));
        check("http://localhost", Some("localhost"));
        for wrong in [
            "http://xks.example.com",
            "http://127.0.0.1.example.com",
            "ftp://a",
            "https://",
            "https://a/b",
            "https://a@b",
            "https://a:b",
            "xks.example.com",
        ] {
            check(wrong, None);
        }
    }

    #[test]
    fn k146_answers_that_are_not_of_the_protocol_are_malformed() {
        let health = ProxyRequest::Health;
        let fleet = r#"{"id":"1","model":"m","healthStatus":"ACTIVE"}"#;
        let answer = |size: u32, fleets: &str| {
            format!(r#"{{"xksProxyFleetSize":{size},"xksProxyVendor":"v","xksProxyModel":"m","ekmVendor":"e","ekmFleetDetails":[{fleets}]}}"#)
        };
        let check = |request: &ProxyRequest, status: u16, body: &str, expected: Result<Reply, ProxyFailure>| {
            assert_eq!(read(request, status, body.as_bytes()), expected, "{status} {body}");
        };
        check(&health, 200, &answer(1, fleet), Ok(Reply::Health(ProxyHealth { managers: vec!["ACTIVE".into()] })));
        check(&health, 200, &answer(0, fleet), Err(ProxyFailure::Malformed));
        check(&health, 200, &answer(1, ""), Err(ProxyFailure::Malformed));
        check(&health, 200, &answer(1, &[fleet; 11].join(",")), Err(ProxyFailure::Malformed));
        check(&health, 200, &answer(1, &fleet.replace("ACTIVE", "FINE")), Err(ProxyFailure::Malformed));
        check(&health, 200, "{}", Err(ProxyFailure::Malformed));
        check(&health, 200, "<html>", Err(ProxyFailure::Malformed));
        check(&health, 401, r#"{"errorName":"AuthenticationFailedException","errorMessage":"x"}"#, Err(ProxyFailure::AuthenticationFailed));
        check(&health, 400, r#"{"errorName":"Whatever"}"#, Err(ProxyFailure::Malformed));
        check(&health, 502, "Bad Gateway", Err(ProxyFailure::Malformed));
        let metadata = ProxyRequest::Metadata { key: "k".into() };
        check(&metadata, 200, r#"{"keySpec":"AES_256","keyUsage":["ENCRYPT"],"keyStatus":"ON"}"#, Err(ProxyFailure::Malformed));
        let decrypt = ProxyRequest::Decrypt { key: "k".into(), ciphertext: ExternalCiphertext::default(), aad: Vec::new() };
        check(&decrypt, 200, r#"{"plaintext":"AAE="}"#, Ok(Reply::Decrypted(vec![0, 1])));
        check(&decrypt, 200, r#"{"plaintext":"AAE"}"#, Err(ProxyFailure::Malformed));
    }
}
