//! The request context: condition values computed when a policy asks for them (§5).

use std::borrow::Cow;

use keyward_policy::{ConditionKey, Context, KeyName, Presumption, Values};

use crate::facts::{ALIASES_PER_KEY_MAX, KeyFacts, KeyManager, MultiRegionKeyType, Principal, Request, Resource, Subject, Target, Unsaid};
use crate::layers::Exemption;

/// One (permission, resource) pair's context (A501).
pub(crate) struct RequestContext<'a> {
    pub(crate) subject: &'a Subject,
    pub(crate) target: &'a Target<'a>,
    pub(crate) request: &'a Request<'a>,
    /// (A506) Key policies do not see `aws:ResourceTag/*` and `kms:ResourceAliases`.
    pub(crate) for_key_policy: bool,
}

impl Context for RequestContext<'_> {
    fn values(&self, key: &ConditionKey) -> Values<'_> {
        if let Some(verbatim) = self.request.verbatim.filter(|verbatim| verbatim.contains(key)) {
            return verbatim.values(key);
        }
        if let Some((_, values)) = self.request.parameters.iter().find(|(name, _)| *name == key.name()) {
            return values.clone();
        }
        let name = key.name();
        if let Unsaid::Open(_) = self.request.unsaid
            && self.is_unknown_whatever_is_said(name)
        {
            return Values::Unknown;
        }
        let said = match name.as_str().split_once(':').map(|(service, _)| service) {
            Some("kms") => self.kms(name, key.part()),
            _ => self.global(name, key.part()),
        };
        match (said, self.request.unsaid) {
            (Values::Absent, Unsaid::Open(_)) if self.may_be_there(key) => Values::Unknown,
            (said, _) => said,
        }
    }

    fn presumption(&self) -> Presumption {
        match self.request.unsaid {
            Unsaid::Absent => Presumption::Adverse,
            Unsaid::Open(presumption) => presumption,
        }
    }
}

