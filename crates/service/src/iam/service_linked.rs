//! Service-linked roles: roles that only their service may use and change (A322).

use std::sync::Arc;

use keyward_authz::{ResourcePolicy, UniqueId};
use keyward_crypto::Purpose;
use keyward_policy::{AccountId, KeyName, Policy, PolicyKind, Values};
use serde::Serialize;

use super::roles::permitted_role;
use super::{About, RoleOutput, RoleShape, SERVICE, arn, described, may, refused};
use crate::call::Outcome;
use crate::entities::{Change, Entity, EntityKey, Role};
use crate::error::{Error, IamCode};
use crate::tokens::{new_id, open_from_client, seal_for_client};

/// Services whose role is not named after the first label of their principal.
const NAMES: &[(&str, &str)] = &[
    ("autoscaling.amazonaws.com", "AutoScaling"),
    ("mrk.kms.amazonaws.com", "KeyManagementServiceMultiRegionKeys"),
    ("cks.kms.amazonaws.com", "KeyManagementServiceCustomKeyStores"),
    ("rds.amazonaws.com", "RDS"),
    ("elasticache.amazonaws.com", "ElastiCache"),
    ("elasticfilesystem.amazonaws.com", "AmazonElasticFileSystem"),
    ("backup.amazonaws.com", "Backup"),
    ("spot.amazonaws.com", "EC2Spot"),
    ("eks.amazonaws.com", "AmazonEKS"),
];

/// `AWSServiceRoleFor…`
pub(crate) fn role_name(service: &str, suffix: Option<&str>) -> String {
    let known = NAMES.iter().find(|(principal, _)| *principal == service).map(|(_, name)| (*name).to_owned());
    let name = known.unwrap_or_else(|| {
        let label = service.split('.').next().unwrap_or_default();
        let mut chars = label.chars();
        chars.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(chars).collect()
    });
    format!("AWSServiceRoleFor{name}{}", suffix.map(|suffix| format!("_{suffix}")).unwrap_or_default())
}

/// `/aws-service-role/SERVICE/`
pub(crate) fn role_path(service: &str) -> String {
    format!("/aws-service-role/{service}/")
}

/// Who may assume it: the service alone.
pub(crate) fn trust(service: &str) -> ResourcePolicy {
    let text =
        format!(r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":{{"Service":"{service}"}},"Action":"sts:AssumeRole"}}]}}"#);
    ResourcePolicy::unbound(Policy::parse(PolicyKind::Trust, text))
}

operation! {
    CreateServiceLinkedRole {
        #[serde(rename(deserialize = "AWSServiceName"))] aws_service_name: String,
        description: Option<String>,
        custom_suffix: Option<String>,
    } makes -> RoleOutput,
    |input, call| {
        let service = input.aws_service_name;
        let principal = |text: &str| text.ends_with(".amazonaws.com") && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-".contains(&byte));
        if !principal(&service) {
            return Err(refused(IamCode::InvalidInput, &format!("Service {service} is not supported.")));
        }
        described(input.description.as_deref())?;
        let (name, path) = (role_name(&service, input.custom_suffix.as_deref()), role_path(&service));
        super::names::name(&name, "roleName", super::names::USER_NAME_CHARS_MAX)?;
        let arn = arn(call, "role", &path, &name)?;
        let about = About { parameters: vec![(KeyName::AwsServiceName, Values::One(service.as_str().into()))], ..About::default() };
        may(call, "CreateServiceLinkedRole", &arn, about)?;
        let account = call.account()?;
        if call.state.role(account, &name).is_some() {
            let message = format!("Service role name {name} has been taken in this account, please try a different suffix.");
            return Err(refused(IamCode::InvalidInput, &message));
        }
        let role = Role {
            arn: arn.parse().map_err(|_| Error::Internal("a role ARN that is none"))?,
            account,
            trust: trust(&service),
            name,
            path,
            id: UniqueId(new_id(call.env, "AROA", 21)?.into()),
            created_at: call.now,
            description: input.description,
            session_s_max: 3600,
            inline: Default::default(),
            attached: Vec::new(),
            boundary: None,
            tags: Vec::new(),
            service_linked: Some(service),
        };
        Ok(Outcome::changed(RoleOutput { role: RoleShape::of(call.state, &role) }, vec![Change::Put(Entity::Role(Arc::new(role)))]))
    }
}

/// The answer to `DeleteServiceLinkedRole`.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct DeleteServiceLinkedRoleOutput {
    pub deletion_task_id: String,
}

operation! {
    DeleteServiceLinkedRole { role_name: String } makes -> DeleteServiceLinkedRoleOutput,
    |input, call| {
        let role = permitted_role(call, "DeleteServiceLinkedRole", &input.role_name, About::default())?;
        if role.service_linked.is_none() {
            return Err(refused(IamCode::InvalidInput, &format!("{} is not a service-linked role.", role.name)));
        }
        // Nothing here uses the role, so it goes at once. The task's id says which role it was, and that it was us who made it.
        let place = format!("{}{}", role.path, role.name);
        let seal = seal_for_client(call.vault.root(), call.env, Purpose::Marker, &task_bound(role.account, &place), b"")?;
        let deletion_task_id = format!("task{place}/{seal}");
        let gone = Change::Delete(EntityKey::Role(role.account, role.name.clone()));
        Ok(Outcome::changed(DeleteServiceLinkedRoleOutput { deletion_task_id }, vec![gone]))
    }
}

/// What the seal in a task's id is good for.
fn task_bound(account: AccountId, place: &str) -> String {
    format!("DeleteServiceLinkedRole\n{account}\n{place}")
}

/// The answer to `GetServiceLinkedRoleDeletionStatus`.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the API's own members")]
pub struct GetServiceLinkedRoleDeletionStatusOutput {
    pub status: &'static str,
}

operation! {
    GetServiceLinkedRoleDeletionStatus { deletion_task_id: String } reads -> GetServiceLinkedRoleDeletionStatusOutput,
    |input, call| {
        let unknown = || refused(IamCode::NoSuchEntity, &format!("The deletion task {} cannot be found.", input.deletion_task_id));
        let (place, seal) = input.deletion_task_id.strip_prefix("task").and_then(|rest| rest.rsplit_once('/')).ok_or_else(unknown)?;
        may(call, "GetServiceLinkedRoleDeletionStatus", &arn(call, "role", place, "")?, About::default())?;
        open_from_client(call.vault.root(), Purpose::Marker, &task_bound(call.account()?, place), seal).ok_or_else(unknown)?;
        Ok(Outcome::unchanged(GetServiceLinkedRoleDeletionStatusOutput { status: "SUCCEEDED" }))
    }
}
