//! Wildcards: `*` any run of characters, `?` exactly one.
//!
//! Matching is greedy from the left, a run between two stars at a time: the leftmost place that fits is always
//! right, so nothing is ever tried twice and hostile patterns (`*a*a*a…`) stay linear (T25).

use crate::condition::Truth;
use crate::key::{ConditionKey, Context, Values};

/// What a pattern is made of, in order.
#[derive(Clone, Debug, Eq, PartialEq)]
enum Piece {
    /// Literal text.
    Text(Box<str>),
    /// `?`
    One,
    /// `*`
    Any,
    /// `${key}` or `${key, 'default'}`
    Variable { key: ConditionKey, default: Option<Box<str>> },
}

/// A string with wildcards and policy variables, as it stands in a policy.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Glob {
    pieces: Box<[Piece]>,
    has_variables: bool,
}

impl Glob {
    /// Reads `*` and `?` as wildcards; with `variables` also `${…}` (A170–A173).
    pub fn new(text: &str, variables: bool) -> Self {
        Self::read(text, variables, true)
    }

    /// Reads variables but no wildcards, for exact comparisons.
    pub fn exact(text: &str, variables: bool) -> Self {
        Self::read(text, variables, false)
    }

    fn read(text: &str, variables: bool, wildcards: bool) -> Self {
        let mut pieces = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some(c) = rest.chars().next() {
            if variables && let Some((piece, after)) = variable(rest) {
                match piece {
                    Piece::Text(text) => literal.push_str(&text),
                    piece => {
                        flush(&mut literal, &mut pieces);
                        pieces.push(piece);
                    }
                }
                rest = after;
                continue;
            }
            match c {
                '*' if wildcards => {
                    flush(&mut literal, &mut pieces);
                    if pieces.last() != Some(&Piece::Any) {
                        pieces.push(Piece::Any);
                    }
                }
                '?' if wildcards => {
                    flush(&mut literal, &mut pieces);
                    pieces.push(Piece::One);
                }
                other => literal.push(other),
            }
            rest = rest.get(c.len_utf8()..).unwrap_or_default();
        }
        flush(&mut literal, &mut pieces);
        let has_variables = pieces.iter().any(|piece| matches!(piece, Piece::Variable { .. }));
        Self { pieces: pieces.into(), has_variables }
    }

    /// The whole pattern, if it is plain text.
    pub fn literal(&self) -> Option<&str> {
        match &*self.pieces {
            [] => Some(""),
            [Piece::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// Whether anything matches: a bare `*`.
    pub fn is_any(&self) -> bool {
        *self.pieces == [Piece::Any]
    }

    /// Whether the pattern holds a variable.
    pub fn has_variables(&self) -> bool {
        self.has_variables
    }

    /// Whether `text` fits; a pattern with a variable that has no value fits nothing ((A140), (A171)).
    pub fn matches(&self, text: &str, context: &dyn Context) -> bool {
        if !self.has_variables {
            return fits(&self.pieces, text);
        }
        self.resolve(context).is_some_and(|pieces| fits(&pieces, text))
    }

    /// Whether `text` fits when letter case does not count. Variables are substituted first.
    pub fn matches_ignoring_case(&self, text: &str, context: &dyn Context) -> bool {
        let Some(pieces) = self.resolve(context) else {
            return false;
        };
        let lowered: Vec<Piece> = pieces
            .into_iter()
            .map(|piece| match piece {
                Piece::Text(text) => Piece::Text(text.to_lowercase().into()),
                other => other,
            })
            .collect();
        fits(&lowered, &text.to_lowercase())
    }

    /// Whether `text` fits a pattern that holds no variables; one that does hold them fits nothing.
    pub fn matches_plain(&self, text: &str) -> bool {
        !self.has_variables && fits(&self.pieces, text)
    }

    /// Puts values in place of variables, literally: a `*` inside a value is a star, not a wildcard (A172).
    fn resolve(&self, context: &dyn Context) -> Option<Vec<Piece>> {
        let mut resolved = Vec::with_capacity(self.pieces.len());
        for piece in &self.pieces {
            match piece {
                Piece::Variable { key, default } => match (context.values(key), default) {
                    (Values::One(value), _) => resolved.push(Piece::Text(value.into())),
                    // A multivalued key has no value as a variable [A173]; neither has one whose names clash.
                    (Values::Absent | Values::Many(_) | Values::Clash(_), Some(default)) => resolved.push(Piece::Text(default.clone())),
                    (Values::Absent | Values::Many(_) | Values::Clash(_), None) | (Values::Unknown, _) => return None,
                },
                other => resolved.push(other.clone()),
            }
        }
        Some(resolved)
    }

    /// The keys of the variables in the pattern.
    pub fn variables(&self) -> impl Iterator<Item = &ConditionKey> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Variable { key, .. } => Some(key),
            Piece::Text(_) | Piece::One | Piece::Any => None,
        })
    }

