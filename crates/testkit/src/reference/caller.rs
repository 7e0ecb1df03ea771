//! Who calls (A201–A210).

use keyward_cases::{Case, CasePrincipal};

use super::pattern::{segment, segments};
use super::statement::As;

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    User,
    RoleSession,
    FederatedUser,
    Root,
    Service,
}

/// The caller of a case.
pub(super) struct Caller<'c> {
    /// As in the request: of a session, the session's ARN; of a service, its name.
    pub(super) arn: &'c str,
    pub(super) kind: Kind,
    /// Empty for a service (A208).
    pub(super) account: &'c str,
    /// The user, the role of the session, the user behind the federated session; where it stands in the case.
    pub(super) record: Option<&'c CasePrincipal>,
    pub(super) record_at: usize,
    /// The ARN of that user or role, path included (A124).
    pub(super) lasting_arn: Option<String>,
}

impl<'c> Caller<'c> {
    pub(super) fn of(case: &'c Case) -> Result<Caller<'c>, String> {
        let arn = case.request.principal.as_str();
        let account = segment(arn, 4);
        let kind = match (segment(arn, 2), segment(arn, 5)) {
            _ if !arn.starts_with("arn:") => Kind::Service,
            ("iam", "root") => Kind::Root,
            ("iam", user) if user.starts_with("user/") => Kind::User,
            ("sts", session) if session.starts_with("assumed-role/") => Kind::RoleSession,
            ("sts", session) if session.starts_with("federated-user/") => Kind::FederatedUser,
            _ => return Err(format!("`{arn}` is no caller")),
        };
        let role = segment(arn, 5).split('/').nth(1).unwrap_or_default();
        let is_record = |principal: &CasePrincipal| match kind {
            Kind::User => principal.arn == arn,
            Kind::FederatedUser => case.request.session.issuing_user.as_ref() == Some(&principal.arn),
            Kind::RoleSession => is_role(&principal.arn, account, role),
            Kind::Root | Kind::Service => false,
        };
        let record_at = case.setup.principals.iter().position(is_record);
        let record = record_at.and_then(|at| case.setup.principals.get(at));
        let unlisted = match kind {
            Kind::User => Some(arn.to_owned()),
            Kind::FederatedUser => case.request.session.issuing_user.clone(),
            Kind::RoleSession => Some(format!("arn:{}:iam::{account}:role/{role}", segment(arn, 1))),
            Kind::Root | Kind::Service => None,
        };
        let lasting_arn = record.map(|record| record.arn.clone()).or(unlisted);
        Ok(Caller { arn, kind, account, record, record_at: record_at.unwrap_or_default(), lasting_arn })
    }

    /// Under the same name there was somebody else when policies and grants were stored (A206, A606).
    pub(super) fn made_anew(&self) -> bool {
        self.record.is_some_and(|record| record.recreated_after_policy_was_saved)
    }

    pub(super) fn has_boundary(&self) -> bool {
        self.record.is_some_and(|record| record.permissions_boundary.is_some())
    }

    pub(super) fn is_service_linked(&self) -> bool {
        self.record.is_some_and(|record| record.service_linked)
    }

    /// What NotPrincipal has to list, all of it, to exempt the caller (A220).
    pub(super) fn levels(&self) -> Vec<As> {
        match self.kind {
            Kind::User => vec![As::User, As::Account],
            Kind::RoleSession => vec![As::Session, As::Role, As::Account],
            Kind::FederatedUser if self.lasting_arn.is_none() => vec![As::FederatedUser, As::Account],
            Kind::FederatedUser => vec![As::FederatedUser, As::UserBehind, As::Account],
            Kind::Root => vec![As::Account],
            Kind::Service => vec![As::Service],
        }
    }
}

/// Session ARNs have the name of the role without its path (A124).
pub(super) fn is_role(arn: &str, account: &str, name: &str) -> bool {
    let parts = segments(arn);
    let resource = parts.get(5).and_then(|resource| resource.strip_prefix("role/"));
    parts.get(2) == Some(&"iam") && parts.get(4) == Some(&account) && resource.is_some_and(|path| path.rsplit('/').next() == Some(name))
}
