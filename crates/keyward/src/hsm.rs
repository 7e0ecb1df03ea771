//! Tokens of a PKCS#11 module, which stand for clusters of hardware security modules (K135). The module is a C library that is
//! loaded into this process, and nothing else here touches it.
//!
//! What is asked of a token blocks as long as the token likes, so each has a thread of its own: one that is slow holds up
//! its own keys and nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::mpsc::{self, Receiver, Sender, SyncSender, TrySendError};
use std::sync::{Mutex, PoisonError};
use std::thread::Builder;
use std::time::Duration;

use anyhow::{Context, bail};
use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::{Error, RvError};
use cryptoki::mechanism::Mechanism;
use cryptoki::mechanism::aead::GcmParams;
use cryptoki::object::{Attribute, ObjectClass, ObjectHandle};
use cryptoki::session::{Session, UserType};
use cryptoki::slot::Slot;
use cryptoki::types::AuthPin;
use keyward_crypto::{HSM_IV_BYTES, HsmCiphertext, MaterialId};
use keyward_service::{HsmFailure, HsmQuestion, HsmReply, HsmRequest, HsmThen};
use tokio::runtime::Handle;
use zeroize::Zeroizing;

/// Most questions that wait for one token; further ones are told that it is busy.
const WAITING_MAX: usize = 256;
/// How long the end of the server waits for a token that is at work.
const END: Duration = Duration::from_secs(1);
/// Bits of a tag.
const TAG_BITS: u64 = 128;
/// Bytes of an AES key.
const KEY_BYTES: u64 = 32;

/// The tokens of a module, by cluster.
pub(crate) struct Tokens {
    clusters: BTreeMap<String, Cluster>,
    module: Option<Pkcs11>,
}

/// The way to the thread of a cluster's token.
struct Cluster {
    questions: SyncSender<Asked>,
    /// Hangs up when the thread ends.
    ended: Mutex<Receiver<()>>,
}

struct Asked {
    question: HsmQuestion,
    then: HsmThen,
    /// Where whoever asked goes on, if that was in a runtime.
    runtime: Option<Handle>,
}

impl Tokens {
    /// Loads a module, and gives every cluster the thread of the token that is labelled so. Tokens may come later.
    pub(crate) fn load(module: &Path, clusters: &[(String, String)]) -> anyhow::Result<Self> {
        let labels: BTreeSet<&str> = clusters.iter().map(|(_, label)| label.as_str()).collect();
        let ids: BTreeSet<&str> = clusters.iter().map(|(id, _)| id.as_str()).collect();
        if labels.len() < clusters.len() || ids.len() < clusters.len() {
            bail!("--pkcs11-cluster names a cluster or a token twice; each token stands for one cluster");
        }
        let module = Pkcs11::new(module).with_context(|| format!("cannot load the PKCS#11 module {}", module.display()))?;
        module.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)).context("the PKCS#11 module does not start")?;
        let mut threads = BTreeMap::new();
        for (id, label) in clusters {
            let (questions, receiver) = mpsc::sync_channel(WAITING_MAX);
            let (ends, ended) = mpsc::channel();
            let token = Token { module: module.clone(), label: label.clone(), session: None, is_disconnected: false };
            Builder::new().name("keyward-token".into()).spawn(move || token.run(&receiver, ends)).context("no thread for a token")?;
            threads.insert(id.clone(), Cluster { questions, ended: Mutex::new(ended) });
        }
        Ok(Self { clusters: threads, module: Some(module) })
    }

    pub(crate) fn has(&self, cluster: &str) -> bool {
        self.clusters.contains_key(cluster)
    }

    /// Has a question answered when its turn comes.
    pub(crate) fn ask(&self, question: HsmQuestion, then: HsmThen) {
        let Some(cluster) = self.clusters.get(&question.cluster) else { return then(Err(HsmFailure::NoToken)) };
        match cluster.questions.try_send(Asked { question, then, runtime: Handle::try_current().ok() }) {
            Ok(()) => {}
            Err(TrySendError::Full(asked)) => (asked.then)(Err(HsmFailure::Busy)),
            Err(TrySendError::Disconnected(asked)) => (asked.then)(Err(HsmFailure::Failed)),
        }
    }
}

