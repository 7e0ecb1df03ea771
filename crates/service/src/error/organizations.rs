//! The errors of Organizations (K280): codes, reasons and AWS's sentences for them.

macro_rules! codes {
    ($($variant:ident = $name:literal, $message:literal;)*) => {
        /// An error of Organizations that says all by its code.
        #[derive(Clone, Copy, Debug, Eq, PartialEq)]
        #[expect(missing_docs, reason = "AWS's own codes")]
        pub enum OrganizationsCode { $($variant,)* }

        impl OrganizationsCode {
            /// As it stands in the answer.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// The sentence.
            pub fn message(self) -> &'static str {
                match self { $(Self::$variant => $message,)* }
            }
        }
    };
}

codes! {
    AccessDenied = "AccessDeniedException", "You don't have permissions to access this resource.";
    AccountNotFound = "AccountNotFoundException", "You specified an account that doesn't exist.";
    AlreadyInOrganization = "AlreadyInOrganizationException", "The provided account is already a member of an organization.";
    ChildNotFound = "ChildNotFoundException", "You specified child that doesn't exist.";
    CreateAccountStatusNotFound = "CreateAccountStatusNotFoundException", "You specified an account creation request that doesn't exist.";
    DestinationParentNotFound = "DestinationParentNotFoundException", "You specified a destination parent that doesn't exist.";
    DuplicateAccount = "DuplicateAccountException", "The account is already present in the specified destination.";
    DuplicateHandshake = "DuplicateHandshakeException", "An open handshake with the same action and party exists already.";
    DuplicateOrganizationalUnit = "DuplicateOrganizationalUnitException", "An OU with the same name already exists.";
    DuplicatePolicy = "DuplicatePolicyException", "A policy with the same name and type already exists.";
    DuplicatePolicyAttachment = "DuplicatePolicyAttachmentException", "The selected policy is already attached to the specified target.";
    EffectivePolicyNotFound = "EffectivePolicyNotFoundException", "There is no effective policy of this type for the target.";
    HandshakeAlreadyInState = "HandshakeAlreadyInStateException", "The handshake is already in the requested state.";
    HandshakeNotFound = "HandshakeNotFoundException", "You specified a handshake that doesn't exist.";
    InvalidHandshakeTransition = "InvalidHandshakeTransitionException", "You can't perform this operation on the handshake in its current state.";
    MasterCannotLeave = "MasterCannotLeaveOrganizationException", "You can't remove a management account from an organization.";
    NotInUse = "AWSOrganizationsNotInUseException", "Your account is not a member of an organization.";
    OrganizationNotEmpty = "OrganizationNotEmptyException", "To delete an organization you must first remove all member accounts (except the master).";
    OrganizationalUnitNotEmpty = "OrganizationalUnitNotEmptyException", "The specified OU is not empty. Move all accounts to another root or OU, remove all child OUs, and try again.";
    OrganizationalUnitNotFound = "OrganizationalUnitNotFoundException", "You specified an organizational unit that doesn't exist.";
    ParentNotFound = "ParentNotFoundException", "You specified parent that doesn't exist.";
    PolicyInUse = "PolicyInUseException", "The policy is attached to one or more entities. Detach it from all roots, OUs and accounts first.";
    PolicyNotAttached = "PolicyNotAttachedException", "The policy isn't attached to the specified target.";
    PolicyNotFound = "PolicyNotFoundException", "You specified a policy that doesn't exist.";
    PolicyTypeAlreadyEnabled = "PolicyTypeAlreadyEnabledException", "The specified policy type is already enabled.";
    PolicyTypeNotAvailable = "PolicyTypeNotAvailableForOrganizationException", "The specified policy type is not available in this organization.";
    PolicyTypeNotEnabled = "PolicyTypeNotEnabledException", "This operation can be performed only for enabled policy types.";
    RootNotFound = "RootNotFoundException", "You specified a root that doesn't exist.";
    SourceParentNotFound = "SourceParentNotFoundException", "You specified a source parent that doesn't exist.";
    TargetNotFound = "TargetNotFoundException", "You specified a target that doesn't exist.";
}

