//! Our keys as the external keys of somebody else's KMS: what a proxy of the XKS protocol does behind its listener (K141–K146).
//!
//! Whoever calls has a credential of a proxy client. It acts as the account's root user, or as one of its users: policies and
//! grants of the keys decide as they do for every call, and the trail has a record of each.

use std::sync::Arc;

use keyward_authz::{Operation, Request, Resource, authorize};
use keyward_crypto::{EncryptionAlgorithm, ExternalCiphertext, KeySpec, Purpose, decrypt_as_manager, encrypt_as_manager, may_be_of};
use keyward_policy::{AccountId, Glob, Region};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use zeroize::Zeroizing;

use crate::call::{Call, Operate, Outcome, raw};
use crate::caller::Identity;
use crate::entities::{Change, Entity, EntityKey, Key, KeyState, ProxyClient};
use crate::error::Error;
use crate::host::Host;
use crate::kms::{Pairs, permission, resolve, with_context};
use crate::outside::RequestMetadata;
use crate::tokens::new_id;
use crate::vault::{ReadyKey, ready};

/// The service's name in signatures (K141), and in records.
pub const SERVICE: &str = "kms-xks-proxy";
/// Letters of a client's access key id (K136).
const ACCESS_KEY_LETTERS: usize = 26;
/// Random bytes of a client's secret, 43 characters and a sign of base64 (K136).
const SECRET_BYTES: usize = 32;

/// A proxy client with its secret in the clear, for the operator's eyes.
pub struct RevealedClient {
    /// The client.
    pub client: Arc<ProxyClient>,
    /// 44 characters.
    pub secret_access_key: Zeroizing<String>,
}

/// Makes a credential with which somebody else's KMS calls (K136). It acts as the account's root user, or as `user`.
///
/// # Errors
/// [`Error::Validation`] if account or user is not there.
pub fn create_client(host: &Host, account: AccountId, user: Option<String>, region: &Region) -> Result<RevealedClient, Error> {
    host.administer(|state, host| {
        if state.account(account).is_none() {
            return Err(Error::Validation(format!("there is no account {account}; `keyward account list` shows them")));
        }
        if let Some(name) = user.as_ref().filter(|name| state.user(account, name).is_none()) {
            return Err(Error::Validation(format!("there is no user `{name}` in account {account}")));
        }
        let mut bytes = Zeroizing::new([0; SECRET_BYTES]);
        host.env().entropy.fill(&mut *bytes).map_err(|_| Error::Internal("randomness failed"))?;
        let secret = Zeroizing::new(data_encoding::BASE64.encode(&*bytes));
        let access_key_id = new_id(host.env(), "XKS", ACCESS_KEY_LETTERS)?;
        let sealed = host.vault().root().seal(Purpose::KeyStoreSecret, access_key_id.as_bytes(), secret.as_bytes(), &*host.env().entropy);
        let secret_access_key = sealed.map_err(|_| Error::Internal("randomness failed"))?;
        let client = ProxyClient { access_key_id, account, user, region: region.clone(), secret_access_key, created_at: host.now() };
        let client = Arc::new(client);
        let revealed = RevealedClient { client: client.clone(), secret_access_key: secret };
        Ok((revealed, vec![Change::Put(Entity::ProxyClient(client))]))
    })
}

/// Removes a credential.
///
/// # Errors
/// [`Error::Validation`] if there is none.
pub fn delete_client(host: &Host, access_key_id: &str) -> Result<(), Error> {
    host.administer(|state, _| match state.proxy_client(access_key_id) {
        Some(_) => Ok(((), vec![Change::Delete(EntityKey::ProxyClient(access_key_id.to_owned()))])),
        None => {
            let message = format!("there is no credential `{access_key_id}`; `keyward xks-proxy credentials list` shows them");
            Err(Error::Validation(message))
        }
    })
}

impl ProxyClient {
    /// Whose power it has, in words.
    pub fn acts_as(&self) -> String {
        match &self.user {
            None => format!("root user of {}", self.account),
            Some(user) => format!("user {user} of {}", self.account),
        }
    }

    /// Who calls with it; none if the user is gone.
    pub(crate) fn identity(&self, state: &crate::state::State) -> Option<Identity> {
        match &self.user {
            None => state.account(self.account).map(|account| Identity::Root { account: account.id }),
            Some(name) => {
                let user = state.user(self.account, name).filter(|user| user.created_at <= self.created_at)?;
                Some(Identity::User { account: self.account, name: user.name.clone(), id: user.id.clone() })
            }
        }
    }
}

