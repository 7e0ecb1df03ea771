//! Condition blocks: operators, their values, and when they hold (§1.4).

use std::borrow::Cow;
use std::net::IpAddr;

use data_encoding::BASE64;
use ipnet::IpNet;
use jiff::Timestamp;

use crate::glob::Glob;
use crate::json::Span;
use crate::key::{ConditionKey, Context, Values};

/// Whether a test holds for a request.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Truth {
    /// It does not hold.
    No,
    /// It cannot be told (A168): an Allow must take it as No, a Deny as Yes.
    Unsure,
    /// It hangs on values that are [unknown](Values::Unknown).
    Open,
    /// It holds.
    Yes,
}

impl Truth {
    pub(crate) fn from_bool(holds: bool) -> Self {
        if holds { Self::Yes } else { Self::No }
    }
}

/// How a condition compares (§1.4, A153–A159).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Comparison {
    StringEquals,
    StringEqualsIgnoreCase,
    StringLike,
    Arn,
    Numeric(Order),
    Date(Order),
    Bool,
    Binary,
    IpAddress,
    Null,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Order {
    Equals,
    LessThan,
    LessThanEquals,
    GreaterThan,
    GreaterThanEquals,
}

impl Order {
    fn holds<T: PartialOrd>(self, request: T, policy: T) -> bool {
        match self {
            Self::Equals => request == policy,
            Self::LessThan => request < policy,
            Self::LessThanEquals => request <= policy,
            Self::GreaterThan => request > policy,
            Self::GreaterThanEquals => request >= policy,
        }
    }
}

/// How an operator treats several request values (A165).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SetOperator {
    /// `ForAllValues:`
    All,
    /// `ForAnyValue:`
    Any,
}

/// A condition operator with its affixes: `ForAnyValue:StringNotLikeIfExists`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Operator {
    comparison: Comparison,
    negated: bool,
    if_exists: bool,
    set: Option<SetOperator>,
}

impl Operator {
    /// Reads an operator, in the documented spelling only (A151).
    pub fn parse(written: &str) -> Option<Self> {
        let (set, rest) = match written.split_once(':') {
            Some(("ForAllValues", rest)) => (Some(SetOperator::All), rest),
            Some(("ForAnyValue", rest)) => (Some(SetOperator::Any), rest),
            Some(_) => return None,
            None => (None, written),
        };
        let (rest, if_exists) = match rest.strip_suffix("IfExists") {
            Some(rest) => (rest, true),
            None => (rest, false),
        };
        let (comparison, negated) = comparison(rest)?;
        // [A161] Null takes no IfExists; a set of presences means nothing.
        if comparison == Comparison::Null && (if_exists || set.is_some()) {
            return None;
        }
        Some(Self { comparison, negated, if_exists, set })
    }

    /// The set prefix, if it has one.
    pub fn set(self) -> Option<SetOperator> {
        self.set
    }

    /// Whether it is one of the `Not` operators.
    pub fn negated(self) -> bool {
        self.negated
    }

    /// Whether it ends in `IfExists`.
    pub fn if_exists(self) -> bool {
        self.if_exists
    }

    /// Whether it is `Null`.
    pub fn is_null(self) -> bool {
        self.comparison == Comparison::Null
    }

    pub(crate) fn comparison(self) -> Comparison {
        self.comparison
    }

    /// Whether a test with it holds when the request does not carry the key (A160) (A161) (A165); `Null` decides by its values.
    pub(crate) fn holds_when_absent(self) -> bool {
        match self.set {
            Some(SetOperator::All) => true,
            Some(SetOperator::Any) => self.if_exists, // [A166]
            None => self.if_exists || self.negated,
        }
    }

    /// (A170) Variables stand in values of String and Arn operators (AWS also says Bool).
    pub(crate) fn takes_variables(self) -> bool {
        matches!(
            self.comparison,
            Comparison::StringEquals | Comparison::StringEqualsIgnoreCase | Comparison::StringLike | Comparison::Arn | Comparison::Bool
        )
    }
}