macro_rules! reasons {
    ($($variant:ident = $code:literal, $reason:literal, $message:literal;)*) => {
        /// An error of Organizations that says more by its `Reason`.
        #[derive(Clone, Copy, Debug, Eq, PartialEq)]
        #[expect(missing_docs, reason = "AWS's own reasons")]
        pub enum OrganizationsReason { $($variant,)* }

        impl OrganizationsReason {
            /// Code and reason as they stand in the answer, and the sentence.
            pub(super) fn parts(self) -> (&'static str, &'static str, &'static str) {
                match self { $(Self::$variant => ($code, $reason, $message),)* }
            }
        }
    };
}

reasons! {
    AlreadyInAnOrganization = "HandshakeConstraintViolationException", "ALREADY_IN_AN_ORGANIZATION", "The invited account is already a member of an organization.";
    ContentLimit = "ConstraintViolationException", "POLICY_CONTENT_LIMIT_EXCEEDED", "You have exceeded the maximum size of a policy document.";
    DuplicateTagKey = "InvalidInputException", "DUPLICATE_TAG_KEY", "Tag keys must be unique among the tags attached to the same entity.";
    Immutable = "InvalidInputException", "IMMUTABLE_POLICY", "You specified a policy that is managed by AWS and can't be modified.";
    InputRequired = "InvalidInputException", "INPUT_REQUIRED", "You must include a value for all required parameters.";
    InvalidEnum = "InvalidInputException", "INVALID_ENUM", "You specified an invalid value.";
    InvalidNextToken = "InvalidInputException", "INVALID_NEXT_TOKEN", "Get the NextToken parameter from the response to a previous call of the operation.";
    InvalidParty = "InvalidInputException", "INVALID_PARTY_TYPE_TARGET", "You specified the wrong type of entity (account, organization, or email) as a party.";
    InvalidPattern = "InvalidInputException", "INVALID_PATTERN", "You provided a value that does not match the required pattern.";
    InvalidPatternTarget = "InvalidInputException", "INVALID_PATTERN_TARGET_ID", "You specified a policy target ID that does not match the required pattern.";
    InvalidPolicyType = "InvalidInputException", "INVALID_ENUM_POLICY_TYPE", "You specified an invalid policy type.";
    MaxAttached = "ConstraintViolationException", "MAX_POLICY_TYPE_ATTACHMENT_LIMIT_EXCEEDED", "You have attached the maximum number of policies of this type to the target.";
    MaxLength = "InvalidInputException", "MAX_LENGTH_EXCEEDED", "You provided a string parameter that is longer than allowed.";
    MaxTags = "ConstraintViolationException", "MAX_TAG_LIMIT_EXCEEDED", "You have exceeded the number of tags allowed on this resource.";
    MaxValue = "InvalidInputException", "MAX_VALUE_EXCEEDED", "You provided a numeric parameter that has a larger value than allowed.";
    MinAttached = "ConstraintViolationException", "MIN_POLICY_TYPE_ATTACHMENT_LIMIT_EXCEEDED", "You cannot remove the last policy attached to the specified target. You must have at least one attached at all times.";
    MinLength = "InvalidInputException", "MIN_LENGTH_EXCEEDED", "You provided a string parameter that is shorter than allowed.";
    MinValue = "InvalidInputException", "MIN_VALUE_EXCEEDED", "You provided a numeric parameter that has a smaller value than allowed.";
    NonDetachable = "InvalidInputException", "NON_DETACHABLE_POLICY", "You can't detach this AWS managed policy.";
    PolicyNumber = "ConstraintViolationException", "POLICY_NUMBER_LIMIT_EXCEEDED", "You have exceeded the number of policies of this type that you can have in an organization.";
    TargetNotSupported = "InvalidInputException", "TARGET_NOT_SUPPORTED", "You can't perform the specified operation on that target entity.";
    UnitDepth = "ConstraintViolationException", "OU_DEPTH_LIMIT_EXCEEDED", "You have exceeded the allowed depth of the organizational unit tree.";
    UnitNumber = "ConstraintViolationException", "OU_NUMBER_LIMIT_EXCEEDED", "You have exceeded the number of organizational units that you can have in an organization.";
}
