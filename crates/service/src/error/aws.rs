//! The one table from our errors to AWS's: code, status, text (K14–K17, K250, K266), those of authorization among them (A914).

use super::{Error, IamCode, OrganizationsReason, ProxyFailure};

/// (T51) (T62) Nothing was done, and the caller's retries are right.
const UNRECORDED: &str = "The call could not be recorded, so nothing was done: the service cannot write to its store now. Try again later.";

/// An error as a client of AWS reads it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AwsError {
    /// `NotFoundException`
    pub code: &'static str,
    /// The text; some errors have none (K15).
    pub message: Option<String>,
    /// The HTTP status (K17).
    pub status: u16,
    /// The `Reason` that some errors of Organizations carry.
    pub reason: Option<&'static str>,
}

impl AwsError {
    /// An error with status 400 and a text.
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: Some(message.into()), status: 400, reason: None }
    }

    /// An error with status 400 that AWS sends without text (K15).
    pub fn bare(code: &'static str) -> Self {
        Self { code, message: None, status: 400, reason: None }
    }

    fn with_status(self, status: u16) -> Self {
        Self { status, ..self }
    }

    /// The code in a CloudTrail record: refusals are `AccessDenied` there (A1009).
    pub fn trail_code(&self) -> &'static str {
        if self.code == "AccessDeniedException" { "AccessDenied" } else { self.code }
    }
}

