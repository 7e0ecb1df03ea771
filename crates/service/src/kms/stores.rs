//! Custom key stores: making, connecting, describing, changing, deleting (K135–K140).

use std::sync::Arc;

use keyward_authz::{Operation, Request, Resource, Target};
use keyward_policy::{AccountId, Region};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use zeroize::Zeroizing;

use super::external::{health_question, healthy, probe, seal_secret};
use super::hsm;
use super::resolve::no_resource;
use super::resolve::permission;
use super::{EpochSeconds, Nothing};
use crate::call::{Call, Operate, Outcome, raw};
use crate::entities::{Backing, Change, Connection, ConnectionError, Connectivity, CustomKeyStore, Entity, EntityKey, HsmToken, Key, XksProxy};
use crate::env::Env;
use crate::error::{Error, HsmFailure, KeyStoreError};
use crate::host::Host;
use crate::outside::HsmRequest;
use crate::paging::{PageSize, page};
use crate::state::State;

/// (K220)
const STORES_PER_PAGE: PageSize = PageSize { default: 100, max: 1000 };
/// Random bytes of a store's id, of which 17 hexadecimal digits are shown (K135).
const ID_BYTES: usize = 9;
const ID_DIGITS: usize = 17;

/// A proxy's credential as requests bring it. Never shown, never recorded.
#[derive(Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct XksProxyAuthenticationCredential {
    pub access_key_id: String,
    pub raw_secret_access_key: Zeroizing<String>,
}

/// `CreateCustomKeyStore`
#[derive(Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct CreateCustomKeyStore {
    pub custom_key_store_name: String,
    pub cloud_hsm_cluster_id: Option<String>,
    pub trust_anchor_certificate: Option<String>,
    pub key_store_password: Option<Zeroizing<String>>,
    pub custom_key_store_type: Option<String>,
    pub xks_proxy_uri_endpoint: Option<String>,
    pub xks_proxy_uri_path: Option<String>,
    pub xks_proxy_vpc_endpoint_service_name: Option<String>,
    pub xks_proxy_vpc_endpoint_service_owner: Option<String>,
    pub xks_proxy_authentication_credential: Option<XksProxyAuthenticationCredential>,
    pub xks_proxy_connectivity: Option<Connectivity>,
}

/// The answer to `CreateCustomKeyStore`.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct CreateCustomKeyStoreOutput {
    pub custom_key_store_id: String,
}

/// What records keep of requests about stores: nothing secret (A1006).
#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Parameters<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    custom_key_store_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    custom_key_store_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    new_custom_key_store_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    custom_key_store_type: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cloud_hsm_cluster_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    xks_proxy_connectivity: Option<Connectivity>,
    #[serde(skip_serializing_if = "Option::is_none")]
    xks_proxy_uri_endpoint: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    xks_proxy_uri_path: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    xks_proxy_vpc_endpoint_service_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    xks_proxy_vpc_endpoint_service_owner: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    limit: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    marker: Option<&'a str>,
}

impl Operate for CreateCustomKeyStore {
    type Output = CreateCustomKeyStoreOutput;
    const SERVICE: &'static str = "kms";
    const NAME: &'static str = "CreateCustomKeyStore";
    const MUTATES: bool = true;

    fn request_parameters(&self) -> Option<Box<RawValue>> {
        raw(&Parameters {
            custom_key_store_name: Some(&self.custom_key_store_name),
            custom_key_store_type: Some(self.custom_key_store_type.as_deref().unwrap_or(CLOUDHSM)),
            cloud_hsm_cluster_id: self.cloud_hsm_cluster_id.as_deref(),
            xks_proxy_connectivity: self.xks_proxy_connectivity,
            xks_proxy_uri_endpoint: self.xks_proxy_uri_endpoint.as_deref(),
            xks_proxy_uri_path: self.xks_proxy_uri_path.as_deref(),
            xks_proxy_vpc_endpoint_service_name: self.xks_proxy_vpc_endpoint_service_name.as_deref(),
            xks_proxy_vpc_endpoint_service_owner: self.xks_proxy_vpc_endpoint_service_owner.as_deref(),
            ..Parameters::default()
        })
    }

