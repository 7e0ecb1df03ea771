//! Keys in hardware security modules: what is asked of the tokens that stand for their clusters (K135–K139). The material of
//! such a key is in its token and nowhere else; what is kept here is the id by which the token finds it.

use keyward_authz::{KeyArn, KeyId};
use keyward_crypto::{EncryptionContext, HSM_IV_BYTES, Head, HsmCiphertext, MaterialId, Plaintext, for_hsm, from_hsm, hsm_aad};
use zeroize::Zeroizing;

use super::external::open_secret;
use super::stores::store_of;
use crate::call::Call;
use crate::entities::{Change, Connection, CustomKeyStore, EntityKey, InStore, Key, Material};
use crate::error::{Error, HsmFailure, KeyStoreError};
use crate::outside::{HsmQuestion, HsmReply, HsmRequest, Topic};
use crate::state::State;
use crate::vault::{ReadyKey, Vault};

/// Bytes of the id of a key, and behind them those of the id of its material.
const ID_BYTES: usize = 16;
const IDS_BYTES: usize = ID_BYTES + 32;

/// Encrypts in the token; the blob that callers get.
pub(super) fn encrypt(
    call: &mut Call<'_>,
    ready: &ReadyKey<'_>,
    head: &Head,
    context: &EncryptionContext,
    plaintext: &[u8],
) -> Result<Vec<u8>, Error> {
    let failed = |_| Error::Internal("encrypting failed");
    let entropy = call.env.entropy.clone();
    let told = ask_of_key(call, ready.key(), "Encrypt", || {
        let mut iv = [0; HSM_IV_BYTES];
        entropy.fill(&mut iv).map_err(|_| Error::Internal("randomness failed"))?;
        let plaintext = for_hsm(plaintext).map_err(failed)?;
        Ok(HsmRequest::Encrypt { key: head.material_id, iv, aad: hsm_aad(head, context), plaintext })
    })?;
    match told {
        HsmReply::Encrypted(ciphertext) => ciphertext.blob(head, plaintext.len()).map_err(failed),
        _ => Err(unexpected()),
    }
}

/// The way back.
pub(super) fn decrypt(call: &mut Call<'_>, ready: &ReadyKey<'_>, head: &Head, context: &EncryptionContext, blob: &[u8]) -> Result<Plaintext, Error> {
    let ciphertext = HsmCiphertext::in_blob(blob).map_err(|_| Error::InvalidCiphertext)?;
    // A token finds whatever has the id; only the key's own counts.
    if ready.key().materials.iter().all(|material| material.id != head.material_id) {
        return Err(Error::InvalidCiphertext);
    }
    let aad = hsm_aad(head, context);
    match ask_of_key(call, ready.key(), "Decrypt", || Ok(HsmRequest::Decrypt { key: head.material_id, ciphertext, aad }))? {
        HsmReply::Bytes(bytes) => from_hsm(&bytes).map_err(|_| Error::InvalidCiphertext),
        _ => Err(unexpected()),
    }
}

/// The ids of a new key and of its material. They stay the same when the operation begins again.
pub(super) fn new_ids(call: &mut Call<'_>) -> Result<(KeyId, MaterialId), Error> {
    let entropy = call.env.entropy.clone();
    let drawn = call.conversation.keep(|| {
        let mut bytes = Zeroizing::new(vec![0; IDS_BYTES]);
        entropy.fill(&mut bytes).map_err(|_| Error::Internal("randomness failed"))?;
        Ok(bytes)
    })?;
    let ids = drawn.split_first_chunk::<ID_BYTES>().and_then(|(id, material)| Some((id, material.first_chunk::<32>()?)));
    let (id, material) = ids.ok_or(Error::Internal("ids are cut"))?;
    let id = uuid::Builder::from_random_bytes(*id).into_uuid().to_string();
    Ok((id.parse().map_err(|_| Error::Internal("a key id that is none"))?, MaterialId::from_bytes(*material)))
}