fn comparison(name: &str) -> Option<(Comparison, bool)> {
    Some(match name {
        "StringEquals" => (Comparison::StringEquals, false),
        "StringNotEquals" => (Comparison::StringEquals, true),
        "StringEqualsIgnoreCase" => (Comparison::StringEqualsIgnoreCase, false),
        "StringNotEqualsIgnoreCase" => (Comparison::StringEqualsIgnoreCase, true),
        "StringLike" => (Comparison::StringLike, false),
        "StringNotLike" => (Comparison::StringLike, true),
        // [A156] The two are the same.
        "ArnEquals" | "ArnLike" => (Comparison::Arn, false),
        "ArnNotEquals" | "ArnNotLike" => (Comparison::Arn, true),
        "NumericEquals" => (Comparison::Numeric(Order::Equals), false),
        "NumericNotEquals" => (Comparison::Numeric(Order::Equals), true),
        "NumericLessThan" => (Comparison::Numeric(Order::LessThan), false),
        "NumericLessThanEquals" => (Comparison::Numeric(Order::LessThanEquals), false),
        "NumericGreaterThan" => (Comparison::Numeric(Order::GreaterThan), false),
        "NumericGreaterThanEquals" => (Comparison::Numeric(Order::GreaterThanEquals), false),
        "DateEquals" => (Comparison::Date(Order::Equals), false),
        "DateNotEquals" => (Comparison::Date(Order::Equals), true),
        "DateLessThan" => (Comparison::Date(Order::LessThan), false),
        "DateLessThanEquals" => (Comparison::Date(Order::LessThanEquals), false),
        "DateGreaterThan" => (Comparison::Date(Order::GreaterThan), false),
        "DateGreaterThanEquals" => (Comparison::Date(Order::GreaterThanEquals), false),
        "Bool" => (Comparison::Bool, false),
        "BinaryEquals" => (Comparison::Binary, false),
        "IpAddress" => (Comparison::IpAddress, false),
        "NotIpAddress" => (Comparison::IpAddress, true),
        "Null" => (Comparison::Null, false),
        _ => return None,
    })
}

/// One `operator: { key: values }` of a condition block.
#[derive(Clone, Debug)]
pub struct Condition {
    operator: Operator,
    operator_text: Box<str>,
    key: ConditionKey,
    values: Vec<Wanted>,
    span: Span,
}

/// A value that the policy compares with.
#[derive(Clone, Debug)]
struct Wanted {
    text: Box<str>,
    form: Form,
}

#[derive(Clone, Debug)]
enum Form {
    Text(Glob),
    Arn(ArnPattern),
    Number(f64),
    Date(Timestamp),
    Bool(bool),
    Bytes(Vec<u8>),
    Network(IpNet),
    /// Not a value of the operator's type: never equal to anything (A157).
    Unreadable,
}

impl Wanted {
    fn doubt(&self, context: &dyn Context) -> Option<Truth> {
        match &self.form {
            Form::Text(glob) => glob.doubt(context),
            Form::Arn(pattern) => pattern.doubt(context),
            Form::Number(_) | Form::Date(_) | Form::Bool(_) | Form::Bytes(_) | Form::Network(_) | Form::Unreadable => None,
        }
    }
}

