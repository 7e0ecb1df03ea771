//! Keys of external key stores: what is asked of their proxies, and what of the answers is believed (K141–K146).

use std::sync::Arc;

use keyward_crypto::{EncryptionContext, ExternalCiphertext, Head, INNER_OVERHEAD, Plaintext, Purpose, Sealed, external_aad, open_inner, seal_inner};
use keyward_policy::{AccountId, Region};
use zeroize::Zeroizing;

use crate::call::Call;
use crate::entities::{Backing, CustomKeyStore, Key, XksProxy};
use crate::env::Env;
use crate::error::{Error, KeyStoreError, ProxyFailure};
use crate::outside::{ExternalKeyMetadata, ProxyAddress, ProxyHealth, ProxyRequest, Question, Reply, RequestMetadata, Topic};
use crate::vault::{ReadyKey, Vault};

/// Encrypts under our own material, and has the external key encrypt that; the blob that callers get (K146).
pub(super) fn encrypt(
    call: &mut Call<'_>,
    operation: &'static str,
    ready: &ReadyKey<'_>,
    head: &Head,
    context: &EncryptionContext,
    plaintext: &[u8],
) -> Result<Vec<u8>, Error> {
    let external = ExternalKey::of(call, ready.key())?;
    let aad = external_aad(head, context);
    let (vault, entropy) = (call.vault, call.env.entropy.clone());
    let reply = external.ask(call, operation, "Encrypt", |key| {
        let material = vault.unlock(ready, &head.material_id)?;
        let plaintext = seal_inner(head, &material, context, plaintext, &*entropy).map_err(|_| Error::Internal("encrypting failed"))?;
        Ok(ProxyRequest::Encrypt { key, plaintext, aad: aad.clone() })
    })?;
    let Reply::Encrypted { ciphertext, integrity_value } = reply else { return Err(malformed()) };
    // [K144] The digest says that the parts are as the proxy made them, and with our additional data.
    if !ciphertext.is_proper(plaintext.len() + INNER_OVERHEAD) || !ciphertext.has_integrity(&aad, &integrity_value) {
        return Err(malformed());
    }
    ciphertext.blob(head).map_err(|_| Error::Internal("an external ciphertext does not encode"))
}

/// The way back: the external key first, then our own material.
pub(super) fn decrypt(
    call: &mut Call<'_>,
    operation: &'static str,
    ready: &ReadyKey<'_>,
    head: &Head,
    context: &EncryptionContext,
    blob: &[u8],
) -> Result<Plaintext, Error> {
    // A blob of our own material alone would have no proxy in it: there is none of a key in an external store.
    let ciphertext = ExternalCiphertext::in_blob(blob).map_err(|_| Error::InvalidCiphertext)?;
    let material = call.vault.unlock(ready, &head.material_id)?;
    let external = ExternalKey::of(call, ready.key())?;
    let aad = external_aad(head, context);
    let reply = external.ask(call, operation, "Decrypt", |key| Ok(ProxyRequest::Decrypt { key, ciphertext, aad }))?;
    let Reply::Decrypted(inner) = reply else { return Err(malformed()) };
    open_inner(head, &material, context, &inner).map_err(|_| Error::InvalidCiphertext)
}

/// What a new key's external key is, if it can be one (K143).
pub(super) fn check_new(call: &mut Call<'_>, store: &CustomKeyStore, key: &str) -> Result<(), Error> {
    let topic = Topic(format!("{} {key} Metadata", store.id));
    let proxy = proxy_of(store)?;
    let metadata = metadata(call, "CreateKey", None);
    let (vault, request) = (call.vault, ProxyRequest::Metadata { key: key.to_owned() });
    let told = call.conversation.ask(topic, || Ok(Question { proxy: address(vault, store, proxy)?, metadata, request }))?;
    let of_new_key = |failure| Error::KeyStore(KeyStoreError::ProxyOfNewKey(failure));
    let Reply::Metadata(ExternalKeyMetadata { spec, usage, status }) = told.map_err(of_new_key)? else {
        return Err(of_new_key(ProxyFailure::Malformed));
    };
    let can = |wanted: &str| usage.iter().any(|usage| usage == wanted);
    let unfit = |why: &str| Err(Error::KeyStore(KeyStoreError::ExternalKeyUnfit(format!("The external key '{key}' {why}."))));
    match (spec.as_str(), status.as_str()) {
        ("AES_256", "ENABLED") if can("ENCRYPT") && can("DECRYPT") => Ok(()),
        ("AES_256", "ENABLED") => unfit("cannot both encrypt and decrypt"),
        ("AES_256", _) => unfit("is not enabled"),
        _ => unfit("is no 256-bit AES key"),
    }
}

/// Asks a proxy how it is, while its store is made or changed (K136).
pub(super) fn probe(call: &mut Call<'_>, operation: &'static str, store: &CustomKeyStore) -> Result<(), Error> {
    let proxy = proxy_of(store)?;
    // What is probed is what the request says, so the answer counts for nothing else.
    let topic = Topic(format!("{} {} {} Health", proxy.uri_endpoint, proxy.uri_path, proxy.access_key_id));
    let (vault, metadata) = (call.vault, of_health(operation, &call.origin.request_id));
    let told = call.conversation.ask(topic, || Ok(Question { proxy: address(vault, store, proxy)?, metadata, request: ProxyRequest::Health }))?;
    told.and_then(healthy).map_err(|failure| Error::KeyStore(KeyStoreError::ProxyOfStore(failure)))
}