    fn response_elements(output: &CreateCustomKeyStoreOutput) -> Option<Box<RawValue>> {
        raw(&Parameters { custom_key_store_id: Some(&output.custom_key_store_id), ..Parameters::default() })
    }

    fn again(&self) -> Option<Self> {
        Some(self.clone())
    }

    fn operate(self, call: &mut Call<'_>) -> Result<Outcome<CreateCustomKeyStoreOutput>, Error> {
        self.members()?;
        may(call, Operation::CreateCustomKeyStore)?;
        let (account, region) = (call.account()?, call.region().clone());
        if named(call.state, account, &region, &self.custom_key_store_name).is_some() {
            return Err(Error::KeyStore(KeyStoreError::NameInUse(self.custom_key_store_name)));
        }
        let id = new_store_id(call.env)?;
        let backing = match self.proxy()? {
            None => Backing::Token(Box::new(self.token(call, account, &region, &id)?)),
            Some(proxy) => Backing::Proxy(Box::new(proxy.sealed(call, account, &region, &id)?)),
        };
        let store = CustomKeyStore {
            account,
            region,
            id: id.clone(),
            name: self.custom_key_store_name,
            created_at: call.now,
            connection: Connection::Disconnected,
            backing,
        };
        may_be_reached(call, &store)?;
        // [K136] Over a VPC the proxy is asked when the store connects.
        if is_public(&store) {
            probe(call, "CreateCustomKeyStore", &store)?;
        }
        Ok(Outcome::changed(CreateCustomKeyStoreOutput { custom_key_store_id: id }, put(store)))
    }
}

const CLOUDHSM: &str = "AWS_CLOUDHSM";
const EXTERNAL: &str = "EXTERNAL_KEY_STORE";

/// A proxy as a request describes it.
struct AskedProxy {
    connectivity: Connectivity,
    uri_endpoint: String,
    uri_path: String,
    service_name: Option<String>,
    service_owner: Option<String>,
    credential: XksProxyAuthenticationCredential,
}

impl CreateCustomKeyStore {
    /// (K135) Which members a type needs, and which it does not take.
    fn members(&self) -> Result<(), Error> {
        let of_cluster = [
            ("CloudHsmClusterId", self.cloud_hsm_cluster_id.is_some()),
            ("TrustAnchorCertificate", self.trust_anchor_certificate.is_some()),
            ("KeyStorePassword", self.key_store_password.is_some()),
        ];
        let of_proxy = [
            ("XksProxyUriEndpoint", self.xks_proxy_uri_endpoint.is_some()),
            ("XksProxyUriPath", self.xks_proxy_uri_path.is_some()),
            ("XksProxyAuthenticationCredential", self.xks_proxy_authentication_credential.is_some()),
            ("XksProxyConnectivity", self.xks_proxy_connectivity.is_some()),
        ];
        let of_vpc = [("XksProxyVpcEndpointServiceName", self.xks_proxy_vpc_endpoint_service_name.is_some())];
        let store_type = self.custom_key_store_type.as_deref().unwrap_or(CLOUDHSM);
        let over_vpc = self.xks_proxy_connectivity == Some(Connectivity::VpcEndpointService);
        let owner = [("XksProxyVpcEndpointServiceOwner", self.xks_proxy_vpc_endpoint_service_owner.is_some())];
        let (needed, refused): (Vec<_>, Vec<_>) = match (store_type, over_vpc) {
            (EXTERNAL, true) => (of_proxy.into_iter().chain(of_vpc).collect(), of_cluster.to_vec()),
            (EXTERNAL, false) => (of_proxy.to_vec(), of_cluster.into_iter().chain(of_vpc).chain(owner).collect()),
            _ => (of_cluster.to_vec(), of_proxy.into_iter().chain(of_vpc).chain(owner).collect()),
        };
        if let Some((name, _)) = needed.iter().find(|(_, given)| !given) {
            return Err(Error::Validation(format!("{name} is required for a custom key store of type {store_type}.")));
        }
        match refused.iter().find(|(_, given)| *given) {
            Some((name, _)) => Err(Error::Validation(format!("{name} is not valid for this custom key store of type {store_type}."))),
            None => Ok(()),
        }
    }

