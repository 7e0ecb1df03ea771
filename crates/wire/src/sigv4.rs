//! Signature Version 4, both halves: checking what arrives and signing what leaves.
//!
//! Everything is checked before the HMAC: one signature place, every `x-amz-*` header signed, the scope's date,
//! Region, service and terminator (T2, T3, T6). <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html>

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt::Write as _;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac;
use data_encoding::HEXLOWER;
use hyper::header::{HeaderMap, HeaderName};
use jiff::{Timestamp, civil};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// How far a request's time may lie from ours, in seconds (K27).
pub const SKEW_S_MAX: i64 = 300;

/// How long a presigned request may say that it lives, in seconds: a week.
const EXPIRES_S_MAX: i64 = 604_800;

/// How long a presigned request lives at STS, in seconds, whatever it says (K33).
pub const PRESIGNED_S_MAX: i64 = 900;

const ALGORITHM: &str = "AWS4-HMAC-SHA256";
const TERMINATOR: &str = "aws4_request";

/// RFC 3986 unreserved characters stay.
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
const UNRESERVED_OR_SLASH: &AsciiSet = &UNRESERVED.remove(b'/');

/// Room for a canonical request of usual size.
const CANONICAL_BYTES: usize = 1024;

/// The parts of a request that are signed.
#[derive(Clone, Copy)]
pub struct SignedParts<'r> {
    /// `POST`
    pub method: &'r str,
    /// The path as it arrived.
    pub path: &'r str,
    /// What follows the question mark.
    pub query: &'r str,
    /// All headers.
    pub headers: &'r HeaderMap,
    /// What is signed of the body.
    pub payload: Payload<'r>,
}

/// The body of a signed request.
#[derive(Clone, Copy)]
pub enum Payload<'r> {
    /// The bytes.
    Body(&'r [u8]),
    /// What `x-amz-content-sha256` says of a body that is elsewhere: its hash in hex, or `UNSIGNED-PAYLOAD`. Only for
    /// requests to other services, whose signature proves who made them and nothing about their content.
    Declared(&'r str),
}

impl Payload<'_> {
    fn hash(&self) -> String {
        match self {
            Self::Body(bytes) => hex_sha256(bytes),
            Self::Declared(hash) => (*hash).to_owned(),
        }
    }
}

/// Why a request is not authenticated, as AWS tells it (K26–K32).
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum AuthError {
    /// No signature at all (K30).
    #[error("Missing Authentication Token")]
    Missing,
    /// A signature that does not read (K31).
    #[error("{0}")]
    Incomplete(String),
    /// Scope, time or signature are wrong (K27) (K28) (K32).
    #[error("{0}")]
    Invalid(String),
    /// The key or the token is not known (K29).
    #[error("The security token included in the request is invalid.")]
    Unrecognized,
    /// The session has ended (K29).
    #[error("The security token included in the request is expired")]
    Expired,
}

impl AuthError {
    /// The code for JSON services.
    pub fn json_code(&self) -> &'static str {
        match self {
            Self::Missing => "MissingAuthenticationTokenException",
            Self::Incomplete(_) => "IncompleteSignatureException",
            Self::Invalid(_) => "InvalidSignatureException",
            Self::Unrecognized => "UnrecognizedClientException",
            Self::Expired => "ExpiredTokenException",
        }
    }

    /// Code and status for query services (K265).
    pub fn query_code(&self) -> (&'static str, u16) {
        match self {
            Self::Missing => ("MissingAuthenticationToken", 403),
            Self::Incomplete(_) => ("IncompleteSignature", 400),
            Self::Invalid(_) => ("SignatureDoesNotMatch", 403),
            Self::Unrecognized => ("InvalidClientTokenId", 403),
            Self::Expired => ("ExpiredToken", 403),
        }
    }
}

