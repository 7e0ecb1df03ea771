//! The smallest change that turns the answer.

use keyward_policy::{Policy, PolicyKind};

use crate::authorize::authorize;
use crate::facts::{Attached, KeyManager, Principal, Resource, ResourcePolicy, Target};

use super::Teller;
use super::report::Fix;
use super::words::short;

impl Teller<'_> {
    /// Tries one statement on each side in turn, the smaller first. A fix that does not turn the answer is not told.
    pub(super) fn fix(&self) -> Option<Fix> {
        self.identity_fix().or_else(|| self.key_policy_fix())
    }

    pub(super) fn identity_fix(&self) -> Option<Fix> {
        let account = self.subject.principal.account()?;
        let resource = if matches!(self.target.resource, Resource::None { .. }) { "*" } else { self.target.arn() };
        let statement = format!(r#"{{"Effect":"Allow","Action":"{}","Resource":"{resource}"}}"#, self.request.action);
        let mut subject = self.subject.clone();
        subject.identity.push(Attached {
            policy: Policy::parse(PolicyKind::Identity, format!(r#"{{"Version":"2012-10-17","Statement":{statement}}}"#)),
            name: "the fix".into(),
            arn: None,
        });
        let place = format!("an identity policy of {}", short(&self.subject.principal));
        authorize(&subject, self.target, self.request).is_allowed().then(|| Fix { account: account.to_string(), place, statement })
    }

    pub(super) fn key_policy_fix(&self) -> Option<Fix> {
        let Resource::Key { key, grants } = &self.target.resource else { return None };
        if key.manager == KeyManager::Aws {
            return None;
        }
        let principal = match &self.subject.principal {
            Principal::User { arn, .. } | Principal::FederatedUser { arn, .. } => format!(r#"{{"AWS":"{arn}"}}"#),
            Principal::RoleSession { role, .. } => format!(r#"{{"AWS":"{role}"}}"#),
            Principal::Root { account } => format!(r#"{{"AWS":"arn:aws:iam::{account}:root"}}"#),
            Principal::Service { name } => format!(r#"{{"Service":"{name}"}}"#),
        };
        let statement = format!(r#"{{"Effect":"Allow","Principal":{principal},"Action":"{}","Resource":"*"}}"#, self.request.action);
        let mut changed = (*key).clone();
        // The second policy of the key is evaluated with the first [A337]: a place to try a statement beside the whole text.
        let mut statements = vec![statement.as_str()];
        let ram = key.ram_policy.as_ref().map(|ram| ram.policy.text().to_owned());
        let inner = ram.as_deref().and_then(|text| text.split_once('[').and_then(|(_, rest)| rest.rsplit_once(']')).map(|(inner, _)| inner));
        statements.extend(inner.filter(|inner| !inner.trim().is_empty()));
        changed.ram_policy = Some(ResourcePolicy::unbound(Policy::parse(
            PolicyKind::Key,
            format!(r#"{{"Version":"2012-10-17","Statement":[{}]}}"#, statements.join(",")),
        )));
        let target = Target { resource: Resource::Key { key: &changed, grants }, rcps: self.target.rcps, organization: self.target.organization };
        authorize(self.subject, &target, self.request).is_allowed().then(|| Fix {
            account: key.arn.account().to_string(),
            place: "the key policy".to_owned(),
            statement,
        })
    }
}