    /// What keeps its variables from being substituted: values that are not known ([`Truth::Open`]), or two names in the request that feed
    /// one of them ([`Truth::Unsure`], A168).
    pub fn doubt(&self, context: &dyn Context) -> Option<Truth> {
        if !self.has_variables {
            return None;
        }
        let doubt = |key| match context.values(key) {
            Values::Unknown => Some(Truth::Open),
            Values::Clash(_) => Some(Truth::Unsure),
            Values::Absent | Values::One(_) | Values::Many(_) => None,
        };
        self.variables().filter_map(doubt).max()
    }

    /// Whether every variable in the pattern has a value or a default.
    pub fn resolvable(&self, context: &dyn Context) -> bool {
        !self.has_variables || self.resolve(context).is_some()
    }
}

fn flush(literal: &mut String, pieces: &mut Vec<Piece>) {
    if !literal.is_empty() {
        pieces.push(Piece::Text(std::mem::take(literal).into()));
    }
}

/// Reads a variable at the start of `text`: its piece and what follows. `${*}`, `${?}`, `${$}` are literal (A172);
/// `${` without `}` is text like any other (A173).
fn variable(text: &str) -> Option<(Piece, &str)> {
    let inside = text.strip_prefix("${")?;
    // A default in quotes may hold a brace.
    let quoted =
        inside.split_once('}').is_some_and(|(head, _)| head.split_once(',').is_some_and(|(_, default)| default.trim_start().starts_with('\'')));
    let (inside, after) = match inside.split_once("'}") {
        Some((head, after)) if quoted => (inside.get(..head.len() + 1)?, after),
        _ => inside.split_once('}')?,
    };
    if matches!(inside, "*" | "?" | "$") {
        return Some((Piece::Text(inside.into()), after));
    }
    let (name, default) = match inside.split_once(',') {
        Some((name, default)) => {
            let default = default.trim().strip_prefix('\'')?.strip_suffix('\'')?;
            (name, Some(default.into()))
        }
        None => (inside, None),
    };
    Some((Piece::Variable { key: ConditionKey::new(name.trim()), default }, after))
}

/// Greedy matching over runs between stars. `pieces` holds no variables.
fn fits(pieces: &[Piece], text: &str) -> bool {
    match pieces {
        // What most patterns are.
        [] => return text.is_empty(),
        [Piece::Text(literal)] => return **literal == *text,
        [Piece::Any] => return true,
        [Piece::Text(start), Piece::Any] => return text.starts_with(&**start),
        _ => {}
    }
    let mut runs = pieces.split(|piece| *piece == Piece::Any);
    let Some(mut rest) = runs.next().and_then(|first| strip_run(first, text)) else {
        return false;
    };
    let Some(mut run) = runs.next() else {
        return rest.is_empty();
    };
    for next in runs {
        match find_run(run, rest) {
            Some(after) => rest = after,
            None => return false,
        }
        run = next;
    }
    ends_with_run(run, rest)
}

