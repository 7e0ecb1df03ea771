//! Condition keys, and the request's values under them.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

// The condition keys that Keyward gives meaning to. Names compare without case [A151]. The families with a variable
// part (`aws:ResourceTag/…`, `kms:EncryptionContext:…`) carry it in `ConditionKey::part`. Any other key is legal and
// always absent [A152].
macro_rules! key_names {
    ($($name:ident = $text:literal: $value_type:ident $($many:ident)*),* $(,)?) => {
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

            /// What its values are; those of unknown keys are text.
            pub fn value_type(self) -> ValueType {
                match self { $(Self::$name => ValueType::$value_type,)* Self::Other => ValueType::String }
            }

            /// Whether the service defines it as multivalued (A164).
            pub fn is_multivalued(self) -> bool {
                match self { $(Self::$name => !<[&str]>::is_empty(&[$(stringify!($many)),*]),)* Self::Other => false }
            }
        }
    };
}

key_names! {
    PrincipalArn = "aws:PrincipalArn": Arn,
    PrincipalAccount = "aws:PrincipalAccount": String,
    PrincipalOrgId = "aws:PrincipalOrgID": String,
    PrincipalOrgPaths = "aws:PrincipalOrgPaths": String many,
    UserName = "aws:username": String,
    UserId = "aws:userid": String,
    PrincipalType = "aws:PrincipalType": String,
    PrincipalTag = "aws:PrincipalTag/": String,
    TokenIssueTime = "aws:TokenIssueTime": Date,
    MultiFactorAuthPresent = "aws:MultiFactorAuthPresent": Bool,
    MultiFactorAuthAge = "aws:MultiFactorAuthAge": Number,
    PrincipalIsAwsService = "aws:PrincipalIsAWSService": Bool,
    PrincipalServiceName = "aws:PrincipalServiceName": String,
    PrincipalServiceNamesList = "aws:PrincipalServiceNamesList": String many,
    ViaAwsService = "aws:ViaAWSService": Bool,
    CalledVia = "aws:CalledVia": String many,
    CalledViaFirst = "aws:CalledViaFirst": String,
    CalledViaLast = "aws:CalledViaLast": String,
    CurrentTime = "aws:CurrentTime": Date,
    EpochTime = "aws:EpochTime": Date,
    RequestedRegion = "aws:RequestedRegion": String,
    SecureTransport = "aws:SecureTransport": Bool,
    UserAgent = "aws:UserAgent": String,
    Referer = "aws:Referer": String,
    ResourceAccount = "aws:ResourceAccount": String,
    ResourceOrgId = "aws:ResourceOrgID": String,
    ResourceOrgPaths = "aws:ResourceOrgPaths": String many,
    ResourceTag = "aws:ResourceTag/": String,
    RequestTag = "aws:RequestTag/": String,
    TagKeys = "aws:TagKeys": String many,
    FederatedProvider = "aws:FederatedProvider": String,
    SourceIdentity = "aws:SourceIdentity": String,
    AssumedRoot = "aws:AssumedRoot": Bool,
    SourceArn = "aws:SourceArn": Arn,
    SourceAccount = "aws:SourceAccount": String,
    SourceOrgId = "aws:SourceOrgID": String,
    SourceOrgPaths = "aws:SourceOrgPaths": String many,
    SourceIp = "aws:SourceIp": Ip,
    SourceVpc = "aws:SourceVpc": String,
    SourceVpcArn = "aws:SourceVpcArn": Arn,
    SourceVpce = "aws:SourceVpce": String,
    VpcSourceIp = "aws:VpcSourceIp": Ip,
    VpceAccount = "aws:VpceAccount": String,
    VpceOrgId = "aws:VpceOrgID": String,
    VpceOrgPaths = "aws:VpceOrgPaths": String many,
    CallerAccount = "kms:CallerAccount": String,
    ViaService = "kms:ViaService": String,
    KeySpec = "kms:KeySpec": String,
    KeyUsage = "kms:KeyUsage": String,
    CustomerMasterKeySpec = "kms:CustomerMasterKeySpec": String,
    CustomerMasterKeyUsage = "kms:CustomerMasterKeyUsage": String,
    KeyOrigin = "kms:KeyOrigin": String,
    MultiRegion = "kms:MultiRegion": Bool,
    MultiRegionKeyType = "kms:MultiRegionKeyType": String,
    ResourceAliases = "kms:ResourceAliases": String many,
    RequestAlias = "kms:RequestAlias": String,
    EncryptionContext = "kms:EncryptionContext:": String,
    EncryptionContextKeys = "kms:EncryptionContextKeys": String many,
    EncryptionAlgorithm = "kms:EncryptionAlgorithm": String,
    GrantIsForAwsResource = "kms:GrantIsForAWSResource": Bool,
    GrantOperations = "kms:GrantOperations": String many,
    GrantConstraintType = "kms:GrantConstraintType": String,
    GrantConstraintSourceArn = "kms:GrantConstraintSourceArn": Arn,
    GranteePrincipal = "kms:GranteePrincipal": Arn,
    GranteeServicePrincipal = "kms:GranteeServicePrincipal": String,
    RetiringPrincipal = "kms:RetiringPrincipal": Arn,
    RetiringServicePrincipal = "kms:RetiringServicePrincipal": String,
    BypassPolicyLockoutSafetyCheck = "kms:BypassPolicyLockoutSafetyCheck": Bool,
    DataKeyPairSpec = "kms:DataKeyPairSpec": String,
    SigningAlgorithm = "kms:SigningAlgorithm": String,
    MessageType = "kms:MessageType": String,
    MacAlgorithm = "kms:MacAlgorithm": String,
    KeyAgreementAlgorithm = "kms:KeyAgreementAlgorithm": String,
    ScheduleKeyDeletionPendingWindowInDays = "kms:ScheduleKeyDeletionPendingWindowInDays": Number,
    RotationPeriodInDays = "kms:RotationPeriodInDays": Number,
    TrailingDaysWithoutKeyUsage = "kms:TrailingDaysWithoutKeyUsage": Number,
    PrimaryRegion = "kms:PrimaryRegion": String,
    ReplicaRegion = "kms:ReplicaRegion": String,
    ReEncryptOnSameKey = "kms:ReEncryptOnSameKey": Bool,
    ExpirationModel = "kms:ExpirationModel": String,
    ValidTo = "kms:ValidTo": Date,
    WrappingAlgorithm = "kms:WrappingAlgorithm": String,
    WrappingKeySpec = "kms:WrappingKeySpec": String,
    RecipientAttestation = "kms:RecipientAttestation:": String,
    PolicyName = "kms:PolicyName": String,
    ExternalId = "sts:ExternalId": String,
    RoleSessionName = "sts:RoleSessionName": String,
    StsSourceIdentity = "sts:SourceIdentity": String,
    TransitiveTagKeys = "sts:TransitiveTagKeys": String many,
    AwsServiceName = "iam:AWSServiceName": String,
    PassedToService = "iam:PassedToService": String,
    PermissionsBoundary = "iam:PermissionsBoundary": Arn,
    PolicyArn = "iam:PolicyARN": Arn,
}

/// What the values of a condition key are (§5.3–5.6).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(missing_docs, reason = "AWS's own words for them")]
pub enum ValueType {
    String,
    Arn,
    Bool,
    Number,
    Date,
    Ip,
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
    /// A single-valued key; an empty text is a value like another (A162).
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
