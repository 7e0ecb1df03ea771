//! A client that signs: for Keyward's own commands, which speak to a server as every client of AWS does.

use std::collections::BTreeMap;

use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue};
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use serde_json::Value;
use tokio::net::TcpStream;

use crate::sigv4::{Credentials, Payload, SignedParts, sign};

/// Where a server listens, and as whom to call it.
#[derive(Clone)]
pub struct Client {
    /// `127.0.0.1:4599`
    pub authority: String,
    /// Who calls.
    pub credentials: Credentials,
    /// The Region that is called.
    pub region: String,
}

/// What came back.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// `x-amzn-RequestId`
    pub request_id: String,
    /// JSON or XML.
    pub body: String,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody listens there, or the connection broke.
    #[error("no answer from {authority}: {why}")]
    Unreachable {
        /// Where it was tried.
        authority: String,
        /// What the connection says.
        why: String,
    },
    /// What was to be sent is no HTTP.
    #[error("the request cannot be sent: {0}")]
    Unsendable(String),
}

impl Client {
    /// Calls an operation of a JSON service. `target` is the whole `X-Amz-Target`.
    ///
    /// # Errors
    /// When no answer comes; an error in the answer is an [`Answer`].
    pub async fn json(&self, service: &str, target: &str, input: &Value, now: Timestamp) -> Result<Answer, ClientError> {
        let headers = [("x-amz-target", target), (CONTENT_TYPE.as_str(), "application/x-amz-json-1.1")];
        self.post(service, &headers, input.to_string().into_bytes(), now).await
    }

    /// Calls an operation of a query service: `Action`, `Version` and the rest.
    ///
    /// # Errors
    /// As [`json`](Self::json).
    pub async fn query(&self, service: &str, parameters: &[(&str, &str)], now: Timestamp) -> Result<Answer, ClientError> {
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish();
        self.post(service, &[(CONTENT_TYPE.as_str(), "application/x-www-form-urlencoded; charset=utf-8")], body.into_bytes(), now).await
    }

    async fn post(&self, service: &str, headers: &[(&str, &str)], body: Vec<u8>, now: Timestamp) -> Result<Answer, ClientError> {
        let unreachable = |why: String| ClientError::Unreachable { authority: self.authority.clone(), why };
        let unsendable = |why: String| ClientError::Unsendable(why);
        let mut signed = HeaderMap::new();
        signed.insert(HOST, HeaderValue::from_str(&self.authority).map_err(|error| unsendable(error.to_string()))?);
        for (name, value) in headers {
            let name: HeaderName = name.parse().map_err(|_| unsendable(format!("no header is called {name}")))?;
            signed.insert(name, HeaderValue::from_str(value).map_err(|error| unsendable(error.to_string()))?);
        }
        let parts = SignedParts { method: "POST", path: "/", query: "", headers: &signed, payload: Payload::Body(&body) };
        for (name, value) in sign(&parts, &self.credentials, &self.region, service, now) {
            signed.insert(name, HeaderValue::from_str(&value).map_err(|error| unsendable(error.to_string()))?);
        }
        let mut request = Request::post("/").body(Full::new(Bytes::from(body))).map_err(|error| unsendable(error.to_string()))?;
        *request.headers_mut() = signed;
        let stream = TcpStream::connect(&self.authority).await.map_err(|error| unreachable(error.to_string()))?;
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|error| unreachable(error.to_string()))?;
        tokio::spawn(connection);
        let response = sender.send_request(request).await.map_err(|error| unreachable(error.to_string()))?;
        let header = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
        let (status, request_id) = (response.status().as_u16(), header("x-amzn-requestid"));
        let body = response.into_body().collect().await.map_err(|error| unreachable(error.to_string()))?.to_bytes();
        Ok(Answer { status, request_id, body: String::from_utf8_lossy(&body).into_owned() })
    }

    /// A request to another service, signed and not sent: what a service door takes as proof of its caller.
    pub fn proof(&self, service: &str, host: &str, now: Timestamp) -> Value {
        let mut headers = HeaderMap::new();
        if let Ok(host) = HeaderValue::from_str(host) {
            headers.insert(HOST, host);
        }
        headers.insert("x-amz-content-sha256", HeaderValue::from_static("UNSIGNED-PAYLOAD"));
        let parts = SignedParts { method: "GET", path: "/", query: "", headers: &headers, payload: Payload::Declared("UNSIGNED-PAYLOAD") };
        let added = sign(&parts, &self.credentials, &self.region, service, now);
        let own = headers.iter().map(|(name, value)| (name.as_str().to_owned(), value.to_str().unwrap_or_default().to_owned()));
        let all: BTreeMap<String, String> = own.chain(added.into_iter().map(|(name, value)| (name.to_owned(), value))).collect();
        serde_json::json!({"Method": "GET", "Path": "/", "Headers": all})
    }
}

impl Answer {
    /// Whether the call succeeded.
    pub fn is_success(&self) -> bool {
        self.status == 200
    }

    /// A member of a JSON answer; empty if it is not there.
    pub fn member(&self, name: &str) -> String {
        let value = serde_json::from_str::<Value>(&self.body).unwrap_or_default();
        name.split('.').try_fold(&value, |value, part| value.get(part)).map_or_else(String::new, |value| match value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        })
    }

    /// The text of the first element of an XML answer with this name; empty if there is none.
    pub fn element(&self, name: &str) -> String {
        let (open, close) = (format!("<{name}>"), format!("</{name}>"));
        let text = self.body.split_once(&open).and_then(|(_, rest)| rest.split_once(&close)).map_or("", |(text, _)| text);
        text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&amp;", "&")
    }

    /// The code of an error of either protocol; empty for a success.
    pub fn error_code(&self) -> String {
        match self.is_success() {
            true => String::new(),
            false if self.body.starts_with('<') => self.element("Code"),
            false => self.member("__type"),
        }
    }

    /// The text of an error of either protocol.
    pub fn error_message(&self) -> String {
        if self.body.starts_with('<') {
            return self.element("Message");
        }
        let message = self.member("message");
        if message.is_empty() { self.member("Message") } else { message }
    }
}