impl Condition {
    pub(crate) fn new(operator: Operator, operator_text: &str, key: &str, values: &[Cow<'_, str>], variables: bool, span: Span) -> Self {
        let variables = variables && operator.takes_variables();
        let values = values.iter().map(|text| Wanted { text: (&**text).into(), form: form(operator.comparison, text, variables) }).collect();
        Self { operator, operator_text: operator_text.into(), key: ConditionKey::new(key), values, span }
    }

    /// The operator.
    pub fn operator(&self) -> Operator {
        self.operator
    }

    /// The operator as the policy writes it.
    pub fn operator_text(&self) -> &str {
        &self.operator_text
    }

    /// The condition key.
    pub fn key(&self) -> &ConditionKey {
        &self.key
    }

    /// The policy's values as it writes them.
    pub fn values(&self) -> impl Iterator<Item = &str> {
        self.values.iter().map(|wanted| &*wanted.text)
    }

    /// Every key that it asks for: its own, and those of variables in its values.
    pub fn keys(&self) -> impl Iterator<Item = &ConditionKey> {
        let variables = self.values.iter().flat_map(|wanted| {
            let (glob, pattern) = match &wanted.form {
                Form::Text(glob) => (Some(glob), None),
                Form::Arn(pattern) => (None, Some(pattern)),
                Form::Number(_) | Form::Date(_) | Form::Bool(_) | Form::Bytes(_) | Form::Network(_) | Form::Unreadable => (None, None),
            };
            glob.into_iter().flat_map(Glob::variables).chain(pattern.into_iter().flat_map(ArnPattern::variables))
        });
        std::iter::once(&self.key).chain(variables)
    }

    /// Where `key: values` stands in the document.
    pub fn span(&self) -> Span {
        self.span
    }

    /// Whether the condition holds for the request.
    pub fn holds(&self, context: &dyn Context) -> Truth {
        let values = context.values(&self.key);
        if values == Values::Unknown {
            return Truth::Open;
        }
        // [A168] What the value is compared with cannot be told.
        if let Some(doubt) = self.values.iter().filter_map(|wanted| wanted.doubt(context)).max() {
            return doubt;
        }
        if self.operator.is_null() {
            // [A163]
            let absent = matches!(&values, Values::Absent) || matches!(&values, Values::Many(none) if none.is_empty());
            return Truth::from_bool(self.values.iter().any(|wanted| matches!(wanted.form, Form::Bool(null) if null == absent)));
        }
        match (self.operator.set, &values) {
            (_, Values::Unknown) => Truth::Open,
            // [A168] Two names that differ by case: nobody can say which one counts.
            (_, Values::Clash(_)) => Truth::Unsure,
            (None, Values::Absent) => Truth::from_bool(self.operator.holds_when_absent()),
            (None, Values::One(value)) => Truth::from_bool(self.test(value, context)),
            // [A164] A plain operator never matches a multivalued key; without values it is a missing key.
            (None, Values::Many(values)) if values.is_empty() => Truth::from_bool(self.operator.holds_when_absent()),
            (None, Values::Many(_)) => Truth::No,
            // [A165]
            (Some(SetOperator::All), values) => Truth::from_bool(values.iter().all(|value| self.test(value, context))),
            (Some(SetOperator::Any), values) => {
                let missing = values.iter().next().is_none();
                Truth::from_bool(if missing { self.operator.holds_when_absent() } else { values.iter().any(|value| self.test(value, context)) })
            }
        }
    }

    /// One request value against the list: OR, for negated operators NOR (A150), for MAC algorithms too (A569).
    fn test(&self, value: &str, context: &dyn Context) -> bool {
        let mut readable = true;
        let listed = self.values.iter().any(|wanted| match self.compare(value, wanted, context) {
            Some(equal) => equal,
            None => {
                readable = false;
                false
            }
        });
        if self.operator.negated { !listed && readable } else { listed }
    }

    /// `None`: a number or date that is none, so the test is false whichever way it is asked (A157).
    fn compare(&self, value: &str, wanted: &Wanted, context: &dyn Context) -> Option<bool> {
        match (self.operator.comparison, &wanted.form) {
            (Comparison::StringEquals | Comparison::StringLike, Form::Text(glob)) => Some(glob.matches(value, context)),
            (Comparison::StringEqualsIgnoreCase, Form::Text(glob)) => Some(glob.matches_ignoring_case(value, context)),
            (Comparison::Arn, Form::Arn(pattern)) => Some(is_arn(value) && pattern.matches(value, context)),
            (Comparison::Arn, _) => Some(false), // [A156] no ARN: never matches
            (Comparison::Numeric(order), Form::Number(number)) => parse_number(value).map(|value| order.holds(value, *number)),
            (Comparison::Date(order), Form::Date(date)) => parse_date(value).map(|value| order.holds(value, *date)),
            (Comparison::Bool, Form::Bool(wanted)) => Some(parse_bool(value) == Some(*wanted)),
            (Comparison::Bool, Form::Text(glob)) => Some(parse_bool(value).is_some() && glob.matches_ignoring_case(value, context)),
            (Comparison::Binary, Form::Bytes(bytes)) => Some(BASE64.decode(value.as_bytes()).is_ok_and(|value| value == *bytes)),
            (Comparison::IpAddress, Form::Network(network)) => value.parse::<IpAddr>().ok().map(|address| network.contains(&address)),
            _ => None,
        }
    }
}

fn form(comparison: Comparison, text: &str, variables: bool) -> Form {
    let readable = |form: Option<Form>| form.unwrap_or(Form::Unreadable);
    match comparison {
        Comparison::StringEquals | Comparison::StringEqualsIgnoreCase => Form::Text(Glob::exact(text, variables)),
        Comparison::StringLike => Form::Text(Glob::new(text, variables)),
        Comparison::Arn => readable(ArnPattern::new(text, variables, Padding::None).map(Form::Arn)),
        Comparison::Numeric(_) => readable(parse_number(text).map(Form::Number)),
        Comparison::Date(_) => readable(parse_date(text).map(Form::Date)),
        Comparison::Bool if variables && text.contains("${") => Form::Text(Glob::exact(text, true)),
        Comparison::Bool | Comparison::Null => readable(parse_bool(text).map(Form::Bool)),
        Comparison::Binary => readable(BASE64.decode(text.as_bytes()).ok().map(Form::Bytes)),
        Comparison::IpAddress => readable(parse_network(text).map(Form::Network)),
    }
}

/// (A156) Six segments, the first of them `arn`.
fn is_arn(text: &str) -> bool {
    text.starts_with("arn:") && text.splitn(6, ':').count() == 6
}

/// (A159) Letter case does not count.
pub(crate) fn parse_bool(text: &str) -> Option<bool> {
    match text {
        _ if text.eq_ignore_ascii_case("true") => Some(true),
        _ if text.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}

/// (A157) Integers and decimals; not `inf`, not `nan`, which `f64` would read.
pub(crate) fn parse_number(text: &str) -> Option<f64> {
    let number: Option<f64> = text.bytes().all(|b| b.is_ascii_digit() || b"+-.eE".contains(&b)).then(|| text.parse().ok()).flatten();
    number.filter(|number| number.is_finite())
}

/// (A158) ISO 8601 in the W3C profile (a year, a month, a day or a time with zone), or seconds since the epoch.
pub fn parse_date(text: &str) -> Option<Timestamp> {
    if text.contains(['t', 'z']) {
        return None; // the profile has capital letters only
    }
    let plain = text.starts_with(|c: char| c.is_ascii_digit()) && text.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    let year = text.len() == 4 && text.bytes().all(|b| b.is_ascii_digit());
    if let Some(seconds) = parse_number(text).filter(|_| plain && !year) {
        #[expect(clippy::cast_possible_truncation, reason = "out of range saturates, and jiff refuses it")]
        return Timestamp::from_millisecond((seconds * 1000.0) as i64).ok();
    }
    let midnight = |date: String| format!("{date}T00:00:00Z").parse().ok();
    match text.len() {
        4 => midnight(format!("{text}-01-01")),
        7 => midnight(format!("{text}-01")),
        10 => midnight(text.to_owned()),
        _ => text.parse().ok(),
    }
}

/// (A159) CIDR of v4 or v6; without a prefix one host.
pub(crate) fn parse_network(text: &str) -> Option<IpNet> {
    text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))
}