/// Access key id and scope as one text: `AKIA…/20261123/us-east-1/kms/aws4_request`.
#[derive(Clone, Debug)]
pub struct Credential<'r> {
    text: Cow<'r, str>,
    /// Where its four slashes are.
    slashes: [usize; 4],
}

impl<'r> Credential<'r> {
    fn new(access_key_id: &str, Scope { date, region, service }: Scope<'_>) -> Self {
        let text = [access_key_id, date, region, service, TERMINATOR].join("/");
        let mut end = access_key_id.len();
        let mut slash_behind = |element: &str| {
            end += 1 + element.len();
            end
        };
        Self { text: text.into(), slashes: [access_key_id.len(), slash_behind(date), slash_behind(region), slash_behind(service)] }
    }

    fn parse(text: Cow<'r, str>) -> Result<Self, AuthError> {
        let mut found = text.bytes().enumerate().filter(|(_, byte)| *byte == b'/').map(|(at, _)| at);
        let (Some(first), Some(second), Some(third), Some(fourth), None) = (found.next(), found.next(), found.next(), found.next(), found.next())
        else {
            return Err(AuthError::Incomplete(
                "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term.".into(),
            ));
        };
        let terminator = text.get(fourth + 1..).unwrap_or_default();
        if terminator != TERMINATOR {
            let message = format!("Credential should be scoped with a valid terminator: '{TERMINATOR}', not '{}'.", shown(terminator));
            return Err(AuthError::Invalid(message));
        }
        Ok(Self { text, slashes: [first, second, third, fourth] })
    }

    /// All of it, as presented.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// `AKIA…` or `ASIA…`
    pub fn access_key_id(&self) -> &str {
        self.text.get(..self.slashes[0]).unwrap_or_default()
    }

    /// What follows the access key id.
    pub fn scope(&self) -> Scope<'_> {
        let [first, second, third, fourth] = self.slashes;
        let between = |from: usize, to: usize| self.text.get(from + 1..to).unwrap_or_default();
        Scope { date: between(first, second), region: between(second, third), service: between(third, fourth) }
    }

    fn scope_text(&self) -> &str {
        self.text.get(self.slashes[0] + 1..).unwrap_or_default()
    }
}

/// The credential scope: `20261123/us-east-1/kms/aws4_request`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Scope<'c> {
    /// `20261123`
    pub date: &'c str,
    /// `us-east-1`
    pub region: &'c str,
    /// `kms`
    pub service: &'c str,
}

/// A signature as presented: well-formed, not yet checked.
#[derive(Clone, Debug)]
pub struct Presented<'r> {
    /// Whose signature, and what it is good for.
    pub credential: Credential<'r>,
    /// The session token.
    pub token: Option<Cow<'r, str>>,
    /// In lower case, sorted, each once.
    signed_headers: Vec<Cow<'r, str>>,
    signature: Cow<'r, str>,
    time_text: Cow<'r, str>,
    time: Timestamp,
    /// Seconds that a presigned request lives.
    presigned_for_s: Option<i64>,
}

impl Presented<'_> {
    /// The same, good for at most so many seconds if its signature stands in the query string; none takes no such signature at all.
    ///
    /// # Errors
    /// [`AuthError::Missing`] for a signature in a place where none is looked for.
    pub fn presigned_for_at_most(self, seconds: Option<i64>) -> Result<Self, AuthError> {
        match (self.presigned_for_s, seconds) {
            (None, _) => Ok(self),
            (Some(_), None) => Err(AuthError::Missing),
            (Some(asked), Some(most)) => Ok(Self { presigned_for_s: Some(asked.min(most)), ..self }),
        }
    }
}

