//! Long-term access keys.

use std::sync::Arc;

use keyward_crypto::Purpose;
use serde::Serialize;
use serde_json::json;
use serde_json::value::RawValue;
use zeroize::Zeroizing;

use super::users::{named_or_caller, permitted_user};
use super::{About, IsoSeconds, SERVICE, page, refused};
use crate::call::{Call, Nothing, Outcome, raw};
use crate::caller::Identity;
use crate::entities::{AccessKey, AccessKeyOwner, Change, Entity, EntityKey, User};
use crate::error::{Error, IamCode};
use crate::state::State;
use crate::tokens::{new_id, new_secret};

/// Most access keys of a user (K271).
const ACCESS_KEYS_PER_USER_MAX: usize = 2;

/// The access keys of a user.
pub(super) fn of_user<'s>(state: &'s State, user: &'s User) -> impl Iterator<Item = &'s Arc<AccessKey>> {
    let owned =
        |key: &&Arc<AccessKey>| matches!(&key.owner, AccessKeyOwner::User { account, name } if *account == user.account && *name == user.name);
    state.access_keys().filter(owned)
}

/// Whose keys a request means, for a caller with the permission: a user's, or the root user's own.
fn permitted_owner(call: &mut Call<'_>, action: &str, name: Option<String>) -> Result<(AccessKeyOwner, String), Error> {
    if let (None, Identity::Root { account }) = (&name, &call.caller.identity) {
        return Ok((AccessKeyOwner::Root { account: *account }, String::new()));
    }
    let name = named_or_caller(call, name)?;
    let user = permitted_user(call, action, &name, About::default())?;
    Ok((AccessKeyOwner::User { account: user.account, name: user.name.clone() }, user.name.clone()))
}

fn owned_key(state: &State, owner: &AccessKeyOwner, id: &str) -> Result<Arc<AccessKey>, Error> {
    let key = state.access_key(id).filter(|key| key.owner == *owner);
    key.cloned().ok_or_else(|| refused(IamCode::NoSuchEntity, &format!("The Access Key with id {id} cannot be found.")))
}

/// A new access key, the only time that its secret is shown.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct NewAccessKey {
    pub user_name: String,
    pub access_key_id: String,
    pub status: &'static str,
    pub secret_access_key: Zeroizing<String>,
    pub create_date: IsoSeconds,
}

/// The answer to `CreateAccessKey`.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct CreateAccessKeyOutput {
    pub access_key: NewAccessKey,
}

impl CreateAccessKeyOutput {
    /// Which key was made, never its secret.
    fn recorded(&self) -> Option<Box<RawValue>> {
        let NewAccessKey { user_name, access_key_id, status, secret_access_key: _, create_date } = &self.access_key;
        raw(&json!({
            "accessKey": { "userName": user_name, "accessKeyId": access_key_id, "status": status, "createDate": create_date }
        }))
    }
}

operation! {
    CreateAccessKey { user_name: Option<String> } makes_secret -> CreateAccessKeyOutput,
    |input, call| {
        let (owner, user_name) = permitted_owner(call, "CreateAccessKey", input.user_name)?;
        if call.state.access_keys().filter(|key| key.owner == owner).count() >= ACCESS_KEYS_PER_USER_MAX {
            return Err(refused(IamCode::LimitExceeded, &format!("Cannot exceed quota for AccessKeysPerUser: {ACCESS_KEYS_PER_USER_MAX}")));
        }
        let (id, secret) = (new_id(call.env, "AKIA", 20)?, new_secret(call.env)?);
        let sealed = call.vault.root().seal(Purpose::AccessKeySecret, id.as_bytes(), secret.as_bytes(), &*call.env.entropy);
        let sealed = sealed.map_err(|_| Error::Internal("randomness failed"))?;
        let key = AccessKey { id: id.clone(), owner, secret: sealed, active: true, created_at: call.now };
        let access_key =
            NewAccessKey { user_name, access_key_id: id, status: "Active", secret_access_key: secret, create_date: IsoSeconds(call.now) };
        Ok(Outcome::changed(CreateAccessKeyOutput { access_key }, vec![Change::Put(Entity::AccessKey(Arc::new(key)))]))
    }
}

operation! {
    DeleteAccessKey { user_name: Option<String>, access_key_id: String } changes -> Nothing,
    |input, call| {
        let (owner, _) = permitted_owner(call, "DeleteAccessKey", input.user_name)?;
        let key = owned_key(call.state, &owner, &input.access_key_id)?;
        Ok(Outcome::changed(Nothing {}, vec![Change::Delete(EntityKey::AccessKey(key.id.clone()))]))
    }
}

operation! {
    UpdateAccessKey { user_name: Option<String>, access_key_id: String, status: String } changes -> Nothing,
    |input, call| {
        let active = match input.status.as_str() {
            "Active" => true,
            "Inactive" => false,
            other => return Err(super::names::violation(other, "status", "satisfy enum value set: [Active, Inactive]")),
        };
        let (owner, _) = permitted_owner(call, "UpdateAccessKey", input.user_name)?;
        let key = owned_key(call.state, &owner, &input.access_key_id)?;
        let changed = AccessKey { active, ..AccessKey::clone(&key) };
        Ok(Outcome::changed(Nothing {}, vec![Change::Put(Entity::AccessKey(Arc::new(changed)))]))
    }
}

/// An access key in a list.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct AccessKeyMetadata {
    pub user_name: String,
    pub access_key_id: String,
    pub status: &'static str,
    pub create_date: IsoSeconds,
}

/// The answer to `ListAccessKeys`.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct ListAccessKeysOutput {
    pub access_key_metadata: Vec<AccessKeyMetadata>,
    pub is_truncated: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub marker: Option<String>,
}

operation! {
    ListAccessKeys { user_name: Option<String>, marker: Option<String>, max_items: Option<usize> } reads -> ListAccessKeysOutput,
    |input, call| {
        let (owner, user_name) = permitted_owner(call, "ListAccessKeys", input.user_name)?;
        let keys = call.state.access_keys().filter(|key| key.owner == owner);
        let place = |key: &&Arc<AccessKey>| format!("{:020}/{}", key.created_at.as_millisecond(), key.id);
        let list = format!("ListAccessKeys\n{user_name}");
        let page = page(call, &list, input.max_items, input.marker.as_deref(), keys, place)?;
        let shown = |key: &Arc<AccessKey>| AccessKeyMetadata {
            user_name: user_name.clone(),
            access_key_id: key.id.clone(),
            status: if key.active { "Active" } else { "Inactive" },
            create_date: IsoSeconds(key.created_at),
        };
        let access_key_metadata = page.items.into_iter().map(shown).collect();
        Ok(Outcome::unchanged(ListAccessKeysOutput { access_key_metadata, is_truncated: page.next_marker.is_some(), marker: page.next_marker }))
    }
}
