//! The 56 operations of KMS as facts (spec/authorization.md §4).

use std::fmt;
use std::sync::LazyLock;

use keyward_policy::{KeyName, KmsPermission, PermissionSet, ResourceKind};
use serde::{Deserialize, Serialize};

macro_rules! operations {
    ($($name:ident $($flag:ident)*;)*) => {
        /// An operation of the KMS API.
        #[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
        #[expect(missing_docs, reason = "each variant is the API operation of the same name")]
        pub enum Operation { $($name,)* }

        impl Operation {
            /// All of them, in alphabetical order (A401).
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// As the API spells it.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => stringify!($name),)* }
            }

            const fn flags(self) -> &'static [Flag] {
                match self { $(Self::$name => &[$(Flag::$flag),*],)* }
            }
        }
    };
}

/// The yes-or-no columns of the table.
#[derive(Clone, Copy, Eq, PartialEq)]
#[expect(non_camel_case_types, reason = "named as the columns of the specification's table")]
enum Flag {
    /// Usable on keys of other accounts (A313).
    xacct,
    /// May stand in a grant's Operations (A601).
    grant,
    /// Takes GrantTokens.
    tok,
    /// Takes DryRun.
    dry,
    /// A cryptographic operation: takes any of the four key identifiers (A410).
    crypto,
    /// Changes nothing (A1005).
    read,
}

operations! {
    CancelKeyDeletion;
    ConnectCustomKeyStore;
    CreateAlias;
    CreateCustomKeyStore;
    CreateGrant xacct grant tok dry;
    CreateKey;
    Decapsulate xacct grant tok dry crypto read;
    Decrypt xacct grant tok dry crypto read;
    DeleteAlias;
    DeleteCustomKeyStore;
    DeleteImportedKeyMaterial;
    DeriveSharedSecret xacct grant tok dry crypto read;
    DescribeCustomKeyStores read;
    DescribeKey xacct grant tok read;
    DisableKey;
    DisableKeyRotation;
    DisconnectCustomKeyStore;
    EnableKey;
    EnableKeyRotation;
    Encapsulate xacct grant tok dry crypto read;
    Encrypt xacct grant tok dry crypto read;
    GenerateDataKey xacct grant tok dry crypto read;
    GenerateDataKeyPair xacct grant tok dry crypto read;
    GenerateDataKeyPairWithoutPlaintext xacct grant tok dry crypto read;
    GenerateDataKeyWithoutPlaintext xacct grant tok dry crypto read;
    GenerateMac xacct grant tok dry crypto read;
    GenerateRandom read;
    GetKeyLastUsage read;
    GetKeyPolicy read;
    GetKeyRotationStatus xacct read;
    GetParametersForImport read;
    GetPublicKey xacct grant tok read;
    ImportKeyMaterial;
    ListAliases read;
    ListGrants xacct read;
    ListKeyPolicies read;
    ListKeyRotations read;
    ListKeys read;
    ListResourceTags read;
    ListRetirableGrants read;
    PutKeyPolicy;
    ReEncrypt xacct tok dry crypto read;
    ReplicateKey;
    RetireGrant xacct grant dry;
    RevokeGrant xacct dry;
    RotateKeyOnDemand;
    ScheduleKeyDeletion;
    Sign xacct grant tok dry crypto read;
    TagResource;
    UntagResource;
    UpdateAlias;
    UpdateCustomKeyStore;
    UpdateKeyDescription;
    UpdatePrimaryRegion;
    Verify xacct grant tok dry crypto read;
    VerifyMac xacct grant tok dry crypto read;
}

impl Operation {
    fn has(self, flag: Flag) -> bool {
        self.flags().contains(&flag)
    }