/// Reads the signature that a request presents.
///
/// # Errors
/// [`AuthError`] for every fault that shows before the secret is known.
pub fn presented<'r>(parts: &SignedParts<'r>) -> Result<Presented<'r>, AuthError> {
    let in_query = query_pairs(parts.query).any(|(name, _)| name == "X-Amz-Algorithm" || name == "X-Amz-Signature");
    let in_header = parts.headers.contains_key("authorization");
    let presented = match (in_header, in_query) {
        (false, false) => return Err(AuthError::Missing),
        (true, true) => return Err(AuthError::Incomplete("A request carries one signature, in its header or in its query string.".into())),
        (true, false) => from_header(parts)?,
        (false, true) => from_query(parts)?,
    };
    let (date, day) = (presented.credential.scope().date, presented.time_text.get(..8).unwrap_or_default());
    if date != day {
        let message = format!(
            "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '{date}' != '{day}', from '{}'.",
            presented.time_text
        );
        return Err(AuthError::Invalid(message));
    }
    covers_what_counts(parts, &presented)?;
    body_is_signed(parts)?;
    Ok(presented)
}

/// One value of a header that is read here; two are one too many (T3).
fn single<'r>(headers: &'r HeaderMap, name: &str) -> Result<Option<&'r str>, AuthError> {
    let mut values = headers.get_all(name).iter();
    let (first, second) = (values.next(), values.next());
    if second.is_some() {
        return Err(AuthError::Incomplete(format!("The header '{name}' stands in the request more than once.")));
    }
    first.map(|value| value.to_str().map_err(|_| AuthError::Incomplete(format!("The header '{name}' is not plain text.")))).transpose()
}

fn from_header<'r>(parts: &SignedParts<'r>) -> Result<Presented<'r>, AuthError> {
    let header = single(parts.headers, "authorization")?.ok_or(AuthError::Missing)?;
    let Some(rest) = header.strip_prefix(ALGORITHM).filter(|rest| rest.starts_with(' ')) else {
        return Err(AuthError::Incomplete(format!("Unsupported AWS 'algorithm': '{}'.", header.split(' ').next().unwrap_or_default())));
    };
    let (mut credential, mut signed, mut signature) = (None, None, None);
    for chunk in rest.split(',').map(str::trim).filter(|chunk| !chunk.is_empty()) {
        let Some((name, value)) = chunk.split_once('=') else {
            let message = format!("'{}' not a valid key=value pair (missing equal-sign) in Authorization header.", shown(chunk));
            return Err(AuthError::Incomplete(message));
        };
        let slot = match name {
            "Credential" => &mut credential,
            "SignedHeaders" => &mut signed,
            "Signature" => &mut signature,
            _ => continue,
        };
        if slot.replace(value).is_some() {
            return Err(AuthError::Incomplete(format!("The Authorization header has '{name}' more than once.")));
        }
    }
    let time_text = match single(parts.headers, "x-amz-date")? {
        Some(date) => Some(Cow::Borrowed(date)),
        None => single(parts.headers, "date")?.and_then(http_date).map(Cow::Owned),
    };
    match (credential, signed, signature, time_text) {
        (Some(credential), Some(signed), Some(signature), Some(time_text)) => Ok(Presented {
            credential: Credential::parse(credential.into())?,
            token: single(parts.headers, "x-amz-security-token")?.map(Cow::Borrowed),
            signed_headers: signed_headers(signed.split(';').map(Cow::Borrowed))?,
            signature: signature.into(),
            time: amz_time(&time_text)?,
            time_text,
            presigned_for_s: None,
        }),
        (credential, signed, signature, time) => {
            // [K31] The sentences that apply, in AWS's order; the header itself is not echoed.
            let mut message = String::new();
            for (missing, what) in [(credential.is_none(), "Credential"), (signature.is_none(), "Signature"), (signed.is_none(), "SignedHeaders")] {
                if missing {
                    let _ = write!(message, "Authorization header requires '{what}' parameter. ");
                }
            }
            if time.is_none() {
                message.push_str("Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header. ");
            }
            Err(AuthError::Incomplete(message.trim_end().to_owned()))
        }
    }
}

