//! Service-linked roles: roles that only their service may use and change (A322).

use std::sync::Arc;

use keyward_authz::{ResourcePolicy, UniqueId};
use keyward_policy::{KeyName, Policy, PolicyKind, Values};
use serde::Serialize;

use super::roles::permitted_role;
use super::{About, RoleOutput, RoleShape, SERVICE, arn, may, refused};
use crate::call::Outcome;
use crate::entities::{Change, Entity, EntityKey, Role};
use crate::error::{Error, IamCode};
use crate::tokens::new_id;

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
        // Nothing here uses the role, so it goes at once; the task's id says which role it was.
        let deletion_task_id = format!("task{}{}/{}", role.path, role.name, crate::host::new_uuid(call.env));
        let gone = Change::Delete(EntityKey::Role(role.account, role.name.clone()));
        Ok(Outcome::changed(DeleteServiceLinkedRoleOutput { deletion_task_id }, vec![gone]))
    }
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
        let role = input.deletion_task_id.strip_prefix("task/").and_then(|rest| rest.rsplit_once('/')).map(|(role, _)| role);
        let Some(role) = role else {
            return Err(refused(IamCode::NoSuchEntity, &format!("The deletion task {} cannot be found.", input.deletion_task_id)));
        };
        may(call, "GetServiceLinkedRoleDeletionStatus", &arn(call, "role", "/", role)?, About::default())?;
        Ok(Outcome::unchanged(GetServiceLinkedRoleDeletionStatusOutput { status: "SUCCEEDED" }))
    }
}