/// `text` without the run at its start.
fn strip_run<'t>(run: &[Piece], text: &'t str) -> Option<&'t str> {
    let mut rest = text;
    for piece in run {
        rest = match piece {
            Piece::Text(literal) => rest.strip_prefix(&**literal)?,
            Piece::One => {
                let c = rest.chars().next()?;
                rest.get(c.len_utf8()..)?
            }
            Piece::Any | Piece::Variable { .. } => return None,
        };
    }
    Some(rest)
}

/// What follows the leftmost place where the run fits.
fn find_run<'t>(run: &[Piece], text: &'t str) -> Option<&'t str> {
    if let [Piece::Text(literal)] = run {
        return text.split_once(&**literal).map(|(_, after)| after);
    }
    std::iter::successors(Some(text), |at| at.chars().next().and_then(|c| at.get(c.len_utf8()..))).find_map(|at| strip_run(run, at))
}

fn ends_with_run(run: &[Piece], text: &str) -> bool {
    let mut rest = text;
    for piece in run.iter().rev() {
        let shorter = match piece {
            Piece::Text(literal) => rest.strip_suffix(&**literal),
            Piece::One => rest.chars().next_back().and_then(|c| rest.get(..rest.len() - c.len_utf8())),
            Piece::Any | Piece::Variable { .. } => None,
        };
        let Some(shorter) = shorter else { return false };
        rest = shorter;
    }
    true
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::key::MapContext;

    fn check(pattern: &str, text: &str, expected: bool) {
        assert_eq!(Glob::new(pattern, true).matches(text, &MapContext::new()), expected, "{pattern} on {text}");
    }

    #[test]
    fn stars_and_question_marks() {
        for (pattern, text) in [("*", ""), ("a*", "a"), ("*a*b*", "xaxbx"), ("a?c", "aéc"), ("a**b", "ab"), ("?*", "x"), ("*é?", "aéb"), ("", "")]
        {
            check(pattern, text, true);
        }
        for (pattern, text) in [("a", "ab"), ("?", ""), ("a*b", "abc"), ("*ab*ab", "ab"), ("a?c", "ac"), ("A", "a")] {
            check(pattern, text, false);
        }
    }

    #[test]
    fn a_substituted_value_is_literal() {
        let context = MapContext::new().with("aws:PrincipalTag/team", "*").with_many("aws:TagKeys", ["x"]);
        let check = |pattern: &str, text: &str, expected: bool| {
            assert_eq!(Glob::new(pattern, true).matches(text, &context), expected, "{pattern} on {text}");
        };
        check("a/${aws:PrincipalTag/team}", "a/*", true); // [A172]
        check("a/${aws:PrincipalTag/team}", "a/b", false);
        check("a/${AWS:principaltag/Team}/*", "a/*/z", true); // [A170]
        check("${aws:username}", "", false); // [A171]
        check("${aws:username, 'x'}", "x", true);
        check("${aws:username, 'a}b'}/c", "a}b/c", true); // [A171]
        check("${aws:username, ''}", "", true);
        check("${aws:username, 'x", "${aws:username, 'x", true); // [A173]
        check("${*}", "*", true);
        check("${*}", "a", false);
        check("${aws:TagKeys}", "x", false); // [A173]
        check("${", "${", true);
        check("a${b", "a${b", true);
    }

    #[test]
    fn without_variables_they_are_text() {
        assert!(Glob::new("${aws:username}", false).matches("${aws:username}", &MapContext::new()));
    }

    proptest! {
        #[test]
        fn agrees_with_a_regex(pattern in "[ab?*é]{0,12}", text in "[abé]{0,12}") {
            let expression = format!("(?s)^{}$", regex::escape(&pattern).replace("\\*", ".*").replace("\\?", "."));
            let expected = regex::Regex::new(&expression).unwrap().is_match(&text);
            prop_assert_eq!(Glob::new(&pattern, true).matches(&text, &MapContext::new()), expected);
        }
    }
}