fn from_query<'r>(parts: &SignedParts<'r>) -> Result<Presented<'r>, AuthError> {
    let get = |wanted: &str| -> Result<Option<String>, AuthError> {
        let mut values = query_pairs(parts.query).filter(|(name, _)| name == wanted);
        let (first, second) = (values.next(), values.next());
        if second.is_some() {
            return Err(AuthError::Incomplete(format!("The query parameter '{wanted}' stands in the request more than once.")));
        }
        Ok(first.map(|(_, value)| value))
    };
    let require = |wanted: &str| get(wanted)?.ok_or_else(|| AuthError::Incomplete(format!("AWS query-string parameters must include '{wanted}'.")));
    if require("X-Amz-Algorithm")? != ALGORITHM {
        return Err(AuthError::Incomplete("Unsupported AWS 'algorithm'.".into()));
    }
    let credential = Credential::parse(require("X-Amz-Credential")?.into())?;
    let time_text = require("X-Amz-Date")?;
    let expires = require("X-Amz-Expires")?.parse().ok().filter(|seconds| (1..=EXPIRES_S_MAX).contains(seconds));
    Ok(Presented {
        credential,
        token: get("X-Amz-Security-Token")?.map(Cow::Owned),
        signed_headers: signed_headers(require("X-Amz-SignedHeaders")?.split(';').map(|name| name.to_owned().into()))?,
        signature: require("X-Amz-Signature")?.into(),
        time: amz_time(&time_text)?,
        time_text: time_text.into(),
        presigned_for_s: Some(expires.ok_or_else(|| AuthError::Incomplete("X-Amz-Expires must be between 1 and 604800 seconds".into()))?),
    })
}

/// A caller's text in a message: short, and without what could be a signature.
fn shown(text: &str) -> String {
    text.chars().filter(|c| c.is_ascii_graphic() || *c == ' ').take(40).collect()
}

/// Lower case, sorted, each once (T3).
fn signed_headers<'r>(names: impl Iterator<Item = Cow<'r, str>>) -> Result<Vec<Cow<'r, str>>, AuthError> {
    let names: Vec<_> = names.collect();
    let proper = |name: &Cow<'_, str>| !name.is_empty() && !name.bytes().any(|byte| byte.is_ascii_uppercase());
    if names.iter().all(proper) && names.is_sorted_by(|a, b| a < b) {
        Ok(names)
    } else {
        Err(AuthError::Incomplete("SignedHeaders must be lower-case, sorted and without repetition.".into()))
    }
}

/// `host` and every `x-amz-*` header that arrives must be signed (T2, K26), and no signed header may come twice or be missing (T3).
fn covers_what_counts(parts: &SignedParts<'_>, presented: &Presented<'_>) -> Result<(), AuthError> {
    let unsigned = std::iter::once("host")
        .chain(parts.headers.keys().map(|name| name.as_str()).filter(|name| name.starts_with("x-amz-")))
        .find(|name| !presented.signed_headers.iter().any(|signed| signed == name));
    if let Some(name) = unsigned {
        return Err(AuthError::Invalid(format!("'{name}' must be a 'SignedHeader' in the AWS Authorization.")));
    }
    for name in &presented.signed_headers {
        if single(parts.headers, name)?.is_none() {
            return Err(AuthError::Invalid(format!("The signed header '{}' is not in the request.", shown(name))));
        }
    }
    Ok(())
}

/// The bytes that are hashed are the bytes that are parsed; a declared hash must be theirs (T9).
fn body_is_signed(parts: &SignedParts<'_>) -> Result<(), AuthError> {
    match single(parts.headers, "x-amz-content-sha256")? {
        None => Ok(()),
        Some(declared) if declared == parts.payload.hash() => Ok(()),
        Some(_) => Err(AuthError::Invalid("The provided 'x-amz-content-sha256' header does not match what was computed.".into())),
    }
}

/// A key good for one day, Region and service; what may be cached. The library wipes it when dropped.
#[derive(Clone)]
pub struct SigningKey(hmac::Key);