impl From<&Error> for AwsError {
    fn from(error: &Error) -> Self {
        match error {
            Error::AccessDenied { sentence } => Self::new("AccessDeniedException", sentence), // [A902]
            // [A907] The older text, which recorded suites compare with.
            Error::CiphertextKeyHidden => Self::new(
                "AccessDeniedException",
                "The ciphertext refers to a customer master key that does not exist, does not exist in this region, or you are not allowed to access.",
            ),
            Error::PrincipalGone => Self::new("UnrecognizedClientException", "The security token included in the request is invalid."),
            Error::InvalidKeyId(value) => Self::new("NotFoundException", format!("Invalid keyId '{value}'")), // [K43]
            Error::KeyNotFound(arn) => Self::new("NotFoundException", format!("Key '{arn}' does not exist")),
            Error::WrongRegion(region) => Self::new("NotFoundException", format!("Invalid arn {region}")),
            Error::AliasNotFound(arn) => Self::new("NotFoundException", format!("Alias {arn} is not found.")),
            Error::AliasNotSupported => Self::new("InvalidArnException", "Key Aliases are not supported for this operation."), // [K44]
            Error::InvalidArn(value) => Self::new("InvalidArnException", format!("Invalid arn {value}")),
            Error::ReservedAlias => Self::bare("NotAuthorizedException"), // [K49]
            Error::AliasExists(arn) => Self::new("AlreadyExistsException", format!("An alias with the name {arn} already exists")), // [K50]
            Error::GrantNotFound(id) => Self::new("NotFoundException", format!("Grant ID {id} not found")), // [K198]
            Error::InvalidGrantId => Self::bare("InvalidGrantIdException"),
            Error::InvalidGrantToken => Self::bare("InvalidGrantTokenException"),
            Error::InvalidMarker => Self::bare("InvalidMarkerException"),
            Error::UnknownPrincipal(arn) => Self::new("InvalidArnException", format!("ARN does not refer to a valid principal: {arn}")), // [A605]
            Error::NoSuchPolicy => Self::new("NotFoundException", "No such policy exists"),                                              // [K78]
            Error::Disabled(key) => Self::new("DisabledException", format!("{key} is disabled.")),                                       // [K84]
            Error::PendingDeletion(key) => Self::new("KMSInvalidStateException", format!("{key} is pending deletion.")),
            Error::NotPendingDeletion(key) => Self::new("KMSInvalidStateException", format!("{key} is not pending deletion.")),
            Error::InvalidState { key, what } => Self::new("KMSInvalidStateException", format!("{key} is {what}.")),
            Error::NoMaterialPending(key) => {
                Self::new("KMSInvalidStateException", format!("No available key material pending rotation for the key: {key}.")) // [K102]
            }
            // [K117]
            Error::MaterialPending { key, new_and_pending } => {
                let (new, pending) = &**new_and_pending;
                let message = format!(
                    "New key material (id: {new}) cannot be imported into KMS key {key}, because another key material (id: {pending}) is pending rotation."
                );
                Self::new("KMSInvalidStateException", message)
            }
            Error::InvalidImportToken => Self::bare("InvalidImportTokenException"), // [K114]
            Error::ExpiredImportToken => Self::bare("ExpiredImportTokenException"),
            Error::IncorrectKeyMaterial(message) => Self::new("IncorrectKeyMaterialException", *message),
            Error::ReplicaExists => {
                Self::new("AlreadyExistsException", "You can create only one replica of each primary key in each AWS Region.") // [K120]
            }
            Error::MaterialNotFound(id) => Self::new("NotFoundException", format!("Key material '{id}' does not exist")),
            // [K102]
            Error::AutomaticRotationNear => Self::new(
                "ConflictException",
                "The request was rejected because an automatic rotation of this key is currently in progress or scheduled to begin within the next 20 minutes.",
            ),
            Error::OnDemandRotationsExhausted(key) => Self::new(
                "LimitExceededException",
                format!(
                    "The on-demand rotations limit has been reached for the given keyId. No more on-demand rotations can be performed for this key: {key}"
                ),
            ),
            Error::InvalidKeyUsage { key, usage, operation } => {
                Self::new("InvalidKeyUsageException", format!("{key} key usage is {usage} which is not valid for {operation}.")) // [K150]
            }
            Error::IncompatibleAlgorithm { algorithm, spec } => {
                Self::new("InvalidKeyUsageException", format!("Algorithm {algorithm} is incompatible with key spec {spec}."))
            }
            Error::InvalidCiphertext => Self::bare("InvalidCiphertextException"), // [K15]
            Error::IncorrectKey => {
                Self::new("IncorrectKeyException", "The key ID in the request does not identify a CMK that can perform this operation.") // [K163]
            }
            Error::InvalidSignature => Self::bare("KMSInvalidSignatureException"), // [K183]
            Error::InvalidMac => Self::bare("KMSInvalidMacException"),             // [K185]
            Error::InvalidPeerKey => Self::bare("ValidationException"),            // [K15] [K190]
            Error::DryRun => Self::new("DryRunOperationException", "The request would have succeeded, but the DryRun option is set."), // [K153]
            Error::MalformedPolicy(message) => Self::new("MalformedPolicyDocumentException", message),
            Error::PolicyLockout => Self::new(
                "MalformedPolicyDocumentException",
                "The new key policy will not allow you to update the key policy in the future.", // [A701]
            ),
            Error::LimitExceeded(message) => Self { code: "LimitExceededException", message: message.clone(), status: 400, reason: None },
            Error::Tag(message) => Self::new("TagException", *message), // [K130]
            Error::Validation(message) => Self::new("ValidationException", message),
            Error::Unsupported(message) => Self { code: "UnsupportedOperationException", message: message.clone(), status: 400, reason: None },
            Error::Iam { code, message } => Self::new(code.name(), message).with_status(code.status()),
            Error::Organizations(code) => Self::new(code.name(), code.message()),
            Error::OrganizationsReason(reason) => {
                let (code, reason, message) = reason.parts();
                Self { reason: Some(reason), ..Self::new(code, message) }
            }
            Error::Throttled => {
                Self::new("ThrottlingException", "You have exceeded the rate at which you may call KMS. Reduce the frequency of your calls.") // [K232]
            }
            Error::KeyStore(error) => {
                let (code, message) = error.parts();
                Self::new(code, message).with_status(if code == "KMSInternalException" { 500 } else { 400 }) // [K17]
            }
            Error::Internal(_) | Error::Waiting => Self::bare("KMSInternalException").with_status(500), // [K17]
            Error::Unrecorded => Self::new("KMSInternalException", UNRECORDED).with_status(500),
        }
    }
}

impl Error {
    /// The error in the words of a service, by its name in scopes.
    pub fn worded_by(&self, service: &str) -> AwsError {
        match service {
            "kms" => AwsError::from(self),
            "organizations" => self.for_organizations(),
            crate::xks::SERVICE => self.for_proxy_clients(),
            _ => self.for_query_services(),
        }
    }

