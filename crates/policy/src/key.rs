//! Condition keys, and the request's values under them.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

// The condition keys that Keyward gives meaning to. Names compare without case [A151]. The families with a variable
// part (`aws:ResourceTag/…`, `kms:EncryptionContext:…`) carry it in `ConditionKey::part`. Any other key is legal and
// always absent [A152].
macro_rules! key_names {
    ($($name:ident = $text:literal),* $(,)?) => {
        /// Which condition key, without its variable part. See [`ConditionKey`].
        #[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
        #[expect(missing_docs, reason = "each variant is the AWS key of the same name; spec/authorization.md §5 describes them")]
        pub enum KeyName {
            $($name,)*
            /// A key that is legal but means nothing here (A152).
            Other,
        }

        impl KeyName {
            /// Every known name, families included.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// As AWS writes it; families end in `/` or `:`.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* Self::Other => "" }
            }
        }
    };
}

key_names! {
    PrincipalArn = "aws:PrincipalArn",
    PrincipalAccount = "aws:PrincipalAccount",
    PrincipalOrgId = "aws:PrincipalOrgID",
    PrincipalOrgPaths = "aws:PrincipalOrgPaths",
    UserName = "aws:username",
    UserId = "aws:userid",
    PrincipalType = "aws:PrincipalType",
    PrincipalTag = "aws:PrincipalTag/",
    TokenIssueTime = "aws:TokenIssueTime",
    MultiFactorAuthPresent = "aws:MultiFactorAuthPresent",
    MultiFactorAuthAge = "aws:MultiFactorAuthAge",
    PrincipalIsAwsService = "aws:PrincipalIsAWSService",
    PrincipalServiceName = "aws:PrincipalServiceName",
    PrincipalServiceNamesList = "aws:PrincipalServiceNamesList",
    ViaAwsService = "aws:ViaAWSService",
    CalledVia = "aws:CalledVia",
    CalledViaFirst = "aws:CalledViaFirst",
    CalledViaLast = "aws:CalledViaLast",
    CurrentTime = "aws:CurrentTime",
    EpochTime = "aws:EpochTime",
    RequestedRegion = "aws:RequestedRegion",
    SecureTransport = "aws:SecureTransport",
    UserAgent = "aws:UserAgent",
    Referer = "aws:Referer",
    ResourceAccount = "aws:ResourceAccount",
    ResourceOrgId = "aws:ResourceOrgID",
    ResourceOrgPaths = "aws:ResourceOrgPaths",
    ResourceTag = "aws:ResourceTag/",
    RequestTag = "aws:RequestTag/",
    TagKeys = "aws:TagKeys",
    FederatedProvider = "aws:FederatedProvider",
    SourceIdentity = "aws:SourceIdentity",
    AssumedRoot = "aws:AssumedRoot",
    SourceArn = "aws:SourceArn",
    SourceAccount = "aws:SourceAccount",
    SourceOrgId = "aws:SourceOrgID",
    SourceOrgPaths = "aws:SourceOrgPaths",
    SourceIp = "aws:SourceIp",
    SourceVpc = "aws:SourceVpc",
    SourceVpcArn = "aws:SourceVpcArn",
    SourceVpce = "aws:SourceVpce",
    VpcSourceIp = "aws:VpcSourceIp",
    VpceAccount = "aws:VpceAccount",
    VpceOrgId = "aws:VpceOrgID",
    VpceOrgPaths = "aws:VpceOrgPaths",
    CallerAccount = "kms:CallerAccount",
    ViaService = "kms:ViaService",
    KeySpec = "kms:KeySpec",
    KeyUsage = "kms:KeyUsage",
    CustomerMasterKeySpec = "kms:CustomerMasterKeySpec",
    CustomerMasterKeyUsage = "kms:CustomerMasterKeyUsage",
    KeyOrigin = "kms:KeyOrigin",
    MultiRegion = "kms:MultiRegion",
    MultiRegionKeyType = "kms:MultiRegionKeyType",
    ResourceAliases = "kms:ResourceAliases",
    RequestAlias = "kms:RequestAlias",
    EncryptionContext = "kms:EncryptionContext:",
    EncryptionContextKeys = "kms:EncryptionContextKeys",
    EncryptionAlgorithm = "kms:EncryptionAlgorithm",
    GrantIsForAwsResource = "kms:GrantIsForAWSResource",
    GrantOperations = "kms:GrantOperations",
    GrantConstraintType = "kms:GrantConstraintType",
    GrantConstraintSourceArn = "kms:GrantConstraintSourceArn",
    GranteePrincipal = "kms:GranteePrincipal",
    GranteeServicePrincipal = "kms:GranteeServicePrincipal",
    RetiringPrincipal = "kms:RetiringPrincipal",
    RetiringServicePrincipal = "kms:RetiringServicePrincipal",
    BypassPolicyLockoutSafetyCheck = "kms:BypassPolicyLockoutSafetyCheck",
    DataKeyPairSpec = "kms:DataKeyPairSpec",
    SigningAlgorithm = "kms:SigningAlgorithm",
    MessageType = "kms:MessageType",
    MacAlgorithm = "kms:MacAlgorithm",
    KeyAgreementAlgorithm = "kms:KeyAgreementAlgorithm",
    ScheduleKeyDeletionPendingWindowInDays = "kms:ScheduleKeyDeletionPendingWindowInDays",
    RotationPeriodInDays = "kms:RotationPeriodInDays",
    TrailingDaysWithoutKeyUsage = "kms:TrailingDaysWithoutKeyUsage",
    PrimaryRegion = "kms:PrimaryRegion",
    ReplicaRegion = "kms:ReplicaRegion",
    ReEncryptOnSameKey = "kms:ReEncryptOnSameKey",
    ExpirationModel = "kms:ExpirationModel",
    ValidTo = "kms:ValidTo",
    WrappingAlgorithm = "kms:WrappingAlgorithm",
    WrappingKeySpec = "kms:WrappingKeySpec",
    RecipientAttestation = "kms:RecipientAttestation:",
    PolicyName = "kms:PolicyName",
    ExternalId = "sts:ExternalId",
    RoleSessionName = "sts:RoleSessionName",
    StsSourceIdentity = "sts:SourceIdentity",
    TransitiveTagKeys = "sts:TransitiveTagKeys",
    AwsServiceName = "iam:AWSServiceName",
    PassedToService = "iam:PassedToService",
    PermissionsBoundary = "iam:PermissionsBoundary",
    PolicyArn = "iam:PolicyARN",
}

