//! When a key was last of use (K107).
//!
//! No call writes anything for it but its record: the store keeps the last record of each key beside the trail, in the transaction
//! in which it keeps the records, once for all that a transaction has. What the trail shows after a crash, this shows too.

use keyward_authz::Operation;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::EpochSeconds;
use super::keys::{KeyIdParameter, changing};
use crate::call::{Call, Operate, Outcome, raw};
use crate::entities::Key;
use crate::error::Error;

/// `GetKeyLastUsage`
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct GetKeyLastUsage {
    pub key_id: String,
}

/// The answer to `GetKeyLastUsage`.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct GetKeyLastUsageOutput {
    pub key_id: String,
    pub key_creation_date: EpochSeconds,
    pub tracking_start_date: EpochSeconds,
    pub key_last_usage: KeyLastUsage,
}

/// The last successful cryptographic operation; empty before the first.
#[derive(Default, Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct KeyLastUsage {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operation: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<EpochSeconds>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cloud_trail_event_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kms_request_id: Option<String>,
}

impl Operate for GetKeyLastUsage {
    type Output = GetKeyLastUsageOutput;
    const SERVICE: &'static str = "kms";
    const NAME: &'static str = "GetKeyLastUsage";
    const MUTATES: bool = false;

    fn request_parameters(&self) -> Option<Box<RawValue>> {
        raw(&KeyIdParameter { key_id: &self.key_id })
    }

    fn operate(self, call: &mut Call<'_>) -> Result<Outcome<GetKeyLastUsageOutput>, Error> {
        let key = changing(call, Operation::GetKeyLastUsage, &self.key_id)?;
        let used = call.usages.of(key.arn());
        let key_last_usage = used.map_or_else(KeyLastUsage::default, |used| KeyLastUsage {
            timestamp: jiff::Timestamp::from_millisecond(used.time_ms).ok().map(EpochSeconds),
            operation: Some(used.operation),
            cloud_trail_event_id: Some(used.event_id),
            kms_request_id: Some(used.request_id),
        });
        Ok(Outcome::unchanged(GetKeyLastUsageOutput {
            key_id: key.arn().to_string(),
            key_creation_date: EpochSeconds(key.created_at),
            // The trail is as old as the store, so a key is watched from its first day.
            tracking_start_date: EpochSeconds(key.created_at),
            key_last_usage,
        }))
    }
}

/// (A561) Whole days since the key was of use, or since it is there.
pub(super) fn days_without_use(call: &Call<'_>, key: &Key) -> i64 {
    let used_ms = call.usages.of(key.arn()).map_or(key.created_at.as_millisecond(), |used| used.time_ms);
    (call.now.as_millisecond() - used_ms).max(0) / DAY_MS
}

const DAY_MS: i64 = 24 * 60 * 60 * 1000;
