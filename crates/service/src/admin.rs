//! What the operator makes: accounts with their root access keys, service doors, and VPC endpoints.

use std::sync::Arc;

use keyward_authz::AuthorizationMessage;
use keyward_crypto::Purpose;
use keyward_policy::{AccountId, Partition, Policy, PolicyKind, Region};
use zeroize::Zeroizing;

use crate::entities::{AccessKey, AccessKeyOwner, Account, Change, Door, Entity, EntityKey, VpcEndpoint};
use crate::env::Env;
use crate::error::Error;
use crate::host::Host;
use crate::state::State;
use crate::tokens::{new_id, new_secret, seal_for_client};

/// An access key with its secret in the clear, for the operator's eyes.
pub struct RevealedKey {
    /// The account.
    pub account: AccountId,
    /// Its partition.
    pub partition: Partition,
    /// `AKIA…`
    pub access_key_id: String,
    /// 40 characters.
    pub secret_access_key: Zeroizing<String>,
}

/// A door with its access key in the clear, for the operator's eyes.
pub struct RevealedDoor {
    /// The door.
    pub door: Arc<Door>,
    /// `AKIA…`
    pub access_key_id: String,
    /// 40 characters.
    pub secret_access_key: Zeroizing<String>,
}

/// Makes an account with a root access key.
///
/// # Errors
/// [`Error::Validation`] if the account exists; [`Error::Unrecorded`] if it cannot be stored.
pub fn create_account(host: &Host, id: AccountId, name: Option<String>, partition: Partition) -> Result<RevealedKey, Error> {
    host.administer(|state, host| {
        if state.account(id).is_some() {
            return Err(Error::Validation(format!("account {id} exists already")));
        }
        let account = Account { id, name, email: None, partition, created_at: host.now() };
        let (key, stored) = new_access_key(host, AccessKeyOwner::Root { account: id })?;
        let revealed = RevealedKey { account: id, partition, access_key_id: key.0, secret_access_key: key.1 };
        Ok((revealed, vec![Change::Put(Entity::Account(Arc::new(account))), Change::Put(Entity::AccessKey(Arc::new(stored)))]))
    })
}

/// Makes a service door, and shows its access key for the only time.
///
/// # Errors
/// [`Error::Validation`] if the service has a door in the Region, or is no name of one.
pub fn create_door(host: &Host, service: &str, region: &Region) -> Result<RevealedDoor, Error> {
    host.administer(|state, host| {
        let door = Door::new(service, region.clone(), new_id(host.env(), "DOOR", 21)?, host.now())
            .ok_or_else(|| Error::Validation(format!("a service is one label such as s3 or secretsmanager, not `{service}`")))?;
        if state.door(&door.id).is_some() {
            return Err(Error::Validation(format!("{service} has a door in {region} already; delete it with `keyward door delete {}`", door.id)));
        }
        let (key, stored) = new_access_key(host, AccessKeyOwner::Door { door: door.id.clone() })?;
        let door = Arc::new(door);
        let revealed = RevealedDoor { door: door.clone(), access_key_id: key.0, secret_access_key: key.1 };
        Ok((revealed, vec![Change::Put(Entity::Door(door)), Change::Put(Entity::AccessKey(Arc::new(stored)))]))
    })
}

/// Removes a service door and its access keys. The sessions that it made end with it.
///
/// # Errors
/// [`Error::Validation`] if there is none.
pub fn delete_door(host: &Host, id: &str) -> Result<(), Error> {
    host.administer(|state, _| {
        state.door(id).ok_or_else(|| Error::Validation(format!("there is no door `{id}`; `keyward door list` shows them")))?;
        let owned = |key: &&Arc<AccessKey>| matches!(&key.owner, AccessKeyOwner::Door { door } if door == id);
        let keys = state.access_keys().filter(owned).map(|key| Change::Delete(EntityKey::AccessKey(key.id.clone())));
        Ok(((), keys.chain([Change::Delete(EntityKey::Door(id.to_owned()))]).collect()))
    })
}

/// A VPC endpoint to be made.
pub struct WantedEndpoint {
    /// `vpce-…`; a random one if it is missing.
    pub id: Option<String>,
    /// `vpc-…`
    pub vpc: String,
    /// Whose it is.
    pub account: AccountId,
    /// `kms`, …
    pub service: String,
    /// The Region of the service.
    pub region: Region,
    /// The text of its policy; none is the default one, which allows everything.
    pub policy: Option<String>,
}

/// Makes a VPC endpoint. Calls come through it when a listener is opened for it.
///
/// # Errors
/// [`Error::Validation`] if it exists, its account does not, or a name or the policy is wrong.
pub fn create_endpoint(host: &Host, wanted: WantedEndpoint) -> Result<Arc<VpcEndpoint>, Error> {
    host.administer(|state, host| {
        let WantedEndpoint { id, vpc, account, service, region, policy } = wanted;
        let id = id.map_or_else(|| new_endpoint_id(host.env()), Ok)?;
        if state.vpc_endpoint(&id).is_some() {
            return Err(Error::Validation(format!("there is an endpoint {id} already; delete it with `keyward endpoint delete {id}`")));
        }
        if state.account(account).is_none() {
            return Err(Error::Validation(format!("there is no account {account}; `keyward account list` shows them")));
        }
        let policy = policy.map(|text| endpoint_policy(&text)).transpose()?;
        let endpoint = VpcEndpoint { id, vpc, account, service, region, policy, created_at: host.now() };
        match endpoint.fault() {
            Some(fault) => Err(Error::Validation(fault)),
            None => {
                let endpoint = Arc::new(endpoint);
                Ok((endpoint.clone(), vec![Change::Put(Entity::VpcEndpoint(endpoint))]))
            }
        }
    })
}