impl SigningKey {
    /// Derives it from a secret access key.
    pub fn derive(secret: &str, scope: Scope<'_>) -> Self {
        let start = Zeroizing::new(format!("AWS4{secret}"));
        let mut key = hmac::Key::new(hmac::HMAC_SHA256, start.as_bytes());
        for text in [scope.date, scope.region, scope.service, TERMINATOR] {
            let mut next = Zeroizing::new([0; 32]);
            next.copy_from_slice(hmac::sign(&key, text.as_bytes()).as_ref());
            key = hmac::Key::new(hmac::HMAC_SHA256, &*next);
        }
        Self(key)
    }

    fn sign(&self, text: &str) -> String {
        HEXLOWER.encode(hmac::sign(&self.0, text.as_bytes()).as_ref())
    }
}

/// Checks a presented signature with the caller's key.
///
/// # Errors
/// [`AuthError::Invalid`], for time or signature.
pub fn verify(presented: &Presented<'_>, parts: &SignedParts<'_>, key: &SigningKey, now: Timestamp) -> Result<(), AuthError> {
    let expected = key.sign(&string_to_sign(presented, parts));
    // The signature first: who cannot sign learns nothing about our clock.
    if !bool::from(expected.as_bytes().ct_eq(presented.signature.as_bytes())) {
        return Err(AuthError::Invalid(
            "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. \
             Consult the service documentation for details."
                .into(),
        ));
    }
    in_time(presented, now)
}

/// (K27)
fn in_time(presented: &Presented<'_>, now: Timestamp) -> Result<(), AuthError> {
    let age_s = now.as_second() - presented.time.as_second();
    let late_after_s = presented.presigned_for_s.unwrap_or(SKEW_S_MAX);
    let then = &presented.time_text;
    let shifted = |seconds: i64| amz_text(now.saturating_add(jiff::SignedDuration::from_secs(seconds)).unwrap_or(now));
    if age_s > late_after_s {
        let (limit, server) = (shifted(-late_after_s), amz_text(now));
        return Err(AuthError::Invalid(format!("Signature expired: {then} is now earlier than {limit} ({server} - {} min.)", late_after_s / 60)));
    }
    if age_s < -SKEW_S_MAX {
        let (limit, server) = (shifted(SKEW_S_MAX), amz_text(now));
        return Err(AuthError::Invalid(format!("Signature not yet current: {then} is still later than {limit} ({server} + 5 min.)")));
    }
    Ok(())
}

fn string_to_sign(presented: &Presented<'_>, parts: &SignedParts<'_>) -> String {
    let canonical = hex_sha256(canonical_request(presented, parts).as_bytes());
    [ALGORITHM, &presented.time_text, presented.credential.scope_text(), &canonical].join("\n")
}

fn canonical_request(presented: &Presented<'_>, parts: &SignedParts<'_>) -> String {
    let mut canonical = String::with_capacity(CANONICAL_BYTES);
    let path = if parts.path.is_empty() { "/" } else { parts.path };
    // S3 alone signs the path as it is sent.
    let path = if presented.credential.scope().service == "s3" { Cow::Borrowed(path) } else { canonical_path(path) };
    let query = canonical_query(parts.query, presented.presigned_for_s.is_some());
    for line in [parts.method, &path, &query] {
        canonical.push_str(line);
        canonical.push('\n');
    }
    for name in &presented.signed_headers {
        canonical.push_str(name);
        canonical.push(':');
        for (at, value) in parts.headers.get_all(&**name).iter().enumerate() {
            if at > 0 {
                canonical.push(',');
            }
            push_one_line(&mut canonical, value.as_bytes());
        }
        canonical.push('\n');
    }
    for line in [&presented.signed_headers.join(";"), &parts.payload.hash()] {
        canonical.push('\n');
        canonical.push_str(line);
    }
    canonical
}

