//! What the operator makes: accounts and their root access keys.

use jiff::Timestamp;
use keyward_crypto::Purpose;
use keyward_policy::AccountId;
use std::sync::Arc;
use zeroize::Zeroizing;

use crate::entities::{AccessKey, AccessKeyOwner, Account, Change, Entity};
use crate::error::Error;
use crate::host::Host;
use crate::state::State;
use crate::tokens::{new_id, new_secret};

/// An access key with its secret in the clear, for the operator's eyes.
pub struct RevealedKey {
    /// The account.
    pub account: AccountId,
    /// `AKIA…`
    pub access_key_id: String,
    /// 40 characters.
    pub secret_access_key: Zeroizing<String>,
}

/// Makes an account with a root access key.
///
/// # Errors
/// [`Error::Validation`] if the account exists; [`Error::Unrecorded`] if it cannot be stored.
pub fn create_account(host: &Host, id: AccountId, name: Option<String>) -> Result<RevealedKey, Error> {
    host.administer(|state, host| {
        if state.account(id).is_some() {
            return Err(Error::Validation(format!("account {id} exists already")));
        }
        let now: Timestamp = host.now();
        let account = Account { id, name, created_at: now };
        let access_key_id = new_id(host.env(), "AKIA", 20)?;
        let secret_access_key = new_secret(host.env())?;
        let entropy = &*host.env().entropy;
        let sealed = host.vault().root().seal(Purpose::AccessKeySecret, access_key_id.as_bytes(), secret_access_key.as_bytes(), entropy);
        let key = AccessKey {
            id: access_key_id.clone(),
            owner: AccessKeyOwner::Root { account: id },
            secret: sealed.map_err(|_| Error::Internal("randomness failed"))?,
            active: true,
            created_at: now,
        };
        let changes = vec![Change::Put(Entity::Account(Arc::new(account))), Change::Put(Entity::AccessKey(Arc::new(key)))];
        Ok((RevealedKey { account: id, access_key_id, secret_access_key }, changes))
    })
}

/// A random account number, first digit not zero.
///
/// # Errors
/// [`Error::Internal`] when randomness fails.
pub fn new_account_id(host: &Host) -> Result<AccountId, Error> {
    let mut bytes = [0; 12];
    host.env().entropy.fill(&mut bytes).map_err(|_| Error::Internal("randomness failed"))?;
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
        keys.push(RevealedKey { account, access_key_id: key.id.clone(), secret_access_key });
    }
    keys.sort_by(|a, b| (a.account, &a.access_key_id).cmp(&(b.account, &b.access_key_id)));
    Ok(keys)
}
