//! Derived signing keys of the day, so that most calls neither unseal a secret nor derive a key.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use keyward_service::SecretKey;

use crate::sigv4::{AuthError, Credential, SigningKey};

/// Most keys that are kept: some megabytes, all wiped when dropped (T12).
const KEYS_MAX: usize = 8192;

/// Kept keys by credential: access key id and scope. Whether the access key still exists is asked before, on every call,
/// and an id never gets another secret.
#[derive(Default)]
pub(crate) struct SigningKeys(Mutex<HashMap<String, Arc<SigningKey>>>);

impl SigningKeys {
    /// The key for a credential, derived from the secret if it is not there yet. Nobody's secret is derived every time.
    pub(crate) fn get(&self, credential: &Credential<'_>, secret: &SecretKey<'_>) -> Result<Arc<SigningKey>, AuthError> {
        if secret.is_real()
            && let Some(kept) = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(credential.as_str())
        {
            return Ok(kept.clone());
        }
        let derived = Arc::new(SigningKey::derive(&secret.expose().map_err(|_| AuthError::Unrecognized)?, credential.scope()));
        if secret.is_real() {
            let mut keys = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if keys.len() >= KEYS_MAX {
                keys.clear();
            }
            keys.insert(credential.as_str().to_owned(), derived.clone());
        }
        Ok(derived)
    }
}
