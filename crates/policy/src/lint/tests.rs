//! Each lint found where it should be, and not where it should not.

use super::*;
use crate::document::PolicyKind::{self, Endpoint, Identity, Key, Rcp, Scp, Trust};

const ADMIN: &str = r#"{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:root"},"Action":"kms:*","Resource":"*"}"#;

/// A whole document, or statements to be put into one; key policies get an account statement first.
fn document(kind: PolicyKind, text: &str) -> String {
    if text.contains("Statement") {
        return text.to_owned();
    }
    let first = if kind == Key { format!("{ADMIN},") } else { String::new() };
    format!(r#"{{"Version":"2012-10-17","Statement":[{first}{text}]}}"#)
}

/// The underlined texts of one lint.
fn found(id: &str, kind: PolicyKind, text: &str) -> Vec<String> {
    let text = document(kind, text);
    let findings = check(&Policy::parse(kind, text.clone()));
    findings.iter().filter(|finding| finding.lint.id == id).map(|finding| finding.span().of(&text).to_owned()).collect()
}

/// A lint, a policy that has it, what is underlined there (how it begins), and policies that do not have it.
type Sample = (&'static str, PolicyKind, &'static str, &'static str, &'static [&'static str]);

macro_rules! allow {
    ($action:literal, $resource:literal) => {
        concat!(r#"{"Effect":"Allow","Action":"#, $action, r#","Resource":"#, $resource, "}")
    };
    ($action:literal if $condition:literal) => {
        concat!(r#"{"Effect":"Allow","Action":"#, $action, r#","Resource":"*","Condition":"#, $condition, "}")
    };
}

macro_rules! deny {
    ($action:literal if $condition:literal) => {
        concat!(r#"{"Effect":"Deny","Action":"#, $action, r#","Resource":"*","Condition":"#, $condition, "}")
    };
}

/// A key policy's statement for a principal.
macro_rules! to {
    ($principal:literal, $action:literal) => {
        concat!(r#"{"Effect":"Allow","Principal":"#, $principal, r#","Action":"#, $action, r#","Resource":"*"}"#)
    };
    ($principal:literal, $action:literal if $condition:literal) => {
        concat!(r#"{"Effect":"Allow","Principal":"#, $principal, r#","Action":"#, $action, r#","Resource":"*","Condition":"#, $condition, "}")
    };
}

const SAMPLES: &[Sample] = &[
    ("action-not-on-key", Key, to!(r#"{"AWS":"111122223333"}"#, r#"["kms:ListKeys","kms:Decrypt"]"#), "\"kms:ListKeys\"", &[ADMIN]), // [A403]
    ("action-of-other-service", Key, to!(r#"{"AWS":"111122223333"}"#, r#"["s3:GetObject","kms:Decrypt"]"#), "\"s3:GetObject\"", &[ADMIN]), // [A132]
    (
        "alias-as-resource",
        Identity,
        allow!(r#""kms:Decrypt""#, r#""arn:aws:kms:*:111122223333:alias/a""#), // [A136]
        "\"arn:aws:kms:*:111122223333:alias/a\"",
        &[
            allow!(r#""kms:UpdateAlias""#, r#""arn:aws:kms:*:111122223333:alias/a""#),
            allow!(r#""kms:Decrypt""#, r#""arn:aws:kms:*:111122223333:key/*""#),
        ],
    ),
    ("alias-as-resource", Identity, allow!(r#""kms:*""#, r#""arn:aws:kms:*:111122223333:alias/a""#), "\"arn", &[]), // [A405]
    (
        "allow-denied",
        Identity,
        r#"{"Effect":"Deny","Action":"kms:*","Resource":"*"},{"Effect":"Allow","Action":"kms:Decrypt","Resource":"*"}"#, // [A301]
        r#"{"Effect":"Allow""#,
        &[
            r#"{"Effect":"Deny","Action":"kms:*","Resource":"*","Condition":{"Bool":{"aws:ViaAWSService":"true"}}},{"Effect":"Allow","Action":"kms:Decrypt","Resource":"*"}"#,
        ],
    ),
    (
        "contradiction",
        Identity,
        allow!(r#""kms:Decrypt""# if r#"{"Null":{"kms:ViaService":"true"},"StringEquals":{"kms:viaService":"s3.us-east-1.amazonaws.com"}}"#), // [A163]
        r#""kms:ViaService":"true""#,
        &[allow!(r#""kms:Decrypt""# if r#"{"Null":{"kms:ViaService":"true"},"StringNotEquals":{"kms:ViaService":"s3.us-east-1.amazonaws.com"}}"#)],
    ),
    (
        "create-grant-unbounded",
        Key,
        to!(r#"{"AWS":"arn:aws:iam::111122223333:role/a"}"#, r#""kms:Create*""#), // [A616] [A413]
        "\"kms:Create*\"",
        &[
            ADMIN, // a delegation
            to!(r#"{"AWS":"arn:aws:iam::111122223333:role/a"}"#, r#""kms:CreateGrant""# if r#"{"Bool":{"kms:GrantIsForAWSResource":true}}"#),
        ],
    ),
    (
        "deny-hits-services",
        Identity,
        deny!(r#""kms:*""# if r#"{"StringNotEquals":{"aws:SourceVpce":"vpce-1"}}"#), // [A332]
        "\"StringNotEquals\"",
        &[
            deny!(r#""kms:*""# if r#"{"StringNotEquals":{"aws:SourceVpce":"vpce-1"},"Bool":{"aws:ViaAWSService":"false"}}"#),
            deny!(r#""kms:*""# if r#"{"StringNotEquals":{"aws:SourceVpce":"vpce-1"},"Null":{"aws:SourceVpce":"false"}}"#),
        ],
    ),
    (
        "deny-uncarried",
        Identity,
        deny!(r#"["kms:Encrypt","kms:DescribeKey"]"# if r#"{"StringNotEquals":{"kms:EncryptionContext:a":"b"}}"#), // [A160] [A542]
        "\"kms:EncryptionContext:a\"",
        &[
            deny!(r#""kms:*""# if r#"{"StringEquals":{"kms:EncryptionContext:a":"b"}}"#),
            deny!(r#""kms:*""# if r#"{"StringNotEquals":{"kms:ViaService":"s3.us-east-1.amazonaws.com"}}"#),
        ],
    ),
    (
        "deny-when-absent",
        Identity,
        deny!(r#""kms:Decrypt""# if r#"{"StringNotEquals":{"kms:ViaService":"s3.us-east-1.amazonaws.com"}}"#), // [A160] [A512]
        "\"StringNotEquals\"",
        &[
            deny!(r#""kms:Decrypt""# if r#"{"StringNotEquals":{"kms:CallerAccount":"111122223333"}}"#),
            deny!(r#""kms:Decrypt""# if r#"{"StringEquals":{"kms:ViaService":"s3.us-east-1.amazonaws.com"}}"#),
        ],
    ),
    (
        "deprecated-key",
        Identity,
        allow!(r#""kms:CreateKey""# if r#"{"StringEquals":{"kms:CustomerMasterKeySpec":"RSA_2048"}}"#), // [A505]
        "\"kms:CustomerMasterKeySpec\"",
        &[allow!(r#""kms:CreateKey""# if r#"{"StringEquals":{"kms:KeySpec":"RSA_2048"}}"#)],
    ),
    (
        "duplicate-sid",
        Scp,
        r#"{"Sid":"a","Effect":"Allow","Action":"*","Resource":"*"},{"Sid":"a","Effect":"Deny","Action":"s3:*","Resource":"*"}"#, // [A106]
        "\"a\"",
        &[r#"{"Sid":"a","Effect":"Allow","Action":"*","Resource":"*"},{"Sid":"A","Effect":"Deny","Action":"s3:*","Resource":"*"}"#],
    ),
    (
        "duplicate-statement",
        Identity,
        r#"{"Effect":"Allow","Action":["kms:Sign","kms:Verify"],"Resource":"*"},{"Effect":"Allow","Action":["KMS:verify","kms:Sign"],"Resource":["*"]}"#, // [A308]
        r#"{"Effect":"Allow","Action":["KMS:verify""#,
        &[r#"{"Effect":"Allow","Action":"kms:Sign","Resource":"*"},{"Effect":"Allow","Action":"kms:Verify","Resource":"*"}"#],
    ),
    (
        "empty-condition",
        Identity,
        allow!(r#""kms:Decrypt""# if r#"{"StringEquals":{"kms:ViaService":[]}}"#), // [A150]
        r#""kms:ViaService":[]"#,
        &[allow!(r#""kms:Decrypt""#, r#""*""#)],
    ),
    ("empty-condition", Identity, allow!(r#""kms:Decrypt""# if r#"{"Bool":{}}"#), "\"Bool\"", &[]),
    ("everyone", Key, to!(r#"{"AWS":["*"]}"#, r#""kms:Decrypt""#), r#"{"AWS":["*"]}"#, &[ADMIN]), // [A125]
    (
        "everyone-weak-condition",
        Key,
        to!(r#""*""#, r#""kms:Decrypt""# if r#"{"StringEquals":{"kms:EncryptionContext:a":"b"}}"#), // [A202]
        "\"*\"",
        &[to!(r#""*""#, r#""kms:Decrypt""# if r#"{"StringEquals":{"kms:CallerAccount":"111122223333"}}"#)],
    ),
    (
        "for-all-values-on-single",
        Identity,
        allow!(r#""kms:Decrypt""# if r#"{"ForAllValues:StringEquals":{"kms:ViaService":"s3.us-east-1.amazonaws.com"}}"#), // [A167]
        "\"ForAllValues:StringEquals\"",
        &[allow!(r#""kms:Decrypt""# if r#"{"ForAnyValue:StringEquals":{"kms:ViaService":"s3.us-east-1.amazonaws.com"}}"#)],
    ),
    (
        "for-all-values-without-null",
        Identity,
        allow!(r#""kms:TagResource""# if r#"{"ForAllValues:StringEquals":{"aws:TagKeys":["a"]}}"#), // [A165]
        "\"ForAllValues:StringEquals\"",
        &[
            allow!(r#""kms:TagResource""# if r#"{"ForAllValues:StringEquals":{"aws:TagKeys":["a"]},"Null":{"aws:tagkeys":"false"}}"#),
            deny!(r#""kms:TagResource""# if r#"{"ForAllValues:StringEquals":{"aws:TagKeys":["a"]}}"#),
        ],
    ),
    (
        "if-exists-in-allow",
        Identity,
        allow!(r#""kms:Decrypt""# if r#"{"StringEqualsIfExists":{"kms:ViaService":"s3.us-east-1.amazonaws.com"}}"#), // [A161]
        "\"StringEqualsIfExists\"",
        &[allow!(r#""kms:Decrypt""# if r#"{"StringEqualsIfExists":{"kms:KeySpec":"RSA_2048"}}"#)],
    ),
    (
        "if-exists-in-deny",
        Identity,
        deny!(r#""kms:Decrypt""# if r#"{"StringEqualsIfExists":{"kms:ViaService":"s3.us-east-1.amazonaws.com"}}"#), // [A161]
        "\"StringEqualsIfExists\"",
        &[deny!(r#""kms:Decrypt""# if r#"{"StringEquals":{"kms:ViaService":"s3.us-east-1.amazonaws.com"}}"#)],
    ),
    (
        "key-absent-for-principal",
        Key,
        to!(r#"{"AWS":"111122223333"}"#, r#""kms:Decrypt""# if r#"{"ArnLike":{"aws:SourceArn":"arn:aws:s3:::b"}}"#), // [A530]
        "\"aws:SourceArn\"",
        &[
            to!(r#"{"Service":"logs.amazonaws.com","AWS":"111122223333"}"#, r#""kms:Decrypt""# if r#"{"ArnLike":{"aws:SourceArn":"arn:aws:s3:::b"}}"#),
            to!(r#"{"AWS":"*"}"#, r#""kms:Decrypt""# if r#"{"ArnLike":{"aws:SourceArn":"arn:aws:s3:::b"}}"#),
            to!(r#"{"AWS":"111122223333"}"#, r#""kms:Decrypt""# if r#"{"StringEquals":{"kms:CallerAccount":"111122223333"}}"#),
        ],
    ),
    (
        "key-absent-for-principal",
        Key,
        to!(r#"{"Service":"logs.amazonaws.com"}"#, r#""kms:Decrypt""# if r#"{"StringEquals":{"kms:CallerAccount":"111122223333"}}"#), // [A511]
        "\"kms:CallerAccount\"",
        &[],
    ),
    (
        "key-form",
        Identity,
        allow!(r#""kms:Decrypt""# if r#"{"StringEquals":{"kms:EncryptionContext/dept":"x"}}"#), // [A540]
        "\"kms:EncryptionContext/dept\"",
        &[allow!(r#""kms:Decrypt""# if r#"{"StringEquals":{"kms:encryptioncontext:aws:s3:arn":"x"}}"#)],
    ),
    ("key-form", Identity, allow!(r#""kms:Decrypt""# if r#"{"StringEquals":{"kms:EncryptionContext:${aws:username}":"x"}}"#), "\"kms", &[]), // [A170]
    (
        "key-never-carried",
        Identity,
        allow!(r#"["kms:Decrypt","kms:Encrypt"]"# if r#"{"StringEquals":{"kms:MessageType":"RAW"}}"#), // [A504]
        "\"kms:MessageType\"",
        &[allow!(r#""kms:Sign""# if r#"{"StringEquals":{"kms:MessageType":"RAW"}}"#)],
    ),
    ("key-never-carried", Identity, allow!(r#""kms:ListKeys""# if r#"{"StringEquals":{"kms:CallerAccount":"111122223333"}}"#), "\"kms:C", &[]), // [A504]
    (
        "key-not-always-carried",
        Identity,
        allow!(r#"["kms:Decrypt","kms:DescribeKey"]"# if r#"{"StringEquals":{"kms:EncryptionContext:a":"x"}}"#), // [A542]
        "\"kms:EncryptionContext:a\"",
        &[allow!(r#"["kms:Decrypt","kms:ReEncrypt*"]"# if r#"{"StringEquals":{"kms:EncryptionContext:a":"x"}}"#)],
    ),
    (
        "key-twice",
        Identity,
        allow!(r#""kms:Decrypt""# if r#"{"StringEquals":{"kms:KeySpec":"RSA_2048","KMS:KeySpec":"RSA_4096"}}"#), // [A151]
        "\"KMS:KeySpec\"",
        &[allow!(r#""kms:Decrypt""# if r#"{"StringEquals":{"kms:KeySpec":"RSA_2048"},"StringLike":{"KMS:KeySpec":"RSA_*"}}"#)],
    ),
    (
        "lockout",
        Key,
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"kms:Decrypt","Resource":"*"}]}"#, // [A701]
        "{",
        &[ADMIN],
    ),
    (
        "mfa-absent",
        Identity,
        deny!(r#""kms:*""# if r#"{"Bool":{"aws:MultiFactorAuthPresent":false}}"#), // [A523]
        "\"Bool\"",
        &[
            deny!(r#""kms:*""# if r#"{"BoolIfExists":{"aws:MultiFactorAuthPresent":false}}"#),
            allow!(r#""kms:*""# if r#"{"Bool":{"aws:MultiFactorAuthPresent":true}}"#),
        ],
    ),
    ("mfa-absent", Identity, allow!(r#""kms:*""# if r#"{"BoolIfExists":{"aws:MultiFactorAuthPresent":"true"}}"#), "\"BoolIfExists\"", &[]),
    (
        "mixed-partitions",
        Key,
        to!(r#"{"AWS":["arn:aws:iam::111122223333:root","arn:aws-cn:iam::444455556666:root"]}"#, r#""kms:Decrypt""#), // [A121]
        "\"arn:aws-cn",
        &[to!(r#"{"AWS":["arn:aws:iam::111122223333:root","444455556666"]}"#, r#""kms:Decrypt""#)],
    ),
    (
        "no-resource-operation",
        Identity,
        allow!(r#"["kms:Decrypt","kms:ListKeys"]"#, r#""arn:aws:kms:*:111122223333:key/*""#), // [A141]
        "\"kms:ListKeys\"",
        &[allow!(r#"["kms:Decrypt","kms:ListKeys"]"#, r#""*""#), allow!(r#""kms:*""#, r#""arn:aws:kms:*:111122223333:key/*""#)],
    ),
    (
        "not-action-allow",
        Identity,
        r#"{"Effect":"Allow","NotAction":"iam:*","Resource":"*"}"#, // [A132]
        "\"NotAction\"",
        &[r#"{"Effect":"Deny","NotAction":"iam:*","Resource":"*"}"#],
    ),
    (
        "not-principal-boundary",
        Key,
        r#"{"Effect":"Deny","NotPrincipal":{"AWS":"111122223333"},"Action":"kms:Decrypt","Resource":"*"}"#, // [A221]
        r#"{"AWS":"#,
        &[ADMIN],
    ),
    (
        "not-principal-session",
        Key,
        r#"{"Effect":"Deny","NotPrincipal":{"AWS":["111122223333","arn:aws:iam::111122223333:role/a"]},"Action":"kms:Decrypt","Resource":"*"}"#, // [A220]
        "\"arn:aws:iam::111122223333:role/a\"",
        &[
            r#"{"Effect":"Deny","NotPrincipal":{"AWS":["111122223333","arn:aws:iam::111122223333:role/p/a","arn:aws:sts::111122223333:assumed-role/a/s"]},"Action":"kms:Decrypt","Resource":"*"}"#,
            r#"{"Effect":"Deny","NotPrincipal":{"AWS":["111122223333","arn:aws:iam::111122223333:user/a"]},"Action":"kms:Decrypt","Resource":"*"}"#,
        ],
    ),
    (
        "not-resource-allow",
        Identity,
        r#"{"Effect":"Allow","Action":"kms:Decrypt","NotResource":"arn:aws:kms:*:*:key/1"}"#, // [A136]
        "\"NotResource\"",
        &[r#"{"Effect":"Deny","Action":"kms:Decrypt","NotResource":"arn:aws:kms:*:*:key/1"}"#],
    ),
    (
        "old-version",
        Identity,
        r#"{"Statement":[]}"#, // [A102]
        "{",
        &[r#"{"Version":"2012-10-17","Statement":[]}"#],
    ),
    ("old-version", Identity, r#"{"Version":"2008-10-17","Statement":[]}"#, "\"2008-10-17\"", &[]),
    (
        "operator-type",
        Identity,
        allow!(r#""kms:Decrypt""# if r#"{"StringLike":{"aws:SourceIp":"203.0.113.0/24"}}"#), // [A159]
        "\"StringLike\"",
        &[
            allow!(r#""kms:Decrypt""# if r#"{"IpAddress":{"aws:SourceIp":"203.0.113.0/24"}}"#),
            allow!(r#""kms:Decrypt""# if r#"{"NumericEquals":{"aws:PrincipalTag/level":"3"}}"#),
            allow!(r#""kms:CreateGrant""# if r#"{"ArnLike":{"kms:GranteePrincipal":"arn:aws:iam::111122223333:role/*"}}"#),
        ],
    ),
    ("operator-type", Identity, allow!(r#""kms:Decrypt""# if r#"{"ArnLike":{"aws:PrincipalOrgID":"arn:aws:a:b:c:d"}}"#), "\"ArnLike\"", &[]), // [A156]
    (
        "pattern-is-literal",
        Identity,
        allow!(r#""kms:Decrypt""# if r#"{"StringEquals":{"kms:ViaService":"s3.*.amazonaws.com"}}"#), // [A153]
        "\"s3.*.amazonaws.com\"",
        &[allow!(r#""kms:Decrypt""# if r#"{"StringLike":{"kms:ViaService":"s3.*.amazonaws.com"}}"#)],
    ),
    (
        "redundant-action",
        Identity,
        allow!(r#"["kms:GenerateDataKey*","kms:GenerateDataKeyPair"]"#, r#""*""#), // [A131]
        "\"kms:GenerateDataKeyPair\"",
        &[allow!(r#"["kms:GenerateDataKey","kms:GenerateDataKeyPair","s3:*"]"#, r#""*""#)],
    ),
    ("refused", Identity, allow!(r#""Decrypt""#, r#""*""#), "\"Decrypt\"", &[allow!(r#""kms:Decrypt""#, r#""*""#)]), // [A110]
    ("refused", Rcp, r#"{"Effect":"Deny","Principal":"*","Action":"*","Resource":"*"}"#, r#"{"Effect"#, &[]),        // [A109]
    ("refused", Trust, r#"{"Effect":"Allow","Principal":{"AWS":"x"},"Action":"sts:AssumeRole"}"#, "\"x\"", &[]),
    (
        "resource-never-matches",
        Identity,
        allow!(r#""kms:Decrypt""#, r#""arn:aws:kms:us-east-1:111122223333:1234abcd-12ab-34cd-56ef-1234567890ab""#), // [A136]
        "\"arn:aws:kms",
        &[
            allow!(r#""kms:Decrypt""#, r#""arn:aws:kms:*""#),
            allow!(r#""kms:Decrypt""#, r#""arn:aws:kms:us-east-1:111122223333:*""#),
            allow!(r#""kms:Decrypt""#, r#""arn:*:kms:us-*:111122223333:key/mrk-*""#),
            allow!(r#"["kms:Decrypt","s3:GetObject"]"#, r#"["arn:aws:s3:::b/*","arn:aws:kms:*:*:key/1"]"#),
        ],
    ),
    ("resource-never-matches", Identity, allow!(r#""kms:Decrypt""#, r#""arn:aws:kms::111122223333:key/*""#), "\"arn", &[]), // [A137]
    ("resource-never-matches", Identity, allow!(r#""kms:Decrypt""#, r#""arn:aws:k*:us-east-1:111122223333:key/*""#), "\"arn", &[]), // [A137]
    ("resource-never-matches", Identity, allow!(r#""kms:Decrypt""#, r#""arn:aws:kms:us-east-1:${aws:PrincipalAccount}:key/*""#), "\"arn", &[]), // [A140]
    ("resource-never-matches", Identity, allow!(r#""kms:Decrypt""#, r#""arn:aws:s3:::bucket""#), "\"arn", &[]),
    ("resource-never-matches", Identity, allow!(r#""kms:Decrypt""#, r#""arn:aws:kms:us-east-1:111122223333:key/1234ABCD""#), "\"arn", &[]), // [A139]
    (
        "resource-not-star",
        Key,
        r#"{"Effect":"Allow","Principal":{"AWS":"111122223333"},"Action":"kms:Decrypt","Resource":"arn:aws:kms:us-east-1:111122223333:key/1"}"#, // [A134]
        "\"arn:aws:kms",
        &[ADMIN],
    ),
    ("retire-grant-ignored", Key, to!(r#"{"AWS":"111122223333"}"#, r#"["kms:RetireGrant"]"#), "\"kms:RetireGrant\"", &[ADMIN]), // [A620]
    (
        "service-without-source",
        Key,
        to!(r#"{"Service":"cloudtrail.amazonaws.com"}"#, r#""kms:GenerateDataKey*""#), // [A208]
        "\"cloudtrail.amazonaws.com\"",
        &[
            to!(r#"{"Service":"cloudtrail.amazonaws.com"}"#, r#""kms:DescribeKey""#),
            to!(r#"{"Service":"cloudtrail.amazonaws.com"}"#, r#""kms:Decrypt""# if r#"{"StringEquals":{"aws:SourceAccount":"111122223333"}}"#),
        ],
    ),
    (
        "single-test-on-many",
        Identity,
        allow!(r#""kms:CreateGrant""# if r#"{"StringEquals":{"kms:GrantOperations":"Decrypt"}}"#), // [A164]
        "\"StringEquals\"",
        &[
            allow!(r#""kms:CreateGrant""# if r#"{"ForAnyValue:StringEquals":{"kms:GrantOperations":"Decrypt"}}"#),
            allow!(r#""kms:CreateGrant""# if r#"{"Null":{"kms:GrantOperations":"false"}}"#),
        ],
    ),
    (
        "statement-without-effect",
        Key,
        r#"{"Effect":"Allow","Principal":{"AWS":"111122223333"},"Action":"kms:Decrypt"}"#, // [A135]
        r#"{"Effect"#,
        &[ADMIN],
    ),
    (
        "subsumed-statement",
        Identity,
        r#"{"Effect":"Allow","Action":"kms:Decrypt","Resource":"*","Condition":{"StringEquals":{"kms:EncryptionContext:a":"b"}}},{"Effect":"Allow","Action":"kms:De*","Resource":"*"}"#, // [A308]
        r#"{"Effect":"Allow","Action":"kms:Decrypt""#,
        &[
            r#"{"Effect":"Deny","Action":"kms:Decrypt","Resource":"*","Condition":{"StringEquals":{"kms:EncryptionContext:a":"b"}}},{"Effect":"Allow","Action":"kms:De*","Resource":"*"}"#,
        ],
    ),
    (
        "tag-key-in-key-policy",
        Key,
        to!(r#"{"AWS":"111122223333"}"#, r#""kms:Decrypt""# if r#"{"StringEquals":{"aws:ResourceTag/a":"b"}}"#), // [A506]
        "\"aws:ResourceTag/a\"",
        &[to!(r#"{"AWS":"111122223333"}"#, r#""kms:Decrypt""# if r#"{"StringEquals":{"aws:PrincipalTag/a":"b"}}"#)],
    ),
    (
        "unknown-action",
        Endpoint,
        r#"{"Effect":"Allow","Principal":"*","Action":["kms:Decript","kms:Wrap*","s3:Frobnicate"],"Resource":"*"}"#, // [A133]
        "\"kms:Decript\"",
        &[allow!(r#"["KMS:decrypt","kms:De?rypt","s3:Frobnicate"]"#, r#""*""#)],
    ),
    ("unknown-action", Identity, allow!(r#""kms:ReEncrypt""#, r#""*""#), "\"kms:ReEncrypt\"", &[allow!(r#""kms:ReEncrypt*""#, r#""*""#)]), // [A404]
    (
        "unknown-key",
        Identity,
        allow!(r#""kms:Decrypt""# if r#"{"StringEquals":{"kms:ViaServices":"s3.us-east-1.amazonaws.com"}}"#), // [A152]
        "\"kms:ViaServices\"",
        &[allow!(r#""kms:Decrypt""# if r#"{"StringEquals":{"KMS:viaservice":"s3.us-east-1.amazonaws.com","saml:sub":"x"}}"#)],
    ),
    (
        "unknown-service",
        Identity,
        allow!(r#""kms:Decrypt""# if r#"{"StringEquals":{"kms:ViaService":"lamda.us-east-1.amazonaws.com"}}"#), // [A513]
        "\"lamda.us-east-1.amazonaws.com\"",
        &[
            allow!(r#""kms:Decrypt""# if r#"{"StringEquals":{"kms:ViaService":["lambda.us-east-1.amazonaws.com","s3.us-east-1.amazonaws.com"]}}"#),
            allow!(r#""kms:Decrypt""# if r#"{"StringLike":{"kms:ViaService":"*.us-east-1.amazonaws.com"}}"#),
        ],
    ),
    (
        "unreadable-value",
        Identity,
        allow!(r#""kms:ScheduleKeyDeletion""# if r#"{"NumericGreaterThan":{"kms:ScheduleKeyDeletionPendingWindowInDays":["ten","10"]}}"#), // [A157]
        "\"ten\"",
        &[allow!(r#""kms:Decrypt""# if r#"{"DateLessThan":{"aws:CurrentTime":["2026-01-01","2026-01-01T00:00:00Z","1767225600"]}}"#)],
    ),
    ("unreadable-value", Identity, allow!(r#""kms:Decrypt""# if r#"{"ArnLike":{"aws:PrincipalArn":"*"}}"#), "\"*\"", &[]), // [A156]
    ("unreadable-value", Identity, allow!(r#""kms:Decrypt""# if r#"{"Bool":{"aws:SecureTransport":"yes"}}"#), "\"yes\"", &[]), // [A159]
    (
        "username-variable",
        Identity,
        allow!(r#""kms:Decrypt""# if r#"{"StringEquals":{"kms:EncryptionContext:user":"${aws:username}"}}"#), // [A521]
        "\"${aws:username}\"",
        &[allow!(r#""kms:Decrypt""# if r#"{"StringEquals":{"kms:EncryptionContext:user":"${aws:username, 'x'}"}}"#)],
    ),
    (
        "value-never",
        Identity,
        allow!(r#""kms:Decrypt""# if r#"{"StringEquals":{"kms:ViaService":"s3.amazonaws.com"}}"#), // [A512]
        "\"s3.amazonaws.com\"",
        &[
            allow!(r#""kms:Decrypt""# if r#"{"StringEquals":{"kms:ViaService":"new-service.us-east-1.amazonaws.com"}}"#),
            allow!(r#""kms:Decrypt""# if r#"{"StringLike":{"kms:KeySpec":"RSA_*"},"StringEqualsIgnoreCase":{"kms:KeyUsage":"encrypt_decrypt"}}"#),
            allow!(r#""kms:Decrypt""# if r#"{"StringEquals":{"kms:RequestAlias":"alias/a"}}"#),
        ],
    ),
    ("value-never", Identity, allow!(r#""kms:CreateKey""# if r#"{"StringEquals":{"kms:KeySpec":"rsa_2048"}}"#), "\"rsa_2048\"", &[]), // [A153]
    ("value-never", Identity, allow!(r#""kms:CreateGrant""# if r#"{"ForAllValues:StringEquals":{"kms:GrantOperations":"ReEncrypt"}}"#), "\"Re", &[]), // [A551]
    (
        "value-never",
        Identity,
        allow!(r#""kms:Decrypt""# if r#"{"StringEquals":{"kms:RequestAlias":"arn:aws:kms:us-east-1:111122223333:alias/a"}}"#),
        "\"arn",
        &[],
    ), // [A545]
    (
        "value-never",
        Identity,
        allow!(r#""kms:Decrypt""# if r#"{"ArnLike":{"aws:PrincipalArn":"arn:aws:sts::111122223333:assumed-role/a/*"}}"#),
        "\"arn",
        &[],
    ), // [A519]
    (
        "variable-has-no-value",
        Identity,
        allow!(r#""kms:Decrypt""# if r#"{"StringEquals":{"kms:EncryptionContext:a":"${aws:CalledVia}"}}"#), // [A173]
        "\"${aws:CalledVia}\"",
        &[allow!(r#""kms:Decrypt""# if r#"{"StringEquals":{"kms:EncryptionContext:a":"${aws:CalledViaFirst}"}}"#)],
    ),
    (
        "variable-not-substituted",
        Identity,
        r#"{"Statement":{"Effect":"Allow","Action":"kms:Decrypt","Resource":"arn:aws:kms:*:*:key/${aws:PrincipalTag/key}"}}"#, // [A102]
        "\"arn:aws:kms",
        &[
            allow!(r#""kms:Decrypt""#, r#""arn:aws:kms:*:*:key/${aws:PrincipalTag/key}""#),
            r#"{"Statement":{"Effect":"Allow","Action":"kms:Decrypt","Resource":"arn:aws:kms:*:*:key/${*}"}}"#,
        ],
    ),
    (
        "variable-wrong-place",
        Identity,
        allow!(r#""kms:Decrypt""# if r#"{"IpAddress":{"aws:SourceIp":"${aws:PrincipalTag/ip}"}}"#), // [A170]
        "\"${aws:PrincipalTag/ip}\"",
        &[allow!(r#""kms:Decrypt""# if r#"{"Bool":{"aws:SecureTransport":"${aws:PrincipalTag/tls}"}}"#)],
    ),
];

#[test]
fn every_lint_finds_what_it_says_and_nothing_else() {
    for (id, kind, bad, underlined, good) in SAMPLES {
        let texts = found(id, *kind, bad);
        assert!(texts.iter().any(|text| text.starts_with(underlined)), "{id} underlines {texts:?} in {bad}");
        for good in *good {
            assert_eq!(found(id, *kind, good), [""; 0], "{id} in {good}");
        }
    }
}

#[test]
fn every_lint_has_a_sample() {
    let large = format!(r#"{{"Version":"2012-10-17","Id":"{}","Statement":[{ADMIN}]}}"#, "x".repeat(40_000));
    assert_eq!(found("too-large", Key, &large), ["{"]); // [A107]
    assert_eq!(found("too-large", Endpoint, &large), [""; 0]); // [A108]
    let spaces = format!("{}{}", " ".repeat(40_000), document(Identity, allow!(r#""kms:Decrypt""#, r#""*""#)));
    assert_eq!(found("too-large", Identity, &spaces), [""; 0]); // [A108] white space does not count
    for lint in LINTS.iter().filter(|lint| lint.id != "too-large") {
        assert!(SAMPLES.iter().any(|(id, ..)| *id == lint.id), "{} has no sample", lint.id);
        assert!(SAMPLES.iter().any(|(id, .., good)| *id == lint.id && !good.is_empty()), "{} has no counter-example", lint.id);
    }
}

#[test]
fn the_table_is_sorted_and_well_written() {
    assert!(LINTS.windows(2).all(|pair| pair[0].id < pair[1].id));
    for lint in LINTS {
        assert!(lint.id.bytes().all(|b| b.is_ascii_lowercase() || b == b'-'), "{}", lint.id);
        assert!(!lint.finds.is_empty() && lint.why.ends_with('.') && !lint.rules.is_empty(), "{}", lint.id);
    }
}

#[test]
fn policies_that_aws_gives_are_clean() {
    let clean = |kind, text: &str| {
        let findings = check(&Policy::parse(kind, text.to_owned()));
        let worth: Vec<String> = findings.iter().map(|finding| format!("{} {}", finding.lint.id, finding.message)).collect();
        assert_eq!(worth, [""; 0], "{text}");
    };
    clean(Key, &format!(r#"{{"Version":"2012-10-17","Id":"key-default-1","Statement":[{ADMIN}]}}"#)); // [A801]
    clean(Identity, &document(Identity, r#"{"Effect":"Allow","Action":"*","Resource":"*"}"#));
    clean(Scp, &document(Scp, r#"{"Effect":"Allow","Action":"*","Resource":"*"}"#));
    clean(Endpoint, &document(Endpoint, r#"{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}"#));
    clean(Trust, &document(Trust, r#"{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}"#));
    let managed = r#"{"AWS":"*"},"Action":["kms:Encrypt","kms:Decrypt","kms:ReEncrypt*","kms:GenerateDataKey*","kms:CreateGrant","kms:DescribeKey"],"Resource":"*","Condition":{"StringEquals":{"kms:CallerAccount":"111122223333","kms:ViaService":"s3.us-east-1.amazonaws.com"}}}"#;
    let text = document(Key, &format!(r#"{{"Effect":"Allow","Principal":{managed}"#)); // [A803]
    let ids: Vec<&str> = check(&Policy::parse(Key, text)).iter().map(|finding| finding.lint.id).collect();
    assert_eq!(ids, ["create-grant-unbounded"]);
}

#[test]
fn a_known_key_is_named_or_not() {
    let key: Arn = "arn:aws:kms:us-east-1:111122223333:key/1".parse().unwrap();
    let found = |resource: &str| {
        let statement = format!(
            r#"{{"Effect":"Allow","Principal":{{"AWS":"arn:aws:iam::111122223333:role/a"}},"Action":"kms:Decrypt","Resource":"{resource}"}}"#
        );
        let findings = check_for(&Policy::parse(Key, document(Key, &statement)), Some(&key));
        findings.iter().map(|finding| finding.lint.id).collect::<Vec<_>>()
    };
    assert_eq!(found("arn:aws:kms:us-east-1:111122223333:key/2"), ["resource-never-matches"]); // [A134]
    assert_eq!(found("arn:aws:kms:*:111122223333:key/*"), ["resource-not-star"]);
}