    fn proxy(&self) -> Result<Option<AskedProxy>, Error> {
        if self.custom_key_store_type.as_deref() != Some(EXTERNAL) {
            return Ok(None);
        }
        let missing = || Error::Internal("a member that was asked for is missing");
        Ok(Some(AskedProxy {
            connectivity: self.xks_proxy_connectivity.ok_or_else(missing)?,
            uri_endpoint: self.xks_proxy_uri_endpoint.clone().ok_or_else(missing)?,
            uri_path: self.xks_proxy_uri_path.clone().ok_or_else(missing)?,
            service_name: self.xks_proxy_vpc_endpoint_service_name.clone(),
            service_owner: self.xks_proxy_vpc_endpoint_service_owner.clone(),
            credential: self.xks_proxy_authentication_credential.clone().ok_or_else(missing)?,
        }))
    }

    /// (K135) A cluster as the request describes it.
    fn token(&self, call: &Call<'_>, account: AccountId, region: &Region, id: &str) -> Result<HsmToken, Error> {
        let missing = || Error::Internal("a member that was asked for is missing");
        let trust_anchor_certificate = self.trust_anchor_certificate.clone().ok_or_else(missing)?;
        if !is_certificate(&trust_anchor_certificate) {
            return Err(Error::KeyStore(KeyStoreError::IncorrectTrustAnchor));
        }
        let password = self.key_store_password.as_ref().ok_or_else(missing)?;
        Ok(HsmToken {
            cluster_id: self.cloud_hsm_cluster_id.clone().ok_or_else(missing)?,
            trust_anchor_certificate,
            password: seal_secret(call, account, region, id, password)?,
        })
    }
}

/// Whether a text is one certificate in PEM form; whose, nothing tells here.
fn is_certificate(text: &str) -> bool {
    let body = text.trim().strip_prefix("-----BEGIN CERTIFICATE-----").and_then(|rest| rest.strip_suffix("-----END CERTIFICATE-----"));
    let der = body.and_then(|body| {
        let digits: String = body.split_ascii_whitespace().collect();
        data_encoding::BASE64.decode(digits.as_bytes()).ok()
    });
    der.is_some_and(|der| der.first() == Some(&0x30))
}

impl AskedProxy {
    fn sealed(self, call: &Call<'_>, account: AccountId, region: &Region, id: &str) -> Result<XksProxy, Error> {
        let secret_access_key = seal_secret(call, account, region, id, &self.credential.raw_secret_access_key)?;
        Ok(XksProxy {
            connectivity: self.connectivity,
            uri_endpoint: self.uri_endpoint,
            uri_path: self.uri_path,
            vpc_endpoint_service_name: self.service_name,
            vpc_endpoint_service_owner: self.service_owner,
            access_key_id: self.credential.access_key_id,
            secret_access_key,
        })
    }
}

/// (A403) Decided by identity policies alone.
fn may(call: &mut Call<'_>, operation: Operation) -> Result<(), Error> {
    let facts = call.facts();
    let pattern = no_resource(call)?;
    call.authorize(&Target::new(Resource::None { pattern: pattern.into() }), &Request::new(permission(operation)?, facts)).map(|_| ())
}

/// (K135) `cks-` and 17 hexadecimal digits.
fn new_store_id(env: &Env) -> Result<String, Error> {
    let mut bytes = [0; ID_BYTES];
    env.entropy.fill(&mut bytes).map_err(|_| Error::Internal("randomness failed"))?;
    let digits = data_encoding::HEXLOWER.encode(&bytes);
    Ok(format!("cks-{}", digits.get(..ID_DIGITS).unwrap_or_default()))
}

fn named<'s>(state: &'s State, account: AccountId, region: &Region, name: &str) -> Option<&'s Arc<CustomKeyStore>> {
    state.custom_key_stores(account, region).find(|store| store.name == name)
}

/// The store that a request names.
pub(super) fn store_of(call: &Call<'_>, id: &str) -> Result<CustomKeyStore, Error> {
    let found = call.state.custom_key_store(call.account()?, call.region(), id);
    found.map(|store| CustomKeyStore::clone(store)).ok_or_else(|| Error::KeyStore(KeyStoreError::NotFound(id.to_owned())))
}

fn put(store: CustomKeyStore) -> Vec<Change> {
    vec![Change::Put(Entity::CustomKeyStore(Arc::new(store)))]
}

