//! AWS managed keys (A803): a service's own key in an account and Region, behind `alias/aws/…`, made when it is first named (K53).

use std::sync::Arc;

use jiff::Timestamp;
use keyward_authz::{AliasName, KeyArn, KeyFacts, KeyManager, ResourcePolicy};
use keyward_crypto::{KeyMaterial, KeySpec};
use keyward_policy::{AccountId, Policy, PolicyKind, Region};
use serde_json::json;

use super::keys::{new_key_id, put};
use super::rotation::schedule;
use crate::call::Origin;
use crate::entities::{Alias, Change, Entity, Key};
use crate::env::Env;
use crate::error::Error;
use crate::state::State;
use crate::trail::ServiceEvent;
use crate::vault::Vault;

/// Days after which AWS rotates its own keys.
const PERIOD_DAYS: u32 = 365;

/// What stands behind `alias/aws/`, and the service in `kms:ViaService` (A513) where that is another.
const SERVICES: &[(&str, &str)] = &[
    ("acm", "acm"),
    ("backup", "backup"),
    ("codeartifact", "codeartifact"),
    ("connect", "connect"),
    ("dms", "dms"),
    ("dynamodb", "dynamodb"),
    ("ebs", "ec2"),
    ("elasticache", "elasticache"),
    ("elasticfilesystem", "elasticfilesystem"),
    ("es", "es"),
    ("fsx", "fsx"),
    ("glue", "glue"),
    ("kafka", "kafka"),
    ("kinesis", "kinesis"),
    ("kinesisvideo", "kinesisvideo"),
    ("lambda", "lambda"),
    ("lex", "lex"),
    ("memorydb", "memorydb"),
    ("mq", "mq"),
    ("rds", "rds"),
    ("redshift", "redshift"),
    ("s3", "s3"),
    ("secretsmanager", "secretsmanager"),
    ("ses", "ses"),
    ("sns", "sns"),
    ("sqs", "sqs"),
    ("ssm", "ssm"),
    ("timestream", "timestream"),
    ("workspaces", "workspaces"),
    ("xray", "xray"),
];

/// The key that a call is the first to name: DescribeKey by anybody of the account, what uses keys through a door of the service alone.
/// It comes to be with the call, or with a refused call not at all.
pub(crate) fn first_named(
    state: &State,
    origin: &Origin,
    operation: &str,
    named: &str,
    (now, vault, env): (Timestamp, &Vault, &Env),
) -> Result<Option<(Vec<Change>, ServiceEvent)>, Error> {
    let region = &origin.facts.region;
    let Some(account) = origin.caller.as_ref().and_then(|caller| caller.account()) else { return Ok(None) };
    let own = format!("arn:{}:kms:{region}:{account}:", region.partition());
    let Ok(name) = named.strip_prefix(own.as_str()).unwrap_or(named).parse::<AliasName>() else { return Ok(None) };
    let service = SERVICES.iter().find(|(label, _)| name.as_str().strip_prefix(RESERVED_ALIASES) == Some(label));
    let is_first = state.account(account).is_some() && state.alias(account, region, &name).is_none();
    let Some((label, via)) = service.filter(|_| is_first) else { return Ok(None) };
    let via_service = format!("{via}.{region}.amazonaws.com");
    let calls_for_itself = origin.facts.via.as_ref().is_some_and(|via| via.service() == via_service);
    if operation != "DescribeKey" && !calls_for_itself {
        return Ok(None);
    }
    let arn = KeyArn::new(region.clone(), account, new_key_id(env, false)?);
    let policy = ResourcePolicy::unbound(Policy::parse(PolicyKind::Key, policy(label, &via_service, account, region)));
    let facts = KeyFacts { manager: KeyManager::Aws, ..KeyFacts::new(arn.clone(), policy) };
    let description = format!("Default key that protects my {label} data when no other key is defined");
    let material = KeyMaterial::generate(KeySpec::SymmetricDefault, &*env.entropy).map_err(|_| Error::Internal("making a key failed"))?;
    let blob_id = arn.id().as_str().parse().map_err(|_| Error::Internal("a key id that is none"))?;
    let materials = vec![vault.lock(arn.as_str(), &blob_id, &material, now, &*env.entropy)?];
    let mut key = Key { description, materials, rotation: Some(schedule(PERIOD_DAYS, now)?), ..Key::new(facts, now) };
    key.settle();
    let alias = Alias { account, region: region.clone(), name, target: arn.id().clone(), created_at: now, updated_at: now };
    let mut changes = put(key);
    changes.push(Change::Put(Entity::Alias(Arc::new(alias))));
    Ok(Some((changes, ServiceEvent::new("CreateKey", &arn))))
}

/// How names of AWS's own aliases begin.
pub(crate) const RESERVED_ALIASES: &str = "alias/aws/";

/// (A803) Whoever may use the service in this account may use the key through it; the account may look, and take grants back.
fn policy(label: &str, via_service: &str, account: AccountId, region: &Region) -> String {
    let document = json!({
        "Version": "2012-10-17",
        "Id": format!("auto-{label}-1"),
        "Statement": [
            {
                "Sid": format!("Allow access through {label} for all principals in the account that are authorized to use {label}"),
                "Effect": "Allow",
                "Principal": { "AWS": "*" },
                "Action": ["kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:CreateGrant", "kms:DescribeKey"],
                "Resource": "*",
                "Condition": { "StringEquals": { "kms:CallerAccount": account, "kms:ViaService": via_service } },
            },
            {
                "Sid": "Allow direct access to key metadata to the account",
                "Effect": "Allow",
                "Principal": { "AWS": format!("arn:{}:iam::{account}:root", region.partition()) },
                "Action": ["kms:Describe*", "kms:Get*", "kms:List*", "kms:RevokeGrant"],
                "Resource": "*",
            },
        ],
    });
    // INVARIANT: a JSON value is always writable; the alternate form is how AWS prints policies.
    serde_json::to_string_pretty(&document).unwrap_or_default()
}
