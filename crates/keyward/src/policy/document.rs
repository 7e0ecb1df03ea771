//! A policy in a file: bare, or inside what the AWS CLI answers; and which type of policy it is.

use std::io::Read;
use std::path::Path;

use anyhow::{Context, bail};
use clap::ValueEnum;
use keyward_policy::PolicyKind;
use serde_json::Value;
use serde_json::value::RawValue;

/// The types of policies, as options name them.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum PolicyType {
    /// The policy of a KMS key
    Key,
    /// Of a user, group or role; also a boundary or session policy
    Identity,
    /// A service control policy
    Scp,
    /// A resource control policy
    Rcp,
    /// Who may assume a role
    Trust,
    /// Of a VPC endpoint
    Endpoint,
}

impl PolicyType {
    pub(crate) fn kind(self) -> PolicyKind {
        match self {
            Self::Key => PolicyKind::Key,
            Self::Identity => PolicyKind::Identity,
            Self::Scp => PolicyKind::Scp,
            Self::Rcp => PolicyKind::Rcp,
            Self::Trust => PolicyKind::Trust,
            Self::Endpoint => PolicyKind::Endpoint,
        }
    }

    /// As the option writes it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::Identity => "identity",
            Self::Scp => "scp",
            Self::Rcp => "rcp",
            Self::Trust => "trust",
            Self::Endpoint => "endpoint",
        }
    }
}

/// A document as it was read.
pub(crate) struct Document {
    /// The file's name; `<stdin>` for `-`.
    pub(crate) name: String,
    /// The text of the policy itself.
    pub(crate) text: String,
    /// Whether the text stood inside an answer of the AWS CLI.
    pub(crate) wrapped: bool,
    /// What its surroundings or content say it is.
    pub(crate) policy_type: PolicyType,
}

impl Document {
    /// Reads a file, or standard input for `-`.
    ///
    /// # Errors
    /// When it cannot be read, or is not UTF-8.
    pub(crate) fn read(path: &Path) -> anyhow::Result<Self> {
        let name = if is_stdin(path) { "<stdin>".to_owned() } else { path.display().to_string() };
        let bytes = if is_stdin(path) {
            let mut bytes = Vec::new();
            std::io::stdin().read_to_end(&mut bytes).context("cannot read standard input")?;
            bytes
        } else {
            std::fs::read(path).with_context(|| format!("cannot read {name}"))?
        };
        let Ok(text) = String::from_utf8(bytes) else { bail!("{name} is not UTF-8") };
        Ok(Self::new(name, text))
    }

    pub(crate) fn new(name: String, text: String) -> Self {
        match unwrap(&text) {
            Some((inner, policy_type)) => {
                let policy_type = policy_type.unwrap_or_else(|| detect(&inner));
                Self { name, text: inner, wrapped: true, policy_type }
            }
            None => Self { policy_type: detect(&text), name, text, wrapped: false },
        }
    }
}

pub(crate) fn is_stdin(path: &Path) -> bool {
    path == Path::new("-")
}

/// The members under which answers of the AWS CLI hold a policy, from the outside in, and what policy that is.
const ANSWERS: [(&[&str], Option<PolicyType>); 8] = [
    (&["PolicyVersion", "Document"], Some(PolicyType::Identity)),     // iam get-policy-version
    (&["Role", "AssumeRolePolicyDocument"], Some(PolicyType::Trust)), // iam get-role
    (&["AssumeRolePolicyDocument"], Some(PolicyType::Trust)),
    (&["Policy", "Content"], None),                                   // organizations describe-policy
    (&["VpcEndpoint", "PolicyDocument"], Some(PolicyType::Endpoint)), // ec2 create-vpc-endpoint
    (&["PolicyDocument"], None),                                      // iam get-role-policy, get-user-policy, get-group-policy
    (&["Policy"], None),                                              // kms get-key-policy
    (&["Document"], None),
];

fn unwrap(text: &str) -> Option<(String, Option<PolicyType>)> {
    let outer: Value = serde_json::from_str(text).ok().filter(|outer: &Value| outer.get("Statement").is_none())?;
    let (path, policy_type) = ANSWERS.iter().find(|(path, _)| path.iter().try_fold(&outer, |value, name| value.get(name)).is_some_and(is_policy))?;
    let organization = outer.pointer("/Policy/PolicySummary/Type").and_then(Value::as_str);
    let by_holder = ["RoleName", "UserName", "GroupName"].iter().any(|holder| outer.get(holder).is_some());
    let policy_type = match organization {
        Some("SERVICE_CONTROL_POLICY") => Some(PolicyType::Scp),
        Some("RESOURCE_CONTROL_POLICY") => Some(PolicyType::Rcp),
        _ if by_holder => Some(PolicyType::Identity),
        _ if outer.get("PolicyName").is_some() => Some(PolicyType::Key),
        _ => *policy_type,
    };
    Some((inner(text, path)?, policy_type))
}

