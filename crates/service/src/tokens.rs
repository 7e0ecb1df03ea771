//! What is handed to clients sealed: session tokens, grant tokens, page markers.

use data_encoding::{BASE64, BASE64URL_NOPAD};
use keyward_crypto::{Purpose, RootKey, Sealed};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::caller::Session;
use crate::env::Env;
use crate::error::Error;

/// Temporary credentials as a client gets them.
pub struct IssuedCredentials {
    /// `ASIA…`
    pub access_key_id: String,
    /// 40 characters.
    pub secret_access_key: Zeroizing<String>,
    /// Opaque.
    pub session_token: String,
    /// When they end.
    pub expires_at: jiff::Timestamp,
}

#[derive(Deserialize, Serialize)]
struct TokenBody {
    session: Session,
    secret: Zeroizing<String>,
}

/// Seals a session into a token. The secret travels inside, so that nothing need be stored (T7).
///
/// # Errors
/// [`Error::Internal`] when randomness fails.
pub(crate) fn issue(root: &RootKey, env: &Env, session: Session) -> Result<IssuedCredentials, Error> {
    let secret = new_secret(env)?;
    let (access_key_id, expires_at) = (session.access_key_id.clone(), session.expires_at);
    let body = TokenBody { session, secret };
    let plain = Zeroizing::new(serde_json::to_vec(&body).map_err(|_| Error::Internal("a session does not encode"))?);
    let sealed =
        root.seal(Purpose::SessionToken, access_key_id.as_bytes(), &plain, &*env.entropy).map_err(|_| Error::Internal("randomness failed"))?;
    Ok(IssuedCredentials { access_key_id, secret_access_key: body.secret.clone(), session_token: BASE64.encode(sealed.as_bytes()), expires_at })
}

/// Opens a session token: only together with its own access key id.
pub(crate) fn open_session(root: &RootKey, access_key_id: &str, token: &str) -> Option<(Session, Zeroizing<String>)> {
    let sealed = Sealed::from_bytes(BASE64.decode(token.as_bytes()).ok()?).ok()?;
    let plain = root.open(Purpose::SessionToken, access_key_id.as_bytes(), &sealed).ok()?;
    let body: TokenBody = serde_json::from_slice(&plain).ok()?;
    (body.session.access_key_id == access_key_id).then_some((body.session, body.secret))
}

/// Seals a small value for a client to bring back; `bound` is what it is good for.
///
/// # Errors
/// [`Error::Internal`] when randomness fails.
pub(crate) fn seal_for_client(root: &RootKey, env: &Env, purpose: Purpose, bound: &str, value: &[u8]) -> Result<String, Error> {
    let sealed = root.seal(purpose, bound.as_bytes(), value, &*env.entropy).map_err(|_| Error::Internal("randomness failed"))?;
    Ok(BASE64URL_NOPAD.encode(sealed.as_bytes()))
}

/// Opens what [`seal_for_client`] made, if it was made for the same thing.
pub(crate) fn open_from_client(root: &RootKey, purpose: Purpose, bound: &str, text: &str) -> Option<Zeroizing<Vec<u8>>> {
    let sealed = Sealed::from_bytes(BASE64URL_NOPAD.decode(text.as_bytes()).ok()?).ok()?;
    root.open(purpose, bound.as_bytes(), &sealed).ok()
}

/// 40 characters of base64, as AWS's secrets are.
///
/// # Errors
/// [`Error::Internal`] when randomness fails.
pub fn new_secret(env: &Env) -> Result<Zeroizing<String>, Error> {
    let mut bytes = Zeroizing::new([0; 30]);
    env.entropy.fill(&mut *bytes).map_err(|_| Error::Internal("randomness failed"))?;
    Ok(Zeroizing::new(BASE64.encode(&*bytes)))
}

/// A prefix and random capital letters and digits, `length` characters in all: `AKIA…`, `AROA…` (K270).
///
/// # Errors
/// [`Error::Internal`] when randomness fails.
pub fn new_id(env: &Env, prefix: &str, length: usize) -> Result<String, Error> {
    const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let mut bytes = vec![0; length.saturating_sub(prefix.len())];
    env.entropy.fill(&mut bytes).map_err(|_| Error::Internal("randomness failed"))?;
    let letters = bytes.iter().filter_map(|byte| ALPHABET.get(usize::from(byte % 32)).map(|letter| char::from(*letter)));
    Ok(prefix.chars().chain(letters).collect())
}