/// A condition key as a policy names it: `aws:username`, `kms:EncryptionContext:dept`.
#[derive(Clone, Eq, PartialEq)]
pub struct ConditionKey {
    name: KeyName,
    written: Box<str>,
    /// Where the variable part begins in `written`.
    part_at: usize,
}

impl ConditionKey {
    /// Reads a key; an unknown one is [`KeyName::Other`].
    pub fn new(written: &str) -> Self {
        for &name in KeyName::ALL {
            let text = name.as_str();
            let family = text.ends_with(['/', ':']);
            let head = if family { written.get(..text.len()) } else { Some(written) };
            if head.is_some_and(|head| head.eq_ignore_ascii_case(text)) && (!family || written.len() > text.len()) {
                return Self { name, written: written.into(), part_at: text.len() };
            }
        }
        Self { name: KeyName::Other, written: written.into(), part_at: 0 }
    }

    /// Which key, without its variable part.
    pub fn name(&self) -> KeyName {
        self.name
    }

    /// The variable part: `dept` of `kms:EncryptionContext:dept`; the whole text of an unknown key; empty otherwise.
    pub fn part(&self) -> &str {
        self.written.get(self.part_at..).unwrap_or_default()
    }

    /// As the policy writes it.
    pub fn as_str(&self) -> &str {
        &self.written
    }
}

impl fmt::Debug for ConditionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

impl fmt::Display for ConditionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

