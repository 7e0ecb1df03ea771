//! The table of section 4, as far as decisions need it.

use keyward_cases::CasePermission;

/// What a permission is asked on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Resource {
    Key,
    Alias,
    /// `…:key/*`, the key that is being made (A406).
    KeyToBe,
    /// `*`
    None,
}

impl Resource {
    pub(super) fn of(permission: &CasePermission) -> Resource {
        match permission.resource.as_str() {
            "*" => Resource::None,
            resource if resource.contains(":alias/") => Resource::Alias,
            resource if resource.ends_with(":key/*") => Resource::KeyToBe,
            _ => Resource::Key,
        }
    }
}

/// Column "x-acct" (A313).
pub(super) fn works_across_accounts(permission: &str) -> bool {
    is_cryptographic(permission)
        || ["CreateGrant", "DescribeKey", "GetKeyRotationStatus", "GetPublicKey", "ListGrants", "RetireGrant", "RevokeGrant"].contains(&permission)
}

/// Operations with key material.
pub(super) fn is_cryptographic(permission: &str) -> bool {
    has_encryption_algorithm(permission)
        || ["Sign", "Verify", "GenerateMac", "VerifyMac", "DeriveSharedSecret", "Encapsulate", "Decapsulate"].contains(&permission)
}

fn has_encryption_algorithm(permission: &str) -> bool {
    ["Encrypt", "Decrypt", "ReEncryptFrom", "ReEncryptTo"].contains(&permission) || permission.starts_with("GenerateDataKey")
}

/// [A540] [A541]
pub(super) fn has_encryption_context(permission: &str) -> bool {
    has_encryption_algorithm(permission) || ["CreateGrant", "RetireGrant"].contains(&permission)
}

/// [A545]
pub(super) fn has_request_alias(permission: &str) -> bool {
    is_cryptographic(permission) || ["DescribeKey", "GetPublicKey"].contains(&permission)
}