fn is_public(store: &CustomKeyStore) -> bool {
    match &store.backing {
        Backing::Proxy(proxy) => proxy.connectivity == Connectivity::PublicEndpoint,
        Backing::Token(_) => false,
    }
}

/// Whether what is behind a store is there to be reached, and nobody else's.
fn may_be_reached(call: &Call<'_>, store: &CustomKeyStore) -> Result<(), Error> {
    match &store.backing {
        Backing::Proxy(proxy) => proxy_may_be_reached(call, store, proxy),
        Backing::Token(token) => cluster_may_be_used(call, store, &token.cluster_id),
    }
}

/// (K135) A cluster is that of one store, of whatever account.
fn cluster_may_be_used(call: &Call<'_>, store: &CustomKeyStore, cluster: &str) -> Result<(), Error> {
    let refused = |error: fn(String) -> KeyStoreError| Err(Error::KeyStore(error(cluster.to_owned())));
    if !call.env.outside.has_cluster(cluster) {
        return refused(KeyStoreError::ClusterNotFound);
    }
    let is_same = |other: &CustomKeyStore| (other.account, &other.region, &other.id) == (store.account, &store.region, &store.id);
    let has_it = |other: &CustomKeyStore| other.backing.token().is_some_and(|token| token.cluster_id == cluster);
    match call.state.all_custom_key_stores().any(|other| has_it(other) && !is_same(other)) {
        true => refused(KeyStoreError::ClusterInUse),
        false => Ok(()),
    }
}

/// (K136) Whether a proxy's place is one, and nobody else's in this account and Region.
fn proxy_may_be_reached(call: &Call<'_>, store: &CustomKeyStore, proxy: &XksProxy) -> Result<(), Error> {
    if !call.env.outside.takes_endpoint(&proxy.uri_endpoint) {
        let message =
            "XksProxyUriEndpoint must begin with https://; this server takes http:// for loopback addresses only, and when --xks-allow-http says so.";
        return Err(Error::Validation(message.to_owned()));
    }
    for other in call.state.custom_key_stores(store.account, &store.region).filter(|other| other.id != store.id) {
        let Backing::Proxy(theirs) = &other.backing else { continue };
        let same_endpoint = theirs.uri_endpoint.eq_ignore_ascii_case(&proxy.uri_endpoint);
        let refused = if same_endpoint && theirs.uri_path == proxy.uri_path {
            KeyStoreError::UriInUse
        } else if same_endpoint && theirs.connectivity != proxy.connectivity {
            KeyStoreError::EndpointInUse
        } else if theirs.vpc_endpoint_service_name.is_some() && theirs.vpc_endpoint_service_name == proxy.vpc_endpoint_service_name {
            KeyStoreError::VpcServiceInUse
        } else {
            continue;
        };
        return Err(Error::KeyStore(refused));
    }
    Ok(())
}

macro_rules! by_id {
    ($name:ident, $text:literal, |$call:ident, $store:ident| $body:block) => {
        #[doc = concat!("`", $text, "`")]
        #[derive(Clone, Deserialize)]
        #[serde(rename_all = "PascalCase")]
        #[expect(missing_docs, reason = "the API's own members")]
        pub struct $name {
            pub custom_key_store_id: String,
        }

        impl Operate for $name {
            type Output = Nothing;
            const SERVICE: &'static str = "kms";
            const NAME: &'static str = $text;
            const MUTATES: bool = true;

            fn request_parameters(&self) -> Option<Box<RawValue>> {
                raw(&Parameters { custom_key_store_id: Some(&self.custom_key_store_id), ..Parameters::default() })
            }

            fn operate(self, $call: &mut Call<'_>) -> Result<Outcome<Nothing>, Error> {
                may($call, Operation::$name)?;
                let $store = store_of($call, &self.custom_key_store_id)?;
                $body.map(|changes| Outcome::changed(Nothing {}, changes))
            }
        }
    };
}

// [K137] The answer comes at once; what becomes of it, DescribeCustomKeyStores tells.
by_id!(ConnectCustomKeyStore, "ConnectCustomKeyStore", |call, store| {
    match store.connection {
        Connection::Disconnected => Ok(put(CustomKeyStore { connection: Connection::Connecting { since: call.now }, ..store })),
        Connection::Failed(_) => Err(wrong_state(&store, "Disconnect it, and connect it then.")),
        Connection::Connecting { .. } | Connection::Connected | Connection::Disconnecting { .. } => {
            Err(wrong_state(&store, "Only a custom key store that is DISCONNECTED can be connected."))
        }
    }
});

