//! Which values a condition key can have at all, where AWS has a closed set of them (§5).

use crate::key::KeyName;

const KEY_SPECS: &[&str] = &[
    "SYMMETRIC_DEFAULT",
    "RSA_2048",
    "RSA_3072",
    "RSA_4096",
    "ECC_NIST_P256",
    "ECC_NIST_P384",
    "ECC_NIST_P521",
    "ECC_SECG_P256K1",
    "ECC_NIST_EDWARDS25519",
    "HMAC_224",
    "HMAC_256",
    "HMAC_384",
    "HMAC_512",
    "SM2",
    "ML_DSA_44",
    "ML_DSA_65",
    "ML_DSA_87",
    "ML_KEM_512",
    "ML_KEM_768",
    "ML_KEM_1024",
];
const KEY_USAGES: &[&str] = &["ENCRYPT_DECRYPT", "SIGN_VERIFY", "GENERATE_VERIFY_MAC", "KEY_AGREEMENT", "ENCAPSULATE_DECAPSULATE"];
const ORIGINS: &[&str] = &["AWS_KMS", "EXTERNAL", "AWS_CLOUDHSM", "EXTERNAL_KEY_STORE"];
const ENCRYPTION_ALGORITHMS: &[&str] = &["SYMMETRIC_DEFAULT", "RSAES_OAEP_SHA_1", "RSAES_OAEP_SHA_256", "SM2PKE"];
const SIGNING_ALGORITHMS: &[&str] = &[
    "RSASSA_PSS_SHA_256",
    "RSASSA_PSS_SHA_384",
    "RSASSA_PSS_SHA_512",
    "RSASSA_PKCS1_V1_5_SHA_256",
    "RSASSA_PKCS1_V1_5_SHA_384",
    "RSASSA_PKCS1_V1_5_SHA_512",
    "ECDSA_SHA_256",
    "ECDSA_SHA_384",
    "ECDSA_SHA_512",
    "ED25519_SHA_512",
    "ED25519_PH_SHA_512",
    "ML_DSA_SHAKE_256",
    "SM2DSA",
];
const MAC_ALGORITHMS: &[&str] = &["HMAC_SHA_224", "HMAC_SHA_256", "HMAC_SHA_384", "HMAC_SHA_512"];
const WRAPPING_ALGORITHMS: &[&str] = &["RSAES_OAEP_SHA_1", "RSAES_OAEP_SHA_256", "RSA_AES_KEY_WRAP_SHA_1", "RSA_AES_KEY_WRAP_SHA_256", "SM2PKE"];
const GRANT_OPERATIONS: &[&str] = &[
    "CreateGrant",
    "Decapsulate",
    "Decrypt",
    "DeriveSharedSecret",
    "DescribeKey",
    "Encapsulate",
    "Encrypt",
    "GenerateDataKey",
    "GenerateDataKeyPair",
    "GenerateDataKeyPairWithoutPlaintext",
    "GenerateDataKeyWithoutPlaintext",
    "GenerateMac",
    "GetPublicKey",
    "ReEncryptFrom",
    "ReEncryptTo",
    "RetireGrant",
    "Sign",
    "Verify",
    "VerifyMac",
];

