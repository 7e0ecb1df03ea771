//! One call: what an operation may see, ask and touch.

use std::sync::Arc;

use jiff::Timestamp;
use keyward_authz::{
    AuthorizationMessage, CallFacts, Decision, Explanation, GrantId, KeyArn, Layer, Operation, Permit, Request, Resource, Subject, Target,
    authorization_message, authorize, sentence,
};
use keyward_crypto::{GenerateFailed, KeyMaterial, KeySpec};
use keyward_policy::{AccountId, Action, KeyName, MapContext, Region, Values};
use serde_json::value::RawValue;

use crate::caller::Caller;
use crate::entities::{Change, Key};
use crate::env::Env;
use crate::error::Error;
use crate::outside::Conversation;
use crate::quotas::{self, RequestQuotas};
use crate::state::State;
use crate::trail::ServiceEvent;
use crate::usages::Usages;
use crate::vault::Vault;

/// Where a call comes from, as the listener and authentication found it.
#[derive(Clone, Debug)]
pub struct Origin {
    /// Who; none before or without authentication.
    pub caller: Option<Caller>,
    /// How the call came.
    pub facts: CallFacts,
    /// `x-amzn-RequestId`
    pub request_id: String,
}

/// What an operation leaves: its output and what changes. Operations never write.
#[derive(Debug)]
pub struct Outcome<T> {
    /// The answer.
    pub output: T,
    /// What becomes true once the call is committed.
    pub changes: Vec<Change>,
}

impl<T> Outcome<T> {
    /// An answer that changes nothing.
    pub fn unchanged(output: T) -> Self {
        Self { output, changes: Vec::new() }
    }

    /// An answer that puts or deletes things.
    pub fn changed(output: T, changes: Vec<Change>) -> Self {
        Self { output, changes }
    }
}

/// An operation: its input says what it is called and what it does.
pub trait Operate: Send + 'static {
    /// The answer.
    type Output: Send + 'static;
    /// `kms`, `iam`, `sts`, …: the service's name in signatures and in records.
    const SERVICE: &'static str;
    /// `Decrypt`
    const NAME: &'static str;
    /// Whether it may change the estate: then calls of its kind run one after the other.
    const MUTATES: bool;
    /// Whether it may ask for a key pair that takes long to make.
    const MAKES_PAIRS: bool = false;
    /// The `readOnly` of its record (A1005).
    const READ_ONLY: bool = !Self::MUTATES;

    /// The `requestParameters` of its record (A1006); nothing secret, ever. JSON text, or none for null.
    fn request_parameters(&self) -> Option<Box<RawValue>> {
        None
    }

    /// The `responseElements` of its record; none for null.
    fn response_elements(_output: &Self::Output) -> Option<Box<RawValue>> {
        None
    }

    /// The same input once more, for operations that may have to wait for a key store outside, or for a key in the making, and then
    /// begin again.
    fn again(&self) -> Option<Self>
    where
        Self: Sized,
    {
        None
    }

    /// How the request names its key, where that may be by the alias of a key that AWS makes when it is first named (K53).
    fn key_named(&self) -> Option<&str> {
        None
    }

    /// Does it.
    ///
    /// # Errors
    /// Whatever the operation refuses; nothing has changed then.
    fn operate(self, call: &mut Call<'_>) -> Result<Outcome<Self::Output>, Error>;
}

/// The output of operations that have none (K10).
#[derive(serde::Serialize)]
pub struct Nothing {}

/// JSON for a record, of anything that serializes.
pub(crate) fn raw(value: &impl serde::Serialize) -> Option<Box<RawValue>> {
    serde_json::value::to_raw_value(value).ok()
}

/// The input of an operation of IAM or STS as its record's `requestParameters`: without what was not sent.
pub(crate) fn raw_parameters(input: &impl serde::Serialize) -> Option<Box<RawValue>> {
    match serde_json::to_value(input).ok()? {
        serde_json::Value::Object(mut members) => {
            members.retain(|_, value| !value.is_null());
            if members.is_empty() { None } else { raw(&members) }
        }
        _ => None,
    }
}