by_id!(DisconnectCustomKeyStore, "DisconnectCustomKeyStore", |call, store| {
    match store.connection {
        Connection::Disconnected | Connection::Disconnecting { .. } => Err(wrong_state(&store, "There is nothing to disconnect.")),
        Connection::Connecting { .. } | Connection::Connected | Connection::Failed(_) => {
            Ok(put(CustomKeyStore { connection: Connection::Disconnecting { since: call.now }, ..store }))
        }
    }
});

by_id!(DeleteCustomKeyStore, "DeleteCustomKeyStore", |call, store| {
    if store.connection != Connection::Disconnected {
        return Err(wrong_state(&store, "Only a custom key store that is DISCONNECTED can be deleted."));
    }
    // [K137] Keys that wait for their deletion are keys.
    let is_in = |key: &Arc<Key>| key.in_store.as_ref().is_some_and(|place| place.store == store.id);
    if call.state.keys(store.account, &store.region).any(is_in) {
        return Err(Error::KeyStore(KeyStoreError::HasKeys(store.id)));
    }
    Ok(vec![Change::Delete(EntityKey::CustomKeyStore(store.account, store.region, store.id))])
});

fn wrong_state(store: &CustomKeyStore, what: &str) -> Error {
    let message = format!("Custom key store '{}' is {}. {what}", store.id, store.connection.name());
    Error::KeyStore(KeyStoreError::InvalidState(message))
}

/// `UpdateCustomKeyStore`
#[derive(Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct UpdateCustomKeyStore {
    pub custom_key_store_id: String,
    pub new_custom_key_store_name: Option<String>,
    pub key_store_password: Option<Zeroizing<String>>,
    pub cloud_hsm_cluster_id: Option<String>,
    pub xks_proxy_uri_endpoint: Option<String>,
    pub xks_proxy_uri_path: Option<String>,
    pub xks_proxy_vpc_endpoint_service_name: Option<String>,
    pub xks_proxy_vpc_endpoint_service_owner: Option<String>,
    pub xks_proxy_authentication_credential: Option<XksProxyAuthenticationCredential>,
    pub xks_proxy_connectivity: Option<Connectivity>,
}

impl UpdateCustomKeyStore {
    fn concerns_proxy(&self) -> bool {
        self.moves_proxy() || self.xks_proxy_uri_path.is_some() || self.xks_proxy_authentication_credential.is_some()
    }

    /// (K138) What may not change under the feet of a connection.
    fn needs_disconnected(&self) -> bool {
        self.moves_proxy() || self.concerns_cluster()
    }

    fn moves_proxy(&self) -> bool {
        self.xks_proxy_uri_endpoint.is_some()
            || self.xks_proxy_connectivity.is_some()
            || self.xks_proxy_vpc_endpoint_service_name.is_some()
            || self.xks_proxy_vpc_endpoint_service_owner.is_some()
    }

    fn concerns_cluster(&self) -> bool {
        self.key_store_password.is_some() || self.cloud_hsm_cluster_id.is_some()
    }

    /// The token as it will be (K138).
    fn changed_token(&self, call: &Call<'_>, store: &CustomKeyStore, token: &HsmToken) -> Result<HsmToken, Error> {
        let mut changed = token.clone();
        if let Some(cluster) = &self.cloud_hsm_cluster_id {
            changed.cluster_id.clone_from(cluster);
        }
        if let Some(password) = &self.key_store_password {
            changed.password = seal_secret(call, store.account, &store.region, &store.id, password)?;
        }
        Ok(changed)
    }

