//! Operation × key state: the table of K85 as data. Every operation on a key asks it, after authorization and before everything else
//! that the key decides (K25).

use keyward_authz::Operation;
use keyward_crypto::Origin;

use crate::entities::{Key, KeyState};
use crate::error::{Error, KeyStoreError};
use Cell::{A, C, D, I, N, O, P, U, Y};
use Operation::{
    CancelKeyDeletion, ConnectCustomKeyStore, CreateAlias, CreateCustomKeyStore, CreateGrant, CreateKey, Decapsulate, Decrypt, DeleteAlias,
    DeleteCustomKeyStore, DeleteImportedKeyMaterial, DeriveSharedSecret, DescribeCustomKeyStores, DescribeKey, DisableKey, DisableKeyRotation,
    DisconnectCustomKeyStore, EnableKey, EnableKeyRotation, Encapsulate, Encrypt, GenerateDataKey, GenerateDataKeyPair,
    GenerateDataKeyPairWithoutPlaintext, GenerateDataKeyWithoutPlaintext, GenerateMac, GenerateRandom, GetKeyLastUsage, GetKeyPolicy,
    GetKeyRotationStatus, GetParametersForImport, GetPublicKey, ImportKeyMaterial, ListAliases, ListGrants, ListKeyPolicies, ListKeyRotations,
    ListKeys, ListResourceTags, ListRetirableGrants, PutKeyPolicy, ReEncrypt, ReplicateKey, RetireGrant, RevokeGrant, RotateKeyOnDemand,
    ScheduleKeyDeletion, Sign, TagResource, UntagResource, UpdateAlias, UpdateCustomKeyStore, UpdateKeyDescription, UpdatePrimaryRegion, Verify,
    VerifyMac,
};
use Origins::{All, AwsKms, External, NotInStores};

/// What an operation finds in a state, lettered as in K84.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Cell {
    /// It works.
    Y,
    /// Disabled.
    A,
    /// Pending deletion, or pending the deletion of replicas.
    P,
    /// Not pending deletion.
    N,
    /// Pending import.
    I,
    /// Unavailable.
    U,
    /// Creating.
    C,
    /// Updating.
    D,
    /// The key's origin does not fit.
    O,
}

/// Keys of which origins an operation takes; others are `O`.
#[derive(Clone, Copy)]
enum Origins {
    All,
    AwsKms,
    External,
    NotInStores,
}

/// Operations that no key's state concerns.
const WITHOUT_KEY: &[Operation] = &[
    ConnectCustomKeyStore,
    CreateCustomKeyStore,
    CreateKey,
    DeleteCustomKeyStore,
    DescribeCustomKeyStores,
    DisconnectCustomKeyStore,
    GenerateRandom,
    ListKeys,
    ListRetirableGrants,
    UpdateCustomKeyStore,
];

/// Where K85 has a dash, no key gets into the state, and `U` stands. What is said of PendingDeletion holds for PendingReplicaDeletion.
#[rustfmt::skip]
const TABLE: &[(&[Operation], Origins, [Cell; 7])] = &[
    // Enabled, Disabled, PendingDeletion, PendingImport, Unavailable, Creating, Updating
    (&[DescribeKey, GetKeyPolicy, PutKeyPolicy, ListKeyPolicies, ListAliases, ListGrants, ListResourceTags, RetireGrant, RevokeGrant, DeleteAlias,
       GetKeyLastUsage, ListKeyRotations],                                All,         [Y, Y, Y, Y, Y, Y, Y]),
    (&[Encrypt, Decrypt, ReEncrypt, GenerateDataKey, GenerateDataKeyWithoutPlaintext, GenerateDataKeyPair,
       GenerateDataKeyPairWithoutPlaintext],                              All,         [Y, A, P, I, U, C, Y]),
    (&[Sign, Verify, GenerateMac, VerifyMac, DeriveSharedSecret, Encapsulate, Decapsulate, GetPublicKey],
                                                                          All,         [Y, A, P, I, U, C, Y]),
    (&[CreateGrant],                                                      All,         [Y, A, P, I, Y, C, Y]),
    // [K85] Of UpdateAlias it is said of the new target; the old one may be in any state.
    (&[CreateAlias, UpdateAlias, UpdateKeyDescription, TagResource, UntagResource],
                                                                          All,         [Y, Y, P, Y, Y, Y, Y]),
    (&[EnableKey, DisableKey],                                            All,         [Y, Y, P, I, Y, C, D]),
    (&[EnableKeyRotation, DisableKeyRotation],                            AwsKms,      [Y, A, P, O, O, C, Y]),
    (&[GetKeyRotationStatus],                                             All,         [Y, Y, Y, Y, O, Y, Y]),
    (&[RotateKeyOnDemand],                                                NotInStores, [Y, A, P, I, O, C, D]),
    (&[GetParametersForImport],                                           External,    [Y, Y, P, Y, O, C, D]),
    (&[ImportKeyMaterial],                                                External,    [Y, Y, P, Y, O, C, Y]),
    (&[DeleteImportedKeyMaterial],                                        External,    [Y, Y, Y, Y, U, C, D]),
    (&[ReplicateKey],                                                     All,         [Y, A, P, I, U, C, D]),
    (&[UpdatePrimaryRegion],                                              All,         [Y, A, P, I, U, C, Y]),
    (&[ScheduleKeyDeletion],                                              All,         [Y, Y, P, Y, Y, Y, D]),
    (&[CancelKeyDeletion],                                                All,         [N, N, Y, N, N, N, N]),
];