fn is_policy(value: &Value) -> bool {
    match value {
        Value::Object(members) => members.contains_key("Statement"),
        Value::String(text) => text.trim_start().starts_with('{'),
        _ => false,
    }
}

/// The text at the path: of a string what it says, of an object its very text.
fn inner(text: &str, path: &[&str]) -> Option<String> {
    let Some((first, rest)) = path.split_first() else {
        return Some(serde_json::from_str::<String>(text).unwrap_or_else(|_| text.to_owned()));
    };
    let members: std::collections::BTreeMap<String, Box<RawValue>> = serde_json::from_str(text).ok()?;
    inner(members.get(*first)?.get(), rest)
}

/// Told by content: who has no principal is an identity policy (SCPs look the same), a trust policy speaks of STS.
fn detect(text: &str) -> PolicyType {
    let document: Value = serde_json::from_str(text).unwrap_or_default();
    let statements = match document.get("Statement") {
        Some(Value::Array(statements)) => statements.as_slice(),
        Some(statement) => std::slice::from_ref(statement),
        None => &[],
    };
    let has = |name: &str| statements.iter().any(|statement| statement.get(name).is_some());
    let actions = || statements.iter().flat_map(|statement| ["Action", "NotAction"].iter().filter_map(|name| statement.get(name))).flat_map(texts);
    let service = |action: &str| action.split(':').next().unwrap_or_default().to_ascii_lowercase();
    if !has("Principal") && !has("NotPrincipal") {
        // Nothing tells a key policy without principals; what it lacks is said once it is called one.
        return PolicyType::Identity;
    }
    if actions().next().is_some() && actions().all(|action| service(action) == "sts") && !has("Resource") {
        return PolicyType::Trust;
    }
    let all = |name: &str, value: &str| statements.iter().all(|statement| statement.get(name).and_then(Value::as_str) == Some(value));
    if !statements.is_empty() && all("Effect", "Deny") && all("Principal", "*") {
        return PolicyType::Rcp;
    }
    // A key policy is about KMS; other services' actions beside a principal stand in endpoint policies.
    if actions().any(|action| service(action) != "kms") && !actions().any(|action| service(action) == "kms") {
        return PolicyType::Endpoint;
    }
    PolicyType::Key
}

fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::Array(items) => items.iter().filter_map(Value::as_str).collect(),
        other => other.as_str().into_iter().collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: PolicyType, wrapped: bool) {
        let document = Document::new("f".to_owned(), text.to_owned());
        assert_eq!((document.policy_type, document.wrapped), (expected, wrapped), "{text}");
        assert!(document.text.contains("Statement"), "{}", document.text);
    }

    #[test]
    fn types_are_told_by_content() {
        check(r#"{"Statement":{"Effect":"Allow","Action":"kms:*","Resource":"*"}}"#, PolicyType::Identity, false);
        check(r#"{"Statement":{"Effect":"Allow","Principal":"*","Action":"kms:*","Resource":"*"}}"#, PolicyType::Key, false);
        check(r#"{"Statement":{"Effect":"Deny","Principal":"*","Action":"kms:*","Resource":"*"}}"#, PolicyType::Rcp, false);
        check(r#"{"Statement":{"Effect":"Allow","Principal":{"AWS":"1"},"Action":["sts:AssumeRole","sts:TagSession"]}}"#, PolicyType::Trust, false);
        check(r#"{"Statement":{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}}"#, PolicyType::Endpoint, false);
    }

    #[test]
    fn answers_of_the_cli_are_opened() {
        check(r#"{"Policy":"{\"Statement\":[]}","PolicyName":"default"}"#, PolicyType::Key, true);
        check(r#"{"PolicyVersion":{"VersionId":"v1","Document":{"Statement":[]}}}"#, PolicyType::Identity, true);
        check(r#"{"RoleName":"r","PolicyName":"p","PolicyDocument":{"Statement":[]}}"#, PolicyType::Identity, true);
        check(r#"{"Role":{"AssumeRolePolicyDocument":{"Statement":[]}}}"#, PolicyType::Trust, true);
        check(r#"{"Policy":{"PolicySummary":{"Type":"SERVICE_CONTROL_POLICY"},"Content":"{\"Statement\":[]}"}}"#, PolicyType::Scp, true);
    }

    #[test]
    fn the_inner_text_is_that_of_the_file() {
        let document = Document::new("f".to_owned(), r#"{"PolicyVersion":{"Document":{ "Statement" : [ ] }}}"#.to_owned());
        assert_eq!(document.text, r#"{ "Statement" : [ ] }"#);
    }
}
