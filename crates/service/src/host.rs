//! Runs calls: against one revision, recorded before they are answered, committed in groups.
//!
//! Reading calls run side by side on the newest durable revision. Changing calls run one after the other on the
//! newest revision of all, which may not be durable yet; each is queued in that order, so whatever it was based on
//! reaches the disk before it or with it. One thread writes: it takes all that waits, commits it in one transaction
//! (one fsync for many calls), publishes the newest revision, and only then lets the calls answer.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, mpsc};
use std::thread::JoinHandle;

use arc_swap::{ArcSwap, ArcSwapOption};
use jiff::Timestamp;
use keyward_authz::Explanation;
use keyward_crypto::{Entropy, KeyMaterial, Purpose, RootKey};
use keyward_policy::{AccountId, Partition, Region};
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::call::{CREDENTIALS_OF_THIS_KIND, Call, Elsewhere, Operate, Origin, Rehearsal, undecided};
use crate::caller::{Caller, Identity, Session};
use crate::entities::{AccessKeyOwner, Change, CustomKeyStore, Entity};
use crate::env::Env;
use crate::error::{AwsError, Error};
use crate::kms;
use crate::makers::Makers;
use crate::outside::{Asked, Conversation, Heard, Open};
use crate::quotas::{self, RequestQuotas, RequestRates};
use crate::state::State;
use crate::store::{Commit, Row, Store, StoreError};
use crate::trail::{Record, ServiceEvent, Told, records};
use crate::usages::Usages;
use crate::vault::Vault;

/// Most calls that one transaction takes: bounds how long the first of them waits for the others.
const COMMITS_PER_BATCH_MAX: usize = 512;

/// Bytes that are drawn at once for the ids of requests and events: some forty of them.
const LABEL_BYTES: usize = 1024;

/// A running key service, without a wire.
pub struct Host {
    published: Arc<ArcSwap<State>>,
    head: Arc<Mutex<Arc<State>>>,
    queue: Mutex<Option<mpsc::Sender<Pending>>>,
    writer: Mutex<Option<JoinHandle<()>>>,
    failed: Arc<AtomicBool>,
    trouble: Arc<ArcSwapOption<String>>,
    deliver: Arc<OnceLock<Deliver>>,
    latest_ms: AtomicI64,
    env: Env,
    vault: Vault,
    labels: Mutex<Labels>,
    usages: Arc<Usages>,
    /// Calls are counted here once somebody asked for it.
    quotas: OnceLock<RequestQuotas>,
    makers: Makers,
}

/// How the store is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Health {
    /// The last write succeeded.
    Good,
    /// The last write did not, and the next may: every call is tried, none is answered without its record (T51) (T62).
    Degraded(String),
    /// No call is tried any more until a new start (T50).
    Failed(String),
}

/// What happens once a call is durable, or is known not to be.
enum Done {
    /// An answer goes out.
    Answer(Box<dyn FnOnce(Result<(), Error>) + Send>),
    /// A thread that waits for it goes on.
    Waited(mpsc::Sender<Result<(), Error>>),
}

/// The answers of calls that were committed together, to be run once.
pub type Answers = Box<dyn FnOnce() + Send>;

type Deliver = Box<dyn Fn(Answers) + Send + Sync>;

struct Pending {
    commit: Commit,
    /// The revision that this commit leads to; none if it changes nothing.
    next: Option<Arc<State>>,
    done: Done,
}

/// Why a host does not open. Nothing has been touched.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another root key than the one under which the store is sealed (T40).
    #[error("this is not the root key under which the data is sealed; nothing was touched")]
    WrongRootKey,
    /// The store does not read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The operating system gives no thread.
    #[error("no thread for the host: {0}")]
    Thread(String),
}

/// Why credentials are not accepted.
#[derive(Debug, thiserror::Error)]
pub enum AuthenticateError<E> {
    /// No such key, an inactive one, or a token that is not this key's (K29).
    #[error("the access key id or the session token is not valid")]
    Unknown,
    /// The session has ended (K29).
    #[error("the session has expired")]
    Expired,
    /// The signature was checked and is wrong.
    #[error("the signature is wrong")]
    Signature(E),
}

/// The secret behind an access key id, unsealed when asked for.
pub struct SecretKey<'h> {
    source: SecretSource<'h>,
}

enum SecretSource<'h> {
    Sealed {
        vault: &'h Vault,
        purpose: Purpose,
        id: &'h str,
        sealed: &'h keyward_crypto::Sealed,
    },
    Derived(Zeroizing<String>),
    /// Nobody's: unknown ids cost what known ones do (T8).
    Dummy,
}