/// Services that call KMS for their callers, as `kms:ViaService` names them (A513); AWS adds others.
pub(super) const CALLING_SERVICES: &[&str] = &[
    "aiops",
    "airflow",
    "aoss",
    "apprunner",
    "appfabric",
    "appflow",
    "apptest",
    "ards",
    "athena",
    "auditmanager",
    "backup",
    "backup-gateway",
    "bedrock",
    "cassandra",
    "chimevoiceconnector",
    "cleanrooms-ml",
    "codeartifact",
    "codeguru-reviewer",
    "comprehend",
    "connect",
    "custom-packages",
    "dax",
    "deepracer",
    "directoryservice",
    "dms",
    "docdb-elastic",
    "dynamodb",
    "ec2",
    "ecr",
    "eks",
    "elasticache",
    "elasticfilesystem",
    "entityresolution",
    "es",
    "events",
    "finspace",
    "firehose",
    "forecast",
    "fsx",
    "geo",
    "glue",
    "groundstation",
    "healthlake",
    "importexport",
    "iotsitewise",
    "kafka",
    "kendra",
    "kinesis",
    "kinesisvideo",
    "lambda",
    "lex",
    "license-manager",
    "lookoutequipment",
    "lookoutmetrics",
    "lookoutvision",
    "m2",
    "macie",
    "malware-protection",
    "managedblockchain",
    "mediatailor",
    "memorydb",
    "mgn",
    "monitron",
    "mq",
    "nimble",
    "omics",
    "profile",
    "proton",
    "qldb",
    "rds",
    "redshift",
    "redshift-serverless",
    "rekognition",
    "s3",
    "s3tables",
    "sagemaker",
    "secretsmanager",
    "securitylake",
    "ses",
    "sns",
    "sqlworkbench",
    "sqs",
    "ssm",
    "ssm-contacts",
    "ssm-incidents",
    "states",
    "storagegateway",
    "thinclient",
    "timestream",
    "translate",
    "verified-access",
    "wisdom",
    "workmail",
    "workspaces",
    "workspaces-web",
    "xray",
];

/// The values that the key can have, if they are few and known: values of the API's enumerations, as AWS spells them.
pub fn values_of(name: KeyName) -> Option<&'static [&'static str]> {
    use KeyName as K;
    Some(match name {
        K::KeySpec | K::CustomerMasterKeySpec => KEY_SPECS,
        K::KeyUsage | K::CustomerMasterKeyUsage => KEY_USAGES,
        K::KeyOrigin => ORIGINS,
        K::EncryptionAlgorithm => ENCRYPTION_ALGORITHMS,
        K::SigningAlgorithm => SIGNING_ALGORITHMS,
        K::MacAlgorithm => MAC_ALGORITHMS,
        K::WrappingAlgorithm => WRAPPING_ALGORITHMS,
        K::GrantOperations => GRANT_OPERATIONS, // [A601]
        K::WrappingKeySpec => &["RSA_2048", "RSA_3072", "RSA_4096", "SM2"],
        K::MultiRegionKeyType => &["PRIMARY", "REPLICA"],
        K::MessageType => &["RAW", "DIGEST", "EXTERNAL_MU"],
        K::KeyAgreementAlgorithm => &["ECDH"],
        K::GrantConstraintType => &["EncryptionContextEquals", "EncryptionContextSubset"],
        K::ExpirationModel => &["KEY_MATERIAL_EXPIRES", "KEY_MATERIAL_DOES_NOT_EXPIRE"],
        K::PolicyName => &["default", "AWS_RAM"],                                              // [A336]
        K::PrincipalType => &["User", "AssumedRole", "FederatedUser", "Account", "Anonymous"], // [A201]
        K::MultiFactorAuthPresent
        | K::PrincipalIsAwsService
        | K::ViaAwsService
        | K::SecureTransport
        | K::AssumedRoot
        | K::MultiRegion
        | K::GrantIsForAwsResource
        | K::BypassPolicyLockoutSafetyCheck
        | K::ReEncryptOnSameKey => &["true", "false"],
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_calling_services_are_those_of_the_specification() {
        let specification = include_str!("../../../../spec/authorization.md");
        let line = specification.lines().find(|line| line.starts_with("- **A513**")).unwrap();
        let (_, names) = line.split_once("amazonaws.com`): ").unwrap();
        let (names, _) = names.split_once(". Do not reject others").unwrap();
        // Remarks in parentheses hold commas.
        let outside = names.split('(').map(|part| part.split_once(')').map_or(part, |(_, after)| after)).collect::<String>().replace("**", "");
        let printed: Vec<&str> = outside.split(',').map(str::trim).collect();
        assert_eq!(printed, CALLING_SERVICES); // [A513]
    }
}
