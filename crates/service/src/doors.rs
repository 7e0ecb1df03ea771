//! Service doors: how a service calls KMS for somebody, and for itself (A208, A512, A514).
//!
//! A door's long-term key does nothing but exchange. For a forward access session it must show a request that the
//! caller signed for this very service and Region: a service forwards only those who called it, as AWS's do. What comes
//! back are short-lived credentials whose calls carry `kms:ViaService`; no header or parameter can claim it (T18).

use std::net::IpAddr;
use std::sync::Arc;

use jiff::SignedDuration;
use keyward_authz::Via;
use keyward_policy::{AccountId, Arn};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use zeroize::Zeroizing;

use crate::call::{Call, Operate, Outcome, raw};
use crate::caller::{Caller, Identity, Session, SessionDoor, SessionKind};
use crate::entities::{AccessKeyOwner, Door};
use crate::error::Error;
use crate::iam::IsoSeconds;
use crate::tokens::{issue, new_id};

const SERVICE: &str = "keyward";
/// How long forwarded credentials last, in seconds: long enough for one request of the service, retries included.
const FORWARDED_S: i64 = 900;

/// Credentials in an answer.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "as in STS")]
pub struct ForwardedCredentials {
    pub access_key_id: String,
    pub secret_access_key: Zeroizing<String>,
    pub session_token: String,
    pub expiration: IsoSeconds,
}

/// The answer of both exchanges.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "as in STS")]
pub struct ExchangeOutput {
    pub credentials: ForwardedCredentials,
}

impl ExchangeOutput {
    fn elements(&self) -> Option<Box<RawValue>> {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Elements<'a> {
            access_key_id: &'a str,
        }
        raw(&Elements { access_key_id: &self.credentials.access_key_id })
    }
}

/// The door whose key signed the call.
fn door(call: &Call<'_>) -> Result<Arc<Door>, Error> {
    let key = call.state.access_key(&call.caller.access_key_id);
    match key.map(|key| &key.owner) {
        Some(AccessKeyOwner::Door { door }) => call.state.door(door).cloned().ok_or(Error::PrincipalGone),
        _ => Err(Error::Internal("an exchange without door")),
    }
}

fn issued(call: &Call<'_>, door: &Door, identity: Identity, fill: impl FnOnce(&mut Session)) -> Result<Outcome<ExchangeOutput>, Error> {
    let expires_at = call.now.checked_add(SignedDuration::from_secs(FORWARDED_S)).map_err(|_| Error::Internal("a date out of range"))?;
    let mut session = Session::new(new_id(call.env, "ASIA", 20)?, identity, SessionKind::ServiceDoor, call.now, expires_at);
    session.door = Some(SessionDoor { id: door.id.clone(), unique_id: door.unique_id.clone() });
    fill(&mut session);
    let issued = issue(call.vault.root(), call.env, session)?;
    let credentials = ForwardedCredentials {
        access_key_id: issued.access_key_id,
        secret_access_key: issued.secret_access_key,
        session_token: issued.session_token,
        expiration: IsoSeconds(issued.expires_at),
    };
    Ok(Outcome::unchanged(ExchangeOutput { credentials }))
}

/// `ForwardAccess`: a caller's session, forwarded. The caller is one whom [`Host::authenticate`](crate::Host::authenticate)
/// found behind a request to the door's service, so there is no way to forward somebody who did not call.
pub struct ForwardAccess {
    /// Who signed the request to the service.
    pub caller: Caller,
    /// The service and the Region for which it was signed.
    pub signed_for: (String, String),
    /// Where the request came from, as the service saw it.
    pub source_ip: Option<IpAddr>,
}

impl Operate for ForwardAccess {
    type Output = ExchangeOutput;
    const SERVICE: &'static str = SERVICE;
    const NAME: &'static str = "ForwardAccess";
    const MUTATES: bool = false;

    fn request_parameters(&self) -> Option<Box<RawValue>> {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Parameters<'a> {
            caller_access_key_id: &'a str,
            service: &'a str,
            region: &'a str,
        }
        let (service, region) = (self.signed_for.0.as_str(), self.signed_for.1.as_str());
        raw(&Parameters { caller_access_key_id: &self.caller.access_key_id, service, region })
    }

    fn response_elements(output: &ExchangeOutput) -> Option<Box<RawValue>> {
        output.elements()
    }

    fn operate(self, call: &mut Call<'_>) -> Result<Outcome<ExchangeOutput>, Error> {
        let door = door(call)?;
        if self.signed_for.0 != door.service || self.signed_for.1 != door.region.as_str() {
            let (service, region) = self.signed_for;
            let message = format!(
                "The caller's request is signed for {service} in {region}, and this door is that of {} in {}: a service forwards only its own callers.",
                door.service, door.region
            );
            return Err(Error::Validation(message));
        }
        let forwarded = self.caller.session.as_deref();
        if forwarded.is_some_and(|session| session.kind == SessionKind::ServiceDoor) || matches!(self.caller.identity, Identity::Service { .. }) {
            return Err(Error::Validation("A forwarded session is not forwarded again, and services do not forward themselves.".to_owned()));
        }
        issued(call, &door, self.caller.identity.clone(), |session| {
            session.via = Some(Via::service_door(door.via_service()));
            session.source_ip = self.source_ip;
            if let Some(original) = forwarded {
                // [A514] With the caller's tags, session policies and MFA; never longer than the caller's own session.
                session.policies = original.policies.clone();
                session.tags = original.tags.clone();
                session.facts = original.facts.clone();
                session.expires_at = session.expires_at.min(original.expires_at);
            } else {
                session.facts = Default::default();
            }
        })
    }
}

/// `ActAsService`: the service calls for itself (A208), for a resource of somebody or for nobody (A530).
#[derive(Deserialize, Serialize)]
#[serde(rename_all(deserialize = "PascalCase", serialize = "camelCase"))]
pub struct ActAsService {
    /// The resource on whose behalf it calls.
    pub source_arn: Option<String>,
    /// The account of that resource, where the ARN names none.
    pub source_account: Option<AccountId>,
}

impl Operate for ActAsService {
    type Output = ExchangeOutput;
    const SERVICE: &'static str = SERVICE;
    const NAME: &'static str = "ActAsService";
    const MUTATES: bool = false;

    fn request_parameters(&self) -> Option<Box<RawValue>> {
        crate::call::raw_parameters(self)
    }

    fn response_elements(output: &ExchangeOutput) -> Option<Box<RawValue>> {
        output.elements()
    }

    fn operate(self, call: &mut Call<'_>) -> Result<Outcome<ExchangeOutput>, Error> {
        let door = door(call)?;
        let in_arn = match &self.source_arn {
            Some(text) => text.parse::<Arn>().map_err(|_| Error::Validation(format!("SourceArn: `{text}` is no ARN")))?.account(),
            None => None,
        };
        issued(call, &door, Identity::Service { name: door.service_principal() }, |session| {
            session.source_account = self.source_account.or(in_arn);
            session.source_arn = self.source_arn;
        })
    }
}
