//! What an explanation holds, as JSON, and how it reads in a terminal.

use std::fmt::{self, Write as _};

use serde::{Deserialize, Serialize};

use super::words::list;

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
    /// What it comes to, in a sentence or two.
    pub summary: String,
    /// The smallest change that would allow it, tried; none when no single statement does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fix: Option<Fix>,
    /// What the caller reads.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
}

/// What one layer says.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct LayerReport {
    /// `key policy`, `identity`, `grants`, …
    pub layer: String,
    /// `allows`, `delegates`, `silent`, `denies`, `passes`.
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

/// A statement that matched.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct StatementReport {
    /// `statement 3 "CrossAccountReaders"`, with the policy's name where there are several.
    pub name: String,
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
    pub name: String,
    /// What it lacks.
    pub lacks: String,
    /// The conditions that failed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<ConditionReport>,
}

/// A change that was tried and turns the answer.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Fix {
    /// The account that must act.
    pub account: String,
    /// `the key policy`, `an identity policy of role/app`, …
    pub place: String,
    /// The statement to add, as JSON.
    pub statement: String,
}

/// As it reads in a terminal, without colour, in the form of a table and two sentences.
impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let resource = self.resource.rsplit(':').next().unwrap_or_default();
        let owner = self.owner_account.as_deref().map(|account| format!(", {account}")).unwrap_or_default();
        let known_as = match (self.aliases.as_slice(), owner.as_str()) {
            ([], "") => String::new(),
            ([], owner) => format!(" ({})", owner.trim_start_matches(", ")),
            (aliases, owner) => format!(" ({}{owner})", aliases.join(", ")),
        };
        let caller = self.caller.rsplit(':').next().unwrap_or_default();
        let account = self.caller_account.as_deref().map(|account| format!(" ({account})")).unwrap_or_default();
        writeln!(f, "{}  {}  {resource}{known_as}  for {caller}{account}\n", self.decision, self.action)?;
        for layer in &self.layers {
            layer.fmt(f)?;
        }
        writeln!(f, "\n  {}", self.summary)?;
        if let Some(fix) = &self.fix {
            writeln!(f, "  Smallest fix, in {} ({}):\n    {}", fix.account, fix.place, fix.statement)?;
        }
        Ok(())
    }
}

/// Where the verdicts and the details begin.
const NAME_WIDTH: usize = 15;
const VERDICT_WIDTH: usize = 10;

impl LayerReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lines = Vec::new();
        if !self.detail.is_empty() {
            lines.push(self.detail.clone());
        }
        for statement in &self.statements {
            lines.push(statement.name.clone());
            lines.extend(statement.conditions.iter().map(|condition| format!("  {condition}")));
        }
        if let Some(miss) = &self.nearest {
            lines.push(format!("nearest: {}: {}", miss.name, miss.lacks));
            lines.extend(miss.conditions.iter().map(|condition| format!("  {condition}")));
        }
        let mut head = format!("  {:NAME_WIDTH$}{:VERDICT_WIDTH$}", self.layer, self.verdict);
        if lines.is_empty() {
            return writeln!(f, "{}", head.trim_end());
        }
        for line in lines {
            writeln!(f, "{head}{line}")?;
            head.clear();
            write!(head, "{:1$}", "", 2 + NAME_WIDTH + VERDICT_WIDTH)?;
        }
        Ok(())
    }
}

impl ConditionReport {
    /// As what is wanted, without what was found.
    pub(crate) fn wish(&self) -> String {
        format!("{} {} {}", self.key, self.operator, list(self.wanted.iter()))
    }
}

impl fmt::Display for ConditionReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = match self.holds {
            Some(true) => "✓",
            Some(false) => "✗",
            None => "?",
        };
        let wanted = self.wanted.join(" | ");
        match &self.found {
            Some(found) if self.holds == Some(true) => write!(f, "{} = {}  {mark}", self.key, found.join(", ")),
            Some(found) => {
                write!(f, "{} = {}, wanted {} {wanted}{}  {mark}", self.key, found.join(", "), self.operator, case_hint(found, &self.wanted))
            }
            None => write!(f, "{} is absent, wanted {} {wanted}  {mark}", self.key, self.operator),
        }
    }
}

fn case_hint(found: &[String], wanted: &[String]) -> &'static str {
    let differ_by_case = found.iter().any(|found| wanted.iter().any(|wanted| found != wanted && found.eq_ignore_ascii_case(wanted)));
    if differ_by_case { " (values are case-sensitive)" } else { "" }
}