/// Encoded once more, segment by segment, as every service but S3 does.
fn canonical_path(path: &str) -> Cow<'_, str> {
    utf8_percent_encode(path, UNRESERVED_OR_SLASH).into()
}

/// Decoded, encoded the one way, sorted; without the signature itself.
fn canonical_query(query: &str, presigned: bool) -> String {
    let encode = |text: &str| utf8_percent_encode(text, UNRESERVED).to_string();
    let mut pairs: Vec<(String, String)> = query_pairs(query)
        .filter(|(name, _)| !(presigned && name == "X-Amz-Signature"))
        .map(|(name, value)| (encode(&name), encode(&value)))
        .collect();
    pairs.sort();
    pairs.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&")
}

fn query_pairs(query: &str) -> impl Iterator<Item = (String, String)> {
    let decode = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    query.split('&').filter(|pair| !pair.is_empty()).map(move |pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decode(name), decode(value))
    })
}

/// Outer white space off, runs of inner white space to one space.
fn push_one_line(canonical: &mut String, value: &[u8]) {
    for (at, word) in String::from_utf8_lossy(value).split_ascii_whitespace().enumerate() {
        if at > 0 {
            canonical.push(' ');
        }
        canonical.push_str(word);
    }
}

fn hex_sha256(bytes: &[u8]) -> String {
    HEXLOWER.encode(digest(&SHA256, bytes).as_ref())
}

fn amz_time(text: &str) -> Result<Timestamp, AuthError> {
    let wrong = || AuthError::Incomplete(format!("Date must be in ISO-8601 'basic format'. Got '{}'.", shown(text)));
    let time = civil::DateTime::strptime("%Y%m%dT%H%M%SZ", text).map_err(|_| wrong())?;
    jiff::tz::Offset::UTC.to_timestamp(time).map_err(|_| wrong())
}

fn amz_text(time: Timestamp) -> String {
    time.strftime("%Y%m%dT%H%M%SZ").to_string()
}

fn http_date(text: &str) -> Option<String> {
    let time = civil::DateTime::strptime("%a, %d %b %Y %H:%M:%S GMT", text).ok()?;
    Some(time.strftime("%Y%m%dT%H%M%SZ").to_string())
}

/// Credentials of a client.
#[derive(Clone)]
pub struct Credentials {
    /// `AKIA…` or `ASIA…`
    pub access_key_id: String,
    /// The secret.
    pub secret_access_key: Zeroizing<String>,
    /// With temporary credentials.
    pub session_token: Option<String>,
}