    /// The proxy as it will be.
    fn changed(&self, call: &Call<'_>, store: &CustomKeyStore, proxy: &XksProxy) -> Result<XksProxy, Error> {
        let mut changed = proxy.clone();
        let set = |slot: &mut String, value: &Option<String>| {
            if let Some(value) = value {
                slot.clone_from(value);
            }
        };
        set(&mut changed.uri_endpoint, &self.xks_proxy_uri_endpoint);
        set(&mut changed.uri_path, &self.xks_proxy_uri_path);
        if let Some(credential) = &self.xks_proxy_authentication_credential {
            changed.access_key_id.clone_from(&credential.access_key_id);
            changed.secret_access_key = seal_secret(call, store.account, &store.region, &store.id, &credential.raw_secret_access_key)?;
        }
        changed.connectivity = self.xks_proxy_connectivity.unwrap_or(changed.connectivity);
        match changed.connectivity {
            Connectivity::PublicEndpoint => {
                if self.xks_proxy_vpc_endpoint_service_name.is_some() || self.xks_proxy_vpc_endpoint_service_owner.is_some() {
                    return Err(Error::Validation("XksProxyVpcEndpointServiceName is valid only with VPC_ENDPOINT_SERVICE connectivity.".to_owned()));
                }
                (changed.vpc_endpoint_service_name, changed.vpc_endpoint_service_owner) = (None, None);
            }
            Connectivity::VpcEndpointService => {
                let name = self.xks_proxy_vpc_endpoint_service_name.clone().or(changed.vpc_endpoint_service_name);
                let required = || Error::Validation("XksProxyVpcEndpointServiceName is required with VPC_ENDPOINT_SERVICE connectivity.".to_owned());
                changed.vpc_endpoint_service_name = Some(name.ok_or_else(required)?);
                changed.vpc_endpoint_service_owner = self.xks_proxy_vpc_endpoint_service_owner.clone().or(changed.vpc_endpoint_service_owner);
            }
        }
        Ok(changed)
    }
}

impl UpdateCustomKeyStore {
    /// Members are for one type of store.
    fn fits(&self, store: &CustomKeyStore) -> Result<(), Error> {
        let refused = |what: &str, store_type: &str| Err(Error::Validation(format!("{what} not valid for a custom key store of type {store_type}.")));
        match &store.backing {
            Backing::Proxy(_) if self.concerns_cluster() => refused("KeyStorePassword and CloudHsmClusterId are", EXTERNAL),
            Backing::Token(_) if self.concerns_proxy() => refused("What describes a proxy is", CLOUDHSM),
            _ => Ok(()),
        }
    }
}

impl Operate for UpdateCustomKeyStore {
    type Output = Nothing;
    const SERVICE: &'static str = "kms";
    const NAME: &'static str = "UpdateCustomKeyStore";
    const MUTATES: bool = true;

    fn request_parameters(&self) -> Option<Box<RawValue>> {
        raw(&Parameters {
            custom_key_store_id: Some(&self.custom_key_store_id),
            new_custom_key_store_name: self.new_custom_key_store_name.as_deref(),
            cloud_hsm_cluster_id: self.cloud_hsm_cluster_id.as_deref(),
            xks_proxy_connectivity: self.xks_proxy_connectivity,
            xks_proxy_uri_endpoint: self.xks_proxy_uri_endpoint.as_deref(),
            xks_proxy_uri_path: self.xks_proxy_uri_path.as_deref(),
            xks_proxy_vpc_endpoint_service_name: self.xks_proxy_vpc_endpoint_service_name.as_deref(),
            xks_proxy_vpc_endpoint_service_owner: self.xks_proxy_vpc_endpoint_service_owner.as_deref(),
            ..Parameters::default()
        })
    }

    fn again(&self) -> Option<Self> {
        Some(self.clone())
    }

    fn operate(self, call: &mut Call<'_>) -> Result<Outcome<Nothing>, Error> {
        may(call, Operation::UpdateCustomKeyStore)?;
        let mut store = store_of(call, &self.custom_key_store_id)?;
        self.fits(&store)?;
        if self.needs_disconnected() && store.connection != Connection::Disconnected {
            return Err(wrong_state(&store, "Only its name, and the URI path and credential of a proxy, can be changed then."));
        }
        if let Some(name) = &self.new_custom_key_store_name {
            match named(call.state, store.account, &store.region, name) {
                Some(other) if other.id != store.id => return Err(Error::KeyStore(KeyStoreError::NameInUse(name.clone()))),
                _ => store.name.clone_from(name),
            }
        }
        if self.concerns_cluster() || self.concerns_proxy() {
            store.backing = match &store.backing {
                Backing::Proxy(proxy) => Backing::Proxy(Box::new(self.changed(call, &store, proxy)?)),
                Backing::Token(token) => Backing::Token(Box::new(self.changed_token(call, &store, token)?)),
            };
            may_be_reached(call, &store).map_err(|error| match error {
                Error::KeyStore(KeyStoreError::ClusterInUse(id)) => Error::KeyStore(KeyStoreError::ClusterNotRelated(id)),
                error => error,
            })?;
            if is_public(&store) {
                probe(call, "UpdateCustomKeyStore", &store)?;
            }
        }
        Ok(Outcome::changed(Nothing {}, put(store)))
    }
}

