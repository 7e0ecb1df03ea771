//! The way from a permit to key material: each step takes what only the step before can make.
//!
//! ```compile_fail
//! // Material without a key that was found ready:
//! fn skip(vault: &keyward_service::Vault, key: &keyward_service::Key) {
//!     let _ = vault.unlock(key, &key.materials[0].id);
//! }
//! ```
//!
//! ```compile_fail
//! // A ready key without a permit:
//! fn skip(key: &keyward_service::Key) {
//!     let _ = keyward_service::ReadyKey { key };
//! }
//! ```
//!
//! The honest way compiles:
//!
//! ```
//! use keyward_service::{Error, Key, Vault, ready};
//!
//! fn honest(vault: &Vault, key: &Key, permit: keyward_authz::Permit) -> Result<(), Error> {
//!     let ready = ready(key, permit)?.for_usage("ENCRYPT_DECRYPT", "Decrypt")?;
//!     let material = vault.unlock(&ready, &key.materials[0].id)?;
//!     drop(material);
//!     Ok(())
//! }
//! ```

use keyward_authz::{KeyArn, Operation, Permit};
use keyward_crypto::{BlobKeyId, Entropy, KeyMaterial, KeySpec, KeyUsage, MaterialId, RootKey, Sealed};

use crate::entities::{Key, Material};
use crate::error::Error;
use crate::states::check;

/// A key whose state was checked by somebody who was permitted (K25).
pub struct EnabledKey<'k> {
    key: &'k Key,
}

/// A key whose state and usage fit the operation: what opens the vault.
pub struct ReadyKey<'k> {
    key: &'k Key,
}

/// Spends a permit on an operation that uses the key's material: its state, asked only by who was permitted (A901) (K85).
///
/// # Errors
/// As the state table says for the operation that was permitted; and whatever was permitted, only keys of which Decrypt would
/// find the state right are ready.
pub fn ready(key: &Key, permit: Permit) -> Result<EnabledKey<'_>, Error> {
    in_state(key, permit)?;
    check(Operation::Decrypt, key)?;
    Ok(EnabledKey { key })
}

/// Spends a permit on an operation that leaves the key's material alone.
///
/// # Errors
/// As the state table says for the operation that was permitted.
pub(crate) fn in_state(key: &Key, permit: Permit) -> Result<(), Error> {
    if permit.key() != key.arn() {
        return Err(Error::Internal("a permit was shown for another key"));
    }
    let operation = match permit.permission().name() {
        "ReEncryptFrom" | "ReEncryptTo" => Some(Operation::ReEncrypt), // [A404]
        name => Operation::named(name),
    };
    check(operation.ok_or(Error::Internal("a permission of no operation"))?, key)
}

impl<'k> EnabledKey<'k> {
    /// A public key is not for one usage: whatever a key pair is for, it may be read (K192).
    ///
    /// # Errors
    /// [`Error::Unsupported`] if the key is no pair.
    pub fn for_public_key(self) -> Result<ReadyKey<'k>, Error> {
        let ready = ReadyKey { key: self.key };
        let spec = ready.spec()?;
        let is_pair = spec != KeySpec::SymmetricDefault && !spec.usages().contains(&KeyUsage::GenerateVerifyMac);
        if is_pair { Ok(ready) } else { Err(Error::Unsupported(None)) }
    }

    /// Usage comes after state (K86) (K150).
    ///
    /// # Errors
    /// [`Error::InvalidKeyUsage`] if the key is for something else.
    pub fn for_usage(self, usage: &str, operation: &'static str) -> Result<ReadyKey<'k>, Error> {
        if self.key.facts.usage == usage {
            Ok(ReadyKey { key: self.key })
        } else {
            Err(Error::InvalidKeyUsage { key: self.key.arn().clone(), usage: self.key.facts.usage.to_string(), operation })
        }
    }
}

impl<'k> ReadyKey<'k> {
    /// The key.
    pub fn key(&self) -> &'k Key {
        self.key
    }

    /// What kind of key it is.
    ///
    /// # Errors
    /// [`Error::Internal`] for a stored spec that is none.
    pub fn spec(&self) -> Result<KeySpec, Error> {
        self.key.facts.spec.parse().map_err(|_| Error::Internal("a key spec that is none"))
    }
}

/// The only door to key material, and to what else is sealed under the root key.
pub struct Vault {
    root: RootKey,
}

impl Vault {
    pub(crate) fn new(root: RootKey) -> Self {
        Self { root }
    }

    /// The root key, for what is sealed beside key material: secrets, tokens, markers.
    pub(crate) fn root(&self) -> &RootKey {
        &self.root
    }

    /// Unseals one material of a ready key.
    ///
    /// # Errors
    /// [`Error::InvalidCiphertext`] when the key has no such material; [`Error::Internal`] when the row does not open.
    pub fn unlock(&self, ready: &ReadyKey<'_>, material: &MaterialId) -> Result<KeyMaterial, Error> {
        let found = ready.key.materials.iter().find(|candidate| candidate.id == *material).ok_or(Error::InvalidCiphertext)?;
        // INVARIANT: a key that lacks material is not ready.
        let sealed = found.sealed.as_ref().ok_or(Error::Internal("a ready key without its material"))?;
        self.root
            .open_material(ready.spec()?, material_aad(ready.key.arn().as_str(), material).as_bytes(), sealed)
            .map_err(|_| Error::Internal("key material does not open under the root key"))
    }

    /// Seals a key's material once more, for the same key in another Region. Nobody sees it on the way.
    ///
    /// # Errors
    /// [`Error::Internal`] when the keys are not related, or the row does not open.
    pub(crate) fn carry(&self, from: &Key, material: &Material, to: &KeyArn, entropy: &dyn Entropy) -> Result<Material, Error> {
        let related = from.facts.multi_region.is_some() && from.arn().id() == to.id() && from.arn().account() == to.account();
        let sealed = material.sealed.as_ref().filter(|_| related).ok_or(Error::Internal("material of a key that is not related"))?;
        let spec = from.facts.spec.parse().map_err(|_| Error::Internal("a key spec that is none"))?;
        let opened = self.root.open_material(spec, material_aad(from.arn().as_str(), &material.id).as_bytes(), sealed);
        let opened = opened.map_err(|_| Error::Internal("key material does not open under the root key"))?;
        let sealed = self.root.seal_material(material_aad(to.as_str(), &material.id).as_bytes(), &opened, entropy);
        Ok(Material { sealed: Some(sealed.map_err(|_| Error::Internal("randomness failed"))?), ..material.clone() })
    }

    /// Seals new material for a key.
    ///
    /// # Errors
    /// [`Error::Internal`] when randomness fails.
    pub fn lock(
        &self,
        key_arn: &str,
        key_id: &BlobKeyId,
        material: &KeyMaterial,
        at: jiff::Timestamp,
        entropy: &dyn Entropy,
    ) -> Result<Material, Error> {
        let id = MaterialId::derive(key_id, material);
        let sealed: Sealed =
            self.root.seal_material(material_aad(key_arn, &id).as_bytes(), material, entropy).map_err(|_| Error::Internal("randomness failed"))?;
        Ok(Material { id, sealed: Some(sealed), created_at: at, rotation: None, imported: None })
    }
}

/// A row moved to another key, account or Region does not open (T30, T52).
fn material_aad(key_arn: &str, id: &MaterialId) -> String {
    format!("{key_arn}#{id}")
}