/// Makes a key in the token, which nothing can take out of it.
pub(super) fn make(call: &mut Call<'_>, place: &InStore, arn: &KeyArn, id: MaterialId) -> Result<Material, Error> {
    let store = store_of(call, &place.store)?;
    let label = arn.as_str().to_owned();
    ask_of_store(call, &store, format!("{arn} Generate"), HsmRequest::Generate { key: id, label })?;
    Ok(Material { id, sealed: None, created_at: call.now, rotation: None, imported: None })
}

/// Random bytes of the token.
pub(super) fn random(call: &mut Call<'_>, store: &CustomKeyStore, length: usize) -> Result<Zeroizing<Vec<u8>>, Error> {
    is_connected(store)?;
    match ask_of_store(call, store, format!("{length} Random"), HsmRequest::Random { length })? {
        HsmReply::Bytes(bytes) if bytes.len() == length => Ok(bytes),
        _ => Err(unexpected()),
    }
}

/// (K139)
pub(super) fn is_connected(store: &CustomKeyStore) -> Result<(), Error> {
    match store.connection {
        Connection::Connected => Ok(()),
        _ => Err(Error::KeyStore(KeyStoreError::ClusterNotConnected(store.id.clone()))),
    }
}

/// What a store's token is asked, as the user that the store has.
pub(super) fn question(vault: &Vault, store: &CustomKeyStore, request: HsmRequest) -> Result<HsmQuestion, Error> {
    let token = store.backing.token().ok_or(Error::Internal("a token of a store that has a proxy"))?;
    Ok(HsmQuestion { cluster: token.cluster_id.clone(), password: open_secret(vault, store, &token.password)?, request })
}

/// What is to be destroyed in tokens because of keys that end here (K92). AWS, too, only tries: what a token does not do then stays in it.
pub(crate) fn ended_in_hsms(state: &State, changes: &[Change], vault: &Vault) -> Vec<HsmQuestion> {
    let ended = changes.iter().filter_map(|change| match change {
        Change::Delete(EntityKey::Key(arn)) => state.key(arn),
        _ => None,
    });
    let destructions = ended.filter(|key| key.is_in_hsm()).flat_map(|key| {
        let store = key.in_store.as_ref().and_then(|place| state.custom_key_store(key.arn().account(), key.arn().region(), &place.store));
        let destroy = |material: &Material| question(vault, store?, HsmRequest::Destroy { key: material.id }).ok();
        key.materials.iter().filter_map(destroy).collect::<Vec<_>>()
    });
    destructions.collect()
}

/// [A1010] In which store the key is stands in the call's record, however the call ends.
fn ask_of_key(call: &mut Call<'_>, key: &Key, verb: &str, request: impl FnOnce() -> Result<HsmRequest, Error>) -> Result<HsmReply, Error> {
    let place = key.in_store.as_ref().ok_or(Error::Internal("a key of no store"))?;
    call.remark(&serde_json::json!({ "customKeyStoreId": place.store }));
    let store = call.state.custom_key_store(key.arn().account(), key.arn().region(), &place.store);
    let store = store.ok_or(Error::Internal("a key of a store that is gone"))?;
    let (vault, topic) = (call.vault, Topic(format!("{} {} {verb}", store.id, key.arn())));
    call.conversation.ask_hsm(topic, || question(vault, store, request()?))?.map_err(|failure| match failure {
        HsmFailure::NotOpened => Error::InvalidCiphertext, // [T37]
        failure => Error::KeyStore(KeyStoreError::HsmOfKey(failure)),
    })
}

fn ask_of_store(call: &mut Call<'_>, store: &CustomKeyStore, about: String, request: HsmRequest) -> Result<HsmReply, Error> {
    let (vault, topic) = (call.vault, Topic(format!("{} {about}", store.id)));
    let told = call.conversation.ask_hsm(topic, || question(vault, store, request))?;
    told.map_err(|failure| Error::KeyStore(KeyStoreError::HsmOfStore(failure)))
}

fn unexpected() -> Error {
    Error::Internal("a token answered something else than it was asked")
}
