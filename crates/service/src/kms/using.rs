//! What every use of a key has in common: state, usage, algorithm in this order (K25), then its material.

use std::fmt::Display;
use std::sync::Arc;

use keyward_authz::{Operation, Permit, Request};
use keyward_crypto::{EncryptionContext, KeyMaterial, KeySpec, KeyUsage, MaterialId};

use super::Pairs;
use super::resolve::resolve;
use crate::call::Call;
use crate::entities::Key;
use crate::error::Error;
use crate::vault::{ReadyKey, ready};

/// Finds the key, reads the grant tokens, asks for the permission.
pub(super) fn permitted<'r>(
    call: &mut Call<'_>,
    operation: Operation,
    key_id: &str,
    grant_tokens: Option<&[String]>,
    request: Request<'r>,
) -> Result<(Arc<Key>, Permit), Error> {
    let found = resolve(call, operation, key_id)?;
    super::grants::read_tokens(call, grant_tokens)?;
    // The key outlives what the request borrows.
    let (key, permit) = found.permit(call, request)?;
    Ok((key, permit))
}

/// State, usage, algorithm (K25) (K150).
pub(super) fn usable<'k, A: Copy + Display + PartialEq>(
    key: &'k Key,
    permit: Permit,
    (operation, usage): (Operation, KeyUsage),
    algorithm: A,
    known: fn(KeySpec) -> &'static [A],
) -> Result<ReadyKey<'k>, Error> {
    let ready = ready(key, permit)?.for_usage(usage.name(), operation.name())?;
    fits(&ready, algorithm, known)?;
    Ok(ready)
}

/// Whether the key has the algorithm; usage is asked before (K150).
pub(super) fn fits<A: Copy + Display + PartialEq>(ready: &ReadyKey<'_>, algorithm: A, known: fn(KeySpec) -> &'static [A]) -> Result<(), Error> {
    let spec = ready.spec()?;
    if known(spec).contains(&algorithm) {
        return Ok(());
    }
    Err(Error::IncompatibleAlgorithm { algorithm: algorithm.to_string(), spec: spec.to_string() })
}

/// The material with which the key works now.
pub(super) fn unlock_current(call: &Call<'_>, ready: &ReadyKey<'_>) -> Result<(KeyMaterial, MaterialId), Error> {
    let current = ready.key().current_material().ok_or(Error::Internal("a key without material"))?;
    Ok((call.vault.unlock(ready, &current.id)?, current.id))
}

/// (K153) All was asked, and nothing is done.
pub(super) fn end_of_dry_run(dry_run: Option<bool>) -> Result<(), Error> {
    if dry_run == Some(true) { Err(Error::DryRun) } else { Ok(()) }
}

/// (K151)
pub(super) fn context_of(pairs: Option<Pairs>) -> Result<EncryptionContext, Error> {
    let context = EncryptionContext::from(pairs.unwrap_or_default());
    if context.is_too_large() {
        return Err(Error::Validation("The encryption context is larger than 8192 bytes.".to_owned()));
    }
    Ok(context)
}

/// A member that some requests of an operation must have and others not.
pub(super) fn required<T>(member: Option<T>, name: &str) -> Result<T, Error> {
    member.ok_or_else(|| Error::Validation(format!("{name} is required."))) // [K24]
}