/// `DescribeCustomKeyStores`
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct DescribeCustomKeyStores {
    pub custom_key_store_id: Option<String>,
    pub custom_key_store_name: Option<String>,
    pub limit: Option<usize>,
    pub marker: Option<String>,
}

/// A store in a list (K140).
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct CustomKeyStoresListEntry {
    pub custom_key_store_id: String,
    pub custom_key_store_name: String,
    pub connection_state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connection_error_code: Option<ConnectionError>,
    pub creation_date: EpochSeconds,
    pub custom_key_store_type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cloud_hsm_cluster_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trust_anchor_certificate: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub xks_proxy_configuration: Option<XksProxyConfiguration>,
}

/// A proxy in a list; without the secret (K140).
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct XksProxyConfiguration {
    pub connectivity: Connectivity,
    pub access_key_id: String,
    pub uri_endpoint: String,
    pub uri_path: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vpc_endpoint_service_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vpc_endpoint_service_owner: Option<String>,
}

/// The answer to `DescribeCustomKeyStores`.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct DescribeCustomKeyStoresOutput {
    pub custom_key_stores: Vec<CustomKeyStoresListEntry>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_marker: Option<String>,
    pub truncated: bool,
}

impl CustomKeyStoresListEntry {
    fn of(store: &CustomKeyStore) -> Self {
        let CustomKeyStore { account: _, region: _, id, name, created_at, connection, backing } = store;
        let proxy = match backing {
            Backing::Proxy(proxy) => Some(proxy),
            Backing::Token(_) => None,
        };
        Self {
            custom_key_store_id: id.clone(),
            custom_key_store_name: name.clone(),
            connection_state: connection.name(),
            connection_error_code: match connection {
                Connection::Failed(error) => Some(*error), // [K137]
                _ => None,
            },
            creation_date: EpochSeconds(*created_at),
            custom_key_store_type: backing.store_type(),
            cloud_hsm_cluster_id: backing.token().map(|token| token.cluster_id.clone()),
            trust_anchor_certificate: backing.token().map(|token| token.trust_anchor_certificate.clone()),
            xks_proxy_configuration: proxy.map(|proxy| XksProxyConfiguration {
                connectivity: proxy.connectivity,
                access_key_id: proxy.access_key_id.clone(),
                uri_endpoint: proxy.uri_endpoint.clone(),
                uri_path: proxy.uri_path.clone(),
                vpc_endpoint_service_name: proxy.vpc_endpoint_service_name.clone(),
                vpc_endpoint_service_owner: proxy.vpc_endpoint_service_owner.clone(),
            }),
        }
    }
}

impl Operate for DescribeCustomKeyStores {
    type Output = DescribeCustomKeyStoresOutput;
    const SERVICE: &'static str = "kms";
    const NAME: &'static str = "DescribeCustomKeyStores";
    const MUTATES: bool = false;

    fn request_parameters(&self) -> Option<Box<RawValue>> {
        raw(&Parameters {
            custom_key_store_id: self.custom_key_store_id.as_deref(),
            custom_key_store_name: self.custom_key_store_name.as_deref(),
            limit: self.limit,
            marker: self.marker.as_deref(),
            ..Parameters::default()
        })
    }