/// The headers that sign a request: to be added to those in `parts`, all of which are signed.
///
/// `parts.headers` must hold `host`.
pub fn sign(parts: &SignedParts<'_>, credentials: &Credentials, region: &str, service: &str, now: Timestamp) -> Vec<(&'static str, String)> {
    let time_text = amz_text(now);
    let scope = Scope { date: time_text.get(..8).unwrap_or_default(), region, service };
    let credential = Credential::new(&credentials.access_key_id, scope);
    let mut headers = parts.headers.clone();
    let mut added = vec![("x-amz-date", time_text.clone())];
    added.extend(credentials.session_token.iter().map(|token| ("x-amz-security-token", token.clone())));
    for (name, value) in &added {
        if let Ok(value) = value.parse() {
            headers.insert(*name, value);
        }
    }
    let names: BTreeSet<&str> = headers.keys().map(HeaderName::as_str).collect();
    let presented = Presented {
        credential,
        token: None,
        signed_headers: names.into_iter().map(Cow::Borrowed).collect(),
        signature: "".into(),
        time: now,
        time_text: time_text.into(),
        presigned_for_s: None,
    };
    let signed = SignedParts { headers: &headers, ..*parts };
    let signature = SigningKey::derive(&credentials.secret_access_key, presented.credential.scope()).sign(&string_to_sign(&presented, &signed));
    let (credential, names) = (presented.credential.as_str(), presented.signed_headers.join(";"));
    added.push(("authorization", format!("{ALGORITHM} Credential={credential}, SignedHeaders={names}, Signature={signature}")));
    added
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use aws_credential_types::Credentials as AwsCredentials;
    use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign as aws_sign};
    use aws_sigv4::sign::v4;
    use hyper::header::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
    const NOW: i64 = 1_763_924_400;

    fn now() -> Timestamp {
        Timestamp::from_second(NOW).unwrap()
    }

    /// Signs with AWS's own signer.
    fn signed_by_aws(path: &str, query: &str, extra: &[(&str, &str)], body: &[u8]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert("host", HeaderValue::from_static("127.0.0.1:4599"));
        for (name, value) in extra {
            headers.insert(HeaderName::try_from(*name).unwrap(), HeaderValue::from_str(value).unwrap());
        }
        let identity = AwsCredentials::new("AKIAEXAMPLE", SECRET, Some("token==".into()), None, "test").into();
        let time = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(NOW.cast_unsigned());
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region("us-east-1")
            .name("kms")
            .time(time)
            .settings(SigningSettings::default())
            .build()
            .unwrap();
        let uri = if query.is_empty() { format!("http://127.0.0.1:4599{path}") } else { format!("http://127.0.0.1:4599{path}?{query}") };
        let pairs = headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap()));
        let request = SignableRequest::new("POST", uri, pairs, SignableBody::Bytes(body)).unwrap();
        let (instructions, _) = aws_sign(request, &params.into()).unwrap().into_parts();
        for (name, value) in instructions.headers() {
            headers.insert(HeaderName::try_from(name).unwrap(), HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    fn check(path: &str, query: &str, headers: &HeaderMap, body: &[u8], now: Timestamp) -> Result<(), AuthError> {
        let parts = SignedParts { method: "POST", path, query, headers, payload: Payload::Body(body) };
        let presented = presented(&parts)?;
        verify(&presented, &parts, &SigningKey::derive(SECRET, presented.credential.scope()), now)
    }

    const TARGET: (&str, &str) = ("x-amz-target", "TrentService.EnableKey");

    #[test]
    fn what_aws_signs_is_accepted() {
        let headers = signed_by_aws("/", "", &[TARGET], b"{}");
        assert_eq!(check("/", "", &headers, b"{}", now()), Ok(()));
    }

    #[test]
    fn t2_nothing_that_counts_may_be_changed_or_added() {
        let headers = signed_by_aws("/", "", &[TARGET], b"{}");
        let changed = |name: &'static str, value: &'static str| {
            let mut headers = headers.clone();
            headers.insert(name, HeaderValue::from_static(value));
            check("/", "", &headers, b"{}", now())
        };
        assert!(changed("x-amz-target", "TrentService.ScheduleKeyDeletion").is_err());
        assert!(changed("x-amz-new", "1").is_err());
        assert!(changed("host", "evil").is_err());
        assert!(changed("x-amz-security-token", "other").is_err());
        assert!(check("/", "", &headers, b"{ }", now()).is_err()); // T9
        assert!(check("/x", "", &headers, b"{}", now()).is_err());
        assert!(check("/", "a=b", &headers, b"{}", now()).is_err());
        let mut twice = headers.clone();
        twice.append("x-amz-target", HeaderValue::from_static("TrentService.EnableKey"));
        assert!(check("/", "", &twice, b"{}", now()).is_err()); // T3
    }

    #[test]
    fn k27_the_clock_may_be_five_minutes_off() {
        let headers = signed_by_aws("/", "", &[TARGET], b"{}");
        let at = |shift: i64| check("/", "", &headers, b"{}", Timestamp::from_second(NOW + shift).unwrap());
        assert_eq!(at(300), Ok(()));
        assert_eq!(at(-300), Ok(()));
        let message = |result: Result<(), AuthError>| result.unwrap_err().to_string();
        assert_eq!(message(at(301)), "Signature expired: 20251123T190000Z is now earlier than 20251123T190001Z (20251123T190501Z - 5 min.)");
        assert!(message(at(-301)).starts_with("Signature not yet current: 20251123T190000Z is still later than"));
    }

    #[test]
    fn k31_broken_headers_are_told_apart() {
        let check = |authorization: &str, start: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("host", HeaderValue::from_static("h"));
            headers.insert("x-amz-date", HeaderValue::from_static("20251123T190000Z"));
            headers.insert("authorization", HeaderValue::from_str(authorization).unwrap());
            let parts = SignedParts { method: "POST", path: "/", query: "", headers: &headers, payload: Payload::Body(b"") };
            let message = presented(&parts).map(|_| ()).unwrap_err().to_string();
            assert!(message.starts_with(start), "{authorization}: {message}");
        };
        let scope = "20251123/us-east-1/kms/aws4_request";
        check("Basic abc", "Unsupported AWS 'algorithm'");
        check("AWS4-HMAC-SHA256 Credential", "'Credential' not a valid key=value pair");
        check(
            "AWS4-HMAC-SHA256 SignedHeaders=host",
            "Authorization header requires 'Credential' parameter. Authorization header requires 'Signature'",
        );
        check("AWS4-HMAC-SHA256 Credential=a/b, SignedHeaders=host, Signature=x", "Credential must have exactly 5");
        check(
            "AWS4-HMAC-SHA256 Credential=a/20251123/us-east-1/kms/aws5, SignedHeaders=host, Signature=x",
            "Credential should be scoped with a valid terminator",
        );
        check(
            "AWS4-HMAC-SHA256 Credential=a/20251122/us-east-1/kms/aws4_request, SignedHeaders=host;x-amz-date, Signature=x",
            "Date in Credential scope does not match",
        ); // T6
        check(
            &format!("AWS4-HMAC-SHA256 Credential=a/{scope}, SignedHeaders=x-amz-date;host, Signature=x"),
            "SignedHeaders must be lower-case, sorted",
        );
        check(&format!("AWS4-HMAC-SHA256 Credential=a/{scope}, SignedHeaders=host, Signature=x"), "'x-amz-date' must be a 'SignedHeader'");
        assert_eq!(
            super::presented(&SignedParts { method: "POST", path: "/", query: "", headers: &HeaderMap::new(), payload: Payload::Body(b"") })
                .unwrap_err(),
            AuthError::Missing
        ); // [K30]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]
        #[test]
        fn any_request_that_aws_signs_is_accepted_and_ours_equals_it(
            query in "([a-zA-Z0-9]{1,4}=[a-zA-Z0-9%2F~._-]{0,0}[a-z0-9~._-]{0,6}(&[a-z]{1,3}=[0-9]{0,3}){0,3})?",
            value in "[ -~]{0,20}", body: Vec<u8>,
        ) {
            let value = value.trim().to_owned();
            let headers = signed_by_aws("/", &query, &[TARGET, ("x-amz-meta", &value)], &body);
            prop_assert_eq!(check("/", &query, &headers, &body, now()), Ok(()));

            let mut own = HeaderMap::new();
            own.insert("host", HeaderValue::from_static("127.0.0.1:4599"));
            own.insert("x-amz-target", HeaderValue::from_static(TARGET.1));
            let credentials = Credentials { access_key_id: "AKIAEXAMPLE".into(), secret_access_key: Zeroizing::new(SECRET.into()), session_token: None };
            let parts = SignedParts { method: "POST", path: "/", query: &query, headers: &own, payload: Payload::Body(&body) };
            for (name, value) in sign(&parts, &credentials, "us-east-1", "kms", now()) {
                own.insert(name, HeaderValue::from_str(&value).unwrap());
            }
            prop_assert_eq!(check("/", &query, &own, &body, now()), Ok(()));
        }
    }
}