impl<'a> RequestContext<'a> {
    fn key(&self) -> Option<&'a KeyFacts> {
        match &self.target.resource {
            Resource::Key { key, .. } => Some(key),
            Resource::Alias { .. } | Resource::None { .. } | Resource::Other { .. } => None,
        }
    }

    /// Whether requests for this permission carry the key (A504); the alias half of an operation carries none (A405).
    fn carries(&self, name: KeyName) -> bool {
        let on_alias = matches!(self.target.resource, Resource::Alias { .. });
        !on_alias && self.request.action.kms().is_some_and(|permission| permission.carries(name))
    }

    /// What has a value in every request in hand, but another one in another: whether a service calls, how a session is called.
    fn is_unknown_whatever_is_said(&self, name: KeyName) -> bool {
        use KeyName as K;
        let direct_or_not = self.request.call.via.is_none() && !self.is_service();
        match name {
            K::ViaAwsService => direct_or_not,
            K::GrantIsForAwsResource => direct_or_not && self.carries(name),
            K::UserId => matches!(self.subject.principal, Principal::RoleSession { .. }),
            K::PrincipalArn | K::PrincipalAccount | K::PrincipalOrgId | K::PrincipalOrgPaths | K::PrincipalType | K::UserName => self.subject.anyone,
            K::CallerAccount => self.subject.anyone && self.carries(name),
            _ => false,
        }
    }

    /// Whether a request could carry the key, of which this one says nothing.
    fn may_be_there(&self, key: &ConditionKey) -> bool {
        use KeyName as K;
        let temporary = matches!(self.subject.principal, Principal::RoleSession { .. } | Principal::FederatedUser { .. });
        match key.name() {
            K::ViaService => self.carries(K::ViaService) && !self.is_service(),
            // Facts of the key and of the caller: what is not there is not there.
            K::KeySpec
            | K::KeyUsage
            | K::CustomerMasterKeySpec
            | K::CustomerMasterKeyUsage
            | K::KeyOrigin
            | K::MultiRegion
            | K::MultiRegionKeyType
                if self.key().is_some() =>
            {
                false
            }
            K::CallerAccount | K::ResourceAliases | K::ResourceTag | K::PrincipalArn | K::PrincipalAccount | K::PrincipalOrgId => false,
            K::PrincipalOrgPaths | K::UserName | K::UserId | K::PrincipalType | K::PrincipalIsAwsService | K::PrincipalServiceName => false,
            K::PrincipalServiceNamesList | K::RequestedRegion | K::SecureTransport | K::ResourceAccount => false,
            K::AssumedRoot => self.subject.anyone, // [A210]
            K::ResourceOrgId | K::ResourceOrgPaths | K::ViaAwsService => false,
            K::Other if key.as_str().get(..4).is_some_and(|service| service.eq_ignore_ascii_case("kms:")) => false, // [A152]
            K::PrincipalTag | K::FederatedProvider | K::SourceIdentity | K::Other => temporary,                     // [A522] [A528] [A529]
            K::SourceArn | K::SourceAccount | K::SourceOrgId | K::SourceOrgPaths => self.is_service(),              // [A530]
            K::SourceIp | K::CalledVia | K::CalledViaFirst | K::CalledViaLast | K::MultiFactorAuthPresent | K::MultiFactorAuthAge => {
                !self.is_service()
            }
            K::TokenIssueTime => !self.is_service(),
            K::SourceVpc | K::SourceVpcArn | K::SourceVpce | K::VpcSourceIp | K::VpceAccount | K::VpceOrgId | K::VpceOrgPaths => {
                self.request.call.via.is_none() && !self.is_service() // [A532]
            }
            K::CurrentTime | K::EpochTime | K::UserAgent | K::Referer => true,
            K::RequestTag | K::TagKeys => self.carries(key.name()) || self.request.action.kms().is_none(),
            name if name.as_str().starts_with("kms:") => self.carries(name),
            // Parameters of other services' requests.
            _ => self.request.action.kms().is_none(),
        }
    }

    fn is_service(&self) -> bool {
        matches!(self.subject.principal, Principal::Service { .. })
    }

    fn kms(&self, name: KeyName, part: &str) -> Values<'a> {
        use KeyName as K;
        let key = self.key();
        let fact = |get: fn(&'a KeyFacts) -> &'a str| Values::one_or_absent(key.map(get));
        match name {
            K::CallerAccount if self.carries(name) => {
                Values::one_or_absent(self.subject.principal.account().map(|account| account.to_string())) // [A511]
            }
            K::ViaService if self.carries(name) => {
                Values::one_or_absent(self.request.call.via.as_ref().map(|via| via.service())) // [A512]
            }
            K::KeySpec | K::CustomerMasterKeySpec => fact(|key| &key.spec), // [A505] [A549]
            K::KeyUsage | K::CustomerMasterKeyUsage => fact(|key| &key.usage),
            K::KeyOrigin => fact(|key| &key.origin),
            K::MultiRegion => key.map_or(Values::Absent, |key| Values::bool(key.multi_region.is_some())),
            K::MultiRegionKeyType => Values::one_or_absent(key.and_then(|key| key.multi_region).map(|kind| match kind {
                MultiRegionKeyType::Primary => "PRIMARY",
                MultiRegionKeyType::Replica => "REPLICA",
            })),
            K::ResourceAliases if !self.for_key_policy => self.resource_aliases(), // [A546]
            K::RequestAlias if self.carries(name) => Values::one_or_absent(self.request.alias.map(|alias| alias.as_str())), // [A545]
            K::EncryptionContext if self.carries(name) => match self.encryption_context() {
                Some(pairs) => Values::from_family(pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())), part), // [A540]
                None => Values::Absent,
            },
            K::EncryptionContextKeys if self.carries(name) => match self.encryption_context().filter(|pairs| !pairs.is_empty()) {
                Some(pairs) => Values::Many(pairs.keys().map(|name| Cow::Borrowed(name.as_str())).collect()), // [A541]
                None => Values::Absent,
            },
            K::RecipientAttestation if self.carries(name) => match self.request.attestation {
                Some(measured) => Values::from_family(measured.iter().map(|(name, value)| (name.as_str(), value.as_str())), part), // [A566]
                None => Values::Absent,
            },
            K::GrantIsForAwsResource if self.carries(name) => Values::bool(self.request.call.via.is_some()), // [A550]
            _ => Values::Absent,
        }
    }

    /// (A542) Asymmetric and HMAC keys have none, whatever the request says.
    fn encryption_context(&self) -> Option<&'a std::collections::BTreeMap<String, String>> {
        let symmetric = self.key().is_none_or(|key| &*key.spec == "SYMMETRIC_DEFAULT");
        self.request.encryption_context.filter(|_| symmetric)
    }

    fn resource_aliases(&self) -> Values<'a> {
        match self.key() {
            Some(key) if key.aliases.len() > ALIASES_PER_KEY_MAX => Values::Clash(Vec::new()),
            Some(key) if !key.aliases.is_empty() => Values::Many(key.aliases.iter().map(|alias| Cow::Borrowed(alias.as_str())).collect()),
            _ => Values::Absent,
        }
    }

    fn global(&self, name: KeyName, part: &str) -> Values<'a> {
        use KeyName as K;
        let (subject, call) = (self.subject, self.request.call);
        let service = self.is_service();
        match name {
            K::PrincipalArn => match &subject.principal {
                Principal::RoleSession { role, .. } => Values::One(Cow::Borrowed(role.as_str())), // [A519]
                Principal::Service { .. } => Values::Absent,
                principal => Values::One(principal.caller_arn()),
            },
            K::PrincipalAccount => Values::one_or_absent(subject.principal.account().map(|account| account.to_string())), // [A520]
            K::PrincipalOrgId => Values::one_or_absent(subject.organization.as_ref().map(|membership| &*membership.id)),
            K::PrincipalOrgPaths => many(subject.organization.as_ref().and_then(|membership| membership.path.as_deref())),
            K::PrincipalType => Values::one_or_absent(match &subject.principal {
                Principal::User { .. } => Some("User"), // [A201]
                Principal::RoleSession { .. } => Some("AssumedRole"),
                Principal::FederatedUser { .. } => Some("FederatedUser"),
                Principal::Root { .. } => Some("Account"),
                Principal::Service { .. } => None,
            }),
            K::UserName => match &subject.principal {
                Principal::User { arn, .. } => Values::one_or_absent(arn.resource().rsplit('/').next()), // [A521]
                _ => Values::Absent,
            },
            K::UserId => self.user_id(),
            K::PrincipalTag => Values::from_family(subject.tags.iter().map(|(name, value)| (name.as_str(), value.as_str())), part), // [A522]
            K::TokenIssueTime => Values::one_or_absent(subject.facts.issued_at.map(|at| at.to_string())),                           // [A523]
            K::MultiFactorAuthPresent => subject.facts.mfa_present.map_or(Values::Absent, Values::bool),
            K::MultiFactorAuthAge => Values::one_or_absent(subject.facts.mfa_age_s.map(|age| age.to_string())),
            K::PrincipalIsAwsService => Values::bool(service), // [A524]
            K::PrincipalServiceName => Values::one_or_absent(service.then(|| subject.principal.caller_arn())),
            K::PrincipalServiceNamesList if service => Values::Many(vec![subject.principal.caller_arn()]),
            K::ViaAwsService => Values::bool(call.via.is_some()), // [A525]
            K::CurrentTime => Values::one_or_absent(call.time.map(|time| time.to_string())), // [A526]
            K::EpochTime => Values::one_or_absent(call.time.map(|time| time.as_second().to_string())),
            K::RequestedRegion => Values::One(Cow::Borrowed(call.region.as_str())),
            K::SecureTransport => Values::bool(call.secure_transport),
            K::UserAgent => Values::one_or_absent(call.user_agent.as_deref()),
            K::ResourceAccount => {
                let account = self.target.owner().or(subject.principal.account()); // [A527]
                Values::one_or_absent(account.map(|account| account.to_string()))
            }
            K::ResourceOrgId => Values::one_or_absent(self.resource_organization().map(|membership| &*membership.id)),
            K::ResourceOrgPaths => many(self.resource_organization().and_then(|membership| membership.path.as_deref())),
            K::ResourceTag if !self.for_key_policy => match self.resource_tags() {
                Some(tags) => Values::from_family(tags.iter().map(|(name, value)| (name.as_str(), value.as_str())), part), // [A547]
                None => Values::Absent,
            },
            K::RequestTag => match self.request.request_tags {
                Some(tags) => Values::from_family(tags.iter().map(|(name, value)| (name.as_str(), value.as_str())), part), // [A548]
                None => Values::Absent,
            },
            K::TagKeys => match self.request.request_tags {
                Some(tags) => Values::Many(tags.keys().map(|name| Cow::Borrowed(name.as_str())).collect()),
                None => Values::Absent,
            },
            K::SourceIdentity => Values::one_or_absent(subject.facts.source_identity.as_deref()), // [A528]
            K::AssumedRoot => {
                if subject.facts.assumed_root {
                    Values::bool(true)
                } else {
                    Values::Absent
                }
            }
            K::SourceArn => Values::one_or_absent(call.source_arn.as_deref()), // [A530]
            K::SourceAccount => Values::one_or_absent(call.source_account.map(|account| account.to_string())),
            // [A531] Public endpoint only; a service principal's own address is redacted. FAS: of the first request [A514].
            K::SourceIp if !service && call.endpoint.is_none() => Values::one_or_absent(call.source_ip.map(|address| address.to_string())),
            // [A532] Only through a VPC endpoint, and only for the first hop [A332].
            K::SourceVpc => Values::one_or_absent(self.first_hop().map(|endpoint| endpoint.vpc.as_str())),
            K::SourceVpce => Values::one_or_absent(self.first_hop().map(|endpoint| endpoint.id.as_str())),
            K::VpcSourceIp => Values::one_or_absent(self.first_hop().and(call.source_ip).map(|address| address.to_string())),
            K::SourceVpcArn => Values::one_or_absent(self.first_hop().and_then(|endpoint| {
                let partition = call.region.partition();
                Some(format!("arn:{partition}:ec2:{}:{}:vpc/{}", call.region, endpoint.account?, endpoint.vpc))
            })),
            K::VpceAccount => Values::one_or_absent(self.first_hop().and_then(|endpoint| endpoint.account).map(|account| account.to_string())),
            K::VpceOrgId => Values::one_or_absent(self.first_hop().and_then(|endpoint| endpoint.organization.as_ref()).map(|of| &*of.id)),
            K::VpceOrgPaths => many(self.first_hop().and_then(|endpoint| endpoint.organization.as_ref()?.path.as_deref())),
            _ => Values::Absent,
        }
    }

    fn first_hop(&self) -> Option<&'a crate::facts::VpcEndpoint> {
        self.request.call.endpoint.as_ref().filter(|_| endpoint_applies(self.subject, self.request))
    }

    fn resource_organization(&self) -> Option<&'a crate::facts::Membership> {
        match &self.target.resource {
            Resource::None { .. } => self.subject.organization.as_ref(),
            _ => self.target.organization,
        }
    }

    fn resource_tags(&self) -> Option<&'a std::collections::BTreeMap<String, String>> {
        match &self.target.resource {
            Resource::Key { key, .. } => Some(&key.tags),
            Resource::Other { tags, .. } => *tags,
            Resource::Alias { .. } | Resource::None { .. } => None,
        }
    }

    /// (A201)
    fn user_id(&self) -> Values<'a> {
        match &self.subject.principal {
            Principal::User { id, .. } => Values::one_or_absent(id.as_ref().map(|id| &*id.0)),
            Principal::RoleSession { id, session, .. } => {
                let name = session.resource().rsplit('/').next().unwrap_or_default();
                Values::one_or_absent(id.as_ref().map(|id| format!("{id}:{name}")))
            }
            Principal::FederatedUser { arn, .. } => {
                let name = arn.resource_after("federated-user").unwrap_or_default();
                Values::one_or_absent(arn.account().map(|account| format!("{account}:{name}")))
            }
            Principal::Root { account, .. } => Values::One(Cow::Owned(account.to_string())),
            Principal::Service { .. } => Values::Absent,
        }
    }
}

fn many(value: Option<&str>) -> Values<'_> {
    value.map_or(Values::Absent, |value| Values::Many(vec![Cow::Borrowed(value)]))
}

/// (A332) FAS requests and calls by services do not pass the caller's endpoint.
pub(crate) fn endpoint_applies(subject: &Subject, request: &Request<'_>) -> bool {
    request.call.via.is_none() && !matches!(subject.principal, Principal::Service { .. })
}

/// What RCPs never bind, and why.
pub(crate) fn rcp_exemption(subject: &Subject, target: &Target<'_>, request: &Request<'_>) -> Option<Exemption> {
    let aws_managed = matches!(&target.resource, Resource::Key { key, .. } if key.manager == KeyManager::Aws);
    match target.resource {
        Resource::None { .. } => Some(Exemption::NoResource), // [A326]
        _ if aws_managed => Some(Exemption::AwsManagedKey),   // [A325]
        _ if request.is_retirement() => Some(Exemption::RetireGrant),
        _ => subject.service_linked.then_some(Exemption::ServiceLinkedRole), // [A322]
    }
}

#[cfg(test)]
mod tests;