/// An output as its record's `responseElements`: names begin in lower case there, and times are as they were answered.
pub(crate) fn raw_elements(output: &impl serde::Serialize) -> Option<Box<RawValue>> {
    raw(&camel(serde_json::to_value(output).ok()?))
}

/// JSON whose names begin in lower case, as records have them.
pub(crate) fn camel(value: serde_json::Value) -> serde_json::Value {
    use serde_json::Value;
    match value {
        Value::Object(members) => {
            let lower = |name: String| {
                let mut chars = name.chars();
                chars.next().map(|first| first.to_ascii_lowercase()).into_iter().chain(chars).collect::<String>()
            };
            Value::Object(members.into_iter().map(|(name, value)| (lower(name), camel(value))).collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(camel).collect()),
        other => other,
    }
}

/// The members of both.
fn together(before: &RawValue, added: &RawValue) -> Option<Box<RawValue>> {
    let members = |data: &RawValue| serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(data.get()).unwrap_or_default();
    let mut all = members(before);
    all.extend(members(added));
    raw(&all)
}

/// What the trail keeps of a refusal.
#[derive(serde::Serialize)]
pub(crate) struct Refused {
    #[serde(flatten)]
    explanation: keyward_authz::Explanation,
    /// What the caller's account may have decoded of it.
    authorization_message: Option<AuthorizationMessage>,
}

/// A call in progress: one revision of the estate, one caller, one moment.
pub struct Call<'h> {
    /// The estate, at one revision from start to end (T22).
    pub state: &'h State,
    /// Clock and chance.
    pub env: &'h Env,
    /// The only door to key material.
    pub vault: &'h Vault,
    /// Where the call comes from.
    pub origin: &'h Origin,
    /// The authenticated caller.
    pub caller: &'h Caller,
    /// The caller with everything that limits or allows it.
    pub subject: &'h Subject,
    /// The moment of the call.
    pub now: Timestamp,
    pub(crate) resources: Vec<KeyArn>,
    /// The grants whose tokens came with the call.
    pub(crate) tokens: Vec<GrantId>,
    pub(crate) additional: Option<Box<RawValue>>,
    pub(crate) explanation: Option<Refused>,
    /// The policy of the caller's VPC endpoint stopped it (A1001).
    pub(crate) stopped_at_endpoint: bool,
    /// What KMS does by itself in consequence of the call.
    pub(crate) events: Vec<ServiceEvent>,
    /// Where calls are counted, if they are; once counted in a quota that keys share, no more.
    pub(crate) quotas: Option<&'h RequestQuotas>,
    /// What was asked outside, and heard.
    pub(crate) conversation: Conversation,
    /// The last use of keys.
    pub(crate) usages: &'h Usages,
    /// What the call did in other Regions.
    pub(crate) elsewhere: Vec<Elsewhere>,
    pub(crate) rehearsal: Option<Rehearsal<'h>>,
}

/// What makes a call a rehearsal: nobody makes it, it only tells what it asks.
pub(crate) struct Rehearsal<'h> {
    /// The condition values that are told with the question and come with requests for this permission. They win over derived ones.
    pub(crate) told: &'h dyn Fn(&Target<'_>, &Request<'_>) -> MapContext,
    /// What was asked so far, in order, each with its answer.
    pub(crate) asked: Vec<Explanation>,
}

/// What a call did in another Region: its record there is the caller's too, made by KMS (A1006).
pub(crate) struct Elsewhere {
    pub(crate) region: Region,
    pub(crate) event_name: &'static str,
    pub(crate) request_parameters: Option<Box<RawValue>>,
    pub(crate) response_elements: Option<Box<RawValue>>,
    pub(crate) key: KeyArn,
}