/// What a request holds under one condition key.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Values<'a> {
    /// The request does not carry the key.
    Absent,
    /// A single-valued key.
    One(Cow<'a, str>),
    /// A key that the service defines as multivalued, however many values it has now; none counts as absent for set
    /// operators.
    Many(Vec<Cow<'a, str>>),
    /// Two names in the request that differ by case only feed this single-valued key (A168).
    Clash(Vec<Cow<'a, str>>),
    /// Whoever asks does not know: there may be any value, or none. No request in hand has it.
    Unknown,
}

impl<'a> Values<'a> {
    /// One value, or absent.
    pub fn one_or_absent(value: Option<impl Into<Cow<'a, str>>>) -> Self {
        value.map_or(Self::Absent, |value| Self::One(value.into()))
    }

    /// `true` or `false`.
    pub fn bool(value: bool) -> Self {
        Self::One(Cow::Borrowed(if value { "true" } else { "false" }))
    }

    /// All values, for showing them.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        let (one, many): (Option<&str>, &[Cow<'a, str>]) = match self {
            Self::Absent | Self::Unknown => (None, &[]),
            Self::One(value) => (Some(value), &[]),
            Self::Many(values) | Self::Clash(values) => (None, values),
        };
        one.into_iter().chain(many.iter().map(|value| &**value))
    }

    /// Picks the values of a family with a variable part out of a map whose names the family compares without case.
    pub fn from_family(pairs: impl Iterator<Item = (&'a str, &'a str)>, part: &str) -> Self {
        let mut found = pairs.filter(|(name, _)| name.eq_ignore_ascii_case(part)).map(|(_, value)| Cow::Borrowed(value));
        match (found.next(), found.next()) {
            (None, _) => Self::Absent,
            (Some(only), None) => Self::One(only),
            (Some(first), Some(second)) => Self::Clash([first, second].into_iter().chain(found).collect()),
        }
    }
}

/// What is presumed of values that are [unknown](Values::Unknown).
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Presumption {
    /// Whatever refuses the caller.
    #[default]
    Adverse,
    /// Whatever serves the caller.
    Favourable,
}

/// Where a request's condition values come from. Implementations compute on demand: most keys are never asked for.
pub trait Context {
    /// The values under `key`.
    fn values(&self, key: &ConditionKey) -> Values<'_>;

    /// What statements that hang on unknown values do.
    fn presumption(&self) -> Presumption {
        Presumption::Adverse
    }
}

/// A context given as a map, for tests and for facts from outside. Names compare without case.
#[derive(Clone, Debug, Default)]
pub struct MapContext {
    single: BTreeMap<String, String>,
    many: BTreeMap<String, Vec<String>>,
    /// Keys that are said to be absent.
    absent: BTreeSet<String>,
}

impl MapContext {
    /// Nothing at all.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a single-valued key.
    #[must_use]
    pub fn with(mut self, key: &str, value: &str) -> Self {
        self.single.insert(key.to_ascii_lowercase(), value.to_owned());
        self
    }

    /// Adds a multivalued key.
    #[must_use]
    pub fn with_many<'v>(mut self, key: &str, values: impl IntoIterator<Item = &'v str>) -> Self {
        self.many.insert(key.to_ascii_lowercase(), values.into_iter().map(str::to_owned).collect());
        self
    }

    /// Says that a key is absent, which is more than saying nothing of it.
    #[must_use]
    pub fn without(mut self, key: &str) -> Self {
        self.absent.insert(key.to_ascii_lowercase());
        self
    }

    /// Whether the map says anything of this key.
    pub fn contains(&self, key: &ConditionKey) -> bool {
        let name = key.as_str().to_ascii_lowercase();
        self.single.contains_key(&name) || self.many.contains_key(&name) || self.absent.contains(&name)
    }

    /// Whether the map is empty.
    pub fn is_empty(&self) -> bool {
        self.single.is_empty() && self.many.is_empty() && self.absent.is_empty()
    }
}

impl Context for MapContext {
    fn values(&self, key: &ConditionKey) -> Values<'_> {
        let name = key.as_str().to_ascii_lowercase();
        if let Some(value) = self.single.get(&name) {
            return Values::One(Cow::Borrowed(value));
        }
        match self.many.get(&name) {
            Some(values) => Values::Many(values.iter().map(|value| Cow::Borrowed(value.as_str())).collect()),
            None => Values::Absent,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_compare_without_case() {
        let check = |written: &str, name: KeyName, part: &str| {
            let key = ConditionKey::new(written);
            assert_eq!((key.name(), key.part()), (name, part), "{written}");
        };
        check("AWS:UserName", KeyName::UserName, ""); // [A151]
        check("kms:encryptioncontext:aws:s3:arn", KeyName::EncryptionContext, "aws:s3:arn"); // [A540]
        check("kms:EncryptionContextKeys", KeyName::EncryptionContextKeys, "");
        check("aws:ResourceTag/Team", KeyName::ResourceTag, "Team");
        check("aws:ResourceTag/", KeyName::Other, "aws:ResourceTag/");
        check("s3:prefix", KeyName::Other, "s3:prefix"); // [A152]
    }
}