/// Whether a pattern with fewer than six segments is filled up.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Padding {
    /// Never.
    None,
    /// With `*`, if it holds a wildcard (A138).
    Star,
}

/// A pattern of an ARN: six segments, each compared by itself (A137) (A156).
#[derive(Clone, Debug)]
pub(crate) struct ArnPattern {
    segments: [Glob; 6],
    has_variables: bool,
    /// The whole, where it is one ARN and no pattern: most are, and compare at once.
    literal: Option<Box<str>>,
    /// The last segment is compared with the whole ARN.
    whole: bool,
}

impl ArnPattern {
    /// `None` if the text can match no ARN.
    pub(crate) fn new(text: &str, variables: bool, padding: Padding) -> Option<Self> {
        let mut segments = split_outside_variables(text);
        if segments.len() < 6 {
            if let (true, [only]) = (variables, segments.as_slice())
                && only.starts_with("${")
            {
                if padding == Padding::Star {
                    return None; // [A140]
                }
                // A value that is a variable as a whole stands for all six segments.
                let segments = std::array::from_fn(|at| if at == 5 { Glob::exact(only, true) } else { Glob::new("", false) });
                return Some(Self { segments, has_variables: true, literal: None, whole: true });
            }
            if padding == Padding::None || !text.contains(['*', '?']) {
                return None;
            }
            segments.resize(6, "*");
        }
        // [A137] In a Resource the service is named, or nothing is.
        if padding == Padding::Star && segments.get(2).is_some_and(|service| service.contains(['*', '?'])) && text.contains(':') {
            return None;
        }
        let mut globs = segments.iter().enumerate().map(|(at, segment)| {
            // [A140] Variables in a Resource stand in the sixth segment only; in conditions anywhere.
            Glob::new(segment, variables && (at == 5 || padding == Padding::None))
        });
        let segments = [globs.next()?, globs.next()?, globs.next()?, globs.next()?, globs.next()?, globs.next()?];
        let literals: Option<Vec<&str>> = segments.iter().map(Glob::literal).collect();
        let literal = literals.map(|literals| literals.join(":").into());
        Some(Self { has_variables: segments.iter().any(Glob::has_variables), literal, segments, whole: false })
    }