/// A refusal that no policy decided, told like the others: no refusal is without explanation.
pub(crate) fn undecided(caller: &Caller, subject: Option<&Subject>, action: String, message: &str) -> Explanation {
    // [T16] The sentence of a refusal, and nothing was asked: what the call names is not there.
    let summary = match message.starts_with("User: ") && !message.ends_with(CREDENTIALS_OF_THIS_KIND) || message.starts_with("The ciphertext") {
        true => {
            "Nothing was decided: what the call names is not there, or nobody of this kind may name it. The caller reads what it would \
                 read of something that refuses it."
        }
        false => "No policy was asked: calls like this one are refused whatever policies say.",
    };
    Explanation {
        decision: "DENY".to_owned(),
        action,
        resource: "*".to_owned(),
        aliases: Vec::new(),
        caller: subject.map(|subject| subject.principal.caller_arn().into_owned()).unwrap_or_default(),
        caller_account: caller.account().map(|account| account.to_string()),
        owner_account: None,
        decided_by: "operation".to_owned(),
        rules: Vec::new(),
        layers: Vec::new(),
        situation: None,
        summary: format!("{summary} The caller read: {message}"),
        fix: None,
        alternatives: Vec::new(),
        message: message.to_owned(),
    }
}

/// How the refusal of a session ends that may not call an operation at all (K277).
pub(crate) const CREDENTIALS_OF_THIS_KIND: &str = "with credentials of this kind";

impl<'h> Call<'h> {
    /// The Region that was called.
    pub fn region(&self) -> &Region {
        &self.origin.facts.region
    }

    /// The caller's account.
    ///
    /// # Errors
    /// A service principal has none, and may not call what needs one.
    pub fn account(&self) -> Result<AccountId, Error> {
        self.caller.account().ok_or_else(|| Error::AccessDenied {
            sentence: format!("User: {} is not authorized to perform this operation", self.subject.principal.caller_arn()),
        })
    }