/// For whom AWS may call, by what it says of its callers (T87). Empty lists let everybody pass.
#[derive(Default)]
pub struct Admitted {
    /// Patterns of `awsPrincipalArn`.
    pub principals: Vec<Glob>,
    /// Patterns of `kmsKeyArn`; asked of encryption and decryption, for a key that is only being made has none.
    pub keys: Vec<Glob>,
}

impl Admitted {
    fn check(&self, metadata: &RequestMetadata) -> Result<(), Error> {
        let fits = |patterns: &[Glob], value: Option<&str>| {
            patterns.is_empty() || patterns.iter().any(|pattern| pattern.matches_plain(value.unwrap_or_default()))
        };
        let refused = |what: &str| Err(Error::AccessDenied { sentence: format!("This proxy does not serve this {what}.") });
        match metadata.kms_key_arn.as_deref() {
            _ if !fits(&self.principals, metadata.aws_principal_arn.as_deref()) => refused("awsPrincipalArn"),
            Some(key) if !fits(&self.keys, Some(key)) => refused("kmsKeyArn"),
            _ => Ok(()),
        }
    }
}

/// What every request about a key says.
pub struct Asked {
    /// The external key's id: a key id, or the name of an alias without `alias/`.
    pub key: String,
    /// The call behind this one (K142).
    pub metadata: RequestMetadata,
    /// Whom the proxy serves.
    pub admitted: Arc<Admitted>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Parameters<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    external_key_id: Option<&'a str>,
    request_metadata: &'a RequestMetadata,
}

impl Asked {
    fn parameters(&self) -> Option<Box<RawValue>> {
        raw(&Parameters { external_key_id: Some(&self.key), request_metadata: &self.metadata })
    }

    /// The key, permitted and ready: resolved, decided and asked for its state as for every call.
    fn ready<T>(
        &self,
        call: &mut Call<'_>,
        operation: Operation,
        act: impl FnOnce(&mut Call<'_>, &ReadyKey<'_>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        self.admitted.check(&self.metadata)?;
        let facts = call.facts();
        let found = resolve(call, operation, &self.named(call))?;
        let none = Pairs::new();
        let (key, permit) = found.permit(call, with_context(permission(operation)?, facts, &none, EncryptionAlgorithm::SymmetricDefault))?;
        let ready = ready(&key, permit)?.for_usage("ENCRYPT_DECRYPT", operation.name())?;
        if *key.facts.spec != *KeySpec::SymmetricDefault.name() || key.in_store.is_some() {
            return Err(unfit(&key, operation));
        }
        act(call, &ready)
    }

    /// (T87) Only what is a key's own id is one: everything else is the name of an alias, and no path.
    fn named(&self, call: &Call<'_>) -> String {
        let is_key = self.key.parse().is_ok_and(|id| call.account().is_ok_and(|account| call.state.key_at(account, call.region(), &id).is_some()));
        if is_key { self.key.clone() } else { format!("alias/{}", self.key) }
    }
}

fn unfit(key: &Key, operation: Operation) -> Error {
    Error::InvalidKeyUsage { key: key.arn().clone(), usage: key.facts.spec.to_string(), operation: operation.name() }
}

/// `GetHealthStatus` (K145)
pub struct GetHealthStatus {
    /// The call behind this one.
    pub metadata: RequestMetadata,
}

/// That somebody is here; how the store is, the listener knows.
#[derive(Serialize)]
pub struct HealthStatus {}

impl Operate for GetHealthStatus {
    type Output = HealthStatus;
    const SERVICE: &'static str = SERVICE;
    const NAME: &'static str = "GetHealthStatus";
    const MUTATES: bool = false;

    fn request_parameters(&self) -> Option<Box<RawValue>> {
        raw(&Parameters { external_key_id: None, request_metadata: &self.metadata })
    }

    fn operate(self, _: &mut Call<'_>) -> Result<Outcome<HealthStatus>, Error> {
        Ok(Outcome::unchanged(HealthStatus {}))
    }
}

/// `GetKeyMetadata` (K143)
pub struct GetKeyMetadata(pub Asked);

/// What a key is (K143).
#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the protocol's own members")]
pub struct KeyMetadata {
    pub key_spec: String,
    pub key_usage: Vec<String>,
    pub key_status: String,
}

impl Operate for GetKeyMetadata {
    type Output = KeyMetadata;
    const SERVICE: &'static str = SERVICE;
    const NAME: &'static str = "GetKeyMetadata";
    const MUTATES: bool = false;

    fn request_parameters(&self) -> Option<Box<RawValue>> {
        self.0.parameters()
    }