/// What a store's proxy is asked when the store connects.
pub(super) fn health_question(vault: &Vault, env: &Env, store: &CustomKeyStore) -> Result<Question, Error> {
    let metadata = of_health("ConnectCustomKeyStore", &crate::host::new_uuid(env));
    Ok(Question { proxy: address(vault, store, proxy_of(store)?)?, metadata, request: ProxyRequest::Health })
}

/// Whether at least one key manager behind the proxy works (K145).
pub(super) fn healthy(reply: Reply) -> Result<(), ProxyFailure> {
    match reply {
        Reply::Health(ProxyHealth { managers }) if managers.iter().all(|manager| manager == "UNAVAILABLE") => Err(ProxyFailure::NoConnection),
        Reply::Health(_) => Ok(()),
        _ => Err(ProxyFailure::Malformed),
    }
}

/// Seals the secret of a proxy or a token for its store.
pub(super) fn seal_secret(call: &Call<'_>, account: AccountId, region: &Region, id: &str, secret: &Zeroizing<String>) -> Result<Sealed, Error> {
    let place = CustomKeyStore::sealed_for(account, region, id);
    let sealed = call.vault.root().seal(Purpose::KeyStoreSecret, place.as_bytes(), secret.as_bytes(), &*call.env.entropy);
    sealed.map_err(|_| Error::Internal("randomness failed"))
}

/// A key outside, and the way to it.
struct ExternalKey<'s> {
    key: &'s Key,
    store: &'s Arc<CustomKeyStore>,
    name: String,
}

impl<'s> ExternalKey<'s> {
    /// [A1010] Whose key it is stands in the call's record, however the call ends.
    fn of<'h: 's>(call: &mut Call<'h>, key: &'s Key) -> Result<Self, Error> {
        let place = key.in_store.as_ref().ok_or(Error::Internal("a key of no store"))?;
        let name = place.xks_key_id.clone().ok_or(Error::Internal("an external key without name"))?;
        call.remark(&serde_json::json!({ "customKeyStoreId": place.store, "xksKeyId": name }));
        let store = call.state.custom_key_store(key.arn().account(), key.arn().region(), &place.store);
        Ok(Self { key, store: store.ok_or(Error::Internal("a key of a store that is gone"))?, name })
    }

    /// What the proxy says, or the error that it becomes.
    fn ask(
        &self,
        call: &mut Call<'_>,
        operation: &'static str,
        verb: &str,
        request: impl FnOnce(String) -> Result<ProxyRequest, Error>,
    ) -> Result<Reply, Error> {
        let arn = self.key.arn().as_str();
        let metadata = metadata(call, operation, Some(arn));
        let vault = call.vault;
        let told = call.conversation.ask(Topic(format!("{} {arn} {verb}", self.store.id)), || {
            Ok(Question { proxy: address(vault, self.store, proxy_of(self.store)?)?, metadata, request: request(self.name.clone())? })
        })?;
        told.map_err(|failure| Error::KeyStore(KeyStoreError::ProxyOfKey(failure)))
    }
}

fn malformed() -> Error {
    Error::KeyStore(KeyStoreError::ProxyOfKey(ProxyFailure::Malformed))
}

fn proxy_of(store: &CustomKeyStore) -> Result<&XksProxy, Error> {
    match &store.backing {
        Backing::Proxy(proxy) => Ok(proxy),
        Backing::Token(_) => Err(Error::Internal("a proxy of a store that has a token")),
    }
}

fn address(vault: &Vault, store: &CustomKeyStore, proxy: &XksProxy) -> Result<ProxyAddress, Error> {
    Ok(ProxyAddress {
        uri_endpoint: proxy.uri_endpoint.clone(),
        uri_path: proxy.uri_path.clone(),
        region: store.region.clone(),
        access_key_id: proxy.access_key_id.clone(),
        secret_access_key: open_secret(vault, store, &proxy.secret_access_key)?,
    })
}

/// Opens what [`seal_secret`] sealed.
pub(super) fn open_secret(vault: &Vault, store: &CustomKeyStore, sealed: &Sealed) -> Result<Zeroizing<String>, Error> {
    let place = CustomKeyStore::sealed_for(store.account, &store.region, &store.id);
    let secret = vault.root().open(Purpose::KeyStoreSecret, place.as_bytes(), sealed);
    let secret = secret.map_err(|_| Error::Internal("the secret of a key store does not open under the root key"))?;
    let secret = std::str::from_utf8(&secret).map_err(|_| Error::Internal("the secret of a key store is no text"))?;
    Ok(Zeroizing::new(secret.to_owned()))
}

/// (K142) What a proxy is told of the call; the proxy may decide by it.
fn metadata(call: &Call<'_>, operation: &str, key: Option<&str>) -> RequestMetadata {
    let facts = call.facts();
    let endpoint = facts.endpoint.as_ref();
    RequestMetadata {
        aws_principal_arn: Some(call.subject.principal.caller_arn().into_owned()),
        aws_source_vpc: endpoint.map(|endpoint| endpoint.vpc.clone()),
        aws_source_vpce: endpoint.map(|endpoint| endpoint.id.clone()),
        kms_key_arn: key.map(str::to_owned),
        kms_operation: operation.to_owned(),
        kms_request_id: call.origin.request_id.clone(),
        kms_via_service: facts.via.as_ref().map(|via| via.service().split('.').next().unwrap_or_default().to_owned()),
    }
}

/// (K142) Of health, only these.
fn of_health(operation: &str, request_id: &str) -> RequestMetadata {
    RequestMetadata { kms_operation: operation.to_owned(), kms_request_id: request_id.to_owned(), ..RequestMetadata::default() }
}