    /// The keys of the variables in it.
    pub(crate) fn variables(&self) -> impl Iterator<Item = &ConditionKey> {
        self.segments.iter().flat_map(Glob::variables)
    }

    /// What keeps its variables from being substituted.
    pub(crate) fn doubt(&self, context: &dyn Context) -> Option<Truth> {
        if self.has_variables { self.segments.iter().filter_map(|glob| glob.doubt(context)).max() } else { None }
    }

    pub(crate) fn matches(&self, arn: &str, context: &dyn Context) -> bool {
        if let Some(literal) = &self.literal {
            return **literal == *arn;
        }
        let [.., last] = &self.segments;
        if self.whole {
            return last.matches(arn, context);
        }
        // Long policies name many keys of one account: where they end tells them apart at once.
        if last.literal().is_some_and(|end| !arn.ends_with(end)) {
            return false;
        }
        let mut values = arn.splitn(6, ':');
        self.segments.iter().all(|glob| values.next().is_some_and(|value| glob.matches(value, context)))
    }

    /// Whether each variable has a value.
    pub(crate) fn resolvable(&self, context: &dyn Context) -> bool {
        !self.has_variables || self.segments.iter().all(|glob| glob.resolvable(context))
    }
}

/// Splits at colons into at most six segments; the colons of `${aws:username}` do not count.
fn split_outside_variables(text: &str) -> Vec<&str> {
    let mut segments = Vec::with_capacity(6);
    let (mut start, mut inside) = (0, false);
    for (at, c) in text.char_indices() {
        match c {
            // [A173] Without an end it is text like any other.
            '{' if text.get(..at).is_some_and(|before| before.ends_with('$')) => inside = text.get(at..).is_some_and(|rest| rest.contains('}')),
            '}' => inside = false,
            ':' if !inside && segments.len() < 5 => {
                segments.push(text.get(start..at).unwrap_or_default());
                start = at + 1;
            }
            _ => {}
        }
    }
    segments.push(text.get(start..).unwrap_or_default());
    segments
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::MapContext;

    fn holds(operator: &str, values: &[&str], context: &MapContext) -> Truth {
        let values: Vec<Cow<'_, str>> = values.iter().map(|value| Cow::Borrowed(*value)).collect();
        Condition::new(Operator::parse(operator).unwrap(), operator, "k", &values, true, Span::default()).holds(context)
    }

    /// `value` absent: the key is missing.
    fn check(operator: &str, wanted: &[&str], value: Option<&str>, expected: bool) {
        let context = value.map_or_else(MapContext::new, |value| MapContext::new().with("k", value));
        assert_eq!(holds(operator, wanted, &context), Truth::from_bool(expected), "{operator} {wanted:?} on {value:?}");
    }

    #[test]
    fn comparisons() {
        check("StringEquals", &["a", "b"], Some("b"), true); // [A150]
        check("StringEquals", &["A"], Some("a"), false); // [A153]
        check("StringEquals", &["*"], Some("a"), false);
        check("StringNotEquals", &["a", "b"], Some("b"), false); // [A150] NOR
        check("StringEqualsIgnoreCase", &["ÉA"], Some("éa"), true); // [A154]
        check("StringLike", &["a*?"], Some("abc"), true); // [A155]
        check("ArnLike", &["arn:aws:iam::*:role/a*"], Some("arn:aws:iam::111122223333:role/a/b"), true); // [A156]
        check("ArnEquals", &["arn:aws:iam::1*:role/x"], Some("arn:aws:iam::1:2:role/x"), false);
        check("ArnLike", &["*"], Some("arn:aws:iam::111122223333:role/a"), false);
        check("ArnNotLike", &["nonsense"], Some("arn:aws:iam::111122223333:role/a"), true);
        check("NumericLessThan", &["10"], Some("9.5"), true); // [A157]
        check("NumericEquals", &["1"], Some("x"), false);
        check("NumericNotEquals", &["1"], Some("x"), false);
        check("NumericEquals", &["inf"], Some("inf"), false);
        check("DateLessThan", &["2026-01-01T00:00:00Z"], Some("2026-02-01T00:00:00Z"), false); // [A158]
        check("DateGreaterThan", &["1767225600"], Some("2026-02-01T00:00:00Z"), true);
        check("DateEquals", &["2026-02-01"], Some("1769904000"), true);
        check("DateEquals", &["2026-02-01T00:00Z"], Some("1769904000"), true);
        check("DateEquals", &["2026-02-01T01:30:00.000+01:30"], Some("1769904000"), true);
        check("DateEquals", &["2026-02"], Some("2026-02-01T00:00:00Z"), true);
        check("DateEquals", &["2026"], Some("2026-01-01"), true);
        check("DateLessThan", &["2026-01-01T00:00:00"], Some("2025-01-01T00:00:00Z"), false); // no zone
        check("DateNotEquals", &["tomorrow"], Some("2026-01-01"), false);
        check("NumericLessThan", &["1e999"], Some("1"), false);
        check("Bool", &["TRUE"], Some("true"), true); // [A159]
        check("BinaryEquals", &["AAEC"], Some("AAEC"), true);
        check("IpAddress", &["203.0.113.0/24"], Some("203.0.113.9"), true);
        check("IpAddress", &["203.0.113.9"], Some("203.0.113.9"), true);
        check("NotIpAddress", &["203.0.113.0/24"], Some("2001:db8::1"), true);
        check("IpAddress", &["2001:db8::/32"], Some("2001:db8::1"), true);
    }

    #[test]
    fn a_missing_key() {
        check("StringEquals", &["a"], None, false); // [A160]
        check("StringNotEquals", &["a"], None, true);
        check("StringEqualsIfExists", &["a"], None, true); // [A161]
        check("StringNotEqualsIfExists", &["a"], None, true);
        check("StringEqualsIfExists", &["a"], Some("b"), false);
        check("Null", &["true"], None, true); // [A163]
        check("Null", &["false"], None, false);
        check("Null", &["false"], Some(""), true); // [A162]
        check("Bool", &["false"], None, false);
        check("ForAllValues:StringEquals", &["a"], None, true); // [A165]
        check("ForAnyValue:StringEquals", &["a"], None, false);
        check("ForAnyValue:StringEqualsIfExists", &["a"], None, true); // [A166]
    }

    #[test]
    fn several_values() {
        let context = MapContext::new().with_many("k", ["a", "b"]);
        let check = |operator: &str, wanted: &[&str], expected: bool| {
            assert_eq!(holds(operator, wanted, &context), Truth::from_bool(expected), "{operator} {wanted:?}");
        };
        check("StringEquals", &["a", "b"], false); // [A164]
        check("StringNotEquals", &["x"], false);
        check("Null", &["false"], true);
        check("ForAllValues:StringEquals", &["a", "b", "c"], true); // [A165]
        check("ForAllValues:StringEquals", &["a"], false);
        check("ForAnyValue:StringEquals", &["a"], true);
        let none = MapContext::new().with_many("k", []);
        assert_eq!(holds("Null", &["true"], &none), Truth::Yes); // [A163] [A165] no values are no key
        assert_eq!(holds("StringNotEquals", &["x"], &none), Truth::Yes);
        check("ForAllValues:StringNotEquals", &["c"], true); // [A166]
        check("ForAllValues:StringNotEquals", &["a"], false);
        check("ForAnyValue:StringNotEquals", &["a"], true);
        check("ForAnyValue:StringNotEquals", &["a", "b"], false);
    }

    #[test]
    fn names_that_clash_are_never_sure() {
        struct Clash;
        impl Context for Clash {
            fn values(&self, _: &ConditionKey) -> Values<'_> {
                Values::Clash(vec!["a".into(), "b".into()])
            }
        }
        let condition = Condition::new(Operator::parse("StringEquals").unwrap(), "", "k", &["a".into()], true, Span::default());
        assert_eq!(condition.holds(&Clash), Truth::Unsure); // [A168]
        for (operator, wanted) in [("StringEquals", "${aws:RequestTag/a}"), ("ArnNotLike", "arn:aws:iam::*:role/${aws:RequestTag/a, 'x'}")] {
            let condition =
                Condition::new(Operator::parse(operator).unwrap(), operator, "aws:PrincipalTag/a", &[wanted.into()], true, Span::default());
            assert_eq!(condition.holds(&Clash), Truth::Unsure, "{operator}"); // [A168]
        }
    }

    #[test]
    fn operators_are_spelled_as_documented() {
        for good in ["StringEquals", "ForAllValues:ArnLikeIfExists", "DateGreaterThanEqualsIfExists", "Null", "BinaryEquals"] {
            assert!(Operator::parse(good).is_some(), "{good}");
        }
        for bad in ["stringequals", "NullIfExists", "ForAllValues:Null", "ForSomeValues:StringEquals", "StringEqualsIfExist", ""] {
            assert!(Operator::parse(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn an_arn_value_may_be_a_variable() {
        let context = MapContext::new().with("k", "arn:aws:iam::111122223333:user/ann").with("aws:username", "ann");
        assert_eq!(holds("ArnEquals", &["arn:aws:iam::111122223333:user/${aws:username}"], &context), Truth::Yes); // [A170]
        let whole = MapContext::new().with("k", "arn:aws:a:b:c:d").with("aws:SourceArn", "arn:aws:a:b:c:d");
        assert_eq!(holds("ArnEquals", &["${aws:SourceArn}"], &whole), Truth::Yes);
        assert_eq!(holds("ArnLike", &[":::::*"], &whole), Truth::No); // [A156]
        let open = MapContext::new().with("k", "arn:aws:s3:::${a");
        assert_eq!(holds("ArnEquals", &["arn:aws:s3:::${a"], &open), Truth::Yes); // [A173]
    }
}