/// Whether the operation works on the key as it is now (K84) (K85).
///
/// # Errors
/// Those that K85 gives: of its state, or [`Error::Unsupported`] for its origin.
pub(crate) fn check(operation: Operation, key: &Key) -> Result<(), Error> {
    let Some((_, origins, cells)) = TABLE.iter().find(|(operations, ..)| operations.contains(&operation)) else {
        debug_assert!(WITHOUT_KEY.contains(&operation), "{operation} has no row");
        return Ok(());
    };
    let [enabled, disabled, pending_deletion, pending_import, unavailable, creating, updating] = cells;
    let cell = match key.shown_state() {
        KeyState::Enabled => enabled,
        KeyState::Disabled => disabled,
        KeyState::PendingDeletion | KeyState::PendingReplicaDeletion => pending_deletion,
        KeyState::PendingImport => pending_import,
        KeyState::Unavailable => unavailable,
        KeyState::Creating => creating,
        KeyState::Updating => updating,
    };
    // "A (or O)": a key whose origin never fits is told so, whatever its state; but not before it is one.
    let cell = if origins.have(&key.facts.origin) || matches!(cell, C | D) { *cell } else { O };
    cell.told_of(key)
}

impl Origins {
    fn have(self, origin: &str) -> bool {
        match self {
            All => true,
            AwsKms => origin == Origin::AwsKms.name(),
            External => origin == Origin::External.name(),
            NotInStores => [Origin::AwsKms.name(), Origin::External.name()].contains(&origin),
        }
    }
}

impl Cell {
    /// (K84)
    fn told_of(self, key: &Key) -> Result<(), Error> {
        let arn = key.arn().clone();
        match self {
            Y => Ok(()),
            A => Err(Error::Disabled(arn)),
            P if key.state == KeyState::PendingReplicaDeletion => Err(Error::InvalidState { key: arn, what: "pending replica deletion" }),
            P => Err(Error::PendingDeletion(arn)),
            N => Err(Error::NotPendingDeletion(arn)),
            I => Err(Error::InvalidState { key: arn, what: "pending import" }),
            // [K139] An external key store has words of its own.
            U if key.facts.origin.as_ref() == Origin::ExternalKeyStore.name() => Err(Error::KeyStore(KeyStoreError::KeyNotConnected)),
            U => Err(Error::InvalidState { key: arn, what: "unavailable" }),
            C => Err(Error::InvalidState { key: arn, what: "creating" }),
            D => Err(Error::InvalidState { key: arn, what: "updating" }),
            O => Err(Error::Unsupported(Some(format!("{arn} origin is {} which is not valid for this operation.", key.facts.origin)))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_stands_in_one_place() {
        for operation in Operation::ALL {
            let rows = TABLE.iter().filter(|(operations, ..)| operations.contains(operation)).count();
            let places = rows + usize::from(WITHOUT_KEY.contains(operation));
            assert_eq!(places, 1, "{operation}"); // [K85]
        }
    }
}
