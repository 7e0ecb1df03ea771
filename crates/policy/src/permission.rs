//! The permissions of KMS as facts: on what each is decided, and which condition keys its requests carry (§4, §5).

use std::sync::LazyLock;

use crate::action::{KmsPermission, PermissionSet};
use crate::key::KeyName;

/// On what a permission is decided.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ResourceKind {
    /// A key.
    Key,
    /// An alias and the key, or keys, behind it (A405).
    AliasAndKey,
    /// Nothing: identity policies alone (A403).
    None,
}

/// A row of the table: permission, resource, and the condition keys beyond [`ON_EVERY_KEY`].
pub(crate) type Row = (&'static str, ResourceKind, &'static [&'static [KeyName]]);

/// "K" of the specification: what every request on a key carries (A504).
const ON_EVERY_KEY: [KeyName; 11] = [
    KeyName::CallerAccount,
    KeyName::ViaService,
    KeyName::KeySpec,
    KeyName::CustomerMasterKeySpec, // the old names [A505]
    KeyName::KeyUsage,
    KeyName::CustomerMasterKeyUsage,
    KeyName::KeyOrigin,
    KeyName::MultiRegion,
    KeyName::MultiRegionKeyType,
    KeyName::ResourceAliases,
    KeyName::ResourceTag,
];

const CALLER: &[KeyName] = &[KeyName::CallerAccount];
/// (A540) (A541)
const EC: &[KeyName] = &[KeyName::EncryptionContext, KeyName::EncryptionContextKeys];
const ALGORITHM: &[KeyName] = &[KeyName::EncryptionAlgorithm];
const ALIAS: &[KeyName] = &[KeyName::RequestAlias];
/// (A566)
const RA: &[KeyName] = &[KeyName::RecipientAttestation];
const TAG_KEYS: &[KeyName] = &[KeyName::TagKeys];
const REQUEST_TAG: &[KeyName] = &[KeyName::RequestTag];
/// (A556) (A706) What a policy forbids with it is a bypass that needs no permission of its own.
const BYPASS: &[KeyName] = &[KeyName::BypassPolicyLockoutSafetyCheck];
/// (A559)
const MAC: &[KeyName] = &[KeyName::MacAlgorithm];
/// (A558)
const SIGNING: &[KeyName] = &[KeyName::MessageType, KeyName::SigningAlgorithm];
const FOR_AWS: &[KeyName] = &[KeyName::GrantIsForAwsResource];
/// (A567)
const POLICY_NAME: &[KeyName] = &[KeyName::PolicyName];
/// (A561)
const UNUSED: &[KeyName] = &[KeyName::TrailingDaysWithoutKeyUsage];
/// (A551–A555)
const GRANT: &[KeyName] = &[
    KeyName::GrantConstraintSourceArn,
    KeyName::GrantConstraintType,
    KeyName::GrantOperations,
    KeyName::GranteePrincipal,
    KeyName::GranteeServicePrincipal,
    KeyName::RetiringPrincipal,
    KeyName::RetiringServicePrincipal,
];
/// What CreateKey is asked for stands under the names that keys have later (A549).
const NEW_KEY: &[KeyName] = &[
    KeyName::ResourceTag,
    KeyName::KeyOrigin,
    KeyName::KeySpec,
    KeyName::CustomerMasterKeySpec,
    KeyName::KeyUsage,
    KeyName::CustomerMasterKeyUsage,
    KeyName::MultiRegion,
    KeyName::MultiRegionKeyType,
    KeyName::ViaService,
];

/// Every permission in alphabetical order, (A401) (A402): one per operation, save that ReEncrypt is two (A404), and the internal
/// `SynchronizeMultiRegionKey`.
pub(crate) const TABLE: [Row; 58] = {
    use ResourceKind::{AliasAndKey, Key, None};
    [
        ("CancelKeyDeletion", Key, &[]),
        ("ConnectCustomKeyStore", None, &[CALLER]),
        ("CreateAlias", AliasAndKey, &[]),
        ("CreateCustomKeyStore", None, &[CALLER]),
        ("CreateGrant", Key, &[EC, FOR_AWS, GRANT]),
        ("CreateKey", None, &[CALLER, NEW_KEY, REQUEST_TAG, TAG_KEYS, BYPASS]),
        ("Decapsulate", Key, &[ALIAS]),
        ("Decrypt", Key, &[ALGORITHM, EC, ALIAS, RA]),
        ("DeleteAlias", AliasAndKey, &[]),
        ("DeleteCustomKeyStore", None, &[CALLER]),
        ("DeleteImportedKeyMaterial", Key, &[]),
        ("DeriveSharedSecret", Key, &[&[KeyName::KeyAgreementAlgorithm], ALIAS, RA]), // [A559]
        ("DescribeCustomKeyStores", None, &[CALLER]),
        ("DescribeKey", Key, &[ALIAS]),
        ("DisableKey", Key, &[UNUSED]),
        ("DisableKeyRotation", Key, &[]),
        ("DisconnectCustomKeyStore", None, &[CALLER]),
        ("EnableKey", Key, &[]),
        ("EnableKeyRotation", Key, &[&[KeyName::RotationPeriodInDays]]), // [A560]
        ("Encapsulate", Key, &[ALIAS]),
        ("Encrypt", Key, &[ALGORITHM, EC, ALIAS]),
        ("GenerateDataKey", Key, &[ALGORITHM, EC, ALIAS, RA]),
        ("GenerateDataKeyPair", Key, &[&[KeyName::DataKeyPairSpec], ALGORITHM, EC, ALIAS, RA]), // [A557]
        ("GenerateDataKeyPairWithoutPlaintext", Key, &[&[KeyName::DataKeyPairSpec], ALGORITHM, EC, ALIAS]),
        ("GenerateDataKeyWithoutPlaintext", Key, &[ALGORITHM, EC, ALIAS]),
        ("GenerateMac", Key, &[MAC, ALIAS]),
        ("GenerateRandom", None, &[RA]),
        ("GetKeyLastUsage", Key, &[]),
        ("GetKeyPolicy", Key, &[POLICY_NAME]),
        ("GetKeyRotationStatus", Key, &[]),
        ("GetParametersForImport", Key, &[&[KeyName::WrappingAlgorithm, KeyName::WrappingKeySpec]]), // [A565]
        ("GetPublicKey", Key, &[ALIAS]),
        ("ImportKeyMaterial", Key, &[&[KeyName::ExpirationModel, KeyName::ValidTo]]), // [A564]
        ("ListAliases", None, &[]),
        ("ListGrants", Key, &[FOR_AWS]),
        ("ListKeyPolicies", Key, &[]),
        ("ListKeyRotations", Key, &[]),
        ("ListKeys", None, &[]),
        ("ListResourceTags", Key, &[]),
        ("ListRetirableGrants", None, &[]),
        ("PutKeyPolicy", Key, &[BYPASS, POLICY_NAME]),
        ("ReEncryptFrom", Key, &[ALGORITHM, EC, &[KeyName::ReEncryptOnSameKey], ALIAS]),
        ("ReEncryptTo", Key, &[ALGORITHM, EC, &[KeyName::ReEncryptOnSameKey], ALIAS]),
        ("ReplicateKey", Key, &[&[KeyName::ReplicaRegion], BYPASS]), // [A556]
        ("RetireGrant", Key, &[EC, &[KeyName::GrantConstraintType]]),
        ("RevokeGrant", Key, &[FOR_AWS]),
        ("RotateKeyOnDemand", Key, &[]),
        ("ScheduleKeyDeletion", Key, &[&[KeyName::ScheduleKeyDeletionPendingWindowInDays], UNUSED]),
        ("Sign", Key, &[SIGNING, ALIAS]),
        ("SynchronizeMultiRegionKey", Key, &[]),
        ("TagResource", Key, &[REQUEST_TAG, TAG_KEYS]),
        ("UntagResource", Key, &[TAG_KEYS]),
        ("UpdateAlias", AliasAndKey, &[]),
        ("UpdateCustomKeyStore", None, &[CALLER]),
        ("UpdateKeyDescription", Key, &[]),
        ("UpdatePrimaryRegion", Key, &[&[KeyName::PrimaryRegion]]), // [A408] [A562]
        ("Verify", Key, &[SIGNING, ALIAS]),
        ("VerifyMac", Key, &[MAC, ALIAS]),
    ]
};

impl KmsPermission {
    /// On what it is decided.
    pub fn resource(self) -> ResourceKind {
        self.row().map_or(ResourceKind::Key, |(_, resource, _)| *resource)
    }

    /// Whether a request for it may carry the condition key: on the key, where there is one, never on the alias (A405). Keys
    /// that are not about KMS (`aws:PrincipalArn`) may come with every request.
    pub fn carries(self, key: KeyName) -> bool {
        key.carried_by().contains(self)
    }

    fn row_carries(self, key: KeyName) -> bool {
        let Some((_, resource, carried)) = self.row().filter(|_| key.is_about_kms()) else {
            return key != KeyName::Other;
        };
        carried.iter().any(|keys| keys.contains(&key)) || *resource != ResourceKind::None && ON_EVERY_KEY.contains(&key)
    }
}

impl KeyName {
    /// The permissions whose requests may carry the key; see [`KmsPermission::carries`].
    pub fn carried_by(self) -> PermissionSet {
        static TRANSPOSED: LazyLock<Vec<PermissionSet>> = LazyLock::new(|| {
            let carrying = |key: &KeyName| PermissionSet::ALL.iter().filter(|permission| permission.row_carries(*key)).collect();
            KeyName::ALL.iter().map(carrying).collect()
        });
        // [`KeyName::Other`], the last, has no place there.
        TRANSPOSED.get(self as usize).copied().unwrap_or_default()
    }

    /// Whether the key describes a request to KMS or the key it is about, so that [`KmsPermission::carries`] tells where it is.
    pub fn is_about_kms(self) -> bool {
        self.as_str().starts_with("kms:") || matches!(self, Self::ResourceTag | Self::RequestTag | Self::TagKeys)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::action::KMS_PERMISSIONS;

    /// The table of §4 as the specification prints it: operation, resource, keys.
    fn printed() -> Vec<(String, String, Vec<String>)> {
        let specification = include_str!("../../../spec/authorization.md");
        let rows = specification.lines().skip_while(|line| !line.starts_with("| operation | resource |")).skip(2);
        rows.take_while(|line| line.starts_with('|'))
            .map(|line| {
                let cells: Vec<&str> = line.split('|').map(str::trim).collect();
                let keys = cells[7].split(", ").filter(|key| !key.is_empty()).map(str::to_owned).collect();
                (cells[1].to_owned(), cells[2].to_owned(), keys)
            })
            .collect()
    }

    fn named(text: &str) -> Vec<KeyName> {
        let written = |name: &KeyName| name.as_str().trim_end_matches([':', '/']).trim_start_matches("kms:") == text.trim_end_matches("/*");
        match text {
            "EC" => EC.to_vec(),
            "RA" => RA.to_vec(),
            _ => KeyName::ALL.iter().copied().filter(written).collect(),
        }
    }

    #[test]
    fn the_table_is_the_specification() {
        let printed = printed();
        assert_eq!(printed.len(), 56); // [A401]
        for (operation, resource, keys) in printed {
            let permissions = if operation == "ReEncrypt" { vec!["ReEncryptFrom", "ReEncryptTo"] } else { vec![operation.as_str()] };
            for permission in permissions.into_iter().map(|name| KmsPermission::named(name).unwrap()) {
                let kind = match resource.as_str() {
                    "none" => ResourceKind::None,
                    alias if alias.starts_with("alias") => ResourceKind::AliasAndKey,
                    _ => ResourceKind::Key,
                };
                assert_eq!(permission.resource(), kind, "{operation}");
                let mut expected: Vec<KeyName> = keys.iter().flat_map(|key| named(key)).collect();
                assert!(expected.len() >= keys.len(), "{operation}: a key of {keys:?} is not known");
                if kind != ResourceKind::None {
                    expected.extend(ON_EVERY_KEY); // [A504]
                }
                match operation.as_str() {
                    "CreateKey" => expected.extend([KeyName::CustomerMasterKeySpec, KeyName::CustomerMasterKeyUsage]), // [A505]
                    "ReplicateKey" => expected.push(KeyName::BypassPolicyLockoutSafetyCheck),                          // [A556]
                    _ => {}
                }
                for key in KeyName::ALL.iter().filter(|key| key.is_about_kms()) {
                    assert_eq!(permission.carries(*key), expected.contains(key), "{operation} and {}", key.as_str());
                }
            }
        }
    }

    #[test]
    fn keys_about_the_caller_come_with_every_request() {
        let list_keys = KmsPermission::named("ListKeys").unwrap();
        assert!(list_keys.carries(KeyName::PrincipalArn));
        assert!(!list_keys.carries(KeyName::CallerAccount)); // [A504]
        assert!(!list_keys.carries(KeyName::Other)); // [A152]
    }

    #[test]
    fn every_key_of_kms_is_carried_by_something() {
        for key in KeyName::ALL.iter().filter(|key| key.is_about_kms()) {
            let carried = KMS_PERMISSIONS.iter().filter_map(|name| KmsPermission::named(name)).any(|permission| permission.carries(*key));
            assert!(carried, "{}", key.as_str());
        }
    }
}