/// Longest encoded authorization message (STS takes no longer one).
const ENCODED_MESSAGE_CHARS_MAX: usize = 10_240;

/// An authorization message, sealed for the account of the caller who was refused: what AWS's services that tell more of a
/// refusal put into their errors. KMS is none of them (A911), so it is the operator who hands it on.
///
/// # Errors
/// [`Error::Internal`] when randomness fails.
pub fn encode_authorization_message(host: &Host, account: AccountId, mut message: AuthorizationMessage) -> Result<String, Error> {
    loop {
        let text = serde_json::to_string(&message).map_err(|_| Error::Internal("a message does not encode"))?;
        let sealed = seal_for_client(host.vault().root(), host.env(), Purpose::AuthorizationMessage, account.as_str(), text.as_bytes())?;
        // What does not fit is left out from the end: first of the circumstances, then of the statements.
        if sealed.len() <= ENCODED_MESSAGE_CHARS_MAX
            || (message.context.conditions.items.pop().is_none() && message.matched_statements.items.pop().is_none())
        {
            return Ok(sealed);
        }
    }
}

/// Reads the policy of an endpoint.
///
/// # Errors
/// [`Error::Validation`] with its first fault.
pub(crate) fn endpoint_policy(text: &str) -> Result<Policy, Error> {
    Policy::parse_strict(PolicyKind::Endpoint, text).map_err(|issue| Error::Validation(issue.message))
}

fn new_endpoint_id(env: &Env) -> Result<String, Error> {
    let mut bytes = [0; 9];
    env.entropy.fill(&mut bytes).map_err(|_| Error::Internal("randomness failed"))?;
    // As AWS's: seventeen digits.
    let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(format!("vpce-{}", digits.chars().skip(1).collect::<String>()))
}

/// Removes a VPC endpoint. A listener that is open for it refuses every call from then on.
///
/// # Errors
/// [`Error::Validation`] if there is none.
pub fn delete_endpoint(host: &Host, id: &str) -> Result<(), Error> {
    host.administer(|state, _| {
        state.vpc_endpoint(id).ok_or_else(|| Error::Validation(format!("there is no endpoint `{id}`; `keyward endpoint list` shows them")))?;
        Ok(((), vec![Change::Delete(EntityKey::VpcEndpoint(id.to_owned()))]))
    })
}

type NewKey = (String, Zeroizing<String>);

fn new_access_key(host: &Host, owner: AccessKeyOwner) -> Result<(NewKey, AccessKey), Error> {
    let (id, secret) = (new_id(host.env(), "AKIA", 20)?, new_secret(host.env())?);
    let sealed = host.vault().root().seal(Purpose::AccessKeySecret, id.as_bytes(), secret.as_bytes(), &*host.env().entropy);
    let sealed = sealed.map_err(|_| Error::Internal("randomness failed"))?;
    let key = AccessKey { id: id.clone(), owner, secret: sealed, active: true, created_at: host.now() };
    Ok(((id, secret), key))
}

/// A random account number, first digit not zero.
///
/// # Errors
/// [`Error::Internal`] when randomness fails.
pub fn new_account_id(host: &Host) -> Result<AccountId, Error> {
    random_account_id(host.env())
}

/// The same, within a call.
pub(crate) fn random_account_id(env: &Env) -> Result<AccountId, Error> {
    let mut bytes = [0; 12];
    env.entropy.fill(&mut bytes).map_err(|_| Error::Internal("randomness failed"))?;
    let digits = bytes.iter().enumerate().map(|(at, byte)| char::from(b'0' + if at == 0 { 1 + byte % 9 } else { byte % 10 }));
    digits.collect::<String>().parse().map_err(|_| Error::Internal("an account that is none"))
}

/// The root access keys of all accounts, or of one.
///
/// # Errors
/// [`Error::Internal`] when a sealed secret does not open.
pub fn root_access_keys(host: &Host, state: &State, wanted: Option<AccountId>) -> Result<Vec<RevealedKey>, Error> {
    let mut keys = Vec::new();
    for key in state.access_keys().filter(|key| key.active) {
        let AccessKeyOwner::Root { account } = key.owner else { continue };
        if wanted.is_some_and(|wanted| wanted != account) {
            continue;
        }
        let bytes = host.vault().root().open(Purpose::AccessKeySecret, key.id.as_bytes(), &key.secret);
        let bytes = bytes.map_err(|_| Error::Internal("an access key secret does not open under the root key"))?;
        let secret_access_key = Zeroizing::new(String::from_utf8_lossy(&bytes).into_owned());
        keys.push(RevealedKey { account, partition: state.partition(account), access_key_id: key.id.clone(), secret_access_key });
    }
    keys.sort_by(|a, b| (a.account, &a.access_key_id).cmp(&(b.account, &b.access_key_id)));
    Ok(keys)
}