impl SecretKey<'_> {
    /// Whether this is a real secret, worth keeping a derived key of.
    pub fn is_real(&self) -> bool {
        !matches!(self.source, SecretSource::Dummy)
    }

    /// The secret access key.
    ///
    /// # Errors
    /// [`Error::Internal`] when the sealed row does not open.
    pub fn expose(&self) -> Result<Zeroizing<String>, Error> {
        match &self.source {
            SecretSource::Sealed { vault, purpose, id, sealed } => {
                let bytes = vault.root().open(*purpose, id.as_bytes(), sealed);
                let bytes = bytes.map_err(|_| Error::Internal("an access key secret does not open under the root key"))?;
                std::str::from_utf8(&bytes)
                    .map(|secret| Zeroizing::new(secret.to_owned()))
                    .map_err(|_| Error::Internal("an access key secret is no text"))
            }
            SecretSource::Derived(secret) => Ok(secret.clone()),
            SecretSource::Dummy => Ok(Zeroizing::new("0".repeat(40))),
        }
    }
}

impl Host {
    /// Opens a store: checks the root key, loads the estate, starts the writer.
    ///
    /// # Errors
    /// [`OpenError`]; nothing has been written then.
    pub fn open(mut store: Box<dyn Store>, root: RootKey, env: Env) -> Result<Self, OpenError> {
        let loaded = store.load()?;
        match loaded.root_key {
            Some(check) if check != root.check_value() => return Err(OpenError::WrongRootKey),
            Some(_) => {}
            None => store.adopt_root_key(&root.check_value())?,
        }
        let state = Arc::new(State::load(loaded.revision, loaded.entities));
        let published = Arc::new(ArcSwap::new(state.clone()));
        let head = Arc::new(Mutex::new(state));
        let failed = Arc::new(AtomicBool::new(false));
        let (trouble, deliver) = (Arc::new(ArcSwapOption::empty()), Arc::new(OnceLock::new()));
        let usages = Arc::new(Usages::new(loaded.last_usages));
        let (sender, receiver) = mpsc::channel();
        let (shown, lost, told) = (published.clone(), failed.clone(), trouble.clone());
        let writer = Writer {
            store,
            receiver,
            published: shown,
            head: head.clone(),
            failed: lost,
            trouble: told,
            deliver: deliver.clone(),
            usages: usages.clone(),
        };
        let writer =
            std::thread::Builder::new().name("keyward-writer".into()).spawn(move || writer.run()).map_err(|e| OpenError::Thread(e.to_string()))?;
        Ok(Self {
            published,
            head,
            queue: Mutex::new(Some(sender)),
            writer: Mutex::new(Some(writer)),
            failed,
            trouble,
            deliver,
            latest_ms: AtomicI64::new(loaded.latest_ms),
            env,
            vault: Vault::new(root),
            labels: Mutex::new(Labels::new()),
            usages,
            quotas: OnceLock::new(),
            makers: Makers::start().map_err(|e| OpenError::Thread(e.to_string()))?,
        })
    }

    /// Has the answers of calls run by `deliver` in place of the writer's thread, all of a commit at once: whoever waits
    /// for them is woken once. Only the first one that is given counts.
    pub fn deliver_by(&self, deliver: impl Fn(Answers) + Send + Sync + 'static) {
        let _ = self.deliver.set(Box::new(deliver));
    }

    /// Counts calls from now on, and refuses those that are too many (K231) (K232). Only the first rates that are given count.
    pub fn limit_requests(&self, rates: RequestRates) {
        let _ = self.quotas.set(RequestQuotas::new(rates));
    }

    /// The newest durable revision.
    pub fn state(&self) -> Arc<State> {
        self.published.load_full()
    }

    /// Clock and chance.
    pub fn env(&self) -> &Env {
        &self.env
    }

    /// The vault, for administration.
    pub fn vault(&self) -> &Vault {
        &self.vault
    }