    fn operate(self, call: &mut Call<'_>) -> Result<Outcome<KeyMetadata>, Error> {
        self.0.admitted.check(&self.0.metadata)?;
        let facts = call.facts();
        let found = resolve(call, Operation::DescribeKey, &self.0.named(call))?;
        let (key, permit) = found.permit(call, Request::new(permission(Operation::DescribeKey)?, facts))?;
        let _ = permit;
        let is_symmetric = *key.facts.spec == *KeySpec::SymmetricDefault.name() && key.in_store.is_none();
        // Nobody makes a KMS key on a key that its credential may not use.
        let mut key_usage = Vec::new();
        for (operation, usage) in [(Operation::Encrypt, "ENCRYPT"), (Operation::Decrypt, "DECRYPT")] {
            if is_symmetric && may(call, &key, operation)? {
                key_usage.push(usage.to_owned());
            }
        }
        let key_spec = if is_symmetric { "AES_256" } else { &key.facts.spec }.to_owned();
        let key_status = if key.shown_state() == KeyState::Enabled { "ENABLED" } else { "DISABLED" }.to_owned();
        Ok(Outcome::unchanged(KeyMetadata { key_spec, key_usage, key_status }))
    }
}

/// Whether a use of the key would be permitted; nothing is done with the answer but to tell it.
fn may(call: &Call<'_>, key: &Key, operation: Operation) -> Result<bool, Error> {
    let none = Pairs::new();
    let request = with_context(permission(operation)?, call.facts(), &none, EncryptionAlgorithm::SymmetricDefault);
    let grants = call.state.grants_for(key.arn(), &call.subject.principal);
    let target = call.state.target(Resource::Key { key: &key.facts, grants: &grants });
    Ok(authorize(call.subject, &target, &request).is_allowed())
}

/// `Encrypt` (K144)
pub struct Encrypt {
    /// Key and call.
    pub asked: Asked,
    /// At most 4300 bytes.
    pub plaintext: Zeroizing<Vec<u8>>,
    /// At most 8192 bytes.
    pub aad: Vec<u8>,
}

/// What the key made of it.
pub struct Encrypted(pub ExternalCiphertext);

impl Operate for Encrypt {
    type Output = Encrypted;
    const SERVICE: &'static str = SERVICE;
    const NAME: &'static str = "Encrypt";
    const MUTATES: bool = false;

    fn request_parameters(&self) -> Option<Box<RawValue>> {
        self.asked.parameters()
    }

    fn operate(self, call: &mut Call<'_>) -> Result<Outcome<Encrypted>, Error> {
        let made = self.asked.ready(call, Operation::Encrypt, |call, ready| {
            let current = ready.key().current_material().ok_or(Error::Internal("a key without material"))?;
            let material = call.vault.unlock(ready, &current.id)?;
            encrypt_as_manager(&material, &current.id, &self.aad, &self.plaintext, &*call.env.entropy)
                .map_err(|_| Error::Internal("encrypting failed"))
        })?;
        Ok(Outcome::unchanged(Encrypted(made)))
    }
}

/// `Decrypt` (K144)
pub struct Decrypt {
    /// Key and call.
    pub asked: Asked,
    /// The parts, of whatever origin.
    pub ciphertext: ExternalCiphertext,
    /// At most 8192 bytes.
    pub aad: Vec<u8>,
}

/// What was encrypted.
pub struct Decrypted(pub keyward_crypto::Plaintext);

impl Operate for Decrypt {
    type Output = Decrypted;
    const SERVICE: &'static str = SERVICE;
    const NAME: &'static str = "Decrypt";
    const MUTATES: bool = false;

    fn request_parameters(&self) -> Option<Box<RawValue>> {
        self.asked.parameters()
    }

    fn operate(self, call: &mut Call<'_>) -> Result<Outcome<Decrypted>, Error> {
        let plaintext = self.asked.ready(call, Operation::Decrypt, |call, ready| {
            // Materials of before a rotation still open what they made; the metadata says which it was.
            let candidates = ready.key().materials.iter().filter(|material| may_be_of(&self.ciphertext, &material.id));
            for candidate in candidates {
                let material = call.vault.unlock(ready, &candidate.id)?;
                if let Ok(plaintext) = decrypt_as_manager(&material, &candidate.id, &self.aad, &self.ciphertext) {
                    return Ok(plaintext);
                }
            }
            Err(Error::InvalidCiphertext)
        })?;
        Ok(Outcome::unchanged(Decrypted(plaintext)))
    }
}
