//! How an explanation reads in a terminal, without colour: a table of layers, a sentence or two, and the fix.

use std::fmt::{self, Write as _};

use super::report::{ConditionReport, Explanation, Fix, FixChange, FixPart, LayerReport, Source};
use super::words::list;

/// Alternatives beyond these are in JSON only.
const ALTERNATIVES_SHOWN_MAX: usize = 1;

/// Where the verdicts and the details begin.
const NAME_WIDTH: usize = 15;
const VERDICT_WIDTH: usize = 10;

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
            fix.fmt(f, "Smallest fix")?;
        }
        self.alternatives.iter().take(ALTERNATIVES_SHOWN_MAX).try_for_each(|fix| fix.fmt(f, "Or"))
    }
}

impl LayerReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lines = Vec::new();
        if !self.detail.is_empty() {
            lines.push(self.detail.clone());
        }
        for statement in &self.statements {
            lines.push(statement.source.to_string());
            lines.extend(statement.conditions.iter().map(|condition| format!("  {condition}")));
        }
        if let Some(miss) = &self.nearest {
            lines.push(format!("nearest: {}: {}", miss.source, miss.lacks));
            lines.extend(miss.conditions.iter().map(|condition| format!("  {condition}")));
        }
        let mut head = format!("  {:NAME_WIDTH$}{:VERDICT_WIDTH$}", self.layer, self.verdict);
        // A longer verdict keeps its distance.
        if self.verdict.len() >= VERDICT_WIDTH {
            head.push(' ');
        }
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

/// `statement 3 "CrossAccountReaders" at 12:5`
impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        self.place.map_or(Ok(()), |place| write!(f, " at {}:{}", place.line, place.column))
    }
}

impl Fix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>, title: &str) -> fmt::Result {
        match self.parts.as_slice() {
            [FixPart { place, change: FixChange::Request(what), .. }] => writeln!(f, "  {title}, in {place}:\n    {what}"),
            [only] => writeln!(f, "  {title}, in {} ({}):\n    {}", only.account, only.place, only.change),
            parts => {
                writeln!(f, "  {title}, in {} places:", parts.len())?;
                parts.iter().try_for_each(|part| writeln!(f, "    in {} ({}):\n      {}", part.account, part.place, part.change))
            }
        }
    }
}

impl fmt::Display for FixChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Statement(text) | Self::Request(text) => f.write_str(text),
            Self::Narrow { statement, condition } => write!(f, "exempt this caller from {statement}: to its Condition add {condition}"),
            Self::Grant(parameters) => write!(f, "CreateGrant {parameters}"),
        }
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
    if super::words::differ_by_case(found, wanted) { " (values are case-sensitive)" } else { "" }
}