impl Drop for Tokens {
    /// Tokens are left properly, if they let themselves be left: some modules fail when the process ends under their hands.
    fn drop(&mut self) {
        let ended: Vec<_> = std::mem::take(&mut self.clusters).into_values().map(|cluster| cluster.ended).collect();
        let timed_out = |ended: Mutex<Receiver<()>>| {
            ended.into_inner().unwrap_or_else(PoisonError::into_inner).recv_timeout(END) == Err(mpsc::RecvTimeoutError::Timeout)
        };
        let works = ended.into_iter().filter_map(|ended| timed_out(ended).then_some(())).count();
        if works == 0
            && let Some(module) = self.module.take()
        {
            let _ = module.finalize();
        }
    }
}

/// One token, seen from its thread.
struct Token {
    module: Pkcs11,
    label: String,
    session: Option<Session>,
    /// Whether its store was disconnected. After a start that is not known: whoever asks then has a store that is connected.
    is_disconnected: bool,
}

/// Why a token does not do what it is asked.
enum Trouble {
    /// It must be entered again.
    Lost(HsmFailure),
    Told(HsmFailure),
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        tracing::debug!(%error, "a token failed");
        match error {
            Error::Pkcs11(RvError::PinIncorrect | RvError::PinInvalid | RvError::PinLenRange | RvError::PinExpired, _) => {
                Self::Told(HsmFailure::WrongPassword)
            }
            Error::Pkcs11(RvError::PinLocked, _) => Self::Told(HsmFailure::LockedOut),
            Error::Pkcs11(RvError::UserPinNotInitialized, _) => Self::Told(HsmFailure::NoUser),
            Error::Pkcs11(RvError::TokenNotPresent | RvError::TokenNotRecognized | RvError::SlotIdInvalid, _) => Self::Lost(HsmFailure::NoToken),
            Error::Pkcs11(
                RvError::SessionHandleInvalid | RvError::SessionClosed | RvError::UserNotLoggedIn | RvError::DeviceRemoved | RvError::DeviceError,
                _,
            ) => Self::Lost(HsmFailure::Failed),
            _ => Self::Told(HsmFailure::Failed),
        }
    }
}

impl Trouble {
    fn failure(self) -> HsmFailure {
        match self {
            Self::Lost(failure) | Self::Told(failure) => failure,
        }
    }
}

impl Token {
    fn run(mut self, questions: &Receiver<Asked>, ends: Sender<()>) {
        while let Ok(Asked { question, then, runtime }) = questions.recv() {
            let told = self.answer(&question);
            match runtime {
                // What follows may ask a proxy, and is nothing that this token should wait for.
                Some(runtime) => drop(runtime.spawn(async move { then(told) })),
                None => then(told),
            }
        }
        self.leave();
        drop(self);
        drop(ends);
    }

    fn answer(&mut self, question: &HsmQuestion) -> Result<HsmReply, HsmFailure> {
        match &question.request {
            HsmRequest::LogIn => {
                self.leave();
                self.is_disconnected = true;
                self.enter(&question.password).map_err(Trouble::failure)?;
                self.is_disconnected = false;
                Ok(HsmReply::Done)
            }
            HsmRequest::LogOut => {
                self.leave();
                self.is_disconnected = true;
                Ok(HsmReply::Done)
            }
            _ if self.is_disconnected => Err(HsmFailure::LoggedOut),
            request => match self.work(&question.password, request) {
                // A token that was away, or has started anew, gets a second chance.
                Err(Trouble::Lost(_)) => {
                    self.leave();
                    self.work(&question.password, request).map_err(Trouble::failure)
                }
                told => told.map_err(Trouble::failure),
            },
        }
    }

    fn leave(&mut self) {
        if let Some(session) = self.session.take() {
            let _ = session.logout();
        }
    }