    /// Looks an operation up by its exact name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|operation| operation.name() == name)
    }

    /// The permission of the same name; `None` for ReEncrypt, which has two others (A404).
    pub fn permission(self) -> Option<KmsPermission> {
        KmsPermission::named(self.name())
    }

    /// On what it is decided, which is told by its permissions.
    pub fn resource(self) -> ResourceKind {
        self.permission().map_or(ResourceKind::Key, KmsPermission::resource)
    }

    /// Whether keys of other accounts may be named (A313).
    pub fn crosses_accounts(self) -> bool {
        self.has(Flag::xacct)
    }

    /// Whether it takes grant tokens.
    pub fn takes_grant_tokens(self) -> bool {
        self.has(Flag::tok)
    }

    /// Whether it takes DryRun (K153).
    pub fn takes_dry_run(self) -> bool {
        self.has(Flag::dry)
    }

    /// Whether it uses key material.
    pub fn is_cryptographic(self) -> bool {
        self.has(Flag::crypto)
    }

    /// Whether aliases may name the key (A410) (K41).
    pub fn takes_aliases(self) -> bool {
        self.is_cryptographic() || matches!(self, Self::DescribeKey | Self::GetPublicKey)
    }

    /// The `readOnly` of its CloudTrail record (A1005).
    pub fn is_read_only(self) -> bool {
        self.has(Flag::read)
    }

    /// Whether it carries an encryption context (A540).
    pub fn has_encryption_context(self) -> bool {
        self.permission().is_none_or(|permission| permission.carries(KeyName::EncryptionContext))
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The permissions that may be used on keys of other accounts (A313).
pub(crate) fn across_accounts() -> PermissionSet {
    static ACROSS: LazyLock<PermissionSet> = LazyLock::new(|| PermissionSet::ALL.iter().filter(|permission| crosses_accounts(*permission)).collect());
    *ACROSS
}

/// Whether a permission may be used on keys of other accounts (A313), told by its operation.
pub(crate) fn crosses_accounts(permission: KmsPermission) -> bool {
    match permission.name() {
        "ReEncryptFrom" | "ReEncryptTo" => true,
        name => Operation::named(name).is_some_and(Operation::crosses_accounts),
    }
}

/// A permission that a grant may hold (A601).
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct GrantOperation(KmsPermission);

impl GrantOperation {
    /// Looks one up by its exact name.
    pub fn named(name: &str) -> Option<Self> {
        let grantable = matches!(name, "ReEncryptFrom" | "ReEncryptTo") || Operation::named(name).is_some_and(|operation| operation.has(Flag::grant));
        grantable.then(|| KmsPermission::named(name).map(Self)).flatten()
    }

    /// As the API spells it.
    pub fn name(self) -> &'static str {
        self.0.name()
    }

    /// The permission that it gives.
    pub fn permission(self) -> KmsPermission {
        self.0
    }
}

impl Serialize for GrantOperation {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for GrantOperation {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        Self::named(&name).ok_or_else(|| serde::de::Error::custom(format!("`{name}` is not a grant operation")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_56_operations_and_a_permission_for_each_but_one() {
        assert_eq!(Operation::ALL.len(), 56); // [A401]
        assert!(Operation::ALL.is_sorted_by_key(|operation| operation.name()));
        let without: Vec<_> = Operation::ALL.iter().filter(|operation| operation.permission().is_none()).collect();
        assert_eq!(without, [&Operation::ReEncrypt]); // [A402] [A404]
    }

    #[test]
    fn nine_operations_carry_an_encryption_context() {
        let carrying = Operation::ALL.iter().filter(|operation| operation.has_encryption_context());
        assert_eq!(carrying.count(), 9); // [A540]
        assert!(Operation::ReEncrypt.has_encryption_context());
        assert_eq!(Operation::ReEncrypt.resource(), ResourceKind::Key);
    }

    #[test]
    fn nineteen_operations_may_stand_in_a_grant() {
        let named = keyward_policy::KMS_PERMISSIONS.iter().filter(|name| GrantOperation::named(name).is_some()).count();
        assert_eq!(named, 19); // [A601]
        assert!(GrantOperation::named("RevokeGrant").is_none());
    }
}
