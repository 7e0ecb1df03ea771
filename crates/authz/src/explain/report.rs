//! What an explanation holds, as JSON. Explanations are stored with refused calls: whatever was once written must still be read.

use serde::{Deserialize, Serialize};

/// A decision, told.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Explanation {
    /// `ALLOW` or `DENY`.
    pub decision: String,
    /// `kms:Decrypt`
    pub action: String,
    /// The ARN that was asked for, or `*`.
    pub resource: String,
    /// Alias names of the key.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<String>,
    /// The caller's ARN.
    pub caller: String,
    /// The caller's account; none for a service.
    pub caller_account: Option<String>,
    /// The owner's account; none where nothing is owned.
    pub owner_account: Option<String>,
    /// The layer that decided.
    pub decided_by: String,
    /// Rule numbers of the specification.
    pub rules: Vec<String>,
    /// Each layer in the order a person asks.
    pub layers: Vec<LayerReport>,
    /// The situation by name, such as `via-service-absent`; none in explanations of older releases.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub situation: Option<String>,
    /// What it comes to, in a sentence or two.
    pub summary: String,
    /// The smallest change that would allow it, tried; none when nothing of the kinds that are tried does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fix: Option<Fix>,
    /// Other changes that would allow it, tried likewise, smaller ones first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub alternatives: Vec<Fix>,
    /// What the caller reads.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
}

/// What one layer says.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct LayerReport {
    /// `key policy`, `identity`, `grants`, `SCP level 1`, …
    pub layer: String,
    /// `allows`, `delegates`, `silent`, `denies`, `passes`, `does not bind`, `unknown`.
    pub verdict: String,
    /// What is worth knowing about it, in a clause.
    pub detail: String,
    /// The statements that matched.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub statements: Vec<StatementReport>,
    /// The statement or grant that came nearest, and what it lacks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nearest: Option<Miss>,
}

/// A statement or a grant, and where it is found.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Source {
    /// `statement 3 "CrossAccountReaders"`, with the policy's name where there are several; `grant 1234abcd…`.
    pub name: String,
    /// The policy's name where there are several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    /// The ARN of a managed or organization policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy_arn: Option<String>,
    /// Which statement of its policy, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<usize>,
    /// Its `Sid`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sid: Option<String>,
    /// Where it stands in the policy's text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
    /// The id of a grant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grant_id: Option<String>,
}

/// A place in a policy's text.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Place {
    /// The line of its first character, from 1.
    pub line: usize,
    /// The column of its first character, from 1.
    pub column: usize,
    /// Its first byte, and one past its last, from 0.
    pub bytes: [u32; 2],
}

/// A statement or grant that matched.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct StatementReport {
    /// Which.
    #[serde(flatten)]
    pub source: Source,
    /// Its conditions and what the request held.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<ConditionReport>,
}

/// A condition and what the request held under its key.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct ConditionReport {
    /// The condition key.
    pub key: String,
    /// The operator.
    pub operator: String,
    /// The policy's values.
    pub wanted: Vec<String>,
    /// The request's values; none: the key is absent.
    pub found: Option<Vec<String>>,
    /// `true`, `false`, or none when two names of the request clash.
    pub holds: Option<bool>,
}

/// What came nearest.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Miss {
    /// The statement or grant.
    #[serde(flatten)]
    pub source: Source,
    /// What it lacks.
    pub lacks: String,
    /// The conditions that failed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<ConditionReport>,
}

/// A change that was tried and turns the answer: all its parts together, and none can be left out.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(from = "StoredFix")]
pub struct Fix {
    /// What must change, where, and who must do it.
    pub parts: Vec<FixPart>,
}

/// One change in one place.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct FixPart {
    /// The account that must act; for organization policies `the management account of o-…` where its number is not known.
    pub account: String,
    /// `the key policy`, `an identity policy of role/app`, `the request`, …
    pub place: String,
    /// What changes.
    #[serde(flatten)]
    pub change: FixChange,
}

/// What changes. In JSON a member of that name.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum FixChange {
    /// A statement is added: this JSON.
    Statement(String),
    /// The call is made differently, in words.
    Request(String),
    /// A Deny is narrowed by a condition that exempts this caller.
    Narrow {
        /// The statement: `statement 2 "OnlyBreakGlass"`.
        statement: String,
        /// What its `Condition` needs besides, as JSON.
        condition: String,
    },
    /// A grant is made: the parameters of CreateGrant, as JSON.
    Grant(String),
}

/// As it is written now, or as a release without parts wrote it.
#[derive(Deserialize)]
#[serde(untagged)]
enum StoredFix {
    Parts { parts: Vec<FixPart> },
    Statement { account: String, place: String, statement: String },
}

impl From<StoredFix> for Fix {
    fn from(stored: StoredFix) -> Self {
        let parts = match stored {
            StoredFix::Parts { parts } => parts,
            StoredFix::Statement { account, place, statement } => vec![FixPart { account, place, change: FixChange::Statement(statement) }],
        };
        Self { parts }
    }
}