    /// The error as Organizations words it (K280).
    fn for_organizations(&self) -> AwsError {
        match self {
            Self::InvalidMarker => AwsError::from(&Self::OrganizationsReason(OrganizationsReason::InvalidNextToken)),
            Self::Validation(message) => AwsError::new("InvalidInputException", message),
            Self::Internal(_) | Self::Waiting | Self::Unrecorded => {
                AwsError::new("ServiceException", "AWS Organizations can't complete your request because of an internal service error.")
                    .with_status(500)
            }
            other => AwsError::from(other),
        }
    }

    /// The error as the protocol of external key stores words it: its names, its statuses (K146).
    fn for_proxy_clients(&self) -> AwsError {
        let failure = match self {
            Self::PrincipalGone => ProxyFailure::AuthenticationFailed,
            Self::AccessDenied { .. } | Self::CiphertextKeyHidden => ProxyFailure::AccessDenied,
            Self::InvalidKeyId(_) | Self::KeyNotFound(_) | Self::WrongRegion(_) | Self::AliasNotFound(_) | Self::InvalidArn(_) => {
                ProxyFailure::KeyNotFound
            }
            Self::Disabled(_) | Self::PendingDeletion(_) | Self::InvalidState { .. } | Self::KeyStore(_) => ProxyFailure::InvalidState,
            Self::InvalidKeyUsage { .. } | Self::IncompatibleAlgorithm { .. } => ProxyFailure::InvalidKeyUsage,
            Self::InvalidCiphertext => ProxyFailure::InvalidCiphertext,
            Self::Validation(_) => ProxyFailure::Validation,
            Self::Unsupported(_) => ProxyFailure::UnsupportedOperation,
            Self::Throttled => ProxyFailure::Throttling,
            _ => ProxyFailure::Internal,
        };
        let (code, status) = failure.told().unwrap_or(("InternalException", 500));
        AwsError { message: AwsError::from(self).message, ..AwsError::bare(code).with_status(status) }
    }

    /// The error as IAM and STS word it: other names, other statuses (K265).
    pub fn for_query_services(&self) -> AwsError {
        match self {
            Self::AccessDenied { sentence } => AwsError::new("AccessDenied", sentence).with_status(403),
            Self::PrincipalGone => AwsError::new("InvalidClientTokenId", "The security token included in the request is invalid.").with_status(403),
            Self::Validation(message) => AwsError::new("ValidationError", message),
            Self::MalformedPolicy(message) => AwsError::new("MalformedPolicyDocument", message),
            Self::Internal(_) | Self::Waiting => AwsError::new("ServiceFailure", "An internal failure").with_status(500),
            Self::Unrecorded => AwsError::new("ServiceFailure", UNRECORDED).with_status(500),
            Self::InvalidMarker => AwsError::new("ValidationError", "Invalid Marker."),
            other => AwsError::from(other),
        }
    }
}

impl IamCode {
    /// As it stands in the answer.
    pub fn name(self) -> &'static str {
        match self {
            Self::NoSuchEntity => "NoSuchEntity",
            Self::EntityAlreadyExists => "EntityAlreadyExists",
            Self::DeleteConflict => "DeleteConflict",
            Self::LimitExceeded => "LimitExceeded",
            Self::MalformedPolicyDocument => "MalformedPolicyDocument",
            Self::InvalidInput => "InvalidInput",
            Self::InvalidParameterValue => "InvalidParameterValue",
            Self::PolicyNotAttachable => "PolicyNotAttachable",
            Self::UnmodifiableEntity => "UnmodifiableEntity",
            Self::ValidationError => "ValidationError",
            Self::PackedPolicyTooLarge => "PackedPolicyTooLarge",
            Self::AccessDenied => "AccessDenied",
            Self::InvalidClientTokenId => "InvalidClientTokenId",
            Self::InvalidAuthorizationMessage => "InvalidAuthorizationMessageException",
            Self::ServiceFailure => "ServiceFailure",
        }
    }

    /// (K266)
    pub fn status(self) -> u16 {
        match self {
            Self::NoSuchEntity => 404,
            Self::EntityAlreadyExists | Self::DeleteConflict | Self::LimitExceeded => 409,
            Self::MalformedPolicyDocument
            | Self::InvalidInput
            | Self::InvalidParameterValue
            | Self::PolicyNotAttachable
            | Self::UnmodifiableEntity
            | Self::ValidationError
            | Self::InvalidAuthorizationMessage
            | Self::PackedPolicyTooLarge => 400,
            Self::AccessDenied | Self::InvalidClientTokenId => 403,
            Self::ServiceFailure => 500,
        }
    }
}