    fn operate(self, call: &mut Call<'_>) -> Result<Outcome<DescribeCustomKeyStoresOutput>, Error> {
        if self.custom_key_store_id.is_some() && self.custom_key_store_name.is_some() {
            return Err(Error::Validation("Specify either CustomKeyStoreId or CustomKeyStoreName, not both.".to_owned())); // [K138]
        }
        may(call, Operation::DescribeCustomKeyStores)?;
        let (account, region) = (call.account()?, call.region().clone());
        let not_found = |named: &str| Error::KeyStore(KeyStoreError::NotFound(named.to_owned()));
        let one = match (&self.custom_key_store_id, &self.custom_key_store_name) {
            (Some(id), _) => Some(call.state.custom_key_store(account, &region, id).ok_or_else(|| not_found(id))?),
            (None, Some(name)) => Some(named(call.state, account, &region, name).ok_or_else(|| not_found(name))?),
            (None, None) => None,
        };
        if let Some(store) = one {
            let custom_key_stores = vec![CustomKeyStoresListEntry::of(store)];
            return Ok(Outcome::unchanged(DescribeCustomKeyStoresOutput { custom_key_stores, next_marker: None, truncated: false }));
        }
        let place = |store: &&Arc<CustomKeyStore>| format!("{:020}/{}", store.created_at.as_millisecond(), store.id);
        let stores = call.state.custom_key_stores(account, &region);
        let page = page(call, "DescribeCustomKeyStores", STORES_PER_PAGE, self.limit, self.marker.as_deref(), stores, place)?;
        let custom_key_stores = page.items.into_iter().map(|store| CustomKeyStoresListEntry::of(store)).collect();
        Ok(Outcome::unchanged(DescribeCustomKeyStoresOutput {
            custom_key_stores,
            truncated: page.next_marker.is_some(),
            next_marker: page.next_marker,
        }))
    }
}

/// Goes on with every store that is about to connect or to disconnect: after a start, with those that the last process left so.
pub fn settle_all(host: &Arc<Host>) {
    let state = host.state();
    state.all_custom_key_stores().filter(|store| store.connection.is_in_transition()).for_each(|store| settle(host, store));
}

/// Goes on with a store that is about to connect or to disconnect, and notes what became of it (K137).
pub(crate) fn settle(host: &Arc<Host>, store: &Arc<CustomKeyStore>) {
    match store.connection {
        Connection::Connecting { .. } | Connection::Disconnecting { .. } if store.backing.token().is_some() => settle_token(host, store),
        Connection::Connecting { .. } => match health_question(host.vault(), host.env(), store) {
            Ok(question) => {
                let (asking, attempt) = (host.clone(), store.clone());
                host.env().outside.ask(
                    question,
                    Box::new(move |told| {
                        let failed = |failure: crate::error::ProxyFailure| Connection::Failed(failure.connection_error());
                        rest(&asking, &attempt, told.and_then(healthy).map_or_else(failed, |()| Connection::Connected));
                    }),
                );
            }
            Err(_) => rest(host, store, Connection::Failed(ConnectionError::InternalError)),
        },
        Connection::Disconnecting { .. } => rest(host, store, Connection::Disconnected),
        Connection::Disconnected | Connection::Connected | Connection::Failed(_) => {}
    }
}

/// (K137) A token takes the password, or forgets that it did.
fn settle_token(host: &Arc<Host>, store: &Arc<CustomKeyStore>) {
    let connects = matches!(store.connection, Connection::Connecting { .. });
    let request = if connects { HsmRequest::LogIn } else { HsmRequest::LogOut };
    let (asking, attempt) = (host.clone(), store.clone());
    let then = move |failure: Option<ConnectionError>| {
        let connection = match failure {
            // Whatever a token says to the end of a connection, it is over.
            _ if !connects => Connection::Disconnected,
            Some(error) => Connection::Failed(error),
            None => Connection::Connected,
        };
        rest(&asking, &attempt, connection);
    };
    match hsm::question(host.vault(), store, request) {
        Ok(question) => host.env().outside.ask_hsm(question, Box::new(move |told| then(told.err().map(HsmFailure::connection_error)))),
        Err(_) => then(Some(ConnectionError::InternalError)),
    }
}

/// The end of an attempt, unless something else was asked for in the meantime.
fn rest(host: &Arc<Host>, attempt: &CustomKeyStore, connection: Connection) {
    host.change_soon(|state| {
        let store = state.custom_key_store(attempt.account, &attempt.region, &attempt.id);
        let store = store.filter(|store| store.connection == attempt.connection);
        store.map(|store| put(CustomKeyStore { connection, ..CustomKeyStore::clone(store) })).unwrap_or_default()
    });
}