    /// How the call came.
    pub fn facts(&self) -> &'h CallFacts {
        &self.origin.facts
    }

    /// Names a key in the call's record (A1007).
    pub fn concerns(&mut self, key: &KeyArn) {
        if !self.resources.contains(key) {
            self.resources.push(key.clone());
        }
    }

    /// New material, for a key or a data key pair: made here, or by the makers if it takes long, for which the call waits.
    ///
    /// # Errors
    /// [`Error::Waiting`] for what is to be made; [`Error::Unsupported`] for SM2.
    pub(crate) fn make(&mut self, spec: KeySpec) -> Result<KeyMaterial, Error> {
        let made = match spec.is_slow_to_generate() {
            true => self.conversation.make(spec)?,
            false => KeyMaterial::generate(spec, &*self.env.entropy),
        };
        made.map_err(|failed| match failed {
            GenerateFailed::Unsupported => Error::Unsupported(Some(format!("KeySpec {spec} is not supported by this release of Keyward"))),
            GenerateFailed::Entropy(_) | GenerateFailed::Library => Error::Internal("making a key failed"),
        })
    }

    /// Adds `additionalEventData` to the call's record (A1010).
    pub fn remark(&mut self, data: &impl serde::Serialize) {
        let added = raw(data).filter(|data| data.get() != "{}");
        self.additional = match (self.additional.take(), added) {
            (Some(before), Some(added)) => together(&before, &added),
            (before, added) => added.or(before),
        };
    }

    /// Records what KMS does by itself in consequence of the call, behind the call's own record (A1011).
    pub(crate) fn also(&mut self, event: ServiceEvent) {
        self.events.push(event);
    }

    /// Records what the call did in another Region, behind its own record (K125).
    pub(crate) fn elsewhere(&mut self, elsewhere: Elsewhere) {
        self.elsewhere.push(elsewhere);
    }

    /// Asks for one permission; a refusal becomes AWS's sentence, and its reasons go into the trail.
    ///
    /// # Errors
    /// [`Error::AccessDenied`] unless allowed.
    pub fn authorize(&mut self, target: &Target<'_>, request: &Request<'_>) -> Result<Decision, Error> {
        self.authorize_as(self.subject, target, request)
    }

    /// Asks for one permission for the caller with facts that only this call adds, such as MFA.
    ///
    /// # Errors
    /// [`Error::AccessDenied`] unless allowed.
    pub(crate) fn authorize_as(&mut self, subject: &Subject, target: &Target<'_>, request: &Request<'_>) -> Result<Decision, Error> {
        if self.tokens.is_empty() {
            return self.decide(subject, target, request);
        }
        let tokens = std::mem::take(&mut self.tokens);
        let decided = self.decide(subject, target, &Request { tokens: &tokens, ..request.clone() });
        self.tokens = tokens;
        decided
    }

    fn decide(&mut self, subject: &Subject, target: &Target<'_>, request: &Request<'_>) -> Result<Decision, Error> {
        if let Some(rehearsal) = &mut self.rehearsal {
            let verbatim = (rehearsal.told)(target, request);
            let request = Request { verbatim: Some(&verbatim), ..request.clone() };
            rehearsal.asked.push(keyward_authz::explain(subject, target, &request));
            let decision = authorize(subject, target, &request);
            let sentence = || sentence(subject, target, &request, &decision);
            return if decision.is_allowed() { Ok(decision) } else { Err(Error::AccessDenied { sentence: sentence() }) };
        }
        let decision = authorize(subject, target, request);
        if decision.is_allowed() {
            return Ok(decision);
        }
        let explanation = keyward_authz::explain(subject, target, request);
        self.stopped_at_endpoint = decision.layer() == Layer::Endpoint;
        self.explanation = Some(Refused { explanation, authorization_message: authorization_message(subject, target, request, &decision) });
        Err(Error::AccessDenied { sentence: sentence(subject, target, request, &decision) })
    }

    /// The sentence of this refusal, were it decided on this target; nothing is asked.
    pub(crate) fn sentence_of(&self, target: &Target<'_>, request: &Request<'_>) -> String {
        let verbatim = self.rehearsal.as_ref().map(|rehearsal| (rehearsal.told)(target, request));
        let request = Request { verbatim: verbatim.as_ref().or(request.verbatim), ..request.clone() };
        sentence(self.subject, target, &request, &authorize(self.subject, target, &request))
    }

    /// The last refusal, told in another sentence: its explanation says what the caller reads.
    pub(crate) fn tell(&mut self, sentence: &str) {
        let asked = self.rehearsal.as_mut().and_then(|rehearsal| rehearsal.asked.last_mut());
        if let Some(explanation) = asked.or(self.explanation.as_mut().map(|refused| &mut refused.explanation)) {
            explanation.message = sentence.to_owned();
        }
    }

    /// Asks for one permission on a key, and returns the permit for it.
    ///
    /// # Errors
    /// [`Error::AccessDenied`] unless allowed.
    pub fn permit(&mut self, key: &Arc<Key>, request: &Request<'_>) -> Result<Permit, Error> {
        let grants = self.state.grants_for(key.arn(), &self.subject.principal);
        let state = self.state;
        let target = state.target(Resource::Key { key: &key.facts, grants: &grants });
        let decision = self.authorize(&target, request)?;
        self.count(key, request)?;
        self.concerns(key.arn());
        decision.permit().ok_or(Error::Internal("an allowed key permission without permit"))
    }

    /// Counts a use of a key in the quota of its kind, once in a call, for the caller's account (K231) (K232). Only what was
    /// permitted counts: else a throttled caller would learn which keys another account has (A908).
    fn count(&mut self, key: &Key, request: &Request<'_>) -> Result<(), Error> {
        let Action::Kms(permission) = request.action else { return Ok(()) };
        let is_cryptographic = Operation::named(permission.name()).is_none_or(Operation::is_cryptographic); // [A404]
        let Some((quotas, account)) = self.quotas.filter(|_| is_cryptographic).zip(self.caller.account()) else { return Ok(()) };
        self.quotas = None;
        let pair = request.parameters.iter().find_map(|(name, values)| match values {
            Values::One(spec) if *name == KeyName::DataKeyPairSpec => quotas::of_key_pair(spec),
            _ => None,
        });
        quotas.take(account, self.region(), pair.unwrap_or_else(|| quotas::of_key(key)), self.now)
    }
}