    /// The session in which everything is done, as the token's user.
    fn enter(&mut self, password: &Zeroizing<String>) -> Result<&Session, Trouble> {
        if self.session.is_none() {
            let session = self.module.open_rw_session(self.slot()?)?;
            let pin = AuthPin::from(password.as_str());
            match session.login(UserType::User, Some(&pin)) {
                // Of what this process did before, nothing else is left; but the password is still to be tried.
                Err(Error::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => {
                    session.logout()?;
                    session.login(UserType::User, Some(&pin))?;
                }
                told => told?,
            }
            self.session = Some(session);
        }
        self.session.as_ref().ok_or(Trouble::Told(HsmFailure::Failed))
    }

    fn slot(&self) -> Result<Slot, Trouble> {
        let slots = self.module.get_slots_with_token()?;
        let is_it = |slot: &Slot| self.module.get_token_info(*slot).is_ok_and(|info| info.label() == self.label);
        slots.into_iter().find(is_it).ok_or(Trouble::Told(HsmFailure::NoToken))
    }

    fn work(&mut self, password: &Zeroizing<String>, request: &HsmRequest) -> Result<HsmReply, Trouble> {
        let session = self.enter(password)?;
        match request {
            HsmRequest::LogIn | HsmRequest::LogOut => Ok(HsmReply::Done),
            HsmRequest::Generate { key, label } => generate(session, key, label),
            HsmRequest::Encrypt { key, iv, aad, plaintext } => encrypt(session, key, *iv, aad, plaintext),
            HsmRequest::Decrypt { key, ciphertext, aad } => decrypt(session, key, ciphertext, aad),
            HsmRequest::Random { length } => {
                let mut bytes = Zeroizing::new(vec![0; *length]);
                session.generate_random_slice(&mut bytes)?;
                Ok(HsmReply::Bytes(bytes))
            }
            HsmRequest::Destroy { key } => {
                session.destroy_object(find(session, key)?)?;
                Ok(HsmReply::Done)
            }
        }
    }
}

/// The attributes say what AWS says of its keys there: nobody takes them out, in whatever wrapping.
fn generate(session: &Session, key: &MaterialId, label: &str) -> Result<HsmReply, Trouble> {
    let template = [
        Attribute::Class(ObjectClass::SECRET_KEY),
        Attribute::Token(true),
        Attribute::Private(true),
        Attribute::Sensitive(true),
        Attribute::Extractable(false),
        Attribute::Encrypt(true),
        Attribute::Decrypt(true),
        Attribute::ValueLen(KEY_BYTES.into()),
        Attribute::Id(key.as_bytes().to_vec()),
        Attribute::Label(label.as_bytes().to_vec()),
    ];
    session.generate_key(&Mechanism::AesKeyGen, &template)?;
    Ok(HsmReply::Done)
}

fn find(session: &Session, key: &MaterialId) -> Result<ObjectHandle, Trouble> {
    let template = [Attribute::Class(ObjectClass::SECRET_KEY), Attribute::Id(key.as_bytes().to_vec())];
    session.find_objects(&template)?.first().copied().ok_or(Trouble::Told(HsmFailure::NoKey))
}

fn encrypt(session: &Session, key: &MaterialId, mut iv: [u8; HSM_IV_BYTES], aad: &[u8], plaintext: &[u8]) -> Result<HsmReply, Trouble> {
    let key = find(session, key)?;
    let sealed = session.encrypt(&Mechanism::AesGcm(GcmParams::new(&mut iv, aad, TAG_BITS.into())?), key, plaintext)?;
    // Modules that take only IVs of their own have put it in the place of ours.
    Ok(HsmReply::Encrypted(HsmCiphertext { iv, sealed }))
}

fn decrypt(session: &Session, key: &MaterialId, ciphertext: &HsmCiphertext, aad: &[u8]) -> Result<HsmReply, Trouble> {
    let (key, mut iv) = (find(session, key)?, ciphertext.iv);
    let told = session.decrypt(&Mechanism::AesGcm(GcmParams::new(&mut iv, aad, TAG_BITS.into())?), key, &ciphertext.sealed);
    match told {
        Ok(plaintext) => Ok(HsmReply::Bytes(Zeroizing::new(plaintext))),
        Err(Error::Pkcs11(RvError::EncryptedDataInvalid | RvError::EncryptedDataLenRange | RvError::SignatureInvalid, _)) => {
            Err(Trouble::Told(HsmFailure::NotOpened))
        }
        // A wrong tag is a failure like any other for some modules; it is the ciphertext's if the module works otherwise.
        Err(Error::Pkcs11(RvError::GeneralError | RvError::FunctionFailed | RvError::DataInvalid, _)) => {
            session.generate_random_slice(&mut [0])?;
            Err(Trouble::Told(HsmFailure::NotOpened))
        }
        Err(error) => Err(error.into()),
    }
}
