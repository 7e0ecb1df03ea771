//! AWS-managed policies that matter to KMS, in the parts that do.

use std::sync::LazyLock;

use keyward_policy::{Partition, Policy, PolicyKind};

/// A policy of AWS's own.
pub struct AwsManagedPolicy {
    name: &'static str,
    path: &'static str,
    document: Policy,
}

impl AwsManagedPolicy {
    /// `AdministratorAccess`
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// `/`, `/job-function/`, …
    pub fn path(&self) -> &'static str {
        self.path
    }

    /// `arn:aws:iam::aws:policy/…`: each partition has its own.
    pub fn arn(&self, partition: Partition) -> String {
        format!("arn:{partition}:iam::aws:policy{}{}", self.path, self.name)
    }

    /// `ANPA…`: made of the name, so that it is the same everywhere. AWS's own differ.
    pub fn id(&self) -> String {
        let letters = self.name.bytes().map(|byte| char::from(byte.to_ascii_uppercase()));
        "ANPA".chars().chain(letters.chain(std::iter::repeat('A')).take(17)).collect()
    }

    /// What it says.
    pub fn document(&self) -> &Policy {
        &self.document
    }
}

/// All of them.
pub(crate) fn policies() -> &'static [AwsManagedPolicy] {
    &POLICIES
}

/// Looks one up by ARN; with the partition that the ARN is of.
pub(crate) fn policy(arn: &str) -> Option<(&'static AwsManagedPolicy, Partition)> {
    let (partition, name) = arn.strip_prefix("arn:")?.split_once(":iam::aws:policy")?;
    let policy = POLICIES.iter().find(|policy| name.strip_prefix(policy.path) == Some(policy.name))?;
    Some((policy, partition.parse().ok()?))
}

static POLICIES: LazyLock<Vec<AwsManagedPolicy>> = LazyLock::new(|| {
    let made = |name, path, statements: &str| AwsManagedPolicy {
        name,
        path,
        document: Policy::parse(PolicyKind::Identity, format!(r#"{{"Version":"2012-10-17","Statement":[{statements}]}}"#)),
    };
    vec![
        made("AdministratorAccess", "/", r#"{"Effect":"Allow","Action":"*","Resource":"*"}"#),
        made(
            "PowerUserAccess",
            "/",
            r#"{"Effect":"Allow","NotAction":["iam:*","organizations:*","account:*"],"Resource":"*"},
               {"Effect":"Allow","Action":["iam:CreateServiceLinkedRole","iam:DeleteServiceLinkedRole","iam:ListRoles","organizations:DescribeOrganization","account:ListRegions","account:GetAccountInformation"],"Resource":"*"}"#,
        ),
        // The KMS part, and the IAM and STS parts that this service serves.
        made(
            "ReadOnlyAccess",
            "/",
            r#"{"Effect":"Allow","Action":["kms:Describe*","kms:Get*","kms:List*","iam:Get*","iam:List*","iam:GenerateCredentialReport","iam:SimulateCustomPolicy","iam:SimulatePrincipalPolicy","sts:GetAccessKeyInfo","sts:GetCallerIdentity","sts:GetSessionToken"],"Resource":"*"}"#,
        ),
        made(
            "AWSKeyManagementServicePowerUser",
            "/",
            r#"{"Effect":"Allow","Action":["kms:CreateAlias","kms:CreateKey","kms:DeleteAlias","kms:Describe*","kms:GenerateRandom","kms:Get*","kms:List*","kms:TagResource","kms:UntagResource","iam:ListGroups","iam:ListRoles","iam:ListUsers"],"Resource":"*"}"#,
        ),
        made(
            "SecurityAudit",
            "/",
            r#"{"Effect":"Allow","Action":["kms:Describe*","kms:GetKeyPolicy","kms:GetKeyRotationStatus","kms:ListAliases","kms:ListGrants","kms:ListKeyPolicies","kms:ListKeys","kms:ListResourceTags","iam:GenerateCredentialReport","iam:GenerateServiceLastAccessedDetails","iam:Get*","iam:List*","iam:SimulateCustomPolicy","iam:SimulatePrincipalPolicy"],"Resource":"*"}"#,
        ),
    ]
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_document_reads_without_fault() {
        for policy in POLICIES.iter() {
            assert!(policy.document().issues().is_empty(), "{}: {:?}", policy.name(), policy.document().issues());
            let found = super::policy(&policy.arn(Partition::AwsCn));
            assert!(found.is_some_and(|(found, partition)| found.name() == policy.name() && partition == Partition::AwsCn));
        }
    }
}