    /// Whether the store has failed for good: then every call is refused (T50).
    pub fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Acquire)
    }

    /// How the store is.
    pub fn health(&self) -> Health {
        match self.trouble.load_full() {
            Some(why) if self.has_failed() => Health::Failed(why.to_string()),
            Some(why) => Health::Degraded(why.to_string()),
            None => Health::Good,
        }
    }

    /// Now, and never before anything that was ever recorded: what has expired stays expired (T5).
    pub fn now(&self) -> Timestamp {
        let now = self.env.clock.now();
        let latest = self.latest_ms.fetch_max(now.as_millisecond(), Ordering::AcqRel);
        if latest <= now.as_millisecond() { now } else { Timestamp::from_millisecond(latest).unwrap_or(now) }
    }

    /// Finds who calls. `prove` is given the secret and checks the signature with it; unknown ids get a dummy, so
    /// that they cost the same (T8). There is no other way to make a [`Caller`] (T1).
    ///
    /// `partition` is that of the Region for which the request is signed: credentials of one are unknown in the others (T6).
    ///
    /// # Errors
    /// [`AuthenticateError`]; a wrong signature is told before an expired session.
    pub fn authenticate<E>(
        &self,
        access_key_id: &str,
        token: Option<&str>,
        partition: Partition,
        prove: impl FnOnce(&SecretKey<'_>) -> Result<(), E>,
    ) -> Result<Caller, AuthenticateError<E>> {
        let state = self.state();
        let here = |account: Option<AccountId>| account.is_none_or(|account| state.partition(account) == partition);
        if let Some(token) = token {
            let opened = self.open_session(access_key_id, token).filter(|(session, _)| here(session.identity.account()));
            let Some((session, secret)) = opened else { return Err(unknown(prove)) };
            prove(&SecretKey { source: SecretSource::Derived(secret) }).map_err(AuthenticateError::Signature)?;
            if session.expires_at <= self.now() {
                return Err(AuthenticateError::Expired);
            }
            let caller = Caller::authenticated(session.identity.clone(), Some(Arc::new(session)), access_key_id.to_owned());
            return if state.subject(&caller).is_some() { Ok(caller) } else { Err(AuthenticateError::Unknown) };
        }
        let Some(key) = state.access_key(access_key_id).filter(|key| key.active) else { return Err(unknown(prove)) };
        let identity = match &key.owner {
            AccessKeyOwner::Root { account } => Some(Identity::Root { account: *account }),
            AccessKeyOwner::User { account, name } => {
                state.user(*account, name).map(|user| Identity::User { account: *account, name: user.name.clone(), id: user.id.clone() })
            }
            // A door's own key signs nothing but exchanges, as the service itself [A208].
            AccessKeyOwner::Door { door } => {
                state.door(door).filter(|door| door.region.partition() == partition).map(|door| Identity::Service { name: door.service_principal() })
            }
        };
        let Some(identity) = identity.filter(|identity| here(identity.account())) else { return Err(unknown(prove)) };
        let sealed = SecretSource::Sealed { vault: &self.vault, purpose: Purpose::AccessKeySecret, id: &key.id, sealed: &key.secret };
        prove(&SecretKey { source: sealed }).map_err(AuthenticateError::Signature)?;
        Ok(Caller::authenticated(identity, None, access_key_id.to_owned()))
    }

    /// Finds which proxy client calls, as [`authenticate`](Self::authenticate) finds callers: its credentials are good for the
    /// protocol of external key stores and for nothing else, and no others are good for it.
    ///
    /// # Errors
    /// [`AuthenticateError`]
    pub fn authenticate_proxy_client<E>(
        &self,
        access_key_id: &str,
        prove: impl FnOnce(&SecretKey<'_>) -> Result<(), E>,
    ) -> Result<(Caller, Region), AuthenticateError<E>> {
        let state = self.state();
        let known = state.proxy_client(access_key_id).and_then(|client| Some((client, client.identity(&state)?)));
        let Some((client, identity)) = known else { return Err(unknown(prove)) };
        let (id, sealed) = (&client.access_key_id, &client.secret_access_key);
        prove(&SecretKey { source: SecretSource::Sealed { vault: &self.vault, purpose: Purpose::KeyStoreSecret, id, sealed } })
            .map_err(AuthenticateError::Signature)?;
        Ok((Caller::authenticated(identity, None, access_key_id.to_owned()), client.region.clone()))
    }

    fn open_session(&self, access_key_id: &str, token: &str) -> Option<(Session, Zeroizing<String>)> {
        crate::tokens::open_session(self.vault.root(), access_key_id, token)
    }

    /// Runs an operation. `done` is called exactly once, after the call's record is durable (or cannot be).
    pub fn perform<I: Operate>(self: &Arc<Self>, origin: Origin, input: I, done: impl FnOnce(Result<I::Output, Error>) + Send + 'static) {
        self.attempt(Attempt { origin, input, conversation: Conversation::default() }, done);
    }

    /// Runs an operation from its beginning, with what was heard from key stores outside and made so far.
    fn attempt<I: Operate, D>(self: &Arc<Self>, attempt: Attempt<I>, done: D)
    where
        D: FnOnce(Result<I::Output, Error>) + Send + 'static,
    {
        if self.has_failed() {
            return done(Err(Error::Unrecorded));
        }
        if let Err(error) = self.keep_time() {
            return done(Err(error));
        }
        // [K53] Who is the first to name one of AWS's own keys changes the estate, whatever else the call does.
        let waiting = if I::MUTATES || attempt.input.key_named().is_some_and(|named| named.contains(kms::RESERVED_ALIASES)) {
            let mut head = self.head.lock().unwrap_or_else(PoisonError::into_inner);
            let state = head.clone();
            match self.run(&state, attempt, done) {
                Ran::Queued(next) => {
                    *head = next.unwrap_or(state);
                    None
                }
                Ran::Waiting(waiting) => Some(waiting),
            }
        } else {
            let state = self.published.load_full();
            match self.run(&state, attempt, done) {
                Ran::Queued(_) => None,
                Ran::Waiting(waiting) => Some(waiting),
            }
        };
        // Nothing is held while somebody outside thinks, or a key is in the making.
        let Some(waiting) = waiting else { return };
        let Waiting { mut attempt, open, done } = *waiting;
        let host = self.clone();
        match open {
            Open::Question(topic, question) => {
                let again = move |heard| {
                    attempt.conversation.hear(topic, heard);
                    host.attempt(attempt, done);
                };
                match question {
                    Asked::Proxy(question) => self.env.outside.ask(*question, Box::new(|reply| again(Heard::Proxy(reply)))),
                    Asked::Hsm(question) => self.env.outside.ask_hsm(*question, Box::new(|reply| again(Heard::Hsm(reply)))),
                }
            }
            Open::Key(spec) => self.makers.run(move || {
                attempt.conversation.take_made(KeyMaterial::generate(spec, &*host.env.entropy));
                host.attempt(attempt, done);
            }),
        }
    }

    /// Runs the operation on one revision and queues what it leaves.
    fn run<I: Operate, D>(self: &Arc<Self>, state: &Arc<State>, attempt: Attempt<I>, done: D) -> Ran<I, D>
    where
        D: FnOnce(Result<I::Output, Error>) + Send + 'static,
    {
        let Attempt { mut origin, input, conversation } = attempt;
        let now = self.now();
        origin.facts.time = Some(now);
        let request_parameters = input.request_parameters();
        // Only where there are key stores outside, or one is about to be, or a key to be made, can an operation have to begin again.
        let may_wait = I::MUTATES || I::MAKES_PAIRS || state.all_custom_key_stores().next().is_some();
        let again = if may_wait { input.again() } else { None };
        let mut tale = Tale { conversation, ..Tale::default() };
        let first = match input.key_named().filter(|named| named.contains(kms::RESERVED_ALIASES)) {
            Some(named) => kms::first_named(state, &origin, I::NAME, named, (now, &self.vault, &self.env)),
            None => Ok(None),
        };
        let mut result = match &first {
            Ok(None) => self.operate(state, &origin, now, input, &mut tale),
            Ok(Some((made, _))) => self.operate(&state.with(made), &origin, now, input, &mut tale),
            Err(error) => Err(error.clone()),
        };
        if matches!(result, Err(Error::Waiting)) {
            match (again, tale.conversation.open()) {
                (Some(input), Some(open)) => {
                    let attempt = Attempt { origin, input, conversation: tale.conversation };
                    return Ran::Waiting(Box::new(Waiting { attempt, open, done }));
                }
                _ => result = Err(Error::Internal("an operation waits that cannot begin again")),
            }
        }
        let (result, changes) = match result {
            Ok(outcome) => {
                let (mut changes, event) = first.ok().flatten().unzip();
                tale.events.splice(0..0, event);
                (Ok(outcome.output), changes.get_or_insert_default().drain(..).chain(outcome.changes).collect())
            }
            Err(error) => (Err(error), Vec::new()),
        };
        let rows = match encode(&changes) {
            Ok(rows) => rows,
            Err(error) => {
                done(Err(error));
                return Ran::Queued(None);
            }
        };
        let settling = settling(&changes);
        let next = (!changes.is_empty()).then(|| Arc::new(state.with(&changes)));
        let error = result.as_ref().err().map(|error| error.worded_by(I::SERVICE));
        // A refusal is explained whatever it was that refused.
        let refusal = error.as_ref().filter(|error| error.trail_code() == "AccessDenied" && tale.explanation.is_none());
        if let Some((refusal, caller)) = refusal.zip(origin.caller.as_ref()) {
            let message = refusal.message.as_deref().unwrap_or_default();
            let told = undecided(caller, state.subject(caller).as_ref(), format!("{}:{}", I::SERVICE, I::NAME), message);
            tale.explanation = serde_json::to_string(&told).ok();
        }
        let response_elements = result.as_ref().ok().and_then(I::response_elements);
        let told = Told {
            state: next.as_ref().unwrap_or(state),
            origin: &origin,
            service: I::SERVICE,
            event_name: I::NAME,
            read_only: I::READ_ONLY,
            time: now,
            request_parameters: request_parameters.as_deref(),
            response_elements: response_elements.as_deref(),
            additional: tale.additional.as_deref(),
            resources: &tale.resources,
            error: error.as_ref(),
            explanation: tale.explanation,
            stopped_at_endpoint: tale.stopped_at_endpoint,
            by_kms: false,
        };
        let mut records = records(&told, || self.new_event_id());
        for elsewhere in &tale.elsewhere {
            records.extend(told.elsewhere(elsewhere, || self.new_event_id()));
        }
        records.extend(tale.events.iter().map(|event| event.record(now, self.new_event_id())));
        let commit = Commit { rows, records };
        // Nobody but the answer keeps the host alive for what comes after it.
        let host = (!settling.is_empty()).then(|| self.clone());
        let done = Done::Answer(Box::new(move |committed: Result<(), Error>| {
            let is_committed = committed.is_ok();
            done(committed.and(result));
            if let Some(host) = host.filter(|_| is_committed) {
                settling.iter().for_each(|store| kms::settle(&host, store));
            }
        }));
        Ran::Queued(self.enqueue(Pending { commit, next: next.clone(), done }).then_some(next).flatten())
    }

    fn operate<I: Operate>(
        &self,
        state: &State,
        origin: &Origin,
        now: Timestamp,
        input: I,
        tale: &mut Tale,
    ) -> Result<crate::call::Outcome<I::Output>, Error> {
        let caller = origin.caller.as_ref().ok_or(Error::Internal("a call without caller"))?;
        let subject = state.subject(caller).ok_or(Error::PrincipalGone)?;
        if !caller.may_use(I::SERVICE, I::NAME) {
            let (caller, service, name) = (subject.principal.caller_arn(), I::SERVICE, I::NAME);
            let sentence = format!("User: {caller} is not authorized to perform: {service}:{name} {CREDENTIALS_OF_THIS_KIND}");
            return Err(Error::AccessDenied { sentence });
        }
        // A call that begins again is one call.
        let is_new = tale.conversation.is_new();
        if is_new {
            self.count(origin, caller, I::SERVICE, I::NAME, now)?;
        }
        let mut call = Call {
            state,
            env: &self.env,
            vault: &self.vault,
            origin,
            caller,
            subject: &subject,
            now,
            resources: Vec::new(),
            tokens: Vec::new(),
            additional: None,
            explanation: None,
            stopped_at_endpoint: false,
            events: Vec::new(),
            quotas: self.quotas.get().filter(|_| is_new),
            conversation: std::mem::take(&mut tale.conversation),
            elsewhere: Vec::new(),
            usages: &self.usages,
            rehearsal: None,
        };
        let result = input.operate(&mut call);
        *tale = Tale {
            conversation: call.conversation,
            resources: call.resources,
            additional: call.additional,
            explanation: call.explanation.and_then(|explanation| serde_json::to_string(&explanation).ok()),
            stopped_at_endpoint: call.stopped_at_endpoint,
            events: if result.is_ok() { call.events } else { Vec::new() },
            elsewhere: if result.is_ok() { call.elsewhere } else { Vec::new() },
        };
        result
    }

    /// Counts a call of an operation that has a quota of its own (K231); uses of keys are counted when they are permitted.
    fn count(&self, origin: &Origin, caller: &Caller, service: &str, name: &str, now: Timestamp) -> Result<(), Error> {
        let quota = if service == "kms" { quotas::of_operation(name) } else { None };
        let Some((quotas, quota)) = self.quotas.get().zip(quota) else { return Ok(()) };
        // A service principal has no account whose quota it could use.
        caller.account().map_or(Ok(()), |account| quotas.take(account, &origin.facts.region, quota, now))
    }

    /// Goes through an operation for a caller who is only imagined, to see what it asks: the very code that serves it.
    ///
    /// Nothing of it happens. Operations return what changes, and that is dropped; the vault of a rehearsal is closed, as its
    /// root key seals nothing.
    pub(crate) fn rehearse(
        &self,
        state: &State,
        origin: &Origin,
        rehearsal: Rehearsal<'_>,
        act: impl FnOnce(&mut Call<'_>) -> Result<(), Error>,
    ) -> Result<Rehearsed, Error> {
        let caller = origin.caller.as_ref().ok_or(Error::Internal("a call without caller"))?;
        let subject = state.subject(caller).ok_or(Error::PrincipalGone)?;
        let closed = Vault::new(RootKey::generate(&*self.env.entropy).map_err(|_| Error::Internal("randomness failed"))?);
        let mut call = Call {
            state,
            env: &self.env,
            vault: &closed,
            origin,
            caller,
            subject: &subject,
            now: self.now(),
            resources: Vec::new(),
            tokens: Vec::new(),
            additional: None,
            explanation: None,
            stopped_at_endpoint: false,
            events: Vec::new(),
            quotas: None,
            conversation: Conversation::default(),
            elsewhere: Vec::new(),
            usages: &self.usages,
            rehearsal: Some(rehearsal),
        };
        let result = act(&mut call);
        let asked = call.rehearsal.map(|rehearsal| rehearsal.asked).unwrap_or_default();
        Ok(Rehearsed { asked, result })
    }

    /// Records a call that never became an operation: refused at authentication, malformed, unknown (T65).
    pub fn reject(
        &self,
        origin: &Origin,
        service: &'static str,
        event_name: &str,
        error: &AwsError,
        done: impl FnOnce(Result<(), Error>) + Send + 'static,
    ) {
        let state = self.published.load_full();
        let told = Told {
            state: &state,
            origin,
            service,
            event_name,
            read_only: is_read_only(service, event_name),
            time: self.now(),
            request_parameters: None,
            response_elements: None,
            additional: None,
            resources: &[],
            error: Some(error),
            explanation: None,
            stopped_at_endpoint: false,
            by_kms: false,
        };
        let commit = Commit { rows: Vec::new(), records: records(&told, || self.new_event_id()) };
        self.enqueue(Pending { commit, next: None, done: Done::Answer(Box::new(done)) });
    }

    /// Changes the estate on the operator's behalf: `decide` sees the newest revision and says what changes.
    /// Blocks until durable.
    ///
    /// # Errors
    /// What `decide` refuses, or [`Error::Unrecorded`].
    pub fn administer<T>(&self, decide: impl FnOnce(&State, &Self) -> Result<(T, Vec<Change>), Error>) -> Result<T, Error> {
        self.change(|state, host| decide(state, host).map(|(output, changes)| (output, changes, Vec::new())))
    }

    /// Does what has become due: deletes, rotates, lets expire. Calls see only what is left of it, so nothing is late by more than
    /// the clock is. Blocks until durable, where there is something.
    ///
    /// # Errors
    /// [`Error::Unrecorded`]; then nothing was done, and it is still due.
    pub fn keep_time(&self) -> Result<(), Error> {
        let now = self.now();
        if !self.published.load().is_due(now) {
            return Ok(());
        }
        let ended = self.change(|state, host| {
            let (changes, events) = kms::due(state, now, &host.vault, &host.env)?;
            let records = events.iter().map(|event| event.record(now, host.new_event_id())).collect();
            Ok((kms::ended_in_hsms(state, &changes, &host.vault), changes, records))
        })?;
        // What cannot be undone comes when it is durable that the keys are gone; nobody waits for it.
        ended.into_iter().for_each(|question| self.env.outside.ask_hsm(question, Box::new(drop)));
        Ok(())
    }

    fn change<T>(&self, decide: impl FnOnce(&State, &Self) -> Result<(T, Vec<Change>, Vec<Record>), Error>) -> Result<T, Error> {
        let (sender, receiver) = mpsc::channel();
        let output = {
            let mut head = self.head.lock().unwrap_or_else(PoisonError::into_inner);
            let (output, changes, records) = decide(&head, self)?;
            if changes.is_empty() {
                return Ok(output);
            }
            let next = Arc::new(head.with(&changes));
            let commit = Commit { rows: encode(&changes)?, records };
            if self.enqueue(Pending { commit, next: Some(next.clone()), done: Done::Waited(sender) }) {
                *head = next;
            }
            output
        };
        receiver.recv().map_err(|_| Error::Unrecorded)??;
        Ok(output)
    }

    /// Changes the estate when nobody waits for it: what became of something that a call began.
    pub(crate) fn change_soon(&self, decide: impl FnOnce(&State) -> Vec<Change>) {
        let mut head = self.head.lock().unwrap_or_else(PoisonError::into_inner);
        let changes = decide(&head);
        let Ok(rows) = encode(&changes) else { return };
        if !changes.is_empty() {
            let next = Arc::new(head.with(&changes));
            let (commit, done) = (Commit { rows, records: Vec::new() }, Done::Answer(Box::new(drop)));
            if self.enqueue(Pending { commit, next: Some(next.clone()), done }) {
                *head = next;
            }
        }
    }

    /// Hands a call to the writer; one that cannot be handed over is told so.
    fn enqueue(&self, pending: Pending) -> bool {
        let queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        let unsent = match &*queue {
            Some(sender) => sender.send(pending).err().map(|unsent| unsent.0),
            None => Some(pending),
        };
        match unsent {
            None => true,
            Some(pending) => {
                drop(queue);
                pending.done.tell(Err(Error::Unrecorded));
                false
            }
        }
    }

    /// The id of a request, as its answer and its record bear it. It begins with the time, so that the trail's index
    /// grows at its end.
    pub fn new_request_id(&self) -> String {
        let now_ms = u64::try_from(self.env.clock.now().as_millisecond()).unwrap_or_default();
        let random = self.labels().draw(&*self.env.entropy);
        uuid::Builder::from_unix_timestamp_millis(now_ms, &random).into_uuid().to_string()
    }

    fn new_event_id(&self) -> Uuid {
        let random = self.labels().draw(&*self.env.entropy);
        uuid::Builder::from_random_bytes(random).into_uuid()
    }

    fn labels(&self) -> MutexGuard<'_, Labels> {
        self.labels.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Finishes what waits and stops the writer. Later calls are refused.
    pub fn close(&self) {
        drop(self.queue.lock().unwrap_or_else(PoisonError::into_inner).take());
        if let Some(writer) = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take() {
            let _ = writer.join();
        }
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.close();
    }
}

/// Random bytes for the ids of requests and events, drawn for many of them at a time. They are told to everybody: nothing
/// secret is made of them.
struct Labels {
    bytes: [u8; LABEL_BYTES],
    used: usize,
}

impl Labels {
    fn new() -> Self {
        Self { bytes: [0; LABEL_BYTES], used: LABEL_BYTES }
    }

    /// Bytes that were given to nobody else; all zeros if randomness fails, which only weakens a label.
    fn draw<const LEN: usize>(&mut self, entropy: &dyn Entropy) -> [u8; LEN] {
        const { assert!(LEN <= LABEL_BYTES, "a label fits") };
        if self.used + LEN > LABEL_BYTES {
            self.bytes = [0; LABEL_BYTES];
            let _ = entropy.fill(&mut self.bytes);
            self.used = 0;
        }
        let label = self.bytes.get(self.used..).and_then(|rest| rest.first_chunk()).copied();
        self.used += LEN;
        label.unwrap_or([0; LEN])
    }
}

/// A random UUID from the call's own randomness; all zeros if that fails, which only weakens a label.
pub(crate) fn new_uuid(env: &Env) -> String {
    let mut bytes = [0; 16];
    let _ = env.entropy.fill(&mut bytes);
    uuid::Builder::from_random_bytes(bytes).into_uuid().to_string()
}

/// Nobody's secret is tried, so that an unknown id costs what a known one does (T8).
fn unknown<E>(prove: impl FnOnce(&SecretKey<'_>) -> Result<(), E>) -> AuthenticateError<E> {
    let _ = prove(&SecretKey { source: SecretSource::Dummy });
    AuthenticateError::Unknown
}

/// (A1005) Whether a call of this name changes nothing; of a name that nothing has, nothing is changed.
fn is_read_only(service: &str, event_name: &str) -> bool {
    match service {
        "kms" => keyward_authz::Operation::named(event_name).is_none_or(keyward_authz::Operation::is_read_only),
        "sts" | "keyward" | crate::xks::SERVICE => true,
        _ => event_name == "Unknown" || ["Get", "List", "Describe", "Simulate", "Generate"].iter().any(|reads| event_name.starts_with(reads)),
    }
}

/// What a rehearsal told.
pub(crate) struct Rehearsed {
    /// The permissions that were asked, in order, each with its answer; after a refusal nothing more is asked.
    pub(crate) asked: Vec<Explanation>,
    /// How the operation ended.
    pub(crate) result: Result<(), Error>,
}

/// What an operation leaves for its record.
#[derive(Default)]
struct Tale {
    resources: Vec<keyward_authz::KeyArn>,
    additional: Option<Box<serde_json::value::RawValue>>,
    explanation: Option<String>,
    stopped_at_endpoint: bool,
    events: Vec<ServiceEvent>,
    conversation: Conversation,
    elsewhere: Vec<Elsewhere>,
}

/// An operation about to be run from its beginning.
struct Attempt<I> {
    origin: Origin,
    input: I,
    conversation: Conversation,
}

/// What became of a run.
enum Ran<I, D> {
    /// The call is over but for its commit; the next revision, if it leads to one.
    Queued(Option<Arc<State>>),
    /// A key store outside must be asked first, or a key be made. Nothing was recorded.
    Waiting(Box<Waiting<I, D>>),
}

struct Waiting<I, D> {
    attempt: Attempt<I>,
    open: Open,
    done: D,
}

/// The stores of which more is to be done than to keep them.
fn settling(changes: &[Change]) -> Vec<Arc<CustomKeyStore>> {
    let in_transition = |change: &Change| match change {
        Change::Put(Entity::CustomKeyStore(store)) if store.connection.is_in_transition() => Some(store.clone()),
        _ => None,
    };
    changes.iter().filter_map(in_transition).collect()
}

fn encode(changes: &[Change]) -> Result<Vec<Row>, Error> {
    changes
        .iter()
        .map(|change| match change {
            Change::Put(entity) => {
                let body = entity.encode().map_err(|_| Error::Internal("an entity does not encode"))?;
                Ok(Row { kind: entity.kind(), id: entity.key().id(), body: Some(body) })
            }
            Change::Delete(key) => Ok(Row { kind: key.kind(), id: key.id(), body: None }),
        })
        .collect()
}

struct Writer {
    store: Box<dyn Store>,
    receiver: mpsc::Receiver<Pending>,
    published: Arc<ArcSwap<State>>,
    head: Arc<Mutex<Arc<State>>>,
    failed: Arc<AtomicBool>,
    /// Why the last write failed; none if it did not.
    trouble: Arc<ArcSwapOption<String>>,
    deliver: Arc<OnceLock<Deliver>>,
    usages: Arc<Usages>,
}

impl Done {
    fn tell(self, result: Result<(), Error>) {
        match self {
            Self::Answer(answer) => answer(result),
            // Whoever waited may be gone.
            Self::Waited(sender) => drop(sender.send(result)),
        }
    }
}

impl Writer {
    fn run(mut self) {
        while let Ok(first) = self.receiver.recv() {
            // Whoever else is about to call does so first: one flush for all of them costs less than one more for the first.
            // A core that only this thread wants comes back at once.
            std::thread::yield_now();
            let mut batch = vec![first];
            batch.extend(self.receiver.try_iter().take(COMMITS_PER_BATCH_MAX - 1));
            self.write(batch);
        }
    }

    fn write(&mut self, batch: Vec<Pending>) {
        let (mut commits, mut waiting, mut newest) = (Vec::with_capacity(batch.len()), Vec::with_capacity(batch.len()), None);
        for pending in batch {
            commits.push(pending.commit);
            newest = pending.next.or(newest);
            waiting.push(pending.done);
        }
        // After a final failure what is on disk is unknown: nothing more is written (T50).
        let result =
            if self.failed.load(Ordering::Acquire) { Err(StoreError::Final("it failed before".into())) } else { self.store.commit(&commits) };
        match result {
            Ok(()) => {
                if self.trouble.load().is_some() {
                    self.trouble.store(None);
                }
                self.usages.learn(&commits);
                if let Some(newest) = newest {
                    self.published.store(newest);
                }
                self.answer(waiting, || Ok(()));
            }
            Err(error) => self.fail(&error, waiting),
        }
    }

    fn answer(&self, waiting: Vec<Done>, result: fn() -> Result<(), Error>) {
        // A waiting thread may be the one that would run the answers.
        let (waited, answers): (Vec<_>, Vec<_>) = waiting.into_iter().partition(|done| matches!(done, Done::Waited(_)));
        waited.into_iter().for_each(|done| done.tell(result()));
        let answers: Answers = Box::new(move || answers.into_iter().for_each(|done| done.tell(result())));
        match self.deliver.get() {
            Some(deliver) => deliver(answers),
            None => answers(),
        }
    }

    /// Takes back what never became durable, with all that was built on it.
    fn fail(&self, error: &StoreError, mut waiting: Vec<Done>) {
        let mut head = self.head.lock().unwrap_or_else(PoisonError::into_inner);
        // What came first is the reason; after a final failure nothing is tried that could have another.
        if !self.failed.load(Ordering::Acquire) {
            self.trouble.store(Some(Arc::new(error.to_string())));
        }
        if !matches!(error, StoreError::Retry(_)) {
            self.failed.store(true, Ordering::Release);
        }
        // While the head is held nobody can build on it, so whatever waits now is based on what was lost.
        waiting.extend(self.receiver.try_iter().map(|pending| pending.done));
        *head = self.published.load_full();
        drop(head);
        self.answer(waiting, || Err(Error::Unrecorded));
    }
}
